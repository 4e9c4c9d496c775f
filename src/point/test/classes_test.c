/* The data class of points.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/point.h>

static const struct sh_data_class core2 = {SH_CLASS_CORE, 2};
static const struct sh_data_class important1 = {SH_CLASS_IMPORTANT, 1};

static struct sh_data_class by_property(void *ctx, uint32_t tenant, struct sh_str device,
                                        struct sh_str property)
{
    SH_UNUSED(ctx);
    SH_UNUSED(tenant);
    SH_UNUSED(device);
    return sh_str_eqc(property, "secret") ? core2 : SH_DATA_CLASS_DEFAULT;
}

static bool is(const struct sh_points *p, uint32_t id, struct sh_data_class c)
{
    const struct sh_data_class have = sh_points_class(p, id);
    return have.name == c.name && have.level == c.level;
}

static uint32_t define(struct sh_points *p, const char *property, enum sh_type type)
{
    uint32_t id = 0;
    const struct sh_point_def d = {
        .tenant = 1, .type = type, .device = SH_STR("d"), .property = sh_str_c(property)};
    assert_ok(sh_points_define(p, &d, true, &id));
    return id;
}

static void test_class_is_there_with_the_point(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    sh_test_tmpdir(dir);
    const struct sh_env env = sh_env_system();
    const struct sh_points_options o = {.dir = dir};
    struct sh_points *p = NULL;
    uint32_t n[SH_DATA_PAIRS];
    assert_ok(sh_points_open(&env, &o, &p));
    sh_points_set_classify(p, by_property, NULL);
    const uint32_t secret = define(p, "secret", SH_T_F64);
    const uint32_t plain = define(p, "plain", SH_T_F64);
    assert_true(is(p, secret, core2));
    assert_true(is(p, plain, SH_DATA_CLASS_DEFAULT));
    assert_true(is(p, 99, SH_DATA_CLASS_DEFAULT));
    sh_points_class_counts(p, 1, n);
    assert_int_equal(n[sh_data_class_pair(core2)], 1);
    assert_int_equal(n[0], 0); /* the default is not counted */

    const uint64_t turn = sh_points_class_turn(p);
    assert_ok(sh_points_set_class(p, plain, important1));
    assert_true(is(p, plain, important1));
    assert_true(sh_points_class_turn(p) > turn);
    sh_points_class_counts(p, 1, n);
    assert_int_equal(n[sh_data_class_pair(important1)], 1);

    /* Another type, a new name, a tag: the class stays with the point. */
    const uint32_t text = define(p, "secret", SH_T_TEXT);
    assert_true(text != secret && is(p, text, core2));
    assert_ok(sh_points_set_tag(p, plain, SH_STR("T1")));
    assert_ok(sh_points_rename_device(p, 1, SH_STR("d"), SH_STR("e")));
    assert_true(is(p, plain, important1) && is(p, text, core2));
    /* and that of the name before follows. */
    assert_ok(sh_points_set_class(p, text, important1));
    assert_true(is(p, secret, important1));
    assert_int_equal(sh_points_set_class(p, 99, core2), SH_E_NOTFOUND);
    sh_points_class_counts(p, 2, n);
    assert_int_equal(n[sh_data_class_pair(important1)], 0);
    sh_points_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_class_is_there_with_the_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
