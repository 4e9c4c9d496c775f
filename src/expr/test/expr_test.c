/* The language, row by row: what an expression gives, its type and unit, and what is said of a
 * wrong one. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>

#include <sh/expr.h>

#include "../expr_int.h"

enum { ROWS = 4 };

struct given {
    const char *name;
    enum sh_type type;
    const char *unit;
};
static const struct given inputs[] = {
    {"a", SH_T_F64, "bar"},      {"b", SH_T_F64, "kPa"},
    {"t", SH_T_F64, "Cel"},      {"t2", SH_T_F64, "Cel"},
    {"f", SH_T_F64, "[degF]"},   {"w", SH_T_F64, "kW"},
    {"u", SH_T_F64, ""},         {"x", SH_T_F64, ""},
    {"i", SH_T_I64, ""},         {"j", SH_T_I64, "1"},
    {"c", SH_T_BOOL, ""},        {"d", SH_T_BOOL, ""},
    {"s", SH_T_TEXT, ""},        {"pump-1/flow", SH_T_F64, "m3/h"},
    {"area", SH_T_F64, "m2"},    {"km", SH_T_F64, "km"},
    {"blob", SH_T_BLOB, ""},     {"\xe5\x8e\x8b\xe5\x8a\x9b", SH_T_F64, "MPa"},
    {"own", SH_T_F64, "pieces"},
};
#define NONE 1e308 /* no value */

static const double numbers[][ROWS] = {
    {1, 2, 3, 4},    {100, 200, 300, 400}, {20, 30, 40, 50}, {10, 10, 10, 10}, {68, 86, 104, 122},
    {5, 6, 7, 8},    {10, NONE, -3, 0.5},  {0, 1, 4, -1},    {7, -7, 9, 0},    {2, 0, 3, 1},
    {1, 0, 1, NONE}, {0, 0, 1, 1},         {0, 1, 2, 3},     {36, 72, 36, 0},  {4, 9, 16, 25},
    {1, 2, 3, 4},    {0, 0, 0, 0},         {1, 2, 3, 4},     {1, 2, 3, 4},
};
static const char text_bytes[] = "pump"
                                 "Ab 1"
                                 "\xe6\xb3\xb5\xe7\xab\x99"
                                 "12.5";
static const uint32_t text_at[ROWS] = {0, 4, 8, 14};
static const uint32_t text_len[ROWS] = {4, 4, 6, 4};

static sh_err find(void *ctx, struct sh_str name, struct sh_expr_input *out)
{
    SH_UNUSED(ctx);
    for (size_t i = 0; i < SH_COUNT(inputs); i++) {
        if (sh_str_eqc(name, inputs[i].name)) {
            *out = (struct sh_expr_input){inputs[i].type, sh_str_c(inputs[i].unit)};
            return SH_OK;
        }
    }
    return SH_E_NOTFOUND;
}

struct data {
    union sh_cell v[SH_COUNT(inputs)][ROWS];
    uint8_t null[SH_COUNT(inputs)][ROWS];
    int64_t time[ROWS];
};

static void fill(struct data *d)
{
    for (size_t i = 0; i < SH_COUNT(inputs); i++) {
        for (size_t r = 0; r < ROWS; r++) {
            const double x = numbers[i][r];
            d->null[i][r] = x == NONE ? 1 : 0;
            d->v[i][r].bits = 0;
            if (inputs[i].type == SH_T_F64) {
                d->v[i][r].f64 = x == NONE ? NAN : x;
            } else if (inputs[i].type == SH_T_TEXT) {
                d->v[i][r].span.off = text_at[r];
                d->v[i][r].span.len = text_len[r];
            } else {
                d->v[i][r].i64 = x == NONE ? 0 : (int64_t)x;
            }
        }
    }
    for (size_t r = 0; r < ROWS; r++) {
        d->time[r] = INT64_C(1767225600000000) + (int64_t)r * 10000000; /* 2026-01-01, Thursday */
    }
}

static void columns(const struct sh_expr *e, const struct data *d, uint32_t from,
                    struct sh_expr_column *out)
{
    for (size_t k = 0; k < sh_expr_inputs(e); k++) {
        for (size_t i = 0; i < SH_COUNT(inputs); i++) {
            if (sh_str_eqc(sh_expr_input_name(e, k), inputs[i].name)) {
                out[k] = (struct sh_expr_column){d->v[i] + from, d->null[i] + from,
                                                 (const uint8_t *)text_bytes};
            }
        }
    }
}

/* Evaluates rows in calls of `chunk`, as one who remembers. */
static void evaluate(const struct sh_expr *e, struct sh_expr_run *run, uint32_t chunk,
                     char out[ROWS][64])
{
    static struct data d;
    uint64_t state[64] = {0};
    struct sh_expr_column in[SH_COUNT(inputs)];
    fill(&d);
    assert_true(sh_expr_state_bytes(e) <= sizeof state);
    for (uint32_t r = 0; r < ROWS; r += chunk) {
        struct sh_expr_column got;
        columns(e, &d, r, in);
        const struct sh_expr_rows some = {chunk, d.time + r, in, NULL, NULL};
        assert_ok(sh_expr_eval(e, run, state, &some, &got));
        for (uint32_t k = 0; k < chunk; k++) {
            const union sh_cell c = got.value[k];
            char *t = out[r + k];
            if (got.null != NULL && got.null[k] != 0) {
                (void)snprintf(t, 64, "-");
            } else if (sh_expr_type(e) == SH_T_F64) {
                (void)snprintf(t, 64, "%.9g", c.f64);
            } else if (sh_expr_type(e) == SH_T_I64) {
                (void)snprintf(t, 64, "%lld", (long long)c.i64);
            } else if (sh_expr_type(e) == SH_T_BOOL) {
                (void)snprintf(t, 64, "%s", c.bits != 0 ? "T" : "F");
                assert_true(c.bits <= 1);
            } else {
                (void)snprintf(t, 64, "%.*s", (int)c.span.len,
                               (const char *)got.bytes + c.span.off);
            }
        }
    }
}

struct row {
    const char *text;
    const char *want; /* four values, then | and the unit */
};

static void check(const struct row *r, struct sh_test_env *t, struct sh_expr_run *run)
{
    struct sh_expr *e = NULL;
    struct sh_expr_fault fault;
    const sh_err err = sh_expr_compile(&t->alloc, sh_str_c(r->text), find, NULL, &e, &fault);
    if (err != SH_OK) {
        fail_msg("%s: %s (at %u)", r->text, fault.en, fault.at);
    }
    static const uint32_t chunks[] = {4, 1, 2};
    for (size_t i = 0; i < SH_COUNT(chunks); i++) {
        char got[ROWS][64];
        char all[400];
        evaluate(e, run, chunks[i], got);
        (void)snprintf(all, sizeof all, "%s %s %s %s|%.*s", got[0], got[1], got[2], got[3],
                       SH_PRI(sh_expr_unit(e)));
        if (strcmp(all, r->want) != 0) {
            fail_msg("%s by %u: %s, not %s", r->text, chunks[i], all, r->want);
        }
    }
    sh_expr_free(e);
}

static const struct row rows[] = {
    /* arithmetic and precedence */
    {"1 + 2 * 3", "7 7 7 7|"},
    {"-2 ^ 2", "-4 -4 -4 -4|"},
    {"2 ^ 3 ^ 2", "512 512 512 512|"},
    {"(1 + 2) * 3 - 4 / 2", "7 7 7 7|"},
    {"7 / 2", "3.5 3.5 3.5 3.5|"},
    {"x / x", "- 1 1 1|"},
    {"i % j", "1 - 0 0|"},
    {"i * j - 1", "13 -1 26 -1|"},
    {"x + u", "10 - 1 -0.5|"},
    {"9223372036854775807 + i", "- 9223372036854775800 - 9223372036854775807|"},
    {"5.5 % 2", "1.5 1.5 1.5 1.5|"},
    {"+x - -x", "0 2 8 -2|"},
    {"1e3 + .5", "1000.5 1000.5 1000.5 1000.5|"},
    {"# a remark\n x # another", "0 1 4 -1|"},
    /* units */
    {"a + b", "2 4 6 8|bar"},
    {"b + a", "200 400 600 800|kPa"},
    {"a + 1", "2 3 4 5|bar"},
    {"a + 100[kPa]", "2 3 4 5|bar"},
    {"a > 250[kPa]", "F F T T|"},
    {"a / b", "0.01 0.01 0.01 0.01|bar/kPa"},
    {"a / a", "1 1 1 1|1"},
    {"convert(a / b, \"1\")", "1 1 1 1|1"},
    {"convert(a, \"kPa\") - b", "0 0 0 0|kPa"},
    {"t - t2", "10 20 30 40|K"},
    {"t + 5", "25 35 45 55|Cel"},
    {"t + 5[K]", "25 35 45 55|Cel"},
    {"f - t", "0 0 0 0|K"},
    {"f + 10[K]", "86 104 122 140|[degF]"},
    {"f > 30[Cel]", "F F T T|"},
    {"avg(t, t2)", "15 20 25 30|Cel"},
    {"(t + t2) / 2", "15 20 25 30|"},
    {"t * 1.8 + 32", "68 86 104 122|"},
    {"convert(t, \"[degF]\")", "68 86 104 122|[degF]"},
    {"{pump-1/flow} * a", "36 144 108 0|m3/h.bar"},
    {"convert({pump-1/flow} * a, \"kW\")", "1 4 3 0|kW"},
    {"w * 2[h]", "10 12 14 16|kW.h"},
    {"convert(w * 2[h], \"MJ\")", "36 43.2 50.4 57.6|MJ"},
    {"w / {pump-1/flow}", "0.138888889 0.0833333333 0.194444444 -|kW/(m3/h)"},
    {"sqrt(area)", "2 3 4 5|m"},
    {"km ^ 2", "1 4 9 16|km.km"},
    {"convert(km ^ 2, \"m2\")", "1000000 4000000 9000000 16000000|m2"},
    {"u * a", "10 - -9 2|"},
    {"assume(u, \"bar\") + a", "11 - 0 4.5|bar"},
    {"own * 2", "2 4 6 8|"},
    {"max(a, b, 3)", "3 3 3 4|bar"},
    {"min(b, a)", "100 200 300 400|kPa"},
    {"clamp(a, 150[kPa], 3)", "1.5 2 3 3|bar"},
    {"if(c, a, b)", "1 2 3 -|bar"},
    {"sin(90[deg]) + cos(0)", "2 2 2 2|"},
    {"atan2(1, 1) * 4", "3.14159265 3.14159265 3.14159265 3.14159265|rad"},
    {"{\xe5\x8e\x8b\xe5\x8a\x9b} + a", "1.1 2.2 3.3 4.4|MPa"},
    {"\xe5\x8e\x8b\xe5\x8a\x9b * 10", "10 20 30 40|MPa"},
    /* logic of three values */
    {"c and d", "F F T -|"},
    {"c or d", "T F T T|"},
    {"c && false", "F F F F|"},
    {"not c", "F T F -|"},
    {"!c or isnull(c)", "F T F T|"},
    {"c = d", "F T T -|"},
    {"x >= 1 and x < 5", "F T T F|"},
    {"u > 0 ? \"yes\" : \"no\"", "yes - no yes|"},
    {"if(x > 0, x)", "- 1 4 -|"},
    {"coalesce(u, 99)", "10 99 -3 0.5|"},
    {"coalesce(null, u, 1)", "10 1 -3 0.5|"},
    {"isnull(null)", "T T T T|"},
    {"x != 1", "T F T T|"},
    {"i <> 9", "T T F T|"},
    /* functions of numbers */
    {"abs(x) + sign(x)", "0 2 5 0|"},
    {"abs(i)", "7 7 9 0|"},
    {"round(2.5) + round(-2.5) + round(1.2345, 2) + round(1250, -2)",
     "1301.23 1301.23 1301.23 1301.23|"},
    {"floor(-1.5) + ceil(1.2) + trunc(-1.7)", "-1 -1 -1 -1|"},
    {"int(u)", "10 - -3 0|"},
    {"sqrt(x)", "0 1 2 -|"},
    {"ln(exp(x))", "0 1 4 -1|"},
    {"log10(x)", "- 0 0.602059991 -|"},
    {"(0 - 8) ^ (1 / 3)", "- - - -|"},
    {"scale(x, 0, 4, 0, 100)", "0 25 100 -25|"},
    {"lookup(x, 0, 10, 2, 30, 4, 0)", "10 20 0 10|"},
    {"bit(i, 0)", "T T T F|"},
    {"band(i, 3) + bor(i, 8) + bxor(1, 3) + shl(1, 4) + shr(256, 4)", "52 28 44 42|"},
    /* time: 2026-01-01T00:00:00Z and ten seconds each */
    {"year() * 10000 + month() * 100 + day()", "20260101 20260101 20260101 20260101|"},
    {"weekday() * 100 + hour() * 10 + minute()", "400 400 400 400|"},
    {"time() - 1767225600", "0 10 20 30|s"},
    /* texts */
    {"s", "pump Ab 1 \xe6\xb3\xb5\xe7\xab\x99 12.5|"},
    {"len(s)", "4 4 2 4|"},
    {"concat(upper(s), \"/\", lower(s))",
     "PUMP/pump AB 1/ab 1 \xe6\xb3\xb5\xe7\xab\x99/\xe6\xb3\xb5\xe7\xab\x99 12.5/12.5|"},
    {"substr(s, 2, 2)", "um b  \xe7\xab\x99 2.|"},
    {"number(s) * 2", "- - - 25|"},
    {"contains(s, 'um') or starts(s, 'A') or ends(s, '.5')", "T T F T|"},
    {"s < \"b\"", "F T F T|"},
    {"s = 'pump'", "T F F F|"},
    {"text(i)", "7 -7 9 0|"},
    {"concat(text(u), text(c))", "10true - -3true -|"},
    {"trim('  x ')", "x x x x|"},
    {"coalesce(if(c, s), '\\'')", "pump ' \xe6\xb3\xb5\xe7\xab\x99 '|"},
    /* what remembers */
    {"prev(i)", "- 7 -7 9|"},
    {"prev(u)", "- - 10 -3|"},
    {"last(u)", "10 10 -3 0.5|"},
    {"change(i)", "- -14 16 -9|"},
    {"change(t)", "- 10 10 10|K"},
    {"rate(b)", "- 10 10 10|kPa/s"},
    {"integral(w)", "0 55 120 195|kW.s"},
    {"convert(integral(w), \"kJ\")", "0 55 120 195|kJ"},
    {"integral(w, 5[s])", "0 0 0 0|kW.s"},
    {"sum(x)", "0 1 5 4|"},
    {"ema(a, 10)", "1 1.63212056 2.49678528 3.44699821|bar"},
    {"hysteresis(x, 3, 0)", "F F T F|"},
    {"hysteresis(x, 0, 4)", "T T F T|"},
    {"hysteresis(a, 300[kPa], 1)", "F F T T|"},
    {"debounce(x > 0, 10)", "F F T F|"},
    {"duration(x > 0)", "0 0 10 0|s"},
    {"count(x > 0)", "0 1 1 1|"},
    {"rising(x > 0)", "F T F F|"},
    {"falling(x > 0)", "F F F T|"},
    {"rate(x) + rate(x)", "- 0.2 0.6 -1|"},
    /* names for parts */
    {"let p = a + b; let q = p * 2; q - p", "2 4 6 8|bar"},
    {"let a = 5; a", "5 5 5 5|"},
};

static void test_expressions_give_values_and_units(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_expr_run *run = NULL;
    sh_test_env_init(&t, NULL);
    assert_ok(sh_expr_run_new(&t.alloc, &run));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        check(&rows[i], &t, run);
    }
    sh_expr_run_free(run);
    sh_test_env_fini(&t);
}

static const struct {
    const char *text;
    uint32_t at;
    const char *en; /* part of what is said */
} wrong[] = {
    {"", 0, "ends where a value"},
    {"1 +", 3, "ends where a value"},
    {"1 + * 2", 4, "a value is expected"},
    {"(1 + 2", 6, "')' is expected"},
    {"1 2", 2, "has ended before"},
    {"nope + 1", 0, "no input or function 'nope'"},
    {"nope(1)", 0, "no function 'nope'"},
    {"abs(1, 2)", 0, "arguments are another number"},
    {"a + t", 0, "bar and Cel are of different kinds"},
    {"a + (b + t) * 2", 5, "kPa and Cel"},
    {"a > t", 0, "different kinds"},
    {"t * w", 0, "temperature scale cannot be part"},
    {"a ^ 0.5", 0, "raised to a whole constant"},
    {"sqrt(a)", 5, "the root of this unit"},
    {"sin(a)", 4, "which is no rad"},
    {"convert(a, \"K\")", 8, "which is no K"},
    {"convert(u, \"K\")", 8, "not known"},
    {"convert(a, \"furlongs\")", 11, "no unit of UCUM"},
    {"5[furlongs]", 1, "no unit of UCUM"},
    {"c + 1", 0, "yes/no value is no number"},
    {"s * 2", 0, "a text is no number"},
    {"s + s", 0, "concat"},
    {"x and c", 0, "compare the value"},
    {"c < d", 0, "equal or not"},
    {"if(c, 1, s)", 6, "different types"},
    {"1 < x < 3", 6, "not chained"},
    {"\"open", 0, "not closed"},
    {"{a", 0, "not closed"},
    {"a $ b", 2, "no meaning"},
    {"a [bar]", 2, "has ended before"},
    {"[bar]", 0, "behind a number"},
    {"lookup(x, 1, 2, 0, 4)", 16, "must rise"},
    {"lookup(x, 1, 2, 3)", 0, "arguments are another number"},
    {"lookup(x, 1, 2, 3, 4, 5)", 0, "pairs"},
    {"ema(x, u)", 7, "constant number"},
    {"ema(x, -1)", 7, "negative"},
    {"let = 3; 1", 4, "followed by a name"},
    {"blob", 0, "binary data"},
    {"prev(s)", 5, "texts are not remembered"},
    {"hysteresis(x, 1, 1)", 17, "are the same"},
    {"bit(x, 1)", 4, "whole number"},
    {"99999999999999999999999999999999999999999999999999999999999999999", 0, "63 characters"},
};

static void test_wrong_expressions_are_told_with_their_place(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(wrong); i++) {
        struct sh_expr *e = NULL;
        struct sh_expr_fault f;
        const sh_err err = sh_expr_compile(&t.alloc, sh_str_c(wrong[i].text), find, NULL, &e, &f);
        if (err != SH_E_INVAL || f.at != wrong[i].at || strstr(f.en, wrong[i].en) == NULL) {
            fail_msg("%s: %d at %u: %s", wrong[i].text, err, f.at, f.en);
        }
        assert_true(strlen(f.zh) > 0 && f.at + f.len <= strlen(wrong[i].text));
        assert_null(e);
    }
    sh_test_env_fini(&t);
}

static sh_err compile(struct sh_test_env *t, const char *text, struct sh_expr_fault *f)
{
    struct sh_expr *e = NULL;
    const sh_err err = sh_expr_compile(&t->alloc, sh_str_c(text), find, NULL, &e, f);
    sh_expr_free(e);
    return err;
}

static void test_what_is_too_much_is_refused(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_expr_fault f;
    static char text[SH_EXPR_TEXT_MAX + 100];
    sh_test_env_init(&t, NULL);
    memset(text, '(', 200);
    assert_int_equal(compile(&t, text, &f), SH_E_LIMIT);
    assert_non_null(strstr(f.en, "inside each other"));
    memset(text, '-', 200);
    assert_int_equal(compile(&t, text, &f), SH_E_LIMIT);
    memset(text, ' ', sizeof text - 1);
    assert_int_equal(compile(&t, text, &f), SH_E_LIMIT);
    assert_non_null(strstr(f.zh, "8192"));
    size_t n = 0;
    for (int i = 0; i < 600; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "x+%d.5*", i);
    }
    (void)snprintf(text + n, sizeof text - n, "x");
    assert_int_equal(compile(&t, text, &f), SH_E_LIMIT);
    assert_non_null(strstr(f.en, "operations"));
    assert_int_equal(compile(&t, "\xff", &f), SH_E_INVAL);
    sh_test_env_fini(&t);
}

/* Texts that an evaluation makes are bounded, and so is what a row can ask for. */
static void test_made_texts_have_a_limit(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_expr_run *run = NULL;
    struct sh_expr *e = NULL;
    struct sh_expr_column out;
    static union sh_cell c[SH_EXPR_ROWS];
    static int64_t time[SH_EXPR_ROWS];
    static char bytes[4096];
    sh_test_env_init(&t, NULL);
    assert_ok(sh_expr_run_new(&t.alloc, &run));
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < SH_EXPR_ROWS; i++) {
        c[i].span.len = sizeof bytes;
    }
    const struct sh_expr_column in = {c, NULL, (const uint8_t *)bytes};
    const struct sh_expr_rows rows_in = {SH_EXPR_ROWS, time, &in, NULL, NULL};
    assert_ok(sh_expr_compile(&t.alloc, SH_STR("upper(s)"), find, NULL, &e, NULL));
    assert_int_equal(sh_expr_eval(e, run, NULL, &rows_in, &out), SH_E_LIMIT);
    const struct sh_expr_rows fewer = {100, time, &in, NULL, NULL};
    assert_ok(sh_expr_eval(e, run, NULL, &fewer, &out));
    assert_int_equal(out.bytes[out.value[99].span.off], 'X');
    sh_expr_free(e);
    sh_expr_run_free(run);
    sh_test_env_fini(&t);
}

/* Equal parts are computed once, constant ones not at all. */
static void test_the_program_is_short(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_expr *e = NULL;
    sh_test_env_init(&t, NULL);
    assert_int_equal(
        sh_expr_compile(&t.alloc, SH_STR("(a - 6) * (a - 6) + (a - 6)"), find, NULL, &e, NULL),
        SH_E_INVAL); /* bar.bar and bar do not go together */
    assert_ok(sh_expr_compile(&t.alloc, SH_STR("(x - 2 * 3) * (x - 6) + (x - 2 * 3)"), find, NULL,
                              &e, NULL));
    assert_int_equal(e->ncode, 3);
    assert_int_equal(e->nkonsts, 1);
    assert_int_equal(e->ntemps, 3);
    assert_int_equal(sh_expr_state_bytes(e), 0);
    sh_expr_free(e);
    assert_ok(sh_expr_compile(&t.alloc, SH_STR("2 * 3 + sqrt(16)"), find, NULL, &e, NULL));
    assert_int_equal(e->ncode, 0);
    sh_expr_free(e);
    sh_test_env_fini(&t);
}

static int32_t shanghai(void *ctx, int64_t us)
{
    SH_UNUSED(ctx);
    SH_UNUSED(us);
    return 8 * 3600;
}

static void test_time_is_of_the_place(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_expr_run *run = NULL;
    struct sh_expr *e = NULL;
    struct sh_expr_column out;
    const int64_t time[2] = {INT64_C(1767225600000000) - 3600000000, -1}; /* 31 Dec 23:00 UTC */
    sh_test_env_init(&t, NULL);
    assert_ok(sh_expr_run_new(&t.alloc, &run));
    assert_ok(sh_expr_compile(&t.alloc, SH_STR("day() * 10000 + hour() * 100 + weekday()"), find,
                              NULL, &e, NULL));
    struct sh_expr_rows in = {2, time, NULL, shanghai, NULL};
    assert_ok(sh_expr_eval(e, run, NULL, &in, &out));
    assert_int_equal(out.value[0].i64, 10704); /* 1 January, 7 o'clock, Thursday */
    in.utc_offset_s = NULL;
    assert_ok(sh_expr_eval(e, run, NULL, &in, &out));
    assert_int_equal(out.value[0].i64, 312303);
    assert_int_equal(out.value[1].i64, 312303); /* the second before 1970 */
    sh_expr_free(e);
    sh_expr_run_free(run);
    sh_test_env_fini(&t);
}

static sh_err whole_life(struct sh_test_env *t)
{
    struct sh_expr_run *run = NULL;
    struct sh_expr *e = NULL;
    struct sh_expr_column out;
    const int64_t time = 0;
    const union sh_cell c = {.f64 = 4};
    const struct sh_expr_column in = {&c, NULL, NULL};
    const struct sh_expr_rows one = {1, &time, &in, NULL, NULL};
    sh_err err =
        sh_expr_compile(&t->alloc, SH_STR("concat('x', text(sqrt(x) + 1))"), find, NULL, &e, NULL);
    err = err == SH_OK ? sh_expr_run_new(&t->alloc, &run) : err;
    err = err == SH_OK ? sh_expr_eval(e, run, NULL, &one, &out) : err;
    if (err == SH_OK) {
        assert_memory_equal(out.bytes + out.value[0].span.off, "x3", 2);
    }
    sh_expr_free(e);
    sh_expr_run_free(run);
    return err;
}

static void test_without_memory_it_fails_clean(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(whole_life);
}

/* Each function is documented in both languages and can be called. */
static void test_every_function_is_documented(void **state)
{
    SH_UNUSED(state);
    size_t n = 0;
    for (; sh_expr_function(n) != NULL; n++) {
        const struct sh_expr_function *f = sh_expr_function(n);
        assert_true(sh_str_starts(sh_str_c(f->usage), sh_str_c(f->name)));
        assert_true(strlen(f->en) > 3 && strlen(f->zh) >= 3 && strlen(f->group) > 3);
        bool used = false;
        for (size_t i = 0; i < SH_COUNT(rows); i++) {
            char call[32];
            (void)snprintf(call, sizeof call, "%s(", f->name);
            used = used || strstr(rows[i].text, call) != NULL;
        }
        const bool plain = sh_str_eqc(sh_str_c(f->group), "math");
        if (!used && !plain) {
            fail_msg("no row tries %s", f->name);
        }
    }
    assert_true(n > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions_give_values_and_units),
        cmocka_unit_test(test_wrong_expressions_are_told_with_their_place),
        cmocka_unit_test(test_what_is_too_much_is_refused),
        cmocka_unit_test(test_made_texts_have_a_limit),
        cmocka_unit_test(test_the_program_is_short),
        cmocka_unit_test(test_time_is_of_the_place),
        cmocka_unit_test(test_without_memory_it_fails_clean),
        cmocka_unit_test(test_every_function_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
