/* mqtt_broker.c - life of the broker, its turns, tenants, and what the platform asks of it.
 *
 * Invariants of the whole engine:
 * 1. One thread at a time is inside (mqtt_lane.c); callbacks of the transport never come from
 * inside our calls, ours to the transport (write, read_enable, close) never call back.
 * 2. b->now_us is read once at each entry from outside.
 * 3. Scratch (hits, rec, props, path, tmpl) is valid within one packet; nothing keeps pointers into
 *    it. A publish from inside a callback waits in b->deferred until the publish in hand is
 * through.
 * 4. What an answer promises is durable when it leaves (mqtt_ack.c, mqtt_store.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { DEVICES_MAX = 1000000, REC_MAX = 32 << 20, PROPS_MAX = 1 << 20, PATH_MAX_BYTES = 1 << 18 };

void mqtt_now(struct mqtt_broker *b)
{
    SH_ASSERT(b->nlanes == 1 || sh_fair_held(&b->lock)); /* every entry from outside comes here */
    b->now_us = sh_mono_us(b->env->clock);
}

static void dflt(uint32_t *v, uint32_t d)
{
    if (*v == 0) {
        *v = d;
    }
}

static void dflt16(uint16_t *v, uint16_t d)
{
    if (*v == 0) {
        *v = d;
    }
}

static void limits(struct mqtt_limits *l)
{
    dflt(&l->max_connections, 100000);
    dflt(&l->max_sessions, 200000);
    dflt(&l->max_packet, 1 << 20);
    dflt16(&l->receive_max, 1024);
    dflt16(&l->send_max, 100);
    dflt16(&l->topic_alias_max, 32);
    if (l->topic_alias_max == UINT16_MAX) {
        l->topic_alias_max = 0;
    }
    dflt(&l->max_queued, 1000);
    l->max_queued = l->max_queued > MQTT_QUEUED_MOST ? MQTT_QUEUED_MOST : l->max_queued;
    dflt(&l->max_queued_bytes, 16 << 20);
    dflt(&l->max_out_bytes, 256 << 10);
    dflt(&l->max_subscriptions, 1000);
    dflt(&l->max_levels, 200);
    dflt(&l->max_retained, 1000000);
    dflt(&l->connect_timeout_ms, 10000);
    dflt(&l->max_session_expiry_s, 30 * 86400);
    dflt(&l->persist_v311_expiry_s, l->max_session_expiry_s);
    dflt(&l->sys_interval_ms, 10000);
    if (l->checkpoint_bytes == 0) {
        l->checkpoint_bytes = 64 << 20;
    }
}

sh_err mqtt_broker_new(const struct mqtt_broker_opts *o, struct mqtt_broker **out)
{
    if (o->auth == NULL) {
        return SH_E_INVAL;
    }
    struct mqtt_broker *b = sh_mem_new(o->env->alloc, sizeof *b);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    b->env = o->env;
    b->alloc = o->env->alloc;
    b->lim = o->limits;
    limits(&b->lim);
    b->auth = o->auth;
    b->telemetry = o->telemetry;
    b->store = o->store;
    b->full = o->full;
    b->events = o->events;
    b->recovering = o->store != NULL; /* until mqtt_broker_start */
    b->deferred_tail = &b->deferred;
    mqtt_lanes_init(b);
    if (o->env->random->fill(o->env->random->ctx, &b->seed, sizeof b->seed) != SH_OK) {
        b->seed = (uint64_t)(uintptr_t)b;
    }
    sh_map_init(&b->by_sid, b->alloc, (size_t)b->lim.max_sessions + 1, b->seed);
    sh_map_init(&b->devices, b->alloc, DEVICES_MAX, b->seed);
    sh_buf_init(&b->rec, b->alloc, REC_MAX);
    sh_buf_init(&b->props, b->alloc, PROPS_MAX);
    sh_buf_init(&b->path, b->alloc, PATH_MAX_BYTES);
    sh_buf_init(&b->tmpl, b->alloc, PATH_MAX_BYTES);
    sh_buf_init(&b->acklog, b->alloc, REC_MAX);
    b->version = sh_str_dup(b->alloc, sh_str_c(o->version == NULL ? "songhua" : o->version));
    b->no_queue = sh_mem_new(b->alloc, sizeof *b->no_queue);
    b->no_acks = sh_mem_new(b->alloc, sizeof *b->no_acks);
    if (b->version.p == NULL || b->no_queue == NULL || b->no_acks == NULL) {
        mqtt_broker_free(b);
        return SH_E_NOMEM;
    }
    mqtt_now(b);
    b->start_us = b->now_us;
    b->second_us = b->now_us;
    b->slow_us = b->now_us;
    *out = b;
    return SH_OK;
}

static void tenants_free(struct mqtt_broker *b)
{
    while (b->tenants != NULL) {
        struct mqtt_tenant *t = b->tenants;
        b->tenants = t->next;
        mqtt_retain_clear(b, t);
        mqtt_maps_free(b, t);
        mqtt_tree_fini(&t->subs);
        mqtt_tree_fini(&t->retained);
        sh_mem_free(b->alloc, t);
    }
}

void mqtt_broker_free(struct mqtt_broker *b)
{
    if (b == NULL) {
        return;
    }
    SH_ASSERT(b->conns == NULL);
    for (uint32_t i = 0; i < b->wait_n; i++) {
        const struct mqtt_waiter *w = &b->waiters[(b->wait_head + i) & (b->wait_cap - 1)];
        if (w->c != NULL) {
            mqtt_conn_unpin(w->c);
        } else {
            mqtt_session_unpin(b, w->s);
        }
    }
    struct mqtt_session *next = NULL;
    for (struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL; s = next) {
        next = mqtt_session_next(b, s);
        mqtt_session_free(b, s);
    }
    mqtt_internals_free(b);
    while (b->deferred != NULL) {
        struct mqtt_deferred *d = b->deferred;
        b->deferred = d->next;
        sh_mem_free(b->alloc, d);
    }
    while (b->tokens != NULL) {
        struct mqtt_token *k = b->tokens;
        b->tokens = k->next;
        sh_mem_free(b->alloc, k);
    }
    mqtt_loaded_free(b);
    tenants_free(b);
    for (uint32_t i = 0; i < b->npool; i++) {
        sh_mem_free(b->alloc, b->pool[i]);
    }
    sh_mem_free(b->alloc, b->slots);
    sh_map_fini(&b->by_sid);
    sh_map_fini(&b->devices);
    sh_buf_fini(&b->rec);
    sh_buf_fini(&b->props);
    sh_buf_fini(&b->path);
    sh_buf_fini(&b->tmpl);
    sh_buf_fini(&b->acklog);
    sh_str_free(b->alloc, &b->version);
    sh_mem_free(b->alloc, b->no_queue);
    sh_mem_free(b->alloc, b->no_acks);
    sh_mem_free(b->alloc, b->hits);
    sh_mem_free(b->alloc, b->more_ids);
    sh_mem_free(b->alloc, b->waiters);
    mqtt_lanes_fini(b);
    sh_mem_free(b->alloc, b);
}

struct mqtt_tenant *mqtt_tenant_get(struct mqtt_broker *b, uint32_t id, bool make)
{
    struct mqtt_tenant **at = &b->tenants;
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->id == id) {
            struct mqtt_tenant *t = *at; /* to the front: the busy ones are found at once */
            *at = t->next;
            t->next = b->tenants;
            b->tenants = t;
            return t;
        }
    }
    if (!make || id == 0) {
        return NULL;
    }
    struct mqtt_tenant *t = sh_mem_new(b->alloc, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->id = id;
    if (mqtt_tree_init(&t->subs, b->alloc, b->seed) != SH_OK) {
        sh_mem_free(b->alloc, t);
        return NULL;
    }
    if (mqtt_tree_init(&t->retained, b->alloc, b->seed) != SH_OK) {
        mqtt_tree_fini(&t->subs);
        sh_mem_free(b->alloc, t);
        return NULL;
    }
    t->next = b->tenants;
    b->tenants = t;
    if (mqtt_internals_join(b, t) != SH_OK) {
        sh_log(b->env->log, SH_LOG_ERROR, "mqtt", "no memory for the platform's subscriptions");
    }
    return t;
}

/* ---- turns ---- */

void mqtt_turn_end(struct mqtt_broker *b)
{
    mqtt_acklog_flush(b);
    if (b->telemetry != NULL && b->telemetry->turn_end != NULL) {
        b->telemetry->turn_end(b->telemetry->ctx);
    }
}

void mqtt_broker_flush(struct mqtt_broker *b)
{
    struct mqtt_lane *l = &b->lanes[b->here];
    mqtt_turn_end(b);
    while (l->dirty != NULL) {
        struct mqtt_conn *c = l->dirty;
        mqtt_lane_unmark(c);
        mqtt_out_write(c);
        if (c->read_due) {
            c->read_due = false;
            c->ops->read_enable(mqtt_conn_room(c), true);
        }
        if (c->close_due) {
            c->close_due = false;
            c->ops->close(mqtt_conn_room(c));
        }
    }
    mqtt_lanes_wake(b, mqtt_lanes_to_wake(b));
}

void mqtt_broker_tick(struct mqtt_broker *b)
{
    mqtt_now(b);
    mqtt_broker_resume(b);
    mqtt_conn_tick(b);
    if (b->now_us - b->slow_us >= 1000000) {
        const bool minute = b->now_us / 60000000 != b->slow_us / 60000000;
        b->slow_us = b->now_us;
        mqtt_session_tick(b);
        mqtt_sys_tick(b);
        for (struct mqtt_tenant *t = b->tenants; t != NULL && minute; t = t->next) {
            mqtt_retain_tick(b, t);
        }
        if (b->since_checkpoint >= b->lim.checkpoint_bytes && !b->recovering) {
            const sh_err e = mqtt_broker_checkpoint(b);
            if (e != SH_OK && e != SH_E_BUSY && e != SH_E_UNSUPPORTED) {
                sh_log(b->env->log, SH_LOG_WARN, "mqtt", "checkpoint put off: %s", sh_err_name(e));
            }
        }
    }
    mqtt_run_deferred(b);
    mqtt_broker_flush(b);
}

void mqtt_broker_shutdown(struct mqtt_broker *b)
{
    mqtt_now(b);
    struct mqtt_conn *next = NULL;
    for (struct mqtt_conn *c = b->conns; c != NULL; c = next) {
        next = c->next;
        mqtt_conn_end(c, MQTT_R_SHUTTING_DOWN, true);
    }
    mqtt_broker_flush(b);
}

void mqtt_broker_conns(const struct mqtt_broker *b, void (*fn)(void *ctx))
{
    for (struct mqtt_conn *c = b->conns; c != NULL; c = c->next) {
        if (mqtt_lane_here(c)) {
            fn(mqtt_conn_room(c));
        }
    }
}

/* ---- publishing for the platform ---- */

static sh_err publish_now(struct mqtt_broker *b, struct mqtt_tenant *t, struct sh_str topic,
                          struct sh_bytes payload, uint8_t qos, bool retain)
{
    struct mqtt_pub p = {.tenant = t,
                         .topic = topic,
                         .payload = payload,
                         .expires_us = MQTT_FAR,
                         .qos = qos,
                         .retain = retain};
    uint64_t rn = 0;
    const sh_err e = mqtt_route(b, &p, &rn);
    mqtt_msg_unref(b, p.msg);
    return e;
}

static sh_err defer(struct mqtt_broker *b, uint32_t tenant, struct sh_str topic,
                    struct sh_bytes payload, uint8_t qos, bool retain)
{
    if (b->ndeferred >= MQTT_DEFERRED_MAX) {
        return SH_E_LIMIT;
    }
    struct mqtt_deferred *d = sh_mem_resize(b->alloc, NULL, sizeof *d + topic.n + payload.n);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    *d = (struct mqtt_deferred){.tenant = tenant,
                                .qos = qos,
                                .retain = retain,
                                .topic_n = (uint32_t)topic.n,
                                .payload_n = (uint32_t)payload.n};
    memcpy(d->bytes, topic.p, topic.n);
    if (payload.n > 0) {
        memcpy(d->bytes + topic.n, payload.p, payload.n);
    }
    *b->deferred_tail = d;
    b->deferred_tail = &d->next;
    b->ndeferred++;
    return SH_OK;
}

static void free_dead_internals(struct mqtt_broker *b)
{
    struct mqtt_internal_sub *next = NULL;
    for (struct mqtt_internal_sub *s = b->internals; s != NULL; s = next) {
        next = s->next;
        if (s->dead) {
            mqtt_unsubscribe_internal(b, s);
        }
    }
}

void mqtt_run_deferred(struct mqtt_broker *b)
{
    if (b->depth > 0) {
        return;
    }
    while (b->deferred != NULL) {
        struct mqtt_deferred *d = b->deferred;
        struct mqtt_tenant *t = mqtt_tenant_get(b, d->tenant, true);
        const struct sh_str topic = {(const char *)d->bytes, d->topic_n};
        const struct sh_bytes payload = {d->bytes + d->topic_n, d->payload_n};
        if (t != NULL && publish_now(b, t, topic, payload, d->qos, d->retain) == SH_E_LIMIT) {
            return; /* the log is full: at the next tick */
        }
        b->deferred = d->next;
        if (b->deferred == NULL) {
            b->deferred_tail = &b->deferred;
        }
        b->ndeferred--;
        sh_mem_free(b->alloc, d);
    }
    free_dead_internals(b);
}

sh_err mqtt_publish_internal(struct mqtt_broker *b, uint32_t tenant, struct sh_str topic,
                             struct sh_bytes payload, uint8_t qos, bool retain)
{
    if (!mqtt_topic_valid(topic) || qos > 2 || tenant == 0 ||
        payload.n > (size_t)b->lim.max_packet * 16) {
        return SH_E_INVAL;
    }
    if (b->depth > 0 || b->deferred != NULL) {
        return defer(b, tenant, topic, payload, qos, retain);
    }
    mqtt_now(b);
    struct mqtt_tenant *t = mqtt_tenant_get(b, tenant, true);
    return t == NULL ? SH_E_NOMEM : publish_now(b, t, topic, payload, qos, retain);
}

/* ---- lists and counters ---- */

size_t mqtt_broker_kick(struct mqtt_broker *b, uint32_t tenant, uint64_t principal,
                        struct sh_str client_id, bool end_session)
{
    mqtt_now(b);
    size_t n = 0;
    struct mqtt_session *next = NULL;
    for (struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL; s = next) {
        next = mqtt_session_next(b, s);
        if ((tenant != 0 && s->tenant->id != tenant) ||
            (principal != 0 && s->principal != principal) ||
            (client_id.n > 0 && !sh_str_eq(mqtt_session_client_id(s), client_id))) {
            continue;
        }
        n++;
        if (end_session) {
            s->expiry_s = MQTT_NO_EXPIRY;
        }
        if (s->conn != NULL) {
            mqtt_conn_end(s->conn, MQTT_R_ADMINISTRATIVE, true);
        } else if (end_session) {
            mqtt_session_end(b, s);
        }
    }
    mqtt_run_deferred(b);
    return n;
}

void mqtt_broker_counters(const struct mqtt_broker *b, uint32_t tenant, struct mqtt_counters *out)
{
    if (tenant == 0) {
        *out = b->n;
        return;
    }
    memset(out, 0, sizeof *out);
    for (const struct mqtt_tenant *t = b->tenants; t != NULL; t = t->next) {
        if (t->id == tenant) {
            *out = t->n;
        }
    }
}

void mqtt_broker_sessions(const struct mqtt_broker *b, uint32_t tenant,
                          bool (*fn)(void *ctx, const struct mqtt_session_info *s), void *ctx)
{
    for (const struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL;
         s = mqtt_session_next(b, s)) {
        if (tenant != 0 && s->tenant->id != tenant) {
            continue;
        }
        const struct mqtt_conn *c = s->conn;
        struct mqtt_session_info i = {.tenant = s->tenant->id,
                                      .principal = s->principal,
                                      .client_id = mqtt_session_client_id(s),
                                      .device = mqtt_session_device(s),
                                      .connected = c != NULL,
                                      .persistent = s->persistent,
                                      .version = s->version,
                                      .expiry_s = s->expiry_s,
                                      .since_us = s->since_us,
                                      .subscriptions = s->nsubs,
                                      .queued = s->q->n - s->q->inflight,
                                      .in_flight = s->q->inflight,
                                      .publish_in = s->publish_in,
                                      .publish_out = s->publish_out,
                                      .dropped = s->dropped};
        if (c != NULL) {
            i.principal_name = c->p->name;
            i.address = mqtt_conn_address(c);
            i.tls = c->tls;
            i.websocket = c->websocket;
            i.keep_alive_s = c->keep_alive_s;
        }
        if (!fn(ctx, &i)) {
            return;
        }
    }
}
