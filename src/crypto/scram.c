/* scram.c - see scram.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>

#include <sh/scram.h>

static sh_err hmac(const struct sh_crypto *c, const uint8_t key[SH_HASH_BYTES], struct sh_str text,
                   uint8_t out[SH_HASH_BYTES])
{
    const struct sh_bytes part = sh_str_bytes(text);
    return sh_crypto_hmac(c, SH_DIGEST_SHA256, sh_bytes_of(key, SH_HASH_BYTES), &part, 1, out);
}

static sh_err hash(const struct sh_crypto *c, const uint8_t in[SH_HASH_BYTES],
                   uint8_t out[SH_HASH_BYTES])
{
    const struct sh_bytes part = sh_bytes_of(in, SH_HASH_BYTES);
    return sh_crypto_hash(c, SH_DIGEST_SHA256, &part, 1, out);
}

/* Hi() of RFC 5802, 2.2: PBKDF2 with HMAC-SHA-256 and one block. */
static sh_err salted(struct sh_str secret, const uint8_t salt[SH_SCRAM_SALT], uint32_t iterations,
                     uint8_t out[SH_HASH_BYTES])
{
    return PKCS5_PBKDF2_HMAC(secret.p, (int)secret.n, salt, SH_SCRAM_SALT, (int)iterations,
                             EVP_sha256(), SH_HASH_BYTES, out) == 1
               ? SH_OK
               : SH_E_NOMEM;
}

sh_err sh_scram_verifier_make(const struct sh_crypto *c, struct sh_str secret,
                              const uint8_t salt[SH_SCRAM_SALT], uint32_t iterations,
                              struct sh_scram_verifier *out)
{
    uint8_t key[SH_HASH_BYTES];
    uint8_t client[SH_HASH_BYTES];
    *out = (struct sh_scram_verifier){.iterations = iterations};
    memcpy(out->salt, salt, SH_SCRAM_SALT);
    sh_err err = salted(secret, salt, iterations, key);
    err = err != SH_OK ? err : hmac(c, key, SH_STR("Client Key"), client);
    err = err != SH_OK ? err : hash(c, client, out->stored);
    err = err != SH_OK ? err : hmac(c, key, SH_STR("Server Key"), out->server);
    sh_crypto_wipe(key, sizeof key);
    sh_crypto_wipe(client, sizeof client);
    return err;
}

void sh_scram_init(struct sh_scram *s, const struct sh_crypto *c, const struct sh_alloc *a,
                   const struct sh_scram_verifier *v)
{
    *s = (struct sh_scram){.crypto = c, .v = *v};
    sh_buf_init(&s->head, a, SH_SCRAM_MAX);
    sh_buf_init(&s->nonce, a, (size_t)2 * SH_SCRAM_MAX);
    sh_buf_init(&s->auth, a, (size_t)8 * SH_SCRAM_MAX);
}

void sh_scram_fini(struct sh_scram *s)
{
    sh_crypto_wipe(&s->v, sizeof s->v);
    sh_buf_fini(&s->head);
    sh_buf_fini(&s->nonce);
    sh_buf_fini(&s->auth);
}

/* The next attribute "x=value" of *rest, which moves behind it and its comma. */
static bool attribute(struct sh_str *rest, char name, struct sh_str *value)
{
    if (rest->n < 2 || rest->p[0] != name || rest->p[1] != '=') {
        return false;
    }
    const size_t comma = sh_str_find(*rest, ',');
    const size_t end = comma == SIZE_MAX ? rest->n : comma;
    *value = sh_str_sub(*rest, 2, end);
    *rest = sh_str_sub(*rest, comma == SIZE_MAX ? end : end + 1, rest->n);
    return true;
}

static bool printable(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x21 || s.p[i] > 0x7e) {
            return false;
        }
    }
    return s.n > 0;
}

/* Length of the GS2 header: n or y (no channel binding), an authorization identity or none. */
static size_t header_length(struct sh_str client)
{
    if (client.n < 3 || (client.p[0] != 'n' && client.p[0] != 'y') || client.p[1] != ',') {
        return 0;
    }
    const size_t comma = sh_str_find(sh_str_sub(client, 2, client.n), ',');
    return comma == SIZE_MAX ? 0 : 2 + comma + 1;
}

sh_err sh_scram_first(struct sh_scram *s, struct sh_str client, struct sh_str nonce,
                      struct sh_buf *out)
{
    const size_t head = header_length(client);
    const struct sh_str bare = sh_str_sub(client, head, client.n);
    struct sh_str rest = bare;
    struct sh_str user;
    struct sh_str theirs;
    char iterations[SH_I64_CHARS];
    if (head == 0 || client.n > SH_SCRAM_MAX || s->auth.n != 0 || !attribute(&rest, 'n', &user) ||
        !attribute(&rest, 'r', &theirs) || !printable(theirs)) {
        return SH_E_PROTO;
    }
    SH_TRY(sh_buf_put_str(&s->head, sh_str_sub(client, 0, head)));
    SH_TRY(sh_buf_put_str(&s->nonce, theirs));
    SH_TRY(sh_buf_put_str(&s->nonce, nonce));
    const size_t start = out->n;
    SH_TRY(sh_buf_put_str(out, SH_STR("r=")));
    SH_TRY(sh_buf_put_str(out, sh_buf_str(&s->nonce)));
    SH_TRY(sh_buf_put_str(out, SH_STR(",s=")));
    SH_TRY(sh_base64_put(out, sh_bytes_of(s->v.salt, SH_SCRAM_SALT), false));
    SH_TRY(sh_buf_put_str(out, SH_STR(",i=")));
    const size_t n = sh_i64_print(s->v.iterations, iterations);
    SH_TRY(sh_buf_put_str(out, sh_str_of(iterations, n)));
    SH_TRY(sh_buf_put_str(&s->auth, bare));
    SH_TRY(sh_buf_put_str(&s->auth, SH_STR(",")));
    SH_TRY(sh_buf_put_str(&s->auth, sh_str_of((const char *)out->p + start, out->n - start)));
    return sh_buf_put_str(&s->auth, SH_STR(","));
}

/* The proof against StoredKey. */
static sh_err prove(struct sh_scram *s, struct sh_bytes proof)
{
    uint8_t client[SH_HASH_BYTES];
    uint8_t stored[SH_HASH_BYTES];
    SH_TRY(hmac(s->crypto, s->v.stored, sh_buf_str(&s->auth), client));
    for (size_t k = 0; k < SH_HASH_BYTES; k++) {
        client[k] ^= proof.p[k];
    }
    SH_TRY(hash(s->crypto, client, stored));
    sh_crypto_wipe(client, sizeof client);
    return sh_bytes_eq_ct(sh_bytes_of(stored, sizeof stored),
                          sh_bytes_of(s->v.stored, sizeof s->v.stored))
               ? SH_OK
               : SH_E_DENIED;
}

sh_err sh_scram_final(struct sh_scram *s, struct sh_str client, struct sh_buf *out)
{
    struct sh_str rest = client;
    struct sh_str binding;
    struct sh_str nonce;
    struct sh_str text;
    struct sh_buf raw;
    uint8_t signature[SH_HASH_BYTES];
    if (client.n > (size_t)4 * SH_SCRAM_MAX || s->auth.n == 0 || !attribute(&rest, 'c', &binding) ||
        !attribute(&rest, 'r', &nonce) || !sh_str_eq(nonce, sh_buf_str(&s->nonce))) {
        return SH_E_PROTO;
    }
    const size_t at = sh_str_rfind(client, ',');
    struct sh_str last = sh_str_sub(client, at == SIZE_MAX ? client.n : at + 1, client.n);
    if (!attribute(&last, 'p', &text) || last.n > 0) {
        return SH_E_PROTO;
    }
    sh_buf_init(&raw, s->auth.alloc, (size_t)4 * SH_SCRAM_MAX);
    sh_err err = sh_base64_parse(binding, false, &raw);
    if (err == SH_OK && !sh_str_eq(sh_buf_str(&raw), sh_buf_str(&s->head))) {
        err = SH_E_PROTO;
    }
    sh_buf_clear(&raw);
    err = err != SH_OK ? err : sh_base64_parse(text, false, &raw);
    err = err == SH_OK && raw.n != SH_HASH_BYTES ? SH_E_PROTO : err;
    err = err != SH_OK ? err : sh_buf_put_str(&s->auth, sh_str_sub(client, 0, at));
    err = err != SH_OK ? err : prove(s, sh_buf_bytes(&raw));
    err = err != SH_OK ? err : hmac(s->crypto, s->v.server, sh_buf_str(&s->auth), signature);
    sh_buf_fini(&raw);
    err = err == SH_E_INVAL ? SH_E_PROTO : err;
    SH_TRY(err);
    SH_TRY(sh_buf_put_str(out, SH_STR("v=")));
    return sh_base64_put(out, sh_bytes_of(signature, sizeof signature), false);
}
