/* Input: a thing model. What is accepted has types, units and scales that are accepted alone; a
 * model that extends it and says what it says is the same, and stores nothing of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/units.h>

#include "../twin_int.h"

static void check_child(const json_t *body)
{
    json_t *own = NULL;
    json_t *whole = NULL;
    json_t *child = NULL;
    json_t *again = NULL;
    struct sh_diag d = {.line = 0};
    struct twin_diff diff;
    SH_FUZZ_CHECK(twin_model_own(NULL, body, &own, &d) == SH_OK);
    SH_FUZZ_CHECK(twin_model_whole(NULL, SH_STR(""), own, &whole, &d) == SH_OK);
    SH_FUZZ_CHECK(twin_model_own(whole, whole, &child, &d) == SH_OK);
    for (size_t i = 0; i < TWIN_MEMBER_LISTS; i++) {
        SH_FUZZ_CHECK(json_array_size(json_object_get(child, twin_member_lists[i])) == 0);
    }
    SH_FUZZ_CHECK(twin_model_whole(whole, SH_STR("up"), child, &again, &d) == SH_OK);
    SH_FUZZ_CHECK(twin_model_diff(whole, again, NULL, &diff) == SH_OK);
    SH_FUZZ_CHECK(diff.level == TWIN_SAME && diff.n == 0);
    json_decref(own);
    json_decref(whole);
    json_decref(child);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_twin t = {.env = &env};
    struct sh_diag d = {.line = 0};
    json_t *body = NULL;
    if (size > 50000 ||
        sh_json_parse((struct sh_str){(const char *)data, size}, size, &body, NULL) != SH_OK) {
        return 0;
    }
    if (twin_shapes_new(&t) == SH_OK) {
        const sh_err err = sh_twin_thing_check(&t, body, &d);
        SH_FUZZ_CHECK(err == SH_OK || d.message[0] != '\0' || err == SH_E_NOMEM);
        const json_t *list = json_object_get(body, "properties");
        for (size_t i = 0; err == SH_OK && i < json_array_size(list); i++) {
            const json_t *p = json_array_get(list, i);
            enum sh_type type;
            struct sh_unit unit;
            SH_FUZZ_CHECK(sh_json_get_str(p, "id").n > 0);
            SH_FUZZ_CHECK(sh_type_parse(sh_json_get_str(p, "type"), &type) == SH_OK);
            SH_FUZZ_CHECK(sh_unit_parse(sh_json_get_str(p, "unit"), &unit, NULL) == SH_OK);
        }
        if (err == SH_OK) {
            check_child(body);
        }
    }
    sh_schema_free(t.device_schema);
    sh_schema_free(t.thing_schema);
    sh_schema_free(t.asset_schema);
    sh_schema_free(t.command_schema);
    json_decref(body);
    return 0;
}
