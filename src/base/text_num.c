/* text_num.c - numbers as text, exactly and without the locale.
 * Doubles, reading: a decimal of at most 19 digits w and a power of ten is exact in a double when
 * w < 2^53 and |exponent| <= 22 (Clinger 1990: both operands are exact, one rounding); else strtod.
 * Printing: the shortest decimal that reads back to the same bits, of several the nearest. From
 * 1e-5 to 1e15 by integers alone (Giulietti, "The Schubfach way to render doubles", 2020; the
 * powers of ten needed there are exact in 64 bits); beyond, the fewest of 15, 16 or 17 digits that
 * do. SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/text.h>

static const double pow10_exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The digits of v so that they end before `end`; returns where they begin. */
static char *put_digits(uint64_t v, char *end)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    while (v >= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * v, 2);
    } else {
        *--end = (char)('0' + v);
    }
    return end;
}

size_t sh_u64_print(uint64_t v, char out[SH_I64_CHARS])
{
    char t[SH_I64_CHARS];
    const char *from = put_digits(v, t + sizeof t);
    const size_t n = (size_t)(t + sizeof t - from);
    memcpy(out, from, n);
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

/* w * 10^-k */
struct shortest {
    uint64_t w;
    unsigned k;
};

enum { SHORTEST_POWERS = 22 };

/* a * b / 2^64; the lowest bit is set when the rest is not 0. */
static uint64_t mul_to_odd(uint64_t a, uint64_t b)
{
    const uint64_t a0 = a & UINT32_MAX;
    const uint64_t a1 = a >> 32;
    const uint64_t b0 = b & UINT32_MAX;
    const uint64_t b1 = b >> 32;
    const uint64_t low = a0 * b0;
    const uint64_t mid = a1 * b0 + (low >> 32);
    const uint64_t mid2 = a0 * b1 + (mid & UINT32_MAX);
    const uint64_t rest = mid2 << 32 | (low & UINT32_MAX);
    return (a1 * b1 + (mid >> 32) + (mid2 >> 32)) | (rest != 0 ? 1 : 0);
}

/* The shortest decimal between the neighbours of c * 2^q (-69 <= q < 0). All is scaled by 4, so
 * that the ends of the interval that rounds to the value are integers too. */
static struct shortest shortest_fraction(uint64_t c, int q, bool closer_below)
{
    /* 10^k, shifted to the left until its highest bit is set. */
    static const uint64_t pow10_high[SHORTEST_POWERS] = {
        UINT64_C(0x8000000000000000), UINT64_C(0xA000000000000000), UINT64_C(0xC800000000000000),
        UINT64_C(0xFA00000000000000), UINT64_C(0x9C40000000000000), UINT64_C(0xC350000000000000),
        UINT64_C(0xF424000000000000), UINT64_C(0x9896800000000000), UINT64_C(0xBEBC200000000000),
        UINT64_C(0xEE6B280000000000), UINT64_C(0x9502F90000000000), UINT64_C(0xBA43B74000000000),
        UINT64_C(0xE8D4A51000000000), UINT64_C(0x9184E72A00000000), UINT64_C(0xB5E620F480000000),
        UINT64_C(0xE35FA931A0000000), UINT64_C(0x8E1BC9BF04000000), UINT64_C(0xB1A2BC2EC5000000),
        UINT64_C(0xDE0B6B3A76400000), UINT64_C(0x8AC7230489E80000), UINT64_C(0xAD78EBC5AC620000),
        UINT64_C(0xD8D726B7177A8000)};
    /* floor(log10(2^q)), or of 3/4 of it when the lower neighbour is nearer: -q * log10(2), up */
    const unsigned scaled = (unsigned)-q * 1262611U + (closer_below ? 524031U : 0U);
    const unsigned k = (scaled + (1U << 22) - 1) >> 22;
    const unsigned shift = (unsigned)((int)(k * 1741647U >> 19) + q + 1);
    const uint64_t g = pow10_high[k];
    const uint64_t odd = c & 1; /* an even value takes the ends of its interval too */
    const uint64_t low = mul_to_odd(g, (4 * c - 2 + (closer_below ? 1 : 0)) << shift) + odd;
    const uint64_t at = mul_to_odd(g, 4 * c << shift);
    const uint64_t high = mul_to_odd(g, (4 * c + 2) << shift) - odd;
    const uint64_t w = at / 4;
    const uint64_t tens = w / 10;
    if (w >= 10 && (low <= 40 * tens) != (40 * tens + 40 <= high)) { /* one digit fewer will do */
        return (struct shortest){tens + (40 * tens + 40 <= high ? 1 : 0), k - 1};
    }
    if ((low <= 4 * w) != (4 * w + 4 <= high)) {
        return (struct shortest){w + (4 * w + 4 <= high ? 1 : 0), k};
    }
    const uint64_t middle = 4 * w + 2;
    return (struct shortest){w + (at > middle || (at == middle && (w & 1) != 0) ? 1 : 0), k};
}

/* 1e-5 <= v < 1e15 */
static struct shortest shortest_of(double v)
{
    if (v == floor(v)) {
        return (struct shortest){(uint64_t)v, 0};
    }
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof bits);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    struct shortest s =
        shortest_fraction(fraction | UINT64_C(1) << 52, (int)(bits >> 52) - 1075, fraction == 0);
    static const struct {
        uint64_t by;
        unsigned k;
    } zeros[] = {{100000000, 8}, {10000, 4}, {100, 2}, {10, 1}};
    for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++) {
        if (s.k >= zeros[i].k && s.w % zeros[i].by == 0) {
            s.w /= zeros[i].by;
            s.k -= zeros[i].k;
        }
    }
    return s;
}

/* Digits of w with a point k from the right. */
static size_t print_shortest(struct shortest s, char *out)
{
    char digits[SH_I64_CHARS];
    const char *from = put_digits(s.w, digits + sizeof digits);
    const size_t n = (size_t)(digits + sizeof digits - from);
    const size_t whole = n > s.k ? n - s.k : 0;
    size_t at = 0;
    if (whole == 0) {
        out[at++] = '0';
    }
    memcpy(out + at, from, whole);
    at += whole;
    if (s.k > 0) {
        out[at++] = '.';
        for (size_t i = n; i < s.k; i++) {
            out[at++] = '0';
        }
        memcpy(out + at, from + whole, n - whole);
        at += n - whole;
    }
    return at;
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
        return at + print_shortest(shortest_of(a), out + at);
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
