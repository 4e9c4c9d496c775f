/* Input: a JSON array [schema, document]. A schema that compiles gives the same answer twice, and
 * a document that fails has a fault reported.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/schema.h>

static void count(void *ctx, const struct sh_schema_fault *f)
{
    (void)f;
    ++*(unsigned *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_schema *s = NULL;
    struct sh_diag d = {.line = 0};
    json_t *both = NULL;
    if (size > 20000 ||
        sh_json_parse((struct sh_str){(const char *)data, size}, size, &both, NULL) != SH_OK) {
        return 0;
    }
    const json_t *schema = json_array_get(both, 0);
    const json_t *doc = json_array_get(both, 1);
    if (schema != NULL && doc != NULL && sh_schema_new(&env, schema, &s, &d) == SH_OK) {
        unsigned faults = 0;
        const sh_err err = sh_schema_check(s, doc, count, &faults, 10);
        SH_FUZZ_CHECK(err == SH_OK || err == SH_E_INVAL || err == SH_E_LIMIT);
        SH_FUZZ_CHECK(err != SH_E_INVAL || (faults > 0 && faults <= 10));
        SH_FUZZ_CHECK(err != SH_OK || faults == 0);
        if (err != SH_E_LIMIT) {
            SH_FUZZ_CHECK(sh_schema_check(s, doc, NULL, NULL, 1) == err);
        }
        sh_schema_free(s);
    }
    json_decref(both);
    return 0;
}
