/* mqtt_topic.c - topic names and filters: validity, matching, shared subscriptions.
 * Specification: 5.0, 1.5.4, 4.7 and 4.8.2.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/mqtt_codec.h>

enum { TOPIC_MAX = 65535 };

bool mqtt_string_valid(struct sh_str s)
{
    size_t i = 0;
    while (i < s.n && (uint8_t)(s.p[i] - 1) < 0x7f) {
        i++;
    }
    if (i == s.n) {
        return true;
    }
    return memchr(s.p + i, 0, s.n - i) == NULL && sh_utf8_valid(s);
}

bool mqtt_topic_valid(struct sh_str topic)
{
    if (topic.n == 0 || topic.n > TOPIC_MAX) {
        return false;
    }
    bool ascii = true;
    for (size_t i = 0; i < topic.n; i++) {
        const uint8_t c = (uint8_t)topic.p[i];
        if (c == '+' || c == '#' || c == 0) {
            return false;
        }
        ascii = ascii && c < 0x80;
    }
    return ascii || sh_utf8_valid(topic);
}

bool mqtt_filter_valid(struct sh_str f)
{
    if (f.n == 0 || f.n > TOPIC_MAX || !mqtt_string_valid(f)) {
        return false;
    }
    for (size_t i = 0; i < f.n; i++) {
        if (f.p[i] != '+' && f.p[i] != '#') {
            continue;
        }
        const bool starts = i == 0 || f.p[i - 1] == '/';
        const bool ends = i + 1 == f.n || f.p[i + 1] == '/';
        if (!starts || !ends || (f.p[i] == '#' && i + 1 != f.n)) {
            return false;
        }
    }
    return true;
}

sh_err mqtt_share_split(struct sh_str s, struct sh_str *group, struct sh_str *filter)
{
    static const char prefix[] = "$share/";
    const size_t n = sizeof prefix - 1;
    if (s.n < n - 1 || memcmp(s.p, prefix, n - 1) != 0 || (s.n >= n && s.p[n - 1] != '/')) {
        return SH_E_NOTFOUND;
    }
    if (s.n < n) {
        return SH_E_PROTO; /* "$share" alone */
    }
    struct sh_str rest = {NULL, 0};
    const struct sh_str name = sh_str_cut(sh_str_sub(s, n, s.n), '/', &rest);
    if (name.n == 0 || rest.p == NULL || rest.n == 0 || memchr(name.p, '+', name.n) != NULL ||
        memchr(name.p, '#', name.n) != NULL) {
        return SH_E_PROTO;
    }
    *group = name;
    *filter = rest;
    return SH_OK;
}

bool mqtt_topic_matches(struct sh_str filter, struct sh_str topic)
{
    if (topic.n > 0 && topic.p[0] == '$' && (filter.n == 0 || filter.p[0] != '$')) {
        return false;
    }
    struct sh_str f = filter;
    struct sh_str t = topic;
    while (f.p != NULL) {
        struct sh_str frest = {NULL, 0};
        const struct sh_str fl = sh_str_cut(f, '/', &frest);
        if (sh_str_eqc(fl, "#")) {
            return true;
        }
        if (t.p == NULL) {
            return false;
        }
        struct sh_str trest = {NULL, 0};
        const struct sh_str tl = sh_str_cut(t, '/', &trest);
        if (!sh_str_eqc(fl, "+") && !sh_str_eq(fl, tl)) {
            return false;
        }
        f = frest;
        t = trest;
    }
    return t.p == NULL;
}

size_t mqtt_topic_levels(struct sh_str topic)
{
    size_t n = 1;
    for (size_t i = 0; i < topic.n; i++) {
        n += topic.p[i] == '/';
    }
    return n;
}
