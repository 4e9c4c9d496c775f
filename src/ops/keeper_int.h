/* keeper_int.h - what keeper.c (backups) and keeper_remote.c (their copies elsewhere) share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_KEEPER_INT_H
#define SH_KEEPER_INT_H

#include <sh/keeper.h>

#include "ops_int.h"

#define KEEPER_RETRY_US INT64_C(900000000)

struct item {
    struct sh_backup_info info;
    bool rehearsed;
    struct sh_rehearsal report;
    int64_t copied_us; /* to the server of now; 0 = not */
};

struct keeper_work {
    enum sh_keeper_work_kind kind;
    char id[SH_BACKUP_ID];
    bool by_itself; /* nobody asked: gives way */
    char why[SH_SWAP_WHY];
};

struct sh_keeper {
    const struct sh_env *env;
    struct sh_keeper_options o;
    struct sh_thread thread;
    char owner[SH_TOKEN_CHARS + 1]; /* this folder's name on servers */
    struct sh_mutex folder_lock;
    struct sh_mutex lock;
    struct sh_cond wake;
    bool stopping;
    bool stale; /* the folder is to be read again */
    bool asked;
    struct keeper_work work; /* asked for */
    char by[SH_KEEPER_WHO];
    const char *doing; /* "backup", "rehearsal", "copy", "fetch", "look", "restore", "remove"; NULL:
                          idle */
    bool yielding;     /* it gives way */
    int64_t doing_since_us;
    struct sh_backup_progress progress;
    int64_t not_before_us;
    int64_t since_us;   /* started */
    struct item *items; /* oldest first */
    size_t n;
    bool failed; /* the last try; what and when: */
    int64_t failed_us;
    struct sh_diag why;
    bool copy_failed; /* the last work on the server */
    int64_t copy_failed_us;
    char copy_failed_id[SH_BACKUP_ID];
    struct sh_diag copy_why;
    int64_t copy_not_before_us;
    uint32_t target_no;            /* counts changes of o.remote */
    uint32_t target_used;          /* by the work under way */
    struct sh_remote_copy *copies; /* as last seen, oldest first */
    size_t copies_n;
    int64_t looked_us;           /* 0 = never */
    bool swapping;               /* the node goes down for other data */
    struct sh_prepared prepared; /* id "": nothing is */
    struct sh_prepared origin;   /* of the data in use; id "": it was not restored so */
    struct sh_swap_kept kept[SH_SWAP_KEPT];
    size_t nkept;
    bool prepare_failed; /* the last try to prepare or to remove */
    int64_t prepare_failed_us;
    struct sh_diag prepare_why;
    struct sh_keeper_stats stats;
};

/* ---- keeper.c ---- */

int64_t keeper_due(const struct sh_keeper *k); /* under lock */
void keeper_read_folder(struct sh_keeper *k);
void keeper_tell(struct sh_keeper *k, enum sh_keeper_event_kind kind, const char *id,
                 const char *by, const char *text, const char *remedy);
void keeper_start(struct sh_keeper *k, const char *what);

/* The passphrase of backups: *line is a view into *text (freed with sh_str_free); both stay empty
 * when there is none. */
SH_MUST_CHECK sh_err keeper_passphrase(struct sh_keeper *k, struct sh_str *text,
                                       struct sh_str *line, struct sh_diag *d);
uint64_t keeper_rate(struct sh_keeper *k);
bool keeper_here(const struct sh_keeper *k, struct sh_str id); /* under lock */

/* ---- keeper_restore.c ---- */

/* Reads what is prepared and kept; a part of something prepared goes. */
void keeper_read_restore(struct sh_keeper *k);
void keeper_restore_work(struct sh_keeper *k, const struct keeper_work *w, const char *by);
/* Under lock. */
SH_MUST_CHECK sh_err keeper_may_restore(const struct sh_keeper *k, enum sh_keeper_work_kind kind,
                                        struct sh_str id);
void keeper_put_restore(const struct sh_keeper *k, struct sh_jw *w);

/* ---- keeper_remote.c ---- */

/* Reads or makes the name of the folder. */
SH_MUST_CHECK sh_err keeper_owner(struct sh_keeper *k);
/* When the newest backup is to be copied; INT64_MAX: not. Under lock. */
int64_t keeper_copy_due(const struct sh_keeper *k);
void keeper_remote_work(struct sh_keeper *k, const struct keeper_work *w, const char *by);
/* When a backup (its folder) was copied to that server; 0 = not. */
int64_t keeper_mark_read(const struct sh_keeper *k, const char *backup, const char *url);
/* Members "remote" of an item, and of the whole. Under lock. */
void keeper_put_item_remote(const struct sh_keeper *k, const struct item *it, struct sh_jw *w);
void keeper_put_remote(const struct sh_keeper *k, struct sh_jw *w);

#endif /* SH_KEEPER_INT_H */
