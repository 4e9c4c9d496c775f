/* jwt.h - signed tokens: JSON Web Signature in its compact form (RFC 7515, 7.1), public keys as a
 * JWK set (RFC 7517, 5), read as RFC 8725 advises. Signatures by a private key only: RS256 (RFC
 * 7518, 3.3), ES256 (3.4), PS256 (3.5), EdDSA with Ed25519 (RFC 8037, 3.1). "none" and the HMAC
 * algorithms are not known here, so no public key is ever taken for a shared secret. Pure: any
 * thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_JWT_H
#define SH_JWT_H

#include <sh/crypto.h>

enum {
    SH_JWS_MAX = 32768,   /* bytes of a token */
    SH_JWKS_MAX = 262144, /* bytes of a key set */
    SH_JWKS_KEYS = 64     /* keys of a set that are looked at */
};

struct sh_jws {
    json_t *header;          /* owned: an object */
    struct sh_str signed_by; /* what is signed: a view into the token */
    struct sh_buf payload;   /* owned: decoded, of whatever kind */
    struct sh_buf signature; /* owned */
};
/* Takes a token apart; nothing of it is to be believed yet. SH_E_PROTO: not three parts in
 * base64url of which the first is a JSON object; SH_E_LIMIT: longer than SH_JWS_MAX. On an error
 * there is nothing to give back. */
SH_MUST_CHECK sh_err sh_jws_parse(const struct sh_alloc *a, struct sh_str token,
                                  struct sh_jws *out);
void sh_jws_fini(struct sh_jws *j);

/* Is it signed by a key of the set? The key must be of the kind that the header's alg needs, and
 * not say that it is for something else; with a kid in the header only keys of that kid are tried.
 * SH_E_UNSUPPORTED: another alg, or extensions that must be understood (crit); SH_E_NOTFOUND: no
 * key fits (it may be newer than the set); SH_E_DENIED: the signature is not of any key that fits.
 */
SH_MUST_CHECK sh_err sh_jws_verify(const struct sh_jws *j, const json_t *jwks);

/* How many keys of the set signatures can be checked with; 0 also when it is no set. */
size_t sh_jwks_count(const struct sh_alloc *a, const json_t *jwks);

#endif /* SH_JWT_H */
