/* history.c - queries of history, export and deletion; corrections are in edits.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

enum { MAX_POINTS = 1000, MAX_AGGS = 32, COLUMN_MAX = 256 << 20 };
#define DEFAULT_ROWS UINT64_C(1000000)
#define QUERY_TIME_US INT64_C(30000000)
#define TIME_MAX (INT64_C(1) << 61) /* what history takes, both ways */

/* One query as asked, on its way to JSON. Columns of a series are gathered as text, side by side,
 * because the engine gives rows and the answer has columns. */
struct asked {
    struct api_req *r;
    struct sh_history_query q;
    uint32_t points[MAX_POINTS];
    struct sh_str names[MAX_POINTS];
    struct sh_history_agg aggs[MAX_AGGS];
    const char *agg_names[MAX_AGGS];
    enum api_time_form form;
    struct sh_tz *tz;
    size_t next_series; /* first point whose series was not written yet */
    uint32_t open_series;
    bool open;
    enum sh_type type;
    struct sh_buf cols[2 + MAX_AGGS]; /* time, then value and quality, or the aggregates */
    struct sh_jw jw[2 + MAX_AGGS];
};

static size_t column_count(const struct asked *a)
{
    return a->q.naggs > 0 ? 1 + a->q.naggs : 3;
}

/* ---- the question ---- */

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

static int ask_points(struct asked *a, const json_t *list)
{
    const size_t n = json_array_size(list);
    if (n == 0 || n > MAX_POINTS) {
        return bad(a->r, "points must name 1 to 1000 points", "points 须包含 1 到 1000 个点位");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v)) {
            return bad(a->r, "points must be texts", "points 必须是文本");
        }
        int status = 0;
        a->names[i] = sh_str_of(json_string_value(v), json_string_length(v));
        a->points[i] = api_point(a->r, a->names[i], &status);
        if (a->points[i] == 0) {
            return status;
        }
    }
    a->q.points = a->points;
    a->q.npoints = n;
    return 0;
}

static int ask_aggs(struct asked *a, const json_t *list)
{
    if (json_is_string(list)) {
        const struct sh_str s = sh_str_of(json_string_value(list), json_string_length(list));
        a->agg_names[0] = json_string_value(list);
        a->q.naggs = 1;
        a->q.aggs = a->aggs;
        return sh_history_agg_parse(s, &a->aggs[0]) == SH_OK
                   ? 0
                   : bad(a->r, "aggregate is not known", "不支持的聚合函数");
    }
    const size_t n = json_array_size(list);
    if (n > MAX_AGGS) {
        return bad(a->r, "at most 32 aggregates", "最多 32 个聚合函数");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        const struct sh_str s = sh_str_of(json_string_value(v), json_string_length(v));
        if (!json_is_string(v) || sh_history_agg_parse(s, &a->aggs[i]) != SH_OK) {
            const struct sh_str en = sh_arena_printf(
                a->r->arena,
                "aggregate '%.*s' is not one of count sum min max mean first last stddev "
                "p<0-100> twa rate duration:<value>",
                SH_PRI(s));
            return bad(a->r, en.p, NULL);
        }
        a->agg_names[i] = json_string_value(v);
    }
    a->q.naggs = n;
    a->q.aggs = n == 0 ? NULL : a->aggs;
    return 0;
}

static int ask_range(struct asked *a, const json_t *body)
{
    const json_t *from = json_object_get(body, "from");
    const json_t *to = json_object_get(body, "to");
    a->q.from_us = -TIME_MAX;
    a->q.to_us = TIME_MAX;
    if (from != NULL && !api_time(from, &a->q.from_us)) {
        return bad(a->r, "from is not a time (RFC 3339 or milliseconds)",
                   "from 不是时间（RFC 3339 或毫秒整数）");
    }
    if (to != NULL && !api_time(to, &a->q.to_us)) {
        return bad(a->r, "to is not a time (RFC 3339 or milliseconds)",
                   "to 不是时间（RFC 3339 或毫秒整数）");
    }
    a->q.from_us = a->q.from_us < -TIME_MAX ? -TIME_MAX : a->q.from_us;
    a->q.to_us = a->q.to_us > TIME_MAX ? TIME_MAX : a->q.to_us;
    const struct sh_str step = sh_json_get_str(body, "step");
    if (step.n > 0 && (sh_duration_parse(step, &a->q.step_us) != SH_OK || a->q.step_us <= 0)) {
        return bad(a->r, "step must be a duration such as 10s, 1m or 1h",
                   "step 必须是时长，如 10s、1m、1h");
    }
    return 0;
}

struct word {
    const char *word;
    int value;
};

static bool pick(struct sh_str s, const struct word *table, int *out)
{
    for (; table->word != NULL; table++) {
        if (s.n == 0 || sh_str_eqc(s, table->word)) {
            *out = table->value;
            return true;
        }
    }
    return false;
}

static int ask_modes(struct asked *a, const json_t *body)
{
    static const struct word fills[] = {{"none", SH_FILL_NONE},
                                        {"null", SH_FILL_NULL},
                                        {"previous", SH_FILL_PREVIOUS},
                                        {"linear", SH_FILL_LINEAR},
                                        {NULL, 0}};
    static const struct word qualities[] = {
        {"default", SH_QF_DEFAULT}, {"good", SH_QF_GOOD}, {"all", SH_QF_ALL}, {NULL, 0}};
    static const struct word downs[] = {
        {"minmax", SH_DOWN_MINMAX}, {"lttb", SH_DOWN_LTTB}, {NULL, 0}};
    int v = 0;
    if (!pick(sh_json_get_str(body, "fill"), fills, &v)) {
        return bad(a->r, "fill must be none, null, previous or linear",
                   "fill 须为 none、null、previous 或 linear");
    }
    a->q.fill = (enum sh_history_fill)v;
    if (!pick(sh_json_get_str(body, "quality"), qualities, &v)) {
        return bad(a->r, "quality must be default, good or all",
                   "quality 须为 default、good 或 all");
    }
    a->q.quality = (enum sh_history_quality)v;
    const json_t *down = json_object_get(body, "downsample");
    if (json_is_object(down)) {
        const int64_t points = sh_json_get_i64(down, "points", 1000);
        if (!pick(sh_json_get_str(down, "method"), downs, &v) || points < 3 || points > 100000) {
            return bad(a->r, "downsample needs method minmax or lttb and points 3 to 100000",
                       "downsample 需要 method（minmax 或 lttb）和 points（3 到 100000）");
        }
        a->q.down = (enum sh_history_down)v;
        a->q.down_points = (uint32_t)points;
    }
    if (!api_time_form(sh_json_get_str(body, "time"), &a->form)) {
        return bad(a->r, "time must be ms, us or left out", "time 须为 ms、us 或省略");
    }
    return 0;
}

/* A cursor is "series.time" in base64url. */
static bool read_cursor(struct asked *a, struct sh_str s)
{
    struct sh_buf b;
    uint64_t series = 0;
    int64_t time = 0;
    struct sh_str rest = {NULL, 0};
    sh_buf_init(&b, a->r->api->env->alloc, 64);
    const bool ok = sh_base64_parse(s, true, &b) == SH_OK &&
                    sh_u64_parse(sh_str_cut(sh_buf_str(&b), '.', &rest), &series) == SH_OK &&
                    rest.p != NULL && sh_i64_parse(rest, &time) == SH_OK && series < a->q.npoints;
    sh_buf_fini(&b);
    a->q.cursor = (struct sh_history_cursor){(uint32_t)series, time, ok};
    return ok;
}

static int ask(struct asked *a, const json_t *body)
{
    if (!json_is_object(body)) {
        return bad(a->r, "the body must be an object", "请求正文必须是对象");
    }
    int status = ask_points(a, json_object_get(body, "points"));
    status = status != 0 ? status : ask_aggs(a, json_object_get(body, "aggregate"));
    status = status != 0 ? status : ask_range(a, body);
    status = status != 0 ? status : ask_modes(a, body);
    if (status != 0) {
        return status;
    }
    const struct sh_str tz = sh_json_get_str(body, "tz");
    if (tz.n > 0) {
        if (sh_tz_load(a->r->api->env, tz, &a->tz) != SH_OK) {
            return bad(a->r, "tz is not a known time zone", "tz 不是已知的时区");
        }
        a->q.tz = a->tz;
    }
    const int64_t limit = sh_json_get_i64(body, "limit", 0);
    a->q.limit = limit > 0 ? (uint64_t)limit : DEFAULT_ROWS;
    const struct sh_str cursor = sh_json_get_str(body, "cursor");
    if (cursor.n > 0 && !read_cursor(a, cursor)) {
        return bad(a->r, "cursor is not valid", "cursor 无效");
    }
    a->q.now_us = sh_wall_us(a->r->api->env->clock);
    a->q.deadline_mono_us = sh_mono_us(a->r->api->env->clock) + QUERY_TIME_US;
    return 0;
}

/* ---- the answer ---- */

static void series_begin(struct asked *a, uint32_t series)
{
    for (size_t i = 0; i < column_count(a); i++) {
        sh_buf_clear(&a->cols[i]);
        sh_jw_init(&a->jw[i], &a->cols[i]);
    }
    a->open = true;
    a->open_series = series;
}

static void series_end(struct asked *a)
{
    struct sh_jw *w = &a->r->w;
    const struct sh_point *p = sh_points_get(a->r->api->o.points, a->points[a->open_series]);
    sh_jw_obj(w);
    sh_jw_key(w, "point");
    sh_jw_str(w, a->names[a->open_series]);
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(p->type));
    sh_jw_key(w, "unit");
    sh_jw_str(w, p->unit);
    for (size_t i = 0; i < column_count(a); i++) {
        static const char *const raw[] = {"time", "value", "quality"};
        sh_jw_key(w, i == 0 || a->q.naggs == 0 ? raw[i] : a->agg_names[i - 1]);
        sh_jw_arr(w);
        if (a->cols[i].n > 0) {
            sh_jw_raw(w, sh_buf_str(&a->cols[i]));
        }
        sh_jw_arr_end(w);
        if (a->jw[i].err != SH_OK && w->err == SH_OK) {
            w->err = a->jw[i].err;
        }
    }
    sh_jw_obj_end(w);
    a->open = false;
    a->next_series = a->open_series + 1;
}

/* Series without rows get empty columns, so that the answer has one series a point. */
static void fill_series(struct asked *a, uint32_t until)
{
    while (a->next_series < until) {
        series_begin(a, (uint32_t)a->next_series);
        series_end(a);
    }
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct asked *a = ctx;
    if (a->open && a->open_series != rows->series) {
        series_end(a);
    }
    if (!a->open) {
        fill_series(a, rows->series);
        series_begin(a, rows->series);
    }
    for (uint32_t i = 0; i < rows->n; i++) {
        api_put_time(&a->jw[0], rows->time_us[i], a->form);
    }
    if (a->q.naggs == 0) {
        for (uint32_t i = 0; i < rows->n; i++) {
            api_put_cell(&a->jw[1], rows->type, rows->value[i], rows->bytes);
            sh_jw_u64(&a->jw[2], rows->quality[i]);
        }
    }
    for (size_t k = 0; k < a->q.naggs; k++) {
        const struct sh_history_col *c = &rows->agg[k];
        for (uint32_t i = 0; i < rows->n; i++) {
            if (c->null != NULL && c->null[i] != 0) {
                sh_jw_null(&a->jw[1 + k]);
            } else {
                api_put_cell(&a->jw[1 + k], c->type, c->value[i], rows->bytes);
            }
        }
    }
    return sh_http_gone(a->r->http) ? SH_E_CANCELED : sh_jw_end(&a->jw[0]);
}

static void put_next(struct api_req *r, const struct sh_history_cursor *c)
{
    sh_jw_key(&r->w, "next");
    if (!c->set) {
        sh_jw_null(&r->w);
        return;
    }
    char t[64];
    struct sh_buf b;
    const int n = snprintf(t, sizeof t, "%u.%lld", c->series, (long long)c->time_us);
    sh_buf_init(&b, r->api->env->alloc, 128);
    if (sh_base64_put(&b, sh_bytes_of(t, (size_t)n), true) == SH_OK) {
        sh_jw_str(&r->w, sh_buf_str(&b));
    } else {
        sh_jw_null(&r->w);
    }
    sh_buf_fini(&b);
}

static struct asked *asked_new(struct api_req *r)
{
    struct asked *a = sh_mem_new(r->api->env->alloc, sizeof *a);
    if (a != NULL) {
        a->r = r;
        for (size_t i = 0; i < 2 + MAX_AGGS; i++) {
            sh_buf_init(&a->cols[i], r->api->env->alloc, COLUMN_MAX);
        }
    }
    return a;
}

static void asked_free(struct asked *a)
{
    for (size_t i = 0; i < 2 + MAX_AGGS; i++) {
        sh_buf_fini(&a->cols[i]);
    }
    sh_tz_free(a->tz);
    sh_mem_free(a->r->api->env->alloc, a);
}

static int query_error(struct api_req *r, sh_err err)
{
    if (err == SH_E_UNSUPPORTED) {
        return api_problem(r, 422, "unsupported", "this aggregate does not fit the point's type",
                           "该聚合函数不适用于此点位的类型");
    }
    if (err == SH_E_LIMIT) {
        return api_problem(r, 422, "limit",
                           "the query needs too much memory or has too many buckets: a shorter "
                           "range or a longer step",
                           "查询占用内存或分桶过多：请缩短时间范围或加大步长");
    }
    if (err == SH_E_TIMEOUT) {
        return api_problem(r, 503, "too_busy", "the query took longer than 30 s", "查询超过 30 秒");
    }
    return api_error(r, err, NULL);
}

static int answer(struct asked *a)
{
    struct api_req *r = a->r;
    struct sh_history_result res;
    a->next_series = a->q.cursor.set ? a->q.cursor.series : 0;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "series");
    sh_jw_arr(&r->w);
    const sh_err err = sh_history_query(r->api->o.history, &a->q, sink, a, &res);
    if (err != SH_OK) {
        return query_error(r, err);
    }
    if (a->open) {
        series_end(a);
    }
    if (!res.next.set) {
        fill_series(a, (uint32_t)a->q.npoints);
    }
    sh_jw_arr_end(&r->w);
    put_next(r, &res.next);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_history_query(struct api_req *r)
{
    struct asked *a = asked_new(r);
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    int status = ask(a, r->body);
    if (status == 0) {
        status = answer(a);
    }
    asked_free(a);
    return status;
}

/* ---- deleting ---- */

static sh_err count_sink(void *ctx, const struct sh_history_rows *rows)
{
    *(uint64_t *)ctx += rows->n;
    return SH_OK;
}

static int delete_asked(struct asked *a)
{
    struct api_req *r = a->r;
    struct sh_str reason;
    int status = ask_points(a, json_object_get(r->body, "points"));
    status = status != 0 ? status : ask_range(a, r->body);
    status = status != 0 ? status : api_need_reason(r, &reason);
    if (status != 0) {
        return status;
    }
    uint64_t n = 0;
    struct sh_history_result res;
    sh_err err = sh_history_query(r->api->o.history, &a->q, count_sink, &n, &res);
    const struct api_edit e = {
        .edit = {.kind = SH_EDIT_DELETE,
                 .points = a->points,
                 .npoints = (uint32_t)a->q.npoints,
                 .from_us = a->q.from_us,
                 .to_us = a->q.to_us,
                 .tenant = r->tenant},
        .points = a->points,
        .npoints = a->q.npoints,
        .from_us = a->q.from_us,
        .to_us = a->q.to_us,
        .reason = reason,
    };
    uint64_t id = 0;
    err = err == SH_OK ? api_edit(r, &e, &id) : err;
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "history.deleted", a->names[0], "ok", reason);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "deleted");
    sh_jw_u64(&r->w, n);
    sh_jw_key(&r->w, "edit");
    sh_jw_u64(&r->w, id);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_history_delete(struct api_req *r)
{
    struct asked *a = asked_new(r);
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    const int status = delete_asked(a);
    asked_free(a);
    return status;
}

/* ---- export ---- */

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

static struct sh_str csv_cell(struct asked *a, enum sh_type type, union sh_cell v,
                              const uint8_t *bytes)
{
    struct sh_buf *b = &a->cols[0];
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
        sh_buf_clear(&a->cols[1]);
        sh_err err = sh_buf_put_u8(&a->cols[1], '"');
        for (size_t i = 0; i < raw.n && err == SH_OK; i++) {
            err = raw.p[i] == '"' ? sh_buf_put_c(&a->cols[1], "\"\"")
                                  : sh_buf_put_u8(&a->cols[1], (uint8_t)raw.p[i]);
        }
        err = err == SH_OK ? sh_buf_put_u8(&a->cols[1], '"') : err;
        s = err == SH_OK ? sh_buf_str(&a->cols[1]) : SH_STR("");
    }
    return sh_arena_str(a->r->arena, s);
}

static sh_err export_sink(void *ctx, const struct sh_history_rows *rows)
{
    struct export *x = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        SH_TRY(export_grow(x));
        struct sh_str cell = SH_STR("");
        if (x->a->q.naggs == 0) {
            cell = csv_cell(x->a, rows->type, rows->value[i], rows->bytes);
        } else if (rows->agg[0].null == NULL || rows->agg[0].null[i] == 0) {
            cell = csv_cell(x->a, rows->agg[0].type, rows->agg[0].value[i], rows->bytes);
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
    static const char *const names[] = {"from", "to", "step", "aggregate", "tz", "fill", "quality"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct sh_str v = api_query(r, names[i]);
        int64_t number = 0;
        if (v.p != NULL && sh_i64_parse(v, &number) == SH_OK) {
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
    if (err != SH_OK) {
        return query_error(r, err);
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
        status = bad(r, "export takes one aggregate", "导出只支持一个聚合函数");
    }
    a->q.limit = EXPORT_ROWS;
    if (status == 0) {
        status = export_run(a);
    }
    asked_free(a);
    return status;
}
