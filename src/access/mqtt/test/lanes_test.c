/* lanes_test.c - one broker between two loops, on fakes and one thread: a transport is called by
 * its own lane only, what another lane wants of it waits for the flush, and nothing changes its
 * order. SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

struct lanes {
    struct fix *f;
    unsigned woken[2];
    struct cli *from; /* says more while the other one's bytes are being written */
};

static void wake(void *ctx, unsigned lane)
{
    struct lanes *l = ctx;
    assert_true(lane < 2);
    l->woken[lane]++;
}

static void open_lanes(struct lanes *l)
{
    *l = (struct lanes){.f = fix_new(NULL, false)};
    mqtt_broker_lanes(l->f->b, 2, wake, l);
}

static void up(struct lanes *l, struct cli *c, unsigned lane, int version, const char *id)
{
    mqtt_broker_enter(l->f->b, lane);
    cli_up(c, l->f, version, id);
    mqtt_broker_leave(l->f->b);
}

static void sub(struct lanes *l, struct cli *c, unsigned lane, const char *filter, uint8_t qos)
{
    mqtt_broker_enter(l->f->b, lane);
    assert_int_equal(cli_sub(c, filter, qos), qos);
    mqtt_broker_leave(l->f->b);
}

static void pub(struct lanes *l, struct cli *c, unsigned lane, const char *topic,
                const char *payload)
{
    mqtt_broker_enter(l->f->b, lane);
    cli_pub(c, topic, payload, 0, false, 0);
    mqtt_broker_leave(l->f->b);
}

static void drop(struct lanes *l, struct cli *c, unsigned lane)
{
    mqtt_broker_enter(l->f->b, lane);
    cli_drop(c);
    mqtt_broker_leave(l->f->b);
}

static void test_output_of_another_lane_waits_for_its_flush(void **state)
{
    (void)state;
    struct lanes l;
    struct cli a;
    struct cli b;
    open_lanes(&l);
    up(&l, &a, 0, 4, "a");
    up(&l, &b, 1, 4, "b");
    sub(&l, &b, 1, "t/#", 0);
    pub(&l, &a, 0, "t/1", "one");
    pub(&l, &a, 0, "t/2", "two");
    cli_expect_none(&b);
    assert_int_equal(l.woken[1], 1); /* once until it flushes */
    mqtt_lane_flush(l.f->b, 1);
    cli_expect_pub(&b, "t/1", "one", 0);
    cli_expect_pub(&b, "t/2", "two", 0);
    pub(&l, &a, 0, "t/3", "three");
    assert_int_equal(l.woken[1], 2);
    mqtt_lane_flush(l.f->b, 1);
    cli_expect_pub(&b, "t/3", "three", 0);
    assert_int_equal(l.woken[0], 0);
    drop(&l, &a, 0);
    drop(&l, &b, 1);
    fix_free(l.f);
}

/* A loop that has had input flushes at the end of its turn anyway. */
static void test_loop_in_a_turn_is_not_woken(void **state)
{
    (void)state;
    static const uint8_t ping[] = {0xC0, 0};
    struct lanes l;
    struct cli a;
    struct cli b;
    open_lanes(&l);
    up(&l, &a, 0, 4, "a");
    up(&l, &b, 1, 4, "b");
    sub(&l, &b, 1, "t", 0);
    assert_int_equal(mqtt_lane_input(b.c, sh_bytes_of(ping, 2)), 2);
    cli_expect(&b, MQTT_PINGRESP); /* with nothing before it, an answer leaves at once */
    pub(&l, &a, 0, "t", "one");
    assert_int_equal(l.woken[1], 0);
    cli_expect_none(&b);
    /* In the middle of its input it sees that somebody has something for it. */
    assert_int_equal(mqtt_lane_input(b.c, sh_bytes_of(ping, 2)), 2);
    cli_expect_pub(&b, "t", "one", 0);
    cli_expect(&b, MQTT_PINGRESP);
    pub(&l, &a, 0, "t", "two");
    assert_int_equal(l.woken[1], 0); /* the turn has not ended */
    mqtt_lane_flush(l.f->b, 1);
    cli_expect_pub(&b, "t", "two", 0);
    pub(&l, &a, 0, "t", "three");
    assert_int_equal(l.woken[1], 1);
    mqtt_lane_flush(l.f->b, 1);
    cli_expect_pub(&b, "t", "three", 0);
    drop(&l, &a, 0);
    drop(&l, &b, 1);
    fix_free(l.f);
}

static void set_room(struct cli *c, size_t room)
{
    c->room = room;
}

static void say_more(void *ctx)
{
    struct lanes *l = ctx;
    pub(l, l->from, 0, "t/2", "two"); /* the lock is free: bytes are written outside of it */
}

static void test_full_transport_keeps_the_order_of_what_comes_meanwhile(void **state)
{
    (void)state;
    struct lanes l;
    struct cli a;
    struct cli b;
    open_lanes(&l);
    up(&l, &a, 0, 4, "a");
    up(&l, &b, 1, 4, "b");
    sub(&l, &b, 1, "t/#", 0);
    set_room(&b, 5);
    l.from = &a;
    l.f->during = say_more; /* message two is encoded while one is half written */
    l.f->during_ctx = &l;
    pub(&l, &a, 0, "t/1", "one");
    mqtt_lane_flush(l.f->b, 1);
    assert_int_equal(b.in.n - b.in_at, 5);
    pub(&l, &a, 0, "t/3", "three");
    mqtt_lane_flush(l.f->b, 1); /* full: nothing is offered */
    assert_int_equal(b.in.n - b.in_at, 5);
    set_room(&b, SIZE_MAX);
    mqtt_lane_flush(l.f->b, 1); /* nor before the transport says so */
    assert_int_equal(b.in.n - b.in_at, 5);
    mqtt_lane_writable(b.c);
    mqtt_lane_flush(l.f->b, 1);
    cli_expect_pub(&b, "t/1", "one", 0);
    cli_expect_pub(&b, "t/2", "two", 0);
    cli_expect_pub(&b, "t/3", "three", 0);
    cli_expect_none(&b);
    drop(&l, &a, 0);
    drop(&l, &b, 1);
    fix_free(l.f);
}

/* What finds the buffer full waits in the session's queue, and follows when the buffer was written,
 * without any other event. */
static void test_queue_follows_the_buffer(void **state)
{
    (void)state;
    const struct mqtt_limits small = {.max_out_bytes = 64};
    struct lanes l = {.f = fix_new(&small, false)};
    struct cli a;
    struct cli b;
    mqtt_broker_lanes(l.f->b, 2, wake, &l);
    up(&l, &a, 0, 4, "a");
    up(&l, &b, 1, 4, "b");
    sub(&l, &b, 1, "t/#", 0);
    for (int i = 0; i < 50; i++) {
        pub(&l, &a, 0, "t/1", "0123456789");
    }
    mqtt_lane_flush(l.f->b, 1);
    for (int i = 0; i < 50; i++) {
        cli_expect_pub(&b, "t/1", "0123456789", 0);
    }
    assert_int_equal(fix_counters(l.f).dropped_slow, 0);
    drop(&l, &a, 0);
    drop(&l, &b, 1);
    fix_free(l.f);
}

static void test_takeover_closes_on_the_other_lane_at_its_flush(void **state)
{
    (void)state;
    struct lanes l;
    struct cli old;
    struct cli new;
    open_lanes(&l);
    up(&l, &old, 1, 5, "same");
    up(&l, &new, 0, 5, "same");
    assert_int_equal(fix_counters(l.f).takeovers, 1);
    assert_false(old.closed);
    cli_expect_none(&old);
    assert_int_equal(l.woken[1], 1);
    mqtt_lane_flush(l.f->b, 1);
    cli_expect(&old, MQTT_DISCONNECT);
    assert_int_equal(old.p.ack.code, MQTT_R_TAKEN_OVER);
    assert_true(old.closed);
    drop(&l, &old, 1);
    /* One that goes by itself before its lane was flushed. */
    struct cli newer;
    up(&l, &newer, 1, 5, "same");
    assert_false(new.closed);
    drop(&l, &new, 0);
    mqtt_lane_flush(l.f->b, 0);
    pub(&l, &newer, 1, "t", "x");
    drop(&l, &newer, 1);
    fix_free(l.f);
}

static void test_stalled_connection_reads_again_by_its_own_lane(void **state)
{
    (void)state;
    struct lanes l;
    struct cli b;
    open_lanes(&l);
    up(&l, &b, 1, 4, "b");
    l.f->telemetry_says = SH_E_LIMIT;
    mqtt_broker_enter(l.f->b, 1);
    cli_pub(&b, "sh/v1/d/telemetry", "{}", 1, false, 3);
    mqtt_broker_leave(l.f->b);
    assert_false(b.reading);
    l.f->telemetry_says = SH_OK;
    mqtt_broker_enter(l.f->b, 0);
    mqtt_broker_resume(l.f->b);
    mqtt_broker_flush(l.f->b);
    mqtt_broker_leave(l.f->b);
    assert_false(b.reading);
    assert_int_equal(l.woken[1], 1);
    mqtt_lane_flush(l.f->b, 1);
    assert_true(b.reading);
    mqtt_broker_enter(l.f->b, 1);
    cli_feed(&b);
    cli_expect(&b, MQTT_PUBACK);
    mqtt_broker_leave(l.f->b);
    drop(&l, &b, 1);
    fix_free(l.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_of_another_lane_waits_for_its_flush),
        cmocka_unit_test(test_loop_in_a_turn_is_not_woken),
        cmocka_unit_test(test_full_transport_keeps_the_order_of_what_comes_meanwhile),
        cmocka_unit_test(test_queue_follows_the_buffer),
        cmocka_unit_test(test_takeover_closes_on_the_other_lane_at_its_flush),
        cmocka_unit_test(test_stalled_connection_reads_again_by_its_own_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
