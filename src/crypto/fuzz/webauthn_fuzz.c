/* Attestation object, authenticator data, key and client data from outside: views stay inside, and
 * what is taken for a key can be asked for a signature. */
#include <sh/fuzz.h>

#include <sh/webauthn.h>

static void data_of(const struct sh_crypto *c, struct sh_bytes in)
{
    struct sh_webauthn_data d;
    if (sh_webauthn_data_parse(in, &d) != SH_OK || d.id.n == 0) {
        return;
    }
    SH_FUZZ_CHECK(d.id.p >= in.p && d.id.p + d.id.n <= in.p + in.n);
    SH_FUZZ_CHECK(d.key.p >= in.p && d.key.p + d.key.n <= in.p + in.n);
    SH_FUZZ_CHECK(d.id.n <= SH_WEBAUTHN_ID_MAX && d.key.n <= SH_WEBAUTHN_KEY_MAX);
    if (sh_webauthn_key_check(d.key) == SH_OK) {
        SH_FUZZ_CHECK(sh_webauthn_verify(c, d.key, in, in, in) != SH_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    static struct sh_crypto *c;
    const struct sh_bytes in = sh_bytes_of(data, size);
    struct sh_bytes found;
    const struct sh_webauthn_client want = {
        .type = SH_STR("webauthn.get"), .challenge = SH_STR("a"), .host = SH_STR("a.example")};
    if (c == NULL && sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    if (sh_webauthn_attestation_parse(in, &found) == SH_OK) {
        SH_FUZZ_CHECK(found.n == 0 || (found.p >= in.p && found.p + found.n <= in.p + in.n));
        data_of(c, found);
    }
    data_of(c, in);
    const sh_err key = sh_webauthn_key_check(in);
    const sh_err client = sh_webauthn_client_check(in, &want);
    SH_FUZZ_CHECK(key != SH_OK || client != SH_OK); /* nothing is both */
    return 0;
}
