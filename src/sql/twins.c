/* twins.c - the tables of devices, thing models, assets and business records.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_int.h"

enum { DEVICES_PAGE = 500, RECORDS_PAGE = 64, JSON_MAX = 64 << 20 };

static struct sh_str next_of(struct sql_scan *s)
{
    return s->next.n == 0 ? (struct sh_str){NULL, 0} : sh_buf_str(&s->next);
}

static sh_err keep_next(struct sql_scan *s, struct sh_str next)
{
    sh_buf_clear(&s->next);
    s->more = next.n > 0;
    return sh_buf_put_str(&s->next, next);
}

/* ---- devices ---- */

static sh_err put_device(struct sql_scan *s, const struct sh_twin_device *d)
{
    struct sql_cell *c = sql_row(s);
    if (c == NULL) {
        return SH_E_LIMIT;
    }
    sql_put_text(s, &c[0], d->id);
    sql_put_text(s, &c[1], d->name);
    sql_put_text(s, &c[2], d->thing);
    sql_put_text(s, &c[3], d->asset);
    sql_put_text(s, &c[4], d->labels);
    sql_put_text(s, &c[5], sh_str_c(sh_twin_state_name(d->state)));
    if (d->since_us != 0) {
        sql_put_time(&c[6], d->since_us);
    }
    if (d->last_us != 0) {
        sql_put_time(&c[7], d->last_us);
    }
    sql_put_i64(&c[8], (int64_t)d->points);
    sql_put_i64(&c[9], d->demo ? 1 : 0);
    return SH_OK;
}

/* For which part of the plant the caller holds a permission. */
struct parts {
    struct sh_parts held;
    struct sh_twin_part at[SH_PARTS_MAX];
    struct sh_twin_parts list;
};

static const struct sh_twin_parts *parts_of(const struct sql_scan *s, enum sh_permission perm,
                                            struct parts *p)
{
    const struct sh_sql_query *q = s->q;
    p->list = (struct sh_twin_parts){.at = p->at};
    if (sh_guard_parts(q->sql->o.guard, &q->caller.who, perm, q->caller.tenant, &p->held) !=
        SH_OK) {
        return &p->list; /* none */
    }
    if (p->held.all) {
        return NULL;
    }
    for (uint32_t i = 0; i < p->held.n; i++) {
        p->at[i].label = p->held.at[i].label;
        p->at[i].text = sh_str_c(p->held.at[i].text);
    }
    p->list.n = p->held.n;
    return &p->list;
}

static sh_err devices_page(struct sql_scan *s)
{
    struct parts parts;
    struct sh_twin_page page = {.total = -1};
    struct sh_diag diag = {0};
    const struct sh_twin_query ask = {
        .tenant = s->q->caller.tenant,
        .search = s->key[0].p == NULL ? SH_STR("") : s->key[0],
        .thing = s->key[1].p == NULL ? SH_STR("") : s->key[1],
        .archived = SH_STR("any"),
        .sort = SH_STR("id"),
        .cursor = next_of(s),
        .limit = DEVICES_PAGE,
        .parts = parts_of(s, SH_PERM_DEVICES_READ, &parts),
    };
    struct sh_arena *list = sh_arena_new(s->q->sql->o.env->alloc, SQL_SCAN_MAX);
    sh_err err =
        list == NULL ? SH_E_NOMEM : sh_twin_devices(s->q->sql->o.twin, &ask, list, &page, &diag);
    for (size_t i = 0; i < page.n && err == SH_OK; i++) {
        if (sql_sees(s->q, SH_PERM_DEVICES_READ, page.rows[i].id)) {
            err = put_device(s, &page.rows[i]);
        }
    }
    err = err == SH_OK ? keep_next(s, page.next) : err;
    sh_arena_free(list);
    return err;
}

/* ---- thing models and assets: lists that twin writes as JSON ---- */

static void put_member(struct sql_scan *s, struct sql_cell *c, const json_t *o, const char *name)
{
    sql_put_text(s, c, sh_json_get_str(o, name));
}

static void put_json(struct sql_scan *s, struct sql_cell *c, const json_t *v)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, s->q->sql->o.env->alloc, SH_SQL_CELL_MAX);
    sh_jw_init(&w, &b);
    sh_jw_json(&w, v);
    if (v != NULL && sh_jw_end(&w) == SH_OK) {
        sql_put_text(s, c, sh_buf_str(&b));
    }
    sh_buf_fini(&b);
}

static sh_err put_thing(struct sql_scan *s, const json_t *o)
{
    struct sql_cell *c = sql_row(s);
    if (c == NULL) {
        return SH_E_LIMIT;
    }
    const json_t *name = json_object_get(o, "name");
    put_member(s, &c[0], o, "id");
    if (json_is_string(name)) {
        put_member(s, &c[1], o, "name");
    } else {
        put_json(s, &c[1], name);
    }
    sql_put_i64(&c[2], sh_json_get_i64(o, "revision", 0));
    sql_put_i64(&c[3], sh_json_get_bool(o, "shared", false) ? 1 : 0);
    put_json(s, &c[4], o);
    return SH_OK;
}

static sh_err put_asset(struct sql_scan *s, const json_t *o)
{
    struct sql_cell *c = sql_row(s);
    if (c == NULL) {
        return SH_E_LIMIT;
    }
    put_member(s, &c[0], o, "id");
    put_member(s, &c[1], o, "kind");
    put_member(s, &c[2], o, "name");
    put_member(s, &c[3], o, "parent");
    return SH_OK;
}

static sh_err from_json(struct sql_scan *s, struct sh_buf *b,
                        sh_err (*put)(struct sql_scan *s, const json_t *o))
{
    json_t *list = NULL;
    struct sh_diag diag = {0};
    sh_err err = sh_json_parse(sh_buf_str(b), JSON_MAX, &list, &diag);
    for (size_t i = 0; i < json_array_size(list) && err == SH_OK; i++) {
        err = put(s, json_array_get(list, i));
    }
    json_decref(list);
    return err;
}

static sh_err things_page(struct sql_scan *s)
{
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, s->q->sql->o.env->alloc, JSON_MAX);
    sh_jw_init(&w, &b);
    sh_err err =
        sh_twin_things_write(s->q->sql->o.twin, s->q->caller.tenant, SH_STR(""), false, &w);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    err = err == SH_OK ? from_json(s, &b, put_thing) : err;
    sh_buf_fini(&b);
    return err;
}

static sh_err assets_page(struct sql_scan *s)
{
    struct sh_buf b;
    struct sh_jw w;
    struct parts parts;
    sh_buf_init(&b, s->q->sql->o.env->alloc, JSON_MAX);
    sh_jw_init(&w, &b);
    sh_err err = sh_twin_assets_write(s->q->sql->o.twin, s->q->caller.tenant,
                                      parts_of(s, SH_PERM_ASSETS_READ, &parts), &w);
    err = err == SH_OK ? sh_jw_end(&w) : err;
    err = err == SH_OK ? from_json(s, &b, put_asset) : err;
    sh_buf_fini(&b);
    return err;
}

/* ---- records ---- */

static struct sh_data_class type_class(struct sql_scan *s, struct sh_str type)
{
    const struct sh_sql *q = s->q->sql;
    const uint32_t tenant = s->q->caller.tenant;
    return sh_data_class_or(sh_record_type_class(q->o.record, tenant, type),
                            sh_twin_class_default(q->o.twin, tenant));
}

static sh_err put_record(struct sql_scan *s, const struct sh_record_row *r)
{
    struct sql_cell *c = sql_row(s);
    if (c == NULL) {
        return SH_E_LIMIT;
    }
    sql_put_text(s, &c[0], r->type);
    sql_put_text(s, &c[1], r->id);
    sql_put_i64(&c[2], (int64_t)r->rev);
    sql_put_time(&c[3], r->created_us);
    sql_put_time(&c[4], r->updated_us);
    sql_put_text(s, &c[5], r->author);
    const bool clear = sql_clear(s->q, SH_PERM_RECORDS_READ, type_class(s, r->type), SH_STR(""));
    if (clear) {
        sql_put_text(s, &c[6], r->doc);
    }
    sql_put_i64(&c[7], clear ? 0 : 1);
    return SH_OK;
}

static bool internal_kind(struct sh_str type)
{
    return type.n == 0 || type.p[0] == '_';
}

static sh_err one_record(struct sql_scan *s, struct sh_arena *ar)
{
    struct sh_record_row row;
    const sh_err err =
        sh_record_get(s->q->sql->o.record, s->q->caller.tenant, s->key[0], s->key[1], ar, &row);
    if (err == SH_E_NOTFOUND || err == SH_E_INVAL) {
        return SH_OK;
    }
    return err == SH_OK ? put_record(s, &row) : err;
}

static sh_err page_of_type(struct sql_scan *s, struct sh_str type, struct sh_arena *ar, bool *last)
{
    struct sh_diag diag = {0};
    struct sh_record_page page = {.n = 0};
    const struct sh_record_query ask = {
        .tenant = s->q->caller.tenant, .type = type, .cursor = next_of(s), .limit = RECORDS_PAGE};
    const sh_err err = sh_record_list(s->q->sql->o.record, &ask, ar, &page, &diag);
    if (err == SH_E_NOTFOUND) {
        *last = true;
        return SH_OK;
    }
    SH_TRY(err);
    for (size_t i = 0; i < page.n; i++) {
        SH_TRY(put_record(s, &page.rows[i]));
    }
    SH_TRY(keep_next(s, page.next));
    *last = page.next.n == 0;
    return SH_OK;
}

/* All types, one after the other: s->pos is the type's number in the list by name. */
static sh_err page_of_all(struct sql_scan *s, struct sh_arena *ar)
{
    struct sh_record_row *types = NULL;
    size_t n = 0;
    SH_TRY(sh_record_type_list(s->q->sql->o.record, s->q->caller.tenant, ar, &types, &n));
    if (s->pos >= n) {
        return SH_OK;
    }
    bool last = true;
    if (!internal_kind(types[s->pos].id)) {
        SH_TRY(page_of_type(s, types[s->pos].id, ar, &last));
    }
    if (last) {
        sh_buf_clear(&s->next);
        s->pos++;
    }
    s->more = s->pos < n;
    return SH_OK;
}

static sh_err records_page(struct sql_scan *s)
{
    if (s->key[0].p != NULL && internal_kind(s->key[0])) {
        return SH_OK;
    }
    struct sh_arena *ar = sh_arena_new(s->q->sql->o.env->alloc, SQL_SCAN_MAX);
    bool last = false;
    sh_err err = SH_E_NOMEM;
    if (ar != NULL && s->key[0].p != NULL && s->key[1].p != NULL) {
        err = one_record(s, ar);
    } else if (ar != NULL && s->key[0].p != NULL) {
        err = page_of_type(s, s->key[0], ar, &last);
    } else if (ar != NULL) {
        err = page_of_all(s, ar);
    }
    sh_arena_free(ar);
    return err;
}

const struct sql_table sql_devices_table = {
    .name = "devices",
    .schema = "CREATE TABLE devices(id TEXT, name TEXT, thing TEXT, asset TEXT, labels TEXT, "
              "state TEXT, since TIMETEXT COLLATE TIME, last TIMETEXT COLLATE TIME, "
              "points INTEGER, demo INTEGER)",
    .permission = SH_PERM_DEVICES_READ,
    .ncols = 10,
    .keys = {0, 2, -1},
    .page = devices_page,
};
const struct sql_table sql_things_table = {
    .name = "things",
    .schema = "CREATE TABLE things(id TEXT, name TEXT, revision INTEGER, shared INTEGER, doc TEXT)",
    .permission = SH_PERM_THINGS_READ,
    .ncols = 5,
    .keys = {-1, -1, -1},
    .page = things_page,
};
const struct sql_table sql_assets_table = {
    .name = "assets",
    .schema = "CREATE TABLE assets(id TEXT, kind TEXT, name TEXT, parent TEXT)",
    .permission = SH_PERM_ASSETS_READ,
    .ncols = 4,
    .keys = {-1, -1, -1},
    .page = assets_page,
};
const struct sql_table sql_records_table = {
    .name = "records",
    .schema = "CREATE TABLE records(type TEXT, id TEXT, rev INTEGER, "
              "created TIMETEXT COLLATE TIME, updated TIMETEXT COLLATE TIME, author TEXT, "
              "doc TEXT, masked INTEGER)",
    .permission = SH_PERM_RECORDS_READ,
    .ncols = 8,
    .keys = {0, 1, -1},
    .page = records_page,
};
const struct sql_table *const sql_tables[] = {
    &sql_points_table,
    &sql_latest_table,
    &sql_devices_table,
    &sql_things_table,
    &sql_assets_table,
    &sql_records_table,
    NULL,
};
