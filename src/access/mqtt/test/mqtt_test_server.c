/* mqtt_test_server.c - the broker on a real loop, for real clients: everybody may do everything.
 *   mqtt_test_server ADDRESS:PORT [DATA-FOLDER [CHECKPOINT-BYTES]]
 * Without a folder (or with "-") nothing is durable. Prints the ports it opened: "tls on" and
 * "websocket on" (any free port), last "listening on". SIGTERM ends it in order. User name
 * "device:ID" makes the principal that device (a gateway when the id begins with "gw").
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sh/http.h>
#include <sh/journal.h>
#include <sh/mqtt_server.h>
#include <sh/tls.h>

struct app {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_workers *workers;
    struct mqtt_journal *mj;
    struct sh_journal *j;
    struct mqtt_broker *b;
    struct mqtt_server *srv;
    struct sh_tls *tls;
    struct sh_http_server *http;
    struct sh_timer poll;
    sigset_t signals;
};

static void on_connect(void *ctx, const struct mqtt_connect_req *req, mqtt_auth_done *done,
                       void *token)
{
    const struct app *a = ctx;
    const struct sh_str mark = SH_STR("device:");
    struct mqtt_principal *p = sh_mem_new(a->env.alloc, sizeof *p);
    if (p == NULL) {
        done(token, MQTT_AUTH_BUSY, NULL);
        return;
    }
    p->tenant = 1;
    p->id = req->has_user ? sh_hash64(req->user.p, req->user.n, 1) : 1;
    p->name = sh_str_dup(a->env.alloc, req->has_user ? req->user : SH_STR("anonymous"));
    if (sh_str_starts(p->name, mark)) {
        p->device = sh_str_sub(p->name, mark.n, p->name.n);
        p->flags = sh_str_starts(p->device, SH_STR("gw")) ? MQTT_P_GATEWAY : 0;
    }
    done(token, MQTT_AUTH_OK, p);
}

static void on_release(void *ctx, struct mqtt_principal *p)
{
    const struct app *a = ctx;
    sh_str_free(a->env.alloc, &p->name);
    sh_mem_free(a->env.alloc, p);
}

static bool may(void *ctx, const struct mqtt_principal *p, struct sh_str topic)
{
    SH_UNUSED(ctx);
    SH_UNUSED(topic);
    return p->device.n == 0;
}

static void on_http_stopped(void *ctx)
{
    const struct app *a = ctx;
    sh_loop_stop(a->loop);
}

static void on_stopped(void *ctx)
{
    struct app *a = ctx;
    sh_http_server_stop(a->http, 0, on_http_stopped, a);
}

static void on_request(void *ctx, struct sh_http_req *r)
{
    const struct app *a = ctx;
    if (!sh_str_eqc(r->path, "/mqtt") || !sh_http_is_websocket(r)) {
        sh_http_respond(r, 404, "text/plain", sh_bytes_of("no\n", 3));
        return;
    }
    const struct sh_ws_opts o = {.subprotocol = SH_STR("mqtt"), .message_max = 2 << 20};
    struct sh_stream *s = NULL;
    if (sh_http_ws_accept(r, &o, &s) == SH_OK) {
        mqtt_server_take(a->srv, s, true, 2);
    }
}

static void tell(const char *what, const struct sh_addr *at)
{
    char text[SH_ADDR_CHARS];
    const size_t n = sh_addr_print(at, text);
    printf("%s on %.*s\n", what, (int)n, text);
    (void)fflush(stdout);
}

/* The other two ways in: TLS with a certificate made now, and WebSocket. */
static sh_err open_others(struct app *a)
{
    static const struct sh_http_handler handler = {.on_request = on_request};
    struct sh_buf cert;
    struct sh_buf key;
    struct sh_addr bound;
    struct sh_listener *ln = NULL;
    sh_buf_init(&cert, a->env.alloc, 65536);
    sh_buf_init(&key, a->env.alloc, 65536);
    sh_err e = sh_tls_selfsigned(&a->env, SH_STR("localhost,127.0.0.1"), 2, &cert, &key);
    if (e == SH_OK) {
        const struct sh_tls_opts o = {.cert_pem = sh_buf_str(&cert), .key_pem = sh_buf_str(&key)};
        e = sh_tls_server_new(&a->env, &o, NULL, &a->tls);
    }
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    SH_TRY(e);
    SH_TRY(mqtt_server_listen(a->srv, SH_STR("127.0.0.1:0"), a->tls, 1, NULL, &bound));
    tell("tls", &bound);
    SH_TRY(sh_http_server_new(a->loop, NULL, &handler, a, &a->http));
    const struct sh_listen_opts lo = {.address = SH_STR("127.0.0.1:0")};
    SH_TRY(sh_http_server_listen(a->http, &lo, NULL, &ln));
    bound = sh_listener_addr(ln);
    tell("websocket", &bound);
    return SH_OK;
}

static void on_poll(void *ctx)
{
    struct app *a = ctx;
    const struct timespec none = {0, 0};
    if (sigtimedwait(&a->signals, NULL, &none) > 0) {
        mqtt_server_stop(a->srv, on_stopped, a);
        return;
    }
    sh_timer_set(a->loop, &a->poll, 50000);
}

static sh_err open_store(struct app *a, const char *dir)
{
    char path[512];
    SH_TRY(sh_workers_new(&a->env, 1, 16, &a->workers));
    (void)snprintf(path, sizeof path, "%s/mqtt", dir);
    return mqtt_journal_new(&a->env, a->loop, a->workers, path, &a->mj);
}

static sh_err open_journal(struct app *a, const char *dir)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/journal", dir);
    SH_TRY(mqtt_journal_load(a->mj, a->b));
    const struct sh_journal_owner owner = mqtt_journal_owner(a->mj);
    const struct sh_journal_options o = {.dir = path, .owners = &owner, .owner_count = 1};
    SH_TRY(sh_journal_open(&a->env, &o, &a->j));
    mqtt_journal_attach(a->mj, a->j);
    return sh_journal_start(a->j);
}

static sh_err run(struct app *a, int argc, char **argv)
{
    const struct mqtt_auth_ops auth = {on_connect, on_release, may, may, a};
    struct mqtt_broker_opts o = {.env = &a->env, .auth = &auth, .version = "songhua test"};
    o.limits.max_queued = 100000; /* what clients repeat after a kill needs room too */
    const bool durable = argc > 2 && strcmp(argv[2], "-") != 0;
    SH_TRY(sh_loop_new(&a->env, NULL, &a->loop));
    if (durable) {
        SH_TRY(open_store(a, argv[2]));
        o.store = mqtt_journal_ops(a->mj);
    }
    if (argc > 3) {
        o.limits.checkpoint_bytes = strtoull(argv[3], NULL, 10);
    }
    SH_TRY(mqtt_broker_new(&o, &a->b));
    if (durable) {
        SH_TRY(open_journal(a, argv[2]));
    }
    mqtt_broker_start(a->b);
    SH_TRY(mqtt_server_new(&a->loop, 1, a->b, &a->srv));
    if (a->mj != NULL) {
        mqtt_journal_wake(a->mj, a->srv);
    }
    struct sh_addr bound;
    SH_TRY(open_others(a));
    SH_TRY(mqtt_server_listen(a->srv, sh_str_c(argv[1]), NULL, 0, NULL, &bound));
    tell("listening", &bound);
    sh_timer_init(&a->poll, on_poll, a);
    sh_timer_set(a->loop, &a->poll, 50000);
    sh_loop_run(a->loop);
    return SH_OK;
}

int main(int argc, char **argv)
{
    struct app a = {.env = sh_env_system()};
    if (argc < 2) {
        (void)fprintf(stderr, "mqtt_test_server ADDRESS:PORT [DATA-FOLDER [CHECKPOINT-BYTES]]\n");
        return 2;
    }
    (void)sigemptyset(&a.signals);
    (void)sigaddset(&a.signals, SIGTERM);
    (void)sigaddset(&a.signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &a.signals, NULL);
    const sh_err e = run(&a, argc, argv);
    if (e != SH_OK) {
        (void)fprintf(stderr, "cannot start: %s\n", sh_err_name(e));
        _exit(1); /* threads that run already hold what stands on this stack */
    }
    if (a.mj != NULL) {
        const sh_err c = mqtt_broker_checkpoint(a.b);
        (void)c;
        mqtt_journal_settle(a.mj);
    }
    sh_journal_close(a.j);
    mqtt_server_free(a.srv);
    sh_http_server_free(a.http);
    sh_tls_free(a.tls);
    sh_workers_free(a.workers);
    sh_loop_free(a.loop);
    mqtt_broker_free(a.b);
    mqtt_journal_free(a.mj);
    return 0;
}
