/* Real sockets on 127.0.0.1, free ports. */
#include <sh/test.h>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sh/net.h>

struct conn {
    struct fix *f;
    struct sh_stream *s;
    struct sh_buf got;
    bool echo;
    bool hold;
    int drains;
    int closed;
    sh_err reason;
};

enum { CONNS = 64 };

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    struct sh_listener *ln;
    struct conn in[CONNS];
    size_t n_in;
    struct conn out;
    int failed;
    sh_err fail;
    char why[160];
};

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct conn *c = ctx;
    if (c->hold) {
        sh_stream_pause(c->s);
        return 0;
    }
    if (c->echo) {
        if (sh_stream_write(c->s, in) != SH_OK) { /* shown again at on_drain */
            sh_stream_pause(c->s);
            return 0;
        }
        return in.n;
    }
    assert_ok(sh_buf_put(&c->got, in.p, in.n));
    return in.n;
}

static void on_drain(void *ctx)
{
    struct conn *c = ctx;
    c->drains++;
    if (c->echo) {
        sh_stream_resume(c->s);
    }
}

static void on_close(void *ctx, sh_err reason)
{
    struct conn *c = ctx;
    c->closed++;
    c->reason = reason;
    c->s = NULL;
}

static const struct sh_stream_handler handler = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_close = on_close};

static void take(struct fix *f, struct conn *c, struct sh_stream *s)
{
    c->f = f;
    c->s = s;
    sh_buf_init(&c->got, &f->t.alloc, 64 << 20);
    sh_stream_start(s, &handler, c);
}

static void on_accept(void *ctx, struct sh_stream *s)
{
    struct fix *f = ctx;
    assert_true(f->n_in < CONNS);
    struct conn *c = &f->in[f->n_in++];
    c->echo = true;
    take(f, c, s);
}

static void on_open(void *ctx, struct sh_stream *s)
{
    struct fix *f = ctx;
    take(f, &f->out, s);
}

static void on_fail(void *ctx, sh_err err, const char *why)
{
    struct fix *f = ctx;
    f->failed++;
    f->fail = err;
    (void)snprintf(f->why, sizeof f->why, "%s", why);
}

static const struct sh_connect_handler connect_handler = {.on_open = on_open, .on_fail = on_fail};

static void begin(struct fix *f, const struct sh_listen_opts *opts)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    f->t.env.clock = sh_clock_system();
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
    struct sh_listen_opts o = {0};
    if (opts != NULL) {
        o = *opts;
    }
    o.address = SH_STR("127.0.0.1:0");
    struct sh_diag d = {0};
    assert_ok(sh_listen(f->l, &o, on_accept, f, &d, &f->ln));
    assert_true(sh_listener_addr(f->ln).port != 0);
}

/* Turns until the condition or 20 s. */
#define UNTIL(f, cond)                                                                             \
    do {                                                                                           \
        const int64_t until_ = sh_mono_us(sh_clock_system()) + INT64_C(20000000);                  \
        while (!(cond) && sh_mono_us(sh_clock_system()) < until_) {                                \
            (void)sh_loop_turn((f)->l);                                                            \
        }                                                                                          \
        assert_true(cond);                                                                         \
    } while (0)

static void finish(struct fix *f)
{
    sh_listener_close(f->ln);
    if (f->out.s != NULL) {
        sh_stream_close(f->out.s, SH_E_CANCELED);
    }
    for (size_t i = 0; i < f->n_in; i++) {
        if (f->in[i].s != NULL) {
            sh_stream_close(f->in[i].s, SH_E_CANCELED);
        }
    }
    sh_loop_free(f->l);
    sh_buf_fini(&f->out.got);
    for (size_t i = 0; i < f->n_in; i++) {
        assert_int_equal(f->in[i].closed, 1);
        sh_buf_fini(&f->in[i].got);
    }
    sh_test_env_fini(&f->t);
}

static void dial(struct fix *f, struct sh_str host, const struct sh_stream_opts *so)
{
    struct sh_connect_opts o = {.host = host, .port = sh_listener_addr(f->ln).port};
    if (so != NULL) {
        o.stream = *so;
    }
    assert_ok(sh_connect_start(f->l, &o, &connect_handler, f, NULL));
    UNTIL(f, f->out.s != NULL || f->failed > 0);
}

static void test_echo_big_through_small_queues(void **state)
{
    (void)state;
    enum { TOTAL = 8 << 20, STEP = 60000 };
    const struct sh_listen_opts lo = {.stream = {.write_max = 100000, .read_max = 100000}};
    struct fix f;
    begin(&f, &lo);
    const struct sh_stream_opts so = {.write_max = 150000};
    dial(&f, SH_STR("127.0.0.1"), &so);
    assert_int_equal(f.failed, 0);
    static uint8_t data[TOTAL];
    for (size_t i = 0; i < TOTAL; i++) {
        data[i] = (uint8_t)(i * 7 + i / 256);
    }
    size_t sent = 0;
    while (f.out.got.n < TOTAL) {
        const size_t n = TOTAL - sent < STEP ? TOTAL - sent : STEP;
        if (sent < TOTAL && sh_stream_write(f.out.s, sh_bytes_of(data + sent, n)) == SH_OK) {
            sent += n;
        }
        (void)sh_loop_turn(f.l);
        assert_int_equal(f.out.closed, 0);
    }
    assert_memory_equal(f.out.got.p, data, TOTAL);
    const struct sh_addr peer = sh_stream_peer(f.out.s);
    assert_true(sh_addr_is_loopback(&peer));
    assert_int_equal(peer.port, sh_listener_addr(f.ln).port);
    sh_stream_end(f.out.s);
    UNTIL(&f, f.out.closed == 1 && f.in[0].closed == 1);
    assert_int_equal(f.out.reason, SH_OK);
    assert_int_equal(f.in[0].reason, SH_E_CLOSED);
    struct sh_net_stats st;
    sh_loop_stats(f.l, &st, false);
    assert_int_equal(st.queued_bytes, 0);
    assert_int_equal(st.streams, 0);
    assert_int_equal(st.bytes_out, 2 * (uint64_t)TOTAL);
    finish(&f);
}

/* A peer that does not read: our queue stops at its limit, its close frees everything. */
static void test_slow_reader_is_bounded(void **state)
{
    (void)state;
    struct fix f;
    const struct sh_listen_opts lo = {.stream = {.write_max = 65536}};
    begin(&f, &lo);
    dial(&f, SH_STR("localhost"), NULL);
    assert_int_equal(f.failed, 0);
    UNTIL(&f, f.n_in == 1);
    f.out.hold = true; /* pauses at the first bytes */
    static uint8_t block[16384];
    size_t given = 0;
    const int64_t end = sh_mono_us(sh_clock_system()) + 300000;
    while (sh_mono_us(sh_clock_system()) < end) {
        if (sh_stream_write(f.in[0].s, sh_bytes_of(block, sizeof block)) == SH_OK) {
            given += sizeof block;
        }
        (void)sh_loop_turn(f.l);
        assert_true(sh_stream_queued(f.in[0].s) <= 65536);
    }
    assert_true(given > 65536);
    const int drains = f.in[0].drains;
    f.out.hold = false;
    sh_stream_resume(f.out.s);
    UNTIL(&f, f.in[0].drains > drains && f.out.got.n == given);
    finish(&f);
}

static void test_connect_failures(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL);
    const uint16_t port = sh_listener_addr(f.ln).port;
    sh_listener_close(f.ln); /* now nobody listens there */
    sh_loop_settle(f.l, 10);
    struct sh_connect_opts o = {.host = SH_STR("127.0.0.1"), .port = port};
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, NULL));
    assert_int_equal(f.failed, 0); /* never at once */
    UNTIL(&f, f.failed == 1);
    assert_int_equal(f.fail, SH_E_IO);
    o.host = SH_STR("no-such-host.invalid"); /* RFC 2606 */
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, NULL));
    UNTIL(&f, f.failed == 2);
    assert_int_equal(f.fail, SH_E_NOTFOUND);
    o.host = SH_STR("localhost");
    o.public_only = true;
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, NULL));
    UNTIL(&f, f.failed == 3);
    assert_int_equal(f.fail, SH_E_DENIED);
    struct sh_connect *c = NULL;
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, &c));
    sh_connect_cancel(c);
    o.public_only = false;
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, &c));
    (void)sh_loop_turn(f.l); /* the name is being looked up */
    sh_connect_cancel(c);
    assert_int_equal(f.failed, 3);
    f.ln = NULL;
    finish(&f);
}

static void test_listener_limits_and_errors(void **state)
{
    (void)state;
    struct fix f;
    const struct sh_listen_opts lo = {.max_conns = 1};
    begin(&f, &lo);
    dial(&f, SH_STR("127.0.0.1"), NULL);
    UNTIL(&f, f.n_in == 1);
    struct conn first = f.out;
    f.out = (struct conn){0};
    dial(&f, SH_STR("127.0.0.1"), NULL);
    UNTIL(&f, f.out.closed == 1);
    assert_int_equal(sh_listener_conns(f.ln), 1);
    struct sh_net_stats st;
    sh_loop_stats(f.l, &st, false);
    assert_int_equal(st.accept_refused, 1);
    char text[SH_ADDR_CHARS];
    const struct sh_addr a = sh_listener_addr(f.ln);
    const size_t n = sh_addr_print(&a, text);
    const struct sh_listen_opts again = {.address = sh_str_of(text, n)};
    struct sh_listener *ln = NULL;
    struct sh_diag d = {0};
    assert_int_equal(sh_listen(f.l, &again, on_accept, &f, &d, &ln), SH_E_EXISTS);
    assert_true(d.message[0] != '\0' && d.remedy[0] != '\0');
    const struct sh_listen_opts bad = {.address = SH_STR("localhost")};
    assert_int_equal(sh_listen(f.l, &bad, on_accept, &f, &d, &ln), SH_E_INVAL);
    sh_stream_close(first.s, SH_E_CANCELED);
    first.s->ctx = &f.out;
    f.out = first;
    finish(&f);
}

/* Listener and connection with TLS; the bytes cross, the wrong name is refused, a cancelled
 * connection tells nobody. Few accepts a turn: all get in all the same. */
static void test_tls_over_tcp(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    t.env.clock = sh_clock_system();
    struct sh_buf cert;
    struct sh_buf key;
    sh_buf_init(&cert, &t.alloc, 1 << 16);
    sh_buf_init(&key, &t.alloc, 1 << 16);
    assert_ok(sh_tls_selfsigned(&t.env, SH_STR("localhost"), 2, &cert, &key));
    const struct sh_tls_opts so = {.cert_pem = sh_buf_str(&cert), .key_pem = sh_buf_str(&key)};
    const struct sh_tls_opts co = {.ca_pem = sh_buf_str(&cert)};
    struct sh_tls *server = NULL;
    struct sh_tls *client = NULL;
    assert_ok(sh_tls_server_new(&t.env, &so, NULL, &server));
    assert_ok(sh_tls_client_new(&t.env, &co, NULL, &client));
    struct fix f;
    const struct sh_listen_opts lo = {.tls = server};
    begin(&f, &lo);
    struct sh_connect_opts o = {
        .host = SH_STR("localhost"), .port = sh_listener_addr(f.ln).port, .tls = client};
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, NULL));
    UNTIL(&f, f.out.s != NULL);
    assert_true(sh_stream_secure(f.out.s));
    const struct sh_addr peer = sh_stream_peer(f.out.s);
    assert_int_equal(peer.port, o.port);
    static uint8_t data[300000];
    assert_ok(sh_stream_write(f.out.s, sh_bytes_of(data, sizeof data)));
    UNTIL(&f, f.out.got.n == sizeof data);
    sh_stream_pause(f.out.s); /* held back, then shown */
    assert_ok(sh_stream_write(f.out.s, sh_bytes_of("more", 4)));
    for (int i = 0; i < 200; i++) {
        (void)sh_loop_turn(f.l);
    }
    assert_int_equal(f.out.got.n, sizeof data);
    sh_stream_resume(f.out.s);
    UNTIL(&f, f.out.got.n == sizeof data + 4);
    o.server_name = SH_STR("other.local");
    assert_ok(sh_connect_start(f.l, &o, &connect_handler, &f, NULL));
    UNTIL(&f, f.failed == 1);
    assert_int_equal(f.fail, SH_E_PROTO);
    o.server_name = (struct sh_str){0};
    static struct fix other;
    memset(&other, 0, sizeof other);
    other.t.alloc = f.t.alloc;
    for (int turns = 0; turns < 12 && other.out.s == NULL; turns++) {
        struct sh_connect *c = NULL; /* cancelled in whatever state it is then */
        assert_ok(sh_connect_start(f.l, &o, &connect_handler, &other, &c));
        for (int i = 0; i < turns && other.out.s == NULL; i++) {
            (void)sh_loop_turn(f.l);
        }
        if (other.out.s == NULL) {
            sh_connect_cancel(c);
        }
    }
    if (other.out.s != NULL) { /* it was quicker */
        sh_stream_close(other.out.s, SH_E_CANCELED);
    }
    assert_int_equal(other.failed, 0);
    assert_int_equal(f.failed, 1);
    finish(&f);
    sh_tls_free(server);
    sh_tls_free(client);
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    sh_test_env_fini(&t);
}

static void test_few_accepts_a_turn(void **state)
{
    (void)state;
    struct fix f;
    memset(&f, 0, sizeof f);
    sh_test_env_init(&f.t, NULL);
    f.t.env.clock = sh_clock_system();
    const struct sh_loop_opts lo = {.accepts_per_turn = 1};
    assert_ok(sh_loop_new(&f.t.env, &lo, &f.l));
    const struct sh_listen_opts o = {.address = SH_STR("127.0.0.1:0")};
    assert_ok(sh_listen(f.l, &o, on_accept, &f, NULL, &f.ln));
    enum { N = 20 };
    struct sh_connect_opts co = {.host = SH_STR("127.0.0.1"), .port = sh_listener_addr(f.ln).port};
    static struct fix other[N];
    memset(other, 0, sizeof other);
    for (int i = 0; i < N; i++) {
        other[i].t.alloc = f.t.alloc;
        assert_ok(sh_connect_start(f.l, &co, &connect_handler, &other[i], NULL));
    }
    UNTIL(&f, f.n_in == N);
    for (int i = 0; i < N; i++) {
        sh_stream_close(other[i].out.s, SH_E_CANCELED);
    }
    finish(&f);
}

static void count_datagram(void *ctx, const struct sh_addr *from, struct sh_bytes in)
{
    struct fix *f = ctx;
    assert_true(sh_addr_is_loopback(from));
    assert_str(sh_bytes_str(in), "ping");
    f->failed++;
}

/* Without a descriptor for one more connection the listener rests instead of asking at every turn,
 * and takes what waited once there is one. */
static void test_accept_without_descriptors_rests_and_goes_on(void **state)
{
    (void)state;
    enum { HELD = 4096 };
    static int held[HELD];
    struct fix f;
    begin(&f, NULL);
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    const struct rlimit low = {.rlim_cur = 256, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client >= 0);
    size_t n = 0;
    while (n < HELD && (held[n] = dup(client)) >= 0) {
        n++;
    }
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(sh_listener_addr(f.ln).port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(client, (const struct sockaddr *)&a, sizeof a), 0);
    struct sh_net_stats st;
    do {
        (void)sh_loop_turn(f.l);
        sh_loop_stats(f.l, &st, false);
    } while (st.accept_errors == 0);
    for (int i = 0; i < 50; i++) {
        (void)sh_loop_turn(f.l);
    }
    sh_loop_stats(f.l, &st, false);
    assert_true(st.accept_errors < 10); /* it would be one a turn */
    assert_int_equal(f.n_in, 0);
    while (n > 0) {
        (void)close(held[--n]);
    }
    UNTIL(&f, f.n_in == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    (void)close(client);
    UNTIL(&f, f.in[0].closed == 1);
    finish(&f);
}

/* A reset that shows while we answer closes the stream once, and frees it. */
static void test_reset_while_answering_closes_once(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL);
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client >= 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(sh_listener_addr(f.ln).port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(client, (const struct sockaddr *)&a, sizeof a), 0);
    UNTIL(&f, f.n_in == 1);
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(send(client, "hello", 5, 0), 5);
    (void)close(client); /* RST: the echo meets it */
    UNTIL(&f, f.in[0].closed == 1);
    assert_int_equal(f.in[0].reason, SH_E_IO);
    for (int i = 0; i < 5; i++) {
        (void)sh_loop_turn(f.l);
    }
    assert_int_equal(f.in[0].closed, 1);
    finish(&f);
}

static void test_udp(void **state)
{
    (void)state;
    struct fix f;
    begin(&f, NULL);
    struct sh_udp *a = NULL;
    struct sh_udp *b = NULL;
    assert_ok(sh_udp_open(f.l, SH_STR("127.0.0.1:0"), count_datagram, &f, NULL, &a));
    assert_ok(sh_udp_open(f.l, SH_STR("127.0.0.1:0"), count_datagram, &f, NULL, &b));
    const struct sh_addr to = sh_udp_addr(a);
    assert_ok(sh_udp_send(b, &to, sh_bytes_of("ping", 4)));
    UNTIL(&f, f.failed == 1);
    assert_int_equal(sh_udp_open(f.l, SH_STR("x"), count_datagram, &f, NULL, &b), SH_E_INVAL);
    sh_udp_close(a);
    sh_udp_close(b);
    finish(&f);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        bool loopback;
        bool special;
    } rows[] = {
        {"127.0.0.1:80", true, true, true},
        {"[::1]:80", true, true, true},
        {"[::ffff:127.0.0.1]:80", true, true, true},
        {"[64:ff9b::10.0.0.1]:80", true, false, true}, /* RFC 6052 */
        {"[2002:7f00:1::]:80", true, true, true},      /* 6to4 of 127.0.0.1 */
        {"10.1.2.3:1", true, false, true},
        {"172.31.255.255:1", true, false, true},
        {"172.32.0.0:1", true, false, false},
        {"169.254.169.254:80", true, false, true}, /* cloud metadata */
        {"100.64.0.1:80", true, false, true},
        {"0.0.0.0:80", true, false, true},
        {"255.255.255.255:80", true, false, true},
        {"8.8.8.8:53", true, false, false},
        {"[fe80::1]:80", true, false, true},
        {"[fd00::1]:80", true, false, true},
        {"[2606:4700::1]:443", true, false, false},
        {":8080", true, false, true},
        {"127.0.0.1", false, false, false},
        {"127.0.0.1:65536", false, false, false},
        {"::1:80", false, false, false},
        {"[::1:80", false, false, false},
        {"localhost:80", false, false, false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_addr a;
        assert_int_equal(sh_addr_parse(sh_str_c(rows[i].text), &a),
                         rows[i].ok ? SH_OK : SH_E_INVAL);
        if (rows[i].ok) {
            assert_int_equal(sh_addr_is_loopback(&a), rows[i].loopback);
            assert_int_equal(sh_addr_is_special(&a), rows[i].special);
            char out[SH_ADDR_CHARS];
            struct sh_addr back;
            const size_t n = sh_addr_print(&a, out);
            assert_ok(sh_addr_parse(sh_str_of(out, n), &back));
            assert_memory_equal(&a.ip, &back.ip, sizeof a.ip);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_big_through_small_queues),
        cmocka_unit_test(test_slow_reader_is_bounded),
        cmocka_unit_test(test_connect_failures),
        cmocka_unit_test(test_listener_limits_and_errors),
        cmocka_unit_test(test_tls_over_tcp),
        cmocka_unit_test(test_few_accepts_a_turn),
        cmocka_unit_test(test_accept_without_descriptors_rests_and_goes_on),
        cmocka_unit_test(test_reset_while_answering_closes_once),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
