/* late.c - see late.h. An open-addressed table of devices; one that was told and is quiet leaves it
 * when room is needed. SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "late.h"

enum { DEVICES = 2048, DEVICES_FULL = DEVICES / 4 * 3 };
#define GATHER_US INT64_C(10000000) /* the first note of a device waits for what follows */
#define AGAIN_US INT64_C(600000000) /* from one to the next */

struct entry {
    struct late_note n; /* samples == 0: nothing is to be told */
    int64_t since_us;   /* of the note */
    int64_t told_us;    /* 0: never */
};
struct late {
    const struct sh_env *env;
    const struct sh_points *points;
    atomic_llong after_us;
    atomic_ullong missed;
    struct sh_mutex lock;
    struct entry *table; /* made with the first late sample */
    size_t used;
    size_t next; /* where late_take looks first */
};

sh_err late_new(const struct sh_env *env, const struct sh_points *points, struct late **out)
{
    struct late *l = sh_mem_new(env->alloc, sizeof *l);
    *out = l;
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->env = env;
    l->points = points;
    sh_mutex_init(&l->lock);
    return SH_OK;
}

void late_free(struct late *l)
{
    if (l != NULL) {
        sh_mutex_fini(&l->lock);
        sh_mem_free(l->env->alloc, l->table);
        sh_mem_free(l->env->alloc, l);
    }
}

void late_set(struct late *l, int64_t after_us)
{
    atomic_store(&l->after_us, after_us);
}

uint64_t late_missed(const struct late *l)
{
    return atomic_load_explicit(&l->missed, memory_order_relaxed);
}

static size_t slot_of(uint32_t tenant, struct sh_str device)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ tenant; /* FNV-1a */
    for (size_t i = 0; i < device.n; i++) {
        h = (h ^ (uint8_t)device.p[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32) % DEVICES;
}

static struct entry *find(struct entry *table, uint32_t tenant, struct sh_str device)
{
    size_t i = slot_of(tenant, device);
    while (table[i].n.device.p != NULL &&
           (table[i].n.tenant != tenant || !sh_str_eq(table[i].n.device, device))) {
        i = (i + 1) % DEVICES;
    }
    return &table[i];
}

/* Those with nothing to tell leave. */
static void make_room(struct late *l, int64_t now)
{
    struct entry *fresh = sh_mem_array(l->env->alloc, DEVICES, sizeof *fresh);
    if (fresh == NULL) {
        return;
    }
    l->used = 0;
    for (size_t i = 0; i < DEVICES; i++) {
        const struct entry *e = &l->table[i];
        if (e->n.samples > 0 || (e->told_us > 0 && now - e->told_us < AGAIN_US)) {
            *find(fresh, e->n.tenant, e->n.device) = *e;
            l->used++;
        }
    }
    sh_mem_free(l->env->alloc, l->table);
    l->table = fresh;
}

static struct entry *entry_for(struct late *l, uint32_t tenant, struct sh_str device, int64_t now)
{
    if (l->table == NULL) {
        l->table = sh_mem_array(l->env->alloc, DEVICES, sizeof *l->table);
        if (l->table == NULL) {
            return NULL;
        }
    }
    struct entry *e = find(l->table, tenant, device);
    if (e->n.device.p != NULL) {
        return e;
    }
    if (l->used >= DEVICES_FULL) {
        make_room(l, now);
        if (l->used >= DEVICES_FULL) {
            return NULL;
        }
        e = find(l->table, tenant, device);
    }
    l->used++;
    e->n.tenant = tenant;
    e->n.device = device;
    return e;
}

static void note(struct entry *e, int64_t t, int64_t now)
{
    struct late_note *n = &e->n;
    if (n->samples == 0) {
        e->since_us = now;
        n->from_us = t;
        n->to_us = t;
        n->delay_us = 0;
    }
    n->from_us = t < n->from_us ? t : n->from_us;
    n->to_us = t > n->to_us ? t : n->to_us;
    n->delay_us = now - t > n->delay_us ? now - t : n->delay_us;
    n->samples++;
}

static bool any_between(const int64_t *t, uint32_t n, int64_t low, int64_t high)
{
    unsigned any = 0;
    for (uint32_t i = 0; i < n; i++) {
        any |= (t[i] > low ? 1U : 0U) & (t[i] < high ? 1U : 0U);
    }
    return any != 0;
}

void late_batch(struct late *l, uint32_t tenant, const struct sh_batch *b)
{
    const int64_t after = atomic_load_explicit(&l->after_us, memory_order_relaxed);
    const int64_t now = sh_wall_us(l->env->clock);
    const int64_t low = now - LATE_MOST_US;
    const int64_t high = now - after;
    if (after == 0 || !any_between(b->time_us, b->len, low, high)) {
        return;
    }
    const char *last = NULL;
    struct entry *e = NULL;
    sh_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < b->len; i++) {
        const int64_t t = b->time_us[i];
        if (t <= low || t >= high) {
            continue;
        }
        const struct sh_point *p = sh_points_get(l->points, b->point[i]);
        if (p == NULL || sh_point_is_event(p)) {
            continue;
        }
        if (p->device.p != last || e == NULL) {
            last = p->device.p;
            e = entry_for(l, tenant, p->device, now);
        }
        if (e != NULL) {
            note(e, t, now);
        } else {
            (void)atomic_fetch_add_explicit(&l->missed, 1, memory_order_relaxed);
        }
    }
    sh_mutex_unlock(&l->lock);
}

static bool is_due(const struct entry *e, bool all, int64_t now)
{
    return e->n.samples > 0 && (all || (now - e->since_us >= GATHER_US &&
                                        (e->told_us == 0 || now - e->told_us >= AGAIN_US)));
}

bool late_take(struct late *l, bool all, struct late_note *out)
{
    const int64_t now = sh_wall_us(l->env->clock);
    bool found = false;
    sh_mutex_lock(&l->lock);
    for (size_t k = 0; l->table != NULL && k < DEVICES && !found; k++) {
        struct entry *e = &l->table[(l->next + k) % DEVICES];
        if (is_due(e, all, now)) {
            *out = e->n;
            e->n.samples = 0;
            e->told_us = now;
            l->next = (l->next + k + 1) % DEVICES;
            found = true;
        }
    }
    sh_mutex_unlock(&l->lock);
    return found;
}
