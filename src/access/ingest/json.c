/* JSON telemetry.
 *
 * Forms: with a device {"prop":v}, {"ts":ms,"values":{...}} or an array of these; without one an
 * object whose members are devices, each with one of those.
 *
 * One pass: keys and values are read where they lie and rows are added at once. Two rules keep "a
 * body that is not JSON is refused whole" true without a second pass over every message:
 *  - rows stay in the batch until the end, and a mistake takes them back;
 *  - only a body that fills the batch is checked to its end before the first batch is handed over.
 * {"ts","values"} is recognised by its first two members in either order; so a plain object may
 * have a property named ts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "json_scan.h"

#include <math.h>

/* A name of which each byte is written as an escape of six. */
enum { MAX_RAW_NAME = SH_INGEST_MAX_NAME * 6 };

struct doc {
    struct ingest_run r;
    const char *base;
    const char *end;
    struct sh_str device;  /* as it is written: opts.device, or the raw key of the gateway form */
    enum ingest_kind kind; /* INGEST_PLAIN, INGEST_JSON */
    struct ingest_entry *group; /* of device; NULL = not looked up, or the cache was emptied */
    struct ingest_entry *last;  /* group before, for the hint */
    uint32_t element;
    bool checked; /* the whole body is known to be JSON */
    uint32_t rows_of_element;
    const char *bad; /* set when a step says SH_E_PROTO */
    const char *why;
    char said[160];
};

struct member {
    struct sh_str key; /* raw, between the quotes */
    bool escaped;
};

static sh_err mistake(struct doc *d, const char *at, const char *why)
{
    d->bad = at;
    d->why = why;
    return SH_E_PROTO;
}

static void refuse(struct doc *d, const char *at, enum sh_ingest_code code, const char *why)
{
    ingest_refuse(&d->r, d->element, (size_t)(at - d->base) + 1, code, why);
}

static sh_err skip(struct doc *d, const char **p)
{
    const char *q = json_skip(*p, d->end, &d->bad, &d->why);
    *p = q == NULL ? *p : q;
    return q == NULL ? SH_E_PROTO : SH_OK;
}

static sh_err hand_over(struct doc *d)
{
    if (!d->checked) {
        const char *q = json_skip(json_space(d->base, d->end), d->end, &d->bad, &d->why);
        if (q == NULL) {
            return SH_E_PROTO;
        }
        q = json_space(q, d->end);
        if (q != d->end) {
            return mistake(d, q, "more text behind the document");
        }
        d->checked = true;
    }
    return ingest_flush(&d->r);
}

/* "key" ':' ; *p is at the value behind. */
static sh_err take_member(struct doc *d, const char **p, struct member *m)
{
    const char *at = *p;
    if (at == d->end || *at != '"') {
        return mistake(d, at, "a key in quotes was expected here");
    }
    const char *q = json_string_end(at + 1, d->end, &m->escaped, &d->bad);
    if (q == NULL) {
        return mistake(d, d->bad, "the key is not closed, not UTF-8 or has a wrong escape");
    }
    m->key = sh_str_of(at + 1, (size_t)(q - at - 1));
    q = json_space(q + 1, d->end);
    if (q == d->end || *q != ':') {
        return mistake(d, q, "':' was expected here");
    }
    *p = json_space(q + 1, d->end);
    return *p == d->end ? mistake(d, *p, "a value was expected here") : SH_OK;
}

/* Behind a member or element: ',' (true in *more, *p at what follows) or `close`. */
static sh_err take_comma(struct doc *d, const char **p, char close, bool *more)
{
    const char *q = json_space(*p, d->end);
    *more = q < d->end && *q == ',';
    if (q == d->end || (*q != ',' && *q != close)) {
        return mistake(
            d, q, close == '}' ? "',' or '}' was expected here" : "',' or ']' was expected here");
    }
    *p = *more ? json_space(q + 1, d->end) : q + 1;
    return SH_OK;
}

static sh_err find_group(struct doc *d)
{
    struct sh_ingest *in = d->r.in;
    const uint64_t scope = d->r.opts->scope;
    if (d->group != NULL) {
        return SH_OK;
    }
    struct ingest_entry **hint = d->last == NULL ? &in->start : &d->last->guess;
    struct ingest_entry *g = ingest_find(in, hint, NULL, d->kind, scope, d->device);
    if (g == NULL) {
        g = ingest_add(in, hint, NULL, d->kind, scope, d->device);
    }
    d->group = g;
    d->last = g;
    return g == NULL ? SH_E_NOMEM : SH_OK;
}

/* Room in the cache before an element; the group is looked up again when the cache was emptied. */
static sh_err prepare(struct doc *d)
{
    if (ingest_make_room(d->r.in)) {
        d->group = NULL;
        d->last = NULL;
    }
    return find_group(d);
}

/* A name as it is to be shown: raw bytes without their escapes, in in->names. */
static sh_err plain_name(struct doc *d, struct sh_str raw, bool escaped, struct sh_str *out)
{
    struct sh_buf *b = &d->r.in->names;
    const size_t at = b->n;
    if (!escaped) {
        *out = raw;
        return SH_OK;
    }
    SH_TRY(json_unescape(b, raw.p, raw.p + raw.n));
    *out = sh_str_of((const char *)b->p + at, b->n - at);
    return SH_OK;
}

/* Finds or makes the point. SH_E_INVAL: refused, and told. type 0: only if it exists. */
static sh_err resolve(struct doc *d, const struct member *m, enum sh_type type,
                      struct sh_ingest_target *t)
{
    struct sh_buf *b = &d->r.in->names;
    struct sh_ingest_name name = {.type = type, .scope = d->r.opts->scope};
    sh_buf_clear(b);
    /* Reserved first, so that the second name does not move the first. */
    if (m->key.n > MAX_RAW_NAME || d->device.n > MAX_RAW_NAME) {
        refuse(d, m->key.p, SH_INGEST_NAME, "a name has at most 256 bytes");
        return SH_E_INVAL;
    }
    SH_TRY(sh_buf_reserve(b, (size_t)MAX_RAW_NAME * 2));
    const bool raw_device = d->kind == INGEST_JSON && sh_str_find(d->device, '\\') != SIZE_MAX;
    SH_TRY(plain_name(d, d->device, raw_device, &name.device));
    SH_TRY(plain_name(d, m->key, m->escaped, &name.property));
    const enum sh_ingest_code c = ingest_resolve(&d->r, &name, t, d->said);
    if (c != SH_INGEST_OK && type != 0) {
        refuse(d, m->key.p, c, d->said);
    }
    return c == SH_INGEST_OK ? SH_OK : SH_E_INVAL;
}

static bool word_of(const char *p, const char *end, double *out)
{
    static const struct {
        const char *text;
        double v;
    } words[] = {{"\"NaN\"", NAN}, {"\"Infinity\"", INFINITY}, {"\"-Infinity\"", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i].text);
        if ((size_t)(end - p) >= n && memcmp(p, words[i].text, n) == 0) {
            *out = words[i].v;
            return true;
        }
    }
    return false;
}

static sh_err take_string(struct doc *d, const char **p, struct ingest_value *v)
{
    bool escaped;
    const char *from = *p + 1;
    const char *q = json_string_end(from, d->end, &escaped, &d->bad);
    if (q == NULL) {
        return mistake(d, d->bad, "the text is not closed, not UTF-8 or has a wrong escape");
    }
    *p = q + 1;
    v->what = INGEST_TEXT;
    v->text = sh_str_of(from, (size_t)(q - from));
    if (escaped) {
        sh_buf_clear(&d->r.in->text);
        SH_TRY(json_unescape(&d->r.in->text, from, q));
        v->text = sh_buf_str(&d->r.in->text);
    }
    return SH_OK;
}

/* The value at *p as the point wants it. SH_E_INVAL: refused, and told. */
static sh_err take_value(struct doc *d, const struct sh_ingest_target *t, const char **p,
                         struct ingest_value *v)
{
    const enum sh_type want = t->scale == NULL ? t->type : t->scale->raw_type;
    struct ingest_number n;
    const char *at = *p;
    v->loose = true;
    v->q = SH_Q_GOOD;
    if (*at == '"') {
        SH_TRY(take_string(d, p, v));
        if (want == SH_T_F64 && word_of(at, d->end, &v->cell.f64)) {
            v->what = INGEST_F64;
        }
        return SH_OK;
    }
    if (*at == 't' || *at == 'f') {
        v->what = INGEST_BOOL;
        v->cell.bits = *at == 't';
        return skip(d, p);
    }
    if (!ingest_number_scan(at, d->end, true, &n)) {
        return mistake(d, at, "a value was expected here");
    }
    *p = n.to;
    if (want == SH_T_I64 && ingest_number_i64(&n, &v->cell.i64)) {
        v->what = INGEST_I64;
        return SH_OK;
    }
    v->what = INGEST_F64;
    if (!ingest_number_f64(&n, &v->cell.f64)) {
        refuse(d, at, SH_INGEST_NUMBER, "the number is out of range");
        return SH_E_INVAL;
    }
    if (want == SH_T_I64 && n.digits > 15) {
        v->loose =
            false; /* its digits say that it is no integer of 64 bits; a rounded one might be */
    }
    return SH_OK;
}

static sh_err put(struct doc *d, const struct sh_ingest_target *t, int64_t time_us,
                  const struct ingest_value *v, const char *at)
{
    enum sh_ingest_code code = SH_INGEST_OK;
    const char *detail = "";
    sh_err e = ingest_put(d->r.in, t, time_us, v, &code, &detail);
    if (e == SH_E_LIMIT && d->r.in->batch.view.len > 0) {
        SH_TRY(hand_over(d));
        e = ingest_put(d->r.in, t, time_us, v, &code, &detail);
    }
    if (e == SH_E_LIMIT) {
        code = SH_INGEST_TOO_BIG;
        detail = "the value does not fit a batch";
        e = SH_E_INVAL;
    }
    if (e == SH_E_INVAL) {
        refuse(d, at, code, detail);
        return SH_OK;
    }
    d->rows_of_element += e == SH_OK ? 1 : 0;
    return e;
}

/* An object or array where a value belongs: text of a text point, else refused. */
static sh_err take_nested(struct doc *d, const struct member *m, const struct ingest_entry *f,
                          const char **p, int64_t time_us)
{
    const char *at = *p;
    struct sh_ingest_target t = {0};
    SH_TRY(skip(d, p));
    sh_err e = SH_OK;
    if (f != NULL) {
        t = f->target;
    } else {
        e = resolve(d, m, 0, &t);
    }
    if (e != SH_OK && e != SH_E_INVAL) {
        return e;
    }
    if (e == SH_E_INVAL || t.type != SH_T_TEXT || t.scale != NULL) {
        refuse(d, at, SH_INGEST_NESTED,
               "an object or array is no value; only a property of type text keeps it, as text");
        return SH_OK;
    }
    const struct ingest_value v = {
        .what = INGEST_TEXT, .q = SH_Q_GOOD, .text = sh_str_of(at, (size_t)(*p - at))};
    return put(d, &t, time_us, &v, at);
}

static enum sh_type suggested(const char *p, const char *end)
{
    double ignored;
    if (*p == '"') {
        return word_of(p, end, &ignored) ? SH_T_F64 : SH_T_TEXT;
    }
    return *p == 't' || *p == 'f' ? SH_T_BOOL : SH_T_F64;
}

/* One property whose key is known; *p is at the value. f == NULL: not in the cache. */
static sh_err take_property(struct doc *d, const struct member *m, struct ingest_entry **f,
                            struct ingest_entry **hint, const char **p, int64_t time_us)
{
    if (**p == 'n') {
        return skip(d, p); /* null: no value */
    }
    if (**p == '{' || **p == '[') {
        return take_nested(d, m, *f, p, time_us);
    }
    if (*f == NULL) {
        struct sh_ingest_target t;
        const sh_err e = resolve(d, m, suggested(*p, d->end), &t);
        if (e != SH_OK) {
            return e == SH_E_INVAL ? skip(d, p) : e;
        }
        *f = ingest_add(d->r.in, hint, d->group, INGEST_JSON, d->r.opts->scope, m->key);
        if (*f == NULL) {
            return SH_E_NOMEM;
        }
        (*f)->target = t;
    }
    struct ingest_value v;
    const char *at = *p;
    const sh_err e = take_value(d, &(*f)->target, p, &v);
    if (e == SH_OK) {
        return put(d, &(*f)->target, time_us, &v, at);
    }
    return e == SH_E_INVAL ? SH_OK : e;
}

/* The properties of an object; *p is at its '{' and then behind its '}'. */
static sh_err take_object(struct doc *d, const char **p, int64_t time_us)
{
    struct ingest_entry **hint = &d->group->first;
    const uint64_t scope = d->r.opts->scope;
    *p = json_space(*p + 1, d->end);
    if (*p < d->end && **p == '}') {
        (*p)++;
        return SH_OK;
    }
    for (bool more = true; more;) {
        struct member m;
        struct ingest_entry *f = *hint;
        const char *at = *p;
        if (f != NULL && f->group == d->group && (size_t)(d->end - at) > (size_t)f->len + 3 &&
            at[0] == '"' && at[f->len + 1] == '"' && at[f->len + 2] == ':' &&
            memcmp(at + 1, f->key, f->len) == 0) {
            *p = json_space(at + f->len + 3, d->end);
            m = (struct member){{f->key, f->len}, false};
            if (*p == d->end) {
                return mistake(d, *p, "a value was expected here");
            }
        } else {
            SH_TRY(take_member(d, p, &m));
            f = ingest_find(d->r.in, hint, d->group, INGEST_JSON, scope, m.key);
        }
        SH_TRY(take_property(d, &m, &f, hint, p, time_us));
        hint = f == NULL ? hint : &f->guess;
        SH_TRY(take_comma(d, p, '}', &more));
    }
    return SH_OK;
}

/* ts: integer milliseconds or RFC 3339 in quotes; *ok says whether it is one. *p is behind it. */
static sh_err take_ts(struct doc *d, const char **p, int64_t *out, bool *ok)
{
    const char *at = *p;
    struct ingest_number n;
    *ok = false;
    if (ingest_number_scan(at, d->end, true, &n)) {
        *p = n.to;
        *ok = n.whole && ingest_number_i64(&n, out) && *out <= INT64_MAX / 1000 &&
              *out >= INT64_MIN / 1000;
        *out = *ok ? *out * 1000 : 0;
        return SH_OK;
    }
    SH_TRY(skip(d, p));
    *ok = *at == '"' && sh_time_parse(sh_str_of(at + 1, (size_t)(*p - at - 2)), out) == SH_OK;
    return SH_OK;
}

/* Refuses a time that is none or outside the limits. */
static bool good_ts(struct doc *d, const char *at, int64_t t, bool is_time)
{
    const enum sh_ingest_code c = is_time ? ingest_time_check(&d->r, t) : SH_INGEST_TIME;
    if (c != SH_INGEST_OK) {
        refuse(d, at, c,
               is_time ? ingest_time_detail(c)
                       : "\"ts\" is an integer of milliseconds or an RFC 3339 time");
    }
    return c == SH_INGEST_OK;
}

/* Members behind "ts" and "values": refused one by one, up to the closing brace. */
static sh_err take_rest(struct doc *d, const char **p)
{
    bool more = true;
    for (;;) {
        struct member m;
        SH_TRY(take_comma(d, p, '}', &more));
        if (!more) {
            return SH_OK;
        }
        const char *at = *p;
        SH_TRY(take_member(d, p, &m));
        SH_TRY(skip(d, p));
        refuse(d, at, SH_INGEST_SYNTAX, "a member beside \"ts\" and \"values\" has no meaning");
    }
}

/* Tries {"ts":..,"values":{..}} or the two the other way round at *p. *is = false: it is a plain
 * object, nothing was done and *p is unchanged. */
static sh_err take_timed(struct doc *d, const char **p, bool *is)
{
    const char *at = json_space(*p + 1, d->end);
    const char *ts = NULL;
    const char *values = NULL;
    int64_t t = 0;
    bool is_time = false;
    bool more = true;
    *is = false;
    for (int i = 0; i < 2 && more; i++) {
        struct member m;
        if (at == d->end || *at != '"') {
            return SH_OK; /* the plain way tells what is wrong */
        }
        SH_TRY(take_member(d, &at, &m));
        if (ts == NULL && sh_str_eqc(m.key, "ts")) {
            ts = at;
            SH_TRY(take_ts(d, &at, &t, &is_time));
        } else if (values == NULL && *at == '{' && sh_str_eqc(m.key, "values")) {
            values = at;
            if (i == 0) {
                SH_TRY(skip(d, &at));
            }
        } else {
            return SH_OK;
        }
        if (i == 0) {
            SH_TRY(take_comma(d, &at, '}', &more));
        }
    }
    if (ts == NULL || values == NULL) {
        return SH_OK;
    }
    *is = true;
    const char *behind = values;
    if (good_ts(d, ts, t, is_time)) {
        SH_TRY(take_object(d, &behind, t));
    } else {
        SH_TRY(skip(d, &behind));
    }
    *p = ts > values ? at : behind;
    return take_rest(d, p);
}

static sh_err take_element(struct doc *d, const char **p)
{
    d->element += d->element < UINT32_MAX ? 1 : 0;
    d->rows_of_element = 0;
    if (*p < d->end && **p == '{') {
        SH_TRY(prepare(d));
        bool timed = false;
        const char *q = json_space(*p + 1, d->end);
        if (d->end - q > 4 && (memcmp(q, "\"ts\"", 4) == 0 || memcmp(q, "\"val", 4) == 0)) {
            SH_TRY(take_timed(d, p, &timed));
        }
        if (!timed) {
            SH_TRY(take_object(d, p, d->r.opts->now_us));
        }
        d->r.result->taken += d->rows_of_element > 0 ? 1 : 0;
        return SH_OK;
    }
    const char *at = *p;
    SH_TRY(skip(d, p));
    refuse(d, at, SH_INGEST_SYNTAX, "an object with properties was expected here");
    return SH_OK;
}

/* One element or an array of them. */
static sh_err take_elements(struct doc *d, const char **p)
{
    if (*p == d->end || **p != '[') {
        return take_element(d, p);
    }
    *p = json_space(*p + 1, d->end);
    if (*p < d->end && **p == ']') {
        (*p)++;
        return SH_OK;
    }
    for (bool more = true; more;) {
        SH_TRY(take_element(d, p));
        SH_TRY(take_comma(d, p, ']', &more));
    }
    return SH_OK;
}

static sh_err take_gateway(struct doc *d, const char **p)
{
    if (*p == d->end || **p != '{') {
        const char *at = *p;
        SH_TRY(skip(d, p));
        refuse(d, at, SH_INGEST_NO_DEVICE,
               "name the device by ?device=, or send {\"device\":[...]}");
        return SH_OK;
    }
    *p = json_space(*p + 1, d->end);
    if (*p < d->end && **p == '}') {
        (*p)++;
        return SH_OK;
    }
    for (bool more = true; more;) {
        struct member m;
        const char *at = *p;
        SH_TRY(take_member(d, p, &m));
        if (**p != '[' && **p != '{') {
            SH_TRY(skip(d, p));
            refuse(d, at, SH_INGEST_NO_DEVICE,
                   "name the device by ?device=, or send {\"device\":[...]}");
        } else if (m.key.n > MAX_RAW_NAME) {
            SH_TRY(skip(d, p));
            refuse(d, at, SH_INGEST_NAME, "a device id has at most 256 bytes");
        } else {
            d->device = m.key;
            d->kind = INGEST_JSON;
            d->group = NULL;
            SH_TRY(take_elements(d, p));
        }
        SH_TRY(take_comma(d, p, '}', &more));
    }
    return SH_OK;
}

static sh_err take_document(struct doc *d)
{
    const char *p = json_space(d->base, d->end);
    if (p == d->end) {
        return mistake(d, p, "the body is empty");
    }
    if (d->device.n > 0) {
        SH_TRY(take_elements(d, &p));
    } else {
        SH_TRY(take_gateway(d, &p));
    }
    p = json_space(p, d->end);
    return p == d->end ? SH_OK : mistake(d, p, "more text behind the document");
}

sh_err sh_ingest_json(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                      const struct sh_ingest_opts *opts, struct sh_bytes body,
                      struct sh_ingest_result *result)
{
    struct doc d = {.r = {.in = in, .sink = sink, .opts = opts, .result = result},
                    .base = body.n == 0 ? "" : (const char *)body.p,
                    .device = opts->device,
                    .kind = INGEST_PLAIN};
    d.end = d.base + body.n;
    ingest_begin(&d.r);
    sh_err e = SH_OK;
    if (d.device.n > SH_INGEST_MAX_NAME) {
        refuse(&d, d.base, SH_INGEST_NAME, "a device id has at most 256 bytes");
    } else {
        e = take_document(&d);
    }
    if (e == SH_E_PROTO) {
        ingest_rollback(&d.r, d.r.base); /* nothing was handed over: see the head of this file */
        result->taken = 0;
        d.element = 0;
        refuse(&d, d.bad, SH_INGEST_SYNTAX, d.why);
        e = SH_OK;
    }
    return ingest_end(&d.r, e);
}
