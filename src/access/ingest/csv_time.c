/* Times in CSV: RFC 3339, epoch milliseconds, or a civil time in the zone of the request:
 * YYYY-MM-DD hh:mm:ss[.f], also with '/' or 'T', with one-digit month, day and hour, and without
 * seconds, as spreadsheets write it. Digits below a microsecond are floored.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

struct cursor {
    const char *p;
    const char *end;
};

/* min to max digits. */
static bool take(struct cursor *c, int min, int max, int64_t *out)
{
    int n = 0;
    *out = 0;
    for (; n < max && c->p < c->end && ingest_digit(*c->p); n++) {
        *out = *out * 10 + (*c->p++ - '0');
    }
    return n >= min;
}

static bool pass(struct cursor *c, char x)
{
    if (c->p < c->end && *c->p == x) {
        c->p++;
        return true;
    }
    return false;
}

/* +hh:mm, +hhmm, +hh, Z; whole of s. */
static bool offset(struct sh_str s, int64_t *out_us)
{
    struct cursor c = {s.p, s.p + s.n};
    int64_t h = 0;
    int64_t m = 0;
    *out_us = 0;
    if (sh_str_eqc(s, "Z") || sh_str_eqc(s, "z") || sh_str_eqc(s, "UTC")) {
        return true;
    }
    const bool west = s.n > 0 && *s.p == '-';
    if (s.n == 0 || (*s.p != '+' && !west)) {
        return false;
    }
    c.p++;
    if (!take(&c, 2, 2, &h)) {
        return false;
    }
    if (c.p < c.end) {
        (void)pass(&c, ':');
        if (!take(&c, 2, 2, &m)) {
            return false;
        }
    }
    *out_us = (h * 60 + m) * (west ? -60000000 : 60000000);
    return c.p == c.end && h < 24 && m < 60;
}

static bool clock_part(struct cursor *c, int64_t *us)
{
    int64_t h = 0;
    int64_t m = 0;
    int64_t s = 0;
    if (!take(c, 1, 2, &h) || !pass(c, ':') || !take(c, 2, 2, &m) || h > 23 || m > 59) {
        return false;
    }
    int64_t unit = 100000;
    *us = (h * 60 + m) * 60000000;
    if (!pass(c, ':')) {
        return true;
    }
    if (!take(c, 2, 2, &s) || s > 59) {
        return false;
    }
    *us += s * 1000000;
    if (pass(c, '.')) {
        const char *from = c->p;
        for (; c->p < c->end && ingest_digit(*c->p); c->p++) {
            *us += (*c->p - '0') * unit;
            unit /= 10;
        }
        return c->p > from;
    }
    return true;
}

static bool date_part(struct cursor *c, int64_t *days)
{
    static const int8_t last[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t y = 0;
    int64_t m = 0;
    int64_t d = 0;
    if (!take(c, 4, 4, &y) || c->p == c->end || (*c->p != '-' && *c->p != '/')) {
        return false;
    }
    const char sep = *c->p++;
    if (!take(c, 1, 2, &m) || !pass(c, sep) || !take(c, 1, 2, &d) || m < 1 || m > 12 || d < 1) {
        return false;
    }
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    *days = sh_days_from_civil(y, (unsigned)m, (unsigned)d);
    return d <= last[m - 1] + (m == 2 && leap ? 1 : 0);
}

bool ingest_csv_time(const struct sh_ingest_opts *o, struct sh_str s, int64_t *out)
{
    struct cursor c = {s.p, s.p + s.n};
    int64_t days = 0;
    int64_t us = 0;
    int64_t off = 0;
    if (s.n > 0 && ingest_i64_scan(c.p, c.end, out) == s.n) {
        const bool ok = *out <= INT64_MAX / 1000 && *out >= INT64_MIN / 1000;
        *out = ok ? *out * 1000 : 0;
        return ok;
    }
    if (!date_part(&c, &days)) {
        return false;
    }
    if (c.p < c.end) {
        if ((!pass(&c, ' ') && !pass(&c, 'T') && !pass(&c, 't')) || !clock_part(&c, &us)) {
            return false;
        }
    }
    const int64_t local = days * 86400000000 + us;
    struct sh_str zone = sh_str_of(c.p, (size_t)(c.end - c.p));
    if (zone.n > 0) { /* the cell says its own offset */
        *out = offset(zone, &off) ? local - off : 0;
        return offset(zone, &off);
    }
    zone = o->tz;
    if (zone.n == 0 || offset(zone, &off)) {
        *out = local - off;
        return true;
    }
    return o->zone != NULL && o->zone(o->zone_ctx, zone, local, out);
}
