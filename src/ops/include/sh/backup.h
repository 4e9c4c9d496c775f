/* backup.h - whole backups of a data folder, of a running or a stopped node, and restoring them.
 *
 * A backup is a folder FOLDER/songhua-<UTC time>/ with data/ (laid out as a data folder) and
 * manifest.json, which names every file with size and SHA-256 and is written last: a folder without
 * it is not a backup. Files that an earlier backup in FOLDER holds already become hard links where
 * the file system has them.
 *
 * Threads: calls block long and belong on a thread of their own; one backup, removal or sweep per
 * FOLDER at a time is the caller's care. A progress is read and cancelled from any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BACKUP_H
#define SH_BACKUP_H

#include <stdatomic.h>

#include <sh/crypto.h>
#include <sh/history.h>
#include <sh/journal.h>
#include <sh/point.h>
#include <sh/record.h>

struct sh_guard;

enum { SH_BACKUP_FORMAT = 1, SH_BACKUP_ID = 64 };

struct sh_backup_progress {
    atomic_ullong done_bytes;
    atomic_ullong total_bytes;
    atomic_uint files;
    atomic_bool cancel; /* set it: SH_E_CANCELED within a second */
};

struct sh_backup_options {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const char *dir;     /* the data folder */
    const char *to;      /* folder of backups, made when missing; not inside dir */
    const char *version; /* of the program */
    /* NULL only when the folder has no songhua.db. */
    struct sh_record *record;
    /* A running node: all three. A stopped one, whose folder the caller holds: none. */
    struct sh_history *history;
    struct sh_points *points;
    struct sh_journal *journal;
    /* A running node: makes durable what other parts still hold in memory (MQTT's checkpoint in
     * DIR/mqtt, new devices as records). May be NULL. */
    sh_err (*save)(void *ctx);
    void *ctx;
    struct sh_str passphrase;            /* empty: without keys/ */
    struct sh_argon2 argon2;             /* time 0: the default */
    uint64_t rate;                       /* bytes a second; 0 = as fast as it goes */
    unsigned reserve;                    /* percent of the file system of `to` that stay free */
    struct sh_backup_progress *progress; /* may be NULL */
};

struct sh_backup_info {
    char id[SH_BACKUP_ID];
    char version[32];
    uint32_t format;
    bool online;
    bool keys;
    int64_t started_us;
    int64_t finished_us;
    uint64_t seq_begin;   /* every journal record up to it is in; 0 = not known (a stopped node) */
    uint64_t seq_samples; /* samples and corrections: every one up to it, none above is promised */
    uint64_t seq_catalogue;
    uint64_t seq_mqtt;
    uint64_t samples; /* in the segments; 0 = not counted */
    uint64_t points;  /* largest id when the backup began */
    uint64_t changes; /* records: newest change when it began */
    uint64_t bytes;   /* of all files */
    uint64_t copied;  /* bytes that no earlier backup held */
    uint64_t files;
};

/* Makes a backup. On an error nothing of it is left (after a power cut: until the next sweep).
 * SH_E_FULL: it would not fit beside `reserve`; SH_E_INVAL, SH_E_CANCELED, SH_E_IO ...; diag says
 * more. */
SH_MUST_CHECK sh_err sh_backup_run(const struct sh_backup_options *o, struct sh_backup_info *out,
                                   struct sh_diag *diag);

/* Whole backups in the folder (what is damaged or unfinished is left out), oldest first. A folder
 * that is missing holds none. fn may not change the folder. */
SH_MUST_CHECK sh_err sh_backup_list(const struct sh_env *env, const struct sh_crypto *crypto,
                                    const char *folder,
                                    sh_err (*fn)(void *ctx, const struct sh_backup_info *i),
                                    void *ctx);
/* Reads the manifest's head. SH_E_NOTFOUND, SH_E_CORRUPT, SH_E_UNSUPPORTED a newer format. */
SH_MUST_CHECK sh_err sh_backup_info(const struct sh_env *env, const struct sh_crypto *crypto,
                                    const char *backup, struct sh_backup_info *out,
                                    struct sh_diag *diag);
/* Removes a backup: its manifest first. SH_E_INVAL: not an id; SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_backup_remove(const struct sh_env *env, const char *folder,
                                      struct sh_str id);
/* Removes what unfinished backups and rehearsals left. *removed may be NULL. */
SH_MUST_CHECK sh_err sh_backup_sweep(const struct sh_env *env, const char *folder,
                                     uint64_t *removed);
/* Is this the form of a backup's name? */
bool sh_backup_id_ok(struct sh_str id);

/* Whose keys a restored folder has. */
enum sh_restore_keys {
    SH_RESTORE_KEYS_NEW,    /* tokens, sessions and device secrets are void */
    SH_RESTORE_KEYS_BACKUP, /* those in the backup */
    SH_RESTORE_KEYS_OWN     /* those of the node that restores it */
};

struct sh_restore_options {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    const char *from; /* one backup's folder */
    const char *dir;  /* missing or empty */
    struct sh_str passphrase;
    bool without_keys; /* leave keys that are in the backup out */
    bool plain;        /* only the files: nothing is opened, no key is made (a rehearsal) */
    /* keys/ of the node that restores; NULL: none. They are taken when they belong to the data
     * (they hold also the keys of before), else those of the backup when the passphrase opens them,
     * else new ones are made. */
    const char *own_keys;
    const char *master;         /* of the node that restores: sh_master_open; NULL: a file */
    enum sh_restore_keys *keys; /* says which it were; may be NULL */
    /* May be NULL: called with the guard of the restored data while it is open for a moment; not
     * called with `plain`, nor where the backup has no records. */
    sh_err (*opened)(void *ctx, struct sh_guard *g, struct sh_diag *diag);
    /* May be NULL: told each file that is missing or damaged. */
    void (*bad_file)(void *ctx, const char *path, const char *what);
    void *ctx;
    uint64_t rate;
    unsigned reserve;                    /* percent of the file system of `dir` that stay free */
    struct sh_backup_progress *progress; /* may be NULL */
};
/* Reads every file against its hash first, then writes `dir`. While it is not whole, the file
 * DIR/restoring is there, and a server does not start. Without keys a new node key is made: people
 * and certificates stay good, tokens, sessions and device secrets are void.
 * SH_E_EXISTS: dir is not empty; SH_E_UNSUPPORTED: a newer format; SH_E_CORRUPT: files are damaged
 * or missing, nothing was written; SH_E_DENIED: another passphrase; SH_E_STATE: the backup has keys
 * and neither a passphrase nor without_keys was given, or the other way round. */
SH_MUST_CHECK sh_err sh_restore_run(const struct sh_restore_options *o, struct sh_backup_info *out,
                                    struct sh_diag *diag);
/* Is DIR half restored? Then it must not be used. */
bool sh_restore_unfinished(const struct sh_env *env, const char *dir);

#endif /* SH_BACKUP_H */
