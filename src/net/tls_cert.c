/* tls_cert.c - what a certificate says, and the self-signed one of the first start.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_int.h"

int64_t tls_not_after(const X509 *cert)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int secs = 0;
    int64_t us = 0;
    if (epoch != NULL && ASN1_TIME_diff(&days, &secs, epoch, X509_get0_notAfter(cert)) == 1) {
        us = ((int64_t)days * 86400 + secs) * 1000000;
    }
    ASN1_TIME_free(epoch);
    return us;
}

/* Copies text into out, cut at a whole UTF-8 character, without control characters. */
static void put_text(char *out, size_t cap, const char *p, size_t n)
{
    size_t len = n < cap - 1 ? n : cap - 1;
    while (len > 0 && len < n && ((uint8_t)p[len] & 0xc0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = p[i];
        if ((uint8_t)p[i] < 0x20 || p[i] == 0x7f) {
            out[i] = '?';
        }
    }
    out[len] = '\0';
}

static void put_subject(const X509 *cert, struct sh_peer_cert *out)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    BIO *b = BIO_new(BIO_s_mem());
    if (b != NULL && X509_NAME_print_ex(
                         b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        char *p = NULL;
        const long n = BIO_get_mem_data(b, &p);
        put_text(out->subject, sizeof out->subject, p, n < 0 ? 0 : (size_t)n);
    }
    BIO_free(b);
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at >= 0) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
        unsigned char *utf8 = NULL;
        const int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
        if (n >= 0) {
            put_text(out->cn, sizeof out->cn, (const char *)utf8, (size_t)n);
            OPENSSL_free(utf8);
        }
    }
}

static void put_name(const GENERAL_NAME *g, char *text, size_t cap)
{
    int type = 0;
    const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
    const char *kind = type == GEN_DNS     ? "DNS:"
                       : type == GEN_URI   ? "URI:"
                       : type == GEN_EMAIL ? "email:"
                       : type == GEN_IPADD ? "IP:"
                                           : NULL;
    text[0] = '\0';
    if (kind == NULL) {
        return;
    }
    const uint8_t *p = ASN1_STRING_get0_data(s);
    const int n = ASN1_STRING_length(s);
    char value[256] = {0};
    if (type != GEN_IPADD) {
        put_text(value, sizeof value, (const char *)p, n < 0 ? 0 : (size_t)n);
    } else if (n == 4 || n == 16) {
        (void)inet_ntop(n == 4 ? AF_INET : AF_INET6, p, value, sizeof value);
    }
    (void)snprintf(text, cap, "%s%s", kind, value);
}

static void put_san(const X509 *cert, struct sh_peer_cert *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        char text[300];
        put_name(sk_GENERAL_NAME_value(names, i), text, sizeof text);
        const size_t n = strlen(text);
        if (n > 0 && len + n + 2 <= sizeof out->san) { /* one that does not fit is left out whole */
            if (len > 0) {
                out->san[len++] = ',';
            }
            memcpy(out->san + len, text, n + 1);
            len += n;
        }
    }
    GENERAL_NAMES_free(names);
}

void tls_describe(X509 *cert, bool verified, struct sh_peer_cert *out)
{
    *out = (struct sh_peer_cert){.verified = verified, .not_after_us = tls_not_after(cert)};
    unsigned n = 0;
    (void)X509_digest(cert, EVP_sha256(), out->sha256, &n);
    put_subject(cert, out);
    put_san(cert, out);
    ERR_clear_error();
}

/* ---- self-signed ---- */

static bool add_ext(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    const bool ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool is_ip(const char *s)
{
    uint8_t ip[16];
    return inet_pton(AF_INET, s, ip) == 1 || inet_pton(AF_INET6, s, ip) == 1;
}

/* "a,1.2.3.4" -> "DNS:a,IP:1.2.3.4"; the first also as common name. */
static sh_err put_names(X509 *cert, struct sh_str names)
{
    char san[1024] = {0};
    size_t len = 0;
    struct sh_str rest = names;
    X509_NAME *subject = X509_get_subject_name(cert);
    while (rest.p != NULL) {
        const struct sh_str one = sh_str_trim(sh_str_cut(rest, ',', &rest));
        char text[128];
        if (one.n == 0 || one.n >= sizeof text) {
            return SH_E_INVAL;
        }
        for (size_t i = 0; i < one.n; i++) {
            const char c = one.p[i];
            if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' &&
                c != '.' && c != ':' && c != '*') {
                return SH_E_INVAL;
            }
            text[i] = c;
        }
        text[one.n] = '\0';
        if (len == 0 &&
            X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                       (const unsigned char *)text, (int)one.n, -1, 0) != 1) {
            return SH_E_INVAL; /* longer than 64 */
        }
        const int n = snprintf(san + len, sizeof san - len, "%s%s:%s", len == 0 ? "" : ",",
                               is_ip(text) ? "IP" : "DNS", text);
        if (n < 0 || (size_t)n >= sizeof san - len) {
            return SH_E_LIMIT;
        }
        len += (size_t)n;
    }
    return add_ext(cert, NID_subject_alt_name, san) ? SH_OK : SH_E_INVAL;
}

static sh_err fill_cert(const struct sh_env *env, X509 *cert, EVP_PKEY *key, struct sh_str names,
                        int days)
{
    uint64_t serial = 0;
    SH_TRY(env->random->fill(env->random->ctx, &serial, sizeof serial));
    const int64_t now = sh_wall_us(env->clock) / 1000000;
    const bool ok =
        X509_set_version(cert, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(cert), now - 3600) != NULL && /* clocks differ a little */
        ASN1_TIME_set(X509_getm_notAfter(cert), now + (int64_t)days * 86400) != NULL &&
        X509_set_pubkey(cert, key) == 1;
    if (!ok) {
        return SH_E_NOMEM;
    }
    SH_TRY(put_names(cert, names));
    if (X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !add_ext(cert, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_ext(cert, NID_key_usage, "critical,digitalSignature") ||
        !add_ext(cert, NID_ext_key_usage, "serverAuth,clientAuth") ||
        !add_ext(cert, NID_subject_key_identifier, "hash") ||
        X509_sign(cert, key, EVP_sha256()) <= 0) {
        return SH_E_NOMEM;
    }
    return SH_OK;
}

static sh_err put_pem(BIO *b, struct sh_buf *out)
{
    char *p = NULL;
    const long n = BIO_get_mem_data(b, &p);
    return n <= 0 ? SH_E_NOMEM : sh_buf_put(out, p, (size_t)n);
}

sh_err sh_tls_selfsigned(const struct sh_env *env, struct sh_str names, int days,
                         struct sh_buf *cert_pem, struct sh_buf *key_pem)
{
    if (days < 1 || days > 36500) {
        return SH_E_INVAL;
    }
    ERR_clear_error();
    const size_t was = cert_pem->n;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cb = BIO_new(BIO_s_mem());
    BIO *kb = BIO_new(BIO_s_secmem());
    sh_err e = SH_E_NOMEM;
    if (key != NULL && cert != NULL && cb != NULL && kb != NULL) {
        e = fill_cert(env, cert, key, names, days);
    }
    if (e == SH_OK && (PEM_write_bio_X509(cb, cert) != 1 ||
                       PEM_write_bio_PrivateKey(kb, key, NULL, NULL, 0, NULL, NULL) != 1)) {
        e = SH_E_NOMEM;
    }
    if (e == SH_OK) {
        e = put_pem(cb, cert_pem);
    }
    if (e == SH_OK) {
        e = put_pem(kb, key_pem);
    }
    if (e != SH_OK) {
        cert_pem->n = was;
    }
    BIO_free(cb);
    BIO_free(kb);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return e;
}
