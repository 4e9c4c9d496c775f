/* filter.h - the filter and sort expressions of record.h, parsed into the seam's tree. Pure: memory
 * is the arena's, no I/O. Re-entrant. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_FILTER_H
#define SH_RECORD_FILTER_H

#include <sh/record_ops.h>

enum { RECORD_FILTER_MAX_BYTES = 16384, RECORD_FILTER_MAX_NODES = 256, RECORD_FILTER_MAX_IN = 256 };

/* Sort keys, first to last. */
struct record_sorts {
    struct sh_record_sort by[SH_RECORD_MAX_SORT];
    size_t n;
};

/* a: for scratch. text empty: *out = NULL (all). SH_E_INVAL with diag (line = 1-based column),
 * SH_E_LIMIT. */
SH_MUST_CHECK sh_err record_filter_parse(const struct sh_alloc *a, struct sh_str text,
                                         struct sh_arena *ar, const struct sh_record_node **out,
                                         struct sh_diag *diag);
/* "name,-price.value": up to SH_RECORD_MAX_SORT. */
SH_MUST_CHECK sh_err record_sort_parse(const struct sh_alloc *a, struct sh_str text,
                                       struct sh_arena *ar, struct record_sorts *out,
                                       struct sh_diag *diag);

#endif /* SH_RECORD_FILTER_H */
