/* store_test.c - what is acknowledged is durable, in order, and comes back after a crash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static const struct con keeper = {.id = "s", .clean = false, .expiry_s = 1000};

static void test_answers_wait_for_the_commit(void **state) /* DESIGN 6.1 */
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli c;
    f->hold_commits = true;
    assert_int_equal(cli_connect(&c, f, 5, &keeper), -1); /* CONNACK of a persistent session */
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_CONNACK);
    assert_int_equal(cli_sub(&c, "a", 2), -1);
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_SUBACK);
    cli_pub(&c, "b", "x", 1, true, 1); /* retained */
    cli_expect_none(&c);
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_PUBACK);
    cli_pub(&c, "b", "x", 2, false, 2); /* packet id of QoS 2 */
    cli_expect_none(&c);
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_PUBREC);
    cli_ack(&c, MQTT_PUBREL, 2, 0);
    cli_expect_none(&c);
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_PUBCOMP);
    cli_pub(&c, "a", "y", 2, false, 3); /* QoS 2 to a persistent subscriber: its id first */
    cli_expect_none(&c);
    fix_commit(f, SH_OK);
    cli_expect_pub(&c, "a", "y", 2);
    const uint16_t pid = c.p.publish.packet_id;
    cli_expect(&c, MQTT_PUBREC);
    cli_ack(&c, MQTT_PUBREC, pid, 0);
    cli_expect_none(&c); /* our PUBREL */
    fix_commit(f, SH_OK);
    cli_expect(&c, MQTT_PUBREL);
    cli_drop(&c);
    f->hold_commits = false;
    fix_free(f);
}

static void test_plain_messaging_waits_for_nothing(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    struct cli s;
    f->hold_commits = true;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    cli_pub_done(&p, "a", "x", 1, false, 1);
    cli_expect_pub(&s, "a", "x", 1);
    cli_pub_done(&p, "a", "y", 2, false, 2);
    cli_expect_pub(&s, "a", "y", 2);
    assert_int_equal(f->nrecords, 0);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_answers_leave_in_publish_order(void **state) /* [MQTT-4.6.0-2] -3 */
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    cli_up(&p, f, 4, "p");
    f->hold_commits = true;
    cli_pub(&p, "a", "x", 1, true, 1);  /* waits */
    cli_pub(&p, "a", "y", 1, false, 2); /* could leave, but not before the first */
    cli_pub(&p, "a", "z", 2, false, 3);
    cli_expect_none(&p);
    fix_commit(f, SH_OK);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(p.p.ack.packet_id, 1);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(p.p.ack.packet_id, 2);
    cli_expect(&p, MQTT_PUBREC);
    f->hold_commits = false;
    cli_drop(&p);
    fix_free(f);
}

static void test_full_log_stops_reading(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    cli_up(&p, f, 5, "p");
    f->refuse_append = true;
    cli_pub(&p, "a", "x", 1, true, 1);
    cli_pub(&p, "b", "x", 1, false, 2);
    cli_expect_none(&p);
    assert_false(p.reading);
    assert_int_equal(fix_counters(f).retained, 0); /* nothing was changed */
    f->refuse_append = false;
    mqtt_broker_resume(f->b);
    assert_true(p.reading);
    cli_feed(&p);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(p.p.ack.packet_id, 1);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(fix_counters(f).retained, 1);
    cli_drop(&p);
    fix_free(f);
}

static void test_lost_commit_is_never_acknowledged(void **state)
{
    (void)state;
    for (int v = 4; v <= 5; v++) {
        struct fix *f = fix_new(NULL, true);
        struct cli p;
        cli_up(&p, f, v, "p");
        f->hold_commits = true;
        cli_pub(&p, "a", "x", 1, true, 1);
        fix_commit(f, SH_E_IO);
        if (v == 5) {
            cli_expect(&p, MQTT_PUBACK);
            assert_int_equal(p.p.ack.code, 0x83);
        } else {
            assert_true(p.closed);
            cli_expect_none(&p);
        }
        cli_drop(&p);
        fix_free(f);
    }
}

static void test_state_survives_a_crash(void **state)
{
    (void)state;
    for (int with_image = 0; with_image < 3; with_image++) {
        struct fix *f = fix_new(NULL, true);
        struct cli s;
        struct cli p;
        assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
        assert_int_equal(cli_sub_id(&s, "q/+", 2, 42), 2);
        assert_int_equal(cli_sub(&s, "$share/g/sh/#", 1), 1);
        assert_int_equal(cli_sub(&s, "gone", 1), 1);
        assert_int_equal(cli_unsub(&s, "gone"), 0);
        cli_up(&p, f, 5, "p");
        cli_pub_done(&p, "r/1", "kept", 1, true, 1);
        cli_pub_done(&p, "r/2", "removed", 1, true, 2);
        cli_pub_done(&p, "r/2", "", 1, true, 3);
        cli_pub_done(&p, "q/a", "one", 1, false, 4);
        cli_pub_done(&p, "q/b", "two", 2, false, 5);
        if (with_image == 1) {
            assert_ok(mqtt_broker_checkpoint(f->b)); /* in the middle */
        }
        cli_pub_done(&p, "q/c", "three", 2, false, 6);
        uint16_t pid[3];
        for (int i = 0; i < 3; i++) {
            cli_expect(&s, MQTT_PUBLISH);
            pid[i] = s.p.publish.packet_id;
        }
        cli_ack(&s, MQTT_PUBACK, pid[0], 0);
        cli_ack(&s, MQTT_PUBREC, pid[1], 0);
        cli_expect(&s, MQTT_PUBREL);
        cli_pub(&s, "x", "in", 2, false, 99); /* PUBREC sent, PUBREL not come */
        cli_expect(&s, MQTT_PUBREC);
        if (with_image == 2) {
            assert_ok(mqtt_broker_checkpoint(f->b)); /* at the end */
        }
        cli_drop(&s);
        cli_drop(&p);
        fix_crash(f, UINT32_MAX);
        assert_int_equal(fix_counters(f).retained, 1);
        assert_int_equal(fix_counters(f).subscriptions, 2);
        assert_int_equal(fix_counters(f).recovered_bad, 0);
        assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
        assert_true(s.p.connack.session_present);
        cli_expect(&s, MQTT_PUBREL); /* two: its PUBREC had come */
        assert_int_equal(s.p.ack.packet_id, pid[1]);
        cli_expect_pub(&s, "q/c", "three", 2);
        assert_int_equal(s.p.publish.packet_id, pid[2]); /* the same id as before */
        assert_int_equal(s.p.publish.props.subscription_id, 42);
        cli_expect_none(&s);
        cli_pub(&s, "q/zz", "in", 2, false, 99); /* repeated: known, so not published again */
        cli_expect(&s, MQTT_PUBREC);
        cli_expect_none(&s);
        assert_int_equal(cli_sub(&s, "r/#", 0), 0);
        cli_expect_pub(&s, "r/1", "kept", 0);
        cli_up(&p, f, 5, "p");
        cli_pub(&p, "sh/1", "m", 1, false, 1);
        cli_expect_pub(&s, "sh/1", "m", 1);
        cli_drop(&s);
        cli_drop(&p);
        fix_free(f);
    }
}

/* Power goes after every record: nothing acknowledged before it is lost. */
static void test_every_prefix_of_the_log_is_a_state(void **state)
{
    (void)state;
    for (uint32_t cut = 0; cut < 40; cut++) {
        struct fix *f = fix_new(NULL, true);
        struct cli s;
        struct cli p;
        uint32_t acked_at[10] = {0};
        assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
        assert_int_equal(cli_sub(&s, "q", 1), 1);
        const uint32_t subscribed = f->nrecords;
        cli_drop(&s);
        cli_up(&p, f, 4, "p");
        for (uint16_t i = 0; i < 10; i++) {
            const char text[2] = {(char)('0' + i), 0};
            cli_pub_done(&p, "q", text, 1, false, (uint16_t)(i + 1));
            acked_at[i] = f->nrecords;
        }
        cli_drop(&p);
        const uint32_t all = f->nrecords;
        fix_crash(f, cut);
        if (cut < all) {
            assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
            for (uint16_t i = 0; i < 10 && acked_at[i] <= cut; i++) {
                const char text[2] = {(char)('0' + i), 0};
                cli_expect_pub(&s, "q", text, 1);
            }
            cli_expect_none(&s);
            assert_true(cut < subscribed || s.c != NULL);
            cli_drop(&s);
        }
        fix_free(f);
    }
}

static void test_damaged_image_keeps_what_stood_before(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    cli_up(&p, f, 4, "p");
    char topic[16];
    for (uint16_t i = 1; i <= 50; i++) {
        (void)snprintf(topic, sizeof topic, "r/%u", i);
        cli_pub_done(&p, topic, "x", 1, true, i);
    }
    cli_drop(&p);
    assert_ok(mqtt_broker_checkpoint(f->b));
    for (size_t at = 0; at < f->image.n; at += 13) {
        struct mqtt_broker *b = NULL;
        assert_ok(mqtt_broker_new(&f->opts, &b));
        f->image.p[at] ^= 0x55;
        assert_int_equal(mqtt_broker_load(b, sh_buf_bytes(&f->image)),
                         at >= 8 && at < 16 ? SH_OK : SH_E_CORRUPT);
        f->image.p[at] ^= 0x55;
        mqtt_broker_free(b);
        assert_ok(mqtt_broker_new(&f->opts, &b)); /* cut short */
        assert_int_equal(mqtt_broker_load(b, sh_bytes_of(f->image.p, at)), SH_E_CORRUPT);
        mqtt_broker_free(b);
    }
    fix_free(f);
}

static void test_sessions_expire_over_a_restart(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli s;
    const struct con o = {.id = "s", .clean = false, .expiry_s = 10};
    assert_int_equal(cli_connect(&s, f, 5, &o), 0);
    cli_drop(&s);
    fix_tick(f, 6);
    fix_crash(f, UINT32_MAX);
    assert_int_equal(fix_counters(f).sessions, 1);
    fix_tick(f, 2);
    assert_int_equal(fix_counters(f).sessions, 1);
    fix_tick(f, 4);
    assert_int_equal(fix_counters(f).sessions, 0);
    fix_crash(f, UINT32_MAX); /* and its end is in the log */
    assert_int_equal(fix_counters(f).sessions, 0);
    fix_free(f);
}

static void test_will_of_a_connected_session_survives(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli s;
    struct cli w;
    assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
    assert_int_equal(cli_sub(&s, "will", 1), 1);
    struct mqtt_connect more = {.version = 5, .has_will = true};
    more.will.topic = SH_STR("will");
    more.will.qos = 1;
    more.will.payload = sh_bytes_of("gone", 4);
    const struct con o = {.id = "w", .clean = true, .expiry_s = 100, .more = &more};
    assert_int_equal(cli_connect(&w, f, 5, &o), 0);
    const uint32_t upto = f->nrecords; /* the process is killed here */
    cli_drop(&s);
    cli_drop(&w);
    fix_crash(f, upto);
    assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
    cli_expect_pub(&s, "will", "gone", 1);
    cli_drop(&s);
    fix_free(f);
}

static void test_broken_records_are_left_out(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli s;
    assert_int_equal(cli_connect(&s, f, 5, &keeper), 0);
    assert_int_equal(cli_sub(&s, "q", 1), 1);
    cli_pub(&s, "q", "x", 1, true, 1);
    cli_drop(&s);
    for (uint32_t r = 0; r < f->nrecords; r++) {
        for (size_t n = 0; n < f->records[r].n; n++) {
            struct mqtt_broker *b = NULL;
            assert_ok(mqtt_broker_new(&f->opts, &b));
            for (uint32_t i = 0; i < r; i++) {
                assert_ok(mqtt_broker_replay(b, sh_buf_bytes(&f->records[i])));
            }
            assert_int_equal(mqtt_broker_replay(b, sh_bytes_of(f->records[r].p, n)), SH_E_CORRUPT);
            mqtt_broker_free(b);
        }
    }
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_wait_for_the_commit),
        cmocka_unit_test(test_plain_messaging_waits_for_nothing),
        cmocka_unit_test(test_answers_leave_in_publish_order),
        cmocka_unit_test(test_full_log_stops_reading),
        cmocka_unit_test(test_lost_commit_is_never_acknowledged),
        cmocka_unit_test(test_state_survives_a_crash),
        cmocka_unit_test(test_every_prefix_of_the_log_is_a_state),
        cmocka_unit_test(test_damaged_image_keeps_what_stood_before),
        cmocka_unit_test(test_sessions_expire_over_a_restart),
        cmocka_unit_test(test_will_of_a_connected_session_survives),
        cmocka_unit_test(test_broken_records_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
