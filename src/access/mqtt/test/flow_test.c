/* flow_test.c - packet ids, order of answers, shared QoS 2, limits of strings: statements of the
 * specifications that need a story of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static void test_packet_ids_in_flight_are_never_reused(void **state) /* [MQTT-2.2.1-4] */
{
    (void)state;
    const struct mqtt_limits l = {.send_max = 65535};
    struct fix *f = fix_new(&l, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "#", 1), 1);
    cli_pub_done(&p, "stuck", "x", 1, false, 1);
    cli_expect(&s, MQTT_PUBLISH);
    const uint16_t stuck = s.p.publish.packet_id;
    bool wrapped = false;
    uint16_t last = stuck;
    for (uint32_t i = 0; i < 65536; i++) { /* once round all numbers */
        cli_pub(&p, "t", "x", 1, false, 2);
        cli_expect(&p, MQTT_PUBACK);
        cli_expect(&s, MQTT_PUBLISH);
        assert_int_not_equal(s.p.publish.packet_id, 0);
        assert_int_not_equal(s.p.publish.packet_id, stuck);
        wrapped = wrapped || s.p.publish.packet_id < last;
        last = s.p.publish.packet_id;
        cli_ack(&s, MQTT_PUBACK, last, 0);
        sh_buf_clear(&s.in);
        s.in_at = 0;
        sh_buf_clear(&p.in);
        p.in_at = 0;
    }
    assert_true(wrapped);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_packet_id_is_new_after_its_acknowledgement(void **state) /* [MQTT-4.3.2-5] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "a", 0), 0);
    cli_pub_done(&p, "a", "1", 1, false, 5);
    cli_bytes(&p, "\x3a\x06\0\1a\0\5\x32", 8); /* DUP 1, the same id: a new message all the same */
    cli_expect(&p, MQTT_PUBACK);
    cli_expect_pub(&s, "a", "1", 0);
    cli_expect_pub(&s, "a", "2", 0);
    assert_false(s.p.publish.dup); /* [MQTT-3.3.1-3] not handed on */
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_refused_qos2_id_is_free_again(void **state) /* [MQTT-4.3.3-9] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    cli_up(&p, f, 5, "p");
    cli_pub(&p, "secret/a", "x", 2, false, 5);
    cli_expect(&p, MQTT_PUBREC);
    assert_int_equal(p.p.ack.code, 0x87);
    cli_pub(&p, "open", "x", 2, false, 5);
    cli_expect(&p, MQTT_PUBREC);
    assert_int_equal(p.p.ack.code, 0x10);
    assert_int_equal(fix_counters(f).publish_in[2], 2);
    cli_drop(&p);
    fix_free(f);
}

static void test_pubrels_leave_in_order(void **state) /* [MQTT-4.6.0-4] of 3.1.1 */
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    struct cli s;
    const struct con o = {.id = "s", .clean = false};
    cli_up(&p, f, 4, "p");
    assert_int_equal(cli_connect(&s, f, 4, &o), 0);
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    uint16_t pid[3];
    for (uint16_t i = 0; i < 3; i++) {
        cli_pub_done(&p, "a", "x", 2, false, (uint16_t)(i + 1));
        cli_expect(&s, MQTT_PUBLISH);
        pid[i] = s.p.publish.packet_id;
    }
    f->hold_commits = true;
    cli_ack(&s, MQTT_PUBREC, pid[2], 0);
    cli_ack(&s, MQTT_PUBREC, pid[0], 0);
    cli_ack(&s, MQTT_PUBREC, pid[1], 0);
    cli_expect_none(&s);
    fix_commit(f, SH_OK);
    static const int order[] = {2, 0, 1};
    for (int i = 0; i < 3; i++) {
        cli_expect(&s, MQTT_PUBREL);
        assert_int_equal(s.p.ack.packet_id, pid[order[i]]);
    }
    f->hold_commits = false;
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_many_filters_are_unsubscribed_at_once(void **state) /* [MQTT-3.10.4-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    assert_int_equal(cli_sub(&c, "a", 1), 1);
    assert_int_equal(cli_sub(&c, "b", 1), 1);
    static const char body[] = "\xa2\x12\0\7\0\0\1a\0\1x\0\1b\0\4a/#b";
    cli_bytes(&c, body, sizeof body - 1);
    cli_expect(&c, MQTT_UNSUBACK);
    assert_int_equal(c.p.suback.packet_id, 7);
    assert_int_equal(c.p.suback.codes.n, 4);
    assert_memory_equal(c.p.suback.codes.p, "\x00\x11\x00\x8f", 4); /* in their order */
    assert_int_equal(fix_counters(f).subscriptions, 0);
    cli_drop(&c);
    fix_free(f);
}

static void test_sent_messages_do_not_expire(void **state) /* [MQTT-4.3.3-7] -13 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    const struct con o = {.id = "s", .clean = false, .expiry_s = 1000};
    cli_up(&p, f, 5, "p");
    assert_int_equal(cli_connect(&s, f, 5, &o), 0);
    assert_int_equal(cli_sub(&s, "a", 2), 2);
    struct mqtt_packet pk = {.type = MQTT_PUBLISH};
    pk.publish.topic = SH_STR("a");
    pk.publish.qos = 2;
    pk.publish.packet_id = 1;
    pk.publish.payload = sh_bytes_of("x", 1);
    pk.publish.props.message_expiry = 2;
    mqtt_set(&pk.publish.props, MQTT_PR_MESSAGE_EXPIRY);
    cli_send(&p, &pk);
    cli_expect(&p, MQTT_PUBREC);
    cli_expect_pub(&s, "a", "x", 2);
    const uint16_t pid = s.p.publish.packet_id;
    cli_drop(&s);
    fix_tick(f, 10);
    assert_int_equal(cli_connect(&s, f, 5, &o), 0);
    cli_expect_pub(&s, "a", "x", 2); /* begun before it expired: carried on */
    assert_int_equal(s.p.publish.packet_id, pid);
    cli_ack(&p, MQTT_PUBREL, 1, 0); /* and the publisher's exchange is completed */
    cli_expect(&p, MQTT_PUBCOMP);
    assert_int_equal(p.p.ack.code, 0);
    cli_drop(&p);
    cli_drop(&s);
    fix_free(f);
}

static void test_retained_outlives_its_session(void **state) /* 3.1.1 [MQTT-3.1.2-7] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli s;
    cli_up(&p, f, 4, "p");
    cli_pub_done(&p, "a", "x", 1, true, 1);
    cli_drop(&p);
    assert_int_equal(fix_counters(f).sessions, 0);
    cli_up(&s, f, 4, "s");
    assert_int_equal(cli_sub(&s, "a", 1), 1);
    cli_expect_pub(&s, "a", "x", 1);
    cli_drop(&s);
    fix_free(f);
}

static void test_acknowledgements_carry_no_strings(void **state) /* [MQTT-3.1.2-29] and others */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    struct mqtt_connect more = {.version = 5};
    more.props.request_problem_info = 0;
    mqtt_set(&more.props, MQTT_PR_REQUEST_PROBLEM_INFO);
    const struct con o = {.id = "c", .clean = true, .more = &more};
    assert_int_equal(cli_connect(&c, f, 5, &o), 0);
    assert_int_equal(cli_sub(&c, "secret/x", 1), 0x87);
    assert_int_equal(c.p.suback.props.have, 0);
    assert_int_equal(cli_unsub(&c, "none"), 0x11);
    assert_int_equal(c.p.suback.props.have, 0);
    cli_pub(&c, "secret/x", "x", 1, false, 1);
    cli_expect(&c, MQTT_PUBACK);
    assert_int_equal(c.p.ack.code, 0x87);
    assert_int_equal(c.p.ack.props.have, 0);
    cli_pub(&c, "secret/x", "x", 2, false, 2);
    cli_expect(&c, MQTT_PUBREC);
    assert_int_equal(c.p.ack.props.have, 0);
    cli_ack(&c, MQTT_PUBREL, 9, 0);
    cli_expect(&c, MQTT_PUBCOMP);
    assert_int_equal(c.p.ack.code, 0x92);
    assert_int_equal(c.p.ack.props.have, 0);
    cli_ack(&c, MQTT_PUBREC, 9, 0);
    cli_expect(&c, MQTT_PUBREL);
    assert_int_equal(c.p.ack.props.have, 0);
    cli_bytes(&c, "\x82\2\0\1", 4);
    cli_expect(&c, MQTT_DISCONNECT);
    assert_int_equal(c.p.ack.props.have, 0);
    cli_drop(&c);
    fix_free(f);
}

static void test_reason_string_fits_the_clients_limit(void **state) /* [MQTT-3.2.2-19] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    char id[1100];
    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = 0;
    for (int limited = 0; limited < 2; limited++) {
        struct mqtt_connect more = {.version = 5};
        if (limited == 1) {
            more.props.max_packet_size = 10;
            mqtt_set(&more.props, MQTT_PR_MAX_PACKET_SIZE);
        }
        const struct con o = {.id = id, .clean = true, .more = &more};
        assert_int_equal(cli_connect(&c, f, 5, &o), 0x85); /* [MQTT-3.1.3-8] */
        assert_int_equal(mqtt_has(&c.p.connack.props, MQTT_PR_REASON_STRING), limited == 0);
        assert_true(c.closed);
        cli_drop(&c);
    }
    fix_free(f);
}

static void test_shared_qos2_stays_with_its_session(void **state) /* [MQTT-4.8.2-4] -5 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli a;
    struct cli b;
    const struct con o = {.id = "a", .clean = false, .expiry_s = 5};
    cli_up(&p, f, 5, "p");
    assert_int_equal(cli_connect(&a, f, 5, &o), 0);
    assert_int_equal(cli_sub(&a, "$share/g/t", 2), 2);
    cli_pub_done(&p, "t", "x", 2, false, 1);
    cli_expect_pub(&a, "t", "x", 2);
    const uint16_t pid = a.p.publish.packet_id;
    cli_up(&b, f, 5, "b");
    assert_int_equal(cli_sub(&b, "$share/g/t", 2), 2);
    cli_drop(&a);
    cli_expect_none(&b);
    assert_int_equal(cli_connect(&a, f, 5, &o), 0); /* completed for the same client */
    cli_expect_pub(&a, "t", "x", 2);
    assert_int_equal(a.p.publish.packet_id, pid);
    cli_drop(&a);
    fix_tick(f, 10); /* its session ends: nobody else gets it */
    assert_int_equal(fix_counters(f).sessions, 2);
    cli_expect_none(&b);
    cli_drop(&p);
    cli_drop(&b);
    fix_free(f);
}

static void test_refused_shared_delivery_is_discarded(void **state) /* [MQTT-4.8.2-6] */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli p;
    struct cli a;
    struct cli b;
    cli_up(&p, f, 5, "p");
    cli_up(&a, f, 5, "a");
    assert_int_equal(cli_sub(&a, "$share/g/t", 1), 1);
    cli_pub_done(&p, "t", "x", 1, false, 1);
    cli_expect_pub(&a, "t", "x", 1);
    cli_up(&b, f, 5, "b");
    assert_int_equal(cli_sub(&b, "$share/g/t", 1), 1);
    cli_ack(&a, MQTT_PUBACK, a.p.publish.packet_id, 0x83);
    cli_expect_none(&a);
    cli_expect_none(&b);
    assert_int_equal(fix_counters(f).messages_stored, 0);
    cli_drop(&p);
    cli_drop(&a);
    cli_drop(&b);
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packet_ids_in_flight_are_never_reused),
        cmocka_unit_test(test_packet_id_is_new_after_its_acknowledgement),
        cmocka_unit_test(test_refused_qos2_id_is_free_again),
        cmocka_unit_test(test_pubrels_leave_in_order),
        cmocka_unit_test(test_many_filters_are_unsubscribed_at_once),
        cmocka_unit_test(test_sent_messages_do_not_expire),
        cmocka_unit_test(test_retained_outlives_its_session),
        cmocka_unit_test(test_acknowledgements_carry_no_strings),
        cmocka_unit_test(test_reason_string_fits_the_clients_limit),
        cmocka_unit_test(test_shared_qos2_stays_with_its_session),
        cmocka_unit_test(test_refused_shared_delivery_is_discarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
