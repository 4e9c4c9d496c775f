/* memfs.c - a file system in memory that knows what a power cut keeps.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Model: an inode has a volatile and a durable image of its bytes; a name has a volatile and a
 * durable inode. sync copies the bytes, sync_dir the names of one folder, a DSYNC write its range.
 * Folders themselves are durable when made, renamed or removed. A rename from one folder to another
 * is one step: after a cut it was done or not, as the journals of file systems have it; within a
 * folder old and new name may both be there or not. After a cut every call that writes fails;
 * reboot keeps the durable state plus a seeded choice of the rest: 512-byte sectors of bytes, whole
 * names. All calls take one lock, so it may be used from several threads. */
#include <sh/test.h>

#include <stdio.h>
#include <stdlib.h>

enum { SECTOR = 512, MAX_NAMES = 65536 };

struct image {
    uint8_t *p;
    size_t n;
    size_t cap;
};

struct inode {
    struct image vol;
    struct image dur;
    struct inode *next; /* all inodes, freed at the end */
};

struct name {
    char *path;
    bool is_dir;
    struct inode *vol; /* NULL: not there */
    struct inode *dur;
    size_t pair; /* index + 1 of the other name of a rename that is not durable yet; 0 = none */
};

struct sh_file {
    struct inode *ino;
    int flags;
};

struct sh_memfs {
    struct sh_fs fs;
    struct sh_mutex lock;
    struct name *names;
    size_t n_names;
    struct inode *inodes;
    long cut_after; /* -1 = never */
    bool cut;
    uint64_t ops;
    uint64_t rng;
    int fail_sync;
    int fail_write;
    uint64_t space; /* 0 = no limit */
};

static uint64_t rng(struct sh_memfs *m)
{
    m->rng = m->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return m->rng >> 33;
}

/* One writing operation: counts, and fails when the power is gone. */
static sh_err tick(struct sh_memfs *m)
{
    if (m->cut) {
        return SH_E_IO;
    }
    if (m->cut_after == 0) {
        m->cut = true;
        return SH_E_IO;
    }
    m->cut_after -= m->cut_after > 0 ? 1 : 0;
    m->ops++;
    return SH_OK;
}

static void image_size(struct image *im, size_t n)
{
    if (n > im->cap) {
        size_t cap = im->cap < 4096 ? 4096 : im->cap;
        while (cap < n) {
            cap *= 2;
        }
        uint8_t *p = realloc(im->p, cap);
        SH_ASSERT(p != NULL);
        im->p = p;
        im->cap = cap;
    }
    if (n > im->n) {
        memset(im->p + im->n, 0, n - im->n);
    }
    im->n = n;
}

static void image_copy(struct image *to, const struct image *from)
{
    image_size(to, from->n);
    if (from->n > 0) {
        memcpy(to->p, from->p, from->n);
    }
}

static struct name *find(struct sh_memfs *m, const char *path)
{
    for (size_t i = 0; i < m->n_names; i++) {
        if (strcmp(m->names[i].path, path) == 0) {
            return &m->names[i];
        }
    }
    return NULL;
}

static struct name *add(struct sh_memfs *m, const char *path)
{
    SH_ASSERT(m->n_names < MAX_NAMES);
    struct name *names = realloc(m->names, (m->n_names + 1) * sizeof *names);
    SH_ASSERT(names != NULL);
    m->names = names;
    const size_t len = strlen(path) + 1;
    char *copy = malloc(len);
    SH_ASSERT(copy != NULL);
    memcpy(copy, path, len);
    names[m->n_names] = (struct name){.path = copy};
    return &names[m->n_names++];
}

static struct inode *new_inode(struct sh_memfs *m)
{
    struct inode *ino = calloc(1, sizeof *ino);
    SH_ASSERT(ino != NULL);
    ino->next = m->inodes;
    m->inodes = ino;
    return ino;
}

static uint64_t used(const struct sh_memfs *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_names; i++) {
        sum += m->names[i].vol == NULL ? 0 : m->names[i].vol->vol.n;
    }
    return sum;
}

static bool has_room(const struct sh_memfs *m, const struct inode *ino, uint64_t end)
{
    return m->space == 0 || end <= ino->vol.n || used(m) + (end - ino->vol.n) <= m->space;
}

static bool parent_exists(struct sh_memfs *m, const char *path)
{
    const struct sh_str s = sh_str_c(path);
    const size_t at = sh_str_rfind(s, '/');
    if (at == SIZE_MAX || at == 0) {
        return true;
    }
    for (size_t i = 0; i < m->n_names; i++) {
        if (m->names[i].is_dir && sh_str_eqc(sh_str_sub(s, 0, at), m->names[i].path)) {
            return true;
        }
    }
    return false;
}

static sh_err open_locked(struct sh_memfs *m, const char *path, int flags, struct sh_file **out)
{
    struct name *n = find(m, path);
    if (n != NULL && n->is_dir) {
        return SH_E_INVAL;
    }
    if (n != NULL && n->vol != NULL && (flags & SH_FS_EXCL) != 0) {
        return SH_E_EXISTS;
    }
    if (n == NULL || n->vol == NULL) {
        if ((flags & SH_FS_CREATE) == 0 || !parent_exists(m, path)) {
            return SH_E_NOTFOUND;
        }
        SH_TRY(tick(m));
        n = n == NULL ? add(m, path) : n;
        n->vol = new_inode(m);
    } else if ((flags & SH_FS_TRUNC) != 0) {
        SH_TRY(tick(m));
        n->vol->vol.n = 0;
    }
    struct sh_file *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    *f = (struct sh_file){n->vol, flags};
    *out = f;
    return SH_OK;
}

static sh_err mem_open(void *ctx, const char *path, int flags, struct sh_file **out)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const sh_err err = open_locked(m, path, flags, out);
    sh_mutex_unlock(&m->lock);
    return err;
}

static void mem_close(void *ctx, struct sh_file *f)
{
    SH_UNUSED(ctx);
    free(f);
}

static sh_err mem_pread(void *ctx, struct sh_file *f, void *p, size_t n, uint64_t off, size_t *got)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const struct image *im = &f->ino->vol;
    size_t take = off >= im->n ? 0 : im->n - (size_t)off;
    take = take < n ? take : n;
    if (take > 0) {
        memcpy(p, im->p + off, take);
    }
    sh_mutex_unlock(&m->lock);
    *got = take;
    return SH_OK;
}

static void write_range(struct image *im, const void *p, size_t n, uint64_t off)
{
    if (n == 0) {
        return;
    }
    if (off + n > im->n) {
        image_size(im, (size_t)off + n);
    }
    memcpy(im->p + off, p, n);
}

static sh_err write_locked(struct sh_memfs *m, struct sh_file *f, const void *p, size_t n,
                           uint64_t off)
{
    if ((f->flags & SH_FS_WRITE) == 0) {
        return SH_E_DENIED;
    }
    if (n == 0) {
        return SH_OK;
    }
    const bool powered = !m->cut;
    const sh_err err = tick(m);
    if (err != SH_OK) {
        if (powered) { /* the operation in which the power goes may still reach the disk in part */
            write_range(&f->ino->vol, p, (size_t)(rng(m) % (n + 1)), off);
        }
        return err;
    }
    if (m->fail_write > 0) {
        m->fail_write--;
        write_range(&f->ino->vol, p, n / 2, off);
        return SH_E_IO;
    }
    if (!has_room(m, f->ino, off + n)) {
        return SH_E_FULL;
    }
    write_range(&f->ino->vol, p, n, off);
    if ((f->flags & SH_FS_DSYNC) != 0) {
        write_range(&f->ino->dur, p, n, off);
    }
    return SH_OK;
}

static sh_err mem_pwrite(void *ctx, struct sh_file *f, const void *p, size_t n, uint64_t off)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const sh_err err = write_locked(m, f, p, n, off);
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_sync(void *ctx, struct sh_file *f)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    sh_err err = tick(m);
    if (err == SH_OK && m->fail_sync > 0) {
        m->fail_sync--;
        err = SH_E_IO;
    }
    if (err == SH_OK) {
        image_copy(&f->ino->dur, &f->ino->vol);
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_size(void *ctx, struct sh_file *f, uint64_t *out)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    *out = f->ino->vol.n;
    sh_mutex_unlock(&m->lock);
    return SH_OK;
}

static sh_err resize(struct sh_memfs *m, struct sh_file *f, uint64_t n, bool durable)
{
    sh_mutex_lock(&m->lock);
    sh_err err = tick(m);
    if (err == SH_OK && !has_room(m, f->ino, n)) {
        err = SH_E_FULL;
    }
    if (err == SH_OK) {
        image_size(&f->ino->vol, (size_t)n);
        if (durable) {
            image_copy(&f->ino->dur, &f->ino->vol);
        }
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_truncate(void *ctx, struct sh_file *f, uint64_t n)
{
    return resize(ctx, f, n, false);
}

static sh_err mem_prealloc(void *ctx, struct sh_file *f, uint64_t n)
{
    return resize(ctx, f, n, true);
}

/* A map is a copy: what is written later is not seen, as a reader of immutable files expects. */
static sh_err mem_map(void *ctx, struct sh_file *f, struct sh_fs_map *out)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const size_t n = f->ino->vol.n;
    uint8_t *p = n == 0 ? NULL : malloc(n);
    if (p != NULL) {
        memcpy(p, f->ino->vol.p, n);
    }
    sh_mutex_unlock(&m->lock);
    if (n > 0 && p == NULL) {
        return SH_E_NOMEM;
    }
    *out = (struct sh_fs_map){p, n, p};
    return SH_OK;
}

static void mem_unmap(void *ctx, struct sh_fs_map *map)
{
    SH_UNUSED(ctx);
    free(map->priv);
    *map = (struct sh_fs_map){NULL, 0, NULL};
}

static bool same_parent(const char *a, const char *b)
{
    const size_t n = sh_str_rfind(sh_str_c(a), '/');
    return n == sh_str_rfind(sh_str_c(b), '/') && n != SIZE_MAX && strncmp(a, b, n) == 0;
}

static void unpair(struct sh_memfs *m, struct name *n)
{
    if (n->pair != 0) {
        m->names[n->pair - 1].pair = 0;
        n->pair = 0;
    }
}

static void rename_file(struct sh_memfs *m, const char *from, const char *to)
{
    struct name *b = find(m, to);
    b = b == NULL ? add(m, to) : b;
    struct name *a = find(m, from); /* add moves the names */
    unpair(m, a);
    unpair(m, b);
    b->vol = a->vol;
    a->vol = NULL;
    if (!same_parent(from, to)) {
        a->pair = (size_t)(b - m->names) + 1;
        b->pair = (size_t)(a - m->names) + 1;
    }
}

/* All that is below goes along; durable at once. A name that was there before keeps its place. */
static sh_err rename_dir(struct sh_memfs *m, const char *from, const char *to)
{
    const size_t n = strlen(from);
    const struct name *there = find(m, to);
    if (there != NULL && (there->is_dir || there->vol != NULL)) {
        return SH_E_EXISTS; /* an empty folder could be replaced; nobody needs that */
    }
    for (size_t i = 0; i < m->n_names; i++) {
        char path[1024];
        if (strncmp(m->names[i].path, from, n) != 0 ||
            (m->names[i].path[n] != '/' && m->names[i].path[n] != '\0')) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s%s", to, m->names[i].path + n);
        struct name *b = find(m, path);
        b = b == NULL ? add(m, path) : b;
        struct name *a = &m->names[i];
        unpair(m, a);
        unpair(m, b);
        b->is_dir = a->is_dir;
        b->vol = a->vol;
        b->dur = a->dur;
        a->is_dir = false;
        a->vol = NULL;
        a->dur = NULL;
    }
    return SH_OK;
}

static sh_err mem_rename(void *ctx, const char *from, const char *to)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const struct name *a = find(m, from);
    const bool dir = a != NULL && a->is_dir;
    sh_err err =
        a == NULL || (a->vol == NULL && !dir) || !parent_exists(m, to) ? SH_E_NOTFOUND : tick(m);
    if (err == SH_OK && strcmp(from, to) != 0) {
        if (dir) {
            err = rename_dir(m, from, to);
        } else {
            rename_file(m, from, to);
        }
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_unlink(void *ctx, const char *path)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    struct name *n = find(m, path);
    const sh_err err = n == NULL || n->vol == NULL ? SH_E_NOTFOUND : tick(m);
    if (err == SH_OK) {
        n->vol = NULL;
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_link(void *ctx, const char *from, const char *to)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const struct name *a = find(m, from);
    struct inode *ino = a == NULL ? NULL : a->vol;
    struct name *b = find(m, to);
    sh_err err = ino == NULL || !parent_exists(m, to) ? SH_E_NOTFOUND : SH_OK;
    if (err == SH_OK && b != NULL && (b->is_dir || b->vol != NULL)) {
        err = SH_E_EXISTS;
    }
    err = err != SH_OK ? err : tick(m);
    if (err == SH_OK) {
        b = b == NULL ? add(m, to) : b; /* moves the names: `a` is not good any more */
        b->vol = ino;
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_mkdir(void *ctx, const char *path)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    struct name *n = find(m, path);
    sh_err err = SH_OK;
    if (n == NULL || (!n->is_dir && n->vol == NULL)) {
        err = parent_exists(m, path) ? tick(m) : SH_E_NOTFOUND;
        if (err == SH_OK) {
            n = n == NULL ? add(m, path) : n; /* it was there before */
            n->is_dir = true;
        }
    } else if (!n->is_dir) {
        err = SH_E_EXISTS;
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static bool inside(const char *path, const char *dir)
{
    const size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

static sh_err mem_rmdir(void *ctx, const char *path)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    struct name *n = find(m, path);
    sh_err err = n == NULL || !n->is_dir ? SH_E_NOTFOUND : tick(m);
    for (size_t i = 0; i < m->n_names && err == SH_OK; i++) {
        if (inside(m->names[i].path, path) && (m->names[i].is_dir || m->names[i].vol != NULL)) {
            err = SH_E_EXISTS;
        }
    }
    if (err == SH_OK) {
        n->is_dir = false;
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_sync_dir(void *ctx, const char *path)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    sh_err err = tick(m);
    if (err == SH_OK && m->fail_sync > 0) {
        m->fail_sync--;
        err = SH_E_IO;
    }
    for (size_t i = 0; i < m->n_names && err == SH_OK; i++) {
        struct name *n = &m->names[i];
        if (inside(n->path, path)) {
            n->dur = n->vol;
            if (n->pair != 0) { /* one step: the other folder knows it too */
                m->names[n->pair - 1].dur = m->names[n->pair - 1].vol;
                unpair(m, n);
            }
        }
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_list(void *ctx, const char *path,
                       sh_err (*fn)(void *fctx, const char *name, bool is_dir), void *fctx)
{
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const struct name *dir = find(m, path);
    sh_err err = dir == NULL || !dir->is_dir ? SH_E_NOTFOUND : SH_OK;
    const size_t skip = strlen(path) + 1;
    for (size_t i = 0; i < m->n_names && err == SH_OK; i++) {
        char name[512];
        if (!inside(m->names[i].path, path) || (m->names[i].vol == NULL && !m->names[i].is_dir)) {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s", m->names[i].path + skip);
        const bool is_dir = m->names[i].is_dir;
        sh_mutex_unlock(&m->lock); /* fn may call back */
        err = fn(fctx, name, is_dir);
        sh_mutex_lock(&m->lock);
    }
    sh_mutex_unlock(&m->lock);
    return err;
}

static sh_err mem_space(void *ctx, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    SH_UNUSED(path);
    struct sh_memfs *m = ctx;
    sh_mutex_lock(&m->lock);
    const uint64_t total = m->space == 0 ? UINT64_C(1) << 40 : m->space;
    const uint64_t in_use = used(m);
    sh_mutex_unlock(&m->lock);
    *total_bytes = total;
    *free_bytes = in_use > total ? 0 : total - in_use;
    return SH_OK;
}

struct sh_memfs *sh_memfs_new(uint64_t seed)
{
    struct sh_memfs *m = calloc(1, sizeof *m);
    SH_ASSERT(m != NULL);
    sh_mutex_init(&m->lock);
    m->cut_after = -1;
    m->rng = seed * 2 + 1;
    m->fs = (struct sh_fs){
        .open = mem_open,
        .close = mem_close,
        .pread = mem_pread,
        .pwrite = mem_pwrite,
        .sync = mem_sync,
        .size = mem_size,
        .truncate = mem_truncate,
        .prealloc = mem_prealloc,
        .map = mem_map,
        .unmap = mem_unmap,
        .rename = mem_rename,
        .unlink = mem_unlink,
        .link = mem_link,
        .mkdir = mem_mkdir,
        .rmdir = mem_rmdir,
        .sync_dir = mem_sync_dir,
        .list = mem_list,
        .space = mem_space,
        .ctx = m,
    };
    return m;
}

void sh_memfs_free(struct sh_memfs *m)
{
    for (size_t i = 0; i < m->n_names; i++) {
        free(m->names[i].path);
    }
    free(m->names);
    while (m->inodes != NULL) {
        struct inode *next = m->inodes->next;
        free(m->inodes->vol.p);
        free(m->inodes->dur.p);
        free(m->inodes);
        m->inodes = next;
    }
    sh_mutex_fini(&m->lock);
    free(m);
}

const struct sh_fs *sh_memfs_fs(struct sh_memfs *m)
{
    return &m->fs;
}

void sh_memfs_cut_after(struct sh_memfs *m, long n)
{
    sh_mutex_lock(&m->lock);
    m->cut_after = n;
    sh_mutex_unlock(&m->lock);
}

uint64_t sh_memfs_ops(const struct sh_memfs *m)
{
    return m->ops;
}

static void keep_sectors(struct sh_memfs *m, struct inode *ino)
{
    const size_t n = rng(m) % 2 == 0 ? ino->dur.n : ino->vol.n;
    const size_t both = ino->dur.n < ino->vol.n ? ino->dur.n : ino->vol.n;
    image_size(&ino->dur, n);
    for (size_t off = 0; off < ino->vol.n && off < n; off += SECTOR) {
        const size_t end = off + SECTOR;
        size_t len = (end < ino->vol.n ? end : ino->vol.n) - off;
        len = off + len > n ? n - off : len;
        const bool same = off + len <= both && memcmp(ino->dur.p + off, ino->vol.p + off, len) == 0;
        if (!same && rng(m) % 2 == 0) {
            memcpy(ino->dur.p + off, ino->vol.p + off, len);
        }
    }
    image_copy(&ino->vol, &ino->dur);
}

void sh_memfs_reboot(struct sh_memfs *m)
{
    sh_mutex_lock(&m->lock);
    for (struct inode *ino = m->inodes; ino != NULL; ino = ino->next) {
        keep_sectors(m, ino);
    }
    for (size_t i = 0; i < m->n_names; i++) {
        struct name *n = &m->names[i];
        const bool kept = n->vol != n->dur && rng(m) % 2 == 0;
        struct name *other = n->pair == 0 ? NULL : &m->names[n->pair - 1];
        n->dur = kept ? n->vol : n->dur;
        n->vol = n->dur;
        if (other != NULL) {
            other->dur = kept ? other->vol : other->dur;
            other->vol = other->dur;
            unpair(m, n);
        }
    }
    m->cut = false;
    m->cut_after = -1;
    sh_mutex_unlock(&m->lock);
}

void sh_memfs_fail_sync(struct sh_memfs *m, int n)
{
    sh_mutex_lock(&m->lock);
    m->fail_sync = n;
    sh_mutex_unlock(&m->lock);
}

void sh_memfs_fail_write(struct sh_memfs *m, int n)
{
    sh_mutex_lock(&m->lock);
    m->fail_write = n;
    sh_mutex_unlock(&m->lock);
}

void sh_memfs_set_space(struct sh_memfs *m, uint64_t total_bytes)
{
    sh_mutex_lock(&m->lock);
    m->space = total_bytes;
    sh_mutex_unlock(&m->lock);
}

bool sh_memfs_poke(struct sh_memfs *m, const char *path, uint64_t off, uint8_t xor_with)
{
    sh_mutex_lock(&m->lock);
    const struct name *n = find(m, path);
    const bool ok = n != NULL && n->vol != NULL && off < n->vol->vol.n;
    if (ok) {
        n->vol->vol.p[off] ^= xor_with;
        image_copy(&n->vol->dur, &n->vol->vol);
    }
    sh_mutex_unlock(&m->lock);
    return ok;
}
