/* ans.h - lossless entropy code of up to 1024 integers of 64 bits, for blocks that are read seldom.
 * Pure functions but for the buffer. Small where the values cluster about one value; always right.
 *
 * A value v stands for u = zigzag(v - centre). u below 16 is a token of its own; greater ones give
 * a token from their length in bits and the two bits behind the leading one, and the bits below
 * those as they are. Tokens are coded by rANS (J. Duda, arXiv:1311.2540, 2013) with two interleaved
 * 32-bit states, words of 16 bits and probabilities of 11 bits:
 *
 *   zigzag varint centre, u8 tokens (greatest token + 1), tokens x 6 bits weight (bits.h order: low
 *   bits first): 0 = never, else (4 + (w - 1) % 4) << ((w - 1) / 4); the weights are scaled to a
 * sum of 2048, each at least 1, the rest goes to the first of the greatest; u32 x 2 states, varint
 *   words, u16 words, then the low bits one after another, low bits first, to a whole byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_ANS_H
#define SH_HISTORY_ANS_H

#include <sh/base.h>

enum { ANS_MAX = 1024, ANS_TOKENS = 16 + 60 * 4 };

/* Work memory of one encoder. */
struct ans_scratch {
    uint8_t token[ANS_MAX];
    uint64_t u[ANS_MAX];
    uint16_t words[ANS_MAX + 2];
};

/* Appends the code of v[0..n), n = 1..1024, about `centre`. */
SH_MUST_CHECK sh_err ans_encode(struct ans_scratch *s, const uint64_t *v, uint32_t n,
                                uint64_t centre, struct sh_buf *out);
/* Reads n values. SH_E_CORRUPT. */
SH_MUST_CHECK sh_err ans_decode(struct sh_rd *r, uint32_t n, uint64_t *out);

#endif /* SH_HISTORY_ANS_H */
