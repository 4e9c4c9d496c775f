/* listen.c - TCP listeners.
 * A listener is freed when it was closed and the last stream it made is gone (refs). What is not
 * accepted in a turn stays in the system's queue, and the poll tells it again. Without descriptors
 * or memory for more it stops asking for a while: the others wait in the queue, too.
 *
 * Several loops: one of them accepts, and posts the descriptor to the loop that has the fewest
 * connections of this listener. SO_REUSEPORT would spare the post, but the system spreads by a
 * hash: of four heavy connections on two loops it puts three or four on one in 5 cases of 8. What
 * is counted (max_conns, each loop's share) is counted when a connection is accepted, so a burst
 * spreads evenly, and the limit is exact.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* NOLINT: accept4 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_int.h"

enum { REST_US = 100 * 1000, BACKLOG = 4096 };

/* A loop that serves connections of a listener. */
struct share {
    struct sh_listener *ln;
    struct sh_loop *loop;
    atomic_size_t conns;  /* given to it and not gone */
    struct sh_job cancel; /* ends its handshakes */
};

/* An accepted socket on its way to its loop. */
struct handed {
    struct sh_job job;
    struct share *to;
    int fd;
};

struct sh_listener {
    struct net_watch w;
    struct sh_loop *loop;
    struct sh_timer rest; /* until the poll is asked again */
    struct sh_job end;    /* the last step of closing */
    atomic_bool closed;
    atomic_size_t refs; /* one for the open handle, one for each stream and each cancel under way */
    struct sh_listen_opts o;
    struct sh_addr addr;
    void (*on_accept)(void *ctx, struct sh_stream *s);
    void *ctx;
    size_t nshares;
    struct share shares[];
};

static void unref(struct sh_listener *ln)
{
    if (atomic_fetch_sub_explicit(&ln->refs, 1, memory_order_acq_rel) == 1) {
        sh_mem_free(ln->loop->env->alloc, ln);
    }
}

static void ref(struct sh_listener *ln)
{
    (void)atomic_fetch_add_explicit(&ln->refs, 1, memory_order_relaxed);
}

static bool is_closed(const struct sh_listener *ln)
{
    return atomic_load_explicit(&ln->closed, memory_order_acquire);
}

void net_listener_gone(struct sh_listener *ln, const struct sh_loop *l)
{
    for (size_t i = 0; i < ln->nshares; i++) {
        if (ln->shares[i].loop == l) {
            (void)atomic_fetch_sub_explicit(&ln->shares[i].conns, 1, memory_order_relaxed);
            break;
        }
    }
    unref(ln);
}

static void on_tls_fail(void *ctx, sh_err err, const char *why)
{
    const struct sh_listener *ln = ctx;
    sh_log(ln->loop->env->log, SH_LOG_DEBUG, "net", "TLS handshake failed (%s): %s",
           sh_err_name(err), why);
}

/* A stream of a closed listener may still come out of its handshake. */
static void on_ready(void *ctx, struct sh_stream *s)
{
    struct sh_listener *ln = ctx;
    if (is_closed(ln)) {
        sh_stream_close(s, SH_E_CANCELED);
        return;
    }
    ln->on_accept(ln->ctx, s);
}

/* A connection of this loop begins, on its thread. It is counted already. */
static void begin(struct share *to, int fd)
{
    struct sh_listener *ln = to->ln;
    struct sh_loop *l = to->loop;
    struct net_tcp *t = NULL;
    if (net_tcp_new(l, fd, &ln->o.stream, &t) != SH_OK) {
        net_add(&l->n.accept_errors, 1);
        net_listener_gone(ln, l);
        return;
    }
    net_tcp_count_in(t, ln);
    net_add(&l->n.accepted, 1);
    struct sh_stream *s = net_tcp_open(t, &ln->o.stream);
    if (ln->o.tls == NULL) {
        ln->on_accept(ln->ctx, s);
        return;
    }
    const struct sh_tls_wrap w = {
        .timeout_us = ln->o.handshake_timeout_us,
        .on_open = on_ready,
        .on_fail = on_tls_fail,
        .ctx = ln,
    };
    if (sh_tls_wrap(ln->o.tls, s, &w) != SH_OK) {
        net_add(&l->n.accept_errors, 1);
    }
}

static void on_handed(void *ctx)
{
    struct handed h = *(struct handed *)ctx;
    struct sh_listener *ln = h.to->ln;
    sh_mem_free(ln->loop->env->alloc, ctx);
    if (is_closed(ln)) {
        (void)close(h.fd);
        net_listener_gone(ln, h.to->loop);
        return;
    }
    begin(h.to, h.fd);
}

static size_t conns_of(const struct share *s)
{
    return atomic_load_explicit(&s->conns, memory_order_relaxed);
}

/* The loop with the fewest connections of this listener; of several, that with the fewest at all.
 */
static struct share *choose(struct sh_listener *ln)
{
    struct share *best = &ln->shares[0];
    for (size_t i = 1; i < ln->nshares; i++) {
        struct share *s = &ln->shares[i];
        const size_t n = conns_of(s);
        const size_t least = conns_of(best);
        if (n < least ||
            (n == least && net_get(&s->loop->n.streams) < net_get(&best->loop->n.streams))) {
            best = s;
        }
    }
    return best;
}

static void take(struct sh_listener *ln, int fd)
{
    struct sh_loop *l = ln->loop;
    if (sh_listener_conns(ln) >= ln->o.max_conns) {
        net_add(&l->n.accept_refused, 1);
        (void)close(fd);
        return;
    }
    struct share *to = choose(ln);
    struct handed *h = NULL;
    if (to->loop != l) {
        h = sh_mem_new(l->env->alloc, sizeof *h);
        if (h == NULL) {
            net_add(&l->n.accept_errors, 1);
            (void)close(fd);
            return;
        }
    }
    ref(ln);
    (void)atomic_fetch_add_explicit(&to->conns, 1, memory_order_relaxed);
    if (h == NULL) {
        begin(to, fd);
        return;
    }
    *h = (struct handed){.job = {.fn = on_handed, .ctx = h}, .to = to, .fd = fd};
    sh_loop_post_job(to->loop, &h->job);
}

static void ask(void *ctx)
{
    struct sh_listener *ln = ctx;
    if (!is_closed(ln) && net_watch_set(ln->loop, &ln->w, NET_IN) != SH_OK) {
        sh_timer_set(ln->loop, &ln->rest, REST_US);
    }
}

/* Nothing can be accepted now: asked at once, the poll would tell the same again. */
static void rest(struct sh_listener *ln)
{
    const sh_err e = net_watch_set(ln->loop, &ln->w, 0);
    SH_UNUSED(e);
    sh_timer_set(ln->loop, &ln->rest, REST_US);
}

void net_listener_ready(struct net_watch *w, unsigned events)
{
    struct sh_listener *ln = NET_OWNER(w, struct sh_listener, w);
    struct sh_loop *l = ln->loop;
    SH_UNUSED(events);
    while (!is_closed(ln) && l->accepts_left > 0) {
        const int fd = accept4(ln->w.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->accepts_left--;
            take(ln, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else {
            net_add(&l->n.accept_errors, 1);
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                rest(ln);
                return;
            }
        } /* else: that connection is gone (accept(2)), the next one may be there */
    }
}

static int bound_socket(const struct sh_addr *a, bool reuse_port, sh_err *e)
{
    struct sockaddr_storage ss;
    const socklen_t len = net_addr_to(a, &ss);
    const int on = 1;
    const int off = 0;
    const int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *e = errno == EAFNOSUPPORT ? SH_E_UNSUPPORTED : sh_err_from_errno(errno);
        return -1;
    }
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (reuse_port) {
        ok = ok && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    }
    if (a->family == 6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (!ok || bind(fd, (const struct sockaddr *)&ss, len) != 0) {
        *e = errno == EADDRINUSE ? SH_E_EXISTS : sh_err_from_errno(errno);
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool sh_listen_free(struct sh_str address)
{
    struct sh_addr a;
    sh_err e = SH_OK;
    const int fd = sh_addr_parse(address, &a) == SH_OK ? bound_socket(&a, false, &e) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static void ended(void *ctx)
{
    unref(ctx);
}

static void close_socket(struct sh_listener *ln)
{
    atomic_store_explicit(&ln->closed, true, memory_order_release);
    net_watch_close(ln->loop, &ln->w);
    sh_timer_stop(&ln->rest);
    ln->end = (struct sh_job){.fn = ended, .ctx = ln};
    sh_loop_defer(ln->loop, &ln->end); /* an event that was fetched may still name it */
}

/* Opens the socket and listens. */
static sh_err open_listener(struct sh_listener *ln, struct sh_addr a, int backlog)
{
    sh_err e = SH_OK;
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    const int fd = bound_socket(&a, ln->o.reuse_port, &e);
    if (fd < 0) {
        return e;
    }
    if (listen(fd, backlog) != 0) {
        e = errno == EADDRINUSE ? SH_E_EXISTS : SH_E_IO;
    } else if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
        e = SH_E_IO;
    }
    if (e != SH_OK) {
        (void)close(fd);
        return e;
    }
    ln->addr = net_addr_of(&ss);
    ln->w = (struct net_watch){.fd = fd, .kind = NET_WATCH_LISTENER};
    return net_watch_set(ln->loop, &ln->w, NET_IN);
}

static void explain(struct sh_diag *diag, struct sh_str address, sh_err e)
{
    sh_diag_set(diag, "cannot listen on %.*s: %s", SH_PRI(address), sh_err_name(e));
    if (e == SH_E_EXISTS) {
        sh_diag_remedy(diag, "another program uses this port: stop it or choose another port");
    } else if (e == SH_E_DENIED) {
        sh_diag_remedy(diag, "ports below 1024 need the right CAP_NET_BIND_SERVICE");
    } else if (e == SH_E_INVAL) {
        sh_diag_remedy(diag, "write address:port with an address of this machine, such as "
                             "127.0.0.1:8080 or [::1]:8080");
    }
}

static void on_cancel(void *ctx)
{
    struct share *s = ctx;
    net_tls_cancel(s->loop, s->ln);
    unref(s->ln);
}

static struct sh_listener *make(struct sh_loop *l, const struct sh_listen_opts *opts)
{
    const size_t n = opts->nloops == 0 ? 1 : opts->nloops;
    SH_ASSERT(n <= SH_LOOPS_MAX);
    struct sh_listener *ln = sh_mem_new(l->env->alloc, sizeof *ln + n * sizeof ln->shares[0]);
    if (ln == NULL) {
        return NULL;
    }
    ln->loop = l;
    ln->o = *opts;
    ln->o.address = (struct sh_str){0};
    ln->o.loops = NULL;
    ln->o.max_conns = opts->max_conns == 0 ? 100000 : opts->max_conns;
    ln->w.fd = -1;
    ln->nshares = n;
    atomic_init(&ln->refs, 1);
    atomic_init(&ln->closed, false);
    for (size_t i = 0; i < n; i++) {
        struct share *s = &ln->shares[i];
        s->ln = ln;
        s->loop = opts->nloops == 0 ? l : opts->loops[i];
        s->cancel = (struct sh_job){.fn = on_cancel, .ctx = s};
        atomic_init(&s->conns, 0);
    }
    sh_timer_init(&ln->rest, ask, ln);
    return ln;
}

sh_err sh_listen(struct sh_loop *l, const struct sh_listen_opts *opts,
                 void (*on_accept)(void *ctx, struct sh_stream *s), void *ctx, struct sh_diag *diag,
                 struct sh_listener **out)
{
    struct sh_addr a = {0};
    sh_err e = sh_addr_parse(opts->address, &a);
    if (e != SH_OK) {
        explain(diag, opts->address, SH_E_INVAL);
        return SH_E_INVAL;
    }
    struct sh_listener *ln = make(l, opts);
    if (ln == NULL) {
        return SH_E_NOMEM;
    }
    ln->on_accept = on_accept;
    ln->ctx = ctx;
    e = open_listener(ln, a, opts->backlog == 0 ? BACKLOG : opts->backlog);
    if (e == SH_E_UNSUPPORTED && opts->address.p[0] == ':') { /* a machine without IPv6 */
        a = (struct sh_addr){.family = 4, .port = a.port};
        e = open_listener(ln, a, opts->backlog == 0 ? BACKLOG : opts->backlog);
    }
    if (e != SH_OK) {
        close_socket(ln);
        explain(diag, opts->address, e);
        return e;
    }
    *out = ln;
    return SH_OK;
}

void sh_listener_close(struct sh_listener *ln)
{
    if (ln == NULL || is_closed(ln)) {
        return;
    }
    close_socket(ln);
    for (size_t i = 0; i < ln->nshares; i++) {
        struct share *s = &ln->shares[i];
        if (s->loop == ln->loop) {
            net_tls_cancel(ln->loop, ln);
        } else { /* behind the sockets that are on their way to it */
            ref(ln);
            sh_loop_post_job(s->loop, &s->cancel);
        }
    }
}

struct sh_addr sh_listener_addr(const struct sh_listener *ln)
{
    return ln->addr;
}

size_t sh_listener_conns(const struct sh_listener *ln)
{
    size_t n = 0;
    for (size_t i = 0; i < ln->nshares; i++) {
        n += conns_of(&ln->shares[i]);
    }
    return n;
}
