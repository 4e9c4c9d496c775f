/* tcp.c - TCP streams over uv_tcp_t.
 * States: open -> ending (sh_stream_end: output drains, then our side is shut, input is discarded)
 *              -> closing (uv_close is under way) -> gone. Open may go to closing directly.
 * Invariants:
 *  1. `out` collects writes; it is tried once, with uv_try_write, when the owner returns from
 *     on_bytes, else at the end of the turn. Only when the system does not take all does it become
 *     `flying`, a uv_write. So an idle stream has no
 *     output block, and at most one is flying.
 *  2. queued = out->n + what libuv still holds; the loop's counter is kept equal to the sum.
 *  3. The system is asked for input (NET_READING) exactly while started or ending, not paused, not
 *     at EOF and not closing.
 *  4. on_close is called from the close callback of libuv only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "net_int.h"

enum {
    OUT_SMALL = 1024 - (int)sizeof(struct net_out),
    OUT_SPARE_MAX = 1024,
    DIRECT_MIN = 8192, /* from here a write is tried without copying it first */
    FLUSH_AT = 65536,  /* more than this does not wait for the end of the turn */
    READ_STEP = 16384,
    LINGER_US = 2 * 1000 * 1000,
    STALL_US = 10 * 1000 * 1000,
};

struct lingering {
    struct sh_timer timer;
    size_t left; /* bytes unsent when last looked at */
};

struct net_tcp {
    struct net_stream n;
    uv_tcp_t uv;
    struct net_out *out;
    struct net_out *flying;
    struct sh_listener *listener;
    struct lingering *linger;
    bool opened; /* counted in streams */
};

static struct net_tcp *tcp_of(const struct sh_stream *s)
{
    return NET_OWNER(s, struct net_tcp, n);
}

/* ---- output blocks ---- */

static struct net_out *out_new(struct sh_loop *l, size_t need)
{
    if (need <= OUT_SMALL && l->spare != NULL) {
        struct net_out *o = l->spare;
        l->spare = o->next;
        l->spare_n--;
        o->n = 0;
        return o;
    }
    const size_t cap = need < OUT_SMALL ? OUT_SMALL : need;
    struct net_out *o = sh_mem_resize(l->env->alloc, NULL, sizeof *o + cap);
    if (o != NULL) {
        o->n = 0;
        o->cap = (uint32_t)cap;
    }
    return o;
}

static void out_free(struct sh_loop *l, struct net_out *o)
{
    if (o != NULL && o->cap == OUT_SMALL && l->spare_n < OUT_SPARE_MAX) {
        o->next = l->spare;
        l->spare = o;
        l->spare_n++;
        return;
    }
    sh_mem_free(l->env->alloc, o);
}

static sh_err out_room(struct net_tcp *t, size_t more)
{
    struct sh_loop *l = t->n.s.loop;
    if (t->out == NULL) {
        t->out = out_new(l, more);
        return t->out == NULL ? SH_E_NOMEM : SH_OK;
    }
    const size_t need = t->out->n + more;
    if (need <= t->out->cap) {
        return SH_OK;
    }
    size_t cap = (size_t)t->out->cap * 2;
    cap = cap < need ? need : cap;
    struct net_out *o = sh_mem_resize(l->env->alloc, t->out, sizeof *o + cap);
    if (o == NULL) {
        return SH_E_NOMEM;
    }
    o->cap = (uint32_t)cap;
    t->out = o;
    return SH_OK;
}

/* ---- closing ---- */

static void on_uv_closed(uv_handle_t *h)
{
    struct net_tcp *t = NET_OWNER(h, struct net_tcp, uv);
    struct sh_loop *l = t->n.s.loop;
    if (t->out != NULL) {
        net_sub(&l->n.queued_bytes, t->out->n);
        out_free(l, t->out);
    }
    if (t->linger != NULL) {
        sh_timer_stop(&t->linger->timer);
        sh_mem_free(l->env->alloc, t->linger);
    }
    net_stream_fini(&t->n);
    if (t->opened) {
        net_sub(&l->n.streams, 1);
        net_tell_closed(&t->n);
    }
    if (t->listener != NULL) {
        net_listener_unref(t->listener);
    }
    sh_mem_free(l->env->alloc, t);
}

static void close_now(struct net_tcp *t, sh_err reason)
{
    if ((t->n.flags & NET_CLOSING) == 0) {
        t->n.flags |= NET_CLOSING;
        t->n.reason = (uint8_t)reason;
        uv_close((uv_handle_t *)&t->uv, on_uv_closed);
    }
}

static sh_err reason_of(int uv_status)
{
    return uv_status == UV_EPIPE || uv_status == UV_EOF ? SH_E_CLOSED : SH_E_IO;
}

/* ---- output ---- */

static size_t tcp_queued(const struct sh_stream *s)
{
    const struct net_tcp *t = tcp_of(s);
    return (t->out == NULL ? 0 : t->out->n) +
           uv_stream_get_write_queue_size((const uv_stream_t *)&t->uv);
}

static void shut(struct net_tcp *t);

/* After the queue has shrunk. */
static void check_drain(struct net_tcp *t)
{
    const size_t q = tcp_queued(&t->n.s);
    if (q == 0 && (t->n.flags & (NET_ENDING | NET_SHUT | NET_CLOSING)) == NET_ENDING) {
        shut(t);
        return;
    }
    if ((t->n.flags & NET_HIGH) != 0 && q <= t->n.write_max / 2 &&
        (t->n.flags & (NET_ENDING | NET_CLOSING)) == 0 && t->n.s.handler != NULL) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_HIGH);
        if (t->n.s.handler->on_drain != NULL) {
            t->n.s.handler->on_drain(t->n.s.ctx);
        }
    }
}

static void flush_out(struct net_tcp *t);

static void on_written(uv_write_t *req, int status)
{
    struct net_out *o = NET_OWNER(req, struct net_out, req);
    struct net_tcp *t = req->data;
    struct sh_loop *l = t->n.s.loop;
    net_sub(&l->n.queued_bytes, o->n);
    if (status == 0) {
        net_add(&l->n.bytes_out, o->n);
    }
    t->flying = NULL;
    out_free(l, o);
    if ((t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    if (status < 0) {
        close_now(t, reason_of(status));
        return;
    }
    flush_out(t);
    check_drain(t);
}

/* Sends the collected block, or makes it the flying one. Never calls the owner. */
static void flush_out(struct net_tcp *t)
{
    struct sh_loop *l = t->n.s.loop;
    struct net_out *o = t->out;
    t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_FLUSH);
    if (o == NULL || t->flying != NULL || (t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    t->out = NULL;
    uv_buf_t b = uv_buf_init((char *)o->data, o->n);
    const int sent = uv_try_write((uv_stream_t *)&t->uv, &b, 1);
    if (sent == (int)o->n) {
        net_sub(&l->n.queued_bytes, o->n);
        net_add(&l->n.bytes_out, o->n);
        out_free(l, o);
        return;
    }
    if (sent < 0 && sent != UV_EAGAIN) {
        net_sub(&l->n.queued_bytes, o->n);
        out_free(l, o);
        close_now(t, reason_of(sent));
        return;
    }
    const uint32_t done = sent > 0 ? (uint32_t)sent : 0;
    net_add(&l->n.bytes_out, done);
    net_sub(&l->n.queued_bytes, done);
    b = uv_buf_init((char *)o->data + done, o->n - done);
    o->n -= done;
    o->req.data = t;
    if (uv_write(&o->req, (uv_stream_t *)&t->uv, &b, 1, on_written) != 0) {
        net_sub(&l->n.queued_bytes, o->n);
        out_free(l, o);
        close_now(t, SH_E_IO);
        return;
    }
    t->flying = o;
}

/* Tries a big write at once, without copying it; returns how much went out. */
static size_t write_direct(struct net_tcp *t, const struct sh_bytes *parts, size_t n)
{
    uv_buf_t b[8];
    if (n > sizeof b / sizeof b[0] || t->out != NULL || t->flying != NULL) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        union {
            const uint8_t *in;
            char *out;
        } p = {.in = parts[i].p}; /* libuv's buffers are not const, but it only reads them */
        b[i] = uv_buf_init(p.out, (unsigned)parts[i].n);
    }
    const int sent = uv_try_write((uv_stream_t *)&t->uv, b, (unsigned)n);
    if (sent > 0) {
        net_add(&t->n.s.loop->n.bytes_out, (uint64_t)sent);
        return (size_t)sent;
    }
    return 0; /* an error shows again at the flush */
}

static sh_err tcp_write(struct sh_stream *s, const struct sh_bytes *parts, size_t n)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return SH_E_CLOSED;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
    }
    const size_t q = tcp_queued(s);
    if (total > t->n.write_max || q > t->n.write_max - total) {
        t->n.flags |= NET_HIGH;
        return SH_E_LIMIT;
    }
    size_t skip = total >= DIRECT_MIN ? write_direct(t, parts, n) : 0;
    const size_t left = total - skip;
    if (left == 0) {
        return SH_OK;
    }
    const sh_err e = out_room(t, left);
    if (e != SH_OK) {
        if (skip > 0) { /* a part is on the wire already: this cannot be undone */
            close_now(t, e);
        }
        return e;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t cut = skip < parts[i].n ? skip : parts[i].n;
        skip -= cut;
        if (parts[i].n > cut) {
            memcpy(t->out->data + t->out->n, parts[i].p + cut, parts[i].n - cut);
            t->out->n += (uint32_t)(parts[i].n - cut);
        }
    }
    net_add(&s->loop->n.queued_bytes, left);
    if (q + left > t->n.write_max / 2) {
        t->n.flags |= NET_HIGH;
    }
    if (t->out->n >= FLUSH_AT) {
        flush_out(t);
    }
    net_want(&t->n, NET_FLUSH);
    return SH_OK;
}

static void tcp_flush(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if (t->out != NULL) {
        flush_out(t);
        net_want(&t->n, 0); /* so that on_drain or the end is looked at */
    }
}

/* ---- input ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    SH_UNUSED(suggested);
    struct net_tcp *t = NET_OWNER(h, struct net_tcp, uv);
    struct sh_loop *l = t->n.s.loop;
    if (t->n.in_n == 0) {
        *buf = uv_buf_init((char *)l->read_buf, NET_READ_BUF);
        return;
    }
    size_t room = 0;
    uint8_t *p = net_in_room(&t->n, t->n.in_n > READ_STEP ? t->n.in_n : READ_STEP, &room);
    *buf = uv_buf_init((char *)p, p == NULL ? 0 : (unsigned)room);
}

static void set_reading(struct net_tcp *t);

/* What the owner wrote in on_bytes leaves at once: the block is still in the cache and serves the
 * next stream again. */
static void flush_early(struct net_tcp *t)
{
    if (t->out == NULL) {
        return;
    }
    flush_out(t);
    if ((t->n.flags & (NET_SHOW | NET_HIGH | NET_ENDING)) == 0) {
        sh_job_cancel(t->n.s.loop, &t->n.job);
    }
}

static void after_input(struct net_tcp *t, sh_err e)
{
    if (e != SH_OK) {
        close_now(t, e);
        return;
    }
    if (net_show_eof(&t->n)) {
        if (tcp_queued(&t->n.s) > 0) {
            t->n.s.ops->end(&t->n.s); /* the last answers still leave */
            t->n.reason = SH_E_CLOSED;
        } else {
            close_now(t, SH_E_CLOSED);
        }
    }
    flush_early(t);
    set_reading(t);
}

static void on_read(uv_stream_t *us, ssize_t nread, const uv_buf_t *buf)
{
    struct net_tcp *t = NET_OWNER(us, struct net_tcp, uv);
    struct sh_loop *l = t->n.s.loop;
    if (nread == 0) {
        return;
    }
    if (nread == UV_EOF) {
        t->n.flags |= NET_EOF;
        if ((t->n.flags & NET_ENDING) != 0) {
            if ((t->n.flags & NET_SHUT) != 0) {
                close_now(t, (sh_err)t->n.reason);
            }
            set_reading(t);
            return;
        }
        after_input(t, SH_OK);
        return;
    }
    if (nread < 0) {
        close_now(t, nread == UV_ENOBUFS ? SH_E_NOMEM : reason_of((int)nread));
        return;
    }
    net_add(&l->n.bytes_in, (uint64_t)nread);
    if ((t->n.flags & NET_ENDING) != 0) {
        return; /* thrown away */
    }
    if (buf->base == (char *)l->read_buf) {
        after_input(t, net_input(&t->n, l->read_buf, (size_t)nread));
    } else {
        after_input(t, net_input_put(&t->n, (size_t)nread));
    }
}

static void set_reading(struct net_tcp *t)
{
    const unsigned f = t->n.flags;
    const bool want = (f & (NET_CLOSING | NET_EOF)) == 0 &&
                      ((f & NET_ENDING) != 0 || (f & (NET_STARTED | NET_PAUSED)) == NET_STARTED);
    if (want == ((f & NET_READING) != 0) || (f & NET_CLOSING) != 0) {
        return;
    }
    if (want) {
        t->n.flags |= NET_READING;
        if (uv_read_start((uv_stream_t *)&t->uv, on_alloc, on_read) != 0) {
            close_now(t, SH_E_IO);
        }
    } else {
        t->n.flags = (uint16_t)(f & ~(unsigned)NET_READING);
        (void)uv_read_stop((uv_stream_t *)&t->uv);
    }
}

/* ---- the other operations ---- */

static void tcp_turn(void *ctx)
{
    struct net_tcp *t = tcp_of(ctx);
    if ((t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    if ((t->n.flags & NET_SHOW) != 0) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_SHOW);
        after_input(t, net_show(&t->n));
    }
    if ((t->n.flags & NET_CLOSING) == 0) {
        flush_out(t);
        check_drain(t);
    }
}

static void tcp_start(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return;
    }
    t->n.flags |= NET_STARTED;
    set_reading(t);
    if (t->n.in_n > 0 || (t->n.flags & NET_EOF) != 0) {
        net_want(&t->n, NET_SHOW);
    }
}

static void tcp_pause(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) == 0) {
        t->n.flags |= NET_PAUSED;
        set_reading(t);
    }
}

static void tcp_resume(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & NET_PAUSED) != 0) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_PAUSED);
        set_reading(t);
        net_want(&t->n, NET_SHOW);
    }
}

static void on_linger(void *ctx)
{
    struct net_tcp *t = ctx;
    const size_t left = tcp_queued(&t->n.s);
    if ((t->n.flags & NET_SHUT) != 0) {
        close_now(t, (sh_err)t->n.reason);
    } else if (left >= t->linger->left) {
        close_now(t, SH_E_TIMEOUT);
    } else {
        t->linger->left = left;
        sh_timer_set(t->n.s.loop, &t->linger->timer, STALL_US);
    }
}

/* All is sent: close our side, wait a little for the peer to close its own. */
static void shut(struct net_tcp *t)
{
    t->n.flags |= NET_SHUT;
    uv_os_fd_t fd = -1;
    if ((t->n.flags & NET_EOF) != 0 || uv_fileno((uv_handle_t *)&t->uv, &fd) != 0 ||
        shutdown(fd, SHUT_WR) != 0 || t->linger == NULL) {
        close_now(t, (sh_err)t->n.reason);
        return;
    }
    sh_timer_set(t->n.s.loop, &t->linger->timer, LINGER_US);
    set_reading(t);
}

static void tcp_end(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return;
    }
    t->n.flags |= NET_ENDING;
    t->linger = sh_mem_new(s->loop->env->alloc, sizeof *t->linger);
    if (t->linger != NULL) {
        sh_timer_init(&t->linger->timer, on_linger, t);
        t->linger->left = tcp_queued(s);
        sh_timer_set(s->loop, &t->linger->timer, STALL_US);
    }
    set_reading(t);
    net_want(&t->n, NET_FLUSH);
}

static void tcp_close(struct sh_stream *s, sh_err reason)
{
    close_now(tcp_of(s), reason);
}

static size_t tcp_write_max(const struct sh_stream *s)
{
    return tcp_of(s)->n.write_max;
}

static struct sh_addr tcp_peer(const struct sh_stream *s)
{
    struct sockaddr_storage ss = {0};
    int len = sizeof ss;
    if (uv_tcp_getpeername(&tcp_of(s)->uv, (struct sockaddr *)&ss, &len) != 0) {
        return (struct sh_addr){0};
    }
    return net_addr_of(&ss);
}

static struct sh_addr tcp_local(const struct sh_stream *s)
{
    struct sockaddr_storage ss = {0};
    int len = sizeof ss;
    if (uv_tcp_getsockname(&tcp_of(s)->uv, (struct sockaddr *)&ss, &len) != 0) {
        return (struct sh_addr){0};
    }
    return net_addr_of(&ss);
}

static sh_err tcp_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out)
{
    SH_UNUSED(s);
    SH_UNUSED(out);
    return SH_E_NOTFOUND;
}

static bool tcp_secure(const struct sh_stream *s)
{
    SH_UNUSED(s);
    return false;
}

static const struct sh_stream_ops tcp_ops = {
    .kind = "tcp",
    .start = tcp_start,
    .write = tcp_write,
    .flush = tcp_flush,
    .pause = tcp_pause,
    .resume = tcp_resume,
    .end = tcp_end,
    .close = tcp_close,
    .queued = tcp_queued,
    .write_max = tcp_write_max,
    .peer = tcp_peer,
    .local = tcp_local,
    .peer_cert = tcp_peer_cert,
    .secure = tcp_secure,
};

sh_err net_tcp_new(struct sh_loop *l, const struct sh_stream_opts *o, struct net_tcp **out)
{
    struct net_tcp *t = sh_mem_new(l->env->alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    net_stream_init(&t->n, &tcp_ops, l, o, tcp_turn);
    if (uv_tcp_init(&l->uv, &t->uv) != 0) {
        sh_mem_free(l->env->alloc, t);
        return SH_E_IO;
    }
    *out = t;
    return SH_OK;
}

uv_tcp_t *net_tcp_uv(struct net_tcp *t)
{
    return &t->uv;
}

struct sh_stream *net_tcp_open(struct net_tcp *t, const struct sh_stream_opts *o)
{
    t->opened = true;
    net_add(&t->n.s.loop->n.streams, 1);
    if (!o->no_delay_off) {
        (void)uv_tcp_nodelay(&t->uv, 1);
    }
    if (o->keepalive_s != UINT_MAX) {
        (void)uv_tcp_keepalive(&t->uv, 1, o->keepalive_s == 0 ? 60 : o->keepalive_s);
    }
    return &t->n.s;
}

void net_tcp_abort(struct net_tcp *t)
{
    close_now(t, SH_E_CANCELED);
}

void net_tcp_count_in(struct net_tcp *t, struct sh_listener *ln)
{
    t->listener = ln;
}
