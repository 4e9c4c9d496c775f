/* net_int.h - what the sources of net share: the inside of a loop, and the common part of every
 * stream implementation (kept input, flags, deferred work).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_NET_INT_H
#define SH_NET_INT_H

#include <stdatomic.h>
#include <uv.h>

#include <sh/net.h>

#define NET_OWNER(ptr, type, member) ((type *)((uintptr_t)(ptr)-offsetof(type, member)))

enum { NET_WHEEL_LEVELS = 4, NET_WHEEL_SLOTS = 256, NET_READ_BUF = 65536 };

/* Timer wheel: level k has slots of 256^k ms. A timer sits in the smallest level that reaches its
 * due tick from `cur`. Slots are cascaded when `cur` reaches their first tick. */
struct net_wheel {
    struct sh_timer *slot[NET_WHEEL_LEVELS][NET_WHEEL_SLOTS];
    uint64_t used[NET_WHEEL_LEVELS][NET_WHEEL_SLOTS / 64]; /* bit set: slot may hold timers */
    struct sh_timer *expired;                              /* due, in the hands of net_wheel_run */
    int64_t cur; /* every timer due at or before this tick has been taken out */
};
void net_wheel_init(struct net_wheel *w, int64_t now_ms);
void net_wheel_put(struct net_wheel *w, struct sh_timer *t);
/* Runs everything due up to now_ms. */
void net_wheel_run(struct net_wheel *w, int64_t now_ms);
/* First tick at which something may have to be done; INT64_MAX when empty. */
int64_t net_wheel_next(const struct net_wheel *w);

/* Counters: written by the loop's thread (plain add), read by any. */
typedef _Atomic uint64_t net_count;
static inline void net_add(net_count *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void net_sub(net_count *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) - n,
                          memory_order_relaxed);
}
static inline uint64_t net_get(const net_count *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

struct net_counts {
    net_count turns, posts, posts_refused, lag_max_us;
    net_count accepted, accept_refused, accept_errors, connected, connect_failed;
    net_count streams, bytes_in, bytes_out, queued_bytes;
    net_count tls_handshakes, tls_resumed, tls_failed, tls_waiting;
    net_count udp_in, udp_out, udp_dropped;
};

struct net_tls_wait {
    struct net_tls_wait *next;
    struct net_tls_wait **prev; /* not NULL while waiting */
};

/* A TLS stream from its wrapping until it is given away or gone: nobody else knows of it. */
struct net_tls_young {
    struct net_tls_young *next;
    struct net_tls_young **prev; /* NULL once given away */
    const void *ctx;             /* of sh_tls_wrap */
};

/* ---- readiness of sockets (poll.c) ---- */

enum net_watch_kind { NET_WATCH_TCP, NET_WATCH_LISTENER };
enum { NET_IN = 1, NET_OUT = 2 };

/* A socket that a loop asks for readiness. Lives in its object. */
struct net_watch {
    int fd; /* -1 = closed */
    uint8_t kind;
    uint8_t events; /* asked for */
};
/* From the poll: some of what was asked for. */
void net_tcp_ready(struct net_watch *w, unsigned events);
void net_listener_ready(struct net_watch *w, unsigned events);

struct sh_loop {
    const struct sh_env *env;
    uv_loop_t uv;
    uv_poll_t poll; /* the epoll set */
    int epoll;
    uv_async_t wake;
    uv_check_t check;
    uv_idle_t idle;
    uv_prepare_t prepare;
    uv_timer_t alarm; /* wakes the poll for the wheel */
    int64_t alarm_ms; /* what it is set for; 0 = not set */
    struct net_wheel wheel;
    struct sh_job *deferred;
    struct sh_job **deferred_tail;
    struct sh_job mark;             /* end of this turn's share of them */
    _Atomic(struct sh_job *) posts; /* newest first */
    atomic_size_t posts_queued;     /* of sh_loop_post */
    size_t post_max;
    atomic_bool stop;
    atomic_uintptr_t thread;
    int64_t now_us;
    int64_t wall_us;
    bool now_ok;
    bool idling;
    unsigned accepts_per_turn;
    unsigned accepts_left;
    unsigned handshakes_per_turn;
    unsigned handshakes_left;
    struct net_tls_wait *tls_waiting;
    struct net_tls_wait **tls_waiting_tail;
    struct net_tls_young *tls_young; /* not open yet, or failed and not closed yet */
    uint8_t *read_buf;               /* NET_READ_BUF bytes, shared by all streams */
    uint8_t *tls_plain;              /* where a record is decrypted; NULL without TLS */
    struct net_out *spare;           /* empty output blocks */
    unsigned spare_n;
    struct net_counts n;
};

SH_MUST_CHECK sh_err net_poll_open(struct sh_loop *l);
void net_poll_close(struct sh_loop *l); /* at the end of the loop */
/* Asks for these events from now on; 0 = none. Errors of epoll_ctl(2). */
SH_MUST_CHECK sh_err net_watch_set(struct sh_loop *l, struct net_watch *w, unsigned events);
void net_watch_close(struct sh_loop *l, struct net_watch *w);

/* Called once a turn, after the poll. */
void net_tls_turn(struct sh_loop *l);
/* Closes the streams of this ctx that were not given away yet; on_fail is not called. */
void net_tls_cancel(struct sh_loop *l, const void *ctx);

/* ---- the common part of streams ---- */

enum net_flag {
    NET_STARTED = 1,
    NET_PAUSED = 2,
    NET_ENDING = 4,  /* sh_stream_end was called */
    NET_CLOSING = 8, /* sh_stream_close was called, or the end was reached */
    NET_EOF = 16,    /* the peer will send no more */
    NET_EOF_SHOWN = 32,
    NET_HIGH = 64,      /* on_drain is due */
    NET_SHOW = 128,     /* kept input is to be shown */
    NET_FLUSH = 256,    /* queued output is to be sent */
    NET_SHUT = 512,     /* our side is closed */
    NET_OPENED = 1024,  /* given to an owner */
    NET_BLOCKED = 2048, /* TCP: the system would not take all of the output */
};

/* Kept input. */
struct net_in {
    uint32_t n;
    uint32_t cap;
    uint8_t data[];
};

struct net_stream {
    struct sh_stream s;
    struct sh_job job; /* runs what the flags ask for */
    struct net_in *in; /* NULL = nothing is kept */
    uint32_t read_max;
    uint32_t write_max;
    uint16_t flags;
    uint8_t reason; /* sh_err of the close */
};

static inline uint32_t net_kept(const struct net_stream *n)
{
    return n->in == NULL ? 0 : n->in->n;
}
void net_stream_init(struct net_stream *n, const struct sh_stream_ops *ops, struct sh_loop *l,
                     const struct sh_stream_opts *o, void (*turn)(void *ctx));
/* Frees kept input and takes the job back; the memory of n itself is its owner's. */
void net_stream_fini(struct net_stream *n);
static inline struct net_stream *net_of(struct sh_stream *s)
{
    return (struct net_stream *)(void *)s;
}
/* Sets flags and defers the job. */
void net_want(struct net_stream *n, unsigned flags);
static inline bool net_can_show(const struct net_stream *n)
{
    return (n->flags & (NET_STARTED | NET_PAUSED | NET_ENDING | NET_CLOSING)) == NET_STARTED;
}
/* Shows new input (together with what was kept), keeps the rest. SH_E_LIMIT: kept too much,
 * SH_E_NOMEM: close with that reason. */
SH_MUST_CHECK sh_err net_input(struct net_stream *n, const uint8_t *p, size_t len);
/* Room for at least `want` bytes (less near read_max) behind the kept input; NULL on no memory. */
uint8_t *net_in_room(struct net_stream *n, size_t want, size_t *room);
/* `len` bytes were put there: show all. */
SH_MUST_CHECK sh_err net_input_put(struct net_stream *n, size_t len);
/* Shows kept input, if that may be done now. */
SH_MUST_CHECK sh_err net_show(struct net_stream *n);
/* The peer has ended: tells the owner once all was shown. True: close with SH_E_CLOSED. */
bool net_show_eof(struct net_stream *n);
/* Calls on_close, if there is a handler. */
void net_tell_closed(struct net_stream *n);

/* ---- TCP ---- */

/* Output that was not sent yet: data[off..n). */
struct net_out {
    struct net_out *next;
    uint32_t off;
    uint32_t n;
    uint32_t cap;
    uint8_t data[];
};

struct net_tcp;
/* Takes a connected (or connecting) socket, which is closed when this fails. */
SH_MUST_CHECK sh_err net_tcp_new(struct sh_loop *l, int fd, const struct sh_stream_opts *o,
                                 struct net_tcp **out);
/* It is connected: counts it, sets socket options, gives the stream. */
struct sh_stream *net_tcp_open(struct net_tcp *t, const struct sh_stream_opts *o);
/* Closes one that never was given to an owner. */
void net_tcp_abort(struct net_tcp *t);
/* Begins to connect. Returns an errno. */
int net_tcp_connect(struct sh_loop *l, const struct sh_addr *a, const struct sh_stream_opts *o,
                    struct net_tcp **out);
struct net_connecting {
    void (*fn)(void *ctx, int error);
    void *ctx;
};
/* Borrowed until it is told. SH_E_IO. */
SH_MUST_CHECK sh_err net_tcp_when_connected(struct net_tcp *t, const struct net_connecting *c);
/* It is one of the listener's (which counted it already) until the stream is gone. */
void net_tcp_count_in(struct net_tcp *t, struct sh_listener *ln);
/* A connection of this loop is gone. The loop's thread. */
void net_listener_gone(struct sh_listener *ln, const struct sh_loop *l);

struct sh_addr net_addr_of(const struct sockaddr_storage *ss);
socklen_t net_addr_to(const struct sh_addr *a, struct sockaddr_storage *ss);

#endif /* SH_NET_INT_H */
