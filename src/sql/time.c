/* time.c - times in SQL. A time column is text in RFC 3339 (UTC), with the collation TIME, which
 * compares what both sides mean; so '2026-01-01', '2026-01-01 08:00:00+08' and 1767225600000 (ms)
 * may stand on the other side, and ORDER BY is right whatever the number of fraction digits is.
 * What is no time sorts behind all times, by its bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sql_int.h"

#define DAY_US INT64_C(86400000000)
#define MS_MOST INT64_C(9200000000000000) /* so that a year less is still a time */
#define US_MOST INT64_C(1000000000000000000)
enum { MONTHS_MOST = 120000 };

static bool digits(const char *p, size_t n, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        *out = *out * 10 + (unsigned)(p[i] - '0');
    }
    return true;
}

/* "YYYY-MM-DD" at the front. */
static bool parse_date(struct sh_str s, int64_t *us)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned y, m, d;
    if (s.n < 10 || s.p[4] != '-' || s.p[7] != '-' || !digits(s.p, 4, &y) ||
        !digits(s.p + 5, 2, &m) || !digits(s.p + 8, 2, &d) || m < 1 || m > 12 || d < 1) {
        return false;
    }
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (d > days[m - 1] + (m == 2 && leap ? 1u : 0u)) {
        return false;
    }
    *us = sh_days_from_civil(y, m, d) * DAY_US;
    return true;
}

/* "hh:mm[:ss[.fraction]]"; *used: how much of s it is. */
static bool parse_clock(struct sh_str s, int64_t *us, size_t *used)
{
    unsigned h, m, sec = 0;
    if (s.n < 5 || s.p[2] != ':' || !digits(s.p, 2, &h) || !digits(s.p + 3, 2, &m) || h > 24 ||
        m > 59) {
        return false;
    }
    size_t at = 5;
    int64_t fraction = 0;
    if (s.n >= 8 && s.p[5] == ':') {
        if (!digits(s.p + 6, 2, &sec) || sec > 60) {
            return false;
        }
        at = 8;
    }
    if (at == 8 && s.n > 8 && s.p[8] == '.') {
        int64_t unit = 100000;
        for (at = 9; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
            fraction += (s.p[at] - '0') * unit;
            unit /= 10;
        }
    }
    *us = ((int64_t)h * 3600 + (int64_t)m * 60 + sec) * 1000000 + fraction;
    *used = at;
    return true;
}

/* "", "Z", "+08", "+0800", "+08:00", perhaps behind a blank. */
static bool parse_zone(struct sh_str s, int64_t *offset_us)
{
    unsigned h, m = 0;
    s = sh_str_trim(s);
    *offset_us = 0;
    if (s.n == 0 || sh_str_ieq(s, SH_STR("z")) || sh_str_ieq(s, SH_STR("utc"))) {
        return true;
    }
    if ((s.p[0] != '+' && s.p[0] != '-') || s.n < 3 || !digits(s.p + 1, 2, &h)) {
        return false;
    }
    const size_t minutes = s.n > 3 && s.p[3] == ':' ? 4 : 3;
    if (s.n != 3 && (s.n != minutes + 2 || !digits(s.p + minutes, 2, &m))) {
        return false;
    }
    *offset_us = ((int64_t)h * 60 + m) * 60000000 * (s.p[0] == '-' ? -1 : 1);
    return h < 24 && m < 60;
}

sh_err sh_sql_time_parse(struct sh_str s, int64_t *us)
{
    int64_t day = 0;
    int64_t clock = 0;
    int64_t offset = 0;
    size_t used = 0;
    s = sh_str_trim(s);
    if (!parse_date(s, &day)) {
        int64_t ms = 0;
        if (sh_i64_parse(s, &ms) != SH_OK || ms > MS_MOST || ms < -MS_MOST) {
            return SH_E_INVAL;
        }
        *us = ms * 1000;
        return SH_OK;
    }
    struct sh_str rest = sh_str_sub(s, 10, s.n);
    if (rest.n > 0) {
        if (rest.p[0] != 'T' && rest.p[0] != 't' && rest.p[0] != ' ') {
            return SH_E_INVAL;
        }
        rest = sh_str_sub(rest, 1, rest.n);
        if (!parse_clock(rest, &clock, &used) ||
            !parse_zone(sh_str_sub(rest, used, rest.n), &offset)) {
            return SH_E_INVAL;
        }
    }
    *us = day + clock - offset;
    return SH_OK;
}

bool sql_time_value(sqlite3_value *v, int64_t *us)
{
    const int type = sqlite3_value_type(v);
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        const double ms = sqlite3_value_double(v);
        if (!(ms < 9.2e15 && ms > -9.2e15)) {
            return false;
        }
        *us = type == SQLITE_INTEGER ? sqlite3_value_int64(v) * 1000 : (int64_t)(ms * 1000);
        return true;
    }
    return type == SQLITE_TEXT && sh_sql_time_parse(sql_value_text(v), us) == SH_OK;
}

int sql_time_collate(void *ctx, int na, const void *a, int nb, const void *b)
{
    SH_UNUSED(ctx);
    const struct sh_str x = sh_str_of(a, (size_t)na);
    const struct sh_str y = sh_str_of(b, (size_t)nb);
    int64_t tx = 0;
    int64_t ty = 0;
    const bool okx = sh_sql_time_parse(x, &tx) == SH_OK;
    const bool oky = sh_sql_time_parse(y, &ty) == SH_OK;
    if (okx && oky) {
        return tx < ty ? -1 : (tx > ty ? 1 : 0);
    }
    return okx != oky ? (okx ? -1 : 1) : sh_str_cmp(x, y);
}

void sql_result_time(sqlite3_context *c, int64_t us)
{
    char t[SH_TIME_CHARS];
    const size_t n = sh_time_print(us, t);
    sqlite3_result_text(c, t, (int)n, SQLITE_TRANSIENT);
}

/* ---- functions ---- */

static int64_t now_of(sqlite3_context *c)
{
    return ((const struct sh_sql_query *)sqlite3_user_data(c))->started_us;
}

static void f_now(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    SH_UNUSED(v);
    sql_result_time(c, now_of(c));
}

static void not_a_time(sqlite3_context *c, sqlite3_value *v)
{
    struct sh_sql_query *q = sqlite3_user_data(c);
    sql_fault(q, SH_E_INVAL, "22007",
              sql_print(q, "'%.*s' is not a time", SH_PRI(sql_value_text(v))),
              sql_print(q, "“%.*s”不是时间", SH_PRI(sql_value_text(v))));
    sqlite3_result_error(c, "not a time", -1);
}

/* False: *out was answered (NULL or an error). */
static bool time_argument(sqlite3_context *c, sqlite3_value *v, int64_t *us)
{
    if (sqlite3_value_type(v) == SQLITE_NULL) {
        return false;
    }
    if (!sql_time_value(v, us)) {
        not_a_time(c, v);
        return false;
    }
    return true;
}

static void f_time(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    int64_t us = 0;
    if (time_argument(c, v[0], &us)) {
        sql_result_time(c, us);
    }
}

/* to_timestamp(seconds) */
static void f_to_timestamp(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    const double s = sqlite3_value_double(v[0]);
    if (sqlite3_value_type(v[0]) != SQLITE_NULL && s < 9e12 && s > -9e12) {
        sql_result_time(c, (int64_t)(s * 1e6));
    }
}

enum unit { U_US, U_MS, U_SECOND, U_MINUTE, U_HOUR, U_DAY, U_WEEK, U_MONTH, U_QUARTER, U_YEAR };
static const struct {
    const char *word;
    enum unit unit;
} units[] = {
    {"microsecond", U_US}, {"us", U_US},      {"millisecond", U_MS},  {"ms", U_MS},
    {"second", U_SECOND},  {"sec", U_SECOND}, {"s", U_SECOND},        {"minute", U_MINUTE},
    {"min", U_MINUTE},     {"m", U_MINUTE},   {"hour", U_HOUR},       {"h", U_HOUR},
    {"day", U_DAY},        {"d", U_DAY},      {"week", U_WEEK},       {"w", U_WEEK},
    {"month", U_MONTH},    {"mon", U_MONTH},  {"quarter", U_QUARTER}, {"year", U_YEAR},
    {"y", U_YEAR},
};
static const int64_t unit_us[] = {
    [U_US] = 1,
    [U_MS] = 1000,
    [U_SECOND] = 1000000,
    [U_MINUTE] = 60000000,
    [U_HOUR] = INT64_C(3600000000),
    [U_DAY] = DAY_US,
    [U_WEEK] = 7 * DAY_US,
};

static bool unit_of(struct sh_str s, enum unit *out)
{
    for (int plural = 0; plural < 2 && s.n > 0; plural++) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (sh_str_ieq(s, sh_str_c(units[i].word))) {
                *out = units[i].unit;
                return true;
            }
        }
        if (s.p[s.n - 1] != 's' && s.p[s.n - 1] != 'S') {
            break;
        }
        s.n--;
    }
    return false;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static int64_t add_months(int64_t us, int64_t months)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int64_t day = floor_div(us, DAY_US);
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    sh_civil_from_days(day, &y, &m, &d);
    const int64_t all = y * 12 + (int64_t)m - 1 + months;
    y = floor_div(all, 12);
    m = (unsigned)(all - y * 12) + 1;
    const bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    const unsigned most = days[m - 1] + (m == 2 && leap ? 1u : 0u);
    return sh_days_from_civil(y, m, d < most ? d : most) * DAY_US + (us - day * DAY_US);
}

static int64_t trunc_to(int64_t us, enum unit u)
{
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    const int64_t day = floor_div(us, DAY_US);
    if (u == U_WEEK) { /* Monday; 1970-01-01 was a Thursday */
        return (floor_div(day + 3, 7) * 7 - 3) * DAY_US;
    }
    if (u < U_WEEK) {
        return floor_div(us, unit_us[u]) * unit_us[u];
    }
    sh_civil_from_days(day, &y, &m, &d);
    if (u == U_YEAR) {
        m = 1;
    } else if (u == U_QUARTER) {
        m = (m - 1) / 3 * 3 + 1;
    }
    return sh_days_from_civil(y, m, 1) * DAY_US;
}

static void bad_unit(sqlite3_context *c, struct sh_str s)
{
    struct sh_sql_query *q = sqlite3_user_data(c);
    sql_fault(q, SH_E_INVAL, "22023", sql_print(q, "'%.*s' is not a unit of time", SH_PRI(s)),
              sql_print(q, "“%.*s”不是时间单位", SH_PRI(s)));
    sql_remedy(q, "second, minute, hour, day, week, month, quarter, year.",
               "可用：second、minute、hour、day、week、month、quarter、year。");
    sqlite3_result_error(c, "not a unit", -1);
}

/* date_trunc(unit, time) */
static void f_date_trunc(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    int64_t us = 0;
    enum unit u = U_US;
    if (!unit_of(sql_value_text(v[0]), &u)) {
        bad_unit(c, sql_value_text(v[0]));
    } else if (time_argument(c, v[1], &us)) {
        sql_result_time(c, trunc_to(us, u));
    }
}

/* date_part(field, time): extract(field FROM time) becomes this. */
static void f_date_part(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    const struct sh_str f = sql_value_text(v[0]);
    int64_t us = 0;
    int64_t y = 0;
    unsigned m = 0;
    unsigned d = 0;
    enum unit u = U_US;
    if (!time_argument(c, v[1], &us)) {
        return;
    }
    const int64_t day = floor_div(us, DAY_US);
    sh_civil_from_days(day, &y, &m, &d);
    if (sh_str_ieq(f, SH_STR("epoch"))) {
        sqlite3_result_double(c, (double)us / 1e6);
    } else if (sh_str_ieq(f, SH_STR("dow"))) {
        sqlite3_result_int64(c, (day + 4) - floor_div(day + 4, 7) * 7);
    } else if (sh_str_ieq(f, SH_STR("isodow"))) {
        sqlite3_result_int64(c, (day + 3) - floor_div(day + 3, 7) * 7 + 1);
    } else if (sh_str_ieq(f, SH_STR("doy"))) {
        sqlite3_result_int64(c, day - sh_days_from_civil(y, 1, 1) + 1);
    } else if (!unit_of(f, &u) || u == U_WEEK) {
        bad_unit(c, f);
    } else if (u == U_YEAR) {
        sqlite3_result_int64(c, y);
    } else if (u == U_QUARTER) {
        sqlite3_result_int64(c, (m - 1) / 3 + 1);
    } else if (u == U_MONTH) {
        sqlite3_result_int64(c, m);
    } else if (u == U_DAY) {
        sqlite3_result_int64(c, d);
    } else if (u == U_SECOND) {
        sqlite3_result_double(c, (double)(us - floor_div(us, 60000000) * 60000000) / 1e6);
    } else {
        const int64_t of = u == U_HOUR ? DAY_US : unit_us[U_HOUR];
        sqlite3_result_int64(c, (us - floor_div(us, of) * of) / unit_us[u]);
    }
}

/* "1 hour 30 minutes", "-7 days", "01:30:00": *us and *months. */
static bool parse_interval(struct sh_str s, int64_t *us, int64_t *months)
{
    size_t at = 0;
    bool any = false;
    *us = 0;
    *months = 0;
    while (at < s.n) {
        if (s.p[at] == ' ') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < s.n && ((s.p[end] >= '0' && s.p[end] <= '9') || s.p[end] == '-' ||
                             s.p[end] == '+' || s.p[end] == '.')) {
            end++;
        }
        const size_t sign = s.p[at] == '+' ? 1 : 0;
        double v = 0;
        int64_t clock = 0;
        size_t used = 0;
        if (end < s.n && s.p[end] == ':' && parse_clock(sh_str_sub(s, at, s.n), &clock, &used)) {
            *us += clock;
            at += used;
            any = true;
            continue;
        }
        if (sh_f64_parse(sh_str_sub(s, at + sign, end), &v) != SH_OK || !(v < 1e9 && v > -1e9)) {
            return false;
        }
        for (at = end; at < s.n && s.p[at] == ' '; at++) {
        }
        for (end = at; end < s.n && ((s.p[end] | 32) >= 'a' && (s.p[end] | 32) <= 'z'); end++) {
        }
        enum unit u = U_US;
        if (!unit_of(sh_str_sub(s, at, end), &u)) {
            return false;
        }
        if (u >= U_MONTH) {
            *months += (int64_t)(v * (u == U_YEAR ? 12 : (u == U_QUARTER ? 3 : 1)));
        } else if (v * (double)unit_us[u] < 1e18 && v * (double)unit_us[u] > -1e18) {
            *us += (int64_t)(v * (double)unit_us[u]);
        }
        at = end;
        any = true;
        if (*us > US_MOST || *us < -US_MOST || *months > MONTHS_MOST || *months < -MONTHS_MOST) {
            return false;
        }
    }
    return any && *us <= US_MOST;
}

/* sh_time_add(time, sign, interval): time + interval '...' becomes this. */
static void f_time_add(sqlite3_context *c, int n, sqlite3_value **v)
{
    SH_UNUSED(n);
    const int64_t sign = sqlite3_value_int(v[1]);
    int64_t t = 0;
    int64_t us = 0;
    int64_t months = 0;
    struct sh_sql_query *q = sqlite3_user_data(c);
    if (!time_argument(c, v[0], &t)) {
        return;
    }
    if (!parse_interval(sql_value_text(v[2]), &us, &months) || t > INT64_C(1) << 61 ||
        t < -(INT64_C(1) << 61)) {
        sql_fault(q, SH_E_INVAL, "22007",
                  sql_print(q, "'%.*s' is not an interval", SH_PRI(sql_value_text(v[2]))),
                  sql_print(q, "“%.*s”不是时间间隔", SH_PRI(sql_value_text(v[2]))));
        sql_remedy(q, "For example '1 hour', '7 days', '1 month'.",
                   "例如 '1 hour'、'7 days'、'1 month'。");
        sqlite3_result_error(c, "not an interval", -1);
        return;
    }
    sql_result_time(c, (months == 0 ? t : add_months(t, sign * months)) + sign * us);
}

int sql_time_functions_add(struct sh_sql_query *q)
{
    static const struct {
        const char *name;
        int args;
        void (*fn)(sqlite3_context *c, int n, sqlite3_value **v);
    } list[] = {
        {"now", 0, f_now},
        {"sh_time", 1, f_time},
        {"to_timestamp", 1, f_to_timestamp},
        {"date_trunc", 2, f_date_trunc},
        {"date_part", 2, f_date_part},
        {"sh_time_add", 3, f_time_add},
    };
    int rc = sqlite3_create_collation(q->db, "TIME", SQLITE_UTF8, NULL, sql_time_collate);
    for (size_t i = 0; i < sizeof list / sizeof list[0] && rc == SQLITE_OK; i++) {
        rc = sqlite3_create_function(q->db, list[i].name, list[i].args,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC, q, list[i].fn, NULL, NULL);
    }
    return rc;
}
