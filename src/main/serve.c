/* serve.c - `songhua serve`: opens the parts in order, connects them, runs the loop, and closes
 * them backwards. No part knows another of its layer: here is where they meet.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sh/assets.h>
#include <sh/version.h>

#include "main_int.h"

enum {
    MANY_LEFT = 1000, /* connections, after which the heap is worth trimming */
    CONFIG_MAX = 1 << 20,
    TICKS_PER_CATALOGUE = 60,
    TICKS_PER_GUARD = 5,
    TICKS_PER_DAY = 86400
};
#define BLOB_AGE_US INT64_C(86400000000)

/* ---- configuration ---- */

static void print_problem(void *ctx, const struct sh_diag *d)
{
    (*(unsigned *)ctx)++;
    (void)fprintf(stderr, "songhua: %s", d->path);
    if (d->line > 0) {
        (void)fprintf(stderr, ":%d", d->line);
    }
    (void)fprintf(stderr, ": %s", d->message);
    if (d->remedy[0] != '\0') {
        (void)fprintf(stderr, " (%s)", d->remedy);
    }
    (void)fputc('\n', stderr);
}

struct sh_config *node_config(const struct sh_env *env, const char *file, char *const *sets,
                              size_t nsets, char **environ_vars, unsigned *bad)
{
    struct sh_config *c = NULL;
    *bad = 0;
    if (sh_config_new(env, node_keys, &c) != SH_OK) {
        return NULL;
    }
    struct sh_str text = {NULL, 0};
    if (file != NULL) {
        const sh_err err = sh_fs_read_all(env->fs, env->alloc, file, CONFIG_MAX, &text);
        if (err != SH_OK) {
            (void)fprintf(stderr, "songhua: %s cannot be read: %s\n", file, sh_err_name(err));
            (*bad)++;
        } else if (sh_config_text(c, text, file, print_problem, bad) == SH_E_NOMEM) {
            (*bad)++;
        }
        sh_str_free(env->alloc, &text);
    }
    if (sh_config_environ(c, environ_vars, print_problem, bad) == SH_E_NOMEM) {
        (*bad)++;
    }
    for (size_t i = 0; i < nsets; i++) {
        if (sh_config_set(c, sh_str_c(sets[i]), SH_CONFIG_FROM_SET, print_problem, bad) ==
            SH_E_NOMEM) {
            (*bad)++;
        }
    }
    return c;
}

static enum sh_log_level log_level(struct sh_str s)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    for (unsigned i = 0; i < 4; i++) {
        if (sh_str_eqc(s, words[i])) {
            return (enum sh_log_level)i;
        }
    }
    return SH_LOG_INFO;
}

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

static void mqtt_device(void *ctx, const struct mqtt_principal *p, struct sh_str client_id,
                        struct sh_str address, bool online)
{
    SH_UNUSED(client_id);
    SH_UNUSED(address);
    struct node *n = ctx;
    sh_twin_link(n->twin, p->tenant, p->device, SH_TWIN_LINK_MQTT, online);
}

static void ws_mqtt(void *ctx, struct sh_stream *s)
{
    mqtt_server_take(((struct node *)ctx)->mqtt, s, true, 0);
}

static void add_overview(void *ctx, struct sh_jw *w, uint32_t tenant)
{
    SH_UNUSED(tenant);
    struct node *n = ctx;
    sh_mutex_lock(&n->counters_lock);
    const struct mqtt_counters c = n->counters;
    const uint64_t in = n->in_per_s;
    const uint64_t out = n->out_per_s;
    sh_mutex_unlock(&n->counters_lock);
    sh_jw_key(w, "mqtt");
    sh_jw_obj(w);
    sh_jw_key(w, "connections");
    sh_jw_u64(w, c.connections);
    sh_jw_key(w, "sessions");
    sh_jw_u64(w, c.sessions);
    sh_jw_key(w, "in_per_second");
    sh_jw_u64(w, in);
    sh_jw_key(w, "out_per_second");
    sh_jw_u64(w, out);
    sh_jw_key(w, "publish_in");
    sh_jw_u64(w, c.publish_in[0] + c.publish_in[1] + c.publish_in[2]);
    sh_jw_key(w, "publish_out");
    sh_jw_u64(w, c.publish_out[0] + c.publish_out[1] + c.publish_out[2]);
    sh_jw_key(w, "dropped");
    sh_jw_u64(w, c.dropped_slow + c.dropped_queue + c.telemetry_lost);
    sh_jw_obj_end(w);
}

static void add_metrics(void *ctx, struct sh_buf *out)
{
    struct node *n = ctx;
    sh_mutex_lock(&n->counters_lock);
    const struct mqtt_counters c = n->counters;
    sh_mutex_unlock(&n->counters_lock);
    const struct {
        const char *name;
        const char *type;
        uint64_t v;
    } list[] = {
        {"mqtt_connections", "gauge", c.connections},
        {"mqtt_sessions", "gauge", c.sessions},
        {"mqtt_publish_in_total", "counter", c.publish_in[0] + c.publish_in[1] + c.publish_in[2]},
        {"mqtt_publish_out_total", "counter",
         c.publish_out[0] + c.publish_out[1] + c.publish_out[2]},
        {"mqtt_bytes_in_total", "counter", c.bytes_in},
        {"mqtt_bytes_out_total", "counter", c.bytes_out},
        {"mqtt_dropped_slow_total", "counter", c.dropped_slow},
        {"mqtt_dropped_queue_total", "counter", c.dropped_queue},
        {"mqtt_telemetry_total", "counter", c.telemetry},
        {"mqtt_telemetry_lost_total", "counter", c.telemetry_lost},
        {"mqtt_refused_auth_total", "counter", c.refused_auth},
        {"mqtt_refused_unreadable_total", "counter", c.refused_unreadable},
        {"mqtt_protocol_errors_total", "counter", c.protocol_errors},
        {"mqtt_retained", "gauge", c.retained},
        {"mqtt_subscriptions", "gauge", c.subscriptions},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (sh_buf_printf(out, "# TYPE songhua_%s %s\nsonghua_%s %llu\n", list[i].name,
                          list[i].type, list[i].name, (unsigned long long)list[i].v) != SH_OK) {
            return;
        }
    }
    disk_metrics(n, out);
}

/* ---- opening ---- */

static sh_err fail(const struct node *n, const char *what, sh_err err, const struct sh_diag *d)
{
    sh_log(n->env.log, SH_LOG_ERROR, "main", "%s: %s%s%s", what, sh_err_name(err),
           d != NULL && d->message[0] != '\0' ? ": " : "", d != NULL ? d->message : "");
    if (d != NULL && d->remedy[0] != '\0') {
        sh_log(n->env.log, SH_LOG_ERROR, "main", "remedy: %s", d->remedy);
    }
    return err;
}

static sh_err open_folder(struct node *n)
{
    char path[4096];
    const sh_err err = sh_fs_mkdirs(n->env.fs, n->dir);
    if (err != SH_OK) {
        return fail(n, "the data folder cannot be made", err, NULL);
    }
    (void)snprintf(path, sizeof path, "%s/lock", n->dir);
    n->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (n->lock_fd < 0 || flock(n->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        (void)fprintf(stderr,
                      "songhua: %s is in use by another process; stop it or name another folder\n",
                      n->dir);
        return SH_E_BUSY;
    }
    return SH_OK;
}

static sh_err open_stores(struct node *n)
{
    struct sh_diag d = {0};
    char db[4096];
    char blobs[4096];
    (void)snprintf(db, sizeof db, "%s/songhua.db", n->dir);
    (void)snprintf(blobs, sizeof blobs, "%s/blobs", n->dir);
    sh_err err = sh_crypto_new(&n->env, &n->crypto);
    if (err != SH_OK) {
        return fail(n, "crypto", err, NULL);
    }
    err = sh_workers_new(&n->env, (unsigned)sh_config_int(n->config, "workers"), 4096, &n->workers);
    if (err != SH_OK) {
        return fail(n, "workers", err, NULL);
    }
    const struct sh_record_config rc = {.path = db, .blob_dir = blobs};
    err = sh_record_open(&n->env, NULL, &rc, &n->record, &d);
    if (err != SH_OK) {
        return fail(n, "records", err, &d);
    }
    struct guard_store *store = NULL;
    err = sh_guard_store_record(&n->env, n->record, &store);
    if (err != SH_OK) {
        return fail(n, "guard", err, NULL);
    }
    const struct sh_guard_options go = {
        .env = &n->env,
        .crypto = n->crypto,
        .store = store,
        .workers = n->workers,
        .dir = n->dir,
        .settings = sh_guard_settings_default(),
    };
    err = sh_guard_open(&go, &n->guard, &d);
    return err == SH_OK ? SH_OK : fail(n, "guard", err, &d);
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
        return fail(n, "the administrator was not made", err, &d);
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
        return fail(n, "points", err, NULL);
    }
    const int64_t cold_after = sh_config_int(n->config, "history.cold_after");
    const struct sh_history_options ho = {
        .dir = dir,
        .head_bytes = (uint64_t)sh_config_int(n->config, "history.head"),
        .max_points = max_points,
        .retention_us = sh_config_int(n->config, "history.retention"),
        .cold_after_us = cold_after == 0 ? INT64_MAX : cold_after,
        .report = history_report,
        .flushed = history_flushed,
        .ctx = n,
    };
    err = sh_history_open(&n->env, &ho, &n->history);
    if (err != SH_OK) {
        return fail(n, "history", err, NULL);
    }
    const struct sh_gate_options go = {
        .points = n->points,
        .latest = n->latest,
        .history = n->history,
        .bus = n->bus,
        .guard = n->guard,
        .device = gate_device,
        .property = gate_property,
        .ctx = n,
        .max_future_us = sh_config_int(n->config, "history.max_future"),
    };
    err = sh_gate_new(&n->env, &go, &n->gate);
    err = err != SH_OK ? err : disk_open(n);
    if (err != SH_OK) {
        return fail(n, "gate", err, NULL);
    }
    disk_tick(n); /* the marks hold from the first sample on */
    return SH_OK;
}

static sh_err open_broker(struct node *n)
{
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s/mqtt", n->dir);
    sh_err err = sh_loop_new(&n->env, NULL, &n->loop);
    err = err != SH_OK ? err : mqtt_journal_new(&n->env, n->loop, n->workers, dir, &n->mqtt_log);
    err = err != SH_OK ? err : telemetry_new(n, &n->telemetry);
    if (err != SH_OK) {
        return fail(n, "loop", err, NULL);
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
    return err == SH_OK ? SH_OK : fail(n, "mqtt", err, NULL);
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
    const int64_t from = sh_mono_us(n->env.clock);
    sh_err err = sh_journal_open(&n->env, &jo, &n->journal);
    if (err != SH_OK) {
        return fail(n, "journal", err, NULL);
    }
    struct sh_journal_stats js;
    sh_journal_stats(n->journal, &js);
    sh_log(n->env.log, SH_LOG_INFO, "journal", "replayed up to %llu in %lld ms",
           (unsigned long long)js.last_seq, (long long)(sh_mono_us(n->env.clock) - from) / 1000);
    skip_lost_points(n);
    sh_points_attach(n->points, n->journal);
    sh_gate_attach(n->gate, n->journal);
    mqtt_journal_attach(n->mqtt_log, n->journal);
    sh_gate_load_latest(n->gate);
    err = sh_journal_start(n->journal);
    err = err != SH_OK ? err : sh_history_start(n->history);
    return err == SH_OK ? SH_OK : fail(n, "threads", err, NULL);
}

static sh_err open_twin(struct node *n)
{
    struct sh_diag d = {0};
    const struct sh_twin_options o = {
        .record = n->record, .points = n->points, .bus = n->bus, .send = node_send, .send_ctx = n};
    sh_err err = sh_twin_open(&n->env, &o, &n->twin, &d);
    if (err != SH_OK) {
        return fail(n, "twin", err, &d);
    }
    err = field_new(n, &n->field);
    return err == SH_OK ? SH_OK : fail(n, "channels", err, NULL);
}

/* Record types that the console itself needs, in every tenant. */
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
    return err == SH_OK || err == SH_E_CONFLICT || err == SH_E_EXISTS
               ? SH_OK
               : fail(n, "record types", err, &d);
}

/* ---- servers ---- */

static bool listens(const struct node *n, const char *key, struct sh_str *out)
{
    *out = sh_config_get(n->config, key);
    return out->n > 0;
}

static sh_err read_pem(struct node *n, const char *key, struct sh_str *out)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%.*s", SH_PRI(sh_config_get(n->config, key)));
    return sh_fs_read_all(n->env.fs, n->env.alloc, path, 1 << 20, out);
}

/* What TLS needs, read (which blocks) before the loop takes it. */
struct pems {
    struct node *n;
    struct sh_buf ca;
    struct sh_buf cert;
    struct sh_buf key;
    struct sh_diag diag;
};

static sh_err certificate_from_files(struct node *n, struct pems *p)
{
    struct sh_str cert = {NULL, 0};
    struct sh_str key = {NULL, 0};
    sh_err err = read_pem(n, "tls.cert", &cert);
    err = err != SH_OK ? err : read_pem(n, "tls.key", &key);
    err = err != SH_OK ? err : sh_buf_put_str(&p->cert, cert);
    err = err != SH_OK ? err : sh_buf_put_str(&p->key, key);
    sh_str_free(n->env.alloc, &cert);
    sh_str_free(n->env.alloc, &key);
    return err;
}

static sh_err certificate_self_signed(struct node *n, struct pems *p)
{
    enum { MAX_NAMES = 16 };
    struct sh_str names[MAX_NAMES];
    size_t count = 0;
    struct sh_str rest = sh_config_get(n->config, "tls.names");
    while (rest.p != NULL && rest.n > 0 && count < MAX_NAMES) {
        names[count++] = sh_str_trim(sh_str_cut(rest, ',', &rest));
    }
    return sh_guard_server_certificate(n->guard, names, count, &p->cert, &p->key);
}

/* Takes it into use: the first time, or for new connections. On the loop's thread. */
static sh_err use_tls(void *ctx)
{
    struct pems *p = ctx;
    struct node *n = p->n;
    const struct sh_tls_opts o = {.cert_pem = sh_buf_str(&p->cert),
                                  .key_pem = sh_buf_str(&p->key),
                                  .ca_pem = sh_buf_str(&p->ca),
                                  .client_cert = SH_TLS_CERT_ANY};
    return n->tls != NULL ? sh_tls_reload(n->tls, &o, &p->diag)
                          : sh_tls_server_new(&n->env, &o, &p->diag, &n->tls);
}

/* Not on the loop while it serves: reads files and may make a certificate. */
static sh_err open_tls(struct node *n)
{
    struct pems p = {.n = n};
    sh_buf_init(&p.ca, n->env.alloc, 1 << 20);
    sh_buf_init(&p.cert, n->env.alloc, 1 << 20);
    sh_buf_init(&p.key, n->env.alloc, 1 << 20);
    sh_err err = sh_guard_device_ca(n->guard, &p.ca);
    if (err == SH_OK) {
        err = sh_config_get(n->config, "tls.cert").n > 0 ? certificate_from_files(n, &p)
                                                         : certificate_self_signed(n, &p);
    }
    if (err == SH_OK) {
        err = node_on_loop(n, use_tls, &p);
    }
    sh_buf_fini(&p.ca);
    sh_buf_fini(&p.cert);
    sh_buf_fini(&p.key);
    return err == SH_OK ? SH_OK : fail(n, "TLS", err, &p.diag);
}

static sh_err listen_http(struct node *n, const char *key, struct sh_tls *tls)
{
    struct sh_diag d = {0};
    struct sh_listener *ln = NULL;
    struct sh_listen_opts o = {.tls = tls};
    char where[SH_ADDR_CHARS];
    if (!listens(n, key, &o.address)) {
        return SH_OK;
    }
    const sh_err err = sh_http_server_listen(n->http, &o, &d, &ln);
    if (err != SH_OK) {
        return fail(n, key, err, &d);
    }
    const struct sh_addr a = sh_listener_addr(ln);
    const size_t len = sh_addr_print(&a, where);
    sh_log(n->env.log, SH_LOG_INFO, "http", "console and API on %s://%.*s",
           tls == NULL ? "http" : "https", (int)len, where);
    return SH_OK;
}

static sh_err listen_mqtt(struct node *n, const char *key, struct sh_tls *tls, uint16_t number)
{
    struct sh_diag d = {0};
    struct sh_addr a;
    struct sh_str address;
    char where[SH_ADDR_CHARS];
    if (!listens(n, key, &address)) {
        return SH_OK;
    }
    const sh_err err = mqtt_server_listen(n->mqtt, address, tls, number, &d, &a);
    if (err != SH_OK) {
        return fail(n, key, err, &d);
    }
    const size_t len = sh_addr_print(&a, where);
    sh_log(n->env.log, SH_LOG_INFO, "mqtt", "%s on %.*s", tls == NULL ? "MQTT" : "MQTT over TLS",
           (int)len, where);
    return SH_OK;
}

static sh_err open_api(struct node *n)
{
    const struct sh_api_options ao = {
        .env = &n->env,
        .loop = n->loop,
        .workers = n->workers,
        .guard = n->guard,
        .record = n->record,
        .twin = n->twin,
        .points = n->points,
        .latest = n->latest,
        .history = n->history,
        .journal = n->journal,
        .gate = n->gate,
        .disk = n->disk,
        .bus = n->bus,
        .config = n->config,
        .data_dir = n->dir,
        .version = SH_VERSION,
        .assets = sh_assets,
        .seams = {.overview = add_overview,
                  .metrics = add_metrics,
                  .connection = field_connection,
                  .mqtt_websocket = ws_mqtt,
                  .write_changed = field_write_changed,
                  .channel = field_put,
                  .mappings = mappings_put,
                  .channel_state = field_state,
                  .drivers = field_drivers,
                  .ctx = n},
    };
    SH_TRY(sh_api_new(&ao, &n->api));
    const struct sh_http_opts ho = {.conns_max =
                                        (size_t)sh_config_int(n->config, "http.max_connections")};
    return sh_http_server_new(n->loop, &ho, sh_api_handler(), n->api, &n->http);
}

static sh_err open_servers(struct node *n)
{
    struct sh_str unused;
    sh_err err = mqtt_server_new(n->loop, n->broker, &n->mqtt);
    err = err != SH_OK ? err : open_api(n);
    if (err != SH_OK) {
        return fail(n, "servers", err, NULL);
    }
    mqtt_journal_wake(n->mqtt_log, n->mqtt);
    mqtt_broker_start(n->broker);
    if (listens(n, "https.listen", &unused) || listens(n, "mqtts.listen", &unused)) {
        SH_TRY(open_tls(n));
    }
    SH_TRY(listen_mqtt(n, "mqtt.listen", NULL, 1));
    SH_TRY(listen_mqtt(n, "mqtts.listen", n->tls, 2));
    SH_TRY(listen_http(n, "http.listen", NULL));
    return listen_http(n, "https.listen", n->tls);
}

/* ---- running ---- */

/* Their memory is free then, but still the process's. */
static void trim_after_many_left(struct node *n)
{
    sh_mutex_lock(&n->counters_lock);
    const uint64_t now = n->counters.connections;
    sh_mutex_unlock(&n->counters_lock);
    if (now + MANY_LEFT < n->crowd) {
        sh_heap_trim();
        n->crowd = now;
    } else if (now > n->crowd) {
        n->crowd = now;
    }
}

static void tend(void *ctx)
{
    struct node *n = ctx;
    const unsigned seconds = atomic_load(&n->seconds);
    disk_tick(n);
    const bool catalogue =
        atomic_exchange(&n->want_catalogue, false) || seconds % TICKS_PER_CATALOGUE == 0;
    sh_err err = sh_twin_tick(n->twin);
    if (err == SH_OK && catalogue) {
        err = sh_points_checkpoint(n->points);
    }
    if (seconds % TICKS_PER_GUARD == 0) {
        sh_guard_tick(n->guard);
        trim_after_many_left(n);
    }
    if (err == SH_OK && seconds % TICKS_PER_DAY == 0) {
        err = sh_record_blob_gc(n->record, BLOB_AGE_US, NULL);
    }
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_WARN, "main", "housekeeping: %s", sh_err_name(err));
    }
    atomic_store(&n->tending, false);
}

static uint64_t published(const uint64_t by_qos[3])
{
    return by_qos[0] + by_qos[1] + by_qos[2];
}

static void take_counters(struct node *n)
{
    struct mqtt_counters c;
    mqtt_broker_counters(n->broker, 0, &c);
    sh_mutex_lock(&n->counters_lock);
    n->in_per_s = published(c.publish_in) - published(n->counters.publish_in);
    n->out_per_s = published(c.publish_out) - published(n->counters.publish_out);
    n->counters = c;
    sh_mutex_unlock(&n->counters_lock);
}

static void every_second(void *ctx)
{
    struct node *n = ctx;
    (void)atomic_fetch_add(&n->seconds, 1);
    take_counters(n);
    node_auth_tick(n);
    if (!atomic_exchange(&n->tending, true) && sh_workers_run(n->workers, tend, n) != SH_OK) {
        atomic_store(&n->tending, false);
    }
    sh_timer_set(n->loop, &n->second, 1000000);
}

static void every_quarter(void *ctx)
{
    struct node *n = ctx;
    telemetry_resume(n->telemetry);
    sh_timer_set(n->loop, &n->quarter, 250000);
}

struct signals {
    struct node *n;
    sigset_t set;
    bool tls; /* there is a certificate to read again */
};

/* Waits for a signal on a thread of its own, which may block. It alone ends the loop's run, so the
 * loop serves while a certificate is read again. */
static void wait_for_signal(void *ctx)
{
    const struct signals *s = ctx;
    for (;;) {
        int sig = 0;
        if (sigwait(&s->set, &sig) != 0 || sig == SIGHUP) {
            if (s->tls && open_tls(s->n) == SH_OK) {
                sh_log(s->n->env.log, SH_LOG_INFO, "main", "certificates were read again");
            }
            continue;
        }
        sh_loop_stop(s->n->loop);
        return;
    }
}

/* systemd's Type=notify: one datagram to the socket that it names (sd_notify(3)). */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): only read */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof a.sun_path) {
        return;
    }
    memcpy(a.sun_path, path, strlen(path));
    if (path[0] == '@') {
        a.sun_path[0] = '\0';
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        const ssize_t sent =
            sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&a, len);
        SH_UNUSED(sent);
        (void)close(fd);
    }
}

static sh_err run(struct node *n)
{
    struct signals s = {.n = n, .tls = n->tls != NULL};
    struct sh_thread t = {.running = false};
    (void)sigemptyset(&s.set);
    (void)sigaddset(&s.set, SIGINT);
    (void)sigaddset(&s.set, SIGTERM);
    (void)sigaddset(&s.set, SIGHUP);
    SH_TRY(sh_thread_start(&t, "signals", wait_for_signal, &s));
    sh_timer_init(&n->quarter, every_quarter, n);
    sh_timer_init(&n->second, every_second, n);
    sh_timer_set(n->loop, &n->quarter, 250000);
    sh_timer_set(n->loop, &n->second, 1000000);
    sh_log(n->env.log, SH_LOG_INFO, "main", "songhua %s is ready", SH_VERSION);
    notify("READY=1");
    sh_loop_run(n->loop);
    notify("STOPPING=1");
    sh_thread_join(&t);
    return SH_OK;
}

/* ---- opening all ---- */

static sh_err node_open(struct node *n)
{
    SH_TRY(open_folder(n));
    SH_TRY(open_stores(n));
    SH_TRY(first_start(n));
    SH_TRY(open_samples(n));
    SH_TRY(open_broker(n));
    SH_TRY(open_journal(n));
    SH_TRY(open_twin(n));
    SH_TRY(make_types(n));
    if (sh_config_bool(n->config, "demo")) {
        demo_import(n);
    }
    SH_TRY(open_servers(n));
    field_load(n->field);
    mappings_load(n);
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
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int node_serve(int argc, char **argv, char **env)
{
    struct args a = {.config = NULL};
    struct node n = {.env = sh_env_system(), .lock_fd = -1};
    if (!parse_args(argc, argv, &a)) {
        return 2;
    }
    block_signals();
    sh_mutex_init(&n.counters_lock);
    sh_mutex_init(&n.journal_lock);
    take_password(&n, env);
    unsigned bad = 0;
    n.config = node_config(&n.env, a.config, a.sets, a.nsets, env, &bad);
    if (n.config == NULL) {
        return 1;
    }
    if (bad > 0) {
        sh_log(n.env.log, SH_LOG_WARN, "main",
               "%u settings were not valid and were left out; see above", bad);
    }
    const struct sh_str dir = sh_config_get(n.config, "data");
    if (dir.n == 0) {
        (void)fprintf(stderr, "songhua: serve needs a data folder: songhua serve --data DIR\n");
        sh_config_free(n.config);
        return 2;
    }
    struct sh_log log = *n.env.log;
    log.level = log_level(sh_config_get(n.config, "log.level"));
    n.env.log = &log;
    n.dir = dir.p;
    n.mqtt_anonymous = sh_config_bool(n.config, "mqtt.anonymous");
    sh_err err = node_open(&n);
    if (n.admin_password != NULL) {
        memset(n.admin_password, 0, strlen(n.admin_password));
        sh_mem_free(n.env.alloc, n.admin_password);
    }
    if (err == SH_OK) {
        err = run(&n);
    }
    node_close(&n);
    sh_config_free(n.config);
    return err == SH_OK ? 0 : 1;
}
