/* Strict JSON scanning.
 * SPDX-License-Identifier: Apache-2.0 */
#include "json_scan.h"

/* A byte that ends the plain part of a string: quote, backslash, control or not ASCII. Eight at a
 * time; the classic tests for a zero byte and for a byte below a limit. */
static bool eight_plain(const char *p)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t high = 0x8080808080808080u;
    uint64_t v;
    memcpy(&v, p, sizeof v);
    const uint64_t quote = v ^ (ones * '"');
    const uint64_t slash = v ^ (ones * '\\');
    const uint64_t hit =
        ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((v - ones * 0x20) & ~v) | v;
    return (hit & high) == 0;
}

static bool hex4(const char *p, const char *end, uint32_t *out)
{
    uint32_t v = 0;
    if (end - p < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const uint32_t lower = (uint32_t)(unsigned char)c | 0x20;
        if (ingest_digit(c)) {
            v = v * 16 + (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            v = v * 16 + (lower - 'a') + 10;
        } else {
            return false;
        }
    }
    *out = v;
    return true;
}

const char *json_string_end(const char *p, const char *end, bool *escaped, const char **bad)
{
    *escaped = false;
    while (p < end) {
        if (end - p >= 8 && eight_plain(p)) {
            p += 8;
            continue;
        }
        const unsigned char c = (unsigned char)*p;
        if (c == '"') {
            return p;
        }
        if (c >= 0x80) {
            uint32_t cp;
            const size_t n = sh_utf8_next(sh_str_of(p, (size_t)(end - p)), &cp);
            if (n == 0) {
                break;
            }
            p += n;
        } else if (c == '\\') {
            uint32_t u;
            *escaped = true;
            if (end - p < 2 || (p[1] == 'u' && !hex4(p + 2, end, &u)) ||
                (p[1] != 'u' && (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL))) {
                break;
            }
            p += p[1] == 'u' ? 6 : 2;
        } else if (c < 0x20) {
            break;
        } else {
            p++;
        }
    }
    *bad = p;
    return NULL;
}

static sh_err put_code_point(struct sh_buf *out, uint32_t cp)
{
    uint8_t b[4];
    size_t n = 0;
    if (cp < 0x80) {
        b[n++] = (uint8_t)cp;
    } else if (cp < 0x800) {
        b[n++] = (uint8_t)(0xC0 | cp >> 6);
        b[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    } else if (cp < 0x10000) {
        b[n++] = (uint8_t)(0xE0 | cp >> 12);
        b[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
        b[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    } else {
        b[n++] = (uint8_t)(0xF0 | cp >> 18);
        b[n++] = (uint8_t)(0x80 | (cp >> 12 & 0x3F));
        b[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
        b[n++] = (uint8_t)(0x80 | (cp & 0x3F));
    }
    return sh_buf_put(out, b, n);
}

/* An escape of four hex digits, with its partner when it is the high half of a pair. */
static const char *unicode(const char *p, const char *to, uint32_t *cp)
{
    uint32_t lowhalf = 0;
    *cp = 0xFFFD;
    if (!hex4(p + 2, to, cp)) {
        return to; /* json_string_end saw four digits: not reached */
    }
    p += 6;
    if (*cp >= 0xD800 && *cp < 0xDC00 && to - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
        hex4(p + 2, to, &lowhalf) && lowhalf >= 0xDC00 && lowhalf < 0xE000) {
        *cp = 0x10000 + ((*cp - 0xD800) << 10) + (lowhalf - 0xDC00);
        p += 6;
    } else if (*cp >= 0xD800 && *cp < 0xE000) {
        *cp = 0xFFFD;
    }
    return p;
}

sh_err json_unescape(struct sh_buf *out, const char *p, const char *to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    while (p < to) {
        const char *slash = memchr(p, '\\', (size_t)(to - p));
        const char *stop = slash == NULL ? to : slash;
        SH_TRY(sh_buf_put(out, p, (size_t)(stop - p)));
        p = stop;
        if (p == to) {
            break;
        }
        if (p[1] == 'u') {
            uint32_t cp;
            p = unicode(p, to, &cp);
            SH_TRY(put_code_point(out, cp));
        } else {
            SH_TRY(sh_buf_put_u8(out, (uint8_t)into[strchr(from, p[1]) - from]));
            p += 2;
        }
    }
    return SH_OK;
}

static const char *skip_word(const char *p, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0) {
            return p + n;
        }
    }
    return NULL;
}

static const char *skip_scalar(const char *p, const char *end, const char **bad, const char **why)
{
    struct ingest_number n;
    bool escaped;
    if (*p == '"') {
        const char *q = json_string_end(p + 1, end, &escaped, bad);
        *why = "the string is not closed, not UTF-8 or has a wrong escape";
        return q == NULL ? NULL : q + 1;
    }
    *bad = p;
    if (*p == '-' || ingest_digit(*p)) {
        *why = "the number is malformed";
        return ingest_number_scan(p, end, true, &n) ? n.to : NULL;
    }
    *why = "a value was expected here";
    return skip_word(p, end);
}

struct skipper {
    const char *p;
    const char *end;
    const char *bad;
    const char *why;
    uint64_t objects; /* bit per level: 1 = object */
    int depth;
};

/* "key": of an object; s->p is at the key. */
static bool skip_key(struct skipper *s)
{
    bool escaped;
    s->why = "a key in quotes was expected here";
    s->bad = s->p;
    if (s->p == s->end || *s->p != '"') {
        return false;
    }
    const char *q = json_string_end(s->p + 1, s->end, &escaped, &s->bad);
    if (q == NULL) {
        return false;
    }
    s->p = json_space(q + 1, s->end);
    s->why = "':' was expected here";
    s->bad = s->p;
    if (s->p == s->end || *s->p != ':') {
        return false;
    }
    s->p = json_space(s->p + 1, s->end);
    return true;
}

/* Behind a value: closes levels and passes a comma. False: mistake. *done: the outermost ended. */
static bool skip_after(struct skipper *s, bool *done)
{
    for (;;) {
        *done = s->depth == 0;
        if (*done) {
            return true;
        }
        s->p = json_space(s->p, s->end);
        const bool object = (s->objects >> s->depth & 1) != 0;
        s->bad = s->p;
        s->why = object ? "',' or '}' was expected here" : "',' or ']' was expected here";
        if (s->p == s->end) {
            return false;
        }
        if (*s->p == ',') {
            s->p = json_space(s->p + 1, s->end);
            return !object || skip_key(s);
        }
        if (*s->p != (object ? '}' : ']')) {
            return false;
        }
        s->p++;
        s->depth--;
    }
}

/* At '{' or '['. *empty: it was closed at once. */
static bool skip_open(struct skipper *s, bool *empty)
{
    const bool object = *s->p == '{';
    *empty = false;
    if (s->depth == SH_INGEST_MAX_DEPTH) {
        s->why = "nested too deeply";
        s->bad = s->p;
        return false;
    }
    s->depth++;
    s->objects &= ~((uint64_t)1 << s->depth);
    s->objects |= (uint64_t)(object ? 1 : 0) << s->depth;
    s->p = json_space(s->p + 1, s->end);
    if (s->p < s->end && *s->p == (object ? '}' : ']')) {
        s->p++;
        s->depth--;
        *empty = true;
        return true;
    }
    return !object || skip_key(s);
}

const char *json_skip(const char *p, const char *end, const char **bad, const char **why)
{
    struct skipper s = {.p = p, .end = end, .bad = p, .why = "a value was expected here"};
    bool done = false;
    while (!done) {
        bool whole = true;
        if (s.p == s.end) {
            s.bad = s.p;
            s.why = "the document ends too early";
            break;
        }
        if (*s.p == '{' || *s.p == '[') {
            if (!skip_open(&s, &whole)) {
                break;
            }
        } else {
            const char *q = skip_scalar(s.p, s.end, &s.bad, &s.why);
            if (q == NULL) {
                break;
            }
            s.p = q;
        }
        if (whole && !skip_after(&s, &done)) {
            break;
        }
    }
    *bad = s.bad;
    *why = s.why;
    return done ? s.p : NULL;
}
