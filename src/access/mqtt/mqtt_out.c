/* mqtt_out.c - encoded bytes for a connection. A connection has a buffer only while it holds bytes
 * that the transport has not taken; small ones come from a pool of the broker. What a loop turn
 * gathers leaves in one write at its end (mqtt_broker_flush).
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { CROWD = 4 }; /* from this part of the limit on, input waits for the other loop to write */

static void block_free(struct mqtt_broker *b, uint8_t *p, uint32_t cap)
{
    if (cap == MQTT_OUT_SMALL && b->npool < MQTT_OUT_POOL) {
        b->pool[b->npool++] = p;
    } else {
        sh_mem_free(b->alloc, p);
    }
}

static void buffer_free(struct mqtt_conn *c)
{
    block_free(c->b, c->out, c->out_cap);
    c->out = NULL;
    c->out_cap = 0;
    c->out_n = 0;
    c->out_off = 0;
}

void mqtt_out_free(struct mqtt_conn *c)
{
    buffer_free(c);
}

/* Room for n more bytes; returns where they go, or NULL without memory. */
static uint8_t *reserve(struct mqtt_conn *c, size_t n)
{
    struct mqtt_broker *b = c->b;
    if (c->out == NULL && n <= MQTT_OUT_SMALL) {
        c->out = b->npool > 0 ? b->pool[--b->npool] : sh_mem_resize(b->alloc, NULL, MQTT_OUT_SMALL);
        c->out_cap = c->out == NULL ? 0 : MQTT_OUT_SMALL;
    }
    if (c->out != NULL && c->out_off > 0 && c->out_n + n > c->out_cap) {
        memmove(c->out, c->out + c->out_off, c->out_n - c->out_off);
        c->out_n -= c->out_off;
        c->out_off = 0;
    }
    if (c->out_n + n > c->out_cap) {
        size_t cap = c->out_cap < MQTT_OUT_BLOCK ? MQTT_OUT_BLOCK : c->out_cap;
        while (cap < c->out_n + n) {
            cap *= 2;
        }
        uint8_t *p = cap > UINT32_MAX ? NULL : sh_mem_resize(b->alloc, c->out, cap);
        if (p == NULL) {
            return NULL;
        }
        c->out = p;
        c->out_cap = (uint32_t)cap;
    }
    mqtt_lane_mark(c);
    return c->out + c->out_n;
}

void mqtt_out_write(struct mqtt_conn *c)
{
    if (c->out_n == c->out_off || c->gone || !mqtt_lane_here(c)) {
        return;
    }
    size_t took = 0;
    while (c->out_off < c->out_n) { /* until all is taken or nothing more is */
        const size_t n =
            c->ops->write(mqtt_conn_room(c), c->out + c->out_off, c->out_n - c->out_off);
        if (n == 0) {
            break;
        }
        c->out_off += (uint32_t)n;
        took += n;
    }
    c->b->n.bytes_out += took;
    if (c->s != NULL) {
        c->s->tenant->n.bytes_out += took;
    }
    if (c->out_off == c->out_n) {
        c->blocked = false;
        buffer_free(c);
    }
}

void mqtt_out_back(struct mqtt_conn *c, uint8_t *p, uint32_t cap, uint32_t off, uint32_t n)
{
    struct mqtt_broker *b = c->b;
    const uint32_t left = n - off;
    const uint32_t newer = c->out_n - c->out_off;
    if (left == 0 || c->state == MQTT_C_ENDED) {
        block_free(b, p, cap);
        return;
    }
    c->blocked = true;
    if (newer > 0) { /* encoded meanwhile: it stands behind */
        const uint32_t all = left + newer;
        uint8_t *q = newer > UINT32_MAX - left ? NULL : sh_mem_resize(b->alloc, NULL, all);
        if (q == NULL) {
            block_free(b, p, cap);
            mqtt_conn_end(c, MQTT_R_QUOTA, true);
            return;
        }
        memcpy(q, p + off, left);
        memcpy(q + left, c->out + c->out_off, newer);
        block_free(b, p, cap);
        p = q;
        cap = all;
        off = 0;
        n = all;
    }
    if (c->out != NULL) {
        buffer_free(c);
    }
    c->out = p;
    c->out_cap = cap;
    c->out_off = off;
    c->out_n = n;
}

bool mqtt_out_room(struct mqtt_conn *c)
{
    struct mqtt_broker *b = c->b;
    const uint32_t max = b->lim.max_out_bytes;
    const uint32_t n = c->out_n - c->out_off;
    if (n >= max / CROWD && !c->blocked && !mqtt_lane_here(c)) {
        b->crowded |= (uint32_t)1 << c->lane;
    }
    if (n < max) {
        return true;
    }
    mqtt_out_write(c);
    return c->out_n - c->out_off < max;
}

void mqtt_out_raw(struct mqtt_conn *c, const uint8_t *p, size_t n)
{
    uint8_t *at = reserve(c, n);
    if (at == NULL) {
        return; /* memory is short: the client's keep-alive or retry finds out */
    }
    memcpy(at, p, n);
    c->out_n += (uint32_t)n;
    c->b->n.packets_out++;
    if (c->s != NULL) {
        c->s->tenant->n.packets_out++;
    }
}

void mqtt_out_packet(struct mqtt_conn *c, const struct mqtt_packet *p)
{
    struct sh_buf enc;
    sh_buf_init(&enc, c->b->alloc, (size_t)1 << 20);
    if (mqtt_encode(&enc, p) == SH_OK && enc.n <= c->max_packet) {
        mqtt_out_raw(c, enc.p, enc.n);
    }
    sh_buf_fini(&enc);
}

void mqtt_out_ack(struct mqtt_conn *c, uint8_t type, uint16_t pid, uint8_t code)
{
    const bool with_code = c->version == MQTT_V5 && code != 0;
    const uint8_t flags = type == MQTT_PUBREL ? 2 : 0;
    uint8_t p[5] = {(uint8_t)(type << 4 | flags), with_code ? 3 : 2};
    sh_put_be16(p + 2, pid);
    p[4] = code;
    mqtt_out_raw(c, p, with_code ? 5 : 4);
}

/* ---- PUBLISH ---- */

struct plan {
    struct sh_str head; /* replaced front of the topic */
    struct sh_str topic;
    uint32_t expiry_s;
    uint32_t props_n; /* content of the property section */
    uint16_t alias;   /* 0 = none */
    bool has_expiry;
    bool new_alias;
    uint64_t alias_hash;
    uint16_t alias_slot;
};

/* An alias for the topic: known (the topic is left out) or to be told. 5.0, 3.3.2.3.4. */
static void plan_alias(struct mqtt_conn *c, struct plan *pl)
{
    struct mqtt_aliases *a = c->aliases;
    if (a == NULL || a->out_n == 0) {
        return;
    }
    pl->alias_hash = sh_hash64(pl->topic.p, pl->topic.n, c->b->seed);
    for (uint16_t i = 0; i < a->out_used; i++) {
        if (a->out[i].hash == pl->alias_hash && sh_str_eq(a->out[i].topic, pl->topic)) {
            pl->alias = (uint16_t)(i + 1);
            pl->topic = (struct sh_str){"", 0};
            pl->head = pl->topic;
            return;
        }
    }
    pl->new_alias = true;
    pl->alias_slot = a->out_used < a->out_n ? a->out_used : a->out_turn;
    pl->alias = (uint16_t)(pl->alias_slot + 1);
}

static bool take_alias(struct mqtt_conn *c, const struct plan *pl)
{
    struct mqtt_aliases *a = c->aliases;
    struct sh_str copy = sh_str_dup(c->b->alloc, pl->topic);
    if (copy.p == NULL) {
        return false;
    }
    struct mqtt_alias_out *slot = &a->out[pl->alias_slot];
    if (pl->alias_slot == a->out_used) {
        a->out_used++;
    } else {
        sh_str_free(c->b->alloc, &slot->topic);
        a->out_turn = (uint16_t)((a->out_turn + 1) % a->out_n);
    }
    slot->topic = copy;
    slot->hash = pl->alias_hash;
    return true;
}

static uint32_t ids_size(const struct mqtt_send *s)
{
    uint32_t n = s->id == 0 ? 0 : 1 + (uint32_t)mqtt_varint_size(s->id);
    for (uint32_t i = 0; s->more != NULL && i < s->more[0]; i++) {
        n += 1 + (uint32_t)mqtt_varint_size(s->more[i + 1]);
    }
    return n;
}

static uint8_t *put_id(uint8_t *p, uint32_t id)
{
    *p++ = 0x0B;
    return p + mqtt_varint_put(p, id);
}

static uint8_t *put(uint8_t *p, const void *from, size_t n)
{
    if (n > 0) {
        memcpy(p, from, n);
    }
    return p + n;
}

static uint8_t *put_props(uint8_t *p, const struct plan *pl, const struct mqtt_send *s)
{
    p += mqtt_varint_put(p, pl->props_n);
    if (pl->has_expiry) {
        *p++ = 0x02;
        sh_put_be32(p, pl->expiry_s);
        p += 4;
    }
    if (s->id != 0) {
        p = put_id(p, s->id);
    }
    for (uint32_t i = 0; s->more != NULL && i < s->more[0]; i++) {
        p = put_id(p, s->more[i + 1]);
    }
    if (pl->alias != 0) {
        *p++ = 0x23;
        sh_put_be16(p, pl->alias);
        p += 2;
    }
    return put(p, s->p->props.p, s->p->props.n);
}

static void plan_props(struct mqtt_conn *c, const struct mqtt_send *s, struct plan *pl)
{
    if (s->p->expires_us != MQTT_FAR) { /* [MQTT-3.3.2-6]: what is left of it */
        const int64_t left = (s->p->expires_us - c->b->now_us + 999999) / 1000000;
        pl->has_expiry = true;
        pl->expiry_s = left < 0 ? 0 : (uint32_t)left;
    }
    plan_alias(c, pl);
    pl->props_n = (pl->has_expiry ? 5U : 0U) + ids_size(s) + (pl->alias != 0 ? 3U : 0U) +
                  (uint32_t)s->p->props.n;
}

sh_err mqtt_out_publish(struct mqtt_conn *c, const struct mqtt_send *s)
{
    struct plan pl = {.alias = 0};
    pl.head = (struct sh_str){"", 0};
    pl.topic = mqtt_me_out(c, s->p->topic, &pl.head);
    const bool v5 = c->version == MQTT_V5;
    if (v5) {
        plan_props(c, s, &pl);
    }
    const size_t topic_n = pl.head.n + pl.topic.n;
    const size_t body = 2 + topic_n + (s->qos > 0 ? 2 : 0) +
                        (v5 ? mqtt_varint_size(pl.props_n) + pl.props_n : 0) + s->p->payload.n;
    if (body > 268435455 || topic_n > UINT16_MAX) {
        return SH_E_LIMIT;
    }
    const size_t all = 1 + mqtt_varint_size((uint32_t)body) + body;
    if (all > c->max_packet) {
        return SH_E_LIMIT;
    }
    uint8_t *p = reserve(c, all);
    if (p == NULL || (pl.new_alias && !take_alias(c, &pl))) {
        return SH_E_NOMEM;
    }
    *p++ = (uint8_t)(MQTT_PUBLISH << 4 | (s->dup ? 8 : 0) | s->qos << 1 | (s->retain ? 1 : 0));
    p += mqtt_varint_put(p, (uint32_t)body);
    sh_put_be16(p, (uint16_t)topic_n);
    p = put(p + 2, pl.head.p, pl.head.n);
    p = put(p, pl.topic.p, pl.topic.n);
    if (s->qos > 0) {
        sh_put_be16(p, s->pid);
        p += 2;
    }
    if (v5) {
        p = put_props(p, &pl, s);
    }
    (void)put(p, s->p->payload.p, s->p->payload.n);
    c->out_n += (uint32_t)all;
    struct mqtt_tenant *t = s->p->tenant;
    MQTT_COUNT(c->b, t, packets_out, 1);
    MQTT_COUNT(c->b, t, publish_out[s->qos], 1);
    MQTT_COUNT(c->b, t, publish_bytes_out, s->p->payload.n);
    c->s->publish_out++;
    return SH_OK;
}
