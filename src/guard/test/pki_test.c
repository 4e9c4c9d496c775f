#include "fixture.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>

#define SECOND INT64_C(1000000)
#define DAY_US (86400 * SECOND)

static struct sh_guard_at at_root(struct fixture *f, struct sh_principal *sys)
{
    *sys = sh_guard_system(f->g);
    return (struct sh_guard_at){sys, 1, SH_STR("")};
}

static sh_err issue(struct fixture *f, const char *device, int64_t days, struct sh_cert_info *info)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    struct sh_guard_issue o = {.device = sh_str_c(device), .valid_us = days * DAY_US};
    struct sh_buf cert;
    struct sh_buf key;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&key, &f->t.alloc, SH_PEM_MAX);
    const sh_err err = sh_guard_device_certificate_issue(f->g, &at, &o, &cert, &key, &f->diag);
    if (err == SH_OK) {
        assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&cert), info));
    }
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    return err;
}

static sh_err revoke(struct fixture *f, const char *device, const struct sh_cert_info *info,
                     enum sh_crl_reason reason, const char *note)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    char hex[SH_HASH_HEX];
    sh_hash_hex(info->fingerprint, hex);
    const struct sh_guard_revoke r = {.device = sh_str_c(device),
                                      .fingerprint = sh_str_c(hex),
                                      .reason = reason,
                                      .note = sh_str_c(note)};
    return sh_guard_device_certificate_revoke(f->g, &at, &r);
}

/* The member of the device's first certificate. */
static void member(struct fixture *f, const char *device, const char *name, char out[64])
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    struct sh_jw w;
    json_t *o = NULL;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_obj(&w);
    assert_ok(sh_guard_device_certificates_write(f->g, &at, sh_str_c(device), &w));
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->text), 1 << 20, &o, NULL));
    const json_t *c = json_array_get(json_object_get(o, "items"), 0);
    assert_true(guard_copy(out, 64, sh_json_get_str(c, name)));
    json_decref(o);
}

static X509_CRL *crl_of(struct fixture *f)
{
    struct sh_buf der;
    struct sh_buf ca;
    sh_buf_init(&der, &f->t.alloc, 1 << 20);
    sh_buf_init(&ca, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_guard_crl(f->g, &der));
    assert_ok(sh_guard_device_ca(f->g, &ca));
    const unsigned char *p = der.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.n);
    assert_non_null(crl);
    BIO *bio = BIO_new_mem_buf(ca.p, (int)ca.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(x)), 1);
    X509_free(x);
    BIO_free(bio);
    sh_buf_fini(&der);
    sh_buf_fini(&ca);
    return crl;
}

/* The reason on the list; -1: it is not there; 0: none is told. */
static int listed(struct fixture *f, const struct sh_cert_info *info)
{
    X509_CRL *crl = crl_of(f);
    BIGNUM *n = NULL;
    X509_REVOKED *r = NULL;
    assert_true(BN_hex2bn(&n, info->serial) > 0);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(n, NULL);
    int told = -1;
    if (X509_CRL_get0_by_serial(crl, &r, serial) == 1) {
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);
        told = reason == NULL ? 0 : (int)ASN1_ENUMERATED_get(reason);
        ASN1_ENUMERATED_free(reason);
    }
    ASN1_INTEGER_free(serial);
    BN_free(n);
    X509_CRL_free(crl);
    return told;
}

/* What OCSP says of a serial number of our CA. */
static int ocsp(struct fixture *f, const struct sh_cert_info *info)
{
    struct sh_buf ca;
    struct sh_buf out;
    BIGNUM *n = NULL;
    unsigned char *der = NULL;
    sh_buf_init(&ca, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&out, &f->t.alloc, 1 << 16);
    assert_ok(sh_guard_device_ca(f->g, &ca));
    BIO *bio = BIO_new_mem_buf(ca.p, (int)ca.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_true(BN_hex2bn(&n, info->serial) > 0);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(n, NULL);
    OCSP_CERTID *id =
        OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(x), X509_get0_pubkey_bitstr(x), serial);
    OCSP_REQUEST *req = OCSP_REQUEST_new();
    assert_non_null(OCSP_request_add0_id(req, OCSP_CERTID_dup(id)));
    const int len = i2d_OCSP_REQUEST(req, &der);
    assert_ok(sh_guard_ocsp(f->g, sh_bytes_of(der, (size_t)len), &out));
    const unsigned char *p = out.p;
    OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.n);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(resp);
    int status = -1;
    assert_int_equal(OCSP_resp_find_status(basic, id, &status, NULL, NULL, NULL, NULL), 1);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(resp);
    OPENSSL_free(der);
    OCSP_REQUEST_free(req);
    OCSP_CERTID_free(id);
    ASN1_INTEGER_free(serial);
    BN_free(n);
    X509_free(x);
    BIO_free(bio);
    sh_buf_fini(&ca);
    sh_buf_fini(&out);
    return status;
}

static void test_authority_lives_twenty_years_and_nothing_outlives_it(void **state)
{
    struct fixture *f = *state;
    struct sh_buf ca;
    struct sh_cert_info of_ca;
    struct sh_cert_info info;
    char text[64];
    sh_buf_init(&ca, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_guard_device_ca(f->g, &ca));
    assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&ca), &of_ca));
    assert_int_equal(of_ca.until_us - of_ca.from_us, (7305 + 1) * DAY_US);
    assert_int_equal(sh_guard_device_days(f->g), 1825);
    assert_ok(issue(f, "press", 1825, &info));
    member(f, "press", "state", text);
    assert_string_equal(text, "valid");
    f->t.wall_us += (1825 - 61) * DAY_US;
    member(f, "press", "state", text);
    assert_string_equal(text, "valid");
    f->t.wall_us += 2 * DAY_US;
    member(f, "press", "state", text);
    assert_string_equal(text, "expiring");
    f->t.wall_us += 60 * DAY_US;
    member(f, "press", "state", text);
    assert_string_equal(text, "expired");
    f->t.wall_us = of_ca.until_us - 30 * DAY_US;
    assert_ok(issue(f, "late", 365, &info));
    assert_int_equal(info.until_us, of_ca.until_us);
    sh_buf_fini(&ca);
}

static void test_revoked_is_listed_with_its_reason_and_stays(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info lost;
    struct sh_cert_info good;
    char text[64];
    assert_ok(issue(f, "press", 365, &lost));
    assert_ok(issue(f, "oven", 365, &good));
    assert_int_equal(listed(f, &lost), -1);
    assert_int_equal(ocsp(f, &lost), V_OCSP_CERTSTATUS_GOOD);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(revoke(f, "press", &lost, SH_CRL_KEY_COMPROMISE, "stolen"), SH_E_IO);
    assert_int_equal(listed(f, &lost), -1);
    assert_int_equal(ocsp(f, &lost), V_OCSP_CERTSTATUS_GOOD);
    assert_int_equal(revoke(f, "press", &lost, SH_CRL_SUPERSEDED, "two\nlines"), SH_E_INVAL);
    assert_ok(revoke(f, "press", &lost, SH_CRL_KEY_COMPROMISE, "stolen"));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(listed(f, &lost), 1);
        assert_int_equal(listed(f, &good), -1);
        assert_int_equal(ocsp(f, &lost), V_OCSP_CERTSTATUS_REVOKED);
        assert_int_equal(ocsp(f, &good), V_OCSP_CERTSTATUS_GOOD);
        member(f, "press", "reason", text);
        assert_string_equal(text, "key_compromise");
        member(f, "press", "note", text);
        assert_string_equal(text, "stolen");
        fixture_reopen(f);
    }
    memcpy(good.serial, "0A", 3);
    assert_int_equal(ocsp(f, &good), V_OCSP_CERTSTATUS_UNKNOWN);
}

static void test_device_that_goes_takes_its_certificates_along(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info a;
    struct sh_cert_info b;
    assert_ok(issue(f, "press", 365, &a));
    assert_ok(issue(f, "press", 30, &b));
    assert_ok(revoke(f, "press", &a, SH_CRL_SUPERSEDED, ""));
    assert_ok(sh_guard_device_renamed(f->g, 1, SH_STR("press"), SH_STR("press2")));
    assert_int_equal(listed(f, &b), -1);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_device_removed(f->g, 1, SH_STR("press2")), SH_E_IO);
    assert_int_equal(listed(f, &b), -1);
    assert_ok(sh_guard_device_removed(f->g, 1, SH_STR("press2")));
    fixture_reopen(f);
    assert_int_equal(listed(f, &a), 4);
    assert_int_equal(listed(f, &b), 5);
    assert_int_equal(ocsp(f, &b), V_OCSP_CERTSTATUS_REVOKED);
    assert_int_equal(fake_disk_count(f->disk, GUARD_REVOKED), 2);
    f->t.wall_us += 40 * DAY_US; /* b has been over for longer than a list lives */
    assert_int_equal(listed(f, &b), -1);
    assert_int_equal(listed(f, &a), 4);
    assert_int_equal(fake_disk_count(f->disk, GUARD_REVOKED), 1);
}

static long number_of(X509_CRL *crl)
{
    ASN1_INTEGER *n = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    const long v = ASN1_INTEGER_get(n);
    ASN1_INTEGER_free(n);
    X509_CRL_free(crl);
    return v;
}

static void test_list_is_kept_for_an_hour_and_its_number_grows(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info info;
    const long first = number_of(crl_of(f));
    assert_int_equal(number_of(crl_of(f)), first);
    assert_ok(issue(f, "press", 365, &info));
    assert_ok(revoke(f, "press", &info, SH_CRL_UNSPECIFIED, ""));
    assert_int_equal(listed(f, &info), 0);
    const long second = number_of(crl_of(f));
    assert_true(second > first);
    f->t.wall_us -= 100 * SECOND; /* the clock was set back: still no smaller number */
    assert_true(number_of(crl_of(f)) > second);
    f->t.wall_us += 7200 * SECOND;
    assert_true(number_of(crl_of(f)) > second + 1);
}

static void test_what_is_due_is_counted_by_tenant(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info info;
    uint32_t soon = 9;
    uint32_t over = 9;
    assert_ok(issue(f, "a", 30, &info));
    assert_ok(issue(f, "b", 30, &info));
    assert_ok(issue(f, "b", 365, &info)); /* has a newer one */
    assert_ok(issue(f, "c", 3, &info));
    sh_guard_tick(f->g);
    sh_guard_certificates_due(f->g, 1, &soon, &over);
    assert_int_equal(soon, 2);
    assert_int_equal(over, 0);
    f->t.wall_us += 4 * DAY_US;
    f->t.mono_us += 61 * SECOND;
    sh_guard_tick(f->g);
    sh_guard_certificates_due(f->g, 1, &soon, &over);
    assert_int_equal(soon, 1);
    assert_int_equal(over, 1);
    sh_guard_certificates_due(f->g, 77, &soon, &over);
    assert_int_equal(soon + over, 0);
}

static struct sh_buf request(struct fixture *f)
{
    struct sh_buf der;
    unsigned char *p = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    assert_true(X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0);
    const int n = i2d_X509_REQ(req, &p);
    sh_buf_init(&der, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_buf_put(&der, p, (size_t)n));
    OPENSSL_free(p);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return der;
}

static void test_device_renews_its_certificate_also_when_it_is_over(void **state)
{
    struct fixture *f = *state;
    struct sh_cert_info info;
    struct sh_cert_info next;
    struct sh_principal p;
    struct sh_buf der = request(f);
    struct sh_buf pem;
    uint8_t other[SH_HASH_BYTES] = {1};
    enum sh_refusal why = SH_REFUSED_NOT;
    sh_buf_init(&pem, &f->t.alloc, SH_PEM_MAX);
    assert_ok(issue(f, "press", 30, &info));
    f->t.wall_us += 40 * DAY_US;
    const struct sh_cert_shown shown = {info.fingerprint, "press", info.until_us, true};
    assert_int_equal(sh_guard_by_shown(f->g, &shown, &p), SH_E_DENIED); /* for nothing else */
    assert_int_equal(
        sh_guard_device_renew(f->g, other, SH_STR(""), sh_buf_str(&der), &pem, &why, &f->diag),
        SH_E_DENIED);
    assert_int_equal(sh_guard_device_renew(f->g, info.fingerprint, SH_STR(""), SH_STR("x"), &pem,
                                           &why, &f->diag),
                     SH_E_INVAL);
    assert_ok(sh_guard_device_renew(f->g, info.fingerprint, SH_STR("10.0.0.9"), sh_buf_str(&der),
                                    &pem, &why, &f->diag));
    assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&pem), &next));
    assert_string_equal(next.common_name, "press");
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&pem), true, &p));
    sh_buf_clear(&pem);
    const struct sh_guard_at own = {.by = &p, .tenant = 1};
    assert_ok(sh_guard_device_enroll(f->g, &own, sh_buf_str(&der), &pem, &f->diag));
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at nobody = {.by = &sys, .tenant = 1};
    assert_int_equal(sh_guard_device_enroll(f->g, &nobody, sh_buf_str(&der), &pem, &f->diag),
                     SH_E_DENIED); /* not a device */
    assert_ok(revoke(f, "press", &next, SH_CRL_KEY_COMPROMISE, ""));
    assert_int_equal(sh_guard_device_renew(f->g, next.fingerprint, SH_STR(""), sh_buf_str(&der),
                                           &pem, &why, &f->diag),
                     SH_E_DENIED);
    sh_buf_fini(&pem);
    sh_buf_fini(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_authority_lives_twenty_years_and_nothing_outlives_it),
        FIXTURE_TEST(test_revoked_is_listed_with_its_reason_and_stays),
        FIXTURE_TEST(test_device_that_goes_takes_its_certificates_along),
        FIXTURE_TEST(test_list_is_kept_for_an_hour_and_its_number_grows),
        FIXTURE_TEST(test_device_renews_its_certificate_also_when_it_is_over),
        FIXTURE_TEST(test_what_is_due_is_counted_by_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
