#include <sh/test.h>

#include <sh/http1.h>

static const struct sh_http_limits no_limits = {0};

/* Finds and parses; returns the status of the refusal, 0 when it is good, -1 when incomplete. */
static int parse(const char *text, size_t n, const struct sh_http_limits *lim,
                 struct sh_http_field *fields, size_t cap, struct sh_http_head *h)
{
    size_t start = 0;
    size_t scanned = 0;
    int status = 0;
    const struct sh_bytes in = sh_bytes_of(text, n);
    sh_err e = sh_http_head_find(in, lim, &start, &scanned, &status);
    if (e == SH_E_AGAIN) {
        return -1;
    }
    if (e == SH_OK) {
        const struct sh_bytes head = {in.p + start, scanned - start};
        e = sh_http_head_parse(head, lim, fields, cap, h, &status);
        if (e == SH_OK) {
            assert_int_equal(sh_http_head_lines(head), h->nfields);
        }
    }
    return e == SH_OK ? 0 : status;
}

#define H "Host: a\r\n"
#define G "GET / HTTP/1.1\r\n" H
#define P "POST / HTTP/1.1\r\n" H

static void test_head_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status; /* 0 = good */
    } rows[] = {
        {G "\r\n", 0},
        {"\r\n\r\n" G "\r\n", 0},                      /* 9112 2.2: empty lines first */
        {"\n" G "\r\n", 400},                          /* bare LF */
        {"GET / HTTP/1.1\n" H "\r\n", 400},            /* 2.2: bare LF (strict) */
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},      /* the same in a field */
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400}, /* 2.2: bare CR */
        {" GET / HTTP/1.1\r\n" H "\r\n", 400},
        {"\x16\x03\x01", 400},                 /* a TLS hello: refused at its first byte */
        {"GET  / HTTP/1.1\r\n" H "\r\n", 400}, /* 3: single space */
        {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
        {"GET /\r\n\r\n", 400},               /* HTTP/0.9 */
        {"GET / http/1.1\r\n" H "\r\n", 400}, /* 2.3: case-sensitive */
        {"GET / HTTP/2.0\r\n" H "\r\n", 505},
        {"GET / HTTP/1.10\r\n" H "\r\n", 400},
        {"GET / HTTP/1.2\r\n" H "\r\n", 0}, /* 9110 6.2 */
        {"G@T / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /a b HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /\x80 HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
        {"GET a HTTP/1.1\r\n" H "\r\n", 400},
        {"GET * HTTP/1.1\r\n" H "\r\n", 400}, /* 3.2.4: asterisk is for OPTIONS */
        {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 0},
        {"CONNECT a:1 HTTP/1.1\r\n" H "\r\n", 501},
        {"GET http:// HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http://b/x HTTP/1.1\r\n" H "\r\n", 0}, /* 3.2.2: must be accepted */
        {"GET / HTTP/1.1\r\n\r\n", 400},             /* 3.2: Host is required */
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {G H "\r\n", 400},                            /* 3.2: more than one Host */
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400}, /* 3.2: invalid Host */
        {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 0}, /* 9110 7.2: empty when there is no authority */
        {G "X : 1\r\n\r\n", 400},               /* 5.1: no white space before the colon */
        {G " X: 1\r\n\r\n", 400},               /* 5.2: obs-fold */
        {G "X: 1\r\n 2\r\n\r\n", 400},
        {G "X: 1\r\n\t2\r\n\r\n", 400},
        {G ": 1\r\n\r\n", 400},
        {G "X\r\n\r\n", 400},
        {G "X: a\x01\r\n\r\n", 400}, /* 9110 5.5: control characters */
        {G "X: a\x7f\r\n\r\n", 400},
        {G "X: \xe6\x9d\xbe\r\n\r\n", 0}, /* obs-text */
        {P "Content-Length: 5\r\n\r\n", 0},
        {P "Content-Length: 0\r\n\r\n", 0},
        {P "Content-Length: +5\r\n\r\n", 400}, /* 9110 8.6: 1*DIGIT */
        {P "Content-Length: -1\r\n\r\n", 400},
        {P "Content-Length: 0x5\r\n\r\n", 400},
        {P "Content-Length: 5 5\r\n\r\n", 400},
        {P "Content-Length:\r\n\r\n", 400},
        {P "Content-Length: 5, 5\r\n\r\n", 400}, /* 9112 6.3: a list (refused also when equal) */
        {P "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
        {P "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
        {P "Content-Length: 9999999999999999999\r\n\r\n", 400}, /* overflow */
        {P "Transfer-Encoding: chunked\r\n\r\n", 0},
        {P "Transfer-Encoding: Chunked\r\n\r\n", 0}, /* 7: case-insensitive */
        {P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400}, /* 6.1: smuggling */
        {P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {P "Transfer-Encoding: chunked, chunked\r\n\r\n", 400}, /* 6.1: not twice */
        {P "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},    /* 6.3: not last */
        {P "Transfer-Encoding: xchunked\r\n\r\n", 400},
        {P "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n",
         400},
        {P "Transfer-Encoding: identity\r\n\r\n", 400},
        {P "Transfer-Encoding: gzip, chunked\r\n\r\n", 501}, /* 6.1: coding we do not know */
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400}, /* 6.1 */
        {P "Expect: 100-continue\r\n\r\n", 0},
        {P "Expect: 200-ok\r\n\r\n", 417}, /* 9110 10.1.1 */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_http_field fields[16];
        struct sh_http_head h;
        const int got = parse(rows[i].text, strlen(rows[i].text), &no_limits, fields, 16, &h);
        if (got != rows[i].status) {
            print_message("row %zu: %d instead of %d: %s\n", i, got, rows[i].status, rows[i].text);
        }
        assert_int_equal(got, rows[i].status);
    }
}

static void test_head_members(void **state)
{
    (void)state;
    static const char text[] = "PATCH /api/v1/a%2Fb?x=1&y=?2 HTTP/1.1\r\nhost: h:80\r\n"
                               "X-A:  \t two words \t\r\nConnection: Keep-Alive, Upgrade\r\n"
                               "Upgrade: WebSocket\r\nContent-Length: 12\r\n"
                               "Expect: 100-Continue\r\n\r\n";
    struct sh_http_field f[8];
    struct sh_http_head h;
    assert_int_equal(parse(text, sizeof text - 1, &no_limits, f, 8, &h), 0);
    assert_int_equal(h.method, SH_HTTP_PATCH);
    assert_str(h.method_name, "PATCH");
    assert_str(h.target, "/api/v1/a%2Fb?x=1&y=?2");
    assert_str(h.path, "/api/v1/a%2Fb");
    assert_str(h.query, "x=1&y=?2");
    assert_str(h.host, "h:80");
    assert_int_equal(h.content_length, 12);
    assert_true(h.keep_alive);
    assert_true(h.expect_continue);
    assert_true(h.upgrade_websocket);
    assert_str(sh_http_field_get(h.fields, h.nfields, "x-a"), "two words");
    assert_null(sh_http_field_get(h.fields, h.nfields, "x-b").p);

    static const char absolute[] = "GET HTTP://B:81?q HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(parse(absolute, sizeof absolute - 1, &no_limits, f, 8, &h), 0);
    assert_str(h.host, "B:81"); /* 9112 3.2.2: instead of the Host field */
    assert_str(h.path, "/");
    assert_str(h.query, "q");
}

static void test_keep_alive_rows(void **state)
{
    (void)state;
    /* 9112 9.3 */
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {G "\r\n", true},
        {G "Connection: close\r\n\r\n", false},
        {G "Connection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_http_field f[8];
        struct sh_http_head h;
        assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &no_limits, f, 8, &h), 0);
        assert_int_equal(h.keep_alive, rows[i].keep);
    }
}

/* Any split of the bytes gives the same: every prefix asks for more. */
static void test_head_every_prefix_asks_for_more(void **state)
{
    (void)state;
    static const char text[] = "\r\nGET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    size_t start = 0;
    size_t scanned = 0;
    int status = 0;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_equal(
            sh_http_head_find(sh_bytes_of(text, n), &no_limits, &start, &scanned, &status),
            SH_E_AGAIN);
    }
    assert_ok(sh_http_head_find(sh_bytes_of(text, sizeof text - 1), &no_limits, &start, &scanned,
                                &status));
    assert_int_equal(start, 2);
    assert_int_equal(scanned, sizeof text - 1);
}

static void test_head_limits(void **state)
{
    (void)state;
    const struct sh_http_limits lim = {.line_max = 32, .head_max = 100, .fields_max = 3};
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"GET /0123456789012345678901234567890123456789", 414}, /* while it grows */
        {"GET /01234567890123456789012345678901 HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {G "X: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901",
         431},
        {G "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", 431},
        {G "A: 1\r\nB: 2\r\n\r\n", 0},
        {G "A: 1\r\n", -1},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_http_field f[8];
        struct sh_http_head h;
        assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &lim, f, 8, &h), rows[i].status);
    }
}

/* Feeds in pieces of `step`; returns the error, payload in out. */
static sh_err unchunk(const char *text, size_t n, size_t step, struct sh_buf *out, size_t *used_all)
{
    struct sh_chunked c;
    sh_chunked_init(&c);
    size_t at = 0;
    sh_err e = SH_E_AGAIN;
    while (at < n && e == SH_E_AGAIN) {
        const size_t len = n - at < step ? n - at : step;
        size_t used = 0;
        struct sh_bytes data;
        e = sh_chunked_feed(&c, sh_bytes_of(text + at, len), &used, &data);
        if (e == SH_OK || e == SH_E_AGAIN) {
            assert_true(used > 0);
            assert_ok(sh_buf_put(out, data.p, data.n));
            at += used;
        }
    }
    *used_all = at;
    return e;
}

static void test_chunked_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sh_err expect;
        const char *body;
        size_t left; /* bytes behind the body */
    } rows[] = {
        {"5\r\nhello\r\n0\r\n\r\nGET", SH_OK, "hello", 3},
        {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", SH_OK, "hello world", 0},
        {"0\r\n\r\n", SH_OK, "", 0},
        {"A\r\n0123456789\r\n00\r\n\r\n", SH_OK, "0123456789", 0},
        {"5;name=\"v\"\r\nhello\r\n0;x\r\n\r\n", SH_OK, "hello", 0}, /* 7.1.1: extensions */
        {"1\r\na\r\n0\r\nX: y\r\nZ: w\r\n\r\n", SH_OK, "a", 0}, /* 7.1.2: trailers are skipped */
        {"5\r\nhel", SH_E_AGAIN, "hel", 0},
        {"5\nhello\r\n0\r\n\r\n", SH_E_PROTO, "", 0}, /* bare LF behind the size */
        {"5\r\nhello\n0\r\n\r\n", SH_E_PROTO, "hello", 0},
        {"5\r\nhelloX\r\n0\r\n\r\n", SH_E_PROTO, "hello", 0}, /* longer than it says */
        {"-1\r\n", SH_E_PROTO, "", 0},
        {"0x5\r\nhello", SH_E_PROTO, "", 0},
        {" 5\r\nhello", SH_E_PROTO, "", 0},
        {"5 \r\nhello", SH_E_PROTO, "", 0}, /* 7.1.1: white space is an old trick */
        {"\r\n", SH_E_PROTO, "", 0},
        {"1000000000000000\r\n", SH_E_PROTO, "", 0}, /* too big, before it can overflow */
        {"5;a\nb\r\nhello", SH_E_PROTO, "", 0},
        {"0\r\n X: y\r\n\r\n", SH_E_PROTO, "", 0},
        {"0\r\nX: y\n\r\n", SH_E_PROTO, "", 0},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        for (size_t step = 1; step < 40; step += 3) {
            struct sh_buf out;
            sh_buf_init(&out, &t.alloc, 1000);
            size_t used = 0;
            const size_t n = strlen(rows[i].text);
            assert_int_equal(unchunk(rows[i].text, n, step, &out, &used), rows[i].expect);
            assert_true(sh_str_eqc(sh_buf_str(&out), rows[i].body));
            if (rows[i].expect == SH_OK) {
                assert_int_equal(n - used, rows[i].left);
            }
            sh_buf_fini(&out);
        }
    }
    sh_test_env_fini(&t);
}

static void test_chunk_head_reads_back(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 15, 16, 255, 256, 65536, 0xabcdef12345};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        uint8_t h[SH_CHUNK_HEAD_MAX];
        const size_t n = sh_chunk_head(rows[i], h);
        struct sh_chunked c;
        sh_chunked_init(&c);
        size_t used = 0;
        struct sh_bytes data;
        assert_int_equal(sh_chunked_feed(&c, (struct sh_bytes){h, n}, &used, &data), SH_E_AGAIN);
        assert_int_equal(c.left, rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_rows),
        cmocka_unit_test(test_head_members),
        cmocka_unit_test(test_keep_alive_rows),
        cmocka_unit_test(test_head_every_prefix_asks_for_more),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_chunked_rows),
        cmocka_unit_test(test_chunk_head_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
