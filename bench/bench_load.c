/* bench_load - the load generator of the benchmarks: one thread, one epoll, loopback only.
 *
 *   bench_load publish PORT conns=1000 messages=1000000 qos=0 window=10 bytes=100 time_ms=N
 *                      topic=sh/v1/bench-%u/telemetry user= password= values=1 rate=0 burst=1
 *     values: numbers in a message (bytes is then the least length). rate: messages a second over
 *     all connections instead of as fast as it goes, QoS 1; then the time from when a message was
 *     due to its PUBACK is printed (p50, p99, p999, max), so a server that falls behind shows.
 *     burst: messages of one connection that are due together.
 *   bench_load idle    PORT conns=19000 user= password=      holds them until its input ends
 *   (both: name=bench is the front of the client ids)
 *   bench_load lines|rows PORT path=/write series=1000 steps=17280 step_s=10 start_s=N
 *                      kind=walk|int conns=4 batch=5000 token= name=bench points=1
 * One POST for each batch of samples: `lines` are line protocol (points: series of a device, one
 * sample a line); `rows` are u32 series, u32 seconds and an f64 (walk) or i64, little-endian, as
 * ClickHouse's RowBinary has them. Each connection is an agent of its own with every conns-th
 * series, in order of time; the values hang on the series alone, so every server gets the same
 * data.
 *
 * Prints one line of JSON: messages or samples, seconds from the first byte of load to the last
 * acknowledgement, its own CPU seconds in that time and those of the server (pid=N). QoS 0 ends
 * with a PINGREQ on each connection: its answer says that the server has read all that was before
 * it. SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench_common.h"

enum {
    MAX_CONNS = 20000,
    OUT_BYTES = 32768,
    IN_BYTES = 4096,
    EVENTS = 512,
    HEAD_ROOM = 512,
    BODY_BYTES = 512,
    LINE_BYTES = 80, /* and the name */
    MAX_VALUES = 20
};

struct conn {
    int fd;
    uint32_t index;
    bool ready; /* connected, and CONNACK is in */
    bool done;
    bool want_out;
    bool pinged;
    uint64_t sent;  /* messages or bodies */
    uint64_t acked; /* PUBACKs */
    uint32_t step;  /* samples: the next one, and its series */
    uint32_t series;
    uint8_t *out;
    size_t out_n;
    size_t out_at;
    size_t out_cap;
    uint8_t in[IN_BYTES];
    size_t in_n;
};

struct load {
    uint16_t port;
    uint32_t conns;
    uint64_t per_conn; /* messages */
    unsigned qos;
    uint64_t window;
    size_t bytes;
    unsigned values;
    uint64_t burst;
    double rate;     /* messages a second, 0 = as fast as it goes */
    double start;    /* rate: when message 0 was due */
    uint32_t *delay; /* rate: of each message, us */
    uint64_t delays;
    int64_t time_ms;
    const char *topic;
    const char *user;
    const char *password;
    const char *path;
    const char *token;
    const char *name;
    bool walk;
    uint32_t series;
    uint32_t steps;
    uint32_t step_s;
    int64_t start_s;
    uint32_t batch;  /* samples in a body */
    uint32_t points; /* series of a device */
    bool rows;       /* binary rows instead of line protocol */
    int32_t *level;  /* of each series */
    uint64_t *rng;   /* of each series */
    int epoll;
    struct conn *all;
    uint32_t finished;
    uint32_t ready;
    bool idle;
    bool http;
    int64_t pid; /* of the server, for its CPU; 0 = not told */
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno)); /* NOLINT: one thread */
    exit(1);                                                              /* NOLINT: one thread */
}

static double clock_s(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void watch(struct load *l, struct conn *c, int op)
{
    struct epoll_event e = {.events = EPOLLIN | (c->want_out ? EPOLLOUT : 0u),
                            .data.u32 = c->index};
    if (epoll_ctl(l->epoll, op, c->fd, &e) != 0) {
        die("epoll_ctl");
    }
}

/* ---- MQTT ---- */

static void put_text(struct conn *c, const char *s)
{
    const size_t n = strlen(s);
    sh_put_be16(c->out + c->out_n, (uint16_t)n);
    memcpy(c->out + c->out_n + 2, s, n); /* NOLINT: a length, not a terminator */
    c->out_n += n + 2;
}

static void put_length(struct conn *c, size_t n)
{
    do {
        c->out[c->out_n++] = (uint8_t)((n & 127) | (n > 127 ? 128 : 0));
        n >>= 7;
    } while (n > 0);
}

static void put_connect(const struct load *l, struct conn *c)
{
    char id[64];
    (void)snprintf(id, sizeof id, "%.40s-%u", l->name, c->index);
    const size_t user = strlen(l->user);
    const size_t password = strlen(l->password);
    size_t n = 10 + 2 + strlen(id);
    n += user > 0 ? 2 + user + 2 + password : 0;
    c->out[c->out_n++] = 0x10;
    put_length(c, n);
    put_text(c, "MQTT");
    c->out[c->out_n++] = 4;                      /* 3.1.1 */
    c->out[c->out_n++] = user > 0 ? 0xC2 : 0x02; /* clean session */
    sh_put_be16(c->out + c->out_n, 0);           /* no keep-alive */
    c->out_n += 2;
    put_text(c, id);
    if (user > 0) {
        put_text(c, l->user);
        put_text(c, l->password);
    }
}

static void put_publish(const struct load *l, struct conn *c)
{
    char topic[128];
    char body[BODY_BYTES];
    /* %u of the topic is the number of the connection: one device each */
    const char *mark = strstr(l->topic, "%u");
    if (mark == NULL) {
        (void)snprintf(topic, sizeof topic, "%s", l->topic);
    } else {
        (void)snprintf(topic, sizeof topic, "%.*s%u%s", (int)(mark - l->topic), l->topic, c->index,
                       mark + 2);
    }
    const long long ms = (long long)l->time_ms + (long long)c->sent;
    const unsigned v = (unsigned)((c->sent * 37 + (uint64_t)c->index * 11) % 5000);
    int n = snprintf(body, sizeof body, "{\"ts\":%lld,\"values\":{\"value\":%u.%02u", ms, v / 100,
                     v % 100);
    for (unsigned k = 1; k < l->values; k++) {
        const unsigned w = (v + k * 613) % 5000;
        n += snprintf(body + n, sizeof body - (size_t)n, ",\"v%u\":%u.%02u", k, w / 100, w % 100);
    }
    body[n++] = '}';
    while ((size_t)n + 1 < l->bytes && (size_t)n + 1 < sizeof body) {
        body[n++] = ' ';
    }
    body[n++] = '}';
    c->out[c->out_n++] = (uint8_t)(0x30 | l->qos << 1);
    put_length(c, 2 + strlen(topic) + (l->qos > 0 ? 2 : 0) + (size_t)n);
    put_text(c, topic);
    if (l->qos > 0) {
        sh_put_be16(c->out + c->out_n, (uint16_t)(c->sent % 65535 + 1));
        c->out_n += 2;
    }
    memcpy(c->out + c->out_n, body, (size_t)n);
    c->out_n += (size_t)n;
    c->sent++;
}

/* When the k-th message of a connection is due; they take turns, a burst each. */
static double due_s(const struct load *l, const struct conn *c, uint64_t k)
{
    const uint64_t before = (k / l->burst * l->conns + c->index) * l->burst;
    return l->start + (double)before / l->rate;
}

/* Fills the output as far as buffer, window and rate allow. */
static void fill_mqtt(struct load *l, struct conn *c)
{
    const double now = l->rate > 0 ? clock_s(CLOCK_MONOTONIC) : 0;
    while (c->sent < l->per_conn && (l->rate <= 0 || due_s(l, c, c->sent) <= now) &&
           c->out_n + BODY_BYTES + HEAD_ROOM < c->out_cap &&
           (l->qos == 0 || c->sent - c->acked < l->window)) {
        put_publish(l, c);
    }
    if (c->sent == l->per_conn && l->qos == 0 && !c->pinged && c->out_n + 2 < c->out_cap) {
        c->out[c->out_n++] = 0xC0;
        c->out[c->out_n++] = 0;
        c->pinged = true;
    }
}

static void finish(struct load *l, struct conn *c)
{
    if (!c->done) {
        c->done = true;
        l->finished++;
    }
}

static void read_mqtt(struct load *l, struct conn *c)
{
    size_t at = 0;
    while (c->in_n - at >= 2 && c->in_n - at >= 2u + c->in[at + 1]) {
        const uint8_t *p = c->in + at;
        switch (p[0] & 0xF0) {
        case 0x20: /* CONNACK */
            if (p[3] != 0) {
                (void)fprintf(stderr, "bench_load: connection refused, code %u\n", p[3]);
                exit(1); /* NOLINT: one thread */
            }
            c->ready = true;
            l->ready++;
            break;
        case 0x40: /* PUBACK */
            if (l->rate > 0) {
                const double late = clock_s(CLOCK_MONOTONIC) - due_s(l, c, c->acked);
                l->delay[l->delays++] = (uint32_t)(late * 1e6);
            }
            c->acked++;
            if (c->acked == l->per_conn) {
                finish(l, c);
            }
            break;
        case 0xD0: /* PINGRESP */
            finish(l, c);
            break;
        default:
            break;
        }
        at += 2u + p[1];
    }
    memmove(c->in, c->in + at, c->in_n - at);
    c->in_n -= at;
}

/* ---- HTTP: line protocol, binary rows ---- */

static uint32_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)(*x >> 32);
}

/* The next value of a series: walk = two decimals, steps even over -2.00..2.00 (8.65 bits of
 * entropy); int = steps of -2..2 with odds 8:24:36:24:8 (2.1 bits). */
static int32_t next_level(struct load *l, uint32_t s)
{
    if (l->walk) {
        l->level[s] += (int32_t)(next_random(&l->rng[s]) % 401) - 200;
    } else {
        const uint32_t r = next_random(&l->rng[s]) % 100;
        l->level[s] += r < 8 ? -2 : (r < 32 ? -1 : (r < 68 ? 0 : (r < 92 ? 1 : 2)));
    }
    return l->level[s];
}

static size_t put_unsigned(uint8_t *p, uint64_t v, int width)
{
    uint8_t t[24];
    int n = 0;
    while (v > 0 || n < width) {
        t[n++] = (uint8_t)('0' + v % 10);
        v /= 10;
    }
    for (int i = 0; i < n; i++) {
        p[i] = t[n - 1 - i];
    }
    return (size_t)n;
}

static size_t put_line(struct load *l, uint8_t *p, uint32_t s, int64_t t)
{
    const int32_t v = next_level(l, s);
    const uint32_t u = (uint32_t)(v < 0 ? -v : v);
    const size_t name = strlen(l->name);
    size_t n = name;
    memcpy(p, l->name, name);     /* NOLINT: a length, not a terminator */
    memcpy(p + n, ",series=", 8); /* NOLINT: a length, not a terminator */
    n += 8;
    n += put_unsigned(p + n, s / l->points, 4);
    memcpy(p + n, " value", 6); /* NOLINT: a length, not a terminator */
    n += 6;
    if (l->points > 1) {
        n += put_unsigned(p + n, s % l->points, 1);
    }
    p[n++] = '=';
    if (v < 0) {
        p[n++] = '-';
    }
    n += put_unsigned(p + n, l->walk ? u / 100 : u, 1);
    if (l->walk) {
        p[n++] = '.';
        n += put_unsigned(p + n, u % 100, 2);
    } else {
        p[n++] = 'i';
    }
    p[n++] = ' ';
    n += put_unsigned(p + n, (uint64_t)t, 1);
    memcpy(p + n, "000000000\n", 10); /* NOLINT: a length, not a terminator */
    return n + 10;
}

static size_t put_row(struct load *l, uint8_t *p, uint32_t s, int64_t t)
{
    const int32_t v = next_level(l, s);
    const double f = (double)v / 100;
    const int64_t i = v;
    sh_put_le32(p, s);
    sh_put_le32(p + 4, (uint32_t)t);
    if (l->walk) {
        memcpy(p + 8, &f, sizeof f);
    } else {
        memcpy(p + 8, &i, sizeof i);
    }
    return 16;
}

/* One POST with the next samples of the connection's series; none left: the connection is done. */
static void fill_http(struct load *l, struct conn *c)
{
    if (c->sent > c->acked) {
        return; /* one request at a time */
    }
    if (c->step == l->steps) {
        finish(l, c);
        return;
    }
    uint8_t *body = c->out + HEAD_ROOM;
    size_t n = 0;
    for (uint32_t r = 0; r < l->batch && c->step < l->steps; r++) {
        const int64_t t = l->start_s + (int64_t)c->step * l->step_s;
        n += l->rows ? put_row(l, body + n, c->series, t) : put_line(l, body + n, c->series, t);
        c->series += l->conns;
        if (c->series >= l->series) {
            c->series = c->index;
            c->step++;
        }
    }
    char head[HEAD_ROOM];
    const int k = snprintf(head, sizeof head,
                           "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: text/plain\r\n"
                           "%s%s%sContent-Length: %zu\r\n\r\n",
                           l->path, l->port, l->token[0] != '\0' ? "Authorization: Bearer " : "",
                           l->token, l->token[0] != '\0' ? "\r\n" : "", n);
    c->out_at = HEAD_ROOM - (size_t)k;
    memcpy(c->out + c->out_at, head, (size_t)k);
    c->out_n = HEAD_ROOM + n;
    c->sent++;
}

/* An answer of success has an empty body: nothing, or in chunks just the last of them. */
static void read_http(struct load *l, struct conn *c)
{
    c->in[c->in_n < IN_BYTES ? c->in_n : IN_BYTES - 1] = '\0';
    const char *text = (const char *)c->in;
    const char *end = strstr(text, "\r\n\r\n");
    if (end == NULL || (strstr(text, "\r\nTransfer-Encoding: chunked") != NULL &&
                        strstr(end, "\n0\r\n\r\n") == NULL)) {
        return;
    }
    if (c->in_n < 12 || text[9] != '2') {
        (void)fprintf(stderr, "bench_load: the server answered:\n%.*s\n", (int)c->in_n, text);
        exit(1); /* NOLINT: one thread */
    }
    c->in_n = 0;
    c->acked++;
    (void)l;
}

/* ---- the loop ---- */

static void flush(struct load *l, struct conn *c)
{
    while (c->out_at < c->out_n) {
        const ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            die("send");
        }
        if (n < 0) {
            break;
        }
        c->out_at += (size_t)n;
    }
    if (c->out_at == c->out_n) {
        c->out_at = 0;
        c->out_n = 0;
    } else if (!l->http && c->out_at > c->out_cap / 2) {
        memmove(c->out, c->out + c->out_at, c->out_n - c->out_at);
        c->out_n -= c->out_at;
        c->out_at = 0;
    }
    const bool want = c->out_n > 0;
    if (want != c->want_out) {
        c->want_out = want;
        watch(l, c, EPOLL_CTL_MOD);
    }
}

static void pump(struct load *l, struct conn *c)
{
    for (int i = 0; i < 8 && !c->done; i++) {
        const uint64_t before = c->sent;
        if (l->http) {
            fill_http(l, c);
        } else {
            fill_mqtt(l, c);
        }
        flush(l, c);
        if (c->out_n > 0 || c->sent == before) {
            break;
        }
    }
}

static void take_input(struct load *l, struct conn *c)
{
    for (;;) {
        const ssize_t n = recv(c->fd, c->in + c->in_n, IN_BYTES - 1 - c->in_n, 0);
        if (n == 0) {
            (void)fprintf(stderr, "bench_load: the server closed connection %u\n", c->index);
            exit(1); /* NOLINT: one thread */
        }
        if (n < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return;
            }
            die("recv");
        }
        c->in_n += (size_t)n;
        if (l->http) {
            read_http(l, c);
        } else {
            read_mqtt(l, c);
        }
    }
}

static void turn(struct load *l, bool loading)
{
    struct epoll_event e[EVENTS];
    const bool paced = loading && l->rate > 0;
    const int n = epoll_wait(l->epoll, e, EVENTS, paced ? 1 : 30000);
    for (uint32_t i = 0; paced && i < l->conns; i++) {
        pump(l, &l->all[i]);
    }
    if (n == 0 && !paced) {
        errno = ETIMEDOUT;
        die("nothing happened for 30 s");
    }
    for (int i = 0; i < n; i++) {
        struct conn *c = &l->all[e[i].data.u32];
        if ((e[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            take_input(l, c);
        }
        if (loading && c->ready) {
            pump(l, c);
        } else {
            flush(l, c);
        }
    }
}

static void open_one(struct load *l, uint32_t i)
{
    struct conn *c = &l->all[i];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    const int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->index = i;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        die("fcntl");
    }
    c->out_cap = l->idle ? 1024 : OUT_BYTES;
    if (l->http) {
        c->out_cap = HEAD_ROOM + (size_t)l->batch * (LINE_BYTES + strlen(l->name));
        c->series = i;
    }
    c->out = sh_mem_new(sh_alloc_heap(), c->out_cap);
    if (c->out == NULL) {
        die("memory");
    }
    watch(l, c, EPOLL_CTL_ADD);
    if (l->http) {
        c->ready = true;
        l->ready++;
    } else {
        put_connect(l, c);
        flush(l, c);
    }
}

/* Opens all connections, a hundred ahead of the answers. */
static void open_all(struct load *l)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->all = sh_mem_array(sh_alloc_heap(), l->conns, sizeof *l->all);
    if (l->epoll < 0 || l->all == NULL) {
        die("start");
    }
    for (uint32_t i = 0; i < l->conns; i++) {
        open_one(l, i);
        while (!l->http && i + 1 - l->ready >= 100) {
            turn(l, false);
        }
    }
    while (l->ready < l->conns) {
        turn(l, false);
    }
}

static int by_delay(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : (x > y ? 1 : 0);
}

static void run(struct load *l, const char *what)
{
    open_all(l);
    if (l->idle) {
        char c;
        printf("{\"connected\":%u}\n", l->conns);
        (void)fflush(stdout);
        while (read(STDIN_FILENO, &c, 1) > 0) {
        }
        return;
    }
    const double wall = clock_s(CLOCK_MONOTONIC);
    const double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    const double server = bench_cpu_of(l->pid);
    l->start = wall;
    for (uint32_t i = 0; i < l->conns; i++) {
        pump(l, &l->all[i]);
    }
    while (l->finished < l->conns) {
        turn(l, true);
    }
    const uint64_t n = l->http ? (uint64_t)l->series * l->steps : l->per_conn * l->conns;
    printf("{\"what\":\"%s\",", what);
    if (l->delays > 0) {
        qsort(l->delay, l->delays, sizeof *l->delay, by_delay);
        printf("\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u,", l->delay[l->delays / 2],
               l->delay[l->delays * 99 / 100], l->delay[l->delays * 999 / 1000],
               l->delay[l->delays - 1]);
    }
    printf("\"count\":%llu,\"seconds\":%.4f,\"client_cpu_s\":%.4f,\"server_cpu_s\":%.4f}\n",
           (unsigned long long)n, clock_s(CLOCK_MONOTONIC) - wall,
           clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu, bench_cpu_of(l->pid) - server);
}

int main(int argc, char **argv)
{
    int64_t port = 0;
    if (argc < 3 || sh_i64_parse(sh_str_c(argv[2]), &port) != SH_OK || port < 1 || port > 65535) {
        (void)fprintf(stderr, "usage: bench_load publish|idle|lines|rows PORT name=value...\n");
        return 2;
    }
    struct load l = {
        .port = (uint16_t)port,
        .conns = (uint32_t)bench_number(argc, argv, "conns", "4"),
        .qos = bench_number(argc, argv, "qos", "0") == 0 ? 0 : 1,
        .window = (uint64_t)bench_number(argc, argv, "window", "10"),
        .values = (unsigned)bench_number(argc, argv, "values", "1"),
        .rate = (double)bench_number(argc, argv, "rate", "0"),
        .burst = (uint64_t)bench_number(argc, argv, "burst", "1"),
        .bytes = (size_t)bench_number(argc, argv, "bytes", "100"),
        .time_ms = bench_number(argc, argv, "time_ms", "1700000000000"),
        .topic = bench_option(argc, argv, "topic", "sh/v1/bench-%u/telemetry"),
        .user = bench_option(argc, argv, "user", ""),
        .password = bench_option(argc, argv, "password", ""),
        .path = bench_option(argc, argv, "path", "/write"),
        .token = bench_option(argc, argv, "token", ""),
        .name = bench_option(argc, argv, "name", "bench"),
        .walk = strcmp(bench_option(argc, argv, "kind", "walk"), "walk") == 0,
        .series = (uint32_t)bench_number(argc, argv, "series", "1000"),
        .steps = (uint32_t)bench_number(argc, argv, "steps", "17280"),
        .step_s = (uint32_t)bench_number(argc, argv, "step_s", "10"),
        .start_s = bench_number(argc, argv, "start_s", "1700000000"),
        .batch = (uint32_t)bench_number(argc, argv, "batch", "5000"),
        .points = (uint32_t)bench_number(argc, argv, "points", "1"),
        .idle = strcmp(argv[1], "idle") == 0,
        .rows = strcmp(argv[1], "rows") == 0,
        .http = strcmp(argv[1], "lines") == 0 || strcmp(argv[1], "rows") == 0,
        .pid = bench_number(argc, argv, "pid", "0"),
    };
    if (l.conns == 0 || l.conns > MAX_CONNS || (l.http && l.series < l.conns) || l.batch == 0 ||
        l.points == 0 || l.bytes > 500 || l.values == 0 || l.values > MAX_VALUES || l.burst == 0 ||
        (l.rate > 0 && l.qos == 0)) {
        (void)fprintf(stderr,
                      "bench_load: conns 1 to 20000, series from conns, batch and points from 1, "
                      "bytes up to 500, values 1 to 20, rate with qos=1\n");
        return 2;
    }
    l.per_conn = (uint64_t)bench_number(argc, argv, "messages", "1000000") / l.conns;
    l.level = sh_mem_array(sh_alloc_heap(), l.series, sizeof *l.level);
    l.rng = sh_mem_array(sh_alloc_heap(), l.series, sizeof *l.rng);
    l.delay = sh_mem_array(sh_alloc_heap(), l.rate > 0 ? l.per_conn * l.conns : 1, sizeof *l.delay);
    if (l.level == NULL || l.rng == NULL || l.delay == NULL) {
        die("memory");
    }
    for (uint32_t s = 0; s < l.series; s++) {
        l.level[s] = l.walk ? 100000 : 1000;
        l.rng[s] = sh_hash64(&s, sizeof s, 1) | 1;
    }
    run(&l, argv[1]);
    return 0;
}
