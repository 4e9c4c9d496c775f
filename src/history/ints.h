/* ints.h - lossless code of up to 1024 integers of 64 bits. Pure functions but for the buffer.
 *
 *   u8 mode (0 frame of reference, 1 deltas, 2 deltas of deltas; + 16), u8 width, varint
 * exceptions, zigzag varint base, [mode 1, 2: zigzag varint first value], [mode 2: zigzag varint
 * first delta], packed (value - base) mod 2^width of n values (kernel_bits.h), exceptions: where
 * they are, a varint each (the index, then the distance from the one before; without the 16, as
 * blocks of version 1 have it, a u16 index each), then varint of (value - base) >> width each. In
 * mode 1 position 0 and in mode 2 positions 0 and 1 stand for nothing and hold 0. All arithmetic is
 * modulo 2^64.
 *
 * mode + 32 (radix): behind the width a u8 k (2..20); width, at most 31, is that of a word, which
 * holds k values as digits of base R, the largest with R^k <= 2^width, lowest first; packed are
 * m = ceil(n / k) words, digit j of word i is value j * m + i; an exception's varint is (value -
 * base) / R, its digit the remainder. So a value takes width / k bits: 5 steps take 7/3 and not 3.
 *
 *   u8 mode 3 (entropy), u8 mode of the values (0, 1, 2), [1, 2: zigzag varint first value], [2:
 * zigzag varint first delta], the values without the positions that stand for nothing (ans.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_INTS_H
#define SH_HISTORY_INTS_H

#include "ans.h"

enum { INTS_MAX = ANS_MAX };
enum ints_mode { INTS_FOR = 0, INTS_DELTA = 1, INTS_DELTA2 = 2, INTS_ENTROPY = 3 };
enum { INTS_GAPS = 16, INTS_RADIX = 32 };

struct ints_scratch {
    uint64_t diff[INTS_MAX];
    uint64_t diff2[INTS_MAX];
    uint64_t best[INTS_MAX];
    uint64_t sorted[INTS_MAX];
    uint64_t words[INTS_MAX];
    struct ans_scratch ans;
};

static inline uint64_t ints_zigzag(uint64_t v)
{
    return v << 1 ^ (0 - (v >> 63));
}
static inline uint64_t ints_unzigzag(uint64_t v)
{
    return v >> 1 ^ (0 - (v & 1));
}

/* Appends the code of v[0..n), n = 1..1024. modes: bit set of 1 << enum ints_mode that may be
 * tried; INTS_ENTROPY is taken where it is smaller, for the best of the others, and needs thorough.
 * thorough: also looks for the best window of values (slower, smaller). */
SH_MUST_CHECK sh_err ints_encode(struct ints_scratch *s, const uint64_t *v, uint32_t n,
                                 unsigned modes, bool thorough, struct sh_buf *out);
/* Reads n values. SH_E_CORRUPT. */
SH_MUST_CHECK sh_err ints_decode(struct sh_rd *r, uint32_t n, uint64_t *out);

#endif /* SH_HISTORY_INTS_H */
