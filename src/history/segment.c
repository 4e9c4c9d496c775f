/* segment.c - the reader of segment.h. Nothing that is read is trusted: every offset is checked
 * against the map, every part against its crc.
 * SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>

#include "segment_int.h"

void ref_list_init(struct ref_list *l, const struct sh_alloc *a, size_t max)
{
    *l = (struct ref_list){.alloc = a, .max = max};
}

void ref_list_fini(struct ref_list *l)
{
    sh_mem_free(l->alloc, l->p);
    l->p = NULL;
    l->n = 0;
    l->cap = 0;
}

sh_err ref_list_add(struct ref_list *l, const struct block_ref *r)
{
    if (l->n == l->max) {
        return SH_E_LIMIT;
    }
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 32 : l->cap * 2;
        struct block_ref *p = sh_mem_resize(l->alloc, l->p, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = *r;
    return SH_OK;
}

struct segment *segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void segment_unref(struct segment *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    const struct sh_env *env = s->env;
    if (s->map.p != NULL) {
        env->fs->unmap(env->fs->ctx, &s->map);
    }
    sh_mem_free(env->alloc, s->found);
    sh_mem_free(env->alloc, s);
}

struct sh_bytes segment_block(const struct block_ref *r)
{
    const uint8_t *base = r->mem != NULL ? r->mem : r->seg->map.p;
    return (struct sh_bytes){base + r->off, r->size};
}

uint64_t segment_replaces(const struct segment *s, uint32_t i)
{
    return sh_le64(s->replaces + (size_t)i * 8);
}

/* ---- footer -----------------------------------------------------------------------------------
 */

static bool footer_good(const uint8_t *f)
{
    uint8_t copy[SEG_FOOTER];
    memcpy(copy, f, sizeof copy);
    sh_put_le32(copy + 12, 0);
    return memcmp(f, segment_footer_magic, 8) == 0 && sh_le32(f + 8) >= 1 &&
           sh_le32(f + 8) <= SEG_VERSION && sh_crc32c(0, copy, sizeof copy) == sh_le32(f + 12);
}

static sh_err footer_read(struct segment *s)
{
    const struct sh_fs_map *m = &s->map;
    if (m->n < SEG_HEADER + SEG_FOOTER) {
        return SH_E_CORRUPT;
    }
    const uint8_t *f = m->p + m->n - SEG_FOOTER;
    if (!footer_good(f)) {
        return SH_E_CORRUPT;
    }
    const uint64_t end = m->n - SEG_FOOTER;
    const uint64_t dir_off = sh_le64(f + 24);
    const uint32_t series = sh_le32(f + 32);
    const uint64_t replaces_off = sh_le64(f + 96);
    const uint32_t replaces = sh_le32(f + 104);
    s->info = (struct segment_info){.id = s->info.id,
                                    .t_min = (int64_t)sh_le64(f + 40),
                                    .t_max = (int64_t)sh_le64(f + 48),
                                    .seq_min = sh_le64(f + 56),
                                    .seq_max = sh_le64(f + 64),
                                    .samples = sh_le64(f + 72),
                                    .group = sh_le64(f + 80),
                                    .part = sh_le32(f + 88),
                                    .parts = sh_le32(f + 92),
                                    .series = series,
                                    .unsplit = (sh_le32(f + 112) & SEG_F_UNSPLIT) != 0,
                                    .cold = (sh_le32(f + 112) & SEG_F_COLD) != 0,
                                    .rolled = (sh_le32(f + 112) & SEG_F_ROLLED) != 0};
    s->version = sh_le32(f + 8);
    if (dir_off > end || (end - dir_off) / SEG_DIR_ENTRY < series || replaces_off > end ||
        (end - replaces_off) / 8 < replaces || replaces > SEG_REPLACES_MAX ||
        sh_crc32c(0, m->p + dir_off, (size_t)series * SEG_DIR_ENTRY) != sh_le32(f + 36)) {
        return SH_E_CORRUPT;
    }
    if (replaces == 0 ||
        sh_crc32c(0, m->p + replaces_off, (size_t)replaces * 8) == sh_le32(f + 108)) {
        s->replaces = m->p + replaces_off;
        s->nreplaces = replaces;
    }
    s->dir = m->p + dir_off;
    s->dir_off = dir_off;
    return SH_OK;
}

/* ---- looking for blocks -----------------------------------------------------------------------
 */

/* Appends every good block (of `point`, or all with 0) found by its head and crc. */
static sh_err blocks_scan(const struct segment *s, uint32_t point, struct ref_list *out)
{
    struct block_cols *cols = block_cols_new(s->env->alloc);
    sh_err err = cols == NULL ? SH_E_NOMEM : SH_OK;
    uint64_t off = SEG_HEADER;
    while (err == SH_OK && off < s->map.n && s->map.n - off >= BLOCK_HEAD) {
        struct block_head h;
        const struct sh_bytes in = {s->map.p + off, (size_t)(s->map.n - off)};
        if (block_peek(in, &h) != SH_OK || sh_crc32c(0, in.p + 4, h.size - 4) != sh_le32(in.p)) {
            off += BLOCK_ALIGN;
            continue;
        }
        if ((point == 0 || h.point == point) && block_decode(in, true, cols) == SH_OK) {
            const struct block_ref r = {.seg = s,
                                        .off = off,
                                        .size = h.size,
                                        .n = h.n,
                                        .point = h.point,
                                        .type = h.type,
                                        .t_first = cols->time[0],
                                        .t_last = cols->time[h.n - 1]};
            err = ref_list_add(out, &r);
        }
        off += ((uint64_t)h.size + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    }
    block_cols_free(s->env->alloc, cols);
    return err;
}

static int by_point_time(const void *a, const void *b)
{
    const struct block_ref *x = a;
    const struct block_ref *y = b;
    if (x->point != y->point) {
        return x->point < y->point ? -1 : 1;
    }
    return x->t_first < y->t_first ? -1 : (x->t_first > y->t_first ? 1 : 0);
}

bool segment_header_ok(const struct segment *s)
{
    uint8_t h[SEG_HEADER];
    if (s->map.n < SEG_HEADER) {
        return false;
    }
    memcpy(h, s->map.p, sizeof h);
    sh_put_le32(h + 12, 0);
    return memcmp(h, segment_magic, 8) == 0 &&
           sh_crc32c(0, h, sizeof h) == sh_le32(s->map.p + 12) && sh_le64(h + 16) == s->info.id;
}

/* Its place among the others, when the footer does not say it. */
static void header_read(struct segment *s)
{
    const uint8_t *h = s->map.p;
    if (segment_header_ok(s)) {
        s->info.seq_min = sh_le64(h + 24);
        s->info.seq_max = sh_le64(h + 32);
    }
}

static sh_err index_rebuild(struct segment *s)
{
    struct ref_list l;
    ref_list_init(&l, s->env->alloc, SIZE_MAX / sizeof(struct block_ref));
    sh_err err = blocks_scan(s, 0, &l);
    if (err == SH_OK && l.n == 0) {
        err = SH_E_CORRUPT;
    }
    if (err != SH_OK) {
        ref_list_fini(&l);
        return err;
    }
    qsort(l.p, l.n, sizeof *l.p, by_point_time);
    s->found = l.p;
    s->nfound = l.n;
    s->damaged = true;
    struct segment_info *i = &s->info;
    i->t_min = INT64_MAX;
    i->t_max = INT64_MIN;
    i->samples = 0;
    i->series = 0;
    for (size_t k = 0; k < l.n; k++) {
        const struct block_ref *r = &l.p[k];
        i->samples += r->n;
        i->t_min = r->t_first < i->t_min ? r->t_first : i->t_min;
        i->t_max = r->t_last > i->t_max ? r->t_last : i->t_max;
        i->series += k == 0 || l.p[k - 1].point != r->point;
    }
    header_read(s);
    i->unsplit = true; /* where it belongs is for compaction to find out */
    return SH_OK;
}

sh_err segment_open(const struct sh_env *env, const char *path, uint64_t id, struct segment **out)
{
    struct segment *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    atomic_init(&s->refs, 1);
    s->env = env;
    s->since_mono_us = sh_mono_us(env->clock);
    s->info.id = id;
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    struct sh_file *file = NULL;
    sh_err err = sh_fs_open(env->fs, path, SH_FS_READ, &file);
    if (err == SH_OK) {
        err = env->fs->map(env->fs->ctx, file, &s->map);
    }
    sh_fs_close(env->fs, file); /* the map stays: no descriptor for each segment */
    if (err == SH_OK) {
        s->bytes = s->map.n;
        err = footer_read(s);
        if (err == SH_E_CORRUPT) {
            err = index_rebuild(s);
        }
    }
    if (err != SH_OK) {
        segment_unref(s);
        return err;
    }
    *out = s;
    return SH_OK;
}

/* ---- index ------------------------------------------------------------------------------------
 */

size_t segment_series(const struct segment *s)
{
    return s->info.series;
}

uint32_t segment_point(const struct segment *s, size_t i, enum sh_type *type)
{
    if (s->found == NULL) {
        const uint8_t *e = s->dir + i * SEG_DIR_ENTRY;
        *type = (enum sh_type)e[4];
        return sh_le32(e);
    }
    size_t seen = 0;
    for (size_t k = 0; k < s->nfound; k++) {
        if ((k == 0 || s->found[k - 1].point != s->found[k].point) && seen++ == i) {
            *type = s->found[k].type;
            return s->found[k].point;
        }
    }
    return 0;
}

static const uint8_t *dir_find(const struct segment *s, uint32_t point)
{
    size_t lo = 0;
    size_t hi = s->info.series;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const uint8_t *e = s->dir + mid * SEG_DIR_ENTRY;
        const uint32_t p = sh_le32(e);
        if (p == point) {
            return e;
        }
        if (p < point) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

enum sh_type segment_type(const struct segment *s, uint32_t point)
{
    if (s->found == NULL) {
        const uint8_t *e = dir_find(s, point);
        return e == NULL ? (enum sh_type)0 : (enum sh_type)e[4];
    }
    for (size_t i = 0; i < s->nfound; i++) {
        if (s->found[i].point == point) {
            return s->found[i].type;
        }
    }
    return (enum sh_type)0;
}

bool segment_rolls(const struct segment *s, uint32_t point, struct roll *out, bool *damaged)
{
    const uint8_t *e = s->info.rolled && s->found == NULL ? dir_find(s, point) : NULL;
    if (e == NULL || (e[5] & DIR_ROLLED) == 0) {
        return false;
    }
    const uint64_t off = sh_le64(e + 16);
    *damaged = true;
    if (off > s->dir_off || off < SEG_HEADER + 4 || e[4] < SH_T_BOOL || e[4] > SH_T_F64) {
        return false;
    }
    const uint32_t n = sh_le32(s->map.p + off - 4);
    if (n > off - 4 - SEG_HEADER ||
        roll_open((struct sh_bytes){s->map.p + off - 4 - n, n}, (enum sh_type)e[4], out) != SH_OK) {
        return false;
    }
    *damaged = false;
    return true;
}

/* The block before the next one, and the distance in time of its samples. */
struct meta_at {
    struct block_ref b;
    uint64_t step;
};

static sh_err meta_times(struct sh_rd *r, bool even, struct meta_at *m)
{
    struct block_ref *b = &m->b;
    uint64_t first = 0;
    uint64_t span = 0;
    if (even) {
        if (m->step == 0) {
            return SH_E_CORRUPT;
        }
        b->t_first = (int64_t)((uint64_t)b->t_last + m->step);
        b->t_last = (int64_t)((uint64_t)b->t_first + m->step * (b->n - 1));
        return SH_OK;
    }
    SH_TRY(sh_rd_varint(r, &first));
    SH_TRY(sh_rd_varint(r, &span));
    b->t_first = (int64_t)((uint64_t)b->t_last + ints_unzigzag(first));
    b->t_last = (int64_t)((uint64_t)b->t_first + span);
    m->step = meta_step(b->t_first, b->t_last, b->n);
    return SH_OK;
}

/* Where it is: behind `prev_end`, whole, before `limit`. */
static sh_err meta_place(struct block_ref *b, uint64_t prev_end, uint64_t gap, uint64_t size,
                         uint64_t limit)
{
    if (gap > limit || prev_end > limit - gap || size > limit - gap - prev_end ||
        size < BLOCK_HEAD) {
        return SH_E_CORRUPT;
    }
    b->off = prev_end + gap;
    b->size = (uint32_t)size;
    return SH_OK;
}

static sh_err meta_next(struct sh_rd *r, uint64_t limit, uint32_t version, struct meta_at *m)
{
    struct block_ref *b = &m->b;
    uint8_t flags = 0;
    uint64_t v = 0;
    uint64_t gap = 0;
    uint64_t size = 0;
    uint64_t prev_end = b->off + b->size;
    if (version > 1) {
        SH_TRY(sh_rd_u8(r, &flags));
    }
    if ((flags & META_NEXT) != 0) {
        prev_end = meta_align(prev_end);
    } else {
        SH_TRY(sh_rd_varint(r, &gap));
    }
    SH_TRY(sh_rd_varint(r, &size));
    v = BLOCK_MAX;
    if ((flags & META_FULL) == 0) {
        SH_TRY(sh_rd_varint(r, &v));
    }
    if (v == 0 || v > BLOCK_MAX) {
        return SH_E_CORRUPT;
    }
    b->n = (uint32_t)v;
    SH_TRY(meta_place(b, prev_end, gap, size, limit));
    SH_TRY(meta_times(r, (flags & META_EVEN) != 0, m));
    b->summary = (struct sh_bytes){NULL, 0};
    if ((flags & META_NO_SUM) != 0) {
        return SH_OK;
    }
    SH_TRY(sh_rd_varint(r, &v));
    return sh_rd_bytes(r, v <= SIZE_MAX ? (size_t)v : 0, &b->summary);
}

static sh_err metas_read(const struct segment *s, const uint8_t *e, int64_t from, int64_t to,
                         struct ref_list *out)
{
    const uint32_t blocks = sh_le32(e + 8);
    const uint32_t len = sh_le32(e + 12);
    const uint64_t off = sh_le64(e + 16);
    if (off > s->dir_off || len > s->dir_off - off || len < 4 || blocks > SEG_BLOCKS_MAX ||
        e[4] < SH_T_BOOL || e[4] > SH_T_BLOB ||
        sh_crc32c(0, s->map.p + off + 4, len - 4) != sh_le32(s->map.p + off)) {
        return SH_E_CORRUPT;
    }
    struct sh_rd r = {s->map.p + off + 4, s->map.p + off + len};
    struct meta_at m = {
        .b = {.seg = s, .off = SEG_HEADER, .point = sh_le32(e), .type = (enum sh_type)e[4]}};
    for (uint32_t i = 0; i < blocks; i++) {
        if (meta_next(&r, s->dir_off, s->version, &m) != SH_OK) {
            return SH_E_CORRUPT;
        }
        if (m.b.t_first > to) {
            break;
        }
        if (m.b.t_last >= from) {
            SH_TRY(ref_list_add(out, &m.b));
        }
    }
    return SH_OK;
}

/* Drops refs added since `start` that are outside [from, to]. */
static void refs_clip(struct ref_list *l, size_t start, int64_t from, int64_t to)
{
    size_t k = start;
    for (size_t i = start; i < l->n; i++) {
        if (l->p[i].t_last >= from && l->p[i].t_first <= to) {
            l->p[k++] = l->p[i];
        }
    }
    l->n = k;
}

/* e: the series' entry of the directory. */
static sh_err entry_blocks(const struct segment *s, const uint8_t *e, int64_t from, int64_t to,
                           struct ref_list *out, bool *damaged)
{
    const size_t start = out->n;
    sh_err err = metas_read(s, e, from, to, out);
    if (err == SH_E_CORRUPT) {
        *damaged = true;
        out->n = start;
        err = blocks_scan(s, sh_le32(e), out);
        refs_clip(out, start, from, to);
    }
    return err;
}

sh_err segment_blocks(const struct segment *s, uint32_t point, int64_t from, int64_t to,
                      struct ref_list *out, bool *damaged)
{
    const size_t start = out->n;
    if (s->found != NULL) {
        for (size_t i = 0; i < s->nfound; i++) {
            if (s->found[i].point == point) {
                SH_TRY(ref_list_add(out, &s->found[i]));
            }
        }
        refs_clip(out, start, from, to);
        return SH_OK;
    }
    const uint8_t *e = dir_find(s, point);
    return e == NULL ? SH_OK : entry_blocks(s, e, from, to, out, damaged);
}

uint32_t segment_entry_point(const struct segment *s, size_t at)
{
    return s->found != NULL ? s->found[at].point : sh_le32(s->dir + at * SEG_DIR_ENTRY);
}

sh_err segment_entry_blocks(const struct segment *s, size_t at, uint32_t point, int64_t from,
                            struct ref_list *out, bool *damaged)
{
    if (s->found == NULL) {
        return at < s->info.series && segment_entry_point(s, at) == point
                   ? entry_blocks(s, s->dir + at * SEG_DIR_ENTRY, from, INT64_MAX, out, damaged)
                   : SH_OK;
    }
    for (; at < s->nfound && s->found[at].point == point; at++) {
        if (s->found[at].t_last >= from) {
            SH_TRY(ref_list_add(out, &s->found[at]));
        }
    }
    return SH_OK;
}
