#include <sh/test.h>

#include <sh/bus.h>

struct seen {
    int slabs;
    int events;
    uint64_t last_seq;
};

static void on_slab(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    struct seen *s = ctx;
    assert_int_equal(slab->batch.len, 1);
    assert_true(seq > s->last_seq);
    s->slabs++;
    s->last_seq = seq;
}

static void on_event(void *ctx, const struct sh_event *e)
{
    assert_str(e->object, "pump");
    ((struct seen *)ctx)->events++;
}

static void test_subscribers_get_what_they_asked_for(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_bus *b = NULL;
    struct sh_bus_sub *both = NULL;
    struct sh_bus_sub *only = NULL;
    struct sh_bus_sub *none = NULL;
    struct seen s1 = {0};
    struct seen s2 = {0};
    const struct sh_bus_handler h = {on_slab, on_event};
    const struct sh_bus_handler e = {NULL, on_event};
    assert_ok(sh_bus_new(&t.env, 2, &b));
    assert_ok(sh_bus_subscribe(b, &h, &s1, &both));
    assert_ok(sh_bus_subscribe(b, &e, &s2, &only));
    assert_int_equal(sh_bus_subscribe(b, &h, &s2, &none), SH_E_LIMIT);
    struct sh_batch_builder bb;
    sh_batch_builder_init(&bb, t.env.alloc, 10, 10);
    assert_ok(sh_batch_add(&bb, 1, 1, SH_T_I64, (union sh_cell){.i64 = 1}, 192));
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(t.env.alloc, &bb.view, &slab));
    const struct sh_event ev = {.kind = SH_EVENT_DEVICE_STATE, .object = SH_STR("pump")};
    sh_bus_publish_slab(b, slab, 1);
    sh_bus_publish_event(b, &ev);
    sh_bus_unsubscribe(b, both);
    sh_bus_publish_slab(b, slab, 2);
    sh_bus_publish_event(b, &ev);
    assert_int_equal(s1.slabs, 1);
    assert_int_equal(s1.events, 1);
    assert_int_equal(s2.slabs, 0);
    assert_int_equal(s2.events, 2);
    assert_ok(sh_bus_subscribe(b, &h, &s2, &both)); /* the place is free again */
    sh_slab_unref(slab);
    sh_batch_builder_fini(&bb);
    sh_bus_free(b);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_subscribers_get_what_they_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
