/* sql_int.h - inside the SQL engine: a query, the rows of a virtual table, the words of faults.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_INT_H
#define SH_SQL_INT_H

#include <stdatomic.h>

#include <sqlite3.h>

#include <sh/sql.h>

#include "rewrite.h"

enum {
    SQL_KEYS = 3,           /* columns of a table by which it is looked up */
    SQL_SCAN_MAX = 96 << 20 /* bytes that one page of rows may hold */
};

struct sh_sql {
    struct sh_sql_options o;
    struct sh_mutex lock;
    uint32_t open;
    int64_t floor;     /* SQLite's memory when the first open query began */
    atomic_llong held; /* bytes of rows in the virtual tables */
    atomic_ullong queries, rows, refused, busy, limited, timeouts, canceled;
};

struct sh_sql_query {
    struct sh_sql *sql;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    struct sh_arena *arena;
    struct sh_sql_caller caller;
    struct sql_rewritten text;
    atomic_bool cancel;
    int64_t deadline_us; /* monotonic */
    int64_t started_us;  /* wall: what now() says */
    bool locked;         /* set up: the authorizer decides from now on */
    bool have_row;
    bool done;
    uint8_t *first;            /* type of each column in the first rows */
    struct sh_sql_fault fault; /* of a virtual table or function; err == SH_OK: none */
    void *regexp;              /* the last compiled pattern */
};

/* ---- faults (fault.c) ---- */

/* Keeps the first one. Formats with the same arguments in both languages. */
void sql_fault(struct sh_sql_query *q, sh_err err, const char *state, struct sh_str en,
               struct sh_str zh);
void sql_remedy(struct sh_sql_query *q, const char *en, const char *zh);
void sql_fault_set(struct sh_sql_fault *f, sh_err err, const char *state, const char *en,
                   const char *zh);
/* What SQLite said after a failed prepare or step, in our words. */
void sql_fault_of(struct sh_sql_query *q, int rc, struct sh_sql_fault *f);
struct sh_str sql_print(struct sh_sql_query *q, const char *fmt, ...) SH_PRINTF(2, 3);

/* Canceled, or its time is over: a table answers SQLITE_INTERRUPT then, never fewer rows. */
bool sql_stopped(struct sh_sql_query *q);

/* ---- rights ---- */

/* May the caller read what needs this permission, at least for a part of the plant? The rows are
 * then asked for one by one. */
bool sql_may(struct sh_sql_query *q, enum sh_permission p);
/* False for a caller that is bound to another device, or whose right is for another part. */
bool sql_sees(struct sh_sql_query *q, enum sh_permission p, struct sh_str device);
/* Does what the caller reads by `p` show what is of this class? Values that it does not are NULL;
 * of a point, device says where it lies. */
bool sql_clear(struct sh_sql_query *q, enum sh_permission p, struct sh_data_class c,
               struct sh_str device);
bool sql_clear_point(struct sh_sql_query *q, enum sh_permission p, const struct sh_point *pt);
/* Is this id what its name means now, in the caller's tenant and for its eyes? */
bool sql_point_shows(struct sh_sql_query *q, enum sh_permission perm, const struct sh_point *p);
/* sqlite3_declare_vtab, which the authorizer is not asked about. */
int sql_declare(struct sh_sql_query *q, sqlite3 *db, const char *schema);
int sql_authorize(void *ctx, int action, const char *a, const char *b, const char *db,
                  const char *trigger);

/* ---- time (time.c) and functions (func.c) ---- */

int sql_time_collate(void *ctx, int na, const void *a, int nb, const void *b);
/* A bound value or literal as a time. False: it is none. NULL is for the caller to look at. */
bool sql_time_value(sqlite3_value *v, int64_t *us);
int sql_functions_add(struct sh_sql_query *q);
int sql_time_functions_add(struct sh_sql_query *q);
void sql_regexp_free(struct sh_sql_query *q);
void sql_result_time(sqlite3_context *c, int64_t us);
struct sh_str sql_value_text(sqlite3_value *v);

/* ---- virtual tables of rows (table.c) ---- */

struct sql_cell {
    enum sh_sql_type type; /* NULL, INT, REAL, TEXT (text in the scan's arena), TIME (i64) */
    union {
        int64_t i64;
        double f64;
        struct sh_str text;
    };
};

struct sql_scan;
struct sql_table {
    const char *name;
    const char *schema; /* for sqlite3_declare_vtab */
    enum sh_permission permission;
    unsigned ncols;
    signed char keys[SQL_KEYS]; /* column numbers; -1 = no more */
    /* Adds rows, at least one unless there are no more; sets scan->more when it wants to be called
     * again. */
    sh_err (*page)(struct sql_scan *s);
};
struct sql_scan {
    sqlite3_vtab_cursor base;
    struct sh_sql_query *q;
    const struct sql_table *t;
    struct sh_arena *arena;
    struct sql_cell *cells;
    size_t nrows, cap, at;
    struct sh_str key[SQL_KEYS]; /* p == NULL: not given */
    struct sh_buf keys;          /* holds them */
    struct sh_buf next;          /* the page function's own: where it goes on */
    uint64_t pos;                /* the same */
    bool more;
    sqlite3_int64 rowid;
    int64_t held;
};
/* New row of NULLs, or NULL without memory. */
struct sql_cell *sql_row(struct sql_scan *s);
void sql_put_text(struct sql_scan *s, struct sql_cell *c, struct sh_str v); /* empty = NULL */
void sql_put_i64(struct sql_cell *c, int64_t v);
void sql_put_time(struct sql_cell *c, int64_t us);
/* A sample's value: number or NULL into `value`, words into `text`. */
void sql_put_sample(struct sql_scan *s, struct sql_cell *value, struct sql_cell *text,
                    enum sh_type type, union sh_cell v, const uint8_t *bytes);
int sql_table_add(struct sh_sql_query *q, const struct sql_table *t);
/* Rows now hold `now` bytes. SH_E_LIMIT with a fault. */
SH_MUST_CHECK sh_err sql_charge(struct sh_sql_query *q, int64_t *held, int64_t now);
void sql_discharge(struct sh_sql_query *q, int64_t *held);

extern const struct sql_table *const sql_tables[]; /* ended by NULL */
extern const struct sql_table sql_points_table, sql_latest_table, sql_devices_table,
    sql_things_table, sql_assets_table, sql_records_table;
/* history.c: its own module, because of time, step and aggregate. */
extern const char sql_history_schema[];
int sql_history_add(struct sh_sql_query *q);
/* types.c: views r_<type> for the types that the text names. */
int sql_views_add(struct sh_sql_query *q);

#endif /* SH_SQL_INT_H */
