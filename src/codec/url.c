/* url.c - query strings, paths and absolute URLs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/text.h>
#include <sh/url.h>

bool sh_url_query_next(struct sh_str *rest, struct sh_str *name, struct sh_str *value)
{
    while (rest->p != NULL && rest->n > 0) {
        const struct sh_str pair = sh_str_cut(*rest, '&', rest);
        if (pair.n == 0) {
            continue;
        }
        *name = sh_str_cut(pair, '=', value);
        if (value->p == NULL) {
            *value = sh_str_of("", 0);
        }
        return true;
    }
    return false;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Is the encoded name equal to want, once decoded? */
static bool name_is(struct sh_str encoded, struct sh_str want)
{
    size_t k = 0;
    for (size_t i = 0; i < encoded.n; i++, k++) {
        int c = (uint8_t)encoded.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= encoded.n || hex_of(encoded.p[i + 1]) < 0 ||
                hex_of(encoded.p[i + 2]) < 0) {
                return false;
            }
            c = hex_of(encoded.p[i + 1]) * 16 + hex_of(encoded.p[i + 2]);
            i += 2;
        }
        if (k >= want.n || c != (uint8_t)want.p[k]) {
            return false;
        }
    }
    return k == want.n;
}

static sh_err decode(struct sh_str s, bool plus, struct sh_buf *out)
{
    const size_t was = out->n;
    sh_err e = sh_percent_parse(s, plus, out);
    if (e == SH_E_INVAL) {
        e = SH_E_PROTO;
    }
    if (e == SH_OK && out->n > was) {
        const struct sh_str got = {(const char *)out->p + was, out->n - was};
        if (!sh_utf8_valid(got) || memchr(got.p, 0, got.n) != NULL) {
            e = SH_E_PROTO;
        }
    }
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

sh_err sh_url_query_get(struct sh_str query, const char *name, struct sh_buf *out)
{
    const struct sh_str want = sh_str_c(name);
    struct sh_str rest = query;
    struct sh_str k;
    struct sh_str v;
    while (sh_url_query_next(&rest, &k, &v)) {
        if (name_is(k, want)) {
            return decode(v, true, out);
        }
    }
    return SH_E_NOTFOUND;
}

sh_err sh_url_query_decode(struct sh_str s, struct sh_buf *out)
{
    return decode(s, true, out);
}

bool sh_url_segment_next(struct sh_str *rest, struct sh_str *segment)
{
    if (rest->n == 0 || rest->p[0] != '/') {
        return false;
    }
    const struct sh_str s = sh_str_sub(*rest, 1, rest->n);
    const size_t slash = sh_str_find(s, '/');
    *segment = sh_str_sub(s, 0, slash == SIZE_MAX ? s.n : slash);
    *rest = sh_str_sub(s, segment->n, s.n);
    return true;
}

sh_err sh_url_decode(struct sh_str s, struct sh_buf *out)
{
    return decode(s, false, out);
}

static bool unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

sh_err sh_url_encode(struct sh_str s, struct sh_buf *out)
{
    return sh_percent_put(out, s, unreserved);
}

static bool alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static sh_err parse_authority(struct sh_str a, struct sh_url *u)
{
    const size_t at = sh_str_rfind(a, '@');
    if (at != SIZE_MAX) {
        u->userinfo = sh_str_sub(a, 0, at);
        a = sh_str_sub(a, at + 1, a.n);
    }
    struct sh_str port = {0};
    if (a.n > 0 && a.p[0] == '[') {
        const size_t end = sh_str_find(a, ']');
        if (end == SIZE_MAX || (end + 1 < a.n && a.p[end + 1] != ':')) {
            return SH_E_INVAL;
        }
        u->host = sh_str_sub(a, 1, end);
        port = sh_str_sub(a, end + 2, a.n);
    } else {
        u->host = sh_str_cut(a, ':', &port);
    }
    if (u->host.n == 0) {
        return SH_E_INVAL;
    }
    if (port.n > 0) {
        uint64_t v = 0;
        if (sh_u64_parse(port, &v) != SH_OK || v == 0 || v > UINT16_MAX) {
            return SH_E_INVAL;
        }
        u->port = (uint16_t)v;
    }
    return SH_OK;
}

sh_err sh_url_parse(struct sh_str s, struct sh_url *out)
{
    struct sh_url u = {0};
    for (size_t i = 0; i < s.n; i++) {
        if ((uint8_t)s.p[i] <= 0x20 || s.p[i] == 0x7f || s.p[i] == '\\') {
            return SH_E_INVAL;
        }
    }
    const size_t colon = sh_str_find(s, ':');
    if (colon == SIZE_MAX || colon == 0 || !alpha(s.p[0])) {
        return SH_E_INVAL;
    }
    u.scheme = sh_str_sub(s, 0, colon);
    for (size_t i = 0; i < u.scheme.n; i++) {
        const char c = u.scheme.p[i];
        if (!alpha(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
            return SH_E_INVAL;
        }
    }
    struct sh_str rest = sh_str_sub(s, colon + 1, s.n);
    if (!sh_str_starts(rest, SH_STR("//"))) {
        return SH_E_INVAL;
    }
    rest = sh_str_sub(rest, 2, rest.n);
    struct sh_str fragment = {0};
    rest = sh_str_cut(rest, '#', &fragment);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?') {
        end++;
    }
    SH_TRY(parse_authority(sh_str_sub(rest, 0, end), &u));
    u.path = sh_str_cut(sh_str_sub(rest, end, rest.n), '?', &u.query);
    *out = u;
    return SH_OK;
}
