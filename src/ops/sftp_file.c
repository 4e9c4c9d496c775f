/* sftp_file.c - files and folders of an SFTP server.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "sftp_int.h"

static unsigned len(const char *path)
{
    return (unsigned)strlen(path);
}

/* ---- names ---- */

static struct sftp_stat stat_of(const LIBSSH2_SFTP_ATTRIBUTES *a)
{
    const bool typed = (a->flags & LIBSSH2_SFTP_ATTR_PERMISSIONS) != 0;
    const bool timed = (a->flags & LIBSSH2_SFTP_ATTR_ACMODTIME) != 0;
    return (struct sftp_stat){.size = (a->flags & LIBSSH2_SFTP_ATTR_SIZE) != 0 ? a->filesize : 0,
                              .mtime_us = timed ? (int64_t)a->mtime * 1000000 : 0,
                              .is_dir = typed && LIBSSH2_SFTP_S_ISDIR(a->permissions)};
}

sh_err sftp_stat(struct sftp *s, const char *path, struct sftp_stat *out)
{
    LIBSSH2_SFTP_ATTRIBUTES a = {.flags = 0};
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_stat_ex(s->sftp, path, len(path), LIBSSH2_SFTP_STAT, &a);
    } while (sftp_again(s, rc, &t));
    SH_TRY(sftp_result(s, rc, &t));
    *out = stat_of(&a);
    return SH_OK;
}

static sh_err handle(struct sftp *s, const char *path, unsigned long flags, int type,
                     LIBSSH2_SFTP_HANDLE **out)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        *out = libssh2_sftp_open_ex(s->sftp, path, len(path), flags, 0600, type);
        rc = *out != NULL ? 0 : libssh2_session_last_errno(s->session);
    } while (sftp_again(s, rc, &t));
    return sftp_result(s, rc, &t);
}

/* The library frees the handle unless it was given up in the middle: then hang_up does. */
static sh_err close_file(struct sftp *s)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_close_handle(s->file);
    } while (sftp_again(s, rc, &t));
    s->file = t.err == SH_OK ? NULL : s->file;
    return sftp_result(s, rc, &t);
}

sh_err sftp_list(struct sftp *s, const char *path,
                 sh_err (*fn)(void *ctx, const char *name, const struct sftp_stat *st), void *ctx)
{
    SH_TRY(handle(s, path, 0, LIBSSH2_SFTP_OPENDIR, &s->file));
    sh_err err = SH_OK;
    while (err == SH_OK) {
        char name[512];
        LIBSSH2_SFTP_ATTRIBUTES a = {.flags = 0};
        struct sftp_turn t = sftp_turn(s);
        int rc = 0;
        do {
            rc = libssh2_sftp_readdir_ex(s->file, name, sizeof name - 1, NULL, 0, &a);
        } while (sftp_again(s, rc, &t));
        if (rc == LIBSSH2_ERROR_BUFFER_TOO_SMALL) {
            continue; /* none of ours */
        }
        err = sftp_result(s, rc, &t);
        if (err != SH_OK || rc == 0) {
            break;
        }
        name[(size_t)rc < sizeof name ? (size_t)rc : sizeof name - 1] = '\0';
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            const struct sftp_stat st = stat_of(&a);
            err = fn(ctx, name, &st);
        }
    }
    if (s->broken) {
        return err;
    }
    const sh_err closed = close_file(s);
    return err != SH_OK ? err : closed;
}

static sh_err mkdir_one(struct sftp *s, const char *path)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_mkdir_ex(s->sftp, path, len(path), 0700);
    } while (sftp_again(s, rc, &t));
    return sftp_result(s, rc, &t);
}

sh_err sftp_mkdirs(struct sftp *s, const char *path)
{
    char part[OPS_PATH];
    const size_t n = strlen(path);
    struct sftp_stat st;
    if (n >= sizeof part) {
        return SH_E_LIMIT;
    }
    sh_err err = sftp_stat(s, path, &st);
    if (err != SH_E_NOTFOUND) {
        return err;
    }
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        err = sftp_stat(s, part, &st);
        err = err == SH_E_NOTFOUND ? mkdir_one(s, part) : err;
        if (err != SH_OK) {
            return err;
        }
    }
    return SH_OK;
}

sh_err sftp_unlink(struct sftp *s, const char *path)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_unlink_ex(s->sftp, path, len(path));
    } while (sftp_again(s, rc, &t));
    return sftp_result(s, rc, &t);
}

sh_err sftp_rmdir(struct sftp *s, const char *path)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_rmdir_ex(s->sftp, path, len(path));
    } while (sftp_again(s, rc, &t));
    return sftp_result(s, rc, &t);
}

sh_err sftp_rename(struct sftp *s, const char *from, const char *to)
{
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_rename_ex(s->sftp, from, len(from), to, len(to),
                                    LIBSSH2_SFTP_RENAME_ATOMIC | LIBSSH2_SFTP_RENAME_NATIVE);
    } while (sftp_again(s, rc, &t));
    return sftp_result(s, rc, &t);
}

/* statvfs@openssh.com */
sh_err sftp_space(struct sftp *s, const char *path, uint64_t *free_bytes)
{
    LIBSSH2_SFTP_STATVFS v = {.f_bavail = 0};
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_statvfs(s->sftp, path, strlen(path), &v);
    } while (sftp_again(s, rc, &t));
    const sh_err err = sftp_result(s, rc, &t);
    if (err != SH_OK) {
        return s->broken ? err : SH_E_UNSUPPORTED;
    }
    *free_bytes = v.f_bavail * v.f_frsize;
    return SH_OK;
}

/* ---- the open file ---- */

sh_err sftp_create(struct sftp *s, const char *path)
{
    return handle(s, path, LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_TRUNC,
                  LIBSSH2_SFTP_OPENFILE, &s->file);
}

sh_err sftp_write(struct sftp *s, struct sh_bytes b)
{
    while (b.n > 0) {
        struct sftp_turn t = sftp_turn(s);
        ssize_t rc = 0;
        do {
            rc = libssh2_sftp_write(s->file, (const char *)b.p, b.n);
        } while (sftp_again(s, (int)rc, &t));
        SH_TRY(sftp_result(s, rc, &t));
        b = sh_bytes_of(b.p + rc, b.n - (size_t)rc);
    }
    return SH_OK;
}

sh_err sftp_finish(struct sftp *s, uint64_t *size)
{
    LIBSSH2_SFTP_ATTRIBUTES a = {.flags = 0};
    struct sftp_turn t = sftp_turn(s);
    int rc = 0;
    do {
        rc = libssh2_sftp_fsync(s->file);
    } while (sftp_again(s, rc, &t));
    const sh_err synced = sftp_result(s, rc, &t);
    if (synced != SH_OK && synced != SH_E_UNSUPPORTED) {
        return synced;
    }
    t = sftp_turn(s);
    do {
        rc = libssh2_sftp_fstat_ex(s->file, &a, 0);
    } while (sftp_again(s, rc, &t));
    SH_TRY(sftp_result(s, rc, &t));
    *size = stat_of(&a).size;
    return close_file(s);
}

sh_err sftp_read_open(struct sftp *s, const char *path)
{
    return handle(s, path, LIBSSH2_FXF_READ, LIBSSH2_SFTP_OPENFILE, &s->file);
}

sh_err sftp_read(struct sftp *s, uint8_t *p, size_t n, size_t *got)
{
    struct sftp_turn t = sftp_turn(s);
    ssize_t rc = 0;
    do {
        rc = libssh2_sftp_read(s->file, (char *)p, n);
    } while (sftp_again(s, (int)rc, &t));
    *got = rc > 0 ? (size_t)rc : 0;
    return sftp_result(s, rc, &t);
}

void sftp_file_close(struct sftp *s)
{
    if (s->file != NULL && s->broken) {
        (void)libssh2_sftp_close_handle(s->file); /* blocking, on a socket that is shut */
        s->file = NULL;
    } else if (s->file != NULL) {
        const sh_err err = close_file(s);
        SH_UNUSED(err);
    }
}
