/* keeper.c - backups of a running node, one after the other.
 *
 * One thread: waits until a backup is asked for or due, makes it, rehearses it, removes the oldest;
 * copies to an SFTP server, and back, are in keeper_remote.c, the way back from a backup in
 * keeper_restore.c. States of what runs: idle -> backup -> rehearsal -> idle, idle -> copy, fetch,
 * look, restore or remove -> idle; `cancel` in the progress ends each.
 * `lock` guards the members below it and is held for no file operation; `folder_lock` is held while
 * the folder changes (a backup with all that follows, or a removal).
 * After a failure the clock waits for KEEPER_RETRY_US, or the whole interval when that is shorter.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "keeper_int.h"

#define DAY_US INT64_C(86400000000)
enum { TURN_US = 1000000, PASSPHRASE_FILE = 4096 };

/* ---- when ---- */

/* The first time after `after` at which the local day has that minute. */
static int64_t next_minute(int64_t after_us, int minute)
{
    for (int days = 0;; days++) {
        const time_t t = (time_t)(after_us / 1000000) + (time_t)days * 86400;
        struct tm tm;
        if (localtime_r(&t, &tm) == NULL) {
            return after_us + DAY_US;
        }
        tm.tm_hour = minute / 60;
        tm.tm_min = minute % 60;
        tm.tm_sec = 0;
        tm.tm_isdst = -1;
        const int64_t at = (int64_t)mktime(&tm) * 1000000;
        if (at > after_us || days > 2) {
            return at;
        }
    }
}

int64_t sh_keeper_due(int64_t last_us, int64_t now_us, int64_t every_us, int at_minute)
{
    if (every_us <= 0) {
        return INT64_MAX;
    }
    if (at_minute < 0) {
        return last_us == 0 ? now_us : last_us + every_us;
    }
    /* Half a day's slack: a backup that began late is followed at the usual time. */
    const int64_t slack = every_us < DAY_US ? every_us / 2 : DAY_US / 2;
    return next_minute(last_us == 0 ? now_us : last_us + every_us - slack, at_minute);
}

int64_t keeper_due(const struct sh_keeper *k)
{
    const int64_t last = k->n == 0 ? 0 : k->items[k->n - 1].info.started_us;
    const int64_t at = sh_keeper_due(last, k->since_us, k->o.plan.every_us, k->o.plan.at_minute);
    return at < k->not_before_us ? k->not_before_us : at;
}

/* ---- what is there ---- */

struct reading {
    struct sh_keeper *k;
    char url[SH_REMOTE_URL];
    struct item *items;
    size_t n;
};

static sh_err read_item(void *ctx, const struct sh_backup_info *i)
{
    struct reading *r = ctx;
    char path[OPS_PATH];
    if (r->n == SH_KEEPER_ITEMS) { /* the oldest are not shown */
        memmove(r->items, r->items + 1, (r->n - 1) * sizeof *r->items);
        r->n--;
    }
    struct item *it = &r->items[r->n++];
    *it = (struct item){.info = *i};
    SH_TRY(ops_join(path, r->k->o.backup.to, i->id));
    it->rehearsed = sh_rehearsal_read(r->k->env, path, &it->report) == SH_OK;
    it->copied_us = r->url[0] == '\0' ? 0 : keeper_mark_read(r->k, path, r->url);
    return SH_OK;
}

void keeper_read_folder(struct sh_keeper *k)
{
    struct reading r = {.k = k};
    sh_mutex_lock(&k->lock);
    memcpy(r.url, k->o.remote.url, sizeof r.url);
    sh_mutex_unlock(&k->lock);
    r.items = sh_mem_array(k->env->alloc, SH_KEEPER_ITEMS, sizeof *r.items);
    sh_err err = r.items == NULL
                     ? SH_E_NOMEM
                     : sh_backup_list(k->env, k->o.backup.crypto, k->o.backup.to, read_item, &r);
    if (err != SH_OK) {
        sh_log(k->env->log, SH_LOG_WARN, "backup", "%s cannot be read: %s", k->o.backup.to,
               sh_err_name(err));
        sh_mem_free(k->env->alloc, r.items);
        return;
    }
    sh_mutex_lock(&k->lock);
    struct item *old = k->items;
    k->items = r.items;
    k->n = r.n;
    k->stats.last_good_us = r.n == 0 ? 0 : r.items[r.n - 1].info.started_us;
    k->stats.last_copy_us = 0;
    for (size_t i = 0; i < r.n; i++) {
        k->stats.last_copy_us =
            r.items[i].copied_us != 0 ? r.items[i].info.started_us : k->stats.last_copy_us;
    }
    sh_mutex_unlock(&k->lock);
    sh_mem_free(k->env->alloc, old);
}

/* ---- one after the other ---- */

static struct sh_keeper_plan plan_of(struct sh_keeper *k)
{
    sh_mutex_lock(&k->lock);
    const struct sh_keeper_plan p = k->o.plan;
    sh_mutex_unlock(&k->lock);
    return p;
}

uint64_t keeper_rate(struct sh_keeper *k)
{
    return plan_of(k).rate;
}

void keeper_tell(struct sh_keeper *k, enum sh_keeper_event_kind kind, const char *id,
                 const char *by, const char *text, const char *remedy)
{
    if (k->o.event != NULL) {
        k->o.event(k->o.ctx, &(struct sh_keeper_event){
                                 .kind = kind, .id = id, .by = by, .text = text, .remedy = remedy});
    }
}

void keeper_start(struct sh_keeper *k, const char *what)
{
    sh_mutex_lock(&k->lock);
    k->doing = what;
    k->doing_since_us = sh_wall_us(k->env->clock);
    atomic_store(&k->progress.done_bytes, 0);
    atomic_store(&k->progress.total_bytes, 0);
    atomic_store(&k->progress.files, 0);
    atomic_store(&k->progress.cancel, k->stopping);
    sh_mutex_unlock(&k->lock);
}

static void failed(struct sh_keeper *k, sh_err err, const struct sh_diag *d, const char *by)
{
    const int64_t now = sh_wall_us(k->env->clock);
    const bool canceled = err == SH_E_CANCELED;
    sh_mutex_lock(&k->lock);
    const int64_t every = k->o.plan.every_us;
    const int64_t pause = every > 0 && every < KEEPER_RETRY_US ? every : KEEPER_RETRY_US;
    k->not_before_us = now + pause;
    if (!canceled) {
        k->failed = true;
        k->failed_us = now;
        k->why = *d;
        k->stats.failed++;
    }
    sh_mutex_unlock(&k->lock);
    keeper_tell(k, canceled ? SH_KEEPER_CANCELED : SH_KEEPER_FAILED, "", by, d->message, d->remedy);
}

sh_err keeper_passphrase(struct sh_keeper *k, struct sh_str *text, struct sh_str *line,
                         struct sh_diag *d)
{
    if (k->o.passphrase_file == NULL) {
        return SH_OK;
    }
    struct sh_str rest;
    sh_err err =
        sh_fs_read_all(k->env->fs, k->env->alloc, k->o.passphrase_file, PASSPHRASE_FILE, text);
    *line = err == SH_OK ? sh_str_trim(sh_str_cut(*text, '\n', &rest)) : *line;
    if (err != SH_OK || line->n == 0 || line->n > SH_PASSWORD_MAX) {
        sh_diag_set(d, "backup.passphrase_file cannot be used");
        sh_diag_remedy(d, "put a passphrase of 1 to %d bytes in its first line", SH_PASSWORD_MAX);
        err = err == SH_OK ? SH_E_INVAL : err;
    }
    return err;
}

static sh_err make(struct sh_keeper *k, struct sh_backup_info *info, struct sh_diag *d)
{
    struct sh_str text = {NULL, 0};
    struct sh_str line = {NULL, 0};
    struct sh_backup_options o = k->o.backup;
    if (k->o.may != NULL && !k->o.may(k->o.ctx)) {
        sh_diag_set(d, "the disk of the data folder is over disk.act");
        sh_diag_remedy(d, "free space first; backups go on by themselves then");
        return SH_E_FULL;
    }
    sh_err err = keeper_passphrase(k, &text, &line, d);
    if (err == SH_OK) {
        o.rate = plan_of(k).rate;
        o.passphrase = line;
        o.progress = &k->progress;
        err = sh_backup_run(&o, info, d);
    }
    sh_str_free(k->env->alloc, &text);
    return err;
}

static void rehearse(struct sh_keeper *k, const char *id, const char *by)
{
    struct sh_rehearsal r;
    struct sh_diag d = {.line = 0};
    keeper_start(k, "rehearsal");
    const struct sh_rehearsal_options o = {.env = k->env,
                                           .crypto = k->o.backup.crypto,
                                           .folder = k->o.backup.to,
                                           .id = id,
                                           .history = k->o.backup.history,
                                           .rate = plan_of(k).rate,
                                           .reserve = k->o.backup.reserve,
                                           .progress = &k->progress};
    const sh_err err = sh_rehearse(&o, &r, &d);
    if (err != SH_OK) {
        if (err != SH_E_CANCELED && d.message[0] == '\0') {
            sh_diag_set(&d, "the rehearsal could not be done: %s", sh_err_name(err));
        }
        failed(k, err, &d, by);
        return;
    }
    sh_mutex_lock(&k->lock);
    k->stats.rehearsed++;
    k->stats.rehearsals_failed += r.good ? 0 : 1;
    sh_mutex_unlock(&k->lock);
    char text[300];
    if (r.good) {
        (void)snprintf(text, sizeof text,
                       "%" PRIu64 " files, %" PRIu64 " samples, %" PRIu64 " points, %" PRIu64
                       " devices; %" PRIu64 " values compared",
                       r.files, r.samples, r.points, r.devices, r.compared);
    }
    keeper_tell(k, r.good ? SH_KEEPER_REHEARSED : SH_KEEPER_NOT_RESTORABLE, id, by,
                r.good ? text : r.text,
                r.good ? "" : "make another backup; look at the disk it lies on");
}

/* The newest is never removed; and no other while the newest is known to be bad. */
static void tidy(struct sh_keeper *k)
{
    for (;;) {
        char id[SH_BACKUP_ID] = "";
        sh_mutex_lock(&k->lock);
        const struct item *last = k->n == 0 ? NULL : &k->items[k->n - 1];
        const bool bad = last != NULL && last->rehearsed && !last->report.good;
        const bool many = k->o.plan.keep > 0 && k->n > k->o.plan.keep && !bad;
        if (many && last != NULL) {
            memcpy(id, k->items[0].info.id, sizeof id);
        }
        sh_mutex_unlock(&k->lock);
        if (!many) {
            return;
        }
        const sh_err err = sh_backup_remove(k->env, k->o.backup.to, sh_str_c(id));
        if (err != SH_OK) {
            sh_log(k->env->log, SH_LOG_WARN, "backup", "%s cannot be removed: %s", id,
                   sh_err_name(err));
            return;
        }
        sh_mutex_lock(&k->lock);
        k->stats.removed++;
        sh_mutex_unlock(&k->lock);
        keeper_tell(k, SH_KEEPER_REMOVED, id, "schedule", "beyond backup.keep", "");
        keeper_read_folder(k);
    }
}

static void one(struct sh_keeper *k, const char *by)
{
    struct sh_diag d = {.line = 0};
    struct sh_backup_info info;
    sh_mutex_lock(&k->folder_lock);
    keeper_start(k, "backup");
    const sh_err err = make(k, &info, &d);
    if (err != SH_OK) {
        failed(k, err, &d, by);
    } else {
        char text[200];
        (void)snprintf(text, sizeof text, "%" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " new",
                       info.files, info.bytes, info.copied);
        sh_mutex_lock(&k->lock);
        k->failed = false;
        k->stats.made++;
        k->copy_not_before_us = 0;
        sh_mutex_unlock(&k->lock);
        keeper_read_folder(k);
        keeper_tell(k, SH_KEEPER_MADE, info.id, by, text, "");
        if (plan_of(k).rehearse) {
            rehearse(k, info.id, by);
            keeper_read_folder(k);
        }
        tidy(k);
    }
    sh_mutex_lock(&k->lock);
    k->doing = NULL;
    sh_mutex_unlock(&k->lock);
    sh_mutex_unlock(&k->folder_lock);
}

/* What comes next; *w and by say it. False: nothing yet. Under lock. */
static bool next_work(struct sh_keeper *k, struct keeper_work *w, char by[SH_KEEPER_WHO])
{
    const int64_t now = sh_wall_us(k->env->clock);
    (void)snprintf(by, SH_KEEPER_WHO, "schedule");
    if (k->swapping) {
        return false;
    }
    if (k->asked) {
        memcpy(by, k->by, SH_KEEPER_WHO);
        *w = k->work;
        return true;
    }
    if (keeper_due(k) <= now) {
        *w = (struct keeper_work){.kind = SH_KEEPER_WORK_BACKUP};
        return true;
    }
    if (keeper_copy_due(k) <= now) {
        *w = (struct keeper_work){.kind = SH_KEEPER_WORK_COPY, .by_itself = true};
        memcpy(w->id, k->items[k->n - 1].info.id, sizeof w->id);
        return true;
    }
    return false;
}

static void work_on(struct sh_keeper *k, const struct keeper_work *w, const char *by)
{
    if (w->kind == SH_KEEPER_WORK_BACKUP) {
        one(k, by);
    } else if (w->kind >= SH_KEEPER_WORK_PREPARE) {
        keeper_restore_work(k, w, by);
    } else {
        keeper_remote_work(k, w, by);
    }
    if (!w->by_itself) {
        sh_mutex_lock(&k->lock);
        k->asked = false;
        sh_mutex_unlock(&k->lock);
    }
}

static void keep(void *ctx)
{
    struct sh_keeper *k = ctx;
    keeper_read_folder(k);
    keeper_read_restore(k);
    for (;;) {
        char by[SH_KEEPER_WHO];
        struct keeper_work w = {.by_itself = false};
        sh_mutex_lock(&k->lock);
        bool go = next_work(k, &w, by);
        if (!k->stopping && !go && !k->stale) {
            (void)sh_cond_wait_for(&k->wake, &k->lock, TURN_US);
            go = next_work(k, &w, by);
        }
        const bool stop = k->stopping;
        const bool stale = k->stale;
        k->stale = false;
        sh_mutex_unlock(&k->lock);
        if (stop) {
            return;
        }
        if (stale) {
            keeper_read_folder(k);
        } else if (go) {
            work_on(k, &w, by);
        }
    }
}

/* ---- asked from outside ---- */

void sh_keeper_set_plan(struct sh_keeper *k, const struct sh_keeper_plan *p)
{
    sh_mutex_lock(&k->lock);
    k->o.plan = *p;
    sh_cond_signal(&k->wake);
    sh_mutex_unlock(&k->lock);
}

sh_err sh_keeper_begin(struct sh_keeper *k, struct sh_str by)
{
    return sh_keeper_ask(k, SH_KEEPER_WORK_BACKUP, SH_STR(""), by, SH_STR(""));
}

sh_err sh_keeper_cancel(struct sh_keeper *k)
{
    sh_mutex_lock(&k->lock);
    const bool runs = k->doing != NULL;
    if (runs) {
        atomic_store(&k->progress.cancel, true);
    }
    sh_mutex_unlock(&k->lock);
    return runs ? SH_OK : SH_E_NOTFOUND;
}

sh_err sh_keeper_remove(struct sh_keeper *k, struct sh_str id)
{
    sh_mutex_lock(&k->lock);
    const bool busy = k->doing != NULL || k->asked || k->swapping;
    sh_mutex_unlock(&k->lock);
    if (busy) {
        return SH_E_BUSY;
    }
    sh_mutex_lock(&k->folder_lock);
    const sh_err err = sh_backup_remove(k->env, k->o.backup.to, id);
    keeper_read_folder(k);
    sh_mutex_unlock(&k->folder_lock);
    return err;
}

/* ---- told to outside ---- */

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void put_report(const struct item *it, struct sh_jw *w)
{
    const struct sh_rehearsal *r = &it->report;
    sh_jw_key(w, "rehearsal");
    if (!it->rehearsed) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "good");
    sh_jw_bool(w, r->good);
    sh_jw_key(w, "time");
    sh_jw_time(w, r->finished_us);
    put_u64(w, "files", r->files);
    put_u64(w, "samples", r->samples);
    put_u64(w, "points", r->points);
    put_u64(w, "devices", r->devices);
    put_u64(w, "records", r->records);
    put_u64(w, "last_seq", r->last_seq);
    put_u64(w, "compared", r->compared);
    put_u64(w, "changed", r->changed);
    sh_jw_key(w, "text");
    sh_jw_c(w, r->text);
    sh_jw_obj_end(w);
}

static void put_item(struct sh_keeper *k, const struct item *it, struct sh_jw *w)
{
    const struct sh_backup_info *i = &it->info;
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_c(w, i->id);
    sh_jw_key(w, "time");
    sh_jw_time(w, i->started_us);
    put_u64(w, "age_s", (uint64_t)((sh_wall_us(k->env->clock) - i->started_us) / 1000000));
    put_u64(w, "seconds", (uint64_t)((i->finished_us - i->started_us) / 1000000));
    sh_jw_key(w, "version");
    sh_jw_c(w, i->version);
    sh_jw_key(w, "online");
    sh_jw_bool(w, i->online);
    sh_jw_key(w, "keys");
    sh_jw_bool(w, i->keys);
    put_u64(w, "bytes", i->bytes);
    put_u64(w, "copied", i->copied);
    put_u64(w, "files", i->files);
    put_u64(w, "samples", i->samples);
    put_u64(w, "sequence", i->seq_begin);
    put_report(it, w);
    keeper_put_item_remote(k, it, w);
    sh_jw_obj_end(w);
}

static void put_running(struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "running");
    if (k->doing == NULL && !k->asked) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "step");
    sh_jw_c(w, k->doing == NULL ? "waiting" : k->doing);
    sh_jw_key(w, "since");
    sh_jw_time(w, k->doing_since_us);
    sh_jw_key(w, "by");
    sh_jw_c(w, k->asked ? k->by : "schedule");
    put_u64(w, "done_bytes", atomic_load(&k->progress.done_bytes));
    put_u64(w, "total_bytes", atomic_load(&k->progress.total_bytes));
    put_u64(w, "files", atomic_load(&k->progress.files));
    sh_jw_obj_end(w);
}

void sh_keeper_write(struct sh_keeper *k, struct sh_jw *w)
{
    sh_mutex_lock(&k->lock);
    sh_jw_key(w, "folder");
    sh_jw_c(w, k->o.backup.to);
    put_running(k, w);
    sh_jw_key(w, "due");
    if (k->o.plan.every_us > 0) {
        sh_jw_time(w, keeper_due(k));
    } else {
        sh_jw_null(w);
    }
    put_u64(w, "keep", k->o.plan.keep);
    sh_jw_key(w, "last_failure");
    if (k->failed) {
        sh_jw_obj(w);
        sh_jw_key(w, "time");
        sh_jw_time(w, k->failed_us);
        sh_jw_key(w, "text");
        sh_jw_c(w, k->why.message);
        sh_jw_key(w, "remedy");
        sh_jw_c(w, k->why.remedy);
        sh_jw_obj_end(w);
    } else {
        sh_jw_null(w);
    }
    keeper_put_remote(k, w);
    keeper_put_restore(k, w);
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = k->n; i > 0; i--) {
        put_item(k, &k->items[i - 1], w);
    }
    sh_jw_arr_end(w);
    sh_mutex_unlock(&k->lock);
}

static void put_problem(struct sh_jw *w, const char *code, const char *text, const char *date_key,
                        int64_t date_us)
{
    sh_jw_obj(w);
    sh_jw_key(w, "level");
    sh_jw_c(w, "error");
    sh_jw_key(w, "code");
    sh_jw_c(w, code);
    sh_jw_key(w, "text");
    sh_jw_c(w, text);
    put_u64(w, "count", 1);
    sh_jw_key(w, date_key);
    sh_jw_time(w, date_us);
    sh_jw_obj_end(w);
}

void sh_keeper_problems(struct sh_keeper *k, struct sh_jw *w)
{
    sh_mutex_lock(&k->lock);
    if (k->failed) {
        put_problem(w, "backup_failed", k->why.message, "date", k->failed_us);
    }
    const struct item *last = k->n == 0 ? NULL : &k->items[k->n - 1];
    if (last != NULL && last->rehearsed && !last->report.good) {
        put_problem(w, "rehearsal_failed", last->report.text, "date", last->report.finished_us);
    }
    if (k->copy_failed) {
        put_problem(w, "backup_copy_failed", k->copy_why.message, "date", k->copy_failed_us);
    }
    if (k->o.swap.back) {
        put_problem(w, "restore_undone", k->o.swap_why, "date", k->since_us);
    }
    sh_mutex_unlock(&k->lock);
}

void sh_keeper_stats(struct sh_keeper *k, struct sh_keeper_stats *out)
{
    sh_mutex_lock(&k->lock);
    *out = k->stats;
    sh_mutex_unlock(&k->lock);
}

/* ---- life ---- */

sh_err sh_keeper_new(const struct sh_keeper_options *o, struct sh_keeper **out)
{
    const struct sh_env *env = o->backup.env;
    struct sh_keeper *k = sh_mem_new(env->alloc, sizeof *k);
    if (k == NULL) {
        return SH_E_NOMEM;
    }
    k->env = env;
    k->o = *o;
    k->since_us = sh_wall_us(env->clock);
    sh_mutex_init(&k->folder_lock);
    sh_mutex_init(&k->lock);
    sh_cond_init(&k->wake);
    const sh_err err =
        keeper_owner(k) != SH_OK ? SH_E_IO : sh_thread_start(&k->thread, "sh-backup", keep, k);
    if (err != SH_OK) {
        sh_keeper_free(k);
        return err;
    }
    *out = k;
    return SH_OK;
}

void sh_keeper_stop(struct sh_keeper *k)
{
    if (k == NULL) {
        return;
    }
    sh_mutex_lock(&k->lock);
    k->stopping = true;
    atomic_store(&k->progress.cancel, true);
    sh_cond_signal(&k->wake);
    sh_mutex_unlock(&k->lock);
    sh_thread_join(&k->thread);
}

void sh_keeper_free(struct sh_keeper *k)
{
    if (k == NULL) {
        return;
    }
    sh_keeper_stop(k);
    sh_mem_free(k->env->alloc, k->items);
    sh_mem_free(k->env->alloc, k->copies);
    sh_cond_fini(&k->wake);
    sh_mutex_fini(&k->lock);
    sh_mutex_fini(&k->folder_lock);
    sh_mem_free(k->env->alloc, k);
}
