#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    /* First byte: GBK in its lowest bit; the rest is the body. */
    const struct sh_ingest_opts o = {.now_us = 1,
                                     .device = {"d", 1},
                                     .gbk = size > 0 && (data[0] & 1) != 0,
                                     .tz = SH_STR("+08:00")};
    fuzz_twice(sh_ingest_csv, &o, sh_bytes_of(data + (size > 0 ? 1 : 0), size > 0 ? size - 1 : 0));
    return 0;
}
