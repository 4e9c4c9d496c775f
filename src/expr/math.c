/* math.c - operations on numbers, logic and time that do not vectorise.
 * What has no answer (a division by zero, the root of a negative number, a whole number that
 * overflows) gives no value; what is not a number stays so. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "expr_int.h"

enum { SECONDS_A_DAY = 86400, THURSDAY = 3, DAYS_A_WEEK = 7 };
#define US_A_SECOND INT64_C(1000000)
#define INT64_LOW (-9223372036854775808.0)

static void no_value(struct frame *f, uint32_t i)
{
    f->dnull[i] = 1;
    f->nulls = true;
}

#define EACH(f) for (uint32_t i = 0; i < (f)->n; i++)

/* A function of one f64 that is defined where `where` says. */
#define OF_ONE(name, what, where)                                                                  \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        EACH(f)                                                                                    \
        {                                                                                          \
            const double a = f->a.v[i].f64;                                                        \
            f->d[i].f64 = (what);                                                                  \
            if (!(where) && !isnan(a)) {                                                           \
                no_value(f, i);                                                                    \
            }                                                                                      \
        }                                                                                          \
        return SH_OK;                                                                              \
    }

OF_ONE(root, sqrt(a), a >= 0)
OF_ONE(exponential, exp(a), true)
OF_ONE(log_e, log(a), a > 0)
OF_ONE(log_10, log10(a), a > 0)
OF_ONE(log_2, log2(a), a > 0)
OF_ONE(sine, sin(a), isfinite(a))
OF_ONE(cosine, cos(a), isfinite(a))
OF_ONE(tangent, tan(a), isfinite(a))
OF_ONE(arc_sine, asin(a), a >= -1 && a <= 1)
OF_ONE(arc_cosine, acos(a), a >= -1 && a <= 1)
OF_ONE(arc_tangent, atan(a), true)
OF_ONE(sign, a > 0 ? 1 : (a < 0 ? -1 : a), true)
OF_ONE(round_half, round(a), true)

static sh_err arc_tangent2(struct frame *f)
{
    EACH(f)
    {
        f->d[i].f64 = atan2(f->a.v[i].f64, f->b.v[i].f64);
    }
    return SH_OK;
}

/* k: 10 to the digits; 1: they are before the point. */
static sh_err round_to(struct frame *f)
{
    const double by = f->k[0].f64;
    const bool before = f->k[1].bits != 0;
    EACH(f)
    {
        const double a = f->a.v[i].f64;
        const double r = before ? round(a / by) * by : round(a * by) / by;
        f->d[i].f64 = isfinite(r) ? r : a;
    }
    return SH_OK;
}

static sh_err power(struct frame *f)
{
    EACH(f)
    {
        const double a = f->a.v[i].f64;
        const double b = f->b.v[i].f64;
        const double r = pow(a, b);
        f->d[i].f64 = r;
        if (isnan(r) && !isnan(a) && !isnan(b)) {
            no_value(f, i);
        } else if (a == 0 && b < 0) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

static sh_err modulo(struct frame *f)
{
    EACH(f)
    {
        const double b = f->b.v[i].f64;
        f->d[i].f64 = fmod(f->a.v[i].f64, b);
        if (b == 0) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

#define OF_WHOLE(name, builtin)                                                                    \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        EACH(f)                                                                                    \
        {                                                                                          \
            int64_t r = 0;                                                                         \
            if (builtin(f->a.v[i].i64, f->b.v[i].i64, &r)) {                                       \
                no_value(f, i);                                                                    \
            }                                                                                      \
            f->d[i].i64 = r;                                                                       \
        }                                                                                          \
        return SH_OK;                                                                              \
    }

OF_WHOLE(add_whole, __builtin_add_overflow)
OF_WHOLE(sub_whole, __builtin_sub_overflow)
OF_WHOLE(mul_whole, __builtin_mul_overflow)

static sh_err modulo_whole(struct frame *f)
{
    EACH(f)
    {
        const int64_t b = f->b.v[i].i64;
        if (b == 0) {
            f->d[i].i64 = 0;
            no_value(f, i);
        } else {
            f->d[i].i64 = b == -1 ? 0 : f->a.v[i].i64 % b;
        }
    }
    return SH_OK;
}

static sh_err negate_whole(struct frame *f)
{
    EACH(f)
    {
        const int64_t a = f->a.v[i].i64;
        f->d[i].i64 = a == INT64_MIN ? 0 : -a;
        if (a == INT64_MIN) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

static sh_err abs_whole(struct frame *f)
{
    EACH(f)
    {
        const int64_t a = f->a.v[i].i64;
        f->d[i].i64 = a == INT64_MIN ? 0 : (a < 0 ? -a : a);
        if (a == INT64_MIN) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

static sh_err to_whole(struct frame *f)
{
    EACH(f)
    {
        const double a = f->a.v[i].f64;
        const bool fits = a >= INT64_LOW && a < -INT64_LOW;
        f->d[i].i64 = fits ? (int64_t)a : 0;
        if (!fits) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

static sh_err shift(struct frame *f, bool up)
{
    EACH(f)
    {
        const int64_t by = f->b.v[i].i64;
        const uint64_t a = f->a.v[i].bits;
        const bool all = by > 63;
        f->d[i].bits = 0;
        if (by < 0) {
            no_value(f, i);
        } else if (!all) {
            f->d[i].bits = up ? a << by : a >> by;
        }
    }
    return SH_OK;
}

static sh_err shift_up(struct frame *f)
{
    return shift(f, true);
}

static sh_err shift_down(struct frame *f)
{
    return shift(f, false);
}

static sh_err bit_set(struct frame *f)
{
    EACH(f)
    {
        const int64_t n = f->b.v[i].i64;
        const bool there = n >= 0 && n < 64;
        f->d[i].bits = there ? f->a.v[i].bits >> n & 1 : 0;
        if (!there) {
            no_value(f, i);
        }
    }
    return SH_OK;
}

/* Pairs of k, rising. */
static double line_at(const union sh_cell *k, uint32_t kn, double x)
{
    if (isnan(x) || x <= k[0].f64) {
        return isnan(x) ? x : k[1].f64;
    }
    for (uint32_t i = 2; i + 1 < kn; i += 2) {
        if (x <= k[i].f64) {
            const double part = (x - k[i - 2].f64) / (k[i].f64 - k[i - 2].f64);
            return k[i - 1].f64 + part * (k[i + 1].f64 - k[i - 1].f64);
        }
    }
    return k[kn - 1].f64;
}

static sh_err lookup(struct frame *f)
{
    EACH(f)
    {
        f->d[i].f64 = line_at(f->k, f->kn, f->a.v[i].f64);
    }
    return SH_OK;
}

/* ---- no value ---- */

static sh_err coalesce(struct frame *f)
{
    EACH(f)
    {
        const bool none = vec_null(&f->a, i);
        f->d[i] = none ? f->b.v[i] : f->a.v[i];
        f->dnull[i] = none && vec_null(&f->b, i) ? 1 : 0;
        f->nulls |= f->dnull[i] != 0;
    }
    return SH_OK;
}

static sh_err is_null(struct frame *f)
{
    EACH(f)
    {
        f->d[i].bits = vec_null(&f->a, i) ? 1 : 0;
    }
    return SH_OK;
}

/* ---- time of the row, at the place's own clock ---- */

static sh_err unix_time(struct frame *f)
{
    EACH(f)
    {
        f->d[i].f64 = (double)f->rows->time_us[i] / 1e6;
    }
    return SH_OK;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static int64_t local_seconds(const struct frame *f, uint32_t i)
{
    const struct sh_expr_rows *r = f->rows;
    const int64_t off = r->utc_offset_s == NULL ? 0 : r->utc_offset_s(r->ctx, r->time_us[i]);
    return floor_div(r->time_us[i], US_A_SECOND) + off;
}

static int64_t of_date(enum op op, int64_t days)
{
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    if (op == OP_WEEKDAY) { /* 1970-01-01 was a Thursday */
        return (days + THURSDAY) - floor_div(days + THURSDAY, DAYS_A_WEEK) * DAYS_A_WEEK + 1;
    }
    sh_civil_from_days(days, &y, &m, &d);
    return op == OP_YEAR ? y : (op == OP_MONTH ? (int64_t)m : (int64_t)d);
}

static sh_err date_part(struct frame *f, enum op op)
{
    EACH(f)
    {
        const int64_t s = local_seconds(f, i);
        const int64_t days = floor_div(s, SECONDS_A_DAY);
        const int64_t in_day = s - days * SECONDS_A_DAY;
        if (op == OP_HOUR) {
            f->d[i].i64 = in_day / 3600;
        } else if (op == OP_MINUTE) {
            f->d[i].i64 = in_day / 60 % 60;
        } else {
            f->d[i].i64 = of_date(op, days);
        }
    }
    return SH_OK;
}

#define PART(name, op)                                                                             \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        return date_part(f, op);                                                                   \
    }
PART(year, OP_YEAR)
PART(month, OP_MONTH)
PART(day, OP_DAY)
PART(hour, OP_HOUR)
PART(minute, OP_MINUTE)
PART(weekday, OP_WEEKDAY)

static const struct op_info table[OP_COUNT_OF] = {
    [OP_INT] = {to_whole, INFO_MAKES},
    [OP_MOD_F] = {modulo, INFO_MAKES},
    [OP_POW_F] = {power, INFO_MAKES},
    [OP_ADD_I] = {add_whole, INFO_MAKES},
    [OP_SUB_I] = {sub_whole, INFO_MAKES},
    [OP_MUL_I] = {mul_whole, INFO_MAKES},
    [OP_MOD_I] = {modulo_whole, INFO_MAKES},
    [OP_NEG_I] = {negate_whole, INFO_MAKES},
    [OP_ABS_I] = {abs_whole, INFO_MAKES},
    [OP_COALESCE] = {coalesce, INFO_OWN},
    [OP_ISNULL] = {is_null, INFO_OWN},
    [OP_SQRT] = {root, INFO_MAKES},
    [OP_EXP] = {exponential, INFO_MAKES},
    [OP_LN] = {log_e, INFO_MAKES},
    [OP_LOG10] = {log_10, INFO_MAKES},
    [OP_LOG2] = {log_2, INFO_MAKES},
    [OP_SIN] = {sine, INFO_MAKES},
    [OP_COS] = {cosine, INFO_MAKES},
    [OP_TAN] = {tangent, INFO_MAKES},
    [OP_ASIN] = {arc_sine, INFO_MAKES},
    [OP_ACOS] = {arc_cosine, INFO_MAKES},
    [OP_ATAN] = {arc_tangent, INFO_MAKES},
    [OP_ATAN2] = {arc_tangent2, 0},
    [OP_SIGN] = {sign, INFO_MAKES},
    [OP_ROUND] = {round_half, INFO_MAKES},
    [OP_ROUND_TO] = {round_to, 0},
    [OP_LOOKUP] = {lookup, 0},
    [OP_SHL] = {shift_up, INFO_MAKES},
    [OP_SHR] = {shift_down, INFO_MAKES},
    [OP_BIT] = {bit_set, INFO_MAKES},
    [OP_TIME] = {unix_time, INFO_ROW},
    [OP_YEAR] = {year, INFO_ROW},
    [OP_MONTH] = {month, INFO_ROW},
    [OP_DAY] = {day, INFO_ROW},
    [OP_HOUR] = {hour, INFO_ROW},
    [OP_MINUTE] = {minute, INFO_ROW},
    [OP_WEEKDAY] = {weekday, INFO_ROW},
};

struct op_info expr_math_op(enum op op)
{
    return table[op];
}
