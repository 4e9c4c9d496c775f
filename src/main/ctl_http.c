/* ctl_http.c - one request to a running platform, and where its body comes from.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <curl/curl.h>

#include "ctl_int.h"

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
    return sh_buf_put(ctx, p, size * n) == SH_OK ? size * n : 0;
}

static struct curl_slist *add(struct ctl *c, struct curl_slist *list, const char *name,
                              struct sh_str value)
{
    const struct sh_str line = sh_arena_printf(c->arena, "%s: %.*s", name, SH_PRI(value));
    struct curl_slist *more = line.p == NULL ? NULL : curl_slist_append(list, line.p);
    return more == NULL ? list : more;
}

/* Samples are JSON or CSV, lines and lists of devices are text: the server tells them apart by the
 * route, but for samples. */
static struct sh_str type_of(struct sh_str body, bool raw)
{
    if (!raw || (body.n > 0 && (body.p[0] == '{' || body.p[0] == '['))) {
        return SH_STR("application/json");
    }
    return SH_STR("text/csv; charset=utf-8");
}

static struct curl_slist *headers(struct ctl *c, struct sh_str body, bool raw)
{
    struct curl_slist *list = NULL;
    list = add(c, list, "Accept-Language", c->chinese ? SH_STR("zh-CN") : SH_STR("en"));
    if (c->token.n > 0) {
        list = add(c, list, "Authorization",
                   sh_arena_printf(c->arena, "Bearer %.*s", SH_PRI(c->token)));
    }
    if (c->key.n > 0) {
        list = add(c, list, "Idempotency-Key", c->key);
    }
    if (c->cookie.n > 0) {
        list = add(c, list, "Cookie", c->cookie);
    }
    if (body.p != NULL) {
        list = add(c, list, "Content-Type", c->type.n > 0 ? c->type : type_of(body, raw));
    }
    return list;
}

/* The cookie of a sign-in by a provider (RFC 6265, 5.2: up to the first semicolon). */
static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct ctl *c = ctx;
    struct sh_str value;
    const struct sh_str name = sh_str_cut(sh_str_of(p, size * n), ':', &value);
    const struct sh_str cookie = sh_str_cut(sh_str_trim(value), ';', &value);
    if (sh_str_ieq(name, SH_STR("Set-Cookie")) &&
        sh_str_starts(cookie, SH_STR("songhua_outside="))) {
        c->cookie = sh_arena_str(c->arena, cookie);
    }
    return size * n;
}

static CURLcode run(CURL *h, const char *method, struct sh_str body, struct ctl_answer *out)
{
    (void)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT, 120L);
    (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, 10L);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, &out->body);
    if (body.p != NULL) {
        (void)curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.p);
    }
    const CURLcode rc = curl_easy_perform(h);
    char *type = NULL;
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &out->status);
    (void)curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    out->is_json = type != NULL && strstr(type, "json") != NULL;
    return rc;
}

sh_err ctl_request(struct ctl *c, const char *method, struct sh_str path, struct sh_str body,
                   bool raw, struct ctl_answer *out)
{
    const bool whole = path.n > 0 && path.p[0] == '/';
    const struct sh_str url = sh_arena_printf(c->arena, "%.*s%s%.*s", SH_PRI(c->url),
                                              whole ? "" : "/api/v1/", SH_PRI(path));
    CURL *h = curl_easy_init();
    sh_buf_clear(&out->body);
    if (h == NULL || url.p == NULL) {
        curl_easy_cleanup(h);
        return SH_E_NOMEM;
    }
    struct curl_slist *list = headers(c, body, raw);
    (void)curl_easy_setopt(h, CURLOPT_URL, url.p);
    (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    if (c->keeps_cookie) {
        (void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
        (void)curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
    }
    const CURLcode rc = run(h, method, body, out);
    curl_slist_free_all(list);
    curl_easy_cleanup(h);
    if (rc != CURLE_OK) {
        (void)fprintf(stderr, "songhua: %.*s: %s\n  %s\n", SH_PRI(url), curl_easy_strerror(rc),
                      ctl_word(c,
                               "Is it running there? --url or SONGHUA_URL names another address.",
                               "平台是否在该地址运行？可用 --url 或 SONGHUA_URL 指定其他地址。"));
        return SH_E_CLOSED;
    }
    return SH_OK;
}

static sh_err read_stdin(struct ctl *c, struct sh_str *out)
{
    struct sh_buf b;
    char part[4096];
    size_t n = 0;
    sh_err err = SH_OK;
    sh_buf_init(&b, c->env.alloc, CTL_BODY_MAX);
    while (err == SH_OK && (n = fread(part, 1, sizeof part, stdin)) > 0) {
        err = sh_buf_put(&b, part, n);
    }
    if (err == SH_OK) {
        *out = sh_arena_str(c->arena, sh_buf_str(&b));
        err = out->p == NULL ? SH_E_LIMIT : SH_OK;
    }
    sh_buf_fini(&b);
    return err;
}

sh_err ctl_body(struct ctl *c, struct sh_str given, struct sh_str *out)
{
    if (sh_str_eqc(given, "-")) {
        return read_stdin(c, out);
    }
    if (given.n < 2 || given.p[0] != '@') {
        *out = given;
        return SH_OK;
    }
    struct sh_str text = {NULL, 0};
    const struct sh_str path = sh_arena_str(c->arena, sh_str_sub(given, 1, given.n));
    SH_TRY(sh_fs_read_all(c->env.fs, c->env.alloc, path.p, CTL_BODY_MAX, &text));
    *out = sh_arena_str(c->arena, text);
    sh_str_free(c->env.alloc, &text);
    return out->p == NULL ? SH_E_LIMIT : SH_OK;
}

enum ctl_exit ctl_exit_of(long status)
{
    static const struct {
        long status;
        enum ctl_exit exit;
    } rows[] = {{401, CTL_DENIED},   {403, CTL_DENIED},   {404, CTL_NOTFOUND}, {410, CTL_NOTFOUND},
                {409, CTL_CONFLICT}, {412, CTL_CONFLICT}, {429, CTL_BUSY},     {503, CTL_BUSY}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].exit;
        }
    }
    if (status >= 200 && status < 300) {
        return CTL_OK;
    }
    if (status >= 400 && status < 500) {
        return CTL_REFUSED;
    }
    return status >= 500 ? CTL_BROKEN : CTL_FAILED;
}
