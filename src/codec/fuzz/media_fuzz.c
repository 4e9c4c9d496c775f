#include <sh/fuzz.h>

#include <sh/media.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    uint64_t from = 0;
    uint64_t to = 0;
    const struct sh_str text = {(const char *)data, size};
    (void)sh_media_sniff((struct sh_bytes){data, size}, text);
    if (sh_http_range(text, 1000, &from, &to) == SH_OK && (from >= to || to > 1000)) {
        __builtin_trap();
    }
    return 0;
}
