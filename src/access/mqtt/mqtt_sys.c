/* mqtt_sys.c - $SYS/broker/...: counters of a tenant's tree under mosquitto's names, retained and
 * never logged. Told at an interval to trees in which somebody listens.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "mqtt_int.h"

static uint64_t sum3(const uint64_t v[3])
{
    return v[0] + v[1] + v[2];
}

static void tell(struct mqtt_broker *b, struct mqtt_tenant *t, const char *name, const char *text)
{
    char topic[96];
    const int n = snprintf(topic, sizeof topic, "$SYS/broker/%s", name);
    if (n < 0 || (size_t)n >= sizeof topic) {
        return;
    }
    struct mqtt_pub p = {.tenant = t,
                         .topic = {topic, (size_t)n},
                         .payload = {(const uint8_t *)text, strlen(text)},
                         .expires_us = MQTT_FAR,
                         .retain = true,
                         .volatile_retain = true};
    uint64_t rn = 0;
    if (mqtt_route(b, &p, &rn) != SH_OK) {
        sh_log(b->env->log, SH_LOG_DEBUG, "mqtt", "$SYS: no memory");
    }
    mqtt_msg_unref(b, p.msg);
}

static void number(struct mqtt_broker *b, struct mqtt_tenant *t, const char *name, uint64_t v)
{
    char text[SH_I64_CHARS + 1] = {0};
    text[sh_u64_print(v, text)] = 0;
    tell(b, t, name, text);
}

void mqtt_sys_tell(struct mqtt_broker *b, struct mqtt_tenant *t)
{
    const struct mqtt_counters n = t->n;
    const uint64_t away = n.sessions - n.connections;
    const struct {
        const char *name;
        uint64_t v;
    } rows[] = {
        {"clients/total", n.sessions},
        {"clients/connected", n.connections},
        {"clients/active", n.connections},
        {"clients/disconnected", away},
        {"clients/inactive", away},
        {"clients/maximum", n.connections_max},
        {"clients/expired", n.sessions_expired},
        {"messages/received", n.packets_in},
        {"messages/sent", n.packets_out},
        {"messages/stored", b->n.messages_stored},
        {"publish/messages/received", sum3(n.publish_in)},
        {"publish/messages/sent", sum3(n.publish_out)},
        {"publish/messages/dropped", n.dropped_slow + n.dropped_queue},
        {"publish/bytes/received", n.publish_bytes_in},
        {"publish/bytes/sent", n.publish_bytes_out},
        {"bytes/received", n.bytes_in},
        {"bytes/sent", n.bytes_out},
        {"store/messages/count", b->n.messages_stored},
        {"store/messages/bytes", b->n.message_bytes},
        {"retained messages/count", n.retained},
        {"subscriptions/count", n.subscriptions},
        {"shared_subscriptions/count", n.shared_subscriptions},
    };
    char text[SH_I64_CHARS + 16] = {0};
    t->sys_us = b->now_us;
    tell(b, t, "version", b->version.p);
    const size_t at = sh_u64_print((uint64_t)((b->now_us - b->start_us) / 1000000), text);
    memcpy(text + at, " seconds", sizeof " seconds");
    tell(b, t, "uptime", text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        number(b, t, rows[i].name, rows[i].v);
    }
}

void mqtt_sys_tick(struct mqtt_broker *b)
{
    for (struct mqtt_tenant *t = b->tenants; t != NULL; t = t->next) {
        const bool listened = mqtt_tree_child(&t->subs, t->subs.root, SH_STR("$SYS")) != NULL;
        if (listened && b->now_us - t->sys_us >= (int64_t)b->lim.sys_interval_ms * 1000) {
            mqtt_sys_tell(b, t);
        }
    }
}
