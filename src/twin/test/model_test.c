/* model_test.c - versions of thing models, what they inherit, and what a change does to others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "twin_fix.h"

static const char base[] =
    "{'name':{'zh':'泵'},'properties':[{'id':'temp','type':'f64','unit':'Cel','range':{'min':0,"
    "'max':100}},{'id':'on','type':'bool','access':'rw'}],'events':[{'id':'trip'}],"
    "'services':[{'id':'start','input':[{'id':'speed','type':'f64'}]}]}";

static sh_err change(struct fix *f, struct sh_twin_thing_change *c, const char *id,
                     const char *body, json_t **report)
{
    struct sh_jw w;
    json_t *b = body == NULL ? NULL : fix_json(body);
    f->diag = (struct sh_diag){.line = 0};
    c->tenant = 1;
    c->id = sh_str_c(id);
    c->body = b;
    c->author = SH_STR("person:li");
    c->expect = c->expect == 0 && c->how != SH_TWIN_CREATE ? SH_RECORD_ANY : c->expect;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    const sh_err err = sh_twin_thing_change(f->w, c, NULL, &w, &f->diag);
    if (err == SH_OK && report != NULL) {
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, report, NULL));
    }
    json_decref(b);
    return err;
}

static json_t *thing(struct fix *f, const char *id)
{
    struct sh_jw w;
    json_t *v = NULL;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_thing_write(f->w, 1, sh_str_c(id), &w, NULL));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
    return v;
}

/* "change kind id effects level;" of each change of a comparison. */
static void told(const json_t *report, char out[1024])
{
    const json_t *list = json_object_get(report, "changes");
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        char *effects = json_dumps(json_object_get(c, "effects"), JSON_COMPACT);
        n += (size_t)snprintf(out + n, 1024 - n, "%s%s %s %s %s %s", i == 0 ? "" : ";",
                              json_string_value(json_object_get(c, "change")),
                              json_string_value(json_object_get(c, "kind")),
                              json_string_value(json_object_get(c, "id")), effects,
                              json_string_value(json_object_get(c, "level")));
        free(effects); /* NOLINT: jansson's own */
    }
}

static void test_each_change_is_a_version_that_is_read_and_compared(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    json_t *v = NULL;
    char got[1024];
    uint64_t next = 0;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, base));
    assert_ok(fix_thing(f, "pump", SH_TWIN_REPLACE,
                        "{'comment':'sensor is new','properties':[{'id':'temp','type':'i64',"
                        "'unit':'Cel'},{'id':'flow','type':'f64'}],'events':[]}"));
    for (int i = 0; i < 2; i++) {
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_thing_versions(f->w, 1, SH_STR("pump"), 0, 0, &w, &next));
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
        assert_int_equal(json_array_size(v), 2);
        assert_int_equal(next, 0);
        const json_t *newest = json_array_get(v, 0);
        assert_int_equal(sh_json_get_i64(newest, "revision", 0), 2);
        assert_str(sh_json_get_str(newest, "by"), "zhang");
        assert_str(sh_json_get_str(newest, "comment"), "sensor is new");
        assert_int_equal(sh_json_get_i64(newest, "properties", 0), 2);
        json_decref(v);
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_thing_compare(f->w, 1, SH_STR("pump"), 1, 0, &w));
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
        assert_str(sh_json_get_str(v, "level"), "breaking");
        told(v, got);
        assert_string_equal(got, "changed property temp [\"history_splits\",\"words\"] breaking;"
                                 "removed property on [\"point_stays\",\"write_gone\"] breaking;"
                                 "added property flow [\"point_comes\"] compatible;"
                                 "removed event trip [\"event_gone\"] caution;"
                                 "removed service start [\"command_gone\"] breaking");
        json_decref(v);
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_thing_version_write(f->w, 1, SH_STR("pump"), 1, &w));
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
        assert_int_equal(json_array_size(json_object_get(v, "services")), 1);
        json_decref(v);
        fix_reopen(f);
    }
    assert_int_equal(sh_twin_thing_compare(f->w, 1, SH_STR("pump"), 7, 0, &w), SH_E_NOTFOUND);
    /* back to the first, as the third */
    struct sh_twin_thing_change c = {.how = SH_TWIN_REPLACE, .restore = 1};
    assert_ok(change(f, &c, "pump", NULL, NULL));
    v = thing(f, "pump");
    assert_int_equal(sh_json_get_i64(v, "revision", 0), 3);
    assert_int_equal(json_array_size(json_object_get(v, "services")), 1);
    assert_null(json_object_get(v, "change"));
    json_decref(v);
    c = (struct sh_twin_thing_change){.how = SH_TWIN_REPLACE, .restore = 9};
    assert_int_equal(change(f, &c, "pump", NULL, NULL), SH_E_NOTFOUND);
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    v = fix_get(f, "p1");
    assert_int_equal(sh_json_get_i64(v, "thing_revision", 0), 3);
    json_decref(v);
}

static void test_so_many_versions_are_kept_and_the_oldest_is_forgotten(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    json_t *v = NULL;
    uint64_t next = 0;
    assert_ok(fix_thing(f, "m", SH_TWIN_CREATE, "{'properties':[]}"));
    for (int i = 1; i < SH_TWIN_VERSIONS + 5; i++) {
        char body[80];
        (void)snprintf(body, sizeof body, "{'description':'%d','properties':[]}", i);
        assert_ok(fix_thing(f, "m", SH_TWIN_REPLACE, body));
    }
    uint64_t before = 0;
    size_t n = 0;
    do {
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_thing_versions(f->w, 1, SH_STR("m"), before, 30, &w, &next));
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
        n += json_array_size(v);
        json_decref(v);
        before = next;
    } while (next != 0);
    assert_int_equal(n, SH_TWIN_VERSIONS);
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_int_equal(sh_twin_thing_version_write(f->w, 1, SH_STR("m"), 5, &w), SH_E_NOTFOUND);
    assert_ok(sh_twin_thing_version_write(f->w, 1, SH_STR("m"), 6, &w));
}

static void test_kept_values_are_not_read_in_another_unit_without_a_word(void **state)
{
    static const char bar[] = "{'properties':[{'id':'p','type':'f64','unit':'bar'}]}";
    static const char kpa[] = "{'properties':[{'id':'p','type':'f64','unit':'kPa'}]}";
    struct fix *f = *state;
    json_t *r = NULL;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, "{'properties':[{'id':'p','type':'f64'}]}"));
    assert_ok(fix_thing(f, "pump", SH_TWIN_REPLACE, kpa)); /* nobody uses it */
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    struct sh_twin_thing_change c = {.how = SH_TWIN_REPLACE, .dry_run = true};
    assert_ok(change(f, &c, "pump", bar, &r));
    assert_str(sh_json_get_str(r, "units_reread"), "p (kPa, bar)");
    assert_int_equal(sh_json_get_i64(r, "devices", 0), 1);
    json_decref(r);
    assert_int_equal(fix_thing(f, "pump", SH_TWIN_REPLACE, bar), SH_E_STATE);
    const uint32_t id = sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("p"));
    assert_str(sh_points_get(f->p, id)->unit, "kPa");
    assert_ok(fix_thing(f, "pump", SH_TWIN_REPLACE, /* the same unit in other words */
                        "{'properties':[{'id':'p','type':'f64','unit':'10*3.Pa'}]}"));
    assert_ok(fix_thing(f, "pump", SH_TWIN_REPLACE, /* another type is another history */
                        "{'properties':[{'id':'p','type':'i64','unit':'bar'}]}"));
    assert_true(sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("p")) != id);
    c = (struct sh_twin_thing_change){.how = SH_TWIN_REPLACE, .units_corrected = true};
    assert_ok(change(f, &c, "pump", "{'properties':[{'id':'p','type':'i64','unit':'kPa'}]}", NULL));
}

static sh_err give(struct fix *f, const char *id, const char *body, bool corrected,
                   struct sh_twin_reread *r)
{
    json_t *b = fix_json(body);
    const struct sh_twin_device_change c = {.tenant = 1,
                                            .id = sh_str_c(id),
                                            .how = SH_TWIN_PATCH,
                                            .body = b,
                                            .expect = SH_RECORD_ANY,
                                            .units_corrected = corrected,
                                            .reread = r};
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err = sh_twin_device_put_within(f->w, &c, NULL, &f->diag);
    json_decref(b);
    return err;
}

static const char *unit_of(struct fix *f, const char *device, const char *property)
{
    const uint32_t id = sh_points_find(f->p, 1, sh_str_c(device), sh_str_c(property));
    assert_true(id != 0);
    return sh_points_get(f->p, id)->unit.p;
}

static void test_another_model_does_not_take_over_the_units_without_a_word(void **state)
{
    struct fix *f = *state;
    struct sh_twin_reread r;
    char many[1024];
    assert_ok(fix_thing(f, "a", SH_TWIN_CREATE,
                        "{'properties':[{'id':'t','type':'f64','unit':'Cel'},{'id':'p','type':"
                        "'f64','unit':'kPa'},{'id':'n','type':'f64'},{'id':'k','type':'i64',"
                        "'unit':'h'}]}"));
    assert_ok(fix_thing(f, "b", SH_TWIN_CREATE, /* t and p differ; n is given one; k is another */
                        "{'properties':[{'id':'t','type':'f64','unit':'K'},{'id':'p','type':"
                        "'f64','unit':'bar'},{'id':'n','type':'f64','unit':'m'},{'id':'k','type':"
                        "'f64','unit':'s'}]}"));
    assert_ok(fix_thing(f, "same", SH_TWIN_CREATE, /* the same in other words */
                        "{'properties':[{'id':'p','type':'f64','unit':'10*3.Pa'}]}"));
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'thing':'a'}"));
    assert_int_equal(give(f, "d", "{'thing':'b','name':'x'}", false, &r), SH_E_STATE);
    assert_int_equal(r.n, 2);
    assert_string_equal(f->diag.path, "/thing");
    assert_string_equal(f->diag.message, "kept values of 2 points would be read in another unit: "
                                         "p (kPa, bar), t (Cel, K)");
    assert_true(f->diag.remedy[0] != '\0');
    fix_is(f, "d", "thing", "a");
    fix_is(f, "d", "name", "d");
    assert_string_equal(unit_of(f, "d", "t"), "Cel");
    /* by way of no model it is the same: the points have their units still */
    assert_ok(give(f, "d", "{'thing':null}", false, &r));
    assert_int_equal(r.n, 0);
    assert_int_equal(give(f, "d", "{'thing':'b'}", false, NULL), SH_E_STATE);
    assert_ok(give(f, "d", "{'thing':'same'}", false, &r));
    assert_int_equal(r.n, 0);
    fix_reopen(f);
    assert_int_equal(give(f, "d", "{'thing':'b'}", false, NULL), SH_E_STATE);
    assert_ok(give(f, "d", "{'thing':'b'}", true, &r));
    assert_int_equal(r.n, 2);
    assert_string_equal(unit_of(f, "d", "t"), "K");
    assert_ok(give(f, "d", "{'name':'y'}", false, &r)); /* what it has is not asked about again */
    assert_int_equal(r.n, 0);
    /* of many the first few are named, and how many there are */
    for (int side = 0; side < 2; side++) {
        size_t n = (size_t)snprintf(many, sizeof many, "{'properties':[");
        for (int i = 0; i < 9; i++) {
            n += (size_t)snprintf(many + n, sizeof many - n,
                                  "%s{'id':'q%d','type':'f64','unit':'%s'}", i == 0 ? "" : ",", i,
                                  side == 0 ? "m" : "mm");
        }
        (void)snprintf(many + n, sizeof many - n, "]}");
        assert_ok(fix_thing(f, side == 0 ? "m" : "mm", SH_TWIN_CREATE, many));
    }
    assert_ok(fix_device(f, "e", SH_TWIN_CREATE, "{'thing':'m'}"));
    assert_int_equal(give(f, "e", "{'thing':'mm'}", false, &r), SH_E_STATE);
    assert_int_equal(r.n, 9);
    assert_int_equal(r.named, 5);
    assert_string_equal(r.what, "q0 (m, mm), q1 (m, mm), q2 (m, mm), q3 (m, mm), q4 (m, mm), ...");
}

static void test_a_model_inherits_narrows_and_follows(void **state)
{
    struct fix *f = *state;
    json_t *v = NULL;
    enum sh_type type;
    struct sh_str unit;
    assert_ok(fix_thing(f, "zbase", SH_TWIN_CREATE, base)); /* loaded after its children */
    assert_ok(fix_thing(f, "mid", SH_TWIN_CREATE,
                        "{'extends':'zbase','properties':[{'id':'temp','type':'f64','range':{"
                        "'min':10,'max':80}},{'id':'flow','type':'f64','unit':'m3/h'}]}"));
    assert_ok(fix_thing(f, "leaf", SH_TWIN_CREATE, "{'extends':'mid','properties':[]}"));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'leaf'}"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sh_twin_property(f->w, 1, SH_STR("p1"), SH_STR("temp"), &type, &unit), 0);
        assert_str(unit, "Cel");
        v = thing(f, "leaf");
        const json_t *list = json_object_get(v, "properties");
        assert_int_equal(json_array_size(list), 3);
        const json_t *temp = json_array_get(list, 0);
        assert_str(sh_json_get_str(temp, "inherited"), "zbase");
        assert_null(json_object_get(temp, "overrides")); /* it is mid that narrows it */
        assert_int_equal(sh_json_get_i64(json_object_get(temp, "range"), "max", 0), 80);
        assert_str(sh_json_get_str(json_array_get(list, 2), "inherited"), "mid");
        json_decref(v);
        fix_reopen(f);
    }
    /* What was read is put back: nothing becomes its own by that. */
    v = thing(f, "mid");
    struct sh_twin_thing_change c = {.tenant = 1,
                                     .id = SH_STR("mid"),
                                     .how = SH_TWIN_REPLACE,
                                     .body = v,
                                     .expect = SH_RECORD_ANY};
    assert_ok(sh_twin_thing_change(f->w, &c, NULL, NULL, &f->diag));
    json_decref(v);
    /* The model above changes; what mid narrowed stays, the words follow, a new one comes. */
    assert_ok(
        fix_thing(f, "zbase", SH_TWIN_REPLACE,
                  "{'properties':[{'id':'temp','type':'f64','unit':'Cel','name':{'zh':'油温'},"
                  "'range':{'min':0,'max':90}},{'id':'extra','type':'i64'}]}"));
    assert_true(sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("extra")) != 0);
    v = thing(f, "leaf");
    const json_t *temp = json_array_get(json_object_get(v, "properties"), 0);
    assert_str(sh_json_get_str(json_object_get(temp, "name"), "zh"), "油温");
    assert_int_equal(sh_json_get_i64(json_object_get(temp, "range"), "max", 0), 80);
    assert_int_equal(json_array_size(json_object_get(v, "services")), 0);
    json_decref(v);
    /* A change above that does not fit below is refused, with the name of who is in the way. */
    assert_int_equal(fix_thing(f, "zbase", SH_TWIN_REPLACE,
                               "{'properties':[{'id':'temp','type':'f64','unit':'Cel','range':{"
                               "'min':0,'max':50}}]}"),
                     SH_E_INVAL);
    assert_non_null(strstr(f->diag.message, "mid"));
    assert_int_equal(
        fix_thing(f, "zbase", SH_TWIN_REPLACE, "{'properties':[{'id':'flow','type':'i64'}]}"),
        SH_E_INVAL);
    /* A unit above is a unit of all below. */
    assert_int_equal(fix_thing(f, "zbase", SH_TWIN_REPLACE,
                               "{'properties':[{'id':'temp','type':'f64','unit':'K','range':{"
                               "'min':0,'max':90}}]}"),
                     SH_E_STATE);
    assert_int_equal(sh_twin_thing_delete(f->w, 1, SH_STR("mid"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE);
    struct sh_twin_uses u;
    assert_ok(sh_twin_thing_uses(f->w, 1, SH_STR("mid"), f->ar, &u));
    assert_int_equal(u.children, 1);
    assert_str(u.child_ids[0], "leaf");
    assert_int_equal(u.devices, 0);
    assert_ok(sh_twin_thing_uses(f->w, 1, SH_STR("leaf"), f->ar, &u));
    assert_int_equal(u.devices, 1);
    assert_str(u.device_ids[0], "p1");
}

static void test_what_is_inherited_is_not_changed_below(void **state)
{
    static const struct {
        const char *body, *path;
    } rows[] = {
        {"{'extends':'base','properties':[{'id':'temp','type':'i64'}]}", "/properties/0/type"},
        {"{'extends':'base','properties':[{'id':'temp','type':'f64','unit':'K'}]}",
         "/properties/0/unit"},
        {"{'extends':'base','properties':[{'id':'temp','type':'f64','range':{'max':120}}]}",
         "/properties/0/range"},
        {"{'extends':'base','properties':[{'id':'temp','type':'f64','access':'rw'}]}",
         "/properties/0/access"},
        {"{'extends':'base','properties':[],'services':[{'id':'start','input':[]}]}",
         "/services/0/input"},
        {"{'extends':'base','properties':[{'id':'x','type':'f64','inherited':'base'}]}",
         "/properties/0"},
        {"{'extends':'none','properties':[]}", "/extends"},
        {"{'extends':'child','properties':[]}", "/extends"},
    };
    struct fix *f = *state;
    assert_ok(fix_thing(f, "base", SH_TWIN_CREATE, base));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const sh_err err = fix_thing(f, "child", SH_TWIN_CREATE, rows[i].body);
        assert_int_equal(err, SH_E_INVAL);
        if (strcmp(f->diag.path, rows[i].path) != 0) {
            fail_msg("%s: %s (%s)", rows[i].body, f->diag.path, f->diag.message);
        }
    }
    /* no circle, and not too deep */
    assert_ok(fix_thing(f, "child", SH_TWIN_CREATE, "{'extends':'base','properties':[]}"));
    assert_int_equal(fix_thing(f, "base", SH_TWIN_REPLACE, "{'extends':'child','properties':[]}"),
                     SH_E_INVAL);
    char last[16] = "child";
    for (int i = 3; i <= SH_TWIN_MAX_EXTENDS + 1; i++) {
        char id[16];
        char body[80];
        (void)snprintf(id, sizeof id, "d%d", i);
        (void)snprintf(body, sizeof body, "{'extends':'%s','properties':[]}", last);
        assert_int_equal(fix_thing(f, id, SH_TWIN_CREATE, body),
                         i <= SH_TWIN_MAX_EXTENDS ? SH_OK : SH_E_INVAL);
        (void)snprintf(last, sizeof last, "%s", id);
    }
    assert_ok(fix_thing(f, "top", SH_TWIN_CREATE, "{'properties':[]}"));
    assert_int_equal(fix_thing(f, "base", SH_TWIN_REPLACE, "{'extends':'top','properties':[]}"),
                     SH_E_INVAL);
    assert_non_null(strstr(f->diag.message, "more than 8"));
}

static void test_a_model_that_hides_the_shared_one_is_not_taken_for_another_tenants(void **state)
{
    struct fix *f = *state;
    json_t *b = fix_json(base);
    assert_ok(
        sh_twin_thing_put(f->w, 0, SH_STR("base"), SH_TWIN_CREATE, b, 0, SH_STR(""), NULL, NULL));
    json_decref(b);
    assert_ok(fix_thing(f, "mine", SH_TWIN_CREATE, "{'extends':'base','properties':[]}"));
    assert_ok(fix_device(f, "d1", SH_TWIN_CREATE, "{'thing':'mine'}"));
    json_t *v = thing(f, "mine");
    assert_int_equal(json_array_size(json_object_get(v, "properties")), 2);
    json_decref(v);
    assert_int_equal(sh_twin_thing_delete(f->w, 0, SH_STR("base"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE); /* a tenant's model extends it */
    json_t *r = NULL;
    struct sh_twin_thing_change c = {.how = SH_TWIN_CREATE, .dry_run = true};
    assert_ok(change(f, &c, "base", "{'properties':[{'id':'own','type':'f64'}]}", &r));
    assert_int_equal(json_array_size(json_object_get(r, "models")), 1);
    json_decref(r);
    assert_ok(fix_thing(f, "base", SH_TWIN_CREATE, "{'properties':[{'id':'own','type':'f64'}]}"));
    for (int i = 0; i < 2; i++) {
        v = thing(f, "mine");
        assert_int_equal(json_array_size(json_object_get(v, "properties")), 1);
        json_decref(v);
        fix_reopen(f);
    }
    assert_true(sh_points_find(f->p, 1, SH_STR("d1"), SH_STR("own")) != 0);
}

static void test_lists_tell_how_many_use_a_model(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    json_t *v = NULL;
    assert_ok(fix_thing(f, "a", SH_TWIN_CREATE, base));
    assert_ok(fix_thing(f, "b", SH_TWIN_CREATE, "{'extends':'a','properties':[]}"));
    assert_ok(fix_device(f, "d1", SH_TWIN_CREATE, "{'thing':'a'}"));
    assert_ok(fix_device(f, "d2", SH_TWIN_CREATE, "{'thing':'a','archived':true}"));
    assert_ok(fix_device(f, "d3", SH_TWIN_CREATE, "{'thing':'b'}"));
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_things_write(f->w, 1, SH_STR(""), true, &w));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
    const json_t *a = json_array_get(v, 0);
    assert_int_equal(sh_json_get_i64(a, "devices", -1), 1);
    assert_int_equal(sh_json_get_i64(a, "archived", -1), 1);
    assert_int_equal(sh_json_get_i64(a, "children", -1), 1);
    assert_int_equal(sh_json_get_i64(json_array_get(v, 1), "devices", -1), 1);
    json_decref(v);
}

static json_t *import(struct fix *f, const char *text, const struct sh_twin_import *how)
{
    struct sh_jw w;
    json_t *v = NULL;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_things_import(f->w, 1, sh_str_bytes(sh_str_c(text)), how, SH_STR("li"), &w,
                                    &f->diag));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 8 << 20, &v, NULL));
    return v;
}

static void test_import_takes_parents_first_and_shows_what_differs(void **state)
{
    static const char file[] =
        "[{\"id\":\"c\",\"extends\":\"b\",\"properties\":[]},"
        "{\"id\":\"x\",\"extends\":\"y\",\"properties\":[]},"
        "{\"id\":\"y\",\"extends\":\"x\",\"properties\":[]},"
        "{\"id\":\"lost\",\"extends\":\"nobody\",\"properties\":[]},"
        "{\"id\":\"b\",\"extends\":\"a\",\"properties\":[{\"id\":\"t\",\"type\":\"f64\","
        "\"range\":{\"max\":5}}]},"
        "{\"id\":\"a\",\"properties\":[{\"id\":\"t\",\"type\":\"f64\",\"range\":{\"max\":9}}]}]";
    struct fix *f = *state;
    for (int dry = 1; dry >= 0; dry--) {
        const struct sh_twin_import how = {.dry_run = dry == 1};
        json_t *v = import(f, file, &how);
        assert_int_equal(sh_json_get_i64(v, "created", -1), 3);
        const json_t *bad = json_object_get(v, "rejected");
        assert_int_equal(json_array_size(bad), 3);
        assert_str(sh_json_get_str(json_array_get(bad, 0), "code"), "unknown_thing");
        assert_int_equal(sh_json_get_i64(json_array_get(bad, 0), "row", 0), 4);
        assert_str(sh_json_get_str(json_array_get(bad, 1), "code"), "extends_cycle");
        if (dry == 1) {
            const json_t *models = json_object_get(v, "models");
            assert_int_equal(json_array_size(models), 3);
            assert_str(sh_json_get_str(json_array_get(models, 0), "id"), "a");
            assert_str(sh_json_get_str(json_array_get(models, 2), "id"), "c");
        }
        json_decref(v);
    }
    /* As a file and back, in both forms: nothing differs. */
    for (int csv = 0; csv < 2; csv++) {
        struct sh_buf b;
        const struct sh_twin_import how = {.csv = csv == 1};
        sh_buf_init(&b, &f->t.alloc, 1 << 20);
        assert_ok(sh_twin_things_export(f->w, 1, csv == 1, SH_TWIN_UTF8, &b));
        assert_ok(sh_buf_put_u8(&b, 0));
        json_t *v = import(f, (const char *)b.p, &how);
        assert_int_equal(sh_json_get_i64(v, "unchanged", -1), 3);
        assert_int_equal(json_array_size(json_object_get(v, "rejected")), 0);
        json_decref(v);
        sh_buf_fini(&b);
    }
    json_t *v = thing(f, "c");
    assert_int_equal(sh_json_get_i64(v, "revision", 0), 1);
    json_decref(v);
    const struct sh_twin_import how = {.csv = true};
    v = import(f, "thing,extends,id,type\na,,t,f64\na,,u,i64\n", &how);
    assert_int_equal(sh_json_get_i64(v, "updated", -1), 1);
    json_decref(v);
    v = thing(f, "c"); /* what came to the model above is there below */
    assert_int_equal(json_array_size(json_object_get(v, "properties")), 2);
    json_decref(v);
}

static json_t *changes(struct fix *f, const char *id, uint64_t before, uint32_t limit, bool values,
                       uint64_t *next)
{
    struct sh_jw w;
    json_t *v = NULL;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_device_changes(f->w, 1, sh_str_c(id), before, limit, values, &w, next));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &v, NULL));
    return v;
}

static void test_changes_of_a_device_are_told_page_by_page(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    uint64_t next = 0;
    assert_ok(fix_device(f, "d1", SH_TWIN_CREATE, "{'name':'one'}"));
    assert_ok(fix_device(f, "d1", SH_TWIN_PATCH, "{'name':'two','labels':{'line':'1'}}"));
    assert_ok(fix_device(f, "d1", SH_TWIN_PATCH, "{'labels':{'line':null},'description':'x'}"));
    json_t *v = changes(f, "d1", 0, 2, true, &next);
    assert_int_equal(json_array_size(v), 2);
    assert_int_equal(next, 2);
    const json_t *newest = json_array_get(v, 0);
    assert_str(sh_json_get_str(newest, "by"), "zhang");
    assert_str(sh_json_get_str(newest, "change"), "changed");
    assert_int_equal(json_array_size(json_object_get(newest, "members")), 2);
    const json_t *name = json_array_get(json_object_get(json_array_get(v, 1), "members"), 0);
    assert_str(sh_json_get_str(name, "before"), "one");
    assert_str(sh_json_get_str(name, "after"), "two");
    json_decref(v);
    v = changes(f, "d1", next, 2, false, &next);
    assert_int_equal(json_array_size(v), 1);
    assert_int_equal(next, 0);
    assert_str(sh_json_get_str(json_array_get(v, 0), "change"), "created");
    name = json_array_get(json_object_get(json_array_get(v, 0), "members"), 0);
    assert_null(json_object_get(name, "after"));
    json_decref(v);
    sh_jw_init(&w, &f->out);
    assert_int_equal(sh_twin_device_changes(f->w, 1, SH_STR("none"), 0, 2, true, &w, &next),
                     SH_E_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fix_setup, fix_teardown)
        T(test_each_change_is_a_version_that_is_read_and_compared),
        T(test_so_many_versions_are_kept_and_the_oldest_is_forgotten),
        T(test_kept_values_are_not_read_in_another_unit_without_a_word),
        T(test_another_model_does_not_take_over_the_units_without_a_word),
        T(test_a_model_inherits_narrows_and_follows),
        T(test_what_is_inherited_is_not_changed_below),
        T(test_a_model_that_hides_the_shared_one_is_not_taken_for_another_tenants),
        T(test_lists_tell_how_many_use_a_model),
        T(test_import_takes_parents_first_and_shows_what_differs),
        T(test_changes_of_a_device_are_told_page_by_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
