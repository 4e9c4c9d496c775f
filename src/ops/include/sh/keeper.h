/* keeper.h - backups of a running node: one at a time on a thread of its own, by hand or by the
 * clock, old ones removed, each rehearsed; what the folder holds; and the way back, a backup made
 * ready to take the place of the node's data (prepare.h, swap.h).
 *
 * Threads: every function from any thread; none waits for a backup except stop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_KEEPER_H
#define SH_KEEPER_H

#include <sh/backup.h>
#include <sh/prepare.h>
#include <sh/rehearse.h>
#include <sh/remote.h>

struct sh_keeper;

enum { SH_KEEPER_ITEMS = 1024, SH_KEEPER_WHO = 96 };

enum sh_keeper_event_kind {
    SH_KEEPER_MADE,
    SH_KEEPER_FAILED,
    SH_KEEPER_CANCELED,
    SH_KEEPER_REMOVED,        /* beyond `keep` */
    SH_KEEPER_REHEARSED,      /* and it was good */
    SH_KEEPER_NOT_RESTORABLE, /* a rehearsal failed */
    SH_KEEPER_COPIED,         /* to the SFTP server */
    SH_KEEPER_COPY_FAILED,
    SH_KEEPER_FETCHED, /* from it */
    SH_KEEPER_FETCH_FAILED,
    SH_KEEPER_PREPARED, /* a backup is ready to be put in place */
    SH_KEEPER_PREPARE_FAILED,
    SH_KEEPER_DISCARDED, /* what was prepared */
    SH_KEEPER_DROPPED,   /* data of before a restore */
    SH_KEEPER_DROP_FAILED,
    SH_KEEPER_EVENTS
};
struct sh_keeper_event {
    enum sh_keeper_event_kind kind;
    const char *id; /* "" when there is none */
    const char *by; /* who asked; "schedule" */
    const char *text;
    const char *remedy;
};

/* When backups are made and what becomes of them. */
struct sh_keeper_plan {
    int64_t every_us; /* 0 = only by hand */
    int at_minute;    /* of the local day, -1 = at any time */
    uint32_t keep;    /* backups; 0 = all */
    bool rehearse;
    uint64_t rate; /* bytes a second that are read at most; 0 = as fast as it goes */
};

struct sh_keeper_options {
    struct sh_backup_options
        backup; /* passphrase, rate and progress are the keeper's; the rest is kept */
    const char *passphrase_file; /* its first line, read for each backup; NULL = without keys */
    struct sh_keeper_plan plan;
    struct sh_remote_target remote; /* url "": no copies elsewhere */
    const char *master;             /* of the node: sh_master_open; kept. NULL: a file */
    struct sh_swap swap;            /* as this start found it */
    char swap_why[SH_SWAP_WHY];     /* what did not open, when swap.back; else "" */
    /* Are the node's administrators separated? NULL: no. */
    bool (*separated)(void *ctx);
    /* Told what happened, on the keeper's thread. May be NULL. */
    void (*event)(void *ctx, const struct sh_keeper_event *e);
    /* False: not now (the disk of the data folder is at its mark). May be NULL. */
    bool (*may)(void *ctx);
    void *ctx;
};
/* Starts the thread. o->backup.to must be a folder of its own that the caller holds. */
SH_MUST_CHECK sh_err sh_keeper_new(const struct sh_keeper_options *o, struct sh_keeper **out);
/* Cancels what runs and joins. Before anything that a backup reads is closed. NULL is accepted. */
void sh_keeper_stop(struct sh_keeper *k);
void sh_keeper_free(struct sh_keeper *k); /* stops; NULL is accepted */

/* Another plan from now on; what runs goes on as it began. */
void sh_keeper_set_plan(struct sh_keeper *k, const struct sh_keeper_plan *p);
/* Another SFTP server, or none; t holds zeros behind its texts. */
void sh_keeper_set_remote(struct sh_keeper *k, const struct sh_remote_target *t);

/* By itself the newest backup is copied to the SFTP server as soon as it is made and did not fail
 * its rehearsal, again 15 minutes after a failure, and gives way to a backup that is due or asked
 * for. Asked for: */
enum sh_keeper_work_kind {
    SH_KEEPER_WORK_BACKUP,
    SH_KEEPER_WORK_COPY,    /* a backup to the server */
    SH_KEEPER_WORK_FETCH,   /* a copy back */
    SH_KEEPER_WORK_LOOK,    /* which copies are there? */
    SH_KEEPER_WORK_PREPARE, /* a backup to be put in place */
    SH_KEEPER_WORK_DISCARD, /* what was prepared */
    SH_KEEPER_WORK_DROP /* data of before a restore; its records stay for SH_KEEPER_RECORDS_DAYS */
};
enum { SH_KEEPER_RECORDS_DAYS = 180 }; /* as long as the audit has to be kept */
/* id: of COPY, FETCH, PREPARE (a backup) and DROP (a name of swap.h); why: of PREPARE. SH_E_BUSY:
 * something runs or waits; SH_E_STATE: no server is set; SH_E_NOTFOUND: no such backup here, or
 * nothing of that name is kept; SH_E_EXISTS: it is here; SH_E_INVAL: not an id. */
SH_MUST_CHECK sh_err sh_keeper_ask(struct sh_keeper *k, enum sh_keeper_work_kind kind,
                                   struct sh_str id, struct sh_str by, struct sh_str why);
/* Wants the data that is prepared (id "prepared") or kept (a name of swap.h) in the place of the
 * node's at its next start; from then on the keeper does nothing more. note: for that start.
 * SH_E_BUSY, SH_E_NOTFOUND, SH_E_INVAL, SH_E_LIMIT with diag. Blocks for the disk. */
SH_MUST_CHECK sh_err sh_keeper_apply(struct sh_keeper *k, struct sh_str id, struct sh_str by,
                                     struct sh_str why, const char *note, struct sh_diag *diag);
/* Asks for a backup now. SH_E_BUSY: one runs or waits. */
SH_MUST_CHECK sh_err sh_keeper_begin(struct sh_keeper *k, struct sh_str by);
/* Ends the one that runs. SH_E_NOTFOUND: none does. */
SH_MUST_CHECK sh_err sh_keeper_cancel(struct sh_keeper *k);
/* Removes one. SH_E_BUSY while one runs, SH_E_NOTFOUND, SH_E_INVAL. Blocks for the disk. */
SH_MUST_CHECK sh_err sh_keeper_remove(struct sh_keeper *k, struct sh_str id);

/* The folder's state as members of an open object: "folder", "running" (null or an object), "due",
 * "last_failure" (null or an object), "remote" (null or an object), "restore", "items" (newest
 * first). */
void sh_keeper_write(struct sh_keeper *k, struct sh_jw *w);
/* Problems for the overview, as objects of an open array. */
void sh_keeper_problems(struct sh_keeper *k, struct sh_jw *w);

struct sh_keeper_stats {
    uint64_t made;
    uint64_t failed;
    uint64_t rehearsed;
    uint64_t rehearsals_failed;
    uint64_t removed;
    uint64_t copies;
    uint64_t copies_failed;
    uint64_t prepared;
    uint64_t prepare_failed;
    int64_t last_copy_us; /* of the newest backup that is on the server; 0 = none known */
    int64_t last_good_us; /* start of the newest backup; 0 = none */
};
void sh_keeper_stats(struct sh_keeper *k, struct sh_keeper_stats *out);

/* The time of the next backup: every_us after the last (began at last_us; 0 = none yet, then from
 * now on), and with at_minute at that minute of the local day. */
int64_t sh_keeper_due(int64_t last_us, int64_t now_us, int64_t every_us, int at_minute);

#endif /* SH_KEEPER_H */
