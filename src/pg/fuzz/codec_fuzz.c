/* codec_fuzz.c - any bytes as messages: views stay inside, and a length that was refused stays so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../codec.h"
#include "../session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_bytes in = sh_bytes_of(data, size);
    bool first = true;
    while (in.n > 0) {
        struct pg_msg m;
        size_t used = 0;
        struct sh_str v;
        if (pg_next(in, first, &m, &used) != SH_OK) {
            break;
        }
        if (used == 0 || used > in.n || m.body.n > used ||
            (m.body.n > 0 && (m.body.p < in.p || m.body.p + m.body.n > in.p + used))) {
            __builtin_trap();
        }
        if (pg_startup_find(m.body, "user", &v) == SH_OK && v.n > m.body.n) {
            __builtin_trap();
        }
        const struct sh_str text = sh_bytes_str(m.body);
        if (pg_first_statement(text) > text.n) {
            __builtin_trap();
        }
        (void)pg_is_command(text);
        in = sh_bytes_of(in.p + used, in.n - used);
        first = false;
    }
    return 0;
}
