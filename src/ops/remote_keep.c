/* remote_keep.c - which copies an SFTP server holds; removing old ones and what no copy names.
 *
 * An object goes only when the manifests of all copies that stay were read whole and none names it:
 * one that cannot be read keeps everything.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "remote_int.h"

enum { DEAD = 256 }; /* names that are removed after one listing; the rest at the next */

struct names {
    const uint8_t *kept; /* hashes, ascending */
    size_t n;
    char dead[DEAD][SH_HASH_HEX + 16];
    size_t dead_n;
};

struct hashes {
    uint8_t *p;
    size_t n;
    size_t cap;
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, SH_HASH_BYTES);
}

static sh_err add_manifest(struct remote *r, const char *id, struct hashes *h)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    struct ops_manifest m = {.n = 0};
    SH_TRY(remote_path(r, path, id, "manifest.json"));
    SH_TRY(remote_read_text(r, path, REMOTE_MANIFEST_MAX, &text));
    sh_err err = ops_manifest_parse(r->env, r->o->crypto, text, &m);
    sh_str_free(r->env->alloc, &text);
    if (err == SH_OK && h->n + m.n > h->cap) {
        const size_t cap = (h->n + m.n) * 2;
        uint8_t *p = sh_mem_resize(r->env->alloc, h->p, cap * SH_HASH_BYTES);
        err = p == NULL ? SH_E_NOMEM : SH_OK;
        h->p = p == NULL ? h->p : p;
        h->cap = p == NULL ? h->cap : cap;
    }
    for (size_t i = 0; err == SH_OK && i < m.n; i++) {
        memcpy(h->p + h->n++ * SH_HASH_BYTES, m.files[i].hash, SH_HASH_BYTES);
    }
    ops_manifest_free(&m);
    return err;
}

/* "<hash>" that is kept, or not; anything else that looks like ours: "<hash>.part". */
static sh_err weigh(void *ctx, const char *name, const struct sftp_stat *st)
{
    struct names *l = ctx;
    char hex[SH_HASH_HEX];
    const size_t n = strlen(name);
    const size_t digits = SH_HASH_HEX - 1;
    if (st->is_dir || n < digits || n >= sizeof l->dead[0] || l->dead_n == DEAD ||
        strspn(name, "0123456789abcdef") != digits ||
        (n != digits && strcmp(name + digits, ".part") != 0)) {
        return SH_OK;
    }
    size_t low = 0;
    size_t high = l->n;
    while (n == digits && low < high) {
        const size_t at = low + (high - low) / 2;
        sh_hash_hex(l->kept + at * SH_HASH_BYTES, hex);
        const int way = strcmp(name, hex);
        if (way == 0) {
            return SH_OK;
        }
        high = way < 0 ? at : high;
        low = way < 0 ? low : at + 1;
    }
    memcpy(l->dead[l->dead_n++], name, n + 1);
    return SH_OK;
}

static sh_err sweep_one(struct remote *r, const char *dir, struct names *l)
{
    char path[OPS_PATH];
    SH_TRY(remote_path(r, path, dir, ""));
    do {
        l->dead_n = 0;
        const sh_err err = sftp_list(r->s, path, weigh, l);
        if (err != SH_OK) {
            return err == SH_E_NOTFOUND ? SH_OK : err;
        }
        for (size_t i = 0; i < l->dead_n; i++) {
            SH_TRY(remote_path(r, path, dir, l->dead[i]));
            SH_TRY(sftp_unlink(r->s, path));
        }
        SH_TRY(remote_path(r, path, dir, ""));
    } while (l->dead_n == DEAD);
    return SH_OK;
}

static sh_err sweep(struct remote *r, const struct sh_remote_copy *stay, size_t n)
{
    struct hashes h = {.n = 0};
    struct names *l = sh_mem_new(r->env->alloc, sizeof *l);
    sh_err err = l == NULL ? SH_E_NOMEM : SH_OK;
    for (size_t i = 0; err == SH_OK && i < n; i++) {
        err = add_manifest(r, stay[i].id, &h);
    }
    if (err == SH_OK) {
        if (h.n > 0) {
            qsort(h.p, h.n, SH_HASH_BYTES, by_bytes);
        }
        l->kept = h.p;
        l->n = h.n;
    }
    for (unsigned i = 0; err == SH_OK && i < 256; i++) {
        char dir[16];
        (void)snprintf(dir, sizeof dir, "objects/%02x", i);
        err = sweep_one(r, dir, l);
    }
    sh_mem_free(r->env->alloc, h.p);
    sh_mem_free(r->env->alloc, l);
    return err;
}

static sh_err drop(struct remote *r, const char *id)
{
    char path[OPS_PATH];
    SH_TRY(remote_path(r, path, id, "manifest.json"));
    SH_TRY(sftp_unlink(r->s, path));
    SH_TRY(remote_path(r, path, id, ""));
    const sh_err err = sftp_rmdir(r->s, path);
    return err == SH_E_IO ? SH_OK : err; /* a file of somebody else lies in it */
}

sh_err remote_tidy(struct remote *r, const char *just, uint64_t *removed)
{
    struct sh_remote_copy *copies = NULL;
    size_t n = 0;
    SH_TRY(remote_refused(r, remote_copies(r, &copies, &n), "list the copies"));
    const size_t go = ops_remote_surplus(copies, n, r->o->target.keep, just);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < go; i++) {
        err = drop(r, copies[i].id);
        *removed += err == SH_OK;
    }
    if (err == SH_OK && *removed > 0) {
        err = sweep(r, copies + go, n - go);
    }
    sh_mem_free(r->env->alloc, copies);
    if (err == SH_E_CORRUPT || err == SH_E_UNSUPPORTED || err == SH_E_LIMIT) {
        sh_log(r->env->log, SH_LOG_WARN, "backup",
               "SFTP: a manifest there cannot be read (%s): no file of old copies is removed",
               sh_err_name(err));
        return SH_OK;
    }
    return remote_refused(r, err, "remove an old copy");
}

/* ---- listing ---- */

struct listing {
    struct remote r;
    struct sh_remote_copy *copies;
    size_t n;
};

static sh_err list_once(void *ctx)
{
    struct listing *l = ctx;
    return remote_refused(&l->r, remote_copies(&l->r, &l->copies, &l->n), "list the copies");
}

sh_err sh_remote_list(const struct sh_remote_options *o,
                      sh_err (*fn)(void *ctx, const struct sh_remote_copy *c), void *ctx,
                      struct sh_diag *diag)
{
    struct listing l = {.r = {.o = o, .env = o->env, .diag = diag}};
    sh_err err = ops_copier_init(&l.r.c, o->env, o->crypto);
    err = err != SH_OK ? err : remote_run(&l.r, list_once, &l);
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        err = fn(ctx, &l.copies[i]);
    }
    sh_mem_free(o->env->alloc, l.copies);
    ops_copier_fini(&l.r.c);
    return err;
}
