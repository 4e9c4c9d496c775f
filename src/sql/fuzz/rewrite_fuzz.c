/* rewrite_fuzz.c - any bytes as SQL: places stay inside, and what comes out is taken again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../sql_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 32 << 20);
    struct sh_sql_fault f = {.err = SH_OK};
    struct sql_rewritten r;
    int64_t us = 0;
    if (ar == NULL) {
        return 0;
    }
    const struct sh_str in = sh_str_of((const char *)data, size);
    const sh_err err = sql_rewrite(ar, in, &r, &f);
    if (r.used > size || (err != SH_OK && (f.err == SH_OK || f.en[0] == '\0' || f.at > size + 1))) {
        __builtin_trap();
    }
    for (size_t i = 0; err == SH_OK && i < r.nspots; i++) {
        if (r.spots[i].in >= size || r.spots[i].out >= r.sql.n) {
            __builtin_trap();
        }
    }
    (void)(sh_sql_time_parse(in, &us) == SH_OK);
    sh_arena_free(ar);
    return 0;
}
