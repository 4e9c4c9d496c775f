#include <sh/test.h>

static size_t file_size(const struct sh_fs *fs, const char *path)
{
    struct sh_file *f = NULL;
    if (sh_fs_open(fs, path, SH_FS_READ, &f) != SH_OK) {
        return SIZE_MAX;
    }
    uint64_t n = 0;
    assert_ok(sh_fs_size(fs, f, &n));
    sh_fs_close(fs, f);
    return (size_t)n;
}

/* What was synced, with its name, is there after every possible cut; a replaced file is the old or
 * the new one and nothing else. */
static void test_replace_is_atomic_at_every_cut(void **state)
{
    SH_UNUSED(state);
    for (long cut = 0; cut < 20; cut++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            struct sh_memfs *m = sh_memfs_new(seed);
            const struct sh_fs *fs = sh_memfs_fs(m);
            assert_ok(sh_fs_mkdirs(fs, "/d/e"));
            assert_ok(sh_fs_replace(fs, "/d/e/f", sh_str_bytes(SH_STR("old"))));
            sh_memfs_cut_after(m, cut);
            const sh_err err = sh_fs_replace(fs, "/d/e/f", sh_str_bytes(SH_STR("newer")));
            sh_memfs_reboot(m);
            const size_t n = file_size(fs, "/d/e/f");
            assert_true(n == 5 || (n == 3 && err != SH_OK));
            sh_memfs_free(m);
        }
    }
}

static void test_unsynced_bytes_may_go_and_dsync_stays(void **state)
{
    SH_UNUSED(state);
    size_t lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sh_memfs *m = sh_memfs_new(seed);
        const struct sh_fs *fs = sh_memfs_fs(m);
        struct sh_file *f = NULL;
        assert_ok(sh_fs_mkdirs(fs, "/d"));
        assert_ok(sh_fs_open(fs, "/d/a", SH_FS_WRITE | SH_FS_CREATE | SH_FS_DSYNC, &f));
        assert_ok(sh_fs_pwrite(fs, f, "durable", 7, 0));
        sh_fs_close(fs, f);
        assert_ok(sh_fs_open(fs, "/d/b", SH_FS_WRITE | SH_FS_CREATE, &f));
        assert_ok(sh_fs_sync_dir(fs, "/d"));
        assert_ok(sh_fs_pwrite(fs, f, "volatile", 8, 0));
        sh_fs_close(fs, f);
        sh_memfs_reboot(m);
        assert_int_equal(file_size(fs, "/d/a"), 7);
        lost += file_size(fs, "/d/b") == 0 ? 1 : 0;
        sh_memfs_free(m);
    }
    assert_true(lost > 5 && lost < 35);
}

static void test_faults_and_space(void **state)
{
    SH_UNUSED(state);
    struct sh_memfs *m = sh_memfs_new(1);
    const struct sh_fs *fs = sh_memfs_fs(m);
    struct sh_file *f = NULL;
    assert_ok(sh_fs_open(fs, "x", SH_FS_WRITE | SH_FS_CREATE, &f));
    sh_memfs_fail_write(m, 1);
    assert_int_equal(sh_fs_pwrite(fs, f, "abcd", 4, 0), SH_E_IO);
    sh_memfs_fail_sync(m, 1);
    assert_int_equal(sh_fs_sync(fs, f), SH_E_IO);
    assert_ok(sh_fs_sync(fs, f));
    sh_memfs_set_space(m, 10);
    assert_int_equal(sh_fs_pwrite(fs, f, "0123456789a", 11, 0), SH_E_FULL);
    assert_ok(sh_fs_pwrite(fs, f, "0123456789", 10, 0));
    sh_fs_close(fs, f);
    assert_int_equal(sh_fs_open(fs, "no/dir", SH_FS_WRITE | SH_FS_CREATE, &f), SH_E_NOTFOUND);
    sh_memfs_free(m);
}

/* A second name holds the bytes when the first is gone, and is durable like any name. */
static void link_holds_the_bytes(const struct sh_fs *fs, const char *dir)
{
    char a[128];
    char b[128];
    struct sh_str all = {NULL, 0};
    (void)snprintf(a, sizeof a, "%s/one", dir);
    (void)snprintf(b, sizeof b, "%s/two", dir);
    assert_int_equal(fs->link(fs->ctx, a, b), SH_E_NOTFOUND);
    assert_ok(sh_fs_replace(fs, a, sh_str_bytes(SH_STR("hello"))));
    assert_ok(fs->link(fs->ctx, a, b));
    assert_int_equal(fs->link(fs->ctx, a, b), SH_E_EXISTS);
    assert_ok(sh_fs_sync_dir(fs, dir));
    assert_ok(sh_fs_unlink(fs, a));
    assert_ok(sh_fs_read_all(fs, sh_alloc_heap(), b, 100, &all));
    assert_str(all, "hello");
    sh_str_free(sh_alloc_heap(), &all);
}

static void test_link_is_a_second_name(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    sh_test_tmpdir(dir);
    link_holds_the_bytes(sh_fs_system(), dir);
    sh_test_rmdir(dir);
    struct sh_memfs *m = sh_memfs_new(1);
    const struct sh_fs *fs = sh_memfs_fs(m);
    assert_ok(sh_fs_mkdirs(fs, "/d"));
    link_holds_the_bytes(fs, "/d");
    sh_memfs_reboot(m);
    struct sh_str all = {NULL, 0};
    assert_ok(sh_fs_read_all(fs, sh_alloc_heap(), "/d/two", 100, &all));
    assert_str(all, "hello");
    sh_str_free(sh_alloc_heap(), &all);
    sh_memfs_free(m);
}

/* A cut does not lose a file that goes to another folder, nor double it. */
static void test_rename_to_another_folder_is_one_step(void **state)
{
    SH_UNUSED(state);
    unsigned moved = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sh_memfs *m = sh_memfs_new(seed * 1000003);
        const struct sh_fs *fs = sh_memfs_fs(m);
        struct sh_file *f = NULL;
        assert_ok(sh_fs_mkdirs(fs, "/a"));
        assert_ok(sh_fs_mkdirs(fs, "/b"));
        assert_ok(sh_fs_replace(fs, "/a/f", sh_str_bytes(SH_STR("hello"))));
        assert_ok(sh_fs_rename(fs, "/a/f", "/b/g"));
        if (seed > 10) {
            assert_ok(sh_fs_sync_dir(fs, seed > 15 ? "/a" : "/b")); /* either makes it durable */
        }
        sh_memfs_reboot(m);
        const bool old = sh_fs_open(fs, "/a/f", SH_FS_READ, &f) == SH_OK;
        sh_fs_close(fs, old ? f : NULL);
        const bool now = sh_fs_open(fs, "/b/g", SH_FS_READ, &f) == SH_OK;
        sh_fs_close(fs, now ? f : NULL);
        assert_true(old != now);
        assert_true(seed <= 10 || now);
        moved += now ? 1 : 0;
        sh_memfs_free(m);
    }
    assert_in_range(moved, 11, 19);
}

static void rename_takes_along(const struct sh_fs *fs, const char *dir)
{
    char a[128];
    char b[128];
    struct sh_str all = {NULL, 0};
    (void)snprintf(a, sizeof a, "%s/from/deep", dir);
    assert_ok(sh_fs_mkdirs(fs, a));
    (void)snprintf(a, sizeof a, "%s/from/deep/f", dir);
    assert_ok(sh_fs_replace(fs, a, sh_str_bytes(SH_STR("hello"))));
    (void)snprintf(a, sizeof a, "%s/from", dir);
    (void)snprintf(b, sizeof b, "%s/to", dir);
    assert_ok(sh_fs_rename(fs, a, b));
    assert_int_equal(sh_fs_rename(fs, a, b), SH_E_NOTFOUND);
    (void)snprintf(b, sizeof b, "%s/to/deep/f", dir);
    assert_ok(sh_fs_read_all(fs, sh_alloc_heap(), b, 100, &all));
    assert_str(all, "hello");
    sh_str_free(sh_alloc_heap(), &all);
    assert_ok(sh_fs_mkdirs(fs, a)); /* the old name is free */
}

static void test_a_folder_takes_along_what_is_in_it(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    sh_test_tmpdir(dir);
    rename_takes_along(sh_fs_system(), dir);
    sh_test_rmdir(dir);
    struct sh_memfs *m = sh_memfs_new(1);
    const struct sh_fs *fs = sh_memfs_fs(m);
    assert_ok(sh_fs_mkdirs(fs, "/d"));
    rename_takes_along(fs, "/d");
    sh_memfs_reboot(m);
    struct sh_str all = {NULL, 0};
    assert_ok(sh_fs_read_all(fs, sh_alloc_heap(), "/d/to/deep/f", 100, &all));
    sh_str_free(sh_alloc_heap(), &all);
    sh_memfs_free(m);
}

static void test_real_file_system_gives_the_same_answers(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    char path[128];
    sh_test_tmpdir(dir);
    const struct sh_fs *fs = sh_fs_system();
    (void)snprintf(path, sizeof path, "%s/a/b", dir);
    assert_ok(sh_fs_mkdirs(fs, path));
    assert_ok(sh_fs_mkdirs(fs, path));
    (void)snprintf(path, sizeof path, "%s/a/b/f", dir);
    assert_ok(sh_fs_replace(fs, path, sh_str_bytes(SH_STR("hello"))));
    struct sh_str all = {NULL, 0};
    assert_ok(sh_fs_read_all(fs, sh_alloc_heap(), path, 100, &all));
    assert_str(all, "hello");
    sh_str_free(sh_alloc_heap(), &all);
    assert_int_equal(sh_fs_read_all(fs, sh_alloc_heap(), path, 4, &all), SH_E_LIMIT);
    struct sh_file *f = NULL;
    assert_int_equal(sh_fs_open(fs, path, SH_FS_WRITE | SH_FS_CREATE | SH_FS_EXCL, &f),
                     SH_E_EXISTS);
    assert_ok(sh_fs_open(fs, path, SH_FS_WRITE, &f));
    assert_ok(fs->prealloc(fs->ctx, f, 3000000));
    struct sh_fs_map map;
    assert_ok(fs->map(fs->ctx, f, &map));
    assert_int_equal(map.n, 3000000);
    assert_int_equal(map.p[2999999], 0);
    fs->unmap(fs->ctx, &map);
    sh_fs_close(fs, f);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace_is_atomic_at_every_cut),
        cmocka_unit_test(test_unsynced_bytes_may_go_and_dsync_stays),
        cmocka_unit_test(test_faults_and_space),
        cmocka_unit_test(test_link_is_a_second_name),
        cmocka_unit_test(test_rename_to_another_folder_is_one_step),
        cmocka_unit_test(test_a_folder_takes_along_what_is_in_it),
        cmocka_unit_test(test_real_file_system_gives_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
