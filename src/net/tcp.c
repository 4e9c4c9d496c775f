/* tcp.c - TCP streams over a socket and the loop's poll.
 * States: [connecting ->] open -> ending (sh_stream_end: output drains, then our side is shut,
 * input is discarded) -> closing (the socket is closed) -> gone. Open may go to closing directly.
 * Invariants:
 *  1. `out` collects writes; it is tried once, when the owner returns from on_bytes, else at the
 *     end of the turn. What the system does not take stays in it, and the poll is asked for room.
 *     So an idle stream has no output block.
 *  2. The loop's counter of queued bytes is the sum of all out->n - out->off.
 *  3. The poll is asked for input exactly while started or ending, not paused, not at EOF and not
 *     closing; for room exactly while the system did not take all. watch_set keeps both.
 *  4. on_close is called, and the stream freed, from its deferred job only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net_int.h"

enum {
    OUT_SMALL = 1024 - (int)sizeof(struct net_out),
    OUT_SPARE_MAX = 1024,
    DIRECT_MIN = 8192, /* from here a write is tried without copying it first */
    FLUSH_AT = 65536,  /* more than this does not wait for the end of the turn */
    READ_STEP = 16384,
    READS = 4, /* of a full buffer, before others have their turn */
    PARTS = 8, /* of a write that goes out without a copy */
    LINGER_US = 2 * 1000 * 1000,
    STALL_US = 10 * 1000 * 1000,
    KEEPALIVE_S = 60,
    KEEPALIVE_STEP_S = 1,
    KEEPALIVE_TRIES = 10,
};

struct lingering {
    struct sh_timer timer;
    size_t left; /* bytes unsent when last looked at */
};

struct net_tcp {
    struct net_stream n;
    struct net_watch w;
    struct net_out *out;
    struct sh_listener *listener;
    union {
        struct lingering *linger;          /* when opened */
        const struct net_connecting *wait; /* before */
    };
};

_Static_assert(sizeof(struct net_tcp) <= 120, "an idle stream has grown (README.md)");

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
        o->off = 0;
        return o;
    }
    const size_t cap = need < OUT_SMALL ? OUT_SMALL : need;
    struct net_out *o = sh_mem_resize(l->env->alloc, NULL, sizeof *o + cap);
    if (o != NULL) {
        o->n = 0;
        o->off = 0;
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
    if (t->out->off > 0 && t->out->n + more > t->out->cap) {
        memmove(t->out->data, t->out->data + t->out->off, t->out->n - t->out->off);
        t->out->n -= t->out->off;
        t->out->off = 0;
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

static void close_now(struct net_tcp *t, sh_err reason)
{
    if ((t->n.flags & NET_CLOSING) == 0) {
        t->n.flags |= NET_CLOSING;
        t->n.reason = (uint8_t)reason;
        net_watch_close(t->n.s.loop, &t->w);
        net_want(&t->n, 0);
    }
}

static size_t tcp_queued(const struct sh_stream *s)
{
    const struct net_out *o = tcp_of(s)->out;
    return o == NULL ? 0 : o->n - o->off;
}

/* What is queued here and what the kernel keeps until the peer has it (tcp(7), SIOCOUTQ). */
static size_t tcp_unacked(const struct sh_stream *s)
{
    int kept = 0;
    if (ioctl(tcp_of(s)->w.fd, SIOCOUTQ, &kept) != 0 || kept < 0) {
        kept = 0;
    }
    return tcp_queued(s) + (size_t)kept;
}

/* The last step of a stream that was closed. */
static void gone(struct net_tcp *t)
{
    struct sh_loop *l = t->n.s.loop;
    net_sub(&l->n.queued_bytes, tcp_queued(&t->n.s));
    out_free(l, t->out);
    if ((t->n.flags & NET_OPENED) != 0 && t->linger != NULL) {
        sh_timer_stop(&t->linger->timer);
        sh_mem_free(l->env->alloc, t->linger);
    }
    net_stream_fini(&t->n);
    if ((t->n.flags & NET_OPENED) != 0) {
        net_sub(&l->n.streams, 1);
        net_tell_closed(&t->n);
    }
    if (t->listener != NULL) {
        net_listener_gone(t->listener, l);
    }
    sh_mem_free(l->env->alloc, t);
}

static sh_err reason_of(int error)
{
    return error == EPIPE ? SH_E_CLOSED : SH_E_IO;
}

static bool wants_input(const struct net_tcp *t)
{
    const unsigned f = t->n.flags;
    return (f & (NET_CLOSING | NET_EOF)) == 0 &&
           ((f & NET_ENDING) != 0 || (f & (NET_STARTED | NET_PAUSED)) == NET_STARTED);
}

/* Asks the poll for what the state wants. */
static void watch_set(struct net_tcp *t)
{
    if ((t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    const unsigned want =
        (wants_input(t) ? NET_IN : 0U) | ((t->n.flags & NET_BLOCKED) != 0 ? NET_OUT : 0U);
    if (net_watch_set(t->n.s.loop, &t->w, want) != SH_OK) {
        close_now(t, SH_E_IO);
    }
}

/* ---- output ---- */

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

static void drop_out(struct net_tcp *t)
{
    struct sh_loop *l = t->n.s.loop;
    net_sub(&l->n.queued_bytes, tcp_queued(&t->n.s));
    out_free(l, t->out);
    t->out = NULL;
}

/* Sends what was collected, as far as the system takes it. Never calls the owner. */
static void flush_out(struct net_tcp *t)
{
    struct sh_loop *l = t->n.s.loop;
    struct net_out *o = t->out;
    t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_FLUSH);
    if (o == NULL || (t->n.flags & (NET_BLOCKED | NET_CLOSING)) != 0) {
        return;
    }
    ssize_t sent = 0;
    do {
        sent = send(t->w.fd, o->data + o->off, o->n - o->off, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        const sh_err why = reason_of(errno);
        drop_out(t);
        close_now(t, why);
        return;
    }
    const uint32_t done = sent > 0 ? (uint32_t)sent : 0;
    net_add(&l->n.bytes_out, done);
    net_sub(&l->n.queued_bytes, done);
    o->off += done;
    if (o->off == o->n) {
        t->out = NULL;
        out_free(l, o);
        return;
    }
    t->n.flags |= NET_BLOCKED;
    watch_set(t);
}

/* The system has room again. */
static void on_room(struct net_tcp *t)
{
    t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_BLOCKED);
    flush_out(t);
    watch_set(t);
    check_drain(t);
}

/* Tries a big write at once, without copying it; returns how much went out. */
static size_t write_direct(struct net_tcp *t, const struct sh_bytes *parts, size_t n)
{
    struct iovec v[PARTS];
    if (n > PARTS || t->out != NULL) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } p = {.in = parts[i].p}; /* an iovec is not const, but it is only read */
        v[i] = (struct iovec){.iov_base = p.out, .iov_len = parts[i].n};
    }
    const struct msghdr m = {.msg_iov = v, .msg_iovlen = n};
    const ssize_t sent = sendmsg(t->w.fd, &m, MSG_NOSIGNAL);
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
    if (tcp_queued(s) >= FLUSH_AT) {
        flush_out(t);
    }
    net_want(&t->n, NET_FLUSH);
    return SH_OK;
}

/* What the owner wrote leaves at once: the block is still in the cache and serves the next stream
 * again. The deferred job stays when there is more to look at. */
static void flush_early(struct net_tcp *t)
{
    if (t->out == NULL) {
        return;
    }
    flush_out(t);
    if ((t->n.flags & (NET_SHOW | NET_HIGH | NET_ENDING | NET_CLOSING)) == 0) {
        sh_job_cancel(t->n.s.loop, &t->n.job);
    }
}

static void tcp_flush(struct sh_stream *s)
{
    flush_early(tcp_of(s));
}

/* ---- input ---- */

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
    watch_set(t);
}

static void on_end(struct net_tcp *t)
{
    t->n.flags |= NET_EOF;
    if ((t->n.flags & NET_ENDING) == 0) {
        after_input(t, SH_OK);
        return;
    }
    if ((t->n.flags & NET_SHUT) != 0) {
        close_now(t, (sh_err)t->n.reason);
    }
    watch_set(t);
}

/* One read. True: the buffer was filled, there may be more. */
static bool read_once(struct net_tcp *t)
{
    struct sh_loop *l = t->n.s.loop;
    uint8_t *at = l->read_buf;
    size_t room = NET_READ_BUF;
    const bool behind = net_kept(&t->n) != 0; /* what is kept comes first */
    if (behind) {
        const uint32_t kept = net_kept(&t->n);
        at = net_in_room(&t->n, kept > READ_STEP ? kept : READ_STEP, &room);
        if (at == NULL) {
            close_now(t, SH_E_NOMEM);
            return false;
        }
    }
    const ssize_t n = recv(t->w.fd, at, room, 0);
    if (n == 0) {
        on_end(t);
        return false;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            close_now(t, reason_of(errno));
        }
        return false;
    }
    net_add(&l->n.bytes_in, (uint64_t)n);
    if ((t->n.flags & NET_ENDING) == 0) { /* else it is thrown away */
        after_input(t, behind ? net_input_put(&t->n, (size_t)n)
                              : net_input(&t->n, l->read_buf, (size_t)n));
    }
    return (size_t)n == room;
}

static void on_connected(struct net_tcp *t)
{
    const struct net_connecting *c = t->wait;
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(t->w.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    t->wait = NULL;
    if (net_watch_set(t->n.s.loop, &t->w, 0) != SH_OK && error == 0) {
        error = EIO;
    }
    if (c != NULL) {
        c->fn(c->ctx, error);
    }
}

void net_tcp_ready(struct net_watch *w, unsigned events)
{
    struct net_tcp *t = NET_OWNER(w, struct net_tcp, w);
    if ((t->n.flags & NET_OPENED) == 0) {
        on_connected(t);
        return;
    }
    if ((events & NET_OUT) != 0 && (t->n.flags & NET_BLOCKED) != 0) {
        on_room(t);
    }
    if ((events & NET_IN) != 0) {
        for (unsigned i = 0; i < READS && wants_input(t) && read_once(t); i++) {
        }
    }
}

/* ---- the other operations ---- */

static void tcp_turn(void *ctx)
{
    struct net_tcp *t = tcp_of(ctx);
    if ((t->n.flags & NET_CLOSING) != 0) {
        gone(t);
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
    watch_set(t);
    if (net_kept(&t->n) > 0 || (t->n.flags & NET_EOF) != 0) {
        net_want(&t->n, NET_SHOW);
    }
}

static void tcp_pause(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) == 0) {
        t->n.flags |= NET_PAUSED;
        watch_set(t);
    }
}

static void tcp_resume(struct sh_stream *s)
{
    struct net_tcp *t = tcp_of(s);
    if ((t->n.flags & NET_PAUSED) != 0) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_PAUSED);
        watch_set(t);
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
    if ((t->n.flags & NET_EOF) != 0 || shutdown(t->w.fd, SHUT_WR) != 0 || t->linger == NULL) {
        close_now(t, (sh_err)t->n.reason);
        return;
    }
    sh_timer_set(t->n.s.loop, &t->linger->timer, LINGER_US);
    watch_set(t);
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
    watch_set(t);
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
    socklen_t len = sizeof ss;
    if (getpeername(tcp_of(s)->w.fd, (struct sockaddr *)&ss, &len) != 0) {
        return (struct sh_addr){0};
    }
    return net_addr_of(&ss);
}

static struct sh_addr tcp_local(const struct sh_stream *s)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    if (getsockname(tcp_of(s)->w.fd, (struct sockaddr *)&ss, &len) != 0) {
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
    .unacked = tcp_unacked,
    .write_max = tcp_write_max,
    .peer = tcp_peer,
    .local = tcp_local,
    .peer_cert = tcp_peer_cert,
    .secure = tcp_secure,
};

sh_err net_tcp_new(struct sh_loop *l, int fd, const struct sh_stream_opts *o, struct net_tcp **out)
{
    struct net_tcp *t = sh_mem_new(l->env->alloc, sizeof *t);
    if (t == NULL) {
        (void)close(fd);
        return SH_E_NOMEM;
    }
    net_stream_init(&t->n, &tcp_ops, l, o, tcp_turn);
    t->w = (struct net_watch){.fd = fd, .kind = NET_WATCH_TCP};
    *out = t;
    return SH_OK;
}

static void option(int fd, int level, int name, unsigned value)
{
    const int v = value > INT_MAX ? INT_MAX : (int)value;
    (void)setsockopt(fd, level, name, &v, sizeof v); /* without it the connection still works */
}

struct sh_stream *net_tcp_open(struct net_tcp *t, const struct sh_stream_opts *o)
{
    const int fd = t->w.fd;
    t->n.flags |= NET_OPENED;
    t->linger = NULL;
    net_add(&t->n.s.loop->n.streams, 1);
    if (!o->no_delay_off) {
        option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (o->keepalive_s != UINT_MAX) {
        option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        option(fd, IPPROTO_TCP, TCP_KEEPIDLE, o->keepalive_s == 0 ? KEEPALIVE_S : o->keepalive_s);
        option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_STEP_S);
        option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES);
    }
    return &t->n.s;
}

int net_tcp_connect(struct sh_loop *l, const struct sh_addr *a, const struct sh_stream_opts *o,
                    struct net_tcp **out)
{
    struct sockaddr_storage ss;
    const socklen_t len = net_addr_to(a, &ss);
    const int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) {
        const int error = errno;
        (void)close(fd);
        return error;
    }
    return net_tcp_new(l, fd, o, out) == SH_OK ? 0 : ENOMEM;
}

sh_err net_tcp_when_connected(struct net_tcp *t, const struct net_connecting *c)
{
    t->wait = c;
    return net_watch_set(t->n.s.loop, &t->w, NET_OUT) == SH_OK ? SH_OK : SH_E_IO;
}

void net_tcp_abort(struct net_tcp *t)
{
    if ((t->n.flags & NET_OPENED) == 0) {
        t->wait = NULL;
    }
    close_now(t, SH_E_CANCELED);
}

void net_tcp_count_in(struct net_tcp *t, struct sh_listener *ln)
{
    t->listener = ln;
}
