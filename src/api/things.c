/* things.c - thing models and driver channels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define CHANNEL_KIND SH_STR("_channel")

bool api_units_corrected(struct api_req *r)
{
    return sh_str_eqc(api_query(r, "units"), "corrected");
}

bool api_units_reread(sh_err err, const struct sh_diag *d)
{
    return err == SH_E_STATE && d != NULL && strcmp(d->path, "/thing") == 0;
}

bool api_sees_all_devices(struct api_req *r)
{
    const struct sh_twin_parts *parts = NULL;
    return !r->who.bound && !r->who.panel && api_parts(r, SH_PERM_DEVICES_READ, &parts) == SH_OK &&
           parts == NULL;
}

int api_things_list(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    const sh_err err = sh_twin_things_write(r->api->o.twin, r->tenant, api_query(r, "q"),
                                            api_sees_all_devices(r), &r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_things_export(struct api_req *r)
{
    struct sh_buf *out = sh_http_body(r->http);
    const bool csv = sh_str_eqc(api_query(r, "format"), "csv");
    const enum sh_twin_encoding enc = api_encoding(api_query(r, "encoding"));
    sh_buf_clear(out);
    const sh_err err = sh_twin_things_export(r->api->o.twin, r->tenant, csv,
                                             enc == SH_TWIN_AUTO ? SH_TWIN_UTF8 : enc, out);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type",
                     !csv                 ? "application/json"
                     : enc == SH_TWIN_GBK ? "text/csv; charset=gbk"
                                          : "text/csv; charset=utf-8");
    sh_http_header_c(r->http, "Content-Disposition",
                     csv ? "attachment; filename=\"things.csv\""
                         : "attachment; filename=\"things.json\"");
    return 200;
}

static bool asked(struct api_req *r, const char *name)
{
    const struct sh_str v = api_query(r, name);
    return v.n > 0 && !sh_str_eqc(v, "0") && !sh_str_eqc(v, "false");
}

int api_things_import(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_twin_import how = {
        .csv = sh_str_eqc(api_query(r, "format"), "csv"),
        .encoding = api_encoding(api_query(r, "encoding")),
        .dry_run = asked(r, "dry_run"),
        .units_corrected = api_units_corrected(r),
    };
    const sh_err err = sh_twin_things_import(r->api->o.twin, r->tenant, r->http->body, &how,
                                             api_author(r), &r->w, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    if (!how.dry_run) {
        api_audit(r, "things.imported", SH_STR("things"), "ok", SH_STR(""));
    }
    return 200;
}

static int show(struct api_req *r, struct sh_str id, int status)
{
    uint64_t rev = 0;
    const sh_err err = sh_twin_thing_write(r->api->o.twin, r->tenant, id, &r->w, &rev);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, rev);
    return status;
}

/* What the change would do, with the mappings that would name what the model names no more. */
static int consequences(struct api_req *r, const struct sh_twin_thing_change *c)
{
    struct sh_diag d = {0};
    struct sh_buf text;
    struct sh_jw w;
    json_t *report = NULL;
    sh_buf_init(&text, r->api->env->alloc, (size_t)API_JSON_MAX * 2);
    sh_jw_init(&w, &text);
    sh_err err = sh_twin_thing_change(r->api->o.twin, c, NULL, &w, &d);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    err = err == SH_OK ? sh_json_parse(sh_buf_str(&text), text.n, &report, NULL) : err;
    sh_buf_fini(&text);
    if (err == SH_OK) {
        const char *key = NULL;
        json_t *v = NULL;
        sh_jw_obj(&r->w);
        json_object_foreach(report, key, v)
        {
            sh_jw_key(&r->w, key);
            sh_jw_json(&r->w, v);
        }
        err = api_thing_orphans(r, c->id, report, &r->w);
        sh_jw_obj_end(&r->w);
    }
    json_decref(report);
    return err == SH_OK ? 200 : api_error(r, err, &d);
}

int api_thing_change(struct api_req *r, struct sh_twin_thing_change *c, const char *act, int ok)
{
    struct sh_diag d = {0};
    uint64_t expect = 0;
    if (c->how != SH_TWIN_CREATE && !api_if_match(r, &expect)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    c->tenant = r->tenant;
    c->expect = c->how != SH_TWIN_CREATE && expect == 0 ? SH_RECORD_ANY : expect;
    c->author = api_author(r);
    c->units_corrected = api_units_corrected(r);
    c->dry_run = asked(r, "dry_run");
    if (c->comment.n == 0) {
        c->comment = sh_json_get_str(r->body, "comment");
    }
    if (c->dry_run) {
        return consequences(r, c);
    }
    const sh_err err = sh_twin_thing_change(r->api->o.twin, c, NULL, NULL, &d);
    if (err == SH_E_STATE && !api_lowered(err, &d)) {
        return api_problem_diag(r, 409, "unit_changes_history", &d);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, act, c->id, "ok", c->comment);
    return show(r, c->id, ok);
}

int api_things_post(struct api_req *r)
{
    struct sh_twin_thing_change c = {
        .id = sh_json_get_str(r->body, "id"), .how = SH_TWIN_CREATE, .body = r->body};
    return api_thing_change(r, &c, "thing.created", 201);
}

int api_things_get(struct api_req *r)
{
    return show(r, r->params[0], 200);
}

int api_things_put(struct api_req *r)
{
    struct sh_twin_thing_change c = {.id = r->params[0], .how = SH_TWIN_REPLACE, .body = r->body};
    return api_thing_change(r, &c, "thing.changed", 200);
}

int api_things_delete(struct api_req *r)
{
    const sh_err err =
        sh_twin_thing_delete(r->api->o.twin, r->tenant, r->params[0], SH_RECORD_ANY, api_author(r));
    if (err == SH_E_STATE) {
        return api_thing_in_use(r, r->params[0]);
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_files_gone(r, SH_TWIN_OF_THING, r->params[0]);
    api_audit(r, "thing.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}

/* ---- channels: records of the kind _channel; the engine is told through the seam ---- */

static void put_channel(struct api_req *r, const struct sh_record_row *row)
{
    const struct sh_api_seams *s = &r->api->o.seams;
    json_t *doc = NULL;
    if (sh_json_parse(row->doc, API_JSON_MAX, &doc, NULL) != SH_OK) {
        return;
    }
    sh_jw_obj(&r->w);
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(doc, key, v)
    {
        if (strcmp(key, "id") != 0 && strcmp(key, "state") != 0) {
            sh_jw_key(&r->w, key);
            sh_jw_json(&r->w, v);
        }
    }
    sh_jw_key(&r->w, "id");
    sh_jw_str(&r->w, row->id);
    sh_jw_key(&r->w, "revision");
    sh_jw_u64(&r->w, row->rev);
    sh_jw_key(&r->w, "state");
    if (s->channel_state == NULL || s->channel_state(s->ctx, r->tenant, row->id, &r->w) != SH_OK) {
        sh_jw_null(&r->w);
    }
    sh_jw_obj_end(&r->w);
    json_decref(doc);
}

int api_channels_list(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_record_query q = {
        .tenant = r->tenant,
        .type = CHANNEL_KIND,
        .cursor = api_query(r, "cursor"),
        .limit = api_limit(r, 50, 1000),
    };
    struct sh_record_page page;
    const sh_err err = sh_record_list(r->api->o.record, &q, r->arena, &page, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < page.n; i++) {
        put_channel(r, &page.rows[i]);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (page.next.n == 0) {
        sh_jw_null(&r->w);
    } else {
        sh_jw_str(&r->w, page.next);
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_channels_get(struct api_req *r)
{
    struct sh_record_row row;
    const sh_err err =
        sh_record_get(r->api->o.record, r->tenant, CHANNEL_KIND, r->params[0], r->arena, &row);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    put_channel(r, &row);
    return 200;
}

static int channel_put(struct api_req *r, struct sh_str id, uint64_t expect, int ok)
{
    const struct sh_api_seams *s = &r->api->o.seams;
    struct sh_diag d = {0};
    if (id.n == 0) {
        return api_problem(r, 400, "bad_request", "id is missing", "缺少 id");
    }
    id = sh_arena_str(r->arena, id); /* it may stand in the member that is set now */
    if (id.p == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    (void)json_object_set_new(r->body, "id", json_stringn(id.p, id.n));
    sh_err err = s->channel == NULL ? SH_E_UNSUPPORTED
                                    : s->channel(s->ctx, r->tenant, id, r->body, true, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    struct sh_buf doc;
    struct sh_jw w;
    sh_buf_init(&doc, r->api->env->alloc, API_JSON_MAX);
    sh_jw_init(&w, &doc);
    sh_jw_json(&w, r->body);
    const struct sh_record_put p = {
        .tenant = r->tenant,
        .type = CHANNEL_KIND,
        .id = id,
        .doc = sh_buf_str(&doc),
        .expect = expect,
        .flags = SH_RECORD_F_HISTORY | SH_RECORD_F_FEED,
    };
    err = sh_jw_end(&w) == SH_OK ? sh_record_put(r->api->o.record, &p, api_author(r), NULL, &d)
                                 : SH_E_LIMIT;
    sh_buf_fini(&doc);
    if (err != SH_OK) {
        return api_error(r, err == SH_E_CONFLICT && expect == 0 ? SH_E_EXISTS : err, &d);
    }
    err = s->channel(s->ctx, r->tenant, id, r->body, false, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "channel.put", id, "ok", SH_STR(""));
    struct sh_record_row row;
    err = sh_record_get(r->api->o.record, r->tenant, CHANNEL_KIND, id, r->arena, &row);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    put_channel(r, &row);
    return ok;
}

int api_channels_post(struct api_req *r)
{
    return channel_put(r, sh_json_get_str(r->body, "id"), 0, 201);
}

int api_channels_put(struct api_req *r)
{
    uint64_t rev = 0;
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    return channel_put(r, r->params[0], rev == 0 ? SH_RECORD_ANY : rev, 200);
}

int api_channels_delete(struct api_req *r)
{
    const struct sh_api_seams *s = &r->api->o.seams;
    struct sh_diag d = {0};
    sh_err err = sh_record_delete(r->api->o.record, r->tenant, CHANNEL_KIND, r->params[0],
                                  SH_RECORD_ANY, api_author(r));
    if (err == SH_OK && s->channel != NULL) {
        err = s->channel(s->ctx, r->tenant, r->params[0], NULL, false, &d);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "channel.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}

int api_drivers_list(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    if (r->api->o.seams.drivers != NULL) {
        r->api->o.seams.drivers(r->api->o.seams.ctx, &r->w);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}
