/* outside.h - people who prove themselves to somebody else, by OpenID Connect (Core 1.0, code flow
 * with PKCE, RFC 7636; RP-Initiated Logout 1.0): the providers, who of us is whom there, and the
 * exchange by which one comes in. The exchange does no I/O: it says what to fetch and is given what
 * came. Threads, ownership and errors as guard.h has them. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_OUTSIDE_H
#define SH_OUTSIDE_H

#include <sh/guard.h>

enum {
    SH_PROVIDER_ID_MAX = 32, /* small letters, digits, dashes */
    SH_PROVIDERS_MAX = 64,   /* of the node */
    SH_OUTSIDE_URL_MAX = 2048
};

/* ---- providers; people.read and people.write in at->tenant, to which they belong ---- */

/* Objects (docs/api.md) into the caller's open array, by id. */
SH_MUST_CHECK sh_err sh_guard_providers_write(struct sh_guard *g, const struct sh_guard_at *at,
                                              struct sh_jw *w);
SH_MUST_CHECK sh_err sh_guard_provider_get(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str id, struct sh_jw *w, uint64_t *revision);
/* Makes or changes one; members that are not in the body stay. Whose roles it gives, the caller
 * must be able to give. SH_E_INVAL, SH_E_EXISTS, SH_E_NOTFOUND, SH_E_CONFLICT, SH_E_DENIED,
 * SH_E_LIMIT (64). May block. */
SH_MUST_CHECK sh_err sh_guard_provider_put(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str id, const json_t *body,
                                           enum sh_put_mode mode, uint64_t revision,
                                           struct sh_jw *w, struct sh_diag *diag);
/* Sessions that came by it end. SH_E_NOTFOUND; SH_E_STATE: somebody has no other way in (diag). May
 * block. */
SH_MUST_CHECK sh_err sh_guard_provider_delete(struct sh_guard *g, const struct sh_guard_at *at,
                                              struct sh_str id, struct sh_diag *diag);
/* Those of a tenant that are in use, as id, zh, en into the caller's open array: for whoever asks.
 * Nothing for a tenant that is not there. Fast. */
void sh_guard_doors_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w);

/* ---- who of us is whom there; people.read and people.write as for the person itself ---- */

/* Objects provider, subject or name, into the caller's open array. person empty: one's own. Fast.
 */
SH_MUST_CHECK sh_err sh_guard_identities_write(struct sh_guard *g, const struct sh_guard_at *at,
                                               struct sh_str person, struct sh_jw *w);
/* body: provider, and subject (the claim sub) or name (the claim that names the person; with the
 * first sign-in the subject takes its place). SH_E_EXISTS: somebody has it; SH_E_LIMIT. May block.
 */
SH_MUST_CHECK sh_err sh_guard_identity_add(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str person, const json_t *body,
                                           struct sh_diag *diag);
/* The person's sessions end. SH_E_NOTFOUND. May block. */
SH_MUST_CHECK sh_err sh_guard_identity_remove(struct sh_guard *g, const struct sh_guard_at *at,
                                              struct sh_str person, struct sh_str provider,
                                              struct sh_diag *diag);

/* ---- the exchange ---- */

enum sh_outside_purpose {
    SH_OUTSIDE_SIGN_IN, /* makes a session */
    SH_OUTSIDE_CONFIRM, /* proves once more who sits there, for dangerous acts */
    SH_OUTSIDE_TRY,     /* can the provider be talked to? */
    SH_OUTSIDE_SIGN_OUT /* out of a session that came by it */
};
/* Borrowed until the call returns. */
struct sh_outside_ask {
    struct sh_str provider;
    struct sh_str browser;  /* cookie: the secret that binds the exchange to a browser */
    struct sh_str session;  /* to confirm: the session's token */
    struct sh_str callback; /* to begin: absolute URL that the provider sends the browser to */
    struct sh_str back;     /* to begin: where the person wants to go; a path here, else "/" */
    struct sh_str code;     /* of the answer (RFC 6749, 4.1.2) */
    struct sh_str state;
    struct sh_str issuer; /* member iss of the answer (RFC 9207); may be empty */
    struct sh_str error;  /* RFC 6749, 4.1.2.1; may be empty */
    struct sh_str peer;
    struct sh_str agent;
};
/* What is to be fetched next: views into the exchange. */
struct sh_outside_fetch {
    const char *method;
    struct sh_str url;
    struct sh_str authorization; /* value of the field; may be empty */
    struct sh_str form;          /* body, application/x-www-form-urlencoded; may be empty */
};
struct sh_outside;
/* Each makes an exchange, also one that has failed already: sh_outside_step says so. SH_E_NOMEM
 * only. Fast. */
SH_MUST_CHECK sh_err sh_outside_begin(struct sh_guard *g, enum sh_outside_purpose purpose,
                                      const struct sh_outside_ask *ask, struct sh_outside **out);
SH_MUST_CHECK sh_err sh_outside_return(struct sh_guard *g, const struct sh_outside_ask *ask,
                                       struct sh_outside **out);
/* people.write. SH_E_NOTFOUND, SH_E_DENIED as well. */
SH_MUST_CHECK sh_err sh_outside_try(struct sh_guard *g, const struct sh_guard_at *at,
                                    struct sh_str provider, struct sh_outside **out);
/* Signing out at the provider by which ask->session (a token) came, before that session ends here.
 * ask->callback: where browsers reach the doors, ".../sign-in". SH_E_NOTFOUND: there is no such
 * session, it came otherwise, or the provider is not to be asked. Where it goes is
 * sh_outside_location. Refused as "no_sign_out": the provider does not offer it. Fast. */
SH_MUST_CHECK sh_err sh_outside_sign_out(struct sh_guard *g, const struct sh_outside_ask *ask,
                                         struct sh_outside **out);
/* The provider sent the browser back with `state`: does it belong to a sign-out of this browser?
 * Uses it up. Fast. */
bool sh_guard_signed_out(struct sh_guard *g, const struct sh_outside_ask *ask);
void sh_outside_free(struct sh_outside *x); /* NULL is accepted */
/* SH_E_AGAIN: fetch this, give it to sh_outside_fetched, call again. SH_OK: done: the browser goes
 * to sh_outside_location; after a sign-in there is a session (or a code is asked for, see
 * sh_outside_code). Another error: refused, sh_outside_why says why; audited. May block. */
SH_MUST_CHECK sh_err sh_outside_step(struct sh_outside *x, struct sh_outside_fetch *next);
/* err: the fetch failed, and why in English. Copies. Any thread, between two steps. */
void sh_outside_fetched(struct sh_outside *x, sh_err err, const char *why, int status,
                        struct sh_bytes body);

/* A word for what went wrong, for the console's words: never NULL. */
const char *sh_outside_why(const struct sh_outside *x);
/* The same in one English sentence with what was found: for who administers providers. */
const char *sh_outside_detail(const struct sh_outside *x);
/* After a beginning the provider's page; after a return the way back ("/devices", a path here). */
struct sh_str sh_outside_location(const struct sh_outside *x);
/* After a beginning, and when a code is asked for: the secret for the cookie; empty = take it away.
 */
struct sh_str sh_outside_browser(const struct sh_outside *x);
enum sh_outside_purpose sh_outside_purpose(const struct sh_outside *x);
/* The session; NULL: none was made. */
const struct sh_sign_in *sh_outside_session(const struct sh_outside *x);
/* Our own second factor is asked for: sh_guard_outside_code. */
bool sh_outside_code_needed(const struct sh_outside *x);

/* ---- our own second factor behind it ---- */

/* The code (or assertion) of whoever the exchange has proved: the session, or the confirmation
 * (*confirmed). SH_E_DENIED: wrong, which counts to the lock-out; code_needed as for signing in;
 * SH_E_NOTFOUND: begin anew, it is longer than five minutes ago or was tried too often. May block.
 */
SH_MUST_CHECK sh_err sh_guard_outside_code(struct sh_guard *g, struct sh_str browser,
                                           const struct sh_sign_in_ask *ask, struct sh_sign_in *out,
                                           bool *confirmed);
/* What a security key has to sign there, as sh_guard_key_ask. Fast. */
SH_MUST_CHECK sh_err sh_guard_outside_key(struct sh_guard *g, struct sh_str browser,
                                          struct sh_str host, struct sh_jw *w);

/* ---- pure ---- */

/* Does the address (numeric) lie in one of the ranges of a list by comma? */
bool sh_net_list_has(struct sh_str list, struct sh_str address);
/* Is the list well formed? */
bool sh_net_list_ok(struct sh_str list);
#define SH_OUTSIDE_COOKIE "songhua_outside"
/* Set-Cookie of sh_outside_browser: HttpOnly, SameSite=Lax (it comes back from another site), for
 * ten minutes. */
SH_MUST_CHECK sh_err sh_outside_cookie_put(struct sh_buf *out, struct sh_str secret, bool secure);

#endif /* SH_OUTSIDE_H */
