/* server_test.c - the broker behind streams: bytes in and out, back-pressure, closing; and its log
 * in a real journal over a restart. SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <stdio.h>
#include <time.h>

#include <sh/fakenet.h>
#include <sh/journal.h>
#include <sh/mqtt_server.h>

#include "anyone.h"

struct node {
    struct sh_test_env t;
    struct sh_loop *loop;
    struct sh_workers *workers;
    struct mqtt_journal *mj;
    struct sh_journal *j;
    struct mqtt_broker *b;
    struct mqtt_server *srv;
    struct mqtt_auth_ops auth;
    struct mqtt_principal who;
    bool stopped;
};

static void open_journal(struct node *n, const char *dir)
{
    char path[256];
    assert_ok(mqtt_journal_load(n->mj, n->b));
    const struct sh_journal_owner owner = mqtt_journal_owner(n->mj);
    (void)snprintf(path, sizeof path, "%s/journal", dir);
    const struct sh_journal_options jo = {
        .dir = path, .owners = &owner, .owner_count = 1, .segment_bytes = 1 << 20};
    assert_ok(sh_journal_open(&n->t.env, &jo, &n->j));
    mqtt_journal_attach(n->mj, n->j);
    assert_ok(sh_journal_start(n->j));
}

/* dir == NULL: nothing is durable. clock == NULL: the test's. */
static void node_open_at(struct node *n, const char *dir, const struct sh_clock *clock)
{
    memset(n, 0, sizeof *n);
    sh_test_env_init(&n->t, NULL);
    n->t.env.clock = clock != NULL ? clock : n->t.env.clock;
    n->who = (struct mqtt_principal){.tenant = 1, .id = 1, .name = SH_STR("x")};
    n->auth = anyone_ops(&n->who);
    struct mqtt_broker_opts o = {.env = &n->t.env, .auth = &n->auth};
    assert_ok(sh_loop_new(&n->t.env, NULL, &n->loop));
    if (dir != NULL) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/mqtt", dir);
        assert_ok(sh_workers_new(&n->t.env, 1, 8, &n->workers));
        assert_ok(mqtt_journal_new(&n->t.env, n->loop, n->workers, path, &n->mj));
        o.store = mqtt_journal_ops(n->mj);
    }
    assert_ok(mqtt_broker_new(&o, &n->b));
    if (dir != NULL) {
        open_journal(n, dir);
    }
    mqtt_broker_start(n->b);
    assert_ok(mqtt_server_new(&n->loop, 1, n->b, &n->srv));
    if (n->mj != NULL) {
        mqtt_journal_wake(n->mj, n->srv);
    }
}

static void node_open(struct node *n, const char *dir)
{
    node_open_at(n, dir, sh_clock_system());
}

static void on_stopped(void *ctx)
{
    struct node *n = ctx;
    n->stopped = true;
}

static void turn(struct node *n, int times)
{
    const struct timespec ms = {0, 1000000};
    for (int i = 0; i < times; i++) {
        (void)sh_loop_turn(n->loop);
        if (n->j != NULL) {
            (void)nanosleep(&ms, NULL); /* the journal has threads of its own */
        }
    }
}

static void node_close(struct node *n, bool checkpoint)
{
    mqtt_server_stop(n->srv, on_stopped, n);
    for (int i = 0; i < 3000 && !n->stopped; i++) {
        turn(n, 1);
    }
    assert_true(n->stopped);
    if (checkpoint) {
        assert_ok(mqtt_broker_checkpoint(n->b));
    }
    if (n->mj != NULL) {
        mqtt_journal_settle(n->mj);
    }
    sh_journal_close(n->j);
    turn(n, 3);
    mqtt_server_free(n->srv);
    sh_workers_free(n->workers);
    sh_loop_free(n->loop);
    mqtt_broker_free(n->b);
    mqtt_journal_free(n->mj);
    sh_test_env_fini(&n->t);
}

static struct sh_fakepeer *dial(struct node *n, const struct sh_fake_opts *o)
{
    struct sh_stream *s = NULL;
    struct sh_fakepeer *p = sh_fakepeer_new(n->loop, o, &s);
    assert_non_null(p);
    mqtt_server_take(n->srv, s, false, 3);
    return p;
}

static void say(struct sh_fakepeer *p, const char *b, size_t n)
{
    sh_fakepeer_send(p, sh_bytes_of(b, n));
}

static void hear(struct node *n, struct sh_fakepeer *p, const char *b, size_t len)
{
    for (int i = 0; i < 2000 && sh_fakepeer_in(p).n < len; i++) {
        turn(n, 1);
    }
    assert_true(sh_fakepeer_in(p).n >= len);
    assert_memory_equal(sh_fakepeer_in(p).p, b, len);
    sh_fakepeer_drop(p, len);
}
#define SAY(p, lit) say(p, lit, sizeof(lit) - 1)
#define HEAR(n, p, lit) hear(n, p, lit, sizeof(lit) - 1)

static void test_server_speaks_over_streams(void **state) /* [MQTT-4.2.0-1] */
{
    (void)state;
    struct node n;
    node_open(&n, NULL);
    const struct sh_fake_opts small = {.chunk = 3};
    struct sh_fakepeer *p = dial(&n, &small);
    SAY(p, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a\x82\6\0\1\0\1t\1");
    HEAR(&n, p, "\x20\2\0\0\x90\3\0\1\1");
    SAY(p, "\x32\6\0\1t\0\7!");
    HEAR(&n, p, "\x32\6\0\1t\0\1!\x40\2\0\7");
    SAY(p, "\xc0\0\xe0\0");
    HEAR(&n, p, "\xd0\0");
    turn(&n, 10);
    assert_true(sh_fakepeer_saw_eof(p) || sh_fakepeer_closed(p));
    sh_fakepeer_free(p);
    struct sh_fakepeer *q = dial(&n, NULL); /* one that is lost */
    SAY(q, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1b");
    HEAR(&n, q, "\x20\2\0\0");
    sh_fakepeer_reset(q);
    turn(&n, 10);
    struct mqtt_counters c;
    mqtt_broker_counters(n.b, 0, &c);
    assert_int_equal(c.connections, 0);
    sh_fakepeer_free(q);
    node_close(&n, false);
}

static void test_slow_stream_gets_everything_in_order(void **state)
{
    (void)state;
    struct node n;
    node_open(&n, NULL);
    const struct sh_fake_opts tight = {.write_max = 64, .window = 16};
    struct sh_fakepeer *s = dial(&n, &tight);
    struct sh_fakepeer *p = dial(&n, NULL);
    SAY(s, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1s\x82\6\0\1\0\1t\0");
    HEAR(&n, s, "\x20\2\0\0\x90\3\0\1\0");
    SAY(p, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1p");
    HEAR(&n, p, "\x20\2\0\0");
    sh_fakepeer_block(s, true);
    char msg[] = "\x30\x04\0\1t?";
    for (int i = 0; i < 500; i++) {
        msg[5] = (char)('!' + i % 90);
        say(p, msg, 6);
    }
    turn(&n, 20);
    sh_fakepeer_block(s, false);
    for (int i = 0; i < 500; i++) {
        msg[5] = (char)('!' + i % 90);
        hear(&n, s, msg, 6);
    }
    sh_fakepeer_free(s);
    sh_fakepeer_free(p);
    turn(&n, 5);
    node_close(&n, false);
}

static void test_stop_cuts_off_who_does_not_read(void **state)
{
    (void)state;
    struct node n;
    node_open_at(&n, NULL, NULL);
    const struct sh_fake_opts tight = {.write_max = 64, .window = 16};
    struct sh_fakepeer *s = dial(&n, &tight);
    struct sh_fakepeer *p = dial(&n, NULL);
    SAY(s, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1s\x82\6\0\1\0\1t\0");
    HEAR(&n, s, "\x20\2\0\0\x90\3\0\1\0");
    SAY(p, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1p");
    HEAR(&n, p, "\x20\2\0\0");
    sh_fakepeer_block(s, true);
    for (int i = 0; i < 100; i++) {
        SAY(p, "\x30\x04\0\1t?");
    }
    turn(&n, 20);
    mqtt_server_stop(n.srv, on_stopped, &n);
    turn(&n, 20);
    assert_false(n.stopped); /* what is queued for it may still leave */
    sh_test_advance(&n.t, 2900000);
    turn(&n, 20);
    assert_false(n.stopped);
    sh_test_advance(&n.t, 200000);
    turn(&n, 20);
    assert_true(n.stopped);
    struct mqtt_counters c;
    mqtt_broker_counters(n.b, 0, &c);
    assert_int_equal(c.connections, 0);
    sh_fakepeer_free(s);
    sh_fakepeer_free(p);
    turn(&n, 5);
    mqtt_server_free(n.srv);
    sh_loop_free(n.loop);
    mqtt_broker_free(n.b);
    sh_test_env_fini(&n.t);
}

static void test_state_is_in_the_journal(void **state)
{
    (void)state;
    char dir[64];
    sh_test_tmpdir(dir);
    for (int round = 0; round < 3; round++) { /* 1: from the log, 2: from the checkpoint */
        struct node n;
        node_open(&n, dir);
        struct sh_fakepeer *p = dial(&n, NULL);
        SAY(p, "\x10\x0d\0\4MQTT\4\0\0\x3c\0\1s");
        if (round == 0) {
            HEAR(&n, p, "\x20\2\0\0");
            SAY(p, "\x82\6\0\1\0\1q\1");
            HEAR(&n, p, "\x90\3\0\1\1");
            sh_fakepeer_reset(p);
            turn(&n, 5);
            struct sh_fakepeer *q = dial(&n, NULL);
            SAY(q, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1p\x33\x06\0\1r\0\1k\x32\x06\0\1q\0\2m");
            HEAR(&n, q, "\x20\2\0\0\x40\2\0\1\x40\2\0\2");
            sh_fakepeer_free(q);
        } else {
            HEAR(&n, p, "\x20\2\1\0\x32\6\0\1q\0\1m"); /* still unacknowledged in round 2 */
            SAY(p, "\x82\6\0\1\0\1r\0");
            HEAR(&n, p, "\x90\3\0\1\0\x31\4\0\1rk");
        }
        sh_fakepeer_free(p);
        turn(&n, 20);
        node_close(&n, round == 1);
    }
    sh_test_rmdir(dir);
}

static void test_damaged_checkpoint_is_set_aside(void **state)
{
    (void)state;
    char dir[64];
    char path[128];
    sh_test_tmpdir(dir);
    struct node n;
    node_open(&n, dir);
    struct sh_fakepeer *p = dial(&n, NULL);
    SAY(p, "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1p\x33\x06\0\1r\0\1k");
    HEAR(&n, p, "\x20\2\0\0\x40\2\0\1");
    sh_fakepeer_free(p);
    turn(&n, 5);
    node_close(&n, true);
    (void)snprintf(path, sizeof path, "%s/mqtt/state", dir);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    (void)fseek(f, 30, SEEK_SET);
    (void)fputc(0x7f, f);
    (void)fclose(f);
    node_open(&n, dir); /* starts all the same */
    f = fopen(path, "rb");
    assert_null(f);
    node_close(&n, false);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_speaks_over_streams),
        cmocka_unit_test(test_slow_stream_gets_everything_in_order),
        cmocka_unit_test(test_stop_cuts_off_who_does_not_read),
        cmocka_unit_test(test_state_is_in_the_journal),
        cmocka_unit_test(test_damaged_checkpoint_is_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
