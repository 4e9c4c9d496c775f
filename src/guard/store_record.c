/* The persistence seam over the record module: internal kinds "_guard.<kind>" of the platform
 * tenant, without revisions, full text and feed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/record.h>

#include "guard_int.h"

static const char *const kind_names[GUARD_KINDS] = {
    [GUARD_META] = "_guard.meta",         [GUARD_TENANT] = "_guard.tenant",
    [GUARD_ROLE] = "_guard.role",         [GUARD_PERSON] = "_guard.person",
    [GUARD_TOKEN] = "_guard.token",       [GUARD_SESSION] = "_guard.session",
    [GUARD_DEVICE] = "_guard.device",     [GUARD_CERT] = "_guard.certificate",
    [GUARD_REVOKED] = "_guard.revoked",   [GUARD_PROVISION] = "_guard.provision",
    [GUARD_PROVIDER] = "_guard.provider", [GUARD_AUDIT] = "_guard.audit",
};

struct record_store {
    struct guard_store base; /* first: a guard_store * is one of these */
    const struct sh_env *env;
    struct sh_record *r;
};

static sh_err add_change(struct sh_record_tx *tx, const struct guard_change *c)
{
    const struct sh_str type = sh_str_c(kind_names[c->kind]);
    if (c->value.p == NULL) {
        return sh_record_tx_delete(tx, SH_RECORD_PLATFORM, type, c->key, SH_RECORD_ANY);
    }
    const struct sh_record_put put = {
        .tenant = SH_RECORD_PLATFORM,
        .type = type,
        .id = c->key,
        .doc = c->value,
        /* an audit entry is written once */
        .expect = c->kind == GUARD_AUDIT ? 0 : SH_RECORD_ANY,
    };
    return sh_record_tx_put(tx, &put);
}

/* Deleting what is not there is fine here, and an error there. */
static sh_err add_unless_gone(struct record_store *s, struct sh_record_tx *tx,
                              const struct guard_change *c, struct sh_arena *ar)
{
    struct sh_record_row row;
    sh_err err = SH_OK;
    if (c->value.p == NULL) {
        sh_arena_reset(ar);
        err = sh_record_get(s->r, SH_RECORD_PLATFORM, sh_str_c(kind_names[c->kind]), c->key, ar,
                            &row);
    }
    if (err == SH_E_NOTFOUND) {
        return SH_OK;
    }
    return err == SH_OK ? add_change(tx, c) : err;
}

static sh_err store_commit(void *self, const struct guard_change *changes, size_t n)
{
    struct record_store *s = self;
    struct sh_record_tx *tx = NULL;
    struct sh_arena *ar = sh_arena_new(s->env->alloc, 2 * (size_t)GUARD_PROVIDER_TEXT_MAX);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = sh_record_tx_new(s->r, SH_STR("guard"), &tx);
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        err = add_unless_gone(s, tx, &changes[i], ar);
    }
    if (err == SH_OK && sh_record_tx_ops(tx) > 0) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    sh_record_tx_free(tx);
    sh_arena_free(ar);
    return err;
}

struct visit {
    guard_each_fn *fn;
    void *ctx;
};

static sh_err visit_row(void *ctx, const struct sh_record_row *row)
{
    const struct visit *v = ctx;
    return v->fn(v->ctx, row->id, row->doc);
}

static sh_err page_rows(const struct sh_record_page *page, guard_each_fn *fn, void *ctx)
{
    for (size_t i = 0; i < page->n; i++) {
        SH_TRY(fn(ctx, page->rows[i].id, page->rows[i].doc));
    }
    return SH_OK;
}

/* Pages of the kind by id, behind or before a key. */
static sh_err walk(struct record_store *s, enum guard_kind kind, struct sh_str after, bool down,
                   const struct visit *v)
{
    enum { PAGE = 200, ARENA = 16 << 20 };
    char filter[GUARD_KEY_MAX + 32] = "";
    struct sh_arena *ar = sh_arena_new(s->env->alloc, ARENA);
    char cursor[1024] = "";
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_OK;
    if (after.n > 0 &&
        !guard_print(filter, sizeof filter, "$id %s \"%.*s\"", down ? "<" : ">", SH_PRI(after))) {
        err = SH_E_INVAL;
    }
    bool more = true;
    while (err == SH_OK && more) {
        struct sh_record_page page = {0};
        const struct sh_record_query q = {
            .tenant = SH_RECORD_PLATFORM,
            .type = sh_str_c(kind_names[kind]),
            .filter = sh_str_c(filter),
            .sort = down ? SH_STR("-$id") : SH_STR("$id"),
            .cursor = sh_str_c(cursor),
            .limit = PAGE,
        };
        sh_arena_reset(ar);
        err = sh_record_list(s->r, &q, ar, &page, NULL);
        if (err == SH_OK) {
            err = page_rows(&page, v->fn, v->ctx);
        }
        more = err == SH_OK && page.next.n > 0;
        if (more && !guard_copy(cursor, sizeof cursor, page.next)) {
            err = SH_E_LIMIT;
        }
    }
    sh_arena_free(ar);
    return err;
}

static sh_err store_each(void *self, enum guard_kind kind, struct sh_str after, bool down,
                         guard_each_fn *fn, void *ctx)
{
    struct record_store *s = self;
    struct visit v = {fn, ctx};
    if (after.n == 0 && !down) { /* one snapshot, in key order */
        return sh_record_scan(s->r, SH_RECORD_PLATFORM, sh_str_c(kind_names[kind]), visit_row, &v);
    }
    return walk(s, kind, after, down, &v);
}

static void store_free(void *self)
{
    struct record_store *s = self;
    sh_mem_free(s->env->alloc, s);
}

static const struct guard_store_ops record_ops = {store_commit, store_each, store_free};

sh_err sh_guard_store_record(const struct sh_env *env, struct sh_record *r,
                             struct guard_store **out)
{
    struct record_store *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->base.ops = &record_ops;
    s->env = env;
    s->r = r;
    *out = &s->base;
    return SH_OK;
}
