/* zip.h - a ZIP file written from beginning to end (APPNOTE.TXT 6.3.3), for xlsx.c. Sizes and crc
 * stand behind each entry (4.3.9), so nothing is gone back to. No ZIP64: at most 4 GiB.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CODEC_ZIP_H
#define SH_CODEC_ZIP_H

#include <sh/buf.h>

enum { ZIP_ENTRIES = 80, ZIP_NAME = 40 };

struct zip;
SH_MUST_CHECK sh_err zip_new(const struct sh_alloc *a, int64_t now_us, struct zip **out);
void zip_free(struct zip *z); /* NULL is accepted */
/* name: ASCII, shorter than ZIP_NAME. SH_E_LIMIT: too many entries. */
SH_MUST_CHECK sh_err zip_begin(struct zip *z, const char *name, struct sh_buf *out);
SH_MUST_CHECK sh_err zip_put(struct zip *z, struct sh_bytes in, struct sh_buf *out);
SH_MUST_CHECK sh_err zip_end(struct zip *z, struct sh_buf *out); /* of the entry */
SH_MUST_CHECK sh_err zip_close(struct zip *z, struct sh_buf *out);

#endif /* SH_CODEC_ZIP_H */
