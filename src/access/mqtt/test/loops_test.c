/* loops_test.c - one broker on three loops, real sockets on 127.0.0.1, clients on threads of their
 * own: what is published arrives once and in order, takeovers and storms of disconnections leave
 * nothing behind, and the server stops while all of it goes on. Runs under ThreadSanitizer too.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sh/fair.h>
#include <sh/journal.h>
#include <sh/mqtt_codec.h>
#include <sh/mqtt_server.h>

#include "anyone.h"

enum {
    LOOPS = 3,
    PUBLISHERS = 4,
    SUBSCRIBERS = 4,
    MESSAGES = 300, /* of a publisher, at each QoS */
    WINDOW = 20,
    TAKERS = 6,
    TAKEOVERS = 40,
    STORMERS = 6,
    STORMS = 40,
    ENOUGH = 18, /* connections of a storm under way */
    WAIT_S = 20,
    BIG = 3000,
    BIG_BYTES = 1024,
    SMALL = 12000, /* messages of 5 bytes: about one read */
    FLOODS = 8
};

struct node {
    struct sh_test_env t;
    struct sh_memfs *disk;
    struct sh_loop *loops[LOOPS];
    struct sh_thread threads[LOOPS];
    struct sh_workers *workers;
    struct mqtt_journal *mj;
    struct sh_journal *j;
    struct mqtt_broker *b;
    struct mqtt_server *srv;
    struct mqtt_auth_ops auth;
    struct mqtt_principal who;
    struct sh_addr addr;
    struct sh_job stop;
    atomic_bool stopped;
};

/* ---- the server ---- */

static void run_loop(void *ctx)
{
    sh_loop_run(ctx);
}

static void open_journal(struct node *n)
{
    assert_ok(mqtt_journal_load(n->mj, n->b));
    const struct sh_journal_owner owner = mqtt_journal_owner(n->mj);
    const struct sh_journal_options jo = {
        .dir = "d/journal", .owners = &owner, .owner_count = 1, .segment_bytes = 1 << 20};
    assert_ok(sh_journal_open(&n->t.env, &jo, &n->j));
    mqtt_journal_attach(n->mj, n->j);
    assert_ok(sh_journal_start(n->j));
}

static void node_open(struct node *n, bool durable)
{
    memset(n, 0, sizeof *n);
    sh_test_env_init(&n->t, NULL);
    n->t.env.clock = sh_clock_system();
    n->disk = sh_memfs_new(7);
    n->t.env.fs = sh_memfs_fs(n->disk);
    n->who = (struct mqtt_principal){.tenant = 1, .id = 1, .name = SH_STR("x")};
    n->auth = anyone_ops(&n->who);
    struct mqtt_broker_opts o = {
        .env = &n->t.env, .auth = &n->auth, .limits = {.max_queued = 100000}};
    for (int i = 0; i < LOOPS; i++) {
        assert_ok(sh_loop_new(&n->t.env, NULL, &n->loops[i]));
    }
    if (durable) {
        assert_ok(sh_workers_new(&n->t.env, 1, 8, &n->workers));
        assert_ok(mqtt_journal_new(&n->t.env, n->loops[0], n->workers, "d/mqtt", &n->mj));
        o.store = mqtt_journal_ops(n->mj);
        o.limits.checkpoint_bytes = 65536; /* some are made meanwhile */
    }
    assert_ok(mqtt_broker_new(&o, &n->b));
    if (durable) {
        open_journal(n);
    }
    mqtt_broker_start(n->b);
    assert_ok(mqtt_server_new(n->loops, LOOPS, n->b, &n->srv));
    if (durable) {
        mqtt_journal_wake(n->mj, n->srv);
    }
    assert_ok(mqtt_server_listen(n->srv, SH_STR("127.0.0.1:0"), NULL, 0, NULL, &n->addr));
    for (int i = 0; i < LOOPS; i++) {
        assert_ok(sh_thread_start(&n->threads[i], "loop", run_loop, n->loops[i]));
    }
}

static struct mqtt_counters counters(struct node *n)
{
    struct mqtt_counters c;
    mqtt_broker_enter(n->b, 0);
    mqtt_broker_counters(n->b, 0, &c);
    mqtt_broker_leave(n->b);
    return c;
}

static void wait_connections(struct node *n, uint64_t want)
{
    for (int i = 0; i < WAIT_S * 1000 && counters(n).connections != want; i++) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(counters(n).connections, want);
}

static void on_stopped(void *ctx)
{
    struct node *n = ctx;
    atomic_store(&n->stopped, true);
}

static void stop(void *ctx)
{
    struct node *n = ctx;
    mqtt_server_stop(n->srv, on_stopped, n);
}

static void node_stop(struct node *n)
{
    n->stop = (struct sh_job){.fn = stop, .ctx = n};
    sh_loop_post_job(n->loops[0], &n->stop);
    for (int i = 0; i < WAIT_S * 1000 && !atomic_load(&n->stopped); i++) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(atomic_load(&n->stopped));
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_stop(n->loops[i]);
        sh_thread_join(&n->threads[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_settle(n->loops[i], 1000);
    }
}

static void node_free(struct node *n)
{
    if (n->mj != NULL) {
        mqtt_journal_settle(n->mj);
    }
    sh_journal_close(n->j);
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_settle(n->loops[i], 1000);
    }
    mqtt_server_free(n->srv);
    sh_workers_free(n->workers);
    for (int i = 0; i < LOOPS; i++) {
        sh_loop_free(n->loops[i]);
    }
    mqtt_broker_free(n->b);
    mqtt_journal_free(n->mj);
    sh_memfs_free(n->disk);
    sh_test_env_fini(&n->t);
}

/* ---- a client; what goes wrong on its thread ends the program ---- */

struct cli {
    int fd;
    uint8_t buf[131072];
    size_t at;
    size_t n;
    struct mqtt_packet p; /* the last one; its views are in buf */
};

static void cli_dial(struct cli *c, const struct node *n)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(n->addr.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = WAIT_S};
    const int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->at = 0;
    c->n = 0;
    SH_ASSERT(c->fd >= 0);
    SH_ASSERT(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(c->fd); /* the server stops */
        c->fd = -1;
    }
}

/* False: the server has ended the connection. */
static bool cli_send(struct cli *c, const struct mqtt_packet *p)
{
    struct sh_buf b;
    const struct sh_env env = sh_env_system();
    sh_buf_init(&b, env.alloc, 1 << 20);
    SH_ASSERT(mqtt_encode(&b, p) == SH_OK);
    size_t at = 0;
    while (at < b.n) {
        const ssize_t k = send(c->fd, b.p + at, b.n - at, MSG_NOSIGNAL);
        if (k <= 0) {
            break;
        }
        at += (size_t)k;
    }
    const bool all = at == b.n;
    sh_buf_fini(&b);
    return all;
}

/* Type of the next packet, 0: the connection has ended. */
static int cli_next(struct cli *c)
{
    for (;;) {
        struct mqtt_head h;
        const struct sh_bytes rest = {c->buf + c->at, c->n - c->at};
        if (mqtt_head_decode(rest, &h) == SH_OK && rest.n >= (size_t)h.head_len + h.len) {
            SH_ASSERT(mqtt_decode(&h, sh_bytes_of(rest.p + h.head_len, h.len), MQTT_V311, &c->p) ==
                      MQTT_R_SUCCESS);
            c->at += (size_t)h.head_len + h.len;
            return c->p.type;
        }
        memmove(c->buf, rest.p, rest.n);
        c->n = rest.n;
        c->at = 0;
        const ssize_t k = recv(c->fd, c->buf + c->n, sizeof c->buf - c->n, 0);
        if (k <= 0) {
            return 0;
        }
        c->n += (size_t)k;
    }
}

static void cli_close(struct cli *c, bool reset)
{
    const struct linger hard = {.l_onoff = 1};
    if (c->fd >= 0 && reset) {
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    if (c->fd >= 0) {
        (void)close(c->fd);
    }
    c->fd = -1;
}

static bool cli_connect(struct cli *c, const struct node *n, const char *id, bool clean)
{
    cli_dial(c, n);
    struct mqtt_packet p = {.type = MQTT_CONNECT, .version = MQTT_V311};
    p.connect.version = MQTT_V311;
    p.connect.clean = clean;
    p.connect.client_id = sh_str_c(id);
    p.connect.has_will = true;
    p.connect.will.topic = SH_STR("wills");
    p.connect.will.payload = sh_bytes_of(id, strlen(id));
    return c->fd >= 0 && cli_send(c, &p) && cli_next(c) == MQTT_CONNACK;
}

static bool cli_subscribe(struct cli *c, const char *filter, uint8_t qos)
{
    struct sh_buf list;
    const struct sh_env env = sh_env_system();
    sh_buf_init(&list, env.alloc, 4096);
    SH_ASSERT(mqtt_filter_put(&list, sh_str_c(filter), &qos) == SH_OK);
    struct mqtt_packet p = {.type = MQTT_SUBSCRIBE, .version = MQTT_V311};
    p.subscribe.packet_id = 9;
    p.subscribe.list = sh_buf_bytes(&list);
    const bool sent = cli_send(c, &p);
    sh_buf_fini(&list);
    return sent;
}

static bool cli_publish(struct cli *c, const char *topic, struct sh_bytes payload, int qos,
                        uint16_t pid, bool retain)
{
    struct mqtt_packet p = {.type = MQTT_PUBLISH, .version = MQTT_V311};
    p.publish.topic = sh_str_c(topic);
    p.publish.payload = payload;
    p.publish.qos = (uint8_t)qos;
    p.publish.packet_id = pid;
    p.publish.retain = retain;
    return cli_send(c, &p);
}

static bool cli_ack(struct cli *c, int type, uint16_t pid)
{
    struct mqtt_packet p = {.type = (uint8_t)type, .version = MQTT_V311};
    p.ack.packet_id = pid;
    return cli_send(c, &p);
}

/* ---- everything arrives once and in order ---- */

struct part {
    struct node *n;
    struct sh_thread thread;
    int i;
    atomic_int *ready;
};

/* Publishes MESSAGES at one QoS with a window; the payload is the publisher and a number. */
static void publish_all(struct cli *c, int i, int qos)
{
    int acked = 0;
    for (uint32_t k = 0; k < MESSAGES; k++) {
        uint8_t payload[8];
        char topic[32];
        (void)snprintf(topic, sizeof topic, "t/%d/%d", qos, i);
        sh_put_be32(payload, (uint32_t)i);
        sh_put_be32(payload + 4, k);
        SH_ASSERT(cli_publish(c, topic, sh_bytes_of(payload, 8), qos, (uint16_t)(k + 1), false));
        while (qos > 0 && acked < MESSAGES &&
               (int)k + 1 - acked >= (k + 1 == MESSAGES ? 1 : WINDOW)) {
            const int type = cli_next(c);
            SH_ASSERT(type != 0);
            if (type == MQTT_PUBREC) {
                SH_ASSERT(cli_ack(c, MQTT_PUBREL, c->p.ack.packet_id));
            } else {
                SH_ASSERT(type == (qos == 1 ? MQTT_PUBACK : MQTT_PUBCOMP));
                SH_ASSERT(c->p.ack.packet_id == acked + 1); /* [MQTT-4.6.0-2], [MQTT-4.6.0-4] */
                acked++;
            }
        }
    }
}

static void publisher(void *ctx)
{
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    char id[16];
    (void)snprintf(id, sizeof id, "pub%d", a->i);
    SH_ASSERT(cli_connect(&c, a->n, id, a->i % 2 == 0));
    for (int qos = 0; qos <= 2; qos++) {
        publish_all(&c, a->i, qos);
    }
    SH_ASSERT(cli_ack(&c, MQTT_DISCONNECT, 0) || true);
    cli_close(&c, false);
}

/* Takes everything of all publishers at all QoS: each once and in the order it was sent. */
static void subscriber(void *ctx)
{
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    char id[16];
    uint32_t next[3][PUBLISHERS] = {{0}};
    int left = 3 * PUBLISHERS * MESSAGES;
    (void)snprintf(id, sizeof id, "sub%d", a->i);
    SH_ASSERT(cli_connect(&c, a->n, id, a->i % 2 == 0));
    SH_ASSERT(cli_subscribe(&c, "t/#", 2) && cli_next(&c) == MQTT_SUBACK);
    (void)atomic_fetch_add(a->ready, 1);
    while (left > 0) {
        const int type = cli_next(&c);
        SH_ASSERT(type != 0);
        if (type == MQTT_PUBREL) {
            SH_ASSERT(cli_ack(&c, MQTT_PUBCOMP, c.p.ack.packet_id));
            continue;
        }
        SH_ASSERT(type == MQTT_PUBLISH && c.p.publish.payload.n == 8);
        const int qos = c.p.publish.qos;
        const uint32_t from = sh_be32(c.p.publish.payload.p);
        const uint32_t number = sh_be32(c.p.publish.payload.p + 4);
        SH_ASSERT(from < PUBLISHERS && number == next[qos][from]);
        next[qos][from]++;
        left--;
        if (qos > 0) {
            SH_ASSERT(cli_ack(&c, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, c.p.publish.packet_id));
        }
    }
    cli_close(&c, a->i % 2 == 1);
}

static void everything_arrives(bool durable)
{
    static struct node n;
    struct part subs[SUBSCRIBERS];
    struct part pubs[PUBLISHERS];
    atomic_int ready = 0;
    node_open(&n, durable);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        subs[i] = (struct part){.n = &n, .i = i, .ready = &ready};
        assert_ok(sh_thread_start(&subs[i].thread, "sub", subscriber, &subs[i]));
    }
    for (int i = 0; i < WAIT_S * 1000 && atomic_load(&ready) < SUBSCRIBERS; i++) {
        (void)poll(NULL, 0, 1);
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        pubs[i] = (struct part){.n = &n, .i = i, .ready = &ready};
        assert_ok(sh_thread_start(&pubs[i].thread, "pub", publisher, &pubs[i]));
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        sh_thread_join(&pubs[i].thread);
    }
    for (int i = 0; i < SUBSCRIBERS; i++) {
        sh_thread_join(&subs[i].thread);
    }
    wait_connections(&n, 0);
    const struct mqtt_counters c = counters(&n);
    assert_int_equal(c.publish_in[1], PUBLISHERS * MESSAGES);
    assert_int_equal(c.publish_in[2], PUBLISHERS * MESSAGES);
    assert_int_equal(c.dropped_slow + c.dropped_queue, 0);
    assert_int_equal(c.protocol_errors, 0);
    node_stop(&n);
    node_free(&n);
}

static void test_everything_arrives_once_and_in_order(void **state)
{
    (void)state;
    everything_arrives(false);
}

static void test_everything_arrives_with_a_journal(void **state)
{
    (void)state;
    everything_arrives(true);
}

/* ---- takeovers ---- */

static void taker(void *ctx)
{
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    for (int k = 0; k < TAKEOVERS; k++) {
        /* Another may take the session over at any step: then the connection just ends. */
        if (cli_connect(&c, a->n, "same", false) && cli_subscribe(&c, "x/#", 1) &&
            cli_publish(&c, "x/y", sh_bytes_of("v", 1), k % 3, (uint16_t)(k + 1), k % 4 == 0)) {
            for (int i = 0; i < 5 && cli_next(&c) != 0; i++) {
                if (c.p.type == MQTT_PUBLISH && c.p.publish.qos == 1) {
                    (void)cli_ack(&c, MQTT_PUBACK, c.p.publish.packet_id);
                }
                if (c.p.type == MQTT_SUBACK) {
                    break;
                }
            }
        }
        cli_close(&c, k % 2 == 0);
    }
}

static void takeovers(bool durable)
{
    static struct node n;
    struct part p[TAKERS];
    node_open(&n, durable);
    for (int i = 0; i < TAKERS; i++) {
        p[i] = (struct part){.n = &n, .i = i};
        assert_ok(sh_thread_start(&p[i].thread, "taker", taker, &p[i]));
    }
    for (int i = 0; i < TAKERS; i++) {
        sh_thread_join(&p[i].thread);
    }
    wait_connections(&n, 0);
    const struct mqtt_counters c = counters(&n);
    assert_int_equal(c.sessions, 1);
    assert_true(c.retained <= 1); /* none when every sender was taken over first */
    assert_true(c.takeovers > 0);
    node_stop(&n);
    node_free(&n);
}

static void test_takeovers_across_loops(void **state)
{
    (void)state;
    takeovers(false);
    takeovers(true);
}

/* ---- storms ---- */

static void stormer(void *ctx)
{
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    for (int k = 0; k < STORMS; k++) {
        char id[32];
        char topic[32];
        (void)snprintf(id, sizeof id, "s%d-%d", a->i, k);
        (void)snprintf(topic, sizeof topic, "r/%d", a->i);
        if (cli_connect(&c, a->n, id, true) && cli_subscribe(&c, "#", (uint8_t)(k % 3))) {
            for (uint16_t m = 1; m < 20; m++) {
                (void)cli_publish(&c, topic, sh_bytes_of(id, strlen(id)), m % 3, m, true);
            }
            for (int m = 0; m < k % 7; m++) {
                (void)cli_next(&c);
            }
        }
        cli_close(&c, k % 2 == 0); /* without DISCONNECT: the will goes to all others */
    }
}

static void test_storm_of_disconnections_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct node n;
    static struct cli c;
    struct part p[STORMERS];
    node_open(&n, false);
    for (int i = 0; i < STORMERS; i++) {
        p[i] = (struct part){.n = &n, .i = i};
        assert_ok(sh_thread_start(&p[i].thread, "storm", stormer, &p[i]));
    }
    for (int i = 0; i < STORMERS; i++) {
        sh_thread_join(&p[i].thread);
    }
    wait_connections(&n, 0);
    const struct mqtt_counters k = counters(&n);
    assert_int_equal(k.sessions, 0);
    assert_int_equal(k.subscriptions, 0);
    assert_int_equal(k.retained, STORMERS);
    assert_int_equal(k.messages_stored, STORMERS); /* nothing else is kept */
    /* Who comes now gets what each of them retained last. */
    assert_true(cli_connect(&c, &n, "late", true));
    assert_true(cli_subscribe(&c, "r/+", 0));
    assert_int_equal(cli_next(&c), MQTT_SUBACK);
    for (int i = 0; i < STORMERS; i++) {
        assert_int_equal(cli_next(&c), MQTT_PUBLISH);
        assert_true(c.p.publish.retain);
    }
    cli_close(&c, false);
    node_stop(&n);
    node_free(&n);
}

static void test_server_stops_in_the_middle_of_a_storm(void **state)
{
    (void)state;
    static struct node n;
    struct part p[STORMERS];
    node_open(&n, true);
    for (int i = 0; i < STORMERS; i++) {
        p[i] = (struct part){.n = &n, .i = i};
        assert_ok(sh_thread_start(&p[i].thread, "storm", stormer, &p[i]));
    }
    for (int i = 0; i < WAIT_S * 1000 && counters(&n).connects < ENOUGH; i++) {
        (void)poll(NULL, 0, 1);
    }
    node_stop(&n);
    for (int i = 0; i < STORMERS; i++) {
        sh_thread_join(&p[i].thread);
    }
    node_free(&n);
}

/* ---- a flood to one subscriber on another loop ---- */

static void flooder(void *ctx)
{
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    static uint8_t payload[BIG_BYTES];
    char id[16];
    (void)snprintf(id, sizeof id, "f%d", a->i);
    SH_ASSERT(cli_connect(&c, a->n, id, true));
    for (int i = 0; i < BIG; i++) {
        SH_ASSERT(cli_publish(&c, "flood", sh_bytes_of(payload, sizeof payload), 0, 0, false));
    }
    SH_ASSERT(cli_publish(&c, "flood", sh_bytes_of("end", 3), 1, 1, false));
    SH_ASSERT(cli_next(&c) == MQTT_PUBACK);
    cli_close(&c, false);
}

/* What does not arrive was counted: nothing is lost on the way between the loops. */
static void test_flood_from_two_loops_is_delivered_or_counted(void **state)
{
    (void)state;
    static struct node n;
    static struct cli c;
    struct part p[2];
    int got = 0;
    int ends = 0;
    node_open(&n, false);
    assert_true(cli_connect(&c, &n, "sink", true)); /* on the first loop, the others follow */
    assert_true(cli_subscribe(&c, "flood", 1));
    assert_int_equal(cli_next(&c), MQTT_SUBACK);
    for (int i = 0; i < 2; i++) {
        p[i] = (struct part){.n = &n, .i = i};
        assert_ok(sh_thread_start(&p[i].thread, "flood", flooder, &p[i]));
    }
    while (ends < 2) {
        assert_int_equal(cli_next(&c), MQTT_PUBLISH);
        if (c.p.publish.qos == 1) {
            ends++;
            assert_true(cli_ack(&c, MQTT_PUBACK, c.p.publish.packet_id));
        } else {
            got++;
        }
    }
    for (int i = 0; i < 2; i++) {
        sh_thread_join(&p[i].thread);
    }
    const struct mqtt_counters k = counters(&n);
    assert_int_equal(got + (int)k.dropped_slow, 2 * BIG);
    cli_close(&c, false);
    node_stop(&n);
    node_free(&n);
}

/* ---- a flood of small messages: reads with more work than one holding of the lock ---- */

static void small_flooder(void *ctx)
{
    static const uint8_t one[] = {0x30, 3, 0, 1, 's'};
    const struct part *a = ctx;
    static _Thread_local struct cli c;
    static _Thread_local uint8_t many[SMALL * sizeof one];
    char id[16];
    (void)snprintf(id, sizeof id, "small%d", a->i);
    for (size_t i = 0; i < SMALL; i++) {
        memcpy(many + i * sizeof one, one, sizeof one);
    }
    SH_ASSERT(cli_connect(&c, a->n, id, true));
    for (int k = 0; k < FLOODS; k++) {
        for (size_t at = 0; at < sizeof many;) {
            const ssize_t sent = send(c.fd, many + at, sizeof many - at, MSG_NOSIGNAL);
            SH_ASSERT(sent > 0);
            at += (size_t)sent;
        }
    }
    SH_ASSERT(cli_publish(&c, "end", sh_bytes_of("", 0), 1, 1, false)); /* all before it was read */
    SH_ASSERT(cli_next(&c) == MQTT_PUBACK);
    cli_close(&c, false);
}

static void test_flood_of_small_messages_lets_others_in(void **state)
{
    (void)state;
    static struct node n;
    static struct cli c;
    struct part p[2];
    node_open(&n, false);
    for (int i = 0; i < 2; i++) {
        p[i] = (struct part){.n = &n, .i = i};
        assert_ok(sh_thread_start(&p[i].thread, "flood", small_flooder, &p[i]));
    }
    assert_true(cli_connect(&c, &n, "other", true));
    for (uint16_t k = 1; k <= 50; k++) {
        assert_true(cli_publish(&c, "o", sh_bytes_of("x", 1), 1, k, false));
        assert_int_equal(cli_next(&c), MQTT_PUBACK);
    }
    for (int i = 0; i < 2; i++) {
        sh_thread_join(&p[i].thread);
    }
    assert_int_equal(counters(&n).publish_in[0], 2 * SMALL * FLOODS);
    cli_close(&c, false);
    node_stop(&n);
    node_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_arrives_once_and_in_order),
        cmocka_unit_test(test_everything_arrives_with_a_journal),
        cmocka_unit_test(test_takeovers_across_loops),
        cmocka_unit_test(test_storm_of_disconnections_leaves_nothing_behind),
        cmocka_unit_test(test_server_stops_in_the_middle_of_a_storm),
        cmocka_unit_test(test_flood_from_two_loops_is_delivered_or_counted),
        cmocka_unit_test(test_flood_of_small_messages_lets_others_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
