/* syslog.h - syslog messages with structured data (RFC 5424), framed by octet counting (RFC 6587
 * 3.4.1; RFC 5425 4.3 asks for the same over TLS). Writing only. Pure functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SYSLOG_H
#define SH_SYSLOG_H

#include <sh/buf.h>

enum {
    SH_SYSLOG_AUDIT = 13, /* facility "log audit" (RFC 5424 6.2.1) */
    SH_SYSLOG_PARAMS = 8,
    SH_SYSLOG_VALUE_MAX = 512, /* bytes of a value as it is written */
    SH_SYSLOG_TEXT_MAX = 2048, /* bytes of the text as it is written */
    SH_SYSLOG_MAX = 8192       /* no message is longer: what RFC 5425 4.3.1 lets receivers expect */
};
/* RFC 5424 6.2.1, as far as it is used. */
enum sh_syslog_severity { SH_SYSLOG_ERROR = 3, SH_SYSLOG_WARNING = 4, SH_SYSLOG_INFO = 6 };

struct sh_syslog_param {
    struct sh_str name; /* SD-NAME: 1 to 32 of the visible ASCII characters but = ] " */
    struct sh_str value;
};
struct sh_syslog {
    uint8_t facility; /* 0 to 23 */
    enum sh_syslog_severity severity;
    int64_t time_us;
    struct sh_str hostname; /* these four: what is no visible ASCII becomes '?', what is too long
                               (6: 255, 48, 128, 32) is cut, empty is "-" */
    struct sh_str app;
    struct sh_str procid;
    struct sh_str msgid;
    struct sh_str sd_id; /* SD-NAME */
    const struct sh_syslog_param *params;
    size_t nparams;
    struct sh_str text;
};
/* Appends "LENGTH MESSAGE". In values and text, control characters become their pictures (U+2400 to
 * U+2421), so that no entry can look like two; bytes that are not UTF-8 and the controls of C1
 * become U+FFFD; " \ ] of values are escaped (6.3.3). What is too long ends with "...", never
 * inside a character or an escape. The text is told to be UTF-8 by a BOM (6.4). SH_E_INVAL: a
 * facility, a name or a number of parameters that cannot be; SH_E_LIMIT: `out` is full. Then out is
 * as it was. */
SH_MUST_CHECK sh_err sh_syslog_put(const struct sh_syslog *m, struct sh_buf *out);

#endif /* SH_SYSLOG_H */
