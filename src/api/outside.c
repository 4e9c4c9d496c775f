/* outside.c - signing in by a provider of OpenID Connect: the doors, the browser's way there and
 * back, our second factor behind it, and the providers as administrators see them.
 *
 * The exchange is guard's and does no I/O. Here its fetches are made: the request is taken over,
 * the call runs on the first loop (where libcurl lives), and a worker goes on with what came. A
 * call that is under way when the server stops is cancelled, and its request answered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/cert_door.h>
#include <sh/directory.h>

#include "outbound.h"

enum { PER_SECOND = 5, BURST = 40, CALLS = 32, CALLS_PER_HOST = 4, ANSWER_MAX = 262144 };
#define CALL_US INT64_C(10000000)

/* One request with its exchange. */
struct call {
    struct sh_job job;
    struct call *next;
    struct call **prev;
    struct api_req *r;
    struct sh_outside *x;
    struct sh_outside_fetch fetch;
    struct sh_http_call *http;
    int (*finish)(struct api_req *r, struct sh_outside *x, sh_err err);
};

/* ---- fetching ---- */

bool api_outbound_allowed(void *ctx, const struct sh_addr *a)
{
    struct api_outbound *o = ctx;
    char text[SH_ADDR_CHARS];
    const size_t n = sh_addr_ip_print(a, text);
    sh_mutex_lock(&o->lock);
    const bool listed = sh_net_list_has(o->allow, sh_str_of(text, n));
    sh_mutex_unlock(&o->lock);
    return listed || !sh_addr_is_special(a);
}

sh_err api_outbound_new(struct sh_api *a)
{
    struct api_outbound *o = sh_mem_new(a->env->alloc, sizeof *o);
    if (o == NULL) {
        return SH_E_NOMEM;
    }
    const struct sh_http_client_opts opts = {.max_calls = CALLS,
                                             .max_per_host = CALLS_PER_HOST,
                                             .allow = api_outbound_allowed,
                                             .allow_ctx = o,
                                             .ca_pem = a->o.signin_ca};
    o->api = a;
    a->outbound = o;
    sh_mutex_init(&o->lock);
    o->url = sh_str_dup(a->env->alloc, a->o.signin_url);
    o->allow = sh_str_dup(a->env->alloc, a->o.signin_allow);
    o->ca = sh_str_dup(a->env->alloc, a->o.signin_ca);
    if (o->url.p == NULL || o->allow.p == NULL || o->ca.p == NULL) {
        return SH_E_NOMEM;
    }
    return sh_http_client_new(a->o.loop, &opts, &o->client);
}

sh_err sh_api_set_signin(struct sh_api *a, struct sh_str url, struct sh_str allow)
{
    struct api_outbound *o = a->outbound;
    struct sh_str new_url = sh_str_dup(a->env->alloc, url);
    struct sh_str new_allow = sh_str_dup(a->env->alloc, allow);
    if (new_url.p == NULL || new_allow.p == NULL) {
        sh_str_free(a->env->alloc, &new_url);
        sh_str_free(a->env->alloc, &new_allow);
        return SH_E_NOMEM;
    }
    sh_mutex_lock(&o->lock);
    const struct sh_str old_url = o->url;
    const struct sh_str old_allow = o->allow;
    o->url = new_url;
    o->allow = new_allow;
    sh_mutex_unlock(&o->lock);
    new_url = old_url;
    new_allow = old_allow;
    sh_str_free(a->env->alloc, &new_url);
    sh_str_free(a->env->alloc, &new_allow);
    return SH_OK;
}

static void unlink_call(struct call *c)
{
    *c->prev = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    c->prev = NULL;
    c->http = NULL;
}

static void resume(void *ctx);

/* Loop. A worker goes on with what came. */
static void go_on(struct call *c)
{
    struct sh_api *a = c->r->api;
    if (sh_workers_run(a->o.workers, resume, c) != SH_OK) {
        struct api_req *r = c->r;
        sh_outside_free(c->x);
        api_finish(r, api_problem(r, 503, "too_busy", "too many requests wait for a worker",
                                  "等待处理的请求过多"));
    }
}

static void fetched(void *ctx, const struct sh_http_result *res)
{
    struct call *c = ctx;
    unlink_call(c);
    sh_outside_fetched(c->x, res->err, res->why, res->status, res->body);
    go_on(c);
}

/* Loop. */
static void fetch(void *ctx)
{
    struct call *c = ctx;
    struct api_outbound *o = c->r->api->outbound;
    struct sh_http_field fields[3] = {{SH_STR("Accept"), SH_STR("application/json")}};
    size_t n = 1;
    if (c->fetch.authorization.n > 0) {
        fields[n] = (struct sh_http_field){SH_STR("Authorization"), c->fetch.authorization};
        n++;
    }
    if (c->fetch.form.n > 0) {
        fields[n] = (struct sh_http_field){SH_STR("Content-Type"),
                                           SH_STR("application/x-www-form-urlencoded")};
        n++;
    }
    const struct sh_http_call_opts opts = {.method = c->fetch.method,
                                           .url = c->fetch.url,
                                           .fields = fields,
                                           .nfields = n,
                                           .body = sh_str_bytes(c->fetch.form),
                                           .answer_max = ANSWER_MAX,
                                           .fresh = true, /* signin.allow may have changed */
                                           .timeout_us = CALL_US};
    const sh_err err = atomic_load(&c->r->api->stopping)
                           ? SH_E_CANCELED
                           : sh_http_client_call(o->client, &opts, fetched, c, &c->http);
    if (err != SH_OK) {
        sh_outside_fetched(c->x, err, "the call was not made", 0, sh_bytes_of(NULL, 0));
        go_on(c);
        return;
    }
    c->next = o->first;
    c->prev = &o->first;
    if (c->next != NULL) {
        c->next->prev = &c->next;
    }
    o->first = c;
}

void api_outbound_stop(struct sh_api *a)
{
    struct api_outbound *o = a->outbound;
    if (o != NULL) {
        api_lines_stop(o);
    }
    while (o != NULL && o->first != NULL) {
        struct call *c = o->first;
        sh_http_call_cancel(c->http);
        unlink_call(c);
        sh_outside_fetched(c->x, SH_E_CANCELED, "the server stops", 0, sh_bytes_of(NULL, 0));
        go_on(c);
    }
}

void api_outbound_free(struct sh_api *a)
{
    if (a->outbound != NULL) {
        sh_http_client_free(a->outbound->client);
        sh_str_free(a->env->alloc, &a->outbound->url);
        sh_str_free(a->env->alloc, &a->outbound->allow);
        sh_str_free(a->env->alloc, &a->outbound->ca);
        sh_mutex_fini(&a->outbound->lock);
        sh_mem_free(a->env->alloc, a->outbound);
        a->outbound = NULL;
    }
}

/* Worker. Steps until it ends or something is to be fetched: then 0. */
static int advance(struct call *c)
{
    const sh_err err = sh_outside_step(c->x, &c->fetch);
    if (err == SH_E_AGAIN) {
        c->job = (struct sh_job){.fn = fetch, .ctx = c};
        sh_loop_post_job(c->r->api->o.loop, &c->job);
        return 0;
    }
    const int status = c->finish(c->r, c->x, err);
    sh_outside_free(c->x);
    return status;
}

static void resume(void *ctx)
{
    struct call *c = ctx;
    struct api_req *r = c->r;
    const int status = advance(c);
    if (status != 0) {
        api_finish(r, status);
    }
}

static int run_exchange(struct api_req *r, struct sh_outside *x,
                        int (*finish)(struct api_req *r, struct sh_outside *x, sh_err err))
{
    struct call *c = sh_arena_get(r->arena, sizeof *c);
    if (c == NULL) {
        sh_outside_free(x);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    *c = (struct call){.r = r, .x = x, .finish = finish};
    return advance(c);
}

/* ---- the browser's way ---- */

struct sh_str api_outside_browser(const struct api_req *r)
{
    return sh_cookie_find(sh_http_field_of(r->http, "Cookie"), SH_STR(SH_OUTSIDE_COOKIE));
}

void api_outside_cookie(struct api_req *r, struct sh_str secret)
{
    struct sh_buf cookie;
    sh_buf_init(&cookie, r->api->env->alloc, 512);
    if (sh_outside_cookie_put(&cookie, secret, r->http->secure) == SH_OK) {
        sh_http_header(r->http, "Set-Cookie", sh_buf_str(&cookie));
    }
    sh_buf_fini(&cookie);
}

static int see_other(struct api_req *r, struct sh_str where)
{
    sh_http_header(r->http, "Location", where);
    sh_http_header_c(r->http, "Referrer-Policy", "no-referrer");
    return 303;
}

/* To the sign-in page, which says it in the person's language. Only words of ours and the id of the
 * route, percent-encoded as it came, stand behind the '#'. */
static int tell(struct api_req *r, const char *why, const struct sh_outside *x)
{
    const bool confirm = x != NULL && sh_outside_purpose(x) == SH_OUTSIDE_CONFIRM;
    return see_other(r,
                     sh_arena_printf(r->arena, "/#sign-in=%s%s", why, confirm ? "&confirm=1" : ""));
}

static int refused(struct api_req *r, const struct sh_outside *x, sh_err err)
{
    if (err != SH_E_DENIED) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "sign-in by a provider: %s", sh_err_name(err));
        return tell(r, "busy", x);
    }
    return tell(r, sh_outside_why(x), x);
}

static int begun(struct api_req *r, struct sh_outside *x, sh_err err)
{
    if (err != SH_OK) {
        return refused(r, x, err);
    }
    api_outside_cookie(r, sh_outside_browser(x));
    return see_other(r, sh_outside_location(x));
}

static int returned(struct api_req *r, struct sh_outside *x, sh_err err)
{
    const struct sh_sign_in *s = sh_outside_session(x);
    /* An answer that does not belong to this browser's sign-in leaves that as it was. */
    if (err == SH_OK || strcmp(sh_outside_why(x), "state") != 0) {
        api_outside_cookie(r, sh_outside_browser(x));
    }
    if (err != SH_OK) {
        return refused(r, x, err);
    }
    if (sh_outside_code_needed(x)) {
        return tell(r, "code", x);
    }
    if (s == NULL) {
        return tell(r, "confirmed", x);
    }
    const sh_err set = api_session_cookie(r, s);
    return set == SH_OK ? see_other(r, sh_outside_location(x)) : refused(r, x, set);
}

/* Where browsers reach us: as configured, else as this one did. */
struct sh_str api_site(struct api_req *r)
{
    struct api_outbound *o = r->api->outbound;
    sh_mutex_lock(&o->lock);
    const struct sh_str set = o->url.n == 0 ? o->url : sh_arena_str(r->arena, o->url);
    sh_mutex_unlock(&o->lock);
    return set.n > 0 ? set
                     : sh_arena_printf(r->arena, "%s://%.*s", r->http->secure ? "https" : "http",
                                       SH_PRI(r->http->host));
}

static struct sh_str doors_of(struct api_req *r)
{
    struct sh_str base = api_site(r);
    while (base.n > 0 && base.p[base.n - 1] == '/') {
        base.n--;
    }
    return sh_arena_printf(r->arena, "%.*s/api/v1/sign-in", SH_PRI(base));
}

static struct sh_str callback_of(struct api_req *r, struct sh_str id)
{
    return sh_arena_printf(r->arena, "%.*s/%.*s/callback", SH_PRI(doors_of(r)), SH_PRI(id));
}

int api_doors(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "providers");
    sh_jw_arr(&r->w);
    sh_guard_doors_write(r->api->o.guard, api_query(r, "tenant"), &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "directories");
    sh_jw_arr(&r->w);
    sh_guard_directories_write(r->api->o.guard, api_query(r, "tenant"), &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "certificates");
    sh_jw_arr(&r->w);
    sh_guard_cert_doors_write(r->api->o.guard, api_query(r, "tenant"), &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_door_start(struct api_req *r)
{
    const bool confirm = sh_str_eqc(api_query(r, "for"), "confirm");
    const struct sh_outside_ask ask = {.provider = r->params[0],
                                       .session = confirm ? r->session : SH_STR(""),
                                       .callback = callback_of(r, r->params[0]),
                                       .back = api_query(r, "back"),
                                       .peer = api_peer(r)};
    struct sh_outside *x = NULL;
    const int throttle = api_throttled(r, "sign-in start", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    const sh_err err = sh_outside_begin(
        r->api->o.guard, confirm ? SH_OUTSIDE_CONFIRM : SH_OUTSIDE_SIGN_IN, &ask, &x);
    return err == SH_OK ? run_exchange(r, x, begun) : api_error(r, err, NULL);
}

int api_door_return(struct api_req *r)
{
    const struct sh_outside_ask ask = {.provider = r->params[0],
                                       .browser = api_outside_browser(r),
                                       .code = api_query(r, "code"),
                                       .state = api_query(r, "state"),
                                       .issuer = api_query(r, "iss"),
                                       .error = api_query(r, "error"),
                                       .peer = api_peer(r),
                                       .agent = sh_http_field_of(r->http, "User-Agent")};
    struct sh_outside *x = NULL;
    const int throttle = api_throttled(r, "sign-in return", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    const sh_err err = sh_outside_return(r->api->o.guard, &ask, &x);
    return err == SH_OK ? run_exchange(r, x, returned) : api_error(r, err, NULL);
}

/* ---- the way out ---- */

struct sh_outside *api_sign_out_there(struct api_req *r)
{
    struct sh_outside *x = NULL;
    const struct sh_outside_ask ask = {.session = r->session, .callback = doors_of(r)};
    const sh_err err =
        r->session.n == 0 ? SH_E_NOTFOUND : sh_outside_sign_out(r->api->o.guard, &ask, &x);
    return err == SH_OK ? x : NULL; /* without memory too: the session ends here */
}

static int left(struct api_req *r, struct sh_outside *x, sh_err err)
{
    if (err != SH_OK) {
        if (strcmp(sh_outside_why(x), "no_sign_out") != 0) {
            sh_log(r->api->env->log, SH_LOG_WARN, "api",
                   "signing out at a provider: %s %s (signed out here)", sh_err_name(err),
                   sh_outside_detail(x));
        }
        return 204;
    }
    api_outside_cookie(r, sh_outside_browser(x));
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "sign_out");
    sh_jw_str(&r->w, sh_outside_location(x));
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_sign_out_run(struct api_req *r, struct sh_outside *x)
{
    return run_exchange(r, x, left);
}

int api_door_left(struct api_req *r)
{
    const struct sh_outside_ask ask = {.provider = r->params[0],
                                       .browser = api_outside_browser(r),
                                       .state = api_query(r, "state")};
    const int throttle = api_throttled(r, "sign-in return", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    if (!sh_guard_signed_out(r->api->o.guard, &ask)) {
        return see_other(r, SH_STR("/"));
    }
    api_outside_cookie(r, SH_STR(""));
    return tell(r, "signed_out", NULL);
}

/* ---- our second factor ---- */

static int over(struct api_req *r)
{
    return api_problem(r, 401, "sign_in_over", "no sign-in of this browser waits for a code",
                       "此浏览器没有等待验证码的登录");
}

int api_door_code(struct api_req *r)
{
    const struct sh_sign_in_ask ask = api_sign_in_ask(r);
    struct sh_sign_in s;
    bool confirmed = false;
    if (!api_origin_ok(r->http)) {
        return api_problem(r, 403, "bad_origin", "Origin does not name this host",
                           "Origin 与本机地址不符");
    }
    const sh_err err =
        sh_guard_outside_code(r->api->o.guard, api_outside_browser(r), &ask, &s, &confirmed);
    if (err == SH_E_NOTFOUND) {
        return over(r);
    }
    if (err != SH_OK) {
        return api_sign_in_refused(r, err, &s);
    }
    api_outside_cookie(r, SH_STR(""));
    return confirmed ? 204 : api_signed_in(r, &s);
}

int api_door_key(struct api_req *r)
{
    sh_jw_obj(&r->w);
    const sh_err err =
        sh_guard_outside_key(r->api->o.guard, api_outside_browser(r), r->http->host, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : err == SH_E_NOTFOUND ? over(r) : api_error(r, err, NULL);
}

/* ---- providers ---- */

int api_providers_list(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_providers_write(r->api->o.guard, &at, &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_key(&r->w, "signed_out"); /* likewise, for signing out there */
    sh_jw_str(&r->w, sh_arena_printf(r->arena, "%.*s/{id}/signed-out", SH_PRI(doors_of(r))));
    sh_jw_key(&r->w, "callback"); /* what is to be registered at a provider; {id} is its id here */
    sh_jw_str(&r->w, callback_of(r, SH_STR("{id}")));
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static int put(struct api_req *r, struct sh_str id, enum sh_put_mode mode)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    uint64_t rev = 0;
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    const sh_err err =
        sh_guard_provider_put(r->api->o.guard, &at, id, r->body, mode, rev, &r->w, &d);
    return err == SH_OK ? (mode == SH_PUT_CREATE ? 201 : 200) : api_error(r, err, &d);
}

int api_providers_post(struct api_req *r)
{
    return put(r, sh_json_get_str(r->body, "id"), SH_PUT_CREATE);
}

int api_providers_put(struct api_req *r)
{
    return put(r, r->params[0], SH_PUT_REPLACE);
}

int api_providers_get(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    uint64_t rev = 0;
    const sh_err err = sh_guard_provider_get(r->api->o.guard, &at, r->params[0], &r->w, &rev);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, rev);
    return 200;
}

int api_providers_delete(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err = sh_guard_provider_delete(r->api->o.guard, &at, r->params[0], &d);
    return err == SH_OK ? 204 : api_error(r, err, &d);
}

static int tried(struct api_req *r, struct sh_outside *x, sh_err err)
{
    if (err != SH_OK && err != SH_E_DENIED) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "good");
    sh_jw_bool(&r->w, err == SH_OK);
    sh_jw_key(&r->w, "code");
    sh_jw_c(&r->w, err == SH_OK ? NULL : sh_outside_why(x));
    sh_jw_key(&r->w, "detail");
    sh_jw_c(&r->w, err == SH_OK ? NULL : sh_outside_detail(x));
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_providers_try(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_outside *x = NULL;
    const int certificate = api_cert_try(r);
    if (certificate != API_NOT_A_CERTIFICATE) {
        return certificate;
    }
    const int directory = api_directory_try(r);
    if (directory != API_NOT_A_DIRECTORY) {
        return directory;
    }
    const sh_err err = sh_outside_try(r->api->o.guard, &at, r->params[0], &x);
    return err == SH_OK ? run_exchange(r, x, tried) : api_error(r, err, NULL);
}

/* ---- who somebody is there ---- */

int api_identities_list(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_identities_write(r->api->o.guard, &at, r->params[0], &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_identities_post(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err = sh_guard_identity_add(r->api->o.guard, &at, r->params[0], r->body, &d);
    return err == SH_OK ? 204 : api_error(r, err, &d);
}

int api_identities_delete(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err =
        sh_guard_identity_remove(r->api->o.guard, &at, r->params[0], r->params[1], &d);
    return err == SH_OK ? 204 : api_error(r, err, &d);
}
