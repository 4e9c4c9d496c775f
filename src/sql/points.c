/* points.c - the tables of the catalogue: points and latest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_int.h"

enum { PAGE = 512, VALUES_MAX = 16 << 20 };

bool sql_point_shows(struct sh_sql_query *q, enum sh_permission perm, const struct sh_point *p)
{
    return p != NULL && p->tenant == q->caller.tenant &&
           sh_points_find(q->sql->o.points, p->tenant, p->device, p->property) == p->id &&
           sql_sees(q, perm, p->device);
}

typedef sh_err put_point(struct sql_scan *s, const struct sh_point *p);

static sh_err put_shown(struct sql_scan *s, uint32_t id, put_point *put)
{
    const struct sh_point *p = sh_points_get(s->q->sql->o.points, id);
    return sql_point_shows(s->q, SH_PERM_POINTS_READ, p) ? put(s, p) : SH_OK;
}

static sh_err of_device(struct sql_scan *s, struct sh_str device, put_point *put)
{
    const struct sh_points *points = s->q->sql->o.points;
    const uint32_t tenant = s->q->caller.tenant;
    const size_t n = sh_points_of_device(points, tenant, device, NULL, 0);
    uint32_t *ids = sh_arena_array(s->arena, n + 1, sizeof *ids);
    if (ids == NULL) {
        return SH_E_NOMEM;
    }
    const size_t have = sh_points_of_device(points, tenant, device, ids, n);
    for (size_t i = 0; i < have && i < n; i++) {
        SH_TRY(put_shown(s, ids[i], put));
    }
    return SH_OK;
}

/* name: key 0; device: key 1; else all, by id from s->pos. */
static sh_err each_point(struct sql_scan *s, put_point *put)
{
    const struct sh_points *points = s->q->sql->o.points;
    if (s->key[0].p != NULL) {
        return put_shown(s, sh_points_resolve(points, s->q->caller.tenant, s->key[0]), put);
    }
    if (s->key[1].p != NULL) {
        return of_device(s, s->key[1], put);
    }
    const uint32_t last = sh_points_last_id(points);
    uint64_t seen = 0;
    while (s->pos < last && s->nrows < PAGE && seen < 100000) {
        s->pos++;
        seen++;
        SH_TRY(put_shown(s, (uint32_t)s->pos, put));
    }
    s->more = s->pos < last;
    return SH_OK;
}

static void put_name(struct sql_scan *s, struct sql_cell *c, const struct sh_point *p)
{
    c->text = sh_arena_printf(s->arena, "%.*s/%.*s", SH_PRI(p->device), SH_PRI(p->property));
    c->type = c->text.p == NULL ? SH_SQL_NULL : SH_SQL_TEXT;
}

static sh_err put_catalogue(struct sql_scan *s, const struct sh_point *p)
{
    struct sql_cell *c = sql_row(s);
    if (c == NULL) {
        return SH_E_LIMIT;
    }
    put_name(s, &c[0], p);
    sql_put_text(s, &c[1], p->device);
    sql_put_text(s, &c[2], p->property);
    sql_put_text(s, &c[3], p->tag);
    sql_put_text(s, &c[4], p->unit);
    sql_put_text(s, &c[5], sh_str_c(sh_type_name(p->type)));
    const struct sh_data_class k = sh_points_class(s->q->sql->o.points, p->id);
    sql_put_text(s, &c[6], sh_str_c(sh_data_class_word(k.name)));
    sql_put_i64(&c[7], k.level);
    sql_put_i64(&c[8], sql_clear_point(s->q, SH_PERM_HISTORY_READ, p) ? 0 : 1);
    return SH_OK;
}

static sh_err points_page(struct sql_scan *s)
{
    return each_point(s, put_catalogue);
}

static sh_err put_latest(struct sql_scan *s, const struct sh_point *p)
{
    if (!sql_clear_point(s->q, SH_PERM_POINTS_READ, p)) {
        struct sql_cell *c = sql_row(s);
        if (c == NULL) {
            return SH_E_LIMIT;
        }
        put_name(s, &c[0], p);
        sql_put_text(s, &c[1], p->device);
        sql_put_text(s, &c[2], p->property);
        sql_put_i64(&c[8], 1);
        return SH_OK;
    }
    struct sh_latest_value v;
    struct sh_buf text;
    sh_buf_init(&text, s->q->sql->o.env->alloc, VALUES_MAX);
    sh_err err = sh_latest_get(s->q->sql->o.latest, &p->id, 1, &v, &text);
    if (err == SH_OK && v.found) {
        struct sql_cell *c = sql_row(s);
        err = c == NULL ? SH_E_LIMIT : SH_OK;
        if (c != NULL) {
            put_name(s, &c[0], p);
            sql_put_text(s, &c[1], p->device);
            sql_put_text(s, &c[2], p->property);
            sql_put_time(&c[3], v.time_us);
            sql_put_i64(&c[4], v.time_us);
            sql_put_sample(s, &c[5], &c[6], v.type, v.value, text.p);
            sql_put_i64(&c[7], v.quality);
            sql_put_i64(&c[8], 0);
        }
    }
    sh_buf_fini(&text);
    return err;
}

static sh_err latest_page(struct sql_scan *s)
{
    return each_point(s, put_latest);
}

const struct sql_table sql_points_table = {
    .name = "points",
    .schema = "CREATE TABLE points(name TEXT, device TEXT, property TEXT, tag TEXT, unit TEXT, "
              "type TEXT, data_class TEXT, data_level INTEGER, masked INTEGER)",
    .permission = SH_PERM_POINTS_READ,
    .ncols = 9,
    .keys = {0, 1, -1},
    .page = points_page,
};

const struct sql_table sql_latest_table = {
    .name = "latest",
    .schema = "CREATE TABLE latest(point TEXT, device TEXT, property TEXT, "
              "time TIMETEXT COLLATE TIME, time_us INTEGER, value NUMERIC, text TEXT, "
              "quality INTEGER, masked INTEGER)",
    .permission = SH_PERM_POINTS_READ,
    .ncols = 9,
    .keys = {0, 1, -1},
    .page = latest_page,
};
