/* query.c - entry of queries, raw samples, aggregate names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cond.h"
#include "query_int.h"

sh_err query_alive(struct query *c)
{
    const struct sh_history_query *q = c->q;
    if (q->cancel != NULL && atomic_load_explicit(q->cancel, memory_order_relaxed)) {
        return SH_E_CANCELED;
    }
    if (c->stop != NULL && atomic_load_explicit(c->stop, memory_order_relaxed)) {
        return SH_E_CANCELED;
    }
    if (q->deadline_mono_us != 0 && sh_mono_us(c->h->env->clock) >= q->deadline_mono_us) {
        return SH_E_TIMEOUT;
    }
    return SH_OK;
}

sh_err query_emit(struct query *c, const struct sh_history_rows *rows)
{
    if (rows->n == 0) {
        return SH_OK;
    }
    c->out->rows += rows->n;
    c->left -= rows->n;
    return c->sink(c->ctx, rows);
}

void query_stop_at(struct query *c, uint32_t series, int64_t time_us)
{
    c->out->next = (struct sh_history_cursor){.series = series, .time_us = time_us, .set = true};
}

/* What keeps samples out of a raw query. */
struct filter {
    struct query *c;
    bool good;  /* good ones only */
    bool where; /* those that meet cond */
    struct cond cond;
    struct block_cols *to; /* what is let through; NULL = everything goes */
};

static sh_err filter_open(struct filter *f, struct query *c, enum sh_type type)
{
    *f = (struct filter){
        .c = c, .good = c->q->quality == SH_QF_GOOD, .where = c->q->where.op != SH_OP_NONE};
    if (f->where && type != 0) {
        SH_TRY(cond_make(&c->q->where, type, &f->cond));
    }
    if (f->good || f->where) {
        f->to = block_cols_new(c->h->env->alloc);
        return f->to == NULL ? SH_E_NOMEM : SH_OK;
    }
    return SH_OK;
}

/* What no sample of meets the condition need not be read. Bad samples are not in the summary, NaN
 * meets what is outside of an interval. */
static bool piece_skip(void *ctx, const struct iter_piece *p)
{
    const struct filter *f = ctx;
    struct summary s;
    if (!f->where || p->block.type >= SH_T_TEXT || p->block.type != f->cond.type ||
        !iter_piece_summary(p, &s)) {
        return false;
    }
    if ((!f->good && s.n_bad != 0) || (f->cond.outside && s.n_nan != 0)) {
        return false;
    }
    const struct summary_set *set = f->good ? &s.good : &s.use;
    return set->n == 0 ? f->good || s.n_nan == s.n
                       : cond_over(&f->cond, set->min, set->max) == COND_NONE;
}

static uint32_t filter_run(const struct filter *f, const struct iter_run *run)
{
    struct block_cols *to = f->to;
    uint32_t n = 0;
    for (uint32_t i = 0; i < run->n; i++) {
        const bool good = !f->good || sh_q_class(run->quality[i]) == SH_QC_GOOD;
        if (good && (!f->where || cond_met(&f->cond, run->value[i], run->bytes))) {
            to->time[n] = run->time[i];
            to->value[n] = run->value[i];
            to->quality[n] = run->quality[i];
            n++;
        }
    }
    return n;
}

static sh_err run_emit(const struct filter *f, uint32_t series, enum sh_type type,
                       const struct iter_run *run)
{
    struct query *c = f->c;
    struct sh_history_rows r = {.series = series,
                                .type = type,
                                .n = run->n,
                                .time_us = run->time,
                                .value = run->value,
                                .quality = run->quality,
                                .bytes = run->bytes};
    if (f->to != NULL) {
        r.n = filter_run(f, run);
        r.time_us = f->to->time;
        r.value = f->to->value;
        r.quality = f->to->quality;
    }
    if (r.n > c->left) {
        query_stop_at(c, series, r.time_us[c->left]);
        r.n = (uint32_t)c->left;
    }
    return query_emit(c, &r);
}

sh_err query_raw(struct query *c, uint32_t series, int64_t from)
{
    struct iter it;
    struct iter_run run;
    struct filter f;
    const int64_t unit_us = c->q->where.op != SH_OP_NONE ? INT64_MAX : 0;
    SH_TRY(iter_open(&it, c->h, &c->mem, c->q->points[series], from, c->q->to_us, unit_us));
    sh_err err = filter_open(&f, c, it.type);
    it.take = f.where ? piece_skip : NULL;
    it.ctx = &f;
    while (err == SH_OK && !c->out->next.set) {
        err = query_alive(c);
        if (err == SH_OK) {
            err = iter_next(&it, &run);
        }
        if (err != SH_OK || run.n == 0) {
            break;
        }
        err = run_emit(&f, series, it.type, &run);
    }
    c->out->scanned += it.scanned;
    block_cols_free(c->h->env->alloc, f.to);
    iter_close(&it);
    return err;
}

static sh_err query_check(const struct sh_history_query *q)
{
    const bool local = q->tz != NULL;
    const int64_t day = (int64_t)86400 * 1000000;
    if (q->naggs > QUERY_AGGS || q->step_us < 0 || (q->naggs == 0 && q->step_us != 0) ||
        q->from_us < -HISTORY_TIME_MAX || q->to_us > HISTORY_TIME_MAX + 1 ||
        q->npoints >= UINT32_MAX || q->cursor.series > q->npoints) {
        return SH_E_INVAL;
    }
    if (local && q->step_us > day && q->step_us % day != 0) {
        return SH_E_INVAL;
    }
    if (q->where.op != SH_OP_NONE && (q->naggs != 0 || q->down != SH_DOWN_NONE)) {
        return SH_E_INVAL;
    }
    if (q->down != SH_DOWN_NONE && (q->naggs != 0 || q->down_points < 3 || q->cursor.set)) {
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < q->naggs; i++) {
        const struct sh_history_agg *a = &q->aggs[i];
        if (a->kind < SH_AGG_COUNT || a->kind > SH_AGG_DURATION ||
            (a->kind == SH_AGG_PERCENTILE && !(a->percentile >= 0 && a->percentile <= 100))) {
            return SH_E_INVAL;
        }
    }
    return SH_OK;
}

sh_err query_series(struct query *c, uint32_t from, uint32_t to)
{
    const struct sh_history_query *q = c->q;
    for (uint32_t s = from; s < to && !c->out->next.set; s++) {
        const bool on = q->cursor.set && s == q->cursor.series && q->cursor.time_us > q->from_us;
        const int64_t begin = on ? q->cursor.time_us : q->from_us;
        if (q->naggs != 0) {
            SH_TRY(query_aggregate(c, s, begin));
        } else if (q->down != SH_DOWN_NONE) {
            SH_TRY(query_down(c, s));
        } else {
            SH_TRY(query_raw(c, s, begin));
        }
    }
    return SH_OK;
}

/* One after the other, until it is seen that this takes long. */
static sh_err query_all(struct query *c, uint32_t first)
{
    const uint32_t n = (uint32_t)c->q->npoints;
    const bool helpers = c->h->helpers != NULL && c->q->limit == 0;
    const int64_t begin = sh_mono_us(c->h->env->clock);
    for (uint32_t s = first; s < n && !c->out->next.set; s++) {
        const int64_t took = helpers && s > first ? sh_mono_us(c->h->env->clock) - begin : 0;
        if (n - s > 1 && took / (s - first + 1) * (n - s) > QUERY_PARALLEL_US) {
            return query_parallel(c, s);
        }
        SH_TRY(query_series(c, s, s + 1));
    }
    return SH_OK;
}

sh_err sh_history_query(struct sh_history *h, const struct sh_history_query *q,
                        sh_err (*sink)(void *ctx, const struct sh_history_rows *rows), void *ctx,
                        struct sh_history_result *out)
{
    memset(out, 0, sizeof *out);
    SH_TRY(query_check(q));
    struct query c = {.h = h,
                      .q = q,
                      .sink = sink,
                      .ctx = ctx,
                      .out = out,
                      .mem = {.limit = q->mem_bytes == 0 ? h->o.query_bytes : q->mem_bytes},
                      .left = q->limit == 0 ? UINT64_MAX : q->limit};
    return q->from_us < q->to_us ? query_all(&c, q->cursor.set ? q->cursor.series : 0) : SH_OK;
}

/* ---- names ------------------------------------------------------------------------------------
 */

sh_err sh_history_agg_parse(struct sh_str s, struct sh_history_agg *out)
{
    static const struct {
        const char *name;
        enum sh_history_agg_kind kind;
    } names[] = {
        {"count", SH_AGG_COUNT}, {"sum", SH_AGG_SUM},       {"min", SH_AGG_MIN},
        {"max", SH_AGG_MAX},     {"mean", SH_AGG_MEAN},     {"first", SH_AGG_FIRST},
        {"last", SH_AGG_LAST},   {"stddev", SH_AGG_STDDEV}, {"twa", SH_AGG_TWA},
        {"rate", SH_AGG_RATE},
    };
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (sh_str_eqc(s, names[i].name)) {
            out->kind = names[i].kind;
            return SH_OK;
        }
    }
    const struct sh_str duration = SH_STR("duration:");
    const struct sh_str count = SH_STR("count:");
    if (sh_str_starts(s, duration)) {
        out->kind = SH_AGG_DURATION;
        return sh_history_cond_parse(sh_str_sub(s, duration.n, s.n), &out->cond);
    }
    if (sh_str_starts(s, count)) {
        out->kind = SH_AGG_COUNT_IF;
        return sh_history_cond_parse(sh_str_sub(s, count.n, s.n), &out->cond);
    }
    if (s.n >= 2 && s.p[0] == 'p' &&
        sh_f64_parse(sh_str_sub(s, 1, s.n), &out->percentile) == SH_OK && out->percentile >= 0 &&
        out->percentile <= 100) {
        out->kind = SH_AGG_PERCENTILE;
        return SH_OK;
    }
    return SH_E_INVAL;
}

bool sh_history_agg_allowed(enum sh_history_agg_kind k, enum sh_type t)
{
    if (t <= SH_T_F64) {
        return true;
    }
    return k == SH_AGG_COUNT || k == SH_AGG_FIRST || k == SH_AGG_LAST || k == SH_AGG_DURATION ||
           k == SH_AGG_COUNT_IF;
}

enum sh_type sh_history_agg_type(enum sh_history_agg_kind k, enum sh_type t)
{
    switch (k) {
    case SH_AGG_COUNT:
    case SH_AGG_COUNT_IF:
        return SH_T_I64;
    case SH_AGG_MIN:
    case SH_AGG_MAX:
    case SH_AGG_FIRST:
    case SH_AGG_LAST:
        return t;
    case SH_AGG_SUM:
    case SH_AGG_MEAN:
    case SH_AGG_STDDEV:
    case SH_AGG_PERCENTILE:
    case SH_AGG_TWA:
    case SH_AGG_RATE:
    case SH_AGG_DURATION:
        break;
    }
    return SH_T_F64;
}
