/* sqlite_int.h - shared by the files of the SQLite implementation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_SQLITE_INT_H
#define SH_RECORD_SQLITE_INT_H

#include <sqlite3.h>

#include <sh/record_ops.h>

enum { RECORD_SQL_SCAN_KIB = 65536 };
enum { RECORD_SQL_VERSION = 2, RECORD_SQL_MAX_READERS = 64, RECORD_SQL_BUSY_MS = 10000 };

/* Fixed statements, prepared on first use, per connection. */
enum record_stmt {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_MARK,
    ST_KEEP,
    ST_UNDO,
    ST_GET,
    ST_HEAD, /* kid, rev, created, flags */
    ST_INSERT,
    ST_UPDATE,
    ST_DELETE,
    ST_OLD_KEEP,
    ST_OLD_TOMB,
    ST_OLD_MAX,
    ST_OLD_TRIM,
    ST_TEXT_PUT,
    ST_TEXT_DELETE,
    ST_CHANGE,
    ST_CHANGE_TRIM,
    ST_LINK,
    ST_UNLINK,
    ST_UNLINK_ALL,
    ST_RELINK,
    ST_BLOB_ADD,
    ST_BLOB_REF,
    ST_BLOB_DROP,
    ST_BLOB_HEAD,
    ST_IDEM_PUT,
    ST_IDEM_TRIM,
    ST_IDEM_FREE,
    ST_IDEM_COUNT,
    ST_IDEM_COUNT_OF,
    ST_ANY_OF,
    ST_ANY_OF_ALL,
    ST_COUNT_OF,
    ST_CHANGE_LAST,
    ST_REVISIONS,
    ST_LINKS_OUT,
    ST_LINKS_IN,
    ST_CHANGES,
    ST_CHANGE_FIRST,
    ST_IDEM_GET,
    ST_BLOB_GET,
    ST_BLOB_ANY,
    ST_BLOB_TOTAL,
    ST_BLOB_IDLE,
    ST_BLOB_ORPHANS,
    ST_SCAN,
    ST_SCAN_ALL,
    ST_IX_LIST,
    ST_IX_PUT,
    ST_IX_DELETE,
    ST_IX_DEFINE,
    ST_IX_BUILT,
    ST_IX_BUILD,
    ST_IX_DROP_ROWS,
    ST_IX_FORGET,
    ST_IX_FIND,
    ST_KID_LAST,
    ST_N
};

struct record_conn {
    sqlite3 *db;
    sqlite3_stmt *st[ST_N];
    bool used;
};

/* The instance. The writer connection belongs to the writer thread; readers are lent out under the
 * lock, one thread each. */
struct record_sql {
    const struct sh_env *env;
    const struct sh_record_config *cfg;
    struct record_conn writer;
    struct record_conn *readers;
    uint32_t nreaders;
    struct sh_mutex lock;
    struct sh_cond free;
    bool lock_made;
    struct record_index *indexes; /* writer's view, of this transaction; see sqlite_index.c */
    size_t nindexes;
    bool indexes_dirty;
    uint64_t seq;       /* last number given to a change, also of undone ones; writer only */
    uint64_t committed; /* last number committed; writer only */
    uint64_t trimmed;   /* changes up to here were forgotten; writer only */
};

/* sqlite.c */
sh_err record_sql_err(int rc);
/* Opens one connection with our settings and tokenizer. */
sh_err record_sql_connect(struct record_sql *s, const char *path, bool writer,
                          struct record_conn *out, struct sh_diag *diag);
void record_sql_disconnect(struct record_conn *c);
sh_err record_sql_exec(sqlite3 *db, const char *sql);
/* Makes the tables in a new file; checks the version of an old one. */
sh_err record_sql_tables(sqlite3 *db, struct sh_diag *diag);
/* A fixed statement, reset and without parameters bound. */
sh_err record_sql_stmt(struct record_conn *c, enum record_stmt which, sqlite3_stmt **out);
/* Runs a statement that returns no row. */
sh_err record_sql_run(sqlite3_stmt *st);
int record_sql_bind_str(sqlite3_stmt *st, int at, struct sh_str s);
/* Column as text in the arena; p == NULL when memory is short. */
struct sh_str record_sql_text(sqlite3_stmt *st, int col, struct sh_arena *ar);
struct record_conn *record_sql_lend(struct record_sql *s);
void record_sql_return(struct record_sql *s, struct record_conn *c);

/* sqlite_write.c */
sh_err record_sql_begin(void *self);
sh_err record_sql_mark(void *self);
sh_err record_sql_apply(void *self, struct sh_record_op *op, struct sh_str author, int64_t now_us);
sh_err record_sql_settle(void *self, bool keep);
sh_err record_sql_commit(void *self, uint64_t *change_last);
void record_sql_rollback(void *self);

/* sqlite_index.c: writer thread */
sh_err record_index_load(struct record_sql *s);
void record_index_fini(struct record_sql *s);
/* Around a change of the record `kid` of op's key: before it, and after it. */
sh_err record_index_out(struct record_sql *s, const struct sh_record_op *op, int64_t kid);
sh_err record_index_in(struct record_sql *s, const struct sh_record_op *op, int64_t kid);
sh_err record_index_set(struct record_sql *s, const struct sh_record_op *op);
sh_err record_sql_tend(void *self, bool *more);

/* sqlite_read.c */
enum { RECORD_SQL_ROW_COLS = 8 }; /* tenant,type,id,rev,created,updated,author,doc */
sh_err record_sql_row(sqlite3_stmt *st, struct sh_arena *ar, struct sh_record_row *out);
sh_err record_sql_get(void *self, const struct sh_record_key *k, struct sh_arena *ar,
                      struct sh_record_row *out);
sh_err record_sql_scan(void *self, uint32_t tenant, struct sh_str type, sh_record_visit *fn,
                       void *ctx);
sh_err record_sql_revisions(void *self, const struct sh_record_key *k, uint64_t before,
                            uint32_t limit, struct sh_arena *ar, struct sh_record_page *out);
sh_err record_sql_links(void *self, const struct sh_record_links_query *q, struct sh_arena *ar,
                        struct sh_record_link **out, size_t *n);
sh_err record_sql_changes(void *self, const struct sh_record_changes_query *q, struct sh_arena *ar,
                          struct sh_record_change **out, size_t *n, uint64_t *next);
sh_err record_sql_idem(void *self, uint32_t tenant, struct sh_str key, struct sh_arena *ar,
                       uint64_t *fingerprint, struct sh_str *answer, int64_t *time_us);
sh_err record_sql_blob(void *self, uint32_t tenant, struct sh_str hash, uint64_t *size);
sh_err record_sql_blob_total(void *self, uint64_t *bytes);
sh_err record_sql_blob_idle(void *self, sh_record_idle *fn, void *ctx);
sh_err record_sql_blob_orphans(void *self, int64_t before_us, uint32_t limit, struct sh_arena *ar,
                               struct sh_record_key **out, size_t *n);

/* sqlite_query.c */
sh_err record_sql_list(void *self, const struct sh_record_plan *p, struct sh_arena *ar,
                       struct sh_record_found *out);

/* sqlite_care.c */
sh_err record_sql_backup(void *self, const char *to_path,
                         bool (*keep_going)(void *ctx, uint32_t left, uint32_t total), void *ctx,
                         struct sh_diag *diag);
/* SH_E_CORRUPT when the file is damaged; SH_E_NOMEM, SH_E_IO when that could not be found out. */
sh_err record_sql_check(sqlite3 *db);
/* Before the file is opened: a salvage that was cut off is finished or undone. */
sh_err record_sql_salvage_finish(const struct record_sql *s);
/* Copies what can be read into a new file, sets the damaged one aside and puts the new one in its
 * place. On an error (no memory, no space) the damaged one stays where it is. */
sh_err record_sql_salvage(struct record_sql *s, struct sh_diag *diag);

/* tokens.c */
sh_err record_tokens_register(sqlite3 *db);

#endif /* SH_RECORD_SQLITE_INT_H */
