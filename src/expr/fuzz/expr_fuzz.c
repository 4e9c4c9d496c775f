/* Any text: it is compiled or refused with a place inside it; what is compiled is evaluated over
 * rows with odd values, in one call and row by row, with the same result. */
#include <sh/fuzz.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sh/expr.h>

enum { ROWS = 8, STATE = 64 * 1024 };

static sh_err find(void *ctx, struct sh_str name, struct sh_expr_input *out)
{
    (void)ctx;
    static const char *const units[] = {"", "bar", "Cel", "kW", "m3/h", "%"};
    const enum sh_type types[] = {SH_T_F64, SH_T_I64, SH_T_BOOL, SH_T_TEXT};
    const unsigned char c = (unsigned char)name.p[0];
    *out = (struct sh_expr_input){types[c % 4], sh_str_c(units[c / 4 % 6])};
    return c == 'n' ? SH_E_NOTFOUND : SH_OK;
}

static uint64_t odd(enum sh_type t, unsigned i)
{
    static const double f[] = {0, 1, -1, 1e300, -INFINITY, INFINITY, NAN, 0.1};
    static const int64_t w[] = {0, 1, -1, INT64_MAX, INT64_MIN, 63, 64, 7};
    union sh_cell c = {.bits = 0};
    if (t == SH_T_F64) {
        c.f64 = f[i % 8];
    } else if (t == SH_T_I64) {
        c.i64 = w[i % 8];
    } else if (t == SH_T_BOOL) {
        c.bits = i % 2;
    } else {
        c.span.off = i % 4;
        c.span.len = i % 5;
    }
    return c.bits;
}

static void same(const struct sh_expr *e, const struct sh_expr_column *a, uint32_t i,
                 const struct sh_expr_column *b)
{
    const bool none = a->null != NULL && a->null[i] != 0;
    SH_FUZZ_CHECK(none == (b->null != NULL && b->null[0] != 0));
    if (none) {
        return;
    }
    if (sh_expr_type(e) == SH_T_TEXT) {
        const union sh_cell x = a->value[i];
        const union sh_cell y = b->value[0];
        SH_FUZZ_CHECK(x.span.len == y.span.len);
        return;
    }
    SH_FUZZ_CHECK(
        a->value[i].bits == b->value[0].bits ||
        (sh_expr_type(e) == SH_T_F64 && isnan(a->value[i].f64) && isnan(b->value[0].f64)));
    SH_FUZZ_CHECK(sh_expr_type(e) != SH_T_BOOL || a->value[i].bits <= 1);
}

static void evaluate(const struct sh_alloc *al, const struct sh_expr *e)
{
    static union sh_cell cells[SH_EXPR_INPUTS_MAX][ROWS];
    static uint8_t null[SH_EXPR_INPUTS_MAX][ROWS];
    static uint64_t whole[STATE / 8];
    static uint64_t single[STATE / 8];
    struct sh_expr_column in[SH_EXPR_INPUTS_MAX];
    struct sh_expr_column one[SH_EXPR_INPUTS_MAX];
    int64_t time[ROWS];
    struct sh_expr_run *run[2] = {NULL, NULL};
    if (sh_expr_state_bytes(e) > STATE || sh_expr_run_new(al, &run[0]) != SH_OK ||
        sh_expr_run_new(al, &run[1]) != SH_OK) {
        sh_expr_run_free(run[0]);
        return;
    }
    memset(whole, 0, sizeof whole);
    memset(single, 0, sizeof single);
    for (size_t k = 0; k < sh_expr_inputs(e); k++) {
        struct sh_expr_input d;
        (void)find(NULL, sh_expr_input_name(e, k), &d);
        for (unsigned i = 0; i < ROWS; i++) {
            cells[k][i].bits = odd(d.type, i + (unsigned)k);
            null[k][i] = (i + k) % 5 == 4 ? 1 : 0;
        }
        in[k] = (struct sh_expr_column){cells[k], null[k], (const uint8_t *)"ab \xe6\xb3\xb5 9"};
    }
    for (int i = 0; i < ROWS; i++) {
        time[i] = (int64_t)i * 700000 - 1400000;
    }
    struct sh_expr_column all;
    const struct sh_expr_rows rows = {ROWS, time, in, NULL, NULL};
    const sh_err err = sh_expr_eval(e, run[0], whole, &rows, &all);
    for (uint32_t i = 0; err == SH_OK && i < ROWS; i++) {
        struct sh_expr_column got;
        for (size_t k = 0; k < sh_expr_inputs(e); k++) {
            one[k] = (struct sh_expr_column){cells[k] + i, null[k] + i, in[k].bytes};
        }
        const struct sh_expr_rows row = {1, time + i, one, NULL, NULL};
        SH_FUZZ_CHECK(sh_expr_eval(e, run[1], single, &row, &got) == SH_OK);
        same(e, &all, i, &got);
    }
    sh_expr_run_free(run[0]);
    sh_expr_run_free(run[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_expr *e = NULL;
    struct sh_expr_fault f;
    const struct sh_alloc *al = sh_alloc_heap();
    const sh_err err = sh_expr_compile(al, sh_str_of((const char *)data, size), find, NULL, &e, &f);
    if (err == SH_OK) {
        SH_FUZZ_CHECK(e != NULL);
        evaluate(al, e);
        sh_expr_free(e);
    } else {
        SH_FUZZ_CHECK(err == SH_E_INVAL || err == SH_E_LIMIT);
        SH_FUZZ_CHECK(f.at <= size && f.len <= size - f.at && f.en[0] != '\0' && f.zh[0] != '\0');
    }
    return 0;
}
