#include <sh/test.h>

#include "../net_int.h"

#include <sh/fakenet.h>
#include <sh/tls.h>

struct end {
    struct sh_stream *s;
    struct sh_buf got;
    int opened;
    int failed;
    int closed;
    sh_err err;
    char why[128];
};

struct fix {
    struct sh_test_env t;
    struct sh_loop *l;
    struct sh_buf cert, key, cert2, key2;
    struct sh_tls *server;
    struct sh_tls *client;
    struct end a; /* server side */
    struct end b; /* client side */
};

static size_t on_bytes(void *ctx, struct sh_bytes in)
{
    struct end *e = ctx;
    assert_ok(sh_buf_put(&e->got, in.p, in.n));
    return in.n;
}

static void on_close(void *ctx, sh_err reason)
{
    struct end *e = ctx;
    e->closed++;
    e->err = reason;
    e->s = NULL;
}

static const struct sh_stream_handler handler = {.on_bytes = on_bytes, .on_close = on_close};

static void on_open(void *ctx, struct sh_stream *s)
{
    struct end *e = ctx;
    e->opened++;
    e->s = s;
    sh_stream_start(s, &handler, e);
}

static void on_fail(void *ctx, sh_err err, const char *why)
{
    struct end *e = ctx;
    e->failed++;
    e->err = err;
    (void)snprintf(e->why, sizeof e->why, "%s", why);
}

static struct sh_tls_opts server_opts(struct fix *f)
{
    return (struct sh_tls_opts){.cert_pem = sh_buf_str(&f->cert), .key_pem = sh_buf_str(&f->key)};
}

static struct sh_tls_opts client_opts(struct fix *f)
{
    return (struct sh_tls_opts){.ca_pem = sh_buf_str(&f->cert)};
}

static void begin(struct fix *f)
{
    memset(f, 0, sizeof *f);
    sh_test_env_init(&f->t, NULL);
    assert_ok(sh_loop_new(&f->t.env, NULL, &f->l));
    sh_buf_init(&f->cert, &f->t.alloc, 1 << 16);
    sh_buf_init(&f->key, &f->t.alloc, 1 << 16);
    sh_buf_init(&f->cert2, &f->t.alloc, 1 << 16);
    sh_buf_init(&f->key2, &f->t.alloc, 1 << 16);
    sh_buf_init(&f->a.got, &f->t.alloc, 1 << 22);
    sh_buf_init(&f->b.got, &f->t.alloc, 1 << 22);
    assert_ok(sh_tls_selfsigned(&f->t.env, SH_STR("plant.local,127.0.0.1"), 30, &f->cert, &f->key));
    assert_ok(sh_tls_selfsigned(&f->t.env, SH_STR("device-7"), 30, &f->cert2, &f->key2));
}

static void finish(struct fix *f)
{
    if (f->a.s != NULL) {
        sh_stream_close(f->a.s, SH_E_CANCELED);
    }
    if (f->b.s != NULL) {
        sh_stream_close(f->b.s, SH_E_CANCELED);
    }
    sh_loop_settle(f->l, 100);
    sh_tls_free(f->server);
    sh_tls_free(f->client);
    sh_buf_fini(&f->cert);
    sh_buf_fini(&f->key);
    sh_buf_fini(&f->cert2);
    sh_buf_fini(&f->key2);
    sh_buf_fini(&f->a.got);
    sh_buf_fini(&f->b.got);
    sh_loop_free(f->l);
    sh_test_env_fini(&f->t);
}

static void make(struct fix *f, const struct sh_tls_opts *so, const struct sh_tls_opts *co)
{
    struct sh_diag d = {0};
    assert_ok(sh_tls_server_new(&f->t.env, so, &d, &f->server));
    assert_ok(sh_tls_client_new(&f->t.env, co, &d, &f->client));
}

static void connect_name(struct fix *f, const struct sh_fake_opts *fo, const char *name)
{
    struct sh_stream *x = NULL;
    struct sh_stream *y = NULL;
    assert_ok(sh_fakenet_pair(f->l, fo, &x, &y));
    const struct sh_tls_wrap ws = {.on_open = on_open, .on_fail = on_fail, .ctx = &f->a};
    const struct sh_tls_wrap wc = {
        .server_name = sh_str_c(name), .on_open = on_open, .on_fail = on_fail, .ctx = &f->b};
    assert_ok(sh_tls_wrap(f->server, x, &ws));
    assert_ok(sh_tls_wrap(f->client, y, &wc));
    sh_loop_settle(f->l, 10000);
}

/* What a closing listener does with a peer that stopped half-way, and with one that spoke nonsense
 * and does not take the alert. */
static void test_cancel_ends_streams_that_nobody_has_yet(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    const struct sh_tls_opts so = server_opts(&f);
    const struct sh_tls_opts co = client_opts(&f);
    make(&f, &so, &co);
    struct sh_fakepeer *peers[2];
    for (int i = 0; i < 2; i++) {
        struct sh_stream *s = NULL;
        peers[i] = sh_fakepeer_new(f.l, NULL, &s);
        assert_non_null(peers[i]);
        sh_fakepeer_block(peers[i], true);
        const struct sh_tls_wrap w = {.on_open = on_open, .on_fail = on_fail, .ctx = &f.a};
        assert_ok(sh_tls_wrap(f.server, s, &w));
    }
    sh_fakepeer_send_c(peers[0], "\x16\x03");
    sh_fakepeer_send_c(peers[1], "GET / HTTP/1.1\r\n\r\n");
    sh_loop_settle(f.l, 100);
    const int failed = f.a.failed;
    assert_non_null(f.l->tls_young);
    net_tls_cancel(f.l, &f.b); /* another listener's */
    assert_non_null(f.l->tls_young);
    net_tls_cancel(f.l, &f.a);
    sh_loop_settle(f.l, 100);
    assert_null(f.l->tls_young);
    assert_int_equal(f.a.opened, 0);
    assert_int_equal(f.a.failed, failed);
    sh_fakepeer_free(peers[0]);
    sh_fakepeer_free(peers[1]);
    finish(&f);
}

static void test_bytes_cross_in_any_pieces(void **state)
{
    (void)state;
    static const size_t chunks[] = {0, 1, 7, 1000};
    for (size_t i = 0; i < SH_COUNT(chunks); i++) {
        for (int tls12 = 0; tls12 < 2; tls12++) {
            struct fix f;
            begin(&f);
            const struct sh_tls_opts so = server_opts(&f);
            struct sh_tls_opts co = client_opts(&f);
            co.tls12_max = tls12 == 1;
            make(&f, &so, &co);
            const struct sh_fake_opts fo = {.chunk = chunks[i]};
            connect_name(&f, &fo, "plant.local");
            assert_int_equal(f.a.opened, 1);
            assert_int_equal(f.b.opened, 1);
            assert_true(sh_stream_secure(f.a.s));
            static uint8_t big[50000];
            for (size_t k = 0; k < sizeof big; k++) {
                big[k] = (uint8_t)(k * 31);
            }
            assert_ok(sh_stream_write(f.b.s, sh_bytes_of("hello ", 6)));
            assert_ok(sh_stream_write(f.b.s, sh_bytes_of("world", 5)));
            assert_ok(sh_stream_write(f.a.s, sh_bytes_of(big, sizeof big)));
            sh_loop_settle(f.l, 200000);
            assert_str(sh_buf_str(&f.a.got), "hello world");
            assert_int_equal(f.b.got.n, sizeof big);
            assert_memory_equal(f.b.got.p, big, sizeof big);
            sh_stream_end(f.b.s);
            sh_loop_settle(f.l, 10000);
            assert_int_equal(f.b.closed, 1);
            assert_int_equal(f.b.err, SH_OK);
            assert_int_equal(f.a.err, SH_E_CLOSED);
            finish(&f);
        }
    }
}

static void test_verification_rows(void **state)
{
    (void)state;
    enum ca { OWN, OTHER, NONE };
    static const struct {
        int64_t days_later;
        const char *name;
        enum ca ca;
        bool ok;
    } rows[] = {
        {0, "plant.local", OWN, true},    {0, "127.0.0.1", OWN, true},
        {0, "other.local", OWN, false},   {0, "127.0.0.2", OWN, false},
        {0, "plant.local", OTHER, false}, {31, "plant.local", OWN, false}, /* expired */
        {31, "whatever", NONE, true},                                      /* insecure */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct fix f;
        begin(&f);
        const struct sh_tls_opts so = server_opts(&f);
        struct sh_tls_opts co = client_opts(&f);
        if (rows[i].ca == OTHER) {
            co.ca_pem = sh_buf_str(&f.cert2);
        }
        co.insecure = rows[i].ca == NONE;
        make(&f, &so, &co);
        sh_test_advance(&f.t, rows[i].days_later * 86400 * 1000000);
        (void)sh_loop_turn(f.l);
        connect_name(&f, NULL, rows[i].name);
        assert_int_equal(f.b.opened, rows[i].ok);
        assert_int_equal(f.b.failed, !rows[i].ok);
        if (!rows[i].ok) {
            assert_int_equal(f.b.err, SH_E_PROTO);
            assert_true(f.b.why[0] != '\0');
        }
        finish(&f);
    }
}

static void test_client_certificate_rows(void **state)
{
    (void)state;
    enum has { NO, GOOD, BAD };
    static const struct {
        enum sh_tls_client_cert mode;
        enum has has;
        bool ok;
        bool shown;
        bool verified;
    } rows[] = {
        {SH_TLS_CERT_NONE, GOOD, true, false, false},
        {SH_TLS_CERT_OPTIONAL, NO, true, false, false},
        {SH_TLS_CERT_OPTIONAL, GOOD, true, true, true},
        {SH_TLS_CERT_OPTIONAL, BAD, false, false, false},
        {SH_TLS_CERT_REQUIRED, NO, false, false, false},
        {SH_TLS_CERT_REQUIRED, GOOD, true, true, true},
        {SH_TLS_CERT_ANY, BAD, true, true, false},
        {SH_TLS_CERT_ANY, NO, true, false, false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        for (int tls12 = 0; tls12 < 2; tls12++) {
            struct fix f;
            begin(&f);
            struct sh_tls_opts so = server_opts(&f);
            so.client_cert = rows[i].mode;
            so.ca_pem = sh_buf_str(&f.cert2);
            so.tls12_max = tls12 == 1;
            struct sh_tls_opts co = client_opts(&f);
            if (rows[i].has != NO) {
                co.cert_pem = sh_buf_str(rows[i].has == GOOD ? &f.cert2 : &f.cert);
                co.key_pem = sh_buf_str(rows[i].has == GOOD ? &f.key2 : &f.key);
            }
            make(&f, &so, &co);
            connect_name(&f, NULL, "plant.local");
            assert_int_equal(f.a.opened, rows[i].ok);
            assert_int_equal(f.a.failed, !rows[i].ok);
            struct sh_peer_cert c;
            if (rows[i].ok) {
                assert_int_equal(sh_stream_peer_cert(f.a.s, &c),
                                 rows[i].shown ? SH_OK : SH_E_NOTFOUND);
            }
            if (rows[i].shown) {
                assert_int_equal(c.verified, rows[i].verified);
                assert_string_equal(c.cn, rows[i].has == GOOD ? "device-7" : "plant.local");
                assert_string_equal(c.san, rows[i].has == GOOD ? "DNS:device-7"
                                                               : "DNS:plant.local,IP:127.0.0.1");
                assert_int_equal(c.not_after_us, f.t.wall_us + INT64_C(30) * 86400 * 1000000);
            }
            finish(&f);
        }
    }
}

static void test_reload_keeps_open_connections(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    const struct sh_tls_opts so = server_opts(&f);
    const struct sh_tls_opts co = client_opts(&f);
    make(&f, &so, &co);
    connect_name(&f, NULL, "plant.local");
    const struct sh_tls_opts other = {.cert_pem = sh_buf_str(&f.cert2),
                                      .key_pem = sh_buf_str(&f.key2)};
    const struct sh_tls_opts broken = {.cert_pem = sh_buf_str(&f.cert2),
                                       .key_pem = sh_buf_str(&f.key)};
    struct sh_diag d = {0};
    assert_int_equal(sh_tls_reload(f.server, &broken, &d), SH_E_INVAL); /* keeps the old one */
    assert_true(d.message[0] != '\0' && d.remedy[0] != '\0');
    assert_ok(sh_tls_reload(f.server, &other, &d));
    assert_ok(sh_stream_write(f.b.s, sh_bytes_of("still here", 10)));
    sh_loop_settle(f.l, 1000);
    assert_str(sh_buf_str(&f.a.got), "still here");
    struct sh_stream *old_a = f.a.s;
    struct sh_stream *old_b = f.b.s;
    f.b = (struct end){.got = f.b.got};
    connect_name(&f, NULL, "plant.local"); /* a new connection sees the new certificate */
    assert_int_equal(f.b.failed, 1);
    sh_stream_close(old_a, SH_E_CANCELED);
    sh_stream_close(old_b, SH_E_CANCELED);
    sh_loop_settle(f.l, 1000);
    f.a.s = NULL;
    f.b.s = NULL;
    finish(&f);
}

static void test_noise_and_silence_end_the_handshake(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    const struct sh_tls_opts so = server_opts(&f);
    const struct sh_tls_opts co = client_opts(&f);
    make(&f, &so, &co);
    const struct sh_tls_wrap ws = {
        .on_open = on_open, .on_fail = on_fail, .ctx = &f.a, .timeout_us = 5000000};
    struct sh_stream *s = NULL;
    struct sh_fakepeer *p = sh_fakepeer_new(f.l, NULL, &s);
    assert_ok(sh_tls_wrap(f.server, s, &ws));
    sh_fakepeer_send_c(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    sh_loop_settle(f.l, 1000);
    assert_int_equal(f.a.failed, 1);
    assert_int_equal(f.a.err, SH_E_PROTO);
    assert_true(sh_fakepeer_closed(p));
    sh_fakepeer_free(p);

    p = sh_fakepeer_new(f.l, NULL, &s);
    assert_ok(sh_tls_wrap(f.server, s, &ws));
    sh_loop_settle(f.l, 1000);
    sh_test_advance(&f.t, 5001000);
    sh_loop_settle(f.l, 1000);
    (void)sh_loop_turn(f.l);
    assert_int_equal(f.a.failed, 2);
    assert_int_equal(f.a.err, SH_E_TIMEOUT);
    sh_fakepeer_free(p);

    p = sh_fakepeer_new(f.l, NULL, &s);
    assert_ok(sh_tls_wrap(f.server, s, &ws));
    sh_fakepeer_eof(p);
    sh_loop_settle(f.l, 1000);
    assert_int_equal(f.a.failed, 3);
    sh_fakepeer_free(p);
    sh_loop_settle(f.l, 1000);
    finish(&f);
}

/* More handshakes at once than a turn may make: all get through, some later. */
static void test_handshake_budget(void **state)
{
    (void)state;
    enum { N = 12 };
    struct fix f;
    begin(&f);
    sh_loop_free(f.l);
    const struct sh_loop_opts lo = {.handshakes_per_turn = 2};
    assert_ok(sh_loop_new(&f.t.env, &lo, &f.l));
    const struct sh_tls_opts so = server_opts(&f);
    const struct sh_tls_opts co = client_opts(&f);
    make(&f, &so, &co);
    static struct end ends[2 * N];
    memset(ends, 0, sizeof ends);
    for (int i = 0; i < N; i++) {
        struct sh_stream *x = NULL;
        struct sh_stream *y = NULL;
        assert_ok(sh_fakenet_pair(f.l, NULL, &x, &y));
        const struct sh_tls_wrap ws = {.on_open = on_open, .on_fail = on_fail, .ctx = &ends[i]};
        const struct sh_tls_wrap wc = {.server_name = SH_STR("plant.local"),
                                       .on_open = on_open,
                                       .on_fail = on_fail,
                                       .ctx = &ends[N + i]};
        assert_ok(sh_tls_wrap(f.server, x, &ws));
        assert_ok(sh_tls_wrap(f.client, y, &wc));
    }
    uint64_t most = 0;
    struct sh_net_stats st;
    for (int i = 0; i < 1000; i++) {
        (void)sh_loop_turn(f.l);
        sh_loop_stats(f.l, &st, false);
        most = st.tls_waiting > most ? st.tls_waiting : most;
    }
    assert_true(most > 0);
    assert_int_equal(st.tls_waiting, 0);
    assert_int_equal(st.tls_handshakes, 2 * N);
    for (int i = 0; i < 2 * N; i++) {
        assert_int_equal(ends[i].opened, 1);
        sh_stream_close(ends[i].s, SH_E_CANCELED);
    }
    sh_loop_settle(f.l, 1000);
    finish(&f);
}

static sh_err wrap_body(struct sh_test_env *t)
{
    struct sh_buf cert;
    struct sh_buf key;
    struct sh_loop *l = NULL;
    struct sh_tls *server = NULL;
    struct sh_stream *x = NULL;
    struct sh_stream *y = NULL;
    struct end a = {0};
    sh_buf_init(&cert, &t->alloc, 1 << 16);
    sh_buf_init(&key, &t->alloc, 1 << 16);
    sh_err e = sh_tls_selfsigned(&t->env, SH_STR("a"), 1, &cert, &key);
    if (e == SH_OK) {
        const struct sh_tls_opts so = {.cert_pem = sh_buf_str(&cert), .key_pem = sh_buf_str(&key)};
        e = sh_tls_server_new(&t->env, &so, NULL, &server);
    }
    if (e == SH_OK) {
        e = sh_loop_new(&t->env, NULL, &l);
    }
    if (e == SH_OK) {
        e = sh_fakenet_pair(l, NULL, &x, &y);
    }
    if (e == SH_OK) {
        const struct sh_tls_wrap ws = {.on_open = on_open, .on_fail = on_fail, .ctx = &a};
        e = sh_tls_wrap(server, x, &ws);
        sh_stream_close(y, SH_OK);
    }
    sh_loop_free(l);
    sh_tls_free(server);
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    return e;
}

static void test_wrap_out_of_memory(void **state)
{
    (void)state;
    sh_test_oom(wrap_body);
}

static void test_settings_refusals(void **state)
{
    (void)state;
    struct fix f;
    begin(&f);
    struct sh_diag d = {0};
    struct sh_tls_opts o = server_opts(&f);
    o.key_pem = (struct sh_str){0};
    assert_int_equal(sh_tls_server_new(&f.t.env, &o, &d, &f.server), SH_E_INVAL);
    o = server_opts(&f);
    o.cert_pem = SH_STR("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
    assert_int_equal(sh_tls_server_new(&f.t.env, &o, &d, &f.server), SH_E_INVAL);
    o = server_opts(&f);
    o.client_cert = SH_TLS_CERT_REQUIRED; /* without an authority */
    assert_int_equal(sh_tls_server_new(&f.t.env, &o, &d, &f.server), SH_E_INVAL);
    struct sh_buf b;
    sh_buf_init(&b, &f.t.alloc, 1 << 16);
    assert_int_equal(sh_tls_selfsigned(&f.t.env, SH_STR(""), 1, &b, &b), SH_E_INVAL);
    assert_int_equal(sh_tls_selfsigned(&f.t.env, SH_STR("a b"), 1, &b, &b), SH_E_INVAL);
    assert_int_equal(sh_tls_selfsigned(&f.t.env, SH_STR("a"), 0, &b, &b), SH_E_INVAL);
    sh_buf_fini(&b);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_cross_in_any_pieces),
        cmocka_unit_test(test_cancel_ends_streams_that_nobody_has_yet),
        cmocka_unit_test(test_verification_rows),
        cmocka_unit_test(test_client_certificate_rows),
        cmocka_unit_test(test_reload_keeps_open_connections),
        cmocka_unit_test(test_noise_and_silence_end_the_handshake),
        cmocka_unit_test(test_handshake_budget),
        cmocka_unit_test(test_wrap_out_of_memory),
        cmocka_unit_test(test_settings_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
