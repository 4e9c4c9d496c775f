/* commit.c - groups into log files.
 * Invariants:
 * 1. A group is written by one pwrite into a preallocated file opened with O_DSYNC; the next write
 *    begins after it returned.
 * 2. After a failed write nothing is ever written to that file again: it is sealed at the end of
 * its last good group, and the group goes to a new file under a new file id.
 * 3. One preallocated spare is kept as the reserve. When no further file can be made it becomes the
 *    current one and only urgent records are taken (`full`) until a spare exists again.
 *    Where spares come from: spare.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "journal_int.h"

void journal_log_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH])
{
    (void)snprintf(out, JOURNAL_PATH, "%.470s/%016" PRIx64 ".log", j->dir, number);
}

void journal_tell(struct sh_journal *j, const struct sh_journal_report *r)
{
    static const char *const words[] = {
        [SH_JOURNAL_TORN_TAIL] = "unfinished write at the end was cut",
        [SH_JOURNAL_DAMAGED] = "damaged, the rest is served",
        [SH_JOURNAL_LOST] = "records are missing",
        [SH_JOURNAL_CHECKPOINT] = "checkpoint unreadable, everything is replayed",
        [SH_JOURNAL_SEALED] = "a write failed, a new file goes on",
    };
    sh_log(j->env->log, r->what == SH_JOURNAL_TORN_TAIL ? SH_LOG_INFO : SH_LOG_WARN, "journal",
           "%s: %s (offset %" PRIu64 ", %" PRIu64 " bytes, records %" PRIu64 " to %" PRIu64 ")",
           r->file, words[r->what], r->offset, r->bytes, r->first_seq, r->last_seq);
    if (j->o.report != NULL) {
        j->o.report(j->o.ctx, r);
    }
}

/* files_lock is held. */
struct journal_file *journal_file_add(struct sh_journal *j, uint64_t number)
{
    if (j->nfiles == j->files_cap) {
        const size_t cap = j->files_cap == 0 ? 16 : j->files_cap * 2;
        struct journal_file *p = sh_mem_resize(j->env->alloc, j->files, cap * sizeof *p);
        if (p == NULL) {
            return NULL;
        }
        j->files = p;
        j->files_cap = cap;
    }
    struct journal_file *f = &j->files[j->nfiles++];
    *f = (struct journal_file){.number = number};
    return f;
}

static void full_set(struct sh_journal *j, bool full)
{
    sh_mutex_lock(&j->lock);
    if (j->st.full != full) {
        j->st.full = full;
        j->came_back = !full;
        sh_cond_signal(&j->ready);
        sh_log(j->env->log, SH_LOG_WARN, "journal", "%s",
               full ? "no space for another log file: only urgent records are taken"
                    : "space for log files is back");
    }
    sh_mutex_unlock(&j->lock);
}

/* Opens the next log file. SH_E_FULL when there is neither space nor reserve. */
static sh_err roll(struct sh_journal *j)
{
    sh_fs_close(j->env->fs, j->cur);
    j->cur = NULL;
    sh_mutex_lock(&j->files_lock);
    sh_err err = journal_spare_need(j);
    const bool reserve = err != SH_OK && j->nspares > 0;
    if (err == SH_OK || reserve) {
        const uint64_t number = j->next_number++;
        uint64_t id = 0;
        err = journal_spare_use(j, j->spares[--j->nspares], number, &id);
        struct journal_file *f = err == SH_OK ? journal_file_add(j, number) : NULL;
        if (err == SH_OK && f == NULL) {
            sh_fs_close(j->env->fs, j->cur);
            j->cur = NULL;
            err = SH_E_NOMEM;
        } else if (f != NULL) {
            f->used = LOG_BLOCK;
            f->whole = true;
            j->cur_id = id;
            j->cur_off = LOG_BLOCK;
        }
    }
    const bool none_left = j->nspares == 0;
    sh_cond_broadcast(&j->prepare);
    if (reserve || (err == SH_E_FULL && none_left)) {
        full_set(j, true);
    }
    sh_mutex_unlock(&j->files_lock);
    return err;
}

static void seal(struct sh_journal *j, const struct journal_group *g, size_t size)
{
    char path[JOURNAL_PATH];
    sh_mutex_lock(&j->files_lock);
    struct journal_file *f = &j->files[j->nfiles - 1];
    f->whole = false; /* not used again in another life either */
    journal_log_path(j, f->number, path);
    sh_mutex_unlock(&j->files_lock);
    sh_fs_close(j->env->fs, j->cur);
    j->cur = NULL;
    sh_mutex_lock(&j->lock);
    j->st.sealed_files++;
    sh_mutex_unlock(&j->lock);
    journal_tell(j, &(struct sh_journal_report){.what = SH_JOURNAL_SEALED,
                                                .file = path,
                                                .offset = j->cur_off,
                                                .bytes = size,
                                                .first_seq = g->first_seq,
                                                .last_seq = g->first_seq + g->count - 1});
}

static void wrote(struct sh_journal *j, const struct journal_group *g, size_t size)
{
    const uint64_t last = g->first_seq + g->count - 1;
    sh_mutex_lock(&j->files_lock);
    struct journal_file *f = &j->files[j->nfiles - 1];
    if (f->first_seq == 0) {
        f->first_seq = g->first_seq;
    }
    f->last_seq = last;
    f->used += size;
    sh_mutex_unlock(&j->files_lock);
    j->cur_off += size;
    j->prev_seq = last;
}

/* Writes g to the current file, or to a new one when it does not fit or a write failed. */
static sh_err group_write(struct sh_journal *j, struct journal_group *g)
{
    const int64_t start = sh_mono_us(j->env->clock);
    const size_t size = log_block_align(g->n);
    sh_err err = SH_OK;
    memset(g->buf + g->n, 0, size - g->n);
    j->last_start_us = start;
    for (int i = 0; i < JOURNAL_TRIES; i++) {
        err = SH_OK;
        if (j->cur == NULL || j->cur_off + size > j->o.segment_bytes) {
            err = roll(j);
        }
        if (err != SH_OK) {
            continue;
        }
        log_group_write((struct log_group){.file_id = j->cur_id,
                                           .first_seq = g->first_seq,
                                           .prev_seq = j->prev_seq,
                                           .records = g->count,
                                           .body_len = (uint32_t)(g->n - LOG_GROUP_HEAD)},
                        g->buf);
        err = sh_fs_pwrite(j->env->fs, j->cur, g->buf, size, j->cur_off);
        if (err == SH_OK) {
            wrote(j, g, size);
            break;
        }
        seal(j, g, size);
    }
    const int64_t lap = sh_mono_us(j->env->clock) - start;
    sh_mutex_lock(&j->lock);
    if (err == SH_OK) {
        j->laps[j->st.commits % JOURNAL_LAPS] = lap;
        j->st.commits++;
        j->st.records += g->count;
        j->st.bytes += size;
        j->st.last_commit_us = lap;
        j->st.stuck = false;
    }
    sh_mutex_unlock(&j->lock);
    return err;
}

/* Waits before another try. False: no more of them. */
static bool try_again(struct sh_journal *j, const struct journal_group *g, sh_err err)
{
    sh_mutex_lock(&j->lock);
    if (!j->st.stuck) {
        j->st.stuck = true;
        sh_log(j->env->log, SH_LOG_ERROR, "journal",
               "records from %" PRIu64
               " on cannot be written (%s): acknowledgements wait until they can",
               g->first_seq, sh_err_name(err));
    }
    bool again = j->started && !j->closing && !j->hurry;
    if (again) {
        j->st.retries++;
        (void)sh_cond_wait_for(&j->work, &j->lock, JOURNAL_RETRY_US);
        again = !j->closing && !j->hurry;
    }
    sh_mutex_unlock(&j->lock);
    return again;
}

sh_err journal_group_commit(struct sh_journal *j, struct journal_group *g)
{
    sh_err err = group_write(j, g);
    while (err != SH_OK && try_again(j, g, err)) {
        err = group_write(j, g);
    }
    if (err != SH_OK) {
        sh_mutex_lock(&j->lock);
        j->st.failed_groups++;
        j->failed = err;
        sh_mutex_unlock(&j->lock);
    }
    g->err = err;
    return err;
}

/* While full: tries to get a spare again. */
void journal_space_retry(struct sh_journal *j)
{
    sh_mutex_lock(&j->files_lock);
    const sh_err err = journal_spare_make(j);
    if (err == SH_OK) {
        full_set(j, false);
        sh_cond_broadcast(&j->prepare);
    }
    sh_mutex_unlock(&j->files_lock);
}
