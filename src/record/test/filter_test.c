#include <sh/test.h>

#include "../filter.h"

static sh_err oom_body(struct sh_test_env *t)
{
    const struct sh_record_node *n = NULL;
    struct record_sorts sorts;
    struct sh_arena *ar = sh_arena_new(&t->alloc, 1 << 20);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = record_filter_parse(
        &t->alloc, SH_STR("a.b[2] = \"x\" and (c in [1,2] or not \"d e\" exists)"), ar, &n, NULL);
    if (err == SH_OK) {
        err = record_sort_parse(&t->alloc, SH_STR("-a.b, $created"), ar, &sorts, NULL);
    }
    sh_arena_free(ar);
    return err;
}

static void test_no_memory_is_survived(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

static void test_limits_of_a_filter_hold(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *part, *end;
        int times;
        sh_err expect;
    } rows[] = {
        {"", "(", "a=1", 40, SH_E_INVAL},    /* not closed */
        {"", "not ", "a=1", 33, SH_E_INVAL}, /* depth */
        {"", "not ", "a=1", 31, SH_OK},
        {"a=1", " or a=1", "", 300, SH_E_INVAL}, /* comparisons */
        {"a=1", " and a=1", "", 100, SH_OK},
        {"a in [1", ",1", "]", 256, SH_E_INVAL}, /* members */
        {"a in [1", ",1", "]", 255, SH_OK},
        {"a", ".a", "=1", 40, SH_E_INVAL},           /* path */
        {"a=1", "          ", "", 2000, SH_E_LIMIT}, /* bytes */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_buf text;
        const struct sh_record_node *n = NULL;
        struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 4 << 20);
        sh_buf_init(&text, sh_alloc_heap(), 1 << 20);
        assert_ok(sh_buf_put_c(&text, rows[i].begin));
        for (int k = 0; k < rows[i].times; k++) {
            assert_ok(sh_buf_put_c(&text, rows[i].part));
        }
        assert_ok(sh_buf_put_c(&text, rows[i].end));
        assert_int_equal(record_filter_parse(sh_alloc_heap(), sh_buf_str(&text), ar, &n, NULL),
                         rows[i].expect);
        sh_buf_fini(&text);
        sh_arena_free(ar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_survived),
        cmocka_unit_test(test_limits_of_a_filter_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
