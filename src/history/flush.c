/* flush.c - frozen heads into segments.
 * Order: freeze, write and sync one segment per partition (or one unsplit), save the edits, publish
 * a view with the segments and without the gen, then tell flushed(). A failure leaves the gen in
 * the view: nothing is lost, the next flush tries it again. Segments of a failed try stay out of
 * the view and are removed; if the process ends first, they are found at the next start beside the
 * replayed samples, which is the same samples twice: one wins. SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "history_int.h"

struct parts {
    int64_t p[HISTORY_SPLIT_MAX];
    size_t n;
    bool many;
};

static void parts_add(struct parts *ps, int64_t p)
{
    for (size_t i = 0; i < ps->n; i++) {
        if (ps->p[i] == p) {
            return;
        }
    }
    if (ps->n == HISTORY_SPLIT_MAX) {
        ps->many = true;
        return;
    }
    size_t i = ps->n++;
    for (; i > 0 && ps->p[i - 1] > p; i--) {
        ps->p[i] = ps->p[i - 1];
    }
    ps->p[i] = p;
}

static void blocks_parts(const struct sh_history *h, const struct head *hd, struct parts *ps)
{
    int64_t last = INT64_MIN;
    for (uint32_t i = 0; i < hd->nblocks && !ps->many; i++) {
        const struct block_ref *r = hd->blocks[i].ref;
        const int64_t end = history_partition(h, r->t_last);
        for (int64_t p = history_partition(h, r->t_first); p <= end && !ps->many; p++) {
            if (p != last) { /* one without a row of the block leaves no segment */
                parts_add(ps, p);
                last = p;
            }
        }
    }
}

static void parts_of_gen(const struct sh_history *h, const struct gen *g, struct parts *ps)
{
    for (uint32_t i = 0; i < g->n && !ps->many; i++) {
        const struct head *hd = g->items[i].head;
        blocks_parts(h, hd, ps);
        if (hd->n != 0 && history_partition(h, hd->t_min) == history_partition(h, hd->t_max)) {
            parts_add(ps, history_partition(h, hd->t_min));
            continue;
        }
        int64_t last = INT64_MIN;
        for (uint32_t k = 0; k < hd->n && !ps->many; k++) {
            const int64_t p = history_partition(h, hd->time[k]);
            if (p != last) {
                parts_add(ps, p);
                last = p;
            }
        }
    }
}

/* Rows that go into one block, from row `at`: text blocks are closed by size too. */
static uint32_t block_rows(const struct head *hd, uint32_t at)
{
    uint32_t n = hd->n - at;
    if (n > BLOCK_MAX) {
        n = BLOCK_MAX;
    }
    if (hd->type < SH_T_TEXT) {
        return n;
    }
    size_t bytes = hd->value[at].span.len;
    uint32_t i = 1;
    for (; i < n; i++) {
        bytes += hd->value[at + i].span.len;
        if (bytes > BLOCK_TEXT_SOFT) {
            break;
        }
    }
    return i;
}

static sh_err head_write(struct sh_history *h, struct segment_writer *w, uint32_t point,
                         const struct head *src, int64_t from, int64_t to)
{
    struct head hd;
    SH_TRY(head_copy(h->env->alloc, src, from, to, &hd));
    sh_err err = SH_OK;
    for (uint32_t at = 0; err == SH_OK && at < hd.n;) {
        const uint32_t n = block_rows(&hd, at);
        const struct block_in in = {.point = point,
                                    .type = hd.type,
                                    .n = n,
                                    .time = hd.time + at,
                                    .value = hd.value + at,
                                    .quality = hd.quality + at,
                                    .bytes = hd.text.p};
        err = segment_writer_block(w, &in, BLOCK_PACKED);
        at += n;
    }
    head_fini(h->env->alloc, &hd);
    return err;
}

/* One segment with the rows of g in [from, to); *out NULL when there is none. */
static sh_err gen_write(struct sh_history *h, const struct gen *g, int64_t from, int64_t to,
                        bool unsplit, struct segment **out)
{
    struct segment_writer w;
    const struct segment_info info = {
        .id = h->next_id++, .seq_min = g->seq_min, .seq_max = g->seq_max, .unsplit = unsplit};
    *out = NULL;
    sh_err err = segment_writer_open(&w, h->env, h->dir, &info);
    for (uint32_t i = 0; err == SH_OK && i < g->n; i++) {
        const struct head *hd = g->items[i].head;
        int64_t first = 0;
        int64_t last = 0;
        if (head_span(hd, &first, &last) == 0 || last < from || first >= to) {
            continue;
        }
        err = hd->nblocks == 0 ? head_write(h, &w, g->items[i].point, hd, from, to)
                               : merge_head(h, &w, g->items[i].point, hd, from, to);
    }
    if (err == SH_OK && w.info.samples + w.blocks != 0) {
        err = segment_writer_finish(&w, NULL, 0);
        if (err == SH_OK) {
            err = segment_open(h->env, w.path, info.id, out);
        }
        if (err != SH_OK) {
            const sh_err gone = sh_fs_unlink(h->env->fs, w.path);
            SH_UNUSED(gone);
        }
    }
    segment_writer_close(&w);
    return err;
}

static sh_err segments_write(struct sh_history *h, const struct gen *g, struct segment **segs,
                             size_t *n)
{
    struct parts ps = {.n = 0};
    parts_of_gen(h, g, &ps);
    *n = 0;
    if (ps.many) {
        *n = 1;
        return gen_write(h, g, -HISTORY_TIME_MAX, HISTORY_TIME_MAX + 1, true, &segs[0]);
    }
    for (size_t i = 0; i < ps.n; i++) {
        const int64_t from = ps.p[i] * h->o.partition_us;
        SH_TRY(gen_write(h, g, from, from + h->o.partition_us, false, &segs[*n]));
        *n += segs[*n] != NULL;
    }
    return SH_OK;
}

static sh_err publish(struct sh_history *h, struct segment **segs, size_t n)
{
    sh_mutex_lock(&h->view_lock);
    const sh_err err = history_view_change(h, NULL, 0, segs, n, NULL);
    sh_mutex_unlock(&h->view_lock);
    return err;
}

static sh_err gen_flush(struct sh_history *h, const struct gen *g)
{
    struct segment *segs[HISTORY_SPLIT_MAX] = {NULL};
    size_t n = 0;
    sh_err err = segments_write(h, g, segs, &n);
    if (err == SH_OK) {
        err = publish(h, segs, n);
    }
    for (size_t i = 0; err != SH_OK && i < n; i++) {
        if (segs[i] != NULL) {
            const sh_err gone = sh_fs_unlink(h->env->fs, segs[i]->path);
            SH_UNUSED(gone);
            segment_unref(segs[i]);
        }
    }
    return err;
}

static bool state_dirty(struct sh_history *h)
{
    sh_mutex_lock(&h->edits.lock);
    const bool dirty = h->edits.dirty;
    sh_mutex_unlock(&h->edits.lock);
    return dirty;
}

sh_err history_flush_locked(struct sh_history *h)
{
    struct gen *g = NULL;
    uint64_t seq = 0;
    struct view *v = history_view(h);
    sh_err err = SH_OK;
    if (v->frozen != NULL) { /* left by a flush that failed */
        g = v->frozen;
        atomic_fetch_add(&g->refs, 1);
        seq = g->seq_max;
    } else {
        err = heads_freeze(h, &g, &seq);
    }
    view_unref(v);
    if (err == SH_OK && g != NULL) {
        err = gen_flush(h, g);
        if (err == SH_OK) {
            atomic_fetch_sub(&h->head_rows, g->rows);
            atomic_fetch_add(&h->flushes, 1);
        }
    }
    if (err == SH_OK && state_dirty(h)) {
        err = state_save(h);
    }
    gen_unref(g);
    if (err != SH_OK) {
        history_tell(h, &(struct sh_history_report){.what = SH_HISTORY_FLUSH_FAILED, .err = err});
        return err;
    }
    if (seq > atomic_load(&h->flushed_seq)) {
        atomic_store(&h->flushed_seq, seq);
    }
    if (seq != 0 && h->o.flushed != NULL) { /* after a crash the journal may be behind the files */
        h->o.flushed(h->o.ctx, seq);
    }
    return SH_OK;
}

bool history_flush_due(struct sh_history *h)
{
    if (atomic_load(&h->head_bytes) > heads_limit(h)) {
        return true;
    }
    sh_mutex_lock(&h->apply_lock);
    const bool any = h->gen_seq_min != 0;
    const int64_t age = sh_mono_us(h->env->clock) - h->oldest_mono_us;
    sh_mutex_unlock(&h->apply_lock);
    return any && age > h->o.flush_after_us;
}
