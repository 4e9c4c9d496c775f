/* url.h - query strings, paths and absolute URLs (RFC 3986; application/x-www-form-urlencoded).
 * Pure functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_URL_H
#define SH_URL_H

#include <sh/buf.h>

/* Walks "a=1&b=2": *rest starts as the query; false at the end. Name and value are still encoded.
 */
bool sh_url_query_next(struct sh_str *rest, struct sh_str *name, struct sh_str *value);
/* First parameter of that name (names are compared decoded), its value decoded and appended to out
 * ('+' is a space). SH_E_NOTFOUND; SH_E_PROTO: bad percent-encoding or not UTF-8; SH_E_LIMIT. */
SH_MUST_CHECK sh_err sh_url_query_get(struct sh_str query, const char *name, struct sh_buf *out);
/* Decodes a name or value of a query, appended to out. SH_E_PROTO as above. */
SH_MUST_CHECK sh_err sh_url_query_decode(struct sh_str s, struct sh_buf *out);
/* Next segment of a path that starts with '/': "/a/b%2Fc" gives "a", "b%2Fc"; false at the end.
 * *rest starts as the path. */
bool sh_url_segment_next(struct sh_str *rest, struct sh_str *segment);
/* Decodes a segment, appended to out. SH_E_PROTO: bad percent-encoding, NUL, not UTF-8. */
SH_MUST_CHECK sh_err sh_url_decode(struct sh_str s, struct sh_buf *out);
/* Percent-encodes everything but unreserved characters (RFC 3986 2.3), appended to out. */
SH_MUST_CHECK sh_err sh_url_encode(struct sh_str s, struct sh_buf *out);

struct sh_url {
    struct sh_str scheme;   /* as written */
    struct sh_str userinfo; /* p == NULL when absent */
    struct sh_str host;     /* without the brackets of an IPv6 address */
    uint16_t port;          /* 0 when absent */
    struct sh_str path;     /* "" or "/..." */
    struct sh_str query;    /* p == NULL when absent */
};
/* Absolute URLs with an authority only. Views. SH_E_INVAL. */
SH_MUST_CHECK sh_err sh_url_parse(struct sh_str s, struct sh_url *out);

#endif /* SH_URL_H */
