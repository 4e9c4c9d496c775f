/* Many appenders, the two threads, sync and checkpoints at once; run under TSan too. */
#include <sh/test.h>

#include <stdatomic.h>

#include <sh/journal.h>

enum { WRITERS = 4, EACH = 500 };

struct shared {
    struct sh_journal *j;
    uint64_t applied;  /* apply thread only */
    uint64_t last_seq; /* apply thread only */
    atomic_uint done_ok;
    atomic_uint done_bad;
    atomic_uint refused;
};

static sh_err take(void *ctx, const struct sh_journal_record *rec)
{
    struct shared *s = ctx;
    if (rec->seq <= s->last_seq || rec->obj != s) {
        return SH_E_INTERNAL;
    }
    s->last_seq = rec->seq;
    s->applied++;
    return SH_OK;
}

static void done(void *ctx, sh_err err, uint64_t seq)
{
    struct shared *s = ctx;
    SH_UNUSED(seq);
    atomic_fetch_add(err == SH_OK ? &s->done_ok : &s->done_bad, 1);
}

static void writer(void *ctx)
{
    struct shared *s = ctx;
    static const uint8_t bytes[300] = {1, 2, 3};
    for (int i = 0; i < EACH;) {
        const struct sh_bytes part = {bytes, 1 + (size_t)(i * 37) % sizeof bytes};
        uint64_t seq = 0;
        const sh_err err = sh_journal_append(s->j,
                                             &(struct sh_journal_append){.owner = SH_OWNER_MQTT,
                                                                         .parts = &part,
                                                                         .nparts = 1,
                                                                         .obj = s,
                                                                         .done = done,
                                                                         .ctx = s},
                                             &seq);
        if (err == SH_OK) {
            i++;
        } else {
            atomic_fetch_add(&s->refused, 1);
            if (sh_journal_sync(s->j) != SH_OK) {
                return;
            }
        }
        if (i % 100 == 99 && sh_journal_sync(s->j) == SH_OK &&
            sh_journal_checkpoint(s->j, SH_OWNER_MQTT, seq) != SH_OK) {
            return;
        }
    }
}

static void test_many_writers_everything_is_applied_once_in_order(void **state)
{
    (void)state;
    struct shared s = {0};
    char dir[64];
    sh_test_tmpdir(dir);
    const struct sh_env env = sh_env_system();
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_MQTT, .name = "mqtt", .apply = take, .ctx = &s};
    const struct sh_journal_options o = {.dir = dir,
                                         .segment_bytes = 256 << 10,
                                         .queue_bytes = 16 << 10,
                                         .owners = &owner,
                                         .owner_count = 1};
    assert_ok(sh_journal_open(&env, &o, &s.j));
    assert_ok(sh_journal_start(s.j));
    struct sh_thread t[WRITERS] = {0};
    for (int i = 0; i < WRITERS; i++) {
        assert_ok(sh_thread_start(&t[i], "writer", writer, &s));
    }
    for (int i = 0; i < WRITERS; i++) {
        sh_thread_join(&t[i]);
    }
    assert_ok(sh_journal_sync(s.j));
    struct sh_journal_stats st;
    sh_journal_stats(s.j, &st);
    assert_int_equal(st.records, WRITERS * EACH);
    assert_int_equal(st.queue_bytes, 0);
    sh_journal_close(s.j);
    assert_int_equal(s.applied, WRITERS * EACH);
    assert_int_equal(atomic_load(&s.done_ok), WRITERS * EACH);
    assert_int_equal(atomic_load(&s.done_bad), 0);
    sh_test_rmdir(dir);
}

/* A disk that fails for a while, and then for good. */
static void test_what_cannot_be_written_waits_until_it_can(void **state)
{
    (void)state;
    struct shared s = {0};
    struct sh_memfs *mem = sh_memfs_new(7);
    struct sh_env env = sh_env_system();
    struct sh_journal_stats st = {0};
    const uint8_t byte = 1;
    const struct sh_bytes part = {&byte, 1};
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_MQTT, .name = "mqtt", .apply = take, .ctx = &s};
    const struct sh_journal_options o = {
        .dir = "/j", .segment_bytes = 64 << 10, .owners = &owner, .owner_count = 1};
    const struct sh_journal_append a = {
        .owner = SH_OWNER_MQTT, .parts = &part, .nparts = 1, .obj = &s, .done = done, .ctx = &s};
    assert_non_null(mem);
    env.fs = sh_memfs_fs(mem);
    assert_ok(sh_journal_open(&env, &o, &s.j));
    assert_ok(sh_journal_start(s.j));
    sh_memfs_fail_write(mem, 1000000);
    assert_ok(sh_journal_append(s.j, &a, NULL));
    do {
        sh_journal_stats(s.j, &st);
    } while (st.retries == 0);
    assert_true(st.stuck);
    assert_int_equal(atomic_load(&s.done_ok) + atomic_load(&s.done_bad), 0);
    sh_memfs_fail_write(mem, 0);
    assert_ok(sh_journal_sync(s.j));
    sh_journal_stats(s.j, &st);
    assert_false(st.stuck);
    assert_int_equal(atomic_load(&s.done_ok), 1);
    assert_int_equal(s.applied, 1);

    sh_memfs_fail_write(mem, 1000000);
    assert_ok(sh_journal_append(s.j, &a, NULL));
    sh_journal_hurry(s.j);
    assert_int_not_equal(sh_journal_sync(s.j), SH_OK);
    assert_int_equal(atomic_load(&s.done_bad), 1);
    sh_journal_close(s.j);
    sh_memfs_free(mem);
}

static sh_err entry(void *ctx, const char *name, bool is_dir)
{
    int *half_made = ctx;
    SH_UNUSED(is_dir);
    *half_made += strstr(name, ".making") != NULL;
    return SH_OK;
}

/* Opens and starts a journal that keeps 5 files ready, waits until `want` were made ahead, closes.
 */
static void prepare_then_close(const char *dir, uint64_t segment_bytes, uint64_t want)
{
    struct shared s = {0};
    const struct sh_env env = sh_env_system();
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_MQTT, .name = "mqtt", .apply = take, .ctx = &s};
    const struct sh_journal_options o = {.dir = dir,
                                         .segment_bytes = segment_bytes,
                                         .spares = 5,
                                         .owners = &owner,
                                         .owner_count = 1};
    struct sh_journal_stats st = {0};
    assert_ok(sh_journal_open(&env, &o, &s.j));
    assert_ok(sh_journal_start(s.j));
    do {
        sh_journal_stats(s.j, &st);
    } while (st.spares_prepared < want);
    assert_in_range(st.spares_prepared, want, 4); /* open made one */
    assert_int_equal(st.spares_made_inline, 0);
    sh_journal_close(s.j);
    int half_made = 0;
    assert_ok(env.fs->list(env.fs->ctx, dir, entry, &half_made));
    assert_int_equal(half_made, 0);
}

static void test_files_are_made_ahead_up_to_the_count(void **state)
{
    (void)state;
    char dir[64];
    sh_test_tmpdir(dir);
    prepare_then_close(dir, 64 << 10, 4);
    sh_test_rmdir(dir);
}

static void test_close_while_a_file_is_made_leaves_none_half_made(void **state)
{
    (void)state;
    char dir[64];
    sh_test_tmpdir(dir);
    prepare_then_close(dir, 16 << 20, 0);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_writers_everything_is_applied_once_in_order),
        cmocka_unit_test(test_what_cannot_be_written_waits_until_it_can),
        cmocka_unit_test(test_files_are_made_ahead_up_to_the_count),
        cmocka_unit_test(test_close_while_a_file_is_made_leaves_none_half_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
