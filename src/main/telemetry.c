/* telemetry.c - MQTT payloads through the JSON decoder into the gate.
 *
 * The decoder holds the rows of many messages (opts.hold) and submits them as one batch at the end
 * of the loop's turn, when it is full, or when another tenant speaks. Each message that waits for
 * its acknowledgement is in the batch's group; the commit posts the group back to the loop, where
 * every token is answered. A message that does not fit into one batch goes on in the next: an error
 * of the first is carried over, so that half a message is never acknowledged.
 * All under the broker's lock but committed(), which runs on the apply thread, in the order of the
 * batches.
 * SPDX-License-Identifier: Apache-2.0 */
#include "main_int.h"

enum { ROWS = 8192, BYTES = 4 << 20, SERIES = 200000, TOKENS = 4096, SPARES = 8 };

struct waiting {
    mqtt_telemetry_done *done;
    void *token;
};

/* Messages whose samples are in one batch. */
struct group {
    struct sh_job job;
    struct telemetry *t;
    struct group *next; /* spare ones */
    sh_err err;
    bool continues; /* the next batch holds the rest of a message */
    size_t n;
    struct waiting waiting[TOKENS];
};

struct telemetry {
    struct node *node;
    struct sh_ingest *decoder;
    uint32_t tenant;      /* of the rows held */
    struct group *group;  /* of the rows held; NULL when nobody waits for them */
    struct group *spares; /* answered; a batch a turn takes one */
    unsigned nspares;
    struct sh_gate_who who; /* of the message being decoded */
    bool decoding;
    bool refused;
    bool stopped;
    sh_err later;          /* why a series of the message could not be made now */
    sh_err room;           /* SH_E_LIMIT while the journal is full */
    sh_err carried;        /* error of a batch that the next one continues */
    struct sh_buf wrapped; /* a mapped message whose topic names the property */
};

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
    if (r == SH_GATE_NOT_NOW && t->later == SH_OK) {
        t->later = target.why;
    }
    return sh_api_refusal_code(r);
}

static void refuse(void *ctx, const struct sh_ingest_refusal *no)
{
    struct telemetry *t = ctx;
    t->refused = true;
    sh_log(t->node->env.log, SH_LOG_DEBUG, "mqtt", "telemetry refused: %s: %s",
           sh_ingest_code_name(no->code), no->detail);
}

/* ---- commit ---- */

static struct group *want_group(struct telemetry *t)
{
    if (t->group != NULL) {
        return t->group;
    }
    struct group *g = t->spares;
    if (g != NULL) {
        t->spares = g->next;
        t->nspares--;
    } else {
        g = sh_mem_resize(t->node->env.alloc, NULL, sizeof *g); /* 64 KiB: not cleared */
    }
    if (g != NULL) {
        g->t = t;
        g->n = 0;
        g->err = SH_OK;
        g->continues = false;
    }
    t->group = g;
    return g;
}

static void group_back(struct group *g)
{
    struct telemetry *t = g->t;
    if (t->nspares == SPARES) {
        sh_mem_free(t->node->env.alloc, g);
        return;
    }
    g->next = t->spares;
    t->spares = g;
    t->nspares++;
}

static void answer(void *ctx)
{
    struct group *g = ctx;
    struct telemetry *t = g->t;
    const sh_err err = g->err != SH_OK ? g->err : t->carried;
    t->carried = g->continues ? err : SH_OK;
    node_enter(t->node);
    for (size_t i = 0; i < g->n; i++) {
        g->waiting[i].done(g->waiting[i].token, err);
    }
    group_back(g);
    node_leave(t->node);
    if (t->node->mqtt != NULL) {
        mqtt_server_kick(t->node->mqtt);
    }
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

/* The decoder's submit: at the end of a turn, or in the middle of a message that is too big. */
static sh_err submit(void *ctx, const struct sh_batch *b)
{
    struct telemetry *t = ctx;
    if (t->decoding && want_group(t) == NULL) {
        return SH_E_NOMEM;
    }
    struct group *g = t->group;
    if (g != NULL) {
        g->continues = t->decoding;
    }
    const sh_err err =
        sh_gate_submit(t->node->gate, t->tenant, b, g == NULL ? NULL : committed, g, NULL);
    if (err == SH_OK) {
        t->group = NULL;
    }
    return err;
}

static const struct sh_ingest_sink *sink_of(struct telemetry *t, struct sh_ingest_sink *out);

/* Submits what is held. False: no room, it stays held. */
static bool flush(struct telemetry *t)
{
    struct sh_ingest_sink sink;
    if (t->stopped) {
        return true;
    }
    const sh_err err = sh_ingest_flush(t->decoder, sink_of(t, &sink));
    if (err == SH_E_LIMIT) {
        t->room = err;
        return false;
    }
    t->room = SH_OK;
    if (t->group != NULL) { /* refused, or messages without a row: told in the order of batches */
        committed(t->group, err, 0);
        t->group = NULL;
    }
    if (err != SH_OK) {
        sh_ingest_drop(t->decoder);
    }
    return true;
}

void telemetry_turn_end(void *ctx)
{
    (void)flush(((struct node *)ctx)->telemetry);
}

void telemetry_resume(struct telemetry *t)
{
    node_enter(t->node);
    const bool room = flush(t);
    if (room) {
        mqtt_broker_resume(t->node->broker);
    }
    node_leave(t->node);
    if (room) {
        mqtt_server_kick(t->node->mqtt);
    }
}

void telemetry_stop(struct telemetry *t)
{
    if (t == NULL || t->stopped) {
        return;
    }
    if (!flush(t)) {
        const sh_err err = sh_journal_sync(t->node->journal); /* that makes room */
        if (err != SH_OK || !flush(t)) {
            sh_log(t->node->env.log, SH_LOG_WARN, "mqtt", "%u samples were not taken: %s",
                   sh_ingest_held(t->decoder), sh_err_name(err));
            sh_ingest_drop(t->decoder);
        }
    }
    if (t->group != NULL) {
        committed(t->group, SH_E_CANCELED, 0);
        t->group = NULL;
    }
    t->stopped = true;
}

/* ---- a message ---- */

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

static const struct sh_ingest_sink *sink_of(struct telemetry *t, struct sh_ingest_sink *out)
{
    *out =
        (struct sh_ingest_sink){.resolve = resolve, .submit = submit, .refuse = refuse, .ctx = t};
    return out;
}

static sh_err decode(struct telemetry *t, const struct mqtt_telemetry *m, bool *taken)
{
    struct sh_ingest_sink sink;
    const uint64_t scope = sh_hash64(t->who.device.p, t->who.device.n, t->who.tenant);
    const struct sh_ingest_opts opts = {
        .now_us = m->received_us,
        .min_time_us = sh_gate_min_time(t->node->gate),
        .max_time_us = sh_gate_max_time(t->node->gate),
        .scope = scope,
        .generation = sh_points_generation(t->node->points),
        .device = m->layout == MQTT_L_TB_GW_TELEMETRY ? SH_STR("") : m->device,
        .hold = true,
    };
    struct sh_ingest_result res;
    struct sh_bytes body = m->payload;
    t->refused = false;
    t->later = SH_OK;
    if (m->layout == MQTT_L_MAPPED && m->property.n > 0) {
        SH_TRY(wrap(t, m));
        body = sh_buf_bytes(&t->wrapped);
    }
    t->decoding = true;
    const sh_err err = sh_ingest_json(t->decoder, sink_of(t, &sink), &opts, body, &res);
    t->decoding = false;
    *taken = res.samples > 0;
    return err;
}

static bool is_samples(enum mqtt_layout l)
{
    return l == MQTT_L_SH_TELEMETRY || l == MQTT_L_TB_TELEMETRY || l == MQTT_L_TB_GW_TELEMETRY ||
           l == MQTT_L_MAPPED;
}

/* Room for one more message: the rows of another tenant leave first, and a full group. */
static bool make_room(struct telemetry *t, const struct mqtt_telemetry *m)
{
    const bool other =
        t->tenant != m->principal->tenant && (sh_ingest_held(t->decoder) > 0 || t->group != NULL);
    const bool full = t->group != NULL && t->group->n >= TOKENS;
    return (!other && !full) || flush(t);
}

static void set_who(struct telemetry *t, const struct mqtt_telemetry *m)
{
    const struct mqtt_principal *p = m->principal;
    t->who.tenant = p->tenant;
    t->who.device = (p->flags & MQTT_P_GATEWAY) != 0 ? SH_STR("") : p->device;
    t->who.provision = node_may_provision(t->node, p);
}

sh_err telemetry_take(void *ctx, const struct mqtt_telemetry *m, mqtt_telemetry_done *done,
                      void *token)
{
    struct telemetry *t = ((struct node *)ctx)->telemetry;
    if (m->layout != MQTT_L_SH_EVENT && sh_gate_closed(t->node->gate)) {
        return SH_E_FULL; /* before devices and points are made for it */
    }
    if (!is_samples(m->layout)) {
        return reports_take(t->node, m, done, token);
    }
    if (t->stopped || t->room != SH_OK || !make_room(t, m)) {
        return SH_E_LIMIT;
    }
    if (done != NULL && want_group(t) == NULL) {
        return SH_E_NOMEM;
    }
    t->tenant = m->principal->tenant;
    set_who(t, m);
    bool taken = false;
    const sh_err err = decode(t, m, &taken);
    if (err != SH_OK) {
        return err;
    }
    if (t->later != SH_OK) {
        return t->later; /* sent again, its other values come twice and are the same */
    }
    if (!taken && t->refused) {
        return SH_E_PROTO;
    }
    if (done == NULL) {
        return SH_OK;
    }
    struct group *g = want_group(t); /* a big message may have sent the first one off */
    if (g == NULL) {
        return SH_E_NOMEM;
    }
    g->waiting[g->n++] = (struct waiting){done, token};
    return SH_OK;
}

sh_err telemetry_new(struct node *n, struct telemetry **out)
{
    struct telemetry *t = sh_mem_new(n->env.alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    t->node = n;
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
        sh_buf_fini(&t->wrapped);
        sh_mem_free(t->node->env.alloc, t->group);
        while (t->spares != NULL) {
            struct group *g = t->spares;
            t->spares = g->next;
            sh_mem_free(t->node->env.alloc, g);
        }
        sh_mem_free(t->node->env.alloc, t);
    }
}
