/* map.c - where devices are, for the map: one by one, or gathered when they are too many.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/twin_map.h>

#include "api_int.h"

/* ---- tiles ---- */

static bool holds(struct sh_str s, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* What may stand in an address without changing the content policy that its origin goes into. */
static bool plain(struct sh_str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || strchr(more, c) == NULL)) {
            return false;
        }
    }
    return true;
}

bool sh_api_tiles_ok(struct sh_str template, struct sh_str *origin)
{
    static const char *const schemes[] = {"https://", "http://"};
    size_t host = 0;
    for (size_t i = 0; i < 2 && host == 0; i++) {
        const struct sh_str scheme = sh_str_c(schemes[i]);
        host = sh_str_starts(template, scheme) ? scheme.n : 0;
    }
    size_t end = host;
    while (end < template.n && template.p[end] != '/') {
        end++;
    }
    if (end == template.n || (host > 0 && end == host) || (host == 0 && end != 0) ||
        template.n > 500 || end > 250 || !plain(sh_str_sub(template, host, end), ".-:[]") ||
        !plain(sh_str_sub(template, end, template.n), "/.-_~%{}?=&,@:+") ||
        !holds(template, "{z}") || !holds(template, "{x}") || !holds(template, "{y}")) {
        return false;
    }
    if (origin != NULL) {
        *origin = sh_str_sub(template, 0, end);
    }
    return true;
}

void api_map_init(struct sh_api *a)
{
    struct sh_str origin = {NULL, 0};
    if (a->o.map_tiles.n == 0 || !sh_api_tiles_ok(a->o.map_tiles, &origin)) {
        return;
    }
    (void)snprintf(a->map_tiles, sizeof a->map_tiles, "%.*s", SH_PRI(a->o.map_tiles));
    (void)snprintf(a->map_origin, sizeof a->map_origin, "%.*s", SH_PRI(origin));
    (void)snprintf(a->map_datum, sizeof a->map_datum, "%.*s", SH_PRI(a->o.map_datum));
    (void)snprintf(a->map_credit, sizeof a->map_credit, "%.*s", SH_PRI(a->o.map_credit));
}

int api_map_settings(struct api_req *r)
{
    const struct sh_api *a = r->api;
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "tiles");
    sh_jw_c(&r->w, a->map_tiles);
    sh_jw_key(&r->w, "datum");
    sh_jw_c(&r->w, a->map_datum[0] == '\0' ? "wgs84" : a->map_datum);
    sh_jw_key(&r->w, "attribution");
    sh_jw_c(&r->w, a->map_credit);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* ---- devices ---- */

/* "west,south,east,north" in degrees. */
static bool box_asked(struct sh_str s, struct sh_twin_box *out)
{
    double v[4];
    for (size_t i = 0; i < 4; i++) {
        const struct sh_str part = sh_str_trim(sh_str_cut(s, ',', &s));
        if (part.n == 0 || sh_f64_parse(part, &v[i]) != SH_OK) {
            return false;
        }
    }
    *out = (struct sh_twin_box){v[0], v[1], v[2], v[3]};
    return s.n == 0 && v[0] >= -180 && v[0] <= 180 && v[2] >= -180 && v[2] <= 180 && v[1] >= -90 &&
           v[3] <= 90 && v[1] < v[3];
}

static void put_spots(struct api_req *r, const struct sh_twin_map *m)
{
    struct sh_jw *w = &r->w;
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    for (size_t i = 0; i < m->nspots; i++) {
        const struct sh_twin_spot *s = &m->spots[i];
        if (!api_sees(r, s->id)) {
            continue;
        }
        sh_jw_arr(w);
        sh_jw_str(w, s->id);
        sh_jw_str(w, s->name);
        sh_jw_f64(w, s->lat);
        sh_jw_f64(w, s->lon);
        sh_jw_c(w, sh_twin_state_name(s->state));
        sh_jw_arr_end(w);
    }
    sh_jw_arr_end(w);
}

static void put_clusters(struct sh_jw *w, const struct sh_twin_map *m)
{
    sh_jw_key(w, "clusters");
    sh_jw_arr(w);
    for (size_t i = 0; i < m->nclusters; i++) {
        const struct sh_twin_cluster *c = &m->clusters[i];
        sh_jw_arr(w);
        sh_jw_f64(w, c->lat);
        sh_jw_f64(w, c->lon);
        sh_jw_u64(w, c->online);
        sh_jw_u64(w, c->offline);
        sh_jw_u64(w, c->never);
        sh_jw_arr_end(w);
    }
    sh_jw_arr_end(w);
}

static void put_extent(struct sh_jw *w, const struct sh_twin_map *m)
{
    const double v[] = {m->extent.west, m->extent.south, m->extent.east, m->extent.north};
    sh_jw_key(w, "extent");
    if (m->placed == 0) {
        sh_jw_null(w);
        return;
    }
    sh_jw_arr(w);
    for (size_t i = 0; i < 4; i++) {
        sh_jw_f64(w, v[i]);
    }
    sh_jw_arr_end(w);
}

int api_devices_map(struct api_req *r)
{
    struct sh_diag d = {0};
    struct sh_twin_map m;
    struct sh_twin_box box;
    const struct sh_str asked = api_query(r, "box");
    const struct sh_twin_query q = api_device_filter(r);
    if (r->who.bound) {
        return api_problem(r, 403, "denied", "this token speaks for one device only",
                           "该令牌只代表一台设备");
    }
    if (asked.n > 0 && !box_asked(asked, &box)) {
        return api_problem(r, 400, "bad_request",
                           "box must be west,south,east,north in degrees (WGS-84)",
                           "box 须为“西,南,东,北”，单位为度（WGS-84）");
    }
    const sh_err err = sh_twin_map(r->api->o.twin, &q, asked.n > 0 ? &box : NULL,
                                   api_limit(r, SH_TWIN_SPOTS, SH_TWIN_SPOTS), r->arena, &m, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_jw_obj(&r->w);
    put_spots(r, &m);
    put_clusters(&r->w, &m);
    put_extent(&r->w, &m);
    sh_jw_key(&r->w, "total");
    sh_jw_u64(&r->w, m.total);
    sh_jw_key(&r->w, "placed");
    sh_jw_u64(&r->w, m.placed);
    sh_jw_key(&r->w, "within");
    sh_jw_u64(&r->w, m.within);
    sh_jw_obj_end(&r->w);
    return 200;
}
