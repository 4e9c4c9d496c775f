/* rewrite_test.c - what is translated, what is refused and where.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include "../sql_int.h"

static void same(const char *in, const char *out)
{
    struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 16 << 20);
    struct sql_rewritten r;
    struct sh_sql_fault f = {.err = SH_OK};
    const sh_err err = sql_rewrite(ar, sh_str_c(in), &r, &f);
    if (err != SH_OK) {
        fail_msg("%s: %s", in, f.en);
    }
    assert_string_equal(r.sql.p, out);
    sh_arena_free(ar);
}

static void test_words_of_postgresql_become_sqlite(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"SELECT max(h.value) FROM history h", "SELECT max(h.value) FROM history h"},
        {"SELECT $2, $1", "SELECT ?2 , ?1"},
        {"SELECT x::text", "SELECT CAST(x AS TEXT)"},
        {"SELECT a.b::int8 + 1", "SELECT CAST(a.b AS INTEGER) + 1"},
        {"SELECT count(*)::double precision", "SELECT CAST(count(*) AS REAL)"},
        {"SELECT (1 + 2)::numeric(10,2)", "SELECT CAST((1 + 2) AS REAL)"},
        {"SELECT '1'::int::text", "SELECT CAST(CAST('1' AS INTEGER) AS TEXT)"},
        {"SELECT x IN (1)::int", "SELECT x IN CAST((1) AS INTEGER)"},
        {"SELECT '2026-01-01'::timestamp with time zone", "SELECT sh_time('2026-01-01')"},
        {"SELECT 'pg'::pg_catalog.regclass", "SELECT 'pg'"},
        {"SELECT CAST(x AS timestamp)", "SELECT sh_time (x )"},
        {"SELECT CAST(x AS varchar(10))", "SELECT CAST (x AS TEXT )"},
        {"SELECT now() - interval '1 hour'", "SELECT sh_time_add(now() , -1, '1 hour')"},
        {"SELECT now() + '2 days'::interval", "SELECT sh_time_add(now() , 1, '2 days')"},
        {"SELECT t - interval '1 h' - interval '1 m'",
         "SELECT sh_time_add(sh_time_add(t , -1, '1 h') , -1, '1 m')"},
        {"SELECT date_trunc('hour', time)", "SELECT date_trunc('hour', time)"},
        {"SELECT extract(epoch FROM time)", "SELECT date_part ( 'epoch' , time)"},
        {"SELECT timestamp '2026-01-01'", "SELECT sh_time('2026-01-01')"},
        {"SELECT * FROM public.points", "SELECT * FROM points"},
        {"SELECT * FROM \"public\".\"points\"", "SELECT * FROM \"points\""},
        {"SELECT * FROM information_schema.tables", "SELECT * FROM information_schema_tables"},
        {"SELECT a ILIKE 'x%'", "SELECT a LIKE 'x%'"},
        {"SELECT a ~ '^x'", "SELECT a REGEXP '^x'"},
        {"SELECT a !~* 'x'", "SELECT a NOT REGEXP '(?i)' || 'x'"},
        {"SELECT ~1", "SELECT ~1"},
        {"SELECT a OPERATOR(pg_catalog.~) 'x' COLLATE pg_catalog.default", "SELECT a REGEXP 'x'"},
        {"SELECT E'a\\'b\\n'", "SELECT 'a''b\n'"},
        {"SELECT $q$it's$q$", "SELECT 'it''s'"},
        {"SELECT 1 -- comment\n, /* more */ 2", "SELECT 1 , 2"},
        {"SELECT string_agg(a, ',') FROM points", "SELECT group_concat (a, ',') FROM points"},
        {"SELECT 1 FETCH FIRST 5 ROWS ONLY", "SELECT 1 LIMIT 5"},
        {"SELECT 1 LIMIT ALL", "SELECT 1"},
        {"SELECT current_user", "SELECT current_user()"},
        {"  ; ", ""},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        same(rows[i].in, rows[i].out);
    }
}

static void test_the_rest_is_refused_with_its_place(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *in;
        sh_err err;
        uint32_t at;
    } rows[] = {
        {"SELECT ARRAY[1]", SH_E_UNSUPPORTED, 8},
        {"SELECT x[1]", SH_E_UNSUPPORTED, 9},
        {"SELECT DISTINCT ON (a) a", SH_E_UNSUPPORTED, 8},
        {"SELECT x AT TIME ZONE 'UTC'", SH_E_UNSUPPORTED, 10},
        {"SELECT x::point", SH_E_UNSUPPORTED, 11},
        {"SELECT x::int[]", SH_E_UNSUPPORTED, 14},
        {"SELECT interval '1 day' * 2", SH_E_UNSUPPORTED, 8},
        {"SELECT x = ANY('{1}')", SH_E_UNSUPPORTED, 12},
        {"SELECT ::int", SH_E_UNSUPPORTED, 13},
        {"SELECT 'abc", SH_E_INVAL, 8},
        {"SELECT (1", SH_E_INVAL, 10},
        {"SELECT 1)", SH_E_INVAL, 9},
        {"SELECT /* x", SH_E_INVAL, 8},
        {"SELECT $0", SH_E_INVAL, 8},
        {"SELECT $99999", SH_E_INVAL, 8},
        {"SELECT E'\\x41'", SH_E_INVAL, 11},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 16 << 20);
        struct sql_rewritten r;
        struct sh_sql_fault f = {.err = SH_OK};
        assert_int_equal(sql_rewrite(ar, sh_str_c(rows[i].in), &r, &f), rows[i].err);
        assert_int_equal(f.at, rows[i].at);
        assert_true(f.en[0] != '\0' && f.zh[0] != '\0' && f.state[0] != '\0');
        assert_true(rows[i].err != SH_E_UNSUPPORTED || f.remedy_zh[0] != '\0');
        sh_arena_free(ar);
    }
}

static void test_statements_are_taken_one_by_one(void **state)
{
    SH_UNUSED(state);
    struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 16 << 20);
    struct sql_rewritten r;
    struct sh_sql_fault f = {.err = SH_OK};
    assert_ok(sql_rewrite(ar, SH_STR("SELECT ';' ; SELECT 2"), &r, &f));
    assert_int_equal(r.used, 12);
    assert_string_equal(r.sql.p, "SELECT ';'");
    assert_ok(sql_rewrite(ar, SH_STR("SELECT  x::int"), &r, &f));
    assert_int_equal(sql_origin(&r, 12), 9); /* x */
    sh_arena_free(ar);
}

static void test_times_as_people_write_them(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *text;
        int64_t us; /* INT64_MIN: refused */
    } rows[] = {
        {"2026-01-01", INT64_C(1767225600000000)},
        {"2026-01-01T00:00:00Z", INT64_C(1767225600000000)},
        {"2026-01-01 08:00:00+08", INT64_C(1767225600000000)},
        {"2026-01-01 08:00:00.5+0800", INT64_C(1767225600500000)},
        {"2026-01-01 00:00", INT64_C(1767225600000000)},
        {"2025-12-31 19:00:00 -05:00", INT64_C(1767225600000000)},
        {"1767225600000", INT64_C(1767225600000000)},
        {"2024-02-29", INT64_C(1709164800000000)},
        {"2026-02-29", INT64_MIN},
        {"2026-13-01", INT64_MIN},
        {"2026-01-01 25:00", INT64_MIN},
        {"2026-01-01x", INT64_MIN},
        {"yesterday", INT64_MIN},
        {"", INT64_MIN},
        {"9223372036854775807", INT64_MIN},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        int64_t us = 0;
        const sh_err err = sh_sql_time_parse(sh_str_c(rows[i].text), &us);
        assert_int_equal(err, rows[i].us == INT64_MIN ? SH_E_INVAL : SH_OK);
        assert_true(err != SH_OK || us == rows[i].us);
    }
}

static void test_collation_orders_by_what_is_meant(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *a;
        const char *b;
        int sign;
    } rows[] = {
        {"2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", 1},
        {"2026-01-01T00:00:00Z", "2026-01-01 08:00+08", 0},
        {"2026-01-01T00:00:00Z", "1767225600001", -1},
        {"2026-01-01", "never", -1}, /* what is no time is behind */
        {"b", "a", 1},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const int c = sql_time_collate(NULL, (int)strlen(rows[i].a), rows[i].a,
                                       (int)strlen(rows[i].b), rows[i].b);
        assert_int_equal((c > 0) - (c < 0), rows[i].sign);
        const int d = sql_time_collate(NULL, (int)strlen(rows[i].b), rows[i].b,
                                       (int)strlen(rows[i].a), rows[i].a);
        assert_int_equal((d > 0) - (d < 0), -rows[i].sign);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_postgresql_become_sqlite),
        cmocka_unit_test(test_the_rest_is_refused_with_its_place),
        cmocka_unit_test(test_statements_are_taken_one_by_one),
        cmocka_unit_test(test_times_as_people_write_them),
        cmocka_unit_test(test_collation_orders_by_what_is_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
