#include <sh/test.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static void test_writer_places_commas_and_escapes(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, t.env.alloc, 4096);
    struct sh_jw w;
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "a");
    sh_jw_arr(&w);
    sh_jw_i64(&w, -1);
    sh_jw_f64(&w, 0.5);
    sh_jw_f64(&w, NAN);
    sh_jw_arr(&w);
    sh_jw_arr_end(&w);
    sh_jw_null(&w);
    sh_jw_arr_end(&w);
    sh_jw_key(&w, "q\"\n");
    sh_jw_str(&w, SH_STR("\x01\\\xff\xe6\x9d\xbe"));
    sh_jw_key(&w, "t");
    sh_jw_time(&w, 0);
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_str(sh_buf_str(&b),
               "{\"a\":[-1,0.5,\"NaN\",[],null],\"q\\\"\\n\":"
               "\"\\u0001\\\\\xef\xbf\xbd\xe6\x9d\xbe\",\"t\":\"1970-01-01T00:00:00Z\"}");
    json_t *v = NULL;
    assert_ok(sh_json_parse(sh_buf_str(&b), 4096, &v, NULL));
    json_decref(v);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_writer_error_sticks(void **state)
{
    SH_UNUSED(state);
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 8);
    struct sh_jw w;
    sh_jw_init(&w, &b);
    sh_jw_str(&w, SH_STR("0123456789"));
    sh_jw_i64(&w, 1);
    assert_int_equal(sh_jw_end(&w), SH_E_LIMIT);
    sh_buf_fini(&b);
}

static void test_parse_is_bounded(void **state)
{
    SH_UNUSED(state);
    json_t *v = NULL;
    struct sh_diag d = {0};
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_int_equal(sh_json_parse(sh_str_of(deep, 400), 1000, &v, &d), SH_E_LIMIT);
    assert_int_equal(sh_json_parse(SH_STR("{\"a\":1,\"a\":2}"), 1000, &v, &d), SH_E_PROTO);
    assert_int_equal(sh_json_parse(SH_STR("{}"), 1, &v, &d), SH_E_LIMIT);
    assert_int_equal(sh_json_parse(SH_STR("{\n\n x}"), 100, &v, &d), SH_E_PROTO);
    assert_int_equal(d.line, 3);
    assert_ok(sh_json_parse(SH_STR("{\"s\":\"x\",\"i\":7,\"f\":1.5,\"b\":true}"), 100, &v, &d));
    assert_str(sh_json_get_str(v, "s"), "x");
    assert_int_equal(sh_json_get_i64(v, "i", 0), 7);
    assert_int_equal(sh_json_get_i64(v, "s", -3), -3);
    assert_true(sh_json_get_f64(v, "i", 0) == 7.0);
    assert_true(sh_json_get_bool(v, "b", false));
    json_decref(v);
}

/* jansson takes no context with its functions of memory. */
static long allocations_left = -1;

static void *failing_malloc(size_t n)
{
    if (allocations_left == 0) {
        errno = ENOMEM; /* as malloc does */
        allocations_left = -1;
        return NULL;
    }
    allocations_left -= allocations_left > 0 ? 1 : 0;
    return malloc(n); /* NOLINT: this is jansson's */
}

static void failing_free(void *p)
{
    free(p); /* NOLINT: this is jansson's */
}

/* Whichever allocation fails, it is never taken for a mistake in the text, and no character is
 * lost: jansson's lexer would drop one of a long string or number and go on. */
static void parse_without_memory(struct sh_str text, long least)
{
    json_t *whole = NULL;
    assert_ok(sh_json_parse(text, text.n, &whole, NULL));
    json_set_alloc_funcs(failing_malloc, failing_free);
    sh_err err = SH_E_NOMEM;
    long n = 0;
    for (; err != SH_OK; n++) {
        json_t *v = NULL;
        allocations_left = n;
        err = sh_json_parse(text, text.n, &v, NULL);
        allocations_left = -1;
        if (err == SH_OK) {
            assert_true(json_equal(v, whole));
        } else {
            assert_int_equal(err, SH_E_NOMEM);
            assert_null(v);
        }
        json_decref(v);
        assert_true(n < 1000);
    }
    assert_true(n > least);
    json_decref(whole);
    json_set_alloc_funcs(malloc, free); /* NOLINT: jansson's own */
}

static void test_parse_without_memory_says_so(void **state)
{
    SH_UNUSED(state);
    parse_without_memory(
        SH_STR("{\"a name of more than sixteen "
               "bytes\":[1234567890123456789,0.12345678901234567890,-1],"
               "\"t\":\"a text that makes the buffer of the lexer grow, and grow, and grow "
               "again\",\"n\":7,"
               "\"u\":\"\\u6771\\u5317 \\\"x\\\"\",\"o\":{\"p\":null,\"q\":true}}"),
        20);
    /* the lexer's buffer grows in the middle of a number, which then ends early and clears errno */
    parse_without_memory(SH_STR("{\"n\":1795963186288637123,\"m\":1795963186288637}"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer_places_commas_and_escapes),
        cmocka_unit_test(test_writer_error_sticks),
        cmocka_unit_test(test_parse_is_bounded),
        cmocka_unit_test(test_parse_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
