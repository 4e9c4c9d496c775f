#include "fixture.h"

#define DAY_US INT64_C(86400000000)

static struct sh_guard_security count(struct fixture *f)
{
    struct sh_guard_security s;
    assert_ok(sh_guard_security(f->g, 90 * DAY_US, &s));
    return s;
}

static void test_people_and_tokens_are_counted_by_what_they_may(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"viewer\"],\"password\":\"river and mountain 2\"}"));
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "wu",
                          "{\"roles\":[\"administrator\"],\"disabled\":true}"));
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"scada\",\"roles\":[\"ingest\"]}"));
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"ops\",\"permissions\":[\"people.write\"],\"expires\":"
                          "\"2099-01-01T00:00:00Z\"}"));
    const struct sh_guard_security s = count(f);
    assert_int_equal(s.people, 2);
    assert_int_equal(s.disabled, 1);
    assert_int_equal(s.administrators, 1);
    assert_int_equal(s.administrators_with_factor, 0);
    assert_int_equal(s.tokens, 2);
    assert_int_equal(s.endless, 1);
    assert_int_equal(s.powerful, 1);
    assert_int_equal(s.unused, 0);
    assert_false(s.separated);
    assert_int_equal(s.settings.password_min, f->set.password_min);
}

static void test_who_did_not_sign_in_for_long_is_counted(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"viewer\"],\"password\":\"river and mountain 2\"}"));
    assert_int_equal(count(f).idle, 0); /* made just now */
    sh_test_advance(&f->t, 91 * DAY_US);
    assert_int_equal(count(f).idle, 2);
    (void)fixture_sign_in(f, "li", "river and mountain 2");
    assert_int_equal(count(f).idle, 1);
    sh_test_advance(&f->t, 89 * DAY_US);
    assert_int_equal(count(f).idle, 1); /* the session is long over, the sign-in is not forgotten */
    sh_test_advance(&f->t, 2 * DAY_US);
    assert_int_equal(count(f).idle, 2);
}

static void test_the_chain_of_a_running_guard_is_proved(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_guard_audit_prove(f->g, &r));
    assert_int_equal(r.entries, 2);
    assert_true(r.sealed);
    fake_disk_value(f->disk, GUARD_AUDIT, "00000000000000000001")[20] ^= 1;
    assert_int_equal(sh_guard_audit_prove(f->g, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_people_and_tokens_are_counted_by_what_they_may),
        FIXTURE_TEST(test_who_did_not_sign_in_for_long_is_counted),
        FIXTURE_TEST(test_the_chain_of_a_running_guard_is_proved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
