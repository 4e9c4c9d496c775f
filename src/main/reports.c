/* reports.c - what devices report besides samples: attributes (merged into the twin, on a worker,
 * and acknowledged when they are stored) and events (a sample of a text point each, see point.h;
 * told to the bus and acknowledged when it is on disk).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "main_int.h"

enum { BODY_MAX = 256 << 10, EVENT_MAX = 32 << 10 };

/* An attribute message between loop and worker. The texts stand behind the struct. */
struct report {
    struct sh_job job;
    struct node *n;
    uint32_t tenant;
    sh_err err;
    mqtt_telemetry_done *done;
    void *token;
    struct sh_str device;
    struct sh_str body;
};

static void answer(void *ctx)
{
    struct report *r = ctx;
    if (r->done != NULL) {
        node_enter(r->n);
        r->done(r->token, r->err);
        node_leave(r->n);
        mqtt_server_kick(r->n->mqtt);
    }
    sh_mem_free(r->n->env.alloc, r);
}

static void merge(void *ctx)
{
    struct report *r = ctx;
    json_t *v = NULL;
    struct sh_diag d = {0};
    r->err = sh_json_parse(r->body, BODY_MAX, &v, &d);
    if (r->err == SH_OK && !json_is_object(v)) {
        r->err = SH_E_PROTO;
    }
    if (r->err == SH_OK) {
        r->err =
            sh_twin_attributes_merge(r->n->twin, r->tenant, r->device, false, v, r->device, &d);
    }
    json_decref(v);
    r->job.fn = answer;
    r->job.ctx = r;
    sh_loop_post_job(r->n->loop, &r->job);
}

static sh_err take_attributes(struct node *n, const struct mqtt_telemetry *m,
                              mqtt_telemetry_done *done, void *token)
{
    if (m->payload.n > BODY_MAX) {
        return SH_E_INVAL;
    }
    struct report *r = sh_mem_new(n->env.alloc, sizeof *r + m->device.n + m->payload.n + 1);
    if (r == NULL) {
        return SH_E_NOMEM;
    }
    char *text = (char *)(r + 1);
    *r = (struct report){.n = n, .tenant = m->principal->tenant, .done = done, .token = token};
    if (m->device.n > 0) {
        memcpy(text, m->device.p, m->device.n);
    }
    if (m->payload.n > 0) {
        memcpy(text + m->device.n, m->payload.p, m->payload.n);
    }
    r->device = sh_str_of(text, m->device.n);
    r->body = sh_str_of(text + m->device.n, m->payload.n);
    const sh_err err = sh_workers_run(n->workers, merge, r);
    if (err != SH_OK) {
        sh_mem_free(n->env.alloc, r);
    }
    return err; /* SH_E_LIMIT: the workers are busy; the broker asks again */
}

/* An event between its arrival and its commit. */
struct event {
    struct sh_job job;
    struct node *n;
    uint32_t tenant;
    int64_t time_us;
    sh_err err;
    mqtt_telemetry_done *done;
    void *token;
    struct sh_str device; /* behind the struct */
    struct sh_buf json;   /* what the bus is told */
};

static void event_free(struct event *e)
{
    const struct sh_alloc *a = e->n->env.alloc;
    sh_buf_fini(&e->json);
    sh_mem_free(a, e);
}

static void event_answer(void *ctx)
{
    struct event *e = ctx;
    if (e->err == SH_OK) {
        const struct sh_event told = {.kind = SH_EVENT_DEVICE_EVENT,
                                      .tenant = e->tenant,
                                      .time_us = e->time_us,
                                      .object = e->device,
                                      .json = sh_buf_str(&e->json)};
        sh_bus_publish_event(e->n->bus, &told);
    }
    if (e->done != NULL) {
        node_enter(e->n);
        e->done(e->token, e->err);
        node_leave(e->n);
        if (e->n->mqtt != NULL) {
            mqtt_server_kick(e->n->mqtt);
        }
    }
    event_free(e);
}

static void event_committed(void *ctx, sh_err err, uint64_t seq)
{
    SH_UNUSED(seq);
    struct event *e = ctx;
    e->err = err;
    e->job.fn = event_answer;
    e->job.ctx = e;
    sh_loop_post_job(e->n->loop, &e->job);
}

static sh_err event_words(struct event *e, const struct mqtt_telemetry *m, const json_t *data)
{
    struct sh_jw w;
    sh_jw_init(&w, &e->json);
    sh_jw_obj(&w);
    sh_jw_key(&w, "device");
    sh_jw_str(&w, m->device);
    sh_jw_key(&w, "event");
    sh_jw_str(&w, m->property);
    sh_jw_key(&w, "time");
    sh_jw_time(&w, e->time_us);
    sh_jw_key(&w, "data");
    sh_jw_json(&w, data);
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

/* The point of an event; it is made when the sender may make points. */
static sh_err event_point(struct node *n, const struct mqtt_telemetry *m, uint32_t *point)
{
    const struct mqtt_principal *p = m->principal;
    char property[SH_POINT_MAX_NAME + 16];
    char detail[160];
    const struct sh_str prefix = SH_POINT_EVENT;
    const struct sh_str id = sh_str_sub(m->property, 0, SH_POINT_MAX_NAME);
    const int k = snprintf(property, sizeof property, "%.*s%.*s", SH_PRI(prefix), SH_PRI(id));
    const struct sh_gate_who who = {.tenant = p->tenant,
                                    .device =
                                        (p->flags & MQTT_P_GATEWAY) != 0 ? SH_STR("") : p->device,
                                    .provision = node_may_provision(n, p)};
    const struct sh_gate_name name = {.device = m->device,
                                      .property = sh_str_of(property, k < 0 ? 0 : (size_t)k),
                                      .type = SH_T_TEXT,
                                      .event = true};
    struct sh_gate_target target;
    const enum sh_gate_refusal r = sh_gate_point(n->gate, &who, &name, &target, detail);
    if (r != SH_GATE_OK) {
        sh_log(n->env.log, SH_LOG_DEBUG, "mqtt", "event refused: %s", detail);
        return r == SH_GATE_NOT_NOW ? target.why : SH_E_PROTO;
    }
    *point = target.point;
    return SH_OK;
}

/* One sample: SH_E_LIMIT while the journal is full (the broker asks again). */
static sh_err event_submit(struct node *n, struct event *e, uint32_t point, struct sh_bytes value)
{
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, n->env.alloc, 1, EVENT_MAX);
    sh_err err = sh_batch_add_bytes(&b, point, e->time_us, SH_T_TEXT, value, SH_Q_GOOD);
    if (err == SH_OK) {
        err = sh_gate_submit(n->gate, e->tenant, &b.view, event_committed, e, NULL);
    }
    sh_batch_builder_fini(&b);
    return err;
}

static struct event *event_new(struct node *n, const struct mqtt_telemetry *m)
{
    struct event *e = sh_mem_new(n->env.alloc, sizeof *e + m->device.n + 1);
    if (e == NULL) {
        return NULL;
    }
    e->n = n;
    e->tenant = m->principal->tenant;
    if (m->device.n > 0) {
        memcpy(e + 1, m->device.p, m->device.n);
    }
    e->device = sh_str_of((const char *)(e + 1), m->device.n);
    sh_buf_init(&e->json, n->env.alloc, (size_t)2 * EVENT_MAX);
    /* Two events of one turn of the loop have one time of arrival; in history each needs its own.
     */
    e->time_us = m->received_us > n->last_event_us ? m->received_us : n->last_event_us + 1;
    return e;
}

static sh_err take_event(struct node *n, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                         void *token)
{
    json_t *v = NULL;
    uint32_t point = 0;
    if (m->payload.n > EVENT_MAX) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_json_parse(sh_bytes_str(m->payload), EVENT_MAX, &v, NULL));
    sh_err err = event_point(n, m, &point);
    struct event *e = err == SH_OK ? event_new(n, m) : NULL;
    if (e == NULL) {
        json_decref(v);
        return err == SH_OK ? SH_E_NOMEM : err;
    }
    e->done = done;
    e->token = token;
    err = event_words(e, m, v);
    json_decref(v);
    if (err == SH_OK) {
        err = event_submit(n, e, point, m->payload);
    }
    if (err == SH_OK) {
        n->last_event_us = e->time_us;
        return SH_OK;
    }
    event_free(e);
    return err;
}

sh_err reports_take(struct node *n, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                    void *token)
{
    if (m->device.n > 0) {
        sh_twin_seen(n->twin, m->principal->tenant, m->device);
    }
    if (m->layout == MQTT_L_SH_ATTR || m->layout == MQTT_L_TB_ATTR) {
        return take_attributes(n, m, done, token);
    }
    if (m->layout == MQTT_L_SH_EVENT) {
        return take_event(n, m, done, token);
    }
    if (done != NULL) {
        done(token, SH_OK);
    }
    return SH_OK;
}
