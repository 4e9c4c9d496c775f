/* history_calc.h - calculated series: what its answer (history_calc.c) and its file
 * (history_calc_csv.c) share. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_API_HISTORY_CALC_H
#define SH_API_HISTORY_CALC_H

#include <sh/expr.h>

#include "history_ask.h"

enum { CALC_EXPRESSIONS_MAX = 16 };
struct calc;

/* One series as text, for a file: row i ends at end[i] of `text`. */
struct calc_column {
    struct sh_str name; /* of the request; else its expression */
    struct sh_str unit; /* of the arena */
    struct sh_data_class data_class;
    bool masked; /* no rows */
    uint32_t n;
    uint32_t cap;
    int64_t *time;
    uint32_t *end;
    struct sh_buf text;
};
/* Where rows go instead of into the answer. */
struct calc_file {
    struct calc_column column[CALC_EXPRESSIONS_MAX];
    size_t ncolumns;
    uint64_t cells; /* of all columns */
};

/* Rows of a column, as cells of a CSV file. SH_E_LIMIT: there are too many. */
sh_err calc_file_rows(struct calc_file *f, const struct sh_alloc *al, enum sh_type type,
                      const int64_t *time, const struct sh_expr_column *rows, uint32_t n);
/* Calculates all that the body asks for; into `f` (NULL: as JSON into the answer). The status of a
 * problem that was written, or 200; *a says what was asked until calc_done. */
int calc_run(struct api_req *r, struct calc_file *f, struct calc **out, const struct asked **a);
void calc_done(struct calc *c);

#endif
