/* events.c - past events of a device, newest first.
 *
 * An event is a sample of a text point of the device (point.h), so it is kept, corrected, deleted
 * and let go with the rest of history. The engine answers in ascending time: windows are gathered
 * backwards, halved when one holds too much and doubled when it holds little, and turned round.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api_int.h"

enum { EVENTS_MAX = 1000, WINDOW_ROWS = 4096, TEXT_MAX = 64 << 20 };
#define WINDOW_FIRST_US (INT64_C(86400) * 1000000)
#define QUERY_TIME_US INT64_C(30000000)

struct event_row {
    int64_t time;
    uint32_t point; /* index in points */
    uint32_t off;   /* of the text */
    uint32_t len;
};

struct events {
    struct api_req *r;
    uint32_t *points;
    size_t npoints;
    int64_t from; /* inclusive */
    int64_t to;   /* exclusive */
    uint32_t limit;
    uint32_t *masked; /* not read */
    size_t nmasked;
    struct event_row rows[WINDOW_ROWS]; /* of one window */
    size_t n;
    struct sh_buf text;
};

static sh_err gather(void *ctx, const struct sh_history_rows *rows)
{
    struct events *e = ctx;
    for (uint32_t i = 0; i < rows->n && rows->type == SH_T_TEXT; i++) {
        const uint32_t len = rows->value[i].span.len;
        e->rows[e->n++] =
            (struct event_row){rows->time_us[i], rows->series, (uint32_t)e->text.n, len};
        if (len > 0) {
            SH_TRY(sh_buf_put(&e->text, rows->bytes + rows->value[i].span.off, len));
        }
    }
    return SH_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct event_row *x = a;
    const struct event_row *y = b;
    if (x->time != y->time) {
        return x->time > y->time ? -1 : 1;
    }
    return x->point < y->point ? -1 : (x->point > y->point ? 1 : 0);
}

/* Gathers [from, to) newest first. *full: it holds too much. */
static sh_err window(struct events *e, int64_t from, int64_t to, bool *full)
{
    const struct sh_history_query q = {.points = e->points,
                                       .npoints = e->npoints,
                                       .from_us = from,
                                       .to_us = to,
                                       .limit = WINDOW_ROWS,
                                       .deadline_mono_us =
                                           sh_mono_us(e->r->api->env->clock) + QUERY_TIME_US};
    struct sh_history_result res = {0};
    e->n = 0;
    sh_buf_clear(&e->text);
    const sh_err err = sh_history_query(e->r->api->o.history, &q, gather, e, &res);
    *full = err == SH_E_LIMIT || (err == SH_OK && res.next.set);
    if (err == SH_OK) {
        qsort(e->rows, e->n, sizeof e->rows[0], newest_first);
    }
    return err == SH_E_LIMIT ? SH_OK : err;
}

static void put_event(struct events *e, const struct event_row *row, enum api_time_form form)
{
    struct sh_jw *w = &e->r->w;
    const struct sh_point *p = sh_points_get(e->r->api->o.points, e->points[row->point]);
    const struct sh_str text = sh_str_sub(sh_buf_str(&e->text), row->off, row->off + row->len);
    const struct sh_str prefix = SH_POINT_EVENT;
    json_t *data = NULL;
    sh_jw_obj(w);
    sh_jw_key(w, "time");
    api_put_time(w, row->time, form);
    sh_jw_key(w, "event");
    sh_jw_str(w, sh_str_sub(p->property, prefix.n, p->property.n));
    sh_jw_key(w, "data");
    if (sh_json_parse(text, API_JSON_MAX, &data, NULL) == SH_OK) {
        sh_jw_json(w, data);
    } else {
        sh_jw_str(w, text); /* a person's correction may be any text */
    }
    json_decref(data);
    sh_jw_obj_end(w);
}

/* Writes what the window gives; rows of one time stay on one page. *next: the page ended here. */
static uint32_t put_window(struct events *e, uint32_t have, enum api_time_form form, int64_t *next)
{
    for (size_t i = 0; i < e->n; i++) {
        const bool other = i == 0 || e->rows[i].time != e->rows[i - 1].time;
        if (have >= e->limit && other) {
            *next = e->rows[i].time + 1;
            return have;
        }
        put_event(e, &e->rows[i], form);
        have++;
    }
    return have;
}

static sh_err put_events(struct events *e, enum api_time_form form, int64_t *next)
{
    int64_t width = WINDOW_FIRST_US;
    int64_t end = e->to;
    uint32_t have = 0;
    *next = INT64_MIN;
    while (end > e->from && *next == INT64_MIN) {
        bool full = false;
        const int64_t from = width >= end - e->from ? e->from : end - width;
        SH_TRY(window(e, from, end, &full));
        if (full) {
            if (end - from <= 1) {
                return SH_E_LIMIT;
            }
            width = (end - from) / 2;
            continue;
        }
        have = put_window(e, have, form, next);
        end = from;
        width = e->n < WINDOW_ROWS / 4 && width < INT64_MAX / 4 ? width * 2 : width;
    }
    return SH_OK;
}

/* ---- the question ---- */

static int ask_time(struct api_req *r, const char *name, int64_t *us)
{
    const struct sh_str s = api_query(r, name);
    int64_t ms = 0;
    if (s.n == 0) {
        return 0;
    }
    json_t *v = sh_i64_parse(s, &ms) == SH_OK ? json_integer(ms) : json_stringn(s.p, s.n);
    const bool ok = v != NULL && api_time(v, us);
    json_decref(v);
    return ok ? 0
              : api_problem(r, 400, "bad_request", "from and to are RFC 3339 or milliseconds",
                            "from 和 to 须为 RFC 3339 时间或毫秒整数");
}

/* The event points that are asked for, and when the first of them was. */
static sh_err ask_points(struct events *e, struct sh_str device)
{
    struct api_req *r = e->r;
    const struct sh_points *points = r->api->o.points;
    const struct sh_str prefix = SH_POINT_EVENT;
    const struct sh_str only = api_query(r, "event");
    const size_t n = sh_points_events_of_device(points, r->tenant, device, NULL, 0);
    uint32_t *ids = sh_arena_array(r->arena, n + 1, sizeof *ids);
    e->masked = sh_arena_array(r->arena, n + 1, sizeof *e->masked);
    if (ids == NULL || e->masked == NULL) {
        return SH_E_NOMEM;
    }
    const size_t have = sh_points_events_of_device(points, r->tenant, device, ids, n);
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < (have < n ? have : n); i++) {
        const struct sh_str property = sh_points_get(points, ids[i])->property;
        if (only.n > 0 && !sh_str_eq(sh_str_sub(property, prefix.n, property.n), only)) {
            continue;
        }
        if (!api_clear_point(r, SH_PERM_HISTORY_READ, ids[i])) {
            e->masked[e->nmasked++] = ids[i];
            continue;
        }
        struct sh_history_point_stats st;
        SH_TRY(sh_history_point_stats(r->api->o.history, ids[i], &st));
        first = st.found && st.first_us < first ? st.first_us : first;
        ids[e->npoints++] = ids[i];
    }
    e->points = ids;
    e->from = first > e->from ? first : e->from;
    return SH_OK;
}

static int ask(struct events *e, enum api_time_form *form)
{
    struct api_req *r = e->r;
    const struct sh_str cursor = api_query(r, "cursor");
    int64_t before = 0;
    e->from = -(INT64_C(1) << 61);
    e->to = sh_wall_us(r->api->env->clock) + WINDOW_FIRST_US;
    e->limit = api_limit(r, 50, EVENTS_MAX);
    int status = ask_time(r, "from", &e->from);
    status = status != 0 ? status : ask_time(r, "to", &e->to);
    if (status != 0) {
        return status;
    }
    if (cursor.n > 0) {
        if (sh_i64_parse(cursor, &before) != SH_OK) {
            return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
        }
        e->to = before < e->to ? before : e->to;
    }
    if (!api_time_form(api_query(r, "time"), form)) {
        return api_problem(r, 400, "bad_request", "time must be ms or us", "time 须为 ms 或 us");
    }
    if (!sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    const sh_err err = ask_points(e, r->params[0]);
    return err == SH_OK ? 0 : api_error(r, err, NULL);
}

/* Ids of events that are above the caller's clearance: they are not among the items. */
static void put_masked(struct events *e)
{
    const struct sh_str prefix = SH_POINT_EVENT;
    sh_jw_key(&e->r->w, "masked");
    sh_jw_arr(&e->r->w);
    for (size_t i = 0; i < e->nmasked; i++) {
        const struct sh_str p = sh_points_get(e->r->api->o.points, e->masked[i])->property;
        sh_jw_str(&e->r->w, sh_str_sub(p, prefix.n, p.n));
    }
    sh_jw_arr_end(&e->r->w);
}

static int answer(struct events *e)
{
    struct api_req *r = e->r;
    enum api_time_form form = API_TIME_TEXT;
    int64_t next = INT64_MIN;
    const int status = ask(e, &form);
    if (status != 0) {
        return status;
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = e->npoints == 0 ? SH_OK : put_events(e, form, &next);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (next == INT64_MIN) {
        sh_jw_null(&r->w);
    } else {
        char t[SH_I64_CHARS];
        sh_jw_str(&r->w, sh_str_of(t, sh_i64_print(next, t)));
    }
    if (e->nmasked > 0) {
        put_masked(e);
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_device_events(struct api_req *r)
{
    struct events *e = sh_mem_new(r->api->env->alloc, sizeof *e);
    if (e == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    e->r = r;
    sh_buf_init(&e->text, r->api->env->alloc, TEXT_MAX);
    const int status = answer(e);
    sh_buf_fini(&e->text);
    sh_mem_free(r->api->env->alloc, e);
    return status;
}
