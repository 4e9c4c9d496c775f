/* serve.c - `songhua serve`: opens the parts in order, connects them, runs them, and closes them
 * backwards. No part knows another of its layer: here is where they meet.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <sh/seccomp.h>
#include <sh/version.h>

#include "main_int.h"

enum { QUERY_THREADS = 8 };

/* ---- callbacks between the parts ---- */

static void journal_report(void *ctx, const struct sh_journal_report *r)
{
    struct node *n = ctx;
    static const char *const words[] = {"an unfinished write at the end was cut",
                                        "damaged bytes were set aside", "records are missing",
                                        "the checkpoint was unreadable: all is replayed",
                                        "a write failed: the file was sealed"};
    sh_log(n->env.log, r->what == SH_JOURNAL_TORN_TAIL ? SH_LOG_INFO : SH_LOG_ERROR, "journal",
           "%s at %llu: %s (%llu bytes)", r->file, (unsigned long long)r->offset,
           words[(size_t)r->what], (unsigned long long)r->bytes);
}

static void history_report(void *ctx, const struct sh_history_report *r)
{
    struct node *n = ctx;
    static const char *const words[] = {"segment damaged, set aside", "block damaged, left out",
                                        "corrections unreadable, set aside",
                                        "flush failed, tried again later", "compaction failed"};
    sh_log(n->env.log, SH_LOG_ERROR, "history", "%s at %llu: %s (%s)",
           r->file == NULL ? "?" : r->file, (unsigned long long)r->offset, words[(size_t)r->what],
           sh_err_name(r->err));
}

static void points_report(void *ctx, const char *file, uint64_t offset, const char *what)
{
    struct node *n = ctx;
    sh_log(n->env.log, SH_LOG_WARN, "point", "%s at %llu: %s", file, (unsigned long long)offset,
           what);
}

static void history_flushed(void *ctx, uint64_t seq)
{
    struct node *n = ctx;
    sh_err err = SH_OK;
    sh_mutex_lock(&n->journal_lock); /* history's own thread goes on while the journal closes */
    if (n->journal != NULL && seq != 0) {
        err = sh_journal_checkpoint(n->journal, SH_OWNER_SAMPLES, seq);
    }
    sh_mutex_unlock(&n->journal_lock);
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "journal", "checkpoint failed: %s", sh_err_name(err));
    }
}

static void want_flush(void *ctx, uint64_t seq)
{
    SH_UNUSED(seq);
    sh_history_want_flush(((struct node *)ctx)->history);
}

static void want_catalogue(void *ctx, uint64_t seq)
{
    SH_UNUSED(seq);
    atomic_store(&((struct node *)ctx)->want_catalogue, true);
}

/* Owners get their own contexts; want_checkpoint needs the node: a table for each. */
static sh_err samples_apply(void *ctx, const struct sh_journal_record *rec)
{
    return sh_gate_apply(((struct node *)ctx)->gate, rec);
}

static sh_err catalogue_apply(void *ctx, const struct sh_journal_record *rec)
{
    return sh_points_apply(((struct node *)ctx)->points, rec);
}

static void resume_loop(void *ctx)
{
    struct node *n = ctx;
    if (n->api != NULL) {
        sh_api_drained(n->api);
    }
    if (n->mqtt != NULL) {
        telemetry_resume(n->telemetry);
    }
}

static void journal_drained(void *ctx)
{
    struct node *n = ctx; /* on the apply thread: api and mqtt are the loop's to look at */
    if (sh_loop_post(n->loop, resume_loop, n) != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "a wake-up was lost; the next tick does it");
    }
}

static enum sh_gate_refusal gate_device(void *ctx, uint32_t tenant, struct sh_str device,
                                        const struct sh_gate_label *labels, size_t nlabels,
                                        bool provision, char detail[160])
{
    struct node *n = ctx;
    struct sh_twin_label l[SH_TWIN_MAX_LABELS];
    nlabels = nlabels > SH_TWIN_MAX_LABELS ? SH_TWIN_MAX_LABELS : nlabels;
    for (size_t i = 0; i < nlabels; i++) {
        l[i] = (struct sh_twin_label){labels[i].key, labels[i].value};
    }
    const bool known = sh_twin_device_known(n->twin, tenant, device);
    if (!known && provision && sh_guard_use(n->guard, tenant, SH_QUOTA_DEVICES, 1) != SH_OK) {
        (void)snprintf(detail, 160, "the tenant's quota of devices is used up");
        return SH_GATE_QUOTA;
    }
    const enum sh_twin_refusal r =
        sh_twin_device_ensure(n->twin, tenant, device, l, nlabels, provision, detail);
    if (!known && provision && r != SH_TWIN_OK) {
        sh_guard_unuse(n->guard, tenant, SH_QUOTA_DEVICES, 1);
    }
    static const enum sh_gate_refusal map[] = {
        [SH_TWIN_OK] = SH_GATE_OK,
        [SH_TWIN_BAD_NAME] = SH_GATE_BAD_NAME,
        [SH_TWIN_UNKNOWN_DEVICE] = SH_GATE_UNKNOWN_DEVICE,
        [SH_TWIN_UNKNOWN_PROPERTY] = SH_GATE_UNKNOWN_PROPERTY,
        [SH_TWIN_DEVICE_ID_CONFLICT] = SH_GATE_DEVICE_ID_CONFLICT,
        [SH_TWIN_LIMIT] = SH_GATE_QUOTA,
        [SH_TWIN_NO_MEMORY] = SH_GATE_NOT_NOW,
    };
    return map[(size_t)r];
}

static enum sh_gate_refusal gate_property(void *ctx, uint32_t tenant, struct sh_str device,
                                          struct sh_str property, enum sh_type *type,
                                          struct sh_str *unit, char detail[160])
{
    struct node *n = ctx;
    if (sh_twin_property(n->twin, tenant, device, property, type, unit) != SH_TWIN_OK) {
        (void)snprintf(detail, 160, "the thing model does not allow this property");
        return SH_GATE_UNKNOWN_PROPERTY;
    }
    return SH_GATE_OK;
}

static size_t gate_present(void *ctx, uint32_t tenant, struct sh_str device,
                           char out[SH_POINT_MAX_NAME])
{
    struct node *n = ctx;
    return sh_twin_device_present(n->twin, tenant, device, out);
}

static void mqtt_device(void *ctx, const struct mqtt_principal *p, struct sh_str client_id,
                        struct sh_str address, bool online)
{
    SH_UNUSED(client_id);
    SH_UNUSED(address);
    struct node *n = ctx;
    sh_twin_link(n->twin, p->tenant, p->device, SH_TWIN_LINK_MQTT, online);
}

/* ---- opening ---- */

sh_err node_fail(struct node *n, const char *what, sh_err err, const struct sh_diag *d)
{
    (void)snprintf(n->why, sizeof n->why, "%s: %s%s%s", what, sh_err_name(err),
                   d != NULL && d->message[0] != '\0' ? ": " : "", d != NULL ? d->message : "");
    sh_log(n->env.log, SH_LOG_ERROR, "main", "%s", n->why);
    if (d != NULL && d->remedy[0] != '\0') {
        sh_log(n->env.log, SH_LOG_ERROR, "main", "remedy: %s", d->remedy);
    }
    return err;
}

/* What was opened since the last call took so long. */
static void lap(struct node *n, const char *what)
{
    struct node_start *s = &n->start;
    const int64_t now = sh_mono_us(n->env.clock);
    const int k = snprintf(s->text + s->n, sizeof s->text - s->n, "%s%s %lld",
                           s->n == 0 ? "" : ", ", what, (long long)(now - s->lap_us) / 1000);
    s->n += k > 0 && (size_t)k < sizeof s->text - s->n ? (size_t)k : 0;
    s->lap_us = now;
}

static void tell_start(const struct node *n)
{
    struct sh_journal_stats js;
    sh_journal_stats(n->journal, &js);
    sh_log(n->env.log, SH_LOG_INFO, "main",
           "started in %lld ms (%s; records of devices %lld, beside it); replayed %llu records up "
           "to %llu from %llu bytes of log",
           (long long)(n->start.lap_us - n->start.from_us) / 1000, n->start.text,
           (long long)n->start.devices_us / 1000, (unsigned long long)js.replayed,
           (unsigned long long)js.last_seq, (unsigned long long)js.log_bytes);
}

static sh_err open_folder(struct node *n)
{
    char path[4096];
    const sh_err err = sh_fs_mkdirs(n->env.fs, n->dir);
    if (err != SH_OK) {
        return node_fail(n, "the data folder cannot be made", err, NULL);
    }
    if (sh_restore_unfinished(&n->env, n->dir)) {
        (void)fprintf(stderr,
                      "songhua: a restore into %s did not end; remove it and restore again\n",
                      n->dir);
        return SH_E_STATE;
    }
    (void)snprintf(path, sizeof path, "%s/lock", n->dir);
    n->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (n->lock_fd < 0 || flock(n->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        (void)fprintf(stderr,
                      "songhua: %s is in use by another process; stop it or name another folder\n",
                      n->dir);
        return SH_E_BUSY;
    }
    return node_swap(n);
}

/* Where certificates say that they can be asked about. */
static sh_err pki_settings(const struct sh_config *c, struct sh_guard_settings *s,
                           struct sh_diag *d)
{
    struct sh_str url = sh_config_get(c, "pki.url");
    while (url.n > 0 && url.p[url.n - 1] == '/') {
        url.n--;
    }
    if (url.n >= sizeof s->pki_url || (url.n > 0 && !sh_cert_url_ok(url))) {
        sh_diag_set(d, "pki.url is not a web address: '%.*s'.", SH_PRI(url));
        sh_diag_remedy(d, "Write http://host:port as devices reach this node, or leave it empty.");
        return SH_E_INVAL;
    }
    (void)snprintf(s->pki_url, sizeof s->pki_url, "%.*s", SH_PRI(url));
    s->device_days = (uint32_t)sh_config_int(c, "pki.days");
    return SH_OK;
}

/* Signing in by others. */
static sh_err outside_settings(const struct sh_config *c, struct sh_guard_settings *s,
                               struct sh_diag *d)
{
    const struct sh_str url = sh_config_get(c, "signin.url");
    const struct sh_str allow = sh_config_get(c, "signin.allow");
    if (url.n > 0 && !sh_cert_url_ok(url)) {
        sh_diag_set(d, "signin.url is not a web address: '%.*s'.", SH_PRI(url));
        sh_diag_remedy(d,
                       "Write https://host:port as browsers reach the console, or leave it empty.");
        return SH_E_INVAL;
    }
    if (!sh_net_list_ok(allow)) {
        sh_diag_set(d, "signin.allow is no list of addresses and ranges: '%.*s'.", SH_PRI(allow));
        sh_diag_remedy(d, "Write 10.1.2.3,10.8.0.0/16,fd00::/8 or leave it empty.");
        return SH_E_INVAL;
    }
    s->outside_administrators = sh_config_bool(c, "signin.administrators");
    return pki_settings(c, s, d);
}

/* off, a class, or all. */
static sh_err class_setting(const struct sh_config *c, const char *key, uint8_t *out,
                            struct sh_diag *d)
{
    const struct sh_str word = sh_config_get(c, key);
    *out = sh_str_eqc(word, "all") ? SH_CLASS_GENERAL : SH_CLASS_NONE;
    if (*out != SH_CLASS_NONE || sh_str_eqc(word, "off") ||
        sh_data_class_parse(word, out) == SH_OK) {
        return SH_OK;
    }
    sh_diag_set(d, "%s is off, important or core, not '%.*s'.", key, SH_PRI(word));
    return SH_E_INVAL;
}

static sh_err clone_settings(const struct sh_config *c, struct sh_guard_settings *s,
                             struct sh_diag *d)
{
    static const char *const modes[] = {"off", "warn", "quarantine"};
    const struct sh_str clones = sh_config_get(c, "guard.clones");
    size_t i = 0;
    while (i < 3 && !sh_str_eqc(clones, modes[i])) {
        i++;
    }
    if (i == 3) {
        sh_diag_set(d, "guard.clones is off, warn or quarantine, not '%.*s'.", SH_PRI(clones));
        return SH_E_INVAL;
    }
    s->clones = (enum sh_clones)i;
    SH_TRY(class_setting(c, "guard.export_confirm", &s->export_confirm, d));
    SH_TRY(class_setting(c, "guard.watermark", &s->watermark, d));
    return outside_settings(c, s, d);
}

/* What the configuration says about people's sign-in. */
sh_err node_guard_settings(const struct sh_config *c, struct sh_guard_settings *s,
                           struct sh_diag *d)
{
    static const char *const policies[] = {"choice", "administrators", "all"};
    const struct sh_str second = sh_config_get(c, "guard.second_factor");
    size_t i = 0;
    while (i < 3 && !sh_str_eqc(second, policies[i])) {
        i++;
    }
    if (i == 3) {
        sh_diag_set(d, "guard.second_factor is choice, administrators or all, not '%.*s'.",
                    SH_PRI(second));
        return SH_E_INVAL;
    }
    s->second_factor = (enum sh_factor_policy)i;
    s->password_min = (uint32_t)sh_config_int(c, "guard.password_min");
    s->password_classes = (uint32_t)sh_config_int(c, "guard.password_classes");
    s->password_history = (uint32_t)sh_config_int(c, "guard.password_history");
    s->password_age_us = sh_config_int(c, "guard.password_age");
    s->lock_after = (uint32_t)sh_config_int(c, "guard.lock_after");
    s->session_idle_us = sh_config_int(c, "guard.session_idle");
    s->session_max_us = sh_config_int(c, "guard.session_max");
    s->confirm_us = sh_config_int(c, "guard.confirm_after");
    s->box = sh_str_eqc(sh_config_get(c, "guard.cipher"), "sm4") ? SH_BOX_SM4 : SH_BOX_AES_GCM;
    return clone_settings(c, s, d);
}

static sh_err open_stores(struct node *n, const struct settings_from *from)
{
    struct sh_diag d = {0};
    char db[4096];
    char blobs[4096];
    (void)snprintf(db, sizeof db, "%s/songhua.db", n->dir);
    (void)snprintf(blobs, sizeof blobs, "%s/blobs", n->dir);
    sh_err err = sh_crypto_new(&n->env, &n->crypto);
    if (err != SH_OK) {
        return node_fail(n, "crypto", err, NULL);
    }
    const struct sh_record_config rc = {.path = db, .blob_dir = blobs};
    err = sh_record_open(&n->env, NULL, &rc, &n->record, &d);
    if (err != SH_OK) {
        return node_fail(n, "records", err, &d);
    }
    err = console_open(n, from);
    if (err != SH_OK) {
        return node_fail(n, "settings", err, NULL);
    }
    n->mqtt_anonymous = sh_config_bool(n->config, "mqtt.anonymous");
    err = sh_workers_new(&n->env, (unsigned)sh_config_int(n->config, "workers"), 4096, &n->workers);
    if (err != SH_OK) {
        return node_fail(n, "workers", err, NULL);
    }
    struct guard_store *store = NULL;
    err = sh_guard_store_record(&n->env, n->record, &store);
    if (err != SH_OK) {
        return node_fail(n, "guard", err, NULL);
    }
    struct sh_guard_options go = {
        .env = &n->env,
        .crypto = n->crypto,
        .store = store,
        .workers = n->workers,
        .dir = n->dir,
        .master = sh_config_get(n->config, "guard.master_key").p,
        .settings = sh_guard_settings_default(),
    };
    err = node_guard_settings(n->config, &go.settings, &d);
    if (err != SH_OK) {
        sh_guard_store_free(store);
        return node_fail(n, "guard", err, &d);
    }
    err = sh_guard_open(&go, &n->guard, &d);
    return err == SH_OK ? SH_OK : node_fail(n, "guard", err, &d);
}

/* The first start makes the administrator. */
static sh_err first_start(struct node *n)
{
    if (!sh_guard_is_new(n->guard)) {
        return SH_OK;
    }
    char shown[SH_SECRET_CHARS] = "";
    struct sh_diag d = {0};
    const struct sh_str password = sh_str_c(n->admin_password == NULL ? "" : n->admin_password);
    const bool tty = isatty(STDERR_FILENO) == 1;
    const bool random = password.n == 0;
    const sh_err err = sh_guard_first_start(n->guard, password, random && !tty, shown, &d);
    if (err != SH_OK) {
        return node_fail(n, "the administrator was not made", err, &d);
    }
    if (random && tty) {
        (void)fprintf(stderr, "\n  First start. Administrator: admin   password: %s\n\n", shown);
    } else if (random) {
        sh_log(n->env.log, SH_LOG_INFO, "main",
               "first start: the password of admin is in %s/keys/first-password; the first sign-in "
               "deletes it",
               n->dir);
    }
    return SH_OK;
}

/* Besides the thread that asks. */
static unsigned query_helpers(const struct node *n)
{
    const unsigned want = (unsigned)sh_config_int(n->config, "history.query_threads");
    const unsigned most = sh_processors() < QUERY_THREADS ? sh_processors() : QUERY_THREADS;
    return (want == 0 ? most : want) - 1;
}

static sh_err open_samples(struct node *n)
{
    char dir[4096];
    const uint32_t max_points = (uint32_t)sh_config_int(n->config, "points.max");
    (void)snprintf(dir, sizeof dir, "%s/history", n->dir);
    const struct sh_points_options po = {
        .dir = dir, .max_points = max_points, .report = points_report, .ctx = n};
    sh_err err = sh_bus_new(&n->env, 64, &n->bus);
    err = err != SH_OK ? err : sh_points_open(&n->env, &po, &n->points);
    err = err != SH_OK ? err : sh_latest_new(&n->env, max_points, &n->latest);
    if (err != SH_OK) {
        return node_fail(n, "points", err, NULL);
    }
    lap(n, "catalogue");
    const int64_t cold_after = sh_config_int(n->config, "history.cold_after");
    const struct sh_history_options ho = {
        .dir = dir,
        .head_bytes = (uint64_t)sh_config_int(n->config, "history.head"),
        .query_threads = query_helpers(n),
        .max_points = max_points,
        .retention_us = sh_config_int(n->config, "history.retention"),
        .cold_after_us = cold_after == 0 ? INT64_MAX : cold_after,
        .roll_min = (uint32_t)sh_config_int(n->config, "history.rollup_min"),
        .report = history_report,
        .flushed = history_flushed,
        .ctx = n,
    };
    err = sh_history_open(&n->env, &ho, &n->history);
    if (err != SH_OK) {
        return node_fail(n, "history", err, NULL);
    }
    const struct sh_gate_options go = {
        .points = n->points,
        .latest = n->latest,
        .history = n->history,
        .bus = n->bus,
        .guard = n->guard,
        .device = gate_device,
        .property = gate_property,
        .present = gate_present,
        .ctx = n,
        .max_future_us = sh_config_int(n->config, "history.max_future"),
        .late_us = sh_config_int(n->config, "history.late"),
    };
    err = sh_gate_new(&n->env, &go, &n->gate);
    err = err != SH_OK ? err : disk_open(n);
    if (err != SH_OK) {
        return node_fail(n, "gate", err, NULL);
    }
    disk_tick(n); /* the marks hold from the first sample on */
    return SH_OK;
}

static sh_err open_broker(struct node *n)
{
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s/mqtt", n->dir);
    sh_err err = node_loops_new(n);
    err = err != SH_OK ? err : mqtt_journal_new(&n->env, n->loop, n->workers, dir, &n->mqtt_log);
    err = err != SH_OK ? err : telemetry_new(n, &n->telemetry);
    if (err != SH_OK) {
        return node_fail(n, "loop", err, NULL);
    }
    n->auth_ops = node_auth_ops;
    n->auth_ops.ctx = n;
    n->telemetry_ops = (struct mqtt_telemetry_ops){
        .telemetry = telemetry_take, .turn_end = telemetry_turn_end, .ctx = n};
    n->event_ops = (struct mqtt_event_ops){.device = mqtt_device, .ctx = n};
    const struct mqtt_broker_opts bo = {
        .env = &n->env,
        .limits = {.max_connections = (uint32_t)sh_config_int(n->config, "mqtt.max_connections"),
                   .max_packet = (uint32_t)sh_config_int(n->config, "mqtt.max_packet"),
                   .max_queued = (uint32_t)sh_config_int(n->config, "mqtt.max_queued")},
        .auth = &n->auth_ops,
        .telemetry = &n->telemetry_ops,
        .store = mqtt_journal_ops(n->mqtt_log),
        .events = &n->event_ops,
        .full = &n->disk_stop,
        .version = SH_VERSION,
    };
    err = mqtt_broker_new(&bo, &n->broker);
    err = err != SH_OK ? err : mqtt_journal_load(n->mqtt_log, n->broker);
    return err == SH_OK ? SH_OK : node_fail(n, "mqtt", err, NULL);
}

/* History may know points that the catalogue lost: their ids are not given out again. */
static void skip_lost_points(struct node *n)
{
    struct sh_history_stats hs;
    sh_history_stats(n->history, &hs);
    const uint32_t known = sh_points_last_id(n->points);
    if (hs.last_point > known) {
        sh_log(n->env.log, SH_LOG_ERROR, "point",
               "history has points up to %u, the catalogue ends at %u: the rest is not reachable",
               hs.last_point, known);
        sh_points_skip(n->points, hs.last_point);
    }
}

static sh_err open_journal(struct node *n)
{
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s/journal", n->dir);
    const struct sh_journal_owner owners[] = {
        {.id = SH_OWNER_CATALOGUE,
         .name = "catalogue",
         .apply = catalogue_apply,
         .want_checkpoint = want_catalogue,
         .limit_bytes = 64 << 20,
         .ctx = n},
        {.id = SH_OWNER_SAMPLES,
         .name = "samples",
         .apply = samples_apply,
         .want_checkpoint = want_flush,
         .ctx = n},
        mqtt_journal_owner(n->mqtt_log),
    };
    struct sh_history_stats hs;
    sh_history_stats(n->history, &hs);
    const struct sh_journal_options jo = {
        .dir = dir,
        .after_seq = hs.flushed_seq,
        .segment_bytes = disk_log_bytes(n),
        .queue_bytes = (uint64_t)sh_config_int(n->config, "journal.queue"),
        .min_gap_us = sh_config_int(n->config, "journal.min_gap"),
        .owners = owners,
        .owner_count = sizeof owners / sizeof owners[0],
        .report = journal_report,
        .drained = journal_drained,
        .ctx = n,
    };
    sh_err err = sh_journal_open(&n->env, &jo, &n->journal);
    if (err != SH_OK) {
        return node_fail(n, "journal", err, NULL);
    }
    lap(n, "journal");
    skip_lost_points(n);
    sh_points_attach(n->points, n->journal);
    sh_gate_attach(n->gate, n->journal);
    mqtt_journal_attach(n->mqtt_log, n->journal);
    err = sh_gate_load_latest(n->gate);
    if (err != SH_OK) {
        return node_fail(n, "newest values", err, NULL);
    }
    lap(n, "newest values");
    err = sh_journal_start(n->journal);
    return err == SH_OK ? SH_OK : node_fail(n, "threads", err, NULL);
}

/* The records of devices are read on a thread of their own: with many devices that takes as long as
 * all that has to do with samples. */
struct devices {
    struct node *n;
    struct sh_thread thread;
    struct sh_diag diag;
    sh_err err;
};

static void read_devices(void *ctx)
{
    struct devices *d = ctx;
    struct node *n = d->n;
    const int64_t from = sh_mono_us(n->env.clock);
    const struct sh_twin_options o = {.record = n->record, .send = node_send, .send_ctx = n};
    d->err = sh_twin_open(&n->env, &o, &n->twin, &d->diag);
    n->start.devices_us = sh_mono_us(n->env.clock) - from;
}

static sh_err open_twin(struct node *n, const struct devices *d)
{
    if (d->err != SH_OK) {
        return node_fail(n, "twin", d->err, &d->diag);
    }
    sh_err err = sh_twin_attach(n->twin, n->points, n->bus);
    sh_guard_set_in_part(n->guard, node_in_part, n);
    sh_guard_set_archived(n->guard, node_archived, n);
    if (err != SH_OK) {
        return node_fail(n, "twin", err, NULL);
    }
    err = field_new(n, &n->field);
    return err == SH_OK ? SH_OK : node_fail(n, "channels", err, NULL);
}

/* Record types that the console itself needs, in every tenant. A disk without room does not stop
 * the start; then the next one makes them. */
static sh_err make_types(struct node *n)
{
    static const char chart[] =
        "{\"name\":\"chart\",\"title\":{\"zh\":\"曲线\",\"en\":\"Chart\"},\"schema\":{\"type\":"
        "\"object\",\"required\":[\"name\",\"points\"],\"properties\":{\"points\":{\"type\":"
        "\"array\","
        "\"maxItems\":100,\"items\":{\"type\":\"string\"}},\"kind\":{\"type\":\"string\"},"
        "\"window\":{"
        "\"type\":\"string\"},\"demo\":{\"type\":\"boolean\"}}}}";
    struct sh_diag d = {0};
    const sh_err err = sh_record_type_put(n->record, SH_RECORD_PLATFORM, SH_STR("chart"),
                                          sh_str_c(chart), 0, SH_STR("system"), NULL, &d);
    if (err == SH_E_FULL || err == SH_E_IO) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "record types: %s", sh_err_name(err));
        return SH_OK;
    }
    return err == SH_OK || err == SH_E_CONFLICT || err == SH_E_EXISTS
               ? SH_OK
               : node_fail(n, "record types", err, &d);
}

/* ---- opening all ---- */

static sh_err open_journalled(struct node *n)
{
    SH_TRY(open_samples(n));
    lap(n, "history");
    SH_TRY(open_broker(n));
    lap(n, "sessions");
    return open_journal(n);
}

static sh_err open_parts(struct node *n)
{
    struct devices d = {.n = n};
    if (sh_thread_start(&d.thread, "sh-devices", read_devices, &d) != SH_OK) {
        read_devices(&d);
    }
    const sh_err err = open_journalled(n);
    sh_thread_join(&d.thread);
    SH_TRY(err);
    lap(n, "waiting for devices");
    SH_TRY(open_twin(n, &d));
    lap(n, "devices");
    return SH_OK;
}

/* From here on the kernel refuses what a server never does. Without it the node runs all the same:
 * the self check tells. */
static void filter_calls(struct node *n)
{
    if (n->filtered || !sh_config_bool(n->config, "security.seccomp")) {
        return;
    }
    n->filtered = true;
    const sh_err err = sh_seccomp_deny();
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "system calls are not filtered: %s",
               sh_err_name(err));
    }
}

static sh_err node_open(struct node *n, const struct settings_from *from)
{
    n->start.from_us = sh_mono_us(n->env.clock);
    n->start.lap_us = n->start.from_us;
    SH_TRY(open_folder(n));
    filter_calls(n); /* before threads start, which inherit it */
    SH_TRY(open_stores(n, from));
    SH_TRY(first_start(n));
    lap(n, "records");
    SH_TRY(open_parts(n));
    SH_TRY(make_types(n));
    node_count_use(n);
    if (sh_config_bool(n->config, "demo")) {
        demo_import(n);
    }
    SH_TRY(node_servers(n));
    field_load(n->field);
    mappings_load(n);
    SH_TRY(keeper_open(n));
    SH_TRY(health_open(n));
    lap(n, "servers");
    /* Flushing what was replayed, and merging, would only slow the start down. */
    const sh_err err = sh_history_start(n->history);
    if (err != SH_OK) {
        return node_fail(n, "threads", err, NULL);
    }
    SH_TRY(node_swap_settle(n));
    tell_start(n);
    return SH_OK;
}

/* ---- the command ---- */

struct args {
    const char *config;
    char *sets[64];
    size_t nsets;
    char data[4096];
};

static bool parse_args(int argc, char **argv, struct args *a)
{
    for (int i = 0; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--data") == 0 && more) {
            const int n = snprintf(a->data, sizeof a->data, "data=%s", argv[++i]);
            if (n < 0 || (size_t)n >= sizeof a->data || a->nsets == 64) {
                return false;
            }
            a->sets[a->nsets++] = a->data;
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            a->config = argv[++i];
        } else if (strcmp(argv[i], "--set") == 0 && more && a->nsets < 64) {
            a->sets[a->nsets++] = argv[++i];
        } else {
            (void)fprintf(stderr, "songhua: unknown argument '%s' (see songhua --help)\n", argv[i]);
            return false;
        }
    }
    return true;
}

/* Takes SONGHUA_ADMIN_PASSWORD out of the environment. */
static void take_password(struct node *n, char **env)
{
    static const char name[] = "SONGHUA_ADMIN_PASSWORD=";
    for (; *env != NULL; env++) {
        if (strncmp(*env, name, sizeof name - 1) == 0) {
            char *value = *env + sizeof name - 1;
            struct sh_str copy = sh_str_dup(n->env.alloc, sh_str_c(value));
            union {
                const char *in;
                char *out;
            } own = {.in = copy.p};
            n->admin_password = own.out;
            memset(value, '\0', strlen(value));
            return;
        }
    }
}

static void block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* What is not valid is printed and left out. */
static bool read_settings(struct node *n, struct settings_from *from, struct sh_config **out)
{
    unsigned bad = 0;
    const sh_err read = settings_read(&n->env, from->file, &from->text);
    if (read != SH_OK) {
        (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", from->file, sh_err_name(read));
        bad++;
    }
    if (settings_build(&n->env, from, settings_print, &bad, out) != SH_OK) {
        return false;
    }
    const struct sh_config_key *unsafe = sh_config_unsafe(*out);
    if (unsafe != NULL) {
        (void)fprintf(stderr, "songhua: it does not start with a wrong %s\n", unsafe->name);
        sh_config_free(*out);
        return false;
    }
    if (bad > 0) {
        sh_log(n->env.log, SH_LOG_WARN, "main",
               "%u settings were not valid and were left out; see above", bad);
    }
    return true;
}

static int no_folder(void)
{
    (void)fprintf(stderr, "songhua: serve needs a data folder: songhua serve --data DIR\n");
    return 2;
}

static int serve(struct node *n, const struct settings_from *from)
{
    sh_err err = node_open(n, from);
    if (n->admin_password != NULL) {
        memset(n->admin_password, 0, strlen(n->admin_password));
        sh_mem_free(n->env.alloc, n->admin_password);
        n->admin_password = NULL;
    }
    const bool opened = err == SH_OK;
    if (opened) {
        err = node_run(n);
    }
    node_close(n);
    if (!opened && node_swap_failed(n, n->dir)) {
        atomic_store(&n->again, true);
    }
    return err == SH_OK ? 0 : 1;
}

/* From reading the configuration to the close. */
static int live(struct node *n, struct settings_from *from)
{
    int code = 1;
    struct sh_config *config = NULL;
    sh_mutex_init(&n->counters_lock);
    sh_mutex_init(&n->journal_lock);
    sh_mutex_init(&n->proof.lock);
    if (read_settings(n, from, &config)) {
        n->config = config;
        n->dir = sh_config_get(config, "data").p;
        code = n->dir[0] == '\0' ? no_folder() : serve(n, from);
        sh_config_free(n->config);
    }
    sh_str_free(n->env.alloc, &from->text);
    return code;
}

/* What a life leaves to the next. */
static bool reborn(struct node *n)
{
    if (!atomic_load(&n->again)) {
        return false;
    }
    struct node next = {
        .env = n->env, .logs = n->logs, .lock_fd = -1, .filtered = n->filtered, .swap = {.in = ""}};
    memcpy(next.swap_why, n->swap_why, sizeof next.swap_why);
    *n = next;
    return true;
}

int node_serve(int argc, char **argv, char **env)
{
    struct args a = {.config = NULL};
    struct node n = {.env = sh_env_system(), .lock_fd = -1};
    if (!parse_args(argc, argv, &a)) {
        return 2;
    }
    block_signals();
    take_password(&n, env);
    int code = 1;
    struct settings_from from = {
        .file = a.config, .sets = a.sets, .nsets = a.nsets, .environ_vars = env};
    if (logs_open(&n) == SH_OK) {
        do {
            code = live(&n, &from);
        } while (reborn(&n));
    }
    logs_close(&n);
    return code;
}
