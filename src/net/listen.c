/* listen.c - TCP listeners.
 * A listener is freed when it was closed and the last stream it made is gone (refs). What is not
 * accepted in a turn stays in the system's queue, and the poll tells it again. Without descriptors
 * or memory for more it stops asking for a while: the others wait in the queue, too.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* NOLINT: accept4 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_int.h"

enum { REST_US = 100 * 1000, BACKLOG = 4096 };

struct sh_listener {
    struct net_watch w;
    struct sh_loop *loop;
    struct sh_timer rest; /* until the poll is asked again */
    struct sh_job end;    /* the last step of closing */
    bool closed;
    size_t refs; /* one for the open handle, one for each stream */
    struct sh_listen_opts o;
    struct sh_addr addr;
    void (*on_accept)(void *ctx, struct sh_stream *s);
    void *ctx;
};

void net_listener_unref(struct sh_listener *ln)
{
    if (--ln->refs == 0) {
        sh_mem_free(ln->loop->env->alloc, ln);
    }
}

static void on_tls_fail(void *ctx, sh_err err, const char *why)
{
    struct sh_listener *ln = ctx;
    sh_log(ln->loop->env->log, SH_LOG_DEBUG, "net", "TLS handshake failed (%s): %s",
           sh_err_name(err), why);
}

/* A stream of a closed listener may still come out of its handshake. */
static void on_ready(void *ctx, struct sh_stream *s)
{
    struct sh_listener *ln = ctx;
    if (ln->closed) {
        sh_stream_close(s, SH_E_CANCELED);
        return;
    }
    ln->on_accept(ln->ctx, s);
}

static void take(struct sh_listener *ln, int fd)
{
    struct sh_loop *l = ln->loop;
    struct net_tcp *t = NULL;
    if (ln->refs - 1 >= ln->o.max_conns) {
        net_add(&l->n.accept_refused, 1);
        (void)close(fd);
        return;
    }
    if (net_tcp_new(l, fd, &ln->o.stream, &t) != SH_OK) {
        net_add(&l->n.accept_errors, 1);
        return;
    }
    ln->refs++;
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

static void ask(void *ctx)
{
    struct sh_listener *ln = ctx;
    if (!ln->closed && net_watch_set(ln->loop, &ln->w, NET_IN) != SH_OK) {
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
    while (!ln->closed && l->accepts_left > 0) {
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

static void ended(void *ctx)
{
    net_listener_unref(ctx);
}

static void close_socket(struct sh_listener *ln)
{
    ln->closed = true;
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
    struct sh_listener *ln = sh_mem_new(l->env->alloc, sizeof *ln);
    if (ln == NULL) {
        return SH_E_NOMEM;
    }
    ln->loop = l;
    ln->o = *opts;
    ln->o.address = (struct sh_str){0};
    ln->o.max_conns = opts->max_conns == 0 ? 100000 : opts->max_conns;
    ln->on_accept = on_accept;
    ln->ctx = ctx;
    ln->refs = 1;
    ln->w.fd = -1;
    sh_timer_init(&ln->rest, ask, ln);
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
    if (ln == NULL || ln->closed) {
        return;
    }
    net_tls_cancel(ln->loop, ln);
    close_socket(ln);
}

struct sh_addr sh_listener_addr(const struct sh_listener *ln)
{
    return ln->addr;
}

size_t sh_listener_conns(const struct sh_listener *ln)
{
    return ln->refs - 1;
}
