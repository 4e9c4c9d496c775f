/* bench_peer - the other ends of the MQTT benchmarks; one thread, loopback only.
 *
 *   bench_peer sink PORT                     a server that acknowledges and keeps nothing: what
 * sockets and parsing alone cost here; ends when its input ends bench_peer sub  PORT filter=F
 * count=N user= password= pid=N one subscriber: counts messages until there are N, or none came for
 * 3 s after the first bench_peer pace PORT rate=20000 seconds=5 conns=100 bytes=100 user= password=
 *                                            publishers that send at a steady rate to one
 * subscriber in this process: time from send to receipt
 *
 * Prints one line of JSON. SPDX-License-Identifier: Apache-2.0 */
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

enum { BUFFER = 1 << 18, EVENTS = 512, MAX_CONNS = 1000, QUIET_MS = 3000, STAMP = 16, BURST = 64 };

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_peer: %s: %s\n", what, strerror(errno)); /* NOLINT: one thread */
    exit(1);                                                              /* NOLINT: one thread */
}

static int64_t now_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- a connection and its packets ---- */

struct conn {
    int fd;
    size_t in_n;
    uint8_t *in;
};

/* One whole packet at the front of c->in: its bytes, 0 = not there yet. *body: where it begins. */
static size_t packet(const struct conn *c, size_t at, size_t *body)
{
    size_t len = 0;
    for (size_t i = 1; i < 5 && at + i < c->in_n; i++) {
        len |= (size_t)(c->in[at + i] & 127) << (7 * (i - 1));
        if ((c->in[at + i] & 128) == 0) {
            *body = at + i + 1;
            return at + i + 1 + len <= c->in_n ? i + 1 + len : 0;
        }
    }
    return 0;
}

/* False: the other side has closed. */
static bool take_input(struct conn *c)
{
    const ssize_t n = recv(c->fd, c->in + c->in_n, BUFFER - c->in_n, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        return false;
    }
    c->in_n += n > 0 ? (size_t)n : 0;
    return true;
}

static void drop(struct conn *c, size_t used)
{
    memmove(c->in, c->in + used, c->in_n - used);
    c->in_n -= used;
}

static void send_all(const struct conn *c, const uint8_t *p, size_t n)
{
    while (n > 0) {
        const ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k > 0) {
            p += k;
            n -= (size_t)k;
            continue;
        }
        struct pollfd f = {.fd = c->fd, .events = POLLOUT};
        if ((errno != EAGAIN && errno != EINTR) || poll(&f, 1, 10000) <= 0) {
            die("send");
        }
    }
}

static size_t put_text(uint8_t *p, const char *s)
{
    const size_t n = strlen(s);
    sh_put_be16(p, (uint16_t)n);
    memcpy(p + 2, s, n); /* NOLINT: a length, not a terminator */
    return n + 2;
}

/* Puts the fixed header before the body at p + 5, as short as it can be; returns where it begins.
 */
static uint8_t *put_head(uint8_t *p, uint8_t first, size_t body)
{
    uint8_t len[4];
    size_t n = 0;
    do {
        len[n++] = (uint8_t)(body % 128 | (body > 127 ? 128 : 0));
        body /= 128;
    } while (body > 0);
    uint8_t *at = p + 5 - n - 1;
    at[0] = first;
    memcpy(at + 1, len, n);
    return at;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void buffers(struct conn *c)
{
    c->in = sh_mem_new(sh_alloc_heap(), BUFFER);
    if (c->in == NULL) {
        die("memory");
    }
}

/* Waits for a packet of this type and drops it. */
static void await(struct conn *c, uint8_t type)
{
    size_t body = 0;
    for (;;) {
        const size_t n = packet(c, 0, &body);
        if (n > 0) {
            const bool found = (c->in[0] & 0xF0) == type;
            drop(c, n);
            if (found) {
                return;
            }
            continue;
        }
        struct pollfd f = {.fd = c->fd, .events = POLLIN};
        if (poll(&f, 1, 10000) <= 0 || !take_input(c)) {
            die("the server did not answer");
        }
    }
}

static void dial(struct conn *c, uint16_t port, const char *id, const char *user,
                 const char *password)
{
    const struct sockaddr_in to = loopback(port);
    const int on = 1;
    uint8_t p[1024] = {0};
    buffers(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    size_t n = 5;
    n += put_text(p + n, "MQTT");
    p[n++] = 4;
    p[n++] = user[0] != '\0' ? 0xC2 : 0x02;
    n += 2; /* no keep-alive */
    n += put_text(p + n, id);
    if (user[0] != '\0') {
        n += put_text(p + n, user);
        n += put_text(p + n, password);
    }
    const uint8_t *at = put_head(p, 0x10, n - 5);
    send_all(c, at, (size_t)(p + n - at));
    await(c, 0x20);
}

static void subscribe(struct conn *c, const char *filter)
{
    uint8_t p[512] = {[6] = 1}; /* packet id 1 */
    size_t n = 7 + put_text(p + 7, filter);
    p[n++] = 0; /* QoS 0 */
    const uint8_t *at = put_head(p, 0x82, n - 5);
    send_all(c, at, (size_t)(p + n - at));
    await(c, 0x90);
}

/* ---- sink ---- */

static size_t answer(const struct conn *c, size_t at, size_t body, uint8_t *out)
{
    switch (c->in[at] & 0xF0) {
    case 0x10:
        memcpy(out, "\x20\x02\x00\x00", 4);
        return 4;
    case 0x30:
        if ((c->in[at] & 6) == 0) {
            return 0;
        }
        memcpy(out, "\x40\x02", 2);
        memcpy(out + 2, c->in + body + 2 + sh_be16(c->in + body), 2);
        return 4;
    case 0xC0:
        memcpy(out, "\xd0\x00", 2);
        return 2;
    default:
        return 0;
    }
}

static void serve(struct conn *c, int epoll)
{
    static uint8_t out[BUFFER];
    size_t n = 0;
    size_t at = 0;
    size_t body = 0;
    if (!take_input(c)) {
        (void)epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
        (void)close(c->fd);
        sh_mem_free(sh_alloc_heap(), c->in);
        sh_mem_free(sh_alloc_heap(), c);
        return;
    }
    for (size_t k = packet(c, at, &body); k > 0; k = packet(c, at, &body)) {
        n += answer(c, at, body, out + n);
        at += k;
        if (n > BUFFER - 8) {
            send_all(c, out, n);
            n = 0;
        }
    }
    if (n > 0) {
        send_all(c, out, n);
    }
    drop(c, at);
}

static void take_one(int listener, int epoll)
{
    struct conn *c = sh_mem_new(sh_alloc_heap(), sizeof *c);
    const int on = 1;
    if (c == NULL) {
        die("memory");
    }
    c->fd = accept(listener, NULL, NULL);
    if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        die("accept");
    }
    buffers(c);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        die("epoll_ctl");
    }
}

static void sink(uint16_t port)
{
    const struct sockaddr_in at = loopback(port);
    const int on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    static int self; /* its address marks the listener, NULL marks our input */
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &self};
    struct epoll_event in = {.events = EPOLLIN};
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, 4096) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in) != 0) {
        die("listen");
    }
    for (;;) {
        struct epoll_event ev[EVENTS];
        const int n = epoll_wait(epoll, ev, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == NULL) {
                return; /* our input has ended */
            }
            if (ev[i].data.ptr == &self) {
                take_one(listener, epoll);
            } else {
                serve(ev[i].data.ptr, epoll);
            }
        }
    }
}

/* ---- sub ---- */

static void count_messages(struct conn *c, uint64_t want, int64_t pid)
{
    uint64_t got = 0;
    int64_t first = 0;
    int64_t last = 0;
    const double server = bench_cpu_of(pid);
    const int64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    printf("ready\n");
    (void)fflush(stdout);
    while (got < want) {
        struct pollfd f = {.fd = c->fd, .events = POLLIN};
        if (poll(&f, 1, got == 0 ? 60000 : QUIET_MS) <= 0 || !take_input(c)) {
            break;
        }
        size_t at = 0;
        size_t body = 0;
        for (size_t k = packet(c, at, &body); k > 0; k = packet(c, at, &body)) {
            got += (c->in[at] & 0xF0) == 0x30;
            at += k;
        }
        drop(c, at);
        last = now_ns(CLOCK_MONOTONIC);
        first = first == 0 ? last : first;
    }
    printf("{\"what\":\"sub\",\"received\":%llu,\"wanted\":%llu,\"seconds\":%.4f,\"client_cpu_s\":%"
           ".4f,"
           "\"server_cpu_s\":%.4f}\n",
           (unsigned long long)got, (unsigned long long)want, (double)(last - first) / 1e9,
           (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9, bench_cpu_of(pid) - server);
}

/* ---- pace ---- */

struct pace {
    struct conn sub;
    struct conn *pubs;
    uint32_t conns;
    size_t bytes;
    uint32_t *us; /* latencies */
    uint64_t n;
    uint64_t cap;
};

static void publish(const struct pace *p, const struct conn *c)
{
    uint8_t m[1024];
    char stamp[STAMP + 1];
    (void)snprintf(stamp, sizeof stamp, "%016llx", (unsigned long long)now_ns(CLOCK_MONOTONIC));
    size_t n = 5 + put_text(m + 5, "pace/value");
    memcpy(m + n, stamp, STAMP);
    memset(m + n + STAMP, ' ', p->bytes - STAMP);
    n += p->bytes;
    const uint8_t *at = put_head(m, 0x30, n - 5);
    send_all(c, at, (size_t)(m + n - at));
}

static void receive(struct pace *p)
{
    size_t at = 0;
    size_t body = 0;
    if (!take_input(&p->sub)) {
        die("the server closed the subscriber");
    }
    const int64_t now = now_ns(CLOCK_MONOTONIC);
    for (size_t k = packet(&p->sub, at, &body); k > 0; k = packet(&p->sub, at, &body)) {
        if ((p->sub.in[at] & 0xF0) == 0x30 && p->n < p->cap) {
            char stamp[STAMP + 1] = {0};
            memcpy(stamp, p->sub.in + body + 2 + sh_be16(p->sub.in + body), STAMP);
            const int64_t took = now - (int64_t)strtoull(stamp, NULL, 16);
            p->us[p->n++] = (uint32_t)(took / 1000);
        }
        at += k;
    }
    drop(&p->sub, at);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void pace_run(struct pace *p, uint64_t rate, uint64_t seconds)
{
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    const uint64_t all = rate * seconds;
    uint64_t sent = 0;
    int64_t quiet = begin;
    while (p->n < all && now_ns(CLOCK_MONOTONIC) - quiet < (int64_t)QUIET_MS * 1000000) {
        const uint64_t due = (uint64_t)(now_ns(CLOCK_MONOTONIC) - begin) * rate / 1000000000;
        for (int i = 0; i < BURST && sent < due && sent < all; i++) {
            publish(p, &p->pubs[sent % p->conns]);
            sent++;
            quiet = now_ns(CLOCK_MONOTONIC);
        }
        struct pollfd f = {.fd = p->sub.fd, .events = POLLIN};
        if (poll(&f, 1, sent < all ? 0 : 100) > 0) {
            receive(p);
            quiet = now_ns(CLOCK_MONOTONIC);
        }
    }
    qsort(p->us, p->n, sizeof *p->us, by_value);
    printf("{\"what\":\"pace\",\"rate\":%llu,\"sent\":%llu,\"received\":%llu,\"p50_us\":%u,\"p99_"
           "us\":%u,"
           "\"max_us\":%u}\n",
           (unsigned long long)rate, (unsigned long long)sent, (unsigned long long)p->n,
           p->n == 0 ? 0 : p->us[p->n / 2], p->n == 0 ? 0 : p->us[p->n * 99 / 100],
           p->n == 0 ? 0 : p->us[p->n - 1]);
}

/* ---- the command ---- */

static void pace(int argc, char **argv, uint16_t port)
{
    const char *user = bench_option(argc, argv, "user", "");
    const char *password = bench_option(argc, argv, "password", "");
    const uint64_t rate = (uint64_t)bench_number(argc, argv, "rate", "20000");
    const uint64_t seconds = (uint64_t)bench_number(argc, argv, "seconds", "5");
    struct pace p = {.conns = (uint32_t)bench_number(argc, argv, "conns", "100"),
                     .bytes = (size_t)bench_number(argc, argv, "bytes", "100"),
                     .cap = rate * seconds};
    if (p.conns == 0 || p.conns > MAX_CONNS || p.bytes < STAMP || p.bytes > 900 || p.cap == 0 ||
        p.cap > 100000000) {
        (void)fprintf(stderr, "bench_peer: conns 1 to 1000, bytes 16 to 900, a rate and a time\n");
        exit(2); /* NOLINT: one thread */
    }
    p.us = sh_mem_array(sh_alloc_heap(), p.cap, sizeof *p.us);
    p.pubs = sh_mem_array(sh_alloc_heap(), p.conns, sizeof *p.pubs);
    if (p.us == NULL || p.pubs == NULL) {
        die("memory");
    }
    dial(&p.sub, port, "pace-sub", user, password);
    subscribe(&p.sub, "pace/#");
    for (uint32_t i = 0; i < p.conns; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "pace-%u", i);
        dial(&p.pubs[i], port, id, user, password);
    }
    pace_run(&p, rate, seconds);
}

int main(int argc, char **argv)
{
    int64_t port = 0;
    if (argc < 3 || sh_i64_parse(sh_str_c(argv[2]), &port) != SH_OK || port < 1 || port > 65535) {
        (void)fprintf(stderr, "usage: bench_peer sink|sub|pace PORT name=value...\n");
        return 2;
    }
    if (strcmp(argv[1], "sink") == 0) {
        sink((uint16_t)port);
    } else if (strcmp(argv[1], "pace") == 0) {
        pace(argc, argv, (uint16_t)port);
    } else {
        struct conn c = {.fd = -1};
        dial(&c, (uint16_t)port, "bench-sub", bench_option(argc, argv, "user", ""),
             bench_option(argc, argv, "password", ""));
        subscribe(&c, bench_option(argc, argv, "filter", "bench/#"));
        count_messages(&c, (uint64_t)bench_number(argc, argv, "count", "1000000"),
                       bench_number(argc, argv, "pid", "0"));
    }
    return 0;
}
