#include <sh/test.h>

#include <sh/loop.h>

#define MS INT64_C(1000)

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    int n;
    int64_t at[64];
    struct sh_timer timer;
    struct sh_job job;
};

static void begin(struct fix *f)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
}

static void end(struct fix *f)
{
    sh_loop_free(f->l);
    sh_test_env_fini(&f->t);
}

static void note(void *ctx)
{
    struct fix *f = ctx;
    if (f->n < 64) {
        f->at[f->n] = f->t.mono_us;
    }
    f->n++;
}

static void test_timer_fires_not_before_and_at_its_tick(void **state)
{
    (void)state;
    static const int64_t after_ms[] = {1,     2,     255,    256,     257,      65535,
                                       65536, 65537, 100000, 1 << 24, 20000000, 3000000000};
    struct fix f;
    begin(&f);
    for (size_t i = 0; i < SH_COUNT(after_ms); i++) {
        f.n = 0;
        sh_timer_init(&f.timer, note, &f);
        sh_timer_set(f.l, &f.timer, after_ms[i] * MS);
        assert_true(sh_timer_is_set(&f.timer));
        sh_test_advance(&f.t, after_ms[i] * MS - 1);
        (void)sh_loop_turn(f.l);
        assert_int_equal(f.n, 0);
        sh_test_advance(&f.t, MS); /* rounded up to a tick */
        (void)sh_loop_turn(f.l);
        assert_int_equal(f.n, 1);
        assert_false(sh_timer_is_set(&f.timer));
        sh_test_advance(&f.t, 777);
    }
    end(&f);
}

enum { MANY = 500 };
struct many {
    struct sh_timer timer;
    struct fix *f;
    int64_t due_us;
    bool fired;
};

static void many_fired(void *ctx)
{
    struct many *m = ctx;
    assert_false(m->fired);
    m->fired = true;
    assert_true(m->f->t.mono_us >= m->due_us);
    m->f->n++;
}

/* Random timers over nine orders of magnitude, random jumps: each fires once, never early, and at
 * the first turn that is late enough. */
static void test_timers_random_jumps(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    static struct many m[MANY];
    uint64_t rng = 42;
    for (int i = 0; i < MANY; i++) {
        rng = rng * 6364136223846793005U + 1442695040888963407U;
        const int64_t after = (int64_t)((rng >> 20) % ((uint64_t)1 << (rng >> 60) * 3));
        m[i] = (struct many){.f = &f, .due_us = f.t.mono_us + after * MS};
        sh_timer_init(&m[i].timer, many_fired, &m[i]);
        sh_timer_set(f.l, &m[i].timer, after * MS);
    }
    while (f.n < MANY) {
        rng = rng * 6364136223846793005U + 1442695040888963407U;
        sh_test_advance(&f.t, (int64_t)((rng >> 20) % ((uint64_t)1 << ((rng >> 61) * 5 + 8))) + MS);
        (void)sh_loop_turn(f.l);
        for (int i = 0; i < MANY; i++) {
            assert_true(m[i].fired || m[i].due_us + MS > f.t.mono_us);
        }
    }
    end(&f);
}

static void test_timer_stop_and_move(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    sh_timer_init(&f.timer, note, &f);
    sh_timer_stop(&f.timer); /* not set: nothing happens */
    sh_timer_set(f.l, &f.timer, 10 * MS);
    sh_timer_set(f.l, &f.timer, 20 * MS);
    sh_test_advance(&f.t, 15 * MS);
    (void)sh_loop_turn(f.l);
    assert_int_equal(f.n, 0);
    sh_timer_stop(&f.timer);
    sh_test_advance(&f.t, 100 * MS);
    (void)sh_loop_turn(f.l);
    assert_int_equal(f.n, 0);
    end(&f);
}

static void again(void *ctx)
{
    struct fix *f = ctx;
    f->n++;
    sh_loop_defer(f->l, &f->job);
}

/* A job that defers itself runs once a turn: input is not starved. */
static void test_defer_runs_once_a_turn_and_can_be_cancelled(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    f.job = (struct sh_job){.fn = again, .ctx = &f};
    sh_loop_defer(f.l, &f.job);
    sh_loop_defer(f.l, &f.job); /* already deferred */
    assert_int_equal(f.n, 0);   /* never at once */
    assert_true(sh_loop_turn(f.l));
    assert_int_equal(f.n, 1);
    assert_true(sh_loop_turn(f.l));
    assert_int_equal(f.n, 2);
    sh_job_cancel(f.l, &f.job);
    assert_false(sh_loop_turn(f.l));
    assert_int_equal(f.n, 2);
    end(&f);
}

static void test_post_is_bounded_in_order_and_never_lost(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    const struct sh_loop_opts o = {.post_max = 3};
    struct fix f = {.t = t};
    struct sh_loop *l = NULL;
    assert_ok(sh_loop_new(&t.env, &o, &l));
    for (int i = 0; i < 3; i++) {
        assert_ok(sh_loop_post(l, note, &f));
    }
    assert_int_equal(sh_loop_post(l, note, &f), SH_E_LIMIT);
    struct sh_job own = {.fn = note, .ctx = &f};
    sh_loop_post_job(l, &own); /* the caller's own job always goes */
    struct sh_net_stats s;
    sh_loop_stats(l, &s, false);
    assert_int_equal(s.posts_queued, 3);
    assert_int_equal(s.posts_refused, 1);
    (void)sh_loop_turn(l);
    assert_int_equal(f.n, 4);
    assert_ok(sh_loop_post(l, note, &f));
    sh_loop_free(l); /* runs it */
    assert_int_equal(f.n, 5);
    sh_test_env_fini(&t);
}

static sh_err make_and_post(struct sh_test_env *t)
{
    struct sh_loop *l = NULL;
    SH_TRY(sh_loop_new(&t->env, NULL, &l));
    struct fix f = {0};
    const sh_err e = sh_loop_post(l, note, &f);
    sh_loop_free(l);
    return e;
}

static void test_loop_out_of_memory(void **state)
{
    (void)state;
    sh_test_oom(make_and_post);
}

static void test_stop_before_run_ends_it(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    sh_loop_stop(f.l);
    sh_loop_run(f.l);
    assert_true(sh_loop_here(f.l));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_fires_not_before_and_at_its_tick),
        cmocka_unit_test(test_timers_random_jumps),
        cmocka_unit_test(test_timer_stop_and_move),
        cmocka_unit_test(test_defer_runs_once_a_turn_and_can_be_cancelled),
        cmocka_unit_test(test_post_is_bounded_in_order_and_never_lost),
        cmocka_unit_test(test_loop_out_of_memory),
        cmocka_unit_test(test_stop_before_run_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
