#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_ingest_opts o = {.now_us = 1};
    fuzz_twice(sh_ingest_prom, &o, sh_bytes_of(data, size));
    return 0;
}
