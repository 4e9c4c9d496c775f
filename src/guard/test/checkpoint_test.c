#include "fixture.h"

#include <stdio.h>

#define HOUR_US (INT64_C(3600) * 1000000)

static void add(struct fixture *f, const char *act)
{
    const struct sh_principal by = sh_guard_system(f->g);
    const struct sh_audit a = {.by = &by,
                               .tenant = SH_TENANT_ROOT,
                               .act = sh_str_c(act),
                               .object = SH_STR("device:cnc"),
                               .result = SH_STR("ok")};
    assert_ok(sh_guard_audit(f->g, &a));
}

static sh_err verify(struct fixture *f, const struct sh_checkpoint *seen, struct sh_audit_report *r)
{
    return sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                    .crypto = f->crypto,
                                                    .store = fake_disk_store(f->disk),
                                                    .dir = "data",
                                                    .seen = seen},
                           r);
}

static void as_json(struct fixture *f, const struct sh_checkpoint *cp)
{
    struct sh_jw w;
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    sh_jw_obj(&w);
    sh_checkpoint_write(cp, &w);
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
}

static void test_an_hour_with_entries_gets_one(void **state)
{
    struct fixture *f = *state;
    add(f, "a.b");
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 0);
    sh_test_advance(&f->t, HOUR_US);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 1);
    assert_int_equal(fake_disk_audited(f->disk, "songhua-checkpoint-1 "), 1);
    for (int i = 0; i < 3; i++) { /* nothing happened but the checkpoint */
        sh_test_advance(&f->t, HOUR_US);
        sh_guard_tick(f->g);
    }
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 1);
    add(f, "a.c");
    sh_test_advance(&f->t, HOUR_US);
    sh_guard_tick(f->g);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 2);
    struct sh_audit_report r;
    assert_ok(verify(f, NULL, &r));
}

/* What was kept holds over a restart: neither forgotten nor made again at once. */
static void test_a_restart_goes_on(void **state)
{
    struct fixture *f = *state;
    struct sh_guard_security s;
    struct sh_checkpoint a;
    struct sh_checkpoint b;
    add(f, "a.b");
    assert_ok(sh_guard_checkpoint(f->g, &a));
    fixture_reopen(f);
    assert_ok(sh_guard_security(f->g, HOUR_US, &s));
    assert_int_equal(s.checkpoint_seq, a.seq);
    assert_int_equal(s.checkpoint_us, a.time_us);
    add(f, "a.c");
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 0);
    sh_test_advance(&f->t, HOUR_US);
    sh_guard_tick(f->g);
    assert_int_equal(fake_disk_audited(f->disk, "audit.checkpoint"), 1);
    assert_ok(sh_guard_checkpoint(f->g, &b)); /* the same key */
    assert_string_equal(a.public_key, b.public_key);
    assert_string_equal(a.node, b.node);
    struct sh_audit_report r;
    assert_ok(verify(f, &a, &r));
    assert_ok(verify(f, &b, &r));
}

static void test_what_was_kept_is_read_and_no_letter_of_it_changed(void **state)
{
    struct fixture *f = *state;
    struct sh_checkpoint a;
    struct sh_checkpoint b;
    assert_ok(sh_guard_checkpoint(f->g, &a));
    as_json(f, &a);
    assert_ok(sh_checkpoint_parse(&f->t.env, f->crypto, sh_buf_str(&f->text), &b));
    assert_int_equal(a.seq, b.seq);
    assert_int_equal(a.time_us, b.time_us);
    assert_memory_equal(a.hash, b.hash, sizeof a.hash);
    assert_string_equal(a.text, b.text);
    for (size_t i = 0; a.text[i] != '\0'; i++) {
        b = a;
        b.text[i] = b.text[i] == '1' ? '2' : '1';
        as_json(f, &b);
        assert_int_not_equal(sh_checkpoint_parse(&f->t.env, f->crypto, sh_buf_str(&f->text), &b),
                             SH_OK);
    }
    static const char *const bad[] = {"", "{}", "[]", "{\"checkpoint\":\"songhua-checkpoint-1\"}"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_checkpoint_parse(&f->t.env, f->crypto, sh_str_c(bad[i]), &b),
                         SH_E_PROTO);
    }
}

/* Whoever has the node's keys: the head is sealed anew, the chain fits in itself. */
static void set_end(struct fixture *f, uint64_t seq, const uint8_t hash[SH_HASH_BYTES])
{
    struct guard_audit_head h = {.seq = seq};
    memcpy(h.hash, hash, sizeof h.hash);
    f->g->audit_seq = seq;
    memcpy(f->g->audit_hash, hash, sizeof h.hash);
    assert_ok(guard_audit_head_write(&f->t.env, f->crypto, "data", f->g->key_audit, &h));
}

static void test_rewriting_with_the_keys_is_found_by_who_kept_one(void **state)
{
    struct fixture *f = *state;
    struct sh_audit_report r;
    struct sh_checkpoint early;
    struct sh_checkpoint late;
    char key[24];
    add(f, "a.b");
    assert_ok(sh_guard_checkpoint(f->g, &early));
    add(f, "machine.written");
    assert_ok(sh_guard_checkpoint(f->g, &late));
    assert_int_equal(late.seq, early.seq + 1);
    (void)snprintf(key, sizeof key, "%020llu", (unsigned long long)late.seq);
    fake_disk_remove(f->disk, GUARD_AUDIT, key);
    set_end(f, early.seq, early.hash);
    assert_ok(verify(f, NULL, &r)); /* cut, and nothing tells */
    assert_int_equal(verify(f, &late, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, late.seq);
    assert_non_null(strstr(r.text, "the checkpoint saw it"));
    add(f, "nothing.happened"); /* in its place */
    assert_ok(verify(f, NULL, &r));
    assert_int_equal(verify(f, &late, &r), SH_E_CORRUPT);
    assert_int_equal(r.first_bad, late.seq);
    assert_ok(verify(f, &early, &r)); /* what that one saw is still there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_an_hour_with_entries_gets_one),
        FIXTURE_TEST(test_a_restart_goes_on),
        FIXTURE_TEST(test_what_was_kept_is_read_and_no_letter_of_it_changed),
        FIXTURE_TEST(test_rewriting_with_the_keys_is_found_by_who_kept_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
