/* directory.h - people whose password lives in a directory (LDAP, RFC 4511): signing in on the
 * ordinary page, confirming, and trying a directory out. As the exchange of outside.h it does no
 * I/O: it says with whom to talk and what to send, and is given what came.
 * Threads, ownership and errors as guard.h has them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_DIRECTORY_H
#define SH_DIRECTORY_H

#include <sh/outside.h>

enum {
    SH_DIRECTORY_SERVERS = 4,  /* of one directory */
    SH_DIRECTORIES_TENANT = 4, /* of one tenant, that are in use */
    SH_DIRECTORY_WAITING = 32  /* exchanges under way on the node */
};

enum sh_directory_purpose {
    SH_DIRECTORY_SIGN_IN,
    SH_DIRECTORY_CONFIRM, /* proves once more who sits there */
    SH_DIRECTORY_KEY,     /* what a security key has to sign, once the password is right */
    SH_DIRECTORY_TRY      /* step by step, for who sets it up */
};

struct sh_directory;
/* Each makes an exchange; ask is copied. SH_E_NOMEM. Fast.
 * start: SIGN_IN or KEY. A local password is proved first, and is enough. */
SH_MUST_CHECK sh_err sh_directory_start(struct sh_guard *g, enum sh_directory_purpose purpose,
                                        const struct sh_sign_in_ask *ask,
                                        struct sh_directory **out);
/* SH_E_STATE: `who` is not a session. */
SH_MUST_CHECK sh_err sh_directory_confirm(struct sh_guard *g, const struct sh_principal *who,
                                          const struct sh_sign_in_ask *ask,
                                          struct sh_directory **out);
/* people.write. ask->user and ask->password may be empty: then no person is looked for.
 * SH_E_NOTFOUND, SH_E_DENIED; SH_E_STATE: the provider is none of the kind ldap. */
SH_MUST_CHECK sh_err sh_directory_try(struct sh_guard *g, const struct sh_guard_at *at,
                                      struct sh_str provider, const struct sh_sign_in_ask *ask,
                                      struct sh_directory **out);
void sh_directory_free(struct sh_directory *d); /* NULL is accepted */

/* What is to be done next; views into the exchange. */
enum sh_directory_act {
    SH_DIRECTORY_CONNECT, /* to a server; what was open before is closed */
    SH_DIRECTORY_SECURE,  /* TLS over the open connection */
    SH_DIRECTORY_TALK     /* send, and show to sh_directory_hear what comes */
};
struct sh_directory_want {
    enum sh_directory_act act;
    struct sh_str host; /* to connect and to secure: the name that the certificate must have */
    uint16_t port;
    bool tls;         /* from the first byte on */
    struct sh_str ca; /* PEM; empty: the node's signin.ca, else the system's */
    struct sh_bytes send;
    int64_t timeout_us;
};
/* SH_E_AGAIN: do that, tell sh_directory_done (or hear until it says SH_OK), call again. SH_OK:
 * done. SH_E_DENIED: refused, see sh_directory_why; counted and audited. SH_E_LIMIT: locked, or too
 * many wait. SH_E_TIMEOUT: no password was right here and a directory does not answer. May block
 * (argon2). */
SH_MUST_CHECK sh_err sh_directory_step(struct sh_directory *d, struct sh_directory_want *next);
/* What became of it; why: one English sentence, copied. Any thread, between two steps. */
void sh_directory_done(struct sh_directory *d, sh_err err, const char *why);
/* SH_E_AGAIN: more is needed; SH_OK: the answer is whole; SH_E_PROTO, SH_E_LIMIT, SH_E_CLOSED (the
 * server says that it ends): close, and tell it. *used: bytes that were taken. Any thread. */
SH_MUST_CHECK sh_err sh_directory_hear(struct sh_directory *d, struct sh_bytes in, size_t *used);

/* ---- what came of it ---- */

/* "": wrong user, password or code (never says which); else a word of sh_outside_why for somebody
 * whose password was right. */
const char *sh_directory_why(const struct sh_directory *d);
/* The session (token empty for a confirmation), or why it was refused: retry_after_us, code_needed.
 */
const struct sh_sign_in *sh_directory_session(const struct sh_directory *d);
/* KEY: as sh_guard_key_ask. Fast. */
SH_MUST_CHECK sh_err sh_directory_key(struct sh_directory *d, struct sh_str host, struct sh_jw *w);
/* TRY: members good, steps, found into the caller's open object (docs/api.md). Fast. */
void sh_directory_tried(const struct sh_directory *d, struct sh_jw *w);

/* Names (zh, en) of the directories of a tenant that are in use, into the caller's open array: for
 * whoever asks. Fast. */
void sh_guard_directories_write(struct sh_guard *g, struct sh_str tenant, struct sh_jw *w);

#endif /* SH_DIRECTORY_H */
