/* ints.c - see ints.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ints.h"

#include <stdlib.h>

#include "kernel_bits.h"

enum { SAMPLE = 192, EXCEPTION_BITS = 18, WORTH_NUM = 63, WORTH_DEN = 64 };

/* How one mode would be written. */
struct plan {
    enum ints_mode mode;
    unsigned width;
    uint64_t base;
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

/* Cheapest width for differences whose bit lengths are counted in hist. An exception costs its gap,
 * one byte for most, and what is above the width. */
static unsigned width_choose(const uint32_t hist[65], uint32_t n, size_t *cost)
{
    unsigned best = 64;
    size_t best_cost = SIZE_MAX;
    for (unsigned w = 0; w <= 64; w++) {
        size_t c = kernel_packed_size(n, w);
        size_t beyond = 0;
        for (unsigned b = w + 1; b <= 64; b++) {
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

/* Turns v into the stream of the mode; returns how many leading positions stand for nothing. */
static uint32_t transform(const uint64_t *v, uint32_t n, struct plan *p, uint64_t *d)
{
    if (p->mode == INTS_FOR) {
        memcpy(d, v, (size_t)n * sizeof *d);
        return 0;
    }
    p->first = v[0];
    for (uint32_t i = n - 1; i > 0; i--) {
        d[i] = v[i] - v[i - 1];
    }
    d[0] = 0;
    if (p->mode == INTS_DELTA || n == 1) {
        return 1;
    }
    p->first_delta = d[1];
    for (uint32_t i = n - 1; i > 1; i--) {
        d[i] -= d[i - 1];
    }
    d[1] = 0;
    return 2;
}

static uint64_t signed_min(const uint64_t *d, uint32_t skip, uint32_t n)
{
    if (skip >= n) {
        return 0;
    }
    int64_t min = INT64_MAX;
    for (uint32_t i = skip; i < n; i++) {
        const int64_t x = (int64_t)d[i];
        min = x < min ? x : min;
    }
    return (uint64_t)min;
}

static size_t cost_with_base(const uint64_t *d, uint32_t skip, uint32_t n, uint64_t base,
                             unsigned *width)
{
    uint32_t hist[65] = {0};
    size_t cost = 0;
    for (uint32_t i = skip; i < n; i++) {
        hist[bits_of(d[i] - base)]++;
    }
    *width = width_choose(hist, n, &cost);
    return cost;
}

static int by_signed(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

static uint32_t sample_take(struct ints_scratch *s, const uint64_t *d, uint32_t n, uint32_t skip)
{
    const uint32_t stride = (n - skip) / SAMPLE + 1;
    uint32_t m = 0;
    for (uint32_t i = skip; i < n; i += stride) {
        s->sorted[m++] = d[i];
    }
    qsort(s->sorted, m, sizeof *s->sorted, by_signed);
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

/* Leaves the stream of the mode in s->diff, the base not yet taken off. */
static void plan_make(struct ints_scratch *s, const uint64_t *v, uint32_t n, struct plan *p)
{
    p->skip = transform(v, n, p, s->diff);
    p->base = signed_min(s->diff, p->skip, n);
    p->cost = cost_with_base(s->diff, p->skip, n, p->base, &p->width);
    p->cost += varint_size(ints_zigzag(p->base));
    if (p->mode != INTS_FOR) {
        p->cost += varint_size(ints_zigzag(p->first));
    }
}

static sh_err plan_write(const struct plan *p, const uint64_t *diff, uint32_t n, struct sh_buf *out)
{
    uint16_t at[INTS_MAX];
    uint32_t exceptions = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (bits_of(diff[i]) > p->width) {
            at[exceptions++] = (uint16_t)i;
        }
    }
    const size_t packed = kernel_packed_size(n, p->width);
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(p->mode | INTS_GAPS)));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)p->width));
    SH_TRY(sh_buf_put_varint(out, exceptions));
    SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->base)));
    if (p->mode != INTS_FOR) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first)));
    }
    if (p->mode == INTS_DELTA2) {
        SH_TRY(sh_buf_put_varint(out, ints_zigzag(p->first_delta)));
    }
    SH_TRY(sh_buf_reserve(out, packed));
    kernels_get()->pack(diff, n, p->width, out->p + out->n);
    out->n += packed;
    for (uint32_t i = 0; i < exceptions; i++) {
        SH_TRY(sh_buf_put_varint(out, (uint64_t)at[i] - (i == 0 ? 0 : at[i - 1])));
    }
    for (uint32_t i = 0; i < exceptions; i++) {
        SH_TRY(sh_buf_put_varint(out, diff[at[i]] >> p->width));
    }
    return SH_OK;
}

/* The entropy code, where it is smaller than the plan by more than its slower reading is worth.
 * *done: it was written. */
static sh_err entropy_write(struct ints_scratch *s, const struct plan *p, uint32_t n, uint32_t m,
                            struct sh_buf *out, bool *done)
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
    SH_TRY(ans_encode(&s->ans, s->best + p->skip, n - p->skip, s->sorted[m / 2], out));
    *done = (out->n - start) * WORTH_DEN < p->cost * WORTH_NUM;
    if (!*done) {
        out->n = start;
    }
    return SH_OK;
}

sh_err ints_encode(struct ints_scratch *s, const uint64_t *v, uint32_t n, unsigned modes,
                   bool thorough, struct sh_buf *out)
{
    struct plan best = {.cost = SIZE_MAX};
    if (n == 0 || n > INTS_MAX) {
        return SH_E_INVAL;
    }
    for (int m = INTS_FOR; m <= INTS_DELTA2; m++) {
        if ((modes & 1U << m) == 0) {
            continue;
        }
        struct plan p = {.mode = (enum ints_mode)m};
        plan_make(s, v, n, &p);
        if (p.cost < best.cost) {
            best = p;
            memcpy(s->best, s->diff, (size_t)n * sizeof *s->best);
        }
    }
    if (thorough) {
        const uint32_t m = sample_take(s, s->best, n, best.skip);
        window_search(s, m, s->best, n, &best);
        if ((modes & 1U << INTS_ENTROPY) != 0 && best.width != 0) {
            bool done = false;
            SH_TRY(entropy_write(s, &best, n, m, out, &done));
            if (done) {
                return SH_OK;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        s->best[i] = i < best.skip ? 0 : s->best[i] - best.base;
    }
    return plan_write(&best, s->best, n, out);
}

struct head {
    bool gaps; /* where exceptions are is told by gaps, not by indexes of 16 bits */
    uint8_t mode;
    uint8_t width;
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
    SH_TRY(sh_rd_varint(r, &h->exceptions));
    SH_TRY(sh_rd_varint(r, &v));
    h->base = ints_unzigzag(v);
    h->gaps = (h->mode & INTS_GAPS) != 0;
    h->mode = (uint8_t)(h->mode & ~(unsigned)INTS_GAPS);
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
        out[at[i]] += high << h->width; /* the low bits and the base are there already */
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
    if (n == 0 || n > INTS_MAX || head_read(r, n, &h) != SH_OK ||
        sh_rd_bytes(r, kernel_packed_size(n, h.width), &packed) != SH_OK) {
        return SH_E_CORRUPT;
    }
    const struct kernels *k = kernels_get();
    if (h.mode != INTS_FOR && h.width == 0 && h.exceptions == 0 &&
        (h.mode == INTS_DELTA || h.base == 0)) {
        k->linear(h.first, h.mode == INTS_DELTA ? h.base : h.first_delta, n, out);
        return SH_OK;
    }
    k->unpack(packed.p, n, h.width, h.base, out);
    if (exceptions_patch(r, &h, n, out) != SH_OK) {
        return SH_E_CORRUPT;
    }
    restore(k, &h, n, out);
    return SH_OK;
}
