/* gzip.h - gzip (RFC 1952) and zlib (RFC 1950) in and out, bounded. May take long: not on a loop
 * for more than some 100 KiB. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GZIP_H
#define SH_GZIP_H

#include <sh/buf.h>

/* Inflates all members of a gzip or zlib body and appends to out. SH_E_LIMIT at out->max (so a bomb
 * costs no more than that), SH_E_PROTO: damaged or cut, SH_E_NOMEM. On error out is as before. */
SH_MUST_CHECK sh_err sh_gunzip(struct sh_bytes in, struct sh_buf *out);
/* Deflates as one gzip member at level 1..9, appended to out. SH_E_LIMIT, SH_E_NOMEM. */
SH_MUST_CHECK sh_err sh_gzip(struct sh_bytes in, int level, struct sh_buf *out);

/* One gzip member piece by piece. About 270 KiB of memory. One thread at a time. */
struct sh_gzip_stream;
SH_MUST_CHECK sh_err sh_gzip_stream_new(const struct sh_alloc *a, int level,
                                        struct sh_gzip_stream **out);
/* Deflates `in` and appends what is ready to out; end: the last piece, all that is left follows.
 * SH_E_LIMIT, SH_E_NOMEM: the stream is of no more use. */
SH_MUST_CHECK sh_err sh_gzip_stream_put(struct sh_gzip_stream *s, struct sh_bytes in, bool end,
                                        struct sh_buf *out);
void sh_gzip_stream_free(struct sh_gzip_stream *s); /* NULL is accepted */

#endif /* SH_GZIP_H */
