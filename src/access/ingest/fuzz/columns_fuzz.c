#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_ingest_opts o = {.now_us = 1};
    fuzz_twice(sh_ingest_columns, &o, sh_bytes_of(data, size));
    if (size >= 28 && size < 4096) { /* and with its length and checksum put right */
        uint8_t fixed[4096];
        memcpy(fixed, data, size);
        memcpy(fixed, "SHCB\1", 5); /* NOLINT: a length, not a terminator */
        sh_put_le32(fixed + 20, (uint32_t)size);
        sh_put_le32(fixed + size - 4, sh_crc32c(0, fixed, size - 4));
        fuzz_twice(sh_ingest_columns, &o, sh_bytes_of(fixed, size));
    }
    return 0;
}
