/* trust_config.c - what a provider of the kind certificate says: whom it trusts, whose certificates
 * are revoked, how people are found; the stored and the shown form, and reading it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "guard_int.h"

static const char *const fields[] = {"cn", "serialNumber", "emailAddress", "uid"};
static const char *const groups[] = {"ou", "o", ""};

static void put_text(struct sh_jw *w, const char *key, const char *text)
{
    sh_jw_key(w, key);
    sh_jw_c(w, text);
}

static void put_bool(struct sh_jw *w, const char *key, bool value)
{
    sh_jw_key(w, key);
    sh_jw_bool(w, value);
}

void guard_trust_defaults(struct guard_provider *p)
{
    (void)guard_copy(p->name_claim, sizeof p->name_claim, SH_STR("cn"));
    (void)guard_copy(p->roles_claim, sizeof p->roles_claim, SH_STR("ou"));
    (void)guard_copy(p->trust.distid, sizeof p->trust.distid, SH_STR(SH_SM2_DISTID));
    p->trust.self_bind = true;
}

/* ---- writing ---- */

void guard_trust_write(const struct guard_trust *t, struct sh_jw *w)
{
    sh_jw_key(w, "ca");
    sh_jw_str(w, t->ca);
    put_text(w, "distid", t->distid);
    put_text(w, "policies", t->policies);
    put_text(w, "revocation", t->lenient ? "lenient" : "strict");
    put_bool(w, "client_auth", t->client_auth);
    put_text(w, "match", t->by_name ? "name" : "fingerprint");
    put_bool(w, "self_bind", t->self_bind);
}

void guard_trust_store(const struct guard_trust *t, struct sh_jw *w)
{
    sh_jw_key(w, "crl");
    sh_jw_str(w, t->crl);
}

static void put_print(struct sh_jw *w, const char *key, const uint8_t hash[SH_HASH_BYTES])
{
    char hex[SH_HASH_HEX];
    sh_hash_hex(hash, hex);
    put_text(w, key, hex);
}

static void show_ca(const struct sh_trust *t, size_t i, struct sh_jw *w)
{
    struct sh_trust_cert c;
    if (sh_trust_ca(t, i, &c) != SH_OK) {
        return;
    }
    sh_jw_obj(w);
    put_text(w, "subject", c.subject);
    put_text(w, "issuer", c.issuer);
    put_text(w, "serial", c.serial);
    put_text(w, "key", c.key);
    sh_jw_key(w, "from");
    sh_jw_time(w, c.from_us);
    sh_jw_key(w, "until");
    sh_jw_time(w, c.until_us);
    put_print(w, "sha256", c.sha256);
    put_print(w, "sm3", c.sm3);
    sh_jw_obj_end(w);
}

static void show_crl(const struct sh_trust *t, size_t i, struct sh_jw *w)
{
    struct sh_trust_crl c;
    const bool known = sh_trust_crl(t, i, &c);
    sh_jw_obj(w);
    put_text(w, "issuer", c.issuer);
    sh_jw_key(w, "this_update");
    sh_jw_time(w, c.this_us);
    sh_jw_key(w, "next_update");
    if (c.next_us == 0) {
        sh_jw_null(w);
    } else {
        sh_jw_time(w, c.next_us);
    }
    sh_jw_key(w, "revoked");
    sh_jw_u64(w, c.n);
    put_bool(w, "of_trust_list", known);
    put_print(w, "sha256", c.sha256);
    sh_jw_obj_end(w);
}

void guard_trust_show(struct sh_guard *g, const struct guard_trust *t, struct sh_jw *w)
{
    struct sh_trust *trust = NULL;
    const sh_err err = guard_trust_open(g, t, NULL, &trust);
    sh_jw_key(w, "authorities");
    sh_jw_arr(w);
    for (size_t i = 0; err == SH_OK && i < sh_trust_cas(trust); i++) {
        show_ca(trust, i, w);
    }
    sh_jw_arr_end(w);
    sh_jw_key(w, "revocation_lists");
    sh_jw_arr(w);
    for (size_t i = 0; err == SH_OK && i < sh_trust_crls(trust); i++) {
        show_crl(trust, i, w);
    }
    sh_jw_arr_end(w);
    sh_trust_free(trust);
}

/* ---- ownership ---- */

sh_err guard_trust_copy(struct sh_guard *g, const struct guard_trust *from, struct guard_trust *to)
{
    *to = *from;
    to->ca = sh_str_dup(g->env->alloc, from->ca);
    to->crl = sh_str_dup(g->env->alloc, from->crl);
    return to->ca.p == NULL || to->crl.p == NULL ? SH_E_NOMEM : SH_OK;
}

void guard_trust_drop(struct sh_guard *g, struct guard_trust *t)
{
    sh_str_free(g->env->alloc, &t->ca);
    sh_str_free(g->env->alloc, &t->crl);
}

sh_err guard_trust_open(struct sh_guard *g, const struct guard_trust *t, struct sh_diag *diag,
                        struct sh_trust **out)
{
    const struct sh_trust_spec spec = {.ca = t->ca,
                                       .crl = t->crl,
                                       .distid = sh_str_c(t->distid),
                                       .lenient = t->lenient,
                                       .client_auth = t->client_auth,
                                       .policies = sh_str_c(t->policies)};
    return sh_trust_new(g->crypto, &spec, diag, out);
}

/* ---- reading ---- */

/* PEM keeps its lines. */
static sh_err take_pem(struct sh_guard *g, const json_t *o, const char *member, size_t max,
                       struct sh_str *out)
{
    const json_t *v = json_object_get(o, member);
    if (v == NULL) {
        return SH_OK;
    }
    const struct sh_str s = sh_str_trim(sh_json_get_str(o, member));
    if (!json_is_string(v) || s.n > max) {
        return SH_E_INVAL;
    }
    const struct sh_str copy = sh_str_dup(g->env->alloc, s);
    if (copy.p == NULL) {
        return SH_E_NOMEM;
    }
    sh_str_free(g->env->alloc, out);
    *out = copy;
    return SH_OK;
}

static bool one_of(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static sh_err read_lists(struct sh_guard *g, const json_t *o, struct guard_trust *t,
                         struct sh_diag *diag)
{
    sh_err err = take_pem(g, o, "ca", SH_TRUST_CA_MAX, &t->ca);
    if (err == SH_E_INVAL) {
        return guard_provider_bad(diag, "/ca", "The trust list is empty, or longer than 32 KiB.",
                                  "Paste the certificates of the authorities in PEM, at most 16.");
    }
    SH_TRY(err);
    err = take_pem(g, o, "crl", SH_TRUST_CRL_MAX, &t->crl);
    if (err == SH_E_INVAL) {
        return guard_provider_bad(diag, "/crl", "This is no list of revoked certificates.",
                                  "Give the authorities' lists in PEM, at most 16 and 256 KiB.");
    }
    return err;
}

static sh_err read_words(const json_t *o, struct guard_trust *t, struct sh_diag *diag)
{
    const struct sh_str revocation = sh_json_get_str(o, "revocation");
    const struct sh_str match = sh_json_get_str(o, "match");
    if (json_object_get(o, "revocation") != NULL) {
        t->lenient = sh_str_eqc(revocation, "lenient");
        if (!t->lenient && !sh_str_eqc(revocation, "strict")) {
            return guard_provider_bad(
                diag, "/revocation", "revocation is strict or lenient.",
                "strict refuses when a list is missing or not in force any more.");
        }
    }
    if (json_object_get(o, "match") != NULL) {
        t->by_name = sh_str_eqc(match, "name");
        if (!t->by_name && !sh_str_eqc(match, "fingerprint")) {
            return guard_provider_bad(diag, "/match", "match is fingerprint or name.",
                                      "name takes the field name_claim of the certificate for the "
                                      "name of a person here.");
        }
    }
    t->client_auth = sh_json_get_bool(o, "client_auth", t->client_auth);
    t->self_bind = sh_json_get_bool(o, "self_bind", t->self_bind);
    if (!guard_take_text(o, "distid", t->distid, sizeof t->distid) ||
        !guard_take_text(o, "policies", t->policies, sizeof t->policies)) {
        return guard_provider_bad(diag, "/policies",
                                  "distid is a text of at most 128 bytes, policies one of at most "
                                  "255.",
                                  "Look at the entry and send it again.");
    }
    return SH_OK;
}

sh_err guard_trust_read(struct sh_guard *g, const json_t *o, struct guard_provider *p,
                        struct sh_diag *diag)
{
    struct sh_trust *trust = NULL;
    SH_TRY(read_lists(g, o, &p->trust, diag));
    SH_TRY(read_words(o, &p->trust, diag));
    if (!guard_take_text(o, "name_claim", p->name_claim, sizeof p->name_claim) ||
        !one_of(p->name_claim, fields, sizeof fields / sizeof fields[0])) {
        return guard_provider_bad(
            diag, "/name_claim", "name_claim is cn, serialNumber, emailAddress or uid.",
            "It is the field of the certificate's subject that names people.");
    }
    if (!guard_take_text(o, "roles_claim", p->roles_claim, sizeof p->roles_claim) ||
        !one_of(p->roles_claim, groups, sizeof groups / sizeof groups[0])) {
        return guard_provider_bad(diag, "/roles_claim", "roles_claim is ou, o or empty.",
                                  "Its values are what map gives roles for.");
    }
    const sh_err err = guard_trust_open(g, &p->trust, diag, &trust);
    sh_trust_free(trust);
    return err == SH_E_PROTO ? SH_E_INVAL : err;
}
