/* list.c - the folder of backups: which are there, removing one, removing what is unfinished.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ops_int.h"

static const struct sh_str prefix = {"songhua-", 8};
static const struct sh_str rehearsal = {"rehearsal-", 10};
static const struct sh_str fetch = {"fetch-", 6};

bool sh_backup_id_ok(struct sh_str id)
{
    if (!sh_str_starts(id, prefix) || id.n <= prefix.n || id.n >= SH_BACKUP_ID) {
        return false;
    }
    for (size_t i = prefix.n; i < id.n; i++) {
        const char c = id.p[i];
        if (!((c >= '0' && c <= '9') || c == 'T' || c == 'Z' || c == '-')) {
            return false;
        }
    }
    return true;
}

sh_err sh_backup_info(const struct sh_env *env, const struct sh_crypto *crypto, const char *backup,
                      struct sh_backup_info *out, struct sh_diag *diag)
{
    struct ops_manifest m;
    const sh_err err = ops_manifest_read(env, crypto, backup, &m, diag);
    *out = m.info;
    ops_manifest_free(&m);
    return err;
}

sh_err sh_backup_list(const struct sh_env *env, const struct sh_crypto *crypto, const char *folder,
                      sh_err (*fn)(void *ctx, const struct sh_backup_info *i), void *ctx)
{
    struct ops_names l;
    SH_TRY(ops_names_read(env, folder, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char path[OPS_PATH];
        struct sh_backup_info info;
        if (!l.p[i].is_dir || !sh_backup_id_ok(sh_str_c(l.p[i].name))) {
            continue;
        }
        err = ops_join(path, folder, l.p[i].name);
        if (err == SH_OK) {
            err = sh_backup_info(env, crypto, path, &info, NULL);
            if (err == SH_OK) {
                err = fn(ctx, &info);
            } else if (err != SH_E_NOMEM) {
                err = SH_OK; /* not whole, or damaged: not a backup */
            }
        }
    }
    ops_names_free(env, &l);
    return err;
}

static sh_err remove_at(const struct sh_env *env, const char *folder, const char *name)
{
    char path[OPS_PATH];
    char manifest[OPS_PATH];
    SH_TRY(ops_join(path, folder, name));
    SH_TRY(ops_join(manifest, path, "manifest.json"));
    const sh_err err = sh_fs_unlink(env->fs, manifest);
    if (err == SH_OK) { /* from here on it is an unfinished one */
        SH_TRY(sh_fs_sync_dir(env->fs, path));
    } else if (err != SH_E_NOTFOUND) {
        return err;
    }
    SH_TRY(ops_tree_remove(env, path));
    return sh_fs_sync_dir(env->fs, folder);
}

sh_err sh_backup_remove(const struct sh_env *env, const char *folder, struct sh_str id)
{
    char name[SH_BACKUP_ID];
    char path[OPS_PATH];
    char manifest[OPS_PATH];
    if (!sh_backup_id_ok(id)) {
        return SH_E_INVAL;
    }
    memcpy(name, id.p, id.n);
    name[id.n] = '\0';
    SH_TRY(ops_join(path, folder, name));
    SH_TRY(ops_join(manifest, path, "manifest.json"));
    return ops_exists(env, manifest) ? remove_at(env, folder, name) : SH_E_NOTFOUND;
}

sh_err sh_backup_sweep(const struct sh_env *env, const char *folder, uint64_t *removed)
{
    struct ops_names l;
    uint64_t n = 0;
    SH_TRY(ops_names_read(env, folder, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char path[OPS_PATH];
        char manifest[OPS_PATH];
        const struct sh_str name = sh_str_c(l.p[i].name);
        const bool left = sh_str_starts(name, rehearsal) || sh_str_starts(name, fetch);
        if (!l.p[i].is_dir || (!left && !sh_backup_id_ok(name))) {
            continue;
        }
        err = ops_join(path, folder, l.p[i].name);
        err = err != SH_OK ? err : ops_join(manifest, path, "manifest.json");
        if (err == SH_OK && (left || !ops_exists(env, manifest))) {
            err = remove_at(env, folder, l.p[i].name);
            n += err == SH_OK;
        }
    }
    ops_names_free(env, &l);
    if (removed != NULL) {
        *removed = n;
    }
    return err;
}
