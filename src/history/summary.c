/* summary.c - see summary.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <math.h>

#include "block.h"
#include "ints.h"
#include "kernel_bits.h"

enum { RAW_TAG = 255, TRY_DECIMALS = 7 };
#define MAX_SCALED 2251799813685248.0 /* 2^51, as block_decimal */
#define SUM_ERROR 1.2e-16             /* of one addition, 2^-53 */
#define INTEGRAL_ERROR 1e-12
/* First byte of version 2; in version 1 it is 0 or 1. */
enum { HAS_GOOD = 1, CLEAN = 2, VERSION_2 = 0x80 };
/* First byte of a set. */
enum { SET_WHOLE = 1, SET_DERIVED = 2, SET_FLAT = 4, SET_FORM_SHIFT = 4, FORM_OWN = 15 };

/* The block that a summary belongs to. */
struct span {
    uint32_t n;
    int64_t t_first;
    int64_t t_last;
};

static void set_add(struct summary_set *s, enum sh_type type, int64_t t, union sh_cell c)
{
    if (s->n == 0) {
        s->t_first = t;
        s->first = c;
        s->min = c;
        s->max = c;
    }
    const double v = type <= SH_T_F64 ? summary_number(type, c) : 0;
    if (type <= SH_T_F64) {
        if (s->n != 0) {
            const double held = summary_number(type, s->last);
            s->integral += held * ((double)t - (double)s->t_last);
        }
        const bool less = type == SH_T_F64 ? c.f64 < s->min.f64 : c.i64 < s->min.i64;
        const bool more = type == SH_T_F64 ? c.f64 > s->max.f64 : c.i64 > s->max.i64;
        s->min = less ? c : s->min;
        s->max = more ? c : s->max;
        s->sum += v;
    }
    s->n++;
    s->last = c;
    s->t_last = t;
}

double summary_integral(const struct summary_set *s, enum sh_type type)
{
    if (s->n < 2) {
        return 0;
    }
    const double step = ((double)s->t_last - (double)s->t_first) / (s->n - 1);
    return (s->sum - summary_number(type, s->last)) * step;
}

unsigned summary_decimals(const union sh_cell *c, unsigned n, enum sh_type type)
{
    if (type != SH_T_F64) {
        return 0;
    }
    for (unsigned e = 0; e < TRY_DECIMALS; e++) {
        unsigned fit = 0;
        int64_t i = 0;
        while (fit < n && block_decimal(c[fit].f64, e, &i)) {
            fit++;
        }
        if (fit == n) {
            return e;
        }
    }
    return FORM_OWN;
}

/* Sum and integral are rounded as every sum of doubles is. Among the values that are as near to the
 * truth, those are taken that can be written short: a sum with as many decimals as the samples, an
 * integral that follows from it. */
void summary_settle(struct summary_set *s, enum sh_type type, bool even)
{
    const union sh_cell ends[4] = {s->min, s->max, s->first, s->last};
    if (s->n == 0 || type > SH_T_F64) {
        return;
    }
    const unsigned e = summary_decimals(ends, 4, type);
    int64_t i = 0;
    if (type == SH_T_F64 && e != FORM_OWN && !block_decimal(s->sum, e, &i)) {
        const double scaled = s->sum * block_pow10(e);
        const double near = fabs(scaled) < MAX_SCALED ? rint(scaled) / block_pow10(e) : s->sum;
        const double far = fmax(fabs(s->min.f64), fabs(s->max.f64));
        /* rounding errors of n additions, as likely up as down */
        s->sum = fabs(near - s->sum) <= far * s->n * sqrt(s->n) * SUM_ERROR ? near : s->sum;
    }
    const double derived = summary_integral(s, type);
    const double least = fabs(summary_number(type, s->min));
    const double most = fabs(summary_number(type, s->max));
    const double error =
        fmax(least, most) * ((double)s->t_last - (double)s->t_first) * INTEGRAL_ERROR;
    if (even && fabs(derived - s->integral) <= error) {
        s->integral = derived;
    }
}

/* Second pass: squares about the mean. */
static void set_squares(struct summary_set *s, enum sh_type type, uint32_t n,
                        const union sh_cell *value, const uint8_t *quality, uint8_t at_least)
{
    if (s->n == 0 || type > SH_T_F64) {
        return;
    }
    const double mean = s->sum / s->n;
    double m2 = 0;
    for (uint32_t i = 0; i < n; i++) {
        const enum sh_q_class c = sh_q_class(quality[i]);
        const double v = summary_number(type, value[i]);
        if ((uint8_t)c >= at_least && !(type == SH_T_F64 && isnan(v))) {
            m2 += (v - mean) * (v - mean);
        }
    }
    s->m2 = m2;
}

/* Value times microseconds, each held until the next. */
static double integral_of(enum sh_type type, uint32_t n, const int64_t *time,
                          const union sh_cell *value, bool even)
{
    double sum = 0;
    if (even && n > 1) {
        const double step = ((double)time[n - 1] - (double)time[0]) / (n - 1);
        struct kernel_numbers f = {.sum = 0};
        struct kernel_integers i = {.sum = 0};
        if (type == SH_T_F64) {
            kernels_get()->numbers(&value[0].f64, n - 1, &f);
        } else {
            kernels_get()->integers(&value[0].i64, n - 1, &i);
        }
        return (f.sum + i.sum) * step;
    }
    for (uint32_t i = 1; i < n; i++) {
        sum += summary_number(type, value[i - 1]) * ((double)time[i] - (double)time[i - 1]);
    }
    return sum;
}

/* A block of numbers that are all good and none of them NaN, as most are: by columns. False: it is
 * not such a block. */
static bool clean_make(enum sh_type type, uint32_t n, const int64_t *time,
                       const union sh_cell *value, const uint8_t *quality, struct summary_set *s)
{
    const struct kernels *k = kernels_get();
    if (type > SH_T_F64 || sh_q_class(quality[0]) != SH_QC_GOOD ||
        (n > 1 && memcmp(quality, quality + 1, n - 1) != 0)) {
        return false;
    }
    *s = (struct summary_set){
        .n = n, .first = value[0], .last = value[n - 1], .t_first = time[0], .t_last = time[n - 1]};
    if (type == SH_T_F64) {
        struct kernel_numbers f;
        k->numbers(&value[0].f64, n, &f);
        if (f.nan != 0) {
            return false;
        }
        s->sum = f.sum;
        s->min.f64 = f.min;
        s->max.f64 = f.max;
    } else {
        struct kernel_integers i;
        k->integers(&value[0].i64, n, &i);
        s->sum = i.sum;
        s->min.i64 = i.min;
        s->max.i64 = i.max;
    }
    const bool even = k->even(time, n);
    s->integral = integral_of(type, n, time, value, even);
    summary_settle(s, type, even);
    const double mean = s->sum / s->n;
    s->m2 = type == SH_T_F64 ? k->squares_f64(&value[0].f64, n, mean)
                             : k->squares_i64(&value[0].i64, n, mean);
    return true;
}

void summary_make(enum sh_type type, uint32_t n, const int64_t *time, const union sh_cell *value,
                  const uint8_t *quality, struct summary *out)
{
    memset(out, 0, sizeof *out);
    out->n = n;
    if (clean_make(type, n, time, value, quality, &out->use)) {
        out->good = out->use;
        return;
    }
    memset(&out->use, 0, sizeof out->use);
    for (uint32_t i = 0; i < n; i++) {
        const enum sh_q_class c = sh_q_class(quality[i]);
        if (c == SH_QC_BAD) {
            out->n_bad++;
            continue;
        }
        out->n_uncertain += c == SH_QC_UNCERTAIN;
        if (type == SH_T_F64 && isnan(value[i].f64)) {
            out->n_nan++;
            continue;
        }
        set_add(&out->use, type, time[i], value[i]);
        if (c == SH_QC_GOOD) {
            set_add(&out->good, type, time[i], value[i]);
        }
    }
    const bool even = kernels_get()->even(time, n);
    summary_settle(&out->use, type, even && out->use.n == n);
    set_squares(&out->use, type, n, value, quality, SH_QC_UNCERTAIN);
    if (out->n_uncertain == 0) {
        out->good = out->use;
    } else {
        summary_settle(&out->good, type, even && out->good.n == n);
        set_squares(&out->good, type, n, value, quality, SH_QC_GOOD);
    }
}

static sh_err number_write(double v, struct sh_buf *out)
{
    int64_t i = 0;
    for (unsigned e = 0; e < TRY_DECIMALS; e++) {
        if (block_decimal(v, e, &i)) {
            SH_TRY(sh_buf_put_u8(out, (uint8_t)e));
            return sh_buf_put_varint(out, ints_zigzag((uint64_t)i));
        }
    }
    SH_TRY(sh_buf_put_u8(out, RAW_TAG));
    return sh_buf_put_le64(out, sh_f64_bits(v));
}

static sh_err number_read(struct sh_rd *r, double *out)
{
    uint8_t e = 0;
    uint64_t v = 0;
    SH_TRY(sh_rd_u8(r, &e));
    if (e == RAW_TAG) {
        SH_TRY(sh_rd_le64(r, &v));
        *out = sh_f64_from_bits(v);
        return SH_OK;
    }
    SH_TRY(sh_rd_varint(r, &v));
    if (e >= TRY_DECIMALS) {
        return SH_E_CORRUPT;
    }
    *out = (double)(int64_t)ints_unzigzag(v) / block_pow10(e);
    return SH_OK;
}

static sh_err cell_write(enum sh_type type, union sh_cell c, struct sh_buf *out)
{
    return type == SH_T_F64 ? number_write(c.f64, out)
                            : sh_buf_put_varint(out, ints_zigzag(c.bits));
}

static sh_err cell_read(struct sh_rd *r, enum sh_type type, union sh_cell *out)
{
    if (type == SH_T_F64) {
        return number_read(r, &out->f64);
    }
    uint64_t v = 0;
    SH_TRY(sh_rd_varint(r, &v));
    out->bits = ints_unzigzag(v);
    return SH_OK;
}

/* ---- writing: version 2 ----------------------------------------------------------------------
 */

static unsigned form_of(const struct summary_set *s, enum sh_type type)
{
    union sh_cell all[5] = {{.f64 = s->sum}, s->min, s->max, s->first, s->last};
    int64_t i = 0;
    if (type == SH_T_F64) {
        return summary_decimals(all, 5, type);
    }
    return block_decimal(s->sum, 0, &i) ? 0 : FORM_OWN;
}

static sh_err whole_write(const struct summary_set *s, enum sh_type type, unsigned e,
                          struct sh_buf *out)
{
    const union sh_cell in[4] = {s->min, s->max, s->first, s->last};
    int64_t i[4] = {0};
    int64_t sum = 0;
    for (unsigned k = 0; k < 4; k++) {
        i[k] = in[k].i64;
        if (type == SH_T_F64 && !block_decimal(in[k].f64, e, &i[k])) {
            return SH_E_INTERNAL;
        }
    }
    if (!block_decimal(s->sum, e, &sum)) {
        return SH_E_INTERNAL;
    }
    SH_TRY(sh_buf_put_varint(out, ints_zigzag((uint64_t)sum)));
    SH_TRY(sh_buf_put_varint(out, ints_zigzag((uint64_t)i[0])));
    for (unsigned k = 1; k < 4; k++) {
        SH_TRY(sh_buf_put_varint(out, (uint64_t)i[k] - (uint64_t)i[0]));
    }
    return SH_OK;
}

static sh_err numbers_write(const struct summary_set *s, enum sh_type type, struct sh_buf *out)
{
    SH_TRY(number_write(s->sum, out));
    SH_TRY(cell_write(type, s->min, out));
    SH_TRY(cell_write(type, s->max, out));
    SH_TRY(cell_write(type, s->first, out));
    return cell_write(type, s->last, out);
}

static sh_err set_write(const struct summary_set *s, enum sh_type type, const struct span *b,
                        struct sh_buf *out)
{
    const bool whole = s->n == b->n && s->t_first == b->t_first && s->t_last == b->t_last;
    const bool numbers = type <= SH_T_F64 && s->n != 0;
    const unsigned e = numbers ? form_of(s, type) : FORM_OWN;
    const bool derived = numbers && s->integral == summary_integral(s, type);
    const bool flat = numbers && s->m2 == 0;
    SH_TRY(sh_buf_put_u8(out, (uint8_t)((whole ? SET_WHOLE : 0) | (derived ? SET_DERIVED : 0) |
                                        (flat ? SET_FLAT : 0) | e << SET_FORM_SHIFT)));
    if (!whole) {
        SH_TRY(sh_buf_put_varint(out, s->n));
        if (s->n == 0) {
            return SH_OK;
        }
        SH_TRY(sh_buf_put_varint(out, (uint64_t)s->t_first - (uint64_t)b->t_first));
        SH_TRY(sh_buf_put_varint(out, (uint64_t)b->t_last - (uint64_t)s->t_last));
    }
    if (!numbers) {
        return SH_OK;
    }
    SH_TRY(e == FORM_OWN ? numbers_write(s, type, out) : whole_write(s, type, e, out));
    if (!flat) {
        SH_TRY(sh_buf_put_le64(out, sh_f64_bits(s->m2)));
    }
    return derived ? SH_OK : sh_buf_put_le64(out, sh_f64_bits(s->integral));
}

sh_err summary_write(enum sh_type type, const struct summary *s, int64_t t_first, int64_t t_last,
                     struct sh_buf *out)
{
    const struct span b = {s->n, t_first, t_last};
    const bool two = s->n_uncertain != 0;
    const bool clean = !two && s->n_bad == 0 && s->n_nan == 0;
    SH_TRY(sh_buf_put_u8(out, (uint8_t)(VERSION_2 | (two ? HAS_GOOD : 0) | (clean ? CLEAN : 0))));
    if (!clean) {
        SH_TRY(sh_buf_put_varint(out, s->n_bad));
        SH_TRY(sh_buf_put_varint(out, s->n_uncertain));
        SH_TRY(sh_buf_put_varint(out, s->n_nan));
    }
    SH_TRY(set_write(&s->use, type, &b, out));
    return two ? set_write(&s->good, type, &b, out) : SH_OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static sh_err set_read_1(struct sh_rd *r, enum sh_type type, int64_t t_first, int64_t t_last,
                         struct summary_set *s)
{
    uint64_t v = 0;
    SH_TRY(sh_rd_varint(r, &v));
    if (v > INTS_MAX) {
        return SH_E_CORRUPT;
    }
    s->n = (uint32_t)v;
    if (s->n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_rd_varint(r, &v));
    s->t_first = (int64_t)((uint64_t)t_first + v);
    SH_TRY(sh_rd_varint(r, &v));
    s->t_last = (int64_t)((uint64_t)t_last - v);
    if (type > SH_T_F64) {
        return SH_OK;
    }
    SH_TRY(number_read(r, &s->sum));
    SH_TRY(number_read(r, &s->m2));
    SH_TRY(number_read(r, &s->integral));
    SH_TRY(cell_read(r, type, &s->min));
    SH_TRY(cell_read(r, type, &s->max));
    SH_TRY(cell_read(r, type, &s->first));
    return cell_read(r, type, &s->last);
}

static sh_err whole_read(struct sh_rd *r, enum sh_type type, unsigned e, struct summary_set *s)
{
    uint64_t v = 0;
    uint64_t min = 0;
    union sh_cell *const out[4] = {&s->min, &s->max, &s->first, &s->last};
    SH_TRY(sh_rd_varint(r, &v));
    s->sum = (double)(int64_t)ints_unzigzag(v) / block_pow10(e);
    SH_TRY(sh_rd_varint(r, &v));
    min = ints_unzigzag(v);
    v = 0;
    for (unsigned k = 0; k < 4; k++) {
        if (k != 0) {
            SH_TRY(sh_rd_varint(r, &v));
        }
        const int64_t i = (int64_t)(min + v);
        if (type == SH_T_F64) {
            out[k]->f64 = (double)i / block_pow10(e);
        } else {
            out[k]->i64 = i;
        }
    }
    return SH_OK;
}

static sh_err numbers_read(struct sh_rd *r, enum sh_type type, struct summary_set *s)
{
    SH_TRY(number_read(r, &s->sum));
    SH_TRY(cell_read(r, type, &s->min));
    SH_TRY(cell_read(r, type, &s->max));
    SH_TRY(cell_read(r, type, &s->first));
    return cell_read(r, type, &s->last);
}

static sh_err span_read(struct sh_rd *r, const struct span *b, struct summary_set *s)
{
    uint64_t v = 0;
    SH_TRY(sh_rd_varint(r, &v));
    if (v > b->n) {
        return SH_E_CORRUPT;
    }
    s->n = (uint32_t)v;
    if (s->n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_rd_varint(r, &v));
    s->t_first = (int64_t)((uint64_t)b->t_first + v);
    SH_TRY(sh_rd_varint(r, &v));
    s->t_last = (int64_t)((uint64_t)b->t_last - v);
    return SH_OK;
}

static sh_err set_read_2(struct sh_rd *r, enum sh_type type, const struct span *b,
                         struct summary_set *s)
{
    uint8_t flags = 0;
    uint64_t bits = 0;
    SH_TRY(sh_rd_u8(r, &flags));
    const unsigned e = flags >> SET_FORM_SHIFT;
    *s = (struct summary_set){.n = b->n, .t_first = b->t_first, .t_last = b->t_last};
    if ((flags & SET_WHOLE) == 0) {
        SH_TRY(span_read(r, b, s));
    }
    if (type > SH_T_F64 || s->n == 0) {
        return SH_OK;
    }
    if (e != FORM_OWN && e >= TRY_DECIMALS) {
        return SH_E_CORRUPT;
    }
    SH_TRY(e == FORM_OWN ? numbers_read(r, type, s) : whole_read(r, type, e, s));
    if ((flags & SET_FLAT) == 0) {
        SH_TRY(sh_rd_le64(r, &bits));
        s->m2 = sh_f64_from_bits(bits);
    }
    if ((flags & SET_DERIVED) != 0) {
        s->integral = summary_integral(s, type);
        return SH_OK;
    }
    SH_TRY(sh_rd_le64(r, &bits));
    s->integral = sh_f64_from_bits(bits);
    return SH_OK;
}

static sh_err counts_read(struct sh_rd *r, struct summary *out)
{
    uint64_t bad = 0;
    uint64_t uncertain = 0;
    uint64_t nan = 0;
    SH_TRY(sh_rd_varint(r, &bad));
    SH_TRY(sh_rd_varint(r, &uncertain));
    SH_TRY(sh_rd_varint(r, &nan));
    if (bad > INTS_MAX || uncertain > INTS_MAX || nan > INTS_MAX) {
        return SH_E_CORRUPT;
    }
    out->n_bad = (uint32_t)bad;
    out->n_uncertain = (uint32_t)uncertain;
    out->n_nan = (uint32_t)nan;
    return SH_OK;
}

static sh_err parts_read_2(struct sh_rd *r, enum sh_type type, uint8_t flags, const struct span *b,
                           struct summary *out)
{
    if ((flags & ~(unsigned)(VERSION_2 | HAS_GOOD | CLEAN)) != 0) {
        return SH_E_CORRUPT;
    }
    if ((flags & CLEAN) == 0) {
        SH_TRY(counts_read(r, out));
    }
    SH_TRY(set_read_2(r, type, b, &out->use));
    out->good = out->use;
    return (flags & HAS_GOOD) != 0 ? set_read_2(r, type, b, &out->good) : SH_OK;
}

static sh_err parts_read(struct sh_rd *r, enum sh_type type, const struct span *b,
                         struct summary *out)
{
    uint8_t first = 0;
    SH_TRY(sh_rd_u8(r, &first));
    if ((first & VERSION_2) != 0) {
        return parts_read_2(r, type, first, b, out);
    }
    if (first > 1) {
        return SH_E_CORRUPT;
    }
    SH_TRY(counts_read(r, out));
    SH_TRY(set_read_1(r, type, b->t_first, b->t_last, &out->use));
    out->good = out->use;
    if (first == 1) {
        memset(&out->good, 0, sizeof out->good);
        SH_TRY(set_read_1(r, type, b->t_first, b->t_last, &out->good));
    }
    return SH_OK;
}

sh_err summary_read(struct sh_rd *r, enum sh_type type, uint32_t n, int64_t t_first, int64_t t_last,
                    struct summary *out)
{
    const struct span b = {n, t_first, t_last};
    memset(out, 0, sizeof *out);
    out->n = n;
    return parts_read(r, type, &b, out) == SH_OK ? SH_OK : SH_E_CORRUPT;
}
