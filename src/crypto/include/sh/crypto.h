/* crypto.h - hashes, MACs, secret boxes, passwords, keys and certificates, over OpenSSL 3 and
 * libargon2. A struct sh_crypto holds the fetched algorithms and no state that changes: every call
 * is safe from any thread. OpenSSL and libargon2 use their own heap; what is handed out is in the
 * caller's buffers.
 * Errors common to all: SH_E_NOMEM, which is also what OpenSSL's refusals are taken for: its
 * algorithms were fetched and its arguments are ours, so nothing else is left.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CRYPTO_H
#define SH_CRYPTO_H

#include <sh/base.h>

struct sh_crypto;
/* SH_E_UNSUPPORTED when this OpenSSL lacks an algorithm. Compare secrets with sh_bytes_eq_ct. */
SH_MUST_CHECK sh_err sh_crypto_new(const struct sh_env *env, struct sh_crypto **out);
void sh_crypto_free(struct sh_crypto *c); /* NULL is accepted */

enum { SH_HASH_BYTES = 32, SH_HASH_HEX = 65, SH_KEY_BYTES = 32, SH_TOKEN_CHARS = 43 };

/* ---- hashes and MACs ------------------------------------------------------------------------ */

enum sh_digest {
    SH_DIGEST_SHA256, /* FIPS 180-4 */
    SH_DIGEST_SM3     /* GB/T 32905-2016 */
};
/* Hash of the parts one after the other. */
SH_MUST_CHECK sh_err sh_crypto_hash(const struct sh_crypto *c, enum sh_digest d,
                                    const struct sh_bytes *parts, size_t nparts,
                                    uint8_t out[SH_HASH_BYTES]);
/* The same in pieces, for files. One thread at a time. */
struct sh_hasher;
SH_MUST_CHECK sh_err sh_hasher_new(const struct sh_crypto *c, enum sh_digest d,
                                   struct sh_hasher **out);
SH_MUST_CHECK sh_err sh_hasher_add(struct sh_hasher *h, struct sh_bytes part);
/* The hash of all since new or the last end; begins anew. */
SH_MUST_CHECK sh_err sh_hasher_end(struct sh_hasher *h, uint8_t out[SH_HASH_BYTES]);
void sh_hasher_free(struct sh_hasher *h); /* NULL is accepted */
/* HMAC (RFC 2104) of the parts one after the other; key of any length from 1 byte. */
SH_MUST_CHECK sh_err sh_crypto_hmac(const struct sh_crypto *c, enum sh_digest d,
                                    struct sh_bytes key, const struct sh_bytes *parts,
                                    size_t nparts, uint8_t out[SH_HASH_BYTES]);
/* A key for one purpose from a master key: HMAC-SHA-256(master, label). */
SH_MUST_CHECK sh_err sh_crypto_derive(const struct sh_crypto *c, const uint8_t master[SH_KEY_BYTES],
                                      struct sh_str label, uint8_t out[SH_KEY_BYTES]);
/* Lower-case hexadecimal with a NUL behind. */
void sh_hash_hex(const uint8_t hash[SH_HASH_BYTES], char out[SH_HASH_HEX]);
/* Overwrites memory in a way the compiler keeps. */
void sh_crypto_wipe(void *p, size_t n);

/* ---- random --------------------------------------------------------------------------------- */

/* Writes prefix and 256 random bits in base64url (SH_TOKEN_CHARS characters) and a NUL.
 * SH_E_LIMIT when cap is too small. */
SH_MUST_CHECK sh_err sh_random_token(const struct sh_random *r, const char *prefix, char *out,
                                     size_t cap);

/* ---- secret box: secrets at rest ------------------------------------------------------------ */

enum sh_box_kind {
    SH_BOX_AES_GCM = 1, /* AES-256-GCM, SP 800-38D; 96-bit random nonce, 128-bit tag */
    SH_BOX_SM4 = 2      /* SM4-CTR (GB/T 32907) then HMAC-SM3 over all before it, 256-bit tag */
};
struct sh_box_key {
    uint32_t id; /* written into the box, so that keys can be changed one after the other */
    enum sh_box_kind kind;
    uint8_t key[SH_KEY_BYTES];
};
enum { SH_BOX_OVERHEAD = 64 }; /* at most this many bytes more than the plain text */
/* Appends: kind(1) key id(4, LE) nonce(12|16) cipher text, tag(16|32). `context` is authenticated
 * and not stored: the same must be given to open (what the secret belongs to).
 * SH_E_LIMIT: out is full; then out is unchanged. */
SH_MUST_CHECK sh_err sh_box_seal(const struct sh_crypto *c, const struct sh_box_key *key,
                                 struct sh_bytes context, struct sh_bytes plain,
                                 struct sh_buf *out);
/* Appends the plain text. SH_E_PROTO: not a box; SH_E_NOTFOUND: none of the keys has its id and
 * kind; SH_E_CORRUPT: changed, or another key or context. out is unchanged on error. */
SH_MUST_CHECK sh_err sh_box_open(const struct sh_crypto *c, const struct sh_box_key *keys,
                                 size_t nkeys, struct sh_bytes context, struct sh_bytes box,
                                 struct sh_buf *out);

/* ---- passwords ------------------------------------------------------------------------------ */

struct sh_argon2 {
    uint32_t time;    /* passes, 1..10 */
    uint32_t mem_kib; /* 8..1048576 */
    uint32_t lanes;   /* 1..16 */
};
/* What people's passwords use: t=3, m=64 MiB, p=1 (RFC 9106 says t=3, m=64 MiB for small hosts). */
static inline struct sh_argon2 sh_argon2_default(void)
{
    return (struct sh_argon2){.time = 3, .mem_kib = 64 * 1024, .lanes = 1};
}
enum { SH_PHC_CHARS = 160, SH_PASSWORD_MAX = 256 };
/* argon2id with a random salt of 16 bytes and 32 bytes of hash, as a PHC string with NUL:
 * $argon2id$v=19$m=65536,t=3,p=1$<salt>$<hash>. Slow: on a worker, one at a time.
 * SH_E_INVAL: parameters out of bounds, password empty or over SH_PASSWORD_MAX bytes. */
SH_MUST_CHECK sh_err sh_password_hash(const struct sh_random *r, const struct sh_argon2 *params,
                                      struct sh_str password, char out[SH_PHC_CHARS]);
/* Slow as above. SH_E_DENIED: another password; SH_E_PROTO: phc is not one within the bounds. */
SH_MUST_CHECK sh_err sh_password_verify(struct sh_str phc, struct sh_str password);
/* A key from a passphrase: argon2id with that salt. Slow as above. SH_E_INVAL: parameters out of
 * bounds, salt under 8 bytes, passphrase empty or over SH_PASSWORD_MAX bytes. */
SH_MUST_CHECK sh_err sh_password_key(const struct sh_argon2 *params, struct sh_bytes salt,
                                     struct sh_str passphrase, uint8_t out[SH_KEY_BYTES]);
/* Reads the parameters; SH_E_PROTO when it is not an argon2id PHC string within the bounds. */
SH_MUST_CHECK sh_err sh_password_params(struct sh_str phc, struct sh_argon2 *out);

/* ---- keys and certificates ------------------------------------------------------------------ */

enum {
    SH_PEM_MAX = 16384,
    SH_CERT_NAME_CHARS = 192,
    SH_CERT_SERIAL_CHARS = 43,
    SH_CERT_SANS = 16,
    SH_CERT_URL_MAX = 300
};

/* Appends a new ECDSA P-256 private key as PEM (PKCS #8, not encrypted). */
SH_MUST_CHECK sh_err sh_cert_new_key(const struct sh_crypto *c, struct sh_buf *pem);

struct sh_cert_spec {
    struct sh_str common_name;  /* 1..64 bytes (RFC 5280 ub-common-name), UTF-8 */
    const struct sh_str *names; /* DNS names and IP addresses for subjectAltName */
    size_t nnames;              /* at most SH_CERT_SANS */
    int64_t from_us;            /* validity */
    int64_t until_us;
    bool ca;                  /* may issue (path length 0) */
    bool server;              /* extended key usage serverAuth */
    bool client;              /* extended key usage clientAuth */
    struct sh_str crl_url;    /* where the list of revoked ones is; empty: not said */
    struct sh_str ocsp_url;   /* with issuer_url: where to ask about one, and for the issuer */
    struct sh_str issuer_url; /* in DER (RFC 5280 4.2.2.1) */
};
/* May the URL stand in a certificate: http or https, no characters that would need quoting. */
bool sh_cert_url_ok(struct sh_str url);
/* Makes a certificate for the public half of key_pem, with a random 127-bit serial number, signed
 * with SHA-256 and ECDSA by the issuer; ca_cert_pem empty: self-signed. Appends PEM to out.
 * SH_E_INVAL: bad spec or name; SH_E_PROTO: a PEM that can not be read or does not fit. */
SH_MUST_CHECK sh_err sh_cert_issue(const struct sh_crypto *c, const struct sh_random *r,
                                   const struct sh_cert_spec *spec, struct sh_str key_pem,
                                   struct sh_str ca_cert_pem, struct sh_str ca_key_pem,
                                   struct sh_buf *out);

/* The same for a certificate request (PKCS #10, RFC 2986) in PEM or DER: its key and no more of it
 * is taken over. SH_E_PROTO: not a request, not signed with its own key, or a key that is too weak
 * (RSA below 2048 bits) or of another kind than RSA, ECDSA on P-256, P-384, P-521, Ed25519. */
SH_MUST_CHECK sh_err sh_cert_sign(const struct sh_crypto *c, const struct sh_random *r,
                                  const struct sh_cert_spec *spec, struct sh_str request_pem,
                                  struct sh_str ca_cert_pem, struct sh_str ca_key_pem,
                                  struct sh_buf *out);

enum sh_san_kind { SH_SAN_DNS, SH_SAN_IP, SH_SAN_URI, SH_SAN_EMAIL };
struct sh_cert_san {
    enum sh_san_kind kind;
    char text[SH_CERT_NAME_CHARS];
};
struct sh_cert_info {
    char common_name[SH_CERT_NAME_CHARS]; /* last CN of the subject; "" when it has none */
    char issuer[SH_CERT_NAME_CHARS];      /* CN of the issuer */
    char serial[SH_CERT_SERIAL_CHARS]; /* hexadecimal; "" when it is longer than RFC 5280 allows */
    int64_t from_us;
    int64_t until_us;
    bool ca;
    bool self_issued;                   /* subject equals issuer */
    uint8_t fingerprint[SH_HASH_BYTES]; /* SHA-256 of the DER form */
    uint32_t nsans;
    struct sh_cert_san sans[SH_CERT_SANS]; /* more than that, and names too long, are left out */
};
/* Reads one X.509 certificate, DER, or PEM (the first in it). Names with a NUL inside are refused.
 * Does not say that it is trusted. SH_E_PROTO: not a certificate, or longer than SH_PEM_MAX. */
SH_MUST_CHECK sh_err sh_cert_parse(const struct sh_crypto *c, struct sh_bytes cert,
                                   struct sh_cert_info *out);
/* SH_OK: `cert` carries a valid signature of `ca`, and ca may issue. SH_E_DENIED: not so. */
SH_MUST_CHECK sh_err sh_cert_issued_by(const struct sh_crypto *c, struct sh_bytes cert,
                                       struct sh_bytes ca);

/* ---- signatures ----------------------------------------------------------------------------- */

enum { SH_SIGNATURE_BYTES = 64 };
/* Appends a new Ed25519 private key (RFC 8032) as PEM (PKCS #8, RFC 8410, not encrypted). */
SH_MUST_CHECK sh_err sh_sign_new_key(const struct sh_crypto *c, struct sh_buf *pem);
/* Appends its public half as PEM (SubjectPublicKeyInfo). SH_E_PROTO: not such a key. */
SH_MUST_CHECK sh_err sh_sign_public(const struct sh_crypto *c, struct sh_str key_pem,
                                    struct sh_buf *pem);
/* SH_E_PROTO: not such a key. */
SH_MUST_CHECK sh_err sh_sign_make(const struct sh_crypto *c, struct sh_str key_pem,
                                  struct sh_bytes message, uint8_t out[SH_SIGNATURE_BYTES]);
/* SH_E_DENIED: not signed by that key; SH_E_PROTO: not a public Ed25519 key in PEM. */
SH_MUST_CHECK sh_err sh_sign_check(const struct sh_crypto *c, struct sh_str public_pem,
                                   struct sh_bytes message, struct sh_bytes signature);

/* ---- the node's key ------------------------------------------------------------------------- */

/* Reads `path`, or makes it (0600, durable) with 256 random bits when it is missing and `create`.
 * SH_E_NOTFOUND: missing and not `create`; SH_E_CORRUPT: not a key file of ours. May block. */
SH_MUST_CHECK sh_err sh_node_key_open(const struct sh_env *env, const char *path, bool create,
                                      uint8_t out[SH_KEY_BYTES], struct sh_diag *diag);

#endif /* SH_CRYPTO_H */
