/* catalogue.c - the catalogue in memory and on disk.
 *
 * Invariants
 *  1. All memory comes from one arena and is given back at close only, so what a lookup returned
 *     stays valid. Renames cost memory; they are rare.
 *  2. The name table is an array of atomic pointers to nodes; a node's key never changes, its id
 *     may (0 = the name is free). A bigger table is built aside and published; the old one stays.
 *  3. An entry (a point) is immutable but for its scaling and class; a change publishes a new
 *     entry.
 *  4. Changes are made under `lock`: number n, journal append, memory - in that order, so the order
 *     in the journal is the order of n. A change whose number is not above p->n is old: a replay
 *     passes it over.
 *  5. `pending` holds the changes that the journal applied (or failed to write) since the last
 *     checkpoint, in order of n; a checkpoint appends them to points.log and syncs it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/scale.h>

#include "point_int.h"

/* ---- lookups ---- */

static uint32_t key_hash(enum point_node_kind kind, uint32_t tenant, struct sh_str device,
                         struct sh_str name)
{
    uint64_t h = sh_hash64(device.p, device.n, (uint64_t)kind << 32 | tenant);
    h = sh_hash64(name.p, name.n, h);
    return (uint32_t)(h ^ h >> 32);
}

static struct sh_str node_device(const struct point_node *n)
{
    return (struct sh_str){n->device, n->device_n};
}

static struct sh_str node_name(const struct point_node *n)
{
    return (struct sh_str){n->name, n->name_n};
}

/* The node of a slot that is not free. */
static struct point_node *node_of(const struct sh_points *p, uint64_t slot)
{
    const uint32_t k = (uint32_t)slot - 1;
    return atomic_load_explicit(&p->nodes[k / POINT_NODE_CHUNK], memory_order_relaxed) +
           k % POINT_NODE_CHUNK;
}

static struct point_node *find_node(const struct sh_points *p, enum point_node_kind kind,
                                    uint32_t tenant, struct sh_str device, struct sh_str name)
{
    const struct point_table *t = atomic_load_explicit(&p->table, memory_order_acquire);
    const uint32_t hash = key_hash(kind, tenant, device, name);
    for (size_t i = hash & (t->cap - 1);; i = (i + 1) & (t->cap - 1)) {
        const uint64_t slot = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (slot == 0) {
            return NULL;
        }
        if (slot >> 32 != hash) {
            continue;
        }
        struct point_node *n = node_of(p, slot);
        if (n->kind == (unsigned)kind && n->tenant == tenant && sh_str_eq(node_device(n), device) &&
            sh_str_eq(node_name(n), name)) {
            return n;
        }
    }
}

static uint32_t node_id(const struct point_node *n)
{
    return n == NULL ? 0 : atomic_load_explicit(&n->id, memory_order_acquire);
}

struct point_entry *point_entry_of(const struct sh_points *p, uint32_t id)
{
    if (id == 0 || id > p->max_points) {
        return NULL;
    }
    point_entry_slot *chunk =
        atomic_load_explicit(&p->chunks[id / POINT_CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL
                         : atomic_load_explicit(&chunk[id % POINT_CHUNK], memory_order_acquire);
}

uint32_t sh_points_find(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                        struct sh_str property)
{
    return node_id(find_node(p, POINT_NODE_NAME, tenant, device, property));
}

uint32_t sh_points_resolve(const struct sh_points *p, uint32_t tenant, struct sh_str name)
{
    const size_t at = sh_str_rfind(name, '/');
    uint32_t id = 0;
    if (at != SIZE_MAX) {
        id = sh_points_find(p, tenant, sh_str_sub(name, 0, at), sh_str_sub(name, at + 1, name.n));
    }
    if (id == 0) {
        id = node_id(find_node(p, POINT_NODE_TAG, tenant, SH_STR(""), name));
    }
    return id;
}

const struct sh_point *sh_points_get(const struct sh_points *p, uint32_t id)
{
    const struct point_entry *e = point_entry_of(p, id);
    return e == NULL ? NULL : &e->point;
}

uint32_t sh_points_last_id(const struct sh_points *p)
{
    return atomic_load_explicit(&p->last_id, memory_order_acquire);
}

void sh_points_skip(struct sh_points *p, uint32_t last)
{
    sh_mutex_lock(&p->lock);
    if (last > atomic_load(&p->last_id)) {
        atomic_store(&p->last_id, last);
    }
    sh_mutex_unlock(&p->lock);
}

bool sh_point_is_event(const struct sh_point *p)
{
    return sh_str_starts(p->property, SH_POINT_EVENT);
}

/* Points of a device (NULL is accepted), as they are now: a list, or the only one in *one. */
struct ids {
    const uint32_t *p;
    uint32_t n;
    uint32_t one;
};

static void ids_of(const struct point_node *d, struct ids *out)
{
    *out = (struct ids){.p = &out->one};
    const struct point_id_list *l =
        d == NULL ? NULL : atomic_load_explicit(&d->of.list, memory_order_acquire);
    if (l != NULL) {
        out->p = l->ids;
        out->n = atomic_load_explicit(&l->n, memory_order_acquire);
    } else if (d != NULL) {
        out->one = node_id(d);
        out->n = out->one != 0;
    }
}

static size_t of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                        bool events, uint32_t *out, size_t cap)
{
    struct ids l;
    ids_of(find_node(p, POINT_NODE_DEVICE, tenant, device, SH_STR("")), &l);
    size_t k = 0;
    for (uint32_t i = 0; i < l.n; i++) {
        if (sh_point_is_event(&point_entry_of(p, l.p[i])->point) != events) {
            continue;
        }
        if (out != NULL && k < cap) {
            out[k] = l.p[i];
        }
        k++;
    }
    return k;
}

size_t sh_points_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                           uint32_t *out, size_t cap)
{
    return of_device(p, tenant, device, false, out, cap);
}

size_t sh_points_events_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device,
                                  uint32_t *out, size_t cap)
{
    return of_device(p, tenant, device, true, out, cap);
}

static void alias_walk(const struct point_node *a, uint32_t id,
                       bool (*fn)(void *ctx, struct sh_str device, struct sh_str property),
                       void *ctx)
{
    enum { MOST = 256 };
    const struct point_node *chain[MOST];
    size_t n = 0;
    for (; a != NULL && n < MOST; a = a->of.next_alias) {
        if (node_id(a) == id) {
            chain[n++] = a;
        }
    }
    for (; n > 0; n--) { /* oldest first */
        if (!fn(ctx, node_device(chain[n - 1]), node_name(chain[n - 1]))) {
            return;
        }
    }
}

void sh_points_aliases(const struct sh_points *p, uint32_t id,
                       bool (*fn)(void *ctx, struct sh_str device, struct sh_str property),
                       void *ctx)
{
    const struct point_entry *e = point_entry_of(p, id);
    if (e != NULL) {
        alias_walk(e->aliases, id, fn, ctx);
    }
}

const struct sh_scale *sh_points_scale(const struct sh_points *p, uint32_t id, uint32_t *raw_point)
{
    const struct point_entry *e = point_entry_of(p, id);
    *raw_point = e == NULL ? 0 : atomic_load_explicit(&e->raw_point, memory_order_acquire);
    return e == NULL ? NULL : atomic_load_explicit(&e->scale, memory_order_acquire);
}

uint64_t sh_points_generation(const struct sh_points *p)
{
    return atomic_load_explicit(&p->generation, memory_order_acquire);
}

/* ---- memory changes, under the lock ---- */

struct point_table *point_table_new(struct sh_points *p, size_t cap)
{
    struct point_table *t = sh_arena_get(p->arena, sizeof *t + cap * sizeof t->slots[0]);
    if (t != NULL) {
        t->cap = cap;
    }
    return t;
}

static void table_put(struct point_table *t, uint64_t slot)
{
    size_t i = (size_t)(slot >> 32) & (t->cap - 1);
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != 0) {
        i = (i + 1) & (t->cap - 1);
    }
    atomic_store_explicit(&t->slots[i], slot, memory_order_release);
}

/* Where the next node is made, which add_to_table publishes; NULL without memory. */
static struct point_node *node_space(struct sh_points *p)
{
    const uint32_t c = p->names / POINT_NODE_CHUNK;
    if (c == POINT_NODE_CHUNKS) {
        return NULL;
    }
    struct point_node *chunk = atomic_load_explicit(&p->nodes[c], memory_order_relaxed);
    if (chunk == NULL) {
        chunk = sh_arena_array(p->arena, POINT_NODE_CHUNK, sizeof *chunk);
        atomic_store_explicit(&p->nodes[c], chunk, memory_order_relaxed);
    }
    return chunk == NULL ? NULL : &chunk[p->names % POINT_NODE_CHUNK];
}

/* The node in node_space. The release of its slot publishes the chunk too. */
static sh_err add_to_table(struct sh_points *p, const struct point_node *n)
{
    struct point_table *t = atomic_load_explicit(&p->table, memory_order_relaxed);
    if ((size_t)p->names + 1 > t->cap / 4 * 3) {
        struct point_table *bigger = point_table_new(p, t->cap * 2);
        if (bigger == NULL) {
            return SH_E_NOMEM;
        }
        for (size_t i = 0; i < t->cap; i++) {
            const uint64_t old = atomic_load_explicit(&t->slots[i], memory_order_relaxed);
            if (old != 0) {
                table_put(bigger, old);
            }
        }
        atomic_store_explicit(&p->table, bigger, memory_order_release);
        t = bigger;
    }
    p->names++;
    table_put(t, (uint64_t)n->hash << 32 | p->names);
    return SH_OK;
}

/* A copy of a text that many points have (a property, a unit), mostly made before. */
static struct sh_str word(struct sh_points *p, struct sh_str s)
{
    struct sh_str *w = &p->words[sh_hash64(s.p, s.n, 0) % POINT_WORDS];
    if (s.n == 0) {
        return SH_STR("");
    }
    if (w->p == NULL || !sh_str_eq(*w, s)) {
        *w = sh_arena_str(p->arena, s);
    }
    return *w;
}

/* The node of a key, made with id 0 when missing. NULL without memory. */
static struct point_node *want_node(struct sh_points *p, enum point_node_kind kind, uint32_t tenant,
                                    struct sh_str device, struct sh_str name)
{
    struct point_node *n = find_node(p, kind, tenant, device, name);
    if (n != NULL) {
        return n;
    }
    n = node_space(p);
    if (n == NULL) {
        return NULL;
    }
    /* Points of one device share the text of its id. */
    const struct point_node *d = kind == POINT_NODE_NAME
                                     ? find_node(p, POINT_NODE_DEVICE, tenant, device, SH_STR(""))
                                     : NULL;
    const struct sh_str dev =
        d != NULL ? node_device(d) : (device.n == 0 ? SH_STR("") : sh_arena_str(p->arena, device));
    const struct sh_str own = kind == POINT_NODE_TAG ? sh_arena_str(p->arena, name) : word(p, name);
    if (dev.p == NULL || own.p == NULL) {
        return NULL;
    }
    n->device = dev.p;
    n->name = own.p;
    n->hash = key_hash(kind, tenant, device, name);
    n->tenant = tenant;
    n->device_n = (unsigned)dev.n & 0xfff;
    n->name_n = (unsigned)own.n & 0xfff;
    n->kind = (unsigned)kind & 0xff;
    return add_to_table(p, n) == SH_OK ? n : NULL;
}

static struct point_id_list *list_new(struct sh_points *p, uint32_t cap)
{
    struct point_id_list *l = sh_arena_get(p->arena, sizeof *l + cap * sizeof l->ids[0]);
    if (l != NULL) {
        l->cap = cap;
    }
    return l;
}

static sh_err list_add(struct sh_points *p, struct point_node *device, uint32_t id)
{
    struct point_id_list *l = atomic_load_explicit(&device->of.list, memory_order_relaxed);
    struct ids have;
    ids_of(device, &have);
    if (have.n == 0 && l == NULL) {
        atomic_store_explicit(&device->id, id, memory_order_release);
        return SH_OK;
    }
    if (l != NULL && have.n < l->cap) {
        l->ids[have.n] = id;
        atomic_store_explicit(&l->n, have.n + 1, memory_order_release);
        return SH_OK;
    }
    struct point_id_list *bigger = list_new(p, have.n < 3 ? 6 : have.n * 2);
    if (bigger == NULL) {
        return SH_E_NOMEM;
    }
    memcpy(bigger->ids, have.p, have.n * sizeof bigger->ids[0]);
    bigger->ids[have.n] = id;
    atomic_store_explicit(&bigger->n, have.n + 1, memory_order_relaxed);
    atomic_store_explicit(&device->of.list, bigger, memory_order_release);
    return SH_OK;
}

/* A list is never shortened in place: a reader may be walking it. */
static sh_err list_without(struct sh_points *p, struct point_node *device, uint32_t id)
{
    struct ids have;
    ids_of(device, &have);
    struct point_id_list *shorter = list_new(p, have.n + 1);
    if (shorter == NULL) {
        return SH_E_NOMEM;
    }
    uint32_t m = 0;
    for (uint32_t i = 0; i < have.n; i++) {
        if (have.p[i] != id) {
            shorter->ids[m++] = have.p[i];
        }
    }
    atomic_store_explicit(&shorter->n, m, memory_order_relaxed);
    atomic_store_explicit(&device->of.list, shorter, memory_order_release);
    return SH_OK;
}

/* The device has no points any more. In this order a reader sees the list, or nothing. */
static void list_clear(struct point_node *device)
{
    atomic_store_explicit(&device->id, 0, memory_order_release);
    atomic_store_explicit(&device->of.list, NULL, memory_order_release);
}

static sh_err publish(struct sh_points *p, struct point_entry *e)
{
    const uint32_t id = e->point.id;
    point_entry_slot *chunk =
        atomic_load_explicit(&p->chunks[id / POINT_CHUNK], memory_order_relaxed);
    if (chunk == NULL) {
        chunk = sh_arena_array(p->arena, POINT_CHUNK, sizeof *chunk);
        if (chunk == NULL) {
            return SH_E_NOMEM;
        }
        atomic_store_explicit(&p->chunks[id / POINT_CHUNK], chunk, memory_order_release);
    }
    atomic_store_explicit(&chunk[id % POINT_CHUNK], e, memory_order_release);
    if (id > atomic_load_explicit(&p->last_id, memory_order_relaxed)) {
        atomic_store_explicit(&p->last_id, id, memory_order_release);
    }
    return SH_OK;
}

/* A copy of an entry that may be changed and published; NULL without memory. */
static struct point_entry *entry_copy(struct sh_points *p, const struct point_entry *from)
{
    struct point_entry *e = sh_arena_get(p->arena, sizeof *e);
    if (e != NULL) {
        e->point = from->point;
        e->aliases = from->aliases;
        atomic_store_explicit(&e->data_class,
                              atomic_load_explicit(&from->data_class, memory_order_relaxed),
                              memory_order_relaxed);
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
    if (point_entry_of(p, c->id) != NULL) {
        return SH_OK; /* known: an old change in a replay */
    }
    struct point_node *device = want_node(p, POINT_NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    struct point_node *name = want_node(p, POINT_NODE_NAME, c->tenant, c->a, c->b);
    struct point_entry *e = sh_arena_get(p->arena, sizeof *e);
    const struct sh_str unit = word(p, c->c);
    if (device == NULL || name == NULL || e == NULL || unit.p == NULL) {
        return SH_E_NOMEM;
    }
    e->point = (struct sh_point){.id = c->id,
                                 .tenant = c->tenant,
                                 .type = c->type,
                                 .previous = c->previous,
                                 .device = node_device(name),
                                 .property = node_name(name),
                                 .unit = unit,
                                 .tag = SH_STR("")};
    SH_TRY(point_class_first(p, e));
    SH_TRY(publish(p, e));
    if (c->previous != 0) {
        SH_TRY(list_without(p, device, c->previous));
    }
    SH_TRY(list_add(p, device, c->id));
    atomic_store_explicit(&name->id, c->id, memory_order_release);
    return SH_OK;
}

/* True when the point has this name now (not as an alias). */
static bool is_current(const struct sh_points *p, const struct point_node *n)
{
    const struct point_entry *e = point_entry_of(p, node_id(n));
    return e != NULL && sh_str_eq(e->point.device, node_device(n)) &&
           sh_str_eq(e->point.property, node_name(n));
}

static sh_err move_point(struct sh_points *p, const struct point_entry *old, struct sh_str to)
{
    const struct sh_point *pt = &old->point;
    struct point_node *from_name =
        find_node(p, POINT_NODE_NAME, pt->tenant, pt->device, pt->property);
    struct point_node *to_name = want_node(p, POINT_NODE_NAME, pt->tenant, to, pt->property);
    struct point_node *to_device = want_node(p, POINT_NODE_DEVICE, pt->tenant, to, SH_STR(""));
    struct point_entry *e = entry_copy(p, old);
    if (from_name == NULL || to_name == NULL || to_device == NULL || e == NULL) {
        return SH_E_NOMEM;
    }
    from_name->of.next_alias = e->aliases;
    e->aliases = from_name;
    e->point.device = node_device(to_device);
    SH_TRY(list_add(p, to_device, pt->id));
    SH_TRY(publish(p, e));
    atomic_store_explicit(&to_name->id, pt->id, memory_order_release);
    return SH_OK;
}

static sh_err mem_rename(struct sh_points *p, const struct point_change *c)
{
    struct point_node *from = find_node(p, POINT_NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    struct ids l;
    ids_of(from, &l);
    for (uint32_t i = 0; i < l.n; i++) {
        SH_TRY(move_point(p, point_entry_of(p, l.p[i]), c->b));
    }
    if (from != NULL) {
        list_clear(from);
    }
    return SH_OK;
}

static void free_names(struct sh_points *p, const struct point_entry *e)
{
    struct point_node *now =
        find_node(p, POINT_NODE_NAME, e->point.tenant, e->point.device, e->point.property);
    const uint32_t id = e->point.id;
    if (node_id(now) == id) {
        atomic_store_explicit(&now->id, 0, memory_order_release);
    }
    for (struct point_node *a = e->aliases; a != NULL; a = a->of.next_alias) {
        if (node_id(a) == id) {
            atomic_store_explicit(&a->id, 0, memory_order_release);
        }
    }
    if (e->point.tag.n > 0) {
        struct point_node *tag =
            find_node(p, POINT_NODE_TAG, e->point.tenant, SH_STR(""), e->point.tag);
        if (node_id(tag) == id) {
            atomic_store_explicit(&tag->id, 0, memory_order_release);
        }
    }
}

static sh_err mem_remove(struct sh_points *p, const struct point_change *c)
{
    struct point_node *d = find_node(p, POINT_NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    struct ids l;
    ids_of(d, &l);
    for (uint32_t i = 0; i < l.n; i++) {
        free_names(p, point_entry_of(p, l.p[i]));
    }
    if (d != NULL) {
        list_clear(d);
    }
    return SH_OK;
}

static sh_err mem_text(struct sh_points *p, const struct point_change *c)
{
    const struct point_entry *old = point_entry_of(p, c->id);
    if (old == NULL) {
        return SH_E_NOTFOUND;
    }
    struct point_entry *e = entry_copy(p, old);
    const struct sh_str text = c->kind == POINT_UNIT ? word(p, c->a) : sh_arena_str(p->arena, c->a);
    if (e == NULL || text.p == NULL) {
        return SH_E_NOMEM;
    }
    if (c->kind == POINT_UNIT) {
        e->point.unit = text;
        return publish(p, e);
    }
    struct point_node *now = NULL;
    if (text.n > 0) {
        now = want_node(p, POINT_NODE_TAG, e->point.tenant, SH_STR(""), text);
        if (now == NULL) {
            return SH_E_NOMEM;
        }
    }
    struct point_node *before =
        old->point.tag.n == 0
            ? NULL
            : find_node(p, POINT_NODE_TAG, e->point.tenant, SH_STR(""), old->point.tag);
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

sh_err point_mem_apply(struct sh_points *p, const struct point_change *c)
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
    SH_TRY(sh_buf_reserve(&p->pending, POINT_FRAME_HEAD + data.n));
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
        err = point_mem_apply(p, &c);
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
    return err == SH_E_LIMIT ? SH_E_AGAIN : err;
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
    return point_mem_apply(p, c);
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

/* Points of a device of any kind. */
static size_t ids_of_device(const struct sh_points *p, uint32_t tenant, struct sh_str device)
{
    return of_device(p, tenant, device, false, NULL, 0) +
           of_device(p, tenant, device, true, NULL, 0);
}

static sh_err define_locked(struct sh_points *p, const struct sh_point_def *d, bool replace,
                            uint32_t *id)
{
    const struct point_node *n = find_node(p, POINT_NODE_NAME, d->tenant, d->device, d->property);
    /* An alias is taken over by the new point. */
    const struct point_entry *old =
        n != NULL && is_current(p, n) ? point_entry_of(p, node_id(n)) : NULL;
    if (old != NULL && old->point.type == d->type) {
        *id = old->point.id;
        return SH_OK;
    }
    if (old != NULL && !replace) {
        return SH_E_CONFLICT;
    }
    const uint32_t last = atomic_load(&p->last_id);
    if (last >= p->max_points || ids_of_device(p, d->tenant, d->device) >= SH_POINT_MAX_OF_DEVICE) {
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
    const struct point_node *from = find_node(p, POINT_NODE_DEVICE, c->tenant, c->a, SH_STR(""));
    struct ids l;
    ids_of(from, &l);
    if (l.n == 0) {
        return SH_E_NOTFOUND;
    }
    for (uint32_t i = 0; i < l.n; i++) {
        const struct sh_point *pt = &point_entry_of(p, l.p[i])->point;
        const struct point_node *to = find_node(p, POINT_NODE_NAME, c->tenant, c->b, pt->property);
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
    const struct point_entry *e = point_entry_of(p, id);
    sh_err err = e == NULL ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && tag.n > 0) {
        const uint32_t other =
            node_id(find_node(p, POINT_NODE_TAG, e->point.tenant, SH_STR(""), tag));
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
    const struct point_entry *e = point_entry_of(p, id);
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
    struct point_entry *e = point_entry_of(p, id);
    struct point_owned_scale *o = sh_arena_get(p->arena, sizeof *o);
    sh_err err = e == NULL ? SH_E_NOTFOUND : (o == NULL ? SH_E_NOMEM : SH_OK);
    if (err == SH_OK) {
        *o = (struct point_owned_scale){p->scales, scale};
        p->scales = o;
        atomic_store_explicit(&e->raw_point, raw_point, memory_order_release);
        atomic_store_explicit(&e->scale, scale, memory_order_release);
        (void)atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    }
    sh_mutex_unlock(&p->lock);
    return err;
}
