/* crypto_int.h - what the files of crypto share. Needs the OpenSSL headers, which stay inside.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CRYPTO_INT_H
#define SH_CRYPTO_INT_H

#include <openssl/evp.h>

#include <sh/crypto.h>

/* Invariant: written by sh_crypto_new only; afterwards constant, so any thread may read it. */
struct sh_crypto {
    const struct sh_env *env;
    EVP_MD *digest[2]; /* by enum sh_digest */
    EVP_MAC *hmac;
    EVP_CIPHER *aes_gcm;
    EVP_CIPHER *sm4_ctr;
};

#endif /* SH_CRYPTO_INT_H */
