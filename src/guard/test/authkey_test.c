/* An authenticator of the test's own (OpenSSL) against the guard. */
#include "fixture.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>

#define HOST "plant.example:8443"
#define ORIGIN "https://plant.example:8443"

struct token {
    EVP_PKEY *key;
    uint8_t id[20];
    uint32_t count;
};

static struct token token_new(uint8_t mark)
{
    struct token t = {.key = EVP_EC_gen("P-256"), .count = 1};
    memset(t.id, mark, sizeof t.id);
    return t;
}

struct said {
    char client[512];
    uint8_t data[512];
    size_t n;
    uint8_t sig[128];
    size_t sig_n;
};

static void member(const struct fixture *f, const char *name, char *out, size_t cap)
{
    fixture_answer(f, name, out, cap);
}

static void client_of(struct said *s, const char *type, const char *challenge, const char *origin)
{
    (void)snprintf(s->client, sizeof s->client,
                   "{\"type\":\"webauthn.%s\",\"challenge\":\"%s\",\"origin\":\"%s\"}", type,
                   challenge, origin);
}

static void data_head(struct fixture *f, struct said *s, struct token *t, const char *rp,
                      uint8_t flags)
{
    const struct sh_bytes name = sh_str_bytes(sh_str_c(rp));
    assert_ok(sh_crypto_hash(f->crypto, SH_DIGEST_SHA256, &name, 1, s->data));
    s->data[32] = flags;
    for (int i = 0; i < 4; i++) {
        s->data[33 + i] = (uint8_t)(t->count >> (24 - 8 * i));
    }
    s->n = 37;
}

static void attest(struct fixture *f, struct token *t, struct said *s, uint8_t object[600],
                   size_t *object_n)
{
    uint8_t point[80];
    size_t n = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(t->key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n),
        1);
    data_head(f, s, t, "plant.example", 0x41);
    uint8_t *p = s->data + s->n;
    memset(p, 0, 16);
    p[16] = 0;
    p[17] = sizeof t->id;
    memcpy(p + 18, t->id, sizeof t->id);
    p += 18 + sizeof t->id;
    memcpy(p, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10);
    memcpy(p + 10, point + 1, 32);
    memcpy(p + 42, "\x22\x58\x20", 3);
    memcpy(p + 45, point + 33, 32);
    s->n = (size_t)(p + 77 - s->data);
    /* {"fmt":"none","attStmt":{},"authData":h'..'} as far as the length */
    static const uint8_t head[29] = {0xa3, 0x63, 'f', 'm', 't', 0x64, 'n', 'o', 'n',  'e',
                                     0x67, 'a',  't', 't', 'S', 't',  'm', 't', 0xa0, 0x68,
                                     'a',  'u',  't', 'h', 'D', 'a',  't', 'a', 0x58};
    memcpy(object, head, sizeof head);
    object[29] = (uint8_t)s->n;
    memcpy(object + 30, s->data, s->n);
    *object_n = 30 + s->n;
}

static void begin_answer(struct fixture *f, struct sh_jw *w)
{
    sh_buf_clear(&f->text);
    sh_jw_init(w, &f->text);
    sh_jw_obj(w);
}

static sh_err add(struct fixture *f, const struct sh_principal *who, struct token *t,
                  const char *origin, const char *challenge)
{
    struct sh_jw w;
    struct said s = {.n = 0};
    uint8_t object[600];
    size_t n = 0;
    const struct sh_guard_at at = {who, SH_TENANT_ROOT, SH_STR("10.0.0.1")};
    client_of(&s, "create", challenge, origin);
    attest(f, t, &s, object, &n);
    const struct sh_guard_key_made made = {.name = SH_STR("blue"),
                                           .client = sh_str_bytes(sh_str_c(s.client)),
                                           .attestation = sh_bytes_of(object, n),
                                           .host = SH_STR(HOST)};
    begin_answer(f, &w);
    const sh_err err = sh_guard_key_add(f->g, &at, &made, &w);
    sh_jw_obj_end(&w);
    return err;
}

static void challenge_for(struct fixture *f, const struct sh_principal *who, char out[100])
{
    struct sh_jw w;
    sh_test_advance(&f->t, 1000000);
    begin_answer(f, &w);
    assert_ok(sh_guard_key_begin(f->g, who, SH_STR(HOST), &w));
    sh_jw_obj_end(&w);
    assert_true(fixture_has(f, "\"rp_id\":\"plant.example\""));
    member(f, "challenge", out, 100);
}

static void registered(struct fixture *f, const struct sh_principal *who, struct token *t)
{
    char challenge[100];
    challenge_for(f, who, challenge);
    assert_ok(add(f, who, t, ORIGIN, challenge));
}

static struct sh_sign_in_ask ask_of(const struct sh_guard_assertion *key)
{
    return (struct sh_sign_in_ask){.user = SH_STR("admin"),
                                   .password = SH_STR(ADMIN_PASSWORD),
                                   .peer = SH_STR("10.0.0.1"),
                                   .key = key};
}

static sh_err asked(struct fixture *f, char challenge[100])
{
    struct sh_jw w;
    struct sh_sign_in out;
    const struct sh_sign_in_ask ask = ask_of(NULL);
    sh_test_advance(&f->t, 1000000);
    begin_answer(f, &w);
    const sh_err err = sh_guard_key_ask(f->g, NULL, &ask, SH_STR(HOST), &out, &w);
    sh_jw_obj_end(&w);
    if (err == SH_OK) {
        member(f, "challenge", challenge, 100);
    }
    return err;
}

static struct sh_guard_assertion answer(struct fixture *f, struct token *t, struct said *s,
                                        const char *challenge, const char *origin, uint8_t flags)
{
    uint8_t hash[SH_HASH_BYTES];
    uint8_t all[37 + SH_HASH_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    t->count++;
    client_of(s, "get", challenge, origin);
    data_head(f, s, t, "plant.example", flags);
    const struct sh_bytes client = sh_str_bytes(sh_str_c(s->client));
    assert_ok(sh_crypto_hash(f->crypto, SH_DIGEST_SHA256, &client, 1, hash));
    memcpy(all, s->data, 37);
    memcpy(all + 37, hash, sizeof hash);
    s->sig_n = sizeof s->sig;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, t->key, NULL), 1);
    assert_int_equal(EVP_DigestSign(ctx, s->sig, &s->sig_n, all, sizeof all), 1);
    EVP_MD_CTX_free(ctx);
    return (struct sh_guard_assertion){.id = sh_bytes_of(t->id, sizeof t->id),
                                       .client = client,
                                       .data = sh_bytes_of(s->data, s->n),
                                       .signature = sh_bytes_of(s->sig, s->sig_n),
                                       .host = SH_STR(HOST)};
}

static sh_err enter(struct fixture *f, const struct sh_guard_assertion *a)
{
    struct sh_sign_in out;
    const struct sh_sign_in_ask ask = ask_of(a);
    const sh_err err = sh_guard_sign_in_with(f->g, &ask, &out);
    assert_true(err == SH_OK || !out.code_needed || a == NULL);
    return err;
}

static void test_a_key_is_added_and_opens_the_account(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct token t = token_new(7);
    struct said s = {.n = 0};
    char challenge[100];
    registered(f, &in.who, &t);
    assert_true(fixture_has(f, "recovery_codes\":[\""));
    struct sh_sign_in out;
    struct sh_sign_in_ask ask = ask_of(NULL);
    assert_int_equal(sh_guard_sign_in_with(f->g, &ask, &out), SH_E_DENIED);
    assert_true(out.code_needed);
    assert_true(out.key_possible);
    assert_false(out.code_possible);
    ask.code = SH_STR("123456"); /* there are no codes */
    assert_int_equal(sh_guard_sign_in_with(f->g, &ask, &out), SH_E_DENIED);
    assert_ok(asked(f, challenge));
    const struct sh_guard_assertion a = answer(f, &t, &s, challenge, ORIGIN, 1);
    assert_ok(enter(f, &a));
    assert_int_equal(enter(f, &a), SH_E_DENIED); /* good once, */
    fixture_reopen(f);
    assert_int_equal(enter(f, &a), SH_E_DENIED); /* also after a restart */
    assert_ok(asked(f, challenge));
    const struct sh_guard_assertion b = answer(f, &t, &s, challenge, ORIGIN, 1);
    assert_ok(enter(f, &b));
    EVP_PKEY_free(t.key);
}

static void test_what_does_not_open_it(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct token t = token_new(7);
    struct token other = token_new(7);
    struct said s = {.n = 0};
    char challenge[100];
    char create[100];
    registered(f, &in.who, &t);
    f->set.lock_after = 100;
    fixture_reopen(f);
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(asked(f, challenge));
    struct sh_guard_assertion a = answer(f, &other, &s, challenge, ORIGIN, 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED); /* another key with its id */
    a = answer(f, &t, &s, challenge, "https://evil.example:8443", 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    a = answer(f, &t, &s, challenge, "http://plant.example:8443", 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    a = answer(f, &t, &s, challenge, ORIGIN, 0); /* nobody touched it */
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    a = answer(f, &t, &s, challenge, ORIGIN, 1);
    a.host = SH_STR("other.example:8443");
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    challenge[5] = challenge[5] == 'A' ? 'B' : 'A';
    a = answer(f, &t, &s, challenge, ORIGIN, 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    a = answer(f, &t, &s, "", ORIGIN, 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    /* a challenge for making a key is none for signing in */
    struct sh_jw w;
    assert_ok(asked(f, challenge));
    (void)memcpy(create, challenge, sizeof create);
    /* too old */
    sh_test_advance(&f->t, INT64_C(301) * 1000000);
    a = answer(f, &t, &s, create, ORIGIN, 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    /* a copy of the key that was used less counts backwards */
    assert_ok(asked(f, challenge));
    a = answer(f, &t, &s, challenge, ORIGIN, 1);
    assert_ok(enter(f, &a));
    t.count -= 2;
    assert_ok(asked(f, challenge));
    a = answer(f, &t, &s, challenge, ORIGIN, 1);
    assert_int_equal(enter(f, &a), SH_E_DENIED);
    /* somebody else's password tells nothing */
    struct sh_sign_in out;
    struct sh_sign_in_ask wrong = ask_of(NULL);
    wrong.password = SH_STR("not the password");
    begin_answer(f, &w);
    assert_int_equal(sh_guard_key_ask(f->g, NULL, &wrong, SH_STR(HOST), &out, &w), SH_E_DENIED);
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", "{\"password\":\"a long pass phrase\"}"));
    struct sh_sign_in_ask li = {.user = SH_STR("li"), .password = SH_STR("a long pass phrase")};
    begin_answer(f, &w);
    assert_int_equal(sh_guard_key_ask(f->g, NULL, &li, SH_STR(HOST), &out, &w), SH_E_NOTFOUND);
    EVP_PKEY_free(t.key);
    EVP_PKEY_free(other.key);
}

static void test_registering_is_asked_for(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct token t = token_new(1);
    struct sh_jw w;
    char challenge[100];
    char first[100];
    begin_answer(f, &w);
    assert_int_equal(sh_guard_key_begin(f->g, &in.who, SH_STR("127.0.0.1:8080"), &w),
                     SH_E_UNSUPPORTED);
    assert_int_equal(sh_guard_key_begin(f->g, &in.who, SH_STR("[::1]:8080"), &w), SH_E_UNSUPPORTED);
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_int_equal(sh_guard_key_begin(f->g, &sys, SH_STR(HOST), &w), SH_E_STATE);
    challenge_for(f, &in.who, challenge);
    assert_int_equal(add(f, &in.who, &t, "https://evil.example", challenge), SH_E_DENIED);
    assert_int_equal(add(f, &in.who, &t, ORIGIN, "AAAA"), SH_E_DENIED);
    assert_ok(add(f, &in.who, &t, ORIGIN, challenge));
    memcpy(first, challenge, sizeof first);
    challenge_for(f, &in.who, challenge);
    assert_int_equal(add(f, &in.who, &t, ORIGIN, challenge), SH_E_EXISTS);
    for (int i = 2; i <= GUARD_KEYS_PER_PERSON; i++) {
        struct token more = token_new((uint8_t)i);
        registered(f, &in.who, &more);
        assert_true(fixture_has(f, "\"recovery_codes\":null"));
        EVP_PKEY_free(more.key);
    }
    begin_answer(f, &w);
    assert_int_equal(sh_guard_key_begin(f->g, &in.who, SH_STR(HOST), &w), SH_E_LIMIT);
    EVP_PKEY_free(t.key);
}

static void test_keys_and_codes_beside_each_other(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct token t = token_new(7);
    struct sh_jw w;
    const struct sh_guard_at at = {&in.who, SH_TENANT_ROOT, SH_STR("")};
    registered(f, &in.who, &t);
    begin_answer(f, &w);
    assert_ok(sh_guard_account_write(f->g, &in.who, &w));
    sh_jw_obj_end(&w);
    assert_true(
        fixture_has(f, "\"second_factor\":true,\"totp\":false,\"keys\":[{\"id\":\"BwcHBwc"));
    assert_true(fixture_has(f, "\"name\":\"blue\",\"host\":\"plant.example\""));
    assert_int_equal(sh_guard_key_remove(f->g, &at, SH_STR("nope")), SH_E_NOTFOUND);
    assert_ok(sh_guard_key_remove(f->g, &at, SH_STR("BwcHBwcHBwcHBwcHBwcHBwcHBwc")));
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD); /* the password alone is good again */
    /* a lost key: an administrator takes all away */
    const struct sh_sign_in again = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    registered(f, &again.who, &t);
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at by = {&sys, SH_TENANT_ROOT, SH_STR("")};
    assert_ok(sh_guard_totp_remove(f->g, &by, SH_STR("admin"), &f->diag));
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    EVP_PKEY_free(t.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_key_is_added_and_opens_the_account),
        FIXTURE_TEST(test_what_does_not_open_it),
        FIXTURE_TEST(test_registering_is_asked_for),
        FIXTURE_TEST(test_keys_and_codes_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
