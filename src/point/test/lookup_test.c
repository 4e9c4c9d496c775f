#include <sh/test.h>

#include <stdatomic.h>
#include <stdio.h>

#include <sh/point.h>

enum { POINTS = 3000, READERS = 2 };

struct shared {
    struct sh_points *p;
    atomic_uint made; /* ids up to this are visible */
};

static void reader(void *ctx)
{
    struct shared *s = ctx;
    unsigned seen = 0;
    while (seen < POINTS) {
        seen = atomic_load(&s->made);
        for (unsigned i = 1; i <= seen; i += 7) {
            char name[24];
            (void)snprintf(name, sizeof name, "d%u/p", i);
            const uint32_t id = sh_points_resolve(s->p, 1, sh_str_c(name));
            SH_ASSERT(id == i);
            SH_ASSERT(sh_points_get(s->p, id)->id == id);
        }
    }
}

/* Lookups while the catalogue grows and devices are renamed: every name found, old ones too. */
static void test_lookups_run_beside_changes(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    sh_test_tmpdir(dir);
    const struct sh_env env = sh_env_system();
    const struct sh_points_options o = {.dir = dir};
    struct shared s = {.made = 0};
    assert_ok(sh_points_open(&env, &o, &s.p));
    struct sh_thread t[READERS] = {{.running = false}};
    for (int i = 0; i < READERS; i++) {
        assert_ok(sh_thread_start(&t[i], "reader", reader, &s));
    }
    for (unsigned i = 1; i <= POINTS; i++) {
        char name[24];
        char to[24];
        (void)snprintf(name, sizeof name, "d%u", i);
        (void)snprintf(to, sizeof to, "renamed%u", i);
        const struct sh_point_def d = {
            .tenant = 1, .type = SH_T_F64, .device = sh_str_c(name), .property = SH_STR("p")};
        uint32_t id = 0;
        assert_ok(sh_points_define(s.p, &d, false, &id));
        assert_int_equal(id, i);
        atomic_store(&s.made, i);
        if (i % 3 == 0) {
            assert_ok(sh_points_rename_device(s.p, 1, sh_str_c(name), sh_str_c(to)));
        }
    }
    for (int i = 0; i < READERS; i++) {
        sh_thread_join(&t[i]);
    }
    sh_points_close(s.p);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lookups_run_beside_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
