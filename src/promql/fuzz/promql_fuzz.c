#include <sh/fuzz.h>

#include "../test/fake_source.h"

/* Parses; what parses is evaluated, twice with one outcome. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_env env = sh_env_system();
    struct fake_source fake = {fake_plant, sizeof fake_plant / sizeof fake_plant[0]};
    const struct sh_promql_source source = fake_source_of(&fake);
    const struct sh_promql_run run = {.source = &source,
                                      .env = &env,
                                      .start_us = 20000000,
                                      .step_us = 7000000,
                                      .steps = 5,
                                      .max_samples = 10000};
    struct sh_arena *ar = sh_arena_new(env.alloc, 8 << 20);
    const struct sh_promql_expr *x = NULL;
    struct sh_promql_error e = {.text = ""};
    SH_FUZZ_CHECK(ar != NULL);
    const sh_err err = sh_promql_parse(ar, sh_str_of((const char *)data, size), &x, &e);
    if (err != SH_OK) {
        SH_FUZZ_CHECK(e.text[0] != '\0' && (err == SH_E_INVAL || err == SH_E_NOMEM));
    } else if (sh_promql_type_of(x) != SH_PROMQL_MATRIX) {
        struct sh_promql_answer a = {.n = 0};
        struct sh_promql_answer b = {.n = 0};
        const sh_err first = sh_promql_eval(ar, x, &run, &a, &e);
        const sh_err second = sh_promql_eval(ar, x, &run, &b, &e);
        SH_FUZZ_CHECK(first == SH_OK || e.text[0] != '\0');
        if (first == SH_OK && second == SH_OK) {
            SH_FUZZ_CHECK(a.n == b.n);
            for (size_t i = 0; i < a.n; i++) {
                SH_FUZZ_CHECK(
                    memcmp(a.series[i].value, b.series[i].value, run.steps * sizeof(double)) == 0);
            }
        }
    }
    sh_arena_free(ar);
    return 0;
}
