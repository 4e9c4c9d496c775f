/* idempotency.c - the header Idempotency-Key of POST and PATCH
 * (draft-ietf-httpapi-idempotency-key-header-07): a request is done once, and its repeat gets the
 * answer of the first time.
 *
 * A key belongs to (who asks, tenant, method, path). api_idem_begin reserves it on disk after the
 * body was parsed and before the handler runs; api_idem_end replaces the reservation:
 *   2xx          the status, ETag and body are kept for a day and replayed
 *   2xx, secret  only that it was done: secrets are shown once and never stored
 *   2xx, long    only that it was done and with which status
 *   4xx          nothing was done: the key is free again
 *   5xx          it may have been done in part: unknown, as after a crash
 * Routes marked API_F_REPEAT do no harm when repeated: their keys are checked and not stored.
 * The store sees keyed hashes only (guard), neither keys nor bodies.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { ANSWER_MAX = 64 << 10, OWNER_HEX = 32, STATUS_DIGITS = 3 };

struct api_idem {
    struct sh_record_idem key;
    char owner[SH_HASH_HEX];
    char name[SH_HASH_HEX];
};

/* A quoted string of RFC 8941 3.3.3. */
static bool unquote(struct sh_str s, char out[API_IDEM_KEY_MAX], size_t *n)
{
    if (s.n < 2 || s.p[s.n - 1] != '"') {
        return false;
    }
    for (size_t i = 1; i + 1 < s.n; i++) {
        char c = s.p[i];
        if (c == '"') {
            return false;
        }
        if (c == '\\') {
            c = s.p[++i];
            if (i + 1 >= s.n || (c != '"' && c != '\\')) {
                return false;
            }
        }
        if (*n == API_IDEM_KEY_MAX) {
            return false;
        }
        out[(*n)++] = c;
    }
    return true;
}

bool api_idem_key(struct sh_str field, char out[API_IDEM_KEY_MAX], size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < field.n; i++) {
        if (field.p[i] < 0x20 || field.p[i] > 0x7e) {
            return false;
        }
    }
    if (field.n > 0 && field.p[0] == '"') {
        return unquote(field, out, n) && *n > 0;
    }
    if (field.n == 0 || field.n > API_IDEM_KEY_MAX) {
        return false;
    }
    memcpy(out, field.p, field.n);
    *n = field.n;
    return true;
}

/* Who asks, for longer than a session; an address for those who are about to sign in. */
static sh_err who_asks(struct api_req *r, struct sh_str *out)
{
    struct sh_principal_info info;
    if (r->who.kind == SH_PRINCIPAL_NOBODY) {
        *out = sh_arena_printf(r->arena, "address:%.*s", SH_PRI(api_peer(r)));
    } else {
        SH_TRY(sh_guard_describe(r->api->o.guard, &r->who, &info));
        *out = sh_arena_printf(r->arena, "%s %s", info.label, info.token_id);
    }
    return out->p == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err name_it(struct api_req *r, struct sh_str key, struct api_idem *k)
{
    struct sh_guard *g = r->api->o.guard;
    struct sh_str who;
    uint8_t owner[SH_HASH_BYTES];
    uint8_t name[SH_HASH_BYTES];
    uint8_t print[SH_HASH_BYTES];
    SH_TRY(who_asks(r, &who));
    const struct sh_str tenant = sh_arena_printf(r->arena, "%u", r->tenant);
    const struct sh_str parts[] = {who, tenant, r->http->method_name, r->http->path, key};
    const struct sh_str body[] = {r->http->query, sh_bytes_str(r->http->body)};
    SH_TRY(sh_guard_mark(g, SH_STR("idempotency owner"), &who, 1, owner));
    SH_TRY(
        sh_guard_mark(g, SH_STR("idempotency key"), parts, sizeof parts / sizeof parts[0], name));
    SH_TRY(sh_guard_mark(g, SH_STR("idempotency request"), body, 2, print));
    sh_hash_hex(owner, k->owner);
    sh_hash_hex(name, k->name);
    k->key.owner = sh_str_of(k->owner, OWNER_HEX);
    k->key.key = sh_str_c(k->name);
    memcpy(&k->key.fingerprint, print, sizeof k->key.fingerprint);
    /* A second session does no harm, and strangers shall not write to the disk. */
    k->key.in_memory = r->who.kind == SH_PRINCIPAL_NOBODY;
    return SH_OK;
}

static const struct refusal {
    sh_err err;
    enum api_idem_count count;
    int status;
    const char *retry_after;
    const char *code;
    const char *english;
    const char *chinese;
} refusals[] = {
    {SH_E_BUSY, API_IDEM_BUSY, 409, "1", "idempotency_busy",
     "the first request with this key is still being worked on", "使用该键的首个请求仍在处理中"},
    {SH_E_CONFLICT, API_IDEM_MISMATCH, 422, NULL, "idempotency_mismatch",
     "this key was used for a request with another body or query",
     "该键已用于正文或查询参数不同的请求"},
    {SH_E_STATE, API_IDEM_UNKNOWN, 409, NULL, "idempotency_unknown",
     "the request was begun, and it is not known whether it was done",
     "该请求曾开始处理，但无法确定是否已完成"},
    {SH_E_LIMIT, API_IDEM_REFUSED, 429, "3600", "idempotency_limit",
     "you have used as many keys as are remembered of one caller for a day",
     "您使用的键已达到单个调用者一天内可记住的上限"},
    {SH_E_AGAIN, API_IDEM_REFUSED, 503, "60", "idempotency_limit",
     "no further keys can be remembered at the moment", "目前无法再记住更多的键"},
};

static void count(struct api_req *r, enum api_idem_count which)
{
    (void)atomic_fetch_add_explicit(&r->api->idem[which], 1, memory_order_relaxed);
}

static int refuse(struct api_req *r, sh_err err)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *w = &refusals[i];
        if (w->err == err) {
            count(r, w->count);
            if (w->retry_after != NULL) {
                sh_http_header_c(r->http, "Retry-After", w->retry_after);
            }
            return api_problem(r, w->status, w->code, w->english, w->chinese);
        }
    }
    return api_error(r, err, NULL);
}

/* "A 201 <etag>\n<body>"; S and L: done, and there is nothing to show. */
static int replay(struct api_req *r, struct sh_str kept)
{
    struct sh_str body;
    const struct sh_str head = sh_str_cut(kept, '\n', &body);
    uint64_t status = 0;
    if (head.n < 2 + STATUS_DIGITS + 1 ||
        sh_u64_parse(sh_str_sub(head, 2, 2 + STATUS_DIGITS), &status) != SH_OK) {
        return api_error(r, SH_E_CORRUPT, NULL);
    }
    count(r, API_IDEM_REPLAYED);
    if (head.p[0] == 'S') {
        return api_problem(r, 409, "idempotency_secret",
                           "it was done; its answer holds a secret, which is shown only once",
                           "已完成；返回内容含有密钥，只显示一次");
    }
    if (head.p[0] != 'A') {
        return api_problem(r, 409, "idempotency_done",
                           "it was done; its answer was too long to be kept",
                           "已完成；返回内容过长，未保留");
    }
    const struct sh_str etag = sh_str_sub(head, 2 + STATUS_DIGITS + 1, head.n);
    sh_http_header_c(r->http, "Idempotency-Replayed", "true");
    if (etag.n > 0) {
        sh_http_header(r->http, "ETag", etag);
    }
    const sh_err err = sh_buf_put_str(sh_http_body(r->http), body);
    return err == SH_OK ? (int)status : api_error(r, err, NULL);
}

static bool only_field(const struct sh_http_req *h, struct sh_str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->nfields; i++) {
        n += sh_str_ieq(h->fields[i].name, SH_STR("Idempotency-Key")) ? 1 : 0;
    }
    *out = sh_http_field_of(h, "Idempotency-Key");
    return n <= 1;
}

int api_idem_begin(struct api_req *r)
{
    char key[API_IDEM_KEY_MAX];
    size_t n = 0;
    struct sh_str field;
    if (r->http->method != SH_HTTP_POST && r->http->method != SH_HTTP_PATCH) {
        return 0;
    }
    const bool one = only_field(r->http, &field);
    if (field.p == NULL) {
        return 0;
    }
    if (!one || !api_idem_key(field, key, &n)) {
        return api_problem(r, 400, "idempotency_key",
                           "Idempotency-Key must be 1 to 255 printable ASCII characters, once",
                           "Idempotency-Key 须为 1 至 255 个可打印 ASCII 字符，且只出现一次");
    }
    if ((r->route->flags & (API_F_REPEAT | API_F_LOOP)) != 0) {
        return 0;
    }
    struct sh_str kept = {NULL, 0};
    struct api_idem *k = sh_arena_get(r->arena, sizeof *k);
    sh_err err = k == NULL ? SH_E_NOMEM : name_it(r, sh_str_of(key, n), k);
    if (err == SH_OK) {
        k->key.tenant = r->who.kind == SH_PRINCIPAL_NOBODY ? SH_TENANT_ROOT : r->who.tenant;
        err = sh_record_idem_begin(r->api->o.record, &k->key, r->arena, &kept);
    }
    if (err == SH_OK) {
        return replay(r, kept);
    }
    if (err != SH_E_NOTFOUND) {
        return refuse(r, err);
    }
    count(r, API_IDEM_BEGUN);
    r->idem = k;
    return 0;
}

static struct sh_str answer_of(struct api_req *r, int status)
{
    const struct sh_str body = sh_buf_str(sh_http_body(r->http));
    if ((r->route->flags & API_F_SECRET) != 0) {
        return sh_arena_printf(r->arena, "S %03d \n", status);
    }
    if (body.n > ANSWER_MAX) {
        return sh_arena_printf(r->arena, "L %03d \n", status);
    }
    return sh_arena_printf(r->arena, "A %03d %.*s\n%.*s", status, SH_PRI(r->etag), SH_PRI(body));
}

void api_idem_end(struct api_req *r, int status)
{
    if (r->idem == NULL) {
        return;
    }
    enum sh_record_idem_end how = SH_RECORD_IDEM_UNKNOWN;
    struct sh_str answer = SH_STR("");
    if (status >= 200 && status < 300) {
        how = SH_RECORD_IDEM_DONE;
        answer = answer_of(r, status);
    } else if (status < 500) {
        how = SH_RECORD_IDEM_NOTHING;
    }
    const sh_err err = sh_record_idem_end(r->api->o.record, &r->idem->key, how, answer);
    if (err != SH_OK) { /* on disk it is reserved still: a repeat is told that it is not known */
        sh_log(r->api->env->log, SH_LOG_WARN, "api", "%s: the answer was not kept for its key: %s",
               r->route->id, sh_err_name(err));
    }
    r->idem = NULL;
}
