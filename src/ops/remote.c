/* remote.c - copies of backups on an SFTP server: sending one; what sending, listing and fetching
 * share. The layout is in remote.h.
 *
 * Order of a send: the folder and its owner -> which objects are there (one listing per two hex
 * digits) -> room -> each missing object (read, hashed, sent beside its name, synced, measured,
 * renamed) -> manifest, written last and read back -> old copies removed. Begun again after a
 * break it finds what is there already, so it goes on where it was.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "remote_int.h"

enum { TRIES = 5, OWNER_MAX = 64, PAUSE_SLICE_US = 200000 };

/* ---- shared ---- */

sh_err remote_path(const struct remote *r, char out[OPS_PATH], const char *a, const char *b)
{
    const int n =
        snprintf(out, OPS_PATH, "%s/%s%s%s", sftp_folder(r->s), a, b[0] == '\0' ? "" : "/", b);
    return n < 0 || n >= OPS_PATH ? SH_E_LIMIT : SH_OK;
}

sh_err remote_object(const struct remote *r, char out[OPS_PATH], const uint8_t hash[SH_HASH_BYTES])
{
    char hex[SH_HASH_HEX];
    char dir[16];
    sh_hash_hex(hash, hex);
    (void)snprintf(dir, sizeof dir, "objects/%.2s", hex);
    return remote_path(r, out, dir, hex);
}

sh_err remote_refused(struct remote *r, sh_err err, const char *what)
{
    if (err == SH_OK || r->diag->message[0] != '\0' || err == SH_E_CLOSED || err == SH_E_TIMEOUT ||
        err == SH_E_CANCELED || err == SH_E_AGAIN || err == SH_E_NOMEM) {
        return err;
    }
    sh_diag_set(r->diag, "the SFTP server refused to %s: %s", what,
                err == SH_E_IO ? "it does not say why" : sh_err_name(err));
    if (err == SH_E_DENIED) {
        sh_diag_remedy(r->diag, "let the user write in the folder of backup.sftp");
    } else {
        sh_diag_remedy(r->diag, "look whether its disk or the user's quota is full, and whether "
                                "the user may write in the folder");
    }
    return err;
}

sh_err remote_read_text(struct remote *r, const char *path, size_t max, struct sh_str *out)
{
    struct sftp_stat st;
    SH_TRY(sftp_stat(r->s, path, &st));
    if (st.size > max) {
        return SH_E_LIMIT;
    }
    SH_TRY(sftp_read_open(r->s, path));
    char *p = sh_mem_new(r->env->alloc, (size_t)st.size + 1);
    size_t n = 0;
    sh_err err = p == NULL ? SH_E_NOMEM : SH_OK;
    while (err == SH_OK && n < st.size) {
        size_t got = 0;
        err = sftp_read(r->s, (uint8_t *)p + n, (size_t)st.size - n, &got);
        if (got == 0) {
            break;
        }
        n += got;
    }
    sftp_file_close(r->s);
    if (err != SH_OK) {
        sh_mem_free(r->env->alloc, p);
        return err;
    }
    *out = sh_str_of(p, n);
    return SH_OK;
}

/* What lies at `to` already goes: a rename of SFTP 3 does not replace. */
static sh_err put_in_place(struct remote *r, const char *from, const char *to)
{
    struct sftp_stat st;
    sh_err err = sftp_stat(r->s, to, &st);
    if (err == SH_OK) {
        err = sftp_unlink(r->s, to);
    }
    return err == SH_OK || err == SH_E_NOTFOUND ? sftp_rename(r->s, from, to) : err;
}

sh_err remote_write_text(struct remote *r, const char *path, struct sh_str text)
{
    char part[OPS_PATH];
    uint64_t size = 0;
    const int n = snprintf(part, sizeof part, "%s.part", path);
    if (n < 0 || n >= OPS_PATH) {
        return SH_E_LIMIT;
    }
    SH_TRY(sftp_create(r->s, part));
    sh_err err = sftp_write(r->s, sh_str_bytes(text));
    err = err != SH_OK ? err : sftp_finish(r->s, &size);
    if (err != SH_OK) {
        sftp_file_close(r->s);
        return err;
    }
    return size == text.n ? put_in_place(r, part, path) : SH_E_IO;
}

/* ---- breaks ---- */

static bool may_return(sh_err err)
{
    return err == SH_E_CLOSED || err == SH_E_TIMEOUT;
}

static sh_err pause_for(struct remote *r, int64_t us)
{
    const int64_t until = sh_mono_us(r->env->clock) + us;
    while (sh_mono_us(r->env->clock) < until) {
        SH_TRY(remote_stopped(r->o));
        sh_mutex_lock(&r->c.lock);
        (void)sh_cond_wait_for(&r->c.cond, &r->c.lock, PAUSE_SLICE_US);
        sh_mutex_unlock(&r->c.lock);
    }
    return SH_OK;
}

static sh_err once(struct remote *r, sh_err (*one)(void *ctx), void *ctx)
{
    sh_err err = sftp_open(r->o, &r->s, r->diag);
    err = err != SH_OK ? err : one(ctx);
    sftp_close(r->s);
    r->s = NULL;
    return err;
}

sh_err remote_run(struct remote *r, sh_err (*one)(void *ctx), void *ctx)
{
    unsigned tries = 0;
    for (;;) {
        const uint64_t before = r->steps;
        *r->diag = (struct sh_diag){.line = 0};
        const sh_err err = once(r, one, ctx);
        tries = r->steps != before ? 1 : tries + 1;
        if (!may_return(err) || tries >= TRIES) {
            if (err != SH_OK && r->diag->message[0] == '\0') {
                sh_diag_set(r->diag,
                            may_return(err) ? "the connection to the SFTP server broke (%s)"
                                            : "the work on the SFTP server ended: %s",
                            sh_err_name(err));
                sh_diag_remedy(r->diag, "look at the network and the server's log; it is tried "
                                        "again by itself");
            }
            return err;
        }
        sh_log(r->env->log, SH_LOG_WARN, "backup", "SFTP: %s; again in %u s",
               r->diag->message[0] != '\0' ? r->diag->message : "the connection broke",
               1U << tries);
        SH_TRY(pause_for(r, INT64_C(1000000) << tries));
    }
}

/* ---- the copies ---- */

struct copies {
    struct remote *r;
    struct sh_remote_copy *p;
    size_t n;
};

static sh_err one_copy(void *ctx, const char *name, const struct sftp_stat *st)
{
    struct copies *c = ctx;
    if (!st->is_dir || !sh_backup_id_ok(sh_str_c(name))) {
        return SH_OK;
    }
    if (c->n == REMOTE_COPIES) {
        return SH_E_LIMIT;
    }
    (void)snprintf(c->p[c->n].id, SH_BACKUP_ID, "%s", name);
    c->n++;
    return SH_OK;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct sh_remote_copy *)a)->id, ((const struct sh_remote_copy *)b)->id);
}

/* Those with a manifest move to the front. */
static sh_err only_whole(struct copies *c)
{
    size_t whole = 0;
    for (size_t i = 0; i < c->n; i++) {
        char path[OPS_PATH];
        struct sftp_stat st;
        SH_TRY(remote_path(c->r, path, c->p[i].id, "manifest.json"));
        const sh_err err = sftp_stat(c->r->s, path, &st);
        if (err == SH_OK) {
            c->p[i].copied_us = st.mtime_us;
            c->p[whole++] = c->p[i];
        } else if (err != SH_E_NOTFOUND) {
            return err;
        }
    }
    c->n = whole;
    return SH_OK;
}

sh_err remote_copies(struct remote *r, struct sh_remote_copy **out, size_t *n)
{
    struct copies c = {.r = r};
    c.p = sh_mem_array(r->env->alloc, REMOTE_COPIES, sizeof *c.p);
    if (c.p == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = sftp_list(r->s, sftp_folder(r->s), one_copy, &c);
    err = err == SH_E_NOTFOUND ? SH_OK : err; /* nothing was sent yet */
    if (err == SH_OK && c.n > 0) {
        qsort(c.p, c.n, sizeof *c.p, by_id);
        err = only_whole(&c);
    }
    if (err != SH_OK) {
        sh_mem_free(r->env->alloc, c.p);
        return err;
    }
    *out = c.p;
    *n = c.n;
    return SH_OK;
}

/* ---- sending ---- */

struct slot {
    const struct ops_file *f;
    bool there;
};

struct send {
    struct remote r;
    const char *id;
    const char *owner;
    char backup[OPS_PATH];
    struct sh_str text; /* of the manifest */
    struct ops_manifest m;
    struct slot *slots; /* by hash; equal contents once */
    size_t n;
    struct sh_remote_done *out;
};

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct slot *)a)->f->hash, ((const struct slot *)b)->f->hash,
                  SH_HASH_BYTES);
}

static sh_err read_backup(struct send *s)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, s->backup, "manifest.json"));
    SH_TRY(ops_manifest_read(s->r.env, s->r.o->crypto, s->backup, &s->m, s->r.diag));
    SH_TRY(sh_fs_read_all(s->r.env->fs, s->r.env->alloc, path, REMOTE_MANIFEST_MAX, &s->text));
    s->slots = sh_mem_array(s->r.env->alloc, s->m.n + 1, sizeof *s->slots);
    if (s->slots == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < s->m.n; i++) {
        s->slots[i].f = &s->m.files[i];
        s->out->bytes += s->m.files[i].size;
    }
    s->out->files = s->m.n;
    qsort(s->slots, s->m.n, sizeof *s->slots, by_hash);
    for (size_t i = 0; i < s->m.n; i++) {
        if (s->n == 0 || by_hash(&s->slots[s->n - 1], &s->slots[i]) != 0) {
            s->slots[s->n++] = s->slots[i];
        }
    }
    return SH_OK;
}

/* One folder of backups on a server belongs to one node: another's tidying up would remove what
 * this one just sent. */
static sh_err own(struct send *s)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    struct remote *r = &s->r;
    SH_TRY(remote_refused(r, sftp_mkdirs(r->s, sftp_folder(r->s)), "make the folder"));
    SH_TRY(remote_path(r, path, "owner", ""));
    sh_err err = remote_read_text(r, path, OWNER_MAX, &text);
    if (err == SH_E_NOTFOUND) {
        return remote_refused(r, remote_write_text(r, path, sh_str_c(s->owner)),
                              "write in the folder");
    }
    if (err == SH_OK && !sh_str_eqc(sh_str_trim(text), s->owner)) {
        sh_diag_set(r->diag, "the folder on the SFTP server holds the copies of another node");
        sh_diag_remedy(r->diag, "name another folder in backup.sftp; when that node is gone for "
                                "good and this one takes its place, remove the file owner there");
        err = SH_E_STATE;
    }
    sh_str_free(r->env->alloc, &text);
    return remote_refused(r, err, "read the folder");
}

static bool hash_of(const char *name, uint8_t out[SH_HASH_BYTES])
{
    for (size_t i = 0; i < (size_t)SH_HASH_BYTES * 2; i++) {
        const char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        const uint8_t v = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        out[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
    }
    return name[(size_t)SH_HASH_BYTES * 2] == '\0';
}

static sh_err mark(void *ctx, const char *name, const struct sftp_stat *st)
{
    struct send *s = ctx;
    struct ops_file f = {.path = ""};
    const struct slot key = {.f = &f};
    if (!hash_of(name, f.hash)) {
        return SH_OK;
    }
    struct slot *found = bsearch(&key, s->slots, s->n, sizeof key, by_hash);
    if (found != NULL) {
        found->there = found->f->size == st->size;
    }
    return SH_OK;
}

static sh_err look(struct send *s)
{
    char dir[OPS_PATH];
    for (size_t i = 0; i < s->n; i++) {
        s->slots[i].there = false;
    }
    for (size_t i = 0; i < s->n; i++) {
        char name[16];
        const unsigned first = s->slots[i].f->hash[0];
        if (i > 0 && s->slots[i - 1].f->hash[0] == first) {
            continue;
        }
        (void)snprintf(name, sizeof name, "objects/%02x", first);
        SH_TRY(remote_path(&s->r, dir, name, ""));
        sh_err err = sftp_list(s->r.s, dir, mark, s);
        if (err == SH_E_NOTFOUND) {
            err = sftp_mkdirs(s->r.s, dir);
        }
        SH_TRY(remote_refused(&s->r, err, "list or make a folder"));
    }
    return SH_OK;
}

static sh_err room(struct send *s)
{
    uint64_t need = s->text.n;
    uint64_t free_bytes = 0;
    for (size_t i = 0; i < s->n; i++) {
        need += s->slots[i].there ? 0 : s->slots[i].f->size;
    }
    const sh_err err = sftp_space(s->r.s, sftp_folder(s->r.s), &free_bytes);
    if (err == SH_OK && free_bytes < need) {
        sh_diag_set(s->r.diag,
                    "the copy needs %" PRIu64 " MiB, the SFTP server has %" PRIu64 " MiB",
                    (need >> 20) + 1, free_bytes >> 20);
        sh_diag_remedy(s->r.diag, "free space there, or lower backup.sftp_keep");
        return SH_E_FULL;
    }
    return err == SH_E_UNSUPPORTED ? SH_OK : err;
}

static sh_err pour(struct send *s, struct sh_file *in, uint64_t *size)
{
    struct ops_copier *c = &s->r.c;
    for (*size = 0;;) {
        size_t got = 0;
        SH_TRY(sh_fs_pread(c->env->fs, in, c->buf, OPS_CHUNK, *size, &got));
        if (got == 0) {
            return SH_OK;
        }
        const struct sh_bytes b = sh_bytes_of(c->buf, got);
        SH_TRY(sh_hasher_add(c->hasher, b));
        SH_TRY(remote_refused(&s->r, sftp_write(s->r.s, b), "write a file"));
        *size += got;
        s->out->sent += got;
        SH_TRY(ops_copier_pace(c, got));
        SH_TRY(remote_stopped(s->r.o));
    }
}

static sh_err damaged(struct send *s, const struct ops_file *f)
{
    sh_diag_set(s->r.diag, "the local backup is damaged: data/%.150s", f->path);
    sh_diag_remedy(s->r.diag, "make another backup, and look at the disk it lies on");
    return SH_E_CORRUPT;
}

static sh_err send_one(struct send *s, const struct ops_file *f)
{
    struct remote *r = &s->r;
    char from[OPS_PATH];
    char to[OPS_PATH];
    char part[OPS_PATH + 8];
    uint8_t hash[SH_HASH_BYTES] = {0};
    uint64_t size = 0;
    uint64_t there = 0;
    struct sh_file *in = NULL;
    const int n = snprintf(from, sizeof from, "%s/data/%s", s->backup, f->path);
    if (n < 0 || n >= OPS_PATH) {
        return SH_E_LIMIT;
    }
    SH_TRY(remote_object(r, to, f->hash));
    (void)snprintf(part, sizeof part, "%s.part", to);
    if (sh_fs_open(r->env->fs, from, SH_FS_READ, &in) != SH_OK) {
        return damaged(s, f);
    }
    sh_err err = remote_refused(r, sftp_create(r->s, part), "make a file");
    if (err == SH_OK) {
        err = pour(s, in, &size);
        const sh_err ended = sh_hasher_end(r->c.hasher, hash);
        err = err != SH_OK ? err : ended;
    }
    sh_fs_close(r->env->fs, in);
    if (err == SH_OK && (size != f->size || memcmp(hash, f->hash, sizeof hash) != 0)) {
        err = damaged(s, f);
    }
    err = err != SH_OK ? err : remote_refused(r, sftp_finish(r->s, &there), "sync a file");
    if (err == SH_OK && there != size) {
        err = remote_refused(r, SH_E_IO, "keep all of a file");
    }
    err = err != SH_OK ? err : remote_refused(r, put_in_place(r, part, to), "rename a file");
    r->steps += err == SH_OK;
    return err;
}

/* The manifest is what makes it a copy: written last, and read back. */
static sh_err finish(struct send *s)
{
    struct remote *r = &s->r;
    char path[OPS_PATH];
    struct sh_str back = {NULL, 0};
    SH_TRY(remote_path(r, path, s->id, ""));
    SH_TRY(remote_refused(r, sftp_mkdirs(r->s, path), "make a folder"));
    SH_TRY(remote_path(r, path, s->id, "manifest.json"));
    SH_TRY(remote_refused(r, remote_write_text(r, path, s->text), "write the manifest"));
    SH_TRY(remote_refused(r, remote_read_text(r, path, REMOTE_MANIFEST_MAX, &back),
                          "give the manifest back"));
    const bool same = sh_str_eq(back, s->text);
    sh_str_free(r->env->alloc, &back);
    if (!same) {
        return remote_refused(r, SH_E_IO, "give back the manifest that was sent");
    }
    return SH_OK;
}

static sh_err send_all(void *ctx)
{
    struct send *s = ctx;
    struct sh_backup_progress *p = s->r.o->progress;
    if (p != NULL) {
        atomic_store(&p->total_bytes, s->out->bytes);
        atomic_store(&p->done_bytes, 0);
        atomic_store(&p->files, 0);
    }
    SH_TRY(own(s));
    SH_TRY(look(s));
    SH_TRY(room(s));
    for (size_t i = 0; i < s->n; i++) {
        SH_TRY(remote_stopped(s->r.o));
        if (!s->slots[i].there) {
            SH_TRY(send_one(s, s->slots[i].f));
        } else if (p != NULL) {
            (void)atomic_fetch_add(&p->done_bytes, s->slots[i].f->size);
        }
        if (p != NULL) {
            (void)atomic_fetch_add(&p->files, 1);
        }
    }
    SH_TRY(finish(s));
    return remote_tidy(&s->r, s->id, &s->out->removed);
}

sh_err sh_remote_send(const struct sh_remote_options *o, const char *folder, const char *id,
                      const char *owner, struct sh_remote_done *out, struct sh_diag *diag)
{
    struct send s = {.r = {.o = o, .env = o->env, .diag = diag}, .id = id, .owner = owner};
    *out = (struct sh_remote_done){.files = 0};
    s.out = out;
    sh_err err = ops_copier_init(&s.r.c, o->env, o->crypto);
    s.r.c.progress = o->progress;
    s.r.c.rate = o->rate;
    err = err != SH_OK ? err : ops_join(s.backup, folder, id);
    err = err != SH_OK ? err : read_backup(&s);
    err = err != SH_OK ? err : remote_run(&s.r, send_all, &s);
    sh_mem_free(o->env->alloc, s.slots);
    sh_str_free(o->env->alloc, &s.text);
    ops_manifest_free(&s.m);
    ops_copier_fini(&s.r.c);
    return err;
}
