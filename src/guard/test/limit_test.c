#include "fixture.h"

#include <stdio.h>

#define SECOND INT64_C(1000000)

static sh_err try_in(struct fixture *f, const char *user, const char *password, const char *peer,
                     int64_t *wait)
{
    struct sh_sign_in in;
    const sh_err err =
        sh_guard_sign_in(f->g, sh_str_c(user), sh_str_c(password), sh_str_c(peer), &in);
    *wait = in.retry_after_us;
    return err;
}

static void test_user_is_locked_out_and_the_lock_doubles(void **state)
{
    struct fixture *f = *state;
    int64_t wait = 0;
    for (uint32_t i = 0; i < f->set.lock_after; i++) {
        assert_int_equal(try_in(f, "admin", "wrong", "10.0.0.1", &wait), SH_E_DENIED);
    }
    for (int64_t lock = f->set.lock_first_us; lock < 64 * SECOND; lock *= 2) {
        /* also with the right password, and from another address */
        assert_int_equal(try_in(f, "admin", ADMIN_PASSWORD, "10.0.0.2", &wait), SH_E_LIMIT);
        assert_int_equal(wait, lock);
        sh_test_advance(&f->t, lock - 1);
        assert_int_equal(try_in(f, "admin", ADMIN_PASSWORD, "10.0.0.2", &wait), SH_E_LIMIT);
        sh_test_advance(&f->t, 1);
        assert_int_equal(try_in(f, "admin", "wrong", "10.0.0.1", &wait), SH_E_DENIED);
    }
    sh_test_advance(&f->t, 64 * SECOND);
    assert_ok(try_in(f, "admin", ADMIN_PASSWORD, "10.0.0.3", &wait)); /* and that forgets it */
    for (uint32_t i = 0; i + 1 < f->set.lock_after; i++) {
        assert_int_equal(try_in(f, "admin", "wrong", "10.0.0.4", &wait), SH_E_DENIED);
    }
    assert_ok(try_in(f, "admin", ADMIN_PASSWORD, "10.0.0.4", &wait));
}

static void test_lock_has_a_longest_and_is_forgotten_after_an_hour(void **state)
{
    struct fixture *f = *state;
    struct guard_fails fails = {0};
    for (int i = 0; i < 100; i++) {
        guard_fails_add(&f->set, &fails, 5, i);
    }
    assert_int_equal(guard_fails_wait(&fails, 99), f->set.lock_max_us);
    guard_fails_add(&f->set, &fails, 5, 99 + 3600 * SECOND + 1);
    assert_int_equal(fails.fails, 1);
}

static void test_unknown_users_are_locked_out_alike(void **state)
{
    struct fixture *f = *state;
    int64_t wait = 0;
    for (uint32_t i = 0; i < f->set.lock_after; i++) {
        assert_int_equal(try_in(f, "ghost", "wrong", "10.0.0.1", &wait), SH_E_DENIED);
    }
    assert_int_equal(try_in(f, "ghost", "wrong", "10.0.0.2", &wait), SH_E_LIMIT);
    assert_int_equal(wait, f->set.lock_first_us);
}

static void test_address_is_locked_out_over_many_users(void **state)
{
    struct fixture *f = *state;
    int64_t wait = 0;
    char user[32];
    for (uint32_t i = 0; i < f->set.lock_address_after; i++) {
        (void)snprintf(user, sizeof user, "user%u", i);
        /* addresses of one /64 count as one */
        char peer[64];
        (void)snprintf(peer, sizeof peer, "2001:db8:0:1::%x", i + 1);
        assert_int_equal(try_in(f, user, "wrong", peer, &wait), SH_E_DENIED);
    }
    assert_int_equal(try_in(f, "admin", ADMIN_PASSWORD, "2001:db8:0:1:ffff::1", &wait), SH_E_LIMIT);
    assert_ok(try_in(f, "admin", ADMIN_PASSWORD, "2001:db8:0:2::1", &wait));
    assert_ok(try_in(f, "admin", ADMIN_PASSWORD, "10.0.0.1", &wait));
}

static void test_peer_key_and_loopback(void **state)
{
    SH_UNUSED(state);
    static const struct {
        const char *peer;
        const char *key;
        bool loopback;
    } rows[] = {
        {"10.1.2.3", "10.1.2.3", false},
        {"::ffff:10.1.2.3", "10.1.2.3", false},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"127.255.0.1", "127.255.0.1", true},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", false},
        {"[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::", false},
        {"fe80::1%eth0", "fe80::", false},
        {"::1", "::", true},
        {"", "", false},
        {"a name", "a name", false},
        {"127.0.0.1x", "127.0.0.1x", false},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        char buf[64];
        const struct sh_str key = guard_peer_key(sh_str_c(rows[i].peer), buf);
        assert_true(sh_str_eqc(key, rows[i].key));
        assert_int_equal(guard_peer_is_loopback(sh_str_c(rows[i].peer)), rows[i].loopback);
    }
}

static void test_success_is_cached_until_the_password_changes(void **state)
{
    struct fixture *f = *state;
    struct sh_guard_stats s;
    for (int i = 0; i < 3; i++) {
        (void)fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    }
    sh_guard_stats(f->g, &s);
    assert_int_equal(s.password_hashes, 1);
    assert_int_equal(s.password_cache_hits, 2);
    sh_test_advance(&f->t, 600 * SECOND);
    const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
    sh_guard_stats(f->g, &s);
    assert_int_equal(s.password_hashes, 2);
    assert_ok(sh_guard_change_password(f->g, &in.who, SH_STR(ADMIN_PASSWORD),
                                       SH_STR("another long one"), sh_str_c(in.token),
                                       SH_STR("::1"), &f->diag));
    int64_t wait = 0;
    assert_int_equal(try_in(f, "admin", ADMIN_PASSWORD, "::1", &wait), SH_E_DENIED);
}

/* ---- MQTT CONNECT ---- */

struct answer {
    int calls;
    sh_err err;
    struct sh_principal who;
};

static void take_answer(void *ctx, sh_err err, struct sh_principal who)
{
    struct answer *a = ctx;
    a->calls++;
    a->err = err;
    a->who = who;
}

static sh_err connect_as(struct fixture *f, const char *user, const char *password,
                         struct answer *a)
{
    const struct sh_credentials c = {
        .user = sh_str_c(user), .password = sh_str_c(password), .peer = SH_STR("10.0.0.9")};
    *a = (struct answer){.err = SH_E_INTERNAL};
    return sh_guard_authenticate(f->g, &c, &a->who, take_answer, a);
}

static void test_connect_by_each_kind_of_credential(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    char token[SH_SECRET_CHARS];
    char user[SH_DEVICE_ID_MAX + SH_TENANT_PATH_MAX + 2];
    char secret[SH_SECRET_CHARS];
    const struct sh_principal sys = sh_guard_system(f->g);
    const struct sh_guard_at root = {&sys, 1, SH_STR("")};
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"ingest\"]}"));
    fixture_answer(f, "token", token, sizeof token);
    assert_ok(sh_guard_device_secret_new(f->g, &root, SH_STR("pump"), user, secret));
    assert_ok(connect_as(f, token, "", &a)); /* token as the user name */
    assert_int_equal(a.who.kind, SH_PRINCIPAL_TOKEN);
    assert_ok(connect_as(f, "pump", secret, &a));
    assert_int_equal(a.who.kind, SH_PRINCIPAL_DEVICE);
    assert_int_equal(connect_as(f, "pump", "wrong", &a), SH_E_DENIED); /* at once */
    assert_int_equal(connect_as(f, "", "", &a), SH_E_DENIED);
    assert_int_equal(connect_as(f, "pump", "", &a), SH_E_DENIED);
    assert_int_equal(a.calls, 0);
    assert_int_equal(connect_as(f, "admin", ADMIN_PASSWORD, &a), SH_E_AGAIN);
    assert_int_equal(a.calls, 0);
    sh_guard_tick(f->g);
    assert_int_equal(a.calls, 1);
    assert_ok(a.err);
    assert_int_equal(a.who.kind, SH_PRINCIPAL_PERSON);
    assert_ok(sh_guard_check(f->g, &a.who, SH_PERM_MQTT_ANY_TOPIC, 1));
    assert_ok(connect_as(f, "admin", ADMIN_PASSWORD, &a)); /* known now: no hash */
    assert_int_equal(connect_as(f, "admin", "wrong", &a), SH_E_AGAIN);
    sh_guard_tick(f->g);
    assert_int_equal(a.err, SH_E_DENIED);
}

static void test_devices_that_knock_in_vain_do_not_lock_the_console(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct sh_sign_in in;
    for (uint32_t i = 0; i < f->set.lock_address_after; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "lost%u", i);
        assert_int_equal(connect_as(f, user, "wrong", &a), SH_E_AGAIN);
        sh_guard_tick(f->g);
        assert_int_equal(a.err, SH_E_DENIED);
    }
    assert_int_equal(connect_as(f, "admin", ADMIN_PASSWORD, &a), SH_E_LIMIT);
    assert_ok(
        sh_guard_sign_in(f->g, SH_STR("admin"), SH_STR(ADMIN_PASSWORD), SH_STR("10.0.0.9"), &in));
}

static void test_queue_of_passwords_is_bounded_and_canceled_by_close(void **state)
{
    struct fixture *f = *state;
    struct answer a[4];
    struct answer over;
    f->set.password_waiting = 4;
    fixture_reopen(f);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(connect_as(f, "admin", "wrong", &a[i]), SH_E_AGAIN);
    }
    assert_int_equal(connect_as(f, "admin", "wrong", &over), SH_E_LIMIT);
    int64_t wait = 0;
    assert_int_equal(try_in(f, "admin", ADMIN_PASSWORD, "::1", &wait), SH_E_LIMIT);
    assert_true(wait > 0);
    fixture_reopen(f);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a[i].calls, 1);
        assert_int_equal(a[i].err, SH_E_CANCELED);
    }
    assert_int_equal(over.calls, 0);
    assert_ok(try_in(f, "admin", ADMIN_PASSWORD, "::1", &wait));
}

static void test_stop_cancels_the_queue_and_takes_no_more(void **state)
{
    struct fixture *f = *state;
    struct answer a[2];
    struct answer over;
    struct answer later;
    assert_int_equal(connect_as(f, "admin", "wrong", &a[0]), SH_E_AGAIN);
    assert_int_equal(connect_as(f, "admin", "wrong", &a[1]), SH_E_AGAIN);
    sh_guard_stop(f->g);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(a[i].calls, 1);
        assert_int_equal(a[i].err, SH_E_CANCELED);
    }
    assert_int_equal(connect_as(f, "admin", "wrong", &over), SH_E_LIMIT);
    sh_guard_stop(f->g); /* again: nothing to do */
    fixture_reopen(f);
    assert_int_equal(over.calls, 0);
    assert_int_equal(connect_as(f, "admin", "wrong", &later), SH_E_AGAIN);
    sh_guard_tick(f->g);
    assert_int_equal(later.calls, 1);
}

/* ---- quotas, rates, throttles ---- */

static void test_quota_counts_at_the_tenant_and_above(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "p", "{\"quotas\":{\"points\":10}}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "p/a", "{\"quotas\":{\"points\":8}}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "p/b", "{}"));
    const uint32_t p = fixture_tenant(f, "p");
    const uint32_t a = fixture_tenant(f, "p/a");
    const uint32_t b = fixture_tenant(f, "p/b");
    struct sh_tenant_use use;
    assert_ok(sh_guard_use(f->g, a, SH_QUOTA_POINTS, 8));
    assert_int_equal(sh_guard_use(f->g, a, SH_QUOTA_POINTS, 1), SH_E_LIMIT); /* its own */
    assert_ok(sh_guard_use(f->g, b, SH_QUOTA_POINTS, 2));
    assert_int_equal(sh_guard_use(f->g, b, SH_QUOTA_POINTS, 1), SH_E_LIMIT); /* that of p */
    assert_ok(sh_guard_tenant_use(f->g, b, &use));
    assert_int_equal(use.use[SH_QUOTA_POINTS], 2); /* the refused one is not charged */
    assert_ok(sh_guard_tenant_use(f->g, p, &use));
    assert_int_equal(use.use[SH_QUOTA_POINTS], 10);
    assert_int_equal(use.limit[SH_QUOTA_POINTS], 10);
    assert_int_equal(use.refused[SH_QUOTA_POINTS], 1);
    assert_ok(sh_guard_tenant_use(f->g, 1, &use));
    assert_int_equal(use.use[SH_QUOTA_POINTS], 10);
    sh_guard_unuse(f->g, a, SH_QUOTA_POINTS, 3);
    assert_ok(sh_guard_use(f->g, b, SH_QUOTA_POINTS, 3));
    sh_guard_unuse(f->g, a, SH_QUOTA_POINTS, 100); /* never below nothing */
    assert_ok(sh_guard_tenant_use(f->g, a, &use));
    assert_int_equal(use.use[SH_QUOTA_POINTS], 0);
    assert_int_equal(sh_guard_use(f->g, a, SH_QUOTA_POINTS, UINT64_MAX), SH_E_LIMIT);
    assert_int_equal(sh_guard_use(f->g, 77, SH_QUOTA_POINTS, 1), SH_E_INVAL);
    assert_int_equal(sh_guard_use(f->g, a, SH_QUOTA_RATE, 1), SH_E_INVAL);
    fixture_reopen(f); /* limits are stored, use is counted anew by who uses */
    assert_ok(sh_guard_tenant_use(f->g, p, &use));
    assert_int_equal(use.limit[SH_QUOTA_POINTS], 10);
    assert_int_equal(use.use[SH_QUOTA_POINTS], 0);
}

static void test_rate_allows_a_burst_and_then_the_average(void **state)
{
    struct fixture *f = *state;
    const struct sh_principal sys = sh_guard_system(f->g);
    int64_t wait = 0;
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "p", "{\"quotas\":{\"rate\":1000}}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "p/a", "{\"quotas\":{\"rate\":100000}}"));
    const uint32_t a = fixture_tenant(f, "p/a");
    for (int i = 0; i < 10; i++) { /* ten seconds' worth at once */
        assert_ok(sh_guard_rate(f->g, a, 1000, &wait));
    }
    assert_int_equal(sh_guard_rate(f->g, a, 500, &wait), SH_E_LIMIT);
    assert_int_equal(wait, SECOND / 2 + 1);
    sh_test_advance(&f->t, SECOND / 2);
    assert_ok(sh_guard_rate(f->g, a, 500, &wait));
    assert_int_equal(sh_guard_rate(f->g, a, 1, &wait), SH_E_LIMIT);
    /* what was refused above did not use up the child's own rate */
    const struct guard_tenant *t = guard_tenant_at(f->g, a);
    assert_int_equal(atomic_load(&t->arrival_ns) / 1000000, f->t.mono_us / 1000 + 5);
    sh_test_advance(&f->t, 60 * SECOND);
    assert_ok(sh_guard_rate(f->g, a, 50000, &wait)); /* larger than the burst: once, when rested */
    assert_int_equal(sh_guard_rate(f->g, a, 50000, &wait), SH_E_LIMIT);
    assert_true(wait > 0);
    assert_ok(sh_guard_rate(f->g, 1, 1000000, &wait)); /* no limit */
}

static void test_throttle_is_per_key_and_bounded(void **state)
{
    struct fixture *f = *state;
    int64_t wait = 0;
    for (int i = 0; i < 5; i++) {
        assert_ok(sh_guard_throttle(f->g, SH_STR("a"), 10, 5, &wait));
    }
    assert_int_equal(sh_guard_throttle(f->g, SH_STR("a"), 10, 5, &wait), SH_E_LIMIT);
    assert_int_equal(wait, SECOND / 10);
    assert_ok(sh_guard_throttle(f->g, SH_STR("b"), 10, 5, &wait));
    sh_test_advance(&f->t, SECOND / 10);
    assert_ok(sh_guard_throttle(f->g, SH_STR("a"), 10, 5, &wait));
    for (int i = 0; i < 50000; i++) { /* many keys: old ones are forgotten, nothing grows */
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_ok(sh_guard_throttle(f->g, sh_str_c(key), 10, 5, &wait));
    }
    assert_int_equal(sh_guard_throttle(f->g, SH_STR("a"), 0, 5, &wait), SH_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_user_is_locked_out_and_the_lock_doubles),
        FIXTURE_TEST(test_lock_has_a_longest_and_is_forgotten_after_an_hour),
        FIXTURE_TEST(test_unknown_users_are_locked_out_alike),
        FIXTURE_TEST(test_address_is_locked_out_over_many_users),
        cmocka_unit_test(test_peer_key_and_loopback),
        FIXTURE_TEST(test_success_is_cached_until_the_password_changes),
        FIXTURE_TEST(test_connect_by_each_kind_of_credential),
        FIXTURE_TEST(test_devices_that_knock_in_vain_do_not_lock_the_console),
        FIXTURE_TEST(test_queue_of_passwords_is_bounded_and_canceled_by_close),
        FIXTURE_TEST(test_stop_cancels_the_queue_and_takes_no_more),
        FIXTURE_TEST(test_quota_counts_at_the_tenant_and_above),
        FIXTURE_TEST(test_rate_allows_a_burst_and_then_the_average),
        FIXTURE_TEST(test_throttle_is_per_key_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
