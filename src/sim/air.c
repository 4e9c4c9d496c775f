/* air.c - the compressor room. Header: V dp/dt = p_atm (supply - demand), isothermal, with free air
 * volumes. Control: a cascade of two pressure bands (load/unload); a compressor that has idled for
 * ten minutes stops and starts again when its band calls. Power of a loaded screw grows about 7 % a
 * bar. SPDX-License-Identifier: Apache-2.0 */
#include "plant.h"

#include <math.h>

static const double header_m3 = 8.0;
static const double atm_bar = 1.013;
static const double rated_m3min = 9.4;
static const double rated_kw = 55.0; /* at 7 bar */
static const double idle_kw = 17.0;
static const double stop_after_s = 600.0;

static const struct band {
    double load_bar;
    double unload_bar;
} bands[PLANT_COMPRESSORS] = {{6.9, 7.4}, {6.5, 7.0}};

void air_init(struct air *a)
{
    *a = (struct air){.header_bar = 7.1, .dew_point_c = 3.0};
    for (int i = 0; i < PLANT_COMPRESSORS; i++) {
        a->c[i].outlet_c = 60.0;
    }
    a->c[0].running = true;
    a->c[0].loaded = true;
    a->c[0].starts = 1;
}

static void switch_on_band(struct compressor *c, const struct band *b, double bar, double dt_s)
{
    if (bar <= b->load_bar) {
        c->starts += !c->running;
        c->running = true;
        c->loaded = true;
        c->unloaded_s = 0.0;
    } else if (bar >= b->unload_bar) {
        c->loaded = false;
    }
    if (c->running && !c->loaded) {
        c->unloaded_s += dt_s;
        if (c->unloaded_s >= stop_after_s) {
            c->running = false;
            c->unloaded_s = 0.0;
        }
    }
}

static void compressor_step(struct compressor *c, double bar, double dt_s)
{
    c->flow_m3min = c->loaded ? rated_m3min * (1.0 - 0.012 * (bar - 7.0)) : 0.0;
    c->power_kw = 0.0;
    if (c->running) {
        c->power_kw = c->loaded ? rated_kw * (1.0 + 0.07 * (bar - 7.0)) : idle_kw;
        c->run_h += dt_s / 3600.0;
    }
    c->load_h += c->loaded ? dt_s / 3600.0 : 0.0;
    double heat_c = 24.0;
    if (c->running) {
        heat_c = c->loaded ? 84.0 : 66.0;
    }
    c->outlet_c += (heat_c - c->outlet_c) * dt_s / 240.0;
}

void air_step(struct plant *p, double dt_s)
{
    struct air *a = &p->air;
    double supply = 0.0;
    double power = 0.0;
    for (int i = 0; i < PLANT_COMPRESSORS; i++) {
        switch_on_band(&a->c[i], &bands[i], a->header_bar, dt_s);
        compressor_step(&a->c[i], a->header_bar, dt_s);
        supply += a->c[i].flow_m3min;
        power += a->c[i].power_kw;
    }
    /* Tools in bursts of a few minutes on top of the day; leaks grow with the pressure. */
    const double burst = 1.0 + 0.18 * sin(p->time_s / 47.0) + 0.12 * sin(p->time_s / 13.0);
    double demand =
        (1.6 + 10.5 * plant_day_shape(p->day_s)) * burst + 0.9 * (a->header_bar + atm_bar) / 8.0;
    const double most = a->header_bar * header_m3 / atm_bar * 60.0 / dt_s + supply;
    demand = fmin(demand, most); /* an empty header gives nothing */
    a->demand_m3min = demand;
    a->supply_m3min = supply;
    a->header_bar += atm_bar * (supply - demand) / 60.0 * dt_s / header_m3;
    a->supplied_m3 += supply / 60.0 * dt_s;
    a->drawn_m3 += demand / 60.0 * dt_s;
    a->specific_kw = supply > 0.0 ? power / supply : 0.0;
    const double dryer_c = 2.5 + 0.25 * supply / rated_m3min * 4.0;
    a->dew_point_c += (dryer_c - a->dew_point_c) * dt_s / 300.0;
}
