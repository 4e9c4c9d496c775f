/* index.c - devices in memory: by id, by old id, and sorted by id for lists. Under the lock.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <math.h>

#include "twin_int.h"

static struct sh_str tenant_key(const uint32_t *tenant)
{
    return (struct sh_str){(const char *)tenant, sizeof *tenant};
}

struct twin_tenant *twin_tenant(struct sh_twin *t, uint32_t tenant, bool make)
{
    const struct sh_alloc *a = t->env->alloc;
    struct twin_tenant *tt = sh_map_get(&t->tenants, tenant_key(&tenant));
    if (tt != NULL || !make) {
        return tt;
    }
    tt = sh_mem_new(a, sizeof *tt);
    if (tt == NULL) {
        return NULL;
    }
    const uint64_t seed = t->tenants.seed;
    tt->id = tenant;
    sh_map_init(&tt->alias, a, (size_t)t->o.max_devices, seed);
    sh_map_init(&tt->things, a, TWIN_MAX_THINGS, seed);
    sh_map_init(&tt->assets, a, TWIN_MAX_ASSETS, seed);
    if (sh_map_put(&t->tenants, tenant_key(&tenant), tt) != SH_OK) {
        sh_mem_free(a, tt);
        return NULL;
    }
    return tt;
}

/* ------------------------------------------------------------------ by id */

static uint32_t id_hash(const struct sh_twin *t, struct sh_str id)
{
    const uint64_t h = sh_hash64(id.p, id.n, t->tenants.seed);
    return (uint32_t)(h ^ h >> 32);
}

/* Where id stands, or the free place where it would. */
static size_t ids_place(const struct sh_twin *t, const struct twin_ids *ids, uint32_t hash,
                        struct sh_str id)
{
    size_t i = hash & (ids->cap - 1);
    while (ids->v[i] != 0 && (ids->v[i] >> 32 != hash ||
                              !sh_str_eq(twin_slot_at(t, (uint32_t)ids->v[i] - 1)->dev->id, id))) {
        i = (i + 1) & (ids->cap - 1);
    }
    return i;
}

static struct twin_slot *ids_get(const struct sh_twin *t, const struct twin_tenant *tt,
                                 struct sh_str id)
{
    const struct twin_ids *ids = &tt->by_id;
    if (ids->n == 0) {
        return NULL;
    }
    const size_t i = ids_place(t, ids, id_hash(t, id), id);
    return ids->v[i] == 0 ? NULL : twin_slot_at(t, (uint32_t)ids->v[i] - 1);
}

static bool ids_grow(const struct sh_alloc *a, struct twin_ids *ids)
{
    const size_t cap = ids->cap == 0 ? 64 : ids->cap * 2;
    uint64_t *v = sh_mem_array(a, cap, sizeof *v);
    if (v == NULL) {
        return false;
    }
    for (size_t i = 0; i < ids->cap; i++) {
        size_t at = (size_t)(ids->v[i] >> 32) & (cap - 1);
        while (ids->v[i] != 0 && v[at] != 0) {
            at = (at + 1) & (cap - 1);
        }
        v[at] = ids->v[i] != 0 ? ids->v[i] : v[at];
    }
    sh_mem_free(a, ids->v);
    ids->v = v;
    ids->cap = cap;
    return true;
}

/* s->dev is set, and its id not there yet. False: no memory. */
static bool ids_put(struct sh_twin *t, struct twin_ids *ids, const struct twin_slot *s)
{
    if (ids->n + 1 > ids->cap / 4 * 3 && !ids_grow(t->env->alloc, ids)) {
        return false;
    }
    const uint32_t hash = id_hash(t, s->dev->id);
    ids->v[ids_place(t, ids, hash, s->dev->id)] = (uint64_t)hash << 32 | (s->number + 1);
    ids->n++;
    return true;
}

/* What stood behind it moves up, so that no place is ever dead. */
static void ids_del(struct sh_twin *t, struct twin_ids *ids, struct sh_str id)
{
    const size_t mask = ids->cap - 1;
    size_t hole = ids_place(t, ids, id_hash(t, id), id);
    for (size_t i = (hole + 1) & mask; ids->v[i] != 0; i = (i + 1) & mask) {
        const size_t home = (size_t)(ids->v[i] >> 32) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            ids->v[hole] = ids->v[i];
            hole = i;
        }
    }
    ids->v[hole] = 0;
    ids->n--;
}

struct twin_slot *twin_find(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    if (tt == NULL) {
        return NULL;
    }
    struct twin_slot *s = ids_get(t, tt, id);
    return s != NULL ? s : sh_map_get(&tt->alias, id);
}

static int by_id(const void *a, const void *b)
{
    const struct twin_slot *const *x = a;
    const struct twin_slot *const *y = b;
    return sh_str_cmp((*x)->dev->id, (*y)->dev->id);
}

/* Where id stands, or would, among the first n, which are in order. */
static size_t place(struct twin_slot *const *slots, size_t n, struct sh_str id)
{
    size_t lo = 0;
    size_t hi = n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (sh_str_cmp(slots[mid]->dev->id, id) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

void twin_order(struct sh_twin *t, struct twin_tenant *tt)
{
    const size_t late = tt->n - tt->ordered;
    if (late == 0) {
        return;
    }
    struct twin_slot **tail = sh_mem_array(t->env->alloc, late, sizeof(struct twin_slot *));
    if (tail == NULL) { /* slower, and needs nothing */
        qsort(tt->sorted, tt->n, sizeof(struct twin_slot *), by_id);
        tt->ordered = tt->n;
        return;
    }
    memcpy(tail, tt->sorted + tt->ordered, late * sizeof(struct twin_slot *));
    qsort(tail, late, sizeof(struct twin_slot *), by_id);
    size_t end = tt->ordered; /* of what is still to be moved up */
    for (size_t i = late; i > 0; i--) {
        const size_t at = place(tt->sorted, end, tail[i - 1]->dev->id);
        memmove(&tt->sorted[at + i], &tt->sorted[at], (end - at) * sizeof(struct twin_slot *));
        tt->sorted[at + i - 1] = tail[i - 1];
        end = at;
    }
    sh_mem_free(t->env->alloc, tail);
    tt->ordered = tt->n;
}

size_t twin_position(struct sh_twin *t, struct twin_tenant *tt, struct sh_str id)
{
    twin_order(t, tt);
    return place(tt->sorted, tt->n, id);
}

void twin_count(struct sh_twin *t, const struct twin_slot *s, int by)
{
    struct twin_tenant *tt = twin_tenant(t, s->dev->tenant, false);
    const uint32_t d = (uint32_t)by; /* wraps as a subtraction */
    if (s->dev->archived) {
        tt->counts.archived += d;
        return;
    }
    if (s->dev->demo) {
        tt->counts.demo += d;
        tt->counts.demo_online += s->state == SH_TWIN_ONLINE ? d : 0;
        return;
    }
    tt->counts.total += d;
    tt->counts.online += s->state == SH_TWIN_ONLINE ? d : 0;
    tt->counts.offline += s->state == SH_TWIN_OFFLINE ? d : 0;
    tt->counts.never += s->state == SH_TWIN_NEVER ? d : 0;
}

const char *twin_intern(struct sh_twin *t, struct sh_str unit)
{
    char *p = sh_map_get(&t->units, unit);
    if (p != NULL) {
        return p;
    }
    const struct sh_str copy = sh_str_dup(t->env->alloc, unit);
    p = (char *)(uintptr_t)copy.p;
    if (p != NULL && sh_map_put(&t->units, unit, p) != SH_OK) {
        sh_mem_free(t->env->alloc, p);
        p = NULL;
    }
    return p;
}

/* ------------------------------------------------------------------ one device */

sh_err twin_texts_begin(struct twin_texts *x, struct sh_str id, struct sh_str name)
{
    sh_buf_clear(&x->pairs);
    sh_buf_clear(&x->search);
    sh_buf_clear(&x->labels);
    SH_TRY(sh_buf_put_str(&x->search, id));
    SH_TRY(sh_buf_put_u8(&x->search, '\n'));
    SH_TRY(sh_buf_put_str(&x->search, name));
    return sh_buf_put_u8(&x->pairs, 0x1f);
}

sh_err twin_texts_label(struct twin_texts *x, struct sh_str key, struct sh_str value)
{
    const size_t from = x->pairs.n;
    SH_TRY(sh_buf_put_str(&x->pairs, key));
    SH_TRY(sh_buf_put_u8(&x->pairs, ':'));
    SH_TRY(sh_buf_put_str(&x->pairs, value));
    SH_TRY(sh_buf_put_u8(&x->search, '\n'));
    SH_TRY(sh_buf_put(&x->search, x->pairs.p + from, x->pairs.n - from));
    return sh_buf_put_u8(&x->pairs, 0x1f);
}

static void lower(struct sh_buf *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[i] >= 'A' && b->p[i] <= 'Z') {
            b->p[i] = (uint8_t)(b->p[i] + 32);
        }
    }
}

/* One block: the struct and all its texts behind it. */
static struct twin_dev *pack(const struct sh_alloc *a, const struct twin_dev *d,
                             const struct sh_str in[TWIN_DEV_TEXTS])
{
    size_t n = d->id.n;
    for (size_t i = 0; i < TWIN_DEV_TEXTS; i++) {
        n += in[i].n;
    }
    struct twin_dev *out = n > UINT32_MAX ? NULL : sh_mem_new(a, sizeof *d + n);
    if (out == NULL) {
        return NULL;
    }
    *out = *d;
    out->refs = 1;
    out->id.p = out->text;
    memcpy(out->text, d->id.p, d->id.n);
    size_t at = d->id.n;
    for (size_t i = 0; i < TWIN_DEV_TEXTS; i++) {
        if (in[i].n > 0) {
            memcpy(out->text + at, in[i].p, in[i].n);
        }
        at += in[i].n;
        out->ends[i] = (uint32_t)at;
    }
    return out;
}

void twin_texts_init(struct twin_texts *x, const struct sh_alloc *a)
{
    sh_buf_init(&x->pairs, a, 1 << 16);
    sh_buf_init(&x->search, a, 1 << 16);
    sh_buf_init(&x->labels, a, 1 << 18);
}

void twin_texts_fini(struct twin_texts *x)
{
    sh_buf_fini(&x->pairs);
    sh_buf_fini(&x->search);
    sh_buf_fini(&x->labels);
}

static sh_err texts_of(struct twin_texts *x, struct sh_str id, struct sh_str name,
                       const json_t *labels)
{
    json_t *l = (json_t *)(uintptr_t)labels;
    SH_TRY(twin_texts_begin(x, id, name));
    for (void *it = json_object_iter(l); it != NULL; it = json_object_iter_next(l, it)) {
        const json_t *v = json_object_iter_value(it);
        SH_TRY(twin_texts_label(x, sh_str_c(json_object_iter_key(it)),
                                (struct sh_str){json_string_value(v), json_string_length(v)}));
    }
    return labels == NULL ? sh_buf_put_c(&x->labels, "{}") : twin_doc_text(labels, &x->labels);
}

/* With the texts of labels in x; in: the rest. */
static struct twin_dev *with_texts(const struct sh_twin *t, struct twin_texts *x,
                                   const struct twin_dev *d, struct sh_str in[TWIN_DEV_TEXTS])
{
    lower(&x->search);
    in[TWIN_LABELS] = sh_buf_str(&x->labels);
    in[TWIN_PAIRS] = sh_buf_str(&x->pairs);
    in[TWIN_SEARCH] = sh_buf_str(&x->search);
    return pack(t->env->alloc, d, in);
}

/* A location may also be words alone. */
static void set_position(struct twin_dev *d, const json_t *location)
{
    const double lat = sh_json_get_f64(location, "lat", NAN);
    const double lon = sh_json_get_f64(location, "lon", NAN);
    if (lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180) {
        d->placed = true;
        d->lat_e7 = (int32_t)lround(lat * 1e7);
        d->lon_e7 = (int32_t)lround(lon * 1e7);
    }
}

struct twin_dev *twin_dev_make(struct sh_twin *t, struct twin_texts *x, uint32_t tenant,
                               struct sh_str id, const json_t *doc)
{
    struct twin_dev d = {.tenant = tenant,
                         .id = id,
                         .demo = sh_json_get_bool(doc, "demo", false),
                         .archived = sh_json_get_bool(doc, "archived", false),
                         .floor = twin_class_said(t, doc),
                         .tagset = (uint64_t)sh_json_get_i64(doc, "tagset", 0),
                         .period_us = sh_json_get_i64(doc, "period_ms", 0) * 1000};
    set_position(&d, json_object_get(doc, "location"));
    struct sh_str in[TWIN_DEV_TEXTS] = {[TWIN_NAME] = sh_json_get_str(doc, "name"),
                                        [TWIN_THING] = sh_json_get_str(doc, "thing"),
                                        [TWIN_ASSET] = sh_json_get_str(doc, "asset")};
    struct sh_buf classes;
    sh_buf_init(&classes, t->env->alloc, TWIN_DOC_BYTES);
    struct twin_dev *out = NULL;
    if (texts_of(x, id, in[TWIN_NAME], json_object_get(doc, "labels")) == SH_OK &&
        twin_class_points(t, doc, &classes) == SH_OK) {
        in[TWIN_CLASSES] = sh_buf_str(&classes);
        out = with_texts(t, x, &d, in);
    }
    sh_buf_fini(&classes);
    return out;
}

struct twin_dev *twin_dev_sampled(struct sh_twin *t, struct twin_texts *x, uint32_t tenant,
                                  struct sh_str id, uint64_t tagset)
{
    const struct twin_dev d = {.tenant = tenant, .id = id, .tagset = tagset};
    struct sh_str in[TWIN_DEV_TEXTS] = {{NULL, 0}};
    return with_texts(t, x, &d, in);
}

struct twin_dev *twin_dev_new(struct sh_twin *t, uint32_t tenant, struct sh_str id,
                              const json_t *doc)
{
    struct twin_texts x;
    twin_texts_init(&x, t->env->alloc);
    struct twin_dev *d = twin_dev_make(t, &x, tenant, id, doc);
    twin_texts_fini(&x);
    return d;
}

void twin_dev_unref(struct sh_twin *t, struct twin_dev *d)
{
    if (d != NULL && --d->refs == 0) {
        sh_mem_free(t->env->alloc, d);
    }
}

/* ------------------------------------------------------------------ slots */

static bool grow(const struct sh_alloc *a, struct twin_slot ***v, size_t *cap, size_t n)
{
    if (n < *cap) {
        return true;
    }
    const size_t want = *cap == 0 ? 64 : *cap * 2;
    void *p = sh_mem_resize(a, *v, want * sizeof(void *));
    if (p == NULL) {
        return false;
    }
    *v = p;
    *cap = want;
    return true;
}

static struct twin_slot *slot_new(struct sh_twin *t)
{
    struct twin_slot *s = t->free_slots;
    if (t->live >= t->o.max_devices) {
        return NULL;
    }
    if (s != NULL) {
        t->free_slots = s->next_unsaved;
        s->next_unsaved = NULL;
        return s;
    }
    if (t->nslots == t->nchunks * TWIN_CHUNK) {
        if (!grow(t->env->alloc, &t->slots, &t->cap_chunks, t->nchunks)) {
            return NULL;
        }
        t->slots[t->nchunks] = sh_mem_array(t->env->alloc, TWIN_CHUNK, sizeof *s);
        if (t->slots[t->nchunks] == NULL) {
            return NULL;
        }
        t->nchunks++;
    }
    s = twin_slot_at(t, t->nslots);
    s->number = (uint32_t)t->nslots++;
    return s;
}

static void slot_free(struct sh_twin *t, struct twin_slot *s)
{
    s->dev = NULL;
    s->next_unsaved = t->free_slots;
    t->free_slots = s;
}

sh_err twin_index_put(struct sh_twin *t, struct twin_dev *d, struct twin_slot **out)
{
    struct twin_tenant *tt = twin_tenant(t, d->tenant, true);
    if (tt == NULL) {
        twin_dev_unref(t, d);
        return SH_E_NOMEM;
    }
    struct twin_slot *s = ids_get(t, tt, d->id);
    if (s != NULL) {
        twin_count(t, s, -1);
        twin_dev_unref(t, s->dev);
        s->dev = d;
        d->slot = s;
        twin_count(t, s, 1);
        *out = s;
        return SH_OK;
    }
    s = slot_new(t);
    if (s != NULL) {
        s->dev = d;
    }
    if (s == NULL || !grow(t->env->alloc, &tt->sorted, &tt->cap, tt->n) ||
        !ids_put(t, &tt->by_id, s)) {
        if (s != NULL) {
            slot_free(t, s);
        }
        twin_dev_unref(t, d);
        return t->live >= t->o.max_devices ? SH_E_LIMIT : SH_E_NOMEM;
    }
    d->slot = s;
    /* Loading comes in order. What samples make may not: it is put in its place when somebody asks
     * for the order, all at once. */
    if (tt->ordered == tt->n &&
        (tt->n == 0 || sh_str_cmp(tt->sorted[tt->n - 1]->dev->id, d->id) < 0)) {
        tt->ordered++;
    }
    tt->sorted[tt->n++] = s;
    t->live++;
    twin_count(t, s, 1);
    *out = s;
    return SH_OK;
}

sh_err twin_index_alias(struct sh_twin *t, struct twin_slot *s, struct sh_str old)
{
    struct twin_tenant *tt = twin_tenant(t, s->dev->tenant, false);
    return sh_map_set(&tt->alias, old, s);
}

static void drop_aliases(struct twin_tenant *tt, const struct twin_slot *s)
{
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    while (sh_map_next(&tt->alias, &it, &key, &v)) {
        if (v == s) {
            (void)sh_map_del(&tt->alias, key);
        }
    }
}

static void unlink_unsaved(struct sh_twin *t, struct twin_slot *s)
{
    struct twin_slot **p = &t->unsaved;
    while (s->unsaved && *p != NULL && *p != s) {
        p = &(*p)->next_unsaved;
    }
    if (s->unsaved && *p == s) {
        *p = s->next_unsaved;
    }
    s->unsaved = false;
    s->next_unsaved = NULL;
}

void twin_index_remove(struct sh_twin *t, struct twin_slot *s)
{
    struct twin_tenant *tt = twin_tenant(t, s->dev->tenant, false);
    const size_t at = twin_position(t, tt, s->dev->id);
    SH_ASSERT(at < tt->n && tt->sorted[at] == s);
    twin_count(t, s, -1);
    memmove(&tt->sorted[at], &tt->sorted[at + 1], (tt->n - at - 1) * sizeof(void *));
    tt->n--;
    tt->ordered--;
    t->live--;
    ids_del(t, &tt->by_id, s->dev->id);
    drop_aliases(tt, s);
    unlink_unsaved(t, s);
    twin_state_forget(t, s);
    twin_dev_unref(t, s->dev);
    slot_free(t, s);
}

void twin_index_fini(struct sh_twin *t)
{
    const struct sh_alloc *a = t->env->alloc;
    size_t it = 0;
    struct sh_str key;
    void *v = NULL;
    for (size_t i = 0; i < t->nslots; i++) {
        twin_dev_unref(t, twin_slot_at(t, i)->dev);
    }
    for (size_t i = 0; i < t->nchunks; i++) {
        sh_mem_free(a, t->slots[i]);
    }
    sh_mem_free(a, t->slots);
    while (sh_map_next(&t->tenants, &it, &key, &v)) {
        struct twin_tenant *tt = v;
        size_t k = 0;
        while (sh_map_next(&tt->things, &k, &key, &v)) {
            twin_thing_unref(t, v);
        }
        k = 0;
        while (sh_map_next(&tt->assets, &k, &key, &v)) {
            sh_mem_free(a, v);
        }
        sh_mem_free(a, tt->by_id.v);
        sh_map_fini(&tt->alias);
        sh_map_fini(&tt->things);
        sh_map_fini(&tt->assets);
        sh_mem_free(a, tt->sorted);
        sh_mem_free(a, tt);
    }
    sh_map_fini(&t->tenants);
    it = 0;
    while (sh_map_next(&t->units, &it, &key, &v)) {
        sh_mem_free(a, v);
    }
    sh_map_fini(&t->units);
}
