#include "twin_fix.h"

#include <sh/scale.h>

static void test_device_is_made_changed_and_kept_over_a_restart(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_asset(f, "plant", "{'kind':'site','name':'一厂'}"));
    assert_ok(fix_device(f, "泵-1", SH_TWIN_CREATE,
                         "{'name':'循环水泵','asset':'plant','labels':{'line':'A'},"
                         "'location':{'lat':43.8,'lon':126.5},'driver':{'kind':'modbus'}}"));
    assert_int_equal(fix_device(f, "泵-1", SH_TWIN_CREATE, "{}"), SH_E_EXISTS);
    assert_ok(fix_device(f, "泵-1", SH_TWIN_PATCH,
                         "{'description':'x','labels':{'line':null,'shift':'2'}}"));
    for (int i = 0; i < 2; i++) {
        fix_is(f, "泵-1", "name", "循环水泵");
        fix_is(f, "泵-1", "asset", "plant");
        fix_is(f, "泵-1", "description", "x");
        fix_is(f, "泵-1", "state", "never");
        json_t *d = fix_get(f, "泵-1");
        assert_int_equal(json_object_size(json_object_get(d, "labels")), 1);
        assert_false(sh_json_get_bool(d, "write_enabled", true));
        assert_int_equal(sh_json_get_i64(d, "revision", 0), 2);
        json_decref(d);
        fix_reopen(f);
    }
    assert_ok(fix_device(f, "泵-1", SH_TWIN_REPLACE, "{'name':'p','state':'online','asset':null}"));
    fix_is(f, "泵-1", "description", "");
    fix_is(f, "泵-1", "asset", "");
    assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("泵-1"), SH_RECORD_ANY, SH_STR("li")));
    assert_null(fix_get(f, "泵-1"));
    fix_reopen(f);
    assert_null(fix_get(f, "泵-1"));
}

static void test_device_body_that_is_wrong_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *body, *path;
    } rows[] = {
        {"{'nmae':'x'}", "/nmae"},           {"{'name':5}", "/name"},
        {"{'labels':{'a':1}}", "/labels/a"}, {"{'thing':'nosuch'}", "/thing"},
        {"{'asset':'nosuch'}", "/asset"},    {"{'location':{'lat':91}}", "/location"},
        {"{'period_ms':0}", "/period_ms"},   {"{'demo':'yes'}", "/demo"},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(fix_device(f, "d", SH_TWIN_CREATE, rows[i].body), SH_E_INVAL);
        assert_string_equal(f->diag.path, rows[i].path);
    }
    assert_int_equal(fix_device(f, "a\nb", SH_TWIN_CREATE, "{}"), SH_E_INVAL);
    assert_int_equal(fix_device(f, "", SH_TWIN_CREATE, "{}"), SH_E_INVAL);
}

static enum sh_twin_refusal ensure(struct fix *f, const char *id, const char *tag, bool provision)
{
    char detail[SH_TWIN_DETAIL];
    const struct sh_twin_label l = {SH_STR("host"), sh_str_c(tag == NULL ? "" : tag)};
    return sh_twin_device_ensure(f->w, 1, sh_str_c(id), &l, tag == NULL ? 0 : 1, provision, detail);
}

static void test_ensure_makes_devices_and_finds_conflicts(void **state)
{
    struct fix *f = *state;
    assert_int_equal(ensure(f, "cpu.a", "a", false), SH_TWIN_UNKNOWN_DEVICE);
    assert_int_equal(ensure(f, "cpu.a", "a", true), SH_TWIN_OK);
    assert_int_equal(ensure(f, "cpu.a", "a", false), SH_TWIN_OK);
    assert_int_equal(ensure(f, "cpu.a", NULL, false), SH_TWIN_OK);
    assert_int_equal(ensure(f, "cpu.a", "b", true), SH_TWIN_DEVICE_ID_CONFLICT);
    assert_int_equal(ensure(f, "x\ny", "a", true), SH_TWIN_BAD_NAME);
    fix_is(f, "cpu.a", "state", "never"); /* before it is stored */
    assert_ok(sh_twin_tick(f->w));
    fix_reopen(f);
    assert_int_equal(ensure(f, "cpu.a", "b", true), SH_TWIN_DEVICE_ID_CONFLICT);
    json_t *d = fix_get(f, "cpu.a");
    assert_str(sh_json_get_str(json_object_get(d, "labels"), "host"), "a");
    json_decref(d);
    /* Other hardware may come under other tags after it was replaced. */
    assert_ok(sh_twin_device_replace(f->w, 1, SH_STR("cpu.a"), SH_STR("new PLC"), SH_STR("li")));
    assert_int_equal(ensure(f, "cpu.a", "b", true), SH_TWIN_OK);
    d = fix_get(f, "cpu.a");
    assert_int_equal(json_array_size(json_object_get(d, "replaced")), 1);
    json_decref(d);
    /* A change right after the making. */
    assert_int_equal(ensure(f, "new", NULL, true), SH_TWIN_OK);
    assert_ok(fix_device(f, "new", SH_TWIN_PATCH, "{'name':'N'}"));
    fix_is(f, "new", "name", "N");
}

static void ids_are(struct fix *f, bool desc, const char *expected)
{
    char ids[256] = "";
    size_t n = 0;
    const struct sh_twin_query q = {.tenant = 1, .sort = sh_str_c(desc ? "-id" : "id")};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, NULL));
    for (size_t i = 0; i < page.n && n < sizeof ids; i++) {
        n += (size_t)snprintf(ids + n, sizeof ids - n, "%.*s ", SH_PRI(page.rows[i].id));
    }
    assert_string_equal(ids, expected);
}

/* Samples make devices in any order; each list has them by id, removed ones are gone, and all are
 * stored, however many were made between two ticks. */
static void test_devices_that_samples_make_stand_in_order(void **state)
{
    static const char *const first[] = {"m", "c", "x", "a"};
    static const char *const later[] = {"b", "z", "n", "aa"};
    struct fix *f = *state;
    char id[32];
    for (size_t i = 0; i < SH_COUNT(first); i++) {
        assert_int_equal(ensure(f, first[i], NULL, true), SH_TWIN_OK);
    }
    ids_are(f, false, "a c m x ");
    for (size_t i = 0; i < SH_COUNT(later); i++) {
        assert_int_equal(ensure(f, later[i], NULL, true), SH_TWIN_OK);
    }
    assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("m"), SH_RECORD_ANY, SH_STR("")));
    assert_ok(fix_device(f, "k", SH_TWIN_CREATE, "{}"));
    ids_are(f, true, "z x n k c b aa a ");
    for (int i = 1999; i >= 0; i--) { /* several transactions, in an order that fits nothing */
        (void)snprintf(id, sizeof id, "zz%04d", i * 7 % 2000);
        assert_int_equal(ensure(f, id, NULL, true), SH_TWIN_OK);
    }
    assert_ok(sh_twin_tick(f->w));
    for (int k = 0; k < 2; k++) {
        const struct sh_twin_query q = {
            .tenant = 1, .search = SH_STR("zz"), .limit = 1000, .want_total = true};
        struct sh_twin_page page;
        assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, NULL));
        assert_int_equal(page.total, 2000);
        for (size_t i = 0; i < page.n; i++) {
            (void)snprintf(id, sizeof id, "zz%04zu", i);
            assert_true(sh_str_eqc(page.rows[i].id, id));
        }
        fix_reopen(f);
    }
}

/* What is found by a label, and by a part of any text; and the labels. */
static void found_is(struct fix *f, struct sh_str label, struct sh_str search, const char *id,
                     const char *labels)
{
    const struct sh_twin_query q = {.tenant = 1, .label = label, .search = search};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, NULL));
    assert_int_equal(page.n, 1);
    assert_true(sh_str_eqc(page.rows[0].id, id));
    assert_true(sh_str_eqc(page.rows[0].labels, labels));
}

/* Some are read back without a JSON parser, some need it: nobody sees which. */
static void test_devices_of_samples_are_read_back_as_they_were(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_label two[] = {{SH_STR("Line"), SH_STR("L 7")},
                                        {SH_STR("site"), SH_STR("x")}};
    const struct sh_twin_label hard[] = {{SH_STR("q"), SH_STR("a\"b\\c")}};
    const struct sh_twin_label chinese[] = {{SH_STR("车间"), SH_STR("一号")}};
    char detail[SH_TWIN_DETAIL];
    assert_int_equal(ensure(f, "none", NULL, true), SH_TWIN_OK);
    assert_int_equal(sh_twin_device_ensure(f->w, 1, SH_STR("A-two"), two, 2, true, detail), 0);
    assert_int_equal(sh_twin_device_ensure(f->w, 1, SH_STR("hard"), hard, 1, true, detail), 0);
    assert_int_equal(sh_twin_device_ensure(f->w, 1, SH_STR("cn"), chinese, 1, true, detail), 0);
    sh_twin_seen(f->w, 1, SH_STR("A-two"));
    for (int k = 0; k < 2; k++) {
        found_is(f, SH_STR(""), SH_STR("none"), "none", "{}");
        found_is(f, SH_STR("Line:L 7"), SH_STR("a-two"), "A-two",
                 "{\"Line\":\"L 7\",\"site\":\"x\"}");
        found_is(f, SH_STR("site:x"), SH_STR("line:l 7"), "A-two",
                 "{\"Line\":\"L 7\",\"site\":\"x\"}");
        found_is(f, SH_STR("q:a\"b\\c"), SH_STR("b\\c"), "hard", "{\"q\":\"a\\\"b\\\\c\"}");
        found_is(f, SH_STR("车间:一号"), SH_STR("一号"), "cn", "{\"车间\":\"一号\"}");
        fix_is(f, "A-two", "state", "online");
        fix_is(f, "none", "state", "never");
        assert_int_equal(sh_twin_device_ensure(f->w, 1, SH_STR("A-two"), two, 2, true, detail), 0);
        assert_int_equal(sh_twin_device_ensure(f->w, 1, SH_STR("A-two"), hard, 1, true, detail),
                         SH_TWIN_DEVICE_ID_CONFLICT);
        assert_ok(sh_twin_tick(f->w));
        fix_reopen(f);
    }
}

static void test_device_with_points_but_no_record_is_made_again(void **state)
{
    struct fix *f = *state;
    const struct sh_point_def d = {
        .tenant = 1, .type = SH_T_F64, .device = SH_STR("lost"), .property = SH_STR("t")};
    uint32_t id = 0;
    assert_ok(sh_points_define(f->p, &d, true, &id));
    fix_reopen(f);
    fix_is(f, "lost", "id", "lost");
}

static const char pump[] =
    "{'name':{'zh':'泵','en':'pump'},'version':'1','properties':["
    "{'id':'flow','type':'f64','unit':'m3/h','range':{'min':0,'max':100}},"
    "{'id':'temp','type':'f64','unit':'Cel','scale':{'raw':'i16','factor':0.1,'keep_raw':true}},"
    "{'id':'speed','type':'i64','access':'rw'}],"
    "'services':[{'id':'start','input':[]}],'events':[{'id':'trip','level':'error'}]}";

static void test_thing_model_gives_types_points_and_scales(void **state)
{
    struct fix *f = *state;
    enum sh_type type;
    struct sh_str unit;
    uint32_t raw = 0;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, pump));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sh_twin_property(f->w, 1, SH_STR("p1"), SH_STR("flow"), &type, &unit),
                         SH_TWIN_OK);
        assert_int_equal(type, SH_T_F64);
        assert_str(unit, "m3/h");
        assert_int_equal(sh_twin_property(f->w, 1, SH_STR("p1"), SH_STR("other"), &type, &unit),
                         SH_TWIN_OK);
        assert_int_equal(type, 0);
        assert_int_equal(sh_twin_property(f->w, 1, SH_STR("p9"), SH_STR("flow"), &type, &unit),
                         SH_TWIN_UNKNOWN_DEVICE);
        const uint32_t temp = sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("temp"));
        assert_true(temp != 0);
        assert_non_null(sh_points_scale(f->p, temp, &raw));
        assert_str(sh_points_get(f->p, raw)->property, "temp.raw");
        fix_reopen(f); /* scales are in memory only: set again at the start */
    }
    /* A new type under the same name is a new point. */
    const uint32_t old = sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("speed"));
    assert_ok(fix_thing(f, "pump", SH_TWIN_REPLACE,
                        "{'properties':[{'id':'speed','type':'f64','unit':'/min'}]}"));
    const uint32_t now = sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("speed"));
    assert_true(now != old);
    assert_str(sh_points_get(f->p, now)->unit, "/min");
    assert_int_equal(sh_twin_thing_delete(f->w, 1, SH_STR("pump"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE);
    assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("p1"), SH_RECORD_ANY, SH_STR("")));
    assert_int_equal(sh_points_find(f->p, 1, SH_STR("p1"), SH_STR("flow")), 0);
    assert_ok(sh_twin_thing_delete(f->w, 1, SH_STR("pump"), SH_RECORD_ANY, SH_STR("")));
}

static void test_thing_model_that_is_wrong_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *body, *path;
    } rows[] = {
        {"{}", ""},
        {"{'properties':[{'id':'a'}]}", "/properties/0"},
        {"{'properties':[{'id':'a','type':'int'}]}", "/properties/0/type"},
        {"{'properties':[{'id':'a/b','type':'f64'}]}", "/properties/0/id"},
        {"{'properties':[{'id':'a','type':'f64'},{'id':'a','type':'i64'}]}", "/properties/1/id"},
        {"{'properties':[{'id':'a','type':'f64','unit':'m3/'}]}", "/properties/0/unit"},
        {"{'properties':[{'id':'a','type':'f64','range':{'min':2,'max':1}}]}",
         "/properties/0/range"},
        {"{'properties':[{'id':'a','type':'f64','scale':{'factor':0}}]}",
         "/properties/0/scale/factor"},
        {"{'properties':[{'id':'a','type':'f64','access':'w'}]}", "/properties/0/access"},
        {"{'properties':[{'id':'a','type':'i64','enum':{'x':'y'}}]}", "/properties/0/enum/x"},
        {"{'properties':[],'events':[{'id':'e','level':'bad'}]}", "/events/0/level"},
        {"{'properties':[],'services':[{'id':'s'},{'id':'s'}]}", "/services/1/id"},
        {"{'properties':[],'extra':1}", "/extra"},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(fix_thing(f, "m", SH_TWIN_CREATE, rows[i].body), SH_E_INVAL);
        if (strcmp(f->diag.path, rows[i].path) != 0) {
            fail_msg("model %s: %s (%s)", rows[i].body, f->diag.path, f->diag.message);
        }
    }
}

static void test_things_of_the_platform_are_shared(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    json_t *list = NULL;
    json_t *b = fix_json(pump);
    assert_ok(
        sh_twin_thing_put(f->w, 0, SH_STR("pump"), SH_TWIN_CREATE, b, 0, SH_STR(""), NULL, NULL));
    json_decref(b);
    assert_ok(fix_thing(f, "fan", SH_TWIN_CREATE, "{'properties':[]}"));
    assert_ok(fix_device(f, "p1", SH_TWIN_CREATE, "{'thing':'pump'}"));
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_things_write(f->w, 1, SH_STR(""), false, &w));
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &list, NULL));
    assert_int_equal(json_array_size(list), 2);
    assert_true(sh_json_get_bool(json_array_get(list, 1), "shared", false));
    json_decref(list);
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, "{'properties':[]}")); /* its own hides it */
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_things_write(f->w, 1, SH_STR("PUMP"), false, &w));
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &list, NULL));
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

static void test_asset_tree_keeps_its_order(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_asset(f, "e", "{'kind':'enterprise','name':'E'}"));
    assert_ok(fix_asset(f, "a", "{'kind':'area','name':'A','parent':'e'}"));
    assert_ok(fix_asset(f, "l", "{'kind':'line','name':'L','parent':'a'}"));
    assert_int_equal(fix_asset(f, "x", "{'kind':'site','name':'X','parent':'a'}"), SH_E_INVAL);
    assert_string_equal(f->diag.path, "/parent");
    assert_int_equal(fix_asset(f, "x", "{'kind':'area','name':'X','parent':'a'}"), SH_E_INVAL);
    assert_int_equal(fix_asset(f, "x", "{'kind':'cell','name':'X','parent':'no'}"), SH_E_INVAL);
    assert_int_equal(fix_asset(f, "x", "{'kind':'floor','name':'X'}"), SH_E_INVAL);
    assert_int_equal(fix_asset(f, "e", "{'kind':'enterprise','name':'E','parent':'l'}"),
                     SH_E_INVAL); /* a cycle */
    assert_int_equal(fix_asset(f, "a", "{'kind':'line','name':'A','parent':'e'}"), SH_E_INVAL);
    assert_string_equal(f->diag.path, "/kind");
    assert_int_equal(sh_twin_asset_delete(f->w, 1, SH_STR("a"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE);
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'asset':'l'}"));
    assert_int_equal(sh_twin_asset_delete(f->w, 1, SH_STR("l"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE);
    fix_reopen(f);
    const struct sh_twin_query q = {.tenant = 1, .asset = SH_STR("e"), .want_total = true};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, NULL));
    assert_int_equal(page.total, 1); /* everything below */
}

static void test_rename_keeps_points_state_and_the_old_name(void **state)
{
    struct fix *f = *state;
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, pump));
    assert_ok(fix_device(f, "old", SH_TWIN_CREATE, "{'thing':'pump','name':'P'}"));
    assert_ok(fix_device(f, "other", SH_TWIN_CREATE, "{}"));
    const uint32_t id = sh_points_find(f->p, 1, SH_STR("old"), SH_STR("flow"));
    sh_twin_link(f->w, 1, SH_STR("old"), SH_TWIN_LINK_MQTT, true);
    assert_int_equal(
        sh_twin_device_rename(f->w, 1, SH_STR("old"), SH_STR("other"), SH_STR(""), &f->diag),
        SH_E_EXISTS);
    assert_ok(sh_twin_device_rename(f->w, 1, SH_STR("old"), SH_STR("new"), SH_STR(""), &f->diag));
    for (int i = 0; i < 2; i++) {
        fix_is(f, "new", "name", "P");
        fix_is(f, "old", "id", "new"); /* the alias */
        fix_is(f, "new", "state", "online");
        assert_int_equal(sh_points_find(f->p, 1, SH_STR("new"), SH_STR("flow")), id);
        assert_int_equal(sh_points_find(f->p, 1, SH_STR("old"), SH_STR("flow")), id);
        assert_int_equal(ensure(f, "old", NULL, true), SH_TWIN_OK);
        assert_int_equal(fix_device(f, "old", SH_TWIN_CREATE, "{}"), SH_E_EXISTS);
        assert_ok(sh_twin_tick(f->w));
        fix_reopen(f);
    }
    const struct sh_twin_query q = {.tenant = 1, .want_total = true};
    struct sh_twin_page page;
    assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, NULL));
    assert_int_equal(page.total, 2);
}

static size_t related(struct fix *f, const char *id, bool in, char out[200])
{
    struct sh_record_link *l = NULL;
    size_t n = 0;
    const struct sh_record_links_query q = {
        .tenant = 1, .type = SH_TWIN_KIND_DEVICE, .id = sh_str_c(id), .in = in};
    assert_ok(sh_record_links(f->r, &q, f->ar, &l, &n));
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        const size_t at = strlen(out);
        (void)snprintf(out + at, 200 - at, "%.*s %.*s;", SH_PRI(l[i].relation),
                       SH_PRI(in ? l[i].from_id : l[i].to_id));
    }
    return n;
}

static void test_relations_and_attributes_follow_a_renaming(void **state)
{
    struct fix *f = *state;
    struct sh_record_tx *tx = NULL;
    char got[200];
    const struct sh_str k = SH_TWIN_KIND_DEVICE;
    const struct sh_str d = SH_STR("d");
    const struct sh_str e = SH_STR("e");
    const struct sh_record_link all[] = {
        {k, d, SH_STR("feeds"), k, e}, {k, e, SH_STR("cools"), k, d}, {k, d, SH_STR("is"), k, d}};
    json_t *attr = fix_json("{'a':1}");
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{}"));
    assert_ok(fix_device(f, "e", SH_TWIN_CREATE, "{}"));
    assert_ok(sh_twin_attributes_merge(f->w, 1, d, true, attr, SH_STR("zhang"), NULL));
    json_decref(attr);
    assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
    for (size_t i = 0; i < SH_COUNT(all); i++) {
        assert_ok(sh_record_tx_link(tx, 1, &all[i]));
    }
    assert_ok(sh_record_tx_commit(tx, NULL, NULL));
    sh_record_tx_free(tx);
    assert_ok(sh_twin_device_rename(f->w, 1, d, SH_STR("d2"), SH_STR("zhang"), NULL));
    assert_ok(sh_twin_device_rename(f->w, 1, e, SH_STR("e2"), SH_STR("zhang"), NULL));
    fix_reopen(f);
    assert_int_equal(related(f, "d2", false, got), 2);
    assert_string_equal(got, "feeds e2;is d2;");
    assert_int_equal(related(f, "d2", true, got), 2);
    assert_string_equal(got, "cools e2;is d2;");
    assert_int_equal(related(f, "d", false, got) + related(f, "d", true, got), 0);
    struct sh_jw w;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_attributes_write(f->w, 1, SH_STR("d2"), &w));
    assert_ok(sh_jw_end(&w));
    assert_str(sh_buf_str(&f->out), "{\"desired\":{\"a\":1},\"reported\":{}}");
    assert_true(sh_twin_device_same(f->w, 1, d, SH_STR("d2")));
    assert_false(sh_twin_device_same(f->w, 1, d, SH_STR("e2")));
    char now[SH_TWIN_MAX_ID];
    assert_int_equal(sh_twin_device_present(f->w, 1, d, now), 2);
    assert_memory_equal(now, "d2", 2);
    assert_int_equal(sh_twin_device_present(f->w, 1, SH_STR("x"), now), 0);
    /* points that a crash left under the old name follow at the next start */
    const struct sh_point_def left = {
        .tenant = 1, .type = SH_T_F64, .device = d, .property = SH_STR("t")};
    uint32_t point = 0;
    assert_ok(sh_points_define(f->p, &left, false, &point));
    fix_reopen(f);
    assert_int_equal(sh_points_find(f->p, 1, SH_STR("d2"), SH_STR("t")), point);
    assert_int_equal(sh_points_find(f->p, 1, d, SH_STR("t")), point);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_device_is_made_changed_and_kept_over_a_restart),
        T(test_device_body_that_is_wrong_is_refused_with_its_place),
        T(test_ensure_makes_devices_and_finds_conflicts),
        T(test_devices_that_samples_make_stand_in_order),
        T(test_devices_of_samples_are_read_back_as_they_were),
        T(test_device_with_points_but_no_record_is_made_again),
        T(test_thing_model_gives_types_points_and_scales),
        T(test_thing_model_that_is_wrong_is_refused_with_its_place),
        T(test_things_of_the_platform_are_shared),
        T(test_asset_tree_keeps_its_order),
        T(test_rename_keeps_points_state_and_the_old_name),
        T(test_relations_and_attributes_follow_a_renaming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
