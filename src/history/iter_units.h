/* iter_units.h - units of roll-ups among the pieces of an iterator: between iter.c and
 * iter_units.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_ITER_UNITS_H
#define SH_HISTORY_ITER_UNITS_H

#include "iter.h"

/* Counts memory. SH_E_LIMIT. */
SH_MUST_CHECK sh_err iter_mem(struct iter *it, size_t n);
void iter_mem_back(struct iter *it, size_t n);
/* Reports it, the first few times of a segment. */
void iter_index_damaged(struct iter *it, const struct segment *seg);
/* Adds the days of the point in a segment; *rolled stays false when blocks must be read: there are
 * no roll-ups, they are damaged (*damaged), or their finest unit is of no use. */
SH_MUST_CHECK sh_err units_gather(struct iter *it, struct segment *s, uint32_t rank, bool *rolled,
                                  bool *damaged);
/* Brings what was gathered in order. */
void units_order(struct iter *it);
/* Takes it->front, a unit that was dropped from the list, apart: into those below it or its blocks.
 */
SH_MUST_CHECK sh_err unit_apart(struct iter *it);
void units_fini(struct iter *it);

#endif /* SH_HISTORY_ITER_UNITS_H */
