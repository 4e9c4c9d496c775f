/* unit.c - units of what is calculated: codes are put together as text and read again, so that what
 * is shown is a UCUM code. SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "expr_int.h"

enum { CODE_ROOM = 2 * SH_UNIT_MAX_CHARS + 16 };

static sh_err take(const char *code, int n, struct unit *out)
{
    struct unit u = {.kind = UNIT_KNOWN};
    if (n <= 0 || n >= SH_UNIT_MAX_CHARS ||
        sh_unit_parse(sh_str_of(code, (size_t)n), &u.u, NULL) != SH_OK) {
        return SH_E_LIMIT;
    }
    memcpy(u.code, code, (size_t)n);
    u.code_n = (uint8_t)n;
    *out = u;
    return SH_OK;
}

sh_err expr_unit_of_code(struct sh_str code, struct unit *out, struct sh_diag *diag)
{
    struct unit u = {.kind = UNIT_KNOWN};
    size_t n = 0;
    SH_TRY(sh_unit_lookup(code, &u.u, u.code, &n, diag));
    u.code_n = (uint8_t)n;
    if (n == 0) {
        u.code[0] = '1';
        u.code_n = 1;
    }
    *out = u;
    return SH_OK;
}

bool expr_unit_dimensionless(const struct unit *u)
{
    static const int8_t none[SH_DIMS] = {0};
    return memcmp(u->u.dim, none, sizeof none) == 0 && !u->u.affine;
}

bool expr_unit_same(const struct unit *a, const struct unit *b)
{
    struct sh_unit_conv c;
    if (a->kind != UNIT_KNOWN || b->kind != UNIT_KNOWN) {
        return a->kind == b->kind;
    }
    return a->u.affine == b->u.affine && sh_unit_conv(&a->u, &b->u, &c) == SH_OK &&
           c.mul == c.div && c.add == 0;
}

static bool is_one(const struct unit *u)
{
    return u->code_n == 1 && u->code[0] == '1';
}

static bool is_term(const struct unit *u)
{
    return memchr(u->code, '.', u->code_n) != NULL || memchr(u->code, '/', u->code_n) != NULL;
}

static sh_err put(const struct unit *a, char sign, const struct unit *b, struct unit *out)
{
    char t[CODE_ROOM];
    const bool wrap = is_term(b);
    const int n = snprintf(t, sizeof t, "%.*s%c%s%.*s%s", a->code_n, a->code, sign, wrap ? "(" : "",
                           b->code_n, b->code, wrap ? ")" : "");
    return take(t, n, out);
}

sh_err expr_unit_product(const struct unit *a, const struct unit *b, struct unit *out)
{
    if (a->u.affine || b->u.affine) {
        return SH_E_INVAL;
    }
    if (is_one(a) || is_one(b)) {
        *out = is_one(a) ? *b : *a;
        return SH_OK;
    }
    return put(a, '.', b, out);
}

sh_err expr_unit_quotient(const struct unit *a, const struct unit *b, struct unit *out)
{
    if (a->u.affine || b->u.affine) {
        return SH_E_INVAL;
    }
    if (is_one(b)) {
        *out = *a;
        return SH_OK;
    }
    return expr_unit_same(a, b) ? take("1", 1, out) : put(a, '/', b, out);
}

sh_err expr_unit_power(const struct unit *a, int n, struct unit *out)
{
    struct unit whole;
    SH_TRY(take("1", 1, &whole));
    const struct unit one = whole;
    for (int i = 0; i < (n < 0 ? -n : n); i++) {
        SH_TRY(expr_unit_product(&whole, a, &whole));
    }
    if (n < 0) {
        return expr_unit_quotient(&one, &whole, out);
    }
    *out = whole;
    return SH_OK;
}

static sh_err of_dims(const int8_t dim[SH_DIMS], int divide, struct unit *out)
{
    static const char *const names[SH_DIMS] = {"m", "s", "g", "rad", "K", "C", "cd"};
    char t[CODE_ROOM];
    int n = 0;
    for (int i = 0; i < SH_DIMS; i++) {
        const int e = dim[i] / divide;
        if (e == 1) {
            n += snprintf(t + n, sizeof t - (size_t)n, "%s%s", n > 0 ? "." : "", names[i]);
        } else if (e != 0) {
            n += snprintf(t + n, sizeof t - (size_t)n, "%s%s%d", n > 0 ? "." : "", names[i], e);
        }
    }
    return n == 0 ? take("1", 1, out) : take(t, n, out);
}

sh_err expr_unit_root(const struct unit *a, struct unit *base, struct unit *root)
{
    for (int i = 0; i < SH_DIMS; i++) {
        if (a->u.dim[i] % 2 != 0) {
            return SH_E_INVAL;
        }
    }
    if (a->u.affine) {
        return SH_E_INVAL;
    }
    SH_TRY(of_dims(a->u.dim, 1, base));
    return of_dims(a->u.dim, 2, root);
}
