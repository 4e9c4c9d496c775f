/* mqtt_msg.c - message objects: one block, counted references, immutable.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static void copy(uint8_t *to, const void *from, size_t n)
{
    if (n > 0) {
        memcpy(to, from, n);
    }
}

struct mqtt_msg *mqtt_msg_new(struct mqtt_broker *b, const struct mqtt_pub *p)
{
    const size_t n = sizeof(struct mqtt_msg) + p->topic.n + p->props.n + p->payload.n;
    struct mqtt_msg *m = sh_mem_resize(b->alloc, NULL, n);
    if (m == NULL) {
        return NULL;
    }
    *m = (struct mqtt_msg){.refs = 1,
                           .topic_n = (uint32_t)p->topic.n,
                           .props_n = (uint32_t)p->props.n,
                           .payload_n = (uint32_t)p->payload.n,
                           .expires_us = p->expires_us,
                           .from_sid = p->from_sid,
                           .qos = p->qos};
    copy(m->bytes, p->topic.p, p->topic.n);
    copy(m->bytes + p->topic.n, p->props.p, p->props.n);
    copy(m->bytes + p->topic.n + p->props.n, p->payload.p, p->payload.n);
    b->n.messages_stored++;
    b->n.message_bytes += n;
    return m;
}

void mqtt_msg_unref(struct mqtt_broker *b, struct mqtt_msg *m)
{
    if (m == NULL || --m->refs > 0) {
        return;
    }
    b->n.messages_stored--;
    b->n.message_bytes -= mqtt_msg_size(m);
    sh_mem_free(b->alloc, m);
}

struct mqtt_msg *mqtt_pub_keep(struct mqtt_broker *b, struct mqtt_pub *p)
{
    if (p->msg == NULL) {
        p->msg = mqtt_msg_new(b, p);
        if (p->msg == NULL) {
            return NULL;
        }
    }
    p->msg->refs++;
    return p->msg;
}

struct mqtt_pub mqtt_pub_of(struct mqtt_tenant *t, struct mqtt_msg *m)
{
    return (struct mqtt_pub){
        .tenant = t,
        .topic = mqtt_msg_topic(m),
        .props = {m->bytes + m->topic_n, m->props_n},
        .payload = {m->bytes + m->topic_n + m->props_n, m->payload_n},
        .expires_us = m->expires_us,
        .from_sid = m->from_sid,
        .qos = m->qos,
        .msg = m,
    };
}
