/* People's certificates and what their keys signed: vectors of openssl (make_trust_vectors.py).
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/trust.h>

#include "trust_vectors.h"

#define HOUR_US (INT64_C(3600) * 1000000)
#define SIG(x) sh_bytes_of(x, sizeof(x))

struct fixture {
    struct sh_test_env t;
    struct sh_crypto *c;
    int64_t now_us; /* when the vectors were made */
    struct sh_trust_report r;
};

static int setup(void **state)
{
    static struct fixture f;
    struct sh_badge *b = NULL;
    struct sh_trust_cert cert;
    sh_test_env_init(&f.t, NULL);
    assert_ok(sh_crypto_new(&f.t.env, &f.c));
    assert_ok(sh_badge_read(f.c, sh_str_c(rsa_sha1), SH_STR(""), &b));
    assert_ok(sh_badge_cert(b, &cert));
    f.now_us = cert.from_us + HOUR_US;
    sh_badge_free(b);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sh_crypto_free(f->c);
    sh_test_env_fini(&f->t);
    return 0;
}

struct look {
    const char *ca;
    const char *crl;
    const char *cert;
    const char *chain;
    const char *message;
    struct sh_bytes sig;
    const char *distid;
    const char *policies;
    bool lenient;
    bool client_auth;
    int64_t later_us;
};

static sh_err look(struct fixture *f, const struct look *l)
{
    struct sh_trust *t = NULL;
    struct sh_badge *b = NULL;
    const struct sh_trust_spec spec = {.ca = sh_str_c(l->ca),
                                       .crl = sh_str_c(l->crl == NULL ? "" : l->crl),
                                       .distid = sh_str_c(l->distid == NULL ? "" : l->distid),
                                       .policies = sh_str_c(l->policies == NULL ? "" : l->policies),
                                       .lenient = l->lenient,
                                       .client_auth = l->client_auth};
    assert_ok(sh_trust_new(f->c, &spec, NULL, &t));
    assert_ok(
        sh_badge_read(f->c, sh_str_c(l->cert), sh_str_c(l->chain == NULL ? "" : l->chain), &b));
    const sh_err err = sh_trust_check(t, b, sh_str_c(l->message == NULL ? MESSAGE : l->message),
                                      l->sig, f->now_us + l->later_us, &f->r);
    sh_badge_free(b);
    sh_trust_free(t);
    return err;
}

/* The one step that failed, and its word. */
static void assert_fails(struct fixture *f, const struct look *l, enum sh_trust_step step,
                         const char *why)
{
    assert_int_equal(look(f, l), SH_E_DENIED);
    for (int s = 0; s < SH_TRUST_STEPS; s++) {
        if (s == (int)step) {
            assert_int_equal(f->r.step[s].result, SH_TRUST_FAILED);
            assert_string_equal(f->r.step[s].why, why);
            assert_true(f->r.step[s].detail[0] != '\0');
        } else if (f->r.step[s].result == SH_TRUST_FAILED) {
            fail_msg("%s as well: %s", sh_trust_step_name((enum sh_trust_step)s),
                     f->r.step[s].detail);
        }
    }
}

/* ---- signatures ---- */

static void test_signature_of_each_kind_is_good(void **state)
{
    const struct look rows[] = {
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_li), .client_auth = true},
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_crlf)},
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_bare_end)},
        {.ca = sm2_root, .cert = sm2_bare, .sig = SIG(sig_sm2_bare)},
        {.ca = sm2_oddid, .cert = sm2_oddli, .sig = SIG(sig_sm2_oddli), .distid = "plant"},
        {.ca = p256_root, .cert = p256_li, .sig = SIG(sig_p256_li)},
        {.ca = p256_root, .cert = p384_li, .sig = SIG(sig_p384_li)},
        {.ca = p256_root, .cert = p384_li, .sig = SIG(sig_p384_sha256)},
        {.ca = rsa_root, .cert = rsa_li, .sig = SIG(sig_rsa_li)},
        {.ca = rsa_root, .cert = rsa_li, .sig = SIG(sig_rsa_pss)},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (look(f, &rows[i]) != SH_OK) {
            const enum sh_trust_step s = sh_trust_failed(&f->r);
            fail_msg("row %zu: %s: %s", i, sh_trust_step_name(s), f->r.step[s].detail);
        }
        assert_int_equal(f->r.step[SH_TRUST_REVOCATION].result, SH_TRUST_SKIPPED);
    }
}

static void test_signature_of_another_text_key_or_id_fails(void **state)
{
    const struct look rows[] = {
        {.ca = sm2_root,
         .cert = sm2_li,
         .sig = SIG(sig_sm2_li),
         .message = "Songhua sign-in\nnonce: 2\n"},
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_bare)},
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_wrongid)},
        {.ca = p256_root, .cert = p256_li, .sig = SIG(sig_sm2_li)},
        {.ca = rsa_root, .cert = rsa_li, .sig = SIG(sig_rsa_sha1)},
        {.ca = rsa_root, .cert = rsa_li, .sig = SIG(sig_rsa_old)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_fails(*state, &rows[i], SH_TRUST_SIGNATURE, "signature");
    }
}

/* r and s of a DER Sig-Value, 32 bytes each. */
static void halves(struct sh_bytes der, uint8_t out[64])
{
    const uint8_t *p = der.p + 2;
    for (size_t i = 0; i < 2; i++) {
        size_t n = p[1];
        const uint8_t *v = p + 2;
        p = v + n;
        while (n > 32) {
            v++;
            n--;
        }
        memset(out + 32 * i, 0, 32);
        memcpy(out + 32 * i + 32 - n, v, n);
    }
}

static void test_signature_as_r_and_s_is_good(void **state)
{
    uint8_t raw[64];
    halves(SIG(sig_sm2_li), raw);
    struct look l = {.ca = sm2_root, .cert = sm2_li, .sig = SIG(raw)};
    assert_ok(look(*state, &l));
    halves(SIG(sig_p256_li), raw);
    l = (struct look){.ca = p256_root, .cert = p256_li, .sig = SIG(raw)};
    assert_ok(look(*state, &l));
}

static void test_signature_with_a_zero_or_too_great_number_fails(void **state)
{
    uint8_t raw[64];
    uint8_t zero[] = {0x30, 6, 2, 1, 0, 2, 1, 0};
    struct look l = {.ca = sm2_root, .cert = sm2_li, .sig = SIG(raw)};
    halves(SIG(sig_sm2_li), raw);
    memset(raw, 0, 32);
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature_form");
    halves(SIG(sig_sm2_li), raw);
    memset(raw + 32, 0, 32);
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature_form");
    memset(raw, 0xff, sizeof raw); /* beyond the order of the curve */
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature");
    l.sig = SIG(zero);
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature_form");
}

static void test_signature_cut_or_with_more_behind_fails(void **state)
{
    uint8_t text[sizeof sig_sm2_li + 1] = {0};
    memcpy(text, sig_sm2_li, sizeof sig_sm2_li);
    for (size_t n = 0; n <= sizeof text; n++) {
        const struct look l = {.ca = sm2_root, .cert = sm2_li, .sig = sh_bytes_of(text, n)};
        if (n == sizeof sig_sm2_li) {
            assert_ok(look(*state, &l));
        } else {
            assert_int_equal(look(*state, &l), SH_E_DENIED);
        }
    }
    const struct look none = {.ca = sm2_root, .cert = sm2_li, .sig = sh_bytes_of(NULL, 0)};
    assert_fails(*state, &none, SH_TRUST_SIGNATURE, "signature_form");
    const struct look l = {.ca = rsa_root, .cert = rsa_li, .sig = sh_bytes_of(sig_rsa_li, 255)};
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature_form");
}

/* DER has one way to write a number: a zero in front, or a long length, is another text. */
static void test_signature_that_is_no_der_fails(void **state)
{
    uint8_t text[sizeof sig_sm2_li + 8] = {0x30, (uint8_t)(sizeof sig_sm2_li - 2 + 1), 2,
                                           (uint8_t)(sig_sm2_li[3] + 1), 0};
    memcpy(text + 5, sig_sm2_li + 4, sizeof sig_sm2_li - 4);
    const struct look l = {
        .ca = sm2_root, .cert = sm2_li, .sig = sh_bytes_of(text, sizeof sig_sm2_li + 1)};
    assert_fails(*state, &l, SH_TRUST_SIGNATURE, "signature_form");
}

static void test_sign_gives_what_check_takes(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *key;
        struct look l;
    } rows[] = {
        {sm2_li_key, {.ca = sm2_root, .cert = sm2_li}},
        {p256_li_key, {.ca = p256_root, .cert = p256_li}},
        {p384_li_key, {.ca = p256_root, .cert = p384_li}},
        {rsa_li_key, {.ca = rsa_root, .cert = rsa_li}},
    };
    struct sh_buf out;
    sh_buf_init(&out, &f->t.alloc, SH_TRUST_SIGNATURE_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct look l = rows[i].l;
        sh_buf_clear(&out);
        assert_ok(sh_trust_sign(f->c, sh_str_c(rows[i].key), SH_STR(""),
                                sh_bytes_of(MESSAGE, strlen(MESSAGE)), &out));
        l.sig = sh_buf_bytes(&out);
        assert_ok(look(f, &l));
    }
    assert_int_equal(sh_trust_sign(f->c, SH_STR("no key"), SH_STR(""), sh_bytes_of("", 0), &out),
                     SH_E_PROTO);
    sh_buf_fini(&out);
}

/* ---- chains ---- */

static void test_chain_by_one_in_between_is_good(void **state)
{
    const struct look l = {
        .ca = sm2_root, .cert = sm2_han, .chain = sm2_sub, .sig = SIG(sig_sm2_han)};
    assert_ok(look(*state, &l));
    const struct look direct = {.ca = sm2_sub, .cert = sm2_han, .sig = SIG(sig_sm2_han)};
    assert_ok(look(*state, &direct)); /* the one in between is trusted itself */
}

static void test_chain_that_does_not_hold_fails(void **state)
{
    char both[8192];
    (void)snprintf(both, sizeof both, "%s%s", sm2_subsub, sm2_sub);
    const struct look rows[] = {
        {.ca = sm2_root,
         .cert = sm2_han,
         .sig = SIG(sig_sm2_han)}, /* who is in between is missing */
        {.ca = sm2_other, .cert = sm2_li, .sig = SIG(sig_sm2_li)}, /* of the same name */
        {.ca = p256_root, .cert = sm2_li, .sig = SIG(sig_sm2_li)}, /* somebody else's */
        {.ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_wrongid), .distid = "plant"},
        {.ca = sm2_root, .cert = sm2_deep, .chain = both, .sig = SIG(sig_sm2_deep)}, /* pathlen 0 */
        {.ca = sm2_root, .cert = sm2_child, .chain = sm2_li, .sig = SIG(sig_sm2_child)}, /* no CA */
        {.ca = rsa_root, .cert = rsa_sha1, .sig = SIG(sig_rsa_old)}, /* signed with SHA-1 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_fails(*state, &rows[i], SH_TRUST_CHAIN, "chain");
    }
}

static void test_weak_key_fails(void **state)
{
    struct fixture *f = *state;
    const struct look l = {.ca = rsa_root, .cert = rsa_weak, .sig = SIG(sig_rsa_weak)};
    assert_int_equal(look(f, &l), SH_E_DENIED);
    assert_string_equal(f->r.step[SH_TRUST_KEY].why, "key");
    assert_int_equal(f->r.step[SH_TRUST_SIGNATURE].result, SH_TRUST_SKIPPED);
}

static void test_time_before_and_after_fails(void **state)
{
    struct look l = {
        .ca = sm2_root, .cert = sm2_short, .sig = SIG(sig_sm2_short), .later_us = 22 * HOUR_US};
    assert_ok(look(*state, &l));
    l.later_us = 25 * HOUR_US;
    assert_fails(*state, &l, SH_TRUST_TIME, "expired");
    l.later_us = -26 * HOUR_US;
    assert_fails(*state, &l, SH_TRUST_TIME, "not_yet");
}

/* ---- revoked ---- */

static void test_revoked_fails(void **state)
{
    struct fixture *f = *state;
    struct look l = {.ca = sm2_root,
                     .crl = crl_sm2,
                     .cert = sm2_gone,
                     .sig = SIG(sig_sm2_gone),
                     .lenient = true};
    assert_fails(f, &l, SH_TRUST_REVOCATION, "revoked");
    l.cert = sm2_li;
    l.sig = SIG(sig_sm2_li);
    l.lenient = false;
    assert_ok(look(f, &l));
    assert_int_equal(f->r.step[SH_TRUST_REVOCATION].result, SH_TRUST_OK);
}

static void test_stale_list_is_refused_unless_lenient(void **state)
{
    struct look l = {.ca = sm2_root,
                     .crl = crl_sm2_old,
                     .cert = sm2_li,
                     .sig = SIG(sig_sm2_li),
                     .later_us = 48 * HOUR_US};
    assert_fails(*state, &l, SH_TRUST_REVOCATION, "crl_stale");
    l.lenient = true;
    assert_ok(look(*state, &l));
    l.cert = sm2_gone; /* the old list still counts */
    l.sig = SIG(sig_sm2_gone);
    assert_fails(*state, &l, SH_TRUST_REVOCATION, "revoked");
}

static void test_missing_list_is_refused_unless_lenient(void **state)
{
    char both[8192];
    struct look l = {
        .ca = sm2_root, .crl = crl_sm2, .cert = sm2_han, .chain = sm2_sub, .sig = SIG(sig_sm2_han)};
    assert_fails(*state, &l, SH_TRUST_REVOCATION, "crl_missing");
    l.lenient = true;
    assert_ok(look(*state, &l));
    (void)snprintf(both, sizeof both, "%s%s", crl_sm2, crl_sm2_sub);
    l.crl = both;
    l.lenient = false;
    assert_ok(look(*state, &l));
}

/* A list of the same name by another key takes nobody's certificate for revoked, and counts not. */
static void test_forged_list_fails(void **state)
{
    struct look l = {
        .ca = sm2_root, .crl = crl_forged, .cert = sm2_li, .sig = SIG(sig_sm2_li), .lenient = true};
    assert_int_equal(look(*state, &l), SH_E_DENIED);
    struct fixture *f = *state;
    assert_int_equal(f->r.step[SH_TRUST_REVOCATION].result, SH_TRUST_FAILED);
    assert_string_equal(f->r.step[SH_TRUST_REVOCATION].why, "crl");
}

/* ---- usage ---- */

static void test_usage_that_is_not_for_signing_in_fails(void **state)
{
    struct look l = {.ca = sm2_root, .cert = sm2_cipher, .sig = SIG(sig_sm2_cipher)};
    assert_fails(*state, &l, SH_TRUST_USAGE, "key_usage");
    l = (struct look){.ca = sm2_root, .cert = sm2_server, .sig = SIG(sig_sm2_server)};
    assert_fails(*state, &l, SH_TRUST_USAGE, "extended_usage");
    l = (struct look){
        .ca = sm2_root, .cert = sm2_bare, .sig = SIG(sig_sm2_bare), .client_auth = true};
    assert_fails(*state, &l, SH_TRUST_USAGE, "extended_usage");
    l = (struct look){.ca = sm2_root, .cert = sm2_root, .sig = SIG(sig_sm2_root)};
    assert_fails(*state, &l, SH_TRUST_USAGE, "authority");
    l = (struct look){
        .ca = sm2_root, .cert = sm2_li, .sig = SIG(sig_sm2_li), .policies = "1.2.3 1.2.4"};
    assert_fails(*state, &l, SH_TRUST_USAGE, "policy");
    l.policies = "1.2.3 1.2.156.10197.1.301";
    assert_ok(look(*state, &l));
}

/* ---- reading ---- */

static void test_badge_tells_names_and_prints(void **state)
{
    struct fixture *f = *state;
    struct sh_badge *b = NULL;
    struct sh_trust_cert cert;
    char v[SH_TRUST_VALUE_CHARS];
    assert_ok(sh_badge_read(f->c, sh_str_c(sm2_li), SH_STR(""), &b));
    assert_ok(sh_badge_cert(b, &cert));
    assert_string_equal(cert.subject, "UID=lilei,serialNumber=E-4711,CN=李雷,OU=night,OU=operators,"
                                      "O=Plant,C=CN");
    assert_string_equal(cert.issuer, "CN=SM2 root,O=Plant,C=CN");
    assert_string_equal(cert.key, "SM2");
    assert_true(cert.until_us > cert.from_us);
    assert_true(sh_badge_value(b, SH_BADGE_CN, 0, v));
    assert_string_equal(v, "李雷");
    assert_true(sh_badge_value(b, SH_BADGE_SERIAL, 0, v));
    assert_string_equal(v, "E-4711");
    assert_true(sh_badge_value(b, SH_BADGE_UID, 0, v));
    assert_string_equal(v, "lilei");
    assert_true(sh_badge_value(b, SH_BADGE_EMAIL, 0, v)); /* of subjectAltName */
    assert_string_equal(v, "li@plant.cn");
    assert_true(sh_badge_value(b, SH_BADGE_OU, 1, v));
    assert_string_equal(v, "night");
    assert_false(sh_badge_value(b, SH_BADGE_OU, 2, v));
    sh_badge_free(b);
    assert_ok(sh_badge_read(f->c, sh_str_c(sm2_han), SH_STR(""), &b));
    assert_true(sh_badge_value(b, SH_BADGE_EMAIL, 0, v)); /* of the subject */
    assert_string_equal(v, "han@plant.cn");
    sh_badge_free(b);
}

static void test_badge_reads_plain_base64(void **state)
{
    struct fixture *f = *state;
    struct sh_badge *b = NULL;
    char text[4096];
    size_t n = 0;
    const char *p = strchr(sm2_li, '\n') + 1; /* the lines between the marks */
    const char *end = strstr(sm2_li, "-----END");
    for (; p < end; p++) {
        text[n++] = *p;
    }
    assert_ok(sh_badge_read(f->c, sh_str_of(text, n), sh_str_c(sm2_sub), &b));
    sh_badge_free(b);
    text[10] = '!';
    assert_int_equal(sh_badge_read(f->c, sh_str_of(text, n), SH_STR(""), &b), SH_E_PROTO);
    assert_int_equal(sh_badge_read(f->c, SH_STR(" \n"), SH_STR(""), &b), SH_E_PROTO);
    assert_int_equal(sh_badge_read(f->c, SH_STR("-----"), SH_STR(""), &b), SH_E_PROTO);
}

static void test_trust_list_refuses_what_is_no_authority(void **state)
{
    struct fixture *f = *state;
    struct sh_trust *t = NULL;
    char pair[8192];
    const struct sh_trust_spec rows[] = {
        {.ca = SH_STR("")},
        {.ca = SH_STR("hello")},
        {.ca = sh_str_c(sm2_li)},
        {.ca = sh_str_c(crl_sm2)},
        {.ca = sh_str_c(sm2_root), .crl = SH_STR("hello")},
        {.ca = sh_str_c(sm2_root), .policies = SH_STR("clientAuth")},
        {.ca = sh_str_c(sm2_root), .policies = SH_STR("9.9")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sh_diag d = {.line = 0};
        assert_int_equal(sh_trust_new(f->c, &rows[i], &d, &t), SH_E_PROTO);
        assert_true(d.message[0] != '\0');
    }
    (void)snprintf(pair, sizeof pair, "%s# and\n%s", sm2_root, p256_root);
    const struct sh_trust_spec two = {.ca = sh_str_c(pair), .crl = sh_str_c(crl_sm2)};
    struct sh_trust_crl crl;
    struct sh_trust_cert ca;
    assert_ok(sh_trust_new(f->c, &two, NULL, &t));
    assert_int_equal(sh_trust_cas(t), 2);
    assert_ok(sh_trust_ca(t, 1, &ca));
    assert_string_equal(ca.subject, "CN=P-256 root");
    assert_int_equal(sh_trust_crls(t), 1);
    assert_true(sh_trust_crl(t, 0, &crl));
    assert_int_equal(crl.n, 1);
    assert_true(crl.next_us > crl.this_us);
    sh_trust_free(t);
    const struct sh_trust_spec forged = {.ca = sh_str_c(sm2_root), .crl = sh_str_c(crl_forged)};
    assert_ok(sh_trust_new(f->c, &forged, NULL, &t));
    assert_false(sh_trust_crl(t, 0, &crl));
    sh_trust_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_of_each_kind_is_good),
        cmocka_unit_test(test_signature_of_another_text_key_or_id_fails),
        cmocka_unit_test(test_signature_as_r_and_s_is_good),
        cmocka_unit_test(test_signature_with_a_zero_or_too_great_number_fails),
        cmocka_unit_test(test_signature_cut_or_with_more_behind_fails),
        cmocka_unit_test(test_signature_that_is_no_der_fails),
        cmocka_unit_test(test_sign_gives_what_check_takes),
        cmocka_unit_test(test_chain_by_one_in_between_is_good),
        cmocka_unit_test(test_chain_that_does_not_hold_fails),
        cmocka_unit_test(test_weak_key_fails),
        cmocka_unit_test(test_time_before_and_after_fails),
        cmocka_unit_test(test_revoked_fails),
        cmocka_unit_test(test_stale_list_is_refused_unless_lenient),
        cmocka_unit_test(test_missing_list_is_refused_unless_lenient),
        cmocka_unit_test(test_forged_list_fails),
        cmocka_unit_test(test_usage_that_is_not_for_signing_in_fails),
        cmocka_unit_test(test_badge_tells_names_and_prints),
        cmocka_unit_test(test_badge_reads_plain_base64),
        cmocka_unit_test(test_trust_list_refuses_what_is_no_authority),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
