/* bytes.c - operations on borrowed strings.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/bytes.h>

int sh_str_cmp(struct sh_str a, struct sh_str b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (c != 0) {
        return c;
    }
    return a.n < b.n ? -1 : (a.n > b.n ? 1 : 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool sh_str_ieq(struct sh_str a, struct sh_str b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool sh_str_starts(struct sh_str s, struct sh_str prefix)
{
    return s.n >= prefix.n && sh_str_eq(sh_str_of(s.p, prefix.n), prefix);
}

bool sh_str_ends(struct sh_str s, struct sh_str suffix)
{
    if (s.n < suffix.n) {
        return false;
    }
    return suffix.n == 0 || sh_str_eq(sh_str_of(s.p + (s.n - suffix.n), suffix.n), suffix);
}

size_t sh_str_find(struct sh_str s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.p);
}

size_t sh_str_rfind(struct sh_str s, char c)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == c) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

struct sh_str sh_str_sub(struct sh_str s, size_t from, size_t to)
{
    if (to > s.n) {
        to = s.n;
    }
    if (from > to) {
        from = to;
    }
    return s.p == NULL ? s : sh_str_of(s.p + from, to - from);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

struct sh_str sh_str_trim(struct sh_str s)
{
    while (s.n > 0 && blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

struct sh_str sh_str_cut(struct sh_str s, char sep, struct sh_str *rest)
{
    const size_t at = sh_str_find(s, sep);
    if (at == SIZE_MAX) {
        *rest = (struct sh_str){NULL, 0};
        return s;
    }
    *rest = sh_str_of(s.p + at + 1, s.n - at - 1);
    return sh_str_of(s.p, at);
}

bool sh_bytes_eq_ct(struct sh_bytes a, struct sh_bytes b)
{
    if (a.n != b.n) {
        return false;
    }
    uint8_t diff = 0;
    for (size_t i = 0; i < a.n; i++) {
        diff = (uint8_t)(diff | (a.p[i] ^ b.p[i]));
    }
    return diff == 0;
}
