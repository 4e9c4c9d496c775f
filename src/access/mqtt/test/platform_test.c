/* platform_test.c - tenants, devices' own topics, telemetry, the platform's own publishes, trees.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fix.h"

static void test_tenants_never_meet(void **state) /* DESIGN 6.8 */
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    struct cli b;
    cli_up_as(&a, f, 5, "x", "1:1");
    cli_up_as(&b, f, 5, "x", "2:1");
    assert_int_equal(cli_sub(&a, "#", 1), 1);
    assert_int_equal(cli_sub(&a, "$share/g/#", 1), 1);
    cli_pub_done(&b, "t", "x", 1, true, 1);
    cli_expect_none(&a);
    assert_int_equal(cli_sub(&a, "t", 1), 1); /* retained neither */
    cli_expect_none(&a);
    assert_int_equal(cli_sub(&a, "$SYS/broker/clients/connected", 0), 0);
    cli_expect_pub(&a, "$SYS/broker/clients/connected", "1", 0); /* its own tree's */
    cli_drop(&a);
    cli_drop(&b);
    fix_free(f);
}

static void test_device_stays_below_its_own_topics(void **state) /* DESIGN 7 */
{
    (void)state;
    static const struct {
        const char *user;
        const char *topic;
        bool ok;
    } rows[] = {
        {"1:1:d1", "sh/v1/d1/telemetry", true},
        {"1:1:d1", "sh/v1/d1/x/y", true},
        {"1:1:d1", "sh/v1/d2/telemetry", false},
        {"1:1:d1", "sh/v1/d1", false},
        {"1:1:d1", "sh/v1/d11/x", false},
        {"1:1:d1", "v1/devices/me/x", true},
        {"1:1:d1", "v1/gateway/x", false},
        {"1:1:gw1", "v1/gateway/x", true},
        {"1:1:d1", "other", false},
        {"1:1:d1", "v1/devices/d2/x", false},
        {"1:1:a/b", "sh/v1/a%2Fb/x", true},
        {"1:1:a/b", "sh/v1/a/b/x", false},
        {"1:1", "anything", true},
        {"1:1", "secret/x", false},
        {"1:1", "$SYS/broker/x", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        f->opts.telemetry = NULL;
        cli_up_as(&c, f, 5, "c", rows[i].user);
        cli_pub(&c, rows[i].topic, "{}", 1, false, 1);
        cli_expect(&c, MQTT_PUBACK);
        assert_int_equal(c.p.ack.code >= 0x80, !rows[i].ok);
        assert_int_equal(fix_counters(f).refused_auth, !rows[i].ok);
        if (rows[i].topic[0] != '$') {
            assert_int_equal(cli_sub(&c, rows[i].topic, 1), rows[i].ok ? 1 : 0x87);
        }
        cli_drop(&c);
        cli_up_as(&c, f, 4, "c", rows[i].user); /* 3.1.1 is acknowledged all the same */
        cli_pub(&c, rows[i].topic, "{}", 1, false, 1);
        cli_expect(&c, MQTT_PUBACK);
        assert_false(c.closed);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_me_topics_are_each_devices_own(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    struct cli b;
    struct cli boss;
    f->telemetry_says = SH_OK;
    cli_up_as(&a, f, 5, "a", "1:1:dev a");
    cli_up_as(&b, f, 4, "b", "1:2:dev b");
    cli_up_as(&boss, f, 4, "boss", "1:9");
    assert_int_equal(cli_sub(&a, "v1/devices/me/rpc/request/+", 1), 1);
    assert_int_equal(cli_sub(&b, "v1/devices/me/#", 1), 1);
    assert_int_equal(cli_sub(&boss, "v1/devices/+/telemetry", 0), 0);
    assert_ok(mqtt_publish_internal(f->b, 1, SH_STR("v1/devices/dev a/rpc/request/7"),
                                    sh_bytes_of("go", 2), 1, false));
    mqtt_broker_flush(f->b);
    cli_expect_pub(&a, "v1/devices/me/rpc/request/7", "go", 1);
    cli_expect_none(&b);
    cli_pub(&b, "v1/devices/me/telemetry", "{}", 0, false, 0);
    cli_expect_pub(&boss, "v1/devices/dev b/telemetry", "{}", 0);
    cli_expect_pub(&b, "v1/devices/me/telemetry", "{}", 0);
    cli_expect_none(&a);
    assert_int_equal(f->layout, MQTT_L_TB_TELEMETRY);
    assert_string_equal(f->device, "dev b");
    cli_drop(&a);
    cli_drop(&b);
    cli_drop(&boss);
    fix_free(f);
}

static void test_layouts_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        const char *topic;
        enum mqtt_layout layout;
        const char *device;
        const char *property;
    } rows[] = {
        {"1:1:d", "sh/v1/d/telemetry", MQTT_L_SH_TELEMETRY, "d", ""},
        {"1:1:d", "sh/v1/d/attr", MQTT_L_SH_ATTR, "d", ""},
        {"1:1:d", "sh/v1/d/event/hot", MQTT_L_SH_EVENT, "d", "hot"},
        {"1:1:a/b", "sh/v1/a%2Fb/telemetry", MQTT_L_SH_TELEMETRY, "a/b", ""},
        {"1:1:d", "sh/v1/d/other", MQTT_L_NONE, "", ""},
        {"1:1:d", "sh/v1/d/event/a/b", MQTT_L_NONE, "", ""},
        {"1:1", "sh/v1/d/telemetry", MQTT_L_SH_TELEMETRY, "d", ""}, /* a role may */
        {"1:1:d", "v1/devices/me/telemetry", MQTT_L_TB_TELEMETRY, "d", ""},
        {"1:1:d", "v1/devices/me/attributes", MQTT_L_TB_ATTR, "d", ""},
        {"1:1:d", "v1/devices/me/claim", MQTT_L_NONE, "", ""},
        {"1:1:gw", "v1/gateway/telemetry", MQTT_L_TB_GW_TELEMETRY, "gw", ""},
        {"1:1:gw", "v1/gateway/attributes", MQTT_L_TB_GW_ATTR, "gw", ""},
        {"1:1:gw", "v1/gateway/connect", MQTT_L_TB_GW_CONNECT, "gw", ""},
        {"1:1:gw", "v1/gateway/disconnect", MQTT_L_TB_GW_DISCONNECT, "gw", ""},
        {"1:1", "plant/l1/m7/temp", MQTT_L_MAPPED, "l1.m7", "temp"},
        {"1:1", "plant/l1/m7", MQTT_L_NONE, "", ""},
        {"1:1", "v1/devices/me/telemetry", MQTT_L_NONE, "", ""}, /* nobody's "me" */
    };
    static const struct mqtt_mapping map = {
        .id = 5, .filter = {"plant/+/+/+", 11}, .device = {"{1}.{2}", 7}, .property = {"{3}", 3}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix *f = fix_new(NULL, false);
        struct cli c;
        assert_ok(mqtt_broker_set_mappings(f->b, 1, &map, 1));
        cli_up_as(&c, f, 5, "c", rows[i].user);
        cli_pub(&c, rows[i].topic, "{\"a\":1}", 1, false, 1);
        cli_expect(&c, MQTT_PUBACK);
        assert_int_equal(f->ntelemetry, rows[i].layout != MQTT_L_NONE);
        assert_int_equal(f->layout, rows[i].layout);
        assert_string_equal(f->device, rows[i].device);
        assert_string_equal(f->property, rows[i].property);
        assert_int_equal(f->mapping, rows[i].layout == MQTT_L_MAPPED ? 5 : 0);
        cli_drop(&c);
        fix_free(f);
    }
}

static void test_telemetry_answers_wait_for_done(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    f->hold_telemetry = true;
    cli_up_as(&c, f, 5, "c", "1:1:d");
    cli_pub(&c, "sh/v1/d/telemetry", "1", 1, false, 1);
    cli_pub(&c, "sh/v1/d/telemetry", "2", 2, false, 2);
    cli_pub(&c, "sh/v1/d/telemetry", "3", 1, false, 3);
    cli_expect_none(&c);
    fix_telemetry_done(f, 1, SH_OK); /* out of order: the answers keep theirs */
    fix_telemetry_done(f, 2, SH_E_PROTO);
    cli_expect_none(&c);
    fix_telemetry_done(f, 0, SH_OK);
    cli_expect(&c, MQTT_PUBACK);
    assert_int_equal(c.p.ack.packet_id, 1);
    assert_int_equal(c.p.ack.code, 0);
    cli_expect(&c, MQTT_PUBREC);
    cli_expect(&c, MQTT_PUBACK);
    assert_int_equal(c.p.ack.code, 0x99); /* unreadable */
    assert_int_equal(fix_counters(f).refused_unreadable, 1);
    cli_pub(&c, "sh/v1/d/telemetry", "4", 1, false, 4);
    cli_drop(&c); /* gone before done */
    fix_telemetry_done(f, 3, SH_OK);
    fix_free(f);
}

static void test_refused_telemetry_has_its_reason(void **state) /* 0x87, 0x99 */
{
    (void)state;
    static const struct {
        sh_err e;
        int code;
    } rows[] = {{SH_E_DENIED, 0x87}, {SH_E_PROTO, 0x99}, {SH_E_INVAL, 0x99}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        for (int v = 4; v <= 5; v++) {
            struct fix *f = fix_new(NULL, false);
            struct cli c;
            struct cli s;
            cli_up_as(&c, f, v, "c", "1:1:d");
            cli_up(&s, f, 4, "s");
            assert_int_equal(cli_sub(&s, "#", 0), 0);
            f->telemetry_says = rows[i].e;
            cli_pub(&c, "sh/v1/d/telemetry", "x", 1, false, 1);
            cli_expect(&c, MQTT_PUBACK);
            assert_int_equal(c.p.ack.code, v == 5 ? rows[i].code : 0);
            cli_expect_none(&s); /* not handed on */
            cli_drop(&c);
            cli_drop(&s);
            fix_free(f);
        }
    }
}

/* 5.0 is told; the acknowledgement of 3.1.1 would say "stored", so it waits for room. */
static void test_full_disk_refuses_5_and_holds_311_back(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up_as(&c, f, 5, "c5", "1:1:d");
    f->telemetry_says = SH_E_FULL;
    for (int qos = 1; qos <= 2; qos++) {
        cli_pub(&c, "sh/v1/d/telemetry", "x", qos, false, (uint16_t)qos);
        cli_expect(&c, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC);
        assert_int_equal(c.p.ack.code, 0x97);
        assert_true(c.reading);
    }
    cli_pub(&c, "sh/v1/d/telemetry", "x", 0, false, 0); /* QoS 0 is lost, counted */
    assert_int_equal(fix_counters(f).telemetry_lost, 1);
    cli_drop(&c);
    for (int qos = 1; qos <= 2; qos++) {
        f->telemetry_says = SH_E_FULL;
        cli_up_as(&c, f, 4, "c4", "1:1:d");
        cli_pub(&c, "sh/v1/d/telemetry", "y", qos, false, 7);
        assert_false(c.reading);
        cli_expect_none(&c);
        f->telemetry_says = SH_OK;
        fix_tick(f, 1);
        cli_feed(&c);
        cli_expect(&c, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC);
        assert_int_equal(c.p.ack.packet_id, 7);
        assert_int_equal(f->ntelemetry, qos);
        cli_drop(&c);
    }
    fix_free(f);
}

/* Past the disk's last mark nothing is stored that grows; what shrinks the store goes on. */
static void test_nearly_full_disk_stores_no_message(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli p;
    struct cli s;
    struct cli live;
    assert_int_equal(cli_connect(&s, f, 5, &(struct con){.id = "s", .expiry_s = 1000}), 0);
    assert_int_equal(cli_sub(&s, "q/#", 1), 1);
    cli_up(&live, f, 4, "live");
    assert_int_equal(cli_sub(&live, "now", 1), 1);
    cli_up(&p, f, 4, "p");
    cli_pub_done(&p, "q/before", "1", 1, true, 1);
    cli_expect_pub(&s, "q/before", "1", 1);
    const uint16_t pid = s.p.publish.packet_id;
    atomic_store(&f->full, true);
    cli_pub_done(&p, "now", "live", 1, false, 2); /* nothing to store */
    cli_expect_pub(&live, "now", "live", 1);
    const uint64_t records = fix_counters(f).log_records;
    cli_ack(&s, MQTT_PUBACK, pid, 0); /* acknowledgements and subscriptions go on */
    assert_int_equal(cli_sub(&s, "r", 1), 1);
    assert_int_equal(cli_unsub(&s, "q/#"), 0);
    assert_true(fix_counters(f).log_records > records);
    cli_pub_done(&p, "q/before", "", 1, true, 3); /* a retained message is removed */
    assert_int_equal(fix_counters(f).retained, 0);
    cli_pub(&p, "r", "queued", 1, false, 4); /* would be stored for s: waits */
    assert_false(p.reading);
    cli_expect_none(&p);
    cli_expect_none(&s);
    fix_tick(f, 1);
    cli_feed(&p);
    assert_false(p.reading);
    atomic_store(&f->full, false);
    fix_tick(f, 1);
    cli_feed(&p);
    cli_expect(&p, MQTT_PUBACK);
    cli_expect_pub(&s, "r", "queued", 1);
    cli_drop(&p);
    cli_drop(&s);
    cli_drop(&live);
    fix_free(f);
}

static void test_busy_telemetry_stops_reading(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli c;
    cli_up_as(&c, f, 4, "c", "1:1:d");
    f->telemetry_says = SH_E_LIMIT;
    cli_pub(&c, "sh/v1/d/telemetry", "x", 0, false, 0); /* QoS 0 is lost, counted */
    assert_int_equal(fix_counters(f).telemetry_lost, 1);
    assert_true(c.reading);
    cli_pub(&c, "sh/v1/d/telemetry", "y", 1, false, 1);
    assert_false(c.reading);
    cli_expect_none(&c);
    f->telemetry_says = SH_OK;
    fix_tick(f, 1);
    cli_feed(&c);
    cli_expect(&c, MQTT_PUBACK);
    assert_int_equal(f->ntelemetry, 1);
    assert_string_equal(f->payload, "y");
    cli_drop(&c);
    fix_free(f);
}

static void test_stall_after_telemetry_gives_it_once(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, true);
    struct cli c;
    cli_up_as(&c, f, 5, "c", "1:1:d");
    f->refuse_append = true;
    cli_pub(&c, "sh/v1/d/telemetry", "x", 1, true, 1); /* retained: needs the log too */
    assert_int_equal(f->ntelemetry, 1);
    cli_expect_none(&c);
    f->refuse_append = false;
    fix_tick(f, 1);
    cli_feed(&c);
    cli_expect(&c, MQTT_PUBACK);
    assert_int_equal(c.p.ack.code, 0);
    assert_int_equal(f->ntelemetry, 1);
    cli_drop(&c);
    fix_free(f);
}

struct heard {
    struct fix *f;
    int n;
    char topic[64];
    char device[32];
    bool answer;
};

static void on_heard(void *ctx, const struct mqtt_inbound *m)
{
    struct heard *h = ctx;
    h->n++;
    memset(h->topic, 0, sizeof h->topic);
    memcpy(h->topic, m->topic.p, m->topic.n);
    memset(h->device, 0, sizeof h->device);
    if (m->from != NULL) {
        memcpy(h->device, m->from->device.p, m->from->device.n);
    }
    if (h->answer) {
        assert_ok(mqtt_publish_internal(h->f->b, m->tenant, SH_STR("answer"), sh_bytes_of("a", 1),
                                        1, false));
    }
}

static void test_platform_subscribes_and_publishes(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli d;
    struct cli s;
    struct heard h = {.f = f, .answer = true};
    struct mqtt_internal_sub *sub = NULL;
    assert_ok(mqtt_subscribe_internal(f->b, 0, SH_STR("sh/v1/+/cmd/+/reply"), on_heard, &h, &sub));
    cli_up_as(&d, f, 5, "d", "7:1:pump");
    cli_up_as(&s, f, 5, "s", "7:2");
    assert_int_equal(cli_sub(&d, "sh/v1/pump/cmd/+", 1), 1);
    assert_int_equal(cli_sub(&s, "answer", 1), 1);
    assert_ok(mqtt_publish_internal(f->b, 7, SH_STR("sh/v1/pump/cmd/17"), sh_bytes_of("on", 2), 1,
                                    false));
    mqtt_broker_flush(f->b);
    cli_expect_pub(&d, "sh/v1/pump/cmd/17", "on", 1);
    cli_pub(&d, "sh/v1/pump/cmd/17/reply", "ok", 1, false, 1);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.topic, "sh/v1/pump/cmd/17/reply");
    assert_string_equal(h.device, "pump");
    cli_expect_pub(&s, "answer", "a", 1); /* published from inside the callback */
    mqtt_unsubscribe_internal(f->b, sub);
    cli_pub(&d, "sh/v1/pump/cmd/17/reply", "ok", 0, false, 0);
    assert_int_equal(h.n, 1);
    assert_int_equal(mqtt_publish_internal(f->b, 7, SH_STR("a/#"), sh_bytes_of("", 0), 0, false),
                     SH_E_INVAL);
    cli_drop(&d);
    cli_drop(&s);
    fix_free(f);
}

static void test_device_events_tell_first_and_last(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    struct cli b;
    cli_up_as(&a, f, 4, "a", "1:1:d");
    cli_up_as(&b, f, 4, "b", "1:1:d");
    assert_int_equal(f->online, 1);
    cli_drop(&a);
    assert_int_equal(f->offline, 0);
    cli_drop(&b);
    assert_int_equal(f->offline, 1);
    fix_free(f);
}

static bool on_session(void *ctx, const struct mqtt_session_info *s)
{
    int *n = ctx;
    *n += s->connected ? 1 : 100;
    return true;
}

static void test_kick_and_lists(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    struct cli b;
    const struct con o = {.id = "b", .clean = false, .expiry_s = 50};
    cli_up(&a, f, 5, "a");
    assert_int_equal(cli_connect(&b, f, 5, &o), 0);
    int n = 0;
    mqtt_broker_sessions(f->b, 1, on_session, &n);
    assert_int_equal(n, 2);
    assert_int_equal(mqtt_broker_kick(f->b, 1, 0, SH_STR("b"), false), 1);
    cli_expect(&b, MQTT_DISCONNECT);
    assert_int_equal(b.p.ack.code, 0x98);
    cli_drop(&b);
    n = 0;
    mqtt_broker_sessions(f->b, 0, on_session, &n);
    assert_int_equal(n, 101);
    assert_int_equal(mqtt_broker_kick(f->b, 1, 1, (struct sh_str){NULL, 0}, true), 2);
    assert_int_equal(fix_counters(f).sessions, 0);
    cli_drop(&a);
    fix_free(f);
}

static void test_connection_limits(void **state)
{
    (void)state;
    const struct mqtt_limits l = {.max_tenant_connections = 1};
    struct fix *f = fix_new(&l, false);
    struct cli a;
    struct cli b;
    cli_up(&a, f, 5, "a");
    const struct con o = {.id = "b", .clean = true};
    assert_int_equal(cli_connect(&b, f, 5, &o), 0x97);
    cli_drop(&b);
    const struct con other = {.id = "b", .clean = true, .user = "2:1"};
    assert_int_equal(cli_connect(&b, f, 5, &other), 0);
    cli_drop(&b);
    cli_drop(&a);
    fix_free(f);
}

static void test_shutdown_tells_everybody(void **state)
{
    (void)state;
    struct fix *f = fix_new(NULL, false);
    struct cli a;
    cli_up(&a, f, 5, "a");
    mqtt_broker_shutdown(f->b);
    cli_expect(&a, MQTT_DISCONNECT);
    assert_int_equal(a.p.ack.code, 0x8B);
    assert_true(a.closed);
    cli_drop(&a);
    fix_free(f);
}

static void test_deep_topics_and_many_filters(void **state)
{
    (void)state;
    const struct mqtt_limits l = {.max_subscriptions = 20000, .max_queued = 20000};
    struct fix *f = fix_new(&l, false);
    struct cli c;
    cli_up(&c, f, 5, "c");
    char topic[512];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(topic, sizeof topic, "w/%d/+/%d/#", i % 100, i);
        assert_int_equal(cli_sub(&c, topic, 0), 0);
    }
    size_t n = 0;
    for (int i = 0; i < 150; i++) {
        topic[n++] = 'a';
        topic[n++] = '/';
    }
    topic[n] = 0;
    assert_int_equal(cli_sub(&c, topic, 0), 0);
    cli_pub(&c, topic, "deep", 0, false, 0);
    cli_expect_pub(&c, topic, "deep", 0);
    cli_pub(&c, "w/7/x/107/y", "m", 0, false, 0);
    cli_expect_pub(&c, "w/7/x/107/y", "m", 0);
    cli_expect_none(&c);
    for (int i = 0; i < 60; i++) { /* over 200 levels */
        topic[n++] = 'a';
        topic[n++] = '/';
    }
    topic[n] = 0;
    assert_int_equal(cli_sub(&c, topic, 0), 0x8F);
    cli_drop(&c);
    assert_int_equal(fix_counters(f).subscriptions, 0);
    fix_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tenants_never_meet),
        cmocka_unit_test(test_device_stays_below_its_own_topics),
        cmocka_unit_test(test_me_topics_are_each_devices_own),
        cmocka_unit_test(test_layouts_are_recognised),
        cmocka_unit_test(test_telemetry_answers_wait_for_done),
        cmocka_unit_test(test_refused_telemetry_has_its_reason),
        cmocka_unit_test(test_full_disk_refuses_5_and_holds_311_back),
        cmocka_unit_test(test_nearly_full_disk_stores_no_message),
        cmocka_unit_test(test_busy_telemetry_stops_reading),
        cmocka_unit_test(test_stall_after_telemetry_gives_it_once),
        cmocka_unit_test(test_platform_subscribes_and_publishes),
        cmocka_unit_test(test_device_events_tell_first_and_last),
        cmocka_unit_test(test_kick_and_lists),
        cmocka_unit_test(test_connection_limits),
        cmocka_unit_test(test_shutdown_tells_everybody),
        cmocka_unit_test(test_deep_topics_and_many_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
