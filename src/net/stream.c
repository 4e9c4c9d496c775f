/* stream.c - what all streams share: the calls of the users, kept input, deferred work.
 * Invariants of kept input:
 *  1. `in` holds bytes the owner has not used; it is freed as soon as it is empty, so an idle
 *     stream has none.
 *  2. The owner is called only through net_input, net_input_put and net_show, never while one of
 *     them is on the stack for the same stream: all are called from the loop or a deferred job.
 *  3. Memory shown to the owner stays valid during the call even when the owner closes the stream,
 *     because closing frees later.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net_int.h"

enum { IN_MIN = 512, MIB = 1 << 20 };

void sh_stream_start(struct sh_stream *s, const struct sh_stream_handler *h, void *ctx)
{
    s->handler = h;
    s->ctx = ctx;
    s->ops->start(s);
}

sh_err sh_stream_write(struct sh_stream *s, struct sh_bytes b)
{
    return s->ops->write(s, &b, 1);
}

sh_err sh_stream_writev(struct sh_stream *s, const struct sh_bytes *parts, size_t n)
{
    return s->ops->write(s, parts, n);
}

void sh_stream_flush(struct sh_stream *s)
{
    s->ops->flush(s);
}

void sh_stream_pause(struct sh_stream *s)
{
    s->ops->pause(s);
}

void sh_stream_resume(struct sh_stream *s)
{
    s->ops->resume(s);
}

void sh_stream_end(struct sh_stream *s)
{
    s->ops->end(s);
}

void sh_stream_close(struct sh_stream *s, sh_err reason)
{
    s->ops->close(s, reason);
}

size_t sh_stream_queued(const struct sh_stream *s)
{
    return s->ops->queued(s);
}

size_t sh_stream_unacked(const struct sh_stream *s)
{
    return s->ops->unacked != NULL ? s->ops->unacked(s) : s->ops->queued(s);
}

size_t sh_stream_write_max(const struct sh_stream *s)
{
    return s->ops->write_max(s);
}

struct sh_addr sh_stream_peer(const struct sh_stream *s)
{
    return s->ops->peer(s);
}

struct sh_addr sh_stream_local(const struct sh_stream *s)
{
    return s->ops->local(s);
}

sh_err sh_stream_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out)
{
    return s->ops->peer_cert(s, out);
}

bool sh_stream_secure(const struct sh_stream *s)
{
    return s->ops->secure(s);
}

/* ---- the common part ---- */

static uint32_t limit_of(size_t v)
{
    if (v == 0) {
        return MIB;
    }
    return v > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)v;
}

void net_stream_init(struct net_stream *n, const struct sh_stream_ops *ops, struct sh_loop *l,
                     const struct sh_stream_opts *o, void (*turn)(void *ctx))
{
    n->s = (struct sh_stream){.ops = ops, .loop = l};
    n->job = (struct sh_job){.fn = turn, .ctx = n};
    n->in = NULL;
    n->read_max = limit_of(o == NULL ? 0 : o->read_max);
    n->write_max = limit_of(o == NULL ? 0 : o->write_max);
    n->flags = 0;
    n->reason = SH_OK;
}

static void drop_in(struct net_stream *n, size_t used)
{
    struct net_in *in = n->in;
    if (used >= net_kept(n)) {
        sh_mem_free(n->s.loop->env->alloc, in);
        n->in = NULL;
    } else if (used > 0) {
        memmove(in->data, in->data + used, in->n - used);
        in->n -= (uint32_t)used;
    }
}

void net_stream_fini(struct net_stream *n)
{
    sh_job_cancel(n->s.loop, &n->job);
    drop_in(n, net_kept(n));
}

void net_want(struct net_stream *n, unsigned flags)
{
    n->flags = (uint16_t)(n->flags | flags);
    sh_loop_defer(n->s.loop, &n->job);
}

static uint32_t cap_of(const struct net_stream *n)
{
    return n->in == NULL ? 0 : n->in->cap;
}

static sh_err in_resize(struct net_stream *n, size_t cap)
{
    const uint32_t kept = net_kept(n);
    struct net_in *in = sh_mem_resize(n->s.loop->env->alloc, n->in, sizeof *in + cap);
    if (in == NULL) {
        return SH_E_NOMEM;
    }
    in->n = kept;
    in->cap = (uint32_t)cap;
    n->in = in;
    return SH_OK;
}

uint8_t *net_in_room(struct net_stream *n, size_t want, size_t *room)
{
    /* A little above read_max, so that there is always room for something. */
    const size_t top = (size_t)n->read_max + IN_MIN;
    size_t need = net_kept(n) + want;
    need = need > top ? top : need;
    if (need > cap_of(n)) {
        size_t cap = n->in == NULL ? IN_MIN : (size_t)n->in->cap * 2;
        cap = cap < need ? need : cap;
        cap = cap > top ? top : cap;
        if (in_resize(n, cap) != SH_OK) {
            return NULL;
        }
    }
    *room = n->in->cap - n->in->n;
    return n->in->data + n->in->n;
}

/* Keeps bytes behind those kept. A source that gives more than the limit at once (TLS records, the
 * fake network) may pass it once. */
static sh_err keep(struct net_stream *n, const uint8_t *p, size_t len)
{
    if (len == 0) {
        return SH_OK;
    }
    const size_t need = net_kept(n) + len;
    if (need > cap_of(n)) {
        if (need > UINT32_MAX) {
            return SH_E_LIMIT;
        }
        size_t cap = n->in == NULL ? (need + 63) & ~(size_t)63 : (size_t)n->in->cap * 2;
        cap = cap < need ? need : cap;
        SH_TRY(in_resize(n, cap));
    }
    memcpy(n->in->data + n->in->n, p, len);
    n->in->n = (uint32_t)need;
    return SH_OK;
}

static size_t call_owner(struct net_stream *n, const uint8_t *p, size_t len)
{
    const size_t used = n->s.handler->on_bytes(n->s.ctx, (struct sh_bytes){p, len});
    SH_ASSERT(used <= len);
    return used;
}

/* True when the owner leaves too much unused without having paused. */
static bool stuck(const struct net_stream *n, size_t used)
{
    return used == 0 && net_kept(n) >= n->read_max && net_can_show(n);
}

sh_err net_show(struct net_stream *n)
{
    if (net_kept(n) == 0 || !net_can_show(n)) {
        return SH_OK;
    }
    const size_t used = call_owner(n, n->in->data, n->in->n);
    drop_in(n, (n->flags & (NET_ENDING | NET_CLOSING)) != 0 ? net_kept(n) : used);
    return stuck(n, used) ? SH_E_LIMIT : SH_OK;
}

sh_err net_input(struct net_stream *n, const uint8_t *p, size_t len)
{
    if ((n->flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return SH_OK;
    }
    if (net_kept(n) != 0 || !net_can_show(n)) {
        SH_TRY(keep(n, p, len));
        return net_show(n);
    }
    const size_t used = call_owner(n, p, len);
    if ((n->flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return SH_OK;
    }
    SH_TRY(keep(n, p + used, len - used));
    return stuck(n, used) ? SH_E_LIMIT : SH_OK;
}

sh_err net_input_put(struct net_stream *n, size_t len)
{
    n->in->n += (uint32_t)len;
    return net_show(n);
}

bool net_show_eof(struct net_stream *n)
{
    if ((n->flags & NET_EOF) == 0 || (n->flags & NET_EOF_SHOWN) != 0 || !net_can_show(n)) {
        return false;
    }
    n->flags |= NET_EOF_SHOWN;
    if (n->s.handler->on_eof == NULL) {
        return true;
    }
    n->s.handler->on_eof(n->s.ctx);
    return false;
}

void net_tell_closed(struct net_stream *n)
{
    if (n->s.handler != NULL && n->s.handler->on_close != NULL) {
        n->s.handler->on_close(n->s.ctx, (sh_err)n->reason);
    }
}
