/* iter.h - the samples of one point from all its sources (blocks of several segments, heads,
 * corrections), merged: ascending in time, each time once, the winner of each (history.h). A
 * consumer that can do with what a block or a unit of roll-ups comes to is asked before samples are
 * read. One thread. Memory is counted against a limit that several iterators may share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_ITER_H
#define SH_HISTORY_ITER_H

#include "pack_int.h"

enum { ITER_SOURCES = 4096, ITER_SHORT = 64 };

struct mem {
    size_t used;
    size_t limit;
};

struct iter_run {
    uint32_t n;
    const int64_t *time;
    const union sh_cell *value;
    const uint8_t *quality;
    const uint8_t *bytes;
};

struct iter_src {
    const int64_t *time;
    const union sh_cell *value;
    const uint8_t *quality;
    const uint8_t *bytes;
    uint32_t pos;
    uint32_t n;
    uint32_t rank; /* the greater is the newer */
    bool human;
    struct block_cols *cols; /* owned; NULL for heads */
};

/* What a source holds of a stretch of time: a block, or a unit of roll-ups that stands for the
 * blocks of its time and is taken apart (days, hours, minutes, blocks) where it is not enough. */
struct iter_piece {
    struct block_ref block; /* of a unit: its segment, point, type, rank and bounds */
    bool unit;
    uint32_t roll;       /* of a unit: its section, index in iter.rolls */
    struct roll_row row; /* of a unit */
};
/* What the piece comes to; false: it does not say. A unit: all good, the times and the integral of
 * the set exact only if row.timed, m2 only if row.squares. */
bool iter_piece_summary(const struct iter_piece *p, struct summary *out);

enum { ITER_HEADS = 3 }; /* frozen, active, corrections: newer than any segment */

struct iter {
    struct sh_history *h;
    const struct sh_alloc *alloc;
    struct mem *mem;
    size_t held; /* of mem */
    uint32_t point;
    enum sh_type type; /* 0: no sample anywhere */
    int64_t from;
    int64_t to;
    struct view *view;    /* holds the segments of the refs */
    struct ref_list refs; /* ascending by t_first */
    size_t next_ref;
    int64_t unit_us; /* largest unit of roll-ups that is of use; 0: none is */
    struct roll *rolls;
    size_t nrolls;
    size_t rolls_cap;
    struct iter_piece *units; /* and blocks of units that were taken apart: descending by t_first */
    size_t nunits;
    size_t units_cap;
    struct iter_piece front; /* the next piece */
    struct ref_list apart;   /* blocks of one unit */
    struct sh_pack **packs;  /* of refs that are in the active head: a reference each */
    size_t npacks;
    struct head heads[ITER_HEADS]; /* frozen, active, corrections: copies */
    size_t nheads;
    size_t next_head;
    struct edit_hole *holes;
    size_t nholes;
    struct iter_src *src; /* those whose time has come */
    size_t nsrc;
    size_t src_cap;
    struct block_cols **pool;
    size_t npool;
    size_t pool_cap;
    struct block_cols *out; /* short runs are gathered here */
    uint64_t scanned;
    bool waiting; /* a piece for take() comes after what is in out */
    /* Asked for a piece that overlaps nothing: true = the consumer has done with it. May be NULL.
     */
    bool (*take)(void *ctx, const struct iter_piece *p);
    void *ctx;
};

/* All samples of a point in [from, to) as they are now. unit_us: take() can do with roll-ups of
 * units up to this; 0: with none. */
SH_MUST_CHECK sh_err iter_open(struct iter *it, struct sh_history *h, struct mem *mem,
                               uint32_t point, int64_t from, int64_t to, int64_t unit_us);
/* Samples of the blocks that lie in the range, before any is read: those of one time count more
 * than once, those of blocks at the ends of the range too. */
SH_MUST_CHECK sh_err iter_count(struct iter *it, uint64_t *out);
/* Only what lies in these segments (compaction): ascending rank; they must outlive the iterator. */
SH_MUST_CHECK sh_err iter_open_segments(struct iter *it, struct sh_history *h, struct mem *mem,
                                        uint32_t point, struct segment *const *segs, size_t n,
                                        int64_t from, int64_t to);
/* Only what is in this head (flush), which must outlive the iterator. */
SH_MUST_CHECK sh_err iter_open_head(struct iter *it, struct sh_history *h, struct mem *mem,
                                    uint32_t point, const struct head *hd, int64_t from,
                                    int64_t to);
/* Next rows, valid until the next call; run->n == 0 at the end. SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err iter_next(struct iter *it, struct iter_run *run);
void iter_close(struct iter *it);

uint32_t iter_lower_bound(const int64_t *time, uint32_t n, int64_t t);
/* Reports a damaged block, the first few of a segment. */
void iter_bad_block(struct sh_history *h, const struct block_ref *r);

#endif /* SH_HISTORY_ITER_H */
