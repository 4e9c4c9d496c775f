/* What a provider sends: a document, claims, an address. Good ones hold what they must. */
#include <sh/fuzz.h>

#include "../guard_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_str in = sh_str_of((const char *)data, size);
    const struct guard_id_expect want = {.issuer = SH_STR("https://a"),
                                         .client = SH_STR("us"),
                                         .nonce = SH_STR("n"),
                                         .now_s = 1000000,
                                         .since_s = size % 2 == 0 ? 1000000 : 0};
    struct guard_discovery d;
    struct sh_diag diag = {0};
    const char *why = NULL;
    json_t *o = NULL;
    if (guard_outside_url_ok(in)) {
        SH_FUZZ_CHECK(sh_str_starts(in, SH_STR("http")) && sh_str_find(in, '@') == SIZE_MAX);
    }
    if (guard_path_ok(in)) {
        SH_FUZZ_CHECK(in.p[0] == '/' && (in.n == 1 || in.p[1] != '/'));
    }
    if (sh_json_parse(in, 65536, &o, NULL) != SH_OK) {
        return 0;
    }
    if (guard_discovery_read(o, SH_STR("https://a"), &d, &diag) == SH_OK) {
        SH_FUZZ_CHECK(guard_outside_url_ok(d.token) && guard_outside_url_ok(d.jwks) &&
                      guard_outside_url_ok(d.authorization));
    }
    if (guard_id_check(o, &want, &why, &diag) == SH_OK) {
        SH_FUZZ_CHECK(json_is_string(json_object_get(o, "sub")));
    } else {
        SH_FUZZ_CHECK(why != NULL && diag.message[0] != '\0');
    }
    (void)guard_id_second(o, SH_STR("a b"));
    json_decref(o);
    return 0;
}
