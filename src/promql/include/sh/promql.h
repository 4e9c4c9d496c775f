/* promql.h - the query language of Prometheus, a subset: parse and evaluate. No I/O, no clock: the
 * samples come through a seam. Works in the caller's arena, which bounds the memory of a query and
 * keeps the parsed expression and the answer; one thread at a time. The subset is in the README;
 * all else is refused with its place and what is missing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PROMQL_H
#define SH_PROMQL_H

#include <sh/base.h>

enum {
    SH_PROMQL_MAX_TEXT = 65536,
    SH_PROMQL_MAX_DEPTH = 100,  /* nested expressions */
    SH_PROMQL_MAX_NODES = 1000, /* parts of an expression */
    SH_PROMQL_MAX_MATCHERS = 64 /* of a selector */
};
#define SH_PROMQL_LOOKBACK_US INT64_C(300000000)

/* What went wrong, in words of one line: "1:5: parse error: ...". */
enum sh_promql_fault {
    SH_PROMQL_BAD_DATA,  /* the expression or its arguments */
    SH_PROMQL_EXECUTION, /* found while it was evaluated */
    SH_PROMQL_TIMEOUT,
    SH_PROMQL_NO_MEMORY, /* now: the same may be answered later */
    SH_PROMQL_INTERNAL
};
struct sh_promql_error {
    enum sh_promql_fault fault;
    char text[320];
};

struct sh_promql_label {
    struct sh_str name;
    struct sh_str value;
};
/* By name; no label is empty. */
struct sh_promql_labels {
    const struct sh_promql_label *label;
    size_t n;
};

enum sh_promql_op { SH_PROMQL_EQ, SH_PROMQL_NE, SH_PROMQL_RE, SH_PROMQL_NRE };
struct sh_promql_re;
struct sh_promql_matcher {
    enum sh_promql_op op;
    struct sh_str name;
    struct sh_str value;
    const struct sh_promql_re *re; /* RE and NRE */
};
/* 1 yes, 0 no, -1 the pattern took too long (match limits) or there was no memory. */
int sh_promql_matches(const struct sh_promql_matcher *m, struct sh_str value);
/* The value of a label; "" when it is not there. */
struct sh_str sh_promql_label_get(const struct sh_promql_labels *l, const char *name);

struct sh_promql_expr;
/* Parses. SH_E_INVAL with words in *error; SH_E_NOMEM. The text is borrowed as long as *out. */
SH_MUST_CHECK sh_err sh_promql_parse(struct sh_arena *ar, struct sh_str text,
                                     const struct sh_promql_expr **out,
                                     struct sh_promql_error *error);
/* The same for a selector alone (match[]). */
SH_MUST_CHECK sh_err sh_promql_parse_selector(struct sh_arena *ar, struct sh_str text,
                                              const struct sh_promql_matcher **out, size_t *n,
                                              struct sh_promql_error *error);

/* A series that a selector found; what `id` means is the source's own. */
struct sh_promql_found {
    struct sh_promql_labels labels;
    uint64_t id;
};
/* Samples of found[series], ascending in time; `gone` marks those that end the series until the
 * next one (stale, or bad). */
struct sh_promql_samples {
    size_t series;
    size_t n;
    const int64_t *time_us;
    const double *value;
    const bool *gone;
};
typedef sh_err sh_promql_sink(void *ctx, const struct sh_promql_samples *s);
struct sh_promql_source {
    /* All series that all matchers take, in memory of the arena. SH_E_LIMIT: too many. */
    sh_err (*select)(void *ctx, struct sh_arena *ar, const struct sh_promql_matcher *m, size_t n,
                     struct sh_promql_found **out, size_t *nout);
    /* Their samples in [from_us, to_us], series by series in order (in parts). An error of the sink
     * ends it and is returned. */
    sh_err (*read)(void *ctx, const struct sh_promql_found *found, size_t n, int64_t from_us,
                   int64_t to_us, sh_promql_sink *sink, void *sink_ctx);
    void *ctx;
};

struct sh_promql_run {
    const struct sh_promql_source *source;
    const struct sh_env *env;
    int64_t start_us;     /* of the first step */
    int64_t step_us;      /* > 0 unless there is one step */
    size_t steps;         /* >= 1 */
    uint64_t max_samples; /* read in all */
    int64_t deadline_mono_us;
};

enum sh_promql_type { SH_PROMQL_SCALAR, SH_PROMQL_VECTOR, SH_PROMQL_MATRIX, SH_PROMQL_STRING };
/* A series of the answer: a value a step. */
struct sh_promql_series {
    struct sh_promql_labels labels;
    double *value; /* sh_promql_absent: no value at that step */
};
struct sh_promql_answer {
    enum sh_promql_type type;
    size_t n; /* SCALAR: 1 */
    struct sh_promql_series *series;
    struct sh_str string;
};
static inline bool sh_promql_absent(double v)
{
    return sh_f64_bits(v) == UINT64_C(0x7ff0000000000002);
}
enum sh_promql_type sh_promql_type_of(const struct sh_promql_expr *x);
/* Evaluates at each step. SH_OK; else *error is written: SH_E_INVAL (execution), SH_E_LIMIT,
 * SH_E_TIMEOUT, SH_E_NOMEM (the arena is full), or the error of the source. A range vector has no
 * answer here: sh_promql_range. */
SH_MUST_CHECK sh_err sh_promql_eval(struct sh_arena *ar, const struct sh_promql_expr *x,
                                    const struct sh_promql_run *run, struct sh_promql_answer *out,
                                    struct sh_promql_error *error);

/* What an expression that is a range vector holds at the run's first step. */
struct sh_promql_raw {
    struct sh_promql_labels labels;
    size_t n;
    int64_t *time_us;
    double *value;
};
SH_MUST_CHECK sh_err sh_promql_range(struct sh_arena *ar, const struct sh_promql_expr *x,
                                     const struct sh_promql_run *run, struct sh_promql_raw **out,
                                     size_t *n, struct sh_promql_error *error);

#endif /* SH_PROMQL_H */
