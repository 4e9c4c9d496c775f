/* guard.h - who may do what: tenants, principals, roles, sessions, tokens, secrets, limits, audit.
 *
 * Threads: every call may come from any thread. sh_guard_check, sh_guard_live, sh_guard_explain and
 * the quota calls take no lock and never block: they read atomics. Calls marked "fast" take one
 * short lock and do no I/O: fit for a loop. Calls marked "may block" write to the record store or
 * hash a password: workers only.
 * Ownership: what a call hands out is by value or in the caller's buffers; text parameters are
 * borrowed for the call.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_H
#define SH_GUARD_H

#include <sh/base.h>
#include <sh/crypto.h>
#include <sh/dataclass.h>
#include <sh/permission.h>
#include <sh/pki.h>
#include <sh/ring.h>
#include <sh/scram.h>
#include <sh/totp.h>
#include <sh/webauthn.h>

struct sh_guard;
struct sh_record; /* the record store */

/* Tenant ids are numbers that never change and are never reused. 0 is "not set". */
enum { SH_TENANT_NONE = 0, SH_TENANT_ROOT = 1 };
enum {
    SH_NAME_MAX = 64,         /* bytes of a person's, role's, token's or tenant's name */
    SH_TENANT_DEPTH_MAX = 8,  /* province > region > park > enterprise and some room */
    SH_TENANT_PATH_MAX = 255, /* "jilin/parkA"; the root is "" */
    SH_DEVICE_ID_MAX = 240,
    SH_DASHBOARD_ID_MAX = 32,
    SH_SECRET_CHARS = 64 /* room for a token, session or device secret and a NUL */
};

/* ---- principals ---- */

enum sh_principal_kind {
    SH_PRINCIPAL_NOBODY, /* all zero: may do nothing */
    SH_PRINCIPAL_ANONYMOUS,
    SH_PRINCIPAL_PERSON,
    SH_PRINCIPAL_DEVICE,
    SH_PRINCIPAL_TOKEN,
    SH_PRINCIPAL_APP,
    SH_PRINCIPAL_SYSTEM /* the node itself and its off-line tools */
};
/* A handle of 16 bytes by value, kept for as long as one likes (a connection, a session). It goes
 * dead when its token, session, person or certificate is revoked, disabled or expires; changes of
 * roles reach it at once. Members are read-only for others than guard. */
struct sh_principal {
    uint32_t slot;
    uint32_t generation;
    uint32_t tenant; /* its home: its permissions hold there and in all tenants below */
    uint8_t kind;    /* enum sh_principal_kind */
    bool bound;      /* speaks for one device only: see sh_guard_check_device */
    bool panel;      /* shows one dashboard and holds no permission: see sh_guard_by_panel */
    uint8_t unused;
};

struct sh_principal_info {
    char name[SH_NAME_MAX + 1]; /* person, token name, or the words of the kind */
    char label[SH_NAME_MAX + SH_TENANT_PATH_MAX + 16]; /* for audit: "person:admin@jilin" */
    char token_id[24];                                 /* of an API token; "" = none */
    char device[SH_DEVICE_ID_MAX + 1];                 /* the device it is bound to; "" = none */
    char tenant_path[SH_TENANT_PATH_MAX + 1];
    uint64_t permissions; /* bit per enum sh_permission, as of now, for all of its tenant */
    uint64_t in_part;     /* for some devices of its tenant only */
    int64_t expires_us;   /* INT64_MAX = never */
};

/* May `p` do `perm` in `tenant`? SH_OK or SH_E_DENIED. Lock-free, about 50 ns. */
SH_MUST_CHECK sh_err sh_guard_check(const struct sh_guard *g, const struct sh_principal *p,
                                    enum sh_permission perm, uint32_t tenant);
/* The same for one device: a right in part counts for those that lie in it, and a principal that is
 * bound to a device is also refused for any other, unless it holds SH_PERM_INGEST_GATEWAY (a
 * gateway speaks for the devices behind it). Fast. */
SH_MUST_CHECK sh_err sh_guard_check_device(struct sh_guard *g, const struct sh_principal *p,
                                           enum sh_permission perm, uint32_t tenant,
                                           struct sh_str device);
/* Which classes of data (dataclass.h) its reading by this permission shows: what the roles that
 * give it show, added up. It says nothing about whether it is held. Of history.read, points.read,
 * devices.read, records.read and mqtt.any_topic (which stands for all that a subscription brings);
 * of others none. For all of the tenant, lock-free: */
sh_clearance sh_guard_clearance(const struct sh_guard *g, const struct sh_principal *p,
                                enum sh_permission perm, uint32_t tenant);
/* and for one device, with what is held for the parts in which it lies. Fast. */
sh_clearance sh_guard_clearance_device(struct sh_guard *g, const struct sh_principal *p,
                                       enum sh_permission perm, uint32_t tenant,
                                       struct sh_str device);
/* As the settings are now; lock-free. */
uint8_t sh_guard_export_confirm(const struct sh_guard *g);
uint8_t sh_guard_watermark(const struct sh_guard *g);
/* SH_OK while its credential is good; SH_E_CLOSED: close the connection or answer 401. Lock-free.
 * Long-lived holders (MQTT, SSE) ask at each message or at least once a minute. */
SH_MUST_CHECK sh_err sh_guard_live(const struct sh_guard *g, const struct sh_principal *p);

/* A right may hold for a part of a plant only: the devices at an asset and below it, those with a
 * label, or one's own, which are those labelled owner:<name of the person>. */
enum sh_part_kind { SH_PART_ALL, SH_PART_ASSET, SH_PART_LABEL, SH_PART_OWN };
struct sh_part {
    bool label;                      /* text is key:value; else an asset */
    char text[SH_DEVICE_ID_MAX + 1]; /* never empty */
};
enum { SH_PARTS_MAX = 8 };
struct sh_parts {
    bool all; /* every device of the tenant */
    uint32_t n;
    struct sh_part at[SH_PARTS_MAX];
};
/* Does the device lie in one of the parts? Any thread, must not block. */
typedef bool sh_guard_part_fn(void *ctx, uint32_t tenant, struct sh_str device,
                              const struct sh_parts *parts);
/* Who knows the plant; until it is set no right in part holds. Before requests come. */
void sh_guard_set_in_part(struct sh_guard *g, sh_guard_part_fn *fn, void *ctx);
/* Is the device archived? What is bound to one is not admitted. As above; not set: none is. */
typedef bool sh_guard_archived_fn(void *ctx, uint32_t tenant, struct sh_str device);
void sh_guard_set_archived(struct sh_guard *g, sh_guard_archived_fn *fn, void *ctx);
/* May `p` do `perm` for at least some devices of `tenant`? Lock-free. Who goes on then asks of each
 * device: by sh_guard_check_device, or by the parts, which hold as of now. */
SH_MUST_CHECK sh_err sh_guard_check_some(const struct sh_guard *g, const struct sh_principal *p,
                                         enum sh_permission perm, uint32_t tenant);
/* For which? SH_E_DENIED: for none. A principal that is bound to a device is not treated here.
 * Fast. */
SH_MUST_CHECK sh_err sh_guard_parts(struct sh_guard *g, const struct sh_principal *p,
                                    enum sh_permission perm, uint32_t tenant, struct sh_parts *out);

enum sh_denial {
    SH_DENIAL_NONE,
    SH_DENIAL_NOBODY,     /* not signed in: 401 */
    SH_DENIAL_REVOKED,    /* signed out, revoked or disabled: 401 */
    SH_DENIAL_EXPIRED,    /* 401 */
    SH_DENIAL_PERMISSION, /* 403 */
    SH_DENIAL_TENANT,     /* another tenant: answer 404 where existence is a secret */
    SH_DENIAL_TENANT_OFF, /* the tenant is disabled */
    SH_DENIAL_PASSWORD,   /* nothing until one's own password is changed: 403 */
    SH_DENIAL_FACTOR,     /* nothing until a second factor is set up: 403 */
    SH_DENIAL_PART,       /* held for a part of the plant only: 403 */
    SH_DENIAL_ENDED,      /* was given for a time that is over: 403 */
    SH_DENIAL_COMING      /* is given for a time that has not begun: 403 */
};
/* Why a check says no, and words for the problem's detail and remedy in Chinese or English. */
enum sh_denial sh_guard_explain(const struct sh_guard *g, const struct sh_principal *p,
                                enum sh_permission perm, uint32_t tenant, bool chinese,
                                struct sh_diag *diag);
/* Fast. SH_E_CLOSED: no longer live. */
SH_MUST_CHECK sh_err sh_guard_describe(struct sh_guard *g, const struct sh_principal *p,
                                       struct sh_principal_info *out);
/* The node itself (internal acts, off-line tools): every permission, everywhere. */
struct sh_principal sh_guard_system(const struct sh_guard *g);
/* For `mqtt.anonymous`: root tenant, messaging only. The caller admits loopback peers only. */
struct sh_principal sh_guard_anonymous(const struct sh_guard *g);

/* Who acts, where and from where. */
struct sh_guard_at {
    const struct sh_principal *by;
    uint32_t tenant;    /* where: people and tokens; others ignore it */
    struct sh_str peer; /* address for the audit entry; may be empty */
};

/* ---- open and close ---- */

/* Who must have a second factor; until he has, he may do nothing else. */
enum sh_factor_policy {
    SH_FACTOR_CHOICE,         /* nobody: who wants */
    SH_FACTOR_ADMINISTRATORS, /* who may change people, roles, tenants or the configuration */
    SH_FACTOR_ALL
};

/* What to do about an identity that is used from two places in turn. */
enum sh_clones { SH_CLONES_OFF, SH_CLONES_WARN, SH_CLONES_QUARANTINE };

struct sh_guard_settings {
    struct sh_argon2 argon2;
    uint32_t password_min;     /* characters; 10 */
    uint32_t password_classes; /* of capitals, small letters, digits, others that must occur; 0 */
    uint32_t password_history; /* passwords before that may not come back; at most 8; 5 */
    int64_t password_age_us;   /* until it must be changed; 0 = never */
    enum sh_factor_policy second_factor; /* who must have one; SH_FACTOR_CHOICE */
    bool outside_administrators; /* a provider may give the powers of an administrator; false */
    int64_t
        confirm_us; /* dangerous acts ask for the password again after this; 0 = never; 15 min */
    uint32_t password_waiting;    /* password checks that may wait for the one that runs; 16 */
    uint32_t lock_after;          /* failures of a user before it is locked; 5 */
    uint32_t lock_address_after;  /* failures from one address; 20 */
    int64_t lock_first_us;        /* first lock; doubles with each further failure; 1 s */
    int64_t lock_max_us;          /* 15 min */
    int64_t session_idle_us;      /* 12 h */
    int64_t session_max_us;       /* 7 days */
    uint32_t max_tenants;         /* 4096 */
    uint32_t max_people;          /* 10,000 */
    uint32_t max_roles;           /* 256 */
    uint32_t max_tokens;          /* 100,000 */
    uint32_t max_sessions;        /* 20,000; the oldest session of the same person goes first */
    uint32_t max_devices;         /* device secrets and certificates: 1,000,000 */
    uint32_t sessions_per_person; /* 50 */
    uint32_t audit_waiting;       /* posted audit entries not yet written; 4096 */
    enum sh_clones clones;        /* SH_CLONES_WARN */
    uint8_t
        export_confirm; /* class from which an export asks for the password; SH_CLASS_IMPORTANT */
    uint8_t watermark;  /* class from which data carries the reader's name; SH_CLASS_NONE: never */
    uint32_t device_days; /* of a device's certificate, where nobody says it; 1825 */
    /* Where this node is reached, for certificates to say where to ask about them:
     * "http://host:port" without a slash behind; "" = they do not say. */
    char pki_url[256];
    /* How secrets are sealed at rest. Another one than the key in use has: a new key is made and
     * all are sealed anew within a tick. SH_BOX_AES_GCM */
    enum sh_box_kind box;
};
struct sh_guard_settings sh_guard_settings_default(void);

#define SH_GUARD_MASTER "file:keys/node.key"

struct guard_store; /* persistence seam (guard_int.h); made by sh_guard_store_record */
struct sh_guard_options {
    const struct sh_env *env;       /* borrowed for life */
    const struct sh_crypto *crypto; /* borrowed for life */
    struct guard_store *store;      /* taken, also on error */
    struct sh_workers *workers;     /* borrowed; NULL: sh_guard_tick does the work (tests) */
    const char *dir;                /* the data folder; keys/ is made in it */
    const char *master;             /* sh_master_open; NULL: SH_GUARD_MASTER */
    struct sh_guard_settings settings;
    /* After a restore from a backup without keys/: missing or other keys are accepted, which
     * is audited. Passwords and certificates stay good; tokens, sessions and device secrets are
     * void. */
    bool accept_new_key;
    bool restored; /* the data comes out of a backup: no seal of the end of its audit is missed */
};
/* Store over the record module: documents of the kinds guard.*; `r` is borrowed and must outlive
 * it. */
SH_MUST_CHECK sh_err sh_guard_store_record(const struct sh_env *env, struct sh_record *r,
                                           struct guard_store **out);
/* Loads everything into memory, makes the root tenant and the keys when they are missing.
 * SH_E_STATE: the keys do not belong to this data folder, or the master key does not open them
 * (diag says what to do). May block. */
SH_MUST_CHECK sh_err sh_guard_open(const struct sh_guard_options *o, struct sh_guard **out,
                                   struct sh_diag *diag);
/* Other settings from now on. What sizes a table (max_*, audit_waiting) and argon2 stay as they
 * were at the open. What is stricter holds for what comes after: a password that is too short now
 * is good until it is changed. SH_E_INVAL; SH_E_LIMIT after SH_GUARD_SETTINGS changes. Any thread.
 */
enum { SH_GUARD_SETTINGS = 10000 };
SH_MUST_CHECK sh_err sh_guard_set_settings(struct sh_guard *g, const struct sh_guard_settings *s);
/* Closing down begins: passwords that wait to be hashed are answered SH_E_CANCELED here and now,
 * later ones SH_E_LIMIT; the one being hashed is finished. Any thread. NULL is accepted. */
void sh_guard_stop(struct sh_guard *g);
/* After the workers have stopped and nobody calls any more. Writes what is waiting. */
void sh_guard_close(struct sh_guard *g); /* NULL is accepted */
/* Housekeeping: expired sessions, last-used times, posted audit entries. Every few
 * seconds on a worker. May block. */
void sh_guard_tick(struct sh_guard *g);

/* First start: true when there is no person yet. */
bool sh_guard_is_new(struct sh_guard *g);
/* Makes `admin` in the root tenant with role administrator. password empty: a random one is made
 * and written to `shown` (SH_SECRET_CHARS). to_file: it is also written to
 * DIR/keys/first-password (0600), which the first sign-in with a password deletes. SH_E_EXISTS:
 * there are people already. SH_E_INVAL: the policy refuses the password (diag). May block. */
SH_MUST_CHECK sh_err sh_guard_first_start(struct sh_guard *g, struct sh_str password, bool to_file,
                                          char shown[SH_SECRET_CHARS], struct sh_diag *diag);
/* `songhua passwd`: gives `user` (name or name@tenant) a new password (empty: random, in `shown`),
 * enables it, forgets its lock-out and ends its sessions; `admin` of the root tenant is made again
 * when it is gone, with role administrator. Audited. May block. */
SH_MUST_CHECK sh_err sh_guard_recover(struct sh_guard *g, struct sh_str user,
                                      struct sh_str password, char shown[SH_SECRET_CHARS],
                                      struct sh_diag *diag);
/* Are the powers of system, security and audit administration with different people? Fast. */
bool sh_guard_is_separated(struct sh_guard *g);
/* Other data has come in place of what was in use: ends all sessions that are in it. Nobody did it,
 * no audit. May block. */
SH_MUST_CHECK sh_err sh_guard_end_all_sessions(struct sh_guard *g);
/* `songhua passwd --link`: makes a one-time sign-in link for a running or stopped server: a 0600
 * file in dir/keys that sh_guard_sign_in_link uses up. Good for ten minutes, from loopback only.
 * out: the secret to put behind http://127.0.0.1:<port>/#link=. May block. */
SH_MUST_CHECK sh_err sh_guard_link_new(const struct sh_env *env, const struct sh_crypto *c,
                                       const char *dir, struct sh_str user,
                                       char out[SH_SECRET_CHARS]);

/* ---- signing in ---- */

struct sh_sign_in {
    struct sh_principal who;
    char token[SH_SECRET_CHARS]; /* session secret: bearer or cookie; shown once */
    char csrf[SH_SECRET_CHARS];
    int64_t expires_us;
    int64_t retry_after_us; /* on SH_E_LIMIT: when to try again */
    bool code_needed;   /* on SH_E_DENIED: the password is right, the second factor is missing: */
    bool code_possible; /* a one-time code */
    bool key_possible;  /* a security key, asked for by sh_guard_key_ask */
};
/* What a security key or passkey has signed (WebAuthn, clause 5.2.2). */
struct sh_guard_assertion {
    struct sh_bytes id; /* of the credential */
    struct sh_bytes client;
    struct sh_bytes data;
    struct sh_bytes signature;
    struct sh_str host; /* that the browser asked: Host of the request */
};
struct sh_sign_in_ask {
    struct sh_str user; /* name or name@tenant */
    struct sh_str password;
    struct sh_str code;                   /* one-time or recovery code; empty = none */
    struct sh_str peer;                   /* address as text without the port */
    const struct sh_guard_assertion *key; /* in place of a code; NULL = none */
    struct sh_str agent; /* what the browser says it is; may be empty; the start is kept */
};
/* Makes a session. SH_E_DENIED: wrong user, password or code (never says which), or code_needed.
 * SH_E_LIMIT: locked or too many waiting, retry_after_us is set. May block (argon2, 150 ms, one at
 * a time). */
SH_MUST_CHECK sh_err sh_guard_sign_in_with(struct sh_guard *g, const struct sh_sign_in_ask *ask,
                                           struct sh_sign_in *out);
static inline sh_err sh_guard_sign_in(struct sh_guard *g, struct sh_str user,
                                      struct sh_str password, struct sh_str peer,
                                      struct sh_sign_in *out)
{
    const struct sh_sign_in_ask with = {.user = user, .password = password, .peer = peer};
    return sh_guard_sign_in_with(g, &with, out);
}
/* SH_E_DENIED: not loopback, unknown, used or older than ten minutes. May block. */
SH_MUST_CHECK sh_err sh_guard_sign_in_link(struct sh_guard *g, struct sh_str link,
                                           struct sh_str peer, struct sh_sign_in *out);
/* Ends one session. SH_E_NOTFOUND: none such. May block. */
SH_MUST_CHECK sh_err sh_guard_sign_out(struct sh_guard *g, struct sh_str token);
/* The caller's own password; ends its other sessions. SH_E_DENIED: `old` is wrong; SH_E_INVAL:
 * policy (diag); SH_E_STATE: it has none here, but at a provider. `keep` is the session token that
 * stays. May block. */
SH_MUST_CHECK sh_err sh_guard_change_password(struct sh_guard *g, const struct sh_principal *p,
                                              struct sh_str old_password,
                                              struct sh_str new_password, struct sh_str keep,
                                              struct sh_str peer, struct sh_diag *diag);

/* ---- one's own account: sessions, second factor, confirmation ---- */

/* Whose: name empty = of the session or person at->by (any person may); else of a person in
 * at->tenant (people.read to list, people.write to change, and what he holds). */
/* Sessions as objects into the caller's open array, last used first; the caller's own is marked.
 * Fast. */
SH_MUST_CHECK sh_err sh_guard_sessions_write(struct sh_guard *g, const struct sh_guard_at *at,
                                             struct sh_str name, struct sh_jw *w);
/* Ends the session of this id, or with an empty id all but the caller's own. SH_E_NOTFOUND. May
 * block. */
SH_MUST_CHECK sh_err sh_guard_sessions_end(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str name, struct sh_str id);
/* Proves once more who sits there. SH_E_DENIED (code_needed as above), SH_E_LIMIT as for sign-in;
 * SH_E_STATE: not a session. May block. */
SH_MUST_CHECK sh_err sh_guard_confirm(struct sh_guard *g, const struct sh_principal *p,
                                      const struct sh_sign_in_ask *ask, struct sh_sign_in *out);
/* May a dangerous act go on? Sessions: signed in or confirmed within confirm_us; others: true.
 * Fast. */
bool sh_guard_confirmed(struct sh_guard *g, const struct sh_principal *p);
/* Begins to set up one-time codes: the secret for the app, good once it is shown to work.
 * SH_E_STATE: not a person, or there is one already. Fast. */
SH_MUST_CHECK sh_err sh_guard_totp_begin(struct sh_guard *g, const struct sh_principal *p,
                                         char secret[SH_TOTP_BASE32], struct sh_buf *uri);
/* ---- security keys and passkeys, as second factor (WebAuthn). host: Host of the request; its name
 * is the relying party, for which a key is good. ---- */

/* What navigator.credentials.create needs, into the caller's open object: challenge, rp, user,
 * exclude; good for five minutes. SH_E_STATE: not a session; SH_E_LIMIT: four keys already;
 * SH_E_UNSUPPORTED: the host is an address, which browsers do not take. Fast. */
SH_MUST_CHECK sh_err sh_guard_key_begin(struct sh_guard *g, const struct sh_principal *p,
                                        struct sh_str host, struct sh_jw *w);
struct sh_guard_key_made {
    struct sh_str name; /* what one calls it; may be empty */
    struct sh_bytes client;
    struct sh_bytes attestation;
    struct sh_str host;
};
/* Keeps what create made. Writes id, and recovery_codes: an array when there were none, else null.
 * SH_E_DENIED: not what was asked for; SH_E_PROTO; SH_E_UNSUPPORTED: its algorithm; SH_E_EXISTS.
 * May block. */
SH_MUST_CHECK sh_err sh_guard_key_add(struct sh_guard *g, const struct sh_guard_at *at,
                                      const struct sh_guard_key_made *made, struct sh_jw *w);
/* One's own key by its id (base64url). SH_E_NOTFOUND. May block. */
SH_MUST_CHECK sh_err sh_guard_key_remove(struct sh_guard *g, const struct sh_guard_at *at,
                                         struct sh_str id);
/* What navigator.credentials.get needs: challenge, rp_id, ids. With a password: for signing in, as
 * sh_guard_sign_in_with (may block); without: for the person whose session p is. SH_E_NOTFOUND: no
 * key for this host. */
SH_MUST_CHECK sh_err sh_guard_key_ask(struct sh_guard *g, const struct sh_principal *p,
                                      const struct sh_sign_in_ask *ask, struct sh_str host,
                                      struct sh_sign_in *out, struct sh_jw *w);

/* The code shows that the app has it: from now on sign-in asks for one. Writes an array of recovery
 * codes, each good once, shown once. SH_E_DENIED: wrong code; SH_E_STATE: not begun, or longer than
 * ten minutes ago. May block. */
SH_MUST_CHECK sh_err sh_guard_totp_enable(struct sh_guard *g, const struct sh_guard_at *at,
                                          struct sh_str code, struct sh_jw *w);
/* Takes the second factor away; sessions but the caller's end. SH_E_NOTFOUND: there is none. May
 * block. */
SH_MUST_CHECK sh_err sh_guard_totp_remove(struct sh_guard *g, const struct sh_guard_at *at,
                                          struct sh_str name, struct sh_diag *diag);
/* New recovery codes in place of the old ones. SH_E_STATE: no second factor. May block. */
SH_MUST_CHECK sh_err sh_guard_recovery_new(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_jw *w);
/* Why somebody may or may not: members stopped (null, or what takes all rights away for now:
 * disabled, password, second_factor) and items, each permission with held and the roles that give
 * it to him or, where he does not hold it, that would. Fast. */
SH_MUST_CHECK sh_err sh_guard_rights_write(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str name, struct sh_jw *w);
/* Members about the account into the caller's open object: must (what has to be done first), totp,
 * recovery_left, password_set, password_expires, confirmed_until. SH_E_NOTFOUND: not a person.
 * Fast. */
SH_MUST_CHECK sh_err sh_guard_account_write(struct sh_guard *g, const struct sh_principal *p,
                                            struct sh_jw *w);

/* A session or API token, whichever it is. SH_E_DENIED: unknown, revoked, expired. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_token(struct sh_guard *g, struct sh_str token,
                                       struct sh_principal *out);
/* A token that shows one dashboard (a panel on a wall), as sh_guard_by_token, which does not know
 * it: no door but the one that asks here lets it in. It holds no permission at all; `dashboard`
 * says what it may show. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_panel(struct sh_guard *g, struct sh_str token,
                                       struct sh_principal *out,
                                       char dashboard[SH_DASHBOARD_ID_MAX + 1]);
/* SCRAM-SHA-256 with an API token (scram.h): the user name is the token's id. True: it looks like
 * one, so it is served so, and known or not cannot be told apart. */
bool sh_guard_token_id(struct sh_str user);
/* The verifier to run the exchange with; of an unknown token one that nobody can prove. */
SH_MUST_CHECK sh_err sh_guard_scram(struct sh_guard *g, struct sh_str id,
                                    struct sh_scram_verifier *out);
/* After the proof: who that is. SH_E_DENIED: revoked or expired meanwhile. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_scram(struct sh_guard *g, struct sh_str id,
                                       const struct sh_scram_verifier *proven,
                                       struct sh_principal *out);
/* Session only (the cookie). csrf may be NULL. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_session(struct sh_guard *g, struct sh_str token,
                                         struct sh_principal *out, char csrf[SH_SECRET_CHARS],
                                         int64_t *expires_us);
/* The CSRF token belongs to the session. Fast. */
bool sh_guard_csrf_ok(struct sh_guard *g, struct sh_str session_token, struct sh_str csrf);
/* Device by `device` or `device@tenant` and its generated secret. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_secret(struct sh_guard *g, struct sh_str user,
                                        struct sh_str secret, struct sh_principal *out);
/* Device by client certificate: by registered fingerprint; else, when `verified` (the TLS layer has
 * verified it against our CA), by the registered common name. SH_E_DENIED else. Fast. */
SH_MUST_CHECK sh_err sh_guard_by_certificate(struct sh_guard *g, struct sh_bytes cert,
                                             bool verified, struct sh_principal *out);

/* The same for a certificate that the TLS layer has already read and checked for its time. */
struct sh_cert_shown {
    const uint8_t *fingerprint; /* SHA-256 of the DER, 32 bytes */
    const char *common_name;    /* may be "" */
    int64_t until_us;
    bool verified;
};
SH_MUST_CHECK sh_err sh_guard_by_shown(struct sh_guard *g, const struct sh_cert_shown *shown,
                                       struct sh_principal *out);

/* By what way a device comes. */
enum sh_door {
    SH_DOOR_MQTT,
    SH_DOOR_INGEST, /* HTTP, to bring samples */
    SH_DOOR_EST,
    SH_DOOR_OTHER /* admitted or not, but no sign of a clone */
};
enum sh_refusal {
    SH_REFUSED_NOT,
    SH_REFUSED_ADDRESS,
    SH_REFUSED_QUARANTINE,
    SH_REFUSED_ARCHIVED /* the device is out of service */
};
/* Whoever has proved to be a principal by one of these calls, at each connection and request: is it
 * admitted from this address (numeric, without a port; an IPv4 address inside IPv6 is that)? Only
 * what is bound to a device can be refused. A refusal is counted, and audited and logged at most
 * once a minute for a device. From where it comes is remembered: see admit.c on clones. Fast. */
enum sh_refusal sh_guard_admits(struct sh_guard *g, const struct sh_principal *p,
                                struct sh_str peer, enum sh_door door);
/* Is it bound to a device that is archived by now? Fast. */
bool sh_guard_archived(struct sh_guard *g, const struct sh_principal *p);
/* Words for it in Chinese or English. */
void sh_guard_refusal(enum sh_refusal why, bool chinese, struct sh_diag *diag);

/* MQTT CONNECT and HTTP Basic in one: a token as user name with an empty password, device and
 * secret, person and password, or the certificate alone. Fast. SH_OK: *out; SH_E_DENIED;
 * SH_E_LIMIT: locked or too many waiting; SH_E_AGAIN: a password has to be hashed, done(ctx, err,
 * who) is called once on a worker (or in sh_guard_tick, or with SH_E_CANCELED in sh_guard_close);
 * the inputs are copied. */
struct sh_credentials {
    struct sh_str user;
    struct sh_str password;
    struct sh_bytes certificate; /* DER; empty = none */
    bool certificate_verified;
    struct sh_str peer;
};
typedef void sh_guard_done(void *ctx, sh_err err, struct sh_principal who);
SH_MUST_CHECK sh_err sh_guard_authenticate(struct sh_guard *g, const struct sh_credentials *c,
                                           struct sh_principal *out, sh_guard_done *done,
                                           void *ctx);

/* ---- request headers (pure; sans-I/O) ---- */

enum sh_auth_scheme { SH_AUTH_NONE, SH_AUTH_TOKEN, SH_AUTH_BASIC };
struct sh_auth_header {
    enum sh_auth_scheme scheme;
    struct sh_str token; /* of Bearer and Token: view into the header */
    struct sh_str user;  /* of Basic: views into `scratch` */
    struct sh_str password;
};
enum { SH_AUTH_MAX = 4096 };
/* RFC 9110 11.4, RFC 6750 2.1, RFC 7617. scratch is cleared and used for Basic. An empty header is
 * SH_AUTH_NONE. SH_E_PROTO: malformed; SH_E_UNSUPPORTED: another scheme. */
SH_MUST_CHECK sh_err sh_auth_header_parse(struct sh_str header, struct sh_buf *scratch,
                                          struct sh_auth_header *out);
/* Value of a cookie in a Cookie header (RFC 6265 4.2), or p == NULL. View; quotes are taken off. */
struct sh_str sh_cookie_find(struct sh_str header, struct sh_str name);
#define SH_SESSION_COOKIE "songhua_session"
/* Set-Cookie value: HttpOnly, SameSite=Strict, Path=/, Secure over HTTPS. token empty: takes it
 * away. */
SH_MUST_CHECK sh_err sh_session_cookie_put(struct sh_buf *out, struct sh_str token,
                                           int64_t max_age_s, bool secure);

/* ---- tenants, quotas and rates ---- */

/* "" is the root. SH_E_NOTFOUND. Fast. */
SH_MUST_CHECK sh_err sh_guard_tenant_find(struct sh_guard *g, struct sh_str path, uint32_t *out);
/* Lock-free. True when `tenant` is `above` or below it. */
bool sh_guard_tenant_within(const struct sh_guard *g, uint32_t tenant, uint32_t above);
SH_MUST_CHECK sh_err sh_guard_tenant_path(struct sh_guard *g, uint32_t tenant,
                                          char out[SH_TENANT_PATH_MAX + 1]);

enum sh_quota {
    SH_QUOTA_DEVICES,
    SH_QUOTA_POINTS,
    SH_QUOTA_RATE,    /* samples a second, with a burst of ten seconds' worth */
    SH_QUOTA_STORAGE, /* bytes */
    SH_QUOTA_CONNECTIONS
};
enum { SH_QUOTAS = 5 };
/* Charges n to the tenant and all above it. SH_E_LIMIT: one of them has reached its quota; nothing
 * is charged and the refusal is counted. Not for SH_QUOTA_RATE. Lock-free. */
SH_MUST_CHECK sh_err sh_guard_use(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n);
/* Gives back. Lock-free. */
void sh_guard_unuse(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n);
/* Samples now coming in: SH_OK, or SH_E_LIMIT and *wait_us until n would fit. Lock-free. */
SH_MUST_CHECK sh_err sh_guard_rate(struct sh_guard *g, uint32_t tenant, uint64_t n,
                                   int64_t *wait_us);
struct sh_tenant_use {
    uint64_t limit[SH_QUOTAS]; /* 0 = no limit */
    uint64_t use[SH_QUOTAS];   /* with the tenants below; RATE: not filled */
    uint64_t refused[SH_QUOTAS];
};
SH_MUST_CHECK sh_err sh_guard_tenant_use(const struct sh_guard *g, uint32_t tenant,
                                         struct sh_tenant_use *out);

/* Requests of one caller or address: per_second on average, burst at once. A bounded table: when it
 * is full the least recent key is forgotten. SH_E_LIMIT and *wait_us. Fast. */
SH_MUST_CHECK sh_err sh_guard_throttle(struct sh_guard *g, struct sh_str key, uint32_t per_second,
                                       uint32_t burst, int64_t *wait_us);

/* ---- administration: what the API's routes call ---- */

/* JSON shapes are those of docs/api.md. Every call checks the permission of `by` itself, audits the
 * change with it, and never grants what `by` does not hold. May block.
 * Errors: SH_E_DENIED, SH_E_NOTFOUND, SH_E_EXISTS, SH_E_INVAL (diag: path and words), SH_E_LIMIT,
 * SH_E_CONFLICT (revision), SH_E_STATE (diag: the last administrator, a tenant with children). */
enum sh_guard_noun { SH_GUARD_PEOPLE, SH_GUARD_ROLES, SH_GUARD_TOKENS, SH_GUARD_TENANTS };
enum sh_put_mode { SH_PUT_CREATE, SH_PUT_REPLACE, SH_PUT_EITHER };
/* name: people name, role name, token id (created: empty), tenant path. revision: 0 = any.
 * A new token's answer holds `token`, shown once. On SH_OK the object is written to w. */
SH_MUST_CHECK sh_err sh_guard_put(struct sh_guard *g, const struct sh_guard_at *at,
                                  enum sh_guard_noun noun, struct sh_str name, const json_t *body,
                                  enum sh_put_mode mode, uint64_t revision, struct sh_jw *w,
                                  struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_guard_get(struct sh_guard *g, const struct sh_guard_at *at,
                                  enum sh_guard_noun noun, struct sh_str name, struct sh_jw *w,
                                  uint64_t *revision);
/* Writes items (objects, comma-separated inside the caller's open array) in name order after
 * `cursor`. *more: there is more behind `next`. */
struct sh_guard_page {
    struct sh_str cursor; /* last name of the page before; empty = from the start */
    struct sh_str find;   /* part of the name; empty = all */
    uint32_t limit;       /* 1..1000 */
    char next[SH_TENANT_PATH_MAX + 1];
    bool more;
    uint64_t total; /* that match */
};
SH_MUST_CHECK sh_err sh_guard_list(struct sh_guard *g, const struct sh_guard_at *at,
                                   enum sh_guard_noun noun, struct sh_guard_page *page,
                                   struct sh_jw *w);
/* Not for tenants (they are disabled, never deleted: their ids live on in data). */
SH_MUST_CHECK sh_err sh_guard_delete(struct sh_guard *g, const struct sh_guard_at *at,
                                     enum sh_guard_noun noun, struct sh_str name,
                                     struct sh_diag *diag);
/* Turns the first administrator (at->by, signed in) into the three of 等保: body has system,
 * security and audit, each {name, password, display}. Disables him and ends his sessions; the
 * passwords have to be changed at the first sign-in. From then on nobody is given the powers of two
 * of them. SH_E_STATE: done already, or somebody else or a token has the powers of two. May block.
 */
SH_MUST_CHECK sh_err sh_guard_separate(struct sh_guard *g, const struct sh_guard_at *at,
                                       const json_t *body, struct sh_diag *diag);
/* Members separated, system, security, audit (names of people) into the caller's open object. Fast.
 */
SH_MUST_CHECK sh_err sh_guard_separation_write(struct sh_guard *g, const struct sh_guard_at *at,
                                               struct sh_jw *w);
/* The `user` object of a session answer. SH_E_NOTFOUND: not a person, or no longer live. Fast. */
SH_MUST_CHECK sh_err sh_guard_write_user(struct sh_guard *g, const struct sh_principal *p,
                                         struct sh_jw *w);
void sh_guard_write_permissions(uint64_t permissions, struct sh_jw *w); /* array of names */

/* ---- device credentials (devices.write in at->tenant) ---- */

/* New secret of 256 bits for a device (the old one stops working): user gets "device" or
 * "device@tenant". Kept as HMAC-SHA-256 under the node key. May block. */
SH_MUST_CHECK sh_err sh_guard_device_secret_new(
    struct sh_guard *g, const struct sh_guard_at *at, struct sh_str device,
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2], char secret[SH_SECRET_CHARS]);
/* A gateway speaks for the devices behind it and may provision them. May block. */
SH_MUST_CHECK sh_err sh_guard_device_gateway(struct sh_guard *g, const struct sh_guard_at *at,
                                             struct sh_str device, bool gateway);
/* Maps a certificate, DER or PEM, to a device by its SHA-256 fingerprint (out), or a common name
 * under our CA. SH_E_EXISTS: it stands for a device already or was revoked; SH_E_LIMIT; SH_E_INVAL.
 */
SH_MUST_CHECK sh_err sh_guard_device_certificate_add(struct sh_guard *g,
                                                     const struct sh_guard_at *at,
                                                     struct sh_str device, struct sh_bytes cert,
                                                     char fingerprint[SH_HASH_HEX],
                                                     struct sh_diag *diag);
SH_MUST_CHECK sh_err sh_guard_device_common_name_add(struct sh_guard *g,
                                                     const struct sh_guard_at *at,
                                                     struct sh_str device, struct sh_str name,
                                                     struct sh_diag *diag);
struct sh_guard_issue {
    struct sh_str device;
    int64_t valid_us;              /* at most ten years, cut to the end of the CA */
    struct sh_str request;         /* PKCS #10 in PEM or DER; empty: a key is made */
    char fingerprint[SH_HASH_HEX]; /* out */
};
/* Issues a certificate, and a key when there is no request, under the node's device CA
 * (keys/device-ca.*, made on first use) and registers its fingerprint. Appends PEM to each. May
 * block. */
SH_MUST_CHECK sh_err sh_guard_device_certificate_issue(
    struct sh_guard *g, const struct sh_guard_at *at, struct sh_guard_issue *o,
    struct sh_buf *cert_pem, struct sh_buf *key_pem, struct sh_diag *diag);
/* A certificate for the device that at->by is bound to (its secret, its token, its certificate),
 * for the key of a PKCS #10 request, PEM or DER; appended in PEM. No right to change devices is
 * needed: it gets what it has already, so a token must hold all that a device may do, and the
 * certificate ends with it. SH_E_DENIED: not a device, or a token that may less; else as issuing.
 * May block. */
SH_MUST_CHECK sh_err sh_guard_device_enroll(struct sh_guard *g, const struct sh_guard_at *at,
                                            struct sh_str request, struct sh_buf *cert_pem,
                                            struct sh_diag *diag);
/* The same for whoever has proved (TLS) to have the key of this certificate of the device CA, also
 * when its time is over: for renewal it is admitted, for nothing else. SH_E_DENIED: not issued
 * here, or revoked, or (*why) not admitted from there. May block. */
SH_MUST_CHECK sh_err sh_guard_device_renew(struct sh_guard *g,
                                           const uint8_t fingerprint[SH_HASH_BYTES],
                                           struct sh_str peer, struct sh_str request,
                                           struct sh_buf *cert_pem, enum sh_refusal *why,
                                           struct sh_diag *diag);
/* ---- from where a device is admitted; clones; quarantine (devices.write in at->tenant) ---- */

/* The addresses that its credentials and tokens bound to it are admitted from: an array of at most
 * 16 texts, addresses or ranges (RFC 4632, RFC 4291); empty = every address. Its connections end
 * and are judged anew. SH_E_INVAL (diag: which entry). May block. */
SH_MUST_CHECK sh_err sh_guard_device_allow(struct sh_guard *g, const struct sh_guard_at *at,
                                           struct sh_str device, const json_t *list,
                                           struct sh_diag *diag);
/* From now on all its credentials, and tokens bound to it, are good for nothing, and connections
 * that they opened end. SH_E_EXISTS: it is already; SH_E_INVAL: the reason is empty, longer than
 * 200 bytes or not one line. May block. */
SH_MUST_CHECK sh_err sh_guard_device_quarantine(struct sh_guard *g, const struct sh_guard_at *at,
                                                struct sh_str device, struct sh_str reason);
/* Lets it out again. SH_E_NOTFOUND: it is not in quarantine. May block. */
SH_MUST_CHECK sh_err sh_guard_device_release(struct sh_guard *g, const struct sh_guard_at *at,
                                             struct sh_str device);
/* Takes the mark of a clone away. SH_E_NOTFOUND: there is none. May block. */
SH_MUST_CHECK sh_err sh_guard_device_clone_dismiss(struct sh_guard *g, const struct sh_guard_at *at,
                                                   struct sh_str device);
/* Members allow, refused, clone, quarantine, clones into the caller's open object. Fast. */
SH_MUST_CHECK sh_err sh_guard_device_access_write(struct sh_guard *g, const struct sh_guard_at *at,
                                                  struct sh_str device, struct sh_jw *w);
/* Devices of the tenant with the mark of a clone, and in quarantine. Lock-free. */
void sh_guard_devices_watched(const struct sh_guard *g, uint32_t tenant, uint32_t *cloned,
                              uint32_t *quarantined);

/* ---- provisioning keys: a new device gets its identity by itself ---- */

/* body: name, pattern of device ids ("line3-*", "cnc-??"; "*"), thing, asset, uses (1 to 1,000,000;
 * 1), expires (within ten years; 30 days). Writes the object with `key`, which is shown once and
 * kept as a keyed hash. devices.write. SH_E_INVAL (diag), SH_E_LIMIT (10,000). May block. */
SH_MUST_CHECK sh_err sh_guard_provision_new(struct sh_guard *g, const struct sh_guard_at *at,
                                            const json_t *body, struct sh_jw *w,
                                            struct sh_diag *diag);
/* Those of the tenant as objects into the caller's open array. Fast. */
SH_MUST_CHECK sh_err sh_guard_provisions_write(struct sh_guard *g, const struct sh_guard_at *at,
                                               struct sh_jw *w);
/* SH_E_NOTFOUND. What devices got by it stays. May block. */
SH_MUST_CHECK sh_err sh_guard_provision_revoke(struct sh_guard *g, const struct sh_guard_at *at,
                                               struct sh_str id);
struct sh_guard_provision {
    uint32_t tenant;
    char id[24];
    char thing[SH_DEVICE_ID_MAX + 1]; /* "" = none */
    char asset[SH_DEVICE_ID_MAX + 1];
};
/* What the key (as it was shown) says of a device that wants to come. SH_E_DENIED: unknown, used
 * up, over, or not for this id; SH_E_EXISTS: the device has a credential. Fast. */
SH_MUST_CHECK sh_err sh_guard_provision_find(struct sh_guard *g, struct sh_str key,
                                             struct sh_str device, struct sh_guard_provision *out);
/* The device's secret, or its certificate (o->device, o->request), and one use of the key, in one
 * transaction. Errors as above, and of making them. May block. */
SH_MUST_CHECK sh_err sh_guard_provision_secret(struct sh_guard *g,
                                               const struct sh_guard_provision *p,
                                               struct sh_str device, struct sh_str peer,
                                               char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2],
                                               char secret[SH_SECRET_CHARS]);
SH_MUST_CHECK sh_err sh_guard_provision_certificate(struct sh_guard *g,
                                                    const struct sh_guard_provision *p,
                                                    struct sh_guard_issue *o, struct sh_str peer,
                                                    struct sh_buf *cert_pem, struct sh_buf *key_pem,
                                                    struct sh_diag *diag);
/* Revoked for good: its connections end, it is refused, it can not be entered again, and it stands
 * on the list if we issued it. SH_E_NOTFOUND: the device has none such. SH_E_INVAL: the note is
 * longer than 200 bytes or not text. May block. */
struct sh_guard_revoke {
    struct sh_str device;
    struct sh_str fingerprint; /* hexadecimal, with or without colons */
    enum sh_crl_reason reason;
    struct sh_str note; /* one line; may be empty */
};
SH_MUST_CHECK sh_err sh_guard_device_certificate_revoke(struct sh_guard *g,
                                                        const struct sh_guard_at *at,
                                                        const struct sh_guard_revoke *r);
SH_MUST_CHECK sh_err sh_guard_device_common_name_remove(struct sh_guard *g,
                                                        const struct sh_guard_at *at,
                                                        struct sh_str device, struct sh_str name);
/* Members of one into the caller's open object. SH_E_NOTFOUND. Fast. */
SH_MUST_CHECK sh_err sh_guard_device_certificate_write(struct sh_guard *g,
                                                       const struct sh_guard_at *at,
                                                       struct sh_str device,
                                                       const char *fingerprint, struct sh_jw *w);
/* Members "items" and "common_names" into the caller's open object. Fast. */
SH_MUST_CHECK sh_err sh_guard_device_certificates_write(struct sh_guard *g,
                                                        const struct sh_guard_at *at,
                                                        struct sh_str device, struct sh_jw *w);
/* Days that a certificate is good for where nobody says it. */
int64_t sh_guard_device_days(const struct sh_guard *g);
/* PEM of the device CA, for the TLS listener's client verification; made on first use. */
SH_MUST_CHECK sh_err sh_guard_device_ca(struct sh_guard *g, struct sh_buf *cert_pem);
/* The list of revoked certificates of the device CA (RFC 5280 clause 5), DER: good for seven days,
 * made anew each hour and when one is revoked. For whoever asks. May block. */
SH_MUST_CHECK sh_err sh_guard_crl(struct sh_guard *g, struct sh_buf *out);
/* Answers a question about certificates of the device CA (RFC 6960), DER both. May block. */
SH_MUST_CHECK sh_err sh_guard_ocsp(struct sh_guard *g, struct sh_bytes request, struct sh_buf *out);
/* Devices of the tenant whose last certificate ends within 60 days, or has ended; counted each
 * minute. Lock-free. */
void sh_guard_certificates_due(const struct sh_guard *g, uint32_t tenant, uint32_t *soon,
                               uint32_t *over);
/* Certificate and key of the server, PEM: keys/server.pem and keys/server-key.pem; self-signed for
 * `names` when missing or expired. */
SH_MUST_CHECK sh_err sh_guard_server_certificate(struct sh_guard *g, const struct sh_str *names,
                                                 size_t nnames, struct sh_buf *cert_pem,
                                                 struct sh_buf *key_pem);
/* twin tells of it: credentials and bound tokens follow the new id, or are revoked. May block. */
SH_MUST_CHECK sh_err sh_guard_device_renamed(struct sh_guard *g, uint32_t tenant,
                                             struct sh_str from, struct sh_str to);
SH_MUST_CHECK sh_err sh_guard_device_removed(struct sh_guard *g, uint32_t tenant,
                                             struct sh_str device);

/* ---- secrets at rest ---- */

/* Secret box under the key in use; `context` says what it belongs to ("channel/7/password").
 * Opened by whichever key of the ring it was sealed with. Any thread. */
SH_MUST_CHECK sh_err sh_guard_seal(struct sh_guard *g, struct sh_str context, struct sh_bytes plain,
                                   struct sh_buf *out);
SH_MUST_CHECK sh_err sh_guard_unseal(struct sh_guard *g, struct sh_str context, struct sh_bytes box,
                                     struct sh_buf *out);
/* A new key in use, and every secret sealed anew with it; master: the master key's file is made
 * anew too (SH_E_UNSUPPORTED with diag: it is not in a file). Older keys stay, for backups of
 * before. config.security in the root tenant. What it did before an error stays good, and a further
 * call does the rest. Audited. May block. */
SH_MUST_CHECK sh_err sh_guard_keys_rotate(struct sh_guard *g, const struct sh_guard_at *at,
                                          bool master, uint32_t *resealed, struct sh_diag *diag);
/* A new recovery sheet; the one before is void from now on. The code is shown once and kept
 * nowhere. config.security in the root tenant. Audited. May block. */
SH_MUST_CHECK sh_err sh_guard_sheet_new(struct sh_guard *g, const struct sh_guard_at *at,
                                        char code[SH_SHEET_CODE]);
/* SH_E_NOTFOUND: there is none. */
SH_MUST_CHECK sh_err sh_guard_sheet_remove(struct sh_guard *g, const struct sh_guard_at *at);
/* Members master, keys, sheet into the caller's open object; nothing secret. */
void sh_guard_keys_write(struct sh_guard *g, struct sh_jw *w);

/* A keyed hash of texts (HMAC-SHA-256 under a key of the node): to compare later without keeping
 * them, and of no use to whoever has the database alone. Any thread, does not block. */
SH_MUST_CHECK sh_err sh_guard_mark(const struct sh_guard *g, struct sh_str purpose,
                                   const struct sh_str *parts, size_t n,
                                   uint8_t out[SH_HASH_BYTES]);

/* ---- audit ---- */

struct sh_audit {
    const struct sh_principal *by;
    uint32_t tenant;      /* of the object */
    struct sh_str act;    /* noun.verb in the past: "device.deleted" */
    struct sh_str object; /* "device:cnc12" */
    struct sh_str result; /* "ok", or the name of an error */
    struct sh_str detail; /* one line or JSON text; at most 1024 bytes are kept */
    struct sh_str peer;   /* address; may be empty */
};
/* Durable when it returns. May block. */
SH_MUST_CHECK sh_err sh_guard_audit(struct sh_guard *g, const struct sh_audit *a);
/* Copies it; written within a tick. Fast, from any loop. A full queue drops it and counts
 * (the loss is itself an entry). */
void sh_guard_audit_post(struct sh_guard *g, const struct sh_audit *a);
/* Which entries; what is empty or 0 asks for nothing. */
struct sh_audit_find {
    struct sh_str text; /* part of act, object or principal */
    struct sh_str who;  /* part of the principal */
    struct sh_str act;
    struct sh_str object;
    struct sh_str device; /* entries about the device of this id in the tenant itself, not below */
    int64_t from_us;      /* at or after */
    int64_t to_us;        /* before */
    bool refused;         /* only those whose result is not "ok" */
};
/* Newest first: entries with seq < before (0 = from the newest) that the tenant may see and that
 * fit. SH_E_CANCELED ends it early. *next: where to go on, 0 = nothing is left. May block. */
typedef sh_err sh_audit_fn(void *ctx, const json_t *entry);
SH_MUST_CHECK sh_err sh_guard_audit_each(struct sh_guard *g, const struct sh_guard_at *at,
                                         uint64_t before, const struct sh_audit_find *find,
                                         uint32_t limit, sh_audit_fn *fn, void *ctx,
                                         uint64_t *next);
/* The same as objects into the caller's open array. */
SH_MUST_CHECK sh_err sh_guard_audit_list(struct sh_guard *g, const struct sh_guard_at *at,
                                         uint64_t before, const struct sh_audit_find *find,
                                         uint32_t limit, struct sh_jw *w, uint64_t *next);

/* An entry as it is stored, for what hands the chain on. Views for the call. */
struct sh_audit_entry {
    uint64_t seq;
    int64_t time_us;
    struct sh_str principal, tenant, act, object, result, detail, peer;
    uint8_t hash[32];
    bool damaged; /* does not fit its hash: only seq is known */
};
typedef sh_err sh_audit_entry_fn(void *ctx, const struct sh_audit_entry *e);
/* Entries of all tenants behind `after`, oldest first, until fn answers something else than SH_OK,
 * which is returned. For the node itself: no right is asked. May block. */
SH_MUST_CHECK sh_err sh_guard_audit_after(struct sh_guard *g, uint64_t after, sh_audit_entry_fn *fn,
                                          void *ctx);

struct sh_audit_report {
    uint64_t entries;   /* read */
    uint64_t bytes;     /* of their texts */
    uint64_t first_bad; /* sequence of the first one that does not fit; 0 = whole */
    bool sealed;        /* a head seal was there and the node key could check it */
    char text[256];     /* one sentence */
};
/* A signed checkpoint of the chain (checkpoint.c). Texts are NUL-terminated. */
struct sh_checkpoint {
    uint64_t seq;                /* the newest entry then */
    uint8_t hash[SH_HASH_BYTES]; /* of it */
    int64_t time_us;
    char node[17];        /* of the public key */
    char text[192];       /* what is signed */
    char signature[92];   /* base64 */
    char public_key[160]; /* PEM */
};
/* Makes one of the newest entry and keeps it in keys/audit.checkpoint; the first makes the key. No
 * right is asked. SH_E_NOTFOUND: the chain is empty. May block. */
SH_MUST_CHECK sh_err sh_guard_checkpoint(struct sh_guard *g, struct sh_checkpoint *out);
/* As members of the caller's open object: checkpoint, signature, public_key, node, seq, hash, time.
 */
void sh_checkpoint_write(const struct sh_checkpoint *cp, struct sh_jw *w);
/* Reads that object; only checkpoint, signature and public_key count. SH_E_PROTO: not one;
 * SH_E_DENIED: not signed by its key, or not its node. */
SH_MUST_CHECK sh_err sh_checkpoint_parse(const struct sh_env *env, const struct sh_crypto *c,
                                         struct sh_str json, struct sh_checkpoint *out);
/* `songhua check --audit`: what is proved of a folder that no server has open. */
struct sh_audit_proof {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    struct guard_store *store; /* borrowed */
    const char *dir;
    const char *master;               /* sh_master_open; NULL: SH_GUARD_MASTER */
    const struct sh_checkpoint *seen; /* NULL: none */
};
/* Proves the chain whole against keys/audit.head, and that it still has the entry that the
 * checkpoint saw. SH_OK: whole; SH_E_CORRUPT: changed, deleted, reordered, cut or written anew
 * (report says where). May block. */
SH_MUST_CHECK sh_err sh_audit_verify(const struct sh_audit_proof *p, struct sh_audit_report *out);
void sh_guard_store_free(struct guard_store *s);

/* ---- metrics ---- */

struct sh_guard_stats {
    uint64_t people, roles, tenants, tokens, sessions, devices;
    uint64_t sign_ins, failures, locked, password_hashes, password_cache_hits;
    uint64_t audit_entries, audit_dropped;
    uint64_t refused_address, refused_quarantine, clones; /* marks raised */
};
void sh_guard_stats(struct sh_guard *g, struct sh_guard_stats *out);

/* ---- at the start: what is there already (security.c) ---- */

/* Adds to what the tenant and all above it use, whatever their quotas are: what is stored stays.
 * Before requests come. */
void sh_guard_used(struct sh_guard *g, uint32_t tenant, enum sh_quota q, uint64_t n);
/* Tenants have the ids 1 to this. */
uint32_t sh_guard_last_tenant(const struct sh_guard *g);

/* ---- the self check (security.c) ---- */

struct sh_guard_security {
    struct sh_guard_settings settings; /* as they hold */
    uint32_t people, disabled;         /* who may sign in, and who may not */
    uint32_t with_factor, must_change; /* of those who may */
    uint32_t idle;                     /* made, and not signed in, for longer than idle_us */
    uint32_t administrators;           /* may change people, roles, tenants or the configuration */
    uint32_t administrators_with_factor; /* of these */
    uint32_t tokens, endless, powerful;  /* that are good; without an end; with such rights */
    uint32_t unused;                     /* of them, made and not used for longer than idle_us */
    uint32_t certificates, ending;       /* of devices, not revoked; of these, within 30 days */
    int64_t checkpoint_us;               /* of the newest checkpoint; 0 = none */
    uint64_t checkpoint_seq;             /* its entry */
    bool separated;                      /* the three administrators are different people */
    uint32_t providers;                  /* of sign-in, in use */
    uint32_t providers_clear;            /* of these, called without TLS (this machine itself) */
    uint32_t cert_doors;                 /* of these, of the kind certificate */
    uint32_t cert_unlisted;              /* of these, without a list of revoked ones, or lenient */
    uint32_t cert_ending;                /* with an authority or a list that ends within a week */
    enum sh_master_kind master;          /* where the master key is */
    enum sh_box_kind box;                /* how secrets are sealed */
    int64_t key_us;                      /* when the key in use was made; 0 = not known */
    bool sheet;                          /* there is a recovery sheet */
    uint32_t readers;                    /* roles that read history */
    uint32_t limited;                    /* of these, that do not show every class of data */
};
/* Counts over all tenants. Reads the audit chain back to the time that idle_us means. May block. */
SH_MUST_CHECK sh_err sh_guard_security(struct sh_guard *g, int64_t idle_us,
                                       struct sh_guard_security *out);
/* sh_audit_verify over the open store, while others write. Reads the whole chain: may block long.
 */
SH_MUST_CHECK sh_err sh_guard_audit_prove(struct sh_guard *g, struct sh_audit_report *out);

#endif /* SH_GUARD_H */
