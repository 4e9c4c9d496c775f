/* mbserver_fuzz.c - any bytes to the plant's Modbus server: replies are whole frames, and the plant
 * stays within its physical bounds whatever is written. SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../mbserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct plant p;
    plant_init(&p, 1, 36000);
    struct sh_bytes in = {data, size};
    size_t used = 0;
    size_t n = 0;
    uint8_t out[MBS_FRAME];
    while (mbs_serve(&p, in, &used, out, &n) == SH_OK) {
        SH_FUZZ_CHECK(used >= 8 && used <= in.n);
        SH_FUZZ_CHECK(n >= 9 && n <= MBS_FRAME && sh_be16(out + 4) == n - 6);
        SH_FUZZ_CHECK((out[7] & 0x7f) == (in.p[7] & 0x7f));
        in = (struct sh_bytes){in.p + used, in.n - used};
    }
    plant_step(&p, 1.0);
    SH_FUZZ_CHECK(p.water.valve_set >= 0.0 && p.water.valve_set <= 1.0);
    SH_FUZZ_CHECK(p.water.demand >= 0.0 && p.water.demand <= 2.0);
    SH_FUZZ_CHECK(p.water.tank_m3 >= 0.0 && p.water.tank_m3 < 100.0);
    return 0;
}
