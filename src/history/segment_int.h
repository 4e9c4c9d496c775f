/* segment_int.h - what reader and writer of segments share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_SEGMENT_INT_H
#define SH_HISTORY_SEGMENT_INT_H

#include "block.h"

enum {
    SEG_VERSION = 4
}; /* written; all before are read too: 1 and 2 differ in metas and blocks, 3 in
      that it has no roll-ups */
enum { DIR_ROLLED = 1 }; /* in byte 5 of a directory entry */

/* First byte of a block's meta since version 2. */
enum {
    META_NEXT = 1, /* the block follows the last one (padding apart): no gap */
    META_FULL = 2, /* BLOCK_MAX samples: no count */
    META_EVEN = 4, /* goes on with the distance in time of the last block's samples: no times */
    META_NO_SUM = 8
};

/* Distance in time of a block's samples if it is the same between all of them, as far as its ends
 * tell; else 0. */
static inline uint64_t meta_step(int64_t t_first, int64_t t_last, uint32_t n)
{
    const uint64_t span = (uint64_t)t_last - (uint64_t)t_first;
    return n > 1 && span % (n - 1) == 0 ? span / (n - 1) : 0;
}
static inline uint64_t meta_align(uint64_t off)
{
    return (off + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
}

static const uint8_t segment_magic[8] = {'S', 'H', 'S', 'E', 'G', '1', '\r', '\n'};
static const uint8_t segment_footer_magic[8] = {'S', 'H', 'S', 'E', 'G', 'F', '1', '\n'};

#endif /* SH_HISTORY_SEGMENT_INT_H */
