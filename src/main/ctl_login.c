/* ctl_login.c - `songhua ctl login PROVIDER`: sign in by a certificate and its key file, and
 * `songhua ctl sign FILE`: sign a text with a key file, as the console shows one. What comes of a
 * sign-in is a session's token, for --token-file or SONGHUA_TOKEN.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/trust.h>

#include "ctl_int.h"

enum { FILE_MAX_BYTES = 65536 };

struct login {
    struct ctl *c;
    struct sh_str certificate; /* texts of files */
    struct sh_str chain;
    struct sh_str key;
    struct sh_str distid;
    struct sh_str code;
    struct sh_str out;
};

static int take_file(struct ctl *c, struct sh_str path, struct sh_str *text)
{
    struct sh_str read = {NULL, 0};
    const struct sh_str name = sh_arena_str(c->arena, path);
    if (sh_fs_read_all(c->env.fs, c->env.alloc, name.p, FILE_MAX_BYTES, &read) != SH_OK) {
        return ctl_usage(c, "the file can not be read:", "无法读取文件：", path);
    }
    *text = sh_arena_str(c->arena, read);
    sh_crypto_wipe((void *)(uintptr_t)read.p, read.n);
    sh_str_free(c->env.alloc, &read);
    return CTL_OK;
}

static int take_options(struct ctl *c, struct login *l)
{
    int code = CTL_OK;
    for (size_t i = 0; code == CTL_OK && i < c->noptions; i++) {
        const struct ctl_option *o = &c->options[i];
        if (sh_str_eqc(o->name, "certificate")) {
            code = take_file(c, o->value, &l->certificate);
        } else if (sh_str_eqc(o->name, "chain")) {
            code = take_file(c, o->value, &l->chain);
        } else if (sh_str_eqc(o->name, "private-key")) {
            code = take_file(c, o->value, &l->key);
        } else if (sh_str_eqc(o->name, "distid")) {
            l->distid = o->value;
        } else if (sh_str_eqc(o->name, "code")) {
            l->code = o->value;
        } else if (sh_str_eqc(o->name, "out")) {
            l->out = o->value;
        } else {
            code = ctl_usage(c, "unknown option", "未知选项", o->name);
        }
    }
    return code == CTL_OK && l->key.n == 0
               ? ctl_usage(c, "--private-key FILE is needed", "需要 --private-key 文件", SH_STR(""))
               : code;
}

/* base64 of the signature. */
static int sign(struct login *l, struct sh_str text, struct sh_str *out)
{
    struct ctl *c = l->c;
    struct sh_crypto *crypto = NULL;
    struct sh_buf sig;
    struct sh_buf b64;
    sh_buf_init(&sig, c->env.alloc, SH_TRUST_SIGNATURE_MAX);
    sh_buf_init(&b64, c->env.alloc, 2 * (size_t)SH_TRUST_SIGNATURE_MAX);
    sh_err err = sh_crypto_new(&c->env, &crypto);
    err = err == SH_OK ? sh_trust_sign(crypto, l->key, l->distid, sh_str_bytes(text), &sig) : err;
    err = err == SH_OK ? sh_base64_put(&b64, sh_buf_bytes(&sig), false) : err;
    if (err == SH_OK) {
        *out = sh_arena_str(c->arena, sh_buf_str(&b64));
    }
    sh_crypto_free(crypto);
    sh_buf_fini(&sig);
    sh_buf_fini(&b64);
    return err == SH_OK
               ? CTL_OK
               : ctl_usage(c,
                           "the key is no unlocked private key in PEM of SM2, P-256, "
                           "P-384 or RSA",
                           "密钥须为未加密的 PEM 私钥（SM2、P-256、P-384 或 RSA）", SH_STR(""));
}

int ctl_sign(struct ctl *c)
{
    struct login l = {.c = c};
    struct sh_str text = {NULL, 0};
    struct sh_str signature = {NULL, 0};
    if (c->nargs != 2) {
        return ctl_usage(c, "songhua ctl sign FILE --private-key KEY [--distid ID]",
                         "songhua ctl sign 文件 --private-key 私钥 [--distid 标识]", SH_STR(""));
    }
    int code = take_options(c, &l);
    const struct sh_str given = sh_str_eqc(c->args[1], "-")
                                    ? c->args[1]
                                    : sh_arena_printf(c->arena, "@%.*s", SH_PRI(c->args[1]));
    if (code == CTL_OK && ctl_body(c, given, &text) != SH_OK) {
        code = ctl_usage(c, "the file can not be read:", "无法读取文件：", c->args[1]);
    }
    code = code == CTL_OK ? sign(&l, text, &signature) : code;
    if (code == CTL_OK) {
        (void)printf("%.*s\n", SH_PRI(signature));
    }
    return code;
}

/* ---- login ---- */

static int post(struct ctl *c, struct sh_str path, json_t *body, struct ctl_answer *a)
{
    struct sh_buf text;
    struct sh_jw w;
    sh_buf_init(&text, c->env.alloc, CTL_BODY_MAX);
    sh_jw_init(&w, &text);
    sh_jw_json(&w, body);
    sh_err err = sh_jw_end(&w);
    err = err == SH_OK ? ctl_request(c, "POST", path, sh_buf_str(&text), false, a) : err;
    sh_buf_fini(&text);
    return err == SH_E_CLOSED ? CTL_UNREACHABLE : err == SH_OK ? CTL_OK : CTL_FAILED;
}

static bool put_member(json_t *o, const char *name, struct sh_str value)
{
    return value.n == 0 || json_object_set_new(o, name, json_stringn(value.p, value.n)) == 0;
}

/* A member of the answer; empty: it has none. */
static struct sh_str member(struct ctl *c, const struct ctl_answer *a, const char *name)
{
    json_t *o = NULL;
    struct sh_str found = {NULL, 0};
    if (sh_json_parse(sh_buf_str(&a->body), CTL_ANSWER_MAX, &o, NULL) == SH_OK) {
        found = sh_arena_str(c->arena, sh_json_get_str(o, name));
    }
    json_decref(o);
    return found;
}

static int refused(struct ctl *c, const struct ctl_answer *a)
{
    ctl_problem(c, a);
    return (int)ctl_exit_of(a->status);
}

static int answer(struct login *l, struct ctl_answer *a)
{
    struct ctl *c = l->c;
    struct sh_str signature = {NULL, 0};
    const struct sh_str text = member(c, a, "challenge");
    l->distid = l->distid.n == 0 ? member(c, a, "distid") : l->distid;
    int code = sign(l, text, &signature);
    json_t *body = json_object();
    const bool good = body != NULL && put_member(body, "certificate", l->certificate) &&
                      put_member(body, "chain", l->chain) &&
                      put_member(body, "signature", signature);
    code = code == CTL_OK && !good ? CTL_FAILED : code;
    code =
        code == CTL_OK
            ? post(c, sh_arena_printf(c->arena, "sign-in/%.*s/answer", SH_PRI(c->args[1])), body, a)
            : code;
    json_decref(body);
    if (code == CTL_OK && a->status == 401 && l->code.n > 0 &&
        sh_str_eqc(member(c, a, "code"), "code_needed")) {
        body = json_object();
        code = body != NULL && put_member(body, "code", l->code)
                   ? post(c, SH_STR("sign-in/code"), body, a)
                   : CTL_FAILED;
        json_decref(body);
    }
    return code == CTL_OK && a->status != 201 ? refused(c, a) : code;
}

static int keep(struct login *l, const struct ctl_answer *a)
{
    struct ctl *c = l->c;
    const struct sh_str token = member(c, a, "token");
    if (l->out.n == 0) {
        (void)printf("%.*s\n", SH_PRI(token));
        return CTL_OK;
    }
    const struct sh_str name = sh_arena_str(c->arena, l->out);
    const struct sh_str line = sh_arena_printf(c->arena, "%.*s\n", SH_PRI(token));
    return sh_fs_replace(c->env.fs, name.p, sh_str_bytes(line)) == SH_OK
               ? CTL_OK
               : ctl_usage(c, "the file can not be written:", "无法写入文件：", l->out);
}

int ctl_login(struct ctl *c, struct ctl_answer *a)
{
    struct login l = {.c = c};
    int code = take_options(c, &l);
    if (code == CTL_OK && (c->nargs != 2 || l.certificate.n == 0)) {
        return ctl_usage(c,
                         "songhua ctl login PROVIDER --certificate FILE --private-key FILE "
                         "[--chain FILE] [--code CODE] [--distid ID] [--out TOKEN-FILE]",
                         "songhua ctl login 认证源 --certificate 文件 --private-key 文件 [--chain "
                         "文件] [--code 验证码] [--distid 标识] [--out 令牌文件]",
                         SH_STR(""));
    }
    c->token = SH_STR("");
    c->key = SH_STR("");
    c->keeps_cookie = true;
    json_t *body = json_object();
    code = code == CTL_OK && body == NULL ? CTL_FAILED : code;
    code = code == CTL_OK
               ? post(c, sh_arena_printf(c->arena, "sign-in/%.*s/challenge", SH_PRI(c->args[1])),
                      body, a)
               : code;
    json_decref(body);
    code = code == CTL_OK && a->status != 201 ? refused(c, a) : code;
    code = code == CTL_OK ? answer(&l, a) : code;
    return code == CTL_OK ? keep(&l, a) : code;
}
