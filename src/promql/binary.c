/* binary.c - operators between scalars and vectors, and between vectors one to one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "promql_int.h"

static double arithmetic(enum pql_bin op, double a, double b)
{
    switch ((int)op) {
    case PQL_ADD:
        return a + b;
    case PQL_SUB:
        return a - b;
    case PQL_MUL:
        return a * b;
    case PQL_DIV:
        return a / b;
    case PQL_MOD:
        return fmod(a, b);
    default:
        return pow(a, b);
    }
}

static bool compare(enum pql_bin op, double a, double b)
{
    switch ((int)op) {
    case PQL_EQL:
        return a == b;
    case PQL_NEQ:
        return a != b;
    case PQL_LT:
        return a < b;
    case PQL_GT:
        return a > b;
    case PQL_LE:
        return a <= b;
    default:
        return a >= b;
    }
}

/* The value of a pair; `kept` is what a comparison that filters lets through. */
static double pair(const struct sh_promql_expr *x, double a, double b, double kept)
{
    if (x->op < PQL_EQL) {
        return arithmetic(x->op, a, b);
    }
    const bool yes = compare(x->op, a, b);
    if (x->boolean) {
        return yes ? 1 : 0;
    }
    return yes ? kept : pql_none();
}

static bool names_go(const struct sh_promql_expr *x)
{
    return x->op < PQL_EQL || x->boolean;
}

static sh_err with_scalar(struct pql_eval *e, const struct sh_promql_expr *x,
                          struct sh_promql_answer *v, const double *scalar, bool scalar_left)
{
    for (size_t i = 0; i < v->n; i++) {
        double *at = v->series[i].value;
        for (size_t k = 0; k < e->run->steps; k++) {
            if (!sh_promql_absent(at[k])) {
                at[k] = scalar_left ? pair(x, scalar[k], at[k], at[k])
                                    : pair(x, at[k], scalar[k], at[k]);
            }
        }
    }
    return names_go(x) ? pql_unname(e, v) : pql_settle(e, v);
}

static void scalars(struct pql_eval *e, const struct sh_promql_expr *x, double *a, const double *b)
{
    for (size_t k = 0; k < e->run->steps; k++) {
        a[k] = pair(x, a[k], b[k], a[k]);
    }
}

/* ---- vectors ---- */

struct key {
    struct sh_promql_labels labels; /* that are compared */
    const struct sh_promql_series *series;
};

static int by_key(const void *a, const void *b)
{
    return pql_labels_cmp(&((const struct key *)a)->labels, &((const struct key *)b)->labels);
}

static sh_err keys(struct pql_eval *e, const struct sh_promql_expr *x,
                   const struct sh_promql_answer *v, struct key **out)
{
    struct key *k = sh_arena_array(e->ar, v->n + 1, sizeof *k);
    if (k == NULL) {
        return SH_E_NOMEM;
    }
    const bool exclude = !x->given || x->exclude;
    for (size_t i = 0; i < v->n; i++) {
        k[i].series = &v->series[i];
        SH_TRY(pql_labels_pick(e->ar, &v->series[i].labels, x->names, x->nnames, exclude,
                               &k[i].labels));
    }
    if (v->n > 1) {
        qsort(k, v->n, sizeof *k, by_key);
    }
    *out = k;
    return SH_OK;
}

/* Of the n keys that are equal, the one that has a value at the step; SH_E_EXISTS: two have. */
static sh_err only(const struct key *k, size_t n, size_t step, const struct sh_promql_series **out)
{
    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!sh_promql_absent(k[i].series->value[step])) {
            if (*out != NULL) {
                return SH_E_EXISTS;
            }
            *out = k[i].series;
        }
    }
    return SH_OK;
}

static size_t run_of(const struct key *k, size_t from, size_t n)
{
    size_t to = from + 1;
    while (to < n && by_key(&k[from], &k[to]) == 0) {
        to++;
    }
    return to - from;
}

/* The labels of the answer: those that were compared; a comparison that filters keeps the name
 * unless `on` left it out. */
static sh_err answer_labels(struct pql_eval *e, const struct sh_promql_expr *x, const struct key *k,
                            struct sh_promql_labels *out)
{
    *out = k->labels;
    const struct sh_str name = sh_promql_label_get(&k->series->labels, "__name__");
    if (names_go(x) || (x->given && !x->exclude) || name.n == 0) {
        return SH_OK;
    }
    struct sh_promql_label *l = sh_arena_array(e->ar, k->labels.n + 1, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    size_t at = 0;
    while (at < k->labels.n && sh_str_cmp(k->labels.label[at].name, SH_STR("__name__")) < 0) {
        l[at] = k->labels.label[at];
        at++;
    }
    l[at] = (struct sh_promql_label){SH_STR("__name__"), name};
    for (; at < k->labels.n; at++) {
        l[at + 1] = k->labels.label[at];
    }
    *out = (struct sh_promql_labels){l, k->labels.n + 1};
    return SH_OK;
}

/* One set of matching labels: left has nl series, right nr; each left series gives one. */
static sh_err match_run(struct pql_eval *e, const struct sh_promql_expr *x, const struct key *l,
                        size_t nl, const struct key *r, size_t nr, struct sh_promql_series *out)
{
    for (size_t s = 0; s < nl; s++) {
        SH_TRY(answer_labels(e, x, &l[s], &out[s].labels));
    }
    for (size_t i = 0; i < e->run->steps; i++) {
        const struct sh_promql_series *a = NULL;
        const struct sh_promql_series *b = NULL;
        if (only(l, nl, i, &a) != SH_OK || only(r, nr, i, &b) != SH_OK) {
            return pql_fail(e,
                            "found duplicate series for the match group on one side of \"%s\": "
                            "many-to-many matching is not allowed, matching labels must be unique",
                            pql_operator_name(x->op));
        }
        for (size_t s = 0; a != NULL && b != NULL && s < nl; s++) {
            if (l[s].series == a) {
                out[s].value[i] = pair(x, a->value[i], b->value[i], a->value[i]);
            }
        }
    }
    return SH_OK;
}

static sh_err vectors(struct pql_eval *e, const struct sh_promql_expr *x,
                      const struct sh_promql_answer *a, const struct sh_promql_answer *b,
                      struct sh_promql_answer *out)
{
    struct key *l = NULL;
    struct key *r = NULL;
    SH_TRY(keys(e, x, a, &l));
    SH_TRY(keys(e, x, b, &r));
    SH_TRY(pql_answer(e, SH_PROMQL_VECTOR, a->n, out));
    size_t j = 0;
    size_t n = 0;
    for (size_t i = 0; i < a->n; i += n) {
        n = run_of(l, i, a->n);
        while (j < b->n && by_key(&r[j], &l[i]) < 0) {
            j++;
        }
        if (j < b->n && by_key(&r[j], &l[i]) == 0) {
            SH_TRY(match_run(e, x, l + i, n, r + j, run_of(r, j, b->n), out->series + i));
        }
    }
    return pql_settle(e, out);
}

sh_err pql_binary(struct pql_eval *e, const struct sh_promql_expr *x, struct sh_promql_answer *out)
{
    struct sh_promql_answer a;
    struct sh_promql_answer b;
    SH_TRY(pql_eval(e, x->arg[0], &a));
    SH_TRY(pql_eval(e, x->arg[1], &b));
    if (a.type == SH_PROMQL_VECTOR && b.type == SH_PROMQL_VECTOR) {
        return vectors(e, x, &a, &b, out);
    }
    if (a.type == SH_PROMQL_VECTOR) {
        *out = a;
        return with_scalar(e, x, out, b.series[0].value, false);
    }
    if (b.type == SH_PROMQL_VECTOR) {
        *out = b;
        return with_scalar(e, x, out, a.series[0].value, true);
    }
    *out = a;
    scalars(e, x, a.series[0].value, b.series[0].value);
    return SH_OK;
}
