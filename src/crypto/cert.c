/* Keys and certificates: ECDSA P-256 with SHA-256, X.509 version 3 (RFC 5280).
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>

#include "crypto_int.h"

/* Copies what was written to a memory BIO behind out. */
static sh_err put_bio(BIO *bio, struct sh_buf *out)
{
    char *p = NULL;
    const long n = BIO_get_mem_data(bio, &p);
    if (n <= 0) {
        return SH_E_NOMEM;
    }
    return sh_buf_put(out, p, (size_t)n);
}

sh_err sh_cert_new_key(const struct sh_crypto *c, struct sh_buf *pem)
{
    SH_UNUSED(c);
    sh_err err = SH_E_NOMEM;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (bio == NULL || key == NULL) {
        err = SH_E_NOMEM;
        goto out;
    }
    if (PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        err = put_bio(bio, pem);
    }
out:
    BIO_free(bio);
    EVP_PKEY_free(key);
    return err;
}

EVP_PKEY *crypto_key_read(struct sh_str pem)
{
    if (pem.n == 0 || pem.n > SH_PEM_MAX) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL) {
        return NULL;
    }
    /* The last argument "" keeps OpenSSL from asking at the terminal for a passphrase. */
    char none[1] = "";
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, none);
    BIO_free(bio);
    return key;
}

X509 *crypto_cert_read(struct sh_str pem)
{
    if (pem.n == 0 || pem.n > SH_PEM_MAX) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL) {
        return NULL;
    }
    char none[1] = "";
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, none);
    BIO_free(bio);
    return cert;
}

static bool set_serial(X509 *cert, const struct sh_random *r)
{
    uint8_t raw[16];
    if (r->fill(r->ctx, raw, sizeof raw) != SH_OK) {
        return false;
    }
    raw[0] = (uint8_t)((raw[0] & 0x7f) | 0x40); /* positive, always 16 bytes (RFC 5280 4.1.2.2) */
    BIGNUM *n = BN_bin2bn(raw, sizeof raw, NULL);
    const bool good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return good;
}

static bool set_time(ASN1_TIME *t, int64_t us)
{
    return ASN1_TIME_adj(t, (time_t)(us / 1000000), 0, 0) != NULL;
}

static bool set_subject(X509 *cert, struct sh_str cn)
{
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)cn.p, (int)cn.n, -1, 0) == 1;
}

static bool add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    const bool good = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return good;
}

/* A name is an IP address when it reads as one, else a DNS name of letters, digits, - . * */
static GENERAL_NAME *general_name(struct sh_str name)
{
    char text[64];
    uint8_t ip[16];
    int ip_bytes = 0;
    if (name.n < sizeof text) {
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        if (inet_pton(AF_INET, text, ip) == 1) {
            ip_bytes = 4;
        } else if (inet_pton(AF_INET6, text, ip) == 1) {
            ip_bytes = 16;
        }
    }
    GENERAL_NAME *gn = GENERAL_NAME_new();
    ASN1_STRING *s = ip_bytes > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    const void *p = ip_bytes > 0 ? (const void *)ip : (const void *)name.p;
    if (gn == NULL || s == NULL ||
        ASN1_STRING_set(s, p, ip_bytes > 0 ? ip_bytes : (int)name.n) != 1) {
        GENERAL_NAME_free(gn);
        ASN1_STRING_free(s);
        return NULL;
    }
    GENERAL_NAME_set0_value(gn, ip_bytes > 0 ? GEN_IPADD : GEN_DNS, s);
    return gn;
}

static bool add_names(X509 *cert, const struct sh_cert_spec *spec)
{
    if (spec->nnames == 0) {
        return true;
    }
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool good = names != NULL;
    for (size_t i = 0; good && i < spec->nnames; i++) {
        GENERAL_NAME *gn = general_name(spec->names[i]);
        good = gn != NULL && sk_GENERAL_NAME_push(names, gn) > 0;
        if (!good) {
            GENERAL_NAME_free(gn);
        }
    }
    good = good && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
    GENERAL_NAMES_free(names);
    return good;
}

/* Where to ask whether the certificate is still good, and for its issuer (4.2.1.13, 4.2.2.1). */
static bool add_urls(X509 *cert, X509 *issuer, const struct sh_cert_spec *spec)
{
    char text[2 * SH_CERT_URL_MAX + 64];
    if (spec->crl_url.n > 0) {
        (void)snprintf(text, sizeof text, "URI:%.*s", SH_PRI(spec->crl_url));
        if (!add_ext(cert, issuer, NID_crl_distribution_points, text)) {
            return false;
        }
    }
    if (spec->ocsp_url.n > 0 && spec->issuer_url.n > 0) {
        (void)snprintf(text, sizeof text, "OCSP;URI:%.*s,caIssuers;URI:%.*s",
                       SH_PRI(spec->ocsp_url), SH_PRI(spec->issuer_url));
        return add_ext(cert, issuer, NID_info_access, text);
    }
    return true;
}

static bool add_exts(X509 *cert, X509 *issuer, const struct sh_cert_spec *spec)
{
    const char *eku = NULL;
    if (spec->server) {
        eku = spec->client ? "serverAuth,clientAuth" : "serverAuth";
    } else if (spec->client) {
        eku = "clientAuth";
    }
    return add_ext(cert, issuer, NID_basic_constraints,
                   spec->ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           add_ext(cert, issuer, NID_key_usage,
                   spec->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           (eku == NULL || add_ext(cert, issuer, NID_ext_key_usage, eku)) &&
           add_ext(cert, issuer, NID_subject_key_identifier, "hash") &&
           (issuer == cert || add_ext(cert, issuer, NID_authority_key_identifier, "keyid")) &&
           add_names(cert, spec) && add_urls(cert, issuer, spec);
}

static bool name_ok(struct sh_str n)
{
    if (n.n == 0 || n.n >= SH_CERT_NAME_CHARS) {
        return false;
    }
    for (size_t i = 0; i < n.n; i++) {
        const char c = n.p[i];
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*' || c == ':' ||
                          c == '_';
        if (!good) {
            return false;
        }
    }
    return true;
}

bool sh_cert_url_ok(struct sh_str url)
{
    if (url.n > SH_CERT_URL_MAX ||
        (!sh_str_starts(url, SH_STR("http://")) && !sh_str_starts(url, SH_STR("https://")))) {
        return false;
    }
    for (size_t i = 0; i < url.n; i++) {
        const char c = url.p[i];
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~:/[]%", c) != NULL);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool urls_ok(const struct sh_cert_spec *s)
{
    return (s->crl_url.n == 0 || sh_cert_url_ok(s->crl_url)) &&
           (s->ocsp_url.n == 0 || sh_cert_url_ok(s->ocsp_url)) &&
           (s->issuer_url.n == 0 || sh_cert_url_ok(s->issuer_url));
}

static bool spec_ok(const struct sh_cert_spec *s)
{
    if (s->common_name.n == 0 || s->common_name.n > 64 || !sh_utf8_valid(s->common_name) ||
        sh_str_find(s->common_name, '\0') != SIZE_MAX || s->nnames > SH_CERT_SANS ||
        s->until_us <= s->from_us || !urls_ok(s)) {
        return false;
    }
    for (size_t i = 0; i < s->nnames; i++) {
        if (!name_ok(s->names[i])) {
            return false;
        }
    }
    return true;
}

static bool key_allowed(const EVP_PKEY *key)
{
    char group[32];
    size_t n = 0;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
    case EVP_PKEY_ED25519:
        return true;
    case EVP_PKEY_EC:
        return EVP_PKEY_get_group_name(key, group, sizeof group, &n) == 1 &&
               (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
                strcmp(group, "secp521r1") == 0);
    default:
        return false;
    }
}

/* PEM, or DER when it begins as a SEQUENCE does; NULL when it is none. */
static X509_REQ *decode_request(struct sh_str in)
{
    if (in.n == 0 || in.n > SH_PEM_MAX) {
        return NULL;
    }
    if (in.p[0] == 0x30) {
        const unsigned char *p = (const unsigned char *)in.p;
        X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)in.n);
        if (req != NULL && p != (const unsigned char *)in.p + in.n) { /* bytes behind it */
            X509_REQ_free(req);
            req = NULL;
        }
        return req;
    }
    char none[1] = "";
    BIO *bio = BIO_new_mem_buf(in.p, (int)in.n);
    X509_REQ *req = bio == NULL ? NULL : PEM_read_bio_X509_REQ(bio, NULL, NULL, none);
    BIO_free(bio);
    return req;
}

/* The key of a request that proves that its sender has it; NULL else. */
static EVP_PKEY *read_request(struct sh_str in)
{
    X509_REQ *req = decode_request(in);
    EVP_PKEY *key = req == NULL ? NULL : X509_REQ_get_pubkey(req);
    if (key != NULL && (!key_allowed(key) || X509_REQ_verify(req, key) != 1)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    X509_REQ_free(req);
    ERR_clear_error();
    return key;
}

struct issue_job {
    EVP_PKEY *subject;
    X509 *ca; /* NULL: self-signed */
    EVP_PKEY *ca_key;
};

static sh_err read_job(struct issue_job *j, struct sh_str ca, struct sh_str ca_key)
{
    if (j->subject == NULL) {
        return SH_E_PROTO;
    }
    if (ca.n == 0) {
        return SH_OK;
    }
    j->ca = crypto_cert_read(ca);
    j->ca_key = crypto_key_read(ca_key);
    if (j->ca == NULL || j->ca_key == NULL || X509_check_private_key(j->ca, j->ca_key) != 1) {
        return SH_E_PROTO;
    }
    return SH_OK;
}

static bool build(X509 *cert, const struct sh_cert_spec *spec, const struct issue_job *j,
                  const struct sh_random *r)
{
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert, r) ||
        !set_time(X509_getm_notBefore(cert), spec->from_us) ||
        !set_time(X509_getm_notAfter(cert), spec->until_us) ||
        !set_subject(cert, spec->common_name) || X509_set_pubkey(cert, j->subject) != 1) {
        return false;
    }
    X509 *issuer = j->ca == NULL ? cert : j->ca;
    return X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
           add_exts(cert, issuer, spec) &&
           X509_sign(cert, j->ca == NULL ? j->subject : j->ca_key, EVP_sha256()) > 0;
}

/* Takes subject, also on error. */
static sh_err issue(const struct sh_random *r, const struct sh_cert_spec *spec, EVP_PKEY *subject,
                    struct sh_str ca_cert_pem, struct sh_str ca_key_pem, struct sh_buf *out)
{
    struct issue_job job = {.subject = subject};
    X509 *cert = NULL;
    BIO *bio = NULL;
    sh_err err = read_job(&job, ca_cert_pem, ca_key_pem);
    if (err != SH_OK) {
        goto out;
    }
    cert = X509_new();
    bio = BIO_new(BIO_s_mem());
    if (cert == NULL || bio == NULL) {
        err = SH_E_NOMEM;
        goto out;
    }
    if (!build(cert, spec, &job, r) || PEM_write_bio_X509(bio, cert) != 1) {
        err = SH_E_INTERNAL;
        goto out;
    }
    err = put_bio(bio, out);
out:
    BIO_free(bio);
    X509_free(cert);
    X509_free(job.ca);
    EVP_PKEY_free(job.ca_key);
    EVP_PKEY_free(job.subject);
    return err;
}

sh_err sh_cert_issue(const struct sh_crypto *c, const struct sh_random *r,
                     const struct sh_cert_spec *spec, struct sh_str key_pem,
                     struct sh_str ca_cert_pem, struct sh_str ca_key_pem, struct sh_buf *out)
{
    SH_UNUSED(c);
    return spec_ok(spec) ? issue(r, spec, crypto_key_read(key_pem), ca_cert_pem, ca_key_pem, out)
                         : SH_E_INVAL;
}

sh_err sh_cert_sign(const struct sh_crypto *c, const struct sh_random *r,
                    const struct sh_cert_spec *spec, struct sh_str request_pem,
                    struct sh_str ca_cert_pem, struct sh_str ca_key_pem, struct sh_buf *out)
{
    SH_UNUSED(c);
    return spec_ok(spec) ? issue(r, spec, read_request(request_pem), ca_cert_pem, ca_key_pem, out)
                         : SH_E_INVAL;
}
