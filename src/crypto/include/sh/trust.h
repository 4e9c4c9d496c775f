/* trust.h - the certificate of a person, who vouches for it, and what its key has signed: trust
 * lists, lists of revoked certificates, chains (RFC 5280, clause 6) and signatures by SM2 with SM3
 * (GB/T 32918.2, GM/T 0009), ECDSA (FIPS 186-4) and RSA (RFC 8017). SM2 certificates (GB/T 20518)
 * are checked with the same distinguishing id as signatures.
 *
 * Pure: no clock, no network. Objects belong to one thread at a time and their caller; views into
 * what is handed over are not kept. Everything comes from outside and is bounded.
 * Errors common to all: SH_E_NOMEM.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TRUST_H
#define SH_TRUST_H

#include <sh/crypto.h>

enum {
    SH_TRUST_CAS = 16,          /* certificates of a trust list */
    SH_TRUST_CRLS = 16,         /* lists of revoked certificates */
    SH_TRUST_BADGE_CERTS = 6,   /* of a person: his own, and those between it and the trust list */
    SH_TRUST_CA_MAX = 32768,    /* bytes of a trust list */
    SH_TRUST_CRL_MAX = 262144,  /* bytes of all lists of revoked ones, as PEM */
    SH_TRUST_BADGE_MAX = 32768, /* bytes of what a person shows */
    SH_TRUST_SIGNATURE_MAX = 2048, /* bytes of a signature */
    SH_TRUST_NAME_CHARS = 512,
    SH_TRUST_VALUE_CHARS = 192,
    SH_TRUST_DISTID_MAX = 128
};
/* GM/T 0009-2012, clause 10. */
#define SH_SM2_DISTID "1234567812345678"

/* What is told of a certificate. Names as RFC 4514 has them, UTF-8, cut at SH_TRUST_NAME_CHARS. */
struct sh_trust_cert {
    char subject[SH_TRUST_NAME_CHARS];
    char issuer[SH_TRUST_NAME_CHARS];
    char serial[SH_CERT_SERIAL_CHARS];
    char key[24]; /* "SM2", "ECDSA P-256", "RSA 2048", ...; "" = a kind that is not taken here */
    int64_t from_us;
    int64_t until_us;
    uint8_t sha256[SH_HASH_BYTES]; /* of the DER form */
    uint8_t sm3[SH_HASH_BYTES];
};
/* Of a list of revoked ones; next_us 0: it does not say when the next one comes. */
struct sh_trust_crl {
    char issuer[SH_TRUST_NAME_CHARS];
    int64_t this_us;
    int64_t next_us;
    size_t n;                      /* certificates in it */
    uint8_t sha256[SH_HASH_BYTES]; /* of the DER form */
};

/* ---- the trust list ---- */

struct sh_trust_spec {
    struct sh_str ca;     /* PEM, one behind the other; at least one, each of an authority */
    struct sh_str crl;    /* PEM, one behind the other; may be empty */
    struct sh_str distid; /* of SM2; empty: SH_SM2_DISTID */
    /* Once there is a list of revoked ones: each certificate below the trust list needs one that is
     * in force, but with `lenient`: then the lists that are there count, however old. */
    bool lenient;
    bool client_auth;       /* extended key usage clientAuth must be there; else: if it is there */
    struct sh_str policies; /* object ids by space, one of which is needed; empty: any */
};
struct sh_trust;
/* SH_E_PROTO with diag: not certificates, not of authorities, not such lists, too many. */
SH_MUST_CHECK sh_err sh_trust_new(const struct sh_crypto *c, const struct sh_trust_spec *spec,
                                  struct sh_diag *diag, struct sh_trust **out);
void sh_trust_free(struct sh_trust *t); /* NULL is accepted */
size_t sh_trust_cas(const struct sh_trust *t);
size_t sh_trust_crls(const struct sh_trust *t);
/* i below the number; true: the list was signed by one of the trust list. */
SH_MUST_CHECK sh_err sh_trust_ca(const struct sh_trust *t, size_t i, struct sh_trust_cert *out);
bool sh_trust_crl(const struct sh_trust *t, size_t i, struct sh_trust_crl *out);
/* Numbers with dots by space. */
bool sh_trust_policies_ok(struct sh_str policies);

/* ---- the person's certificate ---- */

struct sh_badge;
/* certificate: PEM (the first is the person's own) or base64 of DER; chain: the same, of those in
 * between; may be empty. SH_E_PROTO: it is none. */
SH_MUST_CHECK sh_err sh_badge_read(const struct sh_crypto *c, struct sh_str certificate,
                                   struct sh_str chain, struct sh_badge **out);
void sh_badge_free(struct sh_badge *b); /* NULL is accepted */
SH_MUST_CHECK sh_err sh_badge_cert(const struct sh_badge *b, struct sh_trust_cert *out);
enum sh_badge_field {
    SH_BADGE_CN,
    SH_BADGE_SERIAL, /* serialNumber of the subject, not of the certificate */
    SH_BADGE_EMAIL,  /* of the subject, else of subjectAltName */
    SH_BADGE_UID,
    SH_BADGE_OU,
    SH_BADGE_O
};
/* The i-th value of the subject, UTF-8 without control characters; false: there is none such. */
bool sh_badge_value(const struct sh_badge *b, enum sh_badge_field field, size_t i,
                    char out[SH_TRUST_VALUE_CHARS]);

/* ---- checking ---- */

enum sh_trust_step {
    SH_TRUST_KEY,       /* its kind and length */
    SH_TRUST_SIGNATURE, /* of the message, by that key */
    SH_TRUST_TIME,      /* the certificate and those above it are in force */
    SH_TRUST_CHAIN,     /* up to the trust list */
    SH_TRUST_REVOCATION,
    SH_TRUST_USAGE, /* key usage, extended key usage, policies */
    SH_TRUST_STEPS
};
enum sh_trust_result { SH_TRUST_SKIPPED, SH_TRUST_OK, SH_TRUST_FAILED };
struct sh_trust_report {
    struct {
        enum sh_trust_result result;
        const char *why;  /* a word; "" */
        char detail[200]; /* one English sentence; "" */
    } step[SH_TRUST_STEPS];
};
const char *sh_trust_step_name(enum sh_trust_step s);
/* All steps, also behind one that failed. The message may have been signed with CR LF for each LF,
 * and without the last line end: editors and middleware do that. signature: DER (Sig-Value), or r
 * and s one behind the other; of RSA PKCS #1 v1.5 or PSS with SHA-256, -384, -512; ECDSA with
 * SHA-256 or (P-384) SHA-384. SH_OK: all good; SH_E_DENIED: a step failed. */
SH_MUST_CHECK sh_err sh_trust_check(const struct sh_trust *t, const struct sh_badge *b,
                                    struct sh_str message, struct sh_bytes signature,
                                    int64_t now_us, struct sh_trust_report *out);
/* The first step that failed; SH_TRUST_STEPS: none. */
enum sh_trust_step sh_trust_failed(const struct sh_trust_report *r);

/* ---- signing, for our own client ---- */

/* Appends the signature (DER Sig-Value; RSA: PKCS #1 v1.5 with SHA-256) of the message by a private
 * key in PEM. SH_E_PROTO: not a key, locked by a passphrase, or of another kind. */
SH_MUST_CHECK sh_err sh_trust_sign(const struct sh_crypto *c, struct sh_str key_pem,
                                   struct sh_str distid, struct sh_bytes message,
                                   struct sh_buf *out);

#endif /* SH_TRUST_H */
