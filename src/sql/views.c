/* views.c - a view r_<type> for each type of business record that the text names: the members of
 * its schema as columns.
 * SPDX-License-Identifier: Apache-2.0 */
#include "views.h"
#include "sql_int.h"

static bool plain_name(struct sh_str s)
{
    static const char *const taken[] = {"id", "rev", "created", "updated", "author", "doc"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (sh_str_ieq(s, sh_str_c(taken[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\'' || s.p[i] == '\\' || (uint8_t)s.p[i] < ' ') {
            return false;
        }
    }
    return s.n > 0 && s.n <= 128;
}

static enum sh_sql_type type_of(const json_t *property)
{
    const struct sh_str s = sh_json_get_str(property, "type");
    if (sh_str_eqc(s, "integer")) {
        return SH_SQL_INT;
    }
    if (sh_str_eqc(s, "number")) {
        return SH_SQL_REAL;
    }
    return sh_str_eqc(s, "boolean") ? SH_SQL_INT : SH_SQL_TEXT;
}

static bool seen(const struct sql_view *v, struct sh_str name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (sh_str_ieq(v->cols[i].name, name)) {
            return true;
        }
    }
    return false;
}

sh_err sql_view_read(struct sh_sql_query *q, const struct sh_record_row *row, struct sql_view *v)
{
    struct sh_diag d = {0};
    json_t *doc = NULL;
    *v = (struct sql_view){.type = row->id};
    SH_TRY(sh_json_parse(row->doc, row->doc.n + 1, &doc, &d));
    json_t *properties = json_object_get(json_object_get(doc, "schema"), "properties");
    v->cols = sh_arena_array(q->arena, SQL_VIEW_COLUMNS, sizeof *v->cols);
    sh_err err = v->cols == NULL ? SH_E_NOMEM : SH_OK;
    const char *key = NULL;
    json_t *property = NULL;
    json_object_foreach(properties, key, property)
    {
        const struct sh_str name = sh_str_c(key);
        if (err == SH_OK && v->n < SQL_VIEW_COLUMNS && plain_name(name) && !seen(v, name)) {
            v->cols[v->n].name = sh_arena_str(q->arena, name);
            v->cols[v->n].type = type_of(property);
            err = v->cols[v->n].name.p == NULL ? SH_E_NOMEM : SH_OK;
            v->n++;
        }
    }
    json_decref(doc);
    return err;
}

/* Is r_<type> in the text? */
static bool named(struct sh_str text, struct sh_str type)
{
    for (size_t i = 0; i + 2 + type.n <= text.n; i++) {
        if ((text.p[i] | 32) == 'r' && text.p[i + 1] == '_' &&
            sh_str_ieq(sh_str_sub(text, i + 2, i + 2 + type.n), type)) {
            return true;
        }
    }
    return false;
}

static sh_err put_view(struct sh_buf *b, const struct sql_view *v)
{
    SH_TRY(sh_buf_printf(b, "CREATE VIEW \"r_%.*s\" AS SELECT id, rev, created, updated, author",
                         SH_PRI(v->type)));
    for (size_t i = 0; i < v->n; i++) {
        const struct sh_str name = v->cols[i].name;
        SH_TRY(sh_buf_printf(b, ", json_extract(doc, '$.\"%.*s\"') AS \"%.*s\"", SH_PRI(name),
                             SH_PRI(name)));
    }
    return sh_buf_printf(b, ", doc FROM records WHERE type = '%.*s';\n", SH_PRI(v->type));
}

/* Only what is named: a tenant may have a thousand types. */
static sh_err put_named(struct sh_sql_query *q, struct sh_arena *ar, struct sh_buf *b)
{
    struct sh_record_row *types = NULL;
    size_t n = 0;
    SH_TRY(sh_record_type_list(q->sql->o.record, q->caller.tenant, ar, &types, &n));
    for (size_t i = 0; i < n; i++) {
        struct sql_view v;
        if (types[i].id.n > 0 && types[i].id.p[0] != '_' && named(q->text.sql, types[i].id)) {
            SH_TRY(sql_view_read(q, &types[i], &v));
            SH_TRY(put_view(b, &v));
        }
    }
    return sh_buf_put_u8(b, '\0');
}

int sql_views_add(struct sh_sql_query *q)
{
    if (!named(q->text.sql, SH_STR("")) || !sql_may(q, SH_PERM_RECORDS_READ)) {
        return SQLITE_OK;
    }
    struct sh_buf b;
    sh_buf_init(&b, q->sql->o.env->alloc, 8 << 20);
    struct sh_arena *ar = sh_arena_new(q->sql->o.env->alloc, 64 << 20);
    const sh_err err = ar == NULL ? SH_E_NOMEM : put_named(q, ar, &b);
    int rc = SQLITE_OK;
    if (err != SH_OK) {
        sql_fault(q, err, "58030",
                  sql_print(q, "the record types cannot be read: %s", sh_err_name(err)),
                  sql_print(q, "读取业务记录类型失败：%s", sh_err_name(err)));
        rc = SQLITE_ERROR;
    } else {
        rc = sqlite3_exec(q->db, (const char *)b.p, NULL, NULL, NULL);
    }
    sh_arena_free(ar);
    sh_buf_fini(&b);
    return rc;
}
