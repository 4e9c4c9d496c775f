/* block.c - see block.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "block.h"

#include <math.h>

#include "kernel_bits.h"

enum {
    VERSION_FIRST = 1, /* read only: exceptions by index */
    VERSION_PACKED = 2,
    VERSION_COLD = 3, /* ints may be entropy-coded */
    VERSION_EVEN = 4, /* equal steps of time are told in a word; ints may be in the radix form */
    VERSION_EVEN_COLD = 5,
    F64_DECIMAL = 0,
    F64_XOR = 1,
    MAX_E = 15,
    SAMPLE = 32,
    Q_CONST = 0,
    Q_RUNS = 1,
    ALL_MODES = 1 << INTS_FOR | 1 << INTS_DELTA | 1 << INTS_DELTA2
};

double block_pow10(unsigned e)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    return powers[e];
}

bool block_decimal(double v, unsigned e, int64_t *i)
{
    const double limit = 2251799813685248.0; /* 2^51: what the scale kernel takes */
    const double scaled = v * block_pow10(e);
    if (!(scaled > -limit && scaled < limit)) {
        return false; /* too large, infinite or NaN */
    }
    const int64_t n = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    *i = n;
    return sh_f64_bits((double)n / block_pow10(e)) == sh_f64_bits(v);
}

/* ---- encoding ---------------------------------------------------------------------------------
 */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static sh_err numbers_encode(struct block_scratch *s, const uint64_t *v, uint32_t n, unsigned modes,
                             enum block_effort effort, struct sh_buf *out)
{
    const unsigned more = effort == BLOCK_COLD ? 1U << INTS_ENTROPY : 0;
    return ints_encode(&s->ints, v, n, modes | more, effort != BLOCK_QUICK, out);
}

static sh_err time_encode(struct block_scratch *s, const struct block_in *in,
                          enum block_effort effort, struct sh_buf *out)
{
    const uint64_t t0 = (uint64_t)in->time[0];
    const bool even = kernels_get()->even(in->time, in->n);
    uint64_t g = in->n > 1 ? (uint64_t)in->time[1] - t0 : 0;
    for (uint32_t i = 2; i < in->n && g != 1 && !even; i++) {
        g = gcd((uint64_t)in->time[i] - (uint64_t)in->time[i - 1], g);
    }
    if (g == 0) { /* one sample */
        g = in->time[0] % 1000000 == 0 ? 1000000 : 1;
    }
    const int64_t step = (int64_t)g;
    const int64_t rest = (in->time[0] % step + step) % step;
    SH_TRY(sh_buf_put_varint(out, g << 1 | (even ? 1 : 0)));
    SH_TRY(sh_buf_put_varint(out, ints_zigzag((uint64_t)((in->time[0] - rest) / step))));
    SH_TRY(sh_buf_put_varint(out, (uint64_t)rest));
    if (even) {
        return SH_OK;
    }
    for (uint32_t i = 0; i < in->n; i++) {
        const uint64_t d = (uint64_t)in->time[i] - t0;
        s->u[i] = g == 1 ? d : d / g;
    }
    return numbers_encode(s, s->u, in->n, 1U << INTS_DELTA | 1U << INTS_DELTA2, effort, out);
}

/* Smallest e that makes integers of most of a sample; -1 when none does. */
static int decimals_choose(const struct block_in *in)
{
    uint32_t best = 0;
    uint32_t rows = 0;
    int best_e = -1;
    const uint32_t step = in->n <= SAMPLE ? 1 : in->n / SAMPLE;
    for (unsigned e = 0; e <= MAX_E; e++) {
        uint32_t hits = 0;
        uint32_t tried = 0;
        for (uint32_t i = 0; i < in->n; i += step) {
            int64_t v = 0;
            hits += block_decimal(in->value[i].f64, e, &v);
            tried++;
        }
        if (hits > best) {
            best = hits;
            best_e = (int)e;
        }
        rows = tried;
        if (hits == tried) {
            break;
        }
    }
    return best >= rows / 2 ? best_e : -1;
}

static sh_err decimal_encode(struct block_scratch *s, const struct block_in *in, unsigned e,
                             enum block_effort effort, struct sh_buf *out)
{
    uint32_t exceptions = 0;
    uint64_t prev = 0;
    const uint32_t bad =
        kernels_get()->decimals(&in->value[0].f64, in->n, block_pow10(e), s->u, s->w);
    for (uint32_t i = 0; bad != 0 && i < in->n; i++) {
        if (s->w[i] != 0) {
            s->at[exceptions++] = (uint16_t)i;
            s->u[i] = prev;
        }
        prev = s->u[i];
    }
    SH_TRY(sh_buf_put_u8(out, F64_DECIMAL));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)e));
    SH_TRY(sh_buf_put_varint(out, exceptions));
    SH_TRY(numbers_encode(s, s->u, in->n, ALL_MODES, effort, out));
    for (uint32_t i = 0; i < exceptions; i++) {
        SH_TRY(sh_buf_put_le16(out, s->at[i]));
        SH_TRY(sh_buf_put_le64(out, in->value[s->at[i]].bits));
    }
    return SH_OK;
}

static sh_err xor_encode(struct block_scratch *s, const struct block_in *in, struct sh_buf *out)
{
    uint64_t all = 0;
    s->w[0] = 0;
    for (uint32_t i = 1; i < in->n; i++) {
        s->w[i] = in->value[i].bits ^ in->value[i - 1].bits;
        all |= s->w[i];
    }
    const unsigned shift = all == 0 ? 0 : (unsigned)__builtin_ctzll(all);
    for (uint32_t i = 0; i < in->n; i++) {
        s->w[i] >>= shift;
    }
    SH_TRY(sh_buf_put_u8(out, F64_XOR));
    SH_TRY(sh_buf_put_le64(out, in->value[0].bits));
    SH_TRY(sh_buf_put_u8(out, (uint8_t)shift));
    return ints_encode(&s->ints, s->w, in->n, 1U << INTS_FOR, false, out);
}

/* Writes the decimal form, and the xor form too when that may be smaller. */
static sh_err f64_encode(struct block_scratch *s, const struct block_in *in,
                         enum block_effort effort, struct sh_buf *out)
{
    const size_t start = out->n;
    const int e = decimals_choose(in);
    if (e < 0) {
        return xor_encode(s, in, out);
    }
    SH_TRY(decimal_encode(s, in, (unsigned)e, effort, out));
    const size_t size = out->n - start;
    if (size < (size_t)in->n * 4) {
        return SH_OK;
    }
    SH_TRY(xor_encode(s, in, out));
    const size_t other = out->n - start - size;
    if (other < size) {
        memmove(out->p + start, out->p + start + size, other);
        out->n = start + other;
    } else {
        out->n = start + size;
    }
    return SH_OK;
}

static sh_err quality_encode(const struct block_in *in, struct sh_buf *out)
{
    uint32_t runs = 1;
    if (in->n == 1 || memcmp(in->quality, in->quality + 1, in->n - 1) == 0) {
        SH_TRY(sh_buf_put_u8(out, Q_CONST));
        return sh_buf_put_u8(out, in->quality[0]);
    }
    for (uint32_t i = 1; i < in->n; i++) {
        runs += in->quality[i] != in->quality[i - 1];
    }
    SH_TRY(sh_buf_put_u8(out, Q_RUNS));
    SH_TRY(sh_buf_put_varint(out, runs));
    for (uint32_t i = 0; i < in->n;) {
        uint32_t j = i + 1;
        while (j < in->n && in->quality[j] == in->quality[i]) {
            j++;
        }
        SH_TRY(sh_buf_put_u8(out, in->quality[i]));
        SH_TRY(sh_buf_put_varint(out, j - i));
        i = j;
    }
    return SH_OK;
}

static sh_err value_encode(const struct sh_alloc *a, struct block_scratch *s,
                           const struct block_in *in, enum block_effort effort, struct sh_buf *out)
{
    if (in->type == SH_T_F64) {
        return f64_encode(s, in, effort, out);
    }
    if (in->type == SH_T_TEXT || in->type == SH_T_BLOB) {
        return text_encode(a, s, in, out);
    }
    return numbers_encode(s, &in->value[0].bits, in->n, ALL_MODES, effort, out);
}

/* The head has room for the two lengths as varints of 5 bytes each; they are closed up after. */
sh_err block_encode(const struct sh_alloc *a, struct block_scratch *s, const struct block_in *in,
                    enum block_effort effort, struct sh_buf *out)
{
    const size_t start = out->n;
    const size_t room = BLOCK_HEAD + 10;
    SH_TRY(sh_buf_reserve(out, room));
    out->n += room;
    SH_TRY(time_encode(s, in, effort, out));
    const size_t time_len = out->n - start - room;
    SH_TRY(value_encode(a, s, in, effort, out));
    const size_t value_len = out->n - start - room - time_len;
    SH_TRY(quality_encode(in, out));
    const size_t body = out->n - start - room;

    uint8_t *p = out->p + start;
    size_t at = BLOCK_HEAD;
    const size_t lens[2] = {time_len, value_len};
    for (int i = 0; i < 2; i++) {
        size_t v = lens[i];
        for (; v >= 0x80; v >>= 7) {
            p[at++] = (uint8_t)(v | 0x80);
        }
        p[at++] = (uint8_t)v;
    }
    memmove(p + at, p + room, body);
    out->n = start + at + body;
    sh_put_le32(p + 4, (uint32_t)(at + body));
    sh_put_le32(p + 8, in->point);
    sh_put_le16(p + 12, (uint16_t)in->n);
    p[14] = (uint8_t)in->type;
    p[15] = effort == BLOCK_COLD ? VERSION_EVEN_COLD : VERSION_EVEN;
    sh_put_le32(p, sh_crc32c(0, p + 4, at + body - 4));
    return SH_OK;
}

/* ---- decoding ---------------------------------------------------------------------------------
 */

sh_err block_peek(struct sh_bytes in, struct block_head *out)
{
    if (in.n < BLOCK_HEAD) {
        return SH_E_CORRUPT;
    }
    const struct block_head h = {.size = sh_le32(in.p + 4),
                                 .point = sh_le32(in.p + 8),
                                 .n = sh_le16(in.p + 12),
                                 .type = (enum sh_type)in.p[14],
                                 .cold = in.p[15] == VERSION_COLD || in.p[15] == VERSION_EVEN_COLD,
                                 .even = in.p[15] >= VERSION_EVEN};
    if (h.size < BLOCK_HEAD || h.size > in.n || h.size > BLOCK_BYTES_MAX || h.n == 0 ||
        h.n > BLOCK_MAX || in.p[14] < SH_T_BOOL || in.p[14] > SH_T_BLOB ||
        in.p[15] < VERSION_FIRST || in.p[15] > VERSION_EVEN_COLD) {
        return SH_E_CORRUPT;
    }
    *out = h;
    return SH_OK;
}

struct block_cols *block_cols_new(const struct sh_alloc *a)
{
    struct block_cols *c = sh_mem_resize(a, NULL, sizeof *c);
    if (c != NULL) {
        c->n = 0;
        c->of = NULL;
        sh_buf_init(&c->text, a, BLOCK_TEXT_MAX);
    }
    return c;
}

void block_cols_free(const struct sh_alloc *a, struct block_cols *c)
{
    if (c != NULL) {
        sh_buf_fini(&c->text);
        sh_mem_free(a, c);
    }
}

/* Versions 4 and 5. */
static sh_err time_decode(struct sh_rd r, uint32_t n, struct block_cols *out)
{
    const struct kernels *k = kernels_get();
    uint64_t g = 0;
    uint64_t q = 0;
    uint64_t rest = 0;
    int64_t t0 = 0;
    int64_t span = 0;
    SH_TRY(sh_rd_varint(&r, &g));
    SH_TRY(sh_rd_varint(&r, &q));
    SH_TRY(sh_rd_varint(&r, &rest));
    const bool even = (g & 1) != 0;
    g >>= 1;
    if (g == 0 || rest >= g || __builtin_mul_overflow((int64_t)ints_unzigzag(q), (int64_t)g, &t0) ||
        __builtin_add_overflow(t0, (int64_t)rest, &t0)) {
        return SH_E_CORRUPT;
    }
    if (!even) {
        SH_TRY(ints_decode(&r, n, out->tmp));
        if (!k->times(out->tmp, n, (uint64_t)t0, g, out->time)) {
            return SH_E_CORRUPT;
        }
    } else if (__builtin_mul_overflow((int64_t)g, (int64_t)n - 1, &span) ||
               __builtin_add_overflow(t0, span, &span)) {
        return SH_E_CORRUPT;
    } else {
        k->linear((uint64_t)t0, g, n, (uint64_t *)out->time); /* the same bits */
    }
    return sh_rd_left(&r) == 0 ? SH_OK : SH_E_CORRUPT;
}

/* Versions 1 to 3. */
static sh_err old_time_decode(struct sh_rd r, uint32_t n, struct block_cols *out)
{
    uint64_t t0 = 0;
    uint64_t g = 0;
    SH_TRY(sh_rd_varint(&r, &t0));
    SH_TRY(sh_rd_varint(&r, &g));
    SH_TRY(ints_decode(&r, n, out->tmp));
    t0 = ints_unzigzag(t0);
    if (!kernels_get()->times(out->tmp, n, t0, g, out->time)) {
        return SH_E_CORRUPT;
    }
    return sh_rd_left(&r) == 0 ? SH_OK : SH_E_CORRUPT;
}

static sh_err decimal_decode(struct sh_rd *r, uint32_t n, struct block_cols *out)
{
    uint8_t e = 0;
    uint64_t exceptions = 0;
    SH_TRY(sh_rd_u8(r, &e));
    SH_TRY(sh_rd_varint(r, &exceptions));
    if (e > MAX_E || exceptions > n) {
        return SH_E_CORRUPT;
    }
    SH_TRY(ints_decode(r, n, out->tmp));
    kernels_get()->scale(out->tmp, n, block_pow10(e), &out->value[0].f64);
    for (uint64_t i = 0; i < exceptions; i++) {
        uint16_t at = 0;
        uint64_t bits = 0;
        SH_TRY(sh_rd_le16(r, &at));
        SH_TRY(sh_rd_le64(r, &bits));
        if (at >= n) {
            return SH_E_CORRUPT;
        }
        out->value[at].bits = bits;
    }
    return SH_OK;
}

static sh_err xor_decode(struct sh_rd *r, uint32_t n, struct block_cols *out)
{
    uint64_t bits = 0;
    uint8_t shift = 0;
    SH_TRY(sh_rd_le64(r, &bits));
    SH_TRY(sh_rd_u8(r, &shift));
    if (shift > 63) {
        return SH_E_CORRUPT;
    }
    SH_TRY(ints_decode(r, n, out->tmp));
    for (uint32_t i = 0; i < n; i++) {
        bits ^= out->tmp[i] << shift;
        out->value[i].bits = bits;
    }
    return SH_OK;
}

static sh_err value_decode(struct sh_rd *r, enum sh_type type, uint32_t n, struct block_cols *out)
{
    if (type == SH_T_TEXT || type == SH_T_BLOB) {
        return text_decode(r, n, out);
    }
    if (type != SH_T_F64) {
        return ints_decode(r, n, &out->value[0].bits);
    }
    uint8_t form = 0;
    SH_TRY(sh_rd_u8(r, &form));
    if (form == F64_DECIMAL) {
        return decimal_decode(r, n, out);
    }
    return form == F64_XOR ? xor_decode(r, n, out) : SH_E_CORRUPT;
}

static sh_err quality_decode(struct sh_rd *r, uint32_t n, uint8_t *out)
{
    uint8_t form = 0;
    uint8_t q = 0;
    SH_TRY(sh_rd_u8(r, &form));
    if (form == Q_CONST) {
        SH_TRY(sh_rd_u8(r, &q));
        memset(out, q, n);
        return SH_OK;
    }
    uint64_t runs = 0;
    uint32_t at = 0;
    SH_TRY(sh_rd_varint(r, &runs));
    if (form != Q_RUNS || runs > n) {
        return SH_E_CORRUPT;
    }
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t len = 0;
        SH_TRY(sh_rd_u8(r, &q));
        SH_TRY(sh_rd_varint(r, &len));
        if (len > n - at) {
            return SH_E_CORRUPT;
        }
        memset(out + at, q, (size_t)len);
        at += (uint32_t)len;
    }
    return at == n ? SH_OK : SH_E_CORRUPT;
}

static sh_err body_decode(struct sh_rd r, const struct block_head *h, bool times_only,
                          struct block_cols *out)
{
    uint64_t time_len = 0;
    uint64_t value_len = 0;
    struct sh_bytes time;
    struct sh_bytes value;
    SH_TRY(sh_rd_varint(&r, &time_len));
    SH_TRY(sh_rd_varint(&r, &value_len));
    if (time_len > sh_rd_left(&r) || value_len > sh_rd_left(&r) - time_len) {
        return SH_E_CORRUPT;
    }
    SH_TRY(sh_rd_bytes(&r, (size_t)time_len, &time));
    SH_TRY(sh_rd_bytes(&r, (size_t)value_len, &value));
    SH_TRY(h->even ? time_decode(sh_rd_of(time), h->n, out)
                   : old_time_decode(sh_rd_of(time), h->n, out));
    if (times_only) {
        return SH_OK;
    }
    struct sh_rd v = sh_rd_of(value);
    SH_TRY(value_decode(&v, h->type, h->n, out));
    return quality_decode(&r, h->n, out->quality);
}

uint64_t block_step(struct sh_bytes in)
{
    struct block_head h;
    uint64_t time_len = 0;
    uint64_t value_len = 0;
    uint64_t g = 0;
    if (block_peek(in, &h) != SH_OK || !h.even || h.n < 2) {
        return 0;
    }
    struct sh_rd r = {in.p + BLOCK_HEAD, in.p + h.size};
    if (sh_rd_varint(&r, &time_len) != SH_OK || sh_rd_varint(&r, &value_len) != SH_OK ||
        sh_rd_varint(&r, &g) != SH_OK) {
        return 0;
    }
    return (g & 1) != 0 ? g >> 1 : 0;
}

sh_err block_decode(struct sh_bytes in, bool times_only, struct block_cols *out)
{
    struct block_head h;
    out->of = NULL;
    SH_TRY(block_peek(in, &h));
    if (sh_crc32c(0, in.p + 4, h.size - 4) != sh_le32(in.p)) {
        return SH_E_CORRUPT;
    }
    out->point = h.point;
    out->type = h.type;
    out->n = h.n;
    const struct sh_rd r = {in.p + BLOCK_HEAD, in.p + h.size};
    const sh_err err = body_decode(r, &h, times_only, out);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_CORRUPT;
}
