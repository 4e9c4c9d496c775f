/* trust_int.h - what trust.c, trust_check.c and proof.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_TRUST_INT_H
#define SH_TRUST_INT_H

#include <sh/trust.h>

#include "crypto_int.h"

struct sh_trust {
    const struct sh_crypto *c;
    X509 *ca[SH_TRUST_CAS];
    size_t ncas;
    X509_CRL *crl[SH_TRUST_CRLS];
    size_t ncrls;
    bool lenient;
    bool client_auth;
    char distid[SH_TRUST_DISTID_MAX + 1];
    char policies[512];
};
struct sh_badge {
    const struct sh_crypto *c;
    X509 *cert[SH_TRUST_BADGE_CERTS]; /* [0]: the person's own */
    size_t n;
};

/* proof.c: the kinds of keys that are taken. */
enum crypto_key_kind {
    CRYPTO_KEY_NONE,
    CRYPTO_KEY_SM2,
    CRYPTO_KEY_P256,
    CRYPTO_KEY_P384,
    CRYPTO_KEY_RSA
};
enum crypto_key_kind crypto_key_kind(const EVP_PKEY *key);
void crypto_key_name(const EVP_PKEY *key, char out[24]);
/* SH_OK, SH_E_DENIED, SH_E_PROTO (no signature of such a key by its form), SH_E_NOMEM. */
sh_err crypto_proof_check(EVP_PKEY *key, struct sh_str distid, struct sh_bytes message,
                          struct sh_bytes signature);

/* trust.c: SM2 certificates are signed over the issuer's id as well (GM/T 0009, 8.1). */
sh_err crypto_id_set(X509 *x, const char *distid);
/* trust_crl.c: was the list signed by that authority, which may do so? */
bool crypto_crl_by(const struct sh_trust *t, X509_CRL *crl, X509 *ca);
/* Is any certificate of the chain below its anchor revoked, or its list missing or not in force? */
void crypto_crl_check(const struct sh_trust *t, STACK_OF(X509) * chain, int64_t now_us,
                      struct sh_trust_report *r);
/* trust_check.c: the first thing that was found in a step stays. */
void crypto_step_fail(struct sh_trust_report *r, enum sh_trust_step s, const char *why,
                      const char *english);

#endif /* SH_TRUST_INT_H */
