/* history_export.h - an export under way, and the forms that its rows are written in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_HISTORY_EXPORT_H
#define SH_API_HISTORY_EXPORT_H

#include <sh/xlsx.h>

#include "history_ask.h"

enum export_form {
    EXPORT_CSV,     /* a column a point */
    EXPORT_LINES,   /* line protocol */
    EXPORT_COLUMNS, /* frames that ingest takes */
    EXPORT_XLSX     /* a workbook: a column a point, with its quality */
};

struct export_row {
    int64_t time;
    union sh_cell value; /* text: a span of `text` */
    uint32_t series;
    uint8_t type; /* 0 = no value */
    uint8_t quality;
};

struct export
{
    struct asked *a;
    enum export_form form;
    int64_t at; /* what is before was gathered */
    int64_t to;
    int64_t width;
    struct export_row *rows; /* of the window; CSV: by time and series, else by series and time */
    size_t n;
    size_t cap;
    size_t next; /* first row not written yet */
    struct sh_buf text;
    struct sh_buf cell;
    struct sh_xlsx *book; /* XLSX */
    int64_t from;         /* of the range */
    uint64_t lines;
    struct sh_str peer;
    uint64_t found;           /* rows of all windows */
    struct sh_data_class top; /* the highest of what is read */
    unsigned sheets;
};

/* Each writes some of the rows from x->next on and moves it. */
/* One row as a line. What line protocol cannot say (a quality that is not good, NaN, infinities,
 * blobs, line ends in texts, some names) stands behind a '#', which readers pass over, with the
 * reason. */
SH_MUST_CHECK sh_err export_line_put(struct export *x, struct sh_buf *out);
/* A frame of many rows (access/ingest/README.md). */
SH_MUST_CHECK sh_err export_frame_put(struct export *x, struct sh_buf *out);

/* ---- a workbook (history_xlsx.c) ---- */

/* Would all of the range fit? Few blocks are read for it. */
SH_MUST_CHECK sh_err export_book_fits(const struct export *x, bool *fits);
int export_book_too_big(struct api_req *r);
/* What each page of it says: the class, and who took it where that is asked for. */
void export_book_mark(struct export *x);
/* All rows of one time. */
SH_MUST_CHECK sh_err export_book_row(struct export *x);
/* The last sheet, and the end of the file. */
SH_MUST_CHECK sh_err export_book_end(struct export *x);

#endif /* SH_API_HISTORY_EXPORT_H */
