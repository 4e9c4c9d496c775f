#include <sh/test.h>

static void push(void *ctx)
{
    struct sh_buf *b = ctx;
    assert_ok(sh_buf_put_u8(b, (uint8_t)('0' + b->n)));
}

static void test_arena_limits_and_defers(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf log;
    sh_buf_init(&log, t.env.alloc, 16);
    struct sh_arena *ar = sh_arena_new(t.env.alloc, 4096);
    assert_non_null(ar);
    for (int i = 0; i < 100; i++) {
        uint8_t *p = sh_arena_get(ar, 7);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (int k = 0; k < 7; k++) {
            assert_int_equal(p[k], 0);
            p[k] = 0xff;
        }
    }
    assert_null(sh_arena_get(ar, 4096)); /* beyond the limit */
    assert_null(sh_arena_get(ar, SIZE_MAX));
    assert_null(sh_arena_array(ar, SIZE_MAX / 2, 3));
    assert_str(sh_arena_printf(ar, "%d-%s", 7, "x"), "7-x");
    assert_ok(sh_arena_defer(ar, push, &log));
    assert_ok(sh_arena_defer(ar, push, &log));
    sh_arena_reset(ar);
    assert_int_equal(log.n, 2);
    assert_true(sh_arena_used(ar) < 4096);
    assert_non_null(sh_arena_get(ar, 2048));
    sh_arena_free(ar);
    sh_buf_fini(&log);
    sh_test_env_fini(&t);
}

static void test_buf_at_limit_is_unchanged(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, t.env.alloc, 10);
    assert_ok(sh_buf_put_c(&b, "12345"));
    assert_int_equal(sh_buf_put_c(&b, "678901"), SH_E_LIMIT);
    assert_str(sh_buf_str(&b), "12345");
    assert_ok(sh_buf_put_c(&b, "67890"));
    assert_int_equal(sh_buf_put_u8(&b, 1), SH_E_LIMIT);
    sh_buf_drop(&b, 8);
    assert_str(sh_buf_str(&b), "90");
    sh_buf_drop(&b, 2);
    sh_buf_shrink(&b, 0);
    assert_null(b.p);
    assert_int_equal(t.blocks, 0);
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static void test_reader_stops_at_the_end(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_buf b;
    sh_buf_init(&b, t.env.alloc, 100);
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < SH_COUNT(values); i++) {
        assert_ok(sh_buf_put_varint(&b, values[i]));
    }
    assert_ok(sh_buf_put_be16(&b, 0x1234));
    assert_ok(sh_buf_put_le32(&b, 0x89abcdef));
    struct sh_rd r = sh_rd_of(sh_buf_bytes(&b));
    for (size_t i = 0; i < SH_COUNT(values); i++) {
        uint64_t v = 7;
        assert_ok(sh_rd_varint(&r, &v));
        assert_true(v == values[i]);
    }
    uint16_t h = 0;
    uint32_t w = 0;
    assert_ok(sh_rd_be16(&r, &h));
    assert_int_equal(h, 0x1234);
    assert_ok(sh_rd_le32(&r, &w));
    assert_true(w == 0x89abcdef);
    uint8_t u = 0;
    assert_int_equal(sh_rd_u8(&r, &u), SH_E_PROTO);
    static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    r = sh_rd_of((struct sh_bytes){NULL, 0}); /* nothing at all is a reader at its end */
    assert_int_equal(sh_rd_left(&r), 0);
    r = sh_rd_of(sh_bytes_of(over, sizeof over));
    uint64_t v = 0;
    assert_int_equal(sh_rd_varint(&r, &v), SH_E_PROTO); /* 65 bits */
    sh_buf_fini(&b);
    sh_test_env_fini(&t);
}

static sh_err map_body(struct sh_test_env *t)
{
    struct sh_map m;
    sh_map_init(&m, t->env.alloc, 1000, 1);
    sh_err err = SH_OK;
    for (int i = 0; i < 40 && err == SH_OK; i++) {
        char key[8];
        const int n = snprintf(key, sizeof key, "k%d", i);
        err = sh_map_put(&m, sh_str_of(key, (size_t)n), t);
    }
    sh_map_fini(&m);
    return err;
}

static void test_map_survives_failing_allocations(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(map_body);
}

static void test_map_against_a_plain_array(void **state)
{
    SH_UNUSED(state);
    enum { KEYS = 500 };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    struct sh_map m;
    sh_map_init(&m, t.env.alloc, KEYS, 99);
    static int values[KEYS];
    bool in[KEYS] = {false};
    uint64_t s = 7;
    for (int round = 0; round < 20000; round++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        const size_t k = (size_t)(s >> 40) % KEYS;
        char key[16];
        const int n = snprintf(key, sizeof key, "key/%zu", k);
        const struct sh_str name = sh_str_of(key, (size_t)n);
        if ((s >> 33 & 1) != 0) {
            assert_int_equal(sh_map_put(&m, name, &values[k]), in[k] ? SH_E_EXISTS : SH_OK);
            in[k] = true;
        } else {
            assert_ptr_equal(sh_map_del(&m, name), in[k] ? &values[k] : NULL);
            in[k] = false;
        }
    }
    size_t live = 0;
    for (size_t k = 0; k < KEYS; k++) {
        char key[16];
        const int n = snprintf(key, sizeof key, "key/%zu", k);
        assert_ptr_equal(sh_map_get(&m, sh_str_of(key, (size_t)n)), in[k] ? &values[k] : NULL);
        live += in[k] ? 1 : 0;
    }
    size_t it = 0;
    size_t seen = 0;
    void *v = NULL;
    while (sh_map_next(&m, &it, NULL, &v)) {
        assert_true(in[(int *)v - values]);
        seen++;
    }
    assert_int_equal(seen, live);
    assert_int_equal(m.n, live);
    sh_map_fini(&m);
    sh_test_env_fini(&t);
}

static void test_crc32c_check_values(void **state)
{
    SH_UNUSED(state);
    /* RFC 3720, appendix B.4, and the common "123456789" check value. */
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t up[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
    }
    assert_true(sh_crc32c(0, zeros, 32) == 0x8a9136aa);
    assert_true(sh_crc32c(0, ones, 32) == 0x62a8ab43);
    assert_true(sh_crc32c(0, up, 32) == 0x46dd794e);
    assert_true(sh_crc32c(0, "123456789", 9) == 0xe3069283);
    /* whole or in pieces, long (by lanes) or short, at any address: the same */
    static uint8_t big[20000];
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (uint8_t)(i * i >> 3 ^ i);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t n = 2900; n < sizeof big - from; n += 977) {
            uint32_t crc = 0;
            for (size_t at = 0; at < n; at += 100) {
                crc = sh_crc32c(crc, big + from + at, n - at < 100 ? n - at : 100);
            }
            assert_true(sh_crc32c(0, big + from, n) == crc);
            assert_true(sh_crc32c(7, big + from, n) ==
                        sh_crc32c(sh_crc32c(7, big + from, 5), big + from + 5, n - 5));
        }
    }
    assert_true(sh_crc32c(sh_crc32c(0, "1234", 4), "56789", 5) == 0xe3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_limits_and_defers),
        cmocka_unit_test(test_buf_at_limit_is_unchanged),
        cmocka_unit_test(test_reader_stops_at_the_end),
        cmocka_unit_test(test_map_survives_failing_allocations),
        cmocka_unit_test(test_map_against_a_plain_array),
        cmocka_unit_test(test_crc32c_check_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
