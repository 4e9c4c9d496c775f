/* authkeys.c - security keys and passkeys: what the browser's WebAuthn needs, and what it answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { PART_MAX = 4096 };

/* A base64url member; p NULL: absent, malformed or too long. In the arena. */
static struct sh_bytes part(struct api_req *r, const json_t *o, const char *name)
{
    struct sh_buf b;
    struct sh_bytes out = {NULL, 0};
    sh_buf_init(&b, r->api->env->alloc, PART_MAX);
    const struct sh_str text = sh_json_get_str(o, name);
    if (text.n > 0 && sh_base64_parse(text, true, &b) == SH_OK) {
        out = sh_str_bytes(sh_arena_str(r->arena, sh_buf_str(&b)));
    }
    sh_buf_fini(&b);
    return out;
}

const struct sh_guard_assertion *api_assertion(struct api_req *r)
{
    const json_t *o = json_object_get(r->body, "assertion");
    struct sh_guard_assertion *a = sh_arena_get(r->arena, sizeof *a);
    if (!json_is_object(o) || a == NULL) {
        return NULL;
    }
    *a = (struct sh_guard_assertion){.id = part(r, o, "id"),
                                     .client = part(r, o, "client_data"),
                                     .data = part(r, o, "authenticator_data"),
                                     .signature = part(r, o, "signature"),
                                     .host = r->http->host};
    return a;
}

static int refused(struct api_req *r, sh_err err)
{
    static const struct {
        sh_err err;
        int status;
        const char *code;
        const char *english;
        const char *chinese;
    } rows[] = {
        {SH_E_STATE, 409, "state", "this is no sign-in session", "当前不是登录会话"},
        {SH_E_LIMIT, 422, "limit", "there are four security keys already, or the name is too long",
         "安全密钥已有四个，或名称过长"},
        {SH_E_UNSUPPORTED, 422, "key_unsupported",
         "security keys need a host name, not an address, and a key of ES256, RS256 or EdDSA",
         "安全密钥需要主机名而不是 IP 地址；算法须为 ES256、RS256 或 EdDSA"},
        {SH_E_DENIED, 422, "bad_key", "the security key's answer does not belong to what was asked",
         "安全密钥的应答与请求不符"},
        {SH_E_PROTO, 422, "bad_key", "the security key's answer is malformed",
         "安全密钥的应答格式错误"},
        {SH_E_EXISTS, 409, "exists", "this security key is registered already", "该安全密钥已登记"},
        {SH_E_NOTFOUND, 404, "not_found", "no security key is registered for this address",
         "没有为该地址登记安全密钥"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].err == err) {
            return api_problem(r, rows[i].status, rows[i].code, rows[i].english, rows[i].chinese);
        }
    }
    return api_error(r, err, NULL);
}

int api_key_begin(struct api_req *r)
{
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_key_begin(r->api->o.guard, &r->who, r->http->host, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 201 : refused(r, err);
}

int api_key_add(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const struct sh_guard_key_made made = {.name = sh_json_get_str(r->body, "name"),
                                           .client = part(r, r->body, "client_data"),
                                           .attestation = part(r, r->body, "attestation"),
                                           .host = r->http->host};
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_key_add(r->api->o.guard, &at, &made, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : refused(r, err);
}

int api_key_remove(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_key_remove(r->api->o.guard, &at, r->params[0]);
    return err == SH_OK ? 204 : refused(r, err);
}

int api_key_asked(struct api_req *r, sh_err err, const struct sh_sign_in *s)
{
    if (err == SH_OK) {
        return 200;
    }
    return err == SH_E_NOTFOUND || err == SH_E_UNSUPPORTED ? refused(r, err)
                                                           : api_sign_in_refused(r, err, s);
}

int api_key_ask(struct api_req *r)
{
    if (sh_json_get_str(r->body, "user").n == 0 || sh_json_get_str(r->body, "password").n == 0) {
        return api_problem(r, 400, "bad_request", "user and password are needed",
                           "需要 user 和 password");
    }
    return api_directory_key(r);
}

int api_key_ask_own(struct api_req *r)
{
    const struct sh_sign_in_ask a = {.peer = api_peer(r)};
    struct sh_sign_in s;
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_key_ask(r->api->o.guard, &r->who, &a, r->http->host, &s, &r->w);
    sh_jw_obj_end(&r->w);
    return api_key_asked(r, err, &s);
}
