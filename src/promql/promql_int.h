/* promql_int.h - shared by the files of promql.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PROMQL_INT_H
#define SH_PROMQL_INT_H

#include <math.h>

#include <sh/promql.h>

/* ---- lexer ---- */

enum pql_token {
    PQL_END,
    PQL_NUMBER,
    PQL_DURATION,
    PQL_STRING,
    PQL_NAME, /* metric, label, function or keyword */
    PQL_SIGN, /* one or two characters: text says which */
    PQL_BAD   /* `why` says what is wrong */
};
struct pql_lexer {
    struct sh_arena *ar;
    struct sh_str text;
    size_t at; /* behind the token */
    enum pql_token token;
    size_t from;        /* where the token begins */
    struct sh_str word; /* as written; of a STRING what it means */
    double number;
    int64_t duration_us;
    const char *why;
};
/* Reads the next token. */
void pql_next(struct pql_lexer *l);

/* ---- expressions ---- */

enum pql_kind {
    PQL_X_NUMBER,
    PQL_X_STRING,
    PQL_X_SELECT,
    PQL_X_CALL,
    PQL_X_AGG,
    PQL_X_BINARY,
    PQL_X_NEG
};
enum pql_bin {
    PQL_ADD,
    PQL_SUB,
    PQL_MUL,
    PQL_DIV,
    PQL_MOD,
    PQL_POW,
    PQL_EQL, /* the comparisons are last */
    PQL_NEQ,
    PQL_LT,
    PQL_GT,
    PQL_LE,
    PQL_GE
};
enum pql_agg {
    PQL_A_SUM,
    PQL_A_AVG,
    PQL_A_MIN,
    PQL_A_MAX,
    PQL_A_COUNT,
    PQL_A_STDDEV,
    PQL_A_TOPK, /* these have a parameter */
    PQL_A_BOTTOMK,
    PQL_A_QUANTILE
};
enum pql_fn {
    PQL_F_RATE, /* of a range vector: to PQL_F_QUANTILE */
    PQL_F_INCREASE,
    PQL_F_DELTA,
    PQL_F_IRATE,
    PQL_F_AVG,
    PQL_F_MIN,
    PQL_F_MAX,
    PQL_F_SUM,
    PQL_F_COUNT,
    PQL_F_LAST,
    PQL_F_STDDEV,
    PQL_F_QUANTILE,
    PQL_F_ABSENT,
    PQL_F_ABS,
    PQL_F_CEIL,
    PQL_F_FLOOR,
    PQL_F_ROUND,
    PQL_F_CLAMP_MIN,
    PQL_F_CLAMP_MAX,
    PQL_F_SCALAR,
    PQL_F_VECTOR,
    PQL_F_TIME,
    PQL_F_HISTOGRAM_QUANTILE
};
enum { PQL_MAX_ARGS = 2 };
struct pql_function {
    const char *name;
    enum pql_fn fn;
    uint8_t nargs;
    uint8_t optional; /* of them, at the end */
    enum sh_promql_type args[PQL_MAX_ARGS];
    enum sh_promql_type type;
};
/* NULL: none of that name. */
const struct pql_function *pql_function(struct sh_str name);
bool pql_aggregate(struct sh_str name, enum pql_agg *out);
/* Of an operator as written; the higher binds tighter; false: none (that we have). */
bool pql_operator(struct sh_str sign, enum pql_bin *op, int *rank);
const char *pql_operator_name(enum pql_bin op);
const char *pql_type_name(enum sh_promql_type t);
/* A known word of the language that is not here: what to say of it; NULL else. */
const char *pql_missing(struct sh_str word);

struct sh_promql_expr {
    enum pql_kind kind;
    enum sh_promql_type type;
    size_t from; /* where it begins, bytes */
    double number;
    struct sh_str string;
    const struct sh_promql_matcher *matchers; /* SELECT */
    size_t nmatchers;
    int64_t range_us;
    int64_t offset_us;
    const struct pql_function *fn;
    enum pql_agg agg;
    enum pql_bin op;
    bool given;           /* AGG: by or without is there; BINARY: on or ignoring is */
    bool exclude;         /* without, ignoring */
    bool boolean;         /* BINARY: bool */
    struct sh_str *names; /* of by, without, on, ignoring; sorted */
    size_t nnames;
    struct sh_promql_expr *arg[PQL_MAX_ARGS]; /* AGG: the vector, its parameter */
    size_t nargs;
};

/* ---- patterns ---- */

/* NULL with why[200] written, or why empty without memory. Freed with the arena. */
const struct sh_promql_re *pql_re_new(struct sh_arena *ar, struct sh_str pattern, char why[200]);

/* ---- labels ---- */

int pql_labels_cmp(const struct sh_promql_labels *a, const struct sh_promql_labels *b);
/* l without the label of that name. label == NULL with n > 0: no memory. */
SH_MUST_CHECK sh_err pql_labels_drop(struct sh_arena *ar, const struct sh_promql_labels *l,
                                     const char *name, struct sh_promql_labels *out);
/* Those whose name is (or with `exclude`, is not) among the names; `exclude` drops __name__ too. */
SH_MUST_CHECK sh_err pql_labels_pick(struct sh_arena *ar, const struct sh_promql_labels *l,
                                     const struct sh_str *names, size_t n, bool exclude,
                                     struct sh_promql_labels *out);

/* ---- evaluation ---- */

struct pql_eval {
    struct sh_arena *ar;
    const struct sh_promql_run *run;
    struct sh_promql_error *error;
    uint64_t samples; /* read */
};
static inline double pql_none(void)
{
    return sh_f64_from_bits(UINT64_C(0x7ff0000000000002));
}
static inline int64_t pql_step_time(const struct pql_eval *e, size_t i)
{
    return e->run->start_us + (int64_t)i * e->run->step_us;
}
/* Writes the error and returns SH_E_INVAL. */
sh_err pql_fail(struct pql_eval *e, const char *fmt, ...) SH_PRINTF(2, 3);
SH_MUST_CHECK sh_err pql_eval(struct pql_eval *e, const struct sh_promql_expr *x,
                              struct sh_promql_answer *out);
/* n series whose values are all absent. */
SH_MUST_CHECK sh_err pql_answer(struct pql_eval *e, enum sh_promql_type type, size_t n,
                                struct sh_promql_answer *out);
/* Orders the series by labels, takes empty ones away and joins those of the same labels; two values
 * at one step are an error. */
SH_MUST_CHECK sh_err pql_settle(struct pql_eval *e, struct sh_promql_answer *a);
/* Takes __name__ from all series, then settles. */
SH_MUST_CHECK sh_err pql_unname(struct pql_eval *e, struct sh_promql_answer *a);
/* Selectors and functions of range vectors. */
SH_MUST_CHECK sh_err pql_instant(struct pql_eval *e, const struct sh_promql_expr *x,
                                 struct sh_promql_answer *out);
SH_MUST_CHECK sh_err pql_windows(struct pql_eval *e, const struct sh_promql_expr *call,
                                 struct sh_promql_answer *out);
SH_MUST_CHECK sh_err pql_call(struct pql_eval *e, const struct sh_promql_expr *x,
                              struct sh_promql_answer *out);
SH_MUST_CHECK sh_err pql_aggregation(struct pql_eval *e, const struct sh_promql_expr *x,
                                     struct sh_promql_answer *out);
SH_MUST_CHECK sh_err pql_binary(struct pql_eval *e, const struct sh_promql_expr *x,
                                struct sh_promql_answer *out);
/* Prometheus' quantile of v[0..n), which is sorted on the way. */
double pql_quantile(double q, double *v, size_t n);

#endif /* SH_PROMQL_INT_H */
