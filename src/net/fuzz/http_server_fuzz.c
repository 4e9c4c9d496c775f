/* The whole server over the fake network: whatever a client sends, in whatever pieces, the server
 * answers with something that begins as an answer, lets go of everything and can be stopped. */
#include <sh/fuzz.h>

#include <sh/fakenet.h>
#include <sh/http.h>

struct app {
    struct sh_stream *ws;
    bool stopped;
};

static size_t ws_bytes(void *ctx, struct sh_bytes in)
{
    const struct app *a = ctx;
    if (sh_stream_write(a->ws, in) != SH_OK) {
        sh_stream_close(a->ws, SH_E_LIMIT);
    }
    return in.n;
}

static void ws_close(void *ctx, sh_err reason)
{
    struct app *a = ctx;
    SH_UNUSED(reason);
    a->ws = NULL;
}

static const struct sh_stream_handler ws_handler = {.on_bytes = ws_bytes, .on_close = ws_close};

static void on_request(void *ctx, struct sh_http_req *r)
{
    struct app *a = ctx;
    if (sh_http_is_websocket(r) && a->ws == NULL) {
        const struct sh_ws_opts o = {.message_max = 500};
        if (sh_http_ws_accept(r, &o, &a->ws) == SH_OK) {
            sh_stream_start(a->ws, &ws_handler, a);
        }
        return;
    }
    sh_http_respond(r, r->body.n > 0 ? 200 : 204, "text/plain", r->body);
}

static void on_stopped(void *ctx)
{
    struct app *a = ctx;
    a->stopped = true;
}

static const struct sh_http_handler handler = {.on_request = on_request};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size < 2 || size > 8192) {
        return 0;
    }
    struct app a = {0};
    const struct sh_env env = sh_env_system();
    struct sh_loop *l = NULL;
    struct sh_http_server *srv = NULL;
    struct sh_stream *s = NULL;
    const struct sh_http_opts o = {.body_max = 1000, .limits = {.head_max = 2000}};
    const struct sh_fake_opts fo = {.chunk = data[0] % 64};
    SH_FUZZ_CHECK(sh_loop_new(&env, NULL, &l) == SH_OK);
    SH_FUZZ_CHECK(sh_http_server_new(l, &o, &handler, &a, &srv) == SH_OK);
    struct sh_fakepeer *p = sh_fakepeer_new(l, &fo, &s);
    SH_FUZZ_CHECK(p != NULL);
    sh_http_server_take(srv, s);
    sh_fakepeer_send(p, sh_bytes_of(data + 1, size - 1));
    sh_loop_settle(l, 20000);
    const struct sh_bytes in = sh_fakepeer_in(p);
    SH_FUZZ_CHECK(in.n == 0 || (in.n >= 12 && memcmp(in.p, "HTTP/1.1 ", 9) == 0));
    sh_fakepeer_free(p);
    sh_loop_settle(l, 1000);
    sh_http_server_stop(srv, 0, on_stopped, &a);
    sh_loop_settle(l, 1000);
    SH_FUZZ_CHECK(a.stopped && a.ws == NULL);
    struct sh_http_stats st;
    sh_http_server_stats(srv, &st);
    SH_FUZZ_CHECK(st.conns == 0 && st.in_flight == 0 && st.buffered_bytes == 0);
    sh_http_server_free(srv);
    sh_loop_free(l);
    return 0;
}
