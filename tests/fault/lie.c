/* lie.c - a disk that lies, in front of the C library (LD_PRELOAD).
 *
 * For the files below LIE_DIR it writes down every change, in order, in the file LIE_TRACE, so that
 * disk_model.py can say afterwards what a power cut at the end of the trace could have left: what
 * was written but not synced may be there, or not, or in part. And it fails on purpose, as LIE_PLAN
 * says:
 *
 *   short=N      the Nth write takes half of its bytes
 *   eio=N        the Nth write fails (EIO) after half of its bytes were written
 *   full=N:MS    for MS milliseconds from the Nth write on there is no space (ENOSPC)
 *   sync=N       the Nth fsync or fdatasync fails (EIO); what it should have saved is lost
 *   memory=N:MS  from MS milliseconds after the start on, one allocation in N fails
 *   slow=US      each sync takes up to US microseconds more (a wider window for a cut)
 *
 * Trace, little-endian, one write(2) a record, in the order of the calls (one lock is held from the
 * record to the end of the call, but for syncs, whose end is a record of its own):
 *   u32 bytes behind this word, u8 kind, u64 inode, u64 offset, u32 n1, u32 n2, n1 bytes, n2 bytes
 * Writes of zeros have n1 = 0 and n2 = their length without the bytes (kind ZERO).
 *
 * What it cannot see: writes through a shared mapping (SQLite's -shm, which is made anew anyway).
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* NOLINT: RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    T_OPEN = 1, /* inode, offset = flags below, n1 path */
    T_WRITE,    /* inode, offset, n1 bytes */
    T_ZERO,     /* inode, offset, length in n2 */
    T_SIZE,     /* inode, offset = new length */
    T_SYNC,     /* inode: all records of it before the one numbered `offset` are durable */
    T_SAVED,    /* inode: the write recorded as number `offset` is durable (O_DSYNC) */
    T_LOST,     /* inode: all unsaved records before number `offset` may never be saved */
    T_RENAME,   /* n1 from, n2 to */
    T_UNLINK,   /* n1 path */
    T_LINK,     /* n1 from, n2 to */
    T_MKDIR,    /* n1 path */
    T_RMDIR,    /* n1 path */
    T_SYNC_DIR, /* n1 path, offset = number */
};
enum { OPEN_CREATED = 1, OPEN_TRUNCATED = 2 };
enum { FDS = 65536 };

struct fd {
    uint64_t inode;
    bool tracked;
    bool dsync;
    bool folder;
    char *path; /* of folders */
};

static struct {
    pthread_mutex_t lock;
    char dir[1024];
    size_t dir_n;
    int out;
    uint64_t number; /* records so far */
    uint64_t writes;
    uint64_t syncs;
    uint64_t short_at;
    uint64_t eio_at;
    uint64_t full_at;
    uint64_t full_ms;
    int64_t full_end_us;
    uint64_t sync_at;
    uint64_t memory_n; /* 0 = all succeed */
    int64_t memory_from_us;
    unsigned slow_us;
    unsigned dice;
    struct fd fds[FDS];
} L = {.lock = PTHREAD_MUTEX_INITIALIZER, .out = -1};

static void *next(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* The function behind ours; found once. */
#define REAL(name, type, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (real == NULL) {                                                                            \
        real = (type(*)(__VA_ARGS__))next(name);                                                   \
    }

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t plan_word(const char *plan, const char *key, uint64_t *second)
{
    const char *p = plan == NULL ? NULL : strstr(plan, key);
    if (p == NULL) {
        return 0;
    }
    char *end = NULL;
    const uint64_t v = strtoull(p + strlen(key), &end, 10);
    if (second != NULL && *end == ':') {
        *second = strtoull(end + 1, NULL, 10);
    }
    return v;
}

static ssize_t raw_write(int fd, const void *p, size_t n)
{
    REAL("write", ssize_t, int, const void *, size_t)
    return real(fd, p, n);
}

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("LIE_DIR");
    const char *trace = getenv("LIE_TRACE");
    const char *plan = getenv("LIE_PLAN");
    if (dir == NULL || trace == NULL || strlen(dir) >= sizeof L.dir) {
        return;
    }
    REAL("open64", int, const char *, int, ...)
    L.out = real(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    L.dir_n = strlen(dir);
    memcpy(L.dir, dir, L.dir_n + 1);
    L.short_at = plan_word(plan, "short=", NULL);
    L.eio_at = plan_word(plan, "eio=", NULL);
    L.full_at = plan_word(plan, "full=", &L.full_ms);
    L.sync_at = plan_word(plan, "sync=", NULL);
    L.slow_us = (unsigned)plan_word(plan, "slow=", NULL);
    L.dice = (unsigned)getpid();
    uint64_t after_ms = 0;
    const uint64_t n = plan_word(plan, "memory=", &after_ms);
    L.memory_from_us = now_us() + (int64_t)after_ms * 1000;
    L.memory_n = n;
}

static bool below(const char *path)
{
    return L.out >= 0 && strncmp(path, L.dir, L.dir_n) == 0 &&
           (path[L.dir_n] == '/' || path[L.dir_n] == '\0');
}

static void put(uint8_t **p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *(*p)++ = (uint8_t)(v >> (8 * i));
    }
}

/* One record; the lock is held. Returns its number. */
static uint64_t tell(uint8_t kind, uint64_t inode, uint64_t offset, struct iovec a, struct iovec b)
{
    REAL("writev", ssize_t, int, const struct iovec *, int)
    uint8_t head[29];
    uint8_t *p = head;
    const size_t b_n = b.iov_base == NULL ? 0 : b.iov_len;
    put(&p, sizeof head - 4 + a.iov_len + b_n, 4);
    put(&p, kind, 1);
    put(&p, inode, 8);
    put(&p, offset, 8);
    put(&p, a.iov_len, 4);
    put(&p, b.iov_len, 4);
    const struct iovec v[] = {{head, sizeof head}, a, {b.iov_base, b_n}};
    if (real(L.out, v, 3) != (ssize_t)(sizeof head + a.iov_len + b_n)) {
        abort(); /* a trace with a hole would prove nothing */
    }
    return L.number++;
}

static struct iovec text(const char *s)
{
    return (struct iovec){(void *)(uintptr_t)s, strlen(s)};
}

static const struct iovec none = {NULL, 0};

static void tell_path(uint8_t kind, const char *a, const char *b)
{
    (void)tell(kind, 0, 0, text(a + L.dir_n), b == NULL ? none : text(b + L.dir_n));
}

/* ---- memory ---- */

/* glibc's own names: dlsym would allocate. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static bool no_memory(void)
{
    static _Thread_local uint64_t dice;
    if (L.memory_n == 0) {
        return false;
    }
    if (dice == 0) {
        dice = ((uint64_t)(uintptr_t)&dice ^ (uint64_t)now_us()) | 1;
    }
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    if (dice % L.memory_n != 0 || now_us() < L.memory_from_us) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

#ifndef LIE_NO_MEMORY
void *malloc(size_t n)
{
    return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return no_memory() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    return no_memory() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    void *q = no_memory() ? NULL : __libc_memalign(align, n);
    if (q != NULL) {
        *p = q;
    }
    return q == NULL ? ENOMEM : 0;
}
#endif

/* ---- files ---- */

static int opened(const char *path, int flags, int fd, bool was_there)
{
    struct stat st;
    if (fd < 0 || fd >= FDS || fstat(fd, &st) != 0) {
        return fd;
    }
    struct fd *f = &L.fds[fd];
    free(f->path);
    *f = (struct fd){.inode = st.st_ino, .tracked = true, .dsync = (flags & O_DSYNC) != 0};
    if (S_ISDIR(st.st_mode)) {
        f->folder = true;
        f->path = strdup(path);
    } else if (S_ISREG(st.st_mode)) {
        const uint64_t how =
            (was_there ? 0U : OPEN_CREATED) | ((flags & O_TRUNC) != 0 ? OPEN_TRUNCATED : 0U);
        (void)tell(T_OPEN, f->inode, how, text(path + L.dir_n), none);
    } else {
        f->tracked = false;
    }
    return fd;
}

static int open_both(const char *path, int flags, mode_t mode)
{
    REAL("open64", int, const char *, int, ...)
    if (!below(path)) {
        return real(path, flags, mode);
    }
    pthread_mutex_lock(&L.lock);
    struct stat st;
    const bool was_there = stat(path, &st) == 0;
    const int fd = real(path, flags, mode);
    const int err = errno;
    (void)opened(path, flags, fd, was_there);
    pthread_mutex_unlock(&L.lock);
    errno = err;
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    const mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_both(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    const mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_both(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    REAL("openat64", int, int, const char *, int, ...)
    va_list ap;
    va_start(ap, flags);
    const mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return path[0] == '/' ? open_both(path, flags, mode) : real(at, path, flags, mode);
}

int close(int fd)
{
    REAL("close", int, int)
    if (L.out >= 0 && fd >= 0 && fd < FDS && L.fds[fd].tracked) {
        pthread_mutex_lock(&L.lock);
        free(L.fds[fd].path);
        L.fds[fd] = (struct fd){0};
        pthread_mutex_unlock(&L.lock);
    }
    return real(fd);
}

static bool tracked(int fd)
{
    return L.out >= 0 && fd >= 0 && fd < FDS && L.fds[fd].tracked;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n > 64 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static bool is_full(void)
{
    if (L.full_end_us == 0) {
        L.full_end_us = now_us() + (int64_t)L.full_ms * 1000;
    }
    return now_us() < L.full_end_us;
}

/* Writes for real, writes it down, and fails where the plan says so. */
static ssize_t write_down(int fd, const void *p, size_t n, off64_t off)
{
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t)
    pthread_mutex_lock(&L.lock);
    const uint64_t at = ++L.writes;
    if (L.full_at != 0 && at >= L.full_at && is_full()) {
        pthread_mutex_unlock(&L.lock);
        errno = ENOSPC;
        return -1;
    }
    const bool half = n > 1 && (at == L.short_at || at == L.eio_at);
    const size_t take = half ? n / 2 : n;
    const struct fd f = L.fds[fd];
    uint64_t number;
    if (all_zero(p, take)) {
        number = tell(T_ZERO, f.inode, (uint64_t)off, none, (struct iovec){NULL, take});
    } else {
        const struct iovec v = {(void *)(uintptr_t)p, take};
        number = tell(T_WRITE, f.inode, (uint64_t)off, v, none);
    }
    const ssize_t done = real(fd, p, take, off);
    if (done == (ssize_t)take && f.dsync && at != L.eio_at) {
        (void)tell(T_SAVED, f.inode, number, none, none);
    }
    pthread_mutex_unlock(&L.lock);
    if (at == L.eio_at) {
        errno = EIO;
        return -1;
    }
    return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
    return pwrite64(fd, p, n, off);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t)
    return tracked(fd) ? write_down(fd, p, n, off) : real(fd, p, n, off);
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (!tracked(fd)) {
        return raw_write(fd, p, n);
    }
    const off64_t off = lseek64(fd, 0, SEEK_CUR);
    const ssize_t done = write_down(fd, p, n, off);
    if (done > 0) {
        (void)lseek64(fd, off + done, SEEK_SET);
    }
    return done;
}

int ftruncate64(int fd, off64_t n)
{
    REAL("ftruncate64", int, int, off64_t)
    if (!tracked(fd)) {
        return real(fd, n);
    }
    pthread_mutex_lock(&L.lock);
    (void)tell(T_SIZE, L.fds[fd].inode, (uint64_t)n, none, none);
    const int rc = real(fd, n);
    pthread_mutex_unlock(&L.lock);
    return rc;
}

int ftruncate(int fd, off_t n)
{
    return ftruncate64(fd, n);
}

/* Space that reads as zeros: what a file grows by is written down as zeros. */
static int allocate(int fd, int mode, off64_t off, off64_t n, bool posix)
{
    REAL("fallocate64", int, int, int, off64_t, off64_t)
    struct stat st;
    if (!tracked(fd)) {
        const int rc = real(fd, mode, off, n);
        return posix && rc != 0 ? errno : rc;
    }
    pthread_mutex_lock(&L.lock);
    int rc = fstat(fd, &st);
    if (rc == 0 && mode == 0 && off + n > st.st_size) {
        (void)tell(T_ZERO, L.fds[fd].inode, (uint64_t)st.st_size, none,
                   (struct iovec){NULL, (size_t)(off + n - st.st_size)});
    }
    rc = rc == 0 ? real(fd, mode, off, n) : rc;
    pthread_mutex_unlock(&L.lock);
    return posix && rc != 0 ? errno : rc;
}

int fallocate64(int fd, int mode, off64_t off, off64_t n)
{
    return allocate(fd, mode, off, n, false);
}

int fallocate(int fd, int mode, off_t off, off_t n)
{
    return allocate(fd, mode, off, n, false);
}

int posix_fallocate64(int fd, off64_t off, off64_t n)
{
    return allocate(fd, 0, off, n, true);
}

int posix_fallocate(int fd, off_t off, off_t n)
{
    return allocate(fd, 0, off, n, true);
}

static int sync_down(int fd, int (*real)(int))
{
    pthread_mutex_lock(&L.lock);
    const struct fd f = L.fds[fd];
    const uint64_t upto = L.number;
    char path[1024] = "";
    if (f.folder) {
        (void)snprintf(path, sizeof path, "%s", f.path);
    }
    const bool fails = ++L.syncs == L.sync_at;
    L.dice = L.dice * 1664525U + 1013904223U;
    const unsigned wait_us = L.slow_us == 0 ? 0 : (L.dice >> 8) % L.slow_us;
    if (fails) {
        (void)tell(T_LOST, f.inode, upto, none, none);
    }
    pthread_mutex_unlock(&L.lock);
    if (wait_us > 0) {
        (void)usleep(wait_us);
    }
    if (fails) {
        errno = EIO;
        return -1;
    }
    const int rc = real(fd);
    if (rc == 0) {
        pthread_mutex_lock(&L.lock);
        if (f.folder) {
            (void)tell(T_SYNC_DIR, 0, upto, text(path + L.dir_n), none);
        } else {
            (void)tell(T_SYNC, f.inode, upto, none, none);
        }
        pthread_mutex_unlock(&L.lock);
    }
    return rc;
}

int fsync(int fd)
{
    REAL("fsync", int, int)
    return tracked(fd) ? sync_down(fd, real) : real(fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int, int)
    return tracked(fd) ? sync_down(fd, real) : real(fd);
}

/* ---- names ---- */

/* A change of names: written down when it was made. */
#define NAMES(call, kind, a, b)                                                                    \
    do {                                                                                           \
        pthread_mutex_lock(&L.lock);                                                               \
        const int rc = (call);                                                                     \
        const int err = errno;                                                                     \
        if (rc == 0) {                                                                             \
            tell_path((kind), (a), (b));                                                           \
        }                                                                                          \
        pthread_mutex_unlock(&L.lock);                                                             \
        errno = err;                                                                               \
        return rc;                                                                                 \
    } while (0)

int rename(const char *from, const char *to)
{
    REAL("rename", int, const char *, const char *)
    if (!below(from) || !below(to)) {
        return real(from, to);
    }
    NAMES(real(from, to), T_RENAME, from, to);
}

int unlink(const char *path)
{
    REAL("unlink", int, const char *)
    if (!below(path)) {
        return real(path);
    }
    NAMES(real(path), T_UNLINK, path, NULL);
}

int link(const char *from, const char *to)
{
    REAL("link", int, const char *, const char *)
    if (!below(from) || !below(to)) {
        return real(from, to);
    }
    NAMES(real(from, to), T_LINK, from, to);
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int, const char *, mode_t)
    if (!below(path)) {
        return real(path, mode);
    }
    NAMES(real(path, mode), T_MKDIR, path, NULL);
}

int rmdir(const char *path)
{
    REAL("rmdir", int, const char *)
    if (!below(path)) {
        return real(path);
    }
    NAMES(real(path), T_RMDIR, path, NULL);
}
