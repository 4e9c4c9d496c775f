/* field.c - channels of drivers into the gate, and commands back to them.
 *
 * The engine lives on the loop. What comes from workers (a channel put, a state asked for) is run
 * on the loop by node_on_loop(), which waits for it. A channel's `line` maps its tags to points; a
 * tag is resolved with its first sample and again when the catalogue's generation changes.
 * States: serving -> stopped (field_stop: no engine, no channel; puts are refused, states are not
 * found, commands go by MQTT) -> freed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include <sh/modbus.h>

#include "field_int.h"

#define CHANNEL_KIND SH_STR("_channel")
enum { ROWS = 8192, BYTES = 1 << 20, ARENA = 32 << 20 };

/* ---- running on the loop ---- */

struct call {
    struct sh_job job;
    struct sh_mutex lock;
    struct sh_cond cond;
    bool done;
    sh_err (*fn)(void *ctx);
    void *ctx;
    sh_err err;
};

static void call_run(void *ctx)
{
    struct call *c = ctx;
    const sh_err err = c->fn(c->ctx);
    sh_mutex_lock(&c->lock);
    c->err = err;
    c->done = true;
    sh_cond_signal(&c->cond);
    sh_mutex_unlock(&c->lock);
}

sh_err node_on_loop(struct node *n, sh_err (*fn)(void *ctx), void *ctx)
{
    if (sh_loop_here(n->loop)) {
        return fn(ctx);
    }
    struct call c = {.fn = fn, .ctx = ctx};
    c.job.fn = call_run;
    c.job.ctx = &c;
    sh_mutex_init(&c.lock);
    sh_cond_init(&c.cond);
    sh_loop_post_job(n->loop, &c.job);
    sh_mutex_lock(&c.lock);
    while (!c.done) {
        sh_cond_wait(&c.cond, &c.lock);
    }
    sh_mutex_unlock(&c.lock);
    sh_cond_fini(&c.cond);
    sh_mutex_fini(&c.lock);
    return c.err;
}

/* ---- samples ---- */

/* SH_E_DENIED: refused. Other errors: not now (SH_E_LIMIT: the journal's queue is full). */
static sh_err resolve(struct line *l, struct tag *t, enum sh_type type)
{
    struct node *n = l->field->node;
    const uint64_t generation = sh_points_generation(n->points);
    if (t->target.point != 0 && t->generation == generation) {
        return SH_OK;
    }
    char detail[160];
    const struct sh_gate_who who = {.tenant = l->tenant, .provision = true};
    const struct sh_gate_name name = {.device = t->device, .property = t->property, .type = type};
    const enum sh_gate_refusal r = sh_gate_point(n->gate, &who, &name, &t->target, detail);
    t->generation = generation;
    if (r != SH_GATE_OK) {
        t->target.point = 0;
        sh_log(n->env.log, SH_LOG_WARN, "channels", "%.*s/%.*s refused: %s", SH_PRI(t->device),
               SH_PRI(t->property), detail);
    }
    return r == SH_GATE_OK ? SH_OK : r == SH_GATE_NOT_NOW ? t->target.why : SH_E_DENIED;
}

/* The raw cell as the scale wants it, or as the point's own type when there is no scale. */
static bool convert(enum sh_type from, enum sh_type to, union sh_cell *v)
{
    if (from == to) {
        return true;
    }
    const bool whole = from == SH_T_I64 || from == SH_T_BOOL;
    if (to == SH_T_F64 && whole) {
        const double number = (double)v->i64;
        v->f64 = number;
        return true;
    }
    if (to == SH_T_I64 && from == SH_T_F64 && fabs(v->f64) < 9007199254740992.0 &&
        rint(v->f64) == v->f64) {
        const int64_t number = (int64_t)v->f64;
        v->i64 = number;
        return true;
    }
    if (to == SH_T_I64 && from == SH_T_BOOL) {
        return true;
    }
    if (to == SH_T_BOOL && from == SH_T_I64) {
        const uint64_t bit = v->i64 != 0 ? 1 : 0;
        v->bits = bit;
        return true;
    }
    return false;
}

static sh_err add_text(struct field *f, const struct tag *t, const struct sh_batch *b, uint32_t i)
{
    const struct sh_scale *s = t->target.scale;
    uint8_t quality = b->quality[i];
    if (s == NULL) {
        return t->target.type == (enum sh_type)b->type[i]
                   ? sh_batch_add_bytes(&f->batch, t->target.point, b->time_us[i], t->target.type,
                                        sh_batch_bytes(b, i), quality)
                   : SH_E_INVAL;
    }
    union sh_cell cell = {.bits = 0};
    sh_buf_clear(&f->text);
    SH_TRY(sh_scale_text(s, sh_batch_bytes(b, i), &f->text, &cell, &quality));
    if (t->target.type < SH_T_TEXT) {
        return sh_batch_add(&f->batch, t->target.point, b->time_us[i], t->target.type, cell,
                            quality);
    }
    const struct sh_bytes text = sh_bytes_of(f->text.p + cell.span.off, cell.span.len);
    return sh_batch_add_bytes(&f->batch, t->target.point, b->time_us[i], t->target.type, text,
                              quality);
}

static sh_err add_row(struct line *l, const struct sh_batch *b, uint32_t i)
{
    struct field *f = l->field;
    struct tag *t = &l->tags[b->point[i]];
    const enum sh_type type = (enum sh_type)b->type[i];
    SH_TRY(resolve(l, t, type));
    if (type >= SH_T_TEXT) {
        return add_text(f, t, b, i);
    }
    union sh_cell cell = b->value[i];
    uint8_t quality = b->quality[i];
    const struct sh_scale *s = t->target.scale;
    if (!convert(type, s != NULL ? s->raw_type : t->target.type, &cell)) {
        return SH_E_INVAL;
    }
    if (s != NULL && t->target.raw_point != 0) {
        SH_TRY(sh_batch_add(&f->batch, t->target.raw_point, b->time_us[i], s->raw_type, cell,
                            quality));
    }
    if (s != NULL) {
        cell = sh_scale_one(s, cell, &quality);
    }
    if (s != NULL &&
        t->target.type >= SH_T_TEXT) { /* enumeration words: the cell is a span of the scale */
        const struct sh_bytes word = sh_bytes_of(s->text + cell.span.off, cell.span.len);
        return sh_batch_add_bytes(&f->batch, t->target.point, b->time_us[i], t->target.type, word,
                                  quality);
    }
    return sh_batch_add(&f->batch, t->target.point, b->time_us[i], t->target.type, cell, quality);
}

static sh_err take_samples(void *ctx, void *user, const struct sh_batch *b)
{
    struct field *f = ctx;
    struct line *l = user;
    sh_batch_builder_clear(&f->batch);
    for (uint32_t i = 0; i < b->len; i++) {
        const sh_err err = add_row(l, b, i);
        if (err == SH_E_NOMEM || err == SH_E_LIMIT) {
            return err;
        }
        l->dropped += err != SH_OK ? 1 : 0;
    }
    if (f->batch.view.len == 0) {
        return SH_OK;
    }
    return sh_gate_submit(f->node->gate, l->tenant, &f->batch.view, NULL, NULL, NULL);
}

/* twin counts the links of a device: each one that goes up must come down once. */
static void link_device(struct line *l, uint32_t device, bool up)
{
    if (l->up[device] != up) {
        l->up[device] = up;
        sh_twin_link(l->field->node->twin, l->tenant, l->config.devices[device].id,
                     SH_TWIN_LINK_CHANNEL, up);
    }
}

static void link_none(struct line *l)
{
    for (uint32_t i = 0; i < l->config.n_devices; i++) {
        link_device(l, i, false);
    }
}

static void device_state(void *ctx, void *user, uint32_t device, enum sh_comm_state state,
                         int64_t wall_us, const char *words)
{
    SH_UNUSED(wall_us);
    struct field *f = ctx;
    struct line *l = user;
    const struct sh_str id = l->config.devices[device].id;
    if (state == SH_COMM_OFFLINE && !l->up[device]) { /* never heard of: offline, not "never" */
        sh_twin_link(f->node->twin, l->tenant, id, SH_TWIN_LINK_CHANNEL, false);
    }
    link_device(l, device, state == SH_COMM_ONLINE);
    if (words[0] != '\0') {
        sh_log(f->node->env.log, SH_LOG_INFO, "channels", "%.*s is %s: %s", SH_PRI(id),
               sh_comm_state_name(state), words);
    }
}

/* ---- channels ---- */

static void line_free(struct line *l)
{
    if (l != NULL) {
        json_decref(l->doc);
        sh_arena_free(l->arena);
        sh_mem_free(l->field->node->env.alloc, l);
    }
}

static sh_err line_fill(struct line *l, uint32_t tenant, struct sh_str id, struct sh_diag *diag)
{
    SH_TRY(sh_channel_config_parse(l->doc, l->arena, &l->config, diag));
    l->tenant = tenant;
    l->id = sh_arena_str(l->arena, id);
    l->name = sh_arena_printf(l->arena, "%u:%.*s", tenant, SH_PRI(id));
    l->config.id = l->name;
    l->config.shown = l->id;
    l->tags = sh_arena_array(l->arena, l->config.n_tags + 1u, sizeof *l->tags);
    l->up = sh_arena_array(l->arena, l->config.n_devices + 1u, sizeof *l->up);
    struct sh_channel_device *devices =
        sh_arena_array(l->arena, l->config.n_devices + 1u, sizeof *devices);
    if (l->id.p == NULL || l->name.p == NULL || l->tags == NULL || l->up == NULL ||
        devices == NULL) {
        return SH_E_NOMEM;
    }
    for (uint32_t i = 0; i < l->config.n_devices; i++) {
        devices[i] = l->config.devices[i];
    }
    l->devices = devices;
    l->config.devices = devices;
    for (uint32_t i = 0; i < l->config.n_tags; i++) {
        l->tags[i].device = devices[l->config.tags[i].device].id;
        l->tags[i].property = l->config.tags[i].property;
    }
    return SH_OK;
}

static sh_err line_new(struct field *f, uint32_t tenant, struct sh_str id, const json_t *config,
                       struct sh_diag *diag, struct line **out)
{
    const struct sh_alloc *a = f->node->env.alloc;
    struct line *l = sh_mem_new(a, sizeof *l);
    if (l == NULL) {
        return SH_E_NOMEM;
    }
    l->field = f;
    l->arena = sh_arena_new(a, ARENA);
    l->doc = json_deep_copy(config);
    const sh_err err =
        l->arena == NULL || l->doc == NULL ? SH_E_NOMEM : line_fill(l, tenant, id, diag);
    if (err != SH_OK) {
        line_free(l);
        return err;
    }
    *out = l;
    return SH_OK;
}

static struct line **line_find(struct field *f, uint32_t tenant, struct sh_str id)
{
    struct line **at = &f->lines;
    while (*at != NULL && ((*at)->tenant != tenant || !sh_str_eq((*at)->id, id))) {
        at = &(*at)->next;
    }
    return at;
}

static void line_remove(struct field *f, uint32_t tenant, struct sh_str id)
{
    struct line **at = line_find(f, tenant, id);
    struct line *l = *at;
    if (l == NULL) {
        return;
    }
    const sh_err err = sh_channels_remove(f->engine, l->name);
    if (err != SH_OK) {
        sh_log(f->node->env.log, SH_LOG_WARN, "channels", "channel not removed: %s",
               sh_err_name(err));
    }
    link_none(l);
    *at = l->next;
    line_free(l);
}

struct put_call {
    struct field *f;
    struct line *line;
    uint32_t tenant;
    struct sh_str id;
    struct sh_diag *diag;
};

static sh_err put_on_loop(void *ctx)
{
    struct put_call *p = ctx;
    if (p->f->engine == NULL) {
        return SH_E_CLOSED;
    }
    if (p->line == NULL) {
        line_remove(p->f, p->tenant, p->id);
        return SH_OK;
    }
    /* The engine keeps `user` by pointer: the new line takes over, then the old one goes. */
    struct line **at = line_find(p->f, p->tenant, p->id);
    struct line *old = *at;
    /* Here and not before: a change of the permission is posted to the line that stands here. */
    for (uint32_t i = 0; i < p->line->config.n_devices; i++) {
        struct sh_channel_device *d = &p->line->devices[i];
        d->writable = sh_twin_writable(p->f->node->twin, p->tenant, d->id);
    }
    SH_TRY(sh_channels_put(p->f->engine, &p->line->config, p->line, p->diag, &p->line->channel));
    for (uint32_t i = 0; i < p->line->config.n_devices; i++) { /* what stayed up stays up */
        struct sh_channel_device_info d;
        if (sh_channel_device_info(p->line->channel, i, &d) == SH_OK) {
            link_device(p->line, i, d.state == SH_COMM_ONLINE);
        }
    }
    p->line->next = old == NULL ? NULL : old->next;
    *at = p->line;
    if (old != NULL) {
        link_none(old);
    }
    line_free(old);
    return SH_OK;
}

sh_err field_put(void *ctx, uint32_t tenant, struct sh_str id, const json_t *config,
                 bool check_only, struct sh_diag *diag)
{
    struct node *n = ctx;
    struct put_call p = {.f = n->field, .tenant = tenant, .id = id, .diag = diag};
    if (config != NULL) {
        SH_TRY(line_new(n->field, tenant, id, config, diag, &p.line));
    }
    if (check_only) {
        line_free(p.line);
        return SH_OK;
    }
    const sh_err err = node_on_loop(n, put_on_loop, &p);
    if (err != SH_OK) {
        line_free(p.line);
    }
    return err;
}

static sh_err load_one(void *ctx, const struct sh_record_row *row)
{
    struct field *f = ctx;
    json_t *doc = NULL;
    struct sh_diag d = {0};
    sh_err err = sh_json_parse(row->doc, 8 << 20, &doc, &d);
    if (err == SH_OK) {
        err = field_put(f->node, row->tenant, row->id, doc, false, &d);
    }
    if (err != SH_OK) {
        sh_log(f->node->env.log, SH_LOG_ERROR, "channels", "channel %.*s was not started: %s",
               SH_PRI(row->id), d.message);
    }
    json_decref(doc);
    return SH_OK;
}

void field_load(struct field *f)
{
    const sh_err err =
        sh_record_scan(f->node->record, SH_RECORD_ALL_TENANTS, CHANNEL_KIND, load_one, f);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_log(f->node->env.log, SH_LOG_ERROR, "channels", "channels were not read: %s",
               sh_err_name(err));
    }
}

/* ---- what they look like ---- */

struct state_call {
    struct node *n;
    uint32_t tenant;
    struct sh_str name; /* channel id or device id */
    struct sh_jw *w;
};

static sh_err state_on_loop(void *ctx)
{
    struct state_call *s = ctx;
    const struct line *l = *line_find(s->n->field, s->tenant, s->name);
    if (l == NULL || l->channel == NULL) {
        return SH_E_NOTFOUND;
    }
    sh_channel_write_state(l->channel, s->w);
    return SH_OK;
}

sh_err field_state(void *ctx, uint32_t tenant, struct sh_str id, struct sh_jw *w)
{
    struct state_call s = {ctx, tenant, id, w};
    return node_on_loop(ctx, state_on_loop, &s);
}

struct line *field_line_of(struct field *f, uint32_t tenant, struct sh_str device, uint32_t *index)
{
    for (struct line *l = f->lines; l != NULL; l = l->next) {
        for (uint32_t i = 0; l->tenant == tenant && i < l->config.n_devices; i++) {
            if (sh_str_eq(l->config.devices[i].id, device)) {
                *index = i;
                return l;
            }
        }
    }
    return NULL;
}

struct session_call {
    struct state_call *s;
    bool found;
};

static bool put_session(void *ctx, const struct mqtt_session_info *m)
{
    struct session_call *c = ctx;
    if (!m->connected || !sh_str_eq(m->device, c->s->name)) {
        return true;
    }
    struct sh_jw *w = c->s->w;
    c->found = true;
    sh_jw_obj(w);
    sh_jw_key(w, "kind");
    sh_jw_c(w, "mqtt");
    sh_jw_key(w, "state");
    sh_jw_c(w, "online");
    sh_jw_key(w, "since");
    sh_jw_time(w, m->since_us);
    sh_jw_key(w, "client_id");
    sh_jw_str(w, m->client_id);
    sh_jw_key(w, "address");
    sh_jw_str(w, m->address);
    sh_jw_key(w, "version");
    sh_jw_c(w, m->version == 5 ? "5.0" : "3.1.1");
    sh_jw_key(w, "ok");
    sh_jw_u64(w, m->publish_in);
    sh_jw_key(w, "errors");
    sh_jw_u64(w, m->dropped);
    sh_jw_obj_end(w);
    return false;
}

static sh_err connection_on_loop(void *ctx)
{
    struct state_call *s = ctx;
    uint32_t index = 0;
    const struct line *l = field_line_of(s->n->field, s->tenant, s->name, &index);
    if (l != NULL && l->channel != NULL) {
        sh_channel_write_device(l->channel, index, s->w);
        return SH_OK;
    }
    struct session_call c = {s, false};
    node_enter(s->n);
    mqtt_broker_sessions(s->n->broker, s->tenant, put_session, &c);
    node_leave(s->n);
    return c.found ? SH_OK : SH_E_NOTFOUND;
}

sh_err field_connection(void *ctx, uint32_t tenant, struct sh_str device, struct sh_jw *w)
{
    struct state_call s = {ctx, tenant, device, w};
    return node_on_loop(ctx, connection_on_loop, &s);
}

static const struct sh_driver *const drivers[] = {&sh_driver_modbus, NULL};

void field_drivers(void *ctx, struct sh_jw *w)
{
    SH_UNUSED(ctx);
    for (const struct sh_driver *const *d = drivers; *d != NULL; d++) {
        sh_jw_obj(w);
        sh_jw_key(w, "name");
        sh_jw_c(w, (*d)->name);
        sh_jw_key(w, "title");
        sh_jw_obj(w);
        sh_jw_key(w, "zh");
        sh_jw_c(w, (*d)->title_zh);
        sh_jw_key(w, "en");
        sh_jw_c(w, (*d)->title_en);
        sh_jw_obj_end(w);
        sh_jw_key(w, "channel_schema");
        sh_jw_raw(w, sh_str_c((*d)->channel_schema));
        sh_jw_key(w, "device_schema");
        sh_jw_raw(w, sh_str_c((*d)->device_schema));
        sh_jw_key(w, "point_schema");
        sh_jw_raw(w, sh_str_c((*d)->point_schema));
        sh_jw_obj_end(w);
    }
}

/* ---- life ---- */

sh_err field_new(struct node *n, struct field **out)
{
    static const struct sh_channel_sink_ops sink = {.samples = take_samples,
                                                    .device_state = device_state};
    struct field *f = sh_mem_new(n->env.alloc, sizeof *f);
    if (f == NULL) {
        return SH_E_NOMEM;
    }
    f->node = n;
    sh_batch_builder_init(&f->batch, n->env.alloc, 2 * ROWS, BYTES);
    sh_buf_init(&f->text, n->env.alloc, BYTES);
    const struct sh_channels_opts o = {
        .loop = n->loop, .drivers = drivers, .sink = &sink, .sink_ctx = f};
    sh_err err = sh_channels_new(&o, &f->engine);
    if (err == SH_OK) {
        err = mqtt_subscribe_internal(n->broker, 0, SH_STR("sh/v1/+/cmd/+/reply"), command_reply, n,
                                      &f->replies);
    }
    if (err != SH_OK) {
        field_free(f);
        return err;
    }
    *out = f;
    return SH_OK;
}

void field_stop(struct field *f)
{
    if (f == NULL) {
        return;
    }
    if (f->replies != NULL) {
        node_enter(f->node);
        mqtt_unsubscribe_internal(f->node->broker, f->replies);
        node_leave(f->node);
        f->replies = NULL;
    }
    sh_channels_free(f->engine);
    f->engine = NULL;
    for (struct line *l = f->lines; l != NULL; l = l->next) {
        l->channel = NULL;
    }
}

void field_free(struct field *f)
{
    if (f == NULL) {
        return;
    }
    field_stop(f);
    while (f->lines != NULL) {
        struct line *next = f->lines->next;
        line_free(f->lines);
        f->lines = next;
    }
    sh_batch_builder_fini(&f->batch);
    sh_buf_fini(&f->text);
    sh_mem_free(f->node->env.alloc, f);
}
