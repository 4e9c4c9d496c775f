/* http_server.c - connections and requests.
 * Invariants:
 *  1. A connection has at most one request; input behind it stays in the stream (unused bytes), and
 *     the stream is paused as soon as there is any, so a peer that pipelines is not read ahead.
 * With none the stream keeps reading, so that we learn of a peer that leaves.
 *  2. A request is freed by exactly one of: its answer (http_answer.c), or the end of the
 * connection while it is not in the application's hands.
 *  3. A connection is freed in on_close of its stream, or when it is detached; never while on_bytes
 *     of it is on the stack.
 *  4. srv->n.buffered is the sum of `counted` of all requests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http_int.h"

enum { SEC = 1000 * 1000, BODY_MIN = 1024, READ_EXTRA = 65536 };

/* ---- requests ---- */

struct sh_str sh_http_field_of(const struct sh_http_req *r, const char *name)
{
    return sh_http_field_get(r->fields, r->nfields, name);
}

struct sh_loop *sh_http_loop(const struct sh_http_req *r)
{
    return http_req_of(r)->srv->loop;
}

bool sh_http_gone(const struct sh_http_req *r)
{
    return atomic_load_explicit(&http_req_of(r)->gone, memory_order_relaxed);
}

sh_err sh_http_peer_cert(const struct sh_http_req *r, struct sh_peer_cert *out)
{
    const struct http_req *q = http_req_of(r);
    if (q->cert == NULL) {
        return SH_E_NOTFOUND;
    }
    *out = *q->cert;
    return SH_OK;
}

bool http_count_in(struct http_req *r, size_t more)
{
    struct sh_http_server *s = r->srv;
    const size_t was = atomic_fetch_add_explicit(&s->shared->buffered, more, memory_order_relaxed);
    if (was > s->o.buffered_max || more > s->o.buffered_max - was) {
        (void)atomic_fetch_sub_explicit(&s->shared->buffered, more, memory_order_relaxed);
        return false;
    }
    net_add(&s->n.buffered, more);
    r->counted += more;
    return true;
}

void http_req_free(struct http_req *r)
{
    const struct sh_alloc *a = r->srv->loop->env->alloc;
    net_sub(&r->srv->n.buffered, r->counted);
    (void)atomic_fetch_sub_explicit(&r->srv->shared->buffered, r->counted, memory_order_relaxed);
    http_answer_fini(r);
    sh_buf_fini(&r->in);
    sh_mem_free(a, r->cert);
    sh_mem_free(a, r);
}

static struct http_req *req_new(struct http_conn *c, struct sh_bytes head)
{
    struct sh_http_server *s = c->srv;
    const struct sh_alloc *a = s->loop->env->alloc;
    const size_t nfields = sh_http_head_lines(head);
    struct http_req *r = sh_mem_resize(a, NULL, sizeof *r + nfields * sizeof r->list[0] + head.n);
    if (r == NULL) {
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->srv = s;
    r->conn = c;
    atomic_init(&r->gone, false);
    sh_buf_init(&r->in, a, SIZE_MAX / 2);
    http_answer_init(r);
    memcpy(&r->list[nfields], head.p, head.n);
    return r;
}

/* Fills what the application sees. */
static sh_err req_publish(struct http_req *r)
{
    const struct sh_http_head *h = &r->head;
    struct sh_stream *s = r->conn->s;
    r->pub = (struct sh_http_req){
        .method = h->method,
        .method_name = h->method_name,
        .target = h->target,
        .path = h->path,
        .query = h->query,
        .host = h->host,
        .fields = h->fields,
        .nfields = h->nfields,
        .peer = r->conn->peer,
        .secure = sh_stream_secure(s),
        .received_us = sh_loop_wall_us(r->srv->loop),
    };
    if (!r->pub.secure) {
        return SH_OK;
    }
    struct sh_peer_cert cert;
    if (sh_stream_peer_cert(s, &cert) != SH_OK) {
        return SH_OK;
    }
    r->cert = sh_mem_new(r->srv->loop->env->alloc, sizeof *r->cert);
    if (r->cert == NULL) {
        return SH_E_NOMEM;
    }
    *r->cert = cert;
    return SH_OK;
}

/* ---- connections ---- */

void http_conn_timer(struct http_conn *c, int64_t us)
{
    sh_timer_set(c->srv->loop, &c->timer, us);
}

static void conn_free(struct http_conn *c)
{
    struct sh_http_server *s = c->srv;
    sh_timer_stop(&c->timer);
    *c->prev = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    net_sub(&s->n.conns, 1);
    (void)atomic_fetch_sub_explicit(&s->shared->conns, 1, memory_order_relaxed);
    sh_mem_free(s->loop->env->alloc, c);
    http_check_stopped(s);
}

void http_conn_end(struct http_conn *c)
{
    if (c->state != HTTP_CLOSING && c->state != HTTP_DETACHED) {
        c->state = HTTP_CLOSING;
        sh_timer_stop(&c->timer);
        if (c->paused) { /* what still comes is thrown away */
            c->paused = false;
            sh_stream_resume(c->s);
        }
        sh_stream_end(c->s);
    }
}

void http_conn_detach(struct http_conn *c)
{
    c->state = HTTP_DETACHED;
    c->req = NULL;
    if (!c->in_bytes) {
        conn_free(c);
    }
}

void http_conn_ready(struct http_conn *c)
{
    struct http_req *r = c->req;
    const bool go_on = r->keep_alive && !c->eof && !c->srv->stopping;
    c->req = NULL;
    http_req_free(r);
    if (!go_on) {
        http_conn_end(c);
        return;
    }
    c->state = HTTP_IDLE;
    c->start = 0;
    c->scanned = 0;
    http_conn_timer(c, c->srv->o.idle_timeout_us);
    if (c->paused) {
        c->paused = false;
        sh_stream_resume(c->s);
    }
}

static void on_timer(void *ctx)
{
    struct http_conn *c = ctx;
    struct sh_http_server *s = c->srv;
    switch ((enum http_state)c->state) {
    case HTTP_IDLE:
        http_conn_end(c);
        break;
    case HTTP_HEAD:
        net_add(&s->n.timeouts, 1);
        http_refuse(c, 408);
        break;
    case HTTP_BODY:
        if (c->req->in.n - c->mark < BODY_MIN) {
            net_add(&s->n.timeouts, 1);
            http_refuse(c, 408);
            break;
        }
        c->mark = c->req->in.n;
        http_conn_timer(c, s->o.body_timeout_us);
        break;
    case HTTP_SENDING:
    case HTTP_PENDING: { /* a body that is taken, or a streamed answer */
        if (c->req->intake != NULL) {
            http_intake_timer(c->req);
            break;
        }
        const size_t left = http_answer_unsent(c->req) + sh_stream_queued(c->s);
        if (left > 0 && left >= c->mark && c->mark != 0) {
            net_add(&s->n.timeouts, 1);
            sh_stream_close(c->s, SH_E_TIMEOUT);
            break;
        }
        c->mark = left;
        http_conn_timer(c, s->o.write_timeout_us);
        break;
    }
    case HTTP_CLOSING:
    case HTTP_DETACHED:
        break;
    }
}

/* Hands the whole request over. */
static void dispatch(struct http_conn *c)
{
    struct http_req *r = c->req;
    struct sh_http_server *s = c->srv;
    sh_timer_stop(&c->timer);
    r->pub.body = sh_buf_bytes(&r->in);
    net_add(&s->n.body_bytes_in, r->in.n);
    net_add(&s->n.in_flight, 1);
    c->state = HTTP_PENDING;
    c->mark = 0;
    r->in_app = true;
    s->h->on_request(s->ctx, &r->pub);
}

/* Refuses a request whose head was understood: the connection may go on when no body comes. */
static void refuse_planned(struct http_conn *c, int status, bool body)
{
    struct http_req *r = c->req;
    net_add(&c->srv->n.refused, 1);
    net_add(&c->srv->n.in_flight, 1);
    r->keep_alive = r->keep_alive && !body;
    r->in_app = true;
    c->state = HTTP_PENDING;
    sh_timer_stop(&c->timer);
    http_error_body(c->srv, r, status);
    http_answer_job(r);
}

/* A head is here, in[0..n). Makes the request and decides what becomes of it. */
static void take_head(struct http_conn *c, struct sh_bytes head)
{
    struct sh_http_server *s = c->srv;
    int status = 0;
    struct http_req *r = req_new(c, head);
    if (r == NULL) {
        http_refuse(c, 503);
        return;
    }
    c->req = r;
    const size_t cap = sh_http_head_lines(head);
    const struct sh_bytes copy = {(const uint8_t *)&r->list[cap], head.n};
    if (sh_http_head_parse(copy, &s->o.limits, r->list, cap, &r->head, &status) != SH_OK) {
        http_refuse(c, status);
        return;
    }
    if (req_publish(r) != SH_OK || !http_count_in(r, head.n)) {
        http_refuse(c, 503);
        return;
    }
    net_add(&s->n.requests, 1);
    c->served++;
    r->keep_alive = r->head.keep_alive && c->served < s->o.requests_per_conn;
    const bool body = r->head.chunked || r->head.content_length > 0;
    struct sh_http_plan plan = {.body_max = s->o.body_max};
    if (s->h->on_headers != NULL) {
        s->h->on_headers(s->ctx, &r->pub, &plan);
    }
    if (plan.refuse_status != 0) {
        refuse_planned(c, plan.refuse_status, body);
    } else if (plan.intake) {
        r->unread = body;
        dispatch(c);
    } else if (r->head.content_length > 0 && (uint64_t)r->head.content_length > plan.body_max) {
        refuse_planned(c, 413, true);
    } else if (!body) {
        dispatch(c);
    } else {
        r->body_max = plan.body_max;
        r->in.max = plan.body_max;
        sh_chunked_init(&r->chunked);
        c->state = HTTP_BODY;
        c->mark = 0;
        http_conn_timer(c, s->o.body_timeout_us);
    }
}

/* Appends body bytes; false when the request was refused. */
static bool put_body(struct http_conn *c, struct sh_bytes data)
{
    struct http_req *r = c->req;
    if (data.n == 0) {
        return true;
    }
    if (data.n > r->body_max - r->in.n) {
        http_refuse(c, 413);
        return false;
    }
    if (!http_count_in(r, data.n) || sh_buf_put(&r->in, data.p, data.n) != SH_OK) {
        http_refuse(c, 503);
        return false;
    }
    return true;
}

/* Returns how much was used. */
static size_t take_body(struct http_conn *c, struct sh_bytes in)
{
    struct http_req *r = c->req;
    if (!r->head.chunked) {
        const size_t left = (size_t)r->head.content_length - r->in.n;
        const size_t n = in.n < left ? in.n : left;
        if (put_body(c, (struct sh_bytes){in.p, n}) && n == left) {
            dispatch(c);
        }
        return n;
    }
    size_t at = 0;
    while (at < in.n && c->state == HTTP_BODY) {
        size_t used = 0;
        struct sh_bytes data = {0};
        const sh_err e =
            sh_chunked_feed(&r->chunked, (struct sh_bytes){in.p + at, in.n - at}, &used, &data);
        if (e == SH_E_PROTO) {
            http_refuse(c, 400);
            return in.n;
        }
        at += used;
        if (put_body(c, data) && e == SH_OK) {
            dispatch(c);
        }
    }
    return at;
}

static size_t take_idle(struct http_conn *c, struct sh_bytes in)
{
    struct sh_http_server *s = c->srv;
    int status = 0;
    const sh_err e = sh_http_head_find(in, &s->o.limits, &c->start, &c->scanned, &status);
    if (e == SH_E_AGAIN) {
        if (c->state == HTTP_IDLE) {
            c->state = HTTP_HEAD;
            http_conn_timer(c, s->o.head_timeout_us);
        }
        return 0;
    }
    if (e != SH_OK) {
        http_refuse(c, status);
        return in.n;
    }
    const size_t used = c->scanned;
    const struct sh_bytes head = {in.p + c->start, c->scanned - c->start};
    c->start = 0;
    c->scanned = 0;
    take_head(c, head);
    /* RFC 9110 10.1.1: not when some of the body is here already */
    if (c->state == HTTP_BODY && c->req->head.expect_continue && used == in.n &&
        sh_stream_write(c->s, sh_bytes_of("HTTP/1.1 100 Continue\r\n\r\n", 25)) != SH_OK) {
        sh_stream_close(c->s, SH_E_LIMIT);
    }
    return used;
}

/* A body that is taken piece by piece; else it is pipelined, or a body that nobody takes (yet), and
 * waits in the stream. */
static size_t take_pending(struct http_conn *c, struct sh_bytes in)
{
    if (c->state == HTTP_PENDING && c->req->intake != NULL) {
        return http_intake_take(c->req, in);
    }
    c->paused = true;
    sh_stream_pause(c->s);
    return 0;
}

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct http_conn *c = ctx;
    size_t at = 0;
    bool more = true;
    c->in_bytes = true;
    while (more && at < in.n) {
        const struct sh_bytes rest = {in.p + at, in.n - at};
        size_t used = 0;
        switch ((enum http_state)c->state) {
        case HTTP_IDLE:
        case HTTP_HEAD:
            used = take_idle(c, rest);
            more = used > 0;
            break;
        case HTTP_BODY:
            used = take_body(c, rest);
            break;
        case HTTP_PENDING:
        case HTTP_SENDING:
            used = take_pending(c, rest);
            more = used > 0;
            break;
        case HTTP_CLOSING:
            used = rest.n;
            break;
        case HTTP_DETACHED:
            more = false;
            break;
        }
        at += used;
    }
    c->in_bytes = false;
    if (c->state == HTTP_DETACHED) {
        conn_free(c);
    }
    return at;
}

static void on_drain(void *ctx)
{
    struct http_conn *c = ctx;
    struct http_req *r = c->req;
    if (c->state == HTTP_SENDING) {
        http_answer_more(r);
    } else if (c->state == HTTP_PENDING && r->streaming && r->sh->on_drain != NULL) {
        r->sh->on_drain(r->sh_ctx, &r->pub);
    }
}

static void on_eof(void *ctx)
{
    struct http_conn *c = ctx;
    c->eof = true;
    switch ((enum http_state)c->state) {
    case HTTP_IDLE:
        http_conn_end(c);
        break;
    case HTTP_HEAD:
    case HTTP_BODY:
        sh_stream_close(c->s, SH_E_CLOSED);
        break;
    case HTTP_PENDING: /* a client may half-close after its request; a reader of events has gone */
        if (c->req->streaming || c->req->unread) {
            sh_stream_close(c->s, SH_E_CLOSED);
        }
        break;
    case HTTP_SENDING:
    case HTTP_CLOSING:
    case HTTP_DETACHED:
        break;
    }
}

static void on_close(void *ctx, sh_err reason)
{
    SH_UNUSED(reason);
    struct http_conn *c = ctx;
    struct sh_http_server *s = c->srv;
    struct http_req *r = c->req;
    c->s = NULL;
    c->req = NULL;
    if (r != NULL && !r->in_app) {
        net_add(&s->n.gone, 1);
        http_req_free(r);
    } else if (r != NULL) {
        r->conn = NULL;
        atomic_store_explicit(&r->gone, true, memory_order_relaxed);
        net_add(&s->n.gone, 1);
        if (r->intake != NULL) {
            http_intake_gone(r);
        } else if (r->streaming) {
            if (r->sh->on_gone != NULL) {
                r->sh->on_gone(r->sh_ctx, &r->pub);
            }
        } else if (s->h->on_gone != NULL) {
            s->h->on_gone(s->ctx, &r->pub);
        }
    }
    conn_free(c);
}

static const struct sh_stream_handler conn_handler = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_eof = on_eof, .on_close = on_close};

/* ---- over the limit ---- */

static size_t brush_bytes(void *ctx, struct sh_bytes in)
{
    SH_UNUSED(ctx);
    return in.n;
}

static void brush_close(void *ctx, sh_err reason)
{
    SH_UNUSED(reason);
    struct sh_http_server *s = ctx;
    s->brushed--;
    http_check_stopped(s);
}

static const struct sh_stream_handler brush_handler = {.on_bytes = brush_bytes,
                                                       .on_close = brush_close};

static void brush_off(struct sh_http_server *s, struct sh_stream *stream)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n";
    net_add(&s->n.conns_refused, 1);
    s->brushed++;
    sh_stream_start(stream, &brush_handler, s);
    if (sh_stream_write(stream, sh_bytes_of(answer, sizeof answer - 1)) == SH_OK) {
        net_add(&s->n.status[5], 1);
    }
    sh_stream_end(stream);
}

/* One more over all loops, when the limit allows it. */
static bool count_conn(struct sh_http_server *s)
{
    if (atomic_fetch_add_explicit(&s->shared->conns, 1, memory_order_relaxed) < s->o.conns_max) {
        return true;
    }
    (void)atomic_fetch_sub_explicit(&s->shared->conns, 1, memory_order_relaxed);
    return false;
}

void sh_http_server_take(struct sh_http_server *s, struct sh_stream *stream)
{
    if (s->stopping || !count_conn(s)) {
        brush_off(s, stream);
        return;
    }
    struct http_conn *c = sh_mem_new(s->loop->env->alloc, sizeof *c);
    if (c == NULL) {
        (void)atomic_fetch_sub_explicit(&s->shared->conns, 1, memory_order_relaxed);
        brush_off(s, stream);
        return;
    }
    c->srv = s;
    c->s = stream;
    c->peer = sh_stream_peer(stream);
    c->next = s->conns;
    c->prev = &s->conns;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    s->conns = c;
    net_add(&s->n.conns, 1);
    sh_timer_init(&c->timer, on_timer, c);
    http_conn_timer(c, s->o.head_timeout_us); /* who connects should say something soon */
    sh_stream_start(stream, &conn_handler, c);
}

/* ---- the server ---- */

static void set_size(size_t *v, size_t d)
{
    *v = *v == 0 ? d : *v;
}

static void set_time(int64_t *v, int64_t d)
{
    *v = *v == 0 ? d : *v;
}

static void send_stopped(void *ctx)
{
    struct sh_http_server *s = ctx;
    if (!s->stopped) {
        s->stopped = true;
        if (s->on_stopped != NULL) {
            s->on_stopped(s->stopped_ctx);
        }
    }
}

static void join(struct sh_http_server *s, struct sh_http_server *with)
{
    s->first = with == NULL ? s : with->first;
    s->shared = &s->first->own;
    SH_ASSERT(s->first->ngroup < SH_LOOPS_MAX && s->first->nlisteners == 0);
    s->first->group[s->first->ngroup++] = s;
}

sh_err sh_http_server_new(struct sh_loop *l, const struct sh_http_opts *opts,
                          const struct sh_http_handler *h, void *ctx, struct sh_http_server **out)
{
    struct sh_http_server *s = sh_mem_new(l->env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    const size_t kib = 1024;
    s->loop = l;
    s->h = h;
    s->ctx = ctx;
    atomic_init(&s->own.conns, 0);
    atomic_init(&s->own.buffered, 0);
    s->date_s = INT64_MIN;
    if (opts != NULL) {
        s->o = *opts;
    }
    set_size(&s->o.limits.line_max, 8 * kib);
    set_size(&s->o.limits.head_max, 32 * kib);
    set_size(&s->o.limits.fields_max, 100);
    set_size(&s->o.body_max, 1024 * kib);
    set_size(&s->o.response_max, 65536 * kib);
    set_size(&s->o.conns_max, 10000);
    set_size(&s->o.buffered_max, 262144 * kib);
    set_size(&s->o.write_max, 256 * kib);
    set_size(&s->o.gzip_min, kib);
    set_time(&s->o.head_timeout_us, 10 * (int64_t)SEC);
    set_time(&s->o.body_timeout_us, 20 * (int64_t)SEC);
    set_time(&s->o.idle_timeout_us, 75 * (int64_t)SEC);
    set_time(&s->o.write_timeout_us, 30 * (int64_t)SEC);
    s->o.requests_per_conn = s->o.requests_per_conn == 0 ? 100000 : s->o.requests_per_conn;
    s->stop_job = (struct sh_job){.fn = send_stopped, .ctx = s};
    join(s, s->o.with);
    *out = s;
    return SH_OK;
}

static void on_accept(void *ctx, struct sh_stream *stream)
{
    struct sh_http_server *first = ctx;
    for (size_t i = 0; i < first->ngroup; i++) {
        if (first->group[i]->loop == stream->loop) {
            sh_http_server_take(first->group[i], stream);
            return;
        }
    }
}

sh_err sh_http_server_listen(struct sh_http_server *s, const struct sh_listen_opts *opts,
                             struct sh_diag *diag, struct sh_listener **ln)
{
    struct sh_loop *loops[SH_LOOPS_MAX];
    SH_ASSERT(s->first == s);
    if (s->nlisteners == HTTP_LISTENERS_MAX) {
        sh_diag_set(diag, "more than %d HTTP listeners", HTTP_LISTENERS_MAX);
        return SH_E_LIMIT;
    }
    struct sh_listen_opts o = *opts;
    set_size(&o.stream.write_max, s->o.write_max);
    set_size(&o.stream.read_max, s->o.limits.head_max + READ_EXTRA);
    set_size(&o.max_conns, s->o.conns_max + s->o.conns_max / 8 + 64);
    for (size_t i = 0; i < s->ngroup; i++) {
        loops[i] = s->group[i]->loop;
    }
    o.loops = loops;
    o.nloops = s->ngroup;
    struct sh_listener *made = NULL;
    SH_TRY(sh_listen(s->loop, &o, on_accept, s, diag, &made));
    s->listeners[s->nlisteners++] = made;
    if (ln != NULL) {
        *ln = made;
    }
    return SH_OK;
}

void http_check_stopped(struct sh_http_server *s)
{
    if (s->stopping && !s->stopped && s->conns == NULL && s->sockets == NULL && s->brushed == 0 &&
        net_get(&s->n.in_flight) == 0) {
        sh_timer_stop(&s->grace);
        sh_loop_defer(s->loop, &s->stop_job);
    }
}

static void on_grace_over(void *ctx)
{
    struct sh_http_server *s = ctx;
    for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->s != NULL) {
            sh_stream_close(c->s, SH_E_CANCELED);
        }
    }
    http_ws_close_all(s);
}

void sh_http_server_stop(struct sh_http_server *s, int64_t grace_us, void (*on_stopped)(void *ctx),
                         void *ctx)
{
    if (s->stopping) {
        return;
    }
    s->stopping = true;
    s->on_stopped = on_stopped;
    s->stopped_ctx = ctx;
    for (size_t i = 0; i < s->nlisteners; i++) {
        sh_listener_close(s->listeners[i]);
    }
    s->nlisteners = 0;
    for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->state == HTTP_IDLE) {
            http_conn_end(c);
        }
    }
    sh_timer_init(&s->grace, on_grace_over, s);
    sh_timer_set(s->loop, &s->grace, grace_us);
    http_check_stopped(s);
}

void sh_http_server_free(struct sh_http_server *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->nlisteners; i++) {
        sh_listener_close(s->listeners[i]);
    }
    SH_ASSERT(s->conns == NULL && s->sockets == NULL && net_get(&s->n.in_flight) == 0);
    sh_timer_stop(&s->grace);
    sh_job_cancel(s->loop, &s->stop_job);
    sh_mem_free(s->loop->env->alloc, s);
}

void sh_http_server_stats(const struct sh_http_server *s, struct sh_http_stats *out)
{
    const struct http_counts *n = &s->n;
    *out = (struct sh_http_stats){
        .conns = net_get(&n->conns),
        .conns_refused = net_get(&n->conns_refused),
        .requests = net_get(&n->requests),
        .in_flight = net_get(&n->in_flight),
        .refused = net_get(&n->refused),
        .timeouts = net_get(&n->timeouts),
        .gone = net_get(&n->gone),
        .body_bytes_in = net_get(&n->body_bytes_in),
        .body_bytes_out = net_get(&n->body_bytes_out),
        .gzip_in = net_get(&n->gzip_in),
        .gzip_out = net_get(&n->gzip_out),
        .websockets = net_get(&n->websockets),
        .pulls = net_get(&n->pulls),
        .pulls_cut = net_get(&n->pulls_cut),
        .intakes = net_get(&n->intakes),
        .intakes_cut = net_get(&n->intakes_cut),
        .buffered_bytes = net_get(&n->buffered),
    };
    for (size_t i = 0; i < 6; i++) {
        out->status[i] = net_get(&n->status[i]);
    }
}
