/* http_echo.c - a small server for the wire tests and the benchmark of net.
 *     net_http_echo FOLDER
 * writes server.pem, client.pem and client.key into FOLDER, prints "http PORT", "https PORT" and
 * "mtls PORT" (client certificate required), serves until its standard input ends. */
#include <stdio.h>

#include <sh/net.h>

enum { STREAM_EVENTS = 5, BIG = 8 << 20 };

struct app {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_workers *workers;
    struct sh_http_server *srv;
    struct sh_tls *tls;
    struct sh_tls *mtls;
    struct sh_buf cert, key, client_cert, client_key;
    struct sh_bytes big;
};

struct streamer {
    struct app *app;
    struct sh_http_req *req;
    struct sh_timer timer;
    int n;
};

struct echo_ws {
    struct app *app;
    struct sh_stream *s;
};

/* ---- answers ---- */

static void small(struct sh_http_req *r)
{
    static const char json[] =
        "{\"status\":\"ok\",\"devices\":12,\"online\":11,\"time\":1767225600000}";
    sh_http_respond(r, 200, "application/json", sh_bytes_of(json, sizeof json - 1));
}

/* On a worker thread: reads the request, builds the answer, sends it from there. */
static void on_worker(void *ctx)
{
    struct sh_http_req *r = ctx;
    struct sh_buf *b = sh_http_body(r);
    sh_err e = SH_OK;
    for (int i = 0; i < 1000 && e == SH_OK; i++) {
        e = sh_buf_printf(b, "%.*s %d gone=%d\n", SH_PRI(r->path), i, (int)sh_http_gone(r));
    }
    sh_http_status(r, e == SH_OK ? 200 : 500);
    sh_http_header_c(r, "Content-Type", "text/plain");
    sh_http_send(r);
}

/* ---- a body that workers take: answers how many bytes there were, and their sum ---- */

struct taking {
    struct sh_http_req *r;
    const struct sh_alloc *alloc;
    uint64_t bytes;
    uint64_t sum;
};

static sh_err take_piece(void *ctx, struct sh_bytes data)
{
    struct taking *t = ctx;
    for (size_t i = 0; i < data.n; i++) {
        t->sum += data.p[i];
    }
    t->bytes += data.n;
    return SH_OK;
}

static void take_end(void *ctx, sh_err err)
{
    struct taking *t = ctx;
    struct sh_http_req *r = t->r;
    sh_http_status(r, err == SH_OK ? 201 : 422);
    const sh_err e = sh_buf_printf(sh_http_body(r), "%llu %llu %s", (unsigned long long)t->bytes,
                                   (unsigned long long)t->sum, sh_err_name(err));
    sh_mem_free(t->alloc, t);
    if (e != SH_OK) {
        sh_http_status(r, 500);
    }
    sh_http_send(r);
}

static sh_err take_run(void *pool, void (*fn)(void *ctx), void *ctx)
{
    return sh_workers_run(pool, fn, ctx);
}

static void take(struct app *a, struct sh_http_req *r)
{
    struct taking *t = sh_mem_new(a->env.alloc, sizeof *t);
    const struct sh_http_intake i = {.run = take_run,
                                     .pool = a->workers,
                                     .piece = take_piece,
                                     .end = take_end,
                                     .ctx = t,
                                     .body_max = 64 << 20,
                                     .piece_max = 65536};
    if (t != NULL) {
        *t = (struct taking){.r = r, .alloc = a->env.alloc};
    }
    if (t == NULL || sh_http_intake(r, &i) != SH_OK) {
        sh_mem_free(a->env.alloc, t);
        sh_http_respond(r, 503, NULL, (struct sh_bytes){0});
    }
}

static void on_headers(void *ctx, const struct sh_http_req *r, struct sh_http_plan *plan)
{
    SH_UNUSED(ctx);
    plan->intake = sh_str_eqc(r->path, "/take");
}

static void whoami(struct sh_http_req *r)
{
    struct sh_peer_cert c;
    sh_err e = SH_OK;
    if (sh_http_peer_cert(r, &c) == SH_OK) {
        e = sh_buf_printf(sh_http_body(r), "%s verified=%d %s\n", c.subject, (int)c.verified,
                          c.san);
    } else {
        e = sh_buf_printf(sh_http_body(r), "nobody secure=%d\n", (int)r->secure);
    }
    sh_http_status(r, e == SH_OK ? 200 : 500);
    sh_http_send(r);
}

/* A new certificate for those who connect from now on. */
static void reload(struct app *a, struct sh_http_req *r)
{
    sh_buf_clear(&a->cert);
    sh_buf_clear(&a->key);
    sh_err e = sh_tls_selfsigned(&a->env, SH_STR("reloaded.local"), 30, &a->cert, &a->key);
    const struct sh_tls_opts o = {.cert_pem = sh_buf_str(&a->cert), .key_pem = sh_buf_str(&a->key)};
    if (e == SH_OK) {
        e = sh_tls_reload(a->tls, &o, NULL);
    }
    sh_http_respond(r, e == SH_OK ? 204 : 500, NULL, (struct sh_bytes){0});
}

static void stats(struct app *a, struct sh_http_req *r)
{
    struct sh_http_stats h;
    struct sh_net_stats n;
    sh_http_server_stats(a->srv, &h);
    sh_loop_stats(a->loop, &n, false);
    const sh_err e = sh_buf_printf(
        sh_http_body(r),
        "{\"conns\":%llu,\"requests\":%llu,\"gone\":%llu,\"buffered\":%llu,\"queued\":%llu,"
        "\"handshakes\":%llu,\"resumed\":%llu,\"websockets\":%llu}\n",
        (unsigned long long)h.conns, (unsigned long long)h.requests, (unsigned long long)h.gone,
        (unsigned long long)h.buffered_bytes, (unsigned long long)n.queued_bytes,
        (unsigned long long)n.tls_handshakes, (unsigned long long)n.tls_resumed,
        (unsigned long long)h.websockets);
    sh_http_status(r, e == SH_OK ? 200 : 500);
    sh_http_header_c(r, "Content-Type", "application/json");
    sh_http_send(r);
}

/* ---- events ---- */

static void stream_gone(void *ctx, struct sh_http_req *r)
{
    struct streamer *st = ctx;
    sh_timer_stop(&st->timer);
    sh_http_stream_end(r, false);
    sh_mem_free(st->app->env.alloc, st);
}

static const struct sh_http_stream_handler stream_handler = {.on_gone = stream_gone};

static void stream_tick(void *ctx)
{
    struct streamer *st = ctx;
    char text[32];
    const int n = snprintf(text, sizeof text, "data: %d\n\n", st->n);
    const sh_err e = sh_http_stream_write(st->req, sh_bytes_of(text, (size_t)n));
    if (e != SH_OK || ++st->n == STREAM_EVENTS) {
        sh_http_stream_end(st->req, e == SH_OK);
        sh_mem_free(st->app->env.alloc, st);
        return;
    }
    sh_timer_set(st->app->loop, &st->timer, 20000);
}

static void stream(struct app *a, struct sh_http_req *r)
{
    struct streamer *st = sh_mem_new(a->env.alloc, sizeof *st);
    sh_http_header_c(r, "Content-Type", "text/event-stream");
    if (st == NULL || sh_http_stream_begin(r, &stream_handler, st) != SH_OK) {
        sh_mem_free(a->env.alloc, st);
        sh_http_stream_end(r, false);
        return;
    }
    st->app = a;
    st->req = r;
    sh_timer_init(&st->timer, stream_tick, st);
    sh_timer_set(a->loop, &st->timer, 0);
}

/* ---- WebSocket echo ---- */

static size_t ws_bytes(void *ctx, struct sh_bytes in)
{
    struct echo_ws *w = ctx;
    const size_t max = sh_stream_write_max(w->s) / 4;
    const size_t n = in.n < max ? in.n : max;
    if (sh_stream_write(w->s, (struct sh_bytes){in.p, n}) != SH_OK) {
        sh_stream_pause(w->s);
        return 0;
    }
    return n;
}

static void ws_drain(void *ctx)
{
    struct echo_ws *w = ctx;
    sh_stream_resume(w->s);
}

static void ws_close(void *ctx, sh_err reason)
{
    struct echo_ws *w = ctx;
    SH_UNUSED(reason);
    sh_mem_free(w->app->env.alloc, w);
}

static const struct sh_stream_handler ws_handler = {
    .on_bytes = ws_bytes, .on_drain = ws_drain, .on_close = ws_close};

static void websocket(struct app *a, struct sh_http_req *r)
{
    const struct sh_ws_opts o = {.subprotocol = SH_STR("mqtt")};
    struct echo_ws *w = sh_mem_new(a->env.alloc, sizeof *w);
    if (w == NULL) {
        sh_http_respond(r, 503, NULL, (struct sh_bytes){0});
        return;
    }
    w->app = a;
    if (sh_http_ws_accept(r, &o, &w->s) != SH_OK) {
        sh_mem_free(a->env.alloc, w);
        return;
    }
    sh_stream_start(w->s, &ws_handler, w);
}

/* ---- routes ---- */

static void on_request(void *ctx, struct sh_http_req *r)
{
    struct app *a = ctx;
    if (r->path.n == 1) {
        small(r);
    } else if (sh_str_eqc(r->path, "/echo")) {
        sh_http_respond(r, 200, "text/plain", r->body);
    } else if (sh_str_eqc(r->path, "/worker")) {
        if (sh_workers_run(a->workers, on_worker, r) != SH_OK) {
            sh_http_respond(r, 503, NULL, (struct sh_bytes){0});
        }
    } else if (sh_str_eqc(r->path, "/take")) {
        take(a, r);
    } else if (sh_str_eqc(r->path, "/big")) {
        sh_http_body_const(r, a->big);
        sh_http_send(r);
    } else if (sh_str_eqc(r->path, "/stream")) {
        stream(a, r);
    } else if (sh_str_eqc(r->path, "/ws")) {
        websocket(a, r);
    } else if (sh_str_eqc(r->path, "/whoami")) {
        whoami(r);
    } else if (sh_str_eqc(r->path, "/reload")) {
        reload(a, r);
    } else if (sh_str_eqc(r->path, "/stats")) {
        stats(a, r);
    } else {
        sh_http_respond(r, 404, "text/plain", sh_bytes_of("no such page\n", 13));
    }
}

static const struct sh_http_handler handler = {.on_headers = on_headers, .on_request = on_request};

/* ---- start and end ---- */

static void wait_for_end(void *ctx)
{
    struct app *a = ctx;
    while (getchar() != EOF) {
    }
    sh_loop_stop(a->loop);
}

static sh_err save(struct app *a, const char *folder, const char *name, const struct sh_buf *b)
{
    char path[512];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return SH_E_INVAL;
    }
    return sh_fs_replace(a->env.fs, path, sh_buf_bytes(b));
}

static sh_err make_certs(struct app *a, const char *folder)
{
    sh_buf_init(&a->cert, a->env.alloc, 1 << 16);
    sh_buf_init(&a->key, a->env.alloc, 1 << 16);
    sh_buf_init(&a->client_cert, a->env.alloc, 1 << 16);
    sh_buf_init(&a->client_key, a->env.alloc, 1 << 16);
    SH_TRY(sh_tls_selfsigned(&a->env, SH_STR("localhost,127.0.0.1"), 30, &a->cert, &a->key));
    SH_TRY(sh_tls_selfsigned(&a->env, SH_STR("device-7"), 30, &a->client_cert, &a->client_key));
    SH_TRY(save(a, folder, "server.pem", &a->cert));
    SH_TRY(save(a, folder, "client.pem", &a->client_cert));
    SH_TRY(save(a, folder, "client.key", &a->client_key));
    struct sh_tls_opts o = {.cert_pem = sh_buf_str(&a->cert), .key_pem = sh_buf_str(&a->key)};
    SH_TRY(sh_tls_server_new(&a->env, &o, NULL, &a->tls));
    o.client_cert = SH_TLS_CERT_REQUIRED;
    o.ca_pem = sh_buf_str(&a->client_cert);
    return sh_tls_server_new(&a->env, &o, NULL, &a->mtls);
}

static sh_err listen_on(struct app *a, const char *name, struct sh_tls *tls)
{
    const struct sh_listen_opts o = {.address = SH_STR("127.0.0.1:0"), .tls = tls};
    struct sh_listener *ln = NULL;
    SH_TRY(sh_http_server_listen(a->srv, &o, NULL, &ln));
    printf("%s %u\n", name, (unsigned)sh_listener_addr(ln).port);
    return SH_OK;
}

static void on_stopped(void *ctx)
{
    struct app *a = ctx;
    sh_loop_stop(a->loop);
}

static sh_err serve(struct app *a, const char *folder)
{
    const struct sh_http_opts o = {.body_max = 32 << 20, .head_timeout_us = 1000000};
    struct sh_thread t = {0};
    SH_TRY(sh_loop_new(&a->env, NULL, &a->loop));
    SH_TRY(sh_workers_new(&a->env, 2, 1000, &a->workers));
    SH_TRY(make_certs(a, folder));
    SH_TRY(sh_http_server_new(a->loop, &o, &handler, a, &a->srv));
    SH_TRY(listen_on(a, "http", NULL));
    SH_TRY(listen_on(a, "https", a->tls));
    SH_TRY(listen_on(a, "mtls", a->mtls));
    (void)fflush(stdout);
    SH_TRY(sh_thread_start(&t, "end", wait_for_end, a));
    sh_loop_run(a->loop);
    sh_thread_join(&t);
    sh_http_server_stop(a->srv, 1000000, on_stopped, a);
    sh_loop_run(a->loop);
    return SH_OK;
}

int main(int argc, char **argv)
{
    struct app a = {.env = sh_env_system()};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    uint8_t *big = sh_mem_new(a.env.alloc, BIG);
    if (big == NULL) {
        return 1;
    }
    for (size_t i = 0; i < BIG; i++) {
        big[i] = (uint8_t)(i % 251);
    }
    a.big = (struct sh_bytes){big, BIG};
    const sh_err e = serve(&a, argv[1]);
    sh_workers_free(a.workers);
    sh_http_server_free(a.srv);
    sh_loop_free(a.loop);
    sh_tls_free(a.tls);
    sh_tls_free(a.mtls);
    sh_buf_fini(&a.cert);
    sh_buf_fini(&a.key);
    sh_buf_fini(&a.client_cert);
    sh_buf_fini(&a.client_key);
    sh_mem_free(a.env.alloc, big);
    if (e != SH_OK) {
        (void)fprintf(stderr, "failed: %s\n", sh_err_name(e));
    }
    return e == SH_OK ? 0 : 1;
}
