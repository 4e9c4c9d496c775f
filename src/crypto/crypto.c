/* The context, hashes and MACs. Algorithms are fetched once: a fetch by name on each call costs
 * more than the hash of a token.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include "crypto_int.h"

static const char *const digest_names[] = {[SH_DIGEST_SHA256] = "SHA256", [SH_DIGEST_SM3] = "SM3"};

sh_err sh_crypto_new(const struct sh_env *env, struct sh_crypto **out)
{
    struct sh_crypto *c = sh_mem_new(env->alloc, sizeof *c);
    if (c == NULL) {
        return SH_E_NOMEM;
    }
    c->env = env;
    bool whole = true;
    for (size_t i = 0; i < sizeof digest_names / sizeof digest_names[0]; i++) {
        c->digest[i] = EVP_MD_fetch(NULL, digest_names[i], NULL);
        whole = whole && c->digest[i] != NULL;
    }
    c->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    c->aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    c->sm4_ctr = EVP_CIPHER_fetch(NULL, "SM4-CTR", NULL);
    if (!whole || c->hmac == NULL || c->aes_gcm == NULL || c->sm4_ctr == NULL) {
        sh_crypto_free(c);
        return SH_E_UNSUPPORTED;
    }
    *out = c;
    return SH_OK;
}

void sh_crypto_free(struct sh_crypto *c)
{
    if (c == NULL) {
        return;
    }
    EVP_MD_free(c->digest[SH_DIGEST_SHA256]);
    EVP_MD_free(c->digest[SH_DIGEST_SM3]);
    EVP_MAC_free(c->hmac);
    EVP_CIPHER_free(c->aes_gcm);
    EVP_CIPHER_free(c->sm4_ctr);
    sh_mem_free(c->env->alloc, c);
}

sh_err sh_crypto_hash(const struct sh_crypto *c, enum sh_digest d, const struct sh_bytes *parts,
                      size_t nparts, uint8_t out[SH_HASH_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    bool good = EVP_DigestInit_ex(ctx, c->digest[d], NULL) == 1;
    for (size_t i = 0; good && i < nparts; i++) {
        good = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1;
    }
    unsigned n = 0;
    good = good && EVP_DigestFinal_ex(ctx, out, &n) == 1 && n == SH_HASH_BYTES;
    EVP_MD_CTX_free(ctx);
    return good ? SH_OK : SH_E_NOMEM;
}

struct sh_hasher {
    const struct sh_crypto *c;
    EVP_MD_CTX *ctx;
    enum sh_digest digest;
};

sh_err sh_hasher_new(const struct sh_crypto *c, enum sh_digest d, struct sh_hasher **out)
{
    struct sh_hasher *h = sh_mem_new(c->env->alloc, sizeof *h);
    if (h == NULL) {
        return SH_E_NOMEM;
    }
    *h = (struct sh_hasher){.c = c, .ctx = EVP_MD_CTX_new(), .digest = d};
    if (h->ctx == NULL || EVP_DigestInit_ex(h->ctx, c->digest[d], NULL) != 1) {
        sh_hasher_free(h);
        return SH_E_NOMEM;
    }
    *out = h;
    return SH_OK;
}

sh_err sh_hasher_add(struct sh_hasher *h, struct sh_bytes part)
{
    const bool good = part.n == 0 || EVP_DigestUpdate(h->ctx, part.p, part.n) == 1;
    return good ? SH_OK : SH_E_NOMEM;
}

sh_err sh_hasher_end(struct sh_hasher *h, uint8_t out[SH_HASH_BYTES])
{
    unsigned n = 0;
    const bool good = EVP_DigestFinal_ex(h->ctx, out, &n) == 1 && n == SH_HASH_BYTES &&
                      EVP_DigestInit_ex(h->ctx, h->c->digest[h->digest], NULL) == 1;
    return good ? SH_OK : SH_E_NOMEM;
}

void sh_hasher_free(struct sh_hasher *h)
{
    if (h != NULL) {
        EVP_MD_CTX_free(h->ctx);
        sh_mem_free(h->c->env->alloc, h);
    }
}

sh_err sh_crypto_hmac(const struct sh_crypto *c, enum sh_digest d, struct sh_bytes key,
                      const struct sh_bytes *parts, size_t nparts, uint8_t out[SH_HASH_BYTES])
{
    if (key.n == 0) {
        return SH_E_INVAL;
    }
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(c->hmac);
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    char name[16]; /* OSSL_PARAM wants a pointer to non-const */
    memcpy(name, digest_names[d], strlen(digest_names[d]) + 1);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    bool good = EVP_MAC_init(ctx, key.p, key.n, params) == 1;
    for (size_t i = 0; good && i < nparts; i++) {
        good = EVP_MAC_update(ctx, parts[i].p, parts[i].n) == 1;
    }
    size_t n = 0;
    good = good && EVP_MAC_final(ctx, out, &n, SH_HASH_BYTES) == 1 && n == SH_HASH_BYTES;
    EVP_MAC_CTX_free(ctx);
    return good ? SH_OK : SH_E_NOMEM;
}

sh_err sh_crypto_derive(const struct sh_crypto *c, const uint8_t master[SH_KEY_BYTES],
                        struct sh_str label, uint8_t out[SH_KEY_BYTES])
{
    const struct sh_bytes part = sh_str_bytes(label);
    return sh_crypto_hmac(c, SH_DIGEST_SHA256, sh_bytes_of(master, SH_KEY_BYTES), &part, 1, out);
}

void sh_hash_hex(const uint8_t hash[SH_HASH_BYTES], char out[SH_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SH_HASH_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[SH_HASH_HEX - 1] = '\0';
}

void sh_crypto_wipe(void *p, size_t n)
{
    if (p != NULL) {
        OPENSSL_cleanse(p, n);
    }
}

/* 32 bytes in base64url without padding are 43 characters: ten groups of three bytes and one of
 * two (RFC 4648 5). */
sh_err sh_random_token(const struct sh_random *r, const char *prefix, char *out, size_t cap)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const size_t head = strlen(prefix);
    if (cap < head + SH_TOKEN_CHARS + 1) {
        return SH_E_LIMIT;
    }
    uint8_t raw[33] = {0}; /* a 33rd byte of zero completes the last group */
    SH_TRY(r->fill(r->ctx, raw, 32));
    for (size_t i = 0; i < head; i++) {
        out[i] = prefix[i];
    }
    char *w = out + head;
    for (size_t i = 0, n = 0; i < sizeof raw; i += 3) {
        const uint32_t group = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (unsigned shift = 24; shift > 0 && n < SH_TOKEN_CHARS; n++) {
            shift -= 6;
            w[n] = digits[(group >> shift) & 63];
        }
    }
    w[SH_TOKEN_CHARS] = '\0';
    sh_crypto_wipe(raw, sizeof raw);
    return SH_OK;
}
