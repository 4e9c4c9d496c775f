/* mqtt_connect.c - from CONNECT to CONNACK: identity, session, takeover.
 *
 *   NEW --CONNECT, decoded--> AUTH --identity said yes--> OPEN (CONNACK in the answer ring)
 *    `--refused: CONNACK with a reason--> ENDED <--no--'
 * The CONNECT packet is kept as bytes while identity is asked, and decoded again then.
 * Specification: 5.0, 3.1 and 3.2.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/stream.h>

#include "mqtt_int.h"

enum { ID_BYTES = 12, CLIENT_ID_LIMIT = 1024, OUT_ALIASES = 16 };

struct mqtt_connect_kept {
    size_t n;
    uint8_t bytes[];
};

void mqtt_connect_drop(struct mqtt_conn *c)
{
    if (c->asked) {
        sh_mem_free(c->b->alloc, c->pending);
        c->pending = NULL;
        c->asked = false;
    }
}

static uint8_t code_311(enum mqtt_reason why)
{
    switch ((int)why) {
    case MQTT_R_BAD_VERSION:
        return 1;
    case MQTT_R_BAD_CLIENT_ID:
        return 2;
    case MQTT_R_BAD_CREDENTIALS:
        return 4;
    case MQTT_R_NOT_AUTHORISED:
    case MQTT_R_BANNED:
        return 5;
    default:
        return 3;
    }
}

void mqtt_connack_refuse(struct mqtt_conn *c, uint8_t version, enum mqtt_reason why,
                         const char *words)
{
    c->b->n.connects_refused++;
    struct mqtt_packet p = {.type = MQTT_CONNACK,
                            .version = version > MQTT_V311 ? MQTT_V5 : MQTT_V311};
    const bool v5 = p.version == MQTT_V5;
    p.connack.code = v5 ? (uint8_t)why : code_311(why);
    /* [MQTT-3.2.2-19]: left out when the client could not take it; 16: the packet around it. */
    if (v5 && words != NULL && strlen(words) + 16 <= c->max_packet) {
        p.connack.props.reason_string = sh_str_c(words);
        mqtt_set(&p.connack.props, MQTT_PR_REASON_STRING);
    }
    /* 3.1.1 has no code for a malformed packet: the connection is closed without an answer. */
    if (v5 ||
        (why != MQTT_R_MALFORMED && why != MQTT_R_PROTOCOL_ERROR && why != MQTT_R_BAD_TOPIC)) {
        mqtt_out_packet(c, &p);
    }
    mqtt_conn_end(c, MQTT_R_SUCCESS, false);
}

void mqtt_device_event(struct mqtt_conn *c, bool online)
{
    struct mqtt_broker *b = c->b;
    if (c->p == NULL || c->p->device.n == 0 || b->events == NULL) {
        return;
    }
    char key[4 + 512];
    const size_t n = c->p->device.n < 512 ? c->p->device.n : 512;
    sh_put_be32((uint8_t *)key, c->p->tenant);
    memcpy(key + 4, c->p->device.p, n);
    const struct sh_str k = {key, 4 + n};
    const uintptr_t now = (uintptr_t)sh_map_get(&b->devices, k);
    const uintptr_t next = online ? now + 1 : now - (now > 0);
    if (next == 0) {
        (void)sh_map_del(&b->devices, k);
    } else if (sh_map_set(&b->devices, k, (void *)next) != SH_OK) {
        sh_log(b->env->log, SH_LOG_WARN, "mqtt", "no memory to count a device's connections");
    }
    if (online ? now == 0 : now <= 1) {
        b->events->device(b->events->ctx, c->p, mqtt_session_client_id(c->s), mqtt_conn_address(c),
                          online);
    }
}

/* ---- after identity ---- */

/* The session that goes on, or a new one. *present: it goes on. */
static sh_err session_for(struct mqtt_conn *c, const struct mqtt_connect *k, struct sh_str id,
                          bool *present)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_session *s = mqtt_session_find(b, c->p->tenant, c->p->id, id);
    if (s != NULL && s->conn != NULL) { /* [MQTT-3.1.4-3] */
        MQTT_COUNT(b, s->tenant, takeovers, 1);
        mqtt_conn_end(s->conn, MQTT_R_TAKEN_OVER, true);
        s = mqtt_session_find(b, c->p->tenant, c->p->id, id);
    }
    if (s != NULL && mqtt_session_due(b, s)) { /* its time was over before the tick saw it */
        s = NULL;
    }
    if (s != NULL && (k->clean || (c->p->flags & MQTT_P_NO_RESUME) != 0)) {
        mqtt_session_end(b, s);
        s = NULL;
    }
    *present = s != NULL;
    if (s == NULL) {
        struct mqtt_tenant *t = mqtt_tenant_get(b, c->p->tenant, true);
        if (t == NULL) {
            return SH_E_NOMEM;
        }
        const struct mqtt_session_key key = {c->p->id, id, c->p->device};
        SH_TRY(mqtt_session_new(b, t, &key, &s));
    }
    c->s = s;
    return SH_OK;
}

static uint32_t expiry_of(const struct mqtt_broker *b, const struct mqtt_connect *k)
{
    uint32_t want = 0;
    if (k->version == MQTT_V311) {
        want = k->clean ? MQTT_NO_EXPIRY : b->lim.persist_v311_expiry_s;
    } else if (mqtt_has(&k->props, MQTT_PR_SESSION_EXPIRY)) {
        want = k->props.session_expiry;
    }
    return want > b->lim.max_session_expiry_s ? b->lim.max_session_expiry_s : want;
}

static void put_u32(struct mqtt_props *p, enum mqtt_prop row, uint32_t *at, uint32_t v)
{
    *at = v;
    mqtt_set(p, row);
}

static void put_u16(struct mqtt_props *p, enum mqtt_prop row, uint16_t *at, uint16_t v)
{
    *at = v;
    mqtt_set(p, row);
}

/* What 5.0 is told about the session and our limits. */
static sh_err connack_props(struct mqtt_conn *c, const struct mqtt_connect *k, bool assigned,
                            struct mqtt_props *o)
{
    struct mqtt_broker *b = c->b;
    const struct mqtt_session *s = c->s;
    const uint32_t asked =
        mqtt_has(&k->props, MQTT_PR_SESSION_EXPIRY) ? k->props.session_expiry : 0;
    if (s->expiry_s != asked) {
        put_u32(o, MQTT_PR_SESSION_EXPIRY, &o->session_expiry, s->expiry_s);
    }
    put_u16(o, MQTT_PR_RECEIVE_MAX, &o->receive_max, b->lim.receive_max);
    put_u32(o, MQTT_PR_MAX_PACKET_SIZE, &o->max_packet_size, b->lim.max_packet);
    put_u16(o, MQTT_PR_TOPIC_ALIAS_MAX, &o->topic_alias_max, b->lim.topic_alias_max);
    if (assigned) {
        o->assigned_client_id = mqtt_session_client_id(s);
        mqtt_set(o, MQTT_PR_ASSIGNED_CLIENT_ID);
    }
    if (c->keep_alive_s != k->keep_alive) {
        put_u16(o, MQTT_PR_SERVER_KEEP_ALIVE, &o->server_keep_alive, c->keep_alive_s);
    }
    if (mqtt_has(&k->props, MQTT_PR_REQUEST_RESPONSE_INFO) && k->props.request_response_info == 1) {
        sh_buf_clear(&b->path);
        SH_TRY(sh_buf_put_c(&b->path, c->p->device.n > 0 ? "sh/v1/" : "response/"));
        SH_TRY(mqtt_topic_put_device(&b->path, c->p->device.n > 0 ? c->p->device
                                                                  : mqtt_session_client_id(s)));
        SH_TRY(sh_buf_put_c(&b->path, c->p->device.n > 0 ? "/response/" : "/"));
        o->response_info = sh_buf_str(&b->path);
        mqtt_set(o, MQTT_PR_RESPONSE_INFO);
    }
    return SH_OK;
}

/* CONNACK into the answer ring, behind the commit of rn. */
static sh_err connack(struct mqtt_conn *c, const struct mqtt_connect *k, bool present,
                      bool assigned, uint64_t rn)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_packet p = {.type = MQTT_CONNACK, .version = c->version};
    p.connack.session_present = present;
    struct sh_buf enc;
    sh_buf_init(&enc, b->alloc, 65536);
    sh_err e = c->version == MQTT_V5 ? connack_props(c, k, assigned, &p.connack.props) : SH_OK;
    if (e == SH_OK) {
        e = mqtt_encode(&enc, &p);
    }
    struct mqtt_ack_ent ent = {.rn = rn, .type = MQTT_CONNACK};
    uint32_t seq = 0;
    if (e == SH_OK) {
        ent.extra_n = (uint32_t)enc.n;
        ent.extra = sh_mem_resize(b->alloc, NULL, enc.n);
        e = ent.extra == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (e == SH_OK) {
        memcpy(ent.extra, enc.p, enc.n);
        e = mqtt_ack_push(c, &ent, &seq);
        if (e != SH_OK) {
            sh_mem_free(b->alloc, ent.extra);
        }
    }
    if (e == SH_OK && rn > b->committed) {
        e = mqtt_wait(b, rn, c, seq, NULL);
    }
    sh_buf_fini(&enc);
    return e;
}

static void settle(struct mqtt_conn *c, const struct mqtt_connect *k)
{
    struct mqtt_broker *b = c->b;
    c->version = k->version;
    c->keep_alive_s = k->keep_alive;
    if (b->lim.max_keep_alive_s > 0 && k->version == MQTT_V5 &&
        (k->keep_alive == 0 || k->keep_alive > b->lim.max_keep_alive_s)) {
        c->keep_alive_s = b->lim.max_keep_alive_s;
    }
    c->send_max = b->lim.send_max;
    c->problem_info =
        !mqtt_has(&k->props, MQTT_PR_REQUEST_PROBLEM_INFO) || k->props.request_problem_info == 1;
    if (mqtt_has(&k->props, MQTT_PR_RECEIVE_MAX) && k->props.receive_max < c->send_max) {
        c->send_max = k->props.receive_max;
    }
    if (mqtt_has(&k->props, MQTT_PR_TOPIC_ALIAS_MAX) && k->props.topic_alias_max > 0) {
        const uint16_t n =
            k->props.topic_alias_max < OUT_ALIASES ? k->props.topic_alias_max : OUT_ALIASES;
        c->aliases = sh_mem_new(b->alloc, sizeof *c->aliases);
        if (c->aliases != NULL) {
            c->aliases->out = sh_mem_array(b->alloc, n, sizeof *c->aliases->out);
            c->aliases->out_n = c->aliases->out == NULL ? 0 : n;
        }
    }
}

/* Fills the session from CONNECT; its log record. */
static sh_err session_take(struct mqtt_conn *c, const struct mqtt_connect *k, uint64_t *rn)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_session *s = c->s;
    struct mqtt_kept_will *will = NULL;
    if (k->has_will) {
        struct mqtt_will w = k->will;
        w.topic = mqtt_me_in(b, c->p, w.topic);
        SH_TRY(mqtt_will_keep(b, s->tenant, &w, &will));
    }
    mqtt_will_drop(b, s);
    s->will = will;
    s->version = k->version;
    s->expiry_s = expiry_of(b, k);
    const bool was_persistent = s->persistent;
    s->persistent = s->expiry_s != MQTT_NO_EXPIRY;
    if (mqtt_durable(b) && (s->persistent || was_persistent)) {
        return mqtt_log_session(b, s, true, rn);
    }
    return SH_OK;
}

static sh_err make_id(struct mqtt_conn *c, char out[32], struct sh_str *id)
{
    static const char hex[] = "0123456789abcdef";
    static const char front[5] = {'a', 'u', 't', 'o', '-'};
    uint8_t raw[ID_BYTES];
    SH_TRY(c->b->env->random->fill(c->b->env->random->ctx, raw, sizeof raw));
    memcpy(out, front, sizeof front);
    for (size_t i = 0; i < sizeof raw; i++) {
        out[5 + 2 * i] = hex[raw[i] >> 4];
        out[6 + 2 * i] = hex[raw[i] & 15];
    }
    *id = (struct sh_str){out, 5 + 2 * sizeof raw};
    return SH_OK;
}

static void opened(struct mqtt_conn *c, bool present)
{
    struct mqtt_broker *b = c->b;
    struct mqtt_session *s = c->s;
    s->conn = c;
    s->ends_us = MQTT_FAR;
    if (s->will != NULL) {
        s->will->due_us = MQTT_FAR;
    }
    s->since_us = sh_wall_us(b->env->clock);
    c->state = MQTT_C_OPEN;
    c->opened_us = b->now_us;
    c->tokens = b->lim.max_rate;
    if (present) {
        mqtt_q_rewind(s);
    }
    MQTT_COUNT(b, s->tenant, connects, 1);
    s->tenant->n.connections++;
    if (s->tenant->n.connections > s->tenant->n.connections_max) {
        s->tenant->n.connections_max = s->tenant->n.connections;
    }
    mqtt_device_event(c, true);
}

static enum mqtt_reason allowed(struct mqtt_conn *c, const struct mqtt_connect *k)
{
    struct mqtt_broker *b = c->b;
    const struct mqtt_tenant *t = mqtt_tenant_get(b, c->p->tenant, false);
    if (t != NULL && b->lim.max_tenant_connections > 0 &&
        t->n.connections >= b->lim.max_tenant_connections) {
        return MQTT_R_QUOTA;
    }
    if (k->has_will && (sh_str_starts(k->will.topic, SH_STR("$SYS/")) ||
                        (!mqtt_own_topic(c->p, k->will.topic) &&
                         !b->auth->may_publish(b->auth->ctx, c->p, k->will.topic)))) {
        return MQTT_R_NOT_AUTHORISED;
    }
    return MQTT_R_SUCCESS;
}

static void refuse_open(struct mqtt_conn *c, const struct mqtt_connect *k, enum mqtt_reason why,
                        const char *words)
{
    struct mqtt_session *s = c->s;
    c->s = NULL;
    if (s != NULL && s->conn == NULL && !s->persistent) {
        mqtt_will_drop(c->b, s);
        mqtt_session_end(c->b, s);
    }
    mqtt_connack_refuse(c, k->version, why, words);
}

static void go_on(struct mqtt_conn *c, const struct mqtt_connect *k)
{
    char made[32];
    struct sh_str id = k->client_id;
    const enum mqtt_reason why = allowed(c, k);
    if (why != MQTT_R_SUCCESS) {
        refuse_open(c, k, why, "not allowed here");
        return;
    }
    if (id.n == 0 && make_id(c, made, &id) != SH_OK) {
        refuse_open(c, k, MQTT_R_SERVER_BUSY, "no randomness");
        return;
    }
    bool present = false;
    uint64_t rn = 0;
    sh_err e = session_for(c, k, id, &present);
    if (e == SH_OK) {
        settle(c, k);
        e = session_take(c, k, &rn);
    }
    if (e == SH_OK) {
        e = connack(c, k, present, k->client_id.n == 0, rn);
    }
    if (e != SH_OK) {
        refuse_open(c, k, e == SH_E_LIMIT ? MQTT_R_SERVER_BUSY : MQTT_R_QUOTA,
                    "try again in a moment");
        return;
    }
    opened(c, present);
    mqtt_ack_flush(c);
}

static void on_identity(void *token, enum mqtt_auth_result r, struct mqtt_principal *p)
{
    static const enum mqtt_reason whys[] = {
        [MQTT_AUTH_OK] = MQTT_R_SUCCESS,
        [MQTT_AUTH_BAD_CREDENTIALS] = MQTT_R_BAD_CREDENTIALS,
        [MQTT_AUTH_NOT_AUTHORISED] = MQTT_R_NOT_AUTHORISED,
        [MQTT_AUTH_BANNED] = MQTT_R_BANNED,
        [MQTT_AUTH_QUOTA] = MQTT_R_QUOTA,
        [MQTT_AUTH_BUSY] = MQTT_R_SERVER_BUSY,
    };
    struct mqtt_conn *c = token;
    struct mqtt_broker *b = c->b;
    mqtt_now(b);
    if (c->gone || c->state != MQTT_C_AUTH || !c->asked) {
        if (p != NULL) {
            b->auth->release(b->auth->ctx, p);
        }
        mqtt_conn_unpin(c);
        return;
    }
    struct mqtt_connect_kept *kept = c->pending;
    c->asked = false;
    c->p = p;
    struct mqtt_head head;
    struct mqtt_packet pk;
    const struct sh_bytes all = {kept->bytes, kept->n};
    const bool ok = mqtt_head_decode(all, &head) == SH_OK &&
                    mqtt_decode(&head, sh_bytes_of(kept->bytes + head.head_len, head.len), 0,
                                &pk) == MQTT_R_SUCCESS;
    SH_ASSERT(ok); /* it was decoded before it was kept */
    if (r != MQTT_AUTH_OK || p == NULL || p->tenant == 0) {
        mqtt_connack_refuse(c, pk.version, r == MQTT_AUTH_OK ? MQTT_R_NOT_AUTHORISED : whys[r],
                            NULL);
    } else {
        go_on(c, &pk.connect);
    }
    sh_mem_free(b->alloc, kept);
    if (c->state == MQTT_C_OPEN && c->no_read && !c->stalled) {
        mqtt_lane_read_on(c);
    }
    mqtt_run_deferred(b);
    mqtt_conn_unpin(c);
}

static sh_err keep(struct mqtt_conn *c, const struct mqtt_packet *p, struct sh_bytes *whole)
{
    struct sh_buf enc;
    sh_buf_init(&enc, c->b->alloc, (size_t)c->b->lim.max_packet + 64);
    sh_err e = mqtt_encode(&enc, p);
    if (e == SH_OK) {
        c->pending = sh_mem_resize(c->b->alloc, NULL, sizeof *c->pending + enc.n);
        e = c->pending == NULL ? SH_E_NOMEM : SH_OK;
    }
    if (e == SH_OK) {
        c->asked = true;
        c->pending->n = enc.n;
        memcpy(c->pending->bytes, enc.p, enc.n);
        *whole = (struct sh_bytes){c->pending->bytes, enc.n};
    }
    sh_buf_fini(&enc);
    return e;
}

void mqtt_on_connect(struct mqtt_conn *c, const struct mqtt_packet *p)
{
    struct mqtt_broker *b = c->b;
    const struct mqtt_connect *k = &p->connect;
    c->version = p->version;
    if (mqtt_has(&k->props, MQTT_PR_MAX_PACKET_SIZE)) {
        c->max_packet = k->props.max_packet_size;
    }
    if (k->client_id.n > CLIENT_ID_LIMIT ||
        (k->client_id.n == 0 && k->version == MQTT_V311 && !k->clean)) { /* [MQTT-3.1.3-8] */
        mqtt_connack_refuse(c, p->version, MQTT_R_BAD_CLIENT_ID, "client identifier not usable");
        return;
    }
    if (mqtt_has(&k->props, MQTT_PR_AUTH_METHOD)) {
        mqtt_connack_refuse(c, p->version, MQTT_R_BAD_AUTH_METHOD,
                            "enhanced authentication is not offered");
        return;
    }
    struct sh_bytes whole;
    if (keep(c, p, &whole) != SH_OK) {
        mqtt_connack_refuse(c, p->version, MQTT_R_SERVER_BUSY, NULL);
        return;
    }
    struct sh_peer_cert cert;
    const bool has_cert =
        c->ops->peer_cert != NULL && c->ops->peer_cert(mqtt_conn_room(c), &cert) == SH_OK;
    const struct mqtt_connect_req req = {.client_id = k->client_id,
                                         .has_user = k->has_user,
                                         .has_password = k->has_password,
                                         .user = k->user,
                                         .password = k->password,
                                         .peer_cert = has_cert ? &cert : NULL,
                                         .address = mqtt_conn_address(c),
                                         .loopback = c->loopback,
                                         .listener = c->listener};
    c->state = MQTT_C_AUTH;
    c->no_read = true;
    c->ops->read_enable(mqtt_conn_room(c), false);
    c->pins++;
    b->auth->connect(b->auth->ctx, &req, on_identity, c);
}
