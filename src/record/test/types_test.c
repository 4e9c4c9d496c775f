#include "store_fix.h"

static sh_err type_put(struct fix *f, uint32_t tenant, const char *name, const char *def,
                       uint64_t expect)
{
    return sh_record_type_put(f->r, tenant, sh_str_c(name), sh_str_c(def), expect, SH_STR("li"),
                              NULL, NULL);
}

static void test_record_of_a_type_must_fit_its_schema(void **state)
{
    struct fix *f = *state;
    struct sh_diag d = {.line = 0};
    const char *def = "{\"name\":\"supplier\",\"schema\":{\"required\":[\"code\"],"
                      "\"properties\":{\"code\":{\"pattern\":\"^S\"}}}}";
    assert_int_equal(fix_put(f, "supplier", "a", "{\"code\":\"S1\"}", 0, NULL), SH_E_NOTFOUND);
    assert_ok(type_put(f, 1, "supplier", def, 0));
    assert_ok(fix_put(f, "supplier", "a", "{\"code\":\"S1\"}", 0, NULL));
    struct sh_record_put p = {.tenant = 1,
                              .type = SH_STR("supplier"),
                              .id = SH_STR("b"),
                              .doc = SH_STR("{\"code\":\"X1\"}")};
    assert_int_equal(sh_record_put(f->r, &p, SH_STR("li"), NULL, &d), SH_E_INVAL);
    assert_string_equal(d.path, "/code");
    p.tenant = 2; /* another tenant has no such type */
    assert_int_equal(sh_record_put(f->r, &p, SH_STR("li"), NULL, &d), SH_E_NOTFOUND);
}

static void test_type_of_the_platform_holds_in_every_tenant_without_its_own(void **state)
{
    struct fix *f = *state;
    struct sh_record_row *rows = NULL;
    size_t n = 0;
    assert_ok(type_put(f, 0, "order", "{\"schema\":{\"required\":[\"x\"]}}", 0));
    assert_ok(type_put(f, 0, "alarm", "{}", 0));
    assert_int_equal(fix_put(f, "order", "1", "{}", 0, NULL), SH_E_INVAL);
    assert_ok(type_put(f, 1, "order", "{\"schema\":{\"required\":[\"y\"]}}", 0));
    assert_ok(fix_put(f, "order", "1", "{\"y\":1}", 0, NULL));
    assert_ok(sh_record_type_list(f->r, 1, f->ar, &rows, &n));
    assert_int_equal(n, 2);
    assert_str(rows[0].id, "alarm");
    assert_int_equal(rows[0].tenant, 0);
    assert_str(rows[1].id, "order");
    assert_int_equal(rows[1].tenant, 1);
    assert_int_equal(sh_record_type_delete(f->r, 1, SH_STR("order"), SH_RECORD_ANY, SH_STR("")),
                     SH_E_STATE); /* a record of it exists */
    assert_ok(sh_record_delete(f->r, 1, SH_STR("order"), SH_STR("1"), SH_RECORD_ANY, SH_STR("")));
    assert_ok(sh_record_type_delete(f->r, 1, SH_STR("order"), SH_RECORD_ANY, SH_STR("")));
    assert_int_equal(fix_put(f, "order", "1", "{\"y\":1}", SH_RECORD_ANY, NULL), SH_E_INVAL);
}

/* A transaction checked with the old schema meets the new one at the writer. */
static void test_type_changed_after_the_check_is_seen_at_the_commit(void **state)
{
    struct fix *f = *state;
    struct sh_record_tx *tx = NULL;
    struct sh_diag d = {.line = 0};
    const struct sh_record_put p = {
        .tenant = 1, .type = SH_STR("order"), .id = SH_STR("1"), .doc = SH_STR("{}")};
    assert_ok(type_put(f, 1, "order", "{}", 0));
    assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
    assert_ok(sh_record_tx_put(tx, &p));
    assert_ok(type_put(f, 1, "order", "{\"schema\":{\"required\":[\"x\"]}}", 1));
    assert_int_equal(sh_record_tx_commit(tx, NULL, &d), SH_E_INVAL);
    assert_true(d.message[0] != '\0');
    sh_record_tx_free(tx);
}

static void test_type_definition_that_is_wrong_is_refused(void **state)
{
    struct fix *f = *state;
    assert_int_equal(type_put(f, 1, "t", "{\"schema\":{\"type\":\"x\"}}", 0), SH_E_INVAL);
    assert_int_equal(type_put(f, 1, "t", "{\"name\":\"other\"}", 0), SH_E_INVAL);
    assert_int_equal(type_put(f, 1, "_t", "{}", 0), SH_E_INVAL);
    assert_int_equal(type_put(f, 1, "t", "[]", 0), SH_E_INVAL);
    sh_record_close(f->r);
    f->cfg.max_types = 2;
    fix_open(f);
    assert_ok(type_put(f, 1, "a", "{}", 0));
    assert_ok(type_put(f, 1, "b", "{}", 0));
    assert_int_equal(type_put(f, 1, "c", "{}", 0), SH_E_LIMIT);
    assert_ok(type_put(f, 1, "b", "{}", 1));
    assert_ok(type_put(f, 2, "c", "{}", 0));
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_record_of_a_type_must_fit_its_schema),
        T(test_type_of_the_platform_holds_in_every_tenant_without_its_own),
        T(test_type_changed_after_the_check_is_seen_at_the_commit),
        T(test_type_definition_that_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
