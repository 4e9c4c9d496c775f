/* sqlite_care.c - integrity check, salvage of a damaged file, backup.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

enum { BACKUP_PAGES = 512, BACKUP_PAUSE_MS = 1, PATH_MAX_BYTES = 4000 };

/* What the first complaint of a check says: damage, unless the pages could not be had for another
 * reason ("unable to get the page. error code=7", no memory). */
static sh_err complaint(const char *word)
{
    const char *at = strstr(word, "error code");
    const char *digits = at == NULL ? "" : at + strlen("error code") + 1;
    int64_t rc = 0;
    size_t n = 0;
    while (digits[n] >= '0' && digits[n] <= '9' && n < 6) {
        n++;
    }
    if (n == 0 || sh_i64_parse(sh_str_of(digits, n), &rc) != SH_OK) {
        return SH_E_CORRUPT;
    }
    const sh_err err = record_sql_err((int)rc);
    return err == SH_E_NOMEM || err == SH_E_IO || err == SH_E_FULL || err == SH_E_BUSY
               ? err
               : SH_E_CORRUPT;
}

sh_err record_sql_check(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    sh_err err = SH_E_CORRUPT;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
    }
    if (rc == SQLITE_ROW) {
        const char *word = (const char *)sqlite3_column_text(st, 0);
        if (word == NULL) { /* it is always a text */
            err = SH_E_NOMEM;
        } else {
            err = strcmp(word, "ok") == 0 ? SH_OK : complaint(word);
        }
    } else {
        err = record_sql_err(rc);
    }
    (void)sqlite3_finalize(st);
    return err;
}

/* What is copied, table by table. A damaged page ends one table, not the others. */
static const struct {
    const char *read;
    const char *write;
    int columns;
} copies[] = {
    {"SELECT kid,tenant,type,id,rev,created,updated,author,flags,doc FROM rec",
     "INSERT OR IGNORE INTO rec VALUES(?,?,?,?,?,?,?,?,?,?)", 10},
    {"SELECT kid,tenant,type,id,rev,created,updated,author,flags,doc FROM rec ORDER BY kid DESC",
     "INSERT OR IGNORE INTO rec VALUES(?,?,?,?,?,?,?,?,?,?)", 10},
    {"SELECT tenant,type,id,rev,created,updated,author,deleted,doc FROM old",
     "INSERT OR IGNORE INTO old VALUES(?,?,?,?,?,?,?,?,?)", 9},
    {"SELECT tenant,from_type,from_id,rel,to_type,to_id FROM link",
     "INSERT OR IGNORE INTO link VALUES(?,?,?,?,?,?)", 6},
    {"SELECT seq,tenant,act,type,id,rel,to_type,to_id,rev,time,author FROM chg",
     "INSERT OR IGNORE INTO chg VALUES(?,?,?,?,?,?,?,?,?,?,?)", 11},
    {"SELECT seq,tenant,act,type,id,rel,to_type,to_id,rev,time,author FROM chg ORDER BY seq DESC",
     "INSERT OR IGNORE INTO chg VALUES(?,?,?,?,?,?,?,?,?,?,?)", 11},
    {"SELECT ix,tenant,type,path,0 FROM ixd WHERE built>-2", /* built again */
     "INSERT OR IGNORE INTO ixd VALUES(?,?,?,?,?)", 5},
    {"SELECT tenant,hash,size,refs,created FROM blob",
     "INSERT OR IGNORE INTO blob VALUES(?,?,?,?,?)", 5},
    {"SELECT rowid,scope,body FROM fts",
     "INSERT OR IGNORE INTO fts(rowid,scope,body) VALUES(?,?,?)", 3},
};

/* Of reading: what is damaged or cannot be read ends a table; a lack of memory ends all. */
static sh_err read_ended(int rc)
{
    return record_sql_err(rc) == SH_E_NOMEM ? SH_E_NOMEM : SH_OK;
}

static sh_err copy_rows(sqlite3_stmt *rd, sqlite3_stmt *wr, int columns, sqlite3 *to, uint64_t *n)
{
    int rc = SQLITE_OK;
    while ((rc = sqlite3_step(rd)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            const int bound = sqlite3_bind_value(wr, i + 1, sqlite3_column_value(rd, i));
            if (bound != SQLITE_OK) {
                return record_sql_err(bound);
            }
        }
        const int put = sqlite3_step(wr);
        const sh_err err = put == SQLITE_CONSTRAINT ? SH_OK : record_sql_err(put);
        if (err != SH_OK) {
            return err;
        }
        *n += sqlite3_changes(to) > 0 ? 1 : 0;
        (void)sqlite3_reset(wr);
        (void)sqlite3_clear_bindings(wr);
    }
    return read_ended(rc);
}

/* Adds the number of rows copied. An error: the copy is not to be used. */
static sh_err copy_table(sqlite3 *from, sqlite3 *to, size_t which, uint64_t *n)
{
    sqlite3_stmt *rd = NULL;
    sqlite3_stmt *wr = NULL;
    const int rc = sqlite3_prepare_v2(from, copies[which].read, -1, &rd, NULL);
    sh_err err = read_ended(rc);
    if (rc == SQLITE_OK) {
        err = record_sql_err(sqlite3_prepare_v2(to, copies[which].write, -1, &wr, NULL));
        if (err == SH_OK) {
            err = copy_rows(rd, wr, copies[which].columns, to, n);
        }
    }
    (void)sqlite3_finalize(rd);
    (void)sqlite3_finalize(wr);
    return err;
}

static sh_err rename_part(const struct sh_fs *fs, const char *path, const char *aside,
                          const char *suffix)
{
    char from[PATH_MAX_BYTES + 80];
    char to[PATH_MAX_BYTES + 80];
    (void)sqlite3_snprintf(sizeof from, from, "%s%s", path, suffix);
    (void)sqlite3_snprintf(sizeof to, to, "%s%s", aside, suffix);
    const sh_err err = sh_fs_rename(fs, from, to);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err sync_folder(const struct sh_fs *fs, const char *path)
{
    char folder[PATH_MAX_BYTES + 1];
    const char *slash = strrchr(path, '/');
    (void)sqlite3_snprintf(sizeof folder, folder, "%.*s", slash == NULL ? 1 : (int)(slash - path),
                           slash == NULL ? "." : path);
    return sh_fs_sync_dir(fs, folder);
}

static sh_err copy_all(struct record_sql *s, const char *path, uint64_t *n)
{
    struct record_conn from = {.db = NULL};
    sh_err err = record_sql_connect(s, path, true, &from, NULL);
    if (err != SH_OK) {
        return err == SH_E_CORRUPT ? SH_OK : err; /* nothing in it can be read */
    }
    err = record_sql_exec(s->writer.db, "BEGIN IMMEDIATE");
    for (size_t i = 0; err == SH_OK && i < sizeof copies / sizeof copies[0]; i++) {
        err = copy_table(from.db, s->writer.db, i, n);
    }
    if (err == SH_OK) {
        err = record_sql_exec(s->writer.db, "COMMIT");
    }
    record_sql_disconnect(&from);
    return err;
}

static const char *const parts[] = {"", "-wal", "-shm", "-journal"};

static void unlink_all(const struct sh_fs *fs, const char *path)
{
    char name[PATH_MAX_BYTES + 80];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        (void)sqlite3_snprintf(sizeof name, name, "%s%s", path, parts[i]);
        const sh_err err = sh_fs_unlink(fs, name);
        SH_UNUSED(err); /* it is not there, as a rule */
    }
}

/* The salvaged copy: made beside the damaged file, and put in its place when it is whole. */
static void salvage_path(const char *path, char out[PATH_MAX_BYTES + 64])
{
    (void)sqlite3_snprintf(PATH_MAX_BYTES + 64, out, "%s.salvage", path);
}

sh_err record_sql_salvage_finish(const struct record_sql *s)
{
    const struct sh_fs *fs = s->env->fs;
    char copy[PATH_MAX_BYTES + 64];
    struct sh_file *file = NULL;
    if (strlen(s->cfg->path) > PATH_MAX_BYTES) {
        return SH_E_LIMIT;
    }
    salvage_path(s->cfg->path, copy);
    const sh_err err = sh_fs_open(fs, s->cfg->path, SH_FS_READ, &file);
    sh_fs_close(fs, file);
    if (err == SH_OK) {
        unlink_all(fs, copy); /* not finished */
        return SH_OK;
    }
    if (err != SH_E_NOTFOUND) {
        return err;
    }
    unlink_all(fs, s->cfg->path); /* a log of the damaged file, that is not of the copy */
    return rename_part(fs, copy, s->cfg->path, "");
}

static sh_err copy_make(struct record_sql *s, const char *copy, uint64_t *n, struct sh_diag *diag)
{
    unlink_all(s->env->fs, copy);
    SH_TRY(record_sql_connect(s, copy, true, &s->writer, diag));
    sh_err err = record_sql_tables(s->writer.db, diag);
    if (err == SH_OK) {
        err = copy_all(s, s->cfg->path, n);
    }
    if (err == SH_OK) { /* its log goes into it, synced: the log does not move with it */
        err = record_sql_err(
            sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    }
    record_sql_disconnect(&s->writer);
    return err;
}

/* Each step leaves either the damaged file in its place, or the whole copy beside a place that is
 * empty, which the next start puts there (record_sql_salvage_finish). */
sh_err record_sql_salvage(struct record_sql *s, struct sh_diag *diag)
{
    const struct sh_fs *fs = s->env->fs;
    const char *path = s->cfg->path;
    char copy[PATH_MAX_BYTES + 64];
    char aside[PATH_MAX_BYTES + 64];
    uint64_t n = 0;
    if (strlen(path) > PATH_MAX_BYTES) {
        return SH_E_LIMIT;
    }
    salvage_path(path, copy);
    (void)sqlite3_snprintf(sizeof aside, aside, "%s.damaged-%lld", path,
                           (long long)(sh_wall_us(s->env->clock) / 1000));
    const sh_err err = copy_make(s, copy, &n, diag);
    if (err != SH_OK) {
        unlink_all(fs, copy);
        return err;
    }
    SH_TRY(sync_folder(fs, path));
    SH_TRY(rename_part(fs, path, aside, ""));
    SH_TRY(rename_part(fs, path, aside, "-wal"));
    SH_TRY(rename_part(fs, path, aside, "-shm"));
    SH_TRY(rename_part(fs, copy, path, ""));
    SH_TRY(sync_folder(fs, path));
    sh_log(s->env->log, SH_LOG_ERROR, "record",
           "%s was damaged: set aside as %s, %llu rows could be read and were copied", path, aside,
           (unsigned long long)n);
    return SH_OK;
}

sh_err record_sql_backup(void *self, const char *to_path,
                         bool (*keep_going)(void *ctx, uint32_t left, uint32_t total), void *ctx,
                         struct sh_diag *diag)
{
    struct record_sql *s = self;
    sqlite3 *to = NULL;
    struct sh_file *file = NULL;
    /* Nothing that is there already is ever written over. */
    SH_TRY(sh_fs_open(s->env->fs, to_path, SH_FS_WRITE | SH_FS_CREATE | SH_FS_EXCL, &file));
    sh_fs_close(s->env->fs, file);
    struct record_conn *c = record_sql_lend(s);
    int rc = sqlite3_open_v2(to_path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    sh_err err = record_sql_err(rc);
    sqlite3_backup *b = NULL;
    if (err == SH_OK) {
        /* One snapshot: without it every commit would start the copy anew. */
        err = record_sql_exec(c->db, "BEGIN");
        if (err == SH_OK) {
            err = record_sql_exec(c->db, "SELECT 1 FROM meta");
        }
        b = sqlite3_backup_init(to, "main", c->db, "main");
    }
    if (err == SH_OK && b == NULL) {
        err = record_sql_err(sqlite3_errcode(to));
    }
    while (err == SH_OK) {
        rc = sqlite3_backup_step(b, BACKUP_PAGES);
        const uint32_t left = (uint32_t)sqlite3_backup_remaining(b);
        const uint32_t total = (uint32_t)sqlite3_backup_pagecount(b);
        if (rc == SQLITE_DONE) {
            break;
        }
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
            (void)sqlite3_sleep(BACKUP_PAUSE_MS);
        } else {
            err = record_sql_err(rc);
        }
        if (err == SH_OK && keep_going != NULL && !keep_going(ctx, left, total)) {
            err = SH_E_CANCELED;
        }
    }
    rc = sqlite3_backup_finish(b);
    if (err == SH_OK) {
        err = record_sql_err(rc);
    }
    if (err != SH_OK && err != SH_E_CANCELED) {
        sh_diag_set(diag, "copying to %s failed: %s", to_path,
                    to == NULL ? "out of memory" : sqlite3_errmsg(to));
    }
    (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    (void)sqlite3_close(to);
    record_sql_return(s, c);
    if (err != SH_OK && sh_fs_unlink(s->env->fs, to_path) != SH_OK) {
        sh_log(s->env->log, SH_LOG_WARN, "record", "cannot remove the unfinished copy %s", to_path);
    }
    return err;
}
