#include "fixture.h"

#include <stdio.h>

/* The matrix of DESIGN's roles, written down a second time: which permissions each builtin role
 * has. A permission that is not listed here must be refused. */
static const struct {
    const char *role;
    const char *granted;
} matrix[] = {
    {"engineer",
     "overview.read devices.read devices.write devices.command devices.enable_write things.read "
     "things.write assets.read assets.write channels.read channels.write points.read points.write "
     "history.read history.correct history.annotate history.export ingest.write ingest.provision "
     "ingest.gateway "
     "records.read "
     "records.write records.delete types.read types.write flows.read flows.write models.read "
     "models.write apps.read mqtt.connect mqtt.any_topic mqtt.sys tokens.read tokens.write "
     "config.read metrics.read dashboards.read dashboards.write"},
    {"operator",
     "overview.read devices.read devices.command things.read assets.read channels.read points.read "
     "history.read history.annotate records.read records.write types.read flows.read models.read "
     "apps.read "
     "mqtt.connect dashboards.read dashboards.write"},
    {"viewer", "overview.read devices.read things.read assets.read channels.read points.read "
               "history.read records.read types.read flows.read models.read apps.read "
               "mqtt.connect dashboards.read"},
    {"auditor", "overview.read audit.read people.read roles.read tokens.read tenants.read "
                "config.read metrics.read"},
    {"device", "ingest.write mqtt.connect"},
    {"ingest", "ingest.write ingest.provision ingest.gateway mqtt.connect"},
    {"anonymous", "mqtt.connect mqtt.any_topic"},
};

static bool listed(const char *words, const char *name)
{
    struct sh_str left = sh_str_c(words);
    while (left.p != NULL) {
        struct sh_str rest;
        if (sh_str_eqc(sh_str_cut(left, ' ', &rest), name)) {
            return true;
        }
        left = rest;
    }
    return false;
}

static void test_each_permission_for_each_builtin_role(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    for (size_t r = 0; r < SH_COUNT(matrix); r++) {
        char body[256];
        (void)snprintf(body, sizeof body,
                       "{\"roles\":[\"%s\"],\"password\":\"a long pass phrase\"}", matrix[r].role);
        assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, matrix[r].role, body));
        const struct sh_sign_in in = fixture_sign_in(f, matrix[r].role, "a long pass phrase");
        for (unsigned p = 0; p < SH_PERMISSIONS; p++) {
            const enum sh_permission perm = (enum sh_permission)p;
            const char *name = sh_permission_info(perm)->name;
            const sh_err want = listed(matrix[r].granted, name) ? SH_OK : SH_E_DENIED;
            if (sh_guard_check(f->g, &in.who, perm, SH_TENANT_ROOT) != want) {
                fail_msg("%s and %s", matrix[r].role, name);
            }
        }
    }
    for (unsigned p = 0; p < SH_PERMISSIONS; p++) { /* the administrator has them all */
        assert_ok(sh_guard_check(f->g, &admin.who, (enum sh_permission)p, SH_TENANT_ROOT));
    }
}

static void test_permission_names_are_whole(void **state)
{
    SH_UNUSED(state);
    for (unsigned p = 0; p < SH_PERMISSIONS; p++) {
        const struct sh_permission_info *i = sh_permission_info((enum sh_permission)p);
        enum sh_permission found;
        assert_non_null(i->name);
        assert_true(i->english[0] != '\0' && i->chinese[0] != '\0');
        assert_true(sh_permission_find(sh_str_c(i->name), &found));
        assert_int_equal(found, p);
        assert_true(sh_permission_bits(sh_str_c(i->name)) == sh_permission_bit(found));
    }
    assert_int_equal(sh_permission_bits(SH_STR("devices")), 0);
    assert_int_equal(sh_permission_bits(SH_STR("")), 0);
    assert_int_equal(sh_permission_bits(SH_STR(".*")), 0);
    assert_true(sh_permission_bits(SH_STR("*")) != 0);
    for (const struct sh_builtin_role *b = sh_builtin_roles(); b->name != NULL; b++) {
        for (const char *const *p = b->permissions; *p != NULL; p++) {
            assert_true(sh_permission_bits(sh_str_c(*p)) != 0); /* no typing error in a pattern */
        }
    }
}

static void make_tenants(struct fixture *f, const struct sh_principal *by)
{
    assert_ok(fixture_put(f, by, "", SH_GUARD_TENANTS, "jilin", "{\"name\":\"吉林\"}"));
    assert_ok(fixture_put(f, by, "", SH_GUARD_TENANTS, "jilin/parkA", "{}"));
    assert_ok(fixture_put(f, by, "", SH_GUARD_TENANTS, "jilin/parkB", "{}"));
    assert_ok(fixture_put(f, by, "", SH_GUARD_TENANTS, "jilin/parkA/x", "{}"));
}

static void test_each_tenant_sees_itself_and_below(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"", "jilin", "jilin/parkA", "jilin/parkB", "jilin/parkA/x"};
    static const bool sees[5][5] = {
        {true, true, true, true, true},     {false, true, true, true, true},
        {false, false, true, false, true},  {false, false, false, true, false},
        {false, false, false, false, true},
    };
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    make_tenants(f, &admin.who);
    for (size_t i = 0; i < 5; i++) {
        char user[64];
        assert_ok(
            fixture_put(f, &admin.who, paths[i], SH_GUARD_PEOPLE, "same",
                        "{\"roles\":[\"administrator\"],\"password\":\"a long pass phrase\"}"));
        (void)snprintf(user, sizeof user, "same%s%s", i == 0 ? "" : "@", paths[i]);
        const struct sh_sign_in in = fixture_sign_in(f, user, "a long pass phrase");
        assert_int_equal(in.who.tenant, fixture_tenant(f, paths[i]));
        for (size_t j = 0; j < 5; j++) {
            const uint32_t t = fixture_tenant(f, paths[j]);
            assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, t),
                             sees[i][j] ? SH_OK : SH_E_DENIED);
        }
        assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, 0), SH_E_DENIED);
        assert_int_equal(sh_guard_check(f->g, &in.who, SH_PERM_DEVICES_READ, 99), SH_E_DENIED);
    }
}

static void test_disabled_tenant_shuts_out_its_own_only(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    make_tenants(f, &admin.who);
    const char *const person = "{\"roles\":[\"viewer\"],\"password\":\"a long pass phrase\"}";
    assert_ok(fixture_put(f, &admin.who, "jilin/parkA/x", SH_GUARD_PEOPLE, "eva", person));
    assert_ok(fixture_put(f, &admin.who, "jilin/parkB", SH_GUARD_PEOPLE, "eva", person));
    const struct sh_sign_in a = fixture_sign_in(f, "eva@jilin/parkA/x", "a long pass phrase");
    const struct sh_sign_in b = fixture_sign_in(f, "eva@jilin/parkB", "a long pass phrase");
    const uint32_t x = fixture_tenant(f, "jilin/parkA/x");
    assert_ok(
        fixture_put(f, &admin.who, "", SH_GUARD_TENANTS, "jilin/parkA", "{\"disabled\":true}"));
    struct sh_diag d;
    assert_int_equal(sh_guard_explain(f->g, &a.who, SH_PERM_DEVICES_READ, x, true, &d),
                     SH_DENIAL_TENANT_OFF);
    assert_int_equal(sh_guard_live(f->g, &a.who), SH_E_CLOSED);
    assert_ok(sh_guard_check(f->g, &b.who, SH_PERM_DEVICES_READ, fixture_tenant(f, "jilin/parkB")));
    assert_ok(sh_guard_check(f->g, &admin.who, SH_PERM_DEVICES_READ, x));
    fixture_reopen(f);
    struct sh_principal p;
    assert_ok(sh_guard_by_token(f->g, sh_str_c(a.token), &p));
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_DEVICES_READ, x), SH_E_DENIED);
}

static void test_change_of_a_role_reaches_handles_at_once(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_ROLES, "chef",
                          "{\"permissions\":[\"devices.read\"]}"));
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"chef\"],\"password\":\"a long pass phrase\"}"));
    const struct sh_sign_in li = fixture_sign_in(f, "li", "a long pass phrase");
    assert_ok(sh_guard_check(f->g, &li.who, SH_PERM_DEVICES_READ, 1));
    assert_int_equal(sh_guard_check(f->g, &li.who, SH_PERM_RECORDS_READ, 1), SH_E_DENIED);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_ROLES, "chef",
                          "{\"permissions\":[\"records.*\"]}"));
    assert_int_equal(sh_guard_check(f->g, &li.who, SH_PERM_DEVICES_READ, 1), SH_E_DENIED);
    assert_ok(sh_guard_check(f->g, &li.who, SH_PERM_RECORDS_READ, 1));
    assert_int_equal(fixture_delete(f, &admin.who, "", SH_GUARD_ROLES, "chef"), SH_E_STATE);
    fixture_reopen(f);
    struct sh_principal p;
    assert_ok(sh_guard_by_token(f->g, sh_str_c(li.token), &p));
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_RECORDS_READ, 1));
    assert_ok(fixture_put(f, &f->g->system, "", SH_GUARD_PEOPLE, "li", "{\"roles\":[]}"));
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_RECORDS_READ, 1), SH_E_DENIED);
    assert_ok(fixture_delete(f, &f->g->system, "", SH_GUARD_ROLES, "chef"));
}

static void test_disabled_person_is_out_at_once(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in admin = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"viewer\"],\"password\":\"a long pass phrase\"}"));
    const struct sh_sign_in li = fixture_sign_in(f, "li", "a long pass phrase");
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "li", "{\"disabled\":true}"));
    struct sh_principal p;
    struct sh_sign_in in;
    assert_int_equal(sh_guard_live(f->g, &li.who), SH_E_CLOSED);
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(li.token), &p), SH_E_DENIED);
    assert_int_equal(
        sh_guard_sign_in(f->g, SH_STR("li"), SH_STR("a long pass phrase"), SH_STR("::1"), &in),
        SH_E_DENIED);
    assert_ok(fixture_put(f, &admin.who, "", SH_GUARD_PEOPLE, "li", "{\"disabled\":false}"));
    assert_int_equal(sh_guard_live(f->g, &li.who), SH_E_CLOSED); /* the old session stays dead */
    assert_ok(
        sh_guard_sign_in(f->g, SH_STR("li"), SH_STR("a long pass phrase"), SH_STR("::1"), &in));
}

static void test_nobody_may_nothing_and_old_slots_are_dead(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal nobody = {0};
    struct sh_diag d;
    assert_int_equal(sh_guard_check(f->g, &nobody, SH_PERM_OVERVIEW_READ, 1), SH_E_DENIED);
    assert_int_equal(sh_guard_explain(f->g, &nobody, SH_PERM_OVERVIEW_READ, 1, true, &d),
                     SH_DENIAL_NOBODY);
    const struct sh_principal wild = {.slot = 4000000, .generation = 1, .tenant = 1, .kind = 2};
    assert_int_equal(sh_guard_check(f->g, &wild, SH_PERM_OVERVIEW_READ, 1), SH_E_DENIED);
    const struct sh_sign_in first = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_guard_sign_out(f->g, sh_str_c(first.token)));
    const struct sh_sign_in second = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_int_equal(first.who.slot, second.who.slot); /* the slot is used again */
    assert_int_equal(sh_guard_check(f->g, &first.who, SH_PERM_OVERVIEW_READ, 1), SH_E_DENIED);
    assert_int_equal(sh_guard_explain(f->g, &first.who, SH_PERM_OVERVIEW_READ, 1, false, &d),
                     SH_DENIAL_REVOKED);
    assert_ok(sh_guard_check(f->g, &second.who, SH_PERM_OVERVIEW_READ, 1));
}

static void test_anonymous_may_only_message_in_the_root(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal a = sh_guard_anonymous(f->g);
    for (unsigned p = 0; p < SH_PERMISSIONS; p++) {
        const bool may = p == SH_PERM_MQTT_CONNECT || p == SH_PERM_MQTT_ANY_TOPIC;
        assert_int_equal(sh_guard_check(f->g, &a, (enum sh_permission)p, SH_TENANT_ROOT),
                         may ? SH_OK : SH_E_DENIED);
    }
    struct sh_principal_info info;
    assert_ok(sh_guard_describe(f->g, &a, &info));
    assert_string_equal(info.label, "anonymous");
}

static void test_explain_says_why_in_both_languages(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal a = sh_guard_anonymous(f->g);
    struct sh_diag d = {0};
    assert_int_equal(sh_guard_explain(f->g, &a, SH_PERM_DEVICES_READ, 1, false, &d),
                     SH_DENIAL_PERMISSION);
    assert_string_equal(d.message, "The permission devices.read (see devices) is missing.");
    assert_true(d.remedy[0] != '\0');
    assert_int_equal(sh_guard_explain(f->g, &a, SH_PERM_DEVICES_READ, 1, true, &d),
                     SH_DENIAL_PERMISSION);
    assert_non_null(strstr(d.message, "查看设备"));
    assert_int_equal(sh_guard_explain(f->g, &a, SH_PERM_MQTT_CONNECT, 1, true, &d), SH_DENIAL_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_each_permission_for_each_builtin_role),
        cmocka_unit_test(test_permission_names_are_whole),
        FIXTURE_TEST(test_each_tenant_sees_itself_and_below),
        FIXTURE_TEST(test_disabled_tenant_shuts_out_its_own_only),
        FIXTURE_TEST(test_change_of_a_role_reaches_handles_at_once),
        FIXTURE_TEST(test_disabled_person_is_out_at_once),
        FIXTURE_TEST(test_nobody_may_nothing_and_old_slots_are_dead),
        FIXTURE_TEST(test_anonymous_may_only_message_in_the_root),
        FIXTURE_TEST(test_explain_says_why_in_both_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
