/* fs_util.c - thin callers of the file table and whole-file helpers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/fs.h>

enum { PATH_LEN = 4096 };

sh_err sh_fs_open(const struct sh_fs *fs, const char *path, int flags, struct sh_file **out)
{
    return fs->open(fs->ctx, path, flags, out);
}

void sh_fs_close(const struct sh_fs *fs, struct sh_file *f)
{
    if (f != NULL) {
        fs->close(fs->ctx, f);
    }
}

sh_err sh_fs_pread(const struct sh_fs *fs, struct sh_file *f, void *p, size_t n, uint64_t off,
                   size_t *got)
{
    return fs->pread(fs->ctx, f, p, n, off, got);
}

sh_err sh_fs_pwrite(const struct sh_fs *fs, struct sh_file *f, const void *p, size_t n,
                    uint64_t off)
{
    return fs->pwrite(fs->ctx, f, p, n, off);
}

sh_err sh_fs_sync(const struct sh_fs *fs, struct sh_file *f)
{
    return fs->sync(fs->ctx, f);
}

sh_err sh_fs_size(const struct sh_fs *fs, struct sh_file *f, uint64_t *out)
{
    return fs->size(fs->ctx, f, out);
}

sh_err sh_fs_unlink(const struct sh_fs *fs, const char *path)
{
    return fs->unlink(fs->ctx, path);
}

sh_err sh_fs_rename(const struct sh_fs *fs, const char *from, const char *to)
{
    return fs->rename(fs->ctx, from, to);
}

sh_err sh_fs_sync_dir(const struct sh_fs *fs, const char *path)
{
    return fs->sync_dir(fs->ctx, path);
}

/* The folder that holds `path`: "." when it has no slash, "/" for the root. */
static sh_err parent_of(const char *path, char out[PATH_LEN])
{
    const struct sh_str s = sh_str_c(path);
    if (s.n >= PATH_LEN) {
        return SH_E_INVAL;
    }
    const size_t at = sh_str_rfind(s, '/');
    if (at == SIZE_MAX) {
        memcpy(out, ".", 2);
    } else if (at == 0) {
        memcpy(out, "/", 2);
    } else {
        memcpy(out, path, at);
        out[at] = '\0';
    }
    return SH_OK;
}

sh_err sh_fs_mkdirs(const struct sh_fs *fs, const char *path)
{
    char part[PATH_LEN];
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        return SH_E_INVAL;
    }
    for (size_t i = 1; i <= n; i++) {
        if (i < n && path[i] != '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        SH_TRY(fs->mkdir(fs->ctx, part));
    }
    return SH_OK;
}

sh_err sh_fs_read_all(const struct sh_fs *fs, const struct sh_alloc *a, const char *path,
                      size_t max, struct sh_str *out)
{
    struct sh_file *f = NULL;
    SH_TRY(fs->open(fs->ctx, path, SH_FS_READ, &f));
    uint64_t size = 0;
    size_t got = 0;
    char *p = NULL;
    sh_err err = fs->size(fs->ctx, f, &size);
    if (err == SH_OK && size > max) {
        err = SH_E_LIMIT;
    }
    if (err == SH_OK) {
        p = sh_mem_new(a, (size_t)size + 1);
        err = p == NULL ? SH_E_NOMEM : fs->pread(fs->ctx, f, p, (size_t)size, 0, &got);
    }
    fs->close(fs->ctx, f);
    if (err != SH_OK) {
        sh_mem_free(a, p);
        return err;
    }
    *out = sh_str_of(p, got);
    return SH_OK;
}

sh_err sh_fs_replace(const struct sh_fs *fs, const char *path, struct sh_bytes data)
{
    char tmp[PATH_LEN];
    char dir[PATH_LEN];
    const int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof tmp) {
        return SH_E_INVAL;
    }
    SH_TRY(parent_of(path, dir));
    struct sh_file *f = NULL;
    SH_TRY(fs->open(fs->ctx, tmp, SH_FS_WRITE | SH_FS_CREATE | SH_FS_TRUNC, &f));
    sh_err err = data.n == 0 ? SH_OK : fs->pwrite(fs->ctx, f, data.p, data.n, 0);
    if (err == SH_OK) {
        err = fs->sync(fs->ctx, f);
    }
    fs->close(fs->ctx, f);
    if (err == SH_OK) {
        err = fs->rename(fs->ctx, tmp, path);
    }
    if (err != SH_OK) {
        (void)fs->unlink(fs->ctx, tmp);
        return err;
    }
    return fs->sync_dir(fs->ctx, dir);
}
