/* Tenants: the tree, quotas and the rate of samples.
 *
 * Invariants: ids count up from 1 (the root) and are never reused; a tenant never moves and is
 * never deleted; parent ids are smaller than their children's, so every walk up ends. Use counters
 * are charged at the tenant and at all above it, or at none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

enum { NS_PER_S = 1000000000, BURST_S = 10 };

struct guard_tenant *guard_tenant_at(const struct sh_guard *g, uint32_t id)
{
    if (id == 0 || id > atomic_load_explicit(&g->ntenants, memory_order_acquire)) {
        return NULL;
    }
    struct guard_tenant *chunk =
        atomic_load_explicit(&g->tenants[id / TENANT_CHUNK], memory_order_acquire);
    return &chunk[id % TENANT_CHUNK];
}

static struct guard_tenant *above(const struct sh_guard *g, const struct guard_tenant *t)
{
    return guard_tenant_at(g, atomic_load_explicit(&t->parent, memory_order_relaxed));
}

bool sh_guard_tenant_within(const struct sh_guard *g, uint32_t tenant, uint32_t above_id)
{
    if (above_id == SH_TENANT_NONE) {
        return false;
    }
    for (int depth = 0; depth <= SH_TENANT_DEPTH_MAX && tenant != SH_TENANT_NONE; depth++) {
        const struct guard_tenant *t = guard_tenant_at(g, tenant);
        if (t == NULL) {
            return false;
        }
        if (tenant == above_id) {
            return true;
        }
        tenant = atomic_load_explicit(&t->parent, memory_order_relaxed);
    }
    return false;
}

struct guard_tenant *guard_tenant_by_path(struct sh_guard *g, struct sh_str path)
{
    struct guard_tenant *t = sh_map_get(&g->tenant_by_path, path);
    return t == NULL || t->id == 0 ? NULL : t; /* 0: being made */
}

sh_err sh_guard_tenant_find(struct sh_guard *g, struct sh_str path, uint32_t *out)
{
    sh_mutex_lock(&g->lock);
    const struct guard_tenant *t = guard_tenant_by_path(g, path);
    if (t != NULL) {
        *out = t->id;
    }
    sh_mutex_unlock(&g->lock);
    return t == NULL ? SH_E_NOTFOUND : SH_OK;
}

sh_err sh_guard_tenant_path(struct sh_guard *g, uint32_t tenant, char out[SH_TENANT_PATH_MAX + 1])
{
    sh_mutex_lock(&g->lock);
    const struct guard_tenant *t = guard_tenant_at(g, tenant);
    const bool good = t != NULL && guard_copy(out, SH_TENANT_PATH_MAX + 1, sh_str_c(t->path));
    sh_mutex_unlock(&g->lock);
    return good ? SH_OK : SH_E_NOTFOUND;
}

/* Depth of a path ("" = 0), or -1 when it is none. */
static int path_depth(struct sh_str path)
{
    if (path.n == 0) {
        return 0;
    }
    if (path.n > SH_TENANT_PATH_MAX) {
        return -1;
    }
    int depth = 0;
    for (struct sh_str left = path; left.p != NULL; depth++) {
        struct sh_str rest;
        if (!guard_name_ok(sh_str_cut(left, '/', &rest))) {
            return -1;
        }
        left = rest;
    }
    return depth;
}

static struct sh_str parent_path(struct sh_str path)
{
    const size_t slash = sh_str_rfind(path, '/');
    return sh_str_sub(path, 0, slash == SIZE_MAX ? 0 : slash);
}

/* ---- quotas and rate ---- */

/* Adds n unless that passes the limit. */
static bool charge(struct guard_tenant *t, enum sh_quota q, uint64_t n)
{
    uint64_t use = atomic_load_explicit(&t->use[q], memory_order_relaxed);
    do {
        const uint64_t limit = atomic_load_explicit(&t->limit[q], memory_order_relaxed);
        if (use + n < use || (limit != 0 && use + n > limit)) {
            atomic_fetch_add_explicit(&t->refused[q], n, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&t->use[q], &use, use + n));
    return true;
}

/* Never below 0: what was charged before a restart may be given back after it. */
static void discharge(struct guard_tenant *t, enum sh_quota q, uint64_t n)
{
    uint64_t use = atomic_load_explicit(&t->use[q], memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&t->use[q], &use, use > n ? use - n : 0)) {
    }
}

static bool quota_counts(enum sh_quota q)
{
    return (unsigned)q < SH_QUOTAS && q != SH_QUOTA_RATE;
}

sh_err sh_guard_use(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n)
{
    struct guard_tenant *const first = guard_tenant_at(g, tenant);
    if (first == NULL || !quota_counts(q)) {
        return SH_E_INVAL;
    }
    struct guard_tenant *t = first;
    while (t != NULL && charge(t, q, n)) {
        t = above(g, t);
    }
    if (t == NULL) {
        return SH_OK;
    }
    for (struct guard_tenant *undo = first; undo != t; undo = above(g, undo)) {
        discharge(undo, q, n);
    }
    return SH_E_LIMIT;
}

void sh_guard_unuse(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n)
{
    if (!quota_counts(q)) {
        return;
    }
    for (struct guard_tenant *t = guard_tenant_at(g, tenant); t != NULL; t = above(g, t)) {
        discharge(t, q, n);
    }
}

/* Generic cell rate algorithm (ITU-T I.371): `arrival` is when the next sample would be due at the
 * exact rate; it may run at most BURST_S ahead of now. A single batch larger than the burst passes
 * when nothing is owed, so that it does not wait for ever. */
static bool take_rate(struct guard_tenant *t, uint64_t n, int64_t now_ns, int64_t *wait_ns,
                      int64_t *cost_ns)
{
    const uint64_t limit = atomic_load_explicit(&t->limit[SH_QUOTA_RATE], memory_order_relaxed);
    *cost_ns = 0;
    if (limit == 0) {
        return true;
    }
    const double cost = (double)n * (double)NS_PER_S / (double)limit;
    *cost_ns = cost > 1e17 ? INT64_C(100000000000000000) : (int64_t)cost;
    const int64_t burst = INT64_C(1) * BURST_S * NS_PER_S;
    int64_t due = atomic_load_explicit(&t->arrival_ns, memory_order_relaxed);
    int64_t next = 0;
    do {
        const int64_t from = due > now_ns ? due : now_ns;
        next = from + *cost_ns;
        if (from > now_ns && next - now_ns > burst) {
            *wait_ns = *cost_ns > burst ? from - now_ns : next - now_ns - burst;
            atomic_fetch_add_explicit(&t->refused[SH_QUOTA_RATE], n, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&t->arrival_ns, &due, next));
    return true;
}

sh_err sh_guard_rate(struct sh_guard *g, uint32_t tenant, uint64_t n, int64_t *wait_us)
{
    struct guard_tenant *const first = guard_tenant_at(g, tenant);
    *wait_us = 0;
    if (first == NULL) {
        return SH_E_INVAL;
    }
    const int64_t now_ns = sh_mono_us(g->env->clock) * 1000;
    int64_t cost[SH_TENANT_DEPTH_MAX + 2];
    int taken = 0;
    int64_t wait_ns = 0;
    struct guard_tenant *t = first;
    while (t != NULL && taken <= SH_TENANT_DEPTH_MAX &&
           take_rate(t, n, now_ns, &wait_ns, &cost[taken])) {
        taken++;
        t = above(g, t);
    }
    if (t == NULL) {
        return SH_OK;
    }
    struct guard_tenant *undo = first;
    for (int i = 0; i < taken; i++) {
        atomic_fetch_sub(&undo->arrival_ns, cost[i]);
        undo = above(g, undo);
    }
    *wait_us = wait_ns / 1000 + 1;
    return SH_E_LIMIT;
}

sh_err sh_guard_tenant_use(const struct sh_guard *g, uint32_t tenant, struct sh_tenant_use *out)
{
    const struct guard_tenant *t = guard_tenant_at(g, tenant);
    if (t == NULL) {
        return SH_E_NOTFOUND;
    }
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        out->limit[i] = atomic_load(&t->limit[i]);
        out->use[i] = atomic_load(&t->use[i]);
        out->refused[i] = atomic_load(&t->refused[i]);
    }
    return SH_OK;
}

/* ---- stored form and administration ---- */

static const char *const quota_names[SH_QUOTAS] = {
    [SH_QUOTA_DEVICES] = "devices",
    [SH_QUOTA_POINTS] = "points",
    [SH_QUOTA_RATE] = "rate",
    [SH_QUOTA_STORAGE] = "storage_bytes",
    [SH_QUOTA_CONNECTIONS] = "connections",
};

static void write_limits(const uint64_t limit[SH_QUOTAS], struct sh_jw *w)
{
    sh_jw_obj(w);
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        sh_jw_key(w, quota_names[i]);
        sh_jw_u64(w, limit[i]);
    }
    sh_jw_obj_end(w);
}

void guard_tenant_write(const struct guard_tenant *t, struct sh_jw *w)
{
    uint64_t limit[SH_QUOTAS];
    sh_jw_obj(w);
    sh_jw_key(w, "path");
    sh_jw_c(w, t->path);
    sh_jw_key(w, "name");
    sh_jw_c(w, t->name);
    sh_jw_key(w, "disabled");
    sh_jw_bool(w, atomic_load(&t->off));
    sh_jw_key(w, "quotas");
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        limit[i] = atomic_load(&t->limit[i]);
    }
    write_limits(limit, w);
    sh_jw_key(w, "use");
    sh_jw_obj(w);
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        if (i != SH_QUOTA_RATE) {
            sh_jw_key(w, quota_names[i]);
            sh_jw_u64(w, atomic_load(&t->use[i]));
        }
    }
    sh_jw_obj_end(w);
    sh_jw_key(w, "refused");
    sh_jw_obj(w);
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        sh_jw_key(w, quota_names[i]);
        sh_jw_u64(w, atomic_load(&t->refused[i]));
    }
    sh_jw_obj_end(w);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, t->revision);
    sh_jw_obj_end(w);
}

/* What a body or a stored object says of a tenant. */
struct tenant_form {
    uint32_t id;
    uint64_t revision;
    struct sh_str path;
    char name[2 * SH_NAME_MAX + 1];
    bool off;
    uint64_t limit[SH_QUOTAS];
};

static sh_err read_form(const json_t *o, struct tenant_form *f, struct sh_diag *diag)
{
    const struct sh_str name = sh_json_get_str(o, "name");
    if (json_object_get(o, "name") != NULL && !guard_copy(f->name, sizeof f->name, name)) {
        sh_diag_at(diag, SH_STR("/name"), 0);
        sh_diag_set(diag, "The name is longer than %d bytes.", 2 * SH_NAME_MAX);
        return SH_E_INVAL;
    }
    f->off = sh_json_get_bool(o, "disabled", f->off);
    const json_t *quotas = json_object_get(o, "quotas");
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        const json_t *v = json_object_get(quotas, quota_names[i]);
        if (json_is_null(v)) {
            f->limit[i] = 0;
        } else if (json_is_integer(v) && json_integer_value(v) >= 0) {
            f->limit[i] = (uint64_t)json_integer_value(v);
        } else if (v != NULL) {
            sh_diag_at(diag, SH_STR("/quotas"), 0);
            sh_diag_set(diag, "The quota %s must be a whole number from 0 (no limit).",
                        quota_names[i]);
            return SH_E_INVAL;
        }
    }
    return SH_OK;
}

static void apply_form(struct guard_tenant *t, const struct tenant_form *f)
{
    (void)guard_copy(t->name, sizeof t->name, sh_str_c(f->name));
    t->revision = f->revision;
    atomic_store(&t->off, f->off);
    for (size_t i = 0; i < SH_QUOTAS; i++) {
        atomic_store(&t->limit[i], f->limit[i]);
    }
}

/* Room for a tenant: memory and its name; nobody sees it before publish(). */
static sh_err reserve(struct sh_guard *g, uint32_t id, struct sh_str path,
                      struct guard_tenant **out)
{
    const int depth = path_depth(path);
    if (depth < 0 || depth > SH_TENANT_DEPTH_MAX || id != atomic_load(&g->ntenants) + 1 ||
        (path.n == 0) != (id == SH_TENANT_ROOT)) {
        return SH_E_INVAL;
    }
    if (id > guard_set(g)->max_tenants || id / TENANT_CHUNK >= TENANT_CHUNKS) {
        return SH_E_LIMIT;
    }
    if (path.n > 0 && guard_tenant_by_path(g, parent_path(path)) == NULL) {
        return SH_E_NOTFOUND;
    }
    struct guard_tenant *chunk = atomic_load(&g->tenants[id / TENANT_CHUNK]);
    if (chunk == NULL) {
        chunk = sh_mem_array(g->env->alloc, TENANT_CHUNK, sizeof *chunk);
        if (chunk == NULL) {
            return SH_E_NOMEM;
        }
        atomic_store_explicit(&g->tenants[id / TENANT_CHUNK], chunk, memory_order_release);
    }
    struct guard_tenant *t = &chunk[id % TENANT_CHUNK];
    memset(t->path, 0, sizeof t->path);
    t->id = 0;
    SH_TRY(sh_map_put(&g->tenant_by_path, path, t));
    (void)guard_copy(t->path, sizeof t->path, path);
    *out = t;
    return SH_OK;
}

static void publish(struct sh_guard *g, struct guard_tenant *t, const struct tenant_form *f)
{
    const struct sh_str path = sh_str_c(t->path);
    const struct guard_tenant *parent =
        path.n == 0 ? NULL : guard_tenant_by_path(g, parent_path(path));
    if (t->id == 0) {
        t->id = f->id;
        atomic_store(&t->parent, parent == NULL ? SH_TENANT_NONE : parent->id);
    }
    apply_form(t, f);
    if (f->id > atomic_load(&g->ntenants)) {
        atomic_store_explicit(&g->ntenants, f->id, memory_order_release);
        g->stats.tenants = f->id;
    }
}

static sh_err store_form(const struct tenant_form *f, struct sh_buf *out)
{
    struct sh_jw w;
    sh_jw_init(&w, out);
    sh_jw_obj(&w);
    sh_jw_key(&w, "id");
    sh_jw_u64(&w, f->id);
    sh_jw_key(&w, "path");
    sh_jw_str(&w, f->path);
    sh_jw_key(&w, "name");
    sh_jw_c(&w, f->name);
    sh_jw_key(&w, "disabled");
    sh_jw_bool(&w, f->off);
    sh_jw_key(&w, "quotas");
    write_limits(f->limit, &w);
    sh_jw_key(&w, "revision");
    sh_jw_u64(&w, f->revision);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

sh_err guard_tenant_load(struct sh_guard *g, const json_t *o)
{
    struct tenant_form f = {
        .id = (uint32_t)sh_json_get_i64(o, "id", 0),
        .revision = (uint64_t)sh_json_get_i64(o, "revision", 0),
        .path = sh_json_get_str(o, "path"),
    };
    struct guard_tenant *t = NULL;
    SH_TRY(read_form(o, &f, NULL));
    SH_TRY(reserve(g, f.id, f.path, &t));
    publish(g, t, &f);
    g->revision = f.revision > g->revision ? f.revision : g->revision;
    return SH_OK;
}

/* Commits the form under its id; keys sort by id, so parents load before children. Under change. */
static sh_err commit_form(struct sh_guard *g, const struct tenant_form *f, const struct sh_audit *a)
{
    struct guard_batch b;
    struct sh_buf text;
    char key[16];
    guard_batch_init(g, &b);
    sh_buf_init(&text, g->env->alloc, GUARD_VALUE_MAX);
    (void)guard_print(key, sizeof key, "%010u", f->id);
    sh_err err = store_form(f, &text);
    if (err == SH_OK) {
        err = guard_batch_put(&b, GUARD_TENANT, sh_str_c(key), sh_buf_str(&text));
    }
    if (err == SH_OK) {
        err = guard_commit(g, &b, a);
    }
    sh_buf_fini(&text);
    guard_batch_fini(&b);
    return err;
}

sh_err guard_tenant_put_root(struct sh_guard *g)
{
    struct tenant_form f = {.id = SH_TENANT_ROOT, .path = SH_STR("")};
    struct guard_tenant *t = NULL;
    f.revision = guard_next_revision(g);
    SH_TRY(reserve(g, f.id, f.path, &t));
    const sh_err err = commit_form(g, &f, NULL);
    if (err != SH_OK) {
        (void)sh_map_del(&g->tenant_by_path, f.path);
        return err;
    }
    publish(g, t, &f);
    return SH_OK;
}

static sh_err refuse_path(struct sh_diag *diag, sh_err err, const char *words)
{
    sh_diag_at(diag, SH_STR("/path"), 0);
    sh_diag_set(diag, "%s", words);
    return err;
}

/* Under change and lock: checks, and fills the form from what is there and the body. */
static sh_err plan_put(struct sh_guard *g, const struct guard_put_args *a, struct tenant_form *f)
{
    const int depth = path_depth(a->name);
    if (depth < 0 || depth > SH_TENANT_DEPTH_MAX) {
        return refuse_path(a->diag, SH_E_INVAL, "The path is not a tenant path (a/b/c).");
    }
    const struct guard_tenant *parent = guard_tenant_by_path(g, parent_path(a->name));
    if (parent == NULL) {
        return refuse_path(a->diag, SH_E_NOTFOUND, "The tenant above it does not exist.");
    }
    /* Quotas are set from above: a tenant can not raise its own. */
    if (sh_guard_check(g, a->at->by, SH_PERM_TENANTS_WRITE, parent->id) != SH_OK) {
        return refuse_path(a->diag, SH_E_DENIED,
                           "A tenant is changed by who may write tenants in the one above it.");
    }
    const struct guard_tenant *t = guard_tenant_by_path(g, a->name);
    if (t != NULL && a->mode == SH_PUT_CREATE) {
        return refuse_path(a->diag, SH_E_EXISTS, "There is such a tenant already.");
    }
    if (t == NULL && a->mode == SH_PUT_REPLACE) {
        return SH_E_NOTFOUND;
    }
    f->id = t == NULL ? atomic_load(&g->ntenants) + 1 : t->id;
    f->path = a->name;
    if (t == NULL && f->id > guard_set(g)->max_tenants) {
        return SH_E_LIMIT;
    }
    if (t != NULL) {
        if (a->revision != 0 && a->revision != t->revision) {
            return SH_E_CONFLICT;
        }
        (void)guard_copy(f->name, sizeof f->name, sh_str_c(t->name));
        f->off = atomic_load(&t->off);
        for (size_t i = 0; i < SH_QUOTAS; i++) {
            f->limit[i] = atomic_load(&t->limit[i]);
        }
    }
    SH_TRY(read_form(a->body, f, a->diag));
    if (f->id == SH_TENANT_ROOT && f->off) {
        return refuse_path(a->diag, SH_E_STATE, "The root tenant can not be disabled.");
    }
    f->revision = guard_next_revision(g);
    return SH_OK;
}

sh_err guard_tenant_put(struct sh_guard *g, const struct guard_put_args *a)
{
    struct tenant_form f = {0};
    struct guard_tenant *t = NULL;
    sh_mutex_lock(&g->change);
    sh_mutex_lock(&g->lock);
    sh_err err = plan_put(g, a, &f);
    const bool fresh = err == SH_OK && f.id > atomic_load(&g->ntenants);
    if (err == SH_OK) {
        t = guard_tenant_at(g, f.id);
        err = fresh ? reserve(g, f.id, f.path, &t) : SH_OK;
    }
    sh_mutex_unlock(&g->lock);
    if (err == SH_OK) {
        char object[SH_TENANT_PATH_MAX + 16];
        (void)guard_print(object, sizeof object, "tenant:%.*s", SH_PRI(a->name));
        const struct sh_audit audit = {
            .by = a->at->by,
            .tenant = fresh ? SH_TENANT_ROOT : f.id,
            .act = fresh ? SH_STR("tenant.created") : SH_STR("tenant.changed"),
            .object = sh_str_c(object),
            .result = SH_STR("ok"),
            .peer = a->at->peer,
        };
        err = commit_form(g, &f, &audit);
        sh_mutex_lock(&g->lock);
        if (err == SH_OK) {
            publish(g, t, &f);
            guard_tenant_write(t, a->w);
        } else if (fresh) {
            (void)sh_map_del(&g->tenant_by_path, f.path);
        }
        sh_mutex_unlock(&g->lock);
    }
    sh_mutex_unlock(&g->change);
    return err;
}
