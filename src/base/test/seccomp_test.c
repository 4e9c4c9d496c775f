/* The filter in a forked child: what is denied answers EPERM, from every thread; what the server
 * needs goes on. */
#include <sh/test.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sh/thread.h>

#include <sh/seccomp.h>

enum { UNSUPPORTED = 77 };

/* fn in a child behind the filter; the child's exit code. */
static int behind(int (*fn)(void))
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const sh_err err = sh_seccomp_deny();
        _exit(err == SH_OK ? fn() : UNSUPPORTED);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    const int code = WEXITSTATUS(status);
    if (code == UNSUPPORTED) {
        skip();
    }
    return code;
}

/* 0, or 1 and which one on stderr. With arguments that would fail by themselves, with another
 * error. */
static int try_all(void)
{
    const unsigned *calls = NULL;
    const size_t n = sh_seccomp_denied(&calls);
    int wrong = n < 20 ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        errno = 0;
        if (syscall((long)calls[i], -1L, 0L, 0L, 0L, 0L, 0L) != -1 || errno != EPERM) {
            (void)fprintf(stderr, "call %u: errno %d\n", calls[i], errno);
            wrong = 1;
        }
    }
    return wrong;
}

static void test_every_call_of_the_list_is_denied(void **state)
{
    (void)state;
    assert_int_equal(behind(try_all), 0);
}

static int start_program(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    char *const none[] = {NULL};
    (void)execve("/bin/true", argv, none);
    return errno == EPERM ? 0 : 1;
}

static void test_no_program_starts(void **state)
{
    (void)state;
    assert_int_equal(behind(start_program), 0);
}

static void in_thread(void *ctx)
{
    *(int *)ctx = try_all();
}

static int ordinary_work(void)
{
    struct sh_thread t = {.running = false};
    int wrong = 1;
    if (sh_thread_start(&t, "filtered", in_thread, &wrong) != SH_OK) {
        return 2;
    }
    sh_thread_join(&t);
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    void *p = malloc(1 << 20);
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    const int fine = fd >= 0 && s >= 0 && p != NULL && dumpable >= 0 &&
                     prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                     prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
    free(p);
    return fine ? wrong : 3;
}

static void test_threads_have_it_and_the_rest_goes_on(void **state)
{
    (void)state;
    assert_int_equal(behind(ordinary_work), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_of_the_list_is_denied),
        cmocka_unit_test(test_no_program_starts),
        cmocka_unit_test(test_threads_have_it_and_the_rest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
