/* survey.c - what is wrong with the samples of a time: gaps, values that stay, quality, range.
 * Samples come in the order of time, each is held until the next (`hold`) or leaves a gap. What a
 * value's staying took of the good time is known when the run of equal values ends, so the run
 * remembers it (`run_good`). Each kind has its own list of intervals; a full one is made half as
 * long by joining neighbours at ever greater distances. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "survey_int.h"

enum { INTERVALS_MAX = 10000, FLAW_FIRST_HELD = SH_FLAW_BAD };

struct flaw_list {
    struct sh_history_flaw_time *v;
    uint32_t n;
    int64_t near; /* intervals of this distance are one */
};

struct survey {
    struct sh_history *h;
    const struct sh_history_survey *q;
    struct sh_history_surveyed out;
    const struct sh_history_survey_point *p;
    int64_t from;
    int64_t end;
    bool number;
    struct flaw_list lists[SH_FLAW_KINDS];
    struct sh_history_flaw_time *all; /* merged, for the sink */
    /* the last sample */
    bool any;
    int64_t t;
    unsigned flaws; /* bits 1 << kind */
    /* equal values up to it */
    bool running;
    int64_t run_start;
    int64_t run_good;
    double run_value;
};

/* ---- intervals ---- */

/* Joins what lies nearer than ever greater distances until half of the room is free. */
static void list_coarsen(struct flaw_list *l, uint32_t cap, int64_t range)
{
    while (l->n > cap / 2) {
        l->near = l->near == 0 ? range / cap / 4 + 1 : l->near * 2;
        uint32_t k = 0;
        for (uint32_t i = 1; i < l->n; i++) {
            struct sh_history_flaw_time *last = &l->v[k];
            if (l->v[i].from_us - last->to_us <= l->near) {
                last->to_us = l->v[i].to_us;
                last->sum_us += l->v[i].sum_us;
                last->merged += l->v[i].merged;
            } else {
                l->v[++k] = l->v[i];
            }
        }
        l->n = k + 1;
    }
}

static void flaw_add(struct survey *s, enum sh_history_flaw kind, int64_t from, int64_t to)
{
    struct flaw_list *l = &s->lists[kind];
    from = from > s->from ? from : s->from;
    to = to < s->end ? to : s->end;
    if (from >= to) {
        return;
    }
    s->out.total_us[kind] += to - from;
    if (l->n > 0 && from - l->v[l->n - 1].to_us <= l->near) {
        struct sh_history_flaw_time *last = &l->v[l->n - 1];
        last->merged += from > last->to_us ? 1 : 0;
        last->sum_us += to - from;
        last->to_us = to;
        return;
    }
    l->v[l->n++] = (struct sh_history_flaw_time){kind, from, to, to - from, 1};
    if (l->n == s->q->intervals) {
        list_coarsen(l, s->q->intervals, s->end - s->from);
    }
}

/* ---- samples ---- */

static int64_t clipped(const struct survey *s, int64_t from, int64_t to)
{
    from = from > s->from ? from : s->from;
    to = to < s->end ? to : s->end;
    return to > from ? to - from : 0;
}

/* The last sample is held up to `to`; same: the next one has its value. */
static void hold(struct survey *s, int64_t to, bool same)
{
    if (s->flaws == 0) {
        const int64_t took = clipped(s, s->t, to);
        s->out.good_us += took;
        s->run_good += same ? took : 0;
        return;
    }
    for (int k = FLAW_FIRST_HELD; k < SH_FLAW_KINDS; k++) {
        if ((s->flaws & 1U << k) != 0) {
            flaw_add(s, (enum sh_history_flaw)k, s->t, to);
        }
    }
}

/* The run of equal values ended with the last sample. */
static void run_end(struct survey *s)
{
    if (s->running && s->q->stuck_us > 0 && s->t - s->run_start >= s->q->stuck_us) {
        flaw_add(s, SH_FLAW_STUCK, s->run_start, s->t);
        s->out.good_us -= s->run_good;
    }
    s->running = false;
}

static void sample(struct survey *s, int64_t t, unsigned flaws, double value)
{
    const bool bad = (flaws & 1U << SH_FLAW_BAD) != 0;
    if (!s->any) {
        flaw_add(s, SH_FLAW_GAP, s->from, t);
    } else if (s->out.gap_us > 0 && t - s->t > s->out.gap_us) {
        run_end(s);
        flaw_add(s, SH_FLAW_GAP, s->t, t);
    } else {
        const bool same = s->running && !bad && value == s->run_value;
        hold(s, t, same);
        if (!same) {
            run_end(s);
        }
    }
    if (!s->running && s->number && !bad) {
        s->running = true;
        s->run_start = t;
        s->run_good = 0;
        s->run_value = value;
    }
    s->any = true;
    s->t = t;
    s->flaws = flaws;
}

/* Flaws of a sample by itself; *value: as a number. */
static unsigned flaws_of(const struct survey *s, union sh_cell cell, uint8_t quality, double *value)
{
    const enum sh_q_class k = sh_q_class(quality);
    unsigned flaws = k == SH_QC_UNCERTAIN ? 1U << SH_FLAW_UNCERTAIN : 0;
    *value = 0;
    if (k == SH_QC_BAD) {
        return 1U << SH_FLAW_BAD;
    }
    if (s->number) {
        *value = summary_number(s->out.type, cell);
        if (!isfinite(*value)) {
            return 1U << SH_FLAW_BAD;
        }
        /* a NaN bound compares false */
        flaws |= *value < s->p->low || *value > s->p->high ? 1U << SH_FLAW_RANGE : 0;
    }
    return flaws;
}

static void run_take(struct survey *s, const struct iter_run *run)
{
    for (uint32_t i = 0; i < run->n; i++) {
        double value = 0;
        const unsigned flaws = flaws_of(s, run->value[i], run->quality[i], &value);
        if (run->time[i] >= s->from && run->time[i] < s->end) {
            s->out.samples++;
            for (int k = FLAW_FIRST_HELD; k < SH_FLAW_KINDS && flaws != 0; k++) {
                s->out.flawed[k] += flaws >> k & 1U;
            }
        }
        sample(s, run->time[i], flaws, value);
    }
}

/* ---- blocks ---- */

/* Do the samples of a block follow each other without a gap? */
static bool close_together(const struct survey *s, const struct block_ref *r)
{
    const uint64_t span = (uint64_t)r->t_last - (uint64_t)r->t_first;
    if (s->out.gap_us == 0 || span <= (uint64_t)s->out.gap_us) {
        return true;
    }
    const uint64_t step = block_step(segment_block(r));
    return step > 0 && step <= (uint64_t)s->out.gap_us && step <= span && span / step == r->n - 1 &&
           span % step == 0;
}

/* The last sample of a block comes, nothing is wrong since the one before; same: nor did the value
 * change. */
static void sample_far(struct survey *s, int64_t t, double value, bool same)
{
    hold(s, t, same);
    if (!same) {
        s->run_start = t;
        s->run_good = 0;
        s->run_value = value;
    }
    s->t = t;
}

/* A block in which nothing is wrong is its first and its last sample. With `stuck`, only if its
 * values are all the same: else it is not known since when the last one stays. */
static bool piece_take(void *ctx, const struct iter_piece *p)
{
    struct survey *s = ctx;
    const struct block_ref *r = &p->block;
    struct summary sum;
    if (p->unit || r->t_first < s->from || r->t_last >= s->end || !iter_piece_summary(p, &sum) ||
        sum.n_bad != 0 || sum.n_uncertain != 0 || sum.n_nan != 0 || !close_together(s, r)) {
        return false;
    }
    double first = 0;
    double last = 0;
    bool same = false;
    if (s->number) {
        const double min = summary_number(r->type, sum.use.min);
        const double max = summary_number(r->type, sum.use.max);
        first = summary_number(r->type, sum.use.first);
        last = summary_number(r->type, sum.use.last);
        if (!isfinite(min) || !isfinite(max) || min < s->p->low || max > s->p->high ||
            (s->q->stuck_us > 0 && min != max)) {
            return false;
        }
        same = min == max;
    }
    s->out.samples += r->n;
    sample(s, r->t_first, 0, first);
    if (r->t_last > r->t_first) {
        sample_far(s, r->t_last, last, same);
    }
    return true;
}

/* ---- one point ---- */

static sh_err survey_alive(const struct survey *s)
{
    const struct sh_history_survey *q = s->q;
    if (q->gone != NULL && q->gone(q->ctx)) {
        return SH_E_CANCELED;
    }
    if (q->deadline_mono_us != 0 && sh_mono_us(s->h->env->clock) >= q->deadline_mono_us) {
        return SH_E_TIMEOUT;
    }
    return SH_OK;
}

/* Nothing more comes before `until`. */
static void survey_close(struct survey *s, int64_t until)
{
    if (!s->any) {
        flaw_add(s, SH_FLAW_GAP, s->from, s->end);
        return;
    }
    const bool gap = s->out.gap_us > 0 && until - s->t > s->out.gap_us;
    if (!gap && until > s->t) {
        hold(s, until, false);
    }
    run_end(s);
    if (gap) {
        flaw_add(s, SH_FLAW_GAP, s->t, until);
    }
}

/* Streams from before the range to behind it. */
static sh_err survey_read(struct survey *s, struct mem *mem, uint64_t *scanned)
{
    struct iter it;
    struct iter_run run;
    const struct sh_history_survey *q = s->q;
    const int64_t look = s->out.gap_us > q->stuck_us ? s->out.gap_us : q->stuck_us;
    const int64_t from =
        s->from + HISTORY_TIME_MAX > look ? s->from - look : (int64_t)-HISTORY_TIME_MAX;
    const int64_t until = q->now_us - s->end > look ? s->end + look : q->now_us;
    SH_TRY(iter_open(&it, s->h, mem, s->p->point, from, until, 0));
    s->out.type = it.type;
    s->number = it.type == SH_T_I64 || it.type == SH_T_F64;
    it.take = piece_take;
    it.ctx = s;
    sh_err err = SH_OK;
    do {
        err = survey_alive(s);
        if (err == SH_OK) {
            err = iter_next(&it, &run);
        }
        if (err == SH_OK) {
            run_take(s, &run);
        }
    } while (err == SH_OK && run.n != 0);
    *scanned += it.scanned;
    iter_close(&it);
    if (err == SH_OK) {
        survey_close(s, until);
    }
    return err;
}

static int by_from(const void *a, const void *b)
{
    const struct sh_history_flaw_time *x = a;
    const struct sh_history_flaw_time *y = b;
    if (x->from_us != y->from_us) {
        return x->from_us < y->from_us ? -1 : 1;
    }
    return (int)x->kind - (int)y->kind;
}

static void survey_begin(struct survey *s, uint32_t series)
{
    s->p = &s->q->points[series];
    s->any = false;
    s->running = false;
    s->flaws = 0;
    s->run_good = 0;
    s->out = (struct sh_history_surveyed){.series = series, .time_us = s->end - s->from};
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        s->lists[k].n = 0;
        s->lists[k].near = 0;
    }
}

static sh_err survey_point(struct survey *s, uint32_t series, uint64_t *scanned)
{
    const struct sh_history_survey *q = s->q;
    struct mem mem = {.limit = q->mem_bytes == 0 ? s->h->o.query_bytes : q->mem_bytes};
    survey_begin(s, series);
    s->out.period_us = s->p->period_us;
    s->out.gap_us = q->gap_us;
    if (s->out.gap_us == 0) {
        if (s->out.period_us == 0) {
            SH_TRY(survey_period(s->h, &mem, s->p->point, s->from, s->end, &s->out.period_us));
        }
        const double gap = (double)s->out.period_us * q->gap_factor;
        s->out.gap_us = gap < (double)HISTORY_TIME_MAX ? (int64_t)gap : HISTORY_TIME_MAX;
    }
    SH_TRY(survey_read(s, &mem, scanned));
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        const struct flaw_list *l = &s->lists[k];
        if (l->n > 0) {
            memcpy(s->all + s->out.n, l->v, l->n * sizeof *l->v);
            s->out.n += l->n;
        }
        s->out.merged_us[k] = l->near;
    }
    if (s->out.n > 1) {
        qsort(s->all, s->out.n, sizeof *s->all, by_from);
    }
    s->out.rows = s->all;
    return SH_OK;
}

static bool survey_check(const struct sh_history_survey *q)
{
    return q->intervals >= 2 && q->intervals <= INTERVALS_MAX && q->gap_us >= 0 &&
           q->stuck_us >= 0 && q->gap_us <= HISTORY_TIME_MAX && q->stuck_us <= HISTORY_TIME_MAX &&
           (q->gap_us > 0 || q->gap_factor >= 1) && q->from_us >= -HISTORY_TIME_MAX &&
           q->to_us <= HISTORY_TIME_MAX + 1 && q->npoints < UINT32_MAX;
}

sh_err sh_history_survey(struct sh_history *h, const struct sh_history_survey *q,
                         sh_err (*sink)(void *ctx, const struct sh_history_surveyed *s), void *ctx,
                         uint64_t *scanned)
{
    *scanned = 0;
    if (!survey_check(q)) {
        return SH_E_INVAL;
    }
    const size_t cap = q->intervals;
    struct sh_history_flaw_time *rows =
        sh_mem_array(h->env->alloc, cap * SH_FLAW_KINDS * 2, sizeof *rows);
    if (rows == NULL) {
        return SH_E_NOMEM;
    }
    struct survey s = {.h = h, .q = q, .from = q->from_us, .all = rows + cap * SH_FLAW_KINDS};
    s.end = q->to_us < q->now_us ? q->to_us : q->now_us;
    s.end = s.end > s.from ? s.end : s.from;
    for (size_t k = 0; k < SH_FLAW_KINDS; k++) {
        s.lists[k].v = rows + k * cap;
    }
    sh_err err = SH_OK;
    for (uint32_t i = 0; err == SH_OK && i < q->npoints; i++) {
        err = survey_point(&s, i, scanned);
        err = err == SH_OK ? sink(ctx, &s.out) : err;
    }
    sh_mem_free(h->env->alloc, rows);
    return err;
}
