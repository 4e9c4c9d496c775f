/* quarantine.c - from where a device is admitted, the mark of a clone, quarantine.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static int unknown(struct api_req *r)
{
    return api_problem(r, 404, "not_found", "no such device", "设备不存在");
}

static bool known(struct api_req *r)
{
    return sh_twin_device_known(r->api->o.twin, r->tenant, r->params[0]);
}

static int shown(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    sh_jw_obj(&r->w);
    const sh_err err = sh_guard_device_access_write(r->api->o.guard, &at, r->params[0], &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_device_access_get(struct api_req *r)
{
    return known(r) ? shown(r) : unknown(r);
}

/* The same in Chinese, with the entry that is meant. */
static int bad_list(struct api_req *r, const struct sh_diag *d)
{
    if (!r->chinese) {
        return api_problem_diag(r, 400, "bad_request", d);
    }
    const json_t *list = json_object_get(r->body, "allow");
    uint64_t i = 0;
    const struct sh_str path = sh_str_c(d->path);
    const size_t slash = sh_str_rfind(path, '/');
    const bool entry = json_is_array(list) && slash != SIZE_MAX && slash > 0 &&
                       sh_u64_parse(sh_str_sub(path, slash + 1, path.n), &i) == SH_OK;
    const json_t *v = entry ? json_array_get(list, (size_t)i) : NULL;
    struct sh_diag zh = *d;
    if (!entry) {
        sh_diag_set(&zh, "allow 须为地址或网段的列表；空列表表示不限地址。");
    } else {
        sh_diag_set(&zh, "第 %u 项“%.60s”无效，或超过 16 项。", (unsigned)i + 1,
                    json_is_string(v) ? json_string_value(v) : "");
        sh_diag_remedy(&zh, "格式：10.8.0.7、10.8.0.0/24、2001:db8::7、2001:db8::/64；网段的主机位"
                            "须为 0，最多 16 项。");
    }
    return api_problem_diag(r, 400, "bad_request", &zh);
}

int api_device_access_put(struct api_req *r)
{
    struct sh_diag d = {0};
    const struct sh_guard_at at = api_at(r);
    if (!known(r)) {
        return unknown(r);
    }
    const sh_err err = sh_guard_device_allow(r->api->o.guard, &at, r->params[0],
                                             json_object_get(r->body, "allow"), &d);
    if (err == SH_E_INVAL) {
        return bad_list(r, &d);
    }
    return err == SH_OK ? shown(r) : api_error(r, err, NULL);
}

int api_device_quarantine(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    if (!known(r)) {
        return unknown(r);
    }
    const sh_err err = sh_guard_device_quarantine(r->api->o.guard, &at, r->params[0],
                                                  sh_json_get_str(r->body, "reason"));
    if (err == SH_E_INVAL) {
        return api_problem(r, 400, "bad_request", "reason is one line of 1 to 200 bytes",
                           "reason 须为一行，1 至 200 字节");
    }
    if (err == SH_E_EXISTS) {
        return api_problem(r, 409, "state", "the device is in quarantine already",
                           "该设备已处于隔离状态");
    }
    return err == SH_OK ? shown(r) : api_error(r, err, NULL);
}

int api_device_release(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_device_release(r->api->o.guard, &at, r->params[0]);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "the device is not in quarantine",
                           "该设备未被隔离");
    }
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

int api_device_clone_dismiss(struct api_req *r)
{
    const struct sh_guard_at at = api_at(r);
    const sh_err err = sh_guard_device_clone_dismiss(r->api->o.guard, &at, r->params[0]);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "the device has no mark of a clone",
                           "该设备没有克隆标记");
    }
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}
