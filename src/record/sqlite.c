/* sqlite.c - the SQLite implementation of the store: connections, tables, statements.
 *
 * Invariants:
 * 1. One connection writes (the writer thread's); readers are opened read-only and lent to one
 *    thread at a time. WAL: readers see the last commit and never block the writer.
 * 2. synchronous=FULL: COMMIT returns after the log was synced.
 * 3. Values reach SQL as bound parameters only; the text of a statement is made of constants.
 * 4. `chg.seq` only grows: numbers come from a counter that is never set back, and the newest row
 *    is never trimmed.
 * 5. The current revision is in `rec`; superseded ones, and the mark of a removal, are in `old`. A
 *    record made again after a removal goes on counting.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

static const char *const statements[ST_N] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_MARK] = "SAVEPOINT tx",
    [ST_KEEP] = "RELEASE tx",
    [ST_UNDO] = "ROLLBACK TO tx",
    [ST_GET] = "SELECT tenant,type,id,rev,created,updated,author,doc FROM rec"
               " WHERE tenant=?1 AND type=?2 AND id=?3",
    [ST_HEAD] = "SELECT kid,rev,created,flags FROM rec WHERE tenant=?1 AND type=?2 AND id=?3",
    [ST_INSERT] = "INSERT INTO rec(tenant,type,id,rev,created,updated,author,flags,doc)"
                  " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [ST_UPDATE] = "UPDATE rec SET rev=?2,updated=?3,author=?4,flags=?5,doc=?6 WHERE kid=?1",
    [ST_DELETE] = "DELETE FROM rec WHERE kid=?1",
    [ST_OLD_KEEP] = "INSERT INTO old(tenant,type,id,rev,created,updated,author,deleted,doc)"
                    " SELECT tenant,type,id,rev,created,updated,author,0,doc FROM rec WHERE kid=?1",
    [ST_OLD_TOMB] = "INSERT INTO old(tenant,type,id,rev,created,updated,author,deleted,doc)"
                    " VALUES(?1,?2,?3,?4,?5,?6,?7,1,'')",
    [ST_OLD_MAX] = "SELECT max(rev) FROM old WHERE tenant=?1 AND type=?2 AND id=?3",
    [ST_OLD_TRIM] = "DELETE FROM old WHERE tenant=?1 AND type=?2 AND id=?3 AND rev<?4",
    [ST_TEXT_PUT] = "INSERT INTO fts(rowid,scope,body) VALUES(?1,?2,?3)",
    [ST_TEXT_DELETE] = "DELETE FROM fts WHERE rowid=?1",
    [ST_CHANGE] = "INSERT INTO chg(seq,tenant,act,type,id,rel,to_type,to_id,rev,time,author)"
                  " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [ST_CHANGE_TRIM] = "DELETE FROM chg WHERE seq<=?1",
    [ST_LINK] = "INSERT OR IGNORE INTO link(tenant,from_type,from_id,rel,to_type,to_id)"
                " VALUES(?1,?2,?3,?4,?5,?6)",
    [ST_UNLINK] = "DELETE FROM link WHERE tenant=?1 AND from_type=?2 AND from_id=?3 AND rel=?4"
                  " AND to_type=?5 AND to_id=?6",
    [ST_UNLINK_ALL] = "DELETE FROM link WHERE tenant=?1 AND ((from_type=?2 AND from_id=?3)"
                      " OR (to_type=?2 AND to_id=?3))",
    [ST_RELINK] = "INSERT OR IGNORE INTO link(tenant,from_type,from_id,rel,to_type,to_id)"
                  " SELECT tenant,from_type,iif(from_type=?2 AND from_id=?3,?4,from_id),rel,"
                  "to_type,iif(to_type=?2 AND to_id=?3,?4,to_id) FROM link"
                  " WHERE tenant=?1 AND ((from_type=?2 AND from_id=?3)"
                  " OR (to_type=?2 AND to_id=?3))",
    [ST_BLOB_ADD] = "INSERT INTO blob(tenant,hash,size,refs,created) VALUES(?1,?2,?3,0,?4)"
                    " ON CONFLICT DO UPDATE SET created=?4",
    [ST_BLOB_REF] = "UPDATE blob SET refs=refs+?3 WHERE tenant=?1 AND hash=?2 AND refs+?3>=0",
    [ST_BLOB_DROP] = "DELETE FROM blob WHERE tenant=?1 AND hash=?2 AND refs=0"
                     " AND created<?3",
    [ST_BLOB_HEAD] = "SELECT refs,size FROM blob WHERE tenant=?1 AND hash=?2",
    [ST_IDEM_PUT] = "INSERT OR REPLACE INTO idem(tenant,key,time,print,answer)"
                    " VALUES(?1,?2,?3,?4,?5)",
    [ST_IDEM_TRIM] = "DELETE FROM idem WHERE time<?1",
    [ST_IDEM_FREE] = "DELETE FROM idem WHERE tenant=?1 AND key=?2",
    [ST_IDEM_COUNT] = "SELECT count(*) FROM idem",
    [ST_IDEM_COUNT_OF] = "SELECT count(*) FROM idem INDEXED BY idem_owner"
                         " WHERE tenant=?1 AND key>?2 AND key<?3",
    [ST_ANY_OF] = "SELECT 1 FROM rec WHERE tenant=?1 AND type=?2 LIMIT 1",
    [ST_ANY_OF_ALL] = "SELECT 1 FROM rec WHERE type=?1 LIMIT 1",
    [ST_COUNT_OF] = "SELECT count(*) FROM rec WHERE tenant=?1 AND type=?2",
    [ST_CHANGE_LAST] = "SELECT coalesce(max(seq),0) FROM chg",
    [ST_REVISIONS] = "SELECT tenant,type,id,rev,created,updated,author,doc,0 FROM rec"
                     " WHERE tenant=?1 AND type=?2 AND id=?3 AND rev<?4"
                     " UNION ALL SELECT tenant,type,id,rev,created,updated,author,doc,deleted"
                     " FROM old WHERE tenant=?1 AND type=?2 AND id=?3 AND rev<?4"
                     " ORDER BY rev DESC LIMIT ?5",
    [ST_LINKS_OUT] = "SELECT from_type,from_id,rel,to_type,to_id FROM link WHERE tenant=?1"
                     " AND from_type=?2 AND from_id=?3 AND (?4='' OR rel=?4)"
                     " ORDER BY rel,to_type,to_id LIMIT ?5 OFFSET ?6",
    [ST_LINKS_IN] = "SELECT from_type,from_id,rel,to_type,to_id FROM link WHERE tenant=?1"
                    " AND to_type=?2 AND to_id=?3 AND (?4='' OR rel=?4)"
                    " ORDER BY rel,from_type,from_id LIMIT ?5 OFFSET ?6",
    [ST_CHANGES] = "SELECT seq,tenant,act,type,id,rel,to_type,to_id,rev,time,author FROM chg"
                   " WHERE seq>?1 ORDER BY seq LIMIT ?2",
    [ST_CHANGE_FIRST] = "SELECT coalesce(min(seq),0) FROM chg",
    [ST_IDEM_GET] = "SELECT print,answer,time FROM idem WHERE tenant=?1 AND key=?2",
    [ST_BLOB_GET] = "SELECT size FROM blob WHERE tenant=?1 AND hash=?2",
    [ST_BLOB_ANY] = "SELECT size FROM blob WHERE hash=?1 LIMIT 1",
    [ST_BLOB_TOTAL] = "SELECT coalesce(sum(size),0) FROM (SELECT max(size) AS size FROM blob"
                      " GROUP BY hash)",
    [ST_BLOB_IDLE] = "SELECT tenant,sum(size) FROM blob WHERE refs=0 GROUP BY tenant",
    [ST_BLOB_ORPHANS] = "SELECT tenant,hash FROM blob WHERE refs=0 AND created<?1 LIMIT ?2",
    [ST_SCAN] = "SELECT tenant,type,id,rev,created,updated,author,doc FROM rec"
                " WHERE tenant=?1 AND type=?2 ORDER BY id",
    [ST_SCAN_ALL] = "SELECT tenant,type,id,rev,created,updated,author,doc FROM rec"
                    " WHERE type=?1 ORDER BY tenant,id",
    [ST_IX_LIST] = "SELECT ix,tenant,type,path,built FROM ixd ORDER BY ix",
    [ST_IX_PUT] = "INSERT OR IGNORE INTO ixv(ix,tn,v,rid,k)"
                  " SELECT ?1,?2,ifnull(json_extract(doc,?4),x''),?3,kid FROM rec WHERE kid=?5",
    [ST_IX_DELETE] = "DELETE FROM ixv WHERE ix=?1 AND tn=?2 AND rid=?3"
                     " AND v=(SELECT ifnull(json_extract(doc,?4),x'') FROM rec WHERE kid=?5)"
                     " AND (?6 IS NULL OR v IS NOT ifnull(json_extract(?6,?4),x''))",
    [ST_IX_DEFINE] = "INSERT INTO ixd(tenant,type,path,built) VALUES(?1,?2,?3,0)",
    [ST_IX_BUILT] = "UPDATE ixd SET built=?2 WHERE ix=?1",
    [ST_IX_BUILD] = "INSERT OR REPLACE INTO ixv(ix,tn,v,rid,k)"
                    " SELECT ?1,tenant,ifnull(json_extract(doc,?4),x''),id,kid FROM rec"
                    " WHERE kid>?5 AND kid<=?6 AND +type=?2 AND (?3=0 OR +tenant=?3)",
    [ST_IX_DROP_ROWS] = "DELETE FROM ixv WHERE ix=?1 AND (tn,v,rid) IN"
                        " (SELECT tn,v,rid FROM ixv WHERE ix=?1 LIMIT ?2)",
    [ST_IX_FORGET] = "DELETE FROM ixd WHERE ix=?1",
    [ST_IX_FIND] = "SELECT ix FROM ixd WHERE type=?1 AND path=?2 AND tenant IN (0,?3)"
                   " AND built=-1 LIMIT 1",
    [ST_KID_LAST] = "SELECT coalesce(max(kid),0) FROM rec",
};

static const char tables[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('version',1),('tokens',1);"
    "CREATE TABLE rec(kid INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, type TEXT NOT NULL,"
    " id TEXT NOT NULL, rev INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " author TEXT NOT NULL, flags INTEGER NOT NULL, doc TEXT NOT NULL);"
    "CREATE UNIQUE INDEX rec_key ON rec(type,tenant,id);"
    "CREATE TABLE old(tenant INTEGER NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,"
    " rev INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " author TEXT NOT NULL, deleted INTEGER NOT NULL, doc TEXT NOT NULL);"
    "CREATE UNIQUE INDEX old_key ON old(type,tenant,id,rev);"
    "CREATE TABLE link(tenant INTEGER NOT NULL, from_type TEXT NOT NULL, from_id TEXT NOT NULL,"
    " rel TEXT NOT NULL, to_type TEXT NOT NULL, to_id TEXT NOT NULL,"
    " PRIMARY KEY(tenant,from_type,from_id,rel,to_type,to_id)) WITHOUT ROWID;"
    "CREATE INDEX link_to ON link(tenant,to_type,to_id,rel);"
    "CREATE TABLE chg(seq INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, act INTEGER NOT NULL,"
    " type TEXT NOT NULL, id TEXT NOT NULL, rel TEXT, to_type TEXT, to_id TEXT,"
    " rev INTEGER NOT NULL, time INTEGER NOT NULL, author TEXT NOT NULL);"
    "CREATE TABLE blob(tenant INTEGER NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL,"
    " refs INTEGER NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(hash,tenant)) WITHOUT ROWID;"
    "CREATE TABLE idem(tenant INTEGER NOT NULL, key TEXT NOT NULL, time INTEGER NOT NULL,"
    " print INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY(tenant,key)) WITHOUT ROWID;"
    "CREATE INDEX idem_time ON idem(time);"
    "CREATE VIRTUAL TABLE fts USING fts5(scope, body, tokenize='songhua');"
    "PRAGMA user_version=1;";

/* Format 2: indexed fields (sqlite_index.c). */
static const char tables_2[] =
    "CREATE TABLE ixd(ix INTEGER PRIMARY KEY AUTOINCREMENT, tenant INTEGER NOT NULL,"
    " type TEXT NOT NULL, path TEXT NOT NULL, built INTEGER NOT NULL);"
    "CREATE INDEX ixd_type ON ixd(type,path);"
    "CREATE TABLE ixv(ix INTEGER NOT NULL, tn INTEGER NOT NULL, v NOT NULL, rid TEXT NOT NULL,"
    " k INTEGER NOT NULL, PRIMARY KEY(ix,tn,v,rid)) WITHOUT ROWID;"
    "UPDATE meta SET value=2 WHERE key='version';"
    "PRAGMA user_version=2;";

/* The keys without their answers: an owner's are counted at each reservation. Made in files from
 * before it, too; a program that does not know it keeps it up to date all the same. */
static const char narrow[] = "CREATE INDEX IF NOT EXISTS idem_owner ON idem(tenant,key)";

sh_err record_sql_err(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return SH_OK;
    case SQLITE_NOMEM:
        return SH_E_NOMEM;
    case SQLITE_FULL:
        return SH_E_FULL;
    case SQLITE_TOOBIG:
        return SH_E_LIMIT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SH_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return SH_E_CORRUPT;
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
        return SH_E_CANCELED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return SH_E_IO;
    default:
        return SH_E_INTERNAL;
    }
}

sh_err record_sql_exec(sqlite3 *db, const char *sql)
{
    return record_sql_err(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

sh_err record_sql_stmt(struct record_conn *c, enum record_stmt which, sqlite3_stmt **out)
{
    if (c->st[which] == NULL) {
        const int rc = sqlite3_prepare_v3(c->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                                          &c->st[which], NULL);
        if (rc != SQLITE_OK) {
            return record_sql_err(rc);
        }
    }
    *out = c->st[which];
    return SH_OK;
}

sh_err record_sql_run(sqlite3_stmt *st)
{
    const int rc = sqlite3_step(st);
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return record_sql_err(rc);
}

int record_sql_bind_str(sqlite3_stmt *st, int at, struct sh_str s)
{
    return sqlite3_bind_text64(st, at, s.p == NULL ? "" : s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
}

struct sh_str record_sql_text(sqlite3_stmt *st, int col, struct sh_arena *ar)
{
    const char *p = (const char *)sqlite3_column_text(st, col);
    const int n = sqlite3_column_bytes(st, col);
    return sh_arena_str(ar, (struct sh_str){p == NULL ? "" : p, (size_t)n});
}

void record_sql_disconnect(struct record_conn *c)
{
    for (size_t i = 0; i < ST_N; i++) {
        (void)sqlite3_finalize(c->st[i]);
        c->st[i] = NULL;
    }
    (void)sqlite3_close(c->db);
    c->db = NULL;
}

sh_err record_sql_connect(struct record_sql *s, const char *path, bool writer,
                          struct record_conn *out, struct sh_diag *diag)
{
    const int flags = SQLITE_OPEN_NOMUTEX |
                      (writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    char cache[64];
    int rc = sqlite3_open_v2(path, &out->db, flags, NULL);
    sh_err err = record_sql_err(rc);
    if (err != SH_OK) {
        goto out;
    }
    (void)sqlite3_busy_timeout(out->db, RECORD_SQL_BUSY_MS);
    (void)sqlite3_extended_result_codes(out->db, 1);
    (void)sqlite3_db_config(out->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(out->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    const uint32_t kib = writer ? s->cfg->cache_kib : s->cfg->cache_kib / 4;
    (void)sqlite3_snprintf(sizeof cache, cache, "PRAGMA cache_size=-%u", kib);
    err = record_sql_exec(out->db, cache);
    if (err == SH_OK && writer) {
        err = record_sql_exec(out->db, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
                                       "PRAGMA wal_autocheckpoint=2000;"
                                       "PRAGMA journal_size_limit=67108864;");
    }
    if (err == SH_OK) {
        err = record_tokens_register(out->db);
    }
out:
    if (err != SH_OK) {
        sh_diag_set(diag, "cannot open %s: %s", path,
                    out->db == NULL ? "out of memory" : sqlite3_errmsg(out->db));
        record_sql_disconnect(out);
    }
    return err;
}

static sh_err query_i64(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    }
    (void)sqlite3_finalize(st);
    return record_sql_err(rc);
}

sh_err record_sql_tables(sqlite3 *db, struct sh_diag *diag)
{
    int64_t version = 0;
    SH_TRY(query_i64(db, "PRAGMA user_version", &version));
    if (version > RECORD_SQL_VERSION) {
        sh_diag_set(diag, "the database is of format %d, this program knows up to %d", (int)version,
                    RECORD_SQL_VERSION);
        sh_diag_remedy(diag, "Start the version that wrote it, or a later one.");
        return SH_E_UNSUPPORTED;
    }
    if (version == RECORD_SQL_VERSION) {
        return record_sql_exec(db, narrow);
    }
    SH_TRY(record_sql_exec(db, "BEGIN IMMEDIATE"));
    sh_err err = version == 0 ? record_sql_exec(db, tables) : SH_OK;
    err = err == SH_OK ? record_sql_exec(db, tables_2) : err;
    err = err == SH_OK ? record_sql_exec(db, narrow) : err;
    if (err != SH_OK) {
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return err;
    }
    return record_sql_exec(db, "COMMIT");
}

static struct record_conn *free_reader(struct record_sql *s)
{
    for (uint32_t i = 0; i < s->nreaders; i++) {
        if (!s->readers[i].used) {
            s->readers[i].used = true;
            return &s->readers[i];
        }
    }
    return NULL;
}

/* Ends a transaction whose end has failed: it could begin no other, and read what is past. Nobody
 * else has c. */
static void end_left(const struct record_conn *c)
{
    if (sqlite3_get_autocommit(c->db) == 0) {
        (void)record_sql_exec(c->db, "ROLLBACK"); /* without memory the next one tries again */
    }
}

struct record_conn *record_sql_lend(struct record_sql *s)
{
    sh_mutex_lock(&s->lock);
    struct record_conn *c = free_reader(s);
    while (c == NULL) {
        sh_cond_wait(&s->free, &s->lock);
        c = free_reader(s);
    }
    sh_mutex_unlock(&s->lock);
    end_left(c);
    return c;
}

void record_sql_return(struct record_sql *s, struct record_conn *c)
{
    end_left(c);
    sh_mutex_lock(&s->lock);
    c->used = false;
    sh_cond_signal(&s->free);
    sh_mutex_unlock(&s->lock);
}

static void close_store(void *self)
{
    struct record_sql *s = self;
    for (uint32_t i = 0; i < s->nreaders; i++) {
        record_sql_disconnect(&s->readers[i]);
    }
    sh_mem_free(s->env->alloc, s->readers);
    record_index_fini(s);
    record_sql_disconnect(&s->writer); /* last: it checkpoints and removes the log */
    if (s->lock_made) {
        sh_cond_fini(&s->free);
        sh_mutex_fini(&s->lock);
    }
}

/* Opens the writer and makes sure of tables and integrity. SH_E_CORRUPT: salvage may help. */
static sh_err open_writer(struct record_sql *s, struct sh_diag *diag)
{
    SH_TRY(record_sql_connect(s, s->cfg->path, true, &s->writer, diag));
    sh_err err = s->cfg->skip_check ? SH_OK : record_sql_check(s->writer.db);
    if (err == SH_E_IO) { /* once is bad luck; a page that stays unreadable is damage */
        err = record_sql_check(s->writer.db);
        err = err == SH_E_IO ? SH_E_CORRUPT : err;
    }
    if (err == SH_OK) {
        err = record_sql_tables(s->writer.db, diag);
    }
    if (err != SH_OK) {
        sh_diag_at(diag, sh_str_c(s->cfg->path), 0);
        record_sql_disconnect(&s->writer);
    }
    return err;
}

static sh_err open_store(void *self, const struct sh_env *env, const struct sh_record_config *cfg,
                         bool *salvaged, struct sh_diag *diag)
{
    struct record_sql *s = self;
    s->env = env;
    s->cfg = cfg;
    *salvaged = false;
    sh_mutex_init(&s->lock);
    sh_cond_init(&s->free);
    s->lock_made = true;
    sh_err err = record_sql_salvage_finish(s);
    if (err == SH_OK) {
        err = open_writer(s, diag);
    }
    if (err == SH_E_CORRUPT) {
        *salvaged = true;
        err = record_sql_salvage(s, diag);
        if (err == SH_OK) {
            err = open_writer(s, diag);
        }
    }
    if (err != SH_OK) {
        goto out;
    }
    int64_t last = 0;
    int64_t first = 0;
    err = query_i64(s->writer.db, statements[ST_CHANGE_LAST], &last);
    if (err == SH_OK) {
        err = query_i64(s->writer.db, statements[ST_CHANGE_FIRST], &first);
    }
    if (err == SH_OK) {
        err = record_index_load(s);
    }
    s->seq = (uint64_t)last;
    s->committed = s->seq;
    s->trimmed = first > 0 ? (uint64_t)first - 1 : 0;
    const uint32_t want =
        cfg->readers > RECORD_SQL_MAX_READERS ? (uint32_t)RECORD_SQL_MAX_READERS : cfg->readers;
    s->readers = sh_mem_array(env->alloc, want, sizeof *s->readers);
    if (err == SH_OK && s->readers == NULL) {
        err = SH_E_NOMEM;
    }
    for (uint32_t i = 0; err == SH_OK && i != want; i++) {
        err = record_sql_connect(s, cfg->path, false, &s->readers[s->nreaders], diag);
        s->nreaders += err == SH_OK ? 1 : 0;
    }
out:
    if (err != SH_OK) {
        close_store(s);
    }
    return err;
}

static uint64_t change_last(void *self)
{
    const struct record_sql *s = self;
    return s->committed;
}

const struct sh_record_ops sh_record_sqlite = {
    .abi = SH_RECORD_OPS_ABI,
    .inst_size = sizeof(struct record_sql),
    .name = "sqlite",
    .open = open_store,
    .close = close_store,
    .begin = record_sql_begin,
    .mark = record_sql_mark,
    .apply = record_sql_apply,
    .settle = record_sql_settle,
    .commit = record_sql_commit,
    .rollback = record_sql_rollback,
    .tend = record_sql_tend,
    .change_last = change_last,
    .get = record_sql_get,
    .list = record_sql_list,
    .scan = record_sql_scan,
    .revisions = record_sql_revisions,
    .links = record_sql_links,
    .changes = record_sql_changes,
    .idem = record_sql_idem,
    .blob = record_sql_blob,
    .blob_total = record_sql_blob_total,
    .blob_idle = record_sql_blob_idle,
    .blob_orphans = record_sql_blob_orphans,
    .backup = record_sql_backup,
};
