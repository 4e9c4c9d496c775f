// clang-format off
/* roll.h - roll-ups: what the whole minutes, hours and days (UTC) of one series in one segment come
 * to, so that a query over a long time reads neither samples nor the summary of each block. Written
 * by compaction when a partition has ended; pure functions but for the buffer. One thread.
 *
 *   section  u32 crc of the head, u32 bytes of the head, head, groups of minutes, each behind u32 its
 *            crc: so days and hours are read without touching the minutes
 *   head     u8 finest level | form << 4, u8 levels in detail (bit
 *            set), varint step of time (0: none), zigzag varint a time t0 of a
 *            sample, group of the days
 *   group    u8 flags, varint rows, zigzag varint first unit (days: since the epoch; else within
 *            that above); unless dense: a varint of units left out before each row but the first;
 *            unless clean: a bit a row, 1 = clean. Then of the clean rows
 *            columns:
 *              unless even: n
 *              unless even, timed: t_first - start, end - 1 - t_last
 *              form 0..6 (digits after the point, all times 10^form), behind zigzag varints of the
 *              first min and first: zigzag of min - min before, max - min, last - min, zigzag of
 *              first - last before; with sums: sum - n * min
 *              timed: (t_min - t_first) / step, (t_max - t_first) / step; step is
 *              1 unless even
 *            8 bytes a row:
 *              form 15: min, max, first, last; form 15 or without sums: sum
 *              level in detail: m2
 *              timed, unless derived: integral
 *            and, unless this is the finest level, a varint of bytes for each row, clean or not; then
 *            the groups below the rows one after the other, or, if these are of minutes, a varint of
 *            where they begin behind the head
 *   column   u8 width, varint base, values - base of `width` bits each, lowest bit first, to a byte
 *   flags    1 dense: no unit is left out; 2 clean: all rows are; 4 even: a sample stands at each
 *            t0 + k * step, so n and times follow; 8 derived: integrals follow from the sums; 16 sums
 *
 * A unit is clean if its samples are all good and none is NaN; what is below it says all of another.
 * A group is timed when its level is in detail, or when it is even and derived. Differences are
 * modulo 2^64.
 * SPDX-License-Identifier: Apache-2.0 */
// clang-format on
#ifndef SH_HISTORY_ROLL_H
#define SH_HISTORY_ROLL_H

#include "summary.h"

enum roll_level { ROLL_DAY, ROLL_HOUR, ROLL_MINUTE, ROLL_LEVELS };
enum {
    ROLL_GROUP = 60,   /* rows of a group at most; a segment of over a day has no roll-ups */
    ROLL_DETAIL = 1024 /* ... that are worth m2, and times and integral that do not follow */
};
int64_t roll_unit_us(enum roll_level l);

/* What one unit comes to. */
struct roll_row {
    enum roll_level level;
    int64_t start; /* of the unit */
    bool clean;    /* else set says nothing */
    bool timed; /* t_first, t_last and integral of the set, t_min and t_max are exact; else t_first
                   and t_last are those of the unit, the others nothing */
    bool squares;           /* m2 is there */
    struct summary_set set; /* of good samples */
    int64_t t_min;          /* of the first sample of the smallest value */
    int64_t t_max;
    struct sh_bytes kids; /* group of the next finer level; n == 0: none. Of the section's memory */
};

/* ---- reading: nothing that is read is trusted --------------------------------------------------
 */

struct roll {
    enum sh_type type;
    enum roll_level finest;
    unsigned form;
    unsigned detail; /* bit set of levels */
    uint64_t step;
    int64_t t0;
    struct sh_bytes days;    /* group */
    struct sh_bytes minutes; /* groups */
};
/* `section` is borrowed by *out and all rows. SH_E_CORRUPT. */
SH_MUST_CHECK sh_err roll_open(struct sh_bytes section, enum sh_type type, struct roll *out);

/* Rows of one group. */
struct roll_group {
    uint32_t n;
    struct roll_row rows[ROLL_GROUP];
};
/* The days (above NULL) or what is below a row, ascending. SH_E_CORRUPT. */
SH_MUST_CHECK sh_err roll_group_read(const struct roll *r, const struct roll_row *above,
                                     struct roll_group *out);

/* ---- building ---------------------------------------------------------------------------------
 */

struct roll_build {
    const struct sh_alloc *alloc;
    uint32_t
        least; /* samples of a row of the finest level, on average, that are worth it; 0: any */
    enum sh_type type;
    enum roll_level base; /* of rows: the finest that may be worth it */
    struct roll_row *rows;
    uint32_t n;
    uint32_t cap;
    uint64_t samples;
    bool full; /* over more than a day: no roll-ups */
    uint64_t step;
    int64_t t0;
};
void roll_build_init(struct roll_build *b, const struct sh_alloc *a, uint32_t least);
void roll_build_fini(struct roll_build *b);
/* Begins a series (numbers and bool only). finest: at most this level; with least = 0, this one. */
void roll_build_begin(struct roll_build *b, enum sh_type type, enum roll_level finest);
/* Samples, ascending, all after those before. SH_E_NOMEM. */
SH_MUST_CHECK sh_err roll_build_add(struct roll_build *b, uint32_t n, const int64_t *time,
                                    const union sh_cell *value, const uint8_t *quality);
/* Appends the section; nothing when roll-ups are not worth it. *mean: samples in a row of its
 * finest level, on average (0: nothing was written). */
SH_MUST_CHECK sh_err roll_build_end(struct roll_build *b, struct sh_buf *out, uint64_t *mean);

#endif /* SH_HISTORY_ROLL_H */
