#include "fixture.h"

/* Everything once, with the first, second, third ... allocation failing. The store and the files
 * are made anew for each run. */
struct world {
    struct sh_memfs *fs;
    struct fake_disk *disk;
    struct sh_crypto *crypto;
    struct sh_guard *g;
    struct sh_test_env *t;
};

static sh_err open_world(struct world *w)
{
    struct sh_guard_options o = {
        .env = &w->t->env,
        .crypto = w->crypto,
        .store = fake_disk_store(w->disk),
        .dir = "data",
        .settings = sh_guard_settings_default(),
    };
    o.settings.argon2 = (struct sh_argon2){.time = 1, .mem_kib = 16, .lanes = 1};
    o.settings.audit_waiting = 16;
    return sh_guard_open(&o, &w->g, NULL);
}

static sh_err put(struct world *w, enum sh_guard_noun noun, const char *name, const char *body)
{
    const struct sh_principal sys = sh_guard_system(w->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    struct sh_buf text;
    struct sh_jw jw;
    json_t *o = NULL;
    SH_TRY(sh_json_parse(sh_str_c(body), 1 << 16, &o, NULL));
    sh_buf_init(&text, &w->t->alloc, 1 << 16);
    sh_jw_init(&jw, &text);
    sh_err err = sh_guard_put(w->g, &at, noun, sh_str_c(name), o, SH_PUT_EITHER, 0, &jw, NULL);
    if (err == SH_OK) {
        err = sh_jw_end(&jw);
    }
    json_decref(o);
    sh_buf_fini(&text);
    return err;
}

static sh_err administer(struct world *w)
{
    struct sh_sign_in in;
    char shown[SH_SECRET_CHARS];
    SH_TRY(sh_guard_first_start(w->g, SH_STR(ADMIN_PASSWORD), false, shown, NULL));
    SH_TRY(put(w, SH_GUARD_TENANTS, "a", "{}"));
    SH_TRY(put(w, SH_GUARD_ROLES, "r", "{\"permissions\":[\"devices.read\"]}"));
    SH_TRY(put(w, SH_GUARD_PEOPLE, "p", "{\"roles\":[\"r\"]}"));
    SH_TRY(put(w, SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"device\":\"d\"}"));
    SH_TRY(sh_guard_sign_in(w->g, SH_STR("admin"), SH_STR(ADMIN_PASSWORD), SH_STR("::1"), &in));
    SH_TRY(sh_guard_change_password(w->g, &in.who, SH_STR(ADMIN_PASSWORD),
                                    SH_STR("another long one"), SH_STR(""), SH_STR("::1"), NULL));
    return sh_guard_check(w->g, &w->g->system, SH_PERM_CONFIG_WRITE, SH_TENANT_ROOT);
}

/* A second factor, and the sessions. The clock of the test stands still, so the code is of now. */
static sh_err use_account(struct world *w)
{
    struct sh_sign_in in;
    struct sh_buf text;
    struct sh_jw jw;
    char secret[SH_TOTP_BASE32];
    char digits[8];
    uint32_t code = 0;
    SH_TRY(sh_guard_sign_in(w->g, SH_STR("admin"), SH_STR("another long one"), SH_STR("::1"), &in));
    const struct sh_guard_at at = {&in.who, SH_TENANT_ROOT, SH_STR("::1")};
    sh_buf_init(&text, &w->t->alloc, 1 << 16);
    sh_err err = sh_guard_totp_begin(w->g, &in.who, secret, &text);
    if (err == SH_OK) {
        sh_mutex_lock(&w->g->lock);
        const struct guard_session *s = guard_session_of(w->g, &in.who);
        err = sh_totp_code(w->crypto, s->person->factor.pending,
                           sh_totp_step(sh_wall_us(w->t->env.clock)), &code);
        sh_mutex_unlock(&w->g->lock);
        (void)guard_print(digits, sizeof digits, "%06u", code);
    }
    sh_jw_init(&jw, &text);
    if (err == SH_OK) {
        err = sh_guard_totp_enable(w->g, &at, sh_str_c(digits), &jw);
    }
    if (err == SH_OK) {
        err = sh_guard_recovery_new(w->g, &at, &jw);
    }
    if (err == SH_OK) {
        err = sh_guard_sessions_write(w->g, &at, SH_STR(""), &jw);
    }
    sh_buf_fini(&text);
    SH_TRY(err);
    return sh_guard_sessions_end(w->g, &at, SH_STR(""), SH_STR(""));
}

static sh_err use_devices(struct world *w)
{
    const struct sh_principal sys = sh_guard_system(w->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    SH_TRY(sh_guard_device_secret_new(w->g, &at, SH_STR("d"), user, secret));
    SH_TRY(sh_guard_device_common_name_add(w->g, &at, SH_STR("d"), SH_STR("cn"), NULL));
    SH_TRY(sh_guard_device_renamed(w->g, SH_TENANT_ROOT, SH_STR("d"), SH_STR("e")));
    SH_TRY(sh_guard_device_removed(w->g, SH_TENANT_ROOT, SH_STR("e")));
    const struct sh_audit a = {.by = &sys, .tenant = 1, .act = SH_STR("a.b")};
    sh_guard_audit_post(w->g, &a);
    sh_guard_tick(w->g);
    return sh_guard_audit(w->g, &a);
}

/* An allow list, a clone and a quarantine; what is left is loaded again. */
static sh_err use_access(struct world *w)
{
    const struct sh_principal sys = sh_guard_system(w->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    struct sh_principal p;
    SH_TRY(sh_guard_device_secret_new(w->g, &at, SH_STR("f"), user, secret));
    for (int i = 0; i < 6; i++) {
        SH_TRY(sh_guard_by_secret(w->g, sh_str_c(user), sh_str_c(secret), &p));
        if (sh_guard_admits(w->g, &p, i % 2 == 0 ? SH_STR("10.0.0.1") : SH_STR("10.0.0.2"),
                            SH_DOOR_MQTT) != SH_REFUSED_NOT) {
            return SH_E_DENIED;
        }
    }
    sh_guard_tick(w->g);
    json_t *list = json_pack("[s]", "10.0.0.1");
    const sh_err err = sh_guard_device_allow(w->g, &at, SH_STR("f"), list, NULL);
    json_decref(list);
    SH_TRY(err);
    SH_TRY(sh_guard_by_secret(w->g, sh_str_c(user), sh_str_c(secret), &p));
    if (sh_guard_admits(w->g, &p, SH_STR("10.0.0.2"), SH_DOOR_MQTT) != SH_REFUSED_ADDRESS) {
        return SH_E_INTERNAL;
    }
    return sh_guard_device_quarantine(w->g, &at, SH_STR("f"), SH_STR("why"));
}

/* A provider is entered, a sign-in begins, and ends with a token that can not be read. */
static sh_err outside(struct world *w)
{
    static const char provider[] =
        "{\"issuer\":\"https://a\",\"client_id\":\"us\",\"client_secret\":"
        "\"s\",\"people\":\"create\"}";
    static const char document[] =
        "{\"issuer\":\"https://a\",\"authorization_endpoint\":\"https://a/a\",\"token_endpoint\":"
        "\"https://a/t\",\"jwks_uri\":\"https://a/k\"}";
    const struct sh_principal sys = sh_guard_system(w->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    const struct sh_outside_ask ask = {.provider = SH_STR("a"), .callback = SH_STR("https://us/")};
    struct sh_outside_fetch f;
    struct sh_outside *x = NULL;
    struct sh_buf text;
    struct sh_jw jw;
    json_t *o = NULL;
    SH_TRY(sh_json_parse(SH_STR(provider), 1 << 16, &o, NULL));
    sh_buf_init(&text, &w->t->alloc, 1 << 16);
    sh_jw_init(&jw, &text);
    sh_err err = sh_guard_provider_put(w->g, &at, SH_STR("a"), o, SH_PUT_EITHER, 0, &jw,
                                       &(struct sh_diag){0});
    err = err == SH_OK ? sh_jw_end(&jw) : err;
    json_decref(o);
    sh_buf_fini(&text);
    SH_TRY(err);
    SH_TRY(sh_outside_begin(w->g, SH_OUTSIDE_SIGN_IN, &ask, &x));
    while ((err = sh_outside_step(x, &f)) == SH_E_AGAIN) {
        sh_outside_fetched(x, SH_OK, NULL, 200, sh_bytes_of(document, sizeof document - 1));
    }
    char browser[SH_SECRET_CHARS];
    char state[SH_SECRET_CHARS];
    (void)guard_copy(browser, sizeof browser, sh_outside_browser(x));
    sh_outside_free(x);
    SH_TRY(err);
    uint8_t key[SH_HASH_BYTES];
    SH_TRY(guard_browser_hash(w->g, sh_str_c(browser), key));
    (void)guard_copy(state, sizeof state, sh_str_c(guard_waiting_find(w->g, key)->state));
    const struct sh_outside_ask back = {.provider = SH_STR("a"),
                                        .browser = sh_str_c(browser),
                                        .code = SH_STR("c"),
                                        .state = sh_str_c(state)};
    SH_TRY(sh_outside_return(w->g, &back, &x));
    while ((err = sh_outside_step(x, &f)) == SH_E_AGAIN) {
        static const char answer[] = "{\"id_token\":\"e30.e30.AAAA\",\"keys\":[{\"kty\":\"OKP\","
                                     "\"crv\":\"Ed25519\",\"x\":"
                                     "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
        sh_outside_fetched(x, SH_OK, NULL, 200, sh_bytes_of(answer, sizeof answer - 1));
    }
    const bool whole = err == SH_E_DENIED && strcmp(sh_outside_why(x), "token_signature") == 0;
    sh_outside_free(x);
    return whole ? SH_OK : err == SH_E_DENIED ? SH_E_NOMEM : err;
}

static sh_err body(struct sh_test_env *t)
{
    struct world w = {.t = t};
    w.fs = sh_memfs_new(1);
    w.disk = fake_disk_new();
    t->env.fs = sh_memfs_fs(w.fs);
    sh_err err = sh_crypto_new(&t->env, &w.crypto);
    if (err == SH_OK) {
        err = open_world(&w);
    }
    if (err == SH_OK) {
        err = administer(&w);
    }
    if (err == SH_OK) {
        err = use_account(&w);
    }
    if (err == SH_OK) {
        err = use_devices(&w);
    }
    if (err == SH_OK) {
        err = use_access(&w);
    }
    if (err == SH_OK) {
        err = outside(&w);
    }
    sh_guard_close(w.g);
    w.g = NULL;
    if (err == SH_OK) {
        err = open_world(&w); /* loads all of it */
        sh_guard_close(w.g);
    }
    if (err == SH_OK) {
        struct sh_audit_report r;
        err = sh_audit_verify(&(struct sh_audit_proof){.env = &t->env,
                                                       .crypto = w.crypto,
                                                       .store = fake_disk_store(w.disk),
                                                       .dir = "data"},
                              &r);
    }
    sh_crypto_free(w.crypto);
    fake_disk_free(w.disk);
    sh_memfs_free(w.fs);
    return err;
}

static void test_any_failing_allocation_is_told_and_leaks_nothing(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_failing_allocation_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
