/* outside_int.h - inside guard: providers, identities and the exchange of outside.h.
 * Included by guard_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_OUTSIDE_INT_H
#define SH_GUARD_OUTSIDE_INT_H

#include <sh/directory.h>

#include "cert_door_int.h"

struct guard_person;
struct guard_batch;
struct guard_role;

/* ---- who somebody is there ---- */

enum { GUARD_IDENTITIES_MAX = 4, GUARD_SUBJECT_MAX = 255, GUARD_LOGIN_MAX = 128 };
struct guard_identity {
    char provider[SH_PROVIDER_ID_MAX + 1];
    char subject[GUARD_SUBJECT_MAX + 1];
    bool named;                      /* it is a value of the naming claim still: nobody has come */
    char login[GUARD_LOGIN_MAX + 1]; /* of a directory: what was typed there last */
};

/* ---- providers (under lock; what is stored is changed under change and lock) ---- */

enum guard_provider_kind { GUARD_OIDC, GUARD_LDAP, GUARD_CERTIFICATE };
/* Of the stored form, with the lists of revoked certificates. */
enum { GUARD_PROVIDER_TEXT_MAX = 524288 };
enum guard_people {
    GUARD_PEOPLE_LINKED, /* only who was linked beforehand */
    GUARD_PEOPLE_CREATE, /* made at the first sign-in, with `roles` */
    GUARD_PEOPLE_MAP     /* made at the first sign-in, roles at each by `map` */
};
enum {
    GUARD_MAP_MAX = 32,
    GUARD_VALUE_CHARS = 256,
    GUARD_ISSUER_MAX = 400,
    GUARD_CLAIM_MAX = 64,
    GUARD_PROVIDER_ROLES = 16
};
enum { GUARD_SERVER_MAX = 255, GUARD_FILTER_CHARS = 512, GUARD_CA_MAX = 6144 };
enum guard_ldap_tls { GUARD_LDAPS, GUARD_STARTTLS, GUARD_CLEAR };
/* Of a provider of the kind ldap (directory_config.c). Its naming attribute, the one with groups
 * and the password of its service account are name_claim, roles_claim and secret of the provider.
 */
struct guard_directory {
    char servers[SH_DIRECTORY_SERVERS][GUARD_SERVER_MAX + 1]; /* host or host:port */
    uint32_t nservers;
    enum guard_ldap_tls tls;
    bool allow_clear;
    char ca[GUARD_CA_MAX + 1];
    char bind_dn[GUARD_VALUE_CHARS]; /* "" = anonymous */
    char base[GUARD_VALUE_CHARS];
    char filter[GUARD_FILTER_CHARS];
    char dn_template[GUARD_VALUE_CHARS]; /* in place of the search */
    char subject[GUARD_CLAIM_MAX + 1];
    char display[GUARD_CLAIM_MAX + 1];
    char group_base[GUARD_VALUE_CHARS]; /* "" = groups are values of roles_claim alone */
    char group_filter[GUARD_FILTER_CHARS];
    uint32_t at; /* the server that answered last; in memory only */
};
struct guard_provider {
    enum guard_provider_kind kind;
    char id[SH_PROVIDER_ID_MAX + 1];
    char zh[2 * SH_NAME_MAX + 1];
    char en[2 * SH_NAME_MAX + 1];
    bool disabled;
    uint32_t tenant;
    char issuer[GUARD_ISSUER_MAX + 1];
    char client[GUARD_VALUE_CHARS];
    char secret[GUARD_VALUE_CHARS]; /* "" = a public client */
    char scopes[GUARD_VALUE_CHARS];
    char name_claim[GUARD_CLAIM_MAX + 1];
    enum guard_people people;
    uint32_t nroles;
    char roles[GUARD_PROVIDER_ROLES][SH_NAME_MAX + 1];
    char roles_claim[GUARD_CLAIM_MAX + 1];
    uint32_t nmap;
    struct guard_map_row {
        char value[GUARD_VALUE_CHARS];
        char role[SH_NAME_MAX + 1];
    } map[GUARD_MAP_MAX];
    bool sign_out; /* who signs out here does so there as well, where it offers that */
    bool second;   /* its word for a second factor is taken */
    char acr[GUARD_VALUE_CHARS];
    struct guard_directory ldap;
    struct guard_trust trust;
    int64_t created_us;
    uint64_t revision;
    /* What was fetched; in memory only; owned; monotonic times. */
    struct sh_str discovery;
    struct sh_str jwks;
    int64_t discovery_us;
    int64_t jwks_us; /* 0 = none */
};

void guard_outside_init(struct sh_guard *g);
void guard_outside_fini(struct sh_guard *g);
sh_err guard_provider_load(struct sh_guard *g, const json_t *o);
struct guard_provider *guard_provider_find(struct sh_guard *g, struct sh_str id);
/* A copy without what was fetched; wiped and freed by guard_provider_drop. NULL: no memory. */
struct guard_provider *guard_provider_copy(struct sh_guard *g, const struct guard_provider *p);
void guard_provider_drop(struct sh_guard *g, struct guard_provider *p);
/* provider.c: the public form; the stored form into a batch; members of a body or a stored object,
 * the others stay. */
void guard_provider_write(struct sh_guard *g, const struct guard_provider *p, struct sh_jw *w);
sh_err guard_provider_batch(struct sh_guard *g, struct guard_batch *b,
                            const struct guard_provider *p);
sh_err guard_provider_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                           struct sh_diag *diag);
/* The member kind; false: there is none such. *out stays when the member is not there. */
bool guard_provider_kind_of(const json_t *o, enum guard_provider_kind *out);
void guard_provider_defaults(struct guard_provider *p);
bool guard_provider_id_ok(struct sh_str id);
/* SH_E_INVAL with diag. */
sh_err guard_provider_bad(struct sh_diag *diag, const char *path, const char *words,
                          const char *remedy);
/* A member of one line, when it is there; false: it is not one, or does not fit. */
bool guard_take_text(const json_t *o, const char *member, char *out, size_t cap);
/* The roles that a person would have. SH_E_DENIED: none of the values is mapped to a role that is
 * there; SH_E_LIMIT; SH_E_STATE: they hold the power of an administrator, which the policy refuses.
 * values: array of texts, or one text; of the map. */
sh_err guard_provider_roles(struct sh_guard *g, const struct guard_provider *p,
                            const json_t *values, struct guard_role **roles, uint32_t *n);
/* Those of a tenant, by id; at most cap. Under lock. */
size_t guard_providers_of(struct sh_guard *g, uint32_t tenant, const struct guard_provider **out,
                          size_t cap);
/* directory_config.c: members of the kind ldap. */
void guard_directory_write(const struct guard_directory *d, struct sh_jw *w);
sh_err guard_directory_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                            struct sh_diag *diag);
void guard_directory_defaults(struct guard_provider *p);
/* Host and port of "host", "host:port", "[v6]:port"; false: it is none of these. */
bool guard_directory_server(const struct guard_directory *d, const char *text, struct sh_str *host,
                            uint16_t *port);
/* Passwords cross a network in clear. */
bool guard_directory_clear(const struct guard_directory *d);
/* Of the three administrators. */
uint64_t guard_administrator_powers(void);
/* What guard_person_put asks besides: separation, and the last administrator. Under lock. */
sh_err guard_person_allowed(struct sh_guard *g, const struct guard_person *old,
                            const struct guard_person *form, struct sh_diag *diag);

/* ---- identities (identity.c); under lock ---- */

sh_err guard_identities_store(const struct guard_person *p, struct sh_jw *w);
sh_err guard_identities_load(const json_t *o, struct guard_person *p);
/* named: by the naming claim, of those to whom nobody has come. NULL: nobody. */
struct guard_person *guard_identity_owner(struct sh_guard *g, struct sh_str provider,
                                          struct sh_str subject, bool named);
/* All ways in of the person (there is no local password) are providers whose word for a second
 * factor is taken, and who are asked for it at the door. */
bool guard_identity_used(struct sh_guard *g, struct sh_str provider);
bool guard_second_is_outside(const struct sh_guard *g, const struct guard_person *p);
/* Ends the sessions that came by a provider: into the batch; then in memory. */
sh_err guard_outside_sessions_end(struct sh_guard *g, struct sh_str provider,
                                  struct guard_batch *b);
void guard_outside_sessions_drop(struct sh_guard *g, struct sh_str provider);

/* ---- oidc.c; pure ---- */

struct guard_discovery { /* views into the document */
    struct sh_str authorization;
    struct sh_str token;
    struct sh_str jwks;
    struct sh_str userinfo;    /* may be empty */
    struct sh_str end_session; /* may be empty */
    bool post_only;            /* client_secret_post, not basic */
    bool says_issuer;          /* answers carry iss (RFC 9207) */
    bool claims;               /* takes the parameter claims (Core 1.0, 5.5) */
};
/* RFC 8414, 3.3 and OpenID Connect Discovery 1.0, 4.3. SH_E_PROTO with diag. */
sh_err guard_discovery_read(const json_t *o, struct sh_str issuer, struct guard_discovery *out,
                            struct sh_diag *diag);
/* https, or http to this machine itself. */
bool guard_outside_url_ok(struct sh_str url);
struct guard_id_expect {
    struct sh_str issuer;
    struct sh_str client;
    struct sh_str nonce;
    int64_t now_s;
    int64_t since_s; /* signed in there at this time or later; 0 = whenever */
};
/* Claims of an ID token whose signature is good: OpenID Connect Core 1.0, 3.1.3.7. *why: a word of
 * sh_outside_why. SH_E_DENIED with diag. */
sh_err guard_id_check(const json_t *claims, const struct guard_id_expect *want, const char **why,
                      struct sh_diag *diag);
/* Two kinds of proof by amr (RFC 8176), or acr is one of the list. */
bool guard_id_second(const json_t *claims, struct sh_str acr_list);
/* Appends name=value to a URL or a form, with what has to stand between. */
sh_err guard_query_put(struct sh_buf *url, const char *name, struct sh_str value);
/* The value of PKCE's code_challenge (RFC 7636, 4.2). */
sh_err guard_pkce(const struct sh_guard *g, struct sh_str verifier, char out[SH_TOKEN_CHARS + 1]);
/* A path of ours that one may be sent to: no other host, no control characters. */
bool guard_path_ok(struct sh_str path);

/* ---- pending.c: what waits for a browser to come back; under lock ---- */

enum { GUARD_BACK_MAX = 512 };
struct guard_waiting {
    uint8_t key[SH_HASH_BYTES]; /* keyed hash of the browser's secret */
    enum sh_outside_purpose purpose;
    bool proved; /* by the provider; the second factor is asked for */
    unsigned tries;
    int64_t until_us; /* monotonic */
    int64_t begun_s;  /* wall clock */
    char provider[SH_PROVIDER_ID_MAX + 1];
    uint64_t revision; /* of the provider */
    char state[SH_SECRET_CHARS];
    char nonce[SH_SECRET_CHARS];
    char verifier[SH_SECRET_CHARS];
    char callback[SH_OUTSIDE_URL_MAX];
    char back[GUARD_BACK_MAX];
    uint8_t session[SH_HASH_BYTES]; /* to confirm */
    enum sh_cert_purpose asked;     /* by a certificate: what for, and the text to be signed */
    char text[SH_CERT_TEXT_MAX];    /* "" = not by one */
    /* proved: */
    uint32_t tenant;
    char name[SH_NAME_MAX + 1];
    char words[64 + GUARD_SUBJECT_MAX + SH_PROVIDER_ID_MAX]; /* for the audit entry */
};
/* Takes w over (a copy is made). SH_E_NOMEM. */
sh_err guard_waiting_put(struct sh_guard *g, const struct guard_waiting *w);
struct guard_waiting *guard_waiting_find(struct sh_guard *g, const uint8_t key[SH_HASH_BYTES]);
void guard_waiting_drop(struct sh_guard *g, struct guard_waiting *w);
sh_err guard_browser_hash(const struct sh_guard *g, struct sh_str secret,
                          uint8_t out[SH_HASH_BYTES]);

/* outside_end.c: the ID token of a session, in memory only, while it is no longer than that. Under
 * lock. */
enum { GUARD_HINT_MAX = 4096 };
struct guard_session;
void guard_hint_take(struct sh_guard *g, struct guard_session *s, struct sh_str token);
void guard_hint_drop(struct sh_guard *g, struct guard_session *s);
void guard_hints_drop(struct sh_guard *g); /* of all sessions */

/* ---- session.c, account.c, authkey.c ---- */

/* By what somebody comes in, when not by a password (NULL). */
struct guard_way {
    bool no_code;      /* our own second factor is not asked for */
    const char *words; /* for the audit entry */
    struct sh_str provider;
    struct sh_str hint; /* the ID token, for signing out there; may be empty */
};
/* As proving the password once more does, for the session of this hash. ask NULL: no code is
 * needed. SH_E_STATE: it is gone. Takes the locks. */
sh_err guard_session_confirm(struct sh_guard *g, const uint8_t hash[SH_HASH_BYTES],
                             const struct sh_sign_in_ask *ask, const struct guard_way *way,
                             struct sh_sign_in *out);
/* As sh_guard_key_ask. Under lock. */
sh_err guard_authkey_ask(struct sh_guard *g, const struct guard_person *p, struct sh_str host,
                         struct sh_jw *w);
/* password.c: the policy wants a second factor of the person. Under lock. */
bool guard_factor_demanded(const struct sh_guard *g, const struct guard_person *p);

/* ---- enter.c: from the claims to a session ---- */

struct guard_entrant {
    struct guard_provider *p; /* as it was when the exchange began */
    const json_t *claims;     /* of the ID token, and below it those of the user info */
    const json_t *more;       /* may be NULL */
    bool second;              /* the provider's word for a second factor */
    bool by_name;             /* the naming claim is a name here (certificates) */
    struct sh_str login;      /* of a directory; else empty */
    struct sh_str peer;
    struct sh_str agent;
    /* out */
    uint32_t tenant;
    char name[SH_NAME_MAX + 1];
    char words[64 + GUARD_SUBJECT_MAX + SH_PROVIDER_ID_MAX];
    const char *why;
    struct sh_diag diag;
};
/* A claim of the ID token, else of the user info; NULL. */
const json_t *guard_claim(const struct guard_entrant *e, const char *name);
/* By the naming claim as a name here; SH_E_DENIED with why: of an administrator. *out NULL: nobody.
 * Under lock. */
sh_err guard_entrant_by_name(struct sh_guard *g, struct guard_entrant *e,
                             struct guard_person **out);
/* Who that is: finds, makes or changes the person. SH_E_DENIED with why. Takes the locks. */
sh_err guard_enter(struct sh_guard *g, struct guard_entrant *e);
/* May he come in with what the provider proved? SH_OK; SH_E_AGAIN: our second factor is asked for;
 * SH_E_DENIED with why. Takes lock. */
sh_err guard_enter_second(struct sh_guard *g, struct guard_entrant *e);

#endif /* SH_GUARD_OUTSIDE_INT_H */
