/* prom.c - the query API of Prometheus, as Grafana's data source asks it. Answers and errors have
 * the form of Prometheus. A query has its own arena, which is its limit of memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "prom.h"

enum { QUERY_MEMORY = 256 << 20, STEPS_MAX = 11000, MATCHES_MAX = 100, NAMES_MAX = 1000000 };
#define QUERY_TIME_US INT64_C(30000000)
#define SAMPLES_MAX UINT64_C(50000000)
#define TIME_MAX_S 9.2e12 /* microseconds fit */

struct asking {
    struct api_req *r;
    struct sh_arena *ar;
    struct prom_source source;
};

/* ---- what was asked ---- */

/* The first of that name: of the form, then of the address. p == NULL: absent. */
static struct sh_str param(struct api_req *r, const char *name)
{
    struct sh_buf b;
    struct sh_str out = {NULL, 0};
    if (r->http->method == SH_HTTP_POST) {
        sh_buf_init(&b, r->api->env->alloc, 1 << 20);
        if (sh_url_query_get(sh_bytes_str(r->http->body), name, &b) == SH_OK) {
            out = sh_arena_str(r->arena, sh_buf_str(&b));
        }
        sh_buf_fini(&b);
    }
    return out.p != NULL ? out : api_query(r, name);
}

static int fail(struct api_req *r, int status, const char *type, const char *text)
{
    struct sh_buf *b = sh_http_body(r->http);
    sh_buf_clear(b);
    sh_jw_init(&r->w, b);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "status");
    sh_jw_c(&r->w, "error");
    sh_jw_key(&r->w, "errorType");
    sh_jw_c(&r->w, type);
    sh_jw_key(&r->w, "error");
    sh_jw_c(&r->w, text);
    sh_jw_obj_end(&r->w);
    sh_http_header_c(r->http, "Content-Type", "application/json");
    return status;
}

static int bad(struct api_req *r, const char *text)
{
    return fail(r, 400, "bad_data", text);
}

static int fail_by(struct api_req *r, const struct sh_promql_error *e)
{
    static const struct {
        int status;
        const char *type;
    } rows[] = {[SH_PROMQL_BAD_DATA] = {400, "bad_data"},
                [SH_PROMQL_EXECUTION] = {422, "execution"},
                [SH_PROMQL_TIMEOUT] = {503, "timeout"},
                [SH_PROMQL_NO_MEMORY] = {503, "unavailable"},
                [SH_PROMQL_INTERNAL] = {500, "internal"}};
    return fail(r, rows[e->fault].status, rows[e->fault].type, e->text);
}

static int fail_walk(struct api_req *r, const struct sh_arena *ar, sh_err err)
{
    if (err == SH_E_TIMEOUT) {
        return fail(r, 503, "timeout", "the query took longer than 30 s");
    }
    if (err == SH_E_NOMEM && sh_arena_why(ar) != SH_E_LIMIT) {
        return fail(r, 503, "unavailable", "memory is short: ask again");
    }
    return fail(r, 422, "execution",
                err == SH_E_INVAL ? "a pattern takes too long to match"
                                  : "too many series or labels: name more labels in match[]");
}

/* Seconds since 1970 (to the millisecond) or RFC 3339. */
static bool read_time(struct sh_str s, int64_t *us)
{
    double v = 0;
    if (sh_f64_parse(s, &v) == SH_OK) {
        if (!(fabs(v) < TIME_MAX_S)) {
            return false;
        }
        *us = (int64_t)(floor(v * 1e3 + 0.5)) * 1000;
        return true;
    }
    return sh_time_parse(s, us) == SH_OK;
}

/* Seconds, or a duration such as 15s. */
static bool read_step(struct sh_str s, int64_t *us)
{
    double v = 0;
    if (sh_f64_parse(s, &v) == SH_OK) {
        if (!(v > 0 && v < TIME_MAX_S)) {
            return false;
        }
        *us = (int64_t)(floor(v * 1e3)) * 1000;
    } else if (sh_duration_parse(s, us) != SH_OK) {
        return false;
    }
    return *us > 0;
}

static void asking_free(void *ctx)
{
    sh_arena_free(((struct asking *)ctx)->ar);
}

static struct asking *asking_new(struct api_req *r)
{
    struct asking *a = sh_arena_get(r->arena, sizeof *a);
    if (a == NULL || sh_arena_defer(r->arena, asking_free, a) != SH_OK) {
        return NULL;
    }
    a->r = r;
    a->ar = sh_arena_new(r->api->env->alloc, QUERY_MEMORY);
    a->source = (struct prom_source){r, sh_mono_us(r->api->env->clock) + QUERY_TIME_US};
    return a->ar == NULL ? NULL : a;
}

/* ---- answers ---- */

static void begin(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "status");
    sh_jw_c(&r->w, "success");
    sh_jw_key(&r->w, "data");
}

static int end(struct api_req *r)
{
    sh_jw_obj_end(&r->w);
    return 200;
}

static void begin_result(struct api_req *r, const char *type)
{
    begin(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "resultType");
    sh_jw_c(&r->w, type);
    sh_jw_key(&r->w, "result");
}

static int end_result(struct api_req *r)
{
    sh_jw_obj_end(&r->w);
    return end(r);
}

/* [seconds, */
static void put_stamp(struct sh_jw *w, int64_t us)
{
    char t[40];
    const int64_t ms = us >= 0 ? us / 1000 : -((-us) / 1000);
    const long long a = ms < 0 ? -(long long)ms : (long long)ms;
    const int n = a % 1000 == 0 ? snprintf(t, sizeof t, "%s%lld", ms < 0 ? "-" : "", a / 1000)
                                : snprintf(t, sizeof t, "%s%lld.%03lld", ms < 0 ? "-" : "",
                                           a / 1000, a % 1000);
    sh_jw_arr(w);
    sh_jw_raw(w, sh_str_of(t, (size_t)n));
}

static void put_sample(struct sh_jw *w, int64_t us, double v)
{
    put_stamp(w, us);
    if (isnan(v) || isinf(v)) {
        sh_jw_c(w, isnan(v) ? "NaN" : (v > 0 ? "+Inf" : "-Inf"));
    } else {
        char t[SH_F64_CHARS];
        sh_jw_str(w, sh_str_of(t, sh_f64_print(v, t)));
    }
    sh_jw_arr_end(w);
}

static void put_labels(struct sh_jw *w, const struct sh_promql_labels *l)
{
    sh_jw_obj(w);
    for (size_t i = 0; i < l->n; i++) {
        sh_jw_key_str(w, l->label[i].name);
        sh_jw_str(w, l->label[i].value);
    }
    sh_jw_obj_end(w);
}

static int put_instant(struct api_req *r, const struct sh_promql_answer *a, int64_t us)
{
    if (a->type == SH_PROMQL_STRING) {
        begin_result(r, "string");
        put_stamp(&r->w, us);
        sh_jw_str(&r->w, a->string);
        sh_jw_arr_end(&r->w);
        return end_result(r);
    }
    if (a->type == SH_PROMQL_SCALAR) {
        begin_result(r, "scalar");
        put_sample(&r->w, us, a->series[0].value[0]);
        return end_result(r);
    }
    begin_result(r, "vector");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < a->n; i++) {
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "metric");
        put_labels(&r->w, &a->series[i].labels);
        sh_jw_key(&r->w, "value");
        put_sample(&r->w, us, a->series[i].value[0]);
        sh_jw_obj_end(&r->w);
    }
    sh_jw_arr_end(&r->w);
    return end_result(r);
}

static int put_matrix(struct api_req *r, const struct sh_promql_answer *a,
                      const struct sh_promql_run *run)
{
    begin_result(r, "matrix");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < a->n; i++) {
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "metric");
        put_labels(&r->w, &a->series[i].labels);
        sh_jw_key(&r->w, "values");
        sh_jw_arr(&r->w);
        for (size_t k = 0; k < run->steps; k++) {
            if (!sh_promql_absent(a->series[i].value[k])) {
                put_sample(&r->w, run->start_us + (int64_t)k * run->step_us, a->series[i].value[k]);
            }
        }
        sh_jw_arr_end(&r->w);
        sh_jw_obj_end(&r->w);
    }
    sh_jw_arr_end(&r->w);
    return end_result(r);
}

static int put_raw(struct api_req *r, const struct sh_promql_raw *raw, size_t n)
{
    begin_result(r, "matrix");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < n; i++) {
        if (raw[i].n == 0) {
            continue;
        }
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "metric");
        put_labels(&r->w, &raw[i].labels);
        sh_jw_key(&r->w, "values");
        sh_jw_arr(&r->w);
        for (size_t k = 0; k < raw[i].n; k++) {
            put_sample(&r->w, raw[i].time_us[k], raw[i].value[k]);
        }
        sh_jw_arr_end(&r->w);
        sh_jw_obj_end(&r->w);
    }
    sh_jw_arr_end(&r->w);
    return end_result(r);
}

/* ---- queries ---- */

static int answer(struct asking *a, const struct sh_promql_run *run, bool range)
{
    struct api_req *r = a->r;
    struct sh_promql_error e = {.fault = SH_PROMQL_INTERNAL};
    const struct sh_promql_expr *x = NULL;
    struct sh_promql_answer out;
    struct sh_promql_raw *raw = NULL;
    size_t n = 0;
    const struct sh_str query = param(r, "query");
    if (query.p == NULL) {
        return bad(r, "invalid parameter \"query\": it is missing");
    }
    r->asked = query;
    r->asked_form = SLOW_PROMQL;
    if (sh_promql_parse(a->ar, query, &x, &e) != SH_OK) {
        return fail_by(r, &e);
    }
    const enum sh_promql_type type = sh_promql_type_of(x);
    if (range && (type == SH_PROMQL_MATRIX || type == SH_PROMQL_STRING)) {
        return bad(r, "invalid parameter \"query\": a range query needs a scalar or an instant "
                      "vector");
    }
    if (type == SH_PROMQL_MATRIX) {
        return sh_promql_range(a->ar, x, run, &raw, &n, &e) == SH_OK ? put_raw(r, raw, n)
                                                                     : fail_by(r, &e);
    }
    if (sh_promql_eval(a->ar, x, run, &out, &e) != SH_OK) {
        return fail_by(r, &e);
    }
    return range ? put_matrix(r, &out, run) : put_instant(r, &out, run->start_us);
}

static struct sh_promql_run run_of(struct asking *a, struct sh_promql_source *source)
{
    *source = prom_source(&a->source);
    return (struct sh_promql_run){.source = source,
                                  .env = a->r->api->env,
                                  .steps = 1,
                                  .max_samples = SAMPLES_MAX,
                                  .deadline_mono_us = a->source.deadline_mono_us};
}

int api_prom_query(struct api_req *r)
{
    struct asking *a = asking_new(r);
    struct sh_promql_source source;
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    struct sh_promql_run run = run_of(a, &source);
    const struct sh_str time = param(r, "time");
    run.start_us = sh_wall_us(r->api->env->clock) / 1000 * 1000;
    if (time.n > 0 && !read_time(time, &run.start_us)) {
        return bad(r, "invalid parameter \"time\": seconds since 1970 or RFC 3339");
    }
    return answer(a, &run, false);
}

int api_prom_range(struct api_req *r)
{
    struct asking *a = asking_new(r);
    struct sh_promql_source source;
    int64_t end_us = 0;
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    struct sh_promql_run run = run_of(a, &source);
    if (!read_time(param(r, "start"), &run.start_us)) {
        return bad(r, "invalid parameter \"start\": seconds since 1970 or RFC 3339");
    }
    if (!read_time(param(r, "end"), &end_us)) {
        return bad(r, "invalid parameter \"end\": seconds since 1970 or RFC 3339");
    }
    if (end_us < run.start_us) {
        return bad(r, "invalid parameter \"end\": end timestamp must not be before start time");
    }
    if (!read_step(param(r, "step"), &run.step_us)) {
        return bad(r, "invalid parameter \"step\": seconds or a duration, more than 0");
    }
    if ((end_us - run.start_us) / run.step_us > STEPS_MAX) {
        return bad(r, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                      "the query resolution (?step=XX)");
    }
    run.steps = (size_t)((end_us - run.start_us) / run.step_us) + 1;
    return answer(a, &run, true);
}

/* ---- labels and series ---- */

struct gathered {
    struct asking *a;
    struct sh_map seen;
    struct sh_str *list;
    size_t n;
    size_t cap;
    struct sh_str label; /* whose values are asked for; n == 0: the names */
};

static sh_err gather(struct gathered *g, struct sh_str s)
{
    if (s.n == 0 || sh_map_get(&g->seen, s) != NULL) {
        return SH_OK;
    }
    const struct sh_str copy = sh_arena_str(g->a->ar, s);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(sh_map_put(&g->seen, s, g));
    if (g->n == g->cap) {
        const size_t cap = g->cap == 0 ? 64 : g->cap * 2;
        struct sh_str *list = sh_arena_array(g->a->ar, cap, sizeof *list);
        if (list == NULL) {
            return SH_E_NOMEM;
        }
        if (g->n > 0) {
            memcpy(list, g->list, g->n * sizeof *list);
        }
        g->list = list;
        g->cap = cap;
    }
    g->list[g->n++] = copy;
    return SH_OK;
}

static sh_err take_texts(void *ctx, uint32_t point, const struct sh_promql_labels *l)
{
    struct gathered *g = ctx;
    SH_UNUSED(point);
    for (size_t i = 0; i < l->n; i++) {
        if (g->label.n == 0) {
            SH_TRY(gather(g, l->label[i].name));
        } else if (sh_str_eq(l->label[i].name, g->label)) {
            SH_TRY(gather(g, l->label[i].value));
        }
    }
    return SH_OK;
}

static int add_matches(struct asking *a, struct sh_str form, struct prom_selector *s, size_t *n)
{
    struct sh_str rest = form;
    struct sh_str name = {NULL, 0};
    struct sh_str value = {NULL, 0};
    struct sh_buf b;
    int status = 0;
    sh_buf_init(&b, a->r->api->env->alloc, 1 << 20);
    while (status == 0 && sh_url_query_next(&rest, &name, &value)) {
        struct sh_promql_error e = {.fault = SH_PROMQL_INTERNAL};
        /* the name comes as match[] or match%5B%5D: one parameter by itself is decoded by name */
        const struct sh_str pair = sh_str_of(name.p, name.n + 1 + value.n);
        sh_buf_clear(&b);
        if (value.p == NULL || sh_url_query_get(pair, "match[]", &b) != SH_OK) {
            continue;
        }
        const struct sh_str text = sh_arena_str(a->ar, sh_buf_str(&b));
        if (*n == MATCHES_MAX || text.p == NULL) {
            status = bad(a->r, "at most 100 match[]");
        } else if (sh_promql_parse_selector(a->ar, text, &s[*n].m, &s[*n].n, &e) != SH_OK) {
            status = fail_by(a->r, &e);
        } else {
            ++*n;
        }
    }
    sh_buf_fini(&b);
    return status;
}

/* What match[], start and end say. 0, or the status of an error. */
static int read_walk(struct asking *a, struct prom_walk *w)
{
    struct api_req *r = a->r;
    struct prom_selector *s = sh_arena_array(a->ar, MATCHES_MAX, sizeof *s);
    if (s == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    *w = (struct prom_walk){.r = r,
                            .ar = a->ar,
                            .selectors = s,
                            .from_us = INT64_MIN,
                            .to_us = INT64_MAX,
                            .deadline_mono_us = a->source.deadline_mono_us};
    const struct sh_str from = param(r, "start");
    const struct sh_str to = param(r, "end");
    if ((from.n > 0 && !read_time(from, &w->from_us)) || (to.n > 0 && !read_time(to, &w->to_us))) {
        return bad(r, "invalid parameter \"start\" or \"end\": seconds since 1970 or RFC 3339");
    }
    if (w->from_us > w->to_us) {
        return bad(r, "end timestamp must not be before start timestamp");
    }
    int status = 0;
    if (r->http->method == SH_HTTP_POST) {
        status = add_matches(a, sh_bytes_str(r->http->body), s, &w->nselectors);
    }
    return status != 0 ? status : add_matches(a, r->http->query, s, &w->nselectors);
}

static int by_text(const void *a, const void *b)
{
    return sh_str_cmp(*(const struct sh_str *)a, *(const struct sh_str *)b);
}

static int texts(struct api_req *r, struct sh_str label)
{
    struct asking *a = asking_new(r);
    struct prom_walk w = {.r = r};
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    int status = read_walk(a, &w);
    if (status != 0) {
        return status;
    }
    struct gathered g = {.a = a, .label = label};
    sh_map_init(&g.seen, r->api->env->alloc, NAMES_MAX, 0);
    w.take = take_texts;
    w.ctx = &g;
    const sh_err err = prom_walk(&w);
    sh_map_fini(&g.seen);
    if (err != SH_OK) {
        return fail_walk(r, a->ar, err);
    }
    if (g.n > 1) {
        qsort(g.list, g.n, sizeof *g.list, by_text);
    }
    begin(r);
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < g.n; i++) {
        sh_jw_str(&r->w, g.list[i]);
    }
    sh_jw_arr_end(&r->w);
    return end(r);
}

int api_prom_labels(struct api_req *r)
{
    return texts(r, (struct sh_str){NULL, 0});
}

int api_prom_values(struct api_req *r)
{
    if (!sh_prom_name_ok(r->params[0], false)) {
        return bad(r, "invalid label name");
    }
    return texts(r, r->params[0]);
}

struct listed {
    struct api_req *r;
    size_t n;
};

static sh_err list_series(void *ctx, uint32_t point, const struct sh_promql_labels *l)
{
    struct listed *s = ctx;
    SH_UNUSED(point);
    put_labels(&s->r->w, l);
    return ++s->n > PROM_SERIES ? SH_E_LIMIT : SH_OK;
}

int api_prom_series(struct api_req *r)
{
    struct asking *a = asking_new(r);
    struct prom_walk w = {.r = r};
    struct listed s = {r, 0};
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    const int status = read_walk(a, &w);
    if (status != 0) {
        return status;
    }
    if (w.nselectors == 0) {
        return bad(r, "no match[] parameter provided");
    }
    w.take = list_series;
    w.ctx = &s;
    begin(r);
    sh_jw_arr(&r->w);
    const sh_err err = prom_walk(&w);
    if (err != SH_OK) {
        return fail_walk(r, a->ar, err);
    }
    sh_jw_arr_end(&r->w);
    return end(r);
}

int api_prom_metadata(struct api_req *r)
{
    begin(r);
    sh_jw_obj(&r->w);
    sh_jw_obj_end(&r->w);
    return end(r);
}

int api_prom_build(struct api_req *r)
{
    static const char *const empty[] = {"branch", "buildUser", "buildDate", "goVersion"};
    begin(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "version");
    sh_jw_c(&r->w, "2.42.0"); /* whose semantics these are */
    sh_jw_key(&r->w, "revision");
    sh_jw_str(&r->w, sh_arena_printf(r->arena, "songhua-%s", r->api->o.version));
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        sh_jw_key(&r->w, empty[i]);
        sh_jw_c(&r->w, "");
    }
    sh_jw_obj_end(&r->w);
    return end(r);
}
