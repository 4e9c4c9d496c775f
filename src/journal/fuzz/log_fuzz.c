#include <sh/fuzz.h>

#include "../log.h"

/* Views of records stay inside the input, and the walk ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct log_file_head head;
    if (log_file_head_read((struct sh_bytes){data, size}, &head) == SH_OK) {
        uint8_t again[LOG_BLOCK];
        log_file_head_write(&head, again);
        SH_FUZZ_CHECK(memcmp(again, data, LOG_FILE_HEAD) == 0);
    }
    struct log_group g;
    if (log_group_read((struct sh_bytes){data, size}, &g) == SH_OK) {
        SH_FUZZ_CHECK(g.body_len <= size - LOG_GROUP_HEAD);
    }
    struct sh_rd r = {data, data + size};
    struct log_record rec;
    while (log_record_read(&r, &rec) == SH_OK) {
        SH_FUZZ_CHECK(rec.data.p >= data && rec.data.p + rec.data.n <= data + size);
        SH_FUZZ_CHECK(r.p > rec.data.p + rec.data.n - 1 && r.p <= r.end);
    }
    return 0;
}
