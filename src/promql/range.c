/* range.c - selectors: the samples of each series are read once, and the steps are windows that
 * slide over them. As Prometheus 2: an instant selector takes the newest sample of the last five
 * minutes (both ends in) unless it is gone; a range holds both ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "promql_int.h"

/* Samples of the present series. */
struct gather {
    struct pql_eval *e;
    const struct sh_promql_expr *x;    /* the selector */
    const struct sh_promql_expr *call; /* NULL: an instant selector */
    const double *parameter;           /* of quantile_over_time, a value a step */
    struct sh_promql_answer *out;
    size_t series;
    size_t n;
    size_t cap;
    int64_t *time;
    double *value;
    bool *gone;
    double *sorted; /* of quantile_over_time */
};

/* ---- functions of a window [a, b) ---- */

static void kahan(double inc, double *sum, double *c)
{
    const double t = *sum + inc;
    if (fabs(*sum) >= fabs(inc)) {
        *c += (*sum - t) + inc;
    } else {
        *c += (inc - t) + *sum;
    }
    *sum = t;
}

static double sum_of(const double *v, size_t n)
{
    double sum = 0;
    double c = 0;
    for (size_t i = 0; i < n; i++) {
        kahan(v[i], &sum, &c);
    }
    return isinf(sum) ? sum : sum + c;
}

static double mean_of(const double *v, size_t n)
{
    double mean = 0;
    double c = 0;
    for (size_t i = 0; i < n; i++) {
        const double count = (double)(i + 1);
        if (isinf(mean) && ((isinf(v[i]) && (mean > 0) == (v[i] > 0)) || isfinite(v[i]))) {
            continue;
        }
        kahan(v[i] / count - mean / count, &mean, &c);
    }
    return isinf(mean) ? mean : mean + c;
}

static double stddev_of(const double *v, size_t n)
{
    double mean = 0;
    double mean_c = 0;
    double aux = 0;
    double aux_c = 0;
    for (size_t i = 0; i < n; i++) {
        const double delta = v[i] - (mean + mean_c);
        kahan(delta / (double)(i + 1), &mean, &mean_c);
        kahan(delta * (v[i] - (mean + mean_c)), &aux, &aux_c);
    }
    return sqrt((aux + aux_c) / (double)n);
}

static double extreme_of(const double *v, size_t n, bool most)
{
    double x = v[0];
    for (size_t i = 1; i < n; i++) {
        if (isnan(x) || (most ? v[i] > x : v[i] < x)) {
            x = v[i];
        }
    }
    return x;
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

/* rate, increase, delta: extrapolated to the ends of the range. */
static double rate_of(const struct gather *g, size_t a, size_t n, int64_t end_us)
{
    const enum pql_fn fn = g->call->fn->fn;
    const int64_t *t = g->time + a;
    const double *v = g->value + a;
    const bool counter = fn != PQL_F_DELTA;
    if (n < 2) {
        return pql_none();
    }
    double result = v[n - 1] - v[0];
    double last = 0;
    for (size_t i = 0; counter && i < n; i++) {
        result += v[i] < last ? last : 0;
        last = v[i];
    }
    double to_start = seconds(t[0] - (end_us - g->x->range_us));
    const double to_end = seconds(end_us - t[n - 1]);
    const double sampled = seconds(t[n - 1] - t[0]);
    const double between = sampled / (double)(n - 1);
    if (counter && result > 0 && v[0] >= 0) {
        const double to_zero = sampled * (v[0] / result);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    const double threshold = between * 1.1;
    double reach = sampled;
    reach += to_start < threshold ? to_start : between / 2;
    reach += to_end < threshold ? to_end : between / 2;
    double factor = reach / sampled;
    if (fn == PQL_F_RATE) {
        factor /= seconds(g->x->range_us);
    }
    return result * factor;
}

static double irate_of(const struct gather *g, size_t a, size_t n)
{
    if (n < 2) {
        return pql_none();
    }
    const double last = g->value[a + n - 1];
    const double before = g->value[a + n - 2];
    const int64_t us = g->time[a + n - 1] - g->time[a + n - 2];
    return (last < before ? last : last - before) / seconds(us);
}

static double quantile_of(const struct gather *g, size_t a, size_t n, double q)
{
    memcpy(g->sorted, g->value + a, n * sizeof *g->sorted);
    return pql_quantile(q, g->sorted, n);
}

/* n > 0. */
static double window_value(const struct gather *g, size_t step, size_t a, size_t n, int64_t end_us)
{
    const double *v = g->value + a;
    switch ((int)g->call->fn->fn) {
    case PQL_F_RATE:
    case PQL_F_INCREASE:
    case PQL_F_DELTA:
        return rate_of(g, a, n, end_us);
    case PQL_F_IRATE:
        return irate_of(g, a, n);
    case PQL_F_AVG:
        return mean_of(v, n);
    case PQL_F_MIN:
        return extreme_of(v, n, false);
    case PQL_F_MAX:
        return extreme_of(v, n, true);
    case PQL_F_SUM:
        return sum_of(v, n);
    case PQL_F_COUNT:
        return (double)n;
    case PQL_F_LAST:
        return v[n - 1];
    case PQL_F_STDDEV:
        return stddev_of(v, n);
    default: /* PQL_F_QUANTILE; the others are not of windows */
        return quantile_of(g, a, n, g->parameter[step]);
    }
}

static void slide_windows(struct gather *g)
{
    size_t a = 0;
    size_t b = 0;
    double *out = g->out->series[g->series].value;
    for (size_t i = 0; i < g->e->run->steps; i++) {
        const int64_t end = pql_step_time(g->e, i) - g->x->offset_us;
        while (b < g->n && g->time[b] <= end) {
            b++;
        }
        while (a < b && g->time[a] < end - g->x->range_us) {
            a++;
        }
        if (b > a) {
            out[i] = window_value(g, i, a, b - a, end);
        }
    }
}

static void slide_instant(struct gather *g)
{
    size_t b = 0;
    double *out = g->out->series[g->series].value;
    for (size_t i = 0; i < g->e->run->steps; i++) {
        const int64_t end = pql_step_time(g->e, i) - g->x->offset_us;
        while (b < g->n && g->time[b] <= end) {
            b++;
        }
        if (b > 0 && g->time[b - 1] >= end - SH_PROMQL_LOOKBACK_US && !g->gone[b - 1]) {
            out[i] = g->value[b - 1];
        }
    }
}

/* ---- reading ---- */

static void series_done(struct gather *g)
{
    if (g->n > 0) {
        if (g->call != NULL) {
            slide_windows(g);
        } else {
            slide_instant(g);
        }
    }
    g->n = 0;
}

static sh_err grow(struct gather *g, size_t more)
{
    const struct sh_alloc *al = g->e->run->env->alloc;
    if (g->n + more <= g->cap) {
        return SH_OK;
    }
    const size_t cap = (g->n + more) * 2;
    int64_t *time = sh_mem_array(al, cap, sizeof *time);
    double *value = sh_mem_array(al, cap, sizeof *value);
    bool *gone = sh_mem_array(al, cap, sizeof *gone);
    double *sorted = sh_mem_array(al, cap, sizeof *sorted);
    const bool ok = time != NULL && value != NULL && gone != NULL && sorted != NULL;
    if (ok && g->n > 0) {
        memcpy(time, g->time, g->n * sizeof *time);
        memcpy(value, g->value, g->n * sizeof *value);
        memcpy(gone, g->gone, g->n * sizeof *gone);
    }
    sh_mem_free(al, ok ? g->time : time);
    sh_mem_free(al, ok ? g->value : value);
    sh_mem_free(al, ok ? g->gone : gone);
    sh_mem_free(al, ok ? g->sorted : sorted);
    if (!ok) {
        return SH_E_NOMEM;
    }
    g->time = time;
    g->value = value;
    g->gone = gone;
    g->sorted = sorted;
    g->cap = cap;
    return SH_OK;
}

static sh_err take(void *ctx, const struct sh_promql_samples *in)
{
    struct gather *g = ctx;
    if (in->series != g->series) {
        series_done(g);
        g->series = in->series;
    }
    g->e->samples += in->n;
    if (g->e->samples > g->e->run->max_samples) {
        return SH_E_LIMIT;
    }
    SH_TRY(grow(g, in->n));
    for (size_t i = 0; i < in->n; i++) {
        if (g->call == NULL || !in->gone[i]) {
            g->time[g->n] = in->time_us[i];
            g->value[g->n] = in->value[i];
            g->gone[g->n++] = in->gone[i];
        }
    }
    return SH_OK;
}

static sh_err gather(struct gather *g)
{
    const struct sh_promql_source *src = g->e->run->source;
    const struct sh_alloc *al = g->e->run->env->alloc;
    struct sh_promql_found *found = NULL;
    size_t n = 0;
    SH_TRY(src->select(src->ctx, g->e->ar, g->x->matchers, g->x->nmatchers, &found, &n));
    SH_TRY(pql_answer(g->e, SH_PROMQL_VECTOR, n, g->out));
    for (size_t i = 0; i < n; i++) {
        g->out->series[i].labels = found[i].labels;
    }
    if (n == 0) {
        return SH_OK;
    }
    const int64_t back = g->call != NULL ? g->x->range_us : SH_PROMQL_LOOKBACK_US;
    const int64_t from = g->e->run->start_us - g->x->offset_us - back;
    const int64_t to = pql_step_time(g->e, g->e->run->steps - 1) - g->x->offset_us;
    const sh_err err = src->read(src->ctx, found, n, from, to, take, g);
    if (err == SH_OK) {
        series_done(g);
    }
    sh_mem_free(al, g->time);
    sh_mem_free(al, g->value);
    sh_mem_free(al, g->gone);
    sh_mem_free(al, g->sorted);
    return err;
}

sh_err pql_instant(struct pql_eval *e, const struct sh_promql_expr *x, struct sh_promql_answer *out)
{
    struct gather g = {.e = e, .x = x, .out = out};
    SH_TRY(gather(&g));
    return pql_settle(e, out);
}

sh_err pql_windows(struct pql_eval *e, const struct sh_promql_expr *call,
                   struct sh_promql_answer *out)
{
    struct gather g = {.e = e, .call = call, .out = out, .x = call->arg[call->nargs - 1]};
    if (call->nargs == 2) {
        struct sh_promql_answer parameter;
        SH_TRY(pql_eval(e, call->arg[0], &parameter));
        g.parameter = parameter.series[0].value;
    }
    SH_TRY(gather(&g));
    return call->fn->fn == PQL_F_LAST ? pql_settle(e, out) : pql_unname(e, out);
}
