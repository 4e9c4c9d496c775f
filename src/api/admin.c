/* admin.c - people, roles, tokens and tenants: thin over guard, which checks the
 * permission again, never grants what the caller lacks, and audits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dashboard.h"

static int list(struct api_req *r, enum sh_guard_noun noun)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_guard_page page = {
        .cursor = api_query(r, "cursor"),
        .find = api_query(r, "q"),
        .limit = api_limit(r, 50, 1000),
    };
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_guard_list(r->api->o.guard, &at, noun, &page, &r->w);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_c(&r->w, page.more ? page.next : NULL);
    sh_jw_key(&r->w, "total");
    sh_jw_u64(&r->w, page.total);
    sh_jw_obj_end(&r->w);
    return 200;
}

static int put(struct api_req *r, enum sh_guard_noun noun, struct sh_str name,
               enum sh_put_mode mode)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    uint64_t rev = 0;
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    const sh_err err =
        sh_guard_put(r->api->o.guard, &at, noun, name, r->body, mode, rev, &r->w, &d);
    return err == SH_OK ? (mode == SH_PUT_CREATE ? 201 : 200) : api_error(r, err, &d);
}

static int get(struct api_req *r, enum sh_guard_noun noun, struct sh_str name)
{
    const struct sh_guard_at at = api_at(r);
    uint64_t rev = 0;
    const sh_err err = sh_guard_get(r->api->o.guard, &at, noun, name, &r->w, &rev);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, rev);
    return 200;
}

static int del(struct api_req *r, enum sh_guard_noun noun, struct sh_str name)
{
    const struct sh_guard_at at = api_at(r);
    struct sh_diag d = {0};
    const sh_err err = sh_guard_delete(r->api->o.guard, &at, noun, name, &d);
    return err == SH_OK ? 204 : api_error(r, err, &d);
}

int api_people_list(struct api_req *r)
{
    return list(r, SH_GUARD_PEOPLE);
}

int api_people_post(struct api_req *r)
{
    return put(r, SH_GUARD_PEOPLE, sh_json_get_str(r->body, "name"), SH_PUT_CREATE);
}

int api_people_get(struct api_req *r)
{
    return get(r, SH_GUARD_PEOPLE, r->params[0]);
}

int api_people_put(struct api_req *r)
{
    return put(r, SH_GUARD_PEOPLE, r->params[0], SH_PUT_REPLACE);
}

int api_people_delete(struct api_req *r)
{
    return del(r, SH_GUARD_PEOPLE, r->params[0]);
}

int api_tokens_list(struct api_req *r)
{
    return list(r, SH_GUARD_TOKENS);
}

int api_tokens_post(struct api_req *r)
{
    const struct sh_str dashboard = sh_json_get_str(r->body, "dashboard");
    if (dashboard.n > 0) { /* whoever makes it sees that dashboard */
        struct sh_record_row row;
        json_t *doc = NULL;
        const int status = dashboard_find(r, dashboard, &row, &doc);
        json_decref(doc);
        if (status != 0) {
            return status;
        }
    }
    const struct sh_str device = sh_json_get_str(r->body, "device");
    const int status = device.n > 0 ? api_credential_allowed(r, device) : 0;
    if (status != 0) {
        return status;
    }
    return put(r, SH_GUARD_TOKENS, (struct sh_str){NULL, 0}, SH_PUT_CREATE);
}

int api_tokens_delete(struct api_req *r)
{
    return del(r, SH_GUARD_TOKENS, r->params[0]);
}

int api_roles_list(struct api_req *r)
{
    return list(r, SH_GUARD_ROLES);
}

int api_roles_put(struct api_req *r)
{
    return put(r, SH_GUARD_ROLES, r->params[0], SH_PUT_EITHER);
}

int api_roles_delete(struct api_req *r)
{
    return del(r, SH_GUARD_ROLES, r->params[0]);
}

int api_tenants_list(struct api_req *r)
{
    return list(r, SH_GUARD_TENANTS);
}

int api_tenants_post(struct api_req *r)
{
    return put(r, SH_GUARD_TENANTS, sh_json_get_str(r->body, "path"), SH_PUT_CREATE);
}

int api_tenants_get(struct api_req *r)
{
    return get(r, SH_GUARD_TENANTS, r->params[0]);
}

int api_tenants_put(struct api_req *r)
{
    return put(r, SH_GUARD_TENANTS, r->params[0], SH_PUT_REPLACE);
}
