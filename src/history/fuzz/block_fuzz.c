#include <sh/fuzz.h>

#include "../block.h"
#include "../summary.h"

/* The crc is made right, so that the decoders behind it are reached. What decodes must encode and
 * decode to the same again. */
static void again(struct block_cols *c)
{
    const struct sh_alloc *a = sh_alloc_heap();
    struct block_scratch *s = sh_mem_new(a, sizeof *s);
    struct block_cols *c2 = block_cols_new(a);
    struct sh_buf b;
    sh_buf_init(&b, a, 128 << 20);
    const struct block_in in = {.point = c->point,
                                .type = c->type,
                                .n = c->n,
                                .time = c->time,
                                .value = c->value,
                                .quality = c->quality,
                                .bytes = c->text.p};
    if (s != NULL && c2 != NULL && block_encode(a, s, &in, BLOCK_COLD, &b) == SH_OK) {
        SH_FUZZ_CHECK(block_decode(sh_buf_bytes(&b), false, c2) == SH_OK);
        SH_FUZZ_CHECK(c2->n == c->n);
        SH_FUZZ_CHECK(memcmp(c->time, c2->time, c->n * sizeof c->time[0]) == 0);
        SH_FUZZ_CHECK(memcmp(c->quality, c2->quality, c->n) == 0);
        for (uint32_t i = 0; i < c->n; i++) {
            if (c->type < SH_T_TEXT) {
                SH_FUZZ_CHECK(c->value[i].bits == c2->value[i].bits);
            } else {
                SH_FUZZ_CHECK(c->value[i].span.len == c2->value[i].span.len);
            }
        }
    }
    sh_buf_fini(&b);
    block_cols_free(a, c2);
    sh_mem_free(a, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_alloc *a = sh_alloc_heap();
    if (size < BLOCK_HEAD || size > 1 << 16) {
        return 0;
    }
    uint8_t *copy = sh_mem_new(a, size);
    struct block_cols *c = block_cols_new(a);
    if (copy != NULL && c != NULL) {
        memcpy(copy, data, size);
        sh_put_le32(copy + 4, (uint32_t)size);
        copy[14] = (uint8_t)(1 + data[14] % 5);
        copy[15] = (uint8_t)(1 + data[15] % 3);
        sh_put_le32(copy, sh_crc32c(0, copy + 4, size - 4));
        const struct sh_bytes in = {copy, size};
        if (block_decode(in, false, c) == SH_OK) {
            for (uint32_t i = 0; i < c->n && c->type >= SH_T_TEXT; i++) {
                SH_FUZZ_CHECK((size_t)c->value[i].span.off + c->value[i].span.len <= c->text.n);
            }
            again(c);
        }
    }
    struct summary sum;
    struct sh_rd r = {data, data + size};
    const sh_err err = summary_read(&r, (enum sh_type)(1 + data[0] % 5), 1024, 0, 1000, &sum);
    SH_FUZZ_CHECK(r.p <= r.end && (err == SH_OK || err == SH_E_CORRUPT));
    block_cols_free(a, c);
    sh_mem_free(a, copy);
    return 0;
}
