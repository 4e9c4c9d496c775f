/* remote_fetch.c - a copy on an SFTP server becomes a backup here again.
 *
 * FOLDER/fetch-ID is filled (each file hashed on its way and synced), its manifest is written, all
 * names are made durable, then it is renamed to FOLDER/ID. After a break it goes on with the file
 * that broke. A sweep removes fetch-* that a power cut left.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "remote_int.h"

struct fetch {
    struct remote r;
    const char *id;
    const char *folder;
    char tmp[OPS_PATH];
    char to[OPS_PATH];
    struct sh_str text;
    struct ops_manifest m;
    size_t next; /* file to be fetched */
};

static sh_err say(struct fetch *f, sh_err err, const char *message, const char *remedy)
{
    sh_diag_set(f->r.diag, "%.64s: %s", f->id, message);
    sh_diag_remedy(f->r.diag, "%s", remedy);
    return err;
}

static sh_err room(struct fetch *f)
{
    const struct sh_fs *fs = f->r.env->fs;
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    SH_TRY(fs->space(fs->ctx, f->folder, &free_bytes, &total));
    const uint64_t reserve = total / 100 * f->r.o->reserve;
    if (free_bytes >= reserve && free_bytes - reserve >= f->m.info.bytes + f->text.n) {
        return SH_OK;
    }
    return say(f, SH_E_FULL, "it does not fit on the disk of the folder",
               "free space, or name a folder on a larger disk");
}

static sh_err head(struct fetch *f)
{
    char path[OPS_PATH];
    SH_TRY(remote_path(&f->r, path, f->id, "manifest.json"));
    sh_err err = remote_read_text(&f->r, path, REMOTE_MANIFEST_MAX, &f->text);
    if (err == SH_E_NOTFOUND) {
        return say(f, err, "there is no such copy on the SFTP server", "list what is there");
    }
    SH_TRY(remote_refused(&f->r, err, "give the manifest"));
    err = ops_manifest_parse(f->r.env, f->r.o->crypto, f->text, &f->m);
    if (err == SH_OK && strcmp(f->m.info.id, f->id) != 0) {
        err = SH_E_CORRUPT;
    }
    if (err == SH_E_CORRUPT || err == SH_E_UNSUPPORTED) {
        return say(f, err,
                   err == SH_E_CORRUPT ? "its manifest on the SFTP server is damaged"
                                       : "it was made by a later version of the program",
                   err == SH_E_CORRUPT ? "fetch another copy" : "fetch it with that version");
    }
    SH_TRY(err);
    if (f->r.o->progress != NULL) {
        atomic_store(&f->r.o->progress->total_bytes, f->m.info.bytes);
    }
    return room(f);
}

static sh_err pour(struct fetch *f, struct sh_file *out, uint64_t want, uint64_t *size)
{
    struct ops_copier *c = &f->r.c;
    for (*size = 0;;) {
        size_t got = 0;
        SH_TRY(sftp_read(f->r.s, c->buf, OPS_CHUNK, &got));
        if (got == 0) {
            return SH_OK;
        }
        if (*size + got > want) {
            return SH_E_CORRUPT;
        }
        SH_TRY(sh_hasher_add(c->hasher, sh_bytes_of(c->buf, got)));
        SH_TRY(sh_fs_pwrite(c->env->fs, out, c->buf, got, *size));
        *size += got;
        SH_TRY(ops_copier_pace(c, got));
        SH_TRY(remote_stopped(f->r.o));
    }
}

static sh_err into(struct fetch *f, const struct ops_file *file, const char *to)
{
    const struct sh_fs *fs = f->r.env->fs;
    struct sh_file *out = NULL;
    uint8_t hash[SH_HASH_BYTES] = {0};
    uint64_t size = 0;
    SH_TRY(sh_fs_open(fs, to, SH_FS_WRITE | SH_FS_CREATE | SH_FS_TRUNC, &out));
    sh_err err = pour(f, out, file->size, &size);
    const sh_err ended = sh_hasher_end(f->r.c.hasher, hash);
    err = err != SH_OK ? err : ended;
    err = err != SH_OK ? err : sh_fs_sync(fs, out);
    sh_fs_close(fs, out);
    if (err == SH_OK && (size != file->size || memcmp(hash, file->hash, sizeof hash) != 0)) {
        err = SH_E_CORRUPT;
    }
    return err;
}

static sh_err one(struct fetch *f, const struct ops_file *file)
{
    char from[OPS_PATH];
    char to[OPS_PATH];
    char dir[OPS_PATH];
    const int n = snprintf(to, sizeof to, "%s/data/%s", f->tmp, file->path);
    if (n < 0 || n >= OPS_PATH) {
        return SH_E_LIMIT;
    }
    memcpy(dir, to, sizeof dir);
    dir[sh_str_rfind(sh_str_c(to), '/')] = '\0';
    SH_TRY(remote_object(&f->r, from, file->hash));
    SH_TRY(sh_fs_mkdirs(f->r.env->fs, dir));
    sh_err err = sftp_read_open(f->r.s, from);
    if (err == SH_OK) {
        err = into(f, file, to);
        sftp_file_close(f->r.s);
    }
    if (err == SH_E_NOTFOUND || err == SH_E_CORRUPT) {
        return say(f, SH_E_CORRUPT, "a file of it is missing or damaged on the SFTP server",
                   "fetch another copy; and look at the server's disk");
    }
    return remote_refused(&f->r, err, "give a file");
}

static sh_err fetch_all(void *ctx)
{
    struct fetch *f = ctx;
    if (f->text.p == NULL) {
        SH_TRY(head(f));
    }
    for (; f->next < f->m.n; f->next++) {
        const uint64_t before =
            f->r.o->progress == NULL ? 0 : atomic_load(&f->r.o->progress->done_bytes);
        SH_TRY(remote_stopped(f->r.o));
        const sh_err err = one(f, &f->m.files[f->next]);
        if (err != SH_OK) {
            if (f->r.o->progress != NULL) {
                atomic_store(&f->r.o->progress->done_bytes, before);
            }
            return err;
        }
        f->r.steps++;
        if (f->r.o->progress != NULL) {
            (void)atomic_fetch_add(&f->r.o->progress->files, 1);
        }
    }
    return SH_OK;
}

static sh_err settle(struct fetch *f)
{
    const struct sh_env *env = f->r.env;
    char path[OPS_PATH];
    SH_TRY(ops_join(path, f->tmp, "manifest.json"));
    SH_TRY(sh_fs_replace(env->fs, path, sh_str_bytes(f->text)));
    SH_TRY(ops_tree_sync(env, f->tmp));
    SH_TRY(sh_fs_rename(env->fs, f->tmp, f->to));
    return sh_fs_sync_dir(env->fs, f->folder);
}

static sh_err prepare(struct fetch *f)
{
    const int n = snprintf(f->tmp, sizeof f->tmp, "%s/fetch-%s", f->folder, f->id);
    if (n < 0 || n >= OPS_PATH) {
        return SH_E_LIMIT;
    }
    if (!sh_backup_id_ok(sh_str_c(f->id))) {
        return say(f, SH_E_INVAL, "this is not the name of a backup", "list what is there");
    }
    SH_TRY(ops_join(f->to, f->folder, f->id));
    if (ops_exists(f->r.env, f->to)) {
        return say(f, SH_E_EXISTS, "it is here already", "remove it first, when it is damaged");
    }
    SH_TRY(sh_fs_mkdirs(f->r.env->fs, f->folder));
    return ops_tree_remove(f->r.env, f->tmp);
}

sh_err sh_remote_fetch(const struct sh_remote_options *o, const char *id, const char *folder,
                       struct sh_backup_info *out, struct sh_diag *diag)
{
    struct fetch f = {.r = {.o = o, .env = o->env, .diag = diag}, .id = id, .folder = folder};
    sh_err err = ops_copier_init(&f.r.c, o->env, o->crypto);
    f.r.c.progress = o->progress;
    f.r.c.rate = o->rate;
    err = err != SH_OK ? err : prepare(&f);
    if (err == SH_OK) {
        err = remote_run(&f.r, fetch_all, &f);
        err = err != SH_OK ? err : settle(&f);
        if (err != SH_OK && ops_tree_remove(o->env, f.tmp) != SH_OK) {
            sh_log(o->env->log, SH_LOG_WARN, "backup", "%s is left over: remove it", f.tmp);
        }
    }
    if (err == SH_OK) {
        *out = f.m.info;
    } else if (diag->message[0] == '\0') {
        sh_diag_set(diag, "the copy could not be fetched: %s", sh_err_name(err));
        sh_diag_remedy(diag, "nothing of it is left; look at the disk, and try again");
    }
    sh_str_free(o->env->alloc, &f.text);
    ops_manifest_free(&f.m);
    ops_copier_fini(&f.r.c);
    return err;
}
