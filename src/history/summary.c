/* summary.c - see summary.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <math.h>

#include "block.h"
#include "ints.h"

enum { RAW_TAG = 255, TRY_DECIMALS = 7 };

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

void summary_make(enum sh_type type, uint32_t n, const int64_t *time, const union sh_cell *value,
                  const uint8_t *quality, struct summary *out)
{
    memset(out, 0, sizeof *out);
    out->n = n;
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
    set_squares(&out->use, type, n, value, quality, SH_QC_UNCERTAIN);
    if (out->n_uncertain == 0) {
        out->good = out->use;
    } else {
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

static sh_err set_write(const struct summary_set *s, enum sh_type type, int64_t t_first,
                        int64_t t_last, struct sh_buf *out)
{
    SH_TRY(sh_buf_put_varint(out, s->n));
    if (s->n == 0) {
        return SH_OK;
    }
    SH_TRY(sh_buf_put_varint(out, (uint64_t)s->t_first - (uint64_t)t_first));
    SH_TRY(sh_buf_put_varint(out, (uint64_t)t_last - (uint64_t)s->t_last));
    if (type > SH_T_F64) {
        return SH_OK;
    }
    SH_TRY(number_write(s->sum, out));
    SH_TRY(number_write(s->m2, out));
    SH_TRY(number_write(s->integral, out));
    SH_TRY(cell_write(type, s->min, out));
    SH_TRY(cell_write(type, s->max, out));
    SH_TRY(cell_write(type, s->first, out));
    return cell_write(type, s->last, out);
}

static sh_err set_read(struct sh_rd *r, enum sh_type type, int64_t t_first, int64_t t_last,
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

sh_err summary_write(enum sh_type type, const struct summary *s, int64_t t_first, int64_t t_last,
                     struct sh_buf *out)
{
    const bool two = s->n_uncertain != 0;
    SH_TRY(sh_buf_put_u8(out, two ? 1 : 0));
    SH_TRY(sh_buf_put_varint(out, s->n_bad));
    SH_TRY(sh_buf_put_varint(out, s->n_uncertain));
    SH_TRY(sh_buf_put_varint(out, s->n_nan));
    SH_TRY(set_write(&s->use, type, t_first, t_last, out));
    return two ? set_write(&s->good, type, t_first, t_last, out) : SH_OK;
}

static sh_err parts_read(struct sh_rd *r, enum sh_type type, int64_t t_first, int64_t t_last,
                         struct summary *out)
{
    uint8_t two = 0;
    uint64_t bad = 0;
    uint64_t uncertain = 0;
    uint64_t nan = 0;
    SH_TRY(sh_rd_u8(r, &two));
    SH_TRY(sh_rd_varint(r, &bad));
    SH_TRY(sh_rd_varint(r, &uncertain));
    SH_TRY(sh_rd_varint(r, &nan));
    if (two > 1 || bad > INTS_MAX || uncertain > INTS_MAX || nan > INTS_MAX) {
        return SH_E_CORRUPT;
    }
    out->n_bad = (uint32_t)bad;
    out->n_uncertain = (uint32_t)uncertain;
    out->n_nan = (uint32_t)nan;
    SH_TRY(set_read(r, type, t_first, t_last, &out->use));
    out->good = out->use;
    if (two == 1) {
        memset(&out->good, 0, sizeof out->good);
        SH_TRY(set_read(r, type, t_first, t_last, &out->good));
    }
    return SH_OK;
}

sh_err summary_read(struct sh_rd *r, enum sh_type type, uint32_t n, int64_t t_first, int64_t t_last,
                    struct summary *out)
{
    memset(out, 0, sizeof *out);
    out->n = n;
    return parts_read(r, type, t_first, t_last, out) == SH_OK ? SH_OK : SH_E_CORRUPT;
}
