/* json.c - streaming writer and bounded parsing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include <sh/json.h>
#include <sh/text.h>

enum { JSON_MAX_DEPTH = 64 };

void sh_jw_init(struct sh_jw *w, struct sh_buf *out)
{
    *w = (struct sh_jw){.out = out};
}

static void put(struct sh_jw *w, const char *p, size_t n)
{
    if (w->err == SH_OK) {
        w->err = sh_buf_put(w->out, p, n);
    }
}

static void before(struct sh_jw *w)
{
    if (w->comma) {
        put(w, ",", 1);
    }
    w->comma = true;
}

static void open_level(struct sh_jw *w, char c)
{
    before(w);
    put(w, &c, 1);
    w->comma = false;
}

static void close_level(struct sh_jw *w, char c)
{
    put(w, &c, 1);
    w->comma = true;
}

void sh_jw_obj(struct sh_jw *w)
{
    open_level(w, '{');
}

void sh_jw_obj_end(struct sh_jw *w)
{
    close_level(w, '}');
}

void sh_jw_arr(struct sh_jw *w)
{
    open_level(w, '[');
}

void sh_jw_arr_end(struct sh_jw *w)
{
    close_level(w, ']');
}

static void put_escape(struct sh_jw *w, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    char esc[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    size_t n = 6;
    const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
    if (c == '"' || c == '\\') {
        esc[1] = (char)c;
        n = 2;
    } else if (c != '\0' && at != NULL && c < 0x20) {
        esc[1] = at[1];
        n = 2;
    }
    put(w, esc, n);
}

static void put_quoted(struct sh_jw *w, struct sh_str s)
{
    put(w, "\"", 1);
    size_t from = 0;
    size_t i = 0;
    while (i < s.n) {
        const uint8_t c = (uint8_t)s.p[i];
        uint32_t cp;
        const size_t len = c < 0x80 ? 1 : sh_utf8_next(sh_str_of(s.p + i, s.n - i), &cp);
        if (len != 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        put(w, s.p + from, i - from);
        if (len == 0) {
            put(w, "\xef\xbf\xbd", 3);
        } else {
            put_escape(w, c);
        }
        i++;
        from = i;
    }
    if (s.n > from) {
        put(w, s.p + from, s.n - from);
    }
    put(w, "\"", 1);
}

void sh_jw_key_str(struct sh_jw *w, struct sh_str key)
{
    before(w);
    put_quoted(w, key);
    put(w, ":", 1);
    w->comma = false;
}

void sh_jw_key(struct sh_jw *w, const char *key)
{
    sh_jw_key_str(w, sh_str_c(key));
}

void sh_jw_str(struct sh_jw *w, struct sh_str s)
{
    before(w);
    put_quoted(w, s);
}

void sh_jw_c(struct sh_jw *w, const char *s)
{
    if (s == NULL) {
        sh_jw_null(w);
    } else {
        sh_jw_str(w, sh_str_c(s));
    }
}

void sh_jw_i64(struct sh_jw *w, int64_t v)
{
    char t[SH_I64_CHARS];
    before(w);
    put(w, t, sh_i64_print(v, t));
}

void sh_jw_u64(struct sh_jw *w, uint64_t v)
{
    char t[SH_I64_CHARS];
    before(w);
    put(w, t, sh_u64_print(v, t));
}

void sh_jw_f64(struct sh_jw *w, double v)
{
    char t[SH_F64_CHARS];
    const size_t n = sh_f64_print(v, t);
    before(w);
    if (isfinite(v)) {
        put(w, t, n);
    } else {
        put_quoted(w, sh_str_of(t, n));
    }
}

void sh_jw_bool(struct sh_jw *w, bool v)
{
    before(w);
    put(w, v ? "true" : "false", v ? 4 : 5);
}

void sh_jw_null(struct sh_jw *w)
{
    before(w);
    put(w, "null", 4);
}

void sh_jw_time(struct sh_jw *w, int64_t time_us)
{
    char t[SH_TIME_CHARS];
    const size_t n = sh_time_print(time_us, t);
    before(w);
    put_quoted(w, sh_str_of(t, n));
}

void sh_jw_raw(struct sh_jw *w, struct sh_str json)
{
    before(w);
    put(w, json.p, json.n);
}

static void put_object(struct sh_jw *w, const json_t *v)
{
    union {
        const json_t *in;
        json_t *out;
    } m = {.in = v}; /* jansson's iterators take a mutable object but do not change it */
    sh_jw_obj(w);
    for (void *it = json_object_iter(m.out); it != NULL; it = json_object_iter_next(m.out, it)) {
        sh_jw_key(w, json_object_iter_key(it));
        sh_jw_json(w, json_object_iter_value(it));
    }
    sh_jw_obj_end(w);
}

void sh_jw_json(struct sh_jw *w, const json_t *v)
{
    if (v == NULL) {
        sh_jw_null(w);
        return;
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        put_object(w, v);
        break;
    case JSON_ARRAY:
        sh_jw_arr(w);
        for (size_t i = 0; i < json_array_size(v); i++) {
            sh_jw_json(w, json_array_get(v, i));
        }
        sh_jw_arr_end(w);
        break;
    case JSON_STRING:
        sh_jw_str(w, sh_str_of(json_string_value(v), json_string_length(v)));
        break;
    case JSON_INTEGER:
        sh_jw_i64(w, json_integer_value(v));
        break;
    case JSON_REAL: {
        /* A real stays a real when it is read again: 1.0, not 1. */
        char t[SH_F64_CHARS + 2];
        size_t n = sh_f64_print(json_real_value(v), t);
        if (memchr(t, '.', n) == NULL && memchr(t, 'e', n) == NULL) {
            t[n++] = '.';
            t[n++] = '0';
        }
        sh_jw_raw(w, sh_str_of(t, n));
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        sh_jw_bool(w, json_is_true(v));
        break;
    case JSON_NULL:
    default:
        sh_jw_null(w);
        break;
    }
}

sh_err sh_jw_end(struct sh_jw *w)
{
    return w->err;
}

/* jansson's own limit of depth is 2048: more stack than we grant. */
static bool too_deep(struct sh_str text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_MAX_DEPTH) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* Text for jansson, in pieces. Its lexer drops a character when its buffer cannot grow, and says
 * nothing: the failed allocation has left ENOMEM in errno, where reading the next number clears it.
 * So a piece ends where a string ends, and before what ends a number, and none is given after a
 * failure. */
struct pieces {
    struct sh_str rest;
    bool failed; /* ENOMEM was seen; the number that was cut off has cleared it since */
};

static bool ends_number(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t piece_len(struct sh_str s)
{
    size_t n = s.n > 0 ? 1 : 0;
    while (n < s.n && s.p[n - 1] != '"' && !ends_number(s.p[n])) {
        n++;
    }
    return n;
}

static size_t next_piece(void *to, size_t room, void *ctx)
{
    struct pieces *p = ctx;
    if (errno == ENOMEM) {
        p->failed = true;
        return 0;
    }
    size_t n = piece_len(p->rest);
    n = n < room ? n : room;
    if (n > 0) {
        memcpy(to, p->rest.p, n);
        p->rest = sh_str_sub(p->rest, n, p->rest.n);
    }
    return n;
}

sh_err sh_json_parse(struct sh_str text, size_t max, json_t **out, struct sh_diag *diag)
{
    if (text.n > max) {
        sh_diag_set(diag, "the document has %zu bytes, the limit is %zu", text.n, max);
        return SH_E_LIMIT;
    }
    if (too_deep(text)) {
        sh_diag_set(diag, "nested deeper than %d levels", JSON_MAX_DEPTH);
        return SH_E_LIMIT;
    }
    json_error_t e;
    struct pieces p = {.rest = text};
    errno = 0;
    json_t *v = json_load_callback(next_piece, &p, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (errno == ENOMEM || p.failed ||
        (v == NULL && e.text[0] == '\0')) { /* jansson has no words for it */
        json_decref(v);
        sh_diag_set(diag, "memory is short");
        return SH_E_NOMEM;
    }
    if (v == NULL) {
        sh_diag_set(diag, "not valid JSON: %s (line %d, column %d)", e.text, e.line, e.column);
        if (diag != NULL) {
            diag->line = e.line;
        }
        return SH_E_PROTO;
    }
    *out = v;
    return SH_OK;
}

struct sh_str sh_json_get_str(const json_t *obj, const char *key)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_string(v) ? sh_str_of(json_string_value(v), json_string_length(v))
                             : (struct sh_str){NULL, 0};
}

int64_t sh_json_get_i64(const json_t *obj, const char *key, int64_t dflt)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

double sh_json_get_f64(const json_t *obj, const char *key, double dflt)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_number(v) ? json_number_value(v) : dflt;
}

bool sh_json_get_bool(const json_t *obj, const char *key, bool dflt)
{
    const json_t *v = json_object_get(obj, key);
    return json_is_boolean(v) ? json_is_true(v) : dflt;
}
