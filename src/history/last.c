/* last.c - last values and figures of points.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "query_int.h"

enum { FIRST_WINDOW_US = 600 * 1000000, WINDOW_FACTOR = 8 };

/* Looks back in windows that grow, so that a busy point costs one small one. */
struct back {
    bool found;
    enum sh_type type;
    uint8_t quality;
    int64_t time;
    union sh_cell value;
};

static sh_err window_last(struct sh_history *h, struct mem *mem, uint32_t point, int64_t from,
                          int64_t to, int filter, struct back *b, struct sh_buf *text)
{
    struct iter it;
    struct iter_run run;
    SH_TRY(iter_open(&it, h, mem, point, from, to, 0));
    sh_err err = SH_OK;
    do {
        err = iter_next(&it, &run);
        for (uint32_t i = run.n; err == SH_OK && i > 0; i--) {
            const uint32_t k = i - 1;
            if (filter >= 0 && (!query_counts((enum sh_history_quality)filter, run.quality[k]) ||
                                (it.type == SH_T_F64 && isnan(run.value[k].f64)))) {
                continue;
            }
            *b = (struct back){true, it.type, run.quality[k], run.time[k], run.value[k]};
            if (it.type >= SH_T_TEXT && text != NULL) {
                sh_buf_clear(text);
                if (run.value[k].span.len != 0) {
                    err =
                        sh_buf_put(text, run.bytes + run.value[k].span.off, run.value[k].span.len);
                }
                b->value.span.off = 0;
            }
            break;
        }
    } while (err == SH_OK && run.n != 0);
    iter_close(&it);
    return err;
}

static void head_range(const struct head *hd, int64_t *first, int64_t *last, bool *any)
{
    int64_t a = 0;
    int64_t z = 0;
    if (hd != NULL && head_span(hd, &a, &z) != 0) {
        *first = a < *first ? a : *first;
        *last = z > *last ? z : *last;
        *any = true;
    }
}

/* Oldest and newest time of a point anywhere; *any false when it has none. first NULL: the newest
 * only, for which few segments of many are looked into. */
static sh_err point_range(struct sh_history *h, uint32_t point, int64_t *first, int64_t *last,
                          bool *any)
{
    int64_t oldest = INT64_MAX;
    struct ref_list refs;
    *any = false;
    *last = INT64_MIN;
    struct shard *s = history_shard(h, point);
    sh_mutex_lock(&s->lock);
    const struct series *se = shard_series(h, point, false);
    head_range(se == NULL ? NULL : se->active, &oldest, last, any);
    sh_mutex_unlock(&s->lock);
    struct view *v = history_view(h);
    head_range(gen_find(v->frozen, point), &oldest, last, any);
    ref_list_init(&refs, h->env->alloc, SEG_BLOCKS_MAX);
    sh_err err = SH_OK;
    for (uint32_t i = v->n; err == SH_OK && i > 0; i--) {
        const struct segment *seg = v->segs[i - 1]; /* the newest first */
        const int64_t from = first == NULL && *any ? *last + 1 : INT64_MIN;
        bool damaged = false;
        refs.n = 0;
        if (seg->info.t_max >= from) {
            err = segment_blocks(seg, point, from, INT64_MAX, &refs, &damaged);
        }
        for (size_t k = 0; k < refs.n; k++) {
            oldest = refs.p[k].t_first < oldest ? refs.p[k].t_first : oldest;
            *last = refs.p[k].t_last > *last ? refs.p[k].t_last : *last;
            *any = true;
        }
    }
    if (first != NULL) {
        *first = oldest;
    }
    ref_list_fini(&refs);
    view_unref(v);
    return err;
}

static int64_t back_by(int64_t t, int64_t by)
{
    return t < -HISTORY_TIME_MAX + by ? -HISTORY_TIME_MAX : t - by;
}

static sh_err look_back(struct sh_history *h, struct mem *mem, uint32_t point, int64_t before,
                        int filter, struct back *b, struct sh_buf *text)
{
    int64_t window = FIRST_WINDOW_US;
    int64_t to = before;
    b->found = false;
    while (!b->found && to > -HISTORY_TIME_MAX) {
        const int64_t from = back_by(to, window);
        SH_TRY(window_last(h, mem, point, from, to, filter, b, text));
        to = from;
        window =
            window > HISTORY_TIME_MAX / WINDOW_FACTOR ? HISTORY_TIME_MAX : window * WINDOW_FACTOR;
    }
    return SH_OK;
}

sh_err query_sample_before(struct sh_history *h, struct mem *mem, uint32_t point, int64_t before,
                           enum sh_history_quality f, bool *found, int64_t *time,
                           union sh_cell *value, struct sh_buf *text)
{
    struct back b = {.found = false};
    SH_TRY(look_back(h, mem, point, before, (int)f, &b, text));
    *found = b.found;
    *time = b.time;
    *value = b.value;
    return SH_OK;
}

/* The cached last value, if it is complete. */
static bool last_cached(struct sh_history *h, uint32_t point, struct sh_history_sample *out)
{
    struct shard *s = history_shard(h, point);
    sh_mutex_lock(&s->lock);
    const struct series *se = shard_series(h, point, false);
    const bool hit = se != NULL && se->complete && se->type < SH_T_TEXT;
    if (hit) {
        *out = (struct sh_history_sample){.found = se->seen,
                                          .type = (enum sh_type)se->type,
                                          .quality = se->last_quality,
                                          .time_us = se->last_time,
                                          .value = se->last_value};
    }
    sh_mutex_unlock(&s->lock);
    return hit;
}

void last_remember(struct sh_history *h, uint32_t point, const struct sh_history_sample *b)
{
    struct shard *s = history_shard(h, point);
    sh_mutex_lock(&s->lock);
    struct series *se = b->found && b->type < SH_T_TEXT ? shard_series(h, point, true) : NULL;
    if (se != NULL && (se->type == 0 || se->type == (uint8_t)b->type)) {
        se->type = (uint8_t)b->type;
        if (!se->seen || b->time_us > se->last_time ||
            (b->time_us == se->last_time && !sample_wins(se->last_quality, b->quality))) {
            se->last_time = b->time_us;
            se->last_value = b->value;
            se->last_quality = b->quality;
            se->seen = true;
        }
        se->complete = true;
    }
    sh_mutex_unlock(&s->lock);
}

static sh_err last_one(struct sh_history *h, uint32_t point, struct sh_history_sample *out,
                       struct sh_buf *text, struct sh_buf *tmp)
{
    memset(out, 0, sizeof *out);
    enum sh_type type = 0;
    const bool edited = edits_any(&h->edits, point, &type);
    if (!edited && last_cached(h, point, out)) {
        return SH_OK;
    }
    struct mem mem = {.limit = h->o.query_bytes};
    struct back b = {.found = false};
    int64_t last = 0;
    bool any = false;
    SH_TRY(point_range(h, point, NULL, &last, &any));
    if (any || edited) {
        const int64_t before = edited ? HISTORY_TIME_MAX + 1 : last + 1;
        SH_TRY(look_back(h, &mem, point, before, -1, &b, tmp));
    }
    *out = (struct sh_history_sample){.found = b.found,
                                      .type = b.type,
                                      .quality = b.quality,
                                      .time_us = b.time,
                                      .value = b.value};
    if (!edited) {
        last_remember(h, point, out);
    }
    if (b.found && b.type >= SH_T_TEXT) {
        out->value.span.off = text == NULL ? 0 : (uint32_t)text->n;
        out->value.span.len = text == NULL ? 0 : (uint32_t)tmp->n;
        if (text != NULL && tmp->n != 0) {
            SH_TRY(sh_buf_put(text, tmp->p, tmp->n));
        }
    }
    return SH_OK;
}

sh_err sh_history_last(struct sh_history *h, const uint32_t *points, size_t n,
                       struct sh_history_sample *out, struct sh_buf *text)
{
    struct sh_buf tmp;
    sh_buf_init(&tmp, h->env->alloc, BLOCK_TEXT_MAX);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        err = last_one(h, points[i], &out[i], text, &tmp);
    }
    sh_buf_fini(&tmp);
    return err;
}

static uint64_t head_samples(const struct head *hd)
{
    int64_t first = 0;
    int64_t last = 0;
    return hd == NULL ? 0 : head_span(hd, &first, &last);
}

sh_err sh_history_point_stats(struct sh_history *h, uint32_t point,
                              struct sh_history_point_stats *out)
{
    struct ref_list refs;
    memset(out, 0, sizeof *out);
    struct shard *s = history_shard(h, point);
    sh_mutex_lock(&s->lock);
    const struct series *se = shard_series(h, point, false);
    if (se != NULL) {
        out->type = (enum sh_type)se->type;
        out->samples = head_samples(se->active);
    }
    sh_mutex_unlock(&s->lock);
    struct view *v = history_view(h);
    const struct head *frozen = gen_find(v->frozen, point);
    out->samples += head_samples(frozen);
    ref_list_init(&refs, h->env->alloc, SEG_BLOCKS_MAX);
    sh_err err = SH_OK;
    for (uint32_t i = 0; err == SH_OK && i < v->n; i++) {
        bool damaged = false;
        refs.n = 0;
        err = segment_blocks(v->segs[i], point, INT64_MIN, INT64_MAX, &refs, &damaged);
        for (size_t k = 0; k < refs.n; k++) {
            out->samples += refs.p[k].n;
            out->bytes += refs.p[k].size + refs.p[k].summary.n;
            out->type = refs.p[k].type;
        }
    }
    ref_list_fini(&refs);
    view_unref(v);
    return err == SH_OK ? point_range(h, point, &out->first_us, &out->last_us, &out->found) : err;
}
