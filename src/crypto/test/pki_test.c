#include <sh/test.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

#include <sh/pki.h>

#define DAY_US (INT64_C(86400) * 1000000)
#define URL "http://songhua.example:8080/pki"

struct fixture {
    struct sh_test_env t;
    struct sh_crypto *c;
    struct sh_buf ca_key;
    struct sh_buf ca;
    struct sh_buf cert; /* of a device */
    struct sh_cert_info info;
    struct sh_buf out;
};

static int setup(void **state)
{
    static struct fixture f;
    struct sh_buf key;
    sh_test_env_init(&f.t, NULL);
    assert_ok(sh_crypto_new(&f.t.env, &f.c));
    sh_buf_init(&f.ca_key, &f.t.alloc, SH_PEM_MAX);
    sh_buf_init(&f.ca, &f.t.alloc, SH_PEM_MAX);
    sh_buf_init(&f.cert, &f.t.alloc, SH_PEM_MAX);
    sh_buf_init(&f.out, &f.t.alloc, 1 << 20);
    sh_buf_init(&key, &f.t.alloc, SH_PEM_MAX);
    assert_ok(sh_cert_new_key(f.c, &f.ca_key));
    assert_ok(sh_cert_new_key(f.c, &key));
    struct sh_cert_spec spec = {.common_name = SH_STR("device CA"),
                                .from_us = f.t.wall_us,
                                .until_us = f.t.wall_us + 7305 * DAY_US,
                                .ca = true};
    assert_ok(sh_cert_issue(f.c, &f.t.random, &spec, sh_buf_str(&f.ca_key), SH_STR(""), SH_STR(""),
                            &f.ca));
    spec.ca = false;
    spec.client = true;
    spec.common_name = SH_STR("press");
    spec.crl_url = SH_STR(URL "/device-ca.crl");
    spec.ocsp_url = SH_STR(URL "/ocsp");
    spec.issuer_url = SH_STR(URL "/device-ca.cer");
    assert_ok(sh_cert_issue(f.c, &f.t.random, &spec, sh_buf_str(&key), sh_buf_str(&f.ca),
                            sh_buf_str(&f.ca_key), &f.cert));
    assert_ok(sh_cert_parse(f.c, sh_buf_bytes(&f.cert), &f.info));
    sh_buf_fini(&key);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sh_buf_fini(&f->ca_key);
    sh_buf_fini(&f->ca);
    sh_buf_fini(&f->cert);
    sh_buf_fini(&f->out);
    sh_crypto_free(f->c);
    sh_test_env_fini(&f->t);
    return 0;
}

static struct sh_pki_signer signer(const struct fixture *f)
{
    return (struct sh_pki_signer){.ca_pem = sh_buf_str(&f->ca),
                                  .ca_key_pem = sh_buf_str(&f->ca_key),
                                  .from_us = f->t.wall_us,
                                  .until_us = f->t.wall_us + 7 * DAY_US};
}

static X509 *pem_cert(const struct sh_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(x);
    return x;
}

static struct sh_revoked revoked_now(const struct fixture *f)
{
    struct sh_revoked r = {.when_us = f->t.wall_us, .reason = SH_CRL_KEY_COMPROMISE};
    memcpy(r.serial, f->info.serial, sizeof r.serial);
    return r;
}

static void test_crl_is_signed_and_lists_serial_and_reason(void **state)
{
    struct fixture *f = *state;
    const struct sh_pki_signer by = signer(f);
    const struct sh_revoked list[] = {revoked_now(f), {.serial = "0A", .when_us = f->t.wall_us}};
    assert_ok(sh_crl_make(f->c, &by, 77, list, 2, &f->out));
    const unsigned char *p = f->out.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)f->out.n);
    X509 *ca = pem_cert(&f->ca);
    X509 *cert = pem_cert(&f->cert);
    X509_REVOKED *r = NULL;
    assert_non_null(crl);
    assert_int_equal(X509_CRL_get_version(crl), 1);
    assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(ca)), 1);
    assert_int_equal(X509_CRL_get0_by_cert(crl, &r, cert), 1);
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);
    assert_int_equal(ASN1_ENUMERATED_get(reason), 1);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    assert_int_equal(ASN1_INTEGER_get(number), 77);
    assert_int_equal(X509_CRL_get0_by_cert(crl, &r, ca), 0);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 2);
    ASN1_INTEGER_free(number);
    ASN1_ENUMERATED_free(reason);
    X509_free(cert);
    X509_free(ca);
    X509_CRL_free(crl);
}

static enum sh_ocsp_status look(void *ctx, const char *serial, struct sh_revoked *out)
{
    const struct sh_revoked *r = ctx;
    if (r == NULL) {
        return SH_OCSP_GOOD;
    }
    if (strcmp(serial, r->serial) != 0) {
        return SH_OCSP_UNKNOWN;
    }
    *out = *r;
    return SH_OCSP_REVOKED;
}

/* What the answer says of the device's certificate; asks with the CA's own hash and a nonce. */
static int ask(struct fixture *f, const EVP_MD *md, const X509 *issuer, struct sh_revoked *known,
               int *reason)
{
    const struct sh_pki_signer by = signer(f);
    X509 *cert = pem_cert(&f->cert);
    X509 *ca = pem_cert(&f->ca);
    OCSP_REQUEST *req = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(md, cert, issuer == NULL ? ca : issuer);
    assert_non_null(OCSP_request_add0_id(req, OCSP_CERTID_dup(id)));
    assert_int_equal(OCSP_request_add1_nonce(req, NULL, 32), 1);
    unsigned char *der = NULL;
    const int n = i2d_OCSP_REQUEST(req, &der);
    sh_buf_clear(&f->out);
    assert_ok(sh_ocsp_answer(f->c, &by, sh_bytes_of(der, (size_t)n), look, known, &f->out));
    const unsigned char *p = f->out.p;
    OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)f->out.n);
    assert_int_equal(OCSP_response_status(resp), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(resp);
    assert_int_equal(OCSP_check_nonce(req, basic), 1);
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *certs = sk_X509_new_null();
    assert_true(X509_STORE_add_cert(store, ca) == 1 && sk_X509_push(certs, ca) > 0);
    assert_int_equal(OCSP_basic_verify(basic, certs, store, OCSP_NOVERIFY), 1);
    int status = -1;
    assert_int_equal(OCSP_resp_find_status(basic, id, &status, reason, NULL, NULL, NULL), 1);
    sk_X509_free(certs);
    X509_STORE_free(store);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(resp);
    OPENSSL_free(der);
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(req);
    X509_free(ca);
    X509_free(cert);
    return status;
}

static void test_ocsp_tells_good_revoked_unknown(void **state)
{
    struct fixture *f = *state;
    int reason = 0;
    struct sh_revoked one = revoked_now(f);
    assert_int_equal(ask(f, EVP_sha1(), NULL, NULL, &reason), V_OCSP_CERTSTATUS_GOOD);
    assert_int_equal(ask(f, EVP_sha256(), NULL, &one, &reason), V_OCSP_CERTSTATUS_REVOKED);
    assert_int_equal(reason, 1);
    memcpy(one.serial, "0B", 3);
    assert_int_equal(ask(f, EVP_sha1(), NULL, &one, &reason), V_OCSP_CERTSTATUS_UNKNOWN);
    X509 *other = pem_cert(&f->cert); /* another issuer than ours, with the serial of a good one */
    assert_int_equal(ask(f, EVP_sha1(), other, NULL, &reason), V_OCSP_CERTSTATUS_UNKNOWN);
    X509_free(other);
}

static void test_ocsp_bad_request_is_answered_malformed(void **state)
{
    struct fixture *f = *state;
    static const uint8_t big[SH_OCSP_MAX + 1] = {0x30};
    const struct sh_pki_signer by = signer(f);
    const struct sh_bytes rows[] = {
        sh_bytes_of("", 0), sh_bytes_of("x", 1), sh_bytes_of("\x30\x03\x30\x01\x00", 5),
        sh_bytes_of("\x30\x04\x30\x02\x30\x00", 6), /* asks for nothing */
        sh_bytes_of(big, sizeof big)};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        sh_buf_clear(&f->out);
        assert_ok(sh_ocsp_answer(f->c, &by, rows[i], look, NULL, &f->out));
        const unsigned char *p = f->out.p;
        OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)f->out.n);
        assert_int_equal(OCSP_response_status(resp), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
        OCSP_RESPONSE_free(resp);
    }
}

static void test_certificate_says_where_to_ask(void **state)
{
    struct fixture *f = *state;
    X509 *cert = pem_cert(&f->cert);
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
    assert_string_equal(sk_OPENSSL_STRING_value(urls, 0), URL "/ocsp");
    X509_email_free(urls);
    CRL_DIST_POINTS *points = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    assert_int_equal(sk_DIST_POINT_num(points), 1);
    const DIST_POINT *point = sk_DIST_POINT_value(points, 0);
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(point->distpoint->name.fullname, 0);
    assert_string_equal(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                        URL "/device-ca.crl");
    CRL_DIST_POINTS_free(points);
    X509_free(cert);
    static const char *const bad[] = {"ftp://x/", "http://x/,DNS:y", "http://x/ y", "http://x/;",
                                      ""};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_false(sh_cert_url_ok(sh_str_c(bad[i])));
    }
    assert_true(sh_cert_url_ok(SH_STR("https://[::1]:8443/pki")));
}

static void test_bag_holds_all_certificates(void **state)
{
    struct fixture *f = *state;
    struct sh_buf both;
    sh_buf_init(&both, &f->t.alloc, (size_t)2 * SH_PEM_MAX);
    assert_ok(sh_buf_put_str(&both, sh_buf_str(&f->cert)));
    assert_ok(sh_buf_put_str(&both, sh_buf_str(&f->ca)));
    assert_ok(sh_pkcs7_certs(sh_buf_str(&both), &f->out));
    const unsigned char *p = f->out.p;
    PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)f->out.n);
    assert_true(p7 != NULL && p == f->out.p + f->out.n && PKCS7_type_is_signed(p7));
    assert_int_equal(sk_X509_num(p7->d.sign->cert), 2);
    assert_int_equal(sk_PKCS7_SIGNER_INFO_num(p7->d.sign->signer_info), 0);
    PKCS7_free(p7);
    assert_int_equal(sh_pkcs7_certs(SH_STR("nothing"), &f->out), SH_E_PROTO);
    sh_buf_clear(&f->out);
    assert_ok(sh_cert_der(sh_buf_str(&f->cert), &f->out));
    struct sh_cert_info again;
    assert_ok(sh_cert_parse(f->c, sh_buf_bytes(&f->out), &again));
    assert_memory_equal(again.fingerprint, f->info.fingerprint, SH_HASH_BYTES);
    assert_int_equal(sh_cert_der(SH_STR("nothing"), &f->out), SH_E_PROTO);
    sh_buf_fini(&both);
}

static void test_reasons_have_names_and_a_wrong_signer_is_refused(void **state)
{
    struct fixture *f = *state;
    enum sh_crl_reason reason = SH_CRL_UNSPECIFIED;
    for (int i = 0; i < 11; i++) {
        const char *name = sh_crl_reason_name(i);
        if (name != NULL) {
            assert_ok(sh_crl_reason_parse(sh_str_c(name), &reason));
            assert_int_equal(reason, i);
        }
    }
    assert_null(sh_crl_reason_name(7)); /* not used, 5.3.1 */
    assert_int_equal(sh_crl_reason_parse(SH_STR("because"), &reason), SH_E_INVAL);
    struct sh_pki_signer by = signer(f);
    by.ca_pem = sh_buf_str(&f->cert); /* the key is another one's */
    assert_int_equal(sh_crl_make(f->c, &by, 1, NULL, 0, &f->out), SH_E_PROTO);
    assert_int_equal(sh_ocsp_answer(f->c, &by, sh_bytes_of("x", 1), look, NULL, &f->out),
                     SH_E_PROTO);
    assert_int_equal(f->out.n, 0);
}

static void test_request_body_is_base64_or_pem(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body;
        sh_err expect;
        size_t n;
    } rows[] = {
        {"MAMC\r\nAQE=\r\n", SH_OK, 5},
        {" MAMCAQE= ", SH_OK, 5},
        {"-----BEGIN X-----\n", SH_OK, 17},
        {"", SH_E_PROTO, 0},
        {"MA*C", SH_E_PROTO, 0},
        {"AAAA", SH_E_PROTO, 0}, /* not a SEQUENCE */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        sh_buf_clear(&f->out);
        assert_int_equal(sh_pkcs10_body(sh_str_c(rows[i].body), &f->out), rows[i].expect);
        assert_int_equal(f->out.n, rows[i].n);
    }
    static const uint8_t zeros[49];
    assert_ok(sh_base64_lines(sh_bytes_of(zeros, 49), &f->out));
    assert_int_equal(f->out.n, 64 + 1 + 4 + 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crl_is_signed_and_lists_serial_and_reason),
        TEST(test_ocsp_tells_good_revoked_unknown),
        TEST(test_ocsp_bad_request_is_answered_malformed),
        TEST(test_certificate_says_where_to_ask),
        TEST(test_bag_holds_all_certificates),
        TEST(test_request_body_is_base64_or_pem),
        TEST(test_reasons_have_names_and_a_wrong_signer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
