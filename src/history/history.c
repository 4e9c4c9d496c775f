/* history.c - life cycle, views, background thread, figures.
 *
 * Invariants of the whole:
 * 1. A sample is in an active head, or in a frozen gen of the view, or in a segment of the view; it
 *    moves on under view_lock, and only after the next place has it (segments: durably).
 * 2. Heads of a gen, views and segments never change once published; they go with their last
 *    reference.
 * 3. One flush, compaction step or state write at a time (flush_lock). A segment is unlinked after
 * the segments that replace it are durable. SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_int.h"

enum { BG_PERIOD_US = 1000000, DEFAULT_SHARDS = 8, HELPERS_MOST = 64, HELP_QUEUED = 4 };

void history_tell(struct sh_history *h, const struct sh_history_report *r)
{
    static const char *const words[] = {
        [SH_HISTORY_SEGMENT_DAMAGED] = "index damaged, its good blocks are served",
        [SH_HISTORY_BLOCK_DAMAGED] = "block unreadable, the rest is served",
        [SH_HISTORY_STATE_DAMAGED] = "state file unreadable",
        [SH_HISTORY_FLUSH_FAILED] = "flush failed, tried again later",
        [SH_HISTORY_COMPACT_FAILED] = "compaction failed, tried again later",
    };
    sh_log(h->env->log, SH_LOG_WARN, "history", "%s: %s (offset %" PRIu64 ", point %u, %s)",
           r->file == NULL ? h->dir : r->file, words[r->what], r->offset, r->point,
           sh_err_name(r->err));
    if (h->o.report != NULL) {
        h->o.report(h->o.ctx, r);
    }
}

int64_t history_partition(const struct sh_history *h, int64_t time_us)
{
    return partition_of(time_us, h->o.partition_us);
}

/* ---- views ------------------------------------------------------------------------------------
 */

struct view *history_view(struct sh_history *h)
{
    sh_mutex_lock(&h->view_lock);
    struct view *v = h->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    sh_mutex_unlock(&h->view_lock);
    return v;
}

void view_unref(struct view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        segment_unref(v->segs[i]);
    }
    gen_unref(v->frozen);
    sh_mem_free(v->alloc, v);
}

static int by_age(const void *a, const void *b)
{
    const struct segment *x = *(struct segment *const *)a;
    const struct segment *y = *(struct segment *const *)b;
    if (x->info.seq_max != y->info.seq_max) {
        return x->info.seq_max < y->info.seq_max ? -1 : 1;
    }
    return x->info.id < y->info.id ? -1 : (x->info.id > y->info.id ? 1 : 0);
}

sh_err history_view_change(struct sh_history *h, struct segment *const *drop, size_t ndrop,
                           struct segment *const *add, size_t nadd, struct gen *frozen)
{
    struct view *old = h->view;
    const size_t have = old == NULL ? 0 : old->n;
    struct view *v =
        sh_mem_new(h->env->alloc, sizeof *v + (have + nadd + 1) * sizeof(struct segment *));
    if (v == NULL) {
        return SH_E_NOMEM;
    }
    atomic_init(&v->refs, 1);
    v->alloc = h->env->alloc;
    v->frozen = frozen;
    if (frozen != NULL && old != NULL && old->frozen == frozen) {
        atomic_fetch_add(&frozen->refs, 1);
    }
    for (size_t i = 0; i < have; i++) {
        bool gone = false;
        for (size_t k = 0; k < ndrop; k++) {
            gone = gone || drop[k] == old->segs[i];
        }
        if (!gone) {
            v->segs[v->n++] = segment_ref(old->segs[i]);
        }
    }
    for (size_t i = 0; i < nadd; i++) {
        v->segs[v->n++] = add[i];
    }
    if (v->n > 1) {
        qsort(v->segs, v->n, sizeof(struct segment *), by_age);
    }
    h->view = v;
    view_unref(old);
    return SH_OK;
}

/* ---- open -------------------------------------------------------------------------------------
 */

struct opening {
    struct sh_history *h;
    struct segment **segs;
    size_t n;
    size_t cap;
};

static bool name_id(const char *name, uint64_t *id, const char **suffix)
{
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        const char c = name[i];
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *id = v;
    *suffix = name + 16;
    return true;
}

static void file_aside(struct sh_history *h, const char *path)
{
    char to[SEG_PATH + 16];
    (void)snprintf(to, sizeof to, "%s.damaged", path);
    const sh_err err = sh_fs_rename(h->env->fs, path, to);
    SH_UNUSED(err); /* it stays where it is and is said again */
    atomic_fetch_add(&h->set_aside, 1);
}

static sh_err segment_found(struct opening *o, const char *path, uint64_t id)
{
    struct sh_history *h = o->h;
    struct segment *s = NULL;
    const sh_err err = segment_open(h->env, path, id, &s);
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK || s->damaged) {
        history_tell(h, &(struct sh_history_report){
                            .what = SH_HISTORY_SEGMENT_DAMAGED, .file = path, .err = err});
    }
    if (err != SH_OK) {
        if (err == SH_E_CORRUPT) {
            file_aside(h, path);
        }
        return SH_OK;
    }
    if (o->n == o->cap) {
        const size_t cap = o->cap == 0 ? 64 : o->cap * 2;
        struct segment **p = sh_mem_resize(h->env->alloc, o->segs, cap * sizeof(struct segment *));
        if (p == NULL) {
            segment_unref(s);
            return SH_E_NOMEM;
        }
        o->segs = p;
        o->cap = cap;
    }
    o->segs[o->n++] = s;
    return SH_OK;
}

static sh_err entry(void *ctx, const char *name, bool is_dir)
{
    struct opening *o = ctx;
    struct sh_history *h = o->h;
    uint64_t id = 0;
    const char *suffix = NULL;
    if (is_dir || !name_id(name, &id, &suffix)) {
        return SH_OK;
    }
    if (id >= h->next_id) {
        h->next_id = id + 1;
    }
    char path[SEG_PATH];
    if (strcmp(suffix, ".tmp") == 0) {
        segment_path(h->dir, id, ".tmp", path);
        const sh_err err = sh_fs_unlink(h->env->fs, path);
        SH_UNUSED(err); /* tried again at the next start */
        return SH_OK;
    }
    if (strcmp(suffix, ".shs") != 0) {
        return SH_OK;
    }
    segment_path(h->dir, id, ".shs", path);
    return segment_found(o, path, id);
}

/* Parts of the group of s that are here. */
static uint32_t group_parts(const struct opening *o, const struct segment *s)
{
    uint32_t parts = 0;
    for (size_t i = 0; i < o->n; i++) {
        parts += o->segs[i]->info.group == s->info.group && o->segs[i]->info.group != 0;
    }
    return parts;
}

static void unlink_segment(struct sh_history *h, struct segment *s)
{
    const sh_err err = sh_fs_unlink(h->env->fs, s->path);
    SH_UNUSED(err); /* found and removed again at the next start */
}

/* Removes what a finished compaction replaced and what an unfinished one left. A part of a group
 * whose originals are gone is complete by definition. */
static void settle(struct opening *o)
{
    for (size_t i = 0; i < o->n; i++) {
        struct segment *s = o->segs[i];
        const bool whole = s->info.group == 0 || group_parts(o, s) == s->info.parts;
        bool original = false;
        for (uint32_t k = 0; k < s->nreplaces; k++) {
            for (size_t m = 0; m < o->n; m++) {
                struct segment *r = o->segs[m];
                if (r->info.id != segment_replaces(s, k)) {
                    continue;
                }
                original = true;
                if (whole) {
                    atomic_store(&r->gone, true);
                }
            }
        }
        if (!whole && original) {
            atomic_store(&s->gone, true);
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++) {
        struct segment *s = o->segs[i];
        if (!atomic_load(&s->gone)) {
            o->segs[n++] = s;
            continue;
        }
        unlink_segment(o->h, s);
        segment_unref(s);
    }
    o->n = n;
}

static sh_err segments_open(struct sh_history *h)
{
    const struct sh_fs *fs = h->env->fs;
    struct opening o = {.h = h};
    sh_err err = fs->list(fs->ctx, h->dir, entry, &o);
    if (err == SH_OK) {
        settle(&o);
        for (size_t i = 0; i < o.n; i++) {
            const uint64_t seq = o.segs[i]->info.seq_max;
            if (seq > atomic_load(&h->flushed_seq)) {
                atomic_store(&h->flushed_seq, seq);
            }
        }
        err = history_view_change(h, NULL, 0, o.segs, o.n, NULL);
    }
    for (size_t i = 0; err != SH_OK && i < o.n; i++) {
        segment_unref(o.segs[i]);
    }
    sh_mem_free(h->env->alloc, o.segs);
    return err;
}

static sh_err options_check(struct sh_history *h, const struct sh_history_options *o)
{
    h->o = *o;
    struct sh_history_options *n = &h->o;
    h->nshards = n->shards == 0 ? DEFAULT_SHARDS : n->shards;
    n->partition_us = n->partition_us == 0 ? (int64_t)86400 * 1000000 : n->partition_us;
    n->head_bytes = n->head_bytes == 0 ? (uint64_t)64 << 20 : n->head_bytes;
    n->cold_after_us = n->cold_after_us == 0 ? (int64_t)7 * 86400 * 1000000 : n->cold_after_us;
    n->roll_min = n->roll_min == 0 ? 300 : n->roll_min;
    n->flush_after_us = n->flush_after_us == 0 ? (int64_t)600 * 1000000 : n->flush_after_us;
    n->query_bytes = n->query_bytes == 0 ? (uint64_t)64 << 20 : n->query_bytes;
    n->max_points = n->max_points == 0 ? (uint32_t)4 << 20 : n->max_points;
    n->max_edits = n->max_edits == 0 ? (uint32_t)1 << 20 : n->max_edits;
    if (o->dir == NULL || strlen(o->dir) > 440 || h->nshards > HISTORY_MAX_SHARDS ||
        n->partition_us < (int64_t)60 * 1000000 || n->retention_us < 0 || n->cold_after_us < 0 ||
        n->query_threads > HELPERS_MOST) {
        return SH_E_INVAL;
    }
    (void)snprintf(h->dir, sizeof h->dir, "%s", o->dir);
    n->dir = h->dir;
    atomic_init(&h->retention_us, n->retention_us);
    atomic_init(&h->cold_after_us, n->cold_after_us);
    atomic_init(&h->dropped_us, INT64_MIN);
    return SH_OK;
}

static void free_all(struct sh_history *h)
{
    sh_workers_free(h->helpers);
    view_unref(h->view);
    for (unsigned s = 0; s < h->nshards && s < HISTORY_MAX_SHARDS; s++) {
        struct shard *sh = &h->shards[s];
        for (uint32_t p = 0; p < sh->npages; p++) {
            for (uint32_t i = 0; sh->pages[p] != NULL && i < HISTORY_PAGE; i++) {
                head_free(h->env->alloc, sh->pages[p][i].active);
            }
            sh_mem_free(h->env->alloc, sh->pages[p]);
        }
        sh_mem_free(h->env->alloc, sh->pages);
    }
    for (unsigned s = 0; s < HISTORY_MAX_SHARDS; s++) {
        sh_mutex_fini(&h->shards[s].lock);
    }
    edits_fini(&h->edits, h->env->alloc);
    sh_mem_free(h->env->alloc, h->order);
    block_cols_free(h->env->alloc, h->cols);
    sh_cond_fini(&h->bg_wake);
    sh_mutex_fini(&h->bg_lock);
    sh_mutex_fini(&h->flush_lock);
    sh_mutex_fini(&h->view_lock);
    sh_mutex_fini(&h->apply_lock);
    sh_mem_free(h->env->alloc, h);
}

sh_err sh_history_open(const struct sh_env *env, const struct sh_history_options *o,
                       struct sh_history **out)
{
    struct sh_history *h = sh_mem_new(env->alloc, sizeof *h);
    if (h == NULL) {
        return SH_E_NOMEM;
    }
    h->env = env;
    h->next_id = 1;
    sh_mutex_init(&h->apply_lock);
    sh_mutex_init(&h->view_lock);
    sh_mutex_init(&h->flush_lock);
    sh_mutex_init(&h->bg_lock);
    sh_cond_init(&h->bg_wake);
    for (unsigned s = 0; s < HISTORY_MAX_SHARDS; s++) {
        sh_mutex_init(&h->shards[s].lock);
    }
    sh_err err = options_check(h, o);
    edits_init(&h->edits, env->alloc, h->o.max_edits);
    if (err == SH_OK) {
        err = sh_fs_mkdirs(env->fs, h->dir);
    }
    if (err == SH_OK) {
        err = state_load(h);
    }
    if (err == SH_OK) {
        err = segments_open(h);
    }
    if (err == SH_OK && h->o.query_threads > 0) {
        err = sh_workers_new(env, h->o.query_threads, (size_t)h->o.query_threads * HELP_QUEUED,
                             &h->helpers);
    }
    if (err != SH_OK) {
        free_all(h);
        return err;
    }
    *out = h;
    return SH_OK;
}

/* ---- background -------------------------------------------------------------------------------
 */

sh_err sh_history_step(struct sh_history *h, bool *did)
{
    *did = false;
    sh_mutex_lock(&h->bg_lock);
    const bool asked = h->bg_flush;
    h->bg_flush = false;
    sh_mutex_unlock(&h->bg_lock);
    if (asked || history_flush_due(h)) {
        *did = true;
        return sh_history_flush(h);
    }
    sh_mutex_lock(&h->flush_lock);
    const sh_err err = history_compact_one(h, did);
    sh_mutex_unlock(&h->flush_lock);
    return err;
}

static void bg_main(void *ctx)
{
    struct sh_history *h = ctx;
    for (;;) {
        bool did = false;
        const sh_err err = sh_history_step(h, &did);
        sh_mutex_lock(&h->bg_lock);
        if ((!did || err != SH_OK) && !h->bg_stop && (!h->bg_flush || err != SH_OK)) {
            (void)sh_cond_wait_for(&h->bg_wake, &h->bg_lock, BG_PERIOD_US);
        }
        const bool stop = h->bg_stop;
        sh_mutex_unlock(&h->bg_lock);
        if (stop) {
            return;
        }
    }
}

sh_err sh_history_start(struct sh_history *h)
{
    return h->bg.running ? SH_E_STATE : sh_thread_start(&h->bg, "sh-history", bg_main, h);
}

void sh_history_want_flush(struct sh_history *h)
{
    sh_mutex_lock(&h->bg_lock);
    h->bg_flush = true;
    sh_cond_signal(&h->bg_wake);
    sh_mutex_unlock(&h->bg_lock);
}

void sh_history_close(struct sh_history *h)
{
    if (h == NULL) {
        return;
    }
    sh_mutex_lock(&h->bg_lock);
    h->bg_stop = true;
    sh_cond_signal(&h->bg_wake);
    sh_mutex_unlock(&h->bg_lock);
    sh_thread_join(&h->bg);
    const sh_err err = sh_history_flush(h);
    SH_UNUSED(err); /* the journal still has it */
    free_all(h);
}

sh_err sh_history_flush(struct sh_history *h)
{
    sh_mutex_lock(&h->flush_lock);
    const sh_err err = history_flush_locked(h);
    sh_mutex_unlock(&h->flush_lock);
    return err;
}

sh_err sh_history_compact(struct sh_history *h)
{
    sh_err err = SH_OK;
    bool did = true;
    sh_mutex_lock(&h->flush_lock);
    h->at_once = true;
    while (err == SH_OK && did) {
        err = history_compact_one(h, &did);
    }
    h->at_once = false;
    sh_mutex_unlock(&h->flush_lock);
    return err;
}

/* ---- retention and figures --------------------------------------------------------------------
 */

int64_t history_retained(struct sh_history *h)
{
    const int64_t keep = atomic_load(&h->retention_us);
    if (keep == 0) {
        return INT64_MIN;
    }
    const int64_t now = sh_wall_us(h->env->clock);
    return history_partition(h, now - keep) * h->o.partition_us;
}

int64_t sh_history_floor(struct sh_history *h)
{
    const int64_t retained = history_retained(h);
    const int64_t dropped = atomic_load(&h->dropped_us);
    return retained > dropped ? retained : dropped;
}

void sh_history_set_cold_after(struct sh_history *h, int64_t cold_after_us)
{
    atomic_store(&h->cold_after_us, cold_after_us <= 0 ? INT64_MAX : cold_after_us);
}

void sh_history_set_retention(struct sh_history *h, int64_t retention_us)
{
    atomic_store(&h->retention_us, retention_us < 0 ? 0 : retention_us);
}

static uint64_t points_count(struct sh_history *h, const struct view *v)
{
    uint64_t n = 0;
    for (unsigned s = 0; s < h->nshards; s++) {
        struct shard *sh = &h->shards[s];
        sh_mutex_lock(&sh->lock);
        for (uint32_t p = 0; p < sh->npages; p++) {
            for (uint32_t i = 0; sh->pages[p] != NULL && i < HISTORY_PAGE; i++) {
                n += sh->pages[p][i].type != 0;
            }
        }
        sh_mutex_unlock(&sh->lock);
    }
    for (uint32_t i = 0; i < v->n; i++) { /* a lower bound for what only segments know */
        n = v->segs[i]->info.series > n ? v->segs[i]->info.series : n;
    }
    return n;
}

static uint32_t last_point(struct sh_history *h, const struct view *v)
{
    uint32_t last = 0;
    for (unsigned s = 0; s < h->nshards; s++) {
        struct shard *sh = &h->shards[s];
        sh_mutex_lock(&sh->lock);
        for (uint32_t p = 0; p < sh->npages; p++) {
            for (uint32_t i = 0; sh->pages[p] != NULL && i < HISTORY_PAGE; i++) {
                const uint32_t id = (p * HISTORY_PAGE + i) * h->nshards + s;
                last = sh->pages[p][i].type != 0 && id > last ? id : last;
            }
        }
        sh_mutex_unlock(&sh->lock);
    }
    for (uint32_t i = 0; i < v->n; i++) {
        enum sh_type type;
        const size_t n = segment_series(v->segs[i]);
        const uint32_t id = n == 0 ? 0 : segment_point(v->segs[i], n - 1, &type);
        last = id > last ? id : last;
    }
    return last;
}

void sh_history_stats(struct sh_history *h, struct sh_history_stats *out)
{
    memset(out, 0, sizeof *out);
    struct view *v = history_view(h);
    for (uint32_t i = 0; i < v->n; i++) {
        out->segment_bytes += v->segs[i]->bytes;
        out->segment_samples += v->segs[i]->info.samples;
        if (v->segs[i]->info.cold) {
            out->cold_segments++;
            out->cold_samples += v->segs[i]->info.samples;
            out->cold_bytes += v->segs[i]->bytes;
        }
    }
    out->segments = v->n;
    out->points = points_count(h, v);
    out->last_point = last_point(h, v);
    view_unref(v);
    out->head_samples = atomic_load(&h->head_rows);
    out->samples = out->segment_samples + out->head_samples;
    out->head_bytes = atomic_load(&h->head_bytes);
    out->applied = atomic_load(&h->applied);
    out->type_conflicts = atomic_load(&h->conflicts);
    out->flushes = atomic_load(&h->flushes);
    out->compactions = atomic_load(&h->compactions);
    out->damaged_blocks = atomic_load(&h->damaged_blocks);
    out->set_aside = atomic_load(&h->set_aside);
    out->flushed_seq = atomic_load(&h->flushed_seq);
    out->applied_seq = atomic_load(&h->applied_seq);
    sh_mutex_lock(&h->edits.lock);
    out->edits = h->edits.nrows + h->edits.nholes;
    sh_mutex_unlock(&h->edits.lock);
}
