/* keeper_remote.c - the keeper's copies on an SFTP server: the newest backup by itself, any backup
 * and the way back when asked.
 *
 * Runs on the keeper's thread. BACKUP/remote.json says to which server a backup was copied and
 * when; what the server holds is known after the first look. A failure leaves the local backup as
 * it is and is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "keeper_int.h"

enum { MARK_MAX = 8192 };
#define MARK "remote.json"

/* ---- marks ---- */

sh_err keeper_owner(struct sh_keeper *k)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    SH_TRY(ops_join(path, k->o.backup.to, ".owner"));
    const sh_err err = sh_fs_read_all(k->env->fs, k->env->alloc, path, SH_TOKEN_CHARS, &text);
    if (err == SH_OK && text.n == SH_TOKEN_CHARS) {
        memcpy(k->owner, text.p, text.n);
        k->owner[text.n] = '\0';
        sh_str_free(k->env->alloc, &text);
        return SH_OK;
    }
    sh_str_free(k->env->alloc, &text);
    SH_TRY(sh_random_token(k->env->random, "", k->owner, sizeof k->owner));
    SH_TRY(sh_fs_mkdirs(k->env->fs, k->o.backup.to));
    return sh_fs_replace(k->env->fs, path, sh_str_bytes(sh_str_c(k->owner)));
}

int64_t keeper_mark_read(const struct sh_keeper *k, const char *backup, const char *url)
{
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    json_t *doc = NULL;
    int64_t at = 0;
    if (ops_join(path, backup, MARK) != SH_OK ||
        sh_fs_read_all(k->env->fs, k->env->alloc, path, MARK_MAX, &text) != SH_OK) {
        return 0;
    }
    if (sh_json_parse(text, MARK_MAX, &doc, NULL) == SH_OK &&
        sh_str_eqc(sh_json_get_str(doc, "url"), url)) {
        at = sh_json_get_i64(doc, "time", 0);
    }
    json_decref(doc);
    sh_str_free(k->env->alloc, &text);
    return at;
}

static void mark_write(struct sh_keeper *k, const char *id, const char *url, int64_t at_us)
{
    char path[OPS_PATH];
    struct sh_buf b;
    struct sh_jw w;
    const int n = snprintf(path, sizeof path, "%s/%s/" MARK, k->o.backup.to, id);
    sh_buf_init(&b, k->env->alloc, MARK_MAX);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "url");
    sh_jw_c(&w, url);
    sh_jw_key(&w, "time");
    sh_jw_i64(&w, at_us);
    sh_jw_obj_end(&w);
    sh_err err = n < 0 || n >= OPS_PATH ? SH_E_LIMIT : sh_jw_end(&w);
    err = err != SH_OK ? err : sh_fs_replace(k->env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    if (err != SH_OK) {
        sh_log(k->env->log, SH_LOG_WARN, "backup", "%s cannot be written: %s", path,
               sh_err_name(err));
    }
}

/* ---- when ---- */

int64_t keeper_copy_due(const struct sh_keeper *k)
{
    const struct item *last = k->n == 0 ? NULL : &k->items[k->n - 1];
    if (last == NULL || k->o.remote.url[0] == '\0' || last->copied_us != 0 ||
        (last->rehearsed && !last->report.good)) {
        return INT64_MAX;
    }
    return k->copy_not_before_us;
}

static bool pressing(void *ctx)
{
    struct sh_keeper *k = ctx;
    sh_mutex_lock(&k->lock);
    const bool is = k->asked || keeper_due(k) <= sh_wall_us(k->env->clock);
    sh_mutex_unlock(&k->lock);
    return is;
}

/* ---- the work ---- */

static void options(struct sh_keeper *k, bool by_itself, struct sh_remote_options *o)
{
    *o = (struct sh_remote_options){.env = k->env,
                                    .crypto = k->o.backup.crypto,
                                    .reserve = k->o.backup.reserve,
                                    .progress = &k->progress,
                                    .yield = by_itself ? pressing : NULL,
                                    .ctx = k};
    sh_mutex_lock(&k->lock);
    o->target = k->o.remote;
    k->target_used = k->target_no;
    o->rate = k->o.plan.rate;
    sh_mutex_unlock(&k->lock);
}

static void went_well(struct sh_keeper *k)
{
    sh_mutex_lock(&k->lock);
    k->copy_failed = false;
    sh_mutex_unlock(&k->lock);
}

static void went_wrong(struct sh_keeper *k, const struct keeper_work *w, sh_err err,
                       const struct sh_diag *d, const char *by)
{
    const int64_t now = sh_wall_us(k->env->clock);
    const bool canceled = err == SH_E_CANCELED;
    if (err == SH_E_AGAIN) {
        return; /* it gave way, and goes on after that */
    }
    sh_mutex_lock(&k->lock);
    const bool now_other = k->target_used != k->target_no; /* then it is tried with that at once */
    if (w->kind == SH_KEEPER_WORK_COPY && !now_other) {
        k->copy_not_before_us = canceled ? INT64_MAX : now + KEEPER_RETRY_US;
    }
    if (!canceled && !now_other) {
        k->copy_failed = true;
        k->copy_failed_us = now;
        memcpy(k->copy_failed_id, w->id, sizeof k->copy_failed_id);
        k->copy_why = *d;
        k->stats.copies_failed += w->kind == SH_KEEPER_WORK_COPY;
    }
    sh_mutex_unlock(&k->lock);
    if (w->kind != SH_KEEPER_WORK_LOOK) {
        const enum sh_keeper_event_kind kind =
            w->kind == SH_KEEPER_WORK_COPY ? SH_KEEPER_COPY_FAILED : SH_KEEPER_FETCH_FAILED;
        keeper_tell(k, canceled ? SH_KEEPER_CANCELED : kind, w->id, by, d->message, d->remedy);
    }
}

struct seen {
    struct sh_remote_copy *p;
    size_t n;
};

static sh_err see(void *ctx, const struct sh_remote_copy *c)
{
    struct seen *s = ctx;
    if (s->n == SH_KEEPER_ITEMS) { /* the oldest are not shown */
        memmove(s->p, s->p + 1, (s->n - 1) * sizeof *s->p);
        s->n--;
    }
    s->p[s->n++] = *c;
    return SH_OK;
}

static sh_err look(struct sh_keeper *k, const struct sh_remote_options *o, struct sh_diag *d)
{
    struct seen s = {.p = sh_mem_array(k->env->alloc, SH_KEEPER_ITEMS, sizeof *s.p)};
    if (s.p == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = sh_remote_list(o, see, &s, d);
    if (err != SH_OK) {
        sh_mem_free(k->env->alloc, s.p);
        return err;
    }
    sh_mutex_lock(&k->lock);
    struct sh_remote_copy *old = k->copies;
    k->copies = s.p;
    k->copies_n = s.n;
    k->looked_us = sh_wall_us(k->env->clock);
    sh_mutex_unlock(&k->lock);
    sh_mem_free(k->env->alloc, old);
    return SH_OK;
}

static sh_err copy(struct sh_keeper *k, const struct keeper_work *w,
                   const struct sh_remote_options *o, const char *by, struct sh_diag *d)
{
    char text[200];
    struct sh_remote_done done;
    SH_TRY(sh_remote_send(o, k->o.backup.to, w->id, k->owner, &done, d));
    mark_write(k, w->id, o->target.url, sh_wall_us(k->env->clock));
    (void)snprintf(text, sizeof text,
                   "%" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64 " sent; %" PRIu64
                   " old copies removed",
                   done.files, done.bytes, done.sent, done.removed);
    sh_mutex_lock(&k->lock);
    k->stats.copies++;
    sh_mutex_unlock(&k->lock);
    keeper_tell(k, SH_KEEPER_COPIED, w->id, by, text, "");
    return look(k, o, d);
}

static sh_err fetch(struct sh_keeper *k, const struct keeper_work *w,
                    const struct sh_remote_options *o, const char *by, struct sh_diag *d)
{
    char text[200];
    struct sh_backup_info info;
    SH_TRY(sh_remote_fetch(o, w->id, k->o.backup.to, &info, d));
    mark_write(k, w->id, o->target.url, sh_wall_us(k->env->clock));
    (void)snprintf(text, sizeof text, "%" PRIu64 " files, %" PRIu64 " bytes", info.files,
                   info.bytes);
    keeper_tell(k, SH_KEEPER_FETCHED, w->id, by, text, "");
    return SH_OK;
}

void keeper_remote_work(struct sh_keeper *k, const struct keeper_work *w, const char *by)
{
    struct sh_diag d = {.line = 0};
    struct sh_remote_options o;
    sh_err err = SH_OK;
    sh_mutex_lock(&k->folder_lock);
    options(k, w->by_itself, &o);
    if (w->kind == SH_KEEPER_WORK_COPY) {
        keeper_start(k, "copy");
        sh_mutex_lock(&k->lock);
        k->yielding = w->by_itself;
        sh_mutex_unlock(&k->lock);
        err = copy(k, w, &o, by, &d);
    } else if (w->kind == SH_KEEPER_WORK_FETCH) {
        keeper_start(k, "fetch");
        err = fetch(k, w, &o, by, &d);
    } else {
        keeper_start(k, "look");
        err = look(k, &o, &d);
    }
    if (err == SH_OK) {
        went_well(k);
    } else {
        went_wrong(k, w, err, &d, by);
    }
    keeper_read_folder(k);
    sh_mutex_lock(&k->lock);
    k->doing = NULL;
    k->yielding = false;
    sh_mutex_unlock(&k->lock);
    sh_mutex_unlock(&k->folder_lock);
}

/* ---- asked from outside ---- */

bool keeper_here(const struct sh_keeper *k, struct sh_str id)
{
    for (size_t i = 0; i < k->n; i++) {
        if (sh_str_eqc(id, k->items[i].info.id)) {
            return true;
        }
    }
    return false;
}

/* Under lock. */
static sh_err may_ask(const struct sh_keeper *k, enum sh_keeper_work_kind kind, struct sh_str id)
{
    const bool names = kind == SH_KEEPER_WORK_COPY || kind == SH_KEEPER_WORK_FETCH;
    if (k->stopping) {
        return SH_E_CLOSED;
    }
    if (k->swapping) {
        return SH_E_BUSY;
    }
    if (kind >= SH_KEEPER_WORK_PREPARE) {
        return keeper_may_restore(k, kind, id);
    }
    if (kind != SH_KEEPER_WORK_BACKUP && k->o.remote.url[0] == '\0') {
        return SH_E_STATE;
    }
    if (names && !sh_backup_id_ok(id)) {
        return SH_E_INVAL;
    }
    if (kind == SH_KEEPER_WORK_COPY && !keeper_here(k, id)) {
        return SH_E_NOTFOUND;
    }
    if (kind == SH_KEEPER_WORK_FETCH && keeper_here(k, id)) {
        return SH_E_EXISTS;
    }
    return k->asked || (k->doing != NULL && !k->yielding) ? SH_E_BUSY : SH_OK;
}

sh_err sh_keeper_ask(struct sh_keeper *k, enum sh_keeper_work_kind kind, struct sh_str id,
                     struct sh_str by, struct sh_str why)
{
    sh_mutex_lock(&k->lock);
    const sh_err err = may_ask(k, kind, id);
    if (err == SH_OK) {
        (void)snprintf(k->by, sizeof k->by, "%.*s", SH_PRI(by));
        k->work = (struct keeper_work){.kind = kind};
        (void)snprintf(k->work.id, sizeof k->work.id, "%.*s", SH_PRI(id));
        (void)snprintf(k->work.why, sizeof k->work.why, "%.*s", SH_PRI(why));
        k->asked = true;
        sh_cond_signal(&k->wake);
    }
    sh_mutex_unlock(&k->lock);
    return err;
}

void sh_keeper_set_remote(struct sh_keeper *k, const struct sh_remote_target *t)
{
    sh_mutex_lock(&k->lock);
    const bool other = strcmp(k->o.remote.url, t->url) != 0;
    const bool changed = memcmp(&k->o.remote, t, sizeof *t) != 0;
    k->o.remote = *t;
    if (changed) { /* what was wrong may be right now */
        k->copy_not_before_us = 0;
        k->copy_failed = false;
        k->target_no++;
    }
    if (other) {
        k->copies_n = 0;
        k->looked_us = 0;
        k->stale = true;
    }
    sh_cond_signal(&k->wake);
    sh_mutex_unlock(&k->lock);
}

/* ---- told to outside ---- */

static bool seen_there(const struct sh_keeper *k, const char *id)
{
    for (size_t i = 0; i < k->copies_n; i++) {
        if (strcmp(k->copies[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static const char *state_of(const struct sh_keeper *k, const struct item *it)
{
    const bool newest = it == &k->items[k->n - 1];
    if (it->copied_us != 0 && (k->looked_us == 0 || seen_there(k, it->info.id))) {
        return "copied";
    }
    if (k->copy_failed && strcmp(k->copy_failed_id, it->info.id) == 0) {
        return "failed";
    }
    return newest && keeper_copy_due(k) != INT64_MAX ? "waiting" : "none";
}

void keeper_put_item_remote(const struct sh_keeper *k, const struct item *it, struct sh_jw *w)
{
    sh_jw_key(w, "remote");
    if (k->o.remote.url[0] == '\0') {
        sh_jw_null(w);
        return;
    }
    const char *state = state_of(k, it);
    sh_jw_obj(w);
    sh_jw_key(w, "state");
    sh_jw_c(w, state);
    sh_jw_key(w, "time");
    if (strcmp(state, "copied") == 0) {
        sh_jw_time(w, it->copied_us);
    } else {
        sh_jw_null(w);
    }
    sh_jw_obj_end(w);
}

static void put_failure(const struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "last_failure");
    if (!k->copy_failed) {
        sh_jw_null(w);
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "time");
    sh_jw_time(w, k->copy_failed_us);
    sh_jw_key(w, "id");
    sh_jw_c(w, k->copy_failed_id);
    sh_jw_key(w, "text");
    sh_jw_c(w, k->copy_why.message);
    sh_jw_key(w, "remedy");
    sh_jw_c(w, k->copy_why.remedy);
    sh_jw_obj_end(w);
}

static void put_copies(const struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = k->copies_n; i > 0; i--) {
        const struct sh_remote_copy *c = &k->copies[i - 1];
        sh_jw_obj(w);
        sh_jw_key(w, "id");
        sh_jw_c(w, c->id);
        sh_jw_key(w, "time");
        sh_jw_time(w, c->copied_us);
        sh_jw_key(w, "here");
        sh_jw_bool(w, keeper_here(k, sh_str_c(c->id)));
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

void keeper_put_remote(const struct sh_keeper *k, struct sh_jw *w)
{
    sh_jw_key(w, "remote");
    if (k->o.remote.url[0] == '\0') {
        sh_jw_null(w);
        return;
    }
    const int64_t due = keeper_copy_due(k);
    sh_jw_obj(w);
    sh_jw_key(w, "url");
    sh_jw_c(w, k->o.remote.url);
    sh_jw_key(w, "keep");
    sh_jw_u64(w, k->o.remote.keep);
    sh_jw_key(w, "retry");
    if (k->copy_failed && due != INT64_MAX) {
        sh_jw_time(w, due);
    } else {
        sh_jw_null(w);
    }
    put_failure(k, w);
    sh_jw_key(w, "looked");
    if (k->looked_us != 0) {
        sh_jw_time(w, k->looked_us);
    } else {
        sh_jw_null(w);
    }
    put_copies(k, w);
    sh_jw_obj_end(w);
}
