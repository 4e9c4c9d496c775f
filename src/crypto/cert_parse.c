/* Reading certificates of peers: the subject, the names, the validity, the fingerprint.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include "crypto_int.h"

static X509 *read_any(struct sh_bytes in)
{
    if (in.n == 0 || in.n > SH_PEM_MAX) {
        return NULL;
    }
    X509 *cert = NULL;
    if (in.p[0] == 0x30) { /* DER: SEQUENCE */
        const uint8_t *p = in.p;
        cert = d2i_X509(NULL, &p, (long)in.n);
        if (cert != NULL && p != in.p + in.n) { /* bytes behind it */
            X509_free(cert);
            cert = NULL;
        }
    } else {
        BIO *bio = BIO_new_mem_buf(in.p, (int)in.n);
        char none[1] = "";
        cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, none);
        BIO_free(bio);
    }
    ERR_clear_error(); /* OpenSSL's queue is per thread; nobody else reads it */
    return cert;
}

/* Copies n bytes as text; false when too long, with a NUL inside, or not UTF-8. */
static bool put_text(char out[SH_CERT_NAME_CHARS], const void *p, size_t n)
{
    const struct sh_str s = sh_str_of(p, n);
    if (n >= SH_CERT_NAME_CHARS || (n > 0 && memchr(p, 0, n) != NULL) || !sh_utf8_valid(s)) {
        return false;
    }
    if (n > 0) {
        memcpy(out, p, n);
    }
    out[n] = '\0';
    return true;
}

/* The last CN; "" without one. False: the name is there and is not to be trusted as text. */
static bool common_name(const X509_NAME *name, char out[SH_CERT_NAME_CHARS])
{
    out[0] = '\0';
    int at = -1;
    for (int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1); i >= 0;
         i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) {
        at = i;
    }
    if (at < 0) {
        return true;
    }
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    unsigned char *utf8 = NULL;
    const int n = ASN1_STRING_to_UTF8(&utf8, s);
    const bool good = n >= 0 && put_text(out, utf8, (size_t)n);
    OPENSSL_free(utf8);
    return good;
}

void crypto_serial_put(const ASN1_INTEGER *serial, char out[SH_CERT_SERIAL_CHARS])
{
    BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
    char *hex = n == NULL ? NULL : BN_bn2hex(n);
    const size_t len = hex == NULL ? 0 : strlen(hex);
    if (len > 0 && len < SH_CERT_SERIAL_CHARS) {
        memcpy(out, hex, len + 1);
    }
    OPENSSL_free(hex);
    BN_free(n);
}

static bool time_of(const ASN1_TIME *t, int64_t *out_us)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(t, &tm) != 1) {
        return false;
    }
    const int64_t days = sh_days_from_civil(tm.tm_year + INT64_C(1900), (unsigned)tm.tm_mon + 1,
                                            (unsigned)tm.tm_mday);
    *out_us = (days * 86400 + INT64_C(3600) * tm.tm_hour + INT64_C(60) * tm.tm_min + tm.tm_sec) *
              INT64_C(1000000);
    return true;
}

static bool put_ip(char out[SH_CERT_NAME_CHARS], const uint8_t *p, int n)
{
    if (n != 4 && n != 16) {
        return false;
    }
    return inet_ntop(n == 4 ? AF_INET : AF_INET6, p, out, SH_CERT_NAME_CHARS) != NULL;
}

/* False: not one of the kinds we keep, or not to be trusted as text. */
static bool put_san(const GENERAL_NAME *gn, struct sh_cert_san *out)
{
    int type = 0;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(gn, &type);
    switch (type) {
    case GEN_DNS:
        out->kind = SH_SAN_DNS;
        break;
    case GEN_URI:
        out->kind = SH_SAN_URI;
        break;
    case GEN_EMAIL:
        out->kind = SH_SAN_EMAIL;
        break;
    case GEN_IPADD:
        out->kind = SH_SAN_IP;
        return s != NULL && put_ip(out->text, ASN1_STRING_get0_data(s), ASN1_STRING_length(s));
    default:
        return false;
    }
    return s != NULL &&
           put_text(out->text, ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static void put_sans(const X509 *cert, struct sh_cert_info *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const int n = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    for (int i = 0; i < n && out->nsans < SH_CERT_SANS; i++) {
        if (put_san(sk_GENERAL_NAME_value(names, i), &out->sans[out->nsans])) {
            out->nsans++;
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

static sh_err fill(const struct sh_crypto *c, X509 *cert, struct sh_cert_info *out)
{
    memset(out, 0, sizeof *out);
    if (!common_name(X509_get_subject_name(cert), out->common_name) ||
        !common_name(X509_get_issuer_name(cert), out->issuer) ||
        !time_of(X509_get0_notBefore(cert), &out->from_us) ||
        !time_of(X509_get0_notAfter(cert), &out->until_us)) {
        return SH_E_PROTO;
    }
    unsigned n = 0;
    if (X509_digest(cert, c->digest[SH_DIGEST_SHA256], out->fingerprint, &n) != 1 ||
        n != SH_HASH_BYTES) {
        return SH_E_PROTO;
    }
    crypto_serial_put(X509_get0_serialNumber(cert), out->serial);
    out->ca = X509_check_ca(cert) == 1;
    out->self_issued = X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
    put_sans(cert, out);
    return SH_OK;
}

sh_err sh_cert_parse(const struct sh_crypto *c, struct sh_bytes cert, struct sh_cert_info *out)
{
    X509 *x = read_any(cert);
    if (x == NULL) {
        return SH_E_PROTO;
    }
    const sh_err err = fill(c, x, out);
    X509_free(x);
    ERR_clear_error();
    return err;
}

sh_err sh_cert_issued_by(const struct sh_crypto *c, struct sh_bytes cert, struct sh_bytes ca)
{
    SH_UNUSED(c);
    sh_err err = SH_E_DENIED;
    X509 *x = read_any(cert);
    X509 *issuer = read_any(ca);
    if (x == NULL || issuer == NULL) {
        err = SH_E_PROTO;
    } else if (X509_check_ca(issuer) == 1 && X509_check_issued(issuer, x) == X509_V_OK) {
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        err = key != NULL && X509_verify(x, key) == 1 ? SH_OK : SH_E_DENIED;
    }
    X509_free(x);
    X509_free(issuer);
    ERR_clear_error();
    return err;
}
