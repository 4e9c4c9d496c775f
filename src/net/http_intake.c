/* http_intake.c - request bodies that workers take piece by piece.
 * States: idle (nothing to do or little gathered), working (a worker has `work`), ended (let go of
 * by the request; a worker runs `end`). Invariants:
 *  1. While working, the loop touches `fill`, `err_in`, `whole` and `gone` only; the worker `work`
 *     and `err`.
 *  2. The request knows the intake from its first step on the loop until it is ended; `end` is
 *     called after that, so that its answer finds a request that nobody else holds.
 *  3. The stream is paused while `fill` is full, and only then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http_int.h"

enum { PIECE_MAX = 256 << 10, AGAIN_US = 20000, SLOW_BYTES = 1024 };

struct http_intake {
    struct sh_http_intake o;
    const struct sh_alloc *alloc;
    struct http_req *r;
    struct sh_loop *loop;
    struct sh_job job; /* to the loop */
    struct sh_timer again;
    struct sh_buf fill;
    struct sh_buf work;
    uint64_t got;  /* bytes of the body that came */
    uint64_t mark; /* when the timer last looked */
    bool working;
    bool whole;
    bool gone;
    sh_err err_in; /* of what came in */
    sh_err err;    /* of `piece`; at the end what `end` gets */
};

int64_t sh_http_body_length(const struct sh_http_req *r)
{
    return http_req_of(r)->head.content_length;
}

/* ---- on a worker ---- */

static void do_piece(void *ctx)
{
    struct http_intake *k = ctx;
    k->err = k->o.piece(k->o.ctx, sh_buf_bytes(&k->work));
    sh_loop_post_job(k->loop, &k->job);
}

static void do_end(void *ctx)
{
    struct http_intake *k = ctx;
    const struct sh_http_intake o = k->o;
    const sh_err err = k->err;
    sh_buf_fini(&k->fill);
    sh_buf_fini(&k->work);
    sh_mem_free(k->alloc, k);
    o.end(o.ctx, err);
}

/* ---- on the loop ---- */

static void run_end(void *ctx)
{
    struct http_intake *k = ctx;
    const sh_err err = k->o.run(k->o.pool, do_end, k);
    if (err == SH_E_LIMIT) {
        sh_timer_set(k->loop, &k->again, AGAIN_US);
    } else if (err != SH_OK) {
        do_end(k);
    }
}

static void finish(struct http_intake *k, sh_err err)
{
    struct http_req *r = k->r;
    struct sh_http_server *s = r->srv;
    k->err = err;
    r->unread = !k->whole;
    r->intake = NULL;
    net_sub(&s->n.intakes, 1);
    net_add(&s->n.intakes_cut, err == SH_OK ? 0 : 1);
    if (r->conn != NULL) {
        sh_timer_stop(&r->conn->timer);
    }
    sh_timer_stop(&k->again);
    sh_timer_init(&k->again, run_end, k);
    run_end(k);
}

/* False: k has ended. */
static bool piece_begin(struct http_intake *k)
{
    const sh_err err = k->o.run(k->o.pool, do_piece, k);
    if (err == SH_E_LIMIT) {
        sh_timer_set(k->loop, &k->again, AGAIN_US);
    } else if (err != SH_OK) {
        k->working = false;
        finish(k, SH_E_CANCELED);
        return false;
    }
    return true;
}

static void run_piece(void *ctx)
{
    (void)piece_begin(ctx);
}

/* Gives what was gathered to a worker when it is much, or the last. */
static void step(struct http_intake *k)
{
    if (k->working) {
        return;
    }
    const sh_err err = k->gone && !k->whole ? SH_E_CLOSED : k->err_in;
    if (k->err != SH_OK || err != SH_OK) {
        finish(k, k->err != SH_OK ? k->err : err);
        return;
    }
    if (k->whole && k->fill.n == 0) {
        finish(k, SH_OK);
        return;
    }
    if (k->fill.n >= k->o.piece_max / 4 || k->whole) {
        const struct sh_buf was = k->work;
        k->work = k->fill;
        k->fill = was;
        sh_buf_clear(&k->fill);
        k->working = true;
        if (!piece_begin(k)) {
            return;
        }
    }
    struct http_conn *c = k->r->conn;
    if (!k->gone && c != NULL && c->paused && c->req == k->r && !k->whole) {
        c->paused = false;
        k->mark = 0;
        http_conn_timer(c, k->r->srv->o.body_timeout_us);
        sh_stream_resume(c->s);
    }
}

/* As much as fits. Returns how much that was. */
static size_t gather(struct http_intake *k, struct sh_bytes data)
{
    const size_t room = k->o.piece_max - k->fill.n;
    const size_t n = data.n < room ? data.n : room;
    if (n > k->o.body_max - k->got) {
        k->err_in = SH_E_LIMIT;
        return 0;
    }
    if (n > 0) {
        k->err_in = sh_buf_put(&k->fill, data.p, n);
    }
    if (k->err_in != SH_OK) {
        return 0;
    }
    k->got += n;
    net_add(&k->r->srv->n.body_bytes_in, n);
    return n;
}

static size_t take_chunks(struct http_intake *k, struct sh_bytes in)
{
    struct http_req *r = k->r;
    size_t at = 0;
    while (at < in.n && !k->whole && k->err_in == SH_OK && k->fill.n < k->o.piece_max) {
        const size_t room = k->o.piece_max - k->fill.n; /* what is fed always fits */
        const size_t n = in.n - at < room ? in.n - at : room;
        size_t used = 0;
        struct sh_bytes data = {0};
        const sh_err e =
            sh_chunked_feed(&r->chunked, (struct sh_bytes){in.p + at, n}, &used, &data);
        if (e == SH_E_PROTO) {
            k->err_in = e;
            return at;
        }
        at += used;
        (void)gather(k, data);
        k->whole = k->err_in == SH_OK && e == SH_OK;
    }
    return at;
}

size_t http_intake_take(struct http_req *r, struct sh_bytes in)
{
    struct http_intake *k = r->intake;
    struct http_conn *c = r->conn;
    size_t used = 0;
    if (!k->whole && k->err_in == SH_OK) {
        if (r->head.chunked) {
            used = take_chunks(k, in);
        } else {
            const uint64_t left = (uint64_t)r->head.content_length - k->got;
            used = gather(k, (struct sh_bytes){in.p, in.n < left ? in.n : (size_t)left});
            k->whole = k->err_in == SH_OK && used == left;
        }
    }
    r->unread = !k->whole;
    if (used < in.n) { /* full, at its end, or it has failed: the rest waits in the stream */
        c->paused = true;
        sh_stream_pause(c->s);
    }
    step(k);
    return used;
}

void http_intake_timer(struct http_req *r)
{
    struct http_intake *k = r->intake;
    struct http_conn *c = r->conn;
    if (!c->paused && !k->whole && k->got - k->mark < SLOW_BYTES) {
        net_add(&r->srv->n.timeouts, 1);
        k->err_in = SH_E_TIMEOUT;
        c->paused = true;
        sh_stream_pause(c->s);
        step(k);
        return;
    }
    k->mark = k->got;
    http_conn_timer(c, r->srv->o.body_timeout_us);
}

void http_intake_gone(struct http_req *r)
{
    r->intake->gone = true;
    step(r->intake);
}

static void begin(struct http_intake *k)
{
    struct http_req *r = k->r;
    struct http_conn *c = r->conn;
    net_add(&r->srv->n.intakes, 1);
    r->intake = k;
    k->whole = !r->head.chunked && r->head.content_length <= 0;
    k->gone = c == NULL;
    if (!http_count_in(r, k->o.piece_max * 2)) {
        k->err_in = SH_E_NOMEM;
    } else if (c != NULL && !k->whole) {
        http_conn_timer(c, r->srv->o.body_timeout_us);
        /* RFC 9110 10.1.1: not when some of the body is here already */
        if (r->head.expect_continue && !c->paused &&
            sh_stream_write(c->s, sh_bytes_of("HTTP/1.1 100 Continue\r\n\r\n", 25)) != SH_OK) {
            k->err_in = SH_E_CLOSED;
        }
    }
    step(k);
}

static void on_job(void *ctx)
{
    struct http_intake *k = ctx;
    k->working = false;
    if (k->r->intake == NULL) {
        begin(k);
    } else {
        step(k);
    }
}

/* ---- any thread ---- */

sh_err sh_http_intake(struct sh_http_req *pub, const struct sh_http_intake *o)
{
    struct http_req *r = http_req_of(pub);
    const struct sh_alloc *a = r->srv->loop->env->alloc;
    struct http_intake *k = sh_mem_new(a, sizeof *k);
    if (k == NULL) {
        return SH_E_NOMEM;
    }
    k->alloc = a;
    k->o = *o;
    k->o.piece_max = o->piece_max == 0 ? PIECE_MAX : o->piece_max;
    k->r = r;
    k->loop = r->srv->loop;
    k->job = (struct sh_job){.fn = on_job, .ctx = k};
    sh_timer_init(&k->again, run_piece, k);
    sh_buf_init(&k->fill, a, k->o.piece_max);
    sh_buf_init(&k->work, a, k->o.piece_max);
    sh_chunked_init(&r->chunked);
    sh_loop_post_job(k->loop, &k->job);
    return SH_OK;
}
