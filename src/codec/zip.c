/* zip.c - see zip.h. SPDX-License-Identifier: Apache-2.0 */
#include "zip.h"

#include <zlib.h>

#include <sh/text.h>

enum {
    LEVEL = 3,
    STEP = 16384,
    VERSION = 20,
    FLAGS = 0x0808, /* sizes behind the data, names in UTF-8 */
    DEFLATED = 8,
    LOCAL = 0x04034b50,
    DESCRIPTOR = 0x08074b50,
    CENTRAL = 0x02014b50,
    CENTRAL_END = 0x06054b50
};

struct entry {
    char name[ZIP_NAME];
    uint32_t at;
    uint32_t crc;
    uint32_t packed;
    uint32_t size;
};

struct zip {
    const struct sh_alloc *alloc;
    z_stream z;
    uint16_t date;
    uint16_t time;
    uint64_t written; /* all of the file */
    uint64_t packed;  /* of the entry */
    uint64_t size;
    size_t n;
    struct entry entries[ZIP_ENTRIES];
};

static void *z_alloc(void *ctx, unsigned n, unsigned size)
{
    return sh_mem_array(ctx, n, size);
}

static void z_release(void *ctx, void *p)
{
    sh_mem_free(ctx, p);
}

sh_err zip_new(const struct sh_alloc *a, int64_t now_us, struct zip **out)
{
    union {
        const struct sh_alloc *in;
        void *out;
    } u = {.in = a}; /* only handed back to z_alloc and z_release */
    struct zip *z = sh_mem_new(a, sizeof *z);
    if (z == NULL) {
        return SH_E_NOMEM;
    }
    z->alloc = a;
    z->z = (z_stream){.zalloc = z_alloc, .zfree = z_release, .opaque = u.out};
    if (deflateInit2(&z->z, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        sh_mem_free(a, z);
        return SH_E_NOMEM;
    }
    const int64_t day = (int64_t)86400 * 1000000;
    const int64_t now = now_us > 0 ? now_us : 0;
    const unsigned s = (unsigned)(now % day / 1000000);
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    sh_civil_from_days(now / day, &y, &m, &d);
    y = y < 1980 ? 1980 : (y > 2107 ? 2107 : y);
    z->date = (uint16_t)((unsigned)(y - 1980) << 9 | m << 5 | d);
    z->time = (uint16_t)((s / 3600) << 11 | s / 60 % 60 << 5 | s % 60 / 2);
    *out = z;
    return SH_OK;
}

void zip_free(struct zip *z)
{
    if (z != NULL) {
        (void)deflateEnd(&z->z);
        sh_mem_free(z->alloc, z);
    }
}

static sh_err put(struct zip *z, const void *p, size_t n, struct sh_buf *out)
{
    SH_TRY(sh_buf_put(out, p, n));
    z->written += n;
    return z->written <= UINT32_MAX ? SH_OK : SH_E_LIMIT;
}

/* Version, flags, method, time, date: the same in both headers. */
static void common(const struct zip *z, uint8_t *h)
{
    sh_put_le16(h, VERSION);
    sh_put_le16(h + 2, FLAGS);
    sh_put_le16(h + 4, DEFLATED);
    sh_put_le16(h + 6, z->time);
    sh_put_le16(h + 8, z->date);
}

sh_err zip_begin(struct zip *z, const char *name, struct sh_buf *out)
{
    uint8_t h[30] = {0};
    const struct sh_str s = sh_str_c(name);
    if (z->n == ZIP_ENTRIES || s.n >= ZIP_NAME) {
        return SH_E_LIMIT;
    }
    struct entry *e = &z->entries[z->n++];
    *e = (struct entry){.at = (uint32_t)z->written, .crc = (uint32_t)crc32(0, NULL, 0)};
    memcpy(e->name, s.p, s.n);
    z->packed = 0;
    z->size = 0;
    if (deflateReset(&z->z) != Z_OK) {
        return SH_E_INTERNAL;
    }
    sh_put_le32(h, LOCAL);
    common(z, h + 4);
    sh_put_le16(h + 26, (uint16_t)s.n);
    SH_TRY(put(z, h, sizeof h, out));
    return put(z, s.p, s.n, out);
}

static sh_err deflate_into(struct zip *z, struct sh_bytes in, int flush, struct sh_buf *out)
{
    union {
        const uint8_t *in;
        Bytef *out;
    } u = {.in = in.p}; /* zlib only reads it */
    uint8_t room[STEP];
    z->z.next_in = u.out;
    z->z.avail_in = (unsigned)in.n;
    int r = Z_OK;
    do {
        z->z.next_out = room;
        z->z.avail_out = sizeof room;
        r = deflate(&z->z, flush);
        const size_t n = sizeof room - z->z.avail_out;
        SH_TRY(n == 0 ? SH_OK : put(z, room, n, out));
        z->packed += n;
    } while (flush == Z_FINISH ? r != Z_STREAM_END : z->z.avail_out == 0);
    return SH_OK;
}

sh_err zip_put(struct zip *z, struct sh_bytes in, struct sh_buf *out)
{
    struct entry *e = &z->entries[z->n - 1];
    if (in.n == 0) {
        return SH_OK;
    }
    e->crc = (uint32_t)crc32(e->crc, in.p, (unsigned)in.n);
    z->size += in.n;
    if (in.n > UINT32_MAX || z->size > UINT32_MAX) {
        return SH_E_LIMIT;
    }
    return deflate_into(z, in, Z_NO_FLUSH, out);
}

sh_err zip_end(struct zip *z, struct sh_buf *out)
{
    uint8_t h[16];
    struct entry *e = &z->entries[z->n - 1];
    SH_TRY(deflate_into(z, (struct sh_bytes){NULL, 0}, Z_FINISH, out));
    e->packed = (uint32_t)z->packed;
    e->size = (uint32_t)z->size;
    sh_put_le32(h, DESCRIPTOR);
    sh_put_le32(h + 4, e->crc);
    sh_put_le32(h + 8, e->packed);
    sh_put_le32(h + 12, e->size);
    return put(z, h, sizeof h, out);
}

sh_err zip_close(struct zip *z, struct sh_buf *out)
{
    const uint32_t at = (uint32_t)z->written;
    for (size_t i = 0; i < z->n; i++) {
        uint8_t h[46] = {0};
        const struct entry *e = &z->entries[i];
        const struct sh_str name = sh_str_c(e->name);
        sh_put_le32(h, CENTRAL);
        sh_put_le16(h + 4, VERSION);
        common(z, h + 6);
        sh_put_le32(h + 16, e->crc);
        sh_put_le32(h + 20, e->packed);
        sh_put_le32(h + 24, e->size);
        sh_put_le16(h + 28, (uint16_t)name.n);
        sh_put_le32(h + 42, e->at);
        SH_TRY(put(z, h, sizeof h, out));
        SH_TRY(put(z, name.p, name.n, out));
    }
    uint8_t end[22] = {0};
    sh_put_le32(end, CENTRAL_END);
    sh_put_le16(end + 8, (uint16_t)z->n);
    sh_put_le16(end + 10, (uint16_t)z->n);
    sh_put_le32(end + 12, (uint32_t)(z->written - at));
    sh_put_le32(end + 16, at);
    return put(z, end, sizeof end, out);
}
