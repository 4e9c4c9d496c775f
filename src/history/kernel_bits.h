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
/* n at most 1024; bits above width are dropped. Writes kernel_packed_size bytes. */
void kernel_pack(const uint64_t *in, uint32_t n, unsigned width, uint8_t *out);
/* Reads kernel_packed_size bytes. */
void kernel_unpack(const uint8_t *in, uint32_t n, unsigned width, uint64_t *out);
/* v[i] += base, for all. */
void kernel_add(uint64_t *v, uint32_t n, uint64_t base);
/* Running sum: v[i] += v[i - 1]. */
void kernel_prefix(uint64_t *v, uint32_t n);
/* out[i] = v[i] (a signed integer below 2^51 in size) / scale, correctly rounded. */
void kernel_scale(const uint64_t *v, uint32_t n, double scale, double *out);

#endif /* SH_HISTORY_KERNEL_BITS_H */
