/* command.c - commands and write permissions, from workers over the loop to drivers or MQTT, and
 * the answers back. SPDX-License-Identifier: Apache-2.0 */
#include "field_int.h"

struct writable_call {
    struct sh_job job;
    struct node *n;
    uint32_t tenant;
    struct sh_str device;
};

static void write_changed(void *ctx)
{
    struct writable_call *c = ctx;
    uint32_t index = 0;
    const struct line *l = field_line_of(c->n->field, c->tenant, c->device, &index);
    if (l != NULL && l->channel != NULL) {
        const bool on = sh_twin_writable(c->n->twin, c->tenant, c->device);
        if (sh_channel_set_writable(l->channel, index, on) != SH_OK) {
            sh_log(c->n->env.log, SH_LOG_WARN, "channels", "write permission was not changed");
        }
    }
    sh_str_free(c->n->env.alloc, &c->device);
    sh_mem_free(c->n->env.alloc, c);
}

void field_write_changed(void *ctx, uint32_t tenant, struct sh_str device)
{
    struct node *n = ctx;
    struct writable_call *c = sh_mem_new(n->env.alloc, sizeof *c);
    if (c == NULL) {
        return;
    }
    c->n = n;
    c->tenant = tenant;
    c->device = sh_str_dup(n->env.alloc, device);
    c->job.fn = write_changed;
    c->job.ctx = c;
    sh_loop_post_job(n->loop, &c->job);
}

/* A command on its way over the loop. Texts stand behind the struct. */
struct command {
    struct sh_job job;
    struct node *n;
    uint32_t tenant;
    bool property;
    struct sh_str id;
    struct sh_str device;
    struct sh_str name;
    struct sh_str value;
};

static void command_done(struct command *c, bool ok, struct sh_str result)
{
    const sh_err err = sh_twin_command_done(c->n->twin, c->tenant, c->id, ok, result);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_log(c->n->env.log, SH_LOG_WARN, "command", "result was not kept: %s", sh_err_name(err));
    }
    sh_mem_free(c->n->env.alloc, c);
}

static void driver_done(void *ctx, enum sh_drv_result r, const char *words)
{
    const char *text = words[0] != '\0' ? words : sh_drv_result_name(r);
    command_done(ctx, r == SH_DRV_DONE, sh_str_c(text));
}

/* Engineering value to what the tag takes. */
static bool write_value(struct command *c, const struct line *l, uint32_t tag,
                        struct sh_channel_write *w, json_t **held)
{
    const uint32_t id = sh_points_find(c->n->points, c->tenant, c->device, c->name);
    const struct sh_point *p = sh_points_get(c->n->points, id);
    json_t *v = NULL;
    uint32_t raw = 0;
    if (p == NULL || sh_json_parse(c->value, 65536, &v, NULL) != SH_OK) {
        return false;
    }
    *held = v;
    w->tag = tag;
    w->type = p->type;
    SH_UNUSED(l);
    if (json_is_string(v)) {
        w->text = sh_bytes_of(json_string_value(v), json_string_length(v));
        return p->type == SH_T_TEXT;
    }
    if (json_is_boolean(v)) {
        w->value.bits = json_is_true(v) ? 1 : 0;
        return p->type == SH_T_BOOL;
    }
    if (!json_is_number(v) || p->type == SH_T_TEXT || p->type == SH_T_BLOB) {
        return false;
    }
    if (p->type == SH_T_F64) {
        w->value.f64 = json_number_value(v);
    } else {
        w->value.i64 = (int64_t)json_number_value(v);
    }
    const struct sh_scale *s = sh_points_scale(c->n->points, id, &raw);
    if (s == NULL) {
        return true;
    }
    w->type = s->raw_type;
    return sh_scale_invert(s, w->value, &w->value) == SH_OK;
}

static bool write_by_driver(struct command *c, const struct line *l, uint32_t device)
{
    for (uint32_t i = 0; i < l->config.n_tags; i++) {
        if (l->config.tags[i].device != device || !sh_str_eq(l->config.tags[i].property, c->name)) {
            continue;
        }
        struct sh_channel_write w = {.done = driver_done, .ctx = c};
        json_t *held = NULL;
        sh_err err = write_value(c, l, i, &w, &held) ? SH_OK : SH_E_INVAL;
        if (err == SH_OK) {
            err = sh_channel_write(l->channel, &w);
        }
        json_decref(held);
        if (err != SH_OK) {
            command_done(c, false,
                         sh_str_c(err == SH_E_INVAL ? "the value does not fit the point's type "
                                                      "or range"
                                                    : sh_err_name(err)));
        }
        return true;
    }
    return false;
}

static void send_by_mqtt(struct command *c)
{
    struct sh_buf topic;
    struct sh_buf body;
    struct sh_jw w;
    sh_buf_init(&topic, c->n->env.alloc, 4096);
    sh_buf_init(&body, c->n->env.alloc, 1 << 20);
    sh_jw_init(&w, &body);
    sh_jw_obj(&w);
    sh_jw_key(&w, "id");
    sh_jw_str(&w, c->id);
    sh_jw_key(&w, c->property ? "property" : "service");
    sh_jw_str(&w, c->name);
    sh_jw_key(&w, "value");
    sh_jw_raw(&w, c->value.n == 0 ? SH_STR("null") : c->value);
    sh_jw_obj_end(&w);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_buf_put_c(&topic, "sh/v1/");
    }
    if (err == SH_OK) {
        err = mqtt_topic_put_device(&topic, c->device);
    }
    if (err == SH_OK) {
        err = sh_buf_printf(&topic, "/cmd/%.*s", SH_PRI(c->id));
    }
    if (err == SH_OK) {
        node_enter(c->n);
        err = mqtt_publish_internal(c->n->broker, c->tenant, sh_buf_str(&topic),
                                    sh_buf_bytes(&body), 1, false);
        node_leave(c->n);
    }
    sh_buf_fini(&topic);
    sh_buf_fini(&body);
    if (c->n->mqtt != NULL) {
        mqtt_server_kick(c->n->mqtt);
    }
    if (err != SH_OK) {
        command_done(c, false, sh_str_c(sh_err_name(err)));
        return;
    }
    sh_mem_free(c->n->env.alloc, c); /* the reply comes by its topic, or the deadline passes */
}

static void command_run(void *ctx)
{
    struct command *c = ctx;
    uint32_t device = 0;
    struct line *l = field_line_of(c->n->field, c->tenant, c->device, &device);
    if (l != NULL && c->property && l->channel != NULL && write_by_driver(c, l, device)) {
        return;
    }
    send_by_mqtt(c);
}

static struct sh_str keep(char **at, struct sh_str s)
{
    const struct sh_str out = {*at, s.n};
    if (s.n > 0) {
        memcpy(*at, s.p, s.n);
    }
    *at += s.n;
    return out;
}

sh_err node_send(void *ctx, const struct sh_twin_command *tc)
{
    struct node *n = ctx;
    struct command *c = sh_mem_new(n->env.alloc, sizeof *c + tc->id.n + tc->device.n + tc->name.n +
                                                     tc->value.n + 1);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    char *at = (char *)(c + 1);
    c->n = n;
    c->tenant = tc->tenant;
    c->property = tc->property;
    c->id = keep(&at, tc->id);
    c->device = keep(&at, tc->device);
    c->name = keep(&at, tc->name);
    c->value = keep(&at, tc->value);
    c->job.fn = command_run;
    c->job.ctx = c;
    sh_loop_post_job(n->loop, &c->job);
    return SH_OK;
}

/* sh/v1/<device>/cmd/<id>/reply: {"ok":true|false,"result":...} or any JSON (then it is a yes). */
void command_reply(void *ctx, const struct mqtt_inbound *m)
{
    struct node *n = ctx;
    struct sh_str rest = m->topic;
    struct sh_str part[6] = {{NULL, 0}};
    for (size_t i = 0; i < 6 && rest.p != NULL; i++) {
        part[i] = sh_str_cut(rest, '/', &rest);
    }
    json_t *v = NULL;
    bool ok = true;
    if (sh_json_parse(sh_bytes_str(m->payload), 65536, &v, NULL) == SH_OK && json_is_object(v)) {
        ok = sh_json_get_bool(v, "ok", true);
    }
    json_decref(v);
    const sh_err err =
        sh_twin_command_done(n->twin, m->tenant, part[4], ok, sh_bytes_str(m->payload));
    if (err != SH_OK) {
        sh_log(n->env.log, SH_LOG_DEBUG, "command", "a reply fits no open command");
    }
}
