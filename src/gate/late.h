/* late.h - samples that came long after their time: noted for each device, told as events.
 * A note gathers what a device sends late, so that a link that comes back is one event and a clock
 * that is behind is one in ten minutes. What is older than LATE_MOST was brought in, not late.
 * Any thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GATE_LATE_H
#define SH_GATE_LATE_H

#include <sh/point.h>
#include <sh/value.h>

#define LATE_MOST_US (INT64_C(30) * 86400 * 1000000)

struct late;
/* What one device sent late. */
struct late_note {
    uint32_t tenant;
    struct sh_str device; /* of the catalogue */
    int64_t from_us;      /* times of its samples */
    int64_t to_us;
    int64_t delay_us; /* the longest */
    uint64_t samples;
};

SH_MUST_CHECK sh_err late_new(const struct sh_env *env, const struct sh_points *points,
                              struct late **out);
void late_free(struct late *l); /* NULL is accepted */
/* From which delay on a sample is late; 0: none is. */
void late_set(struct late *l, int64_t after_us);
/* Rows that arrive now. */
void late_batch(struct late *l, uint32_t tenant, const struct sh_batch *b);
/* The next note that is due; false: none. all: those too that are still being gathered. */
bool late_take(struct late *l, bool all, struct late_note *out);
/* Samples that could not be noted: too many devices at once. */
uint64_t late_missed(const struct late *l);

#endif /* SH_GATE_LATE_H */
