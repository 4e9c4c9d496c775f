/* Prometheus remote write 1.0: messages, names, what is refused. */
#include "fake_sink.h"

enum { MOST = 1 << 20 };

static struct sh_bytes literal(const char *c)
{
    return sh_str_bytes(sh_str_c(c));
}

static bool holds(struct sh_str s, const char *part)
{
    const size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++) {
        if (sh_str_eqc(sh_str_sub(s, i, i + n), part)) {
            return true;
        }
    }
    return false;
}

static void put_len(struct sh_buf *b, unsigned field, struct sh_bytes v)
{
    assert_ok(sh_buf_put_varint(b, field << 3 | 2));
    assert_ok(sh_buf_put_varint(b, v.n));
    assert_ok(sh_buf_put(b, v.p, v.n));
}

static void put_label(struct sh_test_env *t, struct sh_buf *series, const char *name,
                      struct sh_str value)
{
    struct sh_buf m;
    sh_buf_init(&m, t->env.alloc, MOST);
    put_len(&m, 1, sh_str_bytes(sh_str_c(name)));
    put_len(&m, 2, sh_str_bytes(value));
    put_len(series, 1, sh_buf_bytes(&m));
    sh_buf_fini(&m);
}

static void put_sample(struct sh_test_env *t, struct sh_buf *series, uint64_t bits, int64_t ms)
{
    struct sh_buf m;
    sh_buf_init(&m, t->env.alloc, MOST);
    assert_ok(sh_buf_put_u8(&m, 1 << 3 | 1));
    assert_ok(sh_buf_put_le64(&m, bits));
    assert_ok(sh_buf_put_u8(&m, 2 << 3));
    assert_ok(sh_buf_put_varint(&m, (uint64_t)ms));
    put_len(series, 2, sh_buf_bytes(&m));
    sh_buf_fini(&m);
}

/* labels: "name=value;name=value"; one sample of value and time, unless ms is 0. */
static void put_series(struct sh_test_env *t, struct sh_buf *body, const char *labels, double value,
                       int64_t ms)
{
    struct sh_buf s;
    struct sh_str rest = sh_str_c(labels);
    sh_buf_init(&s, t->env.alloc, MOST);
    while (rest.n > 0) {
        char name[64];
        struct sh_str l = sh_str_cut(rest, ';', &rest);
        struct sh_str v;
        l = sh_str_cut(l, '=', &v);
        (void)snprintf(name, sizeof name, "%.*s", SH_PRI(l));
        put_label(t, &s, name, v);
    }
    if (ms != 0) {
        put_sample(t, &s, sh_f64_bits(value), ms);
    }
    put_len(body, 1, sh_buf_bytes(&s));
    sh_buf_fini(&s);
}

struct rig {
    struct sh_test_env t;
    struct fake *f;
    struct sh_ingest *in;
    struct sh_buf body;
    struct sh_ingest_opts o;
    struct sh_ingest_result r;
};

static void rig_init(struct rig *x)
{
    memset(x, 0, sizeof *x);
    sh_test_env_init(&x->t, NULL);
    x->f = fake_new(&x->t);
    sh_buf_init(&x->body, x->t.env.alloc, MOST);
    assert_ok(sh_ingest_new(&x->t.env, 100, 100, &x->in));
    x->o.now_us = 1;
}

static void rig_fini(struct rig *x)
{
    sh_ingest_free(x->in);
    sh_buf_fini(&x->body);
    fake_free(&x->t, x->f);
    sh_test_env_fini(&x->t);
}

static void run(struct rig *x, const char *what, const char *out, const char *refused)
{
    fake_clear(x->f);
    assert_ok(sh_ingest_prom(x->in, &x->f->sink, &x->o, sh_buf_bytes(&x->body), &x->r));
    fake_expect(x->f, what, out, refused);
}

static void test_prom_labels_make_names_that_can_be_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *labels;
        const char *out;
        const char *kept; /* labels of the device */
    } rows[] = {
        {"__name__=up;instance=h:9100;job=node", "node.h:9100/up=1@2000\n",
         "instance=h:9100,job=node"},
        {"__name__=up;instance=h.x:9100;job=a.b", "a%2Eb.h.x:9100/up=1@2000\n",
         "instance=h.x:9100,job=a.b"},
        {"__name__=up;instance=a%b", ".a%25b/up=1@2000\n", "instance=a%b"},
        {"__name__=up;job=j", "j./up=1@2000\n", "job=j"},
        {"__name__=a:b", "prometheus/a:b=1@2000\n", ""},
        {"__name__=q;instance=i;job=j;le=+Inf;path=/a/\"x\"\\",
         "j.i/q{le=\"+Inf\",path=\"%2Fa%2F%22x%22%5C\"}=1@2000\n", "instance=i,job=j"},
        {"job=j;zone=2;__name__=q;area=1;none=", "j./q{area=\"1\",zone=\"2\"}=1@2000\n", "job=j"},
    };
    struct rig x;
    rig_init(&x);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        sh_buf_clear(&x.body);
        put_series(&x.t, &x.body, rows[i].labels, 1, 2);
        run(&x, rows[i].labels, rows[i].out, "");
        assert_string_equal(x.f->labels, rows[i].kept);
    }
    rig_fini(&x);
}

static void test_prom_bad_series_are_refused_alone(void **state)
{
    (void)state;
    static const struct {
        const char *labels;
        int64_t ms;
        const char *code;
    } rows[] = {
        {"job=j", 2, "bad_name"},
        {"__name__=1a", 2, "bad_name"},
        {"__name__=a;x-y=1", 2, "bad_name"},
        {"__name__=a;x=1;x=2", 2, "syntax_error"},
        {"__name__=a;x=\xff", 2, "bad_encoding"},
        {"__name__=a", INT64_MAX, "bad_time"},
        {"__name__=a", INT64_MIN, "bad_time"},
        {"__name__=a", 2000000, "time_in_future"},
        {"__name__=a", -2000000, "time_too_old"},
    };
    struct rig x;
    rig_init(&x);
    x.o.min_time_us = -1000000000;
    x.o.max_time_us = 1000000000;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        sh_buf_clear(&x.body);
        put_series(&x.t, &x.body, "__name__=before", 1, 2);
        put_series(&x.t, &x.body, rows[i].labels, 1, rows[i].ms);
        put_series(&x.t, &x.body, "__name__=behind", 1, 3);
        fake_clear(x.f);
        assert_ok(sh_ingest_prom(x.in, &x.f->sink, &x.o, sh_buf_bytes(&x.body), &x.r));
        const struct sh_str no = sh_buf_str(&x.f->refused);
        assert_true(sh_str_starts(no, SH_STR("2:")));
        assert_true(holds(no, rows[i].code));
        assert_true(sh_str_eqc(sh_buf_str(&x.f->out),
                               "prometheus/before=1@2000\nprometheus/behind=1@3000\n"));
        assert_int_equal(x.r.refused, 1);
        assert_int_equal(x.r.taken, 2);
    }
    char wide[400];
    (void)snprintf(wide, sizeof wide, "__name__=a;x=%0300d", 1);
    sh_buf_clear(&x.body);
    put_series(&x.t, &x.body, wide, 1, 2);
    fake_clear(x.f);
    assert_ok(sh_ingest_prom(x.in, &x.f->sink, &x.o, sh_buf_bytes(&x.body), &x.r));
    assert_true(holds(sh_buf_str(&x.f->refused), "too_big"));
    rig_fini(&x);
}

static void test_prom_stale_markers_are_bad_and_histograms_refused(void **state)
{
    (void)state;
    struct rig x;
    struct sh_buf s;
    rig_init(&x);
    sh_buf_init(&s, x.t.env.alloc, MOST);
    put_sample(&x.t, &s, UINT64_C(0x7ff0000000000002), 5); /* samples may come before labels */
    put_sample(&x.t, &s, UINT64_C(0x7ff8000000000001), 6); /* a NaN that is one */
    put_sample(&x.t, &s, sh_f64_bits(-0.0), -7);
    put_len(&s, 3, literal("exemplar"));
    put_len(&s, 4, literal("\x08\x01"));
    put_label(&x.t, &s, "__name__", SH_STR("h"));
    put_len(&x.body, 1, sh_buf_bytes(&s));
    put_len(&x.body, 3, literal("metadata"));
    run(&x, "markers", "prometheus/h=NaN@5000q0\nprometheus/h=NaN@6000\nprometheus/h=-0.0@-7000\n",
        "1:61 native_histogram\n");
    assert_int_equal(x.r.samples, 3);
    sh_buf_fini(&s);
    rig_fini(&x);
}

static void test_prom_every_cut_is_refused_whole(void **state)
{
    (void)state;
    struct rig x;
    rig_init(&x);
    put_series(&x.t, &x.body, "__name__=a;job=j", 1, 2);
    put_series(&x.t, &x.body, "__name__=b;job=j", 1, 2);
    const size_t n = x.body.n;
    const size_t first = n / 2; /* both are as long: a cut there is a whole message */
    for (size_t i = 1; i < n; i++) {
        fake_clear(x.f);
        assert_ok(sh_ingest_prom(x.in, &x.f->sink, &x.o, sh_bytes_of(x.body.p, i), &x.r));
        assert_int_equal(x.r.refused, i == first ? 0 : 1);
        assert_int_equal(x.r.samples, i == first ? 1 : 0);
    }
    run(&x, "nothing cut", "j./a=1@2000\nj./b=1@2000\n", "");
    assert_int_equal(x.f->resolves, 2); /* and the series were known by now */
    rig_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prom_labels_make_names_that_can_be_read_back),
        cmocka_unit_test(test_prom_bad_series_are_refused_alone),
        cmocka_unit_test(test_prom_stale_markers_are_bad_and_histograms_refused),
        cmocka_unit_test(test_prom_every_cut_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
