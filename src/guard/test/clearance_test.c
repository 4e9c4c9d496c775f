/* Clearance: what reading shows, by role, grant and token; and that nobody gives more than he sees.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>

#define WORD "a long pass phrase"

static const struct sh_data_class core1 = {SH_CLASS_CORE, 1};
static const struct sh_data_class core3 = {SH_CLASS_CORE, 3};
static const struct sh_data_class general1 = {SH_CLASS_GENERAL, 1};
static const struct sh_data_class general3 = {SH_CLASS_GENERAL, 3};
static const struct sh_data_class important2 = {SH_CLASS_IMPORTANT, 2};

static bool in_part(void *ctx, uint32_t tenant, struct sh_str device, const struct sh_parts *parts)
{
    SH_UNUSED(ctx);
    SH_UNUSED(tenant);
    return parts->n == 1 && sh_str_starts(device, sh_str_c(parts->at[0].text));
}

static void role(struct fixture *f, const char *name, const char *body)
{
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_ROLES, name, body));
}

static struct sh_sign_in person(struct fixture *f, const char *name, const char *rest)
{
    char body[1024];
    const struct sh_principal sys = sh_guard_system(f->g);
    (void)snprintf(body, sizeof body, "{\"password\":\"" WORD "\",%s}", rest);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, name, body));
    return fixture_sign_in(f, name, WORD);
}

static bool shows(struct fixture *f, const struct sh_principal *p, enum sh_permission perm,
                  struct sh_data_class c)
{
    return sh_clearance_has(sh_guard_clearance(f->g, p, perm, SH_TENANT_ROOT), c);
}

static void test_a_role_that_says_nothing_shows_everything(void **state)
{
    struct fixture *f = *state;
    const struct sh_sign_in li = person(f, "li", "\"roles\":[\"viewer\"]");
    assert_true(shows(f, &li.who, SH_PERM_HISTORY_READ, core3));
    assert_true(shows(f, &li.who, SH_PERM_POINTS_READ, core3));
    /* what no role of his gives shows nothing, and what does not read neither */
    assert_false(shows(f, &li.who, SH_PERM_MQTT_ANY_TOPIC, general1));
    assert_false(shows(f, &li.who, SH_PERM_AUDIT_READ, general1));
    const struct sh_principal nobody = {0};
    assert_false(shows(f, &nobody, SH_PERM_HISTORY_READ, general1));
}

static void test_each_role_shows_what_it_reads_itself(void **state)
{
    struct fixture *f = *state;
    role(f, "history",
         "{\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"general\",\"data_level\":3}}");
    role(f, "points",
         "{\"permissions\":[\"points.read\"],\"clearance\":"
         "{\"data_class\":\"core\",\"data_level\":1}}");
    role(f, "both",
         "{\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"core\",\"data_level\":1}}");
    const struct sh_sign_in li = person(f, "li", "\"roles\":[\"history\",\"points\"]");
    assert_true(shows(f, &li.who, SH_PERM_HISTORY_READ, general3));
    assert_false(shows(f, &li.who, SH_PERM_HISTORY_READ, core1)); /* that is of another role */
    assert_true(shows(f, &li.who, SH_PERM_POINTS_READ, core1));
    assert_false(shows(f, &li.who, SH_PERM_POINTS_READ, general3));
    /* two roles add up and make nothing new */
    const struct sh_sign_in wang = person(f, "wang", "\"roles\":[\"history\",\"both\"]");
    assert_true(shows(f, &wang.who, SH_PERM_HISTORY_READ, general3));
    assert_true(shows(f, &wang.who, SH_PERM_HISTORY_READ, core1));
    assert_false(shows(f, &wang.who, SH_PERM_HISTORY_READ, core3));
    /* a changed role reaches a session at once, and outlives a restart */
    role(f, "history",
         "{\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"general\",\"data_level\":1}}");
    assert_false(shows(f, &li.who, SH_PERM_HISTORY_READ, general3));
    fixture_reopen(f);
    const struct sh_sign_in again = fixture_sign_in(f, "li", WORD);
    assert_true(shows(f, &again.who, SH_PERM_HISTORY_READ, general1));
    assert_false(shows(f, &again.who, SH_PERM_HISTORY_READ, general3));
}

static void test_a_grant_shows_in_its_part(void **state)
{
    struct fixture *f = *state;
    role(f, "low",
         "{\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"general\",\"data_level\":1}}");
    const struct sh_sign_in li = person(
        f, "li", "\"roles\":[\"low\"],\"grants\":[{\"role\":\"viewer\",\"asset\":\"line1\"}]");
    sh_guard_set_in_part(f->g, in_part, NULL);
    assert_false(shows(f, &li.who, SH_PERM_HISTORY_READ, core3));
    assert_true(sh_clearance_has(sh_guard_clearance_device(f->g, &li.who, SH_PERM_HISTORY_READ,
                                                           SH_TENANT_ROOT, SH_STR("line1-pump")),
                                 core3));
    assert_false(sh_clearance_has(sh_guard_clearance_device(f->g, &li.who, SH_PERM_HISTORY_READ,
                                                            SH_TENANT_ROOT, SH_STR("line2-pump")),
                                  core3));
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    struct sh_principal p;
    char secret[128];
    char dashboard[SH_DASHBOARD_ID_MAX + 1];
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"a\",\"roles\":[\"viewer\"],\"clearance\":"
                          "{\"data_class\":\"important\",\"data_level\":2}}"));
    fixture_answer(f, "token", secret, sizeof secret);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &p));
    assert_true(shows(f, &p, SH_PERM_HISTORY_READ, important2));
    assert_false(shows(f, &p, SH_PERM_HISTORY_READ, core1));
    fixture_reopen(f);
    assert_ok(sh_guard_by_token(f->g, sh_str_c(secret), &p));
    assert_false(shows(f, &p, SH_PERM_HISTORY_READ, core1));
    /* what hangs on a wall shows what is general, unless it was given more */
    const struct sh_principal again = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &again, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"wall\",\"dashboard\":\"d1\"}"));
    fixture_answer(f, "token", secret, sizeof secret);
    assert_ok(sh_guard_by_panel(f->g, sh_str_c(secret), &p, dashboard));
    assert_true(shows(f, &p, SH_PERM_HISTORY_READ, general1));
    assert_false(shows(f, &p, SH_PERM_HISTORY_READ, general3));
    assert_ok(fixture_put(f, &again, "", SH_GUARD_TOKENS, "",
                          "{\"name\":\"wall\",\"dashboard\":\"d1\",\"clearance\":"
                          "{\"data_class\":\"important\"}}"));
    fixture_answer(f, "token", secret, sizeof secret);
    assert_ok(sh_guard_by_panel(f->g, sh_str_c(secret), &p, dashboard));
    assert_true(shows(f, &p, SH_PERM_HISTORY_READ, important2));
    assert_int_equal(fixture_put(f, &again, "", SH_GUARD_TOKENS, "",
                                 "{\"name\":\"x\",\"roles\":[\"viewer\"],\"clearance\":\"core\"}"),
                     SH_E_INVAL);
}

static void test_nobody_gives_more_than_he_sees(void **state)
{
    struct fixture *f = *state;
    role(f, "low",
         "{\"permissions\":[\"history.read\",\"dashboards.read\",\"devices.read\","
         "\"tokens.*\",\"people.*\",\"roles.*\"],\"clearance\":"
         "{\"data_class\":\"general\",\"data_level\":1}}");
    role(f, "high", "{\"permissions\":[\"history.read\"]}");
    const struct sh_sign_in li = person(f, "li", "\"roles\":[\"low\"]");
    const struct {
        enum sh_guard_noun noun;
        const char *name;
        const char *body;
        sh_err err;
    } rows[] = {
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"high\"]}", SH_E_DENIED},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"low\"]}", SH_OK},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"permissions\":[\"history.read\"]}", SH_E_DENIED},
        {SH_GUARD_TOKENS, "",
         "{\"name\":\"t\",\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"general\",\"data_level\":1}}",
         SH_OK},
        {SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"dashboard\":\"d\"}", SH_OK},
        {SH_GUARD_TOKENS, "",
         "{\"name\":\"t\",\"dashboard\":\"d\",\"clearance\":{\"data_class\":\"core\"}}",
         SH_E_DENIED},
        {SH_GUARD_PEOPLE, "friend", "{\"password\":\"" WORD "\",\"roles\":[\"high\"]}",
         SH_E_DENIED},
        {SH_GUARD_PEOPLE, "friend", "{\"password\":\"" WORD "\",\"roles\":[\"low\"]}", SH_OK},
        {SH_GUARD_ROLES, "low", "{\"permissions\":[\"history.read\"]}", SH_E_DENIED},
        {SH_GUARD_ROLES, "mine", "{\"permissions\":[\"history.read\"]}", SH_E_DENIED},
        {SH_GUARD_ROLES, "mine", "{\"permissions\":[\"tokens.read\"]}", SH_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(fixture_put(f, &li.who, "", rows[i].noun, rows[i].name, rows[i].body),
                         rows[i].err);
    }
    assert_false(shows(f, &li.who, SH_PERM_HISTORY_READ, general3));
}

static void test_rights_say_what_would_show_more(void **state)
{
    struct fixture *f = *state;
    role(f, "low",
         "{\"permissions\":[\"history.read\"],\"clearance\":"
         "{\"data_class\":\"important\",\"data_level\":2}}");
    const struct sh_sign_in li = person(f, "li", "\"roles\":[\"low\"]");
    const struct sh_guard_at at = {.by = &li.who, .tenant = SH_TENANT_ROOT};
    struct sh_jw w;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_obj(&w);
    assert_ok(sh_guard_rights_write(f->g, &at, SH_STR(""), &w));
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_true(fixture_has(
        f,
        "\"clearance\":[{\"data_class\":\"important\",\"data_level\":2}],\"clearance_roles\":["));
    assert_true(fixture_has(f, "\"viewer\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_role_that_says_nothing_shows_everything),
        FIXTURE_TEST(test_each_role_shows_what_it_reads_itself),
        FIXTURE_TEST(test_a_grant_shows_in_its_part),
        FIXTURE_TEST(test_tokens),
        FIXTURE_TEST(test_nobody_gives_more_than_he_sees),
        FIXTURE_TEST(test_rights_say_what_would_show_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
