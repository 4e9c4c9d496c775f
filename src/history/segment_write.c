/* segment_write.c - the writer of segment.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "segment.h"
#include "segment_int.h"

enum { OUT_SOFT = 1 << 20, OUT_MAX = OUT_SOFT + BLOCK_BYTES_MAX * 2, INDEX_MAX = 1 << 30 };

void segment_path(const char *dir, uint64_t id, const char *suffix, char out[SEG_PATH])
{
    (void)snprintf(out, SEG_PATH, "%.460s/%016" PRIx64 "%s", dir, id, suffix);
}

static sh_err drain(struct segment_writer *w, size_t above)
{
    if (w->out.n <= above) {
        return SH_OK;
    }
    SH_TRY(sh_fs_pwrite(w->env->fs, w->file, w->out.p, w->out.n, w->off));
    w->off += w->out.n;
    sh_buf_clear(&w->out);
    return SH_OK;
}

sh_err segment_writer_open(struct segment_writer *w, const struct sh_env *env, const char *dir,
                           const struct segment_info *info)
{
    memset(w, 0, sizeof *w);
    w->env = env;
    w->dir = dir;
    w->info = *info;
    w->info.t_min = INT64_MAX;
    w->info.t_max = INT64_MIN;
    w->info.samples = 0;
    w->info.series = 0;
    sh_buf_init(&w->out, env->alloc, OUT_MAX);
    sh_buf_init(&w->metas, env->alloc, INDEX_MAX);
    sh_buf_init(&w->series, env->alloc, INDEX_MAX);
    sh_buf_init(&w->bare, env->alloc, INDEX_MAX);
    roll_build_init(&w->roll, env->alloc, info->roll_min);
    sh_buf_init(&w->index, env->alloc, INDEX_MAX);
    segment_path(dir, info->id, ".tmp", w->tmp);
    segment_path(dir, info->id, ".shs", w->path);
    w->scratch = sh_mem_resize(env->alloc, NULL, sizeof *w->scratch);
    if (w->scratch == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(sh_fs_open(env->fs, w->tmp, SH_FS_WRITE | SH_FS_CREATE | SH_FS_TRUNC, &w->file));
    uint8_t head[SEG_HEADER] = {0};
    memcpy(head, segment_magic, 8);
    sh_put_le32(head + 8, SEG_VERSION);
    sh_put_le64(head + 16, info->id);
    sh_put_le64(head + 24, info->seq_min);
    sh_put_le64(head + 32, info->seq_max);
    sh_put_le32(head + 12, sh_crc32c(0, head, sizeof head));
    w->prev_end = SEG_HEADER;
    return sh_buf_put(&w->out, head, sizeof head);
}

/* Closes the current series: its metas and directory entry. */
static sh_err series_end(struct segment_writer *w)
{
    if (w->blocks == 0) {
        return SH_OK;
    }
    uint64_t mean = 0;
    const size_t start = w->metas.n;
    if (w->info.rolled) {
        SH_TRY(roll_build_end(&w->roll, &w->metas, &mean));
    }
    if (mean != 0) {
        SH_TRY(sh_buf_put_le32(&w->metas, (uint32_t)(w->metas.n - start)));
    }
    const struct sh_buf *metas = mean != 0 && mean <= BLOCK_MAX ? &w->bare : &w->series;
    const uint64_t off = w->metas.n;
    const uint32_t flags = mean != 0 ? DIR_ROLLED << 8 : 0;
    SH_TRY(sh_buf_put_le32(&w->metas, sh_crc32c(0, metas->p, metas->n)));
    SH_TRY(sh_buf_put(&w->metas, metas->p, metas->n));
    SH_TRY(sh_buf_put_le32(&w->index, w->point));
    SH_TRY(sh_buf_put_le32(&w->index, (uint32_t)w->type | flags));
    SH_TRY(sh_buf_put_le32(&w->index, w->blocks));
    SH_TRY(sh_buf_put_le32(&w->index, (uint32_t)metas->n + 4));
    SH_TRY(sh_buf_put_le64(&w->index, off)); /* made absolute by finish */
    sh_buf_clear(&w->series);
    sh_buf_clear(&w->bare);
    w->blocks = 0;
    w->info.series++;
    return SH_OK;
}

static sh_err series_begin(struct segment_writer *w, uint32_t point, enum sh_type type)
{
    if (w->blocks != 0 && w->point == point) {
        return SH_OK;
    }
    SH_ASSERT(w->blocks == 0 || w->point < point);
    SH_TRY(series_end(w));
    w->point = point;
    w->type = type;
    w->prev_t = 0;
    w->prev_end = SEG_HEADER;
    w->step = 0;
    roll_build_begin(&w->roll, type, ROLL_MINUTE);
    return SH_OK;
}

/* Are its samples as far from each other as those of the block before, and from that? */
static bool goes_on(const struct segment_writer *w, const struct block_ref *r)
{
    return w->blocks != 0 && w->step != 0 &&
           (uint64_t)r->t_first == (uint64_t)w->prev_t + w->step &&
           (uint64_t)r->t_last == (uint64_t)r->t_first + w->step * (r->n - 1);
}

/* One block's meta; its summary only if told so. */
static sh_err meta_write(const struct segment_writer *w, const struct block_ref *r, bool summary,
                         struct sh_buf *o)
{
    const bool next = w->blocks != 0 && r->off == meta_align(w->prev_end);
    const bool full = r->n == BLOCK_MAX;
    const bool even = goes_on(w, r);
    summary = summary && r->summary.n != 0;
    SH_TRY(sh_buf_put_u8(o, (uint8_t)((next ? META_NEXT : 0) | (full ? META_FULL : 0) |
                                      (even ? META_EVEN : 0) | (summary ? 0 : META_NO_SUM))));
    if (!next) {
        SH_TRY(sh_buf_put_varint(o, r->off - w->prev_end));
    }
    SH_TRY(sh_buf_put_varint(o, r->size));
    if (!full) {
        SH_TRY(sh_buf_put_varint(o, r->n));
    }
    if (!even) {
        SH_TRY(sh_buf_put_varint(o, ints_zigzag((uint64_t)r->t_first - (uint64_t)w->prev_t)));
        SH_TRY(sh_buf_put_varint(o, (uint64_t)r->t_last - (uint64_t)r->t_first));
    }
    if (summary) {
        SH_TRY(sh_buf_put_varint(o, r->summary.n));
        SH_TRY(sh_buf_put(o, r->summary.p, r->summary.n));
    }
    return SH_OK;
}

static sh_err meta_put(struct segment_writer *w, const struct block_ref *r)
{
    SH_TRY(meta_write(w, r, true, &w->series));
    if (w->info.rolled) {
        SH_TRY(meta_write(w, r, false, &w->bare));
    }
    const bool even = goes_on(w, r);
    w->step = even ? w->step : meta_step(r->t_first, r->t_last, r->n);
    w->prev_t = r->t_last;
    w->prev_end = r->off + r->size;
    w->blocks++;
    w->info.samples += r->n;
    w->info.t_min = r->t_first < w->info.t_min ? r->t_first : w->info.t_min;
    w->info.t_max = r->t_last > w->info.t_max ? r->t_last : w->info.t_max;
    return SH_OK;
}

static sh_err pad(struct segment_writer *w)
{
    while ((w->off + w->out.n) % BLOCK_ALIGN != 0) {
        SH_TRY(sh_buf_put_u8(&w->out, 0));
    }
    return drain(w, OUT_SOFT);
}

/* Index of a block whose bytes are written: summary (unless it has one), roll-ups. */
static sh_err index_put(struct segment_writer *w, struct block_ref *r, const struct block_in *in)
{
    struct summary sum;
    struct sh_buf text;
    if (w->info.rolled) {
        SH_TRY(roll_build_add(&w->roll, in->n, in->time, in->value, in->quality));
    }
    if (r->summary.n != 0) {
        return meta_put(w, r);
    }
    summary_make(in->type, in->n, in->time, in->value, in->quality, &sum);
    sh_buf_init(&text, w->env->alloc, 4096);
    sh_err err = summary_write(in->type, &sum, r->t_first, r->t_last, &text);
    if (err == SH_OK) {
        r->summary = sh_buf_bytes(&text);
        err = meta_put(w, r);
    }
    sh_buf_fini(&text);
    return err;
}

sh_err segment_writer_block(struct segment_writer *w, const struct block_in *in,
                            enum block_effort effort)
{
    SH_TRY(series_begin(w, in->point, in->type));
    struct block_ref r = {.off = w->off + w->out.n,
                          .n = in->n,
                          .t_first = in->time[0],
                          .t_last = in->time[in->n - 1]};
    const size_t start = w->out.n;
    SH_TRY(block_encode(w->env->alloc, w->scratch, in, effort, &w->out));
    r.size = (uint32_t)(w->out.n - start);
    SH_TRY(index_put(w, &r, in));
    return pad(w);
}

sh_err segment_writer_copy(struct segment_writer *w, const struct block_ref *from,
                           const struct block_cols *cols)
{
    const struct block_in in = {.point = from->point,
                                .type = from->type,
                                .n = cols == NULL ? 0 : cols->n,
                                .time = cols == NULL ? NULL : cols->time,
                                .value = cols == NULL ? NULL : cols->value,
                                .quality = cols == NULL ? NULL : cols->quality};
    SH_ASSERT(cols != NULL || (!w->info.rolled && from->summary.n != 0));
    SH_TRY(series_begin(w, from->point, from->type));
    struct block_ref r = *from;
    const struct sh_bytes b = segment_block(from);
    r.off = w->off + w->out.n;
    SH_TRY(sh_buf_put(&w->out, b.p, from->size));
    SH_TRY(index_put(w, &r, &in));
    return pad(w);
}

static void footer_make(const struct segment_writer *w, uint64_t dir_off, uint32_t nreplaces,
                        uint32_t replaces_crc, uint8_t f[SEG_FOOTER])
{
    const struct segment_info *i = &w->info;
    memset(f, 0, SEG_FOOTER);
    memcpy(f, segment_footer_magic, 8);
    sh_put_le32(f + 8, SEG_VERSION);
    sh_put_le64(f + 16, i->id);
    sh_put_le64(f + 24, dir_off);
    sh_put_le32(f + 32, i->series);
    sh_put_le32(f + 36, sh_crc32c(0, w->index.p, w->index.n));
    sh_put_le64(f + 40, (uint64_t)i->t_min);
    sh_put_le64(f + 48, (uint64_t)i->t_max);
    sh_put_le64(f + 56, i->seq_min);
    sh_put_le64(f + 64, i->seq_max);
    sh_put_le64(f + 72, i->samples);
    sh_put_le64(f + 80, i->group);
    sh_put_le32(f + 88, i->part);
    sh_put_le32(f + 92, i->parts);
    sh_put_le64(f + 96, dir_off + w->index.n);
    sh_put_le32(f + 104, nreplaces);
    sh_put_le32(f + 108, replaces_crc);
    sh_put_le32(f + 112, (i->unsplit ? SEG_F_UNSPLIT : 0) | (i->cold ? SEG_F_COLD : 0) |
                             (i->rolled ? SEG_F_ROLLED : 0));
    sh_put_le32(f + 12, sh_crc32c(0, f, SEG_FOOTER));
}

static sh_err tail_write(struct segment_writer *w, const uint64_t *replaces, uint32_t nreplaces)
{
    SH_TRY(series_end(w));
    SH_TRY(drain(w, 0));
    const uint64_t metas = w->off;
    for (size_t i = 0; i < w->info.series; i++) {
        uint8_t *e = w->index.p + i * SEG_DIR_ENTRY + 16;
        sh_put_le64(e, sh_le64(e) + metas);
    }
    SH_TRY(sh_buf_put(&w->out, w->metas.p, w->metas.n));
    SH_TRY(drain(w, 0));
    const uint64_t dir_off = w->off;
    SH_TRY(sh_buf_put(&w->out, w->index.p, w->index.n));
    const size_t list = w->out.n;
    for (uint32_t i = 0; i < nreplaces; i++) {
        SH_TRY(sh_buf_put_le64(&w->out, replaces[i]));
    }
    uint32_t crc = 0;
    if (nreplaces != 0) {
        crc = sh_crc32c(0, w->out.p + list, w->out.n - list);
    }
    uint8_t footer[SEG_FOOTER];
    footer_make(w, dir_off, nreplaces, crc, footer);
    SH_TRY(sh_buf_put(&w->out, footer, sizeof footer));
    return drain(w, 0);
}

sh_err segment_writer_finish(struct segment_writer *w, const uint64_t *replaces, uint32_t nreplaces)
{
    const struct sh_fs *fs = w->env->fs;
    SH_TRY(tail_write(w, replaces, nreplaces));
    SH_TRY(sh_fs_sync(fs, w->file));
    sh_fs_close(fs, w->file);
    w->file = NULL;
    SH_TRY(sh_fs_rename(fs, w->tmp, w->path));
    w->size = w->off;
    w->tmp[0] = '\0';
    return sh_fs_sync_dir(fs, w->dir);
}

void segment_writer_close(struct segment_writer *w)
{
    if (w->env == NULL) {
        return;
    }
    sh_fs_close(w->env->fs, w->file);
    if (w->tmp[0] != '\0') {
        const sh_err err = sh_fs_unlink(w->env->fs, w->tmp);
        SH_UNUSED(err); /* removed at the next start else */
    }
    sh_buf_fini(&w->out);
    sh_buf_fini(&w->metas);
    sh_buf_fini(&w->series);
    sh_buf_fini(&w->bare);
    roll_build_fini(&w->roll);
    sh_buf_fini(&w->index);
    sh_mem_free(w->env->alloc, w->scratch);
    w->env = NULL;
}
