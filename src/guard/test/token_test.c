#include "fixture.h"

#include <stdio.h>

#define SECOND INT64_C(1000000)

static struct sh_principal by_token(struct fixture *f, const char *token)
{
    struct sh_principal p = {0};
    assert_ok(sh_guard_by_token(f->g, sh_str_c(token), &p));
    return p;
}

static void make(struct fixture *f, const char *tenant, const char *body,
                 char token[SH_SECRET_CHARS], char id[32])
{
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, tenant, SH_GUARD_TOKENS, "", body));
    fixture_answer(f, "token", token, SH_SECRET_CHARS);
    fixture_answer(f, "id", id, 32);
}

static void test_token_works_until_it_is_revoked(void **state)
{
    struct fixture *f = *state;
    char token[SH_SECRET_CHARS];
    char id[32];
    make(f, "", "{\"name\":\"press\",\"permissions\":[\"history.read\"]}", token, id);
    assert_int_equal(strlen(token), 47);
    assert_null(strstr(fake_disk_value(f->disk, GUARD_TOKEN, id), token));
    const struct sh_principal p = by_token(f, token);
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_HISTORY_READ, 1));
    assert_int_equal(sh_guard_check(f->g, &p, SH_PERM_HISTORY_CORRECT, 1), SH_E_DENIED);
    fixture_reopen(f);
    const struct sh_principal again = by_token(f, token);
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_delete(f, &sys, "", SH_GUARD_TOKENS, id));
    assert_int_equal(sh_guard_live(f->g, &again), SH_E_CLOSED);
    struct sh_principal gone;
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &gone), SH_E_DENIED);
    fixture_reopen(f);
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &gone), SH_E_DENIED);
}

static void test_token_expires_for_handles_too(void **state)
{
    struct fixture *f = *state;
    char token[SH_SECRET_CHARS];
    char id[32];
    char body[128];
    (void)snprintf(body, sizeof body, "{\"name\":\"t\",\"roles\":[\"viewer\"],\"expires\":%lld}",
                   (long long)f->t.wall_us / 1000 + 60000);
    make(f, "", body, token, id);
    const struct sh_principal p = by_token(f, token);
    sh_test_advance(&f->t, 60 * SECOND - 1);
    assert_ok(sh_guard_live(f->g, &p));
    sh_test_advance(&f->t, 1);
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED);
    struct sh_principal q;
    assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &q), SH_E_DENIED);
}

static void look(struct fixture *f, const char *id)
{
    struct sh_jw w;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at at = {&sys, SH_TENANT_ROOT, SH_STR("")};
    sh_buf_clear(&f->text);
    sh_jw_init(&w, &f->text);
    assert_ok(sh_guard_get(f->g, &at, SH_GUARD_TOKENS, sh_str_c(id), &w, NULL));
    assert_ok(sh_jw_end(&w));
}

/* When and from where, over a restart; saved now and then, not at each use. */
static void test_the_last_use_is_kept(void **state)
{
    struct fixture *f = *state;
    char token[SH_SECRET_CHARS];
    char id[32];
    char used[64];
    char from[64];
    make(f, "", "{\"name\":\"press\",\"permissions\":[\"history.read\"]}", token, id);
    look(f, id);
    fixture_answer(f, "last_used", used, sizeof used);
    assert_string_equal(used, "");
    sh_test_advance(&f->t, 700 * SECOND);
    const struct sh_principal p = by_token(f, token);
    assert_int_equal(sh_guard_admits(f->g, &p, SH_STR("10.1.2.3"), SH_DOOR_OTHER), SH_REFUSED_NOT);
    assert_null(strstr(fake_disk_value(f->disk, GUARD_TOKEN, id), "10.1.2.3"));
    sh_guard_tick(f->g);
    assert_non_null(strstr(fake_disk_value(f->disk, GUARD_TOKEN, id), "10.1.2.3"));
    sh_test_advance(&f->t, 10 * SECOND);
    (void)by_token(f, token);
    look(f, id);
    fixture_answer(f, "last_used", used, sizeof used);
    fixture_reopen(f); /* what a tick left is written by the close */
    look(f, id);
    fixture_answer(f, "last_used", from, sizeof from);
    assert_string_equal(from, used);
    fixture_answer(f, "last_from", from, sizeof from);
    assert_string_equal(from, "10.1.2.3");
}

static void test_guesses_are_refused(void **state)
{
    struct fixture *f = *state;
    char token[SH_SECRET_CHARS];
    char id[32];
    struct sh_principal p;
    make(f, "", "{\"name\":\"t\",\"roles\":[\"viewer\"]}", token, id);
    static const char *const rows[] = {"", "sht_", "x", "shs_", "Bearer x"};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_guard_by_token(f->g, sh_str_c(rows[i]), &p), SH_E_DENIED);
    }
    for (size_t i = 0; i < strlen(token); i++) {
        const char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &p), SH_E_DENIED);
        token[i] = was;
        assert_int_equal(sh_guard_by_token(f->g, sh_str_of(token, i), &p), SH_E_DENIED);
    }
}

static void test_bound_token_speaks_for_its_device_only(void **state)
{
    struct fixture *f = *state;
    char token[SH_SECRET_CHARS];
    char id[32];
    make(f, "", "{\"name\":\"cnc\",\"device\":\"cnc12\"}", token, id);
    struct sh_principal p = by_token(f, token);
    struct sh_principal_info info;
    assert_true(p.bound);
    assert_ok(sh_guard_describe(f->g, &p, &info));
    assert_string_equal(info.device, "cnc12");
    const struct sh_str own = SH_STR("cnc12");
    const struct sh_str other = SH_STR("cnc13");
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, own));
    assert_int_equal(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, other), SH_E_DENIED);
    assert_int_equal(sh_guard_check_device(f->g, &p, SH_PERM_DEVICES_READ, 1, own), SH_E_DENIED);
    make(f, "", "{\"name\":\"gw\",\"device\":\"gw\",\"roles\":[\"ingest\"]}", token, id);
    p = by_token(f, token);
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, other));
    make(f, "", "{\"name\":\"free\",\"roles\":[\"ingest\"],\"provision\":true}", token, id);
    p = by_token(f, token);
    assert_false(p.bound);
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, other));
    assert_ok(sh_guard_check(f->g, &p, SH_PERM_INGEST_PROVISION, 1));
}

/* The same device id in two tenants: two credentials, two worlds. */
static void test_same_device_id_in_two_tenants_stays_apart(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    char user[2][SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[2][SH_SECRET_CHARS];
    struct sh_principal p;
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a", "{}"));
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    const struct sh_guard_at a = {&sys, fixture_tenant(f, "a"), SH_STR("")};
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("pump"), user[0], secret[0]));
    assert_ok(sh_guard_device_secret_new(f->g, &a, SH_STR("pump"), user[1], secret[1]));
    assert_string_equal(user[0], "pump");
    assert_string_equal(user[1], "pump@a");
    for (size_t i = 0; i < 2; i++) {
        assert_ok(sh_guard_by_secret(f->g, sh_str_c(user[i]), sh_str_c(secret[i]), &p));
        assert_int_equal(p.tenant, i == 0 ? 1 : a.tenant);
        assert_true(p.bound);
        assert_int_equal(
            sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, p.tenant, SH_STR("pump")), SH_OK);
        assert_int_equal(sh_guard_by_secret(f->g, sh_str_c(user[i]), sh_str_c(secret[1 - i]), &p),
                         SH_E_DENIED);
    }
    assert_ok(sh_guard_by_secret(f->g, sh_str_c(user[0]), sh_str_c(secret[0]), &p));
    /* the root's pump is bound: the pump below is another device */
    assert_int_equal(
        sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, a.tenant, SH_STR("pump")),
        SH_E_DENIED);
}

static void test_new_secret_ends_the_old_one(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char first[SH_SECRET_CHARS];
    char second[SH_SECRET_CHARS];
    struct sh_principal p;
    struct sh_principal q;
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("泵@1"), user, first));
    assert_ok(sh_guard_by_secret(f->g, SH_STR("泵@1"), sh_str_c(first), &p));
    fixture_reopen(f);
    assert_ok(sh_guard_by_secret(f->g, SH_STR("泵@1"), sh_str_c(first), &p));
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_device_secret_new(f->g, &root, SH_STR("泵@1"), user, second),
                     SH_E_IO);
    assert_ok(sh_guard_live(f->g, &p));
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("泵@1"), user, second));
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED);
    assert_int_equal(sh_guard_by_secret(f->g, SH_STR("泵@1"), sh_str_c(first), &q), SH_E_DENIED);
    assert_ok(sh_guard_by_secret(f->g, SH_STR("泵@1"), sh_str_c(second), &q));
    const struct sh_principal weak = sh_guard_anonymous(f->g);
    const struct sh_guard_at no = {&weak, 1, SH_STR("")};
    assert_int_equal(sh_guard_device_secret_new(f->g, &no, SH_STR("x"), user, second), SH_E_DENIED);
    assert_int_equal(sh_guard_device_secret_new(f->g, &root, SH_STR(""), user, second), SH_E_INVAL);
    assert_int_equal(sh_guard_device_secret_new(f->g, &root, SH_STR("a\n"), user, second),
                     SH_E_INVAL);
}

static void test_gateway_may_speak_for_others(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    struct sh_principal p;
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("gw"), user, secret));
    assert_ok(sh_guard_by_secret(f->g, SH_STR("gw"), sh_str_c(secret), &p));
    assert_int_equal(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("x")),
                     SH_E_DENIED);
    assert_ok(sh_guard_device_gateway(f->g, &root, SH_STR("gw"), true));
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("x")));
    fixture_reopen(f);
    assert_ok(sh_guard_by_secret(f->g, SH_STR("gw"), sh_str_c(secret), &p));
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("x")));
}

static void test_certificates_stand_for_devices(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    struct sh_principal p;
    struct sh_buf cert;
    struct sh_buf key;
    struct sh_buf ca;
    sh_buf_init(&cert, &f->t.alloc, (size_t)4 * SH_PEM_MAX);
    sh_buf_init(&key, &f->t.alloc, (size_t)4 * SH_PEM_MAX);
    sh_buf_init(&ca, &f->t.alloc, SH_PEM_MAX);
    char hex[SH_HASH_HEX];
    struct sh_guard_issue issue = {SH_STR("cnc12"), 3600 * SECOND, SH_STR(""), ""};
    assert_ok(sh_guard_device_certificate_issue(f->g, &root, &issue, &cert, &key, &f->diag));
    assert_ok(sh_guard_device_ca(f->g, &ca));
    assert_ok(sh_cert_issued_by(f->crypto, sh_buf_bytes(&cert), sh_buf_bytes(&ca)));
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p)); /* by fingerprint */
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("cnc12")));
    fixture_reopen(f);
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p));
    assert_int_equal(sh_guard_device_certificate_add(f->g, &root, SH_STR("other"),
                                                     sh_buf_bytes(&cert), hex, &f->diag),
                     SH_E_EXISTS);
    assert_int_equal(sh_guard_by_certificate(f->g, sh_bytes_of("no certificate", 14), true, &p),
                     SH_E_DENIED);
    /* by common name only when the TLS layer has verified it */
    sh_buf_clear(&cert);
    sh_buf_clear(&key);
    const struct sh_cert_spec spec = {
        .common_name = SH_STR("line 3"),
        .from_us = f->t.wall_us,
        .until_us = f->t.wall_us + 3600 * SECOND,
        .client = true,
    };
    assert_ok(sh_cert_new_key(f->crypto, &key));
    assert_ok(sh_cert_issue(f->crypto, &f->t.random, &spec, sh_buf_str(&key), SH_STR(""),
                            SH_STR(""), &cert));
    assert_int_equal(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &p), SH_E_DENIED);
    assert_ok(
        sh_guard_device_common_name_add(f->g, &root, SH_STR("plc3"), SH_STR("line 3"), &f->diag));
    assert_int_equal(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p), SH_E_DENIED);
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &p));
    assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("plc3")));
    sh_test_advance(&f->t, 3600 * SECOND); /* out of date */
    assert_int_equal(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &p), SH_E_DENIED);
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
    sh_buf_fini(&ca);
}

static sh_err issue_days(struct fixture *f, const char *device, int64_t days, struct sh_buf *cert)
{
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    struct sh_guard_issue o = {.device = sh_str_c(device), .valid_us = days * 86400 * SECOND};
    struct sh_buf key;
    sh_buf_init(&key, &f->t.alloc, SH_PEM_MAX);
    sh_buf_clear(cert);
    const sh_err err = sh_guard_device_certificate_issue(f->g, &root, &o, cert, &key, &f->diag);
    assert_int_equal(key.n > 0, err == SH_OK);
    sh_buf_fini(&key);
    return err;
}

static sh_err revoke(struct fixture *f, const char *device, struct sh_str fingerprint)
{
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    const struct sh_guard_revoke r = {.device = sh_str_c(device), .fingerprint = fingerprint};
    return sh_guard_device_certificate_revoke(f->g, &root, &r);
}

static json_t *certificates(struct fixture *f, const char *device)
{
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    json_t *o = NULL;
    struct sh_buf b;
    struct sh_jw w;
    sh_buf_init(&b, &f->t.alloc, 1 << 20);
    sh_jw_init(&w, &b);
    sh_jw_obj(&w);
    assert_ok(sh_guard_device_certificates_write(f->g, &root, sh_str_c(device), &w));
    sh_jw_obj_end(&w);
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&b), 1 << 20, &o, NULL));
    sh_buf_fini(&b);
    return o;
}

static void test_revoked_certificate_is_refused_for_good(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    struct sh_principal p;
    struct sh_principal live;
    struct sh_buf cert;
    struct sh_cert_info info;
    char hex[SH_HASH_HEX];
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    assert_ok(issue_days(f, "cnc12", 30, &cert));
    assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&cert), &info));
    sh_hash_hex(info.fingerprint, hex);
    /* its common name stands for the device too */
    assert_ok(
        sh_guard_device_common_name_add(f->g, &root, SH_STR("cnc12"), SH_STR("cnc12"), &f->diag));
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &live));
    assert_int_equal(revoke(f, "other", sh_str_c(hex)), SH_E_NOTFOUND);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(revoke(f, "cnc12", sh_str_c(hex)), SH_E_IO);
    assert_ok(sh_guard_live(f->g, &live));
    assert_ok(revoke(f, "cnc12", sh_str_c(hex)));
    assert_int_equal(sh_guard_live(f->g, &live), SH_E_CLOSED);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), true, &p), SH_E_DENIED);
        char shown[SH_HASH_HEX];
        assert_int_equal(sh_guard_device_certificate_add(f->g, &root, SH_STR("cnc12"),
                                                         sh_buf_bytes(&cert), shown, &f->diag),
                         SH_E_EXISTS);
        assert_int_equal(revoke(f, "cnc12", sh_str_c(hex)), SH_E_NOTFOUND);
        json_t *o = certificates(f, "cnc12");
        const json_t *c = json_array_get(json_object_get(o, "items"), 0);
        assert_str(sh_json_get_str(c, "state"), "revoked");
        assert_str(sh_json_get_str(c, "reason"), "unspecified");
        assert_str(sh_json_get_str(c, "source"), "issued");
        assert_true(sh_str_eqc(sh_json_get_str(c, "fingerprint"), hex));
        assert_true(sh_str_eqc(sh_json_get_str(c, "serial"), info.serial));
        assert_int_equal(json_array_size(json_object_get(o, "common_names")), 1);
        json_decref(o);
        fixture_reopen(f);
    }
    assert_ok(sh_guard_device_common_name_remove(f->g, &root, SH_STR("cnc12"), SH_STR("cnc12")));
    assert_int_equal(
        sh_guard_device_common_name_remove(f->g, &root, SH_STR("cnc12"), SH_STR("cnc12")),
        SH_E_NOTFOUND);
    assert_int_equal(revoke(f, "cnc12", SH_STR("zz")), SH_E_NOTFOUND);
    sh_buf_fini(&cert);
}

/* As stored before a certificate had more than its key: it is good, and not much is shown of it. */
static void test_certificate_of_the_first_form_is_read(void **state)
{
    struct fixture *f = *state;
    struct sh_principal p;
    struct sh_buf cert;
    struct sh_cert_info info;
    char key[3 + SH_HASH_HEX] = "fp:";
    char value[256];
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    assert_ok(issue_days(f, "cnc12", 30, &cert));
    assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&cert), &info));
    sh_hash_hex(info.fingerprint, key + 3);
    (void)snprintf(value, sizeof value, "{\"key\":\"%s\",\"tenant\":1,\"device\":\"cnc12\"}", key);
    struct guard_store *store = fake_disk_store(f->disk);
    const struct guard_change c = {GUARD_CERT, sh_str_c(key), sh_str_c(value)};
    assert_ok(store->ops->commit(store, &c, 1));
    fixture_reopen(f);
    assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p));
    json_t *o = certificates(f, "cnc12");
    const json_t *one = json_array_get(json_object_get(o, "items"), 0);
    assert_true(sh_str_eqc(sh_json_get_str(one, "fingerprint"), key + 3));
    assert_true(json_is_null(json_object_get(one, "not_after")));
    assert_str(sh_json_get_str(one, "state"), "valid");
    json_decref(o);
    sh_buf_fini(&cert);
}

static void test_device_has_a_limit_of_certificates_and_forgets_those_out_of_date(void **state)
{
    struct fixture *f = *state;
    struct sh_buf cert;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    for (int i = 0; i < GUARD_CERTS_PER_DEVICE; i++) {
        assert_ok(issue_days(f, "cnc12", i < 2 ? 1 : 30, &cert));
    }
    assert_int_equal(issue_days(f, "cnc12", 30, &cert), SH_E_LIMIT);
    assert_ok(issue_days(f, "other", 30, &cert));
    sh_test_advance(&f->t, 86400 * SECOND);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(issue_days(f, "cnc12", 30, &cert), SH_E_IO);
    assert_ok(issue_days(f, "cnc12", 30, &cert)); /* in place of the two that are over */
    for (int round = 0; round < 2; round++) {
        json_t *o = certificates(f, "cnc12");
        assert_int_equal(json_array_size(json_object_get(o, "items")), GUARD_CERTS_PER_DEVICE - 1);
        json_decref(o);
        fixture_reopen(f);
    }
    assert_int_equal(issue_days(f, "cnc12", 0, &cert), SH_E_INVAL);
    assert_int_equal(issue_days(f, "cnc12", 4000, &cert), SH_E_INVAL);
    sh_buf_fini(&cert);
}

static void test_credentials_follow_a_renamed_device_and_end_with_a_removed_one(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    char token[SH_SECRET_CHARS];
    char id[32];
    struct sh_principal p;
    struct sh_buf cert;
    struct sh_buf key;
    sh_buf_init(&cert, &f->t.alloc, SH_PEM_MAX);
    sh_buf_init(&key, &f->t.alloc, SH_PEM_MAX);
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("old"), user, secret));
    struct sh_guard_issue issue = {SH_STR("old"), 3600 * SECOND, SH_STR(""), ""};
    assert_ok(sh_guard_device_certificate_issue(f->g, &root, &issue, &cert, &key, &f->diag));
    make(f, "", "{\"name\":\"t\",\"device\":\"old\"}", token, id);
    fake_disk_fail(f->disk, 1);
    assert_int_equal(sh_guard_device_renamed(f->g, 1, SH_STR("old"), SH_STR("new")), SH_E_IO);
    assert_ok(sh_guard_by_secret(f->g, SH_STR("old"), sh_str_c(secret), &p));
    assert_ok(sh_guard_device_renamed(f->g, 1, SH_STR("old"), SH_STR("new")));
    for (int round = 0; round < 2; round++) { /* in memory, and as stored */
        assert_int_equal(sh_guard_by_secret(f->g, SH_STR("old"), sh_str_c(secret), &p),
                         SH_E_DENIED);
        assert_ok(sh_guard_by_secret(f->g, SH_STR("new"), sh_str_c(secret), &p));
        assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("new")));
        assert_ok(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p));
        assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("new")));
        p = by_token(f, token);
        assert_ok(sh_guard_check_device(f->g, &p, SH_PERM_INGEST_WRITE, 1, SH_STR("new")));
        fixture_reopen(f);
    }
    p = by_token(f, token);
    assert_ok(sh_guard_device_removed(f->g, 1, SH_STR("new")));
    assert_int_equal(sh_guard_live(f->g, &p), SH_E_CLOSED);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sh_guard_by_secret(f->g, SH_STR("new"), sh_str_c(secret), &p),
                         SH_E_DENIED);
        assert_int_equal(sh_guard_by_certificate(f->g, sh_buf_bytes(&cert), false, &p),
                         SH_E_DENIED);
        assert_int_equal(sh_guard_by_token(f->g, sh_str_c(token), &p), SH_E_DENIED);
        fixture_reopen(f);
    }
    assert_ok(sh_guard_device_removed(f->g, 1, SH_STR("never there")));
    sh_buf_fini(&cert);
    sh_buf_fini(&key);
}

static void test_marks_differ_by_every_part_and_are_the_node_s_own(void **state)
{
    struct fixture *f = *state;
    const struct sh_str a[] = {SH_STR("ab"), SH_STR("c")};
    const struct sh_str b[] = {SH_STR("a"), SH_STR("bc")};
    uint8_t one[SH_HASH_BYTES];
    uint8_t two[SH_HASH_BYTES];
    char token[SH_SECRET_CHARS];
    char id[32];
    struct sh_principal_info info;
    assert_ok(sh_guard_mark(f->g, SH_STR("p"), a, 2, one));
    assert_ok(sh_guard_mark(f->g, SH_STR("p"), b, 2, two));
    assert_memory_not_equal(one, two, sizeof one);
    assert_ok(sh_guard_mark(f->g, SH_STR("q"), a, 2, two));
    assert_memory_not_equal(one, two, sizeof one);
    fixture_reopen(f);
    assert_ok(sh_guard_mark(f->g, SH_STR("p"), a, 2, two));
    assert_memory_equal(one, two, sizeof one);
    /* tokens of one name are told apart */
    make(f, "", "{\"name\":\"t\",\"permissions\":[\"history.read\"]}", token, id);
    const struct sh_principal p = by_token(f, token);
    assert_ok(sh_guard_describe(f->g, &p, &info));
    assert_string_equal(info.token_id, id);
}

static void test_server_certificate_is_kept_and_renewed(void **state)
{
    struct fixture *f = *state;
    const struct sh_str names[] = {SH_STR("localhost"), SH_STR("127.0.0.1")};
    struct sh_buf cert[3];
    struct sh_buf key[3];
    for (size_t i = 0; i < 3; i++) {
        sh_buf_init(&cert[i], &f->t.alloc, SH_PEM_MAX);
        sh_buf_init(&key[i], &f->t.alloc, SH_PEM_MAX);
        if (i == 2) {
            sh_test_advance(&f->t, INT64_C(395) * 86400 * SECOND);
        }
        assert_ok(sh_guard_server_certificate(f->g, names, 2, &cert[i], &key[i]));
    }
    assert_int_equal(cert[0].n, cert[1].n);
    assert_memory_equal(cert[0].p, cert[1].p, cert[0].n);
    struct sh_cert_info info;
    assert_ok(sh_cert_parse(f->crypto, sh_buf_bytes(&cert[2]), &info));
    assert_true(info.until_us > f->t.wall_us);
    assert_int_equal(info.nsans, 2);
    for (size_t i = 0; i < 3; i++) {
        sh_buf_fini(&cert[i]);
        sh_buf_fini(&key[i]);
    }
}

static void test_secrets_at_rest_open_with_their_context_only(void **state)
{
    struct fixture *f = *state;
    struct sh_buf box;
    struct sh_buf out;
    sh_buf_init(&box, &f->t.alloc, 1024);
    sh_buf_init(&out, &f->t.alloc, 1024);
    assert_ok(sh_guard_seal(f->g, SH_STR("channel/7/password"), sh_bytes_of("s3cret", 6), &box));
    fixture_reopen(f);
    assert_ok(sh_guard_unseal(f->g, SH_STR("channel/7/password"), sh_buf_bytes(&box), &out));
    assert_memory_equal(out.p, "s3cret", 6);
    assert_int_equal(sh_guard_unseal(f->g, SH_STR("channel/8/password"), sh_buf_bytes(&box), &out),
                     SH_E_CORRUPT);
    sh_buf_fini(&box);
    sh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_token_works_until_it_is_revoked),
        FIXTURE_TEST(test_token_expires_for_handles_too),
        FIXTURE_TEST(test_the_last_use_is_kept),
        FIXTURE_TEST(test_guesses_are_refused),
        FIXTURE_TEST(test_bound_token_speaks_for_its_device_only),
        FIXTURE_TEST(test_same_device_id_in_two_tenants_stays_apart),
        FIXTURE_TEST(test_new_secret_ends_the_old_one),
        FIXTURE_TEST(test_gateway_may_speak_for_others),
        FIXTURE_TEST(test_certificates_stand_for_devices),
        FIXTURE_TEST(test_revoked_certificate_is_refused_for_good),
        FIXTURE_TEST(test_certificate_of_the_first_form_is_read),
        FIXTURE_TEST(test_device_has_a_limit_of_certificates_and_forgets_those_out_of_date),
        FIXTURE_TEST(test_credentials_follow_a_renamed_device_and_end_with_a_removed_one),
        FIXTURE_TEST(test_marks_differ_by_every_part_and_are_the_node_s_own),
        FIXTURE_TEST(test_server_certificate_is_kept_and_renewed),
        FIXTURE_TEST(test_secrets_at_rest_open_with_their_context_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
