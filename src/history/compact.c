/* compact.c - merging, splitting and removing segments, one piece at a time.
 * Segments are merged only with neighbours in the order of their sequences (and the same
 * partition), so "newer" keeps its meaning. What replaces others says so in its footer; the
 * originals are unlinked when it is durable, so a cut at any point leaves one or both, never none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "iter.h"

enum {
    MERGE_MIN = 4,
    MERGE_MAX = 64,
    PARTS_MAX = 4096, /* partitions of one split */
    MERGE_MEM = 64 << 20,
    COPY_ROWS = 768,       /* a block at least this full is copied as it is */
    COPY_ROWS_LAST = 1000, /* ... with roll-ups: it is not merged often any more */
    OLD_WEIGHT = 8,
    LATE_PART =
        24, /* of a partition (of a day, an hour) is waited for late data when it has ended */
    ROLL_WORTH = 1024 /* samples of a segment; a smaller one is merged into another soon */
};
#define QUIET_US INT64_C(600000000) /* without new segments, before a partition becomes cold */
#define CALM_US INT64_C(2000000)    /* ... before one that has ended is merged to few */

/* ---- writing merged samples -------------------------------------------------------------------
 */

struct merger {
    struct sh_history *h;
    struct segment_writer *w;
    struct block_cols *c;      /* gathered rows */
    struct block_cols *copied; /* what a copied block holds, for the roll-ups */
    uint32_t point;
    enum sh_type type;
    enum block_effort effort;
    uint32_t copy_rows;
    sh_err err;
};

static sh_err merger_flush(struct merger *m)
{
    if (m->c->n == 0) {
        return SH_OK;
    }
    const struct block_in in = {.point = m->point,
                                .type = m->type,
                                .n = m->c->n,
                                .time = m->c->time,
                                .value = m->c->value,
                                .quality = m->c->quality,
                                .bytes = m->c->text.p};
    m->c->n = 0;
    const sh_err err = segment_writer_block(m->w, &in, m->effort);
    sh_buf_clear(&m->c->text);
    return err;
}

static sh_err merger_row(struct merger *m, const struct iter_run *run, uint32_t i)
{
    struct block_cols *c = m->c;
    union sh_cell v = run->value[i];
    if (m->type >= SH_T_TEXT) {
        if (c->n != 0 && c->text.n + v.span.len > BLOCK_TEXT_SOFT) {
            SH_TRY(merger_flush(m));
        }
        const size_t off = c->text.n;
        if (v.span.len != 0) {
            SH_TRY(sh_buf_put(&c->text, run->bytes + v.span.off, v.span.len));
        }
        v.span.off = (uint32_t)off;
    }
    c->time[c->n] = run->time[i];
    c->value[c->n] = v;
    c->quality[c->n] = run->quality[i];
    c->n++;
    return c->n == BLOCK_MAX ? merger_flush(m) : SH_OK;
}

/* A block that overlaps nothing is copied when it is full, written with this effort, and nothing
 * waits before it. */
static bool block_copy(void *ctx, const struct iter_piece *p)
{
    struct merger *m = ctx;
    struct block_head head;
    const struct block_ref *r = &p->block;
    const struct sh_bytes b = segment_block(r);
    const bool read = m->w->info.rolled || r->summary.n == 0;
    if (m->err != SH_OK || m->c->n != 0 || r->n < m->copy_rows || block_peek(b, &head) != SH_OK ||
        (m->effort == BLOCK_COLD) != head.cold || head.size != r->size || head.point != r->point ||
        sh_crc32c(0, b.p + 4, head.size - 4) != sh_le32(b.p) ||
        (read && block_decode(b, false, m->copied) != SH_OK)) {
        return false;
    }
    m->err = segment_writer_copy(m->w, r, read ? m->copied : NULL);
    return true;
}

/* All that the iterator has, into the segment; closes it. */
static sh_err iter_merge(struct merger *m, uint32_t point, struct iter *it)
{
    struct iter_run run;
    m->point = point;
    m->type = it->type;
    it->take = block_copy;
    it->ctx = m;
    sh_err err = SH_OK;
    do {
        err = iter_next(it, &run);
        for (uint32_t i = 0; err == SH_OK && i < run.n; i++) {
            err = merger_row(m, &run, i);
        }
        err = err == SH_OK ? m->err : err;
    } while (err == SH_OK && run.n != 0);
    iter_close(it);
    return err == SH_OK ? merger_flush(m) : err;
}

static sh_err point_merge(struct merger *m, uint32_t point, struct segment *const *segs, size_t n,
                          int64_t from, int64_t to)
{
    struct iter it;
    struct mem mem = {.limit = MERGE_MEM};
    SH_TRY(iter_open_segments(&it, m->h, &mem, point, segs, n, from, to));
    return iter_merge(m, point, &it);
}

sh_err merge_head(struct sh_history *h, struct segment_writer *w, uint32_t point,
                  const struct head *hd, int64_t from, int64_t to)
{
    struct iter it;
    struct mem mem = {.limit = SIZE_MAX}; /* the head, once more; no overlap is deeper than two */
    struct merger m = {.h = h,
                       .w = w,
                       .c = block_cols_new(h->env->alloc),
                       .effort = BLOCK_PACKED,
                       .copy_rows = COPY_ROWS};
    if (m.c == NULL) {
        return SH_E_NOMEM;
    }
    m.c->n = 0;
    sh_err err = iter_open_head(&it, h, &mem, point, hd, from, to);
    if (err == SH_OK) {
        err = iter_merge(&m, point, &it);
    }
    block_cols_free(h->env->alloc, m.c);
    return err;
}

/* All points of the segments, ascending, through fn. */
static sh_err points_walk(struct merger *m, struct segment *const *segs, size_t n, int64_t from,
                          int64_t to)
{
    size_t at[MERGE_MAX] = {0};
    for (;;) {
        uint32_t min = UINT32_MAX;
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            enum sh_type type = SH_T_F64;
            if (at[i] < segment_series(segs[i])) {
                const uint32_t p = segment_point(segs[i], at[i], &type);
                min = p < min ? p : min;
                any = true;
            }
        }
        if (!any) {
            return SH_OK;
        }
        for (size_t i = 0; i < n; i++) {
            enum sh_type type = SH_T_F64;
            at[i] += at[i] < segment_series(segs[i]) && segment_point(segs[i], at[i], &type) == min;
        }
        SH_TRY(point_merge(m, min, segs, n, from, to));
    }
}

/* Writes the samples of segs in [from, to) as one segment; *out NULL when there are none. */
static sh_err segments_merge(struct sh_history *h, struct segment *const *segs, size_t n,
                             int64_t from, int64_t to, struct segment_info info,
                             struct segment **out)
{
    struct segment_writer w = {.env = NULL};
    uint64_t replaces[MERGE_MAX];
    struct merger m = {.h = h,
                       .w = &w,
                       .c = block_cols_new(h->env->alloc),
                       .copied = block_cols_new(h->env->alloc),
                       .effort = info.cold ? BLOCK_COLD : BLOCK_PACKED,
                       .copy_rows = info.rolled ? COPY_ROWS_LAST : COPY_ROWS};
    info.seq_min = segs[0]->info.seq_min;
    info.seq_max = segs[0]->info.seq_max;
    for (size_t i = 0; i < n; i++) {
        const struct segment_info *s = &segs[i]->info;
        replaces[i] = s->id;
        info.seq_min = s->seq_min < info.seq_min ? s->seq_min : info.seq_min;
        info.seq_max = s->seq_max > info.seq_max ? s->seq_max : info.seq_max;
    }
    *out = NULL;
    sh_err err = m.c == NULL || m.copied == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK) {
        err = segment_writer_open(&w, h->env, h->dir, &info);
    }
    if (err == SH_OK) {
        err = points_walk(&m, segs, n, from, to);
    }
    if (err == SH_OK && w.info.samples != 0) {
        err = segment_writer_finish(&w, replaces, (uint32_t)n);
        if (err == SH_OK) {
            err = segment_open(h->env, w.path, info.id, out);
        }
        if (err != SH_OK) {
            const sh_err gone = sh_fs_unlink(h->env->fs, w.path);
            SH_UNUSED(gone);
        }
    }
    segment_writer_close(&w);
    block_cols_free(h->env->alloc, m.c);
    block_cols_free(h->env->alloc, m.copied);
    return err;
}

/* ---- replacing --------------------------------------------------------------------------------
 */

/* A damaged file is kept aside; another is unlinked. */
static void segment_retire(struct sh_history *h, struct segment *s)
{
    sh_err err = SH_OK;
    if (s->damaged || atomic_load(&s->bad_blocks) != 0) {
        char to[SEG_PATH + 16];
        (void)snprintf(to, sizeof to, "%s.damaged", s->path);
        err = sh_fs_rename(h->env->fs, s->path, to);
        atomic_fetch_add(&h->set_aside, 1);
    } else {
        err = sh_fs_unlink(h->env->fs, s->path);
    }
    SH_UNUSED(err); /* found and removed at the next start: its replacement names it */
}

static sh_err replace(struct sh_history *h, struct segment *const *old, size_t nold,
                      struct segment *const *new_segs, size_t nnew)
{
    struct segment *keep[MERGE_MAX]; /* the view may hold the last references */
    for (size_t i = 0; i < nold; i++) {
        keep[i] = segment_ref(old[i]);
    }
    sh_mutex_lock(&h->view_lock);
    struct gen *frozen = h->view->frozen;
    const sh_err err = history_view_change(h, old, nold, new_segs, nnew, frozen);
    sh_mutex_unlock(&h->view_lock);
    for (size_t i = 0; i < nold; i++) {
        if (err == SH_OK) {
            segment_retire(h, keep[i]);
        }
        segment_unref(keep[i]);
    }
    if (err == SH_OK) {
        return sh_fs_sync_dir(h->env->fs, h->dir);
    }
    return err;
}

static void drop_new(struct sh_history *h, struct segment **segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (segs[i] != NULL) {
            const sh_err gone = sh_fs_unlink(h->env->fs, segs[i]->path);
            SH_UNUSED(gone);
            segment_unref(segs[i]);
        }
    }
}

/* ---- splitting --------------------------------------------------------------------------------
 */

struct partitions {
    int64_t *p;
    size_t n;
    size_t cap;
};

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

static sh_err partitions_add(struct sh_history *h, struct partitions *ps, int64_t p)
{
    if (ps->n != 0 && bsearch(&p, ps->p, ps->n, sizeof *ps->p, by_value) != NULL) {
        return SH_OK;
    }
    if (ps->n == PARTS_MAX) {
        return SH_E_LIMIT;
    }
    if (ps->n == ps->cap) {
        const size_t cap = ps->cap == 0 ? 64 : ps->cap * 2;
        int64_t *np = sh_mem_resize(h->env->alloc, ps->p, cap * sizeof *np);
        if (np == NULL) {
            return SH_E_NOMEM;
        }
        ps->p = np;
        ps->cap = cap;
    }
    ps->p[ps->n++] = p;
    qsort(ps->p, ps->n, sizeof *ps->p, by_value);
    return SH_OK;
}

static sh_err point_partitions(struct sh_history *h, struct segment *s, uint32_t point,
                               struct partitions *ps)
{
    struct iter it;
    struct iter_run run;
    struct mem mem = {.limit = MERGE_MEM};
    SH_TRY(iter_open_segments(&it, h, &mem, point, &s, 1, -HISTORY_TIME_MAX, HISTORY_TIME_MAX + 1));
    sh_err err = SH_OK;
    do {
        err = iter_next(&it, &run);
        int64_t last = INT64_MIN;
        for (uint32_t i = 0; err == SH_OK && i < run.n; i++) {
            const int64_t p = history_partition(h, run.time[i]);
            if (p != last) {
                err = partitions_add(h, ps, p);
                last = p;
            }
        }
    } while (err == SH_OK && run.n != 0);
    iter_close(&it);
    return err;
}

static sh_err parts_write(struct sh_history *h, struct segment *s, const struct partitions *ps,
                          struct segment **out)
{
    const uint64_t group = h->next_id;
    for (size_t i = 0; i < ps->n; i++) {
        const int64_t from = ps->p[i] * h->o.partition_us;
        const struct segment_info info = {
            .id = h->next_id++, .group = group, .part = (uint32_t)i, .parts = (uint32_t)ps->n};
        SH_TRY(segments_merge(h, &s, 1, from, from + h->o.partition_us, info, &out[i]));
        if (out[i] == NULL) {
            return SH_E_CORRUPT; /* its samples were there a moment ago */
        }
    }
    return SH_OK;
}

static sh_err split(struct sh_history *h, struct segment *s)
{
    struct partitions ps = {.p = NULL};
    struct segment **out = NULL;
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < segment_series(s); i++) {
        enum sh_type type = SH_T_F64;
        err = point_partitions(h, s, segment_point(s, i, &type), &ps);
    }
    if (err == SH_OK) {
        out = sh_mem_array(h->env->alloc, ps.n + 1, sizeof(struct segment *));
        err = out == NULL ? SH_E_NOMEM : parts_write(h, s, &ps, out);
        if (err == SH_OK) {
            err = replace(h, &s, 1, out, ps.n);
        } else if (out != NULL) {
            drop_new(h, out, ps.n);
        }
    }
    sh_mem_free(h->env->alloc, ps.p);
    sh_mem_free(h->env->alloc, out);
    return err;
}

/* ---- choosing ---------------------------------------------------------------------------------
 */

/* Segments of the partition of v->segs[first], oldest first; 0 when first is not its first. */
static size_t partition_segments(const struct sh_history *h, const struct view *v, uint32_t first,
                                 struct segment **out)
{
    const int64_t p = history_partition(h, v->segs[first]->info.t_min);
    size_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        struct segment *s = v->segs[i];
        if (s->info.unsplit || history_partition(h, s->info.t_min) != p) {
            continue;
        }
        if (i < first) {
            return 0;
        }
        if (n < MERGE_MAX) {
            out[n++] = s;
        }
    }
    return n;
}

/* Where a merge that reaches to the newest pays: the part from it on is not small beside it. */
static size_t run_start(struct segment *const *segs, size_t n, uint64_t weight)
{
    uint64_t newer = 0;
    size_t best = n;
    for (size_t i = n; i > 0; i--) {
        if (i < n && segs[i - 1]->bytes <= weight * newer) {
            best = i - 1;
        }
        newer += segs[i - 1]->bytes;
    }
    return best;
}

/* Has the partition of these segments ended, and has nothing new come into it for a while? Then it
 * is merged to few, full segments and gets roll-ups. While old data is being imported it is merged
 * as the present one is: else a little more would have all written again. */
static bool partition_ended(struct sh_history *h, struct segment *const *segs, size_t n)
{
    const int64_t end = (history_partition(h, segs[0]->info.t_min) + 1) * h->o.partition_us;
    if (sh_wall_us(h->env->clock) - end < h->o.partition_us / LATE_PART) {
        return false;
    }
    for (size_t i = 0; !h->at_once && i < n; i++) {
        if (sh_mono_us(h->env->clock) - segs[i]->since_mono_us < CALM_US) {
            return false;
        }
    }
    return true;
}

/* segs become one segment in their place. */
static sh_err merge(struct sh_history *h, struct segment *const *segs, size_t n, bool ended,
                    bool cold)
{
    const int64_t from = history_partition(h, segs[0]->info.t_min) * h->o.partition_us;
    struct segment *out = NULL;
    const struct segment_info info = {
        .id = h->next_id++, .cold = cold, .rolled = ended, .roll_min = h->o.roll_min};
    SH_TRY(segments_merge(h, segs, n, from, from + h->o.partition_us, info, &out));
    const sh_err err = replace(h, segs, n, &out, out == NULL ? 0 : 1);
    if (err == SH_OK) {
        atomic_fetch_add(&h->compactions, 1);
    }
    return err;
}

/* One whole segment of an ended partition that has no roll-ups yet, when nothing else is to be
 * done: such as were written by an earlier version or were alone from the beginning. */
static sh_err roll_some(struct sh_history *h, const struct view *v, bool *did)
{
    struct segment *segs[MERGE_MAX];
    for (uint32_t i = 0; i < v->n; i++) {
        const size_t n = v->segs[i]->info.unsplit ? 0 : partition_segments(h, v, i, segs);
        for (size_t k = 0; k < n && partition_ended(h, segs, n); k++) {
            if (!segs[k]->info.rolled && segs[k]->info.samples >= ROLL_WORTH) {
                *did = true;
                return merge(h, segs + k, 1, true, segs[k]->info.cold);
            }
        }
    }
    return SH_OK;
}

static sh_err merge_some(struct sh_history *h, const struct view *v, bool *did)
{
    struct segment *segs[MERGE_MAX];
    for (uint32_t i = 0; i < v->n; i++) {
        const size_t n = v->segs[i]->info.unsplit ? 0 : partition_segments(h, v, i, segs);
        const bool ended = n > 1 && partition_ended(h, segs, n);
        if (n < MERGE_MIN && !ended) {
            continue;
        }
        size_t start = run_start(segs, n, ended ? OLD_WEIGHT : 2);
        if (start == n && n == MERGE_MAX) {
            start = 0;
        }
        if (start == n || (n - start < MERGE_MIN && !ended)) {
            continue;
        }
        bool cold = false; /* late data goes into the cold ones as such */
        for (size_t k = start; k < n; k++) {
            cold = cold || segs[k]->info.cold;
        }
        *did = true;
        return merge(h, segs + start, n - start, ended, cold);
    }
    return SH_OK;
}

/* Old enough, quiet, and not worth leaving as it is: one cold segment beside a little late data. */
static bool cold_due(struct sh_history *h, struct segment *const *segs, size_t n)
{
    const int64_t begin = history_partition(h, segs[0]->info.t_min) * h->o.partition_us;
    const int64_t now = sh_wall_us(h->env->clock);
    const int64_t cold_after = atomic_load(&h->cold_after_us);
    const int64_t quiet = cold_after < QUIET_US ? cold_after : QUIET_US;
    uint64_t cold = 0;
    uint64_t other = 0;
    if (now - begin - h->o.partition_us < cold_after) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (sh_mono_us(h->env->clock) - segs[i]->since_mono_us < quiet) {
            return false;
        }
        *(segs[i]->info.cold ? &cold : &other) += segs[i]->bytes;
    }
    return other > 0 && other * OLD_WEIGHT >= cold;
}

static sh_err cool_some(struct sh_history *h, const struct view *v, bool *did)
{
    struct segment *segs[MERGE_MAX];
    for (uint32_t i = 0; atomic_load(&h->cold_after_us) != INT64_MAX && i < v->n; i++) {
        const size_t n = v->segs[i]->info.unsplit ? 0 : partition_segments(h, v, i, segs);
        if (n > 0 && n < MERGE_MAX && cold_due(h, segs, n)) {
            *did = true;
            return merge(h, segs, n, true, true);
        }
    }
    return SH_OK;
}

static sh_err retention(struct sh_history *h, const struct view *v, bool *did)
{
    const int64_t floor = history_retained(h);
    for (uint32_t i = 0; floor != INT64_MIN && i < v->n; i++) {
        struct segment *s = v->segs[i];
        if (s->info.t_max < floor) {
            *did = true;
            sh_log(h->env->log, SH_LOG_INFO, "history", "retention: removing %s", s->path);
            return replace(h, &s, 1, NULL, 0);
        }
    }
    return SH_OK;
}

/* End of the oldest partition that has a segment; false: there is none. */
static bool oldest_end(struct sh_history *h, const struct view *v, int64_t *end)
{
    int64_t first = INT64_MAX;
    for (uint32_t i = 0; i < v->n; i++) {
        first = v->segs[i]->info.t_min < first ? v->segs[i]->info.t_min : first;
    }
    if (v->n == 0) {
        return false;
    }
    *end = (history_partition(h, first) + 1) * h->o.partition_us;
    return true;
}

static sh_err drop_until(struct sh_history *h, const struct view *v, struct sh_history_dropped *out)
{
    sh_err err = SH_OK;
    for (uint32_t i = 0; err == SH_OK && i < v->n; i++) {
        struct segment *s = v->segs[i];
        if (s->info.t_max >= out->to_us) {
            continue;
        }
        err = replace(h, &s, 1, NULL, 0);
        if (err == SH_OK) {
            out->from_us =
                out->segments == 0 || s->info.t_min < out->from_us ? s->info.t_min : out->from_us;
            out->segments++;
            out->samples += s->info.samples;
            out->bytes += s->bytes;
        }
    }
    return err;
}

sh_err sh_history_drop_oldest(struct sh_history *h, int64_t before_us,
                              struct sh_history_dropped *out)
{
    *out = (struct sh_history_dropped){.segments = 0};
    sh_mutex_lock(&h->flush_lock);
    struct view *v = history_view(h);
    sh_err err = oldest_end(h, v, &out->to_us) && out->to_us <= before_us ? SH_OK : SH_E_NOTFOUND;
    if (err == SH_OK) {
        err = drop_until(h, v, out);
    }
    if (err == SH_OK && out->segments == 0) {
        err = SH_E_NOTFOUND; /* one segment over many partitions: compaction splits it first */
    }
    if (out->segments > 0 && out->to_us > atomic_load(&h->dropped_us)) {
        atomic_store(&h->dropped_us, out->to_us);
    }
    view_unref(v);
    sh_mutex_unlock(&h->flush_lock);
    return err;
}

sh_err history_compact_one(struct sh_history *h, bool *did)
{
    struct view *v = history_view(h);
    *did = false;
    sh_err err = retention(h, v, did);
    for (uint32_t i = 0; err == SH_OK && !*did && i < v->n; i++) {
        if (v->segs[i]->info.unsplit) {
            *did = true;
            err = split(h, v->segs[i]);
            if (err == SH_OK) {
                atomic_fetch_add(&h->compactions, 1);
            }
        }
    }
    if (err == SH_OK && !*did) {
        err = merge_some(h, v, did);
    }
    if (err == SH_OK && !*did) {
        err = cool_some(h, v, did);
    }
    if (err == SH_OK && !*did) {
        err = roll_some(h, v, did);
    }
    view_unref(v);
    if (err != SH_OK) {
        history_tell(h, &(struct sh_history_report){.what = SH_HISTORY_COMPACT_FAILED, .err = err});
    }
    return err;
}
