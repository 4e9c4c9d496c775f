#include <sh/fuzz.h>

#include "../pack_int.h"

enum { HEAD = 12, MOST = 1 << 16 };

/* Makes count, sizes and checksums of the blocks right, so that the reader comes to what is in
 * them: each block has as many bytes as its own head says, or what is left. */
static void mend(uint8_t *p, size_t n)
{
    uint32_t blocks = 0;
    for (size_t at = HEAD; n - at >= BLOCK_HEAD; blocks++) {
        const size_t said = sh_le32(p + at + 4);
        const size_t size = said >= BLOCK_HEAD && said < n - at ? said : n - at;
        sh_put_le32(p + at + 4, (uint32_t)size);
        p[at + 15] = (uint8_t)(1 + p[at + 15] % 5);
        sh_put_le32(p + at, sh_crc32c(0, p + at + 4, size - 4));
        at += size;
    }
    sh_put_le32(p, 1);
    sh_put_le32(p + 4, blocks);
}

/* What is read has the record that it was read from, rows in order and its newest among them. */
static void check(const struct sh_pack *p, struct sh_bytes wire)
{
    struct sh_slab *rows = NULL;
    uint32_t at = 0;
    SH_FUZZ_CHECK(p->wire.n == wire.n && memcmp(p->wire.p, wire.p, wire.n) == 0);
    SH_FUZZ_CHECK(p->newest->batch.len >= p->n && p->newest->batch.len <= p->rows);
    SH_FUZZ_CHECK(sh_pack_slab(p, &rows) == SH_OK && rows->batch.len == p->rows);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct block_ref *r = &p->block[i];
        SH_FUZZ_CHECK(r->n >= 1 && r->n <= BLOCK_MAX && r->off + r->size <= wire.n);
        SH_FUZZ_CHECK(rows->batch.time_us[at] == r->t_first);
        for (uint32_t k = 1; k < r->n; k++) {
            SH_FUZZ_CHECK(rows->batch.time_us[at + k] > rows->batch.time_us[at + k - 1]);
        }
        at += r->n;
        SH_FUZZ_CHECK(rows->batch.time_us[at - 1] == r->t_last);
        SH_FUZZ_CHECK(rows->batch.point[at - 1] == r->point && r->point != 0);
    }
    sh_slab_unref(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_alloc *a = sh_alloc_heap();
    struct sh_pack *p = NULL;
    uint8_t *copy = size > HEAD && size <= MOST ? sh_mem_new(a, size) : NULL;
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data, size);
    if ((data[0] & 0x80) == 0) { /* with the bit the bytes are taken as they are */
        mend(copy, size);
    }
    const struct sh_bytes wire = {copy, size};
    if (sh_pack_read(a, wire, &p) == SH_OK) {
        check(p, wire);
        sh_pack_unref(p);
    }
    sh_mem_free(a, copy);
    return 0;
}
