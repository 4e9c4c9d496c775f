/* sql.c - the engine: a connection for each query, its limits, steps and cells.
 *
 * A query: prepared (translated, tables made, authorizer locked) -> bound -> stepped -> ended.
 * Invariants
 * 1. The connection is in memory and holds nothing; temporary storage is memory too. So nothing is
 *    written to the disk.
 * 2. After `locked` only SELECT from our tables with our functions is possible (allow.c).
 * 3. Every 50 steps of SQLite's machine the deadline, the cancel flag and the memory are looked at.
 *    SQLite counts its memory for the process, so the limit is on what it grew since the first of
 *    the open queries began: all of them share it, and none can pass it by more than 50 values.
 * 4. Rows of the virtual tables are counted in `held` against the same limit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"
#include "sql_int.h"

enum {
    ARENA_MAX = 64 << 20,
    OPEN_MAX = 32,
    STEPS_BETWEEN = 50,
    MACHINE_MAX = 100000, /* instructions of one statement */
    SAMPLE_ROWS = 100,
};
#define MEM_MAX (UINT64_C(256) << 20)
#define DEADLINE_US INT64_C(30000000)

/* ---- the engine ---- */

sh_err sh_sql_open(const struct sh_sql_options *o, struct sh_sql **out)
{
    struct sh_sql *s = sh_mem_new(o->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->o = *o;
    s->o.max_open = o->max_open == 0 ? OPEN_MAX : o->max_open;
    s->o.mem_bytes = o->mem_bytes == 0 ? MEM_MAX : o->mem_bytes;
    s->o.deadline_us = o->deadline_us == 0 ? DEADLINE_US : o->deadline_us;
    sh_mutex_init(&s->lock);
    *out = s;
    return SH_OK;
}

void sh_sql_close(struct sh_sql *s)
{
    if (s != NULL) {
        SH_ASSERT(s->open == 0);
        sh_mutex_fini(&s->lock);
        sh_mem_free(s->o.env->alloc, s);
    }
}

void sh_sql_stats(struct sh_sql *s, struct sh_sql_stats *out)
{
    sh_mutex_lock(&s->lock);
    out->open = s->open;
    sh_mutex_unlock(&s->lock);
    out->queries = atomic_load(&s->queries);
    out->rows = atomic_load(&s->rows);
    out->refused = atomic_load(&s->refused);
    out->busy = atomic_load(&s->busy);
    out->limited = atomic_load(&s->limited);
    out->timeouts = atomic_load(&s->timeouts);
    out->canceled = atomic_load(&s->canceled);
}

static bool slot_take(struct sh_sql *s)
{
    sh_mutex_lock(&s->lock);
    const bool ok = s->open < s->o.max_open;
    if (ok && s->open++ == 0) {
        s->floor = sqlite3_memory_used();
    }
    sh_mutex_unlock(&s->lock);
    return ok;
}

static void slot_give(struct sh_sql *s)
{
    sh_mutex_lock(&s->lock);
    s->open--;
    sh_mutex_unlock(&s->lock);
}

/* ---- a connection ---- */

bool sql_stopped(struct sh_sql_query *q)
{
    return atomic_load_explicit(&q->cancel, memory_order_relaxed) ||
           sh_mono_us(q->sql->o.env->clock) > q->deadline_us;
}

static int progress(void *ctx)
{
    struct sh_sql_query *q = ctx;
    const struct sh_sql *s = q->sql;
    if (sql_stopped(q)) {
        return 1;
    }
    const int64_t grown = sqlite3_memory_used() - s->floor + atomic_load(&s->held);
    if (grown > 0 && (uint64_t)grown > s->o.mem_bytes) {
        sql_fault(q, SH_E_LIMIT, "53200", SH_STR("the query needs too much memory"),
                  SH_STR("查询占用内存过多"));
        sql_remedy(q, "Sort or group less, ask for a shorter range.",
                   "请减少排序或分组的数据，或缩短时间范围。");
        return 1;
    }
    return 0;
}

static void set_limits(sqlite3 *db)
{
    static const struct {
        int what;
        int most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, SH_SQL_CELL_MAX},
        {SQLITE_LIMIT_SQL_LENGTH, 8 * SH_SQL_TEXT_MAX},
        {SQLITE_LIMIT_COLUMN, SH_SQL_COLUMNS_MAX},
        {SQLITE_LIMIT_EXPR_DEPTH, 200},
        {SQLITE_LIMIT_COMPOUND_SELECT, 50},
        {SQLITE_LIMIT_VDBE_OP, MACHINE_MAX},
        {SQLITE_LIMIT_FUNCTION_ARG, 100},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
        {SQLITE_LIMIT_VARIABLE_NUMBER, SH_SQL_PARAMETERS_MAX},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 0},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        (void)sqlite3_limit(db, limits[i].what, limits[i].most);
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
}

/* SQLite's own virtual tables declare themselves when they are first named, which the locked
 * authorizer would refuse: these two are named before. */
static int json_tables(struct sh_sql_query *q)
{
    static const char *const names[] = {"json_each", "json_tree"};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < 2 && rc == SQLITE_OK; i++) {
        if (strstr(q->text.sql.p, names[i]) != NULL) {
            char text[64];
            sqlite3_stmt *s = NULL;
            (void)sqlite3_snprintf((int)sizeof text, text, "SELECT 1 FROM %s('1')", names[i]);
            rc = sqlite3_prepare_v2(q->db, text, -1, &s, NULL);
            (void)sqlite3_finalize(s);
        }
    }
    return rc;
}

static int connect(struct sh_sql_query *q)
{
    int rc = sqlite3_open_v2(":memory:", &q->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                                 SQLITE_OPEN_NOMUTEX,
                             NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    set_limits(q->db);
    (void)sqlite3_set_authorizer(q->db, sql_authorize, q);
    sqlite3_progress_handler(q->db, STEPS_BETWEEN, progress, q);
    rc = sqlite3_exec(q->db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? sql_time_functions_add(q) : rc;
    rc = rc == SQLITE_OK ? sql_functions_add(q) : rc;
    for (size_t i = 0; sql_tables[i] != NULL && rc == SQLITE_OK; i++) {
        rc = sql_table_add(q, sql_tables[i]);
    }
    rc = rc == SQLITE_OK ? sql_history_add(q) : rc;
    rc = rc == SQLITE_OK ? json_tables(q) : rc;
    rc = rc == SQLITE_OK ? sql_catalog_add(q) : rc;
    return rc == SQLITE_OK ? sql_views_add(q) : rc;
}

static int compile(struct sh_sql_query *q)
{
    int rc = connect(q);
    q->locked = true;
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v3(q->db, q->text.sql.p, (int)q->text.sql.n + 1, 0, &q->stmt, NULL);
    }
    if (rc == SQLITE_OK && (q->stmt == NULL || sqlite3_stmt_readonly(q->stmt) == 0 ||
                            sqlite3_column_count(q->stmt) == 0)) {
        sql_fault(q, SH_E_DENIED, "25006", SH_STR("only SELECT is possible: SQL here is read-only"),
                  SH_STR("只能执行 SELECT：此处的 SQL 为只读"));
        rc = SQLITE_AUTH;
    }
    if (rc == SQLITE_OK) {
        q->first = sh_arena_get(q->arena, (size_t)sqlite3_column_count(q->stmt));
        rc = q->first == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    return rc;
}

void sh_sql_again(struct sh_sql_query *q)
{
    q->deadline_us = sh_mono_us(q->sql->o.env->clock) + q->sql->o.deadline_us;
}

static struct sh_sql_query *query_new(struct sh_sql *s, const struct sh_sql_caller *c)
{
    struct sh_arena *arena = sh_arena_new(s->o.env->alloc, ARENA_MAX);
    struct sh_sql_query *q = arena == NULL ? NULL : sh_arena_get(arena, sizeof *q);
    if (q == NULL) {
        sh_arena_free(arena);
        return NULL;
    }
    q->sql = s;
    q->arena = arena;
    q->caller = *c;
    q->caller.user = sh_arena_str(arena, c->user);
    q->started_us = sh_wall_us(s->o.env->clock);
    sh_sql_again(q);
    return q;
}

sh_err sh_sql_prepare(struct sh_sql *s, const struct sh_sql_caller *c, struct sh_str text,
                      struct sh_sql_query **out, size_t *used, struct sh_sql_fault *f)
{
    *out = NULL;
    *f = (struct sh_sql_fault){.err = SH_OK};
    if (!slot_take(s)) {
        (void)atomic_fetch_add(&s->busy, 1);
        sql_fault_set(f, SH_E_BUSY, "53300", "too many SQL queries are open",
                      "同时打开的 SQL 查询过多");
        return SH_E_BUSY;
    }
    struct sh_sql_query *q = query_new(s, c);
    if (q == NULL) {
        slot_give(s);
        sql_fault_set(f, SH_E_NOMEM, "53200", "no memory", "内存不足");
        return SH_E_NOMEM;
    }
    sh_err err = sql_rewrite(q->arena, text, &q->text, f);
    *used = q->text.used;
    if (err != SH_OK) {
        (void)atomic_fetch_add(&s->refused, 1);
    } else if (q->text.sql.n > 0) {
        (void)atomic_fetch_add(&s->queries, 1);
        const int rc = compile(q);
        if (rc == SQLITE_OK) {
            q->fault.err = SH_OK; /* of a plan that was not chosen */
            *out = q;
            return SH_OK;
        }
        sql_fault_of(q, rc, f);
        err = f->err;
    }
    sh_sql_end(q);
    return err;
}

void sh_sql_end(struct sh_sql_query *q)
{
    if (q == NULL) {
        return;
    }
    struct sh_sql *s = q->sql;
    (void)sqlite3_finalize(q->stmt);
    (void)sqlite3_close(q->db);
    sql_regexp_free(q);
    sh_arena_free(q->arena);
    slot_give(s);
}

void sh_sql_cancel(struct sh_sql_query *q)
{
    atomic_store(&q->cancel, true);
}

/* ---- parameters ---- */

static sh_err bound(int rc)
{
    if (rc == SQLITE_OK) {
        return SH_OK;
    }
    return rc == SQLITE_NOMEM ? SH_E_NOMEM : (rc == SQLITE_TOOBIG ? SH_E_LIMIT : SH_E_INVAL);
}

unsigned sh_sql_parameters(const struct sh_sql_query *q)
{
    return (unsigned)sqlite3_bind_parameter_count(q->stmt);
}

sh_err sh_sql_bind_i64(struct sh_sql_query *q, unsigned n, int64_t v)
{
    return bound(sqlite3_bind_int64(q->stmt, (int)n, v));
}

sh_err sh_sql_bind_f64(struct sh_sql_query *q, unsigned n, double v)
{
    return bound(sqlite3_bind_double(q->stmt, (int)n, v));
}

sh_err sh_sql_bind_text(struct sh_sql_query *q, unsigned n, struct sh_str v)
{
    return bound(sqlite3_bind_text64(q->stmt, (int)n, v.n == 0 ? "" : v.p, v.n, SQLITE_TRANSIENT,
                                     SQLITE_UTF8));
}

/* ---- columns and rows ---- */

const char *sh_sql_type_name(enum sh_sql_type t)
{
    static const char *const names[] = {"null", "integer", "number", "text", "time", "boolean"};
    return names[t];
}

unsigned sh_sql_columns(const struct sh_sql_query *q)
{
    return (unsigned)sqlite3_column_count(q->stmt);
}

struct sh_str sh_sql_column_name(const struct sh_sql_query *q, unsigned i)
{
    return sh_str_c(sqlite3_column_name(q->stmt, (int)i));
}

enum sh_sql_type sh_sql_column_type(const struct sh_sql_query *q, unsigned i)
{
    static const struct {
        const char *name;
        enum sh_sql_type type;
    } types[] = {
        {"TEXT", SH_SQL_TEXT}, {"INTEGER", SH_SQL_INT},   {"NUMERIC", SH_SQL_REAL},
        {"REAL", SH_SQL_REAL}, {"TIMETEXT", SH_SQL_TIME}, {"BOOLEAN", SH_SQL_BOOL},
    };
    const char *declared = sqlite3_column_decltype(q->stmt, (int)i);
    for (size_t k = 0; declared != NULL && k < sizeof types / sizeof types[0]; k++) {
        if (strcmp(declared, types[k].name) == 0) {
            return types[k].type;
        }
    }
    return (enum sh_sql_type)q->first[i];
}

void sh_sql_cell(struct sh_sql_query *q, unsigned i, struct sh_sql_cell *out)
{
    *out = (struct sh_sql_cell){.type = SH_SQL_NULL};
    switch (sqlite3_column_type(q->stmt, (int)i)) {
    case SQLITE_INTEGER:
        out->type = SH_SQL_INT;
        out->i64 = sqlite3_column_int64(q->stmt, (int)i);
        out->f64 = (double)out->i64;
        break;
    case SQLITE_FLOAT:
        out->type = SH_SQL_REAL;
        out->f64 = sqlite3_column_double(q->stmt, (int)i);
        break;
    case SQLITE_TEXT:
    case SQLITE_BLOB:
        out->type = SH_SQL_TEXT;
        out->text.p = (const char *)sqlite3_column_text(q->stmt, (int)i);
        out->text.n = (size_t)sqlite3_column_bytes(q->stmt, (int)i);
        if (out->text.p == NULL) {
            out->text = SH_STR("");
        }
        break;
    default:
        break;
    }
}

/* The form in which time columns are written: a computed text of that form is a time too. */
static bool looks_like_time(struct sh_str s)
{
    int64_t us = 0;
    char t[SH_TIME_CHARS];
    return s.n >= 20 && s.p[10] == 'T' && s.p[s.n - 1] == 'Z' &&
           sh_sql_time_parse(s, &us) == SH_OK && sh_time_print(us, t) == s.n &&
           memcmp(t, s.p, s.n) == 0;
}

/* Types of the row for columns that are not known yet. True: some still are not. */
static bool note_types(struct sh_sql_query *q)
{
    bool unknown = false;
    for (unsigned i = 0; i < sh_sql_columns(q); i++) {
        struct sh_sql_cell c;
        if (sh_sql_column_type(q, i) != SH_SQL_NULL) {
            continue;
        }
        sh_sql_cell(q, i, &c);
        q->first[i] =
            (uint8_t)(c.type == SH_SQL_TEXT && looks_like_time(c.text) ? SH_SQL_TIME : c.type);
        unknown = unknown || c.type == SH_SQL_NULL;
    }
    return unknown;
}

/* The first row. Where a computed column is NULL in it, rows behind it say its type, and the query
 * begins anew. */
static int first_row(struct sh_sql_query *q)
{
    int rc = sqlite3_step(q->stmt);
    if (rc != SQLITE_ROW || !note_types(q)) {
        return rc;
    }
    for (int n = 1; n < SAMPLE_ROWS && rc == SQLITE_ROW; n++) {
        rc = sqlite3_step(q->stmt);
        if (rc == SQLITE_ROW && !note_types(q)) {
            break;
        }
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return rc;
    }
    rc = sqlite3_reset(q->stmt);
    return rc == SQLITE_OK ? sqlite3_step(q->stmt) : rc;
}

sh_err sh_sql_step(struct sh_sql_query *q, struct sh_sql_fault *f)
{
    if (q->done) {
        return SH_E_NOTFOUND;
    }
    const int rc = q->have_row ? sqlite3_step(q->stmt) : first_row(q);
    if (rc == SQLITE_ROW) {
        q->have_row = true;
        (void)atomic_fetch_add_explicit(&q->sql->rows, 1, memory_order_relaxed);
        return SH_OK;
    }
    q->done = true;
    if (rc == SQLITE_DONE) {
        return SH_E_NOTFOUND;
    }
    sql_fault_of(q, rc, f);
    return f->err;
}
