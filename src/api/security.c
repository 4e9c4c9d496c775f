/* security.c - the self check of the running node. It tells where a node is weak and reads what
 * belongs to all tenants, so only principals of the root tenant get it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

int api_security(struct api_req *r)
{
    if (r->who.tenant != SH_TENANT_ROOT || r->api->o.seams.security == NULL) {
        return api_problem(r, 403, "denied", "the self check is about the whole node",
                           "安全自查涉及整个节点，仅限根租户");
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
