/* crypto_int.h - what the files of crypto share. Needs the OpenSSL headers, which stay inside.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_CRYPTO_INT_H
#define SH_CRYPTO_INT_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <sh/crypto.h>

/* Invariant: written by sh_crypto_new only; afterwards constant, so any thread may read it. */
struct sh_crypto {
    const struct sh_env *env;
    EVP_MD *digest[2]; /* by enum sh_digest */
    EVP_MAC *hmac;
    EVP_CIPHER *aes_gcm;
    EVP_CIPHER *sm4_ctr;
};

/* pubkey.c: from the numbers, big-endian; NULL: no memory, or no such key. */
EVP_PKEY *crypto_p256_key(struct sh_bytes x, struct sh_bytes y);
EVP_PKEY *crypto_rsa_key(struct sh_bytes n, struct sh_bytes e);
/* cert.c: from PEM; NULL when it is none. */
EVP_PKEY *crypto_key_read(struct sh_str pem);
X509 *crypto_cert_read(struct sh_str pem);
/* cert_parse.c: upper-case hexadecimal; left empty above 20 octets (RFC 5280 4.1.2.2). */
void crypto_serial_put(const ASN1_INTEGER *serial, char out[SH_CERT_SERIAL_CHARS]);

#endif /* SH_CRYPTO_INT_H */
