/* text_time.c - times, durations and sizes as text. RFC 3339; civil dates after the days-from-civil
 * arithmetic of the proleptic Gregorian calendar (400-year eras of 146097 days).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/text.h>

enum { US_PER_MS = 1000 };
#define US_PER_S INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_S)

int64_t sh_days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2 ? 1 : 0;
    const int64_t era = (y >= 0 ? y : y - 399) / 400;
    const int64_t yoe = y - era * 400;                                            /* [0, 399] */
    const int64_t doy = (153 * (int64_t)(m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1; /* [0, 365] */
    const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;                    /* [0, 146096] */
    return era * 146097 + doe - 719468;
}

void sh_civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t doe = days - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    *d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2 ? 1 : 0);
}

/* `n` digits of v at `out`. */
static void put_padded(char *out, size_t n, uint64_t v)
{
    for (size_t i = n; i > 0; i--) {
        out[i - 1] = (char)('0' + v % 10);
        v /= 10;
    }
}

/* "-02-03T04:05:06.789Z" behind the year; the fraction has 0, 3 or 6 digits. */
static size_t put_rest(char *out, unsigned mo, unsigned d, int64_t us)
{
    static const char form[] = "-00-00T00:00:00Z";
    const uint64_t s = (uint64_t)(us / US_PER_S);
    const uint64_t frac = (uint64_t)(us % US_PER_S);
    memcpy(out, form, sizeof form - 1);
    put_padded(out + 1, 2, mo);
    put_padded(out + 4, 2, d);
    put_padded(out + 7, 2, s / 3600);
    put_padded(out + 10, 2, s / 60 % 60);
    put_padded(out + 13, 2, s % 60);
    size_t n = sizeof form - 2;
    if (frac != 0) {
        const bool ms = frac % US_PER_MS == 0;
        out[n++] = '.';
        put_padded(out + n, ms ? 3 : 6, ms ? frac / US_PER_MS : frac);
        n += ms ? 3 : 6;
    }
    out[n++] = 'Z';
    return n;
}

size_t sh_time_print(int64_t time_us, char out[SH_TIME_CHARS])
{
    int64_t days = time_us / US_PER_DAY;
    int64_t us = time_us % US_PER_DAY;
    if (us < 0) {
        us += US_PER_DAY;
        days--;
    }
    int64_t y;
    unsigned mo;
    unsigned d;
    sh_civil_from_days(days, &y, &mo, &d);
    size_t n = 4;
    if (y >= 0 && y <= 9999) {
        put_padded(out, 4, (uint64_t)y);
    } else {
        const int k = snprintf(out, SH_TIME_CHARS, "%04lld", (long long)y);
        n = k < 0 ? 0 : (size_t)k;
    }
    return n + put_rest(out + n, mo, d, us);
}

static bool digits_at(struct sh_str s, size_t at, size_t n, int64_t *out)
{
    if (s.n < at + n) {
        return false;
    }
    int64_t v = 0;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    *out = v;
    return true;
}

static unsigned days_in_month(int64_t y, int64_t m)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

/* "YYYY-MM-DD?hh:mm:ss" at the front, ? = T, t or a space. */
static sh_err scan_civil(struct sh_str s, int64_t *us)
{
    int64_t y;
    int64_t mo;
    int64_t d;
    int64_t h;
    int64_t mi;
    int64_t sec;
    if (!digits_at(s, 0, 4, &y) || !digits_at(s, 5, 2, &mo) || !digits_at(s, 8, 2, &d) ||
        !digits_at(s, 11, 2, &h) || !digits_at(s, 14, 2, &mi) || !digits_at(s, 17, 2, &sec)) {
        return SH_E_INVAL;
    }
    if (s.p[4] != '-' || s.p[7] != '-' || s.p[13] != ':' || s.p[16] != ':' ||
        (s.p[10] != 'T' && s.p[10] != 't' && s.p[10] != ' ')) {
        return SH_E_INVAL;
    }
    if (mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) || h > 23 || mi > 59 || sec > 60) {
        return SH_E_INVAL;
    }
    *us = (sh_days_from_civil(y, (unsigned)mo, (unsigned)d) * 86400 + h * 3600 + mi * 60 + sec) *
          US_PER_S;
    return SH_OK;
}

static sh_err scan_offset(struct sh_str s, int64_t *us)
{
    if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *us = 0;
        return SH_OK;
    }
    int64_t h;
    int64_t m;
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || !digits_at(s, 1, 2, &h) ||
        !digits_at(s, 4, 2, &m) || h > 23 || m > 59) {
        return SH_E_INVAL;
    }
    *us = (h * 3600 + m * 60) * US_PER_S * (s.p[0] == '-' ? -1 : 1);
    return SH_OK;
}

sh_err sh_time_parse(struct sh_str s, int64_t *time_us)
{
    int64_t ms;
    if (sh_i64_parse(s, &ms) == SH_OK) {
        if (ms > INT64_MAX / US_PER_MS || ms < INT64_MIN / US_PER_MS) {
            return SH_E_LIMIT;
        }
        *time_us = ms * US_PER_MS;
        return SH_OK;
    }
    int64_t us = 0;
    SH_TRY(scan_civil(s, &us));
    size_t at = 19;
    if (at < s.n && s.p[at] == '.') {
        int64_t unit = 100000;
        const size_t first = ++at;
        for (; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
            us += (s.p[at] - '0') * unit;
            unit /= 10;
        }
        if (at == first) {
            return SH_E_INVAL;
        }
    }
    int64_t offset = 0;
    SH_TRY(scan_offset(sh_str_sub(s, at, s.n), &offset));
    *time_us = us - offset;
    return SH_OK;
}

struct suffix {
    const char *word;
    int64_t factor;
};

static sh_err scan_suffixed(struct sh_str s, const struct suffix *table, int64_t *out)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9') {
        n++;
    }
    int64_t v = 0;
    if (n == 0 || sh_i64_parse(sh_str_sub(s, 0, n), &v) != SH_OK) {
        return SH_E_INVAL;
    }
    const struct sh_str word = sh_str_sub(s, n, s.n);
    for (; table->word != NULL; table++) {
        if (sh_str_eqc(word, table->word)) {
            if (v > INT64_MAX / table->factor) {
                return SH_E_LIMIT;
            }
            *out = v * table->factor;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

sh_err sh_duration_parse(struct sh_str s, int64_t *us)
{
    static const struct suffix table[] = {
        {"us", 1},
        {"ms", US_PER_MS},
        {"s", 1000000},
        {"m", 60000000},
        {"h", INT64_C(3600000000)},
        {"d", INT64_C(86400000000)},
        {"w", INT64_C(604800000000)},
        {NULL, 0},
    };
    return scan_suffixed(s, table, us);
}

sh_err sh_size_parse(struct sh_str s, uint64_t *bytes)
{
    static const struct suffix table[] = {
        {"", 1},
        {"B", 1},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", INT64_C(1000000000000)},
        {"KiB", 1 << 10},
        {"MiB", 1 << 20},
        {"GiB", 1 << 30},
        {"TiB", INT64_C(1) << 40},
        {NULL, 0},
    };
    int64_t v = 0;
    SH_TRY(scan_suffixed(s, table, &v));
    *bytes = (uint64_t)v;
    return SH_OK;
}
