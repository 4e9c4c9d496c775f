/* sqlite_care.c - integrity check, salvage of a damaged file, backup.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_int.h"

enum { BACKUP_PAGES = 512, BACKUP_PAUSE_MS = 1, PATH_MAX_BYTES = 4000 };

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
        err = word != NULL && strcmp(word, "ok") == 0 ? SH_OK : SH_E_CORRUPT;
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

/* Number of rows copied. */
static uint64_t copy_table(sqlite3 *from, sqlite3 *to, size_t which)
{
    sqlite3_stmt *rd = NULL;
    sqlite3_stmt *wr = NULL;
    uint64_t n = 0;
    if (sqlite3_prepare_v2(from, copies[which].read, -1, &rd, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(to, copies[which].write, -1, &wr, NULL) == SQLITE_OK) {
        while (sqlite3_step(rd) == SQLITE_ROW) {
            for (int i = 0; i < copies[which].columns; i++) {
                (void)sqlite3_bind_value(wr, i + 1, sqlite3_column_value(rd, i));
            }
            (void)sqlite3_step(wr);
            n += sqlite3_changes(to) > 0 ? 1 : 0;
            (void)sqlite3_reset(wr);
            (void)sqlite3_clear_bindings(wr);
        }
    }
    (void)sqlite3_finalize(rd);
    (void)sqlite3_finalize(wr);
    return n;
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

static uint64_t copy_all(struct record_sql *s, const char *aside)
{
    struct record_conn from = {.db = NULL};
    uint64_t n = 0;
    if (record_sql_connect(s, aside, true, &from, NULL) != SH_OK) {
        return 0;
    }
    (void)record_sql_exec(s->writer.db, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < sizeof copies / sizeof copies[0]; i++) {
        n += copy_table(from.db, s->writer.db, i);
    }
    (void)record_sql_exec(s->writer.db, "COMMIT");
    record_sql_disconnect(&from);
    return n;
}

sh_err record_sql_salvage(struct record_sql *s, struct sh_diag *diag)
{
    const char *path = s->cfg->path;
    char aside[PATH_MAX_BYTES + 64];
    if (strlen(path) > PATH_MAX_BYTES) {
        return SH_E_LIMIT;
    }
    (void)sqlite3_snprintf(sizeof aside, aside, "%s.damaged-%lld", path,
                           (long long)(sh_wall_us(s->env->clock) / 1000));
    SH_TRY(rename_part(s->env->fs, path, aside, ""));
    SH_TRY(rename_part(s->env->fs, path, aside, "-wal"));
    SH_TRY(rename_part(s->env->fs, path, aside, "-shm"));
    SH_TRY(record_sql_connect(s, path, true, &s->writer, diag));
    sh_err err = record_sql_tables(s->writer.db, diag);
    if (err == SH_OK) {
        const uint64_t n = copy_all(s, aside);
        sh_log(s->env->log, SH_LOG_ERROR, "record",
               "%s was damaged: set aside as %s, %llu rows could be read and were copied", path,
               aside, (unsigned long long)n);
    }
    record_sql_disconnect(&s->writer);
    return err;
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
