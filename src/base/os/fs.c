/* fs.c - the real file system.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* NOLINT: fallocate */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <sh/fs.h>

struct sh_file {
    int fd;
};

static sh_err result(int rc)
{
    return rc == 0 ? SH_OK : sh_err_from_errno(errno);
}

static sh_err sys_open(void *ctx, const char *path, int flags, struct sh_file **out)
{
    SH_UNUSED(ctx);
    int oflags = O_CLOEXEC | O_NOCTTY;
    oflags |= (flags & SH_FS_WRITE) != 0 ? O_RDWR : O_RDONLY;
    oflags |= (flags & SH_FS_CREATE) != 0 ? O_CREAT : 0;
    oflags |= (flags & SH_FS_EXCL) != 0 ? O_EXCL : 0;
    oflags |= (flags & SH_FS_TRUNC) != 0 ? O_TRUNC : 0;
    oflags |= (flags & SH_FS_DSYNC) != 0 ? O_DSYNC : 0;
    struct sh_file *f = malloc(sizeof *f);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    f->fd = open(path, oflags, 0600);
    if (f->fd < 0) {
        const int err = errno;
        free(f);
        return sh_err_from_errno(err);
    }
    *out = f;
    return SH_OK;
}

static void sys_close(void *ctx, struct sh_file *f)
{
    SH_UNUSED(ctx);
    (void)close(f->fd);
    free(f);
}

static sh_err sys_pread(void *ctx, struct sh_file *f, void *p, size_t n, uint64_t off, size_t *got)
{
    SH_UNUSED(ctx);
    size_t done = 0;
    while (done < n) {
        const ssize_t r = pread(f->fd, (uint8_t *)p + done, n - done, (off_t)(off + done));
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return sh_err_from_errno(errno);
        }
        if (r == 0) {
            break;
        }
        done += (size_t)r;
    }
    *got = done;
    return SH_OK;
}

static sh_err sys_pwrite(void *ctx, struct sh_file *f, const void *p, size_t n, uint64_t off)
{
    SH_UNUSED(ctx);
    size_t done = 0;
    while (done < n) {
        const ssize_t r = pwrite(f->fd, (const uint8_t *)p + done, n - done, (off_t)(off + done));
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r <= 0) {
            return r == 0 ? SH_E_IO : sh_err_from_errno(errno);
        }
        done += (size_t)r;
    }
    return SH_OK;
}

static sh_err sys_sync(void *ctx, struct sh_file *f)
{
    SH_UNUSED(ctx);
    return result(fdatasync(f->fd));
}

static sh_err sys_size(void *ctx, struct sh_file *f, uint64_t *out)
{
    SH_UNUSED(ctx);
    struct stat st;
    SH_TRY(result(fstat(f->fd, &st)));
    *out = (uint64_t)st.st_size;
    return SH_OK;
}

static sh_err sys_truncate(void *ctx, struct sh_file *f, uint64_t n)
{
    SH_UNUSED(ctx);
    return result(ftruncate(f->fd, (off_t)n));
}

/* Blocks that are only reserved (fallocate) still change metadata at the first write, which costs a
 * journal commit of the file system each time: write zeros once instead. */
static sh_err sys_prealloc(void *ctx, struct sh_file *f, uint64_t n)
{
    enum { STEP = 1 << 20 };
    if (fallocate(f->fd, 0, 0, (off_t)n) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return sh_err_from_errno(errno);
    }
    uint8_t *zeros = calloc(1, STEP);
    if (zeros == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_OK;
    for (uint64_t off = 0; off < n && err == SH_OK; off += STEP) {
        const uint64_t left = n - off;
        err = sys_pwrite(ctx, f, zeros, left < STEP ? (size_t)left : (size_t)STEP, off);
    }
    free(zeros);
    return err != SH_OK ? err : result(fsync(f->fd));
}

static sh_err sys_map(void *ctx, struct sh_file *f, struct sh_fs_map *out)
{
    uint64_t n = 0;
    SH_TRY(sys_size(ctx, f, &n));
    *out = (struct sh_fs_map){NULL, (size_t)n, NULL};
    if (n == 0) {
        return SH_OK;
    }
    void *p = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, f->fd, 0);
    if (p == MAP_FAILED) {
        return sh_err_from_errno(errno);
    }
    out->p = p;
    out->priv = p;
    return SH_OK;
}

static void sys_unmap(void *ctx, struct sh_fs_map *m)
{
    SH_UNUSED(ctx);
    if (m->priv != NULL) {
        (void)munmap(m->priv, m->n);
    }
    *m = (struct sh_fs_map){NULL, 0, NULL};
}

static sh_err sys_rename(void *ctx, const char *from, const char *to)
{
    SH_UNUSED(ctx);
    return result(rename(from, to));
}

static sh_err sys_unlink(void *ctx, const char *path)
{
    SH_UNUSED(ctx);
    return result(unlink(path));
}

static sh_err sys_link(void *ctx, const char *from, const char *to)
{
    SH_UNUSED(ctx);
    if (link(from, to) == 0) {
        return SH_OK;
    }
    const bool never = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOSYS;
    return never ? SH_E_UNSUPPORTED : sh_err_from_errno(errno);
}

static sh_err sys_mkdir(void *ctx, const char *path)
{
    SH_UNUSED(ctx);
    if (mkdir(path, 0700) == 0) {
        return SH_OK;
    }
    const int err = errno;
    struct stat st;
    if (err == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return SH_OK;
    }
    return sh_err_from_errno(err);
}

static sh_err sys_rmdir(void *ctx, const char *path)
{
    SH_UNUSED(ctx);
    return result(rmdir(path));
}

static sh_err sys_sync_dir(void *ctx, const char *path)
{
    SH_UNUSED(ctx);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return sh_err_from_errno(errno);
    }
    const sh_err err = result(fsync(fd));
    (void)close(fd);
    return err;
}

static sh_err sys_list(void *ctx, const char *path,
                       sh_err (*fn)(void *fctx, const char *name, bool is_dir), void *fctx)
{
    SH_UNUSED(ctx);
    DIR *d = opendir(path);
    if (d == NULL) {
        return sh_err_from_errno(errno);
    }
    sh_err err = SH_OK;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) { /* NOLINT: own DIR */
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        struct stat st;
        const bool is_dir =
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
        err = fn(fctx, e->d_name, is_dir);
        if (err != SH_OK) {
            break;
        }
    }
    (void)closedir(d);
    return err;
}

static sh_err sys_space(void *ctx, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    SH_UNUSED(ctx);
    struct statvfs v;
    SH_TRY(result(statvfs(path, &v)));
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *total_bytes = (uint64_t)(v.f_blocks - v.f_bfree + v.f_bavail) * v.f_frsize;
    return SH_OK;
}

const struct sh_fs *sh_fs_system(void)
{
    static const struct sh_fs fs = {
        .open = sys_open,
        .close = sys_close,
        .pread = sys_pread,
        .pwrite = sys_pwrite,
        .sync = sys_sync,
        .size = sys_size,
        .truncate = sys_truncate,
        .prealloc = sys_prealloc,
        .map = sys_map,
        .unmap = sys_unmap,
        .rename = sys_rename,
        .unlink = sys_unlink,
        .link = sys_link,
        .mkdir = sys_mkdir,
        .rmdir = sys_rmdir,
        .sync_dir = sys_sync_dir,
        .list = sys_list,
        .space = sys_space,
    };
    return &fs;
}
