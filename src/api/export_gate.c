/* export_gate.c - what leaves as a file: who may take it, what the answer says of it, and what the
 * audit chain keeps. Of the columns of a CSV file nothing is changed, so that it can be imported
 * again: its class stands in the header fields and in the name. SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "api_int.h"

static uint8_t confirm_from(struct api_req *r)
{
    return sh_guard_export_confirm(r->api->o.guard);
}

/* Does the class of names (general, important, core) go out to this caller as he is now? */
static bool may_take(struct api_req *r, uint8_t name)
{
    return name <= SH_CLASS_GENERAL ||
           sh_guard_check_some(r->api->o.guard, &r->who, SH_PERM_HISTORY_EXPORT, r->tenant) ==
               SH_OK;
}

static bool proved(struct api_req *r, uint8_t name)
{
    const uint8_t from = confirm_from(r);
    return from == 0 || name < from || sh_guard_confirmed(r->api->o.guard, &r->who);
}

int api_export_allowed(struct api_req *r, struct sh_data_class top)
{
    if (!may_take(r, top.name)) {
        return api_problem(r, 403, "denied",
                           "exporting what is classed important or core needs the permission "
                           "history.export",
                           "导出“重要”或“核心”数据需要权限 history.export");
    }
    return proved(r, top.name) ? 0
                               : api_problem(r, 403, "confirm_needed",
                                             "exporting data of this class needs the password once "
                                             "more",
                                             "导出该级别的数据需要再次确认密码");
}

sh_clearance api_export_most(struct api_req *r)
{
    sh_clearance set = 0;
    for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
        const uint8_t name = sh_data_class_of_pair(i).name;
        if (may_take(r, name) && proved(r, name)) {
            set = (sh_clearance)(set | 1U << i);
        }
    }
    return set;
}

bool api_watermarked(struct api_req *r, struct sh_data_class top)
{
    const uint8_t from = sh_guard_watermark(r->api->o.guard);
    return from != 0 && top.name >= from;
}

/* The last part of an address: enough to tell machines apart, and no more. */
static struct sh_str last_part(struct sh_str peer)
{
    const size_t dot = sh_str_rfind(peer, '.');
    const size_t colon = sh_str_rfind(peer, ':');
    const size_t at = dot != SIZE_MAX ? dot : colon;
    return at == SIZE_MAX ? peer : sh_str_sub(peer, at, peer.n);
}

struct sh_str api_watermark(struct api_req *r, bool time)
{
    struct sh_principal_info info;
    char t[SH_TIME_CHARS] = "";
    size_t n = 0;
    if (sh_guard_describe(r->api->o.guard, &r->who, &info) != SH_OK) {
        return SH_STR("");
    }
    if (time) {
        n = sh_time_print(sh_wall_us(r->api->env->clock) / 1000000 * 1000000, t);
    }
    return sh_arena_printf(r->arena, "%s%s%.*s %.*s", info.name, time ? " " : "", (int)n, t,
                           SH_PRI(last_part(api_peer(r))));
}

static bool plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == ':' || c == ' ';
}

/* What a header field takes: other bytes as %XX. */
static struct sh_str for_field(struct api_req *r, struct sh_str s)
{
    struct sh_buf b;
    struct sh_str out = SH_STR("");
    sh_buf_init(&b, r->api->env->alloc, 4096);
    sh_err err = SH_OK;
    for (size_t i = 0; i < s.n && err == SH_OK; i++) {
        err = plain(s.p[i]) ? sh_buf_put_u8(&b, (uint8_t)s.p[i])
                            : sh_buf_printf(&b, "%%%02X", (unsigned)(uint8_t)s.p[i]);
    }
    if (err == SH_OK) {
        out = sh_arena_str(r->arena, sh_buf_str(&b));
    }
    sh_buf_fini(&b);
    return out;
}

void api_export_headers(struct api_req *r, const char *stem, const char *ending,
                        struct sh_data_class top, size_t masked)
{
    const char *word = sh_data_class_word(top.name);
    const bool general = sh_data_class_pair(top) == 0;
    const struct sh_str name =
        general ? sh_arena_printf(r->arena, "attachment; filename=\"%s.%s\"", stem, ending)
                : sh_arena_printf(r->arena, "attachment; filename=\"%s-%s-%u.%s\"", stem, word,
                                  top.level, ending);
    sh_http_header(r->http, "Content-Disposition", name);
    sh_http_header_c(r->http, "X-Data-Class", word);
    sh_http_header(r->http, "X-Data-Level", sh_arena_printf(r->arena, "%u", top.level));
    if (masked > 0) {
        sh_http_header(r->http, "X-Data-Masked", sh_arena_printf(r->arena, "%zu", masked));
    }
    if (api_watermarked(r, top)) {
        sh_http_header(r->http, "X-Watermark", for_field(r, api_watermark(r, true)));
    }
}

void api_export_audit(struct api_req *r, const struct api_exported *e)
{
    char from[SH_TIME_CHARS] = "";
    char to[SH_TIME_CHARS] = "";
    const size_t nf = e->from_us == e->to_us ? 0 : sh_time_print(e->from_us, from);
    const size_t nt = nf == 0 ? 0 : sh_time_print(e->to_us, to);
    const struct sh_str detail = sh_arena_printf(
        r->arena, "%s class %s level %u points %zu masked %zu rows %llu %.*s%s%.*s%s", e->format,
        sh_data_class_word(e->top.name), e->top.level, e->points, e->masked,
        (unsigned long long)e->rows, (int)nf, from, nf > 0 ? " - " : "", (int)nt, to,
        e->whole ? "" : " (cut off)");
    const struct sh_audit a = {.by = &r->who,
                               .tenant = r->tenant,
                               .act = sh_str_c(e->act),
                               .object = e->object,
                               .result = SH_STR("ok"),
                               .detail = detail,
                               .peer = e->peer};
    sh_guard_audit_post(r->api->o.guard, &a);
}
