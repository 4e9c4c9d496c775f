/* The file of the ring, codes of recovery sheets and PKCS #11 addresses. Invariants: no text makes
 * a ring but one that was sealed to the sheet; a code that is taken has the same seed in any
 * writing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../ring_int.h"

static void sheet(struct sh_str text)
{
    uint8_t a[SH_SHEET_SEED];
    uint8_t b[SH_SHEET_SEED];
    unsigned at = 0;
    char lower[SH_SHEET_CODE];
    if (sh_sheet_parse(text, a, &at) != SH_OK) {
        SH_FUZZ_CHECK(at <= 8);
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];
        if (c != ' ' && c != '-' && c != '\t') {
            SH_FUZZ_CHECK(n < sizeof lower);
            lower[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
    }
    SH_FUZZ_CHECK(sh_sheet_parse(sh_str_of(lower, n), b, &at) == SH_OK);
    SH_FUZZ_CHECK(memcmp(a, b, sizeof a) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_env env = sh_env_system();
    const struct sh_str text = sh_bytes_str(sh_bytes_of(data, size));
    const uint8_t seed[SH_SHEET_SEED] = {1};
    struct pkcs11_uri uri;
    struct sh_diag diag = {0};
    struct sh_crypto *c = NULL;
    struct sh_ring ring;
    if (sh_crypto_new(&env, &c) != SH_OK) {
        return 0;
    }
    sheet(text);
    if (pkcs11_uri_parse(text, &uri, &diag) == SH_OK) {
        SH_FUZZ_CHECK(uri.token[0] != '\0' && uri.object[0] != '\0' && uri.module[0] == '/');
    }
    SH_FUZZ_CHECK(sh_ring_read_sheet(&env, c, text, seed, &ring) != SH_OK);
    SH_FUZZ_CHECK(ring.nkeys == 0);
    sh_crypto_free(c);
    return 0;
}
