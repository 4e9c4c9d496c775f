/* rewrite_int.h - inside the translation: the list of new pieces, and the steps that use it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_REWRITE_INT_H
#define SH_SQL_REWRITE_INT_H

#include "rewrite.h"
#include "token.h"

struct hook {
    const char *text;
    struct hook *next;
};
struct piece {
    enum token_kind kind;
    struct sh_str text;
    uint32_t at;
    uint32_t start; /* index of the piece where the primary that ends here begins */
    uint32_t match; /* of ')': its '(' */
    struct hook *pre;
    struct hook *post, **post_end;
};
enum { DEPTH_MAX = 1000 };
struct paren {
    uint32_t open; /* index of the piece */
    bool cast;     /* it follows CAST */
};

struct rw {
    struct sh_arena *arena;
    const struct token *in;
    size_t n;
    size_t i; /* the next input token */
    struct piece *out;
    size_t nout, cap;
    struct paren stack[DEPTH_MAX];
    size_t depth;
    bool catalog;
    struct sh_sql_fault *f;
};

bool rw_is_word(const struct token *t, const char *w);
bool rw_is_op(const struct token *t, const char *w);
/* A word or the same in quotes. */
bool rw_is_name(const struct token *t, const char *w);
const struct token *rw_ahead(const struct rw *r, size_t k);
SH_MUST_CHECK sh_err rw_refuse(struct rw *r, const struct token *t, const char *what,
                               const char *remedy_en, const char *remedy_zh);
SH_MUST_CHECK sh_err rw_wrong(struct rw *r, const struct token *t, const char *en, const char *zh);
SH_MUST_CHECK sh_err rw_push(struct rw *r, enum token_kind kind, struct sh_str text,
                             const struct token *of);
SH_MUST_CHECK sh_err rw_push_c(struct rw *r, enum token_kind kind, const char *text,
                               const struct token *of);
SH_MUST_CHECK sh_err rw_before(struct rw *r, uint32_t i, const char *text);
SH_MUST_CHECK sh_err rw_behind(struct rw *r, uint32_t i, const char *text);
/* Start of the primary that ends with the last piece but `back`. */
SH_MUST_CHECK sh_err rw_start_of(struct rw *r, size_t back, uint32_t *start);
/* Words that may stand before '(' or an operand without being a function or a value. */
bool rw_is_keyword(struct sh_str s);
/* The last pieces are: primary, + or -. The interval's literal follows as `text`. */
SH_MUST_CHECK sh_err rw_add_interval(struct rw *r, struct sh_str text, const struct token *t);
/* CAST(x AS type): at the AS of the innermost CAST. */
SH_MUST_CHECK sh_err rw_cast_as(struct rw *r);
/* expression :: type */
SH_MUST_CHECK sh_err rw_cast(struct rw *r);

#endif /* SH_SQL_REWRITE_INT_H */
