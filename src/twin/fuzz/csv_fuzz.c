/* Input: a CSV file. Fields stay inside their limits, rows are counted up, and what is written from
 * a row that was read reads back as the same row.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fuzz.h>

#include "../twin_int.h"

enum { CELLS = 32 };

static void again(struct sh_arena *ar, const struct twin_cells *row)
{
    struct sh_buf line;
    struct sh_str v[CELLS];
    struct twin_cells back = {.v = v, .max = CELLS};
    sh_buf_init(&line, sh_alloc_heap(), 1 << 22);
    sh_err err = SH_OK;
    for (size_t i = 0; i < row->n && err == SH_OK; i++) {
        err = twin_csv_put(&line, row->v[i], i == 0);
    }
    if (err == SH_OK) {
        err = sh_buf_put_c(&line, "\r\n");
    }
    struct twin_csv c = {.in = sh_buf_str(&line)};
    if (err == SH_OK && !(row->n == 1 && row->v[0].n == 0)) { /* that is a blank line */
        err = twin_csv_next(&c, ar, &back);
        SH_FUZZ_CHECK(err == SH_E_LIMIT || err == SH_OK);
        SH_FUZZ_CHECK(err != SH_OK || back.n == row->n);
        for (size_t i = 0; err == SH_OK && i < row->n; i++) {
            SH_FUZZ_CHECK(sh_str_eq(row->v[i], back.v[i]));
        }
    }
    sh_buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) /* NOLINT */
{
    struct sh_str v[CELLS];
    struct twin_cells row = {.v = v, .max = CELLS};
    struct sh_buf buf;
    struct sh_str text;
    struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 1 << 22);
    if (ar == NULL || size > 100000) {
        sh_arena_free(ar);
        return 0;
    }
    sh_buf_init(&buf, sh_alloc_heap(), 1 << 20);
    if (twin_csv_text(sh_bytes_of(data, size), SH_TWIN_AUTO, &buf, &text) == SH_OK) {
        struct twin_csv c = {.in = text};
        int before = 0;
        SH_FUZZ_CHECK(sh_utf8_valid(text));
        while (twin_csv_next(&c, ar, &row) == SH_OK) {
            SH_FUZZ_CHECK(c.row > before && row.n >= 1 && row.n <= CELLS && c.at <= text.n);
            before = c.row;
            again(ar, &row);
            sh_arena_reset(ar);
        }
    }
    sh_buf_fini(&buf);
    sh_arena_free(ar);
    return 0;
}
