/* files.c - files of devices, assets and thing models: listed, shown, renamed, removed. What a
 * browser would run is never shown in the console's place: only pictures, PDF and plain text are,
 * and each answer is sandboxed. SPDX-License-Identifier: Apache-2.0 */
#include <sh/media.h>

#include "files.h"

enum { PIECE = 128 << 10 };

/* ---- whose ---- */

static enum sh_twin_of of_path(const struct api_req *r)
{
    const struct sh_str path = sh_str_c(r->route->path);
    return sh_str_starts(path, SH_STR("/api/v1/assets/"))   ? SH_TWIN_OF_ASSET
           : sh_str_starts(path, SH_STR("/api/v1/things/")) ? SH_TWIN_OF_THING
                                                            : SH_TWIN_OF_DEVICE;
}

static int no_owner(struct api_req *r, enum sh_twin_of of)
{
    static const char *const en[] = {"no such device", "no such asset", "no such thing model"};
    static const char *const zh[] = {"设备不存在", "资产不存在", "物模型不存在"};
    return api_problem(r, 404, "not_found", en[(size_t)of], zh[(size_t)of]);
}

int files_owner(struct api_req *r, struct sh_twin_owner *o)
{
    struct sh_twin *t = r->api->o.twin;
    *o = (struct sh_twin_owner){r->tenant, of_path(r), r->params[0]};
    const bool outside = o->of == SH_TWIN_OF_DEVICE ? !api_sees(r, o->id)
                         : o->of == SH_TWIN_OF_ASSET
                             ? r->who.bound || !sh_twin_asset_within(t, o->tenant, o->id, r->parts)
                             : r->who.bound;
    const sh_err err = outside ? SH_E_NOTFOUND : sh_twin_owner_check(t, o);
    if (err == SH_E_UNSUPPORTED) {
        return api_problem(r, 422, "unsupported",
                           "a shared thing model has no files: they belong to devices, assets and "
                           "models of a tenant",
                           "共享物模型不能附带文件：文件属于租户自己的设备、资产和物模型");
    }
    return err == SH_OK ? 0 : no_owner(r, o->of);
}

struct sh_str files_object(struct api_req *r, const struct sh_twin_owner *o)
{
    static const char *const words[] = {"", "asset:", "thing:"}; /* devices are named as always */
    return sh_arena_printf(r->arena, "%s%.*s", words[(size_t)o->of], SH_PRI(o->id));
}

/* ---- shown ---- */

static void put_text(struct sh_jw *w, const char *key, struct sh_str s)
{
    sh_jw_key(w, key);
    sh_jw_str(w, s);
}

void files_put(struct api_req *r, const struct sh_twin_file *f)
{
    struct sh_jw *w = &r->w;
    sh_jw_obj(w);
    put_text(w, "id", f->id);
    put_text(w, "name", f->name);
    put_text(w, "media", f->media);
    put_text(w, "kind", f->kind);
    put_text(w, "note", f->note);
    sh_jw_key(w, "size");
    sh_jw_u64(w, f->size);
    put_text(w, "sha256", f->hash);
    sh_jw_key(w, "inline");
    sh_jw_bool(w, sh_media_inline(f->media));
    put_text(w, "by", f->by);
    sh_jw_key(w, "time");
    sh_jw_time(w, f->time_us);
    if (f->edited_by.n > 0) {
        sh_jw_key(w, "edited");
        sh_jw_obj(w);
        put_text(w, "by", f->edited_by);
        sh_jw_key(w, "time");
        sh_jw_time(w, f->edited_us);
        sh_jw_obj_end(w);
    }
    if (f->deleted_us != 0) {
        sh_jw_key(w, "deleted");
        sh_jw_obj(w);
        put_text(w, "by", f->deleted_by);
        sh_jw_key(w, "time");
        sh_jw_time(w, f->deleted_us);
        sh_jw_key(w, "until");
        sh_jw_time(w, f->deleted_us + SH_TWIN_FILE_GRACE_US);
        sh_jw_obj_end(w);
    }
    sh_jw_key(w, "revision");
    sh_jw_u64(w, f->rev);
    sh_jw_obj_end(w);
}

/* What the tenant may still store: 0 as limit = as much as the disk holds. */
static void put_quota(struct api_req *r)
{
    struct sh_tenant_use use = {.limit = {0}};
    const sh_err err = sh_guard_tenant_use(r->api->o.guard, r->tenant, &use);
    SH_UNUSED(err);
    sh_jw_key(&r->w, "storage");
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "limit");
    sh_jw_u64(&r->w, use.limit[SH_QUOTA_STORAGE]);
    sh_jw_key(&r->w, "use");
    sh_jw_u64(&r->w, use.use[SH_QUOTA_STORAGE]);
    sh_jw_obj_end(&r->w);
    sh_jw_key(&r->w, "file_bytes");
    sh_jw_u64(&r->w, r->api->o.file_bytes);
}

/* ?deleted=1: the deleted files are meant, not those that are there. */
static bool asks_deleted(struct api_req *r)
{
    const struct sh_str v = api_query(r, "deleted");
    return v.n > 0 && !sh_str_eqc(v, "0") && !sh_str_eqc(v, "false");
}

int api_files_list(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file *list = NULL;
    size_t n = 0;
    const int status = files_owner(r, &o);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_twin_files(r->api->o.twin, &o, asks_deleted(r), r->arena, &list, &n);
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? no_owner(r, o.of) : api_error(r, err, NULL);
    }
    sh_jw_obj(&r->w);
    sh_jw_key(&r->w, "items");
    sh_jw_arr(&r->w);
    for (size_t i = 0; i < n; i++) {
        files_put(r, &list[i]);
    }
    sh_jw_arr_end(&r->w);
    sh_jw_key(&r->w, "next");
    sh_jw_null(&r->w);
    put_quota(r);
    sh_jw_obj_end(&r->w);
    return 200;
}

/* The file of the path: 0, or the status of a problem. */
static int file_of_path(struct api_req *r, struct sh_twin_owner *o, struct sh_twin_file *f)
{
    const int status = files_owner(r, o);
    if (status != 0) {
        return status;
    }
    const sh_err err = sh_twin_file_get(r->api->o.twin, o, r->params[1], r->arena, f);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "no such file", "文件不存在");
    }
    return err == SH_OK ? 0 : api_error(r, err, NULL);
}

/* ---- changed and removed ---- */

static struct sh_str member(const struct api_req *r, const char *key)
{
    const json_t *v = json_object_get(r->body, key);
    return json_is_string(v) ? sh_str_of(json_string_value(v), json_string_length(v))
                             : (struct sh_str){NULL, 0};
}

int api_files_patch(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file f;
    uint64_t rev = 0;
    if (!api_if_match(r, &rev)) {
        return api_problem(r, 400, "bad_request", "If-Match is malformed", "If-Match 格式错误");
    }
    const int status = file_of_path(r, &o, &f);
    if (status != 0) {
        return status;
    }
    const struct sh_twin_file_change c = {.id = r->params[1],
                                          .name = member(r, "name"),
                                          .kind = member(r, "kind"),
                                          .note = member(r, "note"),
                                          .expect = rev == 0 ? SH_RECORD_ANY : rev,
                                          .author = api_author(r)};
    const sh_err err = sh_twin_file_change(r->api->o.twin, &o, &c, r->arena, &f);
    if (err == SH_E_INVAL) {
        return api_problem(r, 400, "bad_request",
                           "a name has 1 to 200 bytes without / and \\, a note at most 2000, and "
                           "kind is manual, drawing, certificate, photo, report or other",
                           "文件名为 1 至 200 字节且不含 / 和 \\，备注不超过 2000 字节，kind 须为 "
                           "manual、drawing、certificate、photo、report 或 other");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    api_audit(r, "file.changed", files_object(r, &o), "ok",
              sh_arena_printf(r->arena, "%.*s: %.*s", SH_PRI(f.id), SH_PRI(f.name)));
    api_etag(r, f.rev);
    files_put(r, &f);
    return 200;
}

static void audit_file(struct api_req *r, const char *act, const struct sh_twin_owner *o,
                       const struct sh_twin_file *f)
{
    api_audit(r, act, files_object(r, o), "ok",
              sh_arena_printf(r->arena, "%.*s: %.*s, %llu bytes", SH_PRI(f->id), SH_PRI(f->name),
                              (unsigned long long)f->size));
}

/* A deleted one, at once and for good. */
static int purge(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file f;
    uint64_t size = 0;
    const int status = files_owner(r, &o);
    if (status != 0) {
        return status;
    }
    struct sh_twin *t = r->api->o.twin;
    sh_err err = sh_twin_file_deleted(t, &o, r->params[1], r->arena, &f);
    err = err == SH_OK ? sh_twin_file_remove(t, &o, r->params[1], api_author(r), &size) : err;
    if (err != SH_OK) {
        return err == SH_E_NOTFOUND ? api_problem(r, 404, "not_found", "no such deleted file",
                                                  "没有这个已删除的文件")
                                    : api_error(r, err, NULL);
    }
    sh_guard_unuse(r->api->o.guard, r->tenant, SH_QUOTA_STORAGE, size);
    audit_file(r, "file.purged", &o, &f);
    return 204;
}

int api_files_delete(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file f;
    if (asks_deleted(r)) {
        return purge(r);
    }
    const int status = file_of_path(r, &o, &f);
    if (status != 0) {
        return status;
    }
    if (files_in_plan(r, &o, f.id)) {
        return api_problem(r, 409, "state",
                           "this picture is the asset's plan: give the plan another one first",
                           "该图片是资产的平面图：请先为平面图更换图片");
    }
    const sh_err err =
        sh_twin_file_delete(r->api->o.twin, &o, f.id, false, api_author(r), r->arena, &f);
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    audit_file(r, "file.deleted", &o, &f);
    return 204;
}

int api_files_restore(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file f;
    const int status = files_owner(r, &o);
    if (status != 0) {
        return status;
    }
    const sh_err err =
        sh_twin_file_delete(r->api->o.twin, &o, r->params[1], true, api_author(r), r->arena, &f);
    if (err == SH_E_NOTFOUND) {
        return api_problem(r, 404, "not_found", "no such deleted file", "没有这个已删除的文件");
    }
    if (err == SH_E_EXISTS) {
        return api_problem(r, 409, "exists", "the same file is there again",
                           "相同的文件已重新上传");
    }
    if (err == SH_E_LIMIT) {
        return api_problem(r, 422, "limit", "1000 files are there: remove some first",
                           "文件已达 1000 个：请先删除一些");
    }
    if (err != SH_OK) {
        return api_error(r, err, NULL);
    }
    audit_file(r, "file.restored", &o, &f);
    api_etag(r, f.rev);
    files_put(r, &f);
    return 200;
}

void api_files_gone(struct api_req *r, enum sh_twin_of of, struct sh_str id)
{
    const struct sh_twin_owner o = {r->tenant, of, id};
    uint64_t bytes = 0;
    const sh_err err = sh_twin_files_drop(r->api->o.twin, &o, api_author(r), &bytes);
    if (err != SH_OK) { /* the next start does it */
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "files of %.*s are not removed: %s",
               SH_PRI(id), sh_err_name(err));
    }
    sh_guard_unuse(r->api->o.guard, r->tenant, SH_QUOTA_STORAGE, bytes);
}

/* ---- content ---- */

struct download {
    struct api_req *r;
    struct sh_record_blob *blob;
    uint64_t at;
    uint64_t to;
};

static void download_free(struct download *d)
{
    sh_record_blob_close(d->blob);
    sh_mem_free(d->r->api->env->alloc, d);
}

static sh_err more(void *ctx, struct sh_buf *out, bool *last)
{
    struct download *d = ctx;
    const uint64_t left = d->to - d->at;
    const size_t n = left < PIECE ? (size_t)left : PIECE;
    size_t got = 0;
    SH_TRY(sh_buf_reserve(out, n));
    SH_TRY(sh_record_blob_read(d->blob, d->at, out->p + out->n, n, &got));
    if (got != n) {
        return SH_E_CORRUPT; /* the file is shorter than what was stored */
    }
    out->n += n;
    d->at += n;
    *last = d->at == d->to;
    return SH_OK;
}

static void ended(void *ctx, sh_err err)
{
    struct download *d = ctx;
    struct api_req *r = d->r;
    if (err != SH_OK && err != SH_E_CLOSED && err != SH_E_CANCELED) {
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "a download was cut off: %s",
               sh_err_name(err));
    }
    download_free(d);
    api_release(r);
}

static sh_err run_worker(void *pool, void (*fn)(void *ctx), void *ctx)
{
    return sh_workers_run(pool, fn, ctx);
}

/* Headers of every answer. False: no memory. */
static bool headers(struct api_req *r, const struct sh_twin_file *f, struct sh_str etag)
{
    struct sh_http_req *h = r->http;
    struct sh_buf name;
    const bool shown = sh_media_inline(f->media);
    const bool pdf = sh_str_eqc(f->media, "application/pdf");
    sh_buf_init(&name, r->api->env->alloc, 4096);
    const sh_err err =
        sh_http_disposition(&name, shown && sh_str_eqc(api_query(r, "inline"), "true"), f->name);
    sh_http_header(h, "Content-Disposition", sh_buf_str(&name));
    sh_buf_fini(&name);
    sh_http_header(h, "Content-Type",
                   sh_str_eqc(f->media, "text/plain") ? SH_STR("text/plain; charset=utf-8")
                   : shown                            ? f->media
                                                      : SH_STR("application/octet-stream"));
    /* A browser's own viewer of PDF does not open in a sandbox; it runs nothing of ours. */
    sh_http_header_c(h, "Content-Security-Policy",
                     pdf ? "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
                         : "default-src 'none'; sandbox; frame-ancestors 'self'");
    sh_http_header_c(h, "X-Content-Type-Options", "nosniff");
    sh_http_header_c(h, "Cross-Origin-Resource-Policy", "same-origin");
    sh_http_header_c(h, "Cache-Control", "private, no-cache");
    sh_http_header_c(h, "Accept-Ranges", "bytes");
    sh_http_header(h, "ETag", etag);
    return err == SH_OK && etag.p != NULL;
}

/* Which part is asked for: 200, 206, or 416. */
static int part_asked(struct api_req *r, struct sh_str etag, uint64_t size, struct download *d)
{
    const struct sh_str range = sh_http_field_of(r->http, "Range");
    const struct sh_str only_if = sh_http_field_of(r->http, "If-Range");
    d->at = 0;
    d->to = size;
    if (range.n == 0 || (only_if.p != NULL && !sh_str_eq(only_if, etag))) {
        return 200;
    }
    const sh_err err = sh_http_range(range, size, &d->at, &d->to);
    if (err == SH_E_LIMIT) {
        return 416;
    }
    return err == SH_OK ? 206 : 200;
}

static int send_part(struct download *d, int status, uint64_t size)
{
    struct api_req *r = d->r;
    bool last = d->at == d->to;
    if (status == 206) {
        sh_http_header(r->http, "Content-Range",
                       sh_arena_printf(r->arena, "bytes %llu-%llu/%llu", (unsigned long long)d->at,
                                       (unsigned long long)d->to - 1, (unsigned long long)size));
    }
    sh_http_length(r->http, d->to - d->at);
    const sh_err err = last ? SH_OK : more(d, sh_http_body(r->http), &last);
    if (err != SH_OK) {
        download_free(d);
        return api_error(r, err, NULL);
    }
    if (last) { /* in one piece */
        download_free(d);
        return status;
    }
    sh_http_status(r->http, status);
    sh_http_pull(r->http, &(struct sh_http_pull){.run = run_worker,
                                                 .pool = r->api->o.workers,
                                                 .more = more,
                                                 .end = ended,
                                                 .ctx = d,
                                                 .piece_max = PIECE});
    return 0;
}

int api_files_content(struct api_req *r)
{
    struct sh_twin_owner o;
    struct sh_twin_file f;
    uint64_t size = 0;
    int status = file_of_path(r, &o, &f);
    if (status != 0) {
        return status;
    }
    struct download *d = sh_mem_new(r->api->env->alloc, sizeof *d);
    if (d == NULL) {
        return api_error(r, SH_E_NOMEM, NULL);
    }
    d->r = r;
    const sh_err err = sh_record_blob_open(r->api->o.record, r->tenant, f.hash, &d->blob, &size);
    if (err != SH_OK) {
        download_free(d);
        return err == SH_E_NOTFOUND
                   ? api_problem(r, 404, "not_found",
                                 "the content of this file is missing: restore it from a backup",
                                 "该文件的内容缺失：请从备份恢复")
                   : api_error(r, err, NULL);
    }
    const struct sh_str etag = sh_arena_printf(r->arena, "\"%.*s\"", SH_PRI(f.hash));
    const struct sh_str known = sh_http_field_of(r->http, "If-None-Match");
    if (!headers(r, &f, etag)) {
        download_free(d);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    if (known.p != NULL && sh_http_etag_match(known, etag)) {
        download_free(d);
        return 304;
    }
    status = part_asked(r, etag, size, d);
    if (status == 416) {
        download_free(d);
        sh_http_header(r->http, "Content-Range",
                       sh_arena_printf(r->arena, "bytes */%llu", (unsigned long long)size));
        return api_problem(r, 416, "bad_request", "the range lies behind the end of the file",
                           "请求的范围超出文件末尾");
    }
    return send_part(d, status, size);
}
