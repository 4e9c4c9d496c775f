/* demo_test.c - the starter pack hangs together: every reference is there, units are UCUM, every
 * tag is an address the driver knows and the plant serves, every property is fed by somebody.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/channels.h>
#include <sh/modbus.h>
#include <sh/scale.h>
#include <sh/sim.h>
#include <sh/units.h>

#include "../mbserver.h"
#include "../telemetry.h"

static json_t *load(const char *name)
{
    json_t *doc = NULL;
    struct sh_diag diag = {0};
    const struct sh_str text = sh_sim_demo(name);
    assert_non_null(text.p);
    if (sh_json_parse(text, 1 << 20, &doc, &diag) != SH_OK) {
        fail_msg("%s: line %d: %s", name, diag.line, diag.message);
    }
    assert_true(json_is_array(doc) && json_array_size(doc) > 0);
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(doc, i, o)
    {
        assert_true(sh_json_get_bool(o, "demo", false)); /* marked, each one */
        assert_true(sh_json_get_str(o, "id").n > 0);
    }
    return doc;
}

static const json_t *find(const json_t *list, const char *key, struct sh_str id)
{
    size_t i = 0;
    const json_t *o = NULL;
    json_array_foreach(list, i, o)
    {
        if (sh_str_eq(sh_json_get_str(o, key), id)) {
            return o;
        }
    }
    return NULL;
}

static const json_t *must(const json_t *list, struct sh_str id)
{
    const json_t *o = find(list, "id", id);
    if (o == NULL) {
        fail_msg("'%.*s' is not there", SH_PRI(id));
    }
    return o;
}

static void test_things_have_words_units_and_scales(void **state)
{
    (void)state;
    json_t *things = load("things");
    size_t i = 0;
    size_t k = 0;
    const json_t *t = NULL;
    const json_t *p = NULL;
    struct sh_test_env te;
    sh_test_env_init(&te, NULL);
    json_array_foreach(things, i, t)
    {
        json_array_foreach(json_object_get(t, "properties"), k, p)
        {
            const json_t *name = json_object_get(p, "name");
            assert_true(sh_json_get_str(name, "zh").n > 0 && sh_json_get_str(name, "en").n > 0);
            enum sh_type type = SH_T_F64;
            assert_ok(sh_type_parse(sh_json_get_str(p, "type"), &type));
            const struct sh_str unit = sh_json_get_str(p, "unit");
            struct sh_unit u;
            if (unit.n > 0 && sh_unit_parse(unit, &u, NULL) != SH_OK) {
                fail_msg("unit '%.*s' is not UCUM", SH_PRI(unit));
            }
            struct sh_scale *scale = NULL;
            struct sh_diag diag = {0};
            if (json_object_get(p, "scale") != NULL) {
                assert_ok(
                    sh_scale_new(te.env.alloc, json_object_get(p, "scale"), type, &scale, &diag));
                sh_scale_free(scale);
            }
        }
    }
    sh_test_env_fini(&te);
    json_decref(things);
}

static void test_devices_assets_and_charts_refer_to_what_is_there(void **state)
{
    (void)state;
    json_t *things = load("things");
    json_t *assets = load("assets");
    json_t *devices = load("devices");
    json_t *charts = load("charts");
    size_t i = 0;
    size_t k = 0;
    unsigned roots = 0;
    const json_t *o = NULL;
    const json_t *v = NULL;
    json_array_foreach(assets, i, o)
    {
        const struct sh_str parent = sh_json_get_str(o, "parent");
        if (parent.n > 0) {
            assert_ptr_not_equal(must(assets, parent), o);
        } else {
            roots++;
        }
    }
    assert_int_equal(roots, 1);
    json_array_foreach(devices, i, o)
    {
        (void)must(things, sh_json_get_str(o, "thing"));
        (void)must(assets, sh_json_get_str(o, "asset"));
    }
    json_array_foreach(charts, i, o)
    {
        json_array_foreach(json_object_get(o, "points"), k, v)
        {
            const struct sh_str point = sh_str_of(json_string_value(v), json_string_length(v));
            const size_t slash = sh_str_rfind(point, '/');
            const json_t *d = must(devices, sh_str_sub(point, 0, slash));
            const json_t *t = must(things, sh_json_get_str(d, "thing"));
            (void)must(json_object_get(t, "properties"), sh_str_sub(point, slash + 1, point.n));
        }
    }
    json_decref(things);
    json_decref(assets);
    json_decref(devices);
    json_decref(charts);
}

static bool type_fits(struct sh_str point_type, enum sh_type raw, bool scaled)
{
    if (sh_str_eqc(point_type, "f64")) {
        return raw == SH_T_F64 || (scaled && raw == SH_T_I64);
    }
    return sh_str_eqc(point_type, sh_type_name(raw));
}

static void test_every_tag_is_an_address_of_a_property(void **state)
{
    (void)state;
    json_t *things = load("things");
    json_t *devices = load("devices");
    json_t *channels = load("channels");
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_arena *ar = sh_arena_new(t.env.alloc, 1 << 20);
    struct sh_channel_config cfg;
    struct sh_diag diag = {0};
    unsigned fed = 0;
    assert_ok(sh_channel_config_parse(json_array_get(channels, 0), ar, &cfg, &diag));
    for (uint32_t i = 0; i < cfg.n_tags; i++) {
        const struct sh_channel_tag *tag = &cfg.tags[i];
        const json_t *d = must(devices, cfg.devices[tag->device].id);
        const json_t *th = must(things, sh_json_get_str(d, "thing"));
        const json_t *p = must(json_object_get(th, "properties"), tag->property);
        struct sh_drv_address a;
        assert_ok(sh_driver_modbus.check_address(tag->address, cfg.devices[tag->device].config, &a,
                                                 NULL));
        if (!type_fits(sh_json_get_str(p, "type"), a.type, json_object_get(p, "scale") != NULL)) {
            fail_msg("%.*s has another type", SH_PRI(tag->property));
        }
        assert_true(!sh_str_eqc(sh_json_get_str(p, "access"), "rw") || a.writable);
        fed++;
    }
    size_t want = 0;
    size_t i = 0;
    const json_t *d = NULL;
    json_array_foreach(devices, i, d)
    {
        if (sh_str_eqc(sh_json_get_str(d, "driver"), "modbus")) {
            const json_t *th = must(things, sh_json_get_str(d, "thing"));
            want += json_array_size(json_object_get(th, "properties"));
        }
    }
    assert_int_equal(fed, want); /* no property without its tag */
    sh_arena_free(ar);
    sh_test_env_fini(&t);
    json_decref(things);
    json_decref(devices);
    json_decref(channels);
}

static void test_telemetry_names_the_properties_of_the_things(void **state)
{
    (void)state;
    json_t *things = load("things");
    json_t *devices = load("devices");
    struct sh_test_env t;
    struct sh_buf out;
    struct plant p;
    sh_test_env_init(&t, NULL);
    sh_buf_init(&out, t.env.alloc, 65536);
    plant_init(&p, 1, 36000);
    plant_step(&p, 100.0);
    for (unsigned i = 0; i < TELEMETRY_DEVICES; i++) {
        struct sh_str topic;
        json_t *msg = NULL;
        sh_buf_clear(&out);
        assert_ok(telemetry_write(&p, i, 1767225600123, &topic, &out));
        assert_ok(sh_json_parse(sh_buf_str(&out), 65536, &msg, NULL));
        assert_true(sh_str_starts(topic, SH_STR("sh/v1/")));
        assert_true(sh_str_ends(topic, SH_STR("/telemetry")));
        const json_t *d = must(devices, sh_str_sub(topic, 6, topic.n - 10));
        const json_t *th = must(things, sh_json_get_str(d, "thing"));
        const json_t *values = json_object_get(msg, "values");
        const json_t *props = json_object_get(th, "properties");
        assert_int_equal(json_object_size(values), json_array_size(props));
        size_t k = 0;
        const json_t *pr = NULL;
        json_array_foreach(props, k, pr)
        {
            const json_t *v = json_object_get(values, json_string_value(json_object_get(pr, "id")));
            const struct sh_str type = sh_json_get_str(pr, "type");
            assert_non_null(v);
            assert_true(sh_str_eqc(type, "bool")   ? json_is_boolean(v)
                        : sh_str_eqc(type, "text") ? json_is_string(v)
                                                   : json_is_number(v));
        }
        json_decref(msg);
    }
    sh_buf_fini(&out);
    sh_test_env_fini(&t);
    json_decref(things);
    json_decref(devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_things_have_words_units_and_scales),
        cmocka_unit_test(test_devices_assets_and_charts_refer_to_what_is_there),
        cmocka_unit_test(test_every_tag_is_an_address_of_a_property),
        cmocka_unit_test(test_telemetry_names_the_properties_of_the_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
