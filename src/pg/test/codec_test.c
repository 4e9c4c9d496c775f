/* codec_test.c - messages of protocol 3.0 byte by byte.
 * Spec: PostgreSQL 15 documentation, 55.7.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include "../codec.h"
#include "../types.h"

static void test_any_prefix_asks_for_more(void **state)
{
    SH_UNUSED(state);
    static const uint8_t startup[] = {0, 0, 0, 17, 0, 3, 0, 0, 'u', 's', 'e', 'r', 0, 'a', 0, 0, 0};
    static const uint8_t query[] = {'Q', 0, 0, 0, 6, '1', 0, 'S'};
    struct pg_msg m;
    size_t used = 0;
    for (size_t n = 0; n < 17; n++) {
        assert_int_equal(pg_next(sh_bytes_of(startup, n), true, &m, &used), SH_E_AGAIN);
    }
    assert_ok(pg_next(sh_bytes_of(startup, sizeof startup), true, &m, &used));
    assert_int_equal(used, 17);
    assert_int_equal(m.code, PG_PROTOCOL);
    struct sh_str user;
    assert_ok(pg_startup_find(m.body, "user", &user));
    assert_str(user, "a");
    assert_ok(pg_startup_find(m.body, "database", &user));
    assert_int_equal(user.n, 0);
    for (size_t n = 0; n < 7; n++) {
        assert_int_equal(pg_next(sh_bytes_of(query, n), false, &m, &used), SH_E_AGAIN);
    }
    assert_ok(pg_next(sh_bytes_of(query, sizeof query), false, &m, &used));
    assert_int_equal(used, 7);
    assert_int_equal(m.type, 'Q');
    assert_int_equal(m.body.n, 2);
}

static void test_lengths_that_cannot_be_are_refused_at_once(void **state)
{
    SH_UNUSED(state);
    static const struct {
        uint8_t bytes[5];
        size_t n;
        bool first;
    } rows[] = {
        {{0, 0, 0, 7}, 4, true},       /* shorter than its code */
        {{0, 0, 0x27, 0x11}, 4, true}, /* 10,001 */
        {{'Q', 0, 0, 0, 3}, 5, false}, /* shorter than itself */
        {{'Q', 0xff, 0xff, 0xff, 0xff}, 5, false},
        {{'G', 'E', 'T', ' ', '/'}, 5, true},
    };
    struct pg_msg m;
    size_t used = 0;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(pg_next(sh_bytes_of(rows[i].bytes, rows[i].n), rows[i].first, &m, &used),
                         SH_E_PROTO);
    }
    struct sh_str v;
    assert_int_equal(pg_startup_find(sh_bytes_of("user\0a", 6), "user", &v), SH_E_PROTO);
    assert_int_equal(pg_startup_find(sh_bytes_of("", 0), "user", &v), SH_E_PROTO);
}

static void test_messages_out(void **state)
{
    SH_UNUSED(state);
    struct sh_buf b;
    struct pg_out o = {.b = &b};
    const struct pg_fault f = {
        .severity = "ERROR", .state = "42601", .message = "no", .hint = "", .position = 3};
    sh_buf_init(&b, sh_alloc_heap(), 1000);
    pg_ready(&o, 'I');
    pg_tag(&o, "SELECT 1");
    pg_error(&o, &f);
    assert_ok(o.err);
    static const char want[] = "Z\0\0\0\5I"
                               "C\0\0\0\x0dSELECT 1\0"
                               "E\0\0\0\x21SERROR\0VERROR\0C42601\0Mno\0P3\0";
    assert_int_equal(b.n, sizeof want); /* the NUL of the literal ends the error */
    assert_memory_equal(b.p, want, sizeof want);
    sh_buf_fini(&b);
}

static void cell(struct sh_sql_cell c, uint32_t oid, bool binary, sh_err err, const char *want,
                 size_t n)
{
    struct sh_buf b;
    struct pg_out o = {.b = &b};
    sh_buf_init(&b, sh_alloc_heap(), 1000);
    assert_int_equal(pg_put_cell(&o, &c, oid, binary), err);
    if (err == SH_OK) {
        assert_int_equal(b.n, n + 4);
        assert_int_equal(sh_be32(b.p), n);
        assert_memory_equal(b.p + 4, want, n);
    }
    sh_buf_fini(&b);
}

static void test_cells_in_text_and_binary(void **state)
{
    SH_UNUSED(state);
    const struct sh_sql_cell one = {.type = SH_SQL_INT, .i64 = 1, .f64 = 1};
    const struct sh_sql_cell half = {.type = SH_SQL_REAL, .f64 = 0.5};
    const struct sh_sql_cell word = {.type = SH_SQL_TEXT, .text = SH_STR("x")};
    const struct sh_sql_cell time = {.type = SH_SQL_TEXT, .text = SH_STR("2000-01-01T00:00:01.5Z")};
    cell(one, PG_INT8, false, SH_OK, "1", 1);
    cell(one, PG_INT8, true, SH_OK, "\0\0\0\0\0\0\0\1", 8);
    cell(one, PG_FLOAT8, true, SH_OK, "\x3f\xf0\0\0\0\0\0\0", 8);
    cell(one, PG_BOOL, false, SH_OK, "t", 1);
    cell(one, PG_BOOL, true, SH_OK, "\1", 1);
    cell(half, PG_FLOAT8, false, SH_OK, "0.5", 3);
    cell(half, PG_INT8, false, SH_E_INVAL, NULL, 0); /* one type a column */
    cell(half, PG_TEXT, false, SH_OK, "0.5", 3);
    cell(word, PG_TEXT, true, SH_OK, "x", 1);
    cell(word, PG_FLOAT8, false, SH_E_INVAL, NULL, 0);
    cell(word, PG_TIMESTAMPTZ, false, SH_E_INVAL, NULL, 0);
    cell(time, PG_TIMESTAMPTZ, false, SH_OK, "2000-01-01 00:00:01.500+00", 26);
    cell(time, PG_TIMESTAMPTZ, true, SH_OK, "\0\0\0\0\0\x16\xe3\x60", 8);
    cell(one, PG_TIMESTAMPTZ, false, SH_E_INVAL, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_prefix_asks_for_more),
        cmocka_unit_test(test_lengths_that_cannot_be_are_refused_at_once),
        cmocka_unit_test(test_messages_out),
        cmocka_unit_test(test_cells_in_text_and_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
