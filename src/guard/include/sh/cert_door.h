/* cert_door.h - people who prove themselves by a certificate and its key (on a USB key, a card, or
 * in a file): a provider of the kind certificate gives a text to sign, and takes the signature.
 *
 * The text is a few lines of ASCII with LF, signed whole: whose site, which provider, what for,
 * when, and a nonce of 256 bits. It is good once, for five minutes, for the browser whose cookie
 * (SH_OUTSIDE_COOKIE) goes with it.
 * Threads, ownership and errors as guard.h has them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CERT_DOOR_H
#define SH_CERT_DOOR_H

#include <sh/outside.h>

enum { SH_CERT_TEXT_MAX = 640, SH_CERT_MESSAGE_MAX = 4096 };

enum sh_cert_purpose {
    SH_CERT_SIGN_IN, /* makes a session */
    SH_CERT_CONFIRM, /* proves once more who sits there, for dangerous acts */
    SH_CERT_BIND     /* the person's own certificate, to sign in with it from now on */
};
/* Borrowed until the call returns. */
struct sh_cert_ask {
    struct sh_str provider;
    enum sh_cert_purpose purpose;
    struct sh_str session; /* token; to confirm and to bind */
    struct sh_str site;    /* where browsers reach us: stands in the text */
};
struct sh_cert_challenge {
    char text[SH_CERT_TEXT_MAX];
    char browser[SH_SECRET_CHARS]; /* for the cookie */
    int64_t until_us;              /* wall clock */
    char distid[160];              /* of SM2, with which it is to be signed */
};
/* SH_E_NOTFOUND: there is no such provider of that kind in use; SH_E_STATE: not a session, or (to
 * confirm) its person is not linked there, or (to bind) nobody may do that himself. Fast. */
SH_MUST_CHECK sh_err sh_guard_cert_ask(struct sh_guard *g, const struct sh_cert_ask *ask,
                                       struct sh_cert_challenge *out);

/* Borrowed until the call returns. */
struct sh_cert_answer {
    struct sh_str provider;
    struct sh_str browser;     /* of the cookie */
    struct sh_str certificate; /* PEM, or base64 of DER */
    struct sh_str chain;       /* those in between, the same; may be empty */
    struct sh_str signature;   /* base64; white space does not matter */
    struct sh_str peer;
    struct sh_str agent;
};
struct sh_cert_result {
    enum sh_cert_purpose purpose;
    struct sh_sign_in session; /* after signing in; retry_after_us when it is locked; which of our
                                * second factors there are */
    char browser[SH_SECRET_CHARS]; /* our second factor is asked for: the cookie from now on */
    const char *why;               /* on SH_E_DENIED: a word of sh_trust_report or sh_outside_why */
};
/* Uses the challenge up, whatever comes of it. SH_OK: there is a session, or it is confirmed;
 * SH_E_AGAIN: our own second factor is asked for (sh_guard_outside_code); SH_E_DENIED: refused, see
 * why; what does not prove anybody counts as a wrong password does; SH_E_LIMIT: locked;
 * SH_E_NOTFOUND: no challenge of this browser waits. Audited. May block. */
SH_MUST_CHECK sh_err sh_guard_cert_answer(struct sh_guard *g, const struct sh_cert_answer *answer,
                                          struct sh_cert_result *out);
/* The answer to a challenge to bind, for the session `at->by`: from now on the person signs in with
 * this certificate; one that was bound there before is not good any more. Errors as above;
 * SH_E_EXISTS: it is somebody else's; SH_E_LIMIT without retry_after_us, with diag: no room.
 * Audited. May block. */
SH_MUST_CHECK sh_err sh_guard_cert_bind(struct sh_guard *g, const struct sh_guard_at *at,
                                        const struct sh_cert_answer *answer,
                                        struct sh_cert_result *out, struct sh_diag *diag);

/* Step by step, without letting anybody in: the trust list and the lists of revoked ones, and with
 * a certificate also the signature of `message`, who it would be, and with which roles.
 * people.write. *out: an object good, steps, found (docs/api.md), owned. SH_E_NOTFOUND; SH_E_STATE:
 * the provider is none of the kind certificate; SH_E_INVAL: the message is too long. May block. */
SH_MUST_CHECK sh_err sh_guard_cert_try(struct sh_guard *g, const struct sh_guard_at *at,
                                       const struct sh_cert_answer *answer, struct sh_str message,
                                       json_t **out);

/* Those of a tenant that are in use, as sh_guard_doors_write. Fast. */
void sh_guard_cert_doors_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w);

#endif /* SH_CERT_DOOR_H */
