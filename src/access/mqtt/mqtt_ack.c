/* mqtt_ack.c - answers to a client leave in the order of what they answer ([MQTT-4.6.0-2] to
 * [MQTT-4.6.0-4]), each when all it promises is durable: its log record is committed and telemetry
 * has said done. With nothing to wait for and nothing before it, an answer is written at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static struct mqtt_ack_ent *at(struct mqtt_ackq *q, uint32_t i)
{
    return &q->v[(q->head + i) & (q->cap - 1)];
}

struct mqtt_ack_ent *mqtt_ack_at(struct mqtt_conn *c, uint32_t seq)
{
    const uint32_t i = seq - c->ack_first;
    return i < c->acks->n ? at(c->acks, i) : NULL;
}

/* Lets go of the empty ring's memory. */
static void release(struct mqtt_conn *c)
{
    if (c->acks != c->b->no_acks) {
        sh_mem_free(c->b->alloc, c->acks);
        c->acks = c->b->no_acks;
    }
}

static sh_err grow(struct mqtt_conn *c)
{
    struct mqtt_ackq *q = c->acks;
    const uint32_t cap = q->cap == 0 ? 8 : q->cap * 2;
    struct mqtt_ackq *more =
        cap > 1U << 18 ? NULL : sh_mem_new(c->b->alloc, sizeof *more + cap * sizeof more->v[0]);
    if (more == NULL) {
        return SH_E_NOMEM;
    }
    more->cap = cap;
    more->n = q->n;
    for (uint32_t i = 0; i < q->n; i++) {
        more->v[i] = *at(q, i);
    }
    release(c);
    c->acks = more;
    return SH_OK;
}

sh_err mqtt_ack_push(struct mqtt_conn *c, const struct mqtt_ack_ent *e, uint32_t *seq)
{
    if (c->acks->n == c->acks->cap) {
        SH_TRY(grow(c));
    }
    struct mqtt_ackq *q = c->acks;
    *at(q, q->n) = *e;
    *seq = c->ack_first + q->n;
    q->n++;
    return SH_OK;
}

/* The log lost what this answer would promise. False: the connection has to end. */
static bool turn_failed(struct mqtt_conn *c, struct mqtt_ack_ent *e)
{
    if (c->version != MQTT_V5 || (e->type != MQTT_PUBACK && e->type != MQTT_PUBREC)) {
        return false;
    }
    if (e->code < MQTT_R_UNSPECIFIED) {
        e->code = MQTT_R_IMPLEMENTATION;
    }
    return true;
}

static void write_one(struct mqtt_conn *c, struct mqtt_ack_ent *e)
{
    if (e->type == MQTT_PUBACK && c->unacked1 > 0) {
        c->unacked1--;
    }
    if (e->type == MQTT_PUBREC && e->code >= MQTT_R_UNSPECIFIED && c->s != NULL) {
        (void)mqtt_in2_del(c->s, e->pid); /* the client does not send PUBREL for it */
    }
    if (e->extra != NULL) {
        mqtt_out_raw(c, e->extra, e->extra_n);
        sh_mem_free(c->b->alloc, e->extra);
    } else {
        mqtt_out_ack(c, e->type, e->pid, e->code);
    }
    if (e->type == MQTT_CONNACK) {
        c->open_told = true;
    }
}

void mqtt_ack_rest(struct mqtt_conn *c)
{
    if (c->acks->n == 0) {
        release(c);
    }
}

void mqtt_ack_flush(struct mqtt_conn *c)
{
    struct mqtt_ackq *q = c->acks;
    bool pump = false;
    while (q->n > 0 && c->state == MQTT_C_OPEN) {
        struct mqtt_ack_ent *e = at(q, 0);
        if (e->waits || e->held || (e->rn > c->b->committed && !e->failed)) {
            break;
        }
        if (e->failed && !turn_failed(c, e)) {
            mqtt_conn_end(c, MQTT_R_IMPLEMENTATION, true);
            return;
        }
        struct mqtt_ack_ent one = *e;
        q->head = (q->head + 1) & (q->cap - 1);
        q->n--;
        c->ack_first++;
        write_one(c, &one);
        pump = pump || one.type == MQTT_CONNACK || one.type == MQTT_SUBACK;
    }
    if (q->n == 0 && (q->cap > 64 || pump)) {
        mqtt_ack_rest(c);
    }
    if (pump && c->s != NULL) {
        mqtt_pump(c->b, c->s);
    }
}

void mqtt_ack_clear(struct mqtt_conn *c)
{
    struct mqtt_ackq *q = c->acks;
    for (uint32_t i = 0; i < q->n; i++) {
        sh_mem_free(c->b->alloc, at(q, i)->extra);
    }
    c->ack_first += q->n;
    release(c);
}
