#include <sh/test.h>

#include <sh/guard.h>

static void test_auth_header_forms(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *header;
        sh_err err;
        enum sh_auth_scheme scheme;
        const char *token;
        const char *user;
        const char *password;
    } rows[] = {
        {"", SH_OK, SH_AUTH_NONE, "", "", ""},
        {"  ", SH_OK, SH_AUTH_NONE, "", "", ""},
        {"Bearer abc-._~+/1=", SH_OK, SH_AUTH_TOKEN, "abc-._~+/1=", "", ""}, /* RFC 6750 2.1 */
        {"bearer   x ", SH_OK, SH_AUTH_TOKEN, "x", "", ""}, /* RFC 9110 11.1: case-insensitive */
        {"Token x", SH_OK, SH_AUTH_TOKEN, "x", "", ""},
        {"Bearer", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Bearer a b", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Bearer =", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Bearer a=b", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Bearer a\"b", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        /* RFC 7617 2 and 2.1 */
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", SH_OK, SH_AUTH_BASIC, "", "Aladdin", "open sesame"},
        {"Basic dGVzdDoxMjPCow==", SH_OK, SH_AUTH_BASIC, "", "test", "123\xc2\xa3"},
        {"basic YTpiOmM=", SH_OK, SH_AUTH_BASIC, "", "a", "b:c"},
        {"Basic Og==", SH_OK, SH_AUTH_BASIC, "", "", ""},
        {"Basic YWJj", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},     /* no colon */
        {"Basic YTpiCg==", SH_E_PROTO, SH_AUTH_NONE, "", "", ""}, /* control character */
        {"Basic !!", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Basic", SH_E_PROTO, SH_AUTH_NONE, "", "", ""},
        {"Basic /zo=", SH_E_PROTO, SH_AUTH_NONE, "", "", ""}, /* not UTF-8 */
        {"Digest x", SH_E_UNSUPPORTED, SH_AUTH_NONE, "", "", ""},
    };
    struct sh_buf scratch;
    sh_buf_init(&scratch, sh_alloc_heap(), SH_AUTH_MAX);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_auth_header h = {0};
        if (sh_auth_header_parse(sh_str_c(rows[i].header), &scratch, &h) != rows[i].err) {
            fail_msg("%s", rows[i].header);
        }
        if (rows[i].err == SH_OK) {
            assert_int_equal(h.scheme, rows[i].scheme);
            assert_true(sh_str_eqc(h.token, rows[i].token));
            assert_true(sh_str_eqc(h.user, rows[i].user));
            assert_true(sh_str_eqc(h.password, rows[i].password));
        }
    }
    sh_buf_fini(&scratch);
}

static void test_cookie_find(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *header;
        const char *value; /* NULL: none */
    } rows[] = {
        {"", NULL},
        {"songhua_session=x", "x"},
        {"a=b; songhua_session=x; c=d", "x"},
        {"a=b;songhua_session=x", "x"},
        {"songhua_session=\"x\"", "x"},
        {"songhua_session=", ""},
        {"songhua_session", NULL},
        {"xsonghua_session=x", NULL},
        {"songhua_session2=x", NULL},
        {"a=songhua_session=x", NULL},
        {"songhua_session=first; songhua_session=second", "first"},
        {";;; songhua_session=x", "x"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_str v = sh_cookie_find(sh_str_c(rows[i].header), SH_STR(SH_SESSION_COOKIE));
        if (rows[i].value == NULL) {
            assert_null(v.p);
        } else {
            assert_true(v.p != NULL && sh_str_eqc(v, rows[i].value));
        }
    }
}

static void test_set_cookie(void **state)
{
    SH_UNUSED(state);
    struct sh_buf out;
    sh_buf_init(&out, sh_alloc_heap(), 256);
    assert_ok(sh_session_cookie_put(&out, SH_STR("shs_a"), 60, true));
    assert_true(sh_str_eqc(sh_buf_str(&out),
                           "songhua_session=shs_a; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; "
                           "Secure"));
    sh_buf_clear(&out);
    assert_ok(sh_session_cookie_put(&out, SH_STR(""), 60, false));
    assert_true(sh_str_eqc(sh_buf_str(&out),
                           "songhua_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"));
    sh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_header_forms),
        cmocka_unit_test(test_cookie_find),
        cmocka_unit_test(test_set_cookie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
