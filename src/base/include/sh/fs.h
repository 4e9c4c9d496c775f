/* fs.h - file operations behind a table, so that tests can inject faults and cut the power.
 * Paths are NUL-terminated. All calls may block. A sh_file may be used by one thread at a time,
 * except pread, which is safe from several.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_FS_H
#define SH_FS_H

#include <sh/alloc.h>

struct sh_file; /* opaque; made by the implementation */

enum {
    SH_FS_READ = 0,
    SH_FS_WRITE = 1,  /* read and write */
    SH_FS_CREATE = 2, /* create when missing (mode 0600) */
    SH_FS_EXCL = 4,   /* with CREATE: SH_E_EXISTS when it is there */
    SH_FS_TRUNC = 8,  /* length 0 */
    SH_FS_DSYNC = 16, /* each write is durable when it returns (O_DSYNC) */
};

struct sh_fs_map {
    const uint8_t *p;
    size_t n;
    void *priv;
};

struct sh_fs {
    sh_err (*open)(void *ctx, const char *path, int flags, struct sh_file **out);
    void (*close)(void *ctx, struct sh_file *f);
    /* Reads up to n bytes at `off`; *got < n only at the end of the file. */
    sh_err (*pread)(void *ctx, struct sh_file *f, void *p, size_t n, uint64_t off, size_t *got);
    /* Writes all n bytes or fails (then any part of them may have been written). */
    sh_err (*pwrite)(void *ctx, struct sh_file *f, const void *p, size_t n, uint64_t off);
    /* fdatasync: content and length are durable. */
    sh_err (*sync)(void *ctx, struct sh_file *f);
    sh_err (*size)(void *ctx, struct sh_file *f, uint64_t *out);
    sh_err (*truncate)(void *ctx, struct sh_file *f, uint64_t n);
    /* Reserves and zero-fills [0, n) so that writes inside do not change the size. Durable. */
    sh_err (*prealloc)(void *ctx, struct sh_file *f, uint64_t n);
    /* Read-only view of the whole file; n == 0 gives p == NULL. */
    sh_err (*map)(void *ctx, struct sh_file *f, struct sh_fs_map *out);
    void (*unmap)(void *ctx, struct sh_fs_map *m);
    sh_err (*rename)(void *ctx, const char *from, const char *to); /* replaces `to` */
    sh_err (*unlink)(void *ctx, const char *path);
    /* A second name for a file. SH_E_EXISTS; SH_E_UNSUPPORTED: not here (another device, or a file
     * system that has no such names). */
    sh_err (*link)(void *ctx, const char *from, const char *to);
    sh_err (*mkdir)(void *ctx, const char *path); /* SH_OK when it exists */
    sh_err (*rmdir)(void *ctx, const char *path);
    /* Makes creations, renames and unlinks in `path` durable. */
    sh_err (*sync_dir)(void *ctx, const char *path);
    /* Calls fn for each entry (not . and ..), in no order; a non-OK answer ends the walk. */
    sh_err (*list)(void *ctx, const char *path,
                   sh_err (*fn)(void *fctx, const char *name, bool is_dir), void *fctx);
    /* Bytes free and in all on the device of `path`; what it keeps for the superuser is in neither.
     */
    sh_err (*space)(void *ctx, const char *path, uint64_t *free_bytes, uint64_t *total_bytes);
    void *ctx;
};

const struct sh_fs *sh_fs_system(void);

/* Thin callers, so that users do not repeat fs->x(fs->ctx, ...). */
SH_MUST_CHECK sh_err sh_fs_open(const struct sh_fs *fs, const char *path, int flags,
                                struct sh_file **out);
void sh_fs_close(const struct sh_fs *fs, struct sh_file *f); /* f may be NULL */
SH_MUST_CHECK sh_err sh_fs_pread(const struct sh_fs *fs, struct sh_file *f, void *p, size_t n,
                                 uint64_t off, size_t *got);
SH_MUST_CHECK sh_err sh_fs_pwrite(const struct sh_fs *fs, struct sh_file *f, const void *p,
                                  size_t n, uint64_t off);
SH_MUST_CHECK sh_err sh_fs_sync(const struct sh_fs *fs, struct sh_file *f);
SH_MUST_CHECK sh_err sh_fs_size(const struct sh_fs *fs, struct sh_file *f, uint64_t *out);
SH_MUST_CHECK sh_err sh_fs_unlink(const struct sh_fs *fs, const char *path);
SH_MUST_CHECK sh_err sh_fs_rename(const struct sh_fs *fs, const char *from, const char *to);
SH_MUST_CHECK sh_err sh_fs_sync_dir(const struct sh_fs *fs, const char *path);
/* Creates the folder and its missing parents. */
SH_MUST_CHECK sh_err sh_fs_mkdirs(const struct sh_fs *fs, const char *path);
/* Reads a whole file of at most max bytes into a new block (freed with sh_str_free); NUL behind. */
SH_MUST_CHECK sh_err sh_fs_read_all(const struct sh_fs *fs, const struct sh_alloc *a,
                                    const char *path, size_t max, struct sh_str *out);
/* Replaces a file: writes path.tmp, syncs, renames, syncs the folder. Never leaves a half file. */
SH_MUST_CHECK sh_err sh_fs_replace(const struct sh_fs *fs, const char *path, struct sh_bytes data);

#endif /* SH_FS_H */
