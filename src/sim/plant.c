/* plant.c - the plant as a whole: its day, faults, and the meters, which integrate what the
 * machines draw. SPDX-License-Identifier: Apache-2.0 */
#include "plant.h"

#include <math.h>
#include <stddef.h>

static const double longest_step_s = 0.1;
static const double seconds_per_day = 86400.0;

const char *plant_fault_name(unsigned f)
{
    static const char *const names[PLANT_FAULTS] = {
        [PLANT_VALVE_STUCK] = "valve_stuck",
        [PLANT_BEARING_WEAR] = "bearing_wear",
        [PLANT_LEAK] = "leak",
        [PLANT_SENSOR_STUCK] = "sensor_stuck",
        [PLANT_COMM_LOSS] = "comm_loss",
    };
    return f < PLANT_FAULTS ? names[f] : NULL;
}

double plant_noise(struct plant *p)
{
    p->rng ^= p->rng >> 12;
    p->rng ^= p->rng << 25;
    p->rng ^= p->rng >> 27;
    const uint64_t r = p->rng * 2685821657736338717U;
    return (double)(r >> 11) / 4503599627370496.0 - 1.0; /* 2^52: [-1, 1) */
}

static double bump(double x, double middle, double width)
{
    const double d = (x - middle) / width;
    return exp(-d * d);
}

double plant_day_shape(double day_s)
{
    const double h = day_s / 3600.0;
    /* Morning and afternoon shift with a dip at noon, a small evening shift. */
    const double v = bump(h, 10.0, 2.4) + bump(h, 15.3, 2.6) + 0.45 * bump(h, 20.5, 1.8) +
                     0.45 * bump(h + 24.0, 20.5, 1.8) + 0.10;
    return v > 1.0 ? 1.0 : v;
}

void plant_init(struct plant *p, uint64_t seed, double day_s)
{
    *p = (struct plant){.day_s = fmod(day_s, seconds_per_day), .rng = seed * 2 + 1};
    water_init(&p->water);
    cell_init(&p->cell);
    air_init(&p->air);
    p->water.level_m = 2.0;
    p->water.level_shown_m = 2.0;
    p->meter[0].energy_kwh = 184213.0; /* meters are never new */
    p->meter[1].energy_kwh = 9120.0;
    p->meter[2].energy_kwh = 14377.0;
    p->meter[3].energy_kwh = 88754.0;
}

void plant_set_fault(struct plant *p, enum plant_fault f, bool on)
{
    if ((unsigned)f < PLANT_FAULTS && p->fault[f] != on) {
        p->fault[f] = on;
        p->fault_s[f] = 0.0;
        if (f == PLANT_BEARING_WEAR && !on) {
            p->water.wear = 0.02; /* somebody put a new bearing in */
        }
    }
}

void plant_reset_trip(struct plant *p)
{
    p->water.tripped = false;
}

static void meter_step(struct plant *p, struct meter *m, double kw, double pf, double dt_s)
{
    m->power_kw = kw;
    m->power_factor = pf;
    m->reactive_kvar = kw * sqrt(1.0 - pf * pf) / pf;
    m->frequency_hz = 50.0 + 0.02 * sin(p->time_s / 31.0);
    m->voltage_v = 402.0 - 0.035 * p->meter[0].power_kw + 0.6 * sin(p->time_s / 97.0);
    m->current_a = kw * 1000.0 / (sqrt(3.0) * m->voltage_v * pf);
    m->energy_kwh += kw * dt_s / 3600.0;
    m->peak_kw = kw > m->peak_kw ? kw : m->peak_kw;
}

static void meters_step(struct plant *p, double dt_s)
{
    const double pump = p->water.power_kw;
    const double cell = p->cell.power_kw;
    const double air = p->air.c[0].power_kw + p->air.c[1].power_kw;
    p->lighting_kw = 3.0 + 14.0 * plant_day_shape(p->day_s);
    meter_step(p, &p->meter[1], pump, 0.86, dt_s);
    meter_step(p, &p->meter[2], cell, 0.78 + 0.08 * p->cell.spindle_load / 100.0, dt_s);
    meter_step(p, &p->meter[3], air, p->air.c[0].loaded || p->air.c[1].loaded ? 0.88 : 0.62, dt_s);
    double kvar = 0.0;
    for (int i = 1; i < PLANT_METERS; i++) {
        kvar += p->meter[i].reactive_kvar;
    }
    kvar += 0.3 * p->lighting_kw;
    const double kw = pump + cell + air + p->lighting_kw;
    meter_step(p, &p->meter[0], kw, kw / sqrt(kw * kw + kvar * kvar), dt_s);
}

static void one_step(struct plant *p, double dt_s)
{
    water_step(p, dt_s);
    cell_step(p, dt_s);
    air_step(p, dt_s);
    meters_step(p, dt_s);
    p->time_s += dt_s;
    p->day_s = fmod(p->day_s + dt_s, seconds_per_day);
    for (int i = 0; i < PLANT_FAULTS; i++) {
        p->fault_s[i] += p->fault[i] ? dt_s : 0.0;
    }
}

void plant_step(struct plant *p, double dt_s)
{
    while (dt_s > 1e-9) {
        const double step = dt_s > longest_step_s ? longest_step_s : dt_s;
        one_step(p, step);
        dt_s -= step;
    }
}
