/* blob_sweep.c - blob files that nobody knows of, and what is wrong with those that are known.
 *
 * A file without a row is what a crash left between its rename and its row, or between the removal
 * of the last row and that of the file (blob.c, invariant 2); a restored copy may have some too.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include <stdio.h>

#include <openssl/evp.h>
#include <sqlite3.h>

enum { PATH_BYTES = 4096, BATCH = 256, READ_BYTES = 1 << 16, FOLDERS = 256 };

struct sweep {
    struct sh_record *r;
    char dir[3];
    char names[BATCH][SH_RECORD_HASH_CHARS + 1];
    size_t n;
    uint64_t removed;
};

static bool is_hash(const char *name)
{
    return strlen(name) == SH_RECORD_HASH_CHARS &&
           strspn(name, "0123456789abcdef") == SH_RECORD_HASH_CHARS;
}

static sh_err unknown(struct sh_record *r, const char *name, bool *out)
{
    uint64_t size = 0;
    const sh_err err = r->ops->blob(r->store, SH_RECORD_ALL_TENANTS, sh_str_c(name), &size);
    *out = err == SH_E_NOTFOUND;
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err gather(void *ctx, const char *name, bool is_dir)
{
    struct sweep *s = ctx;
    bool stray = false;
    if (is_dir || !is_hash(name) || strncmp(name, s->dir, 2) != 0) {
        return SH_OK;
    }
    SH_TRY(unknown(s->r, name, &stray));
    if (stray) {
        memcpy(s->names[s->n], name, SH_RECORD_HASH_CHARS + 1);
        s->n++;
    }
    return s->n == BATCH ? SH_E_AGAIN : SH_OK; /* the rest in the next round */
}

/* Somebody may be storing the same content: looked at again under the lock. */
static sh_err remove_one(struct sweep *s, const char *name)
{
    struct sh_record *r = s->r;
    bool stray = false;
    sh_mutex_lock(&r->blob_lock);
    sh_err err = r->blob_holds > 0 ? SH_E_BUSY : unknown(r, name, &stray);
    if (err == SH_OK && stray) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%.2s/%s", r->cfg.blob_dir, name, name);
        err = sh_fs_unlink(r->env->fs, path);
        s->removed += err == SH_OK ? 1 : 0;
    }
    sh_mutex_unlock(&r->blob_lock);
    return err;
}

sh_err sh_record_blob_sweep(struct sh_record *r, uint64_t *removed)
{
    const struct sh_fs *fs = r->env->fs;
    if (r->cfg.blob_dir == NULL) {
        return SH_E_UNSUPPORTED;
    }
    struct sweep *s = sh_mem_new(r->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->r = r;
    sh_err err = SH_OK;
    for (unsigned i = 0; i < FOLDERS && err == SH_OK; i++) {
        char path[PATH_BYTES];
        (void)snprintf(s->dir, sizeof s->dir, "%02x", i);
        (void)snprintf(path, sizeof path, "%s/%s", r->cfg.blob_dir, s->dir);
        do {
            s->n = 0;
            err = fs->list(fs->ctx, path, gather, s);
            err = err == SH_E_NOTFOUND || err == SH_E_AGAIN ? SH_OK : err;
            for (size_t k = 0; k < s->n && err == SH_OK; k++) {
                err = remove_one(s, s->names[k]);
            }
        } while (err == SH_OK && s->n == BATCH);
    }
    if (removed != NULL) {
        *removed = s->removed;
    }
    sh_mem_free(r->env->alloc, s);
    return err == SH_E_BUSY ? SH_OK : err; /* held: the next time does it */
}

/* ---- of a store that nobody has open ---- */

struct look {
    const struct sh_env *env;
    const char *blob_dir;
    struct sh_record_blob_counts *out;
    sh_record_blob_problem *problem;
    void *ctx;
    uint8_t *buf;
};

static void tell(struct look *l, const char *path, const char *what)
{
    l->out->problems++;
    l->problem(l->ctx, path, what);
}

/* SHA-256 of the whole file as hex. */
static sh_err digest(struct look *l, struct sh_file *f, char out[SH_RECORD_HASH_CHARS + 1],
                     uint64_t *size)
{
    uint8_t raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t got = 1;
    uint64_t off = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    sh_err err = md != NULL && EVP_DigestInit_ex2(md, EVP_sha256(), NULL) == 1 ? SH_OK : SH_E_NOMEM;
    while (err == SH_OK && got > 0) {
        err = sh_fs_pread(l->env->fs, f, l->buf, READ_BYTES, off, &got);
        off += got;
        if (err == SH_OK && EVP_DigestUpdate(md, l->buf, got) != 1) {
            err = SH_E_NOMEM;
        }
    }
    if (err == SH_OK && EVP_DigestFinal_ex(md, raw, &n) != 1) {
        err = SH_E_NOMEM;
    }
    EVP_MD_CTX_free(md);
    for (unsigned i = 0; i < n && err == SH_OK; i++) {
        (void)snprintf(out + (size_t)2 * i, 3, "%02x", raw[i]);
    }
    *size = off;
    return err;
}

static sh_err look_at(struct look *l, const char *hash, uint64_t size)
{
    char path[PATH_BYTES];
    char found[SH_RECORD_HASH_CHARS + 1];
    struct sh_file *f = NULL;
    uint64_t got = 0;
    (void)snprintf(path, sizeof path, "%s/%.2s/%s", l->blob_dir, hash, hash);
    sh_err err = sh_fs_open(l->env->fs, path, SH_FS_READ, &f);
    if (err == SH_E_NOTFOUND) {
        tell(l, path, "the file is missing");
        return SH_OK;
    }
    if (err == SH_OK) {
        err = digest(l, f, found, &got);
    }
    sh_fs_close(l->env->fs, f);
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK) {
        tell(l, path, "the file cannot be read");
        return SH_OK;
    }
    if (got != size || strcmp(found, hash) != 0) {
        tell(l, path, "the content is not what was stored");
    }
    l->out->files++;
    l->out->bytes += got;
    return SH_OK;
}

static sh_err look_at_all(struct look *l, sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    sh_err err = SH_OK;
    if (sqlite3_prepare_v2(db, "SELECT hash,max(size) FROM blob GROUP BY hash", -1, &st, NULL) !=
        SQLITE_OK) {
        return SH_E_CORRUPT;
    }
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && err == SH_OK) {
        const char *hash = (const char *)sqlite3_column_text(st, 0);
        if (hash != NULL && is_hash(hash)) {
            err = look_at(l, hash, (uint64_t)sqlite3_column_int64(st, 1));
        }
        rc = err == SH_OK ? sqlite3_step(st) : rc;
    }
    if (err == SH_OK && rc != SQLITE_DONE) {
        err = rc == SQLITE_NOMEM ? SH_E_NOMEM : SH_E_CORRUPT;
    }
    (void)sqlite3_finalize(st);
    return err;
}

sh_err sh_record_blobs_check(const struct sh_env *env, const char *path, const char *blob_dir,
                             sh_record_blob_problem *problem, void *ctx,
                             struct sh_record_blob_counts *out)
{
    struct look l = {.env = env, .blob_dir = blob_dir, .out = out, .problem = problem, .ctx = ctx};
    sqlite3 *db = NULL;
    *out = (struct sh_record_blob_counts){.files = 0};
    l.buf = sh_mem_new(env->alloc, READ_BYTES);
    sh_err err = l.buf == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK && sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        err = SH_E_NOTFOUND;
    }
    if (err == SH_OK) {
        err = look_at_all(&l, db);
    }
    if (err == SH_E_CORRUPT) {
        tell(&l, path, "the records cannot be read");
        err = SH_OK;
    }
    (void)sqlite3_close(db);
    sh_mem_free(env->alloc, l.buf);
    return err;
}
