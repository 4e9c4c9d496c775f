/* fault.c - what went wrong, in two languages: ours where a table or the authorizer said no, else
 * SQLite's words turned into SQLSTATE and a remedy.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "sql_int.h"

static void copy(char *out, size_t cap, struct sh_str s)
{
    size_t n = s.n < cap - 1 ? s.n : cap - 1;
    while (n < s.n && n > 0 && ((uint8_t)s.p[n] & 0xc0) == 0x80) {
        n--; /* not in the middle of a character */
    }
    if (n > 0) {
        memcpy(out, s.p, n);
    }
    out[n] = '\0';
}

void sql_fault_set(struct sh_sql_fault *f, sh_err err, const char *state, const char *en,
                   const char *zh)
{
    *f = (struct sh_sql_fault){.err = err};
    copy(f->state, sizeof f->state, sh_str_c(state));
    copy(f->en, sizeof f->en, sh_str_c(en));
    copy(f->zh, sizeof f->zh, sh_str_c(zh));
}

struct sh_str sql_print(struct sh_sql_query *q, const char *fmt, ...)
{
    char t[400];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(t, sizeof t, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return SH_STR("");
    }
    const struct sh_str s =
        sh_arena_str(q->arena, sh_str_of(t, (size_t)n < sizeof t ? (size_t)n : sizeof t - 1));
    return s.p == NULL ? SH_STR("") : s;
}

void sql_fault(struct sh_sql_query *q, sh_err err, const char *state, struct sh_str en,
               struct sh_str zh)
{
    if (q->fault.err == SH_OK) {
        q->fault.err = err;
        copy(q->fault.state, sizeof q->fault.state, sh_str_c(state));
        copy(q->fault.en, sizeof q->fault.en, en);
        copy(q->fault.zh, sizeof q->fault.zh, zh);
    }
}

void sql_remedy(struct sh_sql_query *q, const char *en, const char *zh)
{
    if (q->fault.remedy_en[0] == '\0') {
        copy(q->fault.remedy_en, sizeof q->fault.remedy_en, sh_str_c(en));
        copy(q->fault.remedy_zh, sizeof q->fault.remedy_zh, sh_str_c(zh));
    }
}

/* SQLite's messages begin, or end, with these words. */
static const struct {
    const char *words;
    const char *state;
    const char *zh;
    const char *remedy_en;
    const char *remedy_zh;
} known[] = {
    {"no such table: ", "42P01", "没有表 ",
     "The tables are history, points, latest, devices, things, assets, records and r_<type>.",
     "可用的表：history、points、latest、devices、things、assets、records、r_<类型>。"},
    {"no such column: ", "42703", "没有列 ",
     "Texts stand in 'single' quotes, names in \"double\" ones; see docs/sql.md for the columns.",
     "文本用单引号，名称用双引号；各表的列见 docs/sql.zh-CN.md。"},
    {"no such function: ", "42883", "没有函数 ", "See docs/sql.md for the functions.",
     "可用函数见 docs/sql.zh-CN.md。"},
    {"ambiguous column name: ", "42702", "列名有歧义：", "Put the table's name before it.",
     "请在列名前加上表名。"},
    {"wrong number of arguments to function ", "42883", "函数参数个数错误：", "", ""},
};

static void from_sqlite(struct sh_sql_query *q, int rc, struct sh_sql_fault *f)
{
    const struct sh_str said = sh_str_c(sqlite3_errmsg(q->db));
    const int at = sqlite3_error_offset(q->db);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (sh_str_starts(said, sh_str_c(known[i].words))) {
            const struct sh_str name = sh_str_sub(said, strlen(known[i].words), said.n);
            sql_fault_set(f, SH_E_INVAL, known[i].state, said.p,
                          sql_print(q, "%s%.*s", known[i].zh, SH_PRI(name)).p);
            copy(f->remedy_en, sizeof f->remedy_en, sh_str_c(known[i].remedy_en));
            copy(f->remedy_zh, sizeof f->remedy_zh, sh_str_c(known[i].remedy_zh));
            f->at = at >= 0 ? sql_origin(&q->text, (size_t)at) : 0;
            return;
        }
    }
    if (sh_str_ends(said, SH_STR("may not be modified"))) {
        sql_fault_set(f, SH_E_DENIED, "25006", "only SELECT is possible: SQL here is read-only",
                      "只能执行 SELECT：此处的 SQL 为只读");
        return;
    }
    const bool big = rc == SQLITE_TOOBIG || sh_str_starts(said, SH_STR("too many")) ||
                     sh_str_starts(said, SH_STR("Expression tree")) ||
                     sh_str_starts(said, SH_STR("parser stack"));
    sql_fault_set(f, big ? SH_E_LIMIT : SH_E_INVAL,
                  big ? "54000" : (sh_str_ends(said, SH_STR("syntax error")) ? "42601" : "42000"),
                  said.p, sql_print(q, "%s：%.*s", big ? "超出限制" : "SQL 有误", SH_PRI(said)).p);
    if (big) {
        copy(f->remedy_en, sizeof f->remedy_en,
             SH_STR("Make the statement simpler or ask for less."));
        copy(f->remedy_zh, sizeof f->remedy_zh, SH_STR("请简化语句或缩小查询范围。"));
    }
    f->at = at >= 0 ? sql_origin(&q->text, (size_t)at) : 0;
}

void sql_fault_of(struct sh_sql_query *q, int rc, struct sh_sql_fault *f)
{
    if (q->fault.err != SH_OK) {
        *f = q->fault;
    } else if (rc == SQLITE_INTERRUPT && atomic_load(&q->cancel)) {
        sql_fault_set(f, SH_E_CANCELED, "57014", "the query was canceled", "查询已取消");
    } else if (rc == SQLITE_INTERRUPT) {
        const long long ms = q->sql->o.deadline_us / 1000;
        sql_fault_set(f, SH_E_TIMEOUT, "57014",
                      sql_print(q, "the query took longer than %lld ms (sql.deadline)", ms).p,
                      sql_print(q, "查询超过 %lld 毫秒（sql.deadline）", ms).p);
        copy(f->remedy_en, sizeof f->remedy_en,
             SH_STR("Ask for a shorter range, or let history aggregate: step = '1m'."));
        copy(f->remedy_zh, sizeof f->remedy_zh,
             SH_STR("请缩短时间范围，或让 history 聚合：step = '1m'。"));
    } else if ((rc & 0xff) == SQLITE_NOMEM) {
        sql_fault_set(f, SH_E_NOMEM, "53200", "no memory", "内存不足");
    } else {
        from_sqlite(q, rc, f);
    }
    struct sh_sql *s = q->sql;
    (void)atomic_fetch_add(f->err == SH_E_TIMEOUT                         ? &s->timeouts
                           : f->err == SH_E_CANCELED                      ? &s->canceled
                           : f->err == SH_E_LIMIT || f->err == SH_E_NOMEM ? &s->limited
                                                                          : &s->refused,
                           1);
}
