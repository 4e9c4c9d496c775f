/* pdu_test.c - frames against the examples of the specifications, byte by byte; every prefix of
 * every frame; values in every type and word order. SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include "../mb_pdu.h"
#include "../mb_value.h"

struct vec {
    uint8_t n;
    uint8_t b[16];
};

/* MODBUS Application Protocol V1.1b3, the example of each function: request and response PDU. */
static const struct {
    const char *clause;
    struct mb_expect want;
    struct vec request;
    struct vec reply;
} spec[] = {
    {"6.1", {1, 1, 19, 19}, {5, {1, 0, 0x13, 0, 0x13}}, {5, {1, 3, 0xcd, 0x6b, 0x05}}},
    {"6.2", {1, 2, 196, 22}, {5, {2, 0, 0xc4, 0, 0x16}}, {5, {2, 3, 0xac, 0xdb, 0x35}}},
    {"6.3", {1, 3, 107, 3}, {5, {3, 0, 0x6b, 0, 3}}, {8, {3, 6, 0x02, 0x2b, 0, 0, 0, 0x64}}},
    {"6.4", {1, 4, 8, 1}, {5, {4, 0, 8, 0, 1}}, {4, {4, 2, 0, 0x0a}}},
    {"6.5", {1, 5, 172, 0xff00}, {5, {5, 0, 0xac, 0xff, 0}}, {5, {5, 0, 0xac, 0xff, 0}}},
    {"6.6", {1, 6, 1, 3}, {5, {6, 0, 1, 0, 3}}, {5, {6, 0, 1, 0, 3}}},
    {"6.12", {1, 16, 1, 2}, {10, {16, 0, 1, 0, 2, 4, 0, 0x0a, 1, 2}}, {5, {16, 0, 1, 0, 2}}},
    {"6.16",
     {1, 22, 4, 0xf2},
     {7, {22, 0, 4, 0, 0xf2, 0, 0x25}},
     {7, {22, 0, 4, 0, 0xf2, 0, 0x25}}},
};

static void test_pdu_requests_are_those_of_the_specification(void **state)
{
    (void)state;
    static const uint8_t regs[] = {0, 0x0a, 1, 2};
    static const uint8_t three[] = {0, 3};
    uint8_t b[MB_PDU_MAX];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mb_pdu_read(spec[i].want.fc, spec[i].want.at, spec[i].want.count, b), 5);
        assert_memory_equal(b, spec[i].request.b, 5);
    }
    assert_int_equal(mb_pdu_write_coil(172, true, false, b), 5);
    assert_memory_equal(b, spec[4].request.b, 5);
    assert_int_equal(mb_pdu_write_regs(1, sh_bytes_of(three, 2), false, b), 5);
    assert_memory_equal(b, spec[5].request.b, 5);
    assert_int_equal(mb_pdu_write_regs(1, sh_bytes_of(regs, 4), false, b), 10);
    assert_memory_equal(b, spec[6].request.b, 10);
    assert_int_equal(mb_pdu_mask(4, 0xf2, 0x25, b), 7);
    assert_memory_equal(b, spec[7].request.b, 7);
    static const uint8_t coils[] = {15, 0, 0x13, 0, 1, 1, 1}; /* 6.11 with one coil */
    assert_int_equal(mb_pdu_write_coil(0x13, true, true, b), 7);
    assert_memory_equal(b, coils, 7);
    static const uint8_t single[] = {16, 0, 1, 0, 1, 2, 0, 3};
    assert_int_equal(mb_pdu_write_regs(1, sh_bytes_of(three, 2), true, b), 8);
    assert_memory_equal(b, single, 8);
}

static void test_pdu_replies_of_the_specification_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < SH_COUNT(spec); i++) {
        uint8_t exception = 0;
        struct sh_bytes data;
        const struct sh_bytes pdu = {spec[i].reply.b, spec[i].reply.n};
        assert_int_equal(mb_reply_check(pdu, &spec[i].want, &exception, &data), SH_DRV_DONE);
        if (spec[i].want.fc <= 4) {
            assert_int_equal(data.n, spec[i].reply.b[1]);
            assert_ptr_equal(data.p, spec[i].reply.b + 2);
        }
        for (size_t n = 0; n < pdu.n; n++) { /* a cut PDU is never an answer */
            assert_int_equal(
                mb_reply_check((struct sh_bytes){pdu.p, n}, &spec[i].want, &exception, &data),
                SH_DRV_GARBLED);
        }
        /* 7: function code + 0x80 and the exception code */
        const uint8_t ex[] = {(uint8_t)(spec[i].want.fc | 0x80), 2};
        assert_int_equal(mb_reply_check(sh_bytes_of(ex, 2), &spec[i].want, &exception, &data),
                         SH_DRV_REFUSED);
        assert_int_equal(exception, 2);
        const uint8_t zero[] = {(uint8_t)(spec[i].want.fc | 0x80), 0};
        assert_int_equal(mb_reply_check(sh_bytes_of(zero, 2), &spec[i].want, &exception, &data),
                         SH_DRV_GARBLED);
        const uint8_t foreign[] = {(uint8_t)((spec[i].want.fc ^ 7) | 0x80), 2};
        assert_int_equal(mb_reply_check(sh_bytes_of(foreign, 2), &spec[i].want, &exception, &data),
                         SH_DRV_GARBLED);
    }
    /* 6.3: registers 108 to 110 are 555, 0, 100; 6.1: coil 20 is on, 21 off */
    assert_int_equal(sh_be16(spec[2].reply.b + 2), 555);
    assert_true(mb_bit(sh_bytes_of(spec[0].reply.b + 2, 3), 0));
    assert_false(mb_bit(sh_bytes_of(spec[0].reply.b + 2, 3), 1));
    assert_false(mb_bit(sh_bytes_of(spec[0].reply.b + 2, 3), 24)); /* outside: off, never read */
}

static void test_write_reply_must_echo_what_was_written(void **state)
{
    (void)state;
    uint8_t exception = 0;
    struct sh_bytes data;
    for (size_t i = 4; i < SH_COUNT(spec); i++) {
        uint8_t b[16];
        memcpy(b, spec[i].reply.b, sizeof b);
        b[2] ^= 1; /* another address */
        assert_int_equal(
            mb_reply_check(sh_bytes_of(b, spec[i].reply.n), &spec[i].want, &exception, &data),
            SH_DRV_GARBLED);
    }
    uint8_t b[16];
    memcpy(b, spec[5].reply.b, sizeof b);
    b[4] = 9; /* another value */
    assert_int_equal(mb_reply_check(sh_bytes_of(b, 5), &spec[5].want, &exception, &data),
                     SH_DRV_GARBLED);
}

static void test_tcp_every_prefix_asks_for_more_and_the_rest_sticks(void **state)
{
    (void)state;
    for (size_t i = 0; i < SH_COUNT(spec); i++) {
        uint8_t two[MB_ADU_MAX * 2];
        const size_t n = mb_frame_put(MB_TCP, (uint16_t)(0x1500 + i), 0x0b,
                                      sh_bytes_of(spec[i].reply.b, spec[i].reply.n), two);
        (void)mb_frame_put(MB_TCP, 7, 1, sh_bytes_of(spec[0].reply.b, spec[0].reply.n), two + n);
        struct mb_adu adu;
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(mb_tcp_next(sh_bytes_of(two, k), &adu), SH_E_AGAIN);
        }
        assert_ok(mb_tcp_next(sh_bytes_of(two, n + 5), &adu));
        assert_int_equal(adu.used, n);
        assert_int_equal(adu.txn, 0x1500 + i);
        assert_int_equal(adu.unit, 0x0b);
        assert_int_equal(adu.pdu.n, spec[i].reply.n);
        assert_ptr_equal(adu.pdu.p, two + MB_MBAP); /* a view, not a copy */
        assert_ok(mb_tcp_next(sh_bytes_of(two + n, 7 + spec[0].reply.n), &adu));
        assert_int_equal(adu.txn, 7);
    }
}

static void test_tcp_wrong_head_is_refused_as_soon_as_seen(void **state)
{
    (void)state;
    static const struct {
        uint8_t n;
        uint8_t b[8];
    } rows[] = {
        {3, {0, 1, 9}},            /* protocol id, high byte */
        {4, {0, 1, 0, 1}},         /* low byte */
        {5, {0, 1, 0, 0, 1}},      /* longer than a frame can be */
        {6, {0, 1, 0, 0, 0, 255}}, /* 255 > 254 */
        {6, {0, 1, 0, 0, 0, 1}},   /* no function code */
        {6, {0, 1, 0, 0, 0, 0}},
        {8, {'H', 'T', 'T', 'P', '/', '1', '.', '1'}},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct mb_adu adu;
        assert_int_equal(mb_tcp_next(sh_bytes_of(rows[i].b, rows[i].n), &adu), SH_E_PROTO);
    }
}

static void test_crc_of_known_frames(void **state)
{
    (void)state;
    /* Serial Line V1.02, 6.2.2: CRC of 02 07 is 41 12 on the wire. */
    static const uint8_t a[] = {0x02, 0x07};
    assert_int_equal(mb_crc16(a, 2), 0x1241);
    assert_int_equal(mb_crc16((const uint8_t *)"123456789", 9), 0x4b37); /* the usual check value */
    uint8_t out[MB_ADU_MAX];
    static const uint8_t pdu[] = {3, 0, 0, 0, 0x0a};
    static const uint8_t frame[] = {1, 3, 0, 0, 0, 0x0a, 0xc5, 0xcd};
    assert_int_equal(mb_frame_put(MB_RTU, 0, 1, sh_bytes_of(pdu, 5), out), 8);
    assert_memory_equal(out, frame, 8);
}

static void test_rtu_every_prefix_asks_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < SH_COUNT(spec); i++) {
        uint8_t b[MB_ADU_MAX];
        struct mb_adu adu;
        const size_t n =
            mb_frame_put(MB_RTU, 0, 1, sh_bytes_of(spec[i].reply.b, spec[i].reply.n), b);
        for (size_t k = 1; k < n; k++) {
            assert_int_equal(mb_rtu_next(sh_bytes_of(b, k), &spec[i].want, &adu), SH_E_AGAIN);
        }
        assert_ok(mb_rtu_next(sh_bytes_of(b, n), &spec[i].want, &adu));
        assert_int_equal(adu.used, n);
        assert_int_equal(adu.pdu.n, spec[i].reply.n);
        assert_memory_equal(adu.pdu.p, spec[i].reply.b, spec[i].reply.n);
    }
}

/* Takes all frames of a stream; returns how many replies were found. */
static unsigned drain(struct sh_bytes in, const struct mb_expect *want, size_t *left)
{
    unsigned found = 0;
    struct mb_adu adu;
    while (in.n > 0 && mb_rtu_next(in, want, &adu) == SH_OK) {
        assert_true(adu.used > 0 && adu.used <= in.n);
        found += adu.pdu.n > 0;
        in.p += adu.used;
        in.n -= adu.used;
    }
    *left = in.n;
    return found;
}

static void test_rtu_finds_the_reply_behind_noise_and_foreign_frames(void **state)
{
    (void)state;
    const struct mb_expect want = {5, 3, 0, 2};
    uint8_t b[MB_ADU_MAX * 3];
    size_t n = 0;
    size_t left = 0;
    static const uint8_t other[] = {5, 3, 2, 0, 9}; /* right unit, another length */
    static const uint8_t good[] = {3, 4, 1, 2, 3, 4};
    b[n++] = 0xff; /* noise */
    b[n++] = 5;    /* looks like the start */
    b[n++] = 3;
    memcpy(b + n, other, sizeof other);
    n += sizeof other;
    n += mb_frame_put(MB_RTU, 0, 9, sh_bytes_of(good, 6), b + n); /* another unit */
    const size_t at = n;
    n += mb_frame_put(MB_RTU, 0, 5, sh_bytes_of(good, 6), b + n);
    assert_int_equal(drain(sh_bytes_of(b, n), &want, &left), 1);
    assert_int_equal(left, 0);
    b[at + 4] ^= 0x10; /* one bit turned over: the CRC says no */
    assert_int_equal(drain(sh_bytes_of(b, n), &want, &left), 0);
    struct mb_adu adu;
    assert_ok(mb_rtu_next(sh_bytes_of(b, n), NULL, &adu)); /* nothing expected: all is noise */
    assert_int_equal(adu.used, n);
    assert_int_equal(adu.pdu.n, 0);
}

static void test_value_types_and_orders(void **state)
{
    (void)state;
    static const struct {
        const char *addr;
        uint8_t words[8];
        enum sh_type type;
        uint8_t quality;
        int64_t i64;
        double f64;
    } rows[] = {
        {"h0:uint16", {0x12, 0x34}, SH_T_I64, SH_Q_GOOD, 0x1234, 0},
        {"h0:uint16:ba", {0x12, 0x34}, SH_T_I64, SH_Q_GOOD, 0x3412, 0},
        {"h0:int16", {0xff, 0xfe}, SH_T_I64, SH_Q_GOOD, -2, 0},
        {"h0:int32", {0xff, 0xff, 0xff, 0xfd}, SH_T_I64, SH_Q_GOOD, -3, 0},
        {"h0:uint32:abcd", {0x11, 0x22, 0x33, 0x44}, SH_T_I64, SH_Q_GOOD, 0x11223344, 0},
        {"h0:uint32:cdab", {0x33, 0x44, 0x11, 0x22}, SH_T_I64, SH_Q_GOOD, 0x11223344, 0},
        {"h0:uint32:badc", {0x22, 0x11, 0x44, 0x33}, SH_T_I64, SH_Q_GOOD, 0x11223344, 0},
        {"h0:uint32:dcba", {0x44, 0x33, 0x22, 0x11}, SH_T_I64, SH_Q_GOOD, 0x11223344, 0},
        {"h0:uint32", {0xff, 0xff, 0xff, 0xff}, SH_T_I64, SH_Q_GOOD, 4294967295, 0},
        {"h0:int64", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, SH_T_I64, SH_Q_GOOD, -1, 0},
        {"h0:uint64:dcba", {8, 7, 6, 5, 4, 3, 2, 1}, SH_T_I64, SH_Q_GOOD, 0x0102030405060708, 0},
        {"h0:uint64:cdab", {7, 8, 5, 6, 3, 4, 1, 2}, SH_T_I64, SH_Q_GOOD, 0x0102030405060708, 0},
        {"h0:float32", {0x42, 0xf6, 0xe9, 0x79}, SH_T_F64, SH_Q_GOOD, 0, (double)123.456F},
        {"h0:float32:cdab", {0xe9, 0x79, 0x42, 0xf6}, SH_T_F64, SH_Q_GOOD, 0, (double)123.456F},
        {"h0:float64",
         {0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18},
         SH_T_F64,
         SH_Q_GOOD,
         0,
         3.141592653589793},
        {"h0:bcd16", {0x12, 0x34}, SH_T_I64, SH_Q_GOOD, 1234, 0},
        {"h0:bcd32", {0x12, 0x34, 0x56, 0x78}, SH_T_I64, SH_Q_GOOD, 12345678, 0},
        {"h0.0", {0x00, 0x01}, SH_T_BOOL, SH_Q_GOOD, 1, 0},
        {"h0.15", {0x80, 0x00}, SH_T_BOOL, SH_Q_GOOD, 1, 0},
        {"h0.3", {0xff, 0xf7}, SH_T_BOOL, SH_Q_GOOD, 0, 0},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct mb_addr a;
        const char *words = NULL;
        uint8_t back[8] = {0};
        assert_ok(mb_addr_parse(sh_str_c(rows[i].addr), MB_ABCD, &a, NULL));
        const struct mb_value v = mb_value_get(&a, rows[i].words);
        assert_int_equal(v.quality, rows[i].quality);
        if (rows[i].type == SH_T_F64) {
            assert_true(v.cell.f64 == rows[i].f64);
        } else if (rows[i].type == SH_T_BOOL) {
            assert_int_equal(v.cell.bits, rows[i].i64);
            continue; /* a bit is written by mask */
        } else {
            assert_true(v.cell.i64 == rows[i].i64);
        }
        assert_ok(mb_value_put(&a, rows[i].type, v.cell, back, &words));
        assert_memory_equal(back, rows[i].words, (size_t)a.count * 2);
    }
}

static void test_value_out_of_range_is_marked_or_refused(void **state)
{
    (void)state;
    struct mb_addr a;
    const char *words = NULL;
    uint8_t out[8];
    static const uint8_t all[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_ok(mb_addr_parse(SH_STR("h0:uint64"), MB_ABCD, &a, NULL));
    assert_int_equal(mb_value_get(&a, all).quality, SH_Q_UNCERTAIN_RANGE);
    assert_true(mb_value_get(&a, all).cell.i64 == INT64_MAX);
    assert_ok(mb_addr_parse(SH_STR("h0:bcd16"), MB_ABCD, &a, NULL));
    assert_int_equal(mb_value_get(&a, all).quality, SH_Q_BAD_CONFIG); /* F is no digit */
    static const struct {
        const char *addr;
        enum sh_type type;
        sh_err expect;
        union sh_cell v;
    } rows[] = {
        {"h0:uint16", SH_T_I64, SH_E_INVAL, {.i64 = 65536}},
        {"h0:uint16", SH_T_I64, SH_E_INVAL, {.i64 = -1}},
        {"h0:uint16", SH_T_F64, SH_OK, {.f64 = 3.0}},
        {"h0:uint16", SH_T_F64, SH_E_INVAL, {.f64 = 3.5}},
        {"h0:int16", SH_T_I64, SH_OK, {.i64 = -32768}},
        {"h0:int16", SH_T_I64, SH_E_INVAL, {.i64 = -32769}},
        {"h0:bcd16", SH_T_I64, SH_E_INVAL, {.i64 = 10000}},
        {"h0:int64", SH_T_F64, SH_E_INVAL, {.f64 = 1e19}},
        {"h0:float32", SH_T_F64, SH_E_INVAL, {.f64 = 1e39}},
        {"h0:float32", SH_T_I64, SH_OK, {.i64 = 5}},
        {"h0:float32", SH_T_TEXT, SH_E_INVAL, {.i64 = 5}},
        {"h0:string4", SH_T_I64, SH_E_INVAL, {.i64 = 5}},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_ok(mb_addr_parse(sh_str_c(rows[i].addr), MB_ABCD, &a, NULL));
        words = NULL;
        assert_int_equal(mb_value_put(&a, rows[i].type, rows[i].v, out, &words), rows[i].expect);
        assert_true((words != NULL) == (rows[i].expect != SH_OK));
    }
}

static void test_text_in_both_encodings(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf out;
    sh_buf_init(&out, t.env.alloc, 600);
    struct mb_addr a;
    const char *words = NULL;
    static const uint8_t gbk[] = {0xcb, 0xc9, 0xbb, 0xa8, ' ', ' ', 0, 'x'}; /* 松花 */
    assert_ok(mb_addr_parse(SH_STR("h0:string8:gbk"), MB_ABCD, &a, NULL));
    assert_int_equal(mb_text_get(&a, gbk, &out), SH_Q_GOOD);
    assert_str(sh_buf_str(&out), "松花");
    uint8_t back[8];
    assert_ok(mb_text_put(&a, sh_buf_bytes(&out), t.env.alloc, back, &words));
    static const uint8_t padded[] = {0xcb, 0xc9, 0xbb, 0xa8, 0, 0, 0, 0};
    assert_memory_equal(back, padded, 8);
    assert_ok(mb_addr_parse(SH_STR("h0:string5:ba"), MB_ABCD, &a, NULL));
    static const uint8_t swapped[] = {'u', 'p', 'p', 'm', 'x', '7'};
    assert_int_equal(mb_text_get(&a, swapped, &out), SH_Q_GOOD);
    assert_str(sh_buf_str(&out), "pump7");
    static const uint8_t broken[] = {0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe};
    assert_int_equal(mb_text_get(&a, broken, &out), SH_Q_BAD_CONFIG);
    assert_int_equal(out.n, 0);
    assert_int_equal(
        mb_text_put(&a, sh_bytes_of("longer than five", 16), t.env.alloc, back, &words),
        SH_E_INVAL);
    sh_buf_fini(&out);
    sh_test_env_fini(&t);
}

static void test_exceptions_have_words_and_a_bad_quality(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        const struct mb_exception *e = mb_exception_of((uint8_t)i);
        assert_int_equal(sh_q_class(e->quality), SH_QC_BAD);
        assert_non_null(e->code);
        assert_non_null(e->words);
    }
    assert_string_equal(mb_exception_of(2)->code, "modbus_02");
    assert_int_equal(mb_exception_of(11)->quality, SH_Q_BAD_COMM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pdu_requests_are_those_of_the_specification),
        cmocka_unit_test(test_pdu_replies_of_the_specification_are_understood),
        cmocka_unit_test(test_write_reply_must_echo_what_was_written),
        cmocka_unit_test(test_tcp_every_prefix_asks_for_more_and_the_rest_sticks),
        cmocka_unit_test(test_tcp_wrong_head_is_refused_as_soon_as_seen),
        cmocka_unit_test(test_crc_of_known_frames),
        cmocka_unit_test(test_rtu_every_prefix_asks_for_more),
        cmocka_unit_test(test_rtu_finds_the_reply_behind_noise_and_foreign_frames),
        cmocka_unit_test(test_value_types_and_orders),
        cmocka_unit_test(test_value_out_of_range_is_marked_or_refused),
        cmocka_unit_test(test_text_in_both_encodings),
        cmocka_unit_test(test_exceptions_have_words_and_a_bad_quality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
