/* apply_pack.c - packs into heads: their blocks wait there as they are, in order of time.
 * A block that overlaps rows or another block of its head is decoded and taken as rows, in its
 * place in the order of arrival; so nothing that waits is deeper than two (history_int.h, struct
 * head), however often the same samples are sent. SPDX-License-Identifier: Apache-2.0 */
#include "pack_int.h"

enum { BLOCKS_START = 4 };

uint64_t head_span(const struct head *hd, int64_t *first, int64_t *last)
{
    uint64_t n = hd->n;
    *first = hd->n == 0 ? INT64_MAX : hd->t_min;
    *last = hd->n == 0 ? INT64_MIN : hd->t_max;
    for (uint32_t i = 0; i < hd->nblocks; i++) {
        n += hd->blocks[i].ref->n;
    }
    if (hd->nblocks != 0) {
        const int64_t a = hd->blocks[0].ref->t_first;
        const int64_t z = hd->blocks[hd->nblocks - 1].ref->t_last;
        *first = a < *first ? a : *first;
        *last = z > *last ? z : *last;
    }
    return n;
}

/* First block that ends at t or later. */
static uint32_t block_at(const struct head *hd, int64_t t)
{
    uint32_t lo = 0;
    uint32_t hi = hd->nblocks;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (hd->blocks[mid].ref->t_last < t) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

uint32_t head_blocks(const struct head *hd, int64_t from, int64_t to, uint32_t *at)
{
    *at = block_at(hd, from);
    uint32_t n = 0;
    while (*at + n < hd->nblocks && hd->blocks[*at + n].ref->t_first < to) {
        n++;
    }
    return n;
}

/* Puts the block in its place; false when it overlaps what is there. */
static sh_err block_wait(const struct sh_alloc *a, struct head *hd, struct sh_pack *pack,
                         const struct block_ref *r, uint64_t *grown, bool *waits)
{
    *waits = false;
    const uint32_t at = block_at(hd, r->t_first);
    if ((hd->n != 0 && r->t_first <= hd->t_max && r->t_last >= hd->t_min) ||
        (at < hd->nblocks && hd->blocks[at].ref->t_first <= r->t_last)) {
        return SH_OK;
    }
    if (hd->nblocks == hd->blocks_cap) {
        const uint32_t cap = hd->blocks_cap == 0 ? BLOCKS_START : hd->blocks_cap * 2;
        struct head_block *p = sh_mem_resize(a, hd->blocks, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        *grown += (cap - hd->blocks_cap) * sizeof *p;
        hd->blocks = p;
        hd->blocks_cap = cap;
    }
    memmove(hd->blocks + at + 1, hd->blocks + at, (hd->nblocks - at) * sizeof *hd->blocks);
    hd->blocks[at] = (struct head_block){sh_pack_ref(pack), r};
    hd->nblocks++;
    *waits = true;
    return SH_OK;
}

/* apply_lock and the shard's lock are held. */
static sh_err block_rows(struct sh_history *h, struct series *s, const struct block_ref *r,
                         uint64_t *grown)
{
    if (h->cols == NULL) {
        h->cols = block_cols_new(h->env->alloc);
    }
    struct block_cols *c = h->cols;
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(block_decode(segment_block(r), false, c));
    for (uint32_t i = 0; i < c->n; i++) {
        SH_TRY(series_row(h, s, c->time[i], c->value[i], c->quality[i], NULL, grown));
    }
    return SH_OK;
}

static sh_err series_block(struct sh_history *h, struct series *s, struct sh_pack *pack,
                           const struct block_ref *r, uint64_t *grown)
{
    bool waits = false;
    if (!series_takes(h, s, r->type, r->n)) {
        return SH_OK;
    }
    SH_TRY(series_head(h, s, grown));
    SH_TRY(block_wait(h->env->alloc, s->active, pack, r, grown, &waits));
    return waits ? SH_OK : block_rows(h, s, r, grown);
}

/* The rows of pack->newest from *at on that are of block r tell its series' last value. */
static void block_last(struct series *s, const struct sh_batch *b, const struct block_ref *r,
                       uint32_t *at)
{
    for (; *at < b->len; (*at)++) {
        if (s != NULL && s->type == (uint8_t)r->type) {
            series_last(s, b->time_us[*at], b->value[*at], b->quality[*at]);
        }
        if (b->time_us[*at] == r->t_last) {
            (*at)++;
            return;
        }
    }
}

sh_err sh_history_apply_pack(struct sh_history *h, struct sh_pack *pack, uint64_t seq)
{
    uint64_t grown = pack->size_bytes;
    uint32_t at = 0;
    sh_err err = SH_OK;
    sh_mutex_lock(&h->apply_lock);
    for (uint32_t i = 0; i < pack->n && err == SH_OK; i++) {
        const struct block_ref *r = &pack->block[i];
        struct shard *sh = history_shard(h, r->point);
        sh_mutex_lock(&sh->lock);
        struct series *s = shard_series(h, r->point, true);
        err = s == NULL ? SH_E_NOMEM : series_block(h, s, pack, r, &grown);
        block_last(s, &pack->newest->batch, r, &at);
        sh_mutex_unlock(&sh->lock);
    }
    history_applied(h, pack->rows, seq, grown);
    return err;
}
