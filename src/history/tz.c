/* tz.c - TZif (RFC 8536) and the POSIX TZ rule in its footer (RFC 8536, 3.3; POSIX.1-2017, 8.3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/tz.h>

#include <stdio.h>

enum { TZ_MAX_TRANSITIONS = 4096, TZ_FILE_MAX = 1 << 20, TZ_HEAD = 44, TZ_MAX_NAME = 64 };

static const int64_t usec = 1000000;
static const int64_t day_s = 86400;

/* A date of the rule: Mm.w.d, Jn or n, and a time of that day. */
struct rule_date {
    char kind; /* 'M', 'J', '0' */
    int month;
    int week;
    int day;
    int64_t time_s;
};

struct rule {
    bool known;
    bool summer; /* has two offsets */
    int32_t std_s;
    int32_t dst_s;
    struct rule_date start;
    struct rule_date end;
};

struct sh_tz {
    const struct sh_alloc *alloc;
    uint32_t n;
    int32_t first_s; /* before the first transition */
    struct rule rule;
    int32_t *offset;
    int64_t at_s[];
};

/* ---- the rule ---------------------------------------------------------------------------------
 */

static bool rule_name(struct sh_str *s)
{
    size_t n = 0;
    if (s->n != 0 && s->p[0] == '<') {
        n = sh_str_find(*s, '>');
        if (n == SIZE_MAX) {
            return false;
        }
        n++;
    } else {
        while (n < s->n &&
               ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z'))) {
            n++;
        }
    }
    *s = sh_str_sub(*s, n, s->n);
    return n >= 3;
}

static bool rule_int(struct sh_str *s, int64_t *out)
{
    int64_t v = 0;
    size_t n = 0;
    while (n < s->n && n < 6 && s->p[n] >= '0' && s->p[n] <= '9') {
        v = v * 10 + (s->p[n] - '0');
        n++;
    }
    *s = sh_str_sub(*s, n, s->n);
    *out = v;
    return n != 0;
}

static bool rule_char(struct sh_str *s, char c)
{
    if (s->n == 0 || s->p[0] != c) {
        return false;
    }
    *s = sh_str_sub(*s, 1, s->n);
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool rule_time(struct sh_str *s, int64_t *out)
{
    int64_t part = 0;
    const bool minus = rule_char(s, '-');
    if (!minus) {
        (void)rule_char(s, '+');
    }
    if (!rule_int(s, &part) || part > 167) {
        return false;
    }
    int64_t v = part * 3600;
    for (int64_t unit = 60; unit >= 1 && rule_char(s, ':'); unit /= 60) {
        if (!rule_int(s, &part) || part > 59) {
            return false;
        }
        v += part * unit;
    }
    *out = minus ? -v : v;
    return true;
}

static bool rule_date_read(struct sh_str *s, struct rule_date *d)
{
    int64_t a = 0;
    int64_t b = 0;
    int64_t c = 0;
    d->time_s = 7200;
    if (rule_char(s, 'M')) {
        d->kind = 'M';
        if (!rule_int(s, &a) || !rule_char(s, '.') || !rule_int(s, &b) || !rule_char(s, '.') ||
            !rule_int(s, &c) || a < 1 || a > 12 || b < 1 || b > 5 || c > 6) {
            return false;
        }
        d->month = (int)a;
        d->week = (int)b;
        d->day = (int)c;
    } else {
        d->kind = rule_char(s, 'J') ? 'J' : '0';
        if (!rule_int(s, &a) || a > 365) {
            return false;
        }
        d->day = (int)a;
    }
    return !rule_char(s, '/') || rule_time(s, &d->time_s);
}

static bool rule_read(struct sh_str s, struct rule *r)
{
    int64_t v = 0;
    memset(r, 0, sizeof *r);
    if (!rule_name(&s) || !rule_time(&s, &v)) {
        return false;
    }
    r->std_s = (int32_t)-v;
    if (s.n == 0) {
        r->known = true;
        return true;
    }
    r->summer = true;
    r->dst_s = r->std_s + 3600;
    if (!rule_name(&s)) {
        return false;
    }
    if (s.n != 0 && s.p[0] != ',') {
        if (!rule_time(&s, &v)) {
            return false;
        }
        r->dst_s = (int32_t)-v;
    }
    r->known = rule_char(&s, ',') && rule_date_read(&s, &r->start) && rule_char(&s, ',') &&
               rule_date_read(&s, &r->end) && s.n == 0;
    return r->known;
}

static bool leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Local seconds since 1970 of the rule's date in year y. */
static int64_t rule_date_at(const struct rule_date *d, int64_t y)
{
    int64_t day = sh_days_from_civil(y, 1, 1);
    if (d->kind == '0') {
        day += d->day;
    } else if (d->kind == 'J') { /* 29 February is never counted */
        day += d->day - 1 + (leap(y) && d->day >= 60 ? 1 : 0);
    } else {
        const int64_t first = sh_days_from_civil(y, (unsigned)d->month, 1);
        const int64_t next = d->month == 12 ? sh_days_from_civil(y + 1, 1, 1)
                                            : sh_days_from_civil(y, (unsigned)d->month + 1, 1);
        const int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        day = first + (d->day - weekday + 7) % 7 + (int64_t)(d->week - 1) * 7;
        while (day >= next) {
            day -= 7;
        }
    }
    return day * day_s + d->time_s;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    const int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

static int32_t rule_offset(const struct rule *r, int64_t utc_s)
{
    if (!r->summer) {
        return r->std_s;
    }
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    sh_civil_from_days(floor_div(utc_s + r->std_s, day_s), &y, &m, &d);
    const int64_t start = rule_date_at(&r->start, y) - r->std_s;
    const int64_t end = rule_date_at(&r->end, y) - r->dst_s;
    const bool summer = start < end ? utc_s >= start && utc_s < end : utc_s >= start || utc_s < end;
    return summer ? r->dst_s : r->std_s;
}

/* ---- TZif -------------------------------------------------------------------------------------
 */

struct counts {
    uint32_t isutc;
    uint32_t isstd;
    uint32_t leap;
    uint32_t time;
    uint32_t type;
    uint32_t chars;
};

static sh_err head_read(struct sh_rd *r, struct counts *c, uint8_t *version)
{
    struct sh_bytes h;
    SH_TRY(sh_rd_bytes(r, TZ_HEAD, &h));
    if (memcmp(h.p, "TZif", 4) != 0) {
        return SH_E_PROTO;
    }
    *version = h.p[4];
    *c = (struct counts){sh_be32(h.p + 20), sh_be32(h.p + 24), sh_be32(h.p + 28),
                         sh_be32(h.p + 32), sh_be32(h.p + 36), sh_be32(h.p + 40)};
    if (c->time > TZ_MAX_TRANSITIONS || c->type == 0 || c->type > 256 || c->leap > 4096 ||
        c->isutc > 256 || c->isstd > 256 || c->chars > 4096) {
        return SH_E_PROTO;
    }
    return SH_OK;
}

static size_t data_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + (size_t)c->type * 6 + c->chars + c->leap * (time_size + 4) +
           c->isstd + c->isutc;
}

static sh_err body_read(struct sh_tz *tz, struct sh_bytes data, const struct counts *c,
                        size_t time_size)
{
    const uint8_t *times = data.p;
    const uint8_t *types = times + c->time * time_size;
    const uint8_t *infos = types + c->time;
    tz->n = c->time;
    tz->first_s = (int32_t)sh_be32(infos);
    for (uint32_t i = 0; i < c->time; i++) {
        tz->at_s[i] = time_size == 8 ? (int64_t)sh_be64(times + (size_t)i * 8)
                                     : (int32_t)sh_be32(times + (size_t)i * 4);
        if (types[i] >= c->type || (i != 0 && tz->at_s[i] <= tz->at_s[i - 1])) {
            return SH_E_PROTO;
        }
        tz->offset[i] = (int32_t)sh_be32(infos + (size_t)types[i] * 6);
        if (tz->offset[i] < -26 * 3600 || tz->offset[i] > 26 * 3600) {
            return SH_E_PROTO;
        }
    }
    return tz->first_s >= -26 * 3600 && tz->first_s <= 26 * 3600 ? SH_OK : SH_E_PROTO;
}

static struct sh_tz *tz_new(const struct sh_alloc *a, uint32_t n)
{
    struct sh_tz *tz = sh_mem_new(a, sizeof *tz + (size_t)n * (sizeof(int64_t) + sizeof(int32_t)));
    if (tz != NULL) {
        tz->alloc = a;
        tz->offset = (int32_t *)(void *)&tz->at_s[n];
    }
    return tz;
}

sh_err sh_tz_parse(const struct sh_alloc *a, struct sh_bytes tzif, struct sh_tz **out)
{
    struct sh_rd r = sh_rd_of(tzif);
    struct counts c;
    uint8_t version = 0;
    size_t time_size = 4;
    struct sh_bytes data;
    SH_TRY(head_read(&r, &c, &version));
    SH_TRY(sh_rd_bytes(&r, data_size(&c, 4), &data));
    if (version >= '2') { /* the second part has 64-bit times */
        SH_TRY(head_read(&r, &c, &version));
        time_size = 8;
        SH_TRY(sh_rd_bytes(&r, data_size(&c, 8), &data));
    }
    struct sh_tz *tz = tz_new(a, c.time);
    if (tz == NULL) {
        return SH_E_NOMEM;
    }
    const sh_err err = body_read(tz, data, &c, time_size);
    if (err != SH_OK) {
        sh_tz_free(tz);
        return err;
    }
    const struct sh_str rest = sh_bytes_str((struct sh_bytes){r.p, sh_rd_left(&r)});
    if (time_size == 8 && rest.n >= 2 && rest.p[0] == '\n') {
        const struct sh_str line = sh_str_sub(rest, 1, rest.n);
        tz->rule.known = rule_read(sh_str_sub(line, 0, sh_str_find(line, '\n')), &tz->rule);
    }
    *out = tz;
    return SH_OK;
}

void sh_tz_free(struct sh_tz *tz)
{
    if (tz != NULL) {
        sh_mem_free(tz->alloc, tz);
    }
}

/* "+08:00", "-0330", "+8"? Only the first two. */
static bool fixed_offset(struct sh_str s, int32_t *out)
{
    if (sh_str_eqc(s, "UTC") || sh_str_eqc(s, "Z") || sh_str_eqc(s, "GMT")) {
        *out = 0;
        return true;
    }
    const bool colon = s.n == 6 && s.p[3] == ':';
    if ((!colon && s.n != 5) || (s.p[0] != '+' && s.p[0] != '-')) {
        return false;
    }
    int v[4];
    const size_t at[4] = {1, 2, colon ? 4 : 3, colon ? 5 : 4};
    for (int i = 0; i < 4; i++) {
        v[i] = s.p[at[i]] - '0';
        if (v[i] < 0 || v[i] > 9) {
            return false;
        }
    }
    const int hours = v[0] * 10 + v[1];
    const int minutes = v[2] * 10 + v[3];
    if (hours > 14 || minutes > 59) {
        return false;
    }
    *out = (s.p[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Letters, digits, _ + - and single slashes; no dots, so no way out of the folder. */
static bool name_good(struct sh_str s)
{
    if (s.n == 0 || s.n > TZ_MAX_NAME || s.p[0] == '/' || s.p[s.n - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '+' && c != '-' && (c != '/' || s.p[i - 1] == '/')) {
            return false;
        }
    }
    return true;
}

sh_err sh_tz_load(const struct sh_env *env, struct sh_str name, struct sh_tz **out)
{
    int32_t offset = 0;
    if (fixed_offset(name, &offset)) {
        *out = tz_new(env->alloc, 0);
        if (*out == NULL) {
            return SH_E_NOMEM;
        }
        (*out)->first_s = offset;
        return SH_OK;
    }
    if (!name_good(name)) {
        return SH_E_INVAL;
    }
    char path[TZ_MAX_NAME + 32];
    struct sh_str file = {NULL, 0};
    (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", SH_PRI(name));
    const sh_err err = sh_fs_read_all(env->fs, env->alloc, path, TZ_FILE_MAX, &file);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_NOTFOUND;
    }
    const sh_err parsed = sh_tz_parse(env->alloc, sh_str_bytes(file), out);
    sh_str_free(env->alloc, &file);
    return parsed == SH_E_PROTO ? SH_E_CORRUPT : parsed;
}

int32_t sh_tz_offset(const struct sh_tz *tz, int64_t utc_us)
{
    const int64_t s = floor_div(utc_us, usec);
    if (tz->n == 0 || s < tz->at_s[0]) {
        return tz->n == 0 && tz->rule.known ? rule_offset(&tz->rule, s) : tz->first_s;
    }
    if (s >= tz->at_s[tz->n - 1] && tz->rule.known) {
        return rule_offset(&tz->rule, s);
    }
    uint32_t lo = 0;
    uint32_t hi = tz->n;
    while (hi - lo > 1) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (tz->at_s[mid] <= s) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return tz->offset[lo];
}

int64_t sh_tz_to_utc(const struct sh_tz *tz, int64_t local_us)
{
    const int64_t before = (int64_t)sh_tz_offset(tz, local_us - 86400 * usec) * usec;
    const int64_t after = (int64_t)sh_tz_offset(tz, local_us + 86400 * usec) * usec;
    const int64_t early = before > after ? local_us - before : local_us - after;
    const int64_t late = before > after ? local_us - after : local_us - before;
    const int64_t first = (int64_t)sh_tz_offset(tz, early) * usec;
    if (early + first == local_us) {
        return early;
    }
    if (late + (int64_t)sh_tz_offset(tz, late) * usec == local_us) {
        return late;
    }
    int64_t lo = early; /* skipped: the change lies between */
    int64_t hi = late;
    const int32_t offset_lo = sh_tz_offset(tz, lo);
    while (hi - lo > 1) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (sh_tz_offset(tz, mid) == offset_lo) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return hi;
}
