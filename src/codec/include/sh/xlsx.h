/* xlsx.h - a workbook written piece by piece: ECMA-376 (Office Open XML, part 1, 18 SpreadsheetML)
 * in a ZIP file (APPNOTE.TXT 6.3.3, deflated entries with data descriptors, so that nothing need be
 * gone back to). Constant memory: some 400 KiB whatever the size. Texts are inline strings, so a
 * text is never a formula; what XML cannot hold is written as Excel does (_x0001_, part
 * 1, 22.9.2.19). One thread at a time. Errors stick: sh_xlsx_error tells them, what follows does
 * nothing. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_XLSX_H
#define SH_XLSX_H

#include <sh/buf.h>

enum {
    SH_XLSX_ROWS = 1048576, /* of a sheet */
    SH_XLSX_COLUMNS = 16384,
    SH_XLSX_TEXT = 32767, /* UTF-16 units of a cell; longer texts are cut, and counted */
    SH_XLSX_SHEETS = 64
};

struct sh_xlsx;
/* now_us: of the entries' dates. */
SH_MUST_CHECK sh_err sh_xlsx_new(const struct sh_alloc *a, int64_t now_us, struct sh_xlsx **out);
void sh_xlsx_free(struct sh_xlsx *x); /* NULL is accepted */
/* What is ready is appended to `out` from now on; borrowed until the next call of this. Its limit
 * (SH_E_LIMIT) must leave room for 128 KiB at any time. */
void sh_xlsx_to(struct sh_xlsx *x, struct sh_buf *out);
/* What every page says, before the first sheet: `top` in its head, `foot` at its bottom, both in
 * the properties of the document (part 1, 18.3.1.46; core.xml of part 2, 8.3.4); either may be
 * empty. Kept by pointer. */
void sh_xlsx_mark(struct sh_xlsx *x, struct sh_str top, struct sh_str foot);
struct sh_xlsx_sheet {
    const char *name;     /* at most 31 characters without []:*?/\ ; once in the workbook; kept by
                             pointer */
    const double *widths; /* of the first columns, in characters */
    size_t nwidths;
    unsigned frozen_rows; /* that stay when one scrolls */
};
/* Begins a sheet, ends that before it. SH_XLSX_SHEETS at most: SH_E_LIMIT. */
void sh_xlsx_sheet(struct sh_xlsx *x, const struct sh_xlsx_sheet *s);
/* Begins a row, ends that before it. SH_XLSX_ROWS at most: SH_E_LIMIT. */
void sh_xlsx_row(struct sh_xlsx *x);
uint32_t sh_xlsx_rows(const struct sh_xlsx *x); /* of the sheet, with the one that is open */
/* Cells, from left to right. */
void sh_xlsx_skip(struct sh_xlsx *x); /* an empty one */
void sh_xlsx_text(struct sh_xlsx *x, struct sh_str s);
void sh_xlsx_head(struct sh_xlsx *x, struct sh_str s); /* bold */
void sh_xlsx_number(struct sh_xlsx *x, double v);      /* NaN and infinities: as text */
void sh_xlsx_integer(struct sh_xlsx *x, int64_t v);    /* beyond 2^53: as text, no digit is lost */
void sh_xlsx_bool(struct sh_xlsx *x, bool v);
/* A date and time, to the millisecond on the screen: microseconds since 1970 of the local clock
 * that the workbook speaks of. Before 1900-03-01 and after 9999: as text. */
void sh_xlsx_time(struct sh_xlsx *x, int64_t local_us);
uint64_t sh_xlsx_cut(const struct sh_xlsx *x); /* texts that were too long for a cell */
sh_err sh_xlsx_error(const struct sh_xlsx *x);
/* Ends the sheet and the file. SH_E_LIMIT also when the file passes 4 GiB. */
SH_MUST_CHECK sh_err sh_xlsx_end(struct sh_xlsx *x);

#endif /* SH_XLSX_H */
