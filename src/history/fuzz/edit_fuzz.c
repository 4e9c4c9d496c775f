#include <sh/fuzz.h>

#include "../history_int.h"

/* What applies can be asked for; nothing leaks. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    const struct sh_alloc *a = sh_alloc_heap();
    struct edits e;
    memset(&e, 0, sizeof e);
    edits_init(&e, a, 1000);
    if (edits_apply(&e, a, (struct sh_bytes){data, size}, 1) == SH_OK) {
        for (uint32_t p = 0; p < 4; p++) {
            struct head rows = {0};
            struct edit_hole *holes = NULL;
            size_t n = 0;
            if (edits_of(&e, a, p, -1000, 1000, &rows, &holes, &n) == SH_OK) {
                SH_FUZZ_CHECK(n <= e.nholes && rows.n <= e.nrows);
                head_fini(a, &rows);
            }
            sh_mem_free(a, holes);
        }
    }
    edits_fini(&e, a);
    return 0;
}
