#include <sh/test.h>

#include "../slow.h"

static struct slow_entry entry(uint32_t tenant, const char *route, int64_t time_us, int64_t took_us)
{
    return (struct slow_entry){
        .tenant = tenant, .method = "GET", .route = route, .time_us = time_us, .took_us = took_us};
}

static uint64_t put(struct slow *s, struct slow_entry e)
{
    uint64_t unlogged = 0;
    slow_put(s, &e, &unlogged);
    return unlogged;
}

static struct slow *made(void)
{
    struct slow *s = NULL;
    assert_ok(slow_new(sh_alloc_heap(), &s));
    return s;
}

static void test_limit_zero_is_off_and_else_from_it_on(void **state)
{
    SH_UNUSED(state);
    struct slow *s = made();
    assert_false(slow_is(s, INT64_C(3600000000)));
    assert_int_equal(slow_limit(s), 0);
    slow_set(s, 1000);
    assert_false(slow_is(s, 999));
    assert_true(slow_is(s, 1000));
    assert_int_equal(slow_limit(s), 1000);
    slow_set(s, 0);
    assert_false(slow_is(s, 1000));
    slow_free(sh_alloc_heap(), s);
}

static void test_text_is_cut_at_a_whole_character(void **state)
{
    SH_UNUSED(state);
    char text[SLOW_TEXT + 8];
    struct slow_entry e = {.seq = 0};
    memset(text, 'a', sizeof text);
    slow_text(&e, SLOW_SQL, sh_str_of(text, SLOW_TEXT));
    assert_int_equal(e.ntext, SLOW_TEXT);
    assert_false(e.cut);
    text[SLOW_TEXT - 2] = (char)0xe6; /* a character whose last byte is beyond the bound */
    text[SLOW_TEXT - 1] = (char)0xb3;
    text[SLOW_TEXT] = (char)0xb5;
    slow_text(&e, SLOW_SQL, sh_str_of(text, sizeof text));
    assert_true(e.cut);
    assert_int_equal(e.ntext, SLOW_TEXT - 2);
    assert_int_equal(e.form, SLOW_SQL);
}

static void test_ring_keeps_the_newest_and_ends(void **state)
{
    SH_UNUSED(state);
    struct slow *s = made();
    struct slow_entry e;
    assert_int_equal(slow_at(s, 0, &e), SH_E_NOTFOUND);
    for (uint64_t i = 1; i <= SLOW_KEPT + 10; i++) {
        (void)put(s, entry(1, "/a", (int64_t)i, (int64_t)i * 10));
    }
    uint64_t before = 0;
    uint64_t n = 0;
    while (slow_at(s, before, &e) == SH_OK) {
        assert_int_equal(e.seq, SLOW_KEPT + 10 - n);
        assert_int_equal(e.took_us, e.seq * 10);
        before = e.seq;
        n++;
    }
    assert_int_equal(n, SLOW_KEPT);
    assert_int_equal(slow_at(s, 5, &e), SH_E_NOTFOUND); /* it made room */
    assert_int_equal(slow_at(s, UINT64_MAX, &e), SH_OK);
    assert_int_equal(e.seq, SLOW_KEPT + 10);
    assert_int_equal(atomic_load(&s->count), SLOW_KEPT + 10);
    slow_free(sh_alloc_heap(), s);
}

static void test_rows_count_lately_and_since_the_start(void **state)
{
    SH_UNUSED(state);
    struct slow *s = made();
    struct slow_row r;
    int64_t worst = 0;
    const int64_t minute = INT64_C(60000000);
    (void)put(s, entry(1, "/a", 100 * minute, 5000));
    (void)put(s, entry(1, "/a", 110 * minute, 3000));
    (void)put(s, entry(1, "/a", 110 * minute + 1, 4000));
    (void)put(s, entry(2, "/a", 110 * minute, 9000)); /* another tenant's: a row of its own */
    assert_true(slow_row_at(s, 0, &r));
    assert_int_equal(r.count, 3);
    assert_int_equal(r.worst_us, 5000);
    assert_int_equal(slow_lately(&r, 110 * minute, &worst), 3);
    assert_int_equal(worst, 5000);
    assert_int_equal(slow_lately(&r, 115 * minute, &worst), 2); /* the first is 15 minutes old */
    assert_int_equal(worst, 4000);
    assert_int_equal(slow_lately(&r, 125 * minute, &worst), 0);
    assert_int_equal(worst, 0);
    (void)put(s, entry(1, "/a", 115 * minute, 100)); /* takes the place of the first's minute */
    assert_true(slow_row_at(s, 0, &r));
    assert_int_equal(slow_lately(&r, 115 * minute, &worst), 3);
    assert_true(slow_row_at(s, 1, &r));
    assert_int_equal(r.tenant, 2);
    assert_false(slow_row_at(s, 2, &r));
    slow_free(sh_alloc_heap(), s);
}

static void test_rows_are_bounded_and_the_oldest_goes(void **state)
{
    SH_UNUSED(state);
    struct slow *s = made();
    struct slow_row r;
    bool first = false;
    bool newest = false;
    for (uint32_t i = 1; i <= SLOW_ROWS + 1; i++) {
        (void)put(s, entry(i, "/a", i, 1));
    }
    for (size_t i = 0; slow_row_at(s, i, &r); i++) {
        first = first || r.tenant == 1;
        newest = newest || r.tenant == SLOW_ROWS + 1;
    }
    assert_false(slow_row_at(s, SLOW_ROWS, &r));
    assert_false(first);
    assert_true(newest);
    slow_free(sh_alloc_heap(), s);
}

static void test_log_has_a_line_at_most_every_ten_seconds(void **state)
{
    SH_UNUSED(state);
    struct slow *s = made();
    const int64_t second = 1000000;
    assert_int_equal(put(s, entry(1, "/a", 100 * second, 1)), 1);
    assert_int_equal(put(s, entry(1, "/a", 101 * second, 1)), 0);
    assert_int_equal(put(s, entry(1, "/a", 109 * second, 1)), 0);
    assert_int_equal(put(s, entry(1, "/a", 110 * second, 1)), 3);
    assert_int_equal(put(s, entry(1, "/a", 50 * second, 1)), 1); /* the clock was set back */
    slow_free(sh_alloc_heap(), s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_zero_is_off_and_else_from_it_on),
        cmocka_unit_test(test_text_is_cut_at_a_whole_character),
        cmocka_unit_test(test_ring_keeps_the_newest_and_ends),
        cmocka_unit_test(test_rows_count_lately_and_since_the_start),
        cmocka_unit_test(test_rows_are_bounded_and_the_oldest_goes),
        cmocka_unit_test(test_log_has_a_line_at_most_every_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
