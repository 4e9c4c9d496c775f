/* checkpoint.c - how far each owner is, and giving files back.
 * File "checkpoint": "SHJCKP\r\n" u32 version=1 u32 crc (of all with this field zero) u64 cut
 * u64 seq[16]. All records up to `cut` were needed by nobody when it was written.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "journal_int.h"

enum { CKP_VERSION = 1, CKP_SIZE = 24 + 8 * SH_JOURNAL_OWNERS };

static const uint8_t ckp_magic[8] = {'S', 'H', 'J', 'C', 'K', 'P', '\r', '\n'};

static void ckp_path(const struct sh_journal *j, char out[JOURNAL_PATH])
{
    (void)snprintf(out, JOURNAL_PATH, "%.470s/checkpoint", j->dir);
}

/* Every record up to the answer may go; lock is held. */
uint64_t journal_cut_point(struct sh_journal *j)
{
    uint64_t cut = j->done_seq;
    for (size_t i = 1; i < SH_JOURNAL_OWNERS; i++) {
        const struct journal_owner *o = &j->owners[i];
        if (o->last_seq > o->checkpoint && o->checkpoint < cut) {
            cut = o->checkpoint;
        }
    }
    return cut;
}

/* Bytes of log in files that hold records after after_seq. */
uint64_t journal_pinned(struct sh_journal *j, uint64_t after_seq)
{
    uint64_t bytes = 0;
    sh_mutex_lock(&j->files_lock);
    for (size_t i = 0; i < j->nfiles; i++) {
        if (j->files[i].last_seq > after_seq) {
            bytes += j->files[i].used;
        }
    }
    sh_mutex_unlock(&j->files_lock);
    return bytes;
}

sh_err journal_checkpoint_load(struct sh_journal *j, uint64_t *cut, bool *known)
{
    char path[JOURNAL_PATH];
    struct sh_str s = {NULL, 0};
    ckp_path(j, path);
    *known = false;
    *cut = 0;
    const sh_err err = sh_fs_read_all(j->env->fs, j->env->alloc, path, (size_t)CKP_SIZE * 2, &s);
    if (err == SH_E_NOTFOUND) {
        return SH_OK;
    }
    if (err == SH_E_NOMEM) {
        return err;
    }
    uint8_t b[CKP_SIZE] = {0};
    bool ok = err == SH_OK && s.n == CKP_SIZE;
    if (ok) {
        memcpy(b, s.p, CKP_SIZE);
        const uint32_t crc = sh_le32(b + 12);
        sh_put_le32(b + 12, 0);
        ok = memcmp(b, ckp_magic, sizeof ckp_magic) == 0 && sh_le32(b + 8) == CKP_VERSION &&
             sh_crc32c(0, b, CKP_SIZE) == crc;
    }
    sh_str_free(j->env->alloc, &s);
    if (!ok) {
        if (!j->only_look) {
            char aside[JOURNAL_PATH + 16];
            (void)snprintf(aside, sizeof aside, "%s.damaged", path);
            const sh_err moved = sh_fs_rename(j->env->fs, path, aside);
            SH_UNUSED(moved);
        }
        journal_tell(j, &(struct sh_journal_report){.what = SH_JOURNAL_CHECKPOINT, .file = path});
        return SH_OK;
    }
    *known = true;
    *cut = sh_le64(b + 16);
    for (size_t i = 0; i < SH_JOURNAL_OWNERS; i++) {
        j->owners[i].checkpoint = sh_le64(b + 24 + 8 * i);
    }
    return SH_OK;
}

static void ckp_make(const uint64_t seqs[SH_JOURNAL_OWNERS], uint64_t cut, uint8_t b[CKP_SIZE])
{
    memset(b, 0, CKP_SIZE);
    memcpy(b, ckp_magic, sizeof ckp_magic);
    sh_put_le32(b + 8, CKP_VERSION);
    sh_put_le64(b + 16, cut);
    for (size_t i = 0; i < SH_JOURNAL_OWNERS; i++) {
        sh_put_le64(b + 24 + 8 * i, seqs[i]);
    }
    sh_put_le32(b + 12, sh_crc32c(0, b, CKP_SIZE));
}

/* files_lock is held. */
static sh_err ckp_write(struct sh_journal *j, const uint64_t seqs[SH_JOURNAL_OWNERS], uint64_t cut)
{
    uint8_t b[CKP_SIZE];
    char path[JOURNAL_PATH];
    ckp_path(j, path);
    ckp_make(seqs, cut, b);
    return sh_fs_replace(j->env->fs, path, sh_bytes_of(b, sizeof b));
}

sh_err sh_journal_checkpoint_image(const uint64_t seqs[SH_JOURNAL_OWNERS], uint64_t last,
                                   struct sh_buf *out)
{
    uint8_t b[CKP_SIZE];
    ckp_make(seqs, last, b);
    return sh_buf_put(out, b, sizeof b);
}

/* Recycles, keeps aside or removes one file; files_lock is held. */
static sh_err file_give_back(struct sh_journal *j, const struct journal_file *f)
{
    const struct sh_fs *fs = j->env->fs;
    char path[JOURNAL_PATH];
    journal_log_path(j, f->number, path);
    if (f->damaged) {
        char to[JOURNAL_PATH + 16];
        (void)snprintf(to, sizeof to, "%s.damaged", path);
        return sh_fs_rename(fs, path, to);
    }
    if (f->whole && j->nspares < JOURNAL_SPARES) {
        char spare[JOURNAL_PATH];
        journal_spare_path(j, f->number, spare);
        SH_TRY(sh_fs_rename(fs, path, spare));
        j->spares[j->nspares++] = f->number;
        return SH_OK;
    }
    return sh_fs_unlink(fs, path);
}

/* Gives back all leading files that end at or before cut; files_lock is held. */
static sh_err files_cut(struct sh_journal *j, uint64_t cut)
{
    size_t n = 0;
    sh_err err = SH_OK;
    while (n + 1 < j->nfiles && j->files[n].last_seq <= cut) {
        err = file_give_back(j, &j->files[n]);
        if (err != SH_OK) {
            break;
        }
        n++;
    }
    if (n != 0) {
        memmove(j->files, j->files + n, (j->nfiles - n) * sizeof *j->files);
        j->nfiles -= n;
        const sh_err synced = sh_fs_sync_dir(j->env->fs, j->dir);
        err = err != SH_OK ? err : synced;
    }
    return err;
}

sh_err sh_journal_checkpoint(struct sh_journal *j, uint8_t owner, uint64_t seq)
{
    if (owner == 0 || owner >= SH_JOURNAL_OWNERS) {
        return SH_E_INVAL;
    }
    uint64_t seqs[SH_JOURNAL_OWNERS];
    sh_mutex_lock(&j->files_lock);
    sh_mutex_lock(&j->lock);
    struct journal_owner *o = &j->owners[owner];
    const uint64_t before = o->checkpoint;
    const bool forward = seq > before;
    if (forward) {
        o->checkpoint = seq;
        o->asked = 0;
    }
    const uint64_t cut = journal_cut_point(j);
    for (size_t i = 0; i < SH_JOURNAL_OWNERS; i++) {
        seqs[i] = j->owners[i].checkpoint;
    }
    sh_mutex_unlock(&j->lock);
    sh_err err = forward ? ckp_write(j, seqs, cut) : SH_OK;
    if (err != SH_OK) {
        sh_mutex_lock(&j->lock);
        o->checkpoint = before;
        sh_mutex_unlock(&j->lock);
    } else if (forward) {
        err = files_cut(j, cut);
    }
    const bool spare = j->nspares > 0;
    sh_mutex_unlock(&j->files_lock);
    sh_mutex_lock(&j->lock);
    if (spare && j->st.full) {
        sh_cond_signal(&j->work);
    }
    sh_mutex_unlock(&j->lock);
    return err;
}

uint64_t sh_journal_checkpointed(struct sh_journal *j, uint8_t owner)
{
    if (owner >= SH_JOURNAL_OWNERS) {
        return 0;
    }
    sh_mutex_lock(&j->lock);
    const uint64_t seq = j->owners[owner].checkpoint;
    sh_mutex_unlock(&j->lock);
    return seq;
}
