#include <sh/test.h>

#include <sh/http1.h>

static void test_accept_language_rows(void **state)
{
    (void)state;
    static const char *const offers[] = {"zh", "en"};
    static const struct {
        const char *field;
        size_t expect;
    } rows[] = {
        {"", 0},
        {"en", 1},
        {"zh-CN,zh;q=0.9,en;q=0.8", 0},
        {"en-US,en;q=0.9,zh;q=0.8", 1},
        {"fr", 0}, /* nothing fits: the default */
        {"fr, en;q=0.1", 1},
        {"zh;q=0, en", 1}, /* 9110 12.4.2: q=0 is "not acceptable" */
        {"*", 0},
        {"*;q=0.5, en;q=0.7", 1},
        {"english", 0}, /* no hyphen: another language */
        {"en;q=2", 0},  /* malformed: left out */
        {"EN-gb", 1},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_http_accept_language(sh_str_c(rows[i].field), offers, 2, 0),
                         rows[i].expect);
    }
}

static void test_accept_encoding_rows(void **state)
{
    (void)state;
    /* 9110 12.5.3 */
    static const struct {
        const char *field;
        bool gzip;
    } rows[] = {
        {"", false},         {"gzip", true},         {"deflate, GZIP;q=0.5", true},
        {"gzip;q=0", false}, {"gzip;q=0.0", false},  {"*", true},
        {"*;q=0", false},    {"gzip;q=0, *", false}, {"br", false},
        {"xgzip", false},    {"gzip;q=x", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_http_accepts_coding(sh_str_c(rows[i].field), "gzip"), rows[i].gzip);
    }
}

static void test_cookie_rows(void **state)
{
    (void)state;
    /* 6265 5.4, 4.2.1 */
    assert_str(sh_http_cookie(SH_STR("a=1; sid=xyz; b=2"), "sid"), "xyz");
    assert_str(sh_http_cookie(SH_STR("sid=\"x y\""), "sid"), "x y");
    assert_str(sh_http_cookie(SH_STR("sid="), "sid"), "");
    assert_null(sh_http_cookie(SH_STR("xsid=1; sidx=2"), "sid").p);
    assert_null(sh_http_cookie((struct sh_str){0}, "sid").p);
}

static void test_put_cookie(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, &t.alloc, 200);
    assert_ok(sh_http_put_cookie(&b, SH_STR("s"), SH_STR("v1"), -1, false));
    assert_str(sh_buf_str(&b), "s=v1; Path=/; HttpOnly; SameSite=Strict");
    sh_buf_clear(&b);
    assert_ok(sh_http_put_cookie(&b, SH_STR("s"), SH_STR(""), 0, true));
    assert_str(sh_buf_str(&b), "s=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    assert_int_equal(sh_http_put_cookie(&b, SH_STR("s"), SH_STR("a;b"), 0, true), SH_E_INVAL);
    assert_int_equal(sh_http_put_cookie(&b, SH_STR("s="), SH_STR("a"), 0, true), SH_E_INVAL);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_put_field_refuses_injection(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, &t.alloc, 200);
    assert_int_equal(sh_http_put_field(&b, SH_STR("A"), SH_STR("b\r\nX: y")), SH_E_INVAL);
    assert_int_equal(sh_http_put_field(&b, SH_STR("A: b\r\nX"), SH_STR("y")), SH_E_INVAL);
    assert_int_equal(sh_http_put_field(&b, SH_STR(""), SH_STR("y")), SH_E_INVAL);
    assert_int_equal(b.n, 0);
    assert_ok(sh_http_put_status(&b, 207));
    assert_ok(sh_http_put_status(&b, 404));
    assert_ok(sh_http_put_field(&b, SH_STR("A"), SH_STR("b c")));
    assert_str(sh_buf_str(&b), "HTTP/1.1 207 \r\nHTTP/1.1 404 Not Found\r\nA: b c\r\n");
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_date_rows(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *text;
    } rows[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* 9110 5.6.7 */
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951827696, "Tue, 29 Feb 2000 12:34:56 GMT"},
        {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char out[SH_HTTP_DATE_CHARS];
        sh_http_date(rows[i].s * 1000000, out);
        assert_memory_equal(out, rows[i].text, sizeof out);
        int64_t us = 0;
        assert_ok(sh_http_date_parse(sh_str_c(rows[i].text), &us));
        assert_int_equal(us, rows[i].s * 1000000);
    }
    static const char *const bad[] = {
        "", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 31 Apr 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        int64_t us = 0;
        assert_int_equal(sh_http_date_parse(sh_str_c(bad[i]), &us), SH_E_INVAL);
    }
}

static void test_param_rows(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        const char *name;
        sh_err expect;
        const char *value;
    } rows[] = {
        {"text/csv; charset=gbk", "charset", SH_OK, "gbk"},
        {"text/csv;CHARSET=\"g\\\"b;k\" ; x=1", "charset", SH_OK, "g\"b;k"},
        {"text/csv;a=1;charset=gbk", "charset", SH_OK, "gbk"},
        {"text/csv", "charset", SH_E_NOTFOUND, ""},
        {"text/csv; charset", "charset", SH_E_NOTFOUND, ""},
        {"text/csv; charset=\"open", "charset", SH_E_NOTFOUND, ""},
        {"text/csv; charset=0123456789abcdef0", "charset", SH_E_LIMIT, ""},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char out[16];
        size_t n = 0;
        assert_int_equal(sh_http_param(sh_str_c(rows[i].field), rows[i].name, out, sizeof out, &n),
                         rows[i].expect);
        assert_true(sh_str_eqc((struct sh_str){out, n}, rows[i].value));
    }
    assert_str(sh_http_media_type(SH_STR(" text/csv ; charset=gbk")), "text/csv");
}

static void test_etag_rows(void **state)
{
    (void)state;
    /* 9110 13.1.2: weak comparison; a comma may stand inside the quotes */
    assert_true(sh_http_etag_match(SH_STR("\"a\", \"b\""), SH_STR("\"b\"")));
    assert_true(sh_http_etag_match(SH_STR("W/\"b\""), SH_STR("\"b\"")));
    assert_true(sh_http_etag_match(SH_STR("*"), SH_STR("\"b\"")));
    assert_true(sh_http_etag_match(SH_STR("\"a,b\""), SH_STR("\"a,b\"")));
    assert_false(sh_http_etag_match(SH_STR("\"a,b\""), SH_STR("\"b\"")));
    assert_false(sh_http_etag_match(SH_STR(""), SH_STR("\"b\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_language_rows),
        cmocka_unit_test(test_accept_encoding_rows),
        cmocka_unit_test(test_cookie_rows),
        cmocka_unit_test(test_put_cookie),
        cmocka_unit_test(test_put_field_refuses_injection),
        cmocka_unit_test(test_date_rows),
        cmocka_unit_test(test_param_rows),
        cmocka_unit_test(test_etag_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
