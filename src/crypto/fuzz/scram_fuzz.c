/* Both messages of a client, cut at the first NUL: no answer to a malformed one, and nobody gets in
 * without the secret. */
#include <sh/fuzz.h>

#include <sh/scram.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    const struct sh_scram_verifier v = {.iterations = 4096, .stored = {1}, .server = {2}};
    struct sh_scram s;
    struct sh_buf out;
    const struct sh_str in = sh_str_of((const char *)data, size);
    const size_t cut = sh_str_find(in, '\0');
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    sh_buf_init(&out, sh_alloc_heap(), 1 << 16);
    sh_scram_init(&s, c, sh_alloc_heap(), &v);
    const sh_err first =
        sh_scram_first(&s, sh_str_sub(in, 0, cut == SIZE_MAX ? size : cut), SH_STR("abc"), &out);
    if (first == SH_OK && cut != SIZE_MAX) {
        SH_FUZZ_CHECK(sh_scram_final(&s, sh_str_sub(in, cut + 1, size), &out) != SH_OK);
    }
    SH_FUZZ_CHECK(first == SH_OK || out.n == 0);
    sh_scram_fini(&s);
    sh_buf_fini(&out);
    sh_crypto_free(c);
    return 0;
}
