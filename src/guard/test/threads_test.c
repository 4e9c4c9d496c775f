#include "fixture.h"

#include <sched.h>
#include <stdio.h>

enum { CHECKERS = 2, ROUNDS = 60, POSTS = 2000 };

struct shared {
    struct fixture *f;
    struct sh_principal person;
    char token[SH_SECRET_CHARS];
    _Atomic bool stop;
    _Atomic uint64_t checks;
    _Atomic uint64_t wrong;
    _Atomic int answers;
};

/* devices.read and records.read are never both there: the role has one or the other. */
static void checker(void *ctx)
{
    struct shared *s = ctx;
    struct sh_guard *g = s->f->g;
    while (!atomic_load(&s->stop)) {
        struct sh_principal p;
        const uint64_t bits = guard_subject_permissions(g, &s->person);
        const bool a = (bits & sh_permission_bit(SH_PERM_DEVICES_READ)) != 0;
        const bool b = (bits & sh_permission_bit(SH_PERM_RECORDS_READ)) != 0;
        if ((a && b) || sh_guard_check(g, &s->person, SH_PERM_CONFIG_WRITE, 1) == SH_OK) {
            atomic_fetch_add(&s->wrong, 1);
        }
        if (sh_guard_by_token(g, sh_str_c(s->token), &p) == SH_OK &&
            sh_guard_check(g, &p, SH_PERM_CONFIG_WRITE, 1) == SH_OK) {
            atomic_fetch_add(&s->wrong, 1);
        }
        struct sh_principal_info info;
        if (sh_guard_describe(g, &s->person, &info) == SH_OK && info.name[0] == '\0') {
            atomic_fetch_add(&s->wrong, 1);
        }
        int64_t wait = 0;
        if (sh_guard_rate(g, 1, 10, &wait) != SH_OK ||
            sh_guard_use(g, 1, SH_QUOTA_CONNECTIONS, 1) != SH_OK) {
            atomic_fetch_add(&s->wrong, 1);
        }
        sh_guard_unuse(g, 1, SH_QUOTA_CONNECTIONS, 1);
        atomic_fetch_add(&s->checks, 1);
    }
}

static void poster(void *ctx)
{
    struct shared *s = ctx;
    const struct sh_audit a = {.by = &s->person, .tenant = 1, .act = SH_STR("topic.refused")};
    for (int i = 0; i < POSTS && !atomic_load(&s->stop); i++) {
        sh_guard_audit_post(s->f->g, &a);
    }
}

static void answered(void *ctx, sh_err err, struct sh_principal who)
{
    struct shared *s = ctx;
    SH_UNUSED(who);
    if (err != SH_E_DENIED && err != SH_OK && err != SH_E_CANCELED) {
        atomic_fetch_add(&s->wrong, 1);
    }
    atomic_fetch_add(&s->answers, 1);
}

static void change_things(struct shared *s, const struct sh_principal *sys)
{
    static const char *const roles[] = {"{\"permissions\":[\"devices.read\"]}",
                                        "{\"permissions\":[\"records.read\"]}"};
    struct fixture *f = s->f;
    for (int i = 0; i < ROUNDS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t%d", i % 7);
        assert_ok(fixture_put(f, sys, "", SH_GUARD_ROLES, "chef", roles[i % 2]));
        assert_ok(fixture_put(f, sys, "", SH_GUARD_TENANTS, name, "{}"));
        assert_ok(fixture_put(f, sys, "", SH_GUARD_TOKENS, "",
                              "{\"name\":\"t\",\"roles\":[\"viewer\"]}"));
        char id[32];
        fixture_answer(f, "id", id, sizeof id);
        const struct sh_sign_in in = fixture_sign_in(f, "admin", ADMIN_PASSWORD);
        assert_ok(sh_guard_sign_out(f->g, sh_str_c(in.token)));
        assert_ok(fixture_delete(f, sys, "", SH_GUARD_TOKENS, id));
        sh_guard_tick(f->g);
    }
}

static void test_checks_run_while_everything_changes(void **state)
{
    struct fixture *f = *state;
    static struct shared s;
    struct sh_thread threads[CHECKERS + 1] = {0};
    assert_ok(sh_workers_new(&f->t.env, 2, 64, &f->workers));
    f->set.lock_after = 1000000; /* failures are part of it */
    f->set.lock_address_after = 1000000;
    fixture_reopen(f);
    memset(&s, 0, sizeof s);
    s.f = f;
    const struct sh_principal sys = sh_guard_system(f->g);
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_ROLES, "chef", "{\"permissions\":[\"devices.read\"]}"));
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_PEOPLE, "li",
                          "{\"roles\":[\"chef\"],\"password\":\"a long pass phrase\"}"));
    assert_ok(
        fixture_put(f, &sys, "", SH_GUARD_TOKENS, "", "{\"name\":\"t\",\"roles\":[\"chef\"]}"));
    fixture_answer(f, "token", s.token, sizeof s.token);
    s.person = fixture_sign_in(f, "li", "a long pass phrase").who;
    for (int i = 0; i < CHECKERS; i++) {
        assert_ok(sh_thread_start(&threads[i], "checker", checker, &s));
    }
    assert_ok(sh_thread_start(&threads[CHECKERS], "poster", poster, &s));
    int asked = 0;
    for (int i = 0; i < 12; i++) { /* passwords on the workers, one at a time */
        struct sh_principal p;
        const struct sh_credentials c = {
            .user = SH_STR("li"),
            .password = i % 2 == 0 ? SH_STR("a long pass phrase!") : SH_STR("wrong"),
            .peer = SH_STR("10.0.0.1"),
        };
        const sh_err err = sh_guard_authenticate(f->g, &c, &p, answered, &s);
        assert_true(err == SH_E_AGAIN || err == SH_E_LIMIT);
        asked += err == SH_E_AGAIN ? 1 : 0;
    }
    change_things(&s, &sys);
    atomic_store(&s.stop, true);
    for (int i = 0; i <= CHECKERS; i++) {
        sh_thread_join(&threads[i]);
    }
    sh_workers_stop(f->workers); /* runs what is queued */
    struct sh_principal p;
    const struct sh_credentials c = {
        .user = SH_STR("li"), .password = SH_STR("late"), .peer = SH_STR("10.0.0.1")};
    assert_int_equal(sh_guard_authenticate(f->g, &c, &p, answered, &s), SH_E_AGAIN);
    asked++;
    sh_guard_tick(f->g); /* no worker took that one: the tick does */
    assert_int_equal(atomic_load(&s.answers), asked);
    sh_workers_free(f->workers);
    f->workers = NULL;
    f->g->workers = NULL;
    sh_guard_tick(f->g);
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_int_equal(atomic_load(&s.answers), asked);
    assert_true(atomic_load(&s.checks) > 0);
    struct sh_audit_report r;
    assert_ok(sh_audit_verify(&(struct sh_audit_proof){.env = &f->t.env,
                                                       .crypto = f->crypto,
                                                       .store = fake_disk_store(f->disk),
                                                       .dir = "data"},
                              &r));
    assert_true(r.entries > 3 * (uint64_t)ROUNDS);
}

/* Many threads charge one quota: never one too many. */
static void taker(void *ctx)
{
    struct shared *s = ctx;
    for (int i = 0; i < 2000; i++) {
        if (sh_guard_use(s->f->g, 2, SH_QUOTA_POINTS, 1) == SH_OK) {
            atomic_fetch_add(&s->checks, 1);
        }
    }
}

static void test_quota_is_exact_under_threads(void **state)
{
    struct fixture *f = *state;
    static struct shared s;
    struct sh_thread threads[CHECKERS] = {0};
    const struct sh_principal sys = sh_guard_system(f->g);
    memset(&s, 0, sizeof s);
    s.f = f;
    assert_ok(fixture_put(f, &sys, "", SH_GUARD_TENANTS, "a", "{\"quotas\":{\"points\":3333}}"));
    for (int i = 0; i < CHECKERS; i++) {
        assert_ok(sh_thread_start(&threads[i], "taker", taker, &s));
    }
    for (int i = 0; i < CHECKERS; i++) {
        sh_thread_join(&threads[i]);
    }
    assert_int_equal(atomic_load(&s.checks), 3333);
}

/* Two changes of the master key at once, while others seal and unseal: one after the other, and
 * what is on the disk afterwards opens everything. */
enum { MASTERS = 2, MASTER_ROUNDS = 3 }; /* fewer in all than the ring keeps */
struct turn {
    struct shared *s;
    struct sh_principal sys;
    sh_err err;
};

static void turner(void *ctx)
{
    struct turn *t = ctx;
    const struct sh_guard_at at = {.by = &t->sys, .tenant = SH_TENANT_ROOT};
    for (int i = 0; i < MASTER_ROUNDS && t->err == SH_OK; i++) {
        struct sh_diag diag = {0};
        uint32_t n = 0;
        t->err = sh_guard_keys_rotate(t->s->f->g, &at, true, &n, &diag);
    }
}

static void sealer(void *ctx)
{
    struct shared *s = ctx;
    const struct sh_alloc *al = &s->f->t.alloc;
    while (!atomic_load(&s->stop)) {
        struct sh_buf box;
        struct sh_buf out;
        sh_buf_init(&box, al, 256);
        sh_buf_init(&out, al, 256);
        if (sh_guard_seal(s->f->g, SH_STR("channel/1"), sh_bytes_of("s3cret", 6), &box) != SH_OK ||
            sh_guard_unseal(s->f->g, SH_STR("channel/1"), sh_buf_bytes(&box), &out) != SH_OK ||
            out.n != 6) {
            atomic_fetch_add(&s->wrong, 1);
        }
        sh_buf_fini(&box);
        sh_buf_fini(&out);
        atomic_fetch_add(&s->checks, 1);
    }
}

static void test_two_changes_of_the_master_key_do_not_meet(void **state)
{
    struct fixture *f = *state;
    static struct shared s;
    struct turn turns[MASTERS];
    struct sh_thread threads[MASTERS + 1] = {0};
    struct sh_buf box;
    struct sh_buf out;
    memset(&s, 0, sizeof s);
    s.f = f;
    sh_buf_init(&box, &f->t.alloc, 256);
    sh_buf_init(&out, &f->t.alloc, 256);
    assert_ok(sh_guard_seal(f->g, SH_STR("channel/1"), sh_bytes_of("before", 6), &box));
    assert_ok(sh_thread_start(&threads[MASTERS], "sealer", sealer, &s));
    while (atomic_load(&s.checks) == 0) { /* the changes may be over before it begins, else */
        (void)sched_yield();
    }
    for (int i = 0; i < MASTERS; i++) {
        turns[i] = (struct turn){&s, sh_guard_system(f->g), SH_OK};
        assert_ok(sh_thread_start(&threads[i], "turner", turner, &turns[i]));
    }
    for (int i = 0; i < MASTERS; i++) {
        sh_thread_join(&threads[i]);
        assert_int_equal(turns[i].err, SH_OK);
    }
    atomic_store(&s.stop, true);
    sh_thread_join(&threads[MASTERS]);
    assert_int_equal(atomic_load(&s.wrong), 0);
    fixture_reopen(f);
    assert_ok(sh_guard_unseal(f->g, SH_STR("channel/1"), sh_buf_bytes(&box), &out));
    assert_memory_equal(out.p, "before", 6);
    assert_int_equal(fake_disk_audited(f->disk, "node.key_rotated"), MASTERS * MASTER_ROUNDS);
    sh_buf_fini(&box);
    sh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_checks_run_while_everything_changes),
        FIXTURE_TEST(test_quota_is_exact_under_threads),
        FIXTURE_TEST(test_two_changes_of_the_master_key_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
