/* sql.h - SQL over points and records, read-only, for one caller.
 *
 * A query has a SQLite connection of its own, in memory and empty: all that it can read are virtual
 * tables over the catalogue, history, the twins and the record store, which show what the caller
 * may see (docs/sql.md). Some words of PostgreSQL are translated before (rewrite.c).
 *
 * Threads: any; a query belongs to one thread at a time, only sh_sql_cancel may come from another.
 * Everything here may block: workers only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_H
#define SH_SQL_H

#include <sh/guard.h>
#include <sh/history.h>
#include <sh/point.h>
#include <sh/record.h>
#include <sh/twin.h>

struct sh_sql;
struct sh_sql_query;

enum {
    SH_SQL_TEXT_MAX = 128 << 10, /* bytes of a statement */
    SH_SQL_CELL_MAX = 2 << 20,   /* bytes of one value */
    SH_SQL_COLUMNS_MAX = 256,
    SH_SQL_PARAMETERS_MAX = 1000
};

/* Zero members mean the default in brackets. All but env are borrowed for life. */
struct sh_sql_options {
    const struct sh_env *env;
    struct sh_guard *guard;
    struct sh_record *record;
    struct sh_twin *twin;
    struct sh_points *points;
    struct sh_latest *latest;
    struct sh_history *history;
    uint32_t max_open;   /* queries at once [32]; SH_E_BUSY beyond */
    uint64_t mem_bytes;  /* of all open queries together [256 MiB]; SH_E_LIMIT beyond */
    int64_t deadline_us; /* of one query's work [30 s]; SH_E_TIMEOUT beyond */
};
SH_MUST_CHECK sh_err sh_sql_open(const struct sh_sql_options *o, struct sh_sql **out);
/* No query may be open. NULL is accepted. */
void sh_sql_close(struct sh_sql *s);

/* Why a query was refused. */
struct sh_sql_fault {
    sh_err err;
    char state[6]; /* SQLSTATE */
    uint32_t at;   /* 1-based byte in the text as it was given; 0 = nowhere in particular */
    char en[320];  /* what is wrong */
    char zh[320];
    char remedy_en[240]; /* may be empty */
    char remedy_zh[240];
};

struct sh_sql_caller {
    struct sh_principal who;
    uint32_t tenant;    /* whose data: its own or one below */
    struct sh_str user; /* for current_user; borrowed for sh_sql_prepare */
    bool limited;       /* and nothing beyond `most` is shown, whatever the caller's roles are */
    sh_clearance most;
};

/* Prepares the first statement of `text`. *used: how many bytes of text it took (what follows is
 * the next statement). *out is NULL when there was only white space. On an error f says why:
 * SH_E_INVAL (syntax, names), SH_E_DENIED, SH_E_UNSUPPORTED, SH_E_LIMIT, SH_E_BUSY, SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_sql_prepare(struct sh_sql *s, const struct sh_sql_caller *c,
                                    struct sh_str text, struct sh_sql_query **out, size_t *used,
                                    struct sh_sql_fault *f);
void sh_sql_end(struct sh_sql_query *q); /* NULL is accepted */
/* Any thread, while the query is open: the step that runs ends with SH_E_CANCELED. */
void sh_sql_cancel(struct sh_sql_query *q);

/* Parameters are ?1.. or $1.., counted from 1; what is not bound is NULL. The bytes are copied. */
unsigned sh_sql_parameters(const struct sh_sql_query *q);
SH_MUST_CHECK sh_err sh_sql_bind_i64(struct sh_sql_query *q, unsigned n, int64_t v);
SH_MUST_CHECK sh_err sh_sql_bind_f64(struct sh_sql_query *q, unsigned n, double v);
SH_MUST_CHECK sh_err sh_sql_bind_text(struct sh_sql_query *q, unsigned n, struct sh_str v);

enum sh_sql_type { SH_SQL_NULL, SH_SQL_INT, SH_SQL_REAL, SH_SQL_TEXT, SH_SQL_TIME, SH_SQL_BOOL };
const char *sh_sql_type_name(enum sh_sql_type t); /* "integer", "number", "text", "time", ... */

unsigned sh_sql_columns(const struct sh_sql_query *q);
struct sh_str sh_sql_column_name(const struct sh_sql_query *q, unsigned i);
/* Declared type of the column, else that of the first row, once there was one (of the first 100
 * rows, the first that is not NULL); SH_SQL_NULL: not known (yet). Columns of `value` are
 * SH_SQL_REAL though an integer point gives integers. */
enum sh_sql_type sh_sql_column_type(const struct sh_sql_query *q, unsigned i);

struct sh_sql_cell {
    enum sh_sql_type type; /* NULL, INT, REAL or TEXT */
    int64_t i64;
    double f64;
    struct sh_str text; /* TEXT; until the next step */
};
/* SH_OK: there is a row. SH_E_NOTFOUND: no more. Else f says why. */
SH_MUST_CHECK sh_err sh_sql_step(struct sh_sql_query *q, struct sh_sql_fault *f);
void sh_sql_cell(struct sh_sql_query *q, unsigned i, struct sh_sql_cell *out);
/* The deadline begins anew: a client fetches the next portion of rows. */
void sh_sql_again(struct sh_sql_query *q);

/* A time as SQL takes it everywhere: RFC 3339; a date, or date and time with a blank or T, with an
 * offset (Z, +08, +08:00) or UTC; or integer milliseconds. SH_E_INVAL. */
SH_MUST_CHECK sh_err sh_sql_time_parse(struct sh_str s, int64_t *us);

struct sh_sql_stats {
    uint64_t queries; /* prepared */
    uint64_t open;    /* now */
    uint64_t rows;    /* given out */
    uint64_t refused; /* syntax, names, rights */
    uint64_t busy;    /* max_open reached */
    uint64_t limited; /* memory or size */
    uint64_t timeouts;
    uint64_t canceled;
};
void sh_sql_stats(struct sh_sql *s, struct sh_sql_stats *out);

#endif /* SH_SQL_H */
