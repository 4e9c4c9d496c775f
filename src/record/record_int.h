/* record_int.h - shared by the front of the store. See record.c for the invariants.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_INT_H
#define SH_RECORD_INT_H

#include <sh/record_ops.h>
#include <sh/schema.h>

enum {
    RECORD_MAX_WATCHERS = 64,
    RECORD_MAX_IDEM_BUSY = 1024,
    RECORD_MAX_TYPES_CACHED = 4096,
    RECORD_GROUP_OPS = 20000, /* a group takes no further transaction beyond so many changes */
    RECORD_TRIM_EVERY = 256   /* group commits */
};

/* A type ready for use; counted references, under the store's lock. */
struct record_type {
    unsigned refs;
    struct sh_schema *schema; /* NULL: any object */
    struct sh_data_class data_class;
};

struct record_watcher {
    sh_record_notify *fn;
    void *ctx;
};

struct sh_record {
    const struct sh_env *env;
    struct sh_record_config cfg; /* with defaults; its paths are our copies */
    struct sh_str path;
    struct sh_str blob_dir;
    const struct sh_record_ops *ops;
    void *store;

    struct sh_mutex lock; /* guards everything down to the next lock */
    struct sh_cond work;  /* the writer waits here */
    struct sh_cond feed;  /* sh_record_changes_wait waits here */
    struct sh_record_tx *head;
    struct sh_record_tx *tail;
    bool stop;
    uint64_t change_last;
    uint64_t types_version;
    struct sh_map types; /* "tenant/name" -> struct record_type */
    struct sh_map idem;  /* requests with keys that are being worked on */
    struct sh_record_stats stats;
    uint64_t temp_serial;

    struct sh_mutex watch_lock; /* held while watchers are called */
    struct record_watcher watchers[RECORD_MAX_WATCHERS];
    size_t nwatchers;

    struct sh_mutex blob_lock; /* adding and removing blob files */
    unsigned blob_holds;       /* under blob_lock: nothing is removed while there is one */
    sh_record_idle *idle_fn;   /* set before others come; NULL: nobody counts */
    void *idle_ctx;

    struct sh_thread writer;
};

struct sh_record_tx {
    struct sh_record *r;
    struct sh_arena *ar;
    struct sh_str author;
    struct sh_record_op *ops;
    size_t n;
    size_t cap;
    size_t doc_bytes;
    bool types; /* changes types: alone in its group */
    bool spent; /* was committed or tried */
    struct sh_diag diag;
    /* with the writer, then with the waiter */
    struct sh_record_tx *next;
    struct sh_cond cond;
    bool finished;
    sh_err err;
    size_t failed;
    sh_record_done *done;
    void *ctx;
};

/* record.c: names are [A-Za-z_][A-Za-z0-9_.-]*; ids UTF-8 without control characters. */
bool record_name_ok(struct sh_str s, size_t max);
bool record_id_ok(struct sh_str s, size_t max);
bool record_internal(struct sh_str type);
/* Appends to the writer's queue. SH_E_LIMIT, SH_E_CLOSED. */
sh_err record_enqueue(struct sh_record *r, struct sh_record_tx *tx);

/* writer.c: body of the writer thread. */
void record_writer(void *ctx);

/* tx.c: a change that users cannot make; the caller fills in all but what tx copies. */
sh_err record_tx_raw(struct sh_record_tx *tx, const struct sh_record_op *op);
/* Normal form and text of a document; checks depth and that it is an object. *json: new ref. */
sh_err record_doc(struct sh_record *r, struct sh_str doc, json_t **json, struct sh_diag *diag);

/* types.c */
/* Checks a document of a user type against its schema; *version is what it was checked with. */
sh_err record_type_check(struct sh_record *r, uint32_t tenant, struct sh_str type,
                         const json_t *doc, uint64_t *version, struct sh_diag *diag);
/* After a commit that changed types. */
void record_types_changed(struct sh_record *r);
void record_types_fini(struct sh_record *r);

/* blob.c: makes the folder, forgets unfinished files, counts the bytes. */
sh_err record_blobs_open(struct sh_record *r, struct sh_diag *diag);

#endif /* SH_RECORD_INT_H */
