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
    const struct sh_bus_handler h = {.slab = on_slab, .event = on_event};
    const struct sh_bus_handler e = {.event = on_event};
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

/* Samples that came encoded. */
struct packed {
    struct sh_slab *all;
    int asked;
    uint32_t rows[3]; /* each subscriber's */
};

static struct sh_slab *give_all(void *ctx)
{
    struct packed *p = ctx;
    p->asked++;
    return p->all == NULL ? NULL : sh_slab_ref(p->all);
}

static void add_rows(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    SH_UNUSED(seq);
    *(uint32_t *)ctx += slab->batch.len;
}

static void test_encoded_samples_are_decoded_once_and_only_when_wanted(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_bus *b = NULL;
    struct sh_bus_sub *sub[3];
    struct packed p = {.asked = 0};
    struct sh_slab *newest = NULL;
    struct sh_batch_builder bb;
    static const struct sh_bus_handler few = {.slab = add_rows, .newest = add_rows};
    static const struct sh_bus_handler all = {.slab = add_rows};
    assert_ok(sh_bus_new(&t.env, 3, &b));
    sh_batch_builder_init(&bb, t.env.alloc, 10, 10);
    assert_ok(sh_batch_add(&bb, 1, 1, SH_T_I64, (union sh_cell){.i64 = 1}, 192));
    assert_ok(sh_slab_new(t.env.alloc, &bb.view, &newest));
    assert_ok(sh_batch_add(&bb, 1, 2, SH_T_I64, (union sh_cell){.i64 = 1}, 192));
    assert_ok(sh_slab_new(t.env.alloc, &bb.view, &p.all));
    const struct sh_bus_packed packed = {.newest = newest, .all = give_all, .ctx = &p};
    assert_ok(sh_bus_subscribe(b, &few, &p.rows[0], &sub[0]));
    sh_bus_publish_packed(b, &packed, 1);
    assert_int_equal(p.asked, 0);
    assert_int_equal(p.rows[0], 1);
    assert_ok(sh_bus_subscribe(b, &all, &p.rows[1], &sub[1]));
    assert_ok(sh_bus_subscribe(b, &all, &p.rows[2], &sub[2]));
    sh_bus_publish_packed(b, &packed, 2);
    assert_int_equal(p.asked, 1);
    assert_int_equal(p.rows[0], 2);
    assert_int_equal(p.rows[1], 2);
    assert_int_equal(p.rows[2], 2);
    sh_slab_unref(p.all);
    p.all = NULL; /* without memory the others still get theirs */
    sh_bus_publish_packed(b, &packed, 3);
    assert_int_equal(p.asked, 2);
    assert_int_equal(p.rows[0], 3);
    assert_int_equal(p.rows[2], 2);
    sh_slab_unref(newest);
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
    const struct sh_bus_handler h = {.slab = tell_on_slab, .event = count_event};
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
        cmocka_unit_test(test_encoded_samples_are_decoded_once_and_only_when_wanted),
        cmocka_unit_test(test_slab_handler_may_publish_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
