/* Engineering values: from raw cells to the point's cells, and back.
 * The invariants of a compiled scale are in scale_spec.c, which makes it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scale_int.h"

#include <math.h>

const struct value_raw value_raws[] = {
    {"bool", SH_RAW_BOOL, SH_T_BOOL, 0, 1},
    {"u8", SH_RAW_U8, SH_T_I64, 0, 255},
    {"i8", SH_RAW_I8, SH_T_I64, -128, 127},
    {"u16", SH_RAW_U16, SH_T_I64, 0, 65535},
    {"i16", SH_RAW_I16, SH_T_I64, -32768, 32767},
    {"u32", SH_RAW_U32, SH_T_I64, 0, 4294967295.0},
    {"i32", SH_RAW_I32, SH_T_I64, -2147483648.0, 2147483647.0},
    {"u64", SH_RAW_U64, SH_T_I64, 0, 18446744073709549568.0},
    {"i64", SH_RAW_I64, SH_T_I64, -9223372036854775808.0, 9223372036854774784.0},
    {"f32", SH_RAW_F32, SH_T_F64, -3.4028234663852886e38, 3.4028234663852886e38},
    {"f64", SH_RAW_F64, SH_T_F64, 0, 0},
    {"text", SH_RAW_TEXT, SH_T_TEXT, 0, 0},
};

enum sh_raw sh_raw_parse(struct sh_str s)
{
    for (size_t i = 0; i < sizeof value_raws / sizeof value_raws[0]; i++) {
        if (sh_str_eqc(s, value_raws[i].name)) {
            return value_raws[i].raw;
        }
    }
    return 0;
}

static uint8_t out_of_range(uint8_t q)
{
    return sh_q_class(q) == SH_QC_GOOD ? SH_Q_UNCERTAIN_RANGE : q;
}

static uint8_t no_value(uint8_t q)
{
    return sh_q_class(q) == SH_QC_BAD ? q : SH_Q_BAD_CONFIG;
}

static bool bcd_decode(uint64_t v, uint64_t *out)
{
    uint64_t r = 0;
    uint64_t place = 1;
    for (; v != 0; v >>= 4) {
        if ((v & 15) > 9) {
            return false;
        }
        r += (v & 15) * place;
        place *= 10;
    }
    *out = r;
    return true;
}

/* Nearest integer, ties to even, saturated. */
static int64_t to_i64(double y, uint8_t *q)
{
    const double r = nearbyint(y); /* the rounding mode of the program is never changed */
    if (r >= 9223372036854775808.0) {
        *q = out_of_range(*q);
        return INT64_MAX;
    }
    if (r < -9223372036854775808.0) {
        *q = out_of_range(*q);
        return INT64_MIN;
    }
    return (int64_t)r;
}

static double bounded(const struct sh_scale *s, double y, uint8_t *q)
{
    if (s->check && (y < s->lo || y > s->hi)) {
        *q = out_of_range(*q);
        if (s->clamp) {
            return y < s->lo ? s->lo : s->hi;
        }
    }
    return y;
}

struct sh_str sh_scale_word(const struct sh_scale *s, int64_t number)
{
    uint32_t lo = 0;
    uint32_t hi = s->nwords;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        if (s->words[mid].number < number) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == s->nwords || s->words[lo].number != number) {
        return (struct sh_str){NULL, 0};
    }
    return value_word_text(s, &s->words[lo]);
}

/* An integer raw value (u64 as its bits) that needs no arithmetic, into its point. */
static union sh_cell from_whole(const struct sh_scale *s, uint64_t v, uint8_t *q)
{
    const bool huge = s->raw == SH_RAW_U64 && v > (uint64_t)INT64_MAX;
    union sh_cell out = {.bits = 0};
    if (s->type == SH_T_BOOL) {
        out.bits = v != 0;
    } else if (s->type == SH_T_TEXT) {
        const struct sh_str w = huge ? (struct sh_str){NULL, 0} : sh_scale_word(s, (int64_t)v);
        if (w.p == NULL) {
            *q = no_value(*q);
        } else {
            out.span.off = (uint32_t)(w.p - s->text);
            out.span.len = (uint32_t)w.n;
        }
    } else if (huge) {
        *q = out_of_range(*q);
        out.i64 = INT64_MAX;
    } else {
        out.i64 = (int64_t)v;
    }
    return out;
}

static union sh_cell from_number(const struct sh_scale *s, double x, uint8_t *q)
{
    union sh_cell out = {.bits = 0};
    if (s->type == SH_T_F64) {
        out.f64 = bounded(s, s->linear ? (x * s->a + s->b) / s->c : x, q);
        return out;
    }
    if (isnan(x)) {
        *q = no_value(*q);
        return out;
    }
    if (s->type == SH_T_BOOL) {
        out.bits = x != 0;
        return out;
    }
    const int64_t v = to_i64(bounded(s, s->linear ? (x * s->a + s->b) / s->c : x, q), q);
    if (s->type == SH_T_I64) {
        out.i64 = v;
        return out;
    }
    return from_whole(s, (uint64_t)v, q);
}

static union sh_cell one_cell(const struct sh_scale *s, union sh_cell raw, uint8_t *q)
{
    if (s->raw_type == SH_T_F64) {
        return from_number(s, raw.f64, q);
    }
    uint64_t v = raw.bits;
    if (s->mask != 0) {
        v = (v & s->mask) >> s->shift;
    }
    if (s->bcd && !bcd_decode(v, &v)) {
        *q = no_value(*q);
        return (union sh_cell){.bits = 0};
    }
    if (s->type == SH_T_F64 || (s->type == SH_T_I64 && (s->linear || s->check))) {
        const bool uns = s->raw == SH_RAW_U64;
        return from_number(s, uns ? (double)v : (double)(int64_t)v, q);
    }
    return from_whole(s, v, q);
}

/* Linear, f64 out, nothing to check: the loops that compilers turn into vectors. */
static bool apply_plain(const struct sh_scale *s, size_t n, union sh_cell *cells)
{
    if (s->type != SH_T_F64 || s->check || s->mask != 0 || s->bcd || s->raw == SH_RAW_U64 ||
        !s->linear) {
        return false;
    }
    const double a = s->a;
    const double b = s->b;
    const double c = s->c;
    if (s->raw_type == SH_T_F64) {
        for (size_t i = 0; i < n; i++) {
            cells[i].f64 = (cells[i].f64 * a + b) / c;
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            cells[i].f64 = ((double)cells[i].i64 * a + b) / c;
        }
    }
    return true;
}

void sh_scale_apply(const struct sh_scale *s, size_t n, union sh_cell *cells, uint8_t *quality)
{
    if (apply_plain(s, n, cells)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t q = quality == NULL ? SH_Q_GOOD : quality[i];
        cells[i] = one_cell(s, cells[i], &q);
        if (quality != NULL) {
            quality[i] = q;
        }
    }
}

static bool word_number(const struct sh_scale *s, struct sh_str text, int64_t *out)
{
    uint32_t lo = 0;
    uint32_t hi = s->nwords;
    while (lo < hi) {
        const uint32_t mid = (lo + hi) / 2;
        const int c = sh_str_cmp(value_word_text(s, &s->words[s->by_text[mid]]), text);
        if (c == 0) {
            *out = s->words[s->by_text[mid]].number;
            return true;
        }
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return false;
}

/* Text that is a number or true/false, for a point that is no text. */
static bool text_value(const struct sh_scale *s, struct sh_str t, union sh_cell *out)
{
    if (s->nwords > 0) {
        int64_t v = 0;
        const bool found = word_number(s, t, &v);
        out->i64 = s->type == SH_T_BOOL ? v != 0 : v;
        return found;
    }
    if (s->type == SH_T_F64) {
        return sh_f64_parse(t, &out->f64) == SH_OK;
    }
    if (s->type == SH_T_I64) {
        return sh_i64_parse(t, &out->i64) == SH_OK;
    }
    out->bits = sh_str_eqc(t, "true") || sh_str_eqc(t, "1");
    return out->bits != 0 || sh_str_eqc(t, "false") || sh_str_eqc(t, "0");
}

static sh_err gbk_value(const struct sh_scale *s, struct sh_bytes raw, union sh_cell *cell,
                        bool *found)
{
    uint8_t mem[SH_SCALE_MAX_WORD_BYTES * 2];
    *found = false;
    if (raw.n > SH_SCALE_MAX_WORD_BYTES) {
        return SH_OK; /* longer than any word or number: unknown */
    }
    /* A buffer over the stack: max is its size, so it never grows. */
    struct sh_buf b = {.p = mem, .cap = sizeof mem, .max = sizeof mem, .alloc = s->alloc};
    const sh_err e = sh_gbk_to_utf8(raw, &b);
    if (e == SH_OK) {
        *found = text_value(s, sh_buf_str(&b), cell);
    }
    return e == SH_E_LIMIT ? SH_OK : e;
}

sh_err sh_scale_text(const struct sh_scale *s, struct sh_bytes raw, struct sh_buf *out,
                     union sh_cell *cell, uint8_t *quality)
{
    if (s->type == SH_T_TEXT) {
        const size_t at = out->n;
        if (s->gbk) {
            SH_TRY(sh_gbk_to_utf8(raw, out));
        } else if (!sh_utf8_valid(sh_bytes_str(raw))) {
            return SH_E_PROTO;
        } else {
            SH_TRY(sh_buf_put(out, raw.p, raw.n));
        }
        cell->span.off = (uint32_t)at;
        cell->span.len = (uint32_t)(out->n - at);
        return SH_OK;
    }
    bool found = false;
    cell->bits = 0;
    if (s->gbk) {
        SH_TRY(gbk_value(s, raw, cell, &found));
    } else {
        found = text_value(s, sh_bytes_str(raw), cell);
    }
    if (!found) {
        cell->bits = 0;
        *quality = no_value(*quality);
    }
    return SH_OK;
}

sh_err sh_scale_invert(const struct sh_scale *s, union sh_cell value, union sh_cell *raw)
{
    if (s->mask != 0 || s->bcd || s->raw_type == SH_T_TEXT || s->type == SH_T_TEXT) {
        return SH_E_UNSUPPORTED;
    }
    double y = value.f64;
    if (s->type != SH_T_F64) {
        if (s->raw_type != SH_T_F64 && !s->linear && s->raw == SH_RAW_I64) {
            *raw = value;
            return SH_OK;
        }
        y = (double)value.i64;
    }
    if (s->check && !(y >= s->lo && y <= s->hi)) {
        return SH_E_LIMIT;
    }
    const double x = s->linear ? (y * s->c - s->b) / s->a : y;
    if (s->raw == SH_RAW_F64) {
        raw->f64 = x;
        return SH_OK;
    }
    const double r = s->raw == SH_RAW_F32 ? x : nearbyint(x);
    if (!(r >= value_raws[s->raw - SH_RAW_BOOL].lo && r <= value_raws[s->raw - SH_RAW_BOOL].hi)) {
        return SH_E_LIMIT; /* NaN too */
    }
    if (s->raw_type == SH_T_F64) {
        raw->f64 = (double)(float)r;
    } else if (s->raw == SH_RAW_U64) {
        raw->bits = (uint64_t)r;
    } else {
        raw->i64 = (int64_t)r;
    }
    return SH_OK;
}
