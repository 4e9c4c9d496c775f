/* recover.c - reads the log at open and replays it.
 * Rules:
 * 1. Files are read in the order of their numbers, groups in the order of their offsets.
 * 2. A group whose header or body is wrong is skipped up to the next good group of the same file
 *    life. With a good one behind it: damage in the middle, the file is kept aside when it is given
 *    back. With none: the end; what was there is an unfinished write (never acknowledged) if it is
 *    the end of the log.
 * 3. A record is given to its owner once, if its sequence is above the owner's checkpoint.
 * 4. prev_seq of a group above all that was seen: records are missing, and that is said.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal_int.h"

struct walk {
    struct sh_journal *j;
    const char *path;
    struct sh_bytes bytes;
    uint64_t file_id;
    bool id_known;
    uint64_t last; /* newest sequence seen, over all files */
    bool last_known;
    size_t end; /* behind the last good group of this file */
    bool
        no_memory; /* an owner could not take a record: the start fails, the next one tries again */
    uint64_t records;
};

static void tell(const struct walk *w, enum sh_journal_trouble what, size_t off, size_t n)
{
    journal_tell(w->j, &(struct sh_journal_report){
                           .what = what, .file = w->path, .offset = off, .bytes = n});
}

static void record_replay(struct walk *w, const struct log_record *r, uint64_t seq)
{
    struct sh_journal *j = w->j;
    struct journal_owner *o = r->owner < SH_JOURNAL_OWNERS ? &j->owners[r->owner] : NULL;
    if (o == NULL || o->o.apply == NULL) {
        return; /* an owner this program does not have */
    }
    o->last_seq = seq;
    if (seq <= o->checkpoint) {
        return;
    }
    const struct sh_journal_record rec = {
        .seq = seq, .owner = r->owner, .kind = r->kind, .data = r->data};
    const sh_err err = o->o.apply(o->o.ctx, &rec);
    j->st.replayed++;
    if (err != SH_OK) {
        j->st.apply_errors++;
        w->no_memory = w->no_memory || err == SH_E_NOMEM;
        sh_log(j->env->log, SH_LOG_WARN, "journal", "record %" PRIu64 " of %s: %s", seq, o->o.name,
               sh_err_name(err));
    }
}

static void group_replay(struct walk *w, size_t off, const struct log_group *g,
                         struct journal_file *f)
{
    const uint64_t last = g->first_seq + g->records - 1;
    if (w->last_known && g->prev_seq > w->last) {
        journal_tell(w->j, &(struct sh_journal_report){.what = SH_JOURNAL_LOST,
                                                       .file = w->path,
                                                       .offset = off,
                                                       .first_seq = w->last + 1,
                                                       .last_seq = g->prev_seq});
    }
    struct sh_rd body = {w->bytes.p + off + LOG_GROUP_HEAD,
                         w->bytes.p + off + LOG_GROUP_HEAD + g->body_len};
    for (uint32_t i = 0; i < g->records; i++) {
        struct log_record r;
        if (log_record_read(&body, &r) != SH_OK) {
            tell(w, SH_JOURNAL_DAMAGED, off, g->body_len);
            f->damaged = true;
            break;
        }
        const uint64_t seq = g->first_seq + i;
        w->records++;
        if (!w->last_known || seq > w->last) {
            record_replay(w, &r, seq);
        }
    }
    if (!w->last_known || last > w->last) {
        w->last = last;
        w->last_known = true;
    }
    if (f->first_seq == 0) {
        f->first_seq = g->first_seq;
    }
    if (last > f->last_seq) {
        f->last_seq = last;
    }
}

static bool group_at(const struct walk *w, size_t off, struct log_group *g)
{
    const struct sh_bytes in = {w->bytes.p + off, w->bytes.n - off};
    return log_group_read(in, g) == SH_OK && w->id_known && g->file_id == w->file_id;
}

/* Offset of the next good group at or after off, or SIZE_MAX. */
static size_t group_find(const struct walk *w, size_t off, struct log_group *g)
{
    for (; off < w->bytes.n && w->bytes.n - off >= LOG_GROUP_HEAD; off += LOG_BLOCK) {
        if (group_at(w, off, g)) {
            return off;
        }
    }
    return SIZE_MAX;
}

/* Is there the rest of an unfinished write behind the last good group? */
static bool tail_torn(const struct walk *w, bool recycled)
{
    if (w->end >= w->bytes.n) {
        return false;
    }
    const uint8_t *p = w->bytes.p + w->end;
    const size_t left = w->bytes.n - w->end;
    if (left >= 16 && memcmp(p, "SHJG", 4) == 0 && sh_le64(p + 8) == w->file_id) {
        return true;
    }
    if (recycled) {
        return false; /* what is left of the file's former life looks the same */
    }
    for (size_t i = 0; i < left && i < LOG_BLOCK; i++) {
        if (p[i] != 0) {
            return true;
        }
    }
    return false;
}

static void file_walk(struct walk *w, struct journal_file *f, bool newest)
{
    struct log_file_head head = {0};
    w->id_known = log_file_head_read(w->bytes, &head) == SH_OK;
    w->file_id = head.file_id;
    if (!w->id_known) {
        struct log_group g;
        const size_t off = w->bytes.n < LOG_BLOCK ? w->bytes.n : LOG_BLOCK;
        const struct sh_bytes in = {w->bytes.p + off, w->bytes.n - off};
        w->id_known = log_group_read(in, &g) == SH_OK;
        w->file_id = w->id_known ? g.file_id : 0;
        f->damaged = true;
        tell(w, SH_JOURNAL_DAMAGED, 0, w->bytes.n < LOG_BLOCK ? w->bytes.n : LOG_BLOCK);
    }
    w->end = LOG_BLOCK;
    for (;;) {
        struct log_group g;
        const size_t off = group_find(w, w->end, &g);
        if (off == SIZE_MAX) {
            break;
        }
        if (off != w->end) {
            f->damaged = true;
            tell(w, SH_JOURNAL_DAMAGED, w->end, off - w->end);
        }
        group_replay(w, off, &g, f);
        w->end = off + log_block_align((size_t)LOG_GROUP_HEAD + g.body_len);
    }
    f->used = w->end;
    if (newest && tail_torn(w, head.recycled != 0)) {
        tell(w, SH_JOURNAL_TORN_TAIL, w->end, 0);
    }
}

/* The newest file goes on being written when it is whole. */
static sh_err file_continue(struct sh_journal *j, const struct walk *w, struct journal_file *f)
{
    f->whole = w->bytes.n == j->o.segment_bytes;
    if (f->damaged || !f->whole || w->end + LOG_BLOCK > w->bytes.n) {
        return SH_OK;
    }
    SH_TRY(sh_fs_open(j->env->fs, w->path, SH_FS_WRITE | SH_FS_DSYNC, &j->cur));
    j->cur_id = w->file_id;
    j->cur_off = w->end;
    return SH_OK;
}

static sh_err file_replay(struct sh_journal *j, struct walk *w, uint64_t number, bool newest)
{
    const struct sh_fs *fs = j->env->fs;
    char path[JOURNAL_PATH];
    struct sh_file *file = NULL;
    struct sh_fs_map map = {0};
    journal_log_path(j, number, path);
    w->path = path;
    struct journal_file *f = journal_file_add(j, number);
    if (f == NULL) {
        w->path = NULL;
        return SH_E_NOMEM;
    }
    sh_err err = sh_fs_open(fs, path, SH_FS_READ, &file);
    if (err == SH_OK) {
        err = fs->map(fs->ctx, file, &map);
    }
    if (err == SH_OK) {
        w->bytes = (struct sh_bytes){map.p, map.n};
        file_walk(w, f, newest);
        f->whole = map.n == j->o.segment_bytes;
        if (w->no_memory) {
            err = SH_E_NOMEM;
        } else if (newest) {
            err = file_continue(j, w, f);
        }
        fs->unmap(fs->ctx, &map);
    } else if (err != SH_E_NOMEM) {
        f->damaged = true;
        journal_tell(j, &(struct sh_journal_report){.what = SH_JOURNAL_DAMAGED, .file = path});
        err = SH_OK; /* the rest is served */
    }
    sh_fs_close(fs, file);
    w->path = NULL;
    return err;
}

enum { MAKING_MAX = 16 };

struct listing {
    struct sh_journal *j;
    uint64_t *numbers;
    size_t n;
    size_t cap;
    size_t nspares;
    uint64_t making[MAKING_MAX]; /* half-made by a run that ended; one each time at most */
    size_t nmaking;
};

static bool name_number(const char *name, const char *suffix, uint64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        const char c = name[i];
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *out = v;
    return strcmp(name + 16, suffix) == 0;
}

static sh_err list_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    struct sh_journal *j = l->j;
    uint64_t number = 0;
    if (is_dir) {
        return SH_OK;
    }
    const bool log = name_number(name, ".log", &number);
    const bool spare = !log && name_number(name, ".spare", &number);
    const bool making = !log && !spare && name_number(name, ".making", &number);
    if (!log && !spare && !making) {
        return SH_OK;
    }
    if (number >= j->next_number) {
        j->next_number = number + 1;
    }
    if (making) {
        if (l->nmaking < MAKING_MAX) { /* the rest at the next open */
            l->making[l->nmaking++] = number;
        }
        return SH_OK;
    }
    if (l->n + l->nspares == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        uint64_t *p = sh_mem_resize(j->env->alloc, l->numbers, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        l->numbers = p;
        l->cap = cap;
    }
    if (log) { /* logs from the front, spares behind them */
        l->numbers[l->n + l->nspares] = l->numbers[l->n];
        l->numbers[l->n++] = number;
    } else {
        l->numbers[l->n + l->nspares++] = number;
    }
    return SH_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

/* Keeps whole spares, removes the others. */
static void spares_adopt(struct sh_journal *j, const uint64_t *numbers, size_t n)
{
    const struct sh_fs *fs = j->env->fs;
    for (size_t i = 0; i < n; i++) {
        char path[JOURNAL_PATH];
        struct sh_file *f = NULL;
        uint64_t size = 0;
        journal_spare_path(j, numbers[i], path);
        sh_err err = sh_fs_open(fs, path, SH_FS_READ, &f);
        if (err == SH_OK) {
            err = sh_fs_size(fs, f, &size);
        }
        sh_fs_close(fs, f);
        if (err == SH_OK && size == j->o.segment_bytes && j->nspares < JOURNAL_SPARES) {
            j->spares[j->nspares++] = numbers[i];
        } else {
            err = sh_fs_unlink(fs, path);
            SH_UNUSED(err);
        }
    }
}

/* They were never used: the rename comes when a file is whole. */
static void half_made_remove(struct sh_journal *j, const struct listing *l)
{
    for (size_t i = 0; i < l->nmaking; i++) {
        char path[JOURNAL_PATH];
        journal_making_path(j, l->making[i], path);
        const sh_err gone = sh_fs_unlink(j->env->fs, path);
        SH_UNUSED(gone);
    }
}

sh_err journal_recover(struct sh_journal *j)
{
    const struct sh_fs *fs = j->env->fs;
    struct listing l = {.j = j};
    struct walk w = {.j = j};
    j->next_number = 1;
    sh_err err = fs->list(fs->ctx, j->dir, list_entry, &l);
    if (err == SH_OK) {
        err = journal_checkpoint_load(j, &w.last, &w.last_known);
    }
    if (err != SH_OK) {
        goto out;
    }
    if (l.n != 0) {
        qsort(l.numbers, l.n, sizeof *l.numbers, by_number);
    }
    for (size_t i = 0; i < l.n && err == SH_OK; i++) {
        err = file_replay(j, &w, l.numbers[i], i + 1 == l.n);
    }
    if (err != SH_OK) {
        goto out;
    }
    half_made_remove(j, &l);
    if (l.nspares != 0) {
        spares_adopt(j, l.numbers + l.n, l.nspares);
    }
    for (size_t i = 0; i < SH_JOURNAL_OWNERS; i++) {
        if (j->owners[i].checkpoint > w.last) {
            w.last = j->owners[i].checkpoint;
        }
    }
    j->prev_seq = w.last;
    w.last = w.last < j->o.after_seq ? j->o.after_seq : w.last;
    j->next_seq = w.last + 1;
    j->done_seq = w.last;
out:
    sh_mem_free(j->env->alloc, l.numbers);
    return err;
}

/* The log files by number, the checkpoint, and a walk through all. */
static sh_err look(struct sh_journal *j, struct listing *l, struct walk *w)
{
    const struct sh_fs *fs = j->env->fs;
    const sh_err listed = fs->list(fs->ctx, j->dir, list_entry, l);
    if (listed != SH_OK) {
        return listed == SH_E_NOTFOUND ? SH_OK : listed;
    }
    SH_TRY(journal_checkpoint_load(j, &w->last, &w->last_known));
    if (l->n != 0) {
        qsort(l->numbers, l->n, sizeof *l->numbers, by_number);
    }
    for (size_t i = 0; i < l->n; i++) {
        SH_TRY(file_replay(j, w, l->numbers[i], i + 1 == l->n));
    }
    return SH_OK;
}

sh_err sh_journal_check(const struct sh_env *env, const struct sh_journal_options *o,
                        struct sh_journal_found *out)
{
    struct sh_journal *j = sh_mem_new(env->alloc, sizeof *j);
    if (j == NULL) {
        return SH_E_NOMEM;
    }
    struct listing l = {.j = j};
    struct walk w = {.j = j};
    j->env = env;
    j->o = *o;
    j->only_look = true;
    (void)snprintf(j->dir, sizeof j->dir, "%s", o->dir);
    sh_mutex_init(&j->files_lock);
    for (size_t i = 0; i < o->owner_count; i++) {
        j->owners[o->owners[i].id].o = o->owners[i];
    }
    const sh_err err = look(j, &l, &w);
    *out = (struct sh_journal_found){.files = l.n, .records = w.records, .last_seq = w.last};
    for (size_t i = 0; i < j->nfiles; i++) {
        out->bytes += j->files[i].used;
    }
    sh_fs_close(env->fs, j->cur);
    sh_mutex_fini(&j->files_lock);
    sh_mem_free(env->alloc, j->files);
    sh_mem_free(env->alloc, l.numbers);
    sh_mem_free(env->alloc, j);
    return err;
}
