/* rewrite.h - from the PostgreSQL that clients write to what SQLite reads, token by token.
 * Pure: no I/O; memory of the arena; re-entrant. What is translated stands in docs/sql.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_SQL_REWRITE_H
#define SH_SQL_REWRITE_H

#include <sh/sql.h>

/* Where a token of the new text came from. */
struct sql_spot {
    uint32_t out;
    uint32_t in;
};
struct sql_rewritten {
    struct sh_str sql;      /* with a NUL behind it; empty: nothing but white space */
    struct sql_spot *spots; /* ascending */
    size_t nspots;
    size_t used;  /* bytes of the input, with the semicolon */
    bool catalog; /* it names pg_catalog or information_schema */
};

/* Takes the first statement of text. Errors with f: SH_E_INVAL (an unfinished string, comment or
 * parenthesis), SH_E_UNSUPPORTED (with a remedy), SH_E_LIMIT (too long), SH_E_NOMEM. */
SH_MUST_CHECK sh_err sql_rewrite(struct sh_arena *arena, struct sh_str text,
                                 struct sql_rewritten *out, struct sh_sql_fault *f);
/* 1-based byte in the input of byte `at` of the output. */
uint32_t sql_origin(const struct sql_rewritten *r, size_t at);

#endif /* SH_SQL_REWRITE_H */
