#include "fixture.h"

#include <stdio.h>

static sh_err verify(struct fixture *f, struct sh_audit_report *r)
{
    return sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                    .crypto = f->crypto,
                                                    .store = fake_disk_store(f->disk),
                                                    .dir = "data"},
                           r);
}

static void add(struct fixture *f, const char *act, const char *detail)
{
    const struct sh_principal by = sh_guard_system(f->g);
    const struct sh_audit a = {
        .by = &by,
        .tenant = SH_TENANT_ROOT,
        .act = sh_str_c(act),
        .object = SH_STR("device:cnc \"12\""),
        .result = SH_STR("ok"),
        .detail = sh_str_c(detail),
        .peer = SH_STR("10.0.0.1"),
    };
    assert_ok(sh_guard_audit(f->g, &a));
}

static const char *key_of(uint64_t seq, char out[24])
{
    (void)snprintf(out, 24, "%020llu", (unsigned long long)seq);
    return out;
}

static void test_chain_of_real_work_is_whole(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    assert_ok(fixture_put(f, &in.who, "", SH_GUARD_TENANTS, "a", "{}"));
    assert_ok(sh_guard_sign_out(f->g, sh_str_c(in.token)));
    add(f, "device.deleted", "");
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 5); /* created admin, signed in, tenant, signed out, device */
    assert_true(r.sealed);
    fixture_reopen(f);
    add(f, "device.deleted", "after a restart");
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 6);
    assert_int_equal(r.first_bad, 0);
}

/* Every bit of every stored byte of an entry in the middle. */
static void test_any_changed_byte_is_found(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    char key[24];
    for (int i = 0; i < 4; i++) {
        add(f, "device.deleted", "line 1");
    }
    char *value = fake_disk_value(f->disk, GUARD_AUDIT, key_of(3, key));
    assert_non_null(value);
    const size_t n = strlen(value);
    for (size_t at = 0; at < n; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            const char was = value[at];
            value[at] = (char)((unsigned char)was ^ 1U << bit);
            if (verify(f, &r) != SH_E_CORRUPT || r.first_bad != 3) {
                fail_msg("byte %zu bit %u of %s", at, bit, value);
            }
            value[at] = was;
        }
    }
    assert_ok(verify(f, &r));
}

static void test_deleted_and_reordered_entries_are_found(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    char a[24];
    char b[24];
    for (int i = 0; i < 5; i++) {
        char detail[16];
        (void)snprintf(detail, sizeof detail, "%d", i);
        add(f, "device.deleted", detail);
    }
    /* 1 is the first start; 2..6 are ours. Swap 3 and 4. */
    fake_disk_rename(f->disk, GUARD_AUDIT, key_of(3, a), "x");
    fake_disk_rename(f->disk, GUARD_AUDIT, key_of(4, b), a);
    fake_disk_rename(f->disk, GUARD_AUDIT, "x", b);
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 3);
    fake_disk_rename(f->disk, GUARD_AUDIT, key_of(3, a), "x");
    fake_disk_rename(f->disk, GUARD_AUDIT, key_of(4, b), a);
    fake_disk_rename(f->disk, GUARD_AUDIT, "x", b);
    assert_ok(verify(f, &r));
    fake_disk_remove(f->disk, GUARD_AUDIT, key_of(4, b)); /* one in the middle */
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 4);
}

static void test_first_entry_can_not_be_cut(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    char key[24];
    add(f, "device.deleted", "");
    fake_disk_remove(f->disk, GUARD_AUDIT, key_of(1, key));
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 1);
}

static void test_cut_tail_is_found_and_stays_found(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    char key[24];
    add(f, "a.b", "");
    add(f, "secret.deed", "");
    fake_disk_remove(f->disk, GUARD_AUDIT, key_of(3, key));
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 3);
    fixture_reopen(f); /* starts, says so, and goes on behind the gap */
    assert_true(f->t.log_lines[SH_LOG_ERROR] > 0);
    add(f, "a.c", "");
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 3);
    /* All of them gone. */
    for (uint64_t i = 1; i < 6; i++) {
        fake_disk_remove(f->disk, GUARD_AUDIT, key_of(i, key));
    }
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 1);
}

/* Somebody with the database but without keys/ writes a new chain that fits in itself. */
static void test_rewritten_chain_is_found_by_the_seal(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    char key[24];
    add(f, "a.b", "true");
    struct fake_disk *real = f->disk;
    /* take the entry, change the detail and compute the hash anew */
    const char *value = fake_disk_value(real, GUARD_AUDIT, key_of(2, key));
    json_t *w = NULL;
    assert_ok(sh_json_parse(sh_str_c(value), 1 << 16, &w, NULL));
    char body[2048];
    assert_true(guard_copy(body, sizeof body, sh_json_get_str(w, "body")));
    char *at = strstr(body, "\"true\"");
    assert_non_null(at);
    memcpy(at, "\"lie!\"", 6);
    uint8_t hash[SH_HASH_BYTES];
    char hex[SH_HASH_HEX];
    const struct sh_bytes part = sh_bytes_of(body, strlen(body));
    assert_ok(sh_crypto_hash(f->crypto, SH_DIGEST_SHA256, &part, 1, hash));
    sh_hash_hex(hash, hex);
    json_object_set_new(w, "body", json_string(body));
    json_object_set_new(w, "hash", json_string(hex));
    struct sh_buf text;
    struct sh_jw jw;
    sh_buf_init(&text, sh_alloc_heap(), 1 << 16);
    sh_jw_init(&jw, &text);
    sh_jw_json(&jw, w);
    assert_ok(sh_jw_end(&jw));
    const struct guard_change c = {GUARD_AUDIT, sh_str_c(key), sh_buf_str(&text)};
    assert_ok(fake_disk_store(real)->ops->commit(fake_disk_store(real), &c, 1));
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, 2);
    assert_non_null(strstr(r.text, "sealed"));
    sh_buf_fini(&text);
    json_decref(w);
}

static void test_damaged_or_missing_head_is_told(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    add(f, "a.b", "");
    for (uint64_t at = 0; at < 100; at++) {
        assert_true(sh_memfs_poke(f->fs, "data/keys/audit.head", at, 1));
        assert_int_equal(verify(f, &r), SH_E_CORRUPT);
        assert_true(sh_memfs_poke(f->fs, "data/keys/audit.head", at, 1));
    }
    assert_ok(verify(f, &r));
    assert_ok(sh_fs_unlink(f->t.env.fs, "data/keys/audit.head"));
    assert_int_equal(verify(f, &r), SH_E_CORRUPT);
    assert_false(r.sealed);
}

/* The store committed but the head was not written: a crash, not a deed. */
static void test_head_behind_the_store_is_whole(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    add(f, "a.b", "");
    sh_memfs_cut_after(f->fs, 0);
    add(f, "a.c", ""); /* durable in the store; the head could not be written */
    sh_memfs_reboot(f->fs);
    sh_memfs_cut_after(f->fs, -1);
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 3);
    fixture_reopen(f);
    add(f, "a.d", "");
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 4);
}

static void test_failed_commit_changes_nothing_and_the_next_fits(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    const struct sh_principal by = sh_guard_system(f->g);
    const struct sh_audit a = {.by = &by, .tenant = 1, .act = SH_STR("a.b")};
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_audit(f->g, &a), SH_E_IO);
    add(f, "a.c", "");
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 2);
}

static void test_posted_entries_are_written_and_losses_counted(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    f->set.audit_waiting = 300; /* more than one transaction takes */
    fixture_reopen(f);
    const struct sh_principal by = sh_guard_anonymous(f->g);
    const struct sh_audit a = {.by = &by, .tenant = 1, .act = SH_STR("topic.refused")};
    for (int i = 0; i < 310; i++) {
        sh_guard_audit_post(f->g, &a);
    }
    fake_disk_fail(f->disk, 1);
    sh_guard_tick(f->g); /* the store failed: they wait */
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 1);
    sh_guard_tick(f->g);
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 1 + 300 + 1); /* and one that says 10 were lost */
    struct sh_guard_stats s;
    sh_guard_stats(f->g, &s);
    assert_int_equal(s.audit_dropped, 10);
    sh_guard_audit_post(f->g, &a);
    fixture_reopen(f); /* closing writes what waits */
    assert_ok(verify(f, &r));
    assert_int_equal(r.entries, 303);
}

static size_t list(struct fixture *f, const struct sh_principal *by, const char *tenant,
                   uint64_t before, const char *find, uint32_t limit, uint64_t *next)
{
    struct sh_jw w;
    json_t *o = NULL;
    const struct sh_guard_at at = {by, fixture_tenant(f, tenant), SH_STR("")};
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_arr(&w);
    assert_ok(sh_guard_audit_list(
        f->g, &at, before, &(struct sh_audit_find){.text = sh_str_c(find)}, limit, &w, next));
    sh_jw_arr_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&f->text), 1 << 20, &o, NULL));
    const size_t n = json_array_size(o);
    json_decref(o);
    return n;
}

static void test_list_pages_and_keeps_tenants_apart(void **state)
{
    struct fixture *f = *state;
    uint64_t next = 0;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a", "{}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "b", "{}"));
    assert_ok(fixture_put(f, &sys, "a", SH_GUARD_PEOPLE, "ann",
                          "{\"roles\":[\"auditor\"],\"password\":\"a long pass phrase\"}"));
    assert_ok(fixture_put(f, &sys, "b", SH_GUARD_PEOPLE, "bob",
                          "{\"roles\":[\"viewer\"],\"password\":\"a long pass phrase\"}"));
    const struct sh_sign_in ann = fixture_sign_in(f, "ann@a", "a long pass phrase");
    const struct sh_sign_in bob = fixture_sign_in(f, "bob@b", "a long pass phrase");
    /* admin, two tenants, two people, two sessions */
    assert_int_equal(list(f, &sys, "", 0, "", 100, &next), 7);
    assert_int_equal(next, 0);
    assert_int_equal(list(f, &sys, "", 0, "", 3, &next), 3);
    assert_int_equal(list(f, &sys, "", next, "", 3, &next), 3);
    assert_int_equal(list(f, &sys, "", next, "", 3, &next), 1);
    assert_int_equal(next, 0);
    assert_int_equal(list(f, &sys, "", 0, "tenant.", 100, &next), 2);
    /* ann sees what concerns tenant a: herself made, her session */
    assert_int_equal(list(f, &ann.who, "a", 0, "", 100, &next), 2);
    assert_false(fixture_has(f, "bob"));
    struct sh_jw w;
    sh_jw_init(&w, &f->text);
    struct sh_guard_at at = {&ann.who, 1, SH_STR("")};
    assert_int_equal(
        sh_guard_audit_list(f->g, &at, 0, &(struct sh_audit_find){.from_us = 0}, 10, &w, &next),
        SH_E_DENIED);
    at = (struct sh_guard_at){&bob.who, fixture_tenant(f, "b"), SH_STR("")};
    assert_int_equal(
        sh_guard_audit_list(f->g, &at, 0, &(struct sh_audit_find){.from_us = 0}, 10, &w, &next),
        SH_E_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_chain_of_real_work_is_whole),
        FIXTURE_TEST(test_any_changed_byte_is_found),
        FIXTURE_TEST(test_deleted_and_reordered_entries_are_found),
        FIXTURE_TEST(test_first_entry_can_not_be_cut),
        FIXTURE_TEST(test_cut_tail_is_found_and_stays_found),
        FIXTURE_TEST(test_rewritten_chain_is_found_by_the_seal),
        FIXTURE_TEST(test_damaged_or_missing_head_is_told),
        FIXTURE_TEST(test_head_behind_the_store_is_whole),
        FIXTURE_TEST(test_failed_commit_changes_nothing_and_the_next_fits),
        FIXTURE_TEST(test_posted_entries_are_written_and_losses_counted),
        FIXTURE_TEST(test_list_pages_and_keeps_tenants_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
