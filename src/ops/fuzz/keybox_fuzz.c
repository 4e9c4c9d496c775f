/* The plain text inside a key box: names are plain names, and views stay inside the input. */
#include <sh/fuzz.h>

#include "../ops_int.h"

static sh_err look(void *ctx, struct sh_str name, struct sh_bytes data)
{
    const struct sh_bytes *in = ctx;
    const uint8_t *p = sh_str_bytes(name).p;
    const bool inside = p >= in->p && p + name.n <= in->p + in->n &&
                        (data.n == 0 || (data.p >= in->p && data.p + data.n <= in->p + in->n));
    if (!inside || name.n == 0 || name.p[0] == '.' || sh_str_find(name, '/') != SIZE_MAX) {
        __builtin_trap();
    }
    return SH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_bytes in = sh_bytes_of(data, size);
    const sh_err err = ops_keys_read(in, look, &in);
    return err == SH_OK || err == SH_E_CORRUPT ? 0 : -1;
}
