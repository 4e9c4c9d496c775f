#include <sh/test.h>

#include <sh/fakenet.h>
#include <sh/gzip.h>
#include <sh/http.h>
#include <sh/ws.h>

#define SEC INT64_C(1000000)

/* Of /pull: the worker is the test, which runs `job` when it likes. */
struct puller {
    void (*job)(void *ctx);
    void *job_ctx;
    sh_err refuse; /* what run answers */
    int runs;
    int pieces; /* made so far */
    int total;
    int fail_at; /* 0 = never */
    int ended;
    sh_err end_err;
};

/* Of /take: the worker is the test, as with /pull. */
struct taker {
    struct puller work;
    struct sh_http_req *r;
    struct sh_buf got;
    sh_err refuse; /* what `piece` answers */
    int pieces;
};

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    struct sh_http_server *srv;
    struct sh_fakepeer *p;
    struct sh_stream *near_end;
    struct sh_http_req *held; /* of /hold and /stream */
    int requests;
    int gone;
    int drains;
    int stopped;
    struct sh_stream *ws;
    struct sh_buf ws_got;
    int ws_closed;
    sh_err ws_reason;
    struct puller pull;
    struct taker take;
};

/* ---- the application ---- */

static size_t ws_bytes(void *ctx, struct sh_bytes in)
{
    struct fix *f = ctx;
    assert_ok(sh_buf_put(&f->ws_got, in.p, in.n));
    return in.n;
}

static void ws_close(void *ctx, sh_err reason)
{
    struct fix *f = ctx;
    f->ws_closed++;
    f->ws_reason = reason;
    f->ws = NULL;
}

static const struct sh_stream_handler ws_handler = {.on_bytes = ws_bytes, .on_close = ws_close};

static void stream_drain(void *ctx, struct sh_http_req *r)
{
    struct fix *f = ctx;
    SH_UNUSED(r);
    f->drains++;
}

static void stream_gone(void *ctx, struct sh_http_req *r)
{
    struct fix *f = ctx;
    assert_true(sh_http_gone(r));
    f->gone++;
}

static const struct sh_http_stream_handler stream_handler = {.on_drain = stream_drain,
                                                             .on_gone = stream_gone};

static void serve_ws(struct fix *f, struct sh_http_req *r)
{
    const struct sh_ws_opts o = {.subprotocol = SH_STR("mqtt"), .message_max = 1000};
    struct sh_stream *s = NULL;
    if (sh_http_ws_accept(r, &o, &s) == SH_OK) {
        f->ws = s;
        sh_stream_start(s, &ws_handler, f);
    }
}

static sh_err pull_run(void *pool, void (*fn)(void *ctx), void *ctx)
{
    struct puller *u = pool;
    u->runs++;
    if (u->refuse == SH_OK) {
        assert_null(u->job); /* one call at a time */
        u->job = fn;
        u->job_ctx = ctx;
    }
    return u->refuse;
}

/* Piece k is 10,000 times the letter 'a' + k % 26. */
static sh_err pull_more(void *ctx, struct sh_buf *out, bool *last)
{
    struct puller *u = ctx;
    if (u->fail_at != 0 && u->pieces == u->fail_at) {
        return SH_E_IO;
    }
    for (int i = 0; i < 10000; i++) {
        SH_TRY(sh_buf_put_u8(out, (uint8_t)('a' + u->pieces % 26)));
    }
    u->pieces++;
    *last = u->pieces == u->total;
    return SH_OK;
}

static void pull_ended(void *ctx, sh_err err)
{
    struct puller *u = ctx;
    u->ended++;
    u->end_err = err;
}

static void serve_pull(struct fix *f, struct sh_http_req *r)
{
    bool last = false;
    sh_http_header_c(r, "Content-Type", "text/csv");
    assert_ok(pull_more(&f->pull, sh_http_body(r), &last));
    const struct sh_http_pull o = {.run = pull_run,
                                   .pool = &f->pull,
                                   .more = pull_more,
                                   .end = pull_ended,
                                   .ctx = &f->pull,
                                   .piece_max = 20000};
    sh_http_pull(r, &o);
}

static sh_err take_piece(void *ctx, struct sh_bytes data)
{
    struct taker *u = ctx;
    assert_true(data.n > 0 && data.n <= 10000);
    u->pieces++;
    SH_TRY(sh_buf_put(&u->got, data.p, data.n));
    return u->refuse;
}

static void take_ended(void *ctx, sh_err err)
{
    struct taker *u = ctx;
    u->work.ended++;
    u->work.end_err = err;
    sh_http_respond(u->r, err == SH_OK ? 201 : 422, "text/plain", sh_bytes_of("taken", 5));
}

static void serve_take(struct fix *f, struct sh_http_req *r)
{
    const struct sh_http_intake o = {.run = pull_run,
                                     .pool = &f->take.work,
                                     .piece = take_piece,
                                     .end = take_ended,
                                     .ctx = &f->take,
                                     .body_max = 50000,
                                     .piece_max = 10000};
    assert_int_equal(r->body.n, 0);
    f->take.r = r;
    if (sh_str_eqc(r->query, "no")) {
        sh_http_respond(r, 403, "text/plain", sh_bytes_of("no", 2));
    } else if (sh_http_intake(r, &o) != SH_OK) {
        sh_http_respond(r, 503, "text/plain", sh_bytes_of("no", 2));
    }
}

static void on_request(void *ctx, struct sh_http_req *r)
{
    struct fix *f = ctx;
    f->requests++;
    if (sh_str_eqc(r->path, "/echo")) {
        sh_http_respond(r, 200, "application/octet-stream", r->body);
    } else if (sh_str_eqc(r->path, "/json")) {
        for (int i = 0; i < 500; i++) {
            assert_ok(sh_buf_printf(sh_http_body(r), "{\"n\":%d},", i));
        }
        sh_http_header_c(r, "Content-Type", "application/json; charset=utf-8");
        sh_http_send(r);
    } else if (sh_str_eqc(r->path, "/hold")) {
        f->held = r;
    } else if (sh_str_eqc(r->path, "/stream")) {
        f->held = r;
        sh_http_header_c(r, "Content-Type", "text/event-stream");
        assert_ok(sh_http_stream_begin(r, &stream_handler, f));
    } else if (sh_str_eqc(r->path, "/pull")) {
        serve_pull(f, r);
    } else if (sh_str_eqc(r->path, "/take")) {
        serve_take(f, r);
    } else if (sh_str_eqc(r->path, "/sized")) {
        f->held = r;
        sh_http_length(r, 10);
        assert_ok(sh_http_stream_begin(r, &stream_handler, f));
    } else if (sh_str_eqc(r->path, "/badstream")) {
        sh_http_header_c(r, "X", "a\nb");
        assert_int_equal(sh_http_stream_begin(r, &stream_handler, f), SH_E_INVAL);
        sh_http_stream_end(r, false);
    } else if (sh_str_eqc(r->path, "/big")) {
        static uint8_t big[1000000];
        sh_http_body_const(r, sh_bytes_of(big, sizeof big));
        sh_http_send(r);
    } else if (sh_str_eqc(r->path, "/204")) {
        sh_http_respond(r, 204, NULL, (struct sh_bytes){0});
    } else if (sh_str_eqc(r->path, "/inject")) {
        sh_http_header_c(r, "X", "a\r\nSet-Cookie: b");
        sh_http_respond(r, 200, "text/plain", sh_bytes_of("x", 1));
    } else if (sh_http_is_websocket(r)) {
        serve_ws(f, r);
    } else {
        sh_http_respond(r, 404, "text/plain", sh_bytes_of("no", 2));
    }
}

static void on_headers(void *ctx, const struct sh_http_req *r, struct sh_http_plan *plan)
{
    SH_UNUSED(ctx);
    if (sh_str_eqc(r->path, "/forbidden")) {
        plan->refuse_status = 403;
    }
    plan->intake = sh_str_eqc(r->path, "/take");
    plan->body_max = sh_str_eqc(r->path, "/echo") ? 5000 : 10;
}

static void on_gone(void *ctx, struct sh_http_req *r)
{
    struct fix *f = ctx;
    assert_true(sh_http_gone(r));
    f->gone++;
}

static const struct sh_http_handler app = {
    .on_headers = on_headers, .on_request = on_request, .on_gone = on_gone};

/* ---- fixture ---- */

static void dial(struct fix *f, size_t chunk)
{
    const struct sh_fake_opts o = {.write_max = 65536, .chunk = chunk};
    sh_fakepeer_free(f->p);
    f->p = sh_fakepeer_new(f->l, &o, &f->near_end);
    assert_non_null(f->p);
    sh_http_server_take(f->srv, f->near_end);
}

static void begin_opts(struct fix *f, const struct sh_http_opts *o)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
    sh_buf_init(&f->ws_got, &f->t.alloc, 1 << 20);
    sh_buf_init(&f->take.got, &f->t.alloc, 1 << 20);
    assert_ok(sh_http_server_new(f->l, o, &app, f, &f->srv));
    dial(f, 0);
}

static void begin(struct fix *f)
{
    begin_opts(f, NULL);
}

static void stopped(void *ctx)
{
    struct fix *f = ctx;
    f->stopped++;
}

static void finish(struct fix *f)
{
    sh_fakepeer_free(f->p);
    sh_loop_settle(f->l, 1000);
    sh_http_server_stop(f->srv, 0, stopped, f);
    sh_test_advance(&f->t, SEC);
    sh_loop_settle(f->l, 1000);
    (void)sh_loop_turn(f->l);
    sh_loop_settle(f->l, 1000);
    assert_int_equal(f->stopped, 1);
    struct sh_http_stats st;
    sh_http_server_stats(f->srv, &st);
    assert_int_equal(st.conns, 0);
    assert_int_equal(st.in_flight, 0);
    assert_int_equal(st.buffered_bytes, 0);
    assert_int_equal(st.websockets, 0);
    sh_http_server_free(f->srv);
    sh_buf_fini(&f->ws_got);
    sh_buf_fini(&f->take.got);
    assert_int_equal(st.intakes, 0);
    sh_loop_free(f->l);
    sh_test_env_fini(&f->t);
}

static void say(struct fix *f, const char *text)
{
    sh_fakepeer_send_c(f->p, text);
    sh_loop_settle(f->l, 100000);
}

static struct sh_str heard(struct fix *f)
{
    return sh_bytes_str(sh_fakepeer_in(f->p));
}

static bool has(struct sh_str s, const char *what)
{
    const size_t n = strlen(what);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, what, n) == 0) {
            return true;
        }
    }
    return false;
}

static void forget(struct fix *f)
{
    sh_fakepeer_drop(f->p, heard(f).n);
}

static struct sh_http_stats stats(struct fix *f)
{
    struct sh_http_stats st;
    sh_http_server_stats(f->srv, &st);
    return st;
}

#define H " HTTP/1.1\r\nHost: a\r\n"

/* ---- tests ---- */

static void test_answer_is_exact(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "POST /echo" H "Content-Length: 5\r\n\r\nhello");
    assert_str(heard(&f),
               "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
               "Content-Length: 5\r\nContent-Type: application/octet-stream\r\n\r\nhello");
    forget(&f);
    say(&f, "GET /204" H "\r\n"); /* RFC 9110 8.6: no Content-Length with 204 */
    assert_false(has(heard(&f), "Content-Length"));
    assert_true(has(heard(&f), "HTTP/1.1 204 No Content"));
    finish(&f);
}

static void test_bytes_in_any_pieces_and_pipelined(void **state)
{
    (void)state;
    static const size_t chunks[] = {0, 1, 2, 3, 7, 50};
    for (size_t i = 0; i < SH_COUNT(chunks); i++) {
        struct fix f;
        begin(&f);
        dial(&f, chunks[i]);
        /* RFC 9112 9.3.2: answers in the order of the requests */
        say(&f, "POST /echo" H "Content-Length: 3\r\n\r\none"
                "GET /x" H "\r\n"
                "POST /echo" H
                "Transfer-Encoding: chunked\r\n\r\n2\r\ntw\r\n1;x\r\no\r\n0\r\nT: 1\r\n\r\n"
                "HEAD /json" H "\r\n"
                "POST /echo" H "Connection: close\r\nContent-Length: 5\r\n\r\nthree"
                "GET /never" H "\r\n");
        const struct sh_str s = heard(&f);
        assert_int_equal(f.requests, 5);
        assert_true(has(s, "\r\n\r\noneHTTP/1.1 404"));
        assert_true(has(s, "\r\n\r\nnoHTTP/1.1 200"));
        assert_true(has(s, "\r\n\r\ntwoHTTP/1.1 200"));
        assert_true(has(s, "charset=utf-8\r\n\r\nHTTP/1.1 200")); /* HEAD: no body */
        assert_true(sh_str_ends(s, SH_STR("three")));
        assert_true(sh_fakepeer_saw_eof(f.p));
        finish(&f);
    }
}

static void test_held_answer_keeps_order_and_reads_not_ahead(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /hold" H "\r\nGET /x" H "\r\n");
    assert_int_equal(f.requests, 1);
    assert_int_equal(heard(&f).n, 0);
    sh_http_respond(f.held, 200, NULL, sh_bytes_of("late", 4));
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.requests, 2);
    assert_true(has(heard(&f), "lateHTTP/1.1 404"));
    finish(&f);
}

static void test_refusals_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *status;
        bool closes;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400", true},
        {"\x16\x03\x01", "400", true},
        {"GET / HTTP/3.0\r\n\r\n", "505", true},
        {"POST /echo" H "Content-Length: 5001\r\n\r\n", "413", true},
        {"POST /x" H "Content-Length: 11\r\n\r\nhello", "413", true},
        {"POST /x" H "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n", "413", true},
        {"POST /x" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400", true},
        {"POST /x" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400", true},
        {"GET /forbidden" H "\r\n", "403", false},
        {"POST /forbidden" H "Content-Length: 5\r\n\r\n", "403", true},
        {"GET /badstream" H "\r\n", "500", false},
        {"GET /inject" H "\r\n", "500", false}, /* a value with CR LF never leaves */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix f;
        begin(&f);
        say(&f, rows[i].text);
        assert_true(sh_str_eqc(sh_str_sub(heard(&f), 9, 12), rows[i].status));
        assert_int_equal(sh_fakepeer_saw_eof(f.p), rows[i].closes);
        assert_int_equal(has(heard(&f), "Connection: close\r\n"), rows[i].closes);
        assert_false(has(heard(&f), "Set-Cookie"));
        finish(&f);
    }
    struct fix f;
    begin(&f);
    static char line[9000];
    memset(line, 'a', sizeof line - 1);
    static const char begin_of_line[] = {'G', 'E', 'T', ' ', '/'};
    memcpy(line, begin_of_line, sizeof begin_of_line);
    say(&f, line);
    assert_true(has(heard(&f), "HTTP/1.1 414 "));
    dial(&f, 0);
    sh_fakepeer_send_c(f.p, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 9 && !sh_fakepeer_saw_eof(f.p); i++) {
        sh_fakepeer_send_c(f.p, "X: ");
        memset(line, 'a', 5);
        sh_fakepeer_send(f.p, sh_bytes_of(line, 4000));
        sh_fakepeer_send_c(f.p, "\r\n");
        sh_loop_settle(f.l, 1000);
    }
    assert_true(has(heard(&f), "HTTP/1.1 431 "));
    finish(&f);
}

static void test_expect_continue(void **state)
{
    (void)state;
    struct fix f;
    begin(&f); /* RFC 9110 10.1.1 */
    say(&f, "POST /echo" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_str(heard(&f), "HTTP/1.1 100 Continue\r\n\r\n");
    forget(&f);
    say(&f, "hello");
    assert_true(sh_str_ends(heard(&f), SH_STR("hello")));
    forget(&f);
    say(&f, "POST /x" H "Expect: 100-continue\r\nContent-Length: 500\r\n\r\n");
    assert_true(sh_str_starts(heard(&f), SH_STR("HTTP/1.1 413 "))); /* no body is asked for */
    finish(&f);
}

static void test_gzip_when_asked(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /json" H "Accept-Encoding: gzip\r\n\r\n");
    const struct sh_str s = heard(&f);
    assert_true(has(s, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"));
    size_t at = 0;
    while (memcmp(s.p + at, "\r\n\r\n", 4) != 0) {
        at++;
    }
    struct sh_buf plain;
    sh_buf_init(&plain, &f.t.alloc, 100000);
    assert_ok(sh_gunzip(sh_bytes_of(s.p + at + 4, s.n - at - 4), &plain));
    assert_true(sh_str_starts(sh_buf_str(&plain), SH_STR("{\"n\":0},{\"n\":1}")));
    sh_buf_fini(&plain);
    forget(&f);
    say(&f, "GET /json" H "\r\n");
    assert_false(has(heard(&f), "Content-Encoding"));
    forget(&f);
    say(&f, "POST /echo" H "Accept-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"); /* small */
    assert_false(has(heard(&f), "Content-Encoding"));
    finish(&f);
}

static void test_big_answer_goes_out_as_the_queue_drains(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    sh_fakepeer_block(f.p, true);
    say(&f, "GET /big" H "\r\n");
    assert_true(sh_stream_queued(f.near_end) <= 65536);
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 100000);
    assert_true(heard(&f).n > 1000000);
    forget(&f);
    say(&f, "GET /x" H "\r\n"); /* the connection goes on */
    assert_true(has(heard(&f), "HTTP/1.1 404"));
    finish(&f);
}

static void test_timeouts(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    (void)sh_loop_turn(f.l);
    sh_test_advance(&f.t, 11 * SEC); /* says nothing at all */
    sh_loop_settle(f.l, 100);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 100);
    assert_true(sh_fakepeer_saw_eof(f.p));
    assert_int_equal(heard(&f).n, 0);

    dial(&f, 0); /* slow loris: a byte now and then does not help */
    sh_fakepeer_send_c(f.p, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 12 && !sh_fakepeer_saw_eof(f.p); i++) {
        sh_fakepeer_send_c(f.p, "X");
        sh_loop_settle(f.l, 100);
        sh_test_advance(&f.t, SEC);
        (void)sh_loop_turn(f.l);
        sh_loop_settle(f.l, 100);
    }
    assert_true(has(heard(&f), "HTTP/1.1 408 "));

    dial(&f, 0); /* a body that drips */
    say(&f, "POST /echo" H "Content-Length: 5000\r\n\r\nabc");
    sh_test_advance(&f.t, 21 * SEC);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 100);
    assert_true(has(heard(&f), "HTTP/1.1 408 "));

    dial(&f, 0); /* idle after an answer: closed without words */
    say(&f, "GET /x" H "\r\n");
    forget(&f);
    sh_test_advance(&f.t, 70 * SEC);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 100);
    assert_false(sh_fakepeer_saw_eof(f.p));
    sh_test_advance(&f.t, 6 * SEC);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 100);
    assert_true(sh_fakepeer_saw_eof(f.p));
    assert_int_equal(heard(&f).n, 0);

    dial(&f, 0); /* does not read its answer */
    sh_fakepeer_block(f.p, true);
    say(&f, "GET /big" H "\r\n");
    for (int i = 0; i < 3; i++) {
        sh_test_advance(&f.t, 31 * SEC);
        (void)sh_loop_turn(f.l);
        sh_loop_settle(f.l, 100);
    }
    assert_int_equal(stats(&f).conns, 0);
    assert_int_equal(stats(&f).timeouts, 3);
    finish(&f);
}

static void test_client_gone_while_held(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /hold" H "\r\n");
    sh_fakepeer_reset(f.p);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.gone, 1);
    assert_true(sh_http_gone(f.held));
    assert_str(f.held->path, "/hold"); /* still readable */
    assert_int_equal(stats(&f).in_flight, 1);
    sh_http_respond(f.held, 200, NULL, sh_bytes_of("x", 1));
    assert_int_equal(stats(&f).in_flight, 0);

    dial(&f, 0); /* a half-close is not gone: the answer still leaves */
    say(&f, "GET /hold" H "\r\n");
    sh_fakepeer_eof(f.p);
    sh_loop_settle(f.l, 100);
    sh_http_respond(f.held, 200, NULL, sh_bytes_of("x", 1));
    sh_loop_settle(f.l, 100);
    assert_true(has(heard(&f), "HTTP/1.1 200"));
    assert_int_equal(f.gone, 1);
    finish(&f);
}

static void test_streamed_answer(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /stream" H "\r\n");
    assert_true(has(heard(&f), "Transfer-Encoding: chunked\r\nContent-Type: text/event-stream"));
    forget(&f);
    assert_ok(sh_http_stream_write(f.held, sh_bytes_of("data: 1\n\n", 9)));
    sh_loop_settle(f.l, 100);
    assert_str(heard(&f), "9\r\ndata: 1\n\n\r\n");
    forget(&f);
    sh_fakepeer_block(f.p, true);
    static uint8_t block[8000];
    size_t given = 0;
    while (sh_http_stream_write(f.held, sh_bytes_of(block, sizeof block)) == SH_OK) {
        given += sizeof block;
        sh_loop_settle(f.l, 100);
    }
    assert_true(given < 200000); /* queue and wire */
    const int drains = f.drains;
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 1000);
    assert_int_not_equal(f.drains, drains);
    assert_true(heard(&f).n > given);
    forget(&f);
    sh_http_stream_end(f.held, true);
    say(&f, "GET /x" H "\r\n");
    assert_true(sh_str_starts(heard(&f), SH_STR("0\r\n\r\nHTTP/1.1 404"))); /* goes on */

    dial(&f, 0); /* cut off: the end is not marked, the connection closes */
    say(&f, "GET /stream" H "\r\n");
    sh_http_stream_end(f.held, false);
    sh_loop_settle(f.l, 100);
    assert_false(sh_str_ends(heard(&f), SH_STR("0\r\n\r\n")));
    assert_true(sh_fakepeer_saw_eof(f.p));

    dial(&f, 0); /* the reader leaves */
    say(&f, "GET /stream" H "\r\n");
    sh_fakepeer_eof(f.p);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.gone, 1);
    assert_int_equal(sh_http_stream_write(f.held, sh_bytes_of("x", 1)), SH_E_CLOSED);
    sh_http_stream_end(f.held, true);

    dial(&f, 0); /* HTTP/1.0 has no chunks: until close */
    say(&f, "GET /stream HTTP/1.0\r\n\r\n");
    assert_ok(sh_http_stream_write(f.held, sh_bytes_of("abc", 3)));
    sh_http_stream_end(f.held, true);
    sh_loop_settle(f.l, 100);
    assert_true(sh_str_ends(heard(&f), SH_STR("\r\n\r\nabc")));
    assert_true(sh_fakepeer_saw_eof(f.p));
    finish(&f);
}

/* Runs the worker's job, if there is one. */
static bool work(struct fix *f)
{
    void (*job)(void *) = f->pull.job;
    f->pull.job = NULL;
    if (job != NULL) {
        job(f->pull.job_ctx);
    }
    sh_loop_settle(f->l, 1000);
    return job != NULL;
}

/* The payload of a chunked answer, appended to out; false when its end is not marked. */
static bool unchunk(struct fix *f, struct sh_buf *out)
{
    struct sh_chunked ch;
    struct sh_str in = heard(f);
    size_t at = 0;
    while (!sh_str_starts(sh_str_sub(in, at, in.n), SH_STR("\r\n\r\n"))) {
        at++;
    }
    at += 4;
    sh_chunked_init(&ch);
    sh_err e = SH_E_AGAIN;
    while (e == SH_E_AGAIN && at < in.n) {
        size_t used = 0;
        struct sh_bytes data = {0};
        e = sh_chunked_feed(&ch, sh_str_bytes(sh_str_sub(in, at, in.n)), &used, &data);
        assert_ok(sh_buf_put(out, data.p, data.n));
        at += used;
    }
    return e == SH_OK;
}

static void check_letters(struct sh_bytes b, int pieces)
{
    assert_int_equal(b.n, (size_t)pieces * 10000);
    for (size_t i = 0; i < b.n; i++) {
        assert_int_equal(b.p[i], 'a' + i / 10000 % 26);
    }
}

static void test_pulled_answer_is_whole_and_bounded(void **state)
{
    (void)state;
    struct fix f;
    struct sh_buf got;
    begin(&f);
    sh_buf_init(&got, &f.t.alloc, 4 << 20);
    f.pull.total = 100;
    say(&f, "GET /pull" H "\r\n");
    assert_true(has(heard(&f), "Transfer-Encoding: chunked\r\nContent-Type: text/csv"));
    assert_int_equal(stats(&f).pulls, 1);
    sh_fakepeer_block(f.p, true); /* a client that does not read */
    while (work(&f)) {
    }
    assert_true(f.pull.pieces < 20); /* queue and wire, not the whole */
    assert_true(sh_stream_queued(f.near_end) <= 65536);
    assert_true(stats(&f).buffered_bytes < 100000);
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 1000);
    while (work(&f)) {
    }
    assert_true(unchunk(&f, &got));
    check_letters(sh_buf_bytes(&got), 100);
    assert_int_equal(f.pull.ended, 1);
    assert_int_equal(f.pull.end_err, SH_OK);
    assert_int_equal(stats(&f).pulls, 0);
    assert_int_equal(stats(&f).pulls_cut, 0);
    forget(&f);
    say(&f, "GET /x" H "\r\n"); /* the connection goes on */
    assert_true(sh_str_starts(heard(&f), SH_STR("HTTP/1.1 404")));
    sh_buf_fini(&got);
    finish(&f);
}

static void test_pulled_answer_compressed(void **state)
{
    (void)state;
    struct fix f;
    struct sh_buf got;
    struct sh_buf plain;
    begin(&f);
    sh_buf_init(&got, &f.t.alloc, 4 << 20);
    sh_buf_init(&plain, &f.t.alloc, 4 << 20);
    f.pull.total = 50;
    say(&f, "GET /pull" H "Accept-Encoding: gzip\r\n\r\n");
    while (work(&f)) {
    }
    assert_true(has(heard(&f), "Content-Encoding: gzip\r\nVary: Accept-Encoding"));
    assert_true(unchunk(&f, &got));
    assert_true(got.n < 10000);
    assert_ok(sh_gunzip(sh_buf_bytes(&got), &plain));
    check_letters(sh_buf_bytes(&plain), 50);
    assert_int_equal(stats(&f).gzip_in, 500000);
    sh_buf_fini(&got);
    sh_buf_fini(&plain);
    finish(&f);
}

static void test_pulled_answer_that_fails_is_cut_off(void **state)
{
    (void)state;
    struct fix f;
    struct sh_buf got;
    begin(&f);
    sh_buf_init(&got, &f.t.alloc, 4 << 20);
    f.pull.total = 10;
    f.pull.fail_at = 3;
    say(&f, "GET /pull" H "\r\n");
    while (work(&f)) {
    }
    assert_false(unchunk(&f, &got)); /* the client sees that it is not whole */
    check_letters(sh_buf_bytes(&got), 3);
    assert_true(sh_fakepeer_saw_eof(f.p));
    assert_int_equal(f.pull.ended, 1);
    assert_int_equal(f.pull.end_err, SH_E_IO);
    assert_int_equal(stats(&f).pulls_cut, 1);
    sh_buf_fini(&got);
    finish(&f);
}

static void test_pulled_answer_ends_when_the_client_goes(void **state)
{
    (void)state;
    for (int making = 0; making < 2; making++) {
        struct fix f;
        begin(&f);
        f.pull.total = 1000;
        say(&f, "GET /pull" H "\r\n");
        if (making == 0) { /* waits for the client */
            sh_fakepeer_block(f.p, true);
            while (work(&f)) {
            }
        }
        const int pieces = f.pull.pieces;
        sh_fakepeer_reset(f.p);
        sh_loop_settle(f.l, 1000);
        assert_int_equal(f.pull.ended, making == 0 ? 1 : 0);
        while (work(&f)) {
        }
        assert_int_equal(f.pull.pieces, pieces); /* nothing more was made */
        assert_int_equal(f.pull.ended, 1);
        assert_int_equal(f.pull.end_err, SH_E_CLOSED);
        assert_int_equal(stats(&f).pulls, 0);
        finish(&f);
    }
}

static void test_pulled_answer_waits_for_a_worker(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    f.pull.total = 3;
    f.pull.refuse = SH_E_LIMIT;
    say(&f, "GET /pull" H "\r\n");
    assert_int_equal(f.pull.runs, 1);
    assert_false(work(&f));
    f.pull.refuse = SH_OK;
    sh_test_advance(&f.t, SEC);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 1000);
    while (work(&f)) {
    }
    assert_int_equal(f.pull.end_err, SH_OK);
    assert_int_equal(f.pull.pieces, 3);

    f.pull = (struct puller){.total = 3, .refuse = SH_E_STATE}; /* the workers have stopped */
    say(&f, "GET /pull" H "\r\n");
    assert_int_equal(f.pull.ended, 1);
    assert_int_equal(f.pull.end_err, SH_E_STATE);
    assert_true(sh_fakepeer_saw_eof(f.p));
    finish(&f);
}

static void test_pulled_answer_is_refused_beyond_the_memory(void **state)
{
    (void)state;
    struct fix f;
    const struct sh_http_opts o = {.buffered_max = 30000};
    begin_opts(&f, &o);
    f.pull.total = 3;
    say(&f, "GET /pull" H "\r\n");
    assert_true(has(heard(&f), "HTTP/1.1 503"));
    assert_int_equal(f.pull.ended, 1);
    assert_int_equal(f.pull.end_err, SH_E_LIMIT);
    finish(&f);
}

#define UPGRADE                                                                                    \
    "GET /mqtt" H "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"     \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define MASK "\x01\x02\x03\x04"

/* ---- bodies taken piece by piece ---- */

/* Does what the server gave to a worker; false: nothing. */
static bool take_work(struct fix *f)
{
    void (*job)(void *ctx) = f->take.work.job;
    if (job == NULL) {
        return false;
    }
    f->take.work.job = NULL;
    job(f->take.work.job_ctx);
    sh_loop_settle(f->l, 100000);
    return true;
}

static void say_letters(struct fix *f, size_t n, size_t at)
{
    char part[100]; /* n is a multiple of it */
    for (size_t k = 0; k < n; k += sizeof part) {
        for (size_t i = 0; i < sizeof part; i++, at++) {
            part[i] = (char)('a' + at % 26);
        }
        sh_fakepeer_send(f->p, sh_bytes_of(part, sizeof part));
        sh_loop_settle(f->l, 100000);
    }
}

static void check_taken(struct fix *f, size_t n)
{
    assert_int_equal(f->take.got.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(f->take.got.p[i], 'a' + i % 26);
    }
}

static void test_taken_body_is_whole_and_bounded(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "POST /take" H "Content-Length: 45000\r\n\r\n");
    assert_int_equal(stats(&f).intakes, 1);
    assert_int_equal(stats(&f).buffered_bytes >= 20000, 1);
    say_letters(&f, 44000, 0); /* the worker has not come yet: two pieces are kept, no more */
    assert_int_equal(f.take.work.runs, 1);
    assert_true(stats(&f).body_bytes_in <= 20000);
    while (take_work(&f)) {
    }
    say_letters(&f, 1000, 44000);
    say(&f, "GET /204" H "\r\n"); /* pipelined: waits for the answer */
    while (take_work(&f)) {
    }
    check_taken(&f, 45000);
    assert_true(f.take.pieces >= 5);
    assert_int_equal(f.take.work.ended, 1);
    assert_ok(f.take.work.end_err);
    assert_true(has(heard(&f), "HTTP/1.1 201 Created"));
    assert_true(has(heard(&f), "HTTP/1.1 204 No Content"));
    assert_false(has(heard(&f), "Connection: close"));
    assert_int_equal(stats(&f).body_bytes_in, 45000);
    finish(&f);
}

static void test_taken_body_in_chunks(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "POST /take" H "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_true(has(heard(&f), "HTTP/1.1 100 Continue\r\n\r\n"));
    for (size_t i = 0; i < 26; i++) {
        say(&f, "3e8;x=y\r\n");
        say_letters(&f, 1000, i * 1000);
        say(&f, "\r\n");
        (void)take_work(&f);
    }
    say(&f, "0\r\nTrailer: x\r\n\r\n");
    while (take_work(&f)) {
    }
    check_taken(&f, 26000);
    assert_ok(f.take.work.end_err);
    forget(&f);
    say(&f, "POST /take" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nxyz\r\n");
    while (take_work(&f)) {
    }
    assert_int_equal(f.take.work.end_err, SH_E_PROTO);
    assert_true(has(heard(&f), "Connection: close"));
    finish(&f);
}

static void test_taken_body_without_bytes(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "POST /take" H "Content-Length: 0\r\n\r\n");
    assert_true(take_work(&f));
    assert_int_equal(f.take.pieces, 0);
    assert_ok(f.take.work.end_err);
    assert_true(has(heard(&f), "201"));
    finish(&f);
}

/* Why a body ends before it is whole: each is told once, and the connection ends with the answer.
 */
static void test_taken_body_that_fails(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t bytes;
        sh_err refuse;
        sh_err run;
        bool slow;
        bool leave;
        sh_err expect;
    } rows[] = {
        {"Content-Length: 60000\r\n", 55000, SH_OK, SH_OK, false, false, SH_E_LIMIT},
        {"Content-Length: 30000\r\n", 20000, SH_E_FULL, SH_OK, false, false, SH_E_FULL},
        {"Content-Length: 30000\r\n", 100, SH_OK, SH_OK, true, false, SH_E_TIMEOUT},
        {"Content-Length: 30000\r\n", 20000, SH_OK, SH_OK, false, true, SH_E_CLOSED},
        {"Content-Length: 30000\r\n", 20000, SH_OK, SH_E_STATE, false, false, SH_E_CANCELED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;
        begin(&f);
        f.take.refuse = rows[i].refuse;
        f.take.work.refuse = rows[i].run;
        sh_fakepeer_send_c(f.p, "POST /take" H);
        sh_fakepeer_send_c(f.p, rows[i].head);
        say(&f, "\r\n");
        for (size_t n = 0; n < rows[i].bytes && !sh_fakepeer_saw_eof(f.p); n += 100) {
            say_letters(&f, 100, n);
            (void)take_work(&f);
        }
        if (rows[i].slow) {
            sh_test_advance(&f.t, 21 * SEC); /* some came in that time */
            sh_loop_settle(f.l, 1000);
            sh_test_advance(&f.t, 21 * SEC);
            sh_loop_settle(f.l, 1000);
        }
        if (rows[i].leave) {
            sh_fakepeer_reset(f.p);
            sh_loop_settle(f.l, 1000);
        }
        while (take_work(&f)) {
        }
        assert_int_equal(f.take.work.ended, 1);
        assert_int_equal(f.take.work.end_err, rows[i].expect);
        assert_int_equal(stats(&f).intakes_cut, 1);
        if (!rows[i].leave) {
            assert_true(has(heard(&f), "HTTP/1.1 422"));
            assert_true(has(heard(&f), "Connection: close"));
        }
        finish(&f);
    }
}

static void test_taken_body_waits_for_a_worker(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    f.take.work.refuse = SH_E_LIMIT;
    say(&f, "POST /take" H "Content-Length: 9\r\n\r\nabcdefghi");
    assert_int_equal(f.take.work.ended, 0);
    f.take.work.refuse = SH_OK;
    for (int i = 0; i < 3; i++) {
        sh_test_advance(&f.t, SEC / 10);
        sh_loop_settle(f.l, 1000);
        (void)take_work(&f);
    }
    check_taken(&f, 9);
    assert_true(has(heard(&f), "201"));
    finish(&f);
}

static void test_body_that_nobody_takes_ends_the_connection(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "POST /take?no" H "Content-Length: 30000\r\nExpect: 100-continue\r\n\r\n");
    assert_true(has(heard(&f), "HTTP/1.1 403"));
    assert_false(has(heard(&f), "100 Continue"));
    assert_true(has(heard(&f), "Connection: close"));
    finish(&f);
}

static void test_sized_answer(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /sized" H "\r\n");
    assert_ok(sh_http_stream_write(f.held, sh_bytes_of("01234", 5)));
    assert_int_equal(sh_http_stream_write(f.held, sh_bytes_of("012345", 6)), SH_E_INTERNAL);
    assert_ok(sh_http_stream_write(f.held, sh_bytes_of("56789", 5)));
    sh_http_stream_end(f.held, true);
    sh_loop_settle(f.l, 1000);
    assert_true(has(heard(&f), "Content-Length: 10\r\n"));
    assert_true(has(heard(&f), "\r\n\r\n0123456789"));
    assert_false(has(heard(&f), "chunked"));
    forget(&f);
    say(&f, "GET /204" H "\r\n"); /* the connection goes on */
    assert_true(has(heard(&f), "204"));
    say(&f, "GET /sized" H "\r\n");
    assert_ok(sh_http_stream_write(f.held, sh_bytes_of("01234", 5)));
    sh_http_stream_end(f.held, true); /* five are missing */
    sh_loop_settle(f.l, 1000);
    assert_int_equal(stats(&f).conns, 0);
    finish(&f);
}

static void say_bytes(struct fix *f, const char *p, size_t n)
{
    sh_fakepeer_send(f->p, sh_bytes_of(p, n));
    sh_loop_settle(f->l, 100000);
}

static void test_websocket_carries_bytes(void **state)
{
    (void)state;
    static const size_t chunks[] = {0, 1, 3};
    for (size_t i = 0; i < SH_COUNT(chunks); i++) {
        struct fix f;
        begin(&f);
        dial(&f, chunks[i]);
        /* the first frame comes together with the request */
        static const char first[] =
            UPGRADE "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\r\n\x82\x82" MASK "\x49\x6b";
        say_bytes(&f, first, sizeof first - 1);
        assert_true(has(heard(&f), "HTTP/1.1 101 "));
        assert_true(has(heard(&f), "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                   "Sec-WebSocket-Protocol: mqtt\r\n\r\n"));
        assert_str(sh_buf_str(&f.ws_got), "Hi");
        forget(&f);
        static const char more[] = "\x02\x82" MASK "\x49\x6b\x89\x81" MASK "x\x80\x80" MASK;
        say_bytes(&f, more, sizeof more - 1);
        assert_str(sh_buf_str(&f.ws_got), "HiHi");
        assert_str(heard(&f), "\x8a\x01y"); /* pong */
        forget(&f);
        const struct sh_bytes parts[] = {sh_bytes_of("ab", 2), sh_bytes_of("c", 1)};
        assert_ok(sh_stream_writev(f.ws, parts, 2));
        sh_loop_settle(f.l, 100);
        assert_str(heard(&f), "\x82\x03"
                              "abc");
        forget(&f);
        say_bytes(&f, "\x88\x82" MASK "\x02\xea", 8);
        assert_int_equal(f.ws_closed, 1);
        assert_int_equal(f.ws_reason, SH_E_CLOSED);
        assert_str(heard(&f), "\x88\x02\x03\xe8");
        finish(&f);
    }
}

static void test_websocket_back_pressure_and_close(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    forget(&f);
    sh_stream_pause(f.ws); /* frames wait in the inner stream */
    say_bytes(&f, "\x82\x82" MASK "\x49\x6b", 8);
    assert_int_equal(f.ws_got.n, 0);
    sh_stream_resume(f.ws);
    sh_loop_settle(f.l, 100);
    assert_str(sh_buf_str(&f.ws_got), "Hi");
    assert_false(sh_stream_secure(f.ws));
    struct sh_peer_cert cert;
    assert_int_equal(sh_stream_peer_cert(f.ws, &cert), SH_E_NOTFOUND);
    assert_int_equal(sh_stream_peer(f.ws).family, 0);
    assert_int_equal(sh_stream_local(f.ws).family, 0);
    sh_fakepeer_block(f.p, true);
    static uint8_t block[10000];
    size_t given = 0;
    while (sh_stream_write(f.ws, sh_bytes_of(block, sizeof block)) == SH_OK) {
        given += sizeof block;
        sh_loop_settle(f.l, 100);
    }
    assert_true(given < 200000);
    assert_true(sh_stream_queued(f.ws) > 0);
    assert_true(sh_stream_queued(f.ws) <= sh_stream_write_max(f.ws) + SH_WS_HEAD_MAX);
    sh_fakepeer_block(f.p, false);
    sh_loop_settle(f.l, 1000);
    assert_int_equal(sh_stream_queued(f.ws), 0);
    forget(&f);
    sh_stream_end(f.ws); /* 1000 */
    sh_loop_settle(f.l, 100);
    assert_str(heard(&f), "\x88\x02\x03\xe8");
    assert_int_equal(f.ws_closed, 1);
    assert_int_equal(f.ws_reason, SH_OK);
    dial(&f, 0);
    say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    sh_stream_close(f.ws, SH_E_DENIED);
    assert_int_equal(sh_stream_write(f.ws, sh_bytes_of("x", 1)), SH_E_CLOSED);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.ws_reason, SH_E_DENIED);
    dial(&f, 0); /* the peer is lost */
    say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    sh_fakepeer_reset(f.p);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.ws_reason, SH_E_IO);
    finish(&f);
}

static void test_websocket_ends(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *close; /* close frame we send */
        sh_err reason;
    } rows[] = {
        {"\x82\x02Hi", 4, "\x88\x02\x03\xea", SH_E_PROTO},               /* not masked: 1002 */
        {"\x81\x82" MASK "\x49\x6b", 8, "\x88\x02\x03\xeb", SH_E_PROTO}, /* text: 1003 */
        {"\x82\xfe\x03\xe9" MASK, 8, "\x88\x02\x03\xf1", SH_E_LIMIT},    /* 1001 bytes: 1009 */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix f;
        begin(&f);
        say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
        forget(&f);
        say_bytes(&f, rows[i].in, rows[i].n);
        assert_int_equal(f.ws_closed, 1);
        assert_int_equal(f.ws_reason, rows[i].reason);
        assert_int_equal(heard(&f).n, 4);
        assert_memory_equal(heard(&f).p, rows[i].close, 4);
        finish(&f);
    }
    struct fix f;
    begin(&f); /* silence: two pings, then the end */
    say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    forget(&f);
    for (int i = 0; i < 5 && f.ws_closed == 0; i++) {
        sh_test_advance(&f.t, 30 * SEC);
        (void)sh_loop_turn(f.l);
        sh_loop_settle(f.l, 100);
    }
    assert_int_equal(f.ws_reason, SH_E_TIMEOUT);
    assert_memory_equal(heard(&f).p, "\x89\x00\x89\x00\x88", 5);

    dial(&f, 0); /* refusals */
    say(&f, UPGRADE "\r\n");
    assert_true(has(heard(&f), "HTTP/1.1 400 ")); /* subprotocol not offered */
    forget(&f);
    say(&f, "GET /mqtt" H "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n");
    assert_true(has(heard(&f), "HTTP/1.1 426 "));
    assert_true(has(heard(&f), "Sec-WebSocket-Version: 13\r\n"));

    dial(&f, 0); /* open when the server stops: closed after the grace */
    say(&f, UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    assert_non_null(f.ws);
    f.ws_closed = 0;
    sh_http_server_stop(f.srv, 5 * SEC, stopped, &f);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.ws_closed, 0);
    sh_test_advance(&f.t, 6 * SEC);
    (void)sh_loop_turn(f.l);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.ws_closed, 1);
    assert_int_equal(f.ws_reason, SH_E_CANCELED);
    finish(&f);
}

static void test_limits(void **state)
{
    (void)state;
    const struct sh_http_opts o = {.conns_max = 1, .buffered_max = 600, .requests_per_conn = 2};
    struct fix f;
    begin_opts(&f, &o);
    struct sh_stream *s = NULL;
    struct sh_fakepeer *p = sh_fakepeer_new(f.l, NULL, &s);
    sh_http_server_take(f.srv, s);
    sh_loop_settle(f.l, 100);
    assert_true(has(sh_bytes_str(sh_fakepeer_in(p)), "HTTP/1.1 503 "));
    assert_true(sh_fakepeer_saw_eof(p));
    sh_fakepeer_free(p);
    assert_int_equal(stats(&f).conns_refused, 1);
    say(&f, "GET /x" H "\r\n");
    assert_false(sh_fakepeer_saw_eof(f.p));
    say(&f, "GET /x" H "\r\n");
    assert_true(sh_fakepeer_saw_eof(f.p)); /* the second and last of this connection */
    sh_loop_settle(f.l, 100);
    dial(&f, 0);
    sh_fakepeer_send_c(f.p, "POST /echo" H "Content-Length: 1000\r\n\r\n");
    static char body[1000];
    sh_fakepeer_send(f.p, sh_bytes_of(body, sizeof body));
    sh_loop_settle(f.l, 100);
    assert_true(has(heard(&f), "HTTP/1.1 503 ")); /* buffered_max */
    finish(&f);
}

static void test_stop_lets_the_answer_out(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    say(&f, "GET /hold" H "\r\n");
    sh_http_server_stop(f.srv, 5 * SEC, stopped, &f);
    sh_loop_settle(f.l, 100);
    assert_int_equal(f.stopped, 0);
    sh_http_respond(f.held, 200, NULL, sh_bytes_of("x", 1));
    sh_loop_settle(f.l, 100);
    assert_true(has(heard(&f), "Connection: close"));
    assert_int_equal(f.stopped, 1);
    finish(&f);
}

/* Each allocation of the server fails in turn while one request is served: nothing may leak or
 * crash, and the server can always be stopped. */
static void test_out_of_memory_never_leaks(void **state)
{
    (void)state;
    struct sh_test_env t;
    for (long n = 0; n < 200; n++) {
        sh_test_env_init(&t, NULL);
        struct sh_test_env *te = &t;
        te->fail_after = n;
        static struct fix f;
        f = (struct fix){0};
        const sh_err e = sh_loop_new(&te->env, NULL, &f.l);
        if (e == SH_OK) {
            struct sh_stream *s = NULL;
            struct sh_fakepeer *p = NULL;
            if (sh_http_server_new(f.l, NULL, &app, &f, &f.srv) == SH_OK) {
                te->fail_after = -1;
                p = sh_fakepeer_new(f.l, NULL, &s);
                te->fail_after = n;
                sh_http_server_take(f.srv, s);
                te->fail_after = -1;
                sh_fakepeer_send_c(p, "POST /echo" H "Content-Length: 5\r\n\r\nhello");
                te->fail_after = n;
                (void)sh_loop_turn(f.l);
                (void)sh_loop_turn(f.l);
                te->fail_after = -1;
                sh_loop_settle(f.l, 1000);
                sh_fakepeer_free(p);
                sh_loop_settle(f.l, 1000);
                sh_http_server_stop(f.srv, 0, NULL, NULL);
                sh_loop_settle(f.l, 1000);
                sh_http_server_free(f.srv);
            }
            te->fail_after = -1;
            sh_loop_free(f.l);
        }
        te->fail_after = -1;
        sh_test_env_fini(te);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_is_exact),
        cmocka_unit_test(test_bytes_in_any_pieces_and_pipelined),
        cmocka_unit_test(test_held_answer_keeps_order_and_reads_not_ahead),
        cmocka_unit_test(test_refusals_rows),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_gzip_when_asked),
        cmocka_unit_test(test_big_answer_goes_out_as_the_queue_drains),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_client_gone_while_held),
        cmocka_unit_test(test_streamed_answer),
        cmocka_unit_test(test_pulled_answer_is_whole_and_bounded),
        cmocka_unit_test(test_pulled_answer_compressed),
        cmocka_unit_test(test_pulled_answer_that_fails_is_cut_off),
        cmocka_unit_test(test_pulled_answer_ends_when_the_client_goes),
        cmocka_unit_test(test_pulled_answer_waits_for_a_worker),
        cmocka_unit_test(test_pulled_answer_is_refused_beyond_the_memory),
        cmocka_unit_test(test_taken_body_is_whole_and_bounded),
        cmocka_unit_test(test_taken_body_in_chunks),
        cmocka_unit_test(test_taken_body_without_bytes),
        cmocka_unit_test(test_taken_body_that_fails),
        cmocka_unit_test(test_taken_body_waits_for_a_worker),
        cmocka_unit_test(test_body_that_nobody_takes_ends_the_connection),
        cmocka_unit_test(test_sized_answer),
        cmocka_unit_test(test_websocket_carries_bytes),
        cmocka_unit_test(test_websocket_back_pressure_and_close),
        cmocka_unit_test(test_websocket_ends),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_stop_lets_the_answer_out),
        cmocka_unit_test(test_out_of_memory_never_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
