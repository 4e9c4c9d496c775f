/* mbserver_test.c - the plant's Modbus server: its map, its writes and its refusals.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <math.h>

#include "../mbserver.h"

/* Sends one PDU to a unit; the reply PDU stands in re, its length is returned. */
static size_t ask(struct plant *p, uint8_t unit, const uint8_t *pdu, size_t n,
                  uint8_t re[MBS_FRAME])
{
    uint8_t rq[MBS_FRAME] = {0x12, 0x34, 0, 0, 0, (uint8_t)(n + 1), unit};
    uint8_t out[MBS_FRAME];
    size_t used = 0;
    size_t n_out = 0;
    memcpy(rq + 7, pdu, n);
    for (size_t k = 0; k < n + 7; k++) {
        assert_int_equal(mbs_serve(p, sh_bytes_of(rq, k), &used, out, &n_out), SH_E_AGAIN);
    }
    assert_ok(mbs_serve(p, sh_bytes_of(rq, n + 7), &used, out, &n_out));
    assert_int_equal(used, n + 7);
    assert_memory_equal(out, rq, 4);
    assert_int_equal(sh_be16(out + 4), n_out - 6);
    assert_int_equal(out[6], unit);
    memcpy(re, out + 7, n_out - 7);
    return n_out - 7;
}

static double float_at(const uint8_t *re)
{
    const uint32_t bits = sh_be32(re + 2);
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static void test_inputs_show_the_plant(void **state)
{
    (void)state;
    struct plant p;
    uint8_t re[MBS_FRAME];
    plant_init(&p, 1, 36000);
    plant_step(&p, 30.0);
    static const uint8_t flow[] = {4, 0, 0, 0, 2};
    assert_int_equal(ask(&p, 1, flow, 5, re), 6);
    assert_true(fabs(float_at(re) - p.water.flow_m3h) < 1e-4);
    static const uint8_t raw[] = {4, 0, 41, 0, 1};
    assert_int_equal(ask(&p, 1, raw, 5, re), 4);
    assert_true(fabs(sh_be16(re + 2) / 27648.0 * 4.0 - p.water.level_shown_m) < 0.001);
    static const uint8_t energy[] = {4, 0, 24, 0, 4};
    assert_int_equal(ask(&p, 11, energy, 5, re), 10);
    assert_true(sh_f64_from_bits(sh_be64(re + 2)) == p.meter[0].energy_kwh);
    static const uint8_t name[] = {4, 0, 50, 0, 8};
    assert_int_equal(ask(&p, 1, name, 5, re), 18);
    assert_memory_equal(re + 2, "SH-DEMO P-101\0\0\0", 16);
    static const uint8_t discretes[] = {2, 0, 0, 0, 4};
    assert_int_equal(ask(&p, 1, discretes, 5, re), 3);
    assert_int_equal(re[2] & 1, 1); /* it runs */
}

static void test_writes_change_the_plant(void **state)
{
    (void)state;
    struct plant p;
    uint8_t re[MBS_FRAME];
    plant_init(&p, 1, 36000);
    static const uint8_t valve[] = {6, 0, 1, 0x01, 0xf4};
    assert_int_equal(ask(&p, 1, valve, 5, re), 5);
    assert_memory_equal(re, valve, 5);
    assert_true(p.water.valve_set == 0.5);
    static const uint8_t demand[] = {16, 0, 4, 0, 2, 4, 0x3f, 0xc0, 0, 0};
    assert_int_equal(ask(&p, 1, demand, 10, re), 5);
    assert_true(p.water.demand == 1.5);
    static const uint8_t stop[] = {5, 0, 0, 0, 0};
    assert_int_equal(ask(&p, 1, stop, 5, re), 5);
    assert_false(p.water.run);
    static const uint8_t faults[] = {15, 0, 10, 0, 3, 1, 0x05};
    assert_int_equal(ask(&p, 1, faults, 7, re), 5);
    assert_true(p.fault[PLANT_VALVE_STUCK] && !p.fault[PLANT_BEARING_WEAR] && p.fault[PLANT_LEAK]);
    static const uint8_t coils[] = {1, 0, 10, 0, 5};
    assert_int_equal(ask(&p, 1, coils, 5, re), 3);
    assert_int_equal(re[2], 0x05);
    static const uint8_t mask[] = {22, 0, 1, 0xff, 0x00, 0x00, 0x10}; /* keeps the high byte */
    assert_int_equal(ask(&p, 1, mask, 7, re), 7);
    assert_true(p.water.valve_set == 0x110 / 1000.0);
    p.water.tripped = true;
    static const uint8_t reset[] = {5, 0, 2, 0xff, 0};
    assert_int_equal(ask(&p, 1, reset, 5, re), 5);
    assert_false(p.water.tripped);
}

static void test_refusals_are_those_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        uint8_t unit;
        uint8_t n;
        uint8_t pdu[10];
        uint8_t exception;
    } rows[] = {
        {1, 1, {7}, 1},               /* a function we do not have */
        {1, 5, {4, 0, 60, 0, 10}, 2}, /* beyond the map */
        {1, 5, {3, 0, 16, 0, 1}, 2},
        {11, 5, {3, 0, 0, 0, 1}, 2},  /* meters have no holding registers */
        {9, 5, {4, 0, 0, 0, 1}, 2},   /* no such unit */
        {1, 5, {4, 0, 0, 0, 0}, 3},   /* none */
        {1, 5, {4, 0, 0, 0, 126}, 3}, /* too many */
        {1, 4, {4, 0, 0, 0}, 3},
        {1, 5, {6, 0, 0, 0x03, 0xe9}, 3},                  /* 100.1 % */
        {1, 5, {5, 0, 0, 0, 1}, 3},                        /* neither FF00 nor 0000 */
        {1, 10, {16, 0, 4, 0, 2, 4, 0x7f, 0xc0, 0, 0}, 3}, /* NaN */
        {1, 8, {16, 0, 0, 0, 1, 4, 0, 0}, 3},              /* byte count disagrees */
        {1, 7, {15, 0, 10, 0, 9, 1, 0}, 3},
        {1, 5, {5, 0, 16, 0, 0}, 2},
    };
    struct plant p;
    uint8_t re[MBS_FRAME];
    plant_init(&p, 1, 36000);
    const struct plant before = p;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(ask(&p, rows[i].unit, rows[i].pdu, rows[i].n, re), 2);
        assert_int_equal(re[0], rows[i].pdu[0] | 0x80);
        assert_int_equal(re[1], rows[i].exception);
    }
    assert_memory_equal(&p, &before, sizeof p); /* a refused write changes nothing */
    uint8_t out[MBS_FRAME];
    size_t used = 0;
    size_t n = 0;
    static const uint8_t foreign[] = "GET / HTTP/1.1";
    assert_int_equal(mbs_serve(&p, sh_bytes_of(foreign, 14), &used, out, &n), SH_E_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_show_the_plant),
        cmocka_unit_test(test_writes_change_the_plant),
        cmocka_unit_test(test_refusals_are_those_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
