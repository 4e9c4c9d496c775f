/* A snapshot copied while samples come and segments are merged opens as of its moment. */
#include "rig.h"

#include <stdio.h>

enum { BEFORE = 4000, AFTER = 9000, STEP = 100 };

/* Samples 1..n-1, each once and right. */
static void rig_check(struct rig *r, uint32_t n)
{
    static uint8_t have[AFTER + STEP];
    struct rig_seen seen;
    assert_ok(rig_read(r, have, n, &seen));
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.rows, n - 1);
    for (uint32_t i = 1; i < n; i++) {
        assert_int_equal(have[i], 1);
    }
}

static void put(struct rig *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i += STEP) {
        assert_ok(rig_put(r, i == 0 ? 1 : i, i + STEP, rig_done, r)); /* there is no sample 0 */
        assert_ok(sh_journal_step(r->j));
    }
}

static void copy(const struct sh_env *env, const struct sh_history_snapshot *s, const char *to)
{
    for (size_t i = 0; i < sh_history_snapshot_files(s); i++) {
        char path[256];
        const struct sh_history_file f = sh_history_snapshot_file(s, i);
        (void)snprintf(path, sizeof path, "%s/history/%s", to, f.name);
        assert_ok(sh_fs_replace(env->fs, path, f.bytes));
    }
}

static void checkpoint(const struct sh_env *env, const char *to, uint64_t seq)
{
    char path[256];
    struct sh_buf b;
    uint64_t seqs[SH_JOURNAL_OWNERS] = {[SH_OWNER_SAMPLES] = seq};
    sh_buf_init(&b, env->alloc, 4096);
    assert_ok(sh_journal_checkpoint_image(seqs, seq + 1000, &b));
    (void)snprintf(path, sizeof path, "%s/journal/checkpoint", to);
    assert_ok(sh_fs_replace(env->fs, path, sh_buf_bytes(&b)));
    sh_buf_fini(&b);
}

/* It holds n samples, and the next sequence is above all that were. */
static void holds(const struct sh_env *env, const char *dir, uint32_t n, uint64_t above)
{
    struct rig r = {.env = env, .dir = dir, .segment_bytes = 64 << 10};
    struct sh_journal_stats js;
    assert_ok(rig_open(&r));
    rig_check(&r, n);
    put(&r, n, n + STEP);
    sh_journal_stats(r.j, &js);
    assert_true(js.last_seq > above);
    rig_check(&r, n + STEP);
    assert_int_equal(r.damaged, 0);
    rig_close(&r);
}

static void test_snapshot_copied_under_load_opens_as_of_its_moment(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_memfs *m = sh_memfs_new(3);
    struct sh_history_snapshot *s = NULL;
    sh_test_env_init(&t, sh_memfs_fs(m));
    struct rig r = {.env = &t.env, .dir = "/live", .segment_bytes = 64 << 10};
    assert_ok(sh_fs_mkdirs(t.env.fs, "/copy/history"));
    assert_ok(sh_fs_mkdirs(t.env.fs, "/copy/journal"));
    assert_ok(rig_open(&r));
    put(&r, 0, BEFORE / 2);
    assert_ok(sh_history_flush(r.h));
    put(&r, BEFORE / 2, BEFORE);
    assert_ok(sh_history_snapshot_new(r.h, &s));
    const uint64_t seq = sh_history_snapshot_seq(s);
    assert_int_equal(seq, BEFORE / STEP);
    assert_int_equal(sh_history_snapshot_samples(s), BEFORE - 1);
    put(&r, BEFORE, AFTER);
    assert_ok(sh_history_flush(r.h));
    assert_ok(sh_history_compact(r.h)); /* the snapshot's files go */
    copy(&t.env, s, "/copy");
    checkpoint(&t.env, "/copy", seq);
    sh_history_snapshot_free(s);
    rig_check(&r, AFTER);
    rig_close(&r);
    holds(&t.env, "/copy", BEFORE, seq + 1000);
    sh_memfs_free(m);
    sh_test_env_fini(&t);
}

static void test_snapshot_of_nothing_is_a_state_file(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_memfs *m = sh_memfs_new(3);
    struct sh_history_snapshot *s = NULL;
    sh_test_env_init(&t, sh_memfs_fs(m));
    struct rig r = {.env = &t.env, .dir = "/live", .segment_bytes = 64 << 10};
    assert_ok(rig_open(&r));
    assert_ok(sh_history_snapshot_new(r.h, &s));
    assert_int_equal(sh_history_snapshot_files(s), 1);
    assert_int_equal(sh_history_snapshot_seq(s), 0);
    sh_history_snapshot_free(s);
    rig_close(&r);
    sh_memfs_free(m);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_copied_under_load_opens_as_of_its_moment),
        cmocka_unit_test(test_snapshot_of_nothing_is_a_state_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
