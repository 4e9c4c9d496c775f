/* pack_int.h - a pack as the files of history see it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_PACK_INT_H
#define SH_HISTORY_PACK_INT_H

#include <sh/pack.h>

#include "history_int.h"

struct sh_pack {
    atomic_uint refs;
    const struct sh_alloc *alloc;
    struct sh_slab *newest;
    struct sh_bytes wire;
    size_t size_bytes; /* memory it holds */
    uint32_t rows;
    uint32_t n;
    struct block_ref block[]; /* in the order of arrival */
};

#endif /* SH_HISTORY_PACK_INT_H */
