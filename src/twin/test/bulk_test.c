#include "twin_fix.h"

static int removed;

static void count_removed(void *ctx, struct sh_str id)
{
    (void)ctx;
    removed += id.n > 0 ? 1 : 0;
}

static bool not_b(void *ctx, struct sh_str id)
{
    (void)ctx;
    return !sh_str_eqc(id, "b");
}

/* Does it and gives the answer as JSON (a new reference), NULL when it was refused as a whole. */
static json_t *bulk(struct fix *f, const struct sh_twin_bulk *ask, const char *ids,
                    const char *change, struct sh_twin_bulk_result *r)
{
    struct sh_twin_bulk b = *ask;
    struct sh_jw w;
    json_t *out = NULL;
    json_t *list = ids == NULL ? NULL : fix_json(ids);
    json_t *to = change == NULL ? NULL : fix_json(change);
    b.pick.filter.tenant = 1;
    b.pick.ids = list;
    b.change = to;
    b.author = SH_STR("zhang");
    b.removed = count_removed;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err = sh_twin_devices_bulk(f->w, &b, &w, r, &f->diag);
    if (err == SH_OK) {
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &out, NULL));
    } else {
        assert_int_equal(err, SH_E_INVAL);
        assert_true(f->diag.message[0] != '\0');
    }
    json_decref(list);
    json_decref(to);
    return out;
}

static void some_devices(struct fix *f)
{
    assert_ok(fix_asset(f, "hall", "{'kind':'area','name':'Hall'}"));
    assert_ok(fix_asset(f, "yard", "{'kind':'area','name':'Yard'}"));
    assert_ok(fix_device(f, "a", SH_TWIN_CREATE, "{'labels':{'line':'1','x':'y'},'asset':'hall'}"));
    assert_ok(fix_device(f, "b", SH_TWIN_CREATE, "{'labels':{'line':'1'}}"));
    assert_ok(fix_device(f, "c", SH_TWIN_CREATE, "{'asset':'hall'}"));
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'asset':'yard'}"));
}

static void test_bulk_changes_by_ids_and_tells_the_way_back(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_bulk ask = {.limit = 0};
    struct sh_twin_bulk_result r;
    some_devices(f);
    json_t *out = bulk(f, &ask, "['a','b','d','nosuch']",
                       "{'labels':{'line':'2','x':null},'asset':'yard'}", &r);
    assert_int_equal(r.matched, 3);
    assert_int_equal(r.changed, 3);
    assert_int_equal(r.refused, 1);
    fix_is(f, "a", "asset", "yard");
    json_t *a = fix_get(f, "a");
    assert_int_equal(json_object_size(json_object_get(a, "labels")), 1);
    json_decref(a);
    /* a, b and d were all different: three ways back */
    const json_t *undo = json_object_get(out, "undo");
    assert_int_equal(json_array_size(undo), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(undo, i);
        char *ids = json_dumps(json_object_get(one, "ids"), 0);
        char *change = json_dumps(json_object_get(one, "change"), 0);
        for (char *p = change; *p != '\0'; p++) {
            *p = *p == '"' ? '\'' : *p;
        }
        json_t *again = bulk(f, &ask, ids, change, &r);
        assert_int_equal(r.changed, 1);
        json_decref(again);
        free(ids);
        free(change);
    }
    json_decref(out);
    fix_is(f, "a", "asset", "hall");
    fix_is(f, "b", "asset", "");
    a = fix_get(f, "a");
    const json_t *labels = json_object_get(a, "labels");
    assert_true(sh_str_eqc(sh_json_get_str(labels, "line"), "1"));
    assert_true(sh_str_eqc(sh_json_get_str(labels, "x"), "y"));
    json_decref(a);
    out = bulk(f, &ask, "['a']", "{'asset':'hall'}", &r);
    assert_int_equal(r.unchanged, 1);
    json_decref(out);
}

static void test_bulk_refuses_a_change_that_fits_no_device(void **state)
{
    static const struct {
        const char *change, *path;
    } rows[] = {
        {"{'asset':'nosuch'}", "/asset"},      {"{'thing':'nosuch'}", "/thing"},
        {"{'labels':{'a':5}}", "/labels/a"},   {"{'name':'all alike'}", "/change"},
        {"{'archived':'yes'}", "/archived"},   {"{}", "/change"},
        {"{'asset':'hall','x':1}", "/change"}, {NULL, "/change"},
    };
    struct fix *f = *state;
    const struct sh_twin_bulk ask = {.limit = 0};
    struct sh_twin_bulk_result r;
    some_devices(f);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_null(bulk(f, &ask, NULL, rows[i].change, &r));
        assert_string_equal(f->diag.path, rows[i].path);
    }
    assert_null(bulk(f, &ask, "['a',5]", "{'asset':'hall'}", &r));
    assert_string_equal(f->diag.path, "/ids");
    fix_is(f, "b", "asset", "");
}

static void test_bulk_by_filter_goes_in_calls_and_sees_what_it_may(void **state)
{
    struct fix *f = *state;
    struct sh_twin_bulk ask = {.limit = 2, .pick = {.sees = not_b}};
    struct sh_twin_bulk_result r;
    int changed = 0;
    int calls = 0;
    json_t *out = NULL;
    some_devices(f);
    ask.dry_run = true;
    out = bulk(f, &ask, NULL, "{'asset':'yard'}", &r);
    assert_int_equal(r.matched, 3);
    assert_int_equal(r.changed, 0);
    json_decref(out);
    ask.dry_run = false;
    char cursor[512] = "";
    do { /* the change takes devices out of the filter while it runs */
        ask.pick.filter.archived = SH_STR("false");
        ask.cursor = sh_str_c(cursor);
        out = bulk(f, &ask, NULL, "{'archived':true}", &r);
        changed += (int)r.changed;
        const struct sh_str next = sh_json_get_str(out, "next");
        (void)snprintf(cursor, sizeof cursor, "%.*s", SH_PRI(next));
        json_decref(out);
        calls++;
    } while (cursor[0] != '\0');
    assert_int_equal(calls, 2);
    assert_int_equal(changed, 3);
    struct sh_twin_counts n;
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 1);
    assert_int_equal(n.archived, 3);
    fix_reopen(f); /* and stays so */
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 1);
    assert_int_equal(n.archived, 3);
    json_t *a = fix_get(f, "a");
    assert_true(json_is_true(json_object_get(a, "archived")));
    json_decref(a);
    ask.pick.sees = NULL;
    ask.limit = 0;
    ask.cursor = SH_STR("");
    ask.pick.filter.archived = SH_STR("true");
    out = bulk(f, &ask, NULL, "{'archived':false}", &r);
    assert_int_equal(r.changed, 3);
    json_decref(out);
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 4);
    assert_int_equal(n.never, 4);
}

static void test_bulk_for_a_part_of_the_plant_stays_in_it(void **state)
{
    struct fix *f = *state;
    const struct sh_twin_part part = {.label = true, .text = SH_STR("line:1")};
    const struct sh_twin_parts parts = {.at = &part, .n = 1};
    struct sh_twin_bulk ask = {.pick = {.filter = {.parts = &parts}}};
    struct sh_twin_bulk_result r;
    some_devices(f);
    json_t *out = bulk(f, &ask, NULL, "{'labels':{'shift':'a'}}", &r);
    assert_int_equal(r.matched, 2); /* a and b */
    assert_int_equal(r.changed, 2);
    json_decref(out);
    out = bulk(f, &ask, NULL, "{'labels':{'line':'2'}}", &r);
    assert_int_equal(r.changed, 0);
    assert_int_equal(r.refused, 2);
    const json_t *first = json_array_get(json_object_get(out, "refused"), 0);
    assert_true(sh_str_eqc(sh_json_get_str(first, "code"), "outside_part"));
    json_decref(out);
    sh_buf_clear(&f->out);
    const struct sh_twin_pick mine = {.filter = {.tenant = 1, .parts = &parts}};
    assert_ok(sh_twin_devices_export(f->w, &mine, false, SH_TWIN_UTF8, &f->out, &f->diag));
    json_t *rows = NULL;
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &rows, NULL));
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
}

static void test_archived_devices_are_hidden_until_asked_for(void **state)
{
    static const struct {
        const char *archived;
        size_t want;
    } rows[] = {{"", 3}, {"false", 3}, {"true", 1}, {"any", 4}};
    struct fix *f = *state;
    struct sh_twin_page page;
    some_devices(f);
    assert_ok(fix_device(f, "c", SH_TWIN_PATCH, "{'archived':true}"));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_twin_query q = {.tenant = 1, .archived = sh_str_c(rows[i].archived)};
        assert_ok(sh_twin_devices(f->w, &q, f->ar, &page, &f->diag));
        assert_int_equal(page.n, rows[i].want);
    }
    const struct sh_twin_query bad = {.tenant = 1, .archived = SH_STR("maybe")};
    assert_int_equal(sh_twin_devices(f->w, &bad, f->ar, &page, &f->diag), SH_E_INVAL);
}

static void test_bulk_deletes_more_than_one_transaction_holds(void **state)
{
    struct fix *f = *state;
    struct sh_twin_bulk ask = {.remove = true};
    struct sh_twin_bulk_result r;
    char detail[SH_TWIN_DETAIL];
    for (int i = 0; i < 1203; i++) {
        char id[16];
        const int n = snprintf(id, sizeof id, "dev-%05d", i);
        assert_int_equal(
            sh_twin_device_ensure(f->w, 1, (struct sh_str){id, (size_t)n}, NULL, 0, true, detail),
            SH_TWIN_OK);
    }
    some_devices(f);
    ask.pick.filter.search = SH_STR("dev-");
    json_t *keep = fix_json("['dev-00007']");
    ask.pick.except = keep;
    removed = 0;
    json_t *out = bulk(f, &ask, NULL, NULL, &r);
    assert_int_equal(r.changed, 1202);
    assert_int_equal(removed, 1202);
    assert_true(json_is_null(json_object_get(out, "undo")));
    json_decref(out);
    json_decref(keep);
    struct sh_twin_counts n;
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 5);
    fix_reopen(f);
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 5);
    assert_true(sh_twin_device_known(f->w, 1, SH_STR("dev-00007")));
}

static void test_export_holds_what_was_picked(void **state)
{
    struct fix *f = *state;
    some_devices(f);
    const struct sh_twin_pick hall = {.filter = {.tenant = 1, .asset = SH_STR("hall")}};
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_devices_export(f->w, &hall, true, SH_TWIN_UTF8, &f->out, &f->diag));
    assert_ok(sh_buf_put_u8(&f->out, 0));
    assert_string_equal((const char *)f->out.p + 3,
                        "id,name,thing,asset,description,location,lat,lon,period_ms,demo,archived,"
                        "data_class,data_level,point_classes,label.line,label.x\r\n"
                        "a,,,hall,,,,,,,,,,,1,y\r\nc,,,hall,,,,,,,,,,,,\r\n");
    json_t *ids = fix_json("['d','a']");
    const struct sh_twin_pick two = {.filter = {.tenant = 1}, .ids = ids};
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_devices_export(f->w, &two, false, SH_TWIN_UTF8, &f->out, &f->diag));
    json_t *rows = NULL;
    assert_ok(sh_json_parse(sh_buf_str(&f->out), 1 << 20, &rows, NULL));
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
    json_decref(ids);
}

static void test_bulk_leaves_the_units_of_what_is_kept_alone(void **state)
{
    static const char cel[] = "{'properties':[{'id':'t','type':'f64','unit':'Cel'}]}";
    static const char kelvin[] = "{'properties':[{'id':'t','type':'f64','unit':'K'}]}";
    struct fix *f = *state;
    struct sh_twin_bulk ask = {.dry_run = true};
    struct sh_twin_bulk_result r;
    some_devices(f);
    assert_ok(fix_thing(f, "cel", SH_TWIN_CREATE, cel));
    assert_ok(fix_thing(f, "kelvin", SH_TWIN_CREATE, kelvin));
    assert_ok(fix_device(f, "b", SH_TWIN_PATCH, "{'thing':'cel'}"));
    for (int dry = 1; dry >= 0; dry--) { /* the trial tells what the change does */
        ask.dry_run = dry == 1;
        json_t *out = bulk(f, &ask, "['a','b']", "{'thing':'kelvin'}", &r);
        assert_int_equal(r.matched, 2);
        assert_int_equal(r.changed, dry == 1 ? 0 : 1);
        assert_int_equal(r.refused, 1);
        assert_int_equal(r.reread, 0);
        const json_t *row = json_array_get(json_object_get(out, "refused"), 0);
        assert_true(sh_str_eqc(sh_json_get_str(row, "id"), "b"));
        assert_true(sh_str_eqc(sh_json_get_str(row, "code"), "unit_changes_history"));
        assert_non_null(strstr(json_string_value(json_object_get(row, "detail")), "t (Cel, K)"));
        json_decref(out);
        fix_is(f, "b", "thing", "cel");
    }
    fix_is(f, "a", "thing", "kelvin");
    ask.units_corrected = true;
    ask.dry_run = true;
    json_t *out = bulk(f, &ask, NULL, "{'thing':'kelvin'}", &r); /* by filter: all */
    assert_int_equal(r.reread, 1);
    assert_int_equal(r.refused, 0);
    json_decref(out);
    ask.dry_run = false;
    out = bulk(f, &ask, "['b']", "{'thing':'kelvin'}", &r);
    assert_int_equal(r.changed, 1);
    assert_int_equal(sh_json_get_i64(out, "units_corrected", -1), 1);
    const json_t *undo = json_array_get(json_object_get(out, "undo"), 0);
    assert_true(sh_str_eqc(sh_json_get_str(undo, "units"), "corrected")); /* back the same way */
    json_decref(out);
    const uint32_t id = sh_points_find(f->p, 1, SH_STR("b"), SH_STR("t"));
    assert_true(sh_str_eqc(sh_points_get(f->p, id)->unit, "K"));
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_bulk_changes_by_ids_and_tells_the_way_back),
        T(test_bulk_refuses_a_change_that_fits_no_device),
        T(test_bulk_by_filter_goes_in_calls_and_sees_what_it_may),
        T(test_bulk_for_a_part_of_the_plant_stays_in_it),
        T(test_archived_devices_are_hidden_until_asked_for),
        T(test_bulk_deletes_more_than_one_transaction_holds),
        T(test_export_holds_what_was_picked),
        T(test_bulk_leaves_the_units_of_what_is_kept_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
