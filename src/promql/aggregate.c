/* aggregate.c - sum avg min max count stddev topk bottomk quantile, by and without.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "promql_int.h"

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    if (isnan(x) || isnan(y)) {
        return isnan(x) ? (isnan(y) ? 0 : -1) : 1; /* NaN is the least */
    }
    return x < y ? -1 : x > y;
}

double pql_quantile(double q, double *v, size_t n)
{
    if (n == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    qsort(v, n, sizeof *v, by_value);
    const double rank = q * (double)(n - 1);
    const size_t lower = (size_t)floor(rank);
    const size_t upper = lower + 1 < n ? lower + 1 : n - 1;
    const double weight = rank - floor(rank);
    return v[lower] * (1 - weight) + v[upper] * weight;
}

struct member {
    struct sh_promql_labels group;
    size_t series; /* of the input */
};

static int by_group(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    const int c = pql_labels_cmp(&x->group, &y->group);
    return c != 0 ? c : (x->series < y->series ? -1 : x->series > y->series);
}

static sh_err members(struct pql_eval *e, const struct sh_promql_expr *x,
                      const struct sh_promql_answer *in, struct member **out)
{
    struct member *m = sh_arena_array(e->ar, in->n + 1, sizeof *m);
    if (m == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < in->n; i++) {
        m[i].series = i;
        SH_TRY(pql_labels_pick(e->ar, &in->series[i].labels, x->names, x->nnames, x->exclude,
                               &m[i].group));
    }
    if (in->n > 1) {
        qsort(m, in->n, sizeof *m, by_group);
    }
    *out = m;
    return SH_OK;
}

static double mean(const double *v, size_t n)
{
    double m = v[0];
    for (size_t i = 1; i < n; i++) {
        const double count = (double)(i + 1);
        if (isinf(m) && ((isinf(v[i]) && (m > 0) == (v[i] > 0)) || isfinite(v[i]))) {
            continue;
        }
        m += v[i] / count - m / count;
    }
    return m;
}

static double stddev(const double *v, size_t n)
{
    double m = v[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++) {
        const double delta = v[i] - m;
        m += delta / (double)(i + 1);
        sum += delta * (v[i] - m);
    }
    return sqrt(sum / (double)n);
}

static double extreme(const double *v, size_t n, bool most)
{
    double x = v[0];
    for (size_t i = 1; i < n; i++) {
        if (isnan(x) || (most ? v[i] > x : v[i] < x)) {
            x = v[i];
        }
    }
    return x;
}

/* Of the values of a group at one step; n > 0. */
static double fold(enum pql_agg agg, double *v, size_t n, double parameter)
{
    double sum = v[0];
    switch (agg) {
    case PQL_A_AVG:
        return mean(v, n);
    case PQL_A_MIN:
        return extreme(v, n, false);
    case PQL_A_MAX:
        return extreme(v, n, true);
    case PQL_A_COUNT:
        return (double)n;
    case PQL_A_STDDEV:
        return stddev(v, n);
    case PQL_A_QUANTILE:
        return pql_quantile(parameter, v, n);
    case PQL_A_SUM:
    case PQL_A_TOPK:
    case PQL_A_BOTTOMK:
    default:
        break;
    }
    for (size_t i = 1; i < n; i++) {
        sum += v[i];
    }
    return sum;
}

struct group {
    const struct member *m;
    size_t n;
    double *scratch; /* n */
    size_t *which;   /* n: the series of scratch */
};

/* The values of the group at a step. */
static size_t collect(const struct group *g, const struct sh_promql_answer *in, size_t step)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const double v = in->series[g->m[i].series].value[step];
        if (!sh_promql_absent(v)) {
            g->which[n] = g->m[i].series;
            g->scratch[n++] = v;
        }
    }
    return n;
}

static void fold_group(struct pql_eval *e, enum pql_agg agg, const struct group *g,
                       const struct sh_promql_answer *in, const double *parameter, double *out)
{
    for (size_t i = 0; i < e->run->steps; i++) {
        const size_t n = collect(g, in, i);
        if (n > 0) {
            out[i] = fold(agg, g->scratch, n, parameter == NULL ? 0 : parameter[i]);
        }
    }
}

/* True when a stands before b. */
static bool before(double a, double b, bool top)
{
    if (isnan(a) || isnan(b)) {
        return !isnan(a) && isnan(b); /* NaN only where nothing else is left */
    }
    return top ? a > b : a < b;
}

/* Keeps the k first of the group at each step. */
static void pick_group(struct pql_eval *e, bool top, const struct group *g,
                       const struct sh_promql_answer *in, const double *parameter,
                       struct sh_promql_answer *out)
{
    for (size_t i = 0; i < e->run->steps; i++) {
        const size_t n = collect(g, in, i);
        const double k = parameter == NULL ? 0 : parameter[i];
        const size_t want = !(k >= 1) ? 0 : (k >= (double)n ? n : (size_t)k);
        for (size_t chosen = 0; chosen < want; chosen++) {
            size_t best = chosen;
            for (size_t j = chosen + 1; j < n; j++) {
                best = before(g->scratch[j], g->scratch[best], top) ? j : best;
            }
            const double v = g->scratch[best];
            const size_t s = g->which[best];
            for (size_t j = best; j > chosen; j--) { /* ties stay in order */
                g->scratch[j] = g->scratch[j - 1];
                g->which[j] = g->which[j - 1];
            }
            g->scratch[chosen] = v;
            g->which[chosen] = s;
            out->series[s].value[i] = v;
        }
    }
}

static size_t group_end(const struct member *m, size_t from, size_t n)
{
    size_t to = from + 1;
    while (to < n && pql_labels_cmp(&m[from].group, &m[to].group) == 0) {
        to++;
    }
    return to;
}

sh_err pql_aggregation(struct pql_eval *e, const struct sh_promql_expr *x,
                       struct sh_promql_answer *out)
{
    struct sh_promql_answer in;
    struct sh_promql_answer parameter = {.n = 0};
    struct member *m = NULL;
    const bool picks = x->agg == PQL_A_TOPK || x->agg == PQL_A_BOTTOMK;
    SH_TRY(pql_eval(e, x->arg[0], &in));
    if (x->nargs == 2) {
        SH_TRY(pql_eval(e, x->arg[1], &parameter));
    }
    const double *p = parameter.n > 0 ? parameter.series[0].value : NULL;
    SH_TRY(members(e, x, &in, &m));
    SH_TRY(pql_answer(e, SH_PROMQL_VECTOR, in.n, out));
    struct group g = {.scratch = sh_arena_array(e->ar, in.n + 1, sizeof(double)),
                      .which = sh_arena_array(e->ar, in.n + 1, sizeof(size_t))};
    if (g.scratch == NULL || g.which == NULL) {
        return SH_E_NOMEM;
    }
    size_t ngroups = 0;
    for (size_t from = 0; from < in.n; from += g.n) {
        g.m = m + from;
        g.n = group_end(m, from, in.n) - from;
        if (picks) {
            pick_group(e, x->agg == PQL_A_TOPK, &g, &in, p, out);
        } else {
            fold_group(e, x->agg, &g, &in, p, out->series[ngroups].value);
            out->series[ngroups++].labels = g.m->group;
        }
    }
    for (size_t i = 0; picks && i < in.n; i++) {
        out->series[i].labels = in.series[i].labels;
    }
    return pql_settle(e, out);
}
