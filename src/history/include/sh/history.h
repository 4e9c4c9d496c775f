/* history.h - the embedded time-series engine.
 * Samples come in by sh_history_apply (the journal's apply thread), stand in memory (heads), are
 * flushed to immutable segment files and merged by compaction. Queries run on any thread, see
 * everything that was applied before they began, and stream columns into a sink.
 *
 * Same (point, time) again: a human correction or deletion outranks all; then the better quality
 * class (good, uncertain, bad); then the last arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_H
#define SH_HISTORY_H

#include <stdatomic.h>

#include <sh/base.h>
#include <sh/tz.h>
#include <sh/value.h>

struct sh_history;

enum sh_history_trouble {
    SH_HISTORY_SEGMENT_DAMAGED, /* a segment was set aside (its good blocks are served) */
    SH_HISTORY_BLOCK_DAMAGED,   /* a block inside a segment is unreadable; the rest is served */
    SH_HISTORY_STATE_DAMAGED,   /* the state file (corrections) was unreadable */
    SH_HISTORY_FLUSH_FAILED,    /* heads could not be written; tried again later */
    SH_HISTORY_COMPACT_FAILED
};
struct sh_history_report {
    enum sh_history_trouble what;
    const char *file;
    uint64_t offset;
    uint32_t point; /* 0 = not known */
    sh_err err;
};

struct sh_history_options {
    const char *dir;        /* made when missing; copied */
    unsigned shards;        /* locks for heads; 0 = 8; at most 64 */
    int64_t partition_us;   /* time partition; 0 = one day; at least one minute */
    uint64_t head_bytes;    /* heads over this (or 256 bytes a series) are flushed; 0 = 64 MiB */
    int64_t flush_after_us; /* oldest unflushed sample's age that asks for a flush; 0 = 10 min */
    uint64_t query_bytes;   /* default memory of one query; 0 = 64 MiB */
    unsigned query_threads; /* threads that help queries over several points; at most 64 */
    uint32_t max_points;    /* largest point id; 0 = 4 Mi */
    uint32_t max_edits;     /* corrected samples and deletions kept; 0 = 1 Mi */
    int64_t retention_us;   /* 0 = keep all */
    /* A partition that ended this long ago is written once more as one segment of entropy-coded
     * blocks, the smallest and the slowest to read. 0 = 7 days; INT64_MAX = never. */
    int64_t cold_after_us;
    /* Samples that a row of the finest roll-ups stands for at least, on average: 50 gives minutes
     * to one-second data (and makes it 13 % larger), 300 hours. 0 = 300. */
    uint32_t roll_min;
    /* May be NULL; from the thread that found it (open, background, a query). */
    void (*report)(void *ctx, const struct sh_history_report *r);
    /* All that was applied up to `seq` is in segments, durably: checkpoint the journal. Called by
     * the thread that flushed; may be NULL. */
    void (*flushed)(void *ctx, uint64_t seq);
    void *ctx;
};

/* Opens the folder. Damage is reported, never a refusal. `env` is borrowed. May block. */
SH_MUST_CHECK sh_err sh_history_open(const struct sh_env *env, const struct sh_history_options *o,
                                     struct sh_history **out);
/* Flushes (best effort), stops the background thread, closes. No query may be running. */
void sh_history_close(struct sh_history *h);
/* Starts the background thread: flush, compaction, retention. */
SH_MUST_CHECK sh_err sh_history_start(struct sh_history *h);
/* Without the thread: does one piece of due background work. *did says whether there was any. */
SH_MUST_CHECK sh_err sh_history_step(struct sh_history *h, bool *did);
/* Asks the background thread to flush now (any thread, does not block): for want_checkpoint. */
void sh_history_want_flush(struct sh_history *h);
/* Writes all heads to segments, durably, and calls flushed(). Any thread but the apply thread. */
SH_MUST_CHECK sh_err sh_history_flush(struct sh_history *h);
/* Merges until nothing is left to merge (tests, maintenance). */
SH_MUST_CHECK sh_err sh_history_compact(struct sh_history *h);

/* Takes a batch (its wire form was journal record `seq`). Apply thread only, ascending seq. The
 * slab is borrowed. SH_E_NOMEM; rows of a type other than their point's first are left out and
 * counted. */
SH_MUST_CHECK sh_err sh_history_apply(struct sh_history *h, const struct sh_slab *slab,
                                      uint64_t seq);

/* Corrections and deletions: human edits. Encode, append to the journal (SH_OWNER_SAMPLES, kind
 * SH_SAMPLES_EDIT), and let the apply thread call sh_history_edit_apply with the same bytes. An
 * edit's id is its journal sequence. */
enum sh_history_edit_kind {
    SH_EDIT_CORRECT = 1, /* rows outrank any other sample of the same point and time */
    SH_EDIT_DELETE = 2,  /* hides [from, to) of the points, also from what arrives later */
    SH_EDIT_WITHDRAW = 3 /* undoes the edit `id` */
};
struct sh_history_edit {
    enum sh_history_edit_kind kind;
    const struct sh_batch *rows; /* CORRECT */
    const uint32_t *points;      /* DELETE */
    uint32_t npoints;
    int64_t from_us; /* DELETE: inclusive */
    int64_t to_us;   /* exclusive */
    uint64_t id;     /* WITHDRAW */
    uint32_t tenant; /* kept with the edit */
};
SH_MUST_CHECK sh_err sh_history_edit_encode(const struct sh_history_edit *e, struct sh_buf *out);
/* Before journalling: SH_E_LIMIT when max_edits would be passed. */
SH_MUST_CHECK sh_err sh_history_edit_check(struct sh_history *h, const struct sh_history_edit *e);
/* Apply thread only. SH_E_CORRUPT when the bytes are no edit. */
SH_MUST_CHECK sh_err sh_history_edit_apply(struct sh_history *h, struct sh_bytes wire,
                                           uint64_t seq);
struct sh_history_edit_info {
    uint64_t id;
    enum sh_history_edit_kind kind;
    uint32_t tenant;
    uint32_t point;
    int64_t from_us; /* CORRECT: the sample's time in both */
    int64_t to_us;
};
/* Edits in force for a point, by id. A non-OK answer ends the walk and is returned. */
SH_MUST_CHECK sh_err sh_history_edits(struct sh_history *h, uint32_t point,
                                      sh_err (*fn)(void *ctx, const struct sh_history_edit_info *e),
                                      void *ctx);

/* The rows of one edit in force: a correction's samples, a deletion's points. SH_E_NOTFOUND: none
 * such (any more). fn must not call the history. */
SH_MUST_CHECK sh_err sh_history_edit_find(struct sh_history *h, uint64_t id,
                                          sh_err (*fn)(void *ctx,
                                                       const struct sh_history_edit_info *e),
                                          void *ctx);

/* Samples older than this are to be refused (gate does); INT64_MIN = keep all. Any thread. */
int64_t sh_history_floor(struct sh_history *h);
/* Removes the oldest partition that has segments: all segments that end in it or before. For a disk
 * that is nearly full; the caller tells who was told to. Nothing that ends after `before_us` goes.
 * From then on the floor is the partition's end (until a restart), so that what was removed is not
 * taken again. Heads and corrections stay. SH_E_NOTFOUND: nothing is old enough; else the error of
 * the file system. Any thread but the apply thread; may block. */
struct sh_history_dropped {
    int64_t from_us; /* of the oldest sample */
    int64_t to_us;   /* end of the partition, exclusive */
    uint64_t segments;
    uint64_t samples;
    uint64_t bytes;
};
SH_MUST_CHECK sh_err sh_history_drop_oldest(struct sh_history *h, int64_t before_us,
                                            struct sh_history_dropped *out);
/* Live: new retention (0 = keep all); a new age at which days are stored smaller (0 = never). */
void sh_history_set_retention(struct sh_history *h, int64_t retention_us);
void sh_history_set_cold_after(struct sh_history *h, int64_t cold_after_us);

/* ---- queries ----------------------------------------------------------------------------------
 */

enum sh_history_agg_kind {
    SH_AGG_COUNT = 1,
    SH_AGG_SUM,
    SH_AGG_MIN,
    SH_AGG_MAX,
    SH_AGG_MEAN,
    SH_AGG_FIRST,
    SH_AGG_LAST,
    SH_AGG_STDDEV,     /* of a sample: n - 1; null below two */
    SH_AGG_PERCENTILE, /* linear interpolation between closest ranks (R type 7) */
    SH_AGG_TWA,        /* time-weighted mean: each value holds until the next; the value before the
                          bucket counts */
    SH_AGG_RATE,       /* increase per second since the sample before the bucket's first (or its
                          first); a fall is a counter's reset: the new value is the increase */
    SH_AGG_COUNT_IF,   /* samples that meet `cond` */
    SH_AGG_DURATION    /* seconds in which the held value meets `cond` */
};

/* A condition on a value, as written:
 *   ">80" ">=80" "<80" "<=80" "=80" "!=80"   compared with a number; bool: false < true
 *   "10..20"                                 from 10 to 20, both in; of a text: this very text
 *   "80" "true" "running"                    a value alone: equal
 * Text and blob know = and != only; a text that begins with an operator or must not be a range is
 * written after "=". NaN meets != and nothing else. */
enum sh_history_op {
    SH_OP_NONE, /* no condition */
    SH_OP_IS,
    SH_OP_EQ,
    SH_OP_NE,
    SH_OP_GT,
    SH_OP_GE,
    SH_OP_LT,
    SH_OP_LE,
    SH_OP_RANGE
};
struct sh_history_cond { /* borrowed for the query */
    enum sh_history_op op;
    struct sh_str value; /* RANGE: the whole */
    struct sh_str low;   /* RANGE */
    struct sh_str high;
};
/* *out borrows from s. SH_E_INVAL: an order with something that is neither number nor bool. */
SH_MUST_CHECK sh_err sh_history_cond_parse(struct sh_str s, struct sh_history_cond *out);

struct sh_history_agg {
    enum sh_history_agg_kind kind;
    double percentile; /* 0..100 */
    struct sh_history_cond cond;
};
/* "mean", "p99.9", "count:>80", "duration:running". *out borrows from s. SH_E_INVAL for any other
 * word. */
SH_MUST_CHECK sh_err sh_history_agg_parse(struct sh_str s, struct sh_history_agg *out);
/* True when the aggregate can be asked of a point of this type. */
bool sh_history_agg_allowed(enum sh_history_agg_kind k, enum sh_type t);
/* Type of the result: counts i64; min max first last the point's; all others f64. */
enum sh_type sh_history_agg_type(enum sh_history_agg_kind k, enum sh_type t);

enum sh_history_fill { SH_FILL_NONE, SH_FILL_NULL, SH_FILL_PREVIOUS, SH_FILL_LINEAR };
enum sh_history_quality {
    SH_QF_DEFAULT, /* raw: all samples; aggregates: good and uncertain */
    SH_QF_GOOD,    /* good only */
    SH_QF_ALL      /* all samples, bad ones too */
};
enum sh_history_down { SH_DOWN_NONE, SH_DOWN_MINMAX, SH_DOWN_LTTB };

/* Where a long result goes on. Zeroed = from the beginning. */
struct sh_history_cursor {
    uint32_t series; /* index in `points` */
    int64_t time_us; /* first time still wanted */
    bool set;
};

struct sh_history_query {
    const uint32_t *points;
    size_t npoints;
    int64_t from_us;                   /* inclusive */
    int64_t to_us;                     /* exclusive */
    const struct sh_history_agg *aggs; /* none: raw */
    size_t naggs;                      /* at most 32 */
    int64_t step_us;                   /* bucket; 0 with aggregates: one bucket [from, to) */
    const struct sh_tz *tz;            /* NULL: buckets align to the epoch; else to local days */
    enum sh_history_fill fill;
    enum sh_history_quality quality;
    enum sh_history_down down;       /* raw only; numeric types only (others come raw) */
    uint32_t down_points;            /* at least 3 */
    struct sh_history_cond where;    /* raw, not with `down`: only rows that meet it */
    uint64_t limit;                  /* most rows over all series; 0 = no limit */
    struct sh_history_cursor cursor; /* not with `down` */
    int64_t now_us;                  /* twa and duration hold no longer than this; 0 = to_us */
    uint64_t mem_bytes;              /* 0 = option query_bytes */
    const atomic_bool *cancel;       /* may be NULL; looked at once a block */
    int64_t deadline_mono_us;        /* 0 = none */
};

/* Start and end of the bucket that holds t: of q, its step, zone and range count. Pure. */
void sh_history_bucket(const struct sh_history_query *q, int64_t t, int64_t *start, int64_t *end);

struct sh_history_col {
    enum sh_type type;
    const union sh_cell *value;
    const uint8_t *null; /* 1 = no value in this row; NULL = all rows have one */
};
/* Part of one series, ascending in time; at most 1024 rows. Borrowed for the call. */
struct sh_history_rows {
    uint32_t series; /* index in `points` */
    enum sh_type type;
    uint32_t n;
    const int64_t *time_us;
    const union sh_cell *value;       /* raw */
    const uint8_t *quality;           /* raw */
    const uint8_t *bytes;             /* text and blob cells, raw and aggregates */
    const struct sh_history_col *agg; /* with aggregates: naggs columns */
};
struct sh_history_result {
    uint64_t rows;
    uint64_t scanned;              /* samples decoded */
    struct sh_history_cursor next; /* next.set: there is more */
};
/* Runs on the calling thread (option query_threads: and on helpers, where it takes long; the result
 * is the same); calls sink, on the calling thread, for each part, series by series in the order of
 * `points` (a series without rows is not called). A non-OK answer of sink ends the query and is
 * returned. SH_E_INVAL nonsense in q, SH_E_UNSUPPORTED an aggregate or condition not allowed for a
 * point's type, SH_E_LIMIT memory or number of buckets, SH_E_CANCELED, SH_E_TIMEOUT. */
SH_MUST_CHECK sh_err sh_history_query(struct sh_history *h, const struct sh_history_query *q,
                                      sh_err (*sink)(void *ctx, const struct sh_history_rows *rows),
                                      void *ctx, struct sh_history_result *out);

/* ---- a survey: what is wrong with the samples of a time ----------------------------------------
 * Each sample holds until the next one, if that comes within the gap threshold; else what lies
 * between the two is a gap. Times are counted within [from, min(to, now)), but samples up to the
 * longer threshold before and behind it are looked at, so that what is found does not change with
 * the range. */
enum sh_history_flaw {
    SH_FLAW_GAP,   /* no sample for longer than the threshold */
    SH_FLAW_STUCK, /* i64 and f64: samples came, none of them bad, and the value stayed as it was
                      for the threshold or longer: from the first to the last equal sample */
    SH_FLAW_BAD,   /* bad quality, NaN or infinite */
    SH_FLAW_UNCERTAIN, /* uncertain quality */
    SH_FLAW_RANGE,     /* i64 and f64: not bad, and below `low` or above `high` */
    SH_FLAW_KINDS
};
struct sh_history_survey_point {
    uint32_t point;
    int64_t period_us; /* as declared; 0 = unknown: the median of intervals of its samples */
    double low;        /* NaN: none */
    double high;
};
struct sh_history_survey {
    const struct sh_history_survey_point *points;
    size_t npoints;
    int64_t from_us;
    int64_t to_us;
    int64_t now_us;     /* nothing is expected later */
    int64_t gap_us;     /* 0: gap_factor times the period */
    double gap_factor;  /* at least 1 */
    int64_t stuck_us;   /* 0: not looked for */
    uint32_t intervals; /* most of one kind of a point; 2 or more, at most 10,000 */
    uint64_t mem_bytes; /* 0 = option query_bytes */
    int64_t deadline_mono_us;
    bool (*gone)(void *ctx); /* asked once a block: true ends it; may be NULL */
    void *ctx;
};
struct sh_history_flaw_time {
    enum sh_history_flaw kind;
    int64_t from_us;
    int64_t to_us;
    int64_t sum_us; /* of what was merged to this; else to - from */
    uint32_t merged;
};
struct sh_history_surveyed {
    uint32_t series;   /* index in `points` */
    enum sh_type type; /* 0: no sample anywhere */
    int64_t period_us; /* that was gone by; 0: too few samples to tell */
    int64_t gap_us;    /* threshold; 0: none, then a gap is only where there is no sample at all */
    uint64_t samples;  /* in the range */
    uint64_t flawed[SH_FLAW_KINDS]; /* samples: bad, uncertain, range */
    int64_t time_us;                /* of the range that is not to come */
    int64_t good_us;                /* without any flaw */
    int64_t
        total_us[SH_FLAW_KINDS]; /* exact, whatever was merged; kinds may overlap, gaps do not */
    int64_t merged_us[SH_FLAW_KINDS]; /* intervals of the kind that are this near are one; 0: none
                                         had to be */
    const struct sh_history_flaw_time *rows; /* ascending by from; valid for the call */
    size_t n;
};
/* Streams through the samples of point after point; blocks whose summary says that nothing is wrong
 * are not read. A point that has more intervals of a kind than may be listed gets those nearest to
 * each other merged. *scanned: samples decoded. SH_E_INVAL, SH_E_LIMIT, SH_E_TIMEOUT, SH_E_CANCELED
 * (gone), SH_E_NOMEM, what sink gave. Any thread. */
SH_MUST_CHECK sh_err sh_history_survey(struct sh_history *h, const struct sh_history_survey *q,
                                       sh_err (*sink)(void *ctx,
                                                      const struct sh_history_surveyed *s),
                                       void *ctx, uint64_t *scanned);

/* Last value of each point: greatest time, then the rules above. found[i] false: none. Text is
 * appended to `text` (may be NULL: text cells then come as length 0) and spans point into it. */
struct sh_history_sample {
    int64_t time_us;
    union sh_cell value;
    enum sh_type type;
    uint8_t quality;
    bool found;
};
SH_MUST_CHECK sh_err sh_history_last(struct sh_history *h, const uint32_t *points, size_t n,
                                     struct sh_history_sample *out, struct sh_buf *text);

/* The same for all points up to last_point that have one, ascending, in one pass: what a start
 * needs. text: the bytes of a text (its span begins at 0), valid for the call. An error of fn ends
 * the pass. No flush or compaction runs meanwhile; fn must ask for none. */
typedef sh_err sh_history_newest_fn(void *ctx, uint32_t point, const struct sh_history_sample *s,
                                    struct sh_bytes text);
SH_MUST_CHECK sh_err sh_history_newest(struct sh_history *h, uint32_t last_point,
                                       sh_history_newest_fn *fn, void *ctx);

struct sh_history_point_stats {
    bool found;
    enum sh_type type;
    uint64_t samples; /* stored (repeats of one time may count twice until compaction) */
    uint64_t bytes;   /* in segments */
    int64_t first_us;
    int64_t last_us;
};
SH_MUST_CHECK sh_err sh_history_point_stats(struct sh_history *h, uint32_t point,
                                            struct sh_history_point_stats *out);

/* ---- a check of the files: of a folder that nobody has open ---- */
struct sh_history_problem {
    const char *file;
    uint64_t offset;
    uint32_t point; /* 0 = not known */
    const char *what;
};
struct sh_history_check {
    /* Each may be NULL. */
    void (*problem)(void *ctx, const struct sh_history_problem *p);
    void (*series)(void *ctx, const char *file, uint32_t point, enum sh_type type);
    void *ctx;
    /* out */
    uint64_t segments;
    uint64_t bytes;
    uint64_t blocks;
    uint64_t samples;   /* repeats of one time count twice */
    uint64_t summaries; /* compared with the samples */
    uint64_t states;
    uint64_t problems;
};
/* Reads every segment, block, checksum and summary, and the state files. Nothing is changed. SH_OK
 * also with problems. */
SH_MUST_CHECK sh_err sh_history_check(const struct sh_env *env, const char *dir,
                                      struct sh_history_check *c);

/* ---- a snapshot of the files, for a copy while all goes on ----
 * All that was applied before is flushed first. The files of a snapshot stay readable until it is
 * freed, though compaction and retention go on. Any thread but the apply thread; blocks. */
struct sh_history_snapshot;
struct sh_history_file {
    const char *name;      /* in the folder; of the snapshot's memory */
    struct sh_bytes bytes; /* the whole file (mapped); of the snapshot's memory */
};
SH_MUST_CHECK sh_err sh_history_snapshot_new(struct sh_history *h,
                                             struct sh_history_snapshot **out);
size_t sh_history_snapshot_files(const struct sh_history_snapshot *s);
struct sh_history_file sh_history_snapshot_file(const struct sh_history_snapshot *s, size_t i);
/* Every journal record of a sequence up to this is in the files. */
uint64_t sh_history_snapshot_seq(const struct sh_history_snapshot *s);
uint64_t sh_history_snapshot_samples(const struct sh_history_snapshot *s);
void sh_history_snapshot_free(struct sh_history_snapshot *s); /* NULL is accepted */

struct sh_history_stats {
    uint64_t samples;    /* stored, as above */
    uint64_t points;     /* with at least one sample */
    uint32_t last_point; /* largest id that a sample was ever taken for and is still there */
    uint64_t segment_bytes;
    uint64_t segments;
    uint64_t segment_samples;
    uint64_t cold_segments; /* among them */
    uint64_t cold_samples;
    uint64_t cold_bytes;
    uint64_t head_samples;
    uint64_t head_bytes;
    uint64_t applied;        /* rows taken since open */
    uint64_t type_conflicts; /* rows left out */
    uint64_t flushes;
    uint64_t compactions;
    uint64_t damaged_blocks;
    uint64_t set_aside; /* files */
    uint64_t edits;
    uint64_t flushed_seq; /* newest in the files; after open: for sh_journal_options.after_seq */
    uint64_t applied_seq;
};
void sh_history_stats(struct sh_history *h, struct sh_history_stats *out);

#endif /* SH_HISTORY_H */
