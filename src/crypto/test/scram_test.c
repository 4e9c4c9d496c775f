/* SCRAM-SHA-256: the exchange of RFC 7677, 3, and what is refused. */
#include <sh/test.h>

#include <string.h>

#include <sh/scram.h>

static const char first_in[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char our_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char first_out[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char final_in[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                               "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
/* Another header than at first [RFC 5802, 6]. */
static const char other_header[] = "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char final_out[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

struct rig {
    struct sh_env env;
    struct sh_crypto *c;
    struct sh_scram_verifier v;
    struct sh_scram s;
    struct sh_buf out;
};

static void rig_init(struct rig *r)
{
    struct sh_buf salt;
    r->env = sh_env_system();
    sh_buf_init(&salt, sh_alloc_heap(), 100);
    assert_ok(sh_crypto_new(&r->env, &r->c));
    assert_ok(sh_base64_parse(SH_STR("W22ZaJ0SNY7soEsUEjb6gQ=="), false, &salt));
    assert_int_equal(salt.n, SH_SCRAM_SALT);
    assert_ok(sh_scram_verifier_make(r->c, SH_STR("pencil"), salt.p, 4096, &r->v));
    sh_buf_fini(&salt);
    sh_buf_init(&r->out, sh_alloc_heap(), 4096);
    sh_scram_init(&r->s, r->c, sh_alloc_heap(), &r->v);
}

static void again(struct rig *r)
{
    sh_scram_fini(&r->s);
    sh_scram_init(&r->s, r->c, sh_alloc_heap(), &r->v);
    sh_buf_clear(&r->out);
}

static void rig_fini(struct rig *r)
{
    sh_scram_fini(&r->s);
    sh_buf_fini(&r->out);
    sh_crypto_free(r->c);
}

static void test_the_exchange_of_the_rfc(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_ok(sh_scram_first(&r.s, sh_str_c(first_in), sh_str_c(our_nonce), &r.out));
    assert_true(sh_str_eqc(sh_buf_str(&r.out), first_out));
    sh_buf_clear(&r.out);
    assert_ok(sh_scram_final(&r.s, sh_str_c(final_in), &r.out));
    assert_true(sh_str_eqc(sh_buf_str(&r.out), final_out));
    rig_fini(&r);
}

static void test_another_secret_is_denied(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_ok(sh_scram_verifier_make(r.c, SH_STR("pencils"), r.v.salt, 4096, &r.v));
    again(&r);
    assert_ok(sh_scram_first(&r.s, sh_str_c(first_in), sh_str_c(our_nonce), &r.out));
    assert_int_equal(sh_scram_final(&r.s, sh_str_c(final_in), &r.out), SH_E_DENIED);
    rig_fini(&r);
}

static void test_malformed_messages_are_refused(void **state)
{
    (void)state;
    static const char *const firsts[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,r=abc",
        "n,,n=user,r=",
        "n,,m=x,n=user,r=abc",              /* a mandatory extension: unknown */
        "p=tls-server-end-point,,n=,r=abc", /* not offered */
        "x,,n=user,r=abc",
        "n,,n=user,r=a b",
    };
    static const char *const finals[] = {
        "",
        "c=biws",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO",
        other_header,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9",
        "c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    };
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < SH_COUNT(firsts); i++) {
        again(&r);
        assert_int_equal(sh_scram_first(&r.s, sh_str_c(firsts[i]), sh_str_c(our_nonce), &r.out),
                         SH_E_PROTO);
    }
    for (size_t i = 0; i < SH_COUNT(finals); i++) {
        again(&r);
        assert_int_equal(sh_scram_final(&r.s, sh_str_c(finals[i]), &r.out), SH_E_PROTO);
        again(&r);
        assert_ok(sh_scram_first(&r.s, sh_str_c(first_in), sh_str_c(our_nonce), &r.out));
        assert_int_equal(sh_scram_final(&r.s, sh_str_c(finals[i]), &r.out), SH_E_PROTO);
    }
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_exchange_of_the_rfc),
        cmocka_unit_test(test_another_secret_is_denied),
        cmocka_unit_test(test_malformed_messages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
