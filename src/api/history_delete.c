/* history_delete.c - deletion of samples; corrections and the list of both are in edits.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "history_ask.h"

static sh_err count_sink(void *ctx, const struct sh_history_rows *rows)
{
    *(uint64_t *)ctx += rows->n;
    return SH_OK;
}

static int delete_asked(struct asked *a)
{
    struct api_req *r = a->r;
    struct sh_str reason;
    int status = ask_points(a, json_object_get(r->body, "points"));
    status = status != 0 ? status : ask_range(a, r->body);
    status = status != 0 ? status : api_need_reason(r, &reason);
    if (status != 0) {
        return status;
    }
    uint64_t n = 0;
    struct sh_history_result res;
    a->q.points = a->ids; /* they are counted, not shown */
    sh_err err = sh_history_query(r->api->o.history, &a->q, count_sink, &n, &res);
    const struct api_edit e = {
        .edit = {.kind = SH_EDIT_DELETE,
                 .points = a->ids,
                 .npoints = (uint32_t)a->q.npoints,
                 .from_us = a->q.from_us,
                 .to_us = a->q.to_us,
                 .tenant = r->tenant},
        .points = a->ids,
        .npoints = a->q.npoints,
        .from_us = a->q.from_us,
        .to_us = a->q.to_us,
        .reason = reason,
    };
    uint64_t id = 0;
    err = err == SH_OK ? api_edit(r, &e, &id) : err;
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "history.deleted", a->names[0], "ok", reason);
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "deleted");
    sh_jw_u64(&r->w, n);
    sh_jw_key(&r->w, "edit");
    sh_jw_u64(&r->w, id);
    sh_jw_obj_end(&r->w);
    return 200;
}

int api_history_delete(struct api_req *r)
{
    struct asked *a = asked_new(r);
    if (a == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    const int status = delete_asked(a);
    asked_free(a);
    return status;
}
