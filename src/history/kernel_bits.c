/* kernel_bits.c - see kernel_bits.h. Written so that the inner loops vectorise. KERNEL_TABLE is the
 * name of this target's table. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernel_bits.h"

#ifndef KERNEL_TABLE
#define KERNEL_TABLE kernels_base
#endif

extern const struct kernels KERNEL_TABLE;

enum { LANES = 16, POSITIONS = 64, TAIL_BYTES = KERNEL_FULL * 8, WAYS = 8 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian as they lie");

static inline uint64_t mask_of(unsigned width)
{
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

static void pack_full(const uint64_t *in, unsigned width, uint8_t *out)
{
    const uint64_t mask = mask_of(width);
    uint64_t acc[LANES] = {0};
    unsigned used = 0;
    for (unsigned pos = 0; pos < POSITIONS; pos++) {
        const uint64_t *row = in + (size_t)pos * LANES;
        for (unsigned l = 0; l < LANES; l++) {
            acc[l] |= (row[l] & mask) << used;
        }
        if (used + width < 64) {
            used += width;
            continue;
        }
        memcpy(out, acc, sizeof acc);
        out += sizeof acc;
        const unsigned taken = 64 - used; /* 1..64 bits of this row are out */
        used = used + width - 64;
        for (unsigned l = 0; l < LANES; l++) {
            acc[l] = taken == 64 ? 0 : (row[l] & mask) >> taken;
        }
    }
}

static void unpack_full(const uint8_t *in, unsigned width, uint64_t base, uint64_t *restrict out)
{
    const uint64_t mask = mask_of(width);
    for (unsigned pos = 0; pos < POSITIONS; pos++) {
        const unsigned bit = pos * width;
        const unsigned shift = bit % 64;
        uint64_t lo[LANES];
        uint64_t *row = out + (size_t)pos * LANES;
        memcpy(lo, in + (size_t)(bit / 64) * sizeof lo, sizeof lo);
        if (shift + width <= 64) {
            for (unsigned l = 0; l < LANES; l++) {
                row[l] = (lo[l] >> shift & mask) + base;
            }
        } else {
            uint64_t hi[LANES];
            memcpy(hi, in + ((size_t)(bit / 64) + 1) * sizeof hi, sizeof hi);
            for (unsigned l = 0; l < LANES; l++) {
                row[l] = ((lo[l] >> shift | hi[l] << (64 - shift)) & mask) + base;
            }
        }
    }
}

static void pack(const uint64_t *in, uint32_t n, unsigned width, uint8_t *out)
{
    if (width == 0 || n == 0) {
        return;
    }
    if (n == KERNEL_FULL) {
        pack_full(in, width, out);
        return;
    }
    const uint64_t mask = mask_of(width);
    const size_t size = kernel_packed_size(n, width);
    memset(out, 0, size);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t v = in[i] & mask;
        const size_t bit = (size_t)i * width;
        size_t at = bit / 8;
        const unsigned shift = bit % 8;
        out[at++] |= (uint8_t)(v << shift);
        for (unsigned done = 8 - shift; done < width; done += 8) {
            out[at++] = (uint8_t)(v >> done);
        }
    }
}

/* Values i to n: those whose bits are near the end, or too many for one load. */
static void unpack_rest(const uint8_t *in, uint32_t i, uint32_t n, unsigned width, uint64_t base,
                        uint64_t *out)
{
    const uint64_t mask = mask_of(width);
    const size_t begin = (size_t)i * width / 8;
    const size_t size = kernel_packed_size(n, width) - begin;
    uint8_t copy[TAIL_BYTES + 16];
    memcpy(copy, in + begin, size);
    memset(copy + size, 0, 16);
    for (; i < n; i++) {
        const size_t bit = (size_t)i * width - begin * 8;
        const uint8_t *p = copy + bit / 8;
        const unsigned shift = bit % 8;
        uint64_t v = 0;
        memcpy(&v, p, sizeof v);
        v >>= shift;
        if (shift + width > 64) {
            v |= (uint64_t)p[8] << (64 - shift);
        }
        out[i] = (v & mask) + base;
    }
}

static void unpack(const uint8_t *in, uint32_t n, unsigned width, uint64_t base, uint64_t *out)
{
    if (width == 0) {
        for (uint32_t i = 0; i < n; i++) {
            out[i] = base;
        }
        return;
    }
    if (n == KERNEL_FULL) {
        unpack_full(in, width, base, out);
        return;
    }
    const uint64_t mask = mask_of(width);
    const size_t size = kernel_packed_size(n, width);
    uint32_t i = 0;
    if (width <= 57) { /* one load of eight bytes has all of a value */
        for (size_t bit = 0; i < n && bit / 8 + 8 <= size; i++, bit += width) {
            uint64_t v = 0;
            memcpy(&v, in + bit / 8, sizeof v);
            out[i] = (v >> bit % 8 & mask) + base;
        }
    }
    if (i < n) {
        unpack_rest(in, i, n, width, base, out);
    }
}

/* A quotient by multiplication with the reciprocal: exact, because (w + 1/2) / radix is at least
 * half of 1 / radix away from a whole number and the product's error is far below that. */
static void digits(const uint64_t *word, uint32_t m, uint32_t radix, uint32_t n, uint64_t base,
                   uint64_t *out)
{
    int32_t w[KERNEL_FULL];
    int32_t q[KERNEL_FULL];
    const double inverse = 1.0 / radix;
    const int32_t r = (int32_t)radix;
    for (uint32_t i = 0; i < m; i++) {
        w[i] = (int32_t)word[i];
    }
    for (uint32_t at = 0; at < n; at += m) {
        const uint32_t end = n - at < m ? n - at : m;
        uint64_t *restrict row = out + at;
        for (uint32_t i = 0; i < end; i++) {
            q[i] = (int32_t)((w[i] + 0.5) * inverse);
        }
        for (uint32_t i = 0; i < end; i++) {
            row[i] = (uint64_t)(uint32_t)(w[i] - q[i] * r) + base;
        }
        for (uint32_t i = 0; i < end; i++) {
            w[i] = q[i];
        }
    }
}

/* Four sums run side by side, so that none waits for another; then each quarter gets what is before
 * it. */
static void prefix(uint64_t *v, uint32_t n)
{
    const uint32_t quarter = n / 4;
    uint64_t sum[4] = {0};
    for (uint32_t i = 0; i < quarter; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            sum[k] += v[k * quarter + i];
            v[k * quarter + i] = sum[k];
        }
    }
    uint64_t before = 0;
    for (uint32_t k = 1; k < 4; k++) {
        before += sum[k - 1];
        for (uint32_t i = k * quarter; i < (k + 1) * quarter; i++) {
            v[i] += before;
        }
    }
    before += sum[3];
    for (uint32_t i = 4 * quarter; i < n; i++) {
        before += v[i];
        v[i] = before;
    }
}

/* One product a value, no carried sums: gcc 12 at -O3 for AVX2 makes wrong code of the latter. */
static void linear(uint64_t first, uint64_t delta, uint32_t n, uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = first + (uint64_t)i * delta;
    }
}

/* x / by, correctly rounded. With a fused multiply-add: the reciprocal, rounded, gives a quotient
 * that is off by at most one place; its remainder is exact and mends it (P. Markstein, Computation
 * of elementary functions on the IBM RISC System/6000, 1990, theorem 8.5 of his later book). A
 * division costs several times as much. */
static inline double quotient(double x, double by, double inverse)
{
#ifdef __FMA__
    const double q = x * inverse;
    return __builtin_fma(__builtin_fma(-q, by, x), inverse, q);
#else
    SH_UNUSED(inverse);
    return x / by;
#endif
}

static void scale(const uint64_t *v, uint32_t n, double by, double *restrict out)
{
    const double inverse = 1.0 / by;
    /* 1.5 * 2^52 added to a small integer's bits makes that integer's double plus the same. */
    const double magic = 6755399441055744.0;
    uint64_t magic_bits = 0;
    memcpy(&magic_bits, &magic, sizeof magic_bits);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t bits = v[i] + magic_bits;
        double d = 0;
        memcpy(&d, &bits, sizeof d);
        out[i] = quotient(d - magic, by, inverse);
    }
}

static uint32_t decimals(const double *v, uint32_t n, double by, uint64_t *restrict out,
                         uint64_t *restrict bad)
{
    const double inverse = 1.0 / by;
    const double limit = 2251799813685248.0; /* 2^51 */
    const double magic = 6755399441055744.0; /* as in scale() */
    uint64_t magic_bits = 0;
    uint64_t count = 0;
    memcpy(&magic_bits, &magic, sizeof magic_bits);
    for (uint32_t i = 0; i < n; i++) {
        const double scaled = v[i] * by;
        const double whole = scaled + magic;
        const double back = quotient(whole - magic, by, inverse);
        uint64_t whole_bits = 0;
        uint64_t back_bits = 0;
        uint64_t bits = 0;
        memcpy(&whole_bits, &whole, sizeof whole_bits);
        memcpy(&back_bits, &back, sizeof back_bits);
        memcpy(&bits, &v[i], sizeof bits);
        const uint64_t small = (uint64_t)(scaled > -limit) & (uint64_t)(scaled < limit);
        const uint64_t no = (uint64_t)(back_bits != bits) | (small ^ 1);
        out[i] = whole_bits - magic_bits;
        bad[i] = no;
        count += no;
    }
    return (uint32_t)count;
}

static void deltas(const uint64_t *v, uint32_t from, uint32_t n, uint64_t *restrict out)
{
    for (uint32_t i = 0; i < from && i < n; i++) {
        out[i] = 0;
    }
    for (uint32_t i = from; i < n; i++) {
        out[i] = v[i] - v[i - 1];
    }
}

static void range(const uint64_t *v, uint32_t n, int64_t *min, int64_t *max)
{
    int64_t lo = (int64_t)v[0];
    int64_t hi = lo;
    for (uint32_t i = 1; i < n; i++) {
        const int64_t x = (int64_t)v[i];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    *min = lo;
    *max = hi;
}

static void lower(uint64_t *v, uint32_t n, uint64_t base)
{
    for (uint32_t i = 0; i < n; i++) {
        v[i] -= base;
    }
}

/* Four counts side by side: most values are of one width, and a count that was just changed is
 * waited for. */
static void widths(const uint64_t *v, uint32_t n, uint64_t base, uint32_t hist[65])
{
    enum { SIDES = 4, GROUP = 64 };
    uint32_t count[SIDES][65] = {{0}};
    uint64_t width[GROUP] = {0};
    while (n > 0) {
        const uint32_t m = n < GROUP ? n : GROUP;
        for (uint32_t i = 0; i < m; i++) {
            const uint64_t x = v[i] - base;
            const uint64_t zeros = (uint64_t)(unsigned)__builtin_clzll(x | 1);
            width[i] = 64 - zeros - (uint64_t)(x == 0);
        }
        for (uint32_t i = 0; i < m; i++) {
            count[i % SIDES][width[i]]++;
        }
        v += m;
        n -= m;
    }
    for (uint32_t b = 0; b <= 64; b++) {
        hist[b] += count[0][b] + count[1][b] + count[2][b] + count[3][b];
    }
}

static void words(const uint64_t *v, uint32_t n, uint32_t k, uint32_t radix, uint64_t *restrict out)
{
    const uint32_t m = (n + k - 1) / k;
    for (uint32_t i = 0; i < m; i++) {
        out[i] = 0;
    }
    for (uint32_t j = k; j-- > 0;) {
        const uint64_t *row = v + (size_t)j * m;
        const uint32_t begin = j * m;
        const uint32_t end = begin >= n ? 0 : (n - begin < m ? n - begin : m);
        for (uint32_t i = 0; i < end; i++) {
            out[i] = (uint64_t)(uint32_t)out[i] * radix + row[i];
        }
        for (uint32_t i = end; i < m; i++) {
            out[i] = (uint64_t)(uint32_t)out[i] * radix;
        }
    }
}

static bool even(const int64_t *t, uint32_t n)
{
    const uint64_t step = n < 2 ? 0 : (uint64_t)t[1] - (uint64_t)t[0];
    uint64_t other = 0;
    for (uint32_t i = 1; i < n; i++) {
        other |= ((uint64_t)t[i] - (uint64_t)t[i - 1]) ^ step;
    }
    return other == 0;
}

static bool ascending(const int64_t *t, uint32_t n)
{
    uint64_t bad = 0;
    for (uint32_t i = 1; i < n; i++) {
        bad |= (uint64_t)(t[i] <= t[i - 1]);
    }
    return bad == 0;
}

static bool times(const uint64_t *v, uint32_t n, uint64_t t0, uint64_t g, int64_t *restrict out)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (int64_t)(t0 + v[i] * g);
    }
    uint64_t bad = 0;
    for (uint32_t i = 1; i < n; i++) {
        bad |= (uint64_t)(out[i] <= out[i - 1]);
    }
    return bad == 0;
}

#ifdef __AVX2__ /* below it comparing and choosing by vectors is slower than one by one */
enum { WIDE = 4, PAIR = WAYS / WIDE };
typedef double wide_f64 __attribute__((vector_size(WIDE * 8)));
typedef int64_t wide_i64 __attribute__((vector_size(WIDE * 8)));

/* A function would pass vectors of a size that this target's calls do not know. */
#define CHOOSE(mask, yes, no) ((wide_f64)(((wide_i64)(yes) & (mask)) | ((wide_i64)(no) & ~(mask))))

static void numbers(const double *v, uint32_t n, struct kernel_numbers *out)
{
    const wide_f64 zero = {0};
    const wide_f64 infinity = zero + (double)INFINITY;
    wide_f64 sum[PAIR] = {zero, zero};
    wide_f64 min[PAIR] = {infinity, infinity};
    wide_f64 max[PAIR] = {-infinity, -infinity};
    wide_i64 good[PAIR] = {{0}, {0}};
    double rest[WAYS];
    for (uint32_t i = 0; i < n; i += WAYS) {
        const double *p = v + i;
        if (n - i < WAYS) { /* what is past the end does not count */
            for (unsigned k = 0; k < WAYS; k++) {
                rest[k] = k < n - i ? p[k] : (double)NAN;
            }
            p = rest;
        }
        for (unsigned k = 0; k < PAIR; k++) {
            wide_f64 x;
            memcpy(&x, p + (size_t)k * WIDE, sizeof x);
            const wide_i64 counts = x <= infinity; /* all but NaN */
            sum[k] += CHOOSE(counts, x, zero);
            min[k] = CHOOSE(x < min[k], x, min[k]);
            max[k] = CHOOSE(x > max[k], x, max[k]);
            good[k] -= counts;
        }
    }
    *out = (struct kernel_numbers){.min = min[0][0], .max = max[0][0], .nan = n};
    for (unsigned k = 0; k < WAYS; k++) {
        const double lo = min[k / WIDE][k % WIDE];
        const double hi = max[k / WIDE][k % WIDE];
        out->sum += sum[k / WIDE][k % WIDE];
        out->min = lo < out->min ? lo : out->min;
        out->max = hi > out->max ? hi : out->max;
        out->nan -= (uint32_t)good[k / WIDE][k % WIDE];
    }
}

#else

static void numbers(const double *v, uint32_t n, struct kernel_numbers *out)
{
    double sum[WAYS] = {0};
    double min = (double)INFINITY;
    double max = -(double)INFINITY;
    uint32_t nan = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double x = v[i];
        sum[i % WAYS] += isnan(x) ? 0.0 : x;
        min = x < min ? x : min;
        max = x > max ? x : max;
        nan += isnan(x) ? 1 : 0;
    }
    *out = (struct kernel_numbers){.min = min, .max = max, .nan = nan};
    for (unsigned k = 0; k < WAYS; k++) {
        out->sum += sum[k];
    }
}

#endif

static void integers(const int64_t *v, uint32_t n, struct kernel_integers *out)
{
    double sum[WAYS] = {0};
    int64_t min = v[0];
    int64_t max = v[0];
    uint32_t i = 0;
    for (; i + WAYS <= n; i += WAYS) {
        for (unsigned k = 0; k < WAYS; k++) {
            sum[k] += (double)v[i + k];
        }
    }
    for (; i < n; i++) {
        sum[i % WAYS] += (double)v[i];
    }
    for (i = 1; i < n; i++) {
        min = v[i] < min ? v[i] : min;
        max = v[i] > max ? v[i] : max;
    }
    *out = (struct kernel_integers){.min = min, .max = max};
    for (unsigned k = 0; k < WAYS; k++) {
        out->sum += sum[k];
    }
}

static double squares_f64(const double *v, uint32_t n, double mean)
{
    double sum[WAYS] = {0};
    uint32_t i = 0;
    for (; i + WAYS <= n; i += WAYS) {
        for (unsigned k = 0; k < WAYS; k++) {
            sum[k] += (v[i + k] - mean) * (v[i + k] - mean);
        }
    }
    for (; i < n; i++) {
        sum[i % WAYS] += (v[i] - mean) * (v[i] - mean);
    }
    for (unsigned k = 1; k < WAYS; k++) {
        sum[0] += sum[k];
    }
    return sum[0];
}

static double squares_i64(const int64_t *v, uint32_t n, double mean)
{
    double sum[WAYS] = {0};
    uint32_t i = 0;
    for (; i + WAYS <= n; i += WAYS) {
        for (unsigned k = 0; k < WAYS; k++) {
            sum[k] += ((double)v[i + k] - mean) * ((double)v[i + k] - mean);
        }
    }
    for (; i < n; i++) {
        sum[i % WAYS] += ((double)v[i] - mean) * ((double)v[i] - mean);
    }
    for (unsigned k = 1; k < WAYS; k++) {
        sum[0] += sum[k];
    }
    return sum[0];
}

static uint32_t within_f64(const double *v, uint32_t n, double lo, double hi)
{
    uint64_t in = 0; /* as wide as the values, so that a vector holds as many of both */
    for (uint32_t i = 0; i < n; i++) {
        in += (uint64_t)((v[i] >= lo) & (v[i] <= hi));
    }
    return (uint32_t)in;
}

static uint32_t within_i64(const int64_t *v, uint32_t n, int64_t lo, int64_t hi)
{
    uint64_t in = 0;
    for (uint32_t i = 0; i < n; i++) {
        in += (uint64_t)((v[i] >= lo) & (v[i] <= hi));
    }
    return (uint32_t)in;
}

const struct kernels KERNEL_TABLE = {
    .pack = pack,
    .unpack = unpack,
    .digits = digits,
    .prefix = prefix,
    .linear = linear,
    .scale = scale,
    .decimals = decimals,
    .deltas = deltas,
    .range = range,
    .lower = lower,
    .widths = widths,
    .words = words,
    .even = even,
    .ascending = ascending,
    .times = times,
    .numbers = numbers,
    .integers = integers,
    .squares_f64 = squares_f64,
    .squares_i64 = squares_i64,
    .within_f64 = within_f64,
    .within_i64 = within_i64,
};
