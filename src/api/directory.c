/* directory.c - passwords that a directory (LDAP) proves: signing in, confirming, what a security
 * key has to sign, trying a directory.
 *
 * The exchange is guard's and does no I/O. Here it gets its connection: a worker steps it, the
 * first loop connects, secures, sends and listens, and a worker goes on with what came. A request
 * waits meanwhile, and no thread does.
 * A line is one connection. It outlives its talk: states are open (s), lost (on_close came, or it
 * never opened) and released (the talk is over); it is freed when it is both. Only the loop touches
 * it, and it touches the talk only while `waiting`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/directory.h>
#include <sh/ldap.h>
#include <sh/tls.h>

#include "outbound.h"

struct line {
    struct sh_job job; /* its release */
    struct line *next;
    struct line **prev;
    struct api_outbound *o;
    struct talk *t;
    struct sh_connect *connect;
    struct sh_stream *s;
    bool securing; /* the stream is TLS's business */
    bool waiting;  /* the talk waits for it */
    bool lost;
    bool released;
    uint32_t unbind; /* id of the last message */
};

/* One request with its exchange; in the request's arena. */
struct talk {
    struct sh_job job;
    struct sh_timer timer;
    struct api_req *r;
    struct sh_directory *d;
    struct sh_directory_want want;
    struct sh_tls *tls;
    struct line *line;
    int (*finish)(struct api_req *r, struct sh_directory *d, sh_err err);
};

static void resume(void *ctx);
static void release(void *ctx);

/* ---- lines; on the loop ---- */

static void line_free(struct line *l)
{
    if (!l->lost || !l->released) {
        return;
    }
    *l->prev = l->next;
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
    sh_mem_free(l->o->api->env->alloc, l);
}

/* A worker goes on with what came. */
static void go_on(struct line *l)
{
    struct talk *t = l->t;
    l->waiting = false;
    sh_timer_stop(&t->timer);
    if (sh_workers_run(t->r->api->o.workers, resume, t) != SH_OK) {
        /* No worker takes it: the loop itself ends the request, and the line. */
        struct api_req *r = t->r;
        sh_directory_free(t->d);
        sh_tls_free(t->tls);
        l->job = (struct sh_job){.fn = release, .ctx = l};
        sh_loop_post_job(l->o->api->o.loop, &l->job);
        api_finish(r, api_problem(r, 503, "too_busy", "too many requests wait for a worker",
                                  "等待处理的请求过多"));
    }
}

static void tell(struct line *l, sh_err err, const char *why)
{
    if (l->waiting) {
        sh_directory_done(l->t->d, err, why);
        go_on(l);
    }
}

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct line *l = ctx;
    size_t used = 0;
    if (!l->waiting || l->t->want.act != SH_DIRECTORY_TALK) {
        return 0; /* kept, and bounded by the stream */
    }
    const sh_err err = sh_directory_hear(l->t->d, in, &used);
    if (err == SH_OK) {
        go_on(l);
    } else if (err != SH_E_AGAIN) {
        sh_stream_close(l->s, err);
        tell(l, err,
             err == SH_E_CLOSED  ? "the server ended the connection"
             : err == SH_E_LIMIT ? "the answer is too long"
                                 : "the server does not speak LDAP as it should");
    }
    return used;
}

static void on_close(void *ctx, sh_err reason)
{
    struct line *l = ctx;
    l->s = NULL;
    l->lost = true;
    SH_UNUSED(reason);
    tell(l, SH_E_CLOSED, "the connection ended before the answer came");
    line_free(l);
}

static const struct sh_stream_handler on_stream = {.on_bytes = on_bytes, .on_close = on_close};

static void on_open(void *ctx, struct sh_stream *s)
{
    struct line *l = ctx;
    l->connect = NULL;
    l->securing = false;
    if (l->released || !l->waiting) { /* it took too long */
        sh_stream_close(s, SH_E_CANCELED);
        l->lost = true;
        line_free(l);
        return;
    }
    l->s = s;
    sh_stream_start(s, &on_stream, l);
    tell(l, SH_OK, NULL);
}

static void on_fail(void *ctx, sh_err err, const char *why)
{
    struct line *l = ctx;
    l->connect = NULL;
    l->securing = false;
    l->lost = true;
    tell(l, err,
         err == SH_E_DENIED ? "the address is a private one that signin.allow does not have" : why);
    line_free(l);
}

static const struct sh_connect_handler on_connect = {.on_open = on_open, .on_fail = on_fail};

/* What is not open yet will not be. */
static void give_up(struct line *l)
{
    if (l->connect != NULL) {
        sh_connect_cancel(l->connect);
        l->connect = NULL;
        l->lost = true;
    }
    if (l->securing) {
        sh_tls_wrap_cancel(l->o->api->o.loop, l);
        l->securing = false;
        l->lost = true;
    }
}

/* Says good-bye. */
static void release(void *ctx)
{
    struct line *l = ctx;
    l->released = true;
    give_up(l);
    if (l->s != NULL) {
        struct sh_buf b;
        sh_buf_init(&b, l->o->api->env->alloc, 64);
        if (sh_ldap_unbind_put(&b, l->unbind) == SH_OK) {
            const sh_err err = sh_stream_write(l->s, sh_buf_bytes(&b));
            SH_UNUSED(err); /* it is over either way */
        }
        sh_buf_fini(&b);
        sh_stream_end(l->s);
    }
    line_free(l);
}

void api_lines_stop(struct api_outbound *o)
{
    struct line *next = NULL;
    for (struct line *l = o->lines; l != NULL; l = next) {
        next = l->next;
        give_up(l);
        if (l->s != NULL) {
            sh_stream_close(l->s, SH_E_CANCELED);
        }
        tell(l, SH_E_CANCELED, "the server stops");
        line_free(l);
    }
}

/* ---- what is wanted; on the loop ---- */

static void on_late(void *ctx)
{
    struct talk *t = ctx;
    struct line *l = t->line;
    if (l->s != NULL) {
        sh_stream_close(l->s, SH_E_TIMEOUT);
    }
    tell(l, SH_E_TIMEOUT, "the answer did not come in time");
}

static void connect_to(struct talk *t)
{
    struct api_outbound *o = t->r->api->outbound;
    const struct sh_connect_opts opts = {.host = t->want.host,
                                         .port = t->want.port,
                                         .tls = t->want.tls ? t->tls : NULL,
                                         .timeout_us = t->want.timeout_us,
                                         .allow = api_outbound_allowed,
                                         .allow_ctx = o,
                                         .stream = {.write_max = 1 << 16, .read_max = 1 << 19}};
    const sh_err err =
        sh_connect_start(o->api->o.loop, &opts, &on_connect, t->line, &t->line->connect);
    if (err != SH_OK) {
        t->line->lost = true;
        tell(t->line, err, "the connection was not begun");
    }
}

static void secure(struct talk *t)
{
    struct line *l = t->line;
    const struct sh_tls_wrap w = {.server_name = t->want.host,
                                  .timeout_us = t->want.timeout_us,
                                  .on_open = on_open,
                                  .on_fail = on_fail,
                                  .ctx = l};
    struct sh_stream *inner = l->s;
    l->s = NULL;
    l->securing = true;
    const sh_err err = sh_tls_wrap(t->tls, inner, &w);
    if (err != SH_OK) {
        l->securing = false;
        l->lost = true;
        tell(l, err, "not enough memory for TLS");
    }
}

static void talk_now(struct talk *t)
{
    struct line *l = t->line;
    sh_timer_init(&t->timer, on_late, t);
    sh_timer_set(t->r->api->o.loop, &t->timer, t->want.timeout_us);
    l->unbind++;
    const sh_err err = sh_stream_write(l->s, t->want.send);
    if (err != SH_OK) {
        tell(l, err, "the request could not be sent");
        return;
    }
    sh_stream_resume(l->s); /* what came before it was asked for */
}

/* A connection in place of the one before. NULL: no memory. */
static struct line *line_new(struct talk *t)
{
    struct api_outbound *o = t->r->api->outbound;
    struct line *l = sh_mem_new(o->api->env->alloc, sizeof *l);
    if (t->line != NULL) {
        release(t->line);
        t->line = NULL;
    }
    if (l == NULL) {
        return NULL;
    }
    l->o = o;
    l->t = t;
    l->next = o->lines;
    l->prev = &o->lines;
    if (l->next != NULL) {
        l->next->prev = &l->next;
    }
    o->lines = l;
    t->line = l;
    return l;
}

static void act(void *ctx)
{
    struct talk *t = ctx;
    const bool connects = t->want.act == SH_DIRECTORY_CONNECT;
    struct line *l = connects ? line_new(t) : t->line;
    if (l == NULL) { /* without a line there is nobody to tell: answer at once */
        struct api_req *r = t->r;
        sh_directory_free(t->d);
        sh_tls_free(t->tls);
        api_finish(r, api_error(r, SH_E_NOMEM, NULL));
        return;
    }
    l->waiting = true;
    if (atomic_load(&t->r->api->stopping)) {
        l->lost = l->lost || l->s == NULL;
        tell(l, SH_E_CANCELED, "the server stops");
    } else if (connects) {
        connect_to(t);
    } else if (l->s == NULL) {
        tell(l, SH_E_CLOSED, "the server ended the connection");
    } else if (t->want.act == SH_DIRECTORY_SECURE) {
        secure(t);
    } else {
        talk_now(t);
    }
}

/* ---- on a worker ---- */

/* Reading authorities takes milliseconds: not on the loop. */
static void need_tls(struct talk *t)
{
    const struct api_outbound *o = t->r->api->outbound;
    const bool needed =
        t->want.act == SH_DIRECTORY_SECURE || (t->want.act == SH_DIRECTORY_CONNECT && t->want.tls);
    if (!needed) {
        return;
    }
    struct sh_diag d = {.line = 0};
    const struct sh_tls_opts opts = {.ca_pem = t->want.ca.n > 0 ? t->want.ca : o->ca};
    sh_tls_free(t->tls);
    t->tls = NULL;
    if (sh_tls_client_new(t->r->api->env, &opts, &d, &t->tls) != SH_OK) {
        sh_log(t->r->api->env->log, SH_LOG_WARN, "api", "TLS to a directory: %s", d.message);
    }
}

/* Steps until it ends or the loop has something to do: then 0. */
static int advance(struct talk *t)
{
    sh_err err = SH_E_AGAIN;
    while ((err = sh_directory_step(t->d, &t->want)) == SH_E_AGAIN) {
        need_tls(t);
        if ((t->want.act == SH_DIRECTORY_SECURE || t->want.tls) && t->tls == NULL &&
            t->want.act != SH_DIRECTORY_TALK) {
            sh_directory_done(t->d, SH_E_PROTO, "the authority (ca) can not be read");
            continue;
        }
        t->job = (struct sh_job){.fn = act, .ctx = t};
        sh_loop_post_job(t->r->api->o.loop, &t->job);
        return 0;
    }
    const int status = t->finish(t->r, t->d, err);
    sh_directory_free(t->d);
    sh_tls_free(t->tls);
    if (t->line != NULL) {
        t->line->job = (struct sh_job){.fn = release, .ctx = t->line};
        sh_loop_post_job(t->r->api->o.loop, &t->line->job);
    }
    return status;
}

static void resume(void *ctx)
{
    struct talk *t = ctx;
    struct api_req *r = t->r;
    const int status = advance(t);
    if (status != 0) {
        api_finish(r, status);
    }
}

static int run(struct api_req *r, struct sh_directory *d,
               int (*finish)(struct api_req *r, struct sh_directory *d, sh_err err))
{
    struct talk *t = sh_arena_get(r->arena, sizeof *t);
    if (t == NULL) {
        sh_directory_free(d);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    *t = (struct talk){.r = r, .d = d, .finish = finish};
    return advance(t);
}

/* ---- answers ---- */

/* For somebody whose password the directory took. */
static int let_stay_out(struct api_req *r, const char *why)
{
    static const struct {
        const char *why;
        const char *english;
        const char *chinese;
    } rows[] = {
        {"not_linked", "nobody here is linked to this account of the directory",
         "该目录账号尚未与本平台人员关联"},
        {"disabled", "the account is disabled, here or in the directory",
         "账户已停用（本平台或目录中）"},
        {"password_expired", "the password has to be changed in the directory first",
         "请先在目录中修改密码"},
        {"no_role", "none of the directory's groups of this account has a role here",
         "该目录账号所在的组在本平台没有对应的角色"},
        {"administrator", "a directory may not give an administrator's powers",
         "目录不能授予管理员权限"},
        {"bad_name", "the directory gives no usable name", "目录没有给出可用的用户名"},
        {"name_taken", "somebody here has this name and is not linked to the directory",
         "同名人员已存在且未与目录关联"},
        {"full", "there is no room for more people", "人员数已达上限"},
        {"provider_off", "the directory was changed or disabled meanwhile", "目录刚被修改或停用"},
        {"other_person", "the directory's account is another person's, or the session has ended",
         "目录账号不属于当前人员，或会话已结束"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].why, why) == 0) {
            return api_problem(r, 403, "directory_refused", rows[i].english, rows[i].chinese);
        }
    }
    return api_problem(r, 403, "directory_refused", why, why);
}

static int refused(struct api_req *r, const struct sh_directory *d, sh_err err)
{
    if (err == SH_E_TIMEOUT) {
        sh_http_header(r->http, "Retry-After", SH_STR("5"));
        return api_problem(r, 503, "directory_down",
                           "no account here has this password, and the directory does not answer",
                           "本地没有使用此密码的账户，且目录服务没有应答");
    }
    if (err == SH_E_DENIED && sh_directory_why(d)[0] != '\0') {
        return let_stay_out(r, sh_directory_why(d));
    }
    return api_sign_in_refused(r, err, sh_directory_session(d));
}

static int signed_in(struct api_req *r, struct sh_directory *d, sh_err err)
{
    return err == SH_OK ? api_signed_in(r, sh_directory_session(d)) : refused(r, d, err);
}

static int confirmed(struct api_req *r, struct sh_directory *d, sh_err err)
{
    return err == SH_OK ? 204 : refused(r, d, err);
}

static int key_asked(struct api_req *r, struct sh_directory *d, sh_err err)
{
    if (err != SH_OK) {
        return refused(r, d, err);
    }
    sh_jw_obj(&r->w);
    err = sh_directory_key(d, r->http->host, &r->w);
    sh_jw_obj_end(&r->w);
    return api_key_asked(r, err, sh_directory_session(d));
}

static int tried(struct api_req *r, struct sh_directory *d, sh_err err)
{
    if (err != SH_OK) {
        return api_sign_in_refused(r, err, sh_directory_session(d));
    }
    sh_jw_obj(&r->w);
    sh_directory_tried(d, &r->w);
    sh_jw_key(&r->w, "code");
    sh_jw_null(&r->w);
    sh_jw_key(&r->w, "detail");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* ---- requests ---- */

static int start(struct api_req *r, enum sh_directory_purpose purpose,
                 int (*finish)(struct api_req *r, struct sh_directory *d, sh_err err))
{
    const struct sh_sign_in_ask ask = api_sign_in_ask(r);
    struct sh_directory *d = NULL;
    const sh_err err = sh_directory_start(r->api->o.guard, purpose, &ask, &d);
    return err == SH_OK ? run(r, d, finish) : api_error(r, err, NULL);
}

int api_directory_sign_in(struct api_req *r)
{
    return start(r, SH_DIRECTORY_SIGN_IN, signed_in);
}

int api_directory_key(struct api_req *r)
{
    return start(r, SH_DIRECTORY_KEY, key_asked);
}

int api_directory_confirm(struct api_req *r)
{
    const struct sh_sign_in_ask ask = api_sign_in_ask(r);
    struct sh_directory *d = NULL;
    const sh_err err = sh_directory_confirm(r->api->o.guard, &r->who, &ask, &d);
    return err == SH_OK        ? run(r, d, confirmed)
           : err == SH_E_STATE ? API_NOT_A_SESSION
                               : api_error(r, err, NULL);
}

int api_directory_try(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const struct sh_sign_in_ask ask = api_sign_in_ask(r);
    struct sh_directory *d = NULL;
    const sh_err err = sh_directory_try(r->api->o.guard, &at, r->params[0], &ask, &d);
    return err == SH_OK        ? run(r, d, tried)
           : err == SH_E_STATE ? API_NOT_A_DIRECTORY
                               : api_error(r, err, NULL);
}
