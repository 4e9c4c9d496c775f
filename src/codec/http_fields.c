/* http_fields.c - header fields with a meaning, and the writer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/text.h>

#include "http_chars.h"

bool http_list_next(struct sh_str *rest, struct sh_str *element)
{
    while (rest->n > 0) {
        size_t i = 0;
        bool quoted = false;
        while (i < rest->n && (quoted || rest->p[i] != ',')) {
            if (quoted && rest->p[i] == '\\' && i + 1 < rest->n) {
                i++;
            } else if (rest->p[i] == '"') {
                quoted = !quoted;
            }
            i++;
        }
        *element = http_trim_ows(sh_str_sub(*rest, 0, i));
        *rest = sh_str_sub(*rest, i + 1, rest->n);
        if (element->n > 0) {
            return true;
        }
    }
    return false;
}

struct sh_str sh_http_field_get(const struct sh_http_field *fields, size_t n, const char *name)
{
    const struct sh_str want = sh_str_c(name);
    for (size_t i = 0; i < n; i++) {
        if (sh_str_ieq(fields[i].name, want)) {
            return fields[i].value;
        }
    }
    return (struct sh_str){0};
}

bool sh_http_field_has_token(const struct sh_http_field *fields, size_t n, const char *name,
                             const char *token)
{
    const struct sh_str want = sh_str_c(name);
    const struct sh_str tok = sh_str_c(token);
    for (size_t i = 0; i < n; i++) {
        if (!sh_str_ieq(fields[i].name, want)) {
            continue;
        }
        struct sh_str rest = fields[i].value;
        struct sh_str e;
        while (http_list_next(&rest, &e)) {
            if (sh_str_ieq(e, tok)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_port(struct sh_str s)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!http_is_digit((uint8_t)s.p[i]) || i >= 5) {
            return false;
        }
        v = v * 10 + (uint32_t)(s.p[i] - '0');
    }
    return v <= UINT16_MAX; /* "host:" is valid by RFC 3986 3.2.3 */
}

bool sh_http_is_host(struct sh_str s)
{
    size_t i = 0;
    if (s.n > 255 + 6) {
        return false;
    }
    if (s.n > 0 && s.p[0] == '[') {
        i = 1;
        while (i < s.n && s.p[i] != ']') {
            const uint8_t c = (uint8_t)(s.p[i] | 0x20);
            if (!http_is_digit((uint8_t)s.p[i]) && (c < 'a' || c > 'f') && s.p[i] != ':' &&
                s.p[i] != '.') {
                return false;
            }
            i++;
        }
        if (i == s.n || i < 3) {
            return false;
        }
        i++;
    } else {
        /* reg-name: unreserved, sub-delims, percent-encoded; in practice no quotes or commas */
        while (i < s.n && s.p[i] != ':') {
            const uint8_t c = (uint8_t)s.p[i];
            if (!http_is_alpha(c) && !http_is_digit(c) &&
                (c == 0 || strchr("-._~%!$&'()*+;=", c) == NULL)) {
                return false;
            }
            i++;
        }
    }
    return i == s.n || (s.p[i] == ':' && i > 0 && is_port(sh_str_sub(s, i + 1, s.n)));
}

/* ---- writing ---- */

const char *sh_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].reason;
        }
    }
    return "";
}

sh_err sh_http_put_status(struct sh_buf *out, int status)
{
    char line[16] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100 % 10);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    SH_TRY(sh_buf_put(out, line, 13));
    SH_TRY(sh_buf_put_c(out, sh_http_reason(status)));
    return sh_buf_put(out, "\r\n", 2);
}

sh_err sh_http_put_field(struct sh_buf *out, struct sh_str name, struct sh_str value)
{
    if (!sh_http_is_token(name)) {
        return SH_E_INVAL;
    }
    for (size_t i = 0; i < value.n; i++) {
        if (!http_is_value_char((uint8_t)value.p[i])) {
            return SH_E_INVAL;
        }
    }
    SH_TRY(sh_buf_reserve(out, name.n + value.n + 4));
    SH_TRY(sh_buf_put_str(out, name));
    SH_TRY(sh_buf_put(out, ": ", 2));
    SH_TRY(sh_buf_put_str(out, value));
    return sh_buf_put(out, "\r\n", 2);
}

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void two(char *out, unsigned v)
{
    out[0] = (char)('0' + v / 10 % 10);
    out[1] = (char)('0' + v % 10);
}

void sh_http_date(int64_t time_us, char out[SH_HTTP_DATE_CHARS])
{
    int64_t s = time_us / 1000000 - (time_us % 1000000 < 0);
    const int64_t min = -62167219200; /* year 0 */
    const int64_t max = 253402300799; /* year 9999 */
    s = s < min ? min : s > max ? max : s;
    const int64_t days = s / 86400 - (s % 86400 < 0);
    const unsigned sec = (unsigned)(s - days * 86400);
    int64_t y = 0;
    unsigned m = 1;
    unsigned d = 1;
    sh_civil_from_days(days, &y, &m, &d);
    memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", SH_HTTP_DATE_CHARS);
    memcpy(out, day_names[((days % 7) + 11) % 7], 3); /* 1970-01-01 was a Thursday */
    two(out + 5, d);
    memcpy(out + 8, month_names[m - 1], 3);
    two(out + 12, (unsigned)(y / 100));
    two(out + 14, (unsigned)(y % 100));
    two(out + 17, sec / 3600);
    two(out + 20, sec / 60 % 60);
    two(out + 23, sec % 60);
}

static int num(struct sh_str s, size_t at, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!http_is_digit((uint8_t)s.p[at + i])) {
            return -1;
        }
        v = v * 10 + (s.p[at + i] - '0');
    }
    return v;
}

sh_err sh_http_date_parse(struct sh_str s, int64_t *time_us)
{
    if (s.n != SH_HTTP_DATE_CHARS) {
        return SH_E_INVAL;
    }
    unsigned m = 0;
    while (m < 12 && memcmp(s.p + 8, month_names[m], 3) != 0) {
        m++;
    }
    const int d = num(s, 5, 2);
    const int y = num(s, 12, 4);
    const int h = num(s, 17, 2);
    const int mi = num(s, 20, 2);
    const int sec = num(s, 23, 2);
    if (m == 12 || d < 1 || y < 0 || h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec > 60) {
        return SH_E_INVAL;
    }
    const int64_t us = (sh_days_from_civil(y, m + 1, (unsigned)d) * 86400 + (int64_t)h * 3600 +
                        (int64_t)mi * 60 + sec) *
                       1000000;
    char back[SH_HTTP_DATE_CHARS]; /* catches the 31st of April, a wrong day name, bad separators */
    sh_http_date(us, back);
    if (memcmp(back, s.p, sizeof back) != 0) {
        return SH_E_INVAL;
    }
    *time_us = us;
    return SH_OK;
}

size_t sh_chunk_head(size_t n, uint8_t out[SH_CHUNK_HEAD_MAX])
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 1;
    while (len < 16 && n >> (4 * len) != 0) {
        len++;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)hex[n >> (4 * (len - 1 - i)) & 15];
    }
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}

/* ---- cookies ---- */

struct sh_str sh_http_cookie(struct sh_str field, const char *name)
{
    const struct sh_str want = sh_str_c(name);
    struct sh_str rest = field;
    while (rest.p != NULL) {
        const struct sh_str pair = http_trim_ows(sh_str_cut(rest, ';', &rest));
        const size_t eq = sh_str_find(pair, '=');
        if (eq == SIZE_MAX || !sh_str_eq(sh_str_sub(pair, 0, eq), want)) {
            continue;
        }
        struct sh_str v = sh_str_sub(pair, eq + 1, pair.n);
        if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"') {
            v = sh_str_sub(v, 1, v.n - 1);
        }
        return v;
    }
    return (struct sh_str){0};
}

/* RFC 6265 4.1.1: cookie-octet */
static bool is_cookie_value(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const uint8_t c = (uint8_t)s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

sh_err sh_http_put_cookie(struct sh_buf *out, struct sh_str name, struct sh_str value,
                          int64_t max_age_s, bool secure)
{
    if (!sh_http_is_token(name) || !is_cookie_value(value)) {
        return SH_E_INVAL;
    }
    const size_t was = out->n;
    sh_err e = sh_buf_printf(out, "%.*s=%.*s; Path=/; HttpOnly; SameSite=Strict%s", SH_PRI(name),
                             SH_PRI(value), secure ? "; Secure" : "");
    if (e == SH_OK && max_age_s >= 0) {
        e = sh_buf_printf(out, "; Max-Age=%lld", (long long)max_age_s);
    }
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

/* ---- negotiation ---- */

/* Weight of a list element in thousandths; 1000 without one; -1 when malformed (RFC 9110 12.4.2).
 * *value becomes the part before the parameters. */
static int weight_of(struct sh_str element, struct sh_str *value)
{
    struct sh_str rest = {0};
    *value = http_trim_ows(sh_str_cut(element, ';', &rest));
    int q = 1000;
    while (rest.p != NULL) {
        const struct sh_str par = http_trim_ows(sh_str_cut(rest, ';', &rest));
        if (par.n < 3 || (par.p[0] | 0x20) != 'q' || par.p[1] != '=') {
            continue;
        }
        const struct sh_str v = sh_str_sub(par, 2, par.n);
        if (v.n > 5 || (v.p[0] != '0' && v.p[0] != '1') || (v.n > 1 && v.p[1] != '.')) {
            return -1;
        }
        q = (v.p[0] - '0') * 1000;
        int unit = 100;
        for (size_t i = 2; i < v.n; i++) {
            if (!http_is_digit((uint8_t)v.p[i])) {
                return -1;
            }
            q += (v.p[i] - '0') * unit;
            unit /= 10;
        }
        if (q > 1000) {
            return -1;
        }
    }
    return q;
}

/* Does the language range fit the offer: equal, or one is the other's beginning at a hyphen
 * (RFC 4647 3.3.1 and 3.4)? */
static bool language_fits(struct sh_str range, struct sh_str offer)
{
    if (range.n == 1 && range.p[0] == '*') {
        return true;
    }
    const bool longer = range.n > offer.n;
    const struct sh_str l = longer ? range : offer;
    const struct sh_str s = longer ? offer : range;
    return sh_str_ieq(sh_str_sub(l, 0, s.n), s) && (l.n == s.n || l.p[s.n] == '-');
}

size_t sh_http_accept_language(struct sh_str field, const char *const *offers, size_t n,
                               size_t dflt)
{
    size_t best = dflt;
    int best_q = 0;
    struct sh_str rest = field;
    struct sh_str e;
    while (http_list_next(&rest, &e)) {
        struct sh_str range;
        const int q = weight_of(e, &range);
        if (q <= best_q) {
            continue;
        }
        const bool any = sh_str_eq(range, SH_STR("*"));
        for (size_t i = 0; i < n; i++) {
            const size_t k = any ? dflt : i;
            if (k < n && language_fits(range, sh_str_c(offers[k]))) {
                best = k;
                best_q = q;
                break;
            }
        }
    }
    return best;
}

bool sh_http_accepts_coding(struct sh_str field, const char *coding)
{
    const struct sh_str want = sh_str_c(coding);
    int star = 0;
    struct sh_str rest = field;
    struct sh_str e;
    while (http_list_next(&rest, &e)) {
        struct sh_str value;
        const int q = weight_of(e, &value);
        if (sh_str_ieq(value, want)) {
            return q > 0;
        }
        if (sh_str_eq(value, SH_STR("*"))) {
            star = q;
        }
    }
    return star > 0;
}

struct sh_str sh_http_media_type(struct sh_str content_type)
{
    struct sh_str rest = {0};
    return http_trim_ows(sh_str_cut(content_type, ';', &rest));
}

/* Cuts "name=value" or 'name="value"' off the front of rest; false when malformed. */
static bool next_param(struct sh_str *rest, struct sh_str *name, struct sh_str *value)
{
    *rest = http_trim_ows(*rest);
    const size_t eq = sh_str_find(*rest, '=');
    if (eq == SIZE_MAX) {
        return false;
    }
    *name = http_trim_ows(sh_str_sub(*rest, 0, eq));
    struct sh_str v = sh_str_sub(*rest, eq + 1, rest->n);
    size_t i = 0;
    if (v.n > 0 && v.p[0] == '"') {
        i = 1;
        while (i < v.n && v.p[i] != '"') {
            i += v.p[i] == '\\' ? 2 : 1;
        }
        if (i >= v.n) {
            return false;
        }
        i++;
    } else {
        while (i < v.n && v.p[i] != ';') {
            i++;
        }
    }
    *value = http_trim_ows(sh_str_sub(v, 0, i));
    v = http_trim_ows(sh_str_sub(v, i, v.n));
    if (v.n > 0 && v.p[0] != ';') {
        return false;
    }
    *rest = sh_str_sub(v, 1, v.n);
    return true;
}

sh_err sh_http_param(struct sh_str field, const char *name, char *out, size_t cap, size_t *n)
{
    const struct sh_str want = sh_str_c(name);
    const size_t semi = sh_str_find(field, ';');
    struct sh_str rest = {0};
    if (semi != SIZE_MAX) {
        rest = sh_str_sub(field, semi + 1, field.n);
    }
    struct sh_str k;
    struct sh_str v;
    while (rest.n > 0 && next_param(&rest, &k, &v)) {
        if (!sh_str_ieq(k, want)) {
            continue;
        }
        if (v.n < 2 || v.p[0] != '"') {
            if (v.n > cap) {
                return SH_E_LIMIT;
            }
            memcpy(out, v.p, v.n);
            *n = v.n;
            return SH_OK;
        }
        size_t len = 0;
        for (size_t i = 1; i + 1 < v.n; i++) {
            if (v.p[i] == '\\' && i + 2 < v.n) {
                i++;
            }
            if (len == cap) {
                return SH_E_LIMIT;
            }
            out[len++] = v.p[i];
        }
        *n = len;
        return SH_OK;
    }
    return SH_E_NOTFOUND;
}

static struct sh_str without_weak(struct sh_str tag)
{
    return sh_str_starts(tag, SH_STR("W/")) ? sh_str_sub(tag, 2, tag.n) : tag;
}

bool sh_http_etag_match(struct sh_str list, struct sh_str etag)
{
    struct sh_str rest = list;
    struct sh_str e;
    while (http_list_next(&rest, &e)) {
        if (sh_str_eq(e, SH_STR("*")) || sh_str_eq(without_weak(e), without_weak(etag))) {
            return true;
        }
    }
    return false;
}
