/* dashboards.c - dashboards: pages of widgets that people lay out themselves, kept under a name.
 * One belongs to who made it and is seen by nobody else, or is shared in the tenant; who may change
 * dashboards changes shared ones of others too. What it names of the plant is shown to a viewer as
 * far as he may see it: the rest is left out of the document, and such a viewer does not change it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "dashboard.h"

struct head {
    struct sh_str id;
    uint64_t rev;
    int64_t created_us;
    int64_t updated_us;
    struct sh_str author;
};

static bool mine(struct sh_str me, const json_t *doc)
{
    return sh_str_eq(sh_json_get_str(doc, "owner"), me);
}

static void put_head(struct sh_jw *w, const struct head *h, struct sh_str me, const json_t *doc)
{
    static const char *const texts[] = {"name", "description", "range", "owner"};
    sh_jw_key(w, "id");
    sh_jw_str(w, h->id);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sh_jw_key(w, texts[i]);
        sh_jw_str(w, sh_json_get_str(doc, texts[i]));
    }
    sh_jw_key(w, "shared");
    sh_jw_bool(w, sh_json_get_bool(doc, "shared", false));
    sh_jw_key(w, "mine");
    sh_jw_bool(w, mine(me, doc));
    sh_jw_key(w, "revision");
    sh_jw_u64(w, h->rev);
    sh_jw_key(w, "created");
    sh_jw_time(w, h->created_us);
    sh_jw_key(w, "updated");
    sh_jw_time(w, h->updated_us);
    sh_jw_key(w, "author");
    sh_jw_str(w, h->author);
}

/* ---- the list ---- */

struct look {
    struct api_req *r;
    struct sh_str me;
    struct sh_str q;
    bool write; /* else only counted */
    size_t shown;
    size_t all;
    size_t own;
};

/* ASCII case is ignored. */
static bool contains(struct sh_str s, struct sh_str part)
{
    for (size_t i = 0; part.n <= s.n && i + part.n <= s.n; i++) {
        if (sh_str_ieq(sh_str_sub(s, i, i + part.n), part)) {
            return true;
        }
    }
    return false;
}

static bool wanted(const struct look *l, const json_t *doc)
{
    return l->q.n == 0 || contains(sh_json_get_str(doc, "name"), l->q) ||
           contains(sh_json_get_str(doc, "description"), l->q);
}

static sh_err each(void *ctx, const struct sh_record_row *row)
{
    struct look *l = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, row->doc.n, &doc, NULL));
    const bool own = mine(l->me, doc);
    l->all++;
    l->own += own ? 1 : 0;
    if (l->write && (own || sh_json_get_bool(doc, "shared", false)) && wanted(l, doc)) {
        const struct head h = {row->id, row->rev, row->created_us, row->updated_us, row->author};
        l->shown++;
        sh_jw_obj(&l->r->w);
        put_head(&l->r->w, &h, l->me, doc);
        sh_jw_key(&l->r->w, "widgets");
        sh_jw_u64(&l->r->w, json_array_size(json_object_get(doc, "widgets")));
        sh_jw_obj_end(&l->r->w);
    }
    json_decref(doc);
    return SH_OK;
}

int api_dashboards_list(struct api_req *r)
{
    struct look l = {.r = r, .me = api_author(r), .q = api_query(r, "q"), .write = true};
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, DASHBOARD_KIND, each, &l);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_key(&r->w, "total");
    sh_jw_u64(&r->w, l.shown);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- one ---- */

/* Takes the names that `seen` refuses out of a list of a widget; counts them. SH_E_NOMEM. */
static sh_err strip(json_t *widget, const char *member,
                    bool (*seen)(const struct sight *, struct sh_str), const struct sight *s,
                    size_t *hidden)
{
    json_t *list = json_object_get(widget, member);
    for (size_t i = json_array_size(list); i > 0; i--) {
        const json_t *v = json_array_get(list, i - 1);
        const struct sh_str name = sh_str_of(json_string_value(v), json_string_length(v));
        if (!seen(s, name)) {
            *hidden += 1;
            if (json_array_remove(list, i - 1) != 0) {
                return SH_E_NOMEM;
            }
        }
    }
    return SH_OK;
}

static sh_err strip_all(json_t *doc, const struct sight *s, size_t *hidden)
{
    const json_t *widgets = json_object_get(doc, "widgets");
    *hidden = 0;
    for (size_t i = 0; i < json_array_size(widgets); i++) {
        json_t *w = json_array_get(widgets, i);
        SH_TRY(strip(w, "points", sight_of_point, s, hidden));
        SH_TRY(strip(w, "devices", sight_of_device, s, hidden));
    }
    return SH_OK;
}

static void put_whole(struct api_req *r, const struct head *h, const json_t *doc, size_t hidden)
{
    sh_jw_obj(&r->w);
    put_head(&r->w, h, api_author(r), doc);
    sh_jw_key(&r->w, "hidden");
    sh_jw_u64(&r->w, hidden);
    sh_jw_key(&r->w, "widgets");
    sh_jw_json(&r->w, json_object_get(doc, "widgets"));
    sh_jw_obj_end(&r->w);
    api_etag(r, h->rev);
}

int dashboard_find(struct api_req *r, struct sh_str id, struct sh_record_row *row, json_t **doc)
{
    *doc = NULL;
    const bool shown = r->who.panel && sh_str_eq(id, r->panel);
    sh_err err = sh_record_get(r->api->o.record, r->tenant, DASHBOARD_KIND, id, r->arena, row);
    if (err == SH_OK) {
        err = sh_json_parse(row->doc, row->doc.n, doc, NULL);
    }
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return api_error(r, err, NULL);
    }
    if (err == SH_OK && (shown || (!r->who.panel && (sh_json_get_bool(*doc, "shared", false) ||
                                                     mine(api_author(r), *doc))))) {
        return 0;
    }
    json_decref(*doc);
    *doc = NULL;
    return api_problem(r, 404, "not_found", "no such dashboard", "仪表板不存在");
}

int api_dashboards_get(struct api_req *r)
{
    struct sh_record_row row;
    struct sight s;
    json_t *doc = NULL;
    size_t hidden = 0;
    const int status = dashboard_find(r, r->params[0], &row, &doc);
    if (status != 0) {
        return status;
    }
    sh_err err = sight_of(r, &s);
    if (err == SH_OK) {
        err = strip_all(doc, &s, &hidden);
    }
    if (err == SH_OK) {
        const struct head h = {row.id, row.rev, row.created_us, row.updated_us, row.author};
        put_whole(r, &h, doc, hidden);
    }
    json_decref(doc);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

/* ---- changes ---- */

/* The document as it is stored. NULL: no memory. */
static json_t *stored_form(const json_t *body, struct sh_str owner)
{
    static const char *const members[] = {"name", "description", "shared", "range", "widgets"};
    json_t *doc = json_object();
    bool good = doc != NULL;
    for (size_t i = 0; i < sizeof members / sizeof members[0] && good; i++) {
        json_t *v = json_object_get(body, members[i]);
        good = v == NULL || json_object_set(doc, members[i], v) == 0;
    }
    if (good && json_object_set_new(doc, "owner", json_stringn(owner.p, owner.n)) == 0) {
        return doc;
    }
    json_decref(doc);
    return NULL;
}

static int store(struct api_req *r, struct sh_str id, struct sh_str owner, uint64_t expect, int ok)
{
    struct sh_buf text;
    struct sh_diag d = {0};
    struct sh_record_row row;
    json_t *doc = stored_form(r->body, owner);
    sh_buf_init(&text, r->api->env->alloc, DASHBOARD_BYTES);
    struct sh_jw w;
    sh_jw_init(&w, &text);
    sh_jw_json(&w, doc);
    sh_err err = doc == NULL ? SH_E_NOMEM : sh_jw_end(&w);
    if (err == SH_E_LIMIT) {
        sh_diag_set(&d,
                    r->chinese ? "仪表板超过 128 KiB。" : "The dashboard is larger than 128 KiB.");
    }
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = r->tenant,
                                        .type = DASHBOARD_KIND,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_put(r->api->o.record, &p, api_author(r), NULL, &d);
    }
    if (err == SH_OK) {
        err = sh_record_get(r->api->o.record, r->tenant, DASHBOARD_KIND, id, r->arena, &row);
    }
    if (err == SH_OK) {
        const struct head h = {row.id, row.rev, row.created_us, row.updated_us, row.author};
        const struct sh_str object = sh_arena_printf(r->arena, "dashboard:%.*s (%.*s)", SH_PRI(id),
                                                     SH_PRI(sh_json_get_str(doc, "name")));
        put_whole(r, &h, doc, 0);
        api_dashboard_changed(r->api, r->tenant, id);
        api_audit(r, ok == 201 ? "dashboard.created" : "dashboard.changed", object, "ok",
                  sh_json_get_bool(doc, "shared", false) ? SH_STR("shared") : SH_STR(""));
    }
    sh_buf_fini(&text);
    json_decref(doc);
    return err == SH_OK ? ok : api_error(r, err, &d);
}

/* The body is good, and names only what its author may see. */
static int check(struct api_req *r, struct sight *s)
{
    const int status = dashboard_check(r, r->body);
    if (status != 0) {
        return status;
    }
    const sh_err err = sight_of(r, s);
    return err == SH_OK ? dashboard_names_seen(r, r->body, s) : api_error(r, err, NULL);
}

int api_dashboards_post(struct api_req *r)
{
    char id[SH_RECORD_ID_CHARS];
    struct sight s;
    struct look l = {.r = r, .me = api_author(r)};
    const int status = check(r, &s);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, DASHBOARD_KIND, each, &l);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    if (l.own >= DASHBOARDS_OWN_MAX || l.all >= DASHBOARDS_MAX) {
        return api_problem(r, 422, "limit",
                           "there are too many dashboards (200 of one owner, 1000 of a tenant): "
                           "delete some",
                           "仪表板过多（每人 200 个，每租户 1000 个）：请先删除一些");
    }
    const sh_err made = sh_record_id_new(r->api->env, id);
    return made == SH_OK ? store(r, sh_arena_str(r->arena, sh_str_of(id, sizeof id)), l.me, 0, 201)
                         : api_error(r, made, NULL);
}

/* The caller may change the stored one: he sees it, and all that it names. */
static int changeable(struct api_req *r, struct sight *s, struct sh_str *owner)
{
    struct sh_record_row row;
    json_t *doc = NULL;
    int status = dashboard_find(r, r->params[0], &row, &doc);
    if (status != 0) {
        return status;
    }
    if (dashboard_names_seen(r, doc, s) != 0) {
        status = api_problem(r, 403, "outside_part",
                             "the dashboard shows more than you may see: make a copy of it",
                             "该仪表板含有您无权查看的内容：请另存一份再修改");
    }
    *owner = sh_arena_str(r->arena, sh_json_get_str(doc, "owner"));
    json_decref(doc);
    return status;
}

static bool expected(struct api_req *r, uint64_t *rev, int *status)
{
    if (!api_if_match(r, rev)) {
        *status = api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
        return false;
    }
    *rev = *rev == 0 ? SH_RECORD_ANY : *rev;
    return true;
}

int api_dashboards_put(struct api_req *r)
{
    struct sight s;
    struct sh_str owner = {NULL, 0};
    uint64_t rev = 0;
    int status = check(r, &s);
    if (status == 0 && expected(r, &rev, &status)) {
        status = changeable(r, &s, &owner);
    }
    return status != 0 ? status : store(r, r->params[0], owner, rev, 200);
}

int api_dashboards_delete(struct api_req *r)
{
    struct sight s;
    struct sh_str owner = {NULL, 0};
    uint64_t rev = 0;
    int status = 0;
    sh_err err = sight_of(r, &s);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    if (expected(r, &rev, &status)) {
        status = changeable(r, &s, &owner);
    }
    if (status != 0) {
        return status;
    }
    err = sh_record_delete(r->api->o.record, r->tenant, DASHBOARD_KIND, r->params[0], rev,
                           api_author(r));
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_dashboard_changed(r->api, r->tenant, r->params[0]);
    api_audit(r, "dashboard.deleted",
              sh_arena_printf(r->arena, "dashboard:%.*s", SH_PRI(r->params[0])), "ok", SH_STR(""));
    return 204;
}
