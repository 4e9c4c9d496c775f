/* schema_uri.c - reference resolution (RFC 3986, 5.2). Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "schema_int.h"

/* scheme ":" [ "//" authority ] path [ "?" query ]; each part with its marks; may be empty. */
struct uri {
    struct sh_str scheme;
    struct sh_str authority;
    struct sh_str path;
    struct sh_str query;
};

static size_t scheme_len(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == ':') {
            return i == 0 ? 0 : i + 1;
        }
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) {
            return 0;
        }
    }
    return 0;
}

static struct uri split(struct sh_str s)
{
    struct uri u;
    const size_t n = scheme_len(s);
    u.scheme = sh_str_sub(s, 0, n);
    s = sh_str_sub(s, n, s.n);
    size_t a = 0;
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
        a = 2;
        while (a < s.n && s.p[a] != '/' && s.p[a] != '?') {
            a++;
        }
    }
    u.authority = sh_str_sub(s, 0, a);
    s = sh_str_sub(s, a, s.n);
    const size_t q = sh_str_find(s, '?');
    u.path = q == SIZE_MAX ? s : sh_str_sub(s, 0, q);
    u.query = q == SIZE_MAX ? sh_str_sub(s, s.n, s.n) : sh_str_sub(s, q, s.n);
    return u;
}

/* 5.2.4, in place; returns the new length. */
static size_t remove_dots(char *p, size_t n)
{
    size_t out = 0;
    size_t i = 0;
    while (i < n) {
        size_t end = i + 1;
        while (end < n && p[end] != '/') {
            end++;
        }
        const struct sh_str seg = {p + i, end - i};
        const bool last = end == n;
        if (sh_str_eqc(seg, "/.") || sh_str_eqc(seg, "/..")) {
            if (seg.n == 3) {
                while (out > 0 && p[--out] != '/') {
                }
            }
            if (last) {
                p[out++] = '/';
            }
        } else {
            memmove(p + out, seg.p, seg.n);
            out += seg.n;
        }
        i = end;
    }
    return out;
}

static struct sh_str merge_path(struct sh_arena *ar, const struct uri *base, struct sh_str rel)
{
    const size_t slash = sh_str_rfind(base->path, '/');
    struct sh_str dir = sh_str_sub(base->path, 0, slash == SIZE_MAX ? 0 : slash + 1);
    if (base->authority.n > 0 && base->path.n == 0) {
        dir = SH_STR("/");
    }
    return sh_arena_printf(ar, "%.*s%.*s", SH_PRI(dir), SH_PRI(rel));
}

struct sh_str schema_uri_join(struct sh_arena *ar, struct sh_str base, struct sh_str ref,
                              struct sh_str *fragment)
{
    const size_t hash = sh_str_find(ref, '#');
    *fragment = (struct sh_str){NULL, 0};
    if (hash != SIZE_MAX) {
        *fragment = sh_str_sub(ref, hash + 1, ref.n);
        ref = sh_str_sub(ref, 0, hash);
    }
    if (ref.n == 0) {
        return sh_arena_str(ar, base);
    }
    struct uri r = split(ref);
    const struct uri b = split(base);
    if (r.scheme.n == 0) {
        r.scheme = b.scheme;
        if (r.authority.n == 0) {
            r.authority = b.authority;
            if (r.path.n == 0) {
                r.path = b.path;
                r.query = r.query.n == 0 ? b.query : r.query;
            } else if (r.path.p[0] != '/') {
                r.path = merge_path(ar, &b, r.path);
            }
        }
    }
    struct sh_str path = sh_arena_str(ar, r.path);
    if (path.p == NULL) {
        return path;
    }
    if (path.n > 0 && path.p[0] == '/') {
        /* the arena's block is ours to change */
        path.n = remove_dots((char *)(uintptr_t)path.p, path.n);
    }
    return sh_arena_printf(ar, "%.*s%.*s%.*s%.*s", SH_PRI(r.scheme), SH_PRI(r.authority),
                           SH_PRI(path), SH_PRI(r.query));
}
