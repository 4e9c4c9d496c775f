#include <sh/fuzz.h>
#include <sh/tz.h>

/* Offsets stay within a day and two hours, and the way back from local time ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_tz *tz = NULL;
    if (sh_tz_parse(sh_alloc_heap(), (struct sh_bytes){data, size}, &tz) != SH_OK) {
        return 0;
    }
    for (int64_t y = -100; y < 200; y += 7) {
        const int64_t t = y * 31556952 * 1000000;
        const int32_t o = sh_tz_offset(tz, t);
        SH_FUZZ_CHECK(o > -200 * 3600 && o < 200 * 3600);
        SH_FUZZ_CHECK(sh_tz_to_utc(tz, t) != INT64_MIN);
    }
    sh_tz_free(tz);
    return 0;
}
