/* http.h - HTTP/1.1 server (RFC 9110, 9112) with WebSocket upgrade. One server serves the streams
 * of one loop; several loops have one each (opts.with), and the handler is called on any of them.
 *
 * A request is handed to the application in on_request and stays valid, with all that it points to,
 * until it is answered: exactly one of sh_http_send, sh_http_respond, sh_http_stream_end,
 * sh_http_pull, sh_http_ws_accept per request, also when the client has gone meanwhile. Between
 * on_request and the answer the request belongs to the application alone: a worker thread may read
 * it, build the answer in it and send it from there. The loop only ever sets the flag behind
 * sh_http_gone. One request of a connection is served at a time; pipelined ones wait.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HTTP_H
#define SH_HTTP_H

#include <sh/http1.h>
#include <sh/stream.h>

struct sh_http_server;

/* All public members are read-only for the application, except `app`. Texts point into memory of
 * the request. */
struct sh_http_req {
    enum sh_http_method method;
    struct sh_str method_name;
    struct sh_str target; /* as sent: "/a/b%2Fc?x=1" */
    struct sh_str path; /* part before '?', still percent-encoded: split it, then decode segments */
    struct sh_str query; /* part behind '?', raw; sh_url_query_* read it */
    struct sh_str host;  /* Host field, "" when HTTP/1.0 sent none */
    const struct sh_http_field *fields;
    size_t nfields;
    struct sh_bytes body; /* whole body (transfer coding removed, content coding not) */
    struct sh_addr peer;
    bool secure;         /* came by TLS */
    int64_t received_us; /* wall time of the head */
    void *app;           /* the application's own */
};

/* First field of that name (case-insensitive), trimmed; p == NULL when absent. */
struct sh_str sh_http_field_of(const struct sh_http_req *r, const char *name);
/* The loop that serves it: where it came from, and where streamed answers are written. Any thread.
 */
struct sh_loop *sh_http_loop(const struct sh_http_req *r);
/* Any thread: has the client gone? The answer must still be given (and is thrown away). */
bool sh_http_gone(const struct sh_http_req *r);
/* Certificate of a TLS client, taken when the request came; loop or worker. SH_E_NOTFOUND. */
SH_MUST_CHECK sh_err sh_http_peer_cert(const struct sh_http_req *r, struct sh_peer_cert *out);

/* ---- answers ---- */

/* Whole answers. The builder calls may be made on any thread that holds the request; the first
 * error sticks and makes the answer a 500. Content-Length, Date, Connection are set by the server.
 * With HEAD the body is counted but not sent; 204 and 304 have none. */
void sh_http_status(struct sh_http_req *r, int status);
/* Adds a field; name and value are copied. A value with CR, LF or NUL is refused (500). */
void sh_http_header(struct sh_http_req *r, const char *name, struct sh_str value);
void sh_http_header_c(struct sh_http_req *r, const char *name, const char *value);
/* The body to write into (max = opts.response_max). */
struct sh_buf *sh_http_body(struct sh_http_req *r);
/* Uses bytes that outlive the server (tables in the binary) as the body, without copying. */
void sh_http_body_const(struct sh_http_req *r, struct sh_bytes b);
/* The answer holds a secret beside what others may choose: it is never compressed (BREACH). */
void sh_http_plain(struct sh_http_req *r);
/* Any thread. Gives the answer and the request away; compresses a big compressible body when the
 * client takes gzip and no Content-Encoding was set (on the calling thread). */
void sh_http_send(struct sh_http_req *r);
/* Any thread: status, one content type and a body (copied) in one call. */
void sh_http_respond(struct sh_http_req *r, int status, const char *content_type,
                     struct sh_bytes body);

/* Streamed answers (SSE, exports). Loop thread. After sh_http_status and sh_http_header:
 * begin, then write any number of times, then end. Sent chunked (1.0: until close). */
struct sh_http_stream_handler {
    /* There is room again after a write was refused or the queue had been over half. May be NULL.
     */
    void (*on_drain)(void *ctx, struct sh_http_req *r);
    /* The client has gone. Called at most once; the application must still call
     * sh_http_stream_end (here or later). */
    void (*on_gone)(void *ctx, struct sh_http_req *r);
};
/* SH_E_CLOSED when the client has gone, or the first error of the builder (sh_http_stream_end is
 * still due and answers 500 then). */
SH_MUST_CHECK sh_err sh_http_stream_begin(struct sh_http_req *r,
                                          const struct sh_http_stream_handler *h, void *ctx);
/* Copies all or nothing; pieces of at most opts.write_max / 2. SH_E_LIMIT: wait for on_drain;
 * SH_E_CLOSED. */
SH_MUST_CHECK sh_err sh_http_stream_write(struct sh_http_req *r, struct sh_bytes b);
/* Bytes of this connection that wait to be sent. */
size_t sh_http_stream_queued(const struct sh_http_req *r);
/* Releases the request. complete = false: cut off, so that the client sees it is not whole. */
void sh_http_stream_end(struct sh_http_req *r, bool complete);

/* Streamed answers that workers make piece by piece (exports). Any thread that holds the request,
 * after sh_http_status and sh_http_header; what is in sh_http_body goes first, so a handler makes
 * the first piece itself and can still answer with an error. `more` is called on a worker, one call
 * at a time, whenever what was made is queued and the queue is at most half full: no worker waits
 * for a client, and an answer holds one piece and one queue, however long it is. Compressed when
 * the client takes gzip and the type is compressible. The request is given away. */
struct sh_http_pull {
    /* To a worker: sh_workers_run of `pool`. SH_E_LIMIT: tried again a little later; any other
     * error cuts the answer off. */
    sh_err (*run)(void *pool, void (*fn)(void *ctx), void *ctx);
    void *pool;
    /* Worker. Appends the next piece, at most piece_max bytes; *last: it is the last one. An error
     * cuts the answer off, so that the client sees it is not whole. Not called once the client has
     * gone. */
    sh_err (*more)(void *ctx, struct sh_buf *out, bool *last);
    /* Loop thread, exactly once, last: SH_OK (all is queued), SH_E_CLOSED (the client has gone),
     * SH_E_LIMIT (buffered_max), or the error of `more` or `run`. Frees ctx. */
    void (*end)(void *ctx, sh_err err);
    void *ctx;
    size_t piece_max; /* 0 = 256 KiB */
};
void sh_http_pull(struct sh_http_req *r, const struct sh_http_pull *p);
/* Before a streamed or pulled answer: its body has exactly so many bytes. They are sent with a
 * Content-Length, not in chunks, and not compressed; fewer cut the connection, more are
 * SH_E_INTERNAL. */
void sh_http_length(struct sh_http_req *r, uint64_t n);

/* Bodies that workers take piece by piece (uploads), for a request whose plan said `intake`. Any
 * thread that holds the request. `piece` is called on a worker, one call at a time, with the next
 * bytes; while it works at most one more piece is gathered, then the client is not read: a body
 * holds two pieces, however long it is and however slow the disk. The request is not given away:
 * `end` answers it (as ever exactly once, also when the client has gone). Who answers such a
 * request without taking its body ends the connection with the answer. */
struct sh_http_intake {
    /* As in sh_http_pull. Any error but SH_E_LIMIT: `end` is called on the loop's thread. */
    sh_err (*run)(void *pool, void (*fn)(void *ctx), void *ctx);
    void *pool;
    /* Worker. An error is what `end` gets. */
    sh_err (*piece)(void *ctx, struct sh_bytes data);
    /* Worker, exactly once, last. SH_OK: the body is whole. SH_E_LIMIT: longer than body_max;
     * SH_E_TIMEOUT: the client is too slow; SH_E_CLOSED: it left in the middle; SH_E_PROTO: bad
     * chunks; SH_E_NOMEM: buffered_max; SH_E_CANCELED: the server stops; or the error of `piece`.
     * Frees ctx. */
    void (*end)(void *ctx, sh_err err);
    void *ctx;
    uint64_t body_max;
    size_t piece_max; /* 0 = 256 KiB */
};
/* SH_E_NOMEM: nothing was begun, `end` is not called and the request is still to be answered. */
SH_MUST_CHECK sh_err sh_http_intake(struct sh_http_req *r, const struct sh_http_intake *i);
/* Content-Length of the request; -1 when it said none. */
int64_t sh_http_body_length(const struct sh_http_req *r);

/* WebSocket (RFC 6455). Loop thread. */
bool sh_http_is_websocket(const struct sh_http_req *r);
struct sh_ws_opts {
    struct sh_str subprotocol; /* must be offered by the client; empty = none */
    size_t message_max;        /* 0 = 1 MiB */
    bool text;                 /* we send and take text messages; else binary */
    int64_t ping_us;           /* ping when silent, close after two unanswered; 0 = 30 s */
};
/* Answers 101 and hands over a stream on which on_bytes shows the payload of data messages as one
 * run of bytes and each write is one message. The request is released. On error (SH_E_PROTO: not a
 * proper upgrade; SH_E_NOTFOUND: subprotocol not offered; SH_E_CLOSED; SH_E_NOMEM) it is answered
 * by the server and released too. Checking Origin is the caller's business. */
SH_MUST_CHECK sh_err sh_http_ws_accept(struct sh_http_req *r, const struct sh_ws_opts *o,
                                       struct sh_stream **out);

/* ---- the server ---- */

/* What to do with the body of a request whose head is here; preset from the server's options. */
struct sh_http_plan {
    size_t body_max;   /* more is answered 413 */
    int refuse_status; /* not 0: answer with this status (and close when a body is coming) */
    bool intake; /* on_request is called with the head alone; body_max does not count, and `body` is
                    empty: sh_http_intake takes it */
};

struct sh_http_handler {
    /* May be NULL. Only the head may be read; the request may be neither kept nor answered. */
    void (*on_headers)(void *ctx, const struct sh_http_req *r, struct sh_http_plan *plan);
    void (*on_request)(void *ctx, struct sh_http_req *r);
    /* May be NULL. The client of a request that waits for its answer has gone. Loop thread; the
     * request may be in a worker's hands: only sh_http_gone may be used then. */
    void (*on_gone)(void *ctx, struct sh_http_req *r);
    /* May be NULL: body of the server's own refusals (400, 408, 413, 414, 431, 501, 503, 505):
     * append it to out and return its content type. */
    const char *(*error_body)(void *ctx, int status, struct sh_buf *out);
};

/* 0 = the default in brackets. */
struct sh_http_opts {
    struct sh_http_limits limits; /* of head and fields (see http1.h) */
    size_t body_max;              /* [1 MiB] */
    size_t response_max;          /* [64 MiB] */
    size_t conns_max;             /* [10000]; more get 503 and are closed */
    size_t buffered_max;          /* bodies in and out of all connections [256 MiB]; 503 beyond */
    size_t write_max;             /* queue of a streamed answer [256 KiB] */
    size_t gzip_min;              /* bodies from this size are compressed [1024] */
    int64_t head_timeout_us;      /* first byte to end of head [10 s]; 408 */
    int64_t body_timeout_us;      /* at least 1 KiB per this while a body comes [20 s]; 408 */
    int64_t idle_timeout_us;      /* between requests [75 s] */
    int64_t write_timeout_us;     /* no progress in sending [30 s] */
    unsigned requests_per_conn;   /* [100000] */
    bool hsts; /* answers over TLS tell browsers to come by TLS only, for a year (RFC 6797) */
    /* Server of another loop that this one joins: conns_max and buffered_max hold for all together,
     * and what the other listens on is served by all. Before it listens; it outlives this one. */
    struct sh_http_server *with;
};

SH_MUST_CHECK sh_err sh_http_server_new(struct sh_loop *l, const struct sh_http_opts *opts,
                                        const struct sh_http_handler *h, void *ctx,
                                        struct sh_http_server **out);
/* Opens a port; may be called several times (HTTP, HTTPS with opts->tls), on the first of several
 * servers only. *ln may be NULL; the server closes it. */
SH_MUST_CHECK sh_err sh_http_server_listen(struct sh_http_server *s,
                                           const struct sh_listen_opts *opts, struct sh_diag *diag,
                                           struct sh_listener **ln);
/* Serves HTTP on an open stream (which is taken): for tests and shared listeners. */
void sh_http_server_take(struct sh_http_server *s, struct sh_stream *stream);
/* Stops accepting and lets requests in flight finish for at most grace_us, then closes all.
 * on_stopped (may be NULL) is called when no connection is left and every request was answered;
 * then the server may be freed. */
void sh_http_server_stop(struct sh_http_server *s, int64_t grace_us, void (*on_stopped)(void *ctx),
                         void *ctx);
/* Only after on_stopped (or when nothing was ever served). NULL is accepted. */
void sh_http_server_free(struct sh_http_server *s);

struct sh_http_stats {
    uint64_t conns; /* now */
    uint64_t conns_refused;
    uint64_t requests;
    uint64_t in_flight; /* now */
    uint64_t status[6]; /* answers by class: [2] = 2xx ... ; [0] = cut off */
    uint64_t refused;   /* answered by the server itself (400, 408, 413, ...) */
    uint64_t timeouts;
    uint64_t gone; /* clients that left before the answer */
    uint64_t body_bytes_in;
    uint64_t body_bytes_out;
    uint64_t gzip_in; /* bytes before and after compressing answers */
    uint64_t gzip_out;
    uint64_t websockets;     /* now */
    uint64_t pulls;          /* answers that workers make piece by piece, now */
    uint64_t pulls_cut;      /* ended before they were whole: client gone or an error */
    uint64_t intakes;        /* bodies that workers take piece by piece, now */
    uint64_t intakes_cut;    /* ended before they were whole */
    uint64_t buffered_bytes; /* now */
};
/* Any thread. */
void sh_http_server_stats(const struct sh_http_server *s, struct sh_http_stats *out);

#endif /* SH_HTTP_H */
