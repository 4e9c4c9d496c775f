/* JSON telemetry: RFC 8259 by section, the forms of the product's contract. */
#include "fake_sink.h"

static void run(struct sh_ingest *in, struct fake *f, const struct sh_ingest_opts *o,
                const char *body, struct sh_ingest_result *r)
{
    const size_t n = strlen(body);
    char *copy = malloc(n == 0 ? 1 : n); /* exact size: ASan sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, body, n); /* NOLINT: a length, not a terminator */
    fake_clear(f);
    assert_ok(sh_ingest_json(in, &f->sink, o, sh_bytes_of(copy, n), r));
    free(copy);
}

struct row {
    const char *body;
    const char *out;
    const char *refused;
};

static void run_rows(const struct row *rows, size_t n, const struct sh_ingest_opts *o)
{
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < n; i++) {
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        fake_add(f, "d/int", SH_T_I64, NULL);
        fake_add(f, "d/text", SH_T_TEXT, NULL);
        fake_add(f, "d/on", SH_T_BOOL, NULL);
        fake_add(f, "d/f", SH_T_F64, NULL);
        assert_ok(sh_ingest_new(&t.env, 3, 100, &in)); /* small batches: rows cross them */
        for (int again = 0; again < 2; again++) {      /* the second time from the cache */
            run(in, f, o, rows[i].body, &r);
            fake_expect(f, rows[i].body, rows[i].out, rows[i].refused);
        }
        sh_ingest_free(in);
        fake_free(&t, f);
    }
    sh_test_env_fini(&t);
}

static const struct sh_ingest_opts to_d = {.now_us = 77, .device = {"d", 1}};
static const struct sh_ingest_opts gateway = {.now_us = 77};

static void test_json_forms(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"a\":1.5}", "d/a=1.5@77\n", ""},
        {" \t\r\n{ \"a\" : 1.5 , \"b\" : true } \n", "d/a=1.5@77\nd/b=t@77\n", ""},
        {"{}", "", ""},
        {"[]", "", ""},
        {"{\"ts\":5,\"values\":{\"a\":1,\"b\":2}}", "d/a=1@5000\nd/b=2@5000\n", ""},
        {"{ \"ts\" : 5 , \"values\" : { \"a\" : 1 } }", "d/a=1@5000\n", ""},
        {"{\"values\":{\"a\":1},\"ts\":5}", "d/a=1@5000\n", ""},
        {"{\"ts\":\"2026-01-02T03:04:05.678Z\",\"values\":{\"a\":1}}", "d/a=1@1767323045678000\n",
         ""},
        {"{\"ts\":-1,\"values\":{\"a\":1}}", "d/a=1@-1000\n", ""},
        {"[{\"ts\":5,\"values\":{\"a\":1}},{\"a\":2},{\"ts\":6,\"values\":{}}]",
         "d/a=1@5000\nd/a=2@77\n", ""},
        {"{\"ts\":5,\"a\":1}", "d/ts=5@77\nd/a=1@77\n", ""}, /* no timed form: ts is a property */
        {"{\"ts\":5}", "d/ts=5@77\n", ""},
        {"{\"values\":5,\"ts\":6}", "d/values=5@77\nd/ts=6@77\n", ""},
        {"{\"a\":1,\"ts\":5,\"values\":{\"a\":2}}", "d/a=1@77\nd/ts=5@77\n", "1:24 nested_value\n"},
        {"{\"ts\":5,\"values\":{\"a\":1},\"x\":2}", "d/a=1@5000\n", "1:26 syntax_error\n"},
        {"{\"ts\":true,\"values\":{\"a\":1}}", "", "1:7 bad_time\n"},
        {"{\"ts\":1.5,\"values\":{\"a\":1}}", "", "1:7 bad_time\n"},
        {"{\"ts\":9223372036854775807,\"values\":{\"a\":1}}", "", "1:7 bad_time\n"},
        {"[5,{\"a\":1},\"x\"]", "d/a=1@77\n", "1:2 syntax_error\n3:12 syntax_error\n"},
        {"7", "", "1:1 syntax_error\n"},
        {"{\"a\":null,\"b\":1}", "d/b=1@77\n", ""}, /* null: no value */
    };
    run_rows(rows, SH_COUNT(rows), &to_d);
}

static void test_json_gateway_form(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"x\":[{\"ts\":5,\"values\":{\"a\":1}},{\"a\":2}],\"y\":{\"a\":3}}",
         "x/a=1@5000\nx/a=2@77\ny/a=3@77\n", ""},
        {"{}", "", ""},
        {"{\"x\\u0041\":[{\"a\":1}]}", "xA/a=1@77\n", ""},
        {"{\"x\":1}", "", "0:2 device_missing\n"},
        {"{\"x\":1,\"y\":[{\"a\":1}]}", "y/a=1@77\n", "0:2 device_missing\n"},
        {"[{\"a\":1}]", "", "0:1 device_missing\n"},
        {"{\"\":[{\"a\":1}]}", "", "1:8 bad_name\n"},
        {"{\"x\\u0000\":[{\"a\":1}]}", "", "1:15 bad_name\n"},
    };
    run_rows(rows, SH_COUNT(rows), &gateway);
}

static void test_json_values_and_types(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* 6 numbers */
        {"{\"a\":-0}", "d/a=-0.0@77\n", ""},
        {"{\"a\":1e3,\"b\":1E-2,\"c\":0.5,\"e\":-1.25e+2}",
         "d/a=1000@77\nd/b=0.01@77\nd/c=0.5@77\nd/e=-125@77\n", ""},
        {"{\"a\":9007199254740993}", "d/a=9007199254740992@77\n",
         ""}, /* f64 unless the model says */
        {"{\"int\":9007199254740993}", "d/int=9007199254740993i@77\n", ""},
        {"{\"int\":-9223372036854775808}", "d/int=-9223372036854775808i@77\n", ""},
        {"{\"int\":9223372036854775808}", "", "1:8 field_type_conflict\n"},
        {"{\"int\":3.0}", "d/int=3i@77\n", ""},
        {"{\"int\":1e3}", "d/int=1000i@77\n", ""},
        {"{\"int\":3.5,\"f\":1}", "d/f=1@77\n", "1:8 field_type_conflict\n"},
        {"{\"int\":true}", "", "1:8 field_type_conflict\n"},
        {"{\"f\":1e999,\"a\":1}", "d/a=1@77\n", "1:6 bad_number\n"},
        {"{\"on\":1,\"f\":2}", "d/on=t@77\nd/f=2@77\n", ""},
        {"{\"on\":0}", "d/on=f@77\n", ""},
        {"{\"on\":2}", "", "1:7 field_type_conflict\n"},
        {"{\"f\":true}", "", "1:6 field_type_conflict\n"},
        {"{\"f\":\"1\"}", "", "1:6 field_type_conflict\n"},
        {"{\"text\":5}", "", "1:9 field_type_conflict\n"},
        /* NaN and infinities as words */
        {"{\"f\":\"NaN\",\"a\":\"-Infinity\",\"b\":\"Infinity\"}",
         "d/f=NaN@77\nd/a=-Infinity@77\nd/b=Infinity@77\n", ""},
        {"{\"text\":\"NaN\"}", "d/text='NaN'@77\n", ""},
        {"{\"a\":\"NaNs\"}", "d/a='NaNs'@77\n", ""},
        /* 7 strings */
        {"{\"s\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u4e00\\ud83d\\ude00\"}",
         "d/s='a\"\\/\b\f\n\r\t\xE4\xB8\x80\xF0\x9F\x98\x80'@77\n", ""},
        {"{\"s\":\"\\ud83d\"}", "d/s='\xEF\xBF\xBD'@77\n", ""}, /* 8.2 lone surrogate */
        {"{\"s\":\"\"}", "d/s=''@77\n", ""},
        {"{\"\\u0061\":1}", "d/a=1@77\n", ""},
        {"{\"\xE6\xB8\xA9\":1}", "d/\xE6\xB8\xA9=1@77\n", ""},
        {"{\"a/b\":1,\"c\":2}", "d/c=2@77\n", "1:3 bad_name\n"},
        {"{\"\":1}", "", "1:3 bad_name\n"},
        /* objects and arrays are no values, but text keeps them */
        {"{\"a\":{\"b\":1},\"c\":[1,2],\"f\":3}", "d/f=3@77\n",
         "1:6 nested_value\n1:18 nested_value\n"},
        {"{\"text\":{\"b\":[1,{}]}}", "d/text='{\"b\":[1,{}]}'@77\n", ""},
    };
    run_rows(rows, SH_COUNT(rows), &to_d);
}

/* RFC 8259: what is not JSON is refused whole, wherever the mistake is. */
static void test_json_malformed_is_refused_whole(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"a\":\"x}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}", /* a surrogate in UTF-8 */
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}",
        "[{\"a\":1}",
        "[{\"a\":1},]",
        "[{\"a\":1} {\"a\":2}]",
        "{\"a\":[1,]}",
        "{\"a\":{\"b\" 1}}",
        "[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4},{\"a\":5,\"b\":6},{\"a\":7,\"b\":", /* fills batches
                                                                                   */
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", /* 33 levels
                                                                                        */
        "{\"ts\":1,\"values\":{\"a\":1}",
        "{\"ts\":1 \"values\":{\"a\":1}}",
        "{\"values\":{\"a\":1},\"ts\":}",
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        assert_ok(sh_ingest_new(&t.env, 3, 100, &in));
        run(in, f, &to_d, rows[i], &r);
        if (f->out.n != 0 || r.taken != 0 || r.samples != 0 || r.refused == 0 ||
            strstr((const char *)f->refused.p, "0:") == NULL) {
            fail_msg("%s was not refused whole", rows[i]);
        }
        sh_ingest_free(in);
        fake_free(&t, f);
    }
    sh_test_env_fini(&t);
}

static void test_json_every_cut_of_a_document_is_refused_whole(void **state)
{
    (void)state;
    static const char body[] =
        "[{\"ts\":5,\"values\":{\"a\":1.5,\"s\":\"x\\u0041\",\"n\":null}},{\"b\":[1,{\"c\":2}]}]";
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    assert_ok(sh_ingest_new(&t.env, 2, 100, &in));
    for (size_t n = 0; n < sizeof body - 1; n++) {
        struct sh_ingest_result r;
        char *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, body, n);
        fake_clear(f);
        assert_ok(sh_ingest_json(in, &f->sink, &to_d, sh_bytes_of(copy, n), &r));
        assert_int_equal(f->out.n, 0);
        assert_int_equal(r.samples + r.taken, 0);
        free(copy);
    }
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_json_long_array_counts_and_batches(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_buf body;
    sh_buf_init(&body, t.env.alloc, 1 << 20);
    assert_ok(sh_buf_put_c(&body, "["));
    for (int i = 0; i < 1000; i++) {
        assert_ok(sh_buf_printf(&body, "%s{\"ts\":%d,\"values\":{\"p%d\":%d}}", i == 0 ? "" : ",",
                                i, i % 40, i));
    }
    assert_ok(sh_buf_put_c(&body, "]"));
    assert_ok(sh_ingest_new(&t.env, 64, 16, &in)); /* the cache is smaller than the properties */
    fake_clear(f);
    assert_ok(sh_ingest_json(in, &f->sink, &to_d, sh_buf_bytes(&body), &r));
    assert_int_equal(r.samples, 1000);
    assert_int_equal(r.taken, 1000);
    assert_int_equal(f->submits, 16);
    assert_int_equal(f->npoints, 40);
    sh_buf_fini(&body);
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_json_denied_and_time_limits(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {
        .now_us = 77, .device = {"d", 1}, .min_time_us = 10000, .max_time_us = 20000};
    assert_ok(sh_ingest_new(&t.env, 64, 16, &in));
    fake_add(f, "d/f", SH_T_F64, NULL);
    f->deny = SH_INGEST_DENIED;
    run(in, f, &o,
        "[{\"ts\":15,\"values\":{\"g\":{\"x\":1},\"h\":\"s\",\"f\":1}},"
        "{\"ts\":9,\"values\":{\"f\":2}},{\"ts\":21,\"values\":{\"f\":3}}]",
        &r);
    fake_expect(f, "denied", "d/f=1@15000\n",
                "1:25 nested_value\n1:34 denied\n2:55 time_too_old\n3:81 time_in_future\n");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

/* Many small messages in one submit: a bad one in between takes nothing with it. */
static void test_json_held_rows_are_submitted_together(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    const struct sh_ingest_opts o = {.now_us = 77, .device = {"d", 1}, .hold = true};
    assert_ok(sh_ingest_new(&t.env, 4, 16, &in));
    fake_clear(f);
    assert_ok(sh_ingest_json(in, &f->sink, &o, sh_bytes_of("{\"a\":1}", 7), &r));
    assert_int_equal(r.samples, 1);
    assert_ok(sh_ingest_json(in, &f->sink, &o, sh_bytes_of("{\"a\":2,\"b\":3", 12), &r));
    assert_int_equal(r.samples, 0);
    assert_int_equal(r.refused, 1);
    assert_ok(sh_ingest_json(in, &f->sink, &o, sh_bytes_of("{\"b\":4}", 7), &r));
    assert_int_equal(sh_ingest_held(in), 2);
    assert_int_equal(f->submits, 0);
    f->submit_answer =
        SH_E_LIMIT; /* no room behind: the message does not fit, what is held stays */
    assert_int_equal(
        sh_ingest_json(in, &f->sink, &o, sh_bytes_of("{\"a\":5,\"b\":6,\"c\":7}", 19), &r),
        SH_E_LIMIT);
    assert_int_equal(sh_ingest_held(in), 2);
    assert_int_equal(sh_ingest_flush(in, &f->sink), SH_E_LIMIT);
    assert_int_equal(sh_ingest_held(in), 2);
    f->submit_answer = SH_OK;
    fake_clear(f);
    assert_ok(sh_ingest_flush(in, &f->sink));
    assert_int_equal(sh_ingest_held(in), 0);
    assert_true(sh_str_eqc(sh_buf_str(&f->out), "d/a=1@77\nd/b=4@77\n"));
    assert_ok(sh_ingest_flush(in, &f->sink)); /* nothing: no submit */
    assert_int_equal(f->submits, 3);
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static struct sh_scale *scale(struct sh_test_env *t, const char *spec, enum sh_type type)
{
    struct sh_scale *s = NULL;
    json_t *j = json_loads(spec, 0, NULL);
    assert_ok(sh_scale_new(t->env.alloc, j, type, &s, NULL));
    json_decref(j);
    return s;
}

/* Raw values of every kind into scaled points; the raw value beside. */
static void test_json_scaled_points(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_scale *s[] = {
        scale(&t, "{\"raw\":\"text\",\"words\":{\"0\":\"OFF\",\"1\":\"ON\"}}", SH_T_I64),
        scale(&t, "{\"raw\":\"text\",\"encoding\":\"gbk\"}", SH_T_TEXT),
        scale(&t, "{\"raw\":\"u64\",\"factor\":0.5}", SH_T_F64),
        scale(&t, "{\"raw\":\"u16\",\"bit\":2}", SH_T_BOOL),
        scale(&t, "{\"raw\":\"text\"}", SH_T_F64),
    };
    fake_add(f, "d/sw", SH_T_I64, s[0])->target.raw_point = 2;
    fake_add(f, "d/sw.raw", SH_T_TEXT, NULL);
    fake_add(f, "d/name", SH_T_TEXT, s[1]);
    fake_add(f, "d/big", SH_T_F64, s[2]);
    fake_add(f, "d/bit", SH_T_BOOL, s[3]);
    fake_add(f, "d/num", SH_T_F64, s[4]);
    assert_ok(sh_ingest_new(&t.env, 64, 16, &in));
    run(in, f, &to_d, "{\"sw\":\"ON\",\"name\":\"pump\",\"big\":7,\"bit\":4,\"num\":\"1.25\"}", &r);
    fake_expect(f, "scaled",
                "d/sw=1i@77\nd/sw.raw='ON'@77\nd/name='pump'@77\nd/big=3.5@77\nd/bit=t@77\n"
                "d/num=1.25@77\n",
                "");
    run(in, f, &to_d, "{\"sw\":\"?\",\"name\":\"\xE6\",\"big\":\"x\",\"bit\":1.5,\"num\":\"x\"}",
        &r);
    fake_expect(f, "not UTF-8: not JSON", "", "0:19 syntax_error\n");
    run(in, f, &to_d,
        "{\"sw\":\"?\",\"name\":\"\xE6\xB8\xA9\",\"big\":\"x\",\"bit\":1.5,\"num\":\"x\"}", &r);
    fake_expect(f, "misfits", "d/sw=0i@77q4\nd/sw.raw='?'@77\nd/num=0@77q4\n",
                "1:18 bad_encoding\n1:30 field_type_conflict\n1:40 field_type_conflict\n");
    struct sh_ingest_stats st;
    sh_ingest_stats(in, &st);
    assert_int_equal(st.series, 5);
    assert_true(st.memory_bytes > 1000 && st.resolved == 5);
    sh_ingest_free(in);
    for (size_t i = 0; i < SH_COUNT(s); i++) {
        sh_scale_free(s[i]);
    }
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

static void test_ingest_new_checks_its_limits(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in = NULL;
    assert_int_equal(sh_ingest_new(&t.env, 0, 1, &in), SH_E_INVAL);
    assert_int_equal(sh_ingest_new(&t.env, 65537, 1, &in), SH_E_INVAL);
    assert_int_equal(sh_ingest_new(&t.env, 1, 0, &in), SH_E_INVAL);
    assert_null(in);
    assert_string_equal(sh_ingest_code_name(SH_INGEST_QUOTA), "quota_reached");
    assert_string_equal(sh_ingest_code_name((enum sh_ingest_code)999), "unknown");
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_forms),
        cmocka_unit_test(test_json_gateway_form),
        cmocka_unit_test(test_json_values_and_types),
        cmocka_unit_test(test_json_malformed_is_refused_whole),
        cmocka_unit_test(test_json_every_cut_of_a_document_is_refused_whole),
        cmocka_unit_test(test_json_long_array_counts_and_batches),
        cmocka_unit_test(test_json_denied_and_time_limits),
        cmocka_unit_test(test_json_held_rows_are_submitted_together),
        cmocka_unit_test(test_json_scaled_points),
        cmocka_unit_test(test_ingest_new_checks_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
