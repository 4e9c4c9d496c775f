/* broker_test.c - connecting, publishing and subscribing, both versions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static const int versions[] = {MQTT_V311, MQTT_V5};

static void test_first_packet_must_be_connect(void **state) /* [MQTT-3.1.0-1] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_open(&c, f, 4);
    cli_bytes(&c, "\xc0\0", 2);
    assert_true(c.closed);
    cli_expect_none(&c);
    cli_drop(&c);
    fix_free(f);
}

static void test_second_connect_ends_the_connection(void **state) /* [MQTT-3.1.0-2] */
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, versions[i], "a");
        struct mqtt_packet p = {.type = MQTT_CONNECT};
        p.connect.version = c.version;
        p.connect.clean = true;
        p.connect.client_id = SH_STR("a");
        cli_send(&c, &p);
        assert_true(c.closed);
        if (versions[i] == 5) {
            cli_expect(&c, MQTT_DISCONNECT);
            assert_int_equal(c.p.ack.code, MQTT_R_PROTOCOL_ERROR);
        }
        cli_expect_none(&c);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_connect_refusals_have_their_code(void **state)
{
    (void)state;
    static const struct {
        int version;
        int code;
        const char *id;
        const char *user;
        bool clean;
    } rows[] = {
        {4, 4, "a", "bad", true},
        {5, 0x86, "a", "bad", true},
        {4, 2, "", NULL, false}, /* [MQTT-3.1.3-8] of 3.1.1 */
        {4, 0, "", NULL, true},
        {5, 0, "", NULL, false},
        {4, 0, "abcABC0123456789abcdefg", NULL, true},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        const struct con o = {.id = rows[i].id, .clean = rows[i].clean, .user = rows[i].user};
        assert_int_equal(cli_connect(&c, f, rows[i].version, &o), rows[i].code);
        assert_int_equal(c.p.connack.session_present, 0);
        assert_int_equal(c.closed, rows[i].code != 0);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_bad_connect_bytes_close(void **state) /* [MQTT-3.1.4-1] */
{
    (void)state;
    static const struct {
        const char *b;
        size_t n;
        int connack; /* -1: closed without an answer */
        int version;
    } rows[] = {
        {"\x10\x0d\0\4MQTT\4\3\0\x3c\0\1a", 15, -1, 4}, /* reserved flag [MQTT-3.1.2-3] */
        {"\x10\x0d\0\4MQTX\4\2\0\x3c\0\1a", 15, -1, 4}, /* protocol name [MQTT-3.1.2-1] */
        {"\x10\x0d\0\4MQTT\3\2\0\x3c\0\1a", 15, 1, 4},  /* version [MQTT-3.1.2-2] */
        {"\x10\x0d\0\4MQTT\6\2\0\x3c\0\1a", 15, 0x84, 5},
        {"\x10\x0e\0\4MQTT\5\3\0\x3c\0\0\1a", 16, 0x81, 5},
        {"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1\xff", 16, 0x81, 5},
        {"\x10\x11\0\4MQTT\5\2\0\x3c\3\x21\0\0\0\1a", 19, 0x82, 5},
        {"\x10\x12\0\4MQTT\5\2\0\x3c\4\x15\0\1x\0\1a", 20, 0x8C, 5}, /* [MQTT-4.12.0-1] */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_open(&c, f, rows[i].version);
        cli_bytes(&c, rows[i].b, rows[i].n);
        assert_true(c.closed);
        if (rows[i].connack < 0) {
            cli_expect_none(&c);
        } else {
            cli_expect(&c, MQTT_CONNACK);
            assert_int_equal(c.p.connack.code, rows[i].connack);
            assert_false(c.p.connack.session_present);
            cli_expect_none(&c);
        }
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_input_after_refusal_is_ignored(void **state) /* [MQTT-3.1.4-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    const struct con o = {.id = "a", .clean = true, .user = "bad"};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0x86);
    cli_pub(&c, "a/b", "x", 1, false, 1);
    cli_expect_none(&c);
    assert_int_equal(fix_counters(f).publish_in[1], 0);
    cli_drop(&c);
    fix_free(f);
}

static void test_packets_before_connack_wait(void **state) /* [MQTT-3.2.0-1] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    f->hold_auth = true;
    const struct con o = {.id = "a", .clean = true};
    assert_int_equal(cli_connect(&c, f, 5, &o), -1);
    cli_pub(&c, "a/b", "x", 1, false, 1);
    cli_expect_none(&c);
    fix_auth_done(f);
    cli_feed(&c);
    cli_expect(&c, MQTT_CONNACK);
    cli_expect(&c, MQTT_PUBACK);
    cli_expect_none(&c); /* [MQTT-3.2.0-2] one CONNACK */
    cli_drop(&c);
    fix_free(f);
}

static void test_identity_that_comes_too_late_is_released(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    f->hold_auth = true;
    const struct con o = {.id = "a", .clean = true};
    assert_int_equal(cli_connect(&c, f, 4, &o), -1);
    cli_drop(&c);
    fix_auth_done(f);
    assert_int_equal(f->principals, 0);
    fix_free(f);
}

static void test_connect_timeout_closes(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_open(&c, f, 4);
    fix_tick(f, 9);
    assert_false(c.closed);
    fix_tick(f, 3);
    assert_true(c.closed);
    cli_drop(&c);
    fix_free(f);
}

static void test_publish_reaches_subscriber_at_every_qos(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, versions[v], "p");
        cli_up(&s, f, versions[1 - v], "s");
        uint16_t pid = 1;
        for (uint8_t sq = 0; sq <= 2; sq++) {
            assert_int_equal(cli_sub(&s, "a/b", sq), sq); /* [MQTT-3.8.4-1] ff. */
            for (int pq = 0; pq <= 2; pq++) {
                cli_pub_done(&p, "a/b", "hi", pq, false, pid++);
                const int want = pq < sq ? pq : sq; /* [MQTT-3.8.4-8] */
                cli_expect_pub(&s, "a/b", "hi", want);
                const uint16_t got = s.p.publish.packet_id;
                assert_int_equal(got != 0, want > 0);
                assert_false(s.p.publish.dup);
                assert_false(s.p.publish.retain);
                if (want == 1) {
                    cli_ack(&s, MQTT_PUBACK, got, 0);
                } else if (want == 2) {
                    cli_ack(&s, MQTT_PUBREC, got, 0);
                    cli_expect(&s, MQTT_PUBREL);
                    assert_int_equal(s.p.ack.packet_id, got);
                    cli_ack(&s, MQTT_PUBCOMP, got, 0);
                }
                cli_expect_none(&s);
            }
        }
        cli_drop(&p);
        cli_drop(&s);
        assert_int_equal(fix_counters(f).messages_stored, 0);
        fix_free(f);
    }
}

static void test_qos2_duplicate_is_published_once(void **state) /* [MQTT-4.3.3-10] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "#", 0), 0);
    cli_pub(&p, "a", "x", 2, false, 9);
    cli_expect(&p, MQTT_PUBREC);
    cli_pub(&p, "a", "x", 2, false, 9);
    cli_expect(&p, MQTT_PUBREC); /* acknowledged again */
    cli_ack(&p, MQTT_PUBREL, 9, 0);
    cli_expect(&p, MQTT_PUBCOMP);
    cli_expect_pub(&s, "a", "x", 0);
    cli_expect_none(&s);
    cli_pub(&p, "a", "y", 2, false, 9); /* the id is free again: a new message */
    cli_expect_pub(&s, "a", "y", 0);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_unknown_pubrel_is_answered(void **state) /* 5.0: 0x92 */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, versions[v], "p");
        cli_ack(&c, MQTT_PUBREL, 5, 0);
        cli_expect(&c, MQTT_PUBCOMP);
        assert_int_equal(c.p.ack.code, versions[v] == 5 ? 0x92 : 0);
        cli_ack(&c, MQTT_PUBREC, 6, 0);
        cli_expect(&c, MQTT_PUBREL);
        assert_int_equal(c.p.ack.code, versions[v] == 5 ? 0x92 : 0);
        cli_ack(&c, MQTT_PUBACK, 7, 0);
        cli_ack(&c, MQTT_PUBCOMP, 7, 0);
        cli_expect_none(&c);
        assert_false(c.closed);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_refused_pubrec_ends_the_exchange(void **state) /* 5.0, 4.3.3 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    cli_pub_done(&p, "a", "x", 2, false, 1);
    cli_expect_pub(&s, "a", "x", 2);
    cli_ack(&s, MQTT_PUBREC, s.p.publish.packet_id, 0x97);
    cli_expect_none(&s);
    assert_int_equal(fix_counters(f).messages_stored, 0);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_order_is_kept(void **state) /* [MQTT-4.6.0-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "t/#", 1), 1);
    char text[8];
    for (uint16_t i = 1; i <= 300; i++) {
        (void)snprintf(text, sizeof text, "%u", i);
        cli_pub_done(&p, "t/a", text, 1, false, i);
    }
    for (uint16_t i = 1; i <= 300; i++) { /* the window is 100: the rest follows the acks */
        (void)snprintf(text, sizeof text, "%u", i);
        cli_expect_pub(&s, "t/a", text, 1);
        cli_ack(&s, MQTT_PUBACK, s.p.publish.packet_id, 0);
    }
    cli_expect_none(&s);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_overlapping_subscriptions_give_one_copy(void **state) /* [MQTT-3.3.5-1] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    cli_up(&s, f, 5, "s");
    assert_int_equal(cli_sub_id(&s, "a/#", 0, 3), 0);
    assert_int_equal(cli_sub_id(&s, "a/+", 2, 5), 2);
    assert_int_equal(cli_sub_id(&s, "+/b", 1, 300), 1);
    cli_pub_done(&p, "a/b", "x", 2, false, 1);
    cli_expect_pub(&s, "a/b", "x", 2);
    uint32_t sum = 0;
    uint32_t n = 0;
    uint32_t id = 0;
    struct sh_bytes raw = s.p.publish.props.raw;
    while (mqtt_subscription_id_next(&raw, &id)) { /* [MQTT-3.3.4-4] all identifiers */
        sum += id;
        n++;
    }
    assert_int_equal(n, 3);
    assert_int_equal(sum, 308);
    cli_expect_none(&s);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_subscription_is_replaced(void **state) /* [MQTT-3.8.4-3] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    assert_int_equal(cli_sub(&c, "a", 2), 2);
    assert_int_equal(cli_sub(&c, "a", 0), 0);
    assert_int_equal(fix_counters(f).subscriptions, 1);
    cli_pub(&c, "a", "x", 1, false, 1);
    cli_expect_pub(&c, "a", "x", 0);
    cli_expect(&c, MQTT_PUBACK);
    cli_expect_none(&c);
    cli_drop(&c);
    fix_free(f);
}

static void test_unsubscribe_stops_delivery(void **state) /* [MQTT-3.10.4-1] ff. */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, 4, "p");
        cli_up(&s, f, versions[v], "s");
        assert_int_equal(cli_sub(&s, "a/+", 1), 1);
        cli_pub_done(&p, "a/b", "x", 1, false, 1);
        cli_expect_pub(&s, "a/b", "x", 1);
        const uint16_t pid = s.p.publish.packet_id;
        assert_int_equal(cli_unsub(&s, "a/#"), versions[v] == 5 ? 0x11 : 0); /* another filter */
        cli_pub_done(&p, "a/b", "y", 1, false, 2);
        cli_expect_pub(&s, "a/b", "y", 1);
        assert_int_equal(cli_unsub(&s, "a/+"), 0);
        cli_pub_done(&p, "a/b", "z", 1, false, 3);
        cli_expect_none(&s);
        cli_ack(&s, MQTT_PUBACK, pid, 0); /* what was begun is completed [MQTT-3.10.4-3] */
        assert_int_equal(fix_counters(f).subscriptions, 0);
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

static void test_subscribe_refusals_have_their_code(void **state)
{
    (void)state;
    static const struct {
        int version;
        int code;
        const char *filter;
    } rows[] = {
        {5, 0x8F, "a/#/b"},    {4, 0x80, "a/#/b"},    {5, 0x87, "secret/x"},
        {4, 0x80, "secret/x"}, {5, 0x8F, "$share/g"}, {5, 0x87, "$share/g/secret/x"},
        {5, 0x8F, ""},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, rows[i].version, "c");
        assert_int_equal(cli_sub(&c, rows[i].filter, 1), rows[i].code);
        assert_int_equal(fix_counters(f).subscriptions, 0);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_many_filters_get_a_code_each(void **state) /* [MQTT-3.8.4-5] [MQTT-3.8.4-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 4, "c");
    static const char body[] = "\x82\x18\0\5\0\1a\0\0\1b\1\0\7a/#/bad\1\0\1c\2";
    cli_bytes(&c, body, sizeof body - 1);
    cli_expect(&c, MQTT_SUBACK);
    assert_int_equal(c.p.suback.packet_id, 5);
    assert_int_equal(c.p.suback.codes.n, 4);
    assert_memory_equal(c.p.suback.codes.p, "\0\1\x80\2", 4);
    cli_drop(&c);
    fix_free(f);
}

static void test_no_local_and_retain_as_published(void **state) /* [MQTT-3.8.3-3] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    struct cli d;
    cli_up(&c, f, 5, "c");
    cli_up(&d, f, 5, "d");
    assert_int_equal(cli_sub(&c, "a", 1 | MQTT_SUB_NO_LOCAL), 1);
    assert_int_equal(cli_sub(&d, "a", MQTT_SUB_RETAIN_AS_PUBLISHED), 0);
    cli_pub(&c, "a", "x", 0, true, 0);
    cli_expect_none(&c);
    cli_expect_pub(&d, "a", "x", 0);
    assert_true(d.p.publish.retain); /* [MQTT-3.3.1-13] */
    cli_pub(&d, "a", "y", 0, false, 0);
    cli_expect_pub(&c, "a", "y", 0);
    cli_expect_pub(&d, "a", "y", 0);
    assert_false(d.p.publish.retain);
    cli_drop(&c);
    cli_drop(&d);
    fix_free(f);
}

static void test_shared_no_local_is_a_protocol_error(void **state) /* [MQTT-3.8.3-4] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    assert_int_equal(cli_sub(&c, "$share/g/a", MQTT_SUB_NO_LOCAL), -1);
    assert_true(c.closed);
    assert_int_equal(c.p.type, MQTT_DISCONNECT);
    assert_int_equal(c.p.ack.code, 0x82);
    cli_drop(&c);
    fix_free(f);
}

static void test_ping_is_answered(void **state) /* [MQTT-3.12.4-1] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 4, "c");
    cli_bytes(&c, "\xc0\0", 2);
    cli_expect(&c, MQTT_PINGRESP);
    cli_drop(&c);
    fix_free(f);
}

static void test_keep_alive_is_one_and_a_half_times(void **state) /* [MQTT-3.1.2-24], 5.0 -22 */
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        const struct con o = {.id = "c", .clean = true, .keep_alive = 10};
        assert_int_equal(cli_connect(&c, f, versions[v], &o), 0);
        fix_tick(f, 14);
        cli_bytes(&c, "\xc0\0", 2);
        cli_expect(&c, MQTT_PINGRESP);
        fix_tick(f, 14);
        assert_false(c.closed);
        fix_tick(f, 2);
        assert_true(c.closed);
        if (versions[v] == 5) {
            cli_expect(&c, MQTT_DISCONNECT);
            assert_int_equal(c.p.ack.code, 0x8D);
        }
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_server_keep_alive_is_told(void **state) /* [MQTT-3.2.2-22] */
{
    (void)state;
    const struct mqtt_limits l = {.max_keep_alive_s = 20};
    struct fix *f = fix_new(&l, false);
    struct cli c;
    struct con o = {.id = "c", .clean = true, .keep_alive = 0};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_true(mqtt_has(&c.p.connack.props, MQTT_PR_SERVER_KEEP_ALIVE));
    assert_int_equal(c.p.connack.props.server_keep_alive, 20);
    fix_tick(f, 31);
    assert_true(c.closed);
    cli_drop(&c);
    o.keep_alive = 10;
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_false(mqtt_has(&c.p.connack.props, MQTT_PR_SERVER_KEEP_ALIVE));
    cli_drop(&c);
    fix_free(f);
}

static void test_server_packets_from_a_client_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *b;
        size_t n;
    } rows[] = {{"\x20\2\0\0", 4}, {"\xd0\0", 2}, {"\x90\3\0\1\0", 5}, {"\xb0\2\0\1", 4}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, 4, "c");
        cli_bytes(&c, rows[i].b, rows[i].n);
        assert_true(c.closed);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_malformed_packets_close_with_a_reason(void **state) /* [MQTT-4.13.1-1] */
{
    (void)state;
    static const struct {
        const char *b;
        size_t n;
        int code;
    } rows[] = {
        {"\x36\5\0\1a\0\1", 7, 0x81},         /* QoS 3 [MQTT-3.3.1-4] */
        {"\x80\6\0\1\0\1a\0", 8, 0x81},       /* flags of SUBSCRIBE [MQTT-3.8.1-1] */
        {"\x82\2\0\1", 4, 0x81},              /* SUBSCRIBE without properties */
        {"\x82\3\0\1\0", 5, 0x82},            /* SUBSCRIBE without filter [MQTT-3.8.3-2] */
        {"\xa2\3\0\1\0", 5, 0x82},            /* UNSUBSCRIBE without filter [MQTT-3.10.3-2] */
        {"\x60\2\0\1", 4, 0x81},              /* flags of PUBREL [MQTT-3.6.1-1] */
        {"\xe1\0", 2, 0x81},                  /* flags of DISCONNECT [MQTT-3.14.1-1] */
        {"\xf0\0", 2, 0x82},                  /* AUTH without a method [MQTT-4.12.0-7] */
        {"\x30\6\0\1\xff\0xx", 8, 0x81},      /* topic is not UTF-8 */
        {"\x30\4\0\1#\0", 6, 0x90},           /* wildcard in a topic [MQTT-3.3.2-2] */
        {"\x30\7\0\1a\3\x23\0\x64", 9, 0x94}, /* alias above our maximum */
        {"\x30\6\0\1a\2\x0b\1", 8, 0x82},     /* identifier from a client [MQTT-3.3.4-6] */
        {"\x30\3\0\0\0", 5, 0x82},            /* no topic, no alias */
        {"\x30\6\0\0\3\x23\0\1", 8, 0x82},    /* unknown alias */
        {"\x32\6\0\1a\0\0\0", 8, 0x81},       /* packet id 0 [MQTT-2.2.1-3] */
        {"\xff\xff\xff\xff\xff\1", 6, 0x81},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, 5, "c");
        cli_bytes(&c, rows[i].b, rows[i].n);
        assert_true(c.closed);
        cli_expect(&c, MQTT_DISCONNECT);
        if (c.p.ack.code != rows[i].code) {
            fail_msg("row %zu: 0x%02x", i, c.p.ack.code);
        }
        cli_expect_none(&c);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_packet_over_the_limit_is_refused(void **state) /* 0x95 */
{
    (void)state;
    const struct mqtt_limits l = {.max_packet = 100};
    struct fix *f = fix_new(&l, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    assert_int_equal(c.p.connack.props.max_packet_size, 100);
    cli_bytes(&c, "\x30\x63", 2); /* 101 bytes: refused before they come */
    assert_true(c.closed);
    cli_expect(&c, MQTT_DISCONNECT);
    assert_int_equal(c.p.ack.code, 0x95);
    cli_drop(&c);
    fix_free(f);
}

static void test_bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_open(&c, f, 4);
    static const char all[] = "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a\x82\6\0\1\0\1a\2\x32\6\0\1a\0\7x";
    for (size_t i = 0; i + 1 < sizeof all; i++) {
        cli_bytes(&c, all + i, 1);
    }
    cli_expect(&c, MQTT_CONNACK);
    cli_expect(&c, MQTT_SUBACK);
    cli_expect_pub(&c, "a", "x", 1);
    cli_expect(&c, MQTT_PUBACK);
    cli_drop(&c);
    fix_free(f);
}

static void test_slow_subscriber_is_bounded(void **state)
{
    (void)state;
    const struct mqtt_limits l = {.max_queued = 10, .max_out_bytes = 100};
    struct fix *f = fix_new(&l, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "#", 0), 0);
    s.room = 0;
    for (int i = 0; i < 100; i++) {
        cli_pub(&p, "a", "0123456789", 0, false, 0);
    }
    assert_true(fix_counters(f).dropped_slow >= 80);
    s.room = SIZE_MAX;
    mqtt_conn_writable(s.c);
    mqtt_broker_flush(f->b);
    int n = 0;
    while (cli_next(&s) == MQTT_PUBLISH) {
        n++;
    }
    assert_int_equal((uint64_t)n + fix_counters(f).dropped_slow, 100);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_full_queue_drops_new_or_oldest(void **state)
{
    (void)state;
    for (int oldest = 0; oldest < 2; oldest++) {
        const struct mqtt_limits l = {.max_queued = 5, .drop_oldest = oldest == 1};
        struct fix *f = fix_new(&l, false);
        struct cli p;
        struct cli s;
        const struct con o = {.id = "s", .clean = false, .expiry_s = 100};
        assert_int_equal(cli_connect(&s, f, 5, &o), 0);
        assert_int_equal(cli_sub(&s, "a", 1), 1);
        cli_drop(&s);
        cli_up(&p, f, 4, "p");
        static const char *const text[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
        for (uint16_t i = 0; i < 8; i++) {
            cli_pub_done(&p, "a", text[i], 1, false, (uint16_t)(i + 1));
        }
        assert_int_equal(fix_counters(f).dropped_queue, 3);
        assert_int_equal(cli_connect(&s, f, 5, &o), 0);
        for (int i = 0; i < 5; i++) {
            cli_expect_pub(&s, "a", text[i + (oldest == 1 ? 3 : 0)], 1);
        }
        cli_expect_none(&s);
        cli_drop(&s);
        cli_drop(&p);
        fix_free(f);
    }
}

static void test_rate_limit_delays_but_loses_nothing(void **state)
{
    (void)state;
    const struct mqtt_limits l = {.max_rate = 3};
    struct fix *f = fix_new(&l, false);
    struct cli c;
    cli_up(&c, f, 4, "c");
    for (uint16_t i = 1; i <= 7; i++) {
        cli_pub(&c, "a", "x", 1, false, i);
    }
    assert_int_equal(fix_counters(f).publish_in[1], 3);
    assert_false(c.reading);
    for (int i = 0; i < 3; i++) {
        fix_tick(f, 1);
        cli_feed(&c);
    }
    assert_int_equal(fix_counters(f).publish_in[1], 7);
    for (uint16_t i = 1; i <= 7; i++) {
        cli_expect(&c, MQTT_PUBACK);
        assert_int_equal(c.p.ack.packet_id, i); /* [MQTT-4.6.0-2] */
    }
    cli_drop(&c);
    fix_free(f);
}

static void test_out_of_memory_harms_nobody_else(void **state)
{
    (void)state;
    for (long n = 0; n < 60; n++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, 5, "p");
        cli_up(&s, f, 5, "s");
        assert_int_equal(cli_sub(&s, "a/#", 1), 1);
        /* room for the fake's own buffers, so that only the broker fails */
        assert_ok(sh_buf_reserve(&p.out, 4096));
        assert_ok(sh_buf_reserve(&p.in, 4096));
        assert_ok(sh_buf_reserve(&s.in, 4096));
        struct mqtt_packet pk = {.type = MQTT_PUBLISH, .version = 5};
        pk.publish.topic = SH_STR("a/b");
        pk.publish.qos = 1;
        pk.publish.retain = true;
        pk.publish.packet_id = 3;
        pk.publish.payload = sh_bytes_of("x", 1);
        pk.publish.props.content_type = SH_STR("text/plain");
        mqtt_set(&pk.publish.props, MQTT_PR_CONTENT_TYPE);
        assert_ok(mqtt_encode(&p.out, &pk));
        f->t.fail_after = n;
        cli_feed(&p);
        f->t.fail_after = -1;
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f); /* the allocator finds leaks */
    }
}

/* What a connection needs for a moment is given back; both directions, QoS 1 and 2. */
static void test_idle_connection_holds_nothing_more(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    size_t idle = 0;
    cli_up(&c, f, 5, "c");
    assert_int_equal(cli_sub(&c, "a/#", 1), 1);
    for (uint16_t i = 1; i <= 4; i++) { /* the first round makes what the broker keeps */
        cli_pub(&c, "a/b", "x", i % 2 + 1, false, i);
        while (cli_next(&c) != 0) {
            if (c.p.type == MQTT_PUBLISH) {
                cli_ack(&c, MQTT_PUBACK, c.p.publish.packet_id, 0);
            } else if (c.p.type == MQTT_PUBREC) {
                cli_ack(&c, MQTT_PUBREL, i, 0);
            }
        }
        fix_tick(f, 2);
        idle = i == 2 ? f->t.blocks : idle;
    }
    assert_int_equal(f->t.blocks, idle);
    cli_drop(&c);
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connection_holds_nothing_more),
        cmocka_unit_test(test_first_packet_must_be_connect),
        cmocka_unit_test(test_second_connect_ends_the_connection),
        cmocka_unit_test(test_connect_refusals_have_their_code),
        cmocka_unit_test(test_bad_connect_bytes_close),
        cmocka_unit_test(test_input_after_refusal_is_ignored),
        cmocka_unit_test(test_packets_before_connack_wait),
        cmocka_unit_test(test_identity_that_comes_too_late_is_released),
        cmocka_unit_test(test_connect_timeout_closes),
        cmocka_unit_test(test_publish_reaches_subscriber_at_every_qos),
        cmocka_unit_test(test_qos2_duplicate_is_published_once),
        cmocka_unit_test(test_unknown_pubrel_is_answered),
        cmocka_unit_test(test_refused_pubrec_ends_the_exchange),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_overlapping_subscriptions_give_one_copy),
        cmocka_unit_test(test_subscription_is_replaced),
        cmocka_unit_test(test_unsubscribe_stops_delivery),
        cmocka_unit_test(test_subscribe_refusals_have_their_code),
        cmocka_unit_test(test_many_filters_get_a_code_each),
        cmocka_unit_test(test_no_local_and_retain_as_published),
        cmocka_unit_test(test_shared_no_local_is_a_protocol_error),
        cmocka_unit_test(test_ping_is_answered),
        cmocka_unit_test(test_keep_alive_is_one_and_a_half_times),
        cmocka_unit_test(test_server_keep_alive_is_told),
        cmocka_unit_test(test_server_packets_from_a_client_are_refused),
        cmocka_unit_test(test_malformed_packets_close_with_a_reason),
        cmocka_unit_test(test_packet_over_the_limit_is_refused),
        cmocka_unit_test(test_bytes_may_come_one_by_one),
        cmocka_unit_test(test_slow_subscriber_is_bounded),
        cmocka_unit_test(test_full_queue_drops_new_or_oldest),
        cmocka_unit_test(test_rate_limit_delays_but_loses_nothing),
        cmocka_unit_test(test_out_of_memory_harms_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
