/* eval.c - evaluation of an expression at all steps at once.
 *
 * Invariants
 *  1. An answer's series are ordered by labels and each has a value at one step at least; no two
 *     have the same labels (pql_settle). A scalar is one series without labels and has a value at
 *     every step.
 *  2. A missing value is one NaN (pql_none) that no operation makes: a NaN that comes out of one is
 *     quiet, this one is not.
 *  3. Everything lives in the arena until the query ends; its limit is the limit of the query.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "promql_int.h"

sh_err pql_fail(struct pql_eval *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->error->text, sizeof e->error->text, fmt, args);
    va_end(args);
    e->error->fault = SH_PROMQL_EXECUTION;
    return SH_E_INVAL;
}

sh_err pql_answer(struct pql_eval *e, enum sh_promql_type type, size_t n,
                  struct sh_promql_answer *out)
{
    const size_t steps = e->run->steps;
    *out = (struct sh_promql_answer){.type = type, .n = n};
    out->series = sh_arena_array(e->ar, n + 1, sizeof *out->series);
    if (out->series == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        double *v = sh_arena_array(e->ar, steps, sizeof *v);
        if (v == NULL) {
            return SH_E_NOMEM;
        }
        for (size_t k = 0; k < steps; k++) {
            v[k] = pql_none();
        }
        out->series[i].value = v;
    }
    return SH_OK;
}

static int by_labels(const void *a, const void *b)
{
    const struct sh_promql_series *x = a;
    const struct sh_promql_series *y = b;
    return pql_labels_cmp(&x->labels, &y->labels);
}

static bool is_empty(const struct pql_eval *e, const struct sh_promql_series *s)
{
    for (size_t i = 0; i < e->run->steps; i++) {
        if (!sh_promql_absent(s->value[i])) {
            return false;
        }
    }
    return true;
}

/* Moves the values of `from` into `to`. */
static sh_err join(struct pql_eval *e, struct sh_promql_series *to,
                   const struct sh_promql_series *from)
{
    for (size_t i = 0; i < e->run->steps; i++) {
        if (sh_promql_absent(from->value[i])) {
            continue;
        }
        if (!sh_promql_absent(to->value[i])) {
            return pql_fail(e, "vector cannot contain metrics with the same labelset");
        }
        to->value[i] = from->value[i];
    }
    return SH_OK;
}

sh_err pql_settle(struct pql_eval *e, struct sh_promql_answer *a)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!is_empty(e, &a->series[i])) {
            a->series[n++] = a->series[i];
        }
    }
    a->n = n;
    if (n < 2) {
        return SH_OK;
    }
    qsort(a->series, n, sizeof *a->series, by_labels);
    n = 1;
    for (size_t i = 1; i < a->n; i++) {
        if (by_labels(&a->series[n - 1], &a->series[i]) == 0) {
            SH_TRY(join(e, &a->series[n - 1], &a->series[i]));
        } else {
            a->series[n++] = a->series[i];
        }
    }
    a->n = n;
    return SH_OK;
}

sh_err pql_unname(struct pql_eval *e, struct sh_promql_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        SH_TRY(pql_labels_drop(e->ar, &a->series[i].labels, "__name__", &a->series[i].labels));
    }
    return pql_settle(e, a);
}

static sh_err negative(struct pql_eval *e, const struct sh_promql_expr *x,
                       struct sh_promql_answer *out)
{
    SH_TRY(pql_eval(e, x->arg[0], out));
    for (size_t i = 0; i < out->n; i++) {
        double *v = out->series[i].value;
        for (size_t k = 0; k < e->run->steps; k++) {
            v[k] = sh_promql_absent(v[k]) ? v[k] : -v[k];
        }
    }
    return out->type == SH_PROMQL_VECTOR ? pql_unname(e, out) : SH_OK;
}

static sh_err constant(struct pql_eval *e, double v, struct sh_promql_answer *out)
{
    SH_TRY(pql_answer(e, SH_PROMQL_SCALAR, 1, out));
    for (size_t i = 0; i < e->run->steps; i++) {
        out->series[0].value[i] = v;
    }
    return SH_OK;
}

sh_err pql_eval(struct pql_eval *e, const struct sh_promql_expr *x, struct sh_promql_answer *out)
{
    if (e->run->deadline_mono_us != 0 &&
        sh_mono_us(e->run->env->clock) > e->run->deadline_mono_us) {
        return SH_E_TIMEOUT;
    }
    switch (x->kind) {
    case PQL_X_NUMBER:
        return constant(e, x->number, out);
    case PQL_X_STRING:
        *out = (struct sh_promql_answer){.type = SH_PROMQL_STRING, .string = x->string};
        return SH_OK;
    case PQL_X_SELECT:
        return pql_instant(e, x, out);
    case PQL_X_CALL:
        return x->fn->fn <= PQL_F_QUANTILE ? pql_windows(e, x, out) : pql_call(e, x, out);
    case PQL_X_AGG:
        return pql_aggregation(e, x, out);
    case PQL_X_BINARY:
        return pql_binary(e, x, out);
    case PQL_X_NEG:
        return negative(e, x, out);
    }
    return SH_E_INTERNAL;
}

/* Words for the errors that have none yet. */
static sh_err say(struct sh_promql_error *error, const struct sh_arena *ar, sh_err err)
{
    const char *text = NULL;
    error->fault = SH_PROMQL_EXECUTION;
    if (err == SH_E_NOMEM && sh_arena_why(ar) != SH_E_LIMIT) {
        error->fault = SH_PROMQL_NO_MEMORY;
        text = "memory is short: ask again";
    } else if (err == SH_E_NOMEM) {
        text = "the query needs too much memory: fewer series, a shorter range or a longer step";
    } else if (err == SH_E_LIMIT) {
        text = "the query finds too many series or samples: name more labels, or a shorter range";
    } else if (err == SH_E_TIMEOUT) {
        error->fault = SH_PROMQL_TIMEOUT;
        text = "query timed out in expression evaluation";
    } else if (err != SH_OK && err != SH_E_INVAL) {
        error->fault = SH_PROMQL_INTERNAL;
        text = sh_err_name(err);
    }
    if (text != NULL) {
        (void)snprintf(error->text, sizeof error->text, "%s", text);
    }
    return err;
}

sh_err sh_promql_eval(struct sh_arena *ar, const struct sh_promql_expr *x,
                      const struct sh_promql_run *run, struct sh_promql_answer *out,
                      struct sh_promql_error *error)
{
    struct pql_eval e = {.ar = ar, .run = run, .error = error};
    if (run->steps == 0 || (run->steps > 1 && run->step_us <= 0) || x->type == SH_PROMQL_MATRIX) {
        return pql_fail(&e, "the expression is a range vector, or there is no step");
    }
    return say(error, ar, pql_eval(&e, x, out));
}

/* ---- a range vector as it is ---- */

struct raw_sink {
    struct pql_eval *e;
    struct sh_promql_raw *raw;
    size_t *cap;
};

static sh_err raw_grow(struct raw_sink *s, struct sh_promql_raw *r, size_t *cap, size_t more)
{
    if (r->n + more <= *cap) {
        return SH_OK;
    }
    const size_t n = (r->n + more) * 2;
    int64_t *time = sh_arena_array(s->e->ar, n, sizeof *time);
    double *value = sh_arena_array(s->e->ar, n, sizeof *value);
    if (time == NULL || value == NULL) {
        return SH_E_NOMEM;
    }
    if (r->n > 0) {
        memcpy(time, r->time_us, r->n * sizeof *time);
        memcpy(value, r->value, r->n * sizeof *value);
    }
    r->time_us = time;
    r->value = value;
    *cap = n;
    return SH_OK;
}

static sh_err raw_take(void *ctx, const struct sh_promql_samples *in)
{
    struct raw_sink *s = ctx;
    struct sh_promql_raw *r = &s->raw[in->series];
    s->e->samples += in->n;
    if (s->e->samples > s->e->run->max_samples) {
        return SH_E_LIMIT;
    }
    SH_TRY(raw_grow(s, r, &s->cap[in->series], in->n));
    for (size_t i = 0; i < in->n; i++) {
        if (!in->gone[i]) {
            r->time_us[r->n] = in->time_us[i];
            r->value[r->n++] = in->value[i];
        }
    }
    return SH_OK;
}

sh_err sh_promql_range(struct sh_arena *ar, const struct sh_promql_expr *x,
                       const struct sh_promql_run *run, struct sh_promql_raw **out, size_t *n,
                       struct sh_promql_error *error)
{
    struct pql_eval e = {.ar = ar, .run = run, .error = error};
    struct sh_promql_found *found = NULL;
    const struct sh_promql_source *src = run->source;
    if (x->type != SH_PROMQL_MATRIX) {
        return pql_fail(&e, "the expression is no range vector");
    }
    sh_err err = src->select(src->ctx, ar, x->matchers, x->nmatchers, &found, n);
    if (err != SH_OK) {
        return say(error, ar, err);
    }
    struct raw_sink s = {.e = &e};
    s.raw = sh_arena_array(ar, *n + 1, sizeof *s.raw);
    s.cap = sh_arena_array(ar, *n + 1, sizeof *s.cap);
    if (s.raw == NULL || s.cap == NULL) {
        return say(error, ar, SH_E_NOMEM);
    }
    for (size_t i = 0; i < *n; i++) {
        s.raw[i].labels = found[i].labels;
    }
    const int64_t to = run->start_us - x->offset_us;
    err = *n == 0 ? SH_OK : src->read(src->ctx, found, *n, to - x->range_us, to, raw_take, &s);
    *out = s.raw;
    return say(error, ar, err);
}
