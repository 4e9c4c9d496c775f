/* http_ws.c - WebSocket as a stream: what the owner writes is one message each, what it sees is the
 * payload of the data messages as one run of bytes.
 * Invariants:
 *  1. Frames are read from what the inner stream shows, and unmasked in place there: bytes that are
 *     unmasked are always used in the same call.
 *  2. While the owner is paused nothing is read from the inner stream, so frames wait there.
 *  3. The stream is gone when the inner one is: only inner_close frees.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/ws.h>

#include "http_int.h"

enum { PARTS_MAX = 15, MESSAGE_MAX = 1 << 20, PING_US = 30 * 1000 * 1000 };

struct http_ws {
    struct net_stream n;
    struct sh_stream *inner;
    struct sh_http_server *srv;
    struct http_ws *next;
    struct http_ws **prev;
    struct sh_ws rd;
    struct sh_timer timer;
    int64_t ping_us;
    uint8_t pings; /* without an answer */
    bool heard;
    bool text;
    bool close_sent;
};

static struct http_ws *ws_of(const struct sh_stream *s)
{
    return NET_OWNER(s, struct http_ws, n);
}

static void send_control(struct http_ws *w, enum sh_ws_opcode op, struct sh_bytes payload)
{
    uint8_t head[SH_WS_HEAD_MAX];
    const struct sh_bytes parts[] = {{head, sh_ws_head(op, payload.n, head)}, payload};
    /* With a full queue a pong is left out (5.5.3 allows to answer only the last ping), and a close
     * frame is not missed by who does not read. */
    if (w->inner != NULL && !w->close_sent && sh_stream_writev(w->inner, parts, 2) == SH_OK) {
        w->close_sent = op == SH_WS_CLOSE;
    }
}

static void send_close(struct http_ws *w, uint16_t code)
{
    uint8_t p[125];
    send_control(w, SH_WS_CLOSE, (struct sh_bytes){p, sh_ws_close_payload(code, SH_STR(""), p)});
}

/* Ends with a close frame; on_close(reason) follows. */
static void finish(struct http_ws *w, sh_err reason, uint16_t code)
{
    if ((w->n.flags & NET_CLOSING) != 0) {
        return;
    }
    w->n.flags |= NET_CLOSING;
    w->n.reason = (uint8_t)reason;
    sh_timer_stop(&w->timer);
    if (w->inner != NULL) {
        send_close(w, code);
        sh_stream_end(w->inner);
    }
}

static void after_input(struct http_ws *w, sh_err e)
{
    if (e != SH_OK) {
        finish(w, e, e == SH_E_LIMIT ? SH_WS_TOO_BIG : SH_WS_INTERNAL);
    }
}

static void on_event(struct http_ws *w, const struct sh_ws_event *ev)
{
    switch (ev->opcode) {
    case SH_WS_PING:
        send_control(w, SH_WS_PONG, ev->data);
        break;
    case SH_WS_PONG:
        break;
    case SH_WS_CLOSE:
        finish(w, SH_E_CLOSED, ev->code == SH_WS_NO_STATUS ? SH_WS_NORMAL : ev->code);
        break;
    case SH_WS_TEXT:
    case SH_WS_BINARY:
    case SH_WS_CONT:
        if ((ev->opcode == SH_WS_TEXT) != w->text) {
            finish(w, SH_E_PROTO, SH_WS_UNSUPPORTED);
        } else if (ev->data.n > 0) {
            after_input(w, net_input(&w->n, ev->data.p, ev->data.n));
        }
        break;
    }
}

static size_t inner_bytes(void *ctx, struct sh_bytes in)
{
    struct http_ws *w = ctx;
    union {
        const uint8_t *in;
        uint8_t *out;
    } u = {.in = in.p}; /* invariant 1 */
    size_t at = 0;
    w->heard = true;
    w->pings = 0;
    while (at < in.n && (w->n.flags & NET_CLOSING) == 0 &&
           ((w->n.flags & NET_ENDING) != 0 || net_can_show(&w->n))) {
        struct sh_ws_event ev;
        size_t used = 0;
        uint16_t code = 0;
        const sh_err e = sh_ws_feed(&w->rd, u.out + at, in.n - at, &used, &ev, &code);
        at += used;
        if (e == SH_E_AGAIN) {
            return at;
        }
        if (e != SH_OK) {
            finish(w, e, code);
            break;
        }
        on_event(w, &ev);
    }
    return (w->n.flags & NET_CLOSING) != 0 ? in.n : at;
}

static void inner_drain(void *ctx)
{
    struct http_ws *w = ctx;
    if ((w->n.flags & (NET_CLOSING | NET_ENDING | NET_STARTED)) == NET_STARTED &&
        w->n.s.handler->on_drain != NULL) {
        w->n.s.handler->on_drain(w->n.s.ctx);
    }
}

static void inner_close(void *ctx, sh_err reason)
{
    struct http_ws *w = ctx;
    struct sh_http_server *srv = w->srv;
    w->inner = NULL;
    if ((w->n.flags & NET_CLOSING) == 0) {
        w->n.flags |= NET_CLOSING;
        w->n.reason = (uint8_t)reason;
    }
    sh_timer_stop(&w->timer);
    *w->prev = w->next;
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    net_sub(&srv->n.websockets, 1);
    net_tell_closed(&w->n);
    net_stream_fini(&w->n);
    sh_mem_free(srv->loop->env->alloc, w);
    http_check_stopped(srv);
}

static const struct sh_stream_handler inner_handler = {
    .on_bytes = inner_bytes, .on_drain = inner_drain, .on_close = inner_close};

/* ---- operations ---- */

static void ws_turn(void *ctx)
{
    struct http_ws *w = ws_of(ctx);
    if ((w->n.flags & NET_CLOSING) != 0) {
        return;
    }
    if ((w->n.flags & NET_SHOW) != 0) {
        w->n.flags = (uint16_t)(w->n.flags & ~(unsigned)NET_SHOW);
        after_input(w, net_show(&w->n));
    }
}

static void ws_start(struct sh_stream *s)
{
    struct http_ws *w = ws_of(s);
    if ((w->n.flags & (NET_CLOSING | NET_ENDING)) != 0) {
        return;
    }
    w->n.flags |= NET_STARTED;
    sh_stream_resume(w->inner);
    net_want(&w->n, NET_SHOW);
}

static sh_err ws_write(struct sh_stream *s, const struct sh_bytes *parts, size_t n)
{
    struct http_ws *w = ws_of(s);
    if ((w->n.flags & (NET_CLOSING | NET_ENDING)) != 0 || w->inner == NULL) {
        return SH_E_CLOSED;
    }
    if (n > PARTS_MAX) {
        return SH_E_INVAL;
    }
    struct sh_bytes all[PARTS_MAX + 1];
    uint8_t head[SH_WS_HEAD_MAX];
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
        all[i + 1] = parts[i];
    }
    all[0] = (struct sh_bytes){head, sh_ws_head(w->text ? SH_WS_TEXT : SH_WS_BINARY, total, head)};
    return sh_stream_writev(w->inner, all, n + 1);
}

static void ws_flush(struct sh_stream *s)
{
    struct http_ws *w = ws_of(s);
    if (w->inner != NULL) {
        sh_stream_flush(w->inner);
    }
}

static void ws_pause(struct sh_stream *s)
{
    struct http_ws *w = ws_of(s);
    if ((w->n.flags & (NET_CLOSING | NET_ENDING)) == 0 && w->inner != NULL) {
        w->n.flags |= NET_PAUSED;
        sh_stream_pause(w->inner);
    }
}

static void ws_resume(struct sh_stream *s)
{
    struct http_ws *w = ws_of(s);
    if ((w->n.flags & NET_PAUSED) != 0) {
        w->n.flags = (uint16_t)(w->n.flags & ~(unsigned)NET_PAUSED);
        if (w->inner != NULL) {
            sh_stream_resume(w->inner);
        }
        net_want(&w->n, NET_SHOW);
    }
}

static void ws_end(struct sh_stream *s)
{
    finish(ws_of(s), SH_OK, SH_WS_NORMAL);
}

static void ws_close(struct sh_stream *s, sh_err reason)
{
    struct http_ws *w = ws_of(s);
    if ((w->n.flags & NET_CLOSING) == 0) {
        w->n.flags |= NET_CLOSING;
        w->n.reason = (uint8_t)reason;
        sh_timer_stop(&w->timer);
        if (w->inner != NULL) {
            send_close(w, reason == SH_E_PROTO   ? SH_WS_PROTOCOL_ERROR
                          : reason == SH_E_LIMIT ? SH_WS_TOO_BIG
                                                 : SH_WS_GOING_AWAY);
            sh_stream_flush(w->inner);
        }
    }
    if (w->inner != NULL) {
        sh_stream_close(w->inner, reason);
    }
}

static size_t ws_queued(const struct sh_stream *s)
{
    const struct http_ws *w = ws_of(s);
    return w->inner == NULL ? 0 : sh_stream_queued(w->inner);
}

static size_t ws_write_max(const struct sh_stream *s)
{
    const struct http_ws *w = ws_of(s);
    return w->inner == NULL ? 0 : sh_stream_write_max(w->inner) - SH_WS_HEAD_MAX;
}

static struct sh_addr ws_peer(const struct sh_stream *s)
{
    const struct http_ws *w = ws_of(s);
    struct sh_addr a = {0};
    if (w->inner != NULL) {
        a = sh_stream_peer(w->inner);
    }
    return a;
}

static struct sh_addr ws_local(const struct sh_stream *s)
{
    const struct http_ws *w = ws_of(s);
    struct sh_addr a = {0};
    if (w->inner != NULL) {
        a = sh_stream_local(w->inner);
    }
    return a;
}

static sh_err ws_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out)
{
    const struct http_ws *w = ws_of(s);
    return w->inner == NULL ? SH_E_NOTFOUND : sh_stream_peer_cert(w->inner, out);
}

static bool ws_secure(const struct sh_stream *s)
{
    const struct http_ws *w = ws_of(s);
    return w->inner != NULL && sh_stream_secure(w->inner);
}

static const struct sh_stream_ops ws_ops = {
    .kind = "ws",
    .start = ws_start,
    .write = ws_write,
    .flush = ws_flush,
    .pause = ws_pause,
    .resume = ws_resume,
    .end = ws_end,
    .close = ws_close,
    .queued = ws_queued,
    .write_max = ws_write_max,
    .peer = ws_peer,
    .local = ws_local,
    .peer_cert = ws_peer_cert,
    .secure = ws_secure,
};

/* ---- the upgrade ---- */

static void on_timer(void *ctx)
{
    struct http_ws *w = ctx;
    if (!w->heard && w->pings >= 2) {
        finish(w, SH_E_TIMEOUT, SH_WS_GOING_AWAY);
        return;
    }
    if (!w->heard && (w->n.flags & NET_PAUSED) == 0) { /* a paused one cannot be heard */
        w->pings++;
        send_control(w, SH_WS_PING, (struct sh_bytes){0});
    }
    w->heard = false;
    sh_timer_set(w->n.s.loop, &w->timer, w->ping_us);
}

bool sh_http_is_websocket(const struct sh_http_req *pub)
{
    return http_req_of(pub)->head.upgrade_websocket;
}

static sh_err refuse(struct sh_http_req *pub, sh_err e)
{
    if (e == SH_E_UNSUPPORTED) { /* 4.4 */
        sh_http_header_c(pub, "Sec-WebSocket-Version", "13");
        sh_http_respond(pub, 426, "text/plain", sh_bytes_of("WebSocket version 13 only\n", 26));
        return SH_E_PROTO;
    }
    const int status = e == SH_E_NOMEM ? 503 : 400;
    sh_http_respond(pub, status, "text/plain", sh_bytes_of("not a usable WebSocket request\n", 31));
    return e;
}

static sh_err send_101(struct http_req *r, struct sh_str key, struct sh_str subprotocol)
{
    char accept[SH_WS_ACCEPT_CHARS];
    struct sh_buf b;
    sh_buf_init(&b, r->srv->loop->env->alloc, HTTP_FIELDS_MAX);
    sh_ws_accept_key(key, accept);
    sh_err e = sh_buf_printf(&b,
                             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n",
                             accept);
    if (e == SH_OK && subprotocol.n > 0) {
        e = sh_http_put_field(&b, SH_STR("Sec-WebSocket-Protocol"), subprotocol);
    }
    if (e == SH_OK) {
        e = sh_buf_put(&b, "\r\n", 2);
    }
    if (e == SH_OK) {
        e = sh_stream_write(r->conn->s, sh_buf_bytes(&b));
    }
    sh_buf_fini(&b);
    return e;
}

sh_err sh_http_ws_accept(struct sh_http_req *pub, const struct sh_ws_opts *o,
                         struct sh_stream **out)
{
    struct http_req *r = http_req_of(pub);
    struct sh_http_server *srv = r->srv;
    struct http_conn *c = r->conn;
    struct sh_str key;
    if (c == NULL || c->state != HTTP_PENDING) {
        (void)refuse(pub, SH_E_CLOSED);
        return SH_E_CLOSED;
    }
    const sh_err check = sh_ws_check(&r->head, &key);
    if (check != SH_OK) {
        return refuse(pub, check);
    }
    if (o->subprotocol.n > 0 && !sh_ws_offers(pub->fields, pub->nfields, o->subprotocol)) {
        return refuse(pub, SH_E_NOTFOUND);
    }
    struct http_ws *w = sh_mem_new(srv->loop->env->alloc, sizeof *w);
    if (w == NULL) {
        return refuse(pub, SH_E_NOMEM);
    }
    const sh_err e = send_101(r, key, o->subprotocol);
    if (e != SH_OK) {
        sh_mem_free(srv->loop->env->alloc, w);
        (void)refuse(pub, SH_E_NOMEM);
        return e;
    }
    net_stream_init(&w->n, &ws_ops, srv->loop, NULL, ws_turn);
    const size_t message_max = o->message_max == 0 ? MESSAGE_MAX : o->message_max;
    w->n.read_max =
        (uint32_t)(message_max < INT32_MAX - MESSAGE_MAX ? message_max + MESSAGE_MAX : INT32_MAX);
    w->inner = c->s;
    w->srv = srv;
    w->text = o->text;
    w->ping_us = o->ping_us == 0 ? PING_US : o->ping_us;
    sh_ws_init(&w->rd, message_max, false);
    w->next = srv->sockets;
    w->prev = &srv->sockets;
    if (w->next != NULL) {
        w->next->prev = &w->next;
    }
    srv->sockets = w;
    net_add(&srv->n.websockets, 1);
    net_add(&srv->n.status[1], 1);
    net_sub(&srv->n.in_flight, 1);
    sh_timer_init(&w->timer, on_timer, w);
    sh_timer_set(srv->loop, &w->timer, w->ping_us);
    sh_stream_pause(c->s); /* until the owner starts */
    sh_stream_start(c->s, &inner_handler, w);
    http_conn_detach(c);
    http_req_free(r);
    *out = &w->n.s;
    return SH_OK;
}

void http_ws_close_all(struct sh_http_server *s)
{
    for (struct http_ws *w = s->sockets; w != NULL; w = w->next) {
        ws_close(&w->n.s, SH_E_CANCELED);
    }
}
