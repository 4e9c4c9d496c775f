/* security.c - the self check of the running node. It tells where a node is weak and reads what
 * belongs to all tenants, so only principals of the root tenant get it.
 * And what the program is made of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

int api_security(struct api_req *r)
{
    if (r->api->o.seams.security == NULL) {
        return api_problem(r, 404, "not_found", "this node has no self check",
                           "本节点没有安全自查");
    }
    sh_jw_obj(&r->w);
    const sh_err err = r->api->o.seams.security(r->api->o.seams.ctx, &r->w);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* ---- keys ---- */

int api_keys_get(struct api_req *r)
{
    sh_jw_obj(&r->w);
    sh_guard_keys_write(r->api->o.guard, &r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_keys_rotate(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    uint32_t n = 0;
    const sh_err err = sh_guard_keys_rotate(r->api->o.guard, &at,
                                            sh_json_get_bool(r->body, "master", false), &n, &d);
    if (err == SH_E_UNSUPPORTED) {
        return api_problem(r, 409, "master_elsewhere",
                           "the master key is not in a file: make it anew where it is kept, then "
                           "run songhua keys move on the stopped node",
                           "主密钥不在文件中：请在其所在处更换，停机后运行 songhua keys move");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "resealed");
    sh_jw_u64(&r->w, n);
    sh_guard_keys_write(r->api->o.guard, &r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_keys_sheet(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    char code[SH_SHEET_CODE] = "";
    const sh_err err = sh_guard_sheet_new(r->api->o.guard, &at, code);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "code");
    sh_jw_c(&r->w, code);
    sh_guard_keys_write(r->api->o.guard, &r->w);
    sh_jw_obj_end(&r->w);
    sh_crypto_wipe(code, sizeof code);
    return 201;
}

int api_keys_sheet_remove(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_sheet_remove(r->api->o.guard, &at);
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

int api_sbom(struct api_req *r)
{
    const struct sh_env *env = r->api->env;
    struct sh_str text = {NULL, 0};
    sh_err err = r->api->o.sbom == NULL
                     ? SH_E_NOTFOUND
                     : sh_fs_read_all(env->fs, env->alloc, r->api->o.sbom, SH_API_SBOM_MAX, &text);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "this installation has no bill of materials",
                           "此安装不含软件物料清单");
    }
    struct sh_buf *out = sh_http_body(r->http);
    sh_buf_clear(out);
    err = err == SH_OK ? sh_buf_put_str(out, text) : err;
    sh_str_free(env->alloc, &text);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "application/vnd.cyclonedx+json; version=1.5");
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    return 200;
}
