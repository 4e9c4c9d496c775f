/* ldap_filter.c - filters (RFC 4515) as BER (RFC 4511, 4.5.1.7), and texts that stand for
 * themselves in filters and names. A filter that is not understood to its last byte is refused: it
 * decides who comes in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ldap_int.h"

enum {
    TAG_AND = 0xa0,
    TAG_OR = 0xa1,
    TAG_NOT = 0xa2,
    TAG_EQUAL = 0xa3,
    TAG_SUBSTRINGS = 0xa4,
    TAG_GREATER = 0xa5,
    TAG_LESS = 0xa6,
    TAG_PRESENT = 0x87,
    TAG_APPROX = 0xa8,
    TAG_EXTENSIBLE = 0xa9,
    TAG_INITIAL = 0x80,
    TAG_ANY = 0x81,
    TAG_FINAL = 0x82,
    TAG_RULE = 0x81,
    TAG_TYPE = 0x82,
    TAG_VALUE = 0x83,
    TAG_DN = 0x84
};

struct filter {
    struct sh_str text;
    size_t at;
    struct sh_buf *out;
    struct sh_diag *diag;
};

static sh_err bad(struct filter *f, const char *what)
{
    sh_diag_set(f->diag, "The filter is wrong at byte %zu: %s.", f->at + 1, what);
    return SH_E_INVAL;
}

static bool looks_at(const struct filter *f, char c)
{
    return f->at < f->text.n && f->text.p[f->at] == c;
}

/* ---- values ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* assertionvalue up to ')' or, when `star` may end it, '*'. */
static sh_err put_value(struct filter *f, uint8_t tag, bool star)
{
    size_t mark = 0;
    SH_TRY(ldap_open(f->out, tag, &mark));
    while (f->at < f->text.n && f->text.p[f->at] != ')' && !(star && f->text.p[f->at] == '*')) {
        const char c = f->text.p[f->at];
        if (c == '(' || c == '*' || c == '\0') {
            return bad(f, "this character has to be escaped as \\ and two hex digits");
        }
        if (c != '\\') {
            SH_TRY(sh_buf_put_u8(f->out, (uint8_t)c));
            f->at++;
            continue;
        }
        const int high = f->at + 2 < f->text.n ? hex_of(f->text.p[f->at + 1]) : -1;
        const int low = high < 0 ? -1 : hex_of(f->text.p[f->at + 2]);
        if (low < 0) {
            return bad(f, "\\ needs two hex digits behind it");
        }
        SH_TRY(sh_buf_put_u8(f->out, (uint8_t)(high * 16 + low)));
        f->at += 3;
    }
    ldap_close(f->out, mark);
    return SH_OK;
}

/* a*b*c; the first piece was not read yet. */
static sh_err put_substrings(struct filter *f, struct sh_str name)
{
    size_t whole = 0;
    size_t list = 0;
    bool first = true;
    size_t pieces = 0;
    SH_TRY(ldap_open(f->out, TAG_SUBSTRINGS, &whole));
    SH_TRY(ldap_put(f->out, LDAP_OCTETS, name));
    SH_TRY(ldap_open(f->out, LDAP_SEQUENCE, &list));
    while (f->at < f->text.n && f->text.p[f->at] != ')') {
        if (looks_at(f, '*')) {
            f->at++;
            first = false;
            continue;
        }
        const size_t tag_at = f->out->n;
        SH_TRY(put_value(f, TAG_ANY, true));
        if (first) {
            f->out->p[tag_at] = TAG_INITIAL;
        } else if (!looks_at(f, '*')) {
            f->out->p[tag_at] = TAG_FINAL;
        }
        pieces++;
    }
    ldap_close(f->out, list);
    ldap_close(f->out, whole);
    return pieces > 0 ? SH_OK : bad(f, "there is nothing between the stars");
}

/* Is there a '*' in the value that begins here? *alone: it is all of it. */
static bool has_star(const struct filter *f, bool *alone)
{
    size_t i = f->at;
    *alone = f->at + 1 < f->text.n && f->text.p[i] == '*' && f->text.p[i + 1] == ')';
    while (i < f->text.n && f->text.p[i] != ')' && f->text.p[i] != '*') {
        i++;
    }
    return i < f->text.n && f->text.p[i] == '*';
}

/* ---- items ---- */

static sh_err put_pair(struct filter *f, uint8_t tag, struct sh_str name)
{
    size_t mark = 0;
    SH_TRY(ldap_open(f->out, tag, &mark));
    SH_TRY(ldap_put(f->out, LDAP_OCTETS, name));
    SH_TRY(put_value(f, LDAP_OCTETS, false));
    ldap_close(f->out, mark);
    return SH_OK;
}

/* attr[:dn][:rule]:=value; `left` is what stands before ":=". */
static sh_err put_extensible(struct filter *f, struct sh_str left)
{
    struct sh_str rest = left;
    size_t mark = 0;
    const struct sh_str name = sh_str_cut(left, ':', &rest);
    bool dn = false;
    struct sh_str rule = sh_str_of("", 0);
    while (rest.n > 0) {
        const struct sh_str part = sh_str_cut(rest, ':', &rest);
        if (!dn && rule.n == 0 && sh_str_ieq(part, SH_STR("dn"))) {
            dn = true;
        } else if (rule.n == 0 && sh_ldap_attribute_ok(part)) {
            rule = part;
        } else {
            return bad(f, "this is no matching rule");
        }
    }
    if ((name.n == 0 && rule.n == 0) || (name.n > 0 && !sh_ldap_attribute_ok(name))) {
        return bad(f, "an attribute or a matching rule is missing before :=");
    }
    SH_TRY(ldap_open(f->out, TAG_EXTENSIBLE, &mark));
    if (rule.n > 0) {
        SH_TRY(ldap_put(f->out, TAG_RULE, rule));
    }
    if (name.n > 0) {
        SH_TRY(ldap_put(f->out, TAG_TYPE, name));
    }
    SH_TRY(put_value(f, TAG_VALUE, false));
    if (dn) {
        static const uint8_t yes[] = {TAG_DN, 1, 0xff};
        SH_TRY(sh_buf_put(f->out, yes, sizeof yes));
    }
    ldap_close(f->out, mark);
    return SH_OK;
}

static sh_err put_item(struct filter *f)
{
    const struct sh_str rest = sh_str_sub(f->text, f->at, f->text.n);
    const size_t equal = sh_str_find(rest, '=');
    bool alone = false;
    if (equal == SIZE_MAX || equal == 0) {
        return bad(f, "attribute=value is expected here");
    }
    const char before = rest.p[equal - 1];
    const bool two = before == '~' || before == '>' || before == '<' || before == ':';
    const struct sh_str left = sh_str_sub(rest, 0, two ? equal - 1 : equal);
    if (before != ':' && !sh_ldap_attribute_ok(left)) {
        return bad(f, "this is no name of an attribute");
    }
    f->at += equal + 1;
    switch (before) {
    case ':':
        return put_extensible(f, left);
    case '~':
        return put_pair(f, TAG_APPROX, left);
    case '>':
        return put_pair(f, TAG_GREATER, left);
    case '<':
        return put_pair(f, TAG_LESS, left);
    default:
        break;
    }
    if (!has_star(f, &alone)) {
        return put_pair(f, TAG_EQUAL, left);
    }
    if (alone) {
        f->at++;
        return ldap_put(f->out, TAG_PRESENT, left);
    }
    return put_substrings(f, left);
}

/* ---- the tree ---- */

static sh_err put_filter(struct filter *f, unsigned depth);

static sh_err put_set(struct filter *f, uint8_t tag, unsigned depth)
{
    size_t mark = 0;
    size_t n = 0;
    SH_TRY(ldap_open(f->out, tag, &mark));
    for (; looks_at(f, '('); n++) {
        SH_TRY(put_filter(f, depth + 1));
    }
    ldap_close(f->out, mark);
    if (n == 0 || (tag == TAG_NOT && n != 1)) {
        return bad(f, tag == TAG_NOT ? "! takes one filter" : "a filter in ( ) is expected here");
    }
    return SH_OK;
}

static sh_err put_filter(struct filter *f, unsigned depth)
{
    if (depth > SH_LDAP_FILTER_DEPTH) {
        return bad(f, "it is nested too deeply");
    }
    if (!looks_at(f, '(')) {
        return bad(f, "( is expected here");
    }
    f->at++;
    const char c = f->at < f->text.n ? f->text.p[f->at] : '\0';
    if (c == '&' || c == '|' || c == '!') {
        f->at++;
        SH_TRY(put_set(f, c == '&' ? TAG_AND : c == '|' ? TAG_OR : TAG_NOT, depth));
    } else {
        SH_TRY(put_item(f));
    }
    if (!looks_at(f, ')')) {
        return bad(f, ") is expected here");
    }
    f->at++;
    return SH_OK;
}

sh_err sh_ldap_filter_put(struct sh_buf *out, struct sh_str filter, struct sh_diag *diag)
{
    struct filter f = {.text = filter, .out = out, .diag = diag};
    const size_t before = out->n;
    sh_err err = put_filter(&f, 0);
    if (err == SH_OK && f.at != filter.n) {
        err = bad(&f, "nothing may stand behind the last )");
    }
    if (err != SH_OK) {
        out->n = before;
    }
    return err;
}

/* ---- escaping ---- */

static sh_err put_hex(struct sh_buf *out, unsigned char c)
{
    return sh_buf_printf(out, "\\%02x", (unsigned)c);
}

sh_err sh_ldap_filter_escape(struct sh_buf *out, struct sh_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        const char c = value.p[i];
        const bool plain = c != '(' && c != ')' && c != '*' && c != '\\' && c != '\0';
        SH_TRY(plain ? sh_buf_put_u8(out, (uint8_t)c) : put_hex(out, (unsigned char)c));
    }
    return SH_OK;
}

sh_err sh_ldap_dn_escape(struct sh_buf *out, struct sh_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        const char c = value.p[i];
        const bool edge = (c == ' ' && (i == 0 || i + 1 == value.n)) || (c == '#' && i == 0);
        const bool special =
            (unsigned char)c < 0x20 || c == 0x7f || strchr("\"+,;<>\\=", c) != NULL;
        SH_TRY(edge || special ? put_hex(out, (unsigned char)c) : sh_buf_put_u8(out, (uint8_t)c));
    }
    return SH_OK;
}

sh_err sh_ldap_fill(struct sh_buf *out, struct sh_str form, struct sh_str mark, struct sh_str value,
                    sh_err (*escape)(struct sh_buf *out, struct sh_str value))
{
    while (form.n > 0) {
        const size_t open = sh_str_find(form, '{');
        const struct sh_str plain = sh_str_sub(form, 0, open == SIZE_MAX ? form.n : open);
        if (sh_str_find(plain, '}') != SIZE_MAX) {
            return SH_E_INVAL;
        }
        SH_TRY(sh_buf_put_str(out, plain));
        if (open == SIZE_MAX) {
            return SH_OK;
        }
        form = sh_str_sub(form, open + 1, form.n);
        if (!sh_str_starts(form, mark) || form.n == mark.n || form.p[mark.n] != '}') {
            return SH_E_INVAL;
        }
        SH_TRY(escape(out, value));
        form = sh_str_sub(form, mark.n + 1, form.n);
    }
    return SH_OK;
}

/* ---- names ---- */

bool sh_ldap_attribute_ok(struct sh_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];
        const char low = (char)(c | 0x20);
        const bool good = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == ';' || c == '_';
        if (!good) {
            return false;
        }
    }
    return name.n > 0 && name.n <= 128;
}

/* The end of the value that begins at `at`: , or + that is not escaped or quoted. */
static size_t value_end(struct sh_str dn, size_t at, bool *good)
{
    bool quoted = false;
    for (; at < dn.n; at++) {
        const char c = dn.p[at];
        if (c == '\\') {
            at++;
            *good = *good && at < dn.n;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '\0') {
            *good = false;
        } else if (!quoted && (c == ',' || c == '+' || c == ';')) {
            break;
        }
    }
    *good = *good && !quoted;
    return at < dn.n ? at : dn.n;
}

bool sh_ldap_dn_ok(struct sh_str dn)
{
    bool good = dn.n > 0;
    size_t at = 0;
    while (good && at <= dn.n) {
        const size_t equal = sh_str_find(sh_str_sub(dn, at, dn.n), '=');
        good =
            equal != SIZE_MAX && sh_ldap_attribute_ok(sh_str_trim(sh_str_sub(dn, at, at + equal)));
        at = good ? value_end(dn, at + equal + 1, &good) + 1 : at;
    }
    return good;
}

/* Reads a name in the form in which two of them are compared. */
struct names {
    struct sh_str s;
    size_t at;
    bool raw;  /* behind a backslash */
    bool edge; /* behind a separator, where blanks do not count */
};

static bool separates(char c)
{
    return c == ',' || c == '=' || c == '+';
}

/* -1: the end. */
static int next_char(struct names *n)
{
    if (!n->raw) {
        size_t behind = n->at;
        while (behind < n->s.n && n->s.p[behind] == ' ') {
            behind++;
        }
        n->at = n->edge || behind == n->s.n || separates(n->s.p[behind]) ? behind : n->at;
    }
    if (n->at == n->s.n) {
        return -1;
    }
    const char c = n->s.p[n->at++];
    n->edge = !n->raw && separates(c);
    n->raw = !n->raw && c == '\\';
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : (unsigned char)c;
}

bool sh_ldap_dn_same(struct sh_str a, struct sh_str b)
{
    struct names x = {.s = a, .edge = true};
    struct names y = {.s = b, .edge = true};
    int c = 0;
    do {
        c = next_char(&x);
        if (c != next_char(&y)) {
            return false;
        }
    } while (c != -1);
    return true;
}
