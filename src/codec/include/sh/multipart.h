/* multipart.h - multipart/form-data bodies (RFC 7578, RFC 2046 5.1) that are in memory as a whole.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MULTIPART_H
#define SH_MULTIPART_H

#include <sh/buf.h>

struct sh_part {
    struct sh_str name;     /* form field, as sent (UTF-8; \" is not unescaped) */
    struct sh_str filename; /* p == NULL when it is no file */
    struct sh_str type;     /* Content-Type of the part; "text/plain" when absent */
    struct sh_bytes data;
};
struct sh_multipart {
    char boundary[74]; /* "--" and at most 70 characters, NUL */
    size_t n;
    struct sh_bytes rest;
    bool begun;
    bool done;
};
/* content_type: the request's field. body is borrowed and must outlive the walk.
 * SH_E_UNSUPPORTED: not multipart/form-data; SH_E_PROTO: no or bad boundary. */
SH_MUST_CHECK sh_err sh_multipart_init(struct sh_multipart *m, struct sh_str content_type,
                                       struct sh_bytes body);
/* Next part as views into the body. SH_E_NOTFOUND after the last; SH_E_PROTO. */
SH_MUST_CHECK sh_err sh_multipart_next(struct sh_multipart *m, struct sh_part *out);

#endif /* SH_MULTIPART_H */
