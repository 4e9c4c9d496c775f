#include <sh/test.h>

#include <sh/value.h>

static sh_err fill(struct sh_batch_builder *b)
{
    for (uint32_t i = 0; i < 300; i++) {
        const int64_t at = (int64_t)i * 7;
        if (i % 3 == 0) {
            const struct sh_bytes v = sh_str_bytes(SH_STR("text value"));
            SH_TRY(sh_batch_add_bytes(b, i + 1, at, SH_T_TEXT, v, 192));
        } else {
            SH_TRY(sh_batch_add(b, i + 1, at, SH_T_F64, (union sh_cell){.f64 = i + 0.5}, 64));
        }
    }
    return SH_OK;
}

static void check(const struct sh_batch *b)
{
    assert_int_equal(b->len, 300);
    for (uint32_t i = 0; i < b->len; i++) {
        assert_int_equal(b->point[i], i + 1);
        assert_int_equal(b->time_us[i], i * 7);
        if (i % 3 == 0) {
            assert_str(sh_bytes_str(sh_batch_bytes(b, i)), "text value");
            assert_int_equal(b->type[i], SH_T_TEXT);
        } else {
            assert_true(b->value[i].f64 == i + 0.5);
            assert_int_equal(b->quality[i], 64);
        }
    }
}

static void test_batch_slab_and_wire_hold_the_same_rows(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, t.env.alloc, 300, 1 << 20);
    assert_ok(fill(&b));
    check(&b.view);
    assert_int_equal(sh_batch_add(&b, 1, 0, SH_T_F64, (union sh_cell){.f64 = 0}, 192), SH_E_LIMIT);
    check(&b.view);
    struct sh_slab *s = NULL;
    assert_ok(sh_slab_new(t.env.alloc, &b.view, &s));
    const size_t n = sh_batch_wire_size(&b.view);
    uint8_t *wire = sh_mem_new(t.env.alloc, n);
    assert_non_null(wire);
    sh_batch_wire_write(&b.view, wire);
    sh_batch_builder_fini(&b);
    struct sh_slab *other = sh_slab_ref(s);
    sh_slab_unref(s);
    check(&other->batch);
    sh_slab_unref(other);
    assert_ok(sh_batch_wire_read(t.env.alloc, sh_bytes_of(wire, n), &s));
    check(&s->batch);
    sh_slab_unref(s);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(sh_batch_wire_read(t.env.alloc, sh_bytes_of(wire, cut), &s), SH_E_CORRUPT);
    }
    sh_mem_free(t.env.alloc, wire);
    sh_test_env_fini(&t);
}

static sh_err oom_body(struct sh_test_env *t)
{
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, t->env.alloc, 300, 1 << 20);
    sh_err err = fill(&b);
    struct sh_slab *s = NULL;
    if (err == SH_OK) {
        err = sh_slab_new(t->env.alloc, &b.view, &s);
    }
    sh_slab_unref(s);
    sh_batch_builder_fini(&b);
    return err;
}

static void test_batch_survives_failing_allocations(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(oom_body);
}

static void test_types_and_quality_have_words(void **state)
{
    SH_UNUSED(state);
    enum sh_type ty = SH_T_BOOL;
    assert_ok(sh_type_parse(SH_STR("blob"), &ty));
    assert_int_equal(ty, SH_T_BLOB);
    assert_int_equal(sh_type_parse(SH_STR("float"), &ty), SH_E_INVAL);
    assert_null(sh_type_name((enum sh_type)0));
    assert_int_equal(sh_q_class(192), SH_QC_GOOD);
    assert_int_equal(sh_q_class(64), SH_QC_UNCERTAIN);
    assert_int_equal(sh_q_class(128), SH_QC_BAD); /* 10 is reserved */
    assert_string_equal(sh_q_words(24), "bad: communication failure");
    assert_string_equal(sh_q_words(25), "bad: communication failure"); /* limit bits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_slab_and_wire_hold_the_same_rows),
        cmocka_unit_test(test_batch_survives_failing_allocations),
        cmocka_unit_test(test_types_and_quality_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
