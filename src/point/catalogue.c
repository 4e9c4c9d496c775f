/* catalogue.c - the catalogue in memory and on disk.
 *
 * Invariants
 *  1. All memory comes from one arena and is given back at close only, so what a lookup returned
 *     stays valid. Renames cost memory; they are rare.
 *  2. The name table is an array of atomic pointers to nodes; a node's key never changes, its id
 *     may (0 = the name is free). A bigger table is built aside and published; the old one stays.
 *  3. An entry (a point) is immutable but for its scaling; a change publishes a new entry.
 *  4. Changes are made under `lock`: number n, journal append, memory - in that order, so the order
 *     in the journal is the order of n. A change whose number is not above p->n is old: a replay
 *     passes it over.
 *  5. `pending` holds the changes that the journal applied (or failed to write) since the last
 *     checkpoint, in order of n; a checkpoint appends them to points.log and syncs it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/scale.h>

#include "point_int.h"

enum {
    CHUNK = 4096,
    DEFAULT_MAX = 4 << 20,
    FIRST_SLOTS = 1024,
    FRAME_HEAD = 8, /* u32 length, u32 crc32c */
    PENDING_MAX = 256 << 20
};
#define ARENA_MAX (UINT64_C(8) << 30)
#define LOG_MAX (UINT64_C(4) << 30)

enum node_kind { NODE_NAME = 1, NODE_TAG = 2, NODE_DEVICE = 3 };

/* Ids of a device's points; a longer list replaces it. */
struct id_list {
    size_t cap;
    atomic_size_t n;
    uint32_t ids[];
};

struct node {
    enum node_kind kind;
    uint32_t tenant;
    uint64_t hash;
    struct sh_str device; /* empty for a tag */
    struct sh_str name;   /* property or tag; empty for a device */
    atomic_uint id;
    _Atomic(struct id_list *) list; /* NODE_DEVICE */
    struct node *next_alias;        /* in its point's list */
};

struct table {
    size_t cap;
    _Atomic(struct node *) slots[];
};

struct entry {
    struct sh_point point;
    struct node *aliases; /* newest first */
    _Atomic(const struct sh_scale *) scale;
    atomic_uint raw_point;
};

struct owned_scale {
    struct owned_scale *next;
    struct sh_scale *scale;
};

typedef _Atomic(struct entry *) entry_slot;

struct sh_points {
    const struct sh_env *env;
    struct sh_arena *arena;
    struct sh_journal *journal;
    char path[512];
    char dir[480];
    uint32_t max_points;
    struct sh_mutex lock;
    _Atomic(struct table *) table;
    size_t names;
    _Atomic(entry_slot *) *chunks;
    atomic_uint last_id;
    atomic_ullong generation;
    uint64_t n; /* newest change in memory */
    struct owned_scale *scales;
    struct sh_buf pending;
    uint64_t pending_seq;
    uint64_t log_size;
    struct sh_mutex file_lock; /* one checkpoint at a time */
};

/* ---- lookups ---- */

static uint64_t key_hash(enum node_kind kind, uint32_t tenant, struct sh_str device,
                         struct sh_str name)
{
    const uint64_t h = sh_hash64(device.p, device.n, (uint64_t)kind << 32 | tenant);
    return sh_hash64(name.p, name.n, h);
}

static struct node *find_node(const struct sh_points *p, enum node_kind kind, uint32_t tenant,
                              struct sh_str device, struct sh_str name)
{
    const struct table *t = atomic_load_explicit(&p->table, memory_order_acquire);
    const uint64_t hash = key_hash(kind, tenant, device, name);
    for (size_t i = (size_t)hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        struct node *n = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (n == NULL) {
            return NULL;
        }
        if (n->hash == hash && n->kind == kind && n->tenant == tenant &&
            sh_str_eq(n->device, device) && sh_str_eq(n->name, name)) {
            return n;
        }
    }
}

static uint32_t node_id(const struct node *n)
{
    return n == NULL ? 0 : atomic_load_explicit(&n->id, memory_order_acquire);
}

static struct entry *entry_of(const struct sh_points *p, uint32_t id)
{
    if (id == 0 || id > p->max_points) {
        return NULL;
    }
    entry_slot *chunk = atomic_load_explicit(&p->chunks[id / CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : atomic_load_explicit(&chunk[id % CHUNK], memory_order_acquire);
}

uint32_t sh_points_find(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                        struct sh_str property)
{
    return node_id(find_node(p, NODE_NAME, tenant, device, property));
}

uint32_t sh_points_resolve(const struct sh_points *p, uint32_t tenant, struct sh_str name)
{
    const size_t at = sh_str_rfind(name, '/');
    uint32_t id = 0;
    if (at != SIZE_MAX) {
        id = sh_points_find(p, tenant, sh_str_sub(name, 0, at), sh_str_sub(name, at + 1, name.n));
    }
    if (id == 0) {
        id = node_id(find_node(p, NODE_TAG, tenant, SH_STR(""), name));
    }
    return id;
}

const struct sh_point *sh_points_get(const struct sh_points *p, uint32_t id)
{
    const struct entry *e = entry_of(p, id);
    return e == NULL ? NULL : &e->point;
}

uint32_t sh_points_last_id(const struct sh_points *p)
{
    return atomic_load_explicit(&p->last_id, memory_order_acquire);
}

size_t sh_points_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                           uint32_t *out, size_t cap)
{
    const struct node *d = find_node(p, NODE_DEVICE, tenant, device, SH_STR(""));
    const struct id_list *l =
        d == NULL ? NULL : atomic_load_explicit(&d->list, memory_order_acquire);
    if (l == NULL) {
        return 0;
    }
    const size_t n = atomic_load_explicit(&l->n, memory_order_acquire);
    for (size_t i = 0; i < n && i < cap && out != NULL; i++) {
        out[i] = l->ids[i];
    }
    return n;
}

static void alias_walk(const struct node *a, uint32_t id,
                       bool (*fn)(void *ctx, struct sh_str device, struct sh_str property),
                       void *ctx)
{
    enum { MOST = 256 };
    const struct node *chain[MOST];
    size_t n = 0;
    for (; a != NULL && n < MOST; a = a->next_alias) {
        if (node_id(a) == id) {
            chain[n++] = a;
        }
    }
    for (; n > 0; n--) { /* oldest first */
        if (!fn(ctx, chain[n - 1]->device, chain[n - 1]->name)) {
            return;
        }
    }
}

void sh_points_aliases(const struct sh_points *p, uint32_t id,
                       bool (*fn)(void *ctx, struct sh_str device, struct sh_str property),
                       void *ctx)
{
    const struct entry *e = entry_of(p, id);
    if (e != NULL) {
        alias_walk(e->aliases, id, fn, ctx);
    }
}

const struct sh_scale *sh_points_scale(const struct sh_points *p, uint32_t id, uint32_t *raw_point)
{
    const struct entry *e = entry_of(p, id);
    *raw_point = e == NULL ? 0 : atomic_load_explicit(&e->raw_point, memory_order_acquire);
    return e == NULL ? NULL : atomic_load_explicit(&e->scale, memory_order_acquire);
}

uint64_t sh_points_generation(const struct sh_points *p)
{
    return atomic_load_explicit(&p->generation, memory_order_acquire);
}

/* ---- memory changes, under the lock ---- */

static struct table *table_new(struct sh_points *p, size_t cap)
{
    struct table *t = sh_arena_get(p->arena, sizeof *t + cap * sizeof t->slots[0]);
    if (t != NULL) {
        t->cap = cap;
    }
    return t;
}

static void table_put(struct table *t, struct node *n)
{
    size_t i = (size_t)n->hash & (t->cap - 1);
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != NULL) {
        i = (i + 1) & (t->cap - 1);
    }
    atomic_store_explicit(&t->slots[i], n, memory_order_release);
}

static sh_err add_to_table(struct sh_points *p, struct node *n)
{
    struct table *t = atomic_load_explicit(&p->table, memory_order_relaxed);
    if (p->names + 1 > t->cap / 4 * 3) {
        struct table *bigger = table_new(p, t->cap * 2);
        if (bigger == NULL) {
            return SH_E_NOMEM;
        }
        for (size_t i = 0; i < t->cap; i++) {
            struct node *old = atomic_load_explicit(&t->slots[i], memory_order_relaxed);
            if (old != NULL) {
                table_put(bigger, old);
            }
        }
        atomic_store_explicit(&p->table, bigger, memory_order_release);
        t = bigger;
    }
    table_put(t, n);
    p->names++;
    return SH_OK;
}

/* The node of a key, made with id 0 when missing. NULL without memory. */
static struct node *want_node(struct sh_points *p, enum node_kind kind, uint32_t tenant,
                              struct sh_str device, struct sh_str name)
{
    struct node *n = find_node(p, kind, tenant, device, name);
    if (n != NULL) {
        return n;
    }
    n = sh_arena_get(p->arena, sizeof *n);
    if (n == NULL) {
        return NULL;
    }
    n->kind = kind;
    n->tenant = tenant;
    n->hash = key_hash(kind, tenant, device, name);
    /* Points of one device share the text of its id. */
    const struct node *d =
        kind == NODE_NAME ? find_node(p, NODE_DEVICE, tenant, device, SH_STR("")) : NULL;
    n->device = d != NULL ? d->device : sh_arena_str(p->arena, device);
    n->name = sh_arena_str(p->arena, name);
    if (n->device.p == NULL || n->name.p == NULL || add_to_table(p, n) != SH_OK) {
        return NULL;
    }
    return n;
}

static sh_err list_add(struct sh_points *p, struct node *device, uint32_t id)
{
    struct id_list *l = atomic_load_explicit(&device->list, memory_order_relaxed);
    const size_t n = l == NULL ? 0 : atomic_load_explicit(&l->n, memory_order_relaxed);
    if (l == NULL || n == l->cap) {
        const size_t cap = n == 0 ? 8 : n * 2;
        struct id_list *bigger =
            sh_arena_get(p->arena, sizeof *bigger + cap * sizeof bigger->ids[0]);
        if (bigger == NULL) {
            return SH_E_NOMEM;
        }
        bigger->cap = cap;
        if (n > 0) {
            memcpy(bigger->ids, l->ids, n * sizeof l->ids[0]);
        }
        bigger->ids[n] = id;
        atomic_store_explicit(&bigger->n, n + 1, memory_order_relaxed);
        atomic_store_explicit(&device->list, bigger, memory_order_release);
        return SH_OK;
    }
    l->ids[n] = id;
    atomic_store_explicit(&l->n, n + 1, memory_order_release);
    return SH_OK;
}

/* A list is never shortened in place: a reader may be walking it. */
static sh_err list_without(struct sh_points *p, struct node *device, uint32_t id)
{
    const struct id_list *l = atomic_load_explicit(&device->list, memory_order_relaxed);
    const size_t n = l == NULL ? 0 : atomic_load_explicit(&l->n, memory_order_relaxed);
    struct id_list *shorter =
        sh_arena_get(p->arena, sizeof *shorter + (n + 1) * sizeof shorter->ids[0]);
    if (shorter == NULL) {
        return SH_E_NOMEM;
    }
    shorter->cap = n + 1;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (l->ids[i] != id) {
            shorter->ids[m++] = l->ids[i];
        }
    }
    atomic_store_explicit(&shorter->n, m, memory_order_relaxed);
    atomic_store_explicit(&device->list, shorter, memory_order_release);
    return SH_OK;
}

static sh_err publish(struct sh_points *p, struct entry *e)
{
    const uint32_t id = e->point.id;
    entry_slot *chunk = atomic_load_explicit(&p->chunks[id / CHUNK], memory_order_relaxed);
    if (chunk == NULL) {
        chunk = sh_arena_array(p->arena, CHUNK, sizeof *chunk);
        if (chunk == NULL) {
            return SH_E_NOMEM;
        }
        atomic_store_explicit(&p->chunks[id / CHUNK], chunk, memory_order_release);
    }
    atomic_store_explicit(&chunk[id % CHUNK], e, memory_order_release);
    if (id > atomic_load_explicit(&p->last_id, memory_order_relaxed)) {
        atomic_store_explicit(&p->last_id, id, memory_order_release);
    }
    return SH_OK;
}

/* A copy of an entry that may be changed and published; NULL without memory. */
static struct entry *entry_copy(struct sh_points *p, const struct entry *from)
{
    struct entry *e = sh_arena_get(p->arena, sizeof *e);
    if (e != NULL) {
        e->point = from->point;
        e->aliases = from->aliases;
        atomic_store_explicit(&e->scale, atomic_load_explicit(&from->scale, memory_order_relaxed),
                              memory_order_relaxed);
        atomic_store_explicit(&e->raw_point,
                              atomic_load_explicit(&from->raw_point, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return e;
}

static sh_err mem_define(struct sh_points *p, const struct point_change *c)
{
    if (c->id > p->max_points) {
        return SH_E_LIMIT;
    }
    if (entry_of(p, c->id) != NULL) {
        return SH_OK; /* known: an old change in a replay */
    }
    struct node *device = want_node(p, NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    struct node *name = want_node(p, NODE_NAME, c->tenant, c->a, c->b);
    struct entry *e = sh_arena_get(p->arena, sizeof *e);
    const struct sh_str unit = sh_arena_str(p->arena, c->c);
    if (device == NULL || name == NULL || e == NULL || unit.p == NULL) {
        return SH_E_NOMEM;
    }
    e->point = (struct sh_point){.id = c->id,
                                 .tenant = c->tenant,
                                 .type = c->type,
                                 .previous = c->previous,
                                 .device = name->device,
                                 .property = name->name,
                                 .unit = unit,
                                 .tag = SH_STR("")};
    SH_TRY(publish(p, e));
    if (c->previous != 0) {
        SH_TRY(list_without(p, device, c->previous));
    }
    SH_TRY(list_add(p, device, c->id));
    atomic_store_explicit(&name->id, c->id, memory_order_release);
    return SH_OK;
}

/* True when the point has this name now (not as an alias). */
static bool is_current(const struct sh_points *p, const struct node *n)
{
    const struct entry *e = entry_of(p, node_id(n));
    return e != NULL && sh_str_eq(e->point.device, n->device) &&
           sh_str_eq(e->point.property, n->name);
}

static sh_err move_point(struct sh_points *p, const struct entry *old, struct sh_str to)
{
    const struct sh_point *pt = &old->point;
    struct node *from_name = find_node(p, NODE_NAME, pt->tenant, pt->device, pt->property);
    struct node *to_name = want_node(p, NODE_NAME, pt->tenant, to, pt->property);
    struct node *to_device = want_node(p, NODE_DEVICE, pt->tenant, to, SH_STR(""));
    struct entry *e = entry_copy(p, old);
    if (from_name == NULL || to_name == NULL || to_device == NULL || e == NULL) {
        return SH_E_NOMEM;
    }
    from_name->next_alias = e->aliases;
    e->aliases = from_name;
    e->point.device = to_device->device;
    SH_TRY(list_add(p, to_device, pt->id));
    SH_TRY(publish(p, e));
    atomic_store_explicit(&to_name->id, pt->id, memory_order_release);
    return SH_OK;
}

static sh_err mem_rename(struct sh_points *p, const struct point_change *c)
{
    struct node *from = find_node(p, NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    const struct id_list *l = from == NULL ? NULL : atomic_load(&from->list);
    const size_t n = l == NULL ? 0 : atomic_load(&l->n);
    for (size_t i = 0; i < n; i++) {
        SH_TRY(move_point(p, entry_of(p, l->ids[i]), c->b));
    }
    if (from != NULL) {
        atomic_store_explicit(&from->list, NULL, memory_order_release);
    }
    return SH_OK;
}

static void free_names(struct sh_points *p, const struct entry *e)
{
    struct node *now = find_node(p, NODE_NAME, e->point.tenant, e->point.device, e->point.property);
    const uint32_t id = e->point.id;
    if (node_id(now) == id) {
        atomic_store_explicit(&now->id, 0, memory_order_release);
    }
    for (struct node *a = e->aliases; a != NULL; a = a->next_alias) {
        if (node_id(a) == id) {
            atomic_store_explicit(&a->id, 0, memory_order_release);
        }
    }
    if (e->point.tag.n > 0) {
        struct node *tag = find_node(p, NODE_TAG, e->point.tenant, SH_STR(""), e->point.tag);
        if (node_id(tag) == id) {
            atomic_store_explicit(&tag->id, 0, memory_order_release);
        }
    }
}

static sh_err mem_remove(struct sh_points *p, const struct point_change *c)
{
    struct node *d = find_node(p, NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    const struct id_list *l = d == NULL ? NULL : atomic_load(&d->list);
    const size_t n = l == NULL ? 0 : atomic_load(&l->n);
    for (size_t i = 0; i < n; i++) {
        free_names(p, entry_of(p, l->ids[i]));
    }
    if (d != NULL) {
        atomic_store_explicit(&d->list, NULL, memory_order_release);
    }
    return SH_OK;
}

static sh_err mem_text(struct sh_points *p, const struct point_change *c)
{
    const struct entry *old = entry_of(p, c->id);
    if (old == NULL) {
        return SH_E_NOTFOUND;
    }
    struct entry *e = entry_copy(p, old);
    const struct sh_str text = sh_arena_str(p->arena, c->a);
    if (e == NULL || text.p == NULL) {
        return SH_E_NOMEM;
    }
    if (c->kind == POINT_UNIT) {
        e->point.unit = text;
        return publish(p, e);
    }
    struct node *now = NULL;
    if (text.n > 0) {
        now = want_node(p, NODE_TAG, e->point.tenant, SH_STR(""), text);
        if (now == NULL) {
            return SH_E_NOMEM;
        }
    }
    struct node *before = old->point.tag.n == 0
                              ? NULL
                              : find_node(p, NODE_TAG, e->point.tenant, SH_STR(""), old->point.tag);
    if (node_id(before) == c->id) {
        atomic_store_explicit(&before->id, 0, memory_order_release);
    }
    e->point.tag = text;
    SH_TRY(publish(p, e));
    if (now != NULL) {
        atomic_store_explicit(&now->id, c->id, memory_order_release);
    }
    return SH_OK;
}

static sh_err mem_apply(struct sh_points *p, const struct point_change *c)
{
    if (c->n <= p->n) {
        return SH_OK;
    }
    sh_err err = SH_E_CORRUPT;
    switch (c->kind) {
    case POINT_DEFINE:
        err = mem_define(p, c);
        break;
    case POINT_RENAME:
        err = mem_rename(p, c);
        break;
    case POINT_REMOVE:
        err = mem_remove(p, c);
        break;
    case POINT_TAG:
    case POINT_UNIT:
        err = mem_text(p, c);
        break;
    default:
        break;
    }
    if (err == SH_OK) {
        p->n = c->n;
        if (c->kind == POINT_RENAME || c->kind == POINT_REMOVE || c->previous != 0) {
            (void)atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
        }
    }
    return err;
}

/* ---- the journal's side ---- */

static sh_err pend(struct sh_points *p, struct sh_bytes data, uint64_t seq)
{
    SH_TRY(sh_buf_reserve(&p->pending, FRAME_HEAD + data.n));
    SH_TRY(sh_buf_put_le32(&p->pending, (uint32_t)data.n));
    SH_TRY(sh_buf_put_le32(&p->pending, sh_crc32c(0, data.p, data.n)));
    SH_TRY(sh_buf_put(&p->pending, data.p, data.n));
    p->pending_seq = seq > p->pending_seq ? seq : p->pending_seq;
    return SH_OK;
}

sh_err sh_points_apply(void *ctx, const struct sh_journal_record *rec)
{
    struct sh_points *p = ctx;
    struct point_change c;
    SH_TRY(point_change_read(rec->data, &c));
    sh_mutex_lock(&p->lock);
    sh_err err = SH_OK;
    if (rec->obj == NULL && c.n > p->n) { /* a replay; points.log may hold it already */
        err = mem_apply(p, &c);
    }
    if (err == SH_OK) {
        err = pend(p, rec->data, rec->seq);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}

/* A change on its way to the disk. */
struct flight {
    struct sh_points *points;
    size_t n;
    uint8_t bytes[];
};

/* A change that the journal could not write is already in use in memory: it goes to points.log with
 * the next checkpoint, in its place, because failures are told in order too. */
static void change_done(void *ctx, sh_err err, uint64_t seq)
{
    struct flight *f = ctx;
    struct sh_points *p = f->points;
    if (err == SH_E_IO || err == SH_E_FULL) {
        sh_mutex_lock(&p->lock);
        if (pend(p, sh_bytes_of(f->bytes, f->n), seq) != SH_OK) {
            sh_log(p->env->log, SH_LOG_ERROR, "point", "a change of the catalogue was lost");
        }
        sh_mutex_unlock(&p->lock);
    }
    sh_mem_free(p->env->alloc, f);
}

static sh_err journal_change(struct sh_points *p, struct sh_bytes data)
{
    if (p->journal == NULL) {
        return pend(p, data, 0);
    }
    struct flight *f = sh_mem_new(p->env->alloc, sizeof *f + data.n);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    f->points = p;
    f->n = data.n;
    memcpy(f->bytes, data.p, data.n);
    const struct sh_journal_append a = {
        .owner = SH_OWNER_CATALOGUE,
        .parts = &data,
        .nparts = 1,
        .obj = f,
        .done = change_done,
        .ctx = f,
    };
    const sh_err err = sh_journal_append(p->journal, &a, NULL);
    if (err != SH_OK) {
        sh_mem_free(p->env->alloc, f);
    }
    return err;
}

/* Under the lock: journal, then memory. */
static sh_err change(struct sh_points *p, struct point_change *c)
{
    uint8_t space[4 * SH_POINT_MAX_NAME];
    struct sh_buf b = {
        .p = space, .cap = sizeof space, .max = sizeof space, .alloc = p->env->alloc};
    c->n = p->n + 1;
    SH_TRY(point_change_write(c, &b));
    SH_TRY(journal_change(p, sh_buf_bytes(&b)));
    return mem_apply(p, c);
}

static bool name_valid(struct sh_str s, bool property)
{
    if (s.n == 0 || s.n > SH_POINT_MAX_NAME || !sh_utf8_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f || (property && s.p[i] == '/')) {
            return false;
        }
    }
    return true;
}

static sh_err define_locked(struct sh_points *p, const struct sh_point_def *d, bool replace,
                            uint32_t *id)
{
    const struct node *n = find_node(p, NODE_NAME, d->tenant, d->device, d->property);
    /* An alias is taken over by the new point. */
    const struct entry *old = n != NULL && is_current(p, n) ? entry_of(p, node_id(n)) : NULL;
    if (old != NULL && old->point.type == d->type) {
        *id = old->point.id;
        return SH_OK;
    }
    if (old != NULL && !replace) {
        return SH_E_CONFLICT;
    }
    const uint32_t last = atomic_load(&p->last_id);
    if (last >= p->max_points ||
        sh_points_of_device(p, d->tenant, d->device, NULL, 0) >= SH_POINT_MAX_OF_DEVICE) {
        return SH_E_LIMIT;
    }
    struct point_change c = {
        .kind = POINT_DEFINE,
        .id = last + 1,
        .tenant = d->tenant,
        .type = d->type,
        .previous = old == NULL ? 0 : old->point.id,
        .a = d->device,
        .b = d->property,
        .c = d->unit,
    };
    SH_TRY(change(p, &c));
    *id = c.id;
    return SH_OK;
}

sh_err sh_points_define(struct sh_points *p, const struct sh_point_def *d, bool replace,
                        uint32_t *id)
{
    if (!name_valid(d->device, false) || !name_valid(d->property, true) ||
        d->unit.n > SH_POINT_MAX_NAME || sh_type_name(d->type) == NULL) {
        return SH_E_INVAL;
    }
    sh_mutex_lock(&p->lock);
    const sh_err err = define_locked(p, d, replace, id);
    sh_mutex_unlock(&p->lock);
    return err;
}

static sh_err rename_locked(struct sh_points *p, struct point_change *c)
{
    const struct node *from = find_node(p, NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    const struct id_list *l = from == NULL ? NULL : atomic_load(&from->list);
    const size_t n = l == NULL ? 0 : atomic_load(&l->n);
    if (n == 0) {
        return SH_E_NOTFOUND;
    }
    for (size_t i = 0; i < n; i++) {
        const struct sh_point *pt = &entry_of(p, l->ids[i])->point;
        const struct node *to = find_node(p, NODE_NAME, c->tenant, c->b, pt->property);
        if (to != NULL && is_current(p, to)) {
            return SH_E_EXISTS;
        }
    }
    return change(p, c);
}

sh_err sh_points_rename_device(struct sh_points *p, uint32_t tenant, struct sh_str from,
                               struct sh_str to)
{
    if (!name_valid(to, false) || sh_str_eq(from, to)) {
        return SH_E_INVAL;
    }
    struct point_change c = {.kind = POINT_RENAME, .tenant = tenant, .a = from, .b = to};
    sh_mutex_lock(&p->lock);
    const sh_err err = rename_locked(p, &c);
    sh_mutex_unlock(&p->lock);
    return err;
}

sh_err sh_points_remove_device(struct sh_points *p, uint32_t tenant, struct sh_str device)
{
    struct point_change c = {.kind = POINT_REMOVE, .tenant = tenant, .a = device};
    sh_mutex_lock(&p->lock);
    const sh_err err =
        sh_points_of_device(p, tenant, device, NULL, 0) == 0 ? SH_E_NOTFOUND : change(p, &c);
    sh_mutex_unlock(&p->lock);
    return err;
}

sh_err sh_points_set_tag(struct sh_points *p, uint32_t id, struct sh_str tag)
{
    if (tag.n > 0 && !name_valid(tag, false)) {
        return SH_E_INVAL;
    }
    struct point_change c = {.kind = POINT_TAG, .id = id, .a = tag};
    sh_mutex_lock(&p->lock);
    const struct entry *e = entry_of(p, id);
    sh_err err = e == NULL ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && tag.n > 0) {
        const uint32_t other = node_id(find_node(p, NODE_TAG, e->point.tenant, SH_STR(""), tag));
        err = other != 0 && other != id ? SH_E_EXISTS : SH_OK;
    }
    if (err == SH_OK && !sh_str_eq(e->point.tag, tag)) {
        err = change(p, &c);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}

sh_err sh_points_set_unit(struct sh_points *p, uint32_t id, struct sh_str unit)
{
    if (unit.n > SH_POINT_MAX_NAME) {
        return SH_E_INVAL;
    }
    struct point_change c = {.kind = POINT_UNIT, .id = id, .a = unit};
    sh_mutex_lock(&p->lock);
    const struct entry *e = entry_of(p, id);
    sh_err err = e == NULL ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && !sh_str_eq(e->point.unit, unit)) {
        err = change(p, &c);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}

sh_err sh_points_set_scale(struct sh_points *p, uint32_t id, struct sh_scale *scale,
                           uint32_t raw_point)
{
    sh_mutex_lock(&p->lock);
    struct entry *e = entry_of(p, id);
    struct owned_scale *o = sh_arena_get(p->arena, sizeof *o);
    sh_err err = e == NULL ? SH_E_NOTFOUND : (o == NULL ? SH_E_NOMEM : SH_OK);
    if (err == SH_OK) {
        *o = (struct owned_scale){p->scales, scale};
        p->scales = o;
        atomic_store_explicit(&e->raw_point, raw_point, memory_order_release);
        atomic_store_explicit(&e->scale, scale, memory_order_release);
        (void)atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}

/* ---- points.log ---- */

/* Reads frames; returns the length of the good part. */
static uint64_t load_frames(struct sh_points *p, struct sh_str all)
{
    size_t at = 0;
    while (all.n - at >= FRAME_HEAD) {
        const uint8_t *head = (const uint8_t *)all.p + at;
        const uint32_t n = sh_le32(head);
        struct point_change c;
        if (n == 0 || n > all.n - at - FRAME_HEAD ||
            sh_crc32c(0, head + FRAME_HEAD, n) != sh_le32(head + 4) ||
            point_change_read(sh_bytes_of(head + FRAME_HEAD, n), &c) != SH_OK) {
            break;
        }
        if (mem_apply(p, &c) != SH_OK) {
            break;
        }
        at += FRAME_HEAD + n;
    }
    return at;
}

static sh_err load_log(struct sh_points *p, const struct sh_points_options *o)
{
    struct sh_str all = {NULL, 0};
    const sh_err err = sh_fs_read_all(p->env->fs, p->env->alloc, p->path, LOG_MAX, &all);
    if (err == SH_E_NOTFOUND) {
        return SH_OK;
    }
    SH_TRY(err);
    p->log_size = load_frames(p, all);
    if (p->log_size < all.n && o->report != NULL) {
        o->report(o->ctx, p->path, p->log_size, "unreadable entries at the end were left out");
    }
    sh_str_free(p->env->alloc, &all);
    return SH_OK;
}

static sh_err append_log(struct sh_points *p, struct sh_bytes data)
{
    const struct sh_fs *fs = p->env->fs;
    struct sh_file *f = NULL;
    SH_TRY(sh_fs_open(fs, p->path, SH_FS_WRITE | SH_FS_CREATE, &f));
    uint64_t size = 0;
    sh_err err = sh_fs_size(fs, f, &size);
    if (err == SH_OK && size > p->log_size) { /* a torn end of an earlier try */
        err = fs->truncate(fs->ctx, f, p->log_size);
    }
    if (err == SH_OK) {
        err = sh_fs_pwrite(fs, f, data.p, data.n, p->log_size);
    }
    if (err == SH_OK) {
        err = sh_fs_sync(fs, f);
    }
    sh_fs_close(fs, f);
    if (err == SH_OK) {
        err = sh_fs_sync_dir(fs, p->dir);
    }
    if (err == SH_OK) {
        p->log_size += data.n;
    }
    return err;
}

sh_err sh_points_checkpoint(struct sh_points *p)
{
    sh_mutex_lock(&p->file_lock);
    sh_mutex_lock(&p->lock);
    struct sh_buf data = p->pending;
    const uint64_t seq = p->pending_seq;
    sh_buf_init(&p->pending, p->env->alloc, PENDING_MAX);
    sh_mutex_unlock(&p->lock);
    sh_err err = data.n == 0 ? SH_OK : append_log(p, sh_buf_bytes(&data));
    if (err != SH_OK) { /* put it back in front */
        sh_mutex_lock(&p->lock);
        struct sh_buf later = p->pending;
        p->pending = data;
        if (sh_buf_put(&p->pending, later.p, later.n) != SH_OK) {
            sh_log(p->env->log, SH_LOG_ERROR, "point", "changes since the checkpoint were lost");
        }
        sh_buf_fini(&later);
        sh_mutex_unlock(&p->lock);
    } else {
        const bool some = data.n > 0;
        sh_buf_fini(&data);
        if (some && seq > 0 && p->journal != NULL) {
            err = sh_journal_checkpoint(p->journal, SH_OWNER_CATALOGUE, seq);
        }
    }
    sh_mutex_unlock(&p->file_lock);
    return err;
}

/* ---- life ---- */

static sh_err points_init(struct sh_points *p, const struct sh_points_options *o)
{
    p->max_points = o->max_points == 0 ? DEFAULT_MAX : o->max_points;
    sh_mutex_init(&p->lock);
    sh_mutex_init(&p->file_lock);
    sh_buf_init(&p->pending, p->env->alloc, PENDING_MAX);
    const int n = snprintf(p->dir, sizeof p->dir, "%s", o->dir);
    if (n < 0 || (size_t)n >= sizeof p->dir) {
        return SH_E_INVAL;
    }
    (void)snprintf(p->path, sizeof p->path, "%s/points.log", p->dir);
    p->arena = sh_arena_new(p->env->alloc, ARENA_MAX);
    if (p->arena == NULL) {
        return SH_E_NOMEM;
    }
    struct table *t = table_new(p, FIRST_SLOTS);
    p->chunks = sh_arena_array(p->arena, p->max_points / CHUNK + 1, sizeof p->chunks[0]);
    if (t == NULL || p->chunks == NULL) {
        return SH_E_NOMEM;
    }
    atomic_store(&p->table, t);
    SH_TRY(sh_fs_mkdirs(p->env->fs, p->dir));
    return load_log(p, o);
}

sh_err sh_points_open(const struct sh_env *env, const struct sh_points_options *o,
                      struct sh_points **out)
{
    struct sh_points *p = sh_mem_new(env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->env = env;
    const sh_err err = points_init(p, o);
    if (err != SH_OK) {
        sh_points_close(p);
        return err;
    }
    *out = p;
    return SH_OK;
}

void sh_points_attach(struct sh_points *p, struct sh_journal *j)
{
    p->journal = j;
}

void sh_points_close(struct sh_points *p)
{
    if (p == NULL) {
        return;
    }
    for (struct owned_scale *o = p->scales; o != NULL; o = o->next) {
        sh_scale_free(o->scale);
    }
    sh_buf_fini(&p->pending);
    sh_arena_free(p->arena);
    sh_mutex_fini(&p->lock);
    sh_mutex_fini(&p->file_lock);
    sh_mem_free(p->env->alloc, p);
}
