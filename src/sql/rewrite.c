/* rewrite.c - PostgreSQL's words into SQLite's.
 *
 * Tokens are read one after the other and pushed to the new list. Each pushed token knows where
 * the primary expression that it ends begins (`start`), so that `x::type` and `x + interval '1
 * day'` can put a call around it: texts before a token are a stack, texts behind it a queue. All
 * steps are O(1), so the whole is linear in the text. SPDX-License-Identifier: Apache-2.0 */
#include "rewrite.h"

#include <stdio.h>

#include "rewrite_int.h"
#include "sql_int.h"

/* ---- looking ---- */

bool rw_is_word(const struct token *t, const char *w)
{
    return t->kind == T_WORD && sh_str_ieq(t->text, sh_str_c(w));
}

bool rw_is_op(const struct token *t, const char *w)
{
    return t->kind == T_OP && sh_str_eqc(t->text, w);
}

/* A word or the same in quotes. */
bool rw_is_name(const struct token *t, const char *w)
{
    return rw_is_word(t, w) || (t->kind == T_QUOTED && t->text.n > 2 &&
                                sh_str_eqc(sh_str_sub(t->text, 1, t->text.n - 1), w));
}

const struct token *rw_ahead(const struct rw *r, size_t k)
{
    return r->i + k < r->n ? &r->in[r->i + k] : &r->in[r->n];
}

static bool in_list(struct sh_str s, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (sh_str_ieq(s, sh_str_c(*list))) {
            return true;
        }
    }
    return false;
}

/* Words that may stand before '(' or an operand without being a function or a value. */
bool rw_is_keyword(struct sh_str s)
{
    static const char *const list[] = {
        "and",      "or",        "not",    "in",        "select", "where",  "from",   "on",
        "as",       "when",      "then",   "else",      "case",   "by",     "values", "exists",
        "between",  "like",      "over",   "having",    "union",  "all",    "limit",  "offset",
        "distinct", "regexp",    "is",     "end",       "filter", "except", "join",   "using",
        "with",     "returning", "escape", "intersect", NULL};
    return in_list(s, list);
}

/* ---- refusing ---- */

sh_err rw_refuse(struct rw *r, const struct token *t, const char *what, const char *remedy_en,
                 const char *remedy_zh)
{
    char en[120];
    char zh[120];
    (void)snprintf(en, sizeof en, "%s is not translated", what);
    (void)snprintf(zh, sizeof zh, "不支持 %s", what);
    sql_fault_set(r->f, SH_E_UNSUPPORTED, "0A000", en, zh);
    (void)snprintf(r->f->remedy_en, sizeof r->f->remedy_en, "%s", remedy_en);
    (void)snprintf(r->f->remedy_zh, sizeof r->f->remedy_zh, "%s", remedy_zh);
    r->f->at = t->at + 1;
    return SH_E_UNSUPPORTED;
}

sh_err rw_wrong(struct rw *r, const struct token *t, const char *en, const char *zh)
{
    sql_fault_set(r->f, SH_E_INVAL, "42601", en, zh);
    r->f->at = t->at + 1;
    return SH_E_INVAL;
}

/* ---- pushing ---- */

static uint32_t primary_start(const struct rw *r, uint32_t i)
{
    const struct piece *p = &r->out[i];
    uint32_t s = i;
    if (p->kind == T_OP && sh_str_eqc(p->text, ")")) {
        s = p->match;
        if (s == 0 || (r->out[s - 1].kind != T_WORD && r->out[s - 1].kind != T_QUOTED) ||
            rw_is_keyword(r->out[s - 1].text)) {
            return s;
        }
        s--;
    }
    while (s >= 2 && r->out[s - 1].kind == T_OP && sh_str_eqc(r->out[s - 1].text, ".")) {
        s -= 2;
    }
    return s;
}

sh_err rw_push(struct rw *r, enum token_kind kind, struct sh_str text, const struct token *of)
{
    if (r->nout == r->cap) {
        const size_t cap = r->cap == 0 ? 256 : r->cap * 2;
        struct piece *out = sh_arena_array(r->arena, cap, sizeof *out);
        if (out == NULL) {
            return SH_E_NOMEM;
        }
        for (size_t i = 0; i < r->nout; i++) {
            out[i] = r->out[i];
            if (out[i].post == NULL) {
                out[i].post_end = &out[i].post;
            }
        }
        r->out = out;
        r->cap = cap;
    }
    struct piece *p = &r->out[r->nout];
    *p = (struct piece){.kind = kind, .text = text, .at = of->at};
    p->post_end = &p->post;
    p->start = UINT32_MAX;
    r->nout++;
    return SH_OK;
}

sh_err rw_push_c(struct rw *r, enum token_kind kind, const char *text, const struct token *of)
{
    return rw_push(r, kind, sh_str_c(text), of);
}

sh_err rw_before(struct rw *r, uint32_t i, const char *text)
{
    struct hook *h = sh_arena_get(r->arena, sizeof *h);
    if (h == NULL) {
        return SH_E_NOMEM;
    }
    *h = (struct hook){text, r->out[i].pre};
    r->out[i].pre = h;
    return SH_OK;
}

sh_err rw_behind(struct rw *r, uint32_t i, const char *text)
{
    struct hook *h = sh_arena_get(r->arena, sizeof *h);
    if (h == NULL) {
        return SH_E_NOMEM;
    }
    *h = (struct hook){text, NULL};
    *r->out[i].post_end = h;
    r->out[i].post_end = &h->next;
    return SH_OK;
}

/* Does the last piece end a value? */
static bool after_value(const struct rw *r)
{
    if (r->nout == 0) {
        return false;
    }
    const struct piece *p = &r->out[r->nout - 1];
    if (p->kind == T_WORD) {
        return !rw_is_keyword(p->text) || sh_str_ieq(p->text, SH_STR("end"));
    }
    return p->kind != T_OP || sh_str_eqc(p->text, ")");
}

/* Start of the primary that ends with the last piece but `back`. */
sh_err rw_start_of(struct rw *r, size_t back, uint32_t *start)
{
    if (r->nout <= back) {
        return rw_wrong(r, rw_ahead(r, 0), "an expression is missing here", "此处缺少表达式");
    }
    const uint32_t i = (uint32_t)(r->nout - 1 - back);
    if (r->out[i].kind == T_WORD && rw_is_keyword(r->out[i].text)) {
        return rw_refuse(r, rw_ahead(r, 0), "a cast or interval behind this keyword",
                         "Put the expression in parentheses.", "请将表达式放入括号。");
    }
    *start = r->out[i].start != UINT32_MAX ? r->out[i].start : primary_start(r, i);
    return SH_OK;
}

/* ---- words ---- */

static sh_err open_paren(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    if (r->depth == DEPTH_MAX) {
        sql_fault_set(r->f, SH_E_LIMIT, "54001", "parentheses are nested too deeply",
                      "括号嵌套过深");
        return SH_E_LIMIT;
    }
    const bool is_cast = r->nout > 0 && r->out[r->nout - 1].kind == T_WORD &&
                         sh_str_ieq(r->out[r->nout - 1].text, SH_STR("cast"));
    r->stack[r->depth++] = (struct paren){(uint32_t)r->nout, is_cast};
    r->i++;
    return rw_push(r, T_OP, t->text, t);
}

static sh_err close_paren(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    if (r->depth == 0) {
        return rw_wrong(r, t, "a parenthesis is closed that was not opened", "括号不匹配");
    }
    r->depth--;
    r->i++;
    SH_TRY(rw_push(r, T_OP, t->text, t));
    r->out[r->nout - 1].match = r->stack[r->depth].open;
    return SH_OK;
}

/* public.x, pg_catalog.x, information_schema.x. */
static sh_err schema_prefix(struct rw *r, bool *did)
{
    const struct token *t = rw_ahead(r, 0);
    *did =
        rw_is_op(rw_ahead(r, 1), ".") && (rw_is_name(t, "public") || rw_is_name(t, "pg_catalog") ||
                                          rw_is_name(t, "information_schema"));
    if (!*did) {
        return SH_OK;
    }
    r->catalog = r->catalog || !rw_is_name(t, "public");
    if (rw_is_name(t, "information_schema")) {
        const struct token *name = rw_ahead(r, 2);
        struct sh_str s = name->text;
        if (name->kind == T_QUOTED && s.n > 2) {
            s = sh_str_sub(s, 1, s.n - 1);
        }
        s = sh_arena_printf(r->arena, "information_schema_%.*s", SH_PRI(s));
        r->i += 3;
        return s.p == NULL ? SH_E_NOMEM : rw_push(r, T_WORD, s, t);
    }
    r->i += 2;
    return SH_OK;
}

/* OPERATOR(pg_catalog.~) is its operator; then ~ and LIKE in PostgreSQL's signs. */
static sh_err pattern_operator(struct rw *r, struct sh_str op, const struct token *t, bool *did)
{
    static const struct {
        const char *op;
        const char *words;
    } list[] = {
        {"~", "REGEXP"},
        {"!~", "NOT REGEXP"},
        {"~*", "REGEXP '(?i)' ||"},
        {"!~*", "NOT REGEXP '(?i)' ||"},
        {"~~", "LIKE"},
        {"~~*", "LIKE"},
        {"!~~", "NOT LIKE"},
        {"!~~*", "NOT LIKE"},
    };
    *did = false;
    for (size_t i = 0; i < sizeof list / sizeof list[0] && after_value(r); i++) {
        if (sh_str_eqc(op, list[i].op)) {
            *did = true;
            return rw_push_c(r, T_OP, list[i].words, t);
        }
    }
    return SH_OK;
}

static sh_err named_operator(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    bool did = false;
    r->i += 2;
    if (rw_is_name(rw_ahead(r, 0), "pg_catalog") && rw_is_op(rw_ahead(r, 1), ".")) {
        r->i += 2;
    }
    const struct token *op = rw_ahead(r, 0);
    if (op->kind != T_OP || !rw_is_op(rw_ahead(r, 1), ")")) {
        return rw_wrong(r, t, "OPERATOR() is malformed", "OPERATOR() 格式错误");
    }
    r->i += 2;
    SH_TRY(pattern_operator(r, op->text, t, &did));
    return did ? SH_OK : rw_push(r, T_OP, op->text, t);
}

/* extract(field FROM x) -> date_part('field', x) */
static sh_err extract(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    const struct token *field = rw_ahead(r, 2);
    if ((field->kind != T_WORD && field->kind != T_STRING) || !rw_is_word(rw_ahead(r, 3), "from")) {
        return rw_wrong(r, t, "write extract(field FROM time)", "请写成 extract(字段 FROM 时间)");
    }
    struct sh_str text = field->text;
    if (field->kind == T_WORD) {
        text = sh_arena_printf(r->arena, "'%.*s'", SH_PRI(text));
    }
    r->i++;
    SH_TRY(rw_push_c(r, T_WORD, "date_part", t));
    SH_TRY(open_paren(r));
    r->i += 2;
    SH_TRY(text.p == NULL ? SH_E_NOMEM : rw_push(r, T_STRING, text, field));
    return rw_push_c(r, T_OP, ",", field);
}

/* timestamp '...', date '...', timestamp with time zone '...' */
static sh_err typed_literal(struct rw *r, bool *did)
{
    const struct token *t = rw_ahead(r, 0);
    size_t k = 1;
    *did = rw_is_word(t, "timestamp") || rw_is_word(t, "timestamptz") || rw_is_word(t, "date");
    if (*did && (rw_is_word(rw_ahead(r, 1), "with") || rw_is_word(rw_ahead(r, 1), "without"))) {
        k = 4;
    }
    *did = *did && rw_ahead(r, k)->kind == T_STRING;
    if (!*did) {
        return SH_OK;
    }
    SH_TRY(rw_push(r, T_STRING, rw_ahead(r, k)->text, t));
    r->i += k + 1;
    SH_TRY(rw_before(r, (uint32_t)r->nout - 1, "sh_time("));
    return rw_behind(r, (uint32_t)r->nout - 1, ")");
}

static bool skip_collate(struct rw *r)
{
    size_t k = 1;
    if (!rw_is_word(rw_ahead(r, 0), "collate")) {
        return false;
    }
    if (rw_is_name(rw_ahead(r, 1), "pg_catalog") && rw_is_op(rw_ahead(r, 2), ".")) {
        k = 3;
    }
    if (!rw_is_name(rw_ahead(r, k), "default") && !rw_is_name(rw_ahead(r, k), "C")) {
        return false;
    }
    r->i += k + 1;
    return true;
}

static sh_err refused_word(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    if (rw_is_word(t, "array") &&
        (rw_is_op(rw_ahead(r, 1), "[") || (rw_is_op(rw_ahead(r, 1), "(") && !r->catalog))) {
        return rw_refuse(r, t, "ARRAY[]", "Use IN (...) or json_array().",
                         "请使用 IN (...) 或 json_array()。");
    }
    if (rw_is_word(t, "distinct") && rw_is_word(rw_ahead(r, 1), "on")) {
        return rw_refuse(r, t, "DISTINCT ON", "Use row_number() OVER (PARTITION BY ...).",
                         "请使用 row_number() OVER (PARTITION BY ...)。");
    }
    if (rw_is_word(t, "at") && rw_is_word(rw_ahead(r, 1), "time") &&
        rw_is_word(rw_ahead(r, 2), "zone")) {
        return rw_refuse(r, t, "AT TIME ZONE",
                         "Times are UTC; in history use tz = 'Asia/Shanghai'.",
                         "时间为 UTC；history 表可用 tz = 'Asia/Shanghai'。");
    }
    if (rw_is_word(t, "lateral")) {
        return rw_refuse(r, t, "LATERAL", "Use a join or a subquery.", "请使用连接或子查询。");
    }
    if ((rw_is_word(t, "any") || rw_is_word(t, "some")) && rw_is_op(rw_ahead(r, 1), "(") &&
        !r->catalog) {
        return rw_refuse(r, t, "ANY()", "Use IN (...).", "请使用 IN (...)。");
    }
    return SH_OK;
}

/* x = ANY (current_schemas(..)) in catalogue queries: all that there is, is visible. */
static bool any_schemas(struct rw *r)
{
    if (!rw_is_word(rw_ahead(r, 0), "any") || !rw_is_op(rw_ahead(r, 1), "(")) {
        return false;
    }
    size_t k = 2;
    while (rw_is_name(rw_ahead(r, k), "pg_catalog") || rw_is_op(rw_ahead(r, k), ".")) {
        k++;
    }
    if (!rw_is_word(rw_ahead(r, k), "current_schemas")) {
        return false;
    }
    while (rw_ahead(r, k)->kind != T_END && !rw_is_op(rw_ahead(r, k), ")")) {
        k++;
    }
    r->i += k + 2;
    return true;
}

static sh_err renamed(struct rw *r, bool *did)
{
    static const struct {
        const char *word;
        const char *name;
        bool call; /* only before '(' */
    } list[] = {
        {"ilike", "LIKE", false},
        {"string_agg", "group_concat", true},
        {"current_user", "current_user()", false},
        {"session_user", "session_user()", false},
        {"current_catalog", "current_catalog()", false},
        {"localtimestamp", "now()", false},
        {"current_timestamp", "now()", false},
        {"clock_timestamp", "now", true},
        {"transaction_timestamp", "now", true},
        {"statement_timestamp", "now", true},
        {"char_length", "length", true},
        {"character_length", "length", true},
        {"strpos", "instr", true},
        {"array", "", true},
        {"bool_or", "max", true},
        {"bool_and", "min", true},
    };
    const struct token *t = rw_ahead(r, 0);
    const bool call = rw_is_op(rw_ahead(r, 1), "(");
    *did = false;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const bool fits = list[i].call ? call : (!call || i == 0);
        if (fits && rw_is_word(t, list[i].word)) {
            *did = true;
            r->i++;
            return list[i].name[0] == '\0' ? SH_OK : rw_push_c(r, T_WORD, list[i].name, t);
        }
    }
    if (rw_is_word(t, "current_schema") && !call) {
        *did = true;
        r->i++;
        return rw_push_c(r, T_WORD, "current_schema()", t);
    }
    return SH_OK;
}

/* FETCH FIRST n ROWS ONLY -> LIMIT n; LIMIT ALL -> nothing. */
static sh_err row_limit(struct rw *r, bool *did)
{
    const struct token *t = rw_ahead(r, 0);
    *did = rw_is_word(t, "limit") && rw_is_word(rw_ahead(r, 1), "all");
    if (*did) {
        r->i += 2;
        return SH_OK;
    }
    *did = rw_is_word(t, "fetch") &&
           (rw_is_word(rw_ahead(r, 1), "first") || rw_is_word(rw_ahead(r, 1), "next")) &&
           rw_ahead(r, 2)->kind == T_NUMBER && rw_is_word(rw_ahead(r, 4), "only");
    if (!*did) {
        return SH_OK;
    }
    SH_TRY(rw_push_c(r, T_WORD, "LIMIT", t));
    SH_TRY(rw_push(r, T_NUMBER, rw_ahead(r, 2)->text, rw_ahead(r, 2)));
    r->i += 5;
    return SH_OK;
}

/* unnest(array) name, unnest(array) name(column): no array here has elements. */
static sh_err unnest(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    size_t depth = 0;
    r->i++;
    do {
        depth += rw_is_op(rw_ahead(r, 0), "(") ? 1 : 0;
        depth -= rw_is_op(rw_ahead(r, 0), ")") ? 1 : 0;
        r->i++;
    } while (depth > 0 && rw_ahead(r, 0)->kind != T_END);
    r->i += rw_is_word(rw_ahead(r, 0), "as") ? 1 : 0;
    const struct token *name = rw_ahead(r, 0);
    const struct token *column = rw_is_op(rw_ahead(r, 1), "(") ? rw_ahead(r, 2) : name;
    if (name->kind != T_WORD || column->kind != T_WORD || rw_is_keyword(name->text)) {
        return rw_refuse(r, t, "unnest() without a name", "Use json_each().",
                         "请使用 json_each()。");
    }
    r->i += column == name ? 1 : 4;
    const struct sh_str s = sh_arena_printf(r->arena, "(SELECT NULL AS %.*s WHERE 0) %.*s",
                                            SH_PRI(column->text), SH_PRI(name->text));
    return s.p == NULL ? SH_E_NOMEM : rw_push(r, T_WORD, s, t);
}

static sh_err word(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    bool did = false;
    SH_TRY(refused_word(r));
    if (skip_collate(r)) {
        return SH_OK;
    }
    if (rw_is_word(t, "operator") && rw_is_op(rw_ahead(r, 1), "(")) {
        return named_operator(r);
    }
    if (rw_is_word(t, "extract") && rw_is_op(rw_ahead(r, 1), "(")) {
        return extract(r);
    }
    if (r->catalog && rw_is_word(t, "unnest") && rw_is_op(rw_ahead(r, 1), "(")) {
        return unnest(r);
    }
    if (rw_is_word(t, "interval") && rw_ahead(r, 1)->kind == T_STRING) {
        r->i += 2;
        return rw_add_interval(r, r->in[r->i - 1].text, t);
    }
    if (rw_is_word(t, "as") && r->depth > 0 && r->stack[r->depth - 1].cast) {
        return rw_cast_as(r);
    }
    if (any_schemas(r)) {
        return rw_push_c(r, T_STRING, "'public'", t);
    }
    if (rw_is_word(t, "any") && rw_is_op(rw_ahead(r, 1), "(") && r->nout > 0 &&
        sh_str_eqc(r->out[r->nout - 1].text, "=")) { /* catalogue queries only: see refused_word */
        r->out[r->nout - 1].text = SH_STR("IN");
        r->i++;
        return SH_OK;
    }
    SH_TRY(schema_prefix(r, &did));
    if (!did) {
        SH_TRY(typed_literal(r, &did));
    }
    if (!did) {
        SH_TRY(row_limit(r, &did));
    }
    if (!did) {
        SH_TRY(renamed(r, &did));
    }
    if (did) {
        return SH_OK;
    }
    r->catalog =
        r->catalog || (t->text.n > 3 && sh_str_ieq(sh_str_sub(t->text, 0, 3), SH_STR("pg_")));
    r->i++;
    return rw_push(r, T_WORD, t->text, t);
}

static sh_err parameter(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    uint64_t n = 0;
    if (sh_u64_parse(sh_str_sub(t->text, 1, t->text.n), &n) != SH_OK || n == 0 ||
        n > SH_SQL_PARAMETERS_MAX) {
        return rw_wrong(r, t, "parameters are $1 to $1000", "参数为 $1 到 $1000");
    }
    const struct sh_str s = sh_arena_printf(r->arena, "?%u", (unsigned)n);
    r->i++;
    return s.p == NULL ? SH_E_NOMEM : rw_push(r, T_PARAM, s, t);
}

static sh_err step(struct rw *r)
{
    const struct token *t = rw_ahead(r, 0);
    bool did = false;
    if (t->kind == T_WORD) {
        return word(r);
    }
    if (t->kind == T_PARAM) {
        return parameter(r);
    }
    if (t->kind == T_QUOTED) {
        SH_TRY(schema_prefix(r, &did));
        if (did) {
            return SH_OK;
        }
    }
    if (rw_is_op(t, "(")) {
        return open_paren(r);
    }
    if (rw_is_op(t, ")")) {
        return close_paren(r);
    }
    if (rw_is_op(t, "::")) {
        return rw_cast(r);
    }
    if (r->catalog && rw_is_op(t, "[") && rw_ahead(r, 1)->kind == T_NUMBER &&
        rw_is_op(rw_ahead(r, 2), "]")) {
        r->i += 3; /* what would be an array is its only element */
        return SH_OK;
    }
    if (rw_is_op(t, "[") || rw_is_op(t, "]")) {
        return rw_refuse(r, t, "an array", "Use json_extract(doc, '$[0]').",
                         "请使用 json_extract(doc, '$[0]')。");
    }
    if (r->catalog && rw_is_op(t, ".") && rw_ahead(r, 1)->kind == T_WORD && r->nout > 0 &&
        sh_str_eqc(r->out[r->nout - 1].text, ")")) {
        r->i += 2; /* a member of a composite value, which is not one here */
        return SH_OK;
    }
    r->i++;
    if (t->kind == T_OP) {
        SH_TRY(pattern_operator(r, t->text, t, &did));
    }
    return did ? SH_OK : rw_push(r, t->kind, t->text, t);
}

/* ---- the new text ---- */

static sh_err render(struct rw *r, struct sh_buf *b, struct sql_rewritten *out)
{
    out->spots = sh_arena_array(r->arena, r->nout + 1, sizeof *out->spots);
    if (out->spots == NULL) {
        return SH_E_NOMEM;
    }
    for (size_t i = 0; i < r->nout; i++) {
        const struct piece *p = &r->out[i];
        /* Side by side in the input too: names of computed columns stay as they were written. */
        if (i > 0 && r->out[i - 1].text.p + r->out[i - 1].text.n != p->text.p) {
            SH_TRY(sh_buf_put_u8(b, ' '));
        }
        for (const struct hook *h = p->pre; h != NULL; h = h->next) {
            SH_TRY(sh_buf_put_c(b, h->text));
        }
        out->spots[out->nspots++] = (struct sql_spot){(uint32_t)b->n, p->at};
        SH_TRY(sh_buf_put_str(b, p->text));
        for (const struct hook *h = p->post; h != NULL; h = h->next) {
            SH_TRY(sh_buf_put_c(b, h->text));
        }
    }
    out->sql = sh_arena_str(r->arena, sh_buf_str(b));
    return out->sql.p == NULL ? SH_E_NOMEM : SH_OK;
}

static sh_err translate(struct rw *r, struct sql_rewritten *out)
{
    while (r->i < r->n) {
        SH_TRY(step(r));
    }
    if (r->depth > 0) {
        return rw_wrong(r, &r->in[r->n], "a parenthesis is not closed", "括号没有闭合");
    }
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), (size_t)8 * SH_SQL_TEXT_MAX);
    const sh_err err = render(r, &b, out);
    sh_buf_fini(&b);
    out->catalog = r->catalog;
    return err;
}

sh_err sql_rewrite(struct sh_arena *arena, struct sh_str text, struct sql_rewritten *out,
                   struct sh_sql_fault *f)
{
    struct token *list = NULL;
    *out = (struct sql_rewritten){.sql = {"", 0}};
    size_t n = 0;
    sh_err err = sql_tokens(arena, text, &list, &n, &out->used, f);
    struct rw *r = err == SH_OK ? sh_arena_get(arena, sizeof *r) : NULL;
    if (r != NULL) {
        r->arena = arena;
        r->in = list;
        r->n = n;
        r->f = f;
        err = translate(r, out);
    } else if (err == SH_OK) {
        err = SH_E_NOMEM;
    }
    if (err != SH_OK && f->err == SH_OK) {
        sql_fault_set(f, err, "53200", "the statement needs too much memory", "语句占用内存过多");
    }
    return err;
}

uint32_t sql_origin(const struct sql_rewritten *r, size_t at)
{
    size_t low = 0;
    size_t high = r->nspots;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (r->spots[mid].out <= at) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low == 0 ? 1 : r->spots[low - 1].in + 1;
}
