/* agg_bucket.c - see agg.h.
 * Variances are kept as mean and sum of squared distances and merged as Chan, Golub and LeVeque do
 * ("Algorithms for computing the sample variance", 1983), so that a large offset does no harm.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "agg.h"
#include "kernel_bits.h"

enum { TEXT_MAX = 64 << 20 };

unsigned agg_needs(const struct sh_history_query *q)
{
    unsigned need = 0;
    for (size_t i = 0; i < q->naggs; i++) {
        switch (q->aggs[i].kind) {
        case SH_AGG_COUNT:
        case SH_AGG_FIRST:
        case SH_AGG_LAST:
            break;
        case SH_AGG_COUNT_IF:
            need |= AGG_NEED_COND;
            break;
        case SH_AGG_DURATION:
            need |= AGG_NEED_COND | AGG_NEED_HELD;
            break;
        case SH_AGG_SUM:
        case SH_AGG_MIN:
        case SH_AGG_MAX:
        case SH_AGG_MEAN:
            need |= AGG_NEED_NUMBERS;
            break;
        case SH_AGG_STDDEV:
            need |= AGG_NEED_NUMBERS | AGG_NEED_MOMENTS;
            break;
        case SH_AGG_PERCENTILE:
            need |= AGG_NEED_VALUES | AGG_NEED_SAMPLES;
            break;
        case SH_AGG_TWA:
            need |= AGG_NEED_HELD;
            break;
        case SH_AGG_RATE:
            need |= AGG_NEED_HELD | AGG_NEED_SAMPLES;
            break;
        }
    }
    return need;
}

static bool has_cond(const struct agg *a, size_t k)
{
    const enum sh_history_agg_kind kind = a->c->q->aggs[k].kind;
    return kind == SH_AGG_COUNT_IF || kind == SH_AGG_DURATION;
}

sh_err agg_init(struct agg *a, struct query *c, uint32_t series, enum sh_type type)
{
    memset(a, 0, sizeof *a);
    a->c = c;
    a->series = series;
    a->type = type;
    a->need = agg_needs(c->q);
    const struct sh_alloc *al = c->h->env->alloc;
    sh_buf_init(&a->held.text, al, TEXT_MAX);
    sh_buf_init(&a->b.first_text, al, TEXT_MAX);
    sh_buf_init(&a->b.last_text, al, TEXT_MAX);
    for (size_t i = 0; i < c->q->naggs; i++) {
        if (!sh_history_agg_allowed(c->q->aggs[i].kind, type)) {
            return SH_E_UNSUPPORTED;
        }
        if (has_cond(a, i)) {
            SH_TRY(cond_make(&c->q->aggs[i].cond, type, &a->cond[i]));
        }
    }
    return SH_OK;
}

void agg_fini(struct agg *a)
{
    if (a->b.values != NULL) {
        a->c->mem.used -= a->b.values_cap * sizeof(double);
        sh_mem_free(a->c->h->env->alloc, a->b.values);
        a->b.values = NULL;
    }
    sh_buf_fini(&a->held.text);
    sh_buf_fini(&a->b.first_text);
    sh_buf_fini(&a->b.last_text);
}

void agg_begin(struct agg *a, int64_t start, int64_t end)
{
    struct agg_bucket *b = &a->b;
    const struct sh_history_query *q = a->c->q;
    b->start = start;
    b->end = end;
    b->from = start < q->from_us ? q->from_us : start;
    b->hold_end = end < q->to_us ? end : q->to_us;
    if (q->now_us != 0 && q->now_us < b->hold_end) {
        b->hold_end = q->now_us;
    }
    b->n = 0;
    b->sum = 0;
    b->mean = 0;
    b->m2 = 0;
    b->integral = 0;
    b->increase = 0;
    b->nvalues = 0;
    memset(b->seconds, 0, q->naggs * sizeof b->seconds[0]);
    memset(b->met, 0, q->naggs * sizeof b->met[0]);
    b->covered = a->held.known && (a->need & AGG_NEED_HELD) != 0;
    b->cover_from = b->from;
    b->cover_to = b->from;
    b->rate_from_known = b->covered;
    b->rate_from = a->held.time;
    a->open = true;
}

/* The held value of duration k; texts are kept apart from their cell. */
static bool held_meets(const struct agg *a, size_t k)
{
    union sh_cell v = a->held.value;
    if (a->type >= SH_T_TEXT) {
        v.span.off = 0;
        v.span.len = (uint32_t)a->held.text.n;
    }
    return cond_met(&a->cond[k], v, a->held.text.p);
}

/* Lets the held value count up to t. */
static void hold_to(struct agg *a, int64_t t)
{
    struct agg_bucket *b = &a->b;
    if (!b->covered || t <= b->cover_to) {
        return;
    }
    const double us = (double)(t - b->cover_to);
    if (a->type <= SH_T_F64) {
        b->integral += summary_number(a->type, a->held.value) * us;
    }
    for (size_t k = 0; k < a->c->q->naggs; k++) {
        if (a->c->q->aggs[k].kind == SH_AGG_DURATION && held_meets(a, k)) {
            b->seconds[k] += us / 1e6;
        }
    }
    b->cover_to = t;
}

static sh_err hold(struct agg *a, int64_t t, union sh_cell v, struct sh_bytes text)
{
    struct agg_bucket *b = &a->b;
    hold_to(a, t < b->hold_end ? t : b->hold_end);
    if (a->type <= SH_T_F64) {
        if (b->rate_from_known) {
            const double now = summary_number(a->type, v);
            const double was = summary_number(a->type, a->held.value);
            b->increase += now >= was ? now - was : now;
        } else {
            b->rate_from_known = true;
            b->rate_from = t;
        }
    } else {
        sh_buf_clear(&a->held.text);
        if (text.n != 0) {
            SH_TRY(sh_buf_put(&a->held.text, text.p, text.n));
        }
    }
    if (!b->covered) {
        b->covered = true;
        b->cover_from = t;
        b->cover_to = t;
    }
    a->held.known = true;
    a->held.time = t;
    a->held.value = v;
    return SH_OK;
}

static sh_err value_keep(struct agg *a, double v)
{
    struct agg_bucket *b = &a->b;
    if (b->nvalues == b->values_cap) {
        const size_t cap = b->values_cap == 0 ? 256 : b->values_cap * 2;
        const size_t more = (cap - b->values_cap) * sizeof(double);
        if (a->c->mem.limit - a->c->mem.used < more) {
            return SH_E_LIMIT;
        }
        double *p = sh_mem_resize(a->c->h->env->alloc, b->values, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        a->c->mem.used += more;
        b->values = p;
        b->values_cap = cap;
    }
    b->values[b->nvalues++] = v;
    return SH_OK;
}

static void moments_merge(struct agg_bucket *b, uint64_t n, double mean, double m2)
{
    if (n == 0) {
        return;
    }
    const double na = (double)b->n;
    const double nb = (double)n;
    const double d = mean - b->mean;
    b->m2 += m2 + d * d * na * nb / (na + nb);
    b->mean += d * nb / (na + nb);
}

static bool cell_less(enum sh_type t, union sh_cell a, union sh_cell b)
{
    return t == SH_T_F64 ? a.f64 < b.f64 : a.i64 < b.i64;
}

static sh_err text_keep(struct sh_buf *to, struct sh_bytes text)
{
    sh_buf_clear(to);
    return text.n == 0 ? SH_OK : sh_buf_put(to, text.p, text.n);
}

/* Adds `n` samples to the counts whose condition `v` meets (a text: `text`). */
static void conds_add(struct agg *a, union sh_cell v, struct sh_bytes text, uint32_t n)
{
    if (a->type >= SH_T_TEXT) {
        v.span.off = 0;
    }
    for (size_t k = 0; k < a->c->q->naggs; k++) {
        if (a->c->q->aggs[k].kind == SH_AGG_COUNT_IF && cond_met(&a->cond[k], v, text.p)) {
            a->b.met[k] += n;
        }
    }
}

static sh_err row(struct agg *a, int64_t t, union sh_cell v, struct sh_bytes text)
{
    struct agg_bucket *b = &a->b;
    if ((a->need & AGG_NEED_COND) != 0) {
        conds_add(a, v, text, 1);
    }
    if ((a->need & AGG_NEED_HELD) != 0) {
        SH_TRY(hold(a, t, v, text));
    }
    if (a->type >= SH_T_TEXT) {
        if (b->n == 0) {
            SH_TRY(text_keep(&b->first_text, text));
        }
        SH_TRY(text_keep(&b->last_text, text));
        b->n++;
        return SH_OK;
    }
    const double x = summary_number(a->type, v);
    if (b->n == 0) {
        b->first = v;
        b->min = v;
        b->max = v;
    }
    b->last = v;
    b->min = cell_less(a->type, v, b->min) ? v : b->min;
    b->max = cell_less(a->type, b->max, v) ? v : b->max;
    b->sum += x;
    if ((a->need & AGG_NEED_MOMENTS) != 0) {
        moments_merge(b, 1, x, 0);
    }
    if ((a->need & AGG_NEED_VALUES) != 0) {
        SH_TRY(value_keep(a, x));
    }
    b->n++;
    return SH_OK;
}

/* Counts of a column in which nothing is NaN. */
static void conds_column(struct agg *a, const union sh_cell *v, uint32_t n)
{
    for (size_t k = 0; k < a->c->q->naggs; k++) {
        if (a->c->q->aggs[k].kind == SH_AGG_COUNT_IF) {
            a->b.met[k] += cond_count(&a->cond[k], v, n);
        }
    }
}

static bool all_good(const uint8_t *quality, uint32_t n)
{
    uint8_t all = 0xff;
    for (uint32_t i = 0; i < n; i++) {
        all &= quality[i];
    }
    return all >= SH_Q_GOOD;
}

/* Good numbers, no NaN, nothing but sums and counts wanted: by the column. */
static bool rows_fast(struct agg *a, const struct iter_run *run, uint32_t from, uint32_t to)
{
    struct agg_bucket *b = &a->b;
    const unsigned slow = AGG_NEED_HELD | AGG_NEED_VALUES | AGG_NEED_MOMENTS;
    const bool whole = a->type == SH_T_I64 || a->type == SH_T_BOOL;
    if ((a->type != SH_T_F64 && !(whole && (a->need & AGG_NEED_NUMBERS) == 0)) ||
        (a->need & slow) != 0 || to - from < 8 || !all_good(run->quality + from, to - from)) {
        return false;
    }
    struct kernel_numbers x = {.nan = 0};
    if (!whole) {
        kernels_get()->numbers(&run->value[from].f64, to - from, &x);
    }
    if (x.nan != 0) {
        return false;
    }
    if ((a->need & AGG_NEED_COND) != 0) {
        conds_column(a, run->value + from, to - from);
    }
    if (b->n == 0) {
        b->first = run->value[from];
        b->min.f64 = x.min;
        b->max.f64 = x.max;
    }
    b->last = run->value[to - 1];
    b->min.f64 = x.min < b->min.f64 ? x.min : b->min.f64;
    b->max.f64 = x.max > b->max.f64 ? x.max : b->max.f64;
    b->sum += x.sum;
    b->n += to - from;
    return true;
}

sh_err agg_rows(struct agg *a, const struct iter_run *run, uint32_t from, uint32_t to)
{
    if (rows_fast(a, run, from, to)) {
        return SH_OK;
    }
    for (uint32_t i = from; i < to; i++) {
        const union sh_cell v = run->value[i];
        if (!query_counts(a->c->q->quality, run->quality[i]) ||
            (a->type == SH_T_F64 && isnan(v.f64))) {
            continue;
        }
        struct sh_bytes text = {NULL, 0};
        if (a->type >= SH_T_TEXT) {
            text = (struct sh_bytes){run->bytes + v.span.off, v.span.len};
        }
        SH_TRY(row(a, run->time[i], v, text));
    }
    return SH_OK;
}

bool agg_set_exact(const struct agg *a, const struct summary_set *s)
{
    for (size_t k = 0; (a->need & AGG_NEED_COND) != 0 && k < a->c->q->naggs; k++) {
        if (has_cond(a, k) && cond_over(&a->cond[k], s->min, s->max) == COND_SOME) {
            return false;
        }
    }
    return true;
}

void agg_set(struct agg *a, const struct summary_set *s)
{
    struct agg_bucket *b = &a->b;
    if (s->n == 0) {
        return;
    }
    if (a->type >= SH_T_TEXT) { /* count only */
        b->n += s->n;
        return;
    }
    const struct sh_bytes none = {NULL, 0};
    if ((a->need & AGG_NEED_COND) != 0) { /* all or none: as the first */
        conds_add(a, s->first, none, s->n);
    }
    if ((a->need & AGG_NEED_HELD) != 0) { /* twa, duration */
        hold_to(a, s->t_first);
        for (size_t k = 0; k < a->c->q->naggs; k++) {
            if (a->c->q->aggs[k].kind == SH_AGG_DURATION && cond_met(&a->cond[k], s->first, NULL)) {
                b->seconds[k] += (double)(s->t_last - s->t_first) / 1e6;
            }
        }
        if (!b->covered) {
            b->covered = true;
            b->cover_from = s->t_first;
        }
        b->integral += s->integral;
        b->cover_to = s->t_last;
        a->held.known = true;
        a->held.time = s->t_last;
        a->held.value = s->last;
    }
    if (b->n == 0) {
        b->first = s->first;
        b->min = s->min;
        b->max = s->max;
    }
    b->last = s->last;
    b->min = cell_less(a->type, s->min, b->min) ? s->min : b->min;
    b->max = cell_less(a->type, b->max, s->max) ? s->max : b->max;
    b->sum += s->sum;
    moments_merge(b, s->n, s->sum / s->n, s->m2);
    b->n += s->n;
}

void agg_end(struct agg *a)
{
    hold_to(a, a->b.hold_end);
    a->open = false;
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

/* Linear interpolation between closest ranks: Hyndman and Fan 1996, type 7. */
static double percentile(struct agg_bucket *b, double p)
{
    qsort(b->values, b->nvalues, sizeof *b->values, by_number);
    const double at = p / 100 * (double)(b->nvalues - 1);
    const size_t lo = (size_t)at;
    const double part = at - (double)lo;
    if (part <= 0 || lo + 1 >= b->nvalues) {
        return b->values[lo];
    }
    return b->values[lo] + part * (b->values[lo + 1] - b->values[lo]);
}

bool agg_result(struct agg *a, size_t k, union sh_cell *out, struct sh_bytes *text)
{
    struct agg_bucket *b = &a->b;
    const struct sh_history_agg *g = &a->c->q->aggs[k];
    const bool is_text = a->type >= SH_T_TEXT;
    *text = (struct sh_bytes){NULL, 0};
    out->bits = 0;
    switch (g->kind) {
    case SH_AGG_COUNT:
        out->i64 = (int64_t)b->n;
        return true;
    case SH_AGG_SUM:
        out->f64 = b->sum;
        return b->n != 0;
    case SH_AGG_MIN:
        *out = b->min;
        return b->n != 0;
    case SH_AGG_MAX:
        *out = b->max;
        return b->n != 0;
    case SH_AGG_MEAN:
        out->f64 = b->n == 0 ? 0 : b->sum / (double)b->n;
        return b->n != 0;
    case SH_AGG_FIRST:
        *out = b->first;
        *text = is_text ? sh_buf_bytes(&b->first_text) : *text;
        return b->n != 0;
    case SH_AGG_LAST:
        *out = b->last;
        *text = is_text ? sh_buf_bytes(&b->last_text) : *text;
        return b->n != 0;
    case SH_AGG_STDDEV:
        out->f64 = b->n < 2 ? 0 : sqrt(b->m2 / (double)(b->n - 1));
        return b->n >= 2;
    case SH_AGG_PERCENTILE:
        out->f64 = b->n == 0 ? 0 : percentile(b, g->percentile);
        return b->n != 0;
    case SH_AGG_TWA: {
        const double us = (double)(b->cover_to - b->cover_from);
        if (b->covered && us > 0) {
            out->f64 = b->integral / us;
        } else if (b->covered && b->n != 0) {
            out->f64 = summary_number(a->type, b->last);
        }
        return b->covered && (us > 0 || b->n != 0);
    }
    case SH_AGG_RATE: {
        const double us = (double)(a->held.time - b->rate_from);
        out->f64 = us > 0 ? b->increase / us * 1e6 : 0;
        return b->n != 0 && us > 0;
    }
    case SH_AGG_COUNT_IF:
        out->i64 = (int64_t)b->met[k];
        return true;
    case SH_AGG_DURATION:
        out->f64 = b->seconds[k];
        return b->covered;
    }
    return false;
}
