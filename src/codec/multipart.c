/* multipart.c - the multipart/form-data parser.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/http1.h>
#include <sh/multipart.h>

enum { PART_HEAD_MAX = 4096, BOUNDARY_MAX = 70 };

/* RFC 2046 5.1.1: bchars, not ending with a space */
static bool is_boundary(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char c = p[i];
        const bool alnum =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL)) {
            return false;
        }
    }
    return n > 0 && n <= BOUNDARY_MAX && p[n - 1] != ' ';
}

sh_err sh_multipart_init(struct sh_multipart *m, struct sh_str content_type, struct sh_bytes body)
{
    if (!sh_str_ieq(sh_http_media_type(content_type), SH_STR("multipart/form-data"))) {
        return SH_E_UNSUPPORTED;
    }
    *m = (struct sh_multipart){.boundary = "--", .rest = body};
    size_t n = 0;
    if (sh_http_param(content_type, "boundary", m->boundary + 2, BOUNDARY_MAX, &n) != SH_OK ||
        !is_boundary(m->boundary + 2, n)) {
        return SH_E_PROTO;
    }
    m->n = n + 2;
    m->boundary[m->n] = '\0';
    return SH_OK;
}

static const uint8_t *find(struct sh_bytes in, const char *what, size_t n)
{
    const uint8_t *p = in.p;
    size_t left = in.n;
    while (left >= n) {
        const uint8_t *q = memchr(p, what[0], left - n + 1);
        if (q == NULL) {
            return NULL;
        }
        if (memcmp(q, what, n) == 0) {
            return q;
        }
        left -= (size_t)(q - p) + 1;
        p = q + 1;
    }
    return NULL;
}

/* The boundary at the start of a line; *before = bytes in front of it (without its CRLF). */
static sh_err find_boundary(const struct sh_multipart *m, struct sh_bytes in, bool at_start,
                            size_t *before, size_t *after)
{
    size_t from = 0;
    while (from <= in.n) {
        const struct sh_bytes rest = {in.p + from, in.n - from};
        const uint8_t *q = rest.n == 0 ? NULL : find(rest, m->boundary, m->n);
        if (q == NULL) {
            return SH_E_PROTO;
        }
        const size_t at = (size_t)(q - in.p);
        const bool line = at >= 2 && q[-2] == '\r' && q[-1] == '\n';
        if (line || (at == 0 && at_start)) {
            *before = at >= 2 ? at - 2 : 0;
            *after = at + m->n;
            return SH_OK;
        }
        from = at + 1;
    }
    return SH_E_PROTO;
}

/* Behind a boundary: CRLF (a part follows) or "--" (the end). White space may come between. */
static sh_err after_boundary(struct sh_multipart *m)
{
    struct sh_bytes r = m->rest;
    if (r.n >= 2 && r.p[0] == '-' && r.p[1] == '-') {
        m->done = true;
        return SH_OK;
    }
    while (r.n > 0 && (r.p[0] == ' ' || r.p[0] == '\t')) {
        r.p++;
        r.n--;
    }
    if (r.n < 2 || r.p[0] != '\r' || r.p[1] != '\n') {
        return SH_E_PROTO;
    }
    m->rest = (struct sh_bytes){r.p + 2, r.n - 2};
    return SH_OK;
}

/* Value of a parameter as a view, without its quotes. */
static struct sh_str param_view(struct sh_str field, const char *name)
{
    const struct sh_str want = sh_str_c(name);
    struct sh_str rest = {0};
    (void)sh_str_cut(field, ';', &rest);
    while (rest.p != NULL) {
        rest = sh_str_trim(rest);
        const size_t eq = sh_str_find(rest, '=');
        if (eq == SIZE_MAX) {
            break;
        }
        const struct sh_str k = sh_str_sub(rest, 0, eq);
        struct sh_str v = sh_str_sub(rest, eq + 1, rest.n);
        if (v.n > 0 && v.p[0] == '"') {
            size_t n = 1;
            while (n < v.n && v.p[n] != '"') {
                n += v.p[n] == '\\' && n + 1 < v.n ? 2 : 1;
            }
            const size_t skip = n < v.n ? n + 1 : v.n;
            v = sh_str_sub(v, 1, n);
            rest = sh_str_sub(rest, eq + 1 + skip, rest.n);
            (void)sh_str_cut(rest, ';', &rest);
        } else {
            v = sh_str_trim(sh_str_cut(v, ';', &rest));
        }
        if (sh_str_ieq(k, want)) {
            return v;
        }
    }
    return (struct sh_str){0};
}

static sh_err part_field(struct sh_str line, struct sh_part *out)
{
    const size_t colon = sh_str_find(line, ':');
    if (colon == SIZE_MAX || !sh_http_is_token(sh_str_sub(line, 0, colon))) {
        return SH_E_PROTO;
    }
    const struct sh_str name = sh_str_sub(line, 0, colon);
    const struct sh_str value = sh_str_trim(sh_str_sub(line, colon + 1, line.n));
    if (sh_str_ieq(name, SH_STR("content-type"))) {
        out->type = value;
    } else if (sh_str_ieq(name, SH_STR("content-disposition"))) {
        if (!sh_str_ieq(sh_http_media_type(value), SH_STR("form-data"))) {
            return SH_E_PROTO;
        }
        out->name = param_view(value, "name");
        out->filename = param_view(value, "filename");
    }
    return SH_OK;
}

static sh_err part_head(struct sh_multipart *m, struct sh_part *out)
{
    *out = (struct sh_part){.type = SH_STR("text/plain")};
    size_t used = 0;
    for (;;) {
        const uint8_t *end = m->rest.n == 0 ? NULL : find(m->rest, "\r\n", 2);
        if (end == NULL) {
            return SH_E_PROTO;
        }
        const size_t n = (size_t)(end - m->rest.p);
        const struct sh_str line = {(const char *)m->rest.p, n};
        m->rest = (struct sh_bytes){end + 2, m->rest.n - n - 2};
        used += n + 2;
        if (used > PART_HEAD_MAX) {
            return SH_E_PROTO;
        }
        if (n == 0) {
            break;
        }
        SH_TRY(part_field(line, out));
    }
    return out->name.p == NULL ? SH_E_PROTO : SH_OK; /* RFC 7578 4.2 */
}

sh_err sh_multipart_next(struct sh_multipart *m, struct sh_part *out)
{
    size_t before = 0;
    size_t after = 0;
    if (m->done) {
        return SH_E_NOTFOUND;
    }
    if (!m->begun) { /* skip the preamble */
        SH_TRY(find_boundary(m, m->rest, true, &before, &after));
        m->rest = (struct sh_bytes){m->rest.p + after, m->rest.n - after};
        m->begun = true;
        SH_TRY(after_boundary(m));
        if (m->done) {
            return SH_E_NOTFOUND;
        }
    }
    SH_TRY(part_head(m, out));
    /* an empty part: the boundary stands where the data would be, behind the CRLF of the head */
    const struct sh_bytes data = {m->rest.p - 2, m->rest.n + 2};
    SH_TRY(find_boundary(m, data, false, &before, &after));
    out->data = (struct sh_bytes){m->rest.p, before < 2 ? 0 : before - 2};
    m->rest = (struct sh_bytes){data.p + after, data.n - after};
    return after_boundary(m);
}
