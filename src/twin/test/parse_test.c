#include "twin_fix.h"

#include "../twin_int.h"

static sh_err csv_body(struct sh_test_env *t)
{
    struct sh_str v[8];
    struct twin_cells row = {.v = v, .max = 8};
    struct sh_buf buf;
    struct sh_str text;
    static const char body[] = "id,name\n\"a\"\"b\",\xcb\xae\xb1\xc3\n";
    struct sh_arena *ar = sh_arena_new(&t->alloc, 1 << 16);
    if (ar == NULL) {
        return SH_E_NOMEM;
    }
    sh_buf_init(&buf, &t->alloc, 1 << 16);
    sh_err err = twin_csv_text(sh_bytes_of(body, sizeof body - 1), SH_TWIN_AUTO, &buf, &text);
    struct twin_csv c = {.in = text};
    for (int i = 0; i < 2 && err == SH_OK; i++) {
        err = twin_csv_next(&c, ar, &row);
    }
    if (err == SH_OK) {
        assert_str(row.v[0], "a\"b");
        assert_str(row.v[1], "水泵");
    }
    sh_buf_fini(&buf);
    sh_arena_free(ar);
    return err;
}

static sh_err thing_body(struct sh_test_env *t)
{
    struct sh_twin w = {.env = &t->env};
    json_t *body = fix_json("{'properties':[{'id':'t','type':'f64','unit':'Cel',"
                            "'scale':{'raw':'u8','raw_range':[0,9],'range':[0,1]}},"
                            "{'id':'s','type':'text','scale':{'raw':'u8','words':{'0':'a'}}}]}");
    sh_err err = twin_shapes_new(&w);
    if (err == SH_OK) {
        err = sh_twin_thing_check(&w, body, NULL);
    }
    sh_schema_free(w.device_schema);
    sh_schema_free(w.thing_schema);
    sh_schema_free(w.asset_schema);
    sh_schema_free(w.command_schema);
    json_decref(body);
    return err;
}

static void test_no_memory_is_survived_by_csv(void **state)
{
    (void)state;
    sh_test_oom(csv_body);
}

static void test_no_memory_is_survived_by_models(void **state)
{
    (void)state;
    sh_test_oom(thing_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_survived_by_csv),
        cmocka_unit_test(test_no_memory_is_survived_by_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
