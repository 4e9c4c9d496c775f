/* parse.c - from text to a typed expression. Recursive descent with precedence climbing; depth and
 * number of nodes are bounded. The first fault ends it: parsers of parts answer NULL, and l->why or
 * the error says what it was.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "promql_int.h"

enum { MAX_NAMES = 64, RANK_UNARY = 4 };

struct parser {
    struct pql_lexer l;
    struct sh_promql_error *error;
    sh_err err;
    unsigned depth;
    unsigned nodes;
};

/* ---- faults ---- */

static void place(const struct parser *p, size_t at, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < at && i < p->l.text.n; i++) {
        if (p->l.text.p[i] == '\n') {
            ++*line;
            *column = 0;
        }
        ++*column;
    }
}

static void *fault(struct parser *p, size_t at, const char *fmt, ...) SH_PRINTF(3, 4);
static void *fault(struct parser *p, size_t at, const char *fmt, ...)
{
    char words[240];
    unsigned line = 0;
    unsigned column = 0;
    va_list args;
    if (p->err != SH_OK) {
        return NULL; /* the first one counts */
    }
    va_start(args, fmt);
    (void)vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    place(p, at, &line, &column);
    p->err = SH_E_INVAL;
    p->error->fault = SH_PROMQL_BAD_DATA;
    (void)snprintf(p->error->text, sizeof p->error->text, "%u:%u: parse error: %s", line, column,
                   words);
    return NULL;
}

static void *no_memory(struct parser *p)
{
    if (p->err == SH_OK) {
        p->err = SH_E_NOMEM;
        p->error->fault = SH_PROMQL_NO_MEMORY;
        (void)snprintf(p->error->text, sizeof p->error->text, "no memory for the expression");
    }
    return NULL;
}

/* Something else was expected than the present token. */
static void *unexpected(struct parser *p, const char *wanted)
{
    const struct pql_lexer *l = &p->l;
    const char *missing =
        l->token == PQL_NAME || l->token == PQL_SIGN ? pql_missing(l->word) : NULL;
    if (l->token == PQL_BAD && sh_arena_why(l->ar) == SH_E_NOMEM) {
        return no_memory(p);
    }
    if (l->token == PQL_BAD) {
        return fault(p, l->from, "%s", l->why);
    }
    if (missing != NULL) {
        return fault(p, l->from, "%s", missing);
    }
    return fault(p, l->from, "unexpected \"%.*s\", expected %s", SH_PRI(sh_str_sub(l->word, 0, 60)),
                 wanted);
}

static bool at_sign(const struct parser *p, const char *sign)
{
    return p->l.token == PQL_SIGN && sh_str_eqc(p->l.word, sign);
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->l.token == PQL_NAME && sh_str_ieq(p->l.word, sh_str_c(word));
}

static bool take_sign(struct parser *p, const char *sign)
{
    if (!at_sign(p, sign)) {
        return false;
    }
    pql_next(&p->l);
    return true;
}

static bool need_sign(struct parser *p, const char *sign)
{
    if (take_sign(p, sign)) {
        return true;
    }
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, "\"%s\"", sign);
    (void)unexpected(p, wanted);
    return false;
}

static struct sh_promql_expr *node(struct parser *p, enum pql_kind kind, enum sh_promql_type type,
                                   size_t from)
{
    if (++p->nodes > SH_PROMQL_MAX_NODES) {
        return fault(p, from, "the expression has more than %d parts", SH_PROMQL_MAX_NODES);
    }
    struct sh_promql_expr *x = sh_arena_get(p->l.ar, sizeof *x);
    if (x == NULL) {
        return no_memory(p);
    }
    x->kind = kind;
    x->type = type;
    x->from = from;
    return x;
}

static struct sh_promql_expr *expression(struct parser *p, int least);

/* ---- selectors ---- */

static bool add_matcher(struct parser *p, struct sh_promql_expr *x, enum sh_promql_op op,
                        struct sh_str name, size_t at)
{
    struct sh_promql_matcher *m = (struct sh_promql_matcher *)(uintptr_t)x->matchers + x->nmatchers;
    if (x->nmatchers == SH_PROMQL_MAX_MATCHERS) {
        (void)fault(p, at, "a selector has at most %d matchers", SH_PROMQL_MAX_MATCHERS);
        return false;
    }
    *m = (struct sh_promql_matcher){.op = op, .name = name, .value = p->l.word};
    if (op == SH_PROMQL_RE || op == SH_PROMQL_NRE) {
        char why[200];
        m->re = pql_re_new(p->l.ar, m->value, why);
        if (m->re == NULL) {
            (void)(why[0] == '\0' ? no_memory(p) : fault(p, p->l.from, "the pattern: %s", why));
            return false;
        }
    }
    x->nmatchers++;
    return true;
}

static bool matcher(struct parser *p, struct sh_promql_expr *x)
{
    static const char *const signs[] = {"=", "!=", "=~", "!~"};
    const struct sh_str name = p->l.word;
    const size_t at = p->l.from;
    size_t op = 0;
    if (p->l.token != PQL_NAME || sh_str_find(name, ':') != SIZE_MAX) {
        (void)unexpected(p, "a label's name");
        return false;
    }
    pql_next(&p->l);
    while (op < 4 && !at_sign(p, signs[op])) {
        op++;
    }
    if (op == 4) {
        (void)unexpected(p, "= != =~ or !~");
        return false;
    }
    pql_next(&p->l);
    if (p->l.token != PQL_STRING) {
        (void)unexpected(p, "a string");
        return false;
    }
    if (!add_matcher(p, x, (enum sh_promql_op)op, name, at)) {
        return false;
    }
    pql_next(&p->l);
    return true;
}

static bool matchers(struct parser *p, struct sh_promql_expr *x)
{
    while (!at_sign(p, "}")) {
        if (!matcher(p, x)) {
            return false;
        }
        if (!take_sign(p, ",") && !at_sign(p, "}")) {
            (void)unexpected(p, "\",\" or \"}\"");
            return false;
        }
    }
    pql_next(&p->l);
    for (size_t i = 0; i < x->nmatchers; i++) {
        if (sh_promql_matches(&x->matchers[i], SH_STR("")) == 0) {
            return true;
        }
    }
    (void)fault(p, x->from, "a selector must have a matcher that does not take the empty text");
    return false;
}

/* At the metric's name or at "{". */
static struct sh_promql_expr *selector(struct parser *p)
{
    struct sh_promql_expr *x = node(p, PQL_X_SELECT, SH_PROMQL_VECTOR, p->l.from);
    if (x == NULL) {
        return NULL;
    }
    if (p->l.token != PQL_NAME && !at_sign(p, "{")) {
        return unexpected(p, "a metric's name or \"{\"");
    }
    x->matchers = sh_arena_array(p->l.ar, SH_PROMQL_MAX_MATCHERS, sizeof *x->matchers);
    if (x->matchers == NULL) {
        return no_memory(p);
    }
    if (p->l.token == PQL_NAME) {
        if (!add_matcher(p, x, SH_PROMQL_EQ, SH_STR("__name__"), p->l.from)) {
            return NULL;
        }
        pql_next(&p->l);
    }
    if (take_sign(p, "{")) {
        return matchers(p, x) ? x : NULL;
    }
    return x;
}

static bool offset(struct parser *p, struct sh_promql_expr *x)
{
    const size_t at = p->l.from;
    pql_next(&p->l);
    const bool minus = take_sign(p, "-");
    if (p->l.token != PQL_DURATION) {
        (void)unexpected(p, "a duration");
        return false;
    }
    if (x->kind != PQL_X_SELECT || x->offset_us != 0) {
        (void)fault(p, at, "offset follows a selector, once");
        return false;
    }
    x->offset_us = minus ? -p->l.duration_us : p->l.duration_us;
    pql_next(&p->l);
    return true;
}

static bool range(struct parser *p, struct sh_promql_expr *x)
{
    const size_t at = p->l.from;
    pql_next(&p->l);
    if (p->l.token != PQL_DURATION) {
        (void)unexpected(p, "a duration");
        return false;
    }
    const int64_t us = p->l.duration_us;
    pql_next(&p->l);
    if (at_sign(p, ":") || (p->l.token == PQL_NAME && p->l.word.p[0] == ':')) {
        (void)fault(p, at, "sub-queries are not implemented here");
        return false;
    }
    if (!need_sign(p, "]")) {
        return false;
    }
    if (x->kind != PQL_X_SELECT || x->range_us != 0 || x->offset_us != 0 || us == 0) {
        (void)fault(p, at, "a range, longer than 0, follows a selector, before its offset");
        return false;
    }
    x->range_us = us;
    x->type = SH_PROMQL_MATRIX;
    return true;
}

/* What may follow: [5m] and offset 5m. */
static struct sh_promql_expr *modifiers(struct parser *p, struct sh_promql_expr *x)
{
    while (x != NULL) {
        if (at_sign(p, "[")) {
            x = range(p, x) ? x : NULL;
        } else if (at_word(p, "offset")) {
            x = offset(p, x) ? x : NULL;
        } else if (at_sign(p, "@")) {
            return unexpected(p, "");
        } else {
            return x;
        }
    }
    return NULL;
}

/* ---- calls and aggregations ---- */

/* (name, name); at "(". */
static bool names(struct parser *p, struct sh_promql_expr *x)
{
    x->names = sh_arena_array(p->l.ar, MAX_NAMES, sizeof *x->names);
    x->given = true;
    if (x->names == NULL) {
        (void)no_memory(p);
        return false;
    }
    if (!need_sign(p, "(")) {
        return false;
    }
    while (!at_sign(p, ")")) {
        if (p->l.token != PQL_NAME || sh_str_find(p->l.word, ':') != SIZE_MAX) {
            (void)unexpected(p, "a label's name");
            return false;
        }
        if (x->nnames == MAX_NAMES) {
            (void)fault(p, p->l.from, "at most %d labels", MAX_NAMES);
            return false;
        }
        x->names[x->nnames++] = p->l.word;
        pql_next(&p->l);
        if (!take_sign(p, ",") && !at_sign(p, ")")) {
            (void)unexpected(p, "\",\" or \")\"");
            return false;
        }
    }
    pql_next(&p->l);
    return true;
}

static bool grouping(struct parser *p, struct sh_promql_expr *x)
{
    if (x->given || (!at_word(p, "by") && !at_word(p, "without"))) {
        return true;
    }
    x->exclude = at_word(p, "without");
    pql_next(&p->l);
    return names(p, x);
}

static bool arguments(struct parser *p, struct sh_promql_expr *x, const char *what)
{
    if (!need_sign(p, "(")) {
        return false;
    }
    while (!at_sign(p, ")")) {
        if (x->nargs == PQL_MAX_ARGS) {
            (void)fault(p, p->l.from, "too many arguments for %s", what);
            return false;
        }
        x->arg[x->nargs] = expression(p, 0);
        if (x->arg[x->nargs++] == NULL) {
            return false;
        }
        if (!take_sign(p, ",") && !at_sign(p, ")")) {
            (void)unexpected(p, "\",\" or \")\"");
            return false;
        }
    }
    pql_next(&p->l);
    return true;
}

static bool need_type(struct parser *p, const struct sh_promql_expr *x, enum sh_promql_type type,
                      const char *what)
{
    if (x->type == type) {
        return true;
    }
    (void)fault(p, x->from, "%s needs a value of type %s here, not %s", what, pql_type_name(type),
                pql_type_name(x->type));
    return false;
}

static struct sh_promql_expr *aggregation(struct parser *p, enum pql_agg agg)
{
    struct sh_promql_expr *x = node(p, PQL_X_AGG, SH_PROMQL_VECTOR, p->l.from);
    char what[16];
    (void)snprintf(what, sizeof what, "%.*s", SH_PRI(sh_str_sub(p->l.word, 0, 15)));
    if (x == NULL) {
        return NULL;
    }
    x->agg = agg;
    pql_next(&p->l);
    if (!grouping(p, x) || !arguments(p, x, what) || !grouping(p, x)) {
        return NULL;
    }
    const size_t want = agg >= PQL_A_TOPK ? 2 : 1;
    if (x->nargs != want) {
        return fault(p, x->from, "%s needs %zu arguments, not %zu", what, want, x->nargs);
    }
    if (want == 2) { /* the parameter is written first */
        struct sh_promql_expr *parameter = x->arg[0];
        x->arg[0] = x->arg[1];
        x->arg[1] = parameter;
        if (!need_type(p, parameter, SH_PROMQL_SCALAR, what)) {
            return NULL;
        }
    }
    return need_type(p, x->arg[0], SH_PROMQL_VECTOR, what) ? x : NULL;
}

static struct sh_promql_expr *call(struct parser *p, const struct pql_function *fn, size_t from)
{
    struct sh_promql_expr *x = node(p, PQL_X_CALL, fn->type, from);
    if (x == NULL || !arguments(p, x, fn->name)) {
        return NULL;
    }
    x->fn = fn;
    if (x->nargs > fn->nargs || x->nargs + fn->optional < fn->nargs) {
        return fault(p, from, "%s needs %u arguments, not %zu", fn->name, fn->nargs, x->nargs);
    }
    for (size_t i = 0; i < x->nargs; i++) {
        if (!need_type(p, x->arg[i], fn->args[i], fn->name)) {
            return NULL;
        }
    }
    return x;
}

/* ---- the rest ---- */

/* inf and nan are numbers, whatever the case. */
static bool is_number_word(struct sh_str w, double *out)
{
    if (sh_str_ieq(w, SH_STR("inf"))) {
        *out = INFINITY;
        return true;
    }
    *out = NAN;
    return sh_str_ieq(w, SH_STR("nan"));
}

static struct sh_promql_expr *number(struct parser *p, double v)
{
    struct sh_promql_expr *x = node(p, PQL_X_NUMBER, SH_PROMQL_SCALAR, p->l.from);
    if (x != NULL) {
        x->number = v;
        pql_next(&p->l);
    }
    return x;
}

static struct sh_promql_expr *word(struct parser *p)
{
    struct pql_lexer ahead = p->l;
    enum pql_agg agg = PQL_A_SUM;
    double v = 0;
    pql_next(&ahead);
    const bool opens = ahead.token == PQL_SIGN && sh_str_eqc(ahead.word, "(");
    const bool groups = ahead.token == PQL_NAME && (sh_str_ieq(ahead.word, SH_STR("by")) ||
                                                    sh_str_ieq(ahead.word, SH_STR("without")));
    if ((opens || groups) && pql_aggregate(p->l.word, &agg)) {
        return aggregation(p, agg);
    }
    if (is_number_word(p->l.word, &v)) {
        return number(p, v);
    }
    if (!opens) {
        return selector(p);
    }
    const struct pql_function *fn = pql_function(p->l.word);
    if (fn == NULL) {
        const char *missing = pql_missing(p->l.word);
        return missing != NULL
                   ? fault(p, p->l.from, "%s", missing)
                   : fault(p, p->l.from, "the function \"%.*s\" is unknown or not implemented here",
                           SH_PRI(sh_str_sub(p->l.word, 0, 60)));
    }
    const size_t from = p->l.from;
    pql_next(&p->l);
    return call(p, fn, from);
}

static struct sh_promql_expr *primary(struct parser *p)
{
    struct sh_promql_expr *x = NULL;
    if (p->l.token == PQL_NAME) {
        return word(p);
    }
    if (p->l.token == PQL_NUMBER) {
        return number(p, p->l.number);
    }
    if (p->l.token == PQL_STRING) {
        x = node(p, PQL_X_STRING, SH_PROMQL_STRING, p->l.from);
        if (x != NULL) {
            x->string = p->l.word;
            pql_next(&p->l);
        }
        return x;
    }
    if (at_sign(p, "{")) {
        return selector(p);
    }
    if (take_sign(p, "(")) {
        x = expression(p, 0);
        return x != NULL && need_sign(p, ")") ? x : NULL;
    }
    return unexpected(p, "an expression");
}

static struct sh_promql_expr *unary(struct parser *p)
{
    const size_t from = p->l.from;
    const bool minus = at_sign(p, "-");
    if (!minus && !at_sign(p, "+")) {
        return modifiers(p, primary(p));
    }
    pql_next(&p->l);
    struct sh_promql_expr *of = expression(p, RANK_UNARY);
    if (of == NULL) {
        return NULL;
    }
    if (of->type != SH_PROMQL_SCALAR && of->type != SH_PROMQL_VECTOR) {
        return fault(p, from, "a sign stands before a scalar or an instant vector, not a %s",
                     pql_type_name(of->type));
    }
    struct sh_promql_expr *x = minus ? node(p, PQL_X_NEG, of->type, from) : of;
    if (x != NULL && minus) {
        x->arg[0] = of;
        x->nargs = 1;
    }
    return x;
}

/* bool, on (...), ignoring (...) behind an operator. */
static bool binary_modifiers(struct parser *p, struct sh_promql_expr *x)
{
    if (at_word(p, "bool")) {
        if (x->op < PQL_EQL) {
            (void)fault(p, p->l.from, "bool follows a comparison");
            return false;
        }
        x->boolean = true;
        pql_next(&p->l);
    }
    if (!at_word(p, "on") && !at_word(p, "ignoring")) {
        return true;
    }
    x->exclude = at_word(p, "ignoring");
    pql_next(&p->l);
    if (!names(p, x)) {
        return false;
    }
    if (at_word(p, "group_left") || at_word(p, "group_right")) {
        (void)unexpected(p, "");
        return false;
    }
    return true;
}

static bool check_binary(struct parser *p, struct sh_promql_expr *x)
{
    for (size_t i = 0; i < 2; i++) {
        const struct sh_promql_expr *a = x->arg[i];
        if (a->type != SH_PROMQL_SCALAR && a->type != SH_PROMQL_VECTOR) {
            (void)fault(p, a->from, "\"%s\" is between scalars and instant vectors, not a %s",
                        pql_operator_name(x->op), pql_type_name(a->type));
            return false;
        }
    }
    const bool scalars = x->arg[0]->type == SH_PROMQL_SCALAR && x->arg[1]->type == SH_PROMQL_SCALAR;
    if (scalars && x->op >= PQL_EQL && !x->boolean) {
        (void)fault(p, x->from, "a comparison between scalars needs bool");
        return false;
    }
    if (x->given && (x->arg[0]->type != SH_PROMQL_VECTOR || x->arg[1]->type != SH_PROMQL_VECTOR)) {
        (void)fault(p, x->from, "on and ignoring are between vectors");
        return false;
    }
    x->type = scalars ? SH_PROMQL_SCALAR : SH_PROMQL_VECTOR;
    return true;
}

static struct sh_promql_expr *operators(struct parser *p, int least)
{
    enum pql_bin op = PQL_ADD;
    int rank = 0;
    struct sh_promql_expr *left = unary(p);
    while (left != NULL && p->l.token == PQL_SIGN && pql_operator(p->l.word, &op, &rank) &&
           rank >= least) {
        struct sh_promql_expr *x = node(p, PQL_X_BINARY, SH_PROMQL_VECTOR, p->l.from);
        if (x == NULL) {
            return NULL;
        }
        x->op = op;
        pql_next(&p->l);
        if (!binary_modifiers(p, x)) {
            return NULL;
        }
        x->arg[0] = left;
        x->arg[1] = expression(p, op == PQL_POW ? rank : rank + 1);
        x->nargs = 2;
        left = x->arg[1] != NULL && check_binary(p, x) ? x : NULL;
    }
    return left;
}

/* An expression whose operators bind at least that tight. */
static struct sh_promql_expr *expression(struct parser *p, int least)
{
    if (++p->depth > SH_PROMQL_MAX_DEPTH) {
        return fault(p, p->l.from, "the expression is nested more than %d deep",
                     SH_PROMQL_MAX_DEPTH);
    }
    struct sh_promql_expr *x = operators(p, least);
    p->depth--;
    return x;
}

static struct sh_promql_expr *whole(struct parser *p,
                                    struct sh_promql_expr *(*part)(struct parser *))
{
    if (p->l.text.n > SH_PROMQL_MAX_TEXT) {
        return fault(p, 0, "the expression has more than %d bytes", SH_PROMQL_MAX_TEXT);
    }
    pql_next(&p->l);
    struct sh_promql_expr *x = part(p);
    return x != NULL && p->l.token != PQL_END ? unexpected(p, "an operator or the end") : x;
}

static struct sh_promql_expr *any(struct parser *p)
{
    return expression(p, 0);
}

sh_err sh_promql_parse(struct sh_arena *ar, struct sh_str text, const struct sh_promql_expr **out,
                       struct sh_promql_error *error)
{
    struct parser p = {.l = {.ar = ar, .text = text}, .error = error};
    *out = whole(&p, any);
    return p.err;
}

sh_err sh_promql_parse_selector(struct sh_arena *ar, struct sh_str text,
                                const struct sh_promql_matcher **out, size_t *n,
                                struct sh_promql_error *error)
{
    struct parser p = {.l = {.ar = ar, .text = text}, .error = error};
    const struct sh_promql_expr *x = whole(&p, selector);
    if (x != NULL) {
        *out = x->matchers;
        *n = x->nmatchers;
    }
    return p.err;
}

enum sh_promql_type sh_promql_type_of(const struct sh_promql_expr *x)
{
    return x->type;
}
