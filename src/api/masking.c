/* masking.c - values above the clearance of whoever reads: which they are, and what stands in their
 * place. It is decided for each point before anything is read, and a masked point is not read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

bool api_clear(struct api_req *r, enum sh_permission p, struct sh_data_class c,
               struct sh_str device)
{
    struct sh_guard *g = r->api->o.guard;
    if (sh_data_class_pair(c) == 0 ||
        sh_clearance_has(sh_guard_clearance(g, &r->who, p, r->tenant), c)) {
        return true;
    }
    return device.n > 0 && !r->who.panel &&
           sh_clearance_has(sh_guard_clearance_device(g, &r->who, p, r->tenant, device), c);
}

bool api_clear_point(struct api_req *r, enum sh_permission p, uint32_t id)
{
    const struct sh_data_class c = sh_points_class(r->api->o.points, id);
    if (sh_data_class_pair(c) == 0) {
        return true;
    }
    const struct sh_point *pt = sh_points_get(r->api->o.points, id);
    return api_clear(r, p, c, pt == NULL ? SH_STR("") : pt->device);
}

bool api_clear_device(struct api_req *r, enum sh_permission p, struct sh_str device)
{
    return api_clear(r, p, sh_twin_class(r->api->o.twin, r->tenant, device, SH_STR("")), device);
}

struct sh_data_class api_type_class(struct api_req *r, struct sh_str type)
{
    return sh_data_class_or(sh_record_type_class(r->api->o.record, r->tenant, type),
                            sh_twin_class_default(r->api->o.twin, r->tenant));
}

void api_put_masked(struct sh_jw *w, struct sh_data_class c)
{
    sh_data_class_write(c, w);
    sh_jw_key(w, "masked");
    sh_jw_bool(w, true);
}

int api_masked_problem(struct api_req *r)
{
    return api_problem(r, 403, "masked",
                       "this would tell what is above your clearance: such data is listed, but not "
                       "searched, filtered or sorted by",
                       "该数据的分类分级高于您的查看级别：只能列出，不能按其内容搜索、筛选或排序");
}

bool api_lowered(sh_err err, const struct sh_diag *d)
{
    return err == SH_E_STATE && d != NULL && strcmp(d->path, "/data_class") == 0;
}

int api_credential_allowed(struct api_req *r, struct sh_str device)
{
    bool clear = true;
    if (device.n > 0) {
        clear = api_clear(r, SH_PERM_DEVICES_READ,
                          sh_twin_class_highest(r->api->o.twin, r->tenant, device), device);
    } else {
        uint32_t n[SH_DATA_PAIRS];
        sh_points_class_counts(r->api->o.points, r->tenant, n);
        for (unsigned i = 1; i < SH_DATA_PAIRS; i++) {
            clear = clear && (n[i] == 0 || api_clear(r, SH_PERM_DEVICES_READ,
                                                     sh_data_class_of_pair(i), SH_STR("")));
        }
    }
    return clear ? 0
                 : api_problem(r, 403, "masked",
                               "with this credential one would hear data above your clearance",
                               "使用该凭证可读取高于您查看级别的数据");
}
