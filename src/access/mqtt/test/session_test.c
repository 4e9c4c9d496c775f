/* session_test.c - sessions, takeover, wills, retained messages, expiry.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static const int versions[] = {MQTT_V311, MQTT_V5};

static void test_session_goes_on_or_starts_clean(void **state) /* [MQTT-3.1.2-4..6] */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        struct cli p;
        struct con o = {.id = "s", .clean = false, .expiry_s = versions[v] == 5 ? 60 : 0};
        cli_up(&p, f, 4, "p");
        assert_int_equal(cli_connect(&c, f, versions[v], &o), 0);
        assert_false(c.p.connack.session_present); /* [MQTT-3.2.2-3] */
        assert_int_equal(cli_sub(&c, "a", 1), 1);
        cli_drop(&c);
        cli_pub_done(&p, "a", "kept", 1, false, 1);
        cli_pub(&p, "a", "lost", 0, false, 0);
        assert_int_equal(cli_connect(&c, f, versions[v], &o), 0);
        assert_true(c.p.connack.session_present); /* [MQTT-3.2.2-2] of 3.1.1 */
        cli_expect_pub(&c, "a", "kept", 1);
        cli_expect_none(&c);
        cli_drop(&c);
        o.clean = true; /* the old session and its subscriptions are gone */
        assert_int_equal(cli_connect(&c, f, versions[v], &o), 0);
        assert_false(c.p.connack.session_present);
        cli_expect_none(&c);
        cli_pub_done(&p, "a", "x", 1, false, 2);
        cli_expect_none(&c);
        cli_drop(&c);
        cli_drop(&p);
        fix_free(f);
    }
}

static void test_unacknowledged_messages_are_sent_again(void **state) /* [MQTT-4.4.0-1] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    struct cli p;
    const struct con o = {.id = "s", .clean = false};
    cli_up(&p, f, 4, "p");
    assert_int_equal(cli_connect(&c, f, 4, &o), 0);
    assert_int_equal(cli_sub(&c, "a", 2), 2);
    cli_pub_done(&p, "a", "1", 1, false, 1);
    cli_pub_done(&p, "a", "2", 2, false, 2);
    cli_pub_done(&p, "a", "3", 2, false, 3);
    uint16_t pid[3];
    for (int i = 0; i < 3; i++) {
        cli_expect(&c, MQTT_PUBLISH);
        pid[i] = c.p.publish.packet_id;
    }
    cli_ack(&c, MQTT_PUBREC, pid[2], 0);
    cli_expect(&c, MQTT_PUBREL);
    cli_drop(&c);
    assert_int_equal(cli_connect(&c, f, 4, &o), 0);
    cli_expect_pub(&c, "a", "1", 1);
    assert_int_equal(c.p.publish.packet_id, pid[0]);
    assert_true(c.p.publish.dup); /* [MQTT-3.3.1-1] */
    cli_expect_pub(&c, "a", "2", 2);
    assert_int_equal(c.p.publish.packet_id, pid[1]);
    assert_true(c.p.publish.dup);
    cli_expect(&c, MQTT_PUBREL);
    assert_int_equal(c.p.ack.packet_id, pid[2]);
    cli_expect_none(&c);
    cli_drop(&c);
    cli_drop(&p);
    fix_free(f);
}

static void test_session_expiry_ends_the_session(void **state) /* 5.0, 3.1.2.11.2 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    const struct con o = {.id = "s", .clean = false, .expiry_s = 10};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    cli_drop(&c);
    fix_tick(f, 9);
    assert_int_equal(fix_counters(f).sessions, 1);
    fix_tick(f, 3);
    assert_int_equal(fix_counters(f).sessions, 0);
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_false(c.p.connack.session_present);
    /* DISCONNECT may shorten it [MQTT-3.14.2-2] */
    struct mqtt_packet p = {.type = MQTT_DISCONNECT};
    mqtt_set(&p.ack.props, MQTT_PR_SESSION_EXPIRY);
    cli_send(&c, &p);
    assert_true(c.closed);
    assert_int_equal(fix_counters(f).sessions, 0);
    cli_drop(&c);
    fix_free(f);
}

/* The tick comes once a second; who comes back before it does not find what is over. */
static void test_session_that_is_over_is_not_found_before_the_tick(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    const struct con o = {.id = "s", .clean = false, .expiry_s = 10};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    cli_drop(&c);
    sh_test_advance(&f->t, 9999999);
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_true(c.p.connack.session_present);
    cli_drop(&c);
    sh_test_advance(&f->t, 10000000);
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_false(c.p.connack.session_present);
    assert_int_equal(fix_counters(f).sessions_expired, 1);
    cli_drop(&c);
    fix_free(f);
}

static void test_disconnect_cannot_lengthen_zero_expiry(void **state) /* [MQTT-3.14.2-2] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "s");
    struct mqtt_packet p = {.type = MQTT_DISCONNECT};
    p.ack.props.session_expiry = 5;
    mqtt_set(&p.ack.props, MQTT_PR_SESSION_EXPIRY);
    cli_send(&c, &p);
    cli_expect(&c, MQTT_DISCONNECT);
    assert_int_equal(c.p.ack.code, 0x82);
    cli_drop(&c);
    fix_free(f);
}

static void test_takeover_only_by_the_same_principal(void **state) /* [MQTT-3.1.4-3], DESIGN 7 */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli a;
        struct cli b;
        struct cli c;
        struct cli d;
        cli_up_as(&a, f, versions[v], "same", "1:1");
        cli_up_as(&b, f, versions[v], "same", "1:2"); /* another principal: another session */
        cli_up_as(&c, f, versions[v], "same", "2:1"); /* another tenant */
        assert_false(a.closed);
        cli_up_as(&d, f, versions[v], "same", "1:1");
        assert_true(a.closed);
        if (versions[v] == 5) {
            cli_expect(&a, MQTT_DISCONNECT);
            assert_int_equal(a.p.ack.code, 0x8E);
        }
        assert_false(b.closed || c.closed || d.closed);
        assert_int_equal(fix_counters(f).sessions, 3);
        assert_int_equal(fix_counters(f).takeovers, 1);
        cli_drop(&a);
        cli_drop(&b);
        cli_drop(&c);
        cli_drop(&d);
        fix_free(f);
    }
}

static void test_assigned_client_id_is_told(void **state) /* [MQTT-3.1.3-6] [MQTT-3.2.2-16] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    struct cli b;
    cli_up(&a, f, 5, "");
    assert_true(mqtt_has(&a.p.connack.props, MQTT_PR_ASSIGNED_CLIENT_ID));
    char first[64] = {0};
    memcpy(first, a.p.connack.props.assigned_client_id.p, a.p.connack.props.assigned_client_id.n);
    cli_up(&b, f, 5, "");
    assert_false(sh_str_eqc(b.p.connack.props.assigned_client_id, first));
    cli_drop(&b);
    cli_up(&b, f, 5, first); /* used as if the client had sent it: a takeover */
    assert_true(a.closed);
    cli_drop(&a);
    cli_drop(&b);
    fix_free(f);
}

static void test_response_information_only_when_asked(void **state) /* [MQTT-3.1.2-28] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    assert_false(mqtt_has(&c.p.connack.props, MQTT_PR_RESPONSE_INFO));
    cli_drop(&c);
    struct mqtt_connect more = {.version = 5};
    more.props.request_response_info = 1;
    mqtt_set(&more.props, MQTT_PR_REQUEST_RESPONSE_INFO);
    const struct con o = {.id = "c", .clean = true, .more = &more, .user = "1:1:pump"};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_str(c.p.connack.props.response_info, "sh/v1/pump/response/");
    cli_drop(&c);
    fix_free(f);
}

/* ---- wills ---- */

static void will_up(struct cli *c, struct fix *f, int version, uint32_t delay, uint32_t expiry)
{
    struct mqtt_connect more = {.version = (uint8_t)version, .has_will = true};
    more.will.topic = SH_STR("will/t");
    more.will.payload = sh_bytes_of("gone", 4);
    more.will.qos = 1;
    if (delay > 0) {
        more.will.props.will_delay = delay;
        mqtt_set(&more.will.props, MQTT_PR_WILL_DELAY);
    }
    const struct con o = {.id = "w", .clean = true, .expiry_s = expiry, .more = &more};
    assert_int_equal(cli_connect(c, f, version, &o), 0);
}

static void test_will_is_published_when_the_connection_is_lost(void **state) /* [MQTT-3.1.2-8] */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli w;
        struct cli s;
        cli_up(&s, f, 4, "s");
        assert_int_equal(cli_sub(&s, "will/#", 2), 2);
        will_up(&w, f, versions[v], 0, 0);
        cli_drop(&w);
        cli_expect_pub(&s, "will/t", "gone", 1);
        assert_false(s.p.publish.retain); /* [MQTT-3.1.2-14] */
        cli_expect_none(&s);
        assert_int_equal(fix_counters(f).wills, 1);
        cli_drop(&s);
        fix_free(f);
    }
}

static void test_will_is_dropped_by_disconnect(void **state) /* [MQTT-3.1.2-10] [MQTT-3.14.4-3] */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli w;
        struct cli s;
        cli_up(&s, f, 4, "s");
        assert_int_equal(cli_sub(&s, "will/#", 2), 2);
        will_up(&w, f, versions[v], 0, 0);
        cli_bytes(&w, "\xe0\0", 2);
        assert_true(w.closed);
        cli_expect_none(&w);
        cli_drop(&w);
        cli_expect_none(&s);
        if (versions[v] == 5) { /* reason 0x04: disconnect with will */
            will_up(&w, f, 5, 0, 0);
            cli_bytes(&w, "\xe0\1\4", 3);
            cli_expect_pub(&s, "will/t", "gone", 1);
            cli_drop(&w);
        }
        cli_drop(&s);
        fix_free(f);
    }
}

static void test_will_waits_for_its_delay(void **state) /* [MQTT-3.1.3-9] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli w;
    struct cli s;
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "will/#", 2), 2);
    will_up(&w, f, 5, 5, 100);
    cli_drop(&w);
    fix_tick(f, 4);
    cli_expect_none(&s);
    fix_tick(f, 2);
    cli_expect_pub(&s, "will/t", "gone", 1);
    /* the client comes back within the delay: no will */
    will_up(&w, f, 5, 5, 100);
    cli_drop(&w);
    fix_tick(f, 2);
    const struct con o = {.id = "w", .clean = false, .expiry_s = 100};
    assert_int_equal(cli_connect(&w, f, 5, &o), 0);
    fix_tick(f, 10);
    cli_expect_none(&s);
    cli_drop(&w);
    /* the session ends before the delay: the will goes with its end */
    will_up(&w, f, 5, 50, 3);
    cli_drop(&w);
    fix_tick(f, 5);
    cli_expect_pub(&s, "will/t", "gone", 1);
    cli_drop(&s);
    fix_free(f);
}

static void test_forbidden_will_is_refused(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    struct mqtt_connect more = {.version = 5, .has_will = true};
    more.will.topic = SH_STR("secret/x");
    const struct con o = {.id = "w", .clean = true, .more = &more};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0x87);
    assert_true(c.closed);
    cli_drop(&c);
    assert_int_equal(fix_counters(f).sessions, 0);
    fix_free(f);
}

static void test_will_keeps_properties_and_retain(void **state) /* [MQTT-3.1.3-10] -15 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    struct cli s;
    struct sh_buf raw;
    sh_buf_init(&raw, f->t.env.alloc, 256);
    assert_ok(mqtt_user_put(&raw, SH_STR("z"), SH_STR("1")));
    assert_ok(mqtt_user_put(&raw, SH_STR("a"), SH_STR("2")));
    struct mqtt_connect more = {.version = 5, .has_will = true};
    more.will.topic = SH_STR("will/t");
    more.will.retain = true;
    more.will.props.raw = sh_buf_bytes(&raw);
    more.will.payload = sh_bytes_of("x", 1);
    more.will.props.message_expiry = 30;
    mqtt_set(&more.will.props, MQTT_PR_MESSAGE_EXPIRY);
    const struct con o = {.id = "w", .clean = true, .more = &more};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    cli_drop(&c);
    sh_buf_fini(&raw);
    cli_up(&s, f, 5, "s");
    assert_int_equal(cli_sub(&s, "will/t", 0), 0);
    cli_expect_pub(&s, "will/t", "x", 0);
    assert_true(s.p.publish.retain);
    assert_int_equal(s.p.publish.props.message_expiry, 30);
    struct sh_bytes walk = s.p.publish.props.raw;
    struct sh_str k;
    struct sh_str v;
    assert_true(mqtt_user_next(&walk, &k, &v));
    assert_str(k, "z");
    assert_true(mqtt_user_next(&walk, &k, &v));
    assert_str(k, "a");
    cli_drop(&s);
    fix_free(f);
}

/* ---- retained ---- */

static void test_retained_message_greets_new_subscribers(void **state) /* [MQTT-3.3.1-5] ff. */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, versions[v], "p");
        cli_up(&s, f, versions[v], "s");
        cli_pub_done(&p, "r/a", "1", 1, true, 1);
        cli_pub_done(&p, "r/a", "2", 1, true, 2); /* replaces */
        cli_pub_done(&p, "r/b", "3", 0, true, 0);
        cli_pub_done(&p, "r/b", "live", 0, false, 0); /* leaves it [MQTT-3.3.1-8] */
        assert_int_equal(cli_sub(&s, "r/a", 1), 1);
        cli_expect_pub(&s, "r/a", "2", 1);
        assert_true(s.p.publish.retain);
        cli_expect_none(&s);
        assert_int_equal(cli_sub(&s, "r/+", 0), 0);
        int n = 0;
        while (cli_next(&s) == MQTT_PUBLISH) {
            assert_true(s.p.publish.retain);
            n++;
        }
        assert_int_equal(n, 2);
        cli_pub_done(&p, "r/a", "", 1, true, 3); /* removes; goes to subscribers as a message */
        cli_expect_pub(&s, "r/a", "", 1);
        assert_false(s.p.publish.retain); /* [MQTT-3.3.1-9] to an existing subscription */
        assert_int_equal(fix_counters(f).retained, 1);
        assert_int_equal(cli_sub(&s, "r/a", 1), 1);
        cli_expect_none(&s);
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

static void test_retain_handling_options(void **state) /* [MQTT-3.3.1-9] -10 -11 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    cli_pub(&p, "r/a", "1", 0, true, 0);
    assert_int_equal(cli_sub(&s, "r/a", 0x20), 0); /* never */
    cli_expect_none(&s);
    assert_int_equal(cli_sub(&s, "r/a", 0x10), 0); /* only when new: it is not */
    cli_expect_none(&s);
    assert_int_equal(cli_unsub(&s, "r/a"), 0);
    assert_int_equal(cli_sub(&s, "r/a", 0x10), 0);
    cli_expect_pub(&s, "r/a", "1", 0);
    assert_int_equal(cli_sub(&s, "r/a", 0x00), 0); /* always */
    cli_expect_pub(&s, "r/a", "1", 0);
    assert_int_equal(cli_sub(&s, "$share/g/r/a", 0), 0); /* never for shared ones */
    cli_expect_none(&s);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_many_retained_reach_a_slow_subscriber(void **state)
{
    (void)state;
    const struct mqtt_limits l = {.max_queued = 10, .max_out_bytes = 200};
    struct fix *f = fix_new(&l, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    char topic[32];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(topic, sizeof topic, "r/%d/%d", i % 7, i);
        cli_pub(&p, topic, "0123456789", 0, true, 0);
    }
    s.room = 300;
    assert_int_equal(cli_sub(&s, "r/#", 0), 0);
    int n = 0;
    for (int turn = 0; turn < 200; turn++) {
        while (s.in.n > s.in_at && cli_next(&s) == MQTT_PUBLISH) {
            n++;
            if (s.in.n - s.in_at < 60) {
                s.room = 300;
                mqtt_conn_writable(s.c);
                mqtt_broker_flush(f->b);
            }
        }
    }
    assert_int_equal(n, 500);
    assert_int_equal(fix_counters(f).dropped_slow + fix_counters(f).dropped_queue, 0);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_message_expiry_counts_down(void **state) /* [MQTT-3.3.2-5] [MQTT-3.3.2-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    const struct con o = {.id = "s", .clean = false, .expiry_s = 1000};
    assert_int_equal(cli_connect(&s, f, 5, &o), 0);
    assert_int_equal(cli_sub(&s, "e/+", 1), 1);
    cli_drop(&s);
    cli_up(&p, f, 5, "p");
    for (uint16_t i = 1; i <= 2; i++) {
        struct mqtt_packet pk = {.type = MQTT_PUBLISH};
        pk.publish.topic = i == 1 ? SH_STR("e/short") : SH_STR("e/long");
        pk.publish.qos = 1;
        pk.publish.retain = true;
        pk.publish.packet_id = i;
        pk.publish.payload = sh_bytes_of("x", 1);
        pk.publish.props.message_expiry = i == 1 ? 10 : 100;
        mqtt_set(&pk.publish.props, MQTT_PR_MESSAGE_EXPIRY);
        cli_send(&p, &pk);
        cli_expect(&p, MQTT_PUBACK);
    }
    fix_tick(f, 20);
    assert_int_equal(cli_connect(&s, f, 5, &o), 0);
    cli_expect_pub(&s, "e/long", "x", 1);
    assert_int_equal(s.p.publish.props.message_expiry, 80);
    cli_expect_none(&s);
    assert_int_equal(fix_counters(f).dropped_expired, 1);
    assert_int_equal(cli_sub(&s, "e/+", 0), 0); /* the retained one has expired too */
    cli_expect_pub(&s, "e/long", "x", 0);
    cli_expect_none(&s);
    fix_tick(f, 61);
    assert_int_equal(fix_counters(f).retained, 1);
    cli_drop(&s);
    cli_drop(&p);
    fix_free(f);
}

/* ---- flow control, aliases, sizes, shared subscriptions (5.0) ---- */

static void up_with(struct cli *c, struct fix *f, const char *id, enum mqtt_prop row, uint32_t v)
{
    struct mqtt_connect more = {.version = 5};
    mqtt_set(&more.props, row);
    if (row == MQTT_PR_RECEIVE_MAX) {
        more.props.receive_max = (uint16_t)v;
    } else if (row == MQTT_PR_TOPIC_ALIAS_MAX) {
        more.props.topic_alias_max = (uint16_t)v;
    } else {
        more.props.max_packet_size = v;
    }
    const struct con o = {.id = id, .clean = true, .more = &more};
    assert_int_equal(cli_connect(c, f, 5, &o), 0);
}

static void test_receive_maximum_of_the_client_is_kept(void **state) /* [MQTT-3.3.4-9] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    up_with(&s, f, "s", MQTT_PR_RECEIVE_MAX, 2);
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    for (uint16_t i = 1; i <= 4; i++) {
        cli_pub(&p, "a", "x", 2, false, i);
    }
    cli_expect(&s, MQTT_PUBLISH);
    const uint16_t pid = s.p.publish.packet_id;
    cli_expect(&s, MQTT_PUBLISH);
    cli_expect_none(&s);
    cli_pub(&p, "a", "0", 0, false, 0);
    cli_ack(&s, MQTT_PUBREC, pid, 0);
    cli_expect(&s, MQTT_PUBREL);
    cli_expect_none(&s); /* PUBREC frees nothing */
    cli_ack(&s, MQTT_PUBCOMP, pid, 0);
    cli_expect(&s, MQTT_PUBLISH);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_receive_maximum_of_ours_is_enforced(void **state) /* 0x93 */
{
    (void)state;
    const struct mqtt_limits l = {.receive_max = 3};
    struct fix *f = fix_new(&l, false);
    struct cli p;
    cli_up(&p, f, 5, "p");
    assert_int_equal(p.p.connack.props.receive_max, 3);
    for (uint16_t i = 1; i <= 3; i++) {
        cli_pub(&p, "a", "x", 2, false, i);
        cli_expect(&p, MQTT_PUBREC);
    }
    cli_pub(&p, "a", "x", 2, false, 3); /* a repetition is not one more */
    cli_expect(&p, MQTT_PUBREC);
    cli_pub(&p, "a", "x", 2, false, 4);
    cli_expect(&p, MQTT_DISCONNECT);
    assert_int_equal(p.p.ack.code, 0x93);
    cli_drop(&p);
    fix_free(f);
}

static void test_topic_aliases_of_the_client(void **state) /* 5.0, 3.3.2.3.4 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    assert_int_equal(cli_sub(&s, "#", 0), 0);
    cli_bytes(&p, "\x30\x09\0\2t1\3\x23\0\1x", 11);
    cli_bytes(&p, "\x30\x07\0\0\3\x23\0\1y", 9);
    cli_bytes(&p, "\x30\x09\0\2t2\3\x23\0\1z", 11); /* redefined */
    cli_bytes(&p, "\x30\x07\0\0\3\x23\0\1w", 9);
    cli_expect_pub(&s, "t1", "x", 0);
    assert_false(mqtt_has(&s.p.publish.props, MQTT_PR_TOPIC_ALIAS)); /* [MQTT-3.1.2-27] */
    cli_expect_pub(&s, "t1", "y", 0);
    cli_expect_pub(&s, "t2", "z", 0);
    cli_expect_pub(&s, "t2", "w", 0);
    cli_drop(&p);
    cli_up(&p, f, 5, "p"); /* aliases end with the connection [MQTT-3.3.2-7] */
    cli_bytes(&p, "\x30\x07\0\0\3\x23\0\1y", 9);
    assert_true(p.closed);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_topic_aliases_of_ours_stay_in_bounds(void **state) /* [MQTT-3.1.2-26] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    up_with(&s, f, "s", MQTT_PR_TOPIC_ALIAS_MAX, 2);
    assert_int_equal(cli_sub(&s, "#", 0), 0);
    static const char *const order[] = {"ta", "tb", "ta", "tc", "tb", "ta", "tc", "tc"};
    char known[3][4] = {{0}};
    for (size_t i = 0; i < SH_COUNT(order); i++) {
        cli_pub(&p, order[i], "x", 0, false, 0);
        cli_expect(&s, MQTT_PUBLISH);
        const uint16_t a = s.p.publish.props.topic_alias;
        assert_true(mqtt_has(&s.p.publish.props, MQTT_PR_TOPIC_ALIAS));
        assert_in_range(a, 1, 2);
        if (s.p.publish.topic.n > 0) {
            memcpy(known[a], s.p.publish.topic.p, 2);
        }
        assert_string_equal(known[a], order[i]);
    }
    assert_int_equal(s.p.publish.topic.n, 0); /* the last one went by alias alone */
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_too_large_packets_are_not_sent(void **state) /* [MQTT-3.1.2-24] -25 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    up_with(&s, f, "s", MQTT_PR_MAX_PACKET_SIZE, 20);
    assert_int_equal(cli_sub(&s, "a", 1), 1);
    cli_pub_done(&p, "a", "0123456789abcdefghij", 1, false, 1);
    cli_pub_done(&p, "a", "0123456789abcdefghij", 0, false, 0);
    cli_pub_done(&p, "a", "small", 1, false, 2);
    cli_expect_pub(&s, "a", "small", 1);
    cli_expect_none(&s);
    assert_int_equal(fix_counters(f).dropped_large, 2);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_shared_subscription_takes_turns(void **state) /* 5.0, 4.8.2 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s[3];
    cli_up(&p, f, 5, "p");
    static const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        cli_up(&s[i], f, i == 2 ? 4 : 5, ids[i]);
        assert_int_equal(cli_sub(&s[i], "$share/g/t/+", 1), 1);
    }
    for (uint16_t i = 1; i <= 9; i++) {
        cli_pub_done(&p, "t/x", "m", 1, false, i);
    }
    for (int i = 0; i < 3; i++) {
        int n = 0;
        while (cli_next(&s[i]) == MQTT_PUBLISH) {
            cli_ack(&s[i], MQTT_PUBACK, s[i].p.publish.packet_id, 0);
            n++;
        }
        assert_int_equal(n, 3);
    }
    s[0].room = 0; /* who cannot take is passed over */
    cli_drop(&s[1]);
    cli_pub_done(&p, "t/x", "m", 0, false, 0);
    cli_pub_done(&p, "t/x", "m", 0, false, 0);
    assert_int_equal(fix_counters(f).shared_subscriptions, 2);
    cli_drop(&s[0]);
    cli_pub_done(&p, "t/x", "last", 1, false, 20);
    int n = 0;
    while (cli_next(&s[2]) == MQTT_PUBLISH) {
        n++;
    }
    assert_true(n >= 1);
    assert_int_equal(cli_unsub(&s[2], "$share/g/t/+"), 0);
    cli_drop(&s[2]);
    cli_drop(&p);
    fix_free(f);
}

static void test_shared_groups_are_apart(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    assert_int_equal(cli_sub(&s, "$share/g/t", 0), 0);
    assert_int_equal(cli_sub(&s, "$share/h/t", 0), 0);
    assert_int_equal(cli_sub(&s, "t", 0), 0);
    cli_pub(&p, "t", "x", 0, false, 0);
    for (int i = 0; i < 3; i++) {
        cli_expect_pub(&s, "t", "x", 0);
    }
    cli_expect_none(&s);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_properties_go_through_in_order(void **state) /* [MQTT-3.3.2-4] -15 -16 -17 -18 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    struct cli old;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    cli_up(&old, f, 4, "old");
    assert_int_equal(cli_sub(&s, "t", 1), 1);
    assert_int_equal(cli_sub(&old, "t", 1), 1);
    struct sh_buf raw;
    sh_buf_init(&raw, f->t.env.alloc, 256);
    assert_ok(mqtt_user_put(&raw, SH_STR("b"), SH_STR("1")));
    assert_ok(mqtt_user_put(&raw, SH_STR("a"), SH_STR("2")));
    struct mqtt_packet pk = {.type = MQTT_PUBLISH};
    struct mqtt_props *o = &pk.publish.props;
    pk.publish.topic = SH_STR("t");
    pk.publish.qos = 1;
    pk.publish.packet_id = 4;
    pk.publish.payload = sh_bytes_of("x", 1);
    o->payload_format = 1;
    o->content_type = SH_STR("text/plain");
    o->response_topic = SH_STR("re/ply");
    o->correlation_data = sh_bytes_of("\0\1\2", 3);
    o->raw = sh_buf_bytes(&raw);
    mqtt_set(o, MQTT_PR_PAYLOAD_FORMAT);
    mqtt_set(o, MQTT_PR_CONTENT_TYPE);
    mqtt_set(o, MQTT_PR_RESPONSE_TOPIC);
    mqtt_set(o, MQTT_PR_CORRELATION_DATA);
    cli_send(&p, &pk);
    cli_expect_pub(&old, "t", "x", 1);
    cli_expect_pub(&s, "t", "x", 1);
    const struct mqtt_props *g = &s.p.publish.props;
    assert_int_equal(g->payload_format, 1);
    assert_str(g->content_type, "text/plain");
    assert_str(g->response_topic, "re/ply");
    assert_int_equal(g->correlation_data.n, 3);
    assert_memory_equal(g->correlation_data.p, "\0\1\2", 3);
    struct sh_bytes walk = g->raw;
    struct sh_str k;
    struct sh_str v;
    assert_true(mqtt_user_next(&walk, &k, &v));
    assert_str(k, "b");
    assert_true(mqtt_user_next(&walk, &k, &v));
    assert_str(k, "a");
    assert_str(v, "2");
    assert_false(mqtt_user_next(&walk, &k, &v));
    sh_buf_fini(&raw);
    cli_drop(&p);
    cli_drop(&s);
    cli_drop(&old);
    fix_free(f);
}

static void test_puback_says_nobody_listens(void **state) /* 0x10 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    cli_up(&p, f, 5, "p");
    cli_pub(&p, "a", "x", 1, false, 1);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(p.p.ack.code, 0x10);
    cli_pub(&p, "a", "x", 1, true, 2);
    cli_expect(&p, MQTT_PUBACK);
    assert_int_equal(p.p.ack.code, 0);
    cli_drop(&p);
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_goes_on_or_starts_clean),
        cmocka_unit_test(test_unacknowledged_messages_are_sent_again),
        cmocka_unit_test(test_session_expiry_ends_the_session),
        cmocka_unit_test(test_session_that_is_over_is_not_found_before_the_tick),
        cmocka_unit_test(test_disconnect_cannot_lengthen_zero_expiry),
        cmocka_unit_test(test_takeover_only_by_the_same_principal),
        cmocka_unit_test(test_assigned_client_id_is_told),
        cmocka_unit_test(test_response_information_only_when_asked),
        cmocka_unit_test(test_will_is_published_when_the_connection_is_lost),
        cmocka_unit_test(test_will_is_dropped_by_disconnect),
        cmocka_unit_test(test_will_waits_for_its_delay),
        cmocka_unit_test(test_forbidden_will_is_refused),
        cmocka_unit_test(test_will_keeps_properties_and_retain),
        cmocka_unit_test(test_retained_message_greets_new_subscribers),
        cmocka_unit_test(test_retain_handling_options),
        cmocka_unit_test(test_many_retained_reach_a_slow_subscriber),
        cmocka_unit_test(test_message_expiry_counts_down),
        cmocka_unit_test(test_receive_maximum_of_the_client_is_kept),
        cmocka_unit_test(test_receive_maximum_of_ours_is_enforced),
        cmocka_unit_test(test_topic_aliases_of_the_client),
        cmocka_unit_test(test_topic_aliases_of_ours_stay_in_bounds),
        cmocka_unit_test(test_too_large_packets_are_not_sent),
        cmocka_unit_test(test_shared_subscription_takes_turns),
        cmocka_unit_test(test_shared_groups_are_apart),
        cmocka_unit_test(test_properties_go_through_in_order),
        cmocka_unit_test(test_puback_says_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
