/* addr_fuzz.c - any text as an address: a refusal points inside the text; what is understood prints
 * in a normal form that means the same. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../mb_addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size == 0) {
        return 0;
    }
    const struct sh_str s = {(const char *)data + 1, size - 1};
    struct mb_addr a;
    struct sh_drv_addr_error why = {0};
    if (mb_addr_parse(s, (enum mb_order)(data[0] % 4), &a, &why) != SH_OK) {
        SH_FUZZ_CHECK(why.code != NULL && why.message_en[0] != 0 && why.remedy_zh[0] != 0);
        SH_FUZZ_CHECK((size_t)why.column + why.len <= s.n);
        return 0;
    }
    char text[64];
    struct mb_addr b;
    SH_FUZZ_CHECK(a.count >= 1 && (uint32_t)a.at + a.count <= 65536);
    mb_addr_print(&a, text);
    SH_FUZZ_CHECK(mb_addr_parse(sh_str_c(text), MB_ABCD, &b, NULL) == SH_OK);
    SH_FUZZ_CHECK(memcmp(&a, &b, sizeof a) == 0);
    return 0;
}
