#include <sh/test.h>

#include <stdio.h>

#include "../point_int.h"

struct fixture {
    struct sh_test_env t;
    struct sh_memfs *fs;
    struct sh_points *p;
    struct sh_journal *j;
};

static void fixture_open(struct fixture *f)
{
    const struct sh_points_options o = {.dir = "/data/history"};
    assert_ok(sh_points_open(&f->t.env, &o, &f->p));
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_CATALOGUE, .name = "catalogue", .apply = sh_points_apply, .ctx = f->p};
    const struct sh_journal_options jo = {
        .dir = "/data/journal", .segment_bytes = 1 << 20, .owners = &owner, .owner_count = 1};
    assert_ok(sh_journal_open(&f->t.env, &jo, &f->j));
    sh_points_attach(f->p, f->j);
}

static void fixture_close(struct fixture *f)
{
    sh_journal_close(f->j);
    sh_points_close(f->p);
}

static void fixture_init(struct fixture *f)
{
    f->fs = sh_memfs_new(3);
    sh_test_env_init(&f->t, sh_memfs_fs(f->fs));
    assert_ok(sh_fs_mkdirs(f->t.env.fs, "/data/history"));
    fixture_open(f);
}

static void fixture_fini(struct fixture *f)
{
    fixture_close(f);
    sh_test_env_fini(&f->t);
    sh_memfs_free(f->fs);
}

static uint32_t define(struct fixture *f, const char *device, const char *property,
                       enum sh_type type)
{
    const struct sh_point_def d = {
        .tenant = 1, .type = type, .device = sh_str_c(device), .property = sh_str_c(property)};
    uint32_t id = 0;
    assert_ok(sh_points_define(f->p, &d, true, &id));
    return id;
}

static uint32_t find(const struct fixture *f, const char *name)
{
    return sh_points_resolve(f->p, 1, sh_str_c(name));
}

static bool count_alias(void *ctx, struct sh_str device, struct sh_str property)
{
    SH_UNUSED(property);
    assert_true(device.n > 0);
    (*(int *)ctx)++;
    return true;
}

static void check_story(const struct fixture *f)
{
    assert_int_equal(find(f, "pump/temp"), 0 + 2); /* i64 under the old name is a new id */
    assert_int_equal(sh_points_get(f->p, 2)->previous, 1);
    assert_int_equal(sh_points_get(f->p, 1)->type, SH_T_F64);
    assert_int_equal(find(f, "fan/speed"), 3);
    assert_int_equal(find(f, "fan9/speed"), 3);
    assert_str(sh_points_get(f->p, 3)->device, "fan9");
    assert_int_equal(find(f, "TI-101"), 3);
    assert_str(sh_points_get(f->p, 3)->tag, "TI-101");
    assert_str(sh_points_get(f->p, 3)->unit, "r/min");
    assert_int_equal(find(f, "gone/x"), 0);
    assert_non_null(sh_points_get(f->p, 4));
    int aliases = 0;
    sh_points_aliases(f->p, 3, count_alias, &aliases);
    assert_int_equal(aliases, 1);
    uint32_t ids[4];
    assert_int_equal(sh_points_of_device(f->p, 1, SH_STR("pump"), ids, 4), 1);
    assert_int_equal(ids[0], 2);
    assert_int_equal(sh_points_of_device(f->p, 1, SH_STR("fan"), ids, 4), 0);
    assert_int_equal(sh_points_of_device(f->p, 1, SH_STR("fan9"), ids, 4), 1);
    assert_int_equal(sh_points_resolve(f->p, 2, SH_STR("pump/temp")), 0); /* another tenant */
    assert_int_equal(sh_points_last_id(f->p), 4);
}

static void tell_story(struct fixture *f)
{
    assert_int_equal(define(f, "pump", "temp", SH_T_F64), 1);
    assert_int_equal(define(f, "pump", "temp", SH_T_I64), 2);
    assert_int_equal(define(f, "fan", "speed", SH_T_F64), 3);
    assert_int_equal(define(f, "gone", "x", SH_T_BOOL), 4);
    assert_int_equal(define(f, "fan", "speed", SH_T_F64), 3);
    assert_ok(sh_points_set_tag(f->p, 3, SH_STR("TI-101")));
    assert_int_equal(sh_points_set_tag(f->p, 2, SH_STR("TI-101")), SH_E_EXISTS);
    assert_ok(sh_points_set_unit(f->p, 3, SH_STR("r/min")));
    assert_ok(sh_points_rename_device(f->p, 1, SH_STR("fan"), SH_STR("fan9")));
    assert_int_equal(sh_points_rename_device(f->p, 1, SH_STR("fan"), SH_STR("x")), SH_E_NOTFOUND);
    assert_ok(sh_points_remove_device(f->p, 1, SH_STR("gone")));
}

static void test_names_survive_restart_from_journal_and_from_log(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    fixture_init(&f);
    tell_story(&f);
    check_story(&f);
    fixture_close(&f); /* all in the journal */
    fixture_open(&f);
    check_story(&f);
    assert_ok(sh_points_checkpoint(f.p));
    assert_true(sh_journal_checkpointed(f.j, SH_OWNER_CATALOGUE) > 0);
    fixture_close(&f); /* all in points.log */
    fixture_open(&f);
    check_story(&f);
    /* The freed name may be used again and takes the alias over. */
    assert_int_equal(define(&f, "fan", "speed", SH_T_F64), 5);
    assert_int_equal(find(&f, "fan/speed"), 5);
    assert_int_equal(find(&f, "fan9/speed"), 3);
    /* Ids that history knows and the catalogue lost are left out, and stay so. */
    sh_points_skip(f.p, 3);
    sh_points_skip(f.p, 9);
    assert_int_equal(define(&f, "fan", "power", SH_T_F64), 10);
    assert_null(sh_points_get(f.p, 9));
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(find(&f, "fan/power"), 10);
    assert_null(sh_points_get(f.p, 9));
    fixture_fini(&f);
}

static void test_define_conflicts_and_bad_names(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    fixture_init(&f);
    uint32_t id = 0;
    struct sh_point_def d = {
        .tenant = 1, .type = SH_T_F64, .device = SH_STR("a"), .property = SH_STR("b")};
    assert_ok(sh_points_define(f.p, &d, false, &id));
    d.type = SH_T_TEXT;
    assert_int_equal(sh_points_define(f.p, &d, false, &id), SH_E_CONFLICT);
    static const char *const bad[] = {"", "x/y", "a\nb", "\xff"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        d.property = sh_str_c(bad[i]);
        assert_int_equal(sh_points_define(f.p, &d, false, &id), SH_E_INVAL);
    }
    d.property = SH_STR("c");
    d.device = SH_STR("a/b"); /* a device id may hold a slash: names split at the last one */
    assert_ok(sh_points_define(f.p, &d, false, &id));
    assert_int_equal(find(&f, "a/b/c"), id);
    fixture_fini(&f);
}

/* Power cuts: what the journal said is done is there; ids are never given twice. */
static void test_power_cut_keeps_what_was_committed(void **state)
{
    SH_UNUSED(state);
    for (long cut = 1; cut < 60; cut += 3) {
        struct fixture f;
        fixture_init(&f);
        sh_memfs_cut_after(f.fs, cut);
        char name[16];
        uint32_t safe = 0;
        for (uint32_t i = 1; i <= 12; i++) {
            (void)snprintf(name, sizeof name, "p%u", i);
            const struct sh_point_def d = {
                .tenant = 1, .type = SH_T_F64, .device = SH_STR("d"), .property = sh_str_c(name)};
            uint32_t id = 0;
            if (sh_points_define(f.p, &d, true, &id) != SH_OK) {
                break; /* the journal takes nothing more */
            }
            if (sh_journal_step(f.j) == SH_OK) {
                safe = i;
            }
            if (i % 5 == 0) {
                const sh_err err = sh_points_checkpoint(f.p); /* fails once the power is gone */
                assert_true(err == SH_OK || err == SH_E_IO);
            }
        }
        fixture_close(&f);
        sh_memfs_reboot(f.fs);
        fixture_open(&f);
        for (uint32_t i = 1; i <= safe; i++) {
            (void)snprintf(name, sizeof name, "d/p%u", i);
            assert_int_equal(find(&f, name), i);
        }
        fixture_fini(&f);
    }
}

static void test_many_points_are_found(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    fixture_init(&f);
    for (int d = 0; d < 40; d++) {
        char device[16];
        (void)snprintf(device, sizeof device, "dev%d", d);
        for (int k = 0; k < 200; k++) {
            char prop[16];
            (void)snprintf(prop, sizeof prop, "prop%d", k);
            assert_int_equal(define(&f, device, prop, SH_T_F64), d * 200 + k + 1);
        }
        assert_ok(sh_journal_step(f.j));
    }
    assert_int_equal(find(&f, "dev39/prop199"), 8000);
    assert_int_equal(find(&f, "dev0/prop0"), 1);
    assert_int_equal(find(&f, "dev40/prop0"), 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_survive_restart_from_journal_and_from_log),
        cmocka_unit_test(test_define_conflicts_and_bad_names),
        cmocka_unit_test(test_power_cut_keeps_what_was_committed),
        cmocka_unit_test(test_many_points_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
