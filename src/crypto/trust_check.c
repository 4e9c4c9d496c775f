/* trust_check.c - does this certificate, with this signature, prove somebody?
 *
 * OpenSSL builds and walks the chain (RFC 5280, 6.1); its callback sorts what it finds into our
 * steps and lets it go on, so that one look tells all. What it found is never forgotten: the answer
 * is good only when no step failed and OpenSSL itself came to an end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdio.h>

#include "trust_int.h"

enum { LEVEL = 2 }; /* of OpenSSL: 112 bits, so no SHA-1 and no RSA below 2048 bits */

const char *sh_trust_step_name(enum sh_trust_step s)
{
    static const char *const names[] = {"key",        "signature", "validity", "chain",
                                        "revocation", "usage",     ""};
    return names[s];
}

enum sh_trust_step sh_trust_failed(const struct sh_trust_report *r)
{
    enum sh_trust_step s = SH_TRUST_KEY;
    while (s < SH_TRUST_STEPS && r->step[s].result != SH_TRUST_FAILED) {
        s++;
    }
    return s;
}

void crypto_step_fail(struct sh_trust_report *r, enum sh_trust_step s, const char *why,
                      const char *english)
{
    if (r->step[s].result == SH_TRUST_FAILED) {
        return;
    }
    r->step[s].result = SH_TRUST_FAILED;
    r->step[s].why = why;
    (void)snprintf(r->step[s].detail, sizeof r->step[s].detail, "%s", english);
}

/* ---- the signature ---- */

static void put_lines(struct sh_buf *out, struct sh_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        const sh_err err =
            text.p[i] == '\n' ? sh_buf_put(out, "\r\n", 2) : sh_buf_put(out, text.p + i, 1);
        SH_UNUSED(err); /* what does not fit is not signed either */
    }
}

static void check_signature(const struct sh_trust *t, const struct sh_badge *b,
                            struct sh_str message, struct sh_bytes signature,
                            struct sh_trust_report *r)
{
    EVP_PKEY *key = X509_get0_pubkey(b->cert[0]);
    if (key == NULL || crypto_key_kind(key) == CRYPTO_KEY_NONE) {
        crypto_step_fail(r, SH_TRUST_KEY, "key",
                         "The key is none of SM2, ECDSA P-256 or P-384, RSA of 2048 to 8192 bits.");
        return;
    }
    const struct sh_str bare = message.n > 0 && message.p[message.n - 1] == '\n'
                                   ? sh_str_sub(message, 0, message.n - 1)
                                   : message;
    struct sh_buf lines;
    sh_buf_init(&lines, t->c->env->alloc, 2 * message.n + 2);
    put_lines(&lines, message);
    const struct sh_bytes forms[] = {sh_str_bytes(message), sh_str_bytes(bare),
                                     sh_buf_bytes(&lines),
                                     sh_bytes_of(lines.p, lines.n >= 2 ? lines.n - 2 : 0)};
    sh_err err = SH_E_DENIED;
    for (size_t i = 0; err == SH_E_DENIED && i < sizeof forms / sizeof forms[0]; i++) {
        err = crypto_proof_check(key, sh_str_c(t->distid), forms[i], signature);
    }
    sh_buf_fini(&lines);
    if (err == SH_E_PROTO) {
        crypto_step_fail(
            r, SH_TRUST_SIGNATURE, "signature_form",
            "This is no signature of such a key: DER or r and s (SM2, ECDSA), or as long as the "
            "key (RSA) is expected.");
    } else if (err != SH_OK) {
        crypto_step_fail(
            r, SH_TRUST_SIGNATURE, "signature",
            "The signature is not this key's over this text (another key, another text, another "
            "hash, or for SM2 another distinguishing id).");
    }
}

/* ---- the chain ---- */

static enum sh_trust_step step_of(int error, const char **why)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        *why = "expired";
        return SH_TRUST_TIME;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
        *why = "not_yet";
        return SH_TRUST_TIME;
    default:
        *why = "chain";
        return SH_TRUST_CHAIN;
    }
}

static int see(int ok, X509_STORE_CTX *ctx)
{
    struct sh_trust_report *r = X509_STORE_CTX_get_app_data(ctx);
    const int error = X509_STORE_CTX_get_error(ctx);
    const char *why = "";
    char text[200];
    if (ok == 1 || error == X509_V_OK) {
        return 1;
    }
    const enum sh_trust_step s = step_of(error, &why);
    (void)snprintf(text, sizeof text,
                   "%s (certificate %d of the chain, counted from the person's).",
                   X509_verify_cert_error_string(error), X509_STORE_CTX_get_error_depth(ctx) + 1);
    crypto_step_fail(r, s, why, text);
    return 1;
}

static bool fill_store(const struct sh_trust *t, X509_STORE *store)
{
    bool good = store != NULL;
    for (size_t i = 0; good && i < t->ncas; i++) {
        good = X509_STORE_add_cert(store, t->ca[i]) == 1;
    }
    return good;
}

static STACK_OF(X509) * between(const struct sh_badge *b)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    for (size_t i = 1; list != NULL && i < b->n; i++) {
        if (sk_X509_push(list, b->cert[i]) <= 0) {
            sk_X509_free(list);
            list = NULL;
        }
    }
    return list;
}

/* Those that came with the person. */
static bool set_ids(const struct sh_trust *t, const struct sh_badge *b)
{
    bool good = true;
    for (size_t i = 0; good && i < b->n; i++) {
        good = crypto_id_set(b->cert[i], t->distid) == SH_OK;
    }
    return good;
}

/* Authorities above say that they are, in version 3; OpenSSL takes old forms of it as well. */
static void check_above(X509_STORE_CTX *ctx, struct sh_trust_report *r)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 1; i < sk_X509_num(chain); i++) {
        X509 *x = sk_X509_value(chain, i);
        if (X509_check_ca(x) != 1 || crypto_key_kind(X509_get0_pubkey(x)) == CRYPTO_KEY_NONE) {
            crypto_step_fail(r, SH_TRUST_CHAIN, "chain",
                             "A certificate of the chain is none of an authority.");
        }
    }
}

static void set_rules(X509_STORE_CTX *ctx, int64_t now_us)
{
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(p, (time_t)(now_us / 1000000));
    X509_VERIFY_PARAM_set_depth(p, SH_TRUST_BADGE_CERTS);
    X509_VERIFY_PARAM_set_auth_level(p, LEVEL);
}

static sh_err check_chain(const struct sh_trust *t, const struct sh_badge *b, int64_t now_us,
                          struct sh_trust_report *r)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *list = between(b);
    sh_err err = SH_E_NOMEM;
    if (ctx != NULL && list != NULL && fill_store(t, store) && set_ids(t, b) &&
        X509_STORE_CTX_init(ctx, store, b->cert[0], list) == 1 &&
        X509_STORE_CTX_set_app_data(ctx, r) == 1) {
        set_rules(ctx, now_us);
        X509_STORE_CTX_set_verify_cb(ctx, see);
        if (X509_verify_cert(ctx) != 1) {
            crypto_step_fail(r, SH_TRUST_CHAIN, "chain",
                             "The chain can not be checked to its end.");
        } else {
            check_above(ctx, r);
            crypto_crl_check(t, X509_STORE_CTX_get0_chain(ctx), now_us, r);
        }
        err = SH_OK;
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_free(list);
    ERR_clear_error();
    return err;
}

/* ---- what it is for ---- */

static bool has_policy(X509 *x, struct sh_str wanted)
{
    CERTIFICATEPOLICIES *all = X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
    const int n = all == NULL ? 0 : sk_POLICYINFO_num(all);
    bool found = false;
    for (int i = 0; !found && i < n; i++) {
        char text[128];
        const int len = OBJ_obj2txt(text, sizeof text, sk_POLICYINFO_value(all, i)->policyid, 1);
        struct sh_str rest = wanted;
        while (!found && rest.n > 0 && len > 0 && len < (int)sizeof text) {
            found = sh_str_eqc(sh_str_cut(rest, ' ', &rest), text);
        }
    }
    CERTIFICATEPOLICIES_free(all);
    ERR_clear_error();
    return found;
}

static void check_usage(const struct sh_trust *t, const struct sh_badge *b,
                        struct sh_trust_report *r)
{
    X509 *x = b->cert[0];
    const uint32_t flags = X509_get_extension_flags(x);
    if ((flags & EXFLAG_INVALID) != 0 || (flags & EXFLAG_CA) != 0) {
        crypto_step_fail(
            r, SH_TRUST_USAGE, "authority",
            "This is the certificate of an authority, or its extensions can not be read.");
    } else if ((X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
        crypto_step_fail(
            r, SH_TRUST_USAGE, "key_usage",
            "The key is not for signatures (key usage digitalSignature or nonRepudiation): of a "
            "pair it is the one for encryption.");
    } else if (((flags & EXFLAG_XKUSAGE) != 0 || t->client_auth) &&
               ((flags & EXFLAG_XKUSAGE) == 0 ||
                (X509_get_extended_key_usage(x) & (XKU_SSL_CLIENT | XKU_ANYEKU)) == 0)) {
        crypto_step_fail(r, SH_TRUST_USAGE, "extended_usage",
                         "The certificate is not for signing in (extended key usage clientAuth).");
    } else if (t->policies[0] != '\0' && !has_policy(x, sh_str_c(t->policies))) {
        crypto_step_fail(r, SH_TRUST_USAGE, "policy",
                         "The certificate has none of the policies that are asked for.");
    }
}

/* ---- the whole ---- */

sh_err sh_trust_check(const struct sh_trust *t, const struct sh_badge *b, struct sh_str message,
                      struct sh_bytes signature, int64_t now_us, struct sh_trust_report *out)
{
    memset(out, 0, sizeof *out);
    for (int s = 0; s < SH_TRUST_STEPS; s++) {
        out->step[s].result = SH_TRUST_OK;
        out->step[s].why = "";
    }
    if (t->ncrls == 0) {
        out->step[SH_TRUST_REVOCATION].result = SH_TRUST_SKIPPED;
    }
    check_signature(t, b, message, signature, out);
    if (out->step[SH_TRUST_KEY].result == SH_TRUST_FAILED) {
        out->step[SH_TRUST_SIGNATURE].result = SH_TRUST_SKIPPED;
    }
    SH_TRY(check_chain(t, b, now_us, out));
    check_usage(t, b, out);
    return sh_trust_failed(out) == SH_TRUST_STEPS ? SH_OK : SH_E_DENIED;
}
