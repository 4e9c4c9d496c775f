/* history.c - queries of history, answered as JSON.
 * The engine gives rows and the answer has columns: the columns of a series are gathered as text,
 * side by side. A query of many series over a long time is cut into parts, each some of the points,
 * which other workers help with; their texts are put together in order. The caller never waits for
 * a part that nobody has begun, so busy workers cost it nothing. When the parts give more rows than
 * the limit, the query is run as a whole, which knows where the next page begins.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "history_ask.h"

enum { COLUMN_MAX = 256 << 20, PARTS_MAX = 16, HELPERS_MAX = 3, PART_MAX = 64 << 20 };
#define POINT_HOURS_MIN 64 /* a query of less than so many hours times points is not worth it */

/* The series [base, base + n) of the question. */
struct answer {
    struct asked *a;
    struct sh_jw *w;
    uint32_t base;
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

static const char *column_name(const struct asked *a, size_t i)
{
    if (i == 0) {
        return "time";
    }
    if (a->q.naggs > 0) {
        return a->agg_names[i - 1];
    }
    return i == 1 ? "value" : "quality";
}

static void series_end(struct answer *x)
{
    const struct asked *a = x->a;
    struct sh_jw *w = x->w;
    const uint32_t at = x->base + x->open_series;
    const struct sh_point *p = sh_points_get(a->r->api->o.points, a->ids[at]);
    sh_jw_obj(w);
    sh_jw_key(w, "point");
    sh_jw_str(w, a->names[at]);
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(p->type));
    sh_jw_key(w, "unit");
    sh_jw_str(w, p->unit);
    const struct sh_data_class c = sh_points_class(a->r->api->o.points, p->id);
    if (a->points[at] == 0) {
        api_put_masked(w, c);
    } else if (sh_data_class_pair(c) != 0) {
        sh_data_class_write(c, w);
    }
    for (size_t i = 0; i < column_count(x); i++) {
        sh_jw_key(w, column_name(a, i));
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

static struct answer *answer_new(struct asked *a, struct sh_jw *w, uint32_t base)
{
    const struct sh_alloc *al = a->r->api->env->alloc;
    struct answer *x = sh_mem_new(al, sizeof *x);
    if (x != NULL) {
        x->a = a;
        x->w = w;
        x->base = base;
        for (size_t i = 0; i < column_count(x); i++) {
            sh_buf_init(&x->cols[i], al, COLUMN_MAX);
        }
    }
    return x;
}

static void answer_free(struct answer *x)
{
    for (size_t i = 0; i < column_count(x); i++) {
        sh_buf_fini(&x->cols[i]);
    }
    sh_mem_free(x->a->r->api->env->alloc, x);
}

/* Writes the series of q, which are those of the question from `base`. */
static sh_err put_all_series(struct asked *a, const struct sh_history_query *q, uint32_t base,
                             struct sh_jw *w, struct sh_history_result *res)
{
    struct answer *x = answer_new(a, w, base);
    if (x == NULL) {
        return SH_E_NOMEM;
    }
    x->next_series = q->cursor.set ? q->cursor.series : 0;
    const sh_err err = sh_history_query(a->r->api->o.history, q, sink, x, res);
    if (err == SH_OK && x->open) {
        series_end(x);
    }
    if (err == SH_OK && !res->next.set) {
        fill_series(x, (uint32_t)q->npoints);
    }
    answer_free(x);
    return err;
}

/* ---- parts ---- */

struct part {
    uint32_t base;
    uint32_t n;
    struct sh_buf text;
    struct sh_history_result res;
    sh_err err;
};

/* Shared by the caller and those who help; the last one frees it. */
struct parts {
    struct asked *a; /* valid while a part is not done */
    const struct sh_alloc *alloc;
    struct sh_mutex lock;
    struct sh_cond all_done;
    size_t n;
    size_t next; /* first that nobody has taken */
    size_t done;
    size_t refs;
    struct part part[PARTS_MAX];
};

static void part_run(struct asked *a, struct part *p)
{
    struct sh_jw w;
    struct sh_history_query q = a->q;
    q.points = a->points + p->base;
    q.npoints = p->n;
    sh_jw_init(&w, &p->text);
    p->err = put_all_series(a, &q, p->base, &w, &p->res);
    p->err = p->err == SH_OK ? sh_jw_end(&w) : p->err;
}

/* Takes parts until none is left. */
static void parts_work(struct parts *all)
{
    sh_mutex_lock(&all->lock);
    while (all->next < all->n) {
        struct part *p = &all->part[all->next++];
        sh_mutex_unlock(&all->lock);
        part_run(all->a, p);
        sh_mutex_lock(&all->lock);
        if (++all->done == all->n) {
            sh_cond_signal(&all->all_done);
        }
    }
    sh_mutex_unlock(&all->lock);
}

static void parts_unref(struct parts *all)
{
    sh_mutex_lock(&all->lock);
    const bool last = --all->refs == 0;
    sh_mutex_unlock(&all->lock);
    if (!last) {
        return;
    }
    for (size_t i = 0; i < all->n; i++) {
        sh_buf_fini(&all->part[i].text);
    }
    sh_cond_fini(&all->all_done);
    sh_mutex_fini(&all->lock);
    sh_mem_free(all->alloc, all);
}

static void help(void *ctx)
{
    struct parts *all = ctx;
    parts_work(all);
    parts_unref(all);
}

static struct parts *parts_new(struct asked *a)
{
    struct parts *all = sh_mem_new(a->r->api->env->alloc, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    all->a = a;
    all->alloc = a->r->api->env->alloc;
    all->refs = 1;
    sh_mutex_init(&all->lock);
    sh_cond_init(&all->all_done);
    const size_t most = a->q.npoints < PARTS_MAX ? a->q.npoints : PARTS_MAX;
    const size_t each = (a->q.npoints + most - 1) / most;
    for (size_t at = 0; at < a->q.npoints; at += each) {
        const size_t n = a->q.npoints - at < each ? a->q.npoints - at : each;
        struct part *p = &all->part[all->n++];
        p->base = (uint32_t)at;
        p->n = (uint32_t)n;
        sh_buf_init(&p->text, all->alloc, PART_MAX);
    }
    return all;
}

/* Runs all parts with the help of other workers. */
static void parts_run(struct parts *all)
{
    struct sh_workers *pool = all->a->r->api->o.workers;
    for (size_t i = 1; i < all->n && i <= HELPERS_MAX; i++) {
        sh_mutex_lock(&all->lock);
        all->refs++;
        sh_mutex_unlock(&all->lock);
        if (sh_workers_run(pool, help, all) != SH_OK) {
            parts_unref(all);
            break;
        }
    }
    parts_work(all);
    sh_mutex_lock(&all->lock);
    while (all->done < all->n) {
        sh_cond_wait(&all->all_done, &all->lock);
    }
    sh_mutex_unlock(&all->lock);
}

static bool worth_parts(const struct asked *a)
{
    const struct sh_history_query *q = &a->q;
    const double hours = ((double)q->to_us - (double)q->from_us) / 3.6e9;
    return (q->naggs > 0 || q->down != SH_DOWN_NONE) && !q->cursor.set && q->npoints > 1 &&
           hours * (double)q->npoints >= POINT_HOURS_MIN;
}

/* True when the parts gave the whole answer, which is in w then, or an error. */
static bool put_by_parts(struct asked *a, struct sh_jw *w, sh_err *err)
{
    struct parts *all = parts_new(a);
    if (all == NULL) {
        return false;
    }
    parts_run(all);
    uint64_t rows = 0;
    bool whole = true;
    *err = SH_OK;
    for (size_t i = 0; i < all->n; i++) {
        rows += all->part[i].res.rows;
        whole = whole && !all->part[i].res.next.set && all->part[i].err != SH_E_LIMIT;
        *err = *err == SH_OK ? all->part[i].err : *err;
    }
    whole = whole && rows <= a->q.limit;
    a->r->rows = (int64_t)rows;
    for (size_t i = 0; whole && *err == SH_OK && i < all->n; i++) {
        sh_jw_raw(w, sh_buf_str(&all->part[i].text));
    }
    parts_unref(all);
    return whole;
}

static int answer(struct asked *a)
{
    struct api_req *r = a->r;
    struct sh_history_result res = {0};
    sh_err err = SH_OK;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "series");
    sh_jw_arr(&r->w);
    if (!worth_parts(a) || !put_by_parts(a, &r->w, &err)) {
        err = put_all_series(a, &a->q, 0, &r->w, &res);
        r->rows = (int64_t)res.rows;
    }
    if (err != SH_OK) {
        return ask_failed(r, err);
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
