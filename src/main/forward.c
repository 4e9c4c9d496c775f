/* forward.c - the audit chain to another machine's syslog (RFC 5424 over TCP, RFC 6587; over TLS,
 * RFC 5425).
 *
 * It reads from the stored chain, never from a queue in memory: what was not sent is still there.
 * Three numbers on the loop:  settled <= mark <= sent.
 *  sent     up to here entries were written to this connection
 *  mark     was `sent` at a moment when the receiver's system had acknowledged every byte
 *  settled  a mark that the connection has outlived for SETTLE_US; kept in DIR/audit-forward
 * Syslog has no receipts: bytes that were acknowledged may still wait unread in a receiver that is
 * about to die. So each connection begins behind `settled`, and entries may come twice but none is
 * left out; seq and hash in the structured data tell copies.
 * At most WINDOW entries are ahead of `settled`; at most BATCH_BYTES and the stream's queue are in
 * memory. One job on a worker at a time reads the chain and writes the position.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include <sh/syslog.h>

#include "main_int.h"

#define TICK_US INT64_C(200000)
#define SETTLE_US INT64_C(2000000)
#define STUCK_US INT64_C(60000000)
#define RETRY_MIN_US INT64_C(1000000)
#define RETRY_MAX_US INT64_C(30000000)

enum {
    WINDOW = 4096,
    BATCH_BYTES = 256 << 10,
    BATCH_ENTRIES = 200,
    PORT_TCP = 601,
    PORT_TLS = 6514
};

/* 32473 is the number for examples (RFC 5612): the project has none of its own. */
static const char sd_id[] = "audit@32473";
static const char magic[] = "songhua-forward-1";

struct forward {
    struct node *n;
    struct sh_tls *tls;
    char host[256];
    uint16_t port;
    char where[280]; /* host:port */
    char hostname[256];
    char pid[16];
    struct sh_timer timer;
    struct sh_connect *connecting;
    struct sh_stream *stream;
    bool stopped;
    uint64_t settled, mark, sent;
    int64_t mark_us;
    size_t unacked; /* as it was at stuck_us */
    int64_t stuck_us;
    int64_t retry_us;
    int64_t wait_us;
    /* The job: the loop's while !busy, else the worker's. */
    bool busy;
    struct sh_job done;
    bool read;
    unsigned era, job_era; /* of the connection */
    uint64_t from, last;   /* read behind `from`; up to `last` */
    uint64_t position;     /* to be written when it is not `saved` */
    uint64_t saved;
    struct sh_buf batch;
    unsigned entries;
    /* For other threads, under the lock. */
    struct sh_mutex lock;
    struct node_forward_state told;
};

/* ---- position ---- */

static bool position_path(const struct forward *f, char path[4096])
{
    const int k = snprintf(path, 4096, "%s/audit-forward", f->n->dir);
    return k > 0 && k < 4096;
}

/* "songhua-forward-1 SEQ HOST:PORT\n". Another receiver gets the chain from its beginning. */
static uint64_t position_read(const struct forward *f)
{
    char path[4096];
    struct sh_str text = {NULL, 0};
    uint64_t seq = 0;
    if (position_path(f, path) &&
        sh_fs_read_all(f->n->env.fs, f->n->env.alloc, path, 1024, &text) == SH_OK) {
        struct sh_str rest = {NULL, 0};
        struct sh_str where = {NULL, 0};
        const struct sh_str m = sh_str_cut(text, ' ', &rest);
        const struct sh_str number = rest.p == NULL ? rest : sh_str_cut(rest, ' ', &where);
        if (!sh_str_eqc(m, magic) || where.p == NULL || !sh_str_eqc(sh_str_trim(where), f->where) ||
            sh_u64_parse(number, &seq) != SH_OK) {
            seq = 0;
        }
        sh_str_free(f->n->env.alloc, &text);
    }
    struct sh_guard_stats g;
    sh_guard_stats(f->n->guard, &g);
    return seq > g.audit_entries ? g.audit_entries : seq; /* a backup from before was restored */
}

static sh_err position_write(const struct forward *f)
{
    char path[4096];
    char text[512];
    if (!position_path(f, path)) {
        return SH_E_INVAL;
    }
    const int k = snprintf(text, sizeof text, "%s %llu %s\n", magic,
                           (unsigned long long)f->position, f->where);
    return sh_fs_replace(f->n->env.fs, path, sh_bytes_of(text, (size_t)k));
}

/* ---- on a worker ---- */

static sh_err put_entry(struct forward *f, const struct sh_audit_entry *e)
{
    char seq[SH_I64_CHARS];
    char hash[SH_HASH_HEX];
    char text[2048];
    sh_hash_hex(e->hash, hash);
    const struct sh_syslog_param params[] = {
        {SH_STR("seq"), sh_str_of(seq, sh_u64_print(e->seq, seq))},
        {SH_STR("hash"), sh_str_c(e->damaged ? "" : hash)},
        {SH_STR("principal"), e->principal},
        {SH_STR("tenant"), e->tenant},
        {SH_STR("object"), e->object},
        {SH_STR("result"), e->damaged ? SH_STR("damaged") : e->result},
        {SH_STR("peer"), e->peer},
    };
    const bool ok = sh_str_eqc(e->result, "ok");
    if (e->damaged) {
        (void)snprintf(text, sizeof text, "This entry of the chain is damaged.");
    } else {
        (void)snprintf(text, sizeof text, "%.*s %.*s %.*s: %.*s%s%.*s", SH_PRI(e->principal),
                       SH_PRI(e->act), SH_PRI(e->object), SH_PRI(e->result),
                       e->detail.n > 0 ? "; " : "", SH_PRI(e->detail));
    }
    const struct sh_syslog m = {
        .facility = SH_SYSLOG_AUDIT,
        .severity = e->damaged ? SH_SYSLOG_ERROR : (ok ? SH_SYSLOG_INFO : SH_SYSLOG_WARNING),
        .time_us = e->damaged ? sh_wall_us(f->n->env.clock) : e->time_us,
        .hostname = sh_str_c(f->hostname),
        .app = SH_STR("songhua"),
        .procid = sh_str_c(f->pid),
        .msgid = e->damaged ? SH_STR("audit.damaged") : e->act,
        .sd_id = sh_str_c(sd_id),
        .params = params,
        .nparams = sizeof params / sizeof params[0],
        .text = sh_str_c(text),
    };
    return sh_syslog_put(&m, &f->batch);
}

static sh_err take_entry(void *ctx, const struct sh_audit_entry *e)
{
    struct forward *f = ctx;
    if (f->entries == BATCH_ENTRIES) {
        return SH_E_CANCELED;
    }
    const sh_err err = put_entry(f, e);
    if (err == SH_E_LIMIT) {
        return SH_E_CANCELED; /* the next batch has it */
    }
    SH_TRY(err);
    f->last = e->seq;
    f->entries++;
    return SH_OK;
}

static void finished(void *ctx);

static void work(void *ctx)
{
    struct forward *f = ctx;
    if (f->position != f->saved) {
        const sh_err err = position_write(f);
        if (err == SH_OK) {
            f->saved = f->position;
        } else {
            sh_log(f->n->env.log, SH_LOG_WARN, "forward", "the position can not be written: %s",
                   sh_err_name(err));
        }
    }
    if (f->read) {
        const sh_err err = sh_guard_audit_after(f->n->guard, f->from, take_entry, f);
        if (err != SH_OK && err != SH_E_CANCELED) {
            sh_log(f->n->env.log, SH_LOG_WARN, "forward", "the chain can not be read: %s",
                   sh_err_name(err));
        }
    }
    sh_loop_post_job(f->n->loop, &f->done);
}

/* ---- on the loop ---- */

static void tell(struct forward *f, const char *why)
{
    sh_mutex_lock(&f->lock);
    f->told.connected = f->stream != NULL;
    f->told.settled = f->settled;
    if (why != NULL) {
        f->told.failures++;
        (void)snprintf(f->told.why, sizeof f->told.why, "%s", why);
    }
    sh_mutex_unlock(&f->lock);
}

static void again_later(struct forward *f, const char *why)
{
    f->retry_us = sh_loop_now_us(f->n->loop) + f->wait_us;
    f->wait_us = 2 * f->wait_us > RETRY_MAX_US ? RETRY_MAX_US : 2 * f->wait_us;
    f->era++;
    sh_log(f->n->env.log, SH_LOG_WARN, "forward", "audit entries do not reach %s: %s", f->where,
           why);
    tell(f, why);
}

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    SH_UNUSED(ctx);
    return in.n; /* receivers have nothing to say */
}

static void on_close(void *ctx, sh_err reason)
{
    struct forward *f = ctx;
    f->stream = NULL;
    if (!f->stopped) {
        char why[160];
        (void)snprintf(why, sizeof why, "the connection ended: %s", sh_err_name(reason));
        again_later(f, why);
    }
}

static const struct sh_stream_handler on_stream = {.on_bytes = on_bytes, .on_close = on_close};

static void on_open(void *ctx, struct sh_stream *s)
{
    struct forward *f = ctx;
    f->connecting = NULL;
    f->stream = s;
    f->sent = f->settled;
    f->mark = f->settled;
    f->stuck_us = sh_loop_now_us(f->n->loop);
    f->unacked = 0;
    f->era++;
    sh_stream_start(s, &on_stream, f);
    sh_log(f->n->env.log, SH_LOG_INFO, "forward", "audit entries go to %s from %llu on", f->where,
           (unsigned long long)f->settled + 1);
    tell(f, NULL);
}

static void on_fail(void *ctx, sh_err err, const char *why)
{
    struct forward *f = ctx;
    SH_UNUSED(err);
    f->connecting = NULL;
    again_later(f, why);
}

static const struct sh_connect_handler on_connect = {.on_open = on_open, .on_fail = on_fail};

static void connect_again(struct forward *f)
{
    const struct sh_connect_opts o = {.host = sh_str_c(f->host), .port = f->port, .tls = f->tls};
    const sh_err err = sh_connect_start(f->n->loop, &o, &on_connect, f, &f->connecting);
    if (err != SH_OK) {
        again_later(f, sh_err_name(err));
    }
}

/* Moves mark and settled; ends a connection that takes nothing. */
static void look_at_stream(struct forward *f, int64_t now)
{
    const size_t unacked = sh_stream_unacked(f->stream);
    if (unacked == 0 || unacked < f->unacked) {
        f->stuck_us = now;
    }
    f->unacked = unacked;
    if (f->mark > f->settled && now - f->mark_us >= SETTLE_US) {
        f->settled = f->mark;
        f->wait_us = RETRY_MIN_US; /* it works */
        tell(f, NULL);
    }
    if (unacked == 0 && f->mark == f->settled && f->sent > f->mark) {
        f->mark = f->sent;
        f->mark_us = now;
    }
    if (unacked > 0 && now - f->stuck_us > STUCK_US) {
        sh_stream_close(f->stream, SH_E_TIMEOUT);
    }
}

static uint64_t newest(const struct forward *f)
{
    struct sh_guard_stats g;
    sh_guard_stats(f->n->guard, &g);
    return g.audit_entries;
}

static void step(struct forward *f)
{
    const int64_t now = sh_loop_now_us(f->n->loop);
    if (f->stopped) {
        return;
    }
    if (f->stream != NULL) {
        look_at_stream(f, now);
    } else if (f->connecting == NULL && now >= f->retry_us) {
        connect_again(f);
    }
    if (f->busy) {
        return;
    }
    f->read = f->stream != NULL && f->sent - f->settled < WINDOW && newest(f) > f->sent &&
              sh_stream_queued(f->stream) < BATCH_BYTES;
    f->position = f->settled;
    if (!f->read && f->position == f->saved) {
        return;
    }
    f->from = f->sent;
    f->last = f->sent;
    f->job_era = f->era;
    f->entries = 0;
    sh_buf_clear(&f->batch);
    f->busy = sh_workers_run(f->n->workers, work, f) == SH_OK;
}

static void finished(void *ctx)
{
    struct forward *f = ctx;
    f->busy = false;
    if (f->stopped || f->stream == NULL || f->era != f->job_era || f->batch.n == 0) {
        return;
    }
    if (sh_stream_write(f->stream, sh_buf_bytes(&f->batch)) != SH_OK) {
        return; /* read again by a later step */
    }
    f->sent = f->last;
    sh_mutex_lock(&f->lock);
    f->told.sent += f->entries;
    sh_mutex_unlock(&f->lock);
    step(f);
}

static void on_tick(void *ctx)
{
    struct forward *f = ctx;
    step(f);
    sh_timer_set(f->n->loop, &f->timer, TICK_US);
}

/* ---- life ---- */

/* host:port, [v6]:port or host alone. */
static sh_err parse_where(struct forward *f, struct sh_str s, bool tls, struct sh_diag *d)
{
    uint64_t port = tls ? PORT_TLS : PORT_TCP;
    struct sh_str host = s;
    const size_t colon = sh_str_rfind(s, ':');
    const bool v6 = s.n > 0 && s.p[0] == '[';
    bool ok = true;
    if (colon != SIZE_MAX && (!v6 || s.p[colon - 1] == ']')) {
        host = sh_str_sub(s, 0, colon);
        ok = sh_u64_parse(sh_str_sub(s, colon + 1, s.n), &port) == SH_OK;
    }
    if (v6) {
        ok = ok && host.n > 2 && host.p[host.n - 1] == ']';
        host = ok ? sh_str_sub(host, 1, host.n - 1) : host;
    }
    if (!ok || host.n == 0 || host.n >= sizeof f->host - 1 || port == 0 || port > UINT16_MAX) {
        sh_diag_set(d, "audit.syslog is not host:port: '%.*s'.", SH_PRI(s));
        sh_diag_remedy(d, "Write the address of the receiver, e.g. logs.plant.cn:6514, or leave it "
                          "empty.");
        return SH_E_INVAL;
    }
    f->port = (uint16_t)port;
    (void)snprintf(f->host, sizeof f->host, "%.*s", SH_PRI(host));
    (void)snprintf(f->where, sizeof f->where, v6 ? "[%s]:%u" : "%s:%u", f->host, (unsigned)f->port);
    return SH_OK;
}

bool forward_where_ok(struct sh_str s)
{
    struct forward f = {.port = 0};
    return parse_where(&f, s, true, NULL) == SH_OK;
}

static sh_err open_tls(struct forward *f, struct sh_diag *d)
{
    const struct sh_env *env = &f->n->env;
    const struct sh_str ca = sh_config_get(f->n->config, "audit.syslog_ca");
    struct sh_str pem = {NULL, 0};
    if (!sh_config_bool(f->n->config, "audit.syslog_tls")) {
        return SH_OK;
    }
    if (ca.n > 0) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%.*s", SH_PRI(ca));
        const sh_err err = sh_fs_read_all(env->fs, env->alloc, path, 1 << 20, &pem);
        if (err != SH_OK) {
            sh_diag_set(d, "audit.syslog_ca can not be read: %s (%s).", path, sh_err_name(err));
            sh_diag_remedy(d, "Name a PEM file that the server's user may read.");
            return err;
        }
    }
    const struct sh_tls_opts o = {.ca_pem = pem};
    const sh_err err = sh_tls_client_new(env, &o, d, &f->tls);
    sh_str_free(env->alloc, &pem);
    return err;
}

sh_err forward_open(struct node *n, struct sh_diag *d)
{
    const struct sh_str where = sh_config_get(n->config, "audit.syslog");
    if (where.n == 0) {
        return SH_OK;
    }
    struct forward *f = sh_mem_new(n->env.alloc, sizeof *f);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    n->forward = f;
    f->n = n;
    sh_mutex_init(&f->lock);
    sh_buf_init(&f->batch, n->env.alloc, BATCH_BYTES);
    sh_timer_init(&f->timer, on_tick, f);
    f->done = (struct sh_job){.fn = finished, .ctx = f};
    f->wait_us = RETRY_MIN_US;
    SH_TRY(parse_where(f, where, sh_config_bool(n->config, "audit.syslog_tls"), d));
    SH_TRY(open_tls(f, d));
    if (gethostname(f->hostname, sizeof f->hostname - 1) != 0) {
        f->hostname[0] = '\0';
    }
    (void)snprintf(f->pid, sizeof f->pid, "%ld", (long)getpid());
    f->settled = position_read(f);
    f->mark = f->settled;
    f->sent = f->settled;
    f->saved = f->settled;
    tell(f, NULL);
    sh_timer_set(n->loop, &f->timer, TICK_US);
    return SH_OK;
}

void forward_stop(struct forward *f)
{
    if (f == NULL || f->stopped) {
        return;
    }
    f->stopped = true;
    sh_timer_stop(&f->timer);
    if (f->connecting != NULL) {
        sh_connect_cancel(f->connecting);
        f->connecting = NULL;
    }
    if (f->stream != NULL) {
        sh_stream_close(f->stream, SH_E_CANCELED);
    }
}

void forward_free(struct forward *f)
{
    if (f == NULL) {
        return;
    }
    f->position = f->settled;
    if (f->position != f->saved && position_write(f) != SH_OK) {
        sh_log(f->n->env.log, SH_LOG_WARN, "forward", "the position was not written");
    }
    sh_tls_free(f->tls);
    sh_buf_fini(&f->batch);
    sh_mutex_fini(&f->lock);
    sh_mem_free(f->n->env.alloc, f);
}

/* ---- told ---- */

void forward_state(const struct node *n, struct node_forward_state *out)
{
    struct forward *f = n->forward;
    *out = (struct node_forward_state){.on = f != NULL};
    if (f == NULL) {
        return;
    }
    const uint64_t last = newest(f);
    sh_mutex_lock(&f->lock);
    *out = f->told;
    sh_mutex_unlock(&f->lock);
    out->on = true;
    out->tls = f->tls != NULL;
    out->where = f->where;
    out->lag = last > out->settled ? last - out->settled : 0;
}

void forward_problems(const struct node *n, struct sh_jw *w)
{
    struct node_forward_state s;
    char text[480];
    forward_state(n, &s);
    if (!s.on || (s.connected && s.lag < WINDOW) || (!s.connected && s.failures == 0)) {
        return;
    }
    (void)snprintf(text, sizeof text, "%llu audit entries wait for %s%s%s",
                   (unsigned long long)s.lag, s.where, s.connected ? "" : ": ",
                   s.connected ? "" : s.why);
    sh_jw_obj(w);
    sh_jw_key(w, "level");
    sh_jw_c(w, "warning");
    sh_jw_key(w, "code");
    sh_jw_c(w, "audit_forward");
    sh_jw_key(w, "text");
    sh_jw_c(w, text);
    sh_jw_key(w, "count");
    sh_jw_u64(w, s.lag == 0 ? 1 : s.lag);
    sh_jw_obj_end(w);
}

sh_err forward_metrics(const struct node *n, struct sh_buf *out)
{
    struct node_forward_state s;
    forward_state(n, &s);
    if (!s.on) {
        return SH_OK;
    }
    const struct sh_api_metric list[] = {
        {"audit_forward_lag", "gauge", "Audit entries that syslog may not have yet.",
         (double)s.lag},
        {"audit_forward_connected", "gauge", "Is there a connection to audit.syslog?",
         s.connected ? 1.0 : 0.0},
        {"audit_forward_sent_total", "counter", "Audit entries sent, copies included.",
         (double)s.sent},
        {"audit_forward_failures_total", "counter", "Connections to audit.syslog that failed.",
         (double)s.failures},
    };
    return sh_api_metrics_put(out, list, sizeof list / sizeof list[0]);
}
