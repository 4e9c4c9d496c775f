/* classes.c - the data class of points (dataclass.h): who says it, and how points come to have it.
 *
 * Said by, from the strongest on, on each of the two scales by itself:
 *   a point of a device    exactly that, up or down ("point_classes" of the device)
 *   a device               its points are at least that
 *   a property of a model  exactly that; else the model; else the tenant; else general, level 1
 * The raw value that is kept beside a scaled one ("x.raw") is of the class of x; events are of that
 * of the model. What a point is stands in the catalogue (sh_points_class); it is set when the point
 * is made and again after each change of what is said, and never asked for here when values are
 * read.
 *
 * Lowering: whoever changes a model or a device may raise a class; what would lower the class of
 * anything is refused (SH_E_STATE, path "/data_class") unless the change is one of sh_twin_classify
 * that may.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <stdio.h>

#define KIND_DEFAULT SH_STR("_data_class")
#define DEFAULT_ID SH_STR("default")

/* ------------------------------------------------------------------ what is said */

struct sh_data_class twin_class_said(struct sh_twin *t, const json_t *doc)
{
    struct sh_data_class c;
    if (sh_data_class_read(doc, &c, NULL) != SH_OK) {
        c = (struct sh_data_class){0, 0};
    }
    if (c.name != 0 || c.level != 0) {
        atomic_store(&t->classed, true);
    }
    return c;
}

sh_err twin_class_points(struct sh_twin *t, const json_t *doc, struct sh_buf *out)
{
    json_t *list = json_object_get(doc, "point_classes");
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(list, key, v)
    {
        const struct sh_data_class c = twin_class_said(t, v);
        SH_TRY(sh_buf_put_u8(out, 0x1f));
        SH_TRY(sh_buf_put_c(out, key));
        SH_TRY(sh_buf_put_u8(out, 0x1f));
        SH_TRY(sh_buf_put_u8(out, (uint8_t)('0' + c.name)));
        SH_TRY(sh_buf_put_u8(out, (uint8_t)('0' + c.level)));
    }
    return SH_OK;
}

/* The next one of a device's text; false: no more. */
static bool next_point(struct sh_str *rest, struct sh_str *property, struct sh_data_class *c)
{
    if (rest->n == 0) {
        return false;
    }
    *rest = sh_str_sub(*rest, 1, rest->n);
    const size_t end = sh_str_find(*rest, '\x1f');
    if (end == SIZE_MAX || end + 3 > rest->n) {
        return false;
    }
    *property = sh_str_sub(*rest, 0, end);
    *c = (struct sh_data_class){(uint8_t)(rest->p[end + 1] - '0'),
                                (uint8_t)(rest->p[end + 2] - '0')};
    *rest = sh_str_sub(*rest, end + 3, rest->n);
    return true;
}

static struct sh_data_class of_point(const struct twin_dev *d, struct sh_str property)
{
    struct sh_str rest = twin_dev_text(d, TWIN_CLASSES);
    struct sh_str name;
    struct sh_data_class c;
    while (next_point(&rest, &name, &c)) {
        if (sh_str_eq(name, property)) {
            return c;
        }
    }
    return (struct sh_data_class){0, 0};
}

static struct sh_data_class of_tenant(const struct twin_tenant *tt)
{
    return tt == NULL ? SH_DATA_CLASS_DEFAULT
                      : sh_data_class_or(tt->data_class, SH_DATA_CLASS_DEFAULT);
}

static struct sh_data_class of_model(const struct twin_thing *m, struct sh_str property)
{
    if (m == NULL) {
        return (struct sh_data_class){0, 0};
    }
    const struct twin_property *p = twin_thing_property(m, property);
    return p == NULL ? m->data_class : sh_data_class_or(p->data_class, m->data_class);
}

/* Is there anything said of the name itself? */
static bool named(const struct twin_dev *d, const struct twin_thing *m, struct sh_str property)
{
    const struct sh_data_class c = of_point(d, property);
    return c.name != 0 || c.level != 0 || (m != NULL && twin_thing_property(m, property) != NULL);
}

struct sh_data_class twin_class_of(struct sh_twin *t, const struct twin_tenant *tt,
                                   const struct twin_dev *d, const struct twin_thing *m,
                                   struct sh_str property)
{
    SH_UNUSED(t);
    if (d == NULL) {
        return of_tenant(tt);
    }
    if (sh_str_ends(property, SH_STR(".raw")) && !named(d, m, property)) {
        property = sh_str_sub(property, 0, property.n - 4);
    }
    const struct sh_data_class base = sh_data_class_or(of_model(m, property), of_tenant(tt));
    return sh_data_class_or(of_point(d, property), sh_data_class_max(base, d->floor));
}

struct sh_data_class twin_class_top(struct sh_twin *t, const struct twin_tenant *tt,
                                    const struct twin_dev *d)
{
    struct sh_data_class top = sh_data_class_max(of_tenant(tt), d->floor);
    if (!atomic_load_explicit(&t->classed, memory_order_relaxed)) {
        return SH_DATA_CLASS_DEFAULT;
    }
    const struct twin_thing *m = twin_thing_find(t, d->tenant, twin_dev_text(d, TWIN_THING));
    top = m == NULL ? top : sh_data_class_max(top, m->top);
    struct sh_str rest = twin_dev_text(d, TWIN_CLASSES);
    struct sh_str name;
    struct sh_data_class c;
    while (next_point(&rest, &name, &c)) {
        top = sh_data_class_max(top, c);
    }
    return top;
}

struct sh_data_class sh_twin_class(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                   struct sh_str property)
{
    if (!atomic_load(&t->classed)) {
        return SH_DATA_CLASS_DEFAULT;
    }
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    const struct twin_slot *s = twin_find(t, tenant, device);
    const struct twin_dev *d = s == NULL ? NULL : s->dev;
    const struct twin_thing *m =
        d == NULL ? NULL : twin_thing_find(t, tenant, twin_dev_text(d, TWIN_THING));
    const struct sh_data_class c = twin_class_of(t, tt, d, m, property);
    sh_mutex_unlock(&t->lock);
    return c;
}

struct sh_data_class sh_twin_class_highest(struct sh_twin *t, uint32_t tenant, struct sh_str device)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    const struct twin_slot *s = twin_find(t, tenant, device);
    const struct sh_data_class c = s == NULL ? of_tenant(tt) : twin_class_top(t, tt, s->dev);
    sh_mutex_unlock(&t->lock);
    return c;
}

struct sh_data_class sh_twin_class_default(struct sh_twin *t, uint32_t tenant)
{
    sh_mutex_lock(&t->lock);
    const struct sh_data_class c = of_tenant(twin_tenant(t, tenant, false));
    sh_mutex_unlock(&t->lock);
    return c;
}

struct sh_data_class twin_classify(void *ctx, uint32_t tenant, struct sh_str device,
                                   struct sh_str property)
{
    return sh_twin_class(ctx, tenant, device, property);
}

/* ------------------------------------------------------------------ points follow */

/* A point that is being made with what held before is in the catalogue after this: it was asked
 * about under the catalogue's lock. */
static void wait_for_makers(struct sh_twin *t)
{
    uint32_t n[SH_DATA_PAIRS];
    sh_points_class_counts(t->o.points, 0, n);
}

static void set_point(struct sh_twin *t, uint32_t id)
{
    const struct sh_point *p = sh_points_get(t->o.points, id);
    if (p == NULL) {
        return;
    }
    const struct sh_data_class c = sh_twin_class(t, p->tenant, p->device, p->property);
    if (sh_data_class_pair(c) == sh_data_class_pair(sh_points_class(t->o.points, id))) {
        return;
    }
    const sh_err err = sh_points_set_class(t->o.points, id, c);
    if (err != SH_OK) {
        sh_log(t->env->log, SH_LOG_ERROR, "twin",
               "the data class of point %.*s/%.*s is not set: %s", SH_PRI(p->device),
               SH_PRI(p->property), sh_err_name(err));
    }
}

/* Ids of all points of a device, its events among them; NULL: none, or no memory. Freed by the
 * caller. */
static uint32_t *ids_of(struct sh_twin *t, uint32_t tenant, struct sh_str device, size_t *n)
{
    const struct sh_points *p = t->o.points;
    const size_t points = sh_points_of_device(p, tenant, device, NULL, 0) + 64;
    const size_t events = sh_points_events_of_device(p, tenant, device, NULL, 0) + 64;
    uint32_t *ids = sh_mem_array(t->env->alloc, points + events, sizeof *ids);
    *n = 0;
    if (ids != NULL) {
        const size_t a = sh_points_of_device(p, tenant, device, ids, points);
        *n = a < points ? a : points;
        const size_t b = sh_points_events_of_device(p, tenant, device, ids + *n, events);
        *n += b < events ? b : events;
    }
    return ids;
}

void twin_class_device(struct sh_twin *t, uint32_t tenant, struct sh_str device)
{
    size_t n = 0;
    if (t->o.points == NULL || !atomic_load(&t->classed)) {
        return;
    }
    wait_for_makers(t);
    uint32_t *ids = ids_of(t, tenant, device, &n);
    if (ids == NULL) { /* slower, and needs nothing */
        twin_class_all(t, tenant);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        set_point(t, ids[i]);
    }
    sh_mem_free(t->env->alloc, ids);
}

void twin_class_all(struct sh_twin *t, uint32_t tenant)
{
    if (t->o.points == NULL) {
        return;
    }
    wait_for_makers(t);
    const uint32_t last = sh_points_last_id(t->o.points);
    for (uint32_t id = 1; id <= last && id != 0; id++) {
        const struct sh_point *p = sh_points_get(t->o.points, id);
        /* what has lost its name stays what it was */
        if (p != NULL && (tenant == SH_RECORD_ALL_TENANTS || p->tenant == tenant) &&
            (tenant == SH_RECORD_ALL_TENANTS ||
             sh_points_find(t->o.points, p->tenant, p->device, p->property) == id)) {
            set_point(t, id);
        }
    }
}

/* ------------------------------------------------------------------ nothing is lowered */

static sh_err lowered(struct sh_diag *diag, struct sh_str what, struct sh_data_class from,
                      struct sh_data_class to)
{
    sh_diag_at(diag, SH_STR("/data_class"), 0);
    sh_diag_set(diag, "This would lower the data class of %.*s from %s, level %u, to %s, level %u.",
                SH_PRI(what), sh_data_class_word(from.name), from.level,
                sh_data_class_word(to.name), to.level);
    sh_diag_remedy(diag,
                   "Leave the class as it is, or ask who holds data.classify to lower it with "
                   "a reason.");
    return SH_E_STATE;
}

/* What the device would have with `doc` (d, m), against what it has. */
static sh_err keeps(struct sh_twin *t, uint32_t tenant, const struct twin_dev *d,
                    struct sh_str property, struct sh_data_class now, struct sh_diag *diag)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    const struct twin_thing *m = twin_thing_find(t, tenant, twin_dev_text(d, TWIN_THING));
    const struct sh_data_class then = twin_class_of(t, tt, d, m, property);
    sh_mutex_unlock(&t->lock);
    return sh_data_class_lower(then, now)
               ? lowered(diag, property.n == 0 ? d->id : property, now, then)
               : SH_OK;
}

sh_err twin_class_kept(struct sh_twin *t, uint32_t tenant, struct sh_str id, const json_t *doc,
                       struct sh_diag *diag)
{
    size_t n = 0;
    if (!atomic_load(&t->classed) || !sh_twin_device_known(t, tenant, id)) {
        return SH_OK;
    }
    struct twin_dev *d = twin_dev_new(t, tenant, id, doc);
    if (d == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = keeps(t, tenant, d, SH_STR(""), sh_twin_class(t, tenant, id, SH_STR("")), diag);
    uint32_t *ids = t->o.points == NULL ? NULL : ids_of(t, tenant, id, &n);
    for (size_t i = 0; i < n && err == SH_OK; i++) {
        const struct sh_point *p = sh_points_get(t->o.points, ids[i]);
        err = keeps(t, tenant, d, p->property, sh_points_class(t->o.points, ids[i]), diag);
    }
    sh_mem_free(t->env->alloc, ids);
    sh_mutex_lock(&t->lock);
    twin_dev_unref(t, d);
    sh_mutex_unlock(&t->lock);
    return err;
}

static struct sh_data_class of_form(struct sh_twin *t, const json_t *whole, struct sh_str property,
                                    struct sh_data_class dflt)
{
    const json_t *p = property.n == 0 ? NULL : twin_member(whole, 0, property);
    const struct sh_data_class model = twin_class_said(t, whole);
    return sh_data_class_or(sh_data_class_or(twin_class_said(t, p), model), dflt);
}

sh_err twin_class_kept_model(struct sh_twin *t, uint32_t tenant, const json_t *before,
                             const json_t *after, struct sh_diag *diag)
{
    if (before == NULL || !atomic_load(&t->classed)) {
        return SH_OK;
    }
    const struct sh_data_class dflt = sh_twin_class_default(t, tenant);
    struct sh_data_class was = of_form(t, before, SH_STR(""), dflt);
    struct sh_data_class now = of_form(t, after, SH_STR(""), dflt);
    if (sh_data_class_lower(now, was)) {
        return lowered(diag, SH_STR("the model"), was, now);
    }
    const json_t *const forms[2] = {before, after};
    for (size_t f = 0; f < 2; f++) {
        const json_t *list = json_object_get(forms[f], "properties");
        for (size_t i = 0; i < json_array_size(list); i++) {
            const struct sh_str id = sh_json_get_str(json_array_get(list, i), "id");
            was = of_form(t, before, id, dflt);
            now = of_form(t, after, id, dflt);
            if (sh_data_class_lower(now, was)) {
                return lowered(diag, id, was, now);
            }
        }
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ saying it */

sh_err twin_class_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, TWIN_DOC_BYTES, &doc, NULL));
    sh_mutex_lock(&t->lock);
    struct twin_tenant *tt = twin_tenant(t, row->tenant, true);
    if (tt != NULL) {
        tt->data_class = twin_class_said(t, doc);
    }
    sh_mutex_unlock(&t->lock);
    json_decref(doc);
    return tt == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err say(json_t *o, struct sh_data_class c)
{
    json_t *name = c.name == 0 ? json_null() : json_string(sh_data_class_word(c.name));
    json_t *level = c.level == 0 ? json_null() : json_integer(c.level);
    const bool ok = json_object_set_new(o, "data_class", name) == 0;
    return json_object_set_new(o, "data_level", level) == 0 && ok ? SH_OK : SH_E_NOMEM;
}

/* Under `write`. */
static sh_err say_tenant(struct sh_twin *t, const struct sh_twin_classify *c, struct sh_diag *diag)
{
    const struct sh_data_class was = sh_twin_class_default(t, c->tenant);
    const struct sh_data_class now = sh_data_class_or(c->to, SH_DATA_CLASS_DEFAULT);
    if (!c->lower && sh_data_class_lower(now, was)) {
        return lowered(diag, SH_STR("the tenant"), was, now);
    }
    json_t *doc = json_object();
    sh_err err = doc == NULL ? SH_E_NOMEM : say(doc, c->to);
    if (err == SH_OK) {
        err = twin_doc_put(t, c->tenant, KIND_DEFAULT, DEFAULT_ID, doc, SH_RECORD_ANY, c->author,
                           NULL);
    }
    if (err == SH_OK) {
        sh_mutex_lock(&t->lock);
        struct twin_tenant *tt = twin_tenant(t, c->tenant, true);
        if (tt != NULL) {
            tt->data_class = twin_class_said(t, doc);
        }
        sh_mutex_unlock(&t->lock);
        err = tt == NULL ? SH_E_NOMEM : SH_OK;
        twin_class_all(t, c->tenant);
    }
    json_decref(doc);
    return err;
}

/* The body of a change that says the class of a property: all properties, that one changed. */
static sh_err property_body(struct sh_twin *t, const struct sh_twin_classify *c, json_t *body)
{
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, c->tenant, false);
    const struct twin_thing *m = tt == NULL ? NULL : sh_map_get(&tt->things, c->id);
    json_t *list = m == NULL ? NULL : json_deep_copy(json_object_get(m->json, "properties"));
    sh_mutex_unlock(&t->lock);
    json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *p = json_array_get(list, i);
        found = sh_str_eq(sh_json_get_str(p, "id"), c->property) ? p : found;
    }
    if (found == NULL) {
        json_decref(list);
        return SH_E_NOTFOUND;
    }
    if (json_object_get(found, "inherited") != NULL) { /* it is an override from now on */
        json_t *over = json_object_get(found, "overrides");
        if (over == NULL) {
            (void)json_object_set_new(found, "overrides", json_array());
            over = json_object_get(found, "overrides");
        }
        (void)json_array_append_new(over, json_string("data_class"));
        (void)json_array_append_new(over, json_string("data_level"));
    }
    const sh_err err = say(found, c->to);
    return json_object_set_new(body, "properties", list) == 0 ? err : SH_E_NOMEM;
}

static sh_err say_thing(struct sh_twin *t, const struct sh_twin_classify *c, struct sh_diag *diag)
{
    json_t *body = json_object();
    sh_err err = body == NULL ? SH_E_NOMEM : SH_OK;
    if (err == SH_OK) {
        err = c->property.n == 0 ? say(body, c->to) : property_body(t, c, body);
    }
    const struct sh_twin_thing_change change = {.tenant = c->tenant,
                                                .id = c->id,
                                                .how = SH_TWIN_PATCH,
                                                .body = body,
                                                .expect = SH_RECORD_ANY,
                                                .author = c->author,
                                                .comment = c->reason,
                                                .lower = c->lower};
    err = err == SH_OK ? sh_twin_thing_change(t, &change, NULL, NULL, diag) : err;
    json_decref(body);
    return err;
}

static sh_err say_device(struct sh_twin *t, const struct sh_twin_classify *c, struct sh_diag *diag)
{
    json_t *body = json_object();
    json_t *one = json_object();
    sh_err err = body == NULL || one == NULL ? SH_E_NOMEM : say(one, c->to);
    if (err == SH_OK && c->kind == SH_TWIN_CLASSED_DEVICE) {
        err = json_object_update(body, one) == 0 ? SH_OK : SH_E_NOMEM;
    } else if (err == SH_OK) {
        json_t *points = json_object();
        const bool none = c->to.name == 0 && c->to.level == 0;
        if (points == NULL ||
            json_object_setn_new(points, c->property.p, c->property.n,
                                 none ? json_null() : json_incref(one)) != 0 ||
            json_object_set(body, "point_classes", points) != 0) {
            err = SH_E_NOMEM;
        }
        json_decref(points);
    }
    const struct sh_twin_device_change change = {.tenant = c->tenant,
                                                 .id = c->id,
                                                 .how = SH_TWIN_PATCH,
                                                 .body = body,
                                                 .expect = SH_RECORD_ANY,
                                                 .author = c->author,
                                                 .lower = c->lower};
    err = err == SH_OK ? sh_twin_device_put_within(t, &change, NULL, diag) : err;
    json_decref(one);
    json_decref(body);
    return err;
}

sh_err sh_twin_classify(struct sh_twin *t, const struct sh_twin_classify *c, struct sh_diag *diag)
{
    if (c->kind == SH_TWIN_CLASSED_THING) {
        return say_thing(t, c, diag);
    }
    if (c->kind != SH_TWIN_CLASSED_TENANT) {
        return say_device(t, c, diag);
    }
    sh_mutex_lock(&t->write);
    const sh_err err = say_tenant(t, c, diag);
    sh_mutex_unlock(&t->write);
    return err;
}

void sh_twin_unclassed(struct sh_twin *t, uint32_t tenant, uint32_t *models, uint32_t *unclassed)
{
    *models = 0;
    *unclassed = 0;
    sh_mutex_lock(&t->lock);
    const struct twin_tenant *tt = twin_tenant(t, tenant, false);
    size_t it = 0;
    struct sh_str id;
    void *v = NULL;
    while (tt != NULL && sh_map_next(&tt->things, &it, &id, &v)) {
        const struct twin_thing *m = v;
        ++*models;
        *unclassed += m->data_class.name == 0 ? 1 : 0;
    }
    sh_mutex_unlock(&t->lock);
}
