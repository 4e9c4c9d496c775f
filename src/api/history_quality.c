/* history_quality.c - what is wrong with the samples of points in a time, as the engine's survey
 * finds it, written point by point. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_ask.h"

#define GAP_FACTOR 3.0
#define SURVEY_TIME_US INT64_C(30000000)
enum { INTERVALS = 200, INTERVALS_MOST = 5000, INTERVALS_ALL = 200000, LATE_MOST = 4096 };

static const char *const kinds[SH_FLAW_KINDS] = {"gap", "stuck", "bad", "uncertain", "range"};

/* A time whose samples came late, as the gate's event tells. */
struct late {
    int64_t from_us;
    int64_t to_us;
    int64_t sum_us;
    double delay_s; /* the longest */
    uint32_t merged;
};
struct wanted {
    struct asked *a;
    struct sh_history_survey q;
    struct sh_history_survey_point points[ASK_POINTS];
    /* of the last device that was asked for */
    const char *late_of;
    struct late late[LATE_MOST];
    size_t nlate;
};

/* ---- what came late ---- */

static sh_err take_late(void *ctx, const struct sh_history_rows *rows)
{
    struct wanted *x = ctx;
    for (uint32_t i = 0; i < rows->n && rows->type == SH_T_TEXT && x->nlate < LATE_MOST; i++) {
        const union sh_cell c = rows->value[i];
        json_t *v = NULL;
        struct late l = {.merged = 1};
        if (sh_json_parse(sh_str_of((const char *)rows->bytes + c.span.off, c.span.len),
                          API_JSON_MAX, &v, NULL) == SH_OK &&
            sh_time_parse(sh_json_get_str(v, "from"), &l.from_us) == SH_OK &&
            sh_time_parse(sh_json_get_str(v, "to"), &l.to_us) == SH_OK && l.from_us < x->q.to_us &&
            l.to_us >= x->q.from_us) {
            l.from_us = l.from_us > x->q.from_us ? l.from_us : x->q.from_us;
            l.to_us = l.to_us < x->q.to_us ? l.to_us : x->q.to_us;
            l.sum_us = l.to_us - l.from_us;
            l.delay_s = sh_json_get_f64(v, "delay", 0);
            x->late[x->nlate++] = l;
        }
        json_decref(v);
    }
    return SH_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct late *x = a;
    const struct late *y = b;
    return x->from_us < y->from_us ? -1 : (x->from_us > y->from_us ? 1 : 0);
}

/* One list in the order of time; those nearer than `near` are one. */
static void join_late(struct wanted *x, int64_t near)
{
    size_t k = 0;
    for (size_t i = 1; i < x->nlate; i++) {
        struct late *last = &x->late[k];
        const struct late *l = &x->late[i];
        if (l->from_us - last->to_us > near) {
            x->late[++k] = *l;
            continue;
        }
        last->merged += l->from_us > last->to_us ? l->merged : 0;
        last->sum_us += l->from_us > last->to_us
                            ? l->sum_us
                            : (l->to_us > last->to_us ? l->to_us - last->to_us : 0);
        last->to_us = l->to_us > last->to_us ? l->to_us : last->to_us;
        last->delay_s = l->delay_s > last->delay_s ? l->delay_s : last->delay_s;
    }
    x->nlate = x->nlate > 0 ? k + 1 : 0;
}

/* The events of a device that tell of late samples; they come up to 30 days after those. */
static sh_err read_late(struct wanted *x, const struct sh_point *p)
{
    static const int64_t most = INT64_C(30) * 86400 * 1000000;
    if (x->late_of == p->device.p) {
        return SH_OK;
    }
    x->late_of = p->device.p;
    x->nlate = 0;
    const struct sh_points *points = x->a->r->api->o.points;
    char property[32];
    const struct sh_str prefix = SH_POINT_EVENT;
    const struct sh_str event = SH_GATE_LATE_EVENT;
    const int n = snprintf(property, sizeof property, "%.*s%.*s", SH_PRI(prefix), SH_PRI(event));
    const uint32_t id =
        sh_points_find(points, p->tenant, p->device, sh_str_of(property, (size_t)n));
    if (id == 0 || !api_clear_point(x->a->r, SH_PERM_HISTORY_READ, id)) {
        return SH_OK;
    }
    struct sh_history_result res = {0};
    const struct sh_history_query q = {
        .points = &id,
        .npoints = 1,
        .from_us = x->q.from_us,
        .to_us = x->q.to_us < INT64_MAX / 2 - most ? x->q.to_us + most : x->q.to_us,
        .limit = LATE_MOST,
        .deadline_mono_us = x->q.deadline_mono_us};
    SH_TRY(sh_history_query(x->a->r->api->o.history, &q, take_late, x, &res));
    qsort(x->late, x->nlate, sizeof x->late[0], by_time);
    join_late(x, 0);
    for (int64_t near = 1000000; x->nlate > x->q.intervals; near *= 2) {
        join_late(x, near);
    }
    return SH_OK;
}

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

static void put_totals(struct sh_jw *w, const struct wanted *x, const struct sh_history_surveyed *s)
{
    int64_t late = 0;
    for (size_t i = 0; i < x->nlate; i++) {
        late += x->late[i].sum_us;
    }
    static const char *const counted[] = {"bad", "uncertain", "range"};
    sh_jw_key(w, "seconds");
    sh_jw_obj(w);
    put_seconds(w, "all", s->time_us);
    put_seconds(w, "good", s->good_us);
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        put_seconds(w, kinds[k], s->total_us[k]);
    }
    put_seconds(w, "late", late);
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

static void put_interval(struct sh_jw *w, const char *kind, const struct late *l,
                         enum api_time_form form)
{
    sh_jw_obj(w);
    sh_jw_key(w, "kind");
    sh_jw_c(w, kind);
    sh_jw_key(w, "from");
    api_put_time(w, l->from_us, form);
    sh_jw_key(w, "to");
    api_put_time(w, l->to_us, form);
    put_seconds(w, "seconds", l->sum_us);
    if (l->merged > 1) {
        sh_jw_key(w, "merged");
        sh_jw_u64(w, l->merged);
    }
    if (l->delay_s > 0) {
        sh_jw_key(w, "delay");
        sh_jw_f64(w, l->delay_s);
    }
    sh_jw_obj_end(w);
}

static void put_intervals(struct sh_jw *w, const struct wanted *x,
                          const struct sh_history_surveyed *s)
{
    int64_t near = 0;
    sh_jw_key(w, "intervals");
    sh_jw_arr(w);
    size_t late = 0; /* both lists are in the order of time */
    for (size_t i = 0; i < s->n; i++) {
        const struct sh_history_flaw_time *f = &s->rows[i];
        const struct late l = {f->from_us, f->to_us, f->sum_us, 0, f->merged};
        while (late < x->nlate && x->late[late].from_us < f->from_us) {
            put_interval(w, "late", &x->late[late++], x->a->form);
        }
        put_interval(w, kinds[f->kind], &l, x->a->form);
    }
    while (late < x->nlate) {
        put_interval(w, "late", &x->late[late++], x->a->form);
    }
    sh_jw_arr_end(w);
    for (int k = 0; k < SH_FLAW_KINDS; k++) {
        near = s->merged_us[k] > near ? s->merged_us[k] : near;
    }
    put_maybe(w, "merged_within", near);
}

static sh_err put_point(void *ctx, const struct sh_history_surveyed *s)
{
    struct wanted *x = ctx;
    const struct asked *a = x->a;
    struct sh_jw *w = &a->r->w;
    const struct sh_history_survey_point *p = &x->points[s->series];
    const struct sh_point *point = sh_points_get(a->r->api->o.points, a->ids[s->series]);
    const bool number = point->type == SH_T_I64 || point->type == SH_T_F64;
    sh_jw_obj(w);
    sh_jw_key(w, "point");
    sh_jw_str(w, a->names[s->series]);
    sh_jw_key(w, "type");
    sh_jw_c(w, sh_type_name(point->type));
    sh_jw_key(w, "unit");
    sh_jw_str(w, point->unit);
    if (p->point == 0) {
        api_put_masked(w, sh_points_class(a->r->api->o.points, point->id));
        sh_jw_obj_end(w);
        return w->err;
    }
    SH_TRY(read_late(x, point));
    put_maybe(w, "period", s->period_us);
    sh_jw_key(w, "declared");
    sh_jw_bool(w, p->period_us > 0);
    put_maybe(w, "gap", s->gap_us);
    put_maybe(w, "stuck", number ? x->q.stuck_us : 0);
    put_bound(w, "low", number ? p->low : NAN);
    put_bound(w, "high", number ? p->high : NAN);
    put_totals(w, x, s);
    put_intervals(w, x, s);
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
        const struct sh_point *p = sh_points_get(r->api->o.points, a->ids[i]);
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
