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

static sh_err ask(struct api_req *r, enum sh_api_backup act, struct sh_str arg, struct sh_jw *w,
                  struct sh_diag *d)
{
    return r->api->o.seams.backups(r->api->o.seams.ctx, act, arg, api_author(r), w, d);
}

static int answer(struct api_req *r, int status)
{
    struct sh_diag d = {.line = 0};
    sh_jw_obj(&r->w);
    const sh_err err = ask(r, SH_API_BACKUP_LIST, SH_STR(""), &r->w, &d);
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
    const sh_err err = ask(r, SH_API_BACKUP_BEGIN, SH_STR(""), NULL, &d);
    if (err == SH_E_BUSY) {
        return api_problem(r, 409, "state", "a backup is being made already", "已有备份正在进行");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, "backup.begin", SH_STR("system:backup"), "ok", SH_STR(""));
    return answer(r, 202);
}

static int begin_remote(struct api_req *r, enum sh_api_backup act, struct sh_str id,
                        const char *audit)
{
    struct sh_diag d = {.line = 0};
    if (!may(r)) {
        return refuse(r);
    }
    const sh_err err = ask(r, act, id, NULL, &d);
    if (err == SH_E_BUSY) {
        return api_problem(r, 409, "state", "a backup or a copy is being made; end it or wait",
                           "备份或异地复制正在进行；请先取消或等待完成");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, audit, id.n == 0 ? SH_STR("system:backup") : id, "ok", SH_STR(""));
    return answer(r, 202);
}

int api_backups_copy(struct api_req *r)
{
    return begin_remote(r, SH_API_BACKUP_COPY, r->params[0], "backup.copy");
}

int api_backups_fetch(struct api_req *r)
{
    return begin_remote(r, SH_API_BACKUP_FETCH, r->params[0], "backup.fetch");
}

int api_backups_look(struct api_req *r)
{
    return begin_remote(r, SH_API_BACKUP_LOOK, SH_STR(""), "backup.look");
}

/* The id "running" is the one under way. */
int api_backups_delete(struct api_req *r)
{
    struct sh_diag d = {.line = 0};
    if (!may(r)) {
        return refuse(r);
    }
    const bool running = sh_str_eqc(r->params[0], "running");
    const sh_err err =
        ask(r, running ? SH_API_BACKUP_CANCEL : SH_API_BACKUP_REMOVE, r->params[0], NULL, &d);
    if (err == SH_E_BUSY) {
        return api_problem(r, 409, "state", "a backup is being made; end it or wait",
                           "备份正在进行；请先取消或等待完成");
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    api_audit(r, running ? "backup.cancel" : "backup.remove", r->params[0], "ok", SH_STR(""));
    return 204;
}
