/* relations.c - relations between devices (links of their records) and their attributes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

/* Links are kept under present ids; an earlier name of a device means it too. */
static sh_err present(struct api_req *r, struct sh_str name, struct sh_str *id)
{
    char now[SH_TWIN_MAX_ID];
    const size_t n = sh_twin_device_present(r->api->o.twin, r->tenant, name, now);
    *id = sh_arena_str(r->arena, sh_str_of(now, n));
    if (n == 0) {
        return SH_E_NOTFOUND;
    }
    return id->p == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err put_links(struct api_req *r, struct sh_str device, bool in)
{
    const struct sh_record_links_query q = {.tenant = r->tenant,
                                            .type = SH_TWIN_KIND_DEVICE,
                                            .id = device,
                                            .in = in,
                                            .relation = api_query(r, "relation")};
    struct sh_record_link *links = NULL;
    size_t n = 0;
    SH_TRY(sh_record_links(r->api->o.record, &q, r->arena, &links, &n));
    for (size_t i = 0; i < n; i++) {
        if (!api_sees(r, in ? links[i].from_id : links[i].to_id)) {
            continue;
        }
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "relation");
        sh_jw_str(&r->w, links[i].relation);
        sh_jw_key(&r->w, "device");
        sh_jw_str(&r->w, in ? links[i].from_id : links[i].to_id);
        sh_jw_key(&r->w, "direction");
        sh_jw_c(&r->w, in ? "in" : "out");
        sh_jw_obj_end(&r->w);
    }
    return SH_OK;
}

int api_relations_get(struct api_req *r)
{
    struct sh_str device;
    sh_err err = present(r, r->params[0], &device);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    err = err == SH_OK ? put_links(r, device, false) : err;
    err = err == SH_OK ? put_links(r, device, true) : err;
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static sh_err change(struct api_req *r, struct sh_str relation, struct sh_str to, bool add,
                     struct sh_diag *d)
{
    struct sh_str from;
    SH_TRY(present(r, r->params[0], &from));
    SH_TRY(present(r, to, &to));
    const struct sh_record_link l = {.from_type = SH_TWIN_KIND_DEVICE,
                                     .from_id = from,
                                     .relation = relation,
                                     .to_type = SH_TWIN_KIND_DEVICE,
                                     .to_id = to};
    struct sh_record_tx *tx = NULL;
    SH_TRY(sh_record_tx_new(r->api->o.record, api_author(r), &tx));
    sh_err err =
        add ? sh_record_tx_link(tx, r->tenant, &l) : sh_record_tx_unlink(tx, r->tenant, &l);
    if (err == SH_OK) {
        err = sh_record_tx_commit(tx, NULL, d);
    }
    sh_record_tx_free(tx);
    return err;
}

int api_relations_post(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_str relation = sh_json_get_str(r->body, "relation");
    const struct sh_str to = sh_json_get_str(r->body, "device");
    if (relation.n == 0 || to.n == 0) {
        return api_problem(r, 400, "bad_request", "relation and device are needed",
                           "需要 relation 和 device");
    }
    if (!api_sees(r, to)) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    const sh_err err = change(r, relation, to, true, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "device.related", r->params[0], "ok", sh_bytes_str(r->http->body));
    sh_jw_json(&r->w, r->body);
    return 201;
}

int api_relations_delete(struct api_req *r)
{
    struct sh_diag d = {0};
    if (!api_sees(r, r->params[2])) {
        return api_problem(r, 404, "not_found", "no such device", "设备不存在");
    }
    const sh_err err = change(r, r->params[1], r->params[2], false, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "device.unrelated", r->params[0], "ok", r->params[2]);
    return 204;
}

int api_attributes_get(struct api_req *r)
{
    if (!api_clear_device(r, SH_PERM_DEVICES_READ, r->params[0])) {
        if (!sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0])) {
            return api_error(r, SH_E_NOTFOUND, NULL);
        }
        sh_jw_obj(&r->w);
        sh_jw_key(&r->w, "desired");
        sh_jw_null(&r->w);
        sh_jw_key(&r->w, "reported");
        sh_jw_null(&r->w);
        api_put_masked(&r->w, sh_twin_class(r->api->o.twin, r->tenant, r->params[0], SH_STR("")));
        sh_jw_obj_end(&r->w);
        return 200;
    }
    const sh_err err = sh_twin_attributes_write(r->api->o.twin, r->tenant, r->params[0], &r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_attributes_patch(struct api_req *r)
{
    struct sh_diag d = {0};
    const sh_err err = sh_twin_attributes_merge(r->api->o.twin, r->tenant, r->params[0], true,
                                                r->body, api_author(r), &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "device.desired", r->params[0], "ok", sh_bytes_str(r->http->body));
    return api_attributes_get(r);
}
