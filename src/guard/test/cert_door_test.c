/* Signing in by a certificate: the text and its one use, who it is, what is counted, tenants, our
 * second factor. Keys and certificates are crypto's vectors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "../../crypto/test/trust_vectors.h"

#define SECOND INT64_C(1000000)
#define BEHIND ",\"people\":\"create\",\"roles\":[\"viewer\"]}"

struct door {
    struct fixture *f;
    struct sh_sign_in admin;
    struct sh_cert_challenge c;
    struct sh_cert_result r;
    struct sh_diag diag;
};

static json_t *provider_body(const char *more)
{
    json_t *o = NULL;
    assert_ok(sh_json_parse(sh_str_c(more), 4096, &o, NULL));
    assert_int_equal(json_object_set_new(o, "kind", json_string("certificate")), 0);
    if (json_object_get(o, "ca") == NULL) {
        assert_int_equal(json_object_set_new(o, "ca", json_string(sm2_root)), 0);
    }
    return o;
}

static sh_err put(struct door *d, const char *tenant, const char *id, enum sh_put_mode mode,
                  const char *more)
{
    struct sh_jw w;
    const struct sh_guard_at at = {
        .by = &d->admin.who, .tenant = fixture_tenant(d->f, tenant), .peer = SH_STR("127.0.0.1")};
    json_t *o = provider_body(more);
    sh_buf_clear(&d->f->text);
    sh_jw_init(&w, &d->f->text);
    const sh_err err = sh_guard_provider_put(d->f->g, &at, sh_str_c(id), o, mode, 0, &w, &d->diag);
    json_decref(o);
    return err;
}

/* In the time of the vectors. */
static struct door begin(void **state)
{
    struct door d = {.f = *state};
    struct sh_badge *b = NULL;
    struct sh_trust_cert cert;
    assert_ok(sh_badge_read(d.f->crypto, sh_str_c(rsa_sha1), SH_STR(""), &b));
    assert_ok(sh_badge_cert(b, &cert));
    sh_badge_free(b);
    d.f->t.wall_us = cert.from_us + 3600 * SECOND;
    d.admin = fixture_sign_in(d.f, "admin", ADMIN_PASSWORD);
    assert_ok(
        put(&d, "", "gm", SH_PUT_CREATE, "{\"match\":\"name\",\"name_claim\":\"uid\"" BEHIND));
    return d;
}

static sh_err ask(struct door *d, const char *provider, enum sh_cert_purpose purpose,
                  struct sh_str session)
{
    const struct sh_cert_ask a = {.provider = sh_str_c(provider),
                                  .purpose = purpose,
                                  .session = session,
                                  .site = SH_STR("https://plant.cn")};
    return sh_guard_cert_ask(d->f->g, &a, &d->c);
}

/* Signs `text` with the vectors' key of sm2_li and answers. */
static sh_err answer_at(struct door *d, const char *provider, const char *text, const char *peer,
                        const struct sh_guard_at *bind)
{
    struct sh_buf sig;
    struct sh_buf b64;
    sh_buf_init(&sig, &d->f->t.alloc, SH_TRUST_SIGNATURE_MAX);
    sh_buf_init(&b64, &d->f->t.alloc, 8192);
    assert_ok(sh_trust_sign(d->f->crypto, sh_str_c(sm2_li_key), SH_STR(""),
                            sh_bytes_of(text, strlen(text)), &sig));
    assert_ok(sh_base64_put(&b64, sh_buf_bytes(&sig), false));
    const struct sh_cert_answer a = {.provider = sh_str_c(provider),
                                     .browser = sh_str_c(d->c.browser),
                                     .certificate = sh_str_c(sm2_li),
                                     .signature = sh_buf_str(&b64),
                                     .peer = sh_str_c(peer)};
    const sh_err err = bind == NULL ? sh_guard_cert_answer(d->f->g, &a, &d->r)
                                    : sh_guard_cert_bind(d->f->g, bind, &a, &d->r, &d->diag);
    sh_buf_fini(&sig);
    sh_buf_fini(&b64);
    return err;
}

static sh_err answer(struct door *d)
{
    return answer_at(d, "gm", d->c.text, "10.0.0.1", NULL);
}

static sh_err enter(struct door *d)
{
    assert_ok(ask(d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    return answer(d);
}

static void test_first_sign_in_makes_the_person(void **state)
{
    struct door d = begin(state);
    assert_ok(enter(&d));
    assert_true(d.r.session.token[0] != '\0');
    assert_int_equal(fake_disk_audited(d.f->disk, "person.created"), 2);
    assert_ok(enter(&d)); /* and is known by it afterwards, over a restart too */
    fixture_reopen(d.f);
    assert_ok(enter(&d));
    assert_int_equal(fake_disk_audited(d.f->disk, "person.created"), 2);
}

static void test_text_is_good_once_for_its_browser_and_five_minutes(void **state)
{
    struct door d = begin(state);
    assert_ok(enter(&d));
    assert_int_equal(answer(&d), SH_E_NOTFOUND); /* once */
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    const struct sh_cert_challenge first = d.c;
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    assert_string_not_equal(first.text, d.c.text);
    assert_int_equal(answer_at(&d, "gm", first.text, "10.0.0.1", NULL), SH_E_DENIED);
    assert_string_equal(d.r.why, "signature"); /* of another browser's text */
    d.c = first;
    d.c.browser[0] = '\0';
    assert_int_equal(answer(&d), SH_E_NOTFOUND);
    d.c = first;
    d.f->t.mono_us += 299 * SECOND;
    assert_ok(answer(&d));
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    d.f->t.mono_us += 301 * SECOND;
    assert_int_equal(answer(&d), SH_E_NOTFOUND);
}

static void test_text_of_another_provider_or_purpose_is_not_good(void **state)
{
    struct door d = begin(state);
    assert_ok(put(&d, "", "other", SH_PUT_CREATE, "{}"));
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    assert_int_equal(answer_at(&d, "other", d.c.text, "10.0.0.1", NULL), SH_E_NOTFOUND);
    assert_ok(answer(&d)); /* it is there still */
    const struct sh_sign_in li = d.r.session;
    const struct sh_guard_at at = {.by = &li.who, .peer = SH_STR("10.0.0.1")};
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    assert_int_equal(answer_at(&d, "gm", d.c.text, "10.0.0.1", &at), SH_E_NOTFOUND);
    assert_ok(ask(&d, "gm", SH_CERT_BIND, sh_str_c(li.token)));
    assert_int_equal(answer(&d), SH_E_NOTFOUND);
    assert_ok(answer_at(&d, "gm", d.c.text, "10.0.0.1", &at));
}

static void test_provider_that_changed_meanwhile_refuses(void **state)
{
    struct door d = begin(state);
    assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
    assert_ok(put(&d, "", "gm", SH_PUT_REPLACE, "{\"client_auth\":true}"));
    assert_int_equal(answer(&d), SH_E_DENIED);
    assert_string_equal(d.r.why, "provider_off");
    assert_ok(put(&d, "", "gm", SH_PUT_REPLACE, "{\"disabled\":true}"));
    assert_int_equal(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")), SH_E_NOTFOUND);
}

static void test_failures_lock_person_and_address(void **state)
{
    struct door d = begin(state);
    assert_ok(enter(&d));
    sh_err err = SH_E_DENIED;
    for (int i = 0; i < 20 && err == SH_E_DENIED; i++) {
        char peer[32];
        assert_true(guard_print(peer, sizeof peer, "10.0.%d.1", i + 1));
        assert_ok(ask(&d, "gm", SH_CERT_SIGN_IN, SH_STR("")));
        err = answer_at(&d, "gm", "another text", peer, NULL);
    }
    assert_int_equal(err, SH_E_LIMIT);
    assert_true(d.r.session.retry_after_us > 0);
    assert_int_equal(enter(&d), SH_E_LIMIT);
    d.f->t.mono_us += d.f->set.lock_max_us + SECOND;
    assert_ok(enter(&d));
}

static void test_person_of_another_tenant_is_not_found(void **state)
{
    struct door d = begin(state);
    assert_ok(fixture_put(d.f, &d.admin.who, "", SH_GUARD_TENANTS, "north", "{}"));
    assert_ok(
        put(&d, "north", "northern", SH_PUT_CREATE, "{\"match\":\"name\",\"name_claim\":\"uid\"}"));
    assert_ok(enter(&d)); /* lilei of the root */
    const struct sh_sign_in li = d.r.session;
    assert_ok(ask(&d, "northern", SH_CERT_SIGN_IN, SH_STR("")));
    assert_int_equal(answer_at(&d, "northern", d.c.text, "10.0.0.1", NULL), SH_E_DENIED);
    assert_string_equal(d.r.why, "not_linked");
    assert_int_equal(ask(&d, "northern", SH_CERT_CONFIRM, sh_str_c(li.token)), SH_E_STATE);
    assert_int_equal(ask(&d, "northern", SH_CERT_BIND, sh_str_c(li.token)), SH_E_STATE);
    assert_int_equal(ask(&d, "gm", SH_CERT_CONFIRM, SH_STR("shs_nobody")), SH_E_STATE);
}

static void test_administrator_is_not_found_by_a_name(void **state)
{
    struct door d = begin(state);
    assert_ok(fixture_put(d.f, &d.admin.who, "", SH_GUARD_PEOPLE, "lilei",
                          "{\"roles\":[\"administrator\"]}"));
    assert_int_equal(enter(&d), SH_E_DENIED);
    assert_string_equal(d.r.why, "administrator");
    struct sh_guard_settings set = d.f->set;
    set.outside_administrators = true;
    assert_ok(sh_guard_set_settings(d.f->g, &set));
    assert_ok(enter(&d));
}

static void test_confirming_is_for_the_one_who_sits_there(void **state)
{
    struct door d = begin(state);
    assert_ok(enter(&d));
    const struct sh_sign_in li = d.r.session;
    d.f->t.wall_us += d.f->set.confirm_us + SECOND;
    assert_false(sh_guard_confirmed(d.f->g, &li.who));
    assert_ok(ask(&d, "gm", SH_CERT_CONFIRM, sh_str_c(li.token)));
    assert_ok(answer(&d));
    assert_int_equal(d.r.purpose, SH_CERT_CONFIRM);
    assert_true(sh_guard_confirmed(d.f->g, &li.who));
    assert_int_equal(ask(&d, "gm", SH_CERT_CONFIRM, sh_str_c(d.admin.token)), SH_E_STATE);
}

/* The six digits as of now, for the secret that was shown as base32. */
static void code_of(struct fixture *f, const char *text, char out[16])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t secret[SH_TOTP_SECRET];
    uint32_t held = 0;
    uint32_t code = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (const char *c = text; *c != '\0' && n < sizeof secret; c++) {
        held = (held << 5 | (uint32_t)(strchr(letters, *c) - letters)) & 0xffff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            secret[n++] = (uint8_t)(held >> bits);
        }
    }
    assert_ok(sh_totp_code(f->crypto, secret, sh_totp_step(sh_wall_us(f->t.env.clock)), &code));
    assert_true(guard_print(out, 16, "%06u", code));
}

/* Ours behind it: the answer waits for a code under a new secret. */
static void test_second_factor_of_ours_is_asked_for(void **state)
{
    struct door d = begin(state);
    char secret[SH_TOTP_BASE32];
    char code[16] = "";
    struct sh_buf uri;
    struct sh_buf recovery;
    struct sh_jw w;
    assert_ok(enter(&d));
    const struct sh_sign_in li = d.r.session;
    const struct sh_guard_at at = {.by = &li.who};
    sh_buf_init(&uri, &d.f->t.alloc, 2048);
    sh_buf_init(&recovery, &d.f->t.alloc, 4096);
    sh_jw_init(&w, &recovery);
    assert_ok(sh_guard_totp_begin(d.f->g, &li.who, secret, &uri));
    code_of(d.f, secret, code);
    assert_ok(sh_guard_totp_enable(d.f->g, &at, sh_str_c(code), &w));
    assert_int_equal(enter(&d), SH_E_AGAIN);
    assert_true(d.r.session.code_needed && d.r.session.code_possible);
    assert_true(d.r.browser[0] != '\0');
    d.f->t.wall_us += 60 * SECOND;
    code_of(d.f, secret, code);
    struct sh_sign_in in;
    bool confirmed = true;
    const struct sh_sign_in_ask with = {.code = sh_str_c(code), .peer = SH_STR("10.0.0.1")};
    assert_int_equal(sh_guard_outside_code(d.f->g, sh_str_c(d.c.browser), &with, &in, &confirmed),
                     SH_E_NOTFOUND);
    assert_ok(sh_guard_outside_code(d.f->g, sh_str_c(d.r.browser), &with, &in, &confirmed));
    assert_false(confirmed);
    assert_ok(put(&d, "", "gm", SH_PUT_REPLACE, "{\"second_factor\":\"provider\"}"));
    assert_ok(enter(&d)); /* the certificate is taken for both */
    sh_buf_fini(&uri);
    sh_buf_fini(&recovery);
}

static void test_trial_tells_steps_and_lets_nobody_in(void **state)
{
    struct door d = begin(state);
    const struct sh_guard_at at = {.by = &d.admin.who, .tenant = fixture_tenant(d.f, "")};
    const struct sh_cert_answer a = {
        .provider = SH_STR("gm"), .certificate = sh_str_c(sm2_li), .signature = SH_STR("AAAA")};
    json_t *got = NULL;
    const size_t sessions = d.f->g->sessions.n;
    assert_ok(sh_guard_cert_try(d.f->g, &at, &a, SH_STR("text"), &got));
    assert_false(sh_json_get_bool(got, "good", true));
    assert_true(json_array_size(json_object_get(got, "steps")) >= 8);
    json_decref(got);
    assert_int_equal(d.f->g->sessions.n, sessions);
    assert_int_equal(sh_guard_cert_try(d.f->g, &at,
                                       &(struct sh_cert_answer){.provider = SH_STR("x")},
                                       SH_STR(""), &got),
                     SH_E_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_first_sign_in_makes_the_person),
        FIXTURE_TEST(test_text_is_good_once_for_its_browser_and_five_minutes),
        FIXTURE_TEST(test_text_of_another_provider_or_purpose_is_not_good),
        FIXTURE_TEST(test_provider_that_changed_meanwhile_refuses),
        FIXTURE_TEST(test_failures_lock_person_and_address),
        FIXTURE_TEST(test_person_of_another_tenant_is_not_found),
        FIXTURE_TEST(test_administrator_is_not_found_by_a_name),
        FIXTURE_TEST(test_confirming_is_for_the_one_who_sits_there),
        FIXTURE_TEST(test_second_factor_of_ours_is_asked_for),
        FIXTURE_TEST(test_trial_tells_steps_and_lets_nobody_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
