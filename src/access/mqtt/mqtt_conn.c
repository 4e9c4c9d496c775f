/* mqtt_conn.c - a connection from its first byte to its end.
 * States: see enum mqtt_cstate. A connection object lives until mqtt_conn_closed was called and
 * nobody waits for it any more (pins: identity asked, telemetry under way, waiters of the log).
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { ROOM_MAX = 1024, ADDRESS_MAX = 255 };

void *mqtt_conn_room(struct mqtt_conn *c)
{
    return c + 1;
}

struct mqtt_conn *mqtt_conn_of_room(void *room)
{
    return (struct mqtt_conn *)room - 1;
}

sh_err mqtt_conn_new(struct mqtt_broker *b, const struct mqtt_conn_ops *ops,
                     const struct mqtt_conn_info *info, struct mqtt_conn **out)
{
    if (info->room > ROOM_MAX || info->address.n > ADDRESS_MAX) {
        return SH_E_INVAL;
    }
    mqtt_now(b);
    if (b->n.connections >= b->lim.max_connections) {
        b->n.connects_refused++;
        return SH_E_LIMIT;
    }
    struct mqtt_conn *c = sh_mem_new(b->alloc, sizeof *c + info->room + info->address.n);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->address_at = (uint16_t)(sizeof *c + info->room);
    c->address_n = (uint8_t)info->address.n;
    if (info->address.n > 0) {
        memcpy((char *)c + c->address_at, info->address.p, info->address.n);
    }
    c->b = b;
    c->ops = ops;
    c->acks = b->no_acks;
    c->loopback = info->loopback;
    c->tls = info->tls;
    c->websocket = info->websocket;
    c->listener = info->listener;
    c->lane = b->here;
    c->opened_us = b->now_us;
    c->max_packet = UINT32_MAX;
    c->next = b->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    b->conns = c;
    b->n.connections++;
    if (b->n.connections > b->n.connections_max) {
        b->n.connections_max = b->n.connections;
    }
    *out = c;
    return SH_OK;
}

static void aliases_free(struct mqtt_conn *c)
{
    struct mqtt_aliases *a = c->aliases;
    if (a == NULL) {
        return;
    }
    for (uint16_t i = 0; a->in != NULL && i < a->in_n; i++) {
        sh_str_free(c->b->alloc, &a->in[i]);
    }
    for (uint16_t i = 0; i < a->out_used; i++) {
        sh_str_free(c->b->alloc, &a->out[i].topic);
    }
    sh_mem_free(c->b->alloc, a->in);
    sh_mem_free(c->b->alloc, a->out);
    sh_mem_free(c->b->alloc, a);
    c->aliases = NULL;
}

/* Leaves the session; the connection answers nothing any more. */
static void detach(struct mqtt_conn *c, bool with_will)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_session *s = c->s;
    const bool was_open = c->state == MQTT_C_OPEN;
    c->state = MQTT_C_ENDED;
    mqtt_connect_drop(c);
    mqtt_ack_clear(c);
    if (c->stalled) {
        c->stalled = false;
        b->nstalled--;
    }
    if (was_open && s != NULL) {
        s->tenant->n.connections--;
        mqtt_device_event(c, false);
        c->s = NULL;
        mqtt_session_away(b, s, with_will);
    }
    if (c->p != NULL) {
        b->auth->release(b->auth->ctx, c->p);
        c->p = NULL;
    }
}

void mqtt_conn_end(struct mqtt_conn *c, enum mqtt_reason why, bool with_will)
{
    if (c->state == MQTT_C_ENDED) {
        return;
    }
    if (c->version == MQTT_V5 && c->open_told && why != MQTT_R_SUCCESS) {
        const struct mqtt_packet p = {
            .type = MQTT_DISCONNECT, .version = MQTT_V5, .ack = {.code = (uint8_t)why}};
        mqtt_out_packet(c, &p);
    }
    mqtt_out_write(c);
    detach(c, with_will);
    mqtt_lane_close(c);
}

void mqtt_conn_stall(struct mqtt_conn *c)
{
    if (c->stalled || c->state == MQTT_C_ENDED) {
        return;
    }
    c->stalled = true;
    c->b->nstalled++;
    c->b->n.stalls++;
    if (!c->no_read) {
        c->no_read = true;
        c->read_due = false;
        c->ops->read_enable(mqtt_conn_room(c),
                            false); /* its own packet stalls it: we are on its loop */
    }
}

static void conn_free(struct mqtt_conn *c)
{
    sh_mem_free(c->b->alloc, c);
}

void mqtt_conn_unpin(struct mqtt_conn *c)
{
    c->pins--;
    if (c->gone && c->pins == 0) {
        conn_free(c);
    }
}

void mqtt_conn_closed(struct mqtt_conn *c)
{
    struct mqtt_broker *b = c->b;
    mqtt_now(b);
    if (c->state != MQTT_C_ENDED) {
        detach(c, true);
    }
    c->gone = true;
    mqtt_lane_unmark(c);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        b->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    b->n.connections--;
    mqtt_out_free(c);
    aliases_free(c);
    mqtt_run_deferred(b);
    if (c->pins == 0) {
        conn_free(c);
    }
}

/* ---- input ---- */

static void malformed(struct mqtt_conn *c, enum mqtt_reason why)
{
    c->b->n.protocol_errors++;
    mqtt_conn_end(c, why, true);
}

static void first_packet(struct mqtt_conn *c, const struct mqtt_head *h, struct sh_bytes body)
{
    struct mqtt_packet p;
    if (h->type != MQTT_CONNECT) { /* [MQTT-3.1.0-1] */
        malformed(c, MQTT_R_PROTOCOL_ERROR);
        return;
    }
    const enum mqtt_reason why = mqtt_decode(h, body, 0, &p);
    if (why == MQTT_R_SUCCESS) {
        mqtt_on_connect(c, &p);
        return;
    }
    c->b->n.protocol_errors++;
    if (p.version == 0) {
        mqtt_conn_end(c, MQTT_R_SUCCESS, false);
    } else {
        mqtt_connack_refuse(c, p.version, why, NULL);
    }
}

/* SH_E_AGAIN: stalled, the packet stays. */
static sh_err one_packet(struct mqtt_conn *c, const struct mqtt_head *h, struct sh_bytes body)
{
    struct mqtt_broker *b = c->b;
    if (c->state == MQTT_C_NEW) {
        first_packet(c, h, body);
        return SH_OK;
    }
    enum mqtt_reason why = MQTT_R_SUCCESS;
    sh_err e = SH_OK;
    if (h->type == MQTT_PUBLISH) {
        struct mqtt_publish p;
        why = mqtt_decode_publish(h, body, c->version, &p);
        if (why == MQTT_R_SUCCESS) {
            e = mqtt_on_publish(c, &p);
        }
    } else {
        struct mqtt_packet p;
        why = mqtt_decode(h, body, c->version, &p);
        if (why == MQTT_R_SUCCESS) {
            e = mqtt_on_packet(c, &p);
        }
    }
    if (why != MQTT_R_SUCCESS) {
        malformed(c, why);
    } else if (e == SH_OK && c->s != NULL) {
        MQTT_COUNT(b, c->s->tenant, packets_in, 1);
    }
    return e;
}

size_t mqtt_conn_input(struct mqtt_conn *c, struct sh_bytes in)
{
    struct mqtt_broker *b = c->b;
    size_t used = 0;
    if (c->state == MQTT_C_ENDED) {
        return in.n;
    }
    if (!b->lanes[b->here].due) { /* else the clock was read in this turn of the loop */
        mqtt_now(b);
    }
    b->in_input = c;
    if (c->state == MQTT_C_OPEN) {
        c->opened_us = b->now_us;
    }
    while (!c->no_read && c->state != MQTT_C_ENDED) {
        struct mqtt_head h;
        const struct sh_bytes rest = {in.p + used, in.n - used};
        const sh_err e = mqtt_head_decode(rest, &h);
        if (e == SH_E_AGAIN) {
            break;
        }
        if (e != SH_OK) {
            malformed(c, MQTT_R_MALFORMED);
            break;
        }
        const size_t whole = (size_t)h.head_len + h.len;
        if (whole > b->lim.max_packet) {
            malformed(c, MQTT_R_TOO_LARGE);
            break;
        }
        if (c->state == MQTT_C_NEW && h.type != MQTT_CONNECT) {
            malformed(c, MQTT_R_PROTOCOL_ERROR);
            break;
        }
        if (rest.n < whole || one_packet(c, &h, sh_bytes_of(rest.p + h.head_len, h.len)) != SH_OK) {
            break;
        }
        used += whole;
        b->work_left--;
        if (mqtt_lane_yield(b)) {
            b->yielded = true;
            break;
        }
    }
    b->in_input = NULL;
    b->n.bytes_in += used;
    if (c->s != NULL) {
        c->s->tenant->n.bytes_in += used;
    }
    if (c->state == MQTT_C_OPEN) {
        mqtt_ack_flush(c);
    }
    return c->state == MQTT_C_ENDED ? in.n : used;
}

void mqtt_conn_writable(struct mqtt_conn *c)
{
    mqtt_now(c->b);
    c->blocked = false;
    mqtt_out_write(c);
    if (c->state == MQTT_C_OPEN) {
        mqtt_pump(c->b, c->s);
        mqtt_out_write(c);
    }
}

/* ---- time ---- */

static void check_time(struct mqtt_broker *b, struct mqtt_conn *c)
{
    if (c->state == MQTT_C_NEW || c->state == MQTT_C_AUTH) {
        if (b->now_us - c->opened_us > (int64_t)b->lim.connect_timeout_ms * 1000) {
            mqtt_conn_end(c, MQTT_R_SUCCESS, false);
        }
        return;
    }
    /* [MQTT-3.1.2-22]: one and a half times keep-alive; what we do not read does not count. */
    if (c->state == MQTT_C_OPEN && c->keep_alive_s > 0 && !c->no_read &&
        b->now_us - c->opened_us > (int64_t)c->keep_alive_s * 1500000) {
        MQTT_COUNT(b, c->s->tenant, keepalive_timeouts, 1);
        mqtt_conn_end(c, MQTT_R_KEEP_ALIVE, true);
    }
}

void mqtt_conn_tick(struct mqtt_broker *b)
{
    const bool second = b->now_us - b->second_us >= 1000000;
    if (second) {
        b->second_us = b->now_us;
    }
    for (struct mqtt_conn *c = b->conns; c != NULL; c = c->next) {
        if (second) {
            c->tokens = b->lim.max_rate;
            mqtt_ack_rest(c);
        }
        check_time(b, c);
    }
}

void mqtt_broker_resume(struct mqtt_broker *b)
{
    for (struct mqtt_conn *c = b->conns; c != NULL && b->nstalled > 0; c = c->next) {
        if (c->stalled) {
            c->stalled = false;
            b->nstalled--;
            c->opened_us = b->now_us;
            if (c->no_read && c->state == MQTT_C_OPEN) {
                mqtt_lane_read_on(c);
            }
        }
    }
}
