/* Marks of the file system, against one that says what the test wants. */
#include <sh/test.h>

#include <sh/disk.h>

#define GIB (UINT64_C(1) << 30)

struct liar {
    struct sh_test_env t;
    struct sh_fs fs;
    uint64_t used;
    uint64_t total;
    sh_err err;
    struct sh_disk *d;
};

static sh_err told_space(void *ctx, const char *path, uint64_t *free_bytes, uint64_t *total_bytes)
{
    const struct liar *l = ctx;
    assert_string_equal(path, "/d");
    *total_bytes = l->total;
    *free_bytes = l->total - l->used;
    return l->err;
}

static void begin(struct liar *l, uint64_t total)
{
    *l = (struct liar){.total = total};
    sh_test_env_init(&l->t, NULL);
    l->fs = (struct sh_fs){.space = told_space, .ctx = l};
    l->t.env.fs = &l->fs;
    assert_ok(sh_disk_new(&l->t.env, &(struct sh_disk_options){.dir = "/d"}, &l->d));
}

static void end(struct liar *l)
{
    sh_disk_free(l->d);
    sh_test_env_fini(&l->t);
}

/* Measures with that many bytes in use. */
static sh_err measure(struct liar *l, uint64_t used, sh_err err, bool *changed)
{
    l->used = used;
    l->err = err;
    return sh_disk_measure(l->d, changed);
}

/* Measures with `permille` of the whole in use. */
static enum sh_disk_level at(struct liar *l, uint64_t permille, bool *changed)
{
    struct sh_disk_state s;
    const double used = (double)l->total / 1000 * (double)permille;
    assert_ok(measure(l, (uint64_t)used, SH_OK, changed));
    sh_disk_state(l->d, &s);
    return s.level;
}

static void test_marks_are_entered_and_left_with_hysteresis(void **state)
{
    (void)state;
    static const struct {
        uint64_t permille;
        enum sh_disk_level want;
        bool changed;
    } rows[] = {
        {0, SH_DISK_OK, false},     {799, SH_DISK_OK, false},   {801, SH_DISK_WARN, true},
        {795, SH_DISK_WARN, false}, {899, SH_DISK_WARN, false}, {901, SH_DISK_ACT, true},
        {895, SH_DISK_ACT, false},  {969, SH_DISK_ACT, false},  {971, SH_DISK_STOP, true},
        {965, SH_DISK_STOP, false}, {959, SH_DISK_ACT, true},   {985, SH_DISK_STOP, true},
        {885, SH_DISK_WARN, true},  {785, SH_DISK_OK, true},    {1000, SH_DISK_STOP, true},
        {100, SH_DISK_OK, true},
    };
    /* a gateway's flash, a disk, and more than any disk: the marks are the same */
    static const uint64_t sizes[] = {UINT64_C(8) << 20, 500 * GIB, UINT64_C(1) << 60};
    for (size_t s = 0; s < SH_COUNT(sizes); s++) {
        struct liar l;
        begin(&l, sizes[s]);
        for (size_t i = 0; i < SH_COUNT(rows); i++) {
            bool changed = false;
            assert_int_equal(at(&l, rows[i].permille, &changed), rows[i].want);
            assert_int_equal(changed, rows[i].changed);
        }
        end(&l);
    }
}

static void test_date_follows_the_growth_of_the_last_hour(void **state)
{
    (void)state;
    struct liar l;
    struct sh_disk_state s;
    bool changed = false;
    begin(&l, 1000 * GIB);
    l.used = 500 * GIB;
    assert_ok(sh_disk_measure(l.d, &changed));
    sh_disk_state(l.d, &s);
    assert_true(s.full_us == 0); /* one measurement says nothing */
    for (int i = 0; i < 7200; i++) {
        sh_test_advance(&l.t, 1000000);
        l.used += GIB / 60; /* a GiB a minute */
        assert_ok(sh_disk_measure(l.d, &changed));
    }
    sh_disk_state(l.d, &s);
    /* 620 of 970 are used: 350 minutes are left */
    const double minutes = (double)(s.full_us - l.t.wall_us) / 60e6;
    assert_true(minutes > 349 && minutes < 351);
    /* ten times slower: after an hour only that counts */
    for (int i = 0; i < 3700; i++) {
        sh_test_advance(&l.t, 1000000);
        l.used += GIB / 600;
        assert_ok(sh_disk_measure(l.d, &changed));
    }
    sh_disk_state(l.d, &s);
    const double slower = (double)(s.full_us - l.t.wall_us) / 60e6;
    assert_true(slower > 3400 && slower < 3470);
    end(&l);
}

static void test_date_is_absent_without_growth_and_after_a_deletion(void **state)
{
    (void)state;
    struct liar l;
    struct sh_disk_state s;
    bool changed = false;
    begin(&l, 100 * GIB);
    for (int i = 0; i < 700; i++) {
        sh_test_advance(&l.t, 1000000);
        assert_ok(measure(&l, 50 * GIB, SH_OK, &changed));
    }
    sh_disk_state(l.d, &s);
    assert_true(s.full_us == 0);
    sh_test_advance(&l.t, 1000000);
    assert_ok(measure(&l, 60 * GIB, SH_OK, &changed));
    sh_disk_state(l.d, &s);
    assert_true(s.full_us > l.t.wall_us);
    sh_test_advance(&l.t, 1000000); /* deleted: what was before is no growth any more */
    assert_ok(measure(&l, 55 * GIB, SH_OK, &changed));
    sh_disk_state(l.d, &s);
    assert_true(s.full_us == 0);
    sh_test_advance(&l.t, 60000000); /* past the mark there is no date */
    assert_ok(measure(&l, 98 * GIB, SH_OK, &changed));
    sh_disk_state(l.d, &s);
    assert_true(s.full_us == 0 && s.level == SH_DISK_STOP);
    end(&l);
}

/* What a start writes is no growth that goes on; near the end there is no time to wait. */
static void test_date_waits_for_ten_minutes_below_the_first_mark(void **state)
{
    (void)state;
    struct liar l;
    struct sh_disk_state s;
    bool changed = false;
    begin(&l, 100 * GIB);
    l.used = 20 * GIB;
    for (int i = 0; i < 659; i++) { /* 30 GiB at once, then a little */
        sh_test_advance(&l.t, 1000000);
        l.used += i == 5 ? 30 * GIB : GIB / 600;
        assert_ok(sh_disk_measure(l.d, &changed));
        sh_disk_state(l.d, &s);
        assert_true(s.full_us == 0);
    }
    for (int i = 0; i < 3; i++) {
        sh_test_advance(&l.t, 1000000);
        l.used += GIB / 600;
        assert_ok(sh_disk_measure(l.d, &changed));
    }
    sh_disk_state(l.d, &s);
    const double hours = (double)(s.full_us - l.t.wall_us) / 3600e6;
    assert_true(hours > 7.5 && hours < 7.8); /* 45.9 GiB at 0.1 GiB a minute */
    end(&l);
    begin(&l, 100 * GIB);
    l.used = 85 * GIB;
    for (int i = 0; i < 12; i++) {
        assert_ok(sh_disk_measure(l.d, &changed));
        sh_test_advance(&l.t, 1000000);
        l.used += GIB / 600;
    }
    sh_disk_state(l.d, &s);
    assert_true(s.full_us > l.t.wall_us);
    end(&l);
}

static void test_a_failed_measurement_keeps_the_state(void **state)
{
    (void)state;
    struct liar l;
    struct sh_disk_state s;
    bool changed = true;
    begin(&l, 100 * GIB);
    assert_int_equal(at(&l, 980, &changed), SH_DISK_STOP);
    assert_int_equal(measure(&l, 0, SH_E_IO, &changed), SH_E_IO);
    assert_false(changed);
    sh_disk_state(l.d, &s);
    assert_true(s.level == SH_DISK_STOP && s.errors == 1 && s.percent > 97.9);
    l.total = 0; /* a file system that has no size */
    assert_ok(measure(&l, 0, SH_OK, &changed));
    sh_disk_state(l.d, &s);
    assert_true(changed && s.level == SH_DISK_OK && s.percent < 0.1);
    end(&l);
}

static void test_marks_out_of_order_are_refused(void **state)
{
    (void)state;
    static const unsigned rows[][3] = {{91, 90, 97}, {80, 98, 97}, {80, 90, 101}};
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_disk *d = NULL;
        const struct sh_disk_options o = {
            .dir = "/d", .warn = rows[i][0], .act = rows[i][1], .stop = rows[i][2]};
        assert_int_equal(sh_disk_new(&t.env, &o, &d), SH_E_INVAL);
    }
    sh_test_env_fini(&t);
}

static void test_marks_change_while_it_measures(void **state)
{
    (void)state;
    struct liar l;
    struct sh_disk_state is;
    bool changed = false;
    begin(&l, 1000);
    assert_ok(measure(&l, 600, SH_OK, &changed));
    assert_ok(sh_disk_set_marks(l.d, 50, 70, 100));
    assert_ok(measure(&l, 600, SH_OK, &changed));
    sh_disk_state(l.d, &is);
    assert_true(changed);
    assert_int_equal(is.level, SH_DISK_WARN);
    assert_int_equal(sh_disk_set_marks(l.d, 0, 90, 97), SH_E_INVAL);
    assert_int_equal(sh_disk_set_marks(l.d, 91, 90, 97), SH_E_INVAL);
    assert_int_equal(sh_disk_set_marks(l.d, 80, 90, 101), SH_E_INVAL);
    assert_ok(sh_disk_set_marks(l.d, 80, 90, 97));
    assert_ok(measure(&l, 600, SH_OK, &changed));
    sh_disk_state(l.d, &is);
    assert_int_equal(is.level, SH_DISK_OK);
    end(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_are_entered_and_left_with_hysteresis),
        cmocka_unit_test(test_date_follows_the_growth_of_the_last_hour),
        cmocka_unit_test(test_date_is_absent_without_growth_and_after_a_deletion),
        cmocka_unit_test(test_date_waits_for_ten_minutes_below_the_first_mark),
        cmocka_unit_test(test_a_failed_measurement_keeps_the_state),
        cmocka_unit_test(test_marks_out_of_order_are_refused),
        cmocka_unit_test(test_marks_change_while_it_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
