/* prom_series.c - how a point looks as a series.
 *
 * Of a device that stands for a target of Prometheus (its id is what remote write makes of its
 * labels job and instance), a property as remote write makes it: exactly the labels that came.
 * Of any other point: __name__ = the property with '_' for what a metric's name must not have,
 * device, point (device/property, which tells two points apart), tag and unit where there are some,
 * and the labels of the device; one of those names comes as exported_<name>.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "prom.h"

/* ---- names ---- */

static bool name_char(char c, bool first, bool metric)
{
    const char l = (char)(c | 0x20);
    return (l >= 'a' && l <= 'z') || c == '_' || (metric && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

sh_err prom_valid_name(struct sh_buf *b, struct sh_str s, bool metric)
{
    if (s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9') {
        SH_TRY(sh_buf_put_u8(b, '_'));
    }
    for (size_t i = 0; i < s.n; i++) {
        const uint8_t c = (uint8_t)s.p[i];
        if ((c & 0xc0) != 0x80) { /* one for each character */
            SH_TRY(sh_buf_put_u8(b, name_char(s.p[i], false, metric) ? c : '_'));
        }
    }
    return SH_OK;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value in quotes at *p, decoded into text. */
static bool take_value(struct sh_str s, size_t *at, struct sh_buf *text)
{
    while (*at < s.n && s.p[*at] != '"') {
        char c = s.p[(*at)++];
        if (c == '%') {
            const int h = *at + 1 < s.n ? hex_of(s.p[*at]) : -1;
            const int l = h < 0 ? -1 : hex_of(s.p[*at + 1]);
            if (l < 0) {
                return false;
            }
            c = (char)(h << 4 | l);
            *at += 2;
        }
        if (sh_buf_put_u8(text, (uint8_t)c) != SH_OK) {
            return false;
        }
    }
    return *at < s.n; /* at the quote */
}

/* name="value" at *at. */
static bool take_label(struct sh_str s, size_t *at, struct sh_buf *text, struct sh_promql_label *l)
{
    const struct sh_str rest = sh_str_sub(s, *at, s.n);
    const size_t eq = sh_str_find(rest, '=');
    const size_t from = text->n;
    if (eq == SIZE_MAX || !sh_prom_name_ok(sh_str_sub(rest, 0, eq), false)) {
        return false;
    }
    l->name = sh_str_sub(rest, 0, eq);
    *at += eq + 1;
    if (*at >= s.n || s.p[(*at)++] != '"' || !take_value(s, at, text)) {
        return false;
    }
    ++*at;
    l->value = sh_str_of((const char *)text->p + from, text->n - from);
    return sh_utf8_valid(l->value);
}

bool prom_property(struct sh_str property, struct sh_buf *text, struct sh_promql_label *labels,
                   size_t *n)
{
    const size_t brace = sh_str_find(property, '{');
    const struct sh_str metric = sh_str_sub(property, 0, brace == SIZE_MAX ? property.n : brace);
    labels[0] = (struct sh_promql_label){SH_STR("__name__"), metric};
    *n = 1;
    sh_buf_clear(text);
    if (!sh_prom_name_ok(metric, true) || sh_buf_reserve(text, property.n) != SH_OK) {
        return false;
    }
    if (brace == SIZE_MAX) {
        return true;
    }
    for (size_t at = brace + 1;;) {
        if (*n == PROM_LABELS || !take_label(property, &at, text, &labels[*n])) {
            return false;
        }
        ++*n;
        if (at == property.n || property.p[at] != ',') {
            return at + 1 == property.n && property.p[at] == '}';
        }
        at++;
    }
}

/* ---- labels of devices ---- */

struct device {
    struct sh_promql_label *label; /* names as stored */
    size_t n;
    bool target; /* of Prometheus */
};

struct walker {
    const struct prom_walk *w;
    struct sh_map devices; /* id -> device; all in the arena */
    struct sh_buf text;    /* values of a property */
    struct sh_buf names;   /* made names */
    struct sh_buf json;
    struct sh_promql_label labels[PROM_LABELS];
    size_t n;
};

static struct sh_str label_of(const struct device *d, const char *name)
{
    const struct sh_promql_labels l = {d->label, d->n};
    return sh_promql_label_get(&l, name);
}

static sh_err read_labels(struct walker *k, json_t *doc, struct device *d)
{
    d->label = sh_arena_array(k->w->ar, json_object_size(doc) + 1, sizeof *d->label);
    if (d->label == NULL) {
        return SH_E_NOMEM;
    }
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach(doc, name, v)
    {
        struct sh_promql_label *l = &d->label[d->n];
        l->name = sh_arena_str(k->w->ar, sh_str_c(name));
        l->value = sh_arena_str(k->w->ar, sh_str_of(json_string_value(v), json_string_length(v)));
        if (l->name.p == NULL || l->value.p == NULL) {
            return SH_E_NOMEM;
        }
        d->n += l->value.n > 0 ? 1 : 0;
    }
    return SH_OK;
}

static sh_err load_device(struct walker *k, const struct sh_point *p, struct device *d)
{
    json_t *doc = NULL;
    struct sh_diag diag = {0};
    sh_buf_clear(&k->json);
    sh_err err = sh_twin_device_labels(k->w->r->api->o.twin, p->tenant, p->device, &k->json);
    if (err == SH_OK) {
        err = sh_json_parse(sh_buf_str(&k->json), API_JSON_MAX, &doc, &diag);
        err = err == SH_OK ? read_labels(k, doc, d) : err;
        json_decref(doc);
    }
    err = err == SH_E_NOTFOUND ? SH_OK : err; /* a device that was removed has none */
    if (err == SH_OK) {
        sh_buf_clear(&k->json);
        err = sh_prom_device_put(&k->json, label_of(d, "job"), label_of(d, "instance"));
        d->target = sh_str_eq(sh_buf_str(&k->json), p->device);
    }
    return err;
}

static sh_err device_of(struct walker *k, const struct sh_point *p, const struct device **out)
{
    struct device *d = sh_map_get(&k->devices, p->device);
    if (d == NULL) {
        d = sh_arena_get(k->w->ar, sizeof *d);
        if (d == NULL) {
            return SH_E_NOMEM;
        }
        SH_TRY(load_device(k, p, d));
        SH_TRY(sh_map_put(&k->devices, p->device, d));
    }
    *out = d;
    return SH_OK;
}

/* ---- labels of a point ---- */

static bool has_label(const struct walker *k, struct sh_str name)
{
    for (size_t i = 0; i < k->n; i++) {
        if (sh_str_eq(k->labels[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void add(struct walker *k, struct sh_str name, struct sh_str value)
{
    if (value.n > 0 && k->n < PROM_LABELS) {
        k->labels[k->n++] = (struct sh_promql_label){name, value};
    }
}

/* A label of the device, under a name that is valid and free. The names buffer does not move: room
 * was made. */
static sh_err add_exported(struct walker *k, const struct sh_promql_label *l)
{
    const size_t from = k->names.n;
    SH_TRY(sh_buf_put_c(&k->names, "exported_"));
    SH_TRY(prom_valid_name(&k->names, l->name, false));
    const struct sh_str whole = sh_str_of((const char *)k->names.p + from, k->names.n - from);
    const struct sh_str name = sh_str_sub(whole, 9, whole.n);
    const bool kept = sh_str_starts(name, SH_STR("__")) || has_label(k, name);
    if (!has_label(k, kept ? whole : name)) {
        add(k, kept ? whole : name, l->value);
    }
    return SH_OK;
}

static int by_name(const void *a, const void *b)
{
    return sh_str_cmp(((const struct sh_promql_label *)a)->name,
                      ((const struct sh_promql_label *)b)->name);
}

static sh_err foreign_labels(struct walker *k, const struct sh_point *p)
{
    const size_t from = k->names.n;
    SH_TRY(prom_valid_name(&k->names, p->property, true));
    k->n = 0;
    add(k, SH_STR("__name__"), sh_str_of((const char *)k->names.p + from, k->names.n - from));
    const size_t at = k->names.n;
    SH_TRY(sh_buf_put_str(&k->names, p->device));
    SH_TRY(sh_buf_put_u8(&k->names, '/'));
    SH_TRY(sh_buf_put_str(&k->names, p->property));
    add(k, SH_STR("point"), sh_str_of((const char *)k->names.p + at, k->names.n - at));
    add(k, SH_STR("device"), p->device);
    add(k, SH_STR("tag"), p->tag);
    add(k, SH_STR("unit"), p->unit);
    return SH_OK;
}

/* k->labels: all labels of the point, by name. */
static sh_err point_labels(struct walker *k, const struct sh_point *p)
{
    const struct device *d = NULL;
    SH_TRY(device_of(k, p, &d));
    sh_buf_clear(&k->names);
    /* names are made in place and must not move: the longest that can come, at once */
    SH_TRY(sh_buf_reserve(&k->names, 4096 + d->n * (size_t)(SH_POINT_MAX_NAME + 16)));
    if (!d->target || !prom_property(p->property, &k->text, k->labels, &k->n)) {
        SH_TRY(foreign_labels(k, p));
    }
    for (size_t i = 0; i < d->n; i++) {
        SH_TRY(add_exported(k, &d->label[i]));
    }
    qsort(k->labels, k->n, sizeof k->labels[0], by_name);
    return SH_OK;
}

/* ---- walking ---- */

/* 1, 0, -1 as sh_promql_matches. */
static int taken(const struct prom_selector *s, const struct sh_promql_labels *l)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct sh_str name = s->m[i].name;
        struct sh_str value = {"", 0};
        for (size_t k = 0; k < l->n; k++) {
            value = sh_str_eq(l->label[k].name, name) ? l->label[k].value : value;
        }
        const int yes = sh_promql_matches(&s->m[i], value);
        if (yes != 1) {
            return yes;
        }
    }
    return 1;
}

static int taken_by_any(const struct prom_walk *w, const struct sh_promql_labels *l)
{
    int yes = w->nselectors == 0 ? 1 : 0;
    for (size_t i = 0; i < w->nselectors && yes == 0; i++) {
        yes = taken(&w->selectors[i], l);
    }
    return yes;
}

static bool is_series(const struct prom_walk *w, const struct sh_point *p)
{
    return p != NULL && p->tenant == w->r->tenant &&
           (p->type == SH_T_F64 || p->type == SH_T_I64 || p->type == SH_T_BOOL) &&
           sh_points_find(w->r->api->o.points, p->tenant, p->device, p->property) == p->id &&
           api_sees(w->r, p->device);
}

static bool has_samples(const struct prom_walk *w, uint32_t point)
{
    struct sh_history_point_stats st;
    if (w->from_us > w->to_us) {
        return true;
    }
    return sh_history_point_stats(w->r->api->o.history, point, &st) == SH_OK && st.found &&
           st.first_us <= w->to_us && st.last_us >= w->from_us;
}

static sh_err visit(struct walker *k, const struct sh_point *p)
{
    SH_TRY(point_labels(k, p));
    const struct sh_promql_labels l = {k->labels, k->n};
    const int yes = taken_by_any(k->w, &l);
    if (yes < 0) {
        return SH_E_INVAL;
    }
    return yes == 1 && has_samples(k->w, p->id) ? k->w->take(k->w->ctx, p->id, &l) : SH_OK;
}

sh_err prom_walk(const struct prom_walk *w)
{
    struct sh_api *a = w->r->api;
    const uint32_t last = sh_points_last_id(a->o.points);
    struct walker *k = sh_mem_new(a->env->alloc, sizeof *k);
    sh_err err = SH_OK;
    if (k == NULL) {
        return SH_E_NOMEM;
    }
    k->w = w;
    sh_map_init(&k->devices, a->env->alloc, (size_t)last + 1, 0);
    sh_buf_init(&k->text, a->env->alloc, 1 << 16);
    sh_buf_init(&k->names, a->env->alloc, 1 << 20);
    sh_buf_init(&k->json, a->env->alloc, 1 << 20);
    for (uint32_t id = 1; id <= last && err == SH_OK; id++) {
        const struct sh_point *p = sh_points_get(a->o.points, id);
        if ((id & 1023) == 0 && sh_mono_us(a->env->clock) > w->deadline_mono_us) {
            err = SH_E_TIMEOUT;
        } else if (is_series(w, p)) {
            err = visit(k, p);
        }
    }
    sh_map_fini(&k->devices);
    sh_buf_fini(&k->text);
    sh_buf_fini(&k->names);
    sh_buf_fini(&k->json);
    sh_mem_free(a->env->alloc, k);
    return err;
}
