/* devices.c - devices, commands, assets: thin over twin, with audit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

struct sh_str api_author(struct api_req *r)
{
    struct sh_principal_info info;
    if (sh_guard_describe(r->api->o.guard, &r->who, &info) != SH_OK) {
        return SH_STR("");
    }
    return sh_arena_str(r->arena, sh_str_c(info.label));
}

/* If-Match as the expected revision; 0 = answered with a problem. */
static bool expected(struct api_req *r, uint64_t *rev, int *status)
{
    if (!api_if_match(r, rev)) {
        *status = api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
        return false;
    }
    *rev = *rev == 0 ? SH_RECORD_ANY : *rev;
    return true;
}

static void put_next(struct api_req *r, struct sh_str next)
{
    sh_jw_key(&r->w, "next");
    if (next.n == 0) {
        sh_jw_null(&r->w);
    } else {
        sh_jw_str(&r->w, next);
    }
}

struct sh_twin_query api_device_filter(struct api_req *r)
{
    return (struct sh_twin_query){
        .tenant = r->tenant,
        .parts = r->parts,
        .search = api_query(r, "q"),
        .state = api_query(r, "state"),
        .thing = api_query(r, "thing"),
        .asset = api_query(r, "asset"),
        .label = api_query(r, "label"),
        .archived = api_query(r, "archived"),
        .data_class = api_query(r, "data_class"),
    };
}

int api_devices_list(struct api_req *r)
{
    struct sh_diag d = {0};
    struct sh_twin_page page;
    struct sh_twin_query q = api_device_filter(r);
    q.sort = api_query(r, "sort");
    q.cursor = api_query(r, "cursor");
    q.limit = api_limit(r, 50, 1000);
    q.want_total = true;
    const sh_err err = sh_twin_devices(r->api->o.twin, &q, r->arena, &page, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < page.n; i++) {
        if (!api_sees(r, page.rows[i].id)) {
            continue;
        }
        sh_jw_obj(&r->w);
        sh_twin_summary_write(&page.rows[i], &r->w);
        sh_jw_obj_end(&r->w);
    }
    sh_jw_arr_end(&r->w);
    put_next(r, page.next);
    sh_jw_key(&r->w, "total");
    sh_jw_i64(&r->w, page.total);
    sh_jw_obj_end(&r->w);
    return 200;
}

static int show(struct api_req *r, struct sh_str id, int status)
{
    uint64_t rev = 0;
    const sh_err err = sh_twin_device_write(r->api->o.twin, r->tenant, id, &r->w, &rev);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, rev);
    return status;
}

/* Who holds a part of the plant is not told what a device had before it came there. */
int api_device_changes(struct api_req *r)
{
    uint64_t before = 0;
    uint64_t next = 0;
    const struct sh_str cursor = api_query(r, "cursor");
    if (!api_sees(r, r->params[0])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    if (cursor.n > 0 && sh_u64_parse(cursor, &before) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    const sh_err err =
        sh_twin_device_changes(r->api->o.twin, r->tenant, r->params[0], before,
                               api_limit(r, 20, 100), r->parts == NULL, &r->w, &next);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    char t[SH_I64_CHARS];
    put_next(r, next == 0 ? SH_STR("") : sh_str_of(t, sh_u64_print(next, t)));
    sh_jw_obj_end(&r->w);
    return 200;
}

/* The principal may be bound to one device: then others do not exist for it. What is made in a part
 * of the plant must lie there, which twin sees. */
static int check_bound(struct api_req *r, struct sh_str id, enum sh_twin_put how)
{
    const bool fresh = how == SH_TWIN_CREATE && !r->who.bound;
    return fresh || api_sees(r, id)
               ? 0
               : api_problem(r, 404, "not_found", "no such device", "设备不存在");
}

static int put(struct api_req *r, struct sh_str id, enum sh_twin_put how, int ok)
{
    struct sh_diag d = {0};
    uint64_t expect = 0;
    int status = check_bound(r, id, how);
    if (status != 0 || (how != SH_TWIN_CREATE && !expected(r, &expect, &status))) {
        return status;
    }
    struct sh_guard *g = r->api->o.guard;
    struct sh_twin_reread reread = {.n = 0};
    if (how == SH_TWIN_CREATE && sh_guard_use(g, r->tenant, SH_QUOTA_DEVICES, 1) != SH_OK) {
        return api_problem(r, 422, "limit", "the tenant's quota of devices is used up",
                           "租户的设备配额已用完");
    }
    const struct sh_twin_device_change c = {.tenant = r->tenant,
                                            .id = id,
                                            .how = how,
                                            .body = r->body,
                                            .expect = expect,
                                            .author = api_author(r),
                                            .parts = r->parts,
                                            .units_corrected = api_units_corrected(r),
                                            .reread = &reread};
    const sh_err err = sh_twin_device_put_within(r->api->o.twin, &c, NULL, &d);
    if (err != SH_OK) {
        if (how == SH_TWIN_CREATE) {
            sh_guard_unuse(g, r->tenant, SH_QUOTA_DEVICES, 1);
        }
        return err == SH_E_DENIED
                   ? api_problem(r, 403, "outside_part",
                                 "with this the device lies outside of your part of the plant",
                                 "修改后该设备不在您的权限范围内")
                   : api_error(r, err, &d);
    }
    api_audit(r, how == SH_TWIN_CREATE ? "device.created" : "device.changed", id, "ok",
              sh_bytes_str(r->http->body));
    if (reread.n > 0) {
        api_audit(r, "device.units_corrected", id, "ok",
                  sh_arena_printf(r->arena, "%zu: %s", reread.n, reread.what));
    }
    return show(r, id, ok);
}

int api_devices_post(struct api_req *r)
{
    return put(r, sh_json_get_str(r->body, "id"), SH_TWIN_CREATE, 201);
}

int api_devices_get(struct api_req *r)
{
    return show(r, r->params[0], 200);
}

int api_devices_put(struct api_req *r)
{
    return put(r, r->params[0], SH_TWIN_REPLACE, 200);
}

int api_devices_patch(struct api_req *r)
{
    return put(r, r->params[0], SH_TWIN_PATCH, 200);
}

void api_device_gone(struct api_req *r, struct sh_str id)
{
    api_files_gone(r, SH_TWIN_OF_DEVICE, id);
    api_device_left(r, id);
}

void api_device_left(struct api_req *r, struct sh_str id)
{
    sh_guard_unuse(r->api->o.guard, r->tenant, SH_QUOTA_DEVICES, 1);
    const sh_err err = sh_guard_device_removed(r->api->o.guard, r->tenant, id);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "credentials of a device not removed: %s",
               sh_err_name(err));
    }
}

int api_devices_delete(struct api_req *r)
{
    uint64_t expect = 0;
    int status = 0;
    if (!expected(r, &expect, &status)) {
        return status;
    }
    const sh_err err =
        sh_twin_device_delete(r->api->o.twin, r->tenant, r->params[0], expect, api_author(r));
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_device_gone(r, r->params[0]);
    api_audit(r, "device.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}

int api_device_rename(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_str to = sh_json_get_str(r->body, "to");
    sh_err err =
        sh_twin_device_rename(r->api->o.twin, r->tenant, r->params[0], to, api_author(r), &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    err = sh_guard_device_renamed(r->api->o.guard, r->tenant, r->params[0], to);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "device.renamed", r->params[0], "ok", to);
    return show(r, to, 200);
}

int api_device_replace(struct api_req *r)
{
    const struct sh_str note = sh_json_get_str(r->body, "note");
    const sh_err err =
        sh_twin_device_replace(r->api->o.twin, r->tenant, r->params[0], note, api_author(r));
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "device.replaced", r->params[0], "ok", note);
    return show(r, r->params[0], 200);
}

int api_device_secret(struct api_req *r)
{
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    const struct sh_guard_at at = api_at(r);
    if (!sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    const int status = api_credential_allowed(r, r->params[0]);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_guard_device_secret_new(r->api->o.guard, &at, r->params[0], user, secret);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "user");
    sh_jw_c(&r->w, user);
    sh_jw_key(&r->w, "password");
    sh_jw_c(&r->w, secret);
    sh_jw_obj_end(&r->w);
    return 201;
}

int api_device_connection(struct api_req *r)
{
    const struct sh_api_seams *s = &r->api->o.seams;
    if (!sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    if (s->connection == NULL || s->connection(s->ctx, r->tenant, r->params[0], &r->w) != SH_OK) {
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "kind");
        sh_jw_c(&r->w, "none");
        sh_jw_obj_end(&r->w);
    }
    return 200;
}

enum sh_twin_encoding api_encoding(struct sh_str s)
{
    if (sh_str_ieq(s, SH_STR("gbk"))) {
        return SH_TWIN_GBK;
    }
    return sh_str_ieq(s, SH_STR("utf-8")) ? SH_TWIN_UTF8 : SH_TWIN_AUTO;
}

static bool import_quota(void *ctx, int n)
{
    const struct api_req *r = ctx;
    struct sh_guard *g = r->api->o.guard;
    if (n > 0) {
        return sh_guard_use(g, r->tenant, SH_QUOTA_DEVICES, (uint64_t)n) == SH_OK;
    }
    sh_guard_unuse(g, r->tenant, SH_QUOTA_DEVICES, (uint64_t)-n);
    return true;
}

int api_devices_import(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_str dry = api_query(r, "dry_run");
    const struct sh_str existing = api_query(r, "existing");
    uint64_t reread = 0;
    if (existing.n > 0 && !sh_str_eqc(existing, "update") && !sh_str_eqc(existing, "refuse")) {
        return api_problem(r, 400, "bad_request", "existing is update or refuse",
                           "existing 只能是 update 或 refuse");
    }
    const struct sh_twin_import how = {
        .csv = !sh_str_eqc(api_query(r, "format"), "json"),
        .encoding = api_encoding(api_query(r, "encoding")),
        .create_only = sh_str_eqc(existing, "refuse"),
        .dry_run = dry.n > 0 && !sh_str_eqc(dry, "0") && !sh_str_eqc(dry, "false"),
        .units_corrected = api_units_corrected(r),
        .quota = import_quota,
        .ctx = r,
        .reread = &reread,
    };
    const sh_err err = sh_twin_devices_import(r->api->o.twin, r->tenant, r->http->body, &how,
                                              api_author(r), &r->w, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    if (!how.dry_run) {
        api_audit(r, "devices.imported", SH_STR("devices"), "ok",
                  reread == 0 ? SH_STR("")
                              : sh_arena_printf(r->arena, "{\"units_corrected\":%llu}",
                                                (unsigned long long)reread));
    }
    return 200;
}

/* What is above the caller's clearance goes: the value that was sent and what came back. */
static void put_command(struct api_req *r, json_t *doc)
{
    const struct sh_str device = sh_json_get_str(doc, "device");
    const struct sh_data_class c =
        sh_twin_class(r->api->o.twin, r->tenant, device, sh_json_get_str(doc, "property"));
    if (!api_clear(r, SH_PERM_DEVICES_READ, c, device)) {
        static const char *const members[] = {"value", "result"};
        for (size_t i = 0; i < 2; i++) {
            if (json_object_get(doc, members[i]) != NULL) {
                (void)json_object_set_new(doc, members[i], json_null());
            }
        }
        (void)json_object_set_new(doc, "masked", json_true());
        (void)json_object_set_new(doc, "data_class", json_string(sh_data_class_word(c.name)));
        (void)json_object_set_new(doc, "data_level", json_integer(c.level));
    }
    sh_jw_json(&r->w, doc);
}

/* The body of a command for the audit chain, which others read: without a value that is classed. */
static struct sh_str command_detail(struct api_req *r)
{
    const struct sh_str property = sh_json_get_str(r->body, "property");
    const struct sh_data_class c = sh_twin_class(r->api->o.twin, r->tenant, r->params[0], property);
    if (sh_data_class_pair(c) == 0) {
        return sh_bytes_str(r->http->body);
    }
    const struct sh_str name = property.n > 0 ? property : sh_json_get_str(r->body, "service");
    return sh_arena_printf(r->arena, "%.*s (data class %s, level %u: value not kept)", SH_PRI(name),
                           sh_data_class_word(c.name), c.level);
}

int api_device_command(struct api_req *r)
{
    struct sh_diag d = {0};
    struct sh_str id = {NULL, 0};
    const sh_err err = sh_twin_command_start(r->api->o.twin, r->tenant, r->params[0], r->body,
                                             api_author(r), r->arena, &id, &d);
    api_audit(r, "device.commanded", r->params[0], sh_err_name(err), command_detail(r));
    if (err == SH_E_DENIED) {
        return api_problem(r, 403, "denied", "the device is read-only: enable writing first",
                           "设备为只读接入：请先启用写入");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    json_t *doc = NULL;
    const sh_err shown = sh_twin_command_get(r->api->o.twin, r->tenant, id, &doc);
    if (shown == SH_OK) {
        put_command(r, doc);
    }
    json_decref(doc);
    return shown == SH_OK ? 202 : api_error(r, shown, NULL);
}

int api_command_get(struct api_req *r)
{
    json_t *doc = NULL;
    sh_err err = sh_twin_command_get(r->api->o.twin, r->tenant, r->params[0], &doc);
    if (err == SH_OK && !api_sees(r, sh_json_get_str(doc, "device"))) {
        err = SH_E_NOTFOUND;
    }
    if (err == SH_OK) {
        put_command(r, doc);
    }
    json_decref(doc);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static void put_listed(void *ctx, json_t *doc)
{
    put_command(ctx, doc);
}

int api_commands_list(struct api_req *r)
{
    struct sh_str next = SH_STR("");
    const struct sh_twin_commands_query q = {.tenant = r->tenant,
                                             .device = r->params[0],
                                             .cursor = api_query(r, "cursor"),
                                             .limit = api_limit(r, 50, 1000)};
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_twin_commands(r->api->o.twin, &q, r->arena, &next, put_listed, r);
    if (err != SH_OK) {
        return err == SH_E_INVAL
                   ? api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效")
                   : api_error(r, err, NULL);
    }
    sh_jw_arr_end(&r->w);
    put_next(r, next);
    sh_jw_obj_end(&r->w);
    return 200;
}

static int write_changed(struct api_req *r, sh_err err, const char *act, struct sh_str detail,
                         const struct sh_diag *d)
{
    if (err != SH_OK) {
        return api_error(r, err, d);
    }
    api_audit(r, act, r->params[0], "ok", detail);
    if (r->api->o.seams.write_changed != NULL) {
        r->api->o.seams.write_changed(r->api->o.seams.ctx, r->tenant, r->params[0]);
    }
    return 204;
}

int api_device_write_enable(struct api_req *r)
{
    struct sh_diag d = {0};
    int64_t until = 0;
    const struct sh_str reason = sh_json_get_str(r->body, "reason");
    if (!api_time(json_object_get(r->body, "until"), &until)) {
        return api_problem(r, 400, "bad_request", "until must be a time", "until 必须是时间");
    }
    const sh_err err = sh_twin_write_enable(r->api->o.twin, r->tenant, r->params[0], reason, until,
                                            api_author(r), &d);
    return write_changed(r, err, "device.write_enabled", reason, &d);
}

int api_device_write_disable(struct api_req *r)
{
    const sh_err err =
        sh_twin_write_disable(r->api->o.twin, r->tenant, r->params[0], api_author(r));
    return write_changed(r, err, "device.write_disabled", SH_STR(""), NULL);
}

/* ---- assets ---- */

int api_assets_list(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    const sh_err err = sh_twin_assets_write(r->api->o.twin, r->tenant, r->parts, &r->w);
    put_next(r, SH_STR(""));
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static int asset_put(struct api_req *r, struct sh_str id, enum sh_twin_put how, int ok)
{
    struct sh_diag d = {0};
    uint64_t rev = 0;
    uint64_t expect = SH_RECORD_ANY;
    int status = 0;
    if (how != SH_TWIN_CREATE && !expected(r, &expect, &status)) {
        return status;
    }
    const sh_err err = sh_twin_asset_put(r->api->o.twin, r->tenant, id, how, r->body, expect,
                                         api_author(r), &rev, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "asset.put", id, "ok", sh_bytes_str(r->http->body));
    api_etag(r, rev);
    sh_jw_json(&r->w, r->body);
    return ok;
}

int api_assets_post(struct api_req *r)
{
    return asset_put(r, sh_json_get_str(r->body, "id"), SH_TWIN_CREATE, 201);
}

int api_assets_put(struct api_req *r)
{
    return asset_put(r, r->params[0], SH_TWIN_REPLACE, 200);
}

int api_assets_delete(struct api_req *r)
{
    const sh_err err =
        sh_twin_asset_delete(r->api->o.twin, r->tenant, r->params[0], SH_RECORD_ANY, api_author(r));
    if (err == SH_E_STATE) {
        return api_problem(r, 409, "state", "something is below this node", "该节点之下仍有内容");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_files_gone(r, SH_TWIN_OF_ASSET, r->params[0]);
    api_plan_gone(r, r->params[0]);
    api_audit(r, "asset.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}
