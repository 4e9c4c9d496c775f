/* console_int.h - inside the settings made in the console (console.c, console_ask.c). Everything
 * here is called under console->lock. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CONSOLE_INT_H
#define SH_CONSOLE_INT_H

#include "main_int.h"

/* The record that holds them, of the platform; its revisions are the history. */
#define CONSOLE_KIND SH_STR("_settings")
#define CONSOLE_ID SH_STR("console")
/* Configurations that replace one another until a restart: each stays in memory. */
enum { CONSOLE_CHANGES_MAX = SH_GUARD_SETTINGS };

struct old {
    struct old *next;
    struct sh_config *config;
};

struct node_console {
    struct sh_mutex lock; /* one change at a time */
    struct settings_from from;
    struct sh_config *start; /* as the parts were opened with; n->config, or one of `olds` */
    struct sh_config *want;
    struct old *olds;
    unsigned replaced;
    json_t *set; /* key -> text: what the console sets now */
    uint64_t revision;
};

/* The configuration by all sources, with `set` as what the console sets; problems are told and left
 * out. SH_E_NOMEM. */
SH_MUST_CHECK sh_err console_build(const struct node *n, const struct settings_from *from,
                                   const json_t *set, sh_config_problem *fn, void *ctx,
                                   struct sh_config **out);
bool console_same(const struct sh_config *a, const struct sh_config *b, const char *key);
/* Of the security administrator: who comes in, and what is kept of it. */
bool console_of_security(const struct sh_config_key *k);
/* The running configuration with the live keys of `want`. SH_E_NOMEM, SH_E_LIMIT. */
SH_MUST_CHECK sh_err console_run(struct node *n, const struct sh_config *want);
/* Takes it as what is wanted by all sources. */
void console_want(struct node_console *s, struct sh_config *want);
/* What a stored document sets: a new reference. NULL: no memory. */
json_t *console_set_of(struct sh_str doc);
SH_MUST_CHECK sh_err console_store(struct node *n, json_t *set, const struct sh_api_config_ask *ask,
                                   uint64_t expect, uint64_t *revision);

#endif /* SH_CONSOLE_INT_H */
