/* agg.c - one series in buckets: walking, filling, sending.
 * A bucket is sent when the next one begins. Empty buckets: left out (fill none), unless a value is
 * held in them (twa, duration); null; the row before; or a line between the rows around them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agg.h"

enum { ROW_TEXT_SOFT = 1 << 20, ROW_TEXT_MAX = 256 << 20, GAP_MAX = 1 << 20 };

struct walk {
    struct agg a;
    struct query *c;
    bool every; /* empty buckets are rows too */
    bool had_row;
    int64_t next; /* start of the bucket after the last one closed */
    /* rows to send */
    int64_t *time;
    union sh_cell *value[QUERY_AGGS];
    uint8_t *null[QUERY_AGGS];
    struct sh_buf text;
    uint32_t n;
    void *block;
    /* fill */
    union sh_cell prev[QUERY_AGGS];
    bool prev_ok[QUERY_AGGS];
    struct sh_buf prev_text[QUERY_AGGS];
    int64_t prev_time;
    int64_t *gap; /* linear: starts of the empty buckets since the last row */
    size_t ngap;
    size_t gap_cap;
    sh_err err;
};

static size_t naggs(const struct walk *w)
{
    return w->c->q->naggs;
}

static sh_err rows_open(struct walk *w)
{
    const size_t cells = (size_t)QUERY_ROWS * 8;
    const size_t size = cells + naggs(w) * (cells + QUERY_ROWS);
    uint8_t *p =
        sh_mem_resize(w->c->h->env->alloc, NULL, size); /* each cell is set when its row is */
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    w->block = p;
    w->time = (int64_t *)(void *)p;
    for (size_t k = 0; k < naggs(w); k++) {
        w->value[k] = (union sh_cell *)(void *)(p + cells * (k + 1));
        w->null[k] = p + cells * (naggs(w) + 1) + k * QUERY_ROWS;
        sh_buf_init(&w->prev_text[k], w->c->h->env->alloc, ROW_TEXT_MAX);
    }
    sh_buf_init(&w->text, w->c->h->env->alloc, ROW_TEXT_MAX);
    return SH_OK;
}

static void walk_close(struct walk *w)
{
    for (size_t k = 0; w->block != NULL && k < naggs(w); k++) {
        sh_buf_fini(&w->prev_text[k]);
    }
    if (w->block != NULL) {
        sh_buf_fini(&w->text);
    }
    sh_mem_free(w->c->h->env->alloc, w->block);
    sh_mem_free(w->c->h->env->alloc, w->gap);
    agg_fini(&w->a);
}

static sh_err rows_send(struct walk *w)
{
    struct sh_history_col cols[QUERY_AGGS];
    for (size_t k = 0; k < naggs(w); k++) {
        cols[k] =
            (struct sh_history_col){.type = sh_history_agg_type(w->c->q->aggs[k].kind, w->a.type),
                                    .value = w->value[k],
                                    .null = w->null[k]};
    }
    const struct sh_history_rows rows = {.series = w->a.series,
                                         .type = w->a.type,
                                         .n = w->n,
                                         .time_us = w->time,
                                         .bytes = w->text.p,
                                         .agg = cols};
    w->n = 0;
    const sh_err err = query_emit(w->c, &rows);
    sh_buf_clear(&w->text);
    return err;
}

/* Room for one more row; false when the limit is reached (the cursor is set). */
static sh_err row_room(struct walk *w, int64_t start, bool *room)
{
    *room = !w->c->out->next.set;
    if (*room && w->c->left <= w->n) {
        query_stop_at(w->c, w->a.series, start);
        *room = false;
    }
    if (*room && (w->n == QUERY_ROWS || w->text.n > ROW_TEXT_SOFT)) {
        return rows_send(w);
    }
    return SH_OK;
}

static sh_err cell_put(struct walk *w, size_t k, bool ok, union sh_cell v, struct sh_bytes text)
{
    const enum sh_type type = sh_history_agg_type(w->c->q->aggs[k].kind, w->a.type);
    if (ok && type >= SH_T_TEXT) {
        v.span.off = (uint32_t)w->text.n;
        v.span.len = (uint32_t)text.n;
        if (text.n != 0) {
            SH_TRY(sh_buf_put(&w->text, text.p, text.n));
        }
    }
    if (!ok) {
        v.bits = 0;
    }
    w->value[k][w->n] = v;
    w->null[k][w->n] = ok ? 0 : 1;
    return SH_OK;
}

static bool is_count(const struct walk *w, size_t k)
{
    const enum sh_history_agg_kind kind = w->c->q->aggs[k].kind;
    return kind == SH_AGG_COUNT || kind == SH_AGG_COUNT_IF;
}

/* A row without samples: null, or what was before. The count is 0. */
static sh_err row_empty(struct walk *w, int64_t start)
{
    bool room = false;
    SH_TRY(row_room(w, start, &room));
    if (!room) {
        return SH_OK;
    }
    const bool previous = w->c->q->fill == SH_FILL_PREVIOUS && w->had_row;
    w->time[w->n] = start;
    for (size_t k = 0; k < naggs(w); k++) {
        const union sh_cell zero = {.bits = 0};
        if (is_count(w, k)) {
            SH_TRY(cell_put(w, k, true, zero, (struct sh_bytes){NULL, 0}));
        } else {
            const bool ok = previous && w->prev_ok[k];
            SH_TRY(cell_put(w, k, ok, w->prev[k], sh_buf_bytes(&w->prev_text[k])));
        }
    }
    w->n++;
    return SH_OK;
}

/* A row on the line from the last row to (time, now). */
static sh_err row_line(struct walk *w, int64_t start, int64_t time, const union sh_cell *now,
                       const bool *now_ok)
{
    bool room = false;
    SH_TRY(row_room(w, start, &room));
    if (!room) {
        return SH_OK;
    }
    const double part = (double)(start - w->prev_time) / (double)(time - w->prev_time);
    w->time[w->n] = start;
    for (size_t k = 0; k < naggs(w); k++) {
        const enum sh_type type = sh_history_agg_type(w->c->q->aggs[k].kind, w->a.type);
        union sh_cell v = {.bits = 0};
        bool ok = is_count(w, k);
        if (!ok && w->prev_ok[k] && now_ok[k] && type <= SH_T_F64 && type != SH_T_BOOL) {
            const double x = summary_number(type, w->prev[k]);
            const double y = x + (summary_number(type, now[k]) - x) * part;
            ok = true;
            if (type == SH_T_F64) {
                v.f64 = y;
            } else {
                v.i64 = (int64_t)(y < 0 ? y - 0.5 : y + 0.5);
            }
        }
        SH_TRY(cell_put(w, k, ok, v, (struct sh_bytes){NULL, 0}));
    }
    w->n++;
    return SH_OK;
}

static sh_err gap_add(struct walk *w, int64_t start)
{
    if (w->ngap == w->gap_cap) {
        const size_t cap = w->gap_cap == 0 ? 64 : w->gap_cap * 2;
        if (cap > GAP_MAX) {
            return SH_E_LIMIT;
        }
        int64_t *p = sh_mem_resize(w->c->h->env->alloc, w->gap, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        w->gap = p;
        w->gap_cap = cap;
    }
    w->gap[w->ngap++] = start;
    return SH_OK;
}

static sh_err gap_close(struct walk *w, int64_t time, const union sh_cell *now, const bool *ok)
{
    for (size_t i = 0; i < w->ngap; i++) {
        if (w->had_row && ok != NULL) {
            SH_TRY(row_line(w, w->gap[i], time, now, ok));
        } else {
            SH_TRY(row_empty(w, w->gap[i]));
        }
    }
    w->ngap = 0;
    return SH_OK;
}

/* Sends the bucket under way as a row. */
static sh_err row_full(struct walk *w)
{
    union sh_cell now[QUERY_AGGS] = {{.bits = 0}};
    bool ok[QUERY_AGGS] = {false};
    struct sh_bytes text[QUERY_AGGS] = {{NULL, 0}};
    const int64_t start = w->a.b.start;
    for (size_t k = 0; k < naggs(w); k++) {
        ok[k] = agg_result(&w->a, k, &now[k], &text[k]);
    }
    SH_TRY(gap_close(w, start, now, ok));
    bool room = false;
    SH_TRY(row_room(w, start, &room));
    if (!room) {
        return SH_OK;
    }
    w->time[w->n] = start;
    for (size_t k = 0; k < naggs(w); k++) {
        SH_TRY(cell_put(w, k, ok[k], now[k], text[k]));
        w->prev[k] = now[k];
        w->prev_ok[k] = ok[k];
        sh_buf_clear(&w->prev_text[k]);
        if (w->c->q->fill == SH_FILL_PREVIOUS && text[k].n != 0) {
            SH_TRY(sh_buf_put(&w->prev_text[k], text[k].p, text[k].n));
        }
    }
    w->n++;
    w->had_row = true;
    w->prev_time = start;
    return SH_OK;
}

static bool holds(const struct walk *w)
{
    const struct agg_bucket *b = &w->a.b;
    if (!b->covered || b->cover_to <= b->cover_from) {
        return false;
    }
    for (size_t k = 0; k < naggs(w); k++) {
        const enum sh_history_agg_kind kind = w->c->q->aggs[k].kind;
        if (kind == SH_AGG_TWA || kind == SH_AGG_DURATION) {
            return true;
        }
    }
    return false;
}

static sh_err bucket_close(struct walk *w)
{
    agg_end(&w->a);
    w->next = w->a.b.end;
    if (w->a.b.n != 0 || holds(w)) {
        return row_full(w);
    }
    switch (w->c->q->fill) {
    case SH_FILL_NONE:
        break;
    case SH_FILL_NULL:
    case SH_FILL_PREVIOUS:
        return row_empty(w, w->a.b.start);
    case SH_FILL_LINEAR:
        return gap_add(w, w->a.b.start);
    }
    return SH_OK;
}

/* Closes buckets until the one that holds t is open. t >= the query's end: closes all. */
static sh_err bucket_advance(struct walk *w, int64_t t)
{
    const struct sh_history_query *q = w->c->q;
    while (!w->c->out->next.set) {
        if (w->a.open) {
            if (t < w->a.b.end) {
                return SH_OK;
            }
            SH_TRY(bucket_close(w));
            continue;
        }
        const bool end = t >= q->to_us;
        int64_t at = t;
        if (w->every || (w->a.held.known && (w->a.need & AGG_NEED_HELD) != 0)) {
            at = w->next; /* no bucket is skipped */
        } else if (end) {
            return SH_OK;
        }
        if (at >= q->to_us) {
            return SH_OK;
        }
        int64_t start = 0;
        int64_t stop = 0;
        query_bucket(q, at, &start, &stop);
        agg_begin(&w->a, start, stop);
        SH_TRY(query_alive(w->c));
    }
    return SH_OK;
}

/* A block or unit whose samples need not be read. */
static bool piece_take(void *ctx, const struct iter_piece *p)
{
    struct walk *w = ctx;
    const struct sh_history_query *q = w->c->q;
    const struct block_ref *r = &p->block;
    const unsigned need = w->a.need;
    struct summary s;
    int64_t start = 0;
    int64_t end = 0;
    if (w->err != SH_OK || (need & AGG_NEED_SAMPLES) != 0 ||
        (p->unit && (((need & AGG_NEED_HELD) != 0 && !p->row.timed) ||
                     ((need & AGG_NEED_MOMENTS) != 0 && !p->row.squares)))) {
        return false;
    }
    query_bucket(q, r->t_first, &start, &end);
    if (r->t_last >= end || r->t_first < start ||
        (q->now_us != 0 && (need & AGG_NEED_HELD) != 0 && r->t_last >= q->now_us) ||
        !iter_piece_summary(p, &s)) {
        return false;
    }
    if (q->quality == SH_QF_ALL && s.n_bad != 0) {
        return false;
    }
    if (w->a.type >= SH_T_TEXT) {
        for (size_t k = 0; k < naggs(w); k++) {
            if (w->c->q->aggs[k].kind != SH_AGG_COUNT) {
                return false;
            }
        }
    }
    const struct summary_set *set = q->quality == SH_QF_GOOD ? &s.good : &s.use;
    if (set->n != 0 && !agg_set_exact(&w->a, set)) {
        return false;
    }
    if (set->n != 0) {
        w->err = bucket_advance(w, r->t_first);
        if (w->err == SH_OK && w->a.open) {
            agg_set(&w->a, set);
        }
    }
    return true;
}

static sh_err run_take(struct walk *w, const struct iter_run *run)
{
    uint32_t i = 0;
    while (i < run->n && !w->c->out->next.set) {
        if (!w->a.open || run->time[i] >= w->a.b.end) {
            /* Samples that do not count begin no bucket. */
            if (!w->every && !query_counts(w->c->q->quality, run->quality[i])) {
                i++;
                continue;
            }
            SH_TRY(bucket_advance(w, run->time[i]));
            if (!w->a.open) {
                break;
            }
        }
        const uint32_t end = i + iter_lower_bound(run->time + i, run->n - i, w->a.b.end);
        SH_TRY(agg_rows(&w->a, run, i, end));
        i = end;
    }
    return SH_OK;
}

static sh_err walk_run(struct walk *w, struct iter *it)
{
    struct iter_run run;
    it->take = piece_take;
    it->ctx = w;
    do {
        SH_TRY(query_alive(w->c));
        SH_TRY(iter_next(it, &run));
        SH_TRY(w->err);
        SH_TRY(run_take(w, &run));
    } while (run.n != 0 && !w->c->out->next.set);
    SH_TRY(bucket_advance(w, w->c->q->to_us));
    if (w->a.open && !w->c->out->next.set) {
        SH_TRY(bucket_close(w));
    }
    if (!w->c->out->next.set) {
        SH_TRY(gap_close(w, 0, NULL, NULL));
    }
    return rows_send(w);
}

/* The value that is held when the first bucket begins. */
static sh_err held_find(struct walk *w, int64_t from)
{
    struct agg_held *held = &w->a.held;
    if ((w->a.need & AGG_NEED_HELD) == 0) {
        return SH_OK;
    }
    return query_sample_before(w->c->h, &w->c->mem, w->c->q->points[w->a.series], from,
                               w->c->q->quality, &held->known, &held->time, &held->value,
                               &held->text);
}

static sh_err buckets_check(const struct sh_history_query *q, bool every)
{
    const int64_t span = q->to_us / 2 - q->from_us / 2;
    if (every && q->step_us != 0 && span / q->step_us > QUERY_BUCKETS / 2) {
        return SH_E_LIMIT;
    }
    return SH_OK;
}

sh_err query_aggregate(struct query *c, uint32_t series, int64_t from)
{
    struct iter it;
    struct walk *w = sh_mem_new(c->h->env->alloc, sizeof *w);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    w->c = c;
    w->next = from;
    w->every = c->q->fill != SH_FILL_NONE;
    const bool samples = (agg_needs(c->q) & AGG_NEED_SAMPLES) != 0;
    const int64_t unit_us = samples ? 0 : (c->q->step_us == 0 ? INT64_MAX : c->q->step_us);
    sh_err err = iter_open(&it, c->h, &c->mem, c->q->points[series], from, c->q->to_us, unit_us);
    if (err != SH_OK) {
        sh_mem_free(c->h->env->alloc, w);
        return err;
    }
    if (it.type != 0) { /* else a point without a sample: no rows */
        err = agg_init(&w->a, c, series, it.type);
    } else {
        err = SH_E_NOTFOUND;
    }
    if (err == SH_OK) {
        err = buckets_check(c->q, w->every || (w->a.need & AGG_NEED_HELD) != 0);
    }
    if (err == SH_OK) {
        err = rows_open(w);
    }
    if (err == SH_OK) {
        err = held_find(w, from);
    }
    if (err == SH_OK) {
        err = walk_run(w, &it);
    }
    c->out->scanned += it.scanned;
    if (it.type != 0) {
        walk_close(w);
    }
    iter_close(&it);
    sh_mem_free(c->h->env->alloc, w);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}
