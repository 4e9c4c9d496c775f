/* plant.h - the physics of the demo plant: a water loop, a machining cell, a compressor room and
 * energy meters. Pure: no clock, no I/O; the same seed and steps give the same numbers on every
 * machine. Units are in the names: _m3h cubic metres an hour, _bar gauge pressure, _kw, _c degrees
 * Celsius. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SIM_PLANT_H
#define SH_SIM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

/* Faults that can be switched on and off at any time. */
enum plant_fault {
    PLANT_VALVE_STUCK,  /* the control valve stays where it is */
    PLANT_BEARING_WEAR, /* the pump's bearing wears a thousand times faster */
    PLANT_LEAK,         /* the discharge pipe loses water to the drain */
    PLANT_SENSOR_STUCK, /* the tank's level transmitter repeats its last value */
    PLANT_COMM_LOSS,    /* the field network does not answer */
    PLANT_FAULTS
};
/* "valve_stuck", ...; NULL beyond the end. */
const char *plant_fault_name(unsigned f);

/* ---- water loop: sump -> pump P-101 -> valve FV-101 -> tank T-101 -> valve V-102 -> sump ---- */

struct water {
    /* commands */
    bool run;
    bool automatic;   /* the speed holds the tank's level; else speed_set */
    double speed_set; /* 0..1 */
    double valve_set; /* 0..1 */
    double level_set_m;
    double demand; /* factor on the return flow, 0..2 */
    /* state */
    double speed; /* of nominal */
    double valve; /* FV-101, 0..1 */
    double tank_m3;
    double sump_m3;
    double leaked_m3; /* left the loop so far */
    double makeup_m3; /* was added so far */
    double motor_c;
    double bearing_c;
    double wear;     /* of the bearing, 0 new .. 1 failed */
    double integral; /* of the level controller */
    double run_h;
    bool tripped;
    /* results of the last step */
    double flow_m3h; /* through the pump */
    double return_m3h;
    double leak_m3h;
    double head_m; /* of the pump */
    double suction_bar;
    double discharge_bar;
    double power_kw; /* electrical */
    double current_a;
    double vibration_mms;
    double level_m;       /* of the tank, as it is */
    double level_shown_m; /* as the transmitter says */
    double sump_level_m;
};

/* Head of the pump at a speed and flow, and its best efficiency point: the same curve the step
 * uses. */
double water_pump_head_m(double speed, double flow_m3h);
/* Head the pipe and valves take at a flow, without the difference of levels. */
double water_pipe_head_m(double valve, double flow_m3h);
double water_pump_efficiency(double speed, double flow_m3h);

/* ---- machining cell ---- */

enum cell_state { CELL_IDLE, CELL_SETUP, CELL_CUTTING, CELL_TOOL_CHANGE, CELL_ALARM };
struct cell {
    enum cell_state state;
    double in_state_s;
    double cycle_s;   /* length of the present cutting cycle */
    double tool_wear; /* 0 new .. 1 worn out */
    uint32_t tool;    /* number of the tool in use */
    uint64_t parts;   /* finished */
    uint64_t scrap;
    uint64_t tools_used;
    double cutting_s; /* in all */
    /* results */
    double spindle_rpm;
    double spindle_load; /* percent */
    double feed_mmin;
    double spindle_c;
    double power_kw;
};

/* ---- compressor room: two screw compressors on one header ---- */

enum { PLANT_COMPRESSORS = 2 };
struct compressor {
    bool running;
    bool loaded;
    double unloaded_s; /* since it last unloaded */
    double load_h;
    double run_h;
    double outlet_c;
    double power_kw;
    double flow_m3min; /* free air delivered */
    uint64_t starts;
};
struct air {
    struct compressor c[PLANT_COMPRESSORS];
    double header_bar;   /* gauge */
    double demand_m3min; /* free air drawn in the last step */
    double supply_m3min;
    double drawn_m3; /* free air in all */
    double supplied_m3;
    double specific_kw; /* kW for a m3/min, of what is delivered; 0 when nothing is */
    double dew_point_c;
};

/* ---- energy meters ---- */

enum { PLANT_METERS = 4 }; /* main, pump, cell, compressors */
struct meter {
    double power_kw;
    double reactive_kvar;
    double power_factor;
    double voltage_v; /* line to line */
    double current_a;
    double frequency_hz;
    double energy_kwh;
    double peak_kw;
};

struct plant {
    struct water water;
    struct cell cell;
    struct air air;
    struct meter meter[PLANT_METERS];
    bool fault[PLANT_FAULTS];
    double fault_s[PLANT_FAULTS]; /* how long it has been on */
    double time_s;                /* since the start */
    double day_s;                 /* second of the local day, 0..86400 */
    double lighting_kw;
    uint64_t rng;
};

void plant_init(struct plant *p, uint64_t seed, double day_s);
/* Moves on by dt_s (any length; done in steps of at most 0.1 s). */
void plant_step(struct plant *p, double dt_s);
void plant_set_fault(struct plant *p, enum plant_fault f, bool on);
void plant_reset_trip(struct plant *p);
/* 0..1: how busy the plant is at a second of the day; continuous, midnight to midnight. */
double plant_day_shape(double day_s);

/* Used inside the physics: uniform in [-1, 1]. */
double plant_noise(struct plant *p);
void water_init(struct water *w);
void water_step(struct plant *p, double dt_s);
void cell_init(struct cell *c);
void cell_step(struct plant *p, double dt_s);
void air_init(struct air *a);
void air_step(struct plant *p, double dt_s);

/* Volumes of the two tanks by level. */
enum { WATER_TANK_MAX_CM = 400, WATER_SUMP_MAX_CM = 300 };

#endif /* SH_SIM_PLANT_H */
