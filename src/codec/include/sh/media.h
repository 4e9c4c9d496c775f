/* media.h - what a file is, told from its first bytes (never from what the sender says), ranges of
 * it (RFC 9110 14.1), and its name in a header (RFC 6266, RFC 8187). Pure functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MEDIA_H
#define SH_MEDIA_H

#include <sh/buf.h>

enum { SH_MEDIA_HEAD = 4096 }; /* bytes that sh_media_sniff wants, when there are so many */

/* The media type, a static text: "image/png", ..., "text/plain", "application/octet-stream". What
 * a browser would run (HTML, SVG, XML) is told as such. The name only tells apart what has the same
 * first bytes (office documents are zip archives; CSV and JSON are text). */
const char *sh_media_sniff(struct sh_bytes head, struct sh_str name);
/* May a browser show it by itself? Pictures without scripts, PDF, plain text. */
bool sh_media_inline(struct sh_str media);
/* Is it a picture that a browser shows? */
bool sh_media_picture(struct sh_str media);

/* One range of `size` bytes from a Range field. SH_OK: bytes [*from, *to); SH_E_NOTFOUND: none, or
 * one that may be passed over (another unit, several ranges, malformed); SH_E_LIMIT: it lies behind
 * the end (416). */
SH_MUST_CHECK sh_err sh_http_range(struct sh_str field, uint64_t size, uint64_t *from,
                                   uint64_t *to);
/* Appends "attachment" or "inline" with the name: ASCII in quotes, else also in UTF-8. */
SH_MUST_CHECK sh_err sh_http_disposition(struct sh_buf *out, bool show, struct sh_str name);

#endif /* SH_MEDIA_H */
