/* mb_value.c - registers to values and back. A register is big-endian on the wire (V1.1b3, 4.2);
 * values of several registers are first put into big-endian byte order ABCD..., then read as one
 * number. SPDX-License-Identifier: Apache-2.0 */
#include "mb_value.h"

/* Reorders count registers between the wire and plain big-endian. Each order is its own inverse. */
static void reorder(enum mb_order order, uint16_t count, const uint8_t *in, uint8_t *out)
{
    const bool swap_words = order == MB_CDAB || order == MB_DCBA;
    const bool swap_bytes = order == MB_BADC || order == MB_DCBA;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *w = in + (swap_words ? count - 1 - i : i) * 2;
        out[i * 2] = w[swap_bytes ? 1 : 0];
        out[i * 2 + 1] = w[swap_bytes ? 0 : 1];
    }
}

static double f32_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* Decimal digits packed four bits each; false when one is over 9. */
static bool bcd_get(uint32_t v, int64_t *out)
{
    int64_t n = 0;
    for (int shift = 28; shift >= 0; shift -= 4) {
        const uint32_t d = v >> shift & 0xf;
        if (d > 9) {
            return false;
        }
        n = n * 10 + (int64_t)d;
    }
    *out = n;
    return true;
}

static uint32_t bcd_put(uint32_t v)
{
    uint32_t out = 0;
    for (int shift = 0; shift < 32; shift += 4) {
        out |= v % 10 << shift;
        v /= 10;
    }
    return out;
}

struct mb_value mb_value_get(const struct mb_addr *a, const uint8_t *words)
{
    struct mb_value r = {.quality = SH_Q_GOOD};
    uint8_t b[8] = {0};
    if (a->count > 4) {
        return (struct mb_value){.quality = SH_Q_BAD_CONFIG};
    }
    reorder((enum mb_order)a->order, a->count, words, b);
    const uint64_t u64 = sh_be64(b);
    const uint32_t u32 = sh_be32(b);
    const uint16_t u16 = sh_be16(b);
    switch ((enum mb_type)a->type) {
    case MB_BOOL:
        r.cell.bits = a->bit == MB_NO_BIT ? 0 : (uint64_t)u16 >> a->bit & 1;
        break;
    case MB_INT16:
        r.cell.i64 = (int16_t)u16;
        break;
    case MB_UINT16:
        r.cell.i64 = u16;
        break;
    case MB_INT32:
        r.cell.i64 = (int32_t)u32;
        break;
    case MB_UINT32:
        r.cell.i64 = u32;
        break;
    case MB_INT64:
        r.cell.i64 = (int64_t)u64;
        break;
    case MB_UINT64:
        r.cell.i64 = u64 > INT64_MAX ? INT64_MAX : (int64_t)u64;
        r.quality = u64 > INT64_MAX ? SH_Q_UNCERTAIN_RANGE : SH_Q_GOOD;
        break;
    case MB_FLOAT32:
        r.cell.f64 = f32_of(u32);
        break;
    case MB_FLOAT64:
        r.cell.f64 = sh_f64_from_bits(u64);
        break;
    case MB_BCD16:
    case MB_BCD32:
        r.cell.i64 = 0;
        if (!bcd_get(a->type == MB_BCD16 ? u16 : u32, &r.cell.i64)) {
            r.quality = SH_Q_BAD_CONFIG;
        }
        break;
    case MB_STRING:
        r.quality = SH_Q_BAD_CONFIG;
        break;
    }
    return r;
}

bool mb_bit(struct sh_bytes bits, uint32_t index)
{
    return index / 8 < bits.n && (bits.p[index / 8] >> (index % 8) & 1) != 0;
}

uint8_t mb_text_get(const struct mb_addr *a, const uint8_t *words, struct sh_buf *out)
{
    uint8_t raw[MB_STRING_MAX];
    reorder(a->order == MB_BADC ? MB_BADC : MB_ABCD, a->count, words, raw);
    size_t n = 0;
    while (n < a->text_size && raw[n] != 0) {
        n++;
    }
    while (n > 0 && raw[n - 1] == ' ') {
        n--;
    }
    sh_buf_clear(out);
    if (a->text == MB_GBK) {
        if (sh_gbk_to_utf8((struct sh_bytes){raw, n}, out) != SH_OK) {
            sh_buf_clear(out);
            return SH_Q_BAD_CONFIG;
        }
        return SH_Q_GOOD;
    }
    if (!sh_utf8_valid((struct sh_str){(const char *)raw, n}) || sh_buf_put(out, raw, n) != SH_OK) {
        return SH_Q_BAD_CONFIG;
    }
    return SH_Q_GOOD;
}

static sh_err refuse(const char **out, const char *words)
{
    *out = words;
    return SH_E_INVAL;
}

/* Any number as i64, when that is exact. */
static sh_err to_i64(enum sh_type type, union sh_cell v, int64_t *out, const char **words)
{
    if (type == SH_T_I64) {
        *out = v.i64;
        return SH_OK;
    }
    if (type == SH_T_BOOL) {
        *out = v.bits != 0 ? 1 : 0;
        return SH_OK;
    }
    if (type != SH_T_F64) {
        return refuse(words, "a number is needed");
    }
    if (!(v.f64 >= -9223372036854775808.0 && v.f64 < 9223372036854775808.0) ||
        (double)(int64_t)v.f64 != v.f64) {
        return refuse(words, "a whole number is needed");
    }
    *out = (int64_t)v.f64;
    return SH_OK;
}

static double to_f64(enum sh_type type, union sh_cell v)
{
    if (type == SH_T_F64) {
        return v.f64;
    }
    return type == SH_T_I64 ? (double)v.i64 : (double)(v.bits != 0);
}

sh_err mb_bool_put(enum sh_type type, union sh_cell v, bool *out, const char **words)
{
    int64_t i = 0;
    SH_TRY(to_i64(type, v, &i, words));
    if (i != 0 && i != 1) {
        return refuse(words, "a single bit can be 0 or 1 only");
    }
    *out = i == 1;
    return SH_OK;
}

static const struct {
    int64_t min;
    int64_t max;
} ranges[] = {
    [MB_INT16] = {INT16_MIN, INT16_MAX},
    [MB_UINT16] = {0, UINT16_MAX},
    [MB_INT32] = {INT32_MIN, INT32_MAX},
    [MB_UINT32] = {0, UINT32_MAX},
    [MB_INT64] = {INT64_MIN, INT64_MAX},
    [MB_UINT64] = {0, INT64_MAX},
    [MB_BCD16] = {0, 9999},
    [MB_BCD32] = {0, 99999999},
};

static sh_err put_float(const struct mb_addr *a, enum sh_type type, union sh_cell v, uint8_t b[8],
                        const char **words)
{
    if (type != SH_T_F64 && type != SH_T_I64 && type != SH_T_BOOL) {
        return refuse(words, "a number is needed");
    }
    const double d = to_f64(type, v);
    if (a->type == MB_FLOAT64) {
        sh_put_be64(b, sh_f64_bits(d));
        return SH_OK;
    }
    if (d - d == 0.0 && (d > 3.4028234663852886e38 || d < -3.4028234663852886e38)) {
        return refuse(words, "the value is out of the range of float32");
    }
    const float f = (float)d;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    sh_put_be32(b, bits);
    return SH_OK;
}

static sh_err put_integer(const struct mb_addr *a, int64_t i, uint8_t b[8], const char **words)
{
    if (i < ranges[a->type].min || i > ranges[a->type].max) {
        return refuse(words, "the value is out of the range of the address's type");
    }
    if (a->type == MB_BCD16 || a->type == MB_BCD32) {
        i = bcd_put((uint32_t)i);
    }
    if (a->count == 1) {
        sh_put_be16(b, (uint16_t)i);
    } else if (a->count == 2) {
        sh_put_be32(b, (uint32_t)i);
    } else {
        sh_put_be64(b, (uint64_t)i);
    }
    return SH_OK;
}

sh_err mb_value_put(const struct mb_addr *a, enum sh_type type, union sh_cell v, uint8_t *out,
                    const char **words)
{
    uint8_t b[8] = {0};
    int64_t i = 0;
    if (a->type == MB_BOOL || a->type == MB_STRING) {
        return refuse(words, "this address does not hold a number");
    }
    if (a->type == MB_FLOAT32 || a->type == MB_FLOAT64) {
        SH_TRY(put_float(a, type, v, b, words));
    } else {
        SH_TRY(to_i64(type, v, &i, words));
        SH_TRY(put_integer(a, i, b, words));
    }
    reorder((enum mb_order)a->order, a->count, b, out);
    return SH_OK;
}

sh_err mb_text_put(const struct mb_addr *a, struct sh_bytes text, const struct sh_alloc *alloc,
                   uint8_t *out, const char **words)
{
    struct sh_buf enc;
    sh_buf_init(&enc, alloc, MB_STRING_MAX);
    sh_err err = SH_OK;
    if (a->text == MB_GBK) {
        err = sh_utf8_to_gbk(sh_bytes_str(text), &enc);
    } else if (!sh_utf8_valid(sh_bytes_str(text))) {
        err = SH_E_INVAL;
    } else {
        err = sh_buf_put(&enc, text.p, text.n);
    }
    if (err != SH_OK || enc.n > a->text_size) {
        err = refuse(words, "the text is too long for the address, or cannot be written in its "
                            "encoding");
    } else {
        uint8_t raw[MB_STRING_MAX] = {0};
        if (enc.n > 0) {
            memcpy(raw, enc.p, enc.n);
        }
        reorder(a->order == MB_BADC ? MB_BADC : MB_ABCD, a->count, raw, out);
    }
    sh_buf_fini(&enc);
    return err;
}
