/* prepare.h - a backup becomes DIR/restored of a running node, looked at whole, ready to be put in
 * the place of the node's data (swap.h).
 *
 * Threads: prepare and discard block long and belong on one thread; a progress is read and
 * cancelled from any. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_PREPARE_H
#define SH_PREPARE_H

#include <sh/backup.h>
#include <sh/swap.h>

struct sh_prepare_options {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const char *folder;       /* of backups */
    const char *id;           /* which */
    const char *dir;          /* the node's data folder */
    const char *master;       /* of the node: sh_master_open; NULL: a file */
    struct sh_str passphrase; /* of backups with keys; may be empty */
    bool separated; /* the node's administrators are separated: a backup of before is refused */
    const char *by;
    const char *why;
    uint64_t rate;
    unsigned reserve;                    /* percent of the disk of dir that stay free */
    struct sh_backup_progress *progress; /* may be NULL */
};

/* What lies in DIR/restored; also kept there (origin.json), and so with the data from then on. */
struct sh_prepared {
    char id[SH_BACKUP_ID];
    int64_t backup_us;   /* when the backup began */
    int64_t prepared_us; /* when this was made */
    char by[SH_SWAP_WHO];
    char why[SH_SWAP_WHY];
    enum sh_restore_keys keys;
    uint64_t bytes;
    uint64_t files;
    uint64_t samples;
    uint64_t points;
    uint64_t devices;
};

/* Whatever was prepared before goes first. The audit of what is made tells it, with `by` and `why`.
 * On an error nothing is left.
 * As sh_restore_run, and SH_E_CORRUPT: it does not open whole, SH_E_FULL, SH_E_DENIED: it is of
 * before the separation; diag says more. */
SH_MUST_CHECK sh_err sh_prepare_run(const struct sh_prepare_options *o, struct sh_prepared *out,
                                    struct sh_diag *diag);
/* SH_E_NOTFOUND: nothing is prepared, or not whole. */
SH_MUST_CHECK sh_err sh_prepared_read(const struct sh_env *env, const char *dir,
                                      struct sh_prepared *out);
/* The same of data that is in use: where it came from. SH_E_NOTFOUND: it was never restored so. */
SH_MUST_CHECK sh_err sh_origin_read(const struct sh_env *env, const char *dir,
                                    struct sh_prepared *out);
/* Removes what is prepared, or a part of it. SH_OK also when there is none. */
SH_MUST_CHECK sh_err sh_prepared_remove(const struct sh_env *env, const char *dir);

#endif /* SH_PREPARE_H */
