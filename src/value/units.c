/* Units by UCUM code.
 *
 * Invariants
 *  1. num and den are whole numbers in [1, 2^53), without a common divisor and not divisible by 10;
 *     what was divided out is in e10. So two equal units have equal members.
 *  2. A product is exact while its reduced num and den stay below 2^53; beyond that num or den is
 *     rounded to 53 bits once more per operation (no unit of the table comes near).
 *  3. An affine unit (temperature scale) stands alone: it has dimension temperature and is never
 *     part of a product.
 * Definitions are the strings of UCUM's own table (ucum-essence, sections 4.2 to 4.5), parsed when
 * they are used: one parser, and nothing to get out of step. Nesting of definitions is at most 6.
 *
 * Grammar (UCUM 2.1, section 2.1 and 2.2): main = ["/"] term; term = component {("."|"/")
 * component}; component = (atom | prefix atom) [exponent] [annotation] | number [annotation] |
 * annotation | "(" term ")". "/" divides by the next component only; operators are left to right.
 * SPDX-License-Identifier: Apache-2.0 */
#include "units_int.h"
#include <math.h>

#include <sh/text.h>

static const double two53 = 9007199254740992.0;
static const double pi_value = 3.14159265358979323846;

enum { MAX_E10 = 300, MAX_EXP = 99, MAX_PI = 8 };

struct parser {
    const char *p; /* start of the code, for columns */
    size_t n;
    size_t at;
    int depth; /* parentheses and definitions */
    int components;
    size_t affine_at; /* 1-based column of a temperature scale; 0 = none */
    struct sh_diag *diag;
};

static const struct sh_unit one = {.num = 1, .den = 1, .off_den = 1};

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* Brings a positive whole number below 2^53 and moves its powers of ten into *e10. */
static double strip(double x, int sign, int32_t *e10)
{
    while (x >= two53) {
        x /= 10; /* from 2^53 on every double is whole */
        x = x < two53 ? floor(x + 0.5) : x;
        *e10 += sign;
    }
    uint64_t v = (uint64_t)x;
    while (v != 0 && v % 10 == 0) {
        v /= 10;
        *e10 += sign;
    }
    return v == 0 ? 1.0 : (double)v;
}

static void reduce(double *num, double *den, int32_t *e10)
{
    *num = strip(*num, 1, e10);
    *den = strip(*den, -1, e10);
    const uint64_t g = gcd((uint64_t)*num, (uint64_t)*den);
    *num /= (double)g;
    *den /= (double)g;
    *num =
        strip(*num, 1, e10); /* a common divisor may have hidden no ten, but keep the invariant */
    *den = strip(*den, -1, e10);
}

/* a * b of two fractions; cancels first so that exact products stay exact. */
static void multiply(double *num, double *den, double bn, double bd)
{
    const double g1 = (double)gcd((uint64_t)*num, (uint64_t)bd);
    const double g2 = (double)gcd((uint64_t)bn, (uint64_t)*den);
    *num = (*num / g1) * (bn / g2);
    *den = (*den / g2) * (bd / g1);
}

/* *u *= v^sign, sign 1 or -1. */
static sh_err combine(struct sh_unit *u, const struct sh_unit *v, int sign)
{
    if (sign > 0) {
        multiply(&u->num, &u->den, v->num, v->den);
    } else {
        multiply(&u->num, &u->den, v->den, v->num);
    }
    u->e10 += sign * v->e10;
    reduce(&u->num, &u->den, &u->e10);
    const int pi = u->pi + sign * v->pi;
    if (u->e10 > MAX_E10 || u->e10 < -MAX_E10 || pi > MAX_PI || pi < -MAX_PI) {
        return SH_E_LIMIT;
    }
    u->pi = (int8_t)pi;
    for (int i = 0; i < SH_DIMS; i++) {
        const int d = u->dim[i] + sign * v->dim[i];
        if (d > MAX_EXP || d < -MAX_EXP) {
            return SH_E_LIMIT;
        }
        u->dim[i] = (int8_t)d;
    }
    return SH_OK;
}

static sh_err raise_to(struct sh_unit *u, int exponent)
{
    const struct sh_unit base = *u;
    const int sign = exponent < 0 ? -1 : 1;
    *u = one;
    for (int i = 0; i < exponent * sign; i++) {
        SH_TRY(combine(u, &base, sign));
    }
    return SH_OK;
}

static sh_err fail(struct parser *ps, sh_err e, size_t at, const char *what)
{
    sh_diag_set(ps->diag, "unit \"%.*s\", column %zu: %s", (int)(ps->n > 96 ? 96 : ps->n), ps->p,
                at + 1, what);
    return e;
}

static sh_err parse_main(struct parser *ps, struct sh_unit *out);
static sh_err parse_product(struct parser *ps, int sign, struct sh_unit *out);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal of the table: digits with an optional point. */
static void decimal(const char *s, struct sh_unit *u)
{
    bool point = false;
    double v = 0;
    for (; *s != '\0'; s++) {
        if (*s == '.') {
            point = true;
        } else {
            v = v * 10 + (*s - '0');
            u->e10 -= point ? 1 : 0;
        }
    }
    u->num = v;
    reduce(&u->num, &u->den, &u->e10);
}

static sh_err parse_sub(struct parser *ps, const char *code, struct sh_unit *out)
{
    struct parser sub = {.p = code, .n = strlen(code), .depth = ps->depth};
    *out = one;
    return sub.n == 0 ? SH_OK : parse_main(&sub, out);
}

static sh_err define(struct parser *ps, const struct value_unit_atom *a, struct sh_unit *out)
{
    *out = one;
    if (a->base >= 0 && (a->flags & VALUE_UNIT_TEMP) == 0) {
        out->dim[a->base] = 1;
        return SH_OK;
    }
    struct sh_unit unit;
    SH_TRY(parse_sub(ps, a->unit, &unit));
    decimal(a->value, out);
    SH_TRY(combine(out, &unit, 1));
    if ((a->flags & VALUE_UNIT_TEMP) != 0) {
        out->affine = true;
        out->off_num = strcmp(a->code, "[degF]") == 0 ? 45967 : 27315; /* 459.67 * 5 / 9 K */
        out->off_den = strcmp(a->code, "[degF]") == 0 ? 180 : 100;
    }
    return SH_OK;
}

static const struct value_unit_atom *find_atom(const char *p, size_t n)
{
    for (size_t i = 0; i < value_unit_atoms_n; i++) {
        if (strlen(value_unit_atoms[i].code) == n && memcmp(value_unit_atoms[i].code, p, n) == 0) {
            return &value_unit_atoms[i];
        }
    }
    return NULL;
}

static sh_err symbol(struct parser *ps, size_t from, size_t n, struct sh_unit *out)
{
    const char *p = ps->p + from;
    if (n == 4 && memcmp(p, "[pi]", 4) == 0) {
        *out = one;
        out->pi = 1;
        return SH_OK;
    }
    const struct value_unit_atom *a = find_atom(p, n);
    if (a != NULL) {
        return define(ps, a, out);
    }
    for (size_t i = 0; i < value_unit_prefixes_n; i++) {
        const size_t k = strlen(value_unit_prefixes[i].code);
        if (n > k && memcmp(p, value_unit_prefixes[i].code, k) == 0) {
            a = find_atom(p + k, n - k);
            if (a != NULL && (a->flags & VALUE_UNIT_METRIC) != 0) {
                SH_TRY(define(ps, a, out));
                multiply(&out->num, &out->den, value_unit_prefixes[i].factor, 1);
                out->e10 += value_unit_prefixes[i].e10;
                reduce(&out->num, &out->den, &out->e10);
                return SH_OK;
            }
        }
    }
    return fail(ps, SH_E_INVAL, from, "no such unit (codes are case sensitive)");
}

/* Length of the unit symbol at ps->at: to the next operator, bracket of another kind or digit. */
static size_t symbol_len(const struct parser *ps)
{
    size_t i = ps->at;
    if (ps->n - i >= 3 && (memcmp(ps->p + i, "10*", 3) == 0 || memcmp(ps->p + i, "10^", 3) == 0)) {
        return 3;
    }
    for (; i < ps->n; i++) {
        const char c = ps->p[i];
        if (c == '[') {
            while (i < ps->n && ps->p[i] != ']') {
                i++;
            }
            if (i == ps->n) {
                return 0;
            }
        } else if (is_digit(c) || c < '!' || c > '~' || strchr("./(){}+-=\"]", c) != NULL) {
            break;
        }
    }
    return i - ps->at;
}

static sh_err exponent(struct parser *ps, struct sh_unit *u)
{
    const size_t at = ps->at;
    int sign = 1;
    if (ps->at < ps->n && (ps->p[ps->at] == '-' || ps->p[ps->at] == '+')) {
        sign = ps->p[ps->at] == '-' ? -1 : 1;
        ps->at++;
    }
    int v = 0;
    const size_t first = ps->at;
    while (ps->at < ps->n && is_digit(ps->p[ps->at])) {
        v = v * 10 + (ps->p[ps->at] - '0');
        if (v > MAX_E10) {
            return fail(ps, SH_E_LIMIT, at, "the exponent is too large");
        }
        ps->at++;
    }
    if (ps->at == first) {
        return at == first ? SH_OK : fail(ps, SH_E_INVAL, at, "a sign needs an exponent");
    }
    if (u->affine && sign * v != 1) {
        return fail(ps, SH_E_INVAL, at, "a temperature scale has no powers; use K");
    }
    if (raise_to(u, u->affine ? 1 : sign * v) != SH_OK) {
        return fail(ps, SH_E_LIMIT, at, "the unit is out of range");
    }
    return SH_OK;
}

static sh_err annotation(struct parser *ps)
{
    const size_t at = ps->at;
    while (ps->at < ps->n && ps->p[ps->at] != '}') {
        if (ps->p[ps->at] < ' ' || ps->p[ps->at] > '~' || (ps->p[ps->at] == '{' && ps->at > at)) {
            return fail(ps, SH_E_INVAL, ps->at,
                        "an annotation holds printable ASCII without braces");
        }
        ps->at++;
    }
    if (ps->at == ps->n) {
        return fail(ps, SH_E_INVAL, at, "the annotation has no closing brace");
    }
    ps->at++;
    return SH_OK;
}

static sh_err number(struct parser *ps, struct sh_unit *out)
{
    const size_t at = ps->at;
    double v = 0;
    while (ps->at < ps->n && is_digit(ps->p[ps->at])) {
        v = v * 10 + (ps->p[ps->at] - '0');
        ps->at++;
    }
    if (v >= two53) {
        return fail(ps, SH_E_LIMIT, at, "the number is too long");
    }
    if (v == 0) {
        return fail(ps, SH_E_INVAL, at, "a factor of 0 is no unit");
    }
    *out = one;
    out->num = v;
    reduce(&out->num, &out->den, &out->e10);
    return SH_OK;
}

static sh_err group(struct parser *ps, struct sh_unit *out)
{
    const size_t at = ps->at;
    if (ps->depth >= SH_UNIT_MAX_DEPTH) {
        return fail(ps, SH_E_LIMIT, at, "too many nested parentheses");
    }
    ps->depth++;
    ps->at++;
    SH_TRY(parse_product(ps, 1, out));
    if (ps->at == ps->n || ps->p[ps->at] != ')') {
        return fail(ps, SH_E_INVAL, at, "the parenthesis is not closed");
    }
    ps->at++;
    ps->depth--;
    return SH_OK;
}

static sh_err component(struct parser *ps, struct sh_unit *out)
{
    const size_t at = ps->at;
    *out = one;
    ps->components++;
    if (at == ps->n) {
        return fail(ps, SH_E_INVAL, at, "a unit is missing at the end");
    }
    const char c = ps->p[at];
    if (c == '(') {
        return group(ps, out);
    }
    if (c == '{') {
        return annotation(ps);
    }
    size_t len = symbol_len(ps);
    if (len == 0 && is_digit(c)) {
        SH_TRY(number(ps, out));
    } else if (len == 0) {
        return fail(ps, SH_E_INVAL, at, "a unit was expected here");
    } else {
        SH_TRY(symbol(ps, at, len, out));
        ps->at += len;
        if (out->affine) {
            ps->affine_at = at + 1;
        }
        SH_TRY(exponent(ps, out));
    }
    return ps->at < ps->n && ps->p[ps->at] == '{' ? annotation(ps) : SH_OK;
}

/* Components joined by . and /; `sign` is -1 when the first one is divided by. */
static sh_err parse_product(struct parser *ps, int sign, struct sh_unit *out)
{
    struct sh_unit next;
    *out = one;
    for (bool first = true;; first = false) {
        const size_t at = ps->at;
        SH_TRY(component(ps, &next));
        if (first && sign > 0) {
            *out = next; /* keeps the offset of a lone temperature scale */
        } else if (combine(out, &next, sign) != SH_OK) {
            return fail(ps, SH_E_LIMIT, at, "the unit is out of range");
        }
        if (ps->at == ps->n || (ps->p[ps->at] != '.' && ps->p[ps->at] != '/')) {
            return SH_OK;
        }
        sign = ps->p[ps->at] == '.' ? 1 : -1;
        ps->at++;
    }
}

static sh_err parse_main(struct parser *ps, struct sh_unit *out)
{
    if (ps->p[0] != '/') {
        return parse_product(ps, 1, out);
    }
    ps->components++; /* the 1 that is divided */
    ps->at = 1;
    return parse_product(ps, -1, out);
}

sh_err sh_unit_parse(struct sh_str code, struct sh_unit *out, struct sh_diag *diag)
{
    struct parser ps = {.p = code.p, .n = code.n, .diag = diag};
    struct sh_unit u = one;
    if (code.n > SH_UNIT_MAX_CHARS) {
        return fail(&ps, SH_E_LIMIT, SH_UNIT_MAX_CHARS, "the code is too long");
    }
    if (code.n > 0) {
        SH_TRY(parse_main(&ps, &u));
    }
    if (ps.at != ps.n) {
        return fail(&ps, SH_E_INVAL, ps.at, "an operator (. or /) was expected here");
    }
    if (ps.affine_at != 0 && ps.components > 1) {
        return fail(&ps, SH_E_INVAL, ps.affine_at - 1,
                    "a temperature scale cannot be part of a product; use K");
    }
    *out = u;
    return SH_OK;
}

struct sh_str sh_unit_alias(struct sh_str name)
{
    for (size_t i = 0; i < value_unit_aliases_n; i++) {
        if (sh_str_eqc(name, value_unit_aliases[i].name)) {
            return sh_str_c(value_unit_aliases[i].code);
        }
    }
    return (struct sh_str){NULL, 0};
}

/* Writes the usual signs out in ASCII; false when it does not fit or holds other non-ASCII. */
static bool write_out(struct sh_str in, char out[SH_UNIT_MAX_CHARS], size_t *n)
{
    size_t k = 0;
    for (size_t i = 0; i < in.n;) {
        const char *ascii = NULL;
        for (size_t j = 0; j < value_unit_signs_n && ascii == NULL; j++) {
            const size_t len = strlen(value_unit_signs[j].sign);
            if (in.n - i >= len && memcmp(in.p + i, value_unit_signs[j].sign, len) == 0) {
                ascii = value_unit_signs[j].ascii;
                i += len;
            }
        }
        const size_t len = ascii == NULL ? 1 : strlen(ascii);
        if (ascii == NULL) {
            ascii = in.p + i++;
        }
        if (k + len > SH_UNIT_MAX_CHARS || (*ascii & 0x80) != 0) {
            return false;
        }
        memcpy(out + k, ascii, len); /* NOLINT: lengths, not terminators */
        k += len;
    }
    *n = k;
    return true;
}

sh_err sh_unit_lookup(struct sh_str text, struct sh_unit *out, char code[SH_UNIT_MAX_CHARS],
                      size_t *code_n, struct sh_diag *diag)
{
    char ascii[SH_UNIT_MAX_CHARS];
    struct sh_str found = text;
    sh_err e = sh_unit_parse(text, out, diag);
    struct sh_str plain = {ascii, 0};
    if (e == SH_E_INVAL && write_out(text, ascii, &plain.n)) {
        found = sh_unit_alias(plain);
        if (found.p == NULL) {
            found = plain;
        }
        struct sh_unit u;
        if (sh_unit_parse(found, &u, NULL) == SH_OK) {
            *out = u;
            e = SH_OK;
        }
    }
    if (e == SH_OK && code != NULL) {
        memcpy(code, found.p == NULL ? "" : found.p, found.n);
        *code_n = found.n;
    }
    return e;
}

bool sh_unit_compatible(const struct sh_unit *a, const struct sh_unit *b)
{
    return memcmp(a->dim, b->dim, sizeof a->dim) == 0;
}

static double power(double base, int n)
{
    double r = 1;
    for (int i = 0; i < n; i++) {
        r *= base; /* 10^22 is the last exact one */
    }
    return r;
}

sh_err sh_unit_conv(const struct sh_unit *from, const struct sh_unit *to, struct sh_unit_conv *out)
{
    if (!sh_unit_compatible(from, to)) {
        return SH_E_INVAL;
    }
    double num = from->num;
    double den = from->den;
    int32_t e10 = from->e10 - to->e10;
    multiply(&num, &den, to->den, to->num);
    const uint64_t g = gcd((uint64_t)num, (uint64_t)den);
    if (g > 1 && num < two53 && den < two53) {
        num /= (double)g;
        den /= (double)g;
    }
    const int pi = from->pi - to->pi;
    num *= power(10, e10 > 0 ? e10 : 0) * power(pi_value, pi > 0 ? pi : 0);
    den *= power(10, e10 < 0 ? -e10 : 0) * power(pi_value, pi < 0 ? -pi : 0);
    *out = (struct sh_unit_conv){.mul = num, .div = den};
    if (from->affine || to->affine) {
        /* x*F1 + O1 = y*F2 + O2  =>  y = (x*mul + (O1-O2)/F2*div) / div, with mul/div = F1/F2 */
        const double o = from->off_num * to->off_den - to->off_num * from->off_den;
        const double scale = to->den * den / to->num;
        const double off = o * scale / (from->off_den * to->off_den);
        out->add = to->e10 < 0 ? off * power(10, -to->e10) : off / power(10, to->e10);
    }
    return SH_OK;
}

void sh_unit_convert_many(const struct sh_unit_conv *c, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = sh_unit_convert(c, x[i]);
    }
}

struct printer {
    char *out;
    size_t n;
};

static void put(struct printer *w, const char *s, size_t n)
{
    memcpy(w->out + w->n, s, n); /* SH_UNIT_PRINT_CHARS holds the longest: see sh_unit_print */
    w->n += n;
}

static void put_int(struct printer *w, int64_t v)
{
    char text[SH_I64_CHARS];
    put(w, text, sh_i64_print(v, text));
}

static void put_part(struct printer *w, const char *symbol_text, int exponent_value)
{
    if (exponent_value == 0) {
        return;
    }
    if (w->n > 0) {
        put(w, ".", 1);
    }
    put(w, symbol_text, strlen(symbol_text));
    if (exponent_value != 1) {
        put_int(w, exponent_value);
    }
}

static sh_err print_scale(const struct sh_unit *u, struct printer *w)
{
    static const char *const scales[] = {"Cel", "[degF]", "[degRe]"};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        struct sh_unit v;
        SH_TRY(sh_unit_parse(sh_str_c(scales[i]), &v, NULL));
        if (v.num == u->num && v.den == u->den && v.e10 == u->e10 && v.off_num == u->off_num) {
            put(w, scales[i], strlen(scales[i]));
            return SH_OK;
        }
    }
    return SH_E_UNSUPPORTED;
}

/* Longest: 16 digits, ".10*-300", ".[pi]-8", 7 units of 2 + 3 characters and dots, "/" 16 digits:
 * under 100. */
sh_err sh_unit_print(const struct sh_unit *u, char out[SH_UNIT_PRINT_CHARS], size_t *n)
{
    static const char *const base[SH_DIMS] = {"m", "s", "g", "rad", "K", "C", "cd"};
    struct printer w = {.out = out};
    if (u->affine) {
        SH_TRY(print_scale(u, &w));
        *n = w.n;
        return SH_OK;
    }
    if (u->num != 1) {
        put_int(&w, (int64_t)u->num);
    }
    if (u->e10 != 0) {
        put(&w, ".10*", w.n > 0 ? 4 : 0);
        if (w.n == 0) {
            put(&w, "10*", 3);
        }
        put_int(&w, u->e10);
    }
    put_part(&w, "[pi]", u->pi);
    for (int i = 0; i < SH_DIMS; i++) {
        put_part(&w, base[i], u->dim[i]);
    }
    if (w.n == 0) {
        put(&w, "1", 1);
    }
    if (u->den != 1) {
        put(&w, "/", 1);
        put_int(&w, (int64_t)u->den);
    }
    *n = w.n;
    return SH_OK;
}
