#include <sh/test.h>

#include <sh/crypto.h>

struct fixture {
    struct sh_test_env t;
    struct sh_crypto *c;
};

static int setup(void **state)
{
    static struct fixture f;
    sh_test_env_init(&f.t, NULL);
    assert_ok(sh_crypto_new(&f.t.env, &f.c));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sh_crypto_free(f->c);
    sh_test_env_fini(&f->t);
    return 0;
}

static void assert_hex(const uint8_t hash[SH_HASH_BYTES], const char *hex)
{
    char text[SH_HASH_HEX];
    sh_hash_hex(hash, text);
    assert_string_equal(text, hex);
}

static void test_hash_known_answers(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        enum sh_digest d;
        const char *text;
        const char *hex;
    } rows[] = {
        /* FIPS 180-4 examples (csrc.nist.gov) */
        {SH_DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {SH_DIGEST_SHA256, "abc",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {SH_DIGEST_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        /* GB/T 32905-2016 appendix A.1, A.2 */
        {SH_DIGEST_SM3, "abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"},
        {SH_DIGEST_SM3, "abcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd",
         "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const size_t n = strlen(rows[i].text);
        for (size_t cut = 0; cut <= n; cut++) { /* parts are one message */
            const struct sh_bytes parts[] = {sh_bytes_of(rows[i].text, cut),
                                             sh_bytes_of(rows[i].text + cut, n - cut)};
            uint8_t out[SH_HASH_BYTES];
            assert_ok(sh_crypto_hash(f->c, rows[i].d, parts, 2, out));
            assert_hex(out, rows[i].hex);
        }
    }
}

static void test_hmac_known_answers(void **state)
{
    const struct fixture *f = *state;
    uint8_t key1[20];
    uint8_t key6[131];
    memset(key1, 0x0b, sizeof key1);
    memset(key6, 0xaa, sizeof key6);
    const struct {
        struct sh_bytes key;
        const char *text;
        const char *hex;
    } rows[] = {
        /* RFC 4231 4.2, 4.3, 4.7 */
        {sh_bytes_of(key1, sizeof key1), "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {sh_bytes_of("Jefe", 4), "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {sh_bytes_of(key6, sizeof key6), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        const struct sh_bytes part = sh_bytes_of(rows[i].text, strlen(rows[i].text));
        uint8_t out[SH_HASH_BYTES];
        assert_ok(sh_crypto_hmac(f->c, SH_DIGEST_SHA256, rows[i].key, &part, 1, out));
        assert_hex(out, rows[i].hex);
    }
    uint8_t out[SH_HASH_BYTES];
    assert_int_equal(sh_crypto_hmac(f->c, SH_DIGEST_SHA256, sh_bytes_of("", 0), NULL, 0, out),
                     SH_E_INVAL);
}

/* HMAC-SM3 against RFC 2104's definition over the SM3 that the table above proves. */
static void test_hmac_sm3_follows_the_definition(void **state)
{
    const struct fixture *f = *state;
    const struct sh_bytes key = sh_bytes_of("0123456789abcdef0123", 20);
    const struct sh_bytes text = sh_bytes_of("songhua", 7);
    uint8_t inner_pad[64];
    uint8_t outer_pad[64];
    for (size_t i = 0; i < 64; i++) {
        const uint8_t k = i < key.n ? key.p[i] : 0;
        inner_pad[i] = k ^ 0x36;
        outer_pad[i] = k ^ 0x5c;
    }
    uint8_t inner[SH_HASH_BYTES];
    uint8_t want[SH_HASH_BYTES];
    uint8_t got[SH_HASH_BYTES];
    const struct sh_bytes in[] = {sh_bytes_of(inner_pad, 64), text};
    assert_ok(sh_crypto_hash(f->c, SH_DIGEST_SM3, in, 2, inner));
    const struct sh_bytes outer[] = {sh_bytes_of(outer_pad, 64), sh_bytes_of(inner, 32)};
    assert_ok(sh_crypto_hash(f->c, SH_DIGEST_SM3, outer, 2, want));
    assert_ok(sh_crypto_hmac(f->c, SH_DIGEST_SM3, key, &text, 1, got));
    assert_memory_equal(got, want, sizeof want);
}

static void test_derive_separates_labels(void **state)
{
    const struct fixture *f = *state;
    uint8_t master[SH_KEY_BYTES] = {1};
    uint8_t a[SH_KEY_BYTES];
    uint8_t b[SH_KEY_BYTES];
    assert_ok(sh_crypto_derive(f->c, master, SH_STR("a"), a));
    assert_ok(sh_crypto_derive(f->c, master, SH_STR("b"), b));
    assert_memory_not_equal(a, b, sizeof a);
}

struct fixed {
    uint8_t next;
    uint8_t step;
};

static sh_err fixed_fill(void *ctx, void *p, size_t n)
{
    struct fixed *x = ctx;
    uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        b[i] = x->next;
        x->next = (uint8_t)(x->next + x->step);
    }
    return SH_OK;
}

static sh_err broken_fill(void *ctx, void *p, size_t n)
{
    SH_UNUSED(ctx);
    SH_UNUSED(p);
    SH_UNUSED(n);
    return SH_E_IO;
}

static void test_random_token_is_base64url_of_the_bytes(void **state)
{
    SH_UNUSED(state);
    struct fixed ones = {.next = 0xff, .step = 0};
    struct fixed count = {.next = 0, .step = 1};
    const struct sh_random r1 = {fixed_fill, &ones};
    const struct sh_random r2 = {fixed_fill, &count};
    char out[64];
    assert_ok(sh_random_token(&r1, "x_", out, sizeof out));
    /* RFC 4648 5 of 32 bytes 0xff and of 0, 1, 2 ... 31 */
    assert_string_equal(out, "x___________________________________________8");
    assert_ok(sh_random_token(&r2, "", out, sizeof out));
    assert_string_equal(out, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    assert_int_equal(sh_random_token(&r2, "x_", out, 2 + SH_TOKEN_CHARS), SH_E_LIMIT);
    assert_ok(sh_random_token(&r2, "x_", out, 2 + SH_TOKEN_CHARS + 1));
    const struct sh_random bad = {broken_fill, NULL};
    assert_int_equal(sh_random_token(&bad, "", out, sizeof out), SH_E_IO);
}

static void test_hasher_in_pieces_equals_the_hash_of_the_whole(void **state)
{
    SH_UNUSED(state);
    struct sh_test_env t;
    struct sh_crypto *crypto = NULL;
    struct sh_hasher *h = NULL;
    sh_test_env_init(&t, NULL);
    assert_ok(sh_crypto_new(&t.env, &crypto));
    assert_ok(sh_hasher_new(crypto, SH_DIGEST_SHA256, &h));
    uint8_t data[1000];
    uint8_t want[SH_HASH_BYTES];
    uint8_t got[SH_HASH_BYTES];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t step = 1; step < sizeof data; step = step * 3 + 1) {
        const struct sh_bytes all = sh_bytes_of(data, sizeof data);
        assert_ok(sh_crypto_hash(crypto, SH_DIGEST_SHA256, &all, 1, want));
        for (size_t at = 0; at < sizeof data; at += step) {
            const size_t n = sizeof data - at < step ? sizeof data - at : step;
            assert_ok(sh_hasher_add(h, sh_bytes_of(data + at, n)));
        }
        assert_ok(sh_hasher_end(h, got)); /* and it begins anew */
        assert_memory_equal(got, want, sizeof want);
    }
    sh_hasher_free(h);
    sh_crypto_free(crypto);
    sh_test_env_fini(&t);
}

static sh_err open_once(struct sh_test_env *t)
{
    struct sh_crypto *c = NULL;
    SH_TRY(sh_crypto_new(&t->env, &c));
    sh_crypto_free(c);
    return SH_OK;
}

static void test_new_without_memory_leaves_nothing(void **state)
{
    SH_UNUSED(state);
    sh_test_oom(open_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hash_known_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hmac_known_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hmac_sm3_follows_the_definition, setup, teardown),
        cmocka_unit_test_setup_teardown(test_derive_separates_labels, setup, teardown),
        cmocka_unit_test(test_random_token_is_base64url_of_the_bytes),
        cmocka_unit_test(test_hasher_in_pieces_equals_the_hash_of_the_whole),
        cmocka_unit_test(test_new_without_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
