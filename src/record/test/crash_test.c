#include "store_fix.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 4, ROUNDS = 6 };

/* ------------------------------------------------------------------ kill -9 */

struct child {
    struct sh_record *r;
    int pipe;
    int id;
    unsigned round;
};

/* Writes records until it is killed; tells the parent each one that was acknowledged. */
static void write_on(void *ctx)
{
    const struct child *c = ctx;
    for (uint32_t i = 0;; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "%u-%d-%u", c->round, c->id, i);
        const struct sh_record_put p = {.tenant = 1,
                                        .type = SH_STR("_k"),
                                        .id = sh_str_c(id),
                                        .doc = SH_STR("{\"text\":\"高压油泵\"}"),
                                        .flags = SH_RECORD_F_TEXT | SH_RECORD_F_FEED};
        if (sh_record_put(c->r, &p, SH_STR(""), NULL, NULL) != SH_OK) {
            _exit(3);
        }
        const uint32_t msg[2] = {(uint32_t)c->id, i};
        if (write(c->pipe, msg, sizeof msg) != (ssize_t)sizeof msg) {
            _exit(4);
        }
    }
}

static void run_child(const struct sh_record_config *cfg, int fd, unsigned round)
{
    const struct sh_env env = sh_env_system();
    struct child kids[WRITERS];
    struct sh_thread threads[WRITERS];
    struct sh_record *r = NULL;
    if (sh_record_open(&env, NULL, cfg, &r, NULL) != SH_OK) {
        _exit(2);
    }
    for (int i = 0; i < WRITERS; i++) {
        kids[i] = (struct child){.r = r, .pipe = fd, .id = i, .round = round};
        if (sh_thread_start(&threads[i], "w", write_on, &kids[i]) != SH_OK) {
            _exit(2);
        }
    }
    for (;;) {
        (void)pause();
    }
}

static void test_killed_writer_keeps_what_was_acknowledged(void **state)
{
    struct fix *f = *state;
    sh_record_close(f->r);
    f->r = NULL;
    uint32_t total = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(fd[0]);
            run_child(&f->cfg, fd[1], round);
        }
        (void)close(fd[1]);
        uint32_t acked[WRITERS] = {0};
        uint32_t msg[2];
        for (unsigned i = 0; i < 20 + round * 37; i++) {
            assert_int_equal(read(fd[0], msg, sizeof msg), sizeof msg);
            acked[msg[0]] = msg[1] + 1;
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(fd[0], msg, sizeof msg) == (ssize_t)sizeof msg) {
            acked[msg[0]] = msg[1] + 1;
        }
        (void)waitpid(pid, NULL, 0);
        (void)close(fd[0]);
        fix_open(f);
        for (uint32_t w = 0; w < WRITERS; w++) {
            for (uint32_t i = 0; i < acked[w]; i++) {
                char id[32];
                struct sh_record_row row;
                (void)snprintf(id, sizeof id, "%u-%u-%u", round, w, i);
                assert_ok(fix_get(f, "_k", id, &row));
            }
            total += acked[w];
        }
        sh_record_close(f->r);
    }
    fix_open(f);
    assert_true(sh_record_change_last(f->r) >= total);
    /* The full text and the rows agree. */
    const struct sh_record_query q = {
        .tenant = 1, .type = SH_STR("_k"), .search = SH_STR("油泵"), .want_total = true};
    const struct sh_record_query all = {.tenant = 1, .type = SH_STR("_k"), .want_total = true};
    struct sh_record_page found;
    struct sh_record_page rows;
    assert_ok(sh_record_list(f->r, &q, f->ar, &found, NULL));
    assert_ok(sh_record_list(f->r, &all, f->ar, &rows, NULL));
    assert_int_equal(found.total, rows.total);
    assert_true(rows.total >= (int64_t)total);
}

/* ------------------------------------------------------------------ damage, backup */

static void test_damaged_file_is_set_aside_and_read_as_far_as_possible(void **state)
{
    struct fix *f = *state;
    struct sh_record_stats st;
    struct sh_record_row row;
    struct sh_file *file = NULL;
    uint64_t size = 0;
    int found = 0;
    char id[16];
    for (int i = 0; i < 400; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        assert_ok(fix_put(f, "_k", id, "{\"a\":\"some text to fill the pages with\"}", 0, NULL));
    }
    sh_record_close(f->r);
    const struct sh_fs *fs = f->t.env.fs;
    assert_ok(sh_fs_open(fs, f->path, SH_FS_WRITE, &file));
    assert_ok(sh_fs_size(fs, file, &size));
    uint8_t junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (uint64_t page = 20; page < 24; page++) {
        assert_true((page + 1) * 4096 < size);
        assert_ok(sh_fs_pwrite(fs, file, junk, sizeof junk, page * 4096));
    }
    sh_fs_close(fs, file);
    fix_open(f);
    sh_record_stats(f->r, &st);
    assert_true(st.salvaged);
    assert_true(f->t.log_lines[SH_LOG_ERROR] > 0);
    for (int i = 0; i < 400; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        found += fix_get(f, "_k", id, &row) == SH_OK ? 1 : 0;
    }
    assert_true(found > 200);
    assert_ok(fix_put(f, "_k", "new", "{}", 0, NULL));
    fix_reopen(f);
    sh_record_stats(f->r, &st);
    assert_false(st.salvaged);
    assert_ok(fix_get(f, "_k", "new", &row));
}

static void test_file_that_is_no_database_does_not_stop_the_start(void **state)
{
    struct fix *f = *state;
    struct sh_record_stats st;
    sh_record_close(f->r);
    assert_ok(sh_fs_replace(f->t.env.fs, f->path,
                            sh_str_bytes(SH_STR("this is not a database, but some text that "
                                                "somebody has put here by mistake, long enough "
                                                "to be looked at as a header of a file"))));
    fix_open(f);
    sh_record_stats(f->r, &st);
    assert_true(st.salvaged);
    assert_ok(fix_put(f, "_k", "new", "{}", 0, NULL));
}

static bool is_there(struct fix *f, const char *suffix)
{
    char name[200];
    struct sh_file *file = NULL;
    (void)snprintf(name, sizeof name, "%s%s", f->path, suffix);
    const sh_err err = sh_fs_open(f->t.env.fs, name, SH_FS_READ, &file);
    sh_fs_close(f->t.env.fs, file);
    return err == SH_OK;
}

/* The copy is whole when the damaged file has left its place; a log of that one is not the copy's.
 */
static void test_salvage_that_was_cut_off_is_finished_or_undone(void **state)
{
    struct fix *f = *state;
    struct sh_record_row row;
    char copy[200];
    char log[200];
    const struct sh_fs *fs = f->t.env.fs;
    (void)snprintf(copy, sizeof copy, "%s.salvage", f->path);
    (void)snprintf(log, sizeof log, "%s-wal", f->path);
    assert_ok(fix_put(f, "_k", "kept", "{}", 0, NULL));
    sh_record_close(f->r);
    assert_ok(sh_fs_rename(fs, f->path, copy));
    assert_ok(sh_fs_replace(fs, log, sh_str_bytes(SH_STR("of another"))));
    fix_open(f);
    assert_ok(fix_get(f, "_k", "kept", &row));
    assert_false(is_there(f, ".salvage"));
    sh_record_close(f->r);
    assert_ok(sh_fs_replace(fs, copy, sh_str_bytes(SH_STR("half of it"))));
    fix_open(f);
    assert_ok(fix_get(f, "_k", "kept", &row));
    assert_false(is_there(f, ".salvage"));
}

/* One allocation of SQLite's fails: the one that brings `fail_at` to 0. */
static sqlite3_mem_methods plain_memory;
static atomic_long fail_at;

static bool fails(void)
{
    return atomic_load(&fail_at) > 0 && atomic_fetch_sub(&fail_at, 1) == 1;
}

static void *failing_malloc(int n)
{
    return fails() ? NULL : plain_memory.xMalloc(n);
}

static void *failing_realloc(void *p, int n)
{
    return fails() ? NULL : plain_memory.xRealloc(p, n);
}

static void memory_make_fail(void)
{
    assert_int_equal(sqlite3_shutdown(), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain_memory), SQLITE_OK);
    sqlite3_mem_methods m = plain_memory;
    m.xMalloc = failing_malloc;
    m.xRealloc = failing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &m), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
}

/* Whatever fails for lack of memory says so, and works when there is some again: no connection
 * stays in a transaction that could not be ended. */
static void works_again(struct fix *f)
{
    const struct sh_record_query q = {
        .tenant = 1, .type = SH_STR("_k"), .filter = SH_STR("a!=\"x\""), .limit = 3};
    for (long at = 1; at < 300; at += at < 100 ? 1 : 7) {
        struct sh_record_page page;
        char id[32];
        (void)snprintf(id, sizeof id, "w%ld", at);
        for (int i = 0; i < 2; i++) { /* the second has its memory */
            sh_arena_reset(f->ar);
            atomic_store(&fail_at, i == 0 ? at : 0);
            const sh_err listed = sh_record_list(f->r, &q, f->ar, &page, NULL);
            atomic_store(&fail_at, i == 0 ? at : 0);
            const sh_err put = fix_put(f, "_k", id, "{\"a\":\"y\"}", SH_RECORD_ANY, NULL);
            atomic_store(&fail_at, 0);
            assert_true(listed == SH_OK || (i == 0 && listed == SH_E_NOMEM));
            assert_true(put == SH_OK || (i == 0 && put == SH_E_NOMEM));
        }
    }
}

/* A check that fails for lack of memory says nothing about the file: it stays, and is opened later.
 */
static void test_no_memory_is_not_taken_for_damage(void **state)
{
    struct fix *f = *state;
    struct sh_record_stats st;
    struct sh_record_row row;
    struct sh_diag d = {.line = 0};
    unsigned failed = 0;
    char id[16];
    for (int i = 0; i < 400; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        assert_ok(fix_put(f, "_k", id, "{\"a\":\"some text to fill the pages with\"}", 0, NULL));
    }
    sh_record_close(f->r);
    f->r = NULL;
    memory_make_fail();
    for (long at = 1; at < 3000; at += at < 300 ? 1 : 13) {
        atomic_store(&fail_at, at);
        const sh_err err = sh_record_open(&f->t.env, NULL, &f->cfg, &f->r, &d);
        const bool all = atomic_exchange(&fail_at, 0) > 0;
        if (err == SH_OK) {
            sh_record_stats(f->r, &st);
            assert_false(st.salvaged);
            sh_record_close(f->r);
        }
        f->r = NULL;
        failed += err != SH_OK ? 1 : 0;
        if (all) {
            break; /* it opens with fewer */
        }
    }
    assert_true(failed > 50);
    fix_open(f);
    sh_record_stats(f->r, &st);
    assert_false(st.salvaged);
    assert_ok(fix_get(f, "_k", "r399", &row));
    works_again(f);
}

static bool stop_at_once(void *ctx, uint32_t left, uint32_t total)
{
    (void)ctx;
    return left > total; /* never */
}

static void test_backup_is_a_whole_store(void **state)
{
    struct fix *f = *state;
    char to[160];
    struct sh_record_row row;
    struct sh_diag d = {.line = 0};
    char doc[20000];
    memset(doc, 'x', sizeof doc);
    static const char head[] = {'{', '"', 'a', '"', ':', '"'};
    memcpy(doc, head, sizeof head);
    memcpy(doc + sizeof doc - 3, "\"}", 3);
    for (int i = 0; i < 150; i++) { /* more than one step of the copy */
        char id[16];
        (void)snprintf(id, sizeof id, "r%d", i);
        assert_ok(fix_put(f, "_k", id, doc, 0, NULL));
    }
    (void)snprintf(to, sizeof to, "%s/copy.db", f->dir);
    assert_int_equal(sh_record_backup(f->r, to, stop_at_once, NULL, &d), SH_E_CANCELED);
    assert_ok(sh_record_backup(f->r, to, NULL, NULL, &d));
    assert_int_equal(sh_record_backup(f->r, to, NULL, NULL, &d), SH_E_EXISTS);
    assert_ok(fix_put(f, "_k", "later", "{}", 0, NULL));
    sh_record_close(f->r);
    f->cfg.path = to;
    fix_open(f);
    assert_ok(fix_get(f, "_k", "r149", &row));
    assert_int_equal(fix_get(f, "_k", "later", &row), SH_E_NOTFOUND);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_killed_writer_keeps_what_was_acknowledged),
        T(test_damaged_file_is_set_aside_and_read_as_far_as_possible),
        T(test_file_that_is_no_database_does_not_stop_the_start),
        T(test_salvage_that_was_cut_off_is_finished_or_undone),
        T(test_no_memory_is_not_taken_for_damage),
        T(test_backup_is_a_whole_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
