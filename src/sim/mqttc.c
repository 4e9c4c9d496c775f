/* mqttc.c - see mqttc.h.
 *
 * Invariants:
 *  1. The outbox is a ring of n messages in the order of publishing; the first `sent` of them were
 * sent on this connection and wait for PUBACK. PUBACKs may come in any order; a message that is
 * acknowledged but not at the front is marked and leaves when the front does.
 *  2. After a reconnect all of them are sent again, with DUP where they had been sent (4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqttc.h"

enum {
    P_CONNECT = 0x10,
    P_CONNACK = 0x20,
    P_PUBLISH = 0x30,
    P_PUBACK = 0x40,
    P_SUBSCRIBE = 0x82,
    P_SUBACK = 0x90,
    P_PINGREQ = 0xc0,
    P_PINGRESP = 0xd0
};

struct mqttc_msg {
    uint8_t *p; /* topic, then payload */
    uint32_t topic_n;
    uint32_t n;
    uint16_t id;
    bool dup;
    bool acked;
};

sh_err mqttc_init(struct mqttc *m, const struct sh_alloc *a, const struct mqttc_opts *o)
{
    *m = (struct mqttc){.o = *o, .alloc = a};
    m->outbox = sh_mem_array(a, MQTTC_OUTBOX, sizeof *m->outbox);
    return m->outbox == NULL ? SH_E_NOMEM : SH_OK;
}

static struct mqttc_msg *at(struct mqttc *m, uint32_t i)
{
    return &m->outbox[(m->head + i) % MQTTC_OUTBOX];
}

static void pop(struct mqttc *m)
{
    sh_mem_free(m->alloc, at(m, 0)->p);
    m->head = (m->head + 1) % MQTTC_OUTBOX;
    m->n--;
    m->sent -= m->sent > 0;
}

void mqttc_fini(struct mqttc *m)
{
    while (m->n > 0) {
        pop(m);
    }
    sh_mem_free(m->alloc, m->outbox);
    *m = (struct mqttc){0};
}

/* Fixed header with the remaining length (2.2.3). */
static sh_err put_head(struct sh_buf *out, uint8_t first, size_t n)
{
    SH_TRY(sh_buf_put_u8(out, first));
    do {
        const uint8_t b = (uint8_t)(n % 128);
        n /= 128;
        SH_TRY(sh_buf_put_u8(out, (uint8_t)(n > 0 ? b | 0x80 : b)));
    } while (n > 0);
    return SH_OK;
}

static sh_err put_str(struct sh_buf *out, struct sh_str s)
{
    SH_TRY(sh_buf_put_be16(out, (uint16_t)s.n));
    return sh_buf_put_str(out, s);
}

sh_err mqttc_opened(struct mqttc *m, int64_t now_us, struct sh_buf *out)
{
    const bool user = m->o.user.n > 0;
    const bool password = m->o.password.n > 0;
    const size_t n = 10 + 2 + m->o.client_id.n + (user ? 2 + m->o.user.n : 0) +
                     (password ? 2 + m->o.password.n : 0);
    m->open = true;
    m->connected = false;
    m->ping_us = 0;
    m->last_out_us = now_us;
    SH_TRY(put_head(out, P_CONNECT, n));
    SH_TRY(put_str(out, SH_STR("MQTT")));
    SH_TRY(sh_buf_put_u8(out, 4)); /* protocol level of 3.1.1 (3.1.2.2) */
    /* Flags (3.1.2.3): a clean session, since the outbox keeps what the server has not. */
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(0x02 | (user ? 0x80 : 0) | (password ? 0x40 : 0))));
    SH_TRY(sh_buf_put_be16(out, MQTTC_KEEPALIVE_S));
    SH_TRY(put_str(out, m->o.client_id));
    if (user) {
        SH_TRY(put_str(out, m->o.user));
    }
    return password ? put_str(out, m->o.password) : SH_OK;
}

void mqttc_closed(struct mqttc *m)
{
    m->open = false;
    m->connected = false;
    m->sent = 0;
}

static sh_err subscribe(struct mqttc *m, struct sh_buf *out)
{
    size_t n = 2;
    const char *const *t = m->o.subscribe;
    if (t == NULL || *t == NULL) {
        return SH_OK;
    }
    for (; *t != NULL; t++) {
        n += 3 + strlen(*t);
    }
    SH_TRY(put_head(out, P_SUBSCRIBE, n));
    SH_TRY(sh_buf_put_be16(out, 65535)); /* messages use ids below */
    for (t = m->o.subscribe; *t != NULL; t++) {
        SH_TRY(put_str(out, sh_str_c(*t)));
        SH_TRY(sh_buf_put_u8(out, 1));
    }
    return SH_OK;
}

static sh_err on_connack(struct mqttc *m, struct sh_bytes body, struct sh_buf *out)
{
    if (body.n != 2 || m->connected) {
        return SH_E_PROTO;
    }
    m->refused = body.p[1];
    if (body.p[1] != 0) {
        return SH_E_DENIED;
    }
    m->connected = true;
    return subscribe(m, out);
}

static void on_puback(struct mqttc *m, uint16_t id)
{
    for (uint32_t i = 0; i < m->sent; i++) {
        if (at(m, i)->id == id && !at(m, i)->acked) {
            at(m, i)->acked = true;
            m->acked++;
            break;
        }
    }
    while (m->sent > 0 && at(m, 0)->acked) {
        pop(m);
    }
}

static sh_err on_publish(struct mqttc *m, uint8_t first, struct sh_bytes body, struct sh_buf *out)
{
    struct sh_rd r = sh_rd_of(body);
    uint16_t n = 0;
    uint16_t id = 0;
    struct sh_bytes topic;
    const unsigned qos = first >> 1 & 3;
    SH_TRY(sh_rd_be16(&r, &n));
    SH_TRY(sh_rd_bytes(&r, n, &topic));
    if (qos > 1) {
        return SH_E_PROTO; /* we asked for QoS 1 at most */
    }
    if (qos == 1) {
        SH_TRY(sh_rd_be16(&r, &id));
        SH_TRY(put_head(out, P_PUBACK, 2));
        SH_TRY(sh_buf_put_be16(out, id));
    }
    if (m->o.on_message != NULL) {
        m->o.on_message(m->o.ctx, sh_bytes_str(topic), (struct sh_bytes){r.p, sh_rd_left(&r)});
    }
    return SH_OK;
}

static sh_err on_packet(struct mqttc *m, uint8_t first, struct sh_bytes body, struct sh_buf *out)
{
    if (first == P_CONNACK) {
        return on_connack(m, body, out);
    }
    if (!m->connected) {
        return SH_E_PROTO;
    }
    if ((first & 0xf0) == P_PUBLISH) {
        return on_publish(m, first, body, out);
    }
    if (first == P_PUBACK) {
        if (body.n != 2) {
            return SH_E_PROTO;
        }
        on_puback(m, sh_be16(body.p));
    } else if (first == P_PINGRESP) {
        m->ping_us = 0;
    } else if (first != P_SUBACK) {
        return SH_E_PROTO;
    }
    return SH_OK;
}

/* Packet at the front: its head and body. */
static sh_err next_packet(struct sh_bytes in, size_t *head, size_t *body)
{
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        if (in.n < i + 2) {
            return SH_E_AGAIN;
        }
        n |= (size_t)(in.p[i + 1] & 0x7f) << (7 * i);
        if ((in.p[i + 1] & 0x80) == 0) {
            *head = i + 2;
            *body = n;
            if (n > MQTTC_PACKET) {
                return SH_E_PROTO;
            }
            return in.n - *head < n ? SH_E_AGAIN : SH_OK;
        }
    }
    return SH_E_PROTO;
}

sh_err mqttc_bytes(struct mqttc *m, int64_t now_us, struct sh_bytes in, size_t *used,
                   struct sh_buf *out)
{
    *used = 0;
    for (;;) {
        size_t head = 0;
        size_t body = 0;
        const struct sh_bytes rest = {in.p + *used, in.n - *used};
        const sh_err err = next_packet(rest, &head, &body);
        if (err == SH_E_AGAIN) {
            break;
        }
        SH_TRY(err);
        SH_TRY(on_packet(m, rest.p[0], (struct sh_bytes){rest.p + head, body}, out));
        *used += head + body;
    }
    return mqttc_pump(m, now_us, out);
}

sh_err mqttc_publish(struct mqttc *m, struct sh_str topic, struct sh_bytes payload)
{
    if (topic.n == 0 || topic.n + payload.n > MQTTC_PACKET - 512) {
        return SH_E_LIMIT;
    }
    uint8_t *p = sh_mem_new(m->alloc, topic.n + payload.n);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    memcpy(p, topic.p, topic.n);
    if (payload.n > 0) {
        memcpy(p + topic.n, payload.p, payload.n);
    }
    if (m->n == MQTTC_OUTBOX) {
        pop(m);
        m->dropped++;
    }
    m->next_id = (uint16_t)(m->next_id % 65000 + 1);
    *at(m, m->n) = (struct mqttc_msg){.p = p,
                                      .topic_n = (uint32_t)topic.n,
                                      .n = (uint32_t)(topic.n + payload.n),
                                      .id = m->next_id};
    m->n++;
    return SH_OK;
}

static sh_err send_message(struct mqttc_msg *g, struct sh_buf *out)
{
    const size_t before = out->n;
    sh_err err = put_head(out, (uint8_t)(P_PUBLISH | 0x02 | (g->dup ? 0x08 : 0)), 4 + (size_t)g->n);
    if (err == SH_OK) {
        err = put_str(out, sh_str_of((const char *)g->p, g->topic_n));
    }
    if (err == SH_OK) {
        err = sh_buf_put_be16(out, g->id);
    }
    if (err == SH_OK) {
        err = sh_buf_put(out, g->p + g->topic_n, g->n - g->topic_n);
    }
    if (err != SH_OK) {
        out->n = before;
        return err;
    }
    g->dup = true;
    return SH_OK;
}

sh_err mqttc_pump(struct mqttc *m, int64_t now_us, struct sh_buf *out)
{
    const int64_t half = (int64_t)MQTTC_KEEPALIVE_S * 500000;
    if (!m->open) {
        return SH_OK;
    }
    if (m->ping_us != 0 && now_us - m->ping_us > half) {
        return SH_E_TIMEOUT;
    }
    if (!m->connected) {
        return now_us - m->last_out_us > half ? SH_E_TIMEOUT : SH_OK;
    }
    while (m->sent < m->n && m->sent < MQTTC_WINDOW) {
        struct mqttc_msg *g = at(m, m->sent);
        g->acked = false;
        const sh_err err = send_message(g, out);
        if (err == SH_E_LIMIT && out->n > 0) {
            break; /* the rest goes with the next call */
        }
        SH_TRY(err);
        m->sent++;
        m->last_out_us = now_us;
    }
    if (now_us - m->last_out_us >= half && m->ping_us == 0) { /* 3.1.2.10 */
        SH_TRY(put_head(out, P_PINGREQ, 0));
        m->ping_us = now_us;
        m->last_out_us = now_us;
    }
    return SH_OK;
}
