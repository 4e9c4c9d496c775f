/* history_export.c - history as CSV (one time column and one column a point), as a workbook
 * (history_xlsx.c), as line protocol or as columnar frames (history_forms.c), streamed.
 *
 * The engine gives series after series and the file has rows by time. So the range is cut into
 * windows of time that hold at most WINDOW_ROWS rows over all series: each is queried, merged in
 * memory and written out piece by piece. The width follows the data: halved when a window holds too
 * much, doubled when it holds little. With a step the windows end where buckets end. `fill`
 * previous and linear need the rows before and after: then the whole range is one window, with a
 * limit.
 *
 * The handler makes the first piece, so what is wrong is still a problem with words; the others are
 * made on workers when the client has taken what was made (sh_http_pull).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "history_export.h"

enum {
    EXPORTS_MAX = 16, /* at one time; each may hold WINDOW_ROWS rows and WINDOW_TEXT bytes */
    WINDOW_ROWS = 128 << 10,
    WINDOW_TEXT = 16 << 20,
    FILLED_ROWS = 1 << 20,
    PIECE_SOFT = 64 << 10,
    PIECE_MAX = 4 << 20
};
#define WINDOW_FIRST_US (INT64_C(3600) * 1000000)
#define WINDOW_TIME_US INT64_C(30000000)
#define FUTURE_US (INT64_C(86400) * 1000000) /* samples are taken this far ahead */

/* ---- one window ---- */

static bool is_filled(const struct export *x)
{
    return x->a->q.fill == SH_FILL_PREVIOUS || x->a->q.fill == SH_FILL_LINEAR;
}

/* Cannot be cut into windows: filled, or one bucket. */
static bool is_whole(const struct export *x)
{
    return is_filled(x) || (x->a->q.naggs > 0 && x->a->q.step_us == 0);
}

static sh_err row_add(struct export *x, const struct export_row *row)
{
    if (x->n == x->cap) {
        const size_t cap = x->cap == 0 ? 4096 : x->cap * 2;
        struct export_row *rows =
            sh_mem_resize(x->a->r->api->env->alloc, x->rows, cap * sizeof *rows);
        if (rows == NULL) {
            return SH_E_NOMEM;
        }
        x->rows = rows;
        x->cap = cap;
    }
    x->rows[x->n++] = *row;
    return SH_OK;
}

static sh_err gather(void *ctx, const struct sh_history_rows *rows)
{
    struct export *x = ctx;
    const bool raw = x->a->q.naggs == 0;
    const enum sh_type type = raw ? rows->type : rows->agg[0].type;
    const union sh_cell *value = raw ? rows->value : rows->agg[0].value;
    const uint8_t *null = raw ? NULL : rows->agg[0].null;
    for (uint32_t i = 0; i < rows->n; i++) {
        struct export_row row = {rows->time_us[i], value[i], rows->series, (uint8_t)type,
                                 raw ? rows->quality[i] : SH_Q_GOOD};
        if (null != NULL && null[i] != 0) {
            row.type = 0;
        } else if (type >= SH_T_TEXT && value[i].span.len != 0) {
            row.value.span.off = (uint32_t)x->text.n;
            SH_TRY(sh_buf_put(&x->text, rows->bytes + value[i].span.off, value[i].span.len));
        }
        SH_TRY(row_add(x, &row));
    }
    return sh_http_gone(x->a->r->http) ? SH_E_CANCELED : SH_OK;
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

/* Where a window that begins at x->at ends: at most x->width later, but with a whole bucket. */
static int64_t window_end(const struct export *x)
{
    if (x->width >= x->to - x->at) {
        return x->to;
    }
    const int64_t end = x->at + x->width;
    if (x->a->q.step_us == 0) {
        return end;
    }
    int64_t start = 0;
    int64_t stop = 0;
    sh_history_bucket(&x->a->q, end, &start, &stop);
    if (start <= x->at) {
        sh_history_bucket(&x->a->q, x->at, &start, &stop);
        start = stop;
    }
    return start < x->to ? start : x->to;
}

/* Gathers the window [x->at, end). *full: it holds too much. */
static sh_err window_try(struct export *x, int64_t end, bool *full)
{
    const struct asked *a = x->a;
    struct sh_history_query q = a->q;
    struct sh_history_result res = {0};
    x->n = 0;
    x->next = 0;
    sh_buf_clear(&x->text);
    q.from_us = x->at;
    q.to_us = end;
    q.limit = is_filled(x) ? FILLED_ROWS : WINDOW_ROWS;
    q.deadline_mono_us = sh_mono_us(a->r->api->env->clock) + WINDOW_TIME_US;
    const sh_err err = sh_history_query(a->r->api->o.history, &q, gather, x, &res);
    *full = err == SH_E_LIMIT || (err == SH_OK && res.next.set);
    return err == SH_E_LIMIT ? SH_OK : err;
}

/* The next window that holds rows; x->n == 0 at the end. */
static sh_err window_next(struct export *x)
{
    x->n = 0;
    x->next = 0;
    while (x->at < x->to) {
        bool full = false;
        const int64_t end = is_whole(x) ? x->to : window_end(x);
        SH_TRY(window_try(x, end, &full));
        if (full) {
            if (is_whole(x) || x->width <= 1) {
                return SH_E_LIMIT; /* cannot be cut any more */
            }
            x->width = (x->width < end - x->at ? x->width : end - x->at) / 2;
            continue;
        }
        x->at = end;
        if (x->n < WINDOW_ROWS / 4 && x->width < INT64_MAX / 2) {
            x->width *= 2;
        }
        if (x->n > 0) {
            break;
        }
    }
    x->found += x->n;
    if ((x->form == EXPORT_CSV || x->form == EXPORT_XLSX) && x->a->q.npoints > 1 && x->n > 1) {
        qsort(x->rows, x->n, sizeof x->rows[0], by_time);
    }
    return SH_OK;
}

/* ---- CSV ---- */

static sh_err put_cell(struct export *x, const struct export_row *row, struct sh_buf *out)
{
    if (row->type == SH_T_F64) {
        char t[SH_F64_CHARS];
        return sh_buf_put(out, t, sh_f64_print(row->value.f64, t));
    }
    if (row->type == SH_T_TEXT) {
        const struct sh_bytes all = sh_buf_bytes(&x->text);
        return sh_csv_put(
            out,
            row->value.span.len == 0
                ? SH_STR("")
                : sh_str_of((const char *)all.p + row->value.span.off, row->value.span.len),
            true);
    }
    if (row->type == 0) {
        return SH_OK;
    }
    struct sh_jw w;
    sh_buf_clear(&x->cell);
    sh_jw_init(&w, &x->cell);
    api_put_cell(&w, (enum sh_type)row->type, row->value, x->text.p);
    SH_TRY(sh_jw_end(&w));
    return sh_buf_put_str(out, sh_buf_str(&x->cell));
}

static sh_err put_header(const struct asked *a, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_c(out, "\xef\xbb\xbftime"));
    for (size_t i = 0; i < a->q.npoints; i++) {
        SH_TRY(sh_buf_put_u8(out, ','));
        SH_TRY(sh_csv_put(out, a->names[i], false));
    }
    return sh_buf_put_c(out, "\r\n");
}

/* All rows of one time. */
static sh_err put_line(struct export *x, struct sh_buf *out)
{
    char t[SH_TIME_CHARS];
    const int64_t at = x->rows[x->next].time;
    SH_TRY(sh_buf_put(out, t, sh_time_print(at, t)));
    for (uint32_t s = 0; s < x->a->q.npoints; s++) {
        SH_TRY(sh_buf_put_u8(out, ','));
        if (x->next < x->n && x->rows[x->next].time == at && x->rows[x->next].series == s) {
            SH_TRY(put_cell(x, &x->rows[x->next], out));
            x->next++;
        }
    }
    return sh_buf_put_c(out, "\r\n");
}

static sh_err put_some(struct export *x, struct sh_buf *out)
{
    switch (x->form) {
    case EXPORT_CSV:
        return put_line(x, out);
    case EXPORT_LINES:
        return export_line_put(x, out);
    case EXPORT_COLUMNS:
        return export_frame_put(x, out);
    case EXPORT_XLSX:
        break;
    }
    return export_book_row(x);
}

/* One piece; *last: nothing is left. */
static sh_err more(void *ctx, struct sh_buf *out, bool *last)
{
    struct export *x = ctx;
    if (x->book != NULL) {
        sh_xlsx_to(x->book, out);
    }
    while (out->n < PIECE_SOFT) {
        if (x->next == x->n) {
            SH_TRY(window_next(x));
        }
        if (x->next == x->n) {
            *last = true;
            return x->book == NULL ? SH_OK : export_book_end(x);
        }
        while (x->next < x->n && out->n < PIECE_SOFT) {
            SH_TRY(put_some(x, out));
        }
    }
    return SH_OK;
}

/* ---- life ---- */

static void audit(struct export *x, bool whole)
{
    const struct asked *a = x->a;
    static const char *const words[] = {[EXPORT_CSV] = "csv",
                                        [EXPORT_LINES] = "lines",
                                        [EXPORT_COLUMNS] = "columns",
                                        [EXPORT_XLSX] = "xlsx"};
    const struct api_exported e = {
        .act = "history.exported",
        .object = a->q.npoints == 1 ? a->names[0]
                                    : sh_arena_printf(a->r->arena, "%.*s (+%zu)",
                                                      SH_PRI(a->names[0]), a->q.npoints - 1),
        .format = words[x->form],
        .top = x->top,
        .points = a->q.npoints,
        .masked = a->nmasked,
        .rows = x->found,
        .from_us = x->from,
        .to_us = x->to,
        .whole = whole,
        .peer = x->peer};
    api_export_audit(a->r, &e);
}

static void export_free(struct export *x)
{
    const struct sh_alloc *al = x->a->r->api->env->alloc;
    (void)atomic_fetch_sub(&x->a->r->api->exports, 1);
    sh_mem_free(al, x->rows);
    sh_buf_fini(&x->text);
    sh_buf_fini(&x->cell);
    sh_xlsx_free(x->book);
    asked_free(x->a);
    sh_mem_free(al, x);
}

static void ended(void *ctx, sh_err err)
{
    struct export *x = ctx;
    struct api_req *r = x->a->r;
    if (err != SH_OK && err != SH_E_CLOSED && err != SH_E_CANCELED) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "an export was cut off: %s", sh_err_name(err));
    }
    audit(x, err == SH_OK);
    export_free(x);
    api_release(r);
}

static sh_err run_worker(void *pool, void (*fn)(void *ctx), void *ctx)
{
    return sh_workers_run(pool, fn, ctx);
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

/* A range without ends is that of the samples. */
static sh_err export_range(struct export *x, const json_t *question)
{
    struct asked *a = x->a;
    x->at = a->q.from_us;
    x->to = a->q.to_us;
    if (json_object_get(question, "to") == NULL) {
        x->to = a->q.now_us + FUTURE_US;
    }
    if (json_object_get(question, "from") == NULL) {
        int64_t first = x->to;
        for (size_t i = 0; i < a->q.npoints; i++) {
            struct sh_history_point_stats st;
            if (a->points[i] == 0) {
                continue;
            }
            SH_TRY(sh_history_point_stats(a->r->api->o.history, a->points[i], &st));
            first = st.found && st.first_us < first ? st.first_us : first;
        }
        x->at = first;
    }
    x->from = x->at;
    x->width = WINDOW_FIRST_US;
    return SH_OK;
}

struct form {
    const char *word;
    const char *type;
    const char *ending;
};
static const struct form forms[] = {
    [EXPORT_CSV] = {"csv", "text/csv; charset=utf-8", "csv"},
    [EXPORT_LINES] = {"lines", "text/plain; charset=utf-8", "lp"},
    [EXPORT_COLUMNS] = {"columns", "application/vnd.songhua.columns", "columns"},
    [EXPORT_XLSX] = {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                     "xlsx"},
};

/* 0, or the status of a problem. */
static int form_asked(const struct asked *a, enum export_form *out)
{
    const struct sh_str word = api_query(a->r, "format");
    const size_t n = sizeof forms / sizeof forms[0];
    *out = EXPORT_CSV;
    size_t i = 0;
    while (i < n && word.n > 0 && !sh_str_eqc(word, forms[i].word)) {
        i++;
    }
    if (i == n) {
        return ask_bad(a->r, "format must be csv, xlsx, lines or columns",
                       "format 只能是 csv、xlsx、lines 或 columns");
    }
    *out = (enum export_form)i;
    const bool samples = *out == EXPORT_LINES || *out == EXPORT_COLUMNS;
    if (samples && (a->q.naggs > 0 || a->q.fill != SH_FILL_NONE)) {
        return ask_bad(a->r, "lines and columns hold samples as they are: no aggregate, no fill",
                       "lines 与 columns 只导出原始数据：不支持聚合与填充");
    }
    return 0;
}

/* The first piece, then the rest by workers. */
static int export_begin(struct export *x)
{
    struct api_req *r = x->a->r;
    struct sh_buf *body = sh_http_body(r->http);
    bool last = false;
    sh_buf_clear(body);
    sh_err err = export_range(x, r->body);
    if (err == SH_OK && x->form == EXPORT_CSV) {
        err = put_header(x->a, body);
    }
    if (err == SH_OK && x->form == EXPORT_XLSX) {
        bool fits = false;
        err = export_book_fits(x, &fits);
        if (err == SH_OK && !fits) {
            export_free(x);
            return export_book_too_big(r);
        }
        if (err == SH_OK) {
            err = sh_xlsx_new(r->api->env->alloc, sh_wall_us(r->api->env->clock), &x->book);
        }
        if (err == SH_OK) {
            export_book_mark(x);
        }
    }
    err = err == SH_OK ? more(x, body, &last) : err;
    if (err != SH_OK) {
        export_free(x);
        return ask_failed(r, err);
    }
    const struct form *f = &forms[x->form];
    sh_http_header_c(r->http, "Content-Type", f->type);
    api_export_headers(r, "history", f->ending, x->top, x->a->nmasked);
    if (last) {
        audit(x, true);
        export_free(x);
        return 200;
    }
    api_pull(r, &(struct sh_http_pull){.run = run_worker,
                                       .pool = r->api->o.workers,
                                       .more = more,
                                       .end = ended,
                                       .ctx = x,
                                       .piece_max = PIECE_MAX});
    return 0;
}

static int export_new(struct asked *a, enum export_form form)
{
    struct api_req *r = a->r;
    const struct sh_alloc *al = r->api->env->alloc;
    if (atomic_fetch_add(&r->api->exports, 1) >= EXPORTS_MAX) {
        (void)atomic_fetch_sub(&r->api->exports, 1);
        asked_free(a);
        sh_http_header_c(r->http, "Retry-After", "10");
        return api_problem(r, 503, "too_busy", "16 exports are under way: try again later",
                           "已有 16 个导出在进行：请稍后再试");
    }
    struct export *x = sh_mem_new(al, sizeof *x);
    if (x == NULL) {
        (void)atomic_fetch_sub(&r->api->exports, 1);
        asked_free(a);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    x->a = a;
    x->form = form;
    x->top = asked_class(a);
    x->peer = api_peer(r);
    sh_buf_init(&x->text, al, WINDOW_TEXT);
    sh_buf_init(&x->cell, al, PIECE_MAX);
    return export_begin(x);
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
    enum export_form form = EXPORT_CSV;
    status = status == 0 ? form_asked(a, &form) : status;
    status = status == 0 ? api_export_allowed(r, asked_class(a)) : status;
    if (status != 0) {
        asked_free(a);
        return status;
    }
    return export_new(a, form);
}
