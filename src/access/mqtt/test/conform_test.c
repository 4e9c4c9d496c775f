/* conform_test.c - statements of both specifications whose first test did not really show them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static const int versions[] = {MQTT_V311, MQTT_V5};

static int stay(struct cli *c, struct fix *f, int version, const char *id, bool clean)
{
    const struct con o = {.id = id, .clean = clean, .expiry_s = version == 5 ? 100 : 0};
    return cli_connect(c, f, version, &o);
}

/* [MQTT-3.3.1-3]: what comes in as a repetition goes out as a first try. */
static void test_dup_of_the_publisher_is_not_handed_on(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, versions[v], "p");
        cli_up(&s, f, versions[v], "s");
        assert_int_equal(cli_sub(&s, "a", 2), 2);
        for (uint8_t qos = 1; qos <= 2; qos++) {
            struct mqtt_packet pk = {.type = MQTT_PUBLISH};
            pk.publish.topic = SH_STR("a");
            pk.publish.qos = qos;
            pk.publish.dup = true;
            pk.publish.packet_id = qos;
            pk.publish.payload = sh_bytes_of("x", 1);
            cli_send(&p, &pk);
            cli_expect(&p, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC);
            cli_expect_pub(&s, "a", "x", qos);
            assert_false(s.p.publish.dup);
        }
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

/* [MQTT-4.6.0-5] [MQTT-4.6.0-6] for each QoS and version. */
static void test_order_is_kept_at_every_qos(void **state)
{
    (void)state;
    const uint16_t all = 150; /* more than the window of 100 */
    for (int row = 0; row < 6; row++) {
        const int qos = row % 3;
        const int version = versions[row / 3];
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        char text[8];
        cli_up(&p, f, version, "p");
        cli_up(&s, f, version, "s");
        assert_int_equal(cli_sub(&s, "t/#", 2), 2);
        for (uint16_t i = 1; i <= all; i++) {
            (void)snprintf(text, sizeof text, "%u", i);
            cli_pub_done(&p, "t/a", text, qos, false, i);
        }
        for (uint16_t i = 1; i <= all; i++) {
            (void)snprintf(text, sizeof text, "%u", i);
            int type = cli_next(&s);
            while (type == MQTT_PUBREL) {
                cli_ack(&s, MQTT_PUBCOMP, s.p.ack.packet_id, 0);
                type = cli_next(&s);
            }
            assert_int_equal(type, MQTT_PUBLISH);
            assert_memory_equal(s.p.publish.payload.p, text, strlen(text));
            assert_int_equal(s.p.publish.payload.n, strlen(text));
            if (qos > 0) {
                cli_ack(&s, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, s.p.publish.packet_id, 0);
            }
        }
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

/* [MQTT-3.10.4-3]: what was begun before UNSUBSCRIBE is completed, also over a reconnect. */
static void test_unsubscribe_completes_what_was_begun(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, 4, "p");
        assert_int_equal(stay(&s, f, versions[v], "s", false), 0);
        assert_int_equal(cli_sub(&s, "a", 2), 2);
        cli_pub_done(&p, "a", "1", 2, false, 1);
        cli_pub_done(&p, "a", "2", 1, false, 2);
        cli_expect_pub(&s, "a", "1", 2);
        const uint16_t first = s.p.publish.packet_id;
        cli_expect_pub(&s, "a", "2", 1);
        const uint16_t second = s.p.publish.packet_id;
        assert_int_equal(cli_unsub(&s, "a"), 0);
        cli_ack(&s, MQTT_PUBREC, first, 0);
        cli_expect(&s, MQTT_PUBREL);
        assert_int_equal(s.p.ack.packet_id, first);
        cli_drop(&s);
        assert_int_equal(stay(&s, f, versions[v], "s", false), 0);
        int seen = 0;
        for (int type = cli_next(&s); type != 0; type = cli_next(&s)) {
            if (type == MQTT_PUBREL) {
                assert_int_equal(s.p.ack.packet_id, first);
                cli_ack(&s, MQTT_PUBCOMP, first, 0);
            } else {
                assert_int_equal(type, MQTT_PUBLISH);
                assert_int_equal(s.p.publish.packet_id, second);
                assert_true(s.p.publish.dup);
                cli_ack(&s, MQTT_PUBACK, second, 0);
            }
            seen++;
        }
        assert_int_equal(seen, 2);
        assert_int_equal(fix_counters(f).messages_stored, 0);
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

/* 3.1.1 [MQTT-3.8.4-3], 5.0 [MQTT-3.8.4-3] [MQTT-3.8.4-4]: replaced, retained ones come again, and
 * nothing that is queued is lost. */
static void test_replacing_a_subscription_loses_nothing(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, 4, "p");
        cli_up(&s, f, versions[v], "s");
        cli_pub_done(&p, "a", "kept", 1, true, 1);
        assert_int_equal(cli_sub(&s, "a", 1), 1);
        cli_expect_pub(&s, "a", "kept", 1);
        cli_ack(&s, MQTT_PUBACK, s.p.publish.packet_id, 0);
        uint16_t pid[120];
        char text[8];
        for (uint16_t i = 0; i < 120; i++) { /* 100 fit into the window, the rest is queued */
            (void)snprintf(text, sizeof text, "%u", i);
            cli_pub_done(&p, "a", text, 1, false, (uint16_t)(i + 2));
        }
        for (uint16_t i = 0; i < 100; i++) {
            (void)snprintf(text, sizeof text, "%u", i);
            cli_expect_pub(&s, "a", text, 1);
            pid[i] = s.p.publish.packet_id;
        }
        assert_int_equal(cli_sub(&s, "a", 0), 0);
        assert_int_equal(fix_counters(f).subscriptions, 1);
        for (uint16_t i = 0; i < 100; i++) {
            cli_ack(&s, MQTT_PUBACK, pid[i], 0);
        }
        int queued = 0;
        int kept = 0;
        for (int type = cli_next(&s); type == MQTT_PUBLISH; type = cli_next(&s)) {
            kept += s.p.publish.retain;
            queued += s.p.publish.qos == 1;
            if (s.p.publish.qos == 1) {
                cli_ack(&s, MQTT_PUBACK, s.p.publish.packet_id, 0);
            }
        }
        assert_int_equal(queued, 20);
        assert_int_equal(kept, 1);
        cli_pub_done(&p, "a", "new", 1, false, 500);
        cli_expect_pub(&s, "a", "new", 0); /* one copy, of the new QoS */
        cli_expect_none(&s);
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

/* 3.1.1 [MQTT-3.3.1-7]: QoS 0 with RETAIN takes the place of what was retained. */
static void test_retained_qos0_replaces_what_was_there(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli p;
        struct cli s;
        cli_up(&p, f, versions[v], "p");
        cli_up(&s, f, versions[v], "s");
        cli_pub_done(&p, "r", "old", 2, true, 1);
        cli_pub(&p, "r", "new", 0, true, 0);
        assert_int_equal(cli_sub(&s, "r", 2), 2);
        cli_expect_pub(&s, "r", "new", 0);
        assert_true(s.p.publish.retain);
        cli_expect_none(&s);
        assert_int_equal(fix_counters(f).retained, 1);
        cli_drop(&p);
        cli_drop(&s);
        fix_free(f);
    }
}

static void up_with_will(struct cli *c, struct fix *f, int version, bool retain)
{
    struct mqtt_connect more = {.version = (uint8_t)version, .has_will = true};
    more.will.topic = SH_STR("will/t");
    more.will.payload = sh_bytes_of("gone", 4);
    more.will.qos = 1;
    more.will.retain = retain;
    const struct con o = {.id = "w", .clean = true, .keep_alive = 10, .more = &more};
    assert_int_equal(cli_connect(c, f, version, &o), 0);
}

/* [MQTT-3.1.2-8]: each way of losing a connection that the specifications name, and takeover. */
static void test_will_comes_however_the_connection_ends(void **state)
{
    (void)state;
    for (int row = 0; row < 8; row++) {
        const int version = versions[row / 4];
        struct fix *f = fix_new(NULL, false);
        struct cli w;
        struct cli s;
        struct cli other;
        cli_up(&s, f, 4, "s");
        assert_int_equal(cli_sub(&s, "will/#", 1), 1);
        up_with_will(&w, f, version, false);
        switch (row % 4) {
        case 0: /* the network fails */
            cli_drop(&w);
            break;
        case 1: /* silent for one and a half keep-alives */
            fix_tick(f, 16);
            break;
        case 2: /* the server closes it for a protocol error */
            cli_bytes(&w, "\xd0\0", 2);
            break;
        default: /* another connection takes the session */
            cli_up(&other, f, version, "w");
            cli_drop(&other);
        }
        if (row % 4 != 0) {
            assert_true(w.closed);
        }
        cli_expect_pub(&s, "will/t", "gone", 1);
        assert_false(s.p.publish.retain);
        cli_expect_none(&s);
        if (row % 4 != 0) {
            cli_drop(&w);
        }
        cli_expect_none(&s); /* once only */
        assert_int_equal(fix_counters(f).wills, 1);
        cli_drop(&s);
        fix_free(f);
    }
}

/* 3.1.1 [MQTT-3.1.2-17], 5.0 [MQTT-3.1.2-15] */
static void test_retained_will_is_retained(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli w;
        struct cli s;
        up_with_will(&w, f, versions[v], true);
        cli_drop(&w);
        cli_up(&s, f, versions[v], "s");
        assert_int_equal(cli_sub(&s, "will/t", 1), 1);
        cli_expect_pub(&s, "will/t", "gone", 1);
        assert_true(s.p.publish.retain);
        cli_drop(&s);
        fix_free(f);
    }
}

/* [MQTT-3.1.3-5] the whole alphabet; 3.1.1 [MQTT-3.1.3-6] an empty id is a client of its own. */
static void test_client_ids_that_must_be_allowed(void **state)
{
    (void)state;
    static const char *const ids[] = {"0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ",
                                      "KLMNOPQRSTUVWXYZ", "z"};
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c[6];
        for (size_t i = 0; i < 6; i++) {
            cli_up(&c[i], f, versions[v], i < 4 ? ids[i] : "");
        }
        assert_int_equal(fix_counters(f).sessions, 6);
        assert_int_equal(fix_counters(f).takeovers, 0);
        for (size_t i = 0; i < 6; i++) {
            assert_false(c[i].closed);
            cli_drop(&c[i]);
        }
        fix_free(f);
    }
}

/* [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1] of 5.0: as if each filter had come alone. */
static void test_many_filters_of_5_get_a_code_each(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    static const char body[] =
        "\x82\x26\0\5\0\0\1a\0\0\1b\1\0\7a/#/bad\1\0\1c\2\0\x6secret\1\0\1a\2";
    cli_bytes(&c, body, sizeof body - 1);
    cli_expect(&c, MQTT_SUBACK);
    assert_int_equal(c.p.suback.packet_id, 5);
    assert_int_equal(c.p.suback.codes.n, 6);
    assert_memory_equal(c.p.suback.codes.p, "\0\1\x8F\2\1\2", 6);
    assert_int_equal(fix_counters(f).subscriptions, 4); /* the last one replaced the first */
    cli_pub(&c, "a", "x", 2, false, 1);
    cli_expect_pub(&c, "a", "x", 2);
    cli_drop(&c);
    fix_free(f);
}

/* 3.1.1 [MQTT-2.2.2-2] [MQTT-4.8.0-1]: closed, and without a word: it knows no DISCONNECT of ours.
 */
static void test_violations_close_311_without_a_word(void **state)
{
    (void)state;
    static const struct {
        const char *b;
        size_t n;
    } rows[] = {
        {"\x36\5\0\1a\0\1", 7},   /* QoS 3 */
        {"\x31\3\0\1a\xd0\0", 7}, /* PINGRESP, which only servers send, behind a good PUBLISH */
        {"\x80\6\0\1\0\1a\0", 8}, /* flags of SUBSCRIBE */
        {"\x82\2\0\1", 4},        /* SUBSCRIBE without filter */
        {"\x82\6\0\1\0\1a\3", 8}, /* QoS 3 in SUBSCRIBE */
        {"\x82\6\0\1\0\1a\4", 8}, /* reserved bits [MQTT-3.8.3-4] */
        {"\x82\6\0\0\0\1a\0", 8}, /* packet id 0 */
        {"\xa2\2\0\1", 4},        /* UNSUBSCRIBE without filter */
        {"\x60\2\0\1", 4},        /* flags of PUBREL */
        {"\xe1\0", 2},            /* flags of DISCONNECT */
        {"\xc1\0", 2},            /* flags of PINGREQ */
        {"\xf0\0", 2},            /* AUTH is of 5.0 */
        {"\x30\5\0\1\xff\0x", 7}, /* topic is not UTF-8 */
        {"\x30\3\0\1#", 5},       /* wildcard in a topic */
        {"\x30\2\0\0", 4},        /* no topic */
        {"\x32\5\0\1a\0\0", 7},   /* packet id 0 */
        {"\xff\xff\xff\xff\xff\1", 6}, /* no length */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        cli_up(&c, f, 4, "c");
        cli_bytes(&c, rows[i].b, rows[i].n);
        if (!c.closed) {
            fail_msg("row %zu is let pass", i);
        }
        cli_expect_none(&c);
        cli_drop(&c);
        fix_free(f);
    }
}

/* [MQTT-3.1.2-5] QoS 2 too; [MQTT-3.1.2-6] what a clean session did is not there in the next. */
static void test_clean_session_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        struct cli p;
        cli_up(&p, f, 4, "p");
        assert_int_equal(stay(&c, f, versions[v], "s", false), 0);
        assert_int_equal(cli_sub(&c, "a", 2), 2);
        cli_drop(&c);
        cli_pub_done(&p, "a", "1", 1, false, 1);
        cli_pub_done(&p, "a", "2", 2, false, 2);
        assert_int_equal(stay(&c, f, versions[v], "s", false), 0);
        cli_expect_pub(&c, "a", "1", 1);
        cli_expect_pub(&c, "a", "2", 2);
        cli_drop(&c);
        const struct con clean = {.id = "s", .clean = true};
        assert_int_equal(cli_connect(&c, f, versions[v], &clean), 0);
        assert_int_equal(cli_sub(&c, "b", 1), 1);
        cli_drop(&c);
        cli_pub_done(&p, "b", "3", 1, false, 3);
        assert_int_equal(stay(&c, f, versions[v], "s", false), 0);
        assert_false(c.p.connack.session_present);
        cli_expect_none(&c);
        cli_pub_done(&p, "a", "4", 1, false, 4);
        cli_pub_done(&p, "b", "5", 1, false, 5);
        cli_expect_none(&c);
        cli_drop(&c);
        cli_drop(&p);
        fix_free(f);
    }
}

/* 5.0 [MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-10]: sent again after a reconnect, under the same
 * id, and not at any other time; a repeated PUBLISH is acknowledged and not published twice. */
static void test_5_sends_again_after_a_reconnect_only(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 5, "p");
    assert_int_equal(stay(&s, f, 5, "s", false), 0);
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    cli_pub_done(&p, "a", "1", 1, false, 1);
    cli_pub(&p, "a", "2", 2, false, 2);
    cli_expect(&p, MQTT_PUBREC);
    cli_pub(&p, "a", "2", 2, false, 2);
    cli_expect(&p, MQTT_PUBREC);
    cli_expect_pub(&s, "a", "1", 1);
    const uint16_t first = s.p.publish.packet_id;
    cli_expect_pub(&s, "a", "2", 2);
    const uint16_t second = s.p.publish.packet_id;
    fix_tick(f, 50);
    cli_expect_none(&s); /* no time-out sends it again */
    cli_drop(&s);
    assert_int_equal(stay(&s, f, 5, "s", false), 0);
    cli_expect_pub(&s, "a", "1", 1);
    assert_true(s.p.publish.dup && s.p.publish.packet_id == first);
    cli_expect_pub(&s, "a", "2", 2);
    assert_true(s.p.publish.dup && s.p.publish.packet_id == second);
    cli_expect_none(&s);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dup_of_the_publisher_is_not_handed_on),
        cmocka_unit_test(test_order_is_kept_at_every_qos),
        cmocka_unit_test(test_unsubscribe_completes_what_was_begun),
        cmocka_unit_test(test_replacing_a_subscription_loses_nothing),
        cmocka_unit_test(test_retained_qos0_replaces_what_was_there),
        cmocka_unit_test(test_will_comes_however_the_connection_ends),
        cmocka_unit_test(test_retained_will_is_retained),
        cmocka_unit_test(test_client_ids_that_must_be_allowed),
        cmocka_unit_test(test_many_filters_of_5_get_a_code_each),
        cmocka_unit_test(test_violations_close_311_without_a_word),
        cmocka_unit_test(test_clean_session_leaves_nothing_behind),
        cmocka_unit_test(test_5_sends_again_after_a_reconnect_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
