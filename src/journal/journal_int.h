/* journal_int.h - what the files of the journal share.
 * Locks: `lock` (queue, sequence numbers, owners, counters) and `files_lock` (list of log files,
 * spares, checkpoint file). Order: files_lock before lock. `cur` and its offset belong to the
 * committer alone (commit thread, or the stepping thread).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_JOURNAL_INT_H
#define SH_JOURNAL_INT_H

#include <sh/journal.h>

#include "log.h"

enum {
    JOURNAL_PATH = 512,
    JOURNAL_READY = 2,   /* spares wanted: one to use, one as the reserve for urgent records */
    JOURNAL_SPARES = 5,  /* recycled files kept: a steady state makes no new ones */
    JOURNAL_LAPS = 1024, /* commit durations kept */
    JOURNAL_GROUP_MAX = 8 << 20, /* a group is closed beyond this */
    JOURNAL_TRIES = 3,           /* files tried for one group, then there is a pause */
    JOURNAL_RETRY_US = 1000000
};

struct journal_entry {
    void *obj;
    sh_journal_done *done;
    void *ctx;
    size_t off; /* of the data in the group's buffer */
    uint32_t len;
    uint8_t owner;
    uint8_t kind;
};

/* Records on their way: pending -> (written) -> to apply -> free list. */
struct journal_group {
    struct journal_group *next;
    uint8_t *buf; /* LOG_GROUP_HEAD bytes, then the body */
    size_t n;
    size_t cap;
    struct journal_entry *entries;
    uint32_t count;
    uint32_t entry_cap;
    uint64_t first_seq;
    size_t charge; /* bytes counted in queue_bytes */
    sh_err err;
};

struct journal_queue {
    struct journal_group *head;
    struct journal_group *tail;
};

struct journal_file {
    uint64_t number;
    uint64_t first_seq; /* 0 = holds no group */
    uint64_t last_seq;
    uint64_t used;
    bool damaged;
    bool whole; /* has segment_bytes: may be recycled */
};

struct journal_owner {
    struct sh_journal_owner o;
    uint64_t checkpoint;
    uint64_t last_seq; /* its newest record */
    uint64_t asked;    /* log bytes pinned when it was last asked for a checkpoint */
};

struct sh_journal {
    const struct sh_env *env;
    struct sh_journal_options o;
    char dir[JOURNAL_PATH];
    struct journal_owner owners[SH_JOURNAL_OWNERS];

    struct sh_mutex lock;
    struct sh_cond work;  /* the commit thread waits */
    struct sh_cond ready; /* the apply thread waits */
    struct sh_cond idle;  /* sh_journal_sync waits */
    struct journal_queue pending;
    struct journal_queue written;
    struct journal_group *spare_group;
    uint64_t next_seq;
    uint64_t done_seq; /* every sequence up to it has been applied or failed */
    uint64_t queued;   /* bytes */
    bool refused;      /* somebody waits for drained() */
    bool came_back;    /* space came back: tell drained() */
    bool closing;
    bool hurry; /* groups that cannot be written fail */
    bool commit_ended;
    bool started;
    sh_err failed; /* error of a group since the last sync */
    struct sh_journal_stats st;
    int64_t laps[JOURNAL_LAPS];

    struct sh_mutex files_lock;
    struct journal_file *files; /* ascending by number; the last one is cur when cur != NULL */
    size_t nfiles;
    size_t files_cap;
    uint64_t spares[JOURNAL_SPARES]; /* numbers in their names */
    size_t nspares;
    uint64_t next_number;
    struct sh_cond prepare; /* the preparation thread waits */
    struct sh_cond made;    /* who needs the spare that is being made waits */
    bool making;
    bool made_wanted; /* the committer waits for it: no pauses */
    bool prepare_stop;
    bool only_look; /* sh_journal_check: nothing is renamed */

    struct sh_file *cur;
    uint64_t cur_off;
    uint64_t cur_id;
    uint64_t prev_seq; /* last sequence written */
    int64_t last_start_us;

    struct sh_thread commit_thread;
    struct sh_thread apply_thread;
    struct sh_thread prepare_thread;
};

/* commit.c */
void journal_log_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH]);
sh_err journal_group_commit(struct sh_journal *j, struct journal_group *g);
void journal_space_retry(struct sh_journal *j);
struct journal_file *journal_file_add(struct sh_journal *j, uint64_t number);
void journal_tell(struct sh_journal *j, const struct sh_journal_report *r);
/* spare.c: all but the paths, start and stop with files_lock held, which they may give up while a
 * file is made. */
void journal_spare_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH]);
void journal_making_path(const struct sh_journal *j, uint64_t number, char out[JOURNAL_PATH]);
/* Makes a spare unless JOURNAL_READY are there. */
sh_err journal_spare_make(struct sh_journal *j);
/* The same for the committer, counted. */
sh_err journal_spare_need(struct sh_journal *j);
sh_err journal_spare_use(struct sh_journal *j, uint64_t spare, uint64_t number, uint64_t *id);
/* One turn of the preparation thread: makes a spare. SH_E_AGAIN: none is wanted. */
sh_err journal_spare_prepare(struct sh_journal *j);
void journal_prepare_start(struct sh_journal *j);
void journal_prepare_stop(struct sh_journal *j);
/* append.c */
struct journal_group *journal_queue_take(struct journal_queue *q);
void journal_queue_put(struct journal_queue *q, struct journal_group *g);
void journal_group_free(struct sh_journal *j, struct journal_group *g);
/* checkpoint.c */
uint64_t journal_cut_point(struct sh_journal *j);
uint64_t journal_pinned(struct sh_journal *j, uint64_t after_seq);
sh_err journal_checkpoint_load(struct sh_journal *j, uint64_t *cut, bool *known);
/* recover.c */
sh_err journal_recover(struct sh_journal *j);

#endif /* SH_JOURNAL_INT_H */
