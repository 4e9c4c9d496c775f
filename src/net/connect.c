/* connect.c - outgoing connections: name, address after address, TLS, under one deadline.
 * States: naming -> connecting (one address at a time) -> securing -> done. `pending` says that a
 * look-up or TLS has still to come back; the object is freed when it is done and nothing is
 * pending. After done no callback of the owner follows.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>

#include "net_int.h"

enum { ADDRS_MAX = 8, CONNECT_US = 10 * 1000 * 1000 };

struct sh_connect {
    struct sh_loop *loop;
    const struct sh_connect_handler *h;
    void *ctx;
    struct sh_timer timer;
    struct sh_job job; /* the first step, so that nothing calls back at once */
    uv_getaddrinfo_t gai;
    struct net_connecting told;
    struct net_tcp *tcp;
    struct sh_addr addrs[ADDRS_MAX];
    unsigned naddrs;
    unsigned at;
    bool pending;
    bool naming; /* what is pending is gai */
    bool done;
    bool public_only;
    bool (*allow)(void *ctx, const struct sh_addr *a);
    void *allow_ctx;
    bool refused; /* an address was refused by public_only or allow */
    uint16_t port;
    struct sh_tls *tls;
    int64_t deadline_us;
    struct sh_stream_opts stream;
    struct sh_str host; /* owned */
    struct sh_str server_name;
};

static void release(struct sh_connect *c)
{
    if (!c->done || c->pending) {
        return;
    }
    const struct sh_alloc *a = c->loop->env->alloc;
    sh_str_free(a, &c->host);
    sh_str_free(a, &c->server_name);
    sh_mem_free(a, c);
}

static void stop_work(struct sh_connect *c)
{
    c->done = true;
    sh_timer_stop(&c->timer);
    sh_job_cancel(c->loop, &c->job);
    if (c->naming) {
        (void)uv_cancel((uv_req_t *)&c->gai); /* unless a thread works on it already */
    } else if (c->pending) {
        net_tls_cancel(c->loop, c);
        c->pending = false;
    }
    if (c->tcp != NULL) {
        net_tcp_abort(c->tcp);
        c->tcp = NULL;
    }
}

static void fail(struct sh_connect *c, sh_err e, const char *why)
{
    if (c->done) {
        return;
    }
    net_add(&c->loop->n.connect_failed, 1);
    stop_work(c);
    c->h->on_fail(c->ctx, e, why);
}

static void succeed(struct sh_connect *c, struct sh_stream *s)
{
    if (c->done) {
        sh_stream_close(s, SH_E_CANCELED);
        return;
    }
    net_add(&c->loop->n.connected, 1);
    stop_work(c);
    c->h->on_open(c->ctx, s);
}

static void on_tls_open(void *ctx, struct sh_stream *s)
{
    struct sh_connect *c = ctx;
    c->pending = false;
    succeed(c, s);
    release(c);
}

static void on_tls_fail(void *ctx, sh_err err, const char *why)
{
    struct sh_connect *c = ctx;
    c->pending = false;
    fail(c, err, why);
    release(c);
}

static void secure_or_open(struct sh_connect *c)
{
    struct sh_stream *s = net_tcp_open(c->tcp, &c->stream);
    c->tcp = NULL;
    if (c->tls == NULL) {
        succeed(c, s);
        return;
    }
    const struct sh_tls_wrap w = {
        .server_name = c->server_name.n > 0 ? c->server_name : c->host,
        .timeout_us = c->deadline_us - sh_loop_now_us(c->loop),
        .on_open = on_tls_open,
        .on_fail = on_tls_fail,
        .ctx = c,
    };
    c->pending = true;
    const sh_err e = sh_tls_wrap(c->tls, s, &w);
    if (e != SH_OK) {
        c->pending = false;
        fail(c, e, "not enough memory for TLS");
    }
}

static void next_address(struct sh_connect *c, int last_error);

static void on_connected(void *ctx, int error)
{
    struct sh_connect *c = ctx;
    if (error == 0) {
        secure_or_open(c);
    } else {
        net_tcp_abort(c->tcp);
        c->tcp = NULL;
        next_address(c, error);
    }
    release(c);
}

static void next_address(struct sh_connect *c, int last_error)
{
    while (c->at < c->naddrs) {
        const struct sh_addr *a = &c->addrs[c->at++];
        last_error = net_tcp_connect(c->loop, a, &c->stream, &c->tcp);
        if (last_error != 0) {
            continue;
        }
        if (net_tcp_when_connected(c->tcp, &c->told) == SH_OK) {
            return;
        }
        last_error = EIO;
        net_tcp_abort(c->tcp);
        c->tcp = NULL;
    }
    if (c->naddrs == 0 && c->refused) {
        fail(c, SH_E_DENIED, "the address is one that is not allowed");
        return;
    }
    char why[160];
    (void)snprintf(why, sizeof why, "cannot connect to %.*s port %u: %s", SH_PRI(c->host),
                   (unsigned)c->port, last_error == 0 ? "no address" : uv_strerror(-last_error));
    fail(c, last_error == 0 ? SH_E_NOTFOUND : SH_E_IO, why);
}

static void add_address(struct sh_connect *c, struct sh_addr a)
{
    a.port = c->port;
    if ((c->public_only && sh_addr_is_special(&a)) ||
        (c->allow != NULL && !c->allow(c->allow_ctx, &a))) {
        c->refused = true;
        return;
    }
    if (c->naddrs < ADDRS_MAX) {
        c->addrs[c->naddrs++] = a;
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct sh_connect *c = req->data;
    c->pending = false;
    c->naming = false;
    if (!c->done) {
        for (const struct addrinfo *r = res; r != NULL; r = r->ai_next) {
            struct sockaddr_storage ss = {0};
            memcpy(&ss, r->ai_addr, r->ai_addrlen < sizeof ss ? r->ai_addrlen : sizeof ss);
            add_address(c, net_addr_of(&ss));
        }
        if (status != 0) {
            char why[160];
            (void)snprintf(why, sizeof why, "cannot find the address of %.*s: %s", SH_PRI(c->host),
                           uv_strerror(status));
            fail(c, SH_E_NOTFOUND, why);
        } else {
            next_address(c, 0);
        }
    }
    uv_freeaddrinfo(res);
    release(c);
}

static void begin(void *ctx)
{
    struct sh_connect *c = ctx;
    struct sh_addr a = {0};
    if (inet_pton(AF_INET, c->host.p, a.ip) == 1) {
        a.family = 4;
    } else if (inet_pton(AF_INET6, c->host.p, a.ip) == 1) {
        a.family = 6;
    }
    if (a.family != 0) {
        add_address(c, a);
        next_address(c, 0);
        release(c);
        return;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    c->gai.data = c;
    if (uv_getaddrinfo(&c->loop->uv, &c->gai, on_resolved, c->host.p, NULL, &hints) != 0) {
        fail(c, SH_E_NOTFOUND, "the name cannot be looked up");
        release(c);
        return;
    }
    c->pending = true;
    c->naming = true;
}

static void on_deadline(void *ctx)
{
    struct sh_connect *c = ctx;
    fail(c, SH_E_TIMEOUT, "the connection was not ready in time");
    release(c);
}

sh_err sh_connect_start(struct sh_loop *l, const struct sh_connect_opts *opts,
                        const struct sh_connect_handler *h, void *ctx, struct sh_connect **out)
{
    if (opts->host.n == 0 || opts->host.n > 253 || memchr(opts->host.p, 0, opts->host.n) != NULL) {
        return SH_E_INVAL;
    }
    struct sh_connect *c = sh_mem_new(l->env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->host = sh_str_dup(l->env->alloc, opts->host);
    c->server_name = sh_str_dup(l->env->alloc, opts->server_name);
    if (c->host.p == NULL || c->server_name.p == NULL) {
        sh_str_free(l->env->alloc, &c->host);
        sh_str_free(l->env->alloc, &c->server_name);
        sh_mem_free(l->env->alloc, c);
        return SH_E_NOMEM;
    }
    c->loop = l;
    c->h = h;
    c->ctx = ctx;
    c->port = opts->port;
    c->tls = opts->tls;
    c->public_only = opts->public_only;
    c->allow = opts->allow;
    c->allow_ctx = opts->allow_ctx;
    c->stream = opts->stream;
    const int64_t timeout = opts->timeout_us == 0 ? CONNECT_US : opts->timeout_us;
    c->deadline_us = sh_loop_now_us(l) + timeout;
    sh_timer_init(&c->timer, on_deadline, c);
    sh_timer_set(l, &c->timer, timeout);
    c->told = (struct net_connecting){.fn = on_connected, .ctx = c};
    c->job = (struct sh_job){.fn = begin, .ctx = c};
    sh_loop_defer(l, &c->job);
    if (out != NULL) {
        *out = c;
    }
    return SH_OK;
}

void sh_connect_cancel(struct sh_connect *c)
{
    stop_work(c);
    release(c);
}
