/* newest.c - the newest sample of every point, in one pass: what a start needs.
 * Each segment's index is walked once, in the order of points, and only as far back as one can hold
 * something newer. A point for which that does not decide (corrections and deletions, two sources
 * with the same time, damage, blocks or texts in memory) is asked for alone, as sh_history_last
 * does.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "query_int.h"

/* A segment, and how far its index has been walked. */
struct walked {
    struct segment *s;
    size_t at; /* of the directory, or of the rebuilt index */
};

struct newest {
    struct sh_history *h;
    struct view *view;
    struct walked *segs; /* the one with the newest sample first */
    struct block_cols *cols;
    struct ref_list refs;
    struct sh_buf text;
    sh_history_newest_fn *fn;
    void *ctx;
};

/* What is known of the point at hand. */
struct found {
    bool any;
    bool alone;  /* to be asked for alone */
    bool memory; /* `sample` is it */
    struct sh_history_sample sample;
    struct block_ref block; /* else its last row */
    int64_t time;
};

static int by_newest(const void *a, const void *b)
{
    const int64_t x = ((const struct walked *)a)->s->info.t_max;
    const int64_t y = ((const struct walked *)b)->s->info.t_max;
    return x > y ? -1 : (x < y ? 1 : 0);
}

/* First entry at or after w->at whose point is not below `point`. */
static size_t walk_to(const struct walked *w, uint32_t point)
{
    size_t lo = w->at;
    size_t hi = lo;
    const size_t n = w->s->found != NULL ? w->s->nfound : segment_series(w->s);
    for (size_t step = 1; hi < n && segment_entry_point(w->s, hi) < point; step *= 2) {
        lo = hi + 1;
        hi = n - hi <= step ? n : hi + step;
    }
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (segment_entry_point(w->s, mid) < point) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void take_block(struct found *f, const struct block_ref *r)
{
    if (f->any && r->t_last < f->time) {
        return;
    }
    f->alone = f->any && r->t_last == f->time;
    f->any = true;
    f->memory = false;
    f->time = r->t_last;
    f->block = *r;
}

static sh_err look_into(struct newest *n, struct walked *w, uint32_t point, struct found *f)
{
    bool damaged = false;
    w->at = walk_to(w, point);
    n->refs.n = 0;
    SH_TRY(
        segment_entry_blocks(w->s, w->at, point, f->any ? f->time : INT64_MIN, &n->refs, &damaged));
    for (size_t i = 0; i < n->refs.n; i++) {
        take_block(f, &n->refs.p[i]);
    }
    f->alone = f->alone || damaged;
    return SH_OK;
}

/* What came since the start; flushed or not. */
static void look_into_memory(struct newest *n, uint32_t point, struct found *f)
{
    struct shard *s = history_shard(n->h, point);
    sh_mutex_lock(&s->lock);
    const struct series *se = shard_series(n->h, point, false);
    if (se != NULL && se->type >= SH_T_TEXT) {
        f->alone = se->active != NULL;
    } else if (se != NULL && se->seen) {
        f->any = true;
        f->memory = true;
        f->time = se->last_time;
        f->sample = (struct sh_history_sample){.found = true,
                                               .type = (enum sh_type)se->type,
                                               .quality = se->last_quality,
                                               .time_us = se->last_time,
                                               .value = se->last_value};
    }
    sh_mutex_unlock(&s->lock);
    f->alone = f->alone || gen_find(n->view->frozen, point) != NULL;
}

/* The last row of the block. Damage: it is asked for alone, which reports it. */
static sh_err last_row(struct newest *n, struct found *f)
{
    struct block_cols *c = n->cols;
    const sh_err err = block_decode(segment_block(&f->block), false, c);
    if (err == SH_E_NOMEM) {
        return err;
    }
    const uint32_t k = c->n - 1;
    if (err != SH_OK || c->point != f->block.point || c->type != f->block.type ||
        c->time[k] != f->time) {
        f->alone = true;
        return SH_OK;
    }
    f->sample = (struct sh_history_sample){.found = true,
                                           .type = c->type,
                                           .quality = c->quality[k],
                                           .time_us = c->time[k],
                                           .value = c->value[k]};
    if (c->type >= SH_T_TEXT) {
        const struct sh_bytes t = {c->text.p + c->value[k].span.off, c->value[k].span.len};
        f->sample.value.span.off = 0;
        sh_buf_clear(&n->text);
        return t.n == 0 ? SH_OK : sh_buf_put(&n->text, t.p, t.n);
    }
    return SH_OK;
}

static sh_err ask_alone(struct newest *n, uint32_t point, struct sh_history_sample *out)
{
    const sh_err err = sh_history_last(n->h, &point, 1, out, &n->text);
    if (err == SH_OK || err == SH_E_NOMEM) {
        return err;
    }
    sh_log(n->h->env->log, SH_LOG_WARN, "history", "newest value of point %u not found: %s", point,
           sh_err_name(err));
    out->found = false;
    return SH_OK;
}

static sh_err one_point(struct newest *n, uint32_t point)
{
    struct found f = {.any = false};
    enum sh_type corrected = 0;
    sh_buf_clear(&n->text);
    f.alone = edits_any(&n->h->edits, point, &corrected);
    if (!f.alone) {
        look_into_memory(n, point, &f);
    }
    for (uint32_t i = 0; i < n->view->n && !f.alone; i++) {
        if (f.any && n->segs[i].s->info.t_max < f.time) {
            break;
        }
        SH_TRY(look_into(n, &n->segs[i], point, &f));
    }
    if (!f.alone && f.any && !f.memory) {
        SH_TRY(last_row(n, &f));
    }
    if (f.alone) {
        SH_TRY(ask_alone(n, point, &f.sample));
    } else if (f.any) {
        last_remember(n->h, point, &f.sample);
    }
    return f.sample.found ? n->fn(n->ctx, point, &f.sample, sh_buf_bytes(&n->text)) : SH_OK;
}

static sh_err newest_init(struct newest *n, struct sh_history *h)
{
    ref_list_init(&n->refs, h->env->alloc, SEG_BLOCKS_MAX);
    sh_buf_init(&n->text, h->env->alloc, BLOCK_TEXT_MAX);
    n->cols = block_cols_new(h->env->alloc);
    n->segs = sh_mem_array(h->env->alloc, (size_t)n->view->n + 1, sizeof *n->segs);
    if (n->cols == NULL || n->segs == NULL) {
        return SH_E_NOMEM;
    }
    for (uint32_t i = 0; i < n->view->n; i++) {
        n->segs[i].s = n->view->segs[i];
    }
    if (n->view->n > 1) {
        qsort(n->segs, n->view->n, sizeof *n->segs, by_newest);
    }
    return SH_OK;
}

sh_err sh_history_newest(struct sh_history *h, uint32_t last_point, sh_history_newest_fn *fn,
                         void *ctx)
{
    struct newest n = {.h = h, .fn = fn, .ctx = ctx};
    sh_mutex_lock(&h->flush_lock); /* nothing moves from heads to segments meanwhile */
    n.view = history_view(h);
    sh_err err = newest_init(&n, h);
    for (uint32_t point = 1; err == SH_OK && point <= last_point && point != 0; point++) {
        err = one_point(&n, point);
    }
    sh_mem_free(h->env->alloc, n.segs);
    block_cols_free(h->env->alloc, n.cols);
    sh_buf_fini(&n.text);
    ref_list_fini(&n.refs);
    view_unref(n.view);
    sh_mutex_unlock(&h->flush_lock);
    return err;
}
