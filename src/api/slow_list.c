/* slow_list.c - requests and statements that took long: taken down when they end, and listed.
 * Whoever may read metrics of a tenant sees those of it and of the tenants below it; the question
 * itself is shown to who asked it and to who may read everything of all classes, since what one
 * searches for may tell what one must not see. SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"
#include "slow.h"

/* ---- taking down ---- */

static const char *method_name(enum sh_http_method m)
{
    switch (m) {
    case SH_HTTP_GET:
        return "GET";
    case SH_HTTP_POST:
        return "POST";
    case SH_HTTP_PUT:
        return "PUT";
    case SH_HTTP_PATCH:
        return "PATCH";
    case SH_HTTP_DELETE:
        return "DELETE";
    case SH_HTTP_OTHER:
    case SH_HTTP_HEAD:
    case SH_HTTP_OPTIONS:
    default:
        return "";
    }
}

/* As much of a text as there is room for. */
struct some {
    struct slow_entry *e;
    size_t n;
};

static int take_some(const char *p, size_t n, void *ctx)
{
    struct some *s = ctx;
    const size_t room = SLOW_TEXT - s->n;
    const size_t take = n < room ? n : room;
    memcpy(s->e->text + s->n, p, take);
    s->n += take;
    s->e->cut = n > room;
    return n > room ? -1 : 0; /* the rest is not made */
}

/* What was cut ends with a whole character. */
static void whole_characters(struct slow_entry *e, size_t n)
{
    size_t lead = n;
    while (e->cut && lead > 0 && ((uint8_t)e->text[lead - 1] & 0xc0) == 0x80) {
        lead--;
    }
    if (e->cut && lead > 0 && ((uint8_t)e->text[lead - 1] & 0x80) != 0) {
        n = lead - 1; /* a character that may be half there */
    }
    e->ntext = n;
}

static bool declared(const char *names, struct sh_str name)
{
    struct sh_str rest = names == NULL ? SH_STR("") : sh_str_c(names);
    while (rest.n > 0) {
        if (sh_str_eq(sh_str_cut(rest, ',', &rest), name)) {
            return true;
        }
    }
    return false;
}

static void put_query(const struct api_req *r, struct slow_entry *e)
{
    struct some s = {.e = e};
    for (size_t i = 0; i < r->nquery && !e->cut; i++) {
        const struct api_param *p = &r->query[i];
        if (p->value.p == NULL || !declared(r->route->query, p->name)) {
            continue;
        }
        const int full = (s.n > 0 && take_some("&", 1, &s) != 0) ||
                         take_some(p->name.p, p->name.n, &s) != 0 || take_some("=", 1, &s) != 0 ||
                         take_some(p->value.p, p->value.n, &s) != 0;
        e->cut = full != 0;
    }
    e->form = s.n > 0 ? SLOW_QUERY : SLOW_NOTHING;
    whole_characters(e, s.n);
}

static void put_question(const struct api_req *r, struct slow_entry *e)
{
    if (r->asked.n > 0) {
        slow_text(e, r->asked_form, r->asked);
    } else if ((r->route->flags & API_F_ASKS) != 0 && r->body != NULL) {
        struct some s = {.e = e};
        (void)json_dump_callback(r->body, take_some, &s, JSON_COMPACT);
        e->form = SLOW_JSON;
        whole_characters(e, s.n);
    } else if ((r->route->flags & API_F_ASKS) != 0) {
        put_query(r, e);
    }
}

static void keep(struct sh_api *a, struct slow_entry *e)
{
    struct sh_principal_info info;
    uint64_t unlogged = 0;
    if (e->by.kind != SH_PRINCIPAL_NOBODY &&
        sh_guard_describe(a->o.guard, &e->by, &info) == SH_OK) {
        memcpy(e->who, info.label, sizeof info.label);
    }
    e->tenant = e->tenant == SH_TENANT_NONE ? SH_TENANT_ROOT : e->tenant;
    slow_put(a->slow, e, &unlogged);
    if (unlogged > 0) {
        sh_log(a->env->log, SH_LOG_WARN, "api",
               "slow: %s %s took %lld ms (api.slow; %llu in all since the last line)", e->method,
               e->route, (long long)(e->took_us / 1000), (unsigned long long)unlogged);
    }
}

void api_slow_ended(struct api_req *r, int status, int64_t bytes)
{
    const int64_t now = sh_mono_us(r->api->env->clock);
    if (!slow_is(r->api->slow, now - r->began_us) || r->route == NULL) {
        return;
    }
    struct slow_entry e = {.time_us = sh_wall_us(r->api->env->clock),
                           .took_us = now - r->began_us,
                           .wait_us = r->run_us == 0 ? -1 : r->run_us - r->began_us,
                           .rows = r->rows,
                           .bytes = bytes,
                           .tenant = r->tenant,
                           .status = status,
                           .streamed = bytes < 0 || (r->route->flags & API_F_INTAKE) != 0,
                           .method = method_name(r->route->method),
                           .route = r->route->path,
                           .by = r->who};
    put_question(r, &e);
    keep(r->api, &e);
}

void sh_api_statement(struct sh_api *a, const struct sh_api_statement *s)
{
    if (!slow_is(a->slow, s->took_us)) {
        return;
    }
    struct slow_entry e = {.time_us = sh_wall_us(a->env->clock),
                           .took_us = s->took_us,
                           .wait_us = -1,
                           .rows = s->rows,
                           .bytes = -1,
                           .tenant = s->tenant,
                           .method = "SQL",
                           .route = "postgresql",
                           .by = s->by};
    slow_text(&e, SLOW_SQL, s->text);
    keep(a, &e);
}

void sh_api_set_slow(struct sh_api *a, int64_t over_us)
{
    slow_set(a->slow, over_us);
}

/* ---- asked ---- */

static bool sees(struct api_req *r, uint32_t tenant)
{
    struct sh_guard *g = r->api->o.guard;
    return sh_guard_tenant_within(g, tenant, r->tenant) &&
           sh_guard_check(g, &r->who, SH_PERM_METRICS_READ, tenant) == SH_OK;
}

/* Questions are about devices, points, history and records. */
static bool reads_text(struct api_req *r, const struct slow_entry *e)
{
    static const enum sh_permission kinds[] = {SH_PERM_HISTORY_READ, SH_PERM_POINTS_READ,
                                               SH_PERM_RECORDS_READ, SH_PERM_DEVICES_READ};
    if (e->by.kind == r->who.kind && e->by.slot == r->who.slot &&
        e->by.generation == r->who.generation) {
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (sh_guard_clearance(r->api->o.guard, &r->who, kinds[i], e->tenant) != SH_CLEARANCE_ALL) {
            return false;
        }
    }
    return true;
}

static void put_ms(struct sh_jw *w, const char *key, int64_t us)
{
    sh_jw_key(w, key);
    if (us < 0) {
        sh_jw_null(w);
    } else {
        sh_jw_f64(w, (double)us / 1000);
    }
}

static void put_count(struct sh_jw *w, const char *key, int64_t n)
{
    sh_jw_key(w, key);
    if (n < 0) {
        sh_jw_null(w);
    } else {
        sh_jw_i64(w, n);
    }
}

static void put_tenant_path(struct api_req *r, uint32_t tenant)
{
    char path[SH_TENANT_PATH_MAX + 1] = "";
    (void)!sh_guard_tenant_path(r->api->o.guard, tenant, path);
    sh_jw_key(&r->w, "tenant");
    sh_jw_c(&r->w, path);
}

static void put_entry(struct api_req *r, const struct slow_entry *e)
{
    static const char *const forms[] = {
        [SLOW_JSON] = "json", [SLOW_QUERY] = "query", [SLOW_SQL] = "sql", [SLOW_PROMQL] = "promql"};
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    put_count(w, "id", (int64_t)e->seq);
    sh_jw_key(w, "time");
    sh_jw_time(w, e->time_us);
    put_ms(w, "ms", e->took_us);
    put_ms(w, "waited_ms", e->wait_us);
    sh_jw_key(w, "method");
    sh_jw_c(w, e->method);
    sh_jw_key(w, "route");
    sh_jw_c(w, e->route);
    put_count(w, "status", e->status == 0 ? -1 : e->status);
    put_tenant_path(r, e->tenant);
    sh_jw_key(w, "who");
    sh_jw_c(w, e->who);
    put_count(w, "rows", e->rows);
    put_count(w, "bytes", e->bytes);
    sh_jw_key(w, "streamed");
    sh_jw_bool(w, e->streamed);
    if (e->form != SLOW_NOTHING && reads_text(r, e)) {
        sh_jw_key(w, "form");
        sh_jw_c(w, forms[(size_t)e->form]);
        sh_jw_key(w, "text");
        sh_jw_str(w, sh_str_of(e->text, e->ntext));
        sh_jw_key(w, "cut");
        sh_jw_bool(w, e->cut);
    } else if (e->form != SLOW_NOTHING) {
        sh_jw_key(w, "masked");
        sh_jw_bool(w, true);
    }
    sh_jw_obj_end(w);
}

/* By tenant and route, since the start and in the last quarter of an hour. */
static void put_routes(struct api_req *r, struct slow_row *row)
{
    struct sh_jw *w = &r->w;
    const int64_t now = sh_wall_us(r->api->env->clock);
    sh_jw_key(w, "routes");
    sh_jw_arr(w);
    for (size_t i = 0; slow_row_at(r->api->slow, i, row); i++) {
        int64_t worst = 0;
        if (!sees(r, row->tenant)) {
            continue;
        }
        const uint64_t lately = slow_lately(row, now, &worst);
        sh_jw_obj(w);
        sh_jw_key(w, "method");
        sh_jw_c(w, row->method);
        sh_jw_key(w, "route");
        sh_jw_c(w, row->route);
        put_tenant_path(r, row->tenant);
        put_count(w, "count", (int64_t)row->count);
        put_ms(w, "worst_ms", row->worst_us);
        put_count(w, "lately", (int64_t)lately);
        put_ms(w, "lately_worst_ms", worst);
        sh_jw_key(w, "last");
        sh_jw_time(w, row->last_us);
        sh_jw_obj_end(w);
    }
    sh_jw_arr_end(w);
}

static void put_items(struct api_req *r, uint64_t before, struct slow_entry *e)
{
    struct sh_jw *w = &r->w;
    uint32_t left = api_limit(r, 100, SLOW_KEPT);
    uint64_t next = 0;
    sh_jw_key(w, "items");
    sh_jw_arr(w);
    while (slow_at(r->api->slow, before, e) == SH_OK) {
        if (sees(r, e->tenant) && left == 0) {
            next = before; /* at least one more */
            break;
        }
        if (sees(r, e->tenant)) {
            put_entry(r, e);
            left--;
        }
        before = e->seq;
        if (before == 1) {
            break;
        }
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "next");
    if (next == 0) {
        sh_jw_null(w);
    } else {
        char text[24];
        sh_jw_str(w, sh_str_of(text, sh_u64_print(next, text)));
    }
}

int api_slow(struct api_req *r)
{
    const struct sh_str cursor = api_query(r, "cursor");
    uint64_t before = 0;
    if (r->who.bound) {
        return api_problem(r, 403, "denied", "this token speaks for one device only",
                           "该令牌只代表一台设备");
    }
    if (cursor.n > 0 && (sh_u64_parse(cursor, &before) != SH_OK || before == 0)) {
        return api_problem(r, 400, "bad_request", "cursor is not one of this list",
                           "cursor 不是本列表的游标");
    }
    struct slow_entry *e = sh_arena_get(r->arena, sizeof *e);
    struct slow_row *row = sh_arena_get(r->arena, sizeof *row);
    if (e == NULL || row == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    sh_jw_obj(&r->w);
    put_items(r, before, e);
    put_routes(r, row);
    put_ms(&r->w, "over_ms", slow_limit(r->api->slow));
    sh_jw_key(&r->w, "since");
    sh_jw_time(&r->w, r->api->started_us);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* Member "slow" of the overview: how many there were in the last quarter of an hour. */
void api_slow_overview(struct sh_api *a, uint32_t tenant, struct sh_jw *w)
{
    struct slow_row row;
    const int64_t now = sh_wall_us(a->env->clock);
    int64_t worst = 0;
    uint64_t n = 0;
    for (size_t i = 0; slow_row_at(a->slow, i, &row); i++) {
        int64_t one = 0;
        if (sh_guard_tenant_within(a->o.guard, row.tenant, tenant)) {
            n += slow_lately(&row, now, &one);
            worst = one > worst ? one : worst;
        }
    }
    sh_jw_key(w, "slow");
    sh_jw_obj(w);
    put_count(w, "count", (int64_t)n);
    put_ms(w, "worst_ms", worst);
    put_ms(w, "over_ms", slow_limit(a->slow));
    sh_jw_obj_end(w);
}
