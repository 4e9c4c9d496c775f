#include "twin_fix.h"

static const struct sh_twin_pick everything = {.filter = {.tenant = 1}};

/* Imports and gives the report as text in f->out. */
static sh_err import(struct fix *f, struct sh_bytes body, const struct sh_twin_import *how)
{
    struct sh_jw w;
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    f->diag = (struct sh_diag){.line = 0};
    const sh_err err = sh_twin_devices_import(f->w, 1, body, how, SH_STR("zhang"), &w, &f->diag);
    if (err == SH_OK) {
        assert_ok(sh_jw_end(&w));
        assert_ok(sh_buf_put_u8(&f->out, 0));
    }
    return err;
}

/* "created,updated;row column code;..." of the last report. */
static void summary(struct fix *f, char out[1024])
{
    json_t *r = NULL;
    struct sh_str text = sh_buf_str(&f->out);
    text.n--;
    assert_ok(sh_json_parse(text, 1 << 20, &r, NULL));
    size_t n =
        (size_t)snprintf(out, 1024, "%lld,%lld", (long long)sh_json_get_i64(r, "created", -1),
                         (long long)sh_json_get_i64(r, "updated", -1));
    const json_t *list = json_object_get(r, "rejected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        const struct sh_str column = sh_json_get_str(x, "column");
        const struct sh_str code = sh_json_get_str(x, "code");
        assert_true(sh_json_get_str(x, "detail").n > 0);
        n += (size_t)snprintf(out + n, 1024 - n, ";%lld %.*s %.*s",
                              (long long)sh_json_get_i64(x, "row", -1), SH_PRI(column),
                              SH_PRI(code));
    }
    json_decref(r);
}

static void test_import_csv_reports_every_bad_row(void **state)
{
    static const struct {
        const char *csv, *want;
    } rows[] = {
        {"id,name\na,A\nb,B\n", "2,0"},
        {"\xef\xbb\xbfid,name\r\na,\"泵, \"\"大\"\"\"\r\n", "1,0"},
        {"id,name\n\n\na,A", "1,0"},
        {"id,name\n,A\nb,B\n", "1,0;2 id id_missing"},
        {"id\na\na\n", "1,0;3 id duplicate_row"},
        {"id,thing\na,nosuch\nb,\n", "1,0;2 thing unknown_thing"},
        {"id,asset\na,nosuch\n", "0,0;2 asset unknown_asset"},
        {"id,period_ms\na,5s\nb,0\nc,1000\n",
         "1,0;2 period_ms invalid_value;3 period_ms invalid_value"},
        {"id,demo\na,是\nb,no\nc,maybe\n", "2,0;4 demo invalid_value"},
        {"id,label.line,label.x\na,1,\nb,2,3\n", "2,0"},
        {"id,location\na,\"{\"\"lat\"\":43.8,\"\"lon\"\":126.5}\"\nb,一号车间\nc,{bad\n",
         "2,0;4 location invalid_value"},
        {"id,name\na,A,more\n", "0,0;2  too_many_cells"},
        {"id,name\na,A\nb,\"open\nc,C\n", "1,0;3  malformed_row"},
        {"id,name\na,\"A\"x\n", "0,0;2  malformed_row"},
        {"id\n", "0,0"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        for (int dry = 1; dry >= 0; dry--) {
            void *st = *state;
            (void)fix_setup(&st);
            struct fix *f = st;
            char got[1024];
            const struct sh_twin_import how = {.csv = true, .dry_run = dry == 1};
            assert_ok(import(f, sh_str_bytes(sh_str_c(rows[i].csv)), &how));
            summary(f, got);
            if (strcmp(got, rows[i].want) != 0) {
                fail_msg("import %s: %s, not %s", rows[i].csv, got, rows[i].want);
            }
            struct sh_twin_counts n;
            sh_twin_counts(f->w, 1, &n);
            assert_int_equal(n.total + n.demo, dry == 1 ? 0 : rows[i].want[0] - '0');
            (void)fix_teardown(&st);
        }
    }
}

static void test_import_refuses_what_is_there_when_asked_to(void **state)
{
    struct fix *f = *state;
    char got[1024];
    const struct sh_twin_import how = {.csv = true, .create_only = true};
    assert_ok(import(f, sh_str_bytes(SH_STR("id,name\na,A\n")), &how));
    assert_ok(import(f, sh_str_bytes(SH_STR("id,name\na,B\nb,B\n")), &how));
    summary(f, got);
    assert_string_equal(got, "1,0;2 id exists");
    fix_is(f, "a", "name", "A");
}

static void test_a_body_is_checked_as_if_a_device_were_made(void **state)
{
    struct fix *f = *state;
    static const struct {
        const char *body;
        sh_err want;
    } rows[] = {
        {"{\"name\":\"{n}\",\"labels\":{\"line\":\"2\"},\"period_ms\":500}", SH_OK},
        {"{}", SH_OK},
        {"{\"thing\":\"nosuch\"}", SH_E_INVAL},
        {"{\"asset\":\"nosuch\"}", SH_E_INVAL},
        {"{\"period_ms\":\"fast\"}", SH_E_INVAL},
        {"{\"colour\":1}", SH_E_INVAL},
        {"[]", SH_E_INVAL},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        json_t *body = NULL;
        struct sh_diag d = {.line = 0};
        assert_ok(sh_json_parse(sh_str_c(rows[i].body), 1000, &body, NULL));
        assert_int_equal(sh_twin_device_check(f->w, 1, body, &d), rows[i].want);
        assert_int_equal(d.message[0] != '\0', rows[i].want != SH_OK);
        json_decref(body);
    }
    struct sh_twin_counts n;
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, 0);
}

static void test_import_of_a_file_that_is_not_readable_is_refused_whole(void **state)
{
    static const struct {
        const char *csv;
        enum sh_twin_encoding encoding;
    } rows[] = {
        {"", SH_TWIN_AUTO},
        {"name\na\n", SH_TWIN_AUTO},
        {"id,colour\na,b\n", SH_TWIN_AUTO},
        {"id,name,name\na,b,c\n", SH_TWIN_AUTO},
        {"id\n\xb1\xc3\n", SH_TWIN_UTF8}, /* GBK said to be UTF-8 */
        {"id\n\x80\xff\n", SH_TWIN_AUTO}, /* neither */
        {"id,label.\na,b\n", SH_TWIN_AUTO},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_twin_import how = {.csv = true, .encoding = rows[i].encoding};
        assert_int_equal(import(f, sh_str_bytes(sh_str_c(rows[i].csv)), &how), SH_E_INVAL);
        assert_true(f->diag.message[0] != '\0');
    }
    const struct sh_twin_import json = {.csv = false};
    assert_int_equal(import(f, sh_str_bytes(SH_STR("{}")), &json), SH_E_INVAL);
    assert_int_equal(import(f, sh_str_bytes(SH_STR("[{]")), &json), SH_E_INVAL);
}

/* As a Chinese Excel writes it. 水泵 = CB AE B1 C3, 一号 = D2 BB BA C5. */
static void test_import_gbk_is_found_and_converted(void **state)
{
    struct fix *f = *state;
    static const char csv[] = "id,name,label.line\r\np1,\xcb\xae\xb1\xc3,\xd2\xbb\xba\xc5\r\n";
    const struct sh_twin_import how = {.csv = true};
    assert_ok(import(f, sh_bytes_of(csv, sizeof csv - 1), &how));
    fix_is(f, "p1", "name", "水泵");
    json_t *d = fix_get(f, "p1");
    assert_str(sh_json_get_str(json_object_get(d, "labels"), "line"), "一号");
    json_decref(d);
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_devices_export(f->w, &everything, true, SH_TWIN_GBK, &f->out, &f->diag));
    assert_str(sh_buf_str(&f->out),
               "id,name,thing,asset,description,location,lat,lon,period_ms,demo,archived,"
               "data_class,data_level,point_classes,label.line\r\n"
               "p1,\xcb\xae\xb1\xc3,,,,,,,,,,,,,\xd2\xbb\xba\xc5\r\n");
}

/* Latitude and longitude have columns of their own; the words of a location stay beside them. */
static void test_positions_come_and_go_by_their_columns(void **state)
{
    struct fix *f = *state;
    char got[1024];
    const struct sh_twin_import how = {.csv = true};
    static const char csv[] = "id,location,lat,lon\n"
                              "a,Hall 3,45.75,126.65\n"
                              "b,,-33.9,18.4\n"
                              "c,Yard,,\n"
                              "d,,45.75,\n" /* one alone */
                              "e,,95,10\n"  /* no such latitude */
                              "f,,north,10\n";
    assert_ok(import(f, sh_bytes_of(csv, sizeof csv - 1), &how));
    summary(f, got);
    assert_true(strncmp(got, "3,0", 3) == 0);
    json_t *d = fix_get(f, "a");
    const json_t *l = json_object_get(d, "location");
    assert_true(json_number_value(json_object_get(l, "lat")) == 45.75);
    assert_str(sh_json_get_str(l, "text"), "Hall 3");
    json_decref(d);
    fix_is(f, "c", "location", "Yard");
    assert_null(fix_get(f, "d"));
    assert_null(fix_get(f, "e"));
    assert_null(fix_get(f, "f"));
    sh_buf_clear(&f->out);
    assert_ok(sh_twin_devices_export(f->w, &everything, true, SH_TWIN_UTF8, &f->out, &f->diag));
    assert_ok(sh_buf_put_u8(&f->out, 0));
    assert_string_equal((const char *)f->out.p + 3,
                        "id,name,thing,asset,description,location,lat,lon,period_ms,demo,archived,"
                        "data_class,data_level,point_classes\r\n"
                        "a,,,,,Hall 3,45.75,126.65,,,,,,\r\n"
                        "b,,,,,,-33.9,18.4,,,,,,\r\n"
                        "c,,,,,Yard,,,,,,,,\r\n");
}

static void test_import_updates_only_what_it_names(void **state)
{
    struct fix *f = *state;
    char got[1024];
    const struct sh_twin_import how = {.csv = true};
    assert_ok(
        fix_device(f, "a", SH_TWIN_CREATE, "{'name':'A','description':'keep','labels':{'x':'1'}}"));
    assert_ok(import(f, sh_str_bytes(SH_STR("id,name,label.y\na,New,2\nb,B,\n")), &how));
    summary(f, got);
    assert_string_equal(got, "1,1");
    fix_is(f, "a", "name", "New");
    fix_is(f, "a", "description", "keep");
    json_t *d = fix_get(f, "a");
    assert_int_equal(json_object_size(json_object_get(d, "labels")), 2);
    json_decref(d);
}

static void test_export_comes_back_by_import(void **state)
{
    struct fix *f = *state;
    char got[1024];
    struct sh_buf file[2];
    assert_ok(fix_asset(f, "s", "{'kind':'site','name':'S'}"));
    assert_ok(fix_device(f, "泵/1", SH_TWIN_CREATE,
                         "{'name':'a, b','asset':'s','labels':{'k 1':'v\\nw','z':' x'},"
                         "'period_ms':500,'demo':true,'location':{'lat':1.5,'lon':2}}"));
    assert_ok(fix_device(f, "b", SH_TWIN_CREATE, "{'description':'=1+2'}"));
    for (int csv = 0; csv < 2; csv++) {
        for (int i = 0; i < 2; i++) {
            sh_buf_init(&file[i], &f->t.alloc, 1 << 20);
        }
        assert_ok(
            sh_twin_devices_export(f->w, &everything, csv == 1, SH_TWIN_UTF8, &file[0], &f->diag));
        if (csv == 1) {
            assert_memory_equal(file[0].p, "\xef\xbb\xbfid,", 6); /* the BOM for Excel and WPS */
        }
        assert_ok(sh_twin_device_delete(f->w, 1, SH_STR("泵/1"), SH_RECORD_ANY, SH_STR("")));
        const struct sh_twin_import how = {.csv = csv == 1};
        assert_ok(import(f, sh_buf_bytes(&file[0]), &how));
        summary(f, got);
        assert_string_equal(got, "1,1");
        assert_ok(
            sh_twin_devices_export(f->w, &everything, csv == 1, SH_TWIN_UTF8, &file[1], &f->diag));
        if (csv == 0) {
            assert_int_equal(file[0].n, file[1].n);
            assert_memory_equal(file[0].p, file[1].p, file[0].n);
        }
        for (int i = 0; i < 2; i++) {
            sh_buf_fini(&file[i]);
        }
    }
}

static void test_import_of_many_rows_goes_in_several_commits(void **state)
{
    enum { N = 1200 };
    struct fix *f = *state;
    char got[1024];
    struct sh_buf csv;
    sh_buf_init(&csv, &f->t.alloc, 1 << 20);
    assert_ok(sh_buf_put_c(&csv, "id,name,demo\n"));
    for (int i = 0; i < N; i++) {
        assert_ok(sh_buf_printf(&csv, "d%d,n,%s\n", i, i == 700 ? "x" : ""));
    }
    const struct sh_twin_import how = {.csv = true};
    assert_ok(import(f, sh_buf_bytes(&csv), &how));
    summary(f, got);
    assert_string_equal(got, "1199,0;702 demo invalid_value");
    sh_buf_fini(&csv);
    fix_reopen(f);
    struct sh_twin_counts n;
    sh_twin_counts(f->w, 1, &n);
    assert_int_equal(n.total, N - 1);
}

static void test_import_things_reports_bad_models(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    char got[1024];
    static const char body[] = "[{\"id\":\"a\",\"properties\":[]},{\"properties\":[]},"
                               "{\"id\":\"b\",\"properties\":[{\"id\":\"x\",\"type\":\"int\"}]},"
                               "{\"id\":\"a\",\"properties\":[]}]";
    for (int dry = 1; dry >= 0; dry--) {
        const struct sh_twin_import how = {.dry_run = dry == 1};
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_things_import(f->w, 1, sh_str_bytes(SH_STR(body)), &how, SH_STR("li"), &w,
                                        &f->diag));
        assert_ok(sh_buf_put_u8(&f->out, 0));
        summary(f, got);
        assert_string_equal(got, "1,0;2 id id_missing;4 id duplicate_row;"
                                 "3 /properties/0/type invalid_value");
    }
    assert_ok(sh_twin_thing_delete(f->w, 1, SH_STR("a"), SH_RECORD_ANY, SH_STR("")));
}

static void test_things_as_csv_go_out_and_come_back(void **state)
{
    struct fix *f = *state;
    struct sh_jw w;
    struct sh_buf file[2];
    char got[1024];
    const struct sh_twin_import how = {.csv = true};
    static const char csv[] =
        "thing,thing_name,version,id,name,type,unit,min,max,access,scale,enum\n"
        "pump,\"{\"\"zh\"\":\"\"泵\"\"}\",2,flow,流量,f64,m3/h,0,100,,,\n"
        "pump,,,speed,,i64,,,,rw,,\"{\"\"0\"\":\"\"停\"\"}\"\n"
        "fan,风机,,temp,,f64,Cel,,,,\"{\"\"factor\"\":0.1}\",\n"
        "bad,,,x,,int,,,,,,\n"
        "bad2,,,x,,f64,,one,,,,\n"
        ",,,x,,f64,,,,,,\n";
    assert_ok(fix_thing(f, "pump", SH_TWIN_CREATE, "{'properties':[],'services':[{'id':'go'}]}"));
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_things_import(f->w, 1, sh_str_bytes(SH_STR(csv)), &how, SH_STR("li"), &w,
                                    &f->diag));
    assert_ok(sh_buf_put_u8(&f->out, 0));
    summary(f, got);
    assert_string_equal(got, "2,1;6 min invalid_value;7 thing id_missing;"
                             "5 /properties/0/type invalid_value");
    sh_buf_clear(&f->out);
    sh_jw_init(&w, &f->out);
    assert_ok(sh_twin_thing_write(f->w, 1, SH_STR("pump"), &w, NULL));
    assert_non_null(strstr((const char *)f->out.p, "\"services\":[{\"id\":\"go\"}]"));
    for (int i = 0; i < 2; i++) {
        sh_buf_init(&file[i], &f->t.alloc, 1 << 20);
        assert_ok(sh_twin_things_export(f->w, 1, true, SH_TWIN_UTF8, &file[i]));
        assert_memory_equal(file[i].p, "\xef\xbb\xbfthing,", 9);
        sh_buf_clear(&f->out);
        sh_jw_init(&w, &f->out);
        assert_ok(sh_twin_things_import(f->w, 1, sh_buf_bytes(&file[i]), &how, SH_STR("li"), &w,
                                        &f->diag));
        assert_ok(sh_buf_put_u8(&f->out, 0));
        summary(f, got);
        assert_string_equal(got, "0,0"); /* nothing differs: no new versions */
    }
    assert_int_equal(file[0].n, file[1].n);
    assert_memory_equal(file[0].p, file[1].p, file[0].n);
    sh_buf_fini(&file[0]);
    sh_buf_fini(&file[1]);
}

/* A tenant's quota: how many more devices it may have. */
static bool room(void *ctx, int n)
{
    int *left = ctx;
    if (n > 0 && *left < n) {
        return false;
    }
    *left -= n;
    return true;
}

static void test_import_never_passes_the_quota_and_gives_back_what_it_did_not_use(void **state)
{
    struct fix *f = *state;
    char s[1024];
    int left = 2;
    const struct sh_twin_import how = {.csv = true, .quota = room, .ctx = &left};
    assert_ok(import(f, sh_bytes_of("id\nq1\nq2\nq3\n", 12), &how));
    summary(f, s);
    assert_string_equal(s, "2,0;4  limit_reached");
    assert_int_equal(left, 0);
    assert_ok(import(f, sh_bytes_of("id,name\nq1,x\n", 13), &how)); /* there already: no charge */
    summary(f, s);
    assert_string_equal(s, "0,1");
    left = 5;
    assert_ok(import(f, sh_bytes_of("id,period_ms\nq4,no\nq5,1\n", 24), &how));
    summary(f, s);
    assert_string_equal(s, "1,0;2 period_ms invalid_value");
    assert_int_equal(left, 4);
    const struct sh_twin_import dry = {.csv = true, .dry_run = true, .quota = room, .ctx = &left};
    assert_ok(import(f, sh_bytes_of("id\nq6\n", 6), &dry));
    assert_int_equal(left, 4);
}

static void test_import_leaves_the_units_of_what_is_kept_alone(void **state)
{
    struct fix *f = *state;
    const struct sh_bytes csv = sh_str_bytes(SH_STR("id,thing,name\nd,kelvin,D\ne,kelvin,E\n"));
    uint64_t reread = 0;
    char got[1024];
    assert_ok(fix_thing(f, "cel", SH_TWIN_CREATE,
                        "{'properties':[{'id':'t','type':'f64','unit':'Cel'}]}"));
    assert_ok(fix_thing(f, "kelvin", SH_TWIN_CREATE,
                        "{'properties':[{'id':'t','type':'f64','unit':'K'}]}"));
    assert_ok(fix_device(f, "d", SH_TWIN_CREATE, "{'thing':'cel'}"));
    struct sh_twin_import how = {.csv = true, .dry_run = true, .reread = &reread};
    for (int i = 0; i < 2; i++) { /* the trial, and the import */
        assert_ok(import(f, csv, &how));
        summary(f, got);
        assert_string_equal(got, "1,0;2 thing unit_changes_history");
        assert_non_null(strstr((const char *)f->out.p, "t (Cel, K)"));
        how.dry_run = false;
    }
    fix_is(f, "d", "thing", "cel");
    fix_is(f, "e", "thing", "kelvin");
    assert_int_equal(reread, 0);
    how.units_corrected = true;
    assert_ok(import(f, csv, &how));
    summary(f, got);
    assert_string_equal(got, "0,2");
    assert_int_equal(reread, 1);
    fix_is(f, "d", "thing", "kelvin");
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_import_csv_reports_every_bad_row),
        T(test_import_refuses_what_is_there_when_asked_to),
        T(test_a_body_is_checked_as_if_a_device_were_made),
        T(test_import_of_a_file_that_is_not_readable_is_refused_whole),
        T(test_import_gbk_is_found_and_converted),
        T(test_positions_come_and_go_by_their_columns),
        T(test_import_updates_only_what_it_names),
        T(test_export_comes_back_by_import),
        T(test_import_of_many_rows_goes_in_several_commits),
        T(test_import_things_reports_bad_models),
        T(test_things_as_csv_go_out_and_come_back),
        T(test_import_leaves_the_units_of_what_is_kept_alone),
        T(test_import_never_passes_the_quota_and_gives_back_what_it_did_not_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
