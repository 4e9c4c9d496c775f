#include <sh/fuzz.h>

#include "../roll.h"

static void groups(const struct roll *r, const struct roll_row *above, unsigned *count)
{
    struct roll_group g;
    if (roll_group_read(r, above, &g) != SH_OK) {
        return;
    }
    SH_FUZZ_CHECK(g.n <= ROLL_GROUP);
    for (uint32_t i = 0; i < g.n && (*count)++ < 5000; i++) {
        const struct roll_row *row = &g.rows[i];
        SH_FUZZ_CHECK(i == 0 || row->start > g.rows[i - 1].start);
        SH_FUZZ_CHECK(row->set.t_first >= row->start && row->set.t_last >= row->set.t_first &&
                      row->set.t_last < row->start + roll_unit_us(row->level));
        SH_FUZZ_CHECK(!row->timed ||
                      (row->t_min >= row->set.t_first && row->t_min <= row->set.t_last &&
                       row->t_max >= row->set.t_first && row->t_max <= row->set.t_last));
        if (row->kids.n != 0) {
            if (row->level + 1 == ROLL_MINUTE && row->kids.n >= 4) { /* ours: the copy */
                uint8_t *p = (uint8_t *)(uintptr_t)row->kids.p;
                sh_put_le32(p, sh_crc32c(0, p + 4, row->kids.n - 4));
            }
            groups(r, row, count);
        }
    }
}

/* First byte: type. What is behind it: a section whose crcs are made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    if (size < 9) {
        return 0;
    }
    const struct sh_alloc *a = sh_alloc_heap();
    uint8_t *copy = sh_mem_new(a, size - 1);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data + 1, size - 1);
    const uint32_t head = sh_le32(copy + 4) % (uint32_t)(size - 8);
    sh_put_le32(copy + 4, head);
    sh_put_le32(copy, sh_crc32c(0, copy + 8, head));
    struct roll r;
    unsigned count = 0;
    const enum sh_type type = (enum sh_type)(SH_T_BOOL + data[0] % 3);
    if (roll_open((struct sh_bytes){copy, size - 1}, type, &r) == SH_OK) {
        groups(&r, NULL, &count);
    }
    sh_mem_free(a, copy);
    return 0;
}
