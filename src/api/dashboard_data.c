/* dashboard_data.c - what a page needs before the live stream takes over: unit, type, words and
 * newest value of points, and states of devices. What does not exist and what the caller may not
 * see is left out alike: one missing point never breaks a page.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dashboard.h"

/* Documents of devices and models, each read once. */
struct known {
    struct api_req *r;
    const struct sight *s;
    json_t *devices; /* id -> device, null = there is none */
    json_t *things;
    sh_err err;
};

typedef sh_err read_fn(struct known *k, struct sh_str id, struct sh_jw *w);

static sh_err read_device(struct known *k, struct sh_str id, struct sh_jw *w)
{
    uint64_t rev = 0;
    return sh_twin_device_write(k->r->api->o.twin, k->r->tenant, id, w, &rev);
}

static sh_err read_thing(struct known *k, struct sh_str id, struct sh_jw *w)
{
    uint64_t rev = 0;
    return sh_twin_thing_write(k->r->api->o.twin, k->r->tenant, id, w, &rev);
}

/* Borrowed; NULL: there is none. */
static const json_t *document(struct known *k, json_t *cache, struct sh_str id, read_fn *read)
{
    json_t *doc = json_object_getn(cache, id.p, id.n);
    if (doc != NULL || id.n == 0) {
        return json_is_object(doc) ? doc : NULL;
    }
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, k->r->api->env->alloc, 4 << 20);
    sh_jw_init(&w, &text);
    sh_err err = read(k, id, &w);
    if (err == SH_OK) {
        err = sh_jw_end(&w);
    }
    if (err == SH_OK) {
        err = sh_json_parse(sh_buf_str(&text), text.n, &doc, NULL);
    }
    sh_buf_fini(&text);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        k->err = err;
        return NULL;
    }
    doc = doc == NULL ? json_null() : doc;
    if (json_object_setn_new(cache, id.p, id.n, doc) != 0) {
        k->err = SH_E_NOMEM;
        return NULL;
    }
    return json_is_object(doc) ? doc : NULL;
}

static void put_words(struct known *k, const struct sh_point *p)
{
    struct sh_jw *w = &k->r->w;
    const json_t *device = document(k, k->devices, p->device, read_device);
    const json_t *thing = document(k, k->things, sh_json_get_str(device, "thing"), read_thing);
    const json_t *list = json_object_get(thing, "properties");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *property = json_array_get(list, i);
        if (!sh_str_eq(sh_json_get_str(property, "id"), p->property)) {
            continue;
        }
        static const char *const members[] = {"name", "range", "enum"};
        for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
            const json_t *v = json_object_get(property, members[m]);
            if (v != NULL) {
                sh_jw_key(w, members[m]);
                sh_jw_json(w, v);
            }
        }
        return;
    }
}

static sh_err put_point(struct known *k, struct sh_str name, uint32_t id)
{
    struct sh_jw *w = &k->r->w;
    const struct sh_point *p = sh_points_get(k->r->api->o.points, id);
    struct sh_latest_value v;
    struct sh_buf text;
    sh_buf_init(&text, k->r->api->env->alloc, 4 << 20);
    const bool clear = api_clear_point(k->r, SH_PERM_HISTORY_READ, id);
    const uint32_t read = clear ? id : 0;
    const sh_err err = sh_latest_get(k->r->api->o.latest, &read, 1, &v, &text);
    if (err == SH_OK) {
        sh_jw_key_str(w, name);
        sh_jw_obj(w);
        sh_jw_key(w, "device");
        sh_jw_str(w, p->device);
        sh_jw_key(w, "property");
        sh_jw_str(w, p->property);
        sh_jw_key(w, "type");
        sh_jw_c(w, sh_type_name(p->type));
        sh_jw_key(w, "unit");
        sh_jw_str(w, p->unit);
        sh_jw_key(w, "tag");
        sh_jw_str(w, p->tag);
        put_words(k, p);
        sh_data_class_write(sh_points_class(k->r->api->o.points, id), w);
        if (!clear) {
            sh_jw_key(w, "value");
            sh_jw_null(w);
            sh_jw_key(w, "masked");
            sh_jw_bool(w, true);
        } else if (v.found) {
            sh_jw_key(w, "time");
            api_put_time(w, v.time_us, API_TIME_MS);
            sh_jw_key(w, "value");
            api_put_cell(w, v.type, v.value, text.p);
            sh_jw_key(w, "quality");
            sh_jw_u64(w, v.quality);
        }
        sh_jw_obj_end(w);
    }
    sh_buf_fini(&text);
    return err == SH_OK ? k->err : err;
}

static sh_err put_device(struct known *k, struct sh_str id)
{
    static const char *const members[] = {"name", "state", "since"};
    struct sh_jw *w = &k->r->w;
    const json_t *doc = document(k, k->devices, id, read_device);
    if (doc == NULL) {
        return k->err;
    }
    sh_jw_key_str(w, id);
    sh_jw_obj(w);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const json_t *v = json_object_get(doc, members[i]);
        if (v != NULL) {
            sh_jw_key(w, members[i]);
            sh_jw_json(w, v);
        }
    }
    sh_jw_obj_end(w);
    return SH_OK;
}

static sh_err put_all(struct known *k, const json_t *points, const json_t *devices)
{
    struct sh_jw *w = &k->r->w;
    sh_err err = SH_OK;
    sh_jw_obj(w);
    sh_jw_key(w, "points");
    sh_jw_obj(w);
    for (size_t i = 0; err == SH_OK && i < json_array_size(points); i++) {
        const json_t *v = json_array_get(points, i);
        const struct sh_str name = sh_str_of(json_string_value(v), json_string_length(v));
        const uint32_t id = sh_points_resolve(k->r->api->o.points, k->r->tenant, name);
        if (id != 0 && sight_of_point(k->s, name)) {
            err = put_point(k, name, id);
        }
    }
    sh_jw_obj_end(w);
    sh_jw_key(w, "devices");
    sh_jw_obj(w);
    for (size_t i = 0; err == SH_OK && i < json_array_size(devices); i++) {
        const json_t *v = json_array_get(devices, i);
        const struct sh_str id = sh_str_of(json_string_value(v), json_string_length(v));
        if (sight_of_device(k->s, id)) {
            err = put_device(k, id);
        }
    }
    sh_jw_obj_end(w);
    sh_jw_obj_end(w);
    return err;
}

static bool names_ok(const json_t *list, size_t most)
{
    bool good = list == NULL || (json_is_array(list) && json_array_size(list) <= most);
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        good = json_is_string(json_array_get(list, i));
    }
    return good;
}

int api_dashboards_data(struct api_req *r)
{
    const json_t *points = json_object_get(r->body, "points");
    const json_t *devices = json_object_get(r->body, "devices");
    struct sight s;
    if (!names_ok(points, DASHBOARD_POINTS) || !names_ok(devices, DASHBOARD_DEVICES)) {
        return api_problem(r, 400, "bad_request",
                           "points and devices are lists of names, at most 2000 and 1000",
                           "points 和 devices 须为名称列表，最多 2000 个和 1000 个");
    }
    sh_err err = sight_of(r, &s);
    struct known k = {.r = r, .s = &s, .devices = json_object(), .things = json_object()};
    if (err == SH_OK && (k.devices == NULL || k.things == NULL)) {
        err = SH_E_NOMEM;
    }
    if (err == SH_OK) {
        err = put_all(&k, points, devices);
    }
    json_decref(k.devices);
    json_decref(k.things);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}
