/* record.h - the record store: business records, their types, revisions, links, queries, full text,
 * the change feed and files (blobs).
 *
 * A record is one JSON object of a type, named by (tenant, type, id), with a revision that counts
 * up from 1. Types are defined by a JSON Schema; a kind whose name starts with '_' is internal: the
 * module that owns it checks its documents itself, and it is not offered to users.
 *
 * Threads: every function may be called from any thread unless it says otherwise. Writes go through
 * one writer thread that commits many waiting transactions with one fsync; what a call says is
 * done is on disk, and every later read sees it. Functions marked "blocks" wait for the disk: call
 * them from workers, never from an event loop.
 * Memory: what reads return lives in the arena that was passed in (SH_E_LIMIT when it is full).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_H
#define SH_RECORD_H

#include <sh/base.h>
#include <sh/dataclass.h>

struct sh_record;    /* the store */
struct sh_record_tx; /* changes that happen all or not at all */
struct sh_record_ops;

enum {
    SH_RECORD_MAX_ID = 256,        /* bytes of an id; UTF-8 without control characters */
    SH_RECORD_MAX_INDEX = 8,       /* indexed fields of a type */
    SH_RECORD_MAX_TYPE = 64,       /* [A-Za-z_][A-Za-z0-9_.-]* */
    SH_RECORD_MAX_RELATION = 64,   /* as a type's name */
    SH_RECORD_MAX_AUTHOR = 256,    /* bytes */
    SH_RECORD_MAX_TX_OPS = 100000, /* changes in one transaction */
    SH_RECORD_ID_CHARS = 26,       /* made by sh_record_id_new */
    SH_RECORD_HASH_CHARS = 64      /* SHA-256 in lower-case hex */
};

/* Tenant 0 is the platform: types defined there hold in every tenant that has none of that name. */
#define SH_RECORD_PLATFORM 0u
/* For scans and the change feed: every tenant. */
#define SH_RECORD_ALL_TENANTS UINT32_MAX
/* Expected revision: do not care. 0 = the record must not exist yet. */
#define SH_RECORD_ANY UINT64_MAX

/* Zero members mean the default in brackets. */
struct sh_record_config {
    const char *path;         /* the database file, "DIR/songhua.db"; its folder must exist */
    const char *blob_dir;     /* "DIR/blobs"; made when missing; NULL = no blobs */
    uint32_t readers;         /* pooled read connections [4] */
    uint32_t max_queue;       /* transactions that may wait for the writer [4096] */
    uint32_t max_group;       /* transactions in one group commit [512] */
    uint32_t max_doc_bytes;   /* one document [1 MiB] */
    uint32_t max_tx_bytes;    /* documents of one transaction [64 MiB] */
    uint32_t max_depth;       /* nesting of a document [32] */
    uint32_t max_page;        /* rows of one page [1000] */
    uint32_t max_types;       /* types of one tenant [1000] */
    uint64_t max_blob_bytes;  /* one blob [1 GiB] */
    uint64_t max_blobs_bytes; /* all blobs together [64 GiB] */
    uint32_t keep_revisions;  /* old revisions kept of one record [0 = all] */
    uint64_t keep_changes;    /* entries of the change feed [1,000,000] */
    int64_t idempotency_us;   /* how long an answer is remembered [a day] */
    uint32_t idem_per_owner;  /* idempotency keys remembered of one owner [10,000] */
    uint32_t idem_all;        /* of all [100,000] */
    uint32_t cache_kib;       /* SQLite page cache of the writer [8192]; readers take a quarter */
    bool skip_check;          /* do not check the file's integrity at open */
};

/* Opens or creates the store, checks its integrity, starts the writer thread. A damaged file is set
 * aside as PATH.damaged-<time>, what can still be read is copied into a new one, and the log says
 * so. ops: the implementation; NULL = SQLite. Blocks.
 * SH_E_IO, SH_E_FULL, SH_E_NOMEM, SH_E_UNSUPPORTED (made by a later version); diag says more. */
SH_MUST_CHECK sh_err sh_record_open(const struct sh_env *env, const struct sh_record_ops *ops,
                                    const struct sh_record_config *cfg, struct sh_record **out,
                                    struct sh_diag *diag);
/* Commits what waits, joins the writer, closes. No other call may be running or come later. NULL is
 * accepted. Blocks. */
void sh_record_close(struct sh_record *r);

/* New id: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so ids of one node
 * sort by time. Not NUL-terminated. */
SH_MUST_CHECK sh_err sh_record_id_new(const struct sh_env *env, char out[SH_RECORD_ID_CHARS]);

/* ------------------------------------------------------------------ reading */

struct sh_record_row {
    uint32_t tenant;
    bool deleted; /* revisions only: this revision removed the record (doc is empty) */
    struct sh_str type;
    struct sh_str id;
    struct sh_str doc;    /* JSON object, compact, members in the order they were given */
    struct sh_str author; /* who wrote this revision */
    uint64_t rev;
    int64_t created_us; /* first revision */
    int64_t updated_us; /* this revision */
};

/* SH_E_NOTFOUND. Blocks (a short read). */
SH_MUST_CHECK sh_err sh_record_get(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                   struct sh_str id, struct sh_arena *ar,
                                   struct sh_record_row *out);

/* One page of records of a type.
 * filter (empty = all): comparisons joined by and, or, not and parentheses:
 *     status = "open" and (price > 3.5 or tags contains "hot") and supplier.code prefix "SH-"
 *     grade in ["A","B"] and not closed exists and $updated >= "2026-01-02T00:00:00Z"
 *   Operators: = != < <= > >= in prefix contains exists. Literals are JSON. A comparison is typed:
 * a number matches only numbers, text only text (by bytes), true/false only booleans, null the JSON
 *   null and a missing member; another type is no match, also for != (use not a = b for that).
 *   Paths are member names (letters of any script, digits, _ and -) joined by dots, with [n] for
 *   array elements; "..." quotes a name. $id $rev $created $updated $author are the record's own.
 * sort: up to 4 paths by comma, '-' in front = descending; then always by id. Missing values
 *   sort last ascending, first descending; numbers before text.
 * search: full text: all words must occur; word* = prefix; a run of Han characters is found as
 *   it stands, from one character on.
 * Paging is by key: under concurrent writes a record that is not changed is never seen twice nor
 * left out.
 * SH_E_INVAL with diag (line = 1-based column) for a bad filter, sort or cursor. Blocks. */
struct sh_record_query {
    uint32_t tenant;
    struct sh_str type;
    struct sh_str filter;
    struct sh_str sort;
    struct sh_str search;
    struct sh_str cursor; /* `next` of the page before; empty = first page */
    uint32_t limit;       /* 0 = 50; cut to max_page */
    bool want_total;      /* count all matches (reads them all) */
};
struct sh_record_page {
    struct sh_record_row *rows;
    size_t n;
    struct sh_str next; /* empty = no more */
    int64_t total;      /* -1 = not counted */
};
SH_MUST_CHECK sh_err sh_record_list(struct sh_record *r, const struct sh_record_query *q,
                                    struct sh_arena *ar, struct sh_record_page *out,
                                    struct sh_diag *diag);

/* Calls fn for every record of a type in the order of (tenant, id), in one snapshot; row is
 * valid during the call only. A non-OK answer of fn ends the scan and is returned. fn must not
 * call the store. tenant may be SH_RECORD_ALL_TENANTS. For loading at the start. Blocks. */
typedef sh_err sh_record_visit(void *ctx, const struct sh_record_row *row);
SH_MUST_CHECK sh_err sh_record_scan(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                    sh_record_visit *fn, void *ctx);

/* Revisions of a record, newest first, below `before` (0 = from the newest). Also of a deleted
 * record. Internal kinds have them only when written with SH_RECORD_F_HISTORY. Blocks. */
SH_MUST_CHECK sh_err sh_record_revisions(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                         struct sh_str id, uint64_t before, uint32_t limit,
                                         struct sh_arena *ar, struct sh_record_page *out);

struct sh_record_link {
    struct sh_str from_type, from_id, relation, to_type, to_id;
};
/* Which links: outgoing, or incoming with `in`. relation empty = all. after: the number of links to
 * pass over. At most limit (0 or too many: max_page). */
struct sh_record_links_query {
    uint32_t tenant;
    struct sh_str type;
    struct sh_str id;
    bool in;
    struct sh_str relation;
    uint32_t after;
    uint32_t limit;
};
/* Links of a record. Blocks. */
SH_MUST_CHECK sh_err sh_record_links(struct sh_record *r, const struct sh_record_links_query *q,
                                     struct sh_arena *ar, struct sh_record_link **out, size_t *n);

/* ------------------------------------------------------------------ writing */

/* For internal kinds (names with '_'); user types have all of these always. */
enum {
    SH_RECORD_F_HISTORY = 1, /* keep revisions */
    SH_RECORD_F_TEXT = 2,    /* in the full text */
    SH_RECORD_F_FEED = 4     /* in the change feed */
};

struct sh_record_put {
    uint32_t tenant;
    struct sh_str type;
    struct sh_str id;
    struct sh_str doc; /* JSON object */
    uint64_t expect;   /* SH_RECORD_ANY, 0 = must be new, else the revision it must have */
    unsigned flags;    /* SH_RECORD_F_..., internal kinds only */
    uint32_t keep;     /* old revisions kept of this record, internal kinds only; 0 = keep_revisions
                          of the store. Beyond it the oldest are forgotten with this change. */
};

/* One change each; blocks until it is on disk. *rev (may be NULL) gets the new revision.
 * SH_E_INVAL    name, id or document not valid; diag path is the JSON pointer of the first fault
 * SH_E_NOTFOUND the type is not defined, or nothing to delete
 * SH_E_CONFLICT the expected revision is not the present one
 * SH_E_LIMIT    document, depth, queue; SH_E_FULL, SH_E_IO: nothing was changed */
SH_MUST_CHECK sh_err sh_record_put(struct sh_record *r, const struct sh_record_put *p,
                                   struct sh_str author, uint64_t *rev, struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_record_delete(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                      struct sh_str id, uint64_t expect, struct sh_str author);

/* Transaction: collects changes in memory (one thread at a time), then commits all or nothing.
 * The adding functions copy what they are given and check what can be checked without the database
 * (names, JSON, depth, schema); when they refuse (SH_E_INVAL, SH_E_NOTFOUND = no such type,
 * SH_E_LIMIT, SH_E_NOMEM) the transaction is as before and sh_record_tx_diag says why. Later
 * changes see earlier ones of the same transaction. */
SH_MUST_CHECK sh_err sh_record_tx_new(struct sh_record *r, struct sh_str author,
                                      struct sh_record_tx **out);
void sh_record_tx_free(struct sh_record_tx *tx); /* NULL is accepted; not after _async took it */
SH_MUST_CHECK sh_err sh_record_tx_put(struct sh_record_tx *tx, const struct sh_record_put *p);
SH_MUST_CHECK sh_err sh_record_tx_delete(struct sh_record_tx *tx, uint32_t tenant,
                                         struct sh_str type, struct sh_str id, uint64_t expect);
/* Only checks that the record has this revision (0 = does not exist, ANY = exists). */
SH_MUST_CHECK sh_err sh_record_tx_expect(struct sh_record_tx *tx, uint32_t tenant,
                                         struct sh_str type, struct sh_str id, uint64_t expect);
/* Links two records (both must exist: SH_E_NOTFOUND); the same link again changes nothing.
 * Deleting a record removes its links. */
SH_MUST_CHECK sh_err sh_record_tx_link(struct sh_record_tx *tx, uint32_t tenant,
                                       const struct sh_record_link *l);
SH_MUST_CHECK sh_err sh_record_tx_unlink(struct sh_record_tx *tx, uint32_t tenant,
                                         const struct sh_record_link *l); /* SH_E_NOTFOUND */
/* All links of the record `from`, as source and as target, become those of `to`, which must exist
 * (SH_E_NOTFOUND); a link that `to` has already stays one. For records that get another id: put the
 * new one, relink, delete the old one. The change feed gets a LINKED for each. */
SH_MUST_CHECK sh_err sh_record_tx_relink(struct sh_record_tx *tx, uint32_t tenant,
                                         struct sh_str type, struct sh_str from, struct sh_str to);
/* Adds `by` (1 or -1) to a blob's reference count. SH_E_NOTFOUND when the tenant has no such blob.
 */
SH_MUST_CHECK sh_err sh_record_tx_blob_ref(struct sh_record_tx *tx, uint32_t tenant,
                                           struct sh_str hash, int by);
/* The same with 1, for who stored the content a moment ago, fresh, and counts it himself: its
 * coming into use is not told to sh_record_blob_count. */
SH_MUST_CHECK sh_err sh_record_tx_blob_take(struct sh_record_tx *tx, uint32_t tenant,
                                            struct sh_str hash);
/* Blocks. On failure nothing of it was done, *failed_op (may be NULL) is the index of the change
 * that was refused (SIZE_MAX: none in particular). The errors of sh_record_put. The transaction
 * may be read afterwards (sh_record_tx_rev) but not committed again. */
SH_MUST_CHECK sh_err sh_record_tx_commit(struct sh_record_tx *tx, size_t *failed_op,
                                         struct sh_diag *diag);
/* Takes tx (freed after `done`), does not block: SH_E_LIMIT when the queue is full (tx stays the
 * caller's). done runs on the writer thread after the commit: it must be short and must not call
 * the store; usually it posts to a loop. */
typedef void sh_record_done(void *ctx, sh_err err, struct sh_record_tx *tx);
SH_MUST_CHECK sh_err sh_record_tx_commit_async(struct sh_record_tx *tx, sh_record_done *done,
                                               void *ctx);
/* The explanation of the last refusal of an adding function or of the commit. */
void sh_record_tx_diag(const struct sh_record_tx *tx, struct sh_diag *out);
size_t sh_record_tx_ops(const struct sh_record_tx *tx);
/* New revision that change `op` (counted from 0 in the order of adding) made; after the commit. */
uint64_t sh_record_tx_rev(const struct sh_record_tx *tx, size_t op);

/* ------------------------------------------------------------------ types */

/* A type's definition, stored as a record of the kind "_type" with the type's name as id:
 * {"name":"supplier","title":{"zh","en"},"description":..., "schema":{JSON Schema 2020-12},
 *  "index":["status","site.line"],"data_class":"important","data_level":2}: up to
 * SH_RECORD_MAX_INDEX fields by which filters and sorting find records without reading all of them.
 * They are built in the background; until then all are read. A schema that refuses records that
 * exist already is accepted; they are checked when next written.
 */
SH_MUST_CHECK sh_err sh_record_type_put(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                        struct sh_str definition, uint64_t expect,
                                        struct sh_str author, uint64_t *rev, struct sh_diag *diag);
/* SH_E_STATE while records of it exist. */
SH_MUST_CHECK sh_err sh_record_type_delete(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                           uint64_t expect, struct sh_str author);
/* The definition that holds in the tenant (its own, else the platform's). SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_record_type_get(struct sh_record *r, uint32_t tenant, struct sh_str type,
                                        struct sh_arena *ar, struct sh_record_row *out);
/* Members data_class and data_level of it; what it does not say is 0. Of a kind without one: not
 * said. Blocks, mostly not. */
struct sh_data_class sh_record_type_class(struct sh_record *r, uint32_t tenant, struct sh_str type);
/* All definitions that hold in the tenant, by name. */
SH_MUST_CHECK sh_err sh_record_type_list(struct sh_record *r, uint32_t tenant, struct sh_arena *ar,
                                         struct sh_record_row **out, size_t *n);

/* Indexed fields of an internal kind, of all tenants: a JSON array as in a type's definition. Found
 * again with each start; records from before are added in the background. Blocks. */
SH_MUST_CHECK sh_err sh_record_kind_index(struct sh_record *r, struct sh_str kind,
                                          const char *fields);

/* ------------------------------------------------------------------ change feed */

enum sh_record_act {
    SH_RECORD_CREATED = 1,
    SH_RECORD_UPDATED = 2,
    SH_RECORD_DELETED = 3,
    SH_RECORD_LINKED = 4,
    SH_RECORD_UNLINKED = 5
};
struct sh_record_change {
    uint64_t seq; /* counts up in commit order; no number is given twice; there may be gaps */
    uint32_t tenant;
    enum sh_record_act act;
    struct sh_str type, id;
    struct sh_str relation, to_type, to_id; /* LINKED, UNLINKED */
    uint64_t rev;                           /* 0 for links */
    int64_t time_us;
    struct sh_str author;
};
/* Changes behind position `after`, oldest first, at most limit (cut to max_page). tenant may be
 * SH_RECORD_ALL_TENANTS; type empty = all. *next (position to go on from) moves also over changes
 * that were filtered away. SH_E_LIMIT: `after` is older than what is kept, read the records anew
 * and go on from sh_record_change_last. Blocks (a read). */
SH_MUST_CHECK sh_err sh_record_changes(struct sh_record *r, uint64_t after, uint32_t tenant,
                                       struct sh_str type, uint32_t limit, struct sh_arena *ar,
                                       struct sh_record_change **out, size_t *n, uint64_t *next);
/* Position of the last committed change; does not block. */
uint64_t sh_record_change_last(struct sh_record *r);
/* Waits until there is a change behind `after`: SH_E_TIMEOUT else. Blocks. */
SH_MUST_CHECK sh_err sh_record_changes_wait(struct sh_record *r, uint64_t after,
                                            int64_t timeout_us);
/* Calls fn(ctx, last) on the writer thread after each group commit that changed the feed. fn must
 * be short and must not call the store. At most 64 watchers (SH_E_LIMIT). */
typedef void sh_record_notify(void *ctx, uint64_t last);
SH_MUST_CHECK sh_err sh_record_watch(struct sh_record *r, sh_record_notify *fn, void *ctx);
/* After it returns fn is not running and will not run. Not from within fn. */
void sh_record_unwatch(struct sh_record *r, sh_record_notify *fn, void *ctx);

/* ------------------------------------------------------------------ blobs */

/* Files by their SHA-256, kept once however often they are stored, visible per tenant. A blob
 * without references is removed by sh_record_blob_gc once it is old enough. */
struct sh_record_blob_writer;
SH_MUST_CHECK sh_err sh_record_blob_begin(struct sh_record *r, uint32_t tenant,
                                          struct sh_record_blob_writer **out);
/* SH_E_LIMIT beyond max_blob_bytes. Blocks. One thread at a time. */
SH_MUST_CHECK sh_err sh_record_blob_write(struct sh_record_blob_writer *w, struct sh_bytes data);
/* Makes it durable. Frees w in every case. hash is not NUL-terminated. *fresh (may be NULL): the
 * tenant had no such content until now; it is idle until something refers to it. Blocks. */
SH_MUST_CHECK sh_err sh_record_blob_end(struct sh_record_blob_writer *w,
                                        char hash[SH_RECORD_HASH_CHARS], uint64_t *size,
                                        bool *fresh);
void sh_record_blob_abort(struct sh_record_blob_writer *w); /* NULL is accepted */
/* Opens for reading and tells the size. SH_E_NOTFOUND. Blocks. */
struct sh_record_blob;
SH_MUST_CHECK sh_err sh_record_blob_open(struct sh_record *r, uint32_t tenant, struct sh_str hash,
                                         struct sh_record_blob **out, uint64_t *size);
SH_MUST_CHECK sh_err sh_record_blob_read(struct sh_record_blob *b, uint64_t off, void *p, size_t n,
                                         size_t *got);
void sh_record_blob_close(struct sh_record_blob *b); /* NULL is accepted */
/* Reads the whole file and compares its hash: SH_E_CORRUPT when it differs. Blocks. */
SH_MUST_CHECK sh_err sh_record_blob_verify(struct sh_record *r, uint32_t tenant,
                                           struct sh_str hash);
/* For who counts what tenants store: idle is the content of a tenant that nothing refers to. Calls
 * fn for each tenant that has some, and from then on with each change: taken into use (negative),
 * its last reference gone, removed - but not for what sh_record_blob_end stores, whose caller is
 * told. fn runs on the writer thread before the change's caller goes on; it must be short and must
 * not call the store. Once, before others use the store. Blocks. */
typedef void sh_record_idle(void *ctx, uint32_t tenant, int64_t bytes);
SH_MUST_CHECK sh_err sh_record_blob_count(struct sh_record *r, sh_record_idle *fn, void *ctx);
/* Removes content that nothing refers to and that nobody has stored since `before_us`. SH_E_STATE
 * it is referred to or younger, SH_E_NOTFOUND, SH_E_BUSY it is held: the next sh_record_blob_gc
 * does it. Blocks. */
SH_MUST_CHECK sh_err sh_record_blob_drop(struct sh_record *r, uint32_t tenant, struct sh_str hash,
                                         int64_t before_us);
/* Removes blobs that have no reference and are older; *removed (may be NULL) counts them. */
SH_MUST_CHECK sh_err sh_record_blob_gc(struct sh_record *r, int64_t older_than_us,
                                       uint64_t *removed);
/* Removes blob files that no tenant knows of: what a crash left behind. Reads all folders. */
SH_MUST_CHECK sh_err sh_record_blob_sweep(struct sh_record *r, uint64_t *removed);

/* Of a store that nobody has open: is each blob there, and its content what was stored? Nothing is
 * changed. SH_E_NOTFOUND: there are no records at `path`. Blocks long. */
struct sh_record_blob_counts {
    uint64_t files;
    uint64_t bytes;
    uint64_t problems;
};
typedef void sh_record_blob_problem(void *ctx, const char *file, const char *what);
SH_MUST_CHECK sh_err sh_record_blobs_check(const struct sh_env *env, const char *path,
                                           const char *blob_dir, sh_record_blob_problem *problem,
                                           void *ctx, struct sh_record_blob_counts *out);

/* ------------------------------------------------------------------ idempotency keys */

/* A request that must not be done twice. It is reserved on disk before it is done; its answer is
 * remembered for a day (config). What was reserved and never ended - the process died in between -
 * stays unknown: it is never done again under this key. */
struct sh_record_idem {
    uint32_t tenant;
    struct sh_str owner;  /* whose keys are counted together; 1..64 bytes without '/' */
    struct sh_str key;    /* 1..128 bytes */
    uint64_t fingerprint; /* a hash of the request: the key is refused for another one */
    bool in_memory; /* the reservation only (doing it twice does no harm); the answer is kept */
};
/* SH_OK         answered before: *answer is what was stored
 * SH_E_NOTFOUND new and reserved: the caller must call sh_record_idem_end
 * SH_E_BUSY     the same request is being worked on right now
 * SH_E_CONFLICT the key was used for another request
 * SH_E_STATE    it was begun and it is not known whether it was done
 * SH_E_LIMIT    the owner has as many keys as it may have (none is forgotten before its day is
 * over) SH_E_AGAIN    all owners together have, or 1024 requests with keys are being worked on.
 * Blocks. */
SH_MUST_CHECK sh_err sh_record_idem_begin(struct sh_record *r, const struct sh_record_idem *k,
                                          struct sh_arena *ar, struct sh_str *answer);
enum sh_record_idem_end {
    SH_RECORD_IDEM_DONE,    /* stores the answer (not empty), durable when it returns */
    SH_RECORD_IDEM_NOTHING, /* nothing was done: the key is free again */
    SH_RECORD_IDEM_UNKNOWN  /* it may have been done in part: stays as after a crash */
};
/* Ends the reservation, also when it returns an error: then the key stays unknown. Blocks. */
SH_MUST_CHECK sh_err sh_record_idem_end(struct sh_record *r, const struct sh_record_idem *k,
                                        enum sh_record_idem_end how, struct sh_str answer);

/* ------------------------------------------------------------------ care */

/* Copies the database, consistent as of one moment, to a new file while writes go on. keep_going
 * (may be NULL) is asked between steps; false ends it with SH_E_CANCELED. SH_E_EXISTS: there is a
 * file of that name. Blobs are plain files: copy them after this. Blocks long. */
SH_MUST_CHECK sh_err sh_record_backup(struct sh_record *r, const char *to_path,
                                      bool (*keep_going)(void *ctx, uint32_t left, uint32_t total),
                                      void *ctx, struct sh_diag *diag);

/* From hold to release no blob file is removed (sh_record_blob_gc removes nothing and answers
 * SH_OK): hold, sh_record_backup, copy the files, release. Any number of holders. */
void sh_record_blob_hold(struct sh_record *r);
void sh_record_blob_release(struct sh_record *r);

struct sh_record_stats {
    uint64_t commits; /* group commits */
    uint64_t txs;     /* transactions in them */
    uint64_t refused; /* transactions that were refused or failed */
    uint64_t queue_full;
    uint64_t commit_us; /* sum of the time of all group commits */
    uint32_t queued;    /* waiting now */
    uint64_t change_last;
    uint64_t blob_bytes;
    bool indexing; /* an index of a field is being built or removed */
    bool salvaged; /* at open the file was damaged; see the log */
};
void sh_record_stats(struct sh_record *r, struct sh_record_stats *out);

#endif /* SH_RECORD_H */
