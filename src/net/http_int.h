/* http_int.h - shared by http_server.c (connections and requests in), http_answer.c (answers out)
 * and http_ws.c (WebSocket). SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_NET_HTTP_INT_H
#define SH_NET_HTTP_INT_H

#include "net_int.h"

enum { HTTP_LISTENERS_MAX = 8, HTTP_ERROR_BODY_MAX = 4096, HTTP_FIELDS_MAX = 16384 };

struct http_counts {
    net_count conns, conns_refused, requests, in_flight, status[6], refused, timeouts, gone;
    net_count body_bytes_in, body_bytes_out, gzip_in, gzip_out, websockets, buffered, pulls,
        pulls_cut, intakes, intakes_cut;
};

/* What the servers of several loops have in common. */
struct http_shared {
    atomic_size_t conns;    /* for conns_max */
    atomic_size_t buffered; /* for buffered_max */
};

struct sh_http_server {
    struct sh_loop *loop;
    struct http_shared own;
    struct http_shared *shared;                 /* of the first one */
    struct sh_http_server *first;               /* itself, or who has the listeners */
    struct sh_http_server *group[SH_LOOPS_MAX]; /* of the first: all of them, itself included */
    size_t ngroup;
    struct sh_http_opts o;
    const struct sh_http_handler *h;
    void *ctx;
    struct sh_listener *listeners[HTTP_LISTENERS_MAX];
    size_t nlisteners;
    struct http_conn *conns;
    struct http_ws *sockets;
    bool stopping;
    bool stopped;
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
    struct sh_timer grace;
    struct sh_job stop_job;
    size_t brushed; /* connections over conns_max that are being told so */
    int64_t date_s;
    char date[SH_HTTP_DATE_CHARS];
    struct http_counts n;
};

enum http_state {
    HTTP_IDLE,    /* between requests; may hold part of a head */
    HTTP_HEAD,    /* part of a head is here: head_timeout runs */
    HTTP_BODY,    /* reading the body of conn->req */
    HTTP_PENDING, /* conn->req is in the application's hands */
    HTTP_SENDING, /* conn->req is answered, its body does not fit the queue yet */
    HTTP_CLOSING, /* the stream was ended or closed */
    HTTP_DETACHED /* the stream has another owner */
};

struct http_conn {
    struct sh_http_server *srv;
    struct sh_stream *s;
    struct http_conn *next;
    struct http_conn **prev;
    struct http_req *req;
    struct sh_timer timer;
    size_t scanned;
    size_t start;
    size_t mark; /* body bytes in, or bytes unsent, when the timer last looked */
    unsigned served;
    struct sh_addr peer; /* asked for once */
    uint8_t state;
    bool in_bytes; /* on_bytes is on the stack */
    bool eof;
    bool paused;
};

struct http_req {
    struct sh_http_req pub;
    struct sh_http_server *srv;
    struct http_conn *conn; /* NULL once the client has gone */
    struct sh_job job;      /* brings the answer to the loop */
    atomic_bool gone;
    struct sh_peer_cert *cert;
    struct sh_http_head head;
    struct sh_chunked chunked;
    size_t body_max;
    size_t counted; /* bytes of this request in srv->n.buffered */
    struct sh_buf in;
    bool keep_alive;
    bool in_app; /* handed over and not answered */
    bool unread; /* the body was not taken, or not all of it: the connection ends with the answer */
    struct http_intake *intake; /* who takes the body now */
    /* the answer */
    int status;
    sh_err err;
    struct sh_buf fields;
    struct sh_buf body;
    struct sh_bytes fixed; /* sh_http_body_const */
    size_t sent;
    bool has_type;
    bool compressible;
    bool has_coding;
    bool streaming;
    bool begun;  /* its head is out */
    bool chunks; /* streamed with the chunked coding */
    bool sized;  /* streamed with a Content-Length of `length` bytes */
    uint64_t length;
    uint64_t streamed;
    const struct sh_http_stream_handler *sh;
    void *sh_ctx;
    struct sh_http_field list[]; /* and behind it the bytes of the head */
};

static inline struct http_req *http_req_of(const struct sh_http_req *r)
{
    return NET_OWNER(r, struct http_req, pub);
}

/* http_server.c */
void http_conn_ready(struct http_conn *c); /* the answer is out: next request, or the end */
void http_conn_end(struct http_conn *c);   /* graceful */
void http_conn_timer(struct http_conn *c, int64_t us);
void http_conn_detach(struct http_conn *c); /* the stream has a new owner */
void http_req_free(struct http_req *r);
bool http_count_in(struct http_req *r, size_t more); /* false: buffered_max */
void http_check_stopped(struct sh_http_server *s);

/* http_intake.c */
size_t http_intake_take(struct http_req *r, struct sh_bytes in); /* returns how much was used */
void http_intake_timer(struct http_req *r);                      /* body_timeout_us is over */
void http_intake_gone(struct http_req *r);                       /* its connection is no more */

/* http_answer.c */
void http_answer_init(struct http_req *r);
void http_answer_fini(struct http_req *r);
void http_answer_more(struct http_req *r); /* there is room in the stream's queue */
void http_answer_job(void *ctx);           /* on the loop: sends what was built */
size_t http_answer_unsent(const struct http_req *r);
/* An answer of the server itself; the connection ends with it. */
void http_refuse(struct http_conn *c, int status);
void http_error_body(struct sh_http_server *s, struct http_req *r, int status);

/* Would a body of this request be worth compressing, and may it be? */
bool http_answer_gzip(const struct http_req *r);

/* http_ws.c */
void http_ws_close_all(struct sh_http_server *s);

#endif /* SH_NET_HTTP_INT_H */
