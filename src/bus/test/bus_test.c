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

struct teller {
    struct sh_bus *bus;
    int events;
};

static void tell_on_slab(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    SH_UNUSED(slab);
    SH_UNUSED(seq);
    const struct sh_event ev = {.kind = SH_EVENT_DEVICE_STATE, .object = SH_STR("pump")};
    sh_bus_publish_event(((struct teller *)ctx)->bus, &ev);
}

static void count_event(void *ctx, const struct sh_event *e)
{
    SH_UNUSED(e);
    ((struct teller *)ctx)->events++;
}

/* The first sample of a device makes its state change: an event out of a slab's handler. */
static void test_slab_handler_may_publish_an_event(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct teller te = {0};
    struct sh_bus_sub *sub = NULL;
    const struct sh_bus_handler h = {tell_on_slab, count_event};
    assert_ok(sh_bus_new(&t.env, 2, &te.bus));
    assert_ok(sh_bus_subscribe(te.bus, &h, &te, &sub));
    sh_bus_publish_slab(te.bus, NULL, 1);
    assert_int_equal(te.events, 1);
    sh_bus_unsubscribe(te.bus, sub);
    sh_bus_free(te.bus);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subscribers_get_what_they_asked_for),
        cmocka_unit_test(test_slab_handler_may_publish_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
