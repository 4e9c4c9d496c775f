/* servers.c - what faces the network: certificates, listeners, the API and its seams.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/assets.h>
#include <sh/fair.h>
#include <sh/version.h>

#include "main_int.h"

/* ---- what the API asks of siblings ---- */

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

static void add_problems(void *ctx, struct sh_jw *w)
{
    keeper_problems(ctx, w);
    forward_problems(ctx, w);
}

static sh_err add_metrics(void *ctx, struct sh_buf *out)
{
    struct node *n = ctx;
    sh_mutex_lock(&n->counters_lock);
    const struct mqtt_counters c = n->counters;
    sh_mutex_unlock(&n->counters_lock);
    struct sh_fair_stats lock;
    mqtt_broker_lock_stats(n->broker, &lock);
    const struct sh_api_metric list[] = {
        {"mqtt_connections", "gauge", "MQTT connections.", (double)c.connections},
        {"mqtt_sessions", "gauge", "MQTT sessions, connected or kept.", (double)c.sessions},
        {"mqtt_publish_in_total", "counter", "PUBLISH packets taken.",
         (double)(c.publish_in[0] + c.publish_in[1] + c.publish_in[2])},
        {"mqtt_publish_out_total", "counter", "PUBLISH packets sent.",
         (double)(c.publish_out[0] + c.publish_out[1] + c.publish_out[2])},
        {"mqtt_bytes_in_total", "counter", "Bytes of MQTT packets taken.", (double)c.bytes_in},
        {"mqtt_bytes_out_total", "counter", "Bytes of MQTT packets sent.", (double)c.bytes_out},
        {"mqtt_dropped_slow_total", "counter", "Messages that a slow subscriber did not get.",
         (double)c.dropped_slow},
        {"mqtt_dropped_queue_total", "counter", "Messages beyond a session's queue.",
         (double)c.dropped_queue},
        {"mqtt_telemetry_total", "counter", "Messages given to history.", (double)c.telemetry},
        {"mqtt_telemetry_lost_total", "counter", "QoS 0 telemetry for which there was no room.",
         (double)c.telemetry_lost},
        {"mqtt_refused_auth_total", "counter", "Publishes without the right.",
         (double)c.refused_auth},
        {"mqtt_refused_unreadable_total", "counter", "Telemetry that could not be read.",
         (double)c.refused_unreadable},
        {"mqtt_protocol_errors_total", "counter", "Packets against the protocol.",
         (double)c.protocol_errors},
        {"mqtt_retained", "gauge", "Retained messages.", (double)c.retained},
        {"mqtt_subscriptions", "gauge", "Subscriptions.", (double)c.subscriptions},
        {"mqtt_lock_waits_total", "counter", "Times a loop found the broker in use.",
         (double)lock.waits},
        {"mqtt_lock_sleeps_total", "counter", "Times a loop slept for the broker.",
         (double)lock.parks},
        {"mqtt_lane_waits_total", "counter", "Times input waited for another loop to write.",
         (double)c.lane_waits},
    };
    SH_TRY(sh_api_metrics_put(out, list, sizeof list / sizeof list[0]));
    SH_TRY(disk_metrics(n, out));
    SH_TRY(keeper_metrics(n, out));
    SH_TRY(forward_metrics(n, out));
    return node_pg_metrics(n, out);
}

/* ---- certificates and listeners ---- */

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
sh_err node_tls(struct node *n)
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
    return err == SH_OK ? SH_OK : node_fail(n, "TLS", err, &p.diag);
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
    const sh_err err = sh_http_server_listen(n->web[0].http, &o, &d, &ln);
    if (err != SH_OK) {
        return node_fail(n, key, err, &d);
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
        return node_fail(n, key, err, &d);
    }
    const size_t len = sh_addr_print(&a, where);
    sh_log(n->env.log, SH_LOG_INFO, "mqtt", "%s on %.*s", tls == NULL ? "MQTT" : "MQTT over TLS",
           (int)len, where);
    return SH_OK;
}

/* Browsers come by TLS only then, to every port of that name: not where HTTP is open to others. */
static bool only_tls(const struct node *n)
{
    struct sh_addr a;
    const struct sh_str http = sh_config_get(n->config, "http.listen");
    return http.n == 0 || (sh_addr_parse(http, &a) == SH_OK && sh_addr_is_loopback(&a));
}

/* Who signs the certificates of providers of sign-in; empty: the system's authorities. */
static sh_err read_signin_ca(struct node *n, struct sh_str *out)
{
    *out = (struct sh_str){NULL, 0};
    if (sh_config_get(n->config, "signin.ca").n == 0) {
        return SH_OK;
    }
    const sh_err err = read_pem(n, "signin.ca", out);
    return err == SH_OK ? SH_OK : node_fail(n, "signin.ca", err, NULL);
}

static sh_err open_api(struct node *n)
{
    struct sh_str ca;
    SH_TRY(read_signin_ca(n, &ca));
    node_sbom_path(n->sbom);
    const struct sh_api_options ao = {
        .env = &n->env,
        .loop = n->loop,
        .others = n->loops + 1,
        .nothers = n->nloops - 1,
        .workers = n->workers,
        .guard = n->guard,
        .record = n->record,
        .twin = n->twin,
        .points = n->points,
        .latest = n->latest,
        .history = n->history,
        .sql = n->sql,
        .journal = n->journal,
        .gate = n->gate,
        .disk = n->disk,
        .bus = n->bus,
        .slow_us = sh_config_int(n->config, "api.slow"),
        .file_bytes = (uint64_t)sh_config_int(n->config, "api.file_bytes"),
        .map_tiles = sh_config_get(n->config, "console.map_tiles"),
        .map_datum = sh_config_get(n->config, "console.map_datum"),
        .map_credit = sh_config_get(n->config, "console.map_attribution"),
        .data_dir = n->dir,
        .version = SH_VERSION,
        .signin_url = sh_config_get(n->config, "signin.url"),
        .signin_allow = sh_config_get(n->config, "signin.allow"),
        .signin_ca = ca,
        .sbom = n->sbom,
        .assets = sh_assets,
        .seams = {.overview = add_overview,
                  .problems = add_problems,
                  .backups = keeper_ask,
                  .security = security_ask,
                  .config = console_ask,
                  .logs = logs_ask,
                  .health = health_ask,
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
    const sh_err made = sh_api_new(&ao, &n->api); /* has copied it */
    sh_str_free(n->env.alloc, &ca);
    SH_TRY(made);
    for (size_t i = 0; i < n->nloops; i++) {
        struct node_web *w = &n->web[i];
        const struct sh_http_opts ho = {
            .conns_max = (size_t)sh_config_int(n->config, "http.max_connections"),
            .hsts = only_tls(n),
            .with = i == 0 ? NULL : n->web[0].http};
        SH_TRY(sh_http_server_new(n->loops[i], &ho, sh_api_handler(), n->api, &w->http));
        w->n = n;
    }
    return SH_OK;
}

sh_err node_servers(struct node *n)
{
    struct sh_str unused;
    struct sh_diag d = {0};
    sh_err err = node_loops_start(n);
    err = err != SH_OK ? err : mqtt_server_new(n->loops, n->nloops, n->broker, &n->mqtt);
    err = err != SH_OK ? err : node_sql_open(n);
    err = err != SH_OK ? err : open_api(n);
    if (err != SH_OK) {
        return node_fail(n, "servers", err, NULL);
    }
    mqtt_journal_wake(n->mqtt_log, n->mqtt);
    node_enter(n);
    mqtt_broker_start(n->broker);
    node_leave(n);
    if (listens(n, "https.listen", &unused) || listens(n, "mqtts.listen", &unused) ||
        listens(n, "pg.listen", &unused)) {
        SH_TRY(node_tls(n));
    }
    SH_TRY(listen_mqtt(n, "mqtt.listen", NULL, 1));
    SH_TRY(listen_mqtt(n, "mqtts.listen", n->tls, 2));
    err = node_pg_open(n, &d);
    if (err != SH_OK) {
        return node_fail(n, "pg.listen", err, &d);
    }
    err = forward_open(n, &d);
    if (err != SH_OK) {
        return node_fail(n, "audit.syslog", err, &d);
    }
    SH_TRY(listen_http(n, "http.listen", NULL));
    return listen_http(n, "https.listen", n->tls);
}
