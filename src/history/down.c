/* down.c - fewer samples for a chart.
 * minmax: the range is cut into points / 2 equal spans; each gives its smallest and its largest
 * sample. Where spans are long, they end at whole hours (minutes), so that roll-ups answer for
 * them. lttb: largest triangle three buckets (Steinarsson, "Downsampling Time Series for Visual
 * Representation", 2013); of more than DOWN_EXACT samples minmax first chooses 8 for each wanted
 * point, so memory stays small. Samples that do not count (quality, NaN) are left out. Text and
 * blob come raw. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "query_int.h"

enum {
    DOWN_EXACT = 200000,
    DOWN_FIRST = 8,
    SPAN_UNITS = 4 /* least width of a span that is seen */
};

struct pick {
    int64_t time;
    union sh_cell value;
    uint8_t quality;
};

struct picks {
    struct query *c;
    struct pick *p;
    size_t n;
    size_t cap;
};

static sh_err picks_add(struct picks *s, const struct pick *p)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap == 0 ? 1024 : s->cap * 2;
        const size_t more = (cap - s->cap) * sizeof *p;
        if (s->c->mem.limit - s->c->mem.used < more) {
            return SH_E_LIMIT;
        }
        struct pick *np = sh_mem_resize(s->c->h->env->alloc, s->p, cap * sizeof *np);
        if (np == NULL) {
            return SH_E_NOMEM;
        }
        s->c->mem.used += more;
        s->p = np;
        s->cap = cap;
    }
    s->p[s->n++] = *p;
    return SH_OK;
}

static void picks_free(struct picks *s)
{
    s->c->mem.used -= s->cap * sizeof *s->p;
    sh_mem_free(s->c->h->env->alloc, s->p);
}

/* Spans of minmax, and the present one. */
struct span {
    struct picks *to_picks;
    int64_t origin;
    int64_t to;
    uint64_t width; /* 0: all samples are taken */
    int64_t unit;   /* all but the last end at a multiple of this */
    sh_err err;
    bool any;
    int64_t end; /* exclusive */
    struct pick min;
    struct pick max;
};

static sh_err span_close(struct picks *s, struct span *sp)
{
    if (!sp->any) {
        return SH_OK;
    }
    sp->any = false;
    const bool min_first = sp->min.time <= sp->max.time;
    SH_TRY(picks_add(s, min_first ? &sp->min : &sp->max));
    if (sp->min.time != sp->max.time) {
        return picks_add(s, min_first ? &sp->max : &sp->min);
    }
    return SH_OK;
}

/* End of the span that holds t. */
static int64_t span_end(const struct span *sp, int64_t t)
{
    uint64_t index = ((uint64_t)t - (uint64_t)sp->origin) / sp->width;
    for (;;) {
        const uint64_t width = ++index * sp->width;
        if (width >= (uint64_t)sp->to - (uint64_t)sp->origin) {
            return sp->to;
        }
        const int64_t end = (int64_t)((uint64_t)sp->origin + width);
        const int64_t rest = end % sp->unit;
        const int64_t whole = end - (rest < 0 ? rest + sp->unit : rest);
        if (whole > t) {
            return whole;
        }
    }
}

/* Cuts the range. */
static void span_open(struct span *sp, const struct sh_history_query *q)
{
    const bool first = q->down == SH_DOWN_LTTB; /* of its two choices */
    const uint64_t spans = (uint64_t)q->down_points * (first ? DOWN_FIRST : 1) / 2;
    const uint64_t least = first ? 1 : SPAN_UNITS;
    const uint64_t range = (uint64_t)q->to_us - (uint64_t)q->from_us;
    *sp = (struct span){
        .origin = q->from_us, .to = q->to_us, .width = (range + spans - 1) / spans, .unit = 1};
    for (int l = ROLL_HOUR; sp->unit == 1 && l <= ROLL_MINUTE; l++) {
        const int64_t unit = roll_unit_us((enum roll_level)l);
        sp->unit = sp->width >= least * (uint64_t)unit ? unit : 1;
    }
}

/* The division is made once a span, not once a sample. */
static sh_err span_row(struct picks *s, struct span *sp, enum sh_type type, const struct pick *p)
{
    if (!sp->any || p->time >= sp->end) {
        SH_TRY(span_close(s, sp));
        sp->any = true;
        sp->end = span_end(sp, p->time);
        sp->min = *p;
        sp->max = *p;
        return SH_OK;
    }
    const double v = summary_number(type, p->value);
    if (v < summary_number(type, sp->min.value)) {
        sp->min = *p;
    }
    if (v > summary_number(type, sp->max.value)) {
        sp->max = *p;
    }
    return SH_OK;
}

/* A unit or block within one span whose extremes are known, or would change nothing. */
static bool piece_take(void *ctx, const struct iter_piece *p)
{
    struct span *sp = ctx;
    const struct sh_history_query *q = sp->to_picks->c->q;
    struct summary s;
    if (sp->err != SH_OK || !iter_piece_summary(p, &s) ||
        (q->quality == SH_QF_ALL && s.n_bad != 0)) {
        return false;
    }
    const enum sh_type type = p->block.type;
    const struct summary_set *set = q->quality == SH_QF_GOOD ? &s.good : &s.use;
    const bool within = sp->any && p->block.t_last < sp->end;
    if (set->n == 0 ||
        (within && summary_number(type, set->min) >= summary_number(type, sp->min.value) &&
         summary_number(type, set->max) <= summary_number(type, sp->max.value))) {
        return true;
    }
    if (!p->unit || !p->row.timed || span_end(sp, p->block.t_first) <= p->block.t_last) {
        return false;
    }
    const struct pick min = {p->row.t_min, set->min, SH_Q_GOOD};
    const struct pick max = {p->row.t_max, set->max, SH_Q_GOOD};
    const bool min_first = min.time <= max.time;
    sp->err = span_row(sp->to_picks, sp, type, min_first ? &min : &max);
    if (sp->err == SH_OK) {
        sp->err = span_row(sp->to_picks, sp, type, min_first ? &max : &min);
    }
    return true;
}

/* All samples that count, or the extremes of the spans. */
static sh_err gather(struct picks *s, struct iter *it, struct span *sp)
{
    const struct sh_history_query *q = s->c->q;
    struct iter_run run;
    it->take = sp->width == 0 ? NULL : piece_take;
    it->ctx = sp;
    do {
        SH_TRY(query_alive(s->c));
        SH_TRY(iter_next(it, &run));
        SH_TRY(sp->err);
        for (uint32_t i = 0; i < run.n; i++) {
            const struct pick p = {run.time[i], run.value[i], run.quality[i]};
            if (!query_counts(q->quality, p.quality) ||
                (it->type == SH_T_F64 && isnan(p.value.f64))) {
                continue;
            }
            if (sp->width == 0) {
                SH_TRY(picks_add(s, &p));
            } else {
                SH_TRY(span_row(s, sp, it->type, &p));
            }
        }
    } while (run.n != 0);
    return span_close(s, sp);
}

/* Mean of the picks [from, to). */
static void center(const struct pick *p, size_t from, size_t to, enum sh_type type, int64_t t0,
                   double *t, double *v)
{
    *t = 0;
    *v = 0;
    for (size_t i = from; i < to; i++) {
        *t += (double)(p[i].time - t0);
        *v += summary_number(type, p[i].value);
    }
    *t /= (double)(to - from);
    *v /= (double)(to - from);
}

/* Moves the chosen ones to the front; returns how many (= want). */
static size_t lttb(struct pick *p, size_t n, size_t want, enum sh_type type)
{
    if (n <= want) {
        return n;
    }
    const double every = (double)(n - 2) / (double)(want - 2);
    const int64_t t0 = p[0].time;
    size_t kept = 1;
    for (size_t b = 0; b + 2 < want; b++) {
        const size_t from = (size_t)((double)b * every) + 1;
        const size_t to = (size_t)((double)(b + 1) * every) + 1;
        size_t after = (size_t)((double)(b + 2) * every) + 1;
        after = after > n ? n : after;
        double tc = 0;
        double vc = 0;
        center(p, to, after > to ? after : to + 1, type, t0, &tc, &vc);
        const double ta = (double)(p[kept - 1].time - t0);
        const double va = summary_number(type, p[kept - 1].value);
        size_t best = from;
        double best_area = -1;
        for (size_t i = from; i < to; i++) {
            const double area = fabs((ta - tc) * (summary_number(type, p[i].value) - va) -
                                     (ta - (double)(p[i].time - t0)) * (vc - va));
            if (area > best_area) {
                best_area = area;
                best = i;
            }
        }
        p[kept++] = p[best];
    }
    p[kept++] = p[n - 1];
    return kept;
}

static sh_err picks_send(struct picks *s, uint32_t series, enum sh_type type, size_t n)
{
    struct block_cols *o = block_cols_new(s->c->h->env->alloc);
    if (o == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_OK;
    for (size_t at = 0; err == SH_OK && at < n && s->c->left != 0;) {
        uint32_t k = 0;
        for (; k < BLOCK_MAX && at < n && k < s->c->left; k++, at++) {
            o->time[k] = s->p[at].time;
            o->value[k] = s->p[at].value;
            o->quality[k] = s->p[at].quality;
        }
        const struct sh_history_rows rows = {.series = series,
                                             .type = type,
                                             .n = k,
                                             .time_us = o->time,
                                             .value = o->value,
                                             .quality = o->quality};
        err = query_emit(s->c, &rows);
    }
    block_cols_free(s->c->h->env->alloc, o);
    return err;
}

sh_err query_down(struct query *c, uint32_t series)
{
    struct iter it;
    struct picks s = {.c = c};
    const struct sh_history_query *q = c->q;
    struct span sp = {.width = 0};
    uint64_t samples = 0;
    span_open(&sp, q);
    sp.to_picks = &s;
    const int64_t unit_us = sp.width > INT64_MAX ? INT64_MAX : (int64_t)sp.width;
    SH_TRY(iter_open(&it, c->h, &c->mem, q->points[series], q->from_us, q->to_us, unit_us));
    if (it.type > SH_T_F64) {
        iter_close(&it);
        return query_raw(c, series, q->from_us);
    }
    sh_err err = iter_count(&it, &samples);
    if (q->down == SH_DOWN_MINMAX
            ? samples <= q->down_points
            : samples <= DOWN_EXACT || samples / DOWN_FIRST <= q->down_points) {
        sp.width = 0; /* few enough */
    }
    if (err == SH_OK) {
        err = gather(&s, &it, &sp);
    }
    if (err == SH_OK) {
        const size_t n = q->down == SH_DOWN_LTTB ? lttb(s.p, s.n, q->down_points, it.type) : s.n;
        err = picks_send(&s, series, it.type, n);
    }
    c->out->scanned += it.scanned;
    picks_free(&s);
    iter_close(&it);
    return err;
}
