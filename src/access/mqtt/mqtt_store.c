/* mqtt_store.c - writing the log: one record per change that must outlive a crash.
 *
 * A record is: u64 number, u8 kind, body. Numbers rise by one, so that a checkpoint, which names
 * the last number it holds, can be laid under any part of the log. Little-endian; texts are u32
 * length and bytes. Bodies: SESSION      u64 sid, u32 tenant, u64 principal, u32 expiry s, u8
 * version, u8 connected, i64 wall of the disconnection, u16 last packet id, text client id, text
 * device, u8 has will [u8 qos, u8 retain, u32 delay, u32 expiry, text topic, props, payload]
 *   SESSION_END  u64 sid
 *   SUB          u64 sid, u32 n, n x {u8 options, u32 identifier, text filter}
 *   UNSUB        u64 sid, u32 n, n x text filter
 *   MSG          u64 number in the checkpoint (else 0), u32 tenant, u8 qos, u8 retain, i64 wall of
 *                expiry (0 = never), u64 publisher's sid, u16 its QoS 2 packet id (0 = none),
 *                text topic, text props, text payload, u32 n, n x target
 *   target       u64 sid, u16 packet id, u8 flags, u8 ids, ids x u32
 *   QUEUE        u64 number of the message (0 = none), u8 state, target
 *   OUT          u32 n, n x {u64 sid, u16 packet id, u8 what}
 *   IN           u64 sid, u16 packet id, u8 add
 *   AWAY         u64 sid, i64 wall, u32 expiry s, u8 keeps its will
 * Acknowledgements of clients are gathered and go as one OUT record a turn, always before the next
 * other record, so the order of the log is the order of events.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { ACKLOG_HEAD = 13, ACKLOG_MAX = 1 << 20 };
#define CENTURIES_US (INT64_C(300) * 365 * 86400 * 1000000) /* longer than any expiry interval */

int64_t mqtt_to_wall(const struct mqtt_broker *b, int64_t mono_us)
{
    if (mono_us == MQTT_FAR) {
        return 0;
    }
    return sh_wall_us(b->env->clock) + (mono_us - b->now_us);
}

int64_t mqtt_from_wall(const struct mqtt_broker *b, int64_t wall_us)
{
    if (wall_us == 0) {
        return MQTT_FAR;
    }
    const int64_t wall = sh_wall_us(b->env->clock);
    if (wall_us < 0) {
        return b->now_us; /* long ago */
    }
    return wall_us - wall > CENTURIES_US ? MQTT_FAR : b->now_us + (wall_us - wall);
}

sh_err mqtt_put_text(struct sh_buf *o, const void *p, size_t n)
{
    SH_TRY(sh_buf_put_le32(o, (uint32_t)n));
    return n == 0 ? SH_OK : sh_buf_put(o, p, n);
}

static sh_err append(struct mqtt_broker *b, struct sh_bytes rec, uint64_t *rn)
{
    const uint64_t next = b->rn + 1;
    *rn = 0;
    const sh_err e = b->store->append(b->store->ctx, next, rec);
    if (e != SH_OK) {
        b->n.log_errors += e != SH_E_LIMIT;
        return SH_E_LIMIT; /* whatever it is, the answer is to wait and try again */
    }
    b->rn = next;
    *rn = next;
    b->n.log_records++;
    b->n.log_bytes += rec.n;
    b->since_checkpoint += rec.n;
    return SH_OK;
}

void mqtt_acklog_flush(struct mqtt_broker *b)
{
    if (b->acklog_n == 0 || !mqtt_durable(b)) {
        return;
    }
    sh_put_le64(b->acklog.p, b->rn + 1);
    sh_put_le32(b->acklog.p + 9, b->acklog_n);
    uint64_t rn = 0;
    if (append(b, sh_buf_bytes(&b->acklog), &rn) == SH_OK) {
        b->acklog_n = 0;
        sh_buf_clear(&b->acklog);
        sh_buf_shrink(&b->acklog, 4096);
    }
}

void mqtt_log_done(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid)
{
    static const uint8_t head[ACKLOG_HEAD] = {[8] = MQTT_REC_OUT};
    if (!mqtt_durable(b) || !s->persistent) {
        return;
    }
    if (b->acklog.n >= ACKLOG_MAX) {
        mqtt_acklog_flush(b);
    }
    uint8_t e[11] = {0};
    sh_put_le64(e, s->sid);
    sh_put_le16(e + 8, pid);
    e[10] = MQTT_OUT_DONE;
    if ((b->acklog.n == 0 && sh_buf_put(&b->acklog, head, sizeof head) != SH_OK) ||
        sh_buf_put(&b->acklog, e, sizeof e) != SH_OK) {
        b->n.log_errors++; /* after a crash the client gets this message once more */
        return;
    }
    b->acklog_n++;
}

struct sh_buf *mqtt_rec_begin(struct mqtt_broker *b, enum mqtt_rec_kind kind)
{
    mqtt_acklog_flush(b);
    sh_buf_clear(&b->rec);
    uint8_t head[9];
    sh_put_le64(head, b->rn + 1);
    head[8] = (uint8_t)kind;
    if (sh_buf_put(&b->rec, head, sizeof head) != SH_OK) {
        sh_buf_clear(&b->rec);
    }
    return &b->rec;
}

sh_err mqtt_rec_append(struct mqtt_broker *b, uint64_t *rn)
{
    if (b->acklog_n > 0 || b->rec.n < 9) {
        return SH_E_LIMIT; /* what comes before it could not be written */
    }
    const sh_err e = append(b, sh_buf_bytes(&b->rec), rn);
    sh_buf_shrink(&b->rec, 65536);
    return e;
}

sh_err mqtt_wait(struct mqtt_broker *b, uint64_t rn, struct mqtt_conn *c, uint32_t ack,
                 struct mqtt_session *s)
{
    if (b->wait_n == b->wait_cap) {
        const uint32_t cap = b->wait_cap == 0 ? 64 : b->wait_cap * 2;
        struct mqtt_waiter *v = sh_mem_array(b->alloc, cap, sizeof *v);
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        for (uint32_t i = 0; i < b->wait_n; i++) {
            v[i] = b->waiters[(b->wait_head + i) & (b->wait_cap - 1)];
        }
        sh_mem_free(b->alloc, b->waiters);
        b->waiters = v;
        b->wait_cap = cap;
        b->wait_head = 0;
    }
    b->waiters[(b->wait_head + b->wait_n) & (b->wait_cap - 1)] =
        (struct mqtt_waiter){.rn = rn, .c = c, .s = s, .ack = ack};
    b->wait_n++;
    if (c != NULL) {
        c->pins++;
    } else {
        s->pins++;
    }
    return SH_OK;
}

static void wake(struct mqtt_broker *b, const struct mqtt_waiter *w, sh_err err)
{
    if (w->c != NULL) {
        struct mqtt_ack_ent *e = w->c->state == MQTT_C_OPEN ? mqtt_ack_at(w->c, w->ack) : NULL;
        if (e != NULL) {
            e->failed = e->failed || err != SH_OK;
            mqtt_ack_flush(w->c);
        }
        mqtt_conn_unpin(w->c);
        return;
    }
    if (!w->s->dead) {
        mqtt_pump(b, w->s);
    }
    mqtt_session_unpin(b, w->s);
}

void mqtt_broker_committed(struct mqtt_broker *b, uint64_t rn, sh_err err)
{
    mqtt_now(b);
    if (err != SH_OK) {
        b->n.log_errors++;
    }
    if (rn > b->committed) {
        b->committed = rn;
    }
    while (b->wait_n > 0 && b->waiters[b->wait_head].rn <= rn) {
        const struct mqtt_waiter w = b->waiters[b->wait_head];
        b->wait_head = (b->wait_head + 1) & (b->wait_cap - 1);
        b->wait_n--;
        wake(b, &w, err);
    }
    if (b->nstalled > 0) {
        mqtt_broker_resume(b);
    }
}

/* ---- records ---- */

static sh_err put_will(struct sh_buf *o, const struct mqtt_kept_will *w)
{
    SH_TRY(sh_buf_put_u8(o, w != NULL));
    if (w == NULL) {
        return SH_OK;
    }
    const struct mqtt_msg *m = w->msg;
    SH_TRY(sh_buf_put_u8(o, m->qos));
    SH_TRY(sh_buf_put_u8(o, w->retain));
    SH_TRY(sh_buf_put_le32(o, w->delay_s));
    SH_TRY(sh_buf_put_le32(o, w->expiry_s));
    SH_TRY(mqtt_put_text(o, m->bytes, m->topic_n));
    SH_TRY(mqtt_put_text(o, m->bytes + m->topic_n, m->props_n));
    return mqtt_put_text(o, m->bytes + m->topic_n + m->props_n, m->payload_n);
}

sh_err mqtt_put_session(struct mqtt_broker *b, struct sh_buf *o, const struct mqtt_session *s,
                        bool connected)
{
    SH_UNUSED(b);
    SH_TRY(sh_buf_put_le64(o, s->sid));
    SH_TRY(sh_buf_put_le32(o, s->tenant->id));
    SH_TRY(sh_buf_put_le64(o, s->principal));
    SH_TRY(sh_buf_put_le32(o, s->expiry_s));
    SH_TRY(sh_buf_put_u8(o, s->version));
    SH_TRY(sh_buf_put_u8(o, connected));
    SH_TRY(sh_buf_put_le64(o, (uint64_t)s->since_us));
    SH_TRY(sh_buf_put_le16(o, s->next_pid));
    const struct sh_str client_id = mqtt_session_client_id(s);
    const struct sh_str device = mqtt_session_device(s);
    SH_TRY(mqtt_put_text(o, client_id.p, client_id.n));
    SH_TRY(mqtt_put_text(o, device.p, device.n));
    return put_will(o, s->will);
}

sh_err mqtt_log_session(struct mqtt_broker *b, const struct mqtt_session *s, bool connected,
                        uint64_t *rn)
{
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_SESSION);
    SH_TRY(mqtt_put_session(b, o, s, connected));
    return mqtt_rec_append(b, rn);
}

sh_err mqtt_log_session_end(struct mqtt_broker *b, uint64_t sid)
{
    uint64_t rn = 0;
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_SESSION_END);
    SH_TRY(sh_buf_put_le64(o, sid));
    return mqtt_rec_append(b, &rn);
}

static sh_err put_target(struct mqtt_broker *b, struct sh_buf *o, const struct mqtt_hit *h)
{
    uint8_t n = h->id != 0;
    for (uint32_t i = h->more; i != 0 && n < 255; i = b->more_ids[i - 1].next) {
        n++;
    }
    SH_TRY(sh_buf_put_le64(o, h->s->sid));
    SH_TRY(sh_buf_put_le16(o, h->pid));
    SH_TRY(sh_buf_put_u8(o, (uint8_t)(h->qos | (h->retain ? MQTT_O_RETAIN : 0))));
    SH_TRY(sh_buf_put_u8(o, n));
    if (n > 0) {
        SH_TRY(sh_buf_put_le32(o, h->id));
    }
    uint32_t i = h->more;
    for (uint8_t k = 1; k < n; k++, i = b->more_ids[i - 1].next) {
        SH_TRY(sh_buf_put_le32(o, b->more_ids[i - 1].id));
    }
    return SH_OK;
}

sh_err mqtt_put_msg(struct mqtt_broker *b, struct sh_buf *o, const struct mqtt_pub *p, uint64_t id,
                    bool retain)
{
    SH_TRY(sh_buf_put_le64(o, id));
    SH_TRY(sh_buf_put_le32(o, p->tenant->id));
    SH_TRY(sh_buf_put_u8(o, p->qos));
    SH_TRY(sh_buf_put_u8(o, retain));
    SH_TRY(sh_buf_put_le64(o, (uint64_t)mqtt_to_wall(b, p->expires_us)));
    SH_TRY(sh_buf_put_le64(o, p->from_sid));
    SH_TRY(sh_buf_put_le16(o, p->src_pid));
    SH_TRY(mqtt_put_text(o, p->topic.p, p->topic.n));
    SH_TRY(mqtt_put_text(o, p->props.p, p->props.n));
    return mqtt_put_text(o, p->payload.p, p->payload.n);
}

sh_err mqtt_log_msg(struct mqtt_broker *b, const struct mqtt_pub *p, bool retain,
                    const struct mqtt_hit *v, uint32_t n, uint64_t *rn)
{
    uint32_t logged = 0;
    for (uint32_t i = 0; i < n; i++) {
        logged += v[i].logged;
    }
    const bool shrinks = p->payload.n == 0 && logged == 0; /* removes a retained message */
    if (b->full != NULL && !shrinks && atomic_load_explicit(b->full, memory_order_relaxed)) {
        return SH_E_LIMIT;
    }
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_MSG);
    SH_TRY(mqtt_put_msg(b, o, p, 0, retain));
    SH_TRY(sh_buf_put_le32(o, logged));
    for (uint32_t i = 0; i < n; i++) {
        if (v[i].logged) {
            SH_TRY(put_target(b, o, &v[i]));
        }
    }
    return mqtt_rec_append(b, rn);
}

sh_err mqtt_log_in(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid, bool add,
                   uint64_t *rn)
{
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_IN);
    SH_TRY(sh_buf_put_le64(o, s->sid));
    SH_TRY(sh_buf_put_le16(o, pid));
    SH_TRY(sh_buf_put_u8(o, add));
    return mqtt_rec_append(b, rn);
}

sh_err mqtt_log_rec(struct mqtt_broker *b, const struct mqtt_session *s, uint16_t pid, uint64_t *rn)
{
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_OUT);
    SH_TRY(sh_buf_put_le32(o, 1));
    SH_TRY(sh_buf_put_le64(o, s->sid));
    SH_TRY(sh_buf_put_le16(o, pid));
    SH_TRY(sh_buf_put_u8(o, MQTT_OUT_REC));
    return mqtt_rec_append(b, rn);
}

void mqtt_log_away(struct mqtt_broker *b, const struct mqtt_session *s)
{
    if (!mqtt_durable(b)) {
        return;
    }
    uint64_t rn = 0;
    struct sh_buf *o = mqtt_rec_begin(b, MQTT_REC_AWAY);
    sh_err e = sh_buf_put_le64(o, s->sid);
    if (e == SH_OK) {
        e = sh_buf_put_le64(o, (uint64_t)s->since_us);
    }
    if (e == SH_OK) {
        e = sh_buf_put_le32(o, s->expiry_s);
    }
    if (e == SH_OK) {
        e = sh_buf_put_u8(o, s->will != NULL);
    }
    if (e == SH_OK) {
        e = mqtt_rec_append(b, &rn);
    }
    if (e != SH_OK) {
        b->n.log_errors++; /* after a crash its expiry counts from the restart */
    }
}
