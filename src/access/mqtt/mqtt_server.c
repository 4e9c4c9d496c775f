/* mqtt_server.c - the broker's connections as streams of loops, one lane of the broker each.
 * A connection costs the stream, the engine's object and a `peer` of a few words; nothing is
 * buffered here: unread bytes stay in the stream, unsent ones in the engine.
 * States, of each loop: open -> stopping (listeners closed, connections told; after GRACE_US those
 * that still do not read are closed) -> stopped (none left). The server has stopped when all have.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_server.h>

enum {
    TICK_US = 250000,
    GRACE_US = 3000000,
    LISTENERS = 8,
    STREAM_MAX = 2 << 20,
    WRITE_MAX = 256 << 10
};

struct port;

/* In the room of its connection. */
struct peer {
    struct port *port;
    struct sh_stream *stream;
};

struct listener {
    struct mqtt_server *srv;
    struct sh_listener *ln;
    uint16_t number;
};

/* A loop with connections: a lane of the broker. All of it belongs to the loop's thread. */
struct port {
    struct mqtt_server *srv;
    struct sh_loop *loop;
    unsigned lane;
    struct sh_job flush;   /* end of a turn */
    struct sh_job woken;   /* from another lane */
    atomic_bool posted;    /* woken is under way */
    struct sh_job stop;    /* from loop 0 */
    struct sh_job stopped; /* to loop 0 */
    struct sh_timer grace;
    size_t peers;
    bool stopping;
    bool told;
};

struct mqtt_server {
    const struct sh_env *env;
    struct mqtt_broker *b;
    struct sh_timer tick; /* of loop 0 */
    struct listener listeners[LISTENERS];
    size_t nlisteners;
    struct port ports[MQTT_LANES_MAX];
    unsigned nports;
    unsigned running; /* ports that have not stopped */
    bool stopping;
    void (*on_stopped)(void *ctx);
    void *stop_ctx;
};

static void stopped_if_empty(struct port *p)
{
    if (p->stopping && p->peers == 0 && !p->told) {
        p->told = true;
        sh_timer_stop(&p->grace);
        sh_loop_post_job(p->srv->ports[0].loop, &p->stopped);
    }
}

static void on_port_stopped(void *ctx)
{
    const struct port *p = ctx;
    struct mqtt_server *s = p->srv;
    s->running--;
    if (s->running == 0 && s->on_stopped != NULL) {
        s->on_stopped(s->stop_ctx);
    }
}

static void on_flush(void *ctx)
{
    struct port *p = ctx;
    mqtt_lane_flush(p->srv->b, p->lane);
    stopped_if_empty(p);
}

static void on_woken(void *ctx)
{
    struct port *p = ctx;
    atomic_store_explicit(&p->posted, false, memory_order_release);
    sh_job_cancel(p->loop, &p->flush); /* this is it */
    on_flush(p);
}

static void wake(void *ctx, unsigned lane)
{
    struct mqtt_server *s = ctx;
    struct port *p = &s->ports[lane];
    if (!atomic_exchange_explicit(&p->posted, true, memory_order_acq_rel)) {
        sh_loop_post_job(p->loop, &p->woken);
    }
}

static void on_tick(void *ctx)
{
    struct mqtt_server *s = ctx;
    mqtt_broker_enter(s->b, 0);
    mqtt_broker_tick(s->b);
    mqtt_broker_leave(s->b);
    if (!s->stopping) {
        sh_timer_set(s->ports[0].loop, &s->tick, TICK_US);
    }
}

static void kick(struct port *p)
{
    sh_loop_defer(p->loop, &p->flush);
}

void mqtt_server_kick(struct mqtt_server *s)
{
    kick(&s->ports[0]);
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
    const sh_err e = sh_stream_write(k->stream, sh_bytes_of(p, take));
    if (e == SH_E_NOMEM) {
        sh_stream_close(k->stream, e); /* nothing would say when there is memory again */
    }
    return e == SH_OK ? take : 0;
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

static void flush_out(void *ctx)
{
    const struct peer *k = ctx;
    sh_stream_flush(k->stream);
}

static const struct mqtt_conn_ops conn_ops = {write_out, read_enable, close_out, cert_of,
                                              flush_out};

/* ---- stream to engine ---- */

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct peer *k = ctx;
    const size_t used = mqtt_lane_input(mqtt_conn_of_room(k), in);
    kick(k->port);
    return used;
}

static void on_drain(void *ctx)
{
    struct peer *k = ctx;
    mqtt_lane_writable(mqtt_conn_of_room(k));
    kick(k->port);
}

static void on_close(void *ctx, sh_err reason)
{
    struct peer *k = ctx;
    struct port *p = k->port;
    struct mqtt_broker *b = p->srv->b;
    SH_UNUSED(reason);
    p->peers--;
    mqtt_broker_enter(b, p->lane);
    mqtt_conn_closed(mqtt_conn_of_room(k));
    mqtt_broker_leave(b);
    kick(p);
}

static const struct sh_stream_handler handler = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_close = on_close};

static struct port *port_of(struct mqtt_server *s, const struct sh_loop *l)
{
    for (unsigned i = 0; i < s->nports; i++) {
        if (s->ports[i].loop == l) {
            return &s->ports[i];
        }
    }
    return NULL;
}

void mqtt_server_take(struct mqtt_server *s, struct sh_stream *stream, bool websocket,
                      uint16_t listener)
{
    char text[SH_ADDR_CHARS];
    struct mqtt_conn *c = NULL;
    struct port *p = port_of(s, stream->loop);
    const struct sh_addr peer = sh_stream_peer(stream);
    const struct mqtt_conn_info info = {.address = {text, sh_addr_print(&peer, text)},
                                        .room = sizeof(struct peer),
                                        .loopback = sh_addr_is_loopback(&peer),
                                        .tls = sh_stream_secure(stream),
                                        .websocket = websocket,
                                        .listener = listener};
    SH_ASSERT(p != NULL); /* the host's loops are the server's */
    sh_err e = SH_E_LIMIT;
    if (!p->stopping) {
        mqtt_broker_enter(s->b, p->lane);
        e = mqtt_conn_new(s->b, &conn_ops, &info, &c);
        mqtt_broker_leave(s->b);
    }
    if (e != SH_OK) {
        sh_stream_close(stream, e);
        return;
    }
    struct peer *k = mqtt_conn_room(c);
    *k = (struct peer){.port = p, .stream = stream};
    p->peers++;
    sh_stream_start(stream, &handler, k);
}

static void on_accept(void *ctx, struct sh_stream *stream)
{
    const struct listener *l = ctx;
    mqtt_server_take(l->srv, stream, false, l->number);
}

/* ---- life ---- */

static void cut_off(void *ctx)
{
    const struct peer *k = ctx;
    sh_stream_close(k->stream, SH_E_CANCELED); /* on_close comes later */
}

static void on_grace_over(void *ctx)
{
    const struct port *p = ctx;
    mqtt_broker_enter(p->srv->b, p->lane);
    mqtt_broker_conns(p->srv->b, cut_off);
    mqtt_broker_leave(p->srv->b);
}

static void on_stop(void *ctx)
{
    struct port *p = ctx;
    p->stopping = true;
    sh_timer_set(p->loop, &p->grace, GRACE_US);
    mqtt_broker_enter(p->srv->b, p->lane);
    mqtt_broker_shutdown(p->srv->b); /* also those that came while another loop stopped */
    mqtt_broker_leave(p->srv->b);
    kick(p);
}

static void port_init(struct mqtt_server *s, unsigned lane, struct sh_loop *loop)
{
    struct port *p = &s->ports[lane];
    p->srv = s;
    p->loop = loop;
    p->lane = lane;
    p->flush = (struct sh_job){.fn = on_flush, .ctx = p};
    p->woken = (struct sh_job){.fn = on_woken, .ctx = p};
    p->stop = (struct sh_job){.fn = on_stop, .ctx = p};
    p->stopped = (struct sh_job){.fn = on_port_stopped, .ctx = p};
    sh_timer_init(&p->grace, on_grace_over, p);
    atomic_init(&p->posted, false);
}

sh_err mqtt_server_new(struct sh_loop *const *loops, size_t n, struct mqtt_broker *b,
                       struct mqtt_server **out)
{
    SH_ASSERT(n > 0 && n <= MQTT_LANES_MAX);
    const struct sh_env *env = sh_loop_env(loops[0]);
    struct mqtt_server *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->env = env;
    s->b = b;
    s->nports = (unsigned)n;
    s->running = (unsigned)n;
    for (unsigned i = 0; i < s->nports; i++) {
        port_init(s, i, loops[i]);
    }
    mqtt_broker_lanes(b, s->nports, wake, s);
    sh_timer_init(&s->tick, on_tick, s);
    sh_timer_set(loops[0], &s->tick, TICK_US);
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
    struct sh_loop *loops[MQTT_LANES_MAX] = {NULL};
    for (unsigned i = 0; i < s->nports; i++) {
        loops[i] = s->ports[i].loop;
    }
    const struct sh_listen_opts o = {.address = address,
                                     .tls = tls,
                                     .loops = loops,
                                     .nloops = s->nports,
                                     .stream = {.write_max = WRITE_MAX, .read_max = STREAM_MAX}};
    SH_TRY(sh_listen(loops[0], &o, on_accept, l, diag, &l->ln));
    s->nlisteners++;
    if (bound != NULL) {
        *bound = sh_listener_addr(l->ln);
    }
    return SH_OK;
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
    for (unsigned i = 1; i < s->nports; i++) {
        sh_loop_post_job(s->ports[i].loop, &s->ports[i].stop);
    }
    on_stop(&s->ports[0]);
}

void mqtt_server_free(struct mqtt_server *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->nlisteners; i++) {
        sh_listener_close(s->listeners[i].ln);
    }
    sh_timer_stop(&s->tick);
    for (unsigned i = 0; i < s->nports; i++) {
        struct port *p = &s->ports[i];
        SH_ASSERT(p->peers == 0 && !atomic_load(&p->posted));
        sh_timer_stop(&p->grace);
        sh_job_cancel(p->loop, &p->flush);
    }
    sh_mem_free(s->env->alloc, s);
}
