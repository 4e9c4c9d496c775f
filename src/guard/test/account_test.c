/* One's own account: one-time and recovery codes, password rules, sessions, confirmation. */
#include "fixture.h"

#include <stdio.h>

static const int64_t sec = 1000000;
static const int64_t day = INT64_C(86400) * 1000000;

#define LI_PASSWORD "a long pass phrase"

static void make_li(struct fixture *f)
{
    struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"engineer\"],\"password\":\"" LI_PASSWORD "\"}"));
}

static struct sh_guard_at at_of(const struct sh_principal *by)
{
    return (struct sh_guard_at){by, SH_TENANT_ROOT, SH_STR("10.0.0.1")};
}

static sh_err sign_in(struct fixture *f, const char *user, const char *password, const char *code,
                      struct sh_sign_in *out)
{
    const struct sh_sign_in_ask ask = {.user = sh_str_c(user),
                                       .password = sh_str_c(password),
                                       .code = sh_str_c(code),
                                       .peer = SH_STR("10.0.0.1"),
                                       .agent = SH_STR("Firefox")};
    return sh_guard_sign_in_with(f->g, &ask, out);
}

/* The six digits as of now, for the secret that was shown. */
struct app {
    uint8_t secret[SH_TOTP_SECRET];
};

static void code_now(struct fixture *f, const struct app *a, char out[8])
{
    uint32_t code = 0;
    assert_ok(sh_totp_code(f->crypto, a->secret, sh_totp_step(sh_wall_us(f->t.env.clock)), &code));
    (void)snprintf(out, 8, "%06u", code);
}

/* Reads the base32 text as an app does. */
static void app_scan(struct app *a, const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t held = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const char *at = strchr(letters, *c);
        assert_non_null(at);
        held = (held << 5 | (uint32_t)(at - letters)) & 0xffff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            a->secret[n++] = (uint8_t)(held >> bits);
        }
    }
    assert_int_equal(n, SH_TOTP_SECRET);
}

/* Sets one-time codes up; the recovery codes lie in f->text. */
static void set_up(struct fixture *f, const struct sh_sign_in *in, struct app *a)
{
    char secret[SH_TOTP_BASE32];
    char code[8];
    struct sh_buf uri;
    struct sh_jw w;
    const struct sh_guard_at at = at_of(&in->who);
    sh_buf_init(&uri, &f->t.alloc, 1000);
    assert_ok(sh_guard_totp_begin(f->g, &in->who, secret, &uri));
    app_scan(a, secret);
    assert_true(sh_str_starts(sh_buf_str(&uri), SH_STR("otpauth://totp/Songhua:li?secret=")));
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    assert_int_equal(sh_guard_totp_enable(f->g, &at, SH_STR("000000"), &w), SH_E_DENIED);
    code_now(f, a, code);
    assert_ok(sh_guard_totp_enable(f->g, &at, sh_str_c(code), &w));
    assert_ok(sh_jw_end(&w));
    sh_buf_fini(&uri);
}

static void test_a_second_factor_is_asked_for_and_a_code_is_good_once(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    char code[8];
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    assert_ok(sh_guard_live(f->g, &in.who)); /* the session that did it stays */
    for (int again = 0; again < 2; again++) {
        assert_int_equal(sign_in(f, "li", LI_PASSWORD, "", &in), SH_E_DENIED);
        assert_true(in.code_needed);
        assert_int_equal(sign_in(f, "li", LI_PASSWORD, "123", &in), SH_E_DENIED);
        assert_false(in.code_needed);
        code_now(f, &app, code); /* of the step in which it was set up */
        assert_int_equal(sign_in(f, "li", LI_PASSWORD, code, &in), SH_E_DENIED);
        sh_test_advance(&f->t, 30 * sec);
        code_now(f, &app, code);
        assert_int_equal(sign_in(f, "li", "wrong", code, &in), SH_E_DENIED);
        assert_false(in.code_needed); /* says nothing to one without the password */
        assert_ok(sign_in(f, "li", LI_PASSWORD, code, &in));
        fixture_reopen(f); /* the step is on disk */
        assert_int_equal(sign_in(f, "li", LI_PASSWORD, code, &in), SH_E_DENIED);
    }
    assert_null(strstr(fake_disk_value(f->disk, GUARD_PERSON, "1:li"), "GEZD"));
}

static void test_a_failed_commit_uses_no_code_up(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    char code[8];
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    sh_test_advance(&f->t, 30 * sec);
    code_now(f, &app, code);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sign_in(f, "li", LI_PASSWORD, code, &in), SH_E_IO);
    assert_ok(sign_in(f, "li", LI_PASSWORD, code, &in));
}

/* The right password does not clear the count of wrong codes. */
static void test_guessing_codes_is_locked_out(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    char code[8];
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    sh_err err = SH_E_DENIED;
    unsigned tries = 0;
    for (; err == SH_E_DENIED && tries < 20; tries++) {
        err = sign_in(f, "li", LI_PASSWORD, "111111", &in);
    }
    assert_int_equal(err, SH_E_LIMIT);
    assert_int_equal(tries, f->set.lock_after + 1);
    assert_true(in.retry_after_us > 0);
    sh_test_advance(&f->t, 60 * sec);
    code_now(f, &app, code);
    assert_ok(sign_in(f, "li", LI_PASSWORD, code, &in));
    assert_int_equal(sign_in(f, "li", LI_PASSWORD, "111111", &in), SH_E_DENIED); /* counts anew */
}

static void test_recovery_codes_are_good_once_each(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    json_t *codes = NULL;
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    assert_ok(sh_json_parse(sh_buf_str(&f->text), 10000, &codes, NULL));
    assert_int_equal(json_array_size(codes), 10);
    for (size_t i = 0; i < 10; i++) {
        const char *code = json_string_value(json_array_get(codes, i));
        char small[16];
        assert_null(strstr(fake_disk_value(f->disk, GUARD_PERSON, "1:li"), code));
        for (size_t k = 0; k <= strlen(code); k++) {
            small[k] = (char)(i % 2 == 0 && code[k] >= 'A' ? code[k] + 32 : code[k]);
        }
        assert_ok(sign_in(f, "li", LI_PASSWORD, small, &in));
        assert_int_equal(sign_in(f, "li", LI_PASSWORD, code, &in), SH_E_DENIED);
        assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, "", &in)); /* the address is not locked */
        fixture_reopen(f);
    }
    json_decref(codes);
}

/* A second factor would be worth nothing if the password alone opened MQTT or SQL. */
static void on_done(void *ctx, sh_err err, struct sh_principal who)
{
    SH_UNUSED(who);
    *(sh_err *)ctx = err;
}

static void test_the_password_alone_opens_no_other_door(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    make_li(f);
    for (int with = 0; with < 2; with++) {
        struct sh_principal who;
        sh_err done = SH_E_BUSY;
        const struct sh_credentials c = {
            .user = SH_STR("li"), .password = SH_STR(LI_PASSWORD), .peer = SH_STR("10.0.0.9")};
        assert_int_equal(sh_guard_authenticate(f->g, &c, &who, on_done, &done), SH_E_AGAIN);
        sh_guard_tick(f->g);
        assert_int_equal(done, with == 0 ? SH_OK : SH_E_DENIED);
        if (with == 0) {
            assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
            set_up(f, &in, &app);
        }
    }
}

static void test_a_lost_phone(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct sh_sign_in admin;
    struct app app;
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    const struct sh_guard_at li = at_of(&in.who);
    assert_int_equal(sh_guard_totp_remove(f->g, &li, SH_STR("admin"), &f->diag), SH_E_DENIED);
    assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, "", &admin));
    const struct sh_guard_at by = at_of(&admin.who);
    assert_int_equal(sh_guard_totp_remove(f->g, &by, SH_STR("nobody"), &f->diag), SH_E_NOTFOUND);
    assert_ok(sh_guard_totp_remove(f->g, &by, SH_STR("li"), &f->diag));
    assert_int_equal(sh_guard_live(f->g, &in.who), SH_E_CLOSED); /* the thief's session too */
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    set_up(f, &in, &app);
    const struct sh_guard_at own = at_of(&in.who);
    assert_ok(sh_guard_totp_remove(f->g, &own, SH_STR(""), &f->diag)); /* by oneself */
    assert_ok(sh_guard_live(f->g, &in.who));
    assert_int_equal(sh_guard_totp_remove(f->g, &own, SH_STR(""), &f->diag), SH_E_NOTFOUND);
    set_up(f, &in, &app);
    char shown[SH_SECRET_CHARS];
    assert_ok(sh_guard_recover(f->g, SH_STR("li"), SH_STR("a new long phrase"), shown, &f->diag));
    assert_ok(sign_in(f, "li", "a new long phrase", "", &in)); /* songhua passwd takes it away */
}

static void test_setting_up_must_be_finished_in_time(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct app app;
    struct sh_buf uri;
    struct sh_jw w;
    char secret[SH_TOTP_BASE32];
    char code[8];
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    const struct sh_guard_at at = at_of(&in.who);
    sh_jw_init(&w, &f->text);
    assert_int_equal(sh_guard_totp_enable(f->g, &at, SH_STR("000000"), &w), SH_E_STATE);
    sh_buf_init(&uri, &f->t.alloc, 1000);
    assert_ok(sh_guard_totp_begin(f->g, &in.who, secret, &uri));
    app_scan(&app, secret);
    sh_test_advance(&f->t, 601 * sec);
    code_now(f, &app, code);
    assert_int_equal(sh_guard_totp_enable(f->g, &at, sh_str_c(code), &w), SH_E_STATE);
    set_up(f, &in, &app);
    assert_int_equal(sh_guard_totp_begin(f->g, &in.who, secret, &uri), SH_E_STATE);
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_int_equal(sh_guard_totp_begin(f->g, &sys, secret, &uri), SH_E_STATE);
    sh_buf_fini(&uri);
}

/* ---- policies ---- */

static void test_who_must_set_up_a_factor_may_do_nothing_before(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct sh_sign_in admin;
    struct app app;
    make_li(f);
    f->set.second_factor = SH_FACTOR_ADMINISTRATORS;
    fixture_reopen(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, "", &admin));
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
    assert_int_equal(sh_guard_check(f->g, &admin.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_int_equal(
        sh_guard_explain(f->g, &admin.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT, false, &f->diag),
        SH_DENIAL_FACTOR);
    f->set.second_factor = SH_FACTOR_ALL;
    fixture_reopen(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT),
                     SH_E_DENIED);
    set_up(f, &in, &app);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
}

static sh_err change(struct fixture *f, const struct sh_sign_in *in, const char *old_one,
                     const char *new_one)
{
    memset(&f->diag, 0, sizeof f->diag);
    return sh_guard_change_password(f->g, &in->who, sh_str_c(old_one), sh_str_c(new_one),
                                    sh_str_c(in->token), SH_STR("10.0.0.1"), &f->diag);
}

static void test_passwords_expire_and_do_not_come_back(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct sh_principal p;
    char now[32] = LI_PASSWORD;
    f->set.password_age_us = 90 * day;
    f->set.password_history = 2;
    f->set.session_max_us = 400 * day;
    f->set.session_idle_us = 400 * day;
    fixture_reopen(f);
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
    sh_test_advance(&f->t, 90 * day);
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &p, NULL, NULL));
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_DEVICES_READ, SH_TENANT_ROOT), SH_E_DENIED);
    assert_int_equal(
        sh_guard_explain(f->g, &p, SH_PERM_DEVICES_READ, SH_TENANT_ROOT, true, &f->diag),
        SH_DENIAL_PASSWORD);
    assert_int_equal(change(f, &in, now, now), SH_E_INVAL);
    for (int i = 0; i < 3; i++) {
        char next[32];
        (void)snprintf(next, sizeof next, "the next phrase %d", i);
        assert_ok(change(f, &in, now, next));
        memcpy(now, next, sizeof now);
        /* the first phrase is one of the last two for one change more */
        assert_int_equal(change(f, &in, now, LI_PASSWORD), i < 2 ? SH_E_INVAL : SH_OK);
        fixture_reopen(f);
        assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL));
    }
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
}

/* Who may not change somebody learns nothing of that one's passwords by trying to, and does not end
 * that one's sessions. */
static void test_who_holds_less_does_nothing_to_who_holds_more(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_ROLES, "clerk", "{\"permissions\":[\"people.*\"]}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "clerk",
                          "{\"roles\":[\"clerk\"],\"password\":\"" LI_PASSWORD "\"}"));
    const struct sh_sign_in c = fixture_sign_in(f, "clerk", LI_PASSWORD);
    static const char *const bodies[] = {"{\"password\":\"" ADMIN_PASSWORD "\"}",
                                         "{\"password\":\"not that one at all\"}"};
    for (size_t i = 0; i < SH_COUNT(bodies); i++) {
        assert_int_equal(fixture_put(f, &c.who, "", SH_GUARD_PEOPLE, "admin", bodies[i]),
                         SH_E_DENIED);
        assert_null(strstr(f->diag.message, "before"));
    }
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_guard_at at = at_of(&c.who);
    assert_int_equal(sh_guard_sessions_end(f->g, &at, SH_STR("admin"), SH_STR("")), SH_E_DENIED);
    assert_ok(sh_guard_live(f->g, &admin.who));
}

static void test_an_administrators_choice_has_to_be_changed(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"engineer\"],\"password\":\"" LI_PASSWORD
                          "\",\"must_change\":true}"));
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_ok(change(f, &in, LI_PASSWORD, "my own long phrase"));
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL));
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
}

static void test_kinds_of_characters(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *password;
        sh_err expect;
    } rows[] = {{"abcdefghijkl", SH_E_INVAL},
                {"abcdefghijk1", SH_E_INVAL},
                {"Abcdefghijk1", SH_OK},
                {"abcdefgh!ij1", SH_OK},
                {"松花江边的工厂里有机器1a", SH_OK}};
    f->set.password_classes = 3;
    fixture_reopen(f);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(
            guard_password_policy(f->g, sh_str_c(rows[i].password), SH_STR("li"), &f->diag),
            rows[i].expect);
    }
}

/* ---- sessions ---- */

static void list(struct fixture *f, const struct sh_principal *by, const char *name, json_t **out)
{
    struct sh_jw w;
    const struct sh_guard_at at = at_of(by);
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_arr(&w);
    assert_ok(sh_guard_sessions_write(f->g, &at, sh_str_c(name), &w));
    sh_jw_arr_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->text), 100000, out, NULL));
}

static void test_sessions_are_listed_and_ended(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in[3];
    struct sh_sign_in admin;
    struct sh_principal p;
    json_t *o = NULL;
    make_li(f);
    for (int i = 0; i < 3; i++) {
        sh_test_advance(&f->t, sec);
        assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in[i]));
    }
    assert_ok(sign_in(f, "admin", ADMIN_PASSWORD, "", &admin));
    list(f, &in[1].who, "", &o);
    assert_int_equal(json_array_size(o), 3);
    for (size_t i = 0; i < 3; i++) { /* last used first, the own marked */
        const json_t *s = json_array_get(o, i);
        assert_int_equal(sh_json_get_bool(s, "current", false), i == 1);
        assert_true(sh_str_eqc(sh_json_get_str(s, "agent"), "Firefox"));
        assert_true(sh_str_eqc(sh_json_get_str(s, "address"), "10.0.0.1"));
    }
    char id[32];
    assert_true(guard_copy(id, sizeof id, sh_json_get_str(json_array_get(o, 0), "id")));
    json_decref(o);
    const struct sh_guard_at li = at_of(&in[1].who);
    const struct sh_guard_at by = at_of(&admin.who);
    struct sh_jw w;
    sh_jw_init(&w, &f->text);
    assert_int_equal(sh_guard_sessions_write(f->g, &li, SH_STR("admin"), &w), SH_E_DENIED);
    assert_int_equal(sh_guard_sessions_end(f->g, &li, SH_STR("admin"), SH_STR("")), SH_E_DENIED);
    assert_int_equal(sh_guard_sessions_end(f->g, &li, SH_STR(""), SH_STR("00")), SH_E_NOTFOUND);
    assert_int_equal(sh_guard_sessions_end(f->g, &by, SH_STR(""), sh_str_c(id)), SH_E_NOTFOUND);
    assert_ok(sh_guard_sessions_end(f->g, &li, SH_STR(""), sh_str_c(id)));
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(in[2].token), &p), SH_E_DENIED);
    assert_ok(sh_guard_sessions_end(f->g, &li, SH_STR(""), SH_STR(""))); /* the others */
    assert_int_equal(sh_guard_live(f->g, &in[0].who), SH_E_CLOSED);
    assert_ok(sh_guard_live(f->g, &in[1].who));
    assert_int_equal(fake_disk_count(f->disk, GUARD_SESSION), 2);
    assert_ok(sh_guard_sessions_end(f->g, &by, SH_STR("li"), SH_STR("")));
    assert_int_equal(sh_guard_live(f->g, &in[1].who), SH_E_CLOSED);
    assert_ok(sh_guard_live(f->g, &admin.who));
    assert_int_equal(fake_disk_count(f->disk, GUARD_SESSION), 1);
}

static void test_dangerous_acts_ask_again(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    struct sh_sign_in out;
    struct app app;
    char code[8];
    struct sh_sign_in_ask ask = {.password = SH_STR("wrong"), .peer = SH_STR("10.0.0.1")};
    make_li(f);
    assert_ok(sign_in(f, "li", LI_PASSWORD, "", &in));
    assert_true(sh_guard_confirmed(f->g, &in.who));
    sh_test_advance(&f->t, 900 * sec);
    assert_false(sh_guard_confirmed(f->g, &in.who));
    assert_int_equal(sh_guard_confirm(f->g, &in.who, &ask, &out), SH_E_DENIED);
    assert_false(sh_guard_confirmed(f->g, &in.who));
    ask.password = SH_STR(LI_PASSWORD);
    assert_ok(sh_guard_confirm(f->g, &in.who, &ask, &out));
    assert_true(sh_guard_confirmed(f->g, &in.who));
    set_up(f, &in, &app);
    sh_test_advance(&f->t, 900 * sec);
    assert_int_equal(sh_guard_confirm(f->g, &in.who, &ask, &out), SH_E_DENIED);
    assert_true(out.code_needed);
    code_now(f, &app, code);
    ask.code = sh_str_c(code);
    assert_ok(sh_guard_confirm(f->g, &in.who, &ask, &out));
    assert_true(sh_guard_confirmed(f->g, &in.who));
    assert_int_equal(sh_guard_confirm(f->g, &in.who, &ask, &out), SH_E_DENIED); /* used */
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_true(sh_guard_confirmed(f->g, &sys)); /* tokens and the node itself are not asked */
    assert_int_equal(sh_guard_confirm(f->g, &sys, &ask, &out), SH_E_STATE);
    f->set.confirm_us = 0;
    fixture_reopen(f);
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL));
    sh_test_advance(&f->t, 10000 * sec);
    assert_true(sh_guard_confirmed(f->g, &in.who));
}

static void test_settings_change_while_it_runs(void **state)
{
    struct fixture *f = *state;
    static const char li[] = "{\"roles\":[\"engineer\"],\"password\":\"seventeen letters\"}";
    const struct sh_principal sys = sh_guard_system(f->g);
    struct sh_guard_settings s = f->set;
    struct sh_sign_in in;
    s.password_min = 18;
    s.max_people = 1; /* what sizes a table stays */
    assert_ok(sh_guard_set_settings(f->g, &s));
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", li), SH_E_INVAL);
    s.password_min = 17;
    assert_ok(sh_guard_set_settings(f->g, &s));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", li));
    s.lock_after = 0;
    assert_int_equal(sh_guard_set_settings(f->g, &s), SH_E_INVAL);
    assert_ok(sign_in(f, "li", "seventeen letters", "", &in));
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL));
    s.lock_after = 5;
    s.session_idle_us = 60 * sec;
    assert_ok(sh_guard_set_settings(f->g, &s));
    sh_test_advance(&f->t, 61 * sec);
    assert_int_equal(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL),
                     SH_E_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_second_factor_is_asked_for_and_a_code_is_good_once),
        FIXTURE_TEST(test_a_failed_commit_uses_no_code_up),
        FIXTURE_TEST(test_guessing_codes_is_locked_out),
        FIXTURE_TEST(test_recovery_codes_are_good_once_each),
        FIXTURE_TEST(test_the_password_alone_opens_no_other_door),
        FIXTURE_TEST(test_a_lost_phone),
        FIXTURE_TEST(test_setting_up_must_be_finished_in_time),
        FIXTURE_TEST(test_who_must_set_up_a_factor_may_do_nothing_before),
        FIXTURE_TEST(test_passwords_expire_and_do_not_come_back),
        FIXTURE_TEST(test_who_holds_less_does_nothing_to_who_holds_more),
        FIXTURE_TEST(test_an_administrators_choice_has_to_be_changed),
        FIXTURE_TEST(test_kinds_of_characters),
        FIXTURE_TEST(test_sessions_are_listed_and_ended),
        FIXTURE_TEST(test_dangerous_acts_ask_again),
        FIXTURE_TEST(test_settings_change_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
