/* bench_columns - the load generator for columnar frames: one thread, poll, loopback only.
 *
 *   bench_columns PORT pid=N token= name=bench kind=walk|int groups=16 series=64 rows=1024
 *                 rounds=96 step_s=1 start_s=N conns=4 frames=4
 * groups x series points with rounds x rows samples each. A frame has `rows` consecutive samples of
 * each of the `series` points of one group (64 x 1024 rows: the most that a frame takes); a body
 * has `frames` of them. A group belongs to one connection, so its samples arrive in order of time;
 * a connection has one request under way.
 *
 * All bodies are made before the measured time. Prints one line of JSON: samples, seconds from the
 * first byte to the last acknowledgement, its own CPU seconds in that time and those of the server.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench_common.h"

enum { MAX_CONNS = 64, IN_BYTES = 4096, HEAD_BYTES = 512, TIMEOUT_MS = 60000, MAX_ROWS = 65536 };

struct conn {
    int fd;
    uint32_t index;
    uint32_t next; /* body that comes next */
    uint32_t bodies;
    uint8_t *body; /* bodies, each with its head, one behind the other */
    size_t *end;   /* of each */
    size_t at;     /* sent so far, in the whole of them */
    char in[IN_BYTES];
    size_t in_n;
};

struct load {
    uint16_t port;
    uint32_t conns;
    uint32_t groups;
    uint32_t series;
    uint32_t rows;
    uint32_t rounds;
    uint32_t frames;
    int64_t step_us;
    int64_t start_us;
    bool walk;
    const char *token;
    const char *name;
    int32_t *level; /* of each series of all groups */
    uint64_t *rng;
    struct conn all[MAX_CONNS];
    int64_t pid;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_columns: %s: %s\n", what,
                  strerror(errno)); /* NOLINT: one thread */
    exit(1);                        /* NOLINT: one thread */
}

static double clock_s(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- bodies ---- */

static uint32_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)(*x >> 32);
}

/* The same two sorts of data as bench_load's lines. */
static union bench_cell {
    double f64;
    int64_t i64;
    uint64_t bits;
} next_cell(struct load *l, uint32_t s)
{
    union bench_cell c = {.bits = 0};
    const uint32_t r = next_random(&l->rng[s]);
    if (l->walk) {
        l->level[s] += (int32_t)(r % 401) - 200;
        c.f64 = (double)l->level[s] / 100;
    } else {
        const uint32_t p = r % 100;
        l->level[s] += p < 8 ? -2 : (p < 32 ? -1 : (p < 68 ? 0 : (p < 92 ? 1 : 2)));
        c.i64 = l->level[s];
    }
    return c;
}

static size_t frame_size(const struct load *l)
{
    char device[64];
    const int n = snprintf(device, sizeof device, "%.40s.%04u", l->name, 0u);
    return 24 + (size_t)l->series * (12 + (size_t)n + 5) + (size_t)l->series * l->rows * 16 + 4;
}

/* Writes the frame of a group and round; returns its bytes. */
static size_t put_frame(struct load *l, uint8_t *p, uint32_t group, uint32_t round)
{
    uint8_t *at = p + 24;
    memcpy(p, "SHCB\1\0\0\0", 8); /* NOLINT: a length, not a terminator */
    sh_put_le32(p + 8, l->series);
    sh_put_le32(p + 12, l->series * l->rows);
    sh_put_le32(p + 16, 0);
    sh_put_le32(p + 20, (uint32_t)frame_size(l));
    for (uint32_t s = 0; s < l->series; s++) {
        char device[64];
        const int n = snprintf(device, sizeof device, "%.40s.%04u", l->name, group * l->series + s);
        sh_put_le16(at, (uint16_t)n);
        sh_put_le16(at + 2, 5);
        at[4] = l->walk ? 3 : 2;
        memset(at + 5, 0, 3);
        sh_put_le32(at + 8, l->rows);
        memcpy(at + 12, device, (size_t)n);
        memcpy(at + 12 + n, "value", 5); /* NOLINT: a length, not a terminator */
        at += 12 + n + 5;
    }
    const int64_t from = l->start_us + (int64_t)round * l->rows * l->step_us;
    for (uint32_t i = 0; i < l->series * l->rows; i++, at += 8) {
        sh_put_le64(at, (uint64_t)(from + (int64_t)(i % l->rows) * l->step_us));
    }
    for (uint32_t i = 0; i < l->series * l->rows; i++, at += 8) {
        sh_put_le64(at, next_cell(l, group * l->series + i / l->rows).bits);
    }
    sh_put_le32(at, sh_crc32c(0, p, (size_t)(at - p)));
    return (size_t)(at - p) + 4;
}

static size_t put_head(const struct load *l, uint8_t *p, size_t body)
{
    const int n = snprintf((char *)p, HEAD_BYTES,
                           "POST /api/v1/ingest HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                           "Content-Type: application/vnd.songhua.columns\r\n"
                           "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                           l->port, l->token, body);
    return (size_t)n;
}

/* Frames of a connection: all of its groups, round by round. */
static void make_bodies(struct load *l, struct conn *c)
{
    uint32_t groups = 0;
    for (uint32_t g = c->index; g < l->groups; g += l->conns) {
        groups++;
    }
    const uint32_t frames = groups * l->rounds;
    c->bodies = (frames + l->frames - 1) / l->frames;
    c->end = sh_mem_array(sh_alloc_heap(), c->bodies + 1, sizeof *c->end);
    c->body = sh_mem_new(sh_alloc_heap(),
                         (size_t)c->bodies * HEAD_BYTES + (size_t)frames * frame_size(l) + 1);
    if (c->end == NULL || c->body == NULL) {
        die("memory");
    }
    size_t at = 0;
    for (uint32_t b = 0, k = 0; b < c->bodies; b++) {
        const uint32_t n = frames - k < l->frames ? frames - k : l->frames;
        at += put_head(l, c->body + at, n * frame_size(l));
        for (uint32_t i = 0; i < n; i++, k++) {
            at += put_frame(l, c->body + at, c->index + k % groups * l->conns, k / groups);
        }
        c->end[b] = at;
    }
}

/* ---- the loop ---- */

static void open_one(struct load *l, struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port)};
    const int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        die("fcntl");
    }
}

static bool sending(const struct conn *c)
{
    return c->next < c->bodies && c->at < c->end[c->next];
}

static void send_some(struct conn *c)
{
    while (sending(c)) {
        const ssize_t n = send(c->fd, c->body + c->at, c->end[c->next] - c->at, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (n < 0 && errno != EINTR) {
            die("send");
        }
        c->at += n < 0 ? 0 : (size_t)n;
    }
}

/* Takes the answer of the body under way; an answer's JSON is short and has one closing brace. */
static void receive(struct conn *c)
{
    const ssize_t n = recv(c->fd, c->in + c->in_n, IN_BYTES - 1 - c->in_n, 0);
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        die("the server closed a connection");
    }
    c->in_n += (size_t)n;
    c->in[c->in_n] = '\0';
    const char *head = strstr(c->in, "\r\n\r\n");
    if (head == NULL || strchr(head, '}') == NULL) {
        return;
    }
    if (strncmp(c->in + 9, "200", 3) != 0) {
        (void)fprintf(stderr, "bench_columns: the server answered:\n%s\n", c->in);
        exit(1); /* NOLINT: one thread */
    }
    c->in_n = 0;
    c->next++;
}

static void run(struct load *l)
{
    for (;;) {
        struct pollfd p[MAX_CONNS];
        uint32_t open = 0;
        for (uint32_t i = 0; i < l->conns; i++) {
            struct conn *c = &l->all[i];
            const bool more = c->next < c->bodies;
            p[i] = (struct pollfd){.fd = more ? c->fd : -1,
                                   .events = (short)(POLLIN | (sending(c) ? POLLOUT : 0))};
            open += more ? 1 : 0;
        }
        if (open == 0) {
            return;
        }
        if (poll(p, l->conns, TIMEOUT_MS) <= 0) {
            die("nothing happened");
        }
        for (uint32_t i = 0; i < l->conns; i++) {
            if ((p[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
                receive(&l->all[i]);
            }
            if (p[i].revents != 0) {
                send_some(&l->all[i]);
            }
        }
    }
}

static void measure(struct load *l)
{
    for (uint32_t i = 0; i < l->conns; i++) {
        l->all[i].index = i;
        make_bodies(l, &l->all[i]);
        open_one(l, &l->all[i]);
    }
    const double wall = clock_s(CLOCK_MONOTONIC);
    const double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    const double server = bench_cpu_of(l->pid);
    run(l);
    printf("{\"what\":\"columns\",\"count\":%llu,\"seconds\":%.4f,\"client_cpu_s\":%.4f,"
           "\"server_cpu_s\":%.4f}\n",
           (unsigned long long)l->groups * l->series * l->rows * l->rounds,
           clock_s(CLOCK_MONOTONIC) - wall, clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu,
           bench_cpu_of(l->pid) - server);
}

int main(int argc, char **argv)
{
    int64_t port = 0;
    if (argc < 2 || sh_i64_parse(sh_str_c(argv[1]), &port) != SH_OK || port < 1 || port > 65535) {
        (void)fprintf(stderr, "usage: bench_columns PORT name=value...\n");
        return 2;
    }
    struct load l = {
        .port = (uint16_t)port,
        .conns = (uint32_t)bench_number(argc, argv, "conns", "4"),
        .groups = (uint32_t)bench_number(argc, argv, "groups", "16"),
        .series = (uint32_t)bench_number(argc, argv, "series", "64"),
        .rows = (uint32_t)bench_number(argc, argv, "rows", "1024"),
        .rounds = (uint32_t)bench_number(argc, argv, "rounds", "96"),
        .frames = (uint32_t)bench_number(argc, argv, "frames", "4"),
        .step_us = bench_number(argc, argv, "step_s", "1") * 1000000,
        .start_us = bench_number(argc, argv, "start_s", "1700000000") * 1000000,
        .walk = strcmp(bench_option(argc, argv, "kind", "walk"), "walk") == 0,
        .token = bench_option(argc, argv, "token", ""),
        .name = bench_option(argc, argv, "name", "bench"),
        .pid = bench_number(argc, argv, "pid", "0"),
    };
    if (l.conns == 0 || l.conns > MAX_CONNS || l.groups < l.conns || l.series == 0 || l.rows == 0 ||
        l.frames == 0 || (uint64_t)l.series * l.rows > MAX_ROWS) {
        (void)fprintf(stderr, "bench_columns: 1 to 64 conns, as many groups, and up to 65536 rows "
                              "(series x rows) a frame\n");
        return 2;
    }
    const uint32_t n = l.groups * l.series;
    l.level = sh_mem_array(sh_alloc_heap(), n, sizeof *l.level);
    l.rng = sh_mem_array(sh_alloc_heap(), n, sizeof *l.rng);
    if (l.level == NULL || l.rng == NULL) {
        die("memory");
    }
    for (uint32_t s = 0; s < n; s++) {
        l.level[s] = l.walk ? 100000 : 1000;
        l.rng[s] = sh_hash64(&s, sizeof s, 1) | 1;
    }
    measure(&l);
    return 0;
}
