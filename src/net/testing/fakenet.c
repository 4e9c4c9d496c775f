/* fakenet.c - two streams joined in memory. Each end has an output queue (`out`, at most write_max)
 * and a wire (`wire`, at most `window`) that holds what has been sent to it and not yet read, as a
 * kernel's socket buffers would. Bytes move from the other end's `out` to our `wire` and from there
 * to the owner in deferred jobs only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/fakenet.h>

#include "../net_int.h"

enum { WINDOW = 65536, PEER_IN = 4096 };

struct fake {
    struct net_stream n;
    struct fake *other; /* NULL when that end is gone */
    struct sh_buf out;
    struct sh_buf wire;
    size_t window;
    size_t chunk;
    bool wire_eof; /* the other end will send no more */
    bool shut;     /* we have told the other end so */
    bool has_cert;
    bool secure;
    struct sh_peer_cert cert;
    struct sh_addr peer;
};

static struct fake *fake_of(const struct sh_stream *s)
{
    return NET_OWNER(s, struct fake, n);
}

static void gone(struct fake *f)
{
    const struct sh_alloc *a = f->n.s.loop->env->alloc;
    if (f->other != NULL) {
        struct fake *o = f->other;
        o->other = NULL;
        o->wire_eof = true;
        net_want(&o->n, 0);
    }
    net_stream_fini(&f->n);
    net_sub(&f->n.s.loop->n.streams, 1);
    net_tell_closed(&f->n);
    sh_buf_fini(&f->out);
    sh_buf_fini(&f->wire);
    sh_mem_free(a, f);
}

static void close_fake(struct fake *f, sh_err reason)
{
    if ((f->n.flags & NET_CLOSING) == 0) {
        f->n.reason = (uint8_t)reason;
        net_want(&f->n, NET_CLOSING);
    }
}

/* Our output to the other end's wire. */
static void move_out(struct fake *f)
{
    struct fake *o = f->other;
    if (o == NULL) {
        if (f->out.n > 0) {
            close_fake(f, SH_E_IO); /* written to nobody */
        }
        f->shut = true;
        return;
    }
    size_t n = f->window > o->wire.n ? f->window - o->wire.n : 0;
    n = n < f->out.n ? n : f->out.n;
    if (n > 0) {
        if (sh_buf_put(&o->wire, f->out.p, n) != SH_OK) {
            close_fake(f, SH_E_NOMEM);
            return;
        }
        sh_buf_drop(&f->out, n);
        net_want(&o->n, 0);
    }
    if (f->out.n == 0 && (f->n.flags & NET_ENDING) != 0 && !f->shut) {
        f->shut = true;
        o->wire_eof = true;
        net_want(&o->n, 0);
    }
}

static void input_done(struct fake *f, sh_err e)
{
    if (e != SH_OK) {
        close_fake(f, e);
    }
}

/* Our wire to our owner. */
static void move_in(struct fake *f)
{
    if ((f->n.flags & NET_SHOW) != 0) {
        f->n.flags = (uint16_t)(f->n.flags & ~(unsigned)NET_SHOW);
        input_done(f, net_show(&f->n));
    }
    if ((f->n.flags & NET_ENDING) != 0) {
        sh_buf_clear(&f->wire);
    } else if (f->wire.n > 0 && net_can_show(&f->n)) {
        const size_t n = f->chunk != 0 && f->chunk < f->wire.n ? f->chunk : f->wire.n;
        uint8_t *copy = sh_mem_new(f->n.s.loop->env->alloc, n); /* exact: reads past it show */
        if (copy == NULL) {
            close_fake(f, SH_E_NOMEM);
            return;
        }
        memcpy(copy, f->wire.p, n);
        sh_buf_drop(&f->wire, n);
        net_add(&f->n.s.loop->n.bytes_in, n);
        input_done(f, net_input(&f->n, copy, n));
        sh_mem_free(f->n.s.loop->env->alloc, copy);
        net_want(&f->n, 0);
        if (f->other != NULL) {
            net_want(&f->other->n, 0); /* there is room on the wire */
        }
    }
    if (f->wire.n == 0 && f->wire_eof && (f->n.flags & NET_CLOSING) == 0) {
        f->n.flags |= NET_EOF;
        if (net_show_eof(&f->n)) {
            close_fake(f, SH_E_CLOSED);
        }
    }
}

static void fake_turn(void *ctx)
{
    struct fake *f = fake_of(ctx);
    if ((f->n.flags & NET_CLOSING) == 0) {
        move_in(f);
    }
    if ((f->n.flags & NET_CLOSING) == 0) {
        move_out(f);
    }
    if ((f->n.flags & (NET_CLOSING | NET_ENDING | NET_HIGH)) == NET_HIGH &&
        f->out.n <= f->n.write_max / 2 && f->n.s.handler != NULL) {
        f->n.flags = (uint16_t)(f->n.flags & ~(unsigned)NET_HIGH);
        if (f->n.s.handler->on_drain != NULL) {
            f->n.s.handler->on_drain(f->n.s.ctx);
        }
    }
    if ((f->n.flags & NET_ENDING) != 0 && f->shut && f->wire_eof) {
        f->n.flags |= NET_CLOSING;
    }
    if ((f->n.flags & NET_CLOSING) != 0) {
        gone(f);
    }
}

static void fake_start(struct sh_stream *s)
{
    struct fake *f = fake_of(s);
    f->n.flags |= NET_STARTED;
    net_want(&f->n, NET_SHOW);
}

static sh_err fake_write(struct sh_stream *s, const struct sh_bytes *parts, size_t n)
{
    struct fake *f = fake_of(s);
    if ((f->n.flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return SH_E_CLOSED;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
    }
    if (total > f->n.write_max || f->out.n > f->n.write_max - total) {
        f->n.flags |= NET_HIGH;
        return SH_E_LIMIT;
    }
    SH_TRY(sh_buf_reserve(&f->out, total));
    for (size_t i = 0; i < n; i++) {
        SH_TRY(sh_buf_put(&f->out, parts[i].p, parts[i].n)); /* cannot fail: reserved */
    }
    if (f->out.n > f->n.write_max / 2) {
        f->n.flags |= NET_HIGH;
    }
    net_add(&s->loop->n.bytes_out, total);
    net_want(&f->n, 0);
    return SH_OK;
}

static void fake_flush(struct sh_stream *s)
{
    net_want(&fake_of(s)->n, 0);
}

static void fake_pause(struct sh_stream *s)
{
    fake_of(s)->n.flags |= NET_PAUSED;
}

static void fake_resume(struct sh_stream *s)
{
    struct fake *f = fake_of(s);
    f->n.flags = (uint16_t)(f->n.flags & ~(unsigned)NET_PAUSED);
    net_want(&f->n, NET_SHOW);
}

static void fake_end(struct sh_stream *s)
{
    net_want(&fake_of(s)->n, NET_ENDING);
}

static void fake_close(struct sh_stream *s, sh_err reason)
{
    close_fake(fake_of(s), reason);
}

static size_t fake_queued(const struct sh_stream *s)
{
    return fake_of(s)->out.n;
}

static size_t fake_write_max(const struct sh_stream *s)
{
    return fake_of(s)->n.write_max;
}

static struct sh_addr fake_peer(const struct sh_stream *s)
{
    return fake_of(s)->peer;
}

static struct sh_addr fake_local(const struct sh_stream *s)
{
    SH_UNUSED(s);
    return (struct sh_addr){0};
}

static sh_err fake_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out)
{
    const struct fake *f = fake_of(s);
    if (!f->has_cert) {
        return SH_E_NOTFOUND;
    }
    *out = f->cert;
    return SH_OK;
}

static bool fake_secure(const struct sh_stream *s)
{
    return fake_of(s)->secure;
}

static const struct sh_stream_ops fake_ops = {
    .kind = "fake",
    .start = fake_start,
    .write = fake_write,
    .flush = fake_flush,
    .pause = fake_pause,
    .resume = fake_resume,
    .end = fake_end,
    .close = fake_close,
    .queued = fake_queued,
    .write_max = fake_write_max,
    .peer = fake_peer,
    .local = fake_local,
    .peer_cert = fake_peer_cert,
    .secure = fake_secure,
};

static struct fake *fake_new(struct sh_loop *l, const struct sh_fake_opts *o)
{
    struct fake *f = sh_mem_new(l->env->alloc, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    const struct sh_stream_opts so = {.write_max = o->write_max, .read_max = o->read_max};
    net_stream_init(&f->n, &fake_ops, l, &so, fake_turn);
    sh_buf_init(&f->out, l->env->alloc, SIZE_MAX / 2);
    sh_buf_init(&f->wire, l->env->alloc, SIZE_MAX / 2);
    f->window = o->window == 0 ? WINDOW : o->window;
    f->chunk = o->chunk;
    f->secure = o->secure;
    f->peer = o->peer;
    if (o->cert != NULL) {
        f->has_cert = true;
        f->cert = *o->cert;
    }
    net_add(&l->n.streams, 1);
    return f;
}

sh_err sh_fakenet_pair(struct sh_loop *l, const struct sh_fake_opts *opts, struct sh_stream **a,
                       struct sh_stream **b)
{
    static const struct sh_fake_opts none = {0};
    struct fake *x = fake_new(l, opts == NULL ? &none : opts);
    struct fake *y = fake_new(l, opts == NULL ? &none : opts);
    if (x == NULL || y == NULL) {
        const uint64_t made = (uint64_t)(x != NULL) + (uint64_t)(y != NULL);
        net_sub(&l->n.streams, made);
        sh_mem_free(l->env->alloc, x);
        sh_mem_free(l->env->alloc, y);
        return SH_E_NOMEM;
    }
    x->other = y;
    y->other = x;
    *a = &x->n.s;
    *b = &y->n.s;
    return SH_OK;
}

/* ---- the puppet ---- */

struct sh_fakepeer {
    struct sh_loop *loop;
    struct sh_stream *s; /* NULL once closed */
    struct sh_buf in;
    bool eof;
    bool closed;
    bool freed; /* by the test, while s was still closing */
};

static size_t peer_bytes(void *ctx, struct sh_bytes in)
{
    struct sh_fakepeer *p = ctx;
    SH_ASSERT(sh_buf_put(&p->in, in.p, in.n) == SH_OK);
    return in.n;
}

static void peer_eof(void *ctx)
{
    struct sh_fakepeer *p = ctx;
    p->eof = true;
    sh_stream_end(p->s); /* as a client does */
}

static void free_peer(struct sh_fakepeer *p)
{
    sh_buf_fini(&p->in);
    sh_mem_free(p->loop->env->alloc, p);
}

static void peer_close(void *ctx, sh_err reason)
{
    SH_UNUSED(reason);
    struct sh_fakepeer *p = ctx;
    p->s = NULL;
    p->closed = true;
    if (p->freed) {
        free_peer(p);
    }
}

static const struct sh_stream_handler peer_handler = {
    .on_bytes = peer_bytes, .on_eof = peer_eof, .on_close = peer_close};

struct sh_fakepeer *sh_fakepeer_new(struct sh_loop *l, const struct sh_fake_opts *opts,
                                    struct sh_stream **s)
{
    struct sh_fakepeer *p = sh_mem_new(l->env->alloc, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->loop = l;
    sh_buf_init(&p->in, l->env->alloc, SIZE_MAX / 2);
    /* so that a test with failing memory meets it where it looks, not here */
    if (sh_buf_reserve(&p->in, PEER_IN) != SH_OK || sh_fakenet_pair(l, opts, s, &p->s) != SH_OK) {
        sh_buf_fini(&p->in);
        sh_mem_free(l->env->alloc, p);
        return NULL;
    }
    fake_of(p->s)->n.write_max = UINT32_MAX;
    fake_of(p->s)->chunk = 0;
    sh_stream_start(p->s, &peer_handler, p);
    return p;
}

void sh_fakepeer_free(struct sh_fakepeer *p)
{
    if (p == NULL) {
        return;
    }
    if (p->s == NULL) {
        free_peer(p);
        return;
    }
    p->freed = true;
    sh_fakepeer_reset(p);
}

void sh_fakepeer_send(struct sh_fakepeer *p, struct sh_bytes b)
{
    SH_ASSERT(p->s != NULL); /* the near end has closed: look at sh_fakepeer_closed first */
    SH_ASSERT(sh_stream_write(p->s, b) == SH_OK);
}

void sh_fakepeer_send_c(struct sh_fakepeer *p, const char *text)
{
    sh_fakepeer_send(p, sh_bytes_of(text, strlen(text)));
}

struct sh_bytes sh_fakepeer_in(const struct sh_fakepeer *p)
{
    return sh_buf_bytes(&p->in);
}

void sh_fakepeer_drop(struct sh_fakepeer *p, size_t n)
{
    sh_buf_drop(&p->in, n);
}

void sh_fakepeer_block(struct sh_fakepeer *p, bool blocked)
{
    if (p->s == NULL) {
        return;
    }
    if (blocked) {
        sh_stream_pause(p->s);
    } else {
        sh_stream_resume(p->s);
    }
}

void sh_fakepeer_eof(struct sh_fakepeer *p)
{
    if (p->s != NULL) {
        struct fake *f = fake_of(p->s);
        f->shut = true;
        if (f->other != NULL) {
            move_out(f);
            f->other->wire_eof = true;
            net_want(&f->other->n, 0);
        }
    }
}

void sh_fakepeer_reset(struct sh_fakepeer *p)
{
    if (p->s == NULL) {
        return;
    }
    struct fake *f = fake_of(p->s);
    if (f->other != NULL) {
        f->other->other = NULL;
        close_fake(f->other, SH_E_IO);
        f->other = NULL;
    }
    sh_stream_close(p->s, SH_E_IO);
}

bool sh_fakepeer_saw_eof(const struct sh_fakepeer *p)
{
    return p->eof;
}

bool sh_fakepeer_closed(const struct sh_fakepeer *p)
{
    return p->closed;
}
