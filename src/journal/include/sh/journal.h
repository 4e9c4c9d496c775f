/* journal.h - the one log of a node: what several owners (catalogue, samples, MQTT state, flow
 * state) must not lose goes here first. Records are appended from any thread, written in groups by
 * the commit thread (one large O_DSYNC write each) and then applied by the apply thread, strictly
 * in sequence order. The road of one record:
 *
 *   append (any thread) -> commit thread writes its group -> apply thread: owner's apply(), then
 *   the record's done() -> the caller answers its peer.
 *
 * So what done(SH_OK) announces is on disk and has been applied. After a restart sh_journal_open
 * gives the same records to the same apply functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_JOURNAL_H
#define SH_JOURNAL_H

#include <sh/base.h>

/* Owners. Numbers are on disk: never change one. */
enum {
    SH_OWNER_CATALOGUE = 1,
    SH_OWNER_SAMPLES = 2,
    SH_OWNER_MQTT = 3,
    SH_OWNER_FLOW = 4,
    SH_JOURNAL_OWNERS = 16 /* ids are 1..15 */
};

/* Kinds of SH_OWNER_SAMPLES. Each owner numbers its own. */
enum {
    SH_SAMPLES_BATCH = 0, /* wire form of a batch (value.h) */
    SH_SAMPLES_EDIT = 1,  /* wire form of a correction, deletion or withdrawal (history.h) */
    SH_SAMPLES_BLOCKS = 2 /* wire form of a pack: encoded blocks (pack.h) */
};

struct sh_journal;

/* One record as its owner sees it. */
struct sh_journal_record {
    uint64_t seq; /* 1, 2, 3 ...; over all owners; gaps are possible after failed groups */
    uint8_t owner;
    uint8_t kind;         /* the owner's own number */
    struct sh_bytes data; /* borrowed for the call */
    void *obj;            /* what append was given; NULL in a replay */
};

/* An owner. The table is copied; ctx must live until sh_journal_close has returned. */
struct sh_journal_owner {
    uint8_t id;
    const char *name; /* literal; for logs and reports */
    /* Takes one record. Called by sh_journal_open (on its thread) for a replay and later by the
     * apply thread only; never twice at a time. It must accept a record again that it holds already
     * (a replay may begin before the owner's checkpoint when that file was damaged). An error is
     * logged and counted and given to done(); it does not stop the journal. */
    sh_err (*apply)(void *ctx, const struct sh_journal_record *rec);
    /* Optional: this owner's records since its checkpoint hold more of the log than limit_bytes;
     * please checkpoint soon (from another thread: the call is made by the apply thread and must
     * not block). Repeated after each further tenth of the limit. */
    void (*want_checkpoint)(void *ctx, uint64_t applied_seq);
    uint64_t limit_bytes; /* 0 = 256 MiB */
    void *ctx;
};

/* What was found wrong on disk, in one call each. */
enum sh_journal_trouble {
    SH_JOURNAL_TORN_TAIL,  /* an unfinished write at the end of the log was cut: normal after a cut
                            */
    SH_JOURNAL_DAMAGED,    /* bytes in the middle are not what was written; the rest is served */
    SH_JOURNAL_LOST,       /* sequence numbers are missing */
    SH_JOURNAL_CHECKPOINT, /* the checkpoint file was unreadable: everything is replayed */
    SH_JOURNAL_SEALED      /* a write or sync failed: that file is closed, a new one goes on */
};
struct sh_journal_report {
    enum sh_journal_trouble what;
    const char *file; /* path */
    uint64_t offset;
    uint64_t bytes;
    uint64_t first_seq; /* 0 = not known */
    uint64_t last_seq;
};

struct sh_journal_options {
    const char *dir;        /* made when missing; copied */
    uint64_t segment_bytes; /* size of a log file; 0 = 64 MiB; at least 64 KiB; multiple of 4096 */
    uint64_t queue_bytes;   /* most bytes appended and not yet applied; 0 = 64 MiB */
    uint32_t max_record;    /* largest record; 0 = 16 MiB; at most segment_bytes / 2 */
    uint64_t after_seq;     /* sequences go on above this too: the newest that an owner's own files
                               know of, so that a lost log does not begin again at 1 */
    uint32_t spares;        /* log files kept ready ahead of need, the reserve for urgent records
                               included; 0 = 2; 2 to 5. Only once started: see sh_journal_start */
    int64_t min_gap_us; /* at least this long between the starts of two commits; at most 10000 */
    const struct sh_journal_owner *owners;
    size_t owner_count;
    /* May be NULL. Called by the thread that found it (open, commit thread). */
    void (*report)(void *ctx, const struct sh_journal_report *r);
    /* May be NULL. Called by the apply thread when the queue has fallen below half of queue_bytes
     * after an append was refused with SH_E_LIMIT, or when space came back after SH_E_FULL. Must
     * not block; typically posts to the loops that stopped reading. */
    void (*drained)(void *ctx);
    void *ctx;
};

/* Opens the folder, replays every record after its owner's checkpoint through apply() in sequence
 * order, and is ready for appends. Never refuses because of damage: that is reported. An owner that
 * has no memory for a record ends the open (SH_E_NOMEM): going on would lose it. May block.
 * SH_E_INVAL bad options, SH_E_IO, SH_E_FULL (no room even for the first file), SH_E_NOMEM.
 * `env` is borrowed for the life of the journal. */
SH_MUST_CHECK sh_err sh_journal_open(const struct sh_env *env, const struct sh_journal_options *o,
                                     struct sh_journal **out);
struct sh_journal_found {
    uint64_t files;
    uint64_t bytes; /* used */
    uint64_t records;
    uint64_t last_seq;
};
/* Reads a folder that nobody has open, and changes nothing: reports what is wrong and gives the
 * records after their checkpoints to the owners, as open would. Of the options only dir, owners,
 * report and ctx count. May block. */
SH_MUST_CHECK sh_err sh_journal_check(const struct sh_env *env, const struct sh_journal_options *o,
                                      struct sh_journal_found *out);
/* Commits and applies what is queued, stops the threads, closes. NULL is accepted. */
void sh_journal_close(struct sh_journal *j);

/* A group that cannot be written is tried again every second, in another file, until it is written,
 * and everything behind it waits: who takes effect in memory before the commit (MQTT sessions, the
 * catalogue) so never runs ahead of the log for good. After this call, and at a close, it fails
 * instead: for a process that has to end. Any thread. */
void sh_journal_hurry(struct sh_journal *j);

/* Starts the commit thread, the apply thread and the preparation thread, which makes log files
 * ahead of need. Without it (tests) sh_journal_step does the work. */
SH_MUST_CHECK sh_err sh_journal_start(struct sh_journal *j);
/* Only before sh_journal_start: commits what is pending as one group and applies it, on this
 * thread. Returns the first error of the commit (the records' done() have been told). */
SH_MUST_CHECK sh_err sh_journal_step(struct sh_journal *j);

/* err: SH_OK = on disk and applied; SH_E_IO or SH_E_FULL = not promised (it may or may not be there
 * after a restart): only after sh_journal_hurry, at a close, or in step mode; another code = on
 * disk, but the owner's apply said so. Called by the apply thread, in sequence order; must not
 * block. */
typedef void sh_journal_done(void *ctx, sh_err err, uint64_t seq);

struct sh_journal_append {
    uint8_t owner;
    uint8_t kind;
    bool urgent; /* may use the reserve that is kept when the disk is full, and pass queue_bytes */
    const struct sh_bytes *parts; /* gathered into one record; copied before append returns */
    size_t nparts;
    void *obj;             /* given to apply(); the caller's, must live until done() was called */
    sh_journal_done *done; /* may be NULL; called exactly once for each accepted append */
    void *ctx;
};
/* Queues one record; any thread; does not block on the disk. *seq (may be NULL) gets its sequence.
 * SH_E_LIMIT the queue is full (drained() will be called), SH_E_FULL no space on the device,
 * SH_E_INVAL unknown owner or a record over max_record, SH_E_NOMEM, SH_E_CLOSED. On an error done()
 * is not called. */
SH_MUST_CHECK sh_err sh_journal_append(struct sh_journal *j, const struct sh_journal_append *a,
                                       uint64_t *seq);
/* Waits until all that was appended before this call is committed and applied. Not from the apply
 * thread. In step mode it steps. SH_E_IO or SH_E_FULL when a group since the last sync failed. */
SH_MUST_CHECK sh_err sh_journal_sync(struct sh_journal *j);
/* All records of `owner` up to `seq` are safe elsewhere: remembers that durably and gives back
 * files that no owner needs. Any thread; may block. Never goes back. */
SH_MUST_CHECK sh_err sh_journal_checkpoint(struct sh_journal *j, uint8_t owner, uint64_t seq);
/* The bytes of a folder's file "checkpoint" that says: every owner is as far as seqs, nothing is
 * left to replay, and sequences go on above `last`. For a copy of a node's files. */
SH_MUST_CHECK sh_err sh_journal_checkpoint_image(const uint64_t seqs[SH_JOURNAL_OWNERS],
                                                 uint64_t last, struct sh_buf *out);
/* The owner's checkpoint, 0 = none. */
uint64_t sh_journal_checkpointed(struct sh_journal *j, uint8_t owner);

struct sh_journal_stats {
    uint64_t commits;
    uint64_t records;
    uint64_t bytes;       /* written, padding included */
    uint64_t queue_bytes; /* appended and not yet applied */
    uint64_t last_seq;    /* newest appended */
    uint64_t applied_seq; /* newest applied */
    uint64_t log_bytes;   /* in files, used part */
    uint64_t files;
    uint64_t refused_limit; /* appends refused: queue full */
    uint64_t refused_full;  /* appends refused: disk full */
    uint64_t failed_groups; /* groups that were given up */
    uint64_t retries;       /* times that a group could not be written and was tried again */
    uint64_t sealed_files;  /* files left after a failed write or sync */
    uint64_t apply_errors;
    uint64_t replayed;           /* records given to their owners by open */
    uint64_t spares_prepared;    /* log files made ahead of need */
    uint64_t spares_made_inline; /* made by the committer, in a commit: none was ready */
    uint64_t spares_waited;      /* a commit waited for the one being made ahead */
    int64_t last_commit_us;      /* duration of the last commit */
    int64_t p99_commit_us;       /* over the last 1024 commits */
    bool full;
    bool stuck; /* a group cannot be written now: acknowledgements wait */
};
void sh_journal_stats(struct sh_journal *j, struct sh_journal_stats *out); /* any thread */

#endif /* SH_JOURNAL_H */
