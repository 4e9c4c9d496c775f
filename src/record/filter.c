/* filter.c - recursive descent over
 *   expr := and ("or" and)* ;  and := unary ("and" unary)*
 *   unary := "not" unary | "(" expr ")" | path operator literal | path "exists"
 * Depth, nodes and members of a list are limited; every path is checked character by character.
 * SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

struct parser {
    struct sh_str in;
    size_t at;
    const struct sh_alloc *alloc;
    struct sh_arena *ar;
    struct sh_diag *diag;
    unsigned depth;
    unsigned nodes;
};

static sh_err fault(struct parser *p, const char *what)
{
    sh_diag_at(p->diag, SH_STR("filter"), (int)p->at + 1);
    sh_diag_set(p->diag, "column %d: %s", (int)p->at + 1, what);
    return SH_E_INVAL;
}

static void skip(struct parser *p)
{
    while (p->at < p->in.n && (p->in.p[p->at] == ' ' || p->in.p[p->at] == '\t' ||
                               p->in.p[p->at] == '\n' || p->in.p[p->at] == '\r')) {
        p->at++;
    }
}

static bool name_char(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' ||
           (c >= 0xc0 && (c < 0x2000 || c > 0x206f) && (c < 0x3000 || c > 0x3003) &&
            (c < 0xff00 || c > 0xff0f) && c != 0xfeff);
}

static size_t name_len(const struct parser *p)
{
    size_t at = p->at;
    uint32_t c = 0;
    for (;;) {
        const size_t n = sh_utf8_next(sh_str_sub(p->in, at, p->in.n), &c);
        if (n == 0 || !name_char(c)) {
            return at - p->at;
        }
        at += n;
    }
}

/* Takes the word when it stands here as a whole. */
static bool word(struct parser *p, const char *w)
{
    const size_t n = name_len(p);
    if (!sh_str_ieq(sh_str_sub(p->in, p->at, p->at + n), sh_str_c(w))) {
        return false;
    }
    p->at += n;
    return true;
}

static bool sign(struct parser *p, const char *s)
{
    if (!sh_str_starts(sh_str_sub(p->in, p->at, p->in.n), sh_str_c(s))) {
        return false;
    }
    p->at += strlen(s);
    return true;
}

/* A JSON string, decoded into the arena. */
static sh_err string(struct parser *p, struct sh_str *out)
{
    const size_t from = p->at++;
    while (p->at < p->in.n && p->in.p[p->at] != '"') {
        p->at += p->in.p[p->at] == '\\' ? 2 : 1;
    }
    if (p->at >= p->in.n) {
        p->at = from;
        return fault(p, "the text is not closed by a quotation mark");
    }
    p->at++;
    json_t *v = NULL;
    const struct sh_str text = sh_str_sub(p->in, from, p->at);
    if (sh_json_parse(text, text.n, &v, NULL) == SH_E_NOMEM) {
        return SH_E_NOMEM;
    }
    if (!json_is_string(v)) {
        json_decref(v);
        p->at = from;
        return fault(p, "not a JSON string");
    }
    *out = sh_arena_str(p->ar, (struct sh_str){json_string_value(v), json_string_length(v)});
    json_decref(v);
    return out->p == NULL ? sh_arena_why(p->ar) : SH_OK;
}

static sh_err name(struct parser *p, struct sh_str *out)
{
    if (p->at < p->in.n && p->in.p[p->at] == '"') {
        SH_TRY(string(p, out));
        for (size_t i = 0; i < out->n; i++) {
            const unsigned char c = (unsigned char)out->p[i];
            if (c < ' ' || c == '"' || c == '\\' || c == 0x7f) {
                return fault(p, "a quoted name holds no quotation mark, backslash or control");
            }
        }
    } else {
        const size_t n = name_len(p);
        *out = sh_str_sub(p->in, p->at, p->at + n);
        p->at += n;
    }
    return out->n == 0 ? fault(p, "a member name is expected") : SH_OK;
}

static sh_err own_field(struct parser *p, struct sh_record_field *out)
{
    static const struct {
        const char *name;
        enum sh_record_field_kind kind;
    } own[] = {
        {"id", SH_RECORD_FIELD_ID},           {"rev", SH_RECORD_FIELD_REV},
        {"created", SH_RECORD_FIELD_CREATED}, {"updated", SH_RECORD_FIELD_UPDATED},
        {"author", SH_RECORD_FIELD_AUTHOR},
    };
    p->at++;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (word(p, own[i].name)) {
            out->kind = own[i].kind;
            return SH_OK;
        }
    }
    return fault(p, "after $ one of id, rev, created, updated, author is expected");
}

/* [n] behind a name; appended as it stands: digits only. */
static sh_err element(struct parser *p, struct sh_buf *path)
{
    const size_t from = p->at++;
    while (p->at < p->in.n && p->in.p[p->at] >= '0' && p->in.p[p->at] <= '9') {
        p->at++;
    }
    const size_t digits = p->at - from - 1;
    if (digits == 0 || digits > 6 || p->at >= p->in.n || p->in.p[p->at] != ']') {
        return fault(p, "an array element is [number]");
    }
    p->at++;
    return sh_buf_put(path, p->in.p + from, p->at - from);
}

static sh_err path_parts(struct parser *p, struct sh_buf *path)
{
    unsigned parts = 0;
    SH_TRY(sh_buf_put_u8(path, '$'));
    for (;;) {
        struct sh_str n;
        SH_TRY(name(p, &n));
        SH_TRY(sh_buf_put_c(path, ".\""));
        SH_TRY(sh_buf_put_str(path, n));
        SH_TRY(sh_buf_put_u8(path, '"'));
        while (p->at < p->in.n && p->in.p[p->at] == '[') {
            SH_TRY(element(p, path));
        }
        if (p->at >= p->in.n || p->in.p[p->at] != '.') {
            return SH_OK;
        }
        p->at++;
        if (++parts == SH_RECORD_MAX_FILTER_DEPTH) {
            return fault(p, "the path is too long");
        }
    }
}

static sh_err field(struct parser *p, struct sh_record_field *out)
{
    if (p->at < p->in.n && p->in.p[p->at] == '$') {
        return own_field(p, out);
    }
    struct sh_buf path;
    sh_buf_init(&path, p->alloc, (size_t)RECORD_FILTER_MAX_BYTES * 4);
    sh_err err = path_parts(p, &path);
    if (err == SH_OK) {
        out->kind = SH_RECORD_FIELD_PATH;
        out->path = sh_arena_str(p->ar, sh_buf_str(&path));
        err = out->path.p == NULL ? sh_arena_why(p->ar) : SH_OK;
    }
    sh_buf_fini(&path);
    return err;
}

static sh_err number(struct parser *p, struct sh_record_value *out)
{
    const size_t from = p->at;
    while (p->at < p->in.n && strchr("+-.0123456789eE", p->in.p[p->at]) != NULL &&
           p->in.p[p->at] != '\0') {
        p->at++;
    }
    const struct sh_str s = sh_str_sub(p->in, from, p->at);
    if (sh_i64_parse(s, &out->i64) == SH_OK) {
        out->kind = SH_RECORD_V_I64;
        return SH_OK;
    }
    if (sh_f64_parse(s, &out->f64) == SH_OK) {
        out->kind = SH_RECORD_V_F64;
        return SH_OK;
    }
    p->at = from;
    return fault(p, "a text in quotation marks, a number, true, false or null is expected");
}

static sh_err literal(struct parser *p, struct sh_record_value *out)
{
    *out = (struct sh_record_value){.kind = SH_RECORD_V_NULL};
    skip(p);
    if (p->at < p->in.n && p->in.p[p->at] == '"') {
        out->kind = SH_RECORD_V_TEXT;
        return string(p, &out->text);
    }
    if (word(p, "null")) {
        return SH_OK;
    }
    const bool yes = word(p, "true");
    if (yes || word(p, "false")) {
        out->kind = SH_RECORD_V_BOOL;
        out->i64 = yes ? 1 : 0;
        return SH_OK;
    }
    return number(p, out);
}

/* $created and $updated compare as times: RFC 3339 text or integer milliseconds. */
static sh_err as_time(struct parser *p, const struct sh_record_field *f, struct sh_record_value *v)
{
    if (f->kind != SH_RECORD_FIELD_CREATED && f->kind != SH_RECORD_FIELD_UPDATED) {
        return SH_OK;
    }
    if (v->kind == SH_RECORD_V_TEXT) {
        v->kind = SH_RECORD_V_I64;
        return sh_time_parse(v->text, &v->i64) == SH_OK ? SH_OK : fault(p, "not a time");
    }
    if (v->kind == SH_RECORD_V_I64 && v->i64 < INT64_MAX / 1000 && v->i64 > INT64_MIN / 1000) {
        v->i64 *= 1000;
        return SH_OK;
    }
    return v->kind == SH_RECORD_V_NULL ? SH_OK : fault(p, "not a time");
}

static sh_err list(struct parser *p, struct sh_record_node *n)
{
    struct sh_record_value *vals = sh_arena_array(p->ar, RECORD_FILTER_MAX_IN, sizeof *vals);
    if (vals == NULL) {
        return SH_E_LIMIT;
    }
    n->values = vals;
    skip(p);
    if (!sign(p, "[")) {
        return fault(p, "after in a list [ ... ] is expected");
    }
    skip(p);
    if (sign(p, "]")) {
        return SH_OK;
    }
    for (;;) {
        if (n->n == RECORD_FILTER_MAX_IN) {
            return fault(p, "the list is too long");
        }
        SH_TRY(literal(p, &vals[n->n]));
        SH_TRY(as_time(p, &n->field, &vals[n->n]));
        n->n++;
        skip(p);
        if (sign(p, "]")) {
            return SH_OK;
        }
        if (!sign(p, ",")) {
            return fault(p, "a comma or ] is expected");
        }
    }
}

static bool operator_of(struct parser *p, enum sh_record_cmp *out)
{
    static const struct {
        const char *text;
        enum sh_record_cmp cmp;
    } signs[] = {
        {"!=", SH_RECORD_NE}, {"<=", SH_RECORD_LE}, {">=", SH_RECORD_GE}, {"==", SH_RECORD_EQ},
        {"<", SH_RECORD_LT},  {">", SH_RECORD_GT},  {"=", SH_RECORD_EQ},
    };
    static const struct {
        const char *text;
        enum sh_record_cmp cmp;
    } words[] = {
        {"in", SH_RECORD_IN},
        {"prefix", SH_RECORD_PREFIX},
        {"contains", SH_RECORD_CONTAINS},
        {"exists", SH_RECORD_EXISTS},
    };
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (sign(p, signs[i].text)) {
            *out = signs[i].cmp;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (word(p, words[i].text)) {
            *out = words[i].cmp;
            return true;
        }
    }
    return false;
}

static sh_err comparison(struct parser *p, struct sh_record_node *n)
{
    n->kind = SH_RECORD_CMP;
    SH_TRY(field(p, &n->field));
    skip(p);
    if (!operator_of(p, &n->cmp)) {
        return fault(p, "an operator is expected: = != < <= > >= in prefix contains exists");
    }
    if (n->cmp == SH_RECORD_EXISTS) {
        return SH_OK;
    }
    if (n->cmp == SH_RECORD_IN) {
        return list(p, n);
    }
    struct sh_record_value *v = sh_arena_get(p->ar, sizeof *v);
    if (v == NULL) {
        return SH_E_LIMIT;
    }
    SH_TRY(literal(p, v));
    SH_TRY(as_time(p, &n->field, v));
    if (n->cmp == SH_RECORD_PREFIX && v->kind != SH_RECORD_V_TEXT) {
        return fault(p, "prefix needs a text");
    }
    if (v->kind <= SH_RECORD_V_BOOL && n->cmp >= SH_RECORD_LT && n->cmp <= SH_RECORD_GE) {
        return fault(p, "true, false and null have no order");
    }
    n->values = v;
    n->n = 1;
    return SH_OK;
}

static sh_err new_node(struct parser *p, struct sh_record_node **out)
{
    if (++p->nodes > RECORD_FILTER_MAX_NODES) {
        return fault(p, "the filter has too many comparisons");
    }
    *out = sh_arena_get(p->ar, sizeof **out);
    return *out == NULL ? sh_arena_why(p->ar) : SH_OK;
}

static sh_err expression(struct parser *p, const struct sh_record_node **out);

static sh_err unary(struct parser *p, const struct sh_record_node **out)
{
    struct sh_record_node *n = NULL;
    skip(p);
    if (sign(p, "(")) {
        SH_TRY(expression(p, out));
        skip(p);
        return sign(p, ")") ? SH_OK : fault(p, ") is expected");
    }
    SH_TRY(new_node(p, &n));
    const size_t from = p->at;
    if (word(p, "not")) {
        skip(p);
        /* A member called "not" is followed by an operator. */
        const size_t behind = p->at;
        enum sh_record_cmp cmp;
        if (!operator_of(p, &cmp)) {
            if (++p->depth > SH_RECORD_MAX_FILTER_DEPTH) {
                return fault(p, "nested too deeply");
            }
            p->at = behind;
            n->kind = SH_RECORD_NOT;
            SH_TRY(unary(p, &n->a));
            p->depth--;
            *out = n;
            return SH_OK;
        }
        p->at = from;
    }
    SH_TRY(comparison(p, n));
    *out = n;
    return SH_OK;
}

static sh_err chain(struct parser *p, bool is_or, const struct sh_record_node **out)
{
    SH_TRY(is_or ? chain(p, false, out) : unary(p, out));
    for (;;) {
        struct sh_record_node *n = NULL;
        skip(p);
        if (!word(p, is_or ? "or" : "and")) {
            return SH_OK;
        }
        SH_TRY(new_node(p, &n));
        n->kind = is_or ? SH_RECORD_OR : SH_RECORD_AND;
        n->a = *out;
        SH_TRY(is_or ? chain(p, false, &n->b) : unary(p, &n->b));
        *out = n;
    }
}

static sh_err expression(struct parser *p, const struct sh_record_node **out)
{
    if (++p->depth > SH_RECORD_MAX_FILTER_DEPTH) {
        return fault(p, "nested too deeply");
    }
    SH_TRY(chain(p, true, out));
    p->depth--;
    return SH_OK;
}

sh_err record_filter_parse(const struct sh_alloc *a, struct sh_str text, struct sh_arena *ar,
                           const struct sh_record_node **out, struct sh_diag *diag)
{
    struct parser p = {.in = text, .alloc = a, .ar = ar, .diag = diag};
    *out = NULL;
    skip(&p);
    if (p.at == text.n) {
        return SH_OK;
    }
    if (text.n > RECORD_FILTER_MAX_BYTES) {
        sh_diag_set(diag, "the filter is longer than %d bytes", RECORD_FILTER_MAX_BYTES);
        return SH_E_LIMIT;
    }
    if (!sh_utf8_valid(text)) {
        return fault(&p, "not UTF-8");
    }
    const struct sh_record_node *root = NULL;
    SH_TRY(expression(&p, &root));
    skip(&p);
    if (p.at != text.n) {
        return fault(&p, "and, or, or the end is expected");
    }
    *out = root;
    return SH_OK;
}

sh_err record_sort_parse(const struct sh_alloc *a, struct sh_str text, struct sh_arena *ar,
                         struct record_sorts *out, struct sh_diag *diag)
{
    struct parser p = {.in = text, .alloc = a, .ar = ar, .diag = diag};
    out->n = 0;
    skip(&p);
    if (p.at == text.n) {
        return SH_OK;
    }
    if (text.n > RECORD_FILTER_MAX_BYTES || !sh_utf8_valid(text)) {
        return fault(&p, "not a sort order");
    }
    for (;;) {
        if (out->n == SH_RECORD_MAX_SORT) {
            return fault(&p, "too many sort keys");
        }
        skip(&p);
        struct sh_record_sort *s = &out->by[out->n];
        *s = (struct sh_record_sort){.desc = sign(&p, "-")};
        SH_TRY(field(&p, &s->field));
        out->n++;
        skip(&p);
        if (p.at == text.n) {
            return SH_OK;
        }
        if (!sign(&p, ",")) {
            return fault(&p, "a comma is expected");
        }
    }
}
