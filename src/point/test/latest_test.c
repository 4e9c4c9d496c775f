#include <sh/test.h>

#include <sh/point.h>

static void test_greatest_time_wins_then_last_arrival(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_latest *l = NULL;
    assert_ok(sh_latest_new(&t.env, 5000, &l));
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, t.env.alloc, 100, 1000);
    assert_ok(sh_batch_add(&b, 4999, 10, SH_T_F64, (union sh_cell){.f64 = 1}, 192));
    assert_ok(sh_batch_add(&b, 4999, 9, SH_T_F64, (union sh_cell){.f64 = 2}, 192));
    assert_ok(sh_batch_add(&b, 4999, 10, SH_T_F64, (union sh_cell){.f64 = 3}, 64));
    assert_ok(sh_batch_add_bytes(&b, 1, 5, SH_T_TEXT, sh_str_bytes(SH_STR("short")), 192));
    assert_ok(sh_batch_add_bytes(&b, 1, 6, SH_T_TEXT, sh_str_bytes(SH_STR("longer text")), 192));
    assert_ok(sh_latest_update(l, &b.view));
    static const uint32_t points[] = {4999, 1, 2, 6000, 0};
    struct sh_latest_value v[5];
    struct sh_buf text;
    sh_buf_init(&text, t.env.alloc, 1000);
    assert_ok(sh_latest_get(l, points, 5, v, &text));
    assert_true(v[0].found && v[0].value.f64 == 3.0 && v[0].time_us == 10 && v[0].quality == 64);
    assert_true(v[1].found);
    assert_str(sh_str_sub(sh_buf_str(&text), v[1].value.span.off,
                          v[1].value.span.off + v[1].value.span.len),
               "longer text");
    assert_false(v[2].found || v[3].found || v[4].found);
    sh_latest_forget(l, 4999);
    assert_ok(sh_latest_get(l, points, 1, v, NULL));
    assert_false(v[0].found);
    sh_buf_fini(&text);
    sh_batch_builder_fini(&b);
    sh_latest_free(l);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_greatest_time_wins_then_last_arrival)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
