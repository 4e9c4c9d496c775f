/* static.c - the console's files. Names with a content hash are cached for ever; index.html gets a
 * fresh nonce at each answer and is never stored. A path that is no file and accepts HTML is a page
 * of the console and gets index.html too.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/gzip.h>

#include "api_int.h"

static const struct sh_api_asset *find(const struct sh_api *a, struct sh_str path)
{
    for (const struct sh_api_asset *f = a->o.assets; f != NULL && f->path != NULL; f++) {
        if (sh_str_eqc(path, f->path)) {
            return f;
        }
    }
    return NULL;
}

static void common_headers(struct sh_http_req *h)
{
    sh_http_header_c(h, "Referrer-Policy", "same-origin");
    sh_http_header_c(h, "X-Frame-Options", "DENY");
}

static sh_err put_with_nonce(struct sh_buf *out, struct sh_str page, struct sh_str nonce)
{
    const struct sh_str mark = SH_STR("__NONCE__");
    size_t from = 0;
    for (size_t i = 0; i + mark.n <= page.n; i++) {
        if (page.p[i] == '_' && sh_str_eq(sh_str_sub(page, i, i + mark.n), mark)) {
            SH_TRY(sh_buf_put_str(out, sh_str_sub(page, from, i)));
            SH_TRY(sh_buf_put_str(out, nonce));
            i += mark.n - 1;
            from = i + 1;
        }
    }
    return sh_buf_put_str(out, sh_str_sub(page, from, page.n));
}

static int serve_index(struct api_req *r, const struct sh_api_asset *f)
{
    uint8_t raw[18];
    struct sh_buf nonce;
    sh_buf_init(&nonce, r->api->env->alloc, 64);
    const struct sh_random *rnd = r->api->env->random;
    sh_err err = rnd->fill(rnd->ctx, raw, sizeof raw);
    if (err == SH_OK) {
        err = sh_base64_put(&nonce, sh_bytes_of(raw, sizeof raw), false);
    }
    struct sh_buf *body = sh_http_body(r->http);
    sh_buf_clear(body);
    if (err == SH_OK) {
        err = put_with_nonce(body, sh_str_of((const char *)f->data, f->len), sh_buf_str(&nonce));
    }
    const struct sh_str csp = sh_arena_printf(
        r->arena,
        "default-src 'none'; script-src 'self' 'nonce-%.*s'; style-src 'self' 'nonce-%.*s'; "
        "img-src 'self' data:%s%s; font-src 'self'; connect-src 'self'; frame-src 'self'; "
        "base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'",
        SH_PRI(sh_buf_str(&nonce)), SH_PRI(sh_buf_str(&nonce)),
        r->api->map_origin[0] == '\0' ? "" : " ", r->api->map_origin);
    sh_buf_fini(&nonce);
    if (err != SH_OK || csp.p == NULL) {
        return api_error(r, err == SH_OK ? SH_E_NOMEM : err, NULL);
    }
    sh_http_plain(r->http); /* the nonce */
    sh_http_header(r->http, "Content-Security-Policy", csp);
    sh_http_header_c(r->http, "Content-Type", f->type);
    sh_http_header_c(r->http, "Cache-Control", "no-store");
    return 200;
}

static int serve_file(struct api_req *r, const struct sh_api_asset *f)
{
    struct sh_http_req *h = r->http;
    sh_http_header_c(h, "Cache-Control",
                     f->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    if (f->etag != NULL) {
        sh_http_header_c(h, "ETag", f->etag);
        if (sh_str_eqc(sh_http_field_of(h, "If-None-Match"), f->etag)) {
            return 304;
        }
    }
    sh_http_header_c(h, "Content-Type", f->type);
    const struct sh_bytes data = sh_bytes_of(f->data, f->len);
    if (!f->gzip) {
        sh_http_body_const(h, data);
        return 200;
    }
    sh_http_header_c(h, "Vary", "Accept-Encoding");
    if (sh_http_field_has_token(h->fields, h->nfields, "Accept-Encoding", "gzip")) {
        sh_http_header_c(h, "Content-Encoding", "gzip");
        sh_http_body_const(h, data);
        return 200;
    }
    const sh_err err = sh_gunzip(data, sh_http_body(h));
    return err == SH_OK ? 200 : api_error(r, err, NULL);
}

int api_static(struct api_req *r)
{
    static const struct api_route page = {.method = SH_HTTP_GET,
                                          .path = "/",
                                          .id = "console",
                                          .permission = API_PUBLIC,
                                          .flags = API_F_LOOP | API_F_OWN_TYPE};
    r->route = &page;
    const struct sh_str path = r->http->path;
    const struct sh_api_asset *f = find(r->api, path);
    const struct sh_api_asset *index = find(r->api, SH_STR("/index.html"));
    common_headers(r->http);
    if (f != NULL && f != index) {
        return serve_file(r, f);
    }
    if (index == NULL) {
        return api_problem(r, 404, "not_found", "this build has no console: run make build",
                           "此构建不含控制台：请运行 make build");
    }
    if (sh_str_starts(path, SH_STR("/assets/"))) {
        return api_problem(r, 404, "not_found", "no such file", "没有这个文件");
    }
    return serve_index(r, index);
}
