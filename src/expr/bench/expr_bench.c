/* expr_bench - rows a second and core of some expressions, beside the same written in C by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sh/expr.h>

enum { PASSES = 20000 };

static union sh_cell cells[4][SH_EXPR_ROWS];
static int64_t times[SH_EXPR_ROWS];
static volatile double sink;

static sh_err find(void *ctx, struct sh_str name, struct sh_expr_input *out)
{
    SH_UNUSED(ctx);
    SH_UNUSED(name);
    *out = (struct sh_expr_input){SH_T_F64, SH_STR("kW")};
    return SH_OK;
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void by_hand(void)
{
    const double start = now();
    static double d[SH_EXPR_ROWS];
    for (int p = 0; p < PASSES; p++) {
        for (int i = 0; i < SH_EXPR_ROWS; i++) {
            d[i] = (cells[0][i].f64 - cells[1][i].f64) / cells[1][i].f64 * 100;
        }
        sink = d[p % SH_EXPR_ROWS];
    }
    const double took = now() - start;
    printf("{\"expression\": \"by hand: (a - b) / b * 100\", \"rows\": %d, \"rows_per_s\": %.0f}\n",
           SH_EXPR_ROWS, (double)PASSES * SH_EXPR_ROWS / took);
}

static void measure(const char *text, uint32_t rows)
{
    struct sh_expr *e = NULL;
    struct sh_expr_run *run = NULL;
    struct sh_expr_fault f;
    struct sh_expr_column in[4];
    struct sh_expr_column out;
    uint64_t state[64] = {0};
    const double begin = now();
    int compiled = 0;
    for (; compiled < 1000; compiled++) {
        sh_expr_free(e);
        if (sh_expr_compile(sh_alloc_heap(), sh_str_c(text), find, NULL, &e, &f) != SH_OK) {
            printf("%s: %s\n", text, f.en);
            return;
        }
    }
    const double compile = (now() - begin) / compiled;
    if (sh_expr_run_new(sh_alloc_heap(), &run) != SH_OK) {
        sh_expr_free(e);
        return;
    }
    for (size_t k = 0; k < sh_expr_inputs(e); k++) {
        in[k] = (struct sh_expr_column){cells[k], NULL, NULL};
    }
    const struct sh_expr_rows r = {rows, times, in, NULL, NULL};
    const int passes = (int)(PASSES * (SH_EXPR_ROWS / rows) / (rows == 1 ? 8 : 1));
    const double start = now();
    for (int p = 0; p < passes; p++) {
        if (sh_expr_eval(e, run, state, &r, &out) != SH_OK) {
            break;
        }
        sink = out.value[0].f64;
    }
    const double took = now() - start;
    printf("{\"expression\": \"%s\", \"rows\": %u, \"rows_per_s\": %.0f, \"compile_us\": %.1f}\n",
           text, rows, (double)passes * rows / took, compile * 1e6);
    sh_expr_free(e);
    sh_expr_run_free(run);
}

int main(void)
{
    static const char *const texts[] = {"(a - b) / b * 100",
                                        "a > 80 and b < 20",
                                        "if(a > 80, a - 80, 0)",
                                        "ema(a, 60)",
                                        "hysteresis(a, 90[kW], 80[kW])",
                                        "convert(a, \"MW\")",
                                        "sqrt(assume(a, \"1\")) + ln(assume(b, \"1\"))"};
    for (int i = 0; i < SH_EXPR_ROWS; i++) {
        times[i] = (int64_t)i * 1000000;
        for (int k = 0; k < 4; k++) {
            cells[k][i].f64 = 50 + 45 * ((i * 7 + k * 13) % 100) / 100.0;
        }
    }
    by_hand();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        measure(texts[i], SH_EXPR_ROWS);
    }
    measure(texts[0], 1);
    measure(texts[0], 16);
    return 0;
}
