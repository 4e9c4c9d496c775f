/* journal.c - life cycle, the threads, sync and figures.
 *
 * States of a journal: open -> (started) -> closing -> closed. Records: pending group -> written
 * queue -> applied. Invariants:
 * 1. Groups leave `pending` and `written` first in, first out; so apply() and done() see ascending
 *    sequences, and a failed group's done() comes in its place.
 * 2. done_seq moves when a group is applied or failed as a whole; queue bytes are given back then.
 * 3. Only the committer touches cur, cur_off, cur_id, prev_seq.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal_int.h"

enum { MAX_GAP_US = 10000, GROUP_KEEP_BYTES = 1 << 20 };

static sh_err options_check(struct sh_journal *j, const struct sh_journal_options *o)
{
    j->o = *o;
    struct sh_journal_options *n = &j->o;
    n->segment_bytes = n->segment_bytes == 0 ? (uint64_t)64 << 20 : n->segment_bytes;
    n->spares = n->spares == 0 ? JOURNAL_READY : n->spares;
    n->queue_bytes = n->queue_bytes == 0 ? (uint64_t)64 << 20 : n->queue_bytes;
    if (n->max_record == 0) {
        n->max_record = n->segment_bytes / 2 < (16 << 20) ? (uint32_t)(n->segment_bytes / 2)
                                                          : (uint32_t)16 << 20;
    }
    if (o->dir == NULL || strlen(o->dir) >= JOURNAL_PATH - 48 || n->segment_bytes < (64 << 10) ||
        n->segment_bytes % LOG_BLOCK != 0 || n->segment_bytes > (uint64_t)1 << 31 ||
        n->max_record > n->segment_bytes / 2 || n->min_gap_us < 0 || n->min_gap_us > MAX_GAP_US ||
        n->spares < JOURNAL_READY || n->spares > JOURNAL_SPARES) {
        return SH_E_INVAL;
    }
    (void)snprintf(j->dir, sizeof j->dir, "%s", o->dir);
    n->dir = j->dir;
    for (size_t i = 0; i < o->owner_count; i++) {
        const struct sh_journal_owner *w = &o->owners[i];
        if (w->id == 0 || w->id >= SH_JOURNAL_OWNERS || w->apply == NULL ||
            j->owners[w->id].o.apply != NULL) {
            return SH_E_INVAL;
        }
        j->owners[w->id].o = *w;
        if (w->limit_bytes == 0) {
            j->owners[w->id].o.limit_bytes = (uint64_t)256 << 20;
        }
    }
    n->owners = NULL;
    return SH_OK;
}

static void free_all(struct sh_journal *j)
{
    struct journal_group *g = NULL;
    while ((g = journal_queue_take(&j->pending)) != NULL) {
        journal_group_free(j, g);
    }
    journal_group_free(j, j->spare_group);
    sh_fs_close(j->env->fs, j->cur);
    sh_mem_free(j->env->alloc, j->files);
    sh_cond_fini(&j->work);
    sh_cond_fini(&j->ready);
    sh_cond_fini(&j->idle);
    sh_cond_fini(&j->prepare);
    sh_cond_fini(&j->made);
    sh_mutex_fini(&j->files_lock);
    sh_mutex_fini(&j->lock);
    sh_mem_free(j->env->alloc, j);
}

sh_err sh_journal_open(const struct sh_env *env, const struct sh_journal_options *o,
                       struct sh_journal **out)
{
    struct sh_journal *j = sh_mem_new(env->alloc, sizeof *j);
    if (j == NULL) {
        return SH_E_NOMEM;
    }
    j->env = env;
    sh_mutex_init(&j->lock);
    sh_mutex_init(&j->files_lock);
    sh_cond_init(&j->work);
    sh_cond_init(&j->ready);
    sh_cond_init(&j->idle);
    sh_cond_init(&j->prepare);
    sh_cond_init(&j->made);
    sh_err err = options_check(j, o);
    if (err == SH_OK) {
        err = sh_fs_mkdirs(env->fs, j->dir);
    }
    if (err == SH_OK) {
        err = journal_recover(j);
    }
    if (err == SH_OK && j->nspares == 0) {
        sh_mutex_lock(&j->files_lock);
        err = journal_spare_make(j);
        sh_mutex_unlock(&j->files_lock);
        if (err == SH_E_FULL) { /* start all the same: deletions will need us */
            j->st.full = true;
            err = SH_OK;
        }
    }
    if (err != SH_OK) {
        free_all(j);
        return err;
    }
    *out = j;
    return SH_OK;
}

static void group_apply(struct sh_journal *j, struct journal_group *g)
{
    uint64_t errors = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct journal_entry *e = &g->entries[i];
        const struct journal_owner *o = &j->owners[e->owner];
        const uint64_t seq = g->first_seq + i;
        sh_err err = g->err;
        if (err == SH_OK) {
            const struct sh_journal_record rec = {.seq = seq,
                                                  .owner = e->owner,
                                                  .kind = e->kind,
                                                  .data = {g->buf + e->off, e->len},
                                                  .obj = e->obj};
            err = o->o.apply(o->o.ctx, &rec);
            if (err != SH_OK) {
                errors++;
                sh_log(j->env->log, SH_LOG_WARN, "journal", "record %" PRIu64 " of %s: %s", seq,
                       o->o.name, sh_err_name(err));
            }
        }
        if (e->done != NULL) {
            e->done(e->ctx, err, seq);
        }
    }
    if (errors != 0) {
        sh_mutex_lock(&j->lock);
        j->st.apply_errors += errors;
        sh_mutex_unlock(&j->lock);
    }
}

/* Asks owners that hold too much of the log to checkpoint. */
static void owners_ask(struct sh_journal *j)
{
    for (size_t i = 1; i < SH_JOURNAL_OWNERS; i++) {
        struct journal_owner *o = &j->owners[i];
        if (o->o.want_checkpoint == NULL) {
            continue;
        }
        sh_mutex_lock(&j->lock);
        const uint64_t ckp = o->checkpoint;
        const bool clean = o->last_seq <= ckp;
        const uint64_t asked = o->asked;
        const uint64_t applied = j->done_seq;
        sh_mutex_unlock(&j->lock);
        const uint64_t pinned = clean ? 0 : journal_pinned(j, ckp);
        if (pinned <= o->o.limit_bytes || (asked != 0 && pinned < asked + o->o.limit_bytes / 10)) {
            continue;
        }
        sh_mutex_lock(&j->lock);
        o->asked = pinned;
        sh_mutex_unlock(&j->lock);
        o->o.want_checkpoint(o->o.ctx, applied);
    }
}

/* Gives the group's bytes back; lock is held. True when drained() is due. */
static bool group_release(struct sh_journal *j, struct journal_group *g)
{
    j->queued -= g->charge;
    j->done_seq = g->first_seq + g->count - 1;
    if (j->spare_group == NULL && g->cap <= GROUP_KEEP_BYTES) {
        j->spare_group = g;
    } else {
        journal_group_free(j, g);
    }
    sh_cond_broadcast(&j->idle);
    if (j->refused && !j->st.full && j->queued * 2 <= j->o.queue_bytes) {
        j->refused = false;
        j->came_back = false;
        return true;
    }
    return false;
}

static void apply_main(void *ctx)
{
    struct sh_journal *j = ctx;
    sh_mutex_lock(&j->lock);
    for (;;) {
        struct journal_group *g = journal_queue_take(&j->written);
        bool tell = false;
        if (g != NULL) {
            sh_mutex_unlock(&j->lock);
            group_apply(j, g);
            sh_mutex_lock(&j->lock);
            tell = group_release(j, g);
        } else if (j->came_back) {
            j->came_back = false;
            tell = j->refused;
            j->refused = false;
        } else if (j->commit_ended) {
            break;
        } else {
            sh_cond_wait(&j->ready, &j->lock);
            continue;
        }
        sh_mutex_unlock(&j->lock);
        if (tell && j->o.drained != NULL) {
            j->o.drained(j->o.ctx);
        }
        owners_ask(j);
        sh_mutex_lock(&j->lock);
    }
    sh_mutex_unlock(&j->lock);
}

/* Waits until a commit may start; lock is held. False when closing and nothing is left. */
static bool commit_wait(struct sh_journal *j)
{
    for (;;) {
        if (j->pending.head != NULL) {
            const int64_t gap = j->last_start_us + j->o.min_gap_us - sh_mono_us(j->env->clock);
            if (j->o.min_gap_us == 0 || gap <= 0 || j->closing) {
                return true;
            }
            (void)sh_cond_wait_for(&j->work, &j->lock, gap);
        } else if (j->closing) {
            return false;
        } else if (j->st.full) {
            (void)sh_cond_wait_for(&j->work, &j->lock, JOURNAL_RETRY_US);
            sh_mutex_unlock(&j->lock);
            journal_space_retry(j);
            sh_mutex_lock(&j->lock);
        } else {
            sh_cond_wait(&j->work, &j->lock);
        }
    }
}

static void commit_main(void *ctx)
{
    struct sh_journal *j = ctx;
    sh_mutex_lock(&j->lock);
    while (commit_wait(j)) {
        struct journal_group *g = journal_queue_take(&j->pending);
        sh_mutex_unlock(&j->lock);
        const sh_err err = journal_group_commit(j, g);
        SH_UNUSED(err); /* it is in the group and told by done() */
        sh_mutex_lock(&j->lock);
        journal_queue_put(&j->written, g);
        sh_cond_signal(&j->ready);
    }
    j->commit_ended = true;
    sh_cond_signal(&j->ready);
    sh_mutex_unlock(&j->lock);
}

sh_err sh_journal_start(struct sh_journal *j)
{
    if (j->started) {
        return SH_E_STATE;
    }
    SH_TRY(sh_thread_start(&j->apply_thread, "sh-apply", apply_main, j));
    const sh_err err = sh_thread_start(&j->commit_thread, "sh-commit", commit_main, j);
    if (err != SH_OK) {
        sh_mutex_lock(&j->lock);
        j->commit_ended = true;
        sh_cond_signal(&j->ready);
        sh_mutex_unlock(&j->lock);
        sh_thread_join(&j->apply_thread);
        j->commit_ended = false;
        return err;
    }
    j->started = true;
    journal_prepare_start(j);
    return SH_OK;
}

sh_err sh_journal_step(struct sh_journal *j)
{
    SH_ASSERT(!j->started);
    sh_mutex_lock(&j->lock);
    const bool full = j->st.full;
    struct journal_group *g = journal_queue_take(&j->pending);
    sh_mutex_unlock(&j->lock);
    if (full) {
        journal_space_retry(j);
    }
    sh_err err = SH_OK;
    bool tell = false;
    if (g != NULL) {
        err = journal_group_commit(j, g);
        group_apply(j, g);
    }
    sh_mutex_lock(&j->lock);
    if (g != NULL) {
        tell = group_release(j, g);
    } else if (j->came_back) {
        j->came_back = false;
        tell = j->refused;
        j->refused = false;
    }
    sh_mutex_unlock(&j->lock);
    if (tell && j->o.drained != NULL) {
        j->o.drained(j->o.ctx);
    }
    owners_ask(j);
    return err;
}

void sh_journal_hurry(struct sh_journal *j)
{
    sh_mutex_lock(&j->lock);
    j->hurry = true;
    sh_cond_signal(&j->work);
    sh_mutex_unlock(&j->lock);
}

sh_err sh_journal_sync(struct sh_journal *j)
{
    sh_mutex_lock(&j->lock);
    const uint64_t target = j->next_seq - 1;
    while (j->done_seq < target) {
        if (j->started) {
            sh_cond_wait(&j->idle, &j->lock);
            continue;
        }
        sh_mutex_unlock(&j->lock);
        const sh_err stepped = sh_journal_step(j);
        SH_UNUSED(stepped); /* remembered in `failed` */
        sh_mutex_lock(&j->lock);
    }
    const sh_err err = j->failed;
    j->failed = SH_OK;
    sh_mutex_unlock(&j->lock);
    return err;
}

void sh_journal_close(struct sh_journal *j)
{
    if (j == NULL) {
        return;
    }
    sh_mutex_lock(&j->lock);
    j->closing = true;
    sh_cond_signal(&j->work);
    sh_mutex_unlock(&j->lock);
    if (j->started) {
        sh_thread_join(&j->commit_thread);
        sh_thread_join(&j->apply_thread);
        journal_prepare_stop(j);
    } else {
        const sh_err err = sh_journal_sync(j);
        SH_UNUSED(err); /* done() was told */
    }
    free_all(j);
}

static int by_lap(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

void sh_journal_stats(struct sh_journal *j, struct sh_journal_stats *out)
{
    int64_t laps[JOURNAL_LAPS];
    sh_mutex_lock(&j->files_lock);
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->nfiles; i++) {
        bytes += j->files[i].used;
    }
    const uint64_t files = j->nfiles;
    sh_mutex_lock(&j->lock);
    *out = j->st;
    const size_t n = j->st.commits < JOURNAL_LAPS ? (size_t)j->st.commits : JOURNAL_LAPS;
    memcpy(laps, j->laps, n * sizeof laps[0]);
    out->queue_bytes = j->queued;
    out->last_seq = j->next_seq - 1;
    out->applied_seq = j->done_seq;
    out->log_bytes = bytes;
    out->files = files;
    sh_mutex_unlock(&j->lock);
    sh_mutex_unlock(&j->files_lock);
    if (n != 0) {
        qsort(laps, n, sizeof laps[0], by_lap);
        out->p99_commit_us = laps[(n - 1) * 99 / 100];
    }
}
