#include <sh/test.h>

#include "../crypto_int.h"

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

static const struct sh_box_key keys[] = {
    {.id = 7, .kind = SH_BOX_AES_GCM, .key = {1, 2, 3}},
    {.id = 7, .kind = SH_BOX_SM4, .key = {4, 5, 6}},
    {.id = 8, .kind = SH_BOX_AES_GCM, .key = {9}},
};

/* The fetched ciphers are the standard ones: GCM specification (McGrew, Viega) test case 14. */
static void test_aes_gcm_known_answer(void **state)
{
    const struct fixture *f = *state;
    static const uint8_t zero[32];
    static const uint8_t want[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                   0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
    static const uint8_t tag[] = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                  0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    uint8_t out[16];
    uint8_t got[16];
    int n = 0;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_CipherInit_ex2(x, f->c->aes_gcm, zero, zero, 1, NULL), 1);
    assert_int_equal(EVP_CipherUpdate(x, out, &n, zero, 16), 1);
    assert_int_equal(EVP_CipherFinal_ex(x, got, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, 16, got), 1);
    EVP_CIPHER_CTX_free(x);
    assert_memory_equal(out, want, 16);
    assert_memory_equal(got, tag, 16);
}

/* GB/T 32907-2016 appendix A.1: in CTR mode the first block of key stream is SM4(key, counter). */
static void test_sm4_known_answer(void **state)
{
    const struct fixture *f = *state;
    static const uint8_t key[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                  0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    static const uint8_t want[] = {0x68, 0x1e, 0xdf, 0x34, 0xd2, 0x06, 0x96, 0x5e,
                                   0x86, 0xb3, 0xe9, 0x4f, 0x53, 0x6e, 0x42, 0x46};
    static const uint8_t zero[16];
    uint8_t out[16];
    int n = 0;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_CipherInit_ex2(x, f->c->sm4_ctr, key, key, 1, NULL), 1);
    assert_int_equal(EVP_CipherUpdate(x, out, &n, zero, 16), 1);
    EVP_CIPHER_CTX_free(x);
    assert_memory_equal(out, want, 16);
}

static void test_open_gives_back_what_was_sealed(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4096};
    uint8_t plain[4096];
    for (size_t i = 0; i < sizeof plain; i++) {
        plain[i] = (uint8_t)(i * 7);
    }
    for (size_t k = 0; k < SH_COUNT(keys); k++) {
        for (size_t i = 0; i < SH_COUNT(sizes); i++) {
            struct sh_buf box;
            struct sh_buf out;
            sh_buf_init(&box, &f->t.alloc, 8192);
            sh_buf_init(&out, &f->t.alloc, 8192);
            assert_ok(sh_buf_put_c(&out, "kept"));
            const struct sh_bytes in = sh_bytes_of(plain, sizes[i]);
            assert_ok(sh_box_seal(f->c, &keys[k], sh_bytes_of("ctx", 3), in, &box));
            assert_true(box.n <= in.n + SH_BOX_OVERHEAD);
            assert_ok(sh_box_open(f->c, keys, SH_COUNT(keys), sh_bytes_of("ctx", 3),
                                  sh_buf_bytes(&box), &out));
            assert_int_equal(out.n, 4 + in.n);
            assert_memory_equal(out.p + 4, plain, in.n);
            sh_buf_fini(&box);
            sh_buf_fini(&out);
        }
    }
}

static void test_seal_twice_gives_two_boxes(void **state)
{
    struct fixture *f = *state;
    struct sh_buf a;
    struct sh_buf b;
    sh_buf_init(&a, &f->t.alloc, 256);
    sh_buf_init(&b, &f->t.alloc, 256);
    assert_ok(sh_box_seal(f->c, &keys[0], sh_bytes_of("", 0), sh_bytes_of("x", 1), &a));
    assert_ok(sh_box_seal(f->c, &keys[0], sh_bytes_of("", 0), sh_bytes_of("x", 1), &b));
    assert_int_equal(a.n, b.n);
    assert_memory_not_equal(a.p, b.p, a.n);
    sh_buf_fini(&a);
    sh_buf_fini(&b);
}

static void test_open_of_any_changed_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t k = 0; k < 2; k++) {
        struct sh_buf box;
        struct sh_buf out;
        sh_buf_init(&box, &f->t.alloc, 256);
        sh_buf_init(&out, &f->t.alloc, 256);
        assert_ok(
            sh_box_seal(f->c, &keys[k], sh_bytes_of("ctx", 3), sh_bytes_of("secret", 6), &box));
        for (size_t at = 0; at < box.n; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                box.p[at] ^= (uint8_t)(1U << bit);
                assert_int_not_equal(
                    sh_box_open(f->c, keys, 3, sh_bytes_of("ctx", 3), sh_buf_bytes(&box), &out),
                    SH_OK);
                assert_int_equal(out.n, 0);
                box.p[at] ^= (uint8_t)(1U << bit);
            }
        }
        for (size_t n = 0; n < box.n; n++) { /* every prefix */
            assert_int_not_equal(
                sh_box_open(f->c, keys, 3, sh_bytes_of("ctx", 3), sh_bytes_of(box.p, n), &out),
                SH_OK);
        }
        assert_int_equal(
            sh_box_open(f->c, keys, 3, sh_bytes_of("ctX", 3), sh_buf_bytes(&box), &out),
            SH_E_CORRUPT);
        struct sh_box_key other = keys[k];
        other.key[31] ^= 1;
        assert_int_equal(
            sh_box_open(f->c, &other, 1, sh_bytes_of("ctx", 3), sh_buf_bytes(&box), &out),
            SH_E_CORRUPT);
        assert_int_equal(
            sh_box_open(f->c, &keys[2], 1, sh_bytes_of("ctx", 3), sh_buf_bytes(&box), &out),
            SH_E_NOTFOUND);
        sh_buf_fini(&box);
        sh_buf_fini(&out);
    }
}

static void test_seal_at_the_limit_leaves_the_buffer(void **state)
{
    struct fixture *f = *state;
    struct sh_buf box;
    sh_buf_init(&box, &f->t.alloc, 20);
    assert_int_equal(sh_box_seal(f->c, &keys[0], sh_bytes_of("", 0), sh_bytes_of("x", 1), &box),
                     SH_E_LIMIT);
    assert_int_equal(box.n, 0);
    const struct sh_box_key odd = {.kind = (enum sh_box_kind)3};
    assert_int_equal(sh_box_seal(f->c, &odd, sh_bytes_of("", 0), sh_bytes_of("x", 1), &box),
                     SH_E_INVAL);
    sh_buf_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_aes_gcm_known_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sm4_known_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_gives_back_what_was_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seal_twice_gives_two_boxes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_of_any_changed_byte_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seal_at_the_limit_leaves_the_buffer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
