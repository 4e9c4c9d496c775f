/* mqtt_session.c - sessions: found by (tenant, principal, client id), kept while connected or until
 * their expiry, then ended.
 *
 *   (new) --CONNECT--> connected --closed--> away --CONNECT--> connected
 *                          |                   `--expiry, clean start--> ended
 *                          `--closed, expiry 0--> ended
 * Specification: 5.0, 3.1.2.11.2 and 4.1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

enum { FIRST_SLOTS = 64, TEXT_MAX = UINT16_MAX };

static size_t slot_of(const struct mqtt_broker *b, uint32_t tenant, uint64_t principal,
                      struct sh_str client_id)
{
    const uint64_t seed = (b->seed ^ principal) + tenant;
    return (size_t)sh_hash64(client_id.p, client_id.n, seed) & (b->nslots - 1);
}

static size_t slot_of_session(const struct mqtt_broker *b, const struct mqtt_session *s)
{
    return slot_of(b, s->tenant->id, s->principal, mqtt_session_client_id(s));
}

struct mqtt_session *mqtt_session_find(struct mqtt_broker *b, uint32_t tenant, uint64_t principal,
                                       struct sh_str client_id)
{
    struct mqtt_session *s =
        b->nslots == 0 ? NULL : b->slots[slot_of(b, tenant, principal, client_id)];
    while (s != NULL && (s->tenant->id != tenant || s->principal != principal ||
                         !sh_str_eq(mqtt_session_client_id(s), client_id))) {
        s = s->chain;
    }
    return s;
}

struct mqtt_session *mqtt_session_next(const struct mqtt_broker *b, const struct mqtt_session *s)
{
    if (s != NULL && s->chain != NULL) {
        return s->chain;
    }
    size_t i = s == NULL ? 0 : slot_of_session(b, s) + 1;
    while (i < b->nslots && b->slots[i] == NULL) {
        i++;
    }
    return i < b->nslots ? b->slots[i] : NULL;
}

/* Twice as many slots. Without memory the chains get longer, unless there is no slot yet. */
static sh_err slots_grow(struct mqtt_broker *b)
{
    const size_t n = b->nslots == 0 ? FIRST_SLOTS : b->nslots * 2;
    struct mqtt_session **was = b->slots;
    const size_t nwas = b->nslots;
    struct mqtt_session **v = sh_mem_array(b->alloc, n, sizeof(struct mqtt_session *));
    if (v == NULL) {
        return nwas == 0 ? SH_E_NOMEM : SH_OK;
    }
    b->slots = v;
    b->nslots = n;
    for (size_t i = 0; i < nwas; i++) {
        struct mqtt_session *next = NULL;
        for (struct mqtt_session *s = was[i]; s != NULL; s = next) {
            next = s->chain;
            struct mqtt_session **at = &v[slot_of_session(b, s)];
            s->chain = *at;
            *at = s;
        }
    }
    sh_mem_free(b->alloc, was);
    return SH_OK;
}

sh_err mqtt_session_new(struct mqtt_broker *b, struct mqtt_tenant *t,
                        const struct mqtt_session_key *k, struct mqtt_session **out)
{
    if (b->n.sessions >= b->lim.max_sessions || k->client_id.n > TEXT_MAX ||
        k->device.n > TEXT_MAX) {
        return SH_E_LIMIT;
    }
    if (b->n.sessions >= b->nslots) {
        SH_TRY(slots_grow(b));
    }
    const size_t text_n = k->client_id.n + k->device.n;
    struct mqtt_session *s = sh_mem_new(b->alloc, offsetof(struct mqtt_session, text) + text_n);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->client_id_n = (uint16_t)k->client_id.n;
    s->device_n = (uint16_t)k->device.n;
    if (k->client_id.n > 0) {
        memcpy(s->text, k->client_id.p, k->client_id.n);
    }
    if (k->device.n > 0) {
        memcpy(s->text + k->client_id.n, k->device.p, k->device.n);
    }
    s->tenant = t;
    s->principal = k->principal;
    s->sid = ++b->next_sid;
    s->ends_us = MQTT_FAR;
    s->q = b->no_queue;
    s->since_us = sh_wall_us(b->env->clock);
    struct mqtt_session **at = &b->slots[slot_of_session(b, s)];
    s->chain = *at;
    *at = s;
    MQTT_COUNT(b, t, sessions, 1);
    *out = s;
    return SH_OK;
}

void mqtt_session_free(struct mqtt_broker *b, struct mqtt_session *s)
{
    struct mqtt_session **at = &b->slots[slot_of_session(b, s)];
    while (*at != s) {
        at = &(*at)->chain;
    }
    *at = s->chain;
    mqtt_subs_clear(b, s);
    mqtt_q_clear(b, s);
    mqtt_retain_drop_list(b, s);
    mqtt_will_drop(b, s);
    sh_mem_free(b->alloc, s->in2);
    s->in2 = NULL;
    MQTT_COUNT(b, s->tenant, sessions, (uint64_t)-1);
    s->dead = true;
    s->conn = NULL;
    if (s->pins == 0) {
        sh_mem_free(b->alloc, s);
    }
}

void mqtt_session_unpin(struct mqtt_broker *b, struct mqtt_session *s)
{
    s->pins--;
    if (s->dead && s->pins == 0) {
        sh_mem_free(b->alloc, s);
    }
}

void mqtt_session_end(struct mqtt_broker *b, struct mqtt_session *s)
{
    if (s->will != NULL) {
        mqtt_will_publish(b, s);
    }
    if (s->persistent && mqtt_durable(b)) {
        /* Without room in the log the session comes back after a restart and expires then. */
        if (mqtt_log_session_end(b, s->sid) != SH_OK) {
            b->n.log_errors++;
        }
    }
    mqtt_session_free(b, s);
}

void mqtt_session_away(struct mqtt_broker *b, struct mqtt_session *s, bool with_will)
{
    s->conn = NULL;
    s->since_us = sh_wall_us(b->env->clock);
    if (s->will != NULL && !with_will) {
        mqtt_will_drop(b, s); /* [MQTT-3.1.2-10], [MQTT-3.14.4-3] */
    }
    if (s->will != NULL) {
        const uint32_t delay = s->will->delay_s < s->expiry_s ? s->will->delay_s : s->expiry_s;
        if (delay == 0) {
            mqtt_will_publish(b, s);
        } else {
            s->will->due_us = b->now_us + (int64_t)delay * 1000000;
        }
    }
    if (s->expiry_s == MQTT_NO_EXPIRY) {
        mqtt_session_end(b, s);
        return;
    }
    s->ends_us =
        s->expiry_s == MQTT_NEVER_EXPIRES ? MQTT_FAR : b->now_us + (int64_t)s->expiry_s * 1000000;
    if (s->persistent) {
        mqtt_log_away(b, s);
    }
}

bool mqtt_session_due(struct mqtt_broker *b, struct mqtt_session *s)
{
    if (s->will != NULL && s->will->due_us <= b->now_us) {
        mqtt_will_publish(b, s);
    }
    if (s->ends_us > b->now_us) {
        return false;
    }
    MQTT_COUNT(b, s->tenant, sessions_expired, 1);
    mqtt_session_end(b, s);
    return true;
}

void mqtt_session_tick(struct mqtt_broker *b)
{
    struct mqtt_session *next = NULL;
    for (struct mqtt_session *s = mqtt_session_next(b, NULL); s != NULL; s = next) {
        next = mqtt_session_next(b, s);
        if (s->conn != NULL) {
            mqtt_pump(b, s); /* what waited for the log or for memory */
            mqtt_q_rest(b, s);
            continue;
        }
        (void)mqtt_session_due(b, s);
    }
}

/* ---- QoS 2 packet ids of the client, sorted ---- */

static uint16_t in2_place(const struct mqtt_in2 *l, uint16_t pid)
{
    uint16_t lo = 0;
    uint16_t hi = l == NULL ? 0 : l->n;
    while (lo < hi) {
        const uint16_t mid = (uint16_t)((lo + hi) / 2);
        if (l->v[mid] < pid) {
            lo = (uint16_t)(mid + 1);
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool mqtt_in2_has(const struct mqtt_session *s, uint16_t pid)
{
    const uint16_t i = in2_place(s->in2, pid);
    return i < mqtt_in2_n(s) && s->in2->v[i] == pid;
}

static sh_err in2_grow(struct mqtt_broker *b, struct mqtt_session *s)
{
    const uint16_t n = mqtt_in2_n(s);
    if (n >= 32768) {
        return SH_E_LIMIT;
    }
    const uint16_t cap = n == 0 ? 8 : (uint16_t)(n * 2);
    struct mqtt_in2 *l = sh_mem_resize(b->alloc, s->in2, sizeof *l + cap * sizeof l->v[0]);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->n = n;
    l->cap = cap;
    s->in2 = l;
    return SH_OK;
}

sh_err mqtt_in2_add(struct mqtt_broker *b, struct mqtt_session *s, uint16_t pid)
{
    if (mqtt_in2_has(s, pid)) {
        return SH_OK;
    }
    if (s->in2 == NULL || s->in2->n == s->in2->cap) {
        SH_TRY(in2_grow(b, s));
    }
    struct mqtt_in2 *l = s->in2;
    const uint16_t at = in2_place(l, pid);
    memmove(l->v + at + 1, l->v + at, (size_t)(l->n - at) * sizeof l->v[0]);
    l->v[at] = pid;
    l->n++;
    return SH_OK;
}

bool mqtt_in2_del(struct mqtt_session *s, uint16_t pid)
{
    struct mqtt_in2 *l = s->in2;
    if (!mqtt_in2_has(s, pid)) {
        return false;
    }
    const uint16_t at = in2_place(l, pid);
    memmove(l->v + at, l->v + at + 1, (size_t)(l->n - at - 1) * sizeof l->v[0]);
    l->n--;
    return true;
}
