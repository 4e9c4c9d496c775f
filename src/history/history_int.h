/* history_int.h - what the files of history share. See README.md for the invariants.
 * Locks, in this order: flush_lock (one flush, compaction step or state write at a time),
 * apply_lock (one batch at a time; held while heads are frozen), view_lock, a shard's lock,
 * edits.lock. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_INT_H
#define SH_HISTORY_INT_H

#include <sh/history.h>
#include <sh/thread.h>

#include "block.h"
#include "segment.h"

enum {
    HISTORY_PAGE = 1024, /* series in one page of a shard's table */
    HISTORY_MAX_SHARDS = 64,
    HISTORY_SPLIT_MAX = 32,   /* partitions one flush writes apart */
    HISTORY_HEAD_LEAST = 256, /* bytes a series may have in its head, however many series there are:
                                 a flush of a row each costs more than all else, on the disk too */
    HISTORY_REPORTS = 16      /* bad blocks reported per segment */
};

/* Times beyond are refused: no arithmetic on times overflows. */
#define HISTORY_TIME_MAX ((int64_t)1 << 61)

/* A block that waits for the flush as it came: in a pack, of which a reference is held. */
struct head_block {
    struct sh_pack *pack;
    const struct block_ref *ref;
};

/* Unflushed samples of one point: rows in order of arrival, and blocks ascending in time. No two
 * blocks overlap in time, and rows came later than any block that they lie within: a block that
 * would break this is taken as rows (apply.c). So where both have a sample, the row is the newer
 * one. */
struct head {
    uint32_t n;
    uint32_t cap;
    enum sh_type type;
    bool sorted; /* strictly ascending in time */
    int64_t t_min;
    int64_t t_max;
    int64_t *time; /* one block: time, value, quality */
    union sh_cell *value;
    uint8_t *quality;
    struct sh_buf text;
    struct head_block *blocks;
    uint32_t nblocks;
    uint32_t blocks_cap;
};

struct series {
    struct head *active;
    uint8_t type;  /* 0 = not known yet */
    bool seen;     /* last_* are of samples applied since open */
    bool complete; /* last_* take the segments into account too */
    uint8_t last_quality;
    int64_t last_time;
    union sh_cell last_value; /* not for text */
};

struct shard {
    struct sh_mutex lock;
    struct series **pages;
    uint32_t npages;
};

/* Heads on their way to segments: immutable. */
struct gen_item {
    uint32_t point;
    struct head *head;
};
struct gen {
    atomic_uint refs;
    const struct sh_alloc *alloc;
    uint64_t seq_min;
    uint64_t seq_max;
    uint64_t rows;
    struct gen_item *items; /* ascending by point */
    uint32_t n;
};

/* What a query reads: immutable, reference-counted. */
struct view {
    atomic_uint refs;
    const struct sh_alloc *alloc;
    struct gen *frozen; /* may be NULL */
    uint32_t n;
    struct segment *segs[]; /* ascending by (seq_max, id) */
};

/* Human edits in force. Few; in memory whole, in the state file. */
struct edit_row { /* a corrected sample */
    uint32_t point;
    int64_t time;
    uint64_t id;
    uint8_t quality;
    uint8_t type;
    uint32_t tenant;
    union sh_cell value; /* text: span into edits.text */
};
struct edit_hole { /* a deletion */
    uint32_t point;
    uint32_t tenant;
    int64_t from;
    int64_t to;
    uint64_t id;
};
struct edits {
    struct sh_mutex lock;
    struct edit_row *rows; /* by point, time, id */
    size_t nrows;
    size_t rows_cap;
    struct edit_hole *holes; /* by point, id */
    size_t nholes;
    size_t holes_cap;
    struct sh_buf text;
    size_t max;
    uint64_t seq; /* newest edit applied */
    bool dirty;   /* not yet in the state file */
};

struct sh_history {
    const struct sh_env *env;
    struct sh_history_options o;
    char dir[SEG_PATH];
    unsigned nshards;
    struct shard shards[HISTORY_MAX_SHARDS];
    atomic_llong retention_us;
    atomic_llong cold_after_us;
    atomic_llong dropped_us; /* end of what sh_history_drop_oldest removed; INT64_MIN: nothing */

    struct sh_mutex apply_lock;
    uint32_t *order; /* rows of a batch, by shard */
    size_t order_cap;
    struct block_cols *cols; /* of a block that is taken as rows; NULL until there is one */
    uint64_t gen_seq_min;    /* of the active heads; 0 = none */
    atomic_ullong applied_seq;
    int64_t oldest_mono_us; /* first unflushed arrival */

    struct sh_mutex view_lock;
    struct view *view;

    struct sh_mutex flush_lock;
    uint64_t next_id;
    bool at_once; /* sh_history_compact: nothing waits for calm */
    atomic_ullong flushed_seq;
    uint64_t state_number;
    struct edits edits;

    atomic_ullong head_bytes;
    atomic_ullong head_series;
    atomic_ullong head_rows;
    atomic_ullong applied;
    atomic_ullong conflicts;
    atomic_ullong flushes;
    atomic_ullong compactions;
    atomic_ullong damaged_blocks;
    atomic_ullong set_aside;

    struct sh_workers *helpers; /* of queries; may be NULL */

    struct sh_mutex bg_lock;
    struct sh_cond bg_wake;
    struct sh_thread bg;
    bool bg_stop;
    bool bg_flush;
};

/* history.c */
void history_tell(struct sh_history *h, const struct sh_history_report *r);
struct view *history_view(struct sh_history *h);
void view_unref(struct view *v);
/* New view: without the segments in `drop`, with those in `add` (taken on success), frozen as given
 * (reference taken over from the caller when it differs from the present). view_lock is held. */
sh_err history_view_change(struct sh_history *h, struct segment *const *drop, size_t ndrop,
                           struct segment *const *add, size_t nadd, struct gen *frozen);
/* What retention keeps begins here; INT64_MIN: all. */
int64_t history_retained(struct sh_history *h);
int64_t history_partition(const struct sh_history *h, int64_t time_us);
static inline int64_t partition_of(int64_t time_us, int64_t partition_us)
{
    const int64_t p = time_us / partition_us;
    return time_us % partition_us < 0 ? p - 1 : p;
}

/* apply.c */
void head_free(const struct sh_alloc *a, struct head *hd);
/* Copies rows [from, to) of a head, ascending in time, the winner of each time; *out has n == 0
 * when there is none. */
sh_err head_copy(const struct sh_alloc *a, const struct head *hd, int64_t from, int64_t to,
                 struct head *out);
void head_fini(const struct sh_alloc *a, struct head *hd);
/* Samples of a head, blocks included, and their first and last time; 0: none. */
uint64_t head_span(const struct head *hd, int64_t *first, int64_t *last);
/* The blocks that touch [from, to): *at is the first; returns how many. */
uint32_t head_blocks(const struct head *hd, int64_t from, int64_t to, uint32_t *at);
struct series *shard_series(struct sh_history *h, uint32_t point, bool make);
/* One sample into a series; its shard's lock is held, as for the three below. *grown: memory. */
sh_err series_row(struct sh_history *h, struct series *s, int64_t t, union sh_cell c, uint8_t q,
                  const uint8_t *bytes, uint64_t *grown);
/* False: the series has another type, and n samples are counted as left out. */
bool series_takes(struct sh_history *h, struct series *s, enum sh_type type, uint32_t n);
/* Makes s->active when there is none. */
sh_err series_head(struct sh_history *h, struct series *s, uint64_t *grown);
void series_last(struct series *s, int64_t t, union sh_cell c, uint8_t q);
/* Ends an apply of `rows`, which holds apply_lock: gives it back. */
void history_applied(struct sh_history *h, uint32_t rows, uint64_t seq, uint64_t grown);
struct shard *history_shard(struct sh_history *h, uint32_t point);
/* Moves active heads to a new gen and into a new view. *out NULL when there is nothing. *seq: all
 * up to it is now in gens or segments. */
sh_err heads_freeze(struct sh_history *h, struct gen **out, uint64_t *seq);
/* Bytes of active heads from which they are flushed. Any thread. */
uint64_t heads_limit(struct sh_history *h);
void gen_unref(struct gen *g);
const struct head *gen_find(const struct gen *g, uint32_t point);
/* Which of two samples of one time wins: true when the newer replaces the older. */
static inline bool sample_wins(uint8_t newer_q, uint8_t older_q)
{
    return sh_q_class(newer_q) >= sh_q_class(older_q);
}

/* flush.c */
sh_err history_flush_locked(struct sh_history *h);
bool history_flush_due(struct sh_history *h);
/* compact.c: one merge, split or removal; flush_lock is held. */
sh_err history_compact_one(struct sh_history *h, bool *did);
/* Rows and blocks of a head in [from, to) into a segment: blocks that stand alone are copied. */
sh_err merge_head(struct sh_history *h, struct segment_writer *w, uint32_t point,
                  const struct head *hd, int64_t from, int64_t to);

/* edits.c */
void edits_init(struct edits *e, const struct sh_alloc *a, size_t max);
void edits_fini(struct edits *e, const struct sh_alloc *a);
sh_err edits_apply(struct edits *e, const struct sh_alloc *a, struct sh_bytes wire, uint64_t seq);
/* Is there one of the point? *type: of its corrections, 0 = there are none. */
bool edits_any(struct edits *e, uint32_t point, enum sh_type *type);
/* Corrections of a point in [from, to) that no later deletion hides, as a head, and its deletions.
 */
sh_err edits_of(struct edits *e, const struct sh_alloc *a, uint32_t point, int64_t from, int64_t to,
                struct head *rows, struct edit_hole **holes, size_t *nholes);

/* state.c */
bool state_text_ok(struct sh_str s);
sh_err state_load(struct sh_history *h);
sh_err state_save(struct sh_history *h); /* flush_lock is held */
/* What state_save would write. flush_lock is held. */
sh_err state_image(struct sh_history *h, struct sh_buf *out);

#endif /* SH_HISTORY_INT_H */
