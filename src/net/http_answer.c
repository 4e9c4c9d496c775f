/* http_answer.c - answers: building (any thread that holds the request) and sending (loop).
 * A whole answer goes out in one write when it fits the stream's queue; else its body follows piece
 * by piece as the queue drains, and the request lives until the last piece is queued.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/gzip.h>

#include "http_int.h"

enum { HEAD_CAP = 256, PIECE = 65536, GZIP_LEVEL = 4, GZIP_ON_LOOP_MAX = 65536 };

void http_answer_init(struct http_req *r)
{
    const struct sh_alloc *a = r->srv->loop->env->alloc;
    r->status = 200;
    r->job = (struct sh_job){.fn = http_answer_job, .ctx = r};
    sh_buf_init(&r->fields, a, HTTP_FIELDS_MAX);
    sh_buf_init(&r->body, a, r->srv->o.response_max);
}

void http_answer_fini(struct http_req *r)
{
    sh_buf_fini(&r->fields);
    sh_buf_fini(&r->body);
}

/* ---- building ---- */

void sh_http_status(struct sh_http_req *pub, int status)
{
    http_req_of(pub)->status = status;
}

static bool is_compressible(struct sh_str type)
{
    static const char *const known[] = {"application/json",          "application/javascript",
                                        "application/xml",           "image/svg+xml",
                                        "application/manifest+json", "application/wasm"};
    const struct sh_str t = sh_http_media_type(type);
    if (sh_str_ieq(sh_str_sub(t, 0, 5), SH_STR("text/"))) {
        return !sh_str_ieq(t, SH_STR("text/event-stream"));
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (sh_str_ieq(t, sh_str_c(known[i]))) {
            return true;
        }
    }
    return t.n > 5 && (sh_str_ieq(sh_str_sub(t, t.n - 5, t.n), SH_STR("+json")) ||
                       sh_str_ieq(sh_str_sub(t, t.n - 4, t.n), SH_STR("+xml")));
}

/* Fields that the server sets itself. */
static bool is_ours(struct sh_str name)
{
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection", "date",
                                       "keep-alive"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (sh_str_ieq(name, sh_str_c(ours[i]))) {
            return true;
        }
    }
    return false;
}

void sh_http_header(struct sh_http_req *pub, const char *name, struct sh_str value)
{
    struct http_req *r = http_req_of(pub);
    const struct sh_str n = sh_str_c(name);
    if (r->err != SH_OK || is_ours(n)) {
        return;
    }
    if (sh_str_ieq(n, SH_STR("content-type"))) {
        r->has_type = true;
        r->compressible = is_compressible(value);
    } else if (sh_str_ieq(n, SH_STR("content-encoding"))) {
        r->has_coding = true;
    }
    r->err = sh_http_put_field(&r->fields, n, value);
}

void sh_http_header_c(struct sh_http_req *pub, const char *name, const char *value)
{
    sh_http_header(pub, name, sh_str_c(value));
}

void sh_http_plain(struct sh_http_req *pub)
{
    http_req_of(pub)->has_coding = true;
}

void sh_http_length(struct sh_http_req *pub, uint64_t n)
{
    struct http_req *r = http_req_of(pub);
    r->sized = true;
    r->length = n;
    r->has_coding = true;
}

struct sh_buf *sh_http_body(struct sh_http_req *pub)
{
    return &http_req_of(pub)->body;
}

void sh_http_body_const(struct sh_http_req *pub, struct sh_bytes b)
{
    http_req_of(pub)->fixed = b;
}

static struct sh_bytes body_of(const struct http_req *r)
{
    return r->fixed.p != NULL ? r->fixed : sh_buf_bytes(&r->body);
}

static bool has_body(const struct http_req *r)
{
    return r->status >= 200 && r->status != 204 && r->status != 304;
}

bool http_answer_gzip(const struct http_req *r)
{
    return r->compressible && !r->has_coding && has_body(r) && r->status != 206 &&
           sh_http_accepts_coding(sh_http_field_of(&r->pub, "accept-encoding"), "gzip");
}

/* Compresses where it helps; on any trouble the plain body stays. Counts later, on the loop. */
static void compress(struct http_req *r, bool on_loop)
{
    const struct sh_bytes b = body_of(r);
    const struct sh_http_server *s = r->srv;
    if (b.n < s->o.gzip_min || (on_loop && b.n > GZIP_ON_LOOP_MAX) || !http_answer_gzip(r)) {
        return;
    }
    struct sh_buf z;
    sh_buf_init(&z, r->body.alloc, b.n); /* no gain: SH_E_LIMIT */
    const size_t was = r->fields.n;
    sh_err e = sh_gzip(b, GZIP_LEVEL, &z);
    if (e == SH_OK) {
        e = sh_buf_put_c(&r->fields, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    }
    if (e != SH_OK) {
        r->fields.n = was;
        sh_buf_fini(&z);
        return;
    }
    (void)atomic_fetch_add_explicit(&r->srv->n.gzip_in, b.n, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&r->srv->n.gzip_out, z.n, memory_order_relaxed);
    sh_buf_fini(&r->body);
    r->body = z;
    r->fixed = (struct sh_bytes){0};
}

void sh_http_send(struct sh_http_req *pub)
{
    struct http_req *r = http_req_of(pub);
    const bool here = sh_loop_here(r->srv->loop);
    if (!sh_http_gone(pub) && r->err == SH_OK) {
        compress(r, here);
    }
    if (here) {
        http_answer_job(r);
    } else {
        sh_loop_post_job(r->srv->loop, &r->job);
    }
}

void sh_http_respond(struct sh_http_req *pub, int status, const char *content_type,
                     struct sh_bytes body)
{
    struct http_req *r = http_req_of(pub);
    r->status = status;
    if (content_type != NULL) {
        sh_http_header_c(pub, "Content-Type", content_type);
    }
    if (r->err == SH_OK && body.n > 0) {
        r->err = sh_buf_put(&r->body, body.p, body.n);
    }
    sh_http_send(pub);
}

/* ---- heads ---- */

static const char *date_now(struct sh_http_server *s)
{
    const int64_t now = sh_loop_wall_us(s->loop);
    if (now / 1000000 != s->date_s) {
        s->date_s = now / 1000000;
        sh_http_date(now, s->date);
    }
    return s->date;
}

static size_t put_c(char *out, size_t n, const char *text)
{
    for (; *text != '\0'; text++) {
        out[n++] = *text;
    }
    return n;
}

/* Status line and the fields of ours, without the empty line. */
static size_t write_head(struct http_req *r, char out[HEAD_CAP], const char *framing, uint64_t len)
{
    size_t n = put_c(out, 0, "HTTP/1.1 000 ");
    out[9] = (char)('0' + r->status / 100 % 10);
    out[10] = (char)('0' + r->status / 10 % 10);
    out[11] = (char)('0' + r->status % 10);
    n = put_c(out, n, sh_http_reason(r->status));
    n = put_c(out, n, "\r\nDate: ");
    memcpy(out + n, date_now(r->srv), SH_HTTP_DATE_CHARS);
    n += SH_HTTP_DATE_CHARS;
    if (framing != NULL) {
        n = put_c(out, n, framing);
    } else if (r->status >= 200 && r->status != 204) {
        char digits[SH_I64_CHARS];
        n = put_c(out, n, "\r\nContent-Length: ");
        const size_t d = sh_u64_print(len, digits);
        memcpy(out + n, digits, d);
        n += d;
    }
    if (r->pub.secure && r->srv->o.hsts) {
        n = put_c(out, n, "\r\nStrict-Transport-Security: max-age=31536000");
    }
    if (!r->keep_alive) {
        n = put_c(out, n, "\r\nConnection: close");
    } else if (r->head.minor == 0) {
        n = put_c(out, n, "\r\nConnection: keep-alive");
    }
    return put_c(out, n, "\r\n");
}

static void count_status(struct sh_http_server *s, int status)
{
    const int class = status / 100;
    net_add(&s->n.status[class >= 1 && class <= 5 ? class : 0], 1);
}

void http_error_body(struct sh_http_server *s, struct http_req *r, int status)
{
    r->status = status;
    r->err = SH_OK;
    r->fixed = (struct sh_bytes){0};
    r->has_coding = false;
    sh_buf_clear(&r->fields);
    sh_buf_clear(&r->body);
    const char *type = NULL;
    if (s->h->error_body != NULL) {
        type = s->h->error_body(s->ctx, status, &r->body);
    }
    if (type == NULL) {
        type = "text/plain";
        sh_buf_clear(&r->body);
        if (sh_buf_printf(&r->body, "%d %s\n", status, sh_http_reason(status)) != SH_OK) {
            sh_buf_clear(&r->body);
        }
    }
    sh_http_header_c(&r->pub, "Content-Type", type);
    if (status == 503 || status == 429) {
        sh_http_header_c(&r->pub, "Retry-After", "5");
    }
    if (r->err != SH_OK) { /* no memory for its fields */
        r->err = SH_OK;
        sh_buf_clear(&r->fields);
    }
    if (status == 503 && r->body.n == 0) {
        r->fixed = sh_str_bytes(SH_STR("503 Service Unavailable: memory is short\n"));
    }
}

/* Before a request could be read: no request object, or one that is given up. */
void http_refuse(struct http_conn *c, int status)
{
    struct sh_http_server *s = c->srv;
    struct sh_buf body;
    char head[HEAD_CAP];
    if (c->req != NULL) {
        http_req_free(c->req);
        c->req = NULL;
    }
    sh_buf_init(&body, s->loop->env->alloc, HTTP_ERROR_BODY_MAX);
    const char *t = s->h->error_body == NULL ? NULL : s->h->error_body(s->ctx, status, &body);
    if (t == NULL) {
        t = "text/plain";
        sh_buf_clear(&body);
        if (sh_buf_printf(&body, "%d %s\n", status, sh_http_reason(status)) != SH_OK) {
            sh_buf_clear(&body);
        }
    }
    const int n = snprintf(head, sizeof head,
                           "HTTP/1.1 %d %s\r\nDate: %.29s\r\nContent-Type: %s\r\n"
                           "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                           status, sh_http_reason(status), date_now(s), t, body.n);
    const struct sh_bytes parts[] = {sh_bytes_of(head, n < 0 ? 0 : (size_t)n), sh_buf_bytes(&body)};
    net_add(&s->n.refused, 1);
    count_status(s, status);
    if (n < 0 || (size_t)n >= sizeof head || sh_stream_writev(c->s, parts, 2) != SH_OK) {
        net_add(&s->n.status[0], 1);
    }
    sh_buf_fini(&body);
    http_conn_end(c);
}

/* ---- sending ---- */

size_t http_answer_unsent(const struct http_req *r)
{
    return r->streaming ? 0 : body_of(r).n - r->sent;
}

static size_t room(const struct sh_stream *s)
{
    const size_t max = sh_stream_write_max(s);
    const size_t q = sh_stream_queued(s);
    return q < max ? max - q : 0;
}

/* The request leaves the application's hands. False: the client has gone, the request is freed. */
static bool take_back(struct http_req *r)
{
    struct sh_http_server *s = r->srv;
    r->in_app = false;
    net_sub(&s->n.in_flight, 1);
    if (r->conn != NULL && r->conn->state == HTTP_PENDING) {
        return true;
    }
    net_add(&s->n.status[0], 1);
    if (r->conn != NULL) {
        r->conn->req = NULL;
    }
    http_req_free(r);
    http_check_stopped(s);
    return false;
}

/* The stream does not take what must go: the answer cannot be completed. */
static void cut_off(struct http_req *r)
{
    struct http_conn *c = r->conn;
    net_add(&r->srv->n.status[0], 1);
    c->req = NULL;
    http_req_free(r);
    c->state = HTTP_CLOSING;
    sh_timer_stop(&c->timer);
    sh_stream_close(c->s, SH_E_CLOSED);
}

void http_answer_more(struct http_req *r)
{
    struct http_conn *c = r->conn;
    const struct sh_bytes b = body_of(r);
    while (r->sent < b.n) {
        const size_t space = room(c->s);
        size_t n = b.n - r->sent;
        n = n < PIECE ? n : PIECE;
        n = n < space ? n : space;
        if (n == 0) { /* asks for on_drain */
            if (sh_stream_write(c->s, (struct sh_bytes){b.p + r->sent, 1}) == SH_OK) {
                r->sent++;
                continue;
            }
            return;
        }
        if (sh_stream_write(c->s, (struct sh_bytes){b.p + r->sent, n}) != SH_OK) {
            cut_off(r);
            return;
        }
        r->sent += n;
    }
    http_conn_ready(c);
}

void http_answer_job(void *ctx)
{
    struct http_req *r = ctx;
    struct sh_http_server *s = r->srv;
    if (!take_back(r)) {
        return;
    }
    if (r->err != SH_OK || r->status < 200 || r->status > 599) {
        sh_log(s->loop->env->log, SH_LOG_WARN, "http", "answer to %.*s %.*s failed: %s",
               SH_PRI(r->pub.method_name), SH_PRI(r->pub.path), sh_err_name(r->err));
        http_error_body(s, r, r->err == SH_E_NOMEM ? 503 : 500);
    }
    struct http_conn *c = r->conn;
    struct sh_bytes b = body_of(r);
    r->keep_alive = r->keep_alive && !s->stopping && !c->eof && !r->unread;
    const uint64_t len = has_body(r) ? b.n : 0;
    if (!has_body(r) || r->pub.method == SH_HTTP_HEAD) {
        r->sent = b.n;
    }
    if (!http_count_in(r, b.n - r->sent)) {
        http_error_body(s, r, 503);
        r->sent = r->pub.method == SH_HTTP_HEAD ? r->body.n : 0;
        b = body_of(r);
    }
    char head[HEAD_CAP];
    const size_t hn = write_head(r, head, r->status == 304 ? "" : NULL, len);
    size_t first = b.n - r->sent;
    const size_t need = hn + r->fields.n + 2;
    const size_t space = room(c->s);
    first = need + first <= space && first <= PIECE ? first : 0;
    const struct sh_bytes parts[] = {
        sh_bytes_of(head, hn), sh_buf_bytes(&r->fields), sh_bytes_of("\r\n", 2), {b.p, first}};
    count_status(s, r->status);
    net_add(&s->n.body_bytes_out, b.n - r->sent);
    if (sh_stream_writev(c->s, parts, 4) != SH_OK) {
        cut_off(r);
        return;
    }
    r->sent += first;
    if (r->sent < b.n) {
        c->state = HTTP_SENDING;
        c->mark = 0;
        http_conn_timer(c, s->o.write_timeout_us);
    }
    http_answer_more(r);
}

/* ---- streamed answers ---- */

sh_err sh_http_stream_begin(struct sh_http_req *pub, const struct sh_http_stream_handler *h,
                            void *ctx)
{
    struct http_req *r = http_req_of(pub);
    struct http_conn *c = r->conn;
    r->streaming = true;
    r->sh = h;
    r->sh_ctx = ctx;
    if (c == NULL || c->state != HTTP_PENDING) {
        return SH_E_CLOSED;
    }
    if (r->err != SH_OK) {
        return r->err;
    }
    r->chunks = r->head.minor >= 1 && !r->sized;
    r->keep_alive = r->keep_alive && (r->chunks || r->sized) && !r->unread;
    const char *framing = r->chunks ? "\r\nTransfer-Encoding: chunked" : "";
    char head[HEAD_CAP];
    const size_t hn = write_head(r, head, r->sized ? NULL : framing, r->length);
    const struct sh_bytes parts[] = {sh_bytes_of(head, hn), sh_buf_bytes(&r->fields),
                                     sh_bytes_of("\r\n", 2)};
    count_status(r->srv, r->status);
    SH_TRY(sh_stream_writev(c->s, parts, 3));
    r->begun = true;
    c->mark = 0;
    http_conn_timer(c, r->srv->o.write_timeout_us);
    if (c->eof) { /* it had half-closed before; now that means it has gone */
        sh_stream_close(c->s, SH_E_CLOSED);
    }
    return SH_OK;
}

sh_err sh_http_stream_write(struct sh_http_req *pub, struct sh_bytes b)
{
    struct http_req *r = http_req_of(pub);
    struct http_conn *c = r->conn;
    if (c == NULL || c->state != HTTP_PENDING) {
        return SH_E_CLOSED;
    }
    if (b.n == 0 || pub->method == SH_HTTP_HEAD) {
        return SH_OK;
    }
    if (r->sized && b.n > r->length - r->streamed) {
        return SH_E_INTERNAL; /* waiting would not help */
    }
    if (!r->chunks) {
        SH_TRY(sh_stream_write(c->s, b));
    } else {
        uint8_t ch[SH_CHUNK_HEAD_MAX];
        const size_t n = sh_chunk_head(b.n, ch);
        const struct sh_bytes parts[] = {{ch, n}, b, sh_bytes_of("\r\n", 2)};
        SH_TRY(sh_stream_writev(c->s, parts, 3));
    }
    r->streamed += b.n;
    net_add(&r->srv->n.body_bytes_out, b.n);
    return SH_OK;
}

size_t sh_http_stream_queued(const struct sh_http_req *pub)
{
    const struct http_req *r = http_req_of(pub);
    return r->conn == NULL || r->conn->s == NULL ? 0 : sh_stream_queued(r->conn->s);
}

void sh_http_stream_end(struct sh_http_req *pub, bool complete)
{
    struct http_req *r = http_req_of(pub);
    if (!r->begun) { /* begin has failed: the client still gets an answer */
        r->streaming = false;
        http_error_body(r->srv, r, 500);
        http_answer_job(r);
        return;
    }
    if (!take_back(r)) {
        return;
    }
    struct http_conn *c = r->conn;
    if (complete && r->chunks && pub->method != SH_HTTP_HEAD &&
        sh_stream_write(c->s, sh_bytes_of("0\r\n\r\n", 5)) != SH_OK) {
        complete = false; /* the queue is full to the brim: it ends, but not whole */
    }
    if (r->sized && pub->method != SH_HTTP_HEAD && r->streamed < r->length) {
        complete = false;
    }
    r->keep_alive = r->keep_alive && complete;
    if (!complete) {
        net_add(&r->srv->n.status[0], 1);
    }
    http_conn_ready(c);
}
