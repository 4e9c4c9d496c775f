#include "fixture.h"

#include <stdio.h>

static struct sh_guard_at system_at(struct fixture *f, struct sh_principal *p)
{
    *p = sh_guard_system(f->g);
    return (struct sh_guard_at){.by = p, .tenant = SH_TENANT_ROOT};
}

/* Gives the administrator a second factor in memory; the next change stores it. */
static void give_factor(struct fixture *f)
{
    sh_mutex_lock(&f->g->lock);
    struct guard_person *p = NULL;
    p = guard_person_find(f->g, SH_TENANT_ROOT, SH_STR("admin"));
    assert_non_null(p);
    p->factor.on = true;
    memset(p->factor.secret, 0x5a, sizeof p->factor.secret);
    sh_mutex_unlock(&f->g->lock);
}

static void assert_factor(struct fixture *f)
{
    uint8_t want[SH_TOTP_SECRET];
    memset(want, 0x5a, sizeof want);
    sh_mutex_lock(&f->g->lock);
    const struct guard_person *p = NULL;
    p = guard_person_find(f->g, SH_TENANT_ROOT, SH_STR("admin"));
    assert_true(p->factor.on);
    assert_memory_equal(p->factor.secret, want, sizeof want);
    sh_mutex_unlock(&f->g->lock);
}

/* Algorithm and key of the stored box: its first bytes. */
static void stored_box(struct fixture *f, unsigned *kind, uint32_t *id)
{
    const char *text = fake_disk_value(f->disk, GUARD_PERSON, "1:admin");
    assert_non_null(text);
    const char *at = strstr(text, "\"totp\":\"");
    assert_non_null(at);
    struct sh_buf b;
    sh_buf_init(&b, &f->t.alloc, 64);
    assert_ok(sh_base64_parse(sh_str_of(at + 8, 8), false, &b));
    *kind = b.p[0];
    *id = sh_le32(b.p + 1);
    sh_buf_fini(&b);
}

static struct sh_str file(struct fixture *f, const char *path)
{
    struct sh_str text = {NULL, 0};
    assert_ok(sh_fs_read_all(f->t.env.fs, &f->t.alloc, path, 1 << 16, &text));
    return text;
}

static void test_new_key_seals_all_anew_and_older_boxes_open(void **state)
{
    struct fixture *f = *state;
    struct sh_principal sys;
    struct sh_guard_at at = system_at(f, &sys);
    struct sh_buf box;
    struct sh_buf out;
    uint32_t n = 0;
    unsigned kind = 0;
    uint32_t id = 0;
    sh_buf_init(&box, &f->t.alloc, 256);
    sh_buf_init(&out, &f->t.alloc, 256);
    give_factor(f);
    assert_ok(sh_guard_seal(f->g, SH_STR("channel/1"), sh_bytes_of("s3cret", 6), &box));
    assert_ok(sh_guard_keys_rotate(f->g, &at, false, &n, &f->diag));
    assert_int_equal(n, 1);
    stored_box(f, &kind, &id);
    assert_int_equal(kind, SH_BOX_AES_GCM);
    assert_int_equal(id, 2);
    assert_int_equal(fake_disk_audited(f->disk, "node.key_rotated"), 1);
    fixture_reopen(f);
    assert_factor(f);
    assert_ok(sh_guard_unseal(f->g, SH_STR("channel/1"), sh_buf_bytes(&box), &out));
    assert_memory_equal(out.p, "s3cret", 6);
    sh_buf_fini(&box);
    sh_buf_fini(&out);
}

static void test_setting_of_another_algorithm_makes_a_key_of_it(void **state)
{
    struct fixture *f = *state;
    unsigned kind = 0;
    uint32_t id = 0;
    give_factor(f);
    f->set.box = SH_BOX_SM4;
    assert_ok(sh_guard_set_settings(f->g, &f->set));
    sh_guard_tick(f->g);
    stored_box(f, &kind, &id);
    assert_int_equal(kind, SH_BOX_SM4);
    assert_int_equal(id, 2);
    sh_guard_tick(f->g); /* once is enough */
    stored_box(f, &kind, &id);
    assert_int_equal(id, 2);
    fixture_reopen(f);
    assert_factor(f);
    struct sh_str ring = file(f, "data/keys/ring");
    assert_true(sh_str_starts(ring, SH_STR("{\"format\":\"songhua-ring-1\"")));
    sh_str_free(&f->t.alloc, &ring);
}

static void test_new_master_key_opens_and_the_one_before_does_not(void **state)
{
    struct fixture *f = *state;
    struct sh_principal sys;
    struct sh_guard_at at = system_at(f, &sys);
    struct sh_guard *g = NULL;
    uint32_t n = 0;
    give_factor(f);
    struct sh_str old = file(f, "data/keys/node.key");
    assert_ok(sh_guard_keys_rotate(f->g, &at, true, &n, &f->diag));
    struct sh_str now = file(f, "data/keys/node.key");
    assert_false(sh_str_eq(old, now));
    fixture_reopen(f);
    assert_factor(f);
    sh_guard_close(f->g);
    f->g = NULL;
    assert_ok(sh_fs_replace(f->t.env.fs, "data/keys/node.key", sh_str_bytes(old)));
    const struct sh_guard_options o = {.env = &f->t.env,
                                       .crypto = f->crypto,
                                       .store = fake_disk_store(f->disk),
                                       .dir = "data",
                                       .settings = f->set};
    assert_int_equal(sh_guard_open(&o, &g, &f->diag), SH_E_STATE);
    assert_true(f->diag.remedy[0] != '\0');
    assert_ok(sh_fs_replace(f->t.env.fs, "data/keys/node.key", sh_str_bytes(now)));
    fixture_open(f);
    sh_str_free(&f->t.alloc, &old);
    sh_str_free(&f->t.alloc, &now);
}

/* The power fails after any operation of a change of both keys: the folder opens, and nothing that
 * was sealed is lost. */
static void test_power_cut_in_a_change_loses_nothing(void **state)
{
    struct fixture *f = *state;
    bool whole = false;
    long cut = 0;
    assert_ok(sh_fs_sync_dir(f->t.env.fs, "."));
    assert_ok(sh_fs_sync_dir(f->t.env.fs, "data"));
    assert_ok(sh_fs_sync_dir(f->t.env.fs, "data/keys"));
    struct sh_buf cert;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_guard_device_ca(f->g, &cert));
    give_factor(f);
    for (; !whole && cut < 200; cut++) {
        struct sh_principal sys;
        struct sh_guard_at at = system_at(f, &sys);
        struct sh_buf again;
        uint32_t n = 0;
        sh_memfs_cut_after(f->fs, cut);
        whole = sh_guard_keys_rotate(f->g, &at, true, &n, &f->diag) == SH_OK;
        sh_guard_close(f->g);
        f->g = NULL;
        sh_memfs_reboot(f->fs);
        sh_memfs_cut_after(f->fs, -1);
        fixture_open(f);
        struct sh_str ring = file(f, "data/keys/ring"); /* by one master again */
        const char *by = strstr(ring.p, "\"file\"");
        assert_non_null(by);
        assert_null(strstr(by + 1, "\"file\""));
        sh_str_free(&f->t.alloc, &ring);
        if (cut > 0 || whole) {
            sh_buf_init(&again, &f->t.alloc, SH_PEM_MAX);
            assert_ok(sh_guard_device_ca(f->g, &again)); /* not made anew */
            assert_true(sh_str_eq(sh_buf_str(&again), sh_buf_str(&cert)));
            sh_buf_fini(&again);
        }
        sh_mutex_lock(&f->g->lock);
        const bool kept = guard_person_find(f->g, SH_TENANT_ROOT, SH_STR("admin"))->factor.on;
        sh_mutex_unlock(&f->g->lock);
        if (kept) {
            assert_factor(f);
        } else {
            give_factor(f); /* was not stored yet */
        }
    }
    assert_true(whole);
    assert_true(cut > 10);
    assert_factor(f);
    sh_buf_fini(&cert);
}

static void test_private_keys_in_files_are_sealed_also_those_of_before(void **state)
{
    struct fixture *f = *state;
    struct sh_buf a;
    struct sh_buf b;
    sh_buf_init(&a, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&b, &f->t.alloc, SH_PEM_MAX);
    assert_ok(guard_ca_open(f->g, &a, &b));
    struct sh_str sealed = file(f, "data/keys/device-ca-key.pem");
    assert_true(sh_str_starts(sealed, SH_STR("songhua-sealed-1 ")));
    assert_null(strstr(sealed.p, "PRIVATE"));
    /* One that lies open, as before: taken and sealed. */
    assert_ok(sh_fs_replace(f->t.env.fs, "data/keys/device-ca-key.pem", sh_buf_bytes(&b)));
    fixture_reopen(f);
    struct sh_str again = file(f, "data/keys/device-ca-key.pem");
    assert_true(sh_str_starts(again, SH_STR("songhua-sealed-1 ")));
    struct sh_buf c;
    sh_buf_init(&c, &f->t.alloc, SH_PEM_MAX);
    sh_buf_clear(&a);
    assert_ok(guard_ca_open(f->g, &a, &c));
    assert_true(sh_str_eq(sh_buf_str(&b), sh_buf_str(&c)));
    sh_str_free(&f->t.alloc, &sealed);
    sh_str_free(&f->t.alloc, &again);
    sh_buf_fini(&a);
    sh_buf_fini(&b);
    sh_buf_fini(&c);
}

static void test_sheet_opens_the_ring_until_it_is_revoked(void **state)
{
    struct fixture *f = *state;
    struct sh_principal sys;
    struct sh_guard_at at = system_at(f, &sys);
    char code[SH_SHEET_CODE];
    char other[SH_SHEET_CODE];
    uint8_t seed[SH_SHEET_SEED];
    unsigned where = 0;
    uint32_t n = 0;
    struct sh_ring r;
    assert_int_equal(sh_guard_sheet_remove(f->g, &at), SH_E_NOTFOUND);
    assert_ok(sh_guard_sheet_new(f->g, &at, code));
    assert_ok(sh_guard_keys_rotate(f->g, &at, true, &n, &f->diag));
    assert_ok(sh_sheet_parse(sh_str_c(code), seed, &where));
    assert_ok(sh_ring_load_sheet(&f->t.env, f->crypto, "data", seed, &r));
    assert_int_equal(r.nkeys, 2);
    assert_memory_equal(r.root, f->g->ring.root, sizeof r.root);
    assert_ok(sh_guard_sheet_new(f->g, &at, other)); /* the first is void */
    assert_int_equal(sh_ring_load_sheet(&f->t.env, f->crypto, "data", seed, &r), SH_E_DENIED);
    assert_ok(sh_guard_sheet_remove(f->g, &at));
    assert_ok(sh_sheet_parse(sh_str_c(other), seed, &where));
    assert_int_equal(sh_ring_load_sheet(&f->t.env, f->crypto, "data", seed, &r), SH_E_NOTFOUND);
    assert_int_equal(fake_disk_audited(f->disk, "node.sheet_made"), 2);
    assert_int_equal(fake_disk_audited(f->disk, "node.sheet_revoked"), 1);
    assert_int_equal(fake_disk_audited(f->disk, code), 0);
}

static void test_only_the_security_administrator_changes_keys(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    char code[SH_SHEET_CODE];
    uint32_t n = 0;
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li",
                          "{\"password\":\"a long pass phrase\",\"roles\":[\"engineer\"]}"));
    const struct sh_sign_in li = fixture_sign_in(f, "li", "a long pass phrase");
    const struct sh_guard_at at = {.by = &li.who, .tenant = SH_TENANT_ROOT};
    assert_int_equal(sh_guard_keys_rotate(f->g, &at, false, &n, &f->diag), SH_E_DENIED);
    assert_int_equal(sh_guard_sheet_new(f->g, &at, code), SH_E_DENIED);
    assert_int_equal(sh_guard_sheet_remove(f->g, &at), SH_E_DENIED);
    assert_int_equal(f->g->ring.nkeys, 1);
}

static void test_folder_without_its_ring_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct sh_guard *g = NULL;
    const struct sh_guard_options o = {.env = &f->t.env,
                                       .crypto = f->crypto,
                                       .store = fake_disk_store(f->disk),
                                       .dir = "data",
                                       .settings = f->set};
    sh_guard_close(f->g);
    f->g = NULL;
    struct sh_str ring = file(f, "data/keys/ring");
    assert_ok(sh_fs_unlink(f->t.env.fs, "data/keys/ring"));
    assert_int_equal(sh_guard_open(&o, &g, &f->diag), SH_E_STATE);
    assert_true(f->diag.remedy[0] != '\0');
    assert_ok(sh_fs_replace(f->t.env.fs, "data/keys/ring", sh_bytes_of("{}", 2)));
    assert_int_equal(sh_guard_open(&o, &g, &f->diag), SH_E_CORRUPT);
    assert_ok(sh_fs_replace(f->t.env.fs, "data/keys/ring", sh_str_bytes(ring)));
    fixture_open(f);
    sh_str_free(&f->t.alloc, &ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_new_key_seals_all_anew_and_older_boxes_open),
        FIXTURE_TEST(test_setting_of_another_algorithm_makes_a_key_of_it),
        FIXTURE_TEST(test_new_master_key_opens_and_the_one_before_does_not),
        FIXTURE_TEST(test_power_cut_in_a_change_loses_nothing),
        FIXTURE_TEST(test_private_keys_in_files_are_sealed_also_those_of_before),
        FIXTURE_TEST(test_sheet_opens_the_ring_until_it_is_revoked),
        FIXTURE_TEST(test_only_the_security_administrator_changes_keys),
        FIXTURE_TEST(test_folder_without_its_ring_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
