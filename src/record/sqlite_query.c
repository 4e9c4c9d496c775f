/* sqlite_query.c - a parsed query as one SQL statement. The statement's text is made of constants
 * and parameter marks only; every path, literal and key is bound (DESIGN: no way in for SQL).
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

#include "tokens.h"

enum { MAX_SQL = 1 << 20, MAX_PARAMS = 4096 };

struct param {
    enum { P_I64, P_F64, P_TEXT, P_EMPTY_BLOB, P_TEXT_AS_BLOB } kind;
    int64_t i64;
    double f64;
    struct sh_str text;
};

/* Indexes that help (sqlite_index.c); 0 = none. What they find is a superset: the filter is in the
 * statement all the same. */
struct help {
    int64_t find;       /* of a field that the filter compares */
    struct sh_str path; /* that field */
    int64_t sort;       /* of the first sort key: the rows are read in its order */
};

/* Statement under construction. Errors stick. */
struct maker {
    struct sh_buf sql;
    struct param *params;
    size_t n;
    sh_err err;
    struct help help;
};

static void say(struct maker *m, const char *sql)
{
    if (m->err == SH_OK) {
        m->err = sh_buf_put_c(&m->sql, sql);
    }
}

static void bind(struct maker *m, struct param p)
{
    if (m->err != SH_OK) {
        return;
    }
    if (m->n == MAX_PARAMS) {
        m->err = SH_E_LIMIT;
        return;
    }
    m->params[m->n++] = p;
    say(m, "?");
}

static void bind_text(struct maker *m, struct sh_str s)
{
    bind(m, (struct param){.kind = P_TEXT, .text = s});
}

static void bind_i64(struct maker *m, int64_t v)
{
    bind(m, (struct param){.kind = P_I64, .i64 = v});
}

static void bind_value(struct maker *m, const struct sh_record_value *v)
{
    switch (v->kind) {
    case SH_RECORD_V_NULL:
        bind(m, (struct param){.kind = P_EMPTY_BLOB});
        break;
    case SH_RECORD_V_BOOL:
    case SH_RECORD_V_I64:
        bind_i64(m, v->i64);
        break;
    case SH_RECORD_V_F64:
        bind(m, (struct param){.kind = P_F64, .f64 = v->f64});
        break;
    case SH_RECORD_V_TEXT:
        bind_text(m, v->text);
        break;
    }
}

static const char *own_column(enum sh_record_field_kind k)
{
    switch (k) {
    case SH_RECORD_FIELD_ID:
        return "id";
    case SH_RECORD_FIELD_REV:
        return "rev";
    case SH_RECORD_FIELD_CREATED:
        return "created";
    case SH_RECORD_FIELD_UPDATED:
        return "updated";
    case SH_RECORD_FIELD_AUTHOR:
        return "author";
    case SH_RECORD_FIELD_PATH:
        break;
    }
    return NULL;
}

static void json_fn(struct maker *m, const char *fn, const struct sh_record_field *f)
{
    say(m, fn);
    say(m, "(doc,");
    bind_text(m, f->path);
    say(m, ")");
}

static void field_value(struct maker *m, const struct sh_record_field *f)
{
    const char *col = own_column(f->kind);
    if (col != NULL) {
        say(m, col);
        return;
    }
    json_fn(m, "json_extract", f);
}

/* "the field has the type of v and": a comparison never crosses types. */
static void guard_type(struct maker *m, const struct sh_record_field *f,
                       const struct sh_record_value *v)
{
    if (f->kind != SH_RECORD_FIELD_PATH) {
        const bool text = f->kind == SH_RECORD_FIELD_ID || f->kind == SH_RECORD_FIELD_AUTHOR;
        const bool same = text == (v->kind == SH_RECORD_V_TEXT) && v->kind > SH_RECORD_V_BOOL;
        say(m, same ? "1 AND " : "0 AND ");
        return;
    }
    json_fn(m, "json_type", f);
    switch (v->kind) {
    case SH_RECORD_V_NULL:
        say(m, "='null' AND ");
        break;
    case SH_RECORD_V_BOOL:
        say(m, " IN ('true','false') AND ");
        break;
    case SH_RECORD_V_I64:
    case SH_RECORD_V_F64:
        say(m, " IN ('integer','real') AND ");
        break;
    case SH_RECORD_V_TEXT:
        say(m, "='text' AND ");
        break;
    }
}

static const char *sql_cmp(enum sh_record_cmp c)
{
    switch (c) {
    case SH_RECORD_EQ:
        return " = ";
    case SH_RECORD_NE:
        return " <> ";
    case SH_RECORD_LT:
        return " < ";
    case SH_RECORD_LE:
        return " <= ";
    case SH_RECORD_GT:
        return " > ";
    case SH_RECORD_GE:
        return " >= ";
    case SH_RECORD_IN:
    case SH_RECORD_PREFIX:
    case SH_RECORD_CONTAINS:
    case SH_RECORD_EXISTS:
        break;
    }
    return NULL;
}

/* One value against the field: a boolean that is never NULL. */
static void compare(struct maker *m, const struct sh_record_field *f, enum sh_record_cmp c,
                    const struct sh_record_value *v)
{
    if (v->kind == SH_RECORD_V_NULL) {
        if (f->kind != SH_RECORD_FIELD_PATH) {
            say(m, c == SH_RECORD_NE ? "1" : "0");
            return;
        }
        say(m, c == SH_RECORD_NE ? "(NOT ifnull(" : "(ifnull(");
        json_fn(m, "json_type", f);
        say(m, ",'null')='null')");
        return;
    }
    say(m, "ifnull(");
    guard_type(m, f, v);
    if (c == SH_RECORD_PREFIX) {
        say(m, "substr(CAST(");
        field_value(m, f);
        say(m, " AS BLOB),1,");
        bind_i64(m, (int64_t)v->text.n);
        say(m, ")=");
        bind(m, (struct param){.kind = P_TEXT_AS_BLOB, .text = v->text});
    } else {
        field_value(m, f);
        say(m, sql_cmp(c));
        bind_value(m, v);
    }
    say(m, ",0)");
}

static void contains(struct maker *m, const struct sh_record_node *n)
{
    const struct sh_record_value *v = &n->values[0];
    say(m, "ifnull(");
    json_fn(m, "json_type", &n->field);
    say(m, "='array' AND EXISTS(SELECT 1 FROM json_each(doc,");
    bind_text(m, n->field.path);
    say(m, ") AS e WHERE ");
    switch (v->kind) {
    case SH_RECORD_V_NULL:
        say(m, "e.type='null'");
        break;
    case SH_RECORD_V_BOOL:
        say(m, v->i64 != 0 ? "e.type='true'" : "e.type='false'");
        break;
    case SH_RECORD_V_I64:
    case SH_RECORD_V_F64:
        say(m, "e.type IN ('integer','real') AND e.atom=");
        bind_value(m, v);
        break;
    case SH_RECORD_V_TEXT:
        say(m, "e.type='text' AND e.atom=");
        bind_value(m, v);
        break;
    }
    say(m, "),0)");
}

static void cmp(struct maker *m, const struct sh_record_node *n)
{
    const bool own = n->field.kind != SH_RECORD_FIELD_PATH;
    if (n->cmp == SH_RECORD_EXISTS) {
        if (own) {
            say(m, "1");
            return;
        }
        say(m, "(");
        json_fn(m, "json_type", &n->field);
        say(m, " IS NOT NULL)");
        return;
    }
    if (n->cmp == SH_RECORD_CONTAINS) {
        if (own) {
            say(m, "0");
        } else {
            contains(m, n);
        }
        return;
    }
    const enum sh_record_cmp each = n->cmp == SH_RECORD_IN ? SH_RECORD_EQ : n->cmp;
    say(m, "(");
    for (size_t i = 0; i < n->n; i++) {
        say(m, i == 0 ? "" : " OR ");
        compare(m, &n->field, each, &n->values[i]);
    }
    say(m, n->n == 0 ? "0)" : ")");
}

static void tree(struct maker *m, const struct sh_record_node *n) /* depth: the parser's limit */
{
    switch (n->kind) {
    case SH_RECORD_CMP:
        cmp(m, n);
        return;
    case SH_RECORD_NOT:
        say(m, "NOT (");
        tree(m, n->a);
        say(m, ")");
        return;
    case SH_RECORD_AND:
    case SH_RECORD_OR:
        say(m, "(");
        tree(m, n->a);
        say(m, n->kind == SH_RECORD_AND ? " AND " : " OR ");
        tree(m, n->b);
        say(m, ")");
        return;
    }
}

/* ---- what the indexes find ---- */

/* The comparisons that an index helps with, at the top of the filter's tree of ANDs. */
static bool helps(const struct sh_record_node *n)
{
    bool values = n->kind == SH_RECORD_CMP && n->field.kind == SH_RECORD_FIELD_PATH && n->n > 0;
    for (size_t i = 0; values && i < n->n; i++) {
        values = n->values[i].kind != SH_RECORD_V_NULL;
    }
    return values && n->cmp != SH_RECORD_NE && n->cmp != SH_RECORD_CONTAINS &&
           n->cmp != SH_RECORD_EXISTS && !(n->cmp == SH_RECORD_PREFIX && n->values[0].text.n == 0);
}

/* "v is what this comparison wants", perhaps more: an upper or lower border keeps types apart. */
static void index_cmp(struct maker *m, const struct sh_record_node *n)
{
    const bool text = n->values[0].kind == SH_RECORD_V_TEXT;
    switch (n->cmp) {
    case SH_RECORD_EQ:
    case SH_RECORD_IN:
        say(m, " AND v IN (");
        for (size_t i = 0; i < n->n; i++) {
            say(m, i == 0 ? "" : ",");
            bind_value(m, &n->values[i]);
        }
        say(m, ")");
        return;
    case SH_RECORD_PREFIX:
        say(m, " AND v<x'' AND v>=");
        break;
    case SH_RECORD_LT:
    case SH_RECORD_LE:
        say(m, text ? " AND v>='' AND v<=" : " AND v<=");
        break;
    case SH_RECORD_GT:
    case SH_RECORD_GE:
    case SH_RECORD_NE:
    case SH_RECORD_CONTAINS:
    case SH_RECORD_EXISTS:
        say(m, text ? " AND v<x'' AND v>=" : " AND v<'' AND v>=");
        break;
    }
    bind_value(m, &n->values[0]);
    if (n->cmp == SH_RECORD_PREFIX) {
        say(m, " AND substr(v,1,length(");
        bind_value(m, &n->values[0]);
        say(m, "))=");
        bind_value(m, &n->values[0]);
    }
}

static void index_cmps(struct maker *m, const struct sh_record_node *n) /* depth: the parser's */
{
    if (n->kind == SH_RECORD_AND) {
        index_cmps(m, n->a);
        index_cmps(m, n->b);
    } else if (helps(n) && sh_str_eq(n->field.path, m->help.path)) {
        index_cmp(m, n);
    }
}

static void index_rows(struct maker *m, const struct sh_record_plan *p)
{
    say(m, " FROM ixv WHERE ix=");
    bind_i64(m, m->help.find);
    say(m, " AND tn=");
    bind_i64(m, p->tenant);
    index_cmps(m, p->filter);
}

static sh_err find_index(struct record_conn *c, const struct sh_record_plan *p, struct sh_str path,
                         int64_t *ix)
{
    sqlite3_stmt *st = NULL;
    SH_TRY(record_sql_stmt(c, ST_IX_FIND, &st));
    (void)record_sql_bind_str(st, 1, p->type);
    (void)record_sql_bind_str(st, 2, path);
    (void)sqlite3_bind_int64(st, 3, p->tenant);
    const int rc = sqlite3_step(st);
    *ix = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return record_sql_err(rc);
}

/* The first comparison for equality that has an index, else the first other one. */
static sh_err find_help(struct record_conn *c, const struct sh_record_plan *p,
                        const struct sh_record_node *n, bool equal, struct help *h)
{
    if (n->kind == SH_RECORD_AND && h->find == 0) {
        SH_TRY(find_help(c, p, n->a, equal, h));
        return find_help(c, p, n->b, equal, h);
    }
    if (h->find != 0 || !helps(n) || equal != (n->cmp == SH_RECORD_EQ || n->cmp == SH_RECORD_IN)) {
        return SH_OK;
    }
    h->path = n->field.path;
    return find_index(c, p, n->field.path, &h->find);
}

/* A missing value becomes an empty blob: the greatest of all in SQLite's order. */
static void sort_key(struct maker *m, const struct sh_record_plan *p, size_t i)
{
    const struct sh_record_field *f = &p->sort[i].field;
    if (i == 0 && m->help.sort != 0) {
        say(m, "v");
        return;
    }
    if (f->kind != SH_RECORD_FIELD_PATH) {
        say(m, own_column(f->kind));
        return;
    }
    say(m, "ifnull(");
    json_fn(m, "json_extract", f);
    say(m, ",x'')");
}

/* Rows behind the cursor: k1 > v1 OR (k1 = v1 AND (k2 > v2 OR ... id > last)). */
static void behind(struct maker *m, const struct sh_record_plan *p)
{
    for (size_t i = 0; i < p->nsort; i++) {
        say(m, "(");
        sort_key(m, p, i);
        say(m, p->sort[i].desc ? " < " : " > ");
        bind_value(m, &p->from_key[i]);
        say(m, " OR (");
        sort_key(m, p, i);
        say(m, " = ");
        bind_value(m, &p->from_key[i]);
        say(m, " AND ");
    }
    say(m, m->help.sort != 0 ? "rid > " : "id > ");
    bind_text(m, p->from_id);
    for (size_t i = 0; i < p->nsort; i++) {
        say(m, "))");
    }
}

static void where(struct maker *m, const struct sh_record_plan *p, struct sh_str match)
{
    if (m->help.sort != 0) {
        say(m, " FROM ixv CROSS JOIN rec ON kid=k WHERE ix=");
        bind_i64(m, m->help.sort);
        say(m, " AND tn=");
        bind_i64(m, p->tenant);
        if (p->from) { /* where to begin; behind() says it exactly */
            say(m, p->sort[0].desc ? " AND v<=" : " AND v>=");
            bind_value(m, &p->from_key[0]);
        }
    } else {
        /* What an index has found is read by its keys, not looked for in all of the type: SQLite
         * would take the columns of rec_key for the narrower way. */
        const bool keys = m->help.find != 0;
        say(m, keys ? " FROM rec WHERE +tenant=" : " FROM rec WHERE tenant=");
        bind_i64(m, p->tenant);
        say(m, keys ? " AND +type=" : " AND type=");
        bind_text(m, p->type);
    }
    if (m->help.find != 0) {
        say(m, " AND kid IN (SELECT k");
        index_rows(m, p);
        say(m, ")");
    }
    if (match.n > 0) {
        say(m, " AND kid IN (SELECT rowid FROM fts WHERE fts MATCH ");
        bind_text(m, match);
        say(m, ")");
    }
    if (p->filter != NULL) {
        say(m, " AND ");
        tree(m, p->filter);
    }
}

static void select_page(struct maker *m, const struct sh_record_plan *p, struct sh_str match)
{
    say(m, "SELECT tenant,type,id,rev,created,updated,author,doc");
    for (size_t i = 0; i < p->nsort; i++) {
        say(m, ",");
        sort_key(m, p, i);
    }
    where(m, p, match);
    if (p->from) {
        say(m, " AND ");
        behind(m, p);
    }
    say(m, " ORDER BY ");
    for (size_t i = 0; i < p->nsort; i++) {
        sort_key(m, p, i);
        say(m, p->sort[i].desc ? " DESC," : ",");
    }
    say(m, m->help.sort != 0 ? "rid LIMIT " : "id LIMIT ");
    bind_i64(m, (int64_t)p->limit + 1);
}

static sh_err prepare(struct record_conn *c, const struct maker *m, sqlite3_stmt **out)
{
    SH_TRY(m->err);
    int rc = sqlite3_prepare_v2(c->db, (const char *)m->sql.p, (int)m->sql.n, out, NULL);
    for (size_t i = 0; i < m->n && rc == SQLITE_OK; i++) {
        const struct param *p = &m->params[i];
        const int at = (int)i + 1;
        switch (p->kind) {
        case P_I64:
            rc = sqlite3_bind_int64(*out, at, p->i64);
            break;
        case P_F64:
            rc = sqlite3_bind_double(*out, at, p->f64);
            break;
        case P_TEXT:
            rc = record_sql_bind_str(*out, at, p->text);
            break;
        case P_EMPTY_BLOB:
            rc = sqlite3_bind_zeroblob(*out, at, 0);
            break;
        case P_TEXT_AS_BLOB:
            rc = sqlite3_bind_blob64(*out, at, p->text.p, p->text.n, SQLITE_STATIC);
            break;
        }
    }
    return record_sql_err(rc);
}

static sh_err read_key(sqlite3_stmt *st, int col, struct sh_arena *ar, struct sh_record_value *out)
{
    switch (sqlite3_column_type(st, col)) {
    case SQLITE_INTEGER:
        *out =
            (struct sh_record_value){.kind = SH_RECORD_V_I64, .i64 = sqlite3_column_int64(st, col)};
        return SH_OK;
    case SQLITE_FLOAT:
        *out = (struct sh_record_value){.kind = SH_RECORD_V_F64,
                                        .f64 = sqlite3_column_double(st, col)};
        return SH_OK;
    case SQLITE_TEXT:
        *out = (struct sh_record_value){.kind = SH_RECORD_V_TEXT,
                                        .text = record_sql_text(st, col, ar)};
        return out->text.p == NULL ? sh_arena_why(ar) : SH_OK;
    default:
        *out = (struct sh_record_value){.kind = SH_RECORD_V_NULL};
        return SH_OK;
    }
}

static sh_err read_page(sqlite3_stmt *st, const struct sh_record_plan *p, struct sh_arena *ar,
                        struct sh_record_found *out)
{
    out->rows = sh_arena_array(ar, p->limit, sizeof *out->rows);
    out->keys = sh_arena_array(ar, (size_t)p->limit * (p->nsort + 1), sizeof *out->keys);
    if (out->rows == NULL || out->keys == NULL) {
        return sh_arena_why(ar);
    }
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && out->n < p->limit) {
        SH_TRY(record_sql_row(st, ar, &out->rows[out->n]));
        for (size_t i = 0; i < p->nsort; i++) {
            SH_TRY(
                read_key(st, RECORD_SQL_ROW_COLS + (int)i, ar, &out->keys[out->n * p->nsort + i]));
        }
        out->n++;
        rc = sqlite3_step(st);
    }
    out->more = rc == SQLITE_ROW;
    return record_sql_err(rc);
}

static void maker_init(struct maker *m, const struct sh_alloc *a)
{
    *m = (struct maker){.err = SH_OK};
    sh_buf_init(&m->sql, a, MAX_SQL);
    m->params = sh_mem_array(a, MAX_PARAMS, sizeof *m->params);
    if (m->params == NULL) {
        m->err = SH_E_NOMEM;
    }
}

static void maker_fini(struct maker *m, const struct sh_alloc *a)
{
    sh_mem_free(a, m->params);
    sh_buf_fini(&m->sql);
}

/* At most FEW rows of the index: reading and sorting just them is quickest. */
static sh_err few(struct record_conn *c, const struct sh_alloc *a, const struct sh_record_plan *p,
                  const struct help *h, bool *out)
{
    enum { FEW = 2000 };
    struct maker m;
    sqlite3_stmt *st = NULL;
    maker_init(&m, a);
    m.help = *h;
    say(&m, "SELECT count(*) FROM (SELECT 1");
    index_rows(&m, p);
    say(&m, " LIMIT ");
    bind_i64(&m, FEW + 1);
    say(&m, ")");
    sh_err err = prepare(c, &m, &st);
    if (err == SH_OK) {
        const int rc = sqlite3_step(st);
        *out = rc == SQLITE_ROW && sqlite3_column_int64(st, 0) <= FEW;
        err = record_sql_err(rc);
    }
    (void)sqlite3_finalize(st);
    maker_fini(&m, a);
    return err;
}

/* Which indexes to use: those of the filter when they leave few rows, else that of the order. */
static sh_err choose(struct record_conn *c, const struct sh_alloc *a,
                     const struct sh_record_plan *p, struct help *h)
{
    *h = (struct help){.find = 0};
    if (p->filter != NULL) {
        SH_TRY(find_help(c, p, p->filter, true, h));
        SH_TRY(h->find != 0 ? SH_OK : find_help(c, p, p->filter, false, h));
    }
    if (p->nsort == 0 || p->sort[0].field.kind != SH_RECORD_FIELD_PATH || p->search.n > 0) {
        return SH_OK;
    }
    SH_TRY(find_index(c, p, p->sort[0].field.path, &h->sort));
    if (h->sort != 0 && h->find != 0) {
        bool both = false;
        SH_TRY(few(c, a, p, h, &both));
        h->sort = both ? 0 : h->sort;
        h->find = both ? h->find : 0;
    }
    return SH_OK;
}

static sh_err count_all(struct record_conn *c, const struct sh_alloc *a,
                        const struct sh_record_plan *p, const struct help *h, struct sh_str match,
                        int64_t *total)
{
    struct maker m;
    sqlite3_stmt *st = NULL;
    maker_init(&m, a);
    m.help.find = h->find;
    m.help.path = h->path;
    say(&m, "SELECT count(*)");
    where(&m, p, match);
    sh_err err = prepare(c, &m, &st);
    if (err == SH_OK) {
        const int rc = sqlite3_step(st);
        *total = sqlite3_column_int64(st, 0);
        err = record_sql_err(rc);
    }
    (void)sqlite3_finalize(st);
    maker_fini(&m, a);
    return err;
}

struct list_out {
    struct sh_arena *ar;
    struct sh_record_found *found;
};

/* In one read transaction: an index that is used is there, and page and total fit. */
static sh_err list(struct record_conn *c, const struct sh_alloc *a, const struct sh_record_plan *p,
                   struct sh_str match, struct list_out *o)
{
    struct maker m;
    struct help h;
    sqlite3_stmt *st = NULL;
    SH_TRY(choose(c, a, p, &h));
    maker_init(&m, a);
    m.help = h;
    select_page(&m, p, match);
    sh_err err = prepare(c, &m, &st);
    if (err == SH_OK) {
        err = read_page(st, p, o->ar, o->found);
    }
    (void)sqlite3_finalize(st);
    if (err == SH_OK && p->want_total) {
        err = count_all(c, a, p, &h, match, &o->found->total);
    }
    maker_fini(&m, a);
    return err;
}

sh_err record_sql_list(void *self, const struct sh_record_plan *p, struct sh_arena *ar,
                       struct sh_record_found *out)
{
    struct record_sql *s = self;
    const struct sh_alloc *a = s->env->alloc;
    struct sh_buf match;
    struct sh_record_found found = {.total = p->want_total ? 0 : -1};
    struct list_out o = {.ar = ar, .found = &found};
    bool any = true;
    sh_err err = SH_OK;

    sh_buf_init(&match, a, MAX_SQL);
    if (p->search.n > 0) {
        err = record_match(&match, p->tenant, p->type, p->search, &any);
    }
    if (err == SH_OK && any) {
        struct record_conn *c = record_sql_lend(s);
        err = record_sql_exec(c->db, "BEGIN");
        if (err == SH_OK) {
            err = list(c, a, p, sh_buf_str(&match), &o);
            (void)record_sql_exec(c->db, "COMMIT"); /* it only read */
        }
        record_sql_return(s, c);
    }
    sh_buf_fini(&match);
    if (err == SH_OK) {
        *out = found;
    }
    return err;
}
