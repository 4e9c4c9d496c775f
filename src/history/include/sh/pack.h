/* pack.h - samples that are encoded before they are journalled. Whoever decodes a body of many
 * samples of each point adds them to a builder, which makes the blocks that history keeps; sealed,
 * they are a pack: immutable, reference-counted, journalled as it is (SH_SAMPLES_BLOCKS) and taken
 * by history without looking at a sample again. What a pack does not take goes as rows (a batch).
 *
 * Threads: a builder is one thread's; a pack anyone's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PACK_H
#define SH_PACK_H

#include <sh/history.h>

struct sh_pack;
struct sh_pack_builder; /* about 100 KiB and what it holds */

enum {
    SH_PACK_MIN_ROWS = 128,  /* fewer in a run, or in a partition, are better kept as rows */
    SH_PACK_MAX_ROWS = 65536 /* a builder is full from here on; one more run may pass it */
};

/* Consecutive samples of one point: columns of 8-byte little-endian words at any address. */
struct sh_pack_run {
    uint32_t point;
    enum sh_type type;
    uint32_t n; /* at most SH_PACK_MAX_ROWS */
    const uint8_t *time;
    const uint8_t *cell;    /* bits of an f64 or i64; 0 or 1 */
    const uint8_t *quality; /* NULL: all good */
};

/* Blocks are cut where partitions of `h` end, so that a flush copies them. SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_pack_builder_new(const struct sh_alloc *a, const struct sh_history *h,
                                         struct sh_pack_builder **out);
void sh_pack_builder_free(struct sh_pack_builder *b); /* NULL is accepted */
/* Adds a run. SH_E_UNSUPPORTED: better as rows (too few, over too many partitions, text, times not
 * strictly ascending); SH_E_LIMIT: the builder is full, take the pack first; SH_E_NOMEM. On an
 * error nothing was added. */
SH_MUST_CHECK sh_err sh_pack_add(struct sh_pack_builder *b, const struct sh_pack_run *run);
uint32_t sh_pack_builder_rows(const struct sh_pack_builder *b);
/* Seals what was added, at least one run; the builder is empty then. SH_E_NOMEM: as before. */
SH_MUST_CHECK sh_err sh_pack_take(struct sh_pack_builder *b, struct sh_pack **out);
void sh_pack_builder_clear(struct sh_pack_builder *b);

struct sh_pack *sh_pack_ref(struct sh_pack *p);
void sh_pack_unref(struct sh_pack *p); /* NULL is accepted; any thread */
uint32_t sh_pack_rows(const struct sh_pack *p);
/* The record of the journal: u32 version=1, u32 blocks, u32 rows, then the blocks (block.h), one
 * behind the other. Everything else is read from them. Borrowed. */
struct sh_bytes sh_pack_wire(const struct sh_pack *p);
/* Makes a pack of a record: each block is decoded and checked. SH_E_CORRUPT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_pack_read(const struct sh_alloc *a, struct sh_bytes wire,
                                  struct sh_pack **out);
/* The last sample of each run of equal quality of each block, in order: enough for whoever wants
 * the newest value and to know that there was one. Borrowed: lives as long as the pack. */
struct sh_slab *sh_pack_newest(const struct sh_pack *p);
/* All samples, for whoever wants them as rows. SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_pack_slab(const struct sh_pack *p, struct sh_slab **out);

/* Takes a pack (journal record `seq`), as sh_history_apply does a slab; keeps references. */
SH_MUST_CHECK sh_err sh_history_apply_pack(struct sh_history *h, struct sh_pack *pack,
                                           uint64_t seq);

#endif /* SH_PACK_H */
