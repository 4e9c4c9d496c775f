/* pubkey.c - public keys from their numbers, for tokens (jwt.c) and security keys (webauthn.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "crypto_int.h"

/* From parameters; NULL: no memory, or no point of the curve. */
static EVP_PKEY *from_data(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

EVP_PKEY *crypto_p256_key(struct sh_bytes x, struct sh_bytes y)
{
    uint8_t point[65] = {4}; /* SEC 1, 2.3.3: not compressed */
    EVP_PKEY *key = NULL;
    if (x.n != 32 || y.n != 32) {
        return NULL;
    }
    memcpy(point + 1, x.p, 32);
    memcpy(point + 33, y.p, 32);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1) {
        key = from_data("EC", bld);
    }
    OSSL_PARAM_BLD_free(bld);
    return key;
}

EVP_PKEY *crypto_rsa_key(struct sh_bytes n, struct sh_bytes e)
{
    EVP_PKEY *key = NULL;
    BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL);
    BIGNUM *be = BN_bin2bn(e.p, (int)e.n, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld != NULL && bn != NULL && be != NULL &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1) {
        key = from_data("RSA", bld);
    }
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn);
    BN_free(be);
    return key;
}
