/* command.c - the route table as commands of the command line: "devices certificates revoke".
 *
 * The words are the path's own, without /api/v1 and parameters; behind them the verb that the
 * operation id begins with, unless the path ends in it. Where there is none, GET and the only
 * method of a path need no verb, and another method is its own. SPDX-License-Identifier: Apache-2.0
 */
#include "api_int.h"

static const char *const verbs[] = {"list",     "get",     "create", "put",     "patch",   "delete",
                                    "add",      "remove",  "rename", "replace", "new",     "send",
                                    "enable",   "disable", "query",  "export",  "correct", "import",
                                    "withdraw", "change",  "revoke", "write",   "begin",   "end"};

static const char *const methods[] = {
    [SH_HTTP_GET] = "GET",     [SH_HTTP_POST] = "POST",     [SH_HTTP_PUT] = "PUT",
    [SH_HTTP_PATCH] = "PATCH", [SH_HTTP_DELETE] = "DELETE",
};

static bool alone(const struct api_route *r)
{
    for (const struct api_route *o = api_routes; o->path != NULL; o++) {
        if (o != r && strcmp(o->path, r->path) == 0) {
            return false;
        }
    }
    return true;
}

static const char *verb_of(const struct api_route *r)
{
    size_t n = 0;
    while (r->id[n] >= 'a' && r->id[n] <= 'z') {
        n++;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strlen(verbs[i]) == n && memcmp(verbs[i], r->id, n) == 0) {
            return verbs[i];
        }
    }
    switch (alone(r) ? SH_HTTP_GET : r->method) {
    case SH_HTTP_POST:
        return "post";
    case SH_HTTP_PUT:
        return "put";
    case SH_HTTP_PATCH:
        return "patch";
    case SH_HTTP_DELETE:
        return "delete";
    case SH_HTTP_OTHER:
    case SH_HTTP_GET:
    case SH_HTTP_HEAD:
    case SH_HTTP_OPTIONS:
    default:
        return "";
    }
}

/* A WebSocket and an endless answer are none, nor is a second address of the same route, nor what
 * devices alone may do. */
static bool fit(const struct api_route *r)
{
    return strcmp(r->id, "mqttWebSocket") != 0 && strcmp(r->id, "stream") != 0 &&
           strncmp(r->path, "/api/v2/", 8) != 0 && strncmp(r->path, "/.well-known/", 13) != 0;
}

static void add_word(struct sh_api_command *c, struct sh_str word, size_t *n)
{
    if (word.n > 0 && *n + word.n + 2 <= sizeof c->words) {
        if (*n > 0) {
            c->words[(*n)++] = ' ';
        }
        memcpy(c->words + *n, word.p, word.n);
        *n += word.n;
        c->words[*n] = '\0';
    }
}

static void put_words(struct sh_api_command *c, const struct api_route *r)
{
    struct sh_str rest = sh_str_c(r->path);
    struct sh_str seg;
    struct sh_str last = SH_STR("");
    size_t n = 0;
    if (sh_str_starts(rest, SH_STR("/api/v1/"))) {
        rest = sh_str_sub(rest, 7, rest.n);
    }
    while (sh_url_segment_next(&rest, &seg)) {
        if (seg.n > 2 && seg.p[0] == '{') {
            if (c->nparams < SH_API_PARAMS) {
                c->params[c->nparams++] = sh_str_sub(seg, 1, seg.n - 1);
            }
        } else {
            add_word(c, seg, &n);
            last = seg;
        }
    }
    const char *verb = verb_of(r);
    if (!sh_str_eqc(last, verb)) {
        add_word(c, sh_str_c(verb), &n);
    }
}

bool sh_api_command_at(size_t i, struct sh_api_command *out)
{
    for (const struct api_route *r = api_routes; r->path != NULL; r++) {
        if (!fit(r) || i-- > 0) {
            continue;
        }
        *out = (struct sh_api_command){
            .method = methods[r->method],
            .path = r->path,
            .english = r->english,
            .chinese = r->chinese,
            .query = r->query == NULL ? "" : r->query,
            .body = r->body,
            .takes_body = r->method == SH_HTTP_POST || r->method == SH_HTTP_PUT ||
                          r->method == SH_HTTP_PATCH || r->body != NULL,
            .raw = (r->flags & API_F_RAW) != 0,
        };
        put_words(out, r);
        return true;
    }
    return false;
}
