/* listen.c - TCP listeners.
 * A listener is freed when it was closed and the last stream it made is gone (refs). When the
 * accepts of a turn are used up, the accepted connection stays with libuv, which then stops asking
 * the listening socket, until the next turn takes it (net_listeners_turn).
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_int.h"

struct sh_listener {
    uv_tcp_t uv;
    struct sh_loop *loop;
    struct sh_listener *wait_next;
    bool waiting;
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

static void accept_one(struct sh_listener *ln)
{
    struct sh_loop *l = ln->loop;
    struct net_tcp *t = NULL;
    if (net_tcp_new(l, &ln->o.stream, &t) != SH_OK) {
        net_add(&l->n.accept_errors, 1);
        return;
    }
    if (uv_accept((uv_stream_t *)&ln->uv, (uv_stream_t *)net_tcp_uv(t)) != 0) {
        net_add(&l->n.accept_errors, 1);
        net_tcp_abort(t);
        return;
    }
    if (ln->refs - 1 >= ln->o.max_conns) {
        net_add(&l->n.accept_refused, 1);
        net_tcp_abort(t);
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

static void on_connection(uv_stream_t *us, int status)
{
    struct sh_listener *ln = NET_OWNER(us, struct sh_listener, uv);
    struct sh_loop *l = ln->loop;
    if (status < 0) {
        net_add(&l->n.accept_errors, 1);
        return;
    }
    if (l->accepts_left == 0) {
        if (!ln->waiting) {
            ln->waiting = true;
            ln->wait_next = l->accept_waiting;
            l->accept_waiting = ln;
        }
        return;
    }
    l->accepts_left--;
    accept_one(ln);
}

void net_listeners_turn(struct sh_loop *l)
{
    struct sh_listener *list = l->accept_waiting;
    l->accept_waiting = NULL;
    while (list != NULL) {
        struct sh_listener *ln = list;
        list = ln->wait_next;
        ln->wait_next = NULL;
        ln->waiting = false;
        accept_one(ln);
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

static void on_listener_closed(uv_handle_t *h)
{
    net_listener_unref(NET_OWNER(h, struct sh_listener, uv));
}

static void close_handle(struct sh_listener *ln)
{
    ln->closed = true;
    uv_close((uv_handle_t *)&ln->uv, on_listener_closed);
}

/* Opens the socket and listens; the handle is initialised already. */
static sh_err open_listener(struct sh_listener *ln, struct sh_addr a, int backlog)
{
    sh_err e = SH_OK;
    const int fd = bound_socket(&a, ln->o.reuse_port, &e);
    if (fd < 0) {
        return e;
    }
    if (uv_tcp_open(&ln->uv, fd) != 0) {
        (void)close(fd);
        return SH_E_IO;
    }
    const int r = uv_listen((uv_stream_t *)&ln->uv, backlog, on_connection);
    if (r != 0) {
        return r == UV_EADDRINUSE ? SH_E_EXISTS : SH_E_IO;
    }
    struct sockaddr_storage ss = {0};
    int len = sizeof ss;
    if (uv_tcp_getsockname(&ln->uv, (struct sockaddr *)&ss, &len) != 0) {
        return SH_E_IO;
    }
    ln->addr = net_addr_of(&ss);
    return SH_OK;
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
    if (uv_tcp_init(&l->uv, &ln->uv) != 0) {
        sh_mem_free(l->env->alloc, ln);
        return SH_E_IO;
    }
    e = open_listener(ln, a, opts->backlog == 0 ? 4096 : opts->backlog);
    if (e == SH_E_UNSUPPORTED && opts->address.p[0] == ':') { /* a machine without IPv6 */
        a = (struct sh_addr){.family = 4, .port = a.port};
        e = open_listener(ln, a, opts->backlog == 0 ? 4096 : opts->backlog);
    }
    if (e != SH_OK) {
        close_handle(ln);
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
    struct sh_listener **p = &ln->loop->accept_waiting;
    while (*p != NULL) {
        if (*p == ln) {
            *p = ln->wait_next;
            break;
        }
        p = &(*p)->wait_next;
    }
    net_tls_cancel(ln->loop, ln);
    close_handle(ln);
}

struct sh_addr sh_listener_addr(const struct sh_listener *ln)
{
    return ln->addr;
}

size_t sh_listener_conns(const struct sh_listener *ln)
{
    return ln->refs - 1;
}
