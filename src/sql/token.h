/* token.h - tokens of SQL as PostgreSQL reads it. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_TOKEN_H
#define SH_SQL_TOKEN_H

#include <sh/sql.h>

enum token_kind { T_END, T_WORD, T_QUOTED, T_STRING, T_NUMBER, T_PARAM, T_OP };
struct token {
    enum token_kind kind;
    struct sh_str text; /* as it stands; T_STRING: a plain SQL literal */
    uint32_t at;        /* byte in the input */
};

/* Tokens of the first statement, without its semicolon, ended by T_END. *used: bytes with it.
 * Errors as sql_rewrite. */
SH_MUST_CHECK sh_err sql_tokens(struct sh_arena *arena, struct sh_str text, struct token **out,
                                size_t *n, size_t *used, struct sh_sql_fault *f);

#endif /* SH_SQL_TOKEN_H */
