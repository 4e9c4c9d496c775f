/* One-time codes: the answers of RFC 4226, appendix D, and of RFC 6238, appendix B. */
#include <sh/test.h>

#include <sh/totp.h>

static const uint8_t secret[SH_TOTP_SECRET + 1] = "12345678901234567890";

static struct sh_crypto *crypto(struct sh_env *env)
{
    struct sh_crypto *c = NULL;
    *env = sh_env_system();
    assert_ok(sh_crypto_new(env, &c));
    return c;
}

static void test_codes_are_those_of_the_rfcs(void **state)
{
    static const uint32_t by_counter[] = {755224, 287082, 359152, 969429, 338314,
                                          254676, 287922, 162583, 399871, 520489};
    static const struct {
        int64_t s;
        uint32_t code; /* the last six of the eight digits */
    } by_time[] = {{59, 287082},       {1111111109, 81804},  {1111111111, 50471},
                   {1234567890, 5924}, {2000000000, 279037}, {20000000000, 353130}};
    struct sh_env env;
    struct sh_crypto *c = crypto(&env);
    uint32_t code = 0;
    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        assert_ok(sh_totp_code(c, secret, i, &code));
        assert_int_equal(code, by_counter[i]);
    }
    for (size_t i = 0; i < sizeof by_time / sizeof by_time[0]; i++) {
        assert_ok(sh_totp_code(c, secret, sh_totp_step(by_time[i].s * 1000000), &code));
        assert_int_equal(code, by_time[i].code);
    }
    assert_int_equal(sh_totp_step(-1), 0);
    sh_crypto_free(c);
}

static void test_a_code_is_good_once_and_for_three_steps(void **state)
{
    struct sh_env env;
    struct sh_crypto *c = crypto(&env);
    uint64_t used = 0;
    (void)state;
    for (uint64_t now = 0; now < 6; now++) { /* 338314 is the code of step 4 */
        const bool good = now >= 3 && now <= 5;
        assert_int_equal(sh_totp_check(c, secret, SH_STR("338314"), now, 0, &used),
                         good ? SH_OK : SH_E_DENIED);
        assert_int_equal(sh_totp_check(c, secret, SH_STR("338314"), now, 4, &used), SH_E_DENIED);
    }
    assert_int_equal(used, 4);
    used = 0;
    assert_ok(sh_totp_check(c, secret, SH_STR("338 314"), 4, 3, &used));
    assert_int_equal(used, 4);
    static const char *const bad[] = {"", "33831", "3383144", "33831a", "-38314", "１３３８３１４"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sh_totp_check(c, secret, sh_str_c(bad[i]), 4, 0, &used), SH_E_DENIED);
    }
    sh_crypto_free(c);
}

static void test_the_secret_as_people_type_it(void **state)
{
    char text[SH_TOTP_BASE32];
    (void)state;
    sh_totp_base32(secret, text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_those_of_the_rfcs),
        cmocka_unit_test(test_a_code_is_good_once_and_for_three_steps),
        cmocka_unit_test(test_the_secret_as_people_type_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
