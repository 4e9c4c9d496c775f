/* slow.h - what took long: a bounded ring of the newest, and counts by tenant and route.
 *
 * Kept in memory only, from the start on. What took less than the limit costs one comparison; no
 * memory is taken but for the ring. Texts are cut to a bound; no token, cookie, password or
 * parameter of a statement is among them, because only what a route says of its question is taken.
 * Threads: any; one short lock for what is slow. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_SLOW_H
#define SH_API_SLOW_H

#include <stdatomic.h>

#include <sh/guard.h>

enum {
    SLOW_KEPT = 256,      /* newest ones */
    SLOW_ROWS = 256,      /* pairs of tenant and route; the one that was slow last goes first */
    SLOW_TEXT = 1000,     /* bytes of a question */
    SLOW_MINUTES = 15,    /* "lately" */
    SLOW_LOG_EVERY_S = 10 /* at most one line of the log in so long */
};

/* What the text is; the words are those of the answer. */
enum slow_form { SLOW_NOTHING, SLOW_JSON, SLOW_QUERY, SLOW_SQL, SLOW_PROMQL };

struct slow_entry {
    uint64_t seq;    /* 1, 2, ... */
    int64_t time_us; /* wall: when it ended */
    int64_t took_us;
    int64_t wait_us; /* of which it waited for a worker; -1: not known */
    int64_t rows;    /* given out; -1: not known */
    int64_t bytes;   /* of the answer; -1: not known */
    uint32_t tenant; /* whose data were asked for */
    int status;      /* of HTTP; 0: of another protocol */
    bool streamed;   /* the time of the client is in took_us */
    bool cut;        /* the text is longer */
    enum slow_form form;
    size_t ntext;
    const char *method; /* static */
    const char *route;  /* static: its pattern, never what stood in its place */
    struct sh_principal by;
    char who[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16];
    char text[SLOW_TEXT];
};

/* Of one tenant and route. */
struct slow_row {
    uint32_t tenant;
    const char *method;
    const char *route;
    uint64_t count; /* since the start, or since the row was made */
    int64_t worst_us;
    int64_t last_us;              /* wall */
    int64_t minute[SLOW_MINUTES]; /* which one this is of, since 1970 */
    uint32_t lately[SLOW_MINUTES];
    int64_t lately_worst_us[SLOW_MINUTES];
};

struct slow {
    atomic_llong over_us; /* the limit; INT64_MAX = off */
    atomic_ullong count;  /* since the start */
    struct sh_mutex lock;
    uint64_t last; /* seq of the newest */
    int64_t logged_us;
    uint64_t unlogged; /* since the last line */
    size_t nrows;
    struct slow_row row[SLOW_ROWS];
    struct slow_entry kept[SLOW_KEPT];
};

SH_MUST_CHECK sh_err slow_new(const struct sh_alloc *alloc, struct slow **out);
void slow_free(const struct sh_alloc *alloc, struct slow *s); /* NULL is accepted */
/* 0 = nothing is slow. */
void slow_set(struct slow *s, int64_t over_us);
int64_t slow_limit(const struct slow *s); /* as slow_set took it */
static inline bool slow_is(const struct slow *s, int64_t took_us)
{
    return took_us >= atomic_load_explicit(&s->over_us, memory_order_relaxed);
}
/* Cuts at a whole character. */
void slow_text(struct slow_entry *e, enum slow_form form, struct sh_str text);
/* Keeps it, and gives it its seq. *unlogged > 0: time for a line of the log, for that many. */
void slow_put(struct slow *s, struct slow_entry *e, uint64_t *unlogged);
/* The newest below `before` (0 = of all). SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err slow_at(struct slow *s, uint64_t before, struct slow_entry *out);
/* The i-th row; false: there are no more. A change between two calls may move them. */
bool slow_row_at(struct slow *s, size_t i, struct slow_row *out);
/* Of the quarter of an hour that ends at now_us. */
uint64_t slow_lately(const struct slow_row *r, int64_t now_us, int64_t *worst_us);

#endif /* SH_API_SLOW_H */
