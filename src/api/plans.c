/* plans.c - the plan of an asset: a picture (one of its files) with devices and assets placed on
 * it. A record of kind _plan with the asset's id: {"file","markers":[{"device"|"asset","x","y",
 * "point"?}]}; x and y are fractions of the picture. A plan is seen as its asset is; of the devices
 * on it those are shown that the caller sees. SPDX-License-Identifier: Apache-2.0 */
#include <sh/media.h>
#include <sh/twin_map.h>

#include "files.h"

#define PLAN_KIND SH_STR("_plan")
enum { MARKERS_MAX = 2000, POINT_MAX = 256 };

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

/* The document and its revision; *doc stays NULL when there is none. */
static sh_err plan_get(struct api_req *r, struct sh_str asset, json_t **doc, uint64_t *rev)
{
    struct sh_record_row row;
    *doc = NULL;
    *rev = 0;
    const sh_err err = sh_record_get(r->api->o.record, r->tenant, PLAN_KIND, asset, r->arena, &row);
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? SH_OK : err;
    }
    *rev = row.rev;
    return sh_json_parse(row.doc, row.doc.n, doc, NULL);
}

/* ---- shown ---- */

static void put_place(struct sh_jw *w, const json_t *m)
{
    const struct sh_str point = sh_json_get_str(m, "point");
    sh_jw_key(w, "x");
    sh_jw_f64(w, sh_json_get_f64(m, "x", 0));
    sh_jw_key(w, "y");
    sh_jw_f64(w, sh_json_get_f64(m, "y", 0));
    if (point.n > 0) {
        sh_jw_key(w, "point");
        sh_jw_str(w, point);
    }
}

static void put_marker(struct api_req *r, const json_t *m)
{
    struct sh_jw *w = &r->w;
    struct sh_twin_device d;
    const struct sh_str device = sh_json_get_str(m, "device");
    const struct sh_str asset = sh_json_get_str(m, "asset");
    struct sh_twin *t = r->api->o.twin;
    if (device.n > 0) {
        if (!api_sees(r, device) ||
            sh_twin_device_row(t, r->tenant, device, r->arena, &d) != SH_OK) {
            return;
        }
    } else if (!sh_twin_asset_within(t, r->tenant, asset, r->parts)) {
        return;
    }
    sh_jw_obj(w);
    sh_jw_key(w, device.n > 0 ? "device" : "asset");
    sh_jw_str(w, device.n > 0 ? d.id : asset);
    if (device.n > 0) {
        sh_jw_key(w, "name");
        sh_jw_str(w, d.name);
        sh_jw_key(w, "state");
        sh_jw_c(w, sh_twin_state_name(d.state));
    }
    put_place(w, m);
    sh_jw_obj_end(w);
}

static int show(struct api_req *r, const struct sh_twin_owner *o, const json_t *doc, uint64_t rev)
{
    struct sh_twin_file f;
    const json_t *markers = json_object_get(doc, "markers");
    const struct sh_str file = sh_json_get_str(doc, "file");
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "asset");
    sh_jw_str(&r->w, o->id);
    sh_jw_key(&r->w, "file");
    if (file.n > 0 && sh_twin_file_get(r->api->o.twin, o, file, r->arena, &f) == SH_OK) {
        files_put(r, &f);
    } else {
        sh_jw_null(&r->w);
    }
    sh_jw_key(&r->w, "markers");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < json_array_size(markers); i++) {
        put_marker(r, json_array_get(markers, i));
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "revision");
    sh_jw_u64(&r->w, rev);
    sh_jw_obj_end(&r->w);
    if (rev > 0) {
        api_etag(r, rev);
    }
    return 200;
}

int api_plan_get(struct api_req *r)
{
    struct sh_twin_owner o;
    json_t *doc = NULL;
    uint64_t rev = 0;
    int status = files_owner(r, &o);
    if (status != 0) {
        return status;
    }
    const sh_err err = plan_get(r, o.id, &doc, &rev);
    status = err == SH_OK ? show(r, &o, doc, rev) : api_error(r, err, NULL);
    json_decref(doc);
    return status;
}

struct listing {
    struct api_req *r;
};

static sh_err each(void *ctx, const struct sh_record_row *row)
{
    struct api_req *r = ((struct listing *)ctx)->r;
    json_t *doc = NULL;
    if (r->who.bound || !sh_twin_asset_within(r->api->o.twin, r->tenant, row->id, r->parts)) {
        return SH_OK;
    }
    SH_TRY(sh_json_parse(row->doc, row->doc.n, &doc, NULL));
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "asset");
    sh_jw_str(&r->w, row->id);
    sh_jw_key(&r->w, "markers");
    sh_jw_u64(&r->w, json_array_size(json_object_get(doc, "markers")));
    sh_jw_obj_end(&r->w);
    json_decref(doc);
    return SH_OK;
}

int api_plans_list(struct api_req *r)
{
    struct listing l = {r};
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, PLAN_KIND, each, &l);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- changed ---- */

static int unknown(struct api_req *r, size_t i, const char *en, const char *zh, struct sh_str id)
{
    return bad(
        r, sh_arena_printf(r->arena, "/markers/%zu: there is no %s '%.*s'", i, en, SH_PRI(id)).p,
        sh_arena_printf(r->arena, "/markers/%zu：%s“%.*s”不存在", i, zh, SH_PRI(id)).p);
}

static bool fraction(const json_t *m, const char *key)
{
    const json_t *v = json_object_get(m, key);
    return json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) <= 1;
}

/* One marker as it is kept: 0, or the status of a problem. */
static int marker_read(struct api_req *r, size_t i, const json_t *m, json_t *to)
{
    const struct sh_str device = sh_json_get_str(m, "device");
    const struct sh_str asset = sh_json_get_str(m, "asset");
    const struct sh_str point = sh_json_get_str(m, "point");
    if ((device.n > 0) == (asset.n > 0) || !fraction(m, "x") || !fraction(m, "y") ||
        point.n > POINT_MAX) {
        return bad(r,
                   sh_arena_printf(r->arena,
                                   "/markers/%zu: a marker has device or asset, x and y from 0 to "
                                   "1, and perhaps point (a property)",
                                   i)
                       .p,
                   sh_arena_printf(r->arena,
                                   "/markers/%zu：标记须有 device 或 asset 之一，x、y 为 0 "
                                   "至 1，可另给 point（属性）",
                                   i)
                       .p);
    }
    if (device.n > 0 && !sh_twin_device_known(r->api->o.twin, r->tenant, device)) {
        return unknown(r, i, "device", "设备", device);
    }
    if (asset.n > 0 && !sh_twin_asset_within(r->api->o.twin, r->tenant, asset, NULL)) {
        return unknown(r, i, "asset", "资产", asset);
    }
    json_t *kept =
        json_pack("{s:f,s:f}", "x", sh_json_get_f64(m, "x", 0), "y", sh_json_get_f64(m, "y", 0));
    const struct sh_str who = device.n > 0 ? device : asset;
    if (json_object_set_new(kept, device.n > 0 ? "device" : "asset", json_stringn(who.p, who.n)) !=
            0 ||
        (point.n > 0 && json_object_set_new(kept, "point", json_stringn(point.p, point.n)) != 0) ||
        json_array_append(to, kept) != 0) {
        json_decref(kept);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    json_decref(kept);
    return 0;
}

static int plan_read(struct api_req *r, const struct sh_twin_owner *o, json_t *doc)
{
    struct sh_twin_file f;
    const struct sh_str file = sh_json_get_str(r->body, "file");
    const json_t *markers = json_object_get(r->body, "markers");
    json_t *kept = json_array();
    if (json_object_set_new(doc, "markers", kept) != 0 ||
        json_object_set_new(doc, "file", json_stringn(file.p == NULL ? "" : file.p, file.n)) != 0) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    if (file.n == 0 || sh_twin_file_get(r->api->o.twin, o, file, r->arena, &f) != SH_OK ||
        !sh_media_picture(f.media)) {
        return bad(r,
                   "file must be the id of a picture (PNG, JPEG, GIF, WebP, BMP) among the "
                   "asset's files",
                   "file 须为该资产文件中的图片（PNG、JPEG、GIF、WebP、BMP）的标识");
    }
    if (json_array_size(markers) > MARKERS_MAX) {
        return api_problem(r, 422, "limit", "a plan has at most 2000 markers",
                           "一张平面图最多 2000 个标记");
    }
    int status = 0;
    for (size_t i = 0; i < json_array_size(markers) && status == 0; i++) {
        status = marker_read(r, i, json_array_get(markers, i), kept);
    }
    return status;
}

static int store(struct api_req *r, const struct sh_twin_owner *o, const json_t *doc,
                 uint64_t expect)
{
    struct sh_buf text;
    struct sh_jw w;
    uint64_t rev = 0;
    sh_buf_init(&text, r->api->env->alloc, 1 << 20);
    sh_jw_init(&w, &text);
    sh_jw_json(&w, doc);
    sh_err err = sh_jw_end(&w);
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = r->tenant,
                                        .type = PLAN_KIND,
                                        .id = o->id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_put(r->api->o.record, &p, api_author(r), &rev, NULL);
    }
    sh_buf_fini(&text);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(
        r, "plan.changed", files_object(r, o), "ok",
        sh_arena_printf(r->arena, "%zu markers", json_array_size(json_object_get(doc, "markers"))));
    return show(r, o, doc, rev);
}

int api_plan_put(struct api_req *r)
{
    struct sh_twin_owner o;
    uint64_t rev = 0;
    json_t *doc = json_object();
    int status = api_if_match(r, &rev) ? 0 : bad(r, "If-Match is malformed", "If-Match 格式错误");
    status = status == 0 ? files_owner(r, &o) : status;
    status = status == 0 ? plan_read(r, &o, doc) : status;
    if (status == 0) {
        status = store(r, &o, doc, rev == 0 ? SH_RECORD_ANY : rev);
    }
    json_decref(doc);
    return status;
}

int api_plan_delete(struct api_req *r)
{
    struct sh_twin_owner o;
    const int status = files_owner(r, &o);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_record_delete(r->api->o.record, r->tenant, PLAN_KIND, o.id, SH_RECORD_ANY,
                                        api_author(r));
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "the asset has no plan", "该资产没有平面图");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "plan.deleted", files_object(r, &o), "ok", SH_STR(""));
    return 204;
}

void api_plan_gone(struct api_req *r, struct sh_str asset)
{
    const sh_err err = sh_record_delete(r->api->o.record, r->tenant, PLAN_KIND, asset,
                                        SH_RECORD_ANY, api_author(r));
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "the plan of %.*s is not removed: %s",
               SH_PRI(asset), sh_err_name(err));
    }
}

bool files_in_plan(struct api_req *r, const struct sh_twin_owner *o, struct sh_str file)
{
    json_t *doc = NULL;
    uint64_t rev = 0;
    const bool used = o->of == SH_TWIN_OF_ASSET && plan_get(r, o->id, &doc, &rev) == SH_OK &&
                      sh_str_eq(sh_json_get_str(doc, "file"), file);
    json_decref(doc);
    return used;
}
