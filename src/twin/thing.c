/* thing.c - thing models: checks, storage, the points of their devices.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

#include <math.h>
#include <stdio.h>

#include <sh/units.h>

static sh_err fault(struct sh_diag *d, const char *path, const char *what)
{
    sh_diag_at(d, sh_str_c(path), 0);
    sh_diag_set(d, "%s %s", path, what);
    return SH_E_INVAL;
}

/* The same id twice in a list is refused. */
static sh_err check_ids(const struct sh_alloc *a, const json_t *list, const char *name,
                        struct sh_diag *diag)
{
    struct sh_map seen;
    sh_err err = SH_OK;
    sh_map_init(&seen, a, json_array_size(list) + 1, 0);
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        const json_t *item = json_array_get(list, i);
        err = sh_map_put(&seen, sh_json_get_str(item, "id"), (void *)(uintptr_t)item);
        if (err == SH_E_EXISTS) {
            char path[80];
            (void)snprintf(path, sizeof path, "/%s/%zu/id", name, i);
            err = fault(diag, path, "is there twice");
        }
    }
    sh_map_fini(&seen);
    return err;
}

static sh_err check_range(const json_t *item, const char *where, struct sh_diag *diag)
{
    const json_t *r = json_object_get(item, "range");
    const json_t *lo = json_object_get(r, "min");
    const json_t *hi = json_object_get(r, "max");
    if (lo != NULL && hi != NULL && json_number_value(lo) > json_number_value(hi)) {
        char path[120];
        (void)snprintf(path, sizeof path, "%s/range", where);
        return fault(diag, path, "has a min above its max");
    }
    return SH_OK;
}

/* The words of a text stand under the text itself, those of a number under the number. */
static sh_err check_enum(const json_t *item, enum sh_type type, const char *where,
                         struct sh_diag *diag)
{
    const char *key = NULL;
    const json_t *word = NULL;
    json_t *words = json_object_get(item, "enum");
    json_object_foreach(words, key, word)
    {
        int64_t number = 0;
        if (type != SH_T_TEXT && sh_i64_parse(sh_str_c(key), &number) != SH_OK) {
            char path[200];
            (void)snprintf(path, sizeof path, "%s/enum/%.64s", where, key);
            return fault(diag, path, "is not a whole number");
        }
    }
    return SH_OK;
}

static sh_err check_property(const struct sh_alloc *a, const json_t *item, size_t i,
                             struct sh_diag *diag)
{
    char where[64];
    char path[200];
    struct sh_unit unit;
    struct sh_scale *scale = NULL;
    enum sh_type type = SH_T_F64;
    struct sh_diag sub = {.line = 0};
    (void)snprintf(where, sizeof where, "/properties/%zu", i);
    SH_TRY(check_range(item, where, diag));
    SH_TRY(sh_type_parse(sh_json_get_str(item, "type"), &type));
    SH_TRY(check_enum(item, type, where, diag));
    sh_err err = sh_unit_parse(sh_json_get_str(item, "unit"), &unit, &sub);
    if (err != SH_OK) {
        (void)snprintf(path, sizeof path, "%s/unit", where);
        (void)fault(diag, path, "is not a UCUM code");
        sh_diag_remedy(diag, "%s", sub.message);
        return SH_E_INVAL;
    }
    err = sh_scale_new(a, json_object_get(item, "scale"), type, &scale, &sub);
    sh_scale_free(scale);
    if (err != SH_OK) {
        (void)snprintf(path, sizeof path, "%s/scale%.100s", where, sub.path);
        sh_diag_at(diag, sh_str_c(path), 0);
        sh_diag_set(diag, "%s: %.200s", path, sub.message);
        return err == SH_E_NOMEM ? err : SH_E_INVAL;
    }
    return SH_OK;
}

sh_err sh_twin_thing_check(struct sh_twin *t, const json_t *body, struct sh_diag *diag)
{
    const json_t *props = json_object_get(body, "properties");
    SH_TRY(sh_schema_check_diag(t->thing_schema, body, diag));
    SH_TRY(check_ids(t->env->alloc, props, "properties", diag));
    SH_TRY(check_ids(t->env->alloc, json_object_get(body, "events"), "events", diag));
    SH_TRY(check_ids(t->env->alloc, json_object_get(body, "services"), "services", diag));
    for (size_t i = 0; i < json_array_size(props); i++) {
        SH_TRY(check_property(t->env->alloc, json_array_get(props, i), i, diag));
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ in memory */

static void sort_props(struct twin_property *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const struct twin_property x = v[i];
        size_t k = i;
        while (k > 0 && sh_str_cmp(v[k - 1].id, x.id) > 0) {
            v[k] = v[k - 1];
            k--;
        }
        v[k] = x;
    }
}

/* Takes its own references. Under the lock. */
static struct twin_thing *thing_new(struct sh_twin *t, json_t *own, json_t *json, uint64_t rev)
{
    const json_t *list = json_object_get(json, "properties");
    struct twin_thing *m = sh_mem_new(t->env->alloc, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->refs = 1;
    m->own = json_incref(own);
    m->json = json_incref(json);
    m->extends = sh_json_get_str(own, "extends");
    m->rev = rev;
    m->ar = sh_arena_new(t->env->alloc, TWIN_ARENA_BYTES);
    m->data_class = twin_class_said(t, json);
    m->top = m->data_class;
    m->props =
        m->ar == NULL ? NULL : sh_arena_array(m->ar, json_array_size(list) + 1, sizeof *m->props);
    if (m->props == NULL) {
        twin_thing_unref(t, m);
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct twin_property *p = &m->props[m->nprops++];
        const struct sh_str unit = sh_json_get_str(item, "unit");
        p->id = sh_json_get_str(item, "id");
        if (sh_type_parse(sh_json_get_str(item, "type"), &p->type) != SH_OK) {
            p->type = SH_T_F64;
        }
        const char *u = twin_intern(t, unit);
        p->unit = (struct sh_str){u, u == NULL ? 0 : unit.n};
        p->scale = json_object_get(item, "scale");
        const json_t *range = json_object_get(item, "range");
        p->low = sh_json_get_f64(range, "min", NAN);
        p->high = sh_json_get_f64(range, "max", NAN);
        p->writable = sh_str_eqc(sh_json_get_str(item, "access"), "rw");
        p->data_class = twin_class_said(t, item);
        m->top = sh_data_class_max(m->top, p->data_class);
    }
    sort_props(m->props, m->nprops);
    return m;
}

void twin_thing_unref(struct sh_twin *t, struct twin_thing *m)
{
    if (m != NULL && --m->refs == 0) {
        sh_arena_free(m->ar);
        json_decref(m->json);
        json_decref(m->own);
        sh_mem_free(t->env->alloc, m);
    }
}

struct twin_thing *twin_thing_find(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    const struct twin_tenant *own = twin_tenant(t, tenant, false);
    struct twin_thing *m = own == NULL ? NULL : sh_map_get(&own->things, id);
    if (m == NULL && tenant != SH_RECORD_PLATFORM) {
        const struct twin_tenant *all = twin_tenant(t, SH_RECORD_PLATFORM, false);
        m = all == NULL ? NULL : sh_map_get(&all->things, id);
    }
    return m;
}

const struct twin_property *twin_thing_property(const struct twin_thing *m, struct sh_str id)
{
    size_t lo = 0;
    size_t hi = m->nprops;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int d = sh_str_cmp(m->props[mid].id, id);
        if (d == 0) {
            return &m->props[mid];
        }
        if (d < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

uint32_t twin_thing_owner(struct sh_twin *t, uint32_t tenant, struct sh_str id)
{
    const struct twin_tenant *own = twin_tenant(t, tenant, false);
    return own != NULL && sh_map_get(&own->things, id) != NULL ? tenant : SH_RECORD_PLATFORM;
}

static sh_err put_in(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t *own,
                     json_t *whole, uint64_t rev)
{
    sh_err err = SH_E_NOMEM;
    sh_mutex_lock(&t->lock);
    struct twin_tenant *tt = twin_tenant(t, tenant, true);
    struct twin_thing *m = tt == NULL ? NULL : thing_new(t, own, whole, rev);
    if (m != NULL) {
        struct twin_thing *old = sh_map_get(&tt->things, id);
        err = sh_map_set(&tt->things, id, m);
        twin_thing_unref(t, err == SH_OK ? old : m);
    }
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err twin_thing_remember(struct sh_twin *t, uint32_t tenant, struct sh_str id, json_t *own,
                           uint64_t rev)
{
    const struct sh_str extends = sh_json_get_str(own, "extends");
    json_t *whole = NULL;
    sh_mutex_lock(&t->lock);
    struct twin_thing *parent = extends.n == 0 ? NULL : twin_thing_find(t, tenant, extends);
    if (parent != NULL) {
        parent->refs++;
    }
    sh_mutex_unlock(&t->lock);
    sh_err err = twin_model_whole(parent == NULL ? NULL : parent->json, extends, own, &whole, NULL);
    if (err == SH_OK) {
        err = put_in(t, tenant, id, own, whole, rev);
    }
    json_decref(whole);
    sh_mutex_lock(&t->lock);
    twin_thing_unref(t, parent);
    sh_mutex_unlock(&t->lock);
    return err;
}

sh_err twin_thing_load(void *ctx, const struct sh_record_row *row)
{
    struct sh_twin *t = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, (size_t)TWIN_DOC_BYTES * 2, &doc, NULL));
    const sh_err err = put_in(t, row->tenant, row->id, doc, doc, row->rev);
    json_decref(doc);
    return err;
}

/* One generation: the models whose parents are `depth` - 1 deep. *n counts them. */
static sh_err link_tenant(struct sh_twin *t, const struct twin_tenant *tt, size_t *n)
{
    size_t it = 0;
    struct sh_str id;
    void *v = NULL;
    while (sh_map_next(&tt->things, &it, &id, &v)) {
        struct twin_thing *m = v;
        if (m->extends.n == 0) {
            continue;
        }
        json_t *own = json_incref(m->own);
        const sh_err err = twin_thing_remember(t, tt->id, id, own, m->rev);
        json_decref(own);
        SH_TRY(err);
        ++*n;
    }
    return SH_OK;
}

/* Nobody else is there yet. As many rounds as there may be generations: a round gives each model
 * the parent's form of the round before. */
sh_err twin_things_link(struct sh_twin *t)
{
    size_t n = 1;
    for (int depth = 1; depth < SH_TWIN_MAX_EXTENDS && n > 0; depth++) {
        size_t it = 0;
        struct sh_str key;
        void *v = NULL;
        n = 0;
        while (sh_map_next(&t->tenants, &it, &key, &v)) {
            SH_TRY(link_tenant(t, v, &n));
        }
    }
    return SH_OK;
}

enum sh_twin_refusal sh_twin_property(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                                      struct sh_str property, enum sh_type *type,
                                      struct sh_str *unit)
{
    enum sh_twin_refusal r = SH_TWIN_UNKNOWN_DEVICE;
    *type = (enum sh_type)0;
    *unit = SH_STR("");
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    if (s != NULL) {
        r = SH_TWIN_OK;
        const struct twin_thing *m = twin_thing_find(t, tenant, twin_dev_text(s->dev, TWIN_THING));
        const struct twin_property *p = m == NULL ? NULL : twin_thing_property(m, property);
        if (p != NULL) {
            *type = p->type;
            *unit = p->unit;
        }
    }
    sh_mutex_unlock(&t->lock);
    return r;
}

void sh_twin_property_expected(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                               struct sh_str property, struct sh_twin_expected *out)
{
    *out = (struct sh_twin_expected){.low = NAN, .high = NAN};
    sh_mutex_lock(&t->lock);
    const struct twin_slot *s = twin_find(t, tenant, device);
    if (s != NULL) {
        out->period_us = s->dev->period_us;
        const struct twin_thing *m = twin_thing_find(t, tenant, twin_dev_text(s->dev, TWIN_THING));
        const struct twin_property *p = m == NULL ? NULL : twin_thing_property(m, property);
        if (p != NULL) {
            out->low = p->low;
            out->high = p->high;
        }
    }
    sh_mutex_unlock(&t->lock);
}

/* ------------------------------------------------------------------ points */

static sh_err raw_point(struct sh_twin *t, struct sh_point_def d, const struct sh_scale *scale,
                        uint32_t *id)
{
    char name[SH_POINT_MAX_NAME + 8];
    *id = 0;
    if (scale == NULL || !scale->keep_raw) {
        return SH_OK;
    }
    const int n = snprintf(name, sizeof name, "%.*s.raw", SH_PRI(d.property));
    d.property = (struct sh_str){name, n < 0 ? 0 : (size_t)n};
    d.type = scale->raw_type;
    d.unit = SH_STR("");
    return sh_points_define(t->o.points, &d, true, id);
}

static sh_err apply_property(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                             const struct twin_property *p)
{
    const struct sh_point_def d = {
        .tenant = tenant, .type = p->type, .device = device, .property = p->id, .unit = p->unit};
    struct sh_scale *scale = NULL;
    uint32_t id = 0;
    uint32_t raw = 0;
    SH_TRY(sh_points_define(t->o.points, &d, true, &id));
    const struct sh_point *pt = sh_points_get(t->o.points, id);
    if (pt != NULL && !sh_str_eq(pt->unit, p->unit)) {
        SH_TRY(sh_points_set_unit(t->o.points, id, p->unit));
    }
    SH_TRY(sh_scale_new(t->env->alloc, p->scale, p->type, &scale, NULL));
    const sh_err err = raw_point(t, d, scale, &raw);
    if (err != SH_OK) {
        sh_scale_free(scale);
        return err;
    }
    uint32_t old_raw = 0;
    if (scale == NULL && sh_points_scale(t->o.points, id, &old_raw) == NULL) {
        return SH_OK;
    }
    return sh_points_set_scale(t->o.points, id, scale, raw);
}

void twin_apply_model(struct sh_twin *t, uint32_t tenant, struct sh_str device,
                      struct twin_thing *m, bool at_start)
{
    sh_err first = SH_OK;
    if (t->o.points == NULL || m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->nprops; i++) {
        if (at_start && (m->props[i].scale == NULL || json_is_null(m->props[i].scale))) {
            continue;
        }
        const sh_err err = apply_property(t, tenant, device, &m->props[i]);
        first = first == SH_OK ? err : first;
    }
    if (first != SH_OK) {
        sh_log(t->env->log, SH_LOG_WARN, "twin", "points of device %.*s are not all made: %s",
               SH_PRI(device), sh_err_name(first));
    }
}

/* Devices of one tenant that use one of the models (NULL: any model), in chunks. */
static void apply_tenant(struct sh_twin *t, struct twin_tenant *tt, const struct sh_map *ids,
                         bool at_start)
{
    size_t at = 0;
    for (;;) {
        struct twin_dev *d = NULL;
        struct twin_thing *m = NULL;
        sh_mutex_lock(&t->lock);
        twin_order(t, tt);
        while (at < tt->n && m == NULL) {
            d = tt->sorted[at++]->dev;
            if (twin_dev_text(d, TWIN_THING).n > 0 &&
                (ids == NULL || sh_map_get(ids, twin_dev_text(d, TWIN_THING)) != NULL)) {
                m = twin_thing_find(t, tt->id, twin_dev_text(d, TWIN_THING));
            }
        }
        if (m != NULL) {
            m->refs++;
            d->refs++;
        }
        sh_mutex_unlock(&t->lock);
        if (m == NULL) {
            return;
        }
        twin_apply_model(t, tt->id, d->id, m, at_start);
        if (!at_start) {
            twin_class_device(t, tt->id, d->id);
        }
        sh_mutex_lock(&t->lock);
        twin_thing_unref(t, m);
        twin_dev_unref(t, d);
        sh_mutex_unlock(&t->lock);
    }
}

/* Under `write`: no tenant or device comes or goes, but for ensure, which gives no model. */
static void apply_everywhere(struct sh_twin *t, uint32_t tenant, const struct sh_map *ids,
                             bool at_start)
{
    struct twin_tenant *list[256];
    size_t it = 0;
    bool more = true;
    while (more) {
        size_t n = 0;
        struct sh_str key;
        void *v = NULL;
        sh_mutex_lock(&t->lock);
        while (n < sizeof list / sizeof list[0] &&
               (more = sh_map_next(&t->tenants, &it, &key, &v))) {
            struct twin_tenant *tt = v;
            if (tenant == SH_RECORD_PLATFORM || tt->id == tenant) {
                list[n++] = tt;
            }
        }
        sh_mutex_unlock(&t->lock);
        for (size_t i = 0; i < n; i++) {
            apply_tenant(t, list[i], ids, at_start);
        }
    }
}

void twin_apply_all(struct sh_twin *t)
{
    apply_everywhere(t, SH_RECORD_PLATFORM, NULL, true);
}

void twin_apply_models(struct sh_twin *t, uint32_t tenant, const struct sh_map *ids)
{
    apply_everywhere(t, tenant, ids, false);
}
