#include <sh/fuzz.h>

#include "../point_int.h"

/* What reads as a change is written to bytes that read as the same change. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct point_change a;
    if (point_change_read(sh_bytes_of(data, size), &a) != SH_OK) {
        return 0;
    }
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 16);
    SH_FUZZ_CHECK(point_change_write(&a, &b) == SH_OK);
    struct point_change c;
    SH_FUZZ_CHECK(point_change_read(sh_buf_bytes(&b), &c) == SH_OK);
    SH_FUZZ_CHECK(c.n == a.n && c.id == a.id && sh_str_eq(c.a, a.a) && sh_str_eq(c.b, a.b));
    sh_buf_fini(&b);
    return 0;
}
