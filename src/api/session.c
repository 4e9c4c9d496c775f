/* session.c - signing in and out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

sh_err api_session_cookie(struct api_req *r, const struct sh_sign_in *s)
{
    struct sh_buf cookie;
    sh_buf_init(&cookie, r->api->env->alloc, 512);
    const int64_t left = s->expires_us - sh_wall_us(r->api->env->clock);
    const sh_err err =
        sh_session_cookie_put(&cookie, sh_str_c(s->token), left / 1000000, r->http->secure);
    if (err == SH_OK) {
        sh_http_header(r->http, "Set-Cookie", sh_buf_str(&cookie));
    }
    sh_buf_fini(&cookie);
    return err;
}

int api_signed_in(struct api_req *r, const struct sh_sign_in *s)
{
    sh_err err = api_session_cookie(r, s);
    sh_http_plain(r->http);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "token");
    sh_jw_c(&r->w, s->token);
    sh_jw_key(&r->w, "csrf");
    sh_jw_c(&r->w, s->csrf);
    sh_jw_key(&r->w, "expires");
    sh_jw_time(&r->w, s->expires_us);
    sh_jw_key(&r->w, "user");
    if (err == SH_OK) {
        err = sh_guard_write_user(r->api->o.guard, &s->who, &r->w);
    }
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 201 : api_error(r, err, NULL);
}

int api_sign_in_refused(struct api_req *r, sh_err err, const struct sh_sign_in *s)
{
    if (err == SH_E_DENIED && s->code_needed) {
        r->factors = s->code_possible && s->key_possible ? SH_STR("[\"totp\",\"key\"]")
                     : s->key_possible                   ? SH_STR("[\"key\"]")
                                                         : SH_STR("[\"totp\"]");
        return api_problem(r, 401, "code_needed", "a second factor is needed as well",
                           "还需要二次验证");
    }
    if (err == SH_E_DENIED) {
        return api_problem(r, 401, "bad_credentials", "no such user with this password or code",
                           "用户名、密码或验证码不正确");
    }
    if (err == SH_E_LIMIT) {
        char t[32];
        const int n =
            snprintf(t, sizeof t, "%lld", (long long)((s->retry_after_us + 999999) / 1000000));
        sh_http_header(r->http, "Retry-After", sh_str_of(t, (size_t)n));
        return api_problem(r, 429, "locked", "sign-in is locked for a while after failed attempts",
                           "多次登录失败，已暂时锁定");
    }
    return api_error(r, err, NULL);
}

struct sh_sign_in_ask api_sign_in_ask(struct api_req *r)
{
    return (struct sh_sign_in_ask){
        .user = sh_json_get_str(r->body, "user"),
        .password = sh_json_get_str(r->body, "password"),
        .code = sh_json_get_str(r->body, "code"),
        .key = api_assertion(r),
        .peer = api_peer(r),
        .agent = sh_http_field_of(r->http, "User-Agent"),
    };
}

int api_session_post(struct api_req *r)
{
    const struct sh_str user = sh_json_get_str(r->body, "user");
    const struct sh_str password = sh_json_get_str(r->body, "password");
    if (user.n == 0 || password.n == 0) {
        return api_problem(r, 400, "bad_request", "user and password are needed",
                           "需要 user 和 password");
    }
    return api_directory_sign_in(r);
}

int api_session_link(struct api_req *r)
{
    struct sh_sign_in s = {.retry_after_us = 0};
    const sh_err err =
        sh_guard_sign_in_link(r->api->o.guard, sh_json_get_str(r->body, "link"), api_peer(r), &s);
    return err == SH_OK ? api_signed_in(r, &s) : api_sign_in_refused(r, err, &s);
}

/* Up to which class of data one sees values, and what is to be drawn over a screen that shows some.
 */
static void put_classes(struct api_req *r)
{
    static const char *const words[] = {"off", "all", "important", "core"};
    const uint8_t from = sh_guard_watermark(r->api->o.guard);
    const uint8_t confirm = sh_guard_export_confirm(r->api->o.guard);
    sh_jw_key(&r->w, "clearance");
    sh_clearance_write(
        sh_guard_clearance(r->api->o.guard, &r->who, SH_PERM_HISTORY_READ, r->tenant), &r->w);
    sh_jw_key(&r->w, "export_confirm");
    sh_jw_c(&r->w, confirm == 0 ? "off" : sh_data_class_word(confirm));
    sh_jw_key(&r->w, "watermark");
    if (from == SH_CLASS_NONE) {
        sh_jw_null(&r->w);
        return;
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "from");
    sh_jw_c(&r->w, words[from <= SH_DATA_CLASSES ? from : 0]);
    sh_jw_key(&r->w, "text");
    sh_jw_str(&r->w, api_watermark(r, false));
    sh_jw_obj_end(&r->w);
}

int api_session_get(struct api_req *r)
{
    char csrf[SH_SECRET_CHARS] = "";
    int64_t expires = 0;
    struct sh_principal who;
    const bool session = r->session.n > 0 && sh_guard_by_session(r->api->o.guard, r->session, &who,
                                                                 csrf, &expires) == SH_OK;
    struct sh_principal_info info;
    const sh_err err = sh_guard_describe(r->api->o.guard, &r->who, &info);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_plain(r->http); /* the CSRF token */
    sh_jw_obj(&r->w);
    if (session) {
        sh_jw_key(&r->w, "csrf");
        sh_jw_c(&r->w, csrf);
        sh_jw_key(&r->w, "expires");
        sh_jw_time(&r->w, expires);
    }
    sh_jw_key(&r->w, "user");
    const sh_err uerr = sh_guard_write_user(r->api->o.guard, &r->who, &r->w);
    sh_jw_key(&r->w, "permissions");
    sh_guard_write_permissions(info.permissions, &r->w);
    sh_jw_key(&r->w, "in_part");
    sh_guard_write_permissions(info.in_part, &r->w);
    put_classes(r);
    const sh_err aerr = sh_guard_account_write(r->api->o.guard, &r->who, &r->w);
    SH_UNUSED(aerr); /* a token has no account */
    sh_jw_obj_end(&r->w);
    return uerr == SH_OK ? 200 : api_error(r, uerr, NULL);
}

int api_session_delete(struct api_req *r)
{
    struct sh_outside *there = api_sign_out_there(r); /* the session knows where */
    const sh_err err =
        r->session.n == 0 ? SH_E_NOTFOUND : sh_guard_sign_out(r->api->o.guard, r->session);
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        sh_outside_free(there);
        return api_error(r, err, NULL);
    }
    struct sh_buf cookie;
    sh_buf_init(&cookie, r->api->env->alloc, 512);
    if (sh_session_cookie_put(&cookie, SH_STR(""), 0, r->http->secure) == SH_OK) {
        sh_http_header(r->http, "Set-Cookie", sh_buf_str(&cookie));
    }
    sh_buf_fini(&cookie);
    return there == NULL ? 204 : api_sign_out_run(r, there);
}

int api_session_password(struct api_req *r)
{
    struct sh_diag d = {0};
    const sh_err err =
        sh_guard_change_password(r->api->o.guard, &r->who, sh_json_get_str(r->body, "old"),
                                 sh_json_get_str(r->body, "new"), r->session, api_peer(r), &d);
    if (err == SH_E_DENIED) {
        return api_problem(r, 403, "bad_credentials", "the old password is wrong", "旧密码错误");
    }
    if (err == SH_E_STATE) {
        return api_problem(r, 409, "password_elsewhere",
                           "this account has no password here: it is changed where it lives",
                           "此账户没有本地密码：请在统一认证或目录中修改");
    }
    return err == SH_OK ? 204 : api_error(r, err, &d);
}
