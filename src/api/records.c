/* records.c - business records, their types, the change feed and files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

static struct sh_str body_text(struct api_req *r)
{
    return sh_bytes_str(r->http->body);
}

static bool internal_kind(struct sh_str type)
{
    return type.n > 0 && type.p[0] == '_';
}

static int no_type(struct api_req *r)
{
    return api_problem(r, 404, "not_found", "no such record type", "没有这种业务记录类型");
}

static void put_row(struct api_req *r, const struct sh_record_row *row)
{
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    sh_jw_key(w, "id");
    sh_jw_str(w, row->id);
    sh_jw_key(w, "type");
    sh_jw_str(w, row->type);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, row->rev);
    sh_jw_key(w, "created");
    sh_jw_time(w, row->created_us);
    sh_jw_key(w, "updated");
    sh_jw_time(w, row->updated_us);
    sh_jw_key(w, "author");
    sh_jw_str(w, row->author);
    if (row->deleted) {
        sh_jw_key(w, "deleted");
        sh_jw_bool(w, true);
    } else if (api_clear(r, SH_PERM_RECORDS_READ, r->type_class, SH_STR(""))) {
        sh_jw_key(w, "record");
        sh_jw_raw(w, row->doc);
    } else {
        sh_jw_key(w, "record");
        sh_jw_null(w);
        api_put_masked(w, r->type_class);
    }
    sh_jw_obj_end(w);
}

int api_types_list(struct api_req *r)
{
    struct sh_record_row *rows = NULL;
    size_t n = 0;
    const sh_err err = sh_record_type_list(r->api->o.record, r->tenant, r->arena, &rows, &n);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < n; i++) {
        if (!internal_kind(rows[i].id)) {
            sh_jw_raw(&r->w, rows[i].doc);
        }
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* 0, or 403: the class of its records would be lower. A type of the tenant's own may hide one of
 * the platform's: that is the same. */
static int type_kept(struct api_req *r, struct sh_str type)
{
    struct sh_diag d = {0};
    struct sh_data_class to;
    struct sh_record_row row;
    if (sh_record_type_get(r->api->o.record, r->tenant, type, r->arena, &row) == SH_E_NOTFOUND) {
        return 0;
    }
    const struct sh_data_class was = api_type_class(r, type);
    if (sh_data_class_read(r->body, &to, &d) != SH_OK) {
        return api_problem_diag(r, 400, "bad_request", &d);
    }
    to = sh_data_class_or(to, sh_twin_class_default(r->api->o.twin, r->tenant));
    return sh_data_class_lower(to, was)
               ? api_problem(r, 403, "class_lowered",
                             "this would lower the data class of the records of this type",
                             "这会调低该类型业务记录的数据分类分级")
               : 0;
}

static int type_put(struct api_req *r, struct sh_str type, uint64_t expect, int ok)
{
    struct sh_diag d = {0};
    uint64_t rev = 0;
    if (internal_kind(type)) {
        return api_problem(r, 400, "bad_request", "a type's name may not begin with '_'",
                           "类型名不能以“_”开头");
    }
    const int lowered = type_kept(r, type);
    if (lowered != 0) {
        return lowered;
    }
    const sh_err err = sh_record_type_put(r->api->o.record, r->tenant, type, body_text(r), expect,
                                          api_author(r), &rev, &d);
    if (err != SH_OK) {
        return api_error(r, err == SH_E_CONFLICT && expect == 0 ? SH_E_EXISTS : err, &d);
    }
    api_audit(r, "type.put", type, "ok", SH_STR(""));
    api_etag(r, rev);
    sh_jw_json(&r->w, r->body);
    return ok;
}

int api_types_post(struct api_req *r)
{
    return type_put(r, sh_json_get_str(r->body, "name"), 0, 201);
}

int api_types_put(struct api_req *r)
{
    uint64_t rev = 0;
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    return type_put(r, r->params[0], rev == 0 ? SH_RECORD_ANY : rev, 200);
}

int api_types_get(struct api_req *r)
{
    struct sh_record_row row;
    const sh_err err =
        sh_record_type_get(r->api->o.record, r->tenant, r->params[0], r->arena, &row);
    if (err == SH_E_NOTFOUND || internal_kind(r->params[0])) {
        return no_type(r);
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    sh_jw_raw(&r->w, row.doc);
    return 200;
}

int api_types_delete(struct api_req *r)
{
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    const sh_err err = sh_record_type_delete(r->api->o.record, r->tenant, r->params[0],
                                             SH_RECORD_ANY, api_author(r));
    if (err == SH_E_STATE) {
        return api_problem(r, 409, "state", "records of this type exist", "仍有该类型的业务记录");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "type.deleted", r->params[0], "ok", SH_STR(""));
    return 204;
}

int api_records_list(struct api_req *r)
{
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    r->type_class = api_type_class(r, r->params[0]);
    const struct sh_str sort = api_query(r, "sort");
    if ((api_query(r, "filter").n > 0 || api_query(r, "q").n > 0 || sort.n > 0) &&
        !api_clear(r, SH_PERM_RECORDS_READ, r->type_class, SH_STR(""))) {
        return api_masked_problem(r);
    }
    struct sh_diag d = {0};
    const struct sh_record_query q = {
        .tenant = r->tenant,
        .type = r->params[0],
        .filter = api_query(r, "filter"),
        .sort = sort,
        .search = api_query(r, "q"),
        .cursor = api_query(r, "cursor"),
        .limit = api_limit(r, 50, 1000),
    };
    struct sh_record_page page;
    const sh_err err = sh_record_list(r->api->o.record, &q, r->arena, &page, &d);
    if (err != SH_OK) {
        return api_error(r, err, &d);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < page.n; i++) {
        put_row(r, &page.rows[i]);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (page.next.n == 0) {
        sh_jw_null(&r->w);
    } else {
        sh_jw_str(&r->w, page.next);
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

static int record_put(struct api_req *r, struct sh_str id, uint64_t expect, int ok)
{
    struct sh_diag d = {0};
    struct sh_record_row row;
    const struct sh_record_put p = {
        .tenant = r->tenant, .type = r->params[0], .id = id, .doc = body_text(r), .expect = expect};
    sh_err err = sh_record_put(r->api->o.record, &p, api_author(r), NULL, &d);
    if (err != SH_OK) {
        return api_error(r, err == SH_E_CONFLICT && expect == 0 ? SH_E_EXISTS : err, &d);
    }
    err = sh_record_get(r->api->o.record, r->tenant, r->params[0], id, r->arena, &row);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    r->type_class = api_type_class(r, r->params[0]);
    put_row(r, &row);
    return ok;
}

int api_records_post(struct api_req *r)
{
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    char id[SH_RECORD_ID_CHARS];
    const struct sh_str wanted = api_query(r, "id");
    if (wanted.n > 0) {
        return record_put(r, wanted, 0, 201);
    }
    const sh_err err = sh_record_id_new(r->api->env, id);
    return err == SH_OK ? record_put(r, sh_str_of(id, sizeof id), 0, 201) : api_error(r, err, NULL);
}

int api_records_get(struct api_req *r)
{
    struct sh_record_row row;
    const sh_err err = internal_kind(r->params[0])
                           ? SH_E_NOTFOUND
                           : sh_record_get(r->api->o.record, r->tenant, r->params[0], r->params[1],
                                           r->arena, &row);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_etag(r, row.rev);
    r->type_class = api_type_class(r, r->params[0]);
    put_row(r, &row);
    return 200;
}

int api_records_put(struct api_req *r)
{
    uint64_t rev = 0;
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    return record_put(r, r->params[1], rev == 0 ? SH_RECORD_ANY : rev, 200);
}

int api_records_delete(struct api_req *r)
{
    uint64_t rev = 0;
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    const sh_err err = sh_record_delete(r->api->o.record, r->tenant, r->params[0], r->params[1],
                                        rev == 0 ? SH_RECORD_ANY : rev, api_author(r));
    return err == SH_OK ? 204 : api_error(r, err, NULL);
}

int api_records_revisions(struct api_req *r)
{
    struct sh_record_page page;
    uint64_t before = 0;
    const struct sh_str cursor = api_query(r, "cursor");
    if (internal_kind(r->params[0])) {
        return no_type(r);
    }
    if (cursor.n > 0 && sh_u64_parse(cursor, &before) != SH_OK) {
        return api_problem(r, 400, "bad_request", "cursor is not valid", "cursor 无效");
    }
    r->type_class = api_type_class(r, r->params[0]);
    const uint32_t limit = api_limit(r, 50, 1000);
    const sh_err err = sh_record_revisions(r->api->o.record, r->tenant, r->params[0], r->params[1],
                                           before, limit, r->arena, &page);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < page.n; i++) {
        put_row(r, &page.rows[i]);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    if (page.n < limit || page.n == 0) {
        sh_jw_null(&r->w);
    } else {
        char t[SH_I64_CHARS];
        sh_jw_str(&r->w, sh_str_of(t, sh_u64_print(page.rows[page.n - 1].rev, t)));
    }
    sh_jw_obj_end(&r->w);
    return 200;
}

static void put_change(struct sh_jw *w, const struct sh_record_change *c)
{
    static const char *const acts[] = {"", "created", "updated", "deleted", "linked", "unlinked"};
    sh_jw_obj(w);
    sh_jw_key(w, "seq");
    sh_jw_u64(w, c->seq);
    sh_jw_key(w, "act");
    sh_jw_c(w, acts[(size_t)c->act]);
    sh_jw_key(w, "type");
    sh_jw_str(w, c->type);
    sh_jw_key(w, "id");
    sh_jw_str(w, c->id);
    sh_jw_key(w, "revision");
    sh_jw_u64(w, c->rev);
    sh_jw_key(w, "time");
    sh_jw_time(w, c->time_us);
    sh_jw_key(w, "author");
    sh_jw_str(w, c->author);
    sh_jw_obj_end(w);
}

int api_changes(struct api_req *r)
{
    uint64_t after = 0;
    uint64_t next = 0;
    struct sh_record_change *list = NULL;
    size_t n = 0;
    const struct sh_str s = api_query(r, "after");
    if (s.n > 0 && sh_u64_parse(s, &after) != SH_OK) {
        return api_problem(r, 400, "bad_request", "after is not a number", "after 不是数字");
    }
    const sh_err err = sh_record_changes(r->api->o.record, after, r->tenant, api_query(r, "type"),
                                         api_limit(r, 100, 1000), r->arena, &list, &n, &next);
    if (err == SH_E_LIMIT) {
        return api_problem(r, 410, "limit", "these changes are no longer kept: read all anew",
                           "这些变更已不再保留：请重新读取全部数据");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < n; i++) {
        if (!internal_kind(list[i].type)) {
            put_change(&r->w, &list[i]);
        }
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_u64(&r->w, next);
    sh_jw_obj_end(&r->w);
    return 200;
}

static sh_err blob_store(struct api_req *r, char hash[SH_RECORD_HASH_CHARS], bool *fresh)
{
    struct sh_record_blob_writer *bw = NULL;
    SH_TRY(sh_record_blob_begin(r->api->o.record, r->tenant, &bw));
    const sh_err err = sh_record_blob_write(bw, r->http->body);
    if (err != SH_OK) {
        sh_record_blob_abort(bw);
        return err;
    }
    return sh_record_blob_end(bw, hash, NULL, fresh);
}

/* Charged to the tenant's quota before it is stored, once for equal contents; given back when it is
 * collected (sh_record_blob_count). */
int api_blob_post(struct api_req *r)
{
    struct sh_guard *g = r->api->o.guard;
    char hash[SH_RECORD_HASH_CHARS];
    uint64_t size = r->http->body.n;
    bool fresh = false;
    if (sh_guard_use(g, r->tenant, SH_QUOTA_STORAGE, size) != SH_OK) {
        return files_quota_used_up(r);
    }
    const sh_err err = blob_store(r, hash, &fresh);
    if (!fresh) { /* it failed, or the tenant has it already */
        sh_guard_unuse(g, r->tenant, SH_QUOTA_STORAGE, size);
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "hash");
    sh_jw_str(&r->w, sh_str_of(hash, sizeof hash));
    sh_jw_key(&r->w, "size");
    sh_jw_u64(&r->w, size);
    sh_jw_obj_end(&r->w);
    return 201;
}

int api_blob_get(struct api_req *r)
{
    struct sh_record_blob *b = NULL;
    uint64_t size = 0;
    size_t got = 0;
    sh_err err = sh_record_blob_open(r->api->o.record, r->tenant, r->params[0], &b, &size);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    struct sh_buf *out = sh_http_body(r->http);
    err = size > SIZE_MAX ? SH_E_LIMIT : sh_buf_reserve(out, (size_t)size);
    if (err == SH_OK && size > 0) {
        err = sh_record_blob_read(b, 0, out->p, (size_t)size, &got);
        out->n = got;
    }
    sh_record_blob_close(b);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    sh_http_header_c(r->http, "Content-Type", "application/octet-stream");
    sh_http_header_c(r->http, "Content-Security-Policy", "sandbox");
    return 200;
}
