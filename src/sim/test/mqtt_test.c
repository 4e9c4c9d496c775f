/* mqtt_test.c - the plant publishes to a server that others made (mosquitto) over real sockets,
 * takes a command from mosquitto_pub, and goes on after the server was killed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sh/loop.h>
#include <sh/sim.h>

enum { WAIT_S = 20, LINES = 65536 };

static const char *const telemetry[] = {
    "sh/v1/cnc-01/telemetry {\"ts\":", "sh/v1/air-01/telemetry ", "sh/v1/air-02/telemetry ",
    "sh/v1/air-room/telemetry "};

struct rig {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_sim *sim;
    char dir[64];
    char out[96];
    char port[8];
    char text[LINES]; /* what the subscriber has printed */
    size_t from;      /* looked for behind this place */
};

static pid_t start(const struct rig *r, const char *const *args, bool to_file)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[16] = {NULL};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failing test leaves nothing behind */
        const int fd = open(to_file ? r->out : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
        for (int i = 0; i < 15 && args[i] != NULL; i++) {
            memcpy(&argv[i], &args[i], sizeof argv[i]);
        }
        (void)execv(args[0], argv);
        _exit(127);
    }
    return pid;
}

static void stop(pid_t pid)
{
    int status = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static pid_t start_broker(const struct rig *r)
{
    const char *const args[] = {"/usr/sbin/mosquitto", "-p", r->port, NULL};
    return start(r, args, false);
}

/* The broker opens its port. */
static void a_moment(void)
{
    const struct timespec ts = {.tv_sec = 1};
    (void)nanosleep(&ts, NULL);
}

static void read_out(struct rig *r)
{
    FILE *f = fopen(r->out, "rbe");
    size_t n = 0;
    if (f != NULL) {
        n = fread(r->text, 1, sizeof r->text - 1, f);
        (void)fclose(f);
    }
    r->text[n] = '\0';
}

/* Turns the loop until the subscriber has printed the words, at most 20 s. */
static bool printed(struct rig *r, const char *words)
{
    const int64_t end = sh_mono_us(r->env.clock) + (int64_t)WAIT_S * 1000000;
    while (sh_mono_us(r->env.clock) < end) {
        for (int i = 0; i < 20; i++) {
            const struct timespec ts = {.tv_nsec = 1000000};
            (void)sh_loop_turn(r->loop);
            (void)nanosleep(&ts, NULL);
        }
        read_out(r);
        if (strlen(r->text) > r->from && strstr(r->text + r->from, words) != NULL) {
            return true;
        }
    }
    return false;
}

static void free_port(char out[8])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    (void)close(fd);
    (void)snprintf(out, 8, "%u", ntohs(a.sin_port));
}

static void test_mosquitto_gets_every_device_and_gives_a_command(void **state)
{
    (void)state;
    static struct rig r;
    uint64_t port = 0;
    struct sh_diag diag = {0};
    r.env = sh_env_system();
    sh_test_tmpdir(r.dir);
    (void)snprintf(r.out, sizeof r.out, "%s/out", r.dir);
    free_port(r.port);
    assert_ok(sh_u64_parse(sh_str_c(r.port), &port));
    pid_t broker = start_broker(&r);
    const char *const sub[] = {
        "/usr/bin/mosquitto_sub", "-p", r.port, "-q", "1", "-v", "-t", "sh/v1/#", NULL};
    pid_t subscriber = 0;
    assert_ok(sh_loop_new(&r.env, NULL, &r.loop));
    const struct sh_sim_opts o = {.mqtt_host = SH_STR("127.0.0.1"),
                                  .mqtt_port = (uint16_t)port,
                                  .seed = 1,
                                  .day_offset_s = 28800,
                                  .tick_ms = 200};
    assert_ok(sh_sim_new(r.loop, &o, &diag, &r.sim));
    a_moment();
    subscriber = start(&r, sub, true);
    for (size_t i = 0; i < SH_COUNT(telemetry); i++) {
        assert_true(printed(&r, telemetry[i]));
    }
    assert_non_null(strstr(r.text, "\"spindle_load\":"));
    assert_non_null(strstr(r.text, "\"header_pressure\":"));

    const char *const pub[] = {
        "/usr/bin/mosquitto_pub",           "-p", r.port, "-t", "sh/v1/cnc-01/cmd/7", "-m",
        "{\"fault\":\"leak\",\"on\":true}", NULL};
    int status = 0;
    const pid_t publisher = start(&r, pub, false);
    assert_true(printed(&r, "sh/v1/cnc-01/cmd/7/reply {\"ok\":true}"));
    assert_int_equal(waitpid(publisher, &status, 0), publisher);

    stop(broker);
    stop(subscriber);
    broker = start_broker(&r);
    a_moment();
    r.from = strlen(r.text);
    subscriber = start(&r, sub, true);
    assert_true(printed(&r, "sh/v1/air-room/telemetry "));
    sh_sim_free(r.sim);
    sh_loop_settle(r.loop, 1000);
    sh_loop_free(r.loop);
    stop(subscriber);
    stop(broker);
    sh_test_rmdir(r.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mosquitto_gets_every_device_and_gives_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
