#include <sh/test.h>

#include <sh/sse.h>

static void test_sse_put_rows(void **state)
{
    (void)state;
    static const struct {
        const char *event, *id, *data, *expect;
    } rows[] = {
        /* HTML 9.2.6: each line of data is a field; a blank line dispatches */
        {NULL, NULL, "a", "data: a\n\n"},
        {"samples", "7", "x", "id: 7\nevent: samples\ndata: x\n\n"},
        {NULL, NULL, "a\nb", "data: a\ndata: b\n\n"},
        {NULL, NULL, "a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"},
        {NULL, NULL, "a\n", "data: a\ndata: \n\n"},
        {NULL, "", "", "id: \ndata: \n\n"},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_buf b;
        sh_buf_init(&b, &t.alloc, 1000);
        assert_ok(
            sh_sse_put(&b, sh_str_c(rows[i].event), sh_str_c(rows[i].id), sh_str_c(rows[i].data)));
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i].expect));
        sh_buf_fini(&b);
    }
    sh_test_env_fini(&t);
}

static void test_sse_put_refuses_and_leaves_out_unchanged(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, &t.alloc, 16);
    assert_ok(sh_buf_put_c(&b, "x"));
    const struct sh_str none = {0};
    assert_int_equal(sh_sse_put(&b, SH_STR("a\nb"), none, SH_STR("d")), SH_E_INVAL);
    assert_int_equal(sh_sse_put(&b, none, SH_STR("a\rb"), SH_STR("d")), SH_E_INVAL);
    assert_int_equal(sh_sse_put(&b, none, none, SH_STR("0123456789")), SH_E_LIMIT);
    assert_int_equal(sh_sse_put_comment(&b, SH_STR("0123456789abcdef")), SH_E_LIMIT);
    assert_int_equal(b.n, 1);
    sh_buf_clear(&b);
    assert_ok(sh_sse_put_comment(&b, SH_STR("ping")));
    assert_str(sh_buf_str(&b), ": ping\n\n");
    sh_buf_clear(&b);
    assert_ok(sh_sse_put_retry(&b, 3000));
    assert_str(sh_buf_str(&b), "retry: 3000\n\n");
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse_put_rows),
        cmocka_unit_test(test_sse_put_refuses_and_leaves_out_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
