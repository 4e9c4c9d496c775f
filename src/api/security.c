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
