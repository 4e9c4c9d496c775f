/* stream.h - a byte stream with one interface for TCP, TLS, WebSocket and the fake network of
 * tests; listeners, outgoing connections and UDP sockets.
 *
 * Life: a stream is handed over open (by a listener's on_accept, by sh_connect's on_open, by
 * sh_http_ws_accept or by sh_fakenet). The new owner calls sh_stream_start with its handler. The
 * stream ends with exactly one on_close, which is never called from inside another call of the
 * owner; after it the stream is gone. Everything happens on the stream's loop thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_STREAM_H
#define SH_STREAM_H

#include <sh/loop.h>

struct sh_tls;
struct sh_stream;

/* ---- addresses ---- */

struct sh_addr {
    uint8_t ip[16]; /* IPv4 in the first four bytes */
    uint16_t port;
    uint8_t family; /* 4 or 6; 0 = none (fake network) */
};
enum { SH_ADDR_CHARS = 64 };
/* "127.0.0.1:80", "[::1]:80"; returns the length. */
size_t sh_addr_print(const struct sh_addr *a, char out[SH_ADDR_CHARS]);
/* Only the address, without the port. */
size_t sh_addr_ip_print(const struct sh_addr *a, char out[SH_ADDR_CHARS]);
/* Numeric "address:port" or "[v6]:port"; ":port" is every address (IPv6 with IPv4 inside).
 * SH_E_INVAL. */
SH_MUST_CHECK sh_err sh_addr_parse(struct sh_str s, struct sh_addr *out);
/* 127.0.0.0/8, ::1 and IPv4 inside IPv6 of it. */
bool sh_addr_is_loopback(const struct sh_addr *a);
/* Loopback, link-local, private (RFC 1918, RFC 4193, RFC 6598), unspecified, multicast, reserved:
 * what an outbound call may not reach unless the operator allows it. */
bool sh_addr_is_special(const struct sh_addr *a);
static inline bool sh_addr_same_ip(const struct sh_addr *a, const struct sh_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

/* ---- what the owner of a stream gives ---- */

struct sh_stream_handler {
    /* Bytes came. `in` is borrowed for the call. Returns how many were used (0..in.n); the rest is
     * kept by the stream and shown again, in one piece, together with what comes next (or after
     * sh_stream_resume). When the rest reaches the stream's read limit and nothing is used, the
     * stream closes with SH_E_LIMIT - unless it was paused. May write, pause, end or close. */
    size_t (*on_bytes)(void *ctx, struct sh_bytes in);
    /* May be NULL. The write queue has fallen to half of its limit after it had been over that, or
     * after a write was refused. */
    void (*on_drain)(void *ctx);
    /* May be NULL (then the stream closes with SH_E_CLOSED once all was shown). The peer will send
     * no more; we may still write. Called once. */
    void (*on_eof)(void *ctx);
    /* Exactly once, last. SH_OK: closed by our sh_stream_end; SH_E_CLOSED: by the peer; SH_E_PROTO:
     * TLS or WebSocket rules broken; SH_E_IO: connection reset or lost; SH_E_LIMIT; SH_E_TIMEOUT;
     * or the reason given to sh_stream_close. The stream must not be touched in it or after it. */
    void (*on_close)(void *ctx, sh_err reason);
};

/* What an X.509 peer showed; all copied. Texts are UTF-8, cut to fit, NUL-terminated. */
struct sh_peer_cert {
    char subject[256]; /* RFC 2253 form */
    char cn[128];      /* common name, empty when there is none */
    char san[512];     /* "DNS:a,IP:1.2.3.4,URI:urn:x,email:y", empty when there is none */
    uint8_t sha256[32];
    int64_t not_after_us;
    bool verified; /* the chain ends at a configured authority and is in its time */
};

/* What implements a stream. Users call the sh_stream_* functions below. */
struct sh_stream_ops {
    const char *kind; /* "tcp", "tls", "ws", "fake" */
    void (*start)(struct sh_stream *s);
    sh_err (*write)(struct sh_stream *s, const struct sh_bytes *parts, size_t n);
    void (*flush)(struct sh_stream *s);
    void (*pause)(struct sh_stream *s);
    void (*resume)(struct sh_stream *s);
    void (*end)(struct sh_stream *s);
    void (*close)(struct sh_stream *s, sh_err reason);
    size_t (*queued)(const struct sh_stream *s);
    size_t (*write_max)(const struct sh_stream *s);
    size_t (*unacked)(const struct sh_stream *s); /* NULL: as queued */
    struct sh_addr (*peer)(const struct sh_stream *s);
    struct sh_addr (*local)(const struct sh_stream *s);
    sh_err (*peer_cert)(const struct sh_stream *s, struct sh_peer_cert *out);
    bool (*secure)(const struct sh_stream *s);
};

/* First member of every implementation. Read-only for users. */
struct sh_stream {
    const struct sh_stream_ops *ops;
    const struct sh_stream_handler *handler;
    void *ctx;
    struct sh_loop *loop;
};

/* Sets the handler (borrowed for the stream's life) and begins reading. May be called again to hand
 * the stream to another owner: bytes not used so far are shown to the new one. */
void sh_stream_start(struct sh_stream *s, const struct sh_stream_handler *h, void *ctx);
/* Queues a copy of all bytes or nothing. Small writes of one turn leave in one system call at its
 * end. SH_E_LIMIT: the queue would pass write_max: wait for on_drain (an empty queue takes any
 * size up to write_max). SH_E_CLOSED: ended or closed. SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_stream_write(struct sh_stream *s, struct sh_bytes b);
/* The same with several parts as one. */
SH_MUST_CHECK sh_err sh_stream_writev(struct sh_stream *s, const struct sh_bytes *parts, size_t n);
/* Sends what is queued now instead of at the end of the turn. */
void sh_stream_flush(struct sh_stream *s);
/* No on_bytes until resume (not even for bytes kept). Writing goes on. A paused stream may learn
 * late that its peer has gone. Both may be called any number of times. */
void sh_stream_pause(struct sh_stream *s);
void sh_stream_resume(struct sh_stream *s);
/* Graceful end: no more on_bytes, queued bytes are sent, then our side is closed; what the peer
 * still sends is thrown away for at most 2 s, then on_close(SH_OK) (10 s without progress in
 * sending: SH_E_TIMEOUT). */
void sh_stream_end(struct sh_stream *s);
/* At once: queued bytes are dropped, on_close(reason) follows. Any state, repeatable (the first
 * reason counts). */
void sh_stream_close(struct sh_stream *s, sh_err reason);
/* Bytes queued and not yet given to the system, and the limit for them. */
size_t sh_stream_queued(const struct sh_stream *s);
size_t sh_stream_write_max(const struct sh_stream *s);
/* Bytes that were written and that the peer's system has not acknowledged, as far as it can be
 * known (TCP): 0 says that they arrived there, not that its program has read them. */
size_t sh_stream_unacked(const struct sh_stream *s);
struct sh_addr sh_stream_peer(const struct sh_stream *s);
struct sh_addr sh_stream_local(const struct sh_stream *s);
/* SH_E_NOTFOUND when the peer showed no certificate (or it is not TLS). */
SH_MUST_CHECK sh_err sh_stream_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out);
/* Is it encrypted (TLS, or WebSocket over TLS)? */
bool sh_stream_secure(const struct sh_stream *s);

/* ---- TCP ---- */

/* Limits of one stream; 0 = the default. */
struct sh_stream_opts {
    size_t write_max;     /* queued output; 0 = 1 MiB */
    size_t read_max;      /* bytes kept between on_bytes calls; 0 = 1 MiB */
    bool no_delay_off;    /* Nagle's algorithm on (default: off) */
    unsigned keepalive_s; /* TCP keep-alive; 0 = 60, UINT_MAX = off */
};

struct sh_listen_opts {
    struct sh_str address; /* as sh_addr_parse; port 0 = any free port */
    struct sh_tls *tls;    /* NULL = plain; borrowed, must outlive the listener */
    bool reuse_port;       /* SO_REUSEPORT: several listeners on the same port */
    /* Loops that serve what is accepted: each connection goes to the one that has the fewest of
     * this listener. Copied; at most SH_LOOPS_MAX. None: the listener's own. */
    struct sh_loop *const *loops;
    size_t nloops;
    int backlog;                  /* 0 = 4096 */
    size_t max_conns;             /* open streams made by it; more are closed at once; 0 = 100000 */
    int64_t handshake_timeout_us; /* TLS; 0 = 10 s */
    struct sh_stream_opts stream;
};

/* Could somebody listen there now? Any thread; by the time of sh_listen it may be otherwise. */
bool sh_listen_free(struct sh_str address);

struct sh_listener;
/* on_accept gets an open stream (TLS: after its handshake) on the thread of stream->loop; it must
 * call sh_stream_start or sh_stream_close on it. SH_E_INVAL (address), SH_E_EXISTS (address in
 * use), SH_E_DENIED, SH_E_IO, SH_E_NOMEM; diag says which address and what to do. */
SH_MUST_CHECK sh_err sh_listen(struct sh_loop *l, const struct sh_listen_opts *opts,
                               void (*on_accept)(void *ctx, struct sh_stream *s), void *ctx,
                               struct sh_diag *diag, struct sh_listener **out);
/* On the listener's loop. Stops accepting; streams live on, but TLS handshakes that are not done
 * end (those of other loops in a turn of theirs). NULL is accepted. */
void sh_listener_close(struct sh_listener *ln);
struct sh_addr sh_listener_addr(const struct sh_listener *ln);
/* Streams made by it that are open, on all its loops. Any thread. */
size_t sh_listener_conns(const struct sh_listener *ln);

struct sh_connect_opts {
    struct sh_str host; /* name or numeric address; copied */
    uint16_t port;
    struct sh_tls *tls;        /* client context, or NULL */
    struct sh_str server_name; /* TLS: SNI and the name to verify; empty = host; copied */
    int64_t timeout_us;        /* resolution, connection and handshake together; 0 = 10 s */
    bool public_only;          /* refuse addresses of sh_addr_is_special (SH_E_DENIED) */
    /* NULL: any. Else asked for each address, on the loop; false: SH_E_DENIED. */
    bool (*allow)(void *ctx, const struct sh_addr *a);
    void *allow_ctx;
    struct sh_stream_opts stream;
};
struct sh_connect_handler {
    /* The owner must call sh_stream_start or sh_stream_close. */
    void (*on_open)(void *ctx, struct sh_stream *s);
    /* SH_E_NOTFOUND name, SH_E_TIMEOUT, SH_E_IO (refused, unreachable), SH_E_PROTO (TLS),
     * SH_E_DENIED; `why` is one English sentence, borrowed. */
    void (*on_fail)(void *ctx, sh_err err, const char *why);
};
struct sh_connect;
/* Exactly one of on_open and on_fail follows, unless cancelled. *out may be NULL; it is gone when
 * either was called. Addresses of a name are tried in turn. */
SH_MUST_CHECK sh_err sh_connect_start(struct sh_loop *l, const struct sh_connect_opts *opts,
                                      const struct sh_connect_handler *h, void *ctx,
                                      struct sh_connect **out);
void sh_connect_cancel(struct sh_connect *c); /* no callback follows */

/* ---- UDP ---- */

struct sh_udp;
/* address as sh_addr_parse. on_datagram: `in` is borrowed. Errors as sh_listen. */
SH_MUST_CHECK sh_err sh_udp_open(struct sh_loop *l, struct sh_str address,
                                 void (*on_datagram)(void *ctx, const struct sh_addr *from,
                                                     struct sh_bytes in),
                                 void *ctx, struct sh_diag *diag, struct sh_udp **out);
void sh_udp_close(struct sh_udp *u); /* no callback follows; NULL is accepted */
struct sh_addr sh_udp_addr(const struct sh_udp *u);
/* Sends now or not at all (SH_E_AGAIN: the system's buffer is full, counted as dropped). */
SH_MUST_CHECK sh_err sh_udp_send(struct sh_udp *u, const struct sh_addr *to, struct sh_bytes b);

#endif /* SH_STREAM_H */
