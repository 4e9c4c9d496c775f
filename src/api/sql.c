/* sql.c - SQL over points and records: GET and POST /api/v1/sql, as JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_api.h"

enum { JSON_ROWS = 10000, JSON_ROWS_MAX = 1000000, JSON_BYTES = 48 << 20 };

int api_sql_problem(struct api_req *r, const struct sh_sql_fault *f)
{
    static const struct {
        sh_err err;
        int status;
        const char *code;
    } map[] = {
        {SH_E_INVAL, 400, "bad_sql"},           {SH_E_DENIED, 403, "denied"},
        {SH_E_UNSUPPORTED, 422, "unsupported"}, {SH_E_LIMIT, 422, "limit"},
        {SH_E_BUSY, 503, "too_busy"},           {SH_E_TIMEOUT, 503, "too_busy"},
        {SH_E_CANCELED, 503, "too_busy"},       {SH_E_NOMEM, 503, "no_memory"},
    };
    struct sh_diag d = {.line = 0};
    int status = 500;
    const char *code = "internal";
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].err == f->err) {
            status = map[i].status;
            code = map[i].code;
        }
    }
    if (f->at > 0 && r->chinese) {
        sh_diag_set(&d, "%s（第 %u 个字节）", f->zh, f->at);
    } else if (f->at > 0) {
        sh_diag_set(&d, "%s (at byte %u)", f->en, f->at);
    } else {
        sh_diag_set(&d, "%s", r->chinese ? f->zh : f->en);
    }
    sh_diag_remedy(&d, "%s", r->chinese ? f->remedy_zh : f->remedy_en);
    return api_problem_diag(r, status, code, &d);
}

/* ---- the question ---- */

static sh_err bind_one(struct sh_sql_query *q, unsigned n, const json_t *v)
{
    if (json_is_string(v)) {
        return sh_sql_bind_text(q, n, sh_str_of(json_string_value(v), json_string_length(v)));
    }
    if (json_is_integer(v)) {
        return sh_sql_bind_i64(q, n, json_integer_value(v));
    }
    if (json_is_real(v)) {
        return sh_sql_bind_f64(q, n, json_real_value(v));
    }
    if (json_is_boolean(v)) {
        return sh_sql_bind_i64(q, n, json_is_true(v) ? 1 : 0);
    }
    return json_is_null(v) ? SH_OK : SH_E_INVAL;
}

static int bind_all(struct api_req *r, struct sh_sql_query *q)
{
    const json_t *list = json_object_get(r->body, "parameters");
    const size_t n = json_array_size(list);
    if (n != sh_sql_parameters(q)) {
        const struct sh_str en =
            sh_arena_printf(r->arena, "the statement has %u parameters, parameters has %zu",
                            sh_sql_parameters(q), n);
        const struct sh_str zh = sh_arena_printf(r->arena, "语句有 %u 个参数，parameters 有 %zu 个",
                                                 sh_sql_parameters(q), n);
        return api_problem(r, 400, "bad_sql", en.p, zh.p);
    }
    for (size_t i = 0; i < n; i++) {
        if (bind_one(q, (unsigned)i + 1, json_array_get(list, i)) != SH_OK) {
            return api_problem(
                r, 400, "bad_sql",
                "parameters are texts, numbers, booleans or null, at most 2 MiB each",
                "parameters 须为文本、数字、布尔或 null，每个不超过 2 MiB");
        }
    }
    return 0;
}

static struct sh_str question(struct api_req *r)
{
    if (r->http->method == SH_HTTP_POST) {
        return sh_json_get_str(r->body, "sql");
    }
    return api_query(r, "sql");
}

static struct sh_str user_of(struct api_req *r)
{
    struct sh_principal_info info;
    if (sh_guard_describe(r->api->o.guard, &r->who, &info) != SH_OK) {
        return SH_STR("");
    }
    return sh_arena_str(r->arena, sh_str_c(info.name));
}

/* One statement, nothing behind it. 0: *q is ready to step. */
static int prepare(struct api_req *r, struct sh_sql_query **q)
{
    struct sh_sql_fault f;
    size_t used = 0;
    const struct sh_str text = question(r);
    const bool file = sh_str_eqc(api_query(r, "format"), "csv");
    const struct sh_sql_caller who = {.who = r->who,
                                      .tenant = r->tenant,
                                      .user = user_of(r),
                                      .limited = file, /* it leaves as one: see export_gate.c */
                                      .most = file ? api_export_most(r) : SH_CLEARANCE_ALL};
    *q = NULL;
    r->asked = text;
    r->asked_form = SLOW_SQL;
    if (sh_sql_prepare(r->api->o.sql, &who, text, q, &used, &f) != SH_OK) {
        return api_sql_problem(r, &f);
    }
    if (*q == NULL) {
        return api_problem(r, 400, "bad_sql", "sql is empty", "sql 为空");
    }
    if (sh_str_trim(sh_str_sub(text, used, text.n)).n > 0) {
        return api_problem(r, 400, "bad_sql", "one statement a request", "每个请求只能有一条语句");
    }
    return bind_all(r, *q);
}

/* ---- JSON ---- */

static void put_cell(struct sh_jw *w, const struct sh_sql_cell *c)
{
    switch (c->type) {
    case SH_SQL_INT:
    case SH_SQL_BOOL:
        sh_jw_i64(w, c->i64);
        break;
    case SH_SQL_REAL:
        sh_jw_f64(w, c->f64);
        break;
    case SH_SQL_TEXT:
    case SH_SQL_TIME:
        sh_jw_str(w, c->text);
        break;
    case SH_SQL_NULL:
    default:
        sh_jw_null(w);
        break;
    }
}

static void put_columns(struct sh_jw *w, const struct sh_sql_query *q)
{
    sh_jw_key(w, "columns");
    sh_jw_arr(w);
    for (unsigned i = 0; i < sh_sql_columns(q); i++) {
        sh_jw_obj(w);
        sh_jw_key(w, "name");
        sh_jw_str(w, sh_sql_column_name(q, i));
        sh_jw_key(w, "type");
        sh_jw_c(w, sh_sql_type_name(sh_sql_column_type(q, i)));
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

static void put_row(struct sh_jw *w, struct sh_sql_query *q)
{
    sh_jw_arr(w);
    for (unsigned i = 0; i < sh_sql_columns(q); i++) {
        struct sh_sql_cell c;
        sh_sql_cell(q, i, &c);
        put_cell(w, &c);
    }
    sh_jw_arr_end(w);
}

static int as_json(struct api_req *r, struct sh_sql_query *q, uint32_t limit)
{
    struct sh_sql_fault f;
    sh_err err = sh_sql_step(q, &f); /* first: types of computed columns come with it */
    bool truncated = false;
    r->rows = 0;
    sh_jw_obj(&r->w);
    put_columns(&r->w, q);
    sh_jw_key(&r->w, "rows");
    sh_jw_arr(&r->w);
    for (uint32_t n = 0; err == SH_OK && !truncated; n++) {
        if (n >= limit || sh_http_body(r->http)->n > JSON_BYTES) {
            truncated = true;
        } else {
            put_row(&r->w, q);
            r->rows = (int64_t)n + 1;
            err = sh_http_gone(r->http) ? SH_E_CLOSED : sh_sql_step(q, &f);
        }
    }
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return err == SH_E_CLOSED ? api_error(r, err, NULL) : api_sql_problem(r, &f);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "truncated");
    sh_jw_bool(&r->w, truncated);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_sql(struct api_req *r)
{
    struct sh_sql_query *q = NULL;
    const struct sh_str format = api_query(r, "format");
    if (format.n > 0 && !sh_str_eqc(format, "json") && !sh_str_eqc(format, "csv")) {
        return api_problem(r, 400, "bad_request", "format must be json or csv",
                           "format 须为 json 或 csv");
    }
    int status = prepare(r, &q);
    if (status == 0 && sh_str_eqc(format, "csv")) {
        return api_sql_csv(r, q); /* takes q */
    }
    if (status == 0) {
        status = as_json(r, q, api_limit(r, JSON_ROWS, JSON_ROWS_MAX));
    }
    sh_sql_end(q);
    return status;
}
