/* thing_versions.c - versions of thing models, what a change does to others, and who uses a model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define CHANNEL_KIND SH_STR("_channel")

enum { ORPHANS = 100 };

int api_thing_versions(struct api_req *r)
{
    uint64_t before = 0;
    uint64_t next = 0;
    const struct sh_str cursor = api_query(r, "cursor");
    if (cursor.n > 0 && sh_u64_parse(cursor, &before) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    const sh_err err = sh_twin_thing_versions(r->api->o.twin, r->tenant, r->params[0], before,
                                              api_limit(r, 20, SH_TWIN_VERSIONS), &r->w, &next);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_key(&r->w, "kept");
    sh_jw_i64(&r->w, SH_TWIN_VERSIONS);
    sh_jw_key(&r->w, "next");
    if (next == 0) {
        sh_jw_null(&r->w);
    } else {
        char t[SH_I64_CHARS];
        sh_jw_str(&r->w, sh_str_of(t, sh_u64_print(next, t)));
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

static int no_version(struct api_req *r, sh_err err)
{
    if (err != SH_E_NOTFOUND) {
        return api_error(r, err, NULL);
    }
    return api_problem(r, 404, "not_found",
                       "there is no such version: the newest 100 of a model are kept",
                       "没有该版本：每个物模型只保留最近 100 个版本");
}

static int bad_revision(struct api_req *r)
{
    return api_problem(r, 400, "bad_request", "a version is a whole number from 1",
                       "版本号为从 1 起的整数");
}

int api_thing_version(struct api_req *r)
{
    uint64_t rev = 0;
    if (sh_u64_parse(r->params[1], &rev) != SH_OK || rev == 0 || rev > INT64_MAX) {
        return bad_revision(r);
    }
    const sh_err err =
        sh_twin_thing_version_write(r->api->o.twin, r->tenant, r->params[0], rev, &r->w);
    return err == SH_OK ? 200 : no_version(r, err);
}

int api_thing_compare(struct api_req *r)
{
    uint64_t rev[2] = {0, 0};
    static const char *const names[2] = {"from", "to"};
    for (size_t i = 0; i < 2; i++) {
        const struct sh_str s = api_query(r, names[i]);
        if ((i == 0 && s.n == 0) ||
            (s.n > 0 && (sh_u64_parse(s, &rev[i]) != SH_OK || rev[i] == 0 || rev[i] > INT64_MAX))) {
            return bad_revision(r);
        }
    }
    const sh_err err =
        sh_twin_thing_compare(r->api->o.twin, r->tenant, r->params[0], rev[0], rev[1], &r->w);
    return err == SH_OK ? 200 : no_version(r, err);
}

int api_thing_restore(struct api_req *r)
{
    const int64_t rev = sh_json_get_i64(r->body, "revision", 0);
    if (rev < 1) {
        return bad_revision(r);
    }
    struct sh_twin_thing_change c = {
        .id = r->params[0], .how = SH_TWIN_REPLACE, .restore = (uint64_t)rev};
    return api_thing_change(r, &c, "thing.restored", 200);
}

/* ---- who uses it ---- */

static void put_ids(struct sh_jw *w, const char *key, const struct sh_str *ids, size_t n)
{
    sh_jw_key(w, key);
    sh_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        sh_jw_str(w, ids[i]);
    }
    sh_jw_arr_end(w);
}

int api_thing_uses(struct api_req *r)
{
    struct sh_twin_uses u;
    const sh_err err = sh_twin_thing_uses(r->api->o.twin, r->tenant, r->params[0], r->arena, &u);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    const bool all = api_sees_all_devices(r);
    const size_t named = u.children < SH_TWIN_USERS ? (size_t)u.children : SH_TWIN_USERS;
    sh_jw_obj(&r->w);
    if (all) { /* who sees a part of the plant is not told how many there are outside of it */
        sh_jw_key(&r->w, "devices");
        sh_jw_u64(&r->w, u.devices);
        sh_jw_key(&r->w, "archived");
        sh_jw_u64(&r->w, u.archived);
        put_ids(&r->w, "device_ids", u.device_ids, u.ndevice_ids);
    }
    sh_jw_key(&r->w, "children");
    sh_jw_u64(&r->w, u.children);
    put_ids(&r->w, "child_ids", u.child_ids, named);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* "a, b, c" of the first few; in the arena. */
static const char *listed(struct api_req *r, const struct sh_str *ids, size_t n)
{
    struct sh_str out = SH_STR("");
    for (size_t i = 0; i < n; i++) {
        out = sh_arena_printf(r->arena, "%.*s%s%.*s", SH_PRI(out), i == 0 ? "" : ", ",
                              SH_PRI(ids[i]));
    }
    out = sh_arena_printf(r->arena, "%.*s", SH_PRI(out));
    return out.p == NULL ? "" : out.p;
}

int api_thing_in_use(struct api_req *r, struct sh_str id)
{
    struct sh_twin_uses u;
    const sh_err err = sh_twin_thing_uses(r->api->o.twin, r->tenant, id, r->arena, &u);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    const size_t named = u.children < SH_TWIN_USERS ? (size_t)u.children : SH_TWIN_USERS;
    const char *devices = api_sees_all_devices(r) ? listed(r, u.device_ids, u.ndevice_ids) : "";
    const char *models = listed(r, u.child_ids, named);
    const unsigned long long n = u.devices + u.archived;
    const struct sh_str en = sh_arena_printf(
        r->arena, "used by %llu devices%s%s (%llu of them archived), extended by %llu models%s%s",
        n, devices[0] == '\0' ? "" : ": ", devices, (unsigned long long)u.archived,
        (unsigned long long)u.children, models[0] == '\0' ? "" : ": ", models);
    const struct sh_str zh = sh_arena_printf(
        r->arena, "%llu 台设备正在使用%s%s（其中已归档 %llu 台），%llu 个物模型扩展自它%s%s", n,
        devices[0] == '\0' ? "" : "：", devices, (unsigned long long)u.archived,
        (unsigned long long)u.children, models[0] == '\0' ? "" : "：", models);
    return api_problem(r, 409, "thing_in_use", en.p, zh.p);
}

/* ---- mappings that would be left without what they name ---- */

struct orphans {
    struct api_req *r;
    json_t *models; /* ids as members */
    json_t *gone;   /* properties as members */
    struct sh_jw *w;
    uint64_t n;
    sh_err err;
};

static bool is_in(const json_t *set, struct sh_str s)
{
    return s.n > 0 && json_object_getn(set, s.p, s.n) != NULL;
}

static bool of_model(struct orphans *o, struct sh_str device)
{
    struct sh_str thing = {NULL, 0};
    return api_sees(o->r, device) &&
           sh_twin_device_thing(o->r->api->o.twin, o->r->tenant, device, o->r->arena, &thing) ==
               SH_OK &&
           is_in(o->models, thing);
}

static void orphan(struct orphans *o, const char *kind, struct sh_str by, struct sh_str device,
                   struct sh_str property)
{
    if (o->n++ >= ORPHANS) {
        return;
    }
    sh_jw_obj(o->w);
    sh_jw_key(o->w, kind);
    sh_jw_str(o->w, by);
    sh_jw_key(o->w, "device");
    sh_jw_str(o->w, device);
    sh_jw_key(o->w, "property");
    sh_jw_str(o->w, property);
    sh_jw_obj_end(o->w);
}

static void channel_orphans(struct orphans *o, struct sh_str channel, const json_t *doc)
{
    const json_t *devices = json_object_get(doc, "devices");
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *d = json_array_get(devices, i);
        const json_t *tags = json_object_get(d, "tags");
        const struct sh_str id = sh_json_get_str(d, "device");
        bool known = false;
        bool ours = false;
        for (size_t k = 0; k < json_array_size(tags); k++) {
            const struct sh_str p = sh_json_get_str(json_array_get(tags, k), "property");
            if (!is_in(o->gone, p)) {
                continue;
            }
            ours = known ? ours : of_model(o, id);
            known = true;
            if (ours) {
                orphan(o, "channel", channel, id, p);
            }
        }
    }
}

static sh_err each_channel(void *ctx, const struct sh_record_row *row)
{
    struct orphans *o = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, API_JSON_MAX, &doc, NULL));
    channel_orphans(o, row->id, doc);
    json_decref(doc);
    return SH_OK;
}

/* Topic mappings: those that name the property itself, and a device of the model or a pattern. */
static sh_err topic_orphans(struct orphans *o)
{
    struct sh_record_row row;
    json_t *doc = NULL;
    const sh_err err = sh_record_get(o->r->api->o.record, o->r->tenant, SH_API_MAPPING_KIND,
                                     SH_STR("mqtt"), o->r->arena, &row);
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? SH_OK : err;
    }
    SH_TRY(sh_json_parse(row.doc, API_JSON_MAX, &doc, NULL));
    const json_t *items = json_object_get(doc, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *m = json_array_get(items, i);
        const struct sh_str device = sh_json_get_str(m, "device");
        const struct sh_str p = sh_json_get_str(m, "property");
        const bool pattern = device.n > 0 && memchr(device.p, '{', device.n) != NULL;
        if (is_in(o->gone, p) && (pattern || of_model(o, device))) {
            orphan(o, "topic", sh_json_get_str(m, "filter"), device, p);
        }
    }
    json_decref(doc);
    return SH_OK;
}

static sh_err sets_of(struct orphans *o, struct sh_str id, const json_t *report)
{
    const json_t *changes = json_object_get(report, "changes");
    const json_t *models = json_object_get(report, "models");
    if (o->models == NULL || o->gone == NULL ||
        json_object_setn_new(o->models, id.p, id.n, json_true()) != 0) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < json_array_size(models); i++) {
        const struct sh_str m = sh_json_get_str(json_array_get(models, i), "id");
        if (json_object_setn_new(o->models, m.p, m.n, json_true()) != 0) {
            return SH_E_NOMEM;
        }
    }
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *c = json_array_get(changes, i);
        const struct sh_str p = sh_json_get_str(c, "id");
        if (sh_str_eqc(sh_json_get_str(c, "kind"), "property") &&
            sh_str_eqc(sh_json_get_str(c, "change"), "removed") &&
            json_object_setn_new(o->gone, p.p, p.n, json_true()) != 0) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}

sh_err api_thing_orphans(struct api_req *r, struct sh_str id, const json_t *report, struct sh_jw *w)
{
    struct orphans o = {.r = r, .models = json_object(), .gone = json_object(), .w = w};
    sh_err err = sets_of(&o, id, report);
    sh_jw_key(w, "mappings");
    sh_jw_arr(w);
    if (err == SH_OK && json_object_size(o.gone) > 0) {
        err = sh_record_scan(r->api->o.record, r->tenant, CHANNEL_KIND, each_channel, &o);
        err = err == SH_OK ? topic_orphans(&o) : err;
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "mappings_total");
    sh_jw_u64(w, o.n);
    json_decref(o.models);
    json_decref(o.gone);
    return err;
}
