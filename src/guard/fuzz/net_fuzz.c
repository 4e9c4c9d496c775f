/* Addresses and ranges of allow lists. Invariant: what is read and written reads back as the same,
 * and a range holds its own address.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../guard_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct guard_net n;
    struct guard_net again;
    struct guard_ip ip;
    char text[GUARD_NET_CHARS];
    const struct sh_str s = sh_str_of((const char *)data, size);
    if (guard_net_parse(s, &n) == SH_OK) {
        guard_net_print(&n, text);
        SH_FUZZ_CHECK(guard_net_parse(sh_str_c(text), &again) == SH_OK);
        SH_FUZZ_CHECK(n.bits == again.bits && memcmp(&n.ip, &again.ip, sizeof n.ip) == 0);
        SH_FUZZ_CHECK(guard_net_has(&n, &n.ip));
    }
    if (guard_ip_parse(s, &ip)) {
        struct guard_ip back;
        guard_ip_print(&ip, text);
        SH_FUZZ_CHECK(guard_ip_parse(sh_str_c(text), &back));
        SH_FUZZ_CHECK(memcmp(&ip, &back, sizeof ip) == 0);
    }
    return 0;
}
