/* audit.c - the audit chain: search, page by page, and as CSV of any length, streamed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { ROWS = 100, EXPORT_MOST = 16, COLUMNS = 10 };

static bool time_of(struct api_req *r, const char *name, int64_t *us)
{
    const struct sh_str s = api_query(r, name);
    return s.n == 0 || sh_time_parse(s, us) == SH_OK;
}

/* 0, or the status of a problem. Views into the request. */
static int find_of(struct api_req *r, struct sh_audit_find *out)
{
    *out = (struct sh_audit_find){
        .text = api_query(r, "q"),
        .who = api_query(r, "who"),
        .act = api_query(r, "act"),
        .object = api_query(r, "object"),
        .device = api_query(r, "device"),
        .refused = sh_str_eqc(api_query(r, "refused"), "true"),
    };
    if (!time_of(r, "from", &out->from_us) || !time_of(r, "to", &out->to_us)) {
        return api_problem(r, 400, "bad_request", "from and to are times: RFC 3339 or milliseconds",
                           "from 与 to 为时间：RFC 3339 或毫秒数");
    }
    return 0;
}

int api_audit_list(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_audit_find find;
    uint64_t before = 0;
    uint64_t next = 0;
    const struct sh_str cursor = api_query(r, "cursor");
    const int bad = find_of(r, &find);
    if (bad != 0) {
        return bad;
    }
    if (cursor.n > 0 && sh_u64_parse(cursor, &before) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_audit_list(r->api->o.guard, &at, before, &find,
                                           api_limit(r, 50, 1000), &r->w, &next);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_arr_end(&r->w);
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

/* About the whole node, as the self check is. */
int api_audit_checkpoint(struct api_req *r)
{
    struct sh_checkpoint cp;
    if (r->who.tenant != SH_TENANT_ROOT) {
        return api_problem(r, 403, "denied", "a checkpoint is about the whole node",
                           "检查点涉及整个节点，仅限根租户");
    }
    const sh_err err = sh_guard_checkpoint(r->api->o.guard, &cp);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"checkpoint.json\"");
    sh_jw_obj(&r->w);
    sh_checkpoint_write(&cp, &r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* ---- export ---- */

static const char *const columns[COLUMNS] = {"seq",    "time",   "principal", "tenant", "act",
                                             "object", "result", "detail",    "peer",   "hash"};

struct export
{
    struct api_req *r;
    struct sh_audit_find find; /* views into the request, which lives as long */
    uint64_t before;
};

static sh_err put_entry(void *ctx, const json_t *e)
{
    struct sh_buf *out = ctx;
    for (size_t i = 0; i < COLUMNS; i++) {
        SH_TRY(i == 0 ? SH_OK : sh_buf_put_u8(out, ','));
        if (i == 0) {
            char t[SH_I64_CHARS];
            SH_TRY(sh_buf_put(out, t, sh_i64_print(sh_json_get_i64(e, "seq", 0), t)));
        } else {
            SH_TRY(sh_csv_put(out, sh_json_get_str(e, columns[i]), false));
        }
    }
    return sh_buf_put_c(out, "\r\n");
}

static sh_err more(void *ctx, struct sh_buf *out, bool *last)
{
    struct export *x = ctx;
    const struct sh_guard_at at = api_at(x->r);
    uint64_t next = 0;
    SH_TRY(sh_guard_audit_each(x->r->api->o.guard, &at, x->before, &x->find, ROWS, put_entry, out,
                               &next));
    x->before = next;
    *last = next == 0;
    return SH_OK;
}

static sh_err run_worker(void *pool, void (*fn)(void *ctx), void *ctx)
{
    return sh_workers_run(pool, fn, ctx);
}

static void export_free(struct export *x)
{
    (void)atomic_fetch_sub(&x->r->api->exports, 1);
    sh_mem_free(x->r->api->env->alloc, x);
}

static void ended(void *ctx, sh_err err)
{
    struct export *x = ctx;
    struct api_req *r = x->r;
    SH_UNUSED(err);
    export_free(x);
    api_release(r);
}

static sh_err first_piece(struct export *x, struct sh_buf *body, bool *last)
{
    SH_TRY(sh_buf_put_c(body, "\xef\xbb\xbf"));
    for (size_t i = 0; i < COLUMNS; i++) {
        SH_TRY(i == 0 ? SH_OK : sh_buf_put_u8(body, ','));
        SH_TRY(sh_buf_put_c(body, columns[i]));
    }
    SH_TRY(sh_buf_put_c(body, "\r\n"));
    return more(x, body, last);
}

int api_audit_export(struct api_req *r)
{
    struct sh_audit_find find;
    bool last = false;
    const int bad = find_of(r, &find);
    if (bad != 0) {
        return bad;
    }
    if (atomic_fetch_add(&r->api->exports, 1) >= EXPORT_MOST) {
        (void)atomic_fetch_sub(&r->api->exports, 1);
        sh_http_header_c(r->http, "Retry-After", "10");
        return api_problem(r, 503, "too_busy", "16 exports are under way: try again later",
                           "已有 16 个导出在进行：请稍后再试");
    }
    struct export *x = sh_mem_new(r->api->env->alloc, sizeof *x);
    if (x == NULL) {
        (void)atomic_fetch_sub(&r->api->exports, 1);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    *x = (struct export){.r = r, .find = find};
    api_audit(r, "audit.exported", SH_STR("audit"), "ok", r->http->query);
    struct sh_buf *body = sh_http_body(r->http);
    const sh_err err = first_piece(x, body, &last);
    if (err != SH_OK) {
        export_free(x);
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"audit.csv\"");
    if (last) {
        export_free(x);
        return 200;
    }
    api_pull(
        r, &(struct sh_http_pull){
               .run = run_worker, .pool = r->api->o.workers, .more = more, .end = ended, .ctx = x});
    return 0;
}
