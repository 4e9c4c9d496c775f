/* points_log.c - the catalogue's life: opening, points.log, checkpoints. The invariants are in
 * catalogue.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/scale.h>

#include "point_int.h"

/* ---- points.log ---- */

/* Reads frames; returns the length of the good part. */
static uint64_t load_frames(struct sh_points *p, struct sh_str all)
{
    size_t at = 0;
    while (all.n - at >= POINT_FRAME_HEAD) {
        const uint8_t *head = (const uint8_t *)all.p + at;
        const uint32_t n = sh_le32(head);
        struct point_change c;
        if (n == 0 || n > all.n - at - POINT_FRAME_HEAD ||
            sh_crc32c(0, head + POINT_FRAME_HEAD, n) != sh_le32(head + 4) ||
            point_change_read(sh_bytes_of(head + POINT_FRAME_HEAD, n), &c) != SH_OK) {
            break;
        }
        if (point_mem_apply(p, &c) != SH_OK) {
            break;
        }
        at += POINT_FRAME_HEAD + n;
    }
    return at;
}

/* Names that the log may have: so the table is not made again and again as they are read. */
static size_t frames_of(struct sh_str all)
{
    size_t n = 0;
    for (size_t at = 0; all.n - at >= POINT_FRAME_HEAD; n++) {
        const uint32_t len = sh_le32((const uint8_t *)all.p + at);
        if (len == 0 || len > all.n - at - POINT_FRAME_HEAD) {
            break;
        }
        at += POINT_FRAME_HEAD + len;
    }
    return n;
}

static sh_err load_log(struct sh_points *p, const struct sh_points_options *o)
{
    struct sh_str all = {NULL, 0};
    const sh_err err = sh_fs_read_all(p->env->fs, p->env->alloc, p->path, POINT_LOG_MAX, &all);
    if (err == SH_E_NOTFOUND) {
        return SH_OK;
    }
    SH_TRY(err);
    size_t cap = POINT_FIRST_SLOTS;
    const size_t frames = frames_of(all);
    while (cap / 4 * 3 <= frames) {
        cap *= 2;
    }
    struct point_table *t = point_table_new(p, cap);
    if (t == NULL) {
        sh_str_free(p->env->alloc, &all);
        return SH_E_NOMEM;
    }
    atomic_store(&p->table, t);
    p->log_size = load_frames(p, all);
    if (p->log_size < all.n && o->report != NULL) {
        o->report(o->ctx, p->path, p->log_size, "unreadable entries at the end were left out");
    }
    sh_str_free(p->env->alloc, &all);
    return SH_OK;
}

static sh_err append_log(struct sh_points *p, struct sh_bytes data)
{
    const struct sh_fs *fs = p->env->fs;
    struct sh_file *f = NULL;
    SH_TRY(sh_fs_open(fs, p->path, SH_FS_WRITE | SH_FS_CREATE, &f));
    uint64_t size = 0;
    sh_err err = sh_fs_size(fs, f, &size);
    if (err == SH_OK && size > p->log_size) { /* a torn end of an earlier try */
        err = fs->truncate(fs->ctx, f, p->log_size);
    }
    if (err == SH_OK) {
        err = sh_fs_pwrite(fs, f, data.p, data.n, p->log_size);
    }
    if (err == SH_OK) {
        err = sh_fs_sync(fs, f);
    }
    sh_fs_close(fs, f);
    if (err == SH_OK) {
        err = sh_fs_sync_dir(fs, p->dir);
    }
    if (err == SH_OK) {
        p->log_size += data.n;
    }
    return err;
}

sh_err sh_points_checkpoint(struct sh_points *p)
{
    sh_mutex_lock(&p->file_lock);
    sh_mutex_lock(&p->lock);
    struct sh_buf data = p->pending;
    const uint64_t seq = p->pending_seq;
    sh_buf_init(&p->pending, p->env->alloc, POINT_PENDING_MAX);
    sh_mutex_unlock(&p->lock);
    sh_err err = data.n == 0 ? SH_OK : append_log(p, sh_buf_bytes(&data));
    if (err != SH_OK) { /* put it back in front */
        sh_mutex_lock(&p->lock);
        struct sh_buf later = p->pending;
        p->pending = data;
        if (sh_buf_put(&p->pending, later.p, later.n) != SH_OK) {
            sh_log(p->env->log, SH_LOG_ERROR, "point", "changes since the checkpoint were lost");
        }
        sh_buf_fini(&later);
        sh_mutex_unlock(&p->lock);
    } else {
        const bool some = data.n > 0;
        sh_buf_fini(&data);
        if (some && seq > 0 && p->journal != NULL) {
            err = sh_journal_checkpoint(p->journal, SH_OWNER_CATALOGUE, seq);
        }
    }
    sh_mutex_unlock(&p->file_lock);
    return err;
}

uint64_t sh_points_log_bytes(struct sh_points *p)
{
    sh_mutex_lock(&p->file_lock);
    const uint64_t n = p->log_size;
    sh_mutex_unlock(&p->file_lock);
    return n;
}

/* ---- life ---- */

static sh_err points_init(struct sh_points *p, const struct sh_points_options *o)
{
    p->max_points = o->max_points == 0 ? POINT_DEFAULT_MAX : o->max_points;
    sh_mutex_init(&p->lock);
    sh_mutex_init(&p->file_lock);
    sh_buf_init(&p->pending, p->env->alloc, POINT_PENDING_MAX);
    const int n = snprintf(p->dir, sizeof p->dir, "%s", o->dir);
    if (n < 0 || (size_t)n >= sizeof p->dir) {
        return SH_E_INVAL;
    }
    (void)snprintf(p->path, sizeof p->path, "%s/points.log", p->dir);
    p->arena = sh_arena_new(p->env->alloc, POINT_ARENA_MAX);
    if (p->arena == NULL) {
        return SH_E_NOMEM;
    }
    struct point_table *t = point_table_new(p, POINT_FIRST_SLOTS);
    p->chunks = sh_arena_array(p->arena, p->max_points / POINT_CHUNK + 1, sizeof p->chunks[0]);
    p->nodes = sh_arena_array(p->arena, POINT_NODE_CHUNKS, sizeof p->nodes[0]);
    if (t == NULL || p->chunks == NULL || p->nodes == NULL) {
        return SH_E_NOMEM;
    }
    atomic_store(&p->table, t);
    SH_TRY(sh_fs_mkdirs(p->env->fs, p->dir));
    return load_log(p, o);
}

sh_err sh_points_open(const struct sh_env *env, const struct sh_points_options *o,
                      struct sh_points **out)
{
    struct sh_points *p = sh_mem_new(env->alloc, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->env = env;
    const sh_err err = points_init(p, o);
    if (err != SH_OK) {
        sh_points_close(p);
        return err;
    }
    *out = p;
    return SH_OK;
}

void sh_points_attach(struct sh_points *p, struct sh_journal *j)
{
    p->journal = j;
}

void sh_points_close(struct sh_points *p)
{
    if (p == NULL) {
        return;
    }
    for (struct point_owned_scale *o = p->scales; o != NULL; o = o->next) {
        sh_scale_free(o->scale);
    }
    sh_buf_fini(&p->pending);
    sh_arena_free(p->arena);
    sh_mutex_fini(&p->lock);
    sh_mutex_fini(&p->file_lock);
    sh_mem_free(p->env->alloc, p);
}
