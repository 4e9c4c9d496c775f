/* webauthn.h - what an authenticator says (security key, passkey): W3C Web Authentication Level 2
 * (Recommendation of 8 April 2021), the checks of clauses 7.1 and 7.2 that are about bytes. Who
 * asks keeps the credentials and makes the challenges.
 * Pure: any thread; views point into what was given.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_WEBAUTHN_H
#define SH_WEBAUTHN_H

#include <sh/crypto.h>

enum {
    SH_WEBAUTHN_ID_MAX = 255, /* bytes of a credential id that we keep */
    SH_WEBAUTHN_KEY_MAX = 320 /* bytes of a COSE_Key: RS256 of 2048 bits takes 272 */
};
/* Flags of authenticator data, clause 6.1. */
enum { SH_WEBAUTHN_PRESENT = 1, SH_WEBAUTHN_VERIFIED = 4, SH_WEBAUTHN_ATTESTED = 64 };

struct sh_webauthn_data {
    uint8_t rp_hash[SH_HASH_BYTES];
    uint8_t flags;
    uint32_t count;      /* of signatures; 0 = the authenticator does not count */
    struct sh_bytes id;  /* with SH_WEBAUTHN_ATTESTED */
    struct sh_bytes key; /* COSE_Key, RFC 9052 clause 7 */
};
/* Authenticator data, clause 6.1. SH_E_PROTO: malformed; SH_E_LIMIT: id or key longer than ours. */
SH_MUST_CHECK sh_err sh_webauthn_data_parse(struct sh_bytes data, struct sh_webauthn_data *out);
/* The authenticator data in an attestation object, clause 6.5.4. The attestation statement is not
 * looked at: which make of key it is does not matter here ("none", clause 8.7). SH_E_PROTO. */
SH_MUST_CHECK sh_err sh_webauthn_attestation_parse(struct sh_bytes object, struct sh_bytes *data);

struct sh_webauthn_client {
    struct sh_str type;      /* "webauthn.create" or "webauthn.get" */
    struct sh_str challenge; /* base64url, as it was asked */
    struct sh_str host;      /* that the page must have been loaded from: "example.com:8443" */
};
/* Client data, clause 5.8.1, against what was asked. The origin must be https, or http of
 * localhost. SH_E_PROTO: malformed; SH_E_DENIED: another type, challenge or origin. */
SH_MUST_CHECK sh_err sh_webauthn_client_check(struct sh_bytes json,
                                              const struct sh_webauthn_client *want);
/* The challenge in it, unchecked: a view into *keep, which the caller frees with json_decref. */
SH_MUST_CHECK sh_err sh_webauthn_client_challenge(struct sh_bytes json, json_t **keep,
                                                  struct sh_str *out);

/* Is the COSE_Key one that we can check signatures of: ES256 (P-256), RS256 (2048 to 2432 bits) or
 * EdDSA (Ed25519)? SH_E_UNSUPPORTED; SH_E_PROTO: malformed. */
SH_MUST_CHECK sh_err sh_webauthn_key_check(struct sh_bytes key);
/* The signature over authenticator data and hash of the client data, clause 7.2 steps 19 and 20.
 * SH_E_DENIED: it is not of this key. */
SH_MUST_CHECK sh_err sh_webauthn_verify(const struct sh_crypto *c, struct sh_bytes key,
                                        struct sh_bytes data, struct sh_bytes client_json,
                                        struct sh_bytes signature);

#endif /* SH_WEBAUTHN_H */
