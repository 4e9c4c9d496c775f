/* func.c - functions of PostgreSQL that its clients call, and REGEXP by PCRE2 with limits.
 * SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "sql_int.h"

enum { MATCH_LIMIT = 100000, PATTERN_MAX = 1000 };

struct sh_str sql_value_text(sqlite3_value *v)
{
    const unsigned char *p = sqlite3_value_text(v);
    return sh_str_of((const char *)p, p == NULL ? 0 : (size_t)sqlite3_value_bytes(v));
}

struct regexp {
    struct sh_str pattern;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void regexp_clear(struct sh_sql_query *q, struct regexp *r)
{
    pcre2_code_free(r->code);
    pcre2_match_data_free(r->data);
    pcre2_match_context_free(r->limits);
    sh_str_free(q->sql->o.env->alloc, &r->pattern);
    *r = (struct regexp){.code = NULL};
}

void sql_regexp_free(struct sh_sql_query *q)
{
    if (q->regexp != NULL) {
        regexp_clear(q, q->regexp);
        sh_mem_free(q->sql->o.env->alloc, q->regexp);
        q->regexp = NULL;
    }
}

/* The last pattern stays compiled: it is nearly always the same one. */
static struct regexp *compile(struct sh_sql_query *q, struct sh_str pattern)
{
    const struct sh_alloc *alloc = q->sql->o.env->alloc;
    struct regexp *r = q->regexp;
    if (r == NULL) {
        r = sh_mem_new(alloc, sizeof *r);
        q->regexp = r;
    }
    if (r == NULL || (r->code != NULL && sh_str_eq(r->pattern, pattern))) {
        return r;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    regexp_clear(q, r);
    if (pattern.n > PATTERN_MAX) {
        return NULL;
    }
    r->pattern = sh_str_dup(alloc, pattern);
    r->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, NULL);
    r->data = r->code == NULL ? NULL : pcre2_match_data_create_from_pattern(r->code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    if (r->pattern.p == NULL || r->data == NULL || r->limits == NULL) {
        regexp_clear(q, r);
        return NULL;
    }
    (void)pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(r->limits, MATCH_LIMIT / 100);
    (void)pcre2_set_heap_limit(r->limits, 1024);
    return r;
}

/* text REGEXP pattern calls regexp(pattern, text). */
static void f_regexp(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    struct sh_sql_query *q = sqlite3_user_data(c);
    const struct sh_str text = sql_value_text(v[1]);
    if (sqlite3_value_type(v[0]) == SQLITE_NULL || text.p == NULL) {
        return;
    }
    const struct regexp *r = compile(q, sql_value_text(v[0]));
    if (r == NULL) {
        sql_fault(q, SH_E_INVAL, "2201B", SH_STR("the regular expression is not valid"),
                  SH_STR("正则表达式无效"));
        sql_remedy(q, "Perl syntax, at most 1000 bytes.", "使用 Perl 语法，最长 1000 字节。");
        sqlite3_result_error(c, "regular expression", -1);
        return;
    }
    const int rc = pcre2_match(r->code, (PCRE2_SPTR)text.p, text.n, 0, 0, r->data, r->limits);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        sql_fault(q, SH_E_LIMIT, "54001", SH_STR("the regular expression takes too many steps"),
                  SH_STR("正则表达式匹配步数过多"));
        sqlite3_result_error(c, "regular expression", -1);
        return;
    }
    sqlite3_result_int(c, rc >= 0 ? 1 : 0);
}

/* sh_bool('t'): what a client means by a boolean. */
static void f_bool(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    const struct sh_str s = sql_value_text(v[0]);
    static const char *const yes[] = {"t", "true", "y", "yes", "on", "1"};
    if (sqlite3_value_type(v[0]) == SQLITE_NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (sh_str_ieq(s, sh_str_c(yes[i]))) {
            sqlite3_result_int(c, 1);
            return;
        }
    }
    sqlite3_result_int(c, 0);
}

static void put_const(sqlite3_context *c, const char *s)
{
    sqlite3_result_text(c, s, -1, SQLITE_STATIC);
}
static void f_version(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    put_const(c, "PostgreSQL 14.0 (Songhua, SQL over points and records)");
}
static void f_database(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    put_const(c, "songhua");
}
static void f_schema(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    put_const(c, "public");
}
static void f_user(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    const struct sh_sql_query *q = sqlite3_user_data(c);
    sqlite3_result_text64(c, q->caller.user.p, q->caller.user.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}
static void f_true(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    sqlite3_result_int(c, 1);
}
static void f_null(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    sqlite3_result_null(c);
}
static void f_encoding(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    put_const(c, "UTF8");
}
static void f_format_type(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    static const struct {
        int oid;
        const char *name;
    } names[] = {{16, "boolean"},
                 {20, "bigint"},
                 {25, "text"},
                 {701, "double precision"},
                 {1184, "timestamp with time zone"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (sqlite3_value_int(v[0]) == names[i].oid) {
            put_const(c, names[i].name);
            return;
        }
    }
    put_const(c, "???");
}
static void f_same(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    sqlite3_result_value(c, v[0]);
}

int sql_functions_add(struct sh_sql_query *q)
{
    static const struct {
        const char *name;
        int args;
        void (*fn)(sqlite3_context *c, int n, sqlite3_value **v);
    } list[] = {
        {"regexp", 2, f_regexp},
        {"sh_bool", 1, f_bool},
        {"version", 0, f_version},
        {"current_database", 0, f_database},
        {"current_catalog", 0, f_database},
        {"current_schema", 0, f_schema},
        {"current_schemas", 1, f_schema},
        {"current_user", 0, f_user},
        {"session_user", 0, f_user},
        {"pg_table_is_visible", 1, f_true},
        {"pg_type_is_visible", 1, f_true},
        {"pg_function_is_visible", 1, f_true},
        {"has_table_privilege", -1, f_true},
        {"has_schema_privilege", -1, f_true},
        {"has_database_privilege", -1, f_true},
        {"has_column_privilege", -1, f_true},
        {"pg_get_userbyid", 1, f_user},
        {"pg_get_expr", -1, f_null},
        {"pg_get_constraintdef", -1, f_null},
        {"pg_get_indexdef", -1, f_null},
        {"pg_get_viewdef", -1, f_null},
        {"pg_get_partkeydef", -1, f_null},
        {"pg_relation_is_publishable", -1, f_null},
        {"pg_get_statisticsobjdef_columns", -1, f_null},
        {"obj_description", -1, f_null},
        {"col_description", -1, f_null},
        {"array_to_string", -1, f_null},
        {"pg_is_in_recovery", 0, f_null},
        {"pg_client_encoding", 0, f_encoding},
        {"pg_encoding_to_char", 1, f_encoding},
        {"format_type", 2, f_format_type},
        {"quote_ident", 1, f_same},
        {"information_schema__pg_expandarray", 1, f_null},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof list / sizeof list[0] && rc == SQLITE_OK; i++) {
        rc = sqlite3_create_function(q->db, list[i].name, list[i].args,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC, q, list[i].fn, NULL, NULL);
    }
    return rc;
}
