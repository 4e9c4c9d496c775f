/* kin.c - who is concerned by a thing model: the models that extend it, and the devices of each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

struct sh_str twin_kin_key(char out[TWIN_KIN_KEY], uint32_t tenant, struct sh_str id)
{
    const size_t n = id.n > SH_TWIN_MAX_ID ? SH_TWIN_MAX_ID : id.n;
    memcpy(out, &tenant, 4);
    memcpy(out + 4, id.p, n);
    return (struct sh_str){out, n + 4};
}

sh_err twin_family_init(struct sh_twin *t, struct twin_family *f)
{
    *f = (struct twin_family){.ar = sh_arena_new(t->env->alloc, TWIN_ARENA_BYTES)};
    sh_map_init(&f->by, t->env->alloc, (size_t)TWIN_MAX_THINGS * 64, t->tenants.seed);
    return f->ar == NULL ? SH_E_NOMEM : SH_OK;
}

void twin_family_fini(struct twin_family *f)
{
    sh_arena_free(f->ar);
    sh_map_fini(&f->by);
}

sh_err twin_family_add(struct twin_family *f, uint32_t tenant, struct sh_str id)
{
    char key[TWIN_KIN_KEY];
    if (f->n == f->cap) {
        const size_t cap = f->cap == 0 ? 16 : f->cap * 2;
        struct twin_kin *v = sh_arena_array(f->ar, cap, sizeof *v);
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        if (f->n > 0) {
            memcpy(v, f->v, f->n * sizeof *v);
        }
        f->v = v;
        f->cap = cap;
    }
    struct twin_kin *k = &f->v[f->n];
    *k = (struct twin_kin){.tenant = tenant, .id = sh_arena_str(f->ar, id)};
    if (k->id.p == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(sh_map_put(&f->by, twin_kin_key(key, tenant, id), (void *)(uintptr_t)(f->n + 1)));
    f->n++;
    return SH_OK;
}

struct twin_kin *twin_family_get(const struct twin_family *f, uint32_t tenant, struct sh_str id)
{
    char key[TWIN_KIN_KEY];
    const uintptr_t at = (uintptr_t)sh_map_get(&f->by, twin_kin_key(key, tenant, id));
    return at == 0 ? NULL : &f->v[at - 1];
}

/* Models of a tenant whose parent is in the family already. Under the lock. */
static sh_err children(struct sh_twin *t, const struct twin_tenant *tt, struct twin_family *f)
{
    size_t it = 0;
    struct sh_str id;
    void *v = NULL;
    while (sh_map_next(&tt->things, &it, &id, &v)) {
        const struct twin_thing *m = v;
        if (m->extends.n == 0 || twin_family_get(f, tt->id, id) != NULL ||
            twin_family_get(f, twin_thing_owner(t, tt->id, m->extends), m->extends) == NULL) {
            continue;
        }
        SH_TRY(twin_family_add(f, tt->id, id));
    }
    return SH_OK;
}

sh_err twin_family_below(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                         struct twin_family *f)
{
    sh_err err = twin_family_add(f, tenant, id);
    size_t before = 0;
    sh_mutex_lock(&t->lock);
    while (err == SH_OK && f->n > before) {
        size_t it = 0;
        struct sh_str key;
        void *v = NULL;
        before = f->n;
        while (err == SH_OK && sh_map_next(&t->tenants, &it, &key, &v)) {
            const struct twin_tenant *tt = v;
            if (tenant == SH_RECORD_PLATFORM || tt->id == tenant) {
                err = children(t, tt, f);
            }
        }
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

static void count_one(struct sh_twin *t, uint32_t tenant, const struct twin_dev *d,
                      struct twin_family *f)
{
    const struct sh_str id = twin_dev_text(d, TWIN_THING);
    struct twin_kin *k = id.n == 0 ? NULL : twin_family_get(f, twin_thing_owner(t, tenant, id), id);
    if (k == NULL && id.n > 0) { /* a model that is about to hide the platform's */
        k = twin_family_get(f, tenant, id);
    }
    if (k != NULL) {
        k->devices += d->archived ? 0 : 1;
        k->archived += d->archived ? 1 : 0;
    }
}

/* The next tenant behind *it, under the lock; NULL: no more. */
static struct twin_tenant *next_tenant(struct sh_twin *t, size_t *it)
{
    struct sh_str key;
    void *v = NULL;
    return sh_map_next(&t->tenants, it, &key, &v) ? v : NULL;
}

static void count_tenant(struct sh_twin *t, struct twin_tenant *tt, struct twin_family *f)
{
    size_t at = 0;
    bool more = true;
    while (more) {
        sh_mutex_lock(&t->lock);
        const size_t end = at + TWIN_CHUNK < tt->n ? at + TWIN_CHUNK : tt->n;
        for (; at < end; at++) {
            count_one(t, tt->id, tt->sorted[at]->dev, f);
        }
        more = at < tt->n;
        sh_mutex_unlock(&t->lock);
    }
}

/* A device that comes or goes meanwhile may be counted or not. */
void twin_family_count(struct sh_twin *t, uint32_t tenant, struct twin_family *f)
{
    if (tenant != SH_RECORD_PLATFORM) {
        sh_mutex_lock(&t->lock);
        struct twin_tenant *tt = twin_tenant(t, tenant, false);
        sh_mutex_unlock(&t->lock);
        if (tt != NULL) {
            count_tenant(t, tt, f);
        }
        return;
    }
    size_t it = 0;
    for (;;) {
        sh_mutex_lock(&t->lock);
        struct twin_tenant *tt = next_tenant(t, &it);
        sh_mutex_unlock(&t->lock);
        if (tt == NULL) {
            return;
        }
        count_tenant(t, tt, f);
    }
}
