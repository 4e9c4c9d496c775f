/* data_classes.c - the data catalogue of a tenant (what it holds of each class, by model, record
 * type and point; also as CSV, for filing), and saying the class of one thing, down as well as up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

enum { MODELS_TEXT = 64 << 20 };

/* ---- the catalogue ---- */

static bool internal_kind(struct sh_str type)
{
    return type.n > 0 && type.p[0] == '_';
}

/* Points by pair, by what they are now. */
static void count_points(struct api_req *r, uint64_t n[SH_DATA_PAIRS])
{
    const struct sh_points *points = r->api->o.points;
    const uint32_t last = sh_points_last_id(points);
    memset(n, 0, SH_DATA_PAIRS * sizeof n[0]);
    for (uint32_t id = 1; id <= last && id != 0; id++) {
        const struct sh_point *p = sh_points_get(points, id);
        if (p != NULL && p->tenant == r->tenant && !sh_point_is_event(p) &&
            sh_points_find(points, p->tenant, p->device, p->property) == id) {
            n[sh_data_class_pair(sh_points_class(points, id))]++;
        }
    }
}

/* All models with how many devices use them; NULL without memory. */
static json_t *models_of(struct api_req *r)
{
    struct sh_buf text;
    struct sh_jw w;
    json_t *list = NULL;
    sh_buf_init(&text, r->api->env->alloc, MODELS_TEXT);
    sh_jw_init(&w, &text);
    sh_err err = sh_twin_things_write(r->api->o.twin, r->tenant, SH_STR(""), true, &w);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    err = err == SH_OK ? sh_json_parse(sh_buf_str(&text), MODELS_TEXT, &list, NULL) : err;
    sh_buf_fini(&text);
    return err == SH_OK ? list : NULL;
}

static struct sh_data_class said(const json_t *o)
{
    struct sh_data_class c;
    return sh_data_class_read(o, &c, NULL) == SH_OK ? c : (struct sh_data_class){0, 0};
}

/* One row of the catalogue: a property of a model, a model, a type. */
struct row {
    const char *kind;
    struct sh_str id;
    struct sh_str property;
    const json_t *name;
    struct sh_str unit;
    struct sh_data_class c;
    bool is_said; /* by itself, or by the model above */
    int64_t devices;
};
typedef sh_err put_row(void *ctx, const struct row *row);

/* A model, then those of its properties that differ from it. */
static sh_err each_model(const json_t *m, struct sh_data_class dflt, put_row *put, void *ctx)
{
    const struct sh_data_class own = said(m);
    struct row row = {.kind = "thing",
                      .id = sh_json_get_str(m, "id"),
                      .name = json_object_get(m, "name"),
                      .c = sh_data_class_or(own, dflt),
                      .is_said = own.name != 0,
                      .devices = sh_json_get_i64(m, "devices", 0)};
    SH_TRY(put(ctx, &row));
    const json_t *list = json_object_get(m, "properties");
    const struct sh_data_class model = row.c;
    row.kind = "property";
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        const struct sh_data_class c = said(p);
        if (c.name == 0 && c.level == 0) {
            continue;
        }
        row.property = sh_json_get_str(p, "id");
        row.name = json_object_get(p, "name");
        row.unit = sh_json_get_str(p, "unit");
        row.c = sh_data_class_or(c, model);
        row.is_said = true;
        SH_TRY(put(ctx, &row));
    }
    return SH_OK;
}

static sh_err each_type(struct api_req *r, struct sh_data_class dflt, put_row *put, void *ctx)
{
    struct sh_record_row *rows = NULL;
    size_t n = 0;
    SH_TRY(sh_record_type_list(r->api->o.record, r->tenant, r->arena, &rows, &n));
    for (size_t i = 0; i < n; i++) {
        if (internal_kind(rows[i].id)) {
            continue;
        }
        const struct sh_data_class own =
            sh_record_type_class(r->api->o.record, r->tenant, rows[i].id);
        const struct row row = {.kind = "type",
                                .id = rows[i].id,
                                .c = sh_data_class_or(own, dflt),
                                .is_said = own.name != 0};
        SH_TRY(put(ctx, &row));
    }
    return SH_OK;
}

static sh_err each_row(struct api_req *r, put_row *put, void *ctx)
{
    const struct sh_data_class dflt = sh_twin_class_default(r->api->o.twin, r->tenant);
    json_t *models = models_of(r);
    sh_err err = models == NULL ? SH_E_NOMEM : SH_OK;
    for (size_t i = 0; err == SH_OK && i < json_array_size(models); i++) {
        err = each_model(json_array_get(models, i), dflt, put, ctx);
    }
    json_decref(models);
    return err == SH_OK ? each_type(r, dflt, put, ctx) : err;
}

static sh_err put_json(void *ctx, const struct row *row)
{
    struct api_req *r = ctx;
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    sh_jw_key(w, "kind");
    sh_jw_c(w, row->kind);
    sh_jw_key(w, "id");
    sh_jw_str(w, row->id);
    if (row->property.n > 0) {
        sh_jw_key(w, "property");
        sh_jw_str(w, row->property);
        sh_jw_key(w, "unit");
        sh_jw_str(w, row->unit);
    }
    if (row->name != NULL) {
        sh_jw_key(w, "name");
        sh_jw_json(w, row->name);
    }
    sh_data_class_write(row->c, w);
    sh_jw_key(w, "said");
    sh_jw_bool(w, row->is_said);
    if (sh_str_eqc(sh_str_c(row->kind), "thing")) {
        sh_jw_key(w, "devices");
        sh_jw_i64(w, row->devices);
    }
    sh_jw_obj_end(w);
    return w->err;
}

static sh_err put_csv(void *ctx, const struct row *row)
{
    struct sh_buf *out = sh_http_body(((struct api_req *)ctx)->http);
    SH_TRY(sh_csv_put(out, sh_str_c(row->kind), false));
    const json_t *zh = json_object_get(row->name, "zh");
    const json_t *name = json_is_string(row->name) ? row->name
                         : zh != NULL              ? zh
                                                   : json_object_get(row->name, "en");
    const struct sh_str cells[] = {row->id, row->property,
                                   sh_str_of(json_string_value(name), json_string_length(name)),
                                   row->unit, sh_str_c(sh_data_class_word(row->c.name))};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        SH_TRY(sh_buf_put_u8(out, ','));
        SH_TRY(sh_csv_put(out, cells[i].p == NULL ? SH_STR("") : cells[i], false));
    }
    return sh_buf_printf(out, ",%u,%s,%lld\r\n", row->c.level, row->is_said ? "yes" : "no",
                         (long long)row->devices);
}

static int as_csv(struct api_req *r)
{
    struct sh_buf *out = sh_http_body(r->http);
    sh_buf_clear(out);
    sh_err err = sh_buf_put_c(
        out, "\xef\xbb\xbfkind,id,property,name,unit,data_class,data_level,said,devices\r\n");
    err = err == SH_OK ? each_row(r, put_csv, r) : err;
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"data-catalogue.csv\"");
    api_audit(r, "data.catalogue_exported", SH_STR("data"), "ok", SH_STR(""));
    return 200;
}

int api_data_classes(struct api_req *r)
{
    uint64_t n[SH_DATA_PAIRS];
    const struct sh_str format = api_query(r, "format");
    if (sh_str_eqc(format, "csv")) {
        return as_csv(r);
    }
    count_points(r, n);
    struct sh_jw *w = &r->w;
    sh_http_header_c(r->http, "Content-Type", "application/json");
    sh_jw_obj(w);
    sh_jw_key(w, "default");
    sh_jw_obj(w);
    sh_data_class_write(sh_twin_class_default(r->api->o.twin, r->tenant), w);
    sh_jw_obj_end(w);
    sh_jw_key(w, "points");
    sh_jw_arr(w);
    for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
        if (n[i] > 0) {
            sh_jw_obj(w);
            sh_data_class_write(sh_data_class_of_pair(i), w);
            sh_jw_key(w, "points");
            sh_jw_u64(w, n[i]);
            sh_jw_obj_end(w);
        }
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    const sh_err err = each_row(r, put_json, r);
    sh_jw_arr_end(w);
    sh_jw_obj_end(w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- saying it ---- */

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

/* The definition of a type with another class. */
static sh_err say_type(struct api_req *r, const struct sh_twin_classify *c, struct sh_diag *d)
{
    struct sh_record_row row;
    json_t *def = NULL;
    struct sh_buf text;
    struct sh_jw w;
    if (internal_kind(c->id)) {
        return SH_E_NOTFOUND;
    }
    SH_TRY(sh_record_type_get(r->api->o.record, r->tenant, c->id, r->arena, &row));
    SH_TRY(sh_json_parse(row.doc, row.doc.n + 1, &def, NULL));
    (void)json_object_del(def, "data_class");
    (void)json_object_del(def, "data_level");
    if (c->to.name != 0) {
        (void)json_object_set_new(def, "data_class", json_string(sh_data_class_word(c->to.name)));
    }
    if (c->to.level != 0) {
        (void)json_object_set_new(def, "data_level", json_integer(c->to.level));
    }
    sh_buf_init(&text, r->api->env->alloc, API_JSON_MAX);
    sh_jw_init(&w, &text);
    sh_jw_json(&w, def);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        err = sh_record_type_put(r->api->o.record, r->tenant, c->id, sh_buf_str(&text),
                                 SH_RECORD_ANY, api_author(r), NULL, d);
    }
    json_decref(def);
    sh_buf_fini(&text);
    return err;
}

/* What a point of a device, or the device, is now. */
static struct sh_data_class now_of(struct api_req *r, const struct sh_twin_classify *c)
{
    if (c->kind == SH_TWIN_CLASSED_TENANT) {
        return sh_twin_class_default(r->api->o.twin, r->tenant);
    }
    return sh_twin_class(r->api->o.twin, r->tenant, c->id, c->property);
}

static void audit(struct api_req *r, const char *kind, const struct sh_twin_classify *c,
                  struct sh_data_class was)
{
    const struct sh_str object = sh_arena_printf(r->arena, "%s:%.*s%s%.*s", kind, SH_PRI(c->id),
                                                 c->property.n > 0 ? "/" : "", SH_PRI(c->property));
    char before[40] = "";
    if (c->kind != SH_TWIN_CLASSED_THING && was.name != 0) {
        (void)snprintf(before, sizeof before, "%s/%u -> ", sh_data_class_word(was.name), was.level);
    }
    const struct sh_str detail = sh_arena_printf(
        r->arena, "%s%s/%u: %.*s", before, c->to.name == 0 ? "-" : sh_data_class_word(c->to.name),
        c->to.level, SH_PRI(c->reason));
    api_audit(r, "data.classified", object, "ok", detail);
}

/* The words of the body: which thing is meant. 0, or the status of a problem. */
static int asked(struct api_req *r, struct sh_twin_classify *c, bool *type)
{
    static const struct {
        const char *word;
        enum sh_twin_classed kind;
        bool id;
        bool property;
    } kinds[] = {{"tenant", SH_TWIN_CLASSED_TENANT, false, false},
                 {"thing", SH_TWIN_CLASSED_THING, true, false},
                 {"property", SH_TWIN_CLASSED_THING, true, true},
                 {"device", SH_TWIN_CLASSED_DEVICE, true, false},
                 {"point", SH_TWIN_CLASSED_POINT, true, true},
                 {"type", SH_TWIN_CLASSED_TENANT, true, false}};
    struct sh_diag d = {0};
    const struct sh_str word = sh_json_get_str(r->body, "kind");
    size_t i = 0;
    while (i < sizeof kinds / sizeof kinds[0] && !sh_str_eqc(word, kinds[i].word)) {
        i++;
    }
    if (i == sizeof kinds / sizeof kinds[0]) {
        return bad(r, "kind must be tenant, thing, property, device, point or type",
                   "kind 须为 tenant、thing、property、device、point 或 type");
    }
    c->kind = kinds[i].kind;
    c->id = kinds[i].id ? sh_json_get_str(r->body, "id") : SH_STR("");
    c->property = kinds[i].property ? sh_json_get_str(r->body, "property") : SH_STR("");
    *type = sh_str_eqc(word, "type");
    if ((kinds[i].id && c->id.n == 0) || (kinds[i].property && c->property.n == 0)) {
        return bad(r, "id (and property) must say what is meant", "须用 id（和 property）指明对象");
    }
    if (sh_data_class_read(r->body, &c->to, &d) != SH_OK) {
        return api_problem_diag(r, 400, "bad_request", &d);
    }
    return 0;
}

int api_data_classify(struct api_req *r)
{
    struct sh_diag d = {0};
    bool type = false;
    struct sh_twin_classify c = {.tenant = r->tenant, .author = api_author(r), .lower = true};
    int status = asked(r, &c, &type);
    status = status != 0 ? status : api_need_reason(r, &c.reason);
    if (status != 0) {
        return status;
    }
    const struct sh_data_class was = type ? api_type_class(r, c.id) : now_of(r, &c);
    const sh_err err = type ? say_type(r, &c, &d) : sh_twin_classify(r->api->o.twin, &c, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    audit(r, json_string_value(json_object_get(r->body, "kind")), &c, was);
    return 204;
}
