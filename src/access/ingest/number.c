/* Numbers of the wire: one pass to sign, digits and exponent, then a double or an integer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

#include <math.h>

enum { MAX_DIGITS = 19 };

static const double ten_to[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const uint64_t whole_ten_to[] = {1,      10,      100,      1000,     10000,
                                        100000, 1000000, 10000000, 100000000};

/* Digits from p on into n->w; n->digits counts from the first that is not 0, or a little more: a
 * number that seems too long only takes the slow road. Up to eight digits a step: the bytes that
 * are digits become 0 to 9 by XOR, the first that is none shows as a high bit, and the digits
 * before it are moved to the top, where zeros below do not count (SWAR, little-endian). */
static const char *digits(const char *p, const char *end, struct ingest_number *n)
{
    const uint64_t ones = 0x0101010101010101u;
    while (end - p >= 8 && n->digits <= MAX_DIGITS - 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        v ^= ones * '0';
        const uint64_t other = ((v + ones * 0x76) | v) & (ones * 0x80);
        const uint64_t lowest = other & (0 - other);
        const unsigned k =
            other == 0 ? 8 : (unsigned)((((lowest - 1) & ones) * ones) >> 56) - 1; /* bytes below */
        if (k == 0) {
            return p;
        }
        v <<= 64 - 8 * k;
        v = v * 10 + (v >> 8);
        v = (((v & 0x000000FF000000FFu) * 0x000F424000000064u) +
             (((v >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u)) >>
            32;
        n->w = n->w * whole_ten_to[k] + (uint32_t)v;
        n->digits += n->w != 0 ? (int)k : 0;
        p += k;
        if (k < 8) {
            return p;
        }
    }
    for (; p < end && ingest_digit(*p); p++) {
        if (n->digits < MAX_DIGITS) {
            n->w = n->w * 10 + (uint64_t)(*p - '0');
        }
        n->digits += n->w != 0 ? 1 : 0;
    }
    return p;
}

static const char *exponent(const char *p, const char *end, struct ingest_number *n)
{
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    const char *from = p;
    int e = 0;
    for (; p < end && ingest_digit(*p); p++) {
        e = e < 100000 ? e * 10 + (*p - '0') : e;
    }
    n->exp10 += negative ? -e : e;
    n->whole = false;
    return p == from ? NULL : p;
}

bool ingest_number_scan(const char *p, const char *end, bool strict, struct ingest_number *out)
{
    struct ingest_number n = {.from = p, .whole = true};
    if (p < end && *p == '-') {
        n.negative = true;
        p++;
    }
    const char *from = p;
    p = digits(p, end, &n);
    bool ok = p > from && !(strict && *from == '0' && p - from > 1);
    if (ok && p < end && *p == '.') {
        from = ++p;
        p = digits(p, end, &n);
        n.exp10 = from - p < -100000 ? -100000 : (int)(from - p);
        n.whole = false;
        ok = p > from;
    }
    if (ok && p < end && (*p == 'e' || *p == 'E')) {
        const char *to = exponent(p + 1, end, &n);
        ok = to != NULL;
        p = ok ? to : p + 1;
    }
    n.to = p;
    *out = n;
    return ok;
}

bool ingest_number_f64(const struct ingest_number *n, double *out)
{
    if (n->digits <= MAX_DIGITS && n->w <= (uint64_t)1 << 53 && n->exp10 >= -22 && n->exp10 <= 22) {
        /* Clinger 1990: both operands are exact, so there is one rounding. */
        double v = (double)n->w;
        v = n->exp10 < 0 ? v / ten_to[-n->exp10] : v * ten_to[n->exp10];
        *out = n->negative ? -v : v;
        return true;
    }
    const char *p = n->from + (n->negative ? 1 : 0);
    while (n->to - p > 1 && p[0] == '0' && ingest_digit(p[1])) {
        p++; /* line protocol allows leading zeros, sh_f64_parse does not */
    }
    double v = 0;
    if (sh_f64_parse(sh_str_of(p, (size_t)(n->to - p)), &v) != SH_OK || !isfinite(v)) {
        return false;
    }
    *out = n->negative ? -v : v;
    return true;
}

bool ingest_number_i64(const struct ingest_number *n, int64_t *out)
{
    uint64_t w = n->w;
    int e = n->exp10;
    if (n->digits > MAX_DIGITS) {
        return false;
    }
    for (; e < 0 && w % 10 == 0 && w != 0; e++) {
        w /= 10;
    }
    for (; e > 0 && w != 0; e--) {
        if (w > UINT64_MAX / 10) {
            return false;
        }
        w *= 10;
    }
    if ((e < 0 && w != 0) || w > (uint64_t)INT64_MAX + (n->negative ? 1 : 0)) {
        return false;
    }
    *out = n->negative ? (int64_t)(0 - w) : (int64_t)w;
    return true;
}

size_t ingest_i64_scan(const char *p, const char *end, int64_t *out)
{
    struct ingest_number n = {.from = p};
    const char *at = p;
    if (at < end && *at == '-') {
        n.negative = true;
        at++;
    }
    const char *to = digits(at, end, &n);
    n.to = to;
    return to > at && ingest_number_i64(&n, out) ? (size_t)(to - p) : 0;
}
