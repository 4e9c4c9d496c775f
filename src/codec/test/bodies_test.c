#include <sh/test.h>

#include <sh/gzip.h>
#include <sh/multipart.h>

/* ---- gzip ---- */

static sh_err round_trip(struct sh_test_env *t)
{
    struct sh_buf in;
    struct sh_buf z;
    struct sh_buf out;
    sh_buf_init(&in, &t->alloc, 1 << 20);
    sh_buf_init(&z, &t->alloc, 1 << 20);
    sh_buf_init(&out, &t->alloc, 200000);
    sh_err e = SH_OK;
    for (int i = 0; i < 20000 && e == SH_OK; i++) {
        e = sh_buf_printf(&in, "%d,", i * 7919 % 1000);
    }
    if (e == SH_OK) {
        e = sh_gzip(sh_buf_bytes(&in), 6, &z);
    }
    if (e == SH_OK) {
        assert_true(z.n < in.n / 2);
        e = sh_gunzip(sh_buf_bytes(&z), &out);
    }
    if (e == SH_OK) {
        assert_true(sh_str_eq(sh_buf_str(&in), sh_buf_str(&out)));
    }
    sh_buf_fini(&in);
    sh_buf_fini(&z);
    sh_buf_fini(&out);
    return e;
}

static void test_gzip_round_trip(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    assert_ok(round_trip(&t));
    sh_test_env_fini(&t);
}

/* Pieces of any size make one member that reads back. */
static sh_err stream_trip(struct sh_test_env *t)
{
    struct sh_buf in;
    struct sh_buf z;
    struct sh_buf out;
    struct sh_gzip_stream *s = NULL;
    sh_buf_init(&in, &t->alloc, 1 << 20);
    sh_buf_init(&z, &t->alloc, 1 << 20);
    sh_buf_init(&out, &t->alloc, 1 << 20);
    sh_err e = sh_gzip_stream_new(&t->alloc, 4, &s);
    size_t given = 0;
    for (uint32_t i = 0; i < 300 && e == SH_OK; i++) {
        for (uint32_t k = 0; k < i * 7 % 130 && e == SH_OK; k++) {
            e = sh_buf_printf(&in, "%u,", (unsigned)(i * 2654435761U >> 16));
        }
        const struct sh_bytes piece = {in.p + given, in.n - given};
        e = e == SH_OK ? sh_gzip_stream_put(s, piece, i == 299, &z) : e;
        given = in.n;
    }
    if (e == SH_OK) {
        e = sh_gunzip(sh_buf_bytes(&z), &out);
    }
    if (e == SH_OK) {
        assert_true(z.n < in.n);
        assert_true(sh_str_eq(sh_buf_str(&in), sh_buf_str(&out)));
    }
    sh_gzip_stream_free(s);
    sh_buf_fini(&in);
    sh_buf_fini(&z);
    sh_buf_fini(&out);
    return e;
}

static void test_gzip_stream_round_trip(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_gzip_stream *s = NULL;
    assert_ok(stream_trip(&t));
    assert_int_equal(sh_gzip_stream_new(&t.alloc, 0, &s), SH_E_INVAL);
    sh_test_env_fini(&t);
    sh_test_oom(stream_trip);
}

static void test_gunzip_limit_is_exact(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    char zeros[5000] = {0};
    struct sh_buf z;
    sh_buf_init(&z, &t.alloc, 1 << 16);
    assert_ok(sh_gzip(sh_bytes_of(zeros, sizeof zeros), 9, &z));
    for (size_t max = 4990; max <= 5010; max++) {
        struct sh_buf out;
        sh_buf_init(&out, &t.alloc, max);
        assert_int_equal(sh_gunzip(sh_buf_bytes(&z), &out), max < 5000 ? SH_E_LIMIT : SH_OK);
        assert_int_equal(out.n, max < 5000 ? 0 : 5000);
        sh_buf_fini(&out);
    }
    sh_buf_fini(&z);
    sh_test_env_fini(&t);
}

static void test_gunzip_damage_and_members(void **state)
{
    (void)state;
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf z;
    struct sh_buf out;
    sh_buf_init(&z, &t.alloc, 1 << 16);
    sh_buf_init(&out, &t.alloc, 1 << 16);
    assert_ok(sh_gzip(sh_bytes_of("hello ", 6), 6, &z));
    const size_t first = z.n;
    assert_ok(sh_gzip(sh_bytes_of("world", 5), 6, &z));
    assert_ok(sh_gunzip(sh_buf_bytes(&z), &out)); /* RFC 1952 2.2 */
    assert_str(sh_buf_str(&out), "hello world");
    for (size_t n = 0; n < first; n++) { /* cut anywhere */
        assert_int_equal(sh_gunzip((struct sh_bytes){z.p, n}, &out), SH_E_PROTO);
    }
    z.p[first - 5] ^= 1; /* the CRC */
    assert_int_equal(sh_gunzip((struct sh_bytes){z.p, first}, &out), SH_E_PROTO);
    assert_int_equal(sh_gunzip(sh_bytes_of("plain text", 10), &out), SH_E_PROTO);
    assert_int_equal(out.n, 11); /* as before */
    sh_buf_fini(&z);
    sh_buf_fini(&out);
    sh_test_env_fini(&t);
}

/* ---- multipart ---- */

static void test_multipart_two_parts(void **state)
{
    (void)state;
    static const char body[] =
        "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n"
        "v\r\n--B  \r\ncontent-type: text/csv\r\n"
        "Content-Disposition: form-data; name=f; filename=\"a;b.csv\"\r\n\r\n"
        "x,--B\r\n--Bad\r\n\r\n--B\r\n"
        "Content-Disposition: form-data; name=e\r\n\r\n\r\n--B--\r\nend";
    struct sh_multipart m;
    struct sh_part p;
    assert_ok(sh_multipart_init(&m, SH_STR("Multipart/form-data; boundary=\"B\""),
                                sh_bytes_of(body, sizeof body - 1)));
    assert_ok(sh_multipart_next(&m, &p));
    assert_str(p.name, "k");
    assert_null(p.filename.p);
    assert_str(p.type, "text/plain");
    assert_str(sh_bytes_str(p.data), "v");
    /* the second part's data holds "--B" in a line and at a line's start, but not as a delimiter
     * of its own: RFC 2046 says a line that begins with it ends the part, so it is refused */
    assert_int_equal(sh_multipart_next(&m, &p), SH_E_PROTO);

    static const char good[] =
        "--B\r\ncontent-type: text/csv\r\n"
        "Content-Disposition: form-data; name=f; filename=\"a;b.csv\"\r\n\r\n"
        "x,--B\r\n-B\r\n\r\n--B\r\n"
        "Content-Disposition: form-data; name=e\r\n\r\n\r\n--B--";
    assert_ok(sh_multipart_init(&m, SH_STR("multipart/form-data; boundary=B"),
                                sh_bytes_of(good, sizeof good - 1)));
    assert_ok(sh_multipart_next(&m, &p));
    assert_str(p.name, "f");
    assert_str(p.filename, "a;b.csv");
    assert_str(p.type, "text/csv");
    assert_str(sh_bytes_str(p.data), "x,--B\r\n-B\r\n");
    assert_ok(sh_multipart_next(&m, &p));
    assert_str(p.name, "e");
    assert_int_equal(p.data.n, 0);
    assert_int_equal(sh_multipart_next(&m, &p), SH_E_NOTFOUND);
    for (size_t n = 0; n < sizeof good - 3; n++) { /* cut anywhere: never the last part as good */
        assert_ok(
            sh_multipart_init(&m, SH_STR("multipart/form-data; boundary=B"), sh_bytes_of(good, n)));
        sh_err e = SH_OK;
        while (e == SH_OK) {
            e = sh_multipart_next(&m, &p);
        }
        assert_int_equal(e, SH_E_PROTO);
    }
}

static void test_multipart_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        sh_err expect;
    } rows[] = {
        {"text/plain; boundary=B", SH_E_UNSUPPORTED},
        {"multipart/form-data", SH_E_PROTO},
        {"multipart/form-data; boundary=", SH_E_PROTO},
        {"multipart/form-data; boundary=\"a \"", SH_E_PROTO},
        {"multipart/form-data; boundary=a\x01", SH_E_PROTO},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_multipart m;
        assert_int_equal(sh_multipart_init(&m, sh_str_c(rows[i].type), (struct sh_bytes){0}),
                         rows[i].expect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_round_trip),
        cmocka_unit_test(test_gzip_stream_round_trip),
        cmocka_unit_test(test_gunzip_limit_is_exact),
        cmocka_unit_test(test_gunzip_damage_and_members),
        cmocka_unit_test(test_multipart_two_parts),
        cmocka_unit_test(test_multipart_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
