/* restore.c - a backup becomes a data folder.
 * States of DIR: empty -> (restoring is written, durably) being filled -> (all synced, then
 * restoring is removed, durably) whole. A server and the off-line tools refuse a folder with
 * `restoring`. What fails is taken back; after a power cut the folder is refused and removed by
 * hand. SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include <sh/guard.h>

#include "ops_int.h"

#define MARK "restoring"

struct restore {
    const struct sh_restore_options *o;
    const struct sh_env *env;
    struct ops_copier c;
    struct ops_manifest m;
    char data[OPS_PATH]; /* of the backup */
    struct sh_diag *diag;
    struct sh_buf box;
    enum sh_restore_keys keys; /* that the folder has */
};

bool sh_restore_unfinished(const struct sh_env *env, const char *dir)
{
    char path[OPS_PATH];
    return ops_join(path, dir, MARK) == SH_OK && ops_exists(env, path);
}

static sh_err say(struct restore *r, sh_err err, const char *message, const char *remedy)
{
    sh_diag_at(r->diag, sh_str_c(r->o->dir), 0);
    sh_diag_set(r->diag, "%s", message);
    sh_diag_remedy(r->diag, "%s", remedy);
    return err;
}

static sh_err target_empty(struct restore *r)
{
    struct ops_names l;
    size_t others = 0;
    SH_TRY(ops_names_read(r->env, r->o->dir, &l));
    for (size_t i = 0; i < l.n; i++) {
        others += strcmp(l.p[i].name, "lost+found") != 0; /* of an empty file system */
    }
    ops_names_free(r->env, &l);
    if (others > 0) {
        return say(r, SH_E_EXISTS, "the folder is not empty; a restore never writes over data",
                   "name a folder that is missing or empty");
    }
    return SH_OK;
}

/* ---- keys ---- */

static sh_err no_file(void *ctx, struct sh_str name, struct sh_bytes data)
{
    SH_UNUSED(ctx);
    SH_UNUSED(name);
    SH_UNUSED(data);
    return SH_OK;
}

static sh_err read_box(struct restore *r)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    SH_TRY(ops_join(path, r->data, OPS_KEYS_FILE));
    SH_TRY(sh_fs_read_all(r->env->fs, r->env->alloc, path, 8 << 20, &text));
    const sh_err err = sh_buf_put_str(&r->box, text);
    sh_str_free(r->env->alloc, &text);
    return err;
}

/* SH_E_DENIED: the passphrase does not open them. */
static sh_err try_box(struct restore *r)
{
    SH_TRY(read_box(r));
    return ops_keys_open(r->env, r->o->crypto, sh_buf_bytes(&r->box), r->o->passphrase, no_file,
                         NULL);
}

/* Before anything is written: are the keys wanted, and does the passphrase open them? */
static sh_err check_keys(struct restore *r)
{
    const bool have = ops_manifest_find(&r->m, OPS_KEYS_FILE) != NULL;
    const bool given = r->o->passphrase.n > 0;
    if (r->o->own_keys != NULL) { /* a passphrase that does not fit is none */
        const sh_err err = have && given ? try_box(r) : SH_E_DENIED;
        r->keys = err == SH_OK ? SH_RESTORE_KEYS_BACKUP : SH_RESTORE_KEYS_NEW;
        return err == SH_E_DENIED || err == SH_E_CORRUPT ? SH_OK : err;
    }
    if (have && !given && !r->o->without_keys) {
        return say(r, SH_E_STATE, "the backup holds the keys under a passphrase",
                   "give --passphrase-file, or --without-keys to make new ones");
    }
    if (!have && given) {
        return say(r, SH_E_STATE, "the backup holds no keys", "leave the passphrase out");
    }
    if (!have || r->o->without_keys) {
        return SH_OK;
    }
    const sh_err err = try_box(r);
    if (err == SH_E_DENIED) {
        return say(r, err, "the passphrase does not open the keys",
                   "use the one that the backup was made with, or --without-keys");
    }
    r->keys = SH_RESTORE_KEYS_BACKUP;
    return err == SH_E_CORRUPT ? say(r, err, "the sealed keys are damaged", "give --without-keys")
                               : err;
}

static sh_err key_file(void *ctx, struct sh_str name, struct sh_bytes data)
{
    struct restore *r = ctx;
    char path[OPS_PATH];
    const int n = snprintf(path, sizeof path, "%s/keys/%.*s", r->o->dir, SH_PRI(name));
    return n < 0 || n >= OPS_PATH ? SH_E_LIMIT : sh_fs_replace(r->env->fs, path, data);
}

static sh_err make_keys_folder(struct restore *r)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, r->o->dir, "keys"));
    SH_TRY(ops_tree_remove(r->env, path));
    return sh_fs_mkdirs(r->env->fs, path);
}

static sh_err write_keys(struct restore *r)
{
    SH_TRY(make_keys_folder(r));
    return ops_keys_open(r->env, r->o->crypto, sh_buf_bytes(&r->box), r->o->passphrase, key_file,
                         r);
}

/* Not what belongs to the node's chain of audit, which is another one than the restored, nor a
 * password that waits. */
static bool own_wanted(const struct ops_entry *e)
{
    const struct sh_str s = sh_str_c(e->name);
    return ops_keys_wanted(e) && !sh_str_eqc(s, "audit.head") &&
           !sh_str_eqc(s, "audit.checkpoint") && !sh_str_eqc(s, "first-password");
}

static sh_err copy_own_keys(struct restore *r)
{
    struct ops_names l;
    SH_TRY(make_keys_folder(r));
    SH_TRY(ops_names_read(r->env, r->o->own_keys, &l));
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char path[OPS_PATH];
        struct sh_str text = {NULL, 0};
        if (!own_wanted(&l.p[i])) {
            continue;
        }
        err = ops_join(path, r->o->own_keys, l.p[i].name);
        if (err == SH_OK) {
            err = sh_fs_read_all(r->env->fs, r->env->alloc, path, OPS_KEY_MAX, &text);
        }
        if (err == SH_OK) {
            err = key_file(r, sh_str_c(l.p[i].name), sh_str_bytes(text));
            sh_crypto_wipe((char *)(uintptr_t)text.p, text.n);
            sh_str_free(r->env->alloc, &text);
        }
    }
    ops_names_free(r->env, &l);
    return err;
}

/* ---- files ---- */

static void bad(const struct restore *r, const char *path, const char *what)
{
    if (r->o->bad_file != NULL) {
        r->o->bad_file(r->o->ctx, path, what);
    }
}

static sh_err verify(struct restore *r)
{
    uint64_t wrong = 0;
    const char *first = "";
    for (size_t i = 0; i < r->m.n; i++) {
        const struct ops_file *f = &r->m.files[i];
        char path[OPS_PATH];
        uint64_t size = 0;
        uint8_t hash[SH_HASH_BYTES] = {0};
        SH_TRY(ops_join(path, r->data, f->path));
        const struct ops_source s = {.path = path, .limit = UINT64_MAX};
        const sh_err err = ops_copy(&r->c, &s, NULL, &size, hash);
        if (err == SH_E_CANCELED || err == SH_E_NOMEM) {
            return err;
        }
        const char *what = NULL;
        if (err != SH_OK) {
            what = err == SH_E_NOTFOUND ? "missing" : "cannot be read";
        } else if (size != f->size || memcmp(hash, f->hash, sizeof hash) != 0) {
            what = "damaged: its hash is not the manifest's";
        }
        if (what != NULL) {
            first = wrong++ == 0 ? f->path : first;
            bad(r, path, what);
        }
    }
    if (wrong > 0) {
        sh_diag_at(r->diag, sh_str_c(r->o->from), 0);
        sh_diag_set(r->diag, "%" PRIu64 " files are damaged or missing, the first is data/%.100s",
                    wrong, first);
        sh_diag_remedy(r->diag, "nothing was written; use another backup");
        return SH_E_CORRUPT;
    }
    return SH_OK;
}

static sh_err enough_room(struct restore *r)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    SH_TRY(r->env->fs->space(r->env->fs->ctx, r->o->dir, &free_bytes, &total));
    const uint64_t reserve = total / 100 * r->o->reserve;
    return free_bytes >= reserve && free_bytes - reserve >= r->m.info.bytes
               ? SH_OK
               : say(r, SH_E_FULL, "the backup does not fit on the disk of the data folder",
                     "name a folder on a larger disk");
}

static sh_err copy_one(struct restore *r, const struct ops_file *f)
{
    char from[OPS_PATH];
    char to[OPS_PATH];
    char dir[OPS_PATH];
    uint64_t size = 0;
    uint8_t hash[SH_HASH_BYTES];
    if (strcmp(f->path, OPS_KEYS_FILE) == 0) {
        return SH_OK;
    }
    SH_TRY(ops_join(from, r->data, f->path));
    SH_TRY(ops_join(to, r->o->dir, f->path));
    memcpy(dir, to, sizeof dir);
    dir[sh_str_rfind(sh_str_c(to), '/')] = '\0';
    SH_TRY(sh_fs_mkdirs(r->env->fs, dir));
    const struct ops_source s = {.path = from, .limit = UINT64_MAX};
    SH_TRY(ops_copy(&r->c, &s, to, &size, hash));
    return memcmp(hash, f->hash, sizeof hash) == 0 ? SH_OK : SH_E_CORRUPT;
}

/* Opens the guard of what was restored. accept: missing or other keys are made anew for good, which
 * is audited. */
static sh_err open_guard(struct restore *r, bool accept, struct sh_diag *diag)
{
    char db[OPS_PATH];
    struct sh_record *record = NULL;
    struct guard_store *store = NULL;
    struct sh_guard *guard = NULL;
    SH_TRY(ops_join(db, r->o->dir, "songhua.db"));
    const struct sh_record_config rc = {.path = db};
    sh_err err = sh_record_open(r->env, NULL, &rc, &record, diag);
    err = err != SH_OK ? err : sh_guard_store_record(r->env, record, &store);
    if (err == SH_OK) {
        const struct sh_guard_options go = {.env = r->env,
                                            .crypto = r->o->crypto,
                                            .store = store,
                                            .dir = r->o->dir,
                                            .master = r->o->master,
                                            .settings = sh_guard_settings_default(),
                                            .accept_new_key = accept,
                                            .restored = true};
        err = sh_guard_open(&go, &guard, diag);
    }
    if (err == SH_OK && r->o->opened != NULL) {
        err = r->o->opened(r->o->ctx, guard, diag);
    }
    sh_guard_close(guard);
    sh_record_close(record);
    return err;
}

/* Tries whose keys belong to the data; SH_E_STATE says that they do not. */
static sh_err find_keys(struct restore *r)
{
    struct sh_diag d = {.line = 0};
    SH_TRY(copy_own_keys(r));
    sh_err err = open_guard(r, false, &d);
    if (err == SH_OK) {
        r->keys = SH_RESTORE_KEYS_OWN;
    } else if (err == SH_E_STATE && r->keys == SH_RESTORE_KEYS_BACKUP) {
        SH_TRY(write_keys(r));
        err = open_guard(r, false, &d);
    }
    if (err == SH_E_STATE) {
        r->keys = SH_RESTORE_KEYS_NEW;
        SH_TRY(make_keys_folder(r));
        return open_guard(r, true, r->diag);
    }
    if (err != SH_OK) {
        *r->diag = d;
    }
    return err;
}

static sh_err settle_keys(struct restore *r)
{
    if (r->o->plain) {
        return SH_OK;
    }
    if (r->o->own_keys == NULL && r->keys == SH_RESTORE_KEYS_BACKUP) {
        return write_keys(r);
    }
    if (ops_manifest_find(&r->m, "songhua.db") == NULL) {
        return SH_OK;
    }
    return r->o->own_keys != NULL ? find_keys(r) : open_guard(r, true, r->diag);
}

static sh_err fill(struct restore *r)
{
    char lock[OPS_PATH];
    for (size_t i = 0; i < r->m.n; i++) {
        SH_TRY(copy_one(r, &r->m.files[i]));
    }
    SH_TRY(settle_keys(r));
    SH_TRY(ops_join(lock, r->o->dir, "lock")); /* the mark of a data folder */
    SH_TRY(sh_fs_replace(r->env->fs, lock, sh_bytes_of(NULL, 0)));
    return ops_tree_sync(r->env, r->o->dir);
}

/* Takes back what was written; lost+found stays. */
static void take_back(struct restore *r)
{
    struct ops_names l;
    sh_err err = ops_names_read(r->env, r->o->dir, &l);
    if (err != SH_OK) {
        return;
    }
    for (size_t i = 0; err == SH_OK && i < l.n; i++) {
        char path[OPS_PATH];
        if (strcmp(l.p[i].name, "lost+found") == 0 || strcmp(l.p[i].name, MARK) == 0) {
            continue;
        }
        err = ops_join(path, r->o->dir, l.p[i].name);
        if (err == SH_OK) {
            err = l.p[i].is_dir ? ops_tree_remove(r->env, path) : sh_fs_unlink(r->env->fs, path);
        }
    }
    ops_names_free(r->env, &l);
    char mark[OPS_PATH];
    if (err == SH_OK && ops_join(mark, r->o->dir, MARK) == SH_OK) {
        err = sh_fs_unlink(r->env->fs, mark); /* last: a part that stays is not taken for data */
    }
    if (err != SH_OK) {
        sh_log(r->env->log, SH_LOG_WARN, "restore", "%s is half restored: remove it", r->o->dir);
    }
}

static sh_err write_all(struct restore *r)
{
    char mark[OPS_PATH];
    SH_TRY(ops_join(mark, r->o->dir, MARK));
    SH_TRY(sh_fs_mkdirs(r->env->fs, r->o->dir));
    SH_TRY(enough_room(r));
    sh_err err = sh_fs_replace(
        r->env->fs, mark,
        sh_str_bytes(SH_STR("A restore into this folder did not end. Remove the folder.\n")));
    err = err != SH_OK ? err : fill(r);
    if (err != SH_OK) {
        take_back(r);
        return err;
    }
    SH_TRY(sh_fs_unlink(r->env->fs, mark));
    return sh_fs_sync_dir(r->env->fs, r->o->dir);
}

static sh_err all(struct restore *r)
{
    SH_TRY(ops_join(r->data, r->o->from, "data"));
    SH_TRY(target_empty(r));
    SH_TRY(ops_manifest_read(r->env, r->o->crypto, r->o->from, &r->m, r->diag));
    if (!r->o->plain) {
        SH_TRY(check_keys(r));
    }
    if (r->c.progress != NULL) {
        atomic_store(&r->c.progress->total_bytes, 2 * r->m.info.bytes);
    }
    SH_TRY(verify(r));
    return write_all(r);
}

sh_err sh_restore_run(const struct sh_restore_options *o, struct sh_backup_info *out,
                      struct sh_diag *diag)
{
    struct sh_diag own = {.line = 0};
    struct restore r = {.o = o, .env = o->env, .diag = diag == NULL ? &own : diag};
    sh_buf_init(&r.box, o->env->alloc, 8 << 20);
    sh_err err = ops_copier_init(&r.c, o->env, o->crypto);
    r.c.progress = o->progress;
    r.c.rate = o->rate;
    err = err != SH_OK ? err : all(&r);
    if (err == SH_OK) {
        *out = r.m.info;
        if (o->keys != NULL) {
            *o->keys = r.keys;
        }
    } else if (r.diag->message[0] == '\0') {
        sh_diag_at(r.diag, sh_str_c(o->dir), 0);
        sh_diag_set(r.diag, "the restore failed: %s", sh_err_name(err));
        sh_diag_remedy(r.diag, "nothing was left behind; see the log, and try again");
    }
    ops_manifest_free(&r.m);
    ops_copier_fini(&r.c);
    sh_crypto_wipe(r.box.p, r.box.n);
    sh_buf_fini(&r.box);
    return err;
}
