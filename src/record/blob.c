/* blob.c - files by their SHA-256: DIR/ab/abcdef... (first two digits as folder), written as
 * DIR/tmp/<serial>, synced, then renamed.
 *
 * Invariants:
 * 1. A file with its final name is whole and durable, and its name is its hash.
 * 2. The row that makes a blob visible to a tenant is committed after the file is durable; the file
 *    is removed only after the last row is gone, both under blob_lock. A crash between leaves a
 *    file without a row: the next writer of the same content takes it over, or blob_sweep.c removes
 *    it. Who stores content that is there already makes it young again, so that the collector,
 *    which asks for the age once more when it removes the row, leaves it to him.
 * 3. stats.blob_bytes counts each file once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "record_int.h"

#include <stdio.h>

#include <openssl/evp.h>

enum { PATH_BYTES = 4096, COPY_BYTES = 1 << 16, GC_PAGE = 256 };

struct sh_record_blob_writer {
    struct sh_record *r;
    uint32_t tenant;
    struct sh_file *file;
    uint64_t size;
    EVP_MD_CTX *md;
    char temp[PATH_BYTES];
};

struct sh_record_blob {
    struct sh_record *r;
    struct sh_file *file;
};

static sh_err forget_temp(void *ctx, const char *name, bool is_dir)
{
    struct sh_record *r = ctx;
    char path[PATH_BYTES];
    const int n = snprintf(path, sizeof path, "%s/tmp/%s", r->cfg.blob_dir, name);
    if (is_dir || n < 0 || (size_t)n >= sizeof path) {
        return SH_OK;
    }
    return sh_fs_unlink(r->env->fs, path);
}

sh_err record_blobs_open(struct sh_record *r, struct sh_diag *diag)
{
    const struct sh_fs *fs = r->env->fs;
    char path[PATH_BYTES];
    if (r->cfg.blob_dir == NULL) {
        return SH_OK;
    }
    const int n = snprintf(path, sizeof path, "%s/tmp", r->cfg.blob_dir);
    if (n < 0 || (size_t)n >= sizeof path - 80) {
        return SH_E_LIMIT;
    }
    sh_err err = sh_fs_mkdirs(fs, path);
    if (err == SH_OK) {
        err = fs->list(fs->ctx, path, forget_temp, r);
    }
    if (err != SH_OK) {
        sh_diag_set(diag, "cannot use the folder %s: %s", path, sh_err_name(err));
        return err;
    }
    return r->ops->blob_total(r->store, &r->stats.blob_bytes);
}

static void writer_free(struct sh_record_blob_writer *w)
{
    const struct sh_fs *fs = w->r->env->fs;
    if (w->file != NULL) {
        sh_fs_close(fs, w->file);
        const sh_err err = sh_fs_unlink(fs, w->temp); /* gone already when it was renamed */
        SH_UNUSED(err);
    }
    EVP_MD_CTX_free(w->md);
    sh_mem_free(w->r->env->alloc, w);
}

sh_err sh_record_blob_begin(struct sh_record *r, uint32_t tenant,
                            struct sh_record_blob_writer **out)
{
    if (r->cfg.blob_dir == NULL) {
        return SH_E_UNSUPPORTED;
    }
    struct sh_record_blob_writer *w = sh_mem_new(r->env->alloc, sizeof *w);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    w->r = r;
    w->tenant = tenant;
    sh_mutex_lock(&r->lock);
    const uint64_t serial = ++r->temp_serial;
    sh_mutex_unlock(&r->lock);
    (void)snprintf(w->temp, sizeof w->temp, "%s/tmp/%llu", r->cfg.blob_dir,
                   (unsigned long long)serial);
    sh_err err = SH_OK;
    w->md = EVP_MD_CTX_new();
    if (w->md == NULL || EVP_DigestInit_ex2(w->md, EVP_sha256(), NULL) != 1) {
        err = SH_E_NOMEM;
    }
    if (err == SH_OK) {
        err = sh_fs_open(r->env->fs, w->temp, SH_FS_WRITE | SH_FS_CREATE | SH_FS_TRUNC, &w->file);
    }
    if (err != SH_OK) {
        writer_free(w);
        return err;
    }
    *out = w;
    return SH_OK;
}

sh_err sh_record_blob_write(struct sh_record_blob_writer *w, struct sh_bytes data)
{
    struct sh_record *r = w->r;
    if (data.n > r->cfg.max_blob_bytes - w->size) {
        return SH_E_LIMIT;
    }
    if (data.n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_fs_pwrite(r->env->fs, w->file, data.p, data.n, w->size));
    if (EVP_DigestUpdate(w->md, data.p, data.n) != 1) {
        return SH_E_NOMEM;
    }
    w->size += data.n;
    return SH_OK;
}

void sh_record_blob_abort(struct sh_record_blob_writer *w)
{
    if (w != NULL) {
        writer_free(w);
    }
}

static sh_err hash_text(EVP_MD_CTX *md, char out[SH_RECORD_HASH_CHARS])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(md, raw, &n) != 1 || n != SH_RECORD_HASH_CHARS / 2) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    return SH_OK;
}

/* dir gets the folder, path the file. */
static void blob_path(const struct sh_record *r, struct sh_str hash, char dir[PATH_BYTES],
                      char path[PATH_BYTES])
{
    (void)snprintf(dir, PATH_BYTES, "%s/%.2s", r->cfg.blob_dir, hash.p);
    (void)snprintf(path, PATH_BYTES, "%s/%.2s/%.*s", r->cfg.blob_dir, hash.p, SH_PRI(hash));
}

/* Moves the file to its name. Under blob_lock. */
static sh_err place(struct sh_record_blob_writer *w, struct sh_str hash)
{
    const struct sh_fs *fs = w->r->env->fs;
    char dir[PATH_BYTES];
    char path[PATH_BYTES];
    blob_path(w->r, hash, dir, path);
    SH_TRY(sh_fs_sync(fs, w->file));
    SH_TRY(fs->mkdir(fs->ctx, dir));
    SH_TRY(sh_fs_sync_dir(fs, w->r->cfg.blob_dir));
    SH_TRY(sh_fs_rename(fs, w->temp, path));
    return sh_fs_sync_dir(fs, dir);
}

/* *fresh (may be NULL): it was not there. */
static sh_err commit_op(struct sh_record *r, const struct sh_record_op *op, bool *fresh)
{
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_tx_new(r, SH_STR(""), &tx));
    sh_err err = record_tx_raw(tx, op);
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, NULL);
    }
    if (err == SH_OK && fresh != NULL) {
        *fresh = tx->ops[0].idle != 0; /* an empty one counts nothing in any case */
    }
    sh_record_tx_free(tx);
    return err;
}

static sh_err count_bytes(struct sh_record *r, uint64_t size)
{
    sh_err err = SH_OK;
    sh_mutex_lock(&r->lock);
    if (r->stats.blob_bytes + size > r->cfg.max_blobs_bytes) {
        err = SH_E_LIMIT;
    } else {
        r->stats.blob_bytes += size;
    }
    sh_mutex_unlock(&r->lock);
    return err;
}

static void uncount_bytes(struct sh_record *r, uint64_t size)
{
    sh_mutex_lock(&r->lock);
    r->stats.blob_bytes -= size;
    sh_mutex_unlock(&r->lock);
}

sh_err sh_record_blob_end(struct sh_record_blob_writer *w, char hash[SH_RECORD_HASH_CHARS],
                          uint64_t *size, bool *fresh)
{
    struct sh_record *r = w->r;
    const struct sh_str h = {hash, SH_RECORD_HASH_CHARS};
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_BLOB_ADD, .tenant = w->tenant, .id = h, .number = (int64_t)w->size};
    uint64_t known = 0;
    sh_err err = hash_text(w->md, hash);
    if (err != SH_OK) {
        writer_free(w);
        return err;
    }
    sh_mutex_lock(&r->blob_lock);
    err = r->ops->blob(r->store, SH_RECORD_ALL_TENANTS, h, &known);
    if (err == SH_E_NOTFOUND) { /* no tenant has it */
        err = count_bytes(r, w->size);
        if (err == SH_OK) {
            err = place(w, h);
            if (err == SH_OK) {
                err = commit_op(r, &op, fresh);
            }
            if (err != SH_OK) {
                uncount_bytes(r, w->size);
            }
        }
    } else if (err == SH_OK) {
        err = commit_op(r, &op, fresh);
    }
    sh_mutex_unlock(&r->blob_lock);
    if (err == SH_OK && size != NULL) {
        *size = w->size;
    }
    writer_free(w);
    return err;
}

static bool hash_ok(struct sh_str h)
{
    if (h.n != SH_RECORD_HASH_CHARS) {
        return false;
    }
    for (size_t i = 0; i < h.n; i++) {
        if (!((h.p[i] >= '0' && h.p[i] <= '9') || (h.p[i] >= 'a' && h.p[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

sh_err sh_record_blob_open(struct sh_record *r, uint32_t tenant, struct sh_str hash,
                           struct sh_record_blob **out, uint64_t *size)
{
    char dir[PATH_BYTES];
    char path[PATH_BYTES];
    if (r->cfg.blob_dir == NULL) {
        return SH_E_UNSUPPORTED;
    }
    if (!hash_ok(hash)) {
        return SH_E_INVAL;
    }
    SH_TRY(r->ops->blob(r->store, tenant, hash, size));
    struct sh_record_blob *b = sh_mem_new(r->env->alloc, sizeof *b);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    blob_path(r, hash, dir, path);
    b->r = r;
    const sh_err err = sh_fs_open(r->env->fs, path, SH_FS_READ, &b->file);
    if (err != SH_OK) {
        sh_mem_free(r->env->alloc, b);
        return err;
    }
    *out = b;
    return SH_OK;
}

sh_err sh_record_blob_read(struct sh_record_blob *b, uint64_t off, void *p, size_t n, size_t *got)
{
    return sh_fs_pread(b->r->env->fs, b->file, p, n, off, got);
}

void sh_record_blob_close(struct sh_record_blob *b)
{
    if (b != NULL) {
        sh_fs_close(b->r->env->fs, b->file);
        sh_mem_free(b->r->env->alloc, b);
    }
}

sh_err sh_record_blob_verify(struct sh_record *r, uint32_t tenant, struct sh_str hash)
{
    struct sh_record_blob *b = NULL;
    uint64_t size = 0;
    uint64_t off = 0;
    char found[SH_RECORD_HASH_CHARS];
    SH_TRY(sh_record_blob_open(r, tenant, hash, &b, &size));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t *buf = sh_mem_new(r->env->alloc, COPY_BYTES);
    sh_err err = SH_E_NOMEM;
    if (md != NULL && buf != NULL && EVP_DigestInit_ex2(md, EVP_sha256(), NULL) == 1) {
        size_t got = 1;
        err = SH_OK;
        while (err == SH_OK && got > 0) {
            err = sh_record_blob_read(b, off, buf, COPY_BYTES, &got);
            off += got;
            if (err == SH_OK && EVP_DigestUpdate(md, buf, got) != 1) {
                err = SH_E_NOMEM;
            }
        }
    }
    if (err == SH_OK) {
        err = hash_text(md, found);
    }
    if (err == SH_OK && (off != size || memcmp(found, hash.p, sizeof found) != 0)) {
        err = SH_E_CORRUPT;
    }
    EVP_MD_CTX_free(md);
    sh_mem_free(r->env->alloc, buf);
    sh_record_blob_close(b);
    return err;
}

void sh_record_blob_hold(struct sh_record *r)
{
    sh_mutex_lock(&r->blob_lock);
    r->blob_holds++;
    sh_mutex_unlock(&r->blob_lock);
}

void sh_record_blob_release(struct sh_record *r)
{
    sh_mutex_lock(&r->blob_lock);
    SH_ASSERT(r->blob_holds > 0);
    r->blob_holds--;
    sh_mutex_unlock(&r->blob_lock);
}

/* Removes one tenant's row, and the file with the last row. Under blob_lock. */
static sh_err drop(struct sh_record *r, const struct sh_record_key *k, int64_t before_us)
{
    if (r->blob_holds > 0) {
        return SH_E_BUSY;
    }
    char dir[PATH_BYTES];
    char path[PATH_BYTES];
    uint64_t size = 0;
    uint64_t left = 0;
    const struct sh_record_op op = {
        .kind = SH_RECORD_OP_BLOB_DROP, .tenant = k->tenant, .id = k->id, .number = before_us};
    SH_TRY(r->ops->blob(r->store, k->tenant, k->id, &size));
    SH_TRY(commit_op(r, &op, NULL));
    const sh_err err = r->ops->blob(r->store, SH_RECORD_ALL_TENANTS, k->id, &left);
    if (err != SH_E_NOTFOUND) {
        return err;
    }
    uncount_bytes(r, size);
    blob_path(r, k->id, dir, path);
    return sh_fs_unlink(r->env->fs, path);
}

sh_err sh_record_blob_count(struct sh_record *r, sh_record_idle *fn, void *ctx)
{
    SH_TRY(r->ops->blob_idle(r->store, fn, ctx));
    r->idle_ctx = ctx;
    r->idle_fn = fn;
    return SH_OK;
}

sh_err sh_record_blob_drop(struct sh_record *r, uint32_t tenant, struct sh_str hash,
                           int64_t before_us)
{
    const struct sh_record_key k = {.tenant = tenant, .id = hash};
    if (r->cfg.blob_dir == NULL || !hash_ok(hash)) {
        return SH_E_NOTFOUND;
    }
    sh_mutex_lock(&r->blob_lock);
    const sh_err err = drop(r, &k, before_us);
    sh_mutex_unlock(&r->blob_lock);
    return err;
}

sh_err sh_record_blob_gc(struct sh_record *r, int64_t older_than_us, uint64_t *removed)
{
    const int64_t before = sh_wall_us(r->env->clock) - older_than_us;
    uint64_t count = 0;
    sh_err err = r->cfg.blob_dir == NULL ? SH_E_UNSUPPORTED : SH_OK;
    size_t n = GC_PAGE;
    while (err == SH_OK && n == GC_PAGE) {
        struct sh_record_key *keys = NULL;
        struct sh_arena *ar = sh_arena_new(r->env->alloc, 1 << 20);
        err = ar == NULL ? SH_E_NOMEM
                         : r->ops->blob_orphans(r->store, before, GC_PAGE, ar, &keys, &n);
        for (size_t i = 0; i < n && err == SH_OK; i++) {
            sh_mutex_lock(&r->blob_lock);
            err = drop(r, &keys[i], before);
            sh_mutex_unlock(&r->blob_lock);
            if (err == SH_E_STATE || err == SH_E_NOTFOUND) {
                err = SH_OK; /* somebody has taken or removed it in between */
            } else if (err == SH_OK) {
                count++;
            }
        }
        sh_arena_free(ar);
    }
    if (removed != NULL) {
        *removed = count;
    }
    return err == SH_E_BUSY ? SH_OK : err; /* held: the next time does it */
}
