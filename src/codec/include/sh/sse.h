/* sse.h - Server-Sent Events (WHATWG HTML, 9.2): the writer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SSE_H
#define SH_SSE_H

#include <sh/buf.h>

/* Appends one event: "id:" when id.p is not NULL, "event:" when event.p is not NULL, then one
 * "data:" line per line of data, and an empty line. SH_E_INVAL when id or event hold CR, LF or NUL;
 * then, and on SH_E_LIMIT, out is unchanged. */
SH_MUST_CHECK sh_err sh_sse_put(struct sh_buf *out, struct sh_str event, struct sh_str id,
                                struct sh_str data);
/* ": text" - keeps proxies and clients awake. */
SH_MUST_CHECK sh_err sh_sse_put_comment(struct sh_buf *out, struct sh_str text);
/* "retry: ms" */
SH_MUST_CHECK sh_err sh_sse_put_retry(struct sh_buf *out, uint32_t ms);

#endif /* SH_SSE_H */
