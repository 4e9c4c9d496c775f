#include "fixture.h"

#define SECOND INT64_C(1000000)

static void test_sign_in_gives_a_session_that_works(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    char csrf[SH_SECRET_CHARS];
    int64_t expires = 0;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_CONFIG_WRITE, SH_TENANT_ROOT));
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &p, csrf, &expires));
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p));
    assert_ok(sh_guard_live(f->g, &p));
    assert_string_equal(csrf, in.csrf);
    assert_true(sh_guard_csrf_ok(f->g, sh_str_c(in.token), sh_str_c(in.csrf)));
    assert_false(sh_guard_csrf_ok(f->g, sh_str_c(in.token), SH_STR("")));
    assert_false(sh_guard_csrf_ok(f->g, SH_STR("shs_x"), sh_str_c(in.csrf)));
    assert_int_equal(expires, f->t.wall_us + f->set.session_idle_us);
}

static void test_secrets_are_not_in_the_store(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const char *person = fake_disk_value(f->disk, GUARD_PERSON, "1:admin");
    assert_non_null(person);
    assert_non_null(strstr(person, "$argon2id$"));
    assert_null(strstr(person, ADMIN_PASSWORD));
    uint8_t hash[SH_HASH_BYTES];
    char hex[SH_HASH_HEX];
    assert_ok(guard_hash_token(f->g, sh_str_c(in.token), hash));
    sh_hash_hex(hash, hex);
    const char *session = fake_disk_value(f->disk, GUARD_SESSION, hex);
    assert_non_null(session);
    assert_null(strstr(session, in.token));
}

static void test_wrong_user_and_wrong_password_look_the_same(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user;
        const char *password;
    } rows[] = {
        {"admin", "wrong"},
        {"nobody", ADMIN_PASSWORD},
        {"admin@none", ADMIN_PASSWORD},
        {"", ADMIN_PASSWORD},
        {"admin", ""},
        {"admin@", "wrong"},
    };
    struct sh_sign_in in;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_guard_sign_in(f->g, sh_str_c(rows[i].user), sh_str_c(rows[i].password),
                                          SH_STR("127.0.0.1"), &in),
                         SH_E_DENIED);
        assert_string_equal(in.token, "");
    }
}

static void test_session_ends_when_idle_and_at_its_age(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    sh_test_advance(&f->t, f->set.session_idle_us - SECOND);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p)); /* and so it is not idle */
    sh_test_advance(&f->t, f->set.session_idle_us - SECOND);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p));
    sh_test_advance(&f->t, f->set.session_idle_us);
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(in.token), &p), SH_E_DENIED);
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED); /* the handle goes with it */
    struct sh_diag d;
    assert_int_equal(sh_guard_explain(f->g, &p, SH_PERM_DEVICES_READ, 1, false, &d),
                     SH_DENIAL_EXPIRED);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_count(f->disk, GUARD_SESSION), 0);
    in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    for (int64_t used = 0; used < f->set.session_max_us; used += f->set.session_idle_us / 2) {
        assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p));
        sh_test_advance(&f->t, f->set.session_idle_us / 2);
    }
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(in.token), &p), SH_E_DENIED);
}

static void test_sign_out_ends_token_and_handles(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    const struct sh_sign_in a = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_sign_in b = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_string_not_equal(a.token, b.token);
    assert_ok(sh_guard_sign_out(f->g, sh_str_c(a.token)));
    assert_int_equal(sh_guard_sign_out(f->g, sh_str_c(a.token)), SH_E_NOTFOUND);
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(a.token), &p), SH_E_DENIED);
    assert_int_equal(sh_guard_live(f->g, &a.who), SH_E_CLOSED);
    assert_ok(sh_guard_live(f->g, &b.who));
    assert_ok(sh_guard_by_token(f->g, sh_str_c(b.token), &p));
}

static void test_sessions_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    char csrf[SH_SECRET_CHARS];
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_sign_in out = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_guard_sign_out(f->g, sh_str_c(out.token)));
    fixture_reopen(f);
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &p, csrf, NULL));
    assert_string_equal(csrf, in.csrf);
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_CONFIG_WRITE, SH_TENANT_ROOT));
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(out.token), &p), SH_E_DENIED);
    assert_false(sh_guard_is_new(f->g));
}

static void test_last_use_is_saved_by_the_tick(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    sh_test_advance(&f->t, f->set.session_idle_us / 2);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p));
    sh_guard_tick(f->g);
    fixture_reopen(f);
    sh_test_advance(&f->t, f->set.session_idle_us / 2 + SECOND); /* idle since half of it only */
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in.token), &p));
}

static void test_too_many_sessions_push_out_the_least_used(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    struct sh_sign_in in[4];
    f->set.sessions_per_person = 3;
    fixture_reopen(f);
    for (size_t i = 0; i < 4; i++) {
        sh_test_advance(&f->t, SECOND);
        if (i == 3) { /* the first is used again, so the second goes */
            assert_ok(sh_guard_by_token(f->g, sh_str_c(in[0].token), &p));
        }
        in[i] = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    }
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in[0].token), &p));
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(in[1].token), &p), SH_E_DENIED);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in[2].token), &p));
    assert_ok(sh_guard_by_token(f->g, sh_str_c(in[3].token), &p));
    assert_int_equal(fake_disk_count(f->disk, GUARD_SESSION), 3);
}

static void test_failed_commit_leaves_no_session(void **state)
{
    struct fixture *f = *state;
    struct sh_sign_in in;
    fake_disk_fail(f->disk, 1);
    assert_int_equal(
        sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR(ADMIN_PASSWORD), SH_STR("127.0.0.1"), &in),
        SH_E_IO);
    struct sh_guard_stats stats;
    sh_guard_stats(f->g, &stats);
    assert_int_equal(stats.sessions, 0);
    in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_sign_out(f->g, sh_str_c(in.token)), SH_E_IO);
    assert_ok(sh_guard_live(f->g, &in.who)); /* still there: the store still has it */
}

static void test_change_of_password_ends_other_sessions(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    const struct sh_sign_in keep = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_sign_in other = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_str peer = SH_STR("10.0.0.1");
    assert_int_equal(sh_guard_change_password(f->g, &keep.who, SH_STR("wrong"),
                                              SH_STR("another long one"), sh_str_c(keep.token),
                                              peer, &f->diag),
                     SH_E_DENIED);
    assert_int_equal(sh_guard_change_password(f->g, &keep.who, SH_STR(ADMIN_PASSWORD),
                                              SH_STR("short"), sh_str_c(keep.token), peer,
                                              &f->diag),
                     SH_E_INVAL);
    assert_ok(sh_guard_change_password(f->g, &keep.who, SH_STR(ADMIN_PASSWORD),
                                       SH_STR("another long one"), sh_str_c(keep.token), peer,
                                       &f->diag));
    assert_ok(sh_guard_by_token(f->g, sh_str_c(keep.token), &p));
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_CONFIG_WRITE, SH_TENANT_ROOT));
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(other.token), &p), SH_E_DENIED);
    struct sh_sign_in in;
    assert_int_equal(sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR(ADMIN_PASSWORD), peer, &in),
                     SH_E_DENIED);
    assert_ok(sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR("another long one"), peer, &in));
    fixture_reopen(f);
    assert_ok(sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR("another long one"), peer, &in));
}

/* ---- the one-time link ---- */

static void test_link_signs_in_once_from_loopback(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *peer;
        sh_err expect;
    } rows[] = {
        {"10.0.0.7", SH_E_DENIED},   {"", SH_E_DENIED},          {"::ffff:10.0.0.1", SH_E_DENIED},
        {"fe80::1", SH_E_DENIED},    {"128.0.0.1", SH_E_DENIED}, {"127.0.0.1.example", SH_E_DENIED},
        {"127.0.0.1", SH_OK},        {"127.9.9.9", SH_OK},       {"::1", SH_OK},
        {"::ffff:127.0.0.1", SH_OK},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char link[SH_SECRET_CHARS];
        struct sh_sign_in in;
        assert_ok(sh_guard_link_new(&f->t.env, f->crypto, "data", SH_STR("admin"), link));
        assert_int_equal(sh_guard_sign_in_link(f->g, sh_str_c(link), sh_str_c(rows[i].peer), &in),
                         rows[i].expect);
        if (rows[i].expect == SH_OK) { /* used up */
            assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_CONFIG_WRITE, SH_TENANT_ROOT));
            assert_int_equal(sh_guard_sign_in_link(f->g, sh_str_c(link), SH_STR("::1"), &in),
                             SH_E_DENIED);
        }
    }
}

static void test_link_ends_after_ten_minutes(void **state)
{
    struct fixture *f = *state;
    char link[SH_SECRET_CHARS];
    struct sh_sign_in in;
    assert_ok(sh_guard_link_new(&f->t.env, f->crypto, "data", SH_STR("admin"), link));
    sh_test_advance(&f->t, 600 * SECOND);
    assert_int_equal(sh_guard_sign_in_link(f->g, sh_str_c(link), SH_STR("::1"), &in), SH_E_DENIED);
    assert_ok(sh_guard_link_new(&f->t.env, f->crypto, "data", SH_STR("admin"), link));
    sh_test_advance(&f->t, 600 * SECOND - 1);
    assert_ok(sh_guard_sign_in_link(f->g, sh_str_c(link), SH_STR("::1"), &in));
    assert_int_equal(sh_guard_sign_in_link(f->g, SH_STR("shl_guess"), SH_STR("::1"), &in),
                     SH_E_DENIED);
    assert_int_equal(sh_guard_sign_in_link(f->g, SH_STR(""), SH_STR("::1"), &in), SH_E_DENIED);
    /* a link for somebody who does not exist opens nothing */
    assert_ok(sh_guard_link_new(&f->t.env, f->crypto, "data", SH_STR("ghost"), link));
    assert_int_equal(sh_guard_sign_in_link(f->g, sh_str_c(link), SH_STR("::1"), &in), SH_E_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_sign_in_gives_a_session_that_works),
        FIXTURE_TEST(test_secrets_are_not_in_the_store),
        FIXTURE_TEST(test_wrong_user_and_wrong_password_look_the_same),
        FIXTURE_TEST(test_session_ends_when_idle_and_at_its_age),
        FIXTURE_TEST(test_sign_out_ends_token_and_handles),
        FIXTURE_TEST(test_sessions_survive_a_restart),
        FIXTURE_TEST(test_last_use_is_saved_by_the_tick),
        FIXTURE_TEST(test_too_many_sessions_push_out_the_least_used),
        FIXTURE_TEST(test_failed_commit_leaves_no_session),
        FIXTURE_TEST(test_change_of_password_ends_other_sessions),
        FIXTURE_TEST(test_link_signs_in_once_from_loopback),
        FIXTURE_TEST(test_link_ends_after_ten_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
