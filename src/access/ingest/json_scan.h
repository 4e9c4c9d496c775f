/* json_scan.h - a strict JSON scanner (RFC 8259) over bytes: no allocation, no recursion.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_ACCESS_JSON_SCAN_H
#define SH_ACCESS_JSON_SCAN_H

#include "ingest_int.h"

static inline const char *json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

/* p is behind the opening quote. Returns the closing quote, or NULL: not closed, a control
 * character, a wrong escape or not UTF-8 (*bad = where). *escaped: it holds a backslash. */
const char *json_string_end(const char *p, const char *end, bool *escaped, const char **bad);

/* Writes the string [p, to) without its escapes behind out->n; a lone surrogate becomes U+FFFD.
 * The string was accepted by json_string_end. SH_E_NOMEM or SH_E_LIMIT of the buffer. */
SH_MUST_CHECK sh_err json_unescape(struct sh_buf *out, const char *p, const char *to);

/* Skips one value of at most SH_INGEST_MAX_DEPTH levels. Returns what is behind it, or NULL: *bad =
 * where, *why = a sentence. */
const char *json_skip(const char *p, const char *end, const char **bad, const char **why);

#endif /* SH_ACCESS_JSON_SCAN_H */
