/* backup.c - making one backup.
 *
 * Order, and why:
 *  1. What was acknowledged before is made to lie in files: journal sync, MQTT's checkpoint, new
 *     devices, history flush (a snapshot holds its segments), points.log. So the copy needs no log
 *     of the journal, only a checkpoint that says how far each owner is.
 *  2. keys/ before the records: audit.head may be behind the audit chain, never ahead of it. When
 *     keys/ring is another one at the end, records may be sealed by a key that it did not have yet:
 *     then it is no backup.
 *  3. History before the catalogue's log: a sample's point is defined by an earlier record.
 *  4. Records after both: the devices of all samples are in. Blob files after the records, under a
 *     hold: what a record names is in.
 *  5. Everything is synced, then manifest.json is put in its place: only then it is a backup.
 * A stopped node has nothing in memory: its files are copied, logs of the journal included.
 * The walk is made twice: the first time nothing is written, only sizes are added up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "ops_int.h"

enum { FILES_FIRST = 256, NUMBERED = 99, PAGE = 4096, RING_MAX = 1 << 16 };

struct run {
    const struct sh_backup_options *o;
    const struct sh_env *env;
    struct ops_copier c;
    struct sh_history_snapshot *snap;
    struct sh_buf keys;
    struct sh_str ring; /* keys/ring before they were read */
    struct sh_buf checkpoint;
    uint64_t log_bytes; /* of points.log */
    struct ops_manifest old;
    char old_root[OPS_PATH];
    bool linkable; /* there is an earlier backup to link to */
    char root[OPS_PATH];
    bool made; /* root is there */
    bool planning;
    uint64_t need;
    struct sh_backup_info info;
    struct sh_arena *paths;
    struct ops_file *files;
    size_t n;
    size_t cap;
    struct sh_diag *diag;
    char last_dir[OPS_PATH];
};

/* ---- the list ---- */

static sh_err note(struct run *r, const char *rel, uint64_t size, const uint8_t hash[SH_HASH_BYTES])
{
    if (r->n == r->cap) {
        const size_t cap = r->cap == 0 ? FILES_FIRST : r->cap * 2;
        struct ops_file *p = sh_mem_resize(r->env->alloc, r->files, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        r->files = p;
        r->cap = cap;
    }
    const struct sh_str copy = sh_arena_printf(r->paths, "%s", rel);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    r->files[r->n] = (struct ops_file){.path = copy.p, .size = size};
    memcpy(r->files[r->n++].hash, hash, SH_HASH_BYTES);
    r->info.bytes += size;
    if (r->c.progress != NULL) {
        (void)atomic_fetch_add(&r->c.progress->files, 1);
    }
    return SH_OK;
}

/* ---- room ---- */

static sh_err room(struct run *r, uint64_t need)
{
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    const sh_err err = r->env->fs->space(r->env->fs->ctx, r->o->to, &free_bytes, &total);
    if (err != SH_OK) {
        return err;
    }
    const uint64_t reserve = total / 100 * r->o->reserve;
    if (free_bytes >= reserve && free_bytes - reserve >= need) {
        return SH_OK;
    }
    sh_diag_at(r->diag, sh_str_c(r->o->to), 0);
    sh_diag_set(r->diag,
                "the backup needs %" PRIu64 " MiB, %" PRIu64
                " MiB are free and %u %% are kept free",
                (need >> 20) + 1, free_bytes >> 20, r->o->reserve);
    sh_diag_remedy(r->diag, "remove old backups or name a folder on a larger disk (backup.dir)");
    return SH_E_FULL;
}

/* ---- one file ---- */

static sh_err parent(struct run *r, const char *path)
{
    char dir[OPS_PATH];
    const size_t at = sh_str_rfind(sh_str_c(path), '/');
    memcpy(dir, path, at);
    dir[at] = '\0';
    if (strcmp(dir, r->last_dir) == 0) {
        return SH_OK;
    }
    SH_TRY(sh_fs_mkdirs(r->env->fs, dir));
    memcpy(r->last_dir, dir, at + 1);
    return SH_OK;
}

/* *done: an earlier backup has the very same bytes and `to` is another name of them. */
static sh_err try_link(struct run *r, const struct ops_file *old, const struct ops_source *s,
                       const char *rel, const char *to, bool *done)
{
    char from[OPS_PATH];
    uint64_t size = 0;
    uint8_t hash[SH_HASH_BYTES];
    SH_TRY(ops_copy(&r->c, s, NULL, &size, hash));
    if (size != old->size || memcmp(hash, old->hash, sizeof hash) != 0) {
        return SH_OK;
    }
    SH_TRY(ops_join(from, r->old_root, rel));
    const sh_err err = r->env->fs->link(r->env->fs->ctx, from, to);
    if (err == SH_E_UNSUPPORTED || err == SH_E_NOTFOUND) {
        return SH_OK; /* it is copied */
    }
    *done = err == SH_OK;
    return err != SH_OK ? err : note(r, rel, size, hash);
}

static sh_err put(struct run *r, const char *rel, const struct ops_source *s)
{
    char to[OPS_PATH];
    uint64_t size = 0;
    uint8_t hash[SH_HASH_BYTES];
    if (!ops_rel_ok(sh_str_c(rel))) {
        return SH_OK; /* not ours */
    }
    SH_TRY(ops_source_size(r->env, s, &size));
    const struct ops_file *old = r->linkable ? ops_manifest_find(&r->old, rel) : NULL;
    const bool likely = old != NULL && old->size == size;
    if (r->planning) {
        r->need += likely ? 0 : size;
        if (r->c.progress != NULL) {
            (void)atomic_fetch_add(&r->c.progress->total_bytes, size);
        }
        return SH_OK;
    }
    SH_TRY(ops_join(to, r->root, "data"));
    const size_t at = strlen(to);
    if (snprintf(to + at, OPS_PATH - at, "/%s", rel) >= (int)(OPS_PATH - at)) {
        return SH_E_LIMIT;
    }
    SH_TRY(parent(r, to));
    bool linked = false;
    if (likely) {
        SH_TRY(try_link(r, old, s, rel, to, &linked));
    }
    if (linked) {
        return SH_OK;
    }
    SH_TRY(room(r, size));
    SH_TRY(ops_copy(&r->c, s, to, &size, hash));
    r->info.copied += size;
    return note(r, rel, size, hash);
}

static sh_err put_path(struct run *r, const char *rel, uint64_t limit)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, r->o->dir, rel));
    const struct ops_source s = {.path = path, .limit = limit};
    const sh_err err = put(r, rel, &s);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err put_bytes(struct run *r, const char *rel, struct sh_bytes b)
{
    const struct ops_source s = {.bytes = b};
    return put(r, rel, &s);
}

/* ---- what is copied ---- */

static sh_err blob_file(void *ctx, const char *rel)
{
    char path[OPS_PATH];
    if (sh_str_starts(sh_str_c(rel), SH_STR("tmp/"))) {
        return SH_OK;
    }
    SH_TRY(ops_join(path, "blobs", rel));
    return put_path(ctx, path, UINT64_MAX);
}

static sh_err put_blobs(struct run *r)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, r->o->dir, "blobs"));
    return ops_tree_files(r->env, path, blob_file, r);
}

static bool keep_going(void *ctx, uint32_t left, uint32_t total)
{
    struct run *r = ctx;
    const uint64_t done = (uint64_t)(total - left) * PAGE;
    const uint64_t more = done > r->need ? done - r->need : 0; /* need: what was told already */
    r->need += more;
    return ops_copier_pace(&r->c, more) == SH_OK;
}

/* The database is copied by its own engine; then read once for its hash. */
static sh_err put_records(struct run *r)
{
    char from[OPS_PATH];
    char to[OPS_PATH];
    uint64_t size = 0;
    uint8_t hash[SH_HASH_BYTES];
    SH_TRY(ops_join(from, r->o->dir, "songhua.db"));
    if (r->o->record == NULL) {
        return ops_exists(r->env, from) ? SH_E_INVAL : SH_OK;
    }
    if (r->planning) {
        return put_path(r, "songhua.db", UINT64_MAX);
    }
    SH_TRY(ops_join(to, r->root, "data/songhua.db"));
    SH_TRY(parent(r, to));
    SH_TRY(sh_fs_sync_dir(r->env->fs, r->root));
    r->need = 0;
    SH_TRY(sh_record_backup(r->o->record, to, keep_going, r, r->diag));
    struct sh_file *f = NULL;
    SH_TRY(sh_fs_open(r->env->fs, to, SH_FS_WRITE, &f));
    const sh_err err = sh_fs_sync(r->env->fs, f);
    sh_fs_close(r->env->fs, f);
    SH_TRY(err);
    const struct ops_source s = {.path = to, .limit = UINT64_MAX};
    SH_TRY(ops_copy(&r->c, &s, NULL, &size, hash));
    r->info.copied += size;
    return note(r, "songhua.db", size, hash);
}

static sh_err put_running(struct run *r)
{
    for (size_t i = 0; i < sh_history_snapshot_files(r->snap); i++) {
        char rel[OPS_PATH];
        const struct sh_history_file f = sh_history_snapshot_file(r->snap, i);
        SH_TRY(ops_join(rel, "history", f.name));
        SH_TRY(put_bytes(r, rel, f.bytes));
    }
    SH_TRY(put_path(r, "history/points.log", r->log_bytes));
    SH_TRY(put_path(r, "mqtt/state", UINT64_MAX));
    return put_bytes(r, "journal/checkpoint", sh_buf_bytes(&r->checkpoint));
}

/* Of a stopped node: what is not finished or set aside stays behind. */
static bool keeps(struct sh_str rel)
{
    const char *const ends[] = {".tmp", ".spare", ".making"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (sh_str_ends(rel, sh_str_c(ends[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i + 8 <= rel.n; i++) {
        if (memcmp(rel.p + i, ".damaged", 8) == 0) {
            return false;
        }
    }
    return true;
}

struct part {
    struct run *r;
    const char *top;
};

static sh_err stopped_file(void *ctx, const char *name)
{
    const struct part *p = ctx;
    char rel[OPS_PATH];
    SH_TRY(ops_join(rel, p->top, name));
    return keeps(sh_str_c(rel)) ? put_path(p->r, rel, UINT64_MAX) : SH_OK;
}

static sh_err put_stopped(struct run *r)
{
    static const char *const tops[] = {"history", "mqtt", "journal"};
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        char path[OPS_PATH];
        struct part p = {.r = r, .top = tops[i]};
        SH_TRY(ops_join(path, r->o->dir, tops[i]));
        SH_TRY(ops_tree_files(r->env, path, stopped_file, &p));
    }
    return SH_OK;
}

static sh_err put_all(struct run *r)
{
    SH_TRY(r->snap != NULL ? put_running(r) : put_stopped(r));
    SH_TRY(put_records(r));
    SH_TRY(put_blobs(r));
    return r->info.keys ? put_bytes(r, OPS_KEYS_FILE, sh_buf_bytes(&r->keys)) : SH_OK;
}

/* ---- a running node: into files first ---- */

static sh_err settle(struct run *r)
{
    const struct sh_backup_options *o = r->o;
    struct sh_journal_stats js;
    struct sh_record_stats rs;
    if (o->record != NULL) {
        sh_record_stats(o->record, &rs);
        r->info.changes = rs.change_last;
    }
    if (o->journal == NULL) {
        return SH_OK;
    }
    sh_journal_stats(o->journal, &js);
    r->info.online = true;
    r->info.seq_begin = js.applied_seq;
    r->info.points = sh_points_last_id(o->points);
    SH_TRY(sh_journal_sync(o->journal));
    if (o->save != NULL) {
        SH_TRY(o->save(o->ctx));
    }
    r->info.seq_mqtt = sh_journal_checkpointed(o->journal, SH_OWNER_MQTT);
    SH_TRY(sh_history_snapshot_new(o->history, &r->snap));
    r->info.seq_samples = sh_history_snapshot_seq(r->snap);
    r->info.samples = sh_history_snapshot_samples(r->snap);
    SH_TRY(sh_points_checkpoint(o->points));
    r->info.seq_catalogue = sh_journal_checkpointed(o->journal, SH_OWNER_CATALOGUE);
    r->log_bytes = sh_points_log_bytes(o->points);
    sh_journal_stats(o->journal, &js);
    const uint64_t seqs[SH_JOURNAL_OWNERS] = {[SH_OWNER_CATALOGUE] = r->info.seq_catalogue,
                                              [SH_OWNER_SAMPLES] = r->info.seq_samples,
                                              [SH_OWNER_MQTT] = r->info.seq_mqtt};
    return sh_journal_checkpoint_image(seqs, js.last_seq, &r->checkpoint);
}

/* ---- earlier ones ---- */

/* The newest one that no rehearsal has found wanting. */
static sh_err newest(void *ctx, const struct sh_backup_info *i)
{
    struct run *r = ctx;
    char at[OPS_PATH];
    char path[OPS_PATH];
    struct sh_str text = {NULL, 0};
    json_t *report = NULL;
    SH_TRY(ops_join(at, r->o->to, i->id));
    SH_TRY(ops_join(path, at, "report.json"));
    bool failed = false;
    if (sh_fs_read_all(r->env->fs, r->env->alloc, path, 1 << 20, &text) == SH_OK) {
        failed = sh_json_parse(text, 1 << 20, &report, NULL) != SH_OK ||
                 !sh_json_get_bool(report, "good", false);
        json_decref(report);
        sh_str_free(r->env->alloc, &text);
    }
    r->linkable = !failed;
    return ops_join(r->old_root, at, "data");
}

static sh_err find_earlier(struct run *r)
{
    SH_TRY(sh_backup_list(r->env, r->o->crypto, r->o->to, newest, r));
    if (!r->linkable) {
        return SH_OK;
    }
    char at[OPS_PATH];
    memcpy(at, r->old_root, sizeof at);
    at[strlen(at) - 5] = '\0'; /* without /data */
    const sh_err err = ops_manifest_read(r->env, r->o->crypto, at, &r->old, NULL);
    r->linkable = err == SH_OK;
    return err == SH_E_NOMEM ? err : SH_OK;
}

/* ---- the folder ---- */

static sh_err make_root(struct run *r)
{
    char t[SH_TIME_CHARS];
    const size_t n = sh_time_print(r->info.started_us / 1000000 * 1000000, t);
    char id[SH_BACKUP_ID] = "songhua-";
    size_t at = strlen(id);
    for (size_t i = 0; i < n && at + 5 < sizeof id; i++) { /* 2026-01-02T03:04:05Z without - : */
        if (t[i] != '-' && t[i] != ':') {
            id[at++] = t[i];
        }
    }
    id[at] = '\0';
    for (unsigned k = 1; k < NUMBERED; k++) {
        (void)snprintf(r->info.id, sizeof r->info.id, "%.50s", id);
        if (k > 1) {
            (void)snprintf(r->info.id, sizeof r->info.id, "%.50s-%u", id, k);
        }
        struct ops_names l;
        SH_TRY(ops_join(r->root, r->o->to, r->info.id));
        SH_TRY(ops_names_read(r->env, r->root, &l));
        const size_t inside = l.n;
        ops_names_free(r->env, &l);
        if (inside == 0) {
            char data[OPS_PATH];
            SH_TRY(ops_join(data, r->root, "data"));
            r->made = true;
            SH_TRY(sh_fs_mkdirs(r->env->fs, data));
            return sh_fs_sync_dir(r->env->fs, r->o->to);
        }
    }
    return SH_E_EXISTS;
}

static sh_err write_manifest(struct run *r)
{
    char path[OPS_PATH];
    struct sh_buf b;
    r->info.finished_us = sh_wall_us(r->env->clock);
    r->info.files = r->n;
    SH_TRY(ops_join(path, r->root, "manifest.json"));
    SH_TRY(ops_tree_sync(r->env, r->root));
    SH_TRY(sh_fs_sync_dir(r->env->fs, r->o->to));
    sh_buf_init(&b, r->env->alloc, OPS_MANIFEST_MAX);
    sh_err err = ops_manifest_write(r->o->crypto, &r->info, r->files, r->n, &b);
    err = err != SH_OK ? err : sh_fs_replace(r->env->fs, path, sh_buf_bytes(&b));
    sh_buf_fini(&b);
    return err;
}

/* Empty where there is none (a folder of before). */
static sh_err read_ring(const struct run *r, struct sh_str *out)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, r->o->dir, "keys/ring"));
    const sh_err err = sh_fs_read_all(r->env->fs, r->env->alloc, path, RING_MAX, out);
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err same_ring(const struct run *r)
{
    struct sh_str now = {NULL, 0};
    if (!r->info.keys) {
        return SH_OK;
    }
    SH_TRY(read_ring(r, &now));
    const bool same = sh_str_eq(now, r->ring);
    sh_str_free(r->env->alloc, &now);
    if (!same) {
        sh_diag_set(r->diag, "the keys were changed while the backup ran");
        sh_diag_remedy(r->diag, "begin it again");
    }
    return same ? SH_OK : SH_E_CONFLICT;
}

static sh_err seal_keys(struct run *r)
{
    if (r->o->passphrase.n == 0) {
        return SH_OK;
    }
    r->info.keys = true;
    SH_TRY(read_ring(r, &r->ring));
    const sh_err err = ops_keys_seal(r->o, &r->keys);
    if (err == SH_E_NOTFOUND) {
        sh_diag_set(r->diag, "there are no keys in %s/keys", r->o->dir);
        sh_diag_remedy(r->diag, "back up without a passphrase");
        return SH_E_STATE;
    }
    return err;
}

static sh_err copy_all(struct run *r)
{
    SH_TRY(sh_fs_mkdirs(r->env->fs, r->o->to));
    SH_TRY(sh_backup_sweep(r->env, r->o->to, NULL));
    SH_TRY(find_earlier(r));
    SH_TRY(seal_keys(r));
    SH_TRY(settle(r));
    r->planning = true;
    SH_TRY(put_all(r));
    SH_TRY(room(r, r->need));
    r->planning = false;
    SH_TRY(make_root(r));
    SH_TRY(put_all(r));
    SH_TRY(same_ring(r));
    return write_manifest(r);
}

static void explain(const struct run *r, sh_err err)
{
    if (r->diag == NULL || r->diag->message[0] != '\0') {
        return;
    }
    sh_diag_at(r->diag, sh_str_c(r->o->to), 0);
    if (err == SH_E_CANCELED) {
        sh_diag_set(r->diag, "the backup was cancelled");
    } else if (err == SH_E_FULL) {
        sh_diag_set(r->diag, "the disk of the backups is full");
        sh_diag_remedy(r->diag, "remove old backups or name a folder on a larger disk");
    } else {
        sh_diag_set(r->diag, "the backup failed: %s", sh_err_name(err));
        sh_diag_remedy(r->diag, "see the log; can the folder be written?");
    }
}

sh_err sh_backup_run(const struct sh_backup_options *o, struct sh_backup_info *out,
                     struct sh_diag *diag)
{
    struct run r = {.o = o, .env = o->env, .diag = diag};
    r.info.format = SH_BACKUP_FORMAT;
    r.info.started_us = sh_wall_us(o->env->clock);
    (void)snprintf(r.info.version, sizeof r.info.version, "%s", o->version);
    sh_buf_init(&r.keys, o->env->alloc, 8 << 20);
    sh_buf_init(&r.checkpoint, o->env->alloc, 4096);
    r.paths = sh_arena_new(o->env->alloc, OPS_MANIFEST_MAX);
    sh_err err = ops_copier_init(&r.c, o->env, o->crypto);
    err = err == SH_OK && r.paths == NULL ? SH_E_NOMEM : err;
    r.c.progress = o->progress;
    r.c.rate = o->rate;
    if (err == SH_OK) {
        if (o->record != NULL) {
            sh_record_blob_hold(o->record);
        }
        err = copy_all(&r);
        if (o->record != NULL) {
            sh_record_blob_release(o->record);
        }
    }
    if (err != SH_OK) {
        explain(&r, err);
        if (r.made && ops_tree_remove(o->env, r.root) != SH_OK) {
            sh_log(o->env->log, SH_LOG_WARN, "backup", "%s is unfinished; the next one removes it",
                   r.root);
        }
    } else {
        *out = r.info;
    }
    sh_history_snapshot_free(r.snap);
    ops_manifest_free(&r.old);
    ops_copier_fini(&r.c);
    sh_buf_fini(&r.keys);
    sh_str_free(o->env->alloc, &r.ring);
    sh_buf_fini(&r.checkpoint);
    sh_mem_free(o->env->alloc, r.files);
    sh_arena_free(r.paths);
    return err;
}
