/* iter.c - see iter.h.
 * Invariants: `src` holds the sources that may have the next time; every piece that is left begins
 * after the smallest current time of src, or src is empty. A block is decoded when its turn comes
 * and given back when it is used up, so memory is the depth of the overlap. Pieces stand in two
 * lists, blocks of segments without roll-ups (refs) and units (units.c); front() is the next of
 * both. SPDX-License-Identifier: Apache-2.0 */
#include "iter.h"

#include <stdlib.h>

#include "iter_units.h"

/* Above all segments, whose rank is their place in the view. Rows came later than the blocks of
 * their head that they lie within. */
static const uint32_t rank_frozen_block = UINT32_MAX - 4;
static const uint32_t rank_frozen = UINT32_MAX - 3;
static const uint32_t rank_active_block = UINT32_MAX - 2;
static const uint32_t rank_active = UINT32_MAX - 1;
static const uint32_t rank_human = UINT32_MAX;

uint32_t iter_lower_bound(const int64_t *time, uint32_t n, int64_t t)
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

void iter_bad_block(struct sh_history *h, const struct block_ref *r)
{
    /* The count is the only thing that changes in a segment. */
    struct segment *s = (struct segment *)(uintptr_t)r->seg;
    atomic_fetch_add(&h->damaged_blocks, 1);
    if (s != NULL && atomic_fetch_add(&s->bad_blocks, 1) < HISTORY_REPORTS) {
        history_tell(h, &(struct sh_history_report){.what = SH_HISTORY_BLOCK_DAMAGED,
                                                    .file = s->path,
                                                    .offset = r->off,
                                                    .point = r->point,
                                                    .err = SH_E_CORRUPT});
    }
}

static int by_first_time(const void *a, const void *b)
{
    const struct block_ref *x = a;
    const struct block_ref *y = b;
    if (x->t_first != y->t_first) {
        return x->t_first < y->t_first ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : (x->rank > y->rank ? 1 : 0);
}

void iter_index_damaged(struct iter *it, const struct segment *seg)
{
    struct segment *s = (struct segment *)(uintptr_t)seg; /* the count is all that changes */
    if (atomic_fetch_add(&s->bad_blocks, 1) < HISTORY_REPORTS) {
        history_tell(it->h, &(struct sh_history_report){.what = SH_HISTORY_SEGMENT_DAMAGED,
                                                        .file = s->path,
                                                        .point = it->point,
                                                        .err = SH_E_CORRUPT});
    }
}

static void refs_order(struct iter *it)
{
    for (size_t k = 1; k < it->refs.n; k++) {
        if (it->refs.p[k - 1].t_first > it->refs.p[k].t_first) {
            qsort(it->refs.p, it->refs.n, sizeof *it->refs.p, by_first_time);
            return;
        }
    }
}

static sh_err refs_gather(struct iter *it, struct segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct segment *s = segs[i];
        if (s->info.t_max < it->from || s->info.t_min >= it->to || it->to <= it->from) {
            continue;
        }
        bool damaged = false;
        bool rolled = false;
        size_t k = it->refs.n;
        if (it->unit_us > 0 && s->info.rolled) {
            SH_TRY(units_gather(it, s, (uint32_t)i, &rolled, &damaged));
        }
        if (!rolled) {
            SH_TRY(segment_blocks(s, it->point, it->from, it->to - 1, &it->refs, &damaged));
        }
        if (damaged) {
            iter_index_damaged(it, s);
        }
        for (; k < it->refs.n; k++) {
            struct block_ref *r = &it->refs.p[k];
            r->rank = (uint32_t)i;
            it->type = r->type;
        }
    }
    refs_order(it);
    units_order(it);
    return SH_OK;
}

static size_t head_size(const struct head *hd)
{
    return (size_t)hd->cap * 17 + hd->text.cap;
}

static sh_err head_take(struct iter *it, const struct head *from, size_t slot)
{
    SH_TRY(head_copy(it->alloc, from, it->from, it->to, &it->heads[slot]));
    it->nheads = slot + 1;
    if (it->heads[slot].n != 0) {
        it->type = from->type;
    }
    return iter_mem(it, head_size(&it->heads[slot]));
}

/* Adds the blocks of a head. hold: their packs are referenced, as the head may go away. */
static sh_err head_refs(struct iter *it, const struct head *hd, bool hold, uint32_t rank)
{
    uint32_t at = 0;
    const uint32_t n = head_blocks(hd, it->from, it->to, &at);
    if (n == 0) {
        return SH_OK;
    }
    if (hold) {
        it->packs = sh_mem_array(it->alloc, n, sizeof(struct sh_pack *));
        if (it->packs == NULL) {
            return SH_E_NOMEM;
        }
    }
    it->type = hd->type;
    for (uint32_t i = at; i < at + n; i++) {
        const struct head_block *b = &hd->blocks[i];
        SH_TRY(ref_list_add(&it->refs, b->ref));
        it->refs.p[it->refs.n - 1].rank = rank;
        if (hold && (it->npacks == 0 || it->packs[it->npacks - 1] != b->pack)) {
            it->packs[it->npacks++] = sh_pack_ref(b->pack);
        }
    }
    return SH_OK;
}

static void iter_init(struct iter *it, struct sh_history *h, struct mem *mem, uint32_t point)
{
    memset(it, 0, sizeof *it);
    it->h = h;
    it->alloc = h->env->alloc;
    it->mem = mem;
    it->point = point;
    ref_list_init(&it->refs, it->alloc, mem->limit / sizeof(struct block_ref));
    ref_list_init(&it->apart, it->alloc, mem->limit / sizeof(struct block_ref));
}

/* The active head first, then the view: what is frozen in between is seen twice, never missed. */
static sh_err sources_open(struct iter *it)
{
    struct sh_history *h = it->h;
    static const struct head none = {0};
    struct shard *s = history_shard(h, it->point);
    sh_mutex_lock(&s->lock);
    const struct series *se = shard_series(h, it->point, false);
    const bool any = se != NULL && se->active != NULL;
    sh_err err = head_take(it, any ? se->active : &none, 1);
    if (err == SH_OK && any) {
        err = head_refs(it, se->active, true, rank_active_block);
    }
    if (se != NULL && se->type != 0) {
        it->type = (enum sh_type)se->type;
    }
    sh_mutex_unlock(&s->lock);
    SH_TRY(err);
    it->view = history_view(h);
    const struct head *frozen = gen_find(it->view->frozen, it->point);
    if (frozen != NULL) {
        SH_TRY(head_take(it, frozen, 0));
        SH_TRY(head_refs(it, frozen, false, rank_frozen_block));
    }
    it->nheads = 2;
    enum sh_type corrected = 0;
    if (edits_any(&h->edits, it->point, &corrected)) {
        SH_TRY(edits_of(&h->edits, it->alloc, it->point, it->from, it->to, &it->heads[2],
                        &it->holes, &it->nholes));
        it->nheads = 3;
        SH_TRY(iter_mem(it, head_size(&it->heads[2])));
    }
    SH_TRY(refs_gather(it, it->view->segs, it->view->n));
    for (uint32_t i = 0; it->type == 0 && i < it->view->n; i++) {
        it->type = segment_type(it->view->segs[i], it->point);
    }
    it->type = it->type == 0 ? corrected : it->type; /* a point that has nothing else */
    if (it->nheads == 3 && it->heads[2].n != 0 && it->heads[2].type != it->type) {
        head_fini(it->alloc, &it->heads[2]); /* of a damaged log: not values of this point */
        it->heads[2] = (struct head){.n = 0};
    }
    return SH_OK;
}

sh_err iter_open(struct iter *it, struct sh_history *h, struct mem *mem, uint32_t point,
                 int64_t from, int64_t to, int64_t unit_us)
{
    iter_init(it, h, mem, point);
    it->from = from;
    it->to = to;
    it->unit_us = unit_us;
    const sh_err err = sources_open(it);
    if (err != SH_OK) {
        iter_close(it);
    }
    return err;
}

sh_err iter_open_segments(struct iter *it, struct sh_history *h, struct mem *mem, uint32_t point,
                          struct segment *const *segs, size_t n, int64_t from, int64_t to)
{
    iter_init(it, h, mem, point);
    it->from = from;
    it->to = to;
    const sh_err err = refs_gather(it, segs, n);
    if (err != SH_OK) {
        iter_close(it);
    }
    return err;
}

sh_err iter_open_head(struct iter *it, struct sh_history *h, struct mem *mem, uint32_t point,
                      const struct head *hd, int64_t from, int64_t to)
{
    iter_init(it, h, mem, point);
    it->from = from;
    it->to = to;
    sh_err err = head_take(it, hd, 0);
    if (err == SH_OK) {
        err = head_refs(it, hd, false, rank_frozen_block);
    }
    if (err != SH_OK) {
        iter_close(it);
    }
    return err;
}

void iter_close(struct iter *it)
{
    for (size_t i = 0; i < it->npacks; i++) {
        sh_pack_unref(it->packs[i]);
    }
    sh_mem_free(it->alloc, it->packs);
    for (size_t i = 0; i < it->nheads; i++) {
        head_fini(it->alloc, &it->heads[i]);
    }
    for (size_t i = 0; i < it->nsrc; i++) {
        block_cols_free(it->alloc, it->src[i].cols);
    }
    for (size_t i = 0; i < it->npool; i++) {
        block_cols_free(it->alloc, it->pool[i]);
    }
    block_cols_free(it->alloc, it->out);
    sh_mem_free(it->alloc, it->pool);
    sh_mem_free(it->alloc, it->src);
    sh_mem_free(it->alloc, it->holes);
    ref_list_fini(&it->refs);
    units_fini(it);
    if (it->view != NULL) {
        view_unref(it->view);
    }
    iter_mem_back(it, it->held);
    it->packs = NULL;
    it->npacks = 0;
    it->nheads = 0;
    it->nsrc = 0;
    it->npool = 0;
    it->out = NULL;
    it->pool = NULL;
    it->src = NULL;
    it->holes = NULL;
    it->view = NULL;
}

/* Columns to decode into; those that hold the block of these bytes already, if there are such. */
static sh_err cols_get(struct iter *it, const uint8_t *of, struct block_cols **out)
{
    for (size_t i = 0; of != NULL && i < it->npool; i++) {
        if (it->pool[i]->of == of) {
            *out = it->pool[i];
            it->pool[i] = it->pool[--it->npool];
            return SH_OK;
        }
    }
    if (it->npool != 0) {
        *out = it->pool[--it->npool];
        return SH_OK;
    }
    SH_TRY(iter_mem(it, sizeof **out));
    *out = block_cols_new(it->alloc);
    return *out == NULL ? SH_E_NOMEM : SH_OK;
}

static void cols_put(struct iter *it, struct block_cols *c)
{
    if (c == NULL) {
        return;
    }
    if (it->npool == it->pool_cap) {
        const size_t cap = it->pool_cap == 0 ? 8 : it->pool_cap * 2;
        struct block_cols **p =
            sh_mem_resize(it->alloc, it->pool, cap * sizeof(struct block_cols *));
        if (p == NULL) {
            block_cols_free(it->alloc, c);
            iter_mem_back(it, sizeof *c);
            return;
        }
        it->pool = p;
        it->pool_cap = cap;
    }
    it->pool[it->npool++] = c;
}

static sh_err src_add(struct iter *it, const struct iter_src *s)
{
    if (it->nsrc == ITER_SOURCES) {
        return SH_E_LIMIT;
    }
    if (it->nsrc == it->src_cap) {
        const size_t cap = it->src_cap == 0 ? 8 : it->src_cap * 2;
        struct iter_src *p = sh_mem_resize(it->alloc, it->src, cap * sizeof *p);
        if (p == NULL) {
            return SH_E_NOMEM;
        }
        it->src = p;
        it->src_cap = cap;
    }
    it->src[it->nsrc++] = *s;
    return SH_OK;
}

static bool hidden(const struct iter *it, int64_t t)
{
    for (size_t i = 0; i < it->nholes; i++) {
        if (t >= it->holes[i].from && t < it->holes[i].to) {
            return true;
        }
    }
    return false;
}

/* Leaves out what is deleted; the columns are ours. */
static uint32_t holes_cut(const struct iter *it, uint32_t from, uint32_t n, int64_t *time,
                          union sh_cell *value, uint8_t *quality)
{
    uint32_t k = from;
    for (uint32_t i = from; i < n; i++) {
        if (!hidden(it, time[i])) {
            time[k] = time[i];
            value[k] = value[i];
            quality[k] = quality[i];
            k++;
        }
    }
    return k;
}

/* Decoded columns of a block; *out NULL when it is damaged (reported; the rest is served). */
static sh_err block_cols_of(struct iter *it, const struct block_ref *r, struct block_cols **out)
{
    const struct sh_bytes bytes = segment_block(r);
    struct block_cols *c = NULL;
    *out = NULL;
    SH_TRY(cols_get(it, bytes.p, &c));
    if (c->of == bytes.p) {
        *out = c;
        return SH_OK;
    }
    sh_err err = block_decode(bytes, false, c);
    if (err == SH_OK && (c->point != it->point || c->type != r->type)) {
        err = SH_E_CORRUPT;
    }
    if (err != SH_OK) {
        cols_put(it, c);
        if (err == SH_E_CORRUPT) {
            iter_bad_block(it->h, r);
            return SH_OK;
        }
        return err;
    }
    c->of = bytes.p;
    it->scanned += c->n;
    *out = c;
    return SH_OK;
}

/* The samples of the block within the bounds of `r`, which may be narrower than the block. */
static sh_err block_activate(struct iter *it, const struct block_ref *r)
{
    struct block_cols *c = NULL;
    const int64_t from = r->t_first > it->from ? r->t_first : it->from;
    const int64_t to = r->t_last < it->to - 1 ? r->t_last + 1 : it->to;
    SH_TRY(block_cols_of(it, r, &c));
    if (c == NULL) {
        return SH_OK;
    }
    struct iter_src s = {.time = c->time,
                         .value = c->value,
                         .quality = c->quality,
                         .bytes = c->text.p,
                         .pos = iter_lower_bound(c->time, c->n, from),
                         .n = iter_lower_bound(c->time, c->n, to),
                         .rank = r->rank,
                         .cols = c};
    if (it->nholes != 0 && s.pos < s.n) {
        c->of = NULL; /* not the block any more */
        s.n = holes_cut(it, s.pos, s.n, c->time, c->value, c->quality);
    }
    if (s.pos >= s.n) {
        cols_put(it, c);
        return SH_OK;
    }
    const sh_err err = src_add(it, &s);
    if (err != SH_OK) {
        cols_put(it, c);
    }
    return err;
}

static sh_err heads_activate(struct iter *it)
{
    const uint32_t ranks[ITER_HEADS] = {rank_frozen, rank_active, rank_human};
    for (; it->next_head < it->nheads; it->next_head++) {
        struct head *hd = &it->heads[it->next_head];
        const bool human = it->next_head == 2;
        if (it->nholes != 0 && !human && hd->n != 0) {
            hd->n = holes_cut(it, 0, hd->n, hd->time, hd->value, hd->quality);
        }
        if (hd->n != 0) {
            it->scanned += hd->n;
            SH_TRY(src_add(it, &(struct iter_src){.time = hd->time,
                                                  .value = hd->value,
                                                  .quality = hd->quality,
                                                  .bytes = hd->text.p,
                                                  .n = hd->n,
                                                  .rank = ranks[it->next_head],
                                                  .human = human}));
        }
    }
    return SH_OK;
}

/* Index of the source with the smallest current time. */
static size_t first_source(const struct iter *it)
{
    size_t best = 0;
    for (size_t i = 1; i < it->nsrc; i++) {
        if (it->src[i].time[it->src[i].pos] < it->src[best].time[it->src[best].pos]) {
            best = i;
        }
    }
    return best;
}

/* Is the next piece of `units` before that of `refs`? */
static bool unit_first(const struct iter *it)
{
    if (it->nunits == 0 || it->next_ref == it->refs.n) {
        return it->nunits != 0;
    }
    const struct block_ref *u = &it->units[it->nunits - 1].block;
    const struct block_ref *r = &it->refs.p[it->next_ref];
    return u->t_first < r->t_first || (u->t_first == r->t_first && u->rank < r->rank);
}

/* Sets it->front; false: no piece is left. */
static bool front(struct iter *it)
{
    if (unit_first(it)) {
        it->front = it->units[it->nunits - 1];
        return true;
    }
    it->front.unit = false;
    if (it->next_ref < it->refs.n) {
        it->front.block = it->refs.p[it->next_ref];
        return true;
    }
    return false;
}

static void front_drop(struct iter *it)
{
    if (unit_first(it)) {
        it->nunits--;
    } else {
        it->next_ref++;
    }
}

/* Where the piece behind the front begins. */
static int64_t behind_front(const struct iter *it)
{
    const bool unit = unit_first(it);
    const size_t u = it->nunits - (unit ? 1 : 0);
    const size_t r = it->next_ref + (unit ? 0 : 1);
    const int64_t a = u > 0 ? it->units[u - 1].block.t_first : INT64_MAX;
    const int64_t b = r < it->refs.n ? it->refs.p[r].t_first : INT64_MAX;
    return a < b ? a : b;
}

/* Does the front stand alone? */
static bool alone(const struct iter *it)
{
    const struct block_ref *r = &it->front.block;
    if (r->t_first < it->from || r->t_last >= it->to || behind_front(it) <= r->t_last) {
        return false;
    }
    for (size_t i = 0; i < it->nholes; i++) {
        if (it->holes[i].from <= r->t_last && it->holes[i].to > r->t_first) {
            return false;
        }
    }
    for (size_t i = 0; i < it->nsrc; i++) {
        if (it->src[i].time[it->src[i].pos] <= r->t_last) {
            return false;
        }
    }
    return true;
}

/* Is the consumer to be asked? */
static bool offered(const struct iter *it)
{
    const bool small = !it->front.unit ||
                       (it->front.row.clean && roll_unit_us(it->front.row.level) <= it->unit_us);
    return it->take != NULL && small && alone(it);
}

/* Brings in the blocks whose time has come. */
static sh_err refs_activate(struct iter *it)
{
    it->waiting = false;
    while (front(it)) {
        if (it->nsrc != 0) {
            const struct iter_src *s = &it->src[first_source(it)];
            if (s->time[s->pos] < it->front.block.t_first) {
                break;
            }
        }
        if (offered(it)) {
            if (it->out != NULL && it->out->n != 0) {
                it->waiting = true; /* first give what was gathered before it */
                break;
            }
            if (it->take(it->ctx, &it->front)) {
                front_drop(it);
                continue;
            }
        }
        front_drop(it);
        if (it->front.unit) {
            SH_TRY(unit_apart(it));
        } else {
            SH_TRY(block_activate(it, &it->front.block));
        }
    }
    return SH_OK;
}

static void src_advance(struct iter *it, size_t i, uint32_t by)
{
    it->src[i].pos += by;
}

/* Removes used up sources; their columns stay valid until the next call of iter_next. */
static void src_sweep(struct iter *it)
{
    size_t k = 0;
    for (size_t i = 0; i < it->nsrc; i++) {
        if (it->src[i].pos < it->src[i].n) {
            it->src[k++] = it->src[i];
        } else {
            cols_put(it, it->src[i].cols);
        }
    }
    it->nsrc = k;
}

/* Rows of source `at` before any other source or block has one. */
static uint32_t clear_rows(const struct iter *it, size_t at)
{
    const struct iter_src *s = &it->src[at];
    int64_t limit = INT64_MAX;
    for (size_t i = 0; i < it->nsrc; i++) {
        if (i != at && it->src[i].time[it->src[i].pos] < limit) {
            limit = it->src[i].time[it->src[i].pos];
        }
    }
    const int64_t unit = it->nunits != 0 ? it->units[it->nunits - 1].block.t_first : INT64_MAX;
    const int64_t ref = it->next_ref < it->refs.n ? it->refs.p[it->next_ref].t_first : INT64_MAX;
    limit = unit < limit ? unit : limit;
    limit = ref < limit ? ref : limit;
    return iter_lower_bound(s->time + s->pos, s->n - s->pos, limit);
}

static bool src_beats(const struct iter_src *a, const struct iter_src *b)
{
    if (a->human != b->human) {
        return a->human;
    }
    const enum sh_q_class qa = sh_q_class(a->quality[a->pos]);
    const enum sh_q_class qb = sh_q_class(b->quality[b->pos]);
    return qa != qb ? qa > qb : a->rank > b->rank;
}

/* Several sources have the same time: the winner's index; the others step over it. */
static size_t tie_winner(struct iter *it, int64_t t)
{
    size_t win = SIZE_MAX;
    for (size_t i = 0; i < it->nsrc; i++) {
        if (it->src[i].time[it->src[i].pos] != t) {
            continue;
        }
        if (win == SIZE_MAX) {
            win = i;
        } else if (src_beats(&it->src[i], &it->src[win])) {
            src_advance(it, win, 1);
            win = i;
        } else {
            src_advance(it, i, 1);
        }
    }
    return win;
}

static sh_err out_row(struct iter *it, const struct iter_src *s, uint32_t row)
{
    struct block_cols *o = it->out;
    union sh_cell c = s->value[row];
    if (it->type >= SH_T_TEXT) {
        const size_t off = o->text.n;
        if (c.span.len != 0) {
            SH_TRY(sh_buf_put(&o->text, s->bytes + c.span.off, c.span.len));
        }
        c.span.off = (uint32_t)off;
    }
    o->time[o->n] = s->time[row];
    o->value[o->n] = c;
    o->quality[o->n] = s->quality[row];
    o->n++;
    return SH_OK;
}

static struct iter_run out_run(struct iter *it)
{
    const struct block_cols *o = it->out;
    return (struct iter_run){o->n, o->time, o->value, o->quality, o->text.p};
}

static sh_err out_open(struct iter *it)
{
    if (it->out == NULL) {
        SH_TRY(cols_get(it, NULL, &it->out));
        it->out->of = NULL;
    }
    it->out->n = 0;
    sh_buf_clear(&it->out->text);
    return SH_OK;
}

static bool out_full(const struct iter *it)
{
    return it->out->n == BLOCK_MAX || it->out->text.n >= BLOCK_TEXT_SOFT;
}

/* One step: rows into out, or a whole run of one source. *whole is set in the second case. */
static sh_err step(struct iter *it, struct iter_run *run, bool *whole)
{
    size_t at = first_source(it);
    const int64_t t = it->src[at].time[it->src[at].pos];
    uint32_t n = clear_rows(it, at);
    if (n == 0) {
        at = tie_winner(it, t);
        n = 1;
    }
    const struct iter_src *s = &it->src[at];
    if (n >= ITER_SHORT) {
        if (it->out->n != 0) {
            return SH_OK; /* what was gathered goes first; *whole says nothing, out is given */
        }
        n = n < BLOCK_MAX ? n : BLOCK_MAX;
        *run = (struct iter_run){n, s->time + s->pos, s->value + s->pos, s->quality + s->pos,
                                 s->bytes};
        *whole = true;
        src_advance(it, at, n);
        return SH_OK;
    }
    for (uint32_t i = 0; i < n && !out_full(it); i++) {
        SH_TRY(out_row(it, s, s->pos));
        src_advance(it, at, 1);
        s = &it->src[at];
    }
    return SH_OK;
}

sh_err iter_next(struct iter *it, struct iter_run *run)
{
    bool whole = false;
    run->n = 0;
    src_sweep(it);
    SH_TRY(out_open(it));
    SH_TRY(heads_activate(it));
    for (;;) {
        SH_TRY(refs_activate(it));
        if (it->nsrc == 0 || it->waiting || out_full(it)) {
            break;
        }
        const uint32_t before = it->out->n;
        SH_TRY(step(it, run, &whole));
        if (whole) {
            return SH_OK;
        }
        if (it->out->n == before) {
            break;
        }
        src_sweep(it);
    }
    *run = out_run(it);
    return SH_OK;
}
