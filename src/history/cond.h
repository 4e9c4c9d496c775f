/* cond.h - a condition on a value, made for the type of a point. Pure functions.
 * Every condition on a number is an interval with both ends in, or what is outside of one; so one
 * loop and one comparison with a summary serve them all. NaN is in no interval.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_COND_H
#define SH_HISTORY_COND_H

#include <sh/history.h>

struct cond {
    enum sh_type type;
    bool outside; /* met outside of the interval (text: by any other text) */
    union sh_cell lo;
    union sh_cell hi;   /* lo > hi: an empty interval */
    struct sh_str text; /* text and blob; borrowed from the question */
};

/* SH_E_UNSUPPORTED: the condition has no meaning for this type. */
SH_MUST_CHECK sh_err cond_make(const struct sh_history_cond *from, enum sh_type type,
                               struct cond *out);
/* bytes: of a text or blob cell. */
bool cond_met(const struct cond *c, union sh_cell v, const uint8_t *bytes);
/* How many of n values, none of which is NaN, meet it. Numbers only. */
uint32_t cond_count(const struct cond *c, const union sh_cell *v, uint32_t n);

enum cond_over { COND_NONE, COND_SOME, COND_ALL };
/* How many of the values between min and max, none of which is NaN, meet it. Numbers only. */
enum cond_over cond_over(const struct cond *c, union sh_cell min, union sh_cell max);

#endif /* SH_HISTORY_COND_H */
