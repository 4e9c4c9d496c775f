/* mqtt_own.c - a device's own topics, the "me" topics, and which publish is telemetry.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_int.h"

static bool plain(uint8_t c)
{
    return c > 0x1f && c != 0x7f && c != '/' && c != '+' && c != '#' && c != '%';
}

sh_err mqtt_topic_put_device(struct sh_buf *out, struct sh_str device)
{
    return sh_percent_put(out, device, plain);
}

/* Bytes of t that are the device id as it stands in topics, followed by '/'; 0 when they are not.
 */
static size_t device_len(struct sh_str t, struct sh_str device)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < device.n; i++) {
        const uint8_t c = (uint8_t)device.p[i];
        if (plain(c)) {
            if (at >= t.n || (uint8_t)t.p[at] != c) {
                return 0;
            }
            at++;
            continue;
        }
        if (at + 3 > t.n || t.p[at] != '%' || t.p[at + 1] != hex[c >> 4] ||
            t.p[at + 2] != hex[c & 15]) {
            return 0;
        }
        at += 3;
    }
    return at < t.n && t.p[at] == '/' ? at : 0;
}

static bool below(struct sh_str t, const char *front, struct sh_str device, struct sh_str *rest)
{
    const struct sh_str f = sh_str_c(front);
    if (!sh_str_starts(t, f)) {
        return false;
    }
    const struct sh_str tail = sh_str_sub(t, f.n, t.n);
    const size_t n = device_len(tail, device);
    *rest = sh_str_sub(tail, n + 1, tail.n);
    return n > 0;
}

bool mqtt_own_topic(const struct mqtt_principal *p, struct sh_str topic)
{
    struct sh_str rest;
    if (p->device.n == 0) {
        return false;
    }
    if (below(topic, "sh/v1/", p->device, &rest)) {
        return true;
    }
    if (sh_str_starts(topic, SH_STR("v1/devices/me/"))) {
        return true;
    }
    return (p->flags & MQTT_P_GATEWAY) != 0 && sh_str_starts(topic, SH_STR("v1/gateway/"));
}

static struct sh_str replaced(struct mqtt_broker *b, const char *front, struct sh_str device,
                              struct sh_str rest, struct sh_str t)
{
    sh_buf_clear(&b->path);
    if (sh_buf_put_c(&b->path, front) != SH_OK ||
        mqtt_topic_put_device(&b->path, device) != SH_OK || sh_buf_put_u8(&b->path, '/') != SH_OK ||
        sh_buf_put_str(&b->path, rest) != SH_OK) {
        return t; /* memory is short or the topic too long: it stays what it is */
    }
    return sh_buf_str(&b->path);
}

struct sh_str mqtt_me_in(struct mqtt_broker *b, const struct mqtt_principal *p, struct sh_str t)
{
    if (p == NULL || p->device.n == 0) {
        return t;
    }
    const struct sh_str me = SH_STR("v1/devices/me/");
    if (sh_str_starts(t, me)) {
        return replaced(b, "v1/devices/", p->device, sh_str_sub(t, me.n, t.n), t);
    }
    const struct sh_str gw = SH_STR("v1/gateway/");
    if ((p->flags & MQTT_P_GATEWAY) != 0 && sh_str_starts(t, gw)) {
        return replaced(b, "v1/gateways/", p->device, sh_str_sub(t, gw.n, t.n), t);
    }
    return t;
}

struct sh_str mqtt_me_out(struct mqtt_conn *c, struct sh_str topic, struct sh_str *head)
{
    struct sh_str rest;
    if (c->p == NULL || c->p->device.n == 0 || !sh_str_starts(topic, SH_STR("v1/"))) {
        return topic;
    }
    if (below(topic, "v1/devices/", c->p->device, &rest)) {
        *head = SH_STR("v1/devices/me/");
        return rest;
    }
    if ((c->p->flags & MQTT_P_GATEWAY) != 0 && below(topic, "v1/gateways/", c->p->device, &rest)) {
        *head = SH_STR("v1/gateway/");
        return rest;
    }
    return topic;
}

/* ---- layouts ---- */

struct fixed {
    const char *tail;
    enum mqtt_layout layout;
};

static enum mqtt_layout tail_of(const struct fixed *rows, size_t n, struct sh_str tail)
{
    for (size_t i = 0; i < n; i++) {
        if (sh_str_eqc(tail, rows[i].tail)) {
            return rows[i].layout;
        }
    }
    return MQTT_L_NONE;
}

static enum mqtt_layout thingsboard(const struct mqtt_principal *p, struct sh_str topic)
{
    static const struct fixed device[] = {{"telemetry", MQTT_L_TB_TELEMETRY},
                                          {"attributes", MQTT_L_TB_ATTR}};
    static const struct fixed gateway[] = {{"telemetry", MQTT_L_TB_GW_TELEMETRY},
                                           {"attributes", MQTT_L_TB_GW_ATTR},
                                           {"connect", MQTT_L_TB_GW_CONNECT},
                                           {"disconnect", MQTT_L_TB_GW_DISCONNECT}};
    const struct sh_str me = SH_STR("v1/devices/me/");
    const struct sh_str gw = SH_STR("v1/gateway/");
    if (p->device.n == 0) {
        return MQTT_L_NONE;
    }
    if (sh_str_starts(topic, me)) {
        return tail_of(device, sizeof device / sizeof device[0], sh_str_sub(topic, me.n, topic.n));
    }
    if ((p->flags & MQTT_P_GATEWAY) != 0 && sh_str_starts(topic, gw)) {
        return tail_of(gateway, sizeof gateway / sizeof gateway[0],
                       sh_str_sub(topic, gw.n, topic.n));
    }
    return MQTT_L_NONE;
}

/* The decoded form of a level; a view, or into b->tmpl when it has escapes. */
static struct sh_str decoded(struct mqtt_broker *b, struct sh_str level)
{
    if (memchr(level.p, '%', level.n) == NULL) {
        return level;
    }
    sh_buf_clear(&b->tmpl);
    return sh_percent_parse(level, false, &b->tmpl) == SH_OK ? sh_buf_str(&b->tmpl) : level;
}

static enum mqtt_layout own_layout(struct mqtt_broker *b, struct mqtt_telemetry *t)
{
    const struct sh_str front = SH_STR("sh/v1/");
    struct sh_str rest = {NULL, 0};
    const struct sh_str device = sh_str_cut(sh_str_sub(t->topic, front.n, t->topic.n), '/', &rest);
    if (device.n == 0 || rest.p == NULL) {
        return MQTT_L_NONE;
    }
    enum mqtt_layout l = MQTT_L_NONE;
    const struct sh_str event = SH_STR("event/");
    if (sh_str_eqc(rest, "telemetry")) {
        l = MQTT_L_SH_TELEMETRY;
    } else if (sh_str_eqc(rest, "attr")) {
        l = MQTT_L_SH_ATTR;
    } else if (sh_str_starts(rest, event) && rest.n > event.n &&
               memchr(rest.p + event.n, '/', rest.n - event.n) == NULL) {
        l = MQTT_L_SH_EVENT;
        t->property = sh_str_sub(rest, event.n, rest.n);
    }
    if (l != MQTT_L_NONE) {
        t->device = decoded(b, device);
    }
    return l;
}

static struct sh_str level_at(struct sh_str topic, unsigned want)
{
    struct sh_str rest = topic;
    for (unsigned i = 0; rest.p != NULL; i++) {
        struct sh_str next = {NULL, 0};
        const struct sh_str level = sh_str_cut(rest, '/', &next);
        if (i == want) {
            return level;
        }
        rest = next;
    }
    return (struct sh_str){NULL, 0};
}

/* Appends the template with "{n}" replaced by the n-th level of the topic. */
static sh_err expand(struct sh_buf *out, struct sh_str tmpl, struct sh_str topic)
{
    size_t i = 0;
    while (i < tmpl.n) {
        unsigned n = 0;
        size_t j = i + 1;
        while (tmpl.p[i] == '{' && j < tmpl.n && tmpl.p[j] >= '0' && tmpl.p[j] <= '9' && n < 1000) {
            n = n * 10 + (unsigned)(tmpl.p[j] - '0');
            j++;
        }
        if (tmpl.p[i] == '{' && j > i + 1 && j < tmpl.n && tmpl.p[j] == '}') {
            SH_TRY(sh_buf_put_str(out, level_at(topic, n)));
            i = j + 1;
        } else {
            SH_TRY(sh_buf_put_u8(out, (uint8_t)tmpl.p[i]));
            i++;
        }
    }
    return SH_OK;
}

static enum mqtt_layout mapped(struct mqtt_broker *b, const struct mqtt_tenant *tn,
                               struct mqtt_telemetry *t)
{
    for (uint32_t i = 0; i < tn->nmaps; i++) {
        const struct mqtt_map_entry *m = &tn->maps[i];
        if (!mqtt_topic_matches(m->filter, t->topic)) {
            continue;
        }
        sh_buf_clear(&b->tmpl);
        if (expand(&b->tmpl, m->device, t->topic) != SH_OK) {
            return MQTT_L_NONE;
        }
        const size_t device_n = b->tmpl.n;
        if (device_n == 0 || expand(&b->tmpl, m->property, t->topic) != SH_OK) {
            return MQTT_L_NONE;
        }
        t->device = sh_str_sub(sh_buf_str(&b->tmpl), 0, device_n);
        t->property = sh_str_sub(sh_buf_str(&b->tmpl), device_n, b->tmpl.n);
        t->mapping = m->id;
        return MQTT_L_MAPPED;
    }
    return MQTT_L_NONE;
}

void mqtt_layout_find(struct mqtt_broker *b, struct mqtt_tenant *tn, struct mqtt_telemetry *t)
{
    if (sh_str_starts(t->topic, SH_STR("sh/v1/"))) {
        t->layout = own_layout(b, t);
    } else if (sh_str_starts(t->topic, SH_STR("v1/"))) {
        t->layout = thingsboard(t->principal, t->topic);
        t->device = t->principal->device;
    }
    if (t->layout == MQTT_L_NONE && tn->nmaps > 0) {
        t->layout = mapped(b, tn, t);
    }
}

/* ---- mapping entries ---- */

void mqtt_maps_free(struct mqtt_broker *b, struct mqtt_tenant *t)
{
    for (uint32_t i = 0; i < t->nmaps; i++) {
        sh_str_free(b->alloc, &t->maps[i].filter);
        sh_str_free(b->alloc, &t->maps[i].device);
        sh_str_free(b->alloc, &t->maps[i].property);
    }
    sh_mem_free(b->alloc, t->maps);
    t->maps = NULL;
    t->nmaps = 0;
}

sh_err mqtt_broker_set_mappings(struct mqtt_broker *b, uint32_t tenant,
                                const struct mqtt_mapping *m, size_t n)
{
    if (n > 1000) {
        return SH_E_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        if (!mqtt_filter_valid(m[i].filter) || m[i].device.n == 0) {
            return SH_E_INVAL;
        }
    }
    struct mqtt_tenant *t = mqtt_tenant_get(b, tenant, true);
    struct mqtt_map_entry *v = n == 0 ? NULL : sh_mem_array(b->alloc, n, sizeof *v);
    if (t == NULL || (n > 0 && v == NULL)) {
        sh_mem_free(b->alloc, v);
        return SH_E_NOMEM;
    }
    struct mqtt_tenant next = {.maps = v, .nmaps = (uint32_t)n};
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        v[i].id = m[i].id;
        v[i].filter = sh_str_dup(b->alloc, m[i].filter);
        v[i].device = sh_str_dup(b->alloc, m[i].device);
        v[i].property = sh_str_dup(b->alloc, m[i].property);
        ok = ok && v[i].filter.p != NULL && v[i].device.p != NULL && v[i].property.p != NULL;
    }
    if (!ok) {
        mqtt_maps_free(b, &next);
        return SH_E_NOMEM;
    }
    mqtt_maps_free(b, t);
    t->maps = v;
    t->nmaps = (uint32_t)n;
    return SH_OK;
}
