/* table.c - virtual tables whose rows are made a page at a time. A scan holds one page: cells and
 * their texts in an arena that is emptied before the next page. Equality on a key column is handed
 * to the table; SQLite checks it again, so a table may give too much but never too little.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_int.h"

struct vtab {
    sqlite3_vtab base;
    struct sh_sql_query *q;
    const struct sql_table *t;
};
/* What a module is registered with; lives in the query's arena. */
struct aux {
    struct sh_sql_query *q;
    const struct sql_table *t;
};

struct sql_cell *sql_row(struct sql_scan *s)
{
    if (s->nrows == s->cap) {
        const size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct sql_cell *cells = sh_arena_array(s->arena, cap * s->t->ncols, sizeof *cells);
        if (cells == NULL) {
            return NULL;
        }
        if (s->nrows > 0) {
            memcpy(cells, s->cells, s->nrows * s->t->ncols * sizeof *cells);
        }
        s->cells = cells;
        s->cap = cap;
    }
    struct sql_cell *row = s->cells + s->nrows * s->t->ncols;
    memset(row, 0, s->t->ncols * sizeof *row);
    s->nrows++;
    return row;
}

void sql_put_text(struct sql_scan *s, struct sql_cell *c, struct sh_str v)
{
    if (v.n > 0) {
        c->text = sh_arena_str(s->arena, v);
        c->type = c->text.p == NULL ? SH_SQL_NULL : SH_SQL_TEXT;
    }
}

void sql_put_i64(struct sql_cell *c, int64_t v)
{
    c->type = SH_SQL_INT;
    c->i64 = v;
}

void sql_put_time(struct sql_cell *c, int64_t us)
{
    c->type = SH_SQL_TIME;
    c->i64 = us;
}

static void put_blob(struct sql_scan *s, struct sql_cell *c, struct sh_bytes b)
{
    struct sh_buf t;
    sh_buf_init(&t, s->q->sql->o.env->alloc, 2 * b.n + 8);
    if (sh_base64_put(&t, b, false) == SH_OK) {
        sql_put_text(s, c, sh_buf_str(&t));
    }
    sh_buf_fini(&t);
}

void sql_put_sample(struct sql_scan *s, struct sql_cell *value, struct sql_cell *text,
                    enum sh_type type, union sh_cell v, const uint8_t *bytes)
{
    switch (type) {
    case SH_T_BOOL:
        sql_put_i64(value, v.bits != 0 ? 1 : 0);
        break;
    case SH_T_I64:
        sql_put_i64(value, v.i64);
        break;
    case SH_T_F64:
        value->type = SH_SQL_REAL;
        value->f64 = v.f64;
        break;
    case SH_T_TEXT:
        text->type = SH_SQL_TEXT;
        text->text =
            v.span.len == 0
                ? SH_STR("")
                : sh_arena_str(s->arena, sh_str_of((const char *)bytes + v.span.off, v.span.len));
        text->type = text->text.p == NULL ? SH_SQL_NULL : SH_SQL_TEXT;
        break;
    case SH_T_BLOB:
        put_blob(s, text, sh_bytes_of(bytes + v.span.off, v.span.len));
        break;
    default:
        break;
    }
}

sh_err sql_charge(struct sh_sql_query *q, int64_t *held, int64_t now)
{
    const long long all = atomic_fetch_add(&q->sql->held, now - *held) + now - *held;
    *held = now;
    if ((uint64_t)(all < 0 ? 0 : all) > q->sql->o.mem_bytes) {
        sql_fault(q, SH_E_LIMIT, "53200", SH_STR("the rows of this query need too much memory"),
                  SH_STR("该查询占用内存过多"));
        return SH_E_LIMIT;
    }
    return SH_OK;
}

void sql_discharge(struct sh_sql_query *q, int64_t *held)
{
    (void)atomic_fetch_sub(&q->sql->held, *held);
    *held = 0;
}

/* ---- SQLite's side ---- */

static int connect(sqlite3 *db, void *ctx, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **why)
{
    SH_UNUSED(argc);
    SH_UNUSED(argv);
    const struct aux *a = ctx;
    if (!sql_may(a->q, a->t->permission)) {
        sql_fault(a->q, SH_E_DENIED, "42501",
                  sql_print(a->q, "reading %s needs the permission %s", a->t->name,
                            sh_permission_info(a->t->permission)->name),
                  sql_print(a->q, "读取 %s 需要权限 %s", a->t->name,
                            sh_permission_info(a->t->permission)->name));
        *why = sqlite3_mprintf("denied");
        return SQLITE_ERROR;
    }
    const int rc = sql_declare(a->q, db, a->t->schema);
    struct vtab *v = rc == SQLITE_OK ? sqlite3_malloc(sizeof *v) : NULL;
    if (v == NULL) {
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    }
    *v = (struct vtab){.q = a->q, .t = a->t};
    *out = &v->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *vt)
{
    sqlite3_free(vt);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *vt, sqlite3_index_info *info)
{
    const struct vtab *v = (const struct vtab *)vt;
    int n = 0;
    info->estimatedCost = 1000000;
    info->estimatedRows = 100000;
    for (int k = 0; k < SQL_KEYS && v->t->keys[k] >= 0; k++) {
        for (int i = 0; i < info->nConstraint; i++) {
            if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == v->t->keys[k] &&
                info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
                info->aConstraintUsage[i].argvIndex = ++n;
                info->idxNum |= 1 << k;
                info->estimatedCost /= 500;
                info->estimatedRows = info->estimatedRows / 500 + 1;
                break;
            }
        }
    }
    return SQLITE_OK;
}

static int open_scan(sqlite3_vtab *vt, sqlite3_vtab_cursor **out)
{
    const struct vtab *v = (const struct vtab *)vt;
    const struct sh_alloc *alloc = v->q->sql->o.env->alloc;
    struct sql_scan *s = sh_mem_new(alloc, sizeof *s);
    if (s == NULL) {
        return SQLITE_NOMEM;
    }
    s->q = v->q;
    s->t = v->t;
    s->arena = sh_arena_new(alloc, SQL_SCAN_MAX);
    sh_buf_init(&s->keys, alloc, 1 << 20);
    sh_buf_init(&s->next, alloc, 64 << 10);
    if (s->arena == NULL) {
        sh_mem_free(alloc, s);
        return SQLITE_NOMEM;
    }
    *out = &s->base;
    return SQLITE_OK;
}

static int close_scan(sqlite3_vtab_cursor *c)
{
    struct sql_scan *s = (struct sql_scan *)c;
    sql_discharge(s->q, &s->held);
    sh_arena_free(s->arena);
    sh_buf_fini(&s->keys);
    sh_buf_fini(&s->next);
    sh_mem_free(s->q->sql->o.env->alloc, s);
    return SQLITE_OK;
}

static int vtab_error(struct sql_scan *s, sh_err err)
{
    if (err == SH_E_NOMEM) {
        return SQLITE_NOMEM;
    }
    sql_fault(s->q, err, err == SH_E_LIMIT ? "53200" : "58030",
              sql_print(s->q, "%s cannot be read: %s", s->t->name, sh_err_name(err)),
              sql_print(s->q, "读取 %s 失败：%s", s->t->name, sh_err_name(err)));
    return SQLITE_ERROR;
}

static int next_page(struct sql_scan *s)
{
    do {
        sh_arena_reset(s->arena);
        s->cells = NULL;
        s->nrows = 0;
        s->cap = 0;
        s->at = 0;
        s->more = false;
        sh_err err = s->t->page(s);
        err = err != SH_OK ? err : sql_charge(s->q, &s->held, (int64_t)sh_arena_used(s->arena));
        if (err != SH_OK) {
            return vtab_error(s, err);
        }
    } while (s->nrows == 0 && s->more && !sql_stopped(s->q));
    return s->nrows == 0 && s->more ? SQLITE_INTERRUPT : SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *c, int plan, const char *words, int argc,
                  sqlite3_value **argv)
{
    SH_UNUSED(words);
    struct sql_scan *s = (struct sql_scan *)c;
    size_t at[SQL_KEYS] = {0};
    int arg = 0;
    sh_buf_clear(&s->keys);
    sh_buf_clear(&s->next);
    s->pos = 0;
    s->rowid = 0;
    for (int k = 0; k < SQL_KEYS; k++) {
        s->key[k] = (struct sh_str){NULL, 0};
        if ((plan & (1 << k)) == 0 || arg >= argc) {
            continue;
        }
        const struct sh_str v = sql_value_text(argv[arg++]);
        at[k] = s->keys.n;
        s->key[k] = (struct sh_str){"", v.n};
        if (sh_buf_put_str(&s->keys, v) != SH_OK) {
            return SQLITE_TOOBIG;
        }
    }
    for (int k = 0; k < SQL_KEYS; k++) {
        if (s->key[k].p != NULL && s->key[k].n > 0) {
            s->key[k].p = (const char *)s->keys.p + at[k];
        }
    }
    return next_page(s);
}

static int next_row(sqlite3_vtab_cursor *c)
{
    struct sql_scan *s = (struct sql_scan *)c;
    s->at++;
    s->rowid++;
    return s->at >= s->nrows && s->more ? next_page(s) : SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *c)
{
    const struct sql_scan *s = (const struct sql_scan *)c;
    return s->at >= s->nrows;
}

static int column(sqlite3_vtab_cursor *c, sqlite3_context *out, int i)
{
    const struct sql_scan *s = (const struct sql_scan *)c;
    const struct sql_cell *v = s->cells + s->at * s->t->ncols + i;
    switch (v->type) {
    case SH_SQL_INT:
        sqlite3_result_int64(out, v->i64);
        break;
    case SH_SQL_REAL:
        sqlite3_result_double(out, v->f64);
        break;
    case SH_SQL_TIME:
        sql_result_time(out, v->i64);
        break;
    case SH_SQL_TEXT:
        sqlite3_result_text64(out, v->text.p, v->text.n, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case SH_SQL_NULL:
    case SH_SQL_BOOL:
    default:
        sqlite3_result_null(out);
        break;
    }
    return SQLITE_OK;
}

static int rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out)
{
    *out = ((const struct sql_scan *)c)->rowid;
    return SQLITE_OK;
}

int sql_table_add(struct sh_sql_query *q, const struct sql_table *t)
{
    /* xCreate == NULL: there without CREATE, and CREATE is not possible. */
    static const sqlite3_module module = {
        .iVersion = 1,
        .xConnect = connect,
        .xBestIndex = best_index,
        .xDisconnect = disconnect,
        .xDestroy = disconnect,
        .xOpen = open_scan,
        .xClose = close_scan,
        .xFilter = filter,
        .xNext = next_row,
        .xEof = at_end,
        .xColumn = column,
        .xRowid = rowid,
    };
    struct aux *a = sh_arena_get(q->arena, sizeof *a);
    if (a == NULL) {
        return SQLITE_NOMEM;
    }
    *a = (struct aux){q, t};
    return sqlite3_create_module_v2(q->db, t->name, &module, a, NULL);
}
