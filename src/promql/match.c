/* match.c - matchers of labels. Patterns are PCRE2, anchored at both ends, with match limits.
 * SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "promql_int.h"

enum { MATCH_LIMIT = 100000, MATCH_DEPTH = 1000, MATCH_HEAP_KIB = 1024, PATTERN_MAX = 10000 };

struct sh_promql_re {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static void re_free(void *ctx)
{
    struct sh_promql_re *re = ctx;
    pcre2_match_context_free(re->limits);
    pcre2_match_data_free(re->data);
    pcre2_code_free(re->code);
}

static pcre2_code *compile(struct sh_str pattern, char why[200])
{
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    if (cc == NULL) {
        return NULL;
    }
    (void)pcre2_set_parens_nest_limit(cc, 100);
    (void)pcre2_set_max_pattern_length(cc, PATTERN_MAX);
    pcre2_code *re = pcre2_compile(
        (PCRE2_SPTR)pattern.p, pattern.n,
        PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &at, cc);
    pcre2_compile_context_free(cc);
    if (re == NULL && pcre2_get_error_message(code, (PCRE2_UCHAR *)why, 200) < 0) {
        why[0] = '?';
        why[1] = '\0';
    }
    return re;
}

const struct sh_promql_re *pql_re_new(struct sh_arena *ar, struct sh_str pattern, char why[200])
{
    why[0] = '\0';
    struct sh_promql_re *re = sh_arena_get(ar, sizeof *re);
    if (re == NULL) {
        return NULL;
    }
    re->code = compile(pattern, why);
    re->data = pcre2_match_data_create(1, NULL);
    re->limits = pcre2_match_context_create(NULL);
    if (re->code == NULL || re->data == NULL || re->limits == NULL ||
        sh_arena_defer(ar, re_free, re) != SH_OK) {
        re_free(re);
        return NULL;
    }
    (void)pcre2_set_match_limit(re->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(re->limits, MATCH_DEPTH);
    (void)pcre2_set_heap_limit(re->limits, MATCH_HEAP_KIB);
    return re;
}

int sh_promql_matches(const struct sh_promql_matcher *m, struct sh_str value)
{
    if (m->op == SH_PROMQL_EQ || m->op == SH_PROMQL_NE) {
        return sh_str_eq(m->value, value) == (m->op == SH_PROMQL_EQ);
    }
    const char *p = value.n == 0 ? "" : value.p;
    const int rc =
        pcre2_match(m->re->code, (PCRE2_SPTR)p, value.n, 0, 0, m->re->data, m->re->limits);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        return -1;
    }
    return (rc >= 0) == (m->op == SH_PROMQL_RE);
}
