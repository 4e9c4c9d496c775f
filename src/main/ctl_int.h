/* ctl_int.h - `songhua ctl`: what was asked, the request, the showing. One thread; process memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_MAIN_CTL_INT_H
#define SH_MAIN_CTL_INT_H

#include <sh/api.h>
#include <sh/url.h>

enum { CTL_ARGS = 32, CTL_OPTIONS = 64, CTL_BODY_MAX = 64 << 20, CTL_ANSWER_MAX = 256 << 20 };

/* Exit codes: one per class of failure, for scripts. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1, /* METHOD PATH: any problem; else what fits no other class */
    CTL_USAGE = 2,
    CTL_UNREACHABLE = 3,
    CTL_DENIED = 4,   /* 401, 403 */
    CTL_NOTFOUND = 5, /* 404, 410 */
    CTL_CONFLICT = 6, /* 409, 412 */
    CTL_REFUSED = 7,  /* other 4xx: the request is wrong */
    CTL_BUSY = 8,     /* 429, 503: later */
    CTL_BROKEN = 9    /* other 5xx */
};

struct ctl_option {
    struct sh_str name;
    struct sh_str value;
    bool json; /* --name:=value */
};

struct ctl {
    struct sh_env env;
    struct sh_arena *arena;
    bool chinese;
    bool json;
    bool all;
    bool help;
    struct sh_str url;
    struct sh_str token;
    struct sh_str key;    /* Idempotency-Key */
    bool keeps_cookie;    /* the one of a sign-in by a provider goes with the next request */
    struct sh_str cookie; /* name=value */
    struct sh_str type;   /* Content-Type; empty: by the looks of the body */
    struct sh_str args[CTL_ARGS];
    size_t nargs;
    struct ctl_option options[CTL_OPTIONS];
    size_t noptions;
};

struct ctl_answer {
    long status;
    struct sh_buf body;
    bool is_json;
};

/* In the caller's language. */
const char *ctl_word(const struct ctl *c, const char *english, const char *chinese);
/* Usage problem on stderr; returns CTL_USAGE. */
int ctl_usage(const struct ctl *c, const char *english, const char *chinese, struct sh_str what);

/* ctl_http.c: SH_E_CLOSED: nobody answers (told on stderr). body.p == NULL: none. */
sh_err ctl_request(struct ctl *c, const char *method, struct sh_str path, struct sh_str body,
                   bool raw, struct ctl_answer *out);
/* Reads "@file", "-" (stdin), or takes the text itself. */
sh_err ctl_body(struct ctl *c, struct sh_str given, struct sh_str *out);
enum ctl_exit ctl_exit_of(long status);

/* ctl_words.c: the command that the arguments begin with; *used words. False: none. */
bool ctl_command_find(const struct ctl *c, struct sh_api_command *out, size_t *used);
/* Commands that begin with the arguments (all: with none). False: none does. */
bool ctl_help(const struct ctl *c);
/* The address with parameters and query; options that are no query stay. */
sh_err ctl_path(struct ctl *c, const struct sh_api_command *cmd, const struct sh_str *params,
                struct sh_str *out);
/* JSON body: the text given, with options as members. NULL: none. */
int ctl_json(struct ctl *c, const struct sh_api_command *cmd, struct sh_str given, json_t **out);

/* ctl_login.c: signing in by a certificate, and signing a text; args[0] is the word. */
int ctl_login(struct ctl *c, struct ctl_answer *a);
int ctl_sign(struct ctl *c);

/* ctl_show.c */
void ctl_show(const struct ctl *c, const json_t *answer);
void ctl_problem(const struct ctl *c, const struct ctl_answer *a);

#endif /* SH_MAIN_CTL_INT_H */
