/* http_pull.c - streamed answers that workers make piece by piece.
 * States of a pull: a worker has it (making), or the loop has it and sends `piece`. Invariants:
 *  1. While making, the loop touches only `gone`; the worker touches all the rest.
 *  2. It ends on the loop, once, when it is not making: after the last piece, an error, or when the
 *     client has gone. Then the request is released and `end` is called.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/gzip.h>

#include "http_int.h"

enum { PIECE_MAX = 256 << 10, SLICE = 32 << 10, AGAIN_US = 20000, GZIP_LEVEL = 4 };

struct pull {
    struct sh_http_pull o;
    const struct sh_alloc *alloc;
    struct http_req *r;
    struct sh_job job; /* to the loop */
    struct sh_timer again;
    struct sh_buf piece; /* what is sent */
    struct sh_buf plain; /* with gz: before it is compressed */
    struct sh_gzip_stream *gz;
    size_t sent;
    bool begun;
    bool making;
    bool last;
    bool gone;
    sh_err err;
};

static void step(struct pull *p);

/* ---- on a worker ---- */

static sh_err deflate_piece(struct pull *p, struct sh_bytes in)
{
    const size_t was = p->piece.n;
    const sh_err e = sh_gzip_stream_put(p->gz, in, p->last, &p->piece);
    (void)atomic_fetch_add_explicit(&p->r->srv->n.gzip_in, in.n, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&p->r->srv->n.gzip_out, p->piece.n - was, memory_order_relaxed);
    return e;
}

static void make(void *ctx)
{
    struct pull *p = ctx;
    struct sh_buf *out = p->gz == NULL ? &p->piece : &p->plain;
    sh_buf_clear(&p->piece);
    sh_buf_clear(&p->plain);
    p->sent = 0;
    p->err = sh_http_gone(&p->r->pub) ? SH_E_CLOSED : p->o.more(p->o.ctx, out, &p->last);
    if (p->err == SH_OK && p->gz != NULL) {
        p->err = deflate_piece(p, sh_buf_bytes(&p->plain));
    }
    sh_loop_post_job(p->r->srv->loop, &p->job);
}

/* ---- on the loop ---- */

static void pull_free(struct pull *p, sh_err err)
{
    const struct sh_alloc *a = p->alloc;
    sh_timer_stop(&p->again);
    sh_gzip_stream_free(p->gz);
    sh_buf_fini(&p->piece);
    sh_buf_fini(&p->plain);
    p->o.end(p->o.ctx, err);
    sh_mem_free(a, p);
}

static void pull_end(struct pull *p, sh_err err)
{
    struct sh_http_server *s = p->r->srv;
    net_sub(&s->n.pulls, 1);
    net_add(&s->n.pulls_cut, err == SH_OK ? 0 : 1);
    sh_http_stream_end(&p->r->pub, err == SH_OK);
    pull_free(p, err);
}

static void ask(void *ctx)
{
    struct pull *p = ctx;
    p->making = true;
    const sh_err err = p->o.run(p->o.pool, make, p);
    if (err == SH_OK) {
        return;
    }
    p->making = false;
    if (err == SH_E_LIMIT) {
        sh_timer_set(p->r->srv->loop, &p->again, AGAIN_US);
        return;
    }
    pull_end(p, err);
}

/* Queues what there is room for; asks for more when all of it is out. */
static void step(struct pull *p)
{
    const size_t slice = p->r->srv->o.write_max / 4 < SLICE ? p->r->srv->o.write_max / 4 : SLICE;
    while (p->sent < p->piece.n) {
        const struct sh_str all = sh_buf_str(&p->piece);
        const struct sh_str next = sh_str_sub(all, p->sent, p->sent + slice);
        const sh_err err = sh_http_stream_write(&p->r->pub, sh_str_bytes(next));
        if (err == SH_E_LIMIT) {
            return; /* on_drain goes on */
        }
        if (err != SH_OK) {
            pull_end(p, err);
            return;
        }
        p->sent += next.n;
    }
    if (sh_http_stream_queued(&p->r->pub) > p->r->srv->o.write_max / 2) {
        return; /* on_drain follows, as the queue is over half */
    }
    if (p->last || p->r->pub.method == SH_HTTP_HEAD) {
        pull_end(p, SH_OK);
        return;
    }
    if (p->r->srv->stopping) {
        pull_end(p, SH_E_CANCELED);
        return;
    }
    ask(p);
}

static void on_drain(void *ctx, struct sh_http_req *r)
{
    SH_UNUSED(r);
    struct pull *p = ctx;
    if (!p->making && !sh_timer_is_set(&p->again)) {
        step(p);
    }
}

static void on_gone(void *ctx, struct sh_http_req *r)
{
    SH_UNUSED(r);
    struct pull *p = ctx;
    p->gone = true;
    if (!p->making && p->begun) {
        pull_end(p, SH_E_CLOSED);
    }
}

static const struct sh_http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};

/* The first piece is here. False: p has ended. */
static bool begin(struct pull *p)
{
    struct http_req *r = p->r;
    if (!http_count_in(r, p->o.piece_max * 2)) {
        http_error_body(r->srv, r, 503);
        http_answer_job(r);
        pull_free(p, SH_E_LIMIT);
        return false;
    }
    net_add(&r->srv->n.pulls, 1);
    p->err = p->err == SH_OK ? sh_http_stream_begin(&r->pub, &handler, p) : p->err;
    p->begun = p->err == SH_OK;
    return true;
}

static void on_job(void *ctx)
{
    struct pull *p = ctx;
    p->making = false;
    if (!p->begun && !begin(p)) {
        return;
    }
    if (p->gone || p->err != SH_OK) {
        pull_end(p, p->gone ? SH_E_CLOSED : p->err);
        return;
    }
    step(p);
}

/* ---- any thread ---- */

/* The first piece was made in the request's body. */
static sh_err take_first(struct pull *p)
{
    struct http_req *r = p->r;
    const struct sh_alloc *a = r->body.alloc;
    struct sh_buf first = r->body;
    sh_buf_init(&r->body, a, r->srv->o.response_max);
    const size_t most = first.n > p->o.piece_max ? first.n : p->o.piece_max;
    /* Compressed data may be longer than what it was made of, by a little. */
    sh_buf_init(&p->piece, a, most + most / 8 + 65536);
    if (!http_answer_gzip(r)) {
        const size_t max = p->piece.max;
        p->piece = first;
        p->piece.max = max;
        return r->err;
    }
    sh_err e = sh_gzip_stream_new(a, GZIP_LEVEL, &p->gz);
    if (e == SH_OK) {
        e = sh_buf_put_c(&r->fields, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    }
    if (e == SH_OK) {
        e = deflate_piece(p, sh_buf_bytes(&first));
    }
    sh_buf_fini(&first);
    return r->err != SH_OK ? r->err : e;
}

void sh_http_pull(struct sh_http_req *pub, const struct sh_http_pull *o)
{
    struct http_req *r = http_req_of(pub);
    const struct sh_alloc *a = r->srv->loop->env->alloc;
    struct pull *p = sh_mem_new(a, sizeof *p);
    if (p == NULL) {
        r->err = SH_E_NOMEM;
        o->end(o->ctx, SH_E_NOMEM);
        sh_http_send(pub);
        return;
    }
    p->alloc = a;
    p->o = *o;
    p->o.piece_max = o->piece_max == 0 ? PIECE_MAX : o->piece_max;
    p->r = r;
    p->job = (struct sh_job){.fn = on_job, .ctx = p};
    p->making = true;
    sh_timer_init(&p->again, ask, p);
    sh_buf_init(&p->plain, a, p->o.piece_max);
    p->err = take_first(p);
    sh_loop_post_job(r->srv->loop, &p->job);
}
