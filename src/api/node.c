/* node.c - the node itself, for who runs it: configuration as a transaction, log lines, how it
 * fares. Only principals of the root tenant get here. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "api_int.h"

enum { NOTE_MAX = 500, LINES_MAX = 500 };

/* ---- configuration ---- */

static bool may_change(void *ctx, bool security)
{
    struct api_req *r = ctx;
    return api_check(r, security ? SH_PERM_CONFIG_SECURITY : SH_PERM_CONFIG_WRITE) == SH_OK;
}

static struct sh_api_config_ask config_ask(struct api_req *r, enum sh_api_config act)
{
    return (struct sh_api_config_ask){.act = act,
                                      .by = api_author(r),
                                      .chinese = r->chinese,
                                      .revision = SH_RECORD_ANY,
                                      .may = may_change,
                                      .ctx = r};
}

static sh_err ask_config(struct api_req *r, const struct sh_api_config_ask *a, struct sh_jw *w)
{
    sh_jw_obj(w);
    const sh_err err = r->api->o.seams.config == NULL
                           ? SH_E_UNSUPPORTED
                           : r->api->o.seams.config(r->api->o.seams.ctx, a, w);
    sh_jw_obj_end(w);
    return err;
}

static int show(struct api_req *r)
{
    const struct sh_api_config_ask a = config_ask(r, SH_API_CONFIG_SHOW);
    const sh_err err = ask_config(r, &a, &r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_config(struct api_req *r)
{
    return show(r);
}

/* What a change may be: 0, or the status of the problem. */
static int read_change(struct api_req *r, struct sh_api_config_ask *a)
{
    const json_t *set = json_object_get(r->body, "set");
    a->set = set;
    a->note = sh_json_get_str(r->body, "note");
    if (!json_is_object(set) || json_object_size(set) == 0) {
        return api_problem(r, 400, "bad_request",
                           "set must be an object of configuration keys, each with its new value, "
                           "or null to take it back",
                           "set 应为由配置项及其新值组成的对象；值为 null 表示撤回控制台中的设置");
    }
    if (a->note.n > NOTE_MAX) {
        return api_problem(r, 400, "bad_request", "note is longer than 500 bytes",
                           "note 超过 500 字节");
    }
    return 0;
}

int api_config_check(struct api_req *r)
{
    struct sh_api_config_ask a = config_ask(r, SH_API_CONFIG_CHECK);
    const int status = read_change(r, &a);
    if (status != 0) {
        return status;
    }
    const sh_err err = ask_config(r, &a, &r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* The first thing that is wrong, in the words of the check. */
static int invalid(struct api_req *r, struct sh_str report)
{
    json_t *o = NULL;
    char text[600] = "";
    bool denied = false;
    if (sh_json_parse(report, report.n, &o, NULL) == SH_OK) {
        const json_t *errors = json_object_get(o, "errors");
        for (size_t i = 0; i < json_array_size(errors); i++) {
            const json_t *e = json_array_get(errors, i);
            const size_t n = strlen(text);
            denied = denied || sh_str_eqc(sh_json_get_str(e, "code"), "denied");
            (void)snprintf(text + n, sizeof text - n, "%s%.*s: %.*s", n == 0 ? "" : "; ",
                           SH_PRI(sh_json_get_str(e, "key")), SH_PRI(sh_json_get_str(e, "detail")));
        }
    }
    json_decref(o);
    return api_problem(r, denied ? 403 : 422, denied ? "denied" : "config_invalid", text, text);
}

/* Does what `a` says; audited with the differences. */
static int change(struct api_req *r, const struct sh_api_config_ask *a, const char *act)
{
    struct sh_buf b;
    struct sh_jw w;
    int status = 0;
    sh_buf_init(&b, r->api->env->alloc, 1 << 20);
    sh_jw_init(&w, &b);
    const sh_err err = ask_config(r, a, &w);
    const sh_err written = sh_jw_end(&w);
    if (err == SH_E_INVAL && written == SH_OK) {
        status = invalid(r, sh_buf_str(&b));
    } else if (err == SH_E_STATE) {
        status =
            api_problem(r, 409, "state",
                        "settings.console is false: this node takes no settings of the console",
                        "settings.console 为 false：本节点不采用控制台中的设置");
    } else if (err != SH_OK || written != SH_OK) {
        status = api_error(r, err != SH_OK ? err : written, NULL);
    } else {
        api_audit(r, act, SH_STR("system:config"), "ok", sh_buf_str(&b));
        status = show(r);
    }
    sh_buf_fini(&b);
    return status;
}

int api_config_patch(struct api_req *r)
{
    struct sh_api_config_ask a = config_ask(r, SH_API_CONFIG_CHANGE);
    const int status = read_change(r, &a);
    if (status != 0) {
        return status;
    }
    const int64_t revision = sh_json_get_i64(r->body, "revision", -1);
    a.revision = revision < 0 ? SH_RECORD_ANY : (uint64_t)revision;
    return change(r, &a, "config.changed");
}

int api_config_history(struct api_req *r)
{
    struct sh_api_config_ask a = config_ask(r, SH_API_CONFIG_HISTORY);
    const struct sh_str cursor = api_query(r, "cursor");
    a.limit = api_limit(r, 50, 200);
    if (cursor.n > 0 && sh_u64_parse(cursor, &a.to) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not one of this list",
                           "cursor 不是本列表的游标");
    }
    const sh_err err = ask_config(r, &a, &r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* With "check": only what it would change. */
int api_config_rollback(struct api_req *r)
{
    const bool check = sh_json_get_bool(r->body, "check", false);
    const int64_t to = sh_json_get_i64(r->body, "revision", -1);
    struct sh_api_config_ask a =
        config_ask(r, check ? SH_API_CONFIG_ROLLBACK_CHECK : SH_API_CONFIG_ROLLBACK);
    a.note = sh_json_get_str(r->body, "note");
    if (to < 0 || a.note.n > NOTE_MAX) {
        return api_problem(
            r, 400, "bad_request",
            "revision must be a number of GET config/changes, or 0 for no settings "
            "at all; note at most 500 bytes",
            "revision 应为 GET config/changes 中的修订号，0 表示清除控制台中的全部设置；"
            "note 不超过 500 字节");
    }
    a.to = (uint64_t)to;
    if (!check) {
        return change(r, &a, "config.rolled_back");
    }
    const sh_err err = ask_config(r, &a, &r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- log lines ---- */

int api_logs(struct api_req *r)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const struct sh_str level = api_query(r, "level");
    const struct sh_str before = api_query(r, "cursor");
    const struct sh_str after = api_query(r, "after");
    struct sh_api_logs_ask a = {.module = api_query(r, "module"),
                                .find = api_query(r, "q"),
                                .limit = api_limit(r, 200, LINES_MAX)};
    if (r->api->o.seams.logs == NULL) {
        return api_problem(r, 404, "not_found", "this node keeps no log lines", "本节点未保留日志");
    }
    while (a.level < 4 && level.n > 0 && !sh_str_eqc(level, levels[a.level])) {
        a.level++;
    }
    a.level = level.n == 0 ? 3 : a.level;
    if (a.level > 3 || (before.n > 0 && sh_u64_parse(before, &a.before) != SH_OK) ||
        (after.n > 0 && sh_u64_parse(after, &a.after) != SH_OK)) {
        return api_problem(r, 400, "bad_request",
                           "level is error, warn, info or debug; cursor and after are numbers",
                           "level 应为 error、warn、info 或 debug；cursor 与 after 应为数字");
    }
    sh_jw_obj(&r->w);
    const sh_err err = r->api->o.seams.logs(r->api->o.seams.ctx, &a, &r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- how the node fares ---- */

int api_health(struct api_req *r)
{
    if (r->api->o.seams.health == NULL) {
        return api_problem(r, 404, "not_found", "this node does not measure itself",
                           "本节点未采集自身运行状况");
    }
    sh_jw_obj(&r->w);
    const sh_err err = r->api->o.seams.health(r->api->o.seams.ctx, &r->w);
    sh_jw_key(&r->w, "version");
    sh_jw_c(&r->w, r->api->o.version);
    sh_jw_key(&r->w, "uptime_s");
    sh_jw_i64(&r->w, (sh_wall_us(r->api->env->clock) - r->api->started_us) / 1000000);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}
