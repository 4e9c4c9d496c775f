/* mqtt_queue.c - what waits for a session or is in flight to it.
 *
 * States of an entry:   WAIT --sent--> SENT --PUBACK--> DONE            (QoS 1)
 *                       WAIT --sent--> SENT --PUBREC--> REL --PUBCOMP--> DONE   (QoS 2)
 *                       WAIT --sent--> DONE                              (QoS 0)
 * A new connection turns SENT back into WAIT with DUP; REL stays and PUBREL is sent again.
 * Invariants:
 * 1. Entries leave only at the head, so messages of one session never overtake each other.
 * 2. inflight = entries in SENT or REL among [0, sent) on this connection; at most send_max.
 * 3. The packet id of an entry is given when it is queued and never changes, so that a restart
 * sends it again under the same id [MQTT-4.4.0-1].
 * 4. QoS 2 of a persistent session leaves only after the commit of its entry.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { FIRST_CAP = 8, HOLES = 32 };

static bool live(uint8_t state)
{
    return state == MQTT_O_SENT || state == MQTT_O_REL;
}

static bool pid_used(const struct mqtt_session *s, uint16_t pid)
{
    for (uint32_t i = 0; i < s->q->n; i++) {
        const struct mqtt_oent *e = mqtt_oq_at(s->q, i);
        if (e->pid == pid && e->state != MQTT_O_DONE) {
            return true;
        }
    }
    return false;
}

/* The first entry that holds a number, 0 = none does. */
static uint16_t pid_oldest(const struct mqtt_session *s)
{
    for (uint32_t i = 0; i < s->q->n; i++) {
        const struct mqtt_oent *e = mqtt_oq_at(s->q, i);
        if (e->pid != 0 && e->state != MQTT_O_DONE) {
            return e->pid;
        }
    }
    return 0;
}

/* Numbers are given in the order of the queue, so the next one is free unless the oldest entry has
 * it. When it has (it was never acknowledged, while tens of thousands behind it were), the next
 * free one is looked for, and from then on (pids_mixed) always, until the queue was empty. */
uint16_t mqtt_q_pid(struct mqtt_session *s)
{
    const uint16_t oldest = pid_oldest(s);
    s->pids_mixed = s->pids_mixed && oldest != 0;
    for (uint32_t tries = 0; tries <= s->q->n; tries++) {
        s->next_pid = s->next_pid == 65535 ? 1 : (uint16_t)(s->next_pid + 1);
        if (s->pids_mixed ? !pid_used(s, s->next_pid) : s->next_pid != oldest) {
            return s->next_pid;
        }
        s->pids_mixed = true;
    }
    return 0;
}

static void let_go(struct mqtt_broker *b, struct mqtt_session *s, struct mqtt_oent *e)
{
    if (e->msg != NULL) {
        s->q->bytes -= (uint32_t)mqtt_msg_size(e->msg);
        mqtt_msg_unref(b, e->msg);
        e->msg = NULL;
    }
    sh_mem_free(b->alloc, e->more);
    e->more = NULL;
}

/* Takes finished entries out of the middle, so that one that is never acknowledged does not hold
 * the place of all that follow it. */
static void compact(struct mqtt_oq *q)
{
    uint32_t kept = 0;
    uint32_t sent = 0;
    for (uint32_t i = 0; i < q->n; i++) {
        const struct mqtt_oent e = *mqtt_oq_at(q, i);
        if (e.state != MQTT_O_DONE) {
            *mqtt_oq_at(q, kept++) = e;
            sent += i < q->sent;
        }
    }
    q->n = kept;
    q->sent = sent;
    q->done = 0;
}

static void trim(struct mqtt_oq *q)
{
    while (q->n > 0 && mqtt_oq_at(q, 0)->state == MQTT_O_DONE) {
        q->head = (q->head + 1) & (q->cap - 1);
        q->n--;
        q->done--;
        if (q->sent > 0) {
            q->sent--;
        }
    }
    if (q->done > HOLES && q->done * 2 > q->n) {
        compact(q);
    }
}

void mqtt_q_done(struct mqtt_broker *b, struct mqtt_session *s, struct mqtt_oent *e)
{
    if (live(e->state)) {
        s->q->inflight--;
    }
    let_go(b, s, e);
    e->state = MQTT_O_DONE;
    s->q->done++;
    trim(s->q);
}

/* The oldest waiting message goes. */
static bool drop_oldest(struct mqtt_broker *b, struct mqtt_session *s)
{
    for (uint32_t i = s->q->sent; i < s->q->n; i++) {
        struct mqtt_oent *e = mqtt_oq_at(s->q, i);
        if (e->state != MQTT_O_WAIT) {
            continue;
        }
        if (e->pid != 0) {
            mqtt_log_done(b, s, e->pid);
        }
        mqtt_q_done(b, s, e);
        return true;
    }
    return false;
}

bool mqtt_q_room(struct mqtt_broker *b, struct mqtt_session *s, size_t bytes)
{
    const bool full = s->q->n >= b->lim.max_queued ||
                      (s->q->n > 0 && s->q->bytes + bytes > b->lim.max_queued_bytes);
    if (!full) {
        return true;
    }
    MQTT_COUNT(b, s->tenant, dropped_queue, 1);
    s->dropped++;
    return b->lim.drop_oldest && drop_oldest(b, s);
}

/* Lets go of the empty queue's memory. */
static void release(struct mqtt_broker *b, struct mqtt_session *s)
{
    if (s->q != b->no_queue) {
        sh_mem_free(b->alloc, s->q);
        s->q = b->no_queue;
    }
}

static sh_err grow(struct mqtt_broker *b, struct mqtt_session *s)
{
    struct mqtt_oq *q = s->q;
    const uint32_t cap = q->cap == 0 ? FIRST_CAP : q->cap * 2;
    if (cap > 1U << 20) {
        return SH_E_LIMIT;
    }
    struct mqtt_oq *more = sh_mem_new(b->alloc, sizeof *more + cap * sizeof more->v[0]);
    if (more == NULL) {
        return SH_E_NOMEM;
    }
    *more = *q;
    more->cap = cap;
    more->head = 0;
    for (uint32_t i = 0; i < q->n; i++) {
        more->v[i] = *mqtt_oq_at(q, i);
    }
    release(b, s);
    s->q = more;
    return SH_OK;
}

sh_err mqtt_q_push(struct mqtt_broker *b, struct mqtt_session *s, const struct mqtt_oent *e)
{
    if (s->q->n == s->q->cap) {
        SH_TRY(grow(b, s));
    }
    struct mqtt_oq *q = s->q;
    q->n++;
    *mqtt_oq_at(q, q->n - 1) = *e;
    if (e->msg != NULL) {
        q->bytes += (uint32_t)mqtt_msg_size(e->msg);
    }
    return SH_OK;
}

struct mqtt_oent *mqtt_q_find(struct mqtt_session *s, uint16_t pid)
{
    for (uint32_t i = 0; i < s->q->sent; i++) {
        struct mqtt_oent *e = mqtt_oq_at(s->q, i);
        if (e->pid == pid && live(e->state)) {
            return e;
        }
    }
    return NULL;
}

void mqtt_q_rewind(struct mqtt_session *s)
{
    struct mqtt_oq *q = s->q;
    for (uint32_t i = 0; i < q->n; i++) {
        struct mqtt_oent *e = mqtt_oq_at(q, i);
        if (e->state == MQTT_O_SENT) {
            e->state = MQTT_O_WAIT;
            e->flags |= MQTT_O_DUP;
        }
    }
    if (q->n > 0) {
        q->sent = 0;
        q->inflight = 0;
    }
}

void mqtt_q_clear(struct mqtt_broker *b, struct mqtt_session *s)
{
    for (uint32_t i = 0; i < s->q->n; i++) {
        let_go(b, s, mqtt_oq_at(s->q, i));
    }
    release(b, s);
}

void mqtt_q_rest(struct mqtt_broker *b, struct mqtt_session *s)
{
    if (s->q->n == 0) {
        release(b, s);
    }
}

/* ---- sending ---- */

/* False: nothing more may leave now. */
static bool send_waiting(struct mqtt_broker *b, struct mqtt_session *s, struct mqtt_oent *e)
{
    struct mqtt_conn *c = s->conn;
    const uint8_t qos = e->flags & MQTT_O_QOS;
    if (e->rn > b->committed || (qos > 0 && s->q->inflight >= c->send_max) || !mqtt_out_room(c)) {
        return false;
    }
    const bool resend = (e->flags & MQTT_O_DUP) != 0;
    if (e->msg->expires_us <= b->now_us && !resend) {
        MQTT_COUNT(b, s->tenant, dropped_expired, 1);
        if (e->pid != 0) {
            mqtt_log_done(b, s, e->pid);
        }
        mqtt_q_done(b, s, e);
        return true;
    }
    const struct mqtt_pub p = mqtt_pub_of(s->tenant, e->msg);
    const struct mqtt_send out = {.p = &p,
                                  .more = e->more,
                                  .id = e->id,
                                  .pid = e->pid,
                                  .qos = qos,
                                  .dup = resend,
                                  .retain = (e->flags & MQTT_O_RETAIN) != 0};
    const sh_err sent = mqtt_out_publish(c, &out);
    if (sent == SH_E_NOMEM) {
        return false;
    }
    if (sent != SH_OK) { /* [MQTT-3.1.2-25]: too large for this client, as if it had been sent */
        MQTT_COUNT(b, s->tenant, dropped_large, 1);
        if (e->pid != 0) {
            mqtt_log_done(b, s, e->pid);
        }
        mqtt_q_done(b, s, e);
        return true;
    }
    if (qos == 0) {
        mqtt_q_done(b, s, e);
        return true;
    }
    e->state = MQTT_O_SENT;
    s->q->inflight++;
    s->q->sent++;
    return true;
}

static bool send_queue(struct mqtt_broker *b, struct mqtt_session *s)
{
    struct mqtt_oq *q = s->q;
    while (q->sent < q->n) {
        struct mqtt_oent *e = mqtt_oq_at(q, q->sent);
        if (e->state == MQTT_O_DONE) {
            q->sent++;
            trim(q);
        } else if (e->state == MQTT_O_REL) {
            if (e->rn > b->committed) {
                return false;
            }
            mqtt_out_ack(s->conn, MQTT_PUBREL, e->pid, 0);
            q->inflight++;
            q->sent++;
        } else if (!send_waiting(b, s, e)) {
            return false;
        }
    }
    return true;
}

void mqtt_pump(struct mqtt_broker *b, struct mqtt_session *s)
{
    const struct mqtt_conn *c = s->conn;
    if (c == NULL || c->state != MQTT_C_OPEN || !c->open_told) {
        return;
    }
    while (send_queue(b, s) && s->rlist != NULL && mqtt_out_room(s->conn)) {
        struct mqtt_rlist *l = s->rlist;
        struct mqtt_msg *m = l->v[l->at];
        if (mqtt_deliver_one(b, s, m, l->options, l->id) == SH_E_LIMIT) {
            return; /* the log is full: again at the next commit or tick */
        }
        mqtt_msg_unref(b, m);
        l->at++;
        if (l->at == l->n) {
            s->rlist = l->next;
            sh_mem_free(b->alloc, l->v);
            sh_mem_free(b->alloc, l);
        }
    }
}
