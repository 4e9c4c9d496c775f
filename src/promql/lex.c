/* lex.c - tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "promql_int.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char peek(const struct pql_lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.n ? l->text.p[l->at + ahead] : '\0';
}

static void bad(struct pql_lexer *l, const char *why)
{
    l->token = PQL_BAD;
    l->why = why;
}

static void skip_space(struct pql_lexer *l)
{
    while (l->at < l->text.n) {
        const char c = l->text.p[l->at];
        if (c == '#') {
            while (l->at < l->text.n && l->text.p[l->at] != '\n') {
                l->at++;
            }
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            l->at++;
        } else {
            return;
        }
    }
}

/* ---- numbers and durations ---- */

static const struct {
    const char *unit;
    int64_t us;
} units[] = {{"ms", 1000},
             {"y", INT64_C(31536000000000)},
             {"w", INT64_C(604800000000)},
             {"d", INT64_C(86400000000)},
             {"h", INT64_C(3600000000)},
             {"m", 60000000},
             {"s", 1000000}};
#define DURATION_MAX (INT64_C(1) << 60)

static size_t unit_at(const struct pql_lexer *l, size_t at, int64_t *us)
{
    const struct sh_str rest = sh_str_sub(l->text, at, l->text.n);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (sh_str_starts(rest, sh_str_c(units[i].unit))) {
            *us = units[i].us;
            return strlen(units[i].unit);
        }
    }
    return 0;
}

/* At a digit: digits and a unit, again and again. False: no duration. */
static bool take_duration(struct pql_lexer *l)
{
    size_t at = l->at;
    int64_t sum = 0;
    int64_t last = INT64_MAX;
    do {
        int64_t n = 0;
        int64_t us = 0;
        while (at < l->text.n && is_digit(l->text.p[at])) {
            n = n < DURATION_MAX / 10 ? n * 10 + (l->text.p[at] - '0') : DURATION_MAX;
            at++;
        }
        const size_t len = unit_at(l, at, &us);
        if (len == 0 || us >= last || n > (DURATION_MAX - sum) / us) {
            return false;
        }
        sum += n * us;
        last = us;
        at += len;
    } while (at < l->text.n && is_digit(l->text.p[at]));
    if (at < l->text.n && is_letter(l->text.p[at])) {
        return false;
    }
    l->token = PQL_DURATION;
    l->duration_us = sum;
    l->at = at;
    return true;
}

static bool take_hex(struct pql_lexer *l)
{
    double v = 0;
    size_t at = l->at + 2;
    while (at < l->text.n) {
        const char c = (char)(l->text.p[at] | 0x20);
        if (is_digit(c)) {
            v = v * 16 + (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v * 16 + (c - 'a' + 10);
        } else {
            break;
        }
        at++;
    }
    l->number = v;
    const bool any = at > l->at + 2;
    l->at = at;
    return any;
}

static void take_number(struct pql_lexer *l)
{
    l->token = PQL_NUMBER;
    if (peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x') {
        if (!take_hex(l) || is_letter(peek(l, 0))) {
            bad(l, "the number is malformed");
        }
        return;
    }
    if (is_digit(peek(l, 0)) && take_duration(l)) {
        return;
    }
    while (is_digit(peek(l, 0)) || peek(l, 0) == '.') {
        l->at++;
    }
    if ((peek(l, 0) | 0x20) == 'e' &&
        (is_digit(peek(l, 1)) ||
         ((peek(l, 1) == '+' || peek(l, 1) == '-') && is_digit(peek(l, 2))))) {
        l->at += 2;
        while (is_digit(peek(l, 0))) {
            l->at++;
        }
    }
    struct sh_str s = sh_str_sub(l->text, l->from, l->at);
    s = sh_arena_printf(l->ar, "%s%.*s%s", s.n > 0 && s.p[0] == '.' ? "0" : "", SH_PRI(s),
                        s.n > 0 && s.p[s.n - 1] == '.' ? "0" : "");
    if (s.p == NULL || sh_f64_parse(s, &l->number) != SH_OK || is_letter(peek(l, 0))) {
        bad(l, "the number or duration is malformed");
    }
}

/* ---- strings ---- */

static int hex_of(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(uint32_t v, char *out)
{
    if (v < 0x80) {
        out[0] = (char)v;
        return 1;
    }
    if (v < 0x800) {
        out[0] = (char)(0xc0 | v >> 6);
        out[1] = (char)(0x80 | (v & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | v >> 12);
    out[1] = (char)(0x80 | (v >> 6 & 0x3f));
    out[2] = (char)(0x80 | (v & 0x3f));
    return 3;
}

/* \xHH or \uHHHH; l->at is at the x or u. Bytes written, 0: malformed. */
static size_t take_code(struct pql_lexer *l, char *out)
{
    const size_t digits = peek(l, 0) == 'x' ? 2 : 4;
    uint32_t v = 0;
    for (size_t i = 1; i <= digits; i++) {
        const int h = hex_of(peek(l, i));
        if (h < 0) {
            return 0;
        }
        v = v << 4 | (uint32_t)h;
    }
    l->at += digits + 1;
    if (digits == 2) {
        out[0] = (char)v;
        return 1;
    }
    return put_utf8(v, out);
}

/* At the character behind the backslash. Bytes written, 0: unknown. */
static size_t take_escape(struct pql_lexer *l, char quote, char *out)
{
    static const char from[] = "abfnrtv\\";
    static const char to[] = "\a\b\f\n\r\t\v\\";
    const char c = peek(l, 0);
    if (c == 'x' || c == 'u') {
        return take_code(l, out);
    }
    const char *at = c == '\0' ? NULL : strchr(from, c);
    if (at == NULL && c != quote) {
        return 0;
    }
    *out = at == NULL ? quote : to[at - from];
    l->at++;
    return 1;
}

static void take_string(struct pql_lexer *l)
{
    const char quote = peek(l, 0);
    char *out = sh_arena_get(l->ar, l->text.n - l->at + 4);
    size_t n = 0;
    l->token = PQL_STRING;
    l->at++;
    if (out == NULL) {
        bad(l, "no memory");
        return;
    }
    for (;;) {
        if (l->at >= l->text.n || (peek(l, 0) == '\n' && quote != '`')) {
            bad(l, "the string has no closing quote");
            return;
        }
        const char c = l->text.p[l->at++];
        if (c == quote) {
            break;
        }
        if (c == '\\' && quote != '`') {
            const size_t k = take_escape(l, quote, out + n);
            if (k == 0) {
                bad(l, "unknown escape in a string");
                return;
            }
            n += k;
        } else {
            out[n++] = c;
        }
    }
    l->word = sh_str_of(out, n);
    if (!sh_utf8_valid(l->word)) {
        bad(l, "the string is not UTF-8");
    }
}

void pql_next(struct pql_lexer *l)
{
    skip_space(l);
    l->from = l->at;
    if (l->at >= l->text.n) {
        l->token = PQL_END;
        l->word = SH_STR("end of the expression");
        return;
    }
    const char c = peek(l, 0);
    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        take_number(l);
        l->word = sh_str_sub(l->text, l->from, l->at);
    } else if (is_letter(c) || (c == ':' && is_letter(peek(l, 1)))) {
        while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)) || peek(l, 0) == ':') {
            l->at++;
        }
        l->token = PQL_NAME;
        l->word = sh_str_sub(l->text, l->from, l->at);
    } else if (c == '"' || c == '\'' || c == '`') {
        take_string(l);
    } else {
        static const char *const twos[] = {"==", "!=", "<=", ">=", "=~", "!~"};
        l->token = PQL_SIGN;
        l->at++;
        for (size_t i = 0; i < sizeof twos / sizeof twos[0]; i++) {
            if (c == twos[i][0] && peek(l, 0) == twos[i][1]) {
                l->at++;
                break;
            }
        }
        l->word = sh_str_sub(l->text, l->from, l->at);
    }
}
