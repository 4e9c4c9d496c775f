#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_ingest_opts o = {.now_us = 1,
                                     .precision = (enum sh_ingest_precision)(size % 4)};
    fuzz_twice(sh_ingest_lines, &o, sh_bytes_of(data, size));
    return 0;
}
