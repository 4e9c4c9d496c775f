/* InfluxDB line protocol, versions 1 and 2:
 *   measurement[,tag=value...] field=value[,field=value...] [time]
 *
 * A line is read left to right, once. The part before the first unescaped space is the group key:
 * if it is the one that followed the last line's group last time, it is recognised by one
 * comparison and never parsed; the same holds for each field key. A line whose rows do not all fit
 * in the batch is taken back, the batch is handed over, and the line is read again.
 *
 * Escapes (line protocol reference, "special characters"): in a measurement \, and "\ "; in tag
 * keys, tag values and field keys also \=; in a quoted value \" and \\. Any other backslash is
 * itself. Lines end at a newline even inside quotes, as the reference says that values hold none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ingest_int.h"

enum { MAX_GROUP_KEY = 4096 };

struct line {
    struct ingest_run *r;
    const char *start;
    const char *p;
    const char *end;
    uint32_t number;
    struct ingest_entry *field; /* the one before, maybe of another line; NULL = none */
    enum sh_ingest_code code;   /* set with detail and at when a step says SH_E_INVAL */
    const char *detail;
    const char *at;
    char said[160];
};

static sh_err fault(struct line *l, enum sh_ingest_code code, const char *at, const char *detail)
{
    l->code = code;
    l->at = at;
    l->detail = detail;
    return SH_E_INVAL;
}

static const char *find_newline(const char *p, const char *end)
{
    const char *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return nl == NULL ? end : nl;
}

/* End of a key or tag value: the first of the stops that is not escaped. */
static const char *token_end(const char *p, const char *end, bool comma, bool equals)
{
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (*p == ' ' || (comma && *p == ',') || (equals && *p == '=')) {
            break;
        }
    }
    return p;
}

/* Appends the token without its escapes; false without memory or over the maximum. */
static bool unescape(struct sh_buf *out, const char *p, const char *end, bool equals,
                     struct sh_str *view)
{
    const size_t at = out->n;
    if (sh_buf_reserve(out, (size_t)(end - p)) != SH_OK) {
        return false;
    }
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end && (p[1] == ',' || p[1] == ' ' || (equals && p[1] == '='))) {
            p++;
        }
        out->p[out->n++] = (uint8_t)*p;
    }
    *view = (struct sh_str){(const char *)out->p + at, out->n - at};
    return true;
}

struct series {
    struct sh_str device;
    struct sh_ingest_label labels[SH_INGEST_MAX_LABELS];
    size_t nlabels;
};

static sh_err add_tag(struct line *l, struct series *s, const char *key, const char *key_end,
                      const char *value, const char *value_end)
{
    struct sh_buf *b = &l->r->in->names;
    struct sh_ingest_label tag;
    if (s->nlabels == SH_INGEST_MAX_LABELS) {
        return fault(l, SH_INGEST_TOO_BIG, key, "a line has at most 32 tags");
    }
    if (key == key_end || value == value_end) {
        return fault(l, SH_INGEST_SYNTAX, key, "a tag needs a key and a value");
    }
    if (!sh_utf8_valid(sh_str_of(key, (size_t)(key_end - key)))) {
        return fault(l, SH_INGEST_UTF8, key, "the tag is not UTF-8");
    }
    if (!unescape(b, key, key_end, true, &tag.key) ||
        !unescape(b, value, value_end, true, &tag.value)) {
        return SH_E_NOMEM;
    }
    size_t i = s->nlabels;
    for (; i > 0 && sh_str_cmp(s->labels[i - 1].key, tag.key) > 0; i--) {
        s->labels[i] = s->labels[i - 1];
    }
    if (i > 0 && sh_str_eq(s->labels[i - 1].key, tag.key)) {
        return fault(l, SH_INGEST_SYNTAX, key, "this tag occurs twice");
    }
    s->labels[i] = tag;
    s->nlabels++;
    return SH_OK;
}

/* Takes a group key apart; names live in in->names (reserved first, so that views hold). */
static sh_err parse_group(struct line *l, const char *p, const char *end, struct series *s)
{
    struct sh_buf *b = &l->r->in->names;
    struct sh_str measurement;
    s->nlabels = 0;
    sh_buf_clear(b);
    if (end - p > MAX_GROUP_KEY) {
        return fault(l, SH_INGEST_TOO_BIG, p, "measurement and tags have at most 4096 bytes");
    }
    if (sh_buf_reserve(b, (size_t)MAX_GROUP_KEY * 3) != SH_OK) {
        return SH_E_NOMEM;
    }
    const char *to = token_end(p, end, true, false);
    if (to == p) {
        return fault(l, SH_INGEST_SYNTAX, p, "the measurement is missing");
    }
    if (!unescape(b, p, to, false, &measurement)) {
        return SH_E_NOMEM;
    }
    while (to < end) {
        const char *key = to + 1; /* behind the comma */
        const char *key_end = token_end(key, end, true, true);
        if (key_end == end || *key_end != '=') {
            return fault(l, SH_INGEST_SYNTAX, key, "a tag needs '=' and a value");
        }
        to = token_end(key_end + 1, end, true, true);
        if (to < end && *to == '=') {
            return fault(l, SH_INGEST_SYNTAX, to, "'=' in a tag value must be written \\=");
        }
        SH_TRY(add_tag(l, s, key, key_end, key_end + 1, to));
    }
    const size_t at = b->n;
    if (sh_buf_put_str(b, measurement) != SH_OK) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < s->nlabels; i++) {
        if (sh_buf_put_u8(b, '.') != SH_OK || sh_buf_put_str(b, s->labels[i].value) != SH_OK) {
            return SH_E_NOMEM;
        }
    }
    s->device = (struct sh_str){(const char *)b->p + at, b->n - at};
    return SH_OK;
}

/* The group of the line; l->p is behind it. Only groups that parse get an entry. */
static sh_err take_group(struct line *l, struct ingest_entry **hint, struct ingest_entry **out)
{
    struct sh_ingest *in = l->r->in;
    const uint64_t scope = l->r->opts->scope;
    struct ingest_entry *g = *hint;
    if (g != NULL && g->kind == INGEST_LINES && g->scope == scope &&
        (size_t)(l->end - l->p) > g->len && l->p[g->len] == ' ' &&
        memcmp(l->p, g->key, g->len) == 0) {
        l->p += g->len;
        *out = g;
        return SH_OK;
    }
    const char *to = token_end(l->p, l->end, false, false);
    if (to == l->end) { /* so every key in the cache was followed by an unescaped space */
        return fault(l, SH_INGEST_SYNTAX, to, "the fields are missing");
    }
    const struct sh_str key = {l->p, (size_t)(to - l->p)};
    g = ingest_find(in, hint, NULL, INGEST_LINES, scope, key);
    if (g == NULL) {
        struct series s;
        SH_TRY(parse_group(l, l->p, to, &s));
        g = ingest_add(in, hint, NULL, INGEST_LINES, scope, key);
        if (g == NULL) {
            return SH_E_NOMEM;
        }
    }
    l->p = to;
    *out = g;
    return SH_OK;
}

static sh_err resolve_field(struct line *l, struct ingest_entry *g, struct ingest_entry **hint,
                            struct sh_str key, const struct ingest_value *v,
                            struct ingest_entry **out)
{
    struct sh_ingest *in = l->r->in;
    struct series s;
    SH_TRY(parse_group(l, g->key, g->key + g->len, &s));
    struct sh_ingest_name name = {.device = s.device,
                                  .labels = s.labels,
                                  .nlabels = s.nlabels,
                                  .type = ingest_suggest(v),
                                  .scope = g->scope};
    if (key.n > MAX_GROUP_KEY) {
        return fault(l, SH_INGEST_TOO_BIG, key.p, "a field key has at most 256 bytes");
    }
    if (!unescape(&in->names, key.p, key.p + key.n, true, &name.property)) {
        return SH_E_NOMEM;
    }
    struct sh_ingest_target t;
    const enum sh_ingest_code c = ingest_resolve(l->r, &name, &t, l->said);
    if (c != SH_INGEST_OK) {
        return fault(l, c, key.p, l->said);
    }
    struct ingest_entry *e = ingest_add(in, hint, g, INGEST_LINES, g->scope, key);
    if (e == NULL) {
        return SH_E_NOMEM;
    }
    e->target = t;
    *out = e;
    return SH_OK;
}

static sh_err take_text(struct line *l, struct ingest_value *v)
{
    const char *from = ++l->p;
    const char *q = from;
    bool escaped = false;
    while (q < l->end && *q != '"') {
        escaped = escaped || *q == '\\';
        q += *q == '\\' && q + 1 < l->end ? 2 : 1;
    }
    if (q >= l->end) {
        return fault(l, SH_INGEST_SYNTAX, from - 1, "the text has no closing quote");
    }
    v->what = INGEST_TEXT;
    v->text = sh_str_of(from, (size_t)(q - from));
    l->p = q + 1;
    if (escaped) {
        struct sh_buf *b = &l->r->in->text;
        sh_buf_clear(b);
        if (sh_buf_reserve(b, v->text.n) != SH_OK) {
            return SH_E_NOMEM;
        }
        for (const char *p = from; p < q; p++) {
            p += *p == '\\' && (p[1] == '"' || p[1] == '\\') ? 1 : 0;
            b->p[b->n++] = (uint8_t)*p;
        }
        v->text = sh_buf_str(b);
    }
    return sh_utf8_valid(v->text) ? SH_OK : fault(l, SH_INGEST_UTF8, from, "the text is not UTF-8");
}

static sh_err take_bool(struct line *l, struct ingest_value *v)
{
    static const char *const words[] = {"t", "T", "true",  "True",  "TRUE",
                                        "f", "F", "false", "False", "FALSE"};
    const char *to = l->p;
    while (to < l->end && *to != ',' && *to != ' ') {
        to++;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sh_str_eqc(sh_str_of(l->p, (size_t)(to - l->p)), words[i])) {
            v->what = INGEST_BOOL;
            v->cell.bits = i < 5;
            l->p = to;
            return SH_OK;
        }
    }
    return fault(l, SH_INGEST_SYNTAX, l->p,
                 "a value is a number, a number with i or u, true, false, or text in quotes");
}

static sh_err take_integer(struct line *l, const struct ingest_number *n, struct ingest_value *v)
{
    const bool uns = *n->to == 'u';
    if (!n->whole || (uns && n->negative)) {
        return fault(l, SH_INGEST_NUMBER, l->p, "i and u follow whole numbers");
    }
    if (ingest_number_i64(n, &v->cell.i64)) {
        v->what = INGEST_I64;
    } else if (uns && sh_u64_parse(sh_str_of(n->from, (size_t)(n->to - n->from)), &v->cell.bits) ==
                          SH_OK) {
        v->what = INGEST_U64;
    } else {
        return fault(l, SH_INGEST_NUMBER, l->p, "the integer does not fit 64 bits");
    }
    l->p = n->to + 1;
    return SH_OK;
}

static sh_err take_value(struct line *l, struct ingest_value *v)
{
    struct ingest_number n;
    v->loose = false;
    v->q = SH_Q_GOOD;
    if (l->p == l->end) {
        return fault(l, SH_INGEST_SYNTAX, l->p, "the value is missing");
    }
    if (*l->p == '"') {
        return take_text(l, v);
    }
    if (*l->p != '-' && !ingest_digit(*l->p)) {
        return take_bool(l, v);
    }
    if (!ingest_number_scan(l->p, l->end, false, &n)) {
        return fault(l, SH_INGEST_NUMBER, n.to, "the number is malformed");
    }
    if (n.to < l->end && (*n.to == 'i' || *n.to == 'u')) {
        return take_integer(l, &n, v);
    }
    if (!ingest_number_f64(&n, &v->cell.f64)) {
        return fault(l, SH_INGEST_NUMBER, l->p, "the number is out of range");
    }
    v->what = INGEST_F64;
    l->p = n.to;
    return SH_OK;
}

static sh_err scaled_time(struct line *l, int64_t t, int64_t *out)
{
    static const int64_t up[] = {
        [SH_INGEST_US] = 1, [SH_INGEST_MS] = 1000, [SH_INGEST_S] = 1000000};
    if (l->r->opts->precision == SH_INGEST_NS) {
        *out = t >= 0 ? t / 1000 : -((-(t + 1)) / 1000) - 1; /* floored */
        return SH_OK;
    }
    const int64_t m = up[l->r->opts->precision];
    if (t > INT64_MAX / m || t < INT64_MIN / m) {
        return fault(l, SH_INGEST_TIME, l->p, "the time is out of range; is the precision right?");
    }
    *out = t * m;
    return SH_OK;
}

static sh_err take_time(struct line *l, int64_t *out)
{
    int64_t t = 0;
    while (l->p < l->end && *l->p == ' ') {
        l->p++;
    }
    if (l->p == l->end) {
        *out = l->r->opts->now_us;
        return SH_OK;
    }
    const size_t n = ingest_i64_scan(l->p, l->end, &t);
    if (n == 0) {
        return fault(l, SH_INGEST_TIME, l->p, "the time must be an integer of 64 bits");
    }
    SH_TRY(scaled_time(l, t, out));
    const enum sh_ingest_code c = ingest_time_check(l->r, *out);
    if (c != SH_INGEST_OK) {
        return fault(l, c, l->p, ingest_time_detail(c));
    }
    l->p += n;
    while (l->p < l->end && *l->p == ' ') {
        l->p++;
    }
    return l->p == l->end ? SH_OK
                          : fault(l, SH_INGEST_SYNTAX, l->p, "the line goes on after the time");
}

/* The field key at l->p; l->p is behind its '='. *out == NULL when it is not in the cache. */
static sh_err take_key(struct line *l, const struct ingest_entry *g, struct ingest_entry **hint,
                       struct sh_str *key, struct ingest_entry **out)
{
    struct ingest_entry *f = *hint;
    if (f != NULL && f->group == g && (size_t)(l->end - l->p) > f->len && l->p[f->len] == '=' &&
        memcmp(l->p, f->key, f->len) == 0) {
        l->p += f->len + 1;
        *out = f;
        return SH_OK;
    }
    const char *to = token_end(l->p, l->end, true, true);
    if (to == l->p || to == l->end || *to != '=') {
        return fault(l, SH_INGEST_SYNTAX, l->p, "a field needs a key, '=' and a value");
    }
    *key = sh_str_of(l->p, (size_t)(to - l->p));
    *out = ingest_find(l->r->in, hint, g, INGEST_LINES, g->scope, *key);
    l->p = to + 1;
    return SH_OK;
}

/* Fields are added with the time 0 and get the line's time when it is known. */
static sh_err take_fields(struct line *l, struct ingest_entry *g)
{
    /* A device may be told in many lines of a field each: each field knows the next one too. */
    struct ingest_entry **hint =
        l->field != NULL && l->field->group == g ? &l->field->guess : &g->first;
    for (;;) {
        struct sh_str key = {NULL, 0};
        struct ingest_entry *f = NULL;
        struct ingest_value v;
        SH_TRY(take_key(l, g, hint, &key, &f));
        const char *at = l->p;
        SH_TRY(take_value(l, &v));
        if (f == NULL) {
            SH_TRY(resolve_field(l, g, hint, key, &v, &f));
        }
        hint = &f->guess;
        l->field = f;
        const sh_err e = ingest_put(l->r->in, &f->target, 0, &v, &l->code, &l->detail);
        if (e != SH_OK) {
            l->at = at;
            return e;
        }
        if (l->p == l->end || *l->p != ',') {
            return SH_OK;
        }
        l->p++;
    }
}

static sh_err take_line(struct line *l, struct ingest_entry **hint, struct ingest_entry **group)
{
    const uint32_t from = l->r->in->batch.view.len;
    int64_t t = 0;
    SH_TRY(take_group(l, hint, group));
    while (l->p < l->end && *l->p == ' ') {
        l->p++;
    }
    if (l->p == l->end) {
        return fault(l, SH_INGEST_SYNTAX, l->p, "the fields are missing");
    }
    SH_TRY(take_fields(l, *group));
    if (l->p < l->end && *l->p != ' ') {
        return fault(l, SH_INGEST_SYNTAX, l->p, "a comma or a space was expected behind the value");
    }
    SH_TRY(take_time(l, &t));
    ingest_set_time(l->r, from, t);
    return SH_OK;
}

/* One line with what follows from its outcome. *group: of the line before, or NULL. */
static sh_err handle_line(struct line *l, struct ingest_entry **group)
{
    struct ingest_run *r = l->r;
    if (ingest_make_room(r->in)) {
        *group = NULL;
        l->field = NULL;
    }
    struct ingest_entry **hint = *group == NULL ? &r->in->start : &(*group)->guess;
    for (bool again = false;; again = true) {
        const struct ingest_mark m = ingest_mark(r);
        struct ingest_entry *g = NULL;
        l->p = l->start;
        sh_err e = take_line(l, hint, &g);
        if (e == SH_OK) {
            *group = g;
            r->result->taken++;
            return SH_OK;
        }
        ingest_rollback(r, m);
        if (e == SH_E_LIMIT && (again || m.rows == 0)) {
            e = fault(l, SH_INGEST_TOO_BIG, l->start, "the line has too many fields for one batch");
        }
        if (e == SH_E_INVAL) {
            ingest_refuse(r, l->number, (size_t)(l->at - l->start) + 1, l->code, l->detail);
            return SH_OK;
        }
        if (e != SH_E_LIMIT) {
            return e;
        }
        SH_TRY(ingest_flush(r));
    }
}

sh_err sh_ingest_lines(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                       const struct sh_ingest_opts *opts, struct sh_bytes body,
                       struct sh_ingest_result *result)
{
    struct ingest_run r = {.in = in, .sink = sink, .opts = opts, .result = result};
    ingest_begin(&r);
    const char *p = body.n == 0 ? "" : (const char *)body.p;
    const char *end = p + body.n;
    struct ingest_entry *group = NULL;
    struct line l = {.r = &r};
    sh_err e = SH_OK;
    while (p < end && e == SH_OK) {
        const char *nl = find_newline(p, end);
        l.start = p;
        l.end = nl > p && nl[-1] == '\r' ? nl - 1 : nl;
        l.number += l.number < UINT32_MAX ? 1 : 0;
        while (l.start < l.end && (*l.start == ' ' || *l.start == '\t')) {
            l.start++;
        }
        if (l.start < l.end && *l.start != '#') {
            e = handle_line(&l, &group);
        }
        p = nl == end ? end : nl + 1;
    }
    return ingest_end(&r, e);
}
