/* cond.c - see cond.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cond.h"

#include <math.h>

#include "kernel_bits.h"

/* ---- as written ---- */

static bool is_number(struct sh_str s)
{
    double v = 0;
    return sh_f64_parse(s, &v) == SH_OK;
}

/* "10..20": the first ".." with a number on both sides. */
static bool range_parse(struct sh_str s, struct sh_history_cond *out)
{
    for (size_t i = 1; i + 2 < s.n; i++) {
        if (s.p[i] == '.' && s.p[i + 1] == '.') {
            out->low = sh_str_sub(s, 0, i);
            out->high = sh_str_sub(s, i + 2, s.n);
            return is_number(out->low) && is_number(out->high);
        }
    }
    return false;
}

sh_err sh_history_cond_parse(struct sh_str s, struct sh_history_cond *out)
{
    static const struct {
        const char *word;
        enum sh_history_op op;
    } ops[] = {{">=", SH_OP_GE}, {"<=", SH_OP_LE}, {"!=", SH_OP_NE},
               {">", SH_OP_GT},  {"<", SH_OP_LT},  {"=", SH_OP_EQ}};
    *out = (struct sh_history_cond){.op = SH_OP_IS, .value = s};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        const struct sh_str word = sh_str_c(ops[i].word);
        if (sh_str_starts(s, word)) {
            out->op = ops[i].op;
            out->value = sh_str_sub(s, word.n, s.n);
            const bool text = out->op == SH_OP_EQ || out->op == SH_OP_NE;
            return text || is_number(out->value) || sh_str_eqc(out->value, "true") ||
                           sh_str_eqc(out->value, "false")
                       ? SH_OK
                       : SH_E_INVAL;
        }
    }
    if (range_parse(s, out)) {
        out->op = SH_OP_RANGE;
    }
    return SH_OK;
}

/* ---- for a type ---- */

static const int64_t i64_min = INT64_MIN;
static const int64_t i64_max = INT64_MAX;

static void empty_i64(struct cond *c)
{
    c->lo.i64 = 1;
    c->hi.i64 = 0;
}

/* The whole numbers from `low` up, to `high`; a bound that is no whole number is rounded inwards,
 * `open` bounds are left out. False: no number at all. */
static bool low_i64(struct sh_str s, bool open, int64_t *out)
{
    double v = 0;
    if (sh_i64_parse(s, out) == SH_OK) {
        if (open && *out == i64_max) {
            return false;
        }
        *out += open ? 1 : 0;
        return true;
    }
    if (sh_f64_parse(s, &v) != SH_OK || isnan(v)) {
        return false;
    }
    const double c = open && floor(v) == v ? v + 1 : ceil(v);
    if (c >= 9223372036854775808.0) {
        return false;
    }
    *out = c < -9223372036854775808.0 ? i64_min : (int64_t)c;
    return true;
}

static bool high_i64(struct sh_str s, bool open, int64_t *out)
{
    double v = 0;
    if (sh_i64_parse(s, out) == SH_OK) {
        if (open && *out == i64_min) {
            return false;
        }
        *out -= open ? 1 : 0;
        return true;
    }
    if (sh_f64_parse(s, &v) != SH_OK || isnan(v)) {
        return false;
    }
    const double f = open && floor(v) == v ? v - 1 : floor(v);
    if (f < -9223372036854775808.0) {
        return false;
    }
    *out = f >= 9223372036854775808.0 ? i64_max : (int64_t)f;
    return true;
}

static struct sh_str bool_digit(enum sh_type type, struct sh_str s)
{
    if (type == SH_T_BOOL && sh_str_eqc(s, "true")) {
        return SH_STR("1");
    }
    return type == SH_T_BOOL && sh_str_eqc(s, "false") ? SH_STR("0") : s;
}

static void make_i64(const struct sh_history_cond *from, enum sh_type type, struct cond *c)
{
    const struct sh_str v = bool_digit(type, from->value);
    bool low = true;
    bool high = true;
    c->lo.i64 = i64_min;
    c->hi.i64 = i64_max;
    switch (from->op) {
    case SH_OP_GT:
    case SH_OP_GE:
        low = low_i64(v, from->op == SH_OP_GT, &c->lo.i64);
        break;
    case SH_OP_LT:
    case SH_OP_LE:
        high = high_i64(v, from->op == SH_OP_LT, &c->hi.i64);
        break;
    case SH_OP_RANGE:
        low = low_i64(from->low, false, &c->lo.i64);
        high = high_i64(from->high, false, &c->hi.i64);
        break;
    case SH_OP_NONE:
    case SH_OP_IS:
    case SH_OP_EQ:
    case SH_OP_NE:
        low = low_i64(v, false, &c->lo.i64);
        high = high_i64(v, false, &c->hi.i64);
        break;
    }
    if (!low || !high) {
        empty_i64(c);
    }
}

static void make_f64(const struct sh_history_cond *from, struct cond *c)
{
    double v = NAN;
    double high = NAN;
    c->lo.f64 = -INFINITY;
    c->hi.f64 = INFINITY;
    if (sh_f64_parse(from->op == SH_OP_RANGE ? from->low : from->value, &v) != SH_OK ||
        (from->op == SH_OP_RANGE && sh_f64_parse(from->high, &high) != SH_OK)) {
        v = NAN; /* equal to nothing */
    }
    switch (from->op) {
    case SH_OP_GT:
        c->lo.f64 = nextafter(v, INFINITY);
        break;
    case SH_OP_GE:
        c->lo.f64 = v;
        break;
    case SH_OP_LT:
        c->hi.f64 = nextafter(v, -INFINITY);
        break;
    case SH_OP_LE:
        c->hi.f64 = v;
        break;
    case SH_OP_RANGE:
        c->lo.f64 = v;
        c->hi.f64 = high;
        break;
    case SH_OP_NONE:
    case SH_OP_IS:
    case SH_OP_EQ:
    case SH_OP_NE:
        c->lo.f64 = v;
        c->hi.f64 = v;
        break;
    }
    const bool none = (from->op == SH_OP_GT && v == INFINITY) ||
                      (from->op == SH_OP_LT && v == -INFINITY) || isnan(v);
    if (none) {
        c->lo.f64 = 1;
        c->hi.f64 = 0;
    }
}

/* What was written with an operator must be a value of the type; a value alone that is none equals
 * nothing, as ever. */
static bool fits(const struct sh_history_cond *from, enum sh_type type)
{
    const bool equal = from->op == SH_OP_EQ || from->op == SH_OP_NE;
    if (from->op == SH_OP_IS) {
        return true;
    }
    if (type >= SH_T_TEXT) {
        return equal || from->op == SH_OP_RANGE; /* a range is a text that looks like one */
    }
    double low = 0;
    double high = 0;
    if (from->op == SH_OP_RANGE) {
        return sh_f64_parse(from->low, &low) == SH_OK && sh_f64_parse(from->high, &high) == SH_OK &&
               low <= high;
    }
    return is_number(bool_digit(type, from->value));
}

sh_err cond_make(const struct sh_history_cond *from, enum sh_type type, struct cond *out)
{
    *out = (struct cond){.type = type, .outside = from->op == SH_OP_NE, .text = from->value};
    if (!fits(from, type)) {
        return SH_E_UNSUPPORTED;
    }
    if (type == SH_T_F64) {
        make_f64(from, out);
    } else if (type < SH_T_TEXT) {
        make_i64(from, type, out);
    }
    return SH_OK;
}

/* ---- values ---- */

bool cond_met(const struct cond *c, union sh_cell v, const uint8_t *bytes)
{
    bool in = false;
    if (c->type >= SH_T_TEXT) {
        in = c->text.n == v.span.len &&
             (c->text.n == 0 || memcmp(c->text.p, bytes + v.span.off, c->text.n) == 0);
    } else if (c->type == SH_T_F64) {
        in = v.f64 >= c->lo.f64 && v.f64 <= c->hi.f64;
    } else {
        in = v.i64 >= c->lo.i64 && v.i64 <= c->hi.i64;
    }
    return in != c->outside;
}

uint32_t cond_count(const struct cond *c, const union sh_cell *v, uint32_t n)
{
    const struct kernels *k = kernels_get();
    const uint32_t in = c->type == SH_T_F64 ? k->within_f64(&v->f64, n, c->lo.f64, c->hi.f64)
                                            : k->within_i64(&v->i64, n, c->lo.i64, c->hi.i64);
    return c->outside ? n - in : in;
}

enum cond_over cond_over(const struct cond *c, union sh_cell min, union sh_cell max)
{
    bool all = false;
    bool none = false;
    if (c->type == SH_T_F64) {
        all = min.f64 >= c->lo.f64 && max.f64 <= c->hi.f64;
        none = max.f64 < c->lo.f64 || min.f64 > c->hi.f64 || c->lo.f64 > c->hi.f64;
    } else {
        all = min.i64 >= c->lo.i64 && max.i64 <= c->hi.i64;
        none = max.i64 < c->lo.i64 || min.i64 > c->hi.i64 || c->lo.i64 > c->hi.i64;
    }
    if (!all && !none) {
        return COND_SOME;
    }
    return all != c->outside ? COND_ALL : COND_NONE;
}
