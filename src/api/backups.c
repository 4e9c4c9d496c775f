/* backups.c - backups of the whole node: asked for, watched, ended, removed. They hold every
 * tenant's data, so only principals of the root tenant get here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

static int refuse(struct api_req *r)
{
    return api_problem(r, 403, "denied", "backups hold the data of all tenants",
                       "备份包含全部租户的数据");
}

static bool may(const struct api_req *r)
{
    return r->who.tenant == SH_TENANT_ROOT && r->api->o.seams.backups != NULL;
}

static sh_err ask_why(struct api_req *r, enum sh_api_backup act, struct sh_str id,
                      struct sh_str reason, struct sh_diag *d)
{
    const struct sh_api_backup_ask a = {
        .act = act, .id = id, .by = api_author(r), .reason = reason};
    return r->api->o.seams.backups(r->api->o.seams.ctx, &a, &r->w, d);
}

static sh_err ask(struct api_req *r, enum sh_api_backup act, struct sh_str id, struct sh_diag *d)
{
    return ask_why(r, act, id, SH_STR(""), d);
}

static int busy(struct api_req *r)
{
    return api_problem(r, 409, "state", "a backup, copy or restore is being made; end it or wait",
                       "备份、异地复制或恢复正在进行；请先取消或等待完成");
}

static int answer(struct api_req *r, int status)
{
    struct sh_diag d = {.line = 0};
    sh_jw_obj(&r->w);
    const sh_err err = ask(r, SH_API_BACKUP_LIST, SH_STR(""), &d);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? status : api_error(r, err, &d);
}

int api_backups_list(struct api_req *r)
{
    return may(r) ? answer(r, 200) : refuse(r);
}

int api_backups_post(struct api_req *r)
{
    struct sh_diag d = {.line = 0};
    if (!may(r)) {
        return refuse(r);
    }
    const sh_err err = ask(r, SH_API_BACKUP_BEGIN, SH_STR(""), &d);
    if (err == SH_E_BUSY) {
        return api_problem(r, 409, "state", "a backup is being made already", "已有备份正在进行");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "backup.begin", SH_STR("system:backup"), "ok", SH_STR(""));
    return answer(r, 202);
}

/* Begins what is done in the background: 202, or why not. */
static int begin(struct api_req *r, enum sh_api_backup act, struct sh_str id, struct sh_str reason,
                 const char *audit)
{
    struct sh_diag d = {.line = 0};
    if (!may(r)) {
        return refuse(r);
    }
    const sh_err err = ask_why(r, act, id, reason, &d);
    if (err == SH_E_BUSY) {
        return busy(r);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, audit, id.n == 0 ? SH_STR("system:backup") : id, "ok", reason);
    return answer(r, 202);
}

int api_backups_copy(struct api_req *r)
{
    return begin(r, SH_API_BACKUP_COPY, r->params[0], SH_STR(""), "backup.copy");
}

int api_backups_fetch(struct api_req *r)
{
    return begin(r, SH_API_BACKUP_FETCH, r->params[0], SH_STR(""), "backup.fetch");
}

int api_backups_look(struct api_req *r)
{
    return begin(r, SH_API_BACKUP_LOOK, SH_STR(""), SH_STR(""), "backup.look");
}

/* ---- the way back ---- */

/* The same with the reason that the body gives; who may not is told that first. */
static int begin_for(struct api_req *r, enum sh_api_backup act, const char *audit)
{
    struct sh_str reason = SH_STR("");
    const int status = may(r) ? api_need_reason(r, &reason) : 0;
    return status != 0 ? status : begin(r, act, r->params[0], reason, audit);
}

int api_backups_restore(struct api_req *r)
{
    return begin_for(r, SH_API_BACKUP_PREPARE, "restore.prepare");
}

/* Told first, then done: the audit that goes out of use says who put other data in its place. */
int api_backups_apply(struct api_req *r)
{
    struct sh_diag d = {.line = 0};
    const int status = begin_for(r, SH_API_BACKUP_APPLY, "restore.apply");
    if (status == 202) {
        SH_UNUSED(ask(r, SH_API_BACKUP_RESTART, SH_STR(""), &d));
    }
    return status;
}

/* ---- removing ---- */

/* What an id may be besides that of a backup. */
struct special {
    enum sh_api_backup act;
    const char *audit;
    bool accepted; /* done in the background */
};

static struct special special_of(struct sh_str id)
{
    if (sh_str_eqc(id, "running")) {
        return (struct special){SH_API_BACKUP_CANCEL, "backup.cancel", false};
    }
    if (sh_str_eqc(id, "prepared")) {
        return (struct special){SH_API_BACKUP_DISCARD, "restore.discard", true};
    }
    if (sh_str_starts(id, SH_STR("replaced-"))) {
        return (struct special){SH_API_BACKUP_DROP, "restore.drop", true};
    }
    return (struct special){SH_API_BACKUP_REMOVE, "backup.remove", false};
}

int api_backups_delete(struct api_req *r)
{
    struct sh_diag d = {.line = 0};
    if (!may(r)) {
        return refuse(r);
    }
    const struct special s = special_of(r->params[0]);
    const sh_err err = ask(r, s.act, r->params[0], &d);
    if (err == SH_E_BUSY) {
        return busy(r);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, s.audit, r->params[0], "ok", SH_STR(""));
    return s.accepted ? answer(r, 202) : 204;
}
