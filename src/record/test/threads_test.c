#include "store_fix.h"

enum { WRITERS = 6, EACH = 60 };

struct job {
    struct fix *f;
    int id;
    sh_err err;
};

/* All writers fight for one counter by expected revision, and write records of their own. */
static void count_up(void *ctx)
{
    struct job *j = ctx;
    struct sh_arena *ar = sh_arena_new(&j->f->t.alloc, 1 << 20);
    for (int done = 0; done < EACH && j->err == SH_OK;) {
        struct sh_record_row row = {.rev = 0};
        char doc[48];
        char own[32];
        sh_arena_reset(ar);
        j->err = sh_record_get(j->f->r, 1, SH_STR("_c"), SH_STR("n"), ar, &row);
        if (j->err != SH_OK) {
            break;
        }
        (void)snprintf(doc, sizeof doc, "{\"n\":%llu}", (unsigned long long)row.rev);
        (void)snprintf(own, sizeof own, "%d-%d", j->id, done);
        struct sh_record_tx *tx = NULL;
        const struct sh_record_put a = {.tenant = 1,
                                        .type = SH_STR("_c"),
                                        .id = SH_STR("n"),
                                        .doc = sh_str_c(doc),
                                        .expect = row.rev,
                                        .flags = SH_RECORD_F_FEED};
        const struct sh_record_put b = {.tenant = 1,
                                        .type = SH_STR("_own"),
                                        .id = sh_str_c(own),
                                        .doc = SH_STR("{\"t\":\"水泵\"}"),
                                        .flags = SH_RECORD_F_TEXT};
        j->err = sh_record_tx_new(j->f->r, SH_STR("w"), &tx);
        if (j->err == SH_OK && sh_record_tx_put(tx, &a) == SH_OK &&
            sh_record_tx_put(tx, &b) == SH_OK) {
            const sh_err err = sh_record_tx_commit(tx, NULL, NULL);
            done += err == SH_OK ? 1 : 0;
            j->err = err == SH_E_CONFLICT ? SH_OK : err;
        }
        sh_record_tx_free(tx);
    }
    sh_arena_free(ar);
}

/* Follows the feed while they write: no change is missed, none comes twice. */
static void follow(void *ctx)
{
    struct job *j = ctx;
    uint64_t at = 0;
    uint64_t rev = 0;
    struct sh_arena *ar = sh_arena_new(&j->f->t.alloc, 8 << 20);
    while (rev < WRITERS * EACH + 1 && j->err == SH_OK) {
        struct sh_record_change *c = NULL;
        size_t n = 0;
        sh_arena_reset(ar);
        const sh_err wait = sh_record_changes_wait(j->f->r, at, 10000000);
        j->err = wait == SH_E_TIMEOUT ? SH_OK : wait;
        if (j->err == SH_OK) {
            j->err = sh_record_changes(j->f->r, at, 1, SH_STR("_c"), 7, ar, &c, &n, &at);
        }
        for (size_t i = 0; i < n && j->err == SH_OK; i++) {
            j->err = c[i].rev == ++rev ? SH_OK : SH_E_INTERNAL;
        }
    }
    sh_arena_free(ar);
}

static void test_many_writers_and_readers_lose_no_change(void **state)
{
    struct fix *f = *state;
    struct job jobs[WRITERS + 1];
    struct sh_thread threads[WRITERS + 1];
    struct sh_record_row row;
    struct sh_record_stats st;
    assert_ok(fix_put(f, "_c", "n", "{}", 0, NULL));
    for (int i = 0; i <= WRITERS; i++) {
        jobs[i] = (struct job){.f = f, .id = i};
        assert_ok(sh_thread_start(&threads[i], "t", i == WRITERS ? follow : count_up, &jobs[i]));
    }
    for (int i = 0; i <= WRITERS; i++) {
        sh_thread_join(&threads[i]);
        assert_int_equal(jobs[i].err, SH_OK);
    }
    assert_ok(fix_get(f, "_c", "n", &row));
    assert_int_equal(row.rev, WRITERS * EACH + 1);
    const struct sh_record_query q = {
        .tenant = 1, .type = SH_STR("_own"), .search = SH_STR("水泵"), .want_total = true};
    struct sh_record_page page;
    assert_ok(sh_record_list(f->r, &q, f->ar, &page, NULL));
    assert_int_equal(page.total, WRITERS * EACH);
    sh_record_stats(f->r, &st);
    assert_int_equal(st.txs, WRITERS * EACH + 1);
}

/* ------------------------------------------------------------------ asynchronous, groups */

struct waits {
    struct sh_mutex lock;
    struct sh_cond cond;
    unsigned done;
    unsigned ok;
    uint64_t revs;
};

static void finished(void *ctx, sh_err err, struct sh_record_tx *tx)
{
    struct waits *w = ctx;
    sh_mutex_lock(&w->lock);
    w->done++;
    w->ok += err == SH_OK ? 1 : 0;
    w->revs += sh_record_tx_rev(tx, 0);
    sh_cond_signal(&w->cond);
    sh_mutex_unlock(&w->lock);
}

static void test_waiting_transactions_share_a_commit_and_fail_alone(void **state)
{
    enum { N = 1000 };
    struct fix *f = *state;
    struct waits w = {.done = 0};
    struct sh_record_stats st;
    sh_mutex_init(&w.lock);
    sh_cond_init(&w.cond);
    for (int i = 0; i < N; i++) {
        char id[16];
        struct sh_record_tx *tx = NULL;
        (void)snprintf(id, sizeof id, "%d", i);
        const struct sh_record_put p = {.tenant = 1,
                                        .type = SH_STR("_k"),
                                        .id = sh_str_c(id),
                                        .doc = SH_STR("{}"),
                                        .expect = i % 10 == 0 ? 5 : 0}; /* each tenth is wrong */
        assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
        assert_ok(sh_record_tx_put(tx, &p));
        assert_ok(sh_record_tx_commit_async(tx, finished, &w));
    }
    sh_mutex_lock(&w.lock);
    while (w.done < N) {
        sh_cond_wait(&w.cond, &w.lock);
    }
    sh_mutex_unlock(&w.lock);
    assert_int_equal(w.ok, N - N / 10);
    assert_int_equal(w.revs, N - N / 10);
    sh_record_stats(f->r, &st);
    assert_int_equal(st.refused, N / 10);
    assert_true(st.commits < N / 2);
    sh_cond_fini(&w.cond);
    sh_mutex_fini(&w.lock);
}

static void test_queue_has_a_limit(void **state)
{
    struct fix *f = *state;
    struct waits w = {.done = 0};
    unsigned taken = 0;
    unsigned refused = 0;
    sh_mutex_init(&w.lock);
    sh_cond_init(&w.cond);
    sh_record_close(f->r);
    f->cfg.max_queue = 2;
    fix_open(f);
    for (int i = 0; i < 2000 && refused == 0; i++) {
        struct sh_record_tx *tx = NULL;
        const struct sh_record_put p = {.tenant = 1,
                                        .type = SH_STR("_k"),
                                        .id = SH_STR("a"),
                                        .doc = SH_STR("{}"),
                                        .expect = SH_RECORD_ANY};
        assert_ok(sh_record_tx_new(f->r, SH_STR(""), &tx));
        assert_ok(sh_record_tx_put(tx, &p));
        const sh_err err = sh_record_tx_commit_async(tx, finished, &w);
        if (err == SH_OK) {
            taken++;
        } else {
            assert_int_equal(err, SH_E_LIMIT);
            sh_record_tx_free(tx);
            refused++;
        }
    }
    assert_int_equal(refused, 1);
    sh_record_close(f->r); /* commits what waits */
    assert_int_equal(w.ok, taken);
    fix_open(f);
    sh_cond_fini(&w.cond);
    sh_mutex_fini(&w.lock);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, fix_setup, fix_teardown)
    const struct CMUnitTest tests[] = {
        T(test_many_writers_and_readers_lose_no_change),
        T(test_waiting_transactions_share_a_commit_and_fail_alone),
        T(test_queue_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
