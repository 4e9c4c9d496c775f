/* record.c - the front of the store: life cycle, reads, names.
 *
 * Invariants:
 * 1. A transaction is in the queue, with the writer, or with its waiter; never in two places.
 * 2. A waiter is told SH_OK only after the commit that holds its changes returned.
 * 3. Every change of types is alone in its group, and `types_version` is raised before its waiter
 *    is told; so within a group types do not change, and a document checked with an older version
 *    is checked again by the writer.
 * 4. Locks are never nested, except that blob_lock may be held around a commit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

static uint32_t or32(uint32_t v, uint32_t dflt)
{
    return v == 0 ? dflt : v;
}

static uint64_t or64(uint64_t v, uint64_t dflt)
{
    return v == 0 ? dflt : v;
}

static void defaults(struct sh_record_config *c)
{
    c->readers = or32(c->readers, 4);
    c->max_queue = or32(c->max_queue, 4096);
    c->max_group = or32(c->max_group, 512);
    c->max_doc_bytes = or32(c->max_doc_bytes, 1U << 20);
    c->max_tx_bytes = or32(c->max_tx_bytes, 64U << 20);
    c->max_depth = or32(c->max_depth, 32);
    c->max_page = or32(c->max_page, 1000);
    c->max_types = or32(c->max_types, 1000);
    c->max_blob_bytes = or64(c->max_blob_bytes, 1ULL << 30);
    c->max_blobs_bytes = or64(c->max_blobs_bytes, 64ULL << 30);
    c->keep_changes = or64(c->keep_changes, 1000000);
    c->idempotency_us = (int64_t)or64((uint64_t)c->idempotency_us, 86400000000ULL);
    c->idem_per_owner = or32(c->idem_per_owner, 10000);
    c->idem_all = or32(c->idem_all, 100000);
    c->cache_kib = or32(c->cache_kib, 8192);
}

bool record_name_ok(struct sh_str s, size_t max)
{
    if (s.n == 0 || s.n > max) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        const bool other = (c >= '0' && c <= '9') || c == '.' || c == '-';
        if (!letter && (i == 0 || !other)) {
            return false;
        }
    }
    return true;
}

bool record_id_ok(struct sh_str s, size_t max)
{
    if (s.n == 0 || s.n > max || !sh_utf8_valid(s)) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool record_internal(struct sh_str type)
{
    return type.n > 0 && type.p[0] == '_';
}

static void locks_init(struct sh_record *r)
{
    sh_mutex_init(&r->lock);
    sh_cond_init(&r->work);
    sh_cond_init(&r->feed);
    sh_mutex_init(&r->watch_lock);
    sh_mutex_init(&r->blob_lock);
}

static void destroy(struct sh_record *r)
{
    const struct sh_alloc *a = r->env->alloc;
    record_types_fini(r);
    sh_map_fini(&r->types);
    sh_map_fini(&r->idem);
    sh_mutex_fini(&r->blob_lock);
    sh_mutex_fini(&r->watch_lock);
    sh_cond_fini(&r->feed);
    sh_cond_fini(&r->work);
    sh_mutex_fini(&r->lock);
    sh_mem_free(a, r->store);
    sh_str_free(a, &r->path);
    sh_str_free(a, &r->blob_dir);
    sh_mem_free(a, r);
}

static struct sh_record *create(const struct sh_env *env, const struct sh_record_ops *ops,
                                const struct sh_record_config *cfg)
{
    const struct sh_alloc *a = env->alloc;
    struct sh_record *r = sh_mem_new(a, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    uint64_t seed = 1;
    if (env->random->fill(env->random->ctx, &seed, sizeof seed) != SH_OK) {
        seed = (uint64_t)sh_mono_us(env->clock);
    }
    r->env = env;
    r->cfg = *cfg;
    r->ops = ops;
    defaults(&r->cfg);
    locks_init(r);
    sh_map_init(&r->types, a, RECORD_MAX_TYPES_CACHED, seed);
    sh_map_init(&r->idem, a, RECORD_MAX_IDEM_BUSY, seed);
    r->path = sh_str_dup(a, sh_str_c(cfg->path));
    r->store = sh_mem_new(a, ops->inst_size);
    bool ok = r->path.p != NULL && r->store != NULL;
    r->cfg.path = r->path.p;
    if (cfg->blob_dir != NULL) {
        r->blob_dir = sh_str_dup(a, sh_str_c(cfg->blob_dir));
        r->cfg.blob_dir = r->blob_dir.p;
        ok = ok && r->blob_dir.p != NULL;
    }
    if (!ok) {
        destroy(r);
        return NULL;
    }
    return r;
}

sh_err sh_record_open(const struct sh_env *env, const struct sh_record_ops *ops,
                      const struct sh_record_config *cfg, struct sh_record **out,
                      struct sh_diag *diag)
{
    if (ops == NULL) {
        ops = &sh_record_sqlite;
    }
    if (cfg->path == NULL || ops->abi != SH_RECORD_OPS_ABI) {
        return SH_E_INVAL;
    }
    struct sh_record *r = create(env, ops, cfg);
    if (r == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = ops->open(r->store, env, &r->cfg, &r->stats.salvaged, diag);
    if (err != SH_OK) {
        destroy(r);
        return err;
    }
    r->change_last = ops->change_last(r->store);
    r->types_version = 1;
    r->stats.indexing = r->ops->tend != NULL; /* until the writer has looked */
    err = record_blobs_open(r, diag);
    if (err == SH_OK) {
        err = sh_thread_start(&r->writer, "record", record_writer, r);
    }
    if (err != SH_OK) {
        ops->close(r->store);
        destroy(r);
        return err;
    }
    *out = r;
    return SH_OK;
}

void sh_record_close(struct sh_record *r)
{
    if (r == NULL) {
        return;
    }
    sh_mutex_lock(&r->lock);
    r->stop = true;
    sh_cond_broadcast(&r->work);
    sh_cond_broadcast(&r->feed);
    sh_mutex_unlock(&r->lock);
    sh_thread_join(&r->writer);
    r->ops->close(r->store);
    destroy(r);
}

sh_err sh_record_id_new(const struct sh_env *env, char out[SH_RECORD_ID_CHARS])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's base 32 */
    uint8_t raw[16];
    const uint64_t ms = (uint64_t)(sh_wall_us(env->clock) / 1000);
    SH_TRY(env->random->fill(env->random->ctx, raw + 6, sizeof raw - 6));
    for (int i = 0; i < 6; i++) {
        raw[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    /* 128 bits as 26 digits of 5 bits: two zero bits in front. */
    unsigned acc = 0;
    unsigned bits = 2;
    size_t n = 0;
    for (size_t i = 0; i < sizeof raw; i++) {
        acc = (acc << 8 | raw[i]) & 0x1fff;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            out[n++] = digits[acc >> bits & 31];
        }
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ reads */

static sh_err key_of(uint32_t tenant, struct sh_str type, struct sh_str id,
                     struct sh_record_key *out)
{
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE) || !record_id_ok(id, SH_RECORD_MAX_ID)) {
        return SH_E_INVAL;
    }
    *out = (struct sh_record_key){.tenant = tenant, .type = type, .id = id};
    return SH_OK;
}

static uint32_t page_limit(const struct sh_record *r, uint32_t limit)
{
    return limit == 0 || limit > r->cfg.max_page ? r->cfg.max_page : limit;
}

sh_err sh_record_get(struct sh_record *r, uint32_t tenant, struct sh_str type, struct sh_str id,
                     struct sh_arena *ar, struct sh_record_row *out)
{
    struct sh_record_key k;
    SH_TRY(key_of(tenant, type, id, &k));
    return r->ops->get(r->store, &k, ar, out);
}

sh_err sh_record_scan(struct sh_record *r, uint32_t tenant, struct sh_str type, sh_record_visit *fn,
                      void *ctx)
{
    if (!record_name_ok(type, SH_RECORD_MAX_TYPE)) {
        return SH_E_INVAL;
    }
    return r->ops->scan(r->store, tenant, type, fn, ctx);
}

sh_err sh_record_revisions(struct sh_record *r, uint32_t tenant, struct sh_str type,
                           struct sh_str id, uint64_t before, uint32_t limit, struct sh_arena *ar,
                           struct sh_record_page *out)
{
    struct sh_record_key k;
    SH_TRY(key_of(tenant, type, id, &k));
    return r->ops->revisions(r->store, &k, before, page_limit(r, limit), ar, out);
}

sh_err sh_record_links(struct sh_record *r, const struct sh_record_links_query *q,
                       struct sh_arena *ar, struct sh_record_link **out, size_t *n)
{
    struct sh_record_key k;
    struct sh_record_links_query mine = *q;
    SH_TRY(key_of(q->tenant, q->type, q->id, &k));
    if (q->relation.n > 0 && !record_name_ok(q->relation, SH_RECORD_MAX_RELATION)) {
        return SH_E_INVAL;
    }
    mine.limit = page_limit(r, q->limit);
    return r->ops->links(r->store, &mine, ar, out, n);
}

sh_err sh_record_changes(struct sh_record *r, uint64_t after, uint32_t tenant, struct sh_str type,
                         uint32_t limit, struct sh_arena *ar, struct sh_record_change **out,
                         size_t *n, uint64_t *next)
{
    const struct sh_record_changes_query q = {
        .after = after, .tenant = tenant, .type = type, .limit = page_limit(r, limit)};
    if (type.n > 0 && !record_name_ok(type, SH_RECORD_MAX_TYPE)) {
        return SH_E_INVAL;
    }
    return r->ops->changes(r->store, &q, ar, out, n, next);
}

uint64_t sh_record_change_last(struct sh_record *r)
{
    sh_mutex_lock(&r->lock);
    const uint64_t last = r->change_last;
    sh_mutex_unlock(&r->lock);
    return last;
}

sh_err sh_record_changes_wait(struct sh_record *r, uint64_t after, int64_t timeout_us)
{
    sh_err err = SH_OK;
    const int64_t end = sh_mono_us(r->env->clock) + timeout_us;
    sh_mutex_lock(&r->lock);
    while (r->change_last <= after && err == SH_OK) {
        const int64_t left = end - sh_mono_us(r->env->clock);
        if (r->stop) {
            err = SH_E_CLOSED;
        } else if (left <= 0 || !sh_cond_wait_for(&r->feed, &r->lock, left)) {
            err = r->change_last > after ? SH_OK : SH_E_TIMEOUT;
        }
    }
    sh_mutex_unlock(&r->lock);
    return err;
}

sh_err sh_record_watch(struct sh_record *r, sh_record_notify *fn, void *ctx)
{
    sh_err err = SH_E_LIMIT;
    sh_mutex_lock(&r->watch_lock);
    if (r->nwatchers < RECORD_MAX_WATCHERS) {
        r->watchers[r->nwatchers++] = (struct record_watcher){fn, ctx};
        err = SH_OK;
    }
    sh_mutex_unlock(&r->watch_lock);
    return err;
}

/* cppcheck-suppress constParameter ; the pair that was registered */
void sh_record_unwatch(struct sh_record *r, sh_record_notify *fn, void *ctx)
{
    sh_mutex_lock(&r->watch_lock);
    for (size_t i = 0; i < r->nwatchers; i++) {
        if (r->watchers[i].fn == fn && r->watchers[i].ctx == ctx) {
            r->watchers[i] = r->watchers[--r->nwatchers];
            break;
        }
    }
    sh_mutex_unlock(&r->watch_lock);
}

sh_err sh_record_backup(struct sh_record *r, const char *to_path,
                        bool (*keep_going)(void *ctx, uint32_t left, uint32_t total), void *ctx,
                        struct sh_diag *diag)
{
    return r->ops->backup(r->store, to_path, keep_going, ctx, diag);
}

void sh_record_stats(struct sh_record *r, struct sh_record_stats *out)
{
    sh_mutex_lock(&r->lock);
    *out = r->stats;
    out->change_last = r->change_last;
    sh_mutex_unlock(&r->lock);
}
