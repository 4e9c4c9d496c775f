/* http1.h - HTTP/1.1 messages (RFC 9110, RFC 9112), server side. Pure functions over bytes: no I/O,
 * no clock, no heap of their own. Strict on purpose: what two parsers could read differently is
 * refused (both Content-Length and Transfer-Encoding, bare LF, folded lines, space before the
 * colon, odd chunk sizes, repeated Host).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HTTP1_H
#define SH_HTTP1_H

#include <sh/buf.h>

enum sh_http_method {
    SH_HTTP_OTHER, /* a valid token that is none of these */
    SH_HTTP_GET,
    SH_HTTP_HEAD,
    SH_HTTP_POST,
    SH_HTTP_PUT,
    SH_HTTP_PATCH,
    SH_HTTP_DELETE,
    SH_HTTP_OPTIONS
};

/* One header field; views. value has no white space at its ends. */
struct sh_http_field {
    struct sh_str name;
    struct sh_str value;
};

/* 0 = the default in brackets. */
struct sh_http_limits {
    size_t line_max;   /* request line [8192] */
    size_t head_max;   /* request line and fields [32768] */
    size_t fields_max; /* [100] */
};

struct sh_http_head {
    enum sh_http_method method;
    struct sh_str method_name;
    struct sh_str target; /* origin form, absolute form, or "*" */
    struct sh_str path;   /* origin form: up to '?'; absolute form: behind the authority */
    struct sh_str query;  /* behind '?', "" when none */
    struct sh_str host;   /* Host field; absolute form: the authority (RFC 9112 3.2.2) */
    int minor;            /* HTTP/1.minor: 0 or 1 */
    const struct sh_http_field *fields;
    size_t nfields;
    int64_t content_length; /* -1 = no Content-Length */
    bool chunked;
    bool keep_alive; /* what the client allows (RFC 9112 9.3) */
    bool expect_continue;
    bool upgrade_websocket; /* Connection: upgrade and Upgrade: websocket */
};

/* Looks for the end of a head in bytes that grow. *scanned starts at 0 and is kept by the caller,
 * so that every byte is looked at once. Empty lines before the request line are skipped
 * (RFC 9112 2.2): *start is where the head begins.
 * SH_OK: the head is in[*start .. *scanned) with its last CRLF CRLF.
 * SH_E_AGAIN; SH_E_PROTO, SH_E_LIMIT: *status is the answer (400, 414, 431). */
SH_MUST_CHECK sh_err sh_http_head_find(struct sh_bytes in, const struct sh_http_limits *lim,
                                       size_t *start, size_t *scanned, int *status);
/* Upper bound of the number of fields in a found head (lines minus 2). */
size_t sh_http_head_lines(struct sh_bytes head);
/* Parses a whole head as found. `fields` has room for `cap`; views point into head.
 * SH_E_PROTO, SH_E_LIMIT, SH_E_UNSUPPORTED: *status is 400, 414, 417, 431, 501 or 505. */
SH_MUST_CHECK sh_err sh_http_head_parse(struct sh_bytes head, const struct sh_http_limits *lim,
                                        struct sh_http_field *fields, size_t cap,
                                        struct sh_http_head *out, int *status);
/* First field of that name; p == NULL when absent. */
struct sh_str sh_http_field_get(const struct sh_http_field *fields, size_t n, const char *name);
/* Is `token` one of the comma-separated elements of a field (all lines of it)? Case-insensitive. */
bool sh_http_field_has_token(const struct sh_http_field *fields, size_t n, const char *name,
                             const char *token);
bool sh_http_is_token(struct sh_str s);
/* reg-name, IPv4, [IPv6], each with an optional port (RFC 3986 3.2.2); "" is valid. */
bool sh_http_is_host(struct sh_str s);

/* Chunked coding (RFC 9112 7.1), incremental. */
struct sh_chunked {
    uint64_t left;    /* of the current chunk */
    uint32_t line;    /* bytes of the current size line, extension or trailer so far */
    uint32_t trailer; /* bytes of all trailers */
    uint8_t state;
    uint8_t digits;
};
void sh_chunked_init(struct sh_chunked *c);
/* Takes what it can from `in`: *used bytes were read, *data is a view of payload in them (may be
 * empty). Call again with the rest until AGAIN (needs more) or OK (the body is complete; trailers
 * were skipped). SH_E_PROTO. Every call makes progress unless in is empty. */
SH_MUST_CHECK sh_err sh_chunked_feed(struct sh_chunked *c, struct sh_bytes in, size_t *used,
                                     struct sh_bytes *data);

/* ---- writing ---- */

/* Reason phrase, "" when unknown. */
const char *sh_http_reason(int status);
/* "HTTP/1.1 200 OK\r\n" */
SH_MUST_CHECK sh_err sh_http_put_status(struct sh_buf *out, int status);
/* "Name: value\r\n". SH_E_INVAL when name is no token or value has CR, LF or NUL. */
SH_MUST_CHECK sh_err sh_http_put_field(struct sh_buf *out, struct sh_str name, struct sh_str value);
enum { SH_HTTP_DATE_CHARS = 29 };
/* IMF-fixdate (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", exactly 29 bytes. */
void sh_http_date(int64_t time_us, char out[SH_HTTP_DATE_CHARS]);
/* Reads an IMF-fixdate. SH_E_INVAL. */
SH_MUST_CHECK sh_err sh_http_date_parse(struct sh_str s, int64_t *time_us);
enum { SH_CHUNK_HEAD_MAX = 18 };
/* "1a2b\r\n" into out; returns its length. Payload and CRLF follow it; the end is "0\r\n\r\n". */
size_t sh_chunk_head(size_t n, uint8_t out[SH_CHUNK_HEAD_MAX]);

/* ---- fields with a meaning ---- */

/* Value of a cookie by name in a Cookie field (RFC 6265 5.4); p == NULL when absent. Quotes around
 * it are removed. */
struct sh_str sh_http_cookie(struct sh_str cookie_field, const char *name);
/* "Name=value; Path=/; HttpOnly; SameSite=Strict[; Secure][; Max-Age=n]" appended; max_age_s < 0:
 * a session cookie, 0: delete it. SH_E_INVAL for characters a cookie may not have. */
SH_MUST_CHECK sh_err sh_http_put_cookie(struct sh_buf *out, struct sh_str name, struct sh_str value,
                                        int64_t max_age_s, bool secure);
/* Best of `offers` (language tags such as "zh", "en") for an Accept-Language field (RFC
 * 9110 12.5.4, basic filtering by prefix); index, or `dflt` when nothing fits or the field is
 * empty. */
size_t sh_http_accept_language(struct sh_str field, const char *const *offers, size_t n,
                               size_t dflt);
/* Does Accept-Encoding take this coding (RFC 9110 12.5.3: q > 0, "*")? */
bool sh_http_accepts_coding(struct sh_str field, const char *coding);
/* Media type of a Content-Type without parameters, as sent; and one parameter (unquoted into out,
 * at most cap bytes; SH_E_NOTFOUND, SH_E_LIMIT). */
struct sh_str sh_http_media_type(struct sh_str content_type);
SH_MUST_CHECK sh_err sh_http_param(struct sh_str field, const char *name, char *out, size_t cap,
                                   size_t *n);
/* Does an If-None-Match / If-Match list hold this entity tag (with quotes; weak comparison)? */
bool sh_http_etag_match(struct sh_str list, struct sh_str etag);

#endif /* SH_HTTP1_H */
