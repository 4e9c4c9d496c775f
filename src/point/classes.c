/* classes.c - the data class of each point, in memory: two bytes in its entry, read without a lock.
 * Counts by tenant say what a tenant holds; they are changed under the lock, with the entry.
 * SPDX-License-Identifier: Apache-2.0 */
#include "point_int.h"

static uint16_t packed(struct sh_data_class c)
{
    return (uint16_t)(c.name << 8 | c.level);
}

static struct sh_data_class unpacked(uint16_t v)
{
    return v == 0 ? SH_DATA_CLASS_DEFAULT
                  : (struct sh_data_class){(uint8_t)(v >> 8), (uint8_t)(v & 0xff)};
}

struct sh_data_class sh_points_class(const struct sh_points *p, uint32_t id)
{
    const struct point_entry *e = point_entry_of(p, id);
    return unpacked(e == NULL ? 0 : atomic_load_explicit(&e->data_class, memory_order_acquire));
}

uint64_t sh_points_class_turn(const struct sh_points *p)
{
    return atomic_load_explicit(&p->class_turn, memory_order_acquire);
}

static struct point_classes *counts_of(struct sh_points *p, uint32_t tenant, bool make)
{
    struct point_classes *c = p->classes;
    while (c != NULL && c->tenant != tenant) {
        c = c->next;
    }
    if (c == NULL && make) {
        c = sh_arena_get(p->arena, sizeof *c);
        if (c != NULL) {
            *c = (struct point_classes){.tenant = tenant, .next = p->classes};
            p->classes = c;
        }
    }
    return c;
}

void sh_points_class_counts(struct sh_points *p, uint32_t tenant, uint32_t n[SH_DATA_PAIRS])
{
    memset(n, 0, SH_DATA_PAIRS * sizeof n[0]);
    sh_mutex_lock(&p->lock);
    const struct point_classes *c = counts_of(p, tenant, false);
    if (c != NULL) {
        memcpy(n, c->n, SH_DATA_PAIRS * sizeof n[0]);
    }
    sh_mutex_unlock(&p->lock);
}

/* Under the lock. */
static sh_err set_entry(struct sh_points *p, struct point_entry *e, struct sh_data_class c)
{
    const uint16_t was = atomic_load_explicit(&e->data_class, memory_order_relaxed);
    const unsigned from = sh_data_class_pair(unpacked(was));
    const unsigned to = sh_data_class_pair(c);
    if (from == to) {
        return SH_OK;
    }
    struct point_classes *k = counts_of(p, e->point.tenant, true);
    if (k == NULL) {
        return SH_E_NOMEM;
    }
    k->n[from] -= from == 0 ? 0 : 1;
    k->n[to] += to == 0 ? 0 : 1;
    atomic_store_explicit(&e->data_class, packed(sh_data_class_of_pair(to)), memory_order_release);
    (void)atomic_fetch_add_explicit(&p->class_turn, 1, memory_order_release);
    return SH_OK;
}

sh_err point_class_first(struct sh_points *p, struct point_entry *e)
{
    if (p->classify == NULL) {
        return SH_OK;
    }
    return set_entry(
        p, e, p->classify(p->classify_ctx, e->point.tenant, e->point.device, e->point.property));
}

sh_err sh_points_set_class(struct sh_points *p, uint32_t id, struct sh_data_class c)
{
    sh_mutex_lock(&p->lock);
    struct point_entry *e = point_entry_of(p, id);
    sh_err err = e == NULL ? SH_E_NOTFOUND : SH_OK;
    while (e != NULL && err == SH_OK) {
        err = set_entry(p, e, c);
        e = e->point.previous == 0 ? NULL : point_entry_of(p, e->point.previous);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}

void sh_points_set_classify(struct sh_points *p, sh_points_classify *fn, void *ctx)
{
    sh_mutex_lock(&p->lock);
    p->classify = fn;
    p->classify_ctx = ctx;
    sh_mutex_unlock(&p->lock);
}
