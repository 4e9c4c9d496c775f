/* A token and a set of keys from outside: what is signed is a view of the token, and nothing that
 * was made up is signed by a key that is not ours. The text before the first line end is the token,
 * the rest is the set. */
#include <sh/fuzz.h>

#include <sh/jwt.h>

static const char ours[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                           "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void with_keys(const struct sh_jws *j, struct sh_str text, bool own)
{
    json_t *set = NULL;
    if (sh_json_parse(text, SH_JWKS_MAX, &set, NULL) != SH_OK) {
        return;
    }
    const sh_err err = sh_jws_verify(j, set);
    SH_FUZZ_CHECK(!own || err != SH_OK || j->signature.n == 64);
    SH_FUZZ_CHECK(sh_jwks_count(sh_alloc_heap(), set) <= SH_JWKS_KEYS);
    json_decref(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_str in = sh_str_of((const char *)data, size);
    const size_t nl = sh_str_find(in, '\n');
    const struct sh_str token = sh_str_sub(in, 0, nl == SIZE_MAX ? in.n : nl);
    struct sh_jws j;
    if (sh_jws_parse(sh_alloc_heap(), token, &j) != SH_OK) {
        return 0;
    }
    SH_FUZZ_CHECK(json_is_object(j.header));
    SH_FUZZ_CHECK(j.signed_by.p == token.p && j.signed_by.n < token.n);
    with_keys(&j, sh_str_c(ours), true);
    if (nl != SIZE_MAX) {
        with_keys(&j, sh_str_sub(in, nl + 1, in.n), false);
    }
    sh_jws_fini(&j);
    return 0;
}
