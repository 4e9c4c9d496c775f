/* Cookie headers. Invariant: the value is a view into the header and holds no semicolon.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/guard.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const char *from = (const char *)data;
    const struct sh_str v = sh_cookie_find(sh_str_of(from, size), SH_STR(SH_SESSION_COOKIE));
    if (v.p != NULL) {
        SH_FUZZ_CHECK(v.p >= from && v.p + v.n <= from + size);
        SH_FUZZ_CHECK(sh_str_find(v, ';') == SIZE_MAX);
    }
    return 0;
}
