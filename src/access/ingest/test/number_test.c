/* Numbers of the wire against the C library, which rounds correctly, and at the edges. */
#include <sh/test.h>

#include <stdio.h>
#include <stdlib.h>

#include "../ingest_int.h"

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void check(const char *text)
{
    struct ingest_number n;
    double v = 0;
    const size_t len = strlen(text);
    char *copy = malloc(len); /* exact size: ASan sees a read past the end */
    assert_non_null(copy);
    memcpy(copy, text, len); /* NOLINT: a length, not a terminator */
    if (!ingest_number_scan(copy, copy + len, false, &n) || n.to != copy + len ||
        !ingest_number_f64(&n, &v)) {
        fail_msg("%s was not read", text);
    }
    if (sh_f64_bits(v) != sh_f64_bits(strtod(text, NULL))) {
        fail_msg("%s came out as %.17g", text, v);
    }
    free(copy);
}

static void test_number_random_decimals_are_correctly_rounded(void **state)
{
    (void)state;
    uint64_t s = 88172645463325252u;
    char text[64];
    for (int i = 0; i < 60000; i++) {
        const uint64_t r = next(&s);
        const int digits = (int)(r % 20);
        (void)snprintf(text, sizeof text, "%s%llu.%0*llu", (r >> 40 & 1) != 0 ? "-" : "",
                       (unsigned long long)(next(&s) >> (next(&s) % 64)), digits + 1,
                       (unsigned long long)(next(&s) >> (next(&s) % 64)));
        check(text);
        (void)snprintf(text, sizeof text, "%.17g",
                       sh_f64_from_bits(next(&s) & 0x7fefffffffffffffu));
        check(text);
        (void)snprintf(text, sizeof text, "%llue%d", (unsigned long long)next(&s),
                       (int)(next(&s) % 600) - 330);
        if (strtod(text, NULL) < 1e308) {
            check(text);
        }
    }
}

static void test_number_edges(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "0",
        "-0",
        "0.0",
        "1",
        "9",
        "12345678",
        "123456789",
        "1234567.8",
        "12345678.12345678",
        "0.00000001",
        "0.000000001",
        "0.1234567890123456789",
        "1234567890123456789",
        "12345678901234567890",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.0",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "4.9e-324",
        "2.4703282292062327e-324",
        "1.7976931348623157e308",
        "179769313486231570000000000000000000000000000000000000000000000000",
        "0e999999999",
        "0000000000000000000000001.5",
        "00000000.00000001",
        "100000000000000000000000000000000",
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        check(rows[i]);
    }
}

static void test_number_integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
        bool fits;
    } rows[] = {
        {"9223372036854775807", INT64_MAX, true},
        {"-9223372036854775808", INT64_MIN, true},
        {"9223372036854775808", 0, false},
        {"-9223372036854775809", 0, false},
        {"18446744073709551616", 0, false},
        {"1e3", 1000, true},
        {"12.50e1", 125, true},
        {"1e19", 0, false},
        {"1.5", 0, false},
        {"0e50", 0, true},
        {"-0", 0, true},
        {"922337203685477580.7e1", INT64_MAX, true},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct ingest_number n;
        int64_t v = 0;
        const size_t len = strlen(rows[i].text);
        assert_true(ingest_number_scan(rows[i].text, rows[i].text + len, true, &n));
        assert_int_equal(ingest_number_i64(&n, &v), rows[i].fits);
        assert_true(!rows[i].fits || v == rows[i].v);
    }
    uint64_t s = 1;
    for (int i = 0; i < 100000; i++) {
        char text[32];
        int64_t v = 0;
        const int64_t want = (int64_t)(next(&s)) >> (next(&s) % 64);
        const int len = snprintf(text, sizeof text, "%lldx", (long long)want);
        assert_int_equal(ingest_i64_scan(text, text + len, &v), (size_t)len - 1);
        assert_true(v == want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_random_decimals_are_correctly_rounded),
        cmocka_unit_test(test_number_edges),
        cmocka_unit_test(test_number_integers_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
