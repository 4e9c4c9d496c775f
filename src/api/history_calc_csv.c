/* history_calc_csv.c - calculated series as a file: a column of times and one for each expression,
 * with its unit. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "history_calc.h"

#define CELLS_MAX UINT64_C(4000000) /* of all columns: about 90 MB */
enum { TEXT_MAX = 256 << 20, FIRST_ROWS = 1024 };

static sh_err grow(struct calc_column *c, const struct sh_alloc *al, uint32_t more)
{
    if (c->n + more <= c->cap) {
        return SH_OK;
    }
    uint32_t cap = c->cap < FIRST_ROWS ? FIRST_ROWS : c->cap;
    while (cap < c->n + more) {
        cap *= 2;
    }
    int64_t *time = sh_mem_resize(al, c->time, cap * sizeof *time);
    c->time = time == NULL ? c->time : time;
    uint32_t *end = time == NULL ? NULL : sh_mem_resize(al, c->end, cap * sizeof *end);
    c->end = end == NULL ? c->end : end;
    c->cap = end == NULL ? c->cap : cap;
    return end == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err put_cell(struct sh_buf *out, enum sh_type type, union sh_cell v, const uint8_t *bytes)
{
    if (type == SH_T_F64) {
        char t[SH_F64_CHARS];
        return isfinite(v.f64) ? sh_buf_put(out, t, sh_f64_print(v.f64, t)) : SH_OK;
    }
    if (type == SH_T_TEXT) {
        const char *p = v.span.len == 0 ? "" : (const char *)bytes + v.span.off;
        return sh_csv_put(out, sh_str_of(p, v.span.len), true);
    }
    struct sh_jw w;
    sh_jw_init(&w, out);
    api_put_cell(&w, type, v, bytes);
    return sh_jw_end(&w);
}

sh_err calc_file_rows(struct calc_file *f, const struct sh_alloc *al, enum sh_type type,
                      const int64_t *time, const struct sh_expr_column *rows, uint32_t n)
{
    struct calc_column *c = &f->column[f->ncolumns];
    f->cells += n;
    if (f->cells > CELLS_MAX) {
        return SH_E_LIMIT;
    }
    SH_TRY(grow(c, al, n));
    for (uint32_t i = 0; i < n; i++) {
        if (rows->null == NULL || rows->null[i] == 0) {
            SH_TRY(put_cell(&c->text, type, rows->value[i], rows->bytes));
        }
        c->time[c->n] = time[i];
        c->end[c->n++] = (uint32_t)c->text.n;
    }
    return SH_OK;
}

static sh_err put_header(const struct calc_file *f, struct api_req *r, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_c(out, "\xef\xbb\xbftime"));
    for (size_t k = 0; k < f->ncolumns; k++) {
        const struct calc_column *c = &f->column[k];
        const struct sh_str name =
            c->unit.n == 0 || sh_str_eqc(c->unit, "1")
                ? c->name
                : sh_arena_printf(r->arena, "%.*s [%.*s]", SH_PRI(c->name), SH_PRI(c->unit));
        SH_TRY(sh_buf_put_u8(out, ','));
        SH_TRY(sh_csv_put(out, name, false));
    }
    return sh_buf_put_c(out, "\r\n");
}

/* The columns side by side, by time. */
static sh_err put_rows(const struct calc_file *f, struct sh_buf *out, uint64_t *rows)
{
    uint32_t at[CALC_EXPRESSIONS_MAX] = {0};
    for (;;) {
        const int64_t *t = NULL;
        for (size_t k = 0; k < f->ncolumns; k++) {
            const struct calc_column *c = &f->column[k];
            t = at[k] < c->n && (t == NULL || c->time[at[k]] < *t) ? &c->time[at[k]] : t;
        }
        if (t == NULL) {
            return SH_OK;
        }
        char text[SH_TIME_CHARS];
        const int64_t now = *t;
        SH_TRY(sh_buf_put(out, text, sh_time_print(now, text)));
        for (size_t k = 0; k < f->ncolumns; k++) {
            const struct calc_column *c = &f->column[k];
            SH_TRY(sh_buf_put_u8(out, ','));
            if (at[k] < c->n && c->time[at[k]] == now) {
                const uint32_t from = at[k] == 0 ? 0 : c->end[at[k] - 1];
                SH_TRY(sh_buf_put_str(out, sh_str_sub(sh_buf_str(&c->text), from, c->end[at[k]])));
                at[k]++;
            }
        }
        SH_TRY(sh_buf_put_c(out, "\r\n"));
        ++*rows;
    }
}

/* The file, if its class may go out. */
static int answer(struct api_req *r, const struct calc_file *f, const struct asked *a)
{
    struct sh_data_class top = sh_data_class_of_pair(0);
    size_t masked = 0;
    for (size_t k = 0; k < f->ncolumns; k++) {
        masked += f->column[k].masked ? 1 : 0;
        top = f->column[k].masked ? top : sh_data_class_max(top, f->column[k].data_class);
    }
    const int status = api_export_allowed(r, top);
    if (status != 0) {
        return status;
    }
    struct api_exported e = {.act = "history.exported",
                             .object = sh_arena_printf(r->arena, "%.*s (%zu calculated)",
                                                       SH_PRI(f->column[0].name), f->ncolumns),
                             .format = "csv",
                             .top = top,
                             .points = f->ncolumns,
                             .masked = masked,
                             .from_us = a->q.from_us,
                             .to_us = a->q.to_us,
                             .peer = api_peer(r)};
    struct sh_buf *out = sh_http_body(r->http);
    sh_buf_clear(out);
    sh_err err = put_header(f, r, out);
    if (err == SH_OK) {
        err = put_rows(f, out, &e.rows);
    }
    if (err != SH_OK) {
        return ask_failed(r, err);
    }
    e.whole = true;
    sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
    api_export_headers(r, "calculated", "csv", top, masked);
    api_export_audit(r, &e);
    return 200;
}

int api_history_calculate_export(struct api_req *r)
{
    const struct sh_alloc *al = r->api->env->alloc;
    struct calc_file *f = sh_mem_new(al, sizeof *f);
    struct calc *c = NULL;
    const struct asked *a = NULL;
    if (f == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    for (size_t k = 0; k < CALC_EXPRESSIONS_MAX; k++) {
        sh_buf_init(&f->column[k].text, al, TEXT_MAX);
    }
    int status = calc_run(r, f, &c, &a);
    if (status == 200) {
        status = answer(r, f, a);
    }
    calc_done(c);
    for (size_t k = 0; k < CALC_EXPRESSIONS_MAX; k++) {
        sh_mem_free(al, f->column[k].time);
        sh_mem_free(al, f->column[k].end);
        sh_buf_fini(&f->column[k].text);
    }
    sh_mem_free(al, f);
    return status;
}
