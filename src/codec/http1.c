/* http1.c - the head of a request and the chunked coding.
 * The head is first found whole (sh_http_head_find looks at every byte once), then parsed in one
 * go: no state of a half-parsed line exists, so nothing can be smuggled between two reads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http_chars.h"

enum {
    LINE_MAX_DFLT = 8192,
    HEAD_MAX_DFLT = 32768,
    FIELDS_MAX_DFLT = 100,
    BLANK_MAX = 16, /* bytes of empty lines before a request */
    METHOD_MAX = 32,
    CHUNK_LINE_MAX = 1024,
    TRAILER_MAX = 8192,
};

static sh_err refuse(int *status, int code, sh_err e)
{
    *status = code;
    return e;
}

static size_t or_dflt(size_t v, size_t d)
{
    return v == 0 ? d : v;
}

bool sh_http_is_token(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!http_is_tchar((uint8_t)s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

/* RFC 9112 2.2: a server should ignore at least one empty line before the request line. */
static sh_err skip_blank(struct sh_bytes in, size_t *start, size_t *scanned, int *status)
{
    while (*start < in.n && (in.p[*start] == '\r' || in.p[*start] == '\n')) {
        if (in.p[*start] == '\n' || *start >= BLANK_MAX) {
            return refuse(status, 400, SH_E_PROTO);
        }
        if (*start + 1 == in.n) {
            return SH_E_AGAIN;
        }
        if (in.p[*start + 1] != '\n') {
            return refuse(status, 400, SH_E_PROTO);
        }
        *start += 2;
        *scanned = *start;
    }
    if (*start == in.n) {
        return SH_E_AGAIN;
    }
    if (!http_is_tchar(in.p[*start])) { /* a TLS hello, or noise */
        return refuse(status, 400, SH_E_PROTO);
    }
    return SH_OK;
}

sh_err sh_http_head_find(struct sh_bytes in, const struct sh_http_limits *lim, size_t *start,
                         size_t *scanned, int *status)
{
    const size_t line_max = or_dflt(lim->line_max, LINE_MAX_DFLT);
    const size_t head_max = or_dflt(lim->head_max, HEAD_MAX_DFLT);
    if (*scanned <= *start) {
        SH_TRY(skip_blank(in, start, scanned, status));
    }
    const size_t end = in.n - *start > head_max ? *start + head_max : in.n;
    for (size_t at = *scanned; at < end;) {
        const uint8_t *lf = memchr(in.p + at, '\n', end - at);
        if (lf == NULL) {
            break;
        }
        const size_t p = (size_t)(lf - in.p);
        if (p == *start || in.p[p - 1] != '\r') { /* bare LF */
            return refuse(status, 400, SH_E_PROTO);
        }
        if (p >= *start + 3 && in.p[p - 2] == '\n') {
            *scanned = p + 1;
            return SH_OK;
        }
        at = p + 1;
    }
    if (in.n - *start > line_max && memchr(in.p + *start, '\n', line_max) == NULL) {
        return refuse(status, 414, SH_E_LIMIT);
    }
    if (in.n - *start >= head_max) {
        return refuse(status, 431, SH_E_LIMIT);
    }
    *scanned = in.n;
    return SH_E_AGAIN;
}

size_t sh_http_head_lines(struct sh_bytes head)
{
    size_t lines = 0;
    for (size_t i = 0; i < head.n; i++) {
        lines += head.p[i] == '\n';
    }
    return lines < 2 ? 0 : lines - 2;
}

/* ---- request line ---- */

static enum sh_http_method method_of(struct sh_str m)
{
    static const struct {
        struct sh_str name;
        enum sh_http_method method;
    } rows[] = {
        {{"GET", 3}, SH_HTTP_GET},         {{"HEAD", 4}, SH_HTTP_HEAD},
        {{"POST", 4}, SH_HTTP_POST},       {{"PUT", 3}, SH_HTTP_PUT},
        {{"PATCH", 5}, SH_HTTP_PATCH},     {{"DELETE", 6}, SH_HTTP_DELETE},
        {{"OPTIONS", 7}, SH_HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sh_str_eq(m, rows[i].name)) {
            return rows[i].method;
        }
    }
    return SH_HTTP_OTHER;
}

/* Splits path and query of an origin form. */
static void split_query(struct sh_http_head *h, struct sh_str s)
{
    h->path = sh_str_cut(s, '?', &h->query);
    if (h->query.p == NULL) {
        h->query = sh_str_of("", 0);
    }
}

/* RFC 9112 3.2: origin form, absolute form, asterisk form. */
static sh_err parse_target(struct sh_http_head *h, struct sh_str *authority, int *status)
{
    const struct sh_str t = h->target;
    for (size_t i = 0; i < t.n; i++) {
        const uint8_t c = (uint8_t)t.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') {
            return refuse(status, 400, SH_E_PROTO);
        }
    }
    *authority = (struct sh_str){0};
    if (t.n > 0 && t.p[0] == '/') {
        split_query(h, t);
        return SH_OK;
    }
    if (t.n == 1 && t.p[0] == '*' && h->method == SH_HTTP_OPTIONS) {
        split_query(h, t);
        return SH_OK;
    }
    const size_t skip = sh_str_ieq(sh_str_sub(t, 0, 7), SH_STR("http://"))    ? 7
                        : sh_str_ieq(sh_str_sub(t, 0, 8), SH_STR("https://")) ? 8
                                                                              : 0;
    if (skip == 0) {
        return refuse(status, sh_str_eqc(h->method_name, "CONNECT") ? 501 : 400, SH_E_PROTO);
    }
    size_t end = skip;
    while (end < t.n && t.p[end] != '/' && t.p[end] != '?') {
        end++;
    }
    *authority = sh_str_sub(t, skip, end);
    split_query(h, sh_str_sub(t, end, t.n));
    if (h->path.n == 0) {
        h->path = SH_STR("/");
    }
    if (authority->n == 0 || !sh_http_is_host(*authority)) {
        return refuse(status, 400, SH_E_PROTO);
    }
    return SH_OK;
}

static sh_err parse_version(struct sh_http_head *h, struct sh_str v, int *status)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || !http_is_digit((uint8_t)v.p[5]) ||
        v.p[6] != '.' || !http_is_digit((uint8_t)v.p[7])) {
        return refuse(status, 400, SH_E_PROTO);
    }
    if (v.p[5] != '1') {
        return refuse(status, 505, SH_E_UNSUPPORTED);
    }
    h->minor = v.p[7] == '0' ? 0 : 1; /* a later 1.x is served as 1.1 (RFC 9110 6.2) */
    return SH_OK;
}

static sh_err parse_request_line(struct sh_http_head *h, struct sh_str line,
                                 struct sh_str *authority, int *status)
{
    struct sh_str rest = {0};
    h->method_name = sh_str_cut(line, ' ', &rest);
    const size_t sp = rest.p == NULL ? SIZE_MAX : sh_str_find(rest, ' ');
    if (sp == SIZE_MAX || h->method_name.n > METHOD_MAX || !sh_http_is_token(h->method_name)) {
        return refuse(status, 400, SH_E_PROTO);
    }
    h->method = method_of(h->method_name);
    h->target = sh_str_sub(rest, 0, sp);
    SH_TRY(parse_version(h, sh_str_sub(rest, sp + 1, rest.n), status));
    return parse_target(h, authority, status);
}

/* ---- fields ---- */

static sh_err parse_field(struct sh_str line, struct sh_http_field *f)
{
    const size_t colon = sh_str_find(line, ':');
    if (colon == SIZE_MAX) {
        return SH_E_PROTO;
    }
    f->name = sh_str_sub(line, 0, colon);
    f->value = http_trim_ows(sh_str_sub(line, colon + 1, line.n));
    /* White space before the colon (5.1) and folded lines (5.2) are no tokens: refused here. */
    if (!sh_http_is_token(f->name)) {
        return SH_E_PROTO;
    }
    for (size_t i = 0; i < f->value.n; i++) {
        if (!http_is_value_char((uint8_t)f->value.p[i])) {
            return SH_E_PROTO;
        }
    }
    return SH_OK;
}

static sh_err parse_content_length(struct sh_http_head *h, struct sh_str v)
{
    if (h->content_length >= 0 || v.n == 0 || v.n > 18) {
        return SH_E_PROTO; /* repeated, or a list (RFC 9112 6.3): never guessed */
    }
    int64_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!http_is_digit((uint8_t)v.p[i])) {
            return SH_E_PROTO;
        }
        n = n * 10 + (v.p[i] - '0');
    }
    h->content_length = n;
    return SH_OK;
}

static sh_err parse_transfer_encoding(struct sh_http_head *h, struct sh_str v, int *status)
{
    if (h->chunked || h->minor == 0) { /* RFC 9112 6.1: with HTTP/1.0 the framing is faulty */
        return refuse(status, 400, SH_E_PROTO);
    }
    if (sh_str_ieq(v, SH_STR("chunked"))) {
        h->chunked = true;
        return SH_OK;
    }
    /* "gzip, chunked" is proper but not ours; chunked anywhere but last is faulty (6.1). */
    struct sh_str rest = v;
    struct sh_str e;
    unsigned chunked = 0;
    bool last = false;
    while (http_list_next(&rest, &e)) {
        last = sh_str_ieq(e, SH_STR("chunked"));
        chunked += last;
    }
    if (chunked == 1 && last) {
        return refuse(status, 501, SH_E_UNSUPPORTED);
    }
    return refuse(status, 400, SH_E_PROTO);
}

/* Fields that frame the message or steer the connection. */
static sh_err note_field(struct sh_http_head *h, const struct sh_http_field *f, bool *host_seen,
                         int *status)
{
    *status = 400;
    switch (f->name.n) {
    case 4:
        if (sh_str_ieq(f->name, SH_STR("host"))) {
            if (*host_seen || !sh_http_is_host(f->value)) {
                return SH_E_PROTO;
            }
            *host_seen = true;
            h->host = f->value;
        }
        break;
    case 6:
        if (sh_str_ieq(f->name, SH_STR("expect"))) {
            if (!sh_str_ieq(f->value, SH_STR("100-continue"))) {
                return refuse(status, 417, SH_E_UNSUPPORTED);
            }
            h->expect_continue = h->minor >= 1;
        }
        break;
    case 14:
        if (sh_str_ieq(f->name, SH_STR("content-length"))) {
            return parse_content_length(h, f->value);
        }
        break;
    case 17:
        if (sh_str_ieq(f->name, SH_STR("transfer-encoding"))) {
            return parse_transfer_encoding(h, f->value, status);
        }
        break;
    default:
        break;
    }
    return SH_OK;
}

static sh_err finish(struct sh_http_head *h, struct sh_str authority, bool host_seen, int *status)
{
    *status = 400;
    if (h->chunked && h->content_length >= 0) { /* RFC 9112 6.1: request smuggling */
        return SH_E_PROTO;
    }
    if (h->minor >= 1 && !host_seen) { /* RFC 9112 3.2 */
        return SH_E_PROTO;
    }
    if (authority.p != NULL) { /* RFC 9112 3.2.2: the Host field is ignored */
        h->host = authority;
    }
    const bool close = sh_http_field_has_token(h->fields, h->nfields, "connection", "close");
    h->keep_alive =
        !close && (h->minor >= 1 ||
                   sh_http_field_has_token(h->fields, h->nfields, "connection", "keep-alive"));
    h->upgrade_websocket =
        h->minor >= 1 && sh_http_field_has_token(h->fields, h->nfields, "connection", "upgrade") &&
        sh_http_field_has_token(h->fields, h->nfields, "upgrade", "websocket");
    *status = 0;
    return SH_OK;
}

/* Cuts the next line off; both are known to end with CRLF. */
static struct sh_str next_line(struct sh_str *rest)
{
    const size_t lf = sh_str_find(*rest, '\n');
    if (lf == SIZE_MAX || lf == 0) {
        const struct sh_str all = *rest;
        *rest = sh_str_sub(all, all.n, all.n);
        return all;
    }
    const struct sh_str line = sh_str_sub(*rest, 0, lf - 1);
    *rest = sh_str_sub(*rest, lf + 1, rest->n);
    return line;
}

sh_err sh_http_head_parse(struct sh_bytes head, const struct sh_http_limits *lim,
                          struct sh_http_field *fields, size_t cap, struct sh_http_head *out,
                          int *status)
{
    const size_t fields_max = or_dflt(lim->fields_max, FIELDS_MAX_DFLT);
    struct sh_http_head h = {.content_length = -1, .fields = fields, .host = {"", 0}};
    struct sh_str rest = sh_bytes_str(head);
    struct sh_str authority;
    bool host_seen = false;
    if (head.n < 4 || memcmp(head.p + head.n - 4, "\r\n\r\n", 4) != 0) {
        return refuse(status, 400, SH_E_PROTO);
    }
    const struct sh_str first = next_line(&rest);
    if (first.n > or_dflt(lim->line_max, LINE_MAX_DFLT)) {
        return refuse(status, 414, SH_E_LIMIT);
    }
    SH_TRY(parse_request_line(&h, first, &authority, status));
    while (rest.n > 2) {
        if (h.nfields >= fields_max || h.nfields >= cap) {
            return refuse(status, 431, SH_E_LIMIT);
        }
        struct sh_http_field *f = &fields[h.nfields];
        if (parse_field(next_line(&rest), f) != SH_OK) {
            return refuse(status, 400, SH_E_PROTO);
        }
        SH_TRY(note_field(&h, f, &host_seen, status));
        h.nfields++;
    }
    SH_TRY(finish(&h, authority, host_seen, status));
    *out = h;
    return SH_OK;
}

/* ---- chunked ---- */

enum chunk_state {
    CH_SIZE,
    CH_EXT,
    CH_SIZE_LF,
    CH_DATA,
    CH_DATA_CR,
    CH_DATA_LF,
    CH_TRAILER,    /* at the start of a trailer line or the last CRLF */
    CH_TRAILER_IN, /* inside a trailer line */
    CH_TRAILER_LF,
    CH_LAST_LF,
    CH_DONE,
};

void sh_chunked_init(struct sh_chunked *c)
{
    *c = (struct sh_chunked){0};
}

static int hex_of(uint8_t c)
{
    if (http_is_digit(c)) {
        return c - '0';
    }
    const uint8_t l = (uint8_t)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static sh_err chunk_size(struct sh_chunked *c, uint8_t b)
{
    const int x = hex_of(b);
    if (x >= 0) {
        if (c->digits >= 15) { /* beyond any body: and no overflow */
            return SH_E_PROTO;
        }
        c->digits++;
        c->left = c->left * 16 + (uint64_t)x;
        return SH_OK;
    }
    if (c->digits == 0 || (b != '\r' && b != ';')) {
        return SH_E_PROTO;
    }
    c->state = b == '\r' ? CH_SIZE_LF : CH_EXT;
    return SH_OK;
}

static sh_err expect(struct sh_chunked *c, uint8_t b, uint8_t want, enum chunk_state next)
{
    if (b != want) {
        return SH_E_PROTO;
    }
    c->state = (uint8_t)next;
    return SH_OK;
}

static sh_err chunk_ext(struct sh_chunked *c, uint8_t b)
{
    if (b == '\r') {
        c->state = CH_SIZE_LF;
        return SH_OK;
    }
    return http_is_value_char(b) && ++c->line <= CHUNK_LINE_MAX ? SH_OK : SH_E_PROTO;
}

static sh_err chunk_trailer(struct sh_chunked *c, uint8_t b)
{
    if (++c->trailer > TRAILER_MAX) {
        return SH_E_PROTO;
    }
    if (b == '\r') {
        c->state = c->state == CH_TRAILER ? CH_LAST_LF : CH_TRAILER_LF;
        return SH_OK;
    }
    const bool ok = c->state == CH_TRAILER ? http_is_tchar(b) : http_is_value_char(b);
    c->state = CH_TRAILER_IN;
    return ok ? SH_OK : SH_E_PROTO;
}

static sh_err chunk_byte(struct sh_chunked *c, uint8_t b)
{
    switch ((enum chunk_state)c->state) {
    case CH_SIZE:
        return chunk_size(c, b);
    case CH_EXT:
        return chunk_ext(c, b);
    case CH_SIZE_LF:
        c->digits = 0;
        c->line = 0;
        return expect(c, b, '\n', c->left == 0 ? CH_TRAILER : CH_DATA);
    case CH_DATA_CR:
        return expect(c, b, '\r', CH_DATA_LF);
    case CH_DATA_LF:
        return expect(c, b, '\n', CH_SIZE);
    case CH_TRAILER:
    case CH_TRAILER_IN:
        return chunk_trailer(c, b);
    case CH_TRAILER_LF:
        return expect(c, b, '\n', CH_TRAILER);
    case CH_LAST_LF:
        return expect(c, b, '\n', CH_DONE);
    case CH_DATA:
    case CH_DONE:
        break;
    }
    return SH_E_STATE;
}

sh_err sh_chunked_feed(struct sh_chunked *c, struct sh_bytes in, size_t *used,
                       struct sh_bytes *data)
{
    size_t i = 0;
    *data = (struct sh_bytes){in.p, 0};
    while (i < in.n && c->state != CH_DONE) {
        if (c->state == CH_DATA) {
            const size_t n = in.n - i < c->left ? in.n - i : (size_t)c->left;
            *data = (struct sh_bytes){in.p + i, n};
            c->left -= n;
            if (c->left == 0) {
                c->state = CH_DATA_CR;
            }
            *used = i + n;
            return SH_E_AGAIN;
        }
        SH_TRY(chunk_byte(c, in.p[i]));
        i++;
    }
    *used = i;
    return c->state == CH_DONE ? SH_OK : SH_E_AGAIN;
}
