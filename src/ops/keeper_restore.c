/* keeper_restore.c - the way back: a backup is prepared, thrown away, or wanted in place of the
 * node's data; what earlier restores left is told and removed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "keeper_int.h"

#define RECORDS_US (INT64_C(86400000000) * SH_KEEPER_RECORDS_DAYS)

/* ---- what is there ---- */

void keeper_read_restore(struct sh_keeper *k)
{
    struct sh_prepared prepared;
    struct sh_prepared origin;
    struct sh_swap_kept kept[SH_SWAP_KEPT];
    size_t n = 0;
    const char *dir = k->o.backup.dir;
    const sh_err ready = sh_prepared_read(k->env, dir, &prepared);
    if (ready != SH_OK) { /* what cannot be read just now stays */
        prepared = (struct sh_prepared){.files = 0};
        if (ready != SH_E_NOTFOUND || sh_prepared_remove(k->env, dir) != SH_OK) {
            sh_log(k->env->log, SH_LOG_WARN, "backup", "what a restore left in %s/%s stays there",
                   dir, SH_SWAP_RESTORED);
        }
    }
    if (sh_origin_read(k->env, dir, &origin) != SH_OK) {
        origin = (struct sh_prepared){.files = 0};
    }
    const sh_err err = sh_swap_list(k->env, dir, kept, &n);
    if (err != SH_OK) {
        sh_log(k->env->log, SH_LOG_WARN, "backup", "data of before a restore cannot be listed: %s",
               sh_err_name(err));
    }
    sh_mutex_lock(&k->lock);
    k->prepared = prepared;
    k->origin = origin;
    k->nkept = err == SH_OK ? n : 0;
    memcpy(k->kept, kept, k->nkept * sizeof kept[0]);
    sh_mutex_unlock(&k->lock);
}

/* Under lock. */
static const struct sh_swap_kept *kept_of(const struct sh_keeper *k, struct sh_str name)
{
    for (size_t i = 0; i < k->nkept; i++) {
        if (sh_str_eqc(name, k->kept[i].name)) {
            return &k->kept[i];
        }
    }
    return NULL;
}

static bool records_due(const struct sh_keeper *k, const struct sh_swap_kept *f)
{
    return sh_wall_us(k->env->clock) - f->time_us >= RECORDS_US;
}

/* ---- work ---- */

static sh_err prepare(struct sh_keeper *k, const struct keeper_work *w, const char *by,
                      struct sh_diag *d)
{
    struct sh_str text = {NULL, 0};
    struct sh_str line = {NULL, 0};
    struct sh_diag no_passphrase = {.line = 0};
    struct sh_prepared p;
    const sh_err read = keeper_passphrase(k, &text, &line, &no_passphrase);
    const struct sh_prepare_options o = {
        .env = k->env,
        .crypto = k->o.backup.crypto,
        .folder = k->o.backup.to,
        .id = w->id,
        .dir = k->o.backup.dir,
        .master = k->o.master,
        .passphrase = read == SH_OK ? line : SH_STR(""), /* the node's own keys may do */
        .separated = k->o.separated != NULL && k->o.separated(k->o.ctx),
        .by = by,
        .why = w->why,
        .rate = keeper_rate(k),
        .reserve = k->o.backup.reserve,
        .progress = &k->progress};
    const sh_err err = sh_prepare_run(&o, &p, d);
    sh_str_free(k->env->alloc, &text);
    SH_TRY(err);
    char said[200];
    (void)snprintf(said, sizeof said,
                   "%" PRIu64 " files, %" PRIu64 " samples, %" PRIu64 " points, %" PRIu64
                   " devices; %s keys",
                   p.files, p.samples, p.points, p.devices,
                   p.keys == SH_RESTORE_KEYS_OWN      ? "this node's"
                   : p.keys == SH_RESTORE_KEYS_BACKUP ? "the backup's"
                                                      : "new");
    keeper_tell(k, SH_KEEPER_PREPARED, w->id, by, said, "");
    return SH_OK;
}

static sh_err discard(struct sh_keeper *k, const char *by)
{
    char id[SH_BACKUP_ID];
    sh_mutex_lock(&k->lock);
    memcpy(id, k->prepared.id, sizeof id);
    sh_mutex_unlock(&k->lock);
    SH_TRY(sh_prepared_remove(k->env, k->o.backup.dir));
    keeper_tell(k, SH_KEEPER_DISCARDED, id, by, "what was prepared was removed", "");
    return SH_OK;
}

static sh_err drop(struct sh_keeper *k, const char *name, const char *by)
{
    sh_mutex_lock(&k->lock);
    const struct sh_swap_kept *f = kept_of(k, sh_str_c(name));
    const bool all = f != NULL && records_due(k, f);
    sh_mutex_unlock(&k->lock);
    SH_TRY(sh_swap_remove(k->env, k->o.backup.dir, sh_str_c(name), !all));
    keeper_tell(k, SH_KEEPER_DROPPED, name, by,
                all ? "data of before a restore, whole"
                    : "samples, messages and files of before a restore; its records with the audit "
                      "stay",
                "");
    return SH_OK;
}

static void note(struct sh_keeper *k, enum sh_keeper_work_kind kind, sh_err err,
                 const struct sh_diag *d)
{
    const bool prepares = kind == SH_KEEPER_WORK_PREPARE;
    sh_mutex_lock(&k->lock);
    k->stats.prepared += prepares && err == SH_OK ? 1 : 0;
    k->stats.prepare_failed += prepares && err != SH_OK && err != SH_E_CANCELED ? 1 : 0;
    k->prepare_failed = err != SH_OK && err != SH_E_CANCELED;
    if (k->prepare_failed) {
        k->prepare_failed_us = sh_wall_us(k->env->clock);
        k->prepare_why = *d;
    }
    sh_mutex_unlock(&k->lock);
}

void keeper_restore_work(struct sh_keeper *k, const struct keeper_work *w, const char *by)
{
    struct sh_diag d = {.line = 0};
    sh_err err = SH_OK;
    sh_mutex_lock(&k->folder_lock);
    keeper_start(k, w->kind == SH_KEEPER_WORK_PREPARE ? "restore" : "remove");
    if (w->kind == SH_KEEPER_WORK_PREPARE) {
        err = prepare(k, w, by, &d);
    } else if (w->kind == SH_KEEPER_WORK_DISCARD) {
        err = discard(k, by);
    } else {
        err = drop(k, w->id, by);
    }
    if (err != SH_OK && d.message[0] == '\0') {
        sh_diag_set(&d, "it could not be done: %s", sh_err_name(err));
        sh_diag_remedy(&d, "look at the disk of the data folder and at the log");
    }
    note(k, w->kind, err, &d);
    if (err != SH_OK) {
        const enum sh_keeper_event_kind failed =
            w->kind == SH_KEEPER_WORK_PREPARE ? SH_KEEPER_PREPARE_FAILED : SH_KEEPER_DROP_FAILED;
        keeper_tell(k, err == SH_E_CANCELED ? SH_KEEPER_CANCELED : failed, w->id, by, d.message,
                    d.remedy);
    }
    keeper_read_restore(k);
    sh_mutex_lock(&k->lock);
    k->doing = NULL;
    sh_mutex_unlock(&k->lock);
    sh_mutex_unlock(&k->folder_lock);
}

/* ---- asked from outside ---- */

sh_err keeper_may_restore(const struct sh_keeper *k, enum sh_keeper_work_kind kind,
                          struct sh_str id)
{
    if (kind == SH_KEEPER_WORK_PREPARE) {
        if (!sh_backup_id_ok(id)) {
            return SH_E_INVAL;
        }
        if (!keeper_here(k, id)) {
            return SH_E_NOTFOUND;
        }
    }
    if (kind == SH_KEEPER_WORK_DISCARD && k->prepared.id[0] == '\0') {
        return SH_E_NOTFOUND;
    }
    if (kind == SH_KEEPER_WORK_DROP) {
        const struct sh_swap_kept *f = kept_of(k, id);
        if (!sh_swap_name_ok(id)) {
            return SH_E_INVAL;
        }
        if (f == NULL) {
            return SH_E_NOTFOUND;
        }
        if (f->records_only && !records_due(k, f)) {
            return SH_E_STATE;
        }
    }
    return k->asked || (k->doing != NULL && !k->yielding) ? SH_E_BUSY : SH_OK;
}

sh_err sh_keeper_apply(struct sh_keeper *k, struct sh_str id, struct sh_str by, struct sh_str why,
                       const char *text, struct sh_diag *diag)
{
    struct sh_swap s = {.separated = k->o.separated != NULL && k->o.separated(k->o.ctx)};
    const bool prepared = sh_str_eqc(id, "prepared");
    if (!prepared && !sh_swap_name_ok(id)) {
        return SH_E_INVAL;
    }
    (void)snprintf(s.in, sizeof s.in, "%.*s",
                   prepared ? (int)sizeof SH_SWAP_RESTORED - 1 : (int)id.n,
                   prepared ? SH_SWAP_RESTORED : id.p);
    (void)snprintf(s.by, sizeof s.by, "%.*s", SH_PRI(by));
    (void)snprintf(s.why, sizeof s.why, "%.*s", SH_PRI(why));
    (void)snprintf(s.note, sizeof s.note, "%s", text);
    sh_mutex_lock(&k->lock);
    const bool busy = k->doing != NULL || k->asked || k->swapping || k->stopping;
    const bool there = prepared ? k->prepared.id[0] != '\0' : kept_of(k, id) != NULL;
    k->swapping = k->swapping || (!busy && there);
    sh_mutex_unlock(&k->lock);
    if (busy || !there) {
        return busy ? SH_E_BUSY : SH_E_NOTFOUND;
    }
    const sh_err err = sh_swap_begin(k->env, k->o.backup.dir, &s, diag);
    sh_mutex_lock(&k->lock);
    k->swapping = err == SH_OK;
    sh_mutex_unlock(&k->lock);
    return err;
}

/* ---- told to outside ---- */

static void put(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put_time(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    sh_jw_time(w, us);
}

static void put_prepared(struct sh_jw *w, const char *key, const struct sh_prepared *p)
{
    static const char *const keys[] = {[SH_RESTORE_KEYS_NEW] = "new",
                                       [SH_RESTORE_KEYS_BACKUP] = "backup",
                                       [SH_RESTORE_KEYS_OWN] = "own"};
    sh_jw_key(w, key);
    if (p->id[0] == '\0') {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    put(w, "backup", p->id);
    put_time(w, "backup_time", p->backup_us);
    put_time(w, "time", p->prepared_us);
    put(w, "by", p->by);
    put(w, "reason", p->why);
    put(w, "keys", keys[p->keys]);
    put_u64(w, "bytes", p->bytes);
    put_u64(w, "files", p->files);
    put_u64(w, "samples", p->samples);
    put_u64(w, "points", p->points);
    put_u64(w, "devices", p->devices);
    sh_jw_obj_end(w);
}

static void put_kept(const struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "kept");
    sh_jw_arr(w);
    for (size_t i = 0; i < k->nkept; i++) {
        const struct sh_swap_kept *f = &k->kept[i];
        sh_jw_obj(w);
        put(w, "name", f->name);
        put_time(w, "time", f->time_us);
        put_u64(w, "bytes", f->bytes);
        sh_jw_key(w, "records_only");
        sh_jw_bool(w, f->records_only);
        put_time(w, "records_until", f->time_us + RECORDS_US);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

void keeper_put_restore(const struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "restore");
    sh_jw_obj(w);
    put_prepared(w, "prepared", &k->prepared);
    put_prepared(w, "origin", &k->origin);
    put_kept(k, w);
    sh_jw_key(w, "last_failure");
    if (k->prepare_failed) {
        sh_jw_obj(w);
        put_time(w, "time", k->prepare_failed_us);
        put(w, "text", k->prepare_why.message);
        put(w, "remedy", k->prepare_why.remedy);
        sh_jw_obj_end(w);
    } else {
        sh_jw_null(w);
    }
    sh_jw_key(w, "brought_back"); /* what was put in place before this start did not open */
    if (k->o.swap.back) {
        sh_jw_obj(w);
        put_time(w, "time", k->since_us);
        put(w, "by", k->o.swap.by);
        put(w, "text", k->o.swap_why);
        sh_jw_obj_end(w);
    } else {
        sh_jw_null(w);
    }
    sh_jw_obj_end(w);
}
