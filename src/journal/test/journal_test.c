#include <sh/test.h>

#include <stdio.h>

#include "../journal_int.h"

/* What an owner saw: one text per record, and what done() said. */
struct seen {
    uint64_t seq[4096];
    uint32_t number[4096];
    size_t n;
    sh_err apply_err;
    sh_err done_err[4096];
    size_t done_n;
    int reports[5];
    int drained;
    int asked;
};

static sh_err take(void *ctx, const struct sh_journal_record *rec)
{
    struct seen *s = ctx;
    assert_true(s->n == 0 || rec->seq > s->seq[s->n - 1]);
    assert_in_range(rec->data.n, 4, 1 << 20);
    s->seq[s->n] = rec->seq;
    s->number[s->n++] = sh_le32(rec->data.p);
    return s->apply_err;
}

static void done(void *ctx, sh_err err, uint64_t seq)
{
    struct seen *s = ctx;
    SH_UNUSED(seq);
    s->done_err[s->done_n++] = err;
}

static void report(void *ctx, const struct sh_journal_report *r)
{
    struct seen *s = ctx;
    s->reports[r->what]++;
}

static void drained(void *ctx)
{
    ((struct seen *)ctx)->drained++;
}

static void asked(void *ctx, uint64_t seq)
{
    SH_UNUSED(seq);
    ((struct seen *)ctx)->asked++;
}

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_journal *j;
    struct seen *s;
    struct sh_journal_options o;
    struct sh_journal_owner owners[2];
};

static void rig_open(struct rig *r)
{
    memset(r->s, 0, sizeof *r->s);
    r->owners[0] = (struct sh_journal_owner){.id = SH_OWNER_SAMPLES,
                                             .name = "samples",
                                             .apply = take,
                                             .want_checkpoint = asked,
                                             .limit_bytes = 96 << 10,
                                             .ctx = r->s};
    r->owners[1] =
        (struct sh_journal_owner){.id = SH_OWNER_MQTT, .name = "mqtt", .apply = take, .ctx = r->s};
    r->o.dir = "data/journal";
    r->o.segment_bytes = 64 << 10;
    r->o.owners = r->owners;
    r->o.owner_count = 2;
    r->o.report = report;
    r->o.drained = drained;
    r->o.ctx = r->s;
    assert_ok(sh_journal_open(&r->t.env, &r->o, &r->j));
}

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = sh_memfs_new(1);
    sh_test_env_init(&r->t, sh_memfs_fs(r->mem));
    r->s = test_calloc(1, sizeof *r->s);
    rig_open(r);
}

static void rig_fini(struct rig *r)
{
    sh_journal_close(r->j);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->mem);
    test_free(r->s);
}

static sh_err put_as(struct rig *r, uint8_t owner, uint32_t number, size_t len, bool urgent)
{
    uint8_t head[4];
    static const uint8_t filler[60000] = {0};
    sh_put_le32(head, number);
    const struct sh_bytes parts[] = {{head, 4}, {filler, len - 4}};
    return sh_journal_append(r->j,
                             &(struct sh_journal_append){.owner = owner,
                                                         .urgent = urgent,
                                                         .parts = parts,
                                                         .nparts = 2,
                                                         .done = done,
                                                         .ctx = r->s},
                             NULL);
}

static void put(struct rig *r, uint32_t number)
{
    assert_ok(put_as(r, SH_OWNER_SAMPLES, number, 100, false));
}

static void reopen(struct rig *r)
{
    sh_journal_close(r->j);
    rig_open(r);
}

static void test_append_is_applied_then_done_after_the_commit(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    put(&r, 2);
    assert_int_equal(r.s->n, 0); /* nothing before the commit */
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->n, 2);
    assert_int_equal(r.s->done_n, 2);
    assert_int_equal(r.s->done_err[0], SH_OK);
    struct sh_journal_stats st;
    sh_journal_stats(r.j, &st);
    assert_int_equal(st.commits, 1); /* one group */
    assert_int_equal(st.records, 2);
    assert_int_equal(st.queue_bytes, 0);
    assert_int_equal(st.applied_seq, 2);
    rig_fini(&r);
}

static void test_reopen_replays_after_the_checkpoint_in_order(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (uint32_t i = 1; i <= 50; i++) {
        assert_ok(put_as(&r, i % 2 != 0 ? SH_OWNER_SAMPLES : SH_OWNER_MQTT, i, 500, false));
        assert_ok(sh_journal_step(r.j));
    }
    reopen(&r);
    assert_int_equal(r.s->n, 50);
    assert_ok(sh_journal_checkpoint(r.j, SH_OWNER_SAMPLES, 21));
    reopen(&r);
    assert_int_equal(r.s->n, 25 + 14); /* mqtt: all; samples: 23, 25 ... 49 */
    assert_int_equal(r.s->number[0], 2);
    assert_int_equal(sh_journal_checkpointed(r.j, SH_OWNER_SAMPLES), 21);
    put(&r, 51);
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->seq[r.s->n - 1], 51);
    assert_int_equal(r.s->reports[SH_JOURNAL_LOST], 0);
    rig_fini(&r);
}

static void test_checkpoint_gives_files_back(void **state)
{
    (void)state;
    struct rig r;
    struct sh_journal_stats st;
    rig_init(&r);
    for (uint32_t i = 1; i <= 60; i++) {
        assert_ok(put_as(&r, SH_OWNER_SAMPLES, i, 8000, false));
        assert_ok(sh_journal_step(r.j));
    }
    sh_journal_stats(r.j, &st);
    const uint64_t before = st.files;
    assert_true(before >= 6);
    assert_true(r.s->asked > 0); /* over 96 KiB */
    assert_ok(sh_journal_checkpoint(r.j, SH_OWNER_SAMPLES, 60));
    sh_journal_stats(r.j, &st);
    assert_int_equal(st.files, 1);
    for (uint32_t i = 61; i <= 120; i++) { /* recycled files carry on */
        assert_ok(put_as(&r, SH_OWNER_SAMPLES, i, 8000, false));
        assert_ok(sh_journal_step(r.j));
        assert_ok(sh_journal_checkpoint(r.j, SH_OWNER_SAMPLES, i - 20));
    }
    reopen(&r);
    assert_int_equal(r.s->n, 20);
    assert_int_equal(r.s->number[0], 101);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r.s->reports[i], 0);
    }
    rig_fini(&r);
}

static void test_failed_sync_goes_on_in_a_new_file(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    assert_ok(sh_journal_step(r.j));
    put(&r, 2);
    sh_memfs_fail_write(r.mem, 1);
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->reports[SH_JOURNAL_SEALED], 1);
    assert_int_equal(r.s->done_err[1], SH_OK);
    put(&r, 3);
    assert_ok(sh_journal_step(r.j));
    reopen(&r);
    assert_int_equal(r.s->n, 3);
    assert_int_equal(r.s->number[1], 2);
    assert_int_equal(r.s->reports[SH_JOURNAL_LOST], 0);
    rig_fini(&r);
}

/* An owner without memory for a record: the open fails, and loses nothing. */
static void test_replay_without_memory_ends_the_open(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    put(&r, 2);
    assert_ok(sh_journal_step(r.j));
    sh_journal_close(r.j);
    memset(r.s, 0, sizeof *r.s);
    r.s->apply_err = SH_E_NOMEM;
    assert_int_equal(sh_journal_open(&r.t.env, &r.o, &r.j), SH_E_NOMEM);
    rig_open(&r);
    assert_int_equal(r.s->n, 2);
    assert_int_equal(r.s->number[1], 2);
    rig_fini(&r);
}

static void test_dead_disk_tells_done_and_recovers(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    assert_ok(sh_journal_step(r.j));
    put(&r, 2);
    sh_memfs_fail_write(r.mem, 100);
    assert_int_not_equal(sh_journal_step(r.j), SH_OK);
    assert_int_equal(r.s->n, 1); /* not applied */
    assert_int_not_equal(r.s->done_err[1], SH_OK);
    assert_int_not_equal(sh_journal_sync(r.j), SH_OK);
    sh_memfs_fail_write(r.mem, 0);
    put(&r, 3);
    assert_ok(sh_journal_step(r.j));
    assert_ok(sh_journal_sync(r.j));
    reopen(&r);
    assert_int_equal(r.s->number[0], 1);
    assert_int_equal(r.s->number[r.s->n - 1], 3);
    assert_int_equal(r.s->reports[SH_JOURNAL_LOST], 0); /* a failed group is no loss */
    rig_fini(&r);
}

static void test_full_disk_refuses_but_keeps_a_reserve(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    assert_ok(sh_journal_step(r.j));
    sh_memfs_set_space(r.mem, 128 << 10); /* what is used now */
    sh_err err = SH_OK;
    uint32_t i = 2;
    for (; i < 100 && err == SH_OK; i++) {
        err = put_as(&r, SH_OWNER_SAMPLES, i, 8000, false);
        if (err == SH_OK) {
            assert_ok(sh_journal_step(r.j));
        }
    }
    assert_int_equal(err, SH_E_FULL);
    assert_ok(put_as(&r, SH_OWNER_MQTT, i, 100, true)); /* urgent */
    assert_ok(sh_journal_step(r.j));
    for (size_t k = 0; k < r.s->done_n; k++) {
        assert_int_equal(r.s->done_err[k], SH_OK); /* nothing accepted was lost */
    }
    assert_int_equal(r.s->drained, 0);
    sh_memfs_set_space(r.mem, 10 << 20);
    assert_ok(sh_journal_step(r.j));
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->drained, 1);
    assert_ok(put_as(&r, SH_OWNER_SAMPLES, 500, 100, false));
    const size_t applied = r.s->n;
    assert_ok(sh_journal_step(r.j));
    reopen(&r);
    assert_int_equal(r.s->n, applied + 1);
    rig_fini(&r);
}

static sh_err prepare(struct rig *r)
{
    sh_mutex_lock(&r->j->files_lock);
    const sh_err err = journal_spare_prepare(r->j);
    sh_mutex_unlock(&r->j->files_lock);
    return err;
}

/* Each of these records fills a log file. */
static void fill_file(struct rig *r, uint32_t number)
{
    assert_ok(put_as(r, SH_OWNER_SAMPLES, number, 32000, false));
    assert_ok(put_as(r, SH_OWNER_SAMPLES, number + 1, 28000, false));
    assert_ok(sh_journal_step(r->j));
}

static void test_spares_are_made_ahead_or_by_the_commit(void **state)
{
    (void)state;
    struct rig r;
    struct sh_journal_stats st;
    rig_init(&r);
    sh_journal_close(r.j);
    r.o.spares = 3;
    rig_open(&r); /* has one, the reserve */
    assert_ok(prepare(&r));
    assert_ok(prepare(&r));
    assert_int_equal(prepare(&r), SH_E_AGAIN);
    fill_file(&r, 1);
    fill_file(&r, 3);
    sh_journal_stats(r.j, &st);
    assert_int_equal(st.spares_prepared, 2);
    assert_int_equal(st.spares_made_inline, 0);
    fill_file(&r, 5); /* only the reserve is left */
    sh_journal_stats(r.j, &st);
    assert_int_equal(st.spares_made_inline, 1);
    assert_int_equal(st.files, 3);
    reopen(&r);
    assert_int_equal(r.s->n, 6);
    rig_fini(&r);
}

static void test_preparing_on_a_full_disk_leaves_the_reserve_alone(void **state)
{
    (void)state;
    struct rig r;
    struct sh_journal_stats st;
    rig_init(&r);
    fill_file(&r, 1);
    sh_memfs_set_space(r.mem, 128 << 10);
    assert_int_equal(prepare(&r), SH_E_FULL);
    sh_journal_stats(r.j, &st);
    assert_false(st.full); /* there is room in the current file or the reserve */
    fill_file(&r, 3);      /* takes the reserve */
    sh_journal_stats(r.j, &st);
    assert_true(st.full);
    sh_memfs_set_space(r.mem, 10 << 20);
    assert_int_equal(prepare(&r), SH_E_AGAIN); /* the committer ends the state */
    assert_ok(sh_journal_step(r.j));
    sh_journal_stats(r.j, &st);
    assert_false(st.full);
    assert_ok(prepare(&r));
    rig_fini(&r);
}

static void test_half_made_files_are_removed_at_open(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    const struct sh_fs *fs = sh_memfs_fs(r.mem);
    static const char *const left[] = {"data/journal/00000000000000f0.making",
                                       "data/journal/00000000000000f1.spare"};
    for (size_t i = 0; i < 2; i++) { /* both shorter than a log file */
        assert_ok(sh_fs_replace(fs, left[i], sh_bytes_of("half", 4)));
    }
    reopen(&r);
    for (size_t i = 0; i < 2; i++) {
        struct sh_file *f = NULL;
        assert_int_equal(sh_fs_open(fs, left[i], SH_FS_READ, &f), SH_E_NOTFOUND);
    }
    assert_int_equal(r.s->n, 1);
    rig_fini(&r);
}

static void test_queue_limit_refuses_then_drains(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    sh_journal_close(r.j);
    r.o.queue_bytes = 50000;
    rig_open(&r);
    int n = 0;
    while (put_as(&r, SH_OWNER_SAMPLES, 1, 4000, false) == SH_OK) {
        n++;
    }
    assert_in_range(n, 10, 13);
    assert_int_equal(put_as(&r, SH_OWNER_SAMPLES, 1, 4000, false), SH_E_LIMIT);
    assert_ok(put_as(&r, SH_OWNER_SAMPLES, 1, 4000, true));
    assert_ok(sh_journal_sync(r.j));
    assert_int_equal(r.s->drained, 1);
    assert_ok(put_as(&r, SH_OWNER_SAMPLES, 1, 4000, false));
    rig_fini(&r);
}

/* Name of the first log file: numbers are given in order, 1 is the reserve, 2 the first log... */
static void poke_log(struct rig *r, uint64_t off)
{
    char path[64];
    for (unsigned n = 0; n < 32; n++) {
        (void)snprintf(path, sizeof path, "data/journal/%016x.log", n);
        if (sh_memfs_poke(r->mem, path, off, 0xff)) {
            return;
        }
    }
    fail();
}

static void test_damage_at_the_end_is_cut_and_said(void **state)
{
    (void)state;
    static const uint64_t at[] = {0, 8, 64, 70, 150}; /* in the last group */
    for (size_t i = 0; i < SH_COUNT(at); i++) {
        struct rig r;
        rig_init(&r);
        for (uint32_t k = 1; k <= 3; k++) {
            put(&r, k);
            assert_ok(sh_journal_step(r.j));
        }
        sh_journal_close(r.j);
        poke_log(&r, (uint64_t)4096 * 3 + at[i]);
        rig_open(&r);
        assert_int_equal(r.s->n, 2);
        if (at[i] >= 16) {
            assert_int_equal(r.s->reports[SH_JOURNAL_TORN_TAIL], 1);
        }
        assert_int_equal(r.s->reports[SH_JOURNAL_DAMAGED], 0);
        put(&r, 4); /* takes the place of what was cut */
        assert_ok(sh_journal_step(r.j));
        reopen(&r);
        assert_int_equal(r.s->n, 3);
        assert_int_equal(r.s->number[2], 4);
        rig_fini(&r);
    }
}

static void test_damage_in_the_middle_is_said_and_the_rest_served(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (uint32_t k = 1; k <= 5; k++) {
        put(&r, k);
        assert_ok(sh_journal_step(r.j));
    }
    sh_journal_close(r.j);
    poke_log(&r, 4096 * 3 + 70);
    rig_open(&r);
    assert_int_equal(r.s->n, 4);
    assert_int_equal(r.s->number[2], 4);
    assert_int_equal(r.s->reports[SH_JOURNAL_DAMAGED], 1);
    assert_int_equal(r.s->reports[SH_JOURNAL_LOST], 1);
    put(&r, 6);
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->seq[r.s->n - 1], 6);
    rig_fini(&r);
}

static void test_damaged_file_head_still_serves_its_groups(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    assert_ok(sh_journal_step(r.j));
    put(&r, 2);
    assert_ok(sh_journal_step(r.j));
    sh_journal_close(r.j);
    poke_log(&r, 20);
    rig_open(&r);
    assert_int_equal(r.s->n, 2);
    assert_int_equal(r.s->reports[SH_JOURNAL_DAMAGED], 1);
    rig_fini(&r);
}

static void test_damaged_checkpoint_replays_all(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, 1);
    put(&r, 2);
    assert_ok(sh_journal_sync(r.j));
    assert_ok(sh_journal_checkpoint(r.j, SH_OWNER_SAMPLES, 1));
    sh_journal_close(r.j);
    assert_true(sh_memfs_poke(r.mem, "data/journal/checkpoint", 40, 1));
    rig_open(&r);
    assert_int_equal(r.s->n, 2);
    assert_int_equal(r.s->reports[SH_JOURNAL_CHECKPOINT], 1);
    rig_fini(&r);
}

static void test_lost_log_goes_on_above_what_an_owner_knows(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    sh_journal_close(r.j);
    r.o.after_seq = 1000;
    rig_open(&r);
    put(&r, 1);
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->seq[0], 1001);
    r.o.after_seq = 0;
    reopen(&r);
    assert_int_equal(r.s->seq[0], 1001);
    assert_int_equal(r.s->reports[SH_JOURNAL_LOST], 0);
    put(&r, 2);
    assert_ok(sh_journal_step(r.j));
    assert_int_equal(r.s->seq[1], 1002);
    rig_fini(&r);
}

static void test_apply_error_is_given_to_done_and_goes_on(void **state)
{
    (void)state;
    struct rig r;
    struct sh_journal_stats st;
    rig_init(&r);
    r.s->apply_err = SH_E_NOMEM;
    put(&r, 1);
    put(&r, 2);
    assert_ok(sh_journal_sync(r.j));
    assert_int_equal(r.s->done_err[0], SH_E_NOMEM);
    assert_int_equal(r.s->n, 2);
    sh_journal_stats(r.j, &st);
    assert_int_equal(st.apply_errors, 2);
    rig_fini(&r);
}

static void test_bad_arguments_are_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_int_equal(put_as(&r, 0, 1, 100, false), SH_E_INVAL);
    assert_int_equal(put_as(&r, 9, 1, 100, false), SH_E_INVAL);               /* no such owner */
    assert_int_equal(put_as(&r, SH_OWNER_MQTT, 1, 40000, false), SH_E_INVAL); /* over max_record */
    assert_int_equal(sh_journal_checkpoint(r.j, 99, 1), SH_E_INVAL);
    struct sh_journal *other = NULL;
    struct sh_journal_options o = r.o;
    o.segment_bytes = 100;
    assert_int_equal(sh_journal_open(&r.t.env, &o, &other), SH_E_INVAL);
    o = r.o;
    r.owners[1].id = SH_OWNER_SAMPLES;
    assert_int_equal(sh_journal_open(&r.t.env, &o, &other), SH_E_INVAL);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_is_applied_then_done_after_the_commit),
        cmocka_unit_test(test_reopen_replays_after_the_checkpoint_in_order),
        cmocka_unit_test(test_checkpoint_gives_files_back),
        cmocka_unit_test(test_failed_sync_goes_on_in_a_new_file),
        cmocka_unit_test(test_replay_without_memory_ends_the_open),
        cmocka_unit_test(test_dead_disk_tells_done_and_recovers),
        cmocka_unit_test(test_full_disk_refuses_but_keeps_a_reserve),
        cmocka_unit_test(test_spares_are_made_ahead_or_by_the_commit),
        cmocka_unit_test(test_preparing_on_a_full_disk_leaves_the_reserve_alone),
        cmocka_unit_test(test_half_made_files_are_removed_at_open),
        cmocka_unit_test(test_queue_limit_refuses_then_drains),
        cmocka_unit_test(test_damage_at_the_end_is_cut_and_said),
        cmocka_unit_test(test_damage_in_the_middle_is_said_and_the_rest_served),
        cmocka_unit_test(test_damaged_file_head_still_serves_its_groups),
        cmocka_unit_test(test_damaged_checkpoint_replays_all),
        cmocka_unit_test(test_lost_log_goes_on_above_what_an_owner_knows),
        cmocka_unit_test(test_apply_error_is_given_to_done_and_goes_on),
        cmocka_unit_test(test_bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
