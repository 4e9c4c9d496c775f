/* Providers of OpenID Connect: the pure parts by tables, and the exchange with a provider that is
 * played here (its key is one of Ed25519, RFC 8037). */
#include "fixture.h"

#include <sh/jwt.h>

#define SECOND INT64_C(1000000)
#define ISSUER "https://id.example"
#define CORP "{\"issuer\":\"" ISSUER "\",\"client_id\":\"us\",\"client_secret\":\"hush hush\"}"
#define DOCUMENT                                                                                   \
    "{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"" ISSUER "/auth?a=b\","               \
    "\"token_endpoint\":\"" ISSUER "/token\",\"jwks_uri\":\"" ISSUER "/keys\"}"

static void test_url_and_path_rows(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *url;
        bool good;
    } rows[] = {
        {"https://id.example", true},
        {"https://id.example:8443/realms/a/", true},
        {"http://127.0.0.1:3000/a", true},
        {"http://localhost:3000", true},
        {"http://[::1]:3000/", true},
        {"https://[2001:db8::1]/a", true},
        {"http://id.example", false},
        {"http://127.0.0.1.id.example/", false},
        {"http://localhost@id.example/", false},
        {"https://a@id.example/", false},
        {"https://", false},
        {"https:///a", false},
        {"https://id.example#a", false},
        {"https://id.exa mple", false},
        {"ftp://id.example", false},
        {"https://id.example:80a/", false},
        {"https://[::1/", false},
        {"HTTPS://id.example", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(guard_outside_url_ok(sh_str_c(rows[i].url)), rows[i].good);
    }
    static const char *const paths[] = {"/", "/devices/a?x=1"};
    static const char *const others[] = {"", "//evil", "devices", "/\\evil", "/a b", "/a#b", "/\n"};
    for (size_t i = 0; i < SH_COUNT(paths); i++) {
        assert_true(guard_path_ok(sh_str_c(paths[i])));
    }
    for (size_t i = 0; i < SH_COUNT(others); i++) {
        assert_false(guard_path_ok(sh_str_c(others[i])));
    }
}

static json_t *json_of(const char *text)
{
    json_t *o = NULL;
    assert_ok(sh_json_parse(sh_str_c(text), 8192, &o, NULL));
    return o;
}

static void test_document_rows(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *text;
        sh_err expect;
    } rows[] = {
        {DOCUMENT, SH_OK},
        {"{\"issuer\":\"https://id.example/\"}", SH_E_PROTO}, /* the slash counts */
        {"{\"issuer\":\"" ISSUER "\"}", SH_E_PROTO},
        {"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"http://id.example/\"}",
         SH_E_PROTO},
        {"{\"issuer\":\"" ISSUER "\",\"code_challenge_methods_supported\":[\"plain\"]}",
         SH_E_PROTO},
        {"[]", SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct guard_discovery d;
        struct sh_diag diag = {0};
        json_t *o = json_of(rows[i].text);
        assert_int_equal(guard_discovery_read(o, SH_STR(ISSUER), &d, &diag), rows[i].expect);
        assert_true(rows[i].expect == SH_OK || diag.message[0] != '\0');
        json_decref(o);
    }
}

/* now is 1000000. */
static void test_claims_rows(void **state)
{
    SH_UNUSED(state);
#define BASE "\"iss\":\"" ISSUER "\",\"sub\":\"1\",\"nonce\":\"n\""
    static const struct {
        const char *text;
        const char *why; /* NULL: good */
        int64_t since;
    } rows[] = {
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000000}", NULL, 0},
        {"{" BASE ",\"aud\":[\"us\"],\"exp\":1000300.5,\"iat\":1000000}", NULL, 0},
        {"{" BASE ",\"aud\":[\"us\",\"b\"],\"azp\":\"us\",\"exp\":1000300,\"iat\":1000000}", NULL,
         0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":999941,\"iat\":999900}", NULL, 0}, /* 59 s: the skew */
        {"{" BASE ",\"aud\":\"us\",\"exp\":999940,\"iat\":999900}", "token_expired", 0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000061}", "clock", 0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":999399}", "clock", 0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000000,\"nbf\":1000100}", "clock", 0},
        {"{" BASE ",\"aud\":\"us\",\"iat\":1000000}", "token", 0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":\"1000300\",\"iat\":1000000}", "token", 0},
        {"{" BASE ",\"aud\":\"b\",\"exp\":1000300,\"iat\":1000000}", "token_audience", 0},
        {"{" BASE ",\"aud\":[\"us\",\"b\"],\"exp\":1000300,\"iat\":1000000}", "token_audience", 0},
        {"{" BASE ",\"aud\":\"us\",\"azp\":\"b\",\"exp\":1000300,\"iat\":1000000}",
         "token_audience", 0},
        {"{" BASE ",\"exp\":1000300,\"iat\":1000000}", "token_audience", 0},
        {"{\"iss\":\"https://id.example/\",\"sub\":\"1\",\"aud\":\"us\"}", "token_issuer", 0},
        {"{\"iss\":\"" ISSUER "\",\"sub\":\"1\",\"aud\":\"us\",\"nonce\":\"m\"}", "token_nonce", 0},
        {"{\"iss\":\"" ISSUER "\",\"aud\":\"us\"}", "token", 0},
        {"{\"iss\":\"" ISSUER "\",\"sub\":7}", "token", 0},
        {"[]", "token", 0},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000000,\"auth_time\":999990}", NULL,
         1000000},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000000,\"auth_time\":999939}",
         "not_fresh", 1000000},
        {"{" BASE ",\"aud\":\"us\",\"exp\":1000300,\"iat\":1000000}", "not_fresh", 1000000},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct guard_id_expect want = {.issuer = SH_STR(ISSUER),
                                             .client = SH_STR("us"),
                                             .nonce = SH_STR("n"),
                                             .now_s = 1000000,
                                             .since_s = rows[i].since};
        const char *why = "";
        struct sh_diag diag = {0};
        json_t *o = json_of(rows[i].text);
        const sh_err err = guard_id_check(o, &want, &why, &diag);
        if (rows[i].why == NULL) {
            assert_ok(err);
        } else {
            assert_int_equal(err, SH_E_DENIED);
            assert_string_equal(why, rows[i].why);
        }
        json_decref(o);
    }
}

static void test_second_factor_by_amr_and_acr(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *text;
        bool second;
    } rows[] = {
        {"{}", false},
        {"{\"amr\":[\"pwd\"]}", false},
        {"{\"amr\":[\"otp\",\"hwk\"]}", false}, /* two things that one has */
        {"{\"amr\":[\"pwd\",\"pin\"]}", false},
        {"{\"amr\":[\"pwd\",\"otp\"]}", true},
        {"{\"amr\":[\"hwk\",\"fpt\"]}", true},
        {"{\"amr\":[\"mfa\"]}", true},
        {"{\"amr\":\"mfa\"}", false},
        {"{\"acr\":\"gold\"}", true},
        {"{\"acr\":\"gol\"}", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        json_t *o = json_of(rows[i].text);
        assert_int_equal(guard_id_second(o, SH_STR("silver gold")), rows[i].second);
        json_decref(o);
    }
}

static void test_net_list(void **state)
{
    SH_UNUSED(state);
    assert_true(sh_net_list_ok(SH_STR("")));
    assert_true(sh_net_list_ok(SH_STR("127.0.0.1, 10.0.0.0/8,fd00::/8")));
    assert_false(sh_net_list_ok(SH_STR("10.0.0.1/8")));
    assert_false(sh_net_list_ok(SH_STR("id.example")));
    assert_true(sh_net_list_has(SH_STR("127.0.0.1, 10.0.0.0/8"), SH_STR("10.1.2.3")));
    assert_false(sh_net_list_has(SH_STR("127.0.0.1, 10.0.0.0/8"), SH_STR("11.1.2.3")));
    assert_false(sh_net_list_has(SH_STR(""), SH_STR("10.1.2.3")));
}

/* ---- providers ---- */

static sh_err put(struct fixture *f, const struct sh_principal *by, const char *id,
                  const char *body, enum sh_put_mode mode)
{
    const struct sh_guard_at at = {by, SH_TENANT_ROOT, SH_STR("")};
    struct sh_jw w;
    json_t *o = json_of(body);
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    const sh_err err = sh_guard_provider_put(f->g, &at, sh_str_c(id), o, mode, 0, &w, &f->diag);
    json_decref(o);
    return err == SH_OK ? sh_jw_end(&w) : err;
}

static void test_provider_keeps_its_secret(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(put(f, &sys, "corp", CORP, SH_PUT_CREATE), SH_E_IO);
    assert_null(guard_provider_find(f->g, SH_STR("corp")));
    assert_ok(put(f, &sys, "corp", CORP, SH_PUT_CREATE));
    assert_false(fixture_has(f, "hush"));
    assert_null(strstr(fake_disk_value(f->disk, GUARD_PROVIDER, "corp"), "hush"));
    assert_ok(put(f, &sys, "corp", "{\"en\":\"Corp\"}", SH_PUT_REPLACE));
    assert_true(fixture_has(f, "\"has_secret\":true"));
    fixture_reopen(f);
    assert_string_equal(guard_provider_find(f->g, SH_STR("corp"))->secret, "hush hush");
    assert_string_equal(guard_provider_find(f->g, SH_STR("corp"))->en, "Corp");
    assert_int_equal(fake_disk_audited(f->disk, "hush"), 0);
    assert_int_equal(fake_disk_audited(f->disk, "provider.changed"), 1);
}

static void test_provider_gives_no_more_than_who_made_it(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_ROLES, "desk",
                    "{\"permissions\":[\"people.read\",\"people.write\",\"overview.read\"]}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "desk",
                          "{\"roles\":[\"desk\"],\"password\":\"harbour and crane\"}"));
    const struct sh_sign_in in = fixture_sign_in(f, "desk", "harbour and crane");
    assert_int_equal(put(f, &in.who, "a",
                         "{\"issuer\":\"" ISSUER "\",\"client_id\":\"us\","
                         "\"roles\":[\"operator\"]}",
                         SH_PUT_CREATE),
                     SH_E_DENIED);
    assert_int_equal(put(f, &sys, "a",
                         "{\"issuer\":\"" ISSUER "\",\"client_id\":\"us\",\"map\":"
                         "[{\"value\":\"x\",\"role\":\"security_administrator\"}]}",
                         SH_PUT_CREATE),
                     SH_E_DENIED);
    assert_ok(put(f, &in.who, "a", CORP, SH_PUT_CREATE));
    assert_int_equal(put(f, &in.who, "a", "{\"roles\":[\"operator\"]}", SH_PUT_REPLACE),
                     SH_E_DENIED);
}

/* ---- the exchange ---- */

struct idp {
    struct fixture *f;
    struct sh_buf key;
    char jwk[128];
    char nonce[64];
    char state[64];
    char browser[SH_SECRET_CHARS];
    const char *extra; /* members of the claims */
    unsigned keys_asked;
};

static void put64(struct sh_buf *out, const char *text)
{
    assert_ok(sh_base64_put(out, sh_bytes_of(text, strlen(text)), true));
}

static void idp_new(struct fixture *f, struct idp *i)
{
    struct sh_buf pem;
    struct sh_buf der;
    struct sh_buf x;
    *i = (struct idp){.f = f, .extra = ""};
    sh_buf_init(&i->key, f->t.env.alloc, SH_PEM_MAX);
    sh_buf_init(&pem, f->t.env.alloc, SH_PEM_MAX);
    sh_buf_init(&der, f->t.env.alloc, SH_PEM_MAX);
    sh_buf_init(&x, f->t.env.alloc, 256);
    assert_ok(sh_sign_new_key(f->crypto, &i->key));
    assert_ok(sh_sign_public(f->crypto, sh_buf_str(&i->key), &pem));
    struct sh_str rest = sh_buf_str(&pem);
    (void)sh_str_cut(rest, '\n', &rest); /* the one line between the marks */
    assert_ok(sh_base64_parse(sh_str_trim(sh_str_cut(rest, '\n', &rest)), false, &der));
    assert_ok(sh_base64_put(&x, sh_bytes_of(der.p + der.n - 32, 32), true));
    assert_true(guard_print(i->jwk, sizeof i->jwk,
                            "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\"}]}",
                            SH_PRI(sh_buf_str(&x))));
    sh_buf_fini(&pem);
    sh_buf_fini(&der);
    sh_buf_fini(&x);
}

static void token_of(struct idp *i, struct sh_buf *out)
{
    char claims[512];
    uint8_t sig[SH_SIGNATURE_BYTES];
    const long long now = (long long)(guard_now(i->f->g) / SECOND);
    assert_true(guard_print(claims, sizeof claims,
                            "{\"iss\":\"" ISSUER
                            "\",\"sub\":\"id-1\",\"aud\":\"us\",\"nonce\":\"%s\","
                            "\"iat\":%lld,\"exp\":%lld,\"preferred_username\":\"li\"%s}",
                            i->nonce, now, now + 300, i->extra));
    put64(out, "{\"alg\":\"EdDSA\"}");
    assert_ok(sh_buf_put_c(out, "."));
    put64(out, claims);
    assert_ok(sh_sign_make(i->f->crypto, sh_buf_str(&i->key), sh_buf_bytes(out), sig));
    assert_ok(sh_buf_put_c(out, "."));
    assert_ok(sh_base64_put(out, sh_bytes_of(sig, sizeof sig), true));
}

static void serve(struct idp *i, struct sh_outside *x, const struct sh_outside_fetch *f)
{
    struct sh_buf b;
    sh_buf_init(&b, i->f->t.env.alloc, 65536);
    if (sh_str_eqc(f->url, ISSUER "/.well-known/openid-configuration")) {
        assert_ok(sh_buf_put_c(&b, DOCUMENT));
    } else if (sh_str_eqc(f->url, ISSUER "/keys")) {
        i->keys_asked++;
        assert_ok(sh_buf_put_c(&b, i->jwk));
    } else {
        assert_true(sh_str_eqc(f->url, ISSUER "/token"));
        assert_string_equal(f->method, "POST");
        assert_true(
            sh_str_eqc(f->authorization, "Basic dXM6aHVzaCUyMGh1c2g=")); /* us:hush%20hush */
        assert_ok(sh_buf_put_c(&b, "{\"id_token\":\""));
        struct sh_buf t;
        sh_buf_init(&t, i->f->t.env.alloc, 8192);
        token_of(i, &t);
        assert_ok(sh_buf_put_str(&b, sh_buf_str(&t)));
        sh_buf_fini(&t);
        assert_ok(sh_buf_put_c(&b, "\"}"));
    }
    sh_outside_fetched(x, SH_OK, NULL, 200, sh_buf_bytes(&b));
    sh_buf_fini(&b);
}

static sh_err run(struct idp *i, struct sh_outside *x)
{
    struct sh_outside_fetch f;
    sh_err err = SH_E_AGAIN;
    while ((err = sh_outside_step(x, &f)) == SH_E_AGAIN) {
        serve(i, x, &f);
    }
    return err;
}

static void parameter(struct sh_str url, const char *name, char *out, size_t cap)
{
    char mark[32];
    (void)guard_print(mark, sizeof mark, "&%s=", name);
    for (size_t at = 0; at + strlen(mark) < url.n; at++) {
        if (memcmp(url.p + at, mark, strlen(mark)) == 0) {
            struct sh_str rest = sh_str_sub(url, at + strlen(mark), url.n);
            assert_true(guard_copy(out, cap, sh_str_cut(rest, '&', &rest)));
            return;
        }
    }
    fail_msg("no %s", name);
}

static void begin(struct idp *i)
{
    struct sh_outside *x = NULL;
    const struct sh_outside_ask ask = {.provider = SH_STR("corp"),
                                       .callback = SH_STR("https://us/cb")};
    assert_ok(sh_outside_begin(i->f->g, SH_OUTSIDE_SIGN_IN, &ask, &x));
    assert_ok(run(i, x));
    const struct sh_str url = sh_outside_location(x);
    assert_true(sh_str_starts(url, SH_STR(ISSUER "/auth?a=b&response_type=code&client_id=us&")));
    parameter(url, "nonce", i->nonce, sizeof i->nonce);
    parameter(url, "state", i->state, sizeof i->state);
    assert_true(guard_copy(i->browser, sizeof i->browser, sh_outside_browser(x)));
    sh_outside_free(x);
}

static sh_err come_back(struct idp *i, char why[32])
{
    struct sh_outside *x = NULL;
    const struct sh_outside_ask ask = {.provider = SH_STR("corp"),
                                       .browser = sh_str_c(i->browser),
                                       .code = SH_STR("c"),
                                       .state = sh_str_c(i->state)};
    assert_ok(sh_outside_return(i->f->g, &ask, &x));
    const sh_err err = run(i, x);
    assert_true(guard_copy(why, 32, sh_str_c(sh_outside_why(x))));
    assert_int_equal(err == SH_OK, sh_outside_session(x) != NULL);
    sh_outside_free(x);
    return err;
}

static void test_exchange_makes_a_session_once(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    struct idp i;
    char why[32];
    idp_new(f, &i);
    assert_ok(put(f, &sys, "corp", CORP, SH_PUT_CREATE));
    begin(&i);
    assert_int_equal(come_back(&i, why), SH_E_DENIED);
    assert_string_equal(why, "not_linked");
    assert_ok(
        put(f, &sys, "corp", "{\"people\":\"create\",\"roles\":[\"viewer\"]}", SH_PUT_REPLACE));
    begin(&i);
    assert_ok(come_back(&i, why));
    assert_int_equal(come_back(&i, why), SH_E_DENIED); /* used up */
    assert_string_equal(why, "state");
    const struct sh_str li = SH_STR("li");
    const struct guard_person *p = guard_person_find(f->g, SH_TENANT_ROOT, li);
    assert_non_null(p);
    assert_string_equal(p->identities[0].subject, "id-1");
    assert_int_equal(fake_disk_audited(f->disk, "provider corp, subject id-1"), 1);
    begin(&i); /* after ten minutes it is over */
    sh_test_advance(&f->t, 601 * SECOND);
    assert_int_equal(come_back(&i, why), SH_E_DENIED);
    fixture_reopen(f);
    begin(&i);
    assert_ok(come_back(&i, why)); /* the same person still */
    sh_buf_fini(&i.key);
}

static void test_exchange_another_key_or_nonce_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    struct idp i;
    struct idp other;
    char why[32];
    idp_new(f, &i);
    idp_new(f, &other);
    assert_ok(put(f, &sys, "corp", CORP, SH_PUT_CREATE));
    assert_ok(put(f, &sys, "corp", "{\"people\":\"create\"}", SH_PUT_REPLACE));
    begin(&i);
    memcpy(i.nonce, "made up", 8);
    assert_int_equal(come_back(&i, why), SH_E_DENIED);
    assert_string_equal(why, "token_nonce");
    const unsigned asked = i.keys_asked;
    begin(&i); /* its keys are kept: signed by another one it asks no sooner than in a minute */
    struct sh_buf own = i.key;
    i.key = other.key;
    assert_int_equal(come_back(&i, why), SH_E_DENIED);
    assert_string_equal(why, "token_signature");
    assert_int_equal(i.keys_asked, asked);
    sh_test_advance(&f->t, 61 * SECOND);
    begin(&i);
    memcpy(i.jwk, other.jwk, sizeof i.jwk); /* the provider has a new key */
    assert_ok(come_back(&i, why));
    assert_int_equal(i.keys_asked, asked + 1);
    sh_buf_fini(&own);
    sh_buf_fini(&other.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_and_path_rows),
        cmocka_unit_test(test_document_rows),
        cmocka_unit_test(test_claims_rows),
        cmocka_unit_test(test_second_factor_by_amr_and_acr),
        cmocka_unit_test(test_net_list),
        FIXTURE_TEST(test_provider_keeps_its_secret),
        FIXTURE_TEST(test_provider_gives_no_more_than_who_made_it),
        FIXTURE_TEST(test_exchange_makes_a_session_once),
        FIXTURE_TEST(test_exchange_another_key_or_nonce_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
