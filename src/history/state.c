/* state.c - the state file: how far heads were flushed, and the human edits in force.
 * Two files, state.0 and state.1, written in turn; the valid one with the greater number holds.
 * "SHSTATE\n" u32 version=1 u32 crc (of all with this field zero) u64 number u64 flushed_seq
 * u64 edits_seq u32 rows u32 holes u32 text bytes u32 0
 * rows:  u32 point u32 tenant i64 time u64 id u64 cell u8 quality u8 type u16 0 u32 0
 * holes: u32 point u32 tenant i64 from i64 to u64 id
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "history_int.h"

enum { STATE_VERSION = 1, STATE_HEAD = 56, ROW = 40, HOLE = 32, STATE_MAX = 1 << 30 };

static const uint8_t state_magic[8] = {'S', 'H', 'S', 'T', 'A', 'T', 'E', '\n'};

static void state_path(const struct sh_history *h, unsigned which, char out[SEG_PATH])
{
    (void)snprintf(out, SEG_PATH, "%.460s/state.%u", h->dir, which & 1);
}

bool state_text_ok(struct sh_str s)
{
    uint8_t head[STATE_HEAD];
    if (s.n < STATE_HEAD || memcmp(s.p, state_magic, 8) != 0) {
        return false;
    }
    const uint8_t *p = (const uint8_t *)s.p;
    memcpy(head, p, sizeof head);
    sh_put_le32(head + 12, 0);
    const uint32_t crc = sh_crc32c(0, head, sizeof head);
    const uint64_t size = (uint64_t)STATE_HEAD + (uint64_t)sh_le32(p + 40) * ROW +
                          (uint64_t)sh_le32(p + 44) * HOLE + sh_le32(p + 48);
    return size == s.n && sh_le32(p + 8) == STATE_VERSION &&
           sh_crc32c(crc, p + STATE_HEAD, s.n - STATE_HEAD) == sh_le32(p + 12);
}

static sh_err state_take(struct sh_history *h, struct sh_str s)
{
    struct edits *e = &h->edits;
    const struct sh_alloc *a = h->env->alloc;
    const uint8_t *p = (const uint8_t *)s.p;
    const uint32_t rows = sh_le32(p + 40);
    const uint32_t holes = sh_le32(p + 44);
    const uint32_t text = sh_le32(p + 48);
    e->rows = sh_mem_array(a, (size_t)rows + 1, sizeof *e->rows);
    e->holes = sh_mem_array(a, (size_t)holes + 1, sizeof *e->holes);
    if (e->rows == NULL || e->holes == NULL) {
        return SH_E_NOMEM;
    }
    e->rows_cap = (size_t)rows + 1;
    e->holes_cap = (size_t)holes + 1;
    h->state_number = sh_le64(p + 16);
    e->seq = sh_le64(p + 32);
    const uint64_t flushed = sh_le64(p + 24);
    atomic_store(&h->flushed_seq, flushed > e->seq ? flushed : e->seq);
    p += STATE_HEAD;
    for (; e->nrows < rows; e->nrows++, p += ROW) {
        e->rows[e->nrows] = (struct edit_row){.point = sh_le32(p),
                                              .tenant = sh_le32(p + 4),
                                              .time = (int64_t)sh_le64(p + 8),
                                              .id = sh_le64(p + 16),
                                              .value = {.bits = sh_le64(p + 24)},
                                              .quality = p[32],
                                              .type = p[33]};
    }
    for (; e->nholes < holes; e->nholes++, p += HOLE) {
        e->holes[e->nholes] = (struct edit_hole){.point = sh_le32(p),
                                                 .tenant = sh_le32(p + 4),
                                                 .from = (int64_t)sh_le64(p + 8),
                                                 .to = (int64_t)sh_le64(p + 16),
                                                 .id = sh_le64(p + 24)};
    }
    return text == 0 ? SH_OK : sh_buf_put(&e->text, p, text);
}

static sh_err state_read(struct sh_history *h, unsigned which, struct sh_str *out)
{
    char path[SEG_PATH];
    state_path(h, which, path);
    const sh_err err = sh_fs_read_all(h->env->fs, h->env->alloc, path, STATE_MAX, out);
    if (err == SH_E_NOTFOUND) {
        return SH_OK;
    }
    if (err == SH_E_NOMEM) {
        return err;
    }
    if (err != SH_OK || !state_text_ok(*out)) {
        char to[SEG_PATH + 16];
        (void)snprintf(to, sizeof to, "%s.damaged", path);
        const sh_err moved = sh_fs_rename(h->env->fs, path, to);
        SH_UNUSED(moved);
        atomic_fetch_add(&h->set_aside, 1);
        history_tell(h, &(struct sh_history_report){
                            .what = SH_HISTORY_STATE_DAMAGED, .file = path, .err = SH_E_CORRUPT});
        sh_str_free(h->env->alloc, out);
        *out = (struct sh_str){NULL, 0};
    }
    return SH_OK;
}

sh_err state_load(struct sh_history *h)
{
    struct sh_str s[2] = {{NULL, 0}, {NULL, 0}};
    sh_err err = state_read(h, 0, &s[0]);
    if (err == SH_OK) {
        err = state_read(h, 1, &s[1]);
    }
    if (err == SH_OK) {
        int best = s[0].p != NULL ? 0 : (s[1].p != NULL ? 1 : -1);
        if (s[0].p != NULL && s[1].p != NULL &&
            sh_le64((const uint8_t *)s[1].p + 16) > sh_le64((const uint8_t *)s[0].p + 16)) {
            best = 1;
        }
        err = best < 0 ? SH_OK : state_take(h, s[best]);
    }
    sh_str_free(h->env->alloc, &s[0]);
    sh_str_free(h->env->alloc, &s[1]);
    return err;
}

static sh_err rows_put(const struct edits *e, struct sh_buf *b)
{
    for (size_t i = 0; i < e->nrows; i++) {
        const struct edit_row *r = &e->rows[i];
        SH_TRY(sh_buf_put_le32(b, r->point));
        SH_TRY(sh_buf_put_le32(b, r->tenant));
        SH_TRY(sh_buf_put_le64(b, (uint64_t)r->time));
        SH_TRY(sh_buf_put_le64(b, r->id));
        SH_TRY(sh_buf_put_le64(b, r->value.bits));
        SH_TRY(sh_buf_put_le32(b, (uint32_t)r->quality | (uint32_t)r->type << 8));
        SH_TRY(sh_buf_put_le32(b, 0));
    }
    for (size_t i = 0; i < e->nholes; i++) {
        const struct edit_hole *r = &e->holes[i];
        SH_TRY(sh_buf_put_le32(b, r->point));
        SH_TRY(sh_buf_put_le32(b, r->tenant));
        SH_TRY(sh_buf_put_le64(b, (uint64_t)r->from));
        SH_TRY(sh_buf_put_le64(b, (uint64_t)r->to));
        SH_TRY(sh_buf_put_le64(b, r->id));
    }
    return e->text.n == 0 ? SH_OK : sh_buf_put(b, e->text.p, e->text.n);
}

static sh_err state_make(struct sh_history *h, struct sh_buf *b)
{
    struct edits *e = &h->edits;
    uint8_t head[STATE_HEAD] = {0};
    memcpy(head, state_magic, 8);
    sh_put_le32(head + 8, STATE_VERSION);
    sh_put_le64(head + 16, h->state_number + 1);
    sh_put_le64(head + 24, atomic_load(&h->flushed_seq));
    sh_put_le64(head + 32, e->seq);
    sh_put_le32(head + 40, (uint32_t)e->nrows);
    sh_put_le32(head + 44, (uint32_t)e->nholes);
    sh_put_le32(head + 48, (uint32_t)e->text.n);
    SH_TRY(sh_buf_put(b, head, sizeof head));
    SH_TRY(rows_put(e, b));
    sh_put_le32(b->p + 12, sh_crc32c(0, b->p, b->n));
    return SH_OK;
}

sh_err state_image(struct sh_history *h, struct sh_buf *out)
{
    sh_mutex_lock(&h->edits.lock);
    const sh_err err = state_make(h, out);
    sh_mutex_unlock(&h->edits.lock);
    return err;
}

sh_err state_save(struct sh_history *h)
{
    struct sh_buf b;
    sh_buf_init(&b, h->env->alloc, STATE_MAX);
    sh_mutex_lock(&h->edits.lock);
    sh_err err = state_make(h, &b);
    h->edits.dirty = h->edits.dirty && err != SH_OK;
    sh_mutex_unlock(&h->edits.lock);
    if (err == SH_OK) {
        char path[SEG_PATH];
        state_path(h, (unsigned)(h->state_number + 1), path);
        err = sh_fs_replace(h->env->fs, path, sh_buf_bytes(&b));
    }
    if (err == SH_OK) {
        h->state_number++;
    } else {
        sh_mutex_lock(&h->edits.lock);
        h->edits.dirty = true;
        sh_mutex_unlock(&h->edits.lock);
    }
    sh_buf_fini(&b);
    return err;
}
