/* exchange_int.h - the exchange of outside.c, shared with its stages (exchange.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_EXCHANGE_INT_H
#define SH_GUARD_EXCHANGE_INT_H

#include <sh/jwt.h>

#include "guard_int.h"

enum stage { DISCOVERY, BEGIN, TOKEN, KEYS, VERIFY, USER, ENTER, DONE, FAILED };
enum {
    BODY_MAX = 262144,
    URL_MAX = 4 * SH_OUTSIDE_URL_MAX,
    WAIT_S = 600,
    CODE_S = 300,
    CODE_TRIES = 5,
    CACHE_S = 3600, /* what was fetched is good for so long */
    AGAIN_S = 60    /* keys are not fetched again sooner */
};
#define US INT64_C(1000000)

struct sh_outside {
    struct sh_guard *g;
    enum sh_outside_purpose purpose;
    enum stage stage;
    struct guard_provider *p; /* copy; NULL: none was found */
    struct guard_waiting w;
    char peer[64];
    char agent[GUARD_AGENT_MAX + 1];
    char answered_issuer[GUARD_ISSUER_MAX + 1];
    struct guard_discovery doc; /* views into discovery */
    json_t *discovery;
    json_t *jwks;
    int64_t jwks_us; /* of when they are; 0 = fetched by this exchange */
    json_t *claims;
    json_t *more;
    struct sh_buf code; /* of the answer, later the access token */
    struct sh_buf id_token;
    /* the fetch */
    bool asked;
    struct sh_buf url;
    struct sh_buf form;
    struct sh_buf authorization;
    sh_err fetch_err;
    int status;
    struct sh_buf body;
    char fetch_why[200];
    /* the end */
    const char *why;
    struct sh_diag diag;
    char browser[SH_SECRET_CHARS];
    struct sh_buf location;
    bool has_session;
    bool code_needed;
    bool told; /* why it failed, to the audit chain */
    struct sh_sign_in session;
};

/* outside.c: an empty exchange; a copy of the provider into it, with what was fetched of it later
 * than this (monotonic; INT64_MAX: nothing). */
sh_err guard_x_new(struct sh_guard *g, enum sh_outside_purpose purpose, struct sh_outside **out);
sh_err guard_x_take(struct sh_outside *x, struct sh_str id, int64_t since_us);
/* outside_end.c: stage BEGIN of a sign-out. */
sh_err guard_x_end(struct sh_outside *x);
/* Refused: why is a word of sh_outside_why, english the detail (NULL: it is in diag already). */
sh_err guard_x_fail(struct sh_outside *x, const char *why, const char *english);
/* The stages that talk to the provider: SH_OK with the next stage set, SH_E_AGAIN (fetch x->url),
 * SH_E_DENIED (failed), SH_E_NOMEM. */
sh_err guard_x_discovery(struct sh_outside *x);
sh_err guard_x_token(struct sh_outside *x);
sh_err guard_x_keys(struct sh_outside *x);
sh_err guard_x_verify(struct sh_outside *x);
sh_err guard_x_user(struct sh_outside *x);

#endif /* SH_GUARD_EXCHANGE_INT_H */
