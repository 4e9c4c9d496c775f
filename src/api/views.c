/* views.c - saved views of the console's lists: filters, order and columns under a name. Each
 * belongs to who saved it and is seen by nobody else, or is shared in the tenant.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define KIND SH_STR("_view")
enum {
    VIEWS_MAX = 2000,
    VIEWS_OWN_MAX = 200,
    NAME_MAX_BYTES = 300,
    QUERY_MAX = 40,
    VALUE_MAX = 2000
};

static bool mine(struct sh_str me, const json_t *doc)
{
    return sh_str_eq(sh_json_get_str(doc, "owner"), me);
}

static void put_view(struct sh_jw *w, struct sh_str id, struct sh_str me, const json_t *doc)
{
    static const char *const texts[] = {"page", "name"};
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, id);
    for (size_t i = 0; i < 2; i++) {
        sh_jw_key(w, texts[i]);
        sh_jw_str(w, sh_json_get_str(doc, texts[i]));
    }
    sh_jw_key(w, "shared");
    sh_jw_bool(w, sh_json_get_bool(doc, "shared", false));
    sh_jw_key(w, "mine");
    sh_jw_bool(w, mine(me, doc));
    sh_jw_key(w, "owner");
    sh_jw_str(w, sh_json_get_str(doc, "owner"));
    sh_jw_key(w, "query");
    sh_jw_json(w, json_object_get(doc, "query"));
    sh_jw_obj_end(w);
}

struct look {
    struct api_req *r;
    struct sh_str me;
    struct sh_str page;
    bool write; /* else only counted */
    size_t all;
    size_t own;
};

static sh_err each(void *ctx, const struct sh_record_row *row)
{
    struct look *l = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, row->doc.n, &doc, NULL));
    const bool own = mine(l->me, doc);
    l->all++;
    l->own += own ? 1 : 0;
    if (l->write && (own || sh_json_get_bool(doc, "shared", false)) &&
        (l->page.n == 0 || sh_str_eq(sh_json_get_str(doc, "page"), l->page))) {
        put_view(&l->r->w, row->id, l->me, doc);
    }
    json_decref(doc);
    return SH_OK;
}

int api_views_list(struct api_req *r)
{
    struct look l = {.r = r, .me = api_author(r), .page = api_query(r, "page"), .write = true};
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, KIND, each, &l);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static bool texts_ok(const json_t *query)
{
    json_t *q = (json_t *)(uintptr_t)query;
    if (!json_is_object(q) || json_object_size(q) > QUERY_MAX) {
        return false;
    }
    for (void *it = json_object_iter(q); it != NULL; it = json_object_iter_next(q, it)) {
        const json_t *v = json_object_iter_value(it);
        if (!json_is_string(v) || json_string_length(v) > VALUE_MAX) {
            return false;
        }
    }
    return true;
}

/* The body's shape, and the right to share; 0 = good, else it was answered. */
static int check(struct api_req *r)
{
    const struct sh_str name = sh_json_get_str(r->body, "name");
    const struct sh_str page = sh_json_get_str(r->body, "page");
    if (name.n == 0 || name.n > NAME_MAX_BYTES || page.n == 0 || page.n > 64) {
        return api_problem(r, 400, "bad_request",
                           "a view needs a name (at most 300 bytes) and a page",
                           "视图需要名称（不超过 300 字节）和所属页面");
    }
    if (!texts_ok(json_object_get(r->body, "query"))) {
        return api_problem(r, 400, "bad_request", "query must be an object of texts",
                           "query 必须是由文本组成的对象");
    }
    if (sh_json_get_bool(r->body, "shared", false) &&
        api_check(r, SH_PERM_RECORDS_WRITE) != SH_OK) {
        return api_problem(r, 403, "denied", "sharing a view needs the right records.write",
                           "共享视图需要 records.write 权限");
    }
    return 0;
}

static int store(struct api_req *r, struct sh_str id, struct sh_str owner, uint64_t expect, int ok)
{
    static const char *const members[] = {"page", "name", "shared", "query"};
    struct sh_buf text;
    struct sh_diag d = {0};
    json_t *doc = json_object();
    bool good = doc != NULL;
    for (size_t i = 0; i < 4 && good; i++) {
        json_t *v = json_object_get(r->body, members[i]);
        good = v == NULL || json_object_set(doc, members[i], v) == 0;
    }
    good = good && json_object_set_new(doc, "owner", json_stringn(owner.p, owner.n)) == 0;
    sh_buf_init(&text, r->api->env->alloc, 1 << 20);
    struct sh_jw w;
    sh_jw_init(&w, &text);
    sh_jw_json(&w, doc);
    sh_err err = good ? sh_jw_end(&w) : SH_E_NOMEM;
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = r->tenant,
                                        .type = KIND,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_put(r->api->o.record, &p, owner, NULL, &d);
    }
    if (err == SH_OK) {
        put_view(&r->w, id, api_author(r), doc);
        api_audit(r, "view.put", sh_json_get_str(doc, "name"), "ok", sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    json_decref(doc);
    return err == SH_OK ? ok : api_error(r, err, &d);
}

int api_views_post(struct api_req *r)
{
    char id[SH_RECORD_ID_CHARS];
    struct look l = {.r = r, .me = api_author(r)};
    const int status = check(r);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, KIND, each, &l);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    if (l.own >= VIEWS_OWN_MAX || l.all >= VIEWS_MAX) {
        return api_problem(r, 422, "limit", "there are too many views: delete some",
                           "视图过多：请先删除一些");
    }
    const sh_err made = sh_record_id_new(r->api->env, id);
    return made == SH_OK ? store(r, (struct sh_str){id, sizeof id}, l.me, 0, 201)
                         : api_error(r, made, NULL);
}

/* One's own view, as text in the arena; 0 = found, else it was answered. A shared one of another is
 * changed by who may write records. */
static int owned(struct api_req *r, struct sh_str *owner)
{
    struct sh_record_row row;
    json_t *doc = NULL;
    int status = 0;
    sh_err err = sh_record_get(r->api->o.record, r->tenant, KIND, r->params[0], r->arena, &row);
    if (err == SH_OK) {
        err = sh_json_parse(row.doc, row.doc.n, &doc, NULL);
    }
    if (err != SH_OK && err != SH_E_NOTFOUND) {
        return api_error(r, err, NULL);
    }
    const bool shared = sh_json_get_bool(doc, "shared", false);
    if (err == SH_E_NOTFOUND || (!shared && !mine(api_author(r), doc))) {
        status = api_problem(r, 404, "not_found", "no such view", "视图不存在");
    } else if (!mine(api_author(r), doc) && api_check(r, SH_PERM_RECORDS_WRITE) != SH_OK) {
        status = api_problem(r, 403, "denied", "the view is another's", "该视图属于他人");
    } else {
        *owner = sh_arena_str(r->arena, sh_json_get_str(doc, "owner"));
    }
    json_decref(doc);
    return status;
}

int api_views_put(struct api_req *r)
{
    struct sh_str owner;
    int status = check(r);
    if (status == 0) {
        status = owned(r, &owner);
    }
    return status != 0 ? status : store(r, r->params[0], owner, SH_RECORD_ANY, 200);
}

int api_views_delete(struct api_req *r)
{
    struct sh_str owner;
    const int status = owned(r, &owner);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_record_delete(r->api->o.record, r->tenant, KIND, r->params[0],
                                        SH_RECORD_ANY, api_author(r));
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "view.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}
