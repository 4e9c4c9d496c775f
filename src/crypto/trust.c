/* trust.c - trust lists, lists of revoked certificates, people's certificates: reading them and
 * saying what is in them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "trust_int.h"

static sh_err bad(struct sh_diag *diag, const char *path, const char *words, const char *remedy)
{
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_set(diag, "%s", words);
    sh_diag_remedy(diag, "%s", remedy);
    return SH_E_PROTO;
}

/* ---- reading ---- */

sh_err crypto_id_set(X509 *x, const char *distid)
{
    ASN1_OCTET_STRING *id = NULL;
    if (X509_get_signature_nid(x) != NID_SM2_with_SM3) {
        return SH_OK;
    }
    id = ASN1_OCTET_STRING_new();
    if (id == NULL ||
        ASN1_OCTET_STRING_set(id, (const unsigned char *)distid, (int)strlen(distid)) != 1) {
        ASN1_OCTET_STRING_free(id);
        return SH_E_NOMEM;
    }
    X509_set0_distinguishing_id(x, id); /* taken over */
    return SH_OK;
}

static BIO *bio_of(struct sh_str pem)
{
    return BIO_new_mem_buf(pem.p, (int)pem.n);
}

/* Certificates one behind the other; what stands between them does not matter. SH_E_PROTO: none;
 * SH_E_LIMIT: more than fit. */
static sh_err read_certs(struct sh_str pem, X509 **out, size_t cap, size_t *n)
{
    char none[1] = "";
    BIO *bio = bio_of(pem);
    sh_err err = bio == NULL ? SH_E_NOMEM : SH_OK;
    while (err == SH_OK) {
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, none);
        if (x == NULL) {
            err = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE && *n > 0
                      ? SH_E_NOTFOUND
                      : SH_E_PROTO;
        } else if (*n == cap) {
            X509_free(x);
            err = SH_E_LIMIT;
        } else {
            out[(*n)++] = x;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

static sh_err read_crls(struct sh_str pem, X509_CRL **out, size_t cap, size_t *n)
{
    char none[1] = "";
    BIO *bio = bio_of(pem);
    sh_err err = bio == NULL ? SH_E_NOMEM : SH_OK;
    while (err == SH_OK) {
        X509_CRL *x = PEM_read_bio_X509_CRL(bio, NULL, NULL, none);
        if (x == NULL) {
            err = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE && *n > 0
                      ? SH_E_NOTFOUND
                      : SH_E_PROTO;
        } else if (*n == cap) {
            X509_CRL_free(x);
            err = SH_E_LIMIT;
        } else {
            out[(*n)++] = x;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return err == SH_E_NOTFOUND ? SH_OK : err;
}

/* ---- the trust list ---- */

bool sh_trust_policies_ok(struct sh_str policies)
{
    while (policies.n > 0) {
        char text[128];
        const struct sh_str one = sh_str_cut(policies, ' ', &policies);
        if (one.n >= sizeof text) {
            return false;
        }
        for (size_t i = 0; i < one.n; i++) {
            if (one.p[i] != '.' && (one.p[i] < '0' || one.p[i] > '9')) {
                return false;
            }
        }
        memcpy(text, one.p, one.n);
        text[one.n] = '\0';
        ASN1_OBJECT *o = one.n == 0 ? NULL : OBJ_txt2obj(text, 1);
        ASN1_OBJECT_free(o);
        ERR_clear_error();
        if (one.n > 0 && o == NULL) {
            return false;
        }
    }
    return true;
}

static sh_err read_authorities(struct sh_trust *t, struct sh_str pem, struct sh_diag *diag)
{
    static const char paste[] = "Paste the certificates of the authorities in PEM, at most 16.";
    if (pem.n == 0 || pem.n > SH_TRUST_CA_MAX) {
        return bad(diag, "/ca", "The trust list is empty, or longer than 32 KiB.", paste);
    }
    const sh_err err = read_certs(pem, t->ca, SH_TRUST_CAS, &t->ncas);
    if (err != SH_OK) {
        return err == SH_E_NOMEM
                   ? err
                   : bad(diag, "/ca", "The trust list is not the PEM text of certificates.", paste);
    }
    for (size_t i = 0; i < t->ncas; i++) {
        SH_TRY(crypto_id_set(t->ca[i], t->distid));
        if (X509_check_ca(t->ca[i]) != 1 ||
            crypto_key_kind(X509_get0_pubkey(t->ca[i])) == CRYPTO_KEY_NONE) {
            return bad(diag, "/ca",
                       "One of the trusted certificates is none of an authority (basic constraints "
                       "CA, key usage keyCertSign), or its key is not SM2, P-256, P-384 or RSA of "
                       "2048 bits and more.",
                       "Trust the authority that issues people's certificates, not those.");
        }
    }
    return SH_OK;
}

static sh_err read_revoked(struct sh_trust *t, struct sh_str pem, struct sh_diag *diag)
{
    static const char paste[] = "Give the authorities' lists in PEM, at most 16 and 256 KiB.";
    if (pem.n == 0) {
        return SH_OK;
    }
    const sh_err err =
        pem.n > SH_TRUST_CRL_MAX ? SH_E_LIMIT : read_crls(pem, t->crl, SH_TRUST_CRLS, &t->ncrls);
    if (err != SH_OK) {
        return err == SH_E_NOMEM
                   ? err
                   : bad(diag, "/crl", "This is no list of revoked certificates.", paste);
    }
    return SH_OK;
}

static bool copy(char *out, size_t cap, struct sh_str s)
{
    if (s.n >= cap) {
        return false;
    }
    if (s.n > 0) {
        memcpy(out, s.p, s.n);
    }
    out[s.n] = '\0';
    return true;
}

sh_err sh_trust_new(const struct sh_crypto *c, const struct sh_trust_spec *spec,
                    struct sh_diag *diag, struct sh_trust **out)
{
    struct sh_trust *t = sh_mem_new(c->env->alloc, sizeof *t);
    if (t == NULL) {
        return SH_E_NOMEM;
    }
    t->c = c;
    t->lenient = spec->lenient;
    t->client_auth = spec->client_auth;
    sh_err err = SH_OK;
    if (!copy(t->distid, sizeof t->distid,
              spec->distid.n == 0 ? SH_STR(SH_SM2_DISTID) : spec->distid)) {
        err = bad(diag, "/distid", "The distinguishing id of SM2 has at most 128 bytes.",
                  "Leave it empty for 1234567812345678, as GM/T 0009 has it.");
    } else if (!copy(t->policies, sizeof t->policies, spec->policies) ||
               !sh_trust_policies_ok(spec->policies)) {
        err =
            bad(diag, "/policies", "Policies are object ids such as 1.2.156.10197.1.301, by space.",
                "Leave it empty to take certificates of any policy.");
    }
    err = err == SH_OK ? read_authorities(t, spec->ca, diag) : err;
    err = err == SH_OK ? read_revoked(t, spec->crl, diag) : err;
    ERR_clear_error();
    if (err != SH_OK) {
        sh_trust_free(t);
        return err;
    }
    *out = t;
    return SH_OK;
}

void sh_trust_free(struct sh_trust *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->ncas; i++) {
        X509_free(t->ca[i]);
    }
    for (size_t i = 0; i < t->ncrls; i++) {
        X509_CRL_free(t->crl[i]);
    }
    sh_mem_free(t->c->env->alloc, t);
}

size_t sh_trust_cas(const struct sh_trust *t)
{
    return t->ncas;
}

size_t sh_trust_crls(const struct sh_trust *t)
{
    return t->ncrls;
}

/* ---- what is told ---- */

/* RFC 4514; what is too long is cut at a character, what is no text is left out. */
static void put_name(const X509_NAME *name, char out[SH_TRUST_NAME_CHARS])
{
    char *p = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    out[0] = '\0';
    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >=
            0) {
        long n = BIO_get_mem_data(bio, &p);
        n = n < 0 ? 0 : n;
        size_t len = (size_t)n < SH_TRUST_NAME_CHARS - 1 ? (size_t)n : SH_TRUST_NAME_CHARS - 1;
        while (len > 0 && len < (size_t)n && ((uint8_t)p[len] & 0xc0) == 0x80) {
            len--;
        }
        if (sh_utf8_valid(sh_str_of(p, len)) && (len == 0 || memchr(p, 0, len) == NULL)) {
            (void)copy(out, SH_TRUST_NAME_CHARS, sh_str_of(p, len));
        }
    }
    BIO_free(bio);
    ERR_clear_error();
}

static bool time_of(const ASN1_TIME *t, int64_t *out_us)
{
    struct tm tm = {0};
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1) {
        return false;
    }
    const int64_t days = sh_days_from_civil(tm.tm_year + INT64_C(1900), (unsigned)tm.tm_mon + 1,
                                            (unsigned)tm.tm_mday);
    *out_us = (days * 86400 + INT64_C(3600) * tm.tm_hour + INT64_C(60) * tm.tm_min + tm.tm_sec) *
              INT64_C(1000000);
    return true;
}

static sh_err tell(const struct sh_crypto *c, X509 *x, struct sh_trust_cert *out)
{
    unsigned a = 0;
    unsigned b = 0;
    memset(out, 0, sizeof *out);
    put_name(X509_get_subject_name(x), out->subject);
    put_name(X509_get_issuer_name(x), out->issuer);
    crypto_serial_put(X509_get0_serialNumber(x), out->serial);
    crypto_key_name(X509_get0_pubkey(x), out->key);
    const bool good = time_of(X509_get0_notBefore(x), &out->from_us) &&
                      time_of(X509_get0_notAfter(x), &out->until_us) &&
                      X509_digest(x, c->digest[SH_DIGEST_SHA256], out->sha256, &a) == 1 &&
                      X509_digest(x, c->digest[SH_DIGEST_SM3], out->sm3, &b) == 1;
    ERR_clear_error();
    return good && a == SH_HASH_BYTES && b == SH_HASH_BYTES ? SH_OK : SH_E_PROTO;
}

sh_err sh_trust_ca(const struct sh_trust *t, size_t i, struct sh_trust_cert *out)
{
    return tell(t->c, t->ca[i], out);
}

bool sh_trust_crl(const struct sh_trust *t, size_t i, struct sh_trust_crl *out)
{
    X509_CRL *crl = t->crl[i];
    bool known = false;
    memset(out, 0, sizeof *out);
    put_name(X509_CRL_get_issuer(crl), out->issuer);
    (void)time_of(X509_CRL_get0_lastUpdate(crl), &out->this_us);
    (void)time_of(X509_CRL_get0_nextUpdate(crl), &out->next_us);
    const STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl);
    unsigned len = 0;
    if (X509_CRL_digest(crl, t->c->digest[SH_DIGEST_SHA256], out->sha256, &len) != 1) {
        memset(out->sha256, 0, sizeof out->sha256);
    }
    out->n = revoked == NULL ? 0 : (size_t)sk_X509_REVOKED_num(revoked);
    for (size_t k = 0; !known && k < t->ncas; k++) {
        known = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(t->ca[k])) == 0 &&
                crypto_crl_by(t, crl, t->ca[k]);
    }
    ERR_clear_error();
    return known;
}

/* ---- a person's certificate ---- */

/* base64 of DER, with white space in it. */
static sh_err read_plain(const struct sh_crypto *c, struct sh_str text, struct sh_badge *b)
{
    struct sh_buf tight;
    struct sh_buf der;
    sh_buf_init(&tight, c->env->alloc, SH_TRUST_BADGE_MAX);
    sh_buf_init(&der, c->env->alloc, SH_TRUST_BADGE_MAX);
    sh_err err = SH_OK;
    for (size_t i = 0; err == SH_OK && i < text.n; i++) {
        const char ch = text.p[i];
        err = ch == ' ' || ch == '\r' || ch == '\n' || ch == '\t' ? SH_OK
                                                                  : sh_buf_put(&tight, &ch, 1);
    }
    err = err == SH_OK ? sh_base64_parse(sh_buf_str(&tight), false, &der) : err;
    if (err == SH_OK && b->n < SH_TRUST_BADGE_CERTS) {
        const unsigned char *p = der.p;
        X509 *x = der.n == 0 ? NULL : d2i_X509(NULL, &p, (long)der.n);
        if (x != NULL && p == der.p + der.n) {
            b->cert[b->n++] = x;
        } else {
            X509_free(x);
            err = SH_E_PROTO;
        }
    }
    sh_buf_fini(&tight);
    sh_buf_fini(&der);
    ERR_clear_error();
    return err == SH_E_NOMEM ? err : err == SH_OK ? SH_OK : SH_E_PROTO;
}

static sh_err read_text(const struct sh_crypto *c, struct sh_str text, struct sh_badge *b)
{
    const struct sh_str s = sh_str_trim(text);
    if (s.n == 0) {
        return SH_OK;
    }
    if (s.n > SH_TRUST_BADGE_MAX) {
        return SH_E_PROTO;
    }
    size_t more = 0;
    if (memchr(s.p, '-', s.n) == NULL) {
        return read_plain(c, s, b);
    }
    const sh_err err = read_certs(s, b->cert + b->n, SH_TRUST_BADGE_CERTS - b->n, &more);
    b->n += more;
    return err == SH_E_NOMEM || err == SH_OK ? err : SH_E_PROTO;
}

sh_err sh_badge_read(const struct sh_crypto *c, struct sh_str certificate, struct sh_str chain,
                     struct sh_badge **out)
{
    struct sh_badge *b = sh_mem_new(c->env->alloc, sizeof *b);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    b->c = c;
    sh_err err = read_text(c, certificate, b);
    err = err == SH_OK && b->n == 0 ? SH_E_PROTO : err;
    err = err == SH_OK ? read_text(c, chain, b) : err;
    if (err != SH_OK) {
        sh_badge_free(b);
        return err;
    }
    *out = b;
    return SH_OK;
}

void sh_badge_free(struct sh_badge *b)
{
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < b->n; i++) {
        X509_free(b->cert[i]);
    }
    sh_mem_free(b->c->env->alloc, b);
}

sh_err sh_badge_cert(const struct sh_badge *b, struct sh_trust_cert *out)
{
    return tell(b->c, b->cert[0], out);
}

static bool put_value(char out[SH_TRUST_VALUE_CHARS], struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
            return false;
        }
    }
    return s.n > 0 && sh_utf8_valid(s) && copy(out, SH_TRUST_VALUE_CHARS, s);
}

static bool email_of(const struct sh_badge *b, size_t i, char out[SH_TRUST_VALUE_CHARS])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(b->cert[0], NID_subject_alt_name, NULL, NULL);
    const int n = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    bool found = false;
    for (int k = 0; !found && k < n; k++) {
        int type = 0;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, k), &type);
        if (type == GEN_EMAIL && i-- == 0) {
            found = s != NULL && put_value(out, sh_str_of((const char *)ASN1_STRING_get0_data(s),
                                                          (size_t)ASN1_STRING_length(s)));
            break;
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return found;
}

bool sh_badge_value(const struct sh_badge *b, enum sh_badge_field field, size_t i,
                    char out[SH_TRUST_VALUE_CHARS])
{
    static const int nids[] = {NID_commonName, NID_serialNumber,           NID_pkcs9_emailAddress,
                               NID_userId,     NID_organizationalUnitName, NID_organizationName};
    const X509_NAME *name = X509_get_subject_name(b->cert[0]);
    out[0] = '\0';
    int at = X509_NAME_get_index_by_NID(name, nids[field], -1);
    if (at < 0 && field == SH_BADGE_EMAIL) {
        return email_of(b, i, out);
    }
    for (; at >= 0 && i > 0; i--) {
        at = X509_NAME_get_index_by_NID(name, nids[field], at);
    }
    if (at < 0) {
        return false;
    }
    unsigned char *utf8 = NULL;
    const int n =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    const bool good = n >= 0 && put_value(out, sh_str_of((const char *)utf8, (size_t)n));
    OPENSSL_free(utf8);
    ERR_clear_error();
    return good;
}
