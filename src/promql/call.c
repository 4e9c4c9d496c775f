/* call.c - functions of instant vectors and scalars.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "promql_int.h"

static double rounded(double v, double to)
{
    const double inverse = 1.0 / to;
    return floor(v * inverse + 0.5) / inverse;
}

static double apply(enum pql_fn fn, double v, double p)
{
    switch ((int)fn) {
    case PQL_F_ABS:
        return fabs(v);
    case PQL_F_CEIL:
        return ceil(v);
    case PQL_F_FLOOR:
        return floor(v);
    case PQL_F_ROUND:
        return rounded(v, p);
    case PQL_F_CLAMP_MIN:
        return isnan(v) || isnan(p) ? NAN : (v < p ? p : v);
    default: /* PQL_F_CLAMP_MAX */
        return isnan(v) || isnan(p) ? NAN : (v > p ? p : v);
    }
}

static sh_err each(struct pql_eval *e, const struct sh_promql_expr *x, struct sh_promql_answer *out)
{
    struct sh_promql_answer parameter = {.n = 0};
    SH_TRY(pql_eval(e, x->arg[0], out));
    if (x->nargs == 2) {
        SH_TRY(pql_eval(e, x->arg[1], &parameter));
    }
    for (size_t i = 0; i < out->n; i++) {
        double *v = out->series[i].value;
        for (size_t k = 0; k < e->run->steps; k++) {
            const double p = parameter.n > 0 ? parameter.series[0].value[k] : 1;
            v[k] = sh_promql_absent(v[k]) ? v[k] : apply(x->fn->fn, v[k], p);
        }
    }
    return pql_unname(e, out);
}

/* The labels that the selector says by = alone, each once. */
static sh_err absent_labels(struct pql_eval *e, const struct sh_promql_expr *of,
                            struct sh_promql_labels *out)
{
    struct sh_promql_label *l = sh_arena_array(e->ar, of->nmatchers + 1, sizeof *l);
    size_t n = 0;
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; of->kind == PQL_X_SELECT && i < of->nmatchers; i++) {
        const struct sh_promql_matcher *m = &of->matchers[i];
        size_t times = 0;
        for (size_t k = 0; k < of->nmatchers; k++) {
            times += sh_str_eq(of->matchers[k].name, m->name) ? 1 : 0;
        }
        if (m->op != SH_PROMQL_EQ || times > 1 || m->value.n == 0 ||
            sh_str_eqc(m->name, "__name__")) {
            continue;
        }
        size_t at = n++;
        for (; at > 0 && sh_str_cmp(m->name, l[at - 1].name) < 0; at--) {
            l[at] = l[at - 1];
        }
        l[at] = (struct sh_promql_label){m->name, m->value};
    }
    *out = (struct sh_promql_labels){l, n};
    return SH_OK;
}

/* How many series have a value at the step, and the last of them. */
static size_t present(const struct sh_promql_answer *a, size_t step, double *value)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!sh_promql_absent(a->series[i].value[step])) {
            *value = a->series[i].value[step];
            n++;
        }
    }
    return n;
}

static sh_err absent(struct pql_eval *e, const struct sh_promql_expr *x,
                     struct sh_promql_answer *out)
{
    struct sh_promql_answer in;
    double v = 0;
    SH_TRY(pql_eval(e, x->arg[0], &in));
    SH_TRY(pql_answer(e, SH_PROMQL_VECTOR, 1, out));
    SH_TRY(absent_labels(e, x->arg[0], &out->series[0].labels));
    for (size_t k = 0; k < e->run->steps; k++) {
        if (present(&in, k, &v) == 0) {
            out->series[0].value[k] = 1;
        }
    }
    return pql_settle(e, out);
}

static sh_err to_scalar(struct pql_eval *e, const struct sh_promql_expr *x,
                        struct sh_promql_answer *out)
{
    struct sh_promql_answer in;
    SH_TRY(pql_eval(e, x->arg[0], &in));
    SH_TRY(pql_answer(e, SH_PROMQL_SCALAR, 1, out));
    for (size_t k = 0; k < e->run->steps; k++) {
        double v = 0;
        out->series[0].value[k] = present(&in, k, &v) == 1 ? v : NAN;
    }
    return SH_OK;
}

static sh_err now(struct pql_eval *e, struct sh_promql_answer *out)
{
    SH_TRY(pql_answer(e, SH_PROMQL_SCALAR, 1, out));
    for (size_t k = 0; k < e->run->steps; k++) {
        out->series[0].value[k] = (double)pql_step_time(e, k) / 1e6;
    }
    return SH_OK;
}

/* ---- histogram_quantile ---- */

struct bucket {
    struct sh_promql_labels group; /* without le and the name */
    double le;
    const double *value; /* a step each */
};

static int by_bucket(const void *a, const void *b)
{
    const struct bucket *x = a;
    const struct bucket *y = b;
    const int c = pql_labels_cmp(&x->group, &y->group);
    return c != 0 ? c : (x->le < y->le ? -1 : x->le > y->le);
}

static bool le_parse(struct sh_str s, double *out)
{
    if (sh_str_ieq(s, SH_STR("+Inf")) || sh_str_ieq(s, SH_STR("Inf"))) {
        *out = INFINITY;
        return true;
    }
    return s.n > 0 && sh_f64_parse(s, out) == SH_OK;
}

/* Counts at one step, made to rise, of n buckets in order; the last is le +Inf. */
static double quantile_of(double q, const double *le, double *count, size_t n)
{
    if (isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    for (size_t i = 1; i < n; i++) {
        count[i] = count[i] < count[i - 1] ? count[i - 1] : count[i];
    }
    if (n < 2 || !isinf(le[n - 1]) || count[n - 1] == 0) {
        return NAN;
    }
    double rank = q * count[n - 1];
    size_t b = 0;
    while (b < n - 1 && count[b] < rank) {
        b++;
    }
    if (b == n - 1) {
        return le[n - 2];
    }
    if (b == 0 && le[0] <= 0) {
        return le[0];
    }
    const double start = b > 0 ? le[b - 1] : 0;
    const double below = b > 0 ? count[b - 1] : 0;
    rank -= below;
    return start + (le[b] - start) * (rank / (count[b] - below));
}

static sh_err buckets_of(struct pql_eval *e, const struct sh_promql_answer *in, struct bucket **out,
                         size_t *n)
{
    static const struct sh_str le = {"le", 2};
    struct bucket *b = sh_arena_array(e->ar, in->n + 1, sizeof *b);
    *n = 0;
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < in->n; i++) {
        if (le_parse(sh_promql_label_get(&in->series[i].labels, "le"), &b[*n].le)) {
            b[*n].value = in->series[i].value;
            SH_TRY(pql_labels_pick(e->ar, &in->series[i].labels, &le, 1, true, &b[*n].group));
            ++*n;
        }
    }
    if (*n > 1) {
        qsort(b, *n, sizeof *b, by_bucket);
    }
    *out = b;
    return SH_OK;
}

static sh_err histogram(struct pql_eval *e, const struct sh_promql_expr *x,
                        struct sh_promql_answer *out)
{
    struct sh_promql_answer q;
    struct sh_promql_answer in;
    struct bucket *b = NULL;
    size_t n = 0;
    SH_TRY(pql_eval(e, x->arg[0], &q));
    SH_TRY(pql_eval(e, x->arg[1], &in));
    SH_TRY(buckets_of(e, &in, &b, &n));
    SH_TRY(pql_answer(e, SH_PROMQL_VECTOR, n, out));
    double *le = sh_arena_array(e->ar, n + 1, sizeof *le);
    double *count = sh_arena_array(e->ar, n + 1, sizeof *count);
    if (le == NULL || count == NULL) {
        return SH_E_NOMEM;
    }
    size_t to = 0;
    for (size_t from = 0; from < n; from = to) {
        out->series[from].labels = b[from].group;
        for (to = from; to < n && pql_labels_cmp(&b[from].group, &b[to].group) == 0;) {
            to++;
        }
        for (size_t k = 0; k < e->run->steps; k++) {
            size_t m = 0;
            for (size_t i = from; i < to; i++) {
                if (!sh_promql_absent(b[i].value[k])) {
                    le[m] = b[i].le;
                    count[m++] = b[i].value[k];
                }
            }
            if (m > 0) {
                out->series[from].value[k] = quantile_of(q.series[0].value[k], le, count, m);
            }
        }
    }
    return pql_settle(e, out);
}

sh_err pql_call(struct pql_eval *e, const struct sh_promql_expr *x, struct sh_promql_answer *out)
{
    switch ((int)x->fn->fn) {
    case PQL_F_ABSENT:
        return absent(e, x, out);
    case PQL_F_SCALAR:
        return to_scalar(e, x, out);
    case PQL_F_VECTOR:
        SH_TRY(pql_eval(e, x->arg[0], out));
        out->type = SH_PROMQL_VECTOR;
        return SH_OK;
    case PQL_F_TIME:
        return now(e, out);
    case PQL_F_HISTOGRAM_QUANTILE:
        return histogram(e, x, out);
    default:
        return each(e, x, out);
    }
}
