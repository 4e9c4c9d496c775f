#include <sh/test.h>

#include <sh/crypto.h>
#include <sh/text.h>

/* RFC 8032 7.1, TEST 3, as PKCS #8 and SubjectPublicKeyInfo (RFC 8410 7., 4.). */
static const char head_private[] = "302e020100300506032b657004220420";
static const char head_public[] = "302a300506032b6570032100";
static const char secret[] = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
static const char public_half[] =
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
static const char expected[] = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                               "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";

struct keys {
    struct sh_test_env t;
    struct sh_crypto *c;
    struct sh_buf key, pub;
};

static void put_pem(struct keys *k, const char *label, const char *head, const char *hex,
                    struct sh_buf *out)
{
    struct sh_buf der;
    sh_buf_init(&der, &k->t.alloc, 256);
    assert_int_equal(sh_hex_parse(sh_str_c(head), &der), SH_OK);
    assert_int_equal(sh_hex_parse(sh_str_c(hex), &der), SH_OK);
    assert_int_equal(sh_buf_printf(out, "-----BEGIN %s KEY-----\n", label), SH_OK);
    assert_int_equal(sh_base64_put(out, sh_buf_bytes(&der), false), SH_OK);
    assert_int_equal(sh_buf_printf(out, "\n-----END %s KEY-----\n", label), SH_OK);
    sh_buf_fini(&der);
}

static void begin(struct keys *k)
{
    sh_test_env_init(&k->t, NULL);
    assert_int_equal(sh_crypto_new(&k->t.env, &k->c), SH_OK);
    sh_buf_init(&k->key, &k->t.alloc, 1024);
    sh_buf_init(&k->pub, &k->t.alloc, 1024);
}

static void end(struct keys *k)
{
    sh_buf_fini(&k->key);
    sh_buf_fini(&k->pub);
    sh_crypto_free(k->c);
    sh_test_env_fini(&k->t);
}

static void test_known_answer(void **state)
{
    (void)state;
    struct keys k;
    uint8_t sig[SH_SIGNATURE_BYTES];
    const struct sh_bytes message = sh_bytes_of("\xaf\x82", 2);
    struct sh_buf hex;
    struct sh_buf pub;
    begin(&k);
    put_pem(&k, "PRIVATE", head_private, secret, &k.key);
    put_pem(&k, "PUBLIC", head_public, public_half, &k.pub);
    sh_buf_init(&hex, &k.t.alloc, 256);
    sh_buf_init(&pub, &k.t.alloc, 1024);
    assert_int_equal(sh_sign_make(k.c, sh_buf_str(&k.key), message, sig), SH_OK);
    assert_int_equal(sh_hex_put(&hex, sh_bytes_of(sig, sizeof sig)), SH_OK);
    assert_true(sh_str_eqc(sh_buf_str(&hex), expected));
    assert_int_equal(sh_sign_public(k.c, sh_buf_str(&k.key), &pub), SH_OK);
    assert_true(sh_str_eq(sh_buf_str(&pub), sh_buf_str(&k.pub)));
    assert_int_equal(sh_sign_check(k.c, sh_buf_str(&pub), message, sh_bytes_of(sig, sizeof sig)),
                     SH_OK);
    sh_buf_fini(&hex);
    sh_buf_fini(&pub);
    end(&k);
}

static void test_every_changed_bit_is_refused(void **state)
{
    (void)state;
    struct keys k;
    uint8_t sig[SH_SIGNATURE_BYTES];
    char text[] = "seq 7";
    begin(&k);
    assert_int_equal(sh_sign_new_key(k.c, &k.key), SH_OK);
    assert_int_equal(sh_sign_public(k.c, sh_buf_str(&k.key), &k.pub), SH_OK);
    const struct sh_bytes message = sh_bytes_of(text, 5);
    assert_int_equal(sh_sign_make(k.c, sh_buf_str(&k.key), message, sig), SH_OK);
    for (size_t i = 0; i < (SH_SIGNATURE_BYTES + sizeof text - 1) * 8; i++) {
        uint8_t *at =
            i / 8 < SH_SIGNATURE_BYTES ? &sig[i / 8] : (uint8_t *)&text[i / 8 - SH_SIGNATURE_BYTES];
        *at ^= (uint8_t)(1U << (i % 8));
        assert_int_equal(
            sh_sign_check(k.c, sh_buf_str(&k.pub), message, sh_bytes_of(sig, sizeof sig)),
            SH_E_DENIED);
        *at ^= (uint8_t)(1U << (i % 8));
    }
    assert_int_equal(sh_sign_check(k.c, sh_buf_str(&k.pub), message, sh_bytes_of(sig, 63)),
                     SH_E_DENIED);
    end(&k);
}

static void test_other_keys_are_none(void **state)
{
    (void)state;
    struct keys k;
    uint8_t sig[SH_SIGNATURE_BYTES] = {0};
    begin(&k);
    assert_int_equal(sh_cert_new_key(k.c, &k.key), SH_OK); /* ECDSA */
    assert_int_equal(sh_sign_public(k.c, sh_buf_str(&k.key), &k.pub), SH_E_PROTO);
    assert_int_equal(sh_sign_make(k.c, sh_buf_str(&k.key), sh_bytes_of("a", 1), sig), SH_E_PROTO);
    assert_int_equal(sh_sign_make(k.c, SH_STR("x"), sh_bytes_of("a", 1), sig), SH_E_PROTO);
    assert_int_equal(
        sh_sign_check(k.c, sh_buf_str(&k.key), sh_bytes_of("a", 1), sh_bytes_of(sig, sizeof sig)),
        SH_E_PROTO);
    assert_int_equal(
        sh_sign_check(k.c, SH_STR(""), sh_bytes_of("a", 1), sh_bytes_of(sig, sizeof sig)),
        SH_E_PROTO);
    end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer),
        cmocka_unit_test(test_every_changed_bit_is_refused),
        cmocka_unit_test(test_other_keys_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
