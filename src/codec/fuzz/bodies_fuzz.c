#include <sh/fuzz.h>

#include <sh/gzip.h>
#include <sh/multipart.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size == 0) {
        return 0;
    }
    const struct sh_bytes in = {data, size};
    struct sh_buf out;
    sh_buf_init(&out, sh_alloc_heap(), 100000);
    const sh_err e = sh_gunzip(in, &out);
    SH_FUZZ_CHECK(out.n <= 100000 && (e == SH_OK || out.n == 0));
    sh_buf_fini(&out);

    struct sh_multipart m;
    struct sh_part p;
    if (sh_multipart_init(&m, SH_STR("multipart/form-data; boundary=B"), in) != SH_OK) {
        return 0;
    }
    size_t total = 0;
    while (sh_multipart_next(&m, &p) == SH_OK) {
        SH_FUZZ_CHECK(p.data.p >= in.p && p.data.p + p.data.n <= in.p + in.n);
        total += p.data.n;
        SH_FUZZ_CHECK(total <= in.n); /* parts do not overlap, and the walk ends */
    }
    return 0;
}
