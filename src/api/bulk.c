/* bulk.c - many devices at once: changes, deletion, export of what a filter or a list of ids means.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { GONE_MAX = 64 << 20 };

static bool sees(void *ctx, struct sh_str id)
{
    return api_sees(ctx, id);
}

/* Devices that are no more, each with a NUL behind it: their files go when the twin is done. */
struct gone {
    struct api_req *r;
    struct sh_buf ids;
};

static void removed(void *ctx, struct sh_str id)
{
    struct gone *g = ctx;
    api_device_left(g->r, id);
    const size_t before = g->ids.n;
    sh_err err = sh_buf_put_str(&g->ids, id);
    err = err == SH_OK ? sh_buf_put_u8(&g->ids, 0) : err;
    if (err != SH_OK) { /* the next start removes them */
        g->ids.n = before;
        sh_log(g->r->api->env->log, SH_LOG_WARN, "api", "files of %.*s are not removed: %s",
               SH_PRI(id), sh_err_name(err));
    }
}

static void remove_files(struct gone *g)
{
    const struct sh_str all = sh_buf_str(&g->ids);
    for (size_t at = 0; at < all.n;) {
        const struct sh_str id = sh_str_c(all.p + at);
        api_files_gone(g->r, SH_TWIN_OF_DEVICE, id);
        at += id.n + 1;
    }
    sh_buf_fini(&g->ids);
}

/* {"ids":[]} or {"filter":{}} with "except":[]; false: it was answered. */
static bool pick_of_body(struct api_req *r, struct sh_twin_pick *p, int *status)
{
    const json_t *f = json_object_get(r->body, "filter");
    const json_t *ids = json_object_get(r->body, "ids");
    *p = (struct sh_twin_pick){
        .filter = {.tenant = r->tenant,
                   .parts = r->parts,
                   .search = sh_json_get_str(f, "q"),
                   .state = sh_json_get_str(f, "state"),
                   .thing = sh_json_get_str(f, "thing"),
                   .asset = sh_json_get_str(f, "asset"),
                   .label = sh_json_get_str(f, "label"),
                   .archived = sh_json_get_str(f, "archived"),
                   .data_class = sh_json_get_str(f, "data_class")},
        .ids = ids,
        .except = json_object_get(r->body, "except"),
        .sees = sees,
        .ctx = r,
    };
    if ((ids == NULL) == (f == NULL)) {
        *status =
            api_problem(r, 400, "bad_request", "either ids or filter says which devices are meant",
                        "用 ids 或 filter 二者之一指明设备");
        return false;
    }
    return true;
}

/* What of the selection the audit shows: the filter, or how many ids. */
static struct sh_str what_of(struct api_req *r, const struct sh_twin_bulk_result *n)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, r->api->env->alloc, 64 << 10);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    sh_jw_key(&w, "matched");
    sh_jw_u64(&w, n->matched);
    sh_jw_key(&w, "changed");
    sh_jw_u64(&w, n->changed);
    sh_jw_key(&w, "refused");
    sh_jw_u64(&w, n->refused);
    if (n->reread > 0) {
        sh_jw_key(&w, "units_corrected");
        sh_jw_u64(&w, n->reread);
    }
    static const char *const said[] = {"filter", "change"};
    for (size_t i = 0; i < 2; i++) {
        if (json_object_get(r->body, said[i]) != NULL) {
            sh_jw_key(&w, said[i]);
            sh_jw_json(&w, json_object_get(r->body, said[i]));
        }
    }
    sh_jw_obj_end(&w);
    const struct sh_str out =
        sh_jw_end(&w) == SH_OK ? sh_arena_str(r->arena, sh_buf_str(&b)) : SH_STR("");
    sh_buf_fini(&b);
    return out;
}

static int bulk(struct api_req *r, bool remove, const char *act)
{
    struct sh_diag d = {0};
    struct sh_twin_bulk_result n = {0};
    int status = 0;
    struct gone gone = {.r = r};
    struct sh_twin_bulk b = {
        .change = remove ? NULL : json_object_get(r->body, "change"),
        .remove = remove,
        .dry_run = sh_json_get_bool(r->body, "dry_run", false),
        .cursor = sh_json_get_str(r->body, "cursor"),
        .limit = (uint32_t)sh_json_get_i64(r->body, "limit", 0),
        .units_corrected = sh_str_eqc(sh_json_get_str(r->body, "units"), "corrected"),
        .author = api_author(r),
        .removed = removed,
        .ctx = &gone,
    };
    if (!pick_of_body(r, &b.pick, &status)) {
        return status;
    }
    sh_buf_init(&gone.ids, r->api->env->alloc, GONE_MAX);
    const sh_err err = sh_twin_devices_bulk(r->api->o.twin, &b, &r->w, &n, &d);
    remove_files(&gone);
    if (!b.dry_run && n.changed > 0) { /* also when it ended half way */
        api_audit(r, act, SH_STR("devices"), sh_err_name(err), what_of(r, &n));
    }
    return err == SH_OK ? 200 : api_error(r, err, &d);
}

int api_devices_bulk(struct api_req *r)
{
    return bulk(r, false, "devices.changed");
}

int api_devices_bulk_delete(struct api_req *r)
{
    return bulk(r, true, "devices.deleted");
}

/* The list in a form: "csv", which an empty word means too, "json" or "xlsx". */
static int export(struct api_req *r, const struct sh_twin_pick *pick, struct sh_str form,
                  enum sh_twin_encoding enc)
{
    static const struct {
        const char *type;
        const char *disposition;
    } forms[] = {
        {"text/csv; charset=utf-8", "attachment; filename=\"devices.csv\""},
        {"application/json", "attachment; filename=\"devices.json\""},
        {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
         "attachment; filename=\"devices.xlsx\""},
    };
    const size_t k = sh_str_eqc(form, "json") ? 1 : (sh_str_eqc(form, "xlsx") ? 2 : 0);
    const bool gbk = enc == SH_TWIN_GBK && k == 0;
    struct sh_diag d = {0};
    struct sh_buf csv;
    struct sh_buf *out = sh_http_body(r->http);
    sh_buf_clear(out);
    sh_buf_init(&csv, r->api->env->alloc, out->max);
    sh_err err = sh_twin_devices_export(r->api->o.twin, pick, k != 1,
                                        gbk ? SH_TWIN_GBK : SH_TWIN_UTF8, k == 2 ? &csv : out, &d);
    if (err == SH_OK && k == 2) {
        err = api_devices_book(r, sh_buf_str(&csv), out);
    }
    sh_buf_fini(&csv);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_http_header_c(r->http, "Content-Type", gbk ? "text/csv; charset=gbk" : forms[k].type);
    sh_http_header_c(r->http, "Content-Disposition", forms[k].disposition);
    return 200;
}

int api_devices_export(struct api_req *r)
{
    struct sh_twin_pick pick = {.filter = api_device_filter(r), .sees = sees, .ctx = r};
    if (pick.filter.archived.n == 0) {
        pick.filter.archived = SH_STR("any");
    }
    return export(r, &pick, api_query(r, "format"), api_encoding(api_query(r, "encoding")));
}

int api_devices_export_picked(struct api_req *r)
{
    struct sh_twin_pick pick;
    int status = 0;
    if (!pick_of_body(r, &pick, &status)) {
        return status;
    }
    return export(r, &pick, sh_json_get_str(r->body, "format"),
                  api_encoding(sh_json_get_str(r->body, "encoding")));
}
