/* proof.c - signatures of people's keys: SM2 with SM3, ECDSA, RSA.
 * An elliptic signature comes as DER (RFC 3279, 2.2.3; GM/T 0009, 7.3) or as r and s of full length
 * one behind the other, as much middleware of keys gives it; DER is taken as it must be written and
 * no other way, and neither number may be 0.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "trust_int.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, DER_MAX = 128 };

/* ---- kinds ---- */

enum crypto_key_kind crypto_key_kind(const EVP_PKEY *key)
{
    char group[32];
    size_t n = 0;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        const int bits = EVP_PKEY_get_bits(key);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? CRYPTO_KEY_RSA : CRYPTO_KEY_NONE;
    }
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1) {
        return CRYPTO_KEY_NONE;
    }
    return strcmp(group, "SM2") == 0          ? CRYPTO_KEY_SM2
           : strcmp(group, "prime256v1") == 0 ? CRYPTO_KEY_P256
           : strcmp(group, "secp384r1") == 0  ? CRYPTO_KEY_P384
                                              : CRYPTO_KEY_NONE;
}

void crypto_key_name(const EVP_PKEY *key, char out[24])
{
    static const char *const names[] = {"", "SM2", "ECDSA P-256", "ECDSA P-384", "RSA "};
    const enum crypto_key_kind kind = key == NULL ? CRYPTO_KEY_NONE : crypto_key_kind(key);
    memcpy(out, names[kind], strlen(names[kind]) + 1);
    if (kind == CRYPTO_KEY_RSA) {
        char digits[SH_I64_CHARS];
        const size_t n = sh_u64_print((uint64_t)EVP_PKEY_get_bits(key), digits);
        memcpy(out + 4, digits, n);
        out[4 + n] = '\0';
    }
}

/* ---- one try ---- */

struct way {
    const char *digest;
    int padding; /* of RSA; 0 */
};

static sh_err try_way(EVP_PKEY *key, const struct way *way, struct sh_str distid,
                      struct sh_bytes message, struct sh_bytes signature)
{
    EVP_PKEY_CTX *pctx = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_E_DENIED;
    if (EVP_DigestVerifyInit_ex(ctx, &pctx, way->digest, NULL, NULL, key, NULL) == 1 &&
        (distid.n == 0 || EVP_PKEY_CTX_set1_id(pctx, distid.p, (int)distid.n) == 1) &&
        (way->padding == 0 || EVP_PKEY_CTX_set_rsa_padding(pctx, way->padding) == 1) &&
        EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1) {
        err = SH_OK;
    }
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return err;
}

/* ---- the form of elliptic signatures ---- */

static bool in_order(const ECDSA_SIG *sig)
{
    const BIGNUM *r = ECDSA_SIG_get0_r(sig);
    const BIGNUM *s = ECDSA_SIG_get0_s(sig);
    return !BN_is_zero(r) && !BN_is_zero(s) && !BN_is_negative(r) && !BN_is_negative(s);
}

/* As it is written; 0: it can not be. out: DER_MAX bytes. */
static size_t write_der(const ECDSA_SIG *sig, uint8_t *out)
{
    unsigned char *p = out;
    const int n = in_order(sig) ? i2d_ECDSA_SIG(sig, NULL) : 0;
    return n > 0 && n <= DER_MAX && i2d_ECDSA_SIG(sig, &p) == n ? (size_t)n : 0;
}

/* DER that is written as it must be: then n, else 0. */
static size_t from_der(struct sh_bytes in, uint8_t *out)
{
    const unsigned char *p = in.p;
    ECDSA_SIG *sig =
        in.n == 0 || in.n > DER_MAX || in.p[0] != 0x30 ? NULL : d2i_ECDSA_SIG(NULL, &p, (long)in.n);
    const size_t n = sig == NULL ? 0 : write_der(sig, out);
    ECDSA_SIG_free(sig);
    return n > 0 && n == in.n && memcmp(in.p, out, n) == 0 ? n : 0;
}

/* r and s of full length. */
static size_t from_raw(struct sh_bytes in, size_t half, uint8_t *out)
{
    size_t n = 0;
    if (in.n != 2 * half) {
        return 0;
    }
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(in.p, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(in.p + half, (int)half, NULL);
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        n = write_der(sig, out);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return n;
}

/* ---- the whole ---- */

static sh_err each_way(EVP_PKEY *key, const struct way *ways, size_t n, struct sh_str distid,
                       struct sh_bytes message, struct sh_bytes signature)
{
    sh_err err = SH_E_DENIED;
    for (size_t i = 0; err == SH_E_DENIED && i < n; i++) {
        err = try_way(key, &ways[i], distid, message, signature);
    }
    return err;
}

sh_err crypto_proof_check(EVP_PKEY *key, struct sh_str distid, struct sh_bytes message,
                          struct sh_bytes signature)
{
    static const struct way sm2[] = {{"SM3", 0}};
    static const struct way p256[] = {{"SHA256", 0}};
    static const struct way p384[] = {{"SHA384", 0}, {"SHA256", 0}};
    static const struct way rsa[] = {
        {"SHA256", RSA_PKCS1_PADDING}, {"SHA256", RSA_PKCS1_PSS_PADDING},
        {"SHA384", RSA_PKCS1_PADDING}, {"SHA384", RSA_PKCS1_PSS_PADDING},
        {"SHA512", RSA_PKCS1_PADDING}, {"SHA512", RSA_PKCS1_PSS_PADDING},
    };
    uint8_t der[DER_MAX];
    const enum crypto_key_kind kind = crypto_key_kind(key);
    if (kind == CRYPTO_KEY_NONE) {
        return SH_E_DENIED;
    }
    if (kind == CRYPTO_KEY_RSA) {
        return signature.n != (size_t)EVP_PKEY_get_size(key)
                   ? SH_E_PROTO
                   : each_way(key, rsa, sizeof rsa / sizeof rsa[0], SH_STR(""), message, signature);
    }
    size_t n = from_der(signature, der);
    n = n > 0 ? n : from_raw(signature, kind == CRYPTO_KEY_P384 ? 48 : 32, der);
    ERR_clear_error();
    if (n == 0) {
        return SH_E_PROTO;
    }
    const struct sh_bytes sig = sh_bytes_of(der, n);
    switch (kind) {
    case CRYPTO_KEY_SM2:
        return each_way(key, sm2, 1, distid, message, sig);
    case CRYPTO_KEY_P256:
        return each_way(key, p256, 1, SH_STR(""), message, sig);
    case CRYPTO_KEY_P384:
        return each_way(key, p384, 2, SH_STR(""), message, sig);
    case CRYPTO_KEY_RSA:
    case CRYPTO_KEY_NONE:
        break;
    }
    return SH_E_DENIED;
}

sh_err sh_trust_sign(const struct sh_crypto *c, struct sh_str key_pem, struct sh_str distid,
                     struct sh_bytes message, struct sh_buf *out)
{
    static const char *const digests[] = {"", "SM3", "SHA256", "SHA384", "SHA256"};
    SH_UNUSED(c);
    EVP_PKEY *key = crypto_key_read(key_pem);
    ERR_clear_error();
    if (key == NULL) {
        return SH_E_PROTO;
    }
    const enum crypto_key_kind kind = crypto_key_kind(key);
    const struct sh_str id = distid.n == 0 ? SH_STR(SH_SM2_DISTID) : distid;
    EVP_PKEY_CTX *pctx = NULL;
    uint8_t sig[SH_TRUST_SIGNATURE_MAX];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    sh_err err = kind == CRYPTO_KEY_NONE ? SH_E_PROTO : SH_E_NOMEM;
    if (err == SH_E_NOMEM && ctx != NULL &&
        EVP_DigestSignInit_ex(ctx, &pctx, digests[kind], NULL, NULL, key, NULL) == 1 &&
        (kind != CRYPTO_KEY_SM2 || EVP_PKEY_CTX_set1_id(pctx, id.p, (int)id.n) == 1) &&
        EVP_DigestSign(ctx, sig, &n, message.p, message.n) == 1) {
        err = sh_buf_put(out, sig, n);
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}
