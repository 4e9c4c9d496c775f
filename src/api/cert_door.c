/* cert_door.c - signing in by a certificate: the text to sign, the answer, binding one's own, and
 * trying a provider of that kind.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/cert_door.h>

#include "outbound.h"

enum { PER_SECOND = 5, BURST = 40 };

static sh_err ask_of(struct api_req *r, struct sh_cert_ask *ask)
{
    static const char *const words[] = {"sign-in", "confirm", "bind"};
    const struct sh_str what = sh_json_get_str(r->body, "for");
    *ask =
        (struct sh_cert_ask){.provider = r->params[0], .session = r->session, .site = api_site(r)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sh_str_eqc(what, words[i])) {
            ask->purpose = (enum sh_cert_purpose)i;
            return SH_OK;
        }
    }
    return what.n == 0 ? SH_OK : SH_E_INVAL;
}

static int not_here(struct api_req *r)
{
    return api_problem(r, 409, "state",
                       "who is signed in is not linked to this provider, or may not bind a "
                       "certificate there",
                       "当前人员未与该认证源关联，或该认证源不允许自行绑定证书");
}

int api_cert_ask(struct api_req *r)
{
    struct sh_cert_ask ask;
    struct sh_cert_challenge c;
    if (!api_origin_ok(r->http)) {
        return api_problem(r, 403, "bad_origin", "Origin does not name this host",
                           "Origin 与本机地址不符");
    }
    const int throttle = api_throttled(r, "sign-in challenge", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    if (ask_of(r, &ask) != SH_OK) {
        return api_problem(r, 400, "bad_request", "for is sign-in, confirm or bind",
                           "for 须为 sign-in、confirm 或 bind");
    }
    const sh_err err = sh_guard_cert_ask(r->api->o.guard, &ask, &c);
    if (err != SH_OK) {
        return err == SH_E_STATE ? not_here(r) : api_error(r, err, NULL);
    }
    api_outside_cookie(r, sh_str_c(c.browser));
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "challenge");
    sh_jw_c(&r->w, c.text);
    sh_jw_key(&r->w, "expires");
    sh_jw_time(&r->w, c.until_us);
    sh_jw_key(&r->w, "distid");
    sh_jw_c(&r->w, c.distid);
    sh_jw_obj_end(&r->w);
    return 201;
}

/* ---- the answer ---- */

/* What the one at the door is told. Which step of the proof failed is for the audit and for trying
 * the provider out. */
static int let_stay_out(struct api_req *r, const char *why)
{
    static const struct {
        const char *why;
        const char *english;
        const char *chinese;
    } rows[] = {
        {"certificate", "this is no certificate in PEM or base64",
         "这不是 PEM 或 base64 格式的证书"},
        {"signature", "the signature is not this certificate's over the text that was shown",
         "签名与所示质询文本及证书不符"},
        {"signature_form", "this is no signature in base64", "这不是 base64 编码的签名"},
        {"not_linked", "the certificate is good, and nobody here is linked to it",
         "证书有效，但尚未与本平台人员关联"},
        {"disabled", "the account is disabled", "账户已停用"},
        {"no_role", "none of the certificate's units has a role here",
         "证书所示部门在本平台没有对应的角色"},
        {"administrator", "a certificate may not give an administrator's powers by name",
         "不能仅凭证书中的名称取得管理员权限"},
        {"bad_name", "the certificate gives no usable name", "证书没有给出可用的用户名"},
        {"name_taken", "somebody here has this name and is not linked to the certificate",
         "同名人员已存在且未与该证书关联"},
        {"full", "there is no room for more people", "人员数已达上限"},
        {"provider_off", "the provider was changed or disabled meanwhile", "认证源刚被修改或停用"},
        {"second_missing", "the policy demands a second factor", "策略要求第二因素"},
        {"other_person", "the certificate is another person's, or the session has ended",
         "证书不属于当前人员，或会话已结束"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].why, why) == 0) {
            return api_problem(r, 403, "certificate_refused", rows[i].english, rows[i].chinese);
        }
    }
    return api_problem(r, 403, "certificate_refused", "the certificate is not accepted here",
                       "此处不接受该证书");
}

static struct sh_cert_answer answer_of(struct api_req *r, struct sh_str provider)
{
    return (struct sh_cert_answer){
        .provider = provider,
        .browser = api_outside_browser(r),
        .certificate = sh_json_get_str(r->body, "certificate"),
        .chain = sh_json_get_str(r->body, "chain"),
        .signature = sh_json_get_str(r->body, "signature"),
        .peer = api_peer(r),
        .agent = sh_http_field_of(r->http, "User-Agent"),
    };
}

static int refused(struct api_req *r, sh_err err, const struct sh_cert_result *res,
                   const struct sh_diag *d)
{
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 409, "challenge_over",
                           "no text of this browser waits for a signature",
                           "此浏览器没有等待签名的质询");
    }
    if (err == SH_E_AGAIN) {
        api_outside_cookie(r, sh_str_c(res->browser));
        return api_sign_in_refused(r, SH_E_DENIED, &res->session);
    }
    if (err == SH_E_DENIED) {
        return let_stay_out(r, res->why);
    }
    if (err == SH_E_LIMIT && res->session.retry_after_us > 0) {
        return api_sign_in_refused(r, err, &res->session);
    }
    return api_error(r, err, d);
}

int api_cert_answer(struct api_req *r)
{
    const struct sh_cert_answer answer = answer_of(r, r->params[0]);
    struct sh_cert_result res;
    if (!api_origin_ok(r->http)) {
        return api_problem(r, 403, "bad_origin", "Origin does not name this host",
                           "Origin 与本机地址不符");
    }
    const int throttle = api_throttled(r, "sign-in answer", PER_SECOND, BURST);
    if (throttle != 0) {
        return throttle;
    }
    const sh_err err = sh_guard_cert_answer(r->api->o.guard, &answer, &res);
    if (err != SH_OK) {
        return refused(r, err, &res, NULL);
    }
    api_outside_cookie(r, SH_STR(""));
    return res.purpose == SH_CERT_CONFIRM ? 204 : api_signed_in(r, &res.session);
}

int api_cert_bind(struct api_req *r)
{
    const struct sh_cert_answer answer = answer_of(r, r->params[0]);
    const struct sh_guard_at at = api_at(r);
    struct sh_cert_result res;
    struct sh_diag d = {.line = 0};
    const sh_err err = sh_guard_cert_bind(r->api->o.guard, &at, &answer, &res, &d);
    if (err != SH_OK) {
        return refused(r, err, &res, &d);
    }
    api_outside_cookie(r, SH_STR(""));
    return 204;
}

/* ---- trying ---- */

/* Steps speak the caller's language. */
static void put_steps(struct api_req *r, json_t *steps)
{
    for (size_t i = 0; r->chinese && i < json_array_size(steps); i++) {
        json_t *step = json_array_get(steps, i);
        const struct sh_str chinese =
            api_chinese(r->arena, r->api->env->alloc, sh_json_get_str(step, "detail"));
        (void)json_object_set_new(step, "detail", json_stringn(chinese.p, chinese.n));
    }
    sh_jw_json(&r->w, steps);
}

int api_cert_try(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const struct sh_cert_answer answer = answer_of(r, r->params[0]);
    json_t *got = NULL;
    const sh_err err =
        sh_guard_cert_try(r->api->o.guard, &at, &answer, sh_json_get_str(r->body, "message"), &got);
    if (err != SH_OK) {
        return err == SH_E_STATE ? API_NOT_A_CERTIFICATE : api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "good");
    sh_jw_bool(&r->w, sh_json_get_bool(got, "good", false));
    sh_jw_key(&r->w, "steps");
    put_steps(r, json_object_get(got, "steps"));
    sh_jw_key(&r->w, "found");
    sh_jw_json(&r->w, json_is_object(json_object_get(got, "found")) ? json_object_get(got, "found")
                                                                    : NULL);
    sh_jw_key(&r->w, "code");
    sh_jw_null(&r->w);
    sh_jw_key(&r->w, "detail");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    json_decref(got);
    return 200;
}
