/* schema_format.c - formats (Validation 7.3). Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "schema_int.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool hex(char c)
{
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool alnum(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* n digits at s.p[at] as a number, or -1. */
static int number_at(struct sh_str s, size_t at, size_t n)
{
    int v = 0;
    if (at + n > s.n) {
        return -1;
    }
    for (size_t i = at; i < at + n; i++) {
        if (!digit(s.p[i])) {
            return -1;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    return v;
}

/* RFC 3339, 5.6 full-date, with the days of the month (5.7). */
static bool date(struct sh_str s)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int y = number_at(s, 0, 4);
    const int m = number_at(s, 5, 2);
    const int d = number_at(s, 8, 2);
    if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || y < 0 || m < 1 || m > 12 || d < 1) {
        return false;
    }
    const bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    return d <= days[m - 1] + (m == 2 && leap ? 1 : 0);
}

/* full-time: hh:mm:ss[.frac](Z|+hh:mm); a leap second only where it is 23:59 UTC. */
static bool time_of_day(struct sh_str s)
{
    const int h = number_at(s, 0, 2);
    const int m = number_at(s, 3, 2);
    const int sec = number_at(s, 6, 2);
    if (h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 || s.p[2] != ':' ||
        s.p[5] != ':') {
        return false;
    }
    size_t at = 8;
    if (at < s.n && s.p[at] == '.') {
        const size_t from = ++at;
        while (at < s.n && digit(s.p[at])) {
            at++;
        }
        if (at == from) {
            return false;
        }
    }
    int off = 0;
    if (at + 1 == s.n && (s.p[at] == 'Z' || s.p[at] == 'z')) {
        at++;
    } else if (at + 6 == s.n && (s.p[at] == '+' || s.p[at] == '-') && s.p[at + 3] == ':') {
        const int oh = number_at(s, at + 1, 2);
        const int om = number_at(s, at + 4, 2);
        if (oh < 0 || oh > 23 || om < 0 || om > 59) {
            return false;
        }
        off = (oh * 60 + om) * (s.p[at] == '-' ? -1 : 1);
        at += 6;
    }
    const int utc = ((h * 60 + m - off) % 1440 + 1440) % 1440;
    return at == s.n && at > 8 && (sec < 60 || utc == 23 * 60 + 59);
}

static bool date_time(struct sh_str s)
{
    if (s.n < 20 || (s.p[10] != 'T' && s.p[10] != 't')) {
        return false;
    }
    return date(sh_str_sub(s, 0, 10)) && time_of_day(sh_str_sub(s, 11, s.n));
}

/* RFC 1123, 2.1 */
static bool hostname(struct sh_str s)
{
    if (s.n == 0 || s.n > 253) {
        return false;
    }
    size_t label = 0;
    for (size_t i = 0; i <= s.n; i++) {
        if (i == s.n || s.p[i] == '.') {
            if (label == 0 || label > 63 || s.p[i - label] == '-' || s.p[i - 1] == '-') {
                return false;
            }
            label = 0;
        } else if (alnum(s.p[i]) || s.p[i] == '-') {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

/* RFC 2673, 3.2: four decimals without leading zeros. */
static bool ipv4(struct sh_str s)
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        const size_t from = at;
        int v = 0;
        while (at < s.n && digit(s.p[at]) && at - from < 4) {
            v = v * 10 + (s.p[at++] - '0');
        }
        if (at == from || v > 255 || (at - from > 1 && s.p[from] == '0')) {
            return false;
        }
        if (part < 3 && (at >= s.n || s.p[at++] != '.')) {
            return false;
        }
    }
    return at == s.n;
}

/* RFC 4291, 2.2 */
static bool ipv6(struct sh_str s)
{
    size_t at = 0;
    int groups = 0;
    bool gap = false;
    if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
        gap = true;
        at = 2;
    }
    while (at < s.n) {
        const size_t from = at;
        while (at < s.n && hex(s.p[at]) && at - from < 5) {
            at++;
        }
        if (at < s.n && s.p[at] == '.') {
            groups += 2;
            return ipv4(sh_str_sub(s, from, s.n)) && (gap ? groups < 8 : groups == 8);
        }
        if (at == from || at - from > 4) {
            return false;
        }
        groups++;
        if (at == s.n) {
            break;
        }
        if (s.p[at++] != ':' || at == s.n) {
            return false;
        }
        if (s.p[at] == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            at++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* RFC 5321, 4.1.2 Mailbox, ASCII. */
static bool email(struct sh_str s)
{
    const size_t at = sh_str_rfind(s, '@');
    if (at == SIZE_MAX || at == 0 || at > 64) {
        return false;
    }
    const struct sh_str local = sh_str_sub(s, 0, at);
    const struct sh_str dom = sh_str_sub(s, at + 1, s.n);
    if (local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"') {
        for (size_t i = 1; i + 1 < local.n; i++) {
            const bool escaped = local.p[i] == '\\' && i + 2 < local.n;
            i += escaped ? 1 : 0;
            if (local.p[i] < ' ' || local.p[i] > '~' || (!escaped && local.p[i] == '"')) {
                return false;
            }
        }
    } else {
        for (size_t i = 0; i < local.n; i++) {
            const char c = local.p[i];
            const bool edge = i == 0 || i + 1 == local.n || local.p[i - 1] == '.';
            if (c == '.' ? edge : !alnum(c) && (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~", c))) {
                return false;
            }
        }
    }
    if (dom.n > 2 && dom.p[0] == '[' && dom.p[dom.n - 1] == ']') {
        struct sh_str ip = sh_str_sub(dom, 1, dom.n - 1);
        if (ip.n > 5 && sh_str_ieq(sh_str_sub(ip, 0, 5), SH_STR("IPv6:"))) {
            return ipv6(sh_str_sub(ip, 5, ip.n));
        }
        return ipv4(ip);
    }
    return hostname(dom);
}

/* Characters of RFC 3986, percent-encodings whole; brackets only around an address. */
static bool uri_chars(struct sh_str s)
{
    bool fragment = false;
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (c == '%') {
            if (i + 2 >= s.n || !hex(s.p[i + 1]) || !hex(s.p[i + 2])) {
                return false;
            }
            i += 2;
        } else if (c == '#') {
            if (fragment) {
                return false;
            }
            fragment = true;
        } else if (!alnum(c) && (c == '\0' || strchr("-._~:/?@!$&'()*+,;=[]", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static size_t scheme_len(struct sh_str s)
{
    const size_t colon = sh_str_find(s, ':');
    if (colon == SIZE_MAX || colon == 0 || digit(s.p[0]) || !alnum(s.p[0])) {
        return 0;
    }
    for (size_t i = 0; i < colon; i++) {
        if (!alnum(s.p[i]) && s.p[i] != '+' && s.p[i] != '-' && s.p[i] != '.') {
            return 0;
        }
    }
    return colon + 1;
}

/* userinfo@host:port behind "//". */
static bool authority(struct sh_str s)
{
    const size_t user = sh_str_rfind(s, '@');
    struct sh_str host = user == SIZE_MAX ? s : sh_str_sub(s, user + 1, s.n);
    if (user != SIZE_MAX && (sh_str_find(sh_str_sub(s, 0, user), '[') != SIZE_MAX ||
                             sh_str_find(sh_str_sub(s, 0, user), '@') != SIZE_MAX)) {
        return false;
    }
    size_t end;
    if (host.n > 0 && host.p[0] == '[') {
        end = sh_str_find(host, ']');
        if (end == SIZE_MAX || !ipv6(sh_str_sub(host, 1, end))) {
            return false;
        }
        end++;
    } else {
        const size_t colon = sh_str_find(host, ':');
        end = colon == SIZE_MAX ? host.n : colon;
        if (sh_str_find(sh_str_sub(host, 0, end), '[') != SIZE_MAX ||
            sh_str_find(sh_str_sub(host, 0, end), ']') != SIZE_MAX) {
            return false;
        }
    }
    if (end < host.n && host.p[end] != ':') {
        return false;
    }
    for (size_t i = end + 1; i < host.n; i++) {
        if (!digit(host.p[i])) {
            return false;
        }
    }
    return true;
}

static bool uri_rest(struct sh_str s)
{
    size_t from = 0;
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
        size_t end = 2;
        while (end < s.n && s.p[end] != '/' && s.p[end] != '?' && s.p[end] != '#') {
            end++;
        }
        if (!authority(sh_str_sub(s, 2, end))) {
            return false;
        }
        from = end;
    }
    for (size_t i = from; i < s.n; i++) {
        if (s.p[i] == '[' || s.p[i] == ']') {
            return false;
        }
    }
    return true;
}

static bool uri(struct sh_str s)
{
    const size_t n = scheme_len(s);
    return n > 0 && uri_chars(s) && uri_rest(sh_str_sub(s, n, s.n));
}

static bool uri_reference(struct sh_str s)
{
    if (scheme_len(s) > 0) {
        return uri(s);
    }
    const size_t colon = sh_str_find(s, ':');
    const size_t slash = sh_str_find(s, '/');
    const size_t hash = sh_str_find(s, '#');
    const size_t query = sh_str_find(s, '?');
    if (colon != SIZE_MAX && colon < slash && colon < hash && colon < query) {
        return false; /* path-noscheme: no colon in the first segment */
    }
    return uri_chars(s) && uri_rest(s);
}

/* RFC 4122, 3 */
static bool uuid(struct sh_str s)
{
    if (s.n != 36) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : !hex(s.p[i])) {
            return false;
        }
    }
    return true;
}

schema_format *schema_format_find(const char *name, const char **fixed_name)
{
    static const struct {
        const char *name;
        schema_format *fn;
    } formats[] = {
        {"date-time", date_time},         {"date", date}, {"time", time_of_day}, {"email", email},
        {"hostname", hostname},           {"ipv4", ipv4}, {"ipv6", ipv6},        {"uri", uri},
        {"uri-reference", uri_reference}, {"uuid", uuid},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *fixed_name = formats[i].name;
            return formats[i].fn;
        }
    }
    return NULL;
}
