/* kernels.c - operations over columns whose loops vectorise; compiled once for each target.
 * KERNEL_TABLE is the name of this target's table. Values of rows that have none are computed too:
 * whatever they are, it does no harm. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "expr_int.h"

#ifndef KERNEL_TABLE
#define KERNEL_TABLE expr_kernels_base
#endif

extern const struct kernel_table KERNEL_TABLE;

/* d[i].to = what, for a = a[i], b = b[i]. */
#define KERNEL_1(name, from, to, what)                                                             \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        const union sh_cell *restrict va = f->a.v;                                                 \
        union sh_cell *restrict d = f->d;                                                          \
        const uint32_t n = f->n;                                                                   \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            const __typeof__(va->from) a = va[i].from;                                             \
            d[i].to = (what);                                                                      \
        }                                                                                          \
        return SH_OK;                                                                              \
    }
#define KERNEL_2(name, from, to, what)                                                             \
    static sh_err name(struct frame *f)                                                            \
    {                                                                                              \
        const union sh_cell *restrict va = f->a.v;                                                 \
        const union sh_cell *restrict vb = f->b.v;                                                 \
        union sh_cell *restrict d = f->d;                                                          \
        const uint32_t n = f->n;                                                                   \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            const __typeof__(va->from) a = va[i].from;                                             \
            const __typeof__(va->from) b = vb[i].from;                                             \
            d[i].to = (what);                                                                      \
        }                                                                                          \
        return SH_OK;                                                                              \
    }

KERNEL_2(add_f, f64, f64, a + b)
KERNEL_2(sub_f, f64, f64, a - b)
KERNEL_2(mul_f, f64, f64, a *b)
KERNEL_1(neg_f, f64, f64, -a)
KERNEL_1(abs_f, bits, bits, a &INT64_MAX)
/* What is not a number stays so. */
KERNEL_2(min_f, f64, f64, a < b ? a : (b <= a ? b : a + b))
KERNEL_2(max_f, f64, f64, a > b ? a : (b >= a ? b : a + b))
KERNEL_2(min_i, i64, i64, a < b ? a : b)
KERNEL_2(max_i, i64, i64, a > b ? a : b)
KERNEL_2(lt_f, f64, bits, a < b ? 1 : 0)
KERNEL_2(le_f, f64, bits, a <= b ? 1 : 0)
KERNEL_2(eq_f, f64, bits, a == b ? 1 : 0)
KERNEL_2(ne_f, f64, bits, a != b ? 1 : 0)
KERNEL_2(lt_i, i64, bits, a < b ? 1 : 0)
KERNEL_2(le_i, i64, bits, a <= b ? 1 : 0)
KERNEL_2(eq_i, i64, bits, a == b ? 1 : 0)
KERNEL_2(ne_i, i64, bits, a != b ? 1 : 0)
KERNEL_2(band, bits, bits, a &b)
KERNEL_2(bor, bits, bits, a | b)
KERNEL_2(bxor, bits, bits, a ^ b)
KERNEL_1(to_float, i64, f64, (double)a)
KERNEL_1(floor_f, f64, f64, floor(a))
KERNEL_1(ceil_f, f64, f64, ceil(a))
KERNEL_1(trunc_f, f64, f64, trunc(a))
KERNEL_1(not_b, bits, bits, a ^ 1)

static sh_err convert(struct frame *f)
{
    const union sh_cell *restrict a = f->a.v;
    union sh_cell *restrict d = f->d;
    const double mul = f->k[0].f64;
    const double plus = f->k[1].f64;
    const double div = f->k[2].f64;
    const uint32_t n = f->n;
    for (uint32_t i = 0; i < n; i++) {
        d[i].f64 = (a[i].f64 * mul + plus) / div;
    }
    return SH_OK;
}

/* By zero: no value. */
static sh_err div_f(struct frame *f)
{
    const union sh_cell *restrict a = f->a.v;
    const union sh_cell *restrict b = f->b.v;
    union sh_cell *restrict d = f->d;
    uint8_t *restrict null = f->dnull;
    const uint32_t n = f->n;
    unsigned zeros = 0;
    for (uint32_t i = 0; i < n; i++) {
        d[i].f64 = a[i].f64 / b[i].f64;
    }
    for (uint32_t i = 0; i < n; i++) {
        zeros |= b[i].f64 == 0 ? 1U : 0U;
    }
    if (zeros != 0) {
        for (uint32_t i = 0; i < n; i++) {
            null[i] |= b[i].f64 == 0 ? 1 : 0;
        }
        f->nulls = true;
    }
    return SH_OK;
}

static sh_err choose(struct frame *f)
{
    const union sh_cell *restrict c = f->a.v;
    const union sh_cell *restrict x = f->b.v;
    const union sh_cell *restrict y = f->c.v;
    union sh_cell *restrict d = f->d;
    const uint32_t n = f->n;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t mask = 0 - c[i].bits;
        d[i].bits = (x[i].bits & mask) | (y[i].bits & ~mask);
    }
    f->nulls = f->a.null != NULL || f->b.null != NULL || f->c.null != NULL;
    for (uint32_t i = 0; f->nulls && i < n; i++) {
        f->dnull[i] = vec_null(&f->a, i) || vec_null(c[i].bits != 0 ? &f->b : &f->c, i) ? 1 : 0;
    }
    return SH_OK;
}

/* What is not known stays so unless the other side decides: by false for `and`, true for `or`. */
static void both_unsure(struct frame *f, bool decides)
{
    for (uint32_t i = 0; i < f->n; i++) {
        const bool na = vec_null(&f->a, i);
        const bool nb = vec_null(&f->b, i);
        const bool a = f->a.v[i].bits != 0;
        const bool b = f->b.v[i].bits != 0;
        const bool decided = (!na && a == decides) || (!nb && b == decides);
        f->d[i].bits = decided == decides ? 1 : 0;
        f->dnull[i] = !decided && (na || nb) ? 1 : 0;
    }
    f->nulls = true;
}

static sh_err logical_and(struct frame *f)
{
    if (f->a.null == NULL && f->b.null == NULL) {
        return band(f);
    }
    both_unsure(f, false);
    return SH_OK;
}

static sh_err logical_or(struct frame *f)
{
    if (f->a.null == NULL && f->b.null == NULL) {
        return bor(f);
    }
    both_unsure(f, true);
    return SH_OK;
}

const struct kernel_table KERNEL_TABLE = {
    .fn = {
        [OP_FLOAT] = to_float,  [OP_CONVERT] = convert, [OP_ADD_F] = add_f,   [OP_SUB_F] = sub_f,
        [OP_MUL_F] = mul_f,     [OP_DIV_F] = div_f,     [OP_NEG_F] = neg_f,   [OP_ABS_F] = abs_f,
        [OP_MIN_F] = min_f,     [OP_MAX_F] = max_f,     [OP_MIN_I] = min_i,   [OP_MAX_I] = max_i,
        [OP_LT_F] = lt_f,       [OP_LE_F] = le_f,       [OP_EQ_F] = eq_f,     [OP_NE_F] = ne_f,
        [OP_LT_I] = lt_i,       [OP_LE_I] = le_i,       [OP_EQ_I] = eq_i,     [OP_NE_I] = ne_i,
        [OP_BAND] = band,       [OP_BOR] = bor,         [OP_BXOR] = bxor,     [OP_NOT] = not_b,
        [OP_FLOOR] = floor_f,   [OP_CEIL] = ceil_f,     [OP_TRUNC] = trunc_f, [OP_SELECT] = choose,
        [OP_AND] = logical_and, [OP_OR] = logical_or,
    }};
