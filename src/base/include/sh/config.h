/* config.h - settings: [section] key = value, merged from defaults, file, environment and --set.
 * Which keys exist, their type, default and limits is a table that the program composes; an unknown
 * key is an error with the nearest known one as remedy. A source outranks those before it: default,
 * file, console, environment, --set. Built once, then read-only: any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CONFIG_H
#define SH_CONFIG_H

#include <sh/env.h>

enum sh_config_type {
    SH_CONFIG_TEXT,
    SH_CONFIG_BOOL,     /* true false */
    SH_CONFIG_INT,      /* min..max */
    SH_CONFIG_SIZE,     /* bytes: 64KiB */
    SH_CONFIG_DURATION, /* microseconds: 5s */
    SH_CONFIG_LISTEN,   /* address:port, empty = off */
    SH_CONFIG_CHOICE    /* one of the key's choices */
};

struct sh_config_key {
    const char *name; /* "http.listen"; environment: SONGHUA_HTTP_LISTEN */
    enum sh_config_type type;
    const char *dflt;
    int64_t min;
    int64_t max;      /* 0, 0 = no bounds */
    bool live;        /* may change by reload; else needs a restart */
    bool security;    /* invalid at the first start: keep what it opens closed */
    bool file_only;   /* not for the console: a path on this machine, or what keeps it safe */
    const char *help; /* one sentence */
    const char *chinese;
    const char *choices; /* of a SH_CONFIG_CHOICE: words by comma; else NULL */
};

enum sh_config_source {
    SH_CONFIG_FROM_DEFAULT,
    SH_CONFIG_FROM_FILE,
    SH_CONFIG_FROM_CONSOLE,
    SH_CONFIG_FROM_ENV,
    SH_CONFIG_FROM_SET
};

struct sh_config;
/* keys: table ended by name == NULL, borrowed for the life of the config. */
SH_MUST_CHECK sh_err sh_config_new(const struct sh_env *env, const struct sh_config_key *keys,
                                   struct sh_config **out);
void sh_config_free(struct sh_config *c);
/* Each applies one source; problems are reported to fn (may be called many times) and the bad
 * assignment is left out; SH_E_INVAL when there was at least one. */
typedef void sh_config_problem(void *ctx, const struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_config_text(struct sh_config *c, struct sh_str text, const char *file,
                                    sh_config_problem *fn, void *ctx);
SH_MUST_CHECK sh_err sh_config_environ(struct sh_config *c, char *const *environ_vars,
                                       sh_config_problem *fn, void *ctx);
SH_MUST_CHECK sh_err sh_config_set(struct sh_config *c, struct sh_str assignment,
                                   enum sh_config_source from, sh_config_problem *fn, void *ctx);
/* One key: what a file or --set would say as "name = value". `place` goes into the problem's path.
 */
SH_MUST_CHECK sh_err sh_config_put(struct sh_config *c, struct sh_str name, struct sh_str value,
                                   enum sh_config_source from, const char *place,
                                   sh_config_problem *fn, void *ctx);
/* Another config of the same table with the same values. */
SH_MUST_CHECK sh_err sh_config_dup(const struct sh_config *c, struct sh_config **out);
/* Takes the value and the source of one key over from a config of the same table. */
SH_MUST_CHECK sh_err sh_config_take(struct sh_config *c, const struct sh_config *from,
                                    const struct sh_config_key *key);

/* What is wrong with a value of a key, for those who say it in their own words. */
enum sh_config_fault {
    SH_CONFIG_GOOD,
    SH_CONFIG_BAD_TYPE,   /* not of its type */
    SH_CONFIG_BAD_RANGE,  /* not within min..max */
    SH_CONFIG_BAD_CHOICE, /* none of its choices */
};
enum sh_config_fault sh_config_try(const struct sh_config_key *key, struct sh_str value);
/* The key of that name; NULL: there is none, *near is the one that reads most like it (may be
 * NULL). */
const struct sh_config_key *sh_config_find(const struct sh_config *c, struct sh_str name,
                                           const char **near);

/* Reading asserts that the key exists with that type. */
struct sh_str sh_config_get(const struct sh_config *c, const char *name);
int64_t sh_config_int(const struct sh_config *c, const char *name); /* INT, SIZE, DURATION */
bool sh_config_bool(const struct sh_config *c, const char *name);
/* A security key that chooses a rule, given a value that is none of its choices: its default may be
 * weaker than what was meant, so one should not go on. NULL: there is none. */
const struct sh_config_key *sh_config_unsafe(const struct sh_config *c);
enum sh_config_source sh_config_source(const struct sh_config *c, const char *name);
const struct sh_config_key *sh_config_keys(const struct sh_config *c);

#endif /* SH_CONFIG_H */
