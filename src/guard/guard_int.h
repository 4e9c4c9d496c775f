/* guard_int.h - what the files of guard share.
 *
 * Invariants
 *  1. Three locks, taken in this order: change > lock > (none), and one before them, pki.making,
 *     for the list of revoked certificates. `change` is held by whoever alters
 *     anything that is stored, also while the store commits; so changes and audit entries have one
 *     order. `lock` guards every map and every object in memory, is held for short and never over
 *     I/O. `hashing` is held by the one thread that computes argon2, with no other lock.
 *  2. A change is: build the new state, reserve memory for it, commit it with its audit entry in
 * one transaction, then apply it in memory by steps that can not fail. What the store does not hold
 *     is never seen.
 *  3. What checks need lies in subjects and tenants as atomics; they are never freed or moved
 *     before sh_guard_close. A subject's generation is odd while it is alive; a handle with another
 *     generation is dead.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_GUARD_INT_H
#define SH_GUARD_INT_H

#include <stdatomic.h>

#include <sh/guard.h>
#include <sh/pki.h>
#include <sh/ring.h>

#include "outside_int.h"

/* ---- persistence seam ---- */

enum guard_kind {
    GUARD_META,
    GUARD_TENANT,
    GUARD_ROLE,
    GUARD_PERSON,
    GUARD_TOKEN,
    GUARD_SESSION,
    GUARD_DEVICE,
    GUARD_CERT,
    GUARD_REVOKED,
    GUARD_PROVISION,
    GUARD_PROVIDER,
    GUARD_AUDIT
};
enum { GUARD_KINDS = GUARD_AUDIT + 1, GUARD_KEY_MAX = 384, GUARD_VALUE_MAX = 16384 };

struct guard_change {
    enum guard_kind kind;
    struct sh_str key;
    struct sh_str value; /* JSON object; p == NULL: delete (a missing key is fine) */
};
/* fn for each entry; another answer than SH_OK ends the walk and is returned. */
typedef sh_err guard_each_fn(void *ctx, struct sh_str key, struct sh_str value);
struct guard_store_ops {
    /* All or nothing, durable when it returns. One caller at a time. */
    sh_err (*commit)(void *self, const struct guard_change *changes, size_t n);
    /* Keys in byte order behind `after` ("" = from the start), or with `down` in falling order
     * before it ("" = from the end). Any thread. */
    sh_err (*each)(void *self, enum guard_kind kind, struct sh_str after, bool down,
                   guard_each_fn *fn, void *ctx);
    void (*free)(void *self);
};
struct guard_store {
    const struct guard_store_ops *ops;
};

/* ---- subjects: the lock-free half of a principal ---- */

/* What somebody has to do before he may do anything else. */
enum { GUARD_MUST_PASSWORD = 1, GUARD_MUST_FACTOR = 2 };

/* The lock-free half of grants: what is held for a time, below a tenant, or for a part of a plant.
 * A set belongs to one person or token for good; a reader that sees an odd turn, or another one
 * after it has read, reads again. */
enum { GUARD_GRANTS_MAX = 8, SCOPES_CHUNK = 64, SCOPES_CHUNKS = 2048 };
struct guard_scope {
    _Atomic uint64_t bits;       /* held whole */
    _Atomic uint64_t in_part;    /* held for some devices: which ones, the grant says */
    _Atomic uint64_t clear;      /* what reading shows (clearance.c), of what is held whole */
    _Atomic uint64_t clear_part; /* and of what is held in part */
    _Atomic int64_t from_us;     /* wall clock */
    _Atomic int64_t until_us;    /* INT64_MAX = for good */
    _Atomic uint32_t tenant;     /* and below */
};
struct guard_scopes {
    _Atomic uint32_t turn;
    _Atomic uint32_t n;
    struct guard_scope at[GUARD_GRANTS_MAX];
    uint32_t next_free; /* under `lock` */
};

enum { SUBJECT_CHUNK = 1024, SUBJECT_CHUNKS = 2048 };
struct guard_subject {
    _Atomic uint32_t generation;
    _Atomic uint32_t scopes; /* 0 = none */
    _Atomic uint64_t permissions;
    _Atomic uint64_t clear;     /* clearance.c */
    _Atomic int64_t expires_us; /* wall clock */
    _Atomic uint8_t must;       /* GUARD_MUST_ */
    /* Under `lock`: */
    uint8_t kind; /* enum sh_principal_kind */
    bool session; /* owner is a guard_session */
    void *owner;
    uint32_t next_free;
};

/* ---- tenants ---- */

enum { TENANT_CHUNK = 256, TENANT_CHUNKS = 256 };
struct guard_tenant {
    _Atomic uint32_t parent; /* 0 = the root; never changes */
    _Atomic bool off;
    _Atomic uint64_t limit[SH_QUOTAS];
    _Atomic uint64_t use[SH_QUOTAS];
    _Atomic uint64_t refused[SH_QUOTAS];
    _Atomic int64_t arrival_ns;   /* rate: theoretical arrival time of the next sample (GCRA) */
    _Atomic uint32_t certs_soon;  /* devices whose certificates end within GUARD_WARN_US */
    _Atomic uint32_t certs_over;  /* that have ended */
    _Atomic uint32_t cloned;      /* devices with the mark of a clone */
    _Atomic uint32_t quarantined; /* devices in quarantine */
    /* Under `lock`: */
    uint32_t id;
    uint64_t revision;
    char path[SH_TENANT_PATH_MAX + 1]; /* never changes */
    char name[2 * SH_NAME_MAX + 1];    /* shown */
};

/* ---- objects in memory (under `lock`) ---- */

enum {
    GUARD_ROLES_MAX = 16,
    GUARD_DISPLAY_MAX = 128,
    GUARD_OWNER_MAX = 400,
    GUARD_AGENT_MAX = 120,
    GUARD_PAST_MAX = 8,      /* passwords before */
    GUARD_RECOVERY_MAX = 10, /* codes */
    GUARD_RECOVERY_MAC = 16
};
struct guard_role {
    char name[SH_NAME_MAX + 1];
    uint64_t bits;
    struct sh_data_class clearance; /* up to which its reading shows; not said: everything */
    uint64_t revision;
    bool builtin;
};

/* A role given for a time, below a tenant, or for a part of a plant. */
enum { GUARD_REASON_MAX = 120 };
struct guard_grant {
    struct guard_role *role;
    uint32_t tenant;  /* and below; at first that of the person */
    uint8_t part;     /* enum sh_part_kind */
    bool end_told;    /* its end stands in the audit chain; in memory only */
    int64_t from_us;  /* wall clock; 0 = from the beginning */
    int64_t until_us; /* INT64_MAX = for good */
    int64_t given_us;
    char what[SH_DEVICE_ID_MAX + 1]; /* asset, or key:value of a label */
    char reason[GUARD_REASON_MAX + 1];
    char by[GUARD_OWNER_MAX];
};

/* Failures in a row and the lock that comes of them; times by the monotonic clock. */
struct guard_fails {
    uint32_t fails;
    int64_t last_us;
    int64_t until_us;
};

/* A security key or passkey (WebAuthn) of a person, for one relying party. */
enum { GUARD_KEYS_PER_PERSON = 4, GUARD_HOST_MAX = 253, GUARD_KEY_NAME_MAX = 64 };
struct guard_authkey {
    uint8_t id[SH_WEBAUTHN_ID_MAX];
    uint8_t id_n;
    uint16_t cose_n;
    uint8_t cose[SH_WEBAUTHN_KEY_MAX];
    uint32_t count; /* of signatures, when it counts */
    int64_t created_us;
    int64_t used_us; /* 0 = not yet */
    char name[GUARD_KEY_NAME_MAX + 1];
    char rp[GUARD_HOST_MAX + 1]; /* host name that it was made for */
};

/* The second factor of a person: one-time codes (`on`), security keys, or both. */
struct guard_factor {
    bool on;
    uint32_t nkeys;
    struct guard_authkey keys[GUARD_KEYS_PER_PERSON];
    int64_t challenge_us; /* when the last challenge was made that a key answered: good once */
    uint8_t secret[SH_TOTP_SECRET];
    uint64_t step;                                            /* of the last code that was taken */
    uint8_t recovery[GUARD_RECOVERY_MAX][GUARD_RECOVERY_MAC]; /* keyed hashes of what is left */
    uint32_t nrecovery;
    uint8_t pending[SH_TOTP_SECRET]; /* being set up, in memory only */
    int64_t pending_until_us;        /* wall clock; 0 = none */
};

struct guard_person {
    uint32_t tenant;
    uint32_t slot;
    char name[SH_NAME_MAX + 1];
    char display[GUARD_DISPLAY_MAX + 1];
    char language[12];
    char phc[SH_PHC_CHARS];
    struct guard_role *roles[GUARD_ROLES_MAX];
    uint32_t nroles;
    struct guard_grant grants[GUARD_GRANTS_MAX];
    uint32_t ngrants;
    uint32_t scopes; /* its set; 0 = none yet */
    bool disabled;
    bool must_change;                        /* the password, at the next sign-in */
    int64_t password_us;                     /* when it was set; 0 = not known */
    char past[GUARD_PAST_MAX][SH_PHC_CHARS]; /* passwords before, newest first */
    uint32_t npast;
    struct guard_factor factor;
    struct guard_identity identities[GUARD_IDENTITIES_MAX]; /* at providers */
    uint32_t nidentities;
    int64_t created_us;
    uint64_t revision;
    struct guard_fails fails;
};

/* An address: IPv6, or ::ffff:a.b.c.d for IPv4. */
struct guard_ip {
    uint8_t b[16];
};
/* Whoever has the first `bits` bits of it. */
struct guard_net {
    struct guard_ip ip;
    uint8_t bits; /* 0 to 128; of an IPv4 range 96 to 128 */
};
enum { GUARD_IP_CHARS = 46, GUARD_NET_CHARS = 52, GUARD_NETS_MAX = 16, GUARD_PLACES = 4 };

/* From where a credential was used; in memory only (admit.c). */
struct guard_seen {
    bool some;
    struct guard_ip ip;        /* the last one */
    struct guard_trace *trace; /* owned; NULL until it changes */
};
struct guard_trace {
    struct {
        struct guard_ip ip;
        int64_t left_us; /* monotonic; 0 = free */
    } past[GUARD_PLACES];
    struct {
        int64_t at_us; /* monotonic; 0 = none; newest first */
        bool back;     /* to a place that was left a short time before */
    } change[GUARD_PLACES];
};
/* A device whose credential is used from two places in turn. */
struct guard_mark {
    int64_t first_us; /* wall clock; 0 = none */
    int64_t last_us;
    int64_t stored_us; /* last_us as the store has it, about */
    uint32_t times;
    uint8_t door; /* enum sh_door */
    struct guard_ip ip[2];
};
enum { GUARD_NOTE_MAX = 200 };
/* What few devices have: an allow list, a mark, a quarantine. */
struct guard_access {
    uint32_t nnets; /* 0 = every address */
    struct guard_net nets[GUARD_NETS_MAX];
    struct guard_mark mark;
    int64_t quarantined_us; /* wall clock; 0 = not */
    char reason[GUARD_NOTE_MAX + 1];
    char by[GUARD_OWNER_MAX];
    /* In memory only: */
    uint64_t refused;
    int64_t refused_us; /* wall clock */
    int64_t told_us;    /* monotonic */
    struct guard_ip refused_ip;
    uint8_t refused_why;       /* enum sh_refusal */
    uint8_t refused_door;      /* enum sh_door */
    bool queued;               /* in g->marked */
    bool mark_new;             /* to be audited when it is stored */
    bool quarantine_new;       /* likewise */
    struct guard_device *next; /* of g->marked */
};

struct guard_token {
    char id[24];
    char name[SH_NAME_MAX + 1];
    uint8_t hash[SH_HASH_BYTES];
    struct sh_scram_verifier scram; /* iterations 0: made before there was one */
    uint32_t tenant;
    uint32_t slot;
    struct guard_role *roles[GUARD_ROLES_MAX];
    uint32_t nroles;
    uint64_t extra;                 /* permissions named one by one */
    struct sh_data_class clearance; /* and nothing above this; not said: as its roles */
    char device[SH_DEVICE_ID_MAX + 1];
    uint8_t part;    /* enum sh_part_kind: all of its permissions hold for that only */
    uint32_t scopes; /* its set; 0 = none */
    char what[SH_DEVICE_ID_MAX + 1];
    bool provision;
    char dashboard[SH_DASHBOARD_ID_MAX + 1]; /* shows that one and may do nothing else */
    int64_t expires_us;                      /* INT64_MAX = never */
    int64_t created_us;
    char by[GUARD_OWNER_MAX];
    int64_t used_us;        /* 0 = not yet */
    int64_t saved_us;       /* used_us as the store has it */
    char from[64];          /* address it came from then */
    struct guard_seen seen; /* only of one that is bound to a device */
};

struct guard_session {
    uint8_t hash[SH_HASH_BYTES];
    struct guard_person *person;
    uint32_t slot;
    int64_t created_us;
    int64_t used_us;
    int64_t saved_us;     /* used_us as the store has it */
    int64_t confirmed_us; /* password and code were given again; in memory only */
    char peer[64];
    char agent[GUARD_AGENT_MAX + 1];
    char provider[SH_PROVIDER_ID_MAX + 1]; /* by whom; "" = by us */
    struct sh_str hint; /* owned: the provider's ID token; in memory only; may be empty */
};

struct guard_device {
    uint32_t tenant;
    uint32_t slot;
    uint32_t ncerts;     /* in the list */
    uint32_t live_certs; /* not revoked */
    struct guard_cert *certs;
    bool has_secret;
    bool gateway;
    struct guard_access *access; /* owned; NULL = nothing of it */
    struct guard_seen seen;
    uint8_t mac[SH_HASH_BYTES];
    char device[SH_DEVICE_ID_MAX + 1];
};

struct guard_cert {
    struct guard_device *device; /* NULL: being added */
    struct guard_cert *next;     /* of the device */
    int64_t from_us;             /* the rest only with a fingerprint; 0 = not known */
    int64_t until_us;
    int64_t added_us;
    int64_t revoked_us;               /* 0 = good */
    bool issued;                      /* by us */
    bool going;                       /* makes room for one that is being added */
    size_t issuer_at;                 /* in text */
    char key[SH_CERT_NAME_CHARS + 4]; /* "fp:<hex>" or "cn:<name>" */
    char serial[SH_CERT_SERIAL_CHARS];
    char text[]; /* common names of subject and issuer */
};
/* The same with room for every text. */
struct guard_cert_form {
    char key[SH_CERT_NAME_CHARS + 4];
    char serial[SH_CERT_SERIAL_CHARS];
    char subject[SH_CERT_NAME_CHARS];
    char issuer[SH_CERT_NAME_CHARS];
    int64_t from_us;
    int64_t until_us;
    int64_t added_us;
    int64_t revoked_us;
    bool issued;
};
enum { GUARD_CERTS_PER_DEVICE = 64 };
#define GUARD_WARN_US (INT64_C(60) * 86400 * 1000000) /* "expiring" */

/* Why a certificate is good no more (pki.c). */
struct guard_revoked {
    struct sh_revoked told;
    int64_t until_us; /* end of the certificate's time */
    bool listed;      /* issued by the device CA: told has its serial number */
    bool pending;     /* not committed yet: told to nobody */
    char note[];      /* what somebody wrote about it */
};

/* A provisioning key (provision.c). */
struct guard_provision {
    char id[24];
    char name[SH_NAME_MAX + 1];
    char pattern[SH_DEVICE_ID_MAX + 1]; /* of the ids that may come */
    char thing[SH_DEVICE_ID_MAX + 1];   /* "" = none */
    char asset[SH_DEVICE_ID_MAX + 1];
    char by[GUARD_OWNER_MAX];
    uint8_t mac[SH_HASH_BYTES];
    uint32_t tenant;
    uint32_t uses; /* how many devices, and how many have come */
    uint32_t used;
    int64_t expires_us;
    int64_t created_us;
};
/* By what a credential is made, when not by the right to change devices. */
struct guard_cause {
    bool own;                /* the device acts for itself */
    struct sh_str provision; /* a use of this key is counted; empty = none */
};

struct guard_pki {
    struct sh_mutex making; /* the list; before `change` */
    struct sh_buf crl;      /* DER, as it was made last; under making, as the next three */
    int64_t made_us;        /* wall clock */
    uint64_t made_changes;
    uint64_t number;
    _Atomic uint64_t changes; /* of what is revoked */
    struct sh_map revoked;    /* guard_revoked by serial number, or fingerprint key; under lock */
    struct sh_map issued;     /* guard_cert by serial number; under lock */
    int64_t counted_us;       /* monotonic; used by the tick alone */
    uint64_t counted_changes;
};

/* A posted audit entry: copies. */
enum { AUDIT_TEXT_MAX = 128, AUDIT_DETAIL_MAX = 1024 };
struct guard_audit_item {
    int64_t time_us;
    uint32_t tenant;
    char principal[GUARD_OWNER_MAX];
    char act[AUDIT_TEXT_MAX];
    char object[GUARD_OWNER_MAX];
    char result[32];
    char detail[AUDIT_DETAIL_MAX + 1];
    char peer[64];
};

/* Failure counts of addresses and of users that do not exist: bounded, the least recent goes. */
enum { FAIL_SETS = 1024, FAIL_WAYS = 4, THROTTLE_SETS = 2048, THROTTLE_WAYS = 4 };
struct guard_fail_entry {
    uint64_t key; /* 0 = free */
    struct guard_fails f;
};
struct guard_throttle_entry {
    uint64_t key;
    int64_t arrival_us;
};

enum { CACHE_ENTRIES = 512 };
struct guard_cache_entry {
    uint8_t mac[SH_HASH_BYTES];
    int64_t until_us; /* monotonic; 0 = free */
};

struct guard_password_job;

struct guard_settings {
    struct sh_guard_settings s;
    struct guard_settings *before;
    uint32_t n; /* replaced so far */
};

struct sh_guard {
    const struct sh_env *env;
    const struct sh_crypto *crypto;
    struct guard_store *store;
    struct sh_workers *workers;
    /* The settings in force. They are replaced whole (settings.c); those before stay until the
     * close, so a reader needs no lock. */
    _Atomic(struct guard_settings *) set;
    char *dir;

    struct sh_mutex change;
    struct sh_mutex lock;
    struct sh_mutex hashing;
    struct sh_mutex sealing; /* the last one: nothing is locked behind it */
    bool locks_ready;

    /* Lock-free for readers; grown under `lock`. */
    _Atomic(struct guard_subject *) subjects[SUBJECT_CHUNKS];
    _Atomic uint32_t nsubjects;
    _Atomic(struct guard_tenant *) tenants[TENANT_CHUNKS];
    _Atomic uint32_t ntenants; /* ids 1..ntenants exist */

    _Atomic(struct guard_scopes *) scopes[SCOPES_CHUNKS];

    /* Under `lock`. */
    uint32_t free_subject;
    uint32_t free_scopes;
    uint32_t nscopes;
    struct sh_map tenant_by_path;
    struct sh_map roles;
    struct sh_map people; /* "tenant:name" */
    struct sh_map tokens; /* by id */
    struct sh_map token_by_hash;
    struct sh_map sessions;      /* by hash */
    struct sh_map devices;       /* "tenant:device" */
    struct guard_device *marked; /* whose mark waits to be stored */
    struct sh_map certs;
    struct guard_pki pki;
    struct sh_map provisions; /* by id; guard_provision, changed under `change` and lock */
    struct sh_map provision_by_mac;
    struct sh_map providers;       /* guard_provider by id, changed under `change` and lock */
    struct sh_map waiting_outside; /* guard_waiting by its key */
    struct guard_fail_entry *fails;
    struct guard_throttle_entry *throttles;
    struct guard_cache_entry *cache;
    struct guard_audit_item **posted; /* ring of set.audit_waiting places */
    size_t posted_head;
    size_t posted_n;
    uint64_t posted_lost;
    bool flush_queued;
    struct guard_password_job *jobs; /* first waiting */
    struct guard_password_job **jobs_end;
    uint32_t waiting;     /* queued jobs and blocked callers */
    uint32_t directories; /* exchanges under way (directory.c) */
    bool jobs_running;
    bool stopped; /* no password is hashed any more */
    struct sh_guard_stats stats;
    bool first_file; /* keys/first-password is there */
    bool restored;   /* sh_guard_options */
    bool separated;  /* the three administrators are different people */

    /* Under `change`. */
    uint64_t audit_seq;
    uint8_t audit_hash[SH_HASH_BYTES];
    uint64_t checkpoint_seq;  /* of the newest checkpoint; 0 = none */
    uint64_t checkpoint_done; /* up to here no further one is due */
    int64_t checkpoint_us;
    int64_t checkpoint_due_us; /* used by the tick alone */
    uint64_t revision;         /* the next one; grows over the whole node */
    struct sh_master *master;
    struct sh_ring_found ring_found; /* at open */
    struct sh_ring ring;             /* also under `sealing` */
    int64_t ring_retry_us;           /* used by the tick alone */

    /* Constant after open. */
    uint8_t key_token[SH_KEY_BYTES];
    uint8_t key_secret[SH_KEY_BYTES];
    uint8_t key_csrf[SH_KEY_BYTES];
    uint8_t key_cache[SH_KEY_BYTES];
    uint8_t key_audit[SH_KEY_BYTES];
    uint8_t key_mark[SH_KEY_BYTES];
    uint64_t seed;
    struct sh_principal system;
    struct sh_principal anonymous;
    sh_guard_part_fn *in_part; /* set once, before anybody is asked */
    void *in_part_ctx;
    sh_guard_archived_fn *archived;
    void *archived_ctx;
};

/* ---- keyring.c ---- */

/* fresh: keys are made; else the folder has some. SH_E_STATE, SH_E_CORRUPT with diag. */
sh_err guard_keyring_open(struct sh_guard *g, const char *master, bool fresh, struct sh_diag *diag);
/* The last step of opening: what a folder of before has gets its form of today. */
sh_err guard_keyring_settle(struct sh_guard *g);
void guard_keyring_close(struct sh_guard *g);
void guard_keyring_tick(struct sh_guard *g);
void guard_keyring_facts(struct sh_guard *g, struct sh_guard_security *out);
/* The key that seals the audit chain's head, of a folder that is not open. */
sh_err guard_keyring_root(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                          const char *source, uint8_t audit[SH_KEY_BYTES]);
/* Secret boxes as base64, for JSON. Appends. Errors of sh_box_open. */
sh_err guard_seal_text(struct sh_guard *g, const char *context, struct sh_bytes plain,
                       struct sh_buf *out);
sh_err guard_unseal_text(struct sh_guard *g, const char *context, struct sh_str text,
                         struct sh_buf *out);
/* A private key in a file below DIR, sealed; one that lies open is read too. */
sh_err guard_secret_file_read(struct sh_guard *g, const char *name, struct sh_buf *out);
sh_err guard_secret_file_write(struct sh_guard *g, const char *name, struct sh_bytes plain);

/* ---- checkpoint.c ---- */

void guard_checkpoint_open(struct sh_guard *g);
void guard_checkpoint_tick(struct sh_guard *g);

/* ---- subject.c: slots ---- */

/* Under lock. */
sh_err guard_subject_new(struct sh_guard *g, enum sh_principal_kind kind, void *owner,
                         uint32_t *slot);
void guard_subject_free(struct sh_guard *g, uint32_t slot);
/* Ends all handles to it and starts a new generation. */
void guard_subject_renew(struct sh_guard *g, uint32_t slot);
void guard_subject_set(struct sh_guard *g, uint32_t slot, uint64_t permissions, uint64_t clear,
                       int64_t expires_us);
/* After set, which clears it: nothing is allowed until this is done. */
void guard_subject_must(struct sh_guard *g, uint32_t slot, uint8_t must);
struct guard_subject *guard_subject_at(const struct sh_guard *g, uint32_t slot);
struct sh_principal guard_subject_handle(const struct sh_guard *g, uint32_t slot, uint32_t tenant,
                                         bool bound);
/* The person, token ... behind a live handle; NULL when dead. Under lock. */
void *guard_subject_owner(const struct sh_guard *g, const struct sh_principal *p,
                          enum sh_principal_kind kind);
/* What a handle may, everywhere in its tenant. */
uint64_t guard_subject_permissions(const struct sh_guard *g, const struct sh_principal *p);
/* What it may for good in `tenant`, and so may give others. */
uint64_t guard_subject_lasting(const struct sh_guard *g, const struct sh_principal *p,
                               uint32_t tenant);
/* The same of what its reading shows. */
uint64_t guard_subject_lasting_clear(const struct sh_guard *g, const struct sh_principal *p,
                                     uint32_t tenant);
uint64_t guard_subject_clear(const struct sh_guard *g, const struct sh_principal *p,
                             uint32_t tenant);
/* The set that belongs to slot, and to what stands for it (a session). */
void guard_subject_scopes(struct sh_guard *g, uint32_t slot, uint32_t scopes);

/* ---- grant.c; under lock ---- */

/* Members of the body and of the stored form: an array. Those that were given before (old) keep who
 * gave them and when. */
sh_err guard_grants_read(struct sh_guard *g, const json_t *list, const struct guard_person *old,
                         const struct sh_guard_at *at, struct guard_person *form,
                         struct sh_diag *diag);
sh_err guard_grants_load(struct sh_guard *g, const json_t *list, struct guard_person *form);
/* stored: as guard_grants_load reads them; else as docs/api.md has them. */
void guard_grants_write(struct sh_guard *g, const struct guard_person *p, bool stored,
                        struct sh_jw *w);
/* One, as docs/api.md has it. */
void guard_grant_write(struct sh_guard *g, const struct guard_grant *gr, struct sh_jw *w);
/* Roles, grants and what may stop the person, where they differ: {"before":{},"after":{}}; old
 * NULL: a new one. For the audit chain. */
sh_err guard_person_detail(struct sh_guard *g, const struct guard_person *old,
                           const struct guard_person *form, struct sh_buf *out);
/* Every permission that the person has or will have, whole or in part. */
uint64_t guard_person_bits(const struct guard_person *p);
struct guard_worth guard_person_worth(const struct guard_person *p);
/* The place for the grants of a person or the part of a token; *set != 0: there is one. */
sh_err guard_scopes_new(struct sh_guard *g, uint32_t *set);
void guard_scopes_free(struct sh_guard *g, uint32_t set);
/* What checks read, from the grants. may: nothing stops the person. */
void guard_grants_apply(struct sh_guard *g, const struct guard_person *p, bool may);
void guard_token_part_apply(struct sh_guard *g, const struct guard_token *t, uint64_t bits,
                            uint64_t clear);
const struct guard_scopes *guard_scopes_at(const struct sh_guard *g, uint32_t set);
/* Tells the audit chain of grants that have ended. Takes lock. */
void guard_grants_tick(struct sh_guard *g);
/* "asset", "label", "own" of a body: the part and what it names. SH_E_INVAL: more than one. */
sh_err guard_part_read(const json_t *o, struct sh_str path, uint8_t *part,
                       char what[SH_DEVICE_ID_MAX + 1], struct sh_diag *diag);
void guard_part_write(uint8_t part, const char *what, struct sh_jw *w);

/* ---- tenant.c ---- */

struct guard_tenant *guard_tenant_at(const struct sh_guard *g, uint32_t id);       /* NULL: none */
struct guard_tenant *guard_tenant_by_path(struct sh_guard *g, struct sh_str path); /* under lock */
sh_err guard_tenant_load(struct sh_guard *g, const json_t *o);
sh_err guard_tenant_put_root(struct sh_guard *g);
bool guard_name_ok(struct sh_str name); /* a person's, a role's, one part of a tenant's path */

/* ---- role.c ---- */

sh_err guard_roles_init(struct sh_guard *g); /* the builtin ones */
sh_err guard_role_load(struct sh_guard *g, const json_t *o);
struct guard_role *guard_role_find(struct sh_guard *g, struct sh_str name);
/* Reads an array of role names. SH_E_INVAL with diag. Under lock. */
sh_err guard_roles_read(struct sh_guard *g, const json_t *names,
                        struct guard_role *roles[GUARD_ROLES_MAX], uint32_t *n,
                        struct sh_diag *diag);
/* An array of permission names or patterns; SH_E_INVAL with diag. */
sh_err guard_permissions_read(const json_t *list, uint64_t *bits, struct sh_diag *diag);
uint64_t guard_roles_bits(struct guard_role *const *roles, uint32_t n);
uint64_t guard_roles_clear(struct guard_role *const *roles, uint32_t n);
void guard_roles_write(struct guard_role *const *roles, uint32_t n, struct sh_jw *w);
/* Recomputes the permissions of every subject. Under lock. */
void guard_refresh_all(struct sh_guard *g);

/* ---- clearance.c ---- */

/* What somebody can be given: permissions, and what reading by them shows. */
struct guard_worth {
    uint64_t bits;
    uint64_t clear; /* a set of pairs for each kind of reading, nine bits each */
};
/* What permissions show when each shows `set`. */
uint64_t guard_clear_of(uint64_t bits, sh_clearance set);
uint64_t guard_clear_all(sh_clearance set); /* for every kind of reading */
/* The part that is about one permission. */
sh_clearance guard_clear_for(uint64_t clear, enum sh_permission perm);
static inline uint64_t guard_role_clear(const struct guard_role *r)
{
    return guard_clear_of(r->bits, sh_clearance_up_to(r->clearance));
}
/* Member "clearance" of a body or of the stored form. SH_E_INVAL with diag. */
sh_err guard_clearance_read(const json_t *o, struct sh_data_class *out, struct sh_diag *diag);
void guard_clearance_write(struct sh_data_class c, struct sh_jw *w);
/* SH_E_DENIED: it would show more than `by` sees for good. */
sh_err guard_may_show(const struct sh_guard *g, const struct sh_principal *by, uint64_t clear,
                      uint32_t tenant, struct sh_diag *diag);

/* ---- person.c, session.c, token.c, device.c ---- */

struct guard_batch;
sh_err guard_person_load(struct sh_guard *g, const json_t *o);
struct guard_person *guard_person_find(struct sh_guard *g, uint32_t tenant, struct sh_str name);
/* "name" or "name@tenant"; NULL when there is none. Under lock. */
struct guard_person *guard_person_by_user(struct sh_guard *g, struct sh_str user);
/* Splits at the last '@'; tenant path "" without one. */
struct sh_str guard_user_split(struct sh_str user, struct sh_str *tenant_path);
void guard_person_refresh(struct sh_guard *g, struct guard_person *p);
/* Stored form with everything. */
sh_err guard_person_store(struct sh_guard *g, const struct guard_person *p, struct sh_buf *out);
/* The stored form into a batch. */
sh_err guard_person_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_person *p);
/* GUARD_MUST_ of a person as of now. Under lock. */
uint8_t guard_person_must(const struct sh_guard *g, const struct guard_person *p);
/* The state of a person after a change; see commit_person. */
struct guard_person_change {
    const struct sh_principal *by;
    struct sh_str peer;
    struct sh_str act;
    struct guard_person form; /* the state after it */
    struct guard_person *old; /* NULL: a new person */
    bool deletes;
    bool end_sessions;
    const uint8_t *keep; /* hash of the session that stays */
};
/* Stores it with its audit entry, then applies it. *out may be NULL. Under change, not lock. */
sh_err guard_person_commit(struct sh_guard *g, struct guard_person_change *c,
                           struct guard_person **out);
/* Whom a call about an account means (see guard.h). Under lock. SH_E_DENIED, SH_E_NOTFOUND. */
sh_err guard_account_of(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str name,
                        enum sh_permission perm, struct guard_person **out);
/* The session behind a handle; NULL: it is none. Under lock. */
struct guard_session *guard_session_of(const struct sh_guard *g, const struct sh_principal *p);
/* Is the code good for the person, and what is the factor after it? SH_E_DENIED. Under lock. */
sh_err guard_factor_check(const struct sh_guard *g, const struct guard_person *p,
                          const struct sh_sign_in_ask *ask, struct guard_factor *after);
static inline bool guard_has_factor(const struct guard_person *p)
{
    return p->factor.on || p->factor.nkeys > 0;
}
/* New recovery codes into f; text is what is shown once. */
enum { GUARD_RECOVERY_CHARS = 10 };
struct guard_codes {
    char text[GUARD_RECOVERY_MAX][GUARD_RECOVERY_CHARS + 2]; /* with a dash and a NUL */
};
sh_err guard_codes_make(const struct sh_guard *g, const struct guard_person *p,
                        struct guard_factor *f, struct guard_codes *out);
void guard_codes_write(struct guard_codes *c, struct sh_jw *w); /* an array; wipes them */
/* authkey.c; under lock. The answer of a security key, as guard_factor_check. */
sh_err guard_authkey_check(const struct sh_guard *g, const struct guard_person *p,
                           const struct sh_guard_assertion *a, struct guard_factor *after);
/* Members of the stored form. */
sh_err guard_authkeys_store(const struct sh_guard *g, const struct guard_factor *f,
                            struct sh_jw *w);
sh_err guard_authkeys_load(const struct sh_guard *g, const json_t *o, struct guard_factor *f);
/* As docs/api.md has them: an array. */
sh_err guard_authkeys_write(const struct sh_guard *g, const struct guard_factor *f,
                            struct sh_jw *w);
/* Members of the stored form; reading answers SH_E_CORRUPT for what was changed. */
sh_err guard_factor_store(struct sh_guard *g, const struct guard_person *p, struct sh_jw *w);
sh_err guard_factor_load(struct sh_guard *g, const json_t *o, struct guard_person *p);
sh_err guard_person_key(char out[GUARD_KEY_MAX], uint32_t tenant, struct sh_str name);
sh_err guard_password_policy(const struct sh_guard *g, struct sh_str password, struct sh_str name,
                             struct sh_diag *diag);
/* password.c. Slow (argon2) are past, which looks up the person in the tenant, and hash. */
sh_err guard_password_past(struct sh_guard *g, uint32_t tenant, struct sh_str name,
                           struct sh_str password, struct sh_diag *diag);
sh_err guard_password_hash(struct sh_guard *g, struct sh_str password, char phc[SH_PHC_CHARS]);
/* The new password into the state after a change. */
void guard_password_set(const struct sh_guard *g, struct guard_person *form,
                        const char phc[SH_PHC_CHARS]);
/* When it must be changed; INT64_MAX = never. A password of which it is not known when it was set
 * counts from when the person was made. */
int64_t guard_password_ends(const struct sh_guard *g, const struct guard_person *p);
sh_err guard_person_label(struct sh_guard *g, const struct guard_person *p, char *out, size_t cap);

sh_err guard_session_load(struct sh_guard *g, const json_t *o, struct sh_str key);
/* Makes a session for a person that has proved itself; `way` says by what. SH_E_DENIED: the code is
 * wrong, or needed (out->code_needed). Takes the locks. */
sh_err guard_session_new(struct sh_guard *g, uint32_t tenant, struct sh_str name,
                         const struct sh_sign_in_ask *ask, const struct guard_way *way,
                         struct sh_sign_in *out);
/* Deletions of all sessions of a person but `keep` (may be NULL) are appended to the batch. */
sh_err guard_sessions_end(struct sh_guard *g, const struct guard_person *p, const uint8_t *keep,
                          struct guard_batch *b);
/* Drops in memory what sessions_end put into the batch. Under lock. */
void guard_sessions_drop(struct sh_guard *g, const struct guard_person *p, const uint8_t *keep);
void guard_sessions_tick(struct sh_guard *g);
/* Saves when tokens were last used: those that were used long since it was saved, or all. */
void guard_tokens_tick(struct sh_guard *g, bool all);
/* A token came from there. Under lock. */
void guard_token_came(struct sh_guard *g, const struct sh_principal *p, struct sh_str peer);
void guard_session_free(struct sh_guard *g, struct guard_session *s);
sh_err guard_session_batch_end(struct guard_batch *b, const struct guard_session *s);
/* When it ends if it is not used any more; wall clock. */
int64_t guard_session_ends(const struct sh_guard *g, const struct guard_session *s);

sh_err guard_token_load(struct sh_guard *g, const json_t *o);
void guard_token_refresh(struct sh_guard *g, struct guard_token *t);
void guard_token_free(struct sh_guard *g, struct guard_token *t);
/* Tokens bound to a device follow it to `to`, or go (to.p == NULL): into the batch; then, after the
 * commit, in memory. Under change and lock. */
sh_err guard_tokens_move(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to,
                         struct guard_batch *b);
void guard_tokens_moved(struct sh_guard *g, uint32_t tenant, struct sh_str from, struct sh_str to);
/* Those that are bound to the device: their permissions anew, and their handles dead; from where
 * they were used is forgotten. Under lock. */
void guard_tokens_refresh(struct sh_guard *g, uint32_t tenant, struct sh_str device, bool renew);
void guard_tokens_forget_seen(struct sh_guard *g, uint32_t tenant, struct sh_str device);
sh_err guard_device_load(struct sh_guard *g, const json_t *o);
sh_err guard_cert_load(struct sh_guard *g, const json_t *o);
void guard_device_refresh(struct sh_guard *g, struct guard_device *d);
struct guard_device *guard_device_find(struct sh_guard *g, uint32_t tenant, struct sh_str device);
bool guard_device_id_ok(struct sh_str device);
/* Under lock: a new one without credentials; away; its stored form into the batch. */
sh_err guard_device_add(struct sh_guard *g, uint32_t tenant, struct sh_str device,
                        struct guard_device **out);
void guard_device_drop(struct sh_guard *g, struct guard_device *d);
sh_err guard_device_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_device *d);
struct guard_device_change {
    const struct sh_guard_at *at;
    struct sh_str device;
    struct sh_str act;
    const uint8_t *mac;                 /* a new secret */
    const struct guard_cert_form *cert; /* a new certificate or name */
    bool set_gateway;
    bool gateway;
    const struct guard_cause *cause; /* NULL: the right to change devices */
};
/* Stores it with its audit entry, then applies it. Takes the locks. */
sh_err guard_device_put(struct sh_guard *g, const struct guard_device_change *c);

/* ---- net.c; pure ---- */

/* Numeric, IPv6 also in brackets or with a zone, which does not count. */
bool guard_ip_parse(struct sh_str text, struct guard_ip *out);
void guard_ip_print(const struct guard_ip *ip, char out[GUARD_IP_CHARS]);
bool guard_ip_is_v4(const struct guard_ip *ip);
/* The same IPv4 address, or the same IPv6 /64, which is one subscriber. */
bool guard_ip_same_place(const struct guard_ip *a, const struct guard_ip *b);
/* "10.8.0.7", "10.8.0.0/24", "2001:db8::/64". SH_E_INVAL; SH_E_CONFLICT: an address within the
 * range, which is in out. */
sh_err guard_net_parse(struct sh_str text, struct guard_net *out);
void guard_net_print(const struct guard_net *n, char out[GUARD_NET_CHARS]);
bool guard_net_has(const struct guard_net *n, const struct guard_ip *ip);

/* ---- admit.c, quarantine.c; under lock, but for the two that say so ---- */

const char *guard_door_name(enum sh_door door);
enum sh_door guard_door_parse(struct sh_str name);
/* p is bound to a device. Takes lock. */
enum sh_refusal guard_device_admits(struct sh_guard *g, const struct sh_principal *p,
                                    struct sh_str peer, enum sh_door door);
/* Stores marks that wait. Takes the locks. */
void guard_marks_store(struct sh_guard *g);
/* d->access is there; SH_E_NOMEM. */
sh_err guard_access_need(struct sh_guard *g, struct guard_device *d);
void guard_access_drop(struct sh_guard *g, struct guard_device *d);
sh_err guard_access_load(struct sh_guard *g, struct guard_device *d, const json_t *o);
void guard_access_store(const struct guard_access *a, struct sh_jw *w); /* members; a may be NULL */
void guard_seen_forget(struct sh_guard *g, struct guard_seen *s);
void guard_mark_set(struct sh_guard *g, struct guard_device *d, const struct guard_mark *m);
void guard_mark_clear(struct sh_guard *g, struct guard_device *d);
void guard_quarantine_set(struct sh_guard *g, struct guard_device *d, int64_t since_us,
                          struct sh_str reason, struct sh_str by);
void guard_quarantine_clear(struct sh_guard *g, struct guard_device *d);
bool guard_device_shut(const struct guard_device *d); /* in quarantine; NULL is not */
/* Ends all handles of the device and of tokens bound to it. */
void guard_device_cut(struct sh_guard *g, struct guard_device *d);

/* ---- cert.c; under lock ---- */

/* One line of at most GUARD_NOTE_MAX bytes. */
bool guard_note_ok(struct sh_str note);

/* Makes it (for nobody yet) and stores it in the batch. SH_E_EXISTS, SH_E_LIMIT. *out may be set on
 * error too: it is to be dropped. */
sh_err guard_cert_plan(struct sh_guard *g, const struct guard_device *d,
                       const struct guard_cert_form *form, struct guard_batch *b,
                       struct guard_cert **out);
/* After the commit: the new one stands for the device, or (not done) all is as before. */
void guard_cert_planned(struct sh_guard *g, struct guard_device *d, struct guard_cert *fresh,
                        bool done);
void guard_cert_drop(struct sh_guard *g, struct guard_cert *c);
sh_err guard_cert_batch(struct sh_guard *g, struct guard_batch *b, const struct guard_cert *c,
                        uint32_t tenant, struct sh_str device);

/* Issues and registers; cause: see guard_device_change. Takes the locks. */
sh_err guard_cert_issue(struct sh_guard *g, const struct sh_guard_at *at, struct sh_guard_issue *o,
                        const struct guard_cause *cause, struct sh_buf *cert_pem,
                        struct sh_buf *key_pem, struct sh_diag *diag);

/* device.c: a new secret, as sh_guard_device_secret_new. Takes the locks. */
sh_err guard_secret_new(struct sh_guard *g, const struct sh_guard_at *at, struct sh_str device,
                        const struct guard_cause *cause,
                        char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2],
                        char secret[SH_SECRET_CHARS]);
sh_err guard_secret_mac(const struct sh_guard *g, struct sh_str secret, uint8_t out[SH_HASH_BYTES]);

/* ---- provision.c; under lock, but for init ---- */

void guard_provision_init(struct sh_guard *g);
sh_err guard_provision_load(struct sh_guard *g, const json_t *o);
bool guard_glob(struct sh_str pattern, struct sh_str text);
/* One more use for this device, into the batch. SH_E_DENIED: the key is not good for it;
 * SH_E_EXISTS: it has a credential. Then, after the commit, in memory. */
sh_err guard_provision_plan(struct sh_guard *g, struct sh_str id, const struct guard_device *d,
                            struct guard_batch *b);
void guard_provision_used(struct sh_guard *g, struct sh_str id);

/* ---- pki.c; under lock, but for init, fini and tick ---- */

void guard_pki_init(struct sh_guard *g);
void guard_pki_fini(struct sh_guard *g);
void guard_pki_tick(struct sh_guard *g);
sh_err guard_revoked_load(struct sh_guard *g, struct sh_str key, const json_t *o);
sh_err guard_revoked_early(struct sh_guard *g, const struct guard_cert *c);
/* NULL: it is not revoked. */
struct guard_revoked *guard_revoked_of(const struct sh_guard *g, const struct guard_cert *c);
/* Into memory, pending, and into the batch: when and reason of form. Then, after the commit, for
 * good or not at all. */
sh_err guard_revoked_plan(struct sh_guard *g, const struct guard_cert *c,
                          const struct guard_revoked *form, struct sh_str note,
                          struct guard_batch *b);
void guard_revoked_planned(struct sh_guard *g, const struct guard_cert *c, bool done);
/* keys.c: certificate and key of the device CA, appended; made on first use. Not under lock. */
sh_err guard_ca_open(struct sh_guard *g, struct sh_buf *cert, struct sh_buf *key);
/* keys.c: signs for the device; makes a key when there is no request. SH_E_PROTO: the request. */
sh_err guard_issue(struct sh_guard *g, const struct sh_guard_issue *o, struct sh_buf *cert_pem,
                   struct sh_buf *key_pem);
sh_err guard_token_store(const struct guard_token *t, struct sh_buf *out);
/* Under lock; `hash` is of the secret. */
sh_err guard_hash_token(const struct sh_guard *g, struct sh_str token, uint8_t out[SH_HASH_BYTES]);

/* ---- admin.c: one table of nouns ---- */

struct guard_put_args {
    const struct sh_guard_at *at;
    struct sh_str name;
    const json_t *body;
    enum sh_put_mode mode;
    uint64_t revision;
    struct sh_jw *w;
    struct sh_diag *diag;
};
/* Each takes the locks it needs. */
sh_err guard_person_put(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_role_put(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_token_put(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_tenant_put(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_person_delete(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_role_delete(struct sh_guard *g, const struct guard_put_args *a);
sh_err guard_token_delete(struct sh_guard *g, const struct guard_put_args *a);
/* Public form. Under lock. */
void guard_person_write(struct sh_guard *g, const struct guard_person *p, struct sh_jw *w);
void guard_role_write(const struct guard_role *r, struct sh_jw *w);
void guard_token_write(struct sh_guard *g, const struct guard_token *t, const char *secret,
                       struct sh_jw *w);
void guard_tenant_write(const struct guard_tenant *t, struct sh_jw *w);
/* separate.c; under lock. Does nobody have the powers of two of the three administrators? */
bool guard_separation_ok(uint64_t bits);
/* May the person be like this (old NULL: new), once they are separated? SH_E_STATE with diag. */
sh_err guard_separation_check(const struct sh_guard *g, const struct guard_person *old,
                              const struct guard_person *form, struct sh_diag *diag);
sh_err guard_separation_role(const struct sh_guard *g, const struct guard_role *old,
                             const struct guard_role *form, struct sh_diag *diag);
/* As guard_may_grant, for a person: who holds rights.grant may give what he does not hold, but not
 * to himself. old NULL: a new person. */
sh_err guard_may_give(const struct sh_guard *g, const struct sh_principal *by,
                      const struct guard_person *old, struct guard_worth worth, uint32_t tenant,
                      struct sh_diag *diag);
/* The object, its slot and its place, content from form; and away. Under lock. */
sh_err guard_person_new(struct sh_guard *g, const struct guard_person *form,
                        struct guard_person **out);
void guard_person_drop(struct sh_guard *g, struct guard_person *p);
/* SH_OK: `by` holds all of that in tenant; else SH_E_DENIED with diag. */
sh_err guard_may_grant(const struct sh_guard *g, const struct sh_principal *by,
                       struct guard_worth worth, uint32_t tenant, struct sh_diag *diag);

/* ---- login.c, limit.c ---- */

/* The password of a user, with lock-out and counting. Blocks. */
sh_err guard_password_check(struct sh_guard *g, struct sh_str user, struct sh_str password,
                            struct sh_str peer, int64_t *wait_us);
/* The same, but who is wrong is not counted yet: by guard_attempt_failed, when nothing else proves
 * it either. */
sh_err guard_password_uncounted(struct sh_guard *g, struct sh_str user, struct sh_str password,
                                struct sh_str peer, int64_t *wait_us);
/* Behind the right password: the session, or which second factor is needed. */
sh_err guard_sign_in_proved(struct sh_guard *g, const struct sh_sign_in_ask *ask,
                            struct sh_sign_in *out);
/* How long user (empty: nobody) and address are locked still; and one more failure of them, without
 * an audit entry. Take lock. */
int64_t guard_attempt_wait(struct sh_guard *g, struct sh_str user, struct sh_str peer);
void guard_attempt_count(struct sh_guard *g, struct sh_str user, struct sh_str peer);
/* Counts for user and address as a wrong password does, and audits. Takes lock. */
void guard_attempt_failed(struct sh_guard *g, struct sh_str user, struct sh_str peer,
                          struct sh_str detail);
/* A wrong one-time code counts as a wrong password does, and is audited. Takes lock. */
void guard_code_failed(struct sh_guard *g, struct sh_str user, struct sh_str peer);
/* As sh_guard_by_secret; *known: there is a device of that name with a secret. */
sh_err guard_secret_check(struct sh_guard *g, struct sh_str user, struct sh_str secret,
                          struct sh_principal *out, bool *known);
/* Some wait and nobody runs them: true, the caller now does. */
bool guard_password_claim(struct sh_guard *g);
/* Runs password jobs that wait. */
void guard_password_run(struct sh_guard *g);
/* Cancels them, and takes no more. */
void guard_password_cancel(struct sh_guard *g);
/* Under lock. Microseconds until the next try is allowed; 0 = now. */
int64_t guard_fails_wait(const struct guard_fails *f, int64_t now_us);
/* settings.c */
static inline const struct sh_guard_settings *guard_set(const struct sh_guard *g)
{
    return &atomic_load(&g->set)->s;
}
SH_MUST_CHECK sh_err guard_settings_first(struct sh_guard *g, const struct sh_guard_settings *s);
void guard_settings_free(struct sh_guard *g);
bool guard_settings_ok(const struct sh_guard_settings *s);

void guard_fails_add(const struct sh_guard_settings *s, struct guard_fails *f, uint32_t after,
                     int64_t now_us);
/* The counter of a key, made when missing. Under lock. */
struct guard_fails *guard_fails_of(struct sh_guard *g, const char *space, struct sh_str key,
                                   int64_t now_us);
/* IPv6 addresses count by their /64. Writes what to count by. */
struct sh_str guard_peer_key(struct sh_str peer, char out[64]);
bool guard_peer_is_loopback(struct sh_str peer);

/* ---- audit.c ---- */

/* Changes of one transaction. */
struct guard_batch {
    struct sh_buf text; /* keys and values, one behind the other */
    struct guard_pending {
        enum guard_kind kind;
        size_t key_at, key_n, value_at, value_n;
        bool deletes;
    } * items;
    size_t n;
    size_t cap;
    const struct sh_alloc *alloc;
};
void guard_batch_init(struct sh_guard *g, struct guard_batch *b);
void guard_batch_fini(struct guard_batch *b);
sh_err guard_batch_put(struct guard_batch *b, enum guard_kind kind, struct sh_str key,
                       struct sh_str value);
sh_err guard_batch_delete(struct guard_batch *b, enum guard_kind kind, struct sh_str key);
sh_err guard_batch_commit(struct sh_guard *g, const struct guard_batch *b); /* under change */
/* Commits the batch and, when not NULL, the audit entry with it. Under `change`, not `lock`. */
sh_err guard_commit(struct sh_guard *g, struct guard_batch *b, const struct sh_audit *a);
/* Reads the head and the tail of the chain; continues it. */
sh_err guard_audit_open(struct sh_guard *g);
void guard_audit_flush(struct sh_guard *g);
void guard_audit_forget(struct sh_guard *g); /* drops what could not be written; at close */
/* One stored entry: the parts of its wrapper, checked. SH_E_CORRUPT: it does not fit. */
struct guard_audit_entry {
    json_t *body;    /* new reference */
    json_t *wrapper; /* new reference; body_text lies in it */
    struct sh_str body_text;
    uint64_t seq;
    uint8_t hash[SH_HASH_BYTES];
    uint8_t prev[SH_HASH_BYTES];
};
sh_err guard_audit_parse(const struct sh_crypto *c, struct sh_str key, struct sh_str value,
                         struct guard_audit_entry *out);
void guard_audit_entry_fini(struct guard_audit_entry *e);
struct guard_audit_head {
    uint64_t seq;
    uint8_t hash[SH_HASH_BYTES];
};
/* SH_E_NOTFOUND: no head; SH_E_CORRUPT: not ours or changed. */
sh_err guard_audit_head_read(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                             const uint8_t key[SH_KEY_BYTES], struct guard_audit_head *out);
sh_err guard_audit_head_write(const struct sh_env *env, const struct sh_crypto *c, const char *dir,
                              const uint8_t key[SH_KEY_BYTES], const struct guard_audit_head *h);

/* ---- small things ---- */

/* snprintf into a fixed array; false when it did not fit. */
bool guard_print(char *out, size_t cap, const char *fmt, ...) SH_PRINTF(3, 4);
/* Copies s with a NUL; false when it does not fit. */
bool guard_copy(char *out, size_t cap, struct sh_str s);
bool guard_path(const struct sh_guard *g, const char *name, char *out, size_t cap); /* DIR/name */
bool guard_hex_read(struct sh_str hex, uint8_t out[SH_HASH_BYTES]);
int64_t guard_now(const struct sh_guard *g);
uint64_t guard_next_revision(struct sh_guard *g);

#endif /* SH_GUARD_INT_H */
