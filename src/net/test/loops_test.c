/* One listener and an HTTP server on several loops: connections spread evenly, limits hold over
 * all, closing ends what is under way on every loop. Real sockets on 127.0.0.1. Runs under
 * ThreadSanitizer too.
 * SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sh/test.h>

#include <sh/http.h>
#include <sh/tls.h>

enum { LOOPS = 3, EACH = 20, CONNS = LOOPS * EACH, WAIT_MS = 10000 };

struct rig {
    struct sh_env env;
    struct sh_loop *loop[LOOPS];
    struct sh_thread thread[LOOPS];
    struct sh_listener *ln;
    struct sh_addr addr;
    atomic_int accepted[LOOPS];
    atomic_int closed;
    struct sh_http_server *http[LOOPS];
    atomic_int stopped;
};

static void run_loop(void *ctx)
{
    sh_loop_run(ctx);
}

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->env = sh_env_system();
    for (int i = 0; i < LOOPS; i++) {
        assert_ok(sh_loop_new(&r->env, NULL, &r->loop[i]));
    }
}

static void rig_run(struct rig *r)
{
    for (int i = 0; i < LOOPS; i++) {
        assert_ok(sh_thread_start(&r->thread[i], "loop", run_loop, r->loop[i]));
    }
}

static void rig_end(struct rig *r)
{
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_stop(r->loop[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        sh_thread_join(&r->thread[i]);
    }
}

static void rig_fini(struct rig *r)
{
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_settle(r->loop[i], 100);
    }
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_free(r->loop[i]);
    }
}

static int client(const struct rig *r)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(r->addr.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int index_of(const struct rig *r, const struct sh_loop *l)
{
    int i = 0;
    while (r->loop[i] != l) {
        i++;
    }
    return i;
}

/* ---- the listener ---- */

/* Answers each byte with the number of its loop. */
struct echo {
    struct rig *r;
    struct sh_stream *s;
};

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    const struct echo *e = ctx;
    assert_true(sh_loop_here(e->s->loop));
    const uint8_t which = (uint8_t)index_of(e->r, e->s->loop);
    for (size_t i = 0; i < in.n; i++) {
        assert_ok(sh_stream_write(e->s, sh_bytes_of(&which, 1)));
    }
    return in.n;
}

static void on_close(void *ctx, sh_err why)
{
    struct echo *e = ctx;
    SH_UNUSED(why);
    (void)atomic_fetch_add(&e->r->closed, 1);
    sh_mem_free(e->r->env.alloc, e);
}

static void on_accept(void *ctx, struct sh_stream *s)
{
    static const struct sh_stream_handler handler = {.on_bytes = on_bytes, .on_close = on_close};
    struct rig *r = ctx;
    assert_true(sh_loop_here(s->loop));
    struct echo *e = sh_mem_new(r->env.alloc, sizeof *e);
    assert_non_null(e);
    *e = (struct echo){r, s};
    (void)atomic_fetch_add(&r->accepted[index_of(r, s->loop)], 1);
    sh_stream_start(s, &handler, e);
}

static void close_listener(void *ctx)
{
    struct rig *r = ctx;
    sh_listener_close(r->ln);
}

static void rig_listen(struct rig *r, struct sh_tls *tls)
{
    const struct sh_listen_opts o = {.address = SH_STR("127.0.0.1:0"),
                                     .loops = r->loop,
                                     .nloops = LOOPS,
                                     .tls = tls,
                                     .max_conns = CONNS};
    assert_ok(sh_listen(r->loop[0], &o, on_accept, r, NULL, &r->ln));
    r->addr = sh_listener_addr(r->ln);
}

static void wait_for(const atomic_int *n, int want)
{
    for (int i = 0; i < WAIT_MS && atomic_load(n) != want; i++) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(atomic_load(n), want);
}

static void test_connections_spread_evenly_and_the_limit_is_exact(void **state)
{
    (void)state;
    static struct rig r;
    int fd[CONNS];
    uint8_t seen[LOOPS] = {0};
    rig_init(&r);
    rig_listen(&r, NULL);
    rig_run(&r);
    for (int i = 0; i < CONNS; i++) {
        fd[i] = client(&r);
        assert_int_equal(send(fd[i], "x", 1, MSG_NOSIGNAL), 1);
    }
    for (int i = 0; i < CONNS; i++) {
        uint8_t which = 0xFF;
        assert_int_equal(recv(fd[i], &which, 1, 0), 1);
        assert_true(which < LOOPS);
        seen[which]++;
    }
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(seen[i], EACH);
    }
    assert_int_equal(sh_listener_conns(r.ln), CONNS);
    char c = 0;
    const int over = client(&r);
    assert_true(recv(over, &c, 1, 0) <= 0); /* closed at once */
    (void)close(over);
    /* One leaves: there is room for one, on its loop. */
    (void)close(fd[7]);
    wait_for(&r.closed, 1);
    fd[7] = client(&r);
    assert_int_equal(send(fd[7], "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(fd[7], &c, 1, 0), 1);
    for (int i = 0; i < LOOPS; i++) {
        assert_true(atomic_load(&r.accepted[i]) >= EACH);
    }
    for (int i = 0; i < CONNS; i++) {
        (void)close(fd[i]);
    }
    wait_for(&r.closed, CONNS + 1);
    assert_int_equal(sh_listener_conns(r.ln), 0);
    assert_ok(sh_loop_post(r.loop[0], close_listener, &r));
    rig_end(&r);
    rig_fini(&r);
}

/* Handshakes that were begun on any loop end with the listener, long before their time-out. */
static void test_closing_ends_handshakes_on_every_loop(void **state)
{
    (void)state;
    static struct rig r;
    int fd[CONNS];
    struct sh_tls *tls = NULL;
    struct sh_buf cert;
    struct sh_buf key;
    rig_init(&r);
    sh_buf_init(&cert, r.env.alloc, 65536);
    sh_buf_init(&key, r.env.alloc, 65536);
    assert_ok(sh_tls_selfsigned(&r.env, SH_STR("localhost"), 2, &cert, &key));
    const struct sh_tls_opts o = {.cert_pem = sh_buf_str(&cert), .key_pem = sh_buf_str(&key)};
    assert_ok(sh_tls_server_new(&r.env, &o, NULL, &tls));
    rig_listen(&r, tls);
    rig_run(&r);
    for (int i = 0; i < CONNS; i++) {
        fd[i] = client(&r); /* and says nothing */
    }
    assert_ok(sh_tls_reload(tls, &o, NULL)); /* while the loops take connections */
    assert_ok(sh_loop_post(r.loop[0], close_listener, &r));
    for (int i = 0; i < CONNS; i++) {
        char c = 0;
        assert_true(recv(fd[i], &c, 1, 0) <= 0);
        (void)close(fd[i]);
    }
    rig_end(&r);
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(atomic_load(&r.accepted[i]), 0);
    }
    sh_tls_free(tls);
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    rig_fini(&r);
}

/* ---- HTTP ---- */

static void on_request(void *ctx, struct sh_http_req *q)
{
    struct rig *r = ctx;
    char text[32];
    assert_true(sh_loop_here(sh_http_loop(q)));
    const int i = index_of(r, sh_http_loop(q));
    (void)atomic_fetch_add(&r->accepted[i], 1);
    const int n = snprintf(text, sizeof text, "loop %d\n", i);
    sh_http_respond(q, 200, "text/plain", sh_bytes_of(text, (size_t)n));
}

static void on_stopped(void *ctx)
{
    (void)atomic_fetch_add(&((struct rig *)ctx)->stopped, 1);
}

struct stop {
    struct rig *r;
    int i;
};

static void stop_http(void *ctx)
{
    const struct stop *s = ctx;
    sh_http_server_stop(s->r->http[s->i], 1000000, on_stopped, s->r);
}

static size_t ask(int fd, char *answer, size_t cap)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(send(fd, get, sizeof get - 1, MSG_NOSIGNAL), sizeof get - 1);
    const ssize_t n = recv(fd, answer, cap - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    return (size_t)n;
}

static void test_http_serves_on_every_loop_and_its_limit_is_exact(void **state)
{
    (void)state;
    static const struct sh_http_handler app = {.on_request = on_request};
    static struct rig r;
    int fd[CONNS];
    char text[512];
    rig_init(&r);
    for (int i = 0; i < LOOPS; i++) {
        const struct sh_http_opts o = {.conns_max = CONNS, .with = i == 0 ? NULL : r.http[0]};
        assert_ok(sh_http_server_new(r.loop[i], &o, &app, &r, &r.http[i]));
    }
    const struct sh_listen_opts lo = {.address = SH_STR("127.0.0.1:0")};
    struct sh_listener *ln = NULL;
    assert_ok(sh_http_server_listen(r.http[0], &lo, NULL, &ln));
    r.addr = sh_listener_addr(ln);
    rig_run(&r);
    for (int i = 0; i < CONNS; i++) {
        fd[i] = client(&r);
        (void)ask(fd[i], text, sizeof text);
        assert_non_null(strstr(text, "200 OK"));
    }
    for (int i = 0; i < LOOPS; i++) {
        assert_int_equal(atomic_load(&r.accepted[i]), EACH);
    }
    const int over = client(&r);
    const ssize_t n = recv(over, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "503"));
    (void)close(over);
    struct stop stop[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        stop[i] = (struct stop){&r, i};
        assert_ok(sh_loop_post(r.loop[i], stop_http, &stop[i]));
    }
    for (int i = 0; i < CONNS; i++) {
        assert_true(recv(fd[i], text, sizeof text, 0) <= 0);
        (void)close(fd[i]);
    }
    wait_for(&r.stopped, LOOPS);
    rig_end(&r);
    for (int i = LOOPS - 1; i >= 0; i--) {
        sh_http_server_free(r.http[i]);
    }
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_spread_evenly_and_the_limit_is_exact),
        cmocka_unit_test(test_closing_ends_handshakes_on_every_loop),
        cmocka_unit_test(test_http_serves_on_every_loop_and_its_limit_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
