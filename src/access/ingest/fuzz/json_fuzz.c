#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    /* An odd first byte: with a device. */
    const bool device = size > 0 && (data[0] & 1) != 0;
    const struct sh_ingest_opts o = {.now_us = 1, .device = {"d", device ? 1 : 0}};
    fuzz_twice(sh_ingest_json, &o, sh_bytes_of(data + (size > 0 ? 1 : 0), size > 0 ? size - 1 : 0));
    return 0;
}
