/* templates.c - templates of devices: what new devices of one kind have in common (thing model,
 * place, labels, period, classes), kept under a name for all of a tenant. A template is a pattern
 * and nothing else: what was made with it does not follow it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

#define KIND SH_STR("_device_template")
enum {
    TEMPLATES_MAX = 500,
    NAME_MAX_BYTES = 200,
    TEXT_MAX_BYTES = 1000,
    TEMPLATE_BYTES = 64 << 10
};

static void put_template(struct sh_jw *w, const struct sh_record_row *row, const json_t *doc)
{
    static const char *const members[] = {"name", "description", "device"};
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, row->id);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        sh_jw_key(w, members[i]);
        sh_jw_json(w, json_object_get(doc, members[i]));
    }
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "updated");
    sh_jw_time(w, row->updated_us);
    sh_jw_key(w, "author");
    sh_jw_str(w, row->author);
    sh_jw_obj_end(w);
}

struct look {
    struct sh_jw *w;    /* NULL: only counted */
    struct sh_str name; /* is there another one of this name? */
    struct sh_str but;  /* the id that may have it */
    size_t n;
    bool taken;
};

static sh_err each(void *ctx, const struct sh_record_row *row)
{
    struct look *l = ctx;
    json_t *doc = NULL;
    SH_TRY(sh_json_parse(row->doc, TEMPLATE_BYTES, &doc, NULL));
    l->n++;
    l->taken = l->taken ||
               (sh_str_eq(sh_json_get_str(doc, "name"), l->name) && !sh_str_eq(row->id, l->but));
    if (l->w != NULL) {
        put_template(l->w, row, doc);
    }
    json_decref(doc);
    return SH_OK;
}

int api_templates_list(struct api_req *r)
{
    struct look l = {.w = &r->w};
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    const sh_err err = sh_record_scan(r->api->o.record, r->tenant, KIND, each, &l);
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_key(&r->w, "total");
    sh_jw_u64(&r->w, l.n);
    sh_jw_obj_end(&r->w);
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

static int show(struct api_req *r, struct sh_str id, int status)
{
    struct sh_record_row row;
    json_t *doc = NULL;
    sh_err err = sh_record_get(r->api->o.record, r->tenant, KIND, id, r->arena, &row);
    if (err == SH_OK) {
        err = sh_json_parse(row.doc, TEMPLATE_BYTES, &doc, NULL);
    }
    if (err == SH_OK) {
        put_template(&r->w, &row, doc);
        api_etag(r, row.rev);
    }
    json_decref(doc);
    return err == SH_OK ? status : api_error(r, err, NULL);
}

int api_templates_get(struct api_req *r)
{
    return show(r, r->params[0], 200);
}

/* The body is good: a name that no other has, and a device that could be made. */
static int check(struct api_req *r, struct sh_str id)
{
    struct sh_diag d = {0};
    const struct sh_str name = sh_json_get_str(r->body, "name");
    struct look l = {.name = name, .but = id};
    if (name.n == 0 || name.n > NAME_MAX_BYTES ||
        sh_json_get_str(r->body, "description").n > TEXT_MAX_BYTES) {
        return api_problem(r, 400, "bad_request",
                           "a template needs a name (at most 200 bytes); its description has at "
                           "most 1000 bytes",
                           "模板需要名称（不超过 200 字节）；说明不超过 1000 字节");
    }
    sh_err err =
        sh_twin_device_check(r->api->o.twin, r->tenant, json_object_get(r->body, "device"), &d);
    if (err == SH_OK) {
        err = sh_record_scan(r->api->o.record, r->tenant, KIND, each, &l);
    }
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    if (l.taken) {
        return api_problem(r, 409, "exists", "there is a template of this name",
                           "已有同名的建档模板");
    }
    if (id.n == 0 && l.n >= TEMPLATES_MAX) {
        return api_problem(r, 422, "limit", "there are 500 templates: delete some",
                           "建档模板已达 500 个：请先删除一些");
    }
    return 0;
}

/* The document as it is stored: of the device only what is asked for. NULL: no memory. */
static json_t *stored_form(const json_t *body)
{
    static const char *const members[] = {"name", "description", "device"};
    json_t *doc = json_object();
    bool good = doc != NULL;
    for (size_t i = 0; i < sizeof members / sizeof members[0] && good; i++) {
        json_t *v = json_object_get(body, members[i]);
        good = v == NULL || json_is_null(v) || json_object_set(doc, members[i], v) == 0;
    }
    if (good) {
        (void)json_object_del(json_object_get(doc, "device"), "id");
        return doc;
    }
    json_decref(doc);
    return NULL;
}

static int store(struct api_req *r, struct sh_str id, uint64_t expect, int ok)
{
    struct sh_buf text;
    struct sh_diag d = {0};
    json_t *doc = stored_form(r->body);
    sh_buf_init(&text, r->api->env->alloc, TEMPLATE_BYTES);
    struct sh_jw w;
    sh_jw_init(&w, &text);
    sh_jw_json(&w, doc);
    sh_err err = doc == NULL ? SH_E_NOMEM : sh_jw_end(&w);
    if (err == SH_E_LIMIT) {
        sh_diag_set(&d, r->chinese ? "模板超过 64 KiB。" : "The template is larger than 64 KiB.");
    }
    if (err == SH_OK) {
        const struct sh_record_put p = {.tenant = r->tenant,
                                        .type = KIND,
                                        .id = id,
                                        .doc = sh_buf_str(&text),
                                        .expect = expect};
        err = sh_record_put(r->api->o.record, &p, api_author(r), NULL, &d);
    }
    if (err == SH_OK) {
        api_audit(r, "device_template.put", sh_json_get_str(doc, "name"), "ok", sh_buf_str(&text));
    }
    sh_buf_fini(&text);
    json_decref(doc);
    return err == SH_OK ? show(r, id, ok) : api_error(r, err, &d);
}

int api_templates_post(struct api_req *r)
{
    char id[SH_RECORD_ID_CHARS];
    const int status = check(r, SH_STR(""));
    if (status != 0) {
        return status;
    }
    const sh_err made = sh_record_id_new(r->api->env, id);
    return made == SH_OK ? store(r, sh_arena_str(r->arena, sh_str_of(id, sizeof id)), 0, 201)
                         : api_error(r, made, NULL);
}

/* The template is there, and so is a revision that is asked for; 0, else it was answered. */
static int known(struct api_req *r, uint64_t *rev)
{
    struct sh_record_row row;
    if (!api_if_match(r, rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    const sh_err err =
        sh_record_get(r->api->o.record, r->tenant, KIND, r->params[0], r->arena, &row);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "no such template", "建档模板不存在");
    }
    *rev = *rev == 0 ? SH_RECORD_ANY : *rev;
    return err == SH_OK ? 0 : api_error(r, err, NULL);
}

int api_templates_put(struct api_req *r)
{
    uint64_t rev = 0;
    int status = known(r, &rev);
    if (status == 0) {
        status = check(r, r->params[0]);
    }
    return status != 0 ? status : store(r, r->params[0], rev, 200);
}

int api_templates_delete(struct api_req *r)
{
    uint64_t rev = 0;
    const int status = known(r, &rev);
    if (status != 0) {
        return status;
    }
    const sh_err err =
        sh_record_delete(r->api->o.record, r->tenant, KIND, r->params[0], rev, api_author(r));
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "device_template.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}
