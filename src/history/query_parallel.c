/* query_parallel.c - the series of one query on several threads. Series are dealt out in chunks;
 * the caller takes the next one itself, in order and straight to its sink, while helpers do later
 * ones into memory, from where the caller sends them on when their turn comes. So the result is
 * that of one thread, row by row, and the caller never waits for work that nobody has begun.
 *
 * Bounded: at most AHEAD chunks lie ready or are under way; what a chunk comes to is at most
 * CHUNK_BYTES, and a helper's memory a part of the query's: a chunk that needs more is left to the
 * caller. A job's lock is held for a few instructions. SPDX-License-Identifier: Apache-2.0 */
#include "query_int.h"

enum { AHEAD = 16, CHUNK_MOST = 64, CHUNKS = 64, CHUNK_BYTES = 4 << 20, HELPER_PART = 8 };

struct slot {
    enum { SLOT_FREE, SLOT_TAKEN, SLOT_READY } state;
    sh_err err;
    uint64_t scanned;
    struct sh_buf rows; /* struct kept and what it names, one after the other */
};

struct job {
    struct sh_mutex lock;
    struct sh_cond turn; /* a slot is ready, a helper has left */
    const struct sh_alloc *alloc;
    atomic_uint refs;
    unsigned working; /* helpers that use query and sink */
    bool closed;      /* query and sink are gone */
    atomic_bool stop;
    struct query *c;    /* the caller's */
    struct query model; /* what helpers begin with */
    uint32_t first;     /* series */
    uint32_t chunk;     /* series in a chunk */
    uint32_t n;         /* chunks */
    uint32_t next;      /* the first that nobody has */
    uint32_t at;        /* the caller's */
    struct slot slots[AHEAD];
};

static void job_unref(struct job *j)
{
    if (atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (int i = 0; i < AHEAD; i++) {
        sh_buf_fini(&j->slots[i].rows);
    }
    sh_cond_fini(&j->turn);
    sh_mutex_fini(&j->lock);
    sh_mem_free(j->alloc, j);
}

/* ---- rows in memory ----------------------------------------------------------------------------
 */

struct kept {
    struct sh_history_rows rows; /* its pointers only say what there is; replay sets them */
    struct sh_history_col cols[QUERY_AGGS];
    size_t size; /* of all of it */
};

static size_t text_bytes(const union sh_cell *v, const uint8_t *null, uint32_t n)
{
    size_t end = 0;
    for (uint32_t i = 0; i < n; i++) {
        const size_t e = (size_t)v[i].span.off + v[i].span.len;
        end = (null == NULL || null[i] == 0) && e > end ? e : end;
    }
    return end;
}

/* Appends and aligns. */
static sh_err put(struct sh_buf *b, const void *p, size_t n)
{
    static const uint8_t zeros[8] = {0};
    SH_TRY(n == 0 ? SH_OK : sh_buf_put(b, p, n));
    return sh_buf_put(b, zeros, (8 - b->n % 8) % 8);
}

struct capture {
    struct slot *slot;
    size_t naggs;
};

/* What a batch of rows says, in the order in which capture and replay go through it. */
static sh_err capture(void *ctx, const struct sh_history_rows *rows)
{
    const struct capture *k = ctx;
    struct sh_buf *b = &k->slot->rows;
    const size_t start = b->n;
    struct kept head = {.rows = *rows};
    size_t text = 0;
    SH_TRY(put(b, &head, sizeof head));
    SH_TRY(put(b, rows->time_us, (size_t)rows->n * 8));
    if (rows->agg == NULL) {
        SH_TRY(put(b, rows->value, (size_t)rows->n * 8));
        SH_TRY(put(b, rows->quality, rows->n));
        text = rows->type >= SH_T_TEXT ? text_bytes(rows->value, NULL, rows->n) : 0;
    }
    for (size_t i = 0; rows->agg != NULL && i < k->naggs; i++) {
        const struct sh_history_col *c = &rows->agg[i];
        head.cols[i] = *c;
        SH_TRY(put(b, c->value, (size_t)rows->n * 8));
        if (c->null != NULL) {
            SH_TRY(put(b, c->null, rows->n));
        }
        const size_t t = c->type >= SH_T_TEXT ? text_bytes(c->value, c->null, rows->n) : 0;
        text = t > text ? t : text;
    }
    SH_TRY(put(b, rows->bytes, text));
    head.size = b->n - start;
    memcpy(b->p + start, &head, sizeof head);
    return SH_OK;
}

static const void *pick(const uint8_t **p, size_t n)
{
    const uint8_t *at = *p;
    *p += (n + 7) / 8 * 8;
    return at;
}

/* Sends on what a helper kept. */
static sh_err replay(struct query *c, const struct sh_buf *b)
{
    for (size_t off = 0; off < b->n;) {
        struct kept head;
        memcpy(&head, b->p + off, sizeof head);
        const uint8_t *p = b->p + off;
        struct sh_history_rows *r = &head.rows;
        (void)pick(&p, sizeof head);
        r->time_us = pick(&p, (size_t)r->n * 8);
        if (r->agg == NULL) {
            r->value = pick(&p, (size_t)r->n * 8);
            r->quality = pick(&p, r->n);
        }
        for (size_t i = 0; r->agg != NULL && i < c->q->naggs; i++) {
            head.cols[i].value = pick(&p, (size_t)r->n * 8);
            head.cols[i].null = head.cols[i].null == NULL ? NULL : pick(&p, r->n);
        }
        r->agg = r->agg == NULL ? NULL : head.cols;
        r->bytes = p;
        off += head.size;
        SH_TRY(query_emit(c, r));
    }
    return SH_OK;
}

/* ---- helpers -----------------------------------------------------------------------------------
 */

static void chunk_bounds(const struct job *j, uint32_t k, uint32_t *from, uint32_t *to)
{
    const uint32_t end = (uint32_t)j->model.q->npoints;
    *from = j->first + k * j->chunk;
    *to = end - *from < j->chunk ? end : *from + j->chunk;
}

static void chunk_keep(struct job *j, uint32_t k, struct slot *s)
{
    struct sh_history_result out = {.rows = 0};
    struct capture keep = {.slot = s, .naggs = j->model.q->naggs};
    struct query c = j->model;
    uint32_t from = 0;
    uint32_t to = 0;
    chunk_bounds(j, k, &from, &to);
    c.sink = capture;
    c.ctx = &keep;
    c.out = &out;
    sh_buf_clear(&s->rows);
    s->err = query_series(&c, from, to);
    s->scanned = out.scanned;
}

/* On a helper: chunk after chunk, until there is none to be had. */
static void help(void *ctx)
{
    struct job *j = ctx;
    sh_mutex_lock(&j->lock);
    while (!j->closed && j->next < j->n && j->next < j->at + AHEAD) {
        const uint32_t k = j->next++;
        struct slot *s = &j->slots[k % AHEAD];
        s->state = SLOT_TAKEN;
        j->working++;
        sh_mutex_unlock(&j->lock);
        chunk_keep(j, k, s);
        sh_mutex_lock(&j->lock);
        s->state = SLOT_READY;
        j->working--;
        sh_cond_signal(&j->turn);
    }
    sh_mutex_unlock(&j->lock);
    job_unref(j);
}

/* ---- the caller --------------------------------------------------------------------------------
 */

/* The caller's chunk: done by itself if nobody has it. */
static sh_err chunk_send(struct job *j, uint32_t k)
{
    struct slot *s = &j->slots[k % AHEAD];
    uint32_t from = 0;
    uint32_t to = 0;
    sh_mutex_lock(&j->lock);
    const bool mine = j->next == k;
    j->next += mine ? 1 : 0;
    while (!mine && s->state != SLOT_READY) {
        sh_cond_wait(&j->turn, &j->lock);
    }
    sh_mutex_unlock(&j->lock);
    chunk_bounds(j, k, &from, &to);
    sh_err err = SH_OK;
    if (mine || s->err == SH_E_LIMIT) { /* it needs more than a helper has */
        err = query_series(j->c, from, to);
    } else {
        j->c->out->scanned += s->scanned;
        err = replay(j->c, &s->rows);
        err = err == SH_OK ? s->err : err;
    }
    sh_mutex_lock(&j->lock);
    s->state = SLOT_FREE;
    j->at = k + 1;
    sh_mutex_unlock(&j->lock);
    return err;
}

/* Asks for as many helpers as there are and can be of use. */
static void helpers_ask(struct job *j)
{
    const unsigned most = j->c->h->o.query_threads;
    for (unsigned i = 0; i < most && i + 1 < j->n; i++) {
        atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
        if (sh_workers_run(j->c->h->helpers, help, j) != SH_OK) {
            job_unref(j); /* all are busy */
            return;
        }
    }
}

static struct job *job_new(struct query *c, uint32_t first)
{
    struct job *j = sh_mem_new(c->h->env->alloc, sizeof *j);
    if (j == NULL) {
        return NULL;
    }
    const uint32_t left = (uint32_t)c->q->npoints - first;
    const uint32_t chunk = left / CHUNKS;
    sh_mutex_init(&j->lock);
    sh_cond_init(&j->turn);
    j->alloc = c->h->env->alloc;
    atomic_init(&j->refs, 1);
    atomic_init(&j->stop, false);
    j->c = c;
    j->model = *c;
    j->model.stop = &j->stop;
    j->model.mem = (struct mem){.limit = c->mem.limit / HELPER_PART};
    j->first = first;
    j->chunk = chunk < 1 ? 1 : (chunk > CHUNK_MOST ? CHUNK_MOST : chunk);
    j->n = (left + j->chunk - 1) / j->chunk;
    for (int i = 0; i < AHEAD; i++) {
        sh_buf_init(&j->slots[i].rows, j->alloc, CHUNK_BYTES);
    }
    return j;
}

sh_err query_parallel(struct query *c, uint32_t first)
{
    struct job *j = job_new(c, first);
    if (j == NULL) {
        return query_series(c, first, (uint32_t)c->q->npoints);
    }
    sh_err err = SH_OK;
    helpers_ask(j);
    for (uint32_t k = 0; err == SH_OK && k < j->n; k++) {
        err = chunk_send(j, k);
        if (k % (AHEAD / 2) == AHEAD / 2 - 1) {
            helpers_ask(j); /* those that had nothing to do have left */
        }
    }
    atomic_store(&j->stop, true);
    sh_mutex_lock(&j->lock);
    j->closed = true;
    while (j->working != 0) {
        sh_cond_wait(&j->turn, &j->lock);
    }
    sh_mutex_unlock(&j->lock);
    job_unref(j);
    return err;
}
