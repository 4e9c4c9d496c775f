/* state.c - device state: never seen, online, offline.
 *
 *   never --sample, message or link--> online --last link gone, or silent--> offline --> online ...
 *
 * Silent: no link is up and nothing came for stale_periods times the device's period (told in its
 * record, else measured between arrivals), within [stale_min, stale_max]. After a start an online
 * device has one such time to be heard again. The apply thread notes arrivals in atomics of the
 * slot and takes the lock only when a state changes or a point is met for the first time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

void twin_state_mark(struct sh_twin *t, struct twin_slot *s)
{
    if (!s->dirty) {
        s->dirty = true;
        s->next_dirty = t->dirty;
        t->dirty = s;
    }
}

void twin_state_forget(struct sh_twin *t, struct twin_slot *s)
{
    struct twin_slot **p = &t->dirty;
    while (s->dirty && *p != NULL && *p != s) {
        p = &(*p)->next_dirty;
    }
    if (s->dirty && *p == s) {
        *p = s->next_dirty;
    }
    s->dirty = false;
    s->next_dirty = NULL;
    s->state = SH_TWIN_NEVER;
    s->since_us = 0;
    s->write_until_us = 0;
    s->links[0] = 0;
    s->links[1] = 0;
    atomic_store(&s->last_us, 0);
    atomic_store(&s->last_mono, 0);
    atomic_store(&s->gap_us, 0);
    atomic_store(&s->online, 0);
}

/* Under the lock. Returns whether it changed; then the caller tells it outside of the lock, with
 * the reference it gets. */
static struct twin_dev *set(struct sh_twin *t, struct twin_slot *s, enum sh_twin_state state)
{
    if (s->dev == NULL || s->state == state) {
        return NULL;
    }
    twin_count(t, s, -1);
    s->state = state;
    s->since_us = sh_wall_us(t->env->clock);
    atomic_store(&s->online, state == SH_TWIN_ONLINE);
    twin_count(t, s, 1);
    twin_state_mark(t, s);
    s->dev->refs++;
    return s->dev;
}

/* Takes the reference. */
static void tell(struct sh_twin *t, struct twin_dev *d, enum sh_twin_state state)
{
    char json[96];
    if (d == NULL) {
        return;
    }
    const int n = snprintf(json, sizeof json, "{\"state\":\"%s\",\"demo\":%s}",
                           sh_twin_state_name(state), d->demo ? "true" : "false");
    twin_event(t, SH_EVENT_DEVICE_STATE, d->tenant, d->id,
               (struct sh_str){json, n < 0 ? 0 : (size_t)n});
    sh_mutex_lock(&t->lock);
    twin_dev_unref(t, d);
    sh_mutex_unlock(&t->lock);
}

static void tell_later(struct sh_twin *t, struct twin_slot *s)
{
    if (!s->untold) {
        s->untold = true;
        s->next_untold = t->untold;
        t->untold = s;
    }
}

void twin_tell_states(struct sh_twin *t)
{
    for (;;) {
        sh_mutex_lock(&t->lock);
        struct twin_slot *s = t->untold;
        struct twin_dev *d = NULL;
        enum sh_twin_state state = SH_TWIN_NEVER;
        if (s != NULL) {
            t->untold = s->next_untold;
            s->untold = false;
            s->next_untold = NULL;
            d = s->dev;
            state = s->state;
            if (d != NULL) {
                d->refs++;
            }
        }
        sh_mutex_unlock(&t->lock);
        if (s == NULL) {
            return;
        }
        tell(t, d, state);
    }
}

static void arrived(struct sh_twin *t, struct twin_slot *s)
{
    const int64_t now = sh_mono_us(t->env->clock);
    const int64_t before = atomic_exchange_explicit(&s->last_mono, now, memory_order_relaxed);
    atomic_store_explicit(&s->last_us, sh_wall_us(t->env->clock), memory_order_relaxed);
    if (before > 0 && now - before > 1000) {
        const int64_t gap = atomic_load_explicit(&s->gap_us, memory_order_relaxed);
        const int64_t seen = now - before;
        atomic_store_explicit(&s->gap_us, gap == 0 ? seen : gap + (seen - gap) / 4,
                              memory_order_relaxed);
    }
}

void sh_twin_link(struct sh_twin *t, uint32_t tenant, struct sh_str device, enum sh_twin_link which,
                  bool up)
{
    struct twin_dev *changed = NULL;
    enum sh_twin_state state = SH_TWIN_ONLINE;
    sh_mutex_lock(&t->lock);
    struct twin_slot *s = twin_find(t, tenant, device);
    if (s != NULL) {
        arrived(t, s);
        if (up) {
            if (s->links[which] < UINT16_MAX) {
                s->links[which]++;
            }
        } else {
            if (s->links[which] > 0) {
                s->links[which]--;
            }
            state = s->links[0] == 0 && s->links[1] == 0 ? SH_TWIN_OFFLINE : SH_TWIN_ONLINE;
        }
        changed = set(t, s, state);
    }
    sh_mutex_unlock(&t->lock);
    tell(t, changed, state);
}

void sh_twin_seen(struct sh_twin *t, uint32_t tenant, struct sh_str device)
{
    struct twin_dev *changed = NULL;
    sh_mutex_lock(&t->lock);
    struct twin_slot *s = twin_find(t, tenant, device);
    if (s != NULL) {
        arrived(t, s);
        changed = set(t, s, SH_TWIN_ONLINE);
    }
    sh_mutex_unlock(&t->lock);
    tell(t, changed, SH_TWIN_ONLINE);
}

/* ------------------------------------------------------------------ samples (apply thread) */

static struct twin_point_cache *cache_of(struct sh_twin *t, uint32_t point)
{
    const size_t chunk = point / TWIN_CHUNK;
    if (chunk >= t->ncache) {
        const size_t n = chunk + 16;
        struct twin_point_cache **p = sh_mem_resize(t->env->alloc, t->cache, n * sizeof(void *));
        if (p == NULL) {
            return NULL;
        }
        for (size_t i = t->ncache; i < n; i++) {
            p[i] = NULL;
        }
        t->cache = p;
        t->ncache = n;
    }
    if (t->cache[chunk] == NULL) {
        t->cache[chunk] = sh_mem_array(t->env->alloc, TWIN_CHUNK, sizeof **t->cache);
    }
    return t->cache[chunk] == NULL ? NULL : &t->cache[chunk][point % TWIN_CHUNK];
}

/* The slot of a point's device. An unknown device is looked for again the next time. */
static struct twin_slot *slot_of(struct sh_twin *t, uint32_t point, uint64_t generation)
{
    struct twin_point_cache *c = cache_of(t, point);
    if (c == NULL) {
        return NULL;
    }
    if (c->slot == NULL || c->generation != generation) {
        const struct sh_point *p = sh_points_get(t->o.points, point);
        c->slot = NULL;
        if (p != NULL) {
            sh_mutex_lock(&t->lock);
            c->slot = twin_find(t, p->tenant, p->device);
            sh_mutex_unlock(&t->lock);
        }
        c->generation = generation;
    }
    return c->slot;
}

/* What we say of a device that does not answer is no word from the device. */
static bool from_device(uint8_t quality)
{
    const uint8_t q = quality & 0xFC; /* without the limit bits */
    return q != SH_Q_BAD_NOT_CONNECTED && q != SH_Q_BAD_COMM && q != SH_Q_BAD_LAST_KNOWN;
}

void twin_on_slab(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    struct sh_twin *t = ctx;
    const uint64_t generation = sh_points_generation(t->o.points) + 1;
    uint32_t before = 0;
    SH_UNUSED(seq);
    t->batches++;
    for (uint32_t i = 0; i < slab->batch.len; i++) {
        const uint32_t point = slab->batch.point[i];
        if (point == before || !from_device(slab->batch.quality[i])) {
            continue;
        }
        before = point;
        struct twin_slot *s = slot_of(t, point, generation);
        if (s == NULL || s->touch == t->batches) {
            continue;
        }
        s->touch = t->batches;
        arrived(t, s);
        if (atomic_load_explicit(&s->online, memory_order_relaxed) == 0) {
            sh_mutex_lock(&t->lock);
            struct twin_dev *changed = set(t, s, SH_TWIN_ONLINE);
            if (changed != NULL) { /* a bus handler must not publish: the next tick does */
                twin_dev_unref(t, changed);
                tell_later(t, s);
            }
            sh_mutex_unlock(&t->lock);
        }
    }
}

/* ------------------------------------------------------------------ silence */

static bool silent(const struct sh_twin *t, const struct twin_slot *s, int64_t now)
{
    if (s->state != SH_TWIN_ONLINE || s->links[0] != 0 || s->links[1] != 0) {
        return false;
    }
    int64_t wait = s->dev->period_us > 0 ? s->dev->period_us
                                         : atomic_load_explicit(&s->gap_us, memory_order_relaxed);
    wait *= t->o.stale_periods;
    wait = wait < t->o.stale_min_us ? t->o.stale_min_us : wait;
    wait = wait > t->o.stale_max_us ? t->o.stale_max_us : wait;
    /* A told period longer than stale_max is believed. */
    if (s->dev->period_us * t->o.stale_periods > wait) {
        wait = s->dev->period_us * t->o.stale_periods;
    }
    return now - atomic_load_explicit(&s->last_mono, memory_order_relaxed) > wait;
}

void twin_mark_silent(struct sh_twin *t)
{
    const int64_t now = sh_mono_us(t->env->clock);
    size_t at = 0;
    bool more = true;
    while (more) {
        struct twin_dev *changed[64];
        size_t n = 0;
        sh_mutex_lock(&t->lock);
        const size_t end = at + TWIN_CHUNK < t->nslots ? at + TWIN_CHUNK : t->nslots;
        for (; at < end && n < sizeof changed / sizeof changed[0]; at++) {
            struct twin_slot *s = twin_slot_at(t, at);
            if (s->dev != NULL && silent(t, s, now)) {
                changed[n++] = set(t, s, SH_TWIN_OFFLINE);
            }
        }
        more = at < t->nslots;
        sh_mutex_unlock(&t->lock);
        for (size_t i = 0; i < n; i++) {
            tell(t, changed[i], SH_TWIN_OFFLINE);
        }
    }
}

/* ------------------------------------------------------------------ stored */

enum sh_twin_state twin_state_of(struct sh_str word)
{
    return sh_str_eqc(word, "online")
               ? SH_TWIN_ONLINE
               : (sh_str_eqc(word, "offline") ? SH_TWIN_OFFLINE : SH_TWIN_NEVER);
}

sh_err twin_state_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    enum sh_twin_state state = SH_TWIN_NEVER;
    int64_t since = 0;
    int64_t last = 0;
    if (!twin_quick_state(row->doc, &state, &since, &last)) {
        json_t *doc = NULL;
        SH_TRY(sh_json_parse(row->doc, TWIN_DOC_BYTES, &doc, NULL));
        state = twin_state_of(sh_json_get_str(doc, "state"));
        since = sh_json_get_i64(doc, "since", 0);
        last = sh_json_get_i64(doc, "last", 0);
        json_decref(doc);
    }
    sh_mutex_lock(&t->lock);
    struct twin_slot *s = twin_find(t, row->tenant, row->id);
    if (s != NULL) {
        twin_count(t, s, -1);
        s->state = state;
        s->since_us = since;
        atomic_store(&s->last_us, last);
        atomic_store(&s->last_mono, sh_mono_us(t->env->clock));
        atomic_store(&s->online, s->state == SH_TWIN_ONLINE);
        twin_count(t, s, 1);
    }
    sh_mutex_unlock(&t->lock);
    return SH_OK;
}

static sh_err add_state(struct sh_record_tx *tx, const struct twin_dev *d, const char *doc)
{
    const struct sh_record_put p = {.tenant = d->tenant,
                                    .type = KIND_STATE,
                                    .id = d->id,
                                    .doc = sh_str_c(doc),
                                    .expect = SH_RECORD_ANY};
    return sh_record_tx_put(tx, &p);
}

sh_err twin_save_states(struct sh_twin *t)
{
    sh_err err = SH_OK;
    bool more = true;
    while (more && err == SH_OK) {
        struct sh_record_tx *tx = NULL;
        struct twin_slot *slots[TWIN_TX_ROWS];
        size_t n = 0;
        err = sh_record_tx_new(t->o.record, SH_STR(""), &tx);
        sh_mutex_lock(&t->lock);
        while (t->dirty != NULL && n < TWIN_TX_ROWS && err == SH_OK) {
            struct twin_slot *s = t->dirty;
            char doc[128];
            (void)snprintf(doc, sizeof doc, "{\"state\":\"%s\",\"since\":%lld,\"last\":%lld}",
                           sh_twin_state_name(s->state), (long long)s->since_us,
                           (long long)atomic_load(&s->last_us));
            err = add_state(tx, s->dev, doc);
            if (err == SH_OK) {
                t->dirty = s->next_dirty;
                s->dirty = false;
                s->next_dirty = NULL;
                slots[n++] = s;
            }
        }
        more = n == TWIN_TX_ROWS;
        sh_mutex_unlock(&t->lock);
        if (err == SH_OK && n > 0) {
            err = sh_record_tx_commit(tx, NULL, NULL);
        }
        if (err != SH_OK) { /* to be tried again by the next tick */
            sh_mutex_lock(&t->lock);
            for (size_t i = 0; i < n; i++) {
                twin_state_mark(t, slots[i]);
            }
            sh_mutex_unlock(&t->lock);
        }
        sh_record_tx_free(tx);
    }
    return err;
}

/* ------------------------------------------------------------------ write grants */

enum { GRANT_MAX_DAYS = 30 };

sh_err twin_grant_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, TWIN_DOC_BYTES, &doc, NULL));
    sh_mutex_lock(&t->lock);
    struct twin_slot *s = twin_find(t, row->tenant, row->id);
    if (s != NULL) {
        s->write_until_us = sh_json_get_i64(doc, "until", 0);
    }
    sh_mutex_unlock(&t->lock);
    json_decref(doc);
    return SH_OK;
}

static sh_err put_grant(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                        struct sh_str reason, int64_t until_us, struct sh_str author)
{
    json_t *doc =
        json_pack("{s:s%,s:I,s:s%}", "reason", reason.p == NULL ? "" : reason.p, reason.n, "until",
                  (json_int_t)until_us, "by", author.p == NULL ? "" : author.p, author.n);
    if (doc == NULL) {
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&t->write);
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    struct twin_dev *d = s == NULL ? NULL : s->dev;
    if (d != NULL) {
        d->refs++;
    }
    sh_mutex_unlock(&t->lock);
    sh_err err = d == NULL
                     ? SH_E_NOTFOUND
                     : twin_doc_put(t, tenant, KIND_GRANT, d->id, doc, SH_RECORD_ANY, author, NULL);
    sh_mutex_lock(&t->lock);
    if (err == SH_OK && d->slot->dev != NULL) {
        d->slot->write_until_us = until_us;
    }
    twin_dev_unref(t, d);
    sh_mutex_unlock(&t->lock);
    sh_mutex_unlock(&t->write);
    json_decref(doc);
    if (err == SH_OK) {
        twin_event(t, SH_EVENT_DEVICE_CHANGED, tenant, device, SH_STR("{\"change\":\"access\"}"));
    }
    return err;
}

sh_err sh_twin_write_enable(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                            struct sh_str reason, int64_t until_us, struct sh_str author,
                            struct sh_diag *diag)
{
    const int64_t now = sh_wall_us(t->env->clock);
    if (sh_str_trim(reason).n == 0 || reason.n > 1000 || !sh_utf8_valid(reason)) {
        sh_diag_at(diag, SH_STR("/reason"), 0);
        sh_diag_set(diag, "a reason is needed (at most 1000 bytes)");
        return SH_E_INVAL;
    }
    if (until_us <= now || until_us > now + GRANT_MAX_DAYS * 86400000000LL) {
        sh_diag_at(diag, SH_STR("/until"), 0);
        sh_diag_set(diag, "the end is not within the next %d days", GRANT_MAX_DAYS);
        return SH_E_INVAL;
    }
    return put_grant(t, tenant, device, reason, until_us, author);
}

sh_err sh_twin_write_disable(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                             struct sh_str author)
{
    return put_grant(t, tenant, device, SH_STR("ended"), 0, author);
}

bool sh_twin_writable(struct sh_twin *t, uint32_t tenant, struct sh_str device)
{
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    const bool yes = s != NULL && s->write_until_us > sh_wall_us(t->env->clock);
    sh_mutex_unlock(&t->lock);
    return yes;
}
