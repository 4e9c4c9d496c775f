/* Notes of late samples: what is late, how it is gathered, how often it is told, and that the table
 * of devices is bounded. */
#include <sh/test.h>

#include <stdio.h>

#include "../late.h"

static const int64_t sec = 1000000;

struct fixture {
    struct sh_test_env t;
    struct sh_memfs *fs;
    struct sh_points *points;
    struct late *late;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.fs = sh_memfs_new(3)};
    sh_test_env_init(&f->t, sh_memfs_fs(f->fs));
    assert_ok(sh_fs_mkdirs(f->t.env.fs, "/d"));
    const struct sh_points_options po = {.dir = "/d", .max_points = 10000};
    assert_ok(sh_points_open(&f->t.env, &po, &f->points));
    assert_ok(late_new(&f->t.env, f->points, &f->late));
    late_set(f->late, 60 * sec);
}

static void end(struct fixture *f)
{
    late_free(f->late);
    sh_points_close(f->points);
    sh_test_env_fini(&f->t);
    sh_memfs_free(f->fs);
}

static uint32_t define(struct fixture *f, const char *device, const char *property)
{
    uint32_t id = 0;
    const struct sh_point_def d = {
        .tenant = 1, .device = sh_str_c(device), .property = sh_str_c(property), .type = SH_T_F64};
    assert_ok(sh_points_define(f->points, &d, true, &id));
    return id;
}

/* One sample of that age. */
static void arrive(struct fixture *f, uint32_t point, int64_t age_s)
{
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, f->t.env.alloc, 1, 1);
    const int64_t at = sh_wall_us(f->t.env.clock) - age_s * sec;
    assert_ok(sh_batch_add(&b, point, at, SH_T_F64, (union sh_cell){.f64 = 1}, SH_Q_GOOD));
    late_batch(f->late, 1, &b.view);
    sh_batch_builder_fini(&b);
}

static void test_what_is_late_is_gathered_and_told(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct late_note n;
    begin(&f);
    const uint32_t a = define(&f, "pump", "flow");
    const uint32_t b = define(&f, "pump", "power");
    arrive(&f, a, 59);                      /* in time */
    arrive(&f, a, INT64_C(31) * 24 * 3600); /* brought in */
    arrive(&f, a, -3600);                   /* ahead */
    assert_false(late_take(f.late, true, &n));
    const int64_t now = sh_wall_us(f.t.env.clock);
    arrive(&f, a, 300);
    sh_test_advance(&f.t, 9 * sec);
    arrive(&f, b, 61);
    assert_false(late_take(f.late, false, &n)); /* more may follow */
    sh_test_advance(&f.t, 1 * sec);
    assert_true(late_take(f.late, false, &n));
    assert_int_equal(n.tenant, 1);
    assert_str(n.device, "pump");
    assert_int_equal(n.samples, 2);
    assert_true(n.from_us == now - 300 * sec && n.to_us == now + 9 * sec - 61 * sec);
    assert_true(n.delay_us == 300 * sec);
    assert_false(late_take(f.late, false, &n));
    end(&f);
}

static void test_a_clock_that_is_behind_is_told_every_ten_minutes(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct late_note n;
    uint64_t told = 0;
    uint64_t samples = 0;
    begin(&f);
    const uint32_t a = define(&f, "pump", "flow");
    for (int i = 0; i < 3600; i++) {
        arrive(&f, a, 120);
        while (late_take(f.late, false, &n)) {
            told++;
            samples += n.samples;
        }
        sh_test_advance(&f.t, sec);
    }
    assert_int_equal(told, 6);
    assert_true(late_take(f.late, true, &n)); /* at the end what is left */
    assert_int_equal(samples + n.samples, 3600);
    end(&f);
}

static void test_zero_notes_nothing_and_events_are_not_late(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct late_note n;
    begin(&f);
    arrive(&f, define(&f, "pump", "event:alarm"), 300);
    assert_false(late_take(f.late, true, &n));
    late_set(f.late, 0);
    arrive(&f, define(&f, "pump", "flow"), 300);
    assert_false(late_take(f.late, true, &n));
    end(&f);
}

static void test_devices_are_bounded_and_counted(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct late_note n;
    begin(&f);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2000; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "d-%d-%d", round, i);
            arrive(&f, define(&f, name, "v"), 300);
        }
        assert_int_equal(late_missed(f.late), (round + 1) * (2000 - 1536));
        size_t told = 0;
        while (late_take(f.late, true, &n)) {
            told++;
        }
        assert_int_equal(told, 1536);
        sh_test_advance(&f.t, 700 * sec); /* then they may go */
    }
    end(&f);
}

static sh_err whole_life(struct sh_test_env *t)
{
    struct late *l = NULL;
    const sh_err err = late_new(&t->env, NULL, &l);
    late_free(l);
    return err;
}

static void test_without_memory_it_fails_clean(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(whole_life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_late_is_gathered_and_told),
        cmocka_unit_test(test_a_clock_that_is_behind_is_told_every_ten_minutes),
        cmocka_unit_test(test_zero_notes_nothing_and_events_are_not_late),
        cmocka_unit_test(test_devices_are_bounded_and_counted),
        cmocka_unit_test(test_without_memory_it_fails_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
