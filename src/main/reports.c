/* reports.c - what devices report besides samples: attributes (merged into the twin, on a worker,
 * and acknowledged when they are stored) and events (to the bus).
 *
 * SPDX-License-Identifier: Apache-2.0 */
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
        r->done(r->token, r->err);
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

static sh_err take_event(struct node *n, const struct mqtt_telemetry *m)
{
    json_t *v = NULL;
    struct sh_buf b;
    struct sh_jw w;
    if (m->payload.n > EVENT_MAX) {
        return SH_E_INVAL;
    }
    SH_TRY(sh_json_parse(sh_bytes_str(m->payload), EVENT_MAX, &v, NULL));
    sh_buf_init(&b, n->env.alloc, (size_t)2 * EVENT_MAX);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "device");
    sh_jw_str(&w, m->device);
    sh_jw_key(&w, "event");
    sh_jw_str(&w, m->property);
    sh_jw_key(&w, "time");
    sh_jw_time(&w, m->received_us);
    sh_jw_key(&w, "data");
    sh_jw_json(&w, v);
    sh_jw_obj_end(&w);
    json_decref(v);
    const sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        const struct sh_event e = {.kind = SH_EVENT_DEVICE_EVENT,
                                   .tenant = m->principal->tenant,
                                   .time_us = m->received_us,
                                   .object = m->device,
                                   .json = sh_buf_str(&b)};
        sh_bus_publish_event(n->bus, &e);
    }
    sh_buf_fini(&b);
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
        SH_TRY(take_event(n, m));
    }
    if (done != NULL) {
        done(token, SH_OK);
    }
    return SH_OK;
}
