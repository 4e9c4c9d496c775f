/* The two scales of data, and sets of their pairs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <sh/dataclass.h>

static void test_clearance_two_sets_make_no_pair_that_neither_has(void **state)
{
    (void)state;
    const sh_clearance a = sh_clearance_up_to((struct sh_data_class){SH_CLASS_CORE, 1});
    const sh_clearance b = sh_clearance_up_to((struct sh_data_class){SH_CLASS_GENERAL, 3});
    const sh_clearance both = (sh_clearance)(a | b);
    assert_true(sh_clearance_has(both, (struct sh_data_class){SH_CLASS_CORE, 1}));
    assert_true(sh_clearance_has(both, (struct sh_data_class){SH_CLASS_GENERAL, 3}));
    assert_false(sh_clearance_has(both, (struct sh_data_class){SH_CLASS_CORE, 2}));
    assert_false(sh_clearance_has(both, (struct sh_data_class){SH_CLASS_IMPORTANT, 3}));
}

static void test_clearance_of_ends(void **state)
{
    (void)state;
    assert_int_equal(sh_clearance_up_to((struct sh_data_class){0, 0}), SH_CLEARANCE_ALL);
    assert_int_equal(sh_clearance_up_to((struct sh_data_class){SH_CLASS_CORE, 3}),
                     SH_CLEARANCE_ALL);
    assert_int_equal(sh_clearance_up_to(SH_DATA_CLASS_DEFAULT), SH_CLEARANCE_LEAST);
    assert_true(sh_clearance_has(SH_CLEARANCE_LEAST, (struct sh_data_class){0, 0}));
    assert_false(sh_clearance_has(SH_CLEARANCE_NONE, (struct sh_data_class){0, 0}));
}

static void test_pairs_there_and_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SH_DATA_PAIRS; i++) {
        assert_int_equal(sh_data_class_pair(sh_data_class_of_pair(i)), i);
    }
}

static void test_read_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sh_err err;
        uint8_t name;
        uint8_t level;
    } rows[] = {
        {"{}", SH_OK, 0, 0},
        {"{\"data_class\":\"core\",\"data_level\":3}", SH_OK, SH_CLASS_CORE, 3},
        {"{\"data_class\":null,\"data_level\":2}", SH_OK, 0, 2},
        {"{\"data_class\":\"secret\"}", SH_E_INVAL, 0, 0},
        {"{\"data_class\":2}", SH_E_INVAL, 0, 0},
        {"{\"data_level\":0}", SH_E_INVAL, 0, 0},
        {"{\"data_level\":4}", SH_E_INVAL, 0, 0},
        {"{\"data_level\":\"2\"}", SH_E_INVAL, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *o = NULL;
        struct sh_data_class c = {9, 9};
        struct sh_diag d = {.line = 0};
        assert_int_equal(sh_json_parse(sh_str_c(rows[i].text), 1000, &o, NULL), SH_OK);
        assert_int_equal(sh_data_class_read(o, &c, &d), rows[i].err);
        if (rows[i].err == SH_OK) {
            assert_int_equal(c.name, rows[i].name);
            assert_int_equal(c.level, rows[i].level);
        } else {
            assert_true(d.message[0] != '\0');
        }
        json_decref(o);
    }
}

static void test_orders(void **state)
{
    (void)state;
    const struct sh_data_class a = {SH_CLASS_CORE, 1};
    const struct sh_data_class b = {SH_CLASS_GENERAL, 2};
    const struct sh_data_class m = sh_data_class_max(a, b);
    assert_true(m.name == SH_CLASS_CORE && m.level == 2);
    assert_true(sh_data_class_lower(a, m) && sh_data_class_lower(b, m));
    assert_false(sh_data_class_lower(m, a) || sh_data_class_lower(a, a));
    const struct sh_data_class o = sh_data_class_or((struct sh_data_class){0, 3}, a);
    assert_true(o.name == SH_CLASS_CORE && o.level == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clearance_two_sets_make_no_pair_that_neither_has),
        cmocka_unit_test(test_clearance_of_ends),
        cmocka_unit_test(test_pairs_there_and_back),
        cmocka_unit_test(test_read_says_what_is_wrong),
        cmocka_unit_test(test_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
