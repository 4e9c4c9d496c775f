/* tokens.h - full text: how text is cut into tokens, and how a search becomes an FTS5 expression.
 * Han characters are indexed one by one and as overlapping pairs at the same position; a query of n
 * characters asks for n-1 pairs and the last character in a row, so one, two and four characters
 * are found alike. Other letters and digits make words, lower case, full-width forms folded.
 * Pure functions, re-entrant.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_RECORD_TOKENS_H
#define SH_RECORD_TOKENS_H

#include <sh/base.h>

enum { RECORD_TOKEN_MAX = 64, RECORD_SCOPE_CHARS = 32 };

struct record_token {
    char text[RECORD_TOKEN_MAX]; /* cut at whole characters */
    size_t n;
    size_t from, to; /* bytes of the input */
    bool same_place; /* at the position of the token before */
};
/* Cutter over borrowed text. */
struct record_cutter {
    struct sh_str in;
    size_t at;
    bool query;     /* pairs instead of single characters where there is a pair */
    bool pair_next; /* the pair that starts at pair_at comes next */
    size_t pair_at;
};
/* False at the end. Malformed UTF-8 separates words. */
bool record_cut(struct record_cutter *c, struct record_token *out);

/* The token that keeps tenants and types apart in the index; returns its length. */
size_t record_scope(uint32_t tenant, struct sh_str type, char out[RECORD_SCOPE_CHARS]);
/* Writes the FTS5 expression for a user's search. *any = false: it holds no word (no match). */
sh_err record_match(struct sh_buf *out, uint32_t tenant, struct sh_str type, struct sh_str search,
                    bool *any);

#endif /* SH_RECORD_TOKENS_H */
