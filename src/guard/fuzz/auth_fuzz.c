/* Authorization headers. Invariants: a token is a view into the header, user and password are views
 * into the scratch buffer; a user holds no colon.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include <sh/guard.h>

static bool inside(struct sh_str part, const void *p, size_t n)
{
    const char *from = p;
    return part.n == 0 || (part.p >= from && part.p + part.n <= from + n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_buf scratch;
    struct sh_auth_header h = {0};
    sh_buf_init(&scratch, sh_alloc_heap(), SH_AUTH_MAX);
    const sh_err err = sh_auth_header_parse(sh_str_of((const char *)data, size), &scratch, &h);
    SH_FUZZ_CHECK(err == SH_OK || err == SH_E_PROTO || err == SH_E_UNSUPPORTED);
    if (err == SH_OK && h.scheme == SH_AUTH_TOKEN) {
        SH_FUZZ_CHECK(h.token.n > 0 && inside(h.token, data, size));
    }
    if (err == SH_OK && h.scheme == SH_AUTH_BASIC) {
        SH_FUZZ_CHECK(inside(h.user, scratch.p, scratch.n));
        SH_FUZZ_CHECK(inside(h.password, scratch.p, scratch.n));
        SH_FUZZ_CHECK(sh_str_find(h.user, ':') == SIZE_MAX);
    }
    sh_buf_fini(&scratch);
    return 0;
}
