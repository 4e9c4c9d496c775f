/* roll_int.h - what reader and builder of roll-ups share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_ROLL_INT_H
#define SH_HISTORY_ROLL_INT_H

#include "roll.h"

enum { ROLL_OWN = 15, ROLL_DECIMALS = 7 };
#define ROLL_TIME_MAX ((int64_t)1 << 61)
enum { ROLL_DENSE = 1, ROLL_CLEAN = 2, ROLL_EVEN = 4, ROLL_DERIVED = 8, ROLL_SUMS = 16 };

/* Has a group exact times and integrals? */
static inline bool roll_timed(unsigned detail, enum roll_level level, unsigned flags)
{
    const unsigned follow = ROLL_EVEN | ROLL_DERIVED;
    return (detail >> level & 1) != 0 || (flags & follow) == follow;
}

/* n, t_first and t_last of a unit in which a sample stands at each t0 + k * step; false: there is
 * none, or no step. |t0|, |start| up to ROLL_TIME_MAX. */
static inline bool roll_even(uint64_t step, int64_t t0, int64_t start, int64_t end,
                             struct summary_set *s)
{
    if (step == 0 || t0 > ROLL_TIME_MAX || t0 < -ROLL_TIME_MAX) {
        return false;
    }
    const int64_t g = (int64_t)step;
    const int64_t rest = (t0 - start) % g;
    const int64_t first = start + (rest < 0 ? rest + g : rest);
    if (first >= end) {
        return false;
    }
    const uint64_t more = (uint64_t)(end - 1 - first) / step;
    s->n = (uint32_t)(more < UINT32_MAX ? more + 1 : UINT32_MAX);
    s->t_first = first;
    s->t_last = first + (int64_t)(more * step);
    return true;
}

#endif /* SH_HISTORY_ROLL_INT_H */
