/* What is an expression and what is not; faults name the place and what is missing. */
#include <sh/test.h>

#include <sh/promql.h>

static void test_parse_takes_what_the_subset_has(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sh_promql_type type;
    } rows[] = {
        {"1", SH_PROMQL_SCALAR},
        {"0x1F + .5e-3 * 1. - Inf", SH_PROMQL_SCALAR},
        {"'a\\u6e29\\x41'", SH_PROMQL_STRING},
        {"up # a comment", SH_PROMQL_VECTOR},
        {"{__name__=~'a.*',job!=\"\",x!~`b`,}", SH_PROMQL_VECTOR},
        {"up[1h30m]", SH_PROMQL_MATRIX},
        {"up[5m] offset -1w", SH_PROMQL_MATRIX},
        {"rate(up{job='j'}[5m] offset 1d)", SH_PROMQL_VECTOR},
        {"sum by (a, b) (up)", SH_PROMQL_VECTOR},
        {"SUM(up) WITHOUT ()", SH_PROMQL_VECTOR},
        {"topk(3, up)", SH_PROMQL_VECTOR},
        {"up == bool 1", SH_PROMQL_VECTOR},
        {"a / on (x) b + ignoring (y) c", SH_PROMQL_VECTOR},
        {"-2 ^ 2", SH_PROMQL_SCALAR},
        {"round(up)", SH_PROMQL_VECTOR},
        {"sum", SH_PROMQL_VECTOR}, /* a metric of that name */
        {"a:b:c", SH_PROMQL_VECTOR},
        {"time()", SH_PROMQL_SCALAR},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_arena *ar = sh_arena_new(t.env.alloc, 1 << 20);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_promql_expr *x = NULL;
        struct sh_promql_error e = {.text = ""};
        if (sh_promql_parse(ar, sh_str_c(rows[i].text), &x, &e) != SH_OK ||
            sh_promql_type_of(x) != rows[i].type) {
            fail_msg("%s: %s", rows[i].text, e.text);
        }
        sh_arena_reset(ar);
    }
    sh_arena_free(ar);
    sh_test_env_fini(&t);
}

static void test_parse_faults_name_place_and_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"", "1:1: parse error: unexpected \"end of the expression\", expected an expression"},
        {"up up", "1:4: parse error: unexpected \"up\", expected an operator or the end"},
        {"a\n  and b", "2:3: parse error: the operator and is not implemented here"},
        {"a + on(x) group_left b",
         "1:11: parse error: many-to-one matching (group_left) is not implemented here"},
        {"rate(a[5m:1m])", "1:7: parse error: sub-queries are not implemented here"},
        {"a @ 5", "1:3: parse error: the modifier @ is not implemented here"},
        {"label_replace(a)",
         "1:1: parse error: the function \"label_replace\" is unknown or not implemented here"},
        {"group(a)", "1:1: parse error: the aggregation group is not implemented here"},
        {"rate(a)",
         "1:6: parse error: rate needs a value of type range vector here, not instant vector"},
        {"sum(a[5m])",
         "1:5: parse error: sum needs a value of type instant vector here, not range vector"},
        {"topk(a)", "1:1: parse error: topk needs 2 arguments, not 1"},
        {"abs(a, b, c)", "1:11: parse error: too many arguments for abs"},
        {"time(1)", "1:1: parse error: time needs 0 arguments, not 1"},
        {"1 == 1", "1:3: parse error: a comparison between scalars needs bool"},
        {"1 + bool 1", "1:5: parse error: bool follows a comparison"},
        {"1 + on(a) 1", "1:3: parse error: on and ignoring are between vectors"},
        {"{a=~'('}", "1:5: parse error: the pattern: missing closing parenthesis"},
        {"{a=''}",
         "1:1: parse error: a selector must have a matcher that does not take the empty text"},
        {"{a}", "1:3: parse error: unexpected \"}\", expected = != =~ or !~"},
        {"a[0s]",
         "1:2: parse error: a range, longer than 0, follows a selector, before its offset"},
        {"5m", "1:1: parse error: unexpected \"5m\", expected an expression"},
        {"1x", "1:1: parse error: the number or duration is malformed"},
        {"'a", "1:1: parse error: the string has no closing quote"},
        {"'\\q'", "1:1: parse error: unknown escape in a string"},
        {"\xff", "1:1: parse error: unexpected \"\xff\", expected an expression"},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_arena *ar = sh_arena_new(t.env.alloc, 1 << 20);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_promql_expr *x = NULL;
        struct sh_promql_error e = {.text = ""};
        assert_int_equal(sh_promql_parse(ar, sh_str_c(rows[i].text), &x, &e), SH_E_INVAL);
        assert_string_equal(e.text, rows[i].error);
        sh_arena_reset(ar);
    }
    sh_arena_free(ar);
    sh_test_env_fini(&t);
}

static void test_parse_depth_and_parts_are_bounded(void **state)
{
    (void)state;
    char deep[4096];
    struct sh_test_env t;
    const struct sh_promql_expr *x = NULL;
    struct sh_promql_error e = {.text = ""};
    sh_test_env_init(&t, NULL);
    struct sh_arena *ar = sh_arena_new(t.env.alloc, 1 << 20);
    memset(deep, '(', sizeof deep);
    assert_int_equal(sh_promql_parse(ar, sh_str_of(deep, sizeof deep), &x, &e), SH_E_INVAL);
    assert_string_equal(e.text, "1:101: parse error: the expression is nested more than 100 deep");
    memset(deep, '-', sizeof deep);
    assert_int_equal(sh_promql_parse(ar, sh_str_of(deep, sizeof deep), &x, &e), SH_E_INVAL);
    for (size_t i = 0; i + 1 < sizeof deep; i += 2) {
        deep[i] = '1';
        deep[i + 1] = '+';
    }
    assert_int_equal(sh_promql_parse(ar, sh_str_of(deep, sizeof deep), &x, &e), SH_E_INVAL);
    assert_string_equal(e.text, "1:1001: parse error: the expression has more than 1000 parts");
    sh_arena_free(ar);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_takes_what_the_subset_has),
        cmocka_unit_test(test_parse_faults_name_place_and_what_is_missing),
        cmocka_unit_test(test_parse_depth_and_parts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
