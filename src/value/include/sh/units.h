/* units.h - units of measure by UCUM code (The Unified Code for Units of Measure 2.1, case
 * sensitive): parse, compare, convert, print. Pure functions over values, re-entrant, no heap.
 * A factor is kept as a fraction times powers of ten and of pi, so that a conversion rounds as
 * late as can be: kW.h to MJ is exactly 3.6, Cel to [degF] exactly 9/5 and 32.
 * Left out whole: logarithmic units (B, Np, dB), pH, arbitrary units ([iU], [arb'U]), and special
 * units inside a product (use K/s, not Cel/s).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_UNITS_H
#define SH_UNITS_H

#include <sh/base.h>

/* Base quantities of UCUM, section 4.2: metre, second, gram, radian, kelvin, coulomb, candela. */
enum {
    SH_DIM_LENGTH,
    SH_DIM_TIME,
    SH_DIM_MASS,
    SH_DIM_ANGLE,
    SH_DIM_TEMPERATURE,
    SH_DIM_CHARGE,
    SH_DIM_INTENSITY,
    SH_DIMS
};
enum {
    SH_UNIT_MAX_CHARS = 96, /* longest code that is parsed */
    SH_UNIT_MAX_DEPTH = 8,  /* nested parentheses */
    SH_UNIT_PRINT_CHARS = 160
};

/* A unit: value in base units = x * (num / den) * 10^e10 * pi^pi + off_num / off_den. */
struct sh_unit {
    double num; /* whole numbers, exact while below 2^53 */
    double den;
    int32_t e10;
    int8_t pi;
    bool affine;    /* has an offset: a temperature scale */
    double off_num; /* in kelvin */
    double off_den;
    int8_t dim[SH_DIMS];
};

/* Parses a UCUM code. Empty text is the unit 1. SH_E_INVAL (diag: message with the 1-based column),
 * SH_E_LIMIT (too long, too deep, factor or exponent out of range). *out is written on SH_OK. */
SH_MUST_CHECK sh_err sh_unit_parse(struct sh_str code, struct sh_unit *out, struct sh_diag *diag);

/* UCUM code for a name that is common on name plates and in tables but is no UCUM code ("kWh",
 * "rpm", "Nm3/h", "kvar"); p == NULL when there is none. The table is in units_table.c; static
 * storage.
 */
struct sh_str sh_unit_alias(struct sh_str name);
/* For what people type: a UCUM code, else an alias, else a UCUM code after the usual signs are
 * written out (degree C and F, superscript 2 and 3, micro, ohm, middle dot). code (may be NULL with
 * code_n) receives the UCUM code that was understood. Errors are those of the UCUM code. */
SH_MUST_CHECK sh_err sh_unit_lookup(struct sh_str text, struct sh_unit *out,
                                    char code[SH_UNIT_MAX_CHARS], size_t *code_n,
                                    struct sh_diag *diag);

/* Same dimension: values can be converted. */
bool sh_unit_compatible(const struct sh_unit *a, const struct sh_unit *b);

/* y = (x * mul + add) / div. mul, add and div are whole numbers where they can be, so the result is
 * correctly rounded whenever x * mul is exact (always when mul is 1 and add 0). */
struct sh_unit_conv {
    double mul;
    double add;
    double div;
};
/* SH_E_INVAL when the units are not compatible. */
SH_MUST_CHECK sh_err sh_unit_conv(const struct sh_unit *from, const struct sh_unit *to,
                                  struct sh_unit_conv *out);
static inline double sh_unit_convert(const struct sh_unit_conv *c, double x)
{
    return (x * c->mul + c->add) / c->div;
}
/* Converts n values in place. */
void sh_unit_convert_many(const struct sh_unit_conv *c, size_t n, double *x);

/* Canonical form: factor and base units in the order m s g rad K C cd with exponents
 * ("36.10*8.m2.s-2.g", "1"); parses back to an equal unit. A temperature scale prints as its code
 * (Cel, [degF], [degRe]; with a prefix it has no canonical form: SH_E_UNSUPPORTED). Returns the
 * length in *n; not NUL-terminated. */
SH_MUST_CHECK sh_err sh_unit_print(const struct sh_unit *u, char out[SH_UNIT_PRINT_CHARS],
                                   size_t *n);

#endif /* SH_UNITS_H */
