/* poller_test.c - the helper on a toy protocol: a request is {txn, group}, a reply {txn, result}.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/poller.h>

#define MS ((int64_t)1000)

struct toy {
    struct sh_poller p;
    struct sh_test_env t;
    struct sh_buf bytes;
    struct sh_drv_out out;
    int64_t now;
    unsigned results[8];
    unsigned write_results[8];
};

static sh_err toy_request(void *self, struct sh_poll_flight *f, struct sh_drv_out *out,
                          const char **words)
{
    (void)self;
    (void)words;
    const uint8_t b[2] = {(uint8_t)f->txn, f->is_write ? 0xff : (uint8_t)f->group};
    return sh_drv_out_bytes(out, b, 2);
}

static sh_err toy_reply(void *self, struct sh_bytes in, const struct sh_poll_flight *flights,
                        uint32_t n, struct sh_poll_frame *fr, struct sh_drv_out *out)
{
    (void)self;
    (void)out;
    if (in.p[0] == 0xee) {
        return SH_E_PROTO;
    }
    if (in.n < 2) {
        return SH_E_AGAIN;
    }
    fr->used = 2;
    for (uint32_t i = 0; i < n; i++) {
        if (flights[i].used && (uint8_t)flights[i].txn == in.p[0]) {
            fr->flight = i;
            fr->result = (enum sh_drv_result)in.p[1];
        }
    }
    return SH_OK;
}

static const struct sh_poller_ops toy_ops = {toy_request, toy_reply};

static sh_err toy_flush(void *ctx)
{
    (void)ctx;
    return SH_OK;
}
static void toy_written(void *ctx, uint64_t id, enum sh_drv_result r, const char *words)
{
    struct toy *y = ctx;
    (void)id;
    (void)words;
    y->write_results[r]++;
}
static void toy_exchange(void *ctx, const struct sh_drv_exchange *x)
{
    struct toy *y = ctx;
    y->results[x->result]++;
}
static const struct sh_drv_out_ops toy_out = {toy_flush, toy_written, toy_exchange};

static void prepare(struct toy *y)
{
    sh_buf_clear(&y->bytes);
    y->out =
        (struct sh_drv_out){.bytes = &y->bytes, .ops = &toy_out, .ctx = y, .timer_us = INT64_MAX};
}

static void toy_init(struct toy *y, const struct sh_poller_opts *o, const struct sh_poll_group *g,
                     uint32_t n_groups, uint32_t n_devices)
{
    *y = (struct toy){.now = 1000 * MS};
    sh_test_env_init(&y->t, NULL);
    sh_buf_init(&y->bytes, y->t.env.alloc, 1000);
    assert_ok(sh_poller_init(&y->p, &toy_ops, y, y->t.env.alloc, o));
    assert_ok(sh_poller_plan(&y->p, g, n_groups, n_devices, NULL));
}

static void toy_fini(struct toy *y)
{
    sh_poller_fini(&y->p);
    sh_buf_fini(&y->bytes);
    sh_test_env_fini(&y->t);
}

static void step(struct toy *y, enum sh_drv_event e)
{
    prepare(y);
    assert_ok(sh_poller_step(&y->p, y->now, &(struct sh_drv_in){.event = e}, &y->out));
}

static sh_err feed(struct toy *y, const uint8_t *p, size_t n)
{
    prepare(y);
    return sh_poller_step(&y->p, y->now,
                          &(struct sh_drv_in){.event = SH_DRV_BYTES, .bytes = {p, n}}, &y->out);
}

static const struct sh_poller_opts one = {
    .max_in_flight = 1, .timeout_ms = 100, .sick_ms = 1000, .max_input = 4};

static void test_periods_keep_their_phase(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 100}, {0, 250}};
    struct toy y;
    toy_init(&y, &one, g, 2, 1);
    step(&y, SH_DRV_OPENED);
    unsigned asked[2] = {0};
    const int64_t end = y.now + 10000 * MS;
    while (y.now < end) {
        if (y.bytes.n == 2) {
            asked[y.bytes.p[1]]++;
            const uint8_t re[2] = {y.bytes.p[0], SH_DRV_DONE};
            y.now += 3 * MS;
            assert_ok(feed(&y, re, 2));
        } else {
            assert_true(y.out.timer_us > y.now);
            y.now = y.out.timer_us;
            step(&y, SH_DRV_TIMER);
        }
    }
    assert_in_range(asked[0], 99, 101);
    assert_in_range(asked[1], 39, 41);
    toy_fini(&y);
}

static void test_a_slow_device_is_never_asked_twice_at_once(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 10}};
    struct toy y;
    toy_init(&y, &one, g, 1, 1);
    step(&y, SH_DRV_OPENED);
    for (int i = 0; i < 20; i++) { /* each answer takes 95 ms, the period is 10 */
        assert_int_equal(y.bytes.n, 2);
        const uint8_t re[2] = {y.bytes.p[0], SH_DRV_DONE};
        y.now += 95 * MS;
        step(&y, SH_DRV_TIMER);
        assert_int_equal(y.bytes.n, 0);
        assert_ok(feed(&y, re, 2));
        if (y.bytes.n == 0) {
            y.now = y.out.timer_us;
            step(&y, SH_DRV_TIMER);
        }
    }
    assert_int_equal(y.results[SH_DRV_DONE], 20);
    toy_fini(&y);
}

static void test_nonsense_is_seen_while_open_only(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 100}};
    static const uint8_t bad[] = {0xee};
    struct toy y;
    toy_init(&y, &one, g, 1, 1);
    assert_ok(feed(&y, bad, 1)); /* shut: not looked at */
    step(&y, SH_DRV_OPENED);
    assert_int_equal(feed(&y, bad, 1), SH_E_PROTO);
    step(&y, SH_DRV_CLOSED);
    toy_fini(&y);
}

static void test_gap_and_full_send_buffer(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 100}, {0, 100}};
    struct sh_poller_opts o = one;
    o.gap_ms = 20;
    struct toy y;
    toy_init(&y, &o, g, 2, 1);
    step(&y, SH_DRV_OPENED);
    const uint8_t re[2] = {y.bytes.p[0], SH_DRV_DONE};
    assert_ok(feed(&y, re, 2));
    assert_int_equal(y.bytes.n, 0);
    assert_int_equal(y.out.timer_us, y.now + 20 * MS);
    y.now += 20 * MS;
    y.bytes.max = 1; /* no room for a request */
    step(&y, SH_DRV_TIMER);
    assert_int_equal(y.bytes.n, 0);
    assert_true(y.out.timer_us > y.now && y.out.timer_us < y.now + 100 * MS);
    y.bytes.max = 1000;
    y.now = y.out.timer_us;
    step(&y, SH_DRV_TIMER);
    assert_int_equal(y.bytes.n, 2);
    toy_fini(&y);
}

static void test_writes_are_bounded_and_all_answered(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 100}};
    struct toy y;
    toy_init(&y, &one, g, 1, 1);
    step(&y, SH_DRV_OPENED);
    for (uint64_t i = 0; i < SH_POLL_WRITES + 5; i++) {
        prepare(&y);
        assert_ok(sh_poller_write(
            &y.p, y.now,
            &(struct sh_drv_write){.id = i, .type = SH_T_I64, .deadline_us = INT64_MAX}, 0,
            &y.out));
    }
    assert_int_equal(y.write_results[SH_DRV_NOT_SENT], 5);
    prepare(&y);
    assert_ok(sh_poller_plan(&y.p, g, 1, 1, &y.out)); /* a new plan empties the queue */
    assert_int_equal(y.write_results[SH_DRV_NOT_SENT], SH_POLL_WRITES + 5);
    toy_fini(&y);
}

static void test_gateway_word_makes_a_device_sick(void **state)
{
    (void)state;
    static const struct sh_poll_group g[] = {{0, 100}};
    struct toy y;
    toy_init(&y, &one, g, 1, 1);
    step(&y, SH_DRV_OPENED);
    for (int i = 0; i < 3; i++) {
        const uint8_t re[2] = {y.bytes.p[0], SH_DRV_NO_ANSWER};
        assert_int_equal(y.bytes.n, 2);
        assert_ok(feed(&y, re, 2));
        if (i < 2) {
            y.now = y.out.timer_us;
            step(&y, SH_DRV_TIMER);
        }
    }
    assert_int_equal(y.out.timer_us, y.now + 1000 * MS); /* sick_ms, not the period */
    toy_fini(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_periods_keep_their_phase),
        cmocka_unit_test(test_a_slow_device_is_never_asked_twice_at_once),
        cmocka_unit_test(test_nonsense_is_seen_while_open_only),
        cmocka_unit_test(test_gap_and_full_send_buffer),
        cmocka_unit_test(test_writes_are_bounded_and_all_answered),
        cmocka_unit_test(test_gateway_word_makes_a_device_sick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
