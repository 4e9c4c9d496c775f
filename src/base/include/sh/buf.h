/* buf.h - a growing byte buffer with a stated maximum; owner's memory, one thread at a time.
 * On SH_E_LIMIT or SH_E_NOMEM the buffer is unchanged.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_BUF_H
#define SH_BUF_H

#include <sh/alloc.h>

struct sh_buf {
    uint8_t *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* n never passes this */
    const struct sh_alloc *alloc;
};

void sh_buf_init(struct sh_buf *b, const struct sh_alloc *a, size_t max_bytes);
void sh_buf_fini(struct sh_buf *b);
/* Forgets the content, keeps the memory. */
static inline void sh_buf_clear(struct sh_buf *b)
{
    b->n = 0;
}
/* Makes room for `more` bytes behind n. */
SH_MUST_CHECK sh_err sh_buf_reserve(struct sh_buf *b, size_t more);
SH_MUST_CHECK sh_err sh_buf_put(struct sh_buf *b, const void *p, size_t n);
SH_MUST_CHECK sh_err sh_buf_put_str(struct sh_buf *b, struct sh_str s);
SH_MUST_CHECK sh_err sh_buf_put_c(struct sh_buf *b, const char *c);
SH_MUST_CHECK sh_err sh_buf_put_u8(struct sh_buf *b, uint8_t v);
SH_MUST_CHECK sh_err sh_buf_put_be16(struct sh_buf *b, uint16_t v);
SH_MUST_CHECK sh_err sh_buf_put_be32(struct sh_buf *b, uint32_t v);
SH_MUST_CHECK sh_err sh_buf_put_le16(struct sh_buf *b, uint16_t v);
SH_MUST_CHECK sh_err sh_buf_put_le32(struct sh_buf *b, uint32_t v);
SH_MUST_CHECK sh_err sh_buf_put_le64(struct sh_buf *b, uint64_t v);
/* Unsigned LEB128, 1 to 10 bytes. */
SH_MUST_CHECK sh_err sh_buf_put_varint(struct sh_buf *b, uint64_t v);
SH_MUST_CHECK sh_err sh_buf_printf(struct sh_buf *b, const char *fmt, ...) SH_PRINTF(2, 3);
/* Removes n bytes from the front (moves the rest down). */
void sh_buf_drop(struct sh_buf *b, size_t n);
/* Gives memory above `keep` bytes of capacity back (used when idle). */
void sh_buf_shrink(struct sh_buf *b, size_t keep);
static inline struct sh_bytes sh_buf_bytes(const struct sh_buf *b)
{
    return (struct sh_bytes){b->p, b->n};
}
static inline struct sh_str sh_buf_str(const struct sh_buf *b)
{
    return (struct sh_str){(const char *)b->p, b->n};
}

/* Reader over borrowed bytes: every get checks the bounds and says SH_E_PROTO past the end (callers
 * that read our own files map it to SH_E_CORRUPT). *out is written only on SH_OK. */
struct sh_rd {
    const uint8_t *p;
    const uint8_t *end;
};
static inline struct sh_rd sh_rd_of(struct sh_bytes b)
{
    /* NULL + 0 is undefined */
    return (struct sh_rd){b.p, b.n == 0 ? b.p : b.p + b.n};
}
static inline size_t sh_rd_left(const struct sh_rd *r)
{
    return (size_t)(r->end - r->p);
}
SH_MUST_CHECK sh_err sh_rd_u8(struct sh_rd *r, uint8_t *out);
SH_MUST_CHECK sh_err sh_rd_be16(struct sh_rd *r, uint16_t *out);
SH_MUST_CHECK sh_err sh_rd_be32(struct sh_rd *r, uint32_t *out);
SH_MUST_CHECK sh_err sh_rd_le16(struct sh_rd *r, uint16_t *out);
SH_MUST_CHECK sh_err sh_rd_le32(struct sh_rd *r, uint32_t *out);
SH_MUST_CHECK sh_err sh_rd_le64(struct sh_rd *r, uint64_t *out);
SH_MUST_CHECK sh_err sh_rd_varint(struct sh_rd *r, uint64_t *out);
/* View of n bytes. */
SH_MUST_CHECK sh_err sh_rd_bytes(struct sh_rd *r, size_t n, struct sh_bytes *out);

#endif /* SH_BUF_H */
