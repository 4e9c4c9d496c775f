/* swap.h - a prepared data folder takes the place of a node's own, which is kept; and the way back.
 *
 * In the node's data folder DIR:
 *   restored/                  what was made of a backup (sh_prepare_run), not in use yet
 *   replaced-<UTC time>/       what was in use before a swap
 *   swap.<phase>               a swap is under way; who wanted it
 * A swap moves everything of DIR (but these, the lock and lost+found) into a new replaced-…, then
 * everything of the folder that was asked for into DIR: renames only, so it takes no room and no
 * time. It is done at a start, before anything is opened, and may end anywhere: the next start
 * takes it up. When what was put in place does not open, the same way leads back.
 *
 * Threads: each call belongs to who holds DIR (its lock), one at a time; they block for the disk.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SWAP_H
#define SH_SWAP_H

#include <sh/env.h>

#define SH_SWAP_RESTORED "restored"
enum {
    SH_SWAP_NAME = 40,
    SH_SWAP_WHO = 96,
    SH_SWAP_WHY = 512,
    SH_SWAP_KEPT = 16,
    SH_SWAP_TRIES = 3
};

struct sh_swap {
    char in[SH_SWAP_NAME];  /* folder in DIR that takes its place */
    char out[SH_SWAP_NAME]; /* folder in DIR for what was in use */
    char by[SH_SWAP_WHO];
    char why[SH_SWAP_WHY];
    char note[SH_SWAP_WHY]; /* of the caller, for the next start */
    bool separated;         /* the administrators of what was in use are separated */
    unsigned attempt;       /* how often what is in place was tried to be opened, this time
                               included; 0: no swap is under way */
    bool back;              /* it did not open: the old data is in place again */
};

/* Is this the name of a folder that a swap left behind? */
bool sh_swap_name_ok(struct sh_str name);
/* Wants a swap with folder `in` of DIR at the next start; durable when it returns. s->out is made.
 * SH_E_NOTFOUND: there is no such folder, or its records only; SH_E_EXISTS: one is wanted already;
 * SH_E_LIMIT: SH_SWAP_KEPT folders are kept already (diag). The node may run. */
SH_MUST_CHECK sh_err sh_swap_begin(const struct sh_env *env, const char *dir, struct sh_swap *s,
                                   struct sh_diag *diag);
/* At a start: does what is wanted or was not ended, and counts the try. s->attempt 0: there was
 * nothing to do. After SH_SWAP_TRIES starts that did not come to sh_swap_end it goes back. */
SH_MUST_CHECK sh_err sh_swap_run(const struct sh_env *env, const char *dir, struct sh_swap *s,
                                 struct sh_diag *diag);
/* What was put in place did not open: the next sh_swap_run brings the old data back. SH_E_STATE: it
 * is the old data that does not open, or no swap is under way. */
SH_MUST_CHECK sh_err sh_swap_back(const struct sh_env *env, const char *dir);
/* The node is up: the swap is over. */
SH_MUST_CHECK sh_err sh_swap_end(const struct sh_env *env, const char *dir);
/* Is one under way? Then nothing but a server may open DIR. */
bool sh_swap_waits(const struct sh_env *env, const char *dir);

/* Folders that are kept, newest first. */
struct sh_swap_kept {
    char name[SH_SWAP_NAME];
    int64_t time_us; /* of the swap */
    uint64_t bytes;
    bool records_only; /* samples, files and messages were removed: it cannot come back */
};
/* At most SH_SWAP_KEPT, newest first; *n says how many. */
SH_MUST_CHECK sh_err sh_swap_list(const struct sh_env *env, const char *dir,
                                  struct sh_swap_kept out[SH_SWAP_KEPT], size_t *n);
/* Removes one. keep_records: the records (and with them the audit chain) and the keys stay.
 * SH_E_NOTFOUND; SH_E_INVAL: not a name. */
SH_MUST_CHECK sh_err sh_swap_remove(const struct sh_env *env, const char *dir, struct sh_str name,
                                    bool keep_records);

#endif /* SH_SWAP_H */
