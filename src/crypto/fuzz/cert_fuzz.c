/* Certificates of peers. Invariant: what is handed out is NUL-terminated UTF-8 within its array.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/crypto.h>

static void check_text(const char text[SH_CERT_NAME_CHARS])
{
    const char *end = memchr(text, 0, SH_CERT_NAME_CHARS);
    SH_FUZZ_CHECK(end != NULL);
    SH_FUZZ_CHECK(sh_utf8_valid(sh_str_of(text, (size_t)(end - text))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    struct sh_crypto *c = NULL;
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    struct sh_cert_info info;
    if (sh_cert_parse(c, sh_bytes_of(data, size), &info) == SH_OK) {
        check_text(info.common_name);
        check_text(info.issuer);
        SH_FUZZ_CHECK(memchr(info.serial, 0, sizeof info.serial) != NULL);
        SH_FUZZ_CHECK(info.nsans <= SH_CERT_SANS);
        for (uint32_t i = 0; i < info.nsans; i++) {
            check_text(info.sans[i].text);
        }
        const sh_err self = sh_cert_issued_by(c, sh_bytes_of(data, size), sh_bytes_of(data, size));
        SH_FUZZ_CHECK(self == SH_OK || self == SH_E_DENIED);
    }
    sh_crypto_free(c);
    return 0;
}
