#include "fixture.h"

#include <stdio.h>

#define WORD "a long pass phrase"
#define DAY (INT64_C(86400) * 1000000)

/* A plant of two lines: device l1-... stands at line1, l2-... at line2; the digit is its label. */
static bool in_part(void *ctx, uint32_t tenant, struct sh_str device, const struct sh_parts *parts)
{
    SH_UNUSED(ctx);
    SH_UNUSED(tenant);
    for (uint32_t i = 0; i < parts->n; i++) {
        const char *t = parts->at[i].text;
        const char digit = t[strlen(t) - 1];
        if (parts->at[i].label && strncmp(t, "owner:", 6) == 0) {
            return sh_str_eqc(device, "own-li") && strcmp(t, "owner:li") == 0;
        }
        if (device.n > 1 && device.p[1] == digit) {
            return true;
        }
    }
    return false;
}

static void person(struct fixture *f, const char *name, const char *grants)
{
    char body[2048];
    const struct sh_principal sys = sh_guard_system(f->g);
    (void)snprintf(body, sizeof body, "{\"password\":\"" WORD "\",\"grants\":[%s]}", grants);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, name, body));
}

static sh_err on_device(struct fixture *f, const struct sh_principal *p, enum sh_permission perm,
                        const char *device)
{
    return sh_guard_check_device(f->g, p, perm, SH_TENANT_ROOT, sh_str_c(device));
}

static void test_a_role_for_an_asset_holds_there_only(void **state)
{
    struct fixture *f = *state;
    sh_guard_set_in_part(f->g, in_part, NULL);
    person(f, "li", "{\"role\":\"engineer\",\"asset\":\"line1\",\"reason\":\"shift A\"}");
    const struct sh_sign_in in = fixture_sign_in(f, "li", WORD);
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_ok(sh_guard_check_some(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT));
    assert_ok(on_device(f, &in.who, SH_PERM_DEVICES_WRITE, "l1-pump"));
    assert_int_equal(on_device(f, &in.who, SH_PERM_DEVICES_WRITE, "l2-pump"), SH_E_DENIED);
    /* what belongs to no device is held as it is; what can not be divided not at all */
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_READ, SH_TENANT_ROOT));
    for (unsigned i = 0; i < SH_PERMISSIONS; i++) {
        const uint64_t bit = sh_permission_bit((enum sh_permission)i);
        if ((bit & (sh_permissions_in_part() | sh_permissions_beside_part())) == 0) {
            assert_int_equal(
                sh_guard_check_some(f->g, &in.who, (enum sh_permission)i, SH_TENANT_ROOT),
                SH_E_DENIED);
        }
    }
    assert_int_equal(
        sh_guard_explain(f->g, &in.who, SH_PERM_DEVICES_READ, SH_TENANT_ROOT, false, &f->diag),
        SH_DENIAL_PART);
    struct sh_parts parts;
    assert_ok(sh_guard_parts(f->g, &in.who, SH_PERM_HISTORY_READ, SH_TENANT_ROOT, &parts));
    assert_false(parts.all);
    assert_int_equal(parts.n, 1);
    assert_false(parts.at[0].label);
    assert_string_equal(parts.at[0].text, "line1");
    assert_int_equal(sh_guard_parts(f->g, &in.who, SH_PERM_AUDIT_READ, SH_TENANT_ROOT, &parts),
                     SH_E_DENIED);
}

static void test_labels_own_and_several_parts(void **state)
{
    struct fixture *f = *state;
    person(f, "li", "{\"role\":\"viewer\",\"own\":true}");
    person(f, "wang", "{\"role\":\"viewer\",\"own\":true}");
    person(f, "zhao",
           "{\"role\":\"viewer\",\"label\":\"line:1\"},{\"role\":\"operator\",\"asset\":\"a2\"}");
    const struct sh_sign_in li = fixture_sign_in(f, "li", WORD);
    const struct sh_sign_in wang = fixture_sign_in(f, "wang", WORD);
    const struct sh_sign_in zhao = fixture_sign_in(f, "zhao", WORD);
    /* who knows the plant is not there yet: nothing */
    assert_int_equal(on_device(f, &li.who, SH_PERM_DEVICES_READ, "own-li"), SH_E_DENIED);
    sh_guard_set_in_part(f->g, in_part, NULL);
    assert_ok(on_device(f, &li.who, SH_PERM_DEVICES_READ, "own-li"));
    assert_int_equal(on_device(f, &wang.who, SH_PERM_DEVICES_READ, "own-li"), SH_E_DENIED);
    assert_ok(on_device(f, &zhao.who, SH_PERM_DEVICES_READ, "l1"));
    assert_ok(on_device(f, &zhao.who, SH_PERM_DEVICES_READ, "l2"));
    assert_int_equal(on_device(f, &zhao.who, SH_PERM_DEVICES_COMMAND, "l1"), SH_E_DENIED);
    assert_ok(on_device(f, &zhao.who, SH_PERM_DEVICES_COMMAND, "l2"));
}

static void test_a_grant_begins_and_ends_by_itself(void **state)
{
    struct fixture *f = *state;
    char grant[256];
    const int64_t now = sh_wall_us(&f->t.clock);
    (void)snprintf(grant, sizeof grant,
                   "{\"role\":\"engineer\",\"from\":%lld,\"until\":%lld,\"reason\":\"repair\"}",
                   (long long)((now + DAY) / 1000), (long long)((now + 2 * DAY) / 1000));
    person(f, "li", grant);
    struct sh_sign_in in = fixture_sign_in(f, "li", WORD);
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_int_equal(
        sh_guard_explain(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT, true, &f->diag),
        SH_DENIAL_COMING);
    sh_test_advance(&f->t, DAY + 1000000);
    in = fixture_sign_in(f, "li", WORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT));
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "grant.ended"), 0);
    /* the session stays, the right goes */
    fixture_reopen(f);
    in = fixture_sign_in(f, "li", WORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT));
    sh_test_advance(&f->t, DAY - 3600 * INT64_C(1000000));
    in = fixture_sign_in(f, "li", WORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT));
    sh_test_advance(&f->t, 3600 * INT64_C(1000000));
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_ok(sh_guard_live(f->g, &in.who));
    assert_int_equal(
        sh_guard_explain(f->g, &in.who, SH_PERM_THINGS_WRITE, SH_TENANT_ROOT, false, &f->diag),
        SH_DENIAL_ENDED);
    sh_guard_tick(f->g);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "grant.ended"), 1);
}

static void test_a_right_in_part_or_for_a_time_is_not_passed_on(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const int64_t until = (sh_wall_us(&f->t.clock) + DAY) / 1000;
    char grant[256];
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_ROLES, "clerk",
                          "{\"permissions\":[\"people.*\",\"tokens.*\"]}"));
    (void)snprintf(grant, sizeof grant,
                   "{\"role\":\"clerk\"},{\"role\":\"administrator\",\"until\":%lld}",
                   (long long)until);
    person(f, "li", grant);
    const struct sh_sign_in in = fixture_sign_in(f, "li", WORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_WRITE, SH_TENANT_ROOT));
    assert_int_equal(fixture_put(f, &in.who, "", SH_GUARD_TOKENS, "",
                                 "{\"name\":\"t\",\"permissions\":[\"devices.write\"]}"),
                     SH_E_DENIED);
    /* nor by rights.grant that is held for a time: not to others, not to oneself */
    assert_int_equal(
        fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "evil", "{\"roles\":[\"administrator\"]}"),
        SH_E_DENIED);
    assert_int_equal(
        fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "li", "{\"roles\":[\"administrator\"]}"),
        SH_E_DENIED);
    assert_int_equal(fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "li",
                                 "{\"grants\":[{\"role\":\"engineer\"}]}"),
                     SH_E_DENIED);
    person(f, "wang", "{\"role\":\"clerk\"},{\"role\":\"engineer\",\"asset\":\"line1\"}");
    const struct sh_sign_in wang = fixture_sign_in(f, "wang", WORD);
    assert_int_equal(fixture_put(f, &wang.who, "", SH_GUARD_PEOPLE, "x",
                                 "{\"grants\":[{\"role\":\"viewer\",\"asset\":\"line1\"}]}"),
                     SH_E_DENIED);
    assert_ok(
        fixture_put(f, &wang.who, "", SH_GUARD_PEOPLE, "x", "{\"grants\":[{\"role\":\"clerk\"}]}"));
    /* a role that a grant names is in use */
    assert_int_equal(fixture_delete(f, &sys, "", SH_GUARD_ROLES, "clerk"), SH_E_STATE);
}

static void test_below_a_tenant(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "park", "{}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "park/a", "{}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "other", "{}"));
    person(f, "li", "{\"role\":\"administrator\",\"tenant\":\"park\"}");
    const struct sh_sign_in in = fixture_sign_in(f, "li", WORD);
    const uint32_t park = fixture_tenant(f, "park");
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_PEOPLE_WRITE, park));
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_PEOPLE_WRITE, fixture_tenant(f, "park/a")));
    assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_PEOPLE_WRITE, SH_TENANT_ROOT),
                     SH_E_DENIED);
    assert_int_equal(
        sh_guard_check(f->g, &in.who, SH_PERM_PEOPLE_WRITE, fixture_tenant(f, "other")),
        SH_E_DENIED);
    assert_ok(fixture_put(f, &in.who, "park/a", SH_GUARD_PEOPLE, "x",
                          "{\"roles\":[\"engineer\"],\"password\":\"" WORD "\"}"));
    assert_int_equal(fixture_put(f, &in.who, "", SH_GUARD_PEOPLE, "y", "{\"roles\":[\"viewer\"]}"),
                     SH_E_DENIED);
    /* somebody of the tenant is given nothing above it */
    assert_int_equal(fixture_put(f, &sys, "park", SH_GUARD_PEOPLE, "z",
                                 "{\"grants\":[{\"role\":\"viewer\",\"tenant\":\"other\"}]}"),
                     SH_E_INVAL);
}

static void test_a_token_for_a_part(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    struct sh_principal p;
    char token[SH_SECRET_CHARS];
    sh_guard_set_in_part(f->g, in_part, NULL);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"wall\",\"roles\":[\"viewer\"],\"label\":\"line:1\"}"));
    assert_true(fixture_has(f, "\"label\":\"line:1\""));
    fixture_answer(f, "token", token, sizeof token);
    fixture_reopen(f);
    sh_guard_set_in_part(f->g, in_part, NULL);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(token), &p));
    assert_ok(on_device(f, &p, SH_PERM_HISTORY_READ, "l1"));
    assert_int_equal(on_device(f, &p, SH_PERM_HISTORY_READ, "l2"), SH_E_DENIED);
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_RECORDS_READ, SH_TENANT_ROOT), SH_E_DENIED);
}

static void test_what_is_refused_names_the_place(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum sh_guard_noun noun;
        const char *body;
        const char *path;
    } rows[] = {
        {SH_GUARD_PEOPLE, "{\"grants\":{}}", "/grants"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{}]}", "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\"},{\"role\":\"nope\"}]}", "/grants/1"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\",\"tenant\":\"nope\"}]}", "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\",\"asset\":\"a\",\"own\":true}]}",
         "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\",\"label\":\"line\"}]}", "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"auditor\",\"label\":\"line:1\"}]}", NULL},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"device\",\"label\":\"line:1\"}]}", "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\",\"until\":5}]}", "/grants/0"},
        {SH_GUARD_PEOPLE, "{\"grants\":[{\"role\":\"viewer\",\"until\":\"soon\"}]}", "/grants/0"},
        {SH_GUARD_PEOPLE,
         "{\"grants\":[{\"role\":\"viewer\",\"from\":\"2099-01-02T00:00:00Z\",\"until\":\"2099-01-"
         "01T00:00:00Z\"}]}",
         "/grants/0"},
        {SH_GUARD_TOKENS, "{\"name\":\"t\",\"roles\":[\"ingest\"],\"label\":\"line:1\"}", "/roles"},
        {SH_GUARD_TOKENS, "{\"name\":\"t\",\"device\":\"d\",\"asset\":\"a\"}", "/asset"},
    };
    const struct sh_principal sys = sh_guard_system(f->g);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const char *name = rows[i].noun == SH_GUARD_TOKENS ? "" : "a";
        const sh_err err = fixture_put(f, &sys, "", rows[i].noun, name, rows[i].body);
        if (rows[i].path == NULL) { /* overview.read can be had in part */
            assert_ok(err);
            continue;
        }
        if (err != SH_E_INVAL || strcmp(f->diag.path, rows[i].path) != 0) {
            fail_msg("%s: %s at %s", rows[i].body, sh_err_name(err), f->diag.path);
        }
    }
}

static void test_the_powers_of_two_are_not_granted_for_a_time(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    json_t *body = json_pack("{s:{s:s,s:s},s:{s:s,s:s},s:{s:s,s:s}}", "system", "name", "sys",
                             "password", WORD " 1", "security", "name", "sec", "password",
                             WORD " 2", "audit", "name", "aud", "password", WORD " 3");
    const struct sh_guard_at at = {&admin.who, SH_TENANT_ROOT, SH_STR("")};
    assert_ok(sh_guard_separate(f->g, &at, body, &f->diag));
    json_decref(body);
    assert_int_equal(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "sys",
                                 "{\"grants\":[{\"role\":\"auditor\",\"from\":\"2099-01-01T00:00:"
                                 "00Z\"}]}"),
                     SH_E_STATE);
}

static void test_grants_are_kept_with_who_gave_them(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "li",
                          "{\"grants\":[{\"role\":\"viewer\",\"asset\":\"line1\",\"reason\":\"检修"
                          "\"}]}"));
    assert_true(fixture_has(f, "\"by\":\"admin\""));
    assert_true(fixture_has(f, "\"state\":\"active\""));
    const struct sh_principal sys = sh_guard_system(f->g);
    sh_test_advance(&f->t, DAY);
    /* as it was: still the administrator's; without the member: nothing changes */
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li",
                          "{\"grants\":[{\"role\":\"viewer\",\"asset\":\"line1\"}]}"));
    assert_true(fixture_has(f, "\"by\":\"admin\""));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", "{\"display\":\"Li\"}"));
    assert_true(fixture_has(f, "\"asset\":\"line1\""));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li", "{\"grants\":[]}"));
    assert_false(fixture_has(f, "line1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_role_for_an_asset_holds_there_only),
        FIXTURE_TEST(test_labels_own_and_several_parts),
        FIXTURE_TEST(test_a_grant_begins_and_ends_by_itself),
        FIXTURE_TEST(test_a_right_in_part_or_for_a_time_is_not_passed_on),
        FIXTURE_TEST(test_below_a_tenant),
        FIXTURE_TEST(test_a_token_for_a_part),
        FIXTURE_TEST(test_what_is_refused_names_the_place),
        FIXTURE_TEST(test_the_powers_of_two_are_not_granted_for_a_time),
        FIXTURE_TEST(test_grants_are_kept_with_who_gave_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
