/* system.c - the platform itself: overview, health, metrics, configuration.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

int api_healthz(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "status");
    sh_jw_c(&r->w, "ok");
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_readyz(struct api_req *r)
{
    struct sh_journal_stats j;
    sh_journal_stats(r->api->o.journal, &j);
    const bool ready =
        !j.full && !sh_gate_closed(r->api->o.gate) && !atomic_load(&r->api->stopping);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "status");
    sh_jw_c(&r->w, ready ? "ok" : "not_ready");
    sh_jw_obj_end(&r->w);
    return ready ? 200 : 503;
}

static void put_u64(struct sh_jw *w, const char *key, uint64_t v)
{
    sh_jw_key(w, key);
    sh_jw_u64(w, v);
}

static void disk_state(const struct sh_api *a, struct sh_disk_state *out)
{
    *out = (struct sh_disk_state){.level = SH_DISK_OK};
    if (a->o.disk != NULL) {
        sh_disk_state(a->o.disk, out);
    }
}

static void put_date(struct sh_jw *w, int64_t us)
{
    if (us > 0) {
        sh_jw_time(w, us / 1000000 * 1000000);
    } else {
        sh_jw_null(w);
    }
}

static void put_storage(struct sh_api *a, struct sh_jw *w)
{
    struct sh_history_stats h;
    struct sh_disk_state s;
    sh_history_stats(a->o.history, &h);
    disk_state(a, &s);
    sh_jw_key(w, "storage");
    sh_jw_obj(w);
    put_u64(w, "bytes", h.segment_bytes);
    put_u64(w, "samples", h.samples);
    sh_jw_key(w, "bytes_per_sample");
    if (h.segment_samples == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_f64(w, (double)h.segment_bytes / (double)h.segment_samples);
    }
    put_u64(w, "disk_free", s.free_bytes);
    put_u64(w, "disk_total", s.total_bytes);
    sh_jw_key(w, "disk_level");
    sh_jw_c(w, sh_disk_level_name(s.level));
    sh_jw_key(w, "full_date");
    put_date(w, s.full_us);
    sh_jw_obj_end(w);
}

static void put_problem(struct sh_jw *w, const char *level, const char *code, const char *text,
                        uint64_t n)
{
    sh_jw_obj(w);
    sh_jw_key(w, "level");
    sh_jw_c(w, level);
    sh_jw_key(w, "code");
    sh_jw_c(w, code);
    sh_jw_key(w, "text");
    sh_jw_c(w, text);
    put_u64(w, "count", n);
    sh_jw_obj_end(w);
}

/* A mark that the disk has passed, with the figures its words need. */
static void put_disk_problem(const struct sh_disk_state *s, struct sh_jw *w)
{
    static const struct {
        const char *level;
        const char *code;
        const char *text;
    } words[] = {
        [SH_DISK_WARN] = {"warning", "disk_warn", "the disk is filling"},
        [SH_DISK_ACT] = {"warning", "disk_act", "the disk is nearly full"},
        [SH_DISK_STOP] = {"error", "disk_stop",
                          "the disk is nearly full: new data is refused, nothing acknowledged is "
                          "lost"},
    };
    if (s->level == SH_DISK_OK) {
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, "level");
    sh_jw_c(w, words[(size_t)s->level].level);
    sh_jw_key(w, "code");
    sh_jw_c(w, words[(size_t)s->level].code);
    sh_jw_key(w, "text");
    sh_jw_c(w, words[(size_t)s->level].text);
    put_u64(w, "count", 1);
    sh_jw_key(w, "percent");
    sh_jw_f64(w, (double)(int64_t)(s->percent * 10) / 10);
    sh_jw_key(w, "date");
    put_date(w, s->full_us);
    sh_jw_obj_end(w);
}

static void put_certificates_due(const struct sh_api *a, uint32_t tenant, struct sh_jw *w)
{
    uint32_t soon = 0;
    uint32_t over = 0;
    sh_guard_certificates_due(a->o.guard, tenant, &soon, &over);
    if (over > 0) {
        put_problem(w, "error", "certificates_expired",
                    "devices whose certificate has ended: they are refused", over);
    }
    if (soon > 0) {
        put_problem(w, "warning", "certificates_expiring",
                    "devices whose certificate ends within 60 days", soon);
    }
}

static void put_watched(const struct sh_api *a, uint32_t tenant, struct sh_jw *w)
{
    uint32_t cloned = 0;
    uint32_t quarantined = 0;
    sh_guard_devices_watched(a->o.guard, tenant, &cloned, &quarantined);
    if (cloned > 0) {
        put_problem(w, "error", "devices_cloned",
                    "devices whose identity was used from two places in turn", cloned);
    }
    if (quarantined > 0) {
        put_problem(w, "warning", "devices_quarantined",
                    "devices in quarantine: what they send is refused", quarantined);
    }
}

static void put_problems(struct sh_api *a, uint32_t tenant, const struct sh_journal_stats *j,
                         struct sh_jw *w)
{
    struct sh_history_stats h;
    struct sh_guard_stats g;
    struct sh_disk_state s;
    sh_history_stats(a->o.history, &h);
    sh_guard_stats(a->o.guard, &g);
    sh_jw_key(w, "problems");
    sh_jw_arr(w);
    disk_state(a, &s);
    put_disk_problem(&s, w);
    if (j->full) {
        put_problem(w, "error", "disk_full", "the disk is full: intake is refused", 1);
    }
    if (j->stuck) {
        put_problem(w, "error", "journal_write",
                    "the journal cannot be written: acknowledgements wait until it can", 1);
    }
    if (h.damaged_blocks + h.set_aside > 0) {
        put_problem(w, "error", "damaged", "damaged parts of history were set aside",
                    h.damaged_blocks + h.set_aside);
    }
    if (j->refused_limit > 0) {
        put_problem(w, "warning", "back_pressure", "appends waited: the journal's queue was full",
                    j->refused_limit);
    }
    if (g.audit_dropped > 0) {
        put_problem(w, "error", "audit_dropped", "audit entries were dropped", g.audit_dropped);
    }
    put_certificates_due(a, tenant, w);
    put_watched(a, tenant, w);
    if (a->o.seams.problems != NULL && tenant == SH_TENANT_ROOT) {
        a->o.seams.problems(a->o.seams.ctx, w);
    }
    sh_jw_arr_end(w);
}

static void put_counts(struct sh_api *a, uint32_t tenant, struct sh_twin_counts *d, struct sh_jw *w)
{
    sh_twin_counts(a->o.twin, tenant, d);
    sh_jw_key(w, "devices");
    sh_jw_obj(w);
    put_u64(w, "total", d->total);
    put_u64(w, "online", d->online);
    put_u64(w, "offline", d->offline);
    put_u64(w, "never", d->never);
    put_u64(w, "demo", d->demo);
    put_u64(w, "demo_online", d->demo_online);
    put_u64(w, "archived", d->archived);
    sh_jw_obj_end(w);
}

static void put_no_problems(struct sh_jw *w)
{
    sh_jw_key(w, "problems");
    sh_jw_arr(w);
    sh_jw_arr_end(w);
}

/* The node as the root tenant sees it. */
static void put_node(struct sh_api *a, uint32_t tenant, struct sh_jw *w)
{
    struct sh_twin_counts d;
    struct sh_gate_stats g;
    struct sh_journal_stats j;
    put_counts(a, tenant, &d, w);
    sh_gate_stats(a->o.gate, &g);
    sh_journal_stats(a->o.journal, &j);
    put_u64(w, "points", sh_points_last_id(a->o.points));
    sh_jw_key(w, "samples");
    sh_jw_obj(w);
    put_u64(w, "per_second", atomic_load(&a->samples_per_s));
    put_u64(w, "total", g.samples);
    put_u64(w, "refused", g.refused_rate + g.refused_full + g.refused_busy + g.failed);
    sh_jw_obj_end(w);
    put_storage(a, w);
    sh_jw_key(w, "journal");
    sh_jw_obj(w);
    put_u64(w, "commits_per_second", atomic_load(&a->commits_per_s));
    sh_jw_key(w, "commit_ms");
    sh_jw_f64(w, (double)j.last_commit_us / 1000);
    sh_jw_key(w, "commit_p99_ms");
    sh_jw_f64(w, (double)j.p99_commit_us / 1000);
    put_u64(w, "queue_bytes", j.queue_bytes);
    sh_jw_obj_end(w);
    put_problems(a, tenant, &j, w);
    if (a->o.seams.overview != NULL) {
        a->o.seams.overview(a->o.seams.ctx, w, tenant);
    }
    api_slow_overview(a, tenant, w);
    sh_jw_key(w, "version");
    sh_jw_c(w, a->o.version);
    put_u64(w, "uptime_s", (uint64_t)(sh_wall_us(a->env->clock) - a->started_us) / 1000000);
    sh_jw_key(w, "demo");
    sh_jw_bool(w, d.demo > 0);
}

/* A tenant below the root: what is its own. What the node does for others is not its to see. */
static void put_tenant(struct sh_api *a, uint32_t tenant, struct sh_jw *w)
{
    struct sh_twin_counts d;
    struct sh_tenant_use use;
    put_counts(a, tenant, &d, w);
    if (sh_guard_tenant_use(a->o.guard, tenant, &use) == SH_OK) {
        put_u64(w, "points", use.use[SH_QUOTA_POINTS]);
    }
    sh_jw_key(w, "problems");
    sh_jw_arr(w);
    put_certificates_due(a, tenant, w);
    put_watched(a, tenant, w);
    sh_jw_arr_end(w);
    api_slow_overview(a, tenant, w);
    sh_jw_key(w, "version");
    sh_jw_c(w, a->o.version);
    sh_jw_key(w, "demo");
    sh_jw_bool(w, d.demo > 0);
}

/* Who holds a part of the plant: its devices. */
static sh_err put_part(struct api_req *r, struct sh_jw *w)
{
    static const char *const states[] = {"online", "offline", "never"};
    struct sh_arena *ar = sh_arena_new(r->api->env->alloc, 1 << 20);
    int64_t total = 0;
    sh_err err = ar == NULL ? SH_E_NOMEM : SH_OK;
    sh_jw_key(w, "devices");
    sh_jw_obj(w);
    for (size_t i = 0; i < sizeof states / sizeof states[0] && err == SH_OK; i++) {
        struct sh_diag d = {0};
        struct sh_twin_page page;
        const struct sh_twin_query q = {.tenant = r->tenant,
                                        .state = sh_str_c(states[i]),
                                        .limit = 1,
                                        .want_total = true,
                                        .parts = r->parts};
        err = sh_twin_devices(r->api->o.twin, &q, ar, &page, &d);
        if (err == SH_OK) {
            put_u64(w, states[i], (uint64_t)page.total);
            total += page.total;
        }
    }
    put_u64(w, "total", (uint64_t)total);
    sh_jw_obj_end(w);
    put_no_problems(w);
    sh_jw_key(w, "version");
    sh_jw_c(w, r->api->o.version);
    sh_arena_free(ar);
    return err;
}

static sh_err put_overview(struct api_req *r, struct sh_jw *w)
{
    if (r->parts != NULL) {
        return put_part(r, w);
    }
    if (r->tenant == SH_TENANT_ROOT) {
        put_node(r->api, r->tenant, w);
    } else {
        put_tenant(r->api, r->tenant, w);
    }
    return SH_OK;
}

sh_err api_write_overview(struct api_req *r, struct sh_jw *w)
{
    sh_jw_obj(w);
    const sh_err err = put_overview(r, w);
    sh_jw_obj_end(w);
    return err;
}

/* The newest audit entries, for those who may see them. Reads the store: not in the stream. */
static sh_err put_changes(struct api_req *r)
{
    enum { NEWEST = 8 };
    uint64_t next = 0;
    sh_err err = SH_OK;
    sh_jw_key(&r->w, "changes");
    sh_jw_arr(&r->w);
    if (api_check(r, SH_PERM_AUDIT_READ) == SH_OK) {
        const struct sh_guard_at at = api_at(r);
        err = sh_guard_audit_list(r->api->o.guard, &at, 0, &(struct sh_audit_find){.from_us = 0},
                                  NEWEST, &r->w, &next);
    }
    sh_jw_arr_end(&r->w);
    return err;
}

int api_overview(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_err err = put_overview(r, &r->w);
    err = err == SH_OK ? put_changes(r) : err;
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

sh_err sh_api_metrics_put(struct sh_buf *out, const struct sh_api_metric *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char t[SH_F64_CHARS];
        const size_t len = sh_f64_print(m[i].value, t);
        SH_TRY(sh_buf_printf(out, "# HELP songhua_%s %s\n# TYPE songhua_%s %s\nsonghua_%s %.*s\n",
                             m[i].name, m[i].help, m[i].name, m[i].type, m[i].name, (int)len, t));
    }
    return SH_OK;
}

static sh_err write_sql_metrics(struct sh_api *a, struct sh_buf *out)
{
    struct sh_sql_stats s;
    sh_sql_stats(a->o.sql, &s);
    const struct sh_api_metric list[] = {
        {"sql_queries_total", "counter", "SQL statements begun.", (double)s.queries},
        {"sql_open", "gauge", "SQL queries open.", (double)s.open},
        {"sql_rows_total", "counter", "Rows given out.", (double)s.rows},
        {"sql_refused_total", "counter", "SQL statements refused.", (double)s.refused},
        {"sql_busy_total", "counter", "Refused: too many open.", (double)s.busy},
        {"sql_limited_total", "counter", "Ended by a limit.", (double)s.limited},
        {"sql_timeouts_total", "counter", "Ended by the deadline.", (double)s.timeouts},
        {"sql_canceled_total", "counter", "Canceled.", (double)s.canceled},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}

static sh_err write_idem_metrics(struct sh_api *a, struct sh_buf *out)
{
    const struct sh_api_metric list[] = {
        {"idempotency_keys_total", "counter", "Requests begun with an Idempotency-Key.",
         (double)atomic_load(&a->idem[API_IDEM_BEGUN])},
        {"idempotency_replayed_total", "counter", "Repeats answered from memory.",
         (double)atomic_load(&a->idem[API_IDEM_REPLAYED])},
        {"idempotency_busy_total", "counter", "Repeats while the first was worked on.",
         (double)atomic_load(&a->idem[API_IDEM_BUSY])},
        {"idempotency_mismatch_total", "counter", "Keys used for another request.",
         (double)atomic_load(&a->idem[API_IDEM_MISMATCH])},
        {"idempotency_unknown_total", "counter", "Repeats of what may have been done.",
         (double)atomic_load(&a->idem[API_IDEM_UNKNOWN])},
        {"idempotency_refused_total", "counter", "Keys refused: too many remembered.",
         (double)atomic_load(&a->idem[API_IDEM_REFUSED])},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}

static sh_err write_prom_metrics(struct sh_api *a, struct sh_buf *out)
{
    const struct sh_api_metric list[] = {
        {"prom_samples_total", "counter", "Samples taken by remote write.",
         (double)atomic_load(&a->prom[API_PROM_SAMPLES])},
        {"prom_refused_series_total", "counter", "Series and bodies refused by remote write.",
         (double)atomic_load(&a->prom[API_PROM_REFUSED_SERIES])},
        {"prom_refused_samples_total", "counter", "Samples refused by remote write.",
         (double)atomic_load(&a->prom[API_PROM_REFUSED_SAMPLES])},
        {"prom_refused_histograms_total", "counter", "Native histograms refused by remote write.",
         (double)atomic_load(&a->prom[API_PROM_HISTOGRAMS])},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}

static void add_loop(struct sh_loop *l, struct sh_net_stats *sum)
{
    struct sh_net_stats n;
    sh_loop_stats(l, &n, false);
    sum->streams += n.streams;
    sum->bytes_in += n.bytes_in;
    sum->bytes_out += n.bytes_out;
    sum->lag_max_us = n.lag_max_us > sum->lag_max_us ? n.lag_max_us : sum->lag_max_us;
}

/* Over all loops. */
static struct sh_net_stats net_stats(const struct sh_api *a)
{
    struct sh_net_stats sum = {0};
    add_loop(a->o.loop, &sum);
    for (size_t i = 0; i < a->o.nothers; i++) {
        add_loop(a->o.others[i], &sum);
    }
    return sum;
}

static sh_err put_loop(struct sh_buf *out, size_t i, struct sh_loop *l)
{
    struct sh_net_stats n;
    sh_loop_stats(l, &n, false);
    return sh_buf_printf(out, "songhua_loop_connections{loop=\"%zu\"} %llu\n", i,
                         (unsigned long long)n.streams);
}

/* How the connections spread. */
static sh_err write_loop_metrics(struct sh_api *a, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_c(out, "# HELP songhua_loop_connections Open connections of an event loop.\n"
                             "# TYPE songhua_loop_connections gauge\n"));
    SH_TRY(put_loop(out, 0, a->o.loop));
    for (size_t i = 0; i < a->o.nothers; i++) {
        SH_TRY(put_loop(out, i + 1, a->o.others[i]));
    }
    return SH_OK;
}

static sh_err write_metrics(struct sh_api *a, struct sh_buf *out)
{
    struct sh_gate_stats g;
    struct sh_journal_stats j;
    struct sh_history_stats h;
    struct sh_guard_stats u;
    struct sh_record_stats rec;
    const struct sh_net_stats net = net_stats(a);
    sh_gate_stats(a->o.gate, &g);
    sh_journal_stats(a->o.journal, &j);
    sh_history_stats(a->o.history, &h);
    sh_guard_stats(a->o.guard, &u);
    sh_record_stats(a->o.record, &rec);
    const struct sh_api_metric list[] = {
        {"samples_total", "counter", "Samples accepted.", (double)g.samples},
        {"samples_encoded_total", "counter", "Of these, encoded before they were journalled.",
         (double)g.encoded},
        {"batches_refused_rate_total", "counter", "Batches refused: tenant's rate.",
         (double)g.refused_rate},
        {"batches_refused_full_total", "counter", "Batches refused: disk full.",
         (double)g.refused_full},
        {"batches_refused_busy_total", "counter", "Batches refused: journal queue full.",
         (double)g.refused_busy},
        {"journal_commits_total", "counter", "Group commits.", (double)j.commits},
        {"journal_records_total", "counter", "Records appended.", (double)j.records},
        {"journal_bytes_total", "counter", "Bytes written.", (double)j.bytes},
        {"journal_queue_bytes", "gauge", "Appended and not yet applied.", (double)j.queue_bytes},
        {"journal_log_bytes", "gauge", "Bytes in log files.", (double)j.log_bytes},
        {"journal_commit_seconds_p99", "gauge", "p99 of the last 1024 commits.",
         (double)j.p99_commit_us / 1e6},
        {"journal_failed_groups_total", "counter", "Groups that were given up.",
         (double)j.failed_groups},
        {"journal_retries_total", "counter",
         "Times that a group could not be written and was tried again.", (double)j.retries},
        {"journal_stuck", "gauge", "1 while a group cannot be written and acknowledgements wait.",
         j.stuck ? 1 : 0},
        {"history_samples", "gauge", "Samples stored.", (double)h.samples},
        {"history_points", "gauge", "Points with a sample.", (double)h.points},
        {"history_segment_bytes", "gauge", "Bytes in segments.", (double)h.segment_bytes},
        {"history_segments", "gauge", "Segment files.", (double)h.segments},
        {"history_cold_bytes", "gauge", "Bytes in cold segments.", (double)h.cold_bytes},
        {"history_cold_samples", "gauge", "Samples in cold segments.", (double)h.cold_samples},
        {"history_head_bytes", "gauge", "Bytes in heads.", (double)h.head_bytes},
        {"history_flushes_total", "counter", "Flushes.", (double)h.flushes},
        {"history_compactions_total", "counter", "Compactions.", (double)h.compactions},
        {"history_damaged_blocks_total", "counter", "Blocks that could not be read.",
         (double)h.damaged_blocks},
        {"record_commits_total", "counter", "Group commits of records.", (double)rec.commits},
        {"record_queued", "gauge", "Transactions waiting.", (double)rec.queued},
        {"record_indexing", "gauge", "1 while an index of a field is built or removed.",
         rec.indexing ? 1 : 0},
        {"sign_ins_total", "counter", "Sign-ins.", (double)u.sign_ins},
        {"sign_in_failures_total", "counter", "Failed sign-ins.", (double)u.failures},
        {"device_refused_address_total", "counter",
         "Devices refused: their address is not on their allow list.", (double)u.refused_address},
        {"device_refused_quarantine_total", "counter", "Devices refused: they are in quarantine.",
         (double)u.refused_quarantine},
        {"device_clones_total", "counter", "Identities seen in two places: marks raised.",
         (double)u.clones},
        {"sessions", "gauge", "Console sessions.", (double)u.sessions},
        {"http_requests_total", "counter", "HTTP requests.", (double)atomic_load(&a->requests)},
        {"slow_total", "counter", "Requests and statements that took longer than api.slow.",
         (double)atomic_load(&a->slow->count)},
        {"http_denied_total", "counter", "Requests denied.", (double)atomic_load(&a->denied)},
        {"history_exports", "gauge", "Exports under way.", (double)atomic_load(&a->exports)},
        {"net_streams", "gauge", "Open connections.", (double)net.streams},
        {"net_bytes_in_total", "counter", "Bytes received.", (double)net.bytes_in},
        {"net_bytes_out_total", "counter", "Bytes sent.", (double)net.bytes_out},
        {"net_loop_lag_seconds_max", "gauge", "Longest turn of a loop in the last five seconds.",
         (double)net.lag_max_us / 1e6},
        {"workers_queued", "gauge", "Jobs waiting for a worker.",
         (double)sh_workers_queued(a->o.workers)},
        {"points", "gauge", "Points in the catalogue.", (double)sh_points_last_id(a->o.points)},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}

int api_metrics(struct api_req *r)
{
    struct sh_buf *out = sh_http_body(r->http);
    sh_err err = write_metrics(r->api, out);
    err = err == SH_OK ? write_loop_metrics(r->api, out) : err;
    err = err == SH_OK ? write_idem_metrics(r->api, out) : err;
    err = err == SH_OK ? write_prom_metrics(r->api, out) : err;
    err = err == SH_OK ? write_sql_metrics(r->api, out) : err;
    if (err == SH_OK && r->api->o.seams.metrics != NULL) {
        err = r->api->o.seams.metrics(r->api->o.seams.ctx, out);
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return 200;
}

int api_ws_mqtt(struct api_req *r)
{
    struct sh_http_req *http = r->http;
    struct sh_api *a = r->api;
    if (!sh_http_is_websocket(http) || a->o.seams.mqtt_websocket == NULL) {
        return api_problem(r, 426, "bad_request", "this address speaks MQTT over WebSocket",
                           "此地址用于 MQTT over WebSocket");
    }
    if (!api_origin_ok(http)) {
        return api_problem(r, 403, "bad_origin", "Origin does not name this host",
                           "Origin 与本机地址不符");
    }
    const struct sh_ws_opts o = {.subprotocol = SH_STR("mqtt"), .message_max = 4 << 20};
    struct sh_stream *s = NULL;
    sh_arena_free(r->arena);
    if (sh_http_ws_accept(http, &o, &s) == SH_OK) {
        a->o.seams.mqtt_websocket(a->o.seams.ctx, s);
    }
    return 0;
}
