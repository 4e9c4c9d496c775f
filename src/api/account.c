/* account.c - sessions, second factor, confirmation: of oneself and, for administrators, of others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static const struct sh_str own = {"", 0};

static int no_session(struct api_req *r)
{
    return api_problem(r, 409, "state", "this is a session's own business: sign in with a password",
                       "该操作只适用于登录会话：请用密码登录");
}

static int list(struct api_req *r, struct sh_str name)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_sessions_write(r->api->o.guard, &at, name, &r->w);
    sh_jw_arr_end(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : err == SH_E_STATE ? no_session(r) : api_error(r, err, NULL);
}

static int end(struct api_req *r, struct sh_str name, struct sh_str id)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_sessions_end(r->api->o.guard, &at, name, id);
    return err == SH_OK ? 204 : err == SH_E_STATE ? no_session(r) : api_error(r, err, NULL);
}

int api_sessions_list(struct api_req *r)
{
    return list(r, own);
}

int api_sessions_end(struct api_req *r)
{
    return end(r, own, SH_STR(""));
}

int api_session_end(struct api_req *r)
{
    return end(r, own, r->params[0]);
}

int api_person_sessions(struct api_req *r)
{
    return list(r, r->params[0]);
}

int api_person_sessions_end(struct api_req *r)
{
    return end(r, r->params[0], SH_STR(""));
}

int api_person_session_end(struct api_req *r)
{
    return end(r, r->params[0], r->params[1]);
}

int api_session_confirm(struct api_req *r)
{
    if (sh_json_get_str(r->body, "password").n == 0) {
        return api_problem(r, 400, "bad_request", "password is needed", "需要 password");
    }
    const int status = api_directory_confirm(r);
    return status == API_NOT_A_SESSION ? no_session(r) : status;
}

/* ---- one-time codes ---- */

int api_totp_begin(struct api_req *r)
{
    char secret[SH_TOTP_BASE32];
    struct sh_buf uri;
    sh_buf_init(&uri, r->api->env->alloc, 2048);
    const sh_err err = sh_guard_totp_begin(r->api->o.guard, &r->who, secret, &uri);
    if (err == SH_OK) {
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "secret");
        sh_jw_c(&r->w, secret);
        sh_jw_key(&r->w, "uri");
        sh_jw_str(&r->w, sh_buf_str(&uri));
        sh_jw_obj_end(&r->w);
    }
    sh_crypto_wipe(secret, sizeof secret);
    sh_buf_fini(&uri);
    if (err == SH_E_STATE) {
        return api_problem(r, 409, "state",
                           "one-time codes are in use already (or this is no sign-in session)",
                           "已启用动态验证码（或当前不是登录会话）");
    }
    return err == SH_OK ? 201 : api_error(r, err, NULL);
}

static int codes(struct api_req *r, sh_err err, const char *state_en, const char *state_zh)
{
    sh_jw_obj_end(&r->w);
    if (err == SH_E_STATE) {
        return api_problem(r, 409, "state", state_en, state_zh);
    }
    if (err == SH_E_DENIED) {
        return api_problem(r, 422, "bad_code",
                           "the code is wrong: are the clocks of phone and server right?",
                           "验证码不正确：请检查手机与服务器的时间是否准确");
    }
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_totp_enable(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "recovery_codes");
    const sh_err err =
        sh_guard_totp_enable(r->api->o.guard, &at, sh_json_get_str(r->body, "code"), &r->w);
    return codes(r, err, "begin anew: the secret is older than ten minutes or was never asked for",
                 "请重新开始：密钥已超过十分钟或尚未获取");
}

int api_recovery_new(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "recovery_codes");
    const sh_err err = sh_guard_recovery_new(r->api->o.guard, &at, &r->w);
    return codes(r, err, "there are no one-time codes", "尚未启用动态验证码");
}

static int factor_remove(struct api_req *r, struct sh_str name)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err = sh_guard_totp_remove(r->api->o.guard, &at, name, &d);
    return err == SH_OK ? 204 : err == SH_E_STATE ? no_session(r) : api_error(r, err, &d);
}

int api_totp_remove(struct api_req *r)
{
    return factor_remove(r, own);
}

int api_person_factor_remove(struct api_req *r)
{
    return factor_remove(r, r->params[0]);
}

/* ---- why one may ---- */

static int rights(struct api_req *r, struct sh_str name)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_rights_write(r->api->o.guard, &at, name, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : err == SH_E_STATE ? no_session(r) : api_error(r, err, NULL);
}

int api_rights_own(struct api_req *r)
{
    return rights(r, own);
}

int api_rights_person(struct api_req *r)
{
    return rights(r, r->params[0]);
}

/* ---- the three administrators ---- */

int api_administrators_get(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_separation_write(r->api->o.guard, &at, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_administrators_post(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err = sh_guard_separate(r->api->o.guard, &at, r->body, &d);
    return err == SH_OK ? 204 : api_error(r, err, &d);
}
