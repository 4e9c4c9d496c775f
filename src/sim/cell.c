/* cell.c - the machining cell: a lathe that works through cycles, wears tools and changes them.
 * The load follows the cutting force, which grows with the flank wear of the tool; a tool lasts
 * about 40 minutes of cutting (Taylor's range for carbide at these speeds).
 * SPDX-License-Identifier: Apache-2.0 */
#include "plant.h"

#include <math.h>

static const double tool_life_s = 2400.0;
static const double room_c = 22.0;

void cell_init(struct cell *c)
{
    *c = (struct cell){
        .state = CELL_SETUP, .tool = 1, .tools_used = 1, .spindle_c = 34.0, .tool_wear = 0.15};
}

static void enter(struct cell *c, enum cell_state s)
{
    c->state = s;
    c->in_state_s = 0.0;
}

/* Transitions at the end of a state. */
static void next_state(struct plant *p)
{
    struct cell *c = &p->cell;
    switch (c->state) {
    case CELL_IDLE:
        if (plant_day_shape(p->day_s) > 0.12 && c->in_state_s > 5.0) {
            enter(c, CELL_SETUP);
        }
        break;
    case CELL_SETUP:
        if (c->in_state_s >= 12.0) {
            c->cycle_s = 74.0 + 6.0 * plant_noise(p);
            enter(c, CELL_CUTTING);
        }
        break;
    case CELL_CUTTING:
        if (c->in_state_s < c->cycle_s) {
            break;
        }
        c->parts++;
        if (c->tool_wear > 0.9 && plant_noise(p) > 0.2) {
            c->scrap++; /* out of tolerance with a worn tool */
        }
        enter(c, c->tool_wear >= 1.0                ? CELL_TOOL_CHANGE
                 : plant_day_shape(p->day_s) > 0.12 ? CELL_SETUP
                                                    : CELL_IDLE);
        break;
    case CELL_TOOL_CHANGE:
        if (c->in_state_s >= 25.0) {
            c->tool = c->tool % 8 + 1;
            c->tools_used++;
            c->tool_wear = 0.0;
            enter(c, CELL_SETUP);
        }
        break;
    case CELL_ALARM:
        break;
    }
}

void cell_step(struct plant *p, double dt_s)
{
    struct cell *c = &p->cell;
    c->in_state_s += dt_s;
    next_state(p);
    const bool cutting = c->state == CELL_CUTTING;
    const double into = c->cycle_s > 0.0 ? c->in_state_s / c->cycle_s : 0.0;
    /* Roughing takes the first two thirds, then a light finishing cut. */
    const double cut = into < 0.66 ? 1.0 : 0.38;
    double load = 0.0;
    if (cutting) {
        load = 52.0 * cut * (1.0 + 0.7 * c->tool_wear) + 1.5 * plant_noise(p);
        c->tool_wear = fmin(1.0, c->tool_wear + cut * dt_s / tool_life_s);
        c->cutting_s += dt_s;
    }
    const double rpm = cutting ? (into < 0.66 ? 2200.0 : 3200.0) : 0.0;
    c->spindle_rpm += (rpm - c->spindle_rpm) * fmin(1.0, dt_s / 1.5);
    c->spindle_load += (load - c->spindle_load) * fmin(1.0, dt_s / 0.8);
    c->feed_mmin = cutting ? (into < 0.66 ? 420.0 : 260.0) : 0.0;
    const double heat_c = room_c + 10.0 * c->spindle_rpm / 3200.0 + 0.32 * c->spindle_load;
    c->spindle_c += (heat_c - c->spindle_c) * dt_s / 600.0;
    c->power_kw = (c->state == CELL_IDLE ? 0.9 : 2.1) + 15.0 * c->spindle_load / 100.0;
}
