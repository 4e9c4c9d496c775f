/* peers_test.c - the engine and the Modbus driver against servers that others made (pymodbus,
 * libmodbus) over real sockets: every kind of value, exceptions, writes, and a peer that is killed
 * and comes back. SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sh/channels.h>
#include <sh/modbus.h>

enum { TAGS = 16, WAIT_S = 20 };

struct rig {
    struct sh_env env;
    struct sh_loop *loop;
    struct sh_channels *e;
    struct sh_channel *c;
    uint32_t n_tags;
    unsigned seen[TAGS];
    uint8_t quality[TAGS];
    double value[TAGS];
    char text[TAGS][32];
    int result;
    unsigned ups;
    unsigned downs;
};

struct peer {
    const char *argv[6]; /* ended by NULL */
    char port[8];
    pid_t pid;
};

static void peer_start(struct peer *p)
{
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        char *argv[6];
        memcpy(argv, p->argv, sizeof argv);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failing test leaves no peer behind */
        (void)execv(p->argv[0], argv);
        _exit(127);
    }
}

static void peer_kill(struct peer *p)
{
    int status = 0;
    assert_int_equal(kill(p->pid, SIGKILL), 0);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
}

/* A port that is free now. */
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

static sh_err on_samples(void *ctx, void *user, const struct sh_batch *b)
{
    struct rig *r = ctx;
    (void)user;
    for (uint32_t i = 0; i < b->len; i++) {
        const uint32_t tag = b->point[i];
        assert_true(tag < TAGS);
        r->seen[tag]++;
        r->quality[tag] = b->quality[i];
        if (b->type[i] == SH_T_TEXT) {
            const struct sh_bytes t = sh_batch_bytes(b, i);
            (void)snprintf(r->text[tag], sizeof r->text[tag], "%.*s", (int)t.n,
                           t.n == 0 ? "" : (const char *)t.p);
        } else {
            r->value[tag] = b->type[i] == SH_T_F64 ? b->value[i].f64 : (double)b->value[i].i64;
        }
    }
    return SH_OK;
}

static void on_state(void *ctx, void *user, uint32_t device, enum sh_comm_state s, int64_t at,
                     const char *words)
{
    struct rig *r = ctx;
    (void)user;
    (void)device;
    (void)at;
    (void)words;
    r->ups += s == SH_COMM_ONLINE;
    r->downs += s == SH_COMM_OFFLINE;
}

static void on_written(void *ctx, enum sh_drv_result res, const char *words)
{
    struct rig *r = ctx;
    (void)words;
    r->result = (int)res;
}

static const struct sh_channel_sink_ops sink = {on_samples, on_state};
static const struct sh_driver *const drivers[] = {&sh_driver_modbus, NULL};

static bool until(struct rig *r, bool (*done)(const struct rig *r))
{
    const int64_t end = sh_mono_us(r->env.clock) + (int64_t)WAIT_S * 1000000;
    while (!done(r) && sh_mono_us(r->env.clock) < end) {
        (void)sh_loop_turn(r->loop);
        const struct timespec ts = {.tv_nsec = 500000};
        (void)nanosleep(&ts, NULL);
    }
    return done(r);
}

/* The tags, and what both peers hold there. The last one does not exist. */
static const struct {
    const char *address;
    double value;
    const char *text;
} rows[] = {
    {"h7", 7, NULL},
    {"h8:int16", 8, NULL},
    {"h100:float32", 0, NULL},
    {"h104:int32", -123456, NULL},
    {"h110:string8", 0, "pump 7"},
    {"i20", 1020, NULL},
    {"i499", 1499, NULL},
    {"c3", 1, NULL},
    {"c4", 0, NULL},
    {"d499", 1, NULL},
    {"h9.3", 1, NULL},
    {"h200", 200, NULL},
    {"h600", 0, NULL},
};

static bool all_seen(const struct rig *r)
{
    for (uint32_t i = 0; i < r->n_tags; i++) {
        if (r->seen[i] == 0) {
            return false;
        }
    }
    return true;
}

static bool all_good(const struct rig *r)
{
    for (uint32_t i = 0; i + 1 < r->n_tags; i++) {
        if (r->quality[i] != SH_Q_GOOD) {
            return false;
        }
    }
    return r->quality[r->n_tags - 1] == SH_Q_BAD_CONFIG; /* exception 02 */
}

static bool all_lost(const struct rig *r)
{
    for (uint32_t i = 0; i < r->n_tags; i++) {
        if (r->quality[i] != SH_Q_BAD_NOT_CONNECTED) {
            return false;
        }
    }
    return true;
}

static bool answered(const struct rig *r)
{
    return r->result >= 0;
}

static bool read_again(const struct rig *r)
{
    return r->seen[0] >= 2;
}

static void rig_start(struct rig *r, const char *port, const char *options)
{
    char address[32];
    struct sh_channel_tag tags[TAGS];
    struct sh_diag diag = {0};
    json_t *o = NULL;
    *r = (struct rig){.env = sh_env_system(), .result = -1, .n_tags = SH_COUNT(rows)};
    assert_ok(sh_loop_new(&r->env, NULL, &r->loop));
    const struct sh_channels_opts co = {
        .loop = r->loop, .drivers = drivers, .sink = &sink, .sink_ctx = r};
    assert_ok(sh_channels_new(&co, &r->e));
    assert_ok(sh_json_parse(sh_str_c(options), 1000, &o, NULL));
    (void)snprintf(address, sizeof address, "127.0.0.1:%s", port);
    for (uint32_t i = 0; i < r->n_tags; i++) {
        tags[i] = (struct sh_channel_tag){.address = sh_str_c(rows[i].address)};
    }
    const struct sh_channel_device dev = {.id = SH_STR("peer"), .period_ms = 100};
    const struct sh_channel_config cfg = {.id = SH_STR("peer"),
                                          .driver = SH_STR("modbus"),
                                          .enabled = true,
                                          .address = sh_str_c(address),
                                          .backoff_min_ms = 100,
                                          .backoff_max_ms = 400,
                                          .options = o,
                                          .devices = &dev,
                                          .n_devices = 1,
                                          .tags = tags,
                                          .n_tags = r->n_tags};
    assert_ok(sh_channels_put(r->e, &cfg, NULL, &diag, &r->c));
    json_decref(o);
}

static void rig_end(struct rig *r)
{
    sh_channels_free(r->e);
    sh_loop_settle(r->loop, 1000);
    sh_loop_free(r->loop);
}

static void check_values(const struct rig *r)
{
    for (uint32_t i = 0; i + 1 < r->n_tags; i++) {
        if (rows[i].text != NULL) {
            assert_string_equal(r->text[i], rows[i].text);
        } else if (i == 2) {
            assert_true(r->value[i] == (double)123.456F);
        } else if (r->value[i] != rows[i].value) {
            fail_msg("%s is %g", rows[i].address, r->value[i]);
        }
    }
}

static void write_and_read_back(struct rig *r, uint32_t tag, enum sh_type type, union sh_cell v,
                                double want)
{
    const struct sh_channel_write w = {
        .tag = tag, .type = type, .value = v, .done = on_written, .ctx = r};
    r->result = -1;
    assert_ok(sh_channel_write(r->c, &w));
    assert_true(until(r, answered));
    if (r->result != SH_DRV_DONE) {
        fail_msg("writing %s: %s", rows[tag].address,
                 sh_drv_result_name((enum sh_drv_result)r->result));
    }
    memset(r->seen, 0, sizeof r->seen);
    r->seen[r->n_tags - 1] = 1; /* its exception is no news */
    assert_true(until(r, all_seen));
    if (r->value[tag] != want) {
        fail_msg("%s is %g", rows[tag].address, r->value[tag]);
    }
}

/* Everything with one peer. */
static void play(struct peer *p, const char *options)
{
    struct rig r;
    peer_start(p);
    rig_start(&r, p->port, options);
    assert_true(until(&r, all_good));
    assert_true(until(&r, all_seen));
    check_values(&r);
    assert_ok(sh_channel_set_writable(r.c, 0, true));
    write_and_read_back(&r, 0, SH_T_I64, (union sh_cell){.i64 = 4711}, 4711);
    write_and_read_back(&r, 2, SH_T_F64, (union sh_cell){.f64 = -0.5}, -0.5);
    write_and_read_back(&r, 3, SH_T_I64, (union sh_cell){.i64 = 99}, 99);
    write_and_read_back(&r, 8, SH_T_BOOL, (union sh_cell){.bits = 1}, 1);
    write_and_read_back(&r, 10, SH_T_BOOL, (union sh_cell){.bits = 0}, 0); /* by mask */
    r.result = -1;
    const struct sh_channel_write bad = {
        .tag = 12, .type = SH_T_I64, .done = on_written, .ctx = &r};
    assert_ok(sh_channel_write(r.c, &bad));
    assert_true(until(&r, answered));
    assert_int_equal(r.result, SH_DRV_REFUSED);

    peer_kill(p);
    assert_true(until(&r, all_lost));
    assert_int_equal(r.downs, 1);
    peer_start(p); /* comes back with its first values */
    assert_true(until(&r, all_good));
    memset(r.seen, 0, sizeof r.seen);
    assert_true(until(&r, read_again));
    check_values(&r);
    struct sh_channel_device_info d;
    assert_ok(sh_channel_device_info(r.c, 0, &d));
    print_message("%s: %llu requests, %llu refused, %llu timeouts, round trip %lld us\n",
                  p->argv[0], (unsigned long long)d.requests, (unsigned long long)d.refused,
                  (unsigned long long)d.timeouts, (long long)d.rtt_avg_us);
    assert_int_equal(r.ups, 2);
    peer_kill(p);
    rig_end(&r);
}

static void test_libmodbus_server(void **state)
{
    (void)state;
    struct peer p = {.argv = {LIBMODBUS_PEER}};
    free_port(p.port);
    p.argv[1] = p.port;
    play(&p, "{\"max_in_flight\":3}");
}

static void play_pymodbus(const char *framing, const char *options)
{
    struct peer p = {.argv = {"/usr/bin/python3", "-B", PYMODBUS_PEER, NULL, framing}};
    free_port(p.port);
    p.argv[3] = p.port;
    play(&p, options);
}

static void test_pymodbus_server(void **state)
{
    (void)state;
    play_pymodbus("tcp", "{}");
}

static void test_pymodbus_server_with_rtu_frames(void **state)
{
    (void)state;
    play_pymodbus("rtu", "{\"framing\":\"rtu\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libmodbus_server),
        cmocka_unit_test(test_pymodbus_server),
        cmocka_unit_test(test_pymodbus_server_with_rtu_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
