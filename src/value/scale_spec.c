/* Engineering values: the JSON of a thing model's property, checked and compiled.
 *
 * Invariants of a compiled scale
 *  1. c > 0; when `whole`, a, b and c are whole numbers below 2^53 in magnitude.
 *  2. raw_type is the type of the cells that come in, type of those that go out; words exist only
 *     where one of them is text and the other is not.
 *  3. words are sorted by number, by_text by text; numbers and texts are each unique.
 *  4. lo <= hi where `check`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scale_int.h"

#include <math.h>

static const double two53 = 9007199254740992.0;

enum { MAX_DIGITS = 15 };

/* A number as m * 10^e with a whole m; false when it has more digits than are safe. */
struct decimal {
    double m;
    int e;
};

static bool decimal_of(double v, struct decimal *out)
{
    char text[SH_F64_CHARS];
    const size_t n = sh_f64_print(v, text);
    *out = (struct decimal){0, 0};
    int digits = 0;
    size_t i = text[0] == '-' ? 1 : 0;
    bool point = false;
    for (; i < n && text[i] != 'e'; i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') {
            return false; /* not finite */
        }
        out->m = out->m * 10 + (text[i] - '0');
        out->e -= point ? 1 : 0;
        digits += out->m != 0 ? 1 : 0;
    }
    if (i < n) {
        int64_t e = 0;
        const size_t from = i + 1 + (i + 1 < n && text[i + 1] == '+' ? 1 : 0);
        if (sh_i64_parse(sh_str_of(text + from, n - from), &e) != SH_OK) {
            return false;
        }
        out->e += (int)e;
    }
    while (out->m != 0 && fmod(out->m, 10) == 0) {
        out->m /= 10;
        out->e++;
        digits--;
    }
    out->m = text[0] == '-' ? -out->m : out->m;
    out->e = out->m == 0 ? 0 : out->e;
    return digits <= MAX_DIGITS && out->e >= -MAX_DIGITS && out->e <= MAX_DIGITS;
}

static double ten(int n)
{
    double r = 1;
    for (int i = 0; i < n; i++) {
        r *= 10; /* exact to 10^22; callers stay below 10^31 and check the product */
    }
    return r;
}

static bool fits(double v)
{
    return v < two53 && v > -two53;
}

static int low(int a, int b)
{
    return a < b ? a : b;
}

static double common(double a, double b)
{
    uint64_t x = (uint64_t)fabs(a);
    uint64_t y = (uint64_t)fabs(b);
    while (y != 0) {
        const uint64_t t = x % y;
        x = y;
        y = t;
    }
    return x == 0 ? 1.0 : (double)x;
}

/* Takes whole a, b, c if all fit; reduces them. */
static bool take_whole(struct sh_scale *s, double a, double b, double c)
{
    if (!fits(a) || !fits(b) || !fits(c) || c == 0) {
        return false;
    }
    const double g = common(common(a, b), c) * (c < 0 ? -1 : 1);
    s->a = a / g;
    s->b = b / g;
    s->c = c / g;
    s->whole = true;
    return true;
}

static void compile_factor(struct sh_scale *s, double factor, double offset)
{
    struct decimal f;
    struct decimal o;
    s->linear = factor != 1 || offset != 0;
    if (decimal_of(factor, &f) && decimal_of(offset, &o)) {
        const int k = low(low(f.e, o.e), 0);
        if (take_whole(s, f.m * ten(f.e - k), o.m * ten(o.e - k), ten(-k))) {
            return;
        }
    }
    s->a = factor;
    s->b = offset;
    s->c = 1;
}

static void compile_range(struct sh_scale *s, const double raw[2], const double eng[2])
{
    struct decimal d[4];
    s->linear = raw[0] != eng[0] || raw[1] != eng[1];
    if (decimal_of(raw[0], &d[0]) && decimal_of(raw[1], &d[1]) && decimal_of(eng[0], &d[2]) &&
        decimal_of(eng[1], &d[3])) {
        const int kr = low(low(d[0].e, d[1].e), 0);
        const int ke = low(low(d[2].e, d[3].e), 0);
        const double r0 = d[0].m * ten(d[0].e - kr);
        const double r1 = d[1].m * ten(d[1].e - kr);
        const double e0 = d[2].m * ten(d[2].e - ke);
        const double e1 = d[3].m * ten(d[3].e - ke);
        if (fits(r0) && fits(r1) && fits(e0) && fits(e1) && fits(e0 * (r1 - r0)) &&
            fits(r0 * (e1 - e0)) &&
            take_whole(s, ten(-kr) * (e1 - e0), e0 * (r1 - r0) - r0 * (e1 - e0),
                       ten(-ke) * (r1 - r0))) {
            return;
        }
    }
    const double sign = raw[1] < raw[0] ? -1 : 1;
    s->c = (raw[1] - raw[0]) * sign;
    s->a = (eng[1] - eng[0]) * sign;
    s->b = eng[0] * s->c - raw[0] * s->a;
}

struct compiler {
    const json_t *spec;
    struct sh_scale *s;
    struct sh_diag *diag;
};

static sh_err bad(struct compiler *k, const char *key, const char *what)
{
    char path[64];
    size_t n = strlen(key);
    n = n > sizeof path - 1 ? sizeof path - 1 : n;
    path[0] = '/';
    memcpy(path + 1, key, n); /* NOLINT: a length, not a terminator */
    sh_diag_at(k->diag, sh_str_of(path, n + (key[0] == '\0' ? 0 : 1)), 0);
    sh_diag_set(k->diag, "%s", what);
    return SH_E_INVAL;
}

static sh_err known_members(struct compiler *k)
{
    static const char *const known[] = {"raw",   "bit",      "mask",    "bcd",   "raw_range",
                                        "range", "factor",   "offset",  "clamp", "limits",
                                        "words", "encoding", "keep_raw"};
    if (!json_is_object(k->spec)) {
        return bad(k, "", "\"scale\" must be an object");
    }
    /* jansson's iterators want a non-const object but do not change it */
    for (void *it = json_object_iter((json_t *)(uintptr_t)k->spec); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)k->spec, it)) {
        const char *key = json_object_iter_key(it);
        const json_t *value = json_object_iter_value(it);
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(key, known[i]) == 0;
        }
        if (!found || json_is_null(value)) {
            return bad(k, key, found ? "null is no value; leave the member out" : "unknown member");
        }
    }
    return SH_OK;
}

static sh_err pair(struct compiler *k, const char *key, double out[2], bool *there)
{
    const json_t *v = json_object_get(k->spec, key);
    *there = v != NULL;
    if (v == NULL) {
        return SH_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *e = json_array_get(v, i);
        if (json_array_size(v) != 2 || !json_is_number(e)) {
            return bad(k, key, "must be [number, number]");
        }
        out[i] = json_number_value(e);
    }
    return out[0] == out[1] ? bad(k, key, "the two ends must differ") : SH_OK;
}

static sh_err scalar(struct compiler *k, const char *key, double *out, bool *there)
{
    const json_t *v = json_object_get(k->spec, key);
    *there = v != NULL;
    if (v != NULL && !json_is_number(v)) {
        return bad(k, key, "must be a number");
    }
    *out = v == NULL ? *out : json_number_value(v);
    return SH_OK;
}

static sh_err flag(struct compiler *k, const char *key, bool *out)
{
    const json_t *v = json_object_get(k->spec, key);
    if (v != NULL && !json_is_boolean(v)) {
        return bad(k, key, "must be true or false");
    }
    *out = v != NULL && json_is_true(v);
    return SH_OK;
}

static sh_err compile_raw(struct compiler *k)
{
    struct sh_scale *s = k->s;
    const json_t *v = json_object_get(k->spec, "raw");
    static const enum sh_raw dflt[] = {[SH_T_BOOL] = SH_RAW_BOOL,
                                       [SH_T_I64] = SH_RAW_I64,
                                       [SH_T_F64] = SH_RAW_F64,
                                       [SH_T_TEXT] = SH_RAW_TEXT};
    if (s->type == SH_T_BLOB) {
        return bad(k, "", "a blob cannot be scaled");
    }
    s->raw = v == NULL ? dflt[s->type] : sh_raw_parse(sh_str_c(json_string_value(v)));
    if (s->raw == 0) {
        return bad(k, "raw",
                   "must be bool, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 or text");
    }
    s->raw_type = value_raws[s->raw - SH_RAW_BOOL].type;
    return SH_OK;
}

static sh_err compile_bits(struct compiler *k)
{
    struct sh_scale *s = k->s;
    const json_t *bit = json_object_get(k->spec, "bit");
    const json_t *mask = json_object_get(k->spec, "mask");
    SH_TRY(flag(k, "bcd", &s->bcd));
    if (bit != NULL && mask != NULL) {
        return bad(k, "bit", "\"bit\" and \"mask\" exclude each other");
    }
    if (bit != NULL) {
        const json_int_t n = json_integer_value(bit);
        if (!json_is_integer(bit) || n < 0 || n > 63) {
            return bad(k, "bit", "must be 0 to 63");
        }
        s->mask = (uint64_t)1 << n;
        s->shift = (uint8_t)n;
    }
    if (mask != NULL) {
        s->mask = (uint64_t)json_integer_value(mask);
        if (!json_is_integer(mask) || s->mask == 0) {
            return bad(k, "mask", "must be an integer other than 0");
        }
        while (((s->mask >> s->shift) & 1) == 0) {
            s->shift++;
        }
    }
    if ((s->mask != 0 || s->bcd) && s->raw_type != SH_T_I64) {
        return bad(k, "raw", "bits and BCD need an integer \"raw\" type");
    }
    return SH_OK;
}

static sh_err compile_linear(struct compiler *k)
{
    struct sh_scale *s = k->s;
    double raw[2];
    double eng[2];
    double factor = 1;
    double offset = 0;
    bool has_raw;
    bool has_eng;
    bool has_factor;
    bool has_offset;
    bool has_limits;
    SH_TRY(pair(k, "raw_range", raw, &has_raw));
    SH_TRY(pair(k, "range", eng, &has_eng));
    SH_TRY(scalar(k, "factor", &factor, &has_factor));
    SH_TRY(scalar(k, "offset", &offset, &has_offset));
    SH_TRY(flag(k, "clamp", &s->clamp));
    if (has_raw != has_eng) {
        return bad(k, has_raw ? "range" : "raw_range", "\"raw_range\" and \"range\" go together");
    }
    if (has_raw && (has_factor || has_offset)) {
        return bad(k, has_factor ? "factor" : "offset", "not together with \"raw_range\"");
    }
    if (factor == 0) {
        return bad(k, "factor", "must not be 0");
    }
    s->c = 1;
    s->a = 1;
    if (has_raw) {
        compile_range(s, raw, eng);
    } else {
        compile_factor(s, factor, offset);
    }
    double lim[2];
    SH_TRY(pair(k, "limits", lim, &has_limits));
    if (has_limits && has_raw) {
        return bad(k, "limits", "not together with \"range\", which checks already");
    }
    if (has_limits || has_raw) {
        const double *r = has_raw ? eng : lim;
        s->check = true;
        s->lo = r[0] < r[1] ? r[0] : r[1];
        s->hi = r[0] < r[1] ? r[1] : r[0];
    } else if (s->clamp) {
        return bad(k, "clamp", "needs \"range\" or \"limits\"");
    }
    const bool number = s->type == SH_T_F64 || s->type == SH_T_I64;
    if ((s->linear || s->check) && (!number || s->raw_type == SH_T_TEXT)) {
        return bad(k, "", "only numbers have ranges, factors and limits");
    }
    return SH_OK;
}

static sh_err compile_text(struct compiler *k)
{
    const json_t *v = json_object_get(k->spec, "encoding");
    const char *name = json_string_value(v);
    if (v == NULL) {
        return SH_OK;
    }
    if (k->s->raw_type != SH_T_TEXT) {
        return bad(k, "encoding", "needs \"raw\": \"text\"");
    }
    if (name == NULL || (strcmp(name, "gbk") != 0 && strcmp(name, "utf-8") != 0)) {
        return bad(k, "encoding", "must be \"utf-8\" or \"gbk\"");
    }
    k->s->gbk = strcmp(name, "gbk") == 0;
    return SH_OK;
}

/* Insertion sorts: at most 256 words, once. */
static sh_err sort_words(struct compiler *k, struct sh_scale_word *w, uint16_t *by)
{
    const uint32_t n = k->s->nwords;
    for (uint32_t i = 1; i < n; i++) {
        const struct sh_scale_word x = w[i];
        uint32_t j = i;
        for (; j > 0 && w[j - 1].number > x.number; j--) {
            w[j] = w[j - 1];
        }
        w[j] = x;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = i;
        for (; j > 0 &&
               sh_str_cmp(value_word_text(k->s, &w[by[j - 1]]), value_word_text(k->s, &w[i])) > 0;
             j--) {
            by[j] = by[j - 1];
        }
        by[j] = (uint16_t)i;
    }
    for (uint32_t i = 1; i < n; i++) {
        if (w[i].number == w[i - 1].number) {
            return bad(k, "words", "a number occurs twice");
        }
        if (k->s->raw == SH_RAW_TEXT &&
            sh_str_eq(value_word_text(k->s, &w[by[i]]), value_word_text(k->s, &w[by[i - 1]]))) {
            return bad(k, "words", "a word occurs twice");
        }
    }
    return SH_OK;
}

static sh_err fill_words(struct compiler *k, json_t *obj, struct sh_scale_word *w, char *text)
{
    uint32_t off = 0;
    uint32_t n = 0;
    for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
        const json_t *v = json_object_iter_value(it);
        const size_t len = json_string_length(v);
        if (!json_is_string(v) || len == 0 || len > SH_SCALE_MAX_WORD_BYTES) {
            return bad(k, "words", "a word has 1 to 64 bytes");
        }
        if (sh_i64_parse(sh_str_c(json_object_iter_key(it)), &w[n].number) != SH_OK) {
            return bad(k, "words", "the keys are integers in quotes");
        }
        memcpy(text + off, json_string_value(v), len);
        w[n].off = off;
        w[n].len = (uint32_t)len;
        off += (uint32_t)len;
        n++;
    }
    return SH_OK;
}

static sh_err compile_words(struct compiler *k)
{
    struct sh_scale *s = k->s;
    json_t *obj = json_object_get(k->spec, "words");
    if (obj == NULL) {
        if ((s->type == SH_T_TEXT) != (s->raw_type == SH_T_TEXT) && s->type == SH_T_TEXT) {
            return bad(k, "words", "a number becomes text by \"words\" only");
        }
        return SH_OK;
    }
    const size_t n = json_object_size(obj);
    if (!json_is_object(obj) || n == 0 || n > SH_SCALE_MAX_WORDS) {
        return bad(k, "words", "must be an object of 1 to 256 members");
    }
    const bool out = s->type == SH_T_TEXT && s->raw_type != SH_T_TEXT;
    const bool in = s->raw_type == SH_T_TEXT && (s->type == SH_T_I64 || s->type == SH_T_BOOL);
    if (!out && !in) {
        return bad(k, "words", "need a text point with a number as \"raw\", or the reverse");
    }
    /* One block each, sized for the most, freed by sh_scale_free. */
    struct sh_scale_word *w = sh_mem_array(s->alloc, n, sizeof *w);
    uint16_t *by = sh_mem_array(s->alloc, n, sizeof *by);
    char *text = sh_mem_array(s->alloc, n, SH_SCALE_MAX_WORD_BYTES);
    s->words = w;
    s->by_text = by;
    s->text = text;
    if (w == NULL || by == NULL || text == NULL) {
        return SH_E_NOMEM;
    }
    SH_TRY(fill_words(k, obj, w, text));
    s->nwords = (uint32_t)n;
    return sort_words(k, w, by);
}

sh_err sh_scale_new(const struct sh_alloc *a, const json_t *spec, enum sh_type type,
                    struct sh_scale **out, struct sh_diag *diag)
{
    *out = NULL;
    if (spec == NULL || json_is_null(spec)) {
        return SH_OK;
    }
    struct sh_scale *s = sh_mem_new(a, sizeof *s);
    if (s == NULL) {
        return SH_E_NOMEM;
    }
    s->alloc = a;
    s->type = type;
    struct compiler k = {spec, s, diag};
    sh_err e = known_members(&k);
    e = e == SH_OK ? compile_raw(&k) : e;
    e = e == SH_OK ? compile_bits(&k) : e;
    e = e == SH_OK ? compile_linear(&k) : e;
    e = e == SH_OK ? compile_text(&k) : e;
    e = e == SH_OK ? compile_words(&k) : e;
    e = e == SH_OK ? flag(&k, "keep_raw", &s->keep_raw) : e;
    if (e != SH_OK) {
        sh_scale_free(s);
        return e;
    }
    *out = s;
    return SH_OK;
}

/* The blocks are ours; const only hides them from users of the struct. */
static void drop(const struct sh_alloc *a, const void *p)
{
    sh_mem_free(a, (void *)(uintptr_t)p);
}

void sh_scale_free(struct sh_scale *s)
{
    if (s != NULL) {
        drop(s->alloc, s->words);
        drop(s->alloc, s->by_text);
        drop(s->alloc, s->text);
        sh_mem_free(s->alloc, s);
    }
}
