#include <sh/test.h>

#include "../ring_int.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct sh_memfs *m;
    struct sh_test_env t;
    struct sh_crypto *c;
    struct sh_master *master;
    struct sh_buf text;
    char kinds[SH_RING_BY];
};

static void rig_begin(struct rig *r)
{
    struct sh_diag d = {0};
    r->m = sh_memfs_new(1);
    sh_test_env_init(&r->t, sh_memfs_fs(r->m));
    assert_ok(sh_crypto_new(&r->t.env, &r->c));
    assert_ok(sh_fs_mkdirs(r->t.env.fs, "data/keys"));
    assert_ok(sh_master_open(&r->t.env, r->c, "data", "file:keys/node.key", true, &r->master, &d));
    sh_buf_init(&r->text, r->t.env.alloc, SH_RING_FILE_MAX);
}

static void rig_end(struct rig *r)
{
    sh_master_close(r->master);
    sh_buf_fini(&r->text);
    sh_crypto_free(r->c);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->m);
}

static void write_ring(struct rig *r, const struct sh_ring *ring)
{
    sh_buf_clear(&r->text);
    assert_ok(sh_ring_write(&r->t.env, r->c, ring, &r->master, 1, &r->text));
}

static void assert_same(const struct sh_ring *a, const struct sh_ring *b)
{
    assert_memory_equal(a->root, b->root, sizeof a->root);
    assert_int_equal(a->nkeys, b->nkeys);
    for (size_t i = 0; i < a->nkeys; i++) {
        assert_int_equal(a->keys[i].box.id, b->keys[i].box.id);
        assert_int_equal(a->keys[i].box.kind, b->keys[i].box.kind);
        assert_int_equal(a->keys[i].made_us, b->keys[i].made_us);
        assert_memory_equal(a->keys[i].box.key, b->keys[i].box.key, SH_KEY_BYTES);
    }
    assert_int_equal(a->sheet, b->sheet);
    assert_string_equal(a->sheet_by, b->sheet_by);
}

static void test_ring_comes_back_as_it_was_in_both_kinds(void **state)
{
    SH_UNUSED(state);
    for (int k = SH_BOX_AES_GCM; k <= SH_BOX_SM4; k++) {
        struct rig r;
        struct sh_ring ring;
        struct sh_ring back;
        rig_begin(&r);
        assert_ok(sh_ring_new(&r.t.env, (enum sh_box_kind)k, &ring));
        assert_ok(sh_ring_add(&r.t.env, SH_BOX_SM4, &ring));
        write_ring(&r, &ring);
        assert_ok(sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), r.master, &back, r.kinds));
        assert_same(&ring, &back);
        assert_string_equal(r.kinds, "file");
        rig_end(&r);
    }
}

static void test_older_keys_open_what_they_sealed_until_there_are_nine(void **state)
{
    SH_UNUSED(state);
    struct rig r;
    struct sh_ring ring;
    struct sh_buf box;
    struct sh_buf out;
    rig_begin(&r);
    sh_buf_init(&box, r.t.env.alloc, 256);
    sh_buf_init(&out, r.t.env.alloc, 256);
    assert_ok(sh_ring_new(&r.t.env, SH_BOX_AES_GCM, &ring));
    assert_ok(
        sh_box_seal(r.c, &sh_ring_current(&ring)->box, RING_CONTEXT, sh_bytes_of("x", 1), &box));
    for (int i = 1; i < SH_RING_KEYS; i++) {
        assert_ok(sh_ring_add(&r.t.env, SH_BOX_AES_GCM, &ring));
        sh_buf_clear(&out);
        assert_ok(sh_ring_unseal(r.c, &ring, RING_CONTEXT, sh_buf_bytes(&box), &out));
        assert_memory_equal(out.p, "x", 1);
    }
    assert_ok(sh_ring_add(&r.t.env, SH_BOX_AES_GCM, &ring));
    assert_int_equal(ring.nkeys, SH_RING_KEYS);
    assert_int_equal(sh_ring_current(&ring)->box.id, SH_RING_KEYS + 1);
    assert_int_equal(sh_ring_unseal(r.c, &ring, RING_CONTEXT, sh_buf_bytes(&box), &out),
                     SH_E_NOTFOUND);
    sh_buf_fini(&box);
    sh_buf_fini(&out);
    rig_end(&r);
}

/* NULL: none. */
static void variable(const char *value)
{
    static const char name[] = "SONGHUA_TEST_KEY";
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread */
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

static void test_another_master_is_refused_and_another_kind_named(void **state)
{
    SH_UNUSED(state);
    struct rig r;
    struct sh_ring ring;
    struct sh_ring back;
    struct sh_master *other = NULL;
    struct sh_diag d = {0};
    rig_begin(&r);
    assert_ok(sh_ring_new(&r.t.env, SH_BOX_AES_GCM, &ring));
    write_ring(&r, &ring);
    assert_ok(sh_master_renew(r.master, &other));
    assert_int_equal(sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), other, &back, r.kinds),
                     SH_E_DENIED);
    assert_int_equal(back.nkeys, 0);
    /* Wrapped by both, either opens; that is how a master is changed. */
    struct sh_master *both[] = {r.master, other};
    sh_buf_clear(&r.text);
    assert_ok(sh_ring_write(&r.t.env, r.c, &ring, both, 2, &r.text));
    assert_ok(sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), other, &back, r.kinds));
    assert_ok(sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), r.master, &back, r.kinds));
    assert_string_equal(r.kinds, "file, file");
    sh_master_close(other);

    variable("12");
    assert_int_equal(
        sh_master_open(&r.t.env, r.c, "data", "env:SONGHUA_TEST_KEY", false, &other, &d),
        SH_E_CORRUPT);
    assert_true(d.remedy[0] != '\0');
    variable("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    assert_ok(sh_master_open(&r.t.env, r.c, "data", "env:SONGHUA_TEST_KEY", false, &other, &d));
    assert_int_equal(sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), other, &back, r.kinds),
                     SH_E_NOTFOUND);
    assert_string_equal(r.kinds, "file, file");
    assert_string_equal(sh_master_label(other), "SONGHUA_TEST_KEY");
    sh_master_close(other);
    variable(NULL);
    assert_int_equal(
        sh_master_open(&r.t.env, r.c, "data", "env:SONGHUA_TEST_KEY", false, &other, &d),
        SH_E_NOTFOUND);
    assert_int_equal(sh_master_open(&r.t.env, r.c, "data", "vault:x", false, &other, &d),
                     SH_E_INVAL);
    rig_end(&r);
}

/* Each byte of the file changed in turn: never another ring than it was. */
static void test_changed_file_is_found(void **state)
{
    SH_UNUSED(state);
    struct rig r;
    struct sh_ring ring;
    struct sh_ring back;
    char code[SH_SHEET_CODE];
    rig_begin(&r);
    assert_ok(sh_ring_new(&r.t.env, SH_BOX_SM4, &ring));
    assert_ok(sh_sheet_new(&r.t.env, r.c, &ring, code));
    write_ring(&r, &ring);
    size_t refused = 0;
    for (size_t i = 0; i + 1 < r.text.n; i++) {
        r.text.p[i] ^= 1;
        if (sh_ring_read(&r.t.env, r.c, sh_buf_str(&r.text), r.master, &back, r.kinds) == SH_OK) {
            assert_same(&ring, &back); /* the wrap of the sheet, which is not looked at */
        } else {
            assert_int_equal(back.nkeys, 0);
            refused++;
        }
        r.text.p[i] ^= 1;
    }
    assert_true(refused > r.text.n / 2);
    rig_end(&r);
}

static void test_sheet_opens_the_ring_also_after_it_was_written_anew(void **state)
{
    SH_UNUSED(state);
    struct rig r;
    struct sh_ring ring;
    struct sh_ring back;
    char code[SH_SHEET_CODE];
    uint8_t seed[SH_SHEET_SEED];
    unsigned at = 0;
    rig_begin(&r);
    assert_ok(sh_ring_new(&r.t.env, SH_BOX_AES_GCM, &ring));
    write_ring(&r, &ring);
    memset(seed, 7, sizeof seed);
    assert_int_equal(sh_ring_read_sheet(&r.t.env, r.c, sh_buf_str(&r.text), seed, &back),
                     SH_E_NOTFOUND);
    assert_ok(sh_sheet_new(&r.t.env, r.c, &ring, code));
    (void)snprintf(ring.sheet_by, sizeof ring.sheet_by, "admin");
    for (int i = 0; i < 3; i++) {
        assert_ok(sh_ring_add(&r.t.env, i == 1 ? SH_BOX_SM4 : SH_BOX_AES_GCM, &ring));
        write_ring(&r, &ring);
        assert_ok(sh_sheet_parse(sh_str_c(code), seed, &at));
        assert_ok(sh_ring_read_sheet(&r.t.env, r.c, sh_buf_str(&r.text), seed, &back));
        assert_same(&ring, &back);
        seed[0] ^= 1;
        assert_int_equal(sh_ring_read_sheet(&r.t.env, r.c, sh_buf_str(&r.text), seed, &back),
                         SH_E_DENIED);
    }
    rig_end(&r);
}

static void test_mistyped_group_of_a_code_is_named(void **state)
{
    SH_UNUSED(state);
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    struct rig r;
    struct sh_ring ring;
    char code[SH_SHEET_CODE];
    char bad[SH_SHEET_CODE + 8];
    uint8_t seed[SH_SHEET_SEED];
    uint8_t again[SH_SHEET_SEED];
    unsigned at = 0;
    rig_begin(&r);
    assert_ok(sh_ring_new(&r.t.env, SH_BOX_AES_GCM, &ring));
    assert_ok(sh_sheet_new(&r.t.env, r.c, &ring, code));
    assert_int_equal(strlen(code), 47);
    assert_ok(sh_sheet_parse(sh_str_c(code), seed, &at));
    for (size_t i = 0; i < 47; i++) {
        for (size_t k = 0; k < 32 && code[i] != '-'; k++) {
            memcpy(bad, code, sizeof code);
            bad[i] = alphabet[k];
            if (bad[i] != code[i]) {
                assert_int_equal(sh_sheet_parse(sh_str_c(bad), again, &at), SH_E_INVAL);
                assert_int_equal(at, i / 6 + 1);
            }
        }
    }
    /* Two groups exchanged. */
    memcpy(bad, code, sizeof code);
    memcpy(bad, code + 6, 5);
    memcpy(bad + 6, code, 5);
    if (memcmp(code, code + 6, 5) != 0) {
        assert_int_equal(sh_sheet_parse(sh_str_c(bad), again, &at), SH_E_INVAL);
    }
    /* Small letters, blanks, letters that are read as digits. */
    size_t n = 0;
    for (size_t i = 0; i < 47; i++) {
        const char c = code[i];
        bad[n++] = c == '-' ? ' ' : c == '1' ? 'l' : c == '0' ? 'o' : c;
        bad[n - 1] = bad[n - 1] >= 'A' && bad[n - 1] <= 'Z' ? (char)(bad[n - 1] + 32) : bad[n - 1];
    }
    assert_ok(sh_sheet_parse(sh_str_of(bad, n), again, &at));
    assert_memory_equal(seed, again, sizeof seed);
    assert_int_equal(sh_sheet_parse(sh_str_of(code, 41), again, &at), SH_E_INVAL);
    assert_int_equal(at, 0);
    assert_int_equal(sh_sheet_parse(SH_STR("0000U"), again, &at), SH_E_INVAL);
    assert_int_equal(at, 1);
    rig_end(&r);
}

static void test_address_of_a_module(void **state)
{
    SH_UNUSED(state);
    struct pkcs11_uri u;
    struct sh_diag d = {0};
    assert_ok(pkcs11_uri_parse(
        SH_STR("token=My%20token;object=node?module-path=/a/b.so&pin-source=file:/etc/pin"), &u,
        &d));
    assert_string_equal(u.token, "My token");
    assert_string_equal(u.object, "node");
    assert_string_equal(u.module, "/a/b.so");
    assert_string_equal(u.pin_source, "file:/etc/pin");
    static const char *const bad[] = {
        "",
        "token=a",
        "token=a;object=b",
        "token=a;object=b?module-path=b.so",
        "token=a;object=b?module-path=/b.so&pin-value=1234",
        "token=a;token=a;object=b?module-path=/b.so",
        "token=%0;object=b?module-path=/b.so",
        "token=% 1;object=b?module-path=/b.so",
        "token=%00;object=b?module-path=/b.so",
        "token=;object=b?module-path=/b.so",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&d, 0, sizeof d);
        assert_int_equal(pkcs11_uri_parse(sh_str_c(bad[i]), &u, &d), SH_E_INVAL);
        assert_true(d.remedy[0] != '\0');
    }
}

static void test_module_that_is_none_is_refused(void **state)
{
    SH_UNUSED(state);
    struct rig r;
    struct sh_master *m = NULL;
    struct sh_diag d = {0};
    rig_begin(&r);
    assert_int_equal(sh_master_open(&r.t.env, r.c, "data",
                                    "pkcs11:token=a;object=b?module-path=/no/such.so", false, &m,
                                    &d),
                     SH_E_NOTFOUND);
    assert_true(d.remedy[0] != '\0');
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_comes_back_as_it_was_in_both_kinds),
        cmocka_unit_test(test_older_keys_open_what_they_sealed_until_there_are_nine),
        cmocka_unit_test(test_another_master_is_refused_and_another_kind_named),
        cmocka_unit_test(test_changed_file_is_found),
        cmocka_unit_test(test_sheet_opens_the_ring_also_after_it_was_written_anew),
        cmocka_unit_test(test_mistyped_group_of_a_code_is_named),
        cmocka_unit_test(test_address_of_a_module),
        cmocka_unit_test(test_module_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
