/* notes.c - see notes.h: what is seen, how it is shown, making, changing, removing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "notes.h"

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

bool note_category(struct sh_str word)
{
    return sh_str_eqc(word, "maintenance") || sh_str_eqc(word, "fault") ||
           sh_str_eqc(word, "process") || sh_str_eqc(word, "other");
}

/* ---- what is seen ---- */

static struct sh_str text_at(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    return sh_str_of(json_string_value(v), json_string_length(v));
}

static const struct sh_point *point_at(const struct api_req *r, const json_t *list, size_t i)
{
    return sh_points_get(r->api->o.points, (uint32_t)json_integer_value(json_array_get(list, i)));
}

static bool asset_seen(struct api_req *r, struct sh_str id)
{
    return !r->who.bound && !r->who.panel &&
           (r->parts == NULL || sh_twin_asset_within(r->api->o.twin, r->tenant, id, r->parts));
}

bool note_seen(struct api_req *r, const json_t *doc)
{
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    const json_t *assets = json_object_get(doc, "assets");
    const bool all = r->parts == NULL && !r->who.bound && !r->who.panel;
    for (size_t i = 0; !all && i < json_array_size(points); i++) {
        const struct sh_point *p = point_at(r, points, i);
        if (p == NULL || !api_sees(r, p->device)) {
            return false;
        }
    }
    for (size_t i = 0; !all && i < json_array_size(devices); i++) {
        if (!api_sees(r, text_at(devices, i))) {
            return false;
        }
    }
    for (size_t i = 0; !all && i < json_array_size(assets); i++) {
        if (!asset_seen(r, text_at(assets, i))) {
            return false;
        }
    }
    return all || json_array_size(points) + json_array_size(devices) + json_array_size(assets) > 0;
}

bool note_masked(struct api_req *r, const json_t *doc)
{
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    for (size_t i = 0; i < json_array_size(points); i++) {
        const struct sh_point *p = point_at(r, points, i);
        if (p != NULL && !api_clear_point(r, SH_PERM_HISTORY_READ, p->id)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        if (!api_clear_device(r, SH_PERM_HISTORY_READ, text_at(devices, i))) {
            return true;
        }
    }
    return false;
}

struct sh_data_class note_class(struct api_req *r, const json_t *doc)
{
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    struct sh_data_class top = SH_DATA_CLASS_DEFAULT;
    for (size_t i = 0; i < json_array_size(points); i++) {
        const struct sh_point *p = point_at(r, points, i);
        top = p == NULL ? top : sh_data_class_max(top, sh_points_class(r->api->o.points, p->id));
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        top = sh_data_class_max(
            top, sh_twin_class(r->api->o.twin, r->tenant, text_at(devices, i), SH_STR("")));
    }
    return top;
}

static bool own(struct api_req *r, const json_t *doc)
{
    return sh_str_eq(sh_json_get_str(doc, "by"), api_author(r));
}

static void put_texts(struct sh_jw *w, const char *key, const json_t *list)
{
    sh_jw_key(w, key);
    sh_jw_arr(w);
    for (size_t i = 0; i < json_array_size(list); i++) {
        sh_jw_str(w, text_at(list, i));
    }
    sh_jw_arr_end(w);
}

static void put_when(struct sh_jw *w, const char *key, int64_t us, enum api_time_form form)
{
    sh_jw_key(w, key);
    api_put_time(w, us, form);
}

void note_put(struct api_req *r, struct sh_str id, const json_t *doc, enum api_time_form form)
{
    struct sh_jw *w = &r->w;
    const json_t *points = json_object_get(doc, "points");
    const json_t *edited = json_object_get(doc, "edited");
    static const char *const texts[] = {"category", "text", "by"};
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, id);
    put_when(w, "from", sh_json_get_i64(doc, "from", 0), form);
    put_when(w, "to", sh_json_get_i64(doc, "to", 0), form);
    const bool masked = note_masked(r, doc) && !own(r, doc);
    for (size_t i = 0; i < 3; i++) {
        sh_jw_key(w, texts[i]);
        if (i == 1 && masked) {
            sh_jw_null(w);
        } else {
            sh_jw_str(w, sh_json_get_str(doc, texts[i]));
        }
    }
    if (masked) {
        sh_jw_key(w, "masked");
        sh_jw_bool(w, true);
    }
    put_when(w, "time", sh_json_get_i64(doc, "time", 0), form);
    sh_jw_key(w, "points");
    sh_jw_arr(w);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const struct sh_point *p = point_at(r, points, i);
        if (p != NULL) {
            sh_jw_str(
                w, sh_arena_printf(r->arena, "%.*s/%.*s", SH_PRI(p->device), SH_PRI(p->property)));
        }
    }
    sh_jw_arr_end(w);
    put_texts(w, "devices", json_object_get(doc, "devices"));
    put_texts(w, "assets", json_object_get(doc, "assets"));
    if (json_is_object(edited)) {
        sh_jw_key(w, "edited");
        sh_jw_obj(w);
        sh_jw_key(w, "by");
        sh_jw_str(w, sh_json_get_str(edited, "by"));
        put_when(w, "time", sh_json_get_i64(edited, "time", 0), form);
        sh_jw_obj_end(w);
    }
    sh_jw_key(w, "mine");
    sh_jw_bool(w, own(r, doc));
    sh_jw_obj_end(w);
}

/* ---- what is asked ---- */

static int unknown(struct api_req *r, const char *en, const char *zh, struct sh_str name)
{
    const struct sh_str e = sh_arena_printf(r->arena, "%s '%.*s' does not exist", en, SH_PRI(name));
    const struct sh_str z = sh_arena_printf(r->arena, "%s“%.*s”不存在", zh, SH_PRI(name));
    return api_problem(r, 404, "not_found", e.p, z.p);
}

/* One name of a list, put into `to` as it is kept. */
static int target_read(struct api_req *r, const char *list, struct sh_str name, json_t *to)
{
    int status = 0;
    json_t *kept = NULL;
    if (sh_str_eqc(sh_str_c(list), "points")) {
        kept = json_integer((json_int_t)api_point(r, name, &status));
    } else if (sh_str_eqc(sh_str_c(list), "devices")) {
        const bool known = sh_twin_device_known(r->api->o.twin, r->tenant, name);
        status = known && api_sees(r, name) ? 0 : unknown(r, "device", "设备", name);
        kept = json_stringn(name.p, name.n);
    } else {
        const bool known = sh_twin_asset_within(r->api->o.twin, r->tenant, name, NULL);
        status = known && asset_seen(r, name) ? 0 : unknown(r, "asset", "资产", name);
        kept = json_stringn(name.p, name.n);
    }
    if (json_array_append_new(to, kept) != 0 && status == 0) {
        status = api_error(r, SH_E_NOMEM, NULL);
    }
    return status;
}

static int targets_read(struct api_req *r, json_t *doc)
{
    static const char *const lists[] = {"points", "devices", "assets"};
    size_t n = 0;
    for (size_t k = 0; k < 3; k++) {
        const json_t *list = json_object_get(r->body, lists[k]);
        json_t *to = json_array();
        if (json_object_set_new(doc, lists[k], to) != 0) {
            return api_error(r, SH_E_NOMEM, NULL);
        }
        for (size_t i = 0; i < json_array_size(list); i++) {
            if (!json_is_string(json_array_get(list, i)) || ++n > NOTE_TARGETS) {
                return bad(r, "points, devices and assets must be at most 50 texts",
                           "points、devices、assets 合计最多 50 项，且都是文本");
            }
            const int status = target_read(r, lists[k], text_at(list, i), to);
            if (status != 0) {
                return status;
            }
        }
    }
    return n > 0 ? 0
                 : bad(r, "a note is on something: give points, devices or assets",
                       "标注须关联对象：请给出 points、devices 或 assets");
}

/* The body as it is kept, without who and when. */
static int note_read(struct api_req *r, json_t *doc)
{
    int64_t from = 0;
    int64_t to = 0;
    const json_t *until = json_object_get(r->body, "to");
    const struct sh_str text = sh_str_trim(sh_json_get_str(r->body, "text"));
    const struct sh_str category = sh_json_get_str(r->body, "category");
    if (!api_time(json_object_get(r->body, "from"), &from)) {
        return bad(r, "from is not a time (RFC 3339 or milliseconds)",
                   "from 不是时间（RFC 3339 或毫秒整数）");
    }
    to = from;
    if (until != NULL && !json_is_null(until) && (!api_time(until, &to) || to < from)) {
        return bad(r, "to is not a time at or after from", "to 不是时间，或早于 from");
    }
    if (text.n == 0 || text.n > NOTE_TEXT) {
        return bad(r, "a note needs a text of at most 4000 bytes",
                   "标注需要内容，不超过 4000 字节");
    }
    if (!note_category(category)) {
        return bad(r, "category must be maintenance, fault, process or other",
                   "category 须为 maintenance、fault、process 或 other");
    }
    if (json_object_set_new(doc, "from", json_integer(from)) != 0 ||
        json_object_set_new(doc, "to", json_integer(to)) != 0 ||
        json_object_set_new(doc, "category", json_stringn(category.p, category.n)) != 0 ||
        json_object_set_new(doc, "text", json_stringn(text.p, text.n)) != 0) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    return targets_read(r, doc);
}

static bool signed_by(struct api_req *r, json_t *to)
{
    const struct sh_str me = api_author(r);
    const int64_t now = sh_wall_us(r->api->env->clock);
    return json_object_set_new(to, "by", json_stringn(me.p, me.n)) == 0 &&
           json_object_set_new(to, "time", json_integer(now)) == 0;
}

/* ---- doing it ---- */

static void audited(struct api_req *r, const char *act, struct sh_str id, const json_t *doc)
{
    api_audit(r, act, id, "ok",
              sh_arena_printf(r->arena, "%.*s: %.*s", SH_PRI(sh_json_get_str(doc, "category")),
                              SH_PRI(sh_json_get_str(doc, "text"))));
}

static int store(struct api_req *r, struct sh_str id, const json_t *doc, uint64_t expect, int ok)
{
    struct sh_buf text;
    struct sh_jw w;
    struct sh_diag d = {0};
    uint64_t rev = 0;
    sh_buf_init(&text, r->api->env->alloc, 1 << 20);
    sh_jw_init(&w, &text);
    sh_jw_json(&w, doc);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = r->tenant,
                                        .type = NOTE_KIND,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_put(r->api->o.record, &p, api_author(r), &rev, &d);
    }
    sh_buf_fini(&text);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    audited(r, ok == 201 ? "note.made" : "note.changed", id, doc);
    api_etag(r, rev);
    note_put(r, id, doc, API_TIME_TEXT);
    return ok;
}

static sh_err count(void *ctx, const struct sh_record_row *row)
{
    SH_UNUSED(row);
    return ++*(size_t *)ctx >= NOTES_MAX ? SH_E_LIMIT : SH_OK;
}

int api_notes_post(struct api_req *r)
{
    size_t n = 0;
    json_t *doc = json_object();
    int status = note_read(r, doc);
    if (status == 0) {
        const sh_err err = sh_record_scan(r->api->o.record, r->tenant, NOTE_KIND, count, &n);
        if (err == SH_E_LIMIT) {
            status = api_problem(r, 422, "limit", "there are 10000 notes: remove old ones",
                                 "标注已达 10000 条：请先删除旧的标注");
        } else if (err != SH_OK || !signed_by(r, doc)) {
            status = api_error(r, err == SH_OK ? SH_E_NOMEM : err, NULL);
        }
    }
    if (status == 0) {
        char id[SH_RECORD_ID_CHARS];
        const sh_err made = sh_record_id_new(r->api->env, id);
        status = made == SH_OK ? store(r, (struct sh_str){id, sizeof id}, doc, 0, 201)
                               : api_error(r, made, NULL);
    }
    json_decref(doc);
    return status;
}

/* The note of the path, if the caller may change it. */
static int note_find(struct api_req *r, json_t **doc)
{
    struct sh_record_row row;
    sh_err err =
        sh_record_get(r->api->o.record, r->tenant, NOTE_KIND, r->params[0], r->arena, &row);
    err = err == SH_OK ? sh_json_parse(row.doc, row.doc.n, doc, NULL) : err;
    if (err != SH_OK && err != SH_E_NOTFOUND && err != SH_E_INVAL) {
        return api_error(r, err, NULL);
    }
    if (err != SH_OK || !note_seen(r, *doc)) {
        return api_problem(r, 404, "not_found", "no such note", "标注不存在");
    }
    if (!own(r, *doc) && api_check(r, SH_PERM_HISTORY_CORRECT) != SH_OK) {
        return api_problem(r, 403, "denied",
                           "the note is another's: changing it needs the right history.correct",
                           "该标注属于他人：修改或删除需要 history.correct 权限");
    }
    return 0;
}

int api_notes_put(struct api_req *r)
{
    uint64_t rev = 0;
    json_t *old = NULL;
    json_t *doc = json_object();
    json_t *edited = json_object();
    int status = api_if_match(r, &rev) ? 0 : bad(r, "If-Match is malformed", "If-Match 格式错误");
    status = status == 0 ? note_find(r, &old) : status;
    status = status == 0 ? note_read(r, doc) : status;
    if (status == 0 && (json_object_set(doc, "by", json_object_get(old, "by")) != 0 ||
                        json_object_set(doc, "time", json_object_get(old, "time")) != 0 ||
                        !signed_by(r, edited) || json_object_set(doc, "edited", edited) != 0)) {
        status = api_error(r, SH_E_NOMEM, NULL);
    }
    if (status == 0) {
        status = store(r, r->params[0], doc, rev == 0 ? SH_RECORD_ANY : rev, 200);
    }
    json_decref(edited);
    json_decref(doc);
    json_decref(old);
    return status;
}

int api_notes_delete(struct api_req *r)
{
    json_t *doc = NULL;
    int status = note_find(r, &doc);
    if (status == 0) {
        const sh_err err = sh_record_delete(r->api->o.record, r->tenant, NOTE_KIND, r->params[0],
                                            SH_RECORD_ANY, api_author(r));
        status = err == SH_OK ? 204 : api_error(r, err, NULL);
    }
    if (status == 204) {
        audited(r, "note.deleted", r->params[0], doc);
    }
    json_decref(doc);
    return status;
}
