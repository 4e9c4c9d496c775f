/* webauthn.c - see webauthn.h. CBOR (RFC 8949) is read as CTAP2 writes it: definite lengths only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/webauthn.h>

#include "crypto_int.h"

/* ---- CBOR ---- */

enum { CBOR_UINT = 0, CBOR_NINT = 1, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5 };
enum { CBOR_TAG = 6, CBOR_OTHER = 7, CBOR_DEPTH = 8 };

struct cbor {
    const uint8_t *p;
    size_t n;
};
struct item {
    uint8_t major;
    uint64_t arg; /* number, length, count; of CBOR_NINT -1-arg is meant */
    struct sh_bytes bytes;
};

static bool read_head(struct cbor *c, struct item *out)
{
    if (c->n == 0) {
        return false;
    }
    const uint8_t first = c->p[0];
    const uint8_t low = first & 31;
    const size_t more = low < 24 ? 0 : low < 28 ? (size_t)1 << (low - 24) : 9;
    *out = (struct item){.major = first >> 5, .arg = low};
    if (more == 9 || c->n < 1 + more) {
        return false;
    }
    if (more > 0) {
        out->arg = 0;
        for (size_t i = 0; i < more; i++) {
            out->arg = out->arg << 8 | c->p[1 + i];
        }
    }
    c->p += 1 + more;
    c->n -= 1 + more;
    return true;
}

/* One item; of arrays and maps the head alone. */
static bool read_item(struct cbor *c, struct item *out)
{
    if (!read_head(c, out)) {
        return false;
    }
    if (out->major == CBOR_BYTES || out->major == CBOR_TEXT) {
        if (out->arg > c->n) {
            return false;
        }
        out->bytes = sh_bytes_of(c->p, (size_t)out->arg);
        c->p += out->arg;
        c->n -= (size_t)out->arg;
    }
    return true;
}

/* Past one whole item. */
static bool skip(struct cbor *c, int depth)
{
    struct item i;
    if (depth == 0 || !read_item(c, &i)) {
        return false;
    }
    uint64_t parts = 0;
    if (i.major == CBOR_ARRAY || i.major == CBOR_TAG) {
        parts = i.major == CBOR_TAG ? 1 : i.arg;
    } else if (i.major == CBOR_MAP) {
        parts = i.arg > UINT64_MAX / 2 ? UINT64_MAX : 2 * i.arg;
    }
    for (; parts > 0; parts--) {
        if (!skip(c, depth - 1)) {
            return false;
        }
    }
    return true;
}

/* ---- authenticator data and attestation ---- */

enum { RP_AND_FLAGS = 37, AAGUID = 16 };

sh_err sh_webauthn_data_parse(struct sh_bytes data, struct sh_webauthn_data *out)
{
    *out = (struct sh_webauthn_data){.flags = 0};
    if (data.n < RP_AND_FLAGS) {
        return SH_E_PROTO;
    }
    memcpy(out->rp_hash, data.p, SH_HASH_BYTES);
    out->flags = data.p[32];
    out->count = sh_be32(data.p + 33);
    if ((out->flags & SH_WEBAUTHN_ATTESTED) == 0) {
        return SH_OK;
    }
    struct cbor c = {data.p + RP_AND_FLAGS, data.n - RP_AND_FLAGS};
    if (c.n < AAGUID + 2) {
        return SH_E_PROTO;
    }
    const size_t id = sh_be16(c.p + AAGUID);
    c.p += AAGUID + 2;
    c.n -= AAGUID + 2;
    if (id == 0 || id > c.n) {
        return SH_E_PROTO;
    }
    out->id = sh_bytes_of(c.p, id);
    c.p += id;
    c.n -= id;
    const uint8_t *key = c.p;
    if (!skip(&c, CBOR_DEPTH)) {
        return SH_E_PROTO;
    }
    out->key = sh_bytes_of(key, (size_t)(c.p - key));
    return id > SH_WEBAUTHN_ID_MAX || out->key.n > SH_WEBAUTHN_KEY_MAX ? SH_E_LIMIT : SH_OK;
}

sh_err sh_webauthn_attestation_parse(struct sh_bytes object, struct sh_bytes *data)
{
    struct cbor c = {object.p, object.n};
    struct item map;
    bool found = false;
    if (!read_item(&c, &map) || map.major != CBOR_MAP) {
        return SH_E_PROTO;
    }
    for (uint64_t i = 0; i < map.arg; i++) {
        struct item key;
        if (!read_item(&c, &key) || key.major != CBOR_TEXT) {
            return SH_E_PROTO;
        }
        if (!sh_str_eqc(sh_bytes_str(key.bytes), "authData")) {
            if (!skip(&c, CBOR_DEPTH)) {
                return SH_E_PROTO;
            }
            continue;
        }
        struct item value;
        if (found || !read_item(&c, &value) || value.major != CBOR_BYTES) {
            return SH_E_PROTO;
        }
        *data = value.bytes;
        found = true;
    }
    return found && c.n == 0 ? SH_OK : SH_E_PROTO;
}

/* ---- client data ---- */

enum { CLIENT_MAX = 4096 };

sh_err sh_webauthn_client_challenge(struct sh_bytes json, json_t **keep, struct sh_str *out)
{
    json_t *o = NULL;
    const sh_err err = sh_json_parse(sh_bytes_str(json), CLIENT_MAX, &o, NULL);
    if (err != SH_OK) {
        return err == SH_E_NOMEM ? err : SH_E_PROTO;
    }
    *out = sh_json_get_str(o, "challenge");
    if (!json_is_object(o) || out->n == 0) {
        json_decref(o);
        return SH_E_PROTO;
    }
    *keep = o;
    return SH_OK;
}

/* scheme://host[:port] of the page against the host that the server was asked by. */
static bool origin_ok(struct sh_str origin, struct sh_str host)
{
    const struct sh_str https = SH_STR("https://");
    const struct sh_str http = SH_STR("http://");
    if (sh_str_starts(origin, https)) {
        return sh_str_ieq(sh_str_sub(origin, https.n, origin.n), host);
    }
    if (!sh_str_starts(origin, http)) {
        return false;
    }
    const struct sh_str rest = sh_str_sub(origin, http.n, origin.n);
    const size_t colon = sh_str_find(rest, ':');
    const struct sh_str name = sh_str_sub(rest, 0, colon == SIZE_MAX ? rest.n : colon);
    return sh_str_ieq(rest, host) && sh_str_ieq(name, SH_STR("localhost"));
}

sh_err sh_webauthn_client_check(struct sh_bytes json, const struct sh_webauthn_client *want)
{
    json_t *o = NULL;
    struct sh_str challenge;
    SH_TRY(sh_webauthn_client_challenge(json, &o, &challenge));
    const bool good = sh_str_eq(sh_json_get_str(o, "type"), want->type) &&
                      sh_bytes_eq_ct(sh_str_bytes(challenge), sh_str_bytes(want->challenge)) &&
                      origin_ok(sh_json_get_str(o, "origin"), want->host) &&
                      !sh_json_get_bool(o, "crossOrigin", false);
    json_decref(o);
    return good ? SH_OK : SH_E_DENIED;
}

/* ---- keys and signatures ---- */

enum { KTY_OKP = 1, KTY_EC2 = 2, KTY_RSA = 3 };
enum { ALG_ES256 = -7, ALG_EDDSA = -8, ALG_RS256 = -257 };

/* Members of a COSE_Key by their labels (RFC 9052 clause 7.1, RFC 9053 clause 7, RFC 8230). */
struct cose {
    int64_t kty;
    int64_t alg;
    int64_t crv;       /* label -1 of EC2 and OKP */
    struct sh_bytes a; /* label -1 of RSA: n; label -2 of the others: x */
    struct sh_bytes b; /* label -2 of RSA: e; label -3 of EC2: y */
};

static int64_t number(const struct item *i)
{
    if (i->arg > INT32_MAX) {
        return INT64_MIN;
    }
    return i->major == CBOR_NINT ? -1 - (int64_t)i->arg : (int64_t)i->arg;
}

static bool is_number(const struct item *i)
{
    return i->major == CBOR_UINT || i->major == CBOR_NINT;
}

static bool take_member(struct cose *k, int64_t label, const struct item *v)
{
    if (label == 1 || label == 3) {
        *(label == 1 ? &k->kty : &k->alg) = number(v);
        return is_number(v);
    }
    if (label == -1 && is_number(v)) {
        k->crv = number(v);
    } else if (label == -1 && v->major == CBOR_BYTES) {
        k->a = v->bytes;
    } else if (label == -2 && v->major == CBOR_BYTES) {
        *(k->kty == KTY_RSA ? &k->b : &k->a) = v->bytes;
    } else if (label == -3 && v->major == CBOR_BYTES) {
        k->b = v->bytes;
    }
    return true;
}

static sh_err cose_parse(struct sh_bytes key, struct cose *out)
{
    struct cbor c = {key.p, key.n};
    struct item map;
    *out = (struct cose){.kty = 0};
    if (!read_item(&c, &map) || map.major != CBOR_MAP) {
        return SH_E_PROTO;
    }
    for (uint64_t i = 0; i < map.arg; i++) {
        struct item label;
        struct item value;
        struct cbor at;
        if (!read_item(&c, &label)) {
            return SH_E_PROTO;
        }
        at = c;
        if (!skip(&c, CBOR_DEPTH) || !read_item(&at, &value) ||
            (is_number(&label) && !take_member(out, number(&label), &value))) {
            return SH_E_PROTO;
        }
    }
    if (c.n != 0) {
        return SH_E_PROTO;
    }
    const bool ec = out->kty == KTY_EC2 && out->alg == ALG_ES256 && out->crv == 1 &&
                    out->a.n == 32 && out->b.n == 32;
    const bool ed = out->kty == KTY_OKP && out->alg == ALG_EDDSA && out->crv == 6 &&
                    out->a.n == 32 && out->b.n == 0;
    const bool rsa = out->kty == KTY_RSA && out->alg == ALG_RS256 && out->a.n >= 256 &&
                     out->a.n <= 304 && out->b.n >= 1 && out->b.n <= 4;
    return ec || ed || rsa ? SH_OK : SH_E_UNSUPPORTED;
}

static EVP_PKEY *key_of(const struct cose *k)
{
    if (k->kty == KTY_EC2) {
        return crypto_p256_key(k->a, k->b);
    }
    return k->kty == KTY_RSA ? crypto_rsa_key(k->a, k->b)
                             : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->a.p, k->a.n);
}

sh_err sh_webauthn_key_check(struct sh_bytes key)
{
    struct cose k;
    SH_TRY(cose_parse(key, &k));
    EVP_PKEY *made = key_of(&k);
    EVP_PKEY_free(made);
    return made == NULL ? SH_E_UNSUPPORTED : SH_OK;
}

sh_err sh_webauthn_verify(const struct sh_crypto *c, struct sh_bytes key, struct sh_bytes data,
                          struct sh_bytes client_json, struct sh_bytes signature)
{
    struct cose k;
    uint8_t hash[SH_HASH_BYTES];
    SH_TRY(cose_parse(key, &k));
    SH_TRY(sh_crypto_hash(c, SH_DIGEST_SHA256, &client_json, 1, hash));
    uint8_t *said = OPENSSL_malloc(data.n + sizeof hash);
    EVP_PKEY *pkey = key_of(&k);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    sh_err err = said == NULL || ctx == NULL ? SH_E_NOMEM : SH_E_DENIED;
    if (err == SH_E_DENIED && pkey != NULL) {
        memcpy(said, data.p, data.n);
        memcpy(said + data.n, hash, sizeof hash);
        const char *digest = k.kty == KTY_OKP ? NULL : "SHA256";
        if (EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, pkey, NULL) == 1 &&
            EVP_DigestVerify(ctx, signature.p, signature.n, said, data.n + sizeof hash) == 1) {
            err = SH_OK;
        }
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    OPENSSL_free(said);
    return err;
}
