/* rules.c - what operators ask of types and units.
 * Units: a plain number takes the unit of what it meets; what meets a point without a unit has none
 * that is known; two known ones must be of one dimension, and the right one is converted.
 * Temperature scales: the difference of two is in kelvin, a difference may be added to one, and
 * what else is done with their numbers (a sum for a mean, times a number) has no unit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "expr_int.h"

static enum sh_type type_of(const struct build *b, const struct term *x)
{
    return b->node[x->node].type;
}

static bool is_number(enum sh_type t)
{
    return t == SH_T_I64 || t == SH_T_F64;
}

static bool is_null(const struct build *b, const struct term *x)
{
    return b->node[x->node].op == OP_CONST && b->node[x->node].null;
}

static struct sh_str code_of(const struct unit *u)
{
    return sh_str_of(u->code, u->code_n);
}

sh_err expr_rule_op(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                    const struct term *args, int nargs, struct term *out)
{
    int nodes[ARGS] = {NO_NODE, NO_NODE, NO_NODE};
    for (int i = 0; i < nargs; i++) {
        nodes[i] = args[i].node;
    }
    return expr_build_node(b, op, type, unit, nodes, nargs, &out->node);
}

static sh_err op2(struct build *b, enum op op, enum sh_type type, uint16_t unit,
                  const struct term *x, const struct term *y, struct term *out)
{
    const struct term args[2] = {*x, *y};
    return expr_rule_op(b, op, type, unit, args, 2, out);
}

static sh_err retype(struct build *b, struct term *x, enum sh_type t)
{
    return expr_build_const(b, t, (union sh_cell){.bits = 0}, true, UNIT_INDEX_NONE, &x->node);
}

sh_err expr_rule_want(struct build *b, struct term *x, enum sh_type t)
{
    if (type_of(b, x) == t) {
        return SH_OK;
    }
    if (is_null(b, x)) {
        return retype(b, x, t);
    }
    if (t == SH_T_BOOL) {
        return expr_build_fault(b, SH_E_INVAL, x->at, x->len,
                                "yes or no is wanted here; compare the value, as x > 0",
                                "此处需要布尔值；请做比较，如 x > 0");
    }
    if (t == SH_T_TEXT) {
        return expr_build_fault(b, SH_E_INVAL, x->at, x->len,
                                "a text is wanted here; write text(x)",
                                "此处需要文本；请写 text(x)");
    }
    return expr_build_fault(b, SH_E_INVAL, x->at, x->len,
                            "a whole number is wanted here; write int(x)",
                            "此处需要整数；请写 int(x)");
}

sh_err expr_rule_float(struct build *b, struct term *x)
{
    const enum sh_type t = type_of(b, x);
    if (t == SH_T_F64) {
        return SH_OK;
    }
    if (t == SH_T_I64) {
        return expr_rule_op(b, OP_FLOAT, SH_T_F64, b->node[x->node].unit, x, 1, x);
    }
    if (t == SH_T_BOOL) {
        return expr_build_fault(b, SH_E_INVAL, x->at, x->len,
                                "a yes/no value is no number; write if(x, 1, 0)",
                                "布尔值不是数值；请写 if(x, 1, 0)");
    }
    return expr_build_fault(b, SH_E_INVAL, x->at, x->len, "a text is no number; write number(x)",
                            "文本不是数值；请写 number(x)");
}

/* x, f64, into the unit with this index, by k. */
static sh_err convert(struct build *b, struct term *x, uint16_t unit, double mul, double plus,
                      double div)
{
    const union sh_cell k[3] = {{.f64 = mul}, {.f64 = plus}, {.f64 = div}};
    SH_TRY(expr_rule_float(b, x));
    return expr_build_node_k(b, OP_CONVERT, SH_T_F64, unit, &x->node, 1, k, 3, &x->node);
}

static sh_err convert_to(struct build *b, struct term *x, const struct unit *to)
{
    struct sh_unit_conv c;
    uint16_t unit = 0;
    const struct unit from = *build_unit_of(b, x->node);
    SH_TRY(expr_build_unit(b, to, &unit));
    if (sh_unit_conv(&from.u, &to->u, &c) != SH_OK) {
        return expr_build_fault(b, SH_E_INVAL, x->at, x->len, "this is in %.*s, which is no %.*s",
                                "单位为 %.*s，不能换算为 %.*s", SH_PRI(code_of(&from)),
                                SH_PRI(code_of(to)));
    }
    return convert(b, x, unit, c.mul, c.add, c.div);
}

sh_err expr_rule_in(struct build *b, struct term *x, const char *code)
{
    struct unit to;
    SH_TRY(expr_unit_of_code(sh_str_c(code), &to, NULL));
    SH_TRY(expr_rule_float(b, x));
    const struct unit *u = build_unit_of(b, x->node);
    return u->kind != UNIT_KNOWN || expr_unit_same(u, &to) ? SH_OK : convert_to(b, x, &to);
}

sh_err expr_rule_kelvin(struct build *b, struct term *x)
{
    const struct unit *u = build_unit_of(b, x->node);
    return u->kind == UNIT_KNOWN && u->u.affine ? expr_rule_in(b, x, "K") : SH_OK;
}

static sh_err unlike(struct build *b, const struct term *x, const struct term *y)
{
    const struct unit *ux = build_unit_of(b, x->node);
    const struct unit *uy = build_unit_of(b, y->node);
    return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                            "%.*s and %.*s are of different kinds and do not go together",
                            "%.*s 与 %.*s 量纲不同，不能一起运算", SH_PRI(code_of(ux)),
                            SH_PRI(code_of(uy)));
}

sh_err expr_rule_unify(struct build *b, struct term *x, struct term *y, bool number, uint16_t *unit)
{
    if (is_null(b, x) && type_of(b, x) != type_of(b, y)) {
        SH_TRY(retype(b, x, type_of(b, y)));
    } else if (is_null(b, y) && type_of(b, x) != type_of(b, y)) {
        SH_TRY(retype(b, y, type_of(b, x)));
    }
    *unit = UNIT_INDEX_NONE;
    const bool numbers = is_number(type_of(b, x)) && is_number(type_of(b, y));
    if (number && !numbers) {
        SH_TRY(expr_rule_float(b, x));
        return expr_rule_float(b, y);
    }
    if (!numbers) {
        if (type_of(b, x) != type_of(b, y)) {
            return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                                    "the two sides are of different types",
                                    "两侧类型不同，不能一起运算");
        }
        return SH_OK;
    }
    if (type_of(b, x) != type_of(b, y)) {
        SH_TRY(expr_rule_float(b, x));
        SH_TRY(expr_rule_float(b, y));
    }
    const struct unit *ux = build_unit_of(b, x->node);
    const struct unit *uy = build_unit_of(b, y->node);
    if (ux->kind == UNIT_UNKNOWN || uy->kind == UNIT_UNKNOWN) {
        *unit = UNIT_INDEX_UNKNOWN;
        return SH_OK;
    }
    *unit = b->node[ux->kind == UNIT_NONE ? y->node : x->node].unit;
    if (ux->kind == UNIT_NONE || uy->kind == UNIT_NONE || expr_unit_same(ux, uy)) {
        return SH_OK;
    }
    if (!sh_unit_compatible(&ux->u, &uy->u)) {
        return unlike(b, x, y);
    }
    const struct unit to = *ux;
    SH_TRY(expr_rule_float(b, x));
    return convert_to(b, y, &to);
}

/* A difference (y, in kelvin or what is like it) for the degrees of a scale. */
static sh_err to_degrees(struct build *b, struct term *y, const struct unit *scale)
{
    SH_TRY(expr_rule_in(b, y, "K"));
    const struct sh_unit *s = &scale->u;
    double mul = s->den;
    double div = s->num;
    for (int i = 0; i < s->e10; i++) {
        div *= 10;
    }
    for (int i = 0; i > s->e10; i--) {
        mul *= 10;
    }
    return mul == div ? SH_OK : convert(b, y, UNIT_INDEX_UNKNOWN, mul, 0, div);
}

static sh_err add_temperature(struct build *b, enum op op, struct term *x, struct term *y,
                              struct term *out)
{
    const struct unit ux = *build_unit_of(b, x->node);
    const struct unit uy = *build_unit_of(b, y->node);
    if (!sh_unit_compatible(&ux.u, &uy.u)) {
        return unlike(b, x, y);
    }
    uint16_t unit = b->node[x->node].unit;
    if (ux.u.affine && uy.u.affine) {
        if (op == OP_SUB_F) {
            SH_TRY(expr_rule_in(b, x, "K"));
            SH_TRY(expr_rule_in(b, y, "K"));
            return op2(b, op, SH_T_F64, b->node[x->node].unit, x, y, out);
        }
        SH_TRY(expr_rule_unify(b, x, y, true, &unit));
        return op2(b, op, SH_T_F64, UNIT_INDEX_UNKNOWN, x, y, out);
    }
    if (ux.u.affine) {
        SH_TRY(to_degrees(b, y, &ux));
        return op2(b, op, SH_T_F64, unit, x, y, out);
    }
    if (op == OP_SUB_F) {
        return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                                "a temperature is taken from a difference of temperatures",
                                "不能从温差中减去温度");
    }
    unit = b->node[y->node].unit;
    SH_TRY(to_degrees(b, x, &uy));
    return op2(b, op, SH_T_F64, unit, x, y, out);
}

static sh_err additive(struct build *b, bool minus, struct term *x, struct term *y,
                       struct term *out)
{
    if (type_of(b, x) == SH_T_TEXT && type_of(b, y) == SH_T_TEXT) {
        return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                                "texts are put together by concat(a, b)",
                                "文本请用 concat(a, b) 连接");
    }
    const struct unit *ux = build_unit_of(b, x->node);
    const struct unit *uy = build_unit_of(b, y->node);
    if (ux->kind == UNIT_KNOWN && uy->kind == UNIT_KNOWN && (ux->u.affine || uy->u.affine)) {
        SH_TRY(expr_rule_float(b, x));
        SH_TRY(expr_rule_float(b, y));
        return add_temperature(b, minus ? OP_SUB_F : OP_ADD_F, x, y, out);
    }
    uint16_t unit = 0;
    SH_TRY(expr_rule_unify(b, x, y, true, &unit));
    const bool whole = type_of(b, x) == SH_T_I64 && type_of(b, y) == SH_T_I64;
    const enum op f = minus ? OP_SUB_F : OP_ADD_F;
    const enum op i = minus ? OP_SUB_I : OP_ADD_I;
    return op2(b, whole ? i : f, whole ? SH_T_I64 : SH_T_F64, unit, x, y, out);
}

/* The unit of a product or quotient. */
static sh_err factor_unit(struct build *b, bool divide, const struct term *x, const struct term *y,
                          uint16_t *unit)
{
    const struct unit *ux = build_unit_of(b, x->node);
    const struct unit *uy = build_unit_of(b, y->node);
    *unit = UNIT_INDEX_UNKNOWN;
    if (ux->kind == UNIT_UNKNOWN || uy->kind == UNIT_UNKNOWN) {
        return SH_OK;
    }
    if (ux->kind == UNIT_NONE && uy->kind == UNIT_NONE) {
        *unit = UNIT_INDEX_NONE;
        return SH_OK;
    }
    struct unit one;
    struct unit out;
    SH_TRY(expr_unit_of_code(SH_STR("1"), &one, NULL));
    if ((ux->kind == UNIT_NONE && uy->u.affine) || (uy->kind == UNIT_NONE && ux->u.affine)) {
        return SH_OK;
    }
    const struct unit *ex = ux->kind == UNIT_NONE ? &one : ux;
    const struct unit *ey = uy->kind == UNIT_NONE ? &one : uy;
    const sh_err err = divide ? expr_unit_quotient(ex, ey, &out) : expr_unit_product(ex, ey, &out);
    if (err == SH_E_INVAL) {
        return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                                "a temperature scale cannot be part of a product; write convert(x, "
                                "\"K\"), or use a difference of temperatures",
                                "温标不能参与乘除；请写 convert(x, \"K\")，或使用温差");
    }
    if (err != SH_OK) {
        return expr_build_fault(b, SH_E_LIMIT, x->at, y->at + y->len - x->at,
                                "the unit of this has no short code; convert or assume one before",
                                "结果的单位过于复杂；请先用 convert 或 assume 处理单位");
    }
    return expr_build_unit(b, &out, unit);
}

static sh_err multiplicative(struct build *b, bool divide, struct term *x, struct term *y,
                             struct term *out)
{
    uint16_t unit = 0;
    const bool whole = !divide && type_of(b, x) == SH_T_I64 && type_of(b, y) == SH_T_I64;
    if (!whole) {
        SH_TRY(expr_rule_float(b, x));
        SH_TRY(expr_rule_float(b, y));
    }
    SH_TRY(factor_unit(b, divide, x, y, &unit));
    if (whole) {
        return op2(b, OP_MUL_I, SH_T_I64, unit, x, y, out);
    }
    return op2(b, divide ? OP_DIV_F : OP_MUL_F, SH_T_F64, unit, x, y, out);
}

static sh_err modulo(struct build *b, struct term *x, struct term *y, struct term *out)
{
    uint16_t unit = 0;
    SH_TRY(expr_rule_unify(b, x, y, true, &unit));
    const bool whole = type_of(b, x) == SH_T_I64 && type_of(b, y) == SH_T_I64;
    return op2(b, whole ? OP_MOD_I : OP_MOD_F, whole ? SH_T_I64 : SH_T_F64, unit, x, y, out);
}

static sh_err power(struct build *b, struct term *x, struct term *y, struct term *out)
{
    enum { EXPONENT_MAX = 9 };
    double n = 0;
    const bool known = expr_build_number(b, y->node, &n);
    SH_TRY(expr_rule_float(b, x));
    SH_TRY(expr_rule_in(b, y, "1"));
    const struct unit *u = build_unit_of(b, x->node);
    uint16_t unit = b->node[x->node].unit;
    if (u->kind == UNIT_KNOWN && expr_unit_dimensionless(u)) {
        SH_TRY(expr_rule_in(b, x, "1"));
        unit = b->node[x->node].unit;
    } else if (u->kind == UNIT_KNOWN) {
        struct unit raised;
        if (!known || n != floor(n) || fabs(n) > EXPONENT_MAX ||
            expr_unit_power(u, (int)n, &raised) != SH_OK) {
            return expr_build_fault(
                b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                "what has the unit %.*s can only be raised to a whole constant up "
                "to %d; for others take its number by assume(x, \"1\")",
                "单位为 %.*s 的量只能取不超过 %d 的整数常数次幂；否则请用 assume(x, "
                "\"1\") 取其数值",
                SH_PRI(code_of(u)), EXPONENT_MAX);
        }
        SH_TRY(expr_build_unit(b, &raised, &unit));
    }
    return op2(b, OP_POW_F, SH_T_F64, unit, x, y, out);
}

static sh_err compare(struct build *b, enum binary op, struct term *x, struct term *y,
                      struct term *out)
{
    uint16_t unit = 0;
    SH_TRY(expr_rule_unify(b, x, y, false, &unit));
    const enum sh_type t = type_of(b, x);
    if (t == SH_T_BOOL && op != BIN_EQ && op != BIN_NE) {
        return expr_build_fault(b, SH_E_INVAL, x->at, y->at + y->len - x->at,
                                "yes/no values can be equal or not, but not greater",
                                "布尔值只能比较是否相等，不能比较大小");
    }
    const bool swap = op == BIN_GT || op == BIN_GE;
    const struct term *l = swap ? y : x;
    const struct term *r = swap ? x : y;
    enum op code = op == BIN_LT || op == BIN_GT ? OP_LT_F : OP_LE_F;
    code = op == BIN_EQ ? OP_EQ_F : (op == BIN_NE ? OP_NE_F : code);
    if (t == SH_T_TEXT) {
        code = (enum op)(code - OP_LT_F + OP_LT_T);
    } else if (t != SH_T_F64) {
        code = (enum op)(code - OP_LT_F + OP_LT_I);
    }
    return op2(b, code, SH_T_BOOL, UNIT_INDEX_NONE, l, r, out);
}

sh_err expr_rule_binary(struct build *b, enum binary op, const struct term *l, const struct term *r,
                        struct term *out)
{
    struct term x = *l;
    struct term y = *r;
    out->at = l->at;
    out->len = r->at + r->len - l->at;
    switch (op) {
    case BIN_ADD:
    case BIN_SUB:
        return additive(b, op == BIN_SUB, &x, &y, out);
    case BIN_MUL:
    case BIN_DIV:
        return multiplicative(b, op == BIN_DIV, &x, &y, out);
    case BIN_MOD:
        return modulo(b, &x, &y, out);
    case BIN_POW:
        return power(b, &x, &y, out);
    case BIN_AND:
    case BIN_OR:
        SH_TRY(expr_rule_want(b, &x, SH_T_BOOL));
        SH_TRY(expr_rule_want(b, &y, SH_T_BOOL));
        return op2(b, op == BIN_AND ? OP_AND : OP_OR, SH_T_BOOL, UNIT_INDEX_NONE, &x, &y, out);
    case BIN_LT:
    case BIN_LE:
    case BIN_GT:
    case BIN_GE:
    case BIN_EQ:
    case BIN_NE:
        break;
    }
    return compare(b, op, &x, &y, out);
}

sh_err expr_rule_negate(struct build *b, const struct term *x, struct term *out)
{
    struct term v = *x;
    if (type_of(b, x) == SH_T_I64) {
        return expr_rule_op(b, OP_NEG_I, SH_T_I64, b->node[x->node].unit, &v, 1, out);
    }
    SH_TRY(expr_rule_float(b, &v));
    return expr_rule_op(b, OP_NEG_F, SH_T_F64, b->node[v.node].unit, &v, 1, out);
}

sh_err expr_rule_not(struct build *b, const struct term *x, struct term *out)
{
    struct term v = *x;
    SH_TRY(expr_rule_want(b, &v, SH_T_BOOL));
    return expr_rule_op(b, OP_NOT, SH_T_BOOL, UNIT_INDEX_NONE, &v, 1, out);
}

sh_err expr_rule_select(struct build *b, const struct term *c, const struct term *x,
                        const struct term *y, struct term *out)
{
    struct term args[ARGS] = {*c, *x, *y};
    uint16_t unit = 0;
    SH_TRY(expr_rule_want(b, &args[0], SH_T_BOOL));
    SH_TRY(expr_rule_unify(b, &args[1], &args[2], false, &unit));
    const enum sh_type t = type_of(b, &args[1]);
    return expr_rule_op(b, t == SH_T_TEXT ? OP_SELECT_T : OP_SELECT, t, unit, args, ARGS, out);
}
