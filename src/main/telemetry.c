/* telemetry.c - MQTT payloads through the JSON decoder into the gate.
 *
 * Messages of one turn of the loop are decoded into one sh_ingest per tenant scope and gathered:
 * the decoder submits its batch for each message (a message is one body), so the gathering happens
 * in `batch`, a builder that takes the decoded rows of many messages and is submitted at the end of
 * the turn or when it is full. Each message that waits holds a token in the batch's list; the
 * journal's done posts the list back to the loop, where every token is answered.
 * All on the loop but committed(), which runs on the apply thread.
 * SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

enum { ROWS = 8192, BYTES = 4 << 20, SERIES = 200000, TOKENS = 4096 };

struct waiting {
    mqtt_telemetry_done *done;
    void *token;
    sh_err err; /* of the decode, when the message was refused in part or whole */
};

/* Messages whose samples are in one batch. */
struct group {
    struct sh_job job;
    struct telemetry *t;
    sh_err err;
    size_t n;
    struct waiting waiting[TOKENS];
};

struct telemetry {
    struct node *node;
    struct sh_ingest *decoder;
    struct sh_batch_builder batch;
    uint32_t tenant; /* of the batch */
    struct group *group;
    struct sh_gate_who who; /* of the message being decoded */
    bool refused;
    sh_err room;           /* SH_E_LIMIT while the journal is full */
    struct sh_buf wrapped; /* a mapped message whose topic names the property */
};

enum sh_ingest_code node_ingest_code(enum sh_gate_refusal r)
{
    switch (r) {
    case SH_GATE_OK:
        return SH_INGEST_OK;
    case SH_GATE_BAD_NAME:
        return SH_INGEST_NAME;
    case SH_GATE_UNKNOWN_DEVICE:
        return SH_INGEST_UNKNOWN_DEVICE;
    case SH_GATE_UNKNOWN_PROPERTY:
        return SH_INGEST_UNKNOWN_PROPERTY;
    case SH_GATE_DEVICE_ID_CONFLICT:
        return SH_INGEST_DEVICE_ID_CONFLICT;
    case SH_GATE_FIELD_TYPE_CONFLICT:
        return SH_INGEST_FIELD_TYPE_CONFLICT;
    case SH_GATE_QUOTA:
        return SH_INGEST_QUOTA;
    case SH_GATE_DENIED:
    default:
        return SH_INGEST_DENIED;
    }
}

static enum sh_ingest_code resolve(void *ctx, const struct sh_ingest_name *name,
                                   struct sh_ingest_target *out, char detail[160])
{
    struct telemetry *t = ctx;
    const struct sh_gate_name g = {
        .device = name->device,
        .property = name->property,
        .type = name->type,
        .number_is_f64 = true,
    };
    struct sh_gate_target target;
    const enum sh_gate_refusal r = sh_gate_point(t->node->gate, &t->who, &g, &target, detail);
    if (r == SH_GATE_OK) {
        *out = (struct sh_ingest_target){target.point, target.type, target.scale, target.raw_point};
    }
    return node_ingest_code(r);
}

static sh_err add_row(struct telemetry *t, const struct sh_batch *b, uint32_t i)
{
    const enum sh_type type = (enum sh_type)b->type[i];
    if (type >= SH_T_TEXT) {
        return sh_batch_add_bytes(&t->batch, b->point[i], b->time_us[i], type, sh_batch_bytes(b, i),
                                  b->quality[i]);
    }
    return sh_batch_add(&t->batch, b->point[i], b->time_us[i], type, b->value[i], b->quality[i]);
}

static sh_err gather(void *ctx, const struct sh_batch *b)
{
    struct telemetry *t = ctx;
    for (uint32_t i = 0; i < b->len; i++) {
        SH_TRY(add_row(t, b, i));
    }
    return SH_OK;
}

static void refuse(void *ctx, const struct sh_ingest_refusal *no)
{
    struct telemetry *t = ctx;
    t->refused = true;
    sh_log(t->node->env.log, SH_LOG_DEBUG, "mqtt", "telemetry refused: %s: %s",
           sh_ingest_code_name(no->code), no->detail);
}

/* ---- commit ---- */

static void answer(void *ctx)
{
    struct group *g = ctx;
    struct telemetry *t = g->t;
    for (size_t i = 0; i < g->n; i++) {
        const struct waiting *w = &g->waiting[i];
        w->done(w->token, g->err != SH_OK ? g->err : w->err);
    }
    if (t->node->mqtt != NULL) {
        mqtt_server_kick(t->node->mqtt);
    }
    sh_mem_free(t->node->env.alloc, g);
}

static void committed(void *ctx, sh_err err, uint64_t seq)
{
    SH_UNUSED(seq);
    struct group *g = ctx;
    g->err = err;
    g->job.fn = answer;
    g->job.ctx = g;
    sh_loop_post_job(g->t->node->loop, &g->job);
}

/* Submits what was gathered. False: no room, it stays gathered. */
static bool submit(struct telemetry *t)
{
    if (t->batch.view.len == 0) {
        if (t->group != NULL) { /* messages without a sample: nothing to wait for */
            struct group *g = t->group;
            t->group = NULL;
            g->err = SH_OK;
            g->job.fn = answer;
            g->job.ctx = g;
            sh_loop_defer(t->node->loop, &g->job);
        }
        return true;
    }
    const sh_err err = sh_gate_submit(t->node->gate, t->tenant, &t->batch.view,
                                      t->group == NULL ? NULL : committed, t->group, NULL);
    if (err == SH_E_LIMIT) {
        t->room = err;
        return false;
    }
    if (err != SH_OK && t->group != NULL) {
        committed(t->group, err, 0);
    }
    t->group = NULL;
    sh_batch_builder_clear(&t->batch);
    t->room = SH_OK;
    return true;
}

void telemetry_turn_end(void *ctx)
{
    (void)submit(((struct node *)ctx)->telemetry);
}

void telemetry_resume(struct telemetry *t)
{
    if (submit(t)) {
        mqtt_broker_resume(t->node->broker);
        mqtt_server_kick(t->node->mqtt);
    }
}

/* ---- a message ---- */

static struct waiting *new_waiting(struct telemetry *t)
{
    if (t->group == NULL) {
        t->group = sh_mem_new(t->node->env.alloc, sizeof *t->group);
        if (t->group == NULL) {
            return NULL;
        }
        t->group->t = t;
    }
    return t->group->n < TOKENS ? &t->group->waiting[t->group->n++] : NULL;
}

/* {"property":payload}: the topic named the property, the payload is its value. */
static sh_err wrap(struct telemetry *t, const struct mqtt_telemetry *m)
{
    struct sh_jw w;
    sh_buf_clear(&t->wrapped);
    sh_jw_init(&w, &t->wrapped);
    sh_jw_obj(&w);
    sh_jw_key_str(&w, m->property);
    sh_jw_raw(&w, sh_bytes_str(m->payload));
    sh_jw_obj_end(&w);
    return sh_jw_end(&w);
}

static sh_err decode(struct telemetry *t, const struct mqtt_telemetry *m)
{
    const struct sh_ingest_sink sink = {
        .resolve = resolve, .submit = gather, .refuse = refuse, .ctx = t};
    const uint64_t scope = sh_hash64(t->who.device.p, t->who.device.n, t->who.tenant);
    const struct sh_ingest_opts opts = {
        .now_us = m->received_us,
        .min_time_us = sh_gate_min_time(t->node->gate),
        .max_time_us = sh_gate_max_time(t->node->gate),
        .scope = scope,
        .generation = sh_points_generation(t->node->points),
        .device = m->layout == MQTT_L_TB_GW_TELEMETRY ? SH_STR("") : m->device,
    };
    struct sh_ingest_result res;
    struct sh_bytes body = m->payload;
    t->refused = false;
    if (m->layout == MQTT_L_MAPPED && m->property.n > 0) {
        SH_TRY(wrap(t, m));
        body = sh_buf_bytes(&t->wrapped);
    }
    return sh_ingest_json(t->decoder, &sink, &opts, body, &res);
}

static bool is_samples(enum mqtt_layout l)
{
    return l == MQTT_L_SH_TELEMETRY || l == MQTT_L_TB_TELEMETRY || l == MQTT_L_TB_GW_TELEMETRY ||
           l == MQTT_L_MAPPED;
}

/* Room for one more message: the batch of another tenant, or one that may become too full, leaves
 * first. */
static bool make_room(struct telemetry *t, const struct mqtt_telemetry *m)
{
    const bool other = t->batch.view.len > 0 && t->tenant != m->principal->tenant;
    const bool full = t->batch.view.len + m->payload.n / 4 + 1 > ROWS ||
                      t->batch.view.bytes_len + m->payload.n > BYTES ||
                      (t->group != NULL && t->group->n >= TOKENS);
    return (!other && !full) || submit(t);
}

static void set_who(struct telemetry *t, const struct mqtt_telemetry *m)
{
    const struct mqtt_principal *p = m->principal;
    t->who.tenant = p->tenant;
    t->who.device = (p->flags & MQTT_P_GATEWAY) != 0 ? SH_STR("") : p->device;
    t->who.provision = node_may_provision(t->node, p);
}

static void seen(struct telemetry *t, const struct mqtt_telemetry *m)
{
    if (m->device.n > 0) {
        sh_twin_seen(t->node->twin, m->principal->tenant, m->device);
    }
}

sh_err telemetry_take(void *ctx, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                      void *token)
{
    struct telemetry *t = ((struct node *)ctx)->telemetry;
    if (!is_samples(m->layout)) {
        seen(t, m);
        if (done != NULL) {
            done(token, SH_OK);
        }
        return SH_OK;
    }
    if (t->room != SH_OK || !make_room(t, m)) {
        return SH_E_LIMIT;
    }
    t->tenant = m->principal->tenant;
    set_who(t, m);
    const uint32_t before = t->batch.view.len;
    const sh_err err = decode(t, m);
    if (err != SH_OK) {
        return err == SH_E_LIMIT ? SH_E_INVAL : err; /* one message bigger than a batch */
    }
    const bool nothing = t->batch.view.len == before;
    if (done == NULL) {
        return nothing && t->refused ? SH_E_PROTO : SH_OK;
    }
    if (nothing && t->refused) {
        return SH_E_PROTO;
    }
    struct waiting *w = new_waiting(t);
    if (w == NULL) {
        return SH_E_NOMEM;
    }
    *w = (struct waiting){done, token, SH_OK};
    return SH_OK;
}

sh_err telemetry_new(struct node *n, struct telemetry **out)
{
    struct telemetry *t = sh_mem_new(n->env.alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    t->node = n;
    sh_batch_builder_init(&t->batch, n->env.alloc, 4 * ROWS, 2 * BYTES);
    sh_buf_init(&t->wrapped, n->env.alloc, BYTES);
    const sh_err err = sh_ingest_new(&n->env, ROWS, SERIES, &t->decoder);
    if (err != SH_OK) {
        telemetry_free(t);
        return err;
    }
    *out = t;
    return SH_OK;
}

void telemetry_free(struct telemetry *t)
{
    if (t != NULL) {
        sh_ingest_free(t->decoder);
        sh_batch_builder_fini(&t->batch);
        sh_buf_fini(&t->wrapped);
        sh_mem_free(t->node->env.alloc, t->group);
        sh_mem_free(t->node->env.alloc, t);
    }
}
