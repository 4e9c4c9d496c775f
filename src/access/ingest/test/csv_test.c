/* CSV: RFC 4180, and the times and types of the product's contract. */
#include "fake_sink.h"

static const struct sh_ingest_opts to_d = {.now_us = 77, .device = {"d", 1}};

static void run(struct sh_ingest *in, struct fake *f, const struct sh_ingest_opts *o,
                const char *body, size_t n, struct sh_ingest_result *r)
{
    char *copy = malloc(n == 0 ? 1 : n); /* exact size: ASan sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, body, n); /* NOLINT: a length, not a terminator */
    fake_clear(f);
    assert_ok(sh_ingest_csv(in, &f->sink, o, sh_bytes_of(copy, n), r));
    free(copy);
}

static void test_csv_rows(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *out;
        const char *refused;
    } rows[] = {
        {"time,a,b\n1,1.5,2\n2,3,4\n", "d/a=1.5@1000\nd/b=2@1000\nd/a=3@2000\nd/b=4@2000\n", ""},
        {"a,time\r\n1,5\r\n2,6", "d/a=1@5000\nd/a=2@6000\n", ""},
        {"\xEF\xBB\xBFtime,a\n1,2\n", "d/a=2@1000\n", ""},
        {"time, a \n1, 2 \n", "d/a=2@1000\n", ""},
        {"time,a\n\n1,2\n\r\n3,4\n", "d/a=2@1000\nd/a=4@3000\n", ""},
        {"time,a,b\n1,,2\n2,3,\n", "d/b=2@1000\nd/a=3@2000\n", ""}, /* empty: no value */
        {"time,\"a\"\n\"1\",\"2\"\n", "d/a=2@1000\n", ""},
        {"time,s\n1,\"x,\"\"y\"\"\nz\"\n2,w\n", "d/s='x,\"y\"\nz'@1000\nd/s='w'@2000\n", ""},
        {"time,a,b,c,e\n1,1e3,true,x,NaN\n",
         "d/a=1000@1000\nd/b=t@1000\nd/c='x'@1000\nd/e=NaN@1000\n", ""},
        {"time,a\n1,-Infinity\n", "d/a=-Infinity@1000\n", ""},
        {"time,int,on,text\n1,9007199254740993,1,5\n2,3.0,FALSE,x\n",
         "d/int=9007199254740993i@1000\nd/on=t@1000\nd/text='5'@1000\n"
         "d/int=3i@2000\nd/on=f@2000\nd/text='x'@2000\n",
         ""},
        {"time\n1\n", "", ""},
        /* one row is lost, the others are kept */
        {"time,a,b\n1,1,2\nx,1,2\n3,1,2\n", "d/a=1@1000\nd/b=2@1000\nd/a=1@3000\nd/b=2@3000\n",
         "3:1 bad_time\n"},
        {"time,a,b\n1,1,2\n2,1\n3,1,2,3\n4,5,6\n",
         "d/a=1@1000\nd/b=2@1000\nd/a=5@4000\nd/b=6@4000\n",
         "3:1 syntax_error\n4:7 syntax_error\n"},
        {"time,a,int\n1,1,2.5\n2,x,3\n3,4,5\n", "d/int=3i@2000\n", "x"},
        {"time,a\n1,1e999\n2,1\n", "d/a=1@2000\n", "2:3 bad_number\n"},
        {"time,a\n1,\"x\n2,1\n", "", "2:3 syntax_error\n"},
        {"time,a\n1,\"x\"y\n2,1\n", "d/a=1@2000\n", "2:6 syntax_error\n"},
        {"time,s\n1,\xff\n2,x\n", "d/s='x'@2000\n", "2:3 bad_encoding\n"},
        {"time,s\n1,\"a\nb\"\nx,c\n", "d/s='a\nb'@1000\n",
         "4:1 bad_time\n"}, /* lines of the file */
        /* header */
        {"", "", "1:1 bad_name\n"},
        {"a,b\n1,2\n", "", "1:1 bad_time\n"},
        {"time,a,a\n1,2,3\n", "", "1:8 bad_name\n"},
        {"time,,a\n1,2,3\n", "", "1:6 bad_name\n"},
        {"time,a/b\n1,2\n", "", "2:3 bad_name\n"},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        fake_add(f, "d/int", SH_T_I64, NULL);
        fake_add(f, "d/text", SH_T_TEXT, NULL);
        fake_add(f, "d/on", SH_T_BOOL, NULL);
        assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
        run(in, f, &to_d, rows[i].body, strlen(rows[i].body), &r);
        if (rows[i].refused[0] == 'x') { /* type from the first row that is taken or tried */
            assert_true(r.refused == 2 && r.taken == 1);
        } else {
            fake_expect(f, rows[i].body, rows[i].out, rows[i].refused);
        }
        sh_ingest_free(in);
        fake_free(&t, f);
    }
    sh_test_env_fini(&t);
}

static bool zone(void *ctx, struct sh_str tz, int64_t local_us, int64_t *utc_us)
{
    (void)ctx;
    *utc_us = local_us - (int64_t)8 * 3600 * 1000000;
    return sh_str_eqc(tz, "Asia/Shanghai");
}

static void test_csv_times(void **state)
{
    (void)state;
    static const struct {
        const char *tz;
        const char *cell;
        int64_t us; /* -1: refused */
    } rows[] = {
        {"", "1583077446000", 1583077446000000},
        {"UTC", "2020-03-01 15:44:06", 1583077446000000},
        {"Z", "2020-03-01T15:44:06Z", 1583077446000000},
        {"", "2020-03-01T23:44:06+08:00", 1583077446000000},
        {"+08:00", "2020-03-01 23:44:06", 1583077446000000},
        {"+0800", "2020-03-01 23:44:06.5", 1583077446500000},
        {"-05", "2020-03-01 10:44:06", 1583077446000000},
        {"Asia/Shanghai", "2020-03-01 23:44:06", 1583077446000000},
        {"Asia/Shanghai", "2020-03-01T15:44:06Z", 1583077446000000}, /* the cell's own zone wins */
        {"Mars/Olympus", "2020-03-01 15:44:06", -1},
        {"", "2020/3/1 15:44", 1583077440000000},
        {"", "2020-03-01", 1583020800000000},
        {"", "2020-03-01 15:44:06.1234567", 1583077446123456},
        {"", "2020-02-29 00:00:00", 1582934400000000},
        {"", "2019-02-29 00:00:00", -1},
        {"", "2020-13-01 00:00:00", -1},
        {"", "2020-01-01 24:00:00", -1},
        {"", "2020-01-01 10:60:00", -1},
        {"", "2020-01-01 10:00:00+25:00", -1},
        {"", "2020-01/01 10:00:00", -1},
        {"", "1.5", -1},
        {"", "", -1},
        {"", "9223372036854775807", -1},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_ingest *in;
        struct fake *f = fake_new(&t);
        struct sh_ingest_result r;
        struct sh_ingest_opts o = to_d;
        char body[100];
        char want[100];
        o.tz = sh_str_c(rows[i].tz);
        o.zone = zone;
        o.time_column = SH_STR("when");
        o.delimiter = ';';
        assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
        const int n = snprintf(body, sizeof body, "when;a\n%s;1\n", rows[i].cell);
        (void)snprintf(want, sizeof want, "d/a=1@%lld\n", (long long)rows[i].us);
        run(in, f, &o, body, (size_t)n, &r);
        fake_expect(f, body, rows[i].us == -1 ? "" : want,
                    rows[i].us == -1 ? "2:1 bad_time\n" : "");
        sh_ingest_free(in);
        fake_free(&t, f);
    }
    sh_test_env_fini(&t);
}

static void test_csv_gbk_and_missing_device(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_ingest *in;
    struct fake *f = fake_new(&t);
    struct sh_ingest_result r;
    struct sh_ingest_opts o = to_d;
    assert_ok(sh_ingest_new(&t.env, 4, 100, &in));
    o.gbk = true;
    static const char body[] = "time,\xCE\xC2\xB6\xC8\n1,\xD4\xCB\xD0\xD0\n"; /* temperature; run */
    run(in, f, &o, body, sizeof body - 1, &r);
    fake_expect(f, "gbk", "d/\xE6\xB8\xA9\xE5\xBA\xA6='\xE8\xBF\x90\xE8\xA1\x8C'@1000\n", "");
    run(in, f, &o, "time,a\n1,\xff\xff\n", 13, &r);
    fake_expect(f, "not gbk", "", "0:1 bad_encoding\n");
    o.device = SH_STR("");
    run(in, f, &o, "time,a\n1,2\n", 11, &r);
    fake_expect(f, "device", "", "0:1 device_missing\n");
    sh_ingest_free(in);
    fake_free(&t, f);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_rows),
        cmocka_unit_test(test_csv_times),
        cmocka_unit_test(test_csv_gbk_and_missing_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
