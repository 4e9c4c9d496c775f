/* Secret boxes. Layout: kind(1) | key id(4, little-endian) | nonce | cipher text | tag.
 * Invariants: the head (kind, id, nonce) and the context are authenticated; a nonce is random and
 * new for each box; nothing is written to `out` before the tag was checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>

#include "crypto_int.h"

enum {
    HEAD = 5,
    GCM_NONCE = 12,
    GCM_TAG = 16,
    SM4_NONCE = 16,
    SM4_KEY = 16,
    SM4_TAG = SH_HASH_BYTES,
    PLAIN_MAX = 1 << 24 /* a secret, not a file: fits the int of OpenSSL's calls */
};

static size_t nonce_size(enum sh_box_kind kind)
{
    return kind == SH_BOX_AES_GCM ? GCM_NONCE : SM4_NONCE;
}

static size_t tag_size(enum sh_box_kind kind)
{
    return kind == SH_BOX_AES_GCM ? GCM_TAG : SM4_TAG;
}

static bool kind_known(unsigned kind)
{
    return kind == SH_BOX_AES_GCM || kind == SH_BOX_SM4;
}

/* head: kind, id and nonce; dst has room for n bytes (seal also writes tag). */
struct gcm_job {
    const uint8_t *key;
    struct sh_bytes head;
    struct sh_bytes context;
    const uint8_t *src;
    uint8_t *dst;
    size_t n;
    uint8_t *tag;
};

static bool gcm_body(EVP_CIPHER_CTX *ctx, const struct gcm_job *j)
{
    int n = 0;
    /* The length of the head is fixed by its first byte, so head | context is unambiguous. */
    if (EVP_CipherUpdate(ctx, NULL, &n, j->head.p, (int)j->head.n) != 1) {
        return false;
    }
    if (j->context.n > 0 && EVP_CipherUpdate(ctx, NULL, &n, j->context.p, (int)j->context.n) != 1) {
        return false;
    }
    return j->n == 0 || EVP_CipherUpdate(ctx, j->dst, &n, j->src, (int)j->n) == 1;
}

static sh_err gcm_run(const struct sh_crypto *c, const struct gcm_job *j, bool seal)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return SH_E_NOMEM;
    }
    sh_err err = SH_E_NOMEM;
    uint8_t rest[EVP_MAX_BLOCK_LENGTH];
    int n = 0;
    if (EVP_CipherInit_ex2(ctx, c->aes_gcm, j->key, j->head.p + HEAD, seal ? 1 : 0, NULL) != 1 ||
        !gcm_body(ctx, j)) {
        goto out;
    }
    if (seal) {
        if (EVP_CipherFinal_ex(ctx, rest, &n) == 1 &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, j->tag) == 1) {
            err = SH_OK;
        }
    } else if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, j->tag) == 1) {
        err = EVP_CipherFinal_ex(ctx, rest, &n) == 1 ? SH_OK : SH_E_CORRUPT;
    }
out:
    EVP_CIPHER_CTX_free(ctx);
    return err;
}

/* CTR is its own inverse. */
static sh_err sm4_run(const struct sh_crypto *c, const struct gcm_job *j)
{
    uint8_t key[SH_KEY_BYTES];
    SH_TRY(sh_crypto_derive(c, j->key, SH_STR("box sm4 encrypt"), key)); /* its first 16 bytes */
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        sh_crypto_wipe(key, sizeof key);
        return SH_E_NOMEM;
    }
    int n = 0;
    const bool good = EVP_CipherInit_ex2(ctx, c->sm4_ctr, key, j->head.p + HEAD, 1, NULL) == 1 &&
                      (j->n == 0 || EVP_CipherUpdate(ctx, j->dst, &n, j->src, (int)j->n) == 1);
    EVP_CIPHER_CTX_free(ctx);
    sh_crypto_wipe(key, sizeof key);
    return good ? SH_OK : SH_E_NOMEM;
}

/* MAC over length of context | context | head | cipher text. */
static sh_err sm4_mac(const struct sh_crypto *c, const struct gcm_job *j, const uint8_t *cipher,
                      uint8_t tag[SM4_TAG])
{
    uint8_t key[SH_KEY_BYTES];
    SH_TRY(sh_crypto_derive(c, j->key, SH_STR("box sm4 authenticate"), key));
    uint8_t len[8];
    sh_put_le64(len, j->context.n);
    const struct sh_bytes parts[] = {
        sh_bytes_of(len, sizeof len),
        j->context,
        j->head,
        sh_bytes_of(cipher, j->n),
    };
    const sh_err err =
        sh_crypto_hmac(c, SH_DIGEST_SM3, sh_bytes_of(key, sizeof key), parts, 4, tag);
    sh_crypto_wipe(key, sizeof key);
    return err;
}

sh_err sh_box_seal(const struct sh_crypto *c, const struct sh_box_key *key, struct sh_bytes context,
                   struct sh_bytes plain, struct sh_buf *out)
{
    if (!kind_known(key->kind) || plain.n > PLAIN_MAX || context.n > PLAIN_MAX) {
        return SH_E_INVAL;
    }
    const size_t head = HEAD + nonce_size(key->kind);
    const size_t was = out->n;
    SH_TRY(sh_buf_reserve(out, head + plain.n + tag_size(key->kind)));
    uint8_t *p = out->p + was;
    p[0] = (uint8_t)key->kind;
    sh_put_le32(p + 1, key->id);
    SH_TRY(c->env->random->fill(c->env->random->ctx, p + HEAD, nonce_size(key->kind)));
    const struct gcm_job job = {
        .key = key->key,
        .head = {p, head},
        .context = context,
        .src = plain.p,
        .dst = p + head,
        .n = plain.n,
        .tag = p + head + plain.n,
    };
    if (key->kind == SH_BOX_AES_GCM) {
        SH_TRY(gcm_run(c, &job, true));
    } else {
        SH_TRY(sm4_run(c, &job));
        SH_TRY(sm4_mac(c, &job, job.dst, job.tag));
    }
    out->n = was + head + plain.n + tag_size(key->kind);
    return SH_OK;
}

static const struct sh_box_key *find_key(const struct sh_box_key *keys, size_t n, unsigned kind,
                                         uint32_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i].id == id && (unsigned)keys[i].kind == kind) {
            return &keys[i];
        }
    }
    return NULL;
}

static sh_err open_with(const struct sh_crypto *c, const struct gcm_job *job, enum sh_box_kind kind)
{
    if (kind == SH_BOX_AES_GCM) {
        return gcm_run(c, job, false);
    }
    uint8_t tag[SM4_TAG];
    SH_TRY(sm4_mac(c, job, job->src, tag));
    if (!sh_bytes_eq_ct(sh_bytes_of(tag, SM4_TAG), sh_bytes_of(job->tag, SM4_TAG))) {
        return SH_E_CORRUPT;
    }
    return sm4_run(c, job);
}

sh_err sh_box_open(const struct sh_crypto *c, const struct sh_box_key *keys, size_t nkeys,
                   struct sh_bytes context, struct sh_bytes box, struct sh_buf *out)
{
    if (box.n < HEAD || !kind_known(box.p[0]) || context.n > PLAIN_MAX) {
        return SH_E_PROTO;
    }
    const enum sh_box_kind kind = (enum sh_box_kind)box.p[0];
    const size_t head = HEAD + nonce_size(kind);
    if (box.n < head + tag_size(kind) || box.n - head - tag_size(kind) > PLAIN_MAX) {
        return SH_E_PROTO;
    }
    const struct sh_box_key *key = find_key(keys, nkeys, box.p[0], sh_le32(box.p + 1));
    if (key == NULL) {
        return SH_E_NOTFOUND;
    }
    const size_t n = box.n - head - tag_size(kind);
    SH_TRY(sh_buf_reserve(out, n == 0 ? 1 : n));
    uint8_t tag[SM4_TAG];
    memcpy(tag, box.p + head + n, tag_size(kind));
    const struct gcm_job job = {
        .key = key->key,
        .head = {box.p, head},
        .context = context,
        .src = box.p + head,
        .dst = out->p + out->n,
        .n = n,
        .tag = tag,
    };
    const sh_err err = open_with(c, &job, kind);
    if (err != SH_OK) {
        sh_crypto_wipe(out->p + out->n, n); /* GCM decrypts before it knows */
        return err;
    }
    out->n += n;
    return SH_OK;
}
