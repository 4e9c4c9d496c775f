/* notes_list.c - notes found: by what they are on, time, category and words; as a list page by
 * page, newest first, and as CSV. All of a tenant's are looked at: there are at most NOTES_MAX.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "notes.h"

enum { POINTS_MAX = 1000 };
#define FOREVER INT64_MAX

struct found {
    int64_t from;
    struct sh_str id;
    json_t *doc;
};

struct search {
    struct api_req *r;
    uint32_t *points;
    size_t npoints;
    struct sh_str device;
    struct sh_str asset;
    struct sh_str category;
    struct sh_str words;
    int64_t from;
    int64_t to;
    struct found *rows;
    size_t n;
};

/* ---- does a note fit? ---- */

static struct sh_str text_at(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    return sh_str_of(json_string_value(v), json_string_length(v));
}

static bool device_in(const struct search *s, struct sh_str device, struct sh_str asset)
{
    const struct sh_twin_part part = {.text = asset};
    const struct sh_twin_parts parts = {&part, 1};
    return sh_twin_device_within(s->r->api->o.twin, s->r->tenant, device, &parts);
}

static bool asset_in(const struct search *s, struct sh_str asset, struct sh_str top)
{
    const struct sh_twin_part part = {.text = top};
    const struct sh_twin_parts parts = {&part, 1};
    return sh_twin_asset_within(s->r->api->o.twin, s->r->tenant, asset, &parts);
}

/* Is the note on the point, its device (also by an earlier name) or an asset above it? */
static bool on_point(const struct search *s, const json_t *doc, uint32_t id)
{
    const struct sh_points *all = s->r->api->o.points;
    const struct sh_point *p = sh_points_get(all, id);
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    const json_t *assets = json_object_get(doc, "assets");
    for (size_t i = 0; i < json_array_size(points); i++) {
        if (json_integer_value(json_array_get(points, i)) == (json_int_t)id) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const struct sh_str d = text_at(devices, i);
        if (sh_str_eq(d, p->device) || sh_points_find(all, p->tenant, d, p->property) == id) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(assets); i++) {
        if (device_in(s, p->device, text_at(assets, i))) {
            return true;
        }
    }
    return false;
}

/* A note keeps the name that the device had when it was written. */
static bool same_device(const struct search *s, struct sh_str name)
{
    return sh_str_eq(name, s->device) ||
           sh_twin_device_same(s->r->api->o.twin, s->r->tenant, name, s->device);
}

static bool on_device(const struct search *s, const json_t *doc)
{
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    const json_t *assets = json_object_get(doc, "assets");
    for (size_t i = 0; i < json_array_size(points); i++) {
        const uint32_t id = (uint32_t)json_integer_value(json_array_get(points, i));
        const struct sh_point *p = sh_points_get(s->r->api->o.points, id);
        if (p != NULL && same_device(s, p->device)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        if (same_device(s, text_at(devices, i))) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(assets); i++) {
        if (device_in(s, s->device, text_at(assets, i))) {
            return true;
        }
    }
    return false;
}

/* On the asset, one below it, or a device there. */
static bool on_asset(const struct search *s, const json_t *doc)
{
    const json_t *points = json_object_get(doc, "points");
    const json_t *devices = json_object_get(doc, "devices");
    const json_t *assets = json_object_get(doc, "assets");
    for (size_t i = 0; i < json_array_size(assets); i++) {
        if (asset_in(s, text_at(assets, i), s->asset)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(devices); i++) {
        if (device_in(s, text_at(devices, i), s->asset)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(points); i++) {
        const uint32_t id = (uint32_t)json_integer_value(json_array_get(points, i));
        const struct sh_point *p = sh_points_get(s->r->api->o.points, id);
        if (p != NULL && device_in(s, p->device, s->asset)) {
            return true;
        }
    }
    return false;
}

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Part of a text; ASCII case is ignored. */
static bool has_words(struct sh_str text, struct sh_str words)
{
    for (size_t at = 0; at + words.n <= text.n; at++) {
        size_t i = 0;
        while (i < words.n && folded(text.p[at + i]) == folded(words.p[i])) {
            i++;
        }
        if (i == words.n) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct search *s, const json_t *doc)
{
    const int64_t from = sh_json_get_i64(doc, "from", 0);
    const int64_t to = sh_json_get_i64(doc, "to", 0);
    const bool masked = s->words.n > 0 && note_masked(s->r, doc);
    if (to < s->from || from >= s->to ||
        (s->category.n > 0 && !sh_str_eq(sh_json_get_str(doc, "category"), s->category)) ||
        (s->words.n > 0 && (masked || !has_words(sh_json_get_str(doc, "text"), s->words)) &&
         !has_words(sh_json_get_str(doc, "by"), s->words))) {
        return false;
    }
    bool on = s->npoints == 0;
    for (size_t i = 0; i < s->npoints && !on; i++) {
        on = on_point(s, doc, s->points[i]);
    }
    on = on && (s->device.n == 0 || on_device(s, doc));
    on = on && (s->asset.n == 0 || on_asset(s, doc));
    return on && note_seen(s->r, doc);
}

static sh_err each(void *ctx, const struct sh_record_row *row)
{
    struct search *s = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, row->doc.n, &doc, NULL));
    if (s->n == NOTES_MAX || !fits(s, doc)) {
        json_decref(doc);
        return SH_OK;
    }
    const struct sh_str id = sh_arena_str(s->r->arena, row->id);
    if (id.p == NULL) {
        json_decref(doc);
        return SH_E_NOMEM;
    }
    s->rows[s->n++] = (struct found){sh_json_get_i64(doc, "from", 0), id, doc};
    return SH_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->from != y->from) {
        return x->from > y->from ? -1 : 1;
    }
    return sh_str_cmp(y->id, x->id);
}

/* ---- the question ---- */

static int time_asked(struct api_req *r, const char *name, int64_t *out)
{
    const struct sh_str s = api_query(r, name);
    int64_t ms = 0;
    if (s.n == 0) {
        return 0;
    }
    json_t *v = sh_i64_parse(s, &ms) == SH_OK ? json_integer(ms) : json_stringn(s.p, s.n);
    const bool ok = api_time(v, out);
    json_decref(v);
    return ok ? 0
              : api_problem(r, 400, "bad_request",
                            "from and to are times (RFC 3339 or milliseconds)",
                            "from 与 to 须为时间（RFC 3339 或毫秒整数）");
}

static int points_asked(struct search *s)
{
    struct sh_str rest = api_query(s->r, "points");
    s->points = sh_arena_array(s->r->arena, POINTS_MAX, sizeof *s->points);
    if (s->points == NULL) {
        return api_error(s->r, SH_E_NOMEM, NULL);
    }
    while (rest.n > 0) {
        int status = 0;
        const struct sh_str name = sh_str_cut(rest, ',', &rest);
        if (s->npoints == POINTS_MAX) {
            return api_problem(s->r, 400, "bad_request", "at most 1000 points", "最多 1000 个点位");
        }
        s->points[s->npoints] = api_point(s->r, name, &status);
        if (s->points[s->npoints++] == 0) {
            return status;
        }
    }
    return 0;
}

static int search_asked(struct search *s)
{
    struct api_req *r = s->r;
    s->from = INT64_MIN;
    s->to = FOREVER;
    s->device = api_query(r, "device");
    s->asset = api_query(r, "asset");
    s->category = api_query(r, "category");
    s->words = api_query(r, "q");
    int status = points_asked(s);
    status = status != 0 ? status : time_asked(r, "from", &s->from);
    status = status != 0 ? status : time_asked(r, "to", &s->to);
    if (status == 0 && s->category.n > 0 && !note_category(s->category)) {
        status = api_problem(r, 400, "bad_request",
                             "category must be maintenance, fault, process or other",
                             "category 须为 maintenance、fault、process 或 other");
    }
    return status;
}

static void search_free(struct search *s)
{
    for (size_t i = 0; i < s->n; i++) {
        json_decref(s->rows[i].doc);
    }
    sh_mem_free(s->r->api->env->alloc, s->rows);
}

/* 0, or the status of a problem; in both cases to be freed. */
static int search(struct search *s)
{
    int status = search_asked(s);
    if (status != 0) {
        return status;
    }
    s->rows = sh_mem_array(s->r->api->env->alloc, NOTES_MAX, sizeof *s->rows);
    if (s->rows == NULL) {
        return api_error(s->r, SH_E_NOMEM, NULL);
    }
    const sh_err err = sh_record_scan(s->r->api->o.record, s->r->tenant, NOTE_KIND, each, s);
    if (err != SH_OK) {
        return api_error(s->r, err, NULL);
    }
    if (s->n > 1) {
        qsort(s->rows, s->n, sizeof *s->rows, newest_first);
    }
    return 0;
}

/* ---- the list ---- */

/* A cursor is "time.id" of the last note. */
static bool behind(const struct found *f, struct sh_str cursor)
{
    int64_t at = 0;
    struct sh_str id = {NULL, 0};
    if (sh_i64_parse(sh_str_cut(cursor, '.', &id), &at) != SH_OK) {
        return true;
    }
    const struct found last = {.from = at, .id = id};
    return newest_first(f, &last) > 0;
}

int api_notes_list(struct api_req *r)
{
    struct search s = {.r = r};
    enum api_time_form form = API_TIME_TEXT;
    const uint32_t limit = api_limit(r, 100, 1000);
    const struct sh_str cursor = api_query(r, "cursor");
    int status = search(&s);
    if (status == 0 && !api_time_form(api_query(r, "time"), &form)) {
        status = api_problem(r, 400, "bad_request", "time must be ms, us or left out",
                             "time 须为 ms、us 或省略");
    }
    if (status == 0) {
        uint32_t k = 0;
        size_t i = 0;
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "items");
        sh_jw_arr(&r->w);
        for (; i < s.n && k < limit; i++) {
            if (cursor.n == 0 || behind(&s.rows[i], cursor)) {
                note_put(r, s.rows[i].id, s.rows[i].doc, form);
                k++;
            }
        }
        sh_jw_arr_end(&r->w);
        sh_jw_key(&r->w, "next");
        if (i == s.n || i == 0) {
            sh_jw_null(&r->w);
        } else {
            const struct found *last = &s.rows[i - 1];
            sh_jw_str(&r->w, sh_arena_printf(r->arena, "%lld.%.*s", (long long)last->from,
                                             SH_PRI(last->id)));
        }
        sh_jw_key(&r->w, "total");
        sh_jw_u64(&r->w, s.n);
        sh_jw_obj_end(&r->w);
        status = 200;
    }
    search_free(&s);
    return status;
}

/* ---- CSV ---- */

static sh_err put_time(struct sh_buf *out, int64_t us)
{
    char t[SH_TIME_CHARS];
    return sh_buf_put(out, t, sh_time_print(us, t));
}

/* All that it is on, by spaces. */
static sh_err put_targets(struct search *s, const json_t *doc, struct sh_buf *out)
{
    static const char *const lists[] = {"devices", "assets"};
    struct sh_buf all;
    const json_t *points = json_object_get(doc, "points");
    sh_buf_init(&all, s->r->api->env->alloc, 1 << 20);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < json_array_size(points); i++) {
        const uint32_t id = (uint32_t)json_integer_value(json_array_get(points, i));
        const struct sh_point *p = sh_points_get(s->r->api->o.points, id);
        if (p != NULL) {
            err = sh_buf_put_str(&all,
                                 sh_arena_printf(s->r->arena, "%s%.*s/%.*s", all.n > 0 ? " " : "",
                                                 SH_PRI(p->device), SH_PRI(p->property)));
        }
    }
    for (size_t k = 0; k < 2; k++) {
        const json_t *list = json_object_get(doc, lists[k]);
        for (size_t i = 0; err == SH_OK && i < json_array_size(list); i++) {
            err = all.n > 0 ? sh_buf_put_u8(&all, ' ') : SH_OK;
            err = err == SH_OK ? sh_buf_put_str(&all, text_at(list, i)) : err;
        }
    }
    err = err == SH_OK ? sh_csv_put(out, sh_buf_str(&all), false) : err;
    sh_buf_fini(&all);
    return err;
}

static sh_err put_row(struct search *s, const struct found *f, struct sh_buf *out)
{
    SH_TRY(put_time(out, f->from));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(put_time(out, sh_json_get_i64(f->doc, "to", 0)));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(sh_csv_put(out, sh_json_get_str(f->doc, "category"), false));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(sh_csv_put(out, note_masked(s->r, f->doc) ? SH_STR("") : sh_json_get_str(f->doc, "text"),
                      false));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(put_targets(s, f->doc, out));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(sh_csv_put(out, sh_json_get_str(f->doc, "by"), false));
    SH_TRY(sh_buf_put_u8(out, ','));
    SH_TRY(put_time(out, sh_json_get_i64(f->doc, "time", 0)));
    return sh_buf_put_c(out, "\r\n");
}

int api_notes_export(struct api_req *r)
{
    struct search s = {.r = r};
    struct sh_data_class top = SH_DATA_CLASS_DEFAULT;
    size_t masked = 0;
    int status = search(&s);
    for (size_t i = 0; status == 0 && i < s.n; i++) {
        const bool hidden = note_masked(r, s.rows[i].doc);
        top = hidden ? top : sh_data_class_max(top, note_class(r, s.rows[i].doc));
        masked += hidden ? 1 : 0;
    }
    status = status == 0 ? api_export_allowed(r, top) : status;
    if (status == 0) {
        struct sh_buf *body = sh_http_body(r->http);
        sh_buf_clear(body);
        sh_err err = sh_buf_put_c(body, "\xef\xbb\xbf"
                                        "from,to,category,text,on,by,time\r\n");
        for (size_t i = 0; err == SH_OK && i < s.n; i++) {
            err = put_row(&s, &s.rows[i], body);
        }
        status = err == SH_OK ? 200 : api_error(r, err, NULL);
    }
    if (status == 200) {
        sh_http_header_c(r->http, "Content-Type", "text/csv; charset=utf-8");
        api_export_headers(r, "notes", "csv", top, masked);
        const struct api_exported e = {.act = "notes.exported",
                                       .object = SH_STR("notes"),
                                       .format = "csv",
                                       .top = top,
                                       .masked = masked,
                                       .rows = s.n,
                                       .whole = true,
                                       .peer = api_peer(r)};
        api_export_audit(r, &e);
    }
    search_free(&s);
    return status;
}
