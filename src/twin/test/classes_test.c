/* The data class of points: who says it, who wins, what follows, and that nothing is lowered.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <stdio.h>

#include "twin_fix.h"

/* "core/3" of a point as the catalogue has it, which must be what twin says. */
static void is(struct fix *f, const char *device, const char *property, const char *want)
{
    char have[24];
    const uint32_t id = sh_points_find(f->p, 1, sh_str_c(device), sh_str_c(property));
    assert_true(id != 0);
    const struct sh_data_class c = sh_points_class(f->p, id);
    const struct sh_data_class t = sh_twin_class(f->w, 1, sh_str_c(device), sh_str_c(property));
    (void)snprintf(have, sizeof have, "%s/%u", sh_data_class_word(c.name), c.level);
    assert_string_equal(have, want);
    assert_true(c.name == t.name && c.level == t.level);
}

static void sample(struct fix *f, const char *device, const char *property)
{
    uint32_t id = 0;
    char detail[SH_TWIN_DETAIL];
    const struct sh_point_def d = {
        .tenant = 1, .type = SH_T_F64, .device = sh_str_c(device), .property = sh_str_c(property)};
    assert_int_equal(sh_twin_device_ensure(f->w, 1, sh_str_c(device), NULL, 0, true, detail),
                     SH_TWIN_OK);
    assert_ok(sh_points_define(f->p, &d, false, &id));
}

static sh_err say(struct fix *f, enum sh_twin_classed kind, const char *id, const char *property,
                  struct sh_data_class to, bool lower)
{
    const struct sh_twin_classify c = {.tenant = 1,
                                       .kind = kind,
                                       .id = sh_str_c(id),
                                       .property = sh_str_c(property),
                                       .to = to,
                                       .author = SH_STR("zhang"),
                                       .reason = SH_STR("because"),
                                       .lower = lower};
    f->diag = (struct sh_diag){.line = 0};
    return sh_twin_classify(f->w, &c, &f->diag);
}

static const struct sh_data_class general1 = {SH_CLASS_GENERAL, 1};
static const struct sh_data_class important2 = {SH_CLASS_IMPORTANT, 2};
static const struct sh_data_class core3 = {SH_CLASS_CORE, 3};

#define PUMP                                                                                       \
    "{'name':'pump','data_class':'important','properties':["                                       \
    "{'id':'flow','type':'f64','scale':{'raw':'i16','factor':0.1,'keep_raw':true}},"               \
    "{'id':'secret','type':'f64','data_class':'core','data_level':3},"                             \
    "{'id':'open','type':'f64','data_class':'general','data_level':1}]}"

static void test_class_who_says_it(void **state)
{
    struct fix *f = *state;
    sample(f, "free", "x"); /* nobody says anything */
    is(f, "free", "x", "general/1");
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, PUMP));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    is(f, "p1", "flow", "important/1");
    is(f, "p1", "secret", "core/3");
    is(f, "p1", "flow.raw", "important/1");
    is(f, "p1", "open", "general/1"); /* downwards too, where it is said */
    sample(f, "p1", "surprise");      /* of the model */
    is(f, "p1", "surprise", "important/1");
    sample(f, "p1", "event:alarm");
    is(f, "p1", "event:alarm", "important/1");
    /* a device raises all of its points, */
    assert_ok(fix_device(f, "p1", SH_TWIN_PATCH, "{'data_level':2}"));
    is(f, "p1", "flow", "important/2");
    is(f, "p1", "open", "general/2");
    /* and says what one of them is */
    assert_ok(
        fix_device(f, "p1", SH_TWIN_PATCH, "{'point_classes':{'surprise':{'data_class':'core'}}}"));
    is(f, "p1", "surprise", "core/2");
    /* the tenant's default is for those of whom nobody says anything */
    assert_ok(say(f, SH_TWIN_CLASSED_TENANT, "", "", important2, false));
    is(f, "free", "x", "important/2");
    is(f, "p1", "open", "general/2");
    sample(f, "later", "x");
    is(f, "later", "x", "important/2");
    struct sh_twin_query q = {.tenant = 1, .data_class = SH_STR("core")};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag));
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].top.name, SH_CLASS_CORE);
    /* all of it is there again after a restart */
    assert_ok(sh_twin_tick(f->w));
    fix_reopen(f);
    is(f, "free", "x", "important/2");
    is(f, "p1", "flow", "important/2");
    is(f, "p1", "secret", "core/3");
    is(f, "p1", "open", "general/2");
    is(f, "p1", "surprise", "core/2");
}

static void test_class_is_inherited(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, PUMP));
    assert_ok(fix_thing(f, "big", SH_TWIN_CREATE,
                        "{'extends':'pump','properties':["
                        "{'id':'open','type':'f64','data_class':'important'},"
                        "{'id':'own','type':'f64'}]}"));
    assert_ok(fix_device(f, "b1", SH_TWIN_CREATE, "{'thing':'big'}"));
    is(f, "b1", "own", "important/1");
    is(f, "b1", "secret", "core/3");
    is(f, "b1", "open", "important/1");
    /* what the model above says follows, unless it is said below */
    assert_ok(say(f, SH_TWIN_CLASSED_THING, "pump", "", core3, false));
    is(f, "b1", "own", "core/3");
    is(f, "b1", "open", "important/1");
    /* sending back what was read says nothing new */
    sh_buf_clear(&f->out);
    struct sh_jw w;
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_thing_write(f->w, 1, SH_STR("big"), &w, NULL));
    assert_ok(sh_jw_end(&w));
    json_t *whole = NULL;
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 100000, &whole, NULL));
    assert_string_equal(json_string_value(json_object_get(whole, "data_class")), "core");
    assert_ok(sh_twin_thing_put(f->w, 1, SH_STR("big"), SH_TWIN_REPLACE, whole, SH_RECORD_ANY,
                                SH_STR("zhang"), NULL, &f->diag));
    json_decref(whole);
    assert_ok(say(f, SH_TWIN_CLASSED_THING, "pump", "", important2, true));
    is(f, "b1", "own", "important/2");
    /* one inherited property, from below */
    assert_ok(say(f, SH_TWIN_CLASSED_THING, "big", "flow", core3, false));
    is(f, "b1", "flow", "core/3");
    assert_int_equal(say(f, SH_TWIN_CLASSED_THING, "big", "nothing", core3, false), SH_E_NOTFOUND);
}

static void refused(struct fix *f, sh_err err)
{
    assert_int_equal(err, SH_E_STATE);
    assert_string_equal(f->diag.path, "/data_class");
    assert_true(f->diag.message[0] != '\0');
}

static void test_class_is_not_lowered(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, PUMP));
    assert_ok(
        fix_thing(f, "plain", SH_TWIN_CREATE, "{'properties':[{'id':'secret','type':'f64'}]}"));
    assert_ok(fix_thing(f, "big", SH_TWIN_CREATE, "{'extends':'pump','properties':[]}"));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    /* of the model */
    refused(f, fix_thing(f, "pump", SH_TWIN_PATCH, "{'data_class':null}"));
    refused(f, fix_thing(f, "pump", SH_TWIN_PATCH, "{'properties':[]}"));
    refused(f, fix_thing(f, "pump", SH_TWIN_PATCH,
                         "{'properties':[{'id':'secret','type':'f64','data_class':'core'}]}"));
    refused(f, fix_thing(f, "big", SH_TWIN_PATCH, "{'data_class':'general'}"));
    refused(f, fix_thing(f, "big", SH_TWIN_REPLACE, "{'properties':[]}"));
    /* of the device */
    refused(f, fix_device(f, "p1", SH_TWIN_PATCH, "{'thing':'plain'}"));
    refused(f, fix_device(f, "p1", SH_TWIN_REPLACE, "{}"));
    refused(f, fix_device(f, "p1", SH_TWIN_PATCH,
                          "{'point_classes':{'secret':{'data_class':'general'}}}"));
    refused(f, say(f, SH_TWIN_CLASSED_POINT, "p1", "secret", general1, false));
    is(f, "p1", "secret", "core/3");
    /* raising first makes room: the device keeps it up itself */
    assert_ok(
        fix_device(f, "p1", SH_TWIN_PATCH, "{'thing':'plain','data_class':'core','data_level':3}"));
    is(f, "p1", "secret", "core/3");
    is(f, "p1", "flow", "core/3");
    /* who may lowers it */
    assert_ok(say(f, SH_TWIN_CLASSED_POINT, "p1", "secret", general1, true));
    is(f, "p1", "secret", "general/1");
    assert_ok(say(f, SH_TWIN_CLASSED_POINT, "p1", "secret", (struct sh_data_class){0, 0}, false));
    is(f, "p1", "secret", "core/3");
    assert_ok(say(f, SH_TWIN_CLASSED_DEVICE, "p1", "", (struct sh_data_class){0, 0}, true));
    is(f, "p1", "secret", "general/1");
    assert_ok(say(f, SH_TWIN_CLASSED_THING, "pump", "secret", important2, true));
    refused(f, say(f, SH_TWIN_CLASSED_TENANT, "", "", important2, true) == SH_OK
                   ? say(f, SH_TWIN_CLASSED_TENANT, "", "", general1, false)
                   : SH_OK);
}

static void test_class_of_wrong_words(void **state)
{
    struct fix *f = *state;
    assert_int_equal(fix_thing(f, "a", SH_TWIN_CREATE, "{'properties':[],'data_class':'secret'}"),
                     SH_E_INVAL);
    assert_int_equal(fix_device(f, "a", SH_TWIN_CREATE, "{'data_level':4}"), SH_E_INVAL);
    assert_int_equal(
        fix_device(f, "a", SH_TWIN_CREATE, "{'point_classes':{'x':{'data_class':'x'}}}"),
        SH_E_INVAL);
    assert_int_equal(
        fix_device(f, "a", SH_TWIN_CREATE, "{'point_classes':{'x\\u001f':{'data_class':'core'}}}"),
        SH_E_INVAL);
    struct sh_twin_query q = {.tenant = 1, .data_class = SH_STR("x")};
    struct sh_twin_page page;
    assert_int_equal(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag), SH_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_class_who_says_it, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_class_is_inherited, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_class_is_not_lowered, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_class_of_wrong_words, fix_setup, fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
