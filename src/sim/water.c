/* water.c - the water loop.
 *
 * Pump: H = H0 s^2 - A Q^2 (affinity laws for the speed s), efficiency a parabola around the best
 * point, which moves with s. Pipe: H = Rp Q^2; control valve: dp = (Q / Kv)^2 bar for water (IEC
 * 60534 Kv, m3/h at 1 bar), Kv equal-percentage with a range of 50. The flow is where both meet; a
 * check valve lets none back. Tanks: dV/dt = in - out. Motor: losses heat a mass that cools to the
 * room. SPDX-License-Identifier: Apache-2.0 */
#include "plant.h"

#include <math.h>

static const double h0_m = 32.0;      /* head at no flow, full speed */
static const double a_curve = 0.0042; /* m per (m3/h)^2 */
static const double r_pipe = 0.0021;  /* m per (m3/h)^2 */
static const double kvs = 90.0;       /* FV-101 fully open */
static const double kv_range = 50.0;
static const double m_per_bar = 10.197; /* of water */
static const double q_best = 45.0;      /* m3/h at full speed */
static const double eta_max = 0.74;
static const double eta_motor = 0.92;
static const double power_factor = 0.86;
static const double tank_m2 = 8.0;
static const double sump_m2 = 12.0;
static const double tank_base_m = 9.0; /* of T-101 above the bottom of the sump */
static const double return_kv = 42.0;  /* V-102 at demand 1 */
static const double room_c = 22.0;

double water_pump_head_m(double speed, double flow_m3h)
{
    return h0_m * speed * speed - a_curve * flow_m3h * flow_m3h;
}

static double valve_kv(double opening)
{
    return opening <= 0.0 ? 0.0 : kvs * pow(kv_range, opening - 1.0);
}

double water_pipe_head_m(double valve, double flow_m3h)
{
    const double kv = valve_kv(valve);
    if (kv <= 0.0) {
        return flow_m3h > 0.0 ? INFINITY : 0.0;
    }
    const double per_q = flow_m3h / kv;
    return r_pipe * flow_m3h * flow_m3h + m_per_bar * per_q * per_q;
}

double water_pump_efficiency(double speed, double flow_m3h)
{
    if (speed <= 0.0) {
        return 0.0;
    }
    const double x = flow_m3h / (q_best * speed) - 1.0;
    const double eta = eta_max * (1.0 - x * x);
    return eta < 0.12 ? 0.12 : eta;
}

void water_init(struct water *w)
{
    *w = (struct water){.run = true,
                        .automatic = true,
                        .speed_set = 0.8,
                        .valve_set = 0.75,
                        .level_set_m = 2.0,
                        .demand = 1.0,
                        .speed = 0.8,
                        .valve = 0.75,
                        .tank_m3 = 2.0 * 8.0,
                        .sump_m3 = 1.6 * 12.0,
                        .motor_c = 48.0,
                        .bearing_c = 41.0,
                        .wear = 0.08,
                        .integral = 0.75};
}

static double toward(double from, double to, double most)
{
    const double d = to - from;
    return d > most ? from + most : d < -most ? from - most : to;
}

static double clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

static void control(struct plant *p, double dt_s)
{
    struct water *w = &p->water;
    double want = w->speed_set;
    if (w->automatic) { /* PI on the level that the transmitter shows */
        const double err = w->level_set_m - w->level_shown_m;
        w->integral = clamp(w->integral + err * dt_s * 0.004, 0.3, 1.0);
        want = clamp(w->integral + err * 0.35, 0.3, 1.0);
    }
    if (!w->run || w->tripped) {
        want = 0.0;
    }
    w->speed = toward(w->speed, want, 0.12 * dt_s);
    if (!p->fault[PLANT_VALVE_STUCK]) {
        w->valve = toward(w->valve, w->valve_set, 0.05 * dt_s);
    }
}

/* Flows of this instant, from speed, valve and levels. */
static void hydraulics(struct plant *p)
{
    struct water *w = &p->water;
    const double rise = tank_base_m + w->level_m - w->sump_level_m;
    const double kv = valve_kv(w->valve);
    const double drive = h0_m * w->speed * w->speed - rise;
    w->flow_m3h = 0.0;
    if (drive > 0.0 && kv > 0.0 && w->sump_level_m > 0.05) {
        w->flow_m3h = sqrt(drive / (a_curve + r_pipe + m_per_bar / (kv * kv)));
    }
    w->head_m = w->speed > 0.0 ? water_pump_head_m(w->speed, w->flow_m3h) : 0.0;
    w->suction_bar = w->sump_level_m / m_per_bar;
    w->discharge_bar =
        w->suction_bar + (w->flow_m3h > 0.0 || w->head_m > rise ? w->head_m : rise) / m_per_bar;
    const double shape = 0.35 + 0.75 * plant_day_shape(p->day_s);
    const double dp_bar = (w->level_m + 3.0) / m_per_bar; /* the sump lies 3 m below the outlet */
    w->return_m3h = w->level_m > 0.02 ? return_kv * shape * w->demand * sqrt(dp_bar) : 0.0;
    w->leak_m3h = 0.0;
    if (p->fault[PLANT_LEAK] && w->flow_m3h > 0.0) { /* a hole behaves as a valve */
        w->leak_m3h = 3.2 * sqrt(w->discharge_bar);
        if (w->leak_m3h > w->flow_m3h) {
            w->leak_m3h = w->flow_m3h;
        }
    }
}

static void balance(struct water *w, double dt_s)
{
    const double h = dt_s / 3600.0;
    double into_tank = (w->flow_m3h - w->leak_m3h) * h;
    double out_of_tank = w->return_m3h * h;
    const double from_sump = w->flow_m3h * h;
    if (out_of_tank > w->tank_m3 + into_tank) {
        out_of_tank = w->tank_m3 + into_tank;
    }
    w->tank_m3 += into_tank - out_of_tank;
    w->sump_m3 += out_of_tank - from_sump;
    w->leaked_m3 += w->leak_m3h * h;
    const double over = w->tank_m3 - tank_m2 * WATER_TANK_MAX_CM / 100.0;
    if (over > 0.0) { /* the overflow leads back to the sump */
        w->tank_m3 -= over;
        w->sump_m3 += over;
    }
    if (w->sump_m3 < sump_m2 * 0.8) { /* float valve on the town main, 20 m3/h */
        w->sump_m3 += 20.0 * h;
        w->makeup_m3 += 20.0 * h;
    }
    w->level_m = w->tank_m3 / tank_m2;
    w->sump_level_m = w->sump_m3 / sump_m2;
}

static void machine(struct plant *p, double dt_s)
{
    struct water *w = &p->water;
    const double hydraulic_kw = 9.81 * w->flow_m3h / 3600.0 * w->head_m; /* rho g Q H, kW */
    const double friction_kw = 0.35 * w->speed * w->speed * (1.0 + 3.0 * w->wear);
    const double shaft_kw =
        hydraulic_kw / fmax(water_pump_efficiency(w->speed, w->flow_m3h), 0.12) + friction_kw;
    w->power_kw = w->speed > 0.0 ? shaft_kw / eta_motor : 0.0;
    w->current_a = w->power_kw * 1000.0 / (sqrt(3.0) * 400.0 * power_factor);
    const double loss_kw = w->power_kw * (1.0 - eta_motor);
    w->motor_c += (loss_kw * 1000.0 - (w->motor_c - room_c) / 0.075) * dt_s / 22000.0;
    const double heat_c = room_c + w->speed * w->speed * (22.0 + 60.0 * w->wear * w->wear);
    w->bearing_c += (heat_c - w->bearing_c) * dt_s / 420.0;
    const double rate = p->fault[PLANT_BEARING_WEAR] ? 1.0 / 1800.0 : 1.0 / 1800000.0;
    w->wear = fmin(1.0, w->wear + rate * w->speed * dt_s);
    const double off_best = w->speed > 0.0 ? w->flow_m3h / (q_best * w->speed) - 1.0 : 0.0;
    w->vibration_mms =
        w->speed * w->speed *
        (0.9 + 0.8 * off_best * off_best + 9.5 * pow(w->wear, 1.6) + 0.06 * plant_noise(p));
    w->run_h += w->speed > 0.02 ? dt_s / 3600.0 : 0.0;
    if (w->motor_c > 120.0 || w->vibration_mms > 11.0) {
        w->tripped = true; /* by the motor protection; ISO 10816-7 calls 11 mm/s dangerous */
    }
}

void water_step(struct plant *p, double dt_s)
{
    struct water *w = &p->water;
    w->level_m = w->tank_m3 / tank_m2;
    w->sump_level_m = w->sump_m3 / sump_m2;
    if (!p->fault[PLANT_SENSOR_STUCK]) {
        w->level_shown_m = w->level_m + 0.002 * plant_noise(p);
    }
    control(p, dt_s);
    hydraulics(p);
    balance(w, dt_s);
    machine(p, dt_s);
}
