/* http_client.c - libcurl's multi interface on the loop: curl says which sockets to watch (uv_poll)
 * and when to be called again (one timer); results are collected after each of its steps.
 * Invariants:
 *  1. No callback of the owner runs inside a call of curl: finished calls are put aside by
 *     take_results, which runs from a deferred job.
 *  2. Addresses are judged in open_socket, for first connections and redirects alike; the client
 *     never lends a connection to another client, so one policy holds for all of its connections.
 * SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "net_int.h"

enum { MAX_CALLS = 64, PER_HOST = 8, ANSWER_MAX = 1 << 20, HEAD_MAX = 65536, URL_MAX = 8192 };

struct sh_http_client {
    struct sh_loop *loop;
    CURLM *multi;
    struct sh_http_client_opts o;
    struct sh_str ca; /* owned */
    struct sh_timer timer;
    struct sh_job job;
    struct sh_http_call *calls;
    size_t ncalls;
    size_t npolls;
    bool closing;
};

struct watch {
    uv_poll_t poll;
    struct sh_http_client *client;
    curl_socket_t fd;
};

struct sh_http_call {
    struct sh_http_client *client;
    struct sh_http_call *next;
    struct sh_http_call **prev;
    CURL *easy;
    struct curl_slist *fields;
    struct sh_buf head;
    struct sh_buf body;
    struct sh_str sent; /* owned copy of the request's body */
    bool refused;       /* an address was not allowed */
    bool too_big;
    char error[CURL_ERROR_SIZE];
    void (*on_done)(void *ctx, const struct sh_http_result *r);
    void *ctx;
};

/* ---- what curl calls ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct sh_http_call *call = ctx;
    const struct sh_http_client *c = call->client;
    struct sockaddr_storage ss = {0};
    if (purpose != CURLSOCKTYPE_IPCXN || a->addrlen > sizeof ss) {
        return CURL_SOCKET_BAD;
    }
    memcpy(&ss, &a->addr, a->addrlen);
    const struct sh_addr addr = net_addr_of(&ss);
    const bool ok =
        c->o.allow != NULL ? c->o.allow(c->o.allow_ctx, &addr) : !sh_addr_is_special(&addr);
    if (!ok) {
        call->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t put(struct sh_http_call *call, struct sh_buf *b, const char *p, size_t n)
{
    const sh_err e = sh_buf_put(b, p, n);
    call->too_big = call->too_big || e == SH_E_LIMIT;
    return e == SH_OK ? n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct sh_http_call *call = ctx;
    return put(call, &call->body, p, size * n);
}

static size_t on_head(char *p, size_t size, size_t n, void *ctx)
{
    struct sh_http_call *call = ctx;
    if (size * n >= 5 && memcmp(p, "HTTP/", 5) == 0) { /* the head of the next answer begins */
        sh_buf_clear(&call->head);
        sh_buf_clear(&call->body);
    }
    return put(call, &call->head, p, size * n);
}

static void step(struct sh_http_client *c, curl_socket_t fd, int what)
{
    int running = 0;
    (void)curl_multi_socket_action(c->multi, fd, what, &running);
    sh_loop_defer(c->loop, &c->job);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    const struct watch *w = h->data;
    int what = (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    what |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    what |= status < 0 ? CURL_CSELECT_ERR : 0;
    step(w->client, w->fd, what);
}

static void free_client(struct sh_http_client *c)
{
    if (c->closing && c->npolls == 0) {
        const struct sh_alloc *a = c->loop->env->alloc;
        sh_str_free(a, &c->ca);
        sh_mem_free(a, c);
    }
}

static void on_watch_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    struct sh_http_client *c = w->client;
    sh_mem_free(c->loop->env->alloc, w);
    c->npolls--;
    free_client(c);
}

static struct watch *watch_new(struct sh_http_client *c, curl_socket_t fd)
{
    struct watch *w = sh_mem_new(c->loop->env->alloc, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    if (uv_poll_init_socket(&c->loop->uv, &w->poll, fd) != 0) {
        sh_mem_free(c->loop->env->alloc, w);
        return NULL;
    }
    w->client = c;
    w->fd = fd;
    w->poll.data = w;
    c->npolls++;
    (void)curl_multi_assign(c->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    SH_UNUSED(easy);
    struct sh_http_client *c = ctx;
    struct watch *w = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            (void)uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            (void)curl_multi_assign(c->multi, fd, NULL);
        }
        return 0;
    }
    if (w == NULL) {
        w = watch_new(c, fd);
        if (w == NULL) {
            return -1;
        }
    }
    const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                       ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

static int on_curl_timer(CURLM *multi, long after_ms, void *ctx)
{
    SH_UNUSED(multi);
    struct sh_http_client *c = ctx;
    if (after_ms < 0) {
        sh_timer_stop(&c->timer);
    } else {
        sh_timer_set(c->loop, &c->timer, (int64_t)after_ms * 1000);
    }
    return 0;
}

static void on_timer(void *ctx)
{
    step(ctx, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- results ---- */

/* Takes the call away from its client and from curl. */
static void call_detach(struct sh_http_call *call)
{
    if (call->prev != NULL) {
        *call->prev = call->next;
        if (call->next != NULL) {
            call->next->prev = call->prev;
        }
        call->prev = NULL;
        call->client->ncalls--;
        (void)curl_multi_remove_handle(call->client->multi, call->easy);
    }
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    call->client = NULL;
}

static void call_free(struct sh_http_call *call)
{
    const struct sh_alloc *a = call->body.alloc;
    curl_slist_free_all(call->fields);
    sh_buf_fini(&call->head);
    sh_buf_fini(&call->body);
    sh_str_free(a, &call->sent);
    sh_mem_free(a, call);
}

static sh_err err_of(const struct sh_http_call *call, CURLcode code)
{
    if (code == CURLE_OK) {
        return SH_OK;
    }
    if (call->refused) {
        return SH_E_DENIED;
    }
    if (call->too_big || code == CURLE_TOO_MANY_REDIRECTS) {
        return SH_E_LIMIT;
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        return SH_E_NOTFOUND;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return SH_E_TIMEOUT;
    }
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR) {
        return SH_E_NOMEM;
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return SH_E_PROTO;
    }
    return SH_E_IO;
}

static void finish(struct sh_http_call *call, CURLcode code)
{
    struct sh_http_result r = {.err = err_of(call, code), .why = ""};
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    r.status = (int)status;
    r.head = sh_buf_str(&call->head);
    r.body = sh_buf_bytes(&call->body);
    if (r.err == SH_E_DENIED) {
        r.why = "the address is not one that may be called";
    } else if (r.err != SH_OK) {
        r.why = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
    }
    call_detach(call); /* the owner may free the client in its callback */
    call->on_done(call->ctx, &r);
    call_free(call);
}

static void take_results(void *ctx)
{
    struct sh_http_client *c = ctx;
    int left = 0;
    const CURLMsg *m = curl_multi_info_read(c->multi, &left);
    if (m == NULL) {
        return;
    }
    /* One at a time: the owner may free the client in its callback. */
    sh_loop_defer(c->loop, &c->job);
    if (m->msg == CURLMSG_DONE) {
        char *call = NULL;
        const CURLcode code = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
        finish((struct sh_http_call *)(void *)call, code);
    }
}

struct sh_str sh_http_result_field(const struct sh_http_result *r, const char *name)
{
    const struct sh_str want = sh_str_c(name);
    struct sh_str rest = r->head;
    while (rest.p != NULL) {
        const struct sh_str line = sh_str_cut(rest, '\n', &rest);
        const size_t colon = sh_str_find(line, ':');
        if (colon != SIZE_MAX && sh_str_ieq(sh_str_sub(line, 0, colon), want)) {
            return sh_str_trim(sh_str_sub(line, colon + 1, line.n));
        }
    }
    return (struct sh_str){0};
}

/* ---- calls ---- */

static sh_err add_fields(struct sh_http_call *call, const struct sh_http_call_opts *o)
{
    struct sh_buf b;
    sh_err e = SH_OK;
    sh_buf_init(&b, call->client->loop->env->alloc, HEAD_MAX);
    for (size_t i = 0; i < o->nfields && e == SH_OK; i++) {
        sh_buf_clear(&b);
        e = sh_http_put_field(&b, o->fields[i].name, o->fields[i].value);
        if (e == SH_OK) {
            b.p[b.n - 2] = '\0'; /* in place of CR LF */
            struct curl_slist *more = curl_slist_append(call->fields, (const char *)b.p);
            e = more == NULL ? SH_E_NOMEM : SH_OK;
            call->fields = more == NULL ? call->fields : more;
        }
    }
    sh_buf_fini(&b);
    return e;
}

static bool set_callbacks(struct sh_http_call *call)
{
    CURL *e = call->easy;
    return curl_easy_setopt(e, CURLOPT_PRIVATE, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_HEADERDATA, call) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error) == CURLE_OK;
}

static bool set_request(struct sh_http_call *call, const struct sh_http_call_opts *o,
                        const char *url)
{
    CURL *e = call->easy;
    const int64_t timeout = o->timeout_us == 0 ? 30 * INT64_C(1000000) : o->timeout_us;
    bool ok =
        curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK && /* not the environment's */
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, o->fresh ? 1L : 0L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, o->fresh ? 1L : 0L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)((timeout + 999) / 1000)) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, o->max_redirects > 0 ? 1L : 0L) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)o->max_redirects) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, o->method) == CURLE_OK &&
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->fields) == CURLE_OK;
    if (ok && strcmp(o->method, "HEAD") == 0) {
        ok = curl_easy_setopt(e, CURLOPT_NOBODY, 1L) == CURLE_OK;
    } else if (ok && (o->body.n > 0 || strcmp(o->method, "POST") == 0)) {
        ok = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->sent.n) ==
                 CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->sent.p) == CURLE_OK;
    }
    if (ok && call->client->ca.n > 0) {
        union {
            const char *in;
            char *out;
        } u = {.in = call->client->ca.p}; /* curl only reads it */
        struct curl_blob blob = {
            .data = u.out, .len = call->client->ca.n, .flags = CURL_BLOB_NOCOPY};
        ok = curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK;
    }
    return ok;
}

static sh_err set_up(struct sh_http_call *call, const struct sh_http_call_opts *o)
{
    char url[URL_MAX];
    memcpy(url, o->url.p, o->url.n);
    url[o->url.n] = '\0';
    SH_TRY(add_fields(call, o));
    call->sent = sh_str_dup(call->client->loop->env->alloc, sh_bytes_str(o->body));
    call->easy = curl_easy_init();
    if (call->sent.p == NULL || call->easy == NULL || !set_callbacks(call) ||
        !set_request(call, o, url) ||
        curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK) {
        return SH_E_NOMEM;
    }
    return SH_OK;
}

sh_err sh_http_client_call(struct sh_http_client *c, const struct sh_http_call_opts *o,
                           void (*on_done)(void *ctx, const struct sh_http_result *r), void *ctx,
                           struct sh_http_call **out)
{
    const bool web = sh_str_ieq(sh_str_sub(o->url, 0, 7), SH_STR("http://")) ||
                     sh_str_ieq(sh_str_sub(o->url, 0, 8), SH_STR("https://"));
    if (!web || o->url.n >= URL_MAX || memchr(o->url.p, 0, o->url.n) != NULL ||
        !sh_http_is_token(sh_str_c(o->method))) {
        return SH_E_INVAL;
    }
    if (c->ncalls >= c->o.max_calls) {
        return SH_E_LIMIT;
    }
    const struct sh_alloc *a = c->loop->env->alloc;
    struct sh_http_call *call = sh_mem_new(a, sizeof *call);
    if (call == NULL) {
        return SH_E_NOMEM;
    }
    call->client = c;
    call->on_done = on_done;
    call->ctx = ctx;
    sh_buf_init(&call->head, a, HEAD_MAX);
    sh_buf_init(&call->body, a, o->answer_max == 0 ? ANSWER_MAX : o->answer_max);
    const sh_err e = set_up(call, o);
    if (e != SH_OK) {
        call_detach(call);
        call_free(call);
        return e;
    }
    call->next = c->calls;
    call->prev = &c->calls;
    if (call->next != NULL) {
        call->next->prev = &call->next;
    }
    c->calls = call;
    c->ncalls++;
    if (out != NULL) {
        *out = call;
    }
    return SH_OK;
}

void sh_http_call_cancel(struct sh_http_call *call)
{
    call_detach(call);
    call_free(call);
}

/* ---- the client ---- */

sh_err sh_http_client_new(struct sh_loop *l, const struct sh_http_client_opts *opts,
                          struct sh_http_client **out)
{
    struct sh_http_client *c = sh_mem_new(l->env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    if (opts != NULL) {
        c->o = *opts;
    }
    c->loop = l;
    c->ca = sh_str_dup(l->env->alloc, c->o.ca_pem);
    c->o.ca_pem = (struct sh_str){0};
    c->o.max_calls = c->o.max_calls == 0 ? MAX_CALLS : c->o.max_calls;
    c->o.max_per_host = c->o.max_per_host == 0 ? PER_HOST : c->o.max_per_host;
    sh_timer_init(&c->timer, on_timer, c);
    c->job = (struct sh_job){.fn = take_results, .ctx = c};
    if (c->ca.p != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        c->multi = curl_multi_init();
    }
    if (c->multi == NULL) {
        sh_str_free(l->env->alloc, &c->ca);
        sh_mem_free(l->env->alloc, c);
        return SH_E_NOMEM;
    }
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->o.max_per_host);
    *out = c;
    return SH_OK;
}

void sh_http_client_free(struct sh_http_client *c)
{
    if (c == NULL) {
        return;
    }
    while (c->calls != NULL) {
        sh_http_call_cancel(c->calls);
    }
    (void)curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    sh_timer_stop(&c->timer);
    sh_job_cancel(c->loop, &c->job);
    c->closing = true;
    free_client(c);
}
