/* mqtt_journal.c - the broker's log in the journal (owner MQTT) and its checkpoints in files.
 *
 * Threads: append and checkpoint by who has entered the broker; on_done on the journal's apply
 * thread; write_image on a worker; everything else on the first loop. They meet in three atomics
 * and two posted jobs.
 * 1. Records are appended one after the other, so done() comes in the order of their numbers: the
 *    n-th done belongs to the n-th number since attach.
 * 2. on_done stores `failed` before `done_rn`; the loop reads them the other way round, so a failed
 *    record is never told as committed (a good one may be told as failed: its client sends again).
 * 3. An image is on disk before the journal may forget what it holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>

#include <sh/journal.h>
#include <sh/mqtt_server.h>

enum { PATH_CHARS = 1024 };
#define IMAGE_MAX ((size_t)4 << 30)

struct mqtt_journal {
    const struct sh_env *env;
    struct sh_loop *loop;
    struct sh_workers *workers;
    struct mqtt_broker *b;
    struct sh_journal *j;
    struct mqtt_server *srv;
    struct mqtt_store_ops ops;
    struct sh_job told; /* posted when something was committed */
    atomic_bool told_posted;
    atomic_bool failed;
    _Atomic uint64_t done_rn;
    uint64_t next_rn;   /* apply thread: number of the next done */
    uint64_t last_seq;  /* sequence of the newest record; under the broker's lock */
    struct sh_job want; /* posted when the journal asks for a checkpoint */
    atomic_bool want_posted;
    /* the image being written */
    struct sh_buf image;
    uint64_t image_seq;
    struct sh_mutex lock; /* of writing, for settle */
    struct sh_cond idle;
    bool writing;
    sh_err last; /* of the checkpoint written last */
    bool settled;
    char dir[PATH_CHARS];
    char path[PATH_CHARS];
};

/* ---- commits ---- */

static void on_told(void *ctx)
{
    struct mqtt_journal *mj = ctx;
    atomic_store(&mj->told_posted, false);
    const uint64_t rn = atomic_load(&mj->done_rn);
    const bool failed = atomic_exchange(&mj->failed, false);
    mqtt_broker_enter(mj->b, 0);
    mqtt_broker_committed(mj->b, rn, failed ? SH_E_IO : SH_OK);
    if (mj->srv == NULL) {
        mqtt_broker_flush(mj->b);
    }
    mqtt_broker_leave(mj->b);
    if (mj->srv != NULL) {
        mqtt_server_kick(mj->srv);
    }
}

static void on_done(void *ctx, sh_err err, uint64_t seq)
{
    struct mqtt_journal *mj = ctx;
    SH_UNUSED(seq);
    if (err != SH_OK) {
        atomic_store(&mj->failed, true);
    }
    atomic_store(&mj->done_rn, mj->next_rn);
    mj->next_rn++;
    if (!atomic_exchange(&mj->told_posted, true)) {
        sh_loop_post_job(mj->loop, &mj->told);
    }
}

static sh_err append(void *ctx, uint64_t rn, struct sh_bytes record)
{
    struct mqtt_journal *mj = ctx;
    if (mj->j == NULL) {
        return SH_E_LIMIT;
    }
    if (mj->last_seq == 0) {
        mj->next_rn = rn; /* before the first done can come */
    }
    const struct sh_journal_append a = {
        .owner = SH_OWNER_MQTT, .parts = &record, .nparts = 1, .done = on_done, .ctx = mj};
    return sh_journal_append(mj->j, &a, &mj->last_seq);
}

static sh_err apply(void *ctx, const struct sh_journal_record *rec)
{
    struct mqtt_journal *mj = ctx;
    /* Live records took effect on the loop before they were appended. */
    return mj->j != NULL ? SH_OK : mqtt_broker_replay(mj->b, rec->data);
}

/* ---- checkpoints ---- */

static void on_written(struct mqtt_journal *mj, sh_err err)
{
    sh_mutex_lock(&mj->lock);
    mj->writing = false;
    mj->last = err;
    sh_cond_broadcast(&mj->idle);
    sh_mutex_unlock(&mj->lock);
}

static void write_image(void *ctx)
{
    struct mqtt_journal *mj = ctx;
    sh_err e = sh_fs_replace(mj->env->fs, mj->path, sh_buf_bytes(&mj->image));
    sh_buf_fini(&mj->image);
    if (e == SH_OK) {
        e = sh_journal_sync(mj->j);
    }
    if (e == SH_OK && mj->image_seq > 0) {
        e = sh_journal_checkpoint(mj->j, SH_OWNER_MQTT, mj->image_seq);
    }
    if (e != SH_OK) {
        sh_log(mj->env->log, SH_LOG_WARN, "mqtt", "checkpoint %s not written: %s", mj->path,
               sh_err_name(e));
    }
    on_written(mj, e);
}

/* cppcheck-suppress constParameter ; the table fixes the signature */
static sh_err checkpoint(void *ctx, uint64_t rn, struct sh_buf *image)
{
    struct mqtt_journal *mj = ctx;
    SH_UNUSED(rn);
    sh_mutex_lock(&mj->lock);
    const bool busy = mj->writing || mj->settled || mj->j == NULL;
    mj->writing = mj->writing || !busy;
    sh_mutex_unlock(&mj->lock);
    if (busy) {
        return SH_E_BUSY;
    }
    mj->image = *image;
    mj->image_seq = mj->last_seq;
    const sh_err e = sh_workers_run(mj->workers, write_image, mj);
    if (e != SH_OK) {
        on_written(mj, e); /* the image stays the caller's */
    }
    return e;
}

static void on_want(void *ctx)
{
    struct mqtt_journal *mj = ctx;
    atomic_store(&mj->want_posted, false);
    mqtt_broker_enter(mj->b, 0);
    const sh_err e = mqtt_broker_checkpoint(mj->b);
    mqtt_broker_leave(mj->b);
    if (e != SH_OK && e != SH_E_BUSY) {
        sh_log(mj->env->log, SH_LOG_WARN, "mqtt", "no checkpoint: %s", sh_err_name(e));
    }
}

static void want_checkpoint(void *ctx, uint64_t seq)
{
    struct mqtt_journal *mj = ctx;
    SH_UNUSED(seq);
    if (!atomic_exchange(&mj->want_posted, true)) {
        sh_loop_post_job(mj->loop, &mj->want);
    }
}

/* ---- life ---- */

sh_err mqtt_journal_new(const struct sh_env *env, struct sh_loop *loop, struct sh_workers *workers,
                        const char *dir, struct mqtt_journal **out)
{
    struct mqtt_journal *mj = sh_mem_new(env->alloc, sizeof *mj);
    if (mj == NULL) {
        return SH_E_NOMEM;
    }
    mj->env = env;
    mj->loop = loop;
    mj->workers = workers;
    mj->ops = (struct mqtt_store_ops){.append = append, .checkpoint = checkpoint, .ctx = mj};
    mj->told = (struct sh_job){.fn = on_told, .ctx = mj};
    mj->want = (struct sh_job){.fn = on_want, .ctx = mj};
    const int n = snprintf(mj->dir, sizeof mj->dir, "%s", dir);
    const int m = snprintf(mj->path, sizeof mj->path, "%s/state", dir);
    sh_err e = n < 0 || m < 0 || (size_t)m >= sizeof mj->path ? SH_E_INVAL : SH_OK;
    if (e == SH_OK) {
        e = sh_fs_mkdirs(env->fs, dir);
    }
    if (e != SH_OK) {
        sh_mem_free(env->alloc, mj);
        return e;
    }
    sh_mutex_init(&mj->lock);
    sh_cond_init(&mj->idle);
    *out = mj;
    return SH_OK;
}

const struct mqtt_store_ops *mqtt_journal_ops(struct mqtt_journal *mj)
{
    return &mj->ops;
}

static void set_aside(struct mqtt_journal *mj)
{
    char other[PATH_CHARS + 40];
    const int64_t now = sh_wall_us(mj->env->clock);
    (void)snprintf(other, sizeof other, "%s.damaged-%lld", mj->path, (long long)now);
    const sh_err e = sh_fs_rename(mj->env->fs, mj->path, other);
    sh_log(
        mj->env->log, SH_LOG_ERROR, "mqtt",
        "the checkpoint of sessions and retained messages is damaged: set aside as %s (%s); what "
        "could be read is served",
        other, sh_err_name(e));
}

sh_err mqtt_journal_load(struct mqtt_journal *mj, struct mqtt_broker *b)
{
    struct sh_str image = {NULL, 0};
    mj->b = b;
    sh_err e = sh_fs_read_all(mj->env->fs, mj->env->alloc, mj->path, IMAGE_MAX, &image);
    if (e == SH_E_NOTFOUND) {
        return SH_OK;
    }
    if (e != SH_OK) {
        return e;
    }
    e = mqtt_broker_load(b, sh_str_bytes(image));
    sh_str_free(mj->env->alloc, &image);
    if (e == SH_E_CORRUPT) {
        set_aside(mj);
        return SH_OK;
    }
    return e;
}

struct sh_journal_owner mqtt_journal_owner(struct mqtt_journal *mj)
{
    return (struct sh_journal_owner){.id = SH_OWNER_MQTT,
                                     .name = "mqtt",
                                     .apply = apply,
                                     .want_checkpoint = want_checkpoint,
                                     .ctx = mj};
}

void mqtt_journal_attach(struct mqtt_journal *mj, struct sh_journal *j)
{
    mj->j = j;
}

void mqtt_journal_wake(struct mqtt_journal *mj, struct mqtt_server *s)
{
    mj->srv = s;
}

sh_err mqtt_journal_wait(struct mqtt_journal *mj)
{
    sh_mutex_lock(&mj->lock);
    while (mj->writing) {
        sh_cond_wait(&mj->idle, &mj->lock);
    }
    const sh_err err = mj->last;
    sh_mutex_unlock(&mj->lock);
    return err;
}

void mqtt_journal_settle(struct mqtt_journal *mj)
{
    mj->srv =
        NULL; /* commits may still be told (at the latest by sh_loop_free), the server may go */
    sh_mutex_lock(&mj->lock);
    mj->settled = true;
    while (mj->writing) {
        sh_cond_wait(&mj->idle, &mj->lock);
    }
    sh_mutex_unlock(&mj->lock);
}

void mqtt_journal_free(struct mqtt_journal *mj)
{
    if (mj == NULL) {
        return;
    }
    mqtt_journal_settle(mj);
    sh_cond_fini(&mj->idle);
    sh_mutex_fini(&mj->lock);
    sh_mem_free(mj->env->alloc, mj);
}
