/* survey_int.h - between survey.c and survey_period.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_SURVEY_INT_H
#define SH_HISTORY_SURVEY_INT_H

#include "iter.h"

/* The median of intervals between samples, taken from some places of [from, to), and, where there
 * are few, from before it. *out 0: fewer than three intervals were found. */
SH_MUST_CHECK sh_err survey_period(struct sh_history *h, struct mem *mem, uint32_t point,
                                   int64_t from, int64_t to, int64_t *out);

#endif /* SH_HISTORY_SURVEY_INT_H */
