/* plant_test.c - the physics: nothing appears or vanishes, the pump stays on its curve, meters
 * integrate what the machines draw, faults show where an engineer would look for them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <math.h>
#include <stdlib.h>

#include "../plant.h"

enum { HOUR = 3600, MORNING = 9 * 3600 };

static struct plant *new_plant(uint64_t seed)
{
    static struct plant p;
    plant_init(&p, seed, MORNING);
    return &p;
}

static void test_same_seed_same_plant(void **state)
{
    (void)state;
    struct plant a;
    struct plant b;
    plant_init(&a, 7, MORNING);
    plant_init(&b, 7, MORNING);
    for (int i = 0; i < HOUR; i++) {
        plant_step(&a, 1.0);
        plant_step(&b, 1.0);
    }
    assert_memory_equal(&a.water, &b.water, sizeof a.water);
    assert_memory_equal(a.meter, b.meter, sizeof a.meter);
    struct plant c;
    plant_init(&c, 8, MORNING);
    for (int i = 0; i < HOUR; i++) {
        plant_step(&c, 1.0);
    }
    assert_true(c.cell.parts != a.cell.parts || c.water.vibration_mms != a.water.vibration_mms);
}

static void test_water_is_conserved(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    const double start = p->water.tank_m3 + p->water.sump_m3;
    for (int i = 0; i < 24 * HOUR; i++) {
        plant_set_fault(p, PLANT_LEAK, i % 7200 > 6000); /* with holes now and then */
        plant_step(p, 1.0);
        const struct water *w = &p->water;
        const double all = w->tank_m3 + w->sump_m3 + w->leaked_m3 - w->makeup_m3;
        assert_true(fabs(all - start) < 1e-6);
        assert_true(w->tank_m3 >= 0.0 && w->sump_m3 >= 0.0);
        assert_true(w->level_m <= WATER_TANK_MAX_CM / 100.0 + 1e-9);
    }
    assert_true(p->water.leaked_m3 > 1.0);
}

static void test_pump_works_where_its_curve_meets_the_pipe(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    for (int i = 0; i < 4 * HOUR; i++) {
        const double tank = p->water.tank_m3 / 8.0;
        const double sump = p->water.sump_m3 / 12.0;
        plant_step(p, 0.1);
        const struct water *w = &p->water;
        if (w->flow_m3h <= 0.0) {
            continue;
        }
        const double curve = water_pump_head_m(w->speed, w->flow_m3h);
        const double need = 9.0 + tank - sump + water_pipe_head_m(w->valve, w->flow_m3h);
        assert_true(fabs(curve - need) < 1e-6);
        assert_true(fabs(w->head_m - curve) < 1e-9);
        /* Electrical power is above the hydraulic one by both efficiencies. */
        const double hydraulic = 9.81 * w->flow_m3h / 3600.0 * w->head_m;
        assert_true(w->power_kw > hydraulic / water_pump_efficiency(w->speed, w->flow_m3h));
        assert_true(fabs(w->current_a - w->power_kw * 1000.0 / (sqrt(3.0) * 400.0 * 0.86)) < 1e-9);
    }
    /* Affinity laws: half the speed, a quarter of the head at half the flow. */
    assert_true(fabs(water_pump_head_m(0.5, 20.0) - water_pump_head_m(1.0, 40.0) / 4.0) < 1e-12);
}

static void test_level_is_held_through_the_day(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    double worst = 0.0;
    for (int i = 0; i < 24 * HOUR; i++) {
        plant_step(p, 1.0);
        if (i > HOUR) {
            worst = fmax(worst, fabs(p->water.level_m - p->water.level_set_m));
        }
    }
    assert_true(worst < 0.5);
    assert_false(p->water.tripped);
    assert_true(p->water.motor_c > 25.0 && p->water.motor_c < 100.0);
    assert_true(p->water.vibration_mms < 4.5); /* ISO 10816: fine */
}

static void test_meters_integrate_power(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    double before[PLANT_METERS];
    double sum[PLANT_METERS] = {0};
    for (int m = 0; m < PLANT_METERS; m++) {
        before[m] = p->meter[m].energy_kwh;
    }
    for (int i = 0; i < 20 * HOUR; i++) {
        plant_step(p, 0.1);
        for (int m = 0; m < PLANT_METERS; m++) {
            sum[m] += p->meter[m].power_kw * 0.1 / 3600.0;
            assert_true(p->meter[m].power_factor > 0.3 && p->meter[m].power_factor <= 1.0);
        }
        const double parts = p->meter[1].power_kw + p->meter[2].power_kw + p->meter[3].power_kw;
        assert_true(fabs(p->meter[0].power_kw - parts - p->lighting_kw) < 1e-9);
        assert_true(p->meter[1].power_kw == p->water.power_kw);
        const double s = p->meter[0].power_kw / p->meter[0].power_factor; /* kVA */
        assert_true(fabs(s * s - p->meter[0].power_kw * p->meter[0].power_kw -
                         p->meter[0].reactive_kvar * p->meter[0].reactive_kvar) < 1e-6 * s * s);
    }
    for (int m = 0; m < PLANT_METERS; m++) {
        assert_true(fabs(p->meter[m].energy_kwh - before[m] - sum[m]) < 1e-6);
        assert_true(sum[m] > 0.0);
    }
}

static void test_air_is_conserved_and_pressure_is_held(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    const double start = p->air.header_bar;
    double lowest = 100.0;
    double highest = 0.0;
    for (int i = 0; i < 24 * HOUR; i++) {
        plant_step(p, 1.0);
        const struct air *a = &p->air;
        /* Free air in the header: V (p - p0) / p_atm */
        const double stored = 8.0 * (a->header_bar - start) / 1.013;
        assert_true(fabs(a->supplied_m3 - a->drawn_m3 - stored) < 1e-6);
        lowest = fmin(lowest, a->header_bar);
        highest = fmax(highest, a->header_bar);
    }
    assert_true(lowest > 6.0 && highest < 7.6);
    assert_true(p->air.c[1].starts >= 1);                /* the second one helps at the peak */
    assert_true(p->air.c[0].load_h < p->air.c[0].run_h); /* and the first unloads at night */
    assert_true(p->air.c[1].run_h < 24.0);
}

static void test_cell_makes_parts_and_wears_tools(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    bool seen[5] = {false};
    double wear = p->cell.tool_wear;
    for (int i = 0; i < 24 * HOUR; i++) {
        const uint64_t tools = p->cell.tools_used;
        plant_step(p, 1.0);
        seen[p->cell.state] = true;
        if (p->cell.tools_used == tools) {
            assert_true(p->cell.tool_wear >= wear); /* wear never heals by itself */
        }
        wear = p->cell.tool_wear;
        assert_true(p->cell.spindle_load > -5.0 && p->cell.spindle_load < 110.0);
    }
    assert_true(seen[CELL_IDLE] && seen[CELL_SETUP] && seen[CELL_CUTTING] &&
                seen[CELL_TOOL_CHANGE]);
    assert_in_range(p->cell.parts, 100, 1000);
    assert_true(p->cell.scrap < p->cell.parts / 10);
    /* Tool life: wear of all tools together equals the cutting time by the wear law. */
    assert_true(p->cell.cutting_s / (double)p->cell.tools_used < 2400.0 / 0.38);
}

static void test_valve_stuck(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    plant_step(p, 60.0);
    plant_set_fault(p, PLANT_VALVE_STUCK, true);
    const double at = p->water.valve;
    p->water.valve_set = 0.2;
    plant_step(p, 60.0);
    assert_true(p->water.valve == at);
    plant_set_fault(p, PLANT_VALVE_STUCK, false);
    plant_step(p, 60.0);
    assert_true(fabs(p->water.valve - 0.2) < 1e-9);
}

static void test_bearing_wear_shows_and_trips_at_last(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    plant_step(p, HOUR);
    const double quiet = p->water.vibration_mms;
    const double cool = p->water.bearing_c;
    p->water.automatic = false;
    p->water.speed_set = 1.0;
    plant_set_fault(p, PLANT_BEARING_WEAR, true);
    plant_step(p, 900.0);
    assert_true(p->water.vibration_mms > quiet * 1.8);
    assert_true(p->water.bearing_c > cool + 5.0);
    plant_step(p, 2.0 * HOUR);
    assert_true(p->water.tripped || p->water.wear >= 1.0);
    plant_set_fault(p, PLANT_BEARING_WEAR, false); /* repaired */
    plant_reset_trip(p);
    plant_step(p, HOUR);
    assert_false(p->water.tripped);
    assert_true(p->water.vibration_mms < 3.0);
}

static void test_leak_and_stuck_sensor(void **state)
{
    (void)state;
    struct plant *p = new_plant(1);
    plant_step(p, HOUR);
    plant_set_fault(p, PLANT_LEAK, true);
    plant_step(p, HOUR);
    assert_true(p->water.leak_m3h > 1.0 && p->water.leaked_m3 > 1.0);
    plant_set_fault(p, PLANT_LEAK, false);
    plant_set_fault(p, PLANT_SENSOR_STUCK, true);
    const double shown = p->water.level_shown_m;
    p->water.demand = 2.0;
    plant_step(p, HOUR / 2.0);
    assert_true(p->water.level_shown_m == shown);
    assert_true(fabs(p->water.level_m - shown) > 0.05);
}

static void test_day_is_continuous_over_midnight(void **state)
{
    (void)state;
    assert_true(fabs(plant_day_shape(86399.9) - plant_day_shape(0.0)) < 0.01);
    for (int s = 0; s < 86400; s += 60) {
        assert_true(plant_day_shape(s) > 0.0 && plant_day_shape(s) <= 1.0);
        assert_true(fabs(plant_day_shape(s + 60.0) - plant_day_shape(s)) < 0.02);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_plant),
        cmocka_unit_test(test_water_is_conserved),
        cmocka_unit_test(test_pump_works_where_its_curve_meets_the_pipe),
        cmocka_unit_test(test_level_is_held_through_the_day),
        cmocka_unit_test(test_meters_integrate_power),
        cmocka_unit_test(test_air_is_conserved_and_pressure_is_held),
        cmocka_unit_test(test_cell_makes_parts_and_wears_tools),
        cmocka_unit_test(test_valve_stuck),
        cmocka_unit_test(test_bearing_wear_shows_and_trips_at_last),
        cmocka_unit_test(test_leak_and_stuck_sensor),
        cmocka_unit_test(test_day_is_continuous_over_midnight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
