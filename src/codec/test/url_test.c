#include <sh/test.h>

#include <sh/url.h>

static void test_query_get_rows(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        sh_err expect;
        const char *value;
    } rows[] = {
        {"x=1", SH_OK, "1"},
        {"a=0&x=%E6%9D%BE+b&x=2", SH_OK, "\xe6\x9d\xbe b"}, /* first wins, '+' is a space */
        {"x", SH_OK, ""},
        {"x=", SH_OK, ""},
        {"%78=7", SH_OK, "7"}, /* the name is compared decoded */
        {"xx=1&ax=2", SH_E_NOTFOUND, ""},
        {"", SH_E_NOTFOUND, ""},
        {"&&x=a=b", SH_OK, "a=b"},
        {"x=%4", SH_E_PROTO, ""},
        {"x=%zz", SH_E_PROTO, ""},
        {"x=%ff", SH_E_PROTO, ""}, /* not UTF-8 */
        {"x=%00", SH_E_PROTO, ""},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_buf b;
        sh_buf_init(&b, &t.alloc, 100);
        assert_int_equal(sh_url_query_get(sh_str_c(rows[i].query), "x", &b), rows[i].expect);
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i].value));
        sh_buf_fini(&b);
    }
    sh_test_env_fini(&t);
}

static void test_segments(void **state)
{
    (void)state;
    struct sh_str rest = SH_STR("/a/b%2Fc//");
    struct sh_str s;
    assert_true(sh_url_segment_next(&rest, &s));
    assert_str(s, "a");
    assert_true(sh_url_segment_next(&rest, &s));
    assert_str(s, "b%2Fc");
    assert_true(sh_url_segment_next(&rest, &s));
    assert_str(s, "");
    assert_true(sh_url_segment_next(&rest, &s));
    assert_str(s, "");
    assert_false(sh_url_segment_next(&rest, &s));
    rest = SH_STR("a");
    assert_false(sh_url_segment_next(&rest, &s));
}

static void test_encode_decode_is_stable(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf a;
    struct sh_buf b;
    sh_buf_init(&a, &t.alloc, 1000);
    sh_buf_init(&b, &t.alloc, 1000);
    const struct sh_str text = SH_STR("a/b+c d%\xe6\x9d\xbe~-._");
    assert_ok(sh_url_encode(text, &a));
    assert_str(sh_buf_str(&a), "a%2Fb%2Bc%20d%25%E6%9D%BE~-._");
    assert_ok(sh_url_decode(sh_buf_str(&a), &b));
    assert_true(sh_str_eq(sh_buf_str(&b), text));
    sh_buf_fini(&a);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_url_parse_rows(void **state)
{
    (void)state;
    struct sh_url u;
    assert_ok(sh_url_parse(SH_STR("https://me:pw@[::1]:8443/a/b?c=d#e"), &u));
    assert_str(u.scheme, "https");
    assert_str(u.userinfo, "me:pw");
    assert_str(u.host, "::1");
    assert_int_equal(u.port, 8443);
    assert_str(u.path, "/a/b");
    assert_str(u.query, "c=d");
    assert_ok(sh_url_parse(SH_STR("http://h"), &u));
    assert_int_equal(u.port, 0);
    assert_str(u.path, "");
    assert_null(u.query.p);
    static const char *const bad[] = {
        "",           "h",           "http:/h",        "http://",
        "http://:80", "http://h:0",  "http://h:70000", "http://h x",
        "1http://h",  "http://[::1", "http://a\\b",    "http://[::1]x"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_url_parse(sh_str_c(bad[i]), &u), SH_E_INVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_get_rows),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_encode_decode_is_stable),
        cmocka_unit_test(test_url_parse_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
