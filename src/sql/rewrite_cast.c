/* rewrite_cast.c - x::type, CAST(x AS type), time + interval '...'.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rewrite_int.h"

#include "sql_int.h"

/* ---- types ---- */

enum cast { AS_TEXT, AS_INTEGER, AS_REAL, AS_TIME, AS_BOOL, AS_JSON, AS_SAME, AS_INTERVAL };

static bool cast_of(struct sh_str s, enum cast *out)
{
    static const struct {
        const char *name;
        enum cast cast;
    } names[] = {
        {"text", AS_TEXT},        {"varchar", AS_TEXT},    {"bpchar", AS_TEXT},
        {"char", AS_TEXT},        {"name", AS_TEXT},       {"character", AS_TEXT},
        {"int", AS_INTEGER},      {"int2", AS_INTEGER},    {"int4", AS_INTEGER},
        {"int8", AS_INTEGER},     {"integer", AS_INTEGER}, {"bigint", AS_INTEGER},
        {"smallint", AS_INTEGER}, {"oid", AS_INTEGER},     {"float", AS_REAL},
        {"float4", AS_REAL},      {"float8", AS_REAL},     {"real", AS_REAL},
        {"double", AS_REAL},      {"numeric", AS_REAL},    {"decimal", AS_REAL},
        {"money", AS_REAL},       {"timestamp", AS_TIME},  {"timestamptz", AS_TIME},
        {"date", AS_TIME},        {"bool", AS_BOOL},       {"boolean", AS_BOOL},
        {"json", AS_JSON},        {"jsonb", AS_JSON},      {"regtype", AS_SAME},
        {"regclass", AS_SAME},    {"regproc", AS_SAME},    {"regnamespace", AS_SAME},
        {"regrole", AS_SAME},     {"unknown", AS_SAME},    {"interval", AS_INTERVAL},
    };
    if (s.n > 2 && s.p[0] == '"') {
        s = sh_str_sub(s, 1, s.n - 1);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (sh_str_ieq(s, sh_str_c(names[i].name))) {
            *out = names[i].cast;
            return true;
        }
    }
    return false;
}

static void skip_modifier(struct rw *r)
{
    if (rw_is_op(rw_ahead(r, 0), "(")) {
        while (rw_ahead(r, 0)->kind != T_END && !rw_is_op(rw_ahead(r, 0), ")")) {
            r->i++;
        }
        r->i += rw_ahead(r, 0)->kind == T_END ? 0 : 1;
    }
}

/* Reads a type name with its modifier. */
static sh_err read_type(struct rw *r, enum cast *out)
{
    if (rw_is_name(rw_ahead(r, 0), "pg_catalog") && rw_is_op(rw_ahead(r, 1), ".")) {
        r->i += 2;
    }
    const struct token *t = rw_ahead(r, 0);
    if ((t->kind != T_WORD && t->kind != T_QUOTED) || !cast_of(t->text, out)) {
        return rw_refuse(
            r, t, "a cast to this type",
            "text, integer, bigint, real, double precision, numeric, boolean, date, "
            "timestamp, timestamptz and json are known.",
            "支持 text、integer、bigint、real、double precision、numeric、boolean、date、"
            "timestamp、timestamptz、json。");
    }
    r->i++;
    if (rw_is_word(rw_ahead(r, 0), "precision") || rw_is_word(rw_ahead(r, 0), "varying")) {
        r->i++;
    }
    skip_modifier(r);
    if ((rw_is_word(rw_ahead(r, 0), "with") || rw_is_word(rw_ahead(r, 0), "without")) &&
        rw_is_word(rw_ahead(r, 1), "time") && rw_is_word(rw_ahead(r, 2), "zone")) {
        r->i += 3;
    }
    if (rw_is_op(rw_ahead(r, 0), "[")) {
        return rw_refuse(r, rw_ahead(r, 0), "an array", "Use IN (...) or json_each().",
                         "请使用 IN (...) 或 json_each()。");
    }
    return SH_OK;
}

static const char *cast_open(enum cast c)
{
    static const char *const open[] = {"CAST(",    "CAST(", "CAST(", "sh_time(",
                                       "sh_bool(", "json(", "(",     "("};
    return open[c];
}

static const char *cast_close(enum cast c)
{
    static const char *const close[] = {
        " AS TEXT)", " AS INTEGER)", " AS REAL)", ")", ")", ")", ")", ")"};
    return close[c];
}

/* ---- intervals ---- */

/* The last pieces are: primary, + or -. The interval's literal follows as `text`. */
sh_err rw_add_interval(struct rw *r, struct sh_str text, const struct token *t)
{
    uint32_t start = 0;
    struct piece *sign = r->nout > 0 ? &r->out[r->nout - 1] : NULL;
    if (sign == NULL || sign->kind != T_OP ||
        (!sh_str_eqc(sign->text, "-") && !sh_str_eqc(sign->text, "+"))) {
        return rw_refuse(r, t, "an interval that is not behind time + or time -",
                         "Write now() - interval '1 hour'.", "请写成 now() - interval '1 hour'。");
    }
    SH_TRY(rw_start_of(r, 1, &start));
    sign->text = sh_str_eqc(sign->text, "-") ? SH_STR(", -1,") : SH_STR(", 1,");
    SH_TRY(rw_before(r, start, "sh_time_add("));
    SH_TRY(rw_push(r, T_STRING, text, t));
    SH_TRY(rw_behind(r, (uint32_t)r->nout - 1, ")"));
    r->out[r->nout - 1].start = start;
    return SH_OK;
}

/* expression :: type */
sh_err rw_cast(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    enum cast c = AS_TEXT;
    uint32_t start = 0;
    r->i++;
    SH_TRY(read_type(r, &c));
    if (c == AS_INTERVAL) {
        if (r->nout == 0 || r->out[r->nout - 1].kind != T_STRING) {
            return rw_refuse(r, t, "a computed interval", "Write interval '1 hour'.",
                             "请写成 interval '1 hour'。");
        }
        r->nout--;
        return rw_add_interval(r, r->out[r->nout].text, t);
    }
    SH_TRY(rw_start_of(r, 0, &start));
    if (c == AS_SAME) {
        return SH_OK;
    }
    SH_TRY(rw_before(r, start, cast_open(c)));
    SH_TRY(rw_behind(r, (uint32_t)r->nout - 1, cast_close(c)));
    r->out[r->nout - 1].start = start;
    return SH_OK;
}

/* CAST(x AS type): at the AS of the innermost CAST. */
sh_err rw_cast_as(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    enum cast c = AS_TEXT;
    const uint32_t open = r->stack[r->depth - 1].open;
    r->i++;
    SH_TRY(read_type(r, &c));
    if (!rw_is_op(rw_ahead(r, 0), ")") || c == AS_INTERVAL) {
        return rw_refuse(r, t, "this CAST", "Write CAST(x AS type), and interval '1 hour'.",
                         "请写成 CAST(x AS 类型)，时间间隔写成 interval '1 hour'。");
    }
    static const char *const words[] = {"CAST",    "CAST", "CAST", "sh_time",
                                        "sh_bool", "json", "",     ""};
    static const char *const types[] = {"AS TEXT", "AS INTEGER", "AS REAL", "", "", "", "", ""};
    r->out[open - 1].text = sh_str_c(words[c]);
    return types[c][0] == '\0' ? SH_OK : rw_push_c(r, T_WORD, types[c], t);
}
