/* copy.c - bytes from here to there, hashed, counted, and not faster than asked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops_int.h"

enum { NAP_US = 200000 };

sh_err ops_copier_init(struct ops_copier *c, const struct sh_env *env,
                       const struct sh_crypto *crypto)
{
    *c = (struct ops_copier){.env = env, .since_us = sh_mono_us(env->clock)};
    sh_mutex_init(&c->lock);
    sh_cond_init(&c->cond);
    c->buf = sh_mem_new(env->alloc, OPS_CHUNK);
    return c->buf == NULL ? SH_E_NOMEM : sh_hasher_new(crypto, SH_DIGEST_SHA256, &c->hasher);
}

void ops_copier_fini(struct ops_copier *c)
{
    sh_hasher_free(c->hasher);
    sh_mem_free(c->env->alloc, c->buf);
    sh_cond_fini(&c->cond);
    sh_mutex_fini(&c->lock);
}

static bool canceled(const struct ops_copier *c)
{
    return c->progress != NULL && atomic_load(&c->progress->cancel);
}

sh_err ops_copier_pace(struct ops_copier *c, uint64_t n)
{
    c->moved += n;
    if (c->progress != NULL) {
        (void)atomic_fetch_add(&c->progress->done_bytes, n);
    }
    for (;;) {
        if (canceled(c)) {
            return SH_E_CANCELED;
        }
        if (c->rate == 0) {
            return SH_OK;
        }
        const int64_t due = (int64_t)((double)c->moved * 1e6 / (double)c->rate);
        const int64_t left = due - (sh_mono_us(c->env->clock) - c->since_us);
        if (left <= 0) {
            return SH_OK;
        }
        sh_mutex_lock(&c->lock);
        (void)sh_cond_wait_for(&c->cond, &c->lock, left < NAP_US ? left : NAP_US);
        sh_mutex_unlock(&c->lock);
    }
}

sh_err ops_source_size(const struct sh_env *env, const struct ops_source *s, uint64_t *out)
{
    if (s->path == NULL) {
        *out = s->bytes.n;
        return SH_OK;
    }
    struct sh_file *f = NULL;
    SH_TRY(sh_fs_open(env->fs, s->path, SH_FS_READ, &f));
    const sh_err err = sh_fs_size(env->fs, f, out);
    sh_fs_close(env->fs, f);
    if (err == SH_OK && *out > s->limit) {
        *out = s->limit;
    }
    return err;
}

/* The next bytes at off; *n = 0 at the end. */
static sh_err next_bytes(struct ops_copier *c, const struct ops_source *s, struct sh_file *from,
                         uint64_t off, struct sh_bytes *out)
{
    size_t want = OPS_CHUNK;
    if (from == NULL) {
        const size_t left = s->bytes.n - (size_t)off;
        *out = left == 0 ? sh_bytes_of(NULL, 0)
                         : sh_bytes_of(s->bytes.p + off, left < want ? left : want);
        return SH_OK;
    }
    if (s->limit - off < want) {
        want = (size_t)(s->limit - off);
    }
    size_t got = 0;
    SH_TRY(sh_fs_pread(c->env->fs, from, c->buf, want, off, &got));
    *out = sh_bytes_of(c->buf, got);
    return SH_OK;
}

static sh_err pour(struct ops_copier *c, const struct ops_source *s, struct sh_file *from,
                   struct sh_file *to, uint64_t *size)
{
    for (*size = 0;;) {
        struct sh_bytes b;
        SH_TRY(next_bytes(c, s, from, *size, &b));
        if (b.n == 0) {
            return SH_OK;
        }
        SH_TRY(sh_hasher_add(c->hasher, b));
        if (to != NULL) {
            SH_TRY(sh_fs_pwrite(c->env->fs, to, b.p, b.n, *size));
        }
        *size += b.n;
        SH_TRY(ops_copier_pace(c, b.n));
    }
}

sh_err ops_copy(struct ops_copier *c, const struct ops_source *s, const char *to, uint64_t *size,
                uint8_t hash[SH_HASH_BYTES])
{
    const struct sh_fs *fs = c->env->fs;
    struct sh_file *in = NULL;
    struct sh_file *out = NULL;
    sh_err err = s->path == NULL ? SH_OK : sh_fs_open(fs, s->path, SH_FS_READ, &in);
    if (err == SH_OK && to != NULL) {
        err = sh_fs_open(fs, to, SH_FS_WRITE | SH_FS_CREATE | SH_FS_EXCL, &out);
    }
    if (err == SH_OK) {
        err = pour(c, s, in, out, size);
        uint8_t unused[SH_HASH_BYTES];
        const sh_err ended = sh_hasher_end(c->hasher, err == SH_OK ? hash : unused);
        err = err != SH_OK ? err : ended;
    }
    if (err == SH_OK && out != NULL) {
        err = sh_fs_sync(fs, out);
    }
    sh_fs_close(fs, out);
    sh_fs_close(fs, in);
    return err;
}
