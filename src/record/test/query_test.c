#include "store_fix.h"

static void test_list_filters_by_typed_comparison(void **state)
{
    static const struct {
        const char *filter;
        const char *ids; /* in order of id; "!" = refused */
    } rows[] = {
        {"", "abcde"},
        {"n = 1", "a"},
        {"n = 1.0", "a"},
        {"n != 1", "bc"},
        {"not n = 1", "bcde"},
        {"n > 1", "bc"},
        {"n >= 1 and n < 3.5", "ab"},
        {"s = \"泵\"", "a"},
        {"s prefix \"泵\"", "ab"},
        {"s = \"1\"", "d"},
        {"n = \"1\"", ""},
        {"n in [1, 3.5, \"x\"]", "ac"},
        {"n in []", ""},
        {"tags contains \"hot\"", "ab"},
        {"tags contains 7", "b"},
        {"ok = true", "a"},
        {"ok = false", "b"},
        {"ok != true", "b"},
        {"ok exists", "ab"},
        {"not ok exists", "cde"},
        {"z = null", "abcde"},
        {"n = null", "de"},
        {"n != null", "abc"},
        {"o.p.q = 5", "c"},
        {"o.arr[1].k = \"v\"", "c"},
        {"\"odd name!\" = 1", "d"},
        {"$id = \"b\" or $id = \"c\"", "bc"},
        {"$rev = 1 and $author = \"zhang\"", "abcde"},
        {"$created >= \"2026-01-01T00:00:00Z\"", "abcde"},
        {"$updated < \"2020-01-01T00:00:00Z\"", ""},
        {"(n = 1 or n = 2) and not ok = true", "b"},
        {"N = 1", ""},
        {"单位 = \"转\"", "e"},
        {"n = 1 or 1", "!"},
        {"n == ", "!"},
        {"n = 1 n = 2", "!"},
        {"n\" = 1", "!"},
        {"\"a\\\"b\" = 1", "!"},
        {"n); DROP TABLE rec; --", "!"},
        {"$rowid = 1", "!"},
        {"a..b = 1", "!"},
        {"a[x] = 1", "!"},
        {"ok < true", "!"},
        {"s prefix 1", "!"},
        {"s = \"unclosed", "!"},
        {"$created > \"yesterday\"", "!"},
    };
    struct fix *f = *state;
    assert_ok(fix_put(f, "_k", "a",
                      "{\"n\":1,\"s\":\"泵\",\"ok\":true,\"tags\":[\"hot\",\"x\"],\"z\":null}", 0,
                      NULL));
    assert_ok(fix_put(f, "_k", "b", "{\"n\":2,\"s\":\"泵房\",\"ok\":false,\"tags\":[\"hot\",7]}", 0,
                      NULL));
    assert_ok(fix_put(f, "_k", "c", "{\"n\":3.5,\"o\":{\"p\":{\"q\":5},\"arr\":[0,{\"k\":\"v\"}]}}",
                      0, NULL));
    assert_ok(fix_put(f, "_k", "d", "{\"s\":\"1\",\"odd name!\":1,\"tags\":\"hot\"}", 0, NULL));
    assert_ok(fix_put(f, "_k", "e", "{\"单位\":\"转\"}", 0, NULL));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_record_query q = {.tenant = 1,
                                          .type = SH_STR("_k"),
                                          .filter = sh_str_c(rows[i].filter),
                                          .want_total = true};
        char got[64];
        fix_ids(f, q, got);
        if (strcmp(got, rows[i].ids) != 0) {
            fail_msg("filter %s: %s, not %s", rows[i].filter, got, rows[i].ids);
        }
    }
}

static void fill_for_sort(struct fix *f)
{
    static const char *const docs[] = {
        "{\"n\":2,\"g\":\"x\",\"s\":\"q\"}",
        "{\"n\":3.5,\"g\":\"y\",\"s\":\"r\"}",
        "{\"n\":-1,\"g\":\"x\",\"s\":\"p\"}",
        "{\"n\":3,\"g\":\"x\",\"s\":5}",
        "{\"n\":null}",
        "{\"n\":\"text\",\"g\":\"y\"}",
    };
    for (size_t i = 0; i < SH_COUNT(docs); i++) {
        const char id[2] = {(char)('a' + (int)i), '\0'};
        assert_ok(fix_put(f, "_k", id, docs[i], 0, NULL));
        sh_test_advance(&f->t, 1000);
    }
}

/* Numbers before text, missing last; every order goes on over pages of 2 by the cursor. */
static void test_list_sorts_and_pages_in_every_order(void **state)
{
    static const struct {
        const char *sort;
        const char *ids;
    } rows[] = {
        {"", "abcdef"},    {"-$id", "fedcba"},      {"n", "cadbfe"},
        {"-n", "efbdac"},  {"g,-n", "dacfbe"},      {"-g,n", "ebfcad"},
        {"s,n", "dcabfe"}, {"-$created", "fedcba"}, {"$updated,-$id", "abcdef"},
        {"n,", "!"},       {"a,b,c,d,e", "!"},      {"n desc", "!"},
    };
    struct fix *f = *state;
    fill_for_sort(f);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_record_query q = {
            .tenant = 1, .type = SH_STR("_k"), .sort = sh_str_c(rows[i].sort), .limit = 2};
        char got[64];
        fix_ids(f, q, got);
        if (strcmp(got, rows[i].ids) != 0) {
            fail_msg("sort %s: %s, not %s", rows[i].sort, got, rows[i].ids);
        }
    }
}

/* Between pages: rows are added before, at and behind the place, and a seen row goes away. */
static void test_list_pages_are_stable_under_writes(void **state)
{
    struct fix *f = *state;
    struct sh_record_page page;
    struct sh_record_query q = {.tenant = 1, .type = SH_STR("_k"), .sort = SH_STR("n"), .limit = 2};
    fill_for_sort(f);
    assert_ok(sh_record_list(f->r, &q, f->ar, &page, NULL));
    assert_int_equal(page.n, 2); /* c a */
    q.cursor = page.next;
    assert_ok(fix_put(f, "_k", "z1", "{\"n\":-5}", 0, NULL));
    assert_ok(fix_put(f, "_k", "z2", "{\"n\":1}", 0, NULL));
    assert_ok(sh_record_delete(f->r, 1, SH_STR("_k"), SH_STR("a"), SH_RECORD_ANY, SH_STR("")));
    char got[64];
    fix_ids(f, q, got);
    assert_string_equal(got, "dbfe");
}

static void test_list_foreign_or_broken_cursor_is_refused(void **state)
{
    static const char *const cursors[] = {"!!", "WzEsImEiXQ", "e30", "W10", "bnVsbA"};
    struct fix *f = *state;
    struct sh_record_page page;
    fill_for_sort(f);
    struct sh_record_query q = {.tenant = 1, .type = SH_STR("_k"), .limit = 2};
    assert_ok(sh_record_list(f->r, &q, f->ar, &page, NULL));
    q.cursor = page.next;
    q.sort = SH_STR("n"); /* another query */
    assert_int_equal(sh_record_list(f->r, &q, f->ar, &page, NULL), SH_E_INVAL);
    for (size_t i = 0; i < SH_COUNT(cursors); i++) {
        q.cursor = sh_str_c(cursors[i]);
        assert_int_equal(sh_record_list(f->r, &q, f->ar, &page, NULL), SH_E_INVAL);
    }
}

static void check_searches(struct fix *f)
{
    static const struct {
        const char *search;
        const char *ids;
    } rows[] = {
        {"泵", "ab"},          {"水泵", "a"},       {"油泵", "b"},       {"高压油泵", "b"},
        {"高压水泵", ""},      {"压油", "b"},       {"一号车间", "a"},   {"车间一号", "c"},
        {"号", "ac"},          {"水泵 车间", "a"},  {"cnc12", "c"},      {"CNC", ""},
        {"cnc*", "c"},         {"ＣＮＣ１２", "c"}, {"泵P101", "a"},     {"泵P10", ""},
        {"P101", "a"},         {"20260101", "c"},   {"\"", ""},          {"OR", ""},
        {"泵 AND NOT 油", ""}, {"café", "c"},       {"CAFÉ", "c"},       {"body : x", ""},
        {"深处", "c"},         {"𠮷野", "c"},       {"水泵　车间", "a"}, {"*", ""},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_record_query q = {.tenant = 1,
                                          .type = SH_STR("_k"),
                                          .search = sh_str_c(rows[i].search),
                                          .want_total = true};
        char got[64];
        fix_ids(f, q, got);
        if (strcmp(got, rows[i].ids) != 0) {
            fail_msg("search %s: %s, not %s", rows[i].search, got, rows[i].ids);
        }
    }
}

static void test_search_finds_chinese_words_of_any_length(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_put(f, "_k", "a", "{\"name\":\"一号车间循环水泵P101\"}", 0, NULL));
    assert_ok(fix_put(f, "_k", "b", "{\"name\":\"高压油泵\",\"x\":1}", 0, NULL));
    assert_ok(fix_put(f, "_k", "c",
                      "{\"name\":\"车间一号机床 CNC12 Café\",\"no\":20260101,"
                      "\"d\":[{\"e\":\"在深处 𠮷野\"}]}",
                      0, NULL));
    /* The same words in another type are not found. */
    assert_ok(fix_put(f, "_k2", "z", "{\"name\":\"水泵\"}", 0, NULL));
    check_searches(f);
    fix_reopen(f);
    check_searches(f);
    assert_ok(fix_put(f, "_k", "a", "{\"name\":\"换成风机\"}", 1, NULL));
    const struct sh_record_query q = {.tenant = 1, .type = SH_STR("_k"), .search = SH_STR("水泵")};
    char got[64];
    fix_ids(f, q, got);
    assert_string_equal(got, "");
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_list_filters_by_typed_comparison),
        T(test_list_sorts_and_pages_in_every_order),
        T(test_list_pages_are_stable_under_writes),
        T(test_list_foreign_or_broken_cursor_is_refused),
        T(test_search_finds_chinese_words_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
