/* prom_source.c - the samples of a PromQL query: one query of history for each selector.
 * SPDX-License-Identifier: Apache-2.0 */
#include "prom.h"

enum { READ_POINTS = 500, ROWS = 1024 };

struct found {
    struct api_req *r;
    struct sh_arena *ar;
    struct sh_promql_found *list;
    size_t n;
    size_t cap;
};

static sh_err copy_labels(struct sh_arena *ar, const struct sh_promql_labels *l,
                          struct sh_promql_labels *out)
{
    struct sh_promql_label *copy = sh_arena_array(ar, l->n + 1, sizeof *copy);
    if (copy == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < l->n; i++) {
        copy[i].name = sh_arena_str(ar, l->label[i].name);
        copy[i].value = sh_arena_str(ar, l->label[i].value);
        if (copy[i].name.p == NULL || copy[i].value.p == NULL) {
            return SH_E_NOMEM;
        }
    }
    *out = (struct sh_promql_labels){copy, l->n};
    return SH_OK;
}

static sh_err keep(void *ctx, uint32_t point, const struct sh_promql_labels *l)
{
    struct found *f = ctx;
    if (!api_clear_point(f->r, SH_PERM_HISTORY_READ, point)) {
        return SH_OK; /* it has no samples for this caller */
    }
    if (f->n == PROM_SERIES) {
        return SH_E_LIMIT;
    }
    if (f->n == f->cap) {
        const size_t cap = f->cap == 0 ? 64 : f->cap * 2;
        struct sh_promql_found *list = sh_arena_array(f->ar, cap, sizeof *list);
        if (list == NULL) {
            return SH_E_NOMEM;
        }
        if (f->n > 0) {
            memcpy(list, f->list, f->n * sizeof *list);
        }
        f->list = list;
        f->cap = cap;
    }
    f->list[f->n].id = point;
    SH_TRY(copy_labels(f->ar, l, &f->list[f->n].labels));
    f->n++;
    return SH_OK;
}

static sh_err select_series(void *ctx, struct sh_arena *ar, const struct sh_promql_matcher *m,
                            size_t n, struct sh_promql_found **out, size_t *nout)
{
    const struct prom_source *s = ctx;
    struct found f = {.r = s->r, .ar = ar};
    const struct prom_selector selector = {m, n};
    const struct prom_walk w = {.r = s->r,
                                .ar = ar,
                                .selectors = &selector,
                                .nselectors = 1,
                                .from_us = 1,
                                .to_us = 0,
                                .deadline_mono_us = s->deadline_mono_us,
                                .take = keep,
                                .ctx = &f};
    const sh_err err = prom_walk(&w);
    *out = f.list;
    *nout = f.n;
    return err == SH_E_INVAL ? SH_E_LIMIT : err; /* a pattern that takes too long */
}

struct reader {
    struct api_req *r;
    sh_promql_sink *sink;
    void *ctx;
    size_t base;
    double value[ROWS];
    bool gone[ROWS];
};

static size_t at_most(size_t n, size_t most)
{
    return n > most ? most : n;
}

static double number_of(enum sh_type t, union sh_cell c)
{
    if (t == SH_T_F64) {
        return c.f64;
    }
    return t == SH_T_I64 ? (double)c.i64 : (double)(c.bits & 1);
}

static sh_err take_rows(void *ctx, const struct sh_history_rows *rows)
{
    struct reader *k = ctx;
    if (sh_http_gone(k->r->http)) {
        return SH_E_CANCELED;
    }
    for (uint32_t at = 0; at < rows->n; at += ROWS) {
        const uint32_t n = (uint32_t)at_most(rows->n - at, ROWS);
        for (uint32_t i = 0; i < n; i++) {
            k->value[i] = number_of(rows->type, rows->value[at + i]);
            /* bad: the series has no value until the next sample that is not */
            k->gone[i] = rows->quality[at + i] < SH_Q_UNCERTAIN || sh_promql_absent(k->value[i]);
        }
        const struct sh_promql_samples s = {.series = k->base + rows->series,
                                            .n = n,
                                            .time_us = rows->time_us + at,
                                            .value = k->value,
                                            .gone = k->gone};
        SH_TRY(k->sink(k->ctx, &s));
    }
    return SH_OK;
}

static sh_err read_samples(void *ctx, const struct sh_promql_found *found, size_t n,
                           int64_t from_us, int64_t to_us, sh_promql_sink *sink, void *sink_ctx)
{
    const struct prom_source *s = ctx;
    struct sh_api *a = s->r->api;
    struct reader *k = sh_mem_new(a->env->alloc, sizeof *k);
    sh_err err = k == NULL ? SH_E_NOMEM : SH_OK;
    uint32_t points[READ_POINTS];
    for (size_t at = 0; at < n && err == SH_OK; at += READ_POINTS) {
        const size_t some = at_most(n - at, READ_POINTS);
        for (size_t i = 0; i < some; i++) {
            points[i] = (uint32_t)found[at + i].id;
        }
        const struct sh_history_query q = {.points = points,
                                           .npoints = some,
                                           .from_us = from_us,
                                           .to_us = to_us + 1,
                                           .quality = SH_QF_ALL,
                                           .now_us = sh_wall_us(a->env->clock),
                                           .deadline_mono_us = s->deadline_mono_us};
        struct sh_history_result res = {0};
        k->r = s->r;
        k->sink = sink;
        k->ctx = sink_ctx;
        k->base = at;
        err = sh_history_query(a->o.history, &q, take_rows, k, &res);
    }
    sh_mem_free(a->env->alloc, k);
    return err;
}

struct sh_promql_source prom_source(struct prom_source *s)
{
    return (struct sh_promql_source){.select = select_series, .read = read_samples, .ctx = s};
}
