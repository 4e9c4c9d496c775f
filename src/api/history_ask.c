/* history_ask.c - see history_ask.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "history_ask.h"

#define DEFAULT_ROWS UINT64_C(1000000)
#define QUERY_TIME_US INT64_C(30000000)
#define TIME_MAX (INT64_C(1) << 61) /* what history takes, both ways */

int ask_bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

int ask_points(struct asked *a, const json_t *list)
{
    const size_t n = json_array_size(list);
    if (n == 0 || n > ASK_POINTS) {
        return ask_bad(a->r, "points must name 1 to 1000 points", "points 须包含 1 到 1000 个点位");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v)) {
            return ask_bad(a->r, "points must be texts", "points 必须是文本");
        }
        int status = 0;
        a->names[i] = sh_str_of(json_string_value(v), json_string_length(v));
        a->ids[i] = api_point(a->r, a->names[i], &status);
        if (a->ids[i] == 0) {
            return status;
        }
        const bool clear = api_clear_point(a->r, SH_PERM_HISTORY_READ, a->ids[i]);
        a->points[i] = clear ? a->ids[i] : 0;
        a->nmasked += clear ? 0 : 1;
    }
    a->q.points = a->points;
    a->q.npoints = n;
    return 0;
}

struct sh_data_class asked_class(const struct asked *a)
{
    struct sh_data_class top = SH_DATA_CLASS_DEFAULT;
    for (size_t i = 0; i < a->q.npoints; i++) {
        if (a->points[i] != 0) {
            top = sh_data_class_max(top, sh_points_class(a->r->api->o.points, a->points[i]));
        }
    }
    return top;
}

static int ask_agg(struct asked *a, size_t i, const json_t *v)
{
    const struct sh_str s = sh_str_of(json_string_value(v), json_string_length(v));
    if (json_is_string(v) && sh_history_agg_parse(s, &a->aggs[i]) == SH_OK) {
        a->agg_names[i] = json_string_value(v);
        return 0;
    }
    static const char words[] = "count sum min max mean first last stddev p<0-100> twa rate "
                                "count:<condition> duration:<condition>";
    const struct sh_str en = sh_arena_printf(
        a->r->arena,
        "aggregate '%.*s' is not one of %s; a condition is >80 >=80 <80 <=80 =80 !=80 10..20 or a "
        "value",
        SH_PRI(s), words);
    const struct sh_str zh = sh_arena_printf(
        a->r->arena,
        "不支持聚合函数“%.*s”，可用：%s；条件写作 >80 >=80 <80 <=80 =80 !=80 10..20 或一个值",
        SH_PRI(s), words);
    return ask_bad(a->r, en.p, zh.p);
}

static int ask_aggs(struct asked *a, const json_t *list)
{
    const size_t n = json_is_string(list) ? 1 : json_array_size(list);
    if (n > ASK_AGGS) {
        return ask_bad(a->r, "at most 32 aggregates", "最多 32 个聚合函数");
    }
    for (size_t i = 0; i < n; i++) {
        const int status = ask_agg(a, i, json_is_string(list) ? list : json_array_get(list, i));
        if (status != 0) {
            return status;
        }
    }
    a->q.naggs = n;
    a->q.aggs = n == 0 ? NULL : a->aggs;
    return 0;
}

static int ask_where(struct asked *a, const json_t *body)
{
    const json_t *v = json_object_get(body, "where");
    if (v == NULL) {
        return 0;
    }
    const struct sh_str s = sh_str_of(json_string_value(v), json_string_length(v));
    if (!json_is_string(v) || sh_history_cond_parse(s, &a->q.where) != SH_OK) {
        return ask_bad(a->r, "where must be a condition such as >80, <=80, !=80, 10..20 or running",
                       "where 须为条件，如 >80、<=80、!=80、10..20 或 running");
    }
    if (a->q.naggs > 0 || a->q.down != SH_DOWN_NONE) {
        return ask_bad(
            a->r,
            "where chooses rows of a raw query; with aggregates use count:<condition> or "
            "duration:<condition>, and do not down-sample",
            "where 只用于原始数据查询；聚合请用 count:<条件> 或 "
            "duration:<条件>，且不能与降采样同用");
    }
    return 0;
}

int ask_range(struct asked *a, const json_t *body)
{
    const json_t *from = json_object_get(body, "from");
    const json_t *to = json_object_get(body, "to");
    a->q.from_us = -TIME_MAX;
    a->q.to_us = TIME_MAX;
    if (from != NULL && !api_time(from, &a->q.from_us)) {
        return ask_bad(a->r, "from is not a time (RFC 3339 or milliseconds)",
                       "from 不是时间（RFC 3339 或毫秒整数）");
    }
    if (to != NULL && !api_time(to, &a->q.to_us)) {
        return ask_bad(a->r, "to is not a time (RFC 3339 or milliseconds)",
                       "to 不是时间（RFC 3339 或毫秒整数）");
    }
    a->q.from_us = a->q.from_us < -TIME_MAX ? -TIME_MAX : a->q.from_us;
    a->q.to_us = a->q.to_us > TIME_MAX ? TIME_MAX : a->q.to_us;
    const struct sh_str step = sh_json_get_str(body, "step");
    if (step.n > 0 && (sh_duration_parse(step, &a->q.step_us) != SH_OK || a->q.step_us <= 0)) {
        return ask_bad(a->r, "step must be a duration such as 10s, 1m or 1h",
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

int ask_modes(struct asked *a, const json_t *body)
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
        return ask_bad(a->r, "fill must be none, null, previous or linear",
                       "fill 须为 none、null、previous 或 linear");
    }
    a->q.fill = (enum sh_history_fill)v;
    if (!pick(sh_json_get_str(body, "quality"), qualities, &v)) {
        return ask_bad(a->r, "quality must be default, good or all",
                       "quality 须为 default、good 或 all");
    }
    a->q.quality = (enum sh_history_quality)v;
    const json_t *down = json_object_get(body, "downsample");
    if (json_is_object(down)) {
        const int64_t points = sh_json_get_i64(down, "points", 1000);
        if (!pick(sh_json_get_str(down, "method"), downs, &v) || points < 3 || points > 100000) {
            return ask_bad(a->r, "downsample needs method minmax or lttb and points 3 to 100000",
                           "downsample 需要 method（minmax 或 lttb）和 points（3 到 100000）");
        }
        a->q.down = (enum sh_history_down)v;
        a->q.down_points = (uint32_t)points;
    }
    if (!api_time_form(sh_json_get_str(body, "time"), &a->form)) {
        return ask_bad(a->r, "time must be ms, us or left out", "time 须为 ms、us 或省略");
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

int ask_bounds(struct asked *a, const json_t *body)
{
    const struct sh_str tz = sh_json_get_str(body, "tz");
    if (tz.n > 0) {
        if (sh_tz_load(a->r->api->env, tz, &a->tz) != SH_OK) {
            return ask_bad(a->r, "tz is not a known time zone", "tz 不是已知的时区");
        }
        a->q.tz = a->tz;
    }
    const int64_t limit = sh_json_get_i64(body, "limit", 0);
    a->q.limit = limit > 0 ? (uint64_t)limit : DEFAULT_ROWS;
    a->q.now_us = sh_wall_us(a->r->api->env->clock);
    a->q.deadline_mono_us = sh_mono_us(a->r->api->env->clock) + QUERY_TIME_US;
    return 0;
}

int ask(struct asked *a, const json_t *body)
{
    if (!json_is_object(body)) {
        return ask_bad(a->r, "the body must be an object", "请求正文必须是对象");
    }
    int status = ask_points(a, json_object_get(body, "points"));
    status = status != 0 ? status : ask_aggs(a, json_object_get(body, "aggregate"));
    status = status != 0 ? status : ask_range(a, body);
    status = status != 0 ? status : ask_modes(a, body);
    status = status != 0 ? status : ask_where(a, body);
    status = status != 0 ? status : ask_bounds(a, body);
    if (status != 0) {
        return status;
    }
    const struct sh_str cursor = sh_json_get_str(body, "cursor");
    if (cursor.n > 0 && !read_cursor(a, cursor)) {
        return ask_bad(a->r, "cursor is not valid", "cursor 无效");
    }
    a->marks = sh_json_get_bool(body, "marks", false);
    return 0;
}

struct asked *asked_new(struct api_req *r)
{
    struct asked *a = sh_mem_new(r->api->env->alloc, sizeof *a);
    if (a != NULL) {
        a->r = r;
    }
    return a;
}

void asked_free(struct asked *a)
{
    sh_tz_free(a->tz);
    sh_mem_free(a->r->api->env->alloc, a);
}

int ask_failed(struct api_req *r, sh_err err)
{
    if (err == SH_E_UNSUPPORTED) {
        return api_problem(
            r, 422, "unsupported",
            "an aggregate or a condition does not fit the type of a point: "
            "sums need numbers, texts can only be = or !=, a range goes up",
            "聚合函数或条件不适用于点位的类型：求和等只用于数值，文本只能 = 或 !=，范围须从小到大");
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
