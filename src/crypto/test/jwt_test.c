/* Tokens by the examples of RFC 7515 (appendix A), RFC 7520 (4.1) and RFC 8037 (appendix A.4), and
 * what RFC 8725 warns of. */
#include <sh/test.h>

#include <sh/jwt.h>

#define PAYLOAD                                                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"     \
    "cnVlfQ"
static const char rs256[] = /* RFC 7515 A.2 */
    "eyJhbGciOiJSUzI1NiJ9." PAYLOAD "."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
    "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
    "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
    "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char es256[] = /* RFC 7515 A.3 */
    "eyJhbGciOiJFUzI1NiJ9." PAYLOAD "."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char eddsa[] = /* RFC 8037 A.4 */
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
static const char cookbook[] = /* RFC 7520 4.1 */
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9."
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAg"
    "b250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dp"
    "bmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
    "."
    "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83"
    "xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJ"
    "Dt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12"
    "podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
static const char hs256[] = /* RFC 7515 A.1 */
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD "."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char none[] = "eyJhbGciOiJub25lIn0." PAYLOAD "."; /* RFC 7515 A.5 */

#define N1                                                                                         \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"     \
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX"     \
    "ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"     \
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define N2                                                                                         \
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_"     \
    "AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpP"     \
    "e7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg"     \
    "_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"
#define EC                                                                                         \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","      \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define OKP                                                                                        \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define RSA "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""
#define SET(keys) "{\"keys\":[" keys "]}"

static const char all[] = SET("{" RSA N1 "\"},{" EC "},{" OKP "},{" RSA N2
                              "\",\"kid\":\"bilbo.baggins@hobbiton.example\"}");

/* Made by "openssl dgst -sha256 -sigopt rsa_padding_mode:pss" over {"alg":"PS256"} and
 * {"iss":"joe"}: with a salt of 32 bytes, of 20, and by PKCS #1 v1.5. */
static const char ps256[] =
    "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UifQ.ignL1FOKpSWs7Bp7csfcrx533xb7XISF8fL1sgrJREZj29Ng"
    "c8NNg-cCWO5El1SctzaCywmjK89TkTm-RsRa0gW5ajo98eqNr9DG1pS6fiiefRSykbqEkaEkcDwr8kz73u5SBsy5"
    "aynZBgcnXNeRrXvRkfvhrJXmtnr1OrZk-P7XERjrfZDqTHiBoGPa3XLzhEaHXgWHFAZYHGi12-UdQ3eReLVJs4ae"
    "d8ojM1Ssc8myb_yBJK2nwuWCW72PzOJkH4sTIxN2qN7QqyZnFfFKxMk95x_JT0migx93KsZ4cYhy3CsiX9fDPvVM"
    "BOhEVhI3ysRBSzSuUphPArjQyELAZA";
static const char ps256_salt[] =
    "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UifQ.ddGuomQqh_Mc3B3AEA-HaByBd-gG9xH4NNOd2cS1J2aDxSw5"
    "4OlaUEcCQeTutYvReHu-ozmrA71WjO5vxgoRJi3fPfKYYQApSikOUGKLuybQaEXjqirSpFKJEALT2ztyRGcQr4OR"
    "B1PJUtTIQxZ07b35z1wiWZPScsl7allupY7L6LapjuUUaH-fvUxX0v3mcv3RxOhiLDGo8wh-KphDtrDFTFPXDDN0"
    "MDFdIjk28537Rqc4ezWyfOPr9TpzoHLlmo5nC34JFKHL0p8L1aiqcU-3rldJTO6nC_4xHIMDKhII0fp09_sbJLDd"
    "Vn69wJw5aiX5Kn9GjkHarEJZ0NQ-Zg";
static const char ps256_old[] =
    "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UifQ.gwlGiIh9gVgeoG3-N4_c9zumrhbf0rgF6AttsiZWtXtQ6VhP"
    "nAoxGSVmH47Z5gVa0LIVEPSYdYqF-xajRrPWV9tD6UIc_eMjIYxodwX3ACaC7U2m9NmXujplFpkrBmaW6esirrxp"
    "m8cu6C4Of8qM9aTMIgbttPQb6I3lG6RSL_nvoSSssu39oSEeeOkNRXmW9vM3YkkC7nB0vfTfUwCBZCHOqgV5sxc9"
    "r4_Fd3ntfozCTjhzmrg8k7RonJnsSdAIEvFcxLZp7zXMMmj0JeyQGhapgAN_DHGyBYaKoGNmGDEtct4bFXkTNcGt"
    "eYcT77AfDuNCwM9KGVUBhQvfXlFqwQ";
#define N3                                                                                         \
    "y7v2Up6B24D3JvExPlSxkU2px9ghIV_NWdU4ZUBp1B2hWNxQZNE-qinOeeuLUHYp5GqK2pcFT2eel8qiQ56kqwLF"     \
    "1w0li9ncqPy-snIk3IvaBkEjUFKQk-WsoRdHmkEJpiqEvqi2mUSwhCErDVwTklXuf7GP3PlBdC81hlVqQONvohdB"     \
    "w_syTsB82GU9bdnqiqJ7UoK7_8myb6CI2xo_cDq4alcDWy9WA9x6tpRzJvEl0cTq9oZ-GhG0Vgdk7AS8KTFk2W-7"     \
    "7eCVO0vBKbHNhqarxbbQlp1DH96oKJFGVlLoMECdSV5acu90xSlvegFkll1LCWPPHiIvbGYHpZErUQ"

static json_t *set_of(const char *text)
{
    json_t *o = NULL;
    assert_ok(sh_json_parse(sh_str_c(text), SH_JWKS_MAX, &o, NULL));
    return o;
}

static sh_err verify(const char *token, const char *keys)
{
    struct sh_jws j;
    json_t *o = set_of(keys);
    sh_err err = sh_jws_parse(sh_alloc_heap(), sh_str_c(token), &j);
    if (err == SH_OK) {
        err = sh_jws_verify(&j, o);
        sh_jws_fini(&j);
    }
    json_decref(o);
    return err;
}

static void test_verify_examples_of_the_standards(void **state)
{
    SH_UNUSED(state);
    static const char *const good[] = {rs256, es256, eddsa, cookbook};
    for (size_t i = 0; i < SH_COUNT(good); i++) {
        assert_ok(verify(good[i], all));
    }
    struct sh_jws j;
    assert_ok(sh_jws_parse(sh_alloc_heap(), sh_str_c(eddsa), &j));
    assert_true(sh_str_eqc(sh_buf_str(&j.payload), "Example of Ed25519 signing"));
    sh_jws_fini(&j);
    json_t *o = set_of(all);
    assert_int_equal(sh_jwks_count(sh_alloc_heap(), o), 4);
    json_decref(o);
}

static void test_verify_ps256_is_pss_with_a_salt_of_32(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *token;
        const char *keys;
        sh_err expect;
    } rows[] = {
        {ps256, SET("{" RSA N3 "\"}"), SH_OK},
        {ps256, SET("{" RSA N3 "\",\"alg\":\"PS256\"}"), SH_OK},
        {ps256, SET("{" RSA N3 "\",\"alg\":\"RS256\"}"), SH_E_NOTFOUND}, /* RFC 8725, 3.1 */
        {rs256, SET("{" RSA N1 "\",\"alg\":\"PS256\"}"), SH_E_NOTFOUND},
        {ps256, SET("{" RSA N2 "\"}"), SH_E_DENIED},
        {ps256_salt, SET("{" RSA N3 "\"}"), SH_E_DENIED}, /* RFC 7518, 3.5 */
        {ps256_old, SET("{" RSA N3 "\"}"), SH_E_DENIED},
        {ps256, SET("{" EC "}"), SH_E_NOTFOUND},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(verify(rows[i].token, rows[i].keys), rows[i].expect);
    }
    json_t *o = set_of(SET("{" RSA N3 "\",\"alg\":\"PS256\"}"));
    assert_int_equal(sh_jwks_count(sh_alloc_heap(), o), 1);
    json_decref(o);
}

static void test_verify_none_and_shared_secrets_are_unsupported(void **state)
{
    SH_UNUSED(state);
    /* RFC 8725, 3.1 and 3.2: not even with a key that says so */
    const char secret[] = SET("{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
                              "EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}");
    assert_int_equal(verify(none, all), SH_E_UNSUPPORTED);
    assert_int_equal(verify(hs256, all), SH_E_UNSUPPORTED);
    assert_int_equal(verify(hs256, secret), SH_E_UNSUPPORTED);
    /* {"alg":"RS256","crit":["exp"]} */
    assert_int_equal(verify("eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.AAAA", all),
                     SH_E_UNSUPPORTED);
}

static void test_verify_wrong_key_or_changed_text_is_refused(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *token;
        const char *keys;
        sh_err expect;
    } rows[] = {
        {rs256, SET("{" RSA N2 "\"}"), SH_E_DENIED},
        {rs256, SET(""), SH_E_NOTFOUND},
        {rs256, SET("{" EC "}"), SH_E_NOTFOUND},
        {rs256, "{}", SH_E_NOTFOUND},
        {rs256, SET("{" RSA N1 "\",\"use\":\"enc\"}"), SH_E_NOTFOUND},
        {rs256, SET("{" RSA N1 "\",\"use\":\"sig\"}"), SH_OK},
        {rs256, SET("{" RSA N1 "\",\"key_ops\":[\"sign\"]}"), SH_E_NOTFOUND},
        {rs256, SET("{" RSA N1 "\",\"key_ops\":[\"verify\"]}"), SH_OK},
        {rs256, SET("{" RSA N1 "\",\"alg\":\"PS256\"}"), SH_E_NOTFOUND},
        {rs256, SET("{" RSA "AQAB\"}"), SH_E_NOTFOUND}, /* much too short */
        {cookbook, SET("{" RSA N2 "\",\"kid\":\"another\"}"), SH_E_NOTFOUND},
        {cookbook, SET("{" RSA N2 "\"}"), SH_E_NOTFOUND}, /* a kid is asked for */
        {es256, SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}"),
         SH_E_NOTFOUND},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(verify(rows[i].token, rows[i].keys), rows[i].expect);
    }
    for (size_t at = 22; at < sizeof eddsa - 1; at++) {
        char changed[sizeof eddsa];
        memcpy(changed, eddsa, sizeof eddsa);
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        const sh_err err = verify(changed, all);
        assert_true(err == SH_E_DENIED || err == SH_E_PROTO);
    }
}

static void test_parse_malformed_is_refused(void **state)
{
    SH_UNUSED(state);
    static const char *const rows[] = {
        "",
        ".",
        "..",
        "e30",
        "e30.e30",
        "e30.e30.e30.e30",
        "W10.e30.AAAA", /* [] */
        "e30=.e30.AAAA",
        "e30.e3!.AAAA",
        "eyJhIjoxLCJhIjoyfQ.e30.AAAA", /* {"a":1,"a":2} */
    };
    struct sh_jws j;
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_jws_parse(sh_alloc_heap(), sh_str_c(rows[i]), &j), SH_E_PROTO);
    }
    static char big[SH_JWS_MAX + 2];
    memset(big, 'A', sizeof big - 1);
    assert_int_equal(sh_jws_parse(sh_alloc_heap(), sh_str_c(big), &j), SH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_examples_of_the_standards),
        cmocka_unit_test(test_verify_ps256_is_pss_with_a_salt_of_32),
        cmocka_unit_test(test_verify_none_and_shared_secrets_are_unsupported),
        cmocka_unit_test(test_verify_wrong_key_or_changed_text_is_refused),
        cmocka_unit_test(test_parse_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
