/* tokens.c - see tokens.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokens.h"

#include <stdio.h>

#include "sqlite_int.h"

static bool is_han(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x323af) || c == 0x3007;
}

/* Kana and Hangul have no spaces between words either. */
static bool is_single(uint32_t c)
{
    return is_han(c) || (c >= 0x3041 && c <= 0x30ff && c != 0x30fb) || (c >= 0xac00 && c <= 0xd7a3);
}

static bool is_word(uint32_t c)
{
    if (c < 0x80) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    if (c < 0xc0) {
        return c == 0xb5 || c == 0xaa || c == 0xba;
    }
    if (c == 0xd7 || c == 0xf7 || (c >= 0x2000 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x303f) ||
        c == 0x30fb || (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xfe00 && c <= 0xfe6f) ||
        (c >= 0xff00 && c <= 0xff0f) || (c >= 0xff1a && c <= 0xff20) ||
        (c >= 0xff3b && c <= 0xff40) || (c >= 0xff5b && c <= 0xff65) || c >= 0xffe0) {
        return false;
    }
    return true;
}

/* Lower case of Latin, Greek and Cyrillic; full-width forms to ASCII. */
static uint32_t fold(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e) {
        c -= 0xfee0;
    }
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
        (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) {
        return c + 32;
    }
    if (c >= 0x400 && c <= 0x40f) {
        return c + 80;
    }
    if (c >= 0x100 && c <= 0x137) {
        return c | 1U;
    }
    return c;
}

static size_t put_utf8(char *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 0x3f));
        p[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    p[0] = (char)(0xf0 | c >> 18);
    p[1] = (char)(0x80 | (c >> 12 & 0x3f));
    p[2] = (char)(0x80 | (c >> 6 & 0x3f));
    p[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static size_t next_at(const struct record_cutter *c, size_t at, uint32_t *cp)
{
    return sh_utf8_next(sh_str_sub(c->in, at, c->in.n), cp);
}

/* The pair that starts at `at`, or false when no second character follows. */
static bool pair(const struct record_cutter *c, size_t at, struct record_token *out)
{
    uint32_t a = 0;
    uint32_t b = 0;
    const size_t na = next_at(c, at, &a);
    const size_t nb = next_at(c, at + na, &b);
    if (na == 0 || nb == 0 || !is_single(b)) {
        return false;
    }
    out->n = put_utf8(out->text, a);
    out->n += put_utf8(out->text + out->n, b);
    out->from = at;
    out->to = at + na + nb;
    return true;
}

static void word(struct record_cutter *c, struct record_token *out)
{
    uint32_t cp = 0;
    out->from = c->at;
    out->n = 0;
    for (;;) {
        const size_t n = next_at(c, c->at, &cp);
        if (n == 0 || !is_word(cp) || is_single(cp)) {
            break;
        }
        if (out->n + 4 <= RECORD_TOKEN_MAX) {
            out->n += put_utf8(out->text + out->n, fold(cp));
        }
        c->at += n;
    }
    out->to = c->at;
}

bool record_cut(struct record_cutter *c, struct record_token *out)
{
    out->same_place = false;
    if (c->pair_next) {
        c->pair_next = false;
        if (pair(c, c->pair_at, out)) {
            out->same_place = true;
            return true;
        }
    }
    while (c->at < c->in.n) {
        uint32_t cp = 0;
        const size_t n = next_at(c, c->at, &cp);
        if (n == 0) {
            c->at++;
            continue;
        }
        if (is_single(cp)) {
            const size_t at = c->at;
            c->at += n;
            if (c->query && pair(c, at, out)) {
                return true;
            }
            c->pair_next = !c->query;
            c->pair_at = at;
            out->n = put_utf8(out->text, cp);
            out->from = at;
            out->to = c->at;
            return true;
        }
        if (is_word(cp)) {
            word(c, out);
            return true;
        }
        c->at += n;
    }
    return false;
}

size_t record_scope(uint32_t tenant, struct sh_str type, char out[RECORD_SCOPE_CHARS])
{
    const int n = snprintf(out, RECORD_SCOPE_CHARS, "s%xx%llx", tenant,
                           (unsigned long long)sh_hash64(type.p, type.n, 0));
    return n < 0 ? 0 : (size_t)n;
}

/* One space-separated term: a phrase, so that its parts must stand in a row. */
static sh_err match_term(struct sh_buf *out, struct sh_str term, bool *any)
{
    const bool prefix = term.n > 1 && term.p[term.n - 1] == '*';
    struct record_cutter c = {.in = term, .query = true};
    struct record_token t;
    if (!record_cut(&c, &t)) {
        return SH_OK;
    }
    SH_TRY(sh_buf_put_c(out, " AND body : \""));
    for (size_t i = 0; i < term.n; i++) {
        const char ch = term.p[i];
        SH_TRY(sh_buf_put_u8(out, ch == '"' || ch == '\0' ? ' ' : (uint8_t)ch));
    }
    SH_TRY(sh_buf_put_c(out, prefix ? "\" *" : "\""));
    *any = true;
    return SH_OK;
}

sh_err record_match(struct sh_buf *out, uint32_t tenant, struct sh_str type, struct sh_str search,
                    bool *any)
{
    char scope[RECORD_SCOPE_CHARS];
    const size_t n = record_scope(tenant, type, scope);
    *any = false;
    SH_TRY(sh_buf_printf(out, "scope : \"%.*s\"", (int)n, scope));
    size_t from = 0;
    while (from < search.n) {
        size_t to = from;
        uint32_t cp = 0;
        size_t step = 0;
        while (to < search.n) {
            step = sh_utf8_next(sh_str_sub(search, to, search.n), &cp);
            if (step == 0 || cp <= ' ' || cp == 0x3000) {
                break;
            }
            to += step;
        }
        SH_TRY(match_term(out, sh_str_sub(search, from, to), any));
        from = to + (step == 0 ? 1 : step);
    }
    return SH_OK;
}

/* ------------------------------------------------------------------ as an FTS5 tokenizer */

static int tok_create(void *ctx, const char **argv, int argc, Fts5Tokenizer **out)
{
    SH_UNUSED(argv);
    SH_UNUSED(argc);
    *out = (Fts5Tokenizer *)ctx; /* it has no state; any non-NULL pointer will do */
    return SQLITE_OK;
}

static void tok_delete(Fts5Tokenizer *t)
{
    SH_UNUSED(t);
}

static int tok_run(Fts5Tokenizer *t, void *ctx, int flags, const char *text, int n,
                   int (*token)(void *, int, const char *, int, int, int))
{
    SH_UNUSED(t);
    struct record_cutter c = {.in = {text, (size_t)n}, .query = (flags & FTS5_TOKENIZE_QUERY) != 0};
    struct record_token k;
    while (record_cut(&c, &k)) {
        const int rc = token(ctx, k.same_place ? FTS5_TOKEN_COLOCATED : 0, k.text, (int)k.n,
                             (int)k.from, (int)k.to);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

sh_err record_tokens_register(sqlite3 *db)
{
    fts5_api *api = NULL;
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_bind_pointer(st, 1, (void *)&api, "fts5_api_ptr", NULL) == SQLITE_OK) {
        (void)sqlite3_step(st);
    }
    (void)sqlite3_finalize(st);
    if (api == NULL) {
        return SH_E_UNSUPPORTED;
    }
    fts5_tokenizer tok = {.xCreate = tok_create, .xDelete = tok_delete, .xTokenize = tok_run};
    return record_sql_err(api->xCreateTokenizer(api, "songhua", (void *)api, &tok, NULL));
}
