/* allow.c - what a statement may do: SELECT, from the tables that are there, with the functions of
 * a list. Everything else (ATTACH, PRAGMA, writing, the schema table, loading code) is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "sql_int.h"

/* Sorted by name. zeroblob and randomblob are left out: they make much out of nothing. */
static const char *const functions[] = {
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "array_to_string",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "changes",
    "char",
    "coalesce",
    "col_description",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_catalog",
    "current_database",
    "current_date",
    "current_schema",
    "current_schemas",
    "current_time",
    "current_timestamp",
    "current_user",
    "date",
    "date_part",
    "date_trunc",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "format_type",
    "glob",
    "group_concat",
    "has_column_privilege",
    "has_database_privilege",
    "has_schema_privilege",
    "has_table_privilege",
    "hex",
    "ifnull",
    "iif",
    "information_schema__pg_expandarray",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_quote",
    "json_tree",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "now",
    "nth_value",
    "ntile",
    "nullif",
    "obj_description",
    "percent_rank",
    "pg_client_encoding",
    "pg_encoding_to_char",
    "pg_function_is_visible",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_partkeydef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_is_in_recovery",
    "pg_relation_is_publishable",
    "pg_table_is_visible",
    "pg_type_is_visible",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "quote_ident",
    "radians",
    "random",
    "rank",
    "regexp",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "session_user",
    "sh_bool",
    "sh_time",
    "sh_time_add",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "strftime",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "to_timestamp",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
    "version",
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, *(const char *const *)b);
}

static bool function_allowed(const char *name)
{
    char low[64];
    size_t n = 0;
    for (; name[n] != '\0' && n + 1 < sizeof low; n++) {
        low[n] = name[n];
        if (low[n] >= 'A' && low[n] <= 'Z') {
            low[n] = (char)(low[n] + 32);
        }
    }
    low[n] = '\0';
    return bsearch(low, functions, sizeof functions / sizeof functions[0], sizeof functions[0],
                   by_name) != NULL;
}

static bool starts(const char *s, const char *with)
{
    return sqlite3_strnicmp(s, with, (int)strlen(with)) == 0;
}

/* The connection holds nothing but our tables; what SQLite itself brings is named here. */
static bool table_allowed(const char *name)
{
    return !starts(name, "sqlite_") && !starts(name, "pragma_") && !starts(name, "dbstat") &&
           !starts(name, "bytecode") && !starts(name, "tables_used") && !starts(name, "fts") &&
           !starts(name, "rtree");
}

int sql_declare(struct sh_sql_query *q, sqlite3 *db, const char *schema)
{
    const bool locked = q->locked; /* the declaration is a CREATE TABLE to the authorizer */
    q->locked = false;
    const int rc = sqlite3_declare_vtab(db, schema);
    q->locked = locked;
    return rc;
}

int sql_authorize(void *ctx, int action, const char *a, const char *b, const char *db,
                  const char *trigger)
{
    SH_UNUSED(db);
    SH_UNUSED(trigger);
    struct sh_sql_query *q = ctx;
    if (!q->locked) {
        return SQLITE_OK;
    }
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        if (table_allowed(a)) {
            return SQLITE_OK;
        }
        sql_fault(q, SH_E_DENIED, "42501", sql_print(q, "the table %s cannot be read", a),
                  sql_print(q, "不能读取表 %s", a));
        return SQLITE_DENY;
    case SQLITE_FUNCTION:
        if (b != NULL && function_allowed(b)) {
            return SQLITE_OK;
        }
        sql_fault(q, SH_E_DENIED, "42883",
                  sql_print(q, "the function %s is not offered", b == NULL ? "" : b),
                  sql_print(q, "不提供函数 %s", b == NULL ? "" : b));
        sql_remedy(q, "See docs/sql.md for the functions.", "可用函数见 docs/sql.zh-CN.md。");
        return SQLITE_DENY;
    default:
        sql_fault(q, SH_E_DENIED, "25006", SH_STR("only SELECT is possible: SQL here is read-only"),
                  SH_STR("只能执行 SELECT：此处的 SQL 为只读"));
        sql_remedy(q, "Write samples, devices and records through the REST interface.",
                   "写入样本、设备和业务记录请使用 REST 接口。");
        return SQLITE_DENY;
    }
}

bool sql_may(struct sh_sql_query *q, enum sh_permission p)
{
    return sh_guard_check_some(q->sql->o.guard, &q->caller.who, p, q->caller.tenant) == SH_OK;
}

bool sql_sees(struct sh_sql_query *q, enum sh_permission p, struct sh_str device)
{
    return sh_guard_check_device(q->sql->o.guard, &q->caller.who, p, q->caller.tenant, device) ==
           SH_OK;
}

bool sql_clear(struct sh_sql_query *q, enum sh_permission p, struct sh_data_class c,
               struct sh_str device)
{
    struct sh_guard *g = q->sql->o.guard;
    const struct sh_sql_caller *who = &q->caller;
    if (sh_data_class_pair(c) == 0) {
        return true;
    }
    if (who->limited && !sh_clearance_has(who->most, c)) {
        return false;
    }
    return sh_clearance_has(sh_guard_clearance(g, &who->who, p, who->tenant), c) ||
           (device.n > 0 &&
            sh_clearance_has(sh_guard_clearance_device(g, &who->who, p, who->tenant, device), c));
}

bool sql_clear_point(struct sh_sql_query *q, enum sh_permission p, const struct sh_point *pt)
{
    return sql_clear(q, p, sh_points_class(q->sql->o.points, pt->id), pt->device);
}
