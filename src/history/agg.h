/* agg.h - aggregates of one bucket. One thread, one series.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_AGG_H
#define SH_HISTORY_AGG_H

#include "cond.h"
#include "query_int.h"

/* What of the bucket is wanted: the less, the faster. */
enum {
    AGG_NEED_MOMENTS = 1,  /* mean of squares: stddev */
    AGG_NEED_VALUES = 2,   /* all values: percentiles */
    AGG_NEED_HELD = 4,     /* the value before: twa, duration, rate */
    AGG_NEED_SAMPLES = 8,  /* summaries are not enough */
    AGG_NEED_NUMBERS = 16, /* sum, min, max, mean */
    AGG_NEED_COND = 32     /* conditions on the value */
};

/* A sample that is held until the next. */
struct agg_held {
    bool known;
    int64_t time;
    union sh_cell value;
    struct sh_buf text;
};

struct agg_bucket {
    int64_t start;
    int64_t end;      /* exclusive */
    int64_t hold_end; /* end, cut at the query's end and now */
    int64_t from;     /* start, cut at the query's beginning */
    uint64_t n;
    double sum;
    double mean; /* of the moments */
    double m2;
    union sh_cell min;
    union sh_cell max;
    union sh_cell first;
    union sh_cell last;
    struct sh_buf first_text;
    struct sh_buf last_text;
    /* twa, duration */
    bool covered;
    int64_t cover_from;
    int64_t cover_to; /* integrated so far */
    double integral;
    double seconds[QUERY_AGGS]; /* by aggregate */
    uint64_t met[QUERY_AGGS];   /* samples that meet the condition, by aggregate */
    /* rate */
    bool rate_from_known;
    int64_t rate_from;
    double increase;
    double *values; /* percentiles */
    size_t nvalues;
    size_t values_cap;
};

struct agg {
    struct query *c;
    enum sh_type type;
    uint32_t series;
    unsigned need;
    struct cond cond[QUERY_AGGS]; /* of those aggregates that have one */
    struct agg_held held;
    struct agg_bucket b;
    bool open; /* b is a bucket under way */
};

unsigned agg_needs(const struct sh_history_query *q);
SH_MUST_CHECK sh_err agg_init(struct agg *a, struct query *c, uint32_t series, enum sh_type type);
void agg_fini(struct agg *a);
/* Begins an empty bucket. */
void agg_begin(struct agg *a, int64_t start, int64_t end);
/* Samples of the bucket, ascending. */
SH_MUST_CHECK sh_err agg_rows(struct agg *a, const struct iter_run *run, uint32_t from,
                              uint32_t to);
/* Can a whole block go by its summary? With conditions: when all or none of its values meet each.
 */
bool agg_set_exact(const struct agg *a, const struct summary_set *s);
/* A whole block of the bucket by its summary. */
void agg_set(struct agg *a, const struct summary_set *s);
/* Nothing more comes: holds the last value to the end. */
void agg_end(struct agg *a);
/* Result k; false: no value. Text results point into the bucket. */
bool agg_result(struct agg *a, size_t k, union sh_cell *out, struct sh_bytes *text);

#endif /* SH_HISTORY_AGG_H */
