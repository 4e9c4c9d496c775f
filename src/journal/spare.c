/* spare.c - log files made ahead of need.
 *
 * A file is zero-filled as `.making` and becomes a `.spare` by a rename when it is whole and
 * durable; what a crash left half-made keeps its old name and is removed at open. The preparation
 * thread keeps `spares` files ready; the committer makes one itself when fewer than JOURNAL_READY
 * (one to use, one reserve) are there. Invariants:
 * 1. `spares` and nspares change under files_lock only, and that is not held while a file is
 *    filled.
 * 2. One file is made at a time (`making`); who needs one waits for it instead of making a rival.
 * 3. While the journal is `full` only the committer makes files: it decides when that ends.
 * 4. The preparation thread is no condition for anything: where it fails or is not running (step
 *    mode), the committer makes the file and has the error.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "journal_int.h"

enum { FILL_STEP = 1 << 20, FILL_PAUSE_US = 5000, PREPARE_RETRY_US = 1000000 };

void journal_spare_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH])
{
    (void)snprintf(out, JOURNAL_PATH, "%.470s/%016" PRIx64 ".spare", j->dir, number);
}

void journal_making_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH])
{
    (void)snprintf(out, JOURNAL_PATH, "%.470s/%016" PRIx64 ".making", j->dir, number);
}

/* Between two steps: leaves the disk to the commits for a moment, unless one waits for this very
 * file. False when the journal closes. */
static bool breathe(struct sh_journal *j)
{
    sh_mutex_lock(&j->files_lock);
    if (!j->prepare_stop && !j->made_wanted) {
        (void)sh_cond_wait_for(&j->prepare, &j->files_lock, FILL_PAUSE_US);
    }
    const bool go_on = !j->prepare_stop;
    sh_mutex_unlock(&j->files_lock);
    return go_on;
}

/* Zero-fills f in short steps, each durable before the next, so that commits find their way between
 * them and a close need not wait for the whole file. */
static sh_err fill_gently(struct sh_journal *j, struct sh_file *f)
{
    uint8_t *zeros = sh_mem_new(j->env->alloc, FILL_STEP);
    sh_err err = zeros == NULL ? SH_E_NOMEM : SH_OK;
    for (uint64_t off = 0; off < j->o.segment_bytes && err == SH_OK;) {
        const uint64_t left = j->o.segment_bytes - off;
        const size_t n = left < FILL_STEP ? (size_t)left : (size_t)FILL_STEP;
        err = off != 0 && !breathe(j) ? SH_E_CLOSED : sh_fs_pwrite(j->env->fs, f, zeros, n, off);
        if (err == SH_OK) {
            err = sh_fs_sync(j->env->fs, f);
        }
        off += n;
    }
    sh_mem_free(j->env->alloc, zeros);
    return err;
}

/* Makes the file `<number>.spare`, or leaves nothing. */
static sh_err file_make(struct sh_journal *j, uint64_t number, bool gently)
{
    const struct sh_fs *fs = j->env->fs;
    char making[JOURNAL_PATH];
    char spare[JOURNAL_PATH];
    struct sh_file *f = NULL;
    journal_making_path(j, number, making);
    journal_spare_path(j, number, spare);
    sh_err err = sh_fs_open(fs, making, SH_FS_WRITE | SH_FS_CREATE | SH_FS_TRUNC, &f);
    if (err == SH_OK) {
        err = gently ? fill_gently(j, f) : fs->prealloc(fs->ctx, f, j->o.segment_bytes);
    }
    sh_fs_close(fs, f);
    bool renamed = false;
    if (err == SH_OK) {
        err = sh_fs_rename(fs, making, spare);
        renamed = err == SH_OK;
    }
    if (err == SH_OK) {
        err = sh_fs_sync_dir(fs, j->dir);
    }
    if (err != SH_OK) {
        const sh_err gone = sh_fs_unlink(fs, renamed ? spare : making);
        SH_UNUSED(gone);
    }
    return err;
}

/* Makes one spare; files_lock is held, but not while the file is filled. */
static sh_err make_one(struct sh_journal *j, bool gently)
{
    const uint64_t number = j->next_number++;
    j->making = true;
    sh_mutex_unlock(&j->files_lock);
    const sh_err err = file_make(j, number, gently);
    sh_mutex_lock(&j->files_lock);
    j->making = false;
    if (err == SH_OK && j->nspares < JOURNAL_SPARES) {
        j->spares[j->nspares++] = number;
    } else if (err == SH_OK) { /* given back files took the place meanwhile */
        char path[JOURNAL_PATH];
        journal_spare_path(j, number, path);
        const sh_err gone = sh_fs_unlink(j->env->fs, path);
        SH_UNUSED(gone);
    }
    sh_cond_broadcast(&j->made);
    return err;
}

static void making_wait(struct sh_journal *j)
{
    while (j->making && j->nspares < JOURNAL_READY) {
        j->made_wanted = true;
        sh_cond_broadcast(&j->prepare);
        sh_cond_wait(&j->made, &j->files_lock);
    }
    j->made_wanted = false;
}

sh_err journal_spare_make(struct sh_journal *j)
{
    making_wait(j);
    return j->nspares >= JOURNAL_READY ? SH_OK : make_one(j, false);
}

sh_err journal_spare_need(struct sh_journal *j)
{
    if (j->nspares >= JOURNAL_READY) {
        return SH_OK;
    }
    making_wait(j);
    const bool here = j->nspares < JOURNAL_READY;
    sh_mutex_lock(&j->lock);
    j->st.spares_made_inline += here;
    j->st.spares_waited += !here;
    sh_mutex_unlock(&j->lock);
    return here ? make_one(j, false) : SH_OK;
}

/* Turns a spare into the log file `number` and opens it; files_lock is held. */
sh_err journal_spare_use(struct sh_journal *j, uint64_t spare, uint64_t number, uint64_t *id)
{
    const struct sh_fs *fs = j->env->fs;
    char from[JOURNAL_PATH];
    char to[JOURNAL_PATH];
    struct sh_file *f = NULL;
    uint8_t *block = sh_mem_new(j->env->alloc, LOG_BLOCK);
    if (block == NULL) {
        return SH_E_NOMEM;
    }
    journal_spare_path(j, spare, from);
    journal_log_path(j, number, to);
    struct log_file_head head = {.number = number, .recycled = 1};
    sh_err err = j->env->random->fill(j->env->random->ctx, &head.file_id, sizeof head.file_id);
    if (err == SH_OK) {
        err = sh_fs_open(fs, from, SH_FS_WRITE | SH_FS_DSYNC, &f);
    }
    if (err == SH_OK) {
        log_file_head_write(&head, block);
        err = sh_fs_pwrite(fs, f, block, LOG_BLOCK, 0);
    }
    if (err == SH_OK) {
        err = sh_fs_rename(fs, from, to);
    }
    if (err == SH_OK) {
        err = sh_fs_sync_dir(fs, j->dir);
    }
    sh_mem_free(j->env->alloc, block);
    if (err != SH_OK) {
        sh_fs_close(fs, f);
        return err;
    }
    *id = head.file_id;
    j->cur = f;
    return SH_OK;
}

sh_err journal_spare_prepare(struct sh_journal *j)
{
    sh_mutex_lock(&j->lock);
    const bool full = j->st.full;
    sh_mutex_unlock(&j->lock);
    if (full || j->making || j->nspares >= j->o.spares) {
        return SH_E_AGAIN;
    }
    const sh_err err = make_one(j, true);
    if (err == SH_OK) {
        sh_mutex_lock(&j->lock);
        j->st.spares_prepared++;
        sh_mutex_unlock(&j->lock);
    }
    return err;
}

/* Waits for need. After a failure it tries again a second later at the earliest. */
static void prepare_main(void *ctx)
{
    struct sh_journal *j = ctx;
    sh_mutex_lock(&j->files_lock);
    while (!j->prepare_stop) {
        const sh_err err = journal_spare_prepare(j);
        if (j->prepare_stop || err == SH_OK) {
            continue;
        }
        if (err == SH_E_AGAIN) {
            sh_cond_wait(&j->prepare, &j->files_lock);
            continue;
        }
        sh_log(j->env->log, SH_LOG_WARN, "journal", "no log file made ahead: %s", sh_err_name(err));
        const int64_t until = sh_mono_us(j->env->clock) + PREPARE_RETRY_US;
        for (int64_t left = PREPARE_RETRY_US; left > 0 && !j->prepare_stop;) {
            (void)sh_cond_wait_for(&j->prepare, &j->files_lock, left);
            left = until - sh_mono_us(j->env->clock);
        }
    }
    sh_mutex_unlock(&j->files_lock);
}

void journal_prepare_start(struct sh_journal *j)
{
    const sh_err err = sh_thread_start(&j->prepare_thread, "sh-prepare", prepare_main, j);
    if (err != SH_OK) {
        sh_log(j->env->log, SH_LOG_WARN, "journal", "log files are made when needed: %s",
               sh_err_name(err));
    }
}

void journal_prepare_stop(struct sh_journal *j)
{
    sh_mutex_lock(&j->files_lock);
    j->prepare_stop = true;
    sh_cond_broadcast(&j->prepare);
    sh_mutex_unlock(&j->files_lock);
    sh_thread_join(&j->prepare_thread);
}
