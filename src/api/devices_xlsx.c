/* devices_xlsx.c - the device list as a workbook: the cells of the CSV export, whose columns the
 * import knows, as texts (and the period as a number).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/xlsx.h>

#include "api_int.h"

enum { CELL_MAX = 1 << 20 };

struct reader {
    struct sh_str left;
    struct sh_buf cell; /* in quotes: without them */
};

/* The next cell of RFC 4180; *ends: of its row. */
static sh_err cell_next(struct reader *rd, struct sh_str *out, bool *ends)
{
    struct sh_str s = rd->left;
    size_t n = 0;
    *out = SH_STR("");
    if (s.n > 0 && s.p[0] == '"') {
        sh_buf_clear(&rd->cell);
        n = 1;
        while (n < s.n && (s.p[n] != '"' || (n + 1 < s.n && s.p[n + 1] == '"'))) {
            SH_TRY(sh_buf_put_u8(&rd->cell, (uint8_t)s.p[n]));
            n += s.p[n] == '"' ? 2 : 1;
        }
        n++;
        *out = sh_buf_str(&rd->cell);
    } else {
        while (n < s.n && s.p[n] != ',' && s.p[n] != '\r' && s.p[n] != '\n') {
            n++;
        }
        *out = sh_str_sub(s, 0, n);
    }
    *ends = n >= s.n || s.p[n] != ',';
    while (*ends && n + 1 < s.n && s.p[n] == '\r') {
        n++;
    }
    rd->left = sh_str_sub(s, n + 1 < s.n ? n + 1 : s.n, s.n);
    return SH_OK;
}

static sh_err rows_put(struct sh_xlsx *x, struct reader *rd)
{
    size_t number = SIZE_MAX; /* the column of period_ms */
    bool head = true;
    while (rd->left.n > 0) {
        bool ends = false;
        sh_xlsx_row(x);
        for (size_t i = 0; !ends; i++) {
            struct sh_str cell;
            int64_t v = 0;
            SH_TRY(cell_next(rd, &cell, &ends));
            number = head && sh_str_eqc(cell, "period_ms") ? i : number;
            if (head) {
                sh_xlsx_head(x, cell);
            } else if (cell.n == 0) {
                sh_xlsx_skip(x);
            } else if (i == number && sh_i64_parse(cell, &v) == SH_OK) {
                sh_xlsx_integer(x, v);
            } else {
                sh_xlsx_text(x, sh_csv_text(cell));
            }
        }
        head = false;
        SH_TRY(sh_xlsx_error(x));
    }
    return SH_OK;
}

sh_err api_devices_book(struct api_req *r, struct sh_str csv, struct sh_buf *out)
{
    static const double widths[] = {20, 24, 16, 16, 28, 20, 12};
    const struct sh_xlsx_sheet sheet = {r->chinese ? "设备" : "Devices", widths,
                                        sizeof widths / sizeof widths[0], 1};
    const struct sh_env *env = r->api->env;
    const struct sh_str bom = SH_STR("\xef\xbb\xbf");
    struct sh_xlsx *x = NULL;
    struct reader rd = {.left = sh_str_starts(csv, bom) ? sh_str_sub(csv, bom.n, csv.n) : csv};
    SH_TRY(sh_xlsx_new(env->alloc, sh_wall_us(env->clock), &x));
    sh_buf_init(&rd.cell, env->alloc, CELL_MAX);
    sh_xlsx_to(x, out);
    sh_xlsx_sheet(x, &sheet);
    sh_err err = rows_put(x, &rd);
    if (err == SH_OK) {
        err = sh_xlsx_end(x);
    }
    sh_buf_fini(&rd.cell);
    sh_xlsx_free(x);
    return err;
}
