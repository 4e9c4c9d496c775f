/* points.c - points and their latest values.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

static bool put_alias(void *ctx, struct sh_str device, struct sh_str property)
{
    struct api_req *r = ctx;
    sh_jw_str(&r->w, sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(device), SH_PRI(property)));
    return true;
}

static void put_point(struct api_req *r, const struct sh_point *p)
{
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_u64(w, p->id);
    sh_jw_key(w, "name");
    sh_jw_str(w, sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(p->device), SH_PRI(p->property)));
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
    sh_jw_key(w, "aliases");
    sh_jw_arr(w);
    sh_points_aliases(r->api->o.points, p->id, put_alias, r);
    sh_jw_arr_end(w);
    sh_data_class_write(sh_points_class(r->api->o.points, p->id), w);
    if (!api_clear_point(r, SH_PERM_POINTS_READ, p->id)) {
        sh_jw_key(w, "masked");
        sh_jw_bool(w, true);
    }
    sh_jw_obj_end(w);
}

/* ASCII case is ignored; other characters must be the same. */
static bool contains(struct sh_str s, struct sh_str part)
{
    for (size_t i = 0; part.n <= s.n && i + part.n <= s.n; i++) {
        if (sh_str_ieq(sh_str_sub(s, i, i + part.n), part)) {
            return true;
        }
    }
    return false;
}

/* Is this id what its name means now (not removed, not replaced by another type)? */
static bool is_live(const struct sh_points *points, const struct sh_point *p)
{
    return sh_points_find(points, p->tenant, p->device, p->property) == p->id;
}

/* Is `q` part of the name as it is shown, device/property? */
static bool in_name(const struct sh_point *p, struct sh_str q)
{
    const size_t cut = sh_str_rfind(q, '/');
    if (cut == SIZE_MAX) {
        return false;
    }
    const struct sh_str end = sh_str_sub(q, 0, cut);
    const struct sh_str begin = sh_str_sub(q, cut + 1, q.n);
    return end.n <= p->device.n && begin.n <= p->property.n &&
           sh_str_ieq(sh_str_sub(p->device, p->device.n - end.n, p->device.n), end) &&
           sh_str_ieq(sh_str_sub(p->property, 0, begin.n), begin);
}

static bool wanted(const struct sh_point *p, struct sh_str device, struct sh_str q)
{
    if (device.n > 0 && !sh_str_eq(p->device, device)) {
        return false;
    }
    return q.n == 0 || contains(p->device, q) || contains(p->property, q) || contains(p->tag, q) ||
           in_name(p, q);
}

int api_points_list(struct api_req *r)
{
    const struct sh_points *points = r->api->o.points;
    const struct sh_str device = api_query(r, "device");
    const struct sh_str q = api_query(r, "q");
    const struct sh_str cursor = api_query(r, "cursor");
    const bool events = sh_str_eqc(api_query(r, "events"), "true");
    const struct sh_str class_word = api_query(r, "data_class");
    uint8_t class_name = 0;
    if (class_word.n > 0 && sh_data_class_parse(class_word, &class_name) != SH_OK) {
        return api_problem(r, 400, "bad_request", "data_class must be general, important or core",
                           "data_class 须为 general、important 或 core");
    }
    const uint32_t limit = api_limit(r, 50, 1000);
    uint64_t after = 0;
    if (cursor.n > 0 && sh_u64_parse(cursor, &after) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
    }
    const uint32_t last = sh_points_last_id(points);
    uint32_t n = 0;
    uint64_t id = after + 1;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (; id <= last && n < limit; id++) {
        const struct sh_point *p = sh_points_get(points, (uint32_t)id);
        if (p != NULL && p->tenant == r->tenant && wanted(p, device, q) &&
            (events || !sh_point_is_event(p)) && is_live(points, p) && api_sees(r, p->device) &&
            (class_name == 0 || sh_points_class(points, p->id).name == class_name)) {
            put_point(r, p);
            n++;
        }
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (id > last) {
        sh_jw_null(&r->w);
    } else {
        char t[SH_I64_CHARS];
        sh_jw_str(&r->w, sh_str_of(t, sh_u64_print(id - 1, t)));
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

/* Of this point alone; what would be lower is for who may classify (data_classes.c). */
static sh_err raise_class(struct api_req *r, const struct sh_point *p, struct sh_diag *d)
{
    struct sh_twin_classify c = {.tenant = r->tenant,
                                 .kind = SH_TWIN_CLASSED_POINT,
                                 .id = p->device,
                                 .property = p->property,
                                 .author = api_author(r)};
    SH_TRY(sh_data_class_read(r->body, &c.to, d));
    return sh_twin_classify(r->api->o.twin, &c, d);
}

int api_points_patch(struct api_req *r)
{
    const struct sh_str name =
        sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(r->params[0]), SH_PRI(r->params[1]));
    int status = 0;
    const uint32_t id = api_point(r, name, &status);
    if (id == 0) {
        return status;
    }
    sh_err err = SH_OK;
    if (json_object_get(r->body, "tag") != NULL) {
        err = sh_points_set_tag(r->api->o.points, id, sh_json_get_str(r->body, "tag"));
        if (err == SH_E_EXISTS) {
            return api_problem(r, 409, "exists", "another point of the tenant has this tag",
                               "租户内另一点位已使用该位号");
        }
    }
    if (err == SH_OK && json_object_get(r->body, "unit") != NULL) {
        err = sh_points_set_unit(r->api->o.points, id, sh_json_get_str(r->body, "unit"));
    }
    struct sh_diag d = {0};
    if (err == SH_OK && (json_object_get(r->body, "data_class") != NULL ||
                         json_object_get(r->body, "data_level") != NULL)) {
        err = raise_class(r, sh_points_get(r->api->o.points, id), &d);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "point.changed", name, "ok", sh_bytes_str(r->http->body));
    put_point(r, sh_points_get(r->api->o.points, id));
    return 200;
}

static void put_value(struct api_req *r, const struct sh_latest_value *v, const struct sh_buf *text,
                      enum api_time_form form)
{
    sh_jw_key(&r->w, "time");
    api_put_time(&r->w, v->time_us, form);
    sh_jw_key(&r->w, "value");
    api_put_cell(&r->w, v->type, v->value, text->p);
    sh_jw_key(&r->w, "quality");
    sh_jw_u64(&r->w, v->quality);
}

static void put_masked(struct api_req *r, struct sh_data_class c)
{
    sh_jw_key(&r->w, "value");
    sh_jw_null(&r->w);
    api_put_masked(&r->w, c);
}

/* The named points, found and read together. */
struct latest_list {
    struct api_req *r;
    struct sh_str *names;
    uint32_t *ids; /* 0: masked, and not read */
    struct sh_data_class *classes;
    struct sh_latest_value *values;
    size_t n;
};

enum { LATEST_MOST = 10000 };

static sh_err latest_new(struct latest_list *l, struct api_req *r, size_t n)
{
    *l = (struct latest_list){.r = r};
    l->names = sh_arena_array(r->arena, n + 1, sizeof *l->names);
    l->ids = sh_arena_array(r->arena, n + 1, sizeof *l->ids);
    l->classes = sh_arena_array(r->arena, n + 1, sizeof *l->classes);
    l->values = sh_arena_array(r->arena, n + 1, sizeof *l->values);
    return l->names == NULL || l->ids == NULL || l->classes == NULL || l->values == NULL
               ? SH_E_NOMEM
               : SH_OK;
}

/* 0, or the status of a problem that was written. */
static int latest_add(struct latest_list *l, struct sh_str name)
{
    int status = 0;
    l->names[l->n] = name;
    const uint32_t id = api_point(l->r, name, &status);
    l->ids[l->n] = id != 0 && api_clear_point(l->r, SH_PERM_POINTS_READ, id) ? id : 0;
    l->classes[l->n] = sh_points_class(l->r->api->o.points, id);
    l->n += id == 0 ? 0 : 1;
    return status;
}

static sh_err latest_put(struct latest_list *l, enum api_time_form form)
{
    struct sh_jw *w = &l->r->w;
    struct sh_buf text;
    sh_buf_init(&text, l->r->api->env->alloc, 16 << 20);
    const sh_err err = sh_latest_get(l->r->api->o.latest, l->ids, l->n, l->values, &text);
    sh_jw_obj(w);
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = 0; err == SH_OK && i < l->n; i++) {
        sh_jw_obj(w);
        sh_jw_key(w, "point");
        sh_jw_str(w, l->names[i]);
        if (l->ids[i] == 0) {
            put_masked(l->r, l->classes[i]);
        } else if (l->values[i].found) {
            put_value(l->r, &l->values[i], &text, form);
        }
        sh_jw_obj_end(w);
    }
    sh_buf_fini(&text);
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
    return err;
}

static size_t count_names(struct sh_str list)
{
    size_t n = list.n > 0 ? 1 : 0;
    for (size_t i = 0; i < list.n; i++) {
        n += list.p[i] == ',' ? 1 : 0;
    }
    return n;
}

static int latest_of(struct api_req *r, struct sh_str list, const json_t *array, struct sh_str time)
{
    enum api_time_form form;
    struct latest_list l;
    int status = 0;
    if (!api_time_form(time, &form)) {
        return api_problem(r, 400, "bad_request", "time must be ms or us", "time 须为 ms 或 us");
    }
    const size_t n = array != NULL ? json_array_size(array) : count_names(list);
    if (n > LATEST_MOST) {
        return api_problem(r, 400, "bad_request", "at most 10000 points", "最多 10000 个点位");
    }
    sh_err err = latest_new(&l, r, n);
    for (size_t i = 0; err == SH_OK && status == 0 && i < n; i++) {
        const json_t *v = json_array_get(array, i);
        const struct sh_str name = array == NULL
                                       ? sh_str_cut(list, ',', &list)
                                       : sh_str_of(json_string_value(v), json_string_length(v));
        status = latest_add(&l, name);
    }
    if (status != 0) {
        return status;
    }
    err = err == SH_OK ? latest_put(&l, form) : err;
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_latest(struct api_req *r)
{
    return latest_of(r, api_query(r, "points"), NULL, api_query(r, "time"));
}

int api_latest_post(struct api_req *r)
{
    return latest_of(r, (struct sh_str){NULL, 0}, json_object_get(r->body, "points"),
                     sh_json_get_str(r->body, "time"));
}

static int put_device_points(struct api_req *r, const uint32_t *ids, size_t n,
                             enum api_time_form form)
{
    struct sh_buf text;
    sh_buf_init(&text, r->api->env->alloc, 16 << 20);
    int status = 200;
    for (size_t i = 0; i < n && status == 200; i++) {
        struct sh_latest_value v;
        sh_buf_clear(&text);
        if (!api_clear_point(r, SH_PERM_POINTS_READ, ids[i])) {
            sh_jw_key_str(&r->w, sh_points_get(r->api->o.points, ids[i])->property);
            sh_jw_obj(&r->w);
            put_masked(r, sh_points_class(r->api->o.points, ids[i]));
            sh_jw_obj_end(&r->w);
        } else if (sh_latest_get(r->api->o.latest, &ids[i], 1, &v, &text) != SH_OK) {
            status = api_error(r, SH_E_NOMEM, NULL);
        } else if (v.found) {
            sh_jw_key_str(&r->w, sh_points_get(r->api->o.points, ids[i])->property);
            sh_jw_obj(&r->w);
            put_value(r, &v, &text, form);
            sh_jw_obj_end(&r->w);
        }
    }
    sh_buf_fini(&text);
    return status;
}

int api_device_latest(struct api_req *r)
{
    enum api_time_form form;
    if (!api_time_form(api_query(r, "time"), &form)) {
        return api_problem(r, 400, "bad_request", "time must be ms or us", "time 须为 ms 或 us");
    }
    const struct sh_points *points = r->api->o.points;
    const struct sh_str device = r->params[0];
    if (!sh_twin_device_known(r->api->o.twin, r->tenant, device)) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    const size_t n = sh_points_of_device(points, r->tenant, device, NULL, 0);
    uint32_t *ids = sh_arena_array(r->arena, n + 1, sizeof *ids);
    if (ids == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    const size_t have = sh_points_of_device(points, r->tenant, device, ids, n);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "device");
    sh_jw_str(&r->w, device);
    sh_jw_key(&r->w, "points");
    sh_jw_obj(&r->w);
    const int status = put_device_points(r, ids, have < n ? have : n, form);
    if (status != 200) {
        return status;
    }
    sh_jw_obj_end(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}
