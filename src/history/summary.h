/* summary.h - what a block's samples come to, so that a query need not read them. Pure functions
 * but for the buffer. A set is over the samples that count: good and uncertain ones that are not
 * NaN (`use`), or good ones only (`good`; equal to `use` when there is no uncertain one).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_SUMMARY_H
#define SH_HISTORY_SUMMARY_H

#include <sh/value.h>

struct summary_set {
    uint32_t n;
    double sum;
    double m2; /* sum of squares of the distances from the mean: sum of squares = m2 + sum^2/n */
    double integral;   /* value times microseconds, each value held until the next, first to last */
    union sh_cell min; /* of the point's type; not for text and blob */
    union sh_cell max;
    union sh_cell first;
    union sh_cell last;
    int64_t t_first;
    int64_t t_last;
};

struct summary {
    uint32_t n; /* all samples */
    uint32_t n_bad;
    uint32_t n_uncertain;
    uint32_t n_nan; /* among those that are not bad */
    struct summary_set use;
    struct summary_set good;
};

/* A cell as a number: f64, i64, bool. */
static inline double summary_number(enum sh_type t, union sh_cell c)
{
    return t == SH_T_F64 ? c.f64 : (double)c.i64;
}

/* The integral of a set whose samples follow each other at equal distances. */
double summary_integral(const struct summary_set *s, enum sh_type type);
/* Digits after the point (0..6) with which all of these n cells can be written; 15: no common
 * number of them. Not f64: 0. */
unsigned summary_decimals(const union sh_cell *c, unsigned n, enum sh_type type);
/* Among the values that are as near to the truth as a sum of doubles is, takes those that can be
 * written short: a sum with as many decimals as the samples and (even: equal steps) an integral
 * that follows from it. */
void summary_settle(struct summary_set *s, enum sh_type type, bool even);

/* Columns ascending in time, n > 0. */
void summary_make(enum sh_type type, uint32_t n, const int64_t *time, const union sh_cell *value,
                  const uint8_t *quality, struct summary *out);

/* Version 2 is written: u8 0x80 | 1 second set follows | 2 nothing bad, uncertain or NaN; unless
 * 2: varint n_bad, n_uncertain, n_nan; per set: u8 1 whole block | 2 the integral follows from sum
 * and last (equal steps) | 4 m2 is 0 | e << 4; unless 1: varint n; unless n is 0: varint t_first -
 * block's first, varint block's last - t_last. For numbers, e = 0..6: zigzag varint sum * 10^e and
 * min * 10^e, varint (max - min), (first - min), (last - min), all * 10^e; e = 15: sum, min, max,
 * first, last each in its own form; then m2 and integral as 8 bytes unless the flags give them.
 * Version 1 is read: u8 1 = second set follows, else 0; varint n_bad, n_uncertain, n_nan; per set:
 * varint n; unless 0: both times as above; for numbers: sum, m2, integral, min, max, first, last in
 * their own form. Own form, f64: u8 e and zigzag varint (value = integer / 10^e) or 255 and 8
 * bytes; i64 and bool values: zigzag varint. */
SH_MUST_CHECK sh_err summary_write(enum sh_type type, const struct summary *s, int64_t t_first,
                                   int64_t t_last, struct sh_buf *out);
/* SH_E_CORRUPT. n: samples of the block. */
SH_MUST_CHECK sh_err summary_read(struct sh_rd *r, enum sh_type type, uint32_t n, int64_t t_first,
                                  int64_t t_last, struct summary *out);

#endif /* SH_HISTORY_SUMMARY_H */
