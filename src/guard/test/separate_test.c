/* The three administrators: one act makes them, and nobody gets the powers of two again. */
#include "fixture.h"

#define THREE                                                                                      \
    "{\"system\":{\"name\":\"sys\",\"password\":\"system long phrase\"},"                          \
    "\"security\":{\"name\":\"sec\",\"password\":\"security long "                                 \
    "phrase\",\"display\":\"安全员\"},"                                                         \
    "\"audit\":{\"name\":\"aud\",\"password\":\"auditor long phrase\"}}"

static struct sh_guard_at at_of(const struct sh_principal *by)
{
    return (struct sh_guard_at){by, SH_TENANT_ROOT, SH_STR("10.0.0.1")};
}

static sh_err separate(struct fixture *f, const struct sh_principal *by, const char *body)
{
    json_t *o = NULL;
    const struct sh_guard_at at = at_of(by);
    assert_ok(sh_json_parse(sh_str_c(body), 1 << 16, &o, NULL));
    memset(&f->diag, 0, sizeof f->diag);
    const sh_err err = sh_guard_separate(f->g, &at, o, &f->diag);
    json_decref(o);
    return err;
}

/* Signs in with the first password and changes it, as each of the three has to. */
static struct sh_sign_in enter(struct fixture *f, const char *user, const char *password)
{
    char own[64];
    struct sh_sign_in in = fixture_sign_in(f, user, password);
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_OVERVIEW_READ, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_true(guard_print(own, sizeof own, "own phrase of %s", user));
    assert_ok(sh_guard_change_password(f->g, &in.who, sh_str_c(password), sh_str_c(own),
                                       sh_str_c(in.token), SH_STR("::1"), &f->diag));
    assert_ok(sh_guard_by_session(f->g, sh_str_c(in.token), &in.who, NULL, NULL));
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_OVERVIEW_READ, SH_TENANT_ROOT));
    return in;
}

static void test_one_act_makes_the_three_and_ends_the_first(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    struct sh_sign_in in;
    assert_ok(separate(f, &admin.who, THREE));
    assert_int_equal(sh_guard_live(f->g, &admin.who), SH_E_CLOSED);
    assert_int_equal(
        sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR(ADMIN_PASSWORD), SH_STR("::1"), &in),
        SH_E_DENIED);
    for (int again = 0; again < 2; again++) {
        static const struct {
            const char *user;
            enum sh_permission may;
            enum sh_permission may_not[3];
        } rows[] = {
            {"sys",
             SH_PERM_CONFIG_WRITE,
             {SH_PERM_PEOPLE_WRITE, SH_PERM_RIGHTS_GRANT, SH_PERM_AUDIT_READ}},
            {"sec",
             SH_PERM_RIGHTS_GRANT,
             {SH_PERM_CONFIG_WRITE, SH_PERM_BACKUP_RUN, SH_PERM_AUDIT_READ}},
            {"aud",
             SH_PERM_AUDIT_READ,
             {SH_PERM_CONFIG_WRITE, SH_PERM_PEOPLE_WRITE, SH_PERM_ROLES_WRITE}},
        };
        static const char *const first[] = {"system long phrase", "security long phrase",
                                            "auditor long phrase"};
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char own[64];
            assert_true(guard_print(own, sizeof own, "own phrase of %s", rows[i].user));
            in = again == 0 ? enter(f, rows[i].user, first[i])
                            : fixture_sign_in(f, rows[i].user, own);
            assert_ok(sh_guard_check(f->g, &in.who, rows[i].may, SH_TENANT_ROOT));
            for (int k = 0; k < 3; k++) {
                assert_int_equal(sh_guard_check(f->g, &in.who, rows[i].may_not[k], SH_TENANT_ROOT),
                                 SH_E_DENIED);
            }
        }
        fixture_reopen(f); /* all of it is stored */
    }
}

static void test_what_is_refused_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    const struct sh_principal sys = sh_guard_system(f->g);
    static const char *const bad[] = {
        "{}",
        "{\"system\":{\"name\":\"a\",\"password\":\"system long phrase\"},\"security\":{\"name\":"
        "\"a\",\"password\":\"security long phrase\"},\"audit\":{\"name\":\"b\",\"password\":"
        "\"auditor long phrase\"}}",
        "{\"system\":{\"name\":\"a\",\"password\":\"short\"},\"security\":{\"name\":\"b\","
        "\"password\":\"security long phrase\"},\"audit\":{\"name\":\"c\",\"password\":"
        "\"auditor long phrase\"}}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(separate(f, &admin.who, bad[i]), SH_E_INVAL);
    }
    assert_int_equal(separate(f, &sys, THREE), SH_E_DENIED); /* a person does it */
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "two",
                          "{\"roles\":[\"administrator\"],\"password\":\"another long one\"}"));
    assert_int_equal(separate(f, &admin.who, THREE), SH_E_STATE);
    assert_non_null(strstr(f->diag.message, "two"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "two", "{\"roles\":[\"viewer\"]}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"mighty\",\"roles\":[\"administrator\"]}"));
    char token[32];
    fixture_answer(f, "id", token, sizeof token);
    assert_int_equal(separate(f, &admin.who, THREE), SH_E_STATE);
    assert_non_null(strstr(f->diag.message, "mighty"));
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_TOKENS, token));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "aud", "{\"roles\":[\"viewer\"]}"));
    assert_int_equal(separate(f, &admin.who, THREE), SH_E_EXISTS);
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_PEOPLE, "aud"));
    fake_disk_fail(f->disk, 1);
    assert_int_equal(separate(f, &admin.who, THREE), SH_E_IO);
    assert_ok(sh_guard_live(f->g, &admin.who));
    assert_ok(separate(f, &admin.who, THREE));
}

static void test_nobody_gets_the_powers_of_two(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(separate(f, &admin.who, THREE));
    const struct sh_sign_in sec = enter(f, "sec", "security long phrase");
    const struct sh_sign_in sys = enter(f, "sys", "system long phrase");
    static const struct {
        const char *name;
        const char *body;
        sh_err expect;
    } rows[] = {
        /* gives what he does not hold, to others */
        {"li", "{\"roles\":[\"engineer\"],\"password\":\"a long pass phrase\"}", SH_OK},
        {"li", "{\"roles\":[\"engineer\",\"operator\"]}", SH_OK},
        {"sys2", "{\"roles\":[\"system_administrator\"],\"password\":\"a long pass phrase\"}",
         SH_OK},
        /* never to himself */
        {"sec", "{\"roles\":[\"security_administrator\",\"engineer\"]}", SH_E_DENIED},
        {"sec", "{\"roles\":[\"system_administrator\"]}", SH_E_DENIED},
        /* not two of the three */
        {"sys", "{\"roles\":[\"system_administrator\",\"auditor\"]}", SH_E_STATE},
        {"li", "{\"roles\":[\"auditor\",\"security_administrator\"]}", SH_E_STATE},
        {"li", "{\"roles\":[\"administrator\"]}", SH_E_STATE},
        {"admin", "{\"disabled\":false}", SH_E_STATE},
        /* the last of its kind stays */
        {"aud", "{\"disabled\":true}", SH_E_STATE},
        {"aud", "{\"roles\":[\"viewer\"]}", SH_E_STATE},
        {"sec", "{\"disabled\":true}", SH_E_STATE},
        {"sys", "{\"disabled\":true}", SH_OK}, /* there is sys2 */
        {"aud2", "{\"roles\":[\"auditor\"],\"password\":\"a long pass phrase\"}", SH_OK},
        {"aud", "{\"disabled\":true}", SH_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const sh_err err =
            fixture_put(f, &sec.who, "", SH_GUARD_PEOPLE, rows[i].name, rows[i].body);
        if (err != rows[i].expect) {
            fail_msg("%s %s: %s (%s)", rows[i].name, rows[i].body, sh_err_name(err),
                     f->diag.message);
        }
    }
    assert_int_equal(fixture_delete(f, &sec.who, "", SH_GUARD_PEOPLE, "aud2"), SH_E_STATE);
    assert_int_equal(fixture_delete(f, &sec.who, "", SH_GUARD_PEOPLE, "sec"), SH_E_STATE);
    assert_ok(fixture_delete(f, &sec.who, "", SH_GUARD_PEOPLE, "li"));
    /* the system administrator was disabled above, and gives nothing anyway */
    assert_int_equal(fixture_put(f, &sys.who, "", SH_GUARD_PEOPLE, "x", "{\"roles\":[]}"),
                     SH_E_DENIED);
}

static void test_roles_do_not_lead_round_it(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(separate(f, &admin.who, THREE));
    const struct sh_sign_in sec = enter(f, "sec", "security long phrase");
    assert_int_equal(fixture_put(f, &sec.who, "", SH_GUARD_ROLES, "both",
                                 "{\"permissions\":[\"config.write\",\"audit.read\"]}"),
                     SH_E_STATE);
    assert_ok(fixture_put(f, &sec.who, "", SH_GUARD_ROLES, "extra",
                          "{\"permissions\":[\"devices.read\"]}")); /* he does not hold it */
    assert_ok(fixture_put(f, &sec.who, "", SH_GUARD_PEOPLE, "sys",
                          "{\"roles\":[\"system_administrator\",\"extra\"]}"));
    assert_int_equal(
        fixture_put(f, &sec.who, "", SH_GUARD_ROLES, "extra", "{\"permissions\":[\"audit.read\"]}"),
        SH_E_STATE); /* sys has it */
    assert_ok(
        fixture_put(f, &sec.who, "", SH_GUARD_ROLES, "extra", "{\"permissions\":[\"devices.*\"]}"));
    /* a token never has more than who made it */
    assert_int_equal(fixture_put(f, &sec.who, "", SH_GUARD_TOKENS, "",
                                 "{\"name\":\"t\",\"roles\":[\"system_administrator\"]}"),
                     SH_E_DENIED);
}

/* Before they are separated all is as it was: who holds rights.grant gives, but not to himself. */
static void test_grants_without_the_separation(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "sec",
                          "{\"roles\":[\"security_administrator\"],\"password\":\"a long pass "
                          "phrase\"}"));
    const struct sh_sign_in sec = fixture_sign_in(f, "sec", "a long pass phrase");
    assert_ok(fixture_put(f, &sec.who, "", SH_GUARD_PEOPLE, "li", "{\"roles\":[\"engineer\"]}"));
    assert_int_equal(fixture_put(f, &sec.who, "", SH_GUARD_PEOPLE, "sec",
                                 "{\"roles\":[\"security_administrator\",\"engineer\"]}"),
                     SH_E_DENIED);
    assert_int_equal(fixture_delete(f, &sec.who, "", SH_GUARD_PEOPLE, "admin"), SH_E_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_one_act_makes_the_three_and_ends_the_first),
        FIXTURE_TEST(test_what_is_refused_changes_nothing),
        FIXTURE_TEST(test_nobody_gets_the_powers_of_two),
        FIXTURE_TEST(test_roles_do_not_lead_round_it),
        FIXTURE_TEST(test_grants_without_the_separation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
