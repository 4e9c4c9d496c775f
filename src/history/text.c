/* text.c - text and blob cells of a block: a dictionary and indexes.
 *
 *   varint entries, varint plain bytes, varint stored bytes, stored bytes, ints of n indexes
 *   plain = entries times varint length, then the entries' bytes. Stored as it is when the two
 * sizes are equal, else as one zstd frame (RFC 8878). SPDX-License-Identifier: Apache-2.0 */
#include <zstd.h>

#include "block.h"

enum { SLOTS = 2048, LEVEL = 3, TRY_ZSTD = 64 };

/* Gives each row the index of its text in s->u; s->at[k] is the first row of entry k. */
static uint32_t dictionary(struct block_scratch *s, const struct block_in *in, uint16_t *slots)
{
    uint32_t entries = 0;
    memset(slots, 0xff, SLOTS * sizeof *slots);
    for (uint32_t i = 0; i < in->n; i++) {
        const uint8_t *p = in->bytes + in->value[i].span.off;
        const uint32_t len = in->value[i].span.len;
        size_t k = sh_hash64(p, len, 0) % SLOTS;
        for (;; k = (k + 1) % SLOTS) {
            if (slots[k] == UINT16_MAX) {
                slots[k] = (uint16_t)entries;
                s->at[entries++] = (uint16_t)i;
                break;
            }
            const union sh_cell c = in->value[s->at[slots[k]]];
            if (c.span.len == len && (len == 0 || memcmp(in->bytes + c.span.off, p, len) == 0)) {
                break;
            }
        }
        s->u[i] = slots[k];
    }
    return entries;
}

static sh_err stored_write(const struct sh_alloc *a, const struct sh_buf *plain, uint32_t entries,
                           struct sh_buf *out)
{
    struct sh_buf packed;
    sh_buf_init(&packed, a, BLOCK_BYTES_MAX);
    struct sh_bytes store = sh_buf_bytes(plain);
    sh_err err = SH_OK;
    if (plain->n >= TRY_ZSTD) {
        const size_t bound = ZSTD_compressBound(plain->n);
        err = sh_buf_reserve(&packed, bound);
        if (err == SH_OK) {
            const size_t got = ZSTD_compress(packed.p, bound, plain->p, plain->n, LEVEL);
            if (!ZSTD_isError(got) && got < plain->n) {
                store = (struct sh_bytes){packed.p, got};
            }
        }
    }
    if (err == SH_OK) {
        err = sh_buf_put_varint(out, entries);
    }
    if (err == SH_OK) {
        err = sh_buf_put_varint(out, plain->n);
    }
    if (err == SH_OK) {
        err = sh_buf_put_varint(out, store.n);
    }
    if (err == SH_OK && store.n != 0) {
        err = sh_buf_put(out, store.p, store.n);
    }
    sh_buf_fini(&packed);
    return err;
}

static sh_err plain_make(const struct block_scratch *s, const struct block_in *in, uint32_t entries,
                         struct sh_buf *plain)
{
    for (uint32_t k = 0; k < entries; k++) {
        SH_TRY(sh_buf_put_varint(plain, in->value[s->at[k]].span.len));
    }
    for (uint32_t k = 0; k < entries; k++) {
        const union sh_cell c = in->value[s->at[k]];
        if (c.span.len != 0) {
            SH_TRY(sh_buf_put(plain, in->bytes + c.span.off, c.span.len));
        }
    }
    return SH_OK;
}

sh_err text_encode(const struct sh_alloc *a, struct block_scratch *s, const struct block_in *in,
                   struct sh_buf *out)
{
    uint16_t slots[SLOTS];
    const uint32_t entries = dictionary(s, in, slots);
    struct sh_buf plain;
    sh_buf_init(&plain, a, BLOCK_TEXT_MAX);
    sh_err err = plain_make(s, in, entries, &plain);
    if (err == SH_OK) {
        err = stored_write(a, &plain, entries, out);
    }
    sh_buf_fini(&plain);
    return err == SH_OK
               ? ints_encode(&s->ints, s->u, in->n, 1U << INTS_FOR | 1U << INTS_DELTA, false, out)
               : err;
}

/* Puts the plain form into out->text. */
static sh_err stored_read(struct sh_rd *r, uint64_t plain, uint64_t stored, struct sh_buf *text)
{
    struct sh_bytes b;
    SH_TRY(sh_rd_bytes(r, (size_t)stored, &b));
    if (stored == plain) {
        return plain == 0 ? SH_OK : sh_buf_put(text, b.p, b.n);
    }
    if (ZSTD_getFrameContentSize(b.p, b.n) != plain) {
        return SH_E_CORRUPT;
    }
    SH_TRY(sh_buf_reserve(text, (size_t)plain));
    const size_t got = ZSTD_decompress(text->p, (size_t)plain, b.p, b.n);
    if (ZSTD_isError(got) || got != plain) {
        return SH_E_CORRUPT;
    }
    text->n = (size_t)plain;
    return SH_OK;
}

sh_err text_decode(struct sh_rd *r, uint32_t n, struct block_cols *out)
{
    uint64_t entries = 0;
    uint64_t plain = 0;
    uint64_t stored = 0;
    union sh_cell spans[BLOCK_MAX];
    sh_buf_clear(&out->text);
    SH_TRY(sh_rd_varint(r, &entries));
    SH_TRY(sh_rd_varint(r, &plain));
    SH_TRY(sh_rd_varint(r, &stored));
    if (entries == 0 || entries > n || plain < entries || plain > BLOCK_TEXT_MAX ||
        stored > plain) {
        return SH_E_CORRUPT;
    }
    SH_TRY(stored_read(r, plain, stored, &out->text));
    struct sh_rd lens = sh_rd_of(sh_buf_bytes(&out->text));
    for (uint64_t k = 0; k < entries; k++) {
        uint64_t len = 0;
        SH_TRY(sh_rd_varint(&lens, &len));
        if (len > BLOCK_TEXT_MAX) {
            return SH_E_CORRUPT;
        }
        spans[k].span.len = (uint32_t)len;
    }
    uint64_t off = plain - sh_rd_left(&lens);
    for (uint64_t k = 0; k < entries; k++) {
        spans[k].span.off = (uint32_t)off;
        off += spans[k].span.len;
        if (off > plain) {
            return SH_E_CORRUPT;
        }
    }
    SH_TRY(ints_decode(r, n, out->tmp));
    for (uint32_t i = 0; i < n; i++) {
        if (out->tmp[i] >= entries) {
            return SH_E_CORRUPT;
        }
        out->value[i] = spans[out->tmp[i]];
    }
    return SH_OK;
}
