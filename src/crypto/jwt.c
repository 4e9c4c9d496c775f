/* jwt.c - see jwt.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/jwt.h>

#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "crypto_int.h"

enum { HEADER_MAX = 8192, RSA_LEAST = 256, RSA_MOST = 1024, NUMBER_MAX = 1025, RAW_PAIR = 64 };

/* ---- taking apart ---- */

static sh_err part(struct sh_str text, struct sh_buf *out)
{
    const sh_err err = sh_base64_parse(text, true, out);
    return err == SH_OK || err == SH_E_NOMEM ? err : SH_E_PROTO;
}

static sh_err header_parse(const struct sh_alloc *a, struct sh_str text, json_t **out)
{
    struct sh_buf b;
    sh_buf_init(&b, a, HEADER_MAX);
    sh_err err = part(text, &b);
    if (err == SH_OK) { /* refuses members that stand twice (RFC 7515, 4) */
        err = sh_json_parse(sh_buf_str(&b), HEADER_MAX, out, NULL);
        err = err == SH_OK || err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    if (err == SH_OK && !json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        err = SH_E_PROTO;
    }
    sh_buf_fini(&b);
    return err;
}

sh_err sh_jws_parse(const struct sh_alloc *a, struct sh_str token, struct sh_jws *out)
{
    *out = (struct sh_jws){.header = NULL};
    if (token.n > SH_JWS_MAX) {
        return SH_E_LIMIT;
    }
    const size_t first = sh_str_find(token, '.');
    const size_t last = sh_str_rfind(token, '.');
    if (first == SIZE_MAX || last == first) {
        return SH_E_PROTO;
    }
    const struct sh_str payload = sh_str_sub(token, first + 1, last);
    if (sh_str_find(payload, '.') != SIZE_MAX) {
        return SH_E_PROTO;
    }
    out->signed_by = sh_str_sub(token, 0, last);
    sh_buf_init(&out->payload, a, SH_JWS_MAX);
    sh_buf_init(&out->signature, a, SH_JWS_MAX);
    sh_err err = header_parse(a, sh_str_sub(token, 0, first), &out->header);
    err = err == SH_OK ? part(payload, &out->payload) : err;
    err = err == SH_OK ? part(sh_str_sub(token, last + 1, token.n), &out->signature) : err;
    if (err != SH_OK) {
        sh_jws_fini(out);
    }
    return err;
}

void sh_jws_fini(struct sh_jws *j)
{
    json_decref(j->header);
    j->header = NULL;
    sh_buf_fini(&j->payload);
    sh_buf_fini(&j->signature);
}

/* ---- keys ---- */

enum alg { ALG_NONE, ALG_RS256, ALG_PS256, ALG_ES256, ALG_EDDSA };

static enum alg alg_of(struct sh_str name)
{
    return sh_str_eqc(name, "RS256")   ? ALG_RS256
           : sh_str_eqc(name, "PS256") ? ALG_PS256
           : sh_str_eqc(name, "ES256") ? ALG_ES256
           : sh_str_eqc(name, "EdDSA") ? ALG_EDDSA
                                       : ALG_NONE;
}

/* What a key is good for by its kind alone; one of RSA for PS256 as well. */
static enum alg alg_of_key(const json_t *jwk)
{
    const struct sh_str kty = sh_json_get_str(jwk, "kty");
    const struct sh_str crv = sh_json_get_str(jwk, "crv");
    if (sh_str_eqc(kty, "RSA")) {
        return ALG_RS256;
    }
    if (sh_str_eqc(kty, "EC") && sh_str_eqc(crv, "P-256")) {
        return ALG_ES256;
    }
    return sh_str_eqc(kty, "OKP") && sh_str_eqc(crv, "Ed25519") ? ALG_EDDSA : ALG_NONE;
}

/* RFC 7517, 4.2 to 4.4: says nothing, or that it is for such signatures. */
static bool for_signatures(const json_t *jwk, enum alg alg)
{
    const struct sh_str use = sh_json_get_str(jwk, "use");
    const struct sh_str name = sh_json_get_str(jwk, "alg");
    const json_t *ops = json_object_get(jwk, "key_ops");
    bool verifies = ops == NULL;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));
        verifies = verifies || (op != NULL && strcmp(op, "verify") == 0);
    }
    return verifies && (use.n == 0 || sh_str_eqc(use, "sig")) &&
           (name.n == 0 || alg_of(name) == alg);
}

static bool fits(const json_t *jwk, enum alg alg)
{
    return alg_of_key(jwk) == (alg == ALG_PS256 ? ALG_RS256 : alg) && for_signatures(jwk, alg);
}

struct number {
    uint8_t p[NUMBER_MAX];
    size_t n;
    bool no_memory;
};

/* A member in base64url; false: absent, malformed, too long, or there was no memory. Leading zeros
 * are taken off RSA's (RFC 7518, 6.3.1.1 forbids them, some write them). */
static bool number_of(const struct sh_alloc *heap, const json_t *jwk, const char *member, bool trim,
                      struct number *out)
{
    const struct sh_str text = sh_json_get_str(jwk, member);
    struct sh_buf b;
    sh_buf_init(&b, heap, NUMBER_MAX);
    const sh_err err = text.n == 0 ? SH_E_PROTO : sh_base64_parse(text, true, &b);
    const bool good = err == SH_OK && b.n > 0;
    out->no_memory = err == SH_E_NOMEM;
    size_t from = 0;
    while (good && trim && from + 1 < b.n && b.p[from] == 0) {
        from++;
    }
    out->n = good ? b.n - from : 0;
    if (good) {
        memcpy(out->p, b.p + from, out->n);
    }
    sh_buf_fini(&b);
    return good;
}

static EVP_PKEY *key_read(const struct sh_alloc *heap, const json_t *jwk, struct number *a,
                          struct number *b)
{
    switch (alg_of_key(jwk)) {
    case ALG_RS256:
    case ALG_PS256:
        if (!number_of(heap, jwk, "n", true, a) || !number_of(heap, jwk, "e", true, b) ||
            a->n < RSA_LEAST || a->n > RSA_MOST || b->n > 4) {
            return NULL;
        }
        return crypto_rsa_key(sh_bytes_of(a->p, a->n), sh_bytes_of(b->p, b->n));
    case ALG_ES256:
        if (!number_of(heap, jwk, "x", false, a) || !number_of(heap, jwk, "y", false, b)) {
            return NULL;
        }
        return crypto_p256_key(sh_bytes_of(a->p, a->n), sh_bytes_of(b->p, b->n));
    case ALG_EDDSA:
        if (!number_of(heap, jwk, "x", false, a) || a->n != 32) {
            return NULL;
        }
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, a->p, a->n);
    case ALG_NONE:
        break;
    }
    return NULL;
}

/* NULL: not a key that we take. */
static EVP_PKEY *key_of(const struct sh_alloc *heap, const json_t *jwk, bool *no_memory)
{
    struct number a = {.n = 0};
    struct number b = {.n = 0};
    EVP_PKEY *key = key_read(heap, jwk, &a, &b);
    *no_memory = a.no_memory || b.no_memory;
    return key;
}

size_t sh_jwks_count(const struct sh_alloc *a, const json_t *jwks)
{
    const json_t *keys = json_object_get(jwks, "keys");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(keys) && i < SH_JWKS_KEYS; i++) {
        const json_t *jwk = json_array_get(keys, i);
        bool no_memory = false;
        const bool wanted = fits(jwk, alg_of_key(jwk)) || fits(jwk, ALG_PS256);
        EVP_PKEY *key = wanted ? key_of(a, jwk, &no_memory) : NULL;
        n += key != NULL ? 1 : 0;
        EVP_PKEY_free(key);
    }
    return n;
}

/* ---- signatures ---- */

/* R and S as 32 bytes each (RFC 7518, 3.4) in the form that OpenSSL reads; freed by OPENSSL_free.
 * 0: not 64 bytes, or no memory. */
static size_t pair_der(struct sh_bytes raw, uint8_t **out)
{
    if (raw.n != RAW_PAIR) {
        return 0;
    }
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.p, RAW_PAIR / 2, NULL);
    BIGNUM *s = BN_bin2bn(raw.p + RAW_PAIR / 2, RAW_PAIR / 2, NULL);
    int n = 0;
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        n = i2d_ECDSA_SIG(sig, out);
    }
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

/* RFC 7518, 3.5: MGF1 with the same hash, the salt as long as it. */
static bool pss(EVP_PKEY_CTX *how)
{
    return EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool signed_by(const struct sh_jws *j, enum alg alg, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    struct sh_bytes sig = sh_buf_bytes(&j->signature);
    if (alg == ALG_ES256) {
        const size_t n = pair_der(sig, &der);
        sig = sh_bytes_of(der, n);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    const bool good =
        ctx != NULL && sig.n > 0 &&
        EVP_DigestVerifyInit_ex(ctx, &how, alg == ALG_EDDSA ? NULL : "SHA256", NULL, NULL, key,
                                NULL) == 1 &&
        (alg != ALG_PS256 || pss(how)) &&
        EVP_DigestVerify(ctx, sig.p, sig.n, (const uint8_t *)j->signed_by.p, j->signed_by.n) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return good;
}

sh_err sh_jws_verify(const struct sh_jws *j, const json_t *jwks)
{
    const enum alg alg = alg_of(sh_json_get_str(j->header, "alg"));
    const struct sh_str kid = sh_json_get_str(j->header, "kid");
    const json_t *keys = json_object_get(jwks, "keys");
    sh_err err = SH_E_NOTFOUND;
    if (alg == ALG_NONE || json_object_get(j->header, "crit") != NULL) {
        return SH_E_UNSUPPORTED;
    }
    for (size_t i = 0; i < json_array_size(keys) && i < SH_JWKS_KEYS; i++) {
        const json_t *jwk = json_array_get(keys, i);
        if (!fits(jwk, alg) || (kid.n > 0 && !sh_str_eq(kid, sh_json_get_str(jwk, "kid")))) {
            continue;
        }
        bool no_memory = false;
        EVP_PKEY *key = key_of(j->payload.alloc, jwk, &no_memory);
        const bool good = key != NULL && signed_by(j, alg, key);
        err = key == NULL ? err : SH_E_DENIED;
        EVP_PKEY_free(key);
        if (good || no_memory) {
            return good ? SH_OK : SH_E_NOMEM;
        }
    }
    return err;
}
