/* One data folder in the place of another, with the power cut at every step. */
#include <sh/test.h>

#include <stdio.h>

#include <sh/swap.h>

#include "../ops_int.h"

struct disk {
    struct sh_test_env t;
    struct sh_memfs *m;
    struct sh_swap s;
    struct sh_diag diag;
};

static void put_file(struct disk *d, const char *path, const char *text)
{
    char dir[OPS_PATH];
    (void)snprintf(dir, sizeof dir, "%s", path);
    dir[sh_str_rfind(sh_str_c(path), '/')] = '\0';
    assert_ok(sh_fs_mkdirs(d->t.env.fs, dir));
    assert_ok(sh_fs_replace(d->t.env.fs, path, sh_str_bytes(sh_str_c(text))));
}

/* What a data folder has: files at the top and folders with files. */
static void put_data(struct disk *d, const char *dir, const char *text)
{
    static const char *const names[] = {"songhua.db",    "songhua.db-wal",    "origin.json",
                                        "history/a.shs", "history/old/b.shs", "journal/1.log",
                                        "blobs/ab/abcd", "keys/node.key"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[OPS_PATH];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        put_file(d, path, text);
    }
}

struct seen {
    struct disk *d;
    const char *dir;
    const char *text;
    unsigned n;
};

static sh_err see(void *ctx, const char *rel)
{
    struct seen *s = ctx;
    char path[OPS_PATH];
    struct sh_str got = {NULL, 0};
    if (sh_str_starts(sh_str_c(rel), SH_STR("replaced-")) ||
        sh_str_starts(sh_str_c(rel), SH_STR("restored/")) ||
        sh_str_starts(sh_str_c(rel), SH_STR("swap.")) || strcmp(rel, "lock") == 0) {
        return SH_OK;
    }
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, rel);
    assert_ok(sh_fs_read_all(s->d->t.env.fs, s->d->t.env.alloc, path, 100, &got));
    assert_true(sh_str_eqc(got, s->text));
    sh_str_free(s->d->t.env.alloc, &got);
    s->n++;
    return SH_OK;
}

/* All eight files of one kind, and none of another. */
static void holds(struct disk *d, const char *dir, const char *text)
{
    struct seen s = {.d = d, .dir = dir, .text = text};
    assert_ok(ops_tree_files(&d->t.env, dir, see, &s));
    assert_int_equal(s.n, 8);
}

static void setup(struct disk *d, uint64_t seed)
{
    memset(d, 0, sizeof *d);
    d->m = sh_memfs_new(seed);
    sh_test_env_init(&d->t, sh_memfs_fs(d->m));
    put_file(d, "/d/lock", "");
    put_data(d, "/d", "old");
    put_file(d, "/d/restored/lock", "");
    put_data(d, "/d/restored", "new");
    assert_ok(ops_tree_sync(&d->t.env, "/d"));
    (void)snprintf(d->s.in, sizeof d->s.in, SH_SWAP_RESTORED);
    (void)snprintf(d->s.by, sizeof d->s.by, "admin");
    (void)snprintf(d->s.why, sizeof d->s.why, "误删 \"pumps\"");
}

static void teardown(struct disk *d)
{
    sh_memfs_free(d->m);
    sh_test_env_fini(&d->t);
}

static sh_err begin(struct disk *d)
{
    d->diag = (struct sh_diag){.line = 0};
    return sh_swap_begin(&d->t.env, "/d", &d->s, &d->diag);
}

static sh_err run(struct disk *d)
{
    d->diag = (struct sh_diag){.line = 0};
    return sh_swap_run(&d->t.env, "/d", &d->s, &d->diag);
}

static bool there(struct disk *d, const char *path)
{
    return ops_exists(&d->t.env, path);
}

static void test_a_start_without_a_wish_does_nothing(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 1);
    assert_ok(run(&d));
    assert_int_equal(d.s.attempt, 0);
    assert_false(sh_swap_waits(&d.t.env, "/d"));
    holds(&d, "/d", "old");
    holds(&d, "/d/restored", "new");
    assert_int_equal(sh_swap_back(&d.t.env, "/d"), SH_E_STATE);
    teardown(&d);
}

static void test_the_restored_takes_the_place_and_the_old_is_kept(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 1);
    assert_ok(begin(&d));
    assert_string_equal(d.s.out, "replaced-20260101T000000Z");
    assert_int_equal(begin(&d), SH_E_EXISTS);
    assert_true(sh_swap_waits(&d.t.env, "/d"));
    holds(&d, "/d", "old"); /* until a start */
    assert_ok(run(&d));
    assert_int_equal(d.s.attempt, 1);
    assert_false(d.s.back);
    assert_string_equal(d.s.by, "admin");
    assert_string_equal(d.s.why, "误删 \"pumps\"");
    holds(&d, "/d", "new");
    holds(&d, "/d/replaced-20260101T000000Z", "old");
    assert_false(there(&d, "/d/restored"));
    assert_true(there(&d, "/d/lock"));
    assert_ok(sh_swap_end(&d.t.env, "/d"));
    assert_ok(run(&d));
    assert_int_equal(d.s.attempt, 0);
    teardown(&d);
}

static void test_what_does_not_open_goes_back(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 1);
    assert_ok(begin(&d));
    assert_ok(run(&d));
    assert_ok(sh_swap_back(&d.t.env, "/d"));
    assert_ok(run(&d));
    assert_true(d.s.back);
    holds(&d, "/d", "old");
    holds(&d, "/d/restored", "new"); /* it can be tried again */
    assert_false(there(&d, "/d/replaced-20260101T000000Z"));
    assert_int_equal(sh_swap_back(&d.t.env, "/d"), SH_E_STATE);
    assert_ok(run(&d)); /* the old one is opened as often as it takes */
    assert_true(d.s.back);
    assert_ok(sh_swap_end(&d.t.env, "/d"));
    assert_ok(begin(&d));
    teardown(&d);
}

static void test_three_starts_that_did_not_come_through_go_back(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 1);
    assert_ok(begin(&d));
    for (unsigned i = 1; i <= SH_SWAP_TRIES; i++) {
        assert_ok(run(&d));
        assert_int_equal(d.s.attempt, i);
        assert_false(d.s.back);
        holds(&d, "/d", "new");
    }
    assert_ok(run(&d));
    assert_true(d.s.back);
    holds(&d, "/d", "old");
    teardown(&d);
}

static void test_the_old_comes_back_when_asked_for(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 1);
    assert_ok(begin(&d));
    assert_ok(run(&d));
    assert_ok(sh_swap_end(&d.t.env, "/d"));
    (void)snprintf(d.s.in, sizeof d.s.in, "replaced-20260101T000000Z");
    assert_ok(begin(&d));
    assert_string_equal(d.s.out, "replaced-20260101T000001Z"); /* not the same name */
    assert_ok(run(&d));
    holds(&d, "/d", "old");
    holds(&d, "/d/replaced-20260101T000001Z", "new");
    teardown(&d);
}

/* Whatever is cut where: the next start ends what was begun, and all of both is there. */
static void cut_everywhere(bool back)
{
    for (long cut = 0;; cut++) {
        struct disk d;
        setup(&d, (uint64_t)cut + 7);
        assert_ok(begin(&d));
        if (back) {
            assert_ok(run(&d));
            assert_ok(sh_swap_back(&d.t.env, "/d"));
        }
        sh_memfs_cut_after(d.m, cut);
        const sh_err first = run(&d);
        unsigned starts = 1;
        for (sh_err err = first; err != SH_OK; starts++) {
            assert_true(starts < 40);
            assert_int_not_equal(d.diag.message[0], '\0');
            sh_memfs_reboot(d.m);
            if (starts == 1) {
                sh_memfs_cut_after(d.m, cut / 2 + 1); /* and once more */
            }
            err = run(&d);
        }
        assert_int_equal(d.s.back, back);
        holds(&d, "/d", back ? "old" : "new");
        holds(&d, back ? "/d/restored" : "/d/replaced-20260101T000000Z", back ? "new" : "old");
        assert_true(there(&d, "/d/lock"));
        teardown(&d);
        if (first == SH_OK) {
            print_message("%ld cuts\n", cut);
            return;
        }
    }
}

static void test_power_cuts_on_the_way(void **state)
{
    (void)state;
    cut_everywhere(false);
}

static void test_power_cuts_on_the_way_back(void **state)
{
    (void)state;
    cut_everywhere(true);
}

static void test_a_full_disk_is_no_hindrance_once_it_is_wanted(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 3);
    sh_memfs_set_space(d.m, 1);
    assert_int_equal(begin(&d), SH_E_FULL);
    holds(&d, "/d", "old");
    sh_memfs_set_space(d.m, 0);
    assert_ok(begin(&d));
    sh_memfs_set_space(d.m, 1);
    assert_ok(run(&d));
    holds(&d, "/d", "new");
    teardown(&d);
}

static void test_what_is_not_there_is_refused(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 4);
    static const char *const bad[] = {"",
                                      "history",
                                      "../x",
                                      "replaced-",
                                      "replaced-20260101T000000",
                                      "replaced-2026010xT000000Z",
                                      "restored/.."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(d.s.in, sizeof d.s.in, "%s", bad[i]);
        assert_int_equal(begin(&d), SH_E_INVAL);
    }
    (void)snprintf(d.s.in, sizeof d.s.in, "replaced-20260101T000000Z");
    assert_int_equal(begin(&d), SH_E_NOTFOUND);
    put_file(&d, "/d/swap.out", "{\"in\":\"/etc\",\"out\":\"restored\"}");
    assert_int_equal(run(&d), SH_E_CORRUPT);
    assert_int_not_equal(d.diag.remedy[0], '\0');
    holds(&d, "/d", "old");
    teardown(&d);
}

static void test_kept_folders_are_listed_and_removed(void **state)
{
    (void)state;
    struct disk d;
    struct sh_swap_kept kept[SH_SWAP_KEPT];
    size_t n = 0;
    setup(&d, 5);
    assert_ok(begin(&d));
    assert_ok(run(&d));
    assert_ok(sh_swap_end(&d.t.env, "/d"));
    put_file(&d, "/d/replaced-20251231T235959Z/songhua.db", "older");
    assert_ok(sh_swap_list(&d.t.env, "/d", kept, &n));
    assert_int_equal(n, 2);
    assert_string_equal(kept[0].name, "replaced-20260101T000000Z");
    assert_int_equal(kept[0].time_us, 1767225600LL * 1000000);
    assert_int_equal(kept[0].bytes, 8 * 3);
    assert_int_equal(kept[1].time_us, 1767225599LL * 1000000);
    const struct sh_str name = SH_STR("replaced-20260101T000000Z");
    assert_ok(sh_swap_remove(&d.t.env, "/d", name, true));
    assert_ok(sh_swap_list(&d.t.env, "/d", kept, &n));
    assert_true(kept[0].records_only);
    assert_int_equal(kept[0].bytes, 4 * 3); /* the records' files, the keys, where they come from */
    (void)snprintf(d.s.in, sizeof d.s.in, "%s", kept[0].name);
    assert_int_equal(begin(&d), SH_E_NOTFOUND);
    assert_ok(sh_swap_remove(&d.t.env, "/d", name, false));
    assert_int_equal(sh_swap_remove(&d.t.env, "/d", name, false), SH_E_NOTFOUND);
    assert_int_equal(sh_swap_remove(&d.t.env, "/d", SH_STR("history"), false), SH_E_INVAL);
    assert_ok(sh_swap_list(&d.t.env, "/d", kept, &n));
    assert_int_equal(n, 1);
    holds(&d, "/d", "new");
    teardown(&d);
}

static void test_more_than_are_kept_are_refused(void **state)
{
    (void)state;
    struct disk d;
    setup(&d, 6);
    for (unsigned i = 0; i < SH_SWAP_KEPT; i++) {
        char path[OPS_PATH];
        (void)snprintf(path, sizeof path, "/d/replaced-202501%02uT000000Z/songhua.db", i + 1);
        put_file(&d, path, "x");
    }
    assert_int_equal(begin(&d), SH_E_LIMIT);
    assert_int_not_equal(d.diag.remedy[0], '\0');
    assert_ok(sh_swap_remove(&d.t.env, "/d", SH_STR("replaced-20250103T000000Z"), false));
    assert_ok(begin(&d));
    teardown(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_without_a_wish_does_nothing),
        cmocka_unit_test(test_the_restored_takes_the_place_and_the_old_is_kept),
        cmocka_unit_test(test_what_does_not_open_goes_back),
        cmocka_unit_test(test_three_starts_that_did_not_come_through_go_back),
        cmocka_unit_test(test_the_old_comes_back_when_asked_for),
        cmocka_unit_test(test_power_cuts_on_the_way),
        cmocka_unit_test(test_power_cuts_on_the_way_back),
        cmocka_unit_test(test_a_full_disk_is_no_hindrance_once_it_is_wanted),
        cmocka_unit_test(test_what_is_not_there_is_refused),
        cmocka_unit_test(test_kept_folders_are_listed_and_removed),
        cmocka_unit_test(test_more_than_are_kept_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
