/* sqlite_index.c - indexed fields: a table of (index, tenant, value, id) beside the records.
 *
 * `ixd` names the indexes (tenant of the definition, type, path), `ixv` holds a row for each record
 * of the type; a missing value is an empty blob, the greatest of all, as in the order of a list.
 * Invariants:
 * 1. From the transaction that defines an index on, every change of a record of its type changes
 *    its row of the index in the same transaction.
 * 2. Records from before are added in portions by record_sql_tend, by rising kid; `built` is the
 *    kid reached, ALL when nothing is left. Readers use an index only when it is ALL, and look that
 *    up in the transaction that reads.
 * 3. Numbers of indexes are never used again. A dropped one is GOING until its rows are gone, in
 *    portions too.
 * An index of the platform's type serves the type of that name of every tenant.
 * Writer thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

enum { BUILD_KIDS = 2000, DROP_ROWS = 5000, MAX_INDEXES = 4096 };
enum { ALL = -1, GOING = -2 }; /* values of built; the statements have them as numbers */

struct record_index {
    int64_t ix;
    int64_t tenant;
    int64_t built;
    struct sh_str type;
    struct sh_str path;
};

static void forget(struct record_sql *s)
{
    for (size_t i = 0; i < s->nindexes; i++) {
        sh_str_free(s->env->alloc, &s->indexes[i].type);
        sh_str_free(s->env->alloc, &s->indexes[i].path);
    }
    sh_mem_free(s->env->alloc, s->indexes);
    s->indexes = NULL;
    s->nindexes = 0;
}

static struct sh_str copy_text(const struct sh_alloc *a, sqlite3_stmt *st, int col)
{
    const char *p = (const char *)sqlite3_column_text(st, col);
    const struct sh_str view = {p == NULL ? "" : p, (size_t)sqlite3_column_bytes(st, col)};
    return sh_str_dup(a, view);
}

static sh_err add_index(struct record_sql *s, sqlite3_stmt *st)
{
    const struct sh_alloc *a = s->env->alloc;
    if (s->nindexes == MAX_INDEXES) {
        return SH_E_LIMIT;
    }
    struct record_index *v = sh_mem_resize(a, s->indexes, (s->nindexes + 1) * sizeof *s->indexes);
    if (v == NULL) {
        return SH_E_NOMEM;
    }
    s->indexes = v;
    v += s->nindexes++;
    *v = (struct record_index){.ix = sqlite3_column_int64(st, 0),
                               .tenant = sqlite3_column_int64(st, 1),
                               .built = sqlite3_column_int64(st, 4)};
    v->type = copy_text(a, st, 2);
    v->path = copy_text(a, st, 3);
    return v->type.p == NULL || v->path.p == NULL ? SH_E_NOMEM : SH_OK;
}

sh_err record_index_load(struct record_sql *s)
{
    sqlite3_stmt *st = NULL;
    sh_err err = SH_OK;
    forget(s);
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_LIST, &st));
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && err == SH_OK) {
        err = add_index(s, st);
        rc = err == SH_OK ? sqlite3_step(st) : rc;
    }
    (void)sqlite3_reset(st);
    return err == SH_OK ? record_sql_err(rc) : err;
}

void record_index_fini(struct record_sql *s)
{
    forget(s);
}

/* ---- records ---- */

static sh_err one(struct record_sql *s, enum record_stmt which, const struct record_index *x,
                  const struct sh_record_op *op, int64_t kid)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, which, &st));
    (void)sqlite3_bind_int64(st, 1, x->ix);
    (void)sqlite3_bind_int64(st, 2, op->tenant);
    (void)record_sql_bind_str(st, 3, op->id);
    (void)record_sql_bind_str(st, 4, x->path);
    (void)sqlite3_bind_int64(st, 5, kid);
    if (which == ST_IX_DELETE && op->kind == SH_RECORD_OP_PUT) {
        (void)record_sql_bind_str(st, 6, op->doc); /* what stays the same stays */
    }
    return record_sql_run(st);
}

static sh_err each(struct record_sql *s, enum record_stmt which, const struct sh_record_op *op,
                   int64_t kid)
{
    for (size_t i = 0; i < s->nindexes; i++) {
        const struct record_index *x = &s->indexes[i];
        if (x->built != GOING && (x->tenant == op->tenant || x->tenant == SH_RECORD_PLATFORM) &&
            sh_str_eq(x->type, op->type)) {
            SH_TRY(one(s, which, x, op, kid));
        }
    }
    return SH_OK;
}

sh_err record_index_out(struct record_sql *s, const struct sh_record_op *op, int64_t kid)
{
    return each(s, ST_IX_DELETE, op, kid);
}

sh_err record_index_in(struct record_sql *s, const struct sh_record_op *op, int64_t kid)
{
    return each(s, ST_IX_PUT, op, kid);
}

/* ---- definitions ---- */

static bool named(struct sh_str list, struct sh_str path)
{
    while (list.n > 0) {
        struct sh_str rest = {NULL, 0};
        if (sh_str_eq(sh_str_cut(list, '\n', &rest), path)) {
            return true;
        }
        list = rest;
    }
    return false;
}

static sh_err set_built(struct record_sql *s, int64_t ix, int64_t built)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_BUILT, &st));
    (void)sqlite3_bind_int64(st, 1, ix);
    (void)sqlite3_bind_int64(st, 2, built);
    return record_sql_run(st);
}

/* Those of op's type that its list does not name go. */
static sh_err drop_others(struct record_sql *s, const struct sh_record_op *op)
{
    for (size_t i = 0; i < s->nindexes; i++) {
        const struct record_index *x = &s->indexes[i];
        if (x->built != GOING && x->tenant == op->tenant && sh_str_eq(x->type, op->type) &&
            !named(op->doc, x->path)) {
            SH_TRY(set_built(s, x->ix, GOING));
        }
    }
    return SH_OK;
}

static bool exists(const struct record_sql *s, const struct sh_record_op *op, struct sh_str path)
{
    for (size_t i = 0; i < s->nindexes; i++) {
        const struct record_index *x = &s->indexes[i];
        if (x->built != GOING && x->tenant == op->tenant && sh_str_eq(x->type, op->type) &&
            sh_str_eq(x->path, path)) {
            return true;
        }
    }
    return false;
}

static sh_err define(struct record_sql *s, const struct sh_record_op *op, struct sh_str path)
{
    sqlite3_stmt *st = NULL;
    if (path.n == 0 || exists(s, op, path)) {
        return SH_OK;
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_DEFINE, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->type);
    (void)record_sql_bind_str(st, 3, path);
    SH_TRY(record_sql_run(st));
    return record_index_load(s); /* named twice it is there; later changes follow it */
}

sh_err record_index_set(struct record_sql *s, const struct sh_record_op *op)
{
    s->indexes_dirty = true; /* until the transaction is kept or undone */
    SH_TRY(drop_others(s, op));
    SH_TRY(record_index_load(s));
    struct sh_str list = op->doc;
    while (list.n > 0) {
        struct sh_str rest = {NULL, 0};
        SH_TRY(define(s, op, sh_str_cut(list, '\n', &rest)));
        list = rest;
    }
    return SH_OK;
}

/* ---- in the background ---- */

static sh_err build(struct record_sql *s, struct record_index *x)
{
    sqlite3_stmt *st = NULL;
    int64_t last = 0;
    SH_TRY(record_sql_stmt(&s->writer, ST_KID_LAST, &st));
    const int rc = sqlite3_step(st);
    last = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_reset(st);
    SH_TRY(record_sql_err(rc));
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_BUILD, &st));
    (void)sqlite3_bind_int64(st, 1, x->ix);
    (void)record_sql_bind_str(st, 2, x->type);
    (void)sqlite3_bind_int64(st, 3, x->tenant);
    (void)record_sql_bind_str(st, 4, x->path);
    (void)sqlite3_bind_int64(st, 5, x->built);
    (void)sqlite3_bind_int64(st, 6, x->built + BUILD_KIDS);
    SH_TRY(record_sql_run(st));
    const int64_t built = x->built + BUILD_KIDS >= last ? ALL : x->built + BUILD_KIDS;
    SH_TRY(set_built(s, x->ix, built));
    x->built = built;
    return SH_OK;
}

static sh_err drop(struct record_sql *s, const struct record_index *x)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_DROP_ROWS, &st));
    (void)sqlite3_bind_int64(st, 1, x->ix);
    (void)sqlite3_bind_int64(st, 2, DROP_ROWS);
    SH_TRY(record_sql_run(st));
    if (sqlite3_changes(s->writer.db) >= DROP_ROWS) {
        return SH_OK;
    }
    s->indexes_dirty = true;
    SH_TRY(record_sql_stmt(&s->writer, ST_IX_FORGET, &st));
    (void)sqlite3_bind_int64(st, 1, x->ix);
    return record_sql_run(st);
}

sh_err record_sql_tend(void *self, bool *more)
{
    struct record_sql *s = self;
    struct record_index *x = NULL;
    *more = false;
    for (size_t i = 0; i < s->nindexes && x == NULL; i++) {
        x = s->indexes[i].built == ALL ? NULL : &s->indexes[i];
    }
    if (x == NULL) {
        return SH_OK;
    }
    uint64_t last = 0;
    SH_TRY(record_sql_begin(s));
    sh_err err = x->built == GOING ? drop(s, x) : build(s, x);
    err = err == SH_OK ? record_sql_commit(s, &last) : err;
    if (err != SH_OK) {
        record_sql_rollback(s);
    }
    if (err != SH_OK || s->indexes_dirty) {
        s->indexes_dirty = false;
        const sh_err read = record_index_load(s);
        err = err == SH_OK ? read : err;
    }
    *more = err == SH_OK;
    return err;
}
