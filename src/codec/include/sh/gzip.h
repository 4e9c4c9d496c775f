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

#endif /* SH_GZIP_H */
