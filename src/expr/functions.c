/* functions.c - the functions of the language: what each takes, gives, and does with units.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "expr_int.h"

/* A call that is being built; args have been counted. */
struct call {
    struct build *b;
    const struct function *fn;
    struct term *args;
    size_t n;
    struct term *out;
};
struct function {
    struct sh_expr_function doc;
    uint8_t min;
    uint8_t max;
    sh_err (*build)(const struct call *c);
    enum op op; /* of f64 where there are two */
    enum op whole;
};

static enum sh_type type_at(const struct call *c, size_t i)
{
    return c->b->node[c->args[i].node].type;
}

static uint16_t unit_at(const struct call *c, size_t i)
{
    return c->b->node[c->args[i].node].unit;
}

static sh_err give(const struct call *c, enum op op, enum sh_type t, uint16_t unit)
{
    return expr_rule_op(c->b, op, t, unit, c->args, (int)c->n, c->out);
}

static sh_err give_k(const struct call *c, enum op op, enum sh_type t, uint16_t unit, int nargs,
                     const union sh_cell *k, uint32_t kn)
{
    int nodes[ARGS] = {NO_NODE, NO_NODE, NO_NODE};
    for (int i = 0; i < nargs; i++) {
        nodes[i] = c->args[i].node;
    }
    return expr_build_node_k(c->b, op, t, unit, nodes, nargs, k, kn, &c->out->node);
}

static sh_err bad(const struct call *c, size_t i, const char *en, const char *zh)
{
    return expr_build_words(c->b, SH_E_INVAL, c->args[i].at, c->args[i].len, en, zh);
}

/* An argument that must be a constant number. */
static sh_err constant(const struct call *c, size_t i, double *v)
{
    return expr_build_number(c->b, c->args[i].node, v)
               ? SH_OK
               : expr_build_fault(c->b, SH_E_INVAL, c->args[i].at, c->args[i].len,
                                  "a constant number is wanted here", "此处需要常数");
}

/* Seconds, constant; a plain number is taken as seconds. */
static sh_err seconds(const struct call *c, size_t i, double *v)
{
    SH_TRY(expr_rule_in(c->b, &c->args[i], "s"));
    SH_TRY(constant(c, i, v));
    return *v >= 0 ? SH_OK
                   : expr_build_fault(c->b, SH_E_INVAL, c->args[i].at, c->args[i].len,
                                      "a time must not be negative", "时间不能为负");
}

/* ---- numbers ---- */

static sh_err keep(const struct call *c)
{
    if (type_at(c, 0) == SH_T_I64 && c->fn->whole != OP_CONST) {
        return give(c, c->fn->whole, SH_T_I64, unit_at(c, 0));
    }
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    return give(c, c->fn->op, SH_T_F64, unit_at(c, 0));
}

static sh_err round_to(const struct call *c)
{
    double digits = 0;
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    if (c->n == 1) {
        return give(c, OP_ROUND, SH_T_F64, unit_at(c, 0));
    }
    SH_TRY(constant(c, 1, &digits));
    if (digits != floor(digits) || fabs(digits) > 15) {
        return bad(c, 1, "digits are a whole number from -15 to 15",
                   "小数位数应为 -15 至 15 的整数");
    }
    const union sh_cell k = {.f64 = pow(10, fabs(digits))};
    const union sh_cell ks[2] = {k, {.bits = digits < 0}};
    return give_k(c, OP_ROUND_TO, SH_T_F64, unit_at(c, 0), 1, ks, 2);
}

static sh_err plain(const struct call *c)
{
    SH_TRY(expr_rule_in(c->b, &c->args[0], "1"));
    return give(c, c->fn->op, SH_T_F64, unit_at(c, 0));
}

static sh_err sign_of(const struct call *c)
{
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    return give(c, OP_SIGN, SH_T_F64, UNIT_INDEX_NONE);
}

static sh_err of_angle(const struct call *c)
{
    SH_TRY(expr_rule_in(c->b, &c->args[0], "rad"));
    return give(c, c->fn->op, SH_T_F64, UNIT_INDEX_NONE);
}

static sh_err radians(const struct call *c, uint16_t *unit)
{
    struct unit rad;
    SH_TRY(expr_unit_of_code(SH_STR("rad"), &rad, NULL));
    return expr_build_unit(c->b, &rad, unit);
}

static sh_err angle(const struct call *c)
{
    uint16_t rad = 0;
    SH_TRY(radians(c, &rad));
    if (c->n == 2) {
        uint16_t unit = 0;
        SH_TRY(expr_rule_unify(c->b, &c->args[0], &c->args[1], true, &unit));
        SH_TRY(expr_rule_float(c->b, &c->args[0]));
        SH_TRY(expr_rule_float(c->b, &c->args[1]));
    } else {
        SH_TRY(expr_rule_in(c->b, &c->args[0], "1"));
    }
    return give(c, c->fn->op, SH_T_F64, rad);
}

static sh_err root(const struct call *c)
{
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    const struct unit *u = build_unit_of(c->b, c->args[0].node);
    if (u->kind != UNIT_KNOWN) {
        return give(c, OP_SQRT, SH_T_F64, unit_at(c, 0));
    }
    struct unit base;
    struct unit half;
    uint16_t unit = 0;
    if (expr_unit_root(u, &base, &half) != SH_OK) {
        return bad(c, 0, "the root of this unit is none; take its number by assume(x, \"1\")",
                   "该单位不能开平方；请用 assume(x, \"1\") 取其数值");
    }
    char code[SH_UNIT_MAX_CHARS + 1] = {0};
    memcpy(code, base.code, base.code_n);
    SH_TRY(expr_rule_in(c->b, &c->args[0], code));
    SH_TRY(expr_build_unit(c->b, &half, &unit));
    return give(c, OP_SQRT, SH_T_F64, unit);
}

/* One after the other: the smallest, the greatest, the first that is there. */
static sh_err chain(const struct call *c, bool number)
{
    struct term left = c->args[0];
    uint16_t unit = unit_at(c, 0);
    if (c->n == 1) {
        c->out->node = left.node;
        return SH_OK;
    }
    for (size_t i = 1; i < c->n; i++) {
        struct term pair[2] = {left, c->args[i]};
        SH_TRY(expr_rule_unify(c->b, &pair[0], &pair[1], number, &unit));
        const enum sh_type t = c->b->node[pair[0].node].type;
        const bool other = number ? t == SH_T_I64 : t == SH_T_TEXT;
        SH_TRY(expr_rule_op(c->b, other ? c->fn->whole : c->fn->op, t, unit, pair, 2, &left));
    }
    c->out->node = left.node;
    return SH_OK;
}

static sh_err extreme(const struct call *c)
{
    return chain(c, true);
}

static sh_err coalesce(const struct call *c)
{
    return chain(c, false);
}

static sh_err average(const struct call *c)
{
    struct term sum = c->args[0];
    uint16_t unit = unit_at(c, 0);
    SH_TRY(expr_rule_float(c->b, &sum));
    for (size_t i = 1; i < c->n; i++) {
        struct term pair[2] = {sum, c->args[i]};
        SH_TRY(expr_rule_unify(c->b, &pair[0], &pair[1], true, &unit));
        SH_TRY(expr_rule_float(c->b, &pair[0]));
        SH_TRY(expr_rule_float(c->b, &pair[1]));
        SH_TRY(expr_rule_op(c->b, OP_ADD_F, SH_T_F64, unit, pair, 2, &sum));
    }
    const union sh_cell k[3] = {{.f64 = 1}, {.f64 = 0}, {.f64 = (double)c->n}};
    return expr_build_node_k(c->b, OP_CONVERT, SH_T_F64, unit, &sum.node, 1, k, 3, &c->out->node);
}

static sh_err clamp(const struct call *c)
{
    struct term pair[2] = {c->args[0], c->args[1]};
    uint16_t unit = 0;
    struct term low;
    SH_TRY(expr_rule_unify(c->b, &pair[0], &pair[1], true, &unit));
    bool whole = c->b->node[pair[0].node].type == SH_T_I64;
    SH_TRY(expr_rule_op(c->b, whole ? OP_MAX_I : OP_MAX_F, whole ? SH_T_I64 : SH_T_F64, unit, pair,
                        2, &low));
    pair[0].node = low.node;
    pair[1] = c->args[2];
    SH_TRY(expr_rule_unify(c->b, &pair[0], &pair[1], true, &unit));
    whole = c->b->node[pair[0].node].type == SH_T_I64;
    return expr_rule_op(c->b, whole ? OP_MIN_I : OP_MIN_F, whole ? SH_T_I64 : SH_T_F64, unit, pair,
                        2, c->out);
}

static sh_err whole_number(const struct call *c)
{
    if (type_at(c, 0) == SH_T_I64) {
        c->out->node = c->args[0].node;
        return SH_OK;
    }
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    return give(c, OP_INT, SH_T_I64, unit_at(c, 0));
}

static sh_err bits(const struct call *c)
{
    for (size_t i = 0; i < c->n; i++) {
        SH_TRY(expr_rule_want(c->b, &c->args[i], SH_T_I64));
    }
    const bool one = c->fn->op == OP_BIT;
    return give(c, c->fn->op, one ? SH_T_BOOL : SH_T_I64, UNIT_INDEX_NONE);
}

/* scale(x, x0, x1, y0, y1) and lookup(x, x0, y0, x1, y1, ...): straight lines. */
static sh_err lines(const struct call *c)
{
    union sh_cell k[CALL_ARGS_MAX] = {{0}};
    const bool scale = strcmp(c->fn->doc.name, "scale") == 0;
    if (!scale && c->n % 2 == 0) {
        return expr_build_fault(c->b, SH_E_INVAL, c->out->at, c->out->len,
                                "lookup takes a value and then pairs of numbers",
                                "lookup 的参数为一个数值，其后为成对的数");
    }
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    for (size_t i = 1; i < c->n; i++) {
        SH_TRY(constant(c, i, &k[i - 1].f64));
    }
    if (scale) {
        if (k[0].f64 == k[1].f64) {
            return bad(c, 2, "the two ends of the input are the same", "输入的两端相同");
        }
        /* y0 + (x - x0) * (y1 - y0) / (x1 - x0) */
        const double dx = k[1].f64 - k[0].f64;
        const double dy = k[3].f64 - k[2].f64;
        const union sh_cell conv[3] = {
            {.f64 = dy}, {.f64 = k[2].f64 * dx - k[0].f64 * dy}, {.f64 = dx}};
        return give_k(c, OP_CONVERT, SH_T_F64, UNIT_INDEX_UNKNOWN, 1, conv, 3);
    }
    for (size_t i = 2; i + 1 < c->n; i += 2) {
        if (!(k[i].f64 > k[i - 2].f64)) {
            return bad(c, i + 1, "the first numbers of the pairs must rise",
                       "各对的第一个数应递增");
        }
    }
    return give_k(c, OP_LOOKUP, SH_T_F64, UNIT_INDEX_UNKNOWN, 1, k, (uint32_t)c->n - 1);
}

/* ---- logic, units ---- */

static sh_err choose(const struct call *c)
{
    struct term none = {0};
    if (c->n == 2) {
        SH_TRY(expr_build_const(c->b, SH_T_F64, (union sh_cell){.bits = 0}, true, UNIT_INDEX_NONE,
                                &none.node));
    } else {
        none = c->args[2];
    }
    return expr_rule_select(c->b, &c->args[0], &c->args[1], &none, c->out);
}

static sh_err is_null(const struct call *c)
{
    return give(c, OP_ISNULL, SH_T_BOOL, UNIT_INDEX_NONE);
}

/* The unit that a constant text names. */
static sh_err named_unit(const struct call *c, size_t i, struct unit *u)
{
    const struct node *n = &c->b->node[c->args[i].node];
    struct sh_diag d = {0};
    if (n->op != OP_CONST || n->type != SH_T_TEXT || n->null) {
        return bad(c, i, "a unit in quotes is wanted here, as \"kPa\"",
                   "此处应为引号中的单位，如 \"kPa\"");
    }
    const union sh_cell at = c->b->k[n->k];
    if (expr_unit_of_code(sh_str_of((const char *)c->b->bytes + at.span.off, at.span.len), u, &d) !=
        SH_OK) {
        return expr_build_fault(c->b, SH_E_INVAL, c->args[i].at, c->args[i].len,
                                "this is no unit of UCUM (%s)", "不是 UCUM 单位，如 kPa、m3/h%.0s",
                                d.message);
    }
    return SH_OK;
}

static sh_err convert(const struct call *c)
{
    struct unit u = {0};
    char code[SH_UNIT_MAX_CHARS + 1] = {0};
    SH_TRY(named_unit(c, 1, &u));
    const enum unit_kind from = build_unit_of(c->b, c->args[0].node)->kind;
    if (from != UNIT_KNOWN) {
        return bad(c, 0, "the unit of this is not known; say it by assume(x, \"bar\")",
                   "此值的单位未知；请用 assume(x, \"bar\") 指明");
    }
    memcpy(code, u.code, u.code_n);
    SH_TRY(expr_rule_in(c->b, &c->args[0], code));
    uint16_t unit = 0;
    SH_TRY(expr_build_unit(c->b, &u, &unit));
    const union sh_cell k[3] = {{.f64 = 1}, {.f64 = 0}, {.f64 = 1}};
    if (unit_at(c, 0) == unit) {
        c->out->node = c->args[0].node;
        return SH_OK;
    }
    return give_k(c, OP_CONVERT, SH_T_F64, unit, 1, k, 3); /* another name of the same unit */
}

static sh_err assume(const struct call *c)
{
    struct unit u = {0};
    uint16_t unit = 0;
    const union sh_cell k[3] = {{.f64 = 1}, {.f64 = 0}, {.f64 = 1}};
    SH_TRY(named_unit(c, 1, &u));
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    SH_TRY(expr_build_unit(c->b, &u, &unit));
    return give_k(c, OP_CONVERT, SH_T_F64, unit, 1, k, 3);
}

/* ---- time, text ---- */

static sh_err of_time(const struct call *c)
{
    return give(c, c->fn->op, SH_T_I64, UNIT_INDEX_NONE);
}

static sh_err unix_time(const struct call *c)
{
    struct unit s;
    uint16_t unit = 0;
    SH_TRY(expr_unit_of_code(SH_STR("s"), &s, NULL));
    SH_TRY(expr_build_unit(c->b, &s, &unit));
    return give(c, OP_TIME, SH_T_F64, unit);
}

static sh_err of_texts(const struct call *c, enum sh_type t)
{
    for (size_t i = 0; i < c->n; i++) {
        SH_TRY(expr_rule_want(c->b, &c->args[i], SH_T_TEXT));
    }
    return give(c, c->fn->op, t, UNIT_INDEX_NONE);
}

static sh_err text_test(const struct call *c)
{
    return of_texts(c, SH_T_BOOL);
}

static sh_err text_made(const struct call *c)
{
    return of_texts(c, SH_T_TEXT);
}

static sh_err text_length(const struct call *c)
{
    return of_texts(c, SH_T_I64);
}

static sh_err number_of(const struct call *c)
{
    return of_texts(c, SH_T_F64);
}

static sh_err substr(const struct call *c)
{
    SH_TRY(expr_rule_want(c->b, &c->args[0], SH_T_TEXT));
    for (size_t i = 1; i < c->n; i++) {
        SH_TRY(expr_rule_want(c->b, &c->args[i], SH_T_I64));
    }
    return give(c, OP_SUBSTR, SH_T_TEXT, UNIT_INDEX_NONE);
}

static sh_err text_of(const struct call *c)
{
    const enum sh_type t = type_at(c, 0);
    if (t == SH_T_TEXT) {
        c->out->node = c->args[0].node;
        return SH_OK;
    }
    const enum op op = t == SH_T_F64 ? OP_TEXT_F : (t == SH_T_I64 ? OP_TEXT_I : OP_TEXT_B);
    return give(c, op, SH_T_TEXT, UNIT_INDEX_NONE);
}

static sh_err concat(const struct call *c)
{
    struct term left = c->args[0];
    SH_TRY(expr_rule_want(c->b, &left, SH_T_TEXT));
    for (size_t i = 1; i < c->n; i++) {
        struct term pair[2] = {left, c->args[i]};
        SH_TRY(expr_rule_want(c->b, &pair[1], SH_T_TEXT));
        SH_TRY(expr_rule_op(c->b, OP_CONCAT, SH_T_TEXT, UNIT_INDEX_NONE, pair, 2, &left));
    }
    c->out->node = left.node;
    return SH_OK;
}

/* ---- what remembers ---- */

static sh_err remembered(const struct call *c)
{
    if (type_at(c, 0) == SH_T_TEXT) {
        return bad(c, 0, "texts are not remembered", "不支持文本");
    }
    return give(c, c->fn->op, type_at(c, 0), unit_at(c, 0));
}

static sh_err change(const struct call *c)
{
    if (type_at(c, 0) == SH_T_I64) {
        return give(c, OP_CHANGE_I, SH_T_I64, unit_at(c, 0));
    }
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    SH_TRY(expr_rule_kelvin(c->b, &c->args[0]));
    return give(c, OP_CHANGE_F, SH_T_F64, unit_at(c, 0));
}

/* The unit of x times or by second. */
static sh_err with_time(const struct call *c, bool divide, uint16_t *unit)
{
    const struct unit *u = build_unit_of(c->b, c->args[0].node);
    struct unit s;
    struct unit both;
    *unit = UNIT_INDEX_UNKNOWN;
    if (u->kind != UNIT_KNOWN || u->u.affine) {
        return SH_OK;
    }
    SH_TRY(expr_unit_of_code(SH_STR("s"), &s, NULL));
    const sh_err err = divide ? expr_unit_quotient(u, &s, &both) : expr_unit_product(u, &s, &both);
    return err == SH_OK ? expr_build_unit(c->b, &both, unit) : SH_OK;
}

static sh_err rate(const struct call *c)
{
    uint16_t unit = 0;
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    SH_TRY(expr_rule_kelvin(c->b, &c->args[0]));
    SH_TRY(with_time(c, true, &unit));
    return give(c, OP_RATE, SH_T_F64, unit);
}

static sh_err integral(const struct call *c)
{
    uint16_t unit = 0;
    union sh_cell gap = {.f64 = INFINITY};
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    if (c->n == 2) {
        SH_TRY(seconds(c, 1, &gap.f64));
    }
    SH_TRY(with_time(c, false, &unit));
    return give_k(c, OP_INTEGRAL, SH_T_F64, unit, 1, &gap, 1);
}

static sh_err running_sum(const struct call *c)
{
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    return give(c, OP_SUM, SH_T_F64, unit_at(c, 0));
}

static sh_err ema(const struct call *c)
{
    union sh_cell tau;
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    SH_TRY(seconds(c, 1, &tau.f64));
    return give_k(c, OP_EMA, SH_T_F64, unit_at(c, 0), 1, &tau, 1);
}

static sh_err hysteresis(const struct call *c)
{
    union sh_cell k[2];
    for (size_t i = 1; i < 3; i++) {
        struct term x = c->args[0];
        uint16_t unit = 0;
        SH_TRY(expr_rule_unify(c->b, &x, &c->args[i], true, &unit));
        SH_TRY(constant(c, i, &k[i - 1].f64));
    }
    SH_TRY(expr_rule_float(c->b, &c->args[0]));
    if (k[0].f64 == k[1].f64) {
        return bad(c, 2, "on and off are the same: this is a comparison",
                   "on 与 off 相同：请直接比较");
    }
    return give_k(c, OP_HYSTERESIS, SH_T_BOOL, UNIT_INDEX_NONE, 1, k, 2);
}

static sh_err debounce(const struct call *c)
{
    union sh_cell k[2] = {{.f64 = 0}, {.f64 = 0}};
    SH_TRY(expr_rule_want(c->b, &c->args[0], SH_T_BOOL));
    for (size_t i = 1; i < c->n; i++) {
        SH_TRY(seconds(c, i, &k[i - 1].f64));
    }
    return give_k(c, OP_DEBOUNCE, SH_T_BOOL, UNIT_INDEX_NONE, 1, k, 2);
}

static sh_err of_condition(const struct call *c)
{
    SH_TRY(expr_rule_want(c->b, &c->args[0], SH_T_BOOL));
    if (c->fn->op == OP_COUNT) {
        return give(c, OP_COUNT, SH_T_I64, UNIT_INDEX_NONE);
    }
    if (c->fn->op == OP_DURATION) {
        struct unit s;
        uint16_t unit = 0;
        SH_TRY(expr_unit_of_code(SH_STR("s"), &s, NULL));
        SH_TRY(expr_build_unit(c->b, &s, &unit));
        return give(c, OP_DURATION, SH_T_F64, unit);
    }
    return give(c, c->fn->op, SH_T_BOOL, UNIT_INDEX_NONE);
}

/* ---- the table ---- */

#define MANY CALL_ARGS_MAX
static const struct function functions[] = {
    {{"abs", "abs(x)", "math", "the value without its sign", "绝对值"},
     1,
     1,
     keep,
     OP_ABS_F,
     OP_ABS_I},
    {{"sign", "sign(x)", "math", "-1, 0 or 1", "符号：-1、0 或 1"},
     1,
     1,
     sign_of,
     OP_SIGN,
     OP_CONST},
    {{"floor", "floor(x)", "math", "the next whole number below", "向下取整"},
     1,
     1,
     keep,
     OP_FLOOR,
     OP_CONST},
    {{"ceil", "ceil(x)", "math", "the next whole number above", "向上取整"},
     1,
     1,
     keep,
     OP_CEIL,
     OP_CONST},
    {{"trunc", "trunc(x)", "math", "without what is behind the point", "去掉小数部分"},
     1,
     1,
     keep,
     OP_TRUNC,
     OP_CONST},
    {{"round", "round(x, digits)", "math",
      "rounded, halves away from zero; digits behind the point, 0 when left out",
      "四舍五入；digits 为小数位数，省略为 0"},
     1,
     2,
     round_to,
     OP_ROUND,
     OP_CONST},
    {{"int", "int(x)", "math", "a whole number (i64), cut as by trunc", "转换为整数（截去小数）"},
     1,
     1,
     whole_number,
     OP_INT,
     OP_CONST},
    {{"min", "min(a, b, ...)", "math", "the smallest; none when one is missing",
      "最小值；任一缺失则无值"},
     1,
     MANY,
     extreme,
     OP_MIN_F,
     OP_MIN_I},
    {{"max", "max(a, b, ...)", "math", "the greatest; none when one is missing",
      "最大值；任一缺失则无值"},
     1,
     MANY,
     extreme,
     OP_MAX_F,
     OP_MAX_I},
    {{"avg", "avg(a, b, ...)", "math", "the mean of the values side by side", "各值的平均"},
     1,
     MANY,
     average,
     OP_ADD_F,
     OP_CONST},
    {{"clamp", "clamp(x, low, high)", "math", "not below low, not above high",
      "限制在 low 与 high 之间"},
     3,
     3,
     clamp,
     OP_MIN_F,
     OP_CONST},
    {{"sqrt", "sqrt(x)", "math", "the square root; none of a negative number", "平方根；负数无值"},
     1,
     1,
     root,
     OP_SQRT,
     OP_CONST},
    {{"exp", "exp(x)", "math", "e to the power of x", "e 的 x 次幂"},
     1,
     1,
     plain,
     OP_EXP,
     OP_CONST},
    {{"ln", "ln(x)", "math", "the natural logarithm; none up to 0", "自然对数；非正数无值"},
     1,
     1,
     plain,
     OP_LN,
     OP_CONST},
    {{"log10", "log10(x)", "math", "the logarithm to base 10", "以 10 为底的对数"},
     1,
     1,
     plain,
     OP_LOG10,
     OP_CONST},
    {{"log2", "log2(x)", "math", "the logarithm to base 2", "以 2 为底的对数"},
     1,
     1,
     plain,
     OP_LOG2,
     OP_CONST},
    {{"sin", "sin(x)", "math", "the sine; a plain number is in rad", "正弦；无单位的数按弧度"},
     1,
     1,
     of_angle,
     OP_SIN,
     OP_CONST},
    {{"cos", "cos(x)", "math", "the cosine", "余弦"}, 1, 1, of_angle, OP_COS, OP_CONST},
    {{"tan", "tan(x)", "math", "the tangent", "正切"}, 1, 1, of_angle, OP_TAN, OP_CONST},
    {{"asin", "asin(x)", "math", "the angle of a sine, in rad", "反正弦（弧度）"},
     1,
     1,
     angle,
     OP_ASIN,
     OP_CONST},
    {{"acos", "acos(x)", "math", "the angle of a cosine, in rad", "反余弦（弧度）"},
     1,
     1,
     angle,
     OP_ACOS,
     OP_CONST},
    {{"atan", "atan(x)", "math", "the angle of a tangent, in rad", "反正切（弧度）"},
     1,
     1,
     angle,
     OP_ATAN,
     OP_CONST},
    {{"atan2", "atan2(y, x)", "math", "the angle of a point, in rad", "点 (x, y) 的方位角（弧度）"},
     2,
     2,
     angle,
     OP_ATAN2,
     OP_CONST},
    {{"scale", "scale(x, x0, x1, y0, y1)", "math",
      "the line through (x0, y0) and (x1, y1), as 4-20 mA to a range",
      "按 (x0, y0)、(x1, y1) 线性换算，如 4-20 mA 转工程量"},
     5,
     5,
     lines,
     OP_CONVERT,
     OP_CONST},
    {{"lookup", "lookup(x, x0, y0, x1, y1, ...)", "math",
      "straight lines through the pairs, level outside", "按折线表插值，超出两端取端值"},
     5,
     MANY,
     lines,
     OP_LOOKUP,
     OP_CONST},
    {{"bit", "bit(i, n)", "math", "is bit n (from 0) of a whole number set",
      "整数第 n 位（从 0 起）是否为 1"},
     2,
     2,
     bits,
     OP_BIT,
     OP_CONST},
    {{"band", "band(i, j)", "math", "bits set in both", "按位与"}, 2, 2, bits, OP_BAND, OP_CONST},
    {{"bor", "bor(i, j)", "math", "bits set in one or both", "按位或"},
     2,
     2,
     bits,
     OP_BOR,
     OP_CONST},
    {{"bxor", "bxor(i, j)", "math", "bits set in one alone", "按位异或"},
     2,
     2,
     bits,
     OP_BXOR,
     OP_CONST},
    {{"shl", "shl(i, n)", "math", "bits moved up by n", "左移 n 位"}, 2, 2, bits, OP_SHL, OP_CONST},
    {{"shr", "shr(i, n)", "math", "bits moved down by n, filled with 0", "右移 n 位，高位补 0"},
     2,
     2,
     bits,
     OP_SHR,
     OP_CONST},
    {{"if", "if(c, x, y)", "logic", "x where c is true, else y (none when left out)",
      "c 为真取 x，否则取 y（省略则无值）"},
     2,
     3,
     choose,
     OP_SELECT,
     OP_CONST},
    {{"coalesce", "coalesce(a, b, ...)", "logic", "the first that has a value", "第一个有值的参数"},
     1,
     MANY,
     coalesce,
     OP_COALESCE,
     OP_COALESCE_T},
    {{"isnull", "isnull(x)", "logic", "is there no value", "是否无值"},
     1,
     1,
     is_null,
     OP_ISNULL,
     OP_CONST},
    {{"convert", "convert(x, \"kPa\")", "unit", "the value in another unit", "换算为另一单位"},
     2,
     2,
     convert,
     OP_CONVERT,
     OP_CONST},
    {{"assume", "assume(x, \"bar\")", "unit", "the same number, with this unit",
      "数值不变，视为该单位"},
     2,
     2,
     assume,
     OP_CONVERT,
     OP_CONST},
    {{"time", "time()", "time", "seconds since 1970 of the row", "该行时间（1970 年起的秒数）"},
     0,
     0,
     unix_time,
     OP_TIME,
     OP_CONST},
    {{"year", "year()", "time", "the year of the row", "年"}, 0, 0, of_time, OP_YEAR, OP_CONST},
    {{"month", "month()", "time", "1 to 12", "月（1 至 12）"}, 0, 0, of_time, OP_MONTH, OP_CONST},
    {{"day", "day()", "time", "day of the month", "日"}, 0, 0, of_time, OP_DAY, OP_CONST},
    {{"hour", "hour()", "time", "0 to 23", "时（0 至 23）"}, 0, 0, of_time, OP_HOUR, OP_CONST},
    {{"minute", "minute()", "time", "0 to 59", "分（0 至 59）"},
     0,
     0,
     of_time,
     OP_MINUTE,
     OP_CONST},
    {{"weekday", "weekday()", "time", "1 (Monday) to 7", "星期（1 为周一，至 7）"},
     0,
     0,
     of_time,
     OP_WEEKDAY,
     OP_CONST},
    {{"len", "len(s)", "text", "how many characters", "字符数"},
     1,
     1,
     text_length,
     OP_LEN,
     OP_CONST},
    {{"contains", "contains(s, part)", "text", "is part in s", "s 是否包含 part"},
     2,
     2,
     text_test,
     OP_CONTAINS,
     OP_CONST},
    {{"starts", "starts(s, part)", "text", "does s begin with part", "s 是否以 part 开头"},
     2,
     2,
     text_test,
     OP_STARTS,
     OP_CONST},
    {{"ends", "ends(s, part)", "text", "does s end with part", "s 是否以 part 结尾"},
     2,
     2,
     text_test,
     OP_ENDS,
     OP_CONST},
    {{"concat", "concat(a, b, ...)", "text", "texts put together", "连接文本"},
     1,
     MANY,
     concat,
     OP_CONCAT,
     OP_CONST},
    {{"substr", "substr(s, from, n)", "text", "n characters from the from-th (1 is the first)",
      "从第 from 个字符（首个为 1）起取 n 个"},
     3,
     3,
     substr,
     OP_SUBSTR,
     OP_CONST},
    {{"upper", "upper(s)", "text", "a to z as capitals", "转为大写"},
     1,
     1,
     text_made,
     OP_UPPER,
     OP_CONST},
    {{"lower", "lower(s)", "text", "A to Z as small letters", "转为小写"},
     1,
     1,
     text_made,
     OP_LOWER,
     OP_CONST},
    {{"trim", "trim(s)", "text", "without space at both ends", "去掉首尾空白"},
     1,
     1,
     text_made,
     OP_TRIM,
     OP_CONST},
    {{"text", "text(x)", "text", "a value as text", "转换为文本"},
     1,
     1,
     text_of,
     OP_TEXT_F,
     OP_CONST},
    {{"number", "number(s)", "text", "the number that a text says; none when it says none",
      "文本转换为数值；不是数字则无值"},
     1,
     1,
     number_of,
     OP_NUMBER,
     OP_CONST},
    {{"prev", "prev(x)", "state", "the value of the row before", "上一行的值"},
     1,
     1,
     remembered,
     OP_PREV,
     OP_CONST},
    {{"last", "last(x)", "state", "the value, or the last one that was there",
      "当前值；无值时取最近的值"},
     1,
     1,
     remembered,
     OP_LAST,
     OP_CONST},
    {{"change", "change(x)", "state", "the value less the one before", "与上一值之差"},
     1,
     1,
     change,
     OP_CHANGE_F,
     OP_CHANGE_I},
    {{"rate", "rate(x)", "state", "change in a second", "每秒变化率"},
     1,
     1,
     rate,
     OP_RATE,
     OP_CONST},
    {{"integral", "integral(x, gap)", "state",
      "the area so far, in unit times second; a gap longer than `gap` seconds adds nothing",
      "对时间的累积（单位·秒）；间隔超过 gap 秒的部分不计"},
     1,
     2,
     integral,
     OP_INTEGRAL,
     OP_CONST},
    {{"sum", "sum(x)", "state", "all values so far added up", "累计和"},
     1,
     1,
     running_sum,
     OP_SUM,
     OP_CONST},
    {{"ema", "ema(x, tau)", "state", "smoothed with a time constant in seconds",
      "指数平滑，tau 为时间常数（秒）"},
     2,
     2,
     ema,
     OP_EMA,
     OP_CONST},
    {{"hysteresis", "hysteresis(x, on, off)", "state", "true from on until off is reached",
      "回差：达到 on 为真，回到 off 为假"},
     3,
     3,
     hysteresis,
     OP_HYSTERESIS,
     OP_CONST},
    {{"debounce", "debounce(c, on, off)", "state",
      "follows c when it has stayed so for `on` (true) or `off` (false) seconds",
      "c 持续 on 秒才变真，持续 off 秒才变假"},
     2,
     3,
     debounce,
     OP_DEBOUNCE,
     OP_CONST},
    {{"duration", "duration(c)", "state", "seconds for which c has been true", "c 已为真的秒数"},
     1,
     1,
     of_condition,
     OP_DURATION,
     OP_CONST},
    {{"count", "count(c)", "state", "how many times c has become true", "c 变为真的次数"},
     1,
     1,
     of_condition,
     OP_COUNT,
     OP_CONST},
    {{"rising", "rising(c)", "state", "true in the row in which c becomes true",
      "c 变为真的那一行为真"},
     1,
     1,
     of_condition,
     OP_RISING,
     OP_CONST},
    {{"falling", "falling(c)", "state", "true in the row in which c becomes false",
      "c 变为假的那一行为真"},
     1,
     1,
     of_condition,
     OP_FALLING,
     OP_CONST},
};

const struct sh_expr_function *sh_expr_function(size_t i)
{
    return i < sizeof functions / sizeof functions[0] ? &functions[i].doc : NULL;
}

sh_err expr_call_build(struct build *b, struct sh_str name, struct term *args, size_t nargs,
                       struct term *out)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct function *f = &functions[i];
        if (!sh_str_ieq(name, sh_str_c(f->doc.name))) {
            continue;
        }
        if (nargs < f->min || nargs > f->max) {
            return expr_build_fault(b, SH_E_INVAL, out->at, out->len,
                                    "the arguments are another number than in %s",
                                    "参数个数不对，应为：%s", f->doc.usage);
        }
        const struct call c = {b, f, args, nargs, out};
        return f->build(&c);
    }
    return expr_build_fault(b, SH_E_INVAL, out->at, (uint32_t)name.n, "there is no function '%.*s'",
                            "没有函数“%.*s”", SH_PRI(name));
}
