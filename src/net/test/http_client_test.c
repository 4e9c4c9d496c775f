/* The client against our own server, real sockets on 127.0.0.1. */
#include <sh/test.h>

#include <sh/net.h>

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    struct sh_http_server *srv;
    uint16_t good; /* port the policy allows */
    uint16_t bad;  /* port it does not */
    struct sh_http_client *c;
    int done;
    struct sh_http_result r;
    struct sh_buf body;
    char why[300];
    char type[80];
    bool free_inside;
    int stopped;
};

static void on_request(void *ctx, struct sh_http_req *r)
{
    const struct fix *f = ctx;
    char where[80];
    if (sh_str_eqc(r->path, "/echo")) {
        sh_http_header(r, "X-Method", r->method_name);
        sh_http_respond(r, 200, "text/x-echo", r->body);
    } else if (sh_str_eqc(r->path, "/inside") || sh_str_eqc(r->path, "/loop")) {
        (void)snprintf(where, sizeof where, "http://127.0.0.1:%u/%s",
                       r->path.p[1] == 'l' ? (unsigned)f->good : (unsigned)f->bad,
                       r->path.p[1] == 'l' ? "loop" : "echo");
        sh_http_header_c(r, "Location", where);
        sh_http_respond(r, 302, "text/plain", sh_bytes_of("moved", 5));
    } else if (sh_str_eqc(r->path, "/file")) {
        sh_http_header_c(r, "Location", "file:///etc/passwd");
        sh_http_respond(r, 302, NULL, (struct sh_bytes){0});
    } else {
        sh_http_header(r, "X-Got", sh_http_field_of(r, "x-test"));
        sh_http_respond(r, 404, "text/plain", sh_bytes_of("nothing here", 12));
    }
}

static const struct sh_http_handler app = {.on_request = on_request};

static bool only_good(void *ctx, const struct sh_addr *a)
{
    const struct fix *f = ctx;
    return a->port == f->good;
}

static void on_done(void *ctx, const struct sh_http_result *r)
{
    struct fix *f = ctx;
    f->done++;
    f->r = *r;
    sh_buf_clear(&f->body);
    assert_ok(sh_buf_put(&f->body, r->body.p, r->body.n));
    (void)snprintf(f->why, sizeof f->why, "%s", r->why);
    const struct sh_str type = sh_http_result_field(r, "content-type");
    (void)snprintf(f->type, sizeof f->type, "%.*s", SH_PRI(type));
    if (f->free_inside) {
        sh_http_client_free(f->c);
        f->c = NULL;
    }
}

static uint16_t listen_on(struct fix *f)
{
    const struct sh_listen_opts o = {.address = SH_STR("127.0.0.1:0")};
    struct sh_listener *ln = NULL;
    assert_ok(sh_http_server_listen(f->srv, &o, NULL, &ln));
    return sh_listener_addr(ln).port;
}

static void begin(struct fix *f, bool guarded)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    f->t.env.clock = sh_clock_system();
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
    assert_ok(sh_http_server_new(f->l, NULL, &app, f, &f->srv));
    sh_buf_init(&f->body, &f->t.alloc, 1 << 20);
    f->good = listen_on(f);
    f->bad = listen_on(f);
    struct sh_http_client_opts o = {.allow_ctx = f, .max_calls = 2};
    if (!guarded) {
        o.allow = only_good;
    }
    assert_ok(sh_http_client_new(f->l, &o, &f->c));
}

static void stopped(void *ctx)
{
    struct fix *f = ctx;
    f->stopped++;
}

#define UNTIL(f, cond)                                                                             \
    do {                                                                                           \
        const int64_t until_ = sh_mono_us(sh_clock_system()) + INT64_C(20000000);                  \
        while (!(cond) && sh_mono_us(sh_clock_system()) < until_) {                                \
            (void)sh_loop_turn((f)->l);                                                            \
        }                                                                                          \
        assert_true(cond);                                                                         \
    } while (0)

static void finish(struct fix *f)
{
    sh_http_client_free(f->c);
    sh_http_server_stop(f->srv, 0, stopped, f);
    UNTIL(f, f->stopped == 1);
    sh_http_server_free(f->srv);
    sh_buf_fini(&f->body);
    sh_loop_free(f->l);
    sh_test_env_fini(&f->t);
}

static void call(struct fix *f, uint16_t port, const char *path, struct sh_http_call_opts o)
{
    char url[200];
    const int n = snprintf(url, sizeof url, "http://127.0.0.1:%u%s", (unsigned)port, path);
    o.url = sh_str_of(url, (size_t)n);
    o.method = o.method == NULL ? "GET" : o.method;
    f->done = 0;
    assert_ok(sh_http_client_call(f->c, &o, on_done, f, NULL));
    assert_int_equal(f->done, 0); /* never at once */
    UNTIL(f, f->done == 1);
}

static void test_call_gives_the_answer(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, false);
    call(&f, f.good, "/echo",
         (struct sh_http_call_opts){.method = "POST", .body = sh_bytes_of("hello", 5)});
    assert_int_equal(f.r.err, SH_OK);
    assert_int_equal(f.r.status, 200);
    assert_str(sh_buf_str(&f.body), "hello");
    assert_string_equal(f.type, "text/x-echo");
    const struct sh_http_field field = {SH_STR("X-Test"), SH_STR("1")};
    call(&f, f.good, "/x", (struct sh_http_call_opts){.fields = &field, .nfields = 1});
    assert_int_equal(f.r.status, 404); /* an answer, not an error */
    call(&f, f.good, "/echo",
         (struct sh_http_call_opts){.method = "PUT", .body = sh_bytes_of("put", 3)});
    assert_str(sh_buf_str(&f.body), "put");
    call(&f, f.good, "/x", (struct sh_http_call_opts){.answer_max = 5});
    assert_int_equal(f.r.err, SH_E_LIMIT);
    finish(&f);
}

static void test_addresses_are_guarded(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, true); /* the default policy: loopback is refused */
    call(&f, f.good, "/echo", (struct sh_http_call_opts){0});
    assert_int_equal(f.r.err, SH_E_DENIED);
    assert_true(f.why[0] != '\0');
    finish(&f);
    begin(&f, false);
    call(&f, f.bad, "/echo", (struct sh_http_call_opts){0});
    assert_int_equal(f.r.err, SH_E_DENIED);
    call(&f, f.good, "/inside", (struct sh_http_call_opts){0}); /* not followed */
    assert_int_equal(f.r.status, 302);
    call(&f, f.good, "/inside", (struct sh_http_call_opts){.max_redirects = 3});
    assert_int_equal(f.r.err, SH_E_DENIED); /* again after a redirect */
    call(&f, f.good, "/loop", (struct sh_http_call_opts){.max_redirects = 3});
    assert_int_equal(f.r.err, SH_E_LIMIT);
    call(&f, f.good, "/file", (struct sh_http_call_opts){.max_redirects = 3});
    assert_int_equal(f.r.err, SH_E_PROTO);
    finish(&f);
}

static void test_refusals_cancel_and_limits(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "ftp://a/", "file:///etc/passwd", "/x"};
    struct fix f;
    begin(&f, false);
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        const struct sh_http_call_opts o = {.method = "GET", .url = sh_str_c(bad[i])};
        assert_int_equal(sh_http_client_call(f.c, &o, on_done, &f, NULL), SH_E_INVAL);
    }
    char url[80];
    const int n = snprintf(url, sizeof url, "http://127.0.0.1:%u/x", (unsigned)f.good);
    struct sh_http_call_opts o = {.method = "GET\r\nX", .url = sh_str_of(url, (size_t)n)};
    assert_int_equal(sh_http_client_call(f.c, &o, on_done, &f, NULL), SH_E_INVAL);
    const struct sh_http_field field = {SH_STR("X"), SH_STR("a\r\nb: c")};
    o.method = "GET";
    o.fields = &field;
    o.nfields = 1;
    assert_int_equal(sh_http_client_call(f.c, &o, on_done, &f, NULL), SH_E_INVAL);
    o.nfields = 0;
    struct sh_http_call *a = NULL;
    assert_ok(sh_http_client_call(f.c, &o, on_done, &f, &a));
    assert_ok(sh_http_client_call(f.c, &o, on_done, &f, NULL));
    assert_int_equal(sh_http_client_call(f.c, &o, on_done, &f, NULL), SH_E_LIMIT);
    (void)sh_loop_turn(f.l);
    sh_http_call_cancel(a);
    UNTIL(&f, f.done == 1);
    f.free_inside = true; /* the client may be freed in its callback, with another call open */
    f.done = 0;
    assert_ok(sh_http_client_call(f.c, &o, on_done, &f, NULL));
    assert_ok(sh_http_client_call(f.c, &o, on_done, &f, NULL));
    UNTIL(&f, f.done == 1);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_gives_the_answer),
        cmocka_unit_test(test_addresses_are_guarded),
        cmocka_unit_test(test_refusals_cancel_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
