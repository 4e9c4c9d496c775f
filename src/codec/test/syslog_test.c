#include <sh/test.h>

#include <stdio.h>

#include <sh/syslog.h>
#include <sh/text.h>

#define BOM "\xef\xbb\xbf"
#define FFFD "\xef\xbf\xbd"

static const struct sh_syslog plain = {
    .facility = SH_SYSLOG_AUDIT,
    .severity = SH_SYSLOG_INFO,
    .time_us = INT64_C(1065910455003000), /* RFC 5424 6.5, example 1: 2003-10-11T22:14:15.003Z */
    .hostname = {"mymachine.example.com", 21},
    .app = {"songhua", 7},
    .procid = {"42", 2},
    .msgid = {"ID47", 4},
    .sd_id = {"a@1", 3},
};

static void expect(const struct sh_syslog *m, const char *message)
{
    struct sh_test_env t;
    struct sh_buf b;
    char frame[1024];
    sh_test_env_init(&t, NULL);
    sh_buf_init(&b, &t.alloc, 1024);
    assert_int_equal(sh_syslog_put(m, &b), SH_OK);
    (void)snprintf(frame, sizeof frame, "%zu %s", strlen(message), message);
    assert_int_equal(b.n, strlen(frame));
    assert_memory_equal(b.p, frame, b.n);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

#define HEAD "<110>1 2003-10-11T22:14:15.003Z mymachine.example.com songhua 42 ID47 "

static void test_header_is_that_of_the_standard(void **state)
{
    (void)state;
    struct sh_syslog m = plain;
    expect(&m, HEAD "[a@1]");
    m.severity = SH_SYSLOG_WARNING;
    m.hostname = SH_STR("");
    m.procid = SH_STR("");
    m.app = SH_STR("a b\x7f\xe6\x9d\xbe"); /* PRINTUSASCII, 6. */
    expect(&m, "<108>1 2003-10-11T22:14:15.003Z - a?b???? - ID47 [a@1]");
    m.time_us = INT64_C(1065910455003001); /* TIME-SECFRAC has at most six digits, 6.2.3.1 */
    m.msgid = SH_STR("abcdefghijabcdefghijabcdefghij1234"); /* 32 at most */
    m.app = SH_STR("s");
    expect(&m, "<108>1 2003-10-11T22:14:15.003001Z - s - abcdefghijabcdefghijabcdefghij12 [a@1]");
}

static void test_values_and_text_rows(void **state)
{
    (void)state;
    static const struct {
        struct sh_str in;
        const char *value;
        const char *text;
    } rows[] = {
        {{"a", 1}, "a", "a"},
        {{"\"\\]", 3}, "\\\"\\\\\\]", "\"\\]"}, /* 6.3.3: these three, and no other */
        {{"[='", 3}, "[='", "[='"},
        {{"\xe6\x9d\xbe", 3}, "\xe6\x9d\xbe", "\xe6\x9d\xbe"},
        {{"\xf0\x9f\x98\x80", 4}, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {{"a\nb", 3},
         "a\xe2\x90\x8a"
         "b",
         "a\xe2\x90\x8a"
         "b"}, /* U+240A */
        {{"\0", 1}, "\xe2\x90\x80", "\xe2\x90\x80"},
        {{"\x1f\x7f", 2}, "\xe2\x90\x9f\xe2\x90\xa1", "\xe2\x90\x9f\xe2\x90\xa1"},
        {{"\xc2\x85", 2}, FFFD, FFFD},                         /* NEL, a control of C1 */
        {{"\xff\xc0\x80", 3}, FFFD FFFD FFFD, FFFD FFFD FFFD}, /* not UTF-8 (RFC 3629 3.) */
        {{"\xed\xa0\x80", 3}, FFFD FFFD FFFD, FFFD FFFD FFFD}, /* a surrogate */
        {{"\xe6\x9d", 2}, FFFD FFFD, FFFD FFFD},               /* cut */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char want[512];
        const struct sh_syslog_param p = {SH_STR("v"), rows[i].in};
        struct sh_syslog m = plain;
        m.params = &p;
        m.nparams = 1;
        m.text = rows[i].in;
        (void)snprintf(want, sizeof want, HEAD "[a@1 v=\"%s\"] " BOM "%s", rows[i].value,
                       rows[i].text);
        expect(&m, want);
    }
}

/* The longest that can be asked for stays a message that receivers take. */
static void test_everything_too_long_is_cut(void **state)
{
    (void)state;
    static char big[3000];
    struct sh_syslog_param p[SH_SYSLOG_PARAMS];
    struct sh_test_env t;
    struct sh_buf b;
    sh_test_env_init(&t, NULL);
    sh_buf_init(&b, &t.alloc, 65536);
    memset(big, '"', sizeof big);
    for (size_t i = 0; i < SH_COUNT(p); i++) {
        p[i] = (struct sh_syslog_param){SH_STR("abcdefghijabcdefghijabcdefghij12"),
                                        sh_str_of(big, sizeof big)};
    }
    struct sh_syslog m = plain;
    m.hostname = m.app = m.procid = m.msgid = m.text = sh_str_of(big, sizeof big);
    m.params = p;
    m.nparams = SH_SYSLOG_PARAMS;
    assert_int_equal(sh_syslog_put(&m, &b), SH_OK);
    assert_true(b.n > 6000 && b.n < SH_SYSLOG_MAX);
    struct sh_str rest;
    uint64_t len = 0;
    assert_int_equal(sh_u64_parse(sh_str_cut(sh_buf_str(&b), ' ', &rest), &len), SH_OK);
    assert_int_equal(len, rest.n);
    assert_memory_equal(rest.p + rest.n - 4, "\"...", 4);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

/* At the limit: all of it; one more: dots, and no half of a character or an escape. */
static void test_cut_rows(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t times;
        size_t tail; /* bytes of 'a' behind */
        size_t want; /* bytes of the value */
    } rows[] = {
        {"a", SH_SYSLOG_VALUE_MAX, 0, SH_SYSLOG_VALUE_MAX},
        {"a", SH_SYSLOG_VALUE_MAX, 1, SH_SYSLOG_VALUE_MAX},
        {"\xe6\x9d\xbe", 170, 2, 512},
        {"\xe6\x9d\xbe", 170, 3, 507 + 3},
        {"]", 256, 0, 512},
        {"]", 256, 1, 508 + 3},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_test_env t;
        struct sh_buf in;
        struct sh_buf b;
        sh_test_env_init(&t, NULL);
        sh_buf_init(&in, &t.alloc, 4096);
        sh_buf_init(&b, &t.alloc, 4096);
        for (size_t k = 0; k < rows[i].times; k++) {
            assert_int_equal(sh_buf_put_c(&in, rows[i].piece), SH_OK);
        }
        for (size_t k = 0; k < rows[i].tail; k++) {
            assert_int_equal(sh_buf_put_u8(&in, 'a'), SH_OK);
        }
        const struct sh_syslog_param p = {SH_STR("v"), sh_buf_str(&in)};
        struct sh_syslog m = plain;
        m.params = &p;
        m.nparams = 1;
        assert_int_equal(sh_syslog_put(&m, &b), SH_OK);
        const size_t around = strlen("123 " HEAD "[a@1 v=\"\"]");
        assert_int_equal(b.n, around + rows[i].want);
        assert_true(sh_utf8_valid(sh_buf_str(&b)));
        sh_buf_fini(&in);
        sh_buf_fini(&b);
        sh_test_env_fini(&t);
    }
}

static void test_what_cannot_be_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_buf b;
    struct sh_syslog_param p = {SH_STR("v"), SH_STR("x")};
    sh_test_env_init(&t, NULL);
    sh_buf_init(&b, &t.alloc, 60);
    assert_int_equal(sh_buf_put_c(&b, "before"), SH_OK);
    struct sh_syslog m = plain;
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_LIMIT); /* the buffer */
    m.facility = 24;
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    m = plain;
    m.sd_id = SH_STR("");
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    m.sd_id = SH_STR("a b");
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    m = plain;
    m.params = &p;
    m.nparams = 1;
    p.name = SH_STR("a=b");
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    const struct sh_syslog_param long_name = {SH_STR("abcdefghijabcdefghijabcdefghij123"),
                                              SH_STR("x")}; /* 33 */
    m.params = &long_name;
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    m.nparams = SH_SYSLOG_PARAMS + 1;
    assert_int_equal(sh_syslog_put(&m, &b), SH_E_INVAL);
    assert_true(sh_str_eqc(sh_buf_str(&b), "before"));
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_that_of_the_standard),
        cmocka_unit_test(test_values_and_text_rows),
        cmocka_unit_test(test_everything_too_long_is_cut),
        cmocka_unit_test(test_cut_rows),
        cmocka_unit_test(test_what_cannot_be_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
