/* udp.c - UDP sockets. Sending is at once or not at all: there is no queue.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include "net_int.h"

struct sh_udp {
    uv_udp_t uv;
    struct sh_loop *loop;
    struct sh_addr addr;
    bool v6;
    void (*on_datagram)(void *ctx, const struct sh_addr *from, struct sh_bytes in);
    void *ctx;
};

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    SH_UNUSED(suggested);
    const struct sh_udp *u = NET_OWNER(h, struct sh_udp, uv);
    *buf = uv_buf_init((char *)u->loop->read_buf, NET_READ_BUF);
}

static void on_recv(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                    unsigned flags)
{
    struct sh_udp *u = NET_OWNER(h, struct sh_udp, uv);
    if (n < 0 || from == NULL) { /* nothing more, or an error of an earlier send */
        return;
    }
    if ((flags & UV_UDP_PARTIAL) != 0) {
        net_add(&u->loop->n.udp_dropped, 1);
        return;
    }
    struct sockaddr_storage ss = {0};
    memcpy(&ss, from,
           from->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    const struct sh_addr a = net_addr_of(&ss);
    net_add(&u->loop->n.udp_in, 1);
    net_add(&u->loop->n.bytes_in, (uint64_t)n);
    u->on_datagram(u->ctx, &a, sh_bytes_of(buf->base, (size_t)n));
}

static void on_closed(uv_handle_t *h)
{
    struct sh_udp *u = NET_OWNER(h, struct sh_udp, uv);
    sh_mem_free(u->loop->env->alloc, u);
}

static sh_err open_udp(struct sh_udp *u, const struct sh_addr *a)
{
    struct sockaddr_storage ss;
    (void)net_addr_to(a, &ss);
    const int r = uv_udp_bind(&u->uv, (struct sockaddr *)&ss, 0);
    if (r != 0) {
        return r == UV_EADDRINUSE ? SH_E_EXISTS : r == UV_EACCES ? SH_E_DENIED : SH_E_IO;
    }
    int len = sizeof ss;
    if (uv_udp_getsockname(&u->uv, (struct sockaddr *)&ss, &len) != 0 ||
        uv_udp_recv_start(&u->uv, on_alloc, on_recv) != 0) {
        return SH_E_IO;
    }
    u->addr = net_addr_of(&ss);
    return SH_OK;
}

sh_err sh_udp_open(struct sh_loop *l, struct sh_str address,
                   void (*on_datagram)(void *ctx, const struct sh_addr *from, struct sh_bytes in),
                   void *ctx, struct sh_diag *diag, struct sh_udp **out)
{
    struct sh_addr a = {0};
    if (sh_addr_parse(address, &a) != SH_OK) {
        sh_diag_set(diag, "%.*s is not address:port", SH_PRI(address));
        return SH_E_INVAL;
    }
    struct sh_udp *u = sh_mem_new(l->env->alloc, sizeof *u);
    if (u == NULL) {
        return SH_E_NOMEM;
    }
    *u = (struct sh_udp){.loop = l, .v6 = a.family == 6, .on_datagram = on_datagram, .ctx = ctx};
    if (uv_udp_init(&l->uv, &u->uv) != 0) {
        sh_mem_free(l->env->alloc, u);
        return SH_E_IO;
    }
    const sh_err e = open_udp(u, &a);
    if (e != SH_OK) {
        sh_diag_set(diag, "cannot open UDP %.*s: %s", SH_PRI(address), sh_err_name(e));
        sh_udp_close(u);
        return e;
    }
    *out = u;
    return SH_OK;
}

void sh_udp_close(struct sh_udp *u)
{
    if (u != NULL) {
        uv_close((uv_handle_t *)&u->uv, on_closed);
    }
}

struct sh_addr sh_udp_addr(const struct sh_udp *u)
{
    return u->addr;
}

sh_err sh_udp_send(struct sh_udp *u, const struct sh_addr *to, struct sh_bytes b)
{
    struct sh_addr a = *to;
    if (u->v6 && a.family == 4) { /* an IPv6 socket reaches IPv4 by mapped addresses */
        memmove(a.ip + 12, a.ip, 4);
        memset(a.ip, 0, 10);
        a.ip[10] = 0xff;
        a.ip[11] = 0xff;
        a.family = 6;
    }
    struct sockaddr_storage ss;
    (void)net_addr_to(&a, &ss);
    union {
        const uint8_t *in;
        char *out;
    } p = {.in = b.p}; /* libuv only reads it */
    uv_buf_t buf = uv_buf_init(p.out, (unsigned)b.n);
    const int r = uv_udp_try_send(&u->uv, &buf, 1, (struct sockaddr *)&ss);
    if (r < 0) {
        net_add(&u->loop->n.udp_dropped, 1);
        return r == UV_EAGAIN ? SH_E_AGAIN : SH_E_IO;
    }
    net_add(&u->loop->n.udp_out, 1);
    net_add(&u->loop->n.bytes_out, b.n);
    return SH_OK;
}
