/* mqtt_in.c - packets of a connection that is open.
 * A handler returns SH_E_AGAIN when the log or telemetry has no room: nothing was changed (except
 * that telemetry has taken the message, which c->given remembers), reading stops, and the same
 * packet is given again later.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static sh_err bad(struct mqtt_conn *c, enum mqtt_reason why)
{
    c->b->n.protocol_errors++;
    mqtt_conn_end(c, why, true);
    return SH_OK;
}

static sh_err stall(struct mqtt_conn *c)
{
    mqtt_conn_stall(c);
    return SH_E_AGAIN;
}

/* Answers now when nothing is to wait for, else in its turn. */
static sh_err answer(struct mqtt_conn *c, uint8_t type, uint16_t pid, uint8_t code, uint64_t rn)
{
    if (c->acks->n == 0 && rn <= c->b->committed) {
        mqtt_out_ack(c, type, pid, code);
        return SH_OK;
    }
    const struct mqtt_ack_ent e = {.rn = rn, .pid = pid, .type = type, .code = code};
    uint32_t seq = 0;
    sh_err err = mqtt_ack_push(c, &e, &seq);
    if (err == SH_OK && rn > c->b->committed) {
        err = mqtt_wait(c->b, rn, c, seq, NULL);
    }
    if (err == SH_OK && type == MQTT_PUBACK) {
        c->unacked1++;
    }
    return err == SH_OK ? SH_OK : bad(c, MQTT_R_QUOTA);
}

/* ---- PUBLISH ---- */

/* Replaces an alias by its topic, or remembers a new one. False: the connection has ended. */
static bool alias_in(struct mqtt_conn *c, struct mqtt_publish *p)
{
    if (!mqtt_has(&p->props, MQTT_PR_TOPIC_ALIAS)) {
        return true;
    }
    const struct mqtt_broker *b = c->b;
    const uint16_t a = p->props.topic_alias;
    if (a > b->lim.topic_alias_max) {
        (void)bad(c, MQTT_R_BAD_ALIAS);
        return false;
    }
    if (c->aliases == NULL) {
        c->aliases = sh_mem_new(b->alloc, sizeof *c->aliases);
    }
    if (c->aliases != NULL && c->aliases->in == NULL) {
        c->aliases->in = sh_mem_array(b->alloc, b->lim.topic_alias_max, sizeof *c->aliases->in);
        c->aliases->in_n = b->lim.topic_alias_max;
    }
    if (c->aliases == NULL || c->aliases->in == NULL) {
        (void)bad(c, MQTT_R_QUOTA);
        return false;
    }
    struct sh_str *at = &c->aliases->in[a - 1];
    if (p->topic.n > 0) {
        struct sh_str copy = sh_str_dup(b->alloc, p->topic);
        if (copy.p != NULL) {
            sh_str_free(b->alloc, at);
            *at = copy;
            return true;
        }
    } else if (at->n > 0) {
        p->topic = *at;
        return true;
    }
    (void)bad(c, p->topic.n > 0 ? MQTT_R_QUOTA : MQTT_R_PROTOCOL_ERROR);
    return false;
}

/* May this be published at all? */
static enum mqtt_reason permit(struct mqtt_conn *c, const struct mqtt_publish *p)
{
    const struct mqtt_broker *b = c->b;
    const struct mqtt_tenant *t = c->s->tenant;
    if (p->topic.n > 0 && p->topic.p[0] == '$' &&
        (sh_str_starts(p->topic, SH_STR("$SYS/")) || sh_str_starts(p->topic, SH_STR("$share/")))) {
        return MQTT_R_NOT_AUTHORISED;
    }
    if (mqtt_topic_levels(p->topic) > b->lim.max_levels) {
        return MQTT_R_BAD_TOPIC;
    }
    if (!mqtt_own_topic(c->p, p->topic) && !b->auth->may_publish(b->auth->ctx, c->p, p->topic)) {
        return MQTT_R_NOT_AUTHORISED;
    }
    if (p->retain && p->payload.n > 0 && t->n.retained >= b->lim.max_retained) {
        return MQTT_R_QUOTA;
    }
    return MQTT_R_SUCCESS;
}

static void count_refusal(struct mqtt_conn *c, enum mqtt_reason why)
{
    struct mqtt_tenant *t = c->s->tenant;
    if (why == MQTT_R_NOT_AUTHORISED) {
        MQTT_COUNT(c->b, t, refused_auth, 1);
    } else if (why == MQTT_R_QUOTA) {
        MQTT_COUNT(c->b, t, refused_quota, 1);
    } else {
        MQTT_COUNT(c->b, t, refused_unreadable, 1);
    }
}

/* 5.0 is told why; 3.1.1 gets a plain acknowledgement, or the device would send it for ever. */
static sh_err refuse(struct mqtt_conn *c, const struct mqtt_publish *p, enum mqtt_reason why)
{
    count_refusal(c, why);
    if (p->qos == 0) {
        return SH_OK;
    }
    const uint8_t code = c->version == MQTT_V5 ? (uint8_t)why : 0;
    return answer(c, p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, p->packet_id, code, 0);
}

/* Encoded properties that go through to subscribers. */
static sh_err props_through(struct mqtt_broker *b, const struct mqtt_props *in,
                            struct sh_bytes *out)
{
    const uint32_t ours = (uint32_t)1 << MQTT_PR_TOPIC_ALIAS | (uint32_t)1
                                                                   << MQTT_PR_MESSAGE_EXPIRY;
    *out = (struct sh_bytes){NULL, 0};
    if ((in->have & ~ours) == 0) {
        return SH_OK;
    }
    struct mqtt_props p = *in;
    p.have &= ~ours;
    sh_buf_clear(&b->props);
    SH_TRY(mqtt_props_encode(&b->props, MQTT_PUBLISH, &p));
    struct sh_rd r = sh_rd_of(sh_buf_bytes(&b->props));
    uint32_t len = 0;
    SH_TRY(mqtt_varint_get(&r, &len));
    *out = (struct sh_bytes){r.p, len};
    return SH_OK;
}

static void on_telemetry_done(void *token, sh_err err)
{
    struct mqtt_token *k = token;
    struct mqtt_conn *c = k->c;
    struct mqtt_broker *b = c->b;
    struct mqtt_ack_ent *e = c->gone || c->state != MQTT_C_OPEN ? NULL : mqtt_ack_at(c, k->ack);
    k->next = b->tokens;
    b->tokens = k;
    if (e != NULL && e->waits) {
        e->waits = false;
        if (err != SH_OK) {
            const enum mqtt_reason why = mqtt_reason_from_err(err);
            count_refusal(c, why);
            e->code = c->version == MQTT_V5 ? (uint8_t)why : 0;
            const bool lost = err != SH_E_DENIED && err != SH_E_PROTO && err != SH_E_INVAL;
            e->failed = e->failed || (lost && c->version != MQTT_V5);
        }
        if (b->in_input != c) {
            mqtt_ack_flush(c);
        }
    }
    mqtt_conn_unpin(c);
}

static struct mqtt_token *token_new(struct mqtt_conn *c, uint32_t ack)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_token *k = b->tokens;
    if (k != NULL) {
        b->tokens = k->next;
    } else {
        k = sh_mem_new(b->alloc, sizeof *k);
    }
    if (k != NULL) {
        *k = (struct mqtt_token){.c = c, .ack = ack};
        c->pins++;
    }
    return k;
}

static void token_back(struct mqtt_token *k)
{
    struct mqtt_broker *b = k->c->b;
    k->c->pins--;
    k->next = b->tokens;
    b->tokens = k;
}

/* Takes the newest answer back. */
static void ack_pop(struct mqtt_conn *c)
{
    c->acks->n--;
}

/* "Not now": the same message may be taken later. 5.0 has reason codes for it; the acknowledgement
 * of 3.1.1 would say that it was stored, so its message waits. */
static bool not_now(const struct mqtt_conn *c, sh_err err)
{
    return err == SH_E_LIMIT || (c->version != MQTT_V5 && (err == SH_E_FULL || err == SH_E_NOMEM ||
                                                           err == SH_E_IO || err == SH_E_CLOSED));
}

/* QoS 1 and 2: the answer waits until telemetry is done. SH_E_LIMIT: no room now; else *why. */
static sh_err give_waiting(struct mqtt_conn *c, const struct mqtt_publish *p,
                           const struct mqtt_telemetry *t, enum mqtt_reason *why)
{
    struct mqtt_broker *b = c->b;
    const struct mqtt_ack_ent e = {.pid = p->packet_id,
                                   .type = p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC,
                                   .waits = true,
                                   .held = true};
    uint32_t seq = 0;
    SH_TRY(mqtt_ack_push(c, &e, &seq));
    struct mqtt_token *k = token_new(c, seq);
    if (k == NULL) {
        ack_pop(c);
        return SH_E_NOMEM;
    }
    const sh_err err = b->telemetry->telemetry(b->telemetry->ctx, t, on_telemetry_done, k);
    if (err != SH_OK) {
        token_back(k);
        ack_pop(c);
        *why = mqtt_reason_from_err(err);
        return not_now(c, err) ? SH_E_LIMIT : SH_OK;
    }
    if (p->qos == 1) {
        c->unacked1++;
    }
    c->given = true;
    c->given_ack = seq;
    return SH_OK;
}

static sh_err give_telemetry(struct mqtt_conn *c, const struct mqtt_publish *p,
                             enum mqtt_reason *why)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_tenant *tn = c->s->tenant;
    *why = MQTT_R_SUCCESS;
    if (b->telemetry == NULL || c->given || (c->p->flags & MQTT_P_NO_TELEMETRY) != 0) {
        return SH_OK;
    }
    struct mqtt_telemetry t = {
        .principal = c->p, .topic = p->topic, .payload = p->payload, .qos = p->qos};
    mqtt_layout_find(b, tn, &t);
    if (t.layout == MQTT_L_NONE) {
        return SH_OK;
    }
    t.received_us = sh_wall_us(b->env->clock);
    sh_err e = SH_OK;
    if (p->qos > 0) {
        e = give_waiting(c, p, &t, why);
    } else {
        e = b->telemetry->telemetry(b->telemetry->ctx, &t, NULL, NULL);
        if (e == SH_E_LIMIT || e == SH_E_FULL) {
            MQTT_COUNT(b, tn, telemetry_lost, 1);
        } else if (e != SH_OK) {
            *why = mqtt_reason_from_err(e);
        }
        e = SH_OK;
    }
    if (e == SH_OK && *why == MQTT_R_SUCCESS) {
        MQTT_COUNT(b, tn, telemetry, 1);
    }
    return e;
}

/* The answer of an accepted QoS 1 or 2 message. */
static sh_err accepted(struct mqtt_conn *c, const struct mqtt_publish *p, uint64_t rn, bool heard)
{
    if (c->given) {
        c->given = false;
        struct mqtt_ack_ent *e = mqtt_ack_at(c, c->given_ack);
        if (e == NULL) {
            return SH_OK;
        }
        e->rn = rn;
        e->held = false;
        if (rn > c->b->committed && mqtt_wait(c->b, rn, c, c->given_ack, NULL) != SH_OK) {
            return bad(c, MQTT_R_QUOTA);
        }
        return SH_OK;
    }
    const uint8_t code =
        c->version == MQTT_V5 && !heard ? (uint8_t)MQTT_R_NO_MATCHING_SUBSCRIBERS : 0;
    return answer(c, p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, p->packet_id, code, rn);
}

static sh_err publish_on(struct mqtt_conn *c, const struct mqtt_publish *p)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_session *s = c->s;
    struct mqtt_pub pub = {.tenant = s->tenant,
                           .from = c->p,
                           .payload = p->payload,
                           .expires_us = MQTT_FAR,
                           .from_sid = s->sid,
                           .qos = p->qos,
                           .retain = p->retain};
    if (p->qos == 2 && s->persistent) {
        pub.src_pid = p->packet_id;
    }
    if (mqtt_has(&p->props, MQTT_PR_MESSAGE_EXPIRY)) {
        pub.expires_us = b->now_us + (int64_t)p->props.message_expiry * 1000000;
    }
    uint64_t rn = 0;
    sh_err e = props_through(b, &p->props, &pub.props);
    if (e == SH_OK && p->qos == 2) {
        e = mqtt_in2_add(b, s, p->packet_id);
    }
    if (e == SH_OK) {
        pub.topic = mqtt_me_in(b, c->p, p->topic);
        e = mqtt_route(b, &pub, &rn);
        if (e != SH_OK && p->qos == 2) {
            (void)mqtt_in2_del(s, p->packet_id);
        }
    }
    mqtt_msg_unref(b, pub.msg);
    mqtt_run_deferred(b);
    if (e == SH_E_LIMIT) {
        return stall(c);
    }
    if (e != SH_OK) {
        return bad(c, MQTT_R_QUOTA); /* memory is short */
    }
    MQTT_COUNT(b, s->tenant, publish_in[p->qos], 1);
    MQTT_COUNT(b, s->tenant, publish_bytes_in, p->payload.n);
    s->publish_in++;
    return p->qos == 0 ? SH_OK : accepted(c, p, rn, pub.targets > 0 || p->retain || c->given);
}

/* False: stalled or ended (*e says which). */
static bool may_go_on(struct mqtt_conn *c, const struct mqtt_publish *p, sh_err *e)
{
    const struct mqtt_broker *b = c->b;
    *e = SH_OK;
    if (mqtt_has(&p->props, MQTT_PR_SUBSCRIPTION_ID)) {
        *e = bad(c, MQTT_R_PROTOCOL_ERROR); /* [MQTT-3.3.4-6] */
        return false;
    }
    if (c->given) {
        return true;
    }
    if (b->lim.max_rate > 0 && c->tokens == 0) {
        *e = stall(c);
        return false;
    }
    if (mqtt_ack_full(c)) {
        *e = stall(c);
        return false;
    }
    if (p->qos > 0 && c->version == MQTT_V5 &&
        (uint32_t)c->unacked1 + mqtt_in2_n(c->s) >= b->lim.receive_max &&
        !(p->qos == 2 && mqtt_in2_has(c->s, p->packet_id))) {
        *e = bad(c, MQTT_R_RECEIVE_MAX); /* 5.0, 3.3.4 */
        return false;
    }
    return true;
}

sh_err mqtt_on_publish(struct mqtt_conn *c, struct mqtt_publish *p)
{
    sh_err e = SH_OK;
    if (!may_go_on(c, p, &e) || !alias_in(c, p)) {
        return e;
    }
    if (p->qos == 2 && !c->given && mqtt_in2_has(c->s, p->packet_id)) {
        /* [MQTT-4.3.3-10]: known, not published again; what its record promises still holds */
        return answer(c, MQTT_PUBREC, p->packet_id, 0, c->s->persistent ? c->b->rn : 0);
    }
    enum mqtt_reason why = c->given ? MQTT_R_SUCCESS : permit(c, p);
    if (why == MQTT_R_SUCCESS) {
        e = give_telemetry(c, p, &why);
    }
    if (e == SH_E_LIMIT) {
        return stall(c);
    }
    if (e != SH_OK) {
        return bad(c, MQTT_R_QUOTA);
    }
    if (why != MQTT_R_SUCCESS) {
        MQTT_COUNT(c->b, c->s->tenant, publish_in[p->qos], 1);
        return refuse(c, p, why);
    }
    e = publish_on(c, p);
    if (e == SH_OK && c->tokens > 0) {
        c->tokens--;
    }
    return e;
}

/* ---- the client's acknowledgements ---- */

static void finished(struct mqtt_conn *c, struct mqtt_oent *e)
{
    struct mqtt_session *s = c->s;
    if (s->persistent) {
        mqtt_log_done(c->b, s, e->pid);
    }
    mqtt_q_done(c->b, s, e);
    mqtt_pump(c->b, s);
}

static sh_err on_puback(struct mqtt_conn *c, const struct mqtt_ack *a)
{
    struct mqtt_oent *e = mqtt_q_find(c->s, a->packet_id);
    if (e != NULL && (e->flags & MQTT_O_QOS) == 1) {
        finished(c, e);
    }
    return SH_OK;
}

static sh_err on_pubrec(struct mqtt_conn *c, const struct mqtt_ack *a)
{
    struct mqtt_session *s = c->s;
    struct mqtt_oent *e = mqtt_q_find(s, a->packet_id);
    if (e != NULL && (e->flags & MQTT_O_QOS) != 2) {
        e = NULL;
    }
    if (a->code >= MQTT_R_UNSPECIFIED) { /* 5.0: the client refuses it */
        if (e != NULL) {
            finished(c, e);
        }
        return SH_OK;
    }
    if (e == NULL) {
        return answer(c, MQTT_PUBREL, a->packet_id,
                      c->version == MQTT_V5 ? MQTT_R_PACKET_ID_NOT_FOUND : 0, 0);
    }
    if (e->state == MQTT_O_SENT) {
        uint64_t rn = 0;
        if (s->persistent && mqtt_durable(c->b) &&
            mqtt_log_rec(c->b, s, a->packet_id, &rn) != SH_OK) {
            return stall(c);
        }
        e->state = MQTT_O_REL;
        e->rn = rn;
        s->q->bytes -= (uint32_t)mqtt_msg_size(e->msg);
        mqtt_msg_unref(c->b, e->msg);
        e->msg = NULL;
    }
    return answer(c, MQTT_PUBREL, a->packet_id, 0, e->rn);
}

static sh_err on_pubrel(struct mqtt_conn *c, const struct mqtt_ack *a)
{
    struct mqtt_session *s = c->s;
    uint64_t rn = 0;
    const bool known = mqtt_in2_has(s, a->packet_id);
    if (known && s->persistent && mqtt_durable(c->b) &&
        mqtt_log_in(c->b, s, a->packet_id, false, &rn) != SH_OK) {
        return stall(c);
    }
    (void)mqtt_in2_del(s, a->packet_id);
    const uint8_t code = !known && c->version == MQTT_V5 ? (uint8_t)MQTT_R_PACKET_ID_NOT_FOUND : 0;
    return answer(c, MQTT_PUBCOMP, a->packet_id, code, rn);
}

static sh_err on_pubcomp(struct mqtt_conn *c, const struct mqtt_ack *a)
{
    struct mqtt_oent *e = mqtt_q_find(c->s, a->packet_id);
    if (e != NULL && e->state == MQTT_O_REL) {
        finished(c, e);
    }
    return SH_OK;
}

static sh_err on_disconnect(struct mqtt_conn *c, const struct mqtt_ack *a)
{
    struct mqtt_session *s = c->s;
    if (mqtt_has(&a->props, MQTT_PR_SERVER_REFERENCE)) {
        return bad(c, MQTT_R_PROTOCOL_ERROR); /* 5.0, 3.14.2.2.5: only a server says it */
    }
    if (mqtt_has(&a->props, MQTT_PR_SESSION_EXPIRY)) {
        const uint32_t want = a->props.session_expiry;
        if (s->expiry_s == MQTT_NO_EXPIRY && want != 0) {
            return bad(c, MQTT_R_PROTOCOL_ERROR);
        }
        s->expiry_s = want > c->b->lim.max_session_expiry_s ? c->b->lim.max_session_expiry_s : want;
    }
    mqtt_conn_end(c, MQTT_R_SUCCESS, a->code != MQTT_R_SUCCESS);
    return SH_OK;
}

sh_err mqtt_on_packet(struct mqtt_conn *c, const struct mqtt_packet *p)
{
    static const uint8_t pong[2] = {MQTT_PINGRESP << 4, 0};
    if (mqtt_ack_full(c) && p->type != MQTT_PINGREQ && p->type != MQTT_DISCONNECT) {
        return stall(c);
    }
    switch (p->type) {
    case MQTT_PUBACK:
        return on_puback(c, &p->ack);
    case MQTT_PUBREC:
        return on_pubrec(c, &p->ack);
    case MQTT_PUBREL:
        return on_pubrel(c, &p->ack);
    case MQTT_PUBCOMP:
        return on_pubcomp(c, &p->ack);
    case MQTT_SUBSCRIBE:
        return mqtt_on_subscribe(c, &p->subscribe);
    case MQTT_UNSUBSCRIBE:
        return mqtt_on_unsubscribe(c, &p->subscribe);
    case MQTT_PINGREQ:
        mqtt_out_raw(c, pong, sizeof pong);
        return SH_OK;
    case MQTT_DISCONNECT:
        return on_disconnect(c, &p->ack);
    default:
        return bad(c, MQTT_R_PROTOCOL_ERROR); /* second CONNECT, AUTH, what only servers send */
    }
}
