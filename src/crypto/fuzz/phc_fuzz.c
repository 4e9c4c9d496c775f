/* PHC strings. Invariant: what is accepted can not ask libargon2 for more than the stated bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/crypto.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_str phc = sh_str_of((const char *)data, size);
    struct sh_argon2 p;
    if (sh_password_params(phc, &p) != SH_OK) {
        SH_FUZZ_CHECK(sh_password_verify(phc, SH_STR("x")) == SH_E_PROTO);
        return 0;
    }
    SH_FUZZ_CHECK(p.time >= 1 && p.time <= 10 && p.mem_kib >= 8 && p.mem_kib <= 1048576);
    if (p.mem_kib <= 1024 && p.lanes == 1) {
        const sh_err err = sh_password_verify(phc, SH_STR("x"));
        SH_FUZZ_CHECK(err == SH_OK || err == SH_E_DENIED || err == SH_E_PROTO);
    }
    return 0;
}
