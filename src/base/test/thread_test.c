#include <sh/test.h>

#include <sched.h>
#include <stdatomic.h>

#include <sh/fair.h>

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

/* ---- the fair lock ---- */

enum { TAKERS = 4, TAKES = 20000 };

struct fair {
    struct sh_fair lock;
    uint64_t n;      /* under the lock */
    bool inside;     /* under the lock */
    atomic_bool end; /* of the flood */
};

static void take_many(void *ctx)
{
    struct fair *f = ctx;
    for (int i = 0; i < TAKES; i++) {
        sh_fair_lock(&f->lock);
        assert_true(sh_fair_held(&f->lock));
        assert_false(f->inside);
        f->inside = true;
        f->n++;
        sh_cpu_relax();
        f->inside = false;
        sh_fair_unlock(&f->lock);
    }
}

static void test_fair_lock_lets_one_in_at_a_time(void **state)
{
    SH_UNUSED(state);
    struct fair f = {.n = 0};
    struct sh_thread t[TAKERS] = {{.running = false}};
    struct sh_fair_stats st;
    sh_fair_init(&f.lock);
    for (int i = 0; i < TAKERS; i++) {
        assert_ok(sh_thread_start(&t[i], "taker", take_many, &f));
    }
    for (int i = 0; i < TAKERS; i++) {
        sh_thread_join(&t[i]);
    }
    assert_int_equal(f.n, TAKERS * TAKES);
    assert_false(sh_fair_held(&f.lock));
    assert_false(sh_fair_wanted(&f.lock));
    sh_fair_stats(&f.lock, &st);
    assert_true(st.parks == 0 || st.waits > 0);
    sh_fair_fini(&f.lock);
}

static void flood(void *ctx)
{
    struct fair *f = ctx;
    while (!atomic_load(&f->end)) {
        sh_fair_lock(&f->lock);
        for (int i = 0; i < 200; i++) {
            f->n++;
            sh_cpu_relax();
        }
        sh_fair_unlock(&f->lock);
    }
}

/* Two threads that hardly ever let it go do not keep a third one out. */
static void test_fair_lock_does_not_starve_a_waiter(void **state)
{
    SH_UNUSED(state);
    struct fair f = {.n = 0};
    struct sh_thread t[2] = {{.running = false}};
    sh_fair_init(&f.lock);
    for (int i = 0; i < 2; i++) {
        assert_ok(sh_thread_start(&t[i], "flood", flood, &f));
    }
    for (int i = 0; i < 300; i++) {
        sh_fair_lock(&f.lock);
        sh_fair_unlock(&f.lock);
        (void)sched_yield();
    }
    atomic_store(&f.end, true);
    for (int i = 0; i < 2; i++) {
        sh_thread_join(&t[i]);
    }
    sh_fair_fini(&f.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fair_lock_lets_one_in_at_a_time),
        cmocka_unit_test(test_fair_lock_does_not_starve_a_waiter),
        cmocka_unit_test(test_workers_run_all_that_was_queued),
        cmocka_unit_test(test_condition_wakes_and_times_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
