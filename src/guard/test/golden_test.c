#include "fixture.h"

#include "golden_v1.h"

static void put_file(struct fixture *f, const char *path, const char *text)
{
    assert_ok(sh_fs_replace(f->t.env.fs, path, sh_bytes_of(text, strlen(text))));
}

static void load(struct fixture *f)
{
    sh_guard_close(f->g);
    f->g = NULL;
    fake_disk_free(f->disk);
    f->disk = fake_disk_new();
    assert_ok(sh_fs_unlink(f->t.env.fs, "data/keys/ring")); /* version 1 had none */
    put_file(f, "data/keys/node.key", GOLDEN_KEY);
    put_file(f, "data/keys/audit.head", GOLDEN_HEAD);
    struct guard_store *store = fake_disk_store(f->disk);
    for (size_t i = 0; i < SH_COUNT(golden); i++) {
        const struct guard_change c = {golden[i].kind, sh_str_c(golden[i].key),
                                       sh_str_c(golden[i].value)};
        assert_ok(store->ops->commit(store, &c, 1));
    }
    fixture_open(f);
}

static void test_version_1_opens_with_all_it_held(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    struct sh_principal_info info;
    struct sh_tenant_use use;
    struct sh_sign_in in;
    load(f);
    assert_int_equal(f->t.log_lines[SH_LOG_ERROR], 0);
    const uint32_t jilin = fixture_tenant(f, "jilin");
    assert_int_equal(jilin, 2);
    assert_ok(sh_guard_tenant_use(f->g, jilin, &use));
    assert_int_equal(use.limit[SH_QUOTA_POINTS], 1000);
    assert_int_equal(use.limit[SH_QUOTA_RATE], 500);
    assert_ok(sh_guard_by_token(f->g, SH_STR(GOLDEN_TOKEN), &p));
    assert_ok(sh_guard_describe(f->g, &p, &info));
    assert_string_equal(info.device, "cnc12");
    assert_int_equal(info.expires_us, INT64_C(4102444800000000));
    assert_int_equal(info.permissions, sh_builtin_role_bits(SH_STR("device")) |
                                           sh_permission_bit(SH_PERM_INGEST_PROVISION));
    assert_ok(sh_guard_by_secret(f->g, SH_STR("pump@jilin"), SH_STR(GOLDEN_SECRET), &p));
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, jilin, SH_STR("behind")));
    assert_ok(sh_guard_by_token(f->g, SH_STR(GOLDEN_SESSION), &p));
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_HISTORY_READ, jilin)); /* viewer */
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_HISTORY_READ, 1), SH_E_DENIED);
    in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_CONFIG_WRITE, 1));
    in = fixture_sign_in(f, "李雷@jilin", "a long pass phrase");
    assert_ok(sh_guard_check(f->g, &in.who, SH_PERM_RECORDS_READ, jilin));
}

static void test_version_1_audit_chain_is_whole_and_goes_on(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    load(f);
    assert_ok(sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                       .crypto = f->crypto,
                                                       .store = fake_disk_store(f->disk),
                                                       .dir = "data"},
                              &r));
    assert_int_equal(r.entries, 9);
    (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                       .crypto = f->crypto,
                                                       .store = fake_disk_store(f->disk),
                                                       .dir = "data"},
                              &r));
    assert_int_equal(r.entries, 10);
}

static void test_version_1_box_opens(void **state)
{
    struct fixture *f = *state;
    struct sh_buf box;
    struct sh_buf out;
    load(f);
    sh_buf_init(&box, &f->t.alloc, 256);
    sh_buf_init(&out, &f->t.alloc, 256);
    assert_ok(sh_hex_parse(SH_STR(GOLDEN_BOX), &box));
    assert_ok(sh_guard_unseal(f->g, SH_STR("golden"), sh_buf_bytes(&box), &out));
    assert_int_equal(out.n, 6);
    assert_memory_equal(out.p, "s3cret", 6);
    sh_buf_fini(&box);
    sh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_version_1_opens_with_all_it_held),
        FIXTURE_TEST(test_version_1_audit_chain_is_whole_and_goes_on),
        FIXTURE_TEST(test_version_1_box_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
