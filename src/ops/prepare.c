/* prepare.c - a backup becomes DIR/restored, looked at whole.
 * origin.json is written last: a folder without it is not prepared, and goes at the next occasion.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/guard.h>
#include <sh/prepare.h>

#include "ops_int.h"

#define ORIGIN "origin.json"
enum { TEXT_MAX = 16384 };

static const char *const keys_names[] = {[SH_RESTORE_KEYS_NEW] = "new",
                                         [SH_RESTORE_KEYS_BACKUP] = "backup",
                                         [SH_RESTORE_KEYS_OWN] = "own"};

/* ---- origin.json ---- */

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static sh_err write_origin(const struct sh_env *env, const char *dir, const struct sh_prepared *p)
{
    char path[OPS_PATH];
    struct sh_buf b;
    struct sh_jw w;
    SH_TRY(ops_join(path, dir, ORIGIN));
    sh_buf_init(&b, env->alloc, TEXT_MAX);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    put(&w, "backup", p->id);
    put_u64(&w, "started", (uint64_t)p->backup_us);
    put_u64(&w, "prepared", (uint64_t)p->prepared_us);
    put(&w, "by", p->by);
    put(&w, "why", p->why);
    put(&w, "keys", keys_names[p->keys]);
    put_u64(&w, "bytes", p->bytes);
    put_u64(&w, "files", p->files);
    put_u64(&w, "samples", p->samples);
    put_u64(&w, "points", p->points);
    put_u64(&w, "devices", p->devices);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    err = err != SH_OK ? err : sh_fs_replace(env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    return err;
}

static void get(const json_t *o, const char *key, char *out, size_t cap)
{
    const struct sh_str s = sh_json_get_str(o, key);
    (void)snprintf(out, cap, "%.*s", SH_PRI(s));
}

static uint64_t get_u64(const json_t *o, const char *key)
{
    const int64_t v = sh_json_get_i64(o, key, 0);
    return v < 0 ? 0 : (uint64_t)v;
}

sh_err sh_origin_read(const struct sh_env *env, const char *dir, struct sh_prepared *out)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    json_t *o = NULL;
    *out = (struct sh_prepared){.keys = SH_RESTORE_KEYS_NEW};
    SH_TRY(ops_join(path, dir, ORIGIN));
    SH_TRY(sh_fs_read_all(env->fs, env->alloc, path, TEXT_MAX, &text));
    const sh_err err = sh_json_parse(text, TEXT_MAX, &o, NULL);
    sh_str_free(env->alloc, &text);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_NOTFOUND;
    }
    get(o, "backup", out->id, sizeof out->id);
    get(o, "by", out->by, sizeof out->by);
    get(o, "why", out->why, sizeof out->why);
    for (size_t i = 0; i < sizeof keys_names / sizeof keys_names[0]; i++) {
        if (sh_str_eqc(sh_json_get_str(o, "keys"), keys_names[i])) {
            out->keys = (enum sh_restore_keys)i;
        }
    }
    out->backup_us = (int64_t)get_u64(o, "started");
    out->prepared_us = (int64_t)get_u64(o, "prepared");
    out->bytes = get_u64(o, "bytes");
    out->files = get_u64(o, "files");
    out->samples = get_u64(o, "samples");
    out->points = get_u64(o, "points");
    out->devices = get_u64(o, "devices");
    json_decref(o);
    return SH_OK;
}

/* ---- what is prepared ---- */

sh_err sh_prepared_read(const struct sh_env *env, const char *dir, struct sh_prepared *out)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, dir, SH_SWAP_RESTORED));
    return sh_restore_unfinished(env, path) ? SH_E_NOTFOUND : sh_origin_read(env, path, out);
}

/* The mark goes first, so that a half removed folder is not taken for a prepared one. */
sh_err sh_prepared_remove(const struct sh_env *env, const char *dir)
{
    char path[OPS_PATH];
    char mark[OPS_PATH];
    SH_TRY(ops_join(path, dir, SH_SWAP_RESTORED));
    SH_TRY(ops_join(mark, path, ORIGIN));
    const sh_err err = sh_fs_unlink(env->fs, mark);
    if (err == SH_OK) {
        SH_TRY(sh_fs_sync_dir(env->fs, path));
    } else if (err != SH_E_NOTFOUND) {
        return err;
    }
    SH_TRY(ops_tree_remove(env, path));
    return sh_fs_sync_dir(env->fs, dir);
}

/* ---- preparing ---- */

static sh_err opened(void *ctx, struct sh_guard *g, struct sh_diag *diag)
{
    const struct sh_prepare_options *o = ctx;
    char detail[SH_SWAP_WHO + SH_SWAP_WHY + 16];
    if (o->separated && !sh_guard_is_separated(g)) {
        sh_diag_set(diag, "The backup is of a time before the administrators were separated: it "
                          "would bring back one who holds all powers.");
        sh_diag_remedy(diag, "Take a later backup, or restore it off-line: songhua restore.");
        return SH_E_DENIED;
    }
    (void)snprintf(detail, sizeof detail, "by %s: %s", o->by, o->why);
    return sh_guard_audit(g, &(struct sh_audit){.tenant = SH_TENANT_ROOT,
                                                .act = SH_STR("restore.prepared"),
                                                .object = sh_str_c(o->id),
                                                .result = SH_STR("ok"),
                                                .detail = sh_str_c(detail)});
}

static sh_err look(const struct sh_prepare_options *o, const char *to,
                   const struct sh_backup_info *info, struct sh_prepared *out, struct sh_diag *diag)
{
    struct sh_rehearsal r;
    SH_TRY(ops_look(o->env, to, info, &r));
    if (!r.good) {
        sh_diag_set(diag, "what was restored is not whole: %.180s", r.text);
        sh_diag_remedy(diag, "take another backup");
        return SH_E_CORRUPT;
    }
    *out = (struct sh_prepared){.backup_us = info->started_us,
                                .prepared_us = sh_wall_us(o->env->clock),
                                .keys = out->keys,
                                .bytes = info->bytes,
                                .files = info->files,
                                .samples = r.samples,
                                .points = r.points,
                                .devices = r.devices};
    memcpy(out->id, info->id, sizeof out->id);
    (void)snprintf(out->by, sizeof out->by, "%s", o->by);
    (void)snprintf(out->why, sizeof out->why, "%s", o->why);
    SH_TRY(ops_tree_sync(o->env, to));
    return write_origin(o->env, to, out);
}

static bool canceled(const struct sh_prepare_options *o)
{
    return o->progress != NULL && atomic_load(&o->progress->cancel);
}

sh_err sh_prepare_run(const struct sh_prepare_options *o, struct sh_prepared *out,
                      struct sh_diag *diag)
{
    char from[OPS_PATH];
    char to[OPS_PATH];
    char keys[OPS_PATH];
    struct sh_backup_info info;
    *out = (struct sh_prepared){.keys = SH_RESTORE_KEYS_NEW};
    if (!sh_backup_id_ok(sh_str_c(o->id))) {
        return SH_E_INVAL;
    }
    SH_TRY(ops_join(from, o->folder, o->id));
    SH_TRY(ops_join(to, o->dir, SH_SWAP_RESTORED));
    SH_TRY(ops_join(keys, o->dir, "keys"));
    SH_TRY(sh_prepared_remove(o->env, o->dir));
    const struct sh_restore_options ro = {.env = o->env,
                                          .crypto = o->crypto,
                                          .from = from,
                                          .dir = to,
                                          .passphrase = o->passphrase,
                                          .own_keys = keys,
                                          .master = o->master,
                                          .keys = &out->keys,
                                          .opened = opened,
                                          .ctx = (void *)(uintptr_t)o,
                                          .rate = o->rate,
                                          .reserve = o->reserve,
                                          .progress = o->progress};
    sh_err err = sh_restore_run(&ro, &info, diag);
    err = err == SH_OK && canceled(o) ? SH_E_CANCELED : err;
    err = err != SH_OK ? err : look(o, to, &info, out, diag);
    if (err != SH_OK && sh_prepared_remove(o->env, o->dir) != SH_OK) {
        sh_log(o->env->log, SH_LOG_WARN, "backup", "%s cannot be removed; the next start does it",
               to);
    }
    return err;
}
