#include <sh/test.h>
#include <sh/webauthn.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static struct sh_crypto *crypto;
static const struct sh_env *env(void)
{
    static struct sh_env e;
    e = sh_env_system();
    return &e;
}

static int setup(void **state)
{
    SH_UNUSED(state);
    return sh_crypto_new(env(), &crypto) == SH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    SH_UNUSED(state);
    sh_crypto_free(crypto);
    return 0;
}

/* ---- an authenticator ---- */

struct bytes {
    uint8_t p[1024];
    size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static struct sh_bytes view(const struct bytes *b)
{
    return sh_bytes_of(b->p, b->n);
}

static void cose_of(EVP_PKEY *key, struct bytes *out)
{
    uint8_t raw[512];
    size_t n = 0;
    out->n = 0;
    if (EVP_PKEY_is_a(key, "EC")) {
        assert_int_equal(
            EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, raw, sizeof raw, &n), 1);
        assert_int_equal(n, 65);
        put(out, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10);
        put(out, raw + 1, 32);
        put(out, "\x22\x58\x20", 3);
        put(out, raw + 33, 32);
    } else if (EVP_PKEY_is_a(key, "ED25519")) {
        n = sizeof raw;
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
        put(out, "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20", 10);
        put(out, raw, 32);
    } else {
        BIGNUM *m = NULL;
        assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &m), 1);
        assert_int_equal(BN_num_bytes(m), 256);
        (void)BN_bn2bin(m, raw);
        BN_free(m);
        put(out, "\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00", 11);
        put(out, raw, 256);
        put(out, "\x21\x43\x01\x00\x01", 5);
    }
}

static void sign(EVP_PKEY *key, struct sh_bytes data, struct sh_bytes client, struct bytes *out)
{
    struct bytes said = {.n = 0};
    uint8_t hash[SH_HASH_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    out->n = sizeof out->p;
    assert_ok(sh_crypto_hash(crypto, SH_DIGEST_SHA256, &client, 1, hash));
    put(&said, data.p, data.n);
    put(&said, hash, sizeof hash);
    const char *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : "SHA256";
    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, out->p, &out->n, said.p, said.n), 1);
    EVP_MD_CTX_free(ctx);
}

static void test_signatures_of_each_algorithm(void **state)
{
    SH_UNUSED(state);
    EVP_PKEY *const keys[] = {EVP_EC_gen("P-256"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
                              EVP_RSA_gen(2048)};
    const struct sh_bytes data = sh_str_bytes(SH_STR("what the authenticator says"));
    const struct sh_bytes client = sh_str_bytes(SH_STR("{\"type\":\"webauthn.get\"}"));
    for (size_t i = 0; i < SH_COUNT(keys); i++) {
        struct bytes cose;
        struct bytes sig;
        struct bytes other;
        cose_of(keys[i], &cose);
        sign(keys[i], data, client, &sig);
        assert_ok(sh_webauthn_key_check(view(&cose)));
        assert_ok(sh_webauthn_verify(crypto, view(&cose), data, client, view(&sig)));
        assert_int_equal(sh_webauthn_verify(crypto, view(&cose), client, data, view(&sig)),
                         SH_E_DENIED);
        cose_of(keys[(i + 1) % 3], &other);
        assert_int_equal(sh_webauthn_verify(crypto, view(&other), data, client, view(&sig)),
                         SH_E_DENIED);
        for (size_t k = 0; k < sig.n; k += 7) {
            sig.p[k] ^= 1;
            assert_int_equal(sh_webauthn_verify(crypto, view(&cose), data, client, view(&sig)),
                             SH_E_DENIED);
            sig.p[k] ^= 1;
        }
        for (size_t n = 0; n < cose.n; n++) {
            assert_int_equal(sh_webauthn_key_check(sh_bytes_of(cose.p, n)), SH_E_PROTO);
        }
    }
    for (size_t i = 0; i < SH_COUNT(keys); i++) {
        EVP_PKEY_free(keys[i]);
    }
}

static void test_keys_that_we_do_not_take(void **state)
{
    SH_UNUSED(state);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct bytes cose;
    cose_of(key, &cose);
    cose.p[4] = 0x38; /* alg -7 becomes a longer number: the map is cut wrong */
    assert_int_equal(sh_webauthn_key_check(view(&cose)), SH_E_PROTO);
    cose_of(key, &cose);
    cose.p[4] = 0x27; /* EdDSA with a point of P-256 */
    assert_int_equal(sh_webauthn_key_check(view(&cose)), SH_E_UNSUPPORTED);
    cose_of(key, &cose);
    cose.p[20] ^= 1; /* not on the curve */
    assert_int_equal(sh_webauthn_key_check(view(&cose)), SH_E_UNSUPPORTED);
    EVP_PKEY_free(key);
    EVP_PKEY *small = EVP_RSA_gen(1024);
    struct bytes rsa = {.n = 0};
    uint8_t raw[128];
    BIGNUM *m = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(small, OSSL_PKEY_PARAM_RSA_N, &m), 1);
    (void)BN_bn2bin(m, raw);
    put(&rsa, "\xa4\x01\x03\x03\x39\x01\x00\x20\x58\x80", 10);
    put(&rsa, raw, 128);
    put(&rsa, "\x21\x43\x01\x00\x01", 5);
    assert_int_equal(sh_webauthn_key_check(view(&rsa)), SH_E_UNSUPPORTED);
    BN_free(m);
    EVP_PKEY_free(small);
}

static void test_attestation_and_data(void **state)
{
    SH_UNUSED(state);
    struct bytes data = {.n = 0};
    struct bytes object = {.n = 0};
    struct bytes cose;
    struct sh_bytes found;
    struct sh_webauthn_data d;
    uint8_t rp[32];
    uint8_t id[16];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    memset(rp, 7, sizeof rp);
    memset(id, 9, sizeof id);
    cose_of(key, &cose);
    put(&data, rp, sizeof rp);
    put(&data, "\x45\x00\x00\x01\x02", 5);
    put(&data, "aaguidaaguidaagu", 16);
    put(&data, "\x00\x10", 2);
    put(&data, id, sizeof id);
    put(&data, cose.p, cose.n);
    /* {"fmt": "none", "attStmt": {}, "authData": h'...'} */
    put(&object,
        "\xa3\x63"
        "fmt\x64none\x67"
        "attStmt\xa0\x68"
        "authData\x58",
        29);
    const uint8_t n = (uint8_t)data.n;
    put(&object, &n, 1);
    put(&object, data.p, data.n);
    assert_ok(sh_webauthn_attestation_parse(view(&object), &found));
    assert_int_equal(found.n, data.n);
    assert_ok(sh_webauthn_data_parse(found, &d));
    assert_memory_equal(d.rp_hash, rp, sizeof rp);
    assert_int_equal(d.flags, SH_WEBAUTHN_PRESENT | SH_WEBAUTHN_VERIFIED | SH_WEBAUTHN_ATTESTED);
    assert_int_equal(d.count, 0x102);
    assert_int_equal(d.id.n, 16);
    assert_int_equal(d.key.n, cose.n);
    assert_ok(sh_webauthn_key_check(d.key));
    for (size_t i = 0; i < object.n; i++) {
        assert_int_equal(sh_webauthn_attestation_parse(sh_bytes_of(object.p, i), &found),
                         SH_E_PROTO);
    }
    for (size_t i = 0; i < data.n; i++) {
        assert_int_equal(sh_webauthn_data_parse(sh_bytes_of(data.p, i), &d), SH_E_PROTO);
    }
    put(&object, "x", 1);
    assert_int_equal(sh_webauthn_attestation_parse(view(&object), &found), SH_E_PROTO);
    /* an id or key longer than what is kept */
    data.p[53] = 1; /* the id takes 272 bytes now */
    data.n = 55;
    uint8_t much[272] = {1};
    put(&data, much, sizeof much);
    put(&data, cose.p, cose.n);
    assert_int_equal(sh_webauthn_data_parse(view(&data), &d), SH_E_LIMIT);
    EVP_PKEY_free(key);
}

static void test_client_data(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *json;
        const char *host;
        sh_err want;
    } rows[] = {
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"https://a.example:8443\"}",
         "a.example:8443", SH_OK},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"https://A.example\","
         "\"crossOrigin\":false,\"more\":{}}",
         "a.example", SH_OK},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"http://localhost:8080\"}",
         "localhost:8080", SH_OK},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"http://a.example\"}",
         "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"https://a.example\"}",
         "a.example:8443", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"https://a.example.evil\"}",
         "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.create\",\"challenge\":\"abc\",\"origin\":\"https://a.example\"}",
         "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abd\",\"origin\":\"https://a.example\"}",
         "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\",\"origin\":\"https://a.example\","
         "\"crossOrigin\":true}",
         "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\",\"challenge\":\"abc\"}", "a.example", SH_E_DENIED},
        {"{\"type\":\"webauthn.get\"}", "a.example", SH_E_PROTO},
        {"[\"challenge\"]", "a.example", SH_E_PROTO},
        {"{", "a.example", SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_webauthn_client want = {.type = SH_STR("webauthn.get"),
                                                .challenge = SH_STR("abc"),
                                                .host = sh_str_c(rows[i].host)};
        const sh_err err = sh_webauthn_client_check(sh_str_bytes(sh_str_c(rows[i].json)), &want);
        if (err != rows[i].want) {
            fail_msg("%s: %s", rows[i].json, sh_err_name(err));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_of_each_algorithm),
        cmocka_unit_test(test_keys_that_we_do_not_take),
        cmocka_unit_test(test_attestation_and_data),
        cmocka_unit_test(test_client_data),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
