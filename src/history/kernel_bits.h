/* kernel_bits.h - packing of unsigned integers of one width. Pure functions.
 *
 * 1024 values (a full block) are laid out in 16 lanes: value i is at position i / 16 of lane i
 * % 16. A lane holds its 64 values of `width` bits in `width` little-endian words of 64 bits, low
 * bits first; word k of all 16 lanes lies together, in lane order. So one step of a vector unit
 * handles the same position of several lanes, and the values come out in their natural order. Fewer
 * values are packed one after another, low bits first. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_KERNEL_BITS_H
#define SH_HISTORY_KERNEL_BITS_H

#include <sh/base.h>

enum { KERNEL_FULL = 1024 };

/* Bytes of n values of width bits (0..64). */
static inline size_t kernel_packed_size(uint32_t n, unsigned width)
{
    return ((size_t)n * width + 7) / 8;
}
struct kernel_numbers {
    double sum;
    double min;
    double max;
    uint32_t nan;
};
struct kernel_integers {
    double sum;
    int64_t min;
    int64_t max;
};

/* One source, compiled once per target (CMakeLists.txt); no state. */
struct kernels {
    /* n at most 1024; bits above width are dropped. Writes kernel_packed_size bytes. */
    void (*pack)(const uint64_t *in, uint32_t n, unsigned width, uint8_t *out);
    /* Reads kernel_packed_size bytes; adds base to each value. */
    void (*unpack)(const uint8_t *in, uint32_t n, unsigned width, uint64_t base, uint64_t *out);
    /* Takes the digits of base `radix` (2..65535) out of m words below 2^31, lowest first: digit j
     * of word i goes to out[j * m + i], n in all, with base added. */
    void (*digits)(const uint64_t *word, uint32_t m, uint32_t radix, uint32_t n, uint64_t base,
                   uint64_t *out);
    /* Running sum: v[i] += v[i - 1]. */
    void (*prefix)(uint64_t *v, uint32_t n);
    /* out[i] = first + i * delta. */
    void (*linear)(uint64_t first, uint64_t delta, uint32_t n, uint64_t *out);
    /* out[i] = v[i] (a signed integer below 2^51 in size) / scale, correctly rounded. */
    void (*scale)(const uint64_t *v, uint32_t n, double scale, double *out);
    /* The way there: out[i] = v[i] * scale as an integer below 2^51 in size, bad[i] = 0, when that
     * integer / scale is v[i] to the bit; else bad[i] = 1. Returns how many are bad. */
    uint32_t (*decimals)(const double *v, uint32_t n, double scale, uint64_t *out, uint64_t *bad);
    /* out[i] = v[i] - v[i - 1] from `from` on (1 or more), what is before is 0; out is not v. */
    void (*deltas)(const uint64_t *v, uint32_t from, uint32_t n, uint64_t *out);
    /* Smallest and largest as signed integers; n > 0. */
    void (*range)(const uint64_t *v, uint32_t n, int64_t *min, int64_t *max);
    /* v[i] -= base. */
    void (*lower)(uint64_t *v, uint32_t n, uint64_t base);
    /* hist[b] += 1 for each v[i] - base of b bits; n at most 1024. */
    void (*widths)(const uint64_t *v, uint32_t n, uint64_t base, uint32_t hist[65]);
    /* The way there of `digits`: n values below radix into m words of k digits each. */
    void (*words)(const uint64_t *v, uint32_t n, uint32_t k, uint32_t radix, uint64_t *out);
    /* Are all steps of time equal? Are all more than 0? */
    bool (*even)(const int64_t *t, uint32_t n);
    bool (*ascending)(const int64_t *t, uint32_t n);
    /* out[i] = t0 + v[i] * g; false unless strictly ascending. */
    bool (*times)(const uint64_t *v, uint32_t n, uint64_t t0, uint64_t g, int64_t *out);
    /* Sum, smallest and largest; NaN are counted and left out. Eight running sums, so that it
     * vectorises and every target computes the same. */
    void (*numbers)(const double *v, uint32_t n, struct kernel_numbers *out);
    void (*integers)(const int64_t *v, uint32_t n, struct kernel_integers *out); /* n > 0 */
    /* Sum of the squares of the distances from the mean, in eight running sums. */
    double (*squares_f64)(const double *v, uint32_t n, double mean);
    double (*squares_i64)(const int64_t *v, uint32_t n, double mean);
    /* How many lie in [lo, hi]; n at most 1024. NaN does not. */
    uint32_t (*within_f64)(const double *v, uint32_t n, double lo, double hi);
    uint32_t (*within_i64)(const int64_t *v, uint32_t n, int64_t lo, int64_t hi);
};
/* The fastest that this processor runs. */
const struct kernels *kernels_get(void);

#endif /* SH_HISTORY_KERNEL_BITS_H */
