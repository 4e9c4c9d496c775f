/* Units: UCUM 2.1 (The Unified Code for Units of Measure). Clause numbers are its own. */
#include <sh/test.h>

#include <sh/units.h>

/* from, to, x, y: y must come out to the bit. */
static const struct {
    const char *from;
    const char *to;
    double x;
    double y;
} known[] = {
    /* 2.3.1 exact decimal prefixes and products */
    {"kW.h", "MJ", 1, 3.6},
    {"kW.h", "J", 0.1, 360000},
    {"m3/h", "L/min", 6, 100},
    {"L/min", "m3/h", 100, 6},
    {"mm", "m", 3, 0.003},
    {"bar", "kPa", 1.25, 125},
    {"mbar", "Pa", 1013, 101300},
    {"MPa", "bar", 0.7, 7},
    {"kPa", "MPa", 101.3, 0.1013},
    {"Pa", "N/m2", 12.5, 12.5},
    {"t", "kg", 1.5, 1500},
    {"h", "s", 1, 3600},
    {"wk", "d", 1, 7},
    {"km/h", "m/s", 36, 10},
    {"{r}/min", "Hz", 3000, 50},
    {"/min", "s-1", 60, 1},
    {"A.h", "C", 1, 3600},
    {"V.A", "W", 5, 5},
    {"Ohm", "V/A", 7, 7},
    {"S/m", "/(Ohm.m)", 2, 2},
    {"uS/cm", "S/m", 500, 0.05},
    {"mPa.s", "Pa.s", 1, 0.001},
    {"cP", "mPa.s", 2, 2},
    {"mm2/s", "St", 100, 1},
    {"%", "1", 50, 0.5},
    {"[ppm]", "%", 10000, 1},
    {"10*3", "1", 2, 2000},
    {"10^-6", "[ppm]", 5, 5},
    {"KiBy", "bit", 1, 8192},
    {"MBy/s", "Mbit/s", 1, 8},
    {"J/(kg.K)", "kJ/(t.K)", 4186, 4186},
    {"W/(m2.K)", "J/s/m2/K", 3, 3},
    /* 4.2 natural and customary units: exact definitions */
    {"[in_i]", "mm", 1, 25.4},
    {"[ft_i]", "m", 1, 0.3048},
    {"[lb_av]", "kg", 1, 0.45359237},
    {"[gal_us]", "L", 1, 3.785411784},
    {"[psi]", "Pa", 1, 6894.757293168362},
    {"kgf/cm2", "kPa", 1, 98.0665},
    {"att", "bar", 1, 0.980665},
    {"atm", "Pa", 1, 101325},
    {"mm[Hg]", "Pa", 1, 133.322},
    {"mm[H2O]", "Pa", 1, 9.80665},
    {"[in_i'Hg]", "Pa", 1, 3386.3788},
    {"kcal_IT", "kJ", 1, 4.1868},
    {"kcal", "kJ", 1, 4.184},
    {"[Btu_IT]", "J", 1, 1055.05585262},
    {"[g]", "m/s2", 1, 9.80665},
    {"[nmi_i]", "km", 1, 1.852},
    {"a", "d", 1, 365.25},
    {"mol", "kmol", 1, 0.001},
    {"eq", "mmol", 1, 1000},
    /* 4.3 angles */
    {"deg", "rad", 180, 3.141592653589793},
    {"circ", "deg", 1, 360},
    {"'", "''", 1, 60},
    {"gon", "deg", 100, 90},
    /* 2.5 special units: temperature scales (4.5) */
    {"Cel", "K", 25, 298.15},
    {"K", "Cel", 273.15, 0},
    {"Cel", "[degF]", 25, 77},
    {"[degF]", "Cel", 77, 25},
    {"[degF]", "Cel", -40, -40},
    {"Cel", "[degF]", 100, 212},
    {"[degRe]", "Cel", 80, 100},
    {"[degF]", "K", 32, 273.15},
    {"[degR]", "K", 9, 5},
    {"mCel", "Cel", 2500, 2.5},
    {"Cel{body}", "Cel", 36.6, 36.6},
};

static void test_unit_convert_known_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < SH_COUNT(known); i++) {
        struct sh_unit a;
        struct sh_unit b;
        struct sh_unit_conv c;
        struct sh_diag d = {0};
        if (sh_unit_lookup(sh_str_c(known[i].from), &a, NULL, NULL, &d) != SH_OK ||
            sh_unit_parse(sh_str_c(known[i].to), &b, &d) != SH_OK) {
            fail_msg("row %zu: %s", i, d.message);
        }
        assert_ok(sh_unit_conv(&a, &b, &c));
        const double y = sh_unit_convert(&c, known[i].x);
        if (sh_f64_bits(y) != sh_f64_bits(known[i].y)) {
            fail_msg("%s -> %s: %.17g is %.17g, not %.17g", known[i].from, known[i].to, known[i].x,
                     y, known[i].y);
        }
    }
}

/* Invariant 2 of units.c: 550 ft.lbf/s needs 60 bits, so it may be off by a last place or two. */
static void test_unit_convert_long_product_is_close(void **state)
{
    (void)state;
    struct sh_unit a;
    struct sh_unit b;
    struct sh_unit_conv c;
    assert_ok(sh_unit_parse(SH_STR("[HP]"), &a, NULL));
    assert_ok(sh_unit_parse(SH_STR("W"), &b, NULL));
    assert_ok(sh_unit_conv(&a, &b, &c));
    const double d = sh_unit_convert(&c, 1) / 745.6998715822702 - 1;
    assert_true(d < 1e-15 && d > -1e-15);
}

static void test_unit_conv_other_dimension_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"kW", "kW.h"}, {"Cel", "J"}, {"m", "m2"},
                                          {"1", "rad"},   {"Hz", "m"},  {"mol", "g"}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_unit a;
        struct sh_unit b;
        struct sh_unit_conv c;
        assert_ok(sh_unit_parse(sh_str_c(rows[i][0]), &a, NULL));
        assert_ok(sh_unit_parse(sh_str_c(rows[i][1]), &b, NULL));
        assert_false(sh_unit_compatible(&a, &b));
        assert_int_equal(sh_unit_conv(&a, &b, &c), SH_E_INVAL);
    }
}

static void test_unit_parse_mistake_names_the_column(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        sh_err err;
        const char *column;
    } rows[] = {
        {"kWh", SH_E_INVAL, "column 1:"}, /* no such atom, no prefix + atom */
        {"m/xyz", SH_E_INVAL, "column 3:"},
        {"kmin", SH_E_INVAL, "column 1:"}, /* 2.2: minute takes no prefix */
        {"M", SH_E_INVAL, "column 1:"},    /* a prefix alone */
        {"m..s", SH_E_INVAL, "column 3:"},
        {"m/", SH_E_INVAL, "column 3:"},
        {"/", SH_E_INVAL, "column 2:"},
        {"(m.s", SH_E_INVAL, "column 1:"},
        {"m)", SH_E_INVAL, "column 2:"},
        {"m s", SH_E_INVAL, "column 2:"},
        {"m^2", SH_E_INVAL, "column 1:"},
        {"m-", SH_E_INVAL, "column 2:"},
        {"m{a", SH_E_INVAL, "column 2:"},
        {"m{a{b}}", SH_E_INVAL, "column 4:"},
        {"[in_i", SH_E_INVAL, "column 1:"},
        {"0.m", SH_E_INVAL, "column 1:"},
        {"Cel/s", SH_E_INVAL, "column 1:"}, /* 2.5: special units are not part of products */
        {"W/Cel", SH_E_INVAL, "column 3:"},
        {"Cel2", SH_E_INVAL, "column 4:"},
        {"dB", SH_E_INVAL, "column 1:"}, /* left out whole */
        {"[pH]", SH_E_INVAL, "column 1:"},
        {"m1000", SH_E_LIMIT, "column 2:"},
        {"m99.m99", SH_E_LIMIT, "column 5:"},
        {"9007199254740992.m", SH_E_LIMIT, "column 1:"},
        {"((((((((((m))))))))))", SH_E_LIMIT, "column 9:"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_unit u;
        struct sh_diag d = {0};
        assert_int_equal(sh_unit_parse(sh_str_c(rows[i].code), &u, &d), rows[i].err);
        if (strstr(d.message, rows[i].column) == NULL) {
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].code, d.message, rows[i].column);
        }
    }
}

static void test_unit_print_is_canonical_and_parses_back(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *canonical;
    } rows[] = {
        {"", "1"},
        {"1", "1"},
        {"{rpm}", "1"},
        {"kW.h", "36.10*8.m2.s-2.g"},
        {"N", "10*3.m.s-2.g"},
        {"deg", "/"}, /* only that it parses back */
        {"m3/h", "/"},
        {"[psi]", "/"},
        {"Cel", "Cel"},
        {"[degF]", "[degF]"},
        {"[degRe]", "[degRe]"},
        {"Ohm", "10*3.m2.s-1.g.C-2"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_unit u;
        struct sh_unit v;
        char text[SH_UNIT_PRINT_CHARS];
        size_t n = 0;
        assert_ok(sh_unit_parse(sh_str_c(rows[i].code), &u, NULL));
        assert_ok(sh_unit_print(&u, text, &n));
        assert_ok(sh_unit_parse(sh_str_of(text, n), &v, NULL));
        assert_memory_equal(u.dim, v.dim, sizeof u.dim);
        assert_true(u.num == v.num && u.den == v.den && u.e10 == v.e10 && u.pi == v.pi);
        if (strchr(rows[i].canonical, '/') == NULL) {
            assert_int_equal(n, strlen(rows[i].canonical));
            assert_memory_equal(text, rows[i].canonical, n);
        }
    }
    struct sh_unit milli;
    char text[SH_UNIT_PRINT_CHARS];
    size_t n = 0;
    assert_ok(sh_unit_parse(SH_STR("mCel"), &milli, NULL));
    assert_int_equal(sh_unit_print(&milli, text, &n), SH_E_UNSUPPORTED);
}

static void test_unit_lookup_accepts_what_people_write(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *code;
    } rows[] = {
        {"kW.h", "kW.h"},
        {"kWh", "kW.h"},
        {"\xE2\x84\x83", "Cel"},
        {"\xC2\xB0\x43", "Cel"},
        {"m\xC2\xB3/h", "m3/h"},
        {"Nm\xC2\xB3/h", "m3{normal}/h"},
        {"m/s\xC2\xB2", "m/s2"},
        {"\xCE\xBCm", "um"},
        {"k\xCE\xA9", "kOhm"},
        {"kW\xC2\xB7h", "kW.h"},
        {"r/min", "{r}/min"},
        {"rpm", "{r}/min"},
        {"psi", "[psi]"},
        {"kvar", "kV.A{reactive}"},
        {"tce", "29307600.kJ{coal equivalent}"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_unit u;
        char code[SH_UNIT_MAX_CHARS];
        size_t n = 0;
        assert_ok(sh_unit_lookup(sh_str_c(rows[i].text), &u, code, &n, NULL));
        assert_int_equal(n, strlen(rows[i].code));
        assert_memory_equal(code, rows[i].code, n);
    }
    struct sh_unit u;
    struct sh_diag d = {0};
    assert_int_equal(sh_unit_lookup(SH_STR("furlongs"), &u, NULL, NULL, &d), SH_E_INVAL);
    assert_non_null(strstr(d.message, "column 1"));
    assert_int_equal(sh_unit_lookup(SH_STR("\xE5\xBA\xA6"), &u, NULL, NULL, &d), SH_E_INVAL);
}

static void test_unit_convert_many_equals_one_by_one(void **state)
{
    (void)state;
    struct sh_unit a;
    struct sh_unit b;
    struct sh_unit_conv c;
    double x[100];
    assert_ok(sh_unit_parse(SH_STR("[degF]"), &a, NULL));
    assert_ok(sh_unit_parse(SH_STR("Cel"), &b, NULL));
    assert_ok(sh_unit_conv(&a, &b, &c));
    for (size_t i = 0; i < SH_COUNT(x); i++) {
        x[i] = (double)i * 1.5;
    }
    sh_unit_convert_many(&c, SH_COUNT(x), x);
    for (size_t i = 0; i < SH_COUNT(x); i++) {
        assert_true(sh_f64_bits(x[i]) == sh_f64_bits(sh_unit_convert(&c, (double)i * 1.5)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit_convert_known_values),
        cmocka_unit_test(test_unit_convert_long_product_is_close),
        cmocka_unit_test(test_unit_conv_other_dimension_is_refused),
        cmocka_unit_test(test_unit_parse_mistake_names_the_column),
        cmocka_unit_test(test_unit_print_is_canonical_and_parses_back),
        cmocka_unit_test(test_unit_lookup_accepts_what_people_write),
        cmocka_unit_test(test_unit_convert_many_equals_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
