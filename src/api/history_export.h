/* history_export.h - an export under way, and the forms that its rows are written in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_HISTORY_EXPORT_H
#define SH_API_HISTORY_EXPORT_H

#include "history_ask.h"

enum export_form {
    EXPORT_CSV,    /* a column a point */
    EXPORT_LINES,  /* line protocol */
    EXPORT_COLUMNS /* frames that ingest takes */
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
};

/* Each writes some of the rows from x->next on and moves it. */
/* One row as a line. What line protocol cannot say (a quality that is not good, NaN, infinities,
 * blobs, line ends in texts, some names) stands behind a '#', which readers pass over, with the
 * reason. */
SH_MUST_CHECK sh_err export_line_put(struct export *x, struct sh_buf *out);
/* A frame of many rows (access/ingest/README.md). */
SH_MUST_CHECK sh_err export_frame_put(struct export *x, struct sh_buf *out);

#endif /* SH_API_HISTORY_EXPORT_H */
