#include <sh/test.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <sh/crypto.h>

enum { YEAR_S = 31536000 };

struct fixture {
    struct sh_test_env t;
    struct sh_crypto *c;
    struct sh_buf ca_key;
    struct sh_buf ca;
};

static struct sh_cert_spec ca_spec(const struct fixture *f)
{
    return (struct sh_cert_spec){
        .common_name = SH_STR("Songhua device CA"),
        .from_us = f->t.wall_us,
        .until_us = f->t.wall_us + YEAR_S * INT64_C(1000000),
        .ca = true,
    };
}

static int setup(void **state)
{
    static struct fixture f;
    sh_test_env_init(&f.t, NULL);
    assert_ok(sh_crypto_new(&f.t.env, &f.c));
    sh_buf_init(&f.ca_key, &f.t.alloc, SH_PEM_MAX);
    sh_buf_init(&f.ca, &f.t.alloc, SH_PEM_MAX);
    assert_ok(sh_cert_new_key(f.c, &f.ca_key));
    const struct sh_cert_spec spec = ca_spec(&f);
    assert_ok(sh_cert_issue(f.c, &f.t.random, &spec, sh_buf_str(&f.ca_key), SH_STR(""), SH_STR(""),
                            &f.ca));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sh_buf_fini(&f->ca_key);
    sh_buf_fini(&f->ca);
    sh_crypto_free(f->c);
    sh_test_env_fini(&f->t);
    return 0;
}

static void test_self_signed_is_read_back(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info info;
    assert_ok(sh_cert_parse(f->c, sh_buf_bytes(&f->ca), &info));
    assert_string_equal(info.common_name, "Songhua device CA");
    assert_string_equal(info.issuer, "Songhua device CA");
    assert_true(info.ca);
    assert_true(info.self_issued);
    assert_int_equal(info.from_us, f->t.wall_us);
    assert_int_equal(info.until_us, f->t.wall_us + YEAR_S * INT64_C(1000000));
    assert_int_equal(info.nsans, 0);
}

static void issue(struct fixture *f, const struct sh_cert_spec *spec, struct sh_buf *cert)
{
    struct sh_buf key;
    sh_buf_init(&key, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_cert_new_key(f->c, &key));
    assert_ok(sh_cert_issue(f->c, &f->t.random, spec, sh_buf_str(&key), sh_buf_str(&f->ca),
                            sh_buf_str(&f->ca_key), cert));
    sh_buf_fini(&key);
}

static void test_issued_carries_names_and_signature(void **state)
{
    struct fixture *f = *state;
    const struct sh_str names[] = {SH_STR("localhost"), SH_STR("127.0.0.1"), SH_STR("::1"),
                                   SH_STR("*.plant.example")};
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("水泵 7"),
        .names = names,
        .nnames = SH_COUNT(names),
        .from_us = f->t.wall_us,
        .until_us = f->t.wall_us + 86400 * INT64_C(1000000),
        .server = true,
        .client = true,
    };
    struct sh_buf cert;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    issue(f, &spec, &cert);
    struct sh_cert_info info;
    assert_ok(sh_cert_parse(f->c, sh_buf_bytes(&cert), &info));
    assert_string_equal(info.common_name, "水泵 7");
    assert_string_equal(info.issuer, "Songhua device CA");
    assert_false(info.ca);
    assert_false(info.self_issued);
    assert_int_equal(info.nsans, 4);
    for (size_t i = 0; i < SH_COUNT(names); i++) {
        assert_int_equal(info.sans[i].kind, i == 1 || i == 2 ? SH_SAN_IP : SH_SAN_DNS);
        assert_string_equal(info.sans[i].text, names[i].p);
    }
    assert_ok(sh_cert_issued_by(f->c, sh_buf_bytes(&cert), sh_buf_bytes(&f->ca)));
    assert_int_equal(sh_cert_issued_by(f->c, sh_buf_bytes(&f->ca), sh_buf_bytes(&cert)),
                     SH_E_DENIED);
    sh_buf_fini(&cert);
}

/* Another CA of the same name did not sign it. */
static void test_issued_by_a_namesake_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sh_buf key;
    struct sh_buf other;
    struct sh_buf cert;
    sh_buf_init(&key, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&other, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    struct sh_cert_spec spec = ca_spec(f);
    assert_ok(sh_cert_new_key(f->c, &key));
    assert_ok(
        sh_cert_issue(f->c, &f->t.random, &spec, sh_buf_str(&key), SH_STR(""), SH_STR(""), &other));
    spec = (struct sh_cert_spec){.common_name = SH_STR("d"), .from_us = 0, .until_us = 1000000};
    issue(f, &spec, &cert);
    assert_int_equal(sh_cert_issued_by(f->c, sh_buf_bytes(&cert), sh_buf_bytes(&other)),
                     SH_E_DENIED);
    /* and a CA certificate does not go with another's key */
    assert_int_equal(sh_cert_issue(f->c, &f->t.random, &spec, sh_buf_str(&key), sh_buf_str(&f->ca),
                                   sh_buf_str(&key), &cert),
                     SH_E_PROTO);
    sh_buf_fini(&key);
    sh_buf_fini(&other);
    sh_buf_fini(&cert);
}

static void test_fingerprint_is_that_of_the_der(void **state)
{
    struct fixture *f = *state;
    BIO *bio = BIO_new_mem_buf(f->ca.p, (int)f->ca.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *der = NULL;
    const int n = i2d_X509(x, &der);
    assert_true(n > 0);
    struct sh_cert_info a;
    struct sh_cert_info b;
    uint8_t hash[SH_HASH_BYTES];
    const struct sh_bytes part = sh_bytes_of(der, (size_t)n);
    assert_ok(sh_crypto_hash(f->c, SH_DIGEST_SHA256, &part, 1, hash));
    assert_ok(sh_cert_parse(f->c, sh_buf_bytes(&f->ca), &a));
    assert_ok(sh_cert_parse(f->c, part, &b));
    assert_memory_equal(a.fingerprint, hash, sizeof hash);
    assert_memory_equal(b.fingerprint, hash, sizeof hash);
    for (size_t cut = 0; cut < part.n; cut++) { /* no prefix is a certificate */
        assert_int_equal(sh_cert_parse(f->c, sh_bytes_of(der, cut), &a), SH_E_PROTO);
    }
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(bio);
}

static void test_issue_refuses_bad_specs(void **state)
{
    struct fixture *f = *state;
    const struct sh_str space = SH_STR("a b");
    const struct sh_str empty = SH_STR("");
    const struct sh_cert_spec bad[] = {
        {.common_name = SH_STR(""), .until_us = 1},
        {.common_name = SH_STR("0123456789012345678901234567890123456789012345678901234567890123x"),
         .until_us = 1},
        {.common_name = sh_str_of("a\0b", 3), .until_us = 1},
        {.common_name = SH_STR("\xff"), .until_us = 1},
        {.common_name = SH_STR("a"), .until_us = 0},
        {.common_name = SH_STR("a"), .until_us = 1, .names = &space, .nnames = 1},
        {.common_name = SH_STR("a"), .until_us = 1, .names = &empty, .nnames = 1},
        {.common_name = SH_STR("a"), .until_us = 1, .names = &space, .nnames = SH_CERT_SANS + 1},
    };
    struct sh_buf out;
    sh_buf_init(&out, &f->t.alloc, SH_PEM_MAX);
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(
            sh_cert_issue(f->c, &f->t.random, &bad[i], sh_buf_str(&f->ca_key), empty, empty, &out),
            SH_E_INVAL);
    }
    const struct sh_cert_spec good = {.common_name = SH_STR("a"), .until_us = 1000000};
    assert_int_equal(
        sh_cert_issue(f->c, &f->t.random, &good, SH_STR("not a key"), empty, empty, &out),
        SH_E_PROTO);
    sh_buf_fini(&out);
}

static struct sh_str request_of(EVP_PKEY *key, EVP_PKEY *signer, const EVP_MD *md, char out[4096])
{
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, signer, md) > 0);
    assert_int_equal(PEM_write_bio_X509_REQ(bio, req), 1);
    const int n = BIO_read(bio, out, 4096);
    assert_true(n > 0 && n < 4096);
    BIO_free(bio);
    X509_REQ_free(req);
    return sh_str_of(out, (size_t)n);
}

static void test_request_is_signed_when_its_key_is_its_own_and_strong(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_spec spec = ca_spec(f);
    spec.common_name = SH_STR("press");
    spec.ca = false;
    spec.client = true;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    const struct {
        EVP_PKEY *key;
        bool own; /* signed by itself */
        bool hash;
        sh_err expect;
    } rows[] = {
        {EVP_EC_gen("P-256"), true, true, SH_OK},
        {EVP_EC_gen("P-384"), true, true, SH_OK},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true, false, SH_OK},
        {EVP_RSA_gen(2048), true, true, SH_OK},
        {EVP_RSA_gen(1024), true, true, SH_E_PROTO},
        {EVP_EC_gen("secp224r1"), true, true, SH_E_PROTO},
        {EVP_EC_gen("P-256"), false, true, SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char pem[4096];
        struct sh_buf cert;
        struct sh_cert_info info;
        sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
        const struct sh_str req = request_of(rows[i].key, rows[i].own ? rows[i].key : other,
                                             rows[i].hash ? EVP_sha256() : NULL, pem);
        assert_int_equal(sh_cert_sign(f->c, &f->t.random, &spec, req, sh_buf_str(&f->ca),
                                      sh_buf_str(&f->ca_key), &cert),
                         rows[i].expect);
        if (rows[i].expect == SH_OK) {
            assert_ok(sh_cert_parse(f->c, sh_buf_bytes(&cert), &info));
            assert_string_equal(info.common_name, "press");
            assert_int_equal(strlen(info.serial), 32);
            assert_ok(sh_cert_issued_by(f->c, sh_buf_bytes(&cert), sh_buf_bytes(&f->ca)));
            BIO *bio = BIO_new_mem_buf(cert.p, (int)cert.n);
            X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
            assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), rows[i].key), 1);
            X509_free(x);
            BIO_free(bio);
        }
        sh_buf_fini(&cert);
        EVP_PKEY_free(rows[i].key);
    }
    EVP_PKEY_free(other);
    struct sh_buf none;
    sh_buf_init(&none, &f->t.alloc, SH_PEM_MAX);
    assert_int_equal(sh_cert_sign(f->c, &f->t.random, &spec, sh_buf_str(&f->ca), sh_buf_str(&f->ca),
                                  sh_buf_str(&f->ca_key), &none),
                     SH_E_PROTO); /* a certificate is no request */
    sh_buf_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_self_signed_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_issued_carries_names_and_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(test_issued_by_a_namesake_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint_is_that_of_the_der, setup, teardown),
        cmocka_unit_test_setup_teardown(test_issue_refuses_bad_specs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_is_signed_when_its_key_is_its_own_and_strong,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
