#include <sh/test.h>

#include <sh/crypto.h>

static const struct sh_argon2 small = {.time = 1, .mem_kib = 64, .lanes = 1};

/* Vectors of the reference implementation (phc-winner-argon2, src/test.c, version 0x13). */
static void test_verify_known_answers(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *phc;
        const char *password;
    } rows[] = {
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
         "password"},
        {"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
         "password"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_str phc = sh_str_c(rows[i].phc);
        assert_ok(sh_password_verify(phc, sh_str_c(rows[i].password)));
        assert_int_equal(sh_password_verify(phc, SH_STR("Password")), SH_E_DENIED);
        assert_int_equal(sh_password_verify(phc, SH_STR("")), SH_E_DENIED);
    }
}

static void test_hash_verifies_and_states_its_parameters(void **state)
{
    SH_UNUSED(state);
    static const struct sh_argon2 rows[] = {{1, 64, 1}, {2, 128, 2}, {1, 8, 1}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char a[SH_PHC_CHARS];
        char b[SH_PHC_CHARS];
        const struct sh_str word = SH_STR("松花江 river");
        assert_ok(sh_password_hash(sh_random_system(), &rows[i], word, a));
        assert_ok(sh_password_hash(sh_random_system(), &rows[i], word, b));
        assert_string_not_equal(a, b); /* a new salt each time */
        struct sh_argon2 got;
        assert_ok(sh_password_params(sh_str_c(a), &got));
        assert_int_equal(got.time, rows[i].time);
        assert_int_equal(got.mem_kib, rows[i].mem_kib);
        assert_int_equal(got.lanes, rows[i].lanes);
        assert_ok(sh_password_verify(sh_str_c(a), word));
        assert_int_equal(sh_password_verify(sh_str_c(a), SH_STR("other")), SH_E_DENIED);
    }
}

/* The real parameters work once (RFC 9106 4: t=3, m=64 MiB). */
static void test_default_parameters_work(void **state)
{
    SH_UNUSED(state);
    const struct sh_argon2 p = sh_argon2_default();
    char phc[SH_PHC_CHARS];
    assert_ok(sh_password_hash(sh_random_system(), &p, SH_STR("x"), phc));
    assert_true(sh_str_starts(sh_str_c(phc), SH_STR("$argon2id$v=19$m=65536,t=3,p=1$")));
    assert_ok(sh_password_verify(sh_str_c(phc), SH_STR("x")));
}

static void test_hash_refuses_what_is_out_of_bounds(void **state)
{
    SH_UNUSED(state);
    char phc[SH_PHC_CHARS];
    static const struct sh_argon2 bad[] = {
        {0, 64, 1}, {11, 64, 1}, {1, 7, 1}, {1, 1048577, 1}, {1, 64, 0}, {1, 64, 17}, {1, 8, 2},
    };
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_password_hash(sh_random_system(), &bad[i], SH_STR("x"), phc),
                         SH_E_INVAL);
    }
    static const char longest[SH_PASSWORD_MAX + 1] = {'a'};
    assert_int_equal(sh_password_hash(sh_random_system(), &small, SH_STR(""), phc), SH_E_INVAL);
    assert_int_equal(
        sh_password_hash(sh_random_system(), &small, sh_str_of(longest, SH_PASSWORD_MAX + 1), phc),
        SH_E_INVAL);
    assert_ok(
        sh_password_hash(sh_random_system(), &small, sh_str_of(longest, SH_PASSWORD_MAX), phc));
}

#define SALT16 "c29tZXNhbHRzb21lc2FsdA"
#define HASH32 "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

static void test_verify_refuses_what_is_not_a_phc_string(void **state)
{
    SH_UNUSED(state);
    static const char *const rows[] = {
        "",
        "x",
        "$argon2i$v=19$m=256,t=2,p=1$" SALT16 "$" HASH32,
        "$argon2id$v=16$m=256,t=2,p=1$" SALT16 "$" HASH32,
        "$argon2id$v=19$m=4194304,t=2,p=1$" SALT16 "$" HASH32,     /* asks for 4 GiB */
        "$argon2id$v=19$m=99999999999,t=2,p=1$" SALT16 "$" HASH32, /* overflows */
        "$argon2id$v=19$m=0256,t=2,p=1$" SALT16 "$" HASH32,        /* not canonical */
        "$argon2id$v=19$m=256,t=200,p=1$" SALT16 "$" HASH32,
        "$argon2id$v=19$m=256,t=2,p=1$" SALT16,
        "$argon2id$v=19$m=256,t=2,p=1$" SALT16 "$" HASH32 "A",
        "$argon2id$v=19$m=256,t=2,p=1$c2$" HASH32, /* salt too short */
        "$argon2id$v=19$m=256,t=2,p=1$" SALT16 "$*" HASH32,
        "$argon2id$v=19$m=256,t=2,p=1$" SALT16 "$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/5",
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_password_verify(sh_str_c(rows[i]), SH_STR("password")), SH_E_PROTO);
    }
}

static void test_key_known_answer_and_bounds(void **state)
{
    SH_UNUSED(state);
    /* phc-winner-argon2, src/test.c: argon2id, v=19, t=2, m=256, p=1 */
    const struct sh_argon2 p = {.time = 2, .mem_kib = 256, .lanes = 1};
    uint8_t key[SH_KEY_BYTES];
    char hex[SH_HASH_HEX];
    const struct sh_bytes salt = sh_str_bytes(SH_STR("somesalt"));
    assert_ok(sh_password_key(&p, salt, SH_STR("password"), key));
    sh_hash_hex(key, hex);
    assert_string_equal(hex, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    const struct sh_argon2 none = {.time = 0, .mem_kib = 256, .lanes = 1};
    assert_int_equal(sh_password_key(&none, salt, SH_STR("password"), key), SH_E_INVAL);
    assert_int_equal(sh_password_key(&p, sh_bytes_of("short", 5), SH_STR("x"), key), SH_E_INVAL);
    assert_int_equal(sh_password_key(&p, salt, SH_STR(""), key), SH_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_known_answer_and_bounds),
        cmocka_unit_test(test_verify_known_answers),
        cmocka_unit_test(test_hash_verifies_and_states_its_parameters),
        cmocka_unit_test(test_default_parameters_work),
        cmocka_unit_test(test_hash_refuses_what_is_out_of_bounds),
        cmocka_unit_test(test_verify_refuses_what_is_not_a_phc_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
