/* sqlite_write.c - the writer's half: one group commit is BEGIN, for each transaction SAVEPOINT,
 * changes, RELEASE or ROLLBACK TO, and COMMIT. Writer thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

#include "tokens.h"

struct head {
    int64_t kid; /* 0 = there is none */
    uint64_t rev;
    int64_t created;
    unsigned flags;
};

static sh_err simple(struct record_sql *s, enum record_stmt which)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, which, &st));
    return record_sql_run(st);
}

sh_err record_sql_begin(void *self)
{
    struct record_sql *s = self;
    if (sqlite3_get_autocommit(s->writer.db) == 0) { /* the last rollback has failed */
        SH_TRY(simple(s, ST_ROLLBACK));
    }
    SH_TRY(simple(s, ST_BEGIN));
    if (s->indexes_dirty) { /* they could not be read after the last rollback */
        SH_TRY(record_index_load(s));
        s->indexes_dirty = false;
    }
    return SH_OK;
}

sh_err record_sql_mark(void *self)
{
    return simple(self, ST_MARK);
}

sh_err record_sql_settle(void *self, bool keep)
{
    struct record_sql *s = self;
    if (sqlite3_get_autocommit(s->writer.db) != 0) {
        return SH_E_IO; /* SQLite rolled everything back by itself */
    }
    if (!keep) {
        SH_TRY(simple(s, ST_UNDO));
    }
    SH_TRY(simple(s, ST_KEEP));
    const bool changed = s->indexes_dirty;
    s->indexes_dirty = false;
    return changed ? record_index_load(s) : SH_OK;
}

sh_err record_sql_commit(void *self, uint64_t *change_last)
{
    struct record_sql *s = self;
    SH_TRY(simple(s, ST_COMMIT));
    s->committed = s->seq;
    *change_last = s->committed;
    return SH_OK;
}

void record_sql_rollback(void *self)
{
    struct record_sql *s = self;
    if (sqlite3_get_autocommit(s->writer.db) == 0) {
        (void)simple(s, ST_ROLLBACK);
    }
    s->indexes_dirty = record_index_load(s) != SH_OK; /* it may hold what was rolled back */
    if (s->indexes_dirty) {
        sh_log(s->env->log, SH_LOG_ERROR, "record", "the indexes of fields cannot be read");
    }
}

static void bind_key(sqlite3_stmt *st, uint32_t tenant, struct sh_str type, struct sh_str id)
{
    (void)sqlite3_bind_int64(st, 1, tenant);
    (void)record_sql_bind_str(st, 2, type);
    (void)record_sql_bind_str(st, 3, id);
}

static sh_err find(struct record_sql *s, uint32_t tenant, struct sh_str type, struct sh_str id,
                   struct head *h)
{
    sqlite3_stmt *st = NULL;
    *h = (struct head){.kid = 0};
    SH_TRY(record_sql_stmt(&s->writer, ST_HEAD, &st));
    bind_key(st, tenant, type, id);
    const int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        h->kid = sqlite3_column_int64(st, 0);
        h->rev = (uint64_t)sqlite3_column_int64(st, 1);
        h->created = sqlite3_column_int64(st, 2);
        h->flags = (unsigned)sqlite3_column_int64(st, 3);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return record_sql_err(rc);
}

static sh_err expect(const struct head *h, uint64_t want)
{
    if (want == SH_RECORD_ANY) {
        return SH_OK;
    }
    return (h->kid == 0 ? 0 : h->rev) == want ? SH_OK : SH_E_CONFLICT;
}

/* One integer by a statement whose parameters are bound already; 0 when there is no row. */
static sh_err one_i64(sqlite3_stmt *st, int64_t *out)
{
    const int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return record_sql_err(rc);
}

static sh_err change(struct record_sql *s, const struct sh_record_op *op, enum sh_record_act act,
                     struct sh_str author, int64_t now_us)
{
    if ((op->flags & SH_RECORD_F_FEED) == 0) {
        return SH_OK;
    }
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_CHANGE, &st));
    s->seq++;
    (void)sqlite3_bind_int64(st, 1, (int64_t)s->seq);
    (void)sqlite3_bind_int64(st, 2, op->tenant);
    (void)sqlite3_bind_int(st, 3, (int)act);
    (void)record_sql_bind_str(st, 4, op->type);
    (void)record_sql_bind_str(st, 5, op->id);
    if (act >= SH_RECORD_LINKED) {
        (void)record_sql_bind_str(st, 6, op->relation);
        (void)record_sql_bind_str(st, 7, op->to_type);
        (void)record_sql_bind_str(st, 8, op->to_id);
    }
    (void)sqlite3_bind_int64(st, 9, (int64_t)op->rev);
    (void)sqlite3_bind_int64(st, 10, now_us);
    (void)record_sql_bind_str(st, 11, author);
    return record_sql_run(st);
}

static sh_err text_delete(struct record_sql *s, int64_t kid)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_TEXT_DELETE, &st));
    (void)sqlite3_bind_int64(st, 1, kid);
    return record_sql_run(st);
}

static sh_err text_put(struct record_sql *s, int64_t kid, const struct sh_record_op *op)
{
    char scope[RECORD_SCOPE_CHARS];
    const size_t n = record_scope(op->tenant, op->type, scope);
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_TEXT_PUT, &st));
    (void)sqlite3_bind_int64(st, 1, kid);
    (void)record_sql_bind_str(st, 2, (struct sh_str){scope, n});
    (void)record_sql_bind_str(st, 3, op->text);
    return record_sql_run(st);
}

/* Moves the present revision to `old`, and forgets those beyond the limit. */
static sh_err keep_old(struct record_sql *s, const struct head *h, const struct sh_record_op *op)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_OLD_KEEP, &st));
    (void)sqlite3_bind_int64(st, 1, h->kid);
    SH_TRY(record_sql_run(st));
    const uint32_t keep = op->keep != 0 ? op->keep : s->cfg->keep_revisions;
    if (keep == 0 || h->rev < keep) {
        return SH_OK;
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_OLD_TRIM, &st));
    bind_key(st, op->tenant, op->type, op->id);
    (void)sqlite3_bind_int64(st, 4, (int64_t)(h->rev - keep + 1));
    return record_sql_run(st);
}

static sh_err old_max(struct record_sql *s, const struct sh_record_op *op, uint64_t *rev)
{
    int64_t v = 0;
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_OLD_MAX, &st));
    bind_key(st, op->tenant, op->type, op->id);
    SH_TRY(one_i64(st, &v));
    *rev = (uint64_t)v;
    return SH_OK;
}

static sh_err insert(struct record_sql *s, struct sh_record_op *op, struct sh_str author,
                     int64_t now_us)
{
    uint64_t before = 0;
    sqlite3_stmt *st = NULL;
    if ((op->flags & SH_RECORD_F_HISTORY) != 0) {
        SH_TRY(old_max(s, op, &before));
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_INSERT, &st));
    op->rev = before + 1;
    bind_key(st, op->tenant, op->type, op->id);
    (void)sqlite3_bind_int64(st, 4, (int64_t)op->rev);
    (void)sqlite3_bind_int64(st, 5, now_us);
    (void)sqlite3_bind_int64(st, 6, now_us);
    (void)record_sql_bind_str(st, 7, author);
    (void)sqlite3_bind_int64(st, 8, op->flags);
    (void)record_sql_bind_str(st, 9, op->doc);
    SH_TRY(record_sql_run(st));
    const int64_t kid = sqlite3_last_insert_rowid(s->writer.db);
    SH_TRY(record_index_in(s, op, kid));
    if ((op->flags & SH_RECORD_F_TEXT) != 0) {
        SH_TRY(text_put(s, kid, op));
    }
    return change(s, op, SH_RECORD_CREATED, author, now_us);
}

static sh_err put(struct record_sql *s, struct sh_record_op *op, struct sh_str author,
                  int64_t now_us)
{
    struct head h;
    sqlite3_stmt *st = NULL;
    SH_TRY(find(s, op->tenant, op->type, op->id, &h));
    SH_TRY(expect(&h, op->expect));
    if (h.kid == 0) {
        return insert(s, op, author, now_us);
    }
    if ((op->flags & SH_RECORD_F_HISTORY) != 0) {
        SH_TRY(keep_old(s, &h, op));
    }
    op->rev = h.rev + 1;
    SH_TRY(record_index_out(s, op, h.kid));
    SH_TRY(record_sql_stmt(&s->writer, ST_UPDATE, &st));
    (void)sqlite3_bind_int64(st, 1, h.kid);
    (void)sqlite3_bind_int64(st, 2, (int64_t)op->rev);
    (void)sqlite3_bind_int64(st, 3, now_us);
    (void)record_sql_bind_str(st, 4, author);
    (void)sqlite3_bind_int64(st, 5, op->flags);
    (void)record_sql_bind_str(st, 6, op->doc);
    SH_TRY(record_sql_run(st));
    SH_TRY(record_index_in(s, op, h.kid));
    if ((h.flags & SH_RECORD_F_TEXT) != 0) {
        SH_TRY(text_delete(s, h.kid));
    }
    if ((op->flags & SH_RECORD_F_TEXT) != 0) {
        SH_TRY(text_put(s, h.kid, op));
    }
    return change(s, op, SH_RECORD_UPDATED, author, now_us);
}

static sh_err tomb(struct record_sql *s, const struct head *h, const struct sh_record_op *op,
                   struct sh_str author, int64_t now_us)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(keep_old(s, h, op));
    SH_TRY(record_sql_stmt(&s->writer, ST_OLD_TOMB, &st));
    bind_key(st, op->tenant, op->type, op->id);
    (void)sqlite3_bind_int64(st, 4, (int64_t)op->rev);
    (void)sqlite3_bind_int64(st, 5, h->created);
    (void)sqlite3_bind_int64(st, 6, now_us);
    (void)record_sql_bind_str(st, 7, author);
    return record_sql_run(st);
}

static sh_err del(struct record_sql *s, struct sh_record_op *op, struct sh_str author,
                  int64_t now_us)
{
    struct head h;
    sqlite3_stmt *st = NULL;
    SH_TRY(find(s, op->tenant, op->type, op->id, &h));
    if (h.kid == 0) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(expect(&h, op->expect));
    op->rev = h.rev + 1;
    op->flags = h.flags;
    if ((h.flags & SH_RECORD_F_HISTORY) != 0) {
        SH_TRY(tomb(s, &h, op, author, now_us));
    }
    if ((h.flags & SH_RECORD_F_TEXT) != 0) {
        SH_TRY(text_delete(s, h.kid));
    }
    SH_TRY(record_index_out(s, op, h.kid));
    SH_TRY(record_sql_stmt(&s->writer, ST_DELETE, &st));
    (void)sqlite3_bind_int64(st, 1, h.kid);
    SH_TRY(record_sql_run(st));
    SH_TRY(record_sql_stmt(&s->writer, ST_UNLINK_ALL, &st));
    bind_key(st, op->tenant, op->type, op->id);
    SH_TRY(record_sql_run(st));
    return change(s, op, SH_RECORD_DELETED, author, now_us);
}

static void bind_link(sqlite3_stmt *st, const struct sh_record_op *op)
{
    bind_key(st, op->tenant, op->type, op->id);
    (void)record_sql_bind_str(st, 4, op->relation);
    (void)record_sql_bind_str(st, 5, op->to_type);
    (void)record_sql_bind_str(st, 6, op->to_id);
}

static sh_err link_op(struct record_sql *s, struct sh_record_op *op, struct sh_str author,
                      int64_t now_us)
{
    struct head from;
    struct head to;
    sqlite3_stmt *st = NULL;
    const bool add = op->kind == SH_RECORD_OP_LINK;
    SH_TRY(find(s, op->tenant, op->type, op->id, &from));
    if (add) {
        SH_TRY(find(s, op->tenant, op->to_type, op->to_id, &to));
        if (from.kid == 0 || to.kid == 0) {
            return SH_E_NOTFOUND;
        }
    }
    SH_TRY(record_sql_stmt(&s->writer, add ? ST_LINK : ST_UNLINK, &st));
    bind_link(st, op);
    SH_TRY(record_sql_run(st));
    if (sqlite3_changes(s->writer.db) == 0) {
        return add ? SH_OK : SH_E_NOTFOUND;
    }
    op->flags = from.flags;
    return change(s, op, add ? SH_RECORD_LINKED : SH_RECORD_UNLINKED, author, now_us);
}

static struct sh_str text_at(sqlite3_stmt *st, int col)
{
    const char *p = (const char *)sqlite3_column_text(st, col);
    return (struct sh_str){p == NULL ? "" : p, (size_t)sqlite3_column_bytes(st, col)};
}

/* The feed's entries for the links that a record has now, one way. */
static sh_err tell_links(struct record_sql *s, const struct sh_record_op *op, bool in,
                         struct sh_str author, int64_t now_us)
{
    sqlite3_stmt *st = NULL;
    sh_err err = record_sql_stmt(&s->writer, in ? ST_LINKS_IN : ST_LINKS_OUT, &st);
    if (err != SH_OK) {
        return err;
    }
    bind_key(st, op->tenant, op->type, op->to_id);
    (void)record_sql_bind_str(st, 4, SH_STR(""));
    (void)sqlite3_bind_int64(st, 5, INT64_MAX);
    (void)sqlite3_bind_int64(st, 6, 0);
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && err == SH_OK) {
        const struct sh_record_op l = {.tenant = op->tenant,
                                       .flags = op->flags,
                                       .type = text_at(st, 0),
                                       .id = text_at(st, 1),
                                       .relation = text_at(st, 2),
                                       .to_type = text_at(st, 3),
                                       .to_id = text_at(st, 4)};
        const bool told = in && sh_str_eq(l.type, op->type) && sh_str_eq(l.id, op->to_id);
        err = told ? SH_OK : change(s, &l, SH_RECORD_LINKED, author, now_us);
        rc = err == SH_OK ? sqlite3_step(st) : rc;
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return err == SH_OK ? record_sql_err(rc) : err;
}

static sh_err relink(struct record_sql *s, struct sh_record_op *op, struct sh_str author,
                     int64_t now_us)
{
    struct head to;
    sqlite3_stmt *st = NULL;
    SH_TRY(find(s, op->tenant, op->type, op->to_id, &to));
    if (to.kid == 0) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_RELINK, &st));
    bind_key(st, op->tenant, op->type, op->id);
    (void)record_sql_bind_str(st, 4, op->to_id);
    SH_TRY(record_sql_run(st));
    SH_TRY(record_sql_stmt(&s->writer, ST_UNLINK_ALL, &st));
    bind_key(st, op->tenant, op->type, op->id);
    SH_TRY(record_sql_run(st));
    op->flags = to.flags;
    SH_TRY(tell_links(s, op, false, author, now_us));
    return tell_links(s, op, true, author, now_us);
}

struct blob_head {
    bool known;
    int64_t refs;
    int64_t size;
};

static sh_err blob_head(struct record_sql *s, const struct sh_record_op *op, struct blob_head *h)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_BLOB_HEAD, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->id);
    const int rc = sqlite3_step(st);
    *h = (struct blob_head){.known = rc == SQLITE_ROW};
    if (h->known) {
        h->refs = sqlite3_column_int64(st, 0);
        h->size = sqlite3_column_int64(st, 1);
    }
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return record_sql_err(rc);
}

/* What a change that was made does to the tenant's content without references. */
static int64_t idle_by(const struct sh_record_op *op, const struct blob_head *was)
{
    if (op->kind == SH_RECORD_OP_BLOB_ADD) {
        return was->known ? 0 : op->number;
    }
    if (op->kind == SH_RECORD_OP_BLOB_DROP) {
        return -was->size;
    }
    const int64_t refs = was->refs + op->number;
    if ((was->refs == 0) == (refs == 0)) {
        return 0;
    }
    return refs == 0 ? was->size : -was->size;
}

static sh_err blob_op(struct record_sql *s, struct sh_record_op *op, int64_t now_us)
{
    struct blob_head was;
    sqlite3_stmt *st = NULL;
    enum record_stmt which = ST_BLOB_DROP;
    if (op->kind == SH_RECORD_OP_BLOB_ADD) {
        which = ST_BLOB_ADD;
    } else if (op->kind == SH_RECORD_OP_BLOB_REF) {
        which = ST_BLOB_REF;
    }
    SH_TRY(blob_head(s, op, &was));
    SH_TRY(record_sql_stmt(&s->writer, which, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->id);
    (void)sqlite3_bind_int64(st, 3, op->number);
    if (which == ST_BLOB_ADD) {
        (void)sqlite3_bind_int64(st, 4, now_us);
    }
    SH_TRY(record_sql_run(st));
    if (which == ST_BLOB_ADD || sqlite3_changes(s->writer.db) != 0) {
        op->idle = idle_by(op, &was);
        return SH_OK;
    }
    return was.known ? SH_E_STATE : SH_E_NOTFOUND;
}

static sh_err idem(struct record_sql *s, const struct sh_record_op *op, int64_t now_us)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_IDEM_PUT, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->id);
    (void)sqlite3_bind_int64(st, 3, now_us);
    (void)sqlite3_bind_int64(st, 4, (int64_t)op->expect);
    (void)record_sql_bind_str(st, 5, op->doc);
    return record_sql_run(st);
}

static sh_err idem_trim(struct record_sql *s, int64_t now_us)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_IDEM_TRIM, &st));
    (void)sqlite3_bind_int64(st, 1, now_us - s->cfg->idempotency_us);
    return record_sql_run(st);
}

static sh_err idem_begin(struct record_sql *s, const struct sh_record_op *op, int64_t now_us)
{
    int64_t n = 0;
    sqlite3_stmt *st = NULL;
    SH_TRY(idem_trim(s, now_us));
    SH_TRY(record_sql_stmt(&s->writer, ST_IDEM_COUNT_OF, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->relation);
    (void)record_sql_bind_str(st, 3, op->to_id);
    SH_TRY(one_i64(st, &n));
    if (n >= (int64_t)s->cfg->idem_per_owner) {
        return SH_E_LIMIT;
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_IDEM_COUNT, &st));
    SH_TRY(one_i64(st, &n));
    return n >= (int64_t)s->cfg->idem_all ? SH_E_AGAIN : idem(s, op, now_us);
}

static sh_err idem_free(struct record_sql *s, const struct sh_record_op *op)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(&s->writer, ST_IDEM_FREE, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->id);
    return record_sql_run(st);
}

static sh_err none_of(struct record_sql *s, const struct sh_record_op *op)
{
    int64_t any = 0;
    sqlite3_stmt *st = NULL;
    const bool all = op->tenant == SH_RECORD_PLATFORM;
    SH_TRY(record_sql_stmt(&s->writer, all ? ST_ANY_OF_ALL : ST_ANY_OF, &st));
    if (all) {
        (void)record_sql_bind_str(st, 1, op->type);
    } else {
        (void)sqlite3_bind_int64(st, 1, op->tenant);
        (void)record_sql_bind_str(st, 2, op->type);
    }
    SH_TRY(one_i64(st, &any));
    return any != 0 ? SH_E_STATE : SH_OK;
}

static sh_err count_below(struct record_sql *s, const struct sh_record_op *op)
{
    struct head h;
    int64_t n = 0;
    sqlite3_stmt *st = NULL;
    SH_TRY(find(s, op->tenant, op->type, op->id, &h));
    if (h.kid != 0) {
        return SH_OK;
    }
    SH_TRY(record_sql_stmt(&s->writer, ST_COUNT_OF, &st));
    (void)sqlite3_bind_int64(st, 1, op->tenant);
    (void)record_sql_bind_str(st, 2, op->type);
    SH_TRY(one_i64(st, &n));
    return n >= op->number ? SH_E_LIMIT : SH_OK;
}

static sh_err trim(struct record_sql *s, int64_t now_us)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(idem_trim(s, now_us));
    if (s->committed <= s->cfg->keep_changes || s->committed - s->cfg->keep_changes <= s->trimmed) {
        return SH_OK;
    }
    const uint64_t upto = s->committed - s->cfg->keep_changes;
    SH_TRY(record_sql_stmt(&s->writer, ST_CHANGE_TRIM, &st));
    (void)sqlite3_bind_int64(st, 1, (int64_t)upto);
    SH_TRY(record_sql_run(st));
    s->trimmed = upto;
    return SH_OK;
}

sh_err record_sql_apply(void *self, struct sh_record_op *op, struct sh_str author, int64_t now_us)
{
    struct record_sql *s = self;
    struct head h;
    switch (op->kind) {
    case SH_RECORD_OP_PUT:
        return put(s, op, author, now_us);
    case SH_RECORD_OP_DELETE:
        return del(s, op, author, now_us);
    case SH_RECORD_OP_EXPECT:
        SH_TRY(find(s, op->tenant, op->type, op->id, &h));
        op->rev = h.rev;
        if (op->expect == SH_RECORD_ANY) {
            return h.kid == 0 ? SH_E_NOTFOUND : SH_OK;
        }
        return expect(&h, op->expect);
    case SH_RECORD_OP_LINK:
    case SH_RECORD_OP_UNLINK:
        return link_op(s, op, author, now_us);
    case SH_RECORD_OP_RELINK:
        return relink(s, op, author, now_us);
    case SH_RECORD_OP_BLOB_ADD:
    case SH_RECORD_OP_BLOB_REF:
    case SH_RECORD_OP_BLOB_DROP:
        return blob_op(s, op, now_us);
    case SH_RECORD_OP_IDEM:
        return idem(s, op, now_us);
    case SH_RECORD_OP_NONE_OF:
        return none_of(s, op);
    case SH_RECORD_OP_COUNT_BELOW:
        return count_below(s, op);
    case SH_RECORD_OP_INDEXES:
        return record_index_set(s, op);
    case SH_RECORD_OP_TRIM:
        return trim(s, now_us);
    case SH_RECORD_OP_IDEM_BEGIN:
        return idem_begin(s, op, now_us);
    case SH_RECORD_OP_IDEM_FREE:
        return idem_free(s, op);
    }
    return SH_E_INTERNAL;
}
