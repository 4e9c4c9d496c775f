/* history_export.c - history as CSV.
 * SPDX-License-Identifier: Apache-2.0 */
#include "history_ask.h"

/* Rows of all series, merged by time: times sorted, one cell a point. Text in the arena. */
struct export_row {
    int64_t time;
    uint32_t series;
    struct sh_str cell;
};
struct export
{
    struct asked *a;
    struct export_row *rows;
    size_t n;
    size_t cap;
    struct sh_buf tmp[2];
};
enum { EXPORT_ROWS = 2000000 };

static sh_err export_grow(struct export *x)
{
    if (x->n < x->cap) {
        return SH_OK;
    }
    if (x->cap >= EXPORT_ROWS) {
        return SH_E_LIMIT;
    }
    const size_t cap = x->cap == 0 ? 4096 : x->cap * 2;
    struct export_row *rows = sh_mem_resize(x->a->r->api->env->alloc, x->rows, cap * sizeof *rows);
    if (rows == NULL) {
        return SH_E_NOMEM;
    }
    x->rows = rows;
    x->cap = cap;
    return SH_OK;
}

static struct sh_str csv_cell(struct export *x, enum sh_type type, union sh_cell v,
                              const uint8_t *bytes)
{
    struct sh_buf *b = &x->tmp[0];
    struct sh_jw w;
    sh_buf_clear(b);
    sh_jw_init(&w, b);
    api_put_cell(&w, type, v, bytes);
    struct sh_str s = sh_buf_str(b);
    const bool quoted = s.n >= 2 && s.p[0] == '"';
    if (quoted && type == SH_T_F64) {
        s = sh_str_sub(s, 1, s.n - 1);
    } else if (quoted) { /* CSV doubles quotes where JSON escapes them */
        const struct sh_str raw = sh_str_of((const char *)bytes + v.span.off, v.span.len);
        sh_buf_clear(&x->tmp[1]);
        sh_err err = sh_buf_put_u8(&x->tmp[1], '"');
        for (size_t i = 0; i < raw.n && err == SH_OK; i++) {
            err = raw.p[i] == '"' ? sh_buf_put_c(&x->tmp[1], "\"\"")
                                  : sh_buf_put_u8(&x->tmp[1], (uint8_t)raw.p[i]);
        }
        err = err == SH_OK ? sh_buf_put_u8(&x->tmp[1], '"') : err;
        s = err == SH_OK ? sh_buf_str(&x->tmp[1]) : SH_STR("");
    }
    return sh_arena_str(x->a->r->arena, s);
}

static sh_err export_sink(void *ctx, const struct sh_history_rows *rows)
{
    struct export *x = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        SH_TRY(export_grow(x));
        struct sh_str cell = SH_STR("");
        if (x->a->q.naggs == 0) {
            cell = csv_cell(x, rows->type, rows->value[i], rows->bytes);
        } else if (rows->agg[0].null == NULL || rows->agg[0].null[i] == 0) {
            cell = csv_cell(x, rows->agg[0].type, rows->agg[0].value[i], rows->bytes);
        }
        if (cell.p == NULL) {
            return SH_E_LIMIT;
        }
        x->rows[x->n++] = (struct export_row){rows->time_us[i], rows->series, cell};
    }
    return SH_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct export_row *x = a;
    const struct export_row *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return x->series < y->series ? -1 : (x->series > y->series ? 1 : 0);
}

static sh_err export_write(struct export *x, struct sh_buf *out)
{
    const struct asked *a = x->a;
    SH_TRY(sh_buf_put_c(out, "\xef\xbb\xbftime"));
    for (size_t i = 0; i < a->q.npoints; i++) {
        SH_TRY(sh_buf_printf(out, ",%.*s", SH_PRI(a->names[i])));
    }
    SH_TRY(sh_buf_put_c(out, "\r\n"));
    for (size_t i = 0; i < x->n;) {
        char t[SH_TIME_CHARS];
        const int64_t at = x->rows[i].time;
        SH_TRY(sh_buf_put(out, t, sh_time_print(at, t)));
        for (uint32_t s = 0; s < a->q.npoints; s++) {
            SH_TRY(sh_buf_put_u8(out, ','));
            if (i < x->n && x->rows[i].time == at && x->rows[i].series == s) {
                SH_TRY(sh_buf_put_str(out, x->rows[i].cell));
                i++;
            }
        }
        SH_TRY(sh_buf_put_c(out, "\r\n"));
    }
    return SH_OK;
}

/* The query parameters as the object that ask() reads. */
static json_t *export_question(struct api_req *r)
{
    json_t *o = json_object();
    json_t *points = json_array();
    struct sh_str rest = api_query(r, "points");
    while (rest.p != NULL) {
        const struct sh_str name = sh_str_cut(rest, ',', &rest);
        (void)json_array_append_new(points, json_stringn(name.p == NULL ? "" : name.p, name.n));
    }
    (void)json_object_set_new(o, "points", points);
    static const char *const names[] = {"from", "to",   "step",    "aggregate",
                                        "tz",   "fill", "quality", "where"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct sh_str v = api_query(r, names[i]);
        int64_t number = 0;
        if (i < 2 && v.p != NULL && sh_i64_parse(v, &number) == SH_OK) {
            (void)json_object_set_new(o, names[i], json_integer(number));
        } else if (v.p != NULL) {
            (void)json_object_set_new(o, names[i], json_stringn(v.p, v.n));
        }
    }
    return o;
}

static int export_run(struct asked *a)
{
    struct api_req *r = a->r;
    struct export x = {.a = a};
    struct sh_history_result res;
    sh_buf_init(&x.tmp[0], r->api->env->alloc, 64 << 20);
    sh_buf_init(&x.tmp[1], r->api->env->alloc, 64 << 20);
    sh_err err = sh_history_query(r->api->o.history, &a->q, export_sink, &x, &res);
    if (err == SH_OK && x.n > 0) {
        qsort(x.rows, x.n, sizeof x.rows[0], by_time);
    }
    struct sh_buf *body = sh_http_body(r->http);
    sh_buf_clear(body);
    if (err == SH_OK) {
        err = export_write(&x, body);
    }
    sh_mem_free(r->api->env->alloc, x.rows);
    sh_buf_fini(&x.tmp[0]);
    sh_buf_fini(&x.tmp[1]);
    if (err != SH_OK) {
        return ask_failed(r, err);
    }
    sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
    sh_http_header_c(r->http, "Content-Disposition", "attachment; filename=\"history.csv\"");
    return 200;
}

int api_history_export(struct api_req *r)
{
    struct asked *a = asked_new(r);
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    json_decref(r->body);
    r->body = export_question(r); /* lives as long as the request: names are views into it */
    int status = ask(a, r->body);
    if (status == 0 && a->q.naggs > 1) {
        status = ask_bad(r, "export takes one aggregate", "导出只支持一个聚合函数");
    }
    a->q.limit = EXPORT_ROWS;
    if (status == 0) {
        status = export_run(a);
    }
    asked_free(a);
    return status;
}
