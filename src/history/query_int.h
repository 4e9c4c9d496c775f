/* query_int.h - what the files of the query engine share. One query: one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_QUERY_INT_H
#define SH_HISTORY_QUERY_INT_H

#include "iter.h"

/* With helpers from where one thread would take as long again, in microseconds. */
enum { QUERY_PARALLEL_US = 1000 };
enum { QUERY_ROWS = 1024, QUERY_AGGS = 32, QUERY_BUCKETS = 10 * 1000 * 1000 };

struct query {
    struct sh_history *h;
    const struct sh_history_query *q;
    sh_err (*sink)(void *ctx, const struct sh_history_rows *rows);
    void *ctx;
    struct sh_history_result *out;
    struct mem mem;
    uint64_t left;           /* rows that may still go out */
    const atomic_bool *stop; /* of a helper; else NULL */
};

/* SH_E_CANCELED, SH_E_TIMEOUT; else SH_OK. */
SH_MUST_CHECK sh_err query_alive(struct query *c);
/* Sends rows on; never more than c->left. */
SH_MUST_CHECK sh_err query_emit(struct query *c, const struct sh_history_rows *rows);
/* Where the result goes on; the query ends after this series. */
void query_stop_at(struct query *c, uint32_t series, int64_t time_us);

/* Does the sample count? */
static inline bool query_counts(enum sh_history_quality f, uint8_t q)
{
    const enum sh_q_class k = sh_q_class(q);
    return f == SH_QF_ALL || (f == SH_QF_GOOD ? k == SH_QC_GOOD : k != SH_QC_BAD);
}

/* Series [from, to) of the query's points, one after the other; or [first, all), with helpers
 * (query_parallel.c): then there is no limit of rows. */
SH_MUST_CHECK sh_err query_series(struct query *c, uint32_t from, uint32_t to);
SH_MUST_CHECK sh_err query_parallel(struct query *c, uint32_t first);

/* One series each; from = the first time still wanted. */
SH_MUST_CHECK sh_err query_raw(struct query *c, uint32_t series, int64_t from);
SH_MUST_CHECK sh_err query_aggregate(struct query *c, uint32_t series, int64_t from); /* agg.c */
SH_MUST_CHECK sh_err query_down(struct query *c, uint32_t series);                    /* down.c */

/* Last sample before `before` that counts (for aggregates: not NaN). Text is not wanted. last.c */
SH_MUST_CHECK sh_err query_sample_before(struct sh_history *h, struct mem *mem, uint32_t point,
                                         int64_t before, enum sh_history_quality f, bool *found,
                                         int64_t *time, union sh_cell *value, struct sh_buf *text);

/* Remembers the last value that was found, unless something newer came meanwhile. */
void last_remember(struct sh_history *h, uint32_t point, const struct sh_history_sample *b);

/* bucket.c: start and end of the bucket that holds t. */
void query_bucket(const struct sh_history_query *q, int64_t t, int64_t *start, int64_t *end);

#endif /* SH_HISTORY_QUERY_INT_H */
