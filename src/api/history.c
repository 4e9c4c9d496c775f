/* history.c - queries of history, answered as JSON.
 * The engine gives rows and the answer has columns: the columns of a series are gathered as text,
 * side by side. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "history_ask.h"

enum { COLUMN_MAX = 256 << 20 };

struct answer {
    struct asked *a;
    size_t next_series; /* first point whose series was not written yet */
    uint32_t open_series;
    bool open;
    struct sh_buf cols[2 + ASK_AGGS]; /* time, then value and quality, or the aggregates */
    struct sh_jw jw[2 + ASK_AGGS];
};

static size_t column_count(const struct answer *x)
{
    return x->a->q.naggs > 0 ? 1 + x->a->q.naggs : 3;
}

static void series_begin(struct answer *x, uint32_t series)
{
    for (size_t i = 0; i < column_count(x); i++) {
        sh_buf_clear(&x->cols[i]);
        sh_jw_init(&x->jw[i], &x->cols[i]);
    }
    x->open = true;
    x->open_series = series;
}

/* Replacements and new names of the point's device within the range, in the order of time. */
static void put_marks(const struct asked *a, const struct sh_point *p, struct sh_jw *w)
{
    json_t *marks = NULL;
    sh_jw_key(w, "marks");
    sh_jw_arr(w);
    if (sh_twin_device_marks(a->r->api->o.twin, p->tenant, p->device, &marks) == SH_OK) {
        for (size_t i = 0; i < json_array_size(marks); i++) {
            json_t *m = json_array_get(marks, i);
            int64_t us = 0;
            if (sh_time_parse(sh_json_get_str(m, "time"), &us) != SH_OK || us < a->q.from_us ||
                us >= a->q.to_us) {
                continue;
            }
            sh_jw_obj(w);
            sh_jw_key(w, "time");
            api_put_time(w, us, a->form);
            static const char *const words[] = {"kind", "by", "note", "from"};
            for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
                if (json_object_get(m, words[k]) != NULL) {
                    sh_jw_key(w, words[k]);
                    sh_jw_str(w, sh_json_get_str(m, words[k]));
                }
            }
            sh_jw_obj_end(w);
        }
        json_decref(marks);
    }
    sh_jw_arr_end(w);
}

static void series_end(struct answer *x)
{
    const struct asked *a = x->a;
    struct sh_jw *w = &a->r->w;
    const struct sh_point *p = sh_points_get(a->r->api->o.points, a->points[x->open_series]);
    sh_jw_obj(w);
    sh_jw_key(w, "point");
    sh_jw_str(w, a->names[x->open_series]);
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(p->type));
    sh_jw_key(w, "unit");
    sh_jw_str(w, p->unit);
    for (size_t i = 0; i < column_count(x); i++) {
        static const char *const raw[] = {"time", "value", "quality"};
        sh_jw_key(w, i == 0 || a->q.naggs == 0 ? raw[i] : a->agg_names[i - 1]);
        sh_jw_arr(w);
        if (x->cols[i].n > 0) {
            sh_jw_raw(w, sh_buf_str(&x->cols[i]));
        }
        sh_jw_arr_end(w);
        if (x->jw[i].err != SH_OK && w->err == SH_OK) {
            w->err = x->jw[i].err;
        }
    }
    if (a->marks) {
        put_marks(a, p, w);
    }
    sh_jw_obj_end(w);
    x->open = false;
    x->next_series = x->open_series + 1;
}

/* Series without rows get empty columns, so that the answer has one series a point. */
static void fill_series(struct answer *x, uint32_t until)
{
    while (x->next_series < until) {
        series_begin(x, (uint32_t)x->next_series);
        series_end(x);
    }
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct answer *x = ctx;
    if (x->open && x->open_series != rows->series) {
        series_end(x);
    }
    if (!x->open) {
        fill_series(x, rows->series);
        series_begin(x, rows->series);
    }
    for (uint32_t i = 0; i < rows->n; i++) {
        api_put_time(&x->jw[0], rows->time_us[i], x->a->form);
    }
    if (x->a->q.naggs == 0) {
        for (uint32_t i = 0; i < rows->n; i++) {
            api_put_cell(&x->jw[1], rows->type, rows->value[i], rows->bytes);
            sh_jw_u64(&x->jw[2], rows->quality[i]);
        }
    }
    for (size_t k = 0; k < x->a->q.naggs; k++) {
        const struct sh_history_col *c = &rows->agg[k];
        for (uint32_t i = 0; i < rows->n; i++) {
            if (c->null != NULL && c->null[i] != 0) {
                sh_jw_null(&x->jw[1 + k]);
            } else {
                api_put_cell(&x->jw[1 + k], c->type, c->value[i], rows->bytes);
            }
        }
    }
    return sh_http_gone(x->a->r->http) ? SH_E_CANCELED : sh_jw_end(&x->jw[0]);
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

static int answer_query(struct answer *x)
{
    struct asked *a = x->a;
    struct api_req *r = a->r;
    struct sh_history_result res;
    x->next_series = a->q.cursor.set ? a->q.cursor.series : 0;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "series");
    sh_jw_arr(&r->w);
    const sh_err err = sh_history_query(r->api->o.history, &a->q, sink, x, &res);
    if (err != SH_OK) {
        return ask_failed(r, err);
    }
    if (x->open) {
        series_end(x);
    }
    if (!res.next.set) {
        fill_series(x, (uint32_t)a->q.npoints);
    }
    sh_jw_arr_end(&r->w);
    put_next(r, &res.next);
    sh_jw_obj_end(&r->w);
    return 200;
}

static int answer(struct asked *a)
{
    const struct sh_alloc *al = a->r->api->env->alloc;
    struct answer *x = sh_mem_new(al, sizeof *x);
    if (x == NULL) {
        return api_error(a->r, SH_E_NOMEM, NULL);
    }
    x->a = a;
    for (size_t i = 0; i < column_count(x); i++) {
        sh_buf_init(&x->cols[i], al, COLUMN_MAX);
    }
    const int status = answer_query(x);
    for (size_t i = 0; i < column_count(x); i++) {
        sh_buf_fini(&x->cols[i]);
    }
    sh_mem_free(al, x);
    return status;
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
