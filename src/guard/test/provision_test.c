#include "fixture.h"

#define SECOND INT64_C(1000000)
#define DAY_US (86400 * SECOND)

static struct sh_guard_at at_root(struct fixture *f, struct sh_principal *sys)
{
    *sys = sh_guard_system(f->g);
    return (struct sh_guard_at){sys, 1, SH_STR("")};
}

/* Makes a key; its secret. The answer lies in f->text. */
static sh_err key_new(struct fixture *f, const char *body, char secret[SH_SECRET_CHARS],
                      char id[24])
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    struct sh_jw w;
    json_t *o = NULL;
    assert_ok(sh_json_parse(sh_str_c(body), 4096, &o, NULL));
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    const sh_err err = sh_guard_provision_new(f->g, &at, o, &w, &f->diag);
    json_decref(o);
    if (err == SH_OK) {
        assert_ok(sh_jw_end(&w));
        fixture_answer(f, "key", secret, SH_SECRET_CHARS);
        fixture_answer(f, "id", id, 24);
    }
    return err;
}

static sh_err come(struct fixture *f, const char *key, const char *device)
{
    struct sh_guard_provision p;
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    SH_TRY(sh_guard_provision_find(f->g, sh_str_c(key), sh_str_c(device), &p));
    SH_TRY(sh_guard_provision_secret(f->g, &p, sh_str_c(device), SH_STR("10.0.0.9"), user, secret));
    struct sh_principal who;
    assert_ok(sh_guard_by_secret(f->g, sh_str_c(user), sh_str_c(secret), &who));
    return SH_OK;
}

static void list(struct fixture *f)
{
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    struct sh_jw w;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_arr(&w);
    assert_ok(sh_guard_provisions_write(f->g, &at, &w));
    sh_jw_arr_end(&w);
    assert_ok(sh_jw_end(&w));
}

static void test_glob_rows(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *pattern;
        const char *text;
        bool fits;
    } rows[] = {
        {"*", "", true},
        {"*", "any", true},
        {"cnc-??", "cnc-12", true},
        {"cnc-??", "cnc-1", false},
        {"line3-*", "line3-", true},
        {"line3-*", "line4-a", false},
        {"*-a*b", "x-aab", true},
        {"*-a*b", "x-aabc", false},
        {"", "", true},
        {"", "x", false},
        {"press", "press", true},
        {"a*a", "a", false},
        {"**a", "bca", true},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(guard_glob(sh_str_c(rows[i].pattern), sh_str_c(rows[i].text)),
                         rows[i].fits);
    }
}

static void test_key_is_good_as_often_as_it_says(void **state)
{
    struct fixture *f = *state;
    char key[SH_SECRET_CHARS];
    char id[24];
    assert_ok(key_new(f, "{\"name\":\"line 3\",\"pattern\":\"cnc-*\",\"uses\":2}", key, id));
    assert_null(strstr(fake_disk_value(f->disk, GUARD_PROVISION, id), key)); /* not kept */
    assert_int_equal(come(f, "shp_nonsense", "cnc-1"), SH_E_DENIED);
    assert_int_equal(come(f, key, "oven"), SH_E_DENIED);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(come(f, key, "cnc-1"), SH_E_IO); /* not counted */
    assert_ok(come(f, key, "cnc-1"));
    assert_int_equal(come(f, key, "cnc-1"), SH_E_EXISTS); /* does not take over */
    fixture_reopen(f);
    list(f);
    assert_true(fixture_has(f, "\"used\":1") && fixture_has(f, "\"state\":\"open\""));
    assert_false(fixture_has(f, key));
    assert_ok(come(f, key, "cnc-2"));
    assert_int_equal(come(f, key, "cnc-3"), SH_E_DENIED);
    list(f);
    assert_true(fixture_has(f, "\"state\":\"used\""));
}

static void test_key_ends_and_is_revoked(void **state)
{
    struct fixture *f = *state;
    struct sh_principal sys;
    const struct sh_guard_at at = at_root(f, &sys);
    char key[SH_SECRET_CHARS];
    char other[SH_SECRET_CHARS];
    char id[24];
    assert_ok(key_new(f, "{\"name\":\"a\",\"uses\":9}", key, id));
    f->t.wall_us += 31 * DAY_US;
    assert_int_equal(come(f, key, "x"), SH_E_DENIED);
    list(f);
    assert_true(fixture_has(f, "\"state\":\"expired\""));
    assert_ok(key_new(f, "{\"name\":\"b\",\"uses\":9,\"thing\":\"cnc\"}", other, id));
    assert_ok(come(f, other, "x"));
    assert_int_equal(sh_guard_provision_revoke(f->g, &at, SH_STR("none")), SH_E_NOTFOUND);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_provision_revoke(f->g, &at, sh_str_c(id)), SH_E_IO);
    assert_ok(come(f, other, "y"));
    assert_ok(sh_guard_provision_revoke(f->g, &at, sh_str_c(id)));
    assert_int_equal(come(f, other, "z"), SH_E_DENIED);
    fixture_reopen(f);
    assert_int_equal(come(f, other, "z"), SH_E_DENIED);
}

static void test_certificate_by_key_counts_once(void **state)
{
    struct fixture *f = *state;
    struct sh_guard_provision p;
    struct sh_principal who;
    char key[SH_SECRET_CHARS];
    char id[24];
    struct sh_buf cert;
    struct sh_buf pkey;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&pkey, &f->t.alloc, SH_PEM_MAX);
    assert_ok(key_new(f, "{\"name\":\"a\",\"asset\":\"hall\"}", key, id));
    assert_ok(sh_guard_provision_find(f->g, sh_str_c(key), SH_STR("x"), &p));
    assert_string_equal(p.asset, "hall");
    struct sh_guard_issue o = {.device = SH_STR("x"), .request = SH_STR("no request")};
    assert_int_equal(
        sh_guard_provision_certificate(f->g, &p, &o, SH_STR(""), &cert, &pkey, &f->diag),
        SH_E_INVAL);
    o.request = SH_STR("");
    assert_ok(sh_guard_provision_certificate(f->g, &p, &o, SH_STR(""), &cert, &pkey, &f->diag));
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &who));
    o.device = SH_STR("y"); /* found before, used up meanwhile: the commit decides */
    assert_int_equal(
        sh_guard_provision_certificate(f->g, &p, &o, SH_STR(""), &cert, &pkey, &f->diag),
        SH_E_DENIED);
    sh_buf_fini(&cert);
    sh_buf_fini(&pkey);
}

static void test_bad_bodies_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{}",
        "{\"name\":\"\"}",
        "{\"name\":\"a\",\"uses\":0}",
        "{\"name\":\"a\",\"uses\":1000001}",
        "{\"name\":\"a\",\"uses\":\"x\"}",
        "{\"name\":\"a\",\"expires\":5}",
        "{\"name\":\"a\",\"expires\":\"soon\"}",
        "{\"name\":\"a\",\"expires\":\"2999-01-01T00:00:00Z\"}",
        "{\"name\":\"a\",\"pattern\":\"a\\nb\"}",
    };
    char key[SH_SECRET_CHARS];
    char id[24];
    for (size_t i = 0; i < SH_COUNT(bodies); i++) {
        assert_int_equal(key_new(f, bodies[i], key, id), SH_E_INVAL);
    }
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "eye",
                          "{\"roles\":[\"viewer\"],\"password\":\"river and valley 9\"}"));
    const struct sh_sign_in eye = fixture_sign_in(f, "eye", "river and valley 9");
    const struct sh_guard_at at = {&eye.who, 1, SH_STR("")};
    struct sh_jw w;
    sh_jw_init(&w, &f->text);
    json_t *o = json_pack("{s:s}", "name", "a");
    assert_int_equal(sh_guard_provision_new(f->g, &at, o, &w, &f->diag), SH_E_DENIED);
    assert_int_equal(sh_guard_provision_revoke(f->g, &at, SH_STR("x")), SH_E_DENIED);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob_rows),
        FIXTURE_TEST(test_key_is_good_as_often_as_it_says),
        FIXTURE_TEST(test_key_ends_and_is_revoked),
        FIXTURE_TEST(test_certificate_by_key_counts_once),
        FIXTURE_TEST(test_bad_bodies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
