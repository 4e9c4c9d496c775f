/* mbap_fuzz.c - any bytes as a Modbus/TCP stream: views stay inside, every frame makes progress,
 * and a reply that is taken for an answer has the data that was asked for. SPDX-License-Identifier:
 * Apache-2.0 */
#include <sh/fuzz.h>

#include "../mb_pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size < 4) {
        return 0;
    }
    static const uint8_t fcs[] = {1, 2, 3, 4, 5, 6, 15, 16, 22};
    const struct mb_expect want = {.unit = data[0],
                                   .fc = fcs[data[1] % sizeof fcs],
                                   .at = data[2],
                                   .count = (uint16_t)(data[3] % MB_MAX_REGS + 1)};
    struct sh_bytes in = {data + 4, size - 4};
    struct mb_adu adu;
    while (mb_tcp_next(in, &adu) == SH_OK) {
        SH_FUZZ_CHECK(adu.used > 0 && adu.used <= in.n);
        SH_FUZZ_CHECK(adu.pdu.n >= 1 && adu.pdu.n <= MB_PDU_MAX);
        SH_FUZZ_CHECK(adu.pdu.p >= in.p && adu.pdu.p + adu.pdu.n <= in.p + in.n);
        uint8_t exception = 0;
        struct sh_bytes out;
        const enum sh_drv_result r = mb_reply_check(adu.pdu, &want, &exception, &out);
        SH_FUZZ_CHECK((r == SH_DRV_REFUSED) == (exception != 0));
        if (r == SH_DRV_DONE && want.fc <= MB_FC_READ_INPUT) {
            SH_FUZZ_CHECK(out.n == mb_read_bytes(want.fc, want.count));
            SH_FUZZ_CHECK(out.p >= in.p && out.p + out.n <= in.p + in.n);
        }
        in = (struct sh_bytes){in.p + adu.used, in.n - adu.used};
    }
    return 0;
}
