/* command.c - what clients say besides SELECT: transactions are accepted and do nothing (each
 * statement sees the present), settings are accepted and forgotten, SHOW answers what is so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "session.h"
#include "types.h"

/* The next word of the text, upper-case, cut to fit; *rest is what follows. */
static void next_word(struct sh_str *rest, char out[32])
{
    size_t n = 0;
    struct sh_str s = *rest;
    for (;;) {
        s = sh_str_trim(s);
        if (sh_str_starts(s, SH_STR("--"))) {
            const size_t end = sh_str_find(s, '\n');
            s = end == SIZE_MAX ? SH_STR("") : sh_str_sub(s, end, s.n);
        } else if (sh_str_starts(s, SH_STR("/*"))) {
            size_t i = 2;
            while (i + 1 < s.n && !(s.p[i] == '*' && s.p[i + 1] == '/')) {
                i++;
            }
            s = sh_str_sub(s, i + 2, s.n);
        } else {
            break;
        }
    }
    size_t i = 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (c >= 'a' && c <= 'z') {
            c = (char)(c - 32);
        }
        if (!((c >= 'A' && c <= 'Z') || c == '_' || c == '.' || (c >= '0' && c <= '9'))) {
            break;
        }
        if (n + 1 < 32) {
            out[n++] = c;
        }
    }
    out[n] = '\0';
    *rest = sh_str_sub(s, i, s.n);
}

size_t pg_first_statement(struct sh_str t)
{
    char quote = '\0';
    for (size_t i = 0; i < t.n; i++) {
        const char c = t.p[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == ';') {
            return i + 1;
        }
    }
    return t.n;
}

static const struct {
    const char *word;
    const char *tag;
    enum { BEGINS, ENDS, NOTHING, SHOWS, DROPS, DISCARDS } what;
} commands[] = {
    {"BEGIN", "BEGIN", BEGINS},
    {"START", "BEGIN", BEGINS},
    {"COMMIT", "COMMIT", ENDS},
    {"END", "COMMIT", ENDS},
    {"ROLLBACK", "ROLLBACK", ENDS},
    {"ABORT", "ROLLBACK", ENDS},
    {"SAVEPOINT", "SAVEPOINT", NOTHING},
    {"RELEASE", "RELEASE", NOTHING},
    {"SET", "SET", NOTHING},
    {"RESET", "RESET", NOTHING},
    {"SHOW", "SHOW", SHOWS},
    {"DEALLOCATE", "DEALLOCATE", DROPS},
    {"DISCARD", "DISCARD ALL", DISCARDS},
};

static int find(struct sh_str text, struct sh_str *rest)
{
    char word[32];
    *rest = text;
    next_word(rest, word);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(word, commands[i].word) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool pg_is_command(struct sh_str text)
{
    struct sh_str rest;
    return find(text, &rest) >= 0;
}

static const char *setting(const char *name)
{
    static const struct {
        const char *name;
        const char *value;
    } settings[] = {
        {"TRANSACTION_ISOLATION", "read committed"},
        {"TRANSACTION_READ_ONLY", "on"},
        {"DEFAULT_TRANSACTION_READ_ONLY", "on"},
        {"STANDARD_CONFORMING_STRINGS", "on"},
        {"SERVER_VERSION", "14.0"},
        {"SERVER_VERSION_NUM", "140000"},
        {"SERVER_ENCODING", "UTF8"},
        {"CLIENT_ENCODING", "UTF8"},
        {"TIMEZONE", "UTC"},
        {"TIME", "UTC"}, /* SHOW TIME ZONE */
        {"DATESTYLE", "ISO, MDY"},
        {"INTERVALSTYLE", "postgres"},
        {"INTEGER_DATETIMES", "on"},
        {"SEARCH_PATH", "public"},
        {"EXTRA_FLOAT_DIGITS", "3"},
        {"MAX_IDENTIFIER_LENGTH", "63"},
        {"BYTEA_OUTPUT", "hex"},
        {"LC_COLLATE", "C"},
        {"TRANSACTION", "read committed"}, /* SHOW TRANSACTION ISOLATION LEVEL */
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (strcmp(name, settings[i].name) == 0) {
            return settings[i].value;
        }
    }
    return NULL;
}

static void show_head(struct pg_session *s, const char *name)
{
    struct pg_out *o = &s->out;
    char low[32];
    size_t n = 0;
    for (; name[n] != '\0'; n++) {
        low[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]);
    }
    pg_begin(o, 'T');
    pg_u16(o, 1);
    pg_text(o, sh_str_of(low, n));
    pg_u32(o, 0);
    pg_u16(o, 0);
    pg_u32(o, PG_TEXT);
    pg_u16(o, 0xffff);
    pg_u32(o, UINT32_MAX);
    pg_u16(o, 0);
    pg_end(o);
}

/* In the simple protocol the head comes with the row; in the extended one Describe has asked for
 * it. */
static bool show(struct pg_session *s, struct sh_str rest, bool describe_only)
{
    char name[32];
    next_word(&rest, name);
    const char *value = setting(name);
    if (value == NULL) {
        pg_say_c(s, "42704", "this setting is not known", "SHOW server_version, for example.");
        return false;
    }
    if (describe_only) {
        show_head(s, name);
        return true;
    }
    pg_begin(&s->out, 'D');
    pg_u16(&s->out, 1);
    pg_u32(&s->out, (uint32_t)strlen(value));
    pg_bytes(&s->out, sh_bytes_of(value, strlen(value)));
    pg_end(&s->out);
    return true;
}

static void deallocate(struct pg_session *s, struct sh_str rest)
{
    struct sh_str name = sh_str_trim(rest);
    char word[32];
    struct sh_str after = name;
    next_word(&after, word);
    if (strcmp(word, "PREPARE") == 0) {
        name = sh_str_trim(after);
        next_word(&after, word);
    }
    while (name.n > 0 && (name.p[name.n - 1] == ';' || name.p[name.n - 1] == ' ')) {
        name.n--;
    }
    if (name.n > 1 && name.p[0] == '"') {
        name = sh_str_sub(name, 1, name.n - 1);
    }
    for (size_t i = 0; i < PG_STATEMENTS; i++) {
        struct pg_statement *st = &s->statements[i];
        if (st->used && (strcmp(word, "ALL") == 0 || sh_str_eqc(name, st->name))) {
            pg_statement_drop(s, st);
        }
    }
}

bool pg_command(struct pg_session *s, struct sh_str text, bool describe_only)
{
    struct sh_str rest;
    const int i = find(text, &rest);
    if (i < 0) {
        return false;
    }
    if (commands[i].what == SHOWS) {
        if (show(s, rest, describe_only) && !describe_only) {
            pg_tag(&s->out, "SHOW");
        }
        return true;
    }
    if (describe_only) {
        pg_plain(&s->out, 'n'); /* NoData */
        return true;
    }
    switch (commands[i].what) {
    case BEGINS:
        s->in_transaction = true;
        break;
    case ENDS:
        s->in_transaction = false;
        pg_portals_close(s);
        break;
    case DROPS:
        deallocate(s, rest);
        break;
    case DISCARDS:
        deallocate(s, SH_STR("ALL"));
        break;
    case NOTHING:
    case SHOWS:
    default:
        break;
    }
    pg_tag(&s->out, commands[i].tag);
    return true;
}
