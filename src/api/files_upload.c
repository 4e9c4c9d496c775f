/* files_upload.c - a file comes: piece by piece from the client to the disk, whatever its size.
 *
 * An upload is charged to the tenant's quota of storage before its bytes are taken: all of it when
 * its length was said, else each piece. What is charged and not stored is given back, in one place
 * (upload_free). Until the record is made the content belongs to nobody: it is charged by itself
 * (sh_record_blob_count takes that back when it comes into use or goes) and is collected later.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/media.h>

#include "files.h"

struct upload {
    struct api_req *r;
    struct sh_twin_owner owner;
    struct sh_twin_file file;
    struct sh_record_blob_writer *to;
    uint64_t charged;
    uint64_t got;
    bool over_quota;
    size_t nhead;
    uint8_t head[SH_MEDIA_HEAD];
};

static int bad(struct api_req *r, const char *en, const char *zh)
{
    return api_problem(r, 400, "bad_request", en, zh);
}

int files_quota_used_up(struct api_req *r)
{
    return api_problem(r, 422, "limit",
                       "the tenant's quota of storage does not hold this file: remove files that "
                       "are not needed, or ask for more",
                       "租户的存储配额容不下此文件：请删除不需要的文件，或申请更大的配额");
}

static int too_long(struct api_req *r)
{
    const unsigned long long mib = r->api->o.file_bytes >> 20;
    return api_problem(
        r, 413, "limit",
        sh_arena_printf(r->arena, "a file may have %llu MiB (api.file_bytes)", mib).p,
        sh_arena_printf(r->arena, "单个文件不得超过 %llu MiB（api.file_bytes）", mib).p);
}

/* Gives back what was charged and not stored. The request lives on. */
static void upload_free(struct upload *u, uint64_t stored)
{
    struct sh_api *a = u->r->api;
    sh_guard_unuse(a->o.guard, u->r->tenant, SH_QUOTA_STORAGE, u->charged - stored);
    (void)atomic_fetch_sub(&a->uploads, 1);
    sh_record_blob_abort(u->to);
    sh_mem_free(a->env->alloc, u);
}

static bool charge(struct upload *u, uint64_t upto)
{
    if (upto <= u->charged) {
        return true;
    }
    if (sh_guard_use(u->r->api->o.guard, u->r->tenant, SH_QUOTA_STORAGE, upto - u->charged) !=
        SH_OK) {
        u->over_quota = true;
        return false;
    }
    u->charged = upto;
    return true;
}

static sh_err piece(void *ctx, struct sh_bytes data)
{
    struct upload *u = ctx;
    const size_t room = sizeof u->head - u->nhead;
    const size_t n = data.n < room ? data.n : room;
    if (!charge(u, u->got + data.n)) {
        return SH_E_LIMIT;
    }
    memcpy(u->head + u->nhead, data.p, n);
    u->nhead += n;
    u->got += data.n;
    return sh_record_blob_write(u->to, data);
}

static int failed(struct api_req *r, sh_err err, bool over_quota)
{
    switch ((int)err) {
    case SH_E_LIMIT:
        return over_quota ? files_quota_used_up(r) : too_long(r);
    case SH_E_TIMEOUT:
        return api_problem(r, 408, "bad_request", "the file came too slowly: send it again",
                           "文件上传过慢，已中止：请重新上传");
    case SH_E_CLOSED:
    case SH_E_PROTO:
        return bad(r, "the upload broke off: nothing was stored", "上传中断：未保存任何内容");
    default:
        return api_error(r, err, NULL);
    }
}

static int made(struct upload *u, sh_err err)
{
    struct api_req *r = u->r;
    const struct sh_str object = files_object(r, &u->owner);
    if (err == SH_E_LIMIT) {
        return api_problem(r, 422, "limit",
                           "1000 files of one object or 100,000 of the tenant are there: remove "
                           "some",
                           "单个对象的文件已达 1000 个，或租户的文件已达 10 万个：请先删除一些");
    }
    if (err != SH_OK && err != SH_E_EXISTS) {
        return api_error(r, err, NULL);
    }
    if (err == SH_OK) {
        api_audit(r, "file.added", object, "ok",
                  sh_arena_printf(r->arena, "%.*s: %.*s, %llu bytes, SHA-256 %.*s",
                                  SH_PRI(u->file.id), SH_PRI(u->file.name),
                                  (unsigned long long)u->file.size, SH_PRI(u->file.hash)));
    }
    api_etag(r, u->file.rev);
    files_put(r, &u->file);
    return err == SH_OK ? 201 : 200;
}

/* The content, and the file that refers to it. One upload at a time: whose content is fresh has it
 * charged with the file, and no other may refer to it in between. *stored: what stays charged. */
static sh_err keep(struct upload *u, uint64_t *stored, bool *content)
{
    struct api_req *r = u->r;
    char hash[SH_RECORD_HASH_CHARS];
    struct sh_record_blob_writer *to = u->to;
    bool fresh = false;
    u->to = NULL;
    sh_mutex_lock(&r->api->files_lock);
    sh_err err = sh_record_blob_end(to, hash, &u->file.size, &fresh);
    *content = err == SH_OK;
    if (err == SH_OK) {
        const struct sh_twin_file f = {
            .name = u->file.name,
            .kind = u->file.kind,
            .note = u->file.note,
            .size = u->file.size,
            .hash = {hash, sizeof hash},
            .fresh = fresh,
            .media = sh_str_c(sh_media_sniff((struct sh_bytes){u->head, u->nhead}, u->file.name))};
        err = sh_twin_file_add(r->api->o.twin, &u->owner, &f, api_author(r), r->arena, &u->file);
        *stored = err == SH_OK || fresh ? f.size : 0; /* fresh: by itself, until it is collected */
    }
    sh_mutex_unlock(&r->api->files_lock);
    return err;
}

/* All of it is here. */
static int store(struct upload *u, uint64_t *stored)
{
    struct api_req *r = u->r;
    bool content = false;
    if (sh_guard_live(r->api->o.guard, &r->who) != SH_OK) { /* it may have taken long */
        return api_problem(r, 401, "not_signed_in", "the session or token ended meanwhile",
                           "会话或令牌已在上传过程中失效");
    }
    const sh_err err = keep(u, stored, &content);
    if (!content && err == SH_E_LIMIT) {
        return api_problem(r, 507, "disk_full", "the store of files is full", "文件存储空间已满");
    }
    return content ? made(u, err) : api_error(r, err, NULL);
}

static void ended(void *ctx, sh_err err)
{
    struct upload *u = ctx;
    struct api_req *r = u->r;
    uint64_t stored = 0;
    const int status = err == SH_OK ? store(u, &stored) : failed(r, err, u->over_quota);
    upload_free(u, stored);
    api_finish(r, status);
}

static sh_err run_worker(void *pool, void (*fn)(void *ctx), void *ctx)
{
    return sh_workers_run(pool, fn, ctx);
}

/* What the query says of the file: 0, or the status of a problem. */
static int words(struct api_req *r, struct sh_twin_file *f)
{
    f->name = sh_str_trim(api_query(r, "name"));
    f->kind = api_query(r, "kind");
    f->note = sh_str_trim(api_query(r, "note"));
    f->kind = f->kind.n == 0 ? SH_STR("other") : f->kind;
    if (!sh_twin_file_name(f->name)) {
        return bad(r, "name (in the query) must have 1 to 200 bytes without / and \\",
                   "查询参数 name 须为 1 至 200 字节的文件名，不含 / 和 \\");
    }
    if (!sh_twin_file_kind(f->kind)) {
        return bad(r, "kind must be manual, drawing, certificate, photo, report or other",
                   "kind 须为 manual、drawing、certificate、photo、report 或 other");
    }
    if (f->note.n > SH_TWIN_FILE_NOTE || !sh_utf8_valid(f->note)) {
        return bad(r, "a note has at most 2000 bytes", "备注不超过 2000 字节");
    }
    return 0;
}

static int disk_stopped(struct api_req *r)
{
    struct sh_disk_state s = {.level = SH_DISK_OK};
    if (r->api->o.disk != NULL) {
        sh_disk_state(r->api->o.disk, &s);
    }
    return s.level < SH_DISK_STOP
               ? 0
               : api_problem(r, 507, "disk_full", "the disk has no room for files",
                             "磁盘空间不足，不能保存文件");
}

/* Everything that can be said before the first byte. */
static int admit(struct upload *u, int64_t length)
{
    struct api_req *r = u->r;
    int status = files_owner(r, &u->owner);
    status = status == 0 ? words(r, &u->file) : status;
    status = status == 0 ? disk_stopped(r) : status;
    if (status != 0) {
        return status;
    }
    if (length > 0 && (uint64_t)length > r->api->o.file_bytes) {
        return too_long(r);
    }
    if (length > 0 && !charge(u, (uint64_t)length)) {
        return files_quota_used_up(r);
    }
    const sh_err err = sh_record_blob_begin(r->api->o.record, r->tenant, &u->to);
    return err == SH_OK ? 0 : api_error(r, err, NULL);
}

int api_files_post(struct api_req *r)
{
    struct sh_api *a = r->api;
    struct upload *u = NULL;
    if (atomic_fetch_add(&a->uploads, 1) >= FILES_UPLOADS_MAX) {
        (void)atomic_fetch_sub(&a->uploads, 1);
        sh_http_header_c(r->http, "Retry-After", "5");
        return api_problem(r, 503, "too_busy", "32 uploads are under way: try again later",
                           "已有 32 个文件在上传：请稍后再试");
    }
    u = sh_mem_new(a->env->alloc, sizeof *u);
    if (u == NULL) {
        (void)atomic_fetch_sub(&a->uploads, 1);
        return api_error(r, SH_E_NOMEM, NULL);
    }
    u->r = r;
    int status = admit(u, sh_http_body_length(r->http));
    if (status == 0) {
        const struct sh_http_intake i = {.run = run_worker,
                                         .pool = a->o.workers,
                                         .piece = piece,
                                         .end = ended,
                                         .ctx = u,
                                         .body_max = a->o.file_bytes};
        if (sh_http_intake(r->http, &i) == SH_OK) {
            return 0;
        }
        status = api_error(r, SH_E_NOMEM, NULL);
    }
    upload_free(u, 0);
    return status;
}
