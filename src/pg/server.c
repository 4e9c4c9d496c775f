/* server.c - connections of the PostgreSQL protocol.
 *
 * A connection is on the loop; its session is on one thread at a time.
 *
 *   startup -> (tls -> startup) -> password -> signing in -> idle <-> busy -> closed
 *
 * idle: whole messages that came are copied and given, with the session, to a worker (busy). The
 * worker answers into the session's buffer; at 64 KiB, and at the end, it hands the buffer to the
 * loop and waits until the stream has taken it, so a query goes no faster than its client, and a
 * client that takes nothing for 30 s is closed. While busy what comes is kept (1 MiB, then reading
 * is paused), so that a client that goes is noticed and its query ends.
 * Invariants
 * 1. A connection is freed on the loop, when its stream is gone and no worker has its session.
 * 2. `gone` is set under the lock; a worker that waits is woken by it.
 * 3. Cancel requests come on connections of their own and name (number, secret).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/pg.h>

#include <stdio.h>

#include "scram.h"
#include "session.h"

enum {
    WORK_MAX = 4 << 20,
    CONNECTIONS = 50,
    THREADS = 4,
    STREAM_WRITE = 256 << 10,
    STREAM_READ = PG_MESSAGE_MAX + 16,
    PIECE = 64 << 10,
    PASSWORD_MAX = 4096,
    CLEARTEXT = 3, /* AuthenticationCleartextPassword */
    AHEAD_MAX = 1 << 20
};
#define START_US INT64_C(30000000)
#define STALL_US INT64_C(30000000)

enum state { STARTUP, TLS, PASSWORD, SIGNING_IN, IDLE, BUSY, ENDING };

struct conn {
    struct conn *next;
    struct conn **prev;
    struct sh_pg *srv;
    struct sh_stream *stream; /* NULL: gone */
    enum state state;
    struct sh_timer timer; /* the start must be done */
    struct pg_session session;
    bool session_made;
    struct sh_arena *arena; /* texts of the caller */
    struct sh_str user, database;
    struct pg_scram scram;
    uint32_t number;
    uint32_t secret;
    struct sh_buf work; /* messages that a worker has */
    struct sh_buf sent; /* what the loop is sending of them */
    size_t at;
    struct sh_mutex lock;
    struct sh_cond cond;
    bool gone;
    bool sending; /* `sent` is the loop's */
    struct sh_job send_job;
    struct sh_job done_job;
    sh_err result; /* of the work */
    struct sh_principal who;
    sh_err signed_in;
};

struct sh_pg {
    struct sh_pg_options o;
    const struct sh_alloc *alloc;
    struct sh_workers *workers;
    struct sh_listener *listener;
    struct conn *conns;
    uint32_t n;
    uint32_t numbers;
    bool stopping;
    void (*on_stopped)(void *ctx);
    void *stop_ctx;
    atomic_ullong now, accepted, refused, messages, errors, protocol_errors, cancels;
};

/* ---- life ---- */

static void stopped_if_empty(struct sh_pg *s)
{
    if (s->stopping && s->conns == NULL && s->on_stopped != NULL) {
        void (*fn)(void *ctx) = s->on_stopped;
        s->on_stopped = NULL;
        fn(s->stop_ctx);
    }
}

static void conn_free(struct conn *c)
{
    struct sh_pg *s = c->srv;
    sh_job_cancel(s->o.loop, &c->send_job);
    *c->prev = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    s->n--;
    atomic_store(&s->now, s->n);
    sh_timer_stop(&c->timer);
    if (c->session_made) {
        (void)atomic_fetch_add(&s->errors, c->session.errors);
        pg_session_fini(&c->session);
    }
    sh_arena_free(c->arena);
    pg_scram_fini(&c->scram);
    sh_buf_fini(&c->work);
    sh_buf_fini(&c->sent);
    sh_cond_fini(&c->cond);
    sh_mutex_fini(&c->lock);
    sh_mem_free(s->alloc, c);
    stopped_if_empty(s);
}

/* What is said before a session is there. False: the connection ends. */
static bool say(struct conn *c, struct sh_buf *b, const struct pg_out *o)
{
    const bool said = o->err == SH_OK && sh_stream_write(c->stream, sh_buf_bytes(b)) == SH_OK;
    sh_buf_fini(b);
    if (!said) {
        sh_stream_close(c->stream, SH_E_NOMEM);
        c->state = ENDING;
    }
    return said;
}

/* Says why and ends; before a session is busy. */
static void end_with(struct conn *c, const char *state, const char *message, const char *hint)
{
    struct sh_buf b;
    struct pg_out o = {.b = &b};
    const struct pg_fault f = {
        .severity = "FATAL", .state = state, .message = message, .hint = hint};
    sh_buf_init(&b, c->srv->alloc, 4096);
    pg_error(&o, &f);
    if (say(c, &b, &o)) {
        sh_stream_end(c->stream);
    }
    c->state = ENDING;
}

static void on_close(void *ctx, sh_err reason)
{
    SH_UNUSED(reason);
    struct conn *c = ctx;
    c->stream = NULL;
    sh_mutex_lock(&c->lock);
    c->gone = true;
    c->sending = false;
    sh_cond_signal(&c->cond);
    sh_mutex_unlock(&c->lock);
    if (c->state == BUSY) {
        pg_session_cancel(&c->session, true); /* on_done frees it */
    } else if (c->state != SIGNING_IN) {
        conn_free(c);
    }
}

static void on_late(void *ctx)
{
    struct conn *c = ctx;
    if (c->stream != NULL && c->state != ENDING) {
        sh_stream_close(c->stream, SH_E_TIMEOUT);
    }
}

/* ---- sending what a worker made ---- */

static void send_on(struct conn *c)
{
    while (c->stream != NULL && c->at < c->sent.n) {
        const size_t n = c->sent.n - c->at < PIECE ? c->sent.n - c->at : PIECE;
        const sh_err err = sh_stream_write(c->stream, sh_bytes_of(c->sent.p + c->at, n));
        if (err == SH_E_LIMIT) {
            return; /* on_drain goes on */
        }
        if (err != SH_OK) {
            sh_stream_close(c->stream, err);
            break;
        }
        c->at += n;
    }
    sh_mutex_lock(&c->lock);
    c->sending = false;
    sh_cond_signal(&c->cond);
    sh_mutex_unlock(&c->lock);
}

static bool is_sending(struct conn *c)
{
    sh_mutex_lock(&c->lock);
    const bool is = c->sending;
    sh_mutex_unlock(&c->lock);
    return is;
}

static void on_drain(void *ctx)
{
    struct conn *c = ctx;
    if (c->state == BUSY && is_sending(c)) {
        send_on(c);
    }
}

static void on_send(void *ctx)
{
    struct conn *c = ctx;
    if (is_sending(c)) {
        send_on(c);
    }
}

static void on_stall(void *ctx)
{
    struct conn *c = ctx;
    if (c->stream != NULL) {
        sh_stream_close(c->stream, SH_E_TIMEOUT);
    }
}

/* Worker: the session's buffer goes to the loop; waits until the stream has all of it. */
static sh_err hand_over(void *ctx)
{
    struct conn *c = ctx;
    if (c->session.buf.n == 0) {
        return SH_OK;
    }
    sh_mutex_lock(&c->lock);
    const struct sh_buf empty = c->sent;
    c->sent = c->session.buf;
    c->session.buf = empty;
    sh_buf_clear(&c->session.buf);
    c->at = 0;
    c->sending = !c->gone;
    if (c->sending) {
        sh_loop_post_job(c->srv->o.loop, &c->send_job);
    }
    bool stalled = false;
    while (c->sending) {
        if (!sh_cond_wait_for(&c->cond, &c->lock, STALL_US) && c->sending && !stalled) {
            stalled = sh_loop_post(c->srv->o.loop, on_stall, c) == SH_OK;
        }
    }
    const bool gone = c->gone;
    sh_mutex_unlock(&c->lock);
    return gone ? SH_E_CLOSED : SH_OK;
}

/* ---- work ---- */

static void on_done(void *ctx)
{
    struct conn *c = ctx;
    c->state = IDLE;
    if (c->stream == NULL) {
        conn_free(c);
        return;
    }
    if (c->result == SH_E_CLOSED) {
        c->state = ENDING;
        sh_stream_end(c->stream);
    } else if (c->result != SH_OK) {
        (void)atomic_fetch_add(&c->srv->protocol_errors, 1);
        end_with(c, "08P01", "this is not a message of protocol 3.0", NULL);
    } else if (c->srv->stopping) {
        end_with(c, "57P01", "the server stops / 服务正在停止", NULL);
    } else {
        sh_stream_pause(c->stream); /* resuming shows what was kept meanwhile */
        sh_stream_resume(c->stream);
    }
}

static void work(void *ctx)
{
    struct conn *c = ctx;
    struct sh_bytes in = sh_buf_bytes(&c->work);
    sh_err err = SH_OK;
    if (sh_guard_live(c->srv->o.guard, &c->session.caller.who) != SH_OK) {
        const struct pg_fault f = {
            .severity = "FATAL",
            .state = "28000",
            .message = "the credential was revoked or has expired / 凭据已吊销或过期"};
        pg_error(&c->session.out, &f);
        err = SH_E_CLOSED;
    }
    while (err == SH_OK && in.n > 0) {
        struct pg_msg m;
        size_t used = 0;
        err = pg_next(in, false, &m, &used);
        if (err == SH_OK) {
            (void)atomic_fetch_add_explicit(&c->srv->messages, 1, memory_order_relaxed);
            in = sh_bytes_of(in.p + used, in.n - used);
            err = pg_session_take(&c->session, &m);
        }
    }
    const sh_err sent = hand_over(c);
    c->result = err == SH_OK ? sent : err;
    sh_loop_post_job(c->srv->o.loop, &c->done_job);
}

/* Whole messages at the front of `in`; SH_E_PROTO: what follows is none. */
static size_t whole(struct sh_bytes in, bool *bad)
{
    size_t n = 0;
    for (;;) {
        struct pg_msg m;
        size_t used = 0;
        const sh_err err = pg_next(sh_bytes_of(in.p + n, in.n - n), false, &m, &used);
        if (err != SH_OK || n + used > WORK_MAX + PG_MESSAGE_MAX) {
            *bad = err == SH_E_PROTO;
            return n;
        }
        n += used;
        if (n >= WORK_MAX) {
            return n;
        }
    }
}

static size_t begin_work(struct conn *c, struct sh_bytes in)
{
    bool bad = false;
    const size_t n = whole(in, &bad);
    if (n == 0) {
        if (bad) {
            (void)atomic_fetch_add(&c->srv->protocol_errors, 1);
            end_with(c, "08P01", "this is not a message of protocol 3.0", NULL);
        }
        return 0;
    }
    sh_buf_clear(&c->work);
    if (sh_buf_put(&c->work, in.p, n) != SH_OK) {
        end_with(c, "53200", "no memory", NULL);
        return 0;
    }
    c->state = BUSY;
    if (sh_workers_run(c->srv->workers, work, c) != SH_OK) {
        c->state = IDLE;
        end_with(c, "53300", "too many statements wait / 等待的语句过多", NULL);
    }
    return n;
}

/* ---- start ---- */

static void greet(struct conn *c)
{
    pg_greeting(&c->session.out, c->user, c->number, c->secret);
    if (c->session.out.err != SH_OK ||
        sh_stream_write(c->stream, sh_buf_bytes(&c->session.buf)) != SH_OK) {
        sh_stream_close(c->stream, SH_E_NOMEM);
        return;
    }
    sh_buf_clear(&c->session.buf);
}

/* The database names the tenant: "songhua", "postgres" or the user's name mean its own. */
static bool choose_tenant(struct conn *c)
{
    struct sh_sql_caller *who = &c->session.caller;
    uint32_t id = 0;
    who->who = c->who;
    who->tenant = c->who.tenant;
    who->user = c->user;
    if (c->database.n == 0 || sh_str_eqc(c->database, "songhua") ||
        sh_str_eqc(c->database, "postgres") || sh_str_eq(c->database, c->user)) {
        return true;
    }
    if (sh_guard_tenant_find(c->srv->o.guard, c->database, &id) != SH_OK ||
        !sh_guard_tenant_within(c->srv->o.guard, id, c->who.tenant)) {
        return false;
    }
    who->tenant = id;
    return true;
}

/* A token that is bound to a device comes from where the device may. */
static bool admitted(struct conn *c)
{
    char peer[SH_ADDR_CHARS];
    struct sh_diag en = {0};
    struct sh_diag zh = {0};
    char text[2 * sizeof en.message + 4];
    const struct sh_addr a = sh_stream_peer(c->stream);
    const size_t n = sh_addr_ip_print(&a, peer);
    const enum sh_refusal why =
        sh_guard_admits(c->srv->o.guard, &c->who, sh_str_of(peer, n), SH_DOOR_OTHER);
    if (why == SH_REFUSED_NOT) {
        return true;
    }
    (void)atomic_fetch_add(&c->srv->refused, 1);
    sh_guard_refusal(why, false, &en);
    sh_guard_refusal(why, true, &zh);
    (void)snprintf(text, sizeof text, "%s / %s", en.message, zh.message);
    end_with(c, "28000", text, en.remedy);
    return false;
}

static void on_signed_in(void *ctx)
{
    struct conn *c = ctx;
    struct sh_pg *s = c->srv;
    c->state = PASSWORD;
    if (c->stream == NULL) {
        conn_free(c);
        return;
    }
    if (c->signed_in != SH_OK) {
        (void)atomic_fetch_add(&s->refused, 1);
        end_with(
            c, "28P01",
            c->signed_in == SH_E_LIMIT ? "too many failures: wait / 失败次数过多，请稍后再试"
                                       : "user, password or token is wrong / 用户、密码或令牌错误",
            c->scram.begun
                ? "The user is a token's id, the password the token; make an old token anew. / "
                  "用户名为令牌 ID、密码为令牌；旧令牌请重新创建。"
                : "The password is an API token, or the user's own. / 密码为 API "
                  "令牌或用户自己的密码。");
        return;
    }
    if (!admitted(c)) {
        return;
    }
    if (pg_session_init(&c->session, s->o.env, s->o.sql) != SH_OK) {
        c->session_made = true;
        end_with(c, "53200", "no memory", NULL);
        return;
    }
    c->session_made = true;
    c->session.flush = hand_over;
    c->session.ctx = c;
    c->session.ran = c->srv->o.ran;
    c->session.ran_ctx = c->srv->o.ctx;
    if (!choose_tenant(c)) {
        (void)atomic_fetch_add(&s->refused, 1);
        end_with(c, "3D000", "the database names no tenant below yours / 您的租户之下没有该租户",
                 "Use songhua, or the path of a tenant. / 数据库名用 songhua 或租户路径。");
        return;
    }
    sh_timer_stop(&c->timer);
    greet(c);
    c->state = IDLE;
    sh_stream_resume(c->stream);
}

static void password_done(void *ctx, sh_err err, struct sh_principal who)
{
    struct conn *c = ctx;
    c->signed_in = err;
    c->who = who;
    sh_loop_post_job(c->srv->o.loop, &c->done_job);
}

/* A token as the password; else what sh_guard_authenticate knows. */
static void sign_in(struct conn *c, struct sh_str password)
{
    char peer[SH_ADDR_CHARS];
    const struct sh_addr a = sh_stream_peer(c->stream);
    const size_t n = sh_addr_ip_print(&a, peer);
    const struct sh_credentials cred = {
        .user = c->user, .password = password, .peer = sh_str_of(peer, n)};
    c->state = SIGNING_IN;
    sh_stream_pause(c->stream);
    c->done_job = (struct sh_job){.fn = on_signed_in, .ctx = c};
    sh_err err = sh_guard_by_token(c->srv->o.guard, password, &c->who);
    if (err != SH_OK && password.n > 0) {
        err = sh_guard_authenticate(c->srv->o.guard, &cred, &c->who, password_done, c);
    }
    if (err != SH_E_AGAIN) {
        c->signed_in = err;
        sh_loop_post_job(c->srv->o.loop, &c->done_job);
    }
}

/* Asks for the proof of a token, or for a password. */
static void ask(struct conn *c)
{
    struct sh_pg *s = c->srv;
    struct sh_scram_verifier v;
    struct sh_buf b;
    struct pg_out o = {.b = &b};
    sh_buf_init(&b, s->alloc, 4096);
    if (!sh_guard_token_id(c->user)) {
        pg_auth(&o, CLEARTEXT);
    } else if (sh_guard_scram(s->o.guard, c->user, &v) == SH_OK) {
        pg_scram_init(&c->scram, s->o.crypto, s->alloc, &v);
        pg_scram_offer(&o);
    } else {
        o.err = SH_E_NOMEM;
    }
    sh_crypto_wipe(&v, sizeof v);
    if (say(c, &b, &o)) {
        c->state = PASSWORD;
    }
}

/* One message of the exchange. */
static void prove(struct conn *c, struct sh_bytes body)
{
    struct sh_pg *s = c->srv;
    char nonce[SH_SECRET_CHARS];
    struct sh_buf b;
    struct pg_out o = {.b = &b};
    sh_buf_init(&b, s->alloc, 16384);
    sh_err err = sh_random_token(s->o.env->random, "", nonce, sizeof nonce);
    err = err != SH_OK ? err : pg_scram_take(&c->scram, body, sh_str_c(nonce), &o);
    if (err == SH_OK || err == SH_E_AGAIN) {
        if (!say(c, &b, &o) || err == SH_E_AGAIN) {
            return;
        }
        err = sh_guard_by_scram(s->o.guard, c->user, &c->scram.s.v, &c->who);
    } else {
        sh_buf_fini(&b);
    }
    if (err == SH_E_PROTO) {
        (void)atomic_fetch_add(&s->protocol_errors, 1);
        end_with(c, "08P01", "a malformed SASL message", NULL);
        return;
    }
    c->state = SIGNING_IN;
    sh_stream_pause(c->stream);
    c->signed_in = err;
    c->done_job = (struct sh_job){.fn = on_signed_in, .ctx = c};
    sh_loop_post_job(s->o.loop, &c->done_job);
}

static size_t take_password(struct conn *c, struct sh_bytes in)
{
    struct pg_msg m;
    size_t used = 0;
    struct sh_str password;
    sh_err err = pg_next(in, false, &m, &used);
    if (err == SH_E_AGAIN && in.n < PASSWORD_MAX) {
        return 0;
    }
    if (err == SH_OK) {
        struct sh_rd r = sh_rd_of(m.body);
        err = m.type == 'p' ? SH_OK : SH_E_PROTO;
        if (err == SH_OK && c->scram.begun) {
            prove(c, m.body);
            return used;
        }
        err = err != SH_OK ? err : pg_rd_text(&r, &password);
    }
    if (err != SH_OK) {
        (void)atomic_fetch_add(&c->srv->protocol_errors, 1);
        end_with(c, "08P01", "a password was expected", NULL);
        return in.n;
    }
    sign_in(c, password);
    return used;
}

static void startup(struct conn *c, const struct pg_msg *m)
{
    struct sh_str user;
    struct sh_str database;
    const struct sh_addr peer = sh_stream_peer(c->stream);
    if (pg_startup_find(m->body, "user", &user) != SH_OK ||
        pg_startup_find(m->body, "database", &database) != SH_OK || user.n == 0) {
        (void)atomic_fetch_add(&c->srv->protocol_errors, 1);
        end_with(c, "08P01", "the startup message names no user", NULL);
        return;
    }
    c->user = sh_arena_str(c->arena, user);
    c->database = sh_arena_str(c->arena, database);
    if (!sh_stream_secure(c->stream) && !sh_addr_is_loopback(&peer)) {
        (void)atomic_fetch_add(&c->srv->refused, 1);
        end_with(c, "28000",
                 "without TLS only this machine itself may connect / 非本机连接必须使用 TLS",
                 "sslmode=require; pg.listen with tls.cert. / 请设置 sslmode=require。");
        return;
    }
    if (c->user.p == NULL) {
        sh_stream_close(c->stream, SH_E_NOMEM);
        return;
    }
    ask(c);
}

static void cancel(struct conn *c, const struct pg_msg *m)
{
    struct sh_pg *s = c->srv;
    (void)atomic_fetch_add(&s->cancels, 1);
    for (struct conn *k = s->conns; k != NULL && m->body.n == 8; k = k->next) {
        uint8_t key[8];
        sh_put_be32(key, k->number);
        sh_put_be32(key + 4, k->secret);
        if (k->session_made && sh_bytes_eq_ct(sh_bytes_of(key, 8), m->body)) {
            pg_session_cancel(&k->session, false);
        }
    }
    c->state = ENDING;
    sh_stream_end(c->stream);
}

static void on_tls(void *ctx, struct sh_stream *stream);

static void on_tls_failed(void *ctx, sh_err err, const char *why)
{
    SH_UNUSED(err);
    SH_UNUSED(why);
    struct conn *c = ctx;
    c->stream = NULL;
    conn_free(c);
}

static void begin_tls(struct conn *c)
{
    const struct sh_tls_wrap w = {.on_open = on_tls, .on_fail = on_tls_failed, .ctx = c};
    c->state = TLS;
    if (sh_tls_wrap(c->srv->o.tls, c->stream, &w) != SH_OK) {
        c->stream = NULL;
        conn_free(c);
    }
}

/* SSLRequest, GSSENCRequest. False: c is gone or a new stream's. */
static bool encryption(struct conn *c, uint32_t code, bool more)
{
    const bool yes = code == PG_SSL && c->srv->o.tls != NULL && !sh_stream_secure(c->stream);
    if (more) { /* bytes behind the request would be taken for encrypted ones (CVE-2021-23222) */
        end_with(c, "08P01", "data stands behind the request for encryption", NULL);
        return true;
    }
    if (sh_stream_write(c->stream, sh_bytes_of(yes ? "S" : "N", 1)) != SH_OK) {
        sh_stream_close(c->stream, SH_E_NOMEM);
        return true;
    }
    if (yes) {
        sh_stream_flush(c->stream);
        c->state = TLS;
    }
    return !yes;
}

static size_t take_start(struct conn *c, struct sh_bytes in)
{
    struct pg_msg m;
    size_t used = 0;
    const sh_err err = pg_next(in, true, &m, &used);
    if (err == SH_E_AGAIN) {
        return 0;
    }
    if (err == SH_OK && (m.code == PG_SSL || m.code == PG_GSS)) {
        if (!encryption(c, m.code, in.n > used)) {
            sh_loop_defer(c->srv->o.loop, &c->send_job); /* not inside on_bytes */
        }
        return used;
    }
    if (err == SH_OK && m.code == PG_CANCEL) {
        cancel(c, &m);
    } else if (err == SH_OK && m.code >> 16 == 3) {
        startup(c, &m);
    } else {
        (void)atomic_fetch_add(&c->srv->protocol_errors, 1);
        end_with(c, "08P01", "only protocol 3.0 is spoken here", NULL);
        return in.n;
    }
    return used;
}

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct conn *c = ctx;
    size_t used = 0;
    switch (c->state) {
    case STARTUP:
        used = take_start(c, in);
        if (c->state == PASSWORD && used < in.n) { /* sent without waiting to be asked */
            used += take_password(c, sh_bytes_of(in.p + used, in.n - used));
        }
        return used;
    case PASSWORD:
        return take_password(c, in);
    case IDLE:
        c->done_job = (struct sh_job){.fn = on_done, .ctx = c};
        return begin_work(c, in);
    case ENDING:
        return in.n;
    case BUSY:
        if (in.n > AHEAD_MAX) {
            sh_stream_pause(c->stream);
        }
        return 0;
    case TLS:
    case SIGNING_IN:
    default:
        return 0;
    }
}

static const struct sh_stream_handler handler = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_close = on_close};

/* The deferred job of an SSLRequest; afterwards it is that of sending. */
static void on_job(void *ctx)
{
    struct conn *c = ctx;
    if (c->state == TLS) {
        begin_tls(c);
    } else {
        on_send(c);
    }
}

static void on_tls(void *ctx, struct sh_stream *stream)
{
    struct conn *c = ctx;
    c->stream = stream;
    c->state = STARTUP;
    sh_stream_start(stream, &handler, c);
}

static void too_many(struct sh_pg *s, struct sh_stream *stream)
{
    (void)atomic_fetch_add(&s->refused, 1);
    sh_stream_close(stream, SH_E_LIMIT);
}

static void on_accept(void *ctx, struct sh_stream *stream)
{
    struct sh_pg *s = ctx;
    struct conn *c =
        s->n >= s->o.max_connections || s->stopping ? NULL : sh_mem_new(s->alloc, sizeof *c);
    if (c == NULL) {
        too_many(s, stream);
        return;
    }
    (void)atomic_fetch_add(&s->accepted, 1);
    c->srv = s;
    c->stream = stream;
    c->number = ++s->numbers;
    c->send_job = (struct sh_job){.fn = on_job, .ctx = c};
    sh_mutex_init(&c->lock);
    sh_cond_init(&c->cond);
    sh_buf_init(&c->work, s->alloc, WORK_MAX + PG_MESSAGE_MAX + 16);
    sh_buf_init(&c->sent, s->alloc, 64 << 20);
    sh_timer_init(&c->timer, on_late, c);
    c->next = s->conns;
    c->prev = &s->conns;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    s->conns = c;
    s->n++;
    atomic_store(&s->now, s->n);
    c->arena = sh_arena_new(s->alloc, 64 << 10);
    sh_stream_start(stream, &handler, c);
    sh_timer_set(s->o.loop, &c->timer, START_US);
    if (c->arena == NULL ||
        s->o.env->random->fill(s->o.env->random->ctx, &c->secret, sizeof c->secret) != SH_OK) {
        sh_stream_close(stream, SH_E_NOMEM);
    }
}

/* ---- the server ---- */

sh_err sh_pg_new(const struct sh_pg_options *o, struct sh_pg **out)
{
    struct sh_pg *s = sh_mem_new(o->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->o = *o;
    s->alloc = o->env->alloc;
    s->o.max_connections = o->max_connections == 0 ? CONNECTIONS : o->max_connections;
    const sh_err err = sh_workers_new(o->env, o->threads == 0 ? THREADS : o->threads,
                                      s->o.max_connections + 1, &s->workers);
    if (err != SH_OK) {
        sh_mem_free(s->alloc, s);
        return err;
    }
    *out = s;
    return SH_OK;
}

sh_err sh_pg_listen(struct sh_pg *p, struct sh_str address, struct sh_diag *diag,
                    struct sh_addr *at)
{
    const struct sh_listen_opts lo = {
        .address = address,
        .max_conns = (size_t)p->o.max_connections + 16, /* room for cancel requests */
        .stream = {.write_max = STREAM_WRITE, .read_max = STREAM_READ},
    };
    SH_TRY(sh_listen(p->o.loop, &lo, on_accept, p, diag, &p->listener));
    *at = sh_listener_addr(p->listener);
    return SH_OK;
}

void sh_pg_stop(struct sh_pg *p, void (*on_stopped)(void *ctx), void *ctx)
{
    p->stopping = true;
    p->on_stopped = on_stopped;
    p->stop_ctx = ctx;
    sh_listener_close(p->listener);
    p->listener = NULL;
    struct conn *next = NULL;
    for (struct conn *c = p->conns; c != NULL; c = next) {
        next = c->next;
        if (c->state == BUSY) {
            pg_session_cancel(&c->session, true);
        }
        if (c->stream != NULL && c->state == IDLE) {
            end_with(c, "57P01", "the server stops / 服务正在停止", NULL);
        } else if (c->stream != NULL && c->state != TLS) {
            sh_stream_close(c->stream, SH_E_CLOSED);
        }
    }
    stopped_if_empty(p);
}

void sh_pg_free(struct sh_pg *p)
{
    if (p != NULL) {
        sh_workers_free(p->workers);
        sh_mem_free(p->alloc, p);
    }
}

void sh_pg_stats(struct sh_pg *p, struct sh_pg_stats *out)
{
    out->connections = atomic_load(&p->now);
    out->accepted = atomic_load(&p->accepted);
    out->refused = atomic_load(&p->refused);
    out->messages = atomic_load(&p->messages);
    out->errors = atomic_load(&p->errors);
    out->protocol_errors = atomic_load(&p->protocol_errors);
    out->cancels = atomic_load(&p->cancels);
}
