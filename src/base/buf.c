/* buf.c - growing buffer and bounded reader.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/buf.h>

#include <stdarg.h>
#include <stdio.h>

void sh_buf_init(struct sh_buf *b, const struct sh_alloc *a, size_t max_bytes)
{
    *b = (struct sh_buf){.max = max_bytes, .alloc = a};
}

void sh_buf_fini(struct sh_buf *b)
{
    sh_mem_free(b->alloc, b->p);
    *b = (struct sh_buf){.max = b->max, .alloc = b->alloc};
}

sh_err sh_buf_reserve(struct sh_buf *b, size_t more)
{
    if (more <= b->cap - b->n) {
        return more <= b->max - b->n ? SH_OK : SH_E_LIMIT;
    }
    if (more > b->max - b->n) {
        return SH_E_LIMIT;
    }
    const size_t want = b->n + more;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < want) {
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    uint8_t *p = sh_mem_resize(b->alloc, b->p, cap);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    b->p = p;
    b->cap = cap;
    return SH_OK;
}

sh_err sh_buf_put(struct sh_buf *b, const void *p, size_t n)
{
    if (n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_buf_reserve(b, n));
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return SH_OK;
}

sh_err sh_buf_put_str(struct sh_buf *b, struct sh_str s)
{
    return sh_buf_put(b, s.p, s.n);
}

sh_err sh_buf_put_c(struct sh_buf *b, const char *c)
{
    return sh_buf_put(b, c, strlen(c));
}

sh_err sh_buf_put_u8(struct sh_buf *b, uint8_t v)
{
    return sh_buf_put(b, &v, 1);
}

sh_err sh_buf_put_be16(struct sh_buf *b, uint16_t v)
{
    uint8_t t[2];
    sh_put_be16(t, v);
    return sh_buf_put(b, t, sizeof t);
}

sh_err sh_buf_put_be32(struct sh_buf *b, uint32_t v)
{
    uint8_t t[4];
    sh_put_be32(t, v);
    return sh_buf_put(b, t, sizeof t);
}

sh_err sh_buf_put_le16(struct sh_buf *b, uint16_t v)
{
    uint8_t t[2];
    sh_put_le16(t, v);
    return sh_buf_put(b, t, sizeof t);
}

sh_err sh_buf_put_le32(struct sh_buf *b, uint32_t v)
{
    uint8_t t[4];
    sh_put_le32(t, v);
    return sh_buf_put(b, t, sizeof t);
}

sh_err sh_buf_put_le64(struct sh_buf *b, uint64_t v)
{
    uint8_t t[8];
    sh_put_le64(t, v);
    return sh_buf_put(b, t, sizeof t);
}

sh_err sh_buf_put_varint(struct sh_buf *b, uint64_t v)
{
    uint8_t t[10];
    size_t n = 0;
    while (v >= 0x80) {
        t[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    t[n++] = (uint8_t)v;
    return sh_buf_put(b, t, n);
}

sh_err sh_buf_printf(struct sh_buf *b, const char *fmt, ...)
{
    va_list ap;
    const size_t room = b->p == NULL ? 0 : b->cap - b->n;
    va_start(ap, fmt);
    const int n = vsnprintf(room == 0 ? NULL : (char *)b->p + b->n, room, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return SH_E_INVAL;
    }
    if ((size_t)n < room) {
        b->n += (size_t)n;
        return SH_OK;
    }
    /* vsnprintf writes a NUL behind the text: it needs one byte of room that is not counted. */
    SH_TRY(sh_buf_reserve(b, (size_t)n + 1));
    va_start(ap, fmt);
    (void)vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return SH_OK;
}

void sh_buf_drop(struct sh_buf *b, size_t n)
{
    SH_ASSERT(n <= b->n);
    if (n > 0 && n < b->n) {
        memmove(b->p, b->p + n, b->n - n);
    }
    b->n -= n;
}

void sh_buf_shrink(struct sh_buf *b, size_t keep)
{
    const size_t want = b->n > keep ? b->n : keep;
    if (b->cap <= want) {
        return;
    }
    if (want == 0) {
        sh_mem_free(b->alloc, b->p);
        b->p = NULL;
        b->cap = 0;
        return;
    }
    uint8_t *p = sh_mem_resize(b->alloc, b->p, want);
    if (p != NULL) {
        b->p = p;
        b->cap = want;
    }
}

static sh_err need(const struct sh_rd *r, size_t n)
{
    return sh_rd_left(r) < n ? SH_E_PROTO : SH_OK;
}

sh_err sh_rd_u8(struct sh_rd *r, uint8_t *out)
{
    SH_TRY(need(r, 1));
    *out = *r->p++;
    return SH_OK;
}

sh_err sh_rd_be16(struct sh_rd *r, uint16_t *out)
{
    SH_TRY(need(r, 2));
    *out = sh_be16(r->p);
    r->p += 2;
    return SH_OK;
}

sh_err sh_rd_be32(struct sh_rd *r, uint32_t *out)
{
    SH_TRY(need(r, 4));
    *out = sh_be32(r->p);
    r->p += 4;
    return SH_OK;
}

sh_err sh_rd_le16(struct sh_rd *r, uint16_t *out)
{
    SH_TRY(need(r, 2));
    *out = sh_le16(r->p);
    r->p += 2;
    return SH_OK;
}

sh_err sh_rd_le32(struct sh_rd *r, uint32_t *out)
{
    SH_TRY(need(r, 4));
    *out = sh_le32(r->p);
    r->p += 4;
    return SH_OK;
}

sh_err sh_rd_le64(struct sh_rd *r, uint64_t *out)
{
    SH_TRY(need(r, 8));
    *out = sh_le64(r->p);
    r->p += 8;
    return SH_OK;
}

sh_err sh_rd_varint(struct sh_rd *r, uint64_t *out)
{
    uint64_t v = 0;
    const uint8_t *p = r->p;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == r->end) {
            return SH_E_PROTO;
        }
        const uint8_t b = *p++;
        if (shift == 63 && b > 1) {
            return SH_E_PROTO; /* more than 64 bits */
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            r->p = p;
            *out = v;
            return SH_OK;
        }
    }
    return SH_E_PROTO;
}

sh_err sh_rd_bytes(struct sh_rd *r, size_t n, struct sh_bytes *out)
{
    SH_TRY(need(r, n));
    *out = (struct sh_bytes){r->p, n};
    r->p += n;
    return SH_OK;
}
