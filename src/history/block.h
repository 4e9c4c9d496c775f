/* block.h - a block: up to 1024 samples of one point, ascending in time, each time once. Encoded
 * and decoded in memory; no I/O. Lossless bit for bit. Layout (little-endian):
 *
 *   u32 crc of all behind it up to `size`, u32 size (whole block, without padding), u32 point,
 *   u16 count, u8 type, u8 version (1, 2, 4; 3, 5: cold), varint time bytes,
 *   varint value bytes, time, value, quality.
 *   time     versions 4, 5: varint g * 2 + 1 when all steps are g, else + 0; zigzag varint of the
 *            floor of t0 / g, varint of the rest; unless all steps are g: ints of (t - t0) / g
 *            versions 1 to 3: zigzag varint t0, varint g, ints of (t - t0) / g (ints.h)
 *   value    i64, bool: ints f64: u8 0 decimal: u8 e, varint x, ints of round(v *
 * 10^e), x times {u16 index, u64 bits} u8 1 xor: u64 first bits, u8 shift, ints of (bits[i] ^
 * bits[i - 1]) >> shift text, blob: see text.c quality  u8 0, u8 q: all equal; u8 1, varint runs,
 * runs times {u8 q, varint length} SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_BLOCK_H
#define SH_HISTORY_BLOCK_H

#include <sh/value.h>

#include "ints.h"

enum {
    BLOCK_MAX = INTS_MAX,
    BLOCK_HEAD = 16,
    BLOCK_ALIGN = 4,
    BLOCK_TEXT_SOFT = 256 << 10, /* a builder closes a text block beyond this */
    BLOCK_TEXT_MAX = 64 << 20,   /* no block holds more text */
    BLOCK_BYTES_MAX = 72 << 20
};

/* Work memory of one encoder (about 70 KiB): heap. */
struct block_scratch {
    struct ints_scratch ints;
    uint64_t u[BLOCK_MAX];
    uint64_t w[BLOCK_MAX];
    uint16_t at[BLOCK_MAX];
};

/* Columns to write. */
struct block_in {
    uint32_t point;
    enum sh_type type;
    uint32_t n; /* 1..1024 */
    const int64_t *time;
    const union sh_cell *value;
    const uint8_t *quality;
    const uint8_t *bytes; /* text and blob cells */
};
/* Time spent for size. Cold blocks are the smallest and the slowest to read. */
enum block_effort { BLOCK_QUICK, BLOCK_PACKED, BLOCK_COLD };
/* Appends one block (not padded). */
SH_MUST_CHECK sh_err block_encode(const struct sh_alloc *a, struct block_scratch *s,
                                  const struct block_in *in, enum block_effort effort,
                                  struct sh_buf *out);

struct block_head {
    uint32_t size;
    uint32_t point;
    uint32_t n;
    enum sh_type type;
    bool cold; /* written with BLOCK_COLD */
    bool even; /* version 4 or 5 */
};
/* Looks at the fixed head only (no crc). SH_E_CORRUPT. */
SH_MUST_CHECK sh_err block_peek(struct sh_bytes in, struct block_head *out);

/* The step between all samples of a block of two or more; 0: they differ, or it does not say. No
 * crc is looked at: compare with the bounds that the index has. */
uint64_t block_step(struct sh_bytes in);

/* Decoded columns: heap (about 25 KiB) plus text. */
struct block_cols {
    uint32_t point;
    enum sh_type type;
    uint32_t n;
    int64_t time[BLOCK_MAX];
    union sh_cell value[BLOCK_MAX];
    uint8_t quality[BLOCK_MAX];
    uint64_t tmp[BLOCK_MAX];
    struct sh_buf text;
    const uint8_t *of; /* for the owner: the block that was decoded; a new one and a decode: NULL */
};
struct block_cols *block_cols_new(const struct sh_alloc *a);
void block_cols_free(const struct sh_alloc *a, struct block_cols *c); /* NULL is accepted */
/* Checks the crc and decodes. `in` begins with a block and may be longer. SH_E_CORRUPT; SH_E_NOMEM.
 * times_only: leaves value and quality alone. */
SH_MUST_CHECK sh_err block_decode(struct sh_bytes in, bool times_only, struct block_cols *out);

/* 10^e, e <= 15. */
double block_pow10(unsigned e);
/* True when v == *i / 10^e with the same bits and |*i| < 2^51. */
bool block_decimal(double v, unsigned e, int64_t *i);

/* text.c */
SH_MUST_CHECK sh_err text_encode(const struct sh_alloc *a, struct block_scratch *s,
                                 const struct block_in *in, struct sh_buf *out);
SH_MUST_CHECK sh_err text_decode(struct sh_rd *r, uint32_t n, struct block_cols *out);

#endif /* SH_HISTORY_BLOCK_H */
