/* api.c - from a request on the loop to a handler and back.
 *
 * States of a request: on_request (loop) finds the route, who asks, the tenant and the permission;
 * then the handler runs - on the loop for API_F_LOOP, else on a worker - and returns a status, or 0
 * when it keeps the request (streams, ingest that waits for its commit); api_finish sends the
 * answer and frees the request, on whatever thread that is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static bool segment_is_param(struct sh_str pattern)
{
    return pattern.n > 2 && pattern.p[0] == '{' && pattern.p[pattern.n - 1] == '}';
}

/* Does the path fit the route? Parameters are kept encoded. */
static bool match_path(const char *pattern, struct sh_str path, struct sh_str *params)
{
    struct sh_str a = sh_str_c(pattern);
    struct sh_str b = path;
    struct sh_str pa;
    struct sh_str pb;
    size_t n = 0;
    for (;;) {
        const bool more_a = sh_url_segment_next(&a, &pa);
        const bool more_b = sh_url_segment_next(&b, &pb);
        if (!more_a || !more_b) {
            return more_a == more_b;
        }
        if (segment_is_param(pa)) {
            if (pb.n == 0 || n == API_MAX_PARAMS) {
                return false;
            }
            params[n++] = pb;
        } else if (!sh_str_eq(pa, pb)) {
            return false;
        }
    }
}

/* *other: the path exists with another method. */
static const struct api_route *find_route(enum sh_http_method method, struct sh_str path,
                                          struct sh_str *params, bool *other)
{
    *other = false;
    const enum sh_http_method want = method == SH_HTTP_HEAD ? SH_HTTP_GET : method;
    for (const struct api_route *rt = api_routes; rt->path != NULL; rt++) {
        struct sh_str p[API_MAX_PARAMS] = {{NULL, 0}};
        if (!match_path(rt->path, path, p)) {
            continue;
        }
        if (rt->method == want) {
            memcpy(params, p, sizeof p);
            return rt;
        }
        *other = true;
    }
    return NULL;
}

/* The path exists, but not with this method: RFC 9110 15.5.6 wants the Allow header. */
static int wrong_method(struct api_req *r)
{
    static const struct {
        enum sh_http_method method;
        const char *name;
    } names[] = {{SH_HTTP_GET, "GET, HEAD"},
                 {SH_HTTP_POST, "POST"},
                 {SH_HTTP_PUT, "PUT"},
                 {SH_HTTP_PATCH, "PATCH"},
                 {SH_HTTP_DELETE, "DELETE"}};
    struct sh_str allow = SH_STR("");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sh_str params[API_MAX_PARAMS];
        bool other = false;
        if (find_route(names[i].method, r->http->path, params, &other) != NULL) {
            allow = sh_arena_printf(r->arena, "%.*s%s%s", SH_PRI(allow), allow.n > 0 ? ", " : "",
                                    names[i].name);
        }
    }
    sh_http_header(r->http, "Allow", allow);
    return api_problem(r, 405, "method_not_allowed", "another method is needed", "请使用其他方法");
}

static sh_err decode_params(struct api_req *r)
{
    for (size_t i = 0; i < API_MAX_PARAMS && r->params[i].p != NULL; i++) {
        struct sh_buf b;
        sh_buf_init(&b, r->api->env->alloc, 4096);
        const sh_err err = sh_url_decode(r->params[i], &b);
        if (err == SH_OK) {
            r->params[i] = sh_arena_str(r->arena, sh_buf_str(&b));
        }
        sh_buf_fini(&b);
        SH_TRY(err);
        if (r->params[i].p == NULL) {
            return SH_E_NOMEM;
        }
    }
    return SH_OK;
}

/* ---- who asks ---- */

static bool unsafe_method(enum sh_http_method m)
{
    return m != SH_HTTP_GET && m != SH_HTTP_HEAD && m != SH_HTTP_OPTIONS;
}

bool api_origin_ok(const struct sh_http_req *h)
{
    const struct sh_str origin = sh_http_field_of(h, "Origin");
    if (origin.p == NULL) {
        return true;
    }
    const size_t at = sh_str_find(origin, '/');
    if (at == SIZE_MAX || at + 2 > origin.n) {
        return false;
    }
    return sh_str_ieq(sh_str_sub(origin, at + 2, origin.n), h->host);
}

/* Who it is could not be looked up: that is no answer to who it is. */
static bool unknown_now(sh_err err)
{
    return err == SH_E_NOMEM || err == SH_E_INTERNAL;
}

static int by_cookie(struct api_req *r)
{
    const struct sh_str token =
        sh_cookie_find(sh_http_field_of(r->http, "Cookie"), SH_STR(SH_SESSION_COOKIE));
    int64_t expires = 0;
    if (token.n == 0) {
        return 0;
    }
    const sh_err err = sh_guard_by_session(r->api->o.guard, token, &r->who, NULL, &expires);
    if (err != SH_OK) {
        return unknown_now(err) ? api_error(r, err, NULL) : 0;
    }
    r->session = sh_arena_str(r->arena, token);
    if (!api_origin_ok(r->http)) {
        return api_problem(r, 403, "bad_origin", "Origin does not name this host",
                           "Origin 与本机地址不符");
    }
    if (unsafe_method(r->http->method) &&
        !sh_guard_csrf_ok(r->api->o.guard, token, sh_http_field_of(r->http, "X-CSRF-Token"))) {
        return api_problem(r, 403, "csrf", "the header X-CSRF-Token does not belong to the session",
                           "X-CSRF-Token 与会话不符");
    }
    return 0;
}

int api_refused(struct api_req *r, enum sh_refusal why)
{
    struct sh_diag d = {0};
    r->who = (struct sh_principal){0};
    (void)atomic_fetch_add(&r->api->denied, 1);
    sh_guard_refusal(why, r->chinese, &d);
    static const char *const codes[] = {[SH_REFUSED_ADDRESS] = "address_refused",
                                        [SH_REFUSED_QUARANTINE] = "quarantined",
                                        [SH_REFUSED_ARCHIVED] = "archived"};
    return api_problem_diag(r, 403, codes[(size_t)why], &d);
}

/* What is bound to a device comes from where the device may: 0, or the status. From where a token
 * comes is kept. */
static int admitted(struct api_req *r)
{
    char peer[SH_ADDR_CHARS];
    if (!r->who.bound && r->who.kind != SH_PRINCIPAL_TOKEN) {
        return 0;
    }
    const size_t n = sh_addr_ip_print(&r->http->peer, peer);
    const bool est = sh_str_starts(r->http->path, SH_STR("/.well-known/est/"));
    const enum sh_refusal why =
        sh_guard_admits(r->api->o.guard, &r->who, sh_str_of(peer, n),
                        est                                     ? SH_DOOR_EST
                        : (r->route->flags & API_F_INGEST) != 0 ? SH_DOOR_INGEST
                                                                : SH_DOOR_OTHER);
    return why == SH_REFUSED_NOT ? 0 : api_refused(r, why);
}

static sh_err by_panel(struct api_req *r, struct sh_str token)
{
    char id[SH_DASHBOARD_ID_MAX + 1];
    SH_TRY(sh_guard_by_panel(r->api->o.guard, token, &r->who, id));
    r->panel = sh_arena_str(r->arena, sh_str_c(id));
    return r->panel.p == NULL ? SH_E_NOMEM : SH_OK;
}

static int authenticate(struct api_req *r)
{
    const struct sh_str field = sh_http_field_of(r->http, "Authorization");
    if (field.n == 0) {
        return by_cookie(r);
    }
    struct sh_auth_header h;
    struct sh_buf scratch;
    sh_buf_init(&scratch, r->api->env->alloc, SH_AUTH_MAX);
    sh_err err = sh_auth_header_parse(field, &scratch, &h);
    if (err == SH_OK && h.scheme == SH_AUTH_TOKEN) {
        err = sh_guard_by_token(r->api->o.guard, h.token, &r->who);
        err = err == SH_E_DENIED ? by_panel(r, h.token) : err;
        r->session = sh_arena_str(r->arena, h.token);
    } else if (err == SH_OK && h.scheme == SH_AUTH_BASIC) {
        err = h.password.n == 0 ? sh_guard_by_token(r->api->o.guard, h.user, &r->who)
                                : sh_guard_by_secret(r->api->o.guard, h.user, h.password, &r->who);
    }
    sh_buf_fini(&scratch);
    if (unknown_now(err)) {
        return api_error(r, err, NULL);
    }
    if (err != SH_OK && r->route->permission == API_PUBLIC) {
        return 401; /* does not matter: nothing is written */
    }
    if (err != SH_OK) {
        return api_problem(r, 401, "not_signed_in", "the token is unknown, expired or revoked",
                           "令牌不存在、已过期或已吊销");
    }
    return admitted(r);
}

static int choose_tenant(struct api_req *r)
{
    r->tenant = r->who.tenant;
    const struct sh_str path = api_query(r, "tenant");
    if (path.p == NULL || r->who.kind == SH_PRINCIPAL_NOBODY) {
        return 0;
    }
    uint32_t id = 0;
    if (sh_guard_tenant_find(r->api->o.guard, path, &id) != SH_OK ||
        !sh_guard_tenant_within(r->api->o.guard, id, r->who.tenant)) {
        return api_problem(r, 404, "not_found", "no such tenant below yours",
                           "您的租户之下没有该租户");
    }
    r->tenant = id;
    return 0;
}

/* Somebody who found an unlocked screen stops here. */
static int confirmed(struct api_req *r)
{
    if ((r->route->flags & API_F_CONFIRM) == 0 || sh_guard_confirmed(r->api->o.guard, &r->who)) {
        return 0;
    }
    return api_problem(r, 403, "confirm_needed", "this act needs the password once more",
                       "该操作需要再次确认密码");
}

static int of_node(struct api_req *r)
{
    if ((r->route->flags & API_F_NODE) == 0 || r->who.tenant == SH_TENANT_ROOT) {
        return confirmed(r);
    }
    return api_problem(r, 403, "denied", "this is about the whole node, which is the root tenant's",
                       "该接口涉及整个节点，仅限根租户");
}

/* A panel may come to few routes, for its own tenant; their handlers show what its dashboard does.
 */
static int permit_panel(struct api_req *r)
{
    if ((r->route->flags & API_F_PANEL) != 0 && r->tenant == r->who.tenant) {
        return 0;
    }
    (void)atomic_fetch_add(&r->api->denied, 1);
    return api_problem(r, 403, "denied", "this token shows one dashboard and nothing else",
                       "该令牌只能显示一个仪表板");
}

static int permit(struct api_req *r)
{
    const int p = r->route->permission;
    if (p == API_PUBLIC) {
        return 0;
    }
    if (r->who.kind == SH_PRINCIPAL_NOBODY || sh_guard_live(r->api->o.guard, &r->who) != SH_OK) {
        sh_http_header_c(r->http, "WWW-Authenticate", "Bearer");
        return api_problem(r, 401, "not_signed_in", "this route needs a session or a token",
                           "该接口需要会话或令牌");
    }
    if (r->who.panel) {
        return permit_panel(r);
    }
    if (p == API_SIGNED_IN) {
        return confirmed(r);
    }
    if (sh_guard_check(r->api->o.guard, &r->who, (enum sh_permission)p, r->tenant) == SH_OK) {
        return of_node(r);
    }
    if ((r->route->flags & API_F_PARTS) != 0) {
        const sh_err err = api_parts(r, (enum sh_permission)p, &r->parts);
        if (err == SH_OK) {
            return confirmed(r);
        }
        if (err != SH_E_DENIED) {
            return api_error(r, err, NULL);
        }
    }
    struct sh_diag d = {0};
    const enum sh_denial why = sh_guard_explain(r->api->o.guard, &r->who, (enum sh_permission)p,
                                                r->tenant, r->chinese, &d);
    (void)atomic_fetch_add(&r->api->denied, 1);
    const char *code = why == SH_DENIAL_PASSWORD ? "password_expired"
                       : why == SH_DENIAL_FACTOR ? "second_factor_missing"
                                                 : "denied";
    return api_problem_diag(r, why == SH_DENIAL_TENANT ? 404 : 403,
                            why == SH_DENIAL_TENANT ? "not_found" : code, &d);
}

/* ---- life of a request ---- */

static struct api_req *request_new(struct sh_api *a, struct sh_http_req *http)
{
    struct sh_arena *arena = sh_arena_new(a->env->alloc, API_ARENA);
    struct api_req *r = arena == NULL ? NULL : sh_arena_get(arena, sizeof *r);
    if (r == NULL) {
        sh_arena_free(arena);
        return NULL;
    }
    r->api = a;
    r->http = http;
    r->arena = arena;
    r->began_us = sh_mono_us(a->env->clock);
    r->rows = -1;
    const struct sh_str lang = sh_http_field_of(http, "Accept-Language");
    r->chinese = sh_str_starts(lang, SH_STR("zh"));
    sh_jw_init(&r->w, sh_http_body(http));
    http->app = r;
    return r;
}

static void request_free(struct api_req *r)
{
    json_decref(r->body);
    sh_arena_free(r->arena);
}

void api_finish(struct api_req *r, int status)
{
    struct sh_http_req *http = r->http;
    const sh_err written = sh_jw_end(&r->w);
    const bool whole = written == SH_OK;
    api_idem_end(r, whole ? status : 500);
    if (written == SH_E_NOMEM) {
        status = api_error(r, written, NULL);
    } else if (!whole) {
        status = api_problem(r, 413, "limit", "the answer is too long: ask for less",
                             "返回内容过长：请缩小范围");
    }
    if (status < 400 && status != 204 && sh_http_body(http)->n > 0 &&
        (r->route == NULL || (r->route->flags & API_F_OWN_TYPE) == 0)) {
        sh_http_header_c(http, "Content-Type", "application/json");
    }
    if (r->route == NULL || (r->route->flags & API_F_OWN_TYPE) == 0) {
        sh_http_header_c(http, "Cache-Control", "no-store");
    }
    sh_http_header_c(http, "X-Content-Type-Options", "nosniff");
    sh_http_status(http, status);
    api_slow_ended(r, status, (int64_t)sh_http_body(http)->n);
    request_free(r);
    sh_http_send(http);
}

void api_release(struct api_req *r)
{
    api_slow_ended(r, 200, -1);
    request_free(r);
}

void api_pull(struct api_req *r, const struct sh_http_pull *p)
{
    sh_http_header_c(r->http, "X-Content-Type-Options", "nosniff");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    sh_http_status(r->http, 200);
    sh_http_pull(r->http, p);
}

static int parse_body(struct api_req *r)
{
    if ((r->route->flags & API_F_RAW) != 0 || r->http->body.n == 0) {
        if (r->route->body != NULL && r->http->body.n == 0) {
            return api_problem(r, 400, "bad_json", "the body is empty", "请求正文为空");
        }
        return 0;
    }
    struct sh_diag d = {0};
    const sh_err err = sh_json_parse(sh_bytes_str(r->http->body), API_JSON_MAX, &r->body, &d);
    if (err == SH_E_NOMEM) {
        return api_error(r, err, NULL);
    }
    if (err != SH_OK) {
        return api_problem_diag(r, err == SH_E_LIMIT ? 413 : 400, "bad_json", &d);
    }
    if (!json_is_object(r->body) && !json_is_array(r->body)) {
        return api_problem(r, 400, "bad_json", "the body must be an object or an array",
                           "请求正文必须是对象或数组");
    }
    return 0;
}

static void run(void *ctx)
{
    struct api_req *r = ctx;
    int status = 0;
    r->run_us = sh_mono_us(r->api->env->clock);
    if (atomic_load(&r->api->stopping)) { /* it waited for a worker for too long */
        sh_http_header_c(r->http, "Retry-After", "1");
        status = api_problem(r, 503, "too_busy", "the server stops", "服务正在停止");
    }
    const bool panel =
        r->who.panel && (r->route->flags & (API_F_PANEL | API_F_LOOP)) == API_F_PANEL;
    status = status != 0 ? status : parse_body(r);
    status = status == 0 && panel ? api_panel_load(r) : status;
    status = status != 0 ? status : api_idem_begin(r);
    if (status == 0) {
        status = r->route->run(r);
        if (status == 0) {
            return; /* the handler keeps it */
        }
    }
    api_finish(r, status);
}

/* A principal that is bound to one device, or whose right is for a part of the plant: the other
 * devices do not exist for it. What takes or shows all of them at once is not for the first; for
 * the second its route has not API_F_PARTS. */
static int check_device(struct api_req *r)
{
    if ((!r->who.bound && r->parts == NULL) || r->route->permission < 0) {
        return 0;
    }
    const struct sh_str path = sh_str_c(r->route->path);
    if (sh_str_starts(path, SH_STR("/api/v1/devices/{id}")) && !api_sees(r, r->params[0])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    if (!r->who.bound) {
        return 0;
    }
    if (sh_str_eqc(path, "/api/v1/devices/import") || sh_str_eqc(path, "/api/v1/devices/export")) {
        return api_problem(r, 403, "denied", "this token speaks for one device only",
                           "该令牌只代表一台设备");
    }
    return 0;
}

static int route_request(struct api_req *r)
{
    bool other = false;
    r->route = find_route(r->http->method, r->http->path, r->params, &other);
    if (r->route == NULL) {
        const bool api = sh_str_starts(r->http->path, SH_STR("/api/"));
        if (!other && !api && (r->http->method == SH_HTTP_GET || r->http->method == SH_HTTP_HEAD)) {
            return api_static(r);
        }
        return other ? wrong_method(r)
                     : api_problem(r, 404, "unknown_route", "no route has this path",
                                   "没有这个路径的接口");
    }
    int status = api_query_read(r) == SH_OK ? 0 : api_error(r, SH_E_NOMEM, NULL);
    if (status != 0) {
        return status;
    }
    status = authenticate(r);
    if (status == 0 || (r->route->permission == API_PUBLIC && status == 401)) {
        status = choose_tenant(r);
    }
    if (status == 0) {
        status = permit(r);
    }
    const sh_err err = status == 0 ? decode_params(r) : SH_OK;
    if (err == SH_E_NOMEM) {
        status = api_error(r, err, NULL);
    } else if (err != SH_OK) {
        status = api_problem(r, 400, "bad_request", "the path is not valid", "路径无效");
    }
    return status == 0 ? check_device(r) : status;
}

static void on_request(void *ctx, struct sh_http_req *http)
{
    struct sh_api *a = ctx;
    (void)atomic_fetch_add_explicit(&a->requests, 1, memory_order_relaxed);
    struct api_req *r = request_new(a, http);
    if (r == NULL) {
        sh_http_respond(http, 503, "application/problem+json", sh_str_bytes(api_no_memory()));
        return;
    }
    const int status = route_request(r);
    if (status != 0) {
        api_finish(r, status);
        return;
    }
    if ((r->route->flags & API_F_LOOP) != 0) {
        run(r);
        return;
    }
    if (atomic_load(&a->stopping) || sh_workers_run(a->o.workers, run, r) != SH_OK) {
        sh_http_header_c(http, "Retry-After", "1");
        api_finish(r, api_problem(r, 503, "too_busy", "too many requests wait for a worker",
                                  "等待处理的请求过多"));
    }
}

static void on_headers(void *ctx, const struct sh_http_req *h, struct sh_http_plan *plan)
{
    SH_UNUSED(ctx);
    bool other = false;
    struct sh_str params[API_MAX_PARAMS];
    const struct api_route *rt = find_route(h->method, h->path, params, &other);
    plan->body_max = 64 << 10;
    if (rt != NULL) {
        plan->body_max = (rt->flags & API_F_INGEST) != 0 ? API_INGEST_MAX : API_JSON_MAX;
        plan->intake = (rt->flags & API_F_INTAKE) != 0;
    }
}

const struct sh_http_handler *sh_api_handler(void)
{
    static const struct sh_http_handler handler = {
        .on_headers = on_headers,
        .on_request = on_request,
    };
    return &handler;
}

/* ---- life of the API ---- */

static void every_second(void *ctx)
{
    struct sh_api *a = ctx;
    struct sh_gate_stats g;
    struct sh_journal_stats j;
    sh_gate_stats(a->o.gate, &g);
    sh_journal_stats(a->o.journal, &j);
    atomic_store(&a->samples_per_s, g.samples - a->last_samples);
    atomic_store(&a->commits_per_s, j.commits - a->last_commits);
    a->last_samples = g.samples;
    a->last_commits = j.commits;
    sh_timer_set(a->o.loop, &a->second, 1000000);
}

sh_err sh_api_new(const struct sh_api_options *o, struct sh_api **out)
{
    struct sh_api *a = sh_mem_new(o->env->alloc, sizeof *a);
    if (a == NULL) {
        return SH_E_NOMEM;
    }
    a->o = *o;
    a->o.file_bytes = o->file_bytes == 0 ? (uint64_t)API_FILE_BYTES : o->file_bytes;
    a->env = o->env;
    api_map_init(a);
    a->started_us = sh_wall_us(o->env->clock);
    sh_mutex_init(&a->lock);
    sh_mutex_init(&a->files_lock);
    sh_cond_init(&a->room);
    sh_err err = slow_new(a->env->alloc, &a->slow);
    if (err == SH_OK) {
        slow_set(a->slow, o->slow_us);
    }
    err = err == SH_OK ? api_streams_new(a, o->loop) : err;
    err = err == SH_OK ? api_outbound_new(a) : err;
    for (size_t i = 0; i < o->nothers && err == SH_OK; i++) {
        err = api_streams_new(a, o->others[i]);
    }
    if (err != SH_OK) {
        sh_api_free(a);
        return err;
    }
    sh_timer_init(&a->second, every_second, a);
    sh_timer_set(o->loop, &a->second, 1000000);
    *out = a;
    return SH_OK;
}

void sh_api_stop(struct sh_api *a)
{
    atomic_store(&a->stopping, true);
    sh_timer_stop(&a->second);
    api_streams_stop(a);
    api_outbound_stop(a);
    sh_api_drained(a);
}

void sh_api_free(struct sh_api *a)
{
    if (a == NULL) {
        return;
    }
    api_streams_free(a);
    api_outbound_free(a);
    for (size_t i = 0; i < API_DECODERS; i++) {
        sh_ingest_free(a->decoders[i].in);
    }
    slow_free(a->env->alloc, a->slow);
    sh_cond_fini(&a->room);
    sh_mutex_fini(&a->files_lock);
    sh_mutex_fini(&a->lock);
    sh_mem_free(a->env->alloc, a);
}

void sh_api_drained(struct sh_api *a)
{
    sh_mutex_lock(&a->lock);
    sh_cond_broadcast(&a->room);
    sh_mutex_unlock(&a->lock);
}

sh_err sh_api_openapi(const char *version, struct sh_buf *out)
{
    return api_openapi_write(version, out);
}
