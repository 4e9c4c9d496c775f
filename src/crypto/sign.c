/* sign.c - Ed25519 (RFC 8032) with keys in PEM.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto_int.h"

static sh_err put_bio(BIO *bio, struct sh_buf *out)
{
    char *p = NULL;
    const long n = BIO_get_mem_data(bio, &p);
    return n <= 0 ? SH_E_NOMEM : sh_buf_put(out, p, (size_t)n);
}

sh_err sh_sign_new_key(const struct sh_crypto *c, struct sh_buf *pem)
{
    SH_UNUSED(c);
    sh_err err = SH_E_NOMEM;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (bio != NULL && key != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        err = put_bio(bio, pem);
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    return err;
}

static EVP_PKEY *private_key(struct sh_str pem)
{
    EVP_PKEY *key = crypto_key_read(pem);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

static EVP_PKEY *public_key(struct sh_str pem)
{
    BIO *bio = pem.n == 0 || pem.n > SH_PEM_MAX ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
    char none[1] = "";
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, none);
    BIO_free(bio);
    if (key != NULL && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

sh_err sh_sign_public(const struct sh_crypto *c, struct sh_str key_pem, struct sh_buf *pem)
{
    SH_UNUSED(c);
    EVP_PKEY *key = private_key(key_pem);
    if (key == NULL) {
        return SH_E_PROTO;
    }
    sh_err err = SH_E_NOMEM;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1) {
        err = put_bio(bio, pem);
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    return err;
}

sh_err sh_sign_make(const struct sh_crypto *c, struct sh_str key_pem, struct sh_bytes message,
                    uint8_t out[SH_SIGNATURE_BYTES])
{
    SH_UNUSED(c);
    EVP_PKEY *key = private_key(key_pem);
    if (key == NULL) {
        return SH_E_PROTO;
    }
    size_t n = SH_SIGNATURE_BYTES;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                    EVP_DigestSign(ctx, out, &n, message.p, message.n) == 1 &&
                    n == SH_SIGNATURE_BYTES;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok ? SH_OK : SH_E_NOMEM;
}

sh_err sh_sign_check(const struct sh_crypto *c, struct sh_str public_pem, struct sh_bytes message,
                     struct sh_bytes signature)
{
    SH_UNUSED(c);
    EVP_PKEY *key = public_key(public_pem);
    if (key == NULL) {
        return SH_E_PROTO;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    sh_err err = SH_E_NOMEM;
    if (ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1) {
        err = EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1
                  ? SH_OK
                  : SH_E_DENIED;
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}
