/* kernel_bits.c - see kernel_bits.h. Written so that the inner loops over lanes vectorise.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernel_bits.h"

enum { LANES = 16, POSITIONS = 64, TAIL_BYTES = KERNEL_FULL * 8 };

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

static void unpack_full(const uint8_t *in, unsigned width, uint64_t *out)
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
                row[l] = lo[l] >> shift & mask;
            }
        } else {
            uint64_t hi[LANES];
            memcpy(hi, in + ((size_t)(bit / 64) + 1) * sizeof hi, sizeof hi);
            for (unsigned l = 0; l < LANES; l++) {
                row[l] = (lo[l] >> shift | hi[l] << (64 - shift)) & mask;
            }
        }
    }
}

void kernel_pack(const uint64_t *in, uint32_t n, unsigned width, uint8_t *out)
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

void kernel_unpack(const uint8_t *in, uint32_t n, unsigned width, uint64_t *out)
{
    if (width == 0) {
        memset(out, 0, (size_t)n * sizeof *out);
        return;
    }
    if (n == KERNEL_FULL) {
        unpack_full(in, width, out);
        return;
    }
    const uint64_t mask = mask_of(width);
    const size_t size = kernel_packed_size(n, width);
    uint8_t copy[TAIL_BYTES + 16];
    memcpy(copy, in, size);
    memset(copy + size, 0, 16);
    for (uint32_t i = 0; i < n; i++) {
        const size_t bit = (size_t)i * width;
        const uint8_t *p = copy + bit / 8;
        const unsigned shift = bit % 8;
        uint64_t v = 0;
        memcpy(&v, p, sizeof v);
        v >>= shift;
        if (shift + width > 64) {
            v |= (uint64_t)p[8] << (64 - shift);
        }
        out[i] = v & mask;
    }
}

void kernel_add(uint64_t *v, uint32_t n, uint64_t base)
{
    for (uint32_t i = 0; i < n; i++) {
        v[i] += base;
    }
}

void kernel_prefix(uint64_t *v, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += v[i];
        v[i] = sum;
    }
}

void kernel_scale(const uint64_t *v, uint32_t n, double scale, double *out)
{
    /* 1.5 * 2^52 added to a small integer's bits makes that integer's double plus the same. */
    const double magic = 6755399441055744.0;
    uint64_t magic_bits = 0;
    memcpy(&magic_bits, &magic, sizeof magic_bits);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t bits = v[i] + magic_bits;
        double d = 0;
        memcpy(&d, &bits, sizeof d);
        out[i] = (d - magic) / scale;
    }
}
