/* pack.c - see pack.h.
 * A pack is one piece of memory: the struct, its block_refs, the record, the summaries. A builder
 * holds the same in growing buffers, with offsets where the pack has addresses. A record that is
 * read goes through the same steps as what was added, only that its blocks are there already; so
 * index, summaries and newest samples are always those of the blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pack_int.h"

#include "summary.h"

enum {
    WIRE_VERSION = 1,
    WIRE_HEAD = 12,
    WIRE_MAX = 64 << 20, /* far above what a journal takes for a record */
    NEWEST_MAX = 1 << 20
};

struct sh_pack_builder {
    const struct sh_alloc *alloc;
    int64_t partition_us;
    uint32_t rows;
    struct ref_list refs; /* off: in wire; summary: n and, in its place, the offset in sums */
    struct sh_buf wire;
    struct sh_buf sums;
    struct sh_batch_builder newest;
    struct block_scratch scratch;
    int64_t time[BLOCK_MAX];
    union sh_cell value[BLOCK_MAX];
    uint8_t quality[BLOCK_MAX];
};

/* Place in a builder to go back to. */
struct mark {
    uint32_t rows;
    size_t refs;
    size_t wire;
    size_t sums;
    uint32_t newest;
};

static sh_err builder_new(const struct sh_alloc *a, int64_t partition_us,
                          struct sh_pack_builder **out)
{
    struct sh_pack_builder *b = sh_mem_resize(a, NULL, sizeof *b);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    b->alloc = a;
    b->partition_us = partition_us;
    ref_list_init(&b->refs, a, (size_t)SH_PACK_MAX_ROWS * 2);
    sh_buf_init(&b->wire, a, WIRE_MAX);
    sh_buf_init(&b->sums, a, WIRE_MAX);
    sh_batch_builder_init(&b->newest, a, NEWEST_MAX, 0);
    b->rows = 0;
    *out = b;
    return SH_OK;
}

sh_err sh_pack_builder_new(const struct sh_alloc *a, const struct sh_history *h,
                           struct sh_pack_builder **out)
{
    return builder_new(a, h->o.partition_us, out);
}

void sh_pack_builder_free(struct sh_pack_builder *b)
{
    if (b != NULL) {
        ref_list_fini(&b->refs);
        sh_buf_fini(&b->wire);
        sh_buf_fini(&b->sums);
        sh_batch_builder_fini(&b->newest);
        sh_mem_free(b->alloc, b);
    }
}

uint32_t sh_pack_builder_rows(const struct sh_pack_builder *b)
{
    return b->rows;
}

static struct mark mark_of(const struct sh_pack_builder *b)
{
    return (struct mark){b->rows, b->refs.n, b->wire.n, b->sums.n, b->newest.view.len};
}

static void back_to(struct sh_pack_builder *b, struct mark m)
{
    b->rows = m.rows;
    b->refs.n = m.refs;
    b->wire.n = m.wire;
    b->sums.n = m.sums;
    b->newest.view.len = m.newest;
}

void sh_pack_builder_clear(struct sh_pack_builder *b)
{
    back_to(b, (struct mark){0});
}

/* ---- blocks into a builder --------------------------------------------------------------------
 */

static sh_err newest_add(struct sh_pack_builder *b, const struct block_in *in)
{
    for (uint32_t i = 0; i < in->n; i++) {
        if (i + 1 == in->n || in->quality[i + 1] != in->quality[i]) {
            SH_TRY(sh_batch_add(&b->newest, in->point, in->time[i], in->type, in->value[i],
                                in->quality[i]));
        }
    }
    return SH_OK;
}

static bool quality_even(const struct block_in *in)
{
    return in->n == 1 || memcmp(in->quality, in->quality + 1, in->n - 1) == 0;
}

/* What belongs to the block that was just put at `off` of the wire. */
static sh_err block_note(struct sh_pack_builder *b, const struct block_in *in, size_t off)
{
    struct summary sum;
    const uint32_t last = in->n - 1;
    const size_t at = b->sums.n;
    summary_make(in->type, in->n, in->time, in->value, in->quality, &sum);
    SH_TRY(summary_write(in->type, &sum, in->time[0], in->time[last], &b->sums));
    if (quality_even(in)) {
        SH_TRY(sh_batch_add(&b->newest, in->point, in->time[last], in->type, in->value[last],
                            in->quality[last]));
    } else {
        SH_TRY(newest_add(b, in));
    }
    b->rows += in->n;
    return ref_list_add(&b->refs, &(struct block_ref){.off = off,
                                                      .size = (uint32_t)(b->wire.n - off),
                                                      .n = in->n,
                                                      .point = in->point,
                                                      .type = in->type,
                                                      .t_first = in->time[0],
                                                      .t_last = in->time[last],
                                                      .summary = {.n = b->sums.n - at}});
}

static sh_err wire_begin(struct sh_pack_builder *b)
{
    static const uint8_t head[WIRE_HEAD] = {0}; /* written when the pack is taken */
    return b->wire.n == 0 ? sh_buf_put(&b->wire, head, sizeof head) : SH_OK;
}

static int64_t time_at(const struct sh_pack_run *run, uint32_t i)
{
    return (int64_t)sh_le64(run->time + (size_t)i * 8);
}

/* How many of the n times in b->time go into one block: those of one partition. */
static uint32_t rows_for(const struct sh_pack_builder *b, uint32_t n)
{
    if (n < 2) {
        return n;
    }
    const int64_t p = partition_of(b->time[0], b->partition_us);
    if (partition_of(b->time[n - 1], b->partition_us) == p) {
        return n;
    }
    uint32_t k = 1;
    while (partition_of(b->time[k], b->partition_us) == p) {
        k++;
    }
    return k;
}

static sh_err block_add(struct sh_pack_builder *b, const struct sh_pack_run *run, uint32_t *at)
{
    const uint32_t left = run->n - *at;
    const uint32_t most = left < BLOCK_MAX ? left : BLOCK_MAX;
    const size_t off = b->wire.n;
    memcpy(b->time, run->time + (size_t)*at * 8, (size_t)most * 8);
    const uint32_t n = rows_for(b, most);
    memcpy(b->value, run->cell + (size_t)*at * 8, (size_t)n * 8);
    if (run->quality == NULL) {
        memset(b->quality, SH_Q_GOOD, n);
    } else {
        memcpy(b->quality, run->quality + *at, n);
    }
    const struct block_in in = {.point = run->point,
                                .type = run->type,
                                .n = n,
                                .time = b->time,
                                .value = b->value,
                                .quality = b->quality};
    SH_TRY(block_encode(b->alloc, &b->scratch, &in, BLOCK_QUICK, &b->wire));
    *at += n;
    return block_note(b, &in, off);
}

/* Are the times strictly ascending, within what history takes, and not spread too thin? */
static bool run_fits(const struct sh_pack_builder *b, const struct sh_pack_run *run)
{
    if (run->n < SH_PACK_MIN_ROWS || run->n > SH_PACK_MAX_ROWS || run->type < SH_T_BOOL ||
        run->type > SH_T_F64) {
        return false;
    }
    const int64_t first = time_at(run, 0);
    const int64_t last = time_at(run, run->n - 1);
    if (first < -HISTORY_TIME_MAX || last > HISTORY_TIME_MAX || last < first) {
        return false;
    }
    const int64_t parts =
        partition_of(last, b->partition_us) - partition_of(first, b->partition_us) + 1;
    if (parts > run->n / SH_PACK_MIN_ROWS) {
        return false;
    }
    uint64_t bad = 0;
    int64_t before = first;
    for (uint32_t i = 1; i < run->n; i++) {
        const int64_t t = time_at(run, i);
        bad |= (uint64_t)(t <= before);
        before = t;
    }
    return bad == 0;
}

sh_err sh_pack_add(struct sh_pack_builder *b, const struct sh_pack_run *run)
{
    if (!run_fits(b, run)) {
        return SH_E_UNSUPPORTED;
    }
    if (b->rows >= SH_PACK_MAX_ROWS) {
        return SH_E_LIMIT;
    }
    const struct mark m = mark_of(b);
    sh_err err = wire_begin(b);
    for (uint32_t at = 0; err == SH_OK && at < run->n;) {
        err = block_add(b, run, &at);
    }
    if (err != SH_OK) {
        back_to(b, m);
    }
    return err;
}

/* ---- packs ------------------------------------------------------------------------------------
 */

static struct sh_pack *pack_alloc(const struct sh_pack_builder *b)
{
    const size_t refs = b->refs.n * sizeof(struct block_ref);
    const size_t size = sizeof(struct sh_pack) + refs + b->wire.n + b->sums.n;
    struct sh_pack *p = sh_mem_resize(b->alloc, NULL, size);
    if (p == NULL) {
        return NULL;
    }
    memset(p, 0, sizeof *p);
    atomic_init(&p->refs, 1);
    p->alloc = b->alloc;
    p->n = (uint32_t)b->refs.n;
    p->rows = b->rows;
    uint8_t *bytes = (uint8_t *)(p->block + b->refs.n);
    p->wire = sh_bytes_of(bytes, b->wire.n);
    p->size_bytes = size;
    memcpy(p->block, b->refs.p, refs);
    memcpy(bytes, b->wire.p, b->wire.n);
    memcpy(bytes + b->wire.n, b->sums.p, b->sums.n);
    return p;
}

sh_err sh_pack_take(struct sh_pack_builder *b, struct sh_pack **out)
{
    SH_ASSERT(b->rows != 0);
    sh_put_le32(b->wire.p, WIRE_VERSION);
    sh_put_le32(b->wire.p + 4, (uint32_t)b->refs.n);
    sh_put_le32(b->wire.p + 8, b->rows);
    struct sh_pack *p = pack_alloc(b);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = sh_slab_new(b->alloc, &b->newest.view, &p->newest);
    if (err != SH_OK) {
        sh_mem_free(b->alloc, p);
        return err;
    }
    p->size_bytes += p->newest->size_bytes;
    const uint8_t *sum = p->wire.p + p->wire.n;
    for (uint32_t i = 0; i < p->n; i++) {
        struct block_ref *r = &p->block[i];
        r->mem = p->wire.p;
        r->summary.p = sum;
        sum += r->summary.n;
    }
    sh_pack_builder_clear(b);
    *out = p;
    return SH_OK;
}

struct sh_pack *sh_pack_ref(struct sh_pack *p)
{
    (void)atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void sh_pack_unref(struct sh_pack *p)
{
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        sh_slab_unref(p->newest);
        sh_mem_free(p->alloc, p);
    }
}

uint32_t sh_pack_rows(const struct sh_pack *p)
{
    return p->rows;
}

struct sh_bytes sh_pack_wire(const struct sh_pack *p)
{
    return p->wire;
}

struct sh_slab *sh_pack_newest(const struct sh_pack *p)
{
    return p->newest;
}

/* ---- records ----------------------------------------------------------------------------------
 */

static bool ascending(const struct block_cols *c)
{
    uint64_t bad = (uint64_t)(c->time[0] < -HISTORY_TIME_MAX) |
                   (uint64_t)(c->time[c->n - 1] > HISTORY_TIME_MAX);
    for (uint32_t i = 1; i < c->n; i++) {
        bad |= (uint64_t)(c->time[i] <= c->time[i - 1]);
    }
    return bad == 0;
}

/* Takes the block at *at of the record into b. */
static sh_err block_take(struct sh_pack_builder *b, struct sh_bytes wire, size_t *at,
                         struct block_cols *c)
{
    const struct sh_bytes rest = {wire.p + *at, wire.n - *at};
    struct block_head head;
    SH_TRY(block_peek(rest, &head));
    SH_TRY(block_decode(rest, false, c));
    if (head.point == 0 || c->type > SH_T_F64 || c->n == 0 || !ascending(c) ||
        b->rows > UINT32_MAX - c->n) {
        return SH_E_CORRUPT;
    }
    const size_t off = b->wire.n;
    SH_TRY(sh_buf_put(&b->wire, rest.p, head.size));
    *at += head.size;
    return block_note(b,
                      &(struct block_in){.point = c->point,
                                         .type = c->type,
                                         .n = c->n,
                                         .time = c->time,
                                         .value = c->value,
                                         .quality = c->quality},
                      off);
}

static sh_err wire_read(struct sh_pack_builder *b, struct sh_bytes wire, struct block_cols *c)
{
    if (wire.n < WIRE_HEAD || sh_le32(wire.p) != WIRE_VERSION) {
        return SH_E_CORRUPT;
    }
    const uint32_t blocks = sh_le32(wire.p + 4);
    size_t at = WIRE_HEAD;
    SH_TRY(wire_begin(b));
    for (uint32_t i = 0; i < blocks; i++) {
        SH_TRY(block_take(b, wire, &at, c));
    }
    return blocks != 0 && at == wire.n && b->rows == sh_le32(wire.p + 8) ? SH_OK : SH_E_CORRUPT;
}

sh_err sh_pack_read(const struct sh_alloc *a, struct sh_bytes wire, struct sh_pack **out)
{
    struct sh_pack_builder *b = NULL;
    SH_TRY(builder_new(a, 1, &b));
    struct block_cols *c = block_cols_new(a);
    sh_err err = c == NULL ? SH_E_NOMEM : wire_read(b, wire, c);
    if (err == SH_OK) {
        err = sh_pack_take(b, out);
    }
    block_cols_free(a, c);
    sh_pack_builder_free(b);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_CORRUPT;
}

static sh_err rows_add(const struct block_cols *c, struct sh_batch_builder *rows)
{
    for (uint32_t i = 0; i < c->n; i++) {
        SH_TRY(sh_batch_add(rows, c->point, c->time[i], c->type, c->value[i], c->quality[i]));
    }
    return SH_OK;
}

sh_err sh_pack_slab(const struct sh_pack *p, struct sh_slab **out)
{
    struct sh_batch_builder rows;
    struct block_cols *c = block_cols_new(p->alloc);
    sh_batch_builder_init(&rows, p->alloc, p->rows, 0);
    sh_err err = c == NULL ? SH_E_NOMEM : SH_OK;
    for (uint32_t i = 0; err == SH_OK && i < p->n; i++) {
        err = block_decode(segment_block(&p->block[i]), false, c);
        if (err == SH_OK) {
            err = rows_add(c, &rows);
        }
    }
    if (err == SH_OK) {
        err = sh_slab_new(p->alloc, &rows.view, out);
    }
    sh_batch_builder_fini(&rows);
    block_cols_free(p->alloc, c);
    return err;
}
