/* http_chars.h - character classes of HTTP (RFC 9110 5.6.2, 5.5).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CODEC_HTTP_CHARS_H
#define SH_CODEC_HTTP_CHARS_H

#include <sh/http1.h>

static inline bool http_is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool http_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool http_is_tchar(uint8_t c)
{
    return http_is_alpha(c) || http_is_digit(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* VCHAR, obs-text, SP, HTAB */
static inline bool http_is_value_char(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static inline struct sh_str http_trim_ows(struct sh_str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

/* Next element of a comma-separated list, trimmed; false at the end. *rest starts as the field.
 * Quoted strings are kept whole. Empty elements are skipped (RFC 9110 5.6.1.2). */
bool http_list_next(struct sh_str *rest, struct sh_str *element);

#endif /* SH_CODEC_HTTP_CHARS_H */
