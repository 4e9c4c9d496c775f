/* mqtt_server.c - the broker's connections as streams of a loop.
 * A connection costs the stream, the engine's object and a `peer` of a few words; nothing is
 * buffered here: unread bytes stay in the stream, unsent ones in the engine.
 * States: open -> stopping (listeners closed, connections told; after GRACE_US those that still do
 * not read are closed) -> stopped (none left).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_server.h>

enum {
    TICK_US = 250000,
    GRACE_US = 3000000,
    LISTENERS = 8,
    STREAM_MAX = 2 << 20,
    WRITE_MAX = 256 << 10
};

/* In the room of its connection. */
struct peer {
    struct mqtt_server *srv;
    struct sh_stream *stream;
    struct mqtt_conn *conn;
};

struct listener {
    struct mqtt_server *srv;
    struct sh_listener *ln;
    uint16_t number;
};

struct mqtt_server {
    struct sh_loop *loop;
    const struct sh_env *env;
    struct mqtt_broker *b;
    struct sh_timer tick;
    struct sh_job flush;
    struct listener listeners[LISTENERS];
    size_t nlisteners;
    size_t peers;
    struct sh_timer grace;
    bool stopping;
    void (*on_stopped)(void *ctx);
    void *stop_ctx;
};

static void stopped_if_empty(struct mqtt_server *s)
{
    if (s->stopping && s->peers == 0 && s->on_stopped != NULL) {
        void (*fn)(void *ctx) = s->on_stopped;
        s->on_stopped = NULL;
        sh_timer_stop(&s->grace);
        fn(s->stop_ctx);
    }
}

static void on_flush(void *ctx)
{
    struct mqtt_server *s = ctx;
    mqtt_broker_flush(s->b);
    stopped_if_empty(s);
}

static void on_tick(void *ctx)
{
    struct mqtt_server *s = ctx;
    mqtt_broker_tick(s->b);
    if (!s->stopping) {
        sh_timer_set(s->loop, &s->tick, TICK_US);
    }
}

void mqtt_server_kick(struct mqtt_server *s)
{
    sh_loop_defer(s->loop, &s->flush);
}

/* ---- engine to stream ---- */

static size_t write_out(void *ctx, const uint8_t *p, size_t n)
{
    const struct peer *k = ctx;
    const size_t max = sh_stream_write_max(k->stream);
    const size_t queued = sh_stream_queued(k->stream);
    const size_t room = max > queued ? max - queued : 0;
    const size_t take = n < room ? n : room;
    if (take == 0) {
        return 0;
    }
    return sh_stream_write(k->stream, sh_bytes_of(p, take)) == SH_OK ? take : 0;
}

static void read_enable(void *ctx, bool on)
{
    const struct peer *k = ctx;
    if (on) {
        sh_stream_resume(k->stream);
    } else {
        sh_stream_pause(k->stream);
    }
}

static void close_out(void *ctx)
{
    const struct peer *k = ctx;
    sh_stream_end(k->stream);
}

static sh_err cert_of(void *ctx, struct sh_peer_cert *out)
{
    const struct peer *k = ctx;
    return sh_stream_peer_cert(k->stream, out);
}

static const struct mqtt_conn_ops conn_ops = {write_out, read_enable, close_out, cert_of};

/* ---- stream to engine ---- */

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct peer *k = ctx;
    const size_t used = mqtt_conn_input(k->conn, in);
    mqtt_server_kick(k->srv);
    return used;
}

static void on_drain(void *ctx)
{
    struct peer *k = ctx;
    mqtt_conn_writable(k->conn);
    mqtt_server_kick(k->srv);
}

static void on_close(void *ctx, sh_err reason)
{
    struct peer *k = ctx;
    struct mqtt_server *s = k->srv;
    SH_UNUSED(reason);
    s->peers--;
    mqtt_conn_closed(k->conn);
    mqtt_server_kick(s);
}

static const struct sh_stream_handler handler = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_close = on_close};

void mqtt_server_take(struct mqtt_server *s, struct sh_stream *stream, bool websocket,
                      uint16_t listener)
{
    char text[SH_ADDR_CHARS];
    struct mqtt_conn *c = NULL;
    const struct sh_addr peer = sh_stream_peer(stream);
    const struct mqtt_conn_info info = {.address = {text, sh_addr_print(&peer, text)},
                                        .room = sizeof(struct peer),
                                        .loopback = sh_addr_is_loopback(&peer),
                                        .tls = sh_stream_secure(stream),
                                        .websocket = websocket,
                                        .listener = listener};
    const sh_err e = s->stopping ? SH_E_LIMIT : mqtt_conn_new(s->b, &conn_ops, NULL, &info, &c);
    if (e != SH_OK) {
        sh_stream_close(stream, e);
        return;
    }
    struct peer *k = mqtt_conn_room(c);
    *k = (struct peer){.srv = s, .stream = stream, .conn = c};
    s->peers++;
    sh_stream_start(stream, &handler, k);
}

static void on_accept(void *ctx, struct sh_stream *stream)
{
    const struct listener *l = ctx;
    mqtt_server_take(l->srv, stream, false, l->number);
}

/* ---- life ---- */

sh_err mqtt_server_new(struct sh_loop *loop, struct mqtt_broker *b, struct mqtt_server **out)
{
    const struct sh_env *env = sh_loop_env(loop);
    struct mqtt_server *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->loop = loop;
    s->env = env;
    s->b = b;
    s->flush = (struct sh_job){.fn = on_flush, .ctx = s};
    sh_timer_init(&s->tick, on_tick, s);
    sh_timer_set(loop, &s->tick, TICK_US);
    *out = s;
    return SH_OK;
}

sh_err mqtt_server_listen(struct mqtt_server *s, struct sh_str address, struct sh_tls *tls,
                          uint16_t listener, struct sh_diag *diag, struct sh_addr *bound)
{
    if (s->nlisteners == LISTENERS) {
        return SH_E_LIMIT;
    }
    struct listener *l = &s->listeners[s->nlisteners];
    *l = (struct listener){.srv = s, .number = listener};
    const struct sh_listen_opts o = {
        .address = address, .tls = tls, .stream = {.write_max = WRITE_MAX, .read_max = STREAM_MAX}};
    SH_TRY(sh_listen(s->loop, &o, on_accept, l, diag, &l->ln));
    s->nlisteners++;
    if (bound != NULL) {
        *bound = sh_listener_addr(l->ln);
    }
    return SH_OK;
}

static void cut_off(void *ctx)
{
    const struct peer *k = ctx;
    sh_stream_close(k->stream, SH_E_CANCELED); /* on_close comes later */
}

static void on_grace_over(void *ctx)
{
    struct mqtt_server *s = ctx;
    mqtt_broker_conns(s->b, cut_off);
}

void mqtt_server_stop(struct mqtt_server *s, void (*on_stopped)(void *ctx), void *ctx)
{
    s->stopping = true;
    s->on_stopped = on_stopped;
    s->stop_ctx = ctx;
    for (size_t i = 0; i < s->nlisteners; i++) {
        sh_listener_close(s->listeners[i].ln);
    }
    s->nlisteners = 0;
    sh_timer_stop(&s->tick);
    sh_timer_init(&s->grace, on_grace_over, s);
    sh_timer_set(s->loop, &s->grace, GRACE_US);
    mqtt_broker_shutdown(s->b);
    mqtt_server_kick(s);
}

void mqtt_server_free(struct mqtt_server *s)
{
    if (s == NULL) {
        return;
    }
    SH_ASSERT(s->peers == 0);
    for (size_t i = 0; i < s->nlisteners; i++) {
        sh_listener_close(s->listeners[i].ln);
    }
    sh_timer_stop(&s->tick);
    sh_timer_stop(&s->grace);
    sh_job_cancel(s->loop, &s->flush);
    sh_mem_free(s->env->alloc, s);
}
