/* history_quality.c - what is wrong with the samples of points in a time, as the engine's survey
 * finds it, written point by point. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "history_ask.h"

#define GAP_FACTOR 3.0
#define SURVEY_TIME_US INT64_C(30000000)
enum { INTERVALS = 200, INTERVALS_MOST = 5000, INTERVALS_ALL = 200000 };

static const char *const kinds[SH_FLAW_KINDS] = {"gap", "stuck", "bad", "uncertain", "range"};

struct wanted {
    struct asked *a;
    struct sh_history_survey q;
    struct sh_history_survey_point points[ASK_POINTS];
};

/* ---- the answer ---- */

static void put_seconds(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    sh_jw_f64(w, (double)us / 1e6);
}

/* A threshold or a period: null where there is none. */
static void put_maybe(struct sh_jw *w, const char *key, int64_t us)
{
    if (us > 0) {
        put_seconds(w, key, us);
    } else {
        sh_jw_key(w, key);
        sh_jw_null(w);
    }
}

static void put_bound(struct sh_jw *w, const char *key, double v)
{
    sh_jw_key(w, key);
    if (isnan(v)) {
        sh_jw_null(w);
    } else {
        sh_jw_f64(w, v);
    }
}

static void put_totals(struct sh_jw *w, const struct sh_history_surveyed *s)
{
    static const char *const counted[] = {"bad", "uncertain", "range"};
    sh_jw_key(w, "seconds");
    sh_jw_obj(w);
    put_seconds(w, "all", s->time_us);
    put_seconds(w, "good", s->good_us);
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        put_seconds(w, kinds[k], s->total_us[k]);
    }
    sh_jw_obj_end(w);
    sh_jw_key(w, "samples");
    sh_jw_obj(w);
    sh_jw_key(w, "all");
    sh_jw_u64(w, s->samples);
    for (int k = 0; k < 3; k++) {
        sh_jw_key(w, counted[k]);
        sh_jw_u64(w, s->flawed[SH_FLAW_BAD + k]);
    }
    sh_jw_obj_end(w);
    /* the share of the time in which there was a value that is not bad */
    const int64_t lost = s->total_us[SH_FLAW_GAP] + s->total_us[SH_FLAW_BAD];
    sh_jw_key(w, "availability");
    if (s->time_us > 0) {
        sh_jw_f64(w, (double)(s->time_us - lost) / (double)s->time_us);
    } else {
        sh_jw_null(w);
    }
}

static void put_intervals(struct sh_jw *w, const struct sh_history_surveyed *s,
                          enum api_time_form form)
{
    int64_t near = 0;
    sh_jw_key(w, "intervals");
    sh_jw_arr(w);
    for (size_t i = 0; i < s->n; i++) {
        const struct sh_history_flaw_time *f = &s->rows[i];
        sh_jw_obj(w);
        sh_jw_key(w, "kind");
        sh_jw_c(w, kinds[f->kind]);
        sh_jw_key(w, "from");
        api_put_time(w, f->from_us, form);
        sh_jw_key(w, "to");
        api_put_time(w, f->to_us, form);
        put_seconds(w, "seconds", f->sum_us);
        if (f->merged > 1) {
            sh_jw_key(w, "merged");
            sh_jw_u64(w, f->merged);
        }
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        near = s->merged_us[k] > near ? s->merged_us[k] : near;
    }
    put_maybe(w, "merged_within", near);
}

static sh_err put_point(void *ctx, const struct sh_history_surveyed *s)
{
    const struct wanted *x = ctx;
    const struct asked *a = x->a;
    struct sh_jw *w = &a->r->w;
    const struct sh_history_survey_point *p = &x->points[s->series];
    const struct sh_point *point = sh_points_get(a->r->api->o.points, p->point);
    const bool number = point->type == SH_T_I64 || point->type == SH_T_F64;
    sh_jw_obj(w);
    sh_jw_key(w, "point");
    sh_jw_str(w, a->names[s->series]);
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(point->type));
    sh_jw_key(w, "unit");
    sh_jw_str(w, point->unit);
    put_maybe(w, "period", s->period_us);
    sh_jw_key(w, "declared");
    sh_jw_bool(w, p->period_us > 0);
    put_maybe(w, "gap", s->gap_us);
    put_maybe(w, "stuck", number ? x->q.stuck_us : 0);
    put_bound(w, "low", number ? p->low : NAN);
    put_bound(w, "high", number ? p->high : NAN);
    put_totals(w, s);
    put_intervals(w, s, a->form);
    sh_jw_obj_end(w);
    return w->err;
}

/* ---- the question ---- */

static int wanted_duration(const struct asked *a, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(a->r->body, key);
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    const struct sh_str s = sh_str_of(json_string_value(v), json_string_length(v));
    if (json_is_string(v) && sh_duration_parse(s, out) == SH_OK && *out > 0) {
        return 0;
    }
    const struct sh_str en =
        sh_arena_printf(a->r->arena, "%s must be a duration such as 30s, 5m or 1h", key);
    const struct sh_str zh = sh_arena_printf(a->r->arena, "%s 必须是时长，如 30s、5m、1h", key);
    return ask_bad(a->r, en.p, zh.p);
}

static int wanted_limits(struct wanted *x)
{
    struct asked *a = x->a;
    const json_t *body = a->r->body;
    const int64_t n = sh_json_get_i64(body, "intervals", INTERVALS);
    const size_t fair = INTERVALS_ALL / a->q.npoints;
    x->q.gap_factor = sh_json_get_f64(body, "gap_factor", GAP_FACTOR);
    if (!(x->q.gap_factor >= 1 && x->q.gap_factor <= 1e6)) {
        return ask_bad(a->r, "gap_factor must be a number from 1 to 1000000",
                       "gap_factor 须为 1 到 1000000 的数");
    }
    if (n < 2 || n > INTERVALS_MOST) {
        return ask_bad(a->r, "intervals must be 2 to 5000", "intervals 须为 2 到 5000");
    }
    x->q.intervals = (uint32_t)((uint64_t)n < fair ? (uint64_t)n : fair);
    if (!api_time_form(sh_json_get_str(body, "time"), &a->form)) {
        return ask_bad(a->r, "time must be ms, us or left out", "time 须为 ms、us 或省略");
    }
    if (json_object_get(body, "from") == NULL) {
        return ask_bad(a->r, "from is needed: since when?", "需要 from：从何时起？");
    }
    return 0;
}

static bool client_gone(void *ctx)
{
    return sh_http_gone(((const struct asked *)ctx)->r->http);
}

static int wanted_read(struct wanted *x)
{
    struct asked *a = x->a;
    struct api_req *r = a->r;
    int status = ask_points(a, json_object_get(r->body, "points"));
    status = status != 0 ? status : ask_range(a, r->body);
    status = status != 0 ? status : wanted_limits(x);
    status = status != 0 ? status : wanted_duration(a, "gap", &x->q.gap_us);
    status = status != 0 ? status : wanted_duration(a, "stuck", &x->q.stuck_us);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < a->q.npoints; i++) {
        struct sh_twin_expected e;
        const struct sh_point *p = sh_points_get(r->api->o.points, a->points[i]);
        sh_twin_property_expected(r->api->o.twin, p->tenant, p->device, p->property, &e);
        x->points[i] = (struct sh_history_survey_point){a->points[i], e.period_us, e.low, e.high};
    }
    x->q.points = x->points;
    x->q.npoints = a->q.npoints;
    x->q.from_us = a->q.from_us;
    x->q.to_us = a->q.to_us;
    x->q.now_us = sh_wall_us(r->api->env->clock);
    x->q.deadline_mono_us = sh_mono_us(r->api->env->clock) + SURVEY_TIME_US;
    x->q.gone = client_gone;
    x->q.ctx = a;
    return 0;
}

static int survey(struct wanted *x)
{
    struct api_req *r = x->a->r;
    uint64_t scanned = 0;
    const int64_t to = x->q.to_us < x->q.now_us ? x->q.to_us : x->q.now_us;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "from");
    api_put_time(&r->w, x->q.from_us, x->a->form);
    sh_jw_key(&r->w, "to");
    api_put_time(&r->w, to > x->q.from_us ? to : x->q.from_us, x->a->form);
    sh_jw_key(&r->w, "series");
    sh_jw_arr(&r->w);
    const sh_err err = sh_history_survey(r->api->o.history, &x->q, put_point, x, &scanned);
    if (err != SH_OK) {
        return ask_failed(r, err);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_history_quality(struct api_req *r)
{
    struct asked *a = asked_new(r);
    struct wanted *x = sh_mem_new(r->api->env->alloc, sizeof *x);
    int status = 0;
    if (a == NULL || x == NULL) {
        status = api_error(r, SH_E_NOMEM, NULL);
    } else {
        x->a = a;
        status = wanted_read(x);
        status = status == 0 ? survey(x) : status;
    }
    sh_mem_free(r->api->env->alloc, x);
    if (a != NULL) {
        asked_free(a);
    }
    return status;
}
