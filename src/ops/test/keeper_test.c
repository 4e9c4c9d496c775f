/* When backups are due, the keeper's turns, and what a rehearsal finds. Real folders and threads:
 * SQLite has no other. */
#include <sh/test.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sh/keeper.h>

#include "../ops_int.h"

#define HOUR INT64_C(3600000000)
#define DAY (24 * HOUR)

static void test_due_follows_the_interval_and_the_time_of_day(void **state)
{
    (void)state;
    struct tm midnight = {.tm_year = 126, .tm_mday = 1, .tm_isdst = -1}; /* where the test runs */
    const int64_t t0 = (int64_t)mktime(&midnight) * 1000000;
    const struct {
        int64_t last, now, every;
        int minute;
        int64_t want;
    } rows[] = {
        {0, 5, 0, -1, INT64_MAX},                /* off */
        {0, 5, DAY, -1, 5},                      /* none yet: now */
        {t0, t0 + 5, DAY, -1, t0 + DAY},         /* a day after the last */
        {0, t0, DAY, 150, t0 + 150 * HOUR / 60}, /* none yet: at the next 02:30 */
        {0, t0 + 3 * HOUR, DAY, 150, t0 + DAY + 150 * HOUR / 60},
        /* begun a minute late: the next one is at the usual time, not a day later */
        {t0 + 151 * HOUR / 60, t0 + 4 * HOUR, DAY, 150, t0 + DAY + 150 * HOUR / 60},
        {t0 + 150 * HOUR / 60, t0 + 4 * HOUR, 7 * DAY, 150, t0 + 7 * DAY + 150 * HOUR / 60},
        {t0 + 12 * HOUR, t0 + 13 * HOUR, DAY, 150, t0 + DAY + 150 * HOUR / 60}, /* one by hand */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        assert_int_equal(sh_keeper_due(rows[i].last, rows[i].now, rows[i].every, rows[i].minute),
                         rows[i].want);
    }
}

struct fix {
    struct sh_env env;
    struct sh_crypto *crypto;
    char dir[64];
    char to[128];
    struct sh_record *record;
    struct sh_mutex lock;
    struct sh_cond cond;
    unsigned events[SH_KEEPER_EVENTS]; /* by kind */
    char text[300];
    bool may;
};

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);
    char db[128];
    assert_non_null(f);
    f->env = sh_env_system();
    f->may = true;
    sh_test_tmpdir(f->dir);
    (void)snprintf(f->to, sizeof f->to, "%s/to", f->dir);
    (void)snprintf(db, sizeof db, "%s/node", f->dir);
    assert_ok(sh_fs_mkdirs(f->env.fs, db));
    (void)snprintf(db, sizeof db, "%s/node/songhua.db", f->dir);
    assert_ok(sh_crypto_new(&f->env, &f->crypto));
    const struct sh_record_config rc = {.path = db};
    assert_ok(sh_record_open(&f->env, NULL, &rc, &f->record, NULL));
    sh_mutex_init(&f->lock);
    sh_cond_init(&f->cond);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;
    sh_record_close(f->record);
    sh_crypto_free(f->crypto);
    sh_test_rmdir(f->dir);
    sh_cond_fini(&f->cond);
    sh_mutex_fini(&f->lock);
    free(f);
    return 0;
}

static void told(void *ctx, const struct sh_keeper_event *e)
{
    struct fix *f = ctx;
    sh_mutex_lock(&f->lock);
    f->events[e->kind]++;
    (void)snprintf(f->text, sizeof f->text, "%s", e->text);
    sh_cond_broadcast(&f->cond);
    sh_mutex_unlock(&f->lock);
}

static void until(struct fix *f, enum sh_keeper_event_kind kind, unsigned n)
{
    sh_mutex_lock(&f->lock);
    while (f->events[kind] < n) {
        assert_true(sh_cond_wait_for(&f->cond, &f->lock, 20000000));
    }
    sh_mutex_unlock(&f->lock);
}

static bool may(void *ctx)
{
    return ((struct fix *)ctx)->may;
}

static struct sh_keeper *start(struct fix *f, int64_t every, uint32_t keep, bool rehearse)
{
    struct sh_keeper *k = NULL;
    static char node[128];
    (void)snprintf(node, sizeof node, "%s/node", f->dir);
    const struct sh_keeper_options o = {
        .backup = {.env = &f->env,
                   .crypto = f->crypto,
                   .dir = node,
                   .to = f->to,
                   .version = "1",
                   .record = f->record},
        .plan = {.every_us = every, .at_minute = -1, .keep = keep, .rehearse = rehearse},
        .event = told,
        .may = may,
        .ctx = f};
    assert_ok(sh_keeper_new(&o, &k));
    return k;
}

static json_t *written(struct sh_keeper *k, bool problems)
{
    struct sh_buf b;
    struct sh_jw w;
    json_t *o = NULL;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    sh_jw_init(&w, &b);
    if (problems) {
        sh_jw_arr(&w);
        sh_keeper_problems(k, &w);
        sh_jw_arr_end(&w);
    } else {
        sh_jw_obj(&w);
        sh_keeper_write(k, &w);
        sh_jw_obj_end(&w);
    }
    assert_ok(sh_jw_end(&w));
    assert_ok(sh_json_parse(sh_buf_str(&b), 1 << 20, &o, NULL));
    sh_buf_fini(&b);
    return o;
}

static void test_by_the_clock_they_are_made_rehearsed_and_tidied(void **state)
{
    struct fix *f = *state;
    struct sh_keeper *k = start(f, 1000, 2, true); /* due again at once */
    until(f, SH_KEEPER_REMOVED, 2);
    sh_keeper_stop(k);
    json_t *o = written(k, false);
    assert_true(json_array_size(json_object_get(o, "items")) <= 3);
    const json_t *first = json_array_get(json_object_get(o, "items"), 1);
    assert_true(json_is_true(json_object_get(json_object_get(first, "rehearsal"), "good")));
    json_decref(o);
    o = written(k, true);
    assert_int_equal(json_array_size(o), 0);
    json_decref(o);
    assert_int_equal(f->events[SH_KEEPER_FAILED], 0);
    assert_int_equal(sh_keeper_begin(k, SH_STR("x")), SH_E_CLOSED);
    sh_keeper_free(k);
}

static void test_another_plan_holds_at_once(void **state)
{
    struct fix *f = *state;
    struct sh_keeper *k = start(f, 0, 2, false); /* by hand only */
    json_t *o = written(k, false);
    assert_true(json_is_null(json_object_get(o, "due")));
    json_decref(o);
    sh_keeper_set_plan(k, &(struct sh_keeper_plan){
                              .every_us = 1000, .at_minute = -1, .keep = 1, .rehearse = true});
    until(f, SH_KEEPER_REMOVED, 1);
    sh_keeper_stop(k);
    o = written(k, false);
    assert_int_equal(json_integer_value(json_object_get(o, "keep")), 1);
    json_decref(o);
    assert_true(f->events[SH_KEEPER_REHEARSED] > 0);
    sh_keeper_free(k);
}

static void test_a_failure_is_a_problem_until_one_is_made(void **state)
{
    struct fix *f = *state;
    f->may = false;
    struct sh_keeper *k = start(f, 0, 0, false);
    assert_int_equal(sh_keeper_cancel(k), SH_E_NOTFOUND);
    assert_ok(sh_keeper_begin(k, SH_STR("person:admin")));
    until(f, SH_KEEPER_FAILED, 1);
    json_t *o = written(k, true);
    assert_string_equal(json_string_value(json_object_get(json_array_get(o, 0), "code")),
                        "backup_failed");
    json_decref(o);
    f->may = true;
    while (sh_keeper_begin(k, SH_STR("person:admin")) == SH_E_BUSY) {
        (void)sched_yield();
    }
    until(f, SH_KEEPER_MADE, 1);
    o = written(k, true);
    assert_int_equal(json_array_size(o), 0);
    json_decref(o);
    sh_keeper_free(k);
}

static void test_a_rehearsal_finds_what_is_wrong(void **state)
{
    struct fix *f = *state;
    char path[256];
    char node[128];
    struct sh_backup_info info;
    struct sh_rehearsal r;
    struct sh_rehearsal again;
    (void)snprintf(node, sizeof node, "%s/node", f->dir);
    const struct sh_backup_options bo = {.env = &f->env,
                                         .crypto = f->crypto,
                                         .dir = node,
                                         .to = f->to,
                                         .version = "1",
                                         .record = f->record};
    assert_ok(sh_backup_run(&bo, &info, NULL));
    const struct sh_rehearsal_options o = {
        .env = &f->env, .crypto = f->crypto, .folder = f->to, .id = info.id};
    assert_ok(sh_rehearse(&o, &r, NULL));
    assert_true(r.good);
    (void)snprintf(path, sizeof path, "%s/%s", f->to, info.id);
    assert_ok(sh_rehearsal_read(&f->env, path, &again));
    assert_true(again.good && again.finished_us == r.finished_us);
    (void)snprintf(path, sizeof path, "%s/%s/data/songhua.db", f->to, info.id);
    struct sh_file *db = NULL;
    assert_ok(sh_fs_open(f->env.fs, path, SH_FS_WRITE, &db));
    assert_ok(sh_fs_pwrite(f->env.fs, db, "x", 1, 5000));
    sh_fs_close(f->env.fs, db);
    assert_ok(sh_rehearse(&o, &r, NULL));
    assert_false(r.good);
    assert_non_null(strstr(r.text, "songhua.db"));
    (void)snprintf(path, sizeof path, "%s/%s", f->to, info.id);
    assert_ok(sh_rehearsal_read(&f->env, path, &again));
    assert_false(again.good);
    (void)snprintf(path, sizeof path, "%s/rehearsal-%s", f->to, info.id);
    assert_false(ops_exists(&f->env, path));
    struct sh_keeper *k = start(f, 0, 1, false); /* a problem, and no older one is removed for it */
    assert_ok(sh_keeper_begin(k, SH_STR("person:admin")));
    until(f, SH_KEEPER_MADE, 1);
    sh_keeper_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_follows_the_interval_and_the_time_of_day),
        cmocka_unit_test_setup_teardown(test_by_the_clock_they_are_made_rehearsed_and_tidied, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_another_plan_holds_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failure_is_a_problem_until_one_is_made, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_rehearsal_finds_what_is_wrong, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
