/* mqtt_route.c - a message to all its subscribers.
 * Order of work: find the targets; give packet ids and check room; write the log record, the only
 * step that may refuse; then retain, queue and send, which cannot. So a message that is refused has
 * changed nothing and can be given again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static size_t size_of(const struct mqtt_pub *p)
{
    return sizeof(struct mqtt_msg) + p->topic.n + p->props.n + p->payload.n;
}

/* Packet ids and room for QoS 1 and 2. True when a target is durable. */
static bool prepare(struct mqtt_broker *b, const struct mqtt_pub *p)
{
    bool durable = false;
    for (uint32_t i = 0; i < b->nhits; i++) {
        struct mqtt_hit *h = &b->hits[i];
        if (h->s == NULL || h->qos == 0) {
            continue;
        }
        if (!mqtt_q_room(b, h->s, size_of(p))) {
            h->drop = true;
            continue;
        }
        h->pid = mqtt_q_pid(h->s);
        h->drop = h->pid == 0;
        h->logged = h->s->persistent && !h->drop;
        durable = durable || h->logged;
    }
    return durable;
}

static uint32_t *more_ids(struct mqtt_broker *b, uint32_t first, sh_err *err)
{
    uint32_t n = 0;
    for (uint32_t i = first; i != 0; i = b->more_ids[i - 1].next) {
        n++;
    }
    if (n == 0) {
        return NULL;
    }
    uint32_t *v = sh_mem_array(b->alloc, n + 1, sizeof *v);
    if (v == NULL) {
        *err = SH_E_NOMEM;
        return NULL;
    }
    v[0] = n;
    uint32_t at = 1;
    for (uint32_t i = first; i != 0; i = b->more_ids[i - 1].next) {
        v[at++] = b->more_ids[i - 1].id;
    }
    return v;
}

/* Puts the message into the session's queue. */
static sh_err enqueue(struct mqtt_broker *b, struct mqtt_pub *p, const struct mqtt_hit *h,
                      uint64_t rn)
{
    sh_err e = SH_OK;
    struct mqtt_oent o = {.id = h->id,
                          .pid = h->pid,
                          .state = MQTT_O_WAIT,
                          .flags = (uint8_t)(h->qos | (h->retain ? MQTT_O_RETAIN : 0))};
    o.more = more_ids(b, h->more, &e);
    if (h->qos == 2 && h->logged && rn > b->committed) {
        o.rn = rn;
        if (e == SH_OK) {
            e = mqtt_wait(b, rn, NULL, 0, h->s);
        }
    }
    if (e == SH_OK) {
        o.msg = mqtt_pub_keep(b, p);
        e = o.msg == NULL ? SH_E_NOMEM : mqtt_q_push(b, h->s, &o);
    }
    if (e != SH_OK) {
        mqtt_msg_unref(b, o.msg);
        sh_mem_free(b->alloc, o.more);
    }
    return e;
}

static void send_now(struct mqtt_broker *b, struct mqtt_pub *p, const struct mqtt_hit *h)
{
    sh_err e = SH_OK;
    uint32_t *more = more_ids(b, h->more, &e);
    const struct mqtt_send s = {.p = p, .more = more, .id = h->id, .retain = h->retain};
    if (e == SH_OK) {
        e = mqtt_out_publish(h->s->conn, &s);
    }
    sh_mem_free(b->alloc, more);
    if (e == SH_E_LIMIT) {
        MQTT_COUNT(b, p->tenant, dropped_large, 1);
    } else if (e != SH_OK) {
        MQTT_COUNT(b, p->tenant, dropped_slow, 1);
    }
}

static void deliver_qos0(struct mqtt_broker *b, struct mqtt_pub *p, const struct mqtt_hit *h)
{
    struct mqtt_session *s = h->s;
    struct mqtt_conn *c = s->conn;
    if (c == NULL) {
        return; /* QoS 0 is not kept for those who are away */
    }
    if (c->open_told && s->q->sent == s->q->n && mqtt_out_room(c)) {
        send_now(b, p, h);
        return;
    }
    if (s->q->n - s->q->done >= b->lim.max_queued || s->q->bytes >= b->lim.max_queued_bytes ||
        enqueue(b, p, h, 0) != SH_OK) {
        MQTT_COUNT(b, p->tenant, dropped_slow, 1);
        s->dropped++;
    }
}

static void deliver(struct mqtt_broker *b, struct mqtt_pub *p, const struct mqtt_hit *h,
                    uint64_t rn)
{
    if (h->drop) {
        return;
    }
    p->targets++;
    if (h->qos == 0) {
        deliver_qos0(b, p, h);
        return;
    }
    if (enqueue(b, p, h, rn) != SH_OK) {
        MQTT_COUNT(b, p->tenant, dropped_queue, 1);
        h->s->dropped++;
        return;
    }
    mqtt_pump(b, h->s);
}

static void call_internals(const struct mqtt_pub *p, struct mqtt_internal_sub *const *v, uint32_t n)
{
    const struct mqtt_inbound m = {.tenant = p->tenant->id,
                                   .from = p->from,
                                   .topic = p->topic,
                                   .payload = p->payload,
                                   .qos = p->qos,
                                   .retain = p->retain};
    for (uint32_t i = 0; i < n; i++) {
        if (!v[i]->dead) {
            v[i]->fn(v[i]->ctx, &m);
        }
    }
}

sh_err mqtt_route(struct mqtt_broker *b, struct mqtt_pub *p, uint64_t *rn)
{
    *rn = 0;
    p->targets = 0;
    SH_TRY(mqtt_subs_match(b, p));
    b->work_left -= (int32_t)b->nhits;
    const bool durable = prepare(b, p);
    const bool keep = p->retain && !p->volatile_retain;
    if (mqtt_durable(b) && (durable || keep || p->src_pid != 0)) {
        SH_TRY(mqtt_log_msg(b, p, keep, b->hits, b->nhits, rn));
    }
    struct mqtt_internal_sub *inside[MQTT_INTERNAL_MAX];
    uint32_t ninside = 0;
    b->depth++;
    if (p->retain && mqtt_retain_set(b, p) != SH_OK) {
        MQTT_COUNT(b, p->tenant, refused_quota, 1);
    }
    for (uint32_t i = 0; i < b->nhits; i++) {
        const struct mqtt_hit h = b->hits[i];
        if (h.s != NULL) {
            deliver(b, p, &h, *rn);
        } else if (ninside < MQTT_INTERNAL_MAX) {
            inside[ninside++] = h.internal;
        }
    }
    p->targets += ninside;
    call_internals(p, inside, ninside);
    b->depth--;
    return SH_OK;
}

sh_err mqtt_deliver_one(struct mqtt_broker *b, struct mqtt_session *s, struct mqtt_msg *m,
                        uint8_t options, uint32_t id)
{
    struct mqtt_pub p = mqtt_pub_of(s->tenant, m);
    const struct mqtt_node *n = mqtt_tree_find(&s->tenant->retained, p.topic);
    if (n == NULL || n->retained != m || m->expires_us <= b->now_us) {
        return SH_OK; /* replaced since: the session has got the newer one as it came */
    }
    const uint8_t sub_qos = options & MQTT_SUB_QOS;
    struct mqtt_hit h = {
        .s = s, .id = id, .qos = sub_qos < m->qos ? sub_qos : m->qos, .retain = true};
    if (h.qos == 0) {
        deliver_qos0(b, &p, &h);
        return SH_OK;
    }
    uint64_t rn = 0;
    h.pid = mqtt_q_pid(s);
    h.logged = s->persistent;
    if (h.pid == 0 || !mqtt_q_room(b, s, size_of(&p))) {
        return SH_OK; /* counted as dropped */
    }
    if (h.logged && mqtt_durable(b)) {
        SH_TRY(mqtt_log_msg(b, &p, false, &h, 1, &rn));
    }
    return enqueue(b, &p, &h, rn) == SH_E_NOMEM ? SH_E_LIMIT : SH_OK;
}
