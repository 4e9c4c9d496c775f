/* sim.c - the demo plant on a loop.
 *
 * Invariants:
 *  1. A Modbus connection is in `conns` from accept to its on_close; at most MAX_CONNS.
 *  2. mqtt_s != NULL while the MQTT transport is open; dial != NULL while it is being made; else
 * the retry timer is set.
 *  3. After sh_sim_free only the connections live on, with sim == NULL, until their on_close.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/sim.h>

#include <sh/json.h>
#include <sh/stream.h>

#include "mbserver.h"
#include "mqttc.h"
#include "telemetry.h"

enum { MAX_CONNS = 32, MQTT_RETRY_MIN_MS = 500, MQTT_RETRY_MAX_MS = 10000, OUT_MAX = 256 * 1024 };

struct conn {
    struct sh_sim *sim; /* NULL: given up */
    const struct sh_alloc *alloc;
    struct sh_stream *s;
    struct conn *next;
    struct conn **prev;
};

struct sh_sim {
    const struct sh_env *env;
    struct sh_loop *loop;
    struct plant plant;
    uint32_t tick_ms;
    struct sh_timer tick;
    int64_t last_us;
    struct sh_listener *listener;
    struct conn *conns;
    uint32_t n_conns;
    struct mqttc mqtt;
    struct sh_connect *dial;
    struct conn *mqtt_conn;
    struct sh_timer retry;
    uint32_t retry_ms;
    struct sh_str mqtt_host;
    uint16_t mqtt_port;
    bool mqtt_told; /* a failure was logged since the last success */
    struct sh_buf out;
    struct sh_buf json;
};

static void log_line(const struct sh_sim *s, const char *what, const char *more)
{
    sh_log(s->env->log, SH_LOG_INFO, "sim", "%s%s", what, more);
}

/* ---- Modbus server ---- */

static void conn_close(struct conn *c)
{
    c->sim = NULL;
    sh_stream_close(c->s, SH_E_CANCELED);
}

static size_t modbus_bytes(void *ctx, struct sh_bytes in)
{
    struct conn *c = ctx;
    size_t used = 0;
    if (c->sim == NULL || c->sim->plant.fault[PLANT_COMM_LOSS]) {
        return in.n;
    }
    for (;;) {
        uint8_t re[MBS_FRAME];
        size_t n = 0;
        size_t n_out = 0;
        const sh_err err =
            mbs_serve(&c->sim->plant, (struct sh_bytes){in.p + used, in.n - used}, &n, re, &n_out);
        if (err == SH_E_AGAIN) {
            return used;
        }
        if (err != SH_OK || sh_stream_write(c->s, sh_bytes_of(re, n_out)) != SH_OK) {
            sh_stream_close(c->s, SH_E_PROTO);
            return in.n;
        }
        used += n;
    }
}

static void modbus_closed(void *ctx, sh_err reason)
{
    struct conn *c = ctx;
    (void)reason;
    if (c->prev != NULL) {
        *c->prev = c->next;
        if (c->next != NULL) {
            c->next->prev = c->prev;
        }
    }
    if (c->sim != NULL) {
        c->sim->n_conns--;
    }
    sh_mem_free(c->alloc, c);
}

static const struct sh_stream_handler modbus_handler = {.on_bytes = modbus_bytes,
                                                        .on_close = modbus_closed};

static struct conn *conn_new(struct sh_sim *s, struct sh_stream *stream,
                             const struct sh_stream_handler *h)
{
    struct conn *c = sh_mem_new(s->env->alloc, sizeof *c);
    if (c == NULL) {
        sh_stream_close(stream, SH_E_NOMEM);
        return NULL;
    }
    *c = (struct conn){.sim = s, .alloc = s->env->alloc, .s = stream};
    sh_stream_start(stream, h, c);
    return c;
}

static void on_accept(void *ctx, struct sh_stream *stream)
{
    struct sh_sim *s = ctx;
    if (s->n_conns >= MAX_CONNS) {
        sh_stream_close(stream, SH_E_LIMIT);
        return;
    }
    struct conn *c = conn_new(s, stream, &modbus_handler);
    if (c == NULL) {
        return;
    }
    c->next = s->conns;
    c->prev = &s->conns;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    s->conns = c;
    s->n_conns++;
}

/* ---- MQTT ---- */

static void mqtt_retry_later(struct sh_sim *s)
{
    sh_timer_set(s->loop, &s->retry, (int64_t)s->retry_ms * 1000);
    s->retry_ms = s->retry_ms * 2 > MQTT_RETRY_MAX_MS ? MQTT_RETRY_MAX_MS : s->retry_ms * 2;
}

/* Sends what the client appended; an error ends the connection. */
static void mqtt_flush(struct sh_sim *s, sh_err err)
{
    if (s->mqtt_conn == NULL) {
        return;
    }
    if (err == SH_OK && s->out.n > 0) {
        err = sh_stream_write(s->mqtt_conn->s, sh_buf_bytes(&s->out));
    }
    sh_buf_clear(&s->out);
    if (err == SH_E_DENIED && !s->mqtt_told) {
        s->mqtt_told = true;
        sh_log(s->env->log, SH_LOG_WARN, "sim",
               "the MQTT server refused us (code %u): check user and password", s->mqtt.refused);
    }
    if (err != SH_OK) {
        sh_stream_close(s->mqtt_conn->s, err);
    } else if (s->mqtt.connected) {
        s->retry_ms = MQTT_RETRY_MIN_MS;
        s->mqtt_told = false;
    }
}

static size_t mqtt_bytes(void *ctx, struct sh_bytes in)
{
    struct conn *c = ctx;
    size_t used = 0;
    if (c->sim == NULL) {
        return in.n;
    }
    const int64_t now = sh_loop_now_us(c->sim->loop);
    const sh_err err = mqttc_bytes(&c->sim->mqtt, now, in, &used, &c->sim->out);
    mqtt_flush(c->sim, err);
    return err == SH_OK ? used : in.n;
}

static void mqtt_closed(void *ctx, sh_err reason)
{
    struct conn *c = ctx;
    struct sh_sim *s = c->sim;
    (void)reason;
    if (s != NULL) {
        s->mqtt_conn = NULL;
        mqttc_closed(&s->mqtt);
        mqtt_retry_later(s);
    }
    sh_mem_free(c->alloc, c);
}

static const struct sh_stream_handler mqtt_handler = {.on_bytes = mqtt_bytes,
                                                      .on_close = mqtt_closed};

static void mqtt_open(void *ctx, struct sh_stream *stream)
{
    struct sh_sim *s = ctx;
    s->dial = NULL;
    s->mqtt_conn = conn_new(s, stream, &mqtt_handler);
    if (s->mqtt_conn == NULL) {
        mqtt_retry_later(s);
        return;
    }
    mqtt_flush(s, mqttc_opened(&s->mqtt, sh_loop_now_us(s->loop), &s->out));
}

static void mqtt_fail(void *ctx, sh_err err, const char *why)
{
    struct sh_sim *s = ctx;
    (void)err;
    s->dial = NULL;
    if (!s->mqtt_told) {
        s->mqtt_told = true;
        log_line(s, "cannot reach the MQTT server, trying again: ", why);
    }
    mqtt_retry_later(s);
}

static const struct sh_connect_handler mqtt_dial = {.on_open = mqtt_open, .on_fail = mqtt_fail};

static void mqtt_connect(void *ctx)
{
    struct sh_sim *s = ctx;
    const struct sh_connect_opts o = {
        .host = s->mqtt_host, .port = s->mqtt_port, .timeout_us = 5000000};
    const sh_err err = sh_connect_start(s->loop, &o, &mqtt_dial, s, &s->dial);
    if (err != SH_OK) {
        mqtt_fail(s, err, sh_err_name(err));
    }
}

/* {"fault":"leak","on":true}, bare or below "value" or "input". */
static bool take_command(struct sh_sim *s, struct sh_bytes payload)
{
    json_t *doc = NULL;
    if (sh_json_parse(sh_bytes_str(payload), 4096, &doc, NULL) != SH_OK) {
        return false;
    }
    const json_t *o = doc;
    const json_t *inner = json_object_get(doc, "value");
    inner = json_is_object(inner) ? inner : json_object_get(doc, "input");
    if (json_is_object(inner)) {
        o = inner;
    }
    const bool ok =
        sh_sim_set_fault(s, sh_json_get_str(o, "fault"), sh_json_get_bool(o, "on", true));
    json_decref(doc);
    return ok;
}

static void on_message(void *ctx, struct sh_str topic, struct sh_bytes payload)
{
    struct sh_sim *s = ctx;
    char reply[256];
    static const char tail[] = "/reply";
    const bool ok = take_command(s, payload);
    if (sh_str_ends(topic, SH_STR("/reply")) || topic.n + sizeof tail > sizeof reply) {
        return;
    }
    memcpy(reply, topic.p, topic.n);
    memcpy(reply + topic.n, tail, sizeof tail);
    const struct sh_str text =
        ok ? SH_STR("{\"ok\":true}") : SH_STR("{\"ok\":false,\"error\":\"no such fault\"}");
    if (mqttc_publish(&s->mqtt, sh_str_of(reply, topic.n + sizeof tail - 1), sh_str_bytes(text)) !=
        SH_OK) {
        log_line(s, "a reply was lost", "");
    }
}

/* ---- the second ---- */

static void publish_all(struct sh_sim *s)
{
    const int64_t ms = sh_loop_wall_us(s->loop) / 1000;
    for (unsigned i = 0; i < TELEMETRY_DEVICES; i++) {
        struct sh_str topic;
        sh_buf_clear(&s->json);
        if (telemetry_write(&s->plant, i, ms, &topic, &s->json) != SH_OK ||
            mqttc_publish(&s->mqtt, topic, sh_buf_bytes(&s->json)) != SH_OK) {
            log_line(s, "a message was lost", "");
        }
    }
    mqtt_flush(s, mqttc_pump(&s->mqtt, sh_loop_now_us(s->loop), &s->out));
}

static void on_tick(void *ctx)
{
    struct sh_sim *s = ctx;
    const int64_t now = sh_loop_now_us(s->loop);
    double dt = (double)(now - s->last_us) / 1e6;
    s->last_us = now;
    dt = dt > 10.0 ? 10.0 : dt; /* the computer slept */
    plant_step(&s->plant, dt);
    if (s->plant.fault[PLANT_COMM_LOSS] && s->plant.fault_s[PLANT_COMM_LOSS] >= MBS_COMM_LOSS_S) {
        plant_set_fault(&s->plant, PLANT_COMM_LOSS, false);
    }
    if (s->mqtt_host.n > 0) {
        publish_all(s);
    }
    sh_timer_set(s->loop, &s->tick, (int64_t)s->tick_ms * 1000);
}

const char *sh_sim_fault_name(unsigned n)
{
    return plant_fault_name(n);
}

bool sh_sim_set_fault(struct sh_sim *s, struct sh_str name, bool on)
{
    for (unsigned f = 0; f < PLANT_FAULTS; f++) {
        if (sh_str_eqc(name, plant_fault_name(f))) {
            plant_set_fault(&s->plant, (enum plant_fault)f, on);
            log_line(s, on ? "fault on: " : "fault off: ", plant_fault_name(f));
            return true;
        }
    }
    return false;
}

static sh_err open_modbus(struct sh_sim *s, const struct sh_sim_opts *o, struct sh_diag *diag)
{
    if (o->modbus_listen.n == 0) {
        return SH_OK;
    }
    const struct sh_listen_opts lo = {.address = o->modbus_listen,
                                      .stream = {.read_max = 4096, .write_max = 65536}};
    return sh_listen(s->loop, &lo, on_accept, s, diag, &s->listener);
}

sh_err sh_sim_new(struct sh_loop *l, const struct sh_sim_opts *o, struct sh_diag *diag,
                  struct sh_sim **out)
{
    const struct sh_env *env = sh_loop_env(l);
    struct sh_sim *s = sh_mem_new(env->alloc, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->env = env;
    s->loop = l;
    s->tick_ms = o->tick_ms == 0 ? 1000 : o->tick_ms;
    s->retry_ms = MQTT_RETRY_MIN_MS;
    s->mqtt_host = o->mqtt_host;
    s->mqtt_port = o->mqtt_port == 0 ? 1883 : o->mqtt_port;
    sh_buf_init(&s->out, env->alloc, OUT_MAX);
    sh_buf_init(&s->json, env->alloc, 16384);
    sh_timer_init(&s->tick, on_tick, s);
    sh_timer_init(&s->retry, mqtt_connect, s);
    const int64_t day_s = (sh_wall_us(env->clock) / 1000000 + o->day_offset_s) % 86400;
    plant_init(&s->plant, o->seed, (double)day_s);
    for (unsigned f = 0; f < PLANT_FAULTS; f++) {
        plant_set_fault(&s->plant, (enum plant_fault)f, (o->faults >> f & 1) != 0);
    }
    const struct mqttc_opts mo = {.client_id =
                                      o->client_id.n > 0 ? o->client_id : SH_STR("songhua-sim"),
                                  .user = o->user,
                                  .password = o->password,
                                  .subscribe = telemetry_commands(),
                                  .on_message = on_message,
                                  .ctx = s};
    sh_err err = mqttc_init(&s->mqtt, env->alloc, &mo);
    if (err == SH_OK) {
        err = open_modbus(s, o, diag);
    }
    if (err != SH_OK) {
        sh_sim_free(s);
        return err;
    }
    s->last_us = sh_loop_now_us(l);
    plant_step(&s->plant, 0.1);
    sh_timer_set(l, &s->tick, (int64_t)s->tick_ms * 1000);
    if (s->mqtt_host.n > 0) {
        sh_timer_set(l, &s->retry, 0);
    }
    *out = s;
    return SH_OK;
}

void sh_sim_free(struct sh_sim *s)
{
    if (s == NULL) {
        return;
    }
    sh_timer_stop(&s->tick);
    sh_timer_stop(&s->retry);
    sh_listener_close(s->listener);
    if (s->dial != NULL) {
        sh_connect_cancel(s->dial);
    }
    for (struct conn *c = s->conns; c != NULL;) {
        struct conn *next = c->next;
        c->prev = NULL;
        c->next = NULL;
        conn_close(c);
        c = next;
    }
    if (s->mqtt_conn != NULL) {
        conn_close(s->mqtt_conn);
    }
    mqttc_fini(&s->mqtt);
    sh_buf_fini(&s->out);
    sh_buf_fini(&s->json);
    sh_mem_free(s->env->alloc, s);
}

uint16_t sh_sim_modbus_port(const struct sh_sim *s)
{
    return s->listener == NULL ? 0 : sh_listener_addr(s->listener).port;
}
