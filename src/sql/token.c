/* token.c - cuts SQL into tokens: words, "names", 'texts', E'texts', $tag$texts$tag$, numbers, $1,
 * operators; comments are white space.
 * SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "sql_int.h"

struct lexer {
    struct sh_arena *arena;
    struct sh_str in;
    size_t at;
    struct token *list;
    size_t n;
    size_t cap;
    struct sh_sql_fault *f;
};

static bool word_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->in.n ? (uint8_t)l->in.p[l->at + ahead] : 0;
}

static sh_err broken(struct lexer *l, size_t at, const char *en, const char *zh)
{
    sql_fault_set(l->f, SH_E_INVAL, "42601", en, zh);
    l->f->at = (uint32_t)at + 1;
    return SH_E_INVAL;
}

/* Skips white space and comments. */
static sh_err skip(struct lexer *l)
{
    for (;;) {
        const uint8_t c = peek(l, 0);
        const size_t from = l->at;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
            l->at++;
        } else if (c == '-' && peek(l, 1) == '-') {
            while (l->at < l->in.n && l->in.p[l->at] != '\n') {
                l->at++;
            }
        } else if (c == '/' && peek(l, 1) == '*') {
            l->at += 2;
            while (l->at < l->in.n && !(peek(l, 0) == '*' && peek(l, 1) == '/')) {
                l->at++;
            }
            if (l->at >= l->in.n) {
                return broken(l, from, "a comment is not ended", "注释没有结束");
            }
            l->at += 2;
        } else {
            return SH_OK;
        }
    }
}

/* From the quote at l->at to behind the one that ends it; doubled quotes belong to it. */
static sh_err quoted(struct lexer *l, char quote)
{
    const size_t from = l->at++;
    for (; l->at < l->in.n; l->at++) {
        if (l->in.p[l->at] == quote) {
            if (peek(l, 1) != (uint8_t)quote) {
                l->at++;
                return SH_OK;
            }
            l->at++;
        }
    }
    return broken(l, from, "a quote is not ended", "引号没有结束");
}

static sh_err put_literal(struct lexer *l, const struct sh_buf *raw, struct sh_str *out)
{
    struct sh_str s = sh_buf_str(raw);
    size_t quotes = 0;
    for (size_t i = 0; i < s.n; i++) {
        quotes += s.p[i] == '\'' ? 1 : 0;
    }
    char *p = sh_arena_get(l->arena, s.n + quotes + 3);
    if (p == NULL) {
        return SH_E_NOMEM;
    }
    size_t n = 0;
    p[n++] = '\'';
    for (size_t i = 0; i < s.n; i++) {
        p[n++] = s.p[i];
        if (s.p[i] == '\'') {
            p[n++] = '\'';
        }
    }
    p[n++] = '\'';
    *out = sh_str_of(p, n);
    return SH_OK;
}

/* E'...' with backslashes: becomes a plain literal. l->at is at the quote. */
static sh_err escaped(struct lexer *l, struct sh_buf *raw)
{
    static const char from[] = "nrtbf";
    static const char to[] = "\n\r\t\b\f";
    const size_t begin = l->at++;
    sh_err err = SH_OK;
    for (; l->at < l->in.n && err == SH_OK; l->at++) {
        char c = l->in.p[l->at];
        if (c == '\'' && peek(l, 1) == '\'') {
            l->at++;
        } else if (c == '\'') {
            l->at++;
            return SH_OK;
        } else if (c == '\\' && l->at + 1 < l->in.n) {
            c = l->in.p[++l->at];
            const char *known = c == '\0' ? NULL : strchr(from, c);
            if (known != NULL) {
                c = to[known - from];
            } else if (digit((uint8_t)c) || c == 'x' || c == 'u' || c == 'U') {
                return broken(l, l->at, "only \\n \\r \\t \\b \\f \\' and \\\\ are known in E''",
                              "E'' 中只支持 \\n \\r \\t \\b \\f \\' 与 \\\\");
            }
        }
        err = sh_buf_put_u8(raw, (uint8_t)c);
    }
    return err != SH_OK ? err : broken(l, begin, "a quote is not ended", "引号没有结束");
}

/* $tag$ ... $tag$. False: it is none. */
static bool dollar_tag(const struct lexer *l, size_t *len)
{
    size_t n = 1;
    while (word_start(peek(l, n)) || (n > 1 && digit(peek(l, n)))) {
        n++;
    }
    *len = n + 1;
    return peek(l, n) == '$';
}

static sh_err dollar(struct lexer *l, size_t tag, struct sh_buf *raw)
{
    const size_t from = l->at;
    for (size_t i = from + tag; i + tag <= l->in.n; i++) {
        if (l->in.p[i] == '$' && memcmp(l->in.p + i, l->in.p + from, tag) == 0) {
            l->at = i + tag;
            return sh_buf_put(raw, l->in.p + from + tag, i - from - tag);
        }
    }
    return broken(l, from, "a $quote$ is not ended", "$引用$没有结束");
}

static sh_err add(struct lexer *l, enum token_kind kind, size_t from, struct sh_str text)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 256 : l->cap * 2;
        struct token *list = sh_arena_array(l->arena, cap, sizeof *list);
        if (list == NULL) {
            return SH_E_NOMEM;
        }
        if (l->n > 0) {
            memcpy(list, l->list, l->n * sizeof *list);
        }
        l->list = list;
        l->cap = cap;
    }
    l->list[l->n++] = (struct token){kind, text, (uint32_t)from};
    return SH_OK;
}

static void number(struct lexer *l)
{
    while (digit(peek(l, 0))) {
        l->at++;
    }
    if (peek(l, 0) == '.') {
        l->at++;
        while (digit(peek(l, 0))) {
            l->at++;
        }
    }
    const size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-' ? 2 : 1;
    if ((peek(l, 0) | 32) == 'e' && digit(peek(l, sign))) {
        l->at += sign;
        while (digit(peek(l, 0))) {
            l->at++;
        }
    }
}

static void operator(struct lexer *l)
{
    static const char *const list[] = {"!~~*", "~~*", "!~~", "!~*", "->>", "#>>", "~~", "!~",
                                       "~*",   "->",  "#>",  "::",  "<=",  ">=",  "<>", "!=",
                                       "||",   "<<",  ">>",  "==",  "@>",  "<@",  "&&"};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const size_t n = strlen(list[i]);
        if (l->at + n <= l->in.n && memcmp(l->in.p + l->at, list[i], n) == 0) {
            l->at += n;
            return;
        }
    }
    l->at++;
}

/* A text whose raw bytes were gathered. */
static sh_err literal(struct lexer *l, size_t from, size_t tag)
{
    struct sh_buf raw;
    struct sh_str text = {NULL, 0};
    sh_buf_init(&raw, sh_alloc_heap(), l->in.n + 16);
    sh_err err = tag > 0 ? dollar(l, tag, &raw) : escaped(l, &raw);
    err = err == SH_OK ? put_literal(l, &raw, &text) : err;
    sh_buf_fini(&raw);
    return err == SH_OK ? add(l, T_STRING, from, text) : err;
}

static sh_err one(struct lexer *l)
{
    const size_t from = l->at;
    const uint8_t c = peek(l, 0);
    enum token_kind kind = T_OP;
    size_t tag = 0;
    if ((c | 32) == 'e' && peek(l, 1) == '\'') {
        l->at++;
        return literal(l, from, 0);
    }
    if (c == '$' && dollar_tag(l, &tag)) {
        return literal(l, from, tag);
    }
    if (word_start(c)) {
        kind = T_WORD;
        while (word_start(peek(l, 0)) || digit(peek(l, 0)) || peek(l, 0) == '$') {
            l->at++;
        }
    } else if (c == '"' || c == '\'') {
        kind = c == '"' ? T_QUOTED : T_STRING;
        SH_TRY(quoted(l, (char)c));
    } else if (digit(c) || (c == '.' && digit(peek(l, 1)))) {
        kind = T_NUMBER;
        number(l);
    } else if ((c == '$' || c == '?') && digit(peek(l, 1))) {
        kind = T_PARAM;
        l->at++;
        while (digit(peek(l, 0))) {
            l->at++;
        }
    } else if (c == 0) {
        return broken(l, from, "a NUL stands in the text", "文本中含有 NUL 字符");
    } else {
        operator(l);
    }
    return add(l, kind, from, sh_str_sub(l->in, from, l->at));
}

sh_err sql_tokens(struct sh_arena *arena, struct sh_str text, struct token **out, size_t *n,
                  size_t *used, struct sh_sql_fault *f)
{
    struct lexer l = {.arena = arena, .in = text, .f = f};
    if (text.n > SH_SQL_TEXT_MAX) {
        sql_fault_set(f, SH_E_LIMIT, "54000", "the statement is longer than 128 KiB",
                      "语句超过 128 KiB");
        return SH_E_LIMIT;
    }
    for (;;) {
        SH_TRY(skip(&l));
        if (l.at >= l.in.n) {
            break;
        }
        if (l.in.p[l.at] == ';') {
            l.at++;
            break;
        }
        SH_TRY(one(&l));
    }
    SH_TRY(add(&l, T_END, l.at, (struct sh_str){"", 0}));
    *out = l.list;
    *n = l.n - 1;
    *used = l.at;
    return SH_OK;
}
