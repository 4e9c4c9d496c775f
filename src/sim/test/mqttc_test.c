/* mqttc_test.c - the plant's MQTT client, packet by packet. Spec: MQTT 3.1.1.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include "../mqttc.h"

struct rig {
    struct sh_test_env t;
    struct mqttc m;
    struct sh_buf out;
    unsigned messages;
    char topic[64];
};

static void on_message(void *ctx, struct sh_str topic, struct sh_bytes payload)
{
    struct rig *r = ctx;
    r->messages++;
    assert_true(topic.n < sizeof r->topic);
    memcpy(r->topic, topic.p, topic.n);
    r->topic[topic.n] = '\0';
    assert_int_equal(payload.n, 2);
}

static const char *const filters[] = {"a/+", NULL};

static void rig_init(struct rig *r)
{
    *r = (struct rig){.messages = 0};
    sh_test_env_init(&r->t, NULL);
    sh_buf_init(&r->out, r->t.env.alloc, 65536);
    const struct mqttc_opts o = {.client_id = SH_STR("id"),
                                 .user = SH_STR("u"),
                                 .password = SH_STR("pw"),
                                 .subscribe = filters,
                                 .on_message = on_message,
                                 .ctx = r};
    assert_ok(mqttc_init(&r->m, r->t.env.alloc, &o));
}

static void rig_fini(struct rig *r)
{
    mqttc_fini(&r->m);
    sh_buf_fini(&r->out);
    sh_test_env_fini(&r->t);
}

static sh_err feed(struct rig *r, int64_t now, const void *p, size_t n)
{
    size_t used = 0;
    sh_buf_clear(&r->out);
    const sh_err err = mqttc_bytes(&r->m, now, sh_bytes_of(p, n), &used, &r->out);
    if (err == SH_OK) {
        assert_int_equal(used, n);
    }
    return err;
}

static void connect(struct rig *r, int64_t now)
{
    sh_buf_clear(&r->out);
    assert_ok(mqttc_opened(&r->m, now, &r->out));
    assert_ok(feed(r, now, "\x20\x02\x00\x00", 4));
}

static void test_connect_and_subscribe_are_well_formed(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_ok(mqttc_opened(&r.m, 1, &r.out));
    static const uint8_t want[] = {0x10, 21, 0,   4,   'M', 'Q', 'T', 'T', 4, 0xc2, 0,  30,
                                   0,    2,  'i', 'd', 0,   1,   'u', 0,   2, 'p',  'w'};
    assert_int_equal(r.out.n, sizeof want);
    assert_memory_equal(r.out.p, want, sizeof want);
    assert_ok(mqttc_publish(&r.m, SH_STR("t"), sh_bytes_of("xy", 2)));
    sh_buf_clear(&r.out);
    assert_ok(mqttc_pump(&r.m, 2, &r.out));
    assert_int_equal(r.out.n, 0); /* nothing before CONNACK */
    assert_ok(feed(&r, 2, "\x20\x02\x00\x00", 4));
    static const uint8_t then[] = {0x82, 8, 0xff, 0xff, 0,   3, 'a', '/', '+', 1,
                                   0x32, 7, 0,    1,    't', 0, 1,   'x', 'y'};
    assert_int_equal(r.out.n, sizeof then);
    assert_memory_equal(r.out.p, then, sizeof then);
    rig_fini(&r);
}

static void test_unacknowledged_messages_are_sent_again_with_dup(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    connect(&r, 1);
    for (int i = 0; i < 3; i++) {
        assert_ok(mqttc_publish(&r.m, SH_STR("t"), sh_bytes_of("xy", 2)));
    }
    sh_buf_clear(&r.out);
    assert_ok(mqttc_pump(&r.m, 2, &r.out));
    assert_int_equal(r.out.n, 27);
    assert_ok(feed(&r, 3, "\x40\x02\x00\x02", 4)); /* the second one */
    assert_int_equal(r.m.n, 3);
    assert_ok(feed(&r, 3, "\x40\x02\x00\x01", 4));
    assert_int_equal(r.m.n, 1);
    mqttc_closed(&r.m);
    connect(&r, 4);
    assert_int_equal(r.out.n, 10 + 9);
    assert_int_equal(r.out.p[10], 0x3a); /* DUP (3.3.1.1) */
    assert_int_equal(r.out.p[16], 3);    /* the same packet id (4.4) */
    assert_ok(feed(&r, 5, "\x40\x02\x00\x03", 4));
    assert_int_equal(r.m.n, 0);
    assert_int_equal(r.m.acked, 3);
    rig_fini(&r);
}

static void test_outbox_is_bounded_and_keeps_the_newest(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (int i = 0; i < MQTTC_OUTBOX + 9; i++) {
        assert_ok(mqttc_publish(&r.m, SH_STR("t"), sh_bytes_of("xy", 2)));
    }
    assert_int_equal(r.m.dropped, 9);
    connect(&r, 1);
    assert_int_equal(r.m.sent, MQTTC_WINDOW);
    assert_int_equal(r.out.p[16], 10); /* ids 1 to 9 went */
    rig_fini(&r);
}

static void test_incoming_messages_are_acknowledged_in_any_pieces(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    connect(&r, 1);
    static const uint8_t msg[] = {0x32, 9, 0, 3, 'a', '/', 'b', 0, 7, 'h', 'i'};
    for (size_t n = 0; n < sizeof msg; n++) {
        size_t used = 9;
        sh_buf_clear(&r.out);
        assert_ok(mqttc_bytes(&r.m, 2, sh_bytes_of(msg, n), &used, &r.out));
        assert_int_equal(used, 0);
    }
    assert_ok(feed(&r, 2, msg, sizeof msg));
    assert_int_equal(r.messages, 1);
    assert_string_equal(r.topic, "a/b");
    assert_int_equal(r.out.n, 4);
    assert_memory_equal(r.out.p, "\x40\x02\x00\x07", 4);
    rig_fini(&r);
}

static void test_refusal_silence_and_nonsense(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_ok(mqttc_opened(&r.m, 1, &r.out));
    assert_int_equal(feed(&r, 1, "\x20\x02\x00\x05", 4), SH_E_DENIED);
    assert_int_equal(r.m.refused, 5);
    static const struct {
        uint8_t n;
        uint8_t b[8];
    } bad[] = {
        {2, {0x40, 0}},                      /* before CONNACK */
        {4, {0x20, 3, 0, 0}},                /* more to come: not bad yet */
        {5, {0x20, 3, 0, 0, 0}},             /* CONNACK has two bytes (3.2.2) */
        {5, {0x20, 0xff, 0xff, 0xff, 0xff}}, /* remaining length of five bytes (2.2.3) */
    };
    static const sh_err expect[] = {SH_E_PROTO, SH_OK, SH_E_PROTO, SH_E_PROTO};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        size_t used = 0;
        mqttc_closed(&r.m);
        sh_buf_clear(&r.out);
        assert_ok(mqttc_opened(&r.m, 1, &r.out));
        assert_int_equal(mqttc_bytes(&r.m, 1, sh_bytes_of(bad[i].b, bad[i].n), &used, &r.out),
                         expect[i]);
    }
    mqttc_closed(&r.m);
    connect(&r, 1);
    sh_buf_clear(&r.out);
    assert_ok(mqttc_pump(&r.m, 16000000, &r.out));
    assert_memory_equal(r.out.p, "\xc0\x00", 2); /* PINGREQ (3.12) */
    assert_ok(mqttc_pump(&r.m, 20000000, &r.out));
    assert_int_equal(mqttc_pump(&r.m, 40000000, &r.out), SH_E_TIMEOUT);
    assert_ok(feed(&r, 41000000, "\xd0\x00", 2));
    rig_fini(&r);
}

static sh_err oom_body(struct sh_test_env *t)
{
    struct mqttc m;
    const struct mqttc_opts o = {.client_id = SH_STR("id")};
    SH_TRY(mqttc_init(&m, t->env.alloc, &o));
    const sh_err err = mqttc_publish(&m, SH_STR("t"), sh_bytes_of("xy", 2));
    mqttc_fini(&m);
    return err;
}

static void test_without_memory_nothing_is_lost_or_leaked(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_and_subscribe_are_well_formed),
        cmocka_unit_test(test_unacknowledged_messages_are_sent_again_with_dup),
        cmocka_unit_test(test_outbox_is_bounded_and_keeps_the_newest),
        cmocka_unit_test(test_incoming_messages_are_acknowledged_in_any_pieces),
        cmocka_unit_test(test_refusal_silence_and_nonsense),
        cmocka_unit_test(test_without_memory_nothing_is_lost_or_leaked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
