/* sqlite_read.c - reads by fixed statements on lent connections. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

sh_err record_sql_row(sqlite3_stmt *st, struct sh_arena *ar, struct sh_record_row *out)
{
    *out = (struct sh_record_row){
        .tenant = (uint32_t)sqlite3_column_int64(st, 0),
        .type = record_sql_text(st, 1, ar),
        .id = record_sql_text(st, 2, ar),
        .rev = (uint64_t)sqlite3_column_int64(st, 3),
        .created_us = sqlite3_column_int64(st, 4),
        .updated_us = sqlite3_column_int64(st, 5),
        .author = record_sql_text(st, 6, ar),
        .doc = record_sql_text(st, 7, ar),
    };
    if (out->type.p == NULL || out->id.p == NULL || out->author.p == NULL || out->doc.p == NULL) {
        return sh_arena_why(ar);
    }
    return SH_OK;
}

/* Lends a connection and gives its fixed statement. */
static sh_err start(struct record_sql *s, enum record_stmt which, struct record_conn **c,
                    sqlite3_stmt **st)
{
    *c = record_sql_lend(s);
    const sh_err err = record_sql_stmt(*c, which, st);
    if (err != SH_OK) {
        record_sql_return(s, *c);
    }
    return err;
}

static void finish(struct record_sql *s, struct record_conn *c, sqlite3_stmt *st)
{
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    record_sql_return(s, c);
}

static void bind_key(sqlite3_stmt *st, const struct sh_record_key *k)
{
    (void)sqlite3_bind_int64(st, 1, k->tenant);
    (void)record_sql_bind_str(st, 2, k->type);
    (void)record_sql_bind_str(st, 3, k->id);
}

sh_err record_sql_get(void *self, const struct sh_record_key *k, struct sh_arena *ar,
                      struct sh_record_row *out)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    struct sh_record_row row;
    SH_TRY(start(s, ST_GET, &c, &st));
    bind_key(st, k);
    const int rc = sqlite3_step(st);
    sh_err err = record_sql_err(rc);
    if (rc == SQLITE_DONE) {
        err = SH_E_NOTFOUND;
    } else if (rc == SQLITE_ROW) {
        err = record_sql_row(st, ar, &row);
        if (err == SH_OK) {
            *out = row;
        }
    }
    finish(s, c, st);
    return err;
}

static struct sh_str borrow(sqlite3_stmt *st, int col)
{
    const char *p = (const char *)sqlite3_column_text(st, col);
    return (struct sh_str){p == NULL ? "" : p, (size_t)sqlite3_column_bytes(st, col)};
}

/* A scan over all tenants loads a whole kind, in the order of the key, which is not the order of
 * the pages: with a small cache each page is read many times. */
static void scan_cache(struct record_conn *c, uint32_t kib)
{
    char sql[64];
    (void)sqlite3_snprintf(sizeof sql, sql, "PRAGMA cache_size=-%u", kib);
    (void)record_sql_exec(c->db, sql); /* slower without */
    (void)sqlite3_db_release_memory(c->db);
}

sh_err record_sql_scan(void *self, uint32_t tenant, struct sh_str type, sh_record_visit *fn,
                       void *ctx)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    const bool all = tenant == SH_RECORD_ALL_TENANTS;
    SH_TRY(start(s, all ? ST_SCAN_ALL : ST_SCAN, &c, &st));
    if (all) {
        scan_cache(c, RECORD_SQL_SCAN_KIB);
        (void)record_sql_bind_str(st, 1, type);
    } else {
        (void)sqlite3_bind_int64(st, 1, tenant);
        (void)record_sql_bind_str(st, 2, type);
    }
    sh_err err = SH_OK;
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && err == SH_OK) {
        const struct sh_record_row row = {
            .tenant = (uint32_t)sqlite3_column_int64(st, 0),
            .type = borrow(st, 1),
            .id = borrow(st, 2),
            .rev = (uint64_t)sqlite3_column_int64(st, 3),
            .created_us = sqlite3_column_int64(st, 4),
            .updated_us = sqlite3_column_int64(st, 5),
            .author = borrow(st, 6),
            .doc = borrow(st, 7),
        };
        err = fn(ctx, &row);
        if (err == SH_OK) {
            rc = sqlite3_step(st);
        }
    }
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    if (all) {
        (void)sqlite3_reset(st);
        scan_cache(c, s->cfg->cache_kib / 4);
    }
    finish(s, c, st);
    return err;
}

sh_err record_sql_revisions(void *self, const struct sh_record_key *k, uint64_t before,
                            uint32_t limit, struct sh_arena *ar, struct sh_record_page *out)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    struct sh_record_row *rows = sh_arena_array(ar, limit, sizeof *rows);
    if (rows == NULL) {
        return sh_arena_why(ar);
    }
    SH_TRY(start(s, ST_REVISIONS, &c, &st));
    bind_key(st, k);
    (void)sqlite3_bind_int64(st, 4, before == 0 ? INT64_MAX : (int64_t)before);
    (void)sqlite3_bind_int64(st, 5, limit);
    size_t n = 0;
    sh_err err = SH_OK;
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && n < limit && err == SH_OK) {
        err = record_sql_row(st, ar, &rows[n]);
        rows[n].deleted = sqlite3_column_int(st, 8) != 0;
        n++;
        rc = sqlite3_step(st);
    }
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    finish(s, c, st);
    if (err == SH_OK) {
        *out = (struct sh_record_page){.rows = rows, .n = n, .next = SH_STR(""), .total = -1};
    }
    return err;
}

sh_err record_sql_links(void *self, const struct sh_record_links_query *q, struct sh_arena *ar,
                        struct sh_record_link **out, size_t *n)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    struct sh_record_link *links = sh_arena_array(ar, q->limit, sizeof *links);
    if (links == NULL) {
        return sh_arena_why(ar);
    }
    SH_TRY(start(s, q->in ? ST_LINKS_IN : ST_LINKS_OUT, &c, &st));
    const struct sh_record_key of = {.tenant = q->tenant, .type = q->type, .id = q->id};
    bind_key(st, &of);
    (void)record_sql_bind_str(st, 4, q->relation);
    (void)sqlite3_bind_int64(st, 5, q->limit);
    (void)sqlite3_bind_int64(st, 6, q->after);
    size_t got = 0;
    sh_err err = SH_OK;
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && got < q->limit && err == SH_OK) {
        struct sh_record_link *l = &links[got++];
        l->from_type = record_sql_text(st, 0, ar);
        l->from_id = record_sql_text(st, 1, ar);
        l->relation = record_sql_text(st, 2, ar);
        l->to_type = record_sql_text(st, 3, ar);
        l->to_id = record_sql_text(st, 4, ar);
        if (l->from_type.p == NULL || l->from_id.p == NULL || l->relation.p == NULL ||
            l->to_type.p == NULL || l->to_id.p == NULL) {
            err = sh_arena_why(ar);
            break;
        }
        rc = sqlite3_step(st);
    }
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    finish(s, c, st);
    if (err == SH_OK) {
        *out = links;
        *n = got;
    }
    return err;
}

static sh_err change_row(sqlite3_stmt *st, struct sh_arena *ar, struct sh_record_change *out)
{
    *out = (struct sh_record_change){
        .seq = (uint64_t)sqlite3_column_int64(st, 0),
        .tenant = (uint32_t)sqlite3_column_int64(st, 1),
        .act = (enum sh_record_act)sqlite3_column_int(st, 2),
        .type = record_sql_text(st, 3, ar),
        .id = record_sql_text(st, 4, ar),
        .relation = record_sql_text(st, 5, ar),
        .to_type = record_sql_text(st, 6, ar),
        .to_id = record_sql_text(st, 7, ar),
        .rev = (uint64_t)sqlite3_column_int64(st, 8),
        .time_us = sqlite3_column_int64(st, 9),
        .author = record_sql_text(st, 10, ar),
    };
    if (out->type.p == NULL || out->id.p == NULL || out->relation.p == NULL ||
        out->to_type.p == NULL || out->to_id.p == NULL || out->author.p == NULL) {
        return sh_arena_why(ar);
    }
    return SH_OK;
}

/* SH_E_LIMIT when changes behind `after` were forgotten. */
static sh_err feed_has(struct record_conn *c, uint64_t after)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(c, ST_CHANGE_FIRST, &st));
    const int rc = sqlite3_step(st);
    const uint64_t first = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_reset(st);
    SH_TRY(record_sql_err(rc));
    /* The first number ever given is 1, so a feed that begins with it has lost nothing. */
    return first > 1 && after + 1 < first ? SH_E_LIMIT : SH_OK;
}

sh_err record_sql_changes(void *self, const struct sh_record_changes_query *q, struct sh_arena *ar,
                          struct sh_record_change **out, size_t *n, uint64_t *next)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    struct sh_record_change *rows = sh_arena_array(ar, q->limit, sizeof *rows);
    if (rows == NULL) {
        return sh_arena_why(ar);
    }
    SH_TRY(start(s, ST_CHANGES, &c, &st));
    (void)sqlite3_bind_int64(st, 1, (int64_t)q->after);
    (void)sqlite3_bind_int64(st, 2, (int64_t)q->limit * 16); /* looks at so many at most */
    sh_err err = feed_has(c, q->after);
    size_t got = 0;
    uint64_t at = q->after;
    int rc = err == SH_OK ? sqlite3_step(st) : SQLITE_DONE;
    while (rc == SQLITE_ROW && got < q->limit && err == SH_OK) {
        const uint32_t tenant = (uint32_t)sqlite3_column_int64(st, 1);
        const bool match = (q->tenant == SH_RECORD_ALL_TENANTS || q->tenant == tenant) &&
                           (q->type.n == 0 || sh_str_eq(borrow(st, 3), q->type));
        if (match) {
            err = change_row(st, ar, &rows[got]);
            got++;
        }
        at = (uint64_t)sqlite3_column_int64(st, 0);
        rc = got < q->limit ? sqlite3_step(st) : SQLITE_DONE;
    }
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    finish(s, c, st);
    if (err == SH_OK) {
        *out = rows;
        *n = got;
        *next = at;
    }
    return err;
}

sh_err record_sql_idem(void *self, uint32_t tenant, struct sh_str key, struct sh_arena *ar,
                       uint64_t *fingerprint, struct sh_str *answer, int64_t *time_us)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    SH_TRY(start(s, ST_IDEM_GET, &c, &st));
    (void)sqlite3_bind_int64(st, 1, tenant);
    (void)record_sql_bind_str(st, 2, key);
    const int rc = sqlite3_step(st);
    sh_err err = record_sql_err(rc);
    if (rc == SQLITE_DONE) {
        err = SH_E_NOTFOUND;
    } else if (rc == SQLITE_ROW) {
        *fingerprint = (uint64_t)sqlite3_column_int64(st, 0);
        *answer = record_sql_text(st, 1, ar);
        *time_us = sqlite3_column_int64(st, 2);
        err = answer->p == NULL ? sh_arena_why(ar) : SH_OK;
    }
    finish(s, c, st);
    return err;
}

sh_err record_sql_blob(void *self, uint32_t tenant, struct sh_str hash, uint64_t *size)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    const bool any = tenant == SH_RECORD_ALL_TENANTS;
    SH_TRY(start(s, any ? ST_BLOB_ANY : ST_BLOB_GET, &c, &st));
    if (any) {
        (void)record_sql_bind_str(st, 1, hash);
    } else {
        (void)sqlite3_bind_int64(st, 1, tenant);
        (void)record_sql_bind_str(st, 2, hash);
    }
    const int rc = sqlite3_step(st);
    sh_err err = record_sql_err(rc);
    if (rc == SQLITE_DONE) {
        err = SH_E_NOTFOUND;
    } else if (rc == SQLITE_ROW) {
        *size = (uint64_t)sqlite3_column_int64(st, 0);
    }
    finish(s, c, st);
    return err;
}

sh_err record_sql_blob_total(void *self, uint64_t *bytes)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    SH_TRY(start(s, ST_BLOB_TOTAL, &c, &st));
    const int rc = sqlite3_step(st);
    *bytes = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    finish(s, c, st);
    return record_sql_err(rc);
}

sh_err record_sql_blob_idle(void *self, sh_record_idle *fn, void *ctx)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    SH_TRY(start(s, ST_BLOB_IDLE, &c, &st));
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW) {
        fn(ctx, (uint32_t)sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1));
        rc = sqlite3_step(st);
    }
    finish(s, c, st);
    return record_sql_err(rc);
}

sh_err record_sql_blob_orphans(void *self, int64_t before_us, uint32_t limit, struct sh_arena *ar,
                               struct sh_record_key **out, size_t *n)
{
    struct record_sql *s = self;
    struct record_conn *c = NULL;
    sqlite3_stmt *st = NULL;
    struct sh_record_key *keys = sh_arena_array(ar, limit, sizeof *keys);
    if (keys == NULL) {
        return sh_arena_why(ar);
    }
    SH_TRY(start(s, ST_BLOB_ORPHANS, &c, &st));
    (void)sqlite3_bind_int64(st, 1, before_us);
    (void)sqlite3_bind_int64(st, 2, limit);
    size_t got = 0;
    sh_err err = SH_OK;
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && got < limit && err == SH_OK) {
        keys[got].tenant = (uint32_t)sqlite3_column_int64(st, 0);
        keys[got].id = record_sql_text(st, 1, ar);
        err = keys[got].id.p == NULL ? sh_arena_why(ar) : SH_OK;
        got++;
        rc = sqlite3_step(st);
    }
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    finish(s, c, st);
    if (err == SH_OK) {
        *out = keys;
        *n = got;
    }
    return err;
}
