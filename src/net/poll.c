/* poll.c - which sockets are ready. A loop has one epoll set, which libuv watches as one handle: a
 * TCP connection that waits costs 8 bytes here and not the 248 of a uv_tcp_t.
 * Level-triggered: what is not taken now is told again. A watch may be dropped, and its object be
 * closed, while events are being handed out; the object is freed in a later step of the turn, so an
 * event that was fetched before still finds it and its `fd` -1.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net_int.h"

enum {
    EVENTS = 256,
    ROUNDS = 16 /* of EVENTS in one turn; then timers and posts have their time */
};

/* By enum net_watch_kind. */
static void (*const ready[])(struct net_watch *w, unsigned events) = {
    [NET_WATCH_TCP] = net_tcp_ready,
    [NET_WATCH_LISTENER] = net_listener_ready,
};

static unsigned told(uint32_t e)
{
    const uint32_t broken = EPOLLERR | EPOLLHUP; /* reading or writing says what it is */
    return ((e & (EPOLLIN | broken)) != 0 ? NET_IN : 0) |
           ((e & (EPOLLOUT | broken)) != 0 ? NET_OUT : 0);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
    struct sh_loop *l = h->data;
    struct epoll_event ev[EVENTS];
    SH_UNUSED(status);
    SH_UNUSED(events);
    for (int round = 0, n = EVENTS; round < ROUNDS && n == EVENTS; round++) {
        n = epoll_wait(l->epoll, ev, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            struct net_watch *w = ev[i].data.ptr;
            const unsigned e = told(ev[i].events) & w->events;
            if (w->fd >= 0 && e != 0) {
                ready[w->kind](w, e);
            }
        }
    }
}

sh_err net_poll_open(struct sh_loop *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) {
        return sh_err_from_errno(errno);
    }
    if (uv_poll_init(&l->uv, &l->poll, l->epoll) != 0) {
        (void)close(l->epoll);
        return SH_E_IO;
    }
    l->poll.data = l;
    (void)uv_poll_start(&l->poll, UV_READABLE, on_ready);
    return SH_OK;
}

static void on_closed(uv_handle_t *h)
{
    const struct sh_loop *l = h->data;
    (void)close(l->epoll);
}

void net_poll_close(struct sh_loop *l)
{
    uv_close((uv_handle_t *)&l->poll, on_closed);
}

sh_err net_watch_set(struct sh_loop *l, struct net_watch *w, unsigned events)
{
    struct epoll_event e = {.events = ((events & NET_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                                      ((events & NET_OUT) != 0 ? (uint32_t)EPOLLOUT : 0),
                            .data.ptr = w};
    if (events == w->events) {
        return SH_OK;
    }
    int op = EPOLL_CTL_MOD;
    if (w->events == 0) {
        op = EPOLL_CTL_ADD;
    } else if (events == 0) {
        op = EPOLL_CTL_DEL; /* else errors would be told again and again */
    }
    if (epoll_ctl(l->epoll, op, w->fd, &e) != 0) {
        return sh_err_from_errno(errno);
    }
    w->events = (uint8_t)events;
    return SH_OK;
}

void net_watch_close(struct sh_loop *l, struct net_watch *w)
{
    if (w->fd >= 0) {
        const sh_err e = net_watch_set(l, w, 0);
        SH_UNUSED(e); /* closing takes it out as well */
        (void)close(w->fd);
        w->fd = -1;
        w->events = 0;
    }
}
