#include <sh/record.h>

#include <stdio.h>

#include "fixture.h"

/* The same work over the real record store and the real file system. */
struct real {
    struct sh_test_env t;
    char dir[64];
    char path[96];
    struct sh_crypto *crypto;
    struct sh_record *r;
    struct sh_guard *g;
};

static void open_real(struct real *x)
{
    const struct sh_record_config cfg = {.path = x->path};
    struct sh_guard_options o = {
        .env = &x->t.env,
        .crypto = x->crypto,
        .dir = x->dir,
        .settings = sh_guard_settings_default(),
    };
    struct sh_diag diag = {0};
    o.settings.argon2 = (struct sh_argon2){.time = 1, .mem_kib = 16, .lanes = 1};
    assert_ok(sh_record_open(&x->t.env, NULL, &cfg, &x->r, &diag));
    assert_ok(sh_guard_store_record(&x->t.env, x->r, &o.store));
    assert_ok(sh_guard_open(&o, &x->g, &diag));
}

static void close_real(struct real *x)
{
    sh_guard_close(x->g);
    sh_record_close(x->r);
}

static int setup(void **state)
{
    static struct real x;
    memset(&x, 0, sizeof x);
    sh_test_tmpdir(x.dir);
    (void)snprintf(x.path, sizeof x.path, "%s/songhua.db", x.dir);
    sh_test_env_init(&x.t, NULL);
    x.t.env.clock = sh_clock_system();
    x.t.env.random = sh_random_system();
    assert_ok(sh_crypto_new(&x.t.env, &x.crypto));
    open_real(&x);
    *state = &x;
    return 0;
}

static int teardown(void **state)
{
    struct real *x = *state;
    close_real(x);
    sh_crypto_free(x->crypto);
    sh_test_env_fini(&x->t);
    sh_test_rmdir(x->dir);
    return 0;
}

static void put(struct real *x, enum sh_guard_noun noun, const char *name, const char *body,
                char token[SH_SECRET_CHARS])
{
    const struct sh_principal sys = sh_guard_system(x->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    struct sh_buf text;
    struct sh_jw w;
    json_t *o = NULL;
    json_t *answer = NULL;
    assert_ok(sh_json_parse(sh_str_c(body), 1 << 16, &o, NULL));
    sh_buf_init(&text, &x->t.alloc, 1 << 16);
    sh_jw_init(&w, &text);
    assert_ok(sh_guard_put(x->g, &at, noun, sh_str_c(name), o, SH_PUT_EITHER, 0, &w, NULL));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&text), 1 << 16, &answer, NULL));
    (void)guard_copy(token, SH_SECRET_CHARS, sh_json_get_str(answer, "token"));
    json_decref(answer);
    json_decref(o);
    sh_buf_fini(&text);
}

static void verify(struct real *x, uint64_t entries)
{
    struct guard_store *store = NULL;
    struct sh_audit_report r;
    assert_ok(sh_guard_store_record(&x->t.env, x->r, &store));
    assert_ok(sh_audit_verify(
        &(struct sh_audit_proof){
            .env = &x->t.env, .crypto = x->crypto, .store = store, .dir = x->dir},
        &r));
    assert_int_equal(r.entries, entries);
    assert_true(r.sealed);
    sh_guard_store_free(store);
}

static void test_everything_survives_a_restart(void **state)
{
    struct real *x = *state;
    char shown[SH_SECRET_CHARS];
    char token[SH_SECRET_CHARS];
    char none[SH_SECRET_CHARS];
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    struct sh_sign_in in;
    struct sh_principal p;
    assert_ok(sh_guard_first_start(x->g, SH_STR(""), true, shown, NULL));
    assert_ok(sh_guard_sign_in(x->g, SH_STR("admin"), sh_str_c(shown), SH_STR("::1"), &in));
    put(x, SH_GUARD_TENANTS, "jilin", "{\"quotas\":{\"points\":7}}", none);
    put(x, SH_GUARD_ROLES, "chef", "{\"permissions\":[\"devices.*\"]}", none);
    put(x, SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"chef\"]}", token);
    const struct sh_principal sys = sh_guard_system(x->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    char longest[SH_DEVICE_ID_MAX + 1];
    memset(longest, 'd', SH_DEVICE_ID_MAX);
    longest[SH_DEVICE_ID_MAX] = '\0';
    assert_ok(sh_guard_device_secret_new(x->g, &at, sh_str_c(longest), user, secret));
    for (int round = 0; round < 2; round++) {
        uint32_t tenant = 0;
        assert_ok(sh_guard_by_token(x->g, sh_str_c(in.token), &p));
        assert_ok(sh_guard_check(x->g, &p, SH_PERM_CONFIG_WRITE, 1));
        assert_ok(sh_guard_by_token(x->g, sh_str_c(token), &p));
        assert_ok(sh_guard_check(x->g, &p, SH_PERM_DEVICES_COMMAND, 1));
        assert_ok(sh_guard_by_secret(x->g, sh_str_c(user), sh_str_c(secret), &p));
        assert_ok(sh_guard_tenant_find(x->g, SH_STR("jilin"), &tenant));
        struct sh_tenant_use use;
        assert_ok(sh_guard_tenant_use(x->g, tenant, &use));
        assert_int_equal(use.limit[SH_QUOTA_POINTS], 7);
        verify(x, 6);
        close_real(x);
        open_real(x);
    }
    assert_ok(sh_guard_sign_out(x->g, sh_str_c(in.token)));
    assert_ok(sh_guard_device_removed(x->g, 1, sh_str_c(longest)));
    close_real(x);
    open_real(x);
    assert_int_equal(sh_guard_by_token(x->g, sh_str_c(in.token), &p), SH_E_DENIED);
    assert_int_equal(sh_guard_by_secret(x->g, sh_str_c(user), sh_str_c(secret), &p), SH_E_DENIED);
    verify(x, 7);
}

static void test_audit_lists_in_pages_newest_first(void **state)
{
    struct real *x = *state;
    const struct sh_principal sys = sh_guard_system(x->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    const struct sh_audit a = {.by = &sys, .tenant = 1, .act = SH_STR("a.b")};
    uint64_t next = 0;
    uint64_t expect = 501;
    for (int i = 0; i < 500; i++) {
        sh_guard_audit_post(x->g, &a);
    }
    sh_guard_tick(x->g);
    assert_ok(sh_guard_audit(x->g, &a));
    do {
        struct sh_buf text;
        struct sh_jw w;
        json_t *o = NULL;
        sh_buf_init(&text, &x->t.alloc, 1 << 20);
        sh_jw_init(&w, &text);
        sh_jw_arr(&w);
        assert_ok(sh_guard_audit_list(
            x->g, &at, next, &(struct sh_audit_find){.text = SH_STR("a.b")}, 150, &w, &next));
        sh_jw_arr_end(&w);
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&text), 1 << 20, &o, NULL));
        for (size_t i = 0; i < json_array_size(o); i++, expect--) {
            assert_int_equal(sh_json_get_i64(json_array_get(o, i), "seq", 0), expect);
        }
        json_decref(o);
        sh_buf_fini(&text);
    } while (next != 0);
    assert_int_equal(expect, 0);
    verify(x, 501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_survives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit_lists_in_pages_newest_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
