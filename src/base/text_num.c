/* text_num.c - numbers as text, exactly and without the locale.
 * Doubles, reading: a decimal of at most 19 digits w and a power of ten is exact in a double when
 * w < 2^53 and |exponent| <= 22 (Clinger 1990: both operands are exact, one rounding); else strtod.
 * Printing: values that are w * 10^-k with w < 2^53 and k <= 15 are found by trying k; else the
 * fewest of 15, 16 or 17 digits that read back to the same bits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/text.h>

static const double pow10_exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

size_t sh_u64_print(uint64_t v, char out[SH_I64_CHARS])
{
    char t[SH_I64_CHARS];
    size_t n = 0;
    do {
        t[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = t[n - 1 - i];
    }
    return n;
}

size_t sh_i64_print(int64_t v, char out[SH_I64_CHARS])
{
    if (v >= 0) {
        return sh_u64_print((uint64_t)v, out);
    }
    char digits[SH_I64_CHARS];
    const size_t n = sh_u64_print(0 - (uint64_t)v, digits);
    out[0] = '-';
    for (size_t i = 0; i < n; i++) {
        out[i + 1] = digits[i];
    }
    return n + 1;
}

static size_t put_word(char *out, const char *w)
{
    const size_t n = strlen(w);
    for (size_t i = 0; i < n; i++) {
        out[i] = w[i];
    }
    return n;
}

/* |v| as w * 10^-k, both exact, for the smallest k: digits of w with a point k from the right. */
static size_t print_scaled(double v, char *out)
{
    for (unsigned k = 0; k <= 15; k++) {
        const double scaled = v * pow10_exact[k];
        if (scaled >= 9007199254740992.0) {
            return 0;
        }
        const double w = rint(scaled);
        /* w < 2^53 and 10^k are exact, so w / 10^k is the correctly rounded value of that text. */
        if (w / pow10_exact[k] != v) {
            continue;
        }
        char digits[SH_I64_CHARS];
        const size_t n = sh_u64_print((uint64_t)w, digits);
        if (n > 15) {
            return 0; /* 16 digits are not always the shortest: take the slow way */
        }
        size_t at = 0;
        const size_t whole = n > k ? n - k : 0;
        if (whole == 0) {
            out[at++] = '0';
        }
        for (size_t i = 0; i < whole; i++) {
            out[at++] = digits[i];
        }
        if (k > 0) {
            out[at++] = '.';
            for (size_t i = n; i < k; i++) {
                out[at++] = '0';
            }
            for (size_t i = whole; i < n; i++) {
                out[at++] = digits[i];
            }
        }
        return at;
    }
    return 0;
}

size_t sh_f64_print(double v, char out[SH_F64_CHARS])
{
    if (isnan(v)) {
        return put_word(out, "NaN");
    }
    if (isinf(v)) {
        return put_word(out, v > 0 ? "Infinity" : "-Infinity");
    }
    if (v == 0) {
        return put_word(out, signbit(v) ? "-0.0" : "0");
    }
    size_t at = 0;
    const double a = fabs(v);
    if (v < 0) {
        out[at++] = '-';
    }
    if (a >= 1e-5 && a < 1e15) {
        const size_t n = print_scaled(a, out + at);
        if (n > 0) {
            return at + n;
        }
    }
    char t[SH_F64_CHARS];
    int n = 0;
    /* Subnormals have fewer bits, so fewer than 15 digits may do. */
    for (int digits = a < 0x1p-1022 ? 1 : 15; digits <= 17; digits++) {
        n = snprintf(t, sizeof t, "%.*g", digits, a);
        if (strtod(t, NULL) == a) {
            break;
        }
    }
    memcpy(out + at, t, (size_t)n);
    return at + (size_t)n;
}

/* Cuts a JSON-like number into sign, up to 19 significant digits and a decimal exponent. */
struct decimal {
    bool negative;
    bool exact; /* no digit was dropped */
    uint64_t w;
    int exp10;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(struct decimal *d, char c, bool fraction, int *digits)
{
    if (*digits < 19) {
        d->w = d->w * 10 + (uint64_t)(c - '0');
        *digits += d->w > 0 ? 1 : 0;
        d->exp10 -= fraction ? 1 : 0;
    } else {
        d->exact = d->exact && c == '0';
        d->exp10 += fraction ? 0 : 1;
    }
}

static sh_err scan_exponent(struct sh_str s, size_t i, struct decimal *d)
{
    bool neg = false;
    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-')) {
        neg = s.p[i] == '-';
        i++;
    }
    if (i == s.n) {
        return SH_E_INVAL;
    }
    int e = 0;
    for (; i < s.n; i++) {
        if (!digit(s.p[i])) {
            return SH_E_INVAL;
        }
        if (e < 100000) {
            e = e * 10 + (s.p[i] - '0');
        }
    }
    d->exp10 += neg ? -e : e;
    return SH_OK;
}

static sh_err scan_decimal(struct sh_str s, struct decimal *d)
{
    *d = (struct decimal){.exact = true};
    size_t i = 0;
    int digits = 0;
    if (s.n > 0 && s.p[0] == '-') {
        d->negative = true;
        i++;
    }
    const size_t first = i;
    for (; i < s.n && digit(s.p[i]); i++) {
        take_digit(d, s.p[i], false, &digits);
    }
    size_t seen = i - first;
    if (i < s.n && s.p[i] == '.') {
        i++;
        const size_t frac = i;
        for (; i < s.n && digit(s.p[i]); i++) {
            take_digit(d, s.p[i], true, &digits);
        }
        seen += i - frac;
    }
    if (seen == 0) {
        return SH_E_INVAL;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        return scan_exponent(s, i + 1, d);
    }
    return i == s.n ? SH_OK : SH_E_INVAL;
}

/* strtod needs a NUL; long numbers are rare, so a copy is no cost. */
static sh_err parse_slow(struct sh_str s, double *out)
{
    char small[128];
    char *t = s.n < sizeof small ? small : malloc(s.n + 1);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    memcpy(t, s.p, s.n);
    t[s.n] = '\0';
    *out = strtod(t, NULL);
    if (t != small) {
        free(t);
    }
    return SH_OK;
}

sh_err sh_f64_parse(struct sh_str s, double *out)
{
    struct decimal d;
    SH_TRY(scan_decimal(s, &d));
    if (d.exact && d.w < (UINT64_C(1) << 53) && d.exp10 >= -22 && d.exp10 <= 22) {
        const double w = (double)d.w;
        const double v = d.exp10 < 0 ? w / pow10_exact[-d.exp10] : w * pow10_exact[d.exp10];
        *out = d.negative ? -v : v;
        return SH_OK;
    }
    return parse_slow(s, out);
}

sh_err sh_u64_parse(struct sh_str s, uint64_t *out)
{
    if (s.n == 0) {
        return SH_E_INVAL;
    }
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!digit(s.p[i])) {
            return SH_E_INVAL;
        }
        const uint64_t d = (uint64_t)(s.p[i] - '0');
        over = over || v > (UINT64_MAX - d) / 10;
        v = v * 10 + d;
    }
    if (over) {
        return SH_E_LIMIT;
    }
    *out = v;
    return SH_OK;
}

sh_err sh_i64_parse(struct sh_str s, int64_t *out)
{
    const bool neg = s.n > 0 && s.p[0] == '-';
    uint64_t v = 0;
    SH_TRY(sh_u64_parse(neg ? sh_str_sub(s, 1, s.n) : s, &v));
    if (v > (uint64_t)INT64_MAX + (neg ? 1u : 0u)) {
        return SH_E_LIMIT;
    }
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return SH_OK;
}
