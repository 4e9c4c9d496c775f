/* request.c - helpers of the handlers: parameters, times, cells, checks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

/* Decoded before anything is done: a parameter that were left out for lack of memory would make
 * another request of it. */
static sh_err decode(struct api_req *r, struct sh_str raw, struct sh_str *out)
{
    struct sh_buf b;
    sh_buf_init(&b, r->api->env->alloc, 1 << 20);
    const sh_err err = sh_url_query_decode(raw, &b);
    *out = err == SH_OK ? sh_arena_str(r->arena, sh_buf_str(&b)) : (struct sh_str){NULL, 0};
    sh_buf_fini(&b);
    return err == SH_E_NOMEM || (err == SH_OK && out->p == NULL) ? SH_E_NOMEM : SH_OK;
}

sh_err api_query_read(struct api_req *r)
{
    struct sh_str rest = r->http->query;
    struct sh_str name;
    struct sh_str value;
    size_t n = 0;
    while (sh_url_query_next(&rest, &name, &value)) {
        n++;
    }
    r->query = n == 0 ? NULL : sh_arena_array(r->arena, n, sizeof *r->query);
    if (r->query == NULL) {
        return n == 0 ? SH_OK : SH_E_NOMEM;
    }
    rest = r->http->query;
    while (r->nquery < n && sh_url_query_next(&rest, &name, &value)) {
        struct api_param *p = &r->query[r->nquery];
        SH_TRY(decode(r, name, &p->name));
        SH_TRY(decode(r, value, &p->value));
        r->nquery++;
    }
    return SH_OK;
}

struct sh_str api_query(struct api_req *r, const char *name)
{
    for (size_t i = 0; i < r->nquery; i++) {
        if (r->query[i].name.p != NULL && sh_str_eqc(r->query[i].name, name)) {
            return r->query[i].value;
        }
    }
    return (struct sh_str){NULL, 0};
}

uint32_t api_limit(struct api_req *r, uint32_t dflt, uint32_t max)
{
    uint64_t v = 0;
    const struct sh_str s = api_query(r, "limit");
    if (s.n == 0 || sh_u64_parse(s, &v) != SH_OK || v == 0) {
        return dflt;
    }
    return v > max ? max : (uint32_t)v;
}

bool api_if_match(const struct api_req *r, uint64_t *rev)
{
    struct sh_str s = sh_http_field_of(r->http, "If-Match");
    *rev = 0;
    if (s.p == NULL || sh_str_eqc(s, "*")) {
        return true;
    }
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"') {
        return false;
    }
    s = sh_str_sub(s, 1, s.n - 1);
    return sh_u64_parse(s, rev) == SH_OK && *rev != 0;
}

void api_etag(struct api_req *r, uint64_t rev)
{
    char t[32];
    const int n = snprintf(t, sizeof t, "\"%llu\"", (unsigned long long)rev);
    r->etag = sh_arena_str(r->arena, sh_str_of(t, (size_t)n));
    sh_http_header(r->http, "ETag", r->etag);
}

struct sh_str api_peer(struct api_req *r)
{
    char t[SH_ADDR_CHARS];
    const size_t n = sh_addr_ip_print(&r->http->peer, t);
    return sh_arena_str(r->arena, sh_str_of(t, n));
}

sh_err api_check(struct api_req *r, enum sh_permission p)
{
    return sh_guard_check(r->api->o.guard, &r->who, p, r->tenant);
}

struct sh_guard_at api_at(struct api_req *r)
{
    return (struct sh_guard_at){.by = &r->who, .tenant = r->tenant, .peer = api_peer(r)};
}

void api_audit(struct api_req *r, const char *act, struct sh_str object, const char *result,
               struct sh_str detail)
{
    const struct sh_audit a = {
        .by = &r->who,
        .tenant = r->tenant,
        .act = sh_str_c(act),
        .object = object,
        .result = sh_str_c(result),
        .detail = detail,
        .peer = api_peer(r),
    };
    const sh_err err = sh_guard_audit(r->api->o.guard, &a);
    if (err != SH_OK) {
        sh_log(r->api->env->log, SH_LOG_ERROR, "api", "audit entry %s was not written: %s", act,
               sh_err_name(err));
    }
}

bool api_time(const json_t *v, int64_t *us)
{
    if (json_is_integer(v)) {
        const json_int_t ms = json_integer_value(v);
        if (ms > INT64_MAX / 1000 || ms < INT64_MIN / 1000) {
            return false;
        }
        *us = (int64_t)ms * 1000;
        return true;
    }
    return json_is_string(v) &&
           sh_time_parse(sh_str_of(json_string_value(v), json_string_length(v)), us) == SH_OK;
}

bool api_time_form(struct sh_str s, enum api_time_form *out)
{
    *out = API_TIME_TEXT;
    if (s.n == 0 || sh_str_eqc(s, "rfc3339")) {
        return true;
    }
    if (sh_str_eqc(s, "ms")) {
        *out = API_TIME_MS;
        return true;
    }
    *out = API_TIME_US;
    return sh_str_eqc(s, "us");
}

void api_put_time(struct sh_jw *w, int64_t us, enum api_time_form f)
{
    if (f == API_TIME_TEXT) {
        sh_jw_time(w, us);
    } else if (f == API_TIME_US) {
        sh_jw_i64(w, us);
    } else {
        int64_t ms = us / 1000;
        ms -= us % 1000 < 0 ? 1 : 0; /* floor */
        sh_jw_i64(w, ms);
    }
}

static void put_blob(struct sh_jw *w, struct sh_bytes b)
{
    struct sh_buf t;
    sh_buf_init(&t, w->out->alloc, 2 * b.n + 8);
    const sh_err err = sh_base64_put(&t, b, false);
    if (err == SH_OK) {
        sh_jw_str(w, sh_buf_str(&t));
    } else if (w->err == SH_OK) {
        w->err = err;
    }
    sh_buf_fini(&t);
}

void api_put_cell(struct sh_jw *w, enum sh_type type, union sh_cell v, const uint8_t *bytes)
{
    switch (type) {
    case SH_T_BOOL:
        sh_jw_bool(w, v.bits != 0);
        break;
    case SH_T_I64:
        sh_jw_i64(w, v.i64);
        break;
    case SH_T_F64:
        sh_jw_f64(w, v.f64);
        break;
    case SH_T_TEXT:
        sh_jw_str(w, sh_str_of((const char *)bytes + v.span.off, v.span.len));
        break;
    case SH_T_BLOB:
        put_blob(w, sh_bytes_of(bytes + v.span.off, v.span.len));
        break;
    default:
        sh_jw_null(w);
        break;
    }
}

sh_err api_parts(struct api_req *r, enum sh_permission p, const struct sh_twin_parts **out)
{
    struct sh_parts parts;
    *out = NULL;
    SH_TRY(sh_guard_parts(r->api->o.guard, &r->who, p, r->tenant, &parts));
    if (parts.all) {
        return SH_OK;
    }
    struct sh_twin_parts *t = sh_arena_get(r->arena, sizeof *t);
    struct sh_twin_part *at = sh_arena_array(r->arena, parts.n, sizeof *at);
    if (t == NULL || at == NULL) {
        return SH_E_NOMEM;
    }
    for (uint32_t i = 0; i < parts.n; i++) {
        at[i].label = parts.at[i].label;
        at[i].text = sh_arena_str(r->arena, sh_str_c(parts.at[i].text));
        if (at[i].text.p == NULL) {
            return SH_E_NOMEM;
        }
    }
    *t = (struct sh_twin_parts){.at = at, .n = parts.n};
    *out = t;
    return SH_OK;
}

bool api_sees(struct api_req *r, struct sh_str device)
{
    if (r->who.panel) {
        return false; /* no device as a whole */
    }
    if (r->who.bound &&
        sh_guard_check_device(r->api->o.guard, &r->who, (enum sh_permission)r->route->permission,
                              r->tenant, device) != SH_OK) {
        return false;
    }
    return r->parts == NULL || sh_twin_device_within(r->api->o.twin, r->tenant, device, r->parts);
}

uint32_t api_point_seen(struct api_req *r, struct sh_str name)
{
    const uint32_t id = sh_points_resolve(r->api->o.points, r->tenant, name);
    if (id != 0 && !(r->who.panel ? api_shows_point(r->shown, id)
                                  : api_sees(r, sh_points_get(r->api->o.points, id)->device))) {
        return 0;
    }
    return id;
}

uint32_t api_point(struct api_req *r, struct sh_str name, int *status)
{
    const uint32_t id = api_point_seen(r, name);
    if (id == 0) {
        const struct sh_str en =
            sh_arena_printf(r->arena, "point '%.*s' does not exist", SH_PRI(name));
        const struct sh_str zh = sh_arena_printf(r->arena, "点位“%.*s”不存在", SH_PRI(name));
        *status = api_problem(r, 404, "unknown_point", en.p, zh.p);
    }
    return id;
}
