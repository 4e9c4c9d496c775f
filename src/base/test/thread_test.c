#include <sh/test.h>

#include <sched.h>
#include <stdatomic.h>

static void add_one(void *ctx)
{
    (void)atomic_fetch_add((atomic_int *)ctx, 1);
}

static void test_workers_run_all_that_was_queued(void **state)
{
    SH_UNUSED(state);
    const struct sh_env env = sh_env_system();
    struct sh_workers *w = NULL;
    atomic_int n = 0;
    assert_ok(sh_workers_new(&env, 3, 64, &w));
    for (int i = 0; i < 10000; i++) {
        sh_err err = sh_workers_run(w, add_one, &n);
        for (; err == SH_E_LIMIT; err = sh_workers_run(w, add_one, &n)) {
            (void)sched_yield();
        }
        assert_ok(err);
    }
    sh_workers_stop(w);
    assert_int_equal(sh_workers_run(w, add_one, &n), SH_E_STATE);
    sh_workers_stop(w); /* again: nothing to do */
    sh_workers_free(w);
    assert_int_equal(atomic_load(&n), 10000);
}

struct gate {
    struct sh_mutex lock;
    struct sh_cond cond;
    bool open;
};

static void open_gate(void *ctx)
{
    struct gate *g = ctx;
    sh_mutex_lock(&g->lock);
    g->open = true;
    sh_cond_broadcast(&g->cond);
    sh_mutex_unlock(&g->lock);
}

static void test_condition_wakes_and_times_out(void **state)
{
    SH_UNUSED(state);
    struct gate g = {.open = false};
    sh_mutex_init(&g.lock);
    sh_cond_init(&g.cond);
    sh_mutex_lock(&g.lock);
    assert_false(sh_cond_wait_for(&g.cond, &g.lock, 1000));
    sh_mutex_unlock(&g.lock);
    struct sh_thread t = {0};
    assert_ok(sh_thread_start(&t, "a-name-longer-than-15", open_gate, &g));
    sh_mutex_lock(&g.lock);
    while (!g.open) {
        sh_cond_wait(&g.cond, &g.lock);
    }
    sh_mutex_unlock(&g.lock);
    sh_thread_join(&t);
    sh_cond_fini(&g.cond);
    sh_mutex_fini(&g.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_run_all_that_was_queued),
        cmocka_unit_test(test_condition_wakes_and_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
