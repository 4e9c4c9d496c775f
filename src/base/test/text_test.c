#include <sh/test.h>

#include <math.h>
#include <stdlib.h>

static void test_f64_print_known_values(void **state)
{
    SH_UNUSED(state);
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0.0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {23.45, "23.45"},
        {100, "100"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {5e-324, "5e-324"},
        {0.00001, "0.00001"},
        {1e-7, "1e-07"},
        {1.0 / 3, "0.3333333333333333"},
        {123456789.125, "123456789.125"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
        {NAN, "NaN"},
        {9007199254740993.0, "9007199254740992"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char t[SH_F64_CHARS + 1];
        t[sh_f64_print(rows[i].v, t)] = '\0';
        assert_string_equal(t, rows[i].text);
    }
}

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void check_round_trip(double v)
{
    char t[SH_F64_CHARS + 1];
    const size_t n = sh_f64_print(v, t);
    t[n] = '\0';
    double back = 0;
    assert_ok(sh_f64_parse(sh_str_of(t, n), &back));
    assert_true(sh_f64_bits(back) == sh_f64_bits(v));
    assert_true(sh_f64_bits(strtod(t, NULL)) == sh_f64_bits(v));
    /* No shorter text of the %g family reads back. */
    size_t digits = 0;
    for (size_t i = 0; i < n && t[i] != 'e'; i++) {
        digits += t[i] >= '0' && t[i] <= '9' && (digits > 0 || t[i] != '0') ? 1 : 0;
    }
    if (digits > 1 && digits <= 17 && memchr(t, '.', n) != NULL) {
        char shorter[40];
        (void)snprintf(shorter, sizeof shorter, "%.*g", (int)digits - 1, v);
        assert_true(strtod(shorter, NULL) != v);
    }
}

/* Significant digits and the power of ten of the first, of "123.4500" or "1.234500e+02". */
static int canonical(const char *t, char digits[40])
{
    int n = 0;
    int point = -1;
    int first = -1;
    int at = 0;
    for (; *t != '\0' && *t != 'e'; t++) {
        if (*t == '.') {
            point = at;
            continue;
        }
        if (*t >= '0' && *t <= '9') {
            if (n > 0 || *t != '0') {
                first = first < 0 ? at : first;
                digits[n++] = *t;
            }
            at++;
        }
    }
    while (n > 0 && digits[n - 1] == '0') {
        n--;
    }
    digits[n] = '\0';
    point = point < 0 ? at : point;
    return point - first + (*t == 'e' ? (int)strtol(t + 1, NULL, 10) : 0);
}

/* Shortest, and of the shortest the nearest: the fewest digits of printf that read back. */
static void check_shortest(double v)
{
    char ours[SH_F64_CHARS + 1];
    char want[40];
    char a[40];
    char b[40];
    ours[sh_f64_print(v, ours)] = '\0';
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(want, sizeof want, "%.*e", digits - 1, v);
        if (strtod(want, NULL) == v) {
            break;
        }
    }
    const int ea = canonical(ours, a);
    const int eb = canonical(want, b);
    if (strcmp(a, b) != 0 || ea != eb) {
        fail_msg("%s printed, %s expected", ours, want);
    }
}

static void test_f64_print_is_the_shortest_that_reads_back(void **state)
{
    SH_UNUSED(state);
    uint64_t s = 31;
    for (int i = 0; i < 20000; i++) {
        const double part = (double)(next(&s) >> 11) / 9007199254740992.0;
        check_shortest(ldexp(0.5 + part / 2, (int)(next(&s) % 68) - 17)); /* all digits */
        check_shortest((double)(next(&s) % 1000000) / 3);                 /* means */
        check_shortest((double)(next(&s) % 100000000) / 10000);
    }
    for (int e = -16; e < 50; e++) { /* powers of two: the lower neighbour is nearer */
        check_shortest(ldexp(1, e));
        check_shortest(nextafter(ldexp(1, e), 0));
        check_shortest(nextafter(ldexp(1, e), 1e300));
    }
    check_shortest(9007199254740993.0 / 8);
    check_shortest(0.3);
    check_shortest(0.1 + 0.2);
}

static void test_f64_print_then_parse_gives_same_bits(void **state)
{
    SH_UNUSED(state);
    uint64_t s = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        const double any = sh_f64_from_bits(next(&s));
        if (isfinite(any)) {
            check_round_trip(any);
        }
        check_round_trip((double)(int64_t)(next(&s) % 2000000) / 100.0 - 10000);
        check_round_trip((double)(int64_t)(next(&s) >> 20) / 4096.0);
    }
}

static void test_f64_parse_is_correctly_rounded(void **state)
{
    SH_UNUSED(state);
    static const char *const rows[] = {
        "9007199254740993",
        "1.7976931348623157e308",
        "2.2250738585072011e-308",
        "123456789012345678901234567890",
        "0.1e-400",
        "1e400",
        "-1e23",
        "8.5e22",
        "3.1415926535897932384626433832795028841971",
        "00012.50",
        ".5",
        "5.",
        "1e22",
        "1e-22",
        "4503599627370496.5",
        "179769313486231580793728971405301199e272",
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        double v = 0;
        assert_ok(sh_f64_parse(sh_str_c(rows[i]), &v));
        assert_true(sh_f64_bits(v) == sh_f64_bits(strtod(rows[i], NULL)));
    }
}

static void test_f64_parse_refuses_what_is_not_a_number(void **state)
{
    SH_UNUSED(state);
    static const char *const rows[] = {"",    "-",  "+1", "1e",    "1e+", "0x10", "nan",
                                       "inf", " 1", "1 ", "1.2.3", ".",   "1_0",  "--1"};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        double v = 0;
        assert_int_equal(sh_f64_parse(sh_str_c(rows[i]), &v), SH_E_INVAL);
    }
}

static void test_i64_limits(void **state)
{
    SH_UNUSED(state);
    int64_t v = 0;
    assert_ok(sh_i64_parse(SH_STR("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_ok(sh_i64_parse(SH_STR("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    assert_int_equal(sh_i64_parse(SH_STR("9223372036854775808"), &v), SH_E_LIMIT);
    assert_int_equal(sh_i64_parse(SH_STR("-9223372036854775809"), &v), SH_E_LIMIT);
    assert_int_equal(sh_i64_parse(SH_STR("99999999999999999999999"), &v), SH_E_LIMIT);
    assert_int_equal(sh_i64_parse(SH_STR(""), &v), SH_E_INVAL);
    char t[SH_I64_CHARS];
    assert_str(sh_str_of(t, sh_i64_print(INT64_MIN, t)), "-9223372036854775808");
    assert_str(sh_str_of(t, sh_u64_print(UINT64_MAX, t)), "18446744073709551615");
}

static void test_time_parse_and_print(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *text;
        int64_t us;
        const char *printed;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2026-01-02T03:04:05.678Z", 1767323045678000, "2026-01-02T03:04:05.678Z"},
        {"2026-01-02T11:04:05.678901234+08:00", 1767323045678901, "2026-01-02T03:04:05.678901Z"},
        {"2024-02-29 23:59:60Z", 1709251200000000, "2024-03-01T00:00:00Z"},
        {"1969-12-31T23:59:59.5Z", -500000, "1969-12-31T23:59:59.500Z"},
        {"1767323045678", 1767323045678000, "2026-01-02T03:04:05.678Z"},
        {"-1", -1000, "1969-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        int64_t us = 0;
        assert_ok(sh_time_parse(sh_str_c(rows[i].text), &us));
        assert_true(us == rows[i].us);
        char t[SH_TIME_CHARS + 1];
        t[sh_time_print(us, t)] = '\0';
        assert_string_equal(t, rows[i].printed);
    }
    static const char *const bad[] = {"",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+8",
                                      "x"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        int64_t us = 0;
        assert_int_equal(sh_time_parse(sh_str_c(bad[i]), &us), SH_E_INVAL);
    }
}

static void test_civil_round_trip_over_eras(void **state)
{
    SH_UNUSED(state);
    for (int64_t day = -800000; day < 800000; day += 13) {
        int64_t y;
        unsigned m;
        unsigned d;
        sh_civil_from_days(day, &y, &m, &d);
        assert_true(sh_days_from_civil(y, m, d) == day);
        assert_true(m >= 1 && m <= 12 && d >= 1 && d <= 31);
    }
}

static void test_utf8_table_of_rfc3629(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *s;
        bool ok;
    } rows[] = {
        {"", true},
        {"plain ascii text", true},
        {"\xe6\x9d\xbe\xe8\x8a\xb1", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xc0\x80", false},
        {"\xe0\x80\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xff", false},
        {"\xe6\x9d", false},
        {"12345678\x80", false},
        {"\xc2", false},
        {"a\xcc\x81", true},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_utf8_valid(sh_str_c(rows[i].s)), rows[i].ok);
    }
}

static void test_gbk_round_trip(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf utf8;
    struct sh_buf gbk;
    sh_buf_init(&utf8, t.env.alloc, 4096);
    sh_buf_init(&gbk, t.env.alloc, 4096);
    assert_ok(sh_gbk_to_utf8(sh_bytes_of("\xcb\xc9\xbb\xa8 1\xba\xc5", 8), &utf8)); /* 松花 1号 */
    assert_str(sh_buf_str(&utf8), "\xe6\x9d\xbe\xe8\x8a\xb1 1\xe5\x8f\xb7");
    assert_ok(sh_utf8_to_gbk(sh_buf_str(&utf8), &gbk));
    assert_str(sh_buf_str(&gbk), "\xcb\xc9\xbb\xa8 1\xba\xc5");
    assert_int_equal(sh_gbk_to_utf8(sh_bytes_of("\xcb", 1), &utf8), SH_E_PROTO);
    sh_buf_fini(&utf8);
    sh_buf_fini(&gbk);
    sh_test_env_fini(&t);
}

static bool unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static void test_encodings(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, t.env.alloc, 4096);
    /* RFC 4648, section 10 */
    static const char *const rows[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        sh_buf_clear(&b);
        assert_ok(sh_base64_put(&b, sh_str_bytes(sh_str_c(rows[i][0])), false));
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i][1]));
        sh_buf_clear(&b);
        assert_ok(sh_base64_parse(sh_str_c(rows[i][1]), false, &b));
        assert_true(sh_str_eqc(sh_buf_str(&b), rows[i][0]));
    }
    assert_int_equal(sh_base64_parse(SH_STR("Zh=="), false, &b), SH_E_PROTO); /* loose bits */
    assert_int_equal(sh_base64_parse(SH_STR("Zg="), false, &b), SH_E_PROTO);
    sh_buf_clear(&b);
    assert_ok(sh_hex_put(&b, sh_bytes_of("\x00\xff\x1a", 3)));
    assert_str(sh_buf_str(&b), "00ff1a");
    assert_int_equal(sh_hex_parse(SH_STR("0g"), &b), SH_E_PROTO);
    sh_buf_clear(&b);
    assert_ok(sh_percent_put(&b, SH_STR("a/+b"), unreserved));
    assert_str(sh_buf_str(&b), "a%2F%2Bb");
    sh_buf_clear(&b);
    assert_ok(sh_percent_parse(SH_STR("a%2F+b%7e"), true, &b));
    assert_str(sh_buf_str(&b), "a/ b~");
    assert_int_equal(sh_percent_parse(SH_STR("%2"), true, &b), SH_E_PROTO);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_durations_and_sizes(void **state)
{
    SH_UNUSED(state);
    int64_t us = 0;
    uint64_t n = 0;
    assert_ok(sh_duration_parse(SH_STR("1500ms"), &us));
    assert_true(us == 1500000);
    assert_ok(sh_duration_parse(SH_STR("7d"), &us));
    assert_true(us == 604800000000);
    assert_int_equal(sh_duration_parse(SH_STR("7"), &us), SH_E_INVAL);
    assert_int_equal(sh_duration_parse(SH_STR("9223372036854775807d"), &us), SH_E_LIMIT);
    assert_ok(sh_size_parse(SH_STR("64KiB"), &n));
    assert_true(n == 65536);
    assert_int_equal(sh_size_parse(SH_STR("64kb"), &n), SH_E_INVAL);
}

static void test_csv_cells_are_no_formulas_and_come_back(void **state)
{
    static const struct {
        const char *text;
        const char *cell;
        const char *quoted;
    } rows[] = {
        {"", "", "\"\""},
        {"pump 1", "pump 1", "\"pump 1\""},
        {" a", "\" a\"", "\" a\""},
        {"a,b", "\"a,b\"", "\"a,b\""},
        {"say \"x\"", "\"say \"\"x\"\"\"", "\"say \"\"x\"\"\""},
        {"=1+1", "'=1+1", "\"'=1+1\""},
        {"@SUM(A1)", "'@SUM(A1)", "\"'@SUM(A1)\""},
        {"-40C", "'-40C", "\"'-40C\""},
        {"\tx", "'\tx", "\"'\tx\""},
        {"'=1", "''=1", "\"''=1\""},
        {"'tis", "'tis", "\"'tis\""},
        {"'", "'", "\"'\""},
        {"=HYPERLINK(\"a\",1)", "\"'=HYPERLINK(\"\"a\"\",1)\"", "\"'=HYPERLINK(\"\"a\"\",1)\""},
    };
    struct sh_buf b;
    (void)state;
    sh_buf_init(&b, sh_alloc_heap(), 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int quotes = 0; quotes < 2; quotes++) {
            sh_buf_clear(&b);
            assert_ok(sh_csv_put(&b, sh_str_c(rows[i].text), quotes == 1));
            const char *want = quotes == 1 ? rows[i].quoted : rows[i].cell;
            assert_true(sh_str_eqc(sh_buf_str(&b), want));
        }
        if (strchr(rows[i].text, '"') == NULL) { /* what a reader makes of it */
            struct sh_str cell = sh_buf_str(&b);
            cell = sh_str_sub(cell, 1, cell.n - 1);
            assert_true(sh_str_eqc(sh_csv_text(cell), rows[i].text));
        }
    }
    sh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_cells_are_no_formulas_and_come_back),
        cmocka_unit_test(test_f64_print_known_values),
        cmocka_unit_test(test_f64_print_then_parse_gives_same_bits),
        cmocka_unit_test(test_f64_print_is_the_shortest_that_reads_back),
        cmocka_unit_test(test_f64_parse_is_correctly_rounded),
        cmocka_unit_test(test_f64_parse_refuses_what_is_not_a_number),
        cmocka_unit_test(test_i64_limits),
        cmocka_unit_test(test_time_parse_and_print),
        cmocka_unit_test(test_civil_round_trip_over_eras),
        cmocka_unit_test(test_utf8_table_of_rfc3629),
        cmocka_unit_test(test_gbk_round_trip),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_durations_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
