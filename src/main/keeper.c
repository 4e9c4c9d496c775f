/* keeper.c - the node's own backups: what the keeper of `ops` needs from the parts, and what it
 * tells log, audit and overview.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include <sh/keeper.h>
#include <sh/version.h>

#include "main_int.h"

enum { NAP_US = 5000 };

struct node_keeper {
    struct node *n;
    struct sh_keeper *k; /* NULL: there is a trouble, or nothing is configured */
    char dir[1024];
    char passphrase_file[1024];
    char master[1024];
    int lock_fd;
    struct sh_diag trouble;
    /* The loop makes MQTT's checkpoint; the keeper's thread waits for it without holding on to the
     * loop, which may be closing. */
    struct sh_job job;
    atomic_bool pending;
    atomic_int answer;
    atomic_bool stopping;
    struct sh_mutex lock; /* only to wait with */
    struct sh_cond cond;
};

/* ---- what lies in memory ---- */

static void checkpoint(void *ctx)
{
    struct node_keeper *nk = ctx;
    node_enter(nk->n);
    const sh_err err = mqtt_broker_checkpoint(nk->n->broker);
    node_leave(nk->n);
    atomic_store(&nk->answer, (int)err);
    atomic_store(&nk->pending, false);
}

static sh_err nap(struct node_keeper *nk)
{
    if (atomic_load(&nk->stopping)) {
        return SH_E_CANCELED;
    }
    sh_mutex_lock(&nk->lock);
    (void)sh_cond_wait_for(&nk->cond, &nk->lock, NAP_US);
    sh_mutex_unlock(&nk->lock);
    return SH_OK;
}

static sh_err settled(struct node_keeper *nk)
{
    while (atomic_load(&nk->pending)) {
        SH_TRY(nap(nk));
    }
    return SH_OK;
}

/* New devices and states become records; in place of one turn of the housekeeping. */
static sh_err save_twin(struct node_keeper *nk)
{
    struct node *n = nk->n;
    while (atomic_exchange(&n->tending, true)) {
        SH_TRY(nap(nk));
    }
    const sh_err err = sh_twin_tick(n->twin);
    atomic_store(&n->tending, false);
    return err;
}

static sh_err save_mqtt(struct node_keeper *nk)
{
    for (;;) {
        const sh_err before = mqtt_journal_wait(nk->n->mqtt_log);
        SH_UNUSED(before); /* of an older image */
        SH_TRY(settled(nk));
        if (atomic_load(&nk->stopping)) {
            return SH_E_CANCELED;
        }
        atomic_store(&nk->pending, true);
        sh_loop_post_job(nk->n->loop, &nk->job);
        SH_TRY(settled(nk));
        const sh_err err = (sh_err)atomic_load(&nk->answer);
        if (err == SH_OK) {
            return mqtt_journal_wait(nk->n->mqtt_log);
        }
        if (err != SH_E_BUSY) {
            return err;
        }
    }
}

static sh_err save(void *ctx)
{
    SH_TRY(save_mqtt(ctx));
    return save_twin(ctx);
}

/* ---- told ---- */

static bool separated(void *ctx)
{
    return sh_guard_is_separated(((struct node_keeper *)ctx)->n->guard);
}

static bool may_run(void *ctx)
{
    struct sh_disk_state s;
    sh_disk_state(((struct node_keeper *)ctx)->n->disk, &s);
    return s.level < SH_DISK_ACT;
}

static void told(void *ctx, const struct sh_keeper_event *e)
{
    static const struct {
        enum sh_log_level level;
        const char *act;
        const char *result;
        const char *words;
    } list[] = {
        [SH_KEEPER_MADE] = {SH_LOG_INFO, "backup.made", "ok", "was made"},
        [SH_KEEPER_FAILED] = {SH_LOG_ERROR, "backup.failed", "failed", "no backup was made"},
        [SH_KEEPER_CANCELED] = {SH_LOG_WARN, "backup.canceled", "canceled", "was cancelled"},
        [SH_KEEPER_REMOVED] = {SH_LOG_INFO, "backup.removed", "ok", "was removed"},
        [SH_KEEPER_REHEARSED] = {SH_LOG_INFO, "backup.rehearsed", "ok", "was restored on trial"},
        [SH_KEEPER_NOT_RESTORABLE] = {SH_LOG_ERROR, "backup.rehearsal_failed", "failed",
                                      "is not good"},
        [SH_KEEPER_COPIED] = {SH_LOG_INFO, "backup.copied", "ok", "was copied to the SFTP server"},
        [SH_KEEPER_COPY_FAILED] = {SH_LOG_ERROR, "backup.copy_failed", "failed",
                                   "was not copied to the SFTP server"},
        [SH_KEEPER_FETCHED] = {SH_LOG_INFO, "backup.fetched", "ok",
                               "was fetched from the SFTP server"},
        [SH_KEEPER_FETCH_FAILED] = {SH_LOG_ERROR, "backup.fetch_failed", "failed",
                                    "was not fetched from the SFTP server"},
        [SH_KEEPER_PREPARED] = {SH_LOG_INFO, "restore.prepared", "ok",
                                "is ready to be put in place"},
        [SH_KEEPER_PREPARE_FAILED] = {SH_LOG_ERROR, "restore.prepare_failed", "failed",
                                      "was not made ready to be put in place"},
        [SH_KEEPER_DISCARDED] = {SH_LOG_INFO, "restore.discarded", "ok", "was thrown away"},
        [SH_KEEPER_DROPPED] = {SH_LOG_WARN, "restore.dropped", "ok", "was removed"},
        [SH_KEEPER_DROP_FAILED] = {SH_LOG_ERROR, "restore.drop_failed", "failed",
                                   "was not removed"},
    };
    struct node *n = ((struct node_keeper *)ctx)->n;
    const size_t i = (size_t)e->kind;
    sh_log(n->env.log, list[i].level, "backup", "%s %s: %s%s%s (by %s)", e->id, list[i].words,
           e->text, e->remedy[0] == '\0' ? "" : "; ", e->remedy, e->by);
    char detail[400];
    (void)snprintf(detail, sizeof detail, "by %.90s: %.290s", e->by, e->text);
    const sh_err err = sh_guard_audit(
        n->guard,
        &(struct sh_audit){.tenant = SH_TENANT_ROOT,
                           .act = sh_str_c(list[i].act),
                           .object = e->id[0] == '\0' ? SH_STR("system:backup") : sh_str_c(e->id),
                           .result = sh_str_c(list[i].result),
                           .detail = sh_str_c(detail)});
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_ERROR, "backup", "not in the audit: %s", sh_err_name(err));
    }
}

/* ---- opening ---- */

/* "02:30" -> 150; -1 when it is empty, -2 when it is not a time. */
static int minute_of(struct sh_str s)
{
    if (s.n == 0) {
        return -1;
    }
    if (s.n != 5 || s.p[2] != ':') {
        return -2;
    }
    for (size_t i = 0; i < 5; i++) {
        if (i != 2 && (s.p[i] < '0' || s.p[i] > '9')) {
            return -2;
        }
    }
    const int h = (s.p[0] - '0') * 10 + s.p[1] - '0';
    const int m = (s.p[3] - '0') * 10 + s.p[4] - '0';
    return h < 24 && m < 60 ? h * 60 + m : -2;
}

static void text_of(const struct node *n, const char *key, char out[1024])
{
    (void)snprintf(out, 1024, "%.*s", SH_PRI(sh_config_get(n->config, key)));
}

static sh_err take_folder(struct node_keeper *nk)
{
    const sh_err err = sh_fs_mkdirs(nk->n->env.fs, nk->dir);
    if (err != SH_OK) {
        sh_diag_set(&nk->trouble, "backup.dir cannot be made: %s", sh_err_name(err));
        sh_diag_remedy(&nk->trouble, "name a folder that the server may write, and restart");
        return err;
    }
    if (node_backup_inside(nk->n->dir, nk->dir)) {
        sh_diag_set(&nk->trouble, "backup.dir lies in the data folder");
        sh_diag_remedy(&nk->trouble,
                       "name a folder outside of it, best on another disk, and restart");
        return SH_E_INVAL;
    }
    nk->lock_fd = node_backup_lock(nk->dir);
    if (nk->lock_fd < 0) {
        sh_diag_set(&nk->trouble, "backup.dir is in use by another process, or cannot be written");
        sh_diag_remedy(&nk->trouble, "give each node a folder of its own, and restart");
        return SH_E_BUSY;
    }
    return SH_OK;
}

bool keeper_time_ok(struct sh_str s)
{
    return minute_of(s) != -2;
}

static struct sh_keeper_plan plan_of(const struct node *n, const struct sh_config *c)
{
    int at = minute_of(sh_config_get(c, "backup.at"));
    if (at == -2) {
        sh_log(n->env.log, SH_LOG_ERROR, "backup", "backup.at is not a time like 02:30: left out");
        at = -1;
    }
    return (struct sh_keeper_plan){.every_us = sh_config_int(c, "backup.every"),
                                   .at_minute = at,
                                   .keep = (uint32_t)sh_config_int(c, "backup.keep"),
                                   .rehearse = sh_config_bool(c, "backup.rehearse"),
                                   .rate = (uint64_t)sh_config_int(c, "backup.rate")};
}

static void put_text(const struct sh_config *c, const char *key, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%.*s", SH_PRI(sh_config_get(c, key)));
}

static void remote_of(const struct sh_config *c, struct sh_remote_target *t)
{
    put_text(c, "backup.sftp", t->url, sizeof t->url);
    put_text(c, "backup.sftp_host_key", t->host_key, sizeof t->host_key);
    put_text(c, "backup.sftp_key", t->key_file, sizeof t->key_file);
    put_text(c, "backup.sftp_password_file", t->password_file, sizeof t->password_file);
    t->keep = (uint32_t)sh_config_int(c, "backup.sftp_keep");
}

void keeper_set(const struct node *n, const struct sh_config *c)
{
    if (n->keeper != NULL && n->keeper->k != NULL) {
        const struct sh_keeper_plan p = plan_of(n, c);
        struct sh_remote_target t = {.keep = 0};
        remote_of(c, &t);
        sh_keeper_set_plan(n->keeper->k, &p);
        sh_keeper_set_remote(n->keeper->k, &t);
    }
}

static sh_err start(struct node_keeper *nk)
{
    struct node *n = nk->n;
    SH_TRY(take_folder(nk));
    const unsigned stop = (unsigned)sh_config_int(n->config, "disk.stop");
    struct sh_keeper_options o = {.backup = {.env = &n->env,
                                             .crypto = n->crypto,
                                             .dir = n->dir,
                                             .to = nk->dir,
                                             .version = SH_VERSION,
                                             .record = n->record,
                                             .history = n->history,
                                             .points = n->points,
                                             .journal = n->journal,
                                             .save = save,
                                             .ctx = nk,
                                             .reserve = stop >= 100 ? 0 : 100 - stop},
                                  .passphrase_file =
                                      nk->passphrase_file[0] == '\0' ? NULL : nk->passphrase_file,
                                  .plan = plan_of(n, n->config),
                                  .master = nk->master,
                                  .swap = n->swap,
                                  .separated = separated,
                                  .event = told,
                                  .may = may_run,
                                  .ctx = nk};
    memcpy(o.swap_why, n->swap_why, sizeof o.swap_why);
    remote_of(n->config, &o.remote);
    const sh_err err = sh_remote_init();
    return err != SH_OK ? err : sh_keeper_new(&o, &nk->k);
}

sh_err keeper_open(struct node *n)
{
    struct node_keeper *nk = sh_mem_new(n->env.alloc, sizeof *nk);
    if (nk == NULL) {
        return SH_E_NOMEM;
    }
    nk->n = n;
    nk->lock_fd = -1;
    nk->job = (struct sh_job){.fn = checkpoint, .ctx = nk};
    sh_mutex_init(&nk->lock);
    sh_cond_init(&nk->cond);
    text_of(n, "backup.dir", nk->dir);
    text_of(n, "backup.passphrase_file", nk->passphrase_file);
    text_of(n, "guard.master_key", nk->master);
    n->keeper = nk;
    if (nk->dir[0] == '\0') {
        sh_diag_set(&nk->trouble, "no folder for backups is set");
        sh_diag_remedy(&nk->trouble,
                       "set backup.dir to a folder, best on another disk, and restart");
        return SH_OK;
    }
    const sh_err err = start(nk);
    if (err != SH_OK) { /* the node serves; the overview says it */
        sh_log(n->env.log, SH_LOG_ERROR, "backup", "no backups: %s (%s)", nk->trouble.message,
               nk->trouble.remedy);
    }
    return SH_OK;
}

void keeper_stop(struct node *n)
{
    if (n->keeper != NULL) {
        atomic_store(&n->keeper->stopping, true);
        sh_keeper_stop(n->keeper->k);
    }
}

void keeper_free(struct node *n)
{
    struct node_keeper *nk = n->keeper;
    if (nk == NULL) {
        return;
    }
    sh_keeper_free(nk->k);
    if (nk->lock_fd >= 0) {
        (void)close(nk->lock_fd);
    }
    sh_cond_fini(&nk->cond);
    sh_mutex_fini(&nk->lock);
    sh_mem_free(n->env.alloc, nk);
    n->keeper = NULL;
}

/* ---- asked ---- */

static sh_err ask_work(struct sh_keeper *k, enum sh_keeper_work_kind kind,
                       const struct sh_api_backup_ask *a, struct sh_diag *diag)
{
    const sh_err err = sh_keeper_ask(k, kind, a->id, a->by, a->reason);
    if (err == SH_E_STATE && kind == SH_KEEPER_WORK_DROP) {
        sh_diag_set(diag,
                    "only the records with the audit are left of this data, which have to be "
                    "kept for %d days",
                    SH_KEEPER_RECORDS_DAYS);
    } else if (err == SH_E_STATE) {
        sh_diag_set(diag, "no SFTP server for copies of backups is set");
        sh_diag_remedy(diag, "set backup.sftp, backup.sftp_host_key and backup.sftp_key");
    } else if (err == SH_E_EXISTS) {
        sh_diag_set(diag, "this backup is here already");
    }
    return err;
}

/* The chain of audit that goes out of use is sealed, and the one that comes names its end. */
static sh_err apply(struct node *n, const struct sh_api_backup_ask *a, struct sh_diag *diag)
{
    struct sh_checkpoint cp;
    char note[SH_SWAP_WHY] = "";
    if (sh_guard_checkpoint(n->guard, &cp) == SH_OK) {
        char hex[SH_HASH_HEX];
        sh_hash_hex(cp.hash, hex);
        (void)snprintf(note, sizeof note, "its audit at entry %llu, SHA-256 %s",
                       (unsigned long long)cp.seq, hex);
    }
    return sh_keeper_apply(n->keeper->k, a->id, a->by, a->reason, note, diag);
}

sh_err keeper_ask(void *ctx, const struct sh_api_backup_ask *a, struct sh_jw *w,
                  struct sh_diag *diag)
{
    struct node *n = ctx;
    const struct node_keeper *nk = n->keeper;
    if (nk == NULL || nk->k == NULL) {
        if (nk != NULL && diag != NULL) {
            *diag = nk->trouble;
        }
        return SH_E_STATE;
    }
    switch (a->act) {
    case SH_API_BACKUP_BEGIN:
        return sh_keeper_begin(nk->k, a->by);
    case SH_API_BACKUP_CANCEL:
        return sh_keeper_cancel(nk->k);
    case SH_API_BACKUP_REMOVE:
        return sh_keeper_remove(nk->k, a->id);
    case SH_API_BACKUP_COPY:
        return ask_work(nk->k, SH_KEEPER_WORK_COPY, a, diag);
    case SH_API_BACKUP_FETCH:
        return ask_work(nk->k, SH_KEEPER_WORK_FETCH, a, diag);
    case SH_API_BACKUP_LOOK:
        return ask_work(nk->k, SH_KEEPER_WORK_LOOK, a, diag);
    case SH_API_BACKUP_PREPARE:
        return ask_work(nk->k, SH_KEEPER_WORK_PREPARE, a, diag);
    case SH_API_BACKUP_DISCARD:
        return ask_work(nk->k, SH_KEEPER_WORK_DISCARD, a, diag);
    case SH_API_BACKUP_DROP:
        return ask_work(nk->k, SH_KEEPER_WORK_DROP, a, diag);
    case SH_API_BACKUP_APPLY:
        return apply(n, a, diag);
    case SH_API_BACKUP_RESTART:
        node_again(n);
        return SH_OK;
    case SH_API_BACKUP_LIST:
    default:
        sh_keeper_write(nk->k, w);
        return SH_OK;
    }
}

void keeper_problems(void *ctx, struct sh_jw *w)
{
    const struct node_keeper *nk = ((struct node *)ctx)->keeper;
    if (nk == NULL || nk->dir[0] == '\0') {
        return;
    }
    if (nk->k != NULL) {
        sh_keeper_problems(nk->k, w);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "level");
    sh_jw_c(w, "error");
    sh_jw_key(w, "code");
    sh_jw_c(w, "backup_off");
    sh_jw_key(w, "text");
    sh_jw_c(w, nk->trouble.message);
    sh_jw_key(w, "count");
    sh_jw_u64(w, 1);
    sh_jw_obj_end(w);
}

sh_err keeper_metrics(const struct node *n, struct sh_buf *out)
{
    struct sh_keeper_stats s = {.made = 0};
    if (n->keeper == NULL || n->keeper->k == NULL) {
        return SH_OK;
    }
    sh_keeper_stats(n->keeper->k, &s);
    const struct sh_api_metric list[] = {
        {"backups_total", "counter", "Backups made since the start.", (double)s.made},
        {"backups_failed_total", "counter", "Backups and rehearsals that could not be done.",
         (double)s.failed},
        {"backups_removed_total", "counter", "Removed beyond backup.keep.", (double)s.removed},
        {"backup_rehearsals_total", "counter", "Backups restored on trial.", (double)s.rehearsed},
        {"backup_rehearsals_failed_total", "counter", "Among them not good.",
         (double)s.rehearsals_failed},
        {"backup_copies_total", "counter", "Backups copied to the SFTP server.", (double)s.copies},
        {"backup_copies_failed_total", "counter", "Copies that could not be made.",
         (double)s.copies_failed},
        {"backup_restores_prepared_total", "counter", "Backups made ready to be put in place.",
         (double)s.prepared},
        {"backup_restores_failed_total", "counter", "Backups that could not be made ready.",
         (double)s.prepare_failed},
        {"backup_last_copy_timestamp_seconds", "gauge",
         "Start of the newest backup that is on the SFTP server; 0 = none.",
         (double)s.last_copy_us / 1e6},
        {"backup_last_timestamp_seconds", "gauge", "Start of the newest backup; 0 = none.",
         (double)s.last_good_us / 1e6},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}
