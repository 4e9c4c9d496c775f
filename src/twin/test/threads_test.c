#include "twin_fix.h"

enum { MAKERS = 3, EACH = 300 };

struct job {
    struct fix *f;
    _Atomic int *stop;
    int id;
    int failed;
};

/* All makers make the same devices, in different orders. */
static void make(void *ctx)
{
    struct job *j = ctx;
    for (int i = 0; i < EACH; i++) {
        char id[32];
        char detail[SH_TWIN_DETAIL];
        (void)snprintf(id, sizeof id, "d%03d", (i * (j->id + 1) * 7) % EACH);
        if (sh_twin_device_ensure(j->f->w, 1, sh_str_c(id), NULL, 0, true, detail) != SH_TWIN_OK) {
            j->failed++;
        }
        sh_twin_seen(j->f->w, 1, sh_str_c(id));
    }
}

static void list(void *ctx)
{
    struct job *j = ctx;
    while (!*j->stop) {
        struct sh_arena *ar = sh_arena_new(sh_alloc_heap(), 16 << 20);
        const struct sh_twin_query q = {
            .tenant = 1, .sort = SH_STR("-last"), .search = SH_STR("d1"), .want_total = true};
        struct sh_twin_page page = {.n = 0};
        if (sh_twin_devices(j->f->w, &q, ar, &page, NULL) != SH_OK || page.total > 100) {
            j->failed++;
        }
        sh_arena_free(ar);
    }
}

static void change(void *ctx)
{
    struct job *j = ctx;
    json_t *body = fix_json("{'name':'n','labels':{'a':'b'}}");
    for (int i = 0; i < 40; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "d%03d", i);
        const sh_err err = sh_twin_device_put(j->f->w, 1, sh_str_c(id),
                                              i % 2 == 0 ? SH_TWIN_CREATE : SH_TWIN_PATCH, body,
                                              SH_RECORD_ANY, SH_STR("li"), NULL, NULL);
        if (err != SH_OK && err != SH_E_EXISTS && err != SH_E_NOTFOUND) {
            j->failed++;
        }
        if (i % 8 == 7) {
            const sh_err gone =
                sh_twin_device_delete(j->f->w, 1, sh_str_c(id), SH_RECORD_ANY, SH_STR(""));
            if (gone != SH_OK && gone != SH_E_NOTFOUND) {
                j->failed++;
            }
        }
    }
    json_decref(body);
}

static void tick(void *ctx)
{
    struct job *j = ctx;
    while (!*j->stop) {
        if (sh_twin_tick(j->f->w) != SH_OK) {
            j->failed++;
        }
    }
}

/* The journal's apply thread: samples of one of the devices. */
static void samples(void *ctx)
{
    struct job *j = ctx;
    struct sh_batch_builder b;
    const struct sh_point_def d = {
        .tenant = 1, .type = SH_T_F64, .device = SH_STR("d200"), .property = SH_STR("t")};
    sh_batch_builder_init(&b, sh_alloc_heap(), 16, 16);
    while (!*j->stop) {
        struct sh_slab *slab = NULL;
        uint32_t id = 0;
        sh_batch_builder_clear(&b);
        if (sh_points_define(j->f->p, &d, true, &id) != SH_OK ||
            sh_batch_add(&b, id, 1, SH_T_F64, (union sh_cell){.f64 = 1}, SH_Q_GOOD) != SH_OK ||
            sh_slab_new(sh_alloc_heap(), &b.view, &slab) != SH_OK) {
            continue; /* the journal's queue may be full */
        }
        sh_bus_publish_slab(j->f->bus, slab, 1);
        sh_slab_unref(slab);
    }
    sh_batch_builder_fini(&b);
}

static void test_many_threads_agree(void **state)
{
    struct fix *f = *state;
    _Atomic int stop = 0;
    static void (*const fns[])(void *) = {make, make, make, change, list, tick, samples};
    struct job jobs[SH_COUNT(fns)];
    struct sh_thread threads[SH_COUNT(fns)];
    for (size_t i = 0; i < SH_COUNT(fns); i++) {
        jobs[i] = (struct job){.f = f, .id = (int)i, .stop = &stop};
        assert_ok(sh_thread_start(&threads[i], "t", fns[i], &jobs[i]));
    }
    for (size_t i = 0; i < SH_COUNT(fns); i++) {
        if (i == MAKERS + 1) {
            stop = 1;
        }
        sh_thread_join(&threads[i]);
        assert_int_equal(jobs[i].failed, 0);
    }
    assert_ok(sh_twin_tick(f->w));
    struct sh_twin_counts before;
    struct sh_twin_counts after;
    sh_twin_counts(f->w, 1, &before);
    assert_int_equal(before.total, before.online + before.offline + before.never);
    fix_reopen(f);
    sh_twin_counts(f->w, 1, &after);
    assert_int_equal(after.total, before.total);
    assert_int_equal(after.online, before.online);
}

static void no_sent(void *ctx, json_t *doc)
{
    *(int *)ctx += sh_str_eqc(sh_json_get_str(doc, "state"), "sent") ? 1 : 0;
}

/* What has ended is never read as on its way, however busy the one is who stores it. */
static void test_an_ended_command_is_not_read_as_sent(void **state)
{
    struct fix *f = *state;
    _Atomic int stop = 0;
    struct sh_thread thread;
    struct job storing = {.f = f, .stop = &stop};
    const struct sh_twin_commands_query q = {.tenant = 1, .device = SH_STR("p"), .limit = 5};
    json_t *body = fix_json("{'service':'start'}");
    int sent = 0;
    assert_ok(
        fix_thing(f, "pump", SH_TWIN_CREATE, "{'properties':[],'services':[{'id':'start'}]}"));
    assert_ok(fix_device(f, "p", SH_TWIN_CREATE, "{'thing':'pump'}"));
    assert_ok(sh_twin_write_enable(f->w, 1, q.device, SH_STR("test"),
                                   f->t.wall_us + INT64_C(3600000000), SH_STR("li"), &f->diag));
    assert_ok(sh_thread_start(&thread, "t", tick, &storing));
    for (int i = 0; i < 60; i++) {
        struct sh_str id;
        struct sh_str next;
        json_t *doc = NULL;
        assert_ok(sh_twin_command_start(f->w, 1, q.device, body, SH_STR("li"), f->ar, &id, NULL));
        assert_ok(sh_twin_command_done(f->w, 1, id, true, SH_STR("")));
        for (int k = 0; k < 5; k++) {
            assert_ok(sh_twin_commands(f->w, &q, f->ar, &next, no_sent, &sent));
            assert_ok(sh_twin_command_get(f->w, 1, id, &doc));
            no_sent(&sent, doc);
            json_decref(doc);
        }
    }
    atomic_store(&stop, 1);
    sh_thread_join(&thread);
    json_decref(body);
    assert_int_equal(storing.failed, 0);
    assert_int_equal(sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_threads_agree, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_an_ended_command_is_not_read_as_sent, fix_setup,
                                        fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
