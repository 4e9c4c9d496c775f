/* edits.c - corrections and deletions by humans: laid over the stored samples when they are read,
 * so that withdrawing one brings back what was there. Wire form (little-endian): u8 version=1, u8
 * kind, u16 0, u32 tenant, then correct: the rows as a batch (value.h); delete: u32 n, i64 from,
 * i64 to, u32 points[n]; withdraw: u64 id. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "history_int.h"

enum { EDIT_VERSION = 1, EDIT_HEAD = 8, EDIT_TEXT_MAX = 256 << 20 };

void edits_init(struct edits *e, const struct sh_alloc *a, size_t max)
{
    sh_mutex_init(&e->lock);
    sh_buf_init(&e->text, a, EDIT_TEXT_MAX);
    e->max = max;
}

void edits_fini(struct edits *e, const struct sh_alloc *a)
{
    sh_mem_free(a, e->rows);
    sh_mem_free(a, e->holes);
    sh_buf_fini(&e->text);
    sh_mutex_fini(&e->lock);
}

sh_err sh_history_edit_encode(const struct sh_history_edit *e, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_u8(out, EDIT_VERSION));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)e->kind));
    SH_TRY(sh_buf_put_le16(out, 0));
    SH_TRY(sh_buf_put_le32(out, e->tenant));
    switch (e->kind) {
    case SH_EDIT_CORRECT: {
        const size_t n = sh_batch_wire_size(e->rows);
        SH_TRY(sh_buf_reserve(out, n));
        sh_batch_wire_write(e->rows, out->p + out->n);
        out->n += n;
        return SH_OK;
    }
    case SH_EDIT_DELETE:
        SH_TRY(sh_buf_put_le32(out, e->npoints));
        SH_TRY(sh_buf_put_le64(out, (uint64_t)e->from_us));
        SH_TRY(sh_buf_put_le64(out, (uint64_t)e->to_us));
        for (uint32_t i = 0; i < e->npoints; i++) {
            SH_TRY(sh_buf_put_le32(out, e->points[i]));
        }
        return SH_OK;
    case SH_EDIT_WITHDRAW:
        return sh_buf_put_le64(out, e->id);
    }
    return SH_E_INVAL;
}

sh_err sh_history_edit_check(struct sh_history *h, const struct sh_history_edit *e)
{
    struct edits *d = &h->edits;
    size_t more = 0;
    if (e->kind == SH_EDIT_CORRECT) {
        more = e->rows->len;
    } else if (e->kind == SH_EDIT_DELETE) {
        if (e->from_us >= e->to_us) {
            return SH_E_INVAL;
        }
        more = e->npoints;
    }
    sh_mutex_lock(&d->lock);
    const bool fits = d->nrows + d->nholes + more <= d->max;
    sh_mutex_unlock(&d->lock);
    return fits ? SH_OK : SH_E_LIMIT;
}

static int by_row(const void *a, const void *b)
{
    const struct edit_row *x = a;
    const struct edit_row *y = b;
    if (x->point != y->point) {
        return x->point < y->point ? -1 : 1;
    }
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->id < y->id ? -1 : (x->id > y->id ? 1 : 0);
}

static int by_hole(const void *a, const void *b)
{
    const struct edit_hole *x = a;
    const struct edit_hole *y = b;
    if (x->point != y->point) {
        return x->point < y->point ? -1 : 1;
    }
    return x->id < y->id ? -1 : (x->id > y->id ? 1 : 0);
}

static sh_err rows_reserve(struct edits *e, const struct sh_alloc *a, size_t more)
{
    if (e->nrows + more <= e->rows_cap) {
        return SH_OK;
    }
    const size_t cap = (e->nrows + more) * 2;
    struct edit_row *p = sh_mem_resize(a, e->rows, cap * sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    e->rows = p;
    e->rows_cap = cap;
    return SH_OK;
}

static sh_err correct(struct edits *e, const struct sh_alloc *a, const struct sh_batch *b,
                      uint32_t tenant, uint64_t seq)
{
    SH_TRY(rows_reserve(e, a, b->len));
    if (b->bytes_len != 0) {
        SH_TRY(sh_buf_reserve(&e->text, b->bytes_len));
    }
    const uint32_t base = (uint32_t)e->text.n;
    if (b->bytes_len != 0) {
        SH_TRY(sh_buf_put(&e->text, b->bytes, b->bytes_len));
    }
    for (uint32_t i = 0; i < b->len; i++) {
        union sh_cell c = b->value[i];
        if (b->type[i] >= SH_T_TEXT) {
            c.span.off += base;
        }
        e->rows[e->nrows++] = (struct edit_row){.point = b->point[i],
                                                .time = b->time_us[i],
                                                .id = seq,
                                                .quality = b->quality[i],
                                                .type = b->type[i],
                                                .tenant = tenant,
                                                .value = c};
    }
    if (e->nrows > 1) {
        qsort(e->rows, e->nrows, sizeof *e->rows, by_row);
    }
    return SH_OK;
}

static sh_err hide(struct edits *e, const struct sh_alloc *a, struct sh_rd *r, uint32_t tenant,
                   uint64_t seq)
{
    uint32_t n = 0;
    uint64_t from = 0;
    uint64_t to = 0;
    SH_TRY(sh_rd_le32(r, &n));
    SH_TRY(sh_rd_le64(r, &from));
    SH_TRY(sh_rd_le64(r, &to));
    if (sh_rd_left(r) != (size_t)n * 4 || (int64_t)from >= (int64_t)to) {
        return SH_E_CORRUPT;
    }
    if (e->nholes + n > e->holes_cap) {
        const size_t cap = (e->nholes + n) * 2;
        struct edit_hole *p = sh_mem_resize(a, e->holes, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        e->holes = p;
        e->holes_cap = cap;
    }
    for (uint32_t i = 0; i < n; i++) {
        e->holes[e->nholes++] = (struct edit_hole){.point = sh_le32(r->p + (size_t)i * 4),
                                                   .tenant = tenant,
                                                   .from = (int64_t)from,
                                                   .to = (int64_t)to,
                                                   .id = seq};
    }
    if (e->nholes > 1) {
        qsort(e->holes, e->nholes, sizeof *e->holes, by_hole);
    }
    return SH_OK;
}

static sh_err withdraw(struct edits *e, struct sh_rd *r)
{
    uint64_t id = 0;
    SH_TRY(sh_rd_le64(r, &id));
    size_t k = 0;
    for (size_t i = 0; i < e->nrows; i++) {
        if (e->rows[i].id != id) {
            e->rows[k++] = e->rows[i];
        }
    }
    e->nrows = k;
    k = 0;
    for (size_t i = 0; i < e->nholes; i++) {
        if (e->holes[i].id != id) {
            e->holes[k++] = e->holes[i];
        }
    }
    e->nholes = k;
    return SH_OK;
}

static sh_err edit_take(struct edits *e, const struct sh_alloc *a, struct sh_bytes wire,
                        uint64_t seq)
{
    if (wire.n < EDIT_HEAD || wire.p[0] != EDIT_VERSION) {
        return SH_E_CORRUPT;
    }
    const uint32_t tenant = sh_le32(wire.p + 4);
    const struct sh_bytes body = {wire.p + EDIT_HEAD, wire.n - EDIT_HEAD};
    struct sh_rd r = sh_rd_of(body);
    if (wire.p[1] == SH_EDIT_DELETE) {
        return hide(e, a, &r, tenant, seq);
    }
    if (wire.p[1] == SH_EDIT_WITHDRAW) {
        return withdraw(e, &r);
    }
    if (wire.p[1] != SH_EDIT_CORRECT) {
        return SH_E_CORRUPT;
    }
    struct sh_slab *slab = NULL;
    SH_TRY(sh_batch_wire_read(a, body, &slab));
    const sh_err err = correct(e, a, &slab->batch, tenant, seq);
    sh_slab_unref(slab);
    return err;
}

sh_err edits_apply(struct edits *e, const struct sh_alloc *a, struct sh_bytes wire, uint64_t seq)
{
    sh_mutex_lock(&e->lock);
    sh_err err = SH_OK;
    if (seq > e->seq) { /* else a replay of what the state file holds */
        err = edit_take(e, a, wire, seq);
        if (err == SH_OK) {
            e->seq = seq;
            e->dirty = true;
        }
    }
    sh_mutex_unlock(&e->lock);
    return err == SH_E_PROTO ? SH_E_CORRUPT : err;
}

/* First row of the point; lock is held. */
static size_t row_first(const struct edits *e, uint32_t point)
{
    size_t lo = 0;
    size_t hi = e->nrows;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (e->rows[mid].point < point) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static size_t hole_first(const struct edits *e, uint32_t point)
{
    size_t lo = 0;
    size_t hi = e->nholes;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (e->holes[mid].point < point) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* First row of the next point; lock is held. */
static size_t row_end(const struct edits *e, size_t first, uint32_t point)
{
    while (first < e->nrows && e->rows[first].point == point) {
        first++;
    }
    return first;
}

/* The type that the newest correction of [first, end) has; 0: there is none. Corrections of a point
 * all have its type; a damaged log might not know that. */
static enum sh_type rows_type(const struct edits *e, size_t first, size_t end)
{
    uint64_t newest = 0;
    enum sh_type type = 0;
    for (size_t i = first; i < end; i++) {
        if (e->rows[i].id >= newest) {
            newest = e->rows[i].id;
            type = (enum sh_type)e->rows[i].type;
        }
    }
    return type;
}

bool edits_any(struct edits *e, uint32_t point, enum sh_type *type)
{
    sh_mutex_lock(&e->lock);
    const size_t r = row_first(e, point);
    const size_t end = row_end(e, r, point);
    const size_t d = hole_first(e, point);
    const bool any = end > r || (d < e->nholes && e->holes[d].point == point);
    *type = rows_type(e, r, end);
    sh_mutex_unlock(&e->lock);
    return any;
}

static bool hidden_later(const struct edit_row *r, const struct edit_hole *holes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->time >= holes[i].from && r->time < holes[i].to && holes[i].id > r->id) {
            return true;
        }
    }
    return false;
}

/* A head over the rows [a, b) of e, to be copied by head_copy: last edit of a time wins. A row of
 * another type is left out: its value would be read as what it is not. */
static sh_err rows_copy(const struct edits *e, const struct sh_alloc *a, size_t first, size_t end,
                        const struct edit_hole *holes, size_t nholes, int64_t from, int64_t to,
                        struct head *out)
{
    const size_t n = end - first;
    struct head tmp = {
        .sorted = false, .t_min = from, .t_max = to - 1, .type = rows_type(e, first, end)};
    memset(out, 0, sizeof *out);
    tmp.time = sh_mem_array(a, n + 1, sizeof *tmp.time);
    tmp.value = sh_mem_array(a, n + 1, sizeof *tmp.value);
    tmp.quality = sh_mem_array(a, n + 1, 1);
    sh_err err = tmp.time == NULL || tmp.value == NULL || tmp.quality == NULL ? SH_E_NOMEM : SH_OK;
    for (size_t i = first; err == SH_OK && i < end; i++) {
        const struct edit_row *r = &e->rows[i];
        if (r->type != tmp.type || hidden_later(r, holes, nholes)) {
            continue;
        }
        const bool again = tmp.n != 0 && tmp.time[tmp.n - 1] == r->time;
        const uint32_t at = again ? tmp.n - 1 : tmp.n++;
        tmp.time[at] = r->time;
        tmp.value[at] = r->value;
        tmp.quality[at] = r->quality;
    }
    if (err == SH_OK) {
        tmp.text.p = e->text.p;
        err = head_copy(a, &tmp, from, to, out);
    }
    sh_mem_free(a, tmp.time);
    sh_mem_free(a, tmp.value);
    sh_mem_free(a, tmp.quality);
    return err;
}

sh_err edits_of(struct edits *e, const struct sh_alloc *a, uint32_t point, int64_t from, int64_t to,
                struct head *rows, struct edit_hole **holes, size_t *nholes)
{
    sh_mutex_lock(&e->lock);
    const size_t d = hole_first(e, point);
    size_t dn = d;
    while (dn < e->nholes && e->holes[dn].point == point) {
        dn++;
    }
    const size_t r = row_first(e, point);
    const size_t rn = row_end(e, r, point);
    sh_err err = SH_OK;
    *holes = NULL;
    *nholes = dn - d;
    if (dn != d) {
        *holes = sh_mem_array(a, dn - d, sizeof **holes);
        if (*holes == NULL) {
            err = SH_E_NOMEM;
            *nholes = 0;
        } else {
            memcpy(*holes, e->holes + d, (dn - d) * sizeof **holes);
        }
    }
    if (err == SH_OK) {
        err = rows_copy(e, a, r, rn, *holes, *nholes, from, to, rows);
    }
    sh_mutex_unlock(&e->lock);
    return err;
}

sh_err sh_history_edit_apply(struct sh_history *h, struct sh_bytes wire, uint64_t seq)
{
    const sh_err err = edits_apply(&h->edits, h->env->alloc, wire, seq);
    sh_mutex_lock(&h->apply_lock);
    if (seq > atomic_load(&h->applied_seq)) {
        atomic_store(&h->applied_seq, seq);
    }
    sh_mutex_unlock(&h->apply_lock);
    return err;
}

static struct sh_history_edit_info row_info(const struct edit_row *r)
{
    return (struct sh_history_edit_info){.id = r->id,
                                         .kind = SH_EDIT_CORRECT,
                                         .tenant = r->tenant,
                                         .point = r->point,
                                         .from_us = r->time,
                                         .to_us = r->time};
}

static struct sh_history_edit_info hole_info(const struct edit_hole *r)
{
    return (struct sh_history_edit_info){.id = r->id,
                                         .kind = SH_EDIT_DELETE,
                                         .tenant = r->tenant,
                                         .point = r->point,
                                         .from_us = r->from,
                                         .to_us = r->to};
}

sh_err sh_history_edits(struct sh_history *h, uint32_t point,
                        sh_err (*fn)(void *ctx, const struct sh_history_edit_info *e), void *ctx)
{
    struct edits *e = &h->edits;
    sh_err err = SH_OK;
    sh_mutex_lock(&e->lock);
    for (size_t i = row_first(e, point); err == SH_OK && i < e->nrows && e->rows[i].point == point;
         i++) {
        const struct sh_history_edit_info info = row_info(&e->rows[i]);
        err = fn(ctx, &info);
    }
    for (size_t i = hole_first(e, point);
         err == SH_OK && i < e->nholes && e->holes[i].point == point; i++) {
        const struct sh_history_edit_info info = hole_info(&e->holes[i]);
        err = fn(ctx, &info);
    }
    sh_mutex_unlock(&e->lock);
    return err;
}

/* Rows are sorted by point: all are looked at, once for each withdrawal. */
sh_err sh_history_edit_find(struct sh_history *h, uint64_t id,
                            sh_err (*fn)(void *ctx, const struct sh_history_edit_info *e),
                            void *ctx)
{
    struct edits *e = &h->edits;
    sh_err err = SH_OK;
    size_t found = 0;
    sh_mutex_lock(&e->lock);
    for (size_t i = 0; err == SH_OK && i < e->nrows; i++) {
        if (e->rows[i].id == id) {
            const struct sh_history_edit_info info = row_info(&e->rows[i]);
            err = fn(ctx, &info);
            found++;
        }
    }
    for (size_t i = 0; err == SH_OK && i < e->nholes; i++) {
        if (e->holes[i].id == id) {
            const struct sh_history_edit_info info = hole_info(&e->holes[i]);
            err = fn(ctx, &info);
            found++;
        }
    }
    sh_mutex_unlock(&e->lock);
    return err == SH_OK && found == 0 ? SH_E_NOTFOUND : err;
}
