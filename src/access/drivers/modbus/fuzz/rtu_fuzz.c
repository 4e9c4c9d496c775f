/* rtu_fuzz.c - any bytes as an RTU stream: each step makes progress, a reply has a good CRC, and a
 * reply that is there is found behind any noise that is not its own beginning.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../mb_pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size < 3) {
        return 0;
    }
    static const uint8_t fcs[] = {1, 2, 3, 4, 5, 6, 15, 16, 22};
    const struct mb_expect want = {.unit = data[0],
                                   .fc = fcs[data[1] % sizeof fcs],
                                   .count = (uint16_t)(data[2] % MB_MAX_REGS + 1)};
    struct sh_bytes in = {data + 3, size - 3};
    struct mb_adu adu;
    while (in.n > 0 && mb_rtu_next(in, &want, &adu) == SH_OK) {
        SH_FUZZ_CHECK(adu.used > 0 && adu.used <= in.n);
        if (adu.pdu.n > 0) {
            SH_FUZZ_CHECK(adu.pdu.p == in.p + 1 && adu.used == adu.pdu.n + 3);
            SH_FUZZ_CHECK(in.p[0] == want.unit);
            SH_FUZZ_CHECK(mb_crc16(in.p, adu.used - 2) == sh_le16(in.p + adu.used - 2));
        }
        in = (struct sh_bytes){in.p + adu.used, in.n - adu.used};
    }
    return 0;
}
