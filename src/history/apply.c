/* apply.c - samples into heads.
 * A row is appended to its point's active head in order of arrival; nothing is sorted or compared
 * here. A shard's lock is taken once per batch. Memory grows by doubling, never per sample.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "pack_int.h"

enum { HEAD_START = 4, HEAD_TEXT_MAX = 1 << 30, ROW_BYTES = 17 };

/* ---- heads ------------------------------------------------------------------------------------
 */

void head_fini(const struct sh_alloc *a, struct head *hd)
{
    sh_mem_free(a, hd->time);
    hd->time = NULL;
    if (hd->text.alloc != NULL) {
        sh_buf_fini(&hd->text);
    }
    for (uint32_t i = 0; i < hd->nblocks; i++) {
        sh_pack_unref(hd->blocks[i].pack);
    }
    sh_mem_free(a, hd->blocks);
    hd->blocks = NULL;
    hd->nblocks = 0;
}

void head_free(const struct sh_alloc *a, struct head *hd)
{
    if (hd != NULL) {
        head_fini(a, hd);
        sh_mem_free(a, hd);
    }
}

static sh_err head_grow(const struct sh_alloc *a, struct head *hd, uint32_t cap)
{
    uint8_t *block = sh_mem_resize(a, NULL, (size_t)cap * ROW_BYTES);
    if (block == NULL) {
        return SH_E_NOMEM;
    }
    int64_t *time = (int64_t *)(void *)block;
    union sh_cell *value = (union sh_cell *)(void *)(block + (size_t)cap * 8);
    uint8_t *quality = block + (size_t)cap * 16;
    if (hd->n != 0) {
        memcpy(time, hd->time, hd->n * sizeof *time);
        memcpy(value, hd->value, hd->n * sizeof *value);
        memcpy(quality, hd->quality, hd->n);
    }
    sh_mem_free(a, hd->time);
    hd->time = time;
    hd->value = value;
    hd->quality = quality;
    hd->cap = cap;
    return SH_OK;
}

static sh_err head_text(struct head *hd, const uint8_t *bytes, union sh_cell c, union sh_cell *out)
{
    const size_t off = hd->text.n;
    if (c.span.len != 0) {
        SH_TRY(sh_buf_put(&hd->text, bytes + c.span.off, c.span.len));
    }
    out->span.off = (uint32_t)off;
    out->span.len = c.span.len;
    return SH_OK;
}

static sh_err head_add(const struct sh_alloc *a, struct head *hd, int64_t t, union sh_cell c,
                       uint8_t q, const uint8_t *bytes)
{
    if (hd->n == hd->cap) {
        SH_TRY(head_grow(a, hd, hd->cap == 0 ? HEAD_START : hd->cap * 2));
    }
    if (hd->type >= SH_T_TEXT) {
        SH_TRY(head_text(hd, bytes, c, &c));
    }
    if (hd->n == 0) {
        hd->sorted = true;
        hd->t_min = t;
        hd->t_max = t;
    } else {
        hd->sorted = hd->sorted && t > hd->t_max;
        hd->t_min = t < hd->t_min ? t : hd->t_min;
        hd->t_max = t > hd->t_max ? t : hd->t_max;
    }
    hd->time[hd->n] = t;
    hd->value[hd->n] = c;
    hd->quality[hd->n] = q;
    hd->n++;
    return SH_OK;
}

struct key {
    int64_t time;
    uint32_t at;
};

static int by_time_then_arrival(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->at < y->at ? -1 : (x->at > y->at ? 1 : 0);
}

/* First index with time >= t in ascending times. */
static uint32_t lower_bound(const int64_t *time, uint32_t n, int64_t t)
{
    uint32_t lo = 0;
    uint32_t hi = n;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (time[mid] < t) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static sh_err copy_sorted(const struct sh_alloc *a, const struct head *hd, int64_t from, int64_t to,
                          struct head *out)
{
    const uint32_t lo = lower_bound(hd->time, hd->n, from);
    const uint32_t hi = lower_bound(hd->time, hd->n, to);
    if (lo >= hi) {
        return SH_OK;
    }
    const uint32_t n = hi - lo;
    SH_TRY(head_grow(a, out, n));
    memcpy(out->time, hd->time + lo, n * sizeof *out->time);
    memcpy(out->value, hd->value + lo, n * sizeof *out->value);
    memcpy(out->quality, hd->quality + lo, n);
    out->n = n;
    return SH_OK;
}

static sh_err copy_unsorted(const struct sh_alloc *a, const struct head *hd, int64_t from,
                            int64_t to, struct head *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < hd->n; i++) {
        n += hd->time[i] >= from && hd->time[i] < to;
    }
    if (n == 0) {
        return SH_OK;
    }
    struct key *keys = sh_mem_array(a, n, sizeof *keys);
    if (keys == NULL) {
        return SH_E_NOMEM;
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < hd->n; i++) {
        if (hd->time[i] >= from && hd->time[i] < to) {
            keys[k++] = (struct key){hd->time[i], i};
        }
    }
    qsort(keys, n, sizeof *keys, by_time_then_arrival);
    const sh_err err = head_grow(a, out, n);
    for (uint32_t i = 0; err == SH_OK && i < n; i++) {
        const uint32_t at = keys[i].at;
        const bool again = out->n != 0 && out->time[out->n - 1] == keys[i].time;
        if (again && !sample_wins(hd->quality[at], out->quality[out->n - 1])) {
            continue;
        }
        const uint32_t to_row = again ? out->n - 1 : out->n++;
        out->time[to_row] = keys[i].time;
        out->value[to_row] = hd->value[at];
        out->quality[to_row] = hd->quality[at];
    }
    sh_mem_free(a, keys);
    return err;
}

sh_err head_copy(const struct sh_alloc *a, const struct head *hd, int64_t from, int64_t to,
                 struct head *out)
{
    memset(out, 0, sizeof *out);
    out->type = hd->type;
    sh_buf_init(&out->text, a, HEAD_TEXT_MAX);
    if (hd->n == 0 || hd->t_max < from || hd->t_min >= to) {
        return SH_OK;
    }
    sh_err err =
        hd->sorted ? copy_sorted(a, hd, from, to, out) : copy_unsorted(a, hd, from, to, out);
    for (uint32_t i = 0; err == SH_OK && hd->type >= SH_T_TEXT && i < out->n; i++) {
        err = head_text(out, hd->text.p, out->value[i], &out->value[i]);
    }
    if (err != SH_OK) {
        head_fini(a, out);
        return err;
    }
    if (out->n != 0) {
        out->sorted = true;
        out->t_min = out->time[0];
        out->t_max = out->time[out->n - 1];
    }
    return SH_OK;
}

/* ---- the table of series ----------------------------------------------------------------------
 */

struct shard *history_shard(struct sh_history *h, uint32_t point)
{
    return &h->shards[point % h->nshards];
}

/* The shard's lock is held. NULL: not there, or (make) no memory. */
struct series *shard_series(struct sh_history *h, uint32_t point, bool make)
{
    struct shard *s = history_shard(h, point);
    const uint32_t at = point / h->nshards;
    const uint32_t page = at / HISTORY_PAGE;
    if (page >= s->npages) {
        if (!make || point > h->o.max_points) {
            return NULL;
        }
        uint32_t n = s->npages == 0 ? 4 : s->npages * 2;
        n = n <= page ? page + 1 : n;
        struct series **p = sh_mem_resize(h->env->alloc, s->pages, n * sizeof(struct series *));
        if (p == NULL) {
            return NULL;
        }
        memset(p + s->npages, 0, (n - s->npages) * sizeof(struct series *));
        s->pages = p;
        s->npages = n;
    }
    if (s->pages[page] == NULL) {
        if (!make) {
            return NULL;
        }
        s->pages[page] = sh_mem_array(h->env->alloc, HISTORY_PAGE, sizeof **s->pages);
        if (s->pages[page] == NULL) {
            return NULL;
        }
    }
    return &s->pages[page][at % HISTORY_PAGE];
}

void series_last(struct series *s, int64_t t, union sh_cell c, uint8_t q)
{
    if (s->seen && (t < s->last_time || (t == s->last_time && !sample_wins(q, s->last_quality)))) {
        return;
    }
    s->seen = true;
    s->last_time = t;
    s->last_value = c;
    s->last_quality = q;
}

bool series_takes(struct sh_history *h, struct series *s, enum sh_type type, uint32_t n)
{
    if (s->type == 0) {
        s->type = (uint8_t)type;
    } else if (s->type != (uint8_t)type) {
        atomic_fetch_add(&h->conflicts, n);
        return false;
    }
    return true;
}

sh_err series_head(struct sh_history *h, struct series *s, uint64_t *grown)
{
    if (s->active == NULL) {
        s->active = sh_mem_new(h->env->alloc, sizeof *s->active);
        if (s->active == NULL) {
            return SH_E_NOMEM;
        }
        s->active->type = (enum sh_type)s->type;
        sh_buf_init(&s->active->text, h->env->alloc, HEAD_TEXT_MAX);
        *grown += sizeof *s->active;
        atomic_fetch_add(&h->head_series, 1);
    }
    return SH_OK;
}

static sh_err row_put(struct sh_history *h, struct series *s, int64_t t, union sh_cell c, uint8_t q,
                      const uint8_t *bytes, uint64_t *grown)
{
    if (s->active == NULL) {
        SH_TRY(series_head(h, s, grown));
    }
    struct head *hd = s->active;
    const size_t before = (size_t)hd->cap * ROW_BYTES + hd->text.cap;
    SH_TRY(head_add(h->env->alloc, hd, t, c, q, bytes));
    *grown += (size_t)hd->cap * ROW_BYTES + hd->text.cap - before;
    series_last(s, t, c, q);
    return SH_OK;
}

sh_err series_row(struct sh_history *h, struct series *s, int64_t t, union sh_cell c, uint8_t q,
                  const uint8_t *bytes, uint64_t *grown)
{
    return row_put(h, s, t, c, q, bytes, grown);
}

static sh_err row_apply(struct sh_history *h, const struct sh_batch *b, uint32_t row,
                        struct series *s, uint64_t *grown)
{
    const int64_t t = b->time_us[row];
    if (t < -HISTORY_TIME_MAX || t > HISTORY_TIME_MAX) {
        atomic_fetch_add(&h->conflicts, 1);
        return SH_OK;
    }
    if (s->type != b->type[row] && !series_takes(h, s, (enum sh_type)b->type[row], 1)) {
        return SH_OK;
    }
    return row_put(h, s, t, b->value[row], b->quality[row], b->bytes, grown);
}

/* Sorts the row numbers by shard, keeping their order; apply_lock is held. starts has nshards + 1.
 */
static sh_err rows_by_shard(struct sh_history *h, const struct sh_batch *b,
                            uint32_t starts[HISTORY_MAX_SHARDS + 1])
{
    uint32_t next[HISTORY_MAX_SHARDS];
    if (b->len > h->order_cap) {
        uint32_t *p = sh_mem_resize(h->env->alloc, h->order, (size_t)b->len * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        h->order = p;
        h->order_cap = b->len;
    }
    memset(starts, 0, (HISTORY_MAX_SHARDS + 1) * sizeof *starts);
    for (uint32_t i = 0; i < b->len; i++) {
        starts[b->point[i] % h->nshards + 1]++;
    }
    for (unsigned s = 0; s < h->nshards; s++) {
        next[s] = starts[s];
        starts[s + 1] += starts[s];
    }
    for (uint32_t i = 0; i < b->len; i++) {
        h->order[next[b->point[i] % h->nshards]++] = i;
    }
    return SH_OK;
}

static sh_err shard_apply(struct sh_history *h, const struct sh_batch *b, const uint32_t *rows,
                          uint32_t n, uint64_t *grown)
{
    struct shard *s = history_shard(h, b->point[rows[0]]);
    sh_err err = SH_OK;
    struct series *series = NULL;
    uint32_t point = 0;
    sh_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < n && err == SH_OK; i++) {
        const uint32_t row = rows[i];
        if (series == NULL || b->point[row] != point) {
            point = b->point[row];
            series = shard_series(h, point, true);
        }
        err = series == NULL ? SH_E_NOMEM : row_apply(h, b, row, series, grown);
    }
    sh_mutex_unlock(&s->lock);
    return err;
}

uint64_t heads_limit(struct sh_history *h)
{
    const uint64_t least = atomic_load(&h->head_series) * HISTORY_HEAD_LEAST;
    return h->o.head_bytes > least ? h->o.head_bytes : least;
}

sh_err sh_history_apply(struct sh_history *h, const struct sh_slab *slab, uint64_t seq)
{
    const struct sh_batch *b = &slab->batch;
    uint32_t starts[HISTORY_MAX_SHARDS + 1];
    uint64_t grown = 0;
    sh_mutex_lock(&h->apply_lock);
    sh_err err = rows_by_shard(h, b, starts);
    for (unsigned s = 0; s < h->nshards && err == SH_OK; s++) {
        if (starts[s + 1] != starts[s]) {
            err = shard_apply(h, b, h->order + starts[s], starts[s + 1] - starts[s], &grown);
        }
    }
    history_applied(h, b->len, seq, grown);
    return err;
}

void history_applied(struct sh_history *h, uint32_t rows, uint64_t seq, uint64_t grown)
{
    if (rows != 0 && h->gen_seq_min == 0) {
        h->gen_seq_min = seq == 0 ? 1 : seq;
        h->oldest_mono_us = sh_mono_us(h->env->clock);
    }
    if (seq > atomic_load(&h->applied_seq)) {
        atomic_store(&h->applied_seq, seq);
    }
    sh_mutex_unlock(&h->apply_lock);
    atomic_fetch_add(&h->applied, rows);
    atomic_fetch_add(&h->head_rows, rows);
    const uint64_t bytes = atomic_fetch_add(&h->head_bytes, grown) + grown;
    const uint64_t limit = heads_limit(h); /* only grows until the next freeze */
    if (bytes > limit && bytes - grown <= limit) {
        sh_history_want_flush(h);
    }
}

/* ---- freezing ---------------------------------------------------------------------------------
 */

void gen_unref(struct gen *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        head_free(g->alloc, g->items[i].head);
    }
    sh_mem_free(g->alloc, g->items);
    sh_mem_free(g->alloc, g);
}

const struct head *gen_find(const struct gen *g, uint32_t point)
{
    uint32_t lo = 0;
    uint32_t hi = g == NULL ? 0 : g->n;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (g->items[mid].point == point) {
            return g->items[mid].head;
        }
        if (g->items[mid].point < point) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* Calls for each series with an active head, ascending by point; all locks are the caller's matter.
 */
static uint32_t actives(struct sh_history *h, struct gen_item *items)
{
    uint32_t n = 0;
    uint32_t pages = 0;
    for (unsigned s = 0; s < h->nshards; s++) {
        pages = h->shards[s].npages > pages ? h->shards[s].npages : pages;
    }
    for (uint32_t at = 0; at < pages * HISTORY_PAGE; at++) {
        const uint32_t page = at / HISTORY_PAGE;
        for (unsigned s = 0; s < h->nshards; s++) {
            const struct shard *sh = &h->shards[s];
            if (page >= sh->npages || sh->pages[page] == NULL) {
                continue;
            }
            struct series *se = &sh->pages[page][at % HISTORY_PAGE];
            if (se->active == NULL) {
                continue;
            }
            if (items != NULL) {
                items[n] = (struct gen_item){at * h->nshards + s, se->active};
                se->active = NULL;
            }
            n++;
        }
    }
    return n;
}

/* apply_lock, view_lock and all shard locks are held. */
static sh_err freeze(struct sh_history *h, struct gen **out)
{
    const uint32_t n = actives(h, NULL);
    if (n == 0) {
        return SH_OK;
    }
    struct gen *g = sh_mem_new(h->env->alloc, sizeof *g);
    struct gen_item *items = sh_mem_array(h->env->alloc, n, sizeof *items);
    if (g == NULL || items == NULL) {
        sh_mem_free(h->env->alloc, g);
        sh_mem_free(h->env->alloc, items);
        return SH_E_NOMEM;
    }
    atomic_init(&g->refs, 2); /* the view's and the caller's */
    g->alloc = h->env->alloc;
    const sh_err err = history_view_change(h, NULL, 0, NULL, 0, g);
    if (err != SH_OK) {
        sh_mem_free(h->env->alloc, g);
        sh_mem_free(h->env->alloc, items);
        return err;
    }
    g->n = actives(h, items);
    g->items = items;
    g->seq_min = h->gen_seq_min;
    g->seq_max = atomic_load(&h->applied_seq);
    g->rows = atomic_load(&h->head_rows);
    h->gen_seq_min = 0;
    atomic_store(&h->head_bytes, 0);
    atomic_store(&h->head_series, 0);
    *out = g;
    return SH_OK;
}

sh_err heads_freeze(struct sh_history *h, struct gen **out, uint64_t *seq)
{
    *out = NULL;
    sh_mutex_lock(&h->apply_lock);
    sh_mutex_lock(&h->view_lock);
    for (unsigned s = 0; s < h->nshards; s++) {
        sh_mutex_lock(&h->shards[s].lock);
    }
    const sh_err err = freeze(h, out);
    *seq = atomic_load(&h->applied_seq);
    for (unsigned s = h->nshards; s > 0; s--) {
        sh_mutex_unlock(&h->shards[s - 1].lock);
    }
    sh_mutex_unlock(&h->view_lock);
    sh_mutex_unlock(&h->apply_lock);
    return err;
}
