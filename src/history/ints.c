/* ints.c - see ints.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ints.h"

#include "kernel_bits.h"

enum { SAMPLE = 192, GUESS = 128, EXCEPTION_BITS = 18, WORTH_NUM = 63, WORTH_DEN = 64 };

/* How one mode would be written. */
struct plan {
    enum ints_mode mode;
    unsigned width;
    unsigned digits; /* of a word, in the radix form; 1 = bits as they are */
    uint64_t base;
    uint64_t min; /* of the stream, as signed integers */
    uint64_t max;
    uint64_t first;
    uint64_t first_delta;
    uint32_t skip; /* leading positions that stand for nothing */
    size_t cost;
};

static unsigned bits_of(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

static size_t varint_size(uint64_t v)
{
    return (bits_of(v | 1) + 6) / 7;
}

/* ---- the radix form: see ints.h ---- */

enum { DIGITS_MAX = 20, WORD_BITS = 31 };

/* Largest R with R^k <= 2^width, for k from 2 on; 0 where that is 1. */
static const uint16_t radixes[DIGITS_MAX - 1][WORD_BITS + 1] = {
    {0,    0,    2,    2,    4,    5,     8,     11,    16,    22,   32,
     45,   64,   90,   128,  181,  256,   362,   512,   724,   1024, 1448,
     2048, 2896, 4096, 5792, 8192, 11585, 16384, 23170, 32768, 46340},
    {0,  0,  0,  2,  2,   3,   4,   5,   6,   8,   10,  12,  16,  20,  25,   32,
     40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645, 812, 1024, 1290},
    {0,  0,  0,  0,  2,  2,  2,  3,  4,  4,  5,  6,   8,   9,   11,  13,
     16, 19, 22, 26, 32, 38, 45, 53, 64, 76, 90, 107, 128, 152, 181, 215},
    {0, 0,  0,  0,  0,  2,  2,  2,  3,  3,  4,  4,  5,  6,  6,  8,
     9, 10, 12, 13, 16, 18, 21, 24, 27, 32, 36, 42, 48, 55, 64, 73},
    {0, 0, 0, 0, 0,  0,  2,  2,  2,  2,  3,  3,  4,  4,  5,  5,
     6, 7, 8, 8, 10, 11, 12, 14, 16, 17, 20, 22, 25, 28, 32, 35},
    {0, 0, 0, 0, 0, 0, 0, 2, 2,  2,  2,  2,  3,  3,  4,  4,
     4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 13, 14, 16, 17, 19, 21},
    {0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2,  2,  3,  3,  3,
     4, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 11, 12, 13, 14},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2,  3,
     3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 8, 9, 10, 10},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2,
     3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 6, 7, 8, 8},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2,
     2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2,
     2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2,
     2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2,
     2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
     2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3},
    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
     0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2},
};

static uint32_t radix_of(unsigned k, unsigned width)
{
    return radixes[k - 2][width];
}

static size_t radix_size(uint32_t n, unsigned k, unsigned width)
{
    return kernel_packed_size((n + k - 1) / k, width);
}

/* Bytes of d - base in this form, with its exceptions; SIZE_MAX when it is not less than `least`.
 */
static size_t radix_cost(const uint64_t *d, uint32_t n, const struct plan *p, uint32_t radix,
                         size_t least)
{
    size_t cost = radix_size(n, p->digits, p->width) + 1;
    for (uint32_t i = p->skip; i < n && cost < least; i++) {
        const uint64_t x = d[i] - p->base;
        cost += x < radix ? 0 : 1 + varint_size(x / radix);
    }
    return cost < least ? cost : SIZE_MAX;
}

/* How many of the sorted values lie less than radix above base; those below base count too. */
static uint32_t count_below(const uint64_t *sorted, uint32_t m, uint64_t base, uint32_t radix)
{
    const int64_t end = (int64_t)(base + radix);
    uint32_t lo = 0;
    uint32_t hi = m;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if ((int64_t)sorted[mid] < end) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Looks for a form of fewer bits than p has, by the m sorted values (a sample and the largest, or
 * the largest alone): what a form does not hold becomes an exception. */
static void radix_search(const uint64_t *sorted, uint32_t m, const uint64_t *d, uint32_t n,
                         struct plan *p)
{
    struct plan best = *p;
    double least = (double)p->cost * 8 * m / n;
    if (p->width == 0 || p->width > 16 || m == 0) {
        return;
    }
    const unsigned narrow = p->width > 2 ? p->width - 2 : 1; /* below it exceptions are too many */
    for (unsigned k = 2; k <= DIGITS_MAX; k++) {
        for (unsigned w = k * narrow; w <= WORD_BITS && w < k * p->width; w++) {
            if ((double)m * w / k >= least) {
                break; /* with nothing left out, and wider forms are no better */
            }
            const uint32_t beyond = m - count_below(sorted, m, p->base, radix_of(k, w));
            const double guess = (double)m * w / k + (double)beyond * EXCEPTION_BITS;
            if (guess < least) {
                least = guess;
                best.digits = k;
                best.width = w;
            }
        }
    }
    if (best.digits > 1) {
        best.cost = radix_cost(d, n, &best, radix_of(best.digits, best.width),
                               p->cost * WORTH_NUM / WORTH_DEN);
        *p = best.cost == SIZE_MAX ? *p : best;
    }
}

/* The same without a sample, when p leaves nothing out: the form that holds all values in the
 * fewest bits, if there is one. */
static void radix_exact(uint32_t n, struct plan *p)
{
    const uint64_t span = p->max - p->base;
    double least = p->width;
    struct plan best = *p;
    if (p->width == 0 || p->width > 16 || bits_of(span) != p->width) {
        return;
    }
    for (unsigned k = 2; k <= DIGITS_MAX; k++) {
        unsigned w = k * (p->width - 1); /* less holds no value of this width */
        w = w < k ? k : w;
        while (w <= WORD_BITS && radix_of(k, w) <= span) {
            w++;
        }
        if (w <= WORD_BITS && (double)w / k < least) {
            least = (double)w / k;
            best.digits = k;
            best.width = w;
        }
    }
    best.cost = radix_size(n, best.digits, best.width) + 1;
    if (best.digits > 1 && best.cost < p->cost * WORTH_NUM / WORTH_DEN) {
        *p = best;
    }
}

/* Cheapest width for differences whose bit lengths are counted in hist. An exception costs its gap,
 * one byte for most, and what is above the width. */
static unsigned width_choose(const uint32_t hist[65], uint32_t n, size_t *cost)
{
    unsigned most = 64; /* wider than the widest is never cheaper */
    while (most > 0 && hist[most] == 0) {
        most--;
    }
    unsigned best = most;
    size_t best_cost = SIZE_MAX;
    for (unsigned w = 0; w <= most; w++) {
        size_t c = kernel_packed_size(n, w);
        size_t beyond = 0;
        for (unsigned b = w + 1; b <= most; b++) {
            beyond += hist[b];
            c += hist[b] * (1 + (size_t)(b - w + 6) / 7);
        }
        c += beyond < n >> 7 ? beyond : n >> 7;
        if (c < best_cost) {
            best_cost = c;
            best = w;
        }
    }
    *cost = best_cost;
    return best;
}

/* Turns v into the stream of the mode, which is then in *d: v itself or scratch; tells how many
 * leading positions stand for nothing. */
static const uint64_t *transform(struct ints_scratch *s, const uint64_t *v, uint32_t n,
                                 struct plan *p)
{
    const struct kernels *k = kernels_get();
    if (p->mode == INTS_FOR) {
        return v;
    }
    p->first = v[0];
    p->skip = 1;
    k->deltas(v, 1, n, s->diff);
    if (p->mode == INTS_DELTA || n == 1) {
        return s->diff;
    }
    p->skip = 2;
    p->first_delta = s->diff[1];
    k->deltas(s->diff, 2, n, s->diff2);
    return s->diff2;
}

/* Smallest and largest of what counts; both 0 when nothing does. */
static void signed_range(const uint64_t *d, uint32_t skip, uint32_t n, uint64_t *min, uint64_t *max)
{
    int64_t lo = 0;
    int64_t hi = 0;
    if (skip < n) {
        kernels_get()->range(d + skip, n - skip, &lo, &hi);
    }
    *min = (uint64_t)lo;
    *max = (uint64_t)hi;
}

static size_t cost_with_base(const uint64_t *d, uint32_t skip, uint32_t n, uint64_t base,
                             unsigned *width)
{
    uint32_t hist[65] = {0};
    size_t cost = 0;
    if (skip < n) {
        kernels_get()->widths(d + skip, n - skip, base, hist);
    }
    *width = width_choose(hist, n, &cost);
    return cost;
}

/* As signed integers. By gaps (D. Shell; the gaps are M. Ciura's): for the few hundred values of a
 * sample faster than a sort that calls a function to compare. */
static void sort_signed(uint64_t *v, uint32_t n)
{
    static const uint32_t gaps[] = {132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
        const uint32_t gap = gaps[g];
        for (uint32_t i = gap; i < n; i++) {
            const uint64_t x = v[i];
            uint32_t j = i;
            for (; j >= gap && (int64_t)v[j - gap] > (int64_t)x; j -= gap) {
                v[j] = v[j - gap];
            }
            v[j] = x;
        }
    }
}

static uint32_t sample_take(struct ints_scratch *s, const uint64_t *d, uint32_t n, uint32_t skip)
{
    const uint32_t stride = (n - skip) / SAMPLE + 1;
    uint32_t m = 0;
    for (uint32_t i = skip; i < n; i += stride) {
        s->sorted[m++] = d[i];
    }
    if (m > 0) {
        uint64_t min = 0;
        signed_range(d, skip, n, &min, &s->sorted[m++]); /* the radix form wants the largest */
    }
    sort_signed(s->sorted, m);
    return m;
}

/* Looks for a base that leaves outliers on both sides out of the window, on a sorted sample. */
static void window_search(const struct ints_scratch *s, uint32_t m, const uint64_t *d, uint32_t n,
                          struct plan *p)
{
    if (p->width < 2 || m < 16) {
        return;
    }
    const unsigned low = p->width > 4 ? p->width - 4 : 0;
    size_t least = SIZE_MAX;
    uint64_t base = 0;
    for (unsigned w = low; w <= p->width && w < 63; w++) {
        const uint64_t span = (uint64_t)1 << w;
        uint32_t best = 0;
        uint64_t at = 0;
        for (uint32_t lo = 0, hi = 0; lo < m; lo++) {
            while (hi < m && s->sorted[hi] - s->sorted[lo] < span) {
                hi++;
            }
            if (hi - lo > best) { /* the slack of the window goes to both sides */
                best = hi - lo;
                at = s->sorted[lo] - (span - 1 - (s->sorted[hi - 1] - s->sorted[lo])) / 2;
            }
        }
        const size_t guess = (size_t)m * w + (size_t)(m - best) * EXCEPTION_BITS;
        if (guess < least) {
            least = guess;
            base = at;
        }
    }
    unsigned width = 0;
    const size_t cost = cost_with_base(d, p->skip, n, base, &width);
    if (cost < p->cost) {
        p->cost = cost;
        p->width = width;
        p->base = base;
    }
}

/* Returns the stream of the mode, the base not yet taken off. */
static const uint64_t *plan_make(struct ints_scratch *s, const uint64_t *v, uint32_t n,
                                 struct plan *p)
{
    const uint64_t *d = transform(s, v, n, p);
    signed_range(d, p->skip, n, &p->min, &p->max);
    p->base = p->min;
    p->cost = cost_with_base(d, p->skip, n, p->base, &p->width);
    p->cost += varint_size(ints_zigzag(p->base));
    if (p->mode != INTS_FOR) {
        p->cost += varint_size(ints_zigzag(p->first));
    }
    return d;
}

/* Words of digits; what is beyond the radix keeps its remainder. */
static void words_make(const uint64_t *diff, uint32_t n, unsigned k, uint32_t radix, bool all_below,
                       uint64_t *words)
{
    if (all_below) {
        kernels_get()->words(diff, n, k, radix, words);
        return;
    }
    const uint32_t m = (n + k - 1) / k;
    memset(words, 0, (size_t)m * sizeof *words);
    for (uint32_t j = k; j-- > 0;) {
        for (uint32_t i = 0; i < m; i++) {
            const uint32_t at = j * m + i;
            words[i] = words[i] * radix + (at < n ? diff[at] % radix : 0);
        }
    }
}

/* diff has the base taken off. */
static sh_err plan_write(struct ints_scratch *s, const struct plan *p, const uint64_t *diff,
                         uint32_t n, struct sh_buf *out)
{
    uint16_t at[INTS_MAX];
    uint32_t exceptions = 0;
    const bool radix = p->digits > 1;
    const uint32_t base = radix ? radix_of(p->digits, p->width) : 1;
    SH_ASSERT(base > 0); /* the search takes no word that is too narrow for its digits */
    const bool fits = (int64_t)p->base <= (int64_t)p->min &&
                      (radix ? p->max - p->base < base : bits_of(p->max - p->base) <= p->width);
    for (uint32_t i = 0; i < n && !fits; i++) {
        if (radix ? diff[i] >= base : bits_of(diff[i]) > p->width) {
            at[exceptions++] = (uint16_t)i;
        }
    }
    const uint32_t m = radix ? (n + p->digits - 1) / p->digits : n;
    const size_t packed = kernel_packed_size(m, p->width);
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(p->mode | INTS_GAPS | (radix ? INTS_RADIX : 0))));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)p->width));
    if (radix) {
        SH_TRY(sh_buf_put_u8(out, (uint8_t)p->digits));
        words_make(diff, n, p->digits, base, fits, s->words);
    }
    SH_TRY(sh_buf_put_varint(out, exceptions));
    SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->base)));
    if (p->mode != INTS_FOR) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first)));
    }
    if (p->mode == INTS_DELTA2) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first_delta)));
    }
    SH_TRY(sh_buf_reserve(out, packed));
    kernels_get()->pack(radix ? s->words : diff, m, p->width, out->p + out->n);
    out->n += packed;
    for (uint32_t i = 0; i < exceptions; i++) {
        SH_TRY(sh_buf_put_varint(out, (uint64_t)at[i] - (i == 0 ? 0 : at[i - 1])));
    }
    for (uint32_t i = 0; i < exceptions; i++) {
        SH_TRY(sh_buf_put_varint(out, radix ? diff[at[i]] / base : diff[at[i]] >> p->width));
    }
    return SH_OK;
}

/* The entropy code, where it is smaller than the plan by more than its slower reading is worth.
 * *done: it was written. */
static sh_err entropy_write(struct ints_scratch *s, const struct plan *p, const uint64_t *d,
                            uint32_t n, uint32_t m, struct sh_buf *out, bool *done)
{
    const size_t start = out->n;
    *done = false;
    if (m == 0) {
        return SH_OK;
    }
    SH_TRY(sh_buf_put_u8(out, INTS_ENTROPY));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)p->mode));
    if (p->mode != INTS_FOR) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first)));
    }
    if (p->mode == INTS_DELTA2) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first_delta)));
    }
    SH_TRY(ans_encode(&s->ans, d + p->skip, n - p->skip, s->sorted[m / 2], out));
    *done = (out->n - start) * WORTH_DEN < p->cost * WORTH_NUM;
    if (!*done) {
        out->n = start;
    }
    return SH_OK;
}

/* The mode that is best for a part of the values, here and there. */
static unsigned mode_guess(const uint64_t *v, uint32_t n, unsigned modes)
{
    uint64_t part[INTS_DELTA2 + 1][GUESS];
    const uint32_t stride = (n - 2) / GUESS;
    size_t least = SIZE_MAX;
    unsigned best = INTS_FOR;
    for (uint32_t k = 0; k < GUESS; k++) {
        const uint64_t *at = v + 2 + (size_t)k * stride;
        part[INTS_FOR][k] = at[0];
        part[INTS_DELTA][k] = at[0] - at[-1];
        part[INTS_DELTA2][k] = at[0] - at[-1] - (at[-1] - at[-2]);
    }
    for (unsigned m = INTS_FOR; m <= INTS_DELTA2; m++) {
        uint64_t min = 0;
        uint64_t max = 0;
        unsigned width = 0;
        signed_range(part[m], 0, GUESS, &min, &max);
        const size_t cost = cost_with_base(part[m], 0, GUESS, min, &width);
        if ((modes & 1U << m) != 0 && cost < least) {
            least = cost;
            best = m;
        }
    }
    return 1U << best;
}

sh_err ints_encode(struct ints_scratch *s, const uint64_t *v, uint32_t n, unsigned modes,
                   bool thorough, struct sh_buf *out)
{
    struct plan best = {.cost = SIZE_MAX};
    const uint64_t *d = v;
    if (n == 0 || n > INTS_MAX) {
        return SH_E_INVAL;
    }
    if (!thorough && n >= 2 * GUESS) {
        modes = mode_guess(v, n, modes);
    }
    for (int m = INTS_FOR; m <= INTS_DELTA2; m++) {
        if ((modes & 1U << m) == 0) {
            continue;
        }
        struct plan p = {.mode = (enum ints_mode)m, .digits = 1};
        const uint64_t *stream = plan_make(s, v, n, &p); /* deltas keep their place in s */
        if (p.cost < best.cost) {
            best = p;
            d = stream;
        }
    }
    if (!thorough) {
        radix_exact(n, &best);
    } else {
        const uint32_t m = sample_take(s, d, n, best.skip);
        struct plan low = best; /* its base is the smallest value, without a window's slack */
        window_search(s, m, d, n, &best);
        low.cost = best.cost;
        radix_search(s->sorted, m, d, n, &low);
        radix_search(s->sorted, m, d, n, &best);
        best = low.cost < best.cost ? low : best;
        if ((modes & 1U << INTS_ENTROPY) != 0 && best.width != 0) {
            bool done = false;
            SH_TRY(entropy_write(s, &best, d, n, m, out, &done));
            if (done) {
                return SH_OK;
            }
        }
    }
    memcpy(s->best, d, (size_t)n * sizeof *s->best);
    kernels_get()->lower(s->best, n, best.base);
    memset(s->best, 0, best.skip * sizeof *s->best);
    return plan_write(s, &best, s->best, n, out);
}

struct head {
    bool gaps; /* where exceptions are is told by gaps, not by indexes of 16 bits */
    uint8_t mode;
    uint8_t width;
    uint8_t digits; /* 1 = bits as they are */
    uint32_t radix;
    uint64_t exceptions;
    uint64_t base;
    uint64_t first;
    uint64_t first_delta;
};

static sh_err head_read(struct sh_rd *r, uint32_t n, struct head *h)
{
    uint64_t v = 0;
    SH_TRY(sh_rd_u8(r, &h->mode));
    SH_TRY(sh_rd_u8(r, &h->width));
    h->digits = 1;
    if ((h->mode & INTS_RADIX) != 0) {
        SH_TRY(sh_rd_u8(r, &h->digits));
        if (h->digits < 2 || h->digits > DIGITS_MAX || h->width > WORD_BITS ||
            h->width < h->digits) {
            return SH_E_CORRUPT;
        }
        h->radix = radix_of(h->digits, h->width);
    }
    SH_TRY(sh_rd_varint(r, &h->exceptions));
    SH_TRY(sh_rd_varint(r, &v));
    h->base = ints_unzigzag(v);
    h->gaps = (h->mode & INTS_GAPS) != 0;
    h->mode = (uint8_t)(h->mode & ~(unsigned)(INTS_GAPS | INTS_RADIX));
    if (h->mode > INTS_DELTA2 || h->width > 64 || h->exceptions > n ||
        (h->exceptions != 0 && h->width == 64)) {
        return SH_E_CORRUPT;
    }
    if (h->mode != INTS_FOR) {
        SH_TRY(sh_rd_varint(r, &v));
        h->first = ints_unzigzag(v);
    }
    if (h->mode == INTS_DELTA2) {
        SH_TRY(sh_rd_varint(r, &v));
        h->first_delta = ints_unzigzag(v);
    }
    return SH_OK;
}

static sh_err places_read(struct sh_rd *r, const struct head *h, uint32_t n, uint16_t *at)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < h->exceptions; i++) {
        uint64_t gap = 0;
        uint16_t k = 0;
        if (h->gaps) {
            SH_TRY(sh_rd_varint(r, &gap));
            last = gap < n - last ? last + gap : n;
        } else {
            SH_TRY(sh_rd_le16(r, &k));
            last = k;
        }
        if (last >= n) {
            return SH_E_CORRUPT;
        }
        at[i] = (uint16_t)last;
    }
    return SH_OK;
}

static sh_err exceptions_patch(struct sh_rd *r, const struct head *h, uint32_t n, uint64_t *out)
{
    uint16_t at[INTS_MAX];
    if (h->exceptions == 0) {
        return SH_OK;
    }
    SH_TRY(places_read(r, h, n, at));
    for (uint32_t i = 0; i < h->exceptions; i++) {
        uint64_t high = 0;
        SH_TRY(sh_rd_varint(r, &high));
        /* the low bits, or the remainder, and the base are there already */
        out[at[i]] += h->digits > 1 ? high * h->radix : high << h->width;
    }
    return SH_OK;
}

/* From differences (base added) to values. */
static void restore(const struct kernels *k, const struct head *h, uint32_t n, uint64_t *out)
{
    if (h->mode == INTS_FOR) {
        return;
    }
    out[0] = h->first;
    if (h->mode == INTS_DELTA2 && n > 1) {
        out[1] = h->first_delta;
        k->prefix(out + 1, n - 1);
    }
    k->prefix(out, n);
}

/* The mode byte has been read. */
static sh_err entropy_read(struct sh_rd *r, uint32_t n, uint64_t *out)
{
    struct head h = {0};
    uint64_t v = 0;
    SH_TRY(sh_rd_u8(r, &h.mode));
    if (h.mode > INTS_DELTA2) {
        return SH_E_CORRUPT;
    }
    if (h.mode != INTS_FOR) {
        SH_TRY(sh_rd_varint(r, &v));
        h.first = ints_unzigzag(v);
    }
    if (h.mode == INTS_DELTA2) {
        SH_TRY(sh_rd_varint(r, &v));
        h.first_delta = ints_unzigzag(v);
    }
    const uint32_t skip = h.mode; /* positions that stand for nothing */
    if (n <= skip) {
        return SH_E_CORRUPT;
    }
    SH_TRY(ans_decode(r, n - skip, out + skip));
    restore(kernels_get(), &h, n, out);
    return SH_OK;
}

sh_err ints_decode(struct sh_rd *r, uint32_t n, uint64_t *out)
{
    struct head h = {0};
    struct sh_bytes packed;
    if (n != 0 && n <= INTS_MAX && sh_rd_left(r) > 0 && *r->p == INTS_ENTROPY) {
        r->p++;
        return entropy_read(r, n, out) == SH_OK ? SH_OK : SH_E_CORRUPT;
    }
    if (n == 0 || n > INTS_MAX || head_read(r, n, &h) != SH_OK) {
        return SH_E_CORRUPT;
    }
    const uint32_t m = (n + h.digits - 1) / h.digits;
    if (sh_rd_bytes(r, kernel_packed_size(m, h.width), &packed) != SH_OK) {
        return SH_E_CORRUPT;
    }
    const struct kernels *k = kernels_get();
    if (h.mode != INTS_FOR && h.width == 0 && h.exceptions == 0 &&
        (h.mode == INTS_DELTA || h.base == 0)) {
        k->linear(h.first, h.mode == INTS_DELTA ? h.base : h.first_delta, n, out);
        return SH_OK;
    }
    if (h.digits > 1) {
        uint64_t words[INTS_MAX];
        k->unpack(packed.p, m, h.width, 0, words);
        k->digits(words, m, h.radix, n, h.base, out);
    } else {
        k->unpack(packed.p, n, h.width, h.base, out);
    }
    if (exceptions_patch(r, &h, n, out) != SH_OK) {
        return SH_E_CORRUPT;
    }
    restore(k, &h, n, out);
    return SH_OK;
}
