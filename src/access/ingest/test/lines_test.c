/* Line protocol: the InfluxDB line protocol reference, by its headings. */
#include "fake_sink.h"

static const struct sh_ingest_opts ns = {.now_us = 77};

static void run(struct sh_ingest *in, struct fake *f, const struct sh_ingest_opts *o,
                const char *body, struct sh_ingest_result *r)
{
    const size_t n = strlen(body);
    char *copy = malloc(n == 0 ? 1 : n); /* exact size: ASan sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, body, n); /* NOLINT: a length, not a terminator */
    fake_clear(f);
    assert_ok(sh_ingest_lines(in, &f->sink, o, sh_bytes_of(copy, n), r));
    free(copy);
}

static const struct {
    const char *body;
    const char *out;
    const char *refused;
} examples[] = {
    /* syntax, optional parts */
    {"m f=1.5 1000", "m/f=1.5@1\n", ""},
    {"m f=1.5", "m/f=1.5@77\n", ""},
    {"m f=1.5 ", "m/f=1.5@77\n", ""},
    {"m,b=2,a=1 f=1 1000", "m.1.2/f=1@1\n", ""}, /* tags by key */
    {"m f=1,g=2i,h=\"x\",k=t 1000\n", "m/f=1@1\nm/g=2i@1\nm/h='x'@1\nm/k=t@1\n", ""},
    {"m f=1 1000\r\nm f=2 2000\r\n", "m/f=1@1\nm/f=2@2\n", ""},
    {"\n\n  \n# comment\n  # comment\nm f=1 1000\n#end", "m/f=1@1\n", ""},
    {"  m f=1 1000", "m/f=1@1\n", ""},
    {"m   f=1   1000  ", "m/f=1@1\n", ""},
    {"", "", ""},
    /* data types: floats */
    {"m f=-1.25e-3", "m/f=-0.00125@77\n", ""},
    {"m f=1E+3", "m/f=1000@77\n", ""},
    {"m f=0.1", "m/f=0.1@77\n", ""},
    {"m f=73.96732207", "m/f=73.96732207@77\n", ""},
    {"m f=2.2250738585072011e-308", "m/f=2.225073858507201e-308@77\n", ""},
    {"m f=9007199254740993", "m/f=9007199254740992@77\n", ""}, /* ties to even */
    {"m f=123456789012345678901234567890", "m/f=1.2345678901234568e+29@77\n", ""},
    {"m f=-0", "m/f=-0.0@77\n", ""},
    {"m f=007.5", "m/f=7.5@77\n", ""},
    /* integers and unsigned */
    {"m i=-9223372036854775808i", "m/i=-9223372036854775808i@77\n", ""},
    {"m i=9223372036854775807i", "m/i=9223372036854775807i@77\n", ""},
    {"m i=9223372036854775808i", "", "1:5 bad_number\n"},
    {"m i=1.5i", "", "1:5 bad_number\n"},
    {"m u=18446744073709551615u", "", "1:5 field_type_conflict\n"}, /* no u64 point */
    {"m u=5u", "m/u=5i@77\n", ""},
    {"m u=-5u", "", "1:5 bad_number\n"},
    /* booleans */
    {"m a=t,b=T,c=true,d=True,e=TRUE", "m/a=t@77\nm/b=t@77\nm/c=t@77\nm/d=t@77\nm/e=t@77\n", ""},
    {"m a=f,b=F,c=false,d=False,e=FALSE", "m/a=f@77\nm/b=f@77\nm/c=f@77\nm/d=f@77\nm/e=f@77\n", ""},
    {"m a=yes", "", "1:5 syntax_error\n"},
    {"m a=NaN", "", "1:5 syntax_error\n"},
    /* quotes and special characters */
    {"m s=\"a b,c=d\"", "m/s='a b,c=d'@77\n", ""},
    {"m s=\"a\\\"b\\\\c\\d\"", "m/s='a\"b\\c\\d'@77\n", ""},
    {"m s=\"\"", "m/s=''@77\n", ""},
    {"m s=\"open", "", "1:5 syntax_error\n"},
    {"m s=\"a\nb\"", "", "1:5 syntax_error\n2:3 syntax_error\n"},
    {"my\\ m,t\\=k=v\\,1\\ x f\\ 1=2", "my m.v,1 x/f 1=2@77\n", ""},
    {"m\\,x f=1", "m,x/f=1@77\n", ""},
    {"m\\x f\\y=1", "m\\x/f\\y=1@77\n", ""}, /* other backslashes are themselves */
    {"\xE6\xB8\xA9\xE5\xBA\xA6,a=\xE4\xB8\x80 f=1",
     "\xE6\xB8\xA9\xE5\xBA\xA6.\xE4\xB8\x80/f=1@77\n", ""},
    {"m s=\"\xff\"", "", "1:6 bad_encoding\n"},
    {"m\xff f=1", "", "1:4 bad_name\n"},
    /* mistakes: one line is lost, the others are kept */
    {"m f=1 1000\nm f=\nm f=3 3000", "m/f=1@1\nm/f=3@3\n", "2:5 syntax_error\n"},
    {"m", "", "1:2 syntax_error\n"},
    {"m ", "", "1:3 syntax_error\n"},
    {",a=1 f=1", "", "1:1 syntax_error\n"},
    {"m,a f=1", "", "1:3 syntax_error\n"},
    {"m,a= f=1", "", "1:3 syntax_error\n"},
    {"m,=1 f=1", "", "1:3 syntax_error\n"},
    {"m,a=1,a=2 f=1", "", "1:7 syntax_error\n"},
    {"m,a=1=2 f=1", "", "1:6 syntax_error\n"},
    {"m f", "", "1:3 syntax_error\n"},
    {"m =1", "", "1:3 syntax_error\n"},
    {"m f=1,", "", "1:7 syntax_error\n"},
    {"m f=1x", "", "1:6 syntax_error\n"},
    {"m f=1.", "", "1:7 bad_number\n"},
    {"m f=1e", "", "1:7 bad_number\n"},
    {"m f=1e999", "", "1:5 bad_number\n"},
    {"m f=1 12x", "", "1:9 syntax_error\n"},
    {"m f=1 abc", "", "1:7 bad_time\n"},
    {"m f=1 99999999999999999999", "", "1:7 bad_time\n"},
    {"m a/b=1", "", "1:3 bad_name\n"}, /* a property holds no '/' */
    {"m f=1,g=2 1000\nm f=\"x\",g=3 2000", "m/f=1@1\nm/g=2@1\n", "2:5 field_type_conflict\n"},
};

static void test_lines_reference_examples(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(examples); i++) {
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
        run(in, f, &ns, examples[i].body, &r);
        fake_expect(f, examples[i].body, examples[i].out, examples[i].refused);
        run(in, f, &ns, examples[i].body, &r); /* again, from the cache */
        fake_expect(f, examples[i].body, examples[i].out, examples[i].refused);
        sh_ingest_free(in);
        fake_free(&t, f);
    }
    sh_test_env_fini(&t);
}

static void test_lines_precision_and_floor(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        const char *time;
        const char *out;
    } rows[] = {
        {"ns", "1999", "m/f=1@1\n"},
        {"ns", "-1", "m/f=1@-1\n"}, /* floored, not cut */
        {"ns", "-1000", "m/f=1@-1\n"},
        {"ns", "-1001", "m/f=1@-2\n"},
        {"ns", "1700000000123456789", "m/f=1@1700000000123456\n"},
        {"us", "1700000000123456", "m/f=1@1700000000123456\n"},
        {"ms", "1700000000123", "m/f=1@1700000000123000\n"},
        {"s", "1700000000", "m/f=1@1700000000000000\n"},
        {"s", "9223372036854775807", ""},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_ingest_opts o = {.now_us = 77};
        struct sh_ingest_result r;
        char line[64];
        assert_ok(sh_ingest_precision_parse(sh_str_c(rows[i].word), &o.precision));
        (void)snprintf(line, sizeof line, "m f=1 %s", rows[i].time);
        run(in, f, &o, line, &r);
        fake_expect(f, line, rows[i].out, rows[i].out[0] == '\0' ? "1:7 bad_time\n" : "");
    }
    enum sh_ingest_precision p;
    assert_int_equal(sh_ingest_precision_parse(SH_STR("h"), &p), SH_E_INVAL);
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_types_follow_the_point(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    fake_add(f, "m/f", SH_T_F64, NULL);
    fake_add(f, "m/i", SH_T_I64, NULL);
    /* an exactly representable integer widens into f64, any other conflict refuses the line */
    run(in, f, &ns, "m f=3i 1000\nm f=9007199254740993i 2000\nm f=7u 3000\nm f=true 4000", &r);
    fake_expect(f, "f64", "m/f=3@1\nm/f=7@3\n",
                "2:5 field_type_conflict\n4:5 field_type_conflict\n");
    assert_int_equal(r.taken, 2);
    assert_int_equal(r.refused, 2);
    assert_int_equal(r.samples, 2);
    run(in, f, &ns, "m i=3 1000\nm i=3i 2000\nm i=\"3\" 3000", &r);
    fake_expect(f, "i64", "m/i=3i@2\n", "1:5 field_type_conflict\n3:5 field_type_conflict\n");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_series_is_resolved_once(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_ingest_opts o = ns;
    assert_ok(sh_ingest_new(&t.env, 7, 100, &in)); /* batches of 7 */
    for (int k = 0; k < 5; k++) {
        run(in, f, &o, "a,x=1 f=1,g=2 1\nb f=1 1\na,x=2 f=1,g=2 1\na,x=1 g=1,f=2 1\n", &r);
    }
    assert_int_equal(f->resolves, 5);
    assert_str(sh_str_c(f->labels), "x=2");
    assert_true(f->max_batch <= 7);
    struct sh_ingest_stats s;
    sh_ingest_stats(in, &s);
    assert_int_equal(s.series, 5);
    o.scope = 9; /* another tenant asks again */
    run(in, f, &o, "b f=1 1", &r);
    assert_int_equal(f->resolves, 6);
    o.generation = 1; /* points changed: all are asked again */
    run(in, f, &o, "b f=1 1", &r);
    assert_int_equal(f->resolves, 7);
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

/* Fields of one device told in lines of their own: found again in this order, in another one, among
 * lines of several fields, and when the cache is emptied between two of them. */
static void test_lines_of_one_field_each_find_their_points(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "d a=1 1000\nd b=2 1000\nd c=3 1000\ne a=4 1000\ne b=5 1000\n",
        "d c=3 2000\nd a=1 2000\nd b=2,c=6 3000\nd a=7 3000\ne b=5 2000\nd b=8 4000\n",
        "d x=\nd a=1 5000\nd b=2 5000\nf a=9 5000\nd c=3 5000\n",
    };
    static const char *const outs[] = {
        "d/a=1@1\nd/b=2@1\nd/c=3@1\ne/a=4@1\ne/b=5@1\n",
        "d/c=3@2\nd/a=1@2\nd/b=2@3\nd/c=6@3\nd/a=7@3\ne/b=5@2\nd/b=8@4\n",
        "d/a=1@5\nd/b=2@5\nf/a=9@5\nd/c=3@5\n",
    };
    static const uint32_t sizes[] = {100, 2}; /* the cache of two is emptied all the time */
    for (size_t k = 0; k < SH_COUNT(sizes); k++) {
        struct sh_test_env t;
        sh_test_env_init(&t, NULL);
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        assert_ok(sh_ingest_new(&t.env, 7, sizes[k], &in));
        for (size_t i = 0; i < 3 * SH_COUNT(bodies); i++) {
            run(in, f, &ns, bodies[i % SH_COUNT(bodies)], &r);
            assert_true(sh_str_eqc(sh_buf_str(&f->out), outs[i % SH_COUNT(bodies)]));
        }
        struct sh_ingest_stats s;
        sh_ingest_stats(in, &s);
        assert_int_equal(s.emptied > 0, k == 1);
        assert_true(k == 1 || f->resolves == 6);
        sh_ingest_free(in);
        fake_free(&t, f);
        sh_test_env_fini(&t);
    }
}

static void test_lines_full_cache_is_emptied_and_goes_on(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_buf body;
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        assert_ok(sh_buf_printf(&body, "m,t=%d f=%d 1000\n", i % 50, i));
    }
    assert_ok(sh_ingest_new(&t.env, 64, 16, &in));
    fake_clear(f);
    assert_ok(sh_ingest_lines(in, &f->sink, &ns, sh_buf_bytes(&body), &r));
    assert_int_equal(r.samples, 1000);
    struct sh_ingest_stats s;
    sh_ingest_stats(in, &s);
    assert_true(s.emptied > 10 && s.series <= 32);
    assert_int_equal(f->npoints, 50);
    sh_buf_fini(&body);
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_line_larger_than_a_batch(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
    run(in, f, &ns, "m a=1,b=2 1000\nm a=1,b=2,c=3 2000\nm a=1,b=2,c=3,d=4,e=5 3000\nm a=9 4000",
        &r);
    fake_expect(f, "rows of a line stay together",
                "m/a=1@1\nm/b=2@1\nm/a=1@2\nm/b=2@2\nm/c=3@2\nm/a=9@4\n", "3:1 too_big\n");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_refusals_of_resolve_and_time(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {.now_us = 77, .min_time_us = 10, .max_time_us = 20};
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    fake_add(f, "m/f", SH_T_F64, NULL);
    f->deny = SH_INGEST_UNKNOWN_DEVICE;
    run(in, f, &o, "m f=1 9999\nm f=1 10000\nm f=1 20999\nm f=1 21000\nn f=1 15000", &r);
    fake_expect(f, "limits", "m/f=1@10\nm/f=1@20\n",
                "1:7 time_too_old\n4:7 time_in_future\n5:3 unknown_device\n");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_submit_error_ends_the_decode(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    assert_ok(sh_ingest_new(&t.env, 2, 100, &in));
    f->submit_answer = SH_E_FULL;
    assert_int_equal(
        sh_ingest_lines(in, &f->sink, &ns, sh_bytes_of("m f=1\nm f=2\nm f=3\n", 18), &r),
        SH_E_FULL);
    assert_int_equal(r.samples, 0);
    f->submit_answer = SH_OK; /* and nothing is left behind */
    run(in, f, &ns, "m f=4", &r);
    fake_expect(f, "next", "m/f=4@77\n", "");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_lines_scaled_point_and_raw_beside(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_scale *s = NULL;
    struct sh_scale *words = NULL;
    json_t *j = json_loads("{\"raw\":\"i16\",\"raw_range\":[0,27648],\"range\":[0,100]}", 0, NULL);
    assert_ok(sh_scale_new(t.env.alloc, j, SH_T_F64, &s, NULL));
    json_decref(j);
    j = json_loads("{\"raw\":\"i16\",\"words\":{\"0\":\"stop\",\"1\":\"run\"}}", 0, NULL);
    assert_ok(sh_scale_new(t.env.alloc, j, SH_T_TEXT, &words, NULL));
    json_decref(j);
    assert_ok(sh_ingest_new(&t.env, 100, 100, &in));
    struct fake_point *p = fake_add(f, "m/p", SH_T_F64, s);
    p->target.raw_point = 2;
    fake_add(f, "m/p.raw", SH_T_I64, NULL);
    fake_add(f, "m/w", SH_T_TEXT, words);
    run(in, f, &ns, "m p=13824i,w=1i 1000\nm p=27649i 2000\nm p=1.5 3000\nm w=7i 4000\nm p=2 5000",
        &r);
    fake_expect(f, "scaled",
                "m/p=50@1\nm/p.raw=13824i@1\nm/w='run'@1\n"
                "m/p=100.00361689814815@2q84\nm/p.raw=27649i@2\n"
                "m/w=''@4q4\n"
                "m/p=0.007233796296296296@5\nm/p.raw=2i@5\n",
                "3:5 field_type_conflict\n");
    sh_ingest_free(in);
    sh_scale_free(s);
    sh_scale_free(words);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static enum sh_ingest_code quiet_resolve(void *ctx, const struct sh_ingest_name *n,
                                         struct sh_ingest_target *out, char detail[160])
{
    (void)ctx;
    (void)detail;
    *out = (struct sh_ingest_target){.point = 1, .type = n->type};
    return SH_INGEST_OK;
}
static sh_err quiet_submit(void *ctx, const struct sh_batch *b)
{
    (void)ctx;
    (void)b;
    return SH_OK;
}

static sh_err oom_body(struct sh_test_env *t)
{
    const struct sh_ingest_sink sink = {.resolve = quiet_resolve, .submit = quiet_submit};
    struct sh_ingest *in = NULL;
    struct sh_ingest_result r;
    SH_TRY(sh_ingest_new(&t->env, 8, 8, &in));
    static const char body[] = "m,a=1 f=1,s=\"a\\\"b\" 1\nm,a=2 f=2 1\nn g=2i 1\n";
    const sh_err e = sh_ingest_lines(in, &sink, &ns, sh_bytes_of(body, sizeof body - 1), &r);
    sh_ingest_free(in);
    return e;
}

static void test_lines_without_memory_leave_nothing(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_reference_examples),
        cmocka_unit_test(test_lines_precision_and_floor),
        cmocka_unit_test(test_lines_types_follow_the_point),
        cmocka_unit_test(test_lines_series_is_resolved_once),
        cmocka_unit_test(test_lines_of_one_field_each_find_their_points),
        cmocka_unit_test(test_lines_full_cache_is_emptied_and_goes_on),
        cmocka_unit_test(test_lines_line_larger_than_a_batch),
        cmocka_unit_test(test_lines_refusals_of_resolve_and_time),
        cmocka_unit_test(test_lines_submit_error_ends_the_decode),
        cmocka_unit_test(test_lines_scaled_point_and_raw_beside),
        cmocka_unit_test(test_lines_without_memory_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
