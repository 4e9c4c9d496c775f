/* iter_units.c - see iter_units.h. The list is a stack: the next unit is its last, and what a unit
 * is taken apart into goes on top; units of several segments that overlap are sorted in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "iter_units.h"

#include <stdlib.h>

sh_err iter_mem(struct iter *it, size_t n)
{
    if (it->mem->limit - it->mem->used < n) {
        return SH_E_LIMIT;
    }
    it->mem->used += n;
    it->held += n;
    return SH_OK;
}

void iter_mem_back(struct iter *it, size_t n)
{
    it->mem->used -= n;
    it->held -= n;
}

bool iter_piece_summary(const struct iter_piece *p, struct summary *out)
{
    const struct block_ref *r = &p->block;
    if (!p->unit) {
        struct sh_rd rd = sh_rd_of(r->summary);
        return r->summary.n != 0 &&
               summary_read(&rd, r->type, r->n, r->t_first, r->t_last, out) == SH_OK;
    }
    *out = (struct summary){.n = p->row.set.n, .use = p->row.set, .good = p->row.set};
    return p->row.clean;
}

/* Grows a list of `cap` elements of `size` bytes. */
static sh_err room(struct iter *it, void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return SH_OK;
    }
    const size_t more = *cap == 0 ? 64 : *cap;
    SH_TRY(iter_mem(it, more * size));
    void *p = sh_mem_resize(it->alloc, *list, (*cap + more) * size);
    if (p == NULL) {
        iter_mem_back(it, more * size);
        return SH_E_NOMEM;
    }
    *list = p;
    *cap += more;
    return SH_OK;
}

static sh_err piece_add(struct iter *it, const struct iter_piece *p)
{
    void *list = it->units;
    const sh_err err = room(it, &list, it->nunits, &it->units_cap, sizeof *p);
    it->units = list;
    if (err == SH_OK) {
        it->units[it->nunits++] = *p;
    }
    return err;
}

static bool later(const struct iter_piece *a, const struct iter_piece *b)
{
    return a->block.t_first != b->block.t_first ? a->block.t_first > b->block.t_first
                                                : a->block.rank > b->block.rank;
}

static int by_time_descending(const void *a, const void *b)
{
    return later(a, b) ? -1 : (later(b, a) ? 1 : 0);
}

/* The pieces from `start` on are ascending: turns them round, and sorts them in with those before
 * them. */
static void turn(struct iter *it, size_t start)
{
    for (size_t i = start, j = it->nunits; i + 1 < j; i++) {
        const struct iter_piece p = it->units[i];
        it->units[i] = it->units[--j];
        it->units[j] = p;
    }
    for (size_t i = start; i > 0 && i < it->nunits && later(&it->units[i], &it->units[i - 1]);
         i++) {
        const struct iter_piece p = it->units[i];
        size_t k = i;
        for (; k > 0 && later(&p, &it->units[k - 1]); k--) {
            it->units[k] = it->units[k - 1];
        }
        it->units[k] = p;
    }
}

/* The units of a group that touch the range, ascending. */
static sh_err group_add(struct iter *it, const struct block_ref *of, uint32_t roll,
                        const struct roll_row *above)
{
    struct roll_group g;
    SH_TRY(roll_group_read(&it->rolls[roll], above, &g));
    for (uint32_t i = 0; i < g.n; i++) {
        struct iter_piece p = {.block = *of, .unit = true, .roll = roll, .row = g.rows[i]};
        p.block.n = p.row.clean ? p.row.set.n : 0;
        p.block.t_first = p.row.set.t_first;
        p.block.t_last = p.row.set.t_last;
        if (p.block.t_first < it->to && p.block.t_last >= it->from) {
            SH_TRY(piece_add(it, &p));
        }
    }
    return SH_OK;
}

sh_err units_gather(struct iter *it, struct segment *s, uint32_t rank, bool *rolled, bool *damaged)
{
    struct roll r;
    const size_t start = it->nunits;
    *rolled = false;
    if (!segment_rolls(s, it->point, &r, damaged) || roll_unit_us(r.finest) > it->unit_us) {
        return SH_OK;
    }
    void *list = it->rolls;
    sh_err err = room(it, &list, it->nrolls, &it->rolls_cap, sizeof r);
    it->rolls = list;
    SH_TRY(err);
    it->rolls[it->nrolls++] = r;
    const struct block_ref of = {.seg = s, .point = it->point, .type = r.type, .rank = rank};
    err = group_add(it, &of, (uint32_t)it->nrolls - 1, NULL);
    if (err == SH_E_CORRUPT) {
        it->nunits = start;
        *damaged = true;
        return SH_OK;
    }
    *rolled = err == SH_OK;
    it->type = r.type;
    return err;
}

void units_order(struct iter *it)
{
    bool ordered = true; /* descending; as gathered they often ascend */
    turn(it, 0);
    for (size_t i = 1; ordered && i < it->nunits; i++) {
        ordered = !later(&it->units[i], &it->units[i - 1]);
    }
    if (!ordered) {
        qsort(it->units, it->nunits, sizeof *it->units, by_time_descending);
    }
}

/* The blocks of a unit, cut to its bounds; a cut one has no summary. */
static sh_err blocks_add(struct iter *it, const struct iter_piece *u)
{
    const struct block_ref *b = &u->block;
    bool damaged = false; /* told when it was gathered or is read */
    it->apart.n = 0;
    SH_TRY(segment_blocks(b->seg, it->point, b->t_first, b->t_last, &it->apart, &damaged));
    for (size_t i = 0; i < it->apart.n; i++) {
        struct iter_piece p = {.block = it->apart.p[i]};
        p.block.rank = b->rank;
        if (p.block.t_first < b->t_first || p.block.t_last > b->t_last) {
            p.block.summary = (struct sh_bytes){NULL, 0};
            p.block.t_first = p.block.t_first < b->t_first ? b->t_first : p.block.t_first;
            p.block.t_last = p.block.t_last > b->t_last ? b->t_last : p.block.t_last;
        }
        SH_TRY(piece_add(it, &p));
    }
    return SH_OK;
}

sh_err unit_apart(struct iter *it)
{
    const struct iter_piece u = it->front;
    const size_t start = it->nunits;
    const bool finest = u.row.kids.n == 0;
    sh_err err = finest ? SH_OK : group_add(it, &u.block, u.roll, &u.row);
    if (err == SH_E_CORRUPT) {
        iter_index_damaged(it, u.block.seg);
        it->nunits = start;
    }
    if (finest || err == SH_E_CORRUPT) {
        err = blocks_add(it, &u);
    }
    turn(it, start);
    return err;
}

sh_err iter_count(struct iter *it, uint64_t *out)
{
    *out = it->heads[0].n + it->heads[1].n;
    for (size_t i = 0; i < it->refs.n; i++) {
        *out += it->refs.p[i].n;
    }
    for (size_t i = 0; i < it->nunits; i++) {
        const struct block_ref *b = &it->units[i].block;
        bool damaged = false;
        *out += b->n;
        if (b->n != 0) {
            continue;
        }
        it->apart.n = 0;
        SH_TRY(segment_blocks(b->seg, it->point, b->t_first, b->t_last, &it->apart, &damaged));
        for (size_t k = 0; k < it->apart.n; k++) {
            *out += it->apart.p[k].n;
        }
    }
    return SH_OK;
}

void units_fini(struct iter *it)
{
    sh_mem_free(it->alloc, it->units);
    sh_mem_free(it->alloc, it->rolls);
    ref_list_fini(&it->apart);
    it->units = NULL;
    it->rolls = NULL;
    it->nunits = 0;
    it->nrolls = 0;
    it->units_cap = 0;
    it->rolls_cap = 0;
}
