/* ring_file.c - keys/ring of a data folder. Paths in fs.h's way.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ring_int.h"

enum { PATH_SIZE = 512 };

static bool path_of(const char *dir, char out[PATH_SIZE])
{
    const int n = snprintf(out, PATH_SIZE, "%s/keys/ring", dir);
    return n > 0 && n < PATH_SIZE;
}

/* Before there were rings the keys came from keys/node.key itself: they stay what they are. */
static sh_err ring_of_before(const struct sh_crypto *c, const struct sh_master *m,
                             struct sh_ring *out)
{
    const uint8_t *master = sh_master_bytes(m);
    memset(out, 0, sizeof *out);
    if (sh_master_kind(m) != SH_MASTER_FILE) {
        return SH_E_NOTFOUND;
    }
    memcpy(out->root, master, SH_KEY_BYTES);
    out->nkeys = 1;
    out->keys[0].box.id = 1;
    out->keys[0].box.kind = SH_BOX_AES_GCM;
    return sh_crypto_derive(c, master, SH_STR("guard box"), out->keys[0].box.key);
}

/* Of "file, environment, sheet". */
static unsigned masters_of(const char *kinds)
{
    struct sh_str rest = sh_str_c(kinds);
    unsigned n = 0;
    while (rest.n > 0) {
        n += sh_str_eqc(sh_str_trim(sh_str_cut(rest, ',', &rest)), "sheet") ? 0 : 1;
    }
    return n;
}

static sh_err explain(sh_err err, struct sh_master *m, const char *kinds, struct sh_diag *diag)
{
    if (err == SH_E_DENIED) {
        sh_diag_set(diag, "The keys of this data folder are kept under another master key than %s.",
                    sh_master_label(m));
        sh_diag_remedy(diag, "Put the key that belongs to keys/ring back (from the backup of the "
                             "same day), or use the recovery sheet: songhua keys recover.");
        return SH_E_STATE;
    }
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(diag,
                    "The keys of this data folder are kept under: %s; guard.master_key says "
                    "%s.",
                    kinds[0] == '\0' ? "nothing that is known" : kinds,
                    sh_master_kind_name(sh_master_kind(m)));
        sh_diag_remedy(diag, "Set guard.master_key to what it was; songhua keys move changes it.");
        return SH_E_STATE;
    }
    if (err == SH_E_PROTO || err == SH_E_CORRUPT) {
        sh_diag_set(diag, "keys/ring is damaged.");
        sh_diag_remedy(diag, "Put keys/ring from a backup back.");
        return SH_E_CORRUPT;
    }
    return err;
}

sh_err sh_ring_load(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                    struct sh_master *m, struct sh_ring *out, struct sh_ring_found *found,
                    struct sh_diag *diag)
{
    char path[PATH_SIZE];
    char kinds[SH_RING_BY] = "";
    struct sh_str text = {NULL, 0};
    *found = (struct sh_ring_found){.before = false};
    if (!path_of(dir, path)) {
        return SH_E_INVAL;
    }
    sh_err err = sh_fs_read_all(env->fs, env->alloc, path, SH_RING_FILE_MAX, &text);
    if (err == SH_E_NOTFOUND) {
        found->before = true;
        return ring_of_before(c, m, out);
    }
    if (err != SH_OK) {
        return err == SH_E_LIMIT ? explain(SH_E_CORRUPT, m, kinds, diag) : err;
    }
    err = sh_ring_read(env, c, text, m, out, kinds);
    sh_str_free(env->alloc, &text);
    found->other = masters_of(kinds) > 1;
    return err == SH_OK ? err : explain(err, m, kinds, diag);
}

sh_err sh_ring_store(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                     const struct sh_ring *r, struct sh_master *const *masters, size_t n)
{
    char path[PATH_SIZE];
    struct sh_buf text;
    if (!path_of(dir, path)) {
        return SH_E_INVAL;
    }
    sh_buf_init(&text, env->alloc, SH_RING_FILE_MAX);
    sh_err err = sh_ring_write(env, c, r, masters, n, &text);
    err = err != SH_OK ? err : sh_fs_replace(env->fs, path, sh_buf_bytes(&text));
    sh_buf_fini(&text);
    return err;
}

/* Wrapped by both while the file of the master is exchanged: a power cut at any point leaves a
 * master that opens it. */
sh_err sh_ring_renew_master(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                            const struct sh_ring *r, struct sh_master **m)
{
    struct sh_master *next = NULL;
    SH_TRY(sh_master_renew(*m, &next));
    struct sh_master *both[] = {*m, next};
    sh_err err = sh_ring_store(env, c, dir, r, both, 2);
    err = err != SH_OK ? err : sh_master_store(next);
    if (err != SH_OK) {
        sh_master_close(next);
        return err;
    }
    sh_master_close(*m);
    *m = next;
    return sh_ring_store(env, c, dir, r, m, 1);
}

sh_err sh_ring_load_sheet(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                          const uint8_t seed[SH_SHEET_SEED], struct sh_ring *out)
{
    char path[PATH_SIZE];
    struct sh_str text = {NULL, 0};
    if (!path_of(dir, path)) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, SH_RING_FILE_MAX, &text));
    const sh_err err = sh_ring_read_sheet(env, c, text, seed, out);
    sh_str_free(env->alloc, &text);
    return err;
}
