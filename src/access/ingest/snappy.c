/* snappy.c - the block format of snappy (format_description.txt), decoding only.
 *
 * A block is the length of what it inflates to as a varint, then elements: literals, and copies of
 * what was already written. Strict: the elements give exactly that length and use all bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/ingest.h>

enum {
    MOST_PER_BYTE = 22, /* a copy of 3 bytes writes at most 64 */
    LITERAL = 0,
    COPY_1 = 1,
    COPY_2 = 2
};

struct element {
    uint32_t len;
    uint32_t offset; /* 0: a literal, whose bytes are at p */
    const uint8_t *p;
};

static bool take_le(const uint8_t **p, const uint8_t *end, unsigned n, uint32_t *out)
{
    if ((size_t)(end - *p) < n) {
        return false;
    }
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v |= (uint32_t)(*p)[i] << (8 * i);
    }
    *p += n;
    *out = v;
    return true;
}

static bool take_literal(const uint8_t **p, const uint8_t *end, uint32_t m, struct element *e)
{
    e->offset = 0;
    e->len = m;
    if (m >= 60 && !take_le(p, end, m - 59, &e->len)) {
        return false;
    }
    if (e->len >= (size_t)(end - *p)) { /* the length is written less one */
        return false;
    }
    e->len++;
    e->p = *p;
    *p += e->len;
    return true;
}

static bool take_element(const uint8_t **p, const uint8_t *end, struct element *e)
{
    const uint8_t tag = *(*p)++;
    const uint32_t m = tag >> 2;
    uint32_t low = 0;
    switch (tag & 3) {
    case LITERAL:
        return take_literal(p, end, m, e);
    case COPY_1:
        e->len = 4 + (m & 7);
        if (!take_le(p, end, 1, &low)) {
            return false;
        }
        e->offset = (m >> 3) << 8 | low;
        break;
    default:
        e->len = m + 1;
        if (!take_le(p, end, (tag & 3) == COPY_2 ? 2 : 4, &e->offset)) {
            return false;
        }
        break;
    }
    return e->offset != 0;
}

/* The length at the front; a varint of at most 32 bits. */
static bool take_length(const uint8_t **p, const uint8_t *end, uint32_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
        const uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = (uint32_t)v;
            return v <= UINT32_MAX;
        }
    }
    return false;
}

static void write_element(const struct element *e, uint8_t *to)
{
    if (e->offset == 0) {
        memcpy(to, e->p, e->len);
        return;
    }
    if (e->offset >= e->len) {
        memcpy(to, to - e->offset, e->len);
        return;
    }
    for (uint32_t i = 0; i < e->len; i++) { /* the copy reads what it writes: a run */
        to[i] = to[(ptrdiff_t)i - (ptrdiff_t)e->offset];
    }
}

sh_err sh_snappy_decode(struct sh_bytes in, struct sh_buf *out)
{
    const uint8_t *p = in.p;
    const uint8_t *end = in.n == 0 ? p : p + in.n;
    uint32_t len = 0;
    sh_buf_clear(out);
    if (in.n == 0 || !take_length(&p, end, &len)) {
        return SH_E_PROTO;
    }
    if (len > out->max) {
        return SH_E_LIMIT;
    }
    if (len / MOST_PER_BYTE > in.n) { /* no memory for what cannot come */
        return SH_E_PROTO;
    }
    SH_TRY(sh_buf_reserve(out, len));
    while (p < end) {
        struct element e;
        if (!take_element(&p, end, &e) || e.len > len - out->n || e.offset > out->n) {
            return SH_E_PROTO;
        }
        write_element(&e, out->p + out->n);
        out->n += e.len;
    }
    return out->n == len ? SH_OK : SH_E_PROTO;
}
