/* trust_crl.c - lists of revoked certificates (RFC 5280, clause 5 and 6.3): whose they are, whether
 * they are in force, who is in them. Our own, as OpenSSL 3.0 has no place for the distinguishing id
 * of SM2 when it checks a list. Whole lists alone are taken: no delta lists, none of some reasons,
 * none that somebody else than the authority made.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "trust_int.h"

/* ---- whose it is ---- */

/* What the signature is over, byte for byte as it came: the first member of the outer sequence. */
static struct sh_bytes signed_part(const uint8_t *der, int n)
{
    const unsigned char *p = der;
    long len = 0;
    int tag = 0;
    int class = 0;
    if ((ASN1_get_object(&p, &len, &tag, &class, n) & 0x80) != 0 || tag != V_ASN1_SEQUENCE) {
        return sh_bytes_of(NULL, 0);
    }
    const unsigned char *inner = p;
    const unsigned char *end = p + len;
    if ((ASN1_get_object(&p, &len, &tag, &class, len) & 0x80) != 0 || len > end - p) {
        return sh_bytes_of(NULL, 0);
    }
    return sh_bytes_of(inner, (size_t)(p + len - inner));
}

static bool by_sm2(const struct sh_trust *t, X509_CRL *crl, EVP_PKEY *key)
{
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    uint8_t *der = NULL;
    X509_CRL_get0_signature(crl, &sig, &alg);
    const int n = i2d_X509_CRL(crl, &der);
    const struct sh_bytes part = n > 0 ? signed_part(der, n) : sh_bytes_of(NULL, 0);
    const bool good = sig != NULL && X509_CRL_get_signature_nid(crl) == NID_SM2_with_SM3 &&
                      part.n > 0 &&
                      crypto_proof_check(key, sh_str_c(t->distid), part,
                                         sh_bytes_of(ASN1_STRING_get0_data(sig),
                                                     (size_t)ASN1_STRING_length(sig))) == SH_OK;
    OPENSSL_free(der);
    return good;
}

bool crypto_crl_by(const struct sh_trust *t, X509_CRL *crl, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);
    if (key == NULL || (X509_get_key_usage(ca) & KU_CRL_SIGN) == 0) {
        return false;
    }
    const bool good = crypto_key_kind(key) == CRYPTO_KEY_SM2 ? by_sm2(t, crl, key)
                                                             : X509_CRL_verify(crl, key) == 1;
    ERR_clear_error();
    return good;
}

/* ---- what it covers ---- */

/* 5.2: another critical extension than this one makes a list that can not be used; so does one that
 * tells of some reasons alone, or of other authorities' certificates. */
static bool is_whole(X509_CRL *crl, bool of_authority)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *e = X509_CRL_get_ext(crl, i);
        const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        if (X509_EXTENSION_get_critical(e) == 1 && nid != NID_issuing_distribution_point) {
            return false;
        }
    }
    int critical = 0;
    ISSUING_DIST_POINT *p =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
    const bool good = p == NULL
                          ? critical == -1
                          : p->onlyattr <= 0 && p->indirectCRL <= 0 && p->onlysomereasons == NULL &&
                                (of_authority ? p->onlyuser <= 0 : p->onlyCA <= 0);
    ISSUING_DIST_POINT_free(p);
    return good;
}

static bool in_force(const X509_CRL *crl, time_t now)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    return X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &now) < 0 && next != NULL &&
           X509_cmp_time(next, &now) > 0;
}

struct covered {
    bool named;   /* there is a list by that name */
    bool good;    /* of the authority, and whole */
    bool current; /* and in force */
    bool revoked;
};

static struct covered look_up(const struct sh_trust *t, X509 *x, X509 *issuer, bool of_authority,
                              time_t now)
{
    struct covered c = {.named = false};
    for (size_t i = 0; i < t->ncrls; i++) {
        X509_CRL *crl = t->crl[i];
        X509_REVOKED *entry = NULL;
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0) {
            continue;
        }
        c.named = true;
        if (!crypto_crl_by(t, crl, issuer) || !is_whole(crl, of_authority)) {
            continue;
        }
        c.good = true;
        c.current = c.current || in_force(crl, now);
        c.revoked = c.revoked || X509_CRL_get0_by_cert(crl, &entry, x) == 1;
    }
    ERR_clear_error();
    return c;
}

void crypto_crl_check(const struct sh_trust *t, STACK_OF(X509) * chain, int64_t now_us,
                      struct sh_trust_report *r)
{
    static const enum sh_trust_step step = SH_TRUST_REVOCATION;
    for (int i = 0; t->ncrls > 0 && i + 1 < sk_X509_num(chain); i++) {
        const struct covered c = look_up(t, sk_X509_value(chain, i), sk_X509_value(chain, i + 1),
                                         i > 0, (time_t)(now_us / 1000000));
        if (c.revoked) {
            crypto_step_fail(r, step, "revoked",
                             i == 0 ? "The certificate is revoked."
                                    : "The certificate of an authority in between is revoked.");
        } else if (c.named && !c.good) {
            crypto_step_fail(
                r, step, "crl",
                "The list of revoked certificates is not signed by the authority whose "
                "name it has, or is not whole.");
        } else if (!c.named && !t->lenient) {
            crypto_step_fail(r, step, "crl_missing",
                             i == 0 ? "There is no list of revoked certificates of the authority "
                                      "that issued this certificate."
                                    : "There is no list of revoked certificates of an authority in "
                                      "between.");
        } else if (c.good && !c.current && !t->lenient) {
            crypto_step_fail(r, step, "crl_stale",
                             "The list of revoked certificates is not in force any more: the "
                             "authority has published a newer one, which is to be entered.");
        }
    }
}
