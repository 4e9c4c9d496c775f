#include <sh/fuzz.h>

#include <sh/ingest.h>

enum { MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_env env = sh_env_system();
    struct sh_buf first;
    struct sh_buf second;
    sh_buf_init(&first, env.alloc, MOST);
    sh_buf_init(&second, env.alloc, MOST);
    const sh_err e = sh_snappy_decode(sh_bytes_of(data, size), &first);
    SH_FUZZ_CHECK(first.n <= MOST && first.cap <= MOST);
    SH_FUZZ_CHECK(e == SH_OK || e == SH_E_LIMIT || e == SH_E_PROTO);
    SH_FUZZ_CHECK(sh_snappy_decode(sh_bytes_of(data, size), &second) == e);
    if (e == SH_OK) {
        SH_FUZZ_CHECK(first.n == second.n);
        SH_FUZZ_CHECK(first.n == 0 || memcmp(first.p, second.p, first.n) == 0);
    }
    sh_buf_fini(&first);
    sh_buf_fini(&second);
    return 0;
}
