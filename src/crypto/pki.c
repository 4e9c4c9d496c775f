/* What the authority publishes: CRL (RFC 5280 clause 5), OCSP (RFC 6960), PKCS #7 certs-only.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

#include <sh/pki.h>

#include "crypto_int.h"

enum { NONCE_MAX = 128 };

static const struct {
    enum sh_crl_reason reason;
    const char *name;
} reasons[] = {
    {SH_CRL_UNSPECIFIED, "unspecified"},
    {SH_CRL_KEY_COMPROMISE, "key_compromise"},
    {SH_CRL_CA_COMPROMISE, "ca_compromise"},
    {SH_CRL_AFFILIATION_CHANGED, "affiliation_changed"},
    {SH_CRL_SUPERSEDED, "superseded"},
    {SH_CRL_CESSATION, "cessation_of_operation"},
    {SH_CRL_PRIVILEGE_WITHDRAWN, "privilege_withdrawn"},
};

const char *sh_crl_reason_name(int reason)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if ((int)reasons[i].reason == reason) {
            return reasons[i].name;
        }
    }
    return NULL;
}

sh_err sh_crl_reason_parse(struct sh_str name, enum sh_crl_reason *out)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (sh_str_eqc(name, reasons[i].name)) {
            *out = reasons[i].reason;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

/* ---- the signer ---- */

struct signer {
    X509 *ca;
    EVP_PKEY *key;
};

static void signer_fini(struct signer *s)
{
    X509_free(s->ca);
    EVP_PKEY_free(s->key);
}

/* signer_fini is due in any case. */
static sh_err signer_init(struct signer *s, const struct sh_pki_signer *by)
{
    s->ca = crypto_cert_read(by->ca_pem);
    s->key = crypto_key_read(by->ca_key_pem);
    return s->ca != NULL && s->key != NULL && X509_check_private_key(s->ca, s->key) == 1
               ? SH_OK
               : SH_E_PROTO;
}

static ASN1_TIME *time_of(int64_t us)
{
    return ASN1_TIME_adj(NULL, (time_t)(us / 1000000), 0, 0);
}

static ASN1_GENERALIZEDTIME *general_time(int64_t us)
{
    return ASN1_GENERALIZEDTIME_adj(NULL, (time_t)(us / 1000000), 0, 0);
}

/* ---- CRL ---- */

static bool set_reason(X509_REVOKED *r, enum sh_crl_reason reason)
{
    if (reason == SH_CRL_UNSPECIFIED) { /* 5.3.1: left out then */
        return true;
    }
    ASN1_ENUMERATED *e = ASN1_ENUMERATED_new();
    const bool good = e != NULL && ASN1_ENUMERATED_set(e, (long)reason) == 1 &&
                      X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, e, 0, 0) == 1;
    ASN1_ENUMERATED_free(e);
    return good;
}

static bool add_revoked(X509_CRL *crl, const struct sh_revoked *one)
{
    BIGNUM *n = NULL;
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_TIME *when = time_of(one->when_us);
    ASN1_INTEGER *serial = NULL;
    if (BN_hex2bn(&n, one->serial) > 0) {
        serial = BN_to_ASN1_INTEGER(n, NULL);
    }
    bool good = r != NULL && when != NULL && serial != NULL &&
                X509_REVOKED_set_serialNumber(r, serial) == 1 &&
                X509_REVOKED_set_revocationDate(r, when) == 1 && set_reason(r, one->reason);
    good = good && X509_CRL_add0_revoked(crl, r) == 1;
    if (!good) {
        X509_REVOKED_free(r);
    }
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(when);
    BN_free(n);
    return good;
}

static bool add_crl_exts(X509_CRL *crl, X509 *ca, uint64_t number)
{
    X509V3_CTX ctx;
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *aki = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid");
    const bool good = n != NULL && aki != NULL && ASN1_INTEGER_set_uint64(n, number) == 1 &&
                      X509_CRL_add_ext(crl, aki, -1) == 1 &&
                      X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;
    X509_EXTENSION_free(aki);
    ASN1_INTEGER_free(n);
    return good;
}

static bool set_crl_times(X509_CRL *crl, const struct sh_pki_signer *by)
{
    ASN1_TIME *from = time_of(by->from_us);
    ASN1_TIME *until = time_of(by->until_us);
    const bool good = from != NULL && until != NULL && X509_CRL_set1_lastUpdate(crl, from) == 1 &&
                      X509_CRL_set1_nextUpdate(crl, until) == 1;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return good;
}

static bool build_crl(X509_CRL *crl, const struct signer *s, const struct sh_pki_signer *by,
                      uint64_t number, const struct sh_revoked *list, size_t n)
{
    bool good = X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                X509_CRL_set_issuer_name(crl, X509_get_subject_name(s->ca)) == 1 &&
                set_crl_times(crl, by) && add_crl_exts(crl, s->ca, number);
    for (size_t i = 0; good && i < n; i++) {
        good = add_revoked(crl, &list[i]);
    }
    return good && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, s->key, EVP_sha256()) > 0;
}

/* Takes der (may be NULL) of n bytes (below 1: it was not made). */
static sh_err put_der(struct sh_buf *out, unsigned char *der, int n)
{
    const sh_err err = n <= 0 ? SH_E_NOMEM : sh_buf_put(out, der, (size_t)n);
    OPENSSL_free(der);
    ERR_clear_error();
    return err;
}

sh_err sh_crl_make(const struct sh_crypto *c, const struct sh_pki_signer *by, uint64_t number,
                   const struct sh_revoked *list, size_t n, struct sh_buf *out)
{
    SH_UNUSED(c);
    struct signer s = {NULL, NULL};
    unsigned char *der = NULL;
    X509_CRL *crl = NULL;
    sh_err err = signer_init(&s, by);
    if (err != SH_OK) {
        goto out;
    }
    crl = X509_CRL_new();
    err = SH_E_NOMEM;
    if (crl != NULL && build_crl(crl, &s, by, number, list, n)) {
        const int len = i2d_X509_CRL(crl, &der);
        err = put_der(out, der, len);
    }
out:
    X509_CRL_free(crl);
    signer_fini(&s);
    ERR_clear_error();
    return err;
}

/* ---- OCSP ---- */

/* A request that is whole, of a size that we answer; NULL else. */
static OCSP_REQUEST *read_ocsp(struct sh_bytes in)
{
    if (in.n == 0 || in.n > SH_OCSP_MAX) {
        return NULL;
    }
    const uint8_t *p = in.p;
    OCSP_REQUEST *req = d2i_OCSP_REQUEST(NULL, &p, (long)in.n);
    bool good = req != NULL && p == in.p + in.n;
    const int n = good ? OCSP_request_onereq_count(req) : 0;
    good = good && n >= 1 && n <= SH_OCSP_ASKED_MAX;
    const int at = good ? OCSP_REQUEST_get_ext_by_NID(req, NID_id_pkix_OCSP_Nonce, -1) : -1;
    if (at >= 0) {
        X509_EXTENSION *nonce = OCSP_REQUEST_get_ext(req, at);
        /* the octet string may lie in another one: a tag and a length */
        good = ASN1_STRING_length(X509_EXTENSION_get_data(nonce)) <= NONCE_MAX + 3;
    }
    if (!good) {
        OCSP_REQUEST_free(req);
        req = NULL;
    }
    return req;
}

/* Is it a certificate of this authority? With whatever hash the asker chose (4.1.1). */
static bool of_authority(OCSP_CERTID *id, const X509 *ca)
{
    ASN1_OBJECT *md = NULL;
    if (OCSP_id_get0_info(NULL, &md, NULL, NULL, id) != 1) {
        return false;
    }
    const EVP_MD *digest = EVP_get_digestbyobj(md);
    OCSP_CERTID *own = digest == NULL ? NULL : OCSP_cert_to_id(digest, NULL, ca);
    const bool same = own != NULL && OCSP_id_issuer_cmp(own, id) == 0;
    OCSP_CERTID_free(own);
    return same;
}

/* The serial number in the form of sh_cert_info; "" when it is longer than that. */
static void serial_of(OCSP_CERTID *id, char out[SH_CERT_SERIAL_CHARS])
{
    ASN1_INTEGER *serial = NULL;
    out[0] = '\0';
    if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) == 1) {
        crypto_serial_put(serial, out);
    }
}

struct answering {
    const struct signer *s;
    const struct sh_pki_signer *by;
    sh_ocsp_lookup *lookup;
    void *ctx;
};

static bool add_status(const struct answering *a, OCSP_BASICRESP *basic, OCSP_CERTID *id)
{
    static const int codes[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                                V_OCSP_CERTSTATUS_UNKNOWN};
    struct sh_revoked about = {.reason = SH_CRL_UNSPECIFIED};
    enum sh_ocsp_status status = SH_OCSP_UNKNOWN;
    if (of_authority(id, a->s->ca)) {
        serial_of(id, about.serial);
        status =
            about.serial[0] == '\0' ? SH_OCSP_UNKNOWN : a->lookup(a->ctx, about.serial, &about);
    }
    const int reason =
        about.reason == SH_CRL_UNSPECIFIED ? OCSP_REVOKED_STATUS_NOSTATUS : (int)about.reason;
    ASN1_TIME *from = general_time(a->by->from_us);
    ASN1_TIME *until = general_time(a->by->until_us);
    ASN1_TIME *when = general_time(about.when_us);
    const bool good =
        from != NULL && until != NULL && when != NULL &&
        OCSP_basic_add1_status(basic, id, codes[(size_t)status], reason,
                               status == SH_OCSP_REVOKED ? when : NULL, from, until) != NULL;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(when);
    return good;
}

static OCSP_RESPONSE *answer_of(const struct answering *a, OCSP_REQUEST *req)
{
    OCSP_RESPONSE *answer = NULL;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    bool good = basic != NULL;
    const int n = OCSP_request_onereq_count(req);
    for (int i = 0; good && i < n; i++) {
        good = add_status(a, basic, OCSP_onereq_get0_id(OCSP_request_onereq_get0(req, i)));
    }
    good = good && OCSP_copy_nonce(basic, req) > 0 &&
           OCSP_basic_sign(basic, a->s->ca, a->s->key, EVP_sha256(), NULL, OCSP_NOCERTS) == 1;
    if (good) {
        answer = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    }
    OCSP_BASICRESP_free(basic);
    return answer;
}

sh_err sh_ocsp_answer(const struct sh_crypto *c, const struct sh_pki_signer *by,
                      struct sh_bytes request, sh_ocsp_lookup *lookup, void *ctx,
                      struct sh_buf *out)
{
    SH_UNUSED(c);
    struct signer s = {NULL, NULL};
    const struct answering a = {.s = &s, .by = by, .lookup = lookup, .ctx = ctx};
    unsigned char *der = NULL;
    OCSP_RESPONSE *answer = NULL;
    OCSP_REQUEST *req = NULL;
    sh_err err = signer_init(&s, by);
    if (err != SH_OK) {
        goto out;
    }
    req = read_ocsp(request);
    answer = req == NULL ? OCSP_response_create(OCSP_RESPONSE_STATUS_MALFORMEDREQUEST, NULL)
                         : answer_of(&a, req);
    err = SH_E_NOMEM;
    if (answer != NULL) {
        const int len = i2d_OCSP_RESPONSE(answer, &der);
        err = put_der(out, der, len);
    }
out:
    OCSP_RESPONSE_free(answer);
    OCSP_REQUEST_free(req);
    signer_fini(&s);
    ERR_clear_error();
    return err;
}

/* ---- PKCS #7 and DER ---- */

/* The bag without signers that `openssl crl2pkcs7 -nocrl` makes. */
static PKCS7 *bag_new(void)
{
    PKCS7 *p7 = PKCS7_new();
    if (p7 != NULL &&
        (PKCS7_set_type(p7, NID_pkcs7_signed) != 1 || PKCS7_content_new(p7, NID_pkcs7_data) != 1 ||
         PKCS7_set_detached(p7, 1) != 1)) {
        PKCS7_free(p7);
        p7 = NULL;
    }
    return p7;
}

sh_err sh_pkcs7_certs(struct sh_str pem, struct sh_buf *out)
{
    if (pem.n == 0 || pem.n > (size_t)4 * SH_PEM_MAX) {
        return SH_E_PROTO;
    }
    char none[1] = "";
    unsigned char *der = NULL;
    size_t n = 0;
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    PKCS7 *p7 = bag_new();
    sh_err err = bio == NULL || p7 == NULL ? SH_E_NOMEM : SH_OK;
    while (err == SH_OK) {
        X509 *one = PEM_read_bio_X509(bio, NULL, NULL, none);
        if (one == NULL) {
            break;
        }
        err = PKCS7_add_certificate(p7, one) == 1 ? SH_OK : SH_E_NOMEM;
        X509_free(one);
        n++;
    }
    if (err == SH_OK && n == 0) {
        err = SH_E_PROTO;
    }
    if (err == SH_OK) {
        const int len = i2d_PKCS7(p7, &der);
        err = put_der(out, der, len);
    }
    PKCS7_free(p7);
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

sh_err sh_cert_der(struct sh_str pem, struct sh_buf *out)
{
    unsigned char *der = NULL;
    X509 *cert = crypto_cert_read(pem);
    if (cert == NULL) {
        ERR_clear_error();
        return SH_E_PROTO;
    }
    const int len = i2d_X509(cert, &der);
    X509_free(cert);
    return put_der(out, der, len);
}

/* ---- bodies of EST ---- */

sh_err sh_pkcs10_body(struct sh_str body, struct sh_buf *out)
{
    char text[2 * SH_PEM_MAX];
    size_t n = 0;
    const struct sh_str s = sh_str_trim(body);
    if (s.n == 0 || s.n > sizeof text) {
        return SH_E_PROTO;
    }
    if (sh_str_starts(s, SH_STR("-----BEGIN "))) {
        return sh_buf_put_str(out, s);
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (c != '\r' && c != '\n' && c != ' ' && c != '\t') {
            text[n++] = c;
        }
    }
    const size_t was = out->n;
    const sh_err err = sh_base64_parse(sh_str_of(text, n), false, out);
    if (err == SH_OK && (out->n == was || out->p[was] != 0x30)) { /* no SEQUENCE */
        out->n = was;
        return SH_E_PROTO;
    }
    return err;
}

sh_err sh_base64_lines(struct sh_bytes in, struct sh_buf *out)
{
    enum { BYTES = 48 };
    for (size_t i = 0; i < in.n; i += BYTES) {
        const size_t n = in.n - i < BYTES ? in.n - i : BYTES;
        SH_TRY(sh_base64_put(out, sh_bytes_of(in.p + i, n), false));
        SH_TRY(sh_buf_put_c(out, "\n"));
    }
    return SH_OK;
}
