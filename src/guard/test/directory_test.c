/* Signing in by a directory that is played here: what is asked, in which order, and what comes of
 * the answers. The wire itself is codec.ldap's and wire.ldap's. SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <sh/directory.h>
#include <sh/ldap.h>

#define CORP                                                                                       \
    "{\"kind\":\"ldap\",\"servers\":[\"a.plant.cn\",\"b.plant.cn:10636\"],\"base\":\"dc=cn\","     \
    "\"bind_dn\":\"cn=s,dc=cn\",\"bind_password\":\"hush\",\"people\":\"create\",\"roles\":["      \
    "\"viewer\"]}"

/* ---- the played server ---- */

struct peer {
    struct sh_buf out;
    unsigned hits;  /* entries that the search finds */
    uint32_t bind;  /* what the person's bind is answered */
    bool dead;      /* connections fail */
    unsigned binds; /* seen */
    unsigned connects;
    char bound[128];       /* the last name that was bound */
    const char *attribute; /* one more, with the value TRUE; or NULL */
};

static void put(struct sh_buf *b, uint8_t tag, const void *p, size_t n)
{
    assert_true(n < 128);
    assert_ok(sh_buf_put_u8(b, tag));
    assert_ok(sh_buf_put_u8(b, (uint8_t)n));
    assert_ok(sh_buf_put(b, p, n));
}

static void attribute(struct sh_buf *list, const char *name, const char *value)
{
    struct sh_buf one;
    struct sh_buf set;
    sh_buf_init(&one, sh_alloc_heap(), 256);
    sh_buf_init(&set, sh_alloc_heap(), 256);
    put(&set, 4, value, strlen(value));
    put(&one, 4, name, strlen(name));
    put(&one, 0x31, set.p, set.n);
    put(list, 0x30, one.p, one.n);
    sh_buf_fini(&one);
    sh_buf_fini(&set);
}

static void message(struct peer *p, uint8_t id, uint8_t op, const struct sh_buf *body)
{
    struct sh_buf m;
    sh_buf_init(&m, sh_alloc_heap(), 512);
    put(&m, 2, &id, 1);
    put(&m, op, body->p, body->n);
    put(&p->out, 0x30, m.p, m.n);
    sh_buf_fini(&m);
}

static void result(struct peer *p, uint8_t id, uint8_t op, uint8_t code)
{
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 64);
    put(&b, 10, &code, 1);
    put(&b, 4, "", 0);
    put(&b, 4, "", 0);
    message(p, id, op, &b);
    sh_buf_fini(&b);
}

static void entry(struct peer *p, uint8_t id)
{
    struct sh_buf b;
    struct sh_buf list;
    sh_buf_init(&b, sh_alloc_heap(), 512);
    sh_buf_init(&list, sh_alloc_heap(), 512);
    attribute(&list, "uid", "li");
    attribute(&list, "entryUUID", "u-1");
    if (p->attribute != NULL) {
        attribute(&list, p->attribute, "TRUE");
    }
    put(&b, 4, "uid=li,dc=cn", 12);
    put(&b, 0x30, list.p, list.n);
    message(p, id, 0x64, &b);
    sh_buf_fini(&b);
    sh_buf_fini(&list);
}

static bool holds(struct sh_bytes in, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= in.n; i++) {
        if (memcmp(in.p + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Requests of ours have lengths of five bytes: SEQUENCE, id, op. */
static void answer(struct peer *p, struct sh_bytes in)
{
    const uint8_t id = in.p[8];
    const uint8_t op = in.p[9];
    sh_buf_clear(&p->out);
    if (op == 0x60) {
        p->binds++;
        (void)guard_copy(p->bound, sizeof p->bound, sh_str_of((const char *)in.p + 24, in.p[23]));
        result(p, id, 0x61, (uint8_t)(holds(in, "cn=s,dc=cn") ? 0 : p->bind));
    } else {
        assert_int_equal(op, 0x63);
        for (unsigned i = 0; i < p->hits; i++) {
            entry(p, id);
        }
        result(p, id, 0x65, 0);
    }
}

static sh_err run(struct sh_directory *d, struct peer *p)
{
    struct sh_directory_want w;
    sh_err err = SH_OK;
    sh_buf_init(&p->out, sh_alloc_heap(), 4096);
    while ((err = sh_directory_step(d, &w)) == SH_E_AGAIN) {
        size_t used = 0;
        if (w.act == SH_DIRECTORY_CONNECT) {
            p->connects++;
            assert_true(w.tls);
            assert_int_equal(w.port, sh_str_eqc(w.host, "a.plant.cn") ? 636 : 10636);
            sh_directory_done(d, p->dead ? SH_E_IO : SH_OK, "refused");
            continue;
        }
        assert_int_equal(w.act, SH_DIRECTORY_TALK);
        answer(p, w.send);
        for (size_t n = 0; n < p->out.n; n++) { /* any prefix asks for more */
            const sh_err early = sh_directory_hear(d, sh_bytes_of(p->out.p, n), &used);
            assert_int_equal(early, SH_E_AGAIN);
            if (used > 0) { /* taken: what is left is shown from there */
                sh_buf_drop(&p->out, used);
                n = 0;
            }
        }
        assert_ok(sh_directory_hear(d, sh_buf_bytes(&p->out), &used));
        assert_int_equal(used, p->out.n);
    }
    sh_buf_fini(&p->out);
    return err;
}

static sh_err sign_in(struct fixture *f, const char *user, const char *password, struct peer *p,
                      struct sh_sign_in *out, char why[32])
{
    const struct sh_sign_in_ask ask = {
        .user = sh_str_c(user), .password = sh_str_c(password), .peer = SH_STR("10.0.0.9")};
    struct sh_directory *d = NULL;
    assert_ok(sh_directory_start(f->g, SH_DIRECTORY_SIGN_IN, &ask, &d));
    const sh_err err = run(d, p);
    if (out != NULL) {
        *out = *sh_directory_session(d);
    }
    if (why != NULL) {
        (void)guard_copy(why, 32, sh_str_c(sh_directory_why(d)));
    }
    sh_directory_free(d);
    assert_int_equal(f->g->directories, 0);
    return err;
}

static void set_up(struct fixture *f, const char *body)
{
    const struct sh_sign_in s = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_guard_at at = {.by = &s.who, .tenant = SH_TENANT_ROOT};
    json_t *o = NULL;
    struct sh_jw w;
    assert_ok(sh_json_parse(sh_str_c(body), 8192, &o, NULL));
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    assert_ok(sh_guard_provider_put(f->g, &at, SH_STR("corp"), o, SH_PUT_CREATE, 0, &w, &f->diag));
    json_decref(o);
}

/* ---- tests ---- */

static void test_right_password_makes_the_person_and_a_session(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.hits = 1};
    struct sh_sign_in s;
    set_up(f, CORP);
    assert_ok(sign_in(f, "li", "pw", &p, &s, NULL));
    assert_true(sh_str_starts(sh_str_c(s.token), SH_STR("shs_")));
    assert_int_equal(p.binds, 2); /* the account that searches, the person */
    assert_string_equal(p.bound, "uid=li,dc=cn");
    assert_true(fake_disk_audited(f->disk, "provider corp, subject u-1") == 1);
    const struct guard_person *who = guard_person_find(f->g, SH_TENANT_ROOT, SH_STR("li"));
    assert_non_null(who);
    assert_string_equal(who->identities[0].login, "li");
    fixture_reopen(f); /* the kind, its parts and the link are stored */
    assert_ok(sign_in(f, "li", "pw", &p, &s, NULL));
}

static void test_wrong_password_and_nobody_are_asked_and_answered_alike(void **state)
{
    struct fixture *f = *state;
    struct peer wrong = {.hits = 1, .bind = SH_LDAP_INVALID_CREDENTIALS};
    struct peer nobody = {.hits = 0, .bind = 0}; /* even when the bind is let through */
    struct peer several = {.hits = 2, .bind = 0};
    char why[32];
    set_up(f, CORP);
    assert_int_equal(sign_in(f, "li", "bad", &wrong, NULL, why), SH_E_DENIED);
    assert_string_equal(why, "");
    assert_int_equal(sign_in(f, "who", "bad", &nobody, NULL, why), SH_E_DENIED);
    assert_string_equal(why, "");
    assert_int_equal(sign_in(f, "both", "bad", &several, NULL, why), SH_E_DENIED);
    assert_int_equal(wrong.binds, 2);
    assert_int_equal(nobody.binds, 2);
    assert_int_equal(several.binds, 2);
    assert_true(sh_str_starts(sh_str_c(nobody.bound), SH_STR("cn=nobody-")));
    assert_true(sh_str_starts(sh_str_c(several.bound), SH_STR("cn=nobody-")));
}

static void test_wrong_passwords_lock_as_local_ones_do(void **state)
{
    struct fixture *f = *state;
    struct peer wrong = {.hits = 1, .bind = SH_LDAP_INVALID_CREDENTIALS};
    struct sh_sign_in s;
    set_up(f, CORP);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sign_in(f, "li", "bad", &wrong, NULL, NULL), SH_E_DENIED);
    }
    struct peer right = {.hits = 1};
    assert_int_equal(sign_in(f, "li", "pw", &right, &s, NULL), SH_E_LIMIT);
    assert_true(s.retry_after_us > 0);
    assert_int_equal(right.connects, 0); /* not even asked */
}

static void test_local_person_is_not_told_to_the_directory(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.hits = 1};
    set_up(f, CORP);
    assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, &p, NULL, NULL));
    assert_int_equal(p.connects, 0);
    assert_int_equal(sign_in(f, "admin", "bad", &p, NULL, NULL), SH_E_DENIED);
    assert_int_equal(p.connects, 1); /* of a name that nobody has, for the time it takes */
    assert_true(p.bound[0] != '\0');
}

static void test_down_asks_each_server_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.dead = true};
    set_up(f, CORP);
    assert_int_equal(sign_in(f, "li", "pw", &p, NULL, NULL), SH_E_TIMEOUT);
    assert_int_equal(p.connects, 2);
    assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, &p, NULL, NULL));
}

static void test_disabled_there_ends_its_sessions(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.hits = 1};
    struct peer off = {.hits = 1, .attribute = "nsAccountLock"};
    struct sh_sign_in s;
    struct sh_principal who;
    set_up(f, CORP);
    assert_ok(sign_in(f, "li", "pw", &p, &s, NULL));
    assert_ok(sh_guard_by_session(f->g, sh_str_c(s.token), &who, NULL, NULL));
    assert_int_equal(sign_in(f, "li", "pw", &off, NULL, NULL), SH_E_DENIED);
    assert_int_equal(sh_guard_by_session(f->g, sh_str_c(s.token), &who, NULL, NULL), SH_E_DENIED);
}

static void test_confirm_is_by_the_same_entry(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.hits = 1};
    struct sh_sign_in s;
    struct sh_directory *d = NULL;
    set_up(f, CORP);
    assert_ok(sign_in(f, "li", "pw", &p, &s, NULL));
    const struct sh_sign_in_ask ask = {.password = SH_STR("pw"), .peer = SH_STR("10.0.0.9")};
    assert_ok(sh_directory_confirm(f->g, &s.who, &ask, &d));
    assert_ok(run(d, &p));
    sh_directory_free(d);
    struct peer wrong = {.hits = 1, .bind = SH_LDAP_INVALID_CREDENTIALS};
    assert_ok(sh_directory_confirm(f->g, &s.who, &ask, &d));
    assert_int_equal(run(d, &wrong), SH_E_DENIED);
    sh_directory_free(d);
}

static void test_answers_to_other_questions_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in_ask ask = {
        .user = SH_STR("li"), .password = SH_STR("pw"), .peer = SH_STR("10.0.0.9")};
    static const uint8_t rows[][14] = {
        {0x30, 12, 2, 1, 9, 0x61, 7, 10, 1, 0, 4, 0, 4, 0}, /* another id */
        {0x30, 12, 2, 1, 1, 0x65, 7, 10, 1, 0, 4, 0, 4, 0}, /* another operation */
        {0x31, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0}, /* no message */
    };
    set_up(f, CORP);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_directory *d = NULL;
        struct sh_directory_want w;
        size_t used = 0;
        assert_ok(sh_directory_start(f->g, SH_DIRECTORY_SIGN_IN, &ask, &d));
        assert_int_equal(sh_directory_step(d, &w), SH_E_AGAIN);
        sh_directory_done(d, SH_OK, NULL);
        assert_int_equal(sh_directory_step(d, &w), SH_E_AGAIN); /* the account that searches */
        assert_int_equal(sh_directory_hear(d, sh_bytes_of(rows[i], sizeof rows[i]), &used),
                         SH_E_PROTO);
        sh_directory_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_right_password_makes_the_person_and_a_session),
        FIXTURE_TEST(test_wrong_password_and_nobody_are_asked_and_answered_alike),
        FIXTURE_TEST(test_wrong_passwords_lock_as_local_ones_do),
        FIXTURE_TEST(test_local_person_is_not_told_to_the_directory),
        FIXTURE_TEST(test_down_asks_each_server_and_says_so),
        FIXTURE_TEST(test_disabled_there_ends_its_sessions),
        FIXTURE_TEST(test_confirm_is_by_the_same_entry),
        FIXTURE_TEST(test_answers_to_other_questions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
