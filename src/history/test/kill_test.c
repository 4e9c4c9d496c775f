/* kill -9 of a real process in the middle of writes of rows and of blocks, many times, on the real
 * file system: all that was acknowledged through the pipe is there after the next start. */
#include <sh/test.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

enum { ROUNDS = 20, BATCH = 37, PACK = 1800 };

struct child {
    struct rig r;
    int fd;
};

struct ack {
    struct child *c;
    uint32_t to;
};

static void ack(void *ctx, sh_err err, uint64_t seq)
{
    struct ack *a = ctx;
    SH_UNUSED(seq);
    if (err != SH_OK || write(a->c->fd, &a->to, sizeof a->to) != (ssize_t)sizeof a->to) {
        _exit(3);
    }
    free(a);
}

/* Writes until it is killed. */
static _Noreturn void child_main(const char *dir, uint32_t from, int fd)
{
    const struct sh_env env = sh_env_system();
    static struct child c;
    c = (struct child){.r = {.env = &env, .dir = dir, .segment_bytes = 256 << 10}, .fd = fd};
    if (rig_open(&c.r) != SH_OK || sh_history_start(c.r.h) != SH_OK ||
        sh_journal_start(c.r.j) != SH_OK) {
        _exit(2);
    }
    uint32_t n = 0;
    for (uint32_t i = from, k = 0; i + PACK < RIG_MAX; i += n, k++) {
        struct ack *a = malloc(sizeof *a);
        if (a == NULL) {
            _exit(4);
        }
        n = k % 10 == 3 ? PACK : BATCH;
        *a = (struct ack){&c, i + n};
        const sh_err put =
            n == PACK ? rig_put_mixed(&c.r, i, i + n, ack, a) : rig_put(&c.r, i, i + n, ack, a);
        if (put != SH_OK) {
            _exit(5);
        }
        if (k % 16 == 0) {
            const sh_err err = sh_journal_sync(c.r.j);
            SH_UNUSED(err);
        }
    }
    _exit(6);
}

static uint32_t run_and_kill(const char *dir, uint32_t from, long delay_us)
{
    int fd[2];
    uint32_t acked = from;
    assert_int_equal(pipe(fd), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(fd[0]);
        child_main(dir, from, fd[1]);
    }
    assert_true(pid > 0);
    (void)close(fd[1]);
    uint32_t got = 0;
    /* The first acknowledgement says that it is under way. */
    if (read(fd[0], &got, sizeof got) == (ssize_t)sizeof got) {
        acked = got;
    }
    const struct timespec nap = {0, delay_us * 1000};
    (void)nanosleep(&nap, NULL); /* the test is about an arbitrary instant */
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(fd[0], &got, sizeof got) == (ssize_t)sizeof got) {
        acked = got; /* ascending: the apply thread tells them in order */
    }
    (void)close(fd[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself */
    return acked;
}

static void test_kill_at_any_instant_loses_nothing_acknowledged(void **state)
{
    (void)state;
    char dir[64];
    sh_test_tmpdir(dir);
    const struct sh_env env = sh_env_system();
    uint8_t *have = malloc(RIG_MAX);
    assert_non_null(have);
    uint32_t next = 1;
    uint32_t seed = 12345;
    for (int round = 0; round < ROUNDS; round++) {
        seed = seed * 1664525 + 1013904223;
        const uint32_t acked = run_and_kill(dir, next, (long)(seed >> 16) % 60000);
        struct rig r = {.env = &env, .dir = dir, .segment_bytes = 256 << 10};
        struct rig_seen s;
        assert_ok(rig_open(&r));
        assert_int_equal(r.damaged, 0);
        assert_ok(rig_read(&r, have, RIG_MAX, &s));
        assert_int_equal(s.wrong, 0);
        for (uint32_t i = 1; i < acked; i++) {
            if (have[i] == 0) {
                fail_msg("round %d: sample %u of %u acknowledged is lost", round, i, acked);
            }
        }
        next = acked;
        while (have[next] != 0) { /* written but not acknowledged: there too, perhaps */
            next++;
        }
        rig_close(&r);
    }
    assert_true(next > ROUNDS * BATCH);
    free(have);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_at_any_instant_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
