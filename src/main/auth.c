/* auth.c - guard behind the broker's identity seam. Passwords of people are hashed on a worker; the
 * answer is posted back to the loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

/* The broker's view of a principal, with guard's handle behind it. */
struct who {
    struct mqtt_principal p; /* first: who_of */
    struct who *prev;        /* list node->guests */
    struct who *next;
    struct sh_principal guard;
    uint8_t held; /* bit for each of `lasting` that it came with */
    char text[];  /* name; device, unless it is the same */
};

/* What a connection's subscriptions stand on. Who loses one of these, by a change of roles or the
 * end of a grant, is sent away, and may come again with what is left. */
static const enum sh_permission lasting[] = {SH_PERM_MQTT_CONNECT, SH_PERM_MQTT_ANY_TOPIC,
                                             SH_PERM_MQTT_SYS, SH_PERM_INGEST_GATEWAY};
enum { LASTING = sizeof lasting / sizeof lasting[0] };
/* And what it sees covers all classes of data that the tenant holds: a subscription brings messages
 * as they were sent, with the values of many points, so it is had whole or not at all. */
enum { CLEARED = 1 << LASTING };

static bool cleared(const struct node *n, const struct sh_principal *g)
{
    uint32_t points[SH_DATA_PAIRS];
    const sh_clearance shows = sh_guard_clearance(n->guard, g, SH_PERM_MQTT_ANY_TOPIC, g->tenant);
    sh_points_class_counts(n->points, g->tenant, points);
    for (unsigned i = 1; i < SH_DATA_PAIRS; i++) { /* the first is seen by everybody */
        if (points[i] > 0 && (shows >> i & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* Of the asked bits, those that are held now. */
static uint8_t held_of(const struct node *n, const struct sh_principal *g, uint8_t asked)
{
    uint8_t bits = 0;
    for (unsigned i = 0; i < LASTING; i++) {
        const uint8_t bit = (uint8_t)(1U << i);
        if ((asked & bit) != 0 && sh_guard_check(n->guard, g, lasting[i], g->tenant) == SH_OK) {
            bits |= bit;
        }
    }
    if ((asked & CLEARED) != 0 && cleared(n, g)) {
        bits |= CLEARED;
    }
    return bits;
}

static const struct who *who_of(const struct mqtt_principal *p)
{
    return (const struct who *)(const void *)p;
}

/* Bound to a device and to its topics. */
static bool device_only(const struct who *w)
{
    enum { ANY_TOPIC = 2, GATEWAY = 8 };
    return w->p.device.n > 0 && (w->held & (ANY_TOPIC | GATEWAY)) == 0;
}

static struct mqtt_principal *make(struct node *n, const struct sh_principal *g)
{
    struct sh_principal_info info;
    if (sh_guard_describe(n->guard, g, &info) != SH_OK) {
        return NULL;
    }
    const struct sh_str name = sh_str_c(info.name);
    const struct sh_str device = sh_str_c(info.device);
    const bool same = sh_str_eq(name, device);
    struct who *w = sh_mem_new(n->env.alloc, sizeof *w + name.n + (same ? 0 : device.n));
    if (w == NULL) {
        return NULL;
    }
    w->guard = *g;
    w->held = held_of(n, g, CLEARED | ((1U << LASTING) - 1));
    memcpy(w->text, name.p, name.n);
    if (!same) {
        memcpy(w->text + name.n, device.p, device.n);
    }
    w->p.tenant = g->tenant;
    /* Stable over restarts: the label names kind, name and tenant. */
    w->p.id = sh_hash64(info.label, strlen(info.label), g->kind);
    w->p.name = (struct sh_str){w->text, name.n};
    w->p.device = (struct sh_str){w->text + (same ? 0 : name.n), device.n};
    if (g->kind == SH_PRINCIPAL_ANONYMOUS) {
        w->p.flags |= MQTT_P_NO_TELEMETRY;
    }
    if (sh_guard_check(n->guard, g, SH_PERM_INGEST_GATEWAY, g->tenant) == SH_OK) {
        w->p.flags |= MQTT_P_GATEWAY;
    }
    /* a device that is bound to its own topics has subscribed to nothing else */
    if ((w->held & CLEARED) == 0 && !device_only(w)) {
        w->p.flags |= MQTT_P_NO_RESUME;
    }
    w->next = n->guests;
    if (w->next != NULL) {
        w->next->prev = w;
    }
    n->guests = w;
    return &w->p;
}

static enum mqtt_auth_result admit(struct node *n, const struct sh_principal *g, struct sh_str peer,
                                   struct mqtt_principal **out)
{
    const enum sh_refusal why = sh_guard_admits(n->guard, g, peer, SH_DOOR_MQTT);
    if (why != SH_REFUSED_NOT) {
        return why == SH_REFUSED_ADDRESS ? MQTT_AUTH_NOT_AUTHORISED : MQTT_AUTH_BANNED;
    }
    if (sh_guard_check(n->guard, g, SH_PERM_MQTT_CONNECT, g->tenant) != SH_OK) {
        return MQTT_AUTH_NOT_AUTHORISED;
    }
    if (sh_guard_use(n->guard, g->tenant, SH_QUOTA_CONNECTIONS, 1) != SH_OK) {
        return MQTT_AUTH_QUOTA;
    }
    *out = make(n, g);
    if (*out == NULL) {
        sh_guard_unuse(n->guard, g->tenant, SH_QUOTA_CONNECTIONS, 1);
        return MQTT_AUTH_BUSY;
    }
    return MQTT_AUTH_OK;
}

/* A CONNECT whose password is being hashed. */
struct pending {
    struct sh_job job;
    struct node *node;
    mqtt_auth_done *done;
    void *token;
    sh_err err;
    struct sh_principal who;
    char peer[64];
};

static enum mqtt_auth_result refusal(sh_err err)
{
    return err == SH_E_DENIED ? MQTT_AUTH_BAD_CREDENTIALS : MQTT_AUTH_BUSY;
}

static void pending_finish(void *ctx)
{
    const struct pending p = *(struct pending *)ctx;
    sh_mem_free(p.node->env.alloc, ctx);
    struct mqtt_principal *out = NULL;
    node_enter(p.node);
    const enum mqtt_auth_result r =
        p.err == SH_OK ? admit(p.node, &p.who, sh_str_c(p.peer), &out) : refusal(p.err);
    p.done(p.token, r, out);
    node_leave(p.node);
    if (p.node->mqtt != NULL) {
        mqtt_server_kick(p.node->mqtt);
    }
}

static void pending_done(void *ctx, sh_err err, struct sh_principal who)
{
    struct pending *p = ctx;
    p->err = err;
    p->who = who;
    p->job.fn = pending_finish;
    p->job.ctx = p;
    sh_loop_post_job(p->node->loop, &p->job);
}

static bool anonymous(const struct node *n, const struct mqtt_connect_req *req)
{
    return n->mqtt_anonymous && !req->has_user && req->peer_cert == NULL && req->loopback;
}

static void auth_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                         void *token)
{
    struct node *n = ctx;
    struct mqtt_principal *out = NULL;
    struct sh_principal who;
    const size_t port = sh_str_rfind(req->address, ':');
    const struct sh_str peer = port == SIZE_MAX ? req->address : sh_str_sub(req->address, 0, port);
    if (anonymous(n, req)) {
        who = sh_guard_anonymous(n->guard);
        const enum mqtt_auth_result r = admit(n, &who, peer, &out);
        done(token, r, out);
        return;
    }
    if (!req->has_user && req->peer_cert != NULL) {
        const struct sh_cert_shown shown = {.fingerprint = req->peer_cert->sha256,
                                            .common_name = req->peer_cert->cn,
                                            .until_us = req->peer_cert->not_after_us,
                                            .verified = req->peer_cert->verified};
        const sh_err err = sh_guard_by_shown(n->guard, &shown, &who);
        const enum mqtt_auth_result r = err == SH_OK ? admit(n, &who, peer, &out) : refusal(err);
        done(token, r, out);
        return;
    }
    struct pending *p = sh_mem_new(n->env.alloc, sizeof *p);
    if (p == NULL) {
        done(token, MQTT_AUTH_BUSY, NULL);
        return;
    }
    p->node = n;
    p->done = done;
    p->token = token;
    (void)snprintf(p->peer, sizeof p->peer, "%.*s", SH_PRI(peer));
    const struct sh_credentials c = {
        .user = req->user,
        .password = sh_bytes_str(req->password),
        .peer = peer,
    };
    const sh_err err = sh_guard_authenticate(n->guard, &c, &who, pending_done, p);
    if (err == SH_E_AGAIN) {
        return; /* pending_done comes */
    }
    sh_mem_free(n->env.alloc, p);
    const enum mqtt_auth_result r = err == SH_OK ? admit(n, &who, peer, &out) : refusal(err);
    done(token, r, out);
}

static void auth_release(void *ctx, struct mqtt_principal *p)
{
    struct node *n = ctx;
    struct who *w = (struct who *)(void *)p;
    sh_guard_unuse(n->guard, p->tenant, SH_QUOTA_CONNECTIONS, 1);
    if (w->prev == NULL) {
        n->guests = w->next;
    } else {
        w->prev->next = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    sh_mem_free(n->env.alloc, w);
}

void node_auth_tick(struct node *n)
{
    enum { AT_ONCE = 64 };
    struct {
        uint32_t tenant;
        uint64_t id;
        bool end; /* its session too */
    } gone[AT_ONCE];
    size_t k = 0;
    node_enter(n);
    for (const struct who *w = n->guests; w != NULL && k < AT_ONCE; w = w->next) {
        /* who never subscribed beyond its own device loses nothing by a class */
        const uint8_t asked = device_only(w) ? w->held & (uint8_t)~CLEARED : w->held;
        const uint8_t held = held_of(n, &w->guard, asked);
        if (held != asked || sh_guard_archived(n->guard, &w->guard)) {
            gone[k].tenant = w->p.tenant;
            gone[k].id = w->p.id;
            gone[k].end = (asked & ~held & CLEARED) != 0;
            k++;
        }
    }
    for (size_t i = 0; i < k; i++) { /* outside the walk: this may release them */
        (void)mqtt_broker_kick(n->broker, gone[i].tenant, gone[i].id, SH_STR(""), gone[i].end);
    }
    node_leave(n);
    if (k > 0) {
        mqtt_server_kick(n->mqtt);
    }
}

/* A gateway that is bound to no device speaks for every device of its tenant. */
static bool any_device(const struct node *n, const struct mqtt_principal *p, struct sh_str topic)
{
    const struct who *w = who_of(p);
    return (p->flags & MQTT_P_GATEWAY) != 0 && p->device.n == 0 &&
           sh_str_starts(topic, SH_STR("sh/v1/")) &&
           sh_guard_check(n->guard, &w->guard, SH_PERM_INGEST_WRITE, p->tenant) == SH_OK;
}

static bool may(const struct node *n, const struct mqtt_principal *p, struct sh_str topic)
{
    const struct who *w = who_of(p);
    if (any_device(n, p, topic)) {
        return true;
    }
    if (w->guard.kind == SH_PRINCIPAL_ANONYMOUS) {
        /* Messaging only: the platform's own layouts are for those who signed in. */
        return !sh_str_starts(topic, SH_STR("sh/v1/")) && !sh_str_starts(topic, SH_STR("v1/"));
    }
    if (sh_str_starts(topic, SH_STR("$SYS"))) {
        return sh_guard_check(n->guard, &w->guard, SH_PERM_MQTT_SYS, p->tenant) == SH_OK;
    }
    return sh_guard_check(n->guard, &w->guard, SH_PERM_MQTT_ANY_TOPIC, p->tenant) == SH_OK;
}

static bool auth_publish(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    return may(ctx, p, topic);
}

static bool auth_subscribe(void *ctx, const struct mqtt_principal *p, struct sh_str filter)
{
    const struct node *n = ctx;
    const bool values = !sh_str_starts(filter, SH_STR("$SYS"));
    return may(n, p, filter) && (!values || cleared(n, &who_of(p)->guard));
}

bool node_in_part(void *ctx, uint32_t tenant, struct sh_str device, const struct sh_parts *parts)
{
    const struct node *n = ctx;
    struct sh_twin_part at[SH_PARTS_MAX];
    for (uint32_t i = 0; i < parts->n; i++) {
        at[i].label = parts->at[i].label;
        at[i].text = sh_str_c(parts->at[i].text);
    }
    return sh_twin_device_within(n->twin, tenant, device,
                                 &(struct sh_twin_parts){.at = at, .n = parts->n});
}

bool node_archived(void *ctx, uint32_t tenant, struct sh_str device)
{
    return sh_twin_device_archived(((const struct node *)ctx)->twin, tenant, device);
}

bool node_may_provision(const struct node *n, const struct mqtt_principal *p)
{
    const struct who *w = who_of(p);
    return sh_guard_check(n->guard, &w->guard, SH_PERM_INGEST_PROVISION, p->tenant) == SH_OK;
}

const struct mqtt_auth_ops node_auth_ops = {
    .connect = auth_connect,
    .release = auth_release,
    .may_publish = auth_publish,
    .may_subscribe = auth_subscribe,
};
