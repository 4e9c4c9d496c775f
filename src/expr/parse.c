/* parse.c - the grammar, by precedence:
 *   text    := { "let" name "=" choice ";" } choice
 *   choice  := or [ "?" choice ":" choice ]
 *   or      := and { ("or" | "||") and }          and := not { ("and" | "&&") not }
 *   not     := ("not" | "!") not | compare        compare := sum [ ("<" "<=" ">" ">=" "=" "!=") sum
 * ] sum     := product { ("+" | "-") product }    product := sign { ("*" | "/" | "%") sign } sign
 * := ("-" | "+") sign | power           power := part [ "^" sign ] part    := number [ "[" unit "]"
 * ] | text | "true" | "false" | "null" | name | "{" name "}" | name "(" [ choice { "," choice } ]
 * ")" | "(" choice ")" Nodes are made on the way, so each fault is found at its place.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "expr_int.h"

enum tok_kind { TOK_END, TOK_NUMBER, TOK_TEXT, TOK_NAME, TOK_POINT, TOK_UNIT, TOK_SIGN, TOK_BAD };
enum { LETS_MAX = 64, SIGN_MAX = 2 };

struct tok {
    enum tok_kind kind;
    uint32_t at;
    uint32_t len;
    struct sh_str s; /* a name, a text between its quotes, the sign */
};

struct let {
    struct sh_str name;
    int node;
};

struct parser {
    struct build *b;
    struct sh_str text;
    uint32_t pos;
    struct tok tok; /* the next one */
    int depth;
    struct let let[LETS_MAX];
    size_t nlets;
};

static sh_err choice(struct parser *p, struct term *out);

/* ---- words ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || is_digit(c) || c == '.';
}

static char at(const struct parser *p, uint32_t i)
{
    return i < p->text.n ? p->text.p[i] : '\0';
}

static void skip_space(struct parser *p)
{
    for (;;) {
        const char c = at(p, p->pos);
        if (p->pos >= p->text.n) {
            return;
        }
        if (c == '#') { /* to the end of the line */
            while (p->pos < p->text.n && p->text.p[p->pos] != '\n') {
                p->pos++;
            }
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            p->pos++;
        } else {
            return;
        }
    }
}

static uint32_t number_end(const struct parser *p, uint32_t i)
{
    while (is_digit(at(p, i))) {
        i++;
    }
    if (at(p, i) == '.' && is_digit(at(p, i + 1))) {
        i++;
        while (is_digit(at(p, i))) {
            i++;
        }
    }
    if (at(p, i) == 'e' || at(p, i) == 'E') {
        const uint32_t signed_by = at(p, i + 1) == '-' || at(p, i + 1) == '+' ? 1 : 0;
        if (is_digit(at(p, i + 1 + signed_by))) {
            i += 1 + signed_by;
            while (is_digit(at(p, i))) {
                i++;
            }
        }
    }
    return i;
}

/* What stands between the character at pos and `close`; an escaped character counts as none. */
static bool enclosed(const struct parser *p, char close, bool escapes, struct tok *t)
{
    for (uint32_t i = p->pos + 1; i < p->text.n; i++) {
        const char c = p->text.p[i];
        if (escapes && c == '\\') {
            i++;
        } else if (c == close) {
            t->len = i + 1 - t->at;
            t->s = sh_str_of(p->text.p + t->at + 1, t->len - 2);
            return true;
        }
    }
    return false;
}

static uint32_t sign_len(const struct parser *p)
{
    static const char two[][SIGN_MAX + 1] = {"<=", ">=", "!=", "<>", "==", "&&", "||"};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (at(p, p->pos) == two[i][0] && at(p, p->pos + 1) == two[i][1]) {
            return 2;
        }
    }
    return strchr("+-*/%^<>=!()?:,;", at(p, p->pos)) != NULL ? 1 : 0;
}

static sh_err advance(struct parser *p)
{
    skip_space(p);
    struct tok *t = &p->tok;
    *t = (struct tok){TOK_END, p->pos, 0, {NULL, 0}};
    if (p->pos >= p->text.n) {
        return SH_OK;
    }
    const char c = at(p, p->pos);
    t->kind = TOK_BAD;
    if (is_digit(c) || (c == '.' && is_digit(at(p, p->pos + 1)))) {
        const uint32_t end = c == '.' ? number_end(p, p->pos + 1) : number_end(p, p->pos);
        t->kind = TOK_NUMBER;
        t->len = end - p->pos;
    } else if (is_name_start(c)) {
        uint32_t i = p->pos;
        while (i < p->text.n && is_name(p->text.p[i])) {
            i++;
        }
        t->kind = TOK_NAME;
        t->len = i - p->pos;
    } else if (c == '"' || c == '\'') {
        t->kind = enclosed(p, c, true, t) ? TOK_TEXT : TOK_BAD;
    } else if (c == '{') {
        t->kind = enclosed(p, '}', false, t) ? TOK_POINT : TOK_BAD;
    } else if (c == '[') {
        t->kind = enclosed(p, ']', false, t) ? TOK_UNIT : TOK_BAD;
    } else {
        t->len = sign_len(p);
        t->kind = t->len > 0 ? TOK_SIGN : TOK_BAD;
    }
    if (t->kind == TOK_BAD) {
        if (c == '"' || c == '\'' || c == '{' || c == '[') {
            return expr_build_fault(p->b, SH_E_INVAL, t->at, (uint32_t)p->text.n - t->at,
                                    "what begins with %c here is not closed",
                                    "此处以 %c 开始的内容没有结束", c);
        }
        return expr_build_fault(
            p->b, SH_E_INVAL, t->at, 1,
            "this character has no meaning here; a name with special characters "
            "stands in braces, as {pump-1/flow}",
            "此处的字符没有意义；含特殊字符的名称请写在花括号中，如 {pump-1/flow}");
    }
    if (t->kind == TOK_NUMBER || t->kind == TOK_NAME || t->kind == TOK_SIGN) {
        t->s = sh_str_of(p->text.p + t->at, t->len);
    }
    p->pos = t->at + t->len;
    return SH_OK;
}

static bool sign_is(const struct parser *p, const char *s)
{
    return p->tok.kind == TOK_SIGN && sh_str_eqc(p->tok.s, s);
}

static bool word_is(const struct parser *p, const char *s)
{
    return p->tok.kind == TOK_NAME && sh_str_ieq(p->tok.s, sh_str_c(s));
}

static sh_err expect(struct parser *p, const char *s)
{
    if (sign_is(p, s)) {
        return advance(p);
    }
    return expr_build_fault(p->b, SH_E_INVAL, p->tok.at, p->tok.len, "'%s' is expected here",
                            "此处应为“%s”", s);
}

static void span(struct term *t, uint32_t from, uint32_t end)
{
    t->at = from;
    t->len = end - from;
}

/* ---- parts ---- */

static sh_err number(struct parser *p, struct term *out)
{
    char copy[64];
    const struct tok t = p->tok;
    if (t.len >= sizeof copy) {
        return expr_build_fault(p->b, SH_E_INVAL, t.at, t.len,
                                "a number of more than 63 characters", "数字超过 63 个字符");
    }
    memcpy(copy, t.s.p, t.len);
    copy[t.len] = '\0';
    union sh_cell v;
    enum sh_type type = SH_T_F64;
    if (strpbrk(copy, ".eE") == NULL && sh_i64_parse(t.s, &v.i64) == SH_OK) {
        type = SH_T_I64;
    } else if (sh_f64_parse(t.s, &v.f64) != SH_OK) {
        return expr_build_fault(p->b, SH_E_INVAL, t.at, t.len, "this is no number", "这不是数字");
    }
    SH_TRY(advance(p));
    uint16_t unit = 0;
    if (p->tok.kind == TOK_UNIT) {
        struct sh_diag d = {0};
        struct unit u;
        if (expr_unit_of_code(p->tok.s, &u, &d) != SH_OK) {
            return expr_build_fault(p->b, SH_E_INVAL, p->tok.at, p->tok.len,
                                    "this is no unit of UCUM (%s)",
                                    "不是 UCUM 单位，如 kPa、m3/h%.0s", d.message);
        }
        SH_TRY(expr_build_unit(p->b, &u, &unit));
        out->len = p->tok.at + p->tok.len - t.at;
        SH_TRY(advance(p));
        return expr_build_const(p->b, type, v, false, unit, &out->node);
    }
    return expr_build_const(p->b, type, v, false, unit, &out->node);
}

static sh_err text(struct parser *p, struct term *out)
{
    const struct tok t = p->tok;
    char *copy = sh_arena_get(p->b->ar, t.s.n + 1);
    if (copy == NULL) {
        return SH_E_NOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < t.s.n; i++) {
        char c = t.s.p[i];
        if (c == '\\' && i + 1 < t.s.n) {
            c = t.s.p[++i];
            c = c == 'n' ? '\n' : (c == 't' ? '\t' : c);
        }
        copy[n++] = c;
    }
    SH_TRY(advance(p));
    return expr_build_text(p->b, sh_str_of(copy, n), &out->node);
}

static sh_err input_unit(struct build *b, const struct sh_expr_input *in, uint16_t *out)
{
    struct unit u = {.kind = UNIT_UNKNOWN};
    if ((in->type == SH_T_I64 || in->type == SH_T_F64) && in->unit.n > 0 &&
        expr_unit_of_code(in->unit, &u, NULL) != SH_OK) {
        u = (struct unit){.kind = UNIT_UNKNOWN}; /* a maker's own unit: taken as not known */
    }
    return expr_build_unit(b, &u, out);
}

static sh_err input(struct parser *p, const struct tok *t, struct term *out)
{
    struct build *b = p->b;
    for (size_t i = 0; i < b->ninputs; i++) {
        if (sh_str_eq(b->input[i], t->s)) {
            out->node = b->input_node[i];
            return SH_OK;
        }
    }
    if (t->s.n == 0 || t->s.n > SH_EXPR_NAME_MAX || b->ninputs == SH_EXPR_INPUTS_MAX) {
        return expr_build_fault(b, SH_E_LIMIT, t->at, t->len,
                                "a name has 1 to %d bytes, and there are at most %d of them",
                                "名称应为 1 至 %d 字节，且最多 %d 个", SH_EXPR_NAME_MAX,
                                SH_EXPR_INPUTS_MAX);
    }
    struct sh_expr_input in = {0};
    const sh_err err = b->find == NULL ? SH_E_NOTFOUND : b->find(b->ctx, t->s, &in);
    if (err == SH_E_NOTFOUND) {
        return expr_build_fault(
            b, SH_E_INVAL, t->at, t->len,
            "there is no input or function '%.*s'; a point stands in braces, as "
            "{pump-1/flow}",
            "没有名为“%.*s”的输入或函数；点位请写在花括号中，如 {pump-1/flow}", SH_PRI(t->s));
    }
    SH_TRY(err);
    if (in.type == SH_T_BLOB) {
        return expr_build_fault(b, SH_E_INVAL, t->at, t->len,
                                "'%.*s' is binary data: no expression reads it",
                                "“%.*s”是二进制数据，表达式不能读取", SH_PRI(t->s));
    }
    const int none[ARGS] = {NO_NODE, NO_NODE, NO_NODE};
    uint16_t unit = 0;
    SH_TRY(input_unit(b, &in, &unit));
    const union sh_cell which = {.bits = b->ninputs};
    SH_TRY(expr_build_node_k(b, OP_INPUT, in.type, unit, none, 0, &which, 1, &out->node));
    b->input[b->ninputs] = t->s;
    b->input_node[b->ninputs++] = out->node;
    return SH_OK;
}

static sh_err call(struct parser *p, const struct tok *name, struct term *out)
{
    struct term *args = sh_arena_array(p->b->ar, CALL_ARGS_MAX, sizeof *args);
    size_t n = 0;
    if (args == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(advance(p));
    while (!sign_is(p, ")")) {
        if (n == CALL_ARGS_MAX) {
            return expr_build_fault(p->b, SH_E_LIMIT, p->tok.at, p->tok.len,
                                    "a call has at most %d arguments", "函数最多 %d 个参数",
                                    CALL_ARGS_MAX);
        }
        SH_TRY(choice(p, &args[n++]));
        if (!sign_is(p, ",")) {
            break;
        }
        SH_TRY(advance(p));
    }
    const uint32_t end = p->tok.at + p->tok.len;
    SH_TRY(expect(p, ")"));
    out->at = name->at;
    out->len = end - name->at;
    return expr_call_build(p->b, name->s, args, n, out);
}

static sh_err name(struct parser *p, struct term *out)
{
    const struct tok t = p->tok;
    const bool yes = word_is(p, "true");
    if (yes || word_is(p, "false")) {
        SH_TRY(advance(p));
        return expr_build_const(p->b, SH_T_BOOL, (union sh_cell){.bits = yes ? 1 : 0}, false, 0,
                                &out->node);
    }
    if (word_is(p, "null")) {
        SH_TRY(advance(p));
        return expr_build_const(p->b, SH_T_F64, (union sh_cell){.bits = 0}, true, 0, &out->node);
    }
    SH_TRY(advance(p));
    if (sign_is(p, "(")) {
        return call(p, &t, out);
    }
    for (size_t i = p->nlets; i > 0; i--) {
        if (sh_str_eq(p->let[i - 1].name, t.s)) {
            out->node = p->let[i - 1].node;
            return SH_OK;
        }
    }
    return input(p, &t, out);
}

static sh_err part(struct parser *p, struct term *out)
{
    const struct tok t = p->tok;
    out->at = t.at;
    out->len = t.len;
    switch (t.kind) {
    case TOK_NUMBER:
        return number(p, out);
    case TOK_TEXT:
        return text(p, out);
    case TOK_NAME:
        return name(p, out);
    case TOK_POINT:
        SH_TRY(advance(p));
        return input(p, &t, out);
    case TOK_SIGN:
        if (sign_is(p, "(")) {
            SH_TRY(advance(p));
            SH_TRY(choice(p, out));
            const uint32_t end = p->tok.at + p->tok.len;
            SH_TRY(expect(p, ")"));
            span(out, t.at, end);
            return SH_OK;
        }
        break;
    case TOK_END:
        return expr_build_fault(p->b, SH_E_INVAL, t.at, 0,
                                "the expression ends where a value is expected",
                                "表达式在需要数值处结束");
    case TOK_UNIT:
        return expr_build_fault(p->b, SH_E_INVAL, t.at, t.len,
                                "a unit in brackets belongs behind a number; for a value write "
                                "convert(x, \"kPa\")",
                                "方括号中的单位应写在数字之后；换算数值请写 convert(x, \"kPa\")");
    case TOK_BAD:
        break;
    }
    return expr_build_fault(p->b, SH_E_INVAL, t.at, t.len, "a value is expected here",
                            "此处应为数值");
}

/* ---- operators ---- */

static sh_err sign(struct parser *p, struct term *out);

static sh_err nest(struct parser *p)
{
    if (++p->depth > SH_EXPR_DEPTH_MAX) {
        return expr_build_fault(p->b, SH_E_LIMIT, p->tok.at, p->tok.len,
                                "more than %d parts inside each other; name some with let",
                                "嵌套超过 %d 层；请用 let 给中间结果命名", SH_EXPR_DEPTH_MAX);
    }
    return SH_OK;
}

static sh_err power(struct parser *p, struct term *out)
{
    struct term l = {0};
    SH_TRY(part(p, &l));
    *out = l;
    if (sign_is(p, "^")) {
        struct term r = {0};
        SH_TRY(advance(p));
        SH_TRY(sign(p, &r));
        return expr_rule_binary(p->b, BIN_POW, &l, &r, out);
    }
    return SH_OK;
}

static sh_err sign(struct parser *p, struct term *out)
{
    const uint32_t from = p->tok.at;
    const bool minus = sign_is(p, "-");
    if (!minus && !sign_is(p, "+")) {
        return power(p, out);
    }
    struct term x = {0};
    SH_TRY(nest(p));
    SH_TRY(advance(p));
    SH_TRY(sign(p, &x));
    p->depth--;
    span(out, from, x.at + x.len);
    if (minus) {
        return expr_rule_negate(p->b, &x, out);
    }
    out->node = x.node;
    return SH_OK;
}

struct level {
    const char *word; /* a name, or a sign */
    enum binary op;
    uint8_t level;
    bool is_name;
};
static const struct level levels[] = {
    {"or", BIN_OR, 0, true},   {"||", BIN_OR, 0, false}, {"and", BIN_AND, 1, true},
    {"&&", BIN_AND, 1, false}, {"<", BIN_LT, 3, false},  {"<=", BIN_LE, 3, false},
    {">", BIN_GT, 3, false},   {">=", BIN_GE, 3, false}, {"=", BIN_EQ, 3, false},
    {"==", BIN_EQ, 3, false},  {"!=", BIN_NE, 3, false}, {"<>", BIN_NE, 3, false},
    {"+", BIN_ADD, 4, false},  {"-", BIN_SUB, 4, false}, {"*", BIN_MUL, 5, false},
    {"/", BIN_DIV, 5, false},  {"%", BIN_MOD, 5, false},
};
enum { LEVEL_NOT = 2, LEVEL_COMPARE = 3, LEVEL_SIGN = 6 };

static const struct level *level_of(const struct parser *p, unsigned level)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const struct level *l = &levels[i];
        if (l->level == level && (l->is_name ? word_is(p, l->word) : sign_is(p, l->word))) {
            return l;
        }
    }
    return NULL;
}

static sh_err chain(struct parser *p, unsigned level, struct term *out);

static sh_err not_chain(struct parser *p, struct term *out)
{
    const uint32_t from = p->tok.at;
    struct term x = {0};
    SH_TRY(nest(p));
    SH_TRY(advance(p));
    SH_TRY(chain(p, LEVEL_NOT, &x));
    p->depth--;
    span(out, from, x.at + x.len);
    return expr_rule_not(p->b, &x, out);
}

static sh_err chain(struct parser *p, unsigned level, struct term *out)
{
    if (level == LEVEL_SIGN) {
        return sign(p, out);
    }
    if (level == LEVEL_NOT) {
        return word_is(p, "not") || sign_is(p, "!") ? not_chain(p, out)
                                                    : chain(p, LEVEL_COMPARE, out);
    }
    SH_TRY(chain(p, level + 1, out));
    bool compared = false;
    for (const struct level *l = level_of(p, level); l != NULL; l = level_of(p, level)) {
        if (level == LEVEL_COMPARE && compared) {
            return expr_build_fault(p->b, SH_E_INVAL, p->tok.at, p->tok.len,
                                    "comparisons are not chained: write a < b and b < c",
                                    "比较不能连写：请写成 a < b and b < c");
        }
        struct term left = *out;
        struct term right = {0};
        SH_TRY(advance(p));
        SH_TRY(chain(p, level + 1, &right));
        SH_TRY(expr_rule_binary(p->b, l->op, &left, &right, out));
        compared = true;
    }
    return SH_OK;
}

static sh_err choice(struct parser *p, struct term *out)
{
    SH_TRY(nest(p));
    SH_TRY(chain(p, 0, out));
    if (sign_is(p, "?")) {
        struct term c = *out;
        struct term x = {0};
        struct term y = {0};
        SH_TRY(advance(p));
        SH_TRY(choice(p, &x));
        SH_TRY(expect(p, ":"));
        SH_TRY(choice(p, &y));
        span(out, c.at, y.at + y.len);
        SH_TRY(expr_rule_select(p->b, &c, &x, &y, out));
    }
    p->depth--;
    return SH_OK;
}

static sh_err let(struct parser *p)
{
    SH_TRY(advance(p));
    if (p->tok.kind != TOK_NAME || p->nlets == LETS_MAX) {
        return expr_build_fault(p->b, SH_E_INVAL, p->tok.at, p->tok.len,
                                "let is followed by a name (at most %d of them)",
                                "let 之后应为名称（最多 %d 个）", LETS_MAX);
    }
    const struct sh_str word = p->tok.s;
    struct term x = {0};
    SH_TRY(advance(p));
    SH_TRY(expect(p, "="));
    SH_TRY(choice(p, &x));
    SH_TRY(expect(p, ";"));
    p->let[p->nlets++] = (struct let){word, x.node};
    return SH_OK;
}

sh_err expr_parse(struct build *b, struct term *root)
{
    struct parser *p = sh_arena_get(b->ar, sizeof *p);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    p->b = b;
    p->text = b->text;
    SH_TRY(advance(p));
    while (word_is(p, "let")) {
        SH_TRY(let(p));
    }
    SH_TRY(choice(p, root));
    if (p->tok.kind != TOK_END) {
        return expr_build_fault(b, SH_E_INVAL, p->tok.at, p->tok.len,
                                "the expression has ended before this", "表达式在此之前已经结束");
    }
    return SH_OK;
}
