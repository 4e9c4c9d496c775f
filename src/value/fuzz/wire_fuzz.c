#include <sh/fuzz.h>

#include <sh/value.h>

/* What reads back writes the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_slab *s = NULL;
    if (sh_batch_wire_read(sh_alloc_heap(), sh_bytes_of(data, size), &s) != SH_OK) {
        return 0;
    }
    SH_FUZZ_CHECK(sh_batch_wire_size(&s->batch) == size);
    uint8_t *out = sh_mem_new(sh_alloc_heap(), size);
    sh_batch_wire_write(&s->batch, out);
    SH_FUZZ_CHECK(memcmp(out, data, size) == 0);
    for (uint32_t i = 0; i < s->batch.len; i++) {
        if (s->batch.type[i] >= SH_T_TEXT) {
            const struct sh_bytes b = sh_batch_bytes(&s->batch, i);
            SH_FUZZ_CHECK(b.n == 0 || (b.p >= s->batch.bytes &&
                                       b.p + b.n <= s->batch.bytes + s->batch.bytes_len));
        }
    }
    sh_mem_free(sh_alloc_heap(), out);
    sh_slab_unref(s);
    return 0;
}
