/* modbus_test.c - the driver through its step(), without a socket: what it asks, what it makes of
 * answers that are late, foreign, doubled, halved or refused, and its writes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/modbus.h>
#include <stdlib.h>

#include "../mb_pdu.h"

enum { ROWS = 512 };
#define SEC ((int64_t)1000000)

/* The engine's part, as small as it can be. */
struct rig {
    struct sh_test_env t;
    void *drv;
    struct sh_buf bytes;
    struct sh_batch_builder rows;
    struct sh_drv_out out;
    int64_t now;
    /* what came out, last of each tag */
    double value[16];
    uint8_t quality[16];
    unsigned seen[16];
    unsigned exchanges[8];
    uint64_t write_id;
    int write_result; /* -1: none */
    unsigned writes;
    bool reconnect;
};

static sh_err rig_flush(void *ctx)
{
    struct rig *r = ctx;
    for (uint32_t i = 0; i < r->rows.view.len; i++) {
        const uint32_t tag = r->rows.view.point[i];
        assert_true(tag < 16);
        const union sh_cell c = r->rows.view.value[i];
        const uint8_t type = r->rows.view.type[i];
        r->value[tag] = type == SH_T_F64    ? c.f64
                        : type == SH_T_I64  ? (double)c.i64
                        : type == SH_T_BOOL ? (double)c.bits
                                            : (double)c.span.len;
        r->quality[tag] = r->rows.view.quality[i];
        r->seen[tag]++;
    }
    sh_batch_builder_clear(&r->rows);
    return SH_OK;
}

static void rig_write_result(void *ctx, uint64_t id, enum sh_drv_result res, const char *words)
{
    struct rig *r = ctx;
    (void)words;
    r->write_id = id;
    r->write_result = (int)res;
    r->writes++;
}

static void rig_exchange(void *ctx, const struct sh_drv_exchange *x)
{
    struct rig *r = ctx;
    r->exchanges[x->result]++;
}

static const struct sh_drv_out_ops rig_ops = {rig_flush, rig_write_result, rig_exchange};

static sh_err rig_step(struct rig *r, const struct sh_drv_in *in)
{
    sh_buf_clear(&r->bytes);
    r->out = (struct sh_drv_out){.bytes = &r->bytes,
                                 .samples = &r->rows,
                                 .ops = &rig_ops,
                                 .ctx = r,
                                 .receipt_us = 1,
                                 .timer_us = INT64_MAX};
    const sh_err err = sh_driver_modbus.step(r->drv, r->now, in, &r->out);
    (void)rig_flush(r);
    r->reconnect = r->out.reconnect;
    return err;
}

static void rig_init(struct rig *r, const char *channel, const struct sh_drv_plan *plan)
{
    *r = (struct rig){.now = SEC, .write_result = -1};
    sh_test_env_init(&r->t, NULL);
    r->drv = sh_mem_new(r->t.env.alloc, sh_driver_modbus.inst_size);
    sh_buf_init(&r->bytes, r->t.env.alloc, 65536);
    sh_batch_builder_init(&r->rows, r->t.env.alloc, ROWS, 65536);
    json_t *cfg = NULL;
    assert_ok(sh_json_parse(sh_str_c(channel), 1000, &cfg, NULL));
    assert_ok(sh_driver_modbus.init(r->drv, r->t.env.alloc, cfg, plan, NULL));
    json_decref(cfg);
}

static void rig_fini(struct rig *r)
{
    sh_driver_modbus.fini(r->drv);
    sh_mem_free(r->t.env.alloc, r->drv);
    sh_buf_fini(&r->bytes);
    sh_batch_builder_fini(&r->rows);
    sh_test_env_fini(&r->t);
}

static void event(struct rig *r, enum sh_drv_event e)
{
    assert_ok(rig_step(r, &(struct sh_drv_in){.event = e}));
}

static sh_err feed(struct rig *r, const void *p, size_t n)
{
    return rig_step(r, &(struct sh_drv_in){.event = SH_DRV_BYTES, .bytes = sh_bytes_of(p, n)});
}

/* A slave of 256 registers whose value is unit * 1000 + address, bits odd = on; address 50 does not
 * exist. Answers one request frame; returns the length of the reply. */
static size_t slave(enum mb_framing fr, struct sh_bytes req, uint8_t out[MB_ADU_MAX])
{
    const uint8_t *pdu = req.p + (fr == MB_TCP ? MB_MBAP : 1);
    const uint8_t unit = fr == MB_TCP ? req.p[6] : req.p[0];
    const uint16_t txn = fr == MB_TCP ? sh_be16(req.p) : 0;
    const uint16_t at = sh_be16(pdu + 1);
    const uint16_t count = sh_be16(pdu + 3);
    uint8_t re[MB_PDU_MAX];
    size_t n = 0;
    re[0] = pdu[0];
    if (pdu[0] > 4) {
        memcpy(re, pdu, 7);
        n = pdu[0] == 22 ? 7 : 5;
    } else if (pdu[0] > 2 && at <= 50 && at + count > 50) {
        re[0] |= 0x80;
        re[1] = 2;
        n = 2;
    } else if (pdu[0] > 2) {
        re[1] = (uint8_t)(count * 2);
        for (uint16_t i = 0; i < count; i++) {
            sh_put_be16(re + 2 + (size_t)i * 2, (uint16_t)(unit * 1000 + at + i));
        }
        n = 2 + (size_t)count * 2;
    } else {
        re[1] = (uint8_t)((count + 7) / 8);
        memset(re + 2, 0, re[1]);
        for (uint16_t i = 0; i < count; i++) {
            re[2 + i / 8] |= (uint8_t)(((at + i) & 1) << (i % 8));
        }
        n = 2 + (size_t)re[1];
    }
    return mb_frame_put(fr, txn, unit, sh_bytes_of(re, n), out);
}

/* Answers what the driver has just asked (one request). */
static void answer(struct rig *r, enum mb_framing fr)
{
    uint8_t re[MB_ADU_MAX];
    assert_true(r->bytes.n > 0);
    const size_t n = slave(fr, sh_buf_bytes(&r->bytes), re);
    assert_ok(feed(r, re, n));
}

static const struct sh_drv_device devices[] = {
    {.name = {"a", 1}, .period_ms = 1000, .writable = true},
    {.name = {"b", 1}, .period_ms = 1000},
};

static void test_reads_all_areas_and_polls_again(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {
        {.address = SH_STR("h1")}, {.address = SH_STR("h3.0")}, {.address = SH_STR("i7")},
        {.address = SH_STR("c3")}, {.address = SH_STR("d4")},
    };
    const struct sh_drv_plan plan = {devices, tags, 1, 5};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    for (int i = 0; i < 4; i++) {
        assert_true(r.bytes.n == 12); /* one request in flight */
        r.now += 5000;
        answer(&r, MB_TCP);
    }
    assert_int_equal(r.bytes.n, 0);
    assert_true(r.value[0] == 1001 && r.value[1] == 1 && r.value[2] == 1007);
    assert_true(r.value[3] == 1 && r.value[4] == 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r.quality[i], SH_Q_GOOD);
        assert_int_equal(r.seen[i], 1);
    }
    assert_int_equal(r.exchanges[SH_DRV_DONE], 4);
    assert_int_equal(r.out.timer_us, 2 * SEC); /* a second after the first request left */
    r.now = r.out.timer_us;
    event(&r, SH_DRV_TIMER);
    assert_int_equal(r.bytes.n, 12);
    rig_fini(&r);
}

static void test_half_frames_and_sticking_frames_give_the_same(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    for (size_t cut = 1; cut < 11; cut++) {
        struct rig r;
        uint8_t re[MB_ADU_MAX * 2];
        rig_init(&r, "{}", &plan);
        event(&r, SH_DRV_OPENED);
        const size_t n = slave(MB_TCP, sh_buf_bytes(&r.bytes), re);
        assert_ok(feed(&r, re, cut));
        assert_int_equal(r.seen[0], 0);
        memcpy(re + n, re, n); /* and the reply doubled, in one piece with the rest */
        assert_ok(feed(&r, re + cut, n - cut + n));
        assert_int_equal(r.seen[0], 1);
        assert_true(r.value[0] == 1001);
        rig_fini(&r);
    }
}

static void test_late_and_foreign_replies_are_not_taken_for_the_next_one(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}, {.address = SH_STR("h200")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 2};
    struct rig r;
    uint8_t late[MB_ADU_MAX];
    rig_init(&r, "{\"timeout_ms\":500}", &plan);
    event(&r, SH_DRV_OPENED);
    const size_t n = slave(MB_TCP, sh_buf_bytes(&r.bytes), late);
    r.now += SEC / 2;
    event(&r, SH_DRV_TIMER); /* time-out: the other group is asked */
    assert_int_equal(r.exchanges[SH_DRV_NO_ANSWER], 1);
    assert_int_equal(r.bytes.n, 12);
    struct sh_buf ask = r.bytes;
    uint8_t second[12];
    memcpy(second, ask.p, 12);
    assert_ok(feed(&r, late, n)); /* now it comes */
    assert_int_equal(r.seen[0] + r.seen[1], 0);
    uint8_t re[MB_ADU_MAX];
    const size_t m = slave(MB_TCP, sh_bytes_of(second, 12), re);
    assert_ok(feed(&r, re, m));
    assert_int_equal(r.seen[1], 1);
    assert_true(r.value[1] == 1200);
    rig_fini(&r);
}

static void test_silence_asks_for_a_new_connection(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    for (int i = 0; i < 20 && !r.reconnect; i++) {
        r.now = r.out.timer_us;
        event(&r, SH_DRV_TIMER);
    }
    assert_true(r.reconnect);
    assert_int_equal(r.exchanges[SH_DRV_NO_ANSWER], 3);
    assert_true(r.out.reason[0] != '\0');
    event(&r, SH_DRV_CLOSED);
    event(&r, SH_DRV_OPENED); /* nothing of the old connection is left */
    answer(&r, MB_TCP);
    assert_int_equal(r.seen[0], 1);
    rig_fini(&r);
}

static void test_one_wrong_address_does_not_take_its_neighbours_along(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {
        {.address = SH_STR("h49")}, {.address = SH_STR("h50")}, {.address = SH_STR("h51")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 3};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    for (int i = 0; i < 4; i++) { /* the group, then its three points */
        answer(&r, MB_TCP);
    }
    assert_int_equal(r.bytes.n, 0);
    assert_true(r.value[0] == 1049 && r.value[2] == 1051);
    assert_int_equal(r.quality[1], SH_Q_BAD_CONFIG);
    for (int round = 0; round < 2; round++) {
        r.now += SEC;
        event(&r, SH_DRV_TIMER);
        for (int i = 0; i < 3; i++) {
            answer(&r, MB_TCP);
        }
    }
    assert_int_equal(r.seen[0], 3);
    assert_int_equal(r.seen[1], 1); /* the same exception again is not news */
    assert_int_equal(r.exchanges[SH_DRV_REFUSED], 4);
    rig_fini(&r);
}

static void test_pipelining_matches_by_transaction(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {
        {.address = SH_STR("h1")}, {.address = SH_STR("h100")}, {.address = SH_STR("h200")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 3};
    struct rig r;
    uint8_t re[3][MB_ADU_MAX];
    size_t n[3];
    rig_init(&r, "{\"max_in_flight\":3}", &plan);
    event(&r, SH_DRV_OPENED);
    assert_int_equal(r.bytes.n, 36);
    for (size_t i = 0; i < 3; i++) {
        n[i] = slave(MB_TCP, sh_bytes_of(r.bytes.p + i * 12, 12), re[i]);
    }
    for (size_t i = 3; i-- > 0;) { /* answered in the other order */
        assert_ok(feed(&r, re[i], n[i]));
    }
    assert_true(r.value[0] == 1001 && r.value[1] == 1100 && r.value[2] == 1200);
    rig_fini(&r);
}

static void test_a_silent_unit_does_not_starve_its_neighbour(void **state)
{
    (void)state;
    json_t *two = json_pack("{s:i}", "unit", 2);
    const struct sh_drv_device devs[] = {{.period_ms = 1000}, {.config = two, .period_ms = 1000}};
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1"), .device = 0},
                                      {.address = SH_STR("h1"), .device = 1}};
    const struct sh_drv_plan plan = {devs, tags, 2, 2};
    struct rig r;
    rig_init(&r, "{\"framing\":\"rtu\",\"timeout_ms\":500}", &plan);
    event(&r, SH_DRV_OPENED);
    unsigned asked[3] = {0};
    const int64_t end = r.now + 60 * (int64_t)SEC;
    while (r.now < end) { /* unit 1 is dead, unit 2 answers */
        if (r.bytes.n > 0) {
            asked[r.bytes.p[0]]++;
        }
        if (r.bytes.n > 0 && r.bytes.p[0] == 2) {
            answer(&r, MB_RTU);
            continue;
        }
        assert_true(r.out.timer_us > r.now && r.out.timer_us != INT64_MAX);
        r.now = r.out.timer_us;
        event(&r, SH_DRV_TIMER);
    }
    assert_true(asked[1] >= 5 && asked[1] <= 10); /* three, then every ten seconds */
    assert_true(asked[2] >= 50);
    assert_true(r.value[1] == 2001);
    assert_false(r.reconnect);
    rig_fini(&r);
    json_decref(two);
}

static void test_rtu_late_reply_is_thrown_away_after_a_time_out(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}, {.address = SH_STR("h100")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 2};
    struct rig r;
    uint8_t late[MB_ADU_MAX];
    rig_init(&r, "{\"framing\":\"rtu\",\"timeout_ms\":400}", &plan);
    event(&r, SH_DRV_OPENED);
    assert_int_equal(r.bytes.n, 8);
    const size_t n = slave(MB_RTU, sh_buf_bytes(&r.bytes), late);
    r.now += 400000;
    event(&r, SH_DRV_TIMER);
    assert_int_equal(r.bytes.n, 0); /* the line is left quiet first */
    r.now += 100000;
    assert_ok(feed(&r, late, n)); /* same unit, function and length as the next request */
    assert_int_equal(r.seen[0] + r.seen[1], 0);
    r.now += 100000;
    event(&r, SH_DRV_TIMER);
    assert_int_equal(r.bytes.n, 8);
    answer(&r, MB_RTU);
    assert_true(r.seen[1] == 1 && r.value[1] == 1100);
    rig_fini(&r);
}

static void write_tag(struct rig *r, uint64_t id, uint32_t tag, enum sh_type type, union sh_cell v)
{
    const struct sh_drv_write w = {
        .id = id, .tag = tag, .type = type, .value = v, .deadline_us = r->now + SEC};
    assert_ok(rig_step(r, &(struct sh_drv_in){.event = SH_DRV_WRITE, .write = &w}));
}

static void test_writes_use_the_right_function_and_read_back(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {
        {.address = SH_STR("h1"), .period_ms = 3600000},
        {.address = SH_STR("h10:float32:cdab"), .period_ms = 3600000},
        {.address = SH_STR("c3"), .period_ms = 3600000},
        {.address = SH_STR("h20.4"), .period_ms = 3600000},
        {.address = SH_STR("i5"), .period_ms = 3600000},
    };
    static const struct {
        uint32_t tag;
        enum sh_type type;
        union sh_cell v;
        uint8_t n;
        uint8_t pdu[12];
    } rows[] = {
        {0, SH_T_I64, {.i64 = 0x1234}, 5, {6, 0, 1, 0x12, 0x34}},
        {1, SH_T_F64, {.f64 = 1.5}, 10, {16, 0, 10, 0, 2, 4, 0, 0, 0x3f, 0xc0}},
        {2, SH_T_BOOL, {.bits = 1}, 5, {5, 0, 3, 0xff, 0}},
        {3, SH_T_BOOL, {.bits = 1}, 7, {22, 0, 20, 0xff, 0xef, 0, 0x10}},
        {3, SH_T_BOOL, {.bits = 0}, 7, {22, 0, 20, 0xff, 0xef, 0, 0}},
    };
    const struct sh_drv_plan plan = {devices, tags, 1, 5};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    while (r.bytes.n > 0) {
        answer(&r, MB_TCP);
    }
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const unsigned before = r.seen[rows[i].tag];
        write_tag(&r, 100 + i, rows[i].tag, rows[i].type, rows[i].v);
        assert_int_equal(r.bytes.n, MB_MBAP + rows[i].n);
        assert_memory_equal(r.bytes.p + MB_MBAP, rows[i].pdu, rows[i].n);
        assert_int_equal(r.writes, i); /* not before the device has answered */
        answer(&r, MB_TCP);
        assert_int_equal(r.writes, i + 1);
        assert_int_equal(r.write_result, SH_DRV_DONE);
        assert_int_equal(r.write_id, 100 + i);
        answer(&r, MB_TCP); /* read back at once */
        assert_int_equal(r.seen[rows[i].tag], before + 1);
        r.write_result = -1;
    }
    write_tag(&r, 7, 4, SH_T_I64, (union sh_cell){.i64 = 1}); /* an input register */
    assert_int_equal(r.write_result, SH_DRV_INVALID);
    write_tag(&r, 8, 0, SH_T_I64, (union sh_cell){.i64 = 70000});
    assert_int_equal(r.write_result, SH_DRV_INVALID);
    write_tag(&r, 9, 99, SH_T_I64, (union sh_cell){.i64 = 1});
    assert_int_equal(r.write_result, SH_DRV_INVALID);
    assert_int_equal(r.bytes.n, 0);
    rig_fini(&r);
}

static void test_write_is_refused_while_the_device_is_read_only(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1"), .device = 1}};
    const struct sh_drv_plan plan = {devices, tags, 2, 1};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    answer(&r, MB_TCP);
    write_tag(&r, 1, 0, SH_T_I64, (union sh_cell){.i64 = 1});
    assert_int_equal(r.write_result, SH_DRV_INVALID);
    assert_int_equal(r.bytes.n, 0);
    rig_fini(&r);
}

static void test_every_write_gets_one_result_when_the_channel_closes(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    struct rig r;
    rig_init(&r, "{}", &plan);
    write_tag(&r, 1, 0, SH_T_I64, (union sh_cell){.i64 = 1});
    assert_int_equal(r.write_result, SH_DRV_NOT_SENT); /* not connected */
    event(&r, SH_DRV_OPENED);
    answer(&r, MB_TCP);
    for (uint64_t i = 2; i < 6; i++) {
        write_tag(&r, i, 0, SH_T_I64, (union sh_cell){.i64 = 1});
    }
    assert_int_equal(r.writes, 1);
    event(&r, SH_DRV_CLOSED);
    assert_int_equal(r.writes, 5);
    event(&r, SH_DRV_OPENED);
    answer(&r, MB_TCP);
    write_tag(&r, 9, 0, SH_T_I64, (union sh_cell){.i64 = 1});  /* in flight */
    write_tag(&r, 10, 0, SH_T_I64, (union sh_cell){.i64 = 1}); /* waits behind it */
    r.now += 1000000 - 1;
    event(&r, SH_DRV_TIMER);
    assert_int_equal(r.writes, 5);
    r.now += 1;
    event(&r, SH_DRV_TIMER); /* the first has timed out, the second is too late to be sent */
    assert_int_equal(r.writes, 7);
    rig_fini(&r);
}

static void test_a_new_plan_keeps_the_connection_and_the_request_in_flight(void **state)
{
    (void)state;
    const struct sh_drv_tag one[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_tag two[] = {{.address = SH_STR("h30")}, {.address = SH_STR("h31")}};
    const struct sh_drv_plan first = {devices, one, 1, 1};
    const struct sh_drv_plan second = {devices, two, 1, 2};
    struct rig r;
    uint8_t re[MB_ADU_MAX];
    rig_init(&r, "{}", &first);
    event(&r, SH_DRV_OPENED);
    const size_t n = slave(MB_TCP, sh_buf_bytes(&r.bytes), re);
    assert_ok(rig_step(&r, &(struct sh_drv_in){.event = SH_DRV_PLAN_NEW, .plan = &second}));
    assert_int_equal(r.bytes.n, 0); /* one in flight still */
    assert_ok(feed(&r, re, n));
    assert_int_equal(r.seen[0], 0); /* its tag is gone */
    assert_false(r.reconnect);
    answer(&r, MB_TCP);
    assert_true(r.value[0] == 1030 && r.value[1] == 1031);
    rig_fini(&r);
}

static void test_nonsense_ends_the_connection_with_an_error(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    struct rig r;
    rig_init(&r, "{}", &plan);
    event(&r, SH_DRV_OPENED);
    assert_int_equal(feed(&r, "HTTP/1.1 400 Bad Request\r\n", 26), SH_E_PROTO);
    rig_fini(&r);
}

static void test_a_gateway_speaks_for_a_silent_device(void **state)
{
    (void)state;
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    struct rig r;
    rig_init(&r, "{\"retry_ms\":5000}", &plan);
    event(&r, SH_DRV_OPENED);
    for (int i = 0; i < 3; i++) { /* exception 0B (V1.1b3, 7): the target did not respond */
        uint8_t re[9] = {0, 0, 0, 0, 0, 3, 1, 0x83, 0x0b};
        assert_int_equal(r.bytes.n, 12);
        memcpy(re, r.bytes.p, 2);
        assert_ok(feed(&r, re, sizeof re));
        assert_int_equal(r.exchanges[SH_DRV_NO_ANSWER], i + 1);
        if (i < 2) {
            r.now = r.out.timer_us;
            event(&r, SH_DRV_TIMER);
        }
    }
    assert_int_equal(r.out.timer_us, r.now + 5 * SEC); /* it is left alone for a while */
    assert_false(r.reconnect);                         /* the gateway itself is well */
    assert_int_equal(r.seen[0], 0);                    /* the engine tells of a lost device */
    rig_fini(&r);
}

static sh_err oom_body(struct sh_test_env *t)
{
    const struct sh_drv_tag tags[] = {{.address = SH_STR("h1")}};
    const struct sh_drv_plan plan = {devices, tags, 1, 1};
    void *drv = sh_mem_new(t->env.alloc, sh_driver_modbus.inst_size);
    if (drv == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = sh_driver_modbus.init(drv, t->env.alloc, NULL, &plan, NULL);
    if (err == SH_OK) {
        sh_driver_modbus.fini(drv);
    }
    sh_mem_free(t->env.alloc, drv);
    return err;
}

static void test_init_without_memory_holds_nothing(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

static void test_table_is_complete_and_its_schemas_are_json(void **state)
{
    (void)state;
    assert_true(sh_driver_usable(&sh_driver_modbus));
    const char *const texts[] = {sh_driver_modbus.channel_schema, sh_driver_modbus.device_schema,
                                 sh_driver_modbus.point_schema};
    for (size_t i = 0; i < SH_COUNT(texts); i++) {
        json_t *o = NULL;
        assert_ok(sh_json_parse(sh_str_c(texts[i]), 65536, &o, NULL));
        json_decref(o);
    }
    struct sh_drv_address a;
    assert_ok(sh_driver_modbus.check_address(SH_STR("3x1:float32"), NULL, &a, NULL));
    assert_int_equal(a.type, SH_T_F64);
    assert_false(a.writable);
    assert_string_equal(a.canonical, "3x1:float32:abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_all_areas_and_polls_again),
        cmocka_unit_test(test_half_frames_and_sticking_frames_give_the_same),
        cmocka_unit_test(test_late_and_foreign_replies_are_not_taken_for_the_next_one),
        cmocka_unit_test(test_silence_asks_for_a_new_connection),
        cmocka_unit_test(test_one_wrong_address_does_not_take_its_neighbours_along),
        cmocka_unit_test(test_pipelining_matches_by_transaction),
        cmocka_unit_test(test_a_silent_unit_does_not_starve_its_neighbour),
        cmocka_unit_test(test_rtu_late_reply_is_thrown_away_after_a_time_out),
        cmocka_unit_test(test_writes_use_the_right_function_and_read_back),
        cmocka_unit_test(test_write_is_refused_while_the_device_is_read_only),
        cmocka_unit_test(test_every_write_gets_one_result_when_the_channel_closes),
        cmocka_unit_test(test_a_new_plan_keeps_the_connection_and_the_request_in_flight),
        cmocka_unit_test(test_a_gateway_speaks_for_a_silent_device),
        cmocka_unit_test(test_nonsense_ends_the_connection_with_an_error),
        cmocka_unit_test(test_init_without_memory_holds_nothing),
        cmocka_unit_test(test_table_is_complete_and_its_schemas_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
