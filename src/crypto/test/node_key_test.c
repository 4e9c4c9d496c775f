#include <sh/test.h>

#include <sh/crypto.h>

#include <stdio.h>
#include <sys/stat.h>

static void test_key_is_made_once_and_read_again(void **state)
{
    SH_UNUSED(state);
    char dir[64];
    char path[96];
    sh_test_tmpdir(dir);
    (void)snprintf(path, sizeof path, "%s/node.key", dir);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    uint8_t a[SH_KEY_BYTES];
    uint8_t b[SH_KEY_BYTES];
    struct sh_diag diag = {0};
    assert_int_equal(sh_node_key_open(&t.env, path, false, a, &diag), SH_E_NOTFOUND);
    assert_ok(sh_node_key_open(&t.env, path, true, a, &diag));
    assert_ok(sh_node_key_open(&t.env, path, false, b, &diag));
    assert_memory_equal(a, b, sizeof a);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    sh_test_env_fini(&t);
    sh_test_rmdir(dir);
}

static void test_key_that_is_damaged_is_refused(void **state)
{
    SH_UNUSED(state);
    struct sh_memfs *m = sh_memfs_new(1);
    struct sh_test_env t;
    sh_test_env_init(&t, sh_memfs_fs(m));
    uint8_t a[SH_KEY_BYTES];
    uint8_t b[SH_KEY_BYTES];
    struct sh_diag diag = {0};
    assert_ok(sh_fs_mkdirs(t.env.fs, "k"));
    assert_ok(sh_node_key_open(&t.env, "k/node.key", true, a, &diag));
    for (uint64_t at = 0; at < 84; at++) { /* 0x80 makes every byte one that can not be there */
        assert_true(sh_memfs_poke(m, "k/node.key", at, 0x80));
        assert_int_equal(sh_node_key_open(&t.env, "k/node.key", true, b, &diag), SH_E_CORRUPT);
        assert_true(diag.remedy[0] != '\0');
        assert_true(sh_memfs_poke(m, "k/node.key", at, 0x80));
    }
    assert_ok(sh_node_key_open(&t.env, "k/node.key", true, b, &diag));
    assert_memory_equal(a, b, sizeof a);
    sh_test_env_fini(&t);
    sh_memfs_free(m);
}

/* Power cut after any operation: either no key yet, or the whole of one. */
static void test_key_after_a_power_cut_is_whole_or_missing(void **state)
{
    SH_UNUSED(state);
    for (long cut = 0; cut < 12; cut++) {
        struct sh_memfs *m = sh_memfs_new((uint64_t)cut + 1);
        struct sh_test_env t;
        sh_test_env_init(&t, sh_memfs_fs(m));
        assert_ok(sh_fs_mkdirs(t.env.fs, "k"));
        assert_ok(sh_fs_sync_dir(t.env.fs, "."));
        uint8_t a[SH_KEY_BYTES];
        uint8_t b[SH_KEY_BYTES];
        sh_memfs_cut_after(m, cut);
        const sh_err made = sh_node_key_open(&t.env, "k/node.key", true, a, NULL);
        sh_memfs_reboot(m);
        const sh_err read = sh_node_key_open(&t.env, "k/node.key", false, b, NULL);
        if (made == SH_OK) {
            assert_ok(read);
            assert_memory_equal(a, b, sizeof a);
        } else {
            assert_true(read == SH_OK || read == SH_E_NOTFOUND);
        }
        sh_test_env_fini(&t);
        sh_memfs_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_is_made_once_and_read_again),
        cmocka_unit_test(test_key_that_is_damaged_is_refused),
        cmocka_unit_test(test_key_after_a_power_cut_is_whole_or_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
