/* gzip.c - zlib with limits: the window, the output and the memory are bounded.
 * SPDX-License-Identifier: Apache-2.0 */
#include <zlib.h>

#include <sh/gzip.h>

enum { STEP = 65536 };

static void *z_new(void *ctx, unsigned n, unsigned size)
{
    return sh_mem_array(ctx, n, size);
}

static void z_free(void *ctx, void *p)
{
    sh_mem_free(ctx, p);
}

static z_stream stream_of(const struct sh_alloc *a)
{
    union {
        const struct sh_alloc *in;
        void *out;
    } u = {.in = a}; /* only handed back to z_new and z_free */
    return (z_stream){.zalloc = z_new, .zfree = z_free, .opaque = u.out};
}

static Bytef *input_of(struct sh_bytes in)
{
    union {
        const uint8_t *in;
        Bytef *out;
    } u = {.in = in.p}; /* zlib only reads it */
    return u.out;
}

/* Room for more output: as much as STEP, at most up to the limit. */
static sh_err make_room(struct sh_buf *out, z_stream *z)
{
    const size_t left = out->max - out->n;
    if (left == 0) {
        return SH_E_LIMIT;
    }
    size_t want = out->n < STEP ? STEP : out->n;
    want = want < left ? want : left;
    want = want < (1U << 30) ? want : 1U << 30;
    SH_TRY(sh_buf_reserve(out, want));
    z->next_out = out->p + out->n;
    z->avail_out = (unsigned)want;
    return SH_OK;
}

/* One call of inflate; *end: a member is complete. */
static sh_err inflate_step(z_stream *z, struct sh_buf *out, bool *end)
{
    if (z->avail_out == 0) {
        SH_TRY(make_room(out, z));
    }
    const unsigned before = z->avail_out;
    const int r = inflate(z, Z_NO_FLUSH);
    out->n += before - z->avail_out;
    *end = r == Z_STREAM_END;
    if (r == Z_STREAM_END || r == Z_OK) {
        return SH_OK;
    }
    if (r == Z_MEM_ERROR) {
        return SH_E_NOMEM;
    }
    /* Z_BUF_ERROR: no input is left, and the member is not complete */
    return SH_E_PROTO;
}

/* The output is full: is only the trailer left, or is there really more? */
static bool ended_exactly(z_stream *z)
{
    uint8_t extra[1];
    z->next_out = extra;
    z->avail_out = sizeof extra;
    const int r = inflate(z, Z_NO_FLUSH);
    const bool exact = r == Z_STREAM_END && z->avail_out == sizeof extra;
    z->next_out = NULL;
    z->avail_out = 0;
    return exact;
}

static sh_err inflate_all(z_stream *z, struct sh_bytes in, struct sh_buf *out)
{
    z->next_in = input_of(in);
    z->avail_in = (unsigned)in.n;
    for (;;) {
        bool end = false;
        sh_err e = inflate_step(z, out, &end);
        if (e == SH_E_LIMIT && ended_exactly(z)) {
            end = true;
            e = SH_OK;
        }
        SH_TRY(e);
        if (end && z->avail_in == 0) {
            return SH_OK;
        }
        if (end && inflateReset(z) != Z_OK) { /* RFC 1952 2.2: members follow one another */
            return SH_E_PROTO;
        }
    }
}

sh_err sh_gunzip(struct sh_bytes in, struct sh_buf *out)
{
    if (in.n == 0 || in.n > UINT32_MAX) {
        return in.n == 0 ? SH_E_PROTO : SH_E_LIMIT;
    }
    z_stream z = stream_of(out->alloc);
    if (inflateInit2(&z, 15 + 32) != Z_OK) { /* +32: gzip or zlib by its header */
        return SH_E_NOMEM;
    }
    const size_t was = out->n;
    const sh_err e = inflate_all(&z, in, out);
    (void)inflateEnd(&z);
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

sh_err sh_gzip(struct sh_bytes in, int level, struct sh_buf *out)
{
    if (level < 1 || level > 9) {
        return SH_E_INVAL;
    }
    if (in.n > UINT32_MAX) {
        return SH_E_LIMIT;
    }
    z_stream z = stream_of(out->alloc);
    if (deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return SH_E_NOMEM;
    }
    const size_t was = out->n;
    z.next_in = input_of(in);
    z.avail_in = (unsigned)in.n;
    sh_err e = SH_OK;
    int r = Z_OK;
    while (e == SH_OK && r != Z_STREAM_END) {
        e = make_room(out, &z);
        if (e == SH_OK) {
            const unsigned before = z.avail_out;
            r = deflate(&z, Z_FINISH);
            out->n += before - z.avail_out;
        }
    }
    (void)deflateEnd(&z);
    if (e != SH_OK) {
        out->n = was;
    }
    return e;
}

/* ---- piece by piece ---- */

struct sh_gzip_stream {
    const struct sh_alloc *alloc;
    z_stream z;
};

sh_err sh_gzip_stream_new(const struct sh_alloc *a, int level, struct sh_gzip_stream **out)
{
    if (level < 1 || level > 9) {
        return SH_E_INVAL;
    }
    struct sh_gzip_stream *s = sh_mem_new(a, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->alloc = a;
    s->z = stream_of(a);
    if (deflateInit2(&s->z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        sh_mem_free(a, s);
        return SH_E_NOMEM;
    }
    *out = s;
    return SH_OK;
}

sh_err sh_gzip_stream_put(struct sh_gzip_stream *s, struct sh_bytes in, bool end,
                          struct sh_buf *out)
{
    if (in.n > UINT32_MAX) {
        return SH_E_LIMIT;
    }
    z_stream *z = &s->z;
    z->next_in = input_of(in);
    z->avail_in = (unsigned)in.n;
    int r = Z_OK;
    do {
        SH_TRY(make_room(out, z));
        const unsigned before = z->avail_out;
        r = deflate(z, end ? Z_FINISH : Z_NO_FLUSH);
        out->n += before - z->avail_out;
    } while (end ? r != Z_STREAM_END : z->avail_out == 0);
    return SH_OK;
}

void sh_gzip_stream_free(struct sh_gzip_stream *s)
{
    if (s != NULL) {
        (void)deflateEnd(&s->z);
        sh_mem_free(s->alloc, s);
    }
}
