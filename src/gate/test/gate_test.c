#include <sh/test.h>

#include <stdio.h>

#include <sh/gate.h>

/* A node without sockets: points, history, journal and gate on the in-memory file system. */
struct fixture {
    struct sh_test_env t;
    struct sh_memfs *fs;
    struct sh_points *points;
    struct sh_latest *latest;
    struct sh_history *history;
    struct sh_bus *bus;
    struct sh_gate *gate;
    struct sh_journal *journal;
    uint64_t slabs;
    uint64_t rows; /* of all slabs */
    uint64_t newest_rows;
    int done;
    sh_err last;
};

static enum sh_gate_refusal known_device(void *ctx, uint32_t tenant, struct sh_str device,
                                         const struct sh_gate_label *labels, size_t nlabels,
                                         bool provision, char detail[160])
{
    SH_UNUSED(ctx);
    SH_UNUSED(tenant);
    SH_UNUSED(labels);
    SH_UNUSED(nlabels);
    if (sh_str_eqc(device, "pump") || provision) {
        return SH_GATE_OK;
    }
    (void)snprintf(detail, 160, "unknown device");
    return SH_GATE_UNKNOWN_DEVICE;
}

static enum sh_gate_refusal model_type(void *ctx, uint32_t tenant, struct sh_str device,
                                       struct sh_str property, enum sh_type *type,
                                       struct sh_str *unit, char detail[160])
{
    SH_UNUSED(ctx);
    SH_UNUSED(tenant);
    SH_UNUSED(device);
    SH_UNUSED(detail);
    if (sh_str_eqc(property, "count")) {
        *type = SH_T_I64;
        *unit = SH_STR("1");
    }
    return SH_GATE_OK;
}

static void count_slab(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    struct fixture *f = ctx;
    assert_int_equal(slab->seq, seq);
    f->slabs++;
    f->rows += slab->batch.len;
}

static void count_newest(void *ctx, struct sh_slab *slab, uint64_t seq)
{
    struct fixture *f = ctx;
    assert_int_equal(slab->seq, seq);
    f->newest_rows += slab->batch.len;
}

static void open_node(struct fixture *f)
{
    static const struct sh_bus_handler handler = {.slab = count_slab};
    static const struct sh_bus_handler few = {.newest = count_newest};
    struct sh_bus_sub *sub = NULL;
    const struct sh_points_options po = {.dir = "/d/history", .max_points = 10000};
    const struct sh_history_options ho = {.dir = "/d/history", .max_points = 10000};
    assert_ok(sh_bus_new(&f->t.env, 4, &f->bus));
    assert_ok(sh_bus_subscribe(f->bus, &handler, f, &sub));
    assert_ok(sh_bus_subscribe(f->bus, &few, f, &sub));
    assert_ok(sh_points_open(&f->t.env, &po, &f->points));
    assert_ok(sh_latest_new(&f->t.env, 10000, &f->latest));
    assert_ok(sh_history_open(&f->t.env, &ho, &f->history));
    const struct sh_gate_options go = {.points = f->points,
                                       .latest = f->latest,
                                       .history = f->history,
                                       .bus = f->bus,
                                       .device = known_device,
                                       .property = model_type};
    assert_ok(sh_gate_new(&f->t.env, &go, &f->gate));
    const struct sh_journal_owner owners[] = {
        {.id = SH_OWNER_CATALOGUE, .name = "points", .apply = sh_points_apply, .ctx = f->points},
        {.id = SH_OWNER_SAMPLES, .name = "samples", .apply = sh_gate_apply, .ctx = f->gate},
    };
    const struct sh_journal_options jo = {.dir = "/d/journal",
                                          .segment_bytes = 1 << 20,
                                          .queue_bytes = 64 << 10,
                                          .owners = owners,
                                          .owner_count = 2};
    assert_ok(sh_journal_open(&f->t.env, &jo, &f->journal));
    sh_points_attach(f->points, f->journal);
    sh_gate_attach(f->gate, f->journal);
    assert_ok(sh_gate_load_latest(f->gate));
}

static void close_node(struct fixture *f)
{
    sh_journal_close(f->journal);
    sh_history_close(f->history);
    sh_gate_free(f->gate);
    sh_latest_free(f->latest);
    sh_points_close(f->points);
    sh_bus_free(f->bus);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.fs = sh_memfs_new(9)};
    sh_test_env_init(&f->t, sh_memfs_fs(f->fs));
    assert_ok(sh_fs_mkdirs(f->t.env.fs, "/d"));
    open_node(f);
}

static void end(struct fixture *f)
{
    close_node(f);
    sh_test_env_fini(&f->t);
    sh_memfs_free(f->fs);
}

static void on_done(void *ctx, sh_err err, uint64_t seq)
{
    SH_UNUSED(seq);
    struct fixture *f = ctx;
    f->done++;
    f->last = err;
}

static enum sh_gate_refusal point(struct fixture *f, const char *device, const char *property,
                                  enum sh_type type, struct sh_gate_target *out)
{
    char detail[160];
    const struct sh_gate_who who = {.tenant = 1};
    const struct sh_gate_name name = {.device = sh_str_c(device),
                                      .property = sh_str_c(property),
                                      .type = type,
                                      .number_is_f64 = true};
    return sh_gate_point(f->gate, &who, &name, out, detail);
}

static void send(struct fixture *f, uint32_t id, int64_t at, double v)
{
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, f->t.env.alloc, 10, 10);
    assert_ok(sh_batch_add(&b, id, at, SH_T_F64, (union sh_cell){.f64 = v}, 192));
    assert_ok(sh_gate_submit(f->gate, 1, &b.view, on_done, f, NULL));
    sh_batch_builder_fini(&b);
}

static double newest(struct fixture *f, uint32_t id)
{
    struct sh_latest_value v;
    assert_ok(sh_latest_get(f->latest, &id, 1, &v, NULL));
    return v.found ? v.value.f64 : -1;
}

static void test_acknowledged_samples_are_seen_and_survive(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_I64, &t), SH_GATE_OK);
    assert_int_equal(t.type, SH_T_F64); /* JSON numbers are f64 */
    const int64_t now = sh_wall_us(f.t.env.clock);
    send(&f, t.point, now, 20.5);
    send(&f, t.point, now + 1, 21.5);
    assert_int_equal(f.done, 0); /* not before the commit */
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 2);
    assert_int_equal(f.last, SH_OK);
    assert_int_equal(f.slabs, 2);
    assert_true(newest(&f, t.point) == 21.5);
    close_node(&f); /* nothing was flushed: the journal replays it */
    open_node(&f);
    assert_true(newest(&f, t.point) == 21.5);
    struct sh_gate_target again;
    assert_int_equal(point(&f, "pump", "temp", SH_T_I64, &again), SH_GATE_OK);
    assert_int_equal(again.point, t.point);
    assert_ok(sh_history_flush(f.history));
    close_node(&f);
    open_node(&f);
    assert_true(newest(&f, t.point) == 21.5);
    end(&f);
}

static void test_names_are_refused_with_the_reason(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    char detail[160];
    begin(&f);
    assert_int_equal(point(&f, "fan", "x", SH_T_F64, &t), SH_GATE_UNKNOWN_DEVICE);
    assert_int_equal(point(&f, "pump", "a/b", SH_T_F64, &t), SH_GATE_BAD_NAME);
    assert_int_equal(point(&f, "pump", "x", (enum sh_type)0, &t), SH_GATE_UNKNOWN_PROPERTY);
    assert_int_equal(point(&f, "pump", "count", SH_T_F64, &t), SH_GATE_OK);
    assert_int_equal(t.type, SH_T_I64); /* the thing model decides */
    assert_str(sh_points_get(f.points, t.point)->unit, "1");
    const struct sh_gate_who self = {.tenant = 1, .device = SH_STR("fan"), .provision = true};
    const struct sh_gate_name other = {
        .device = SH_STR("pump"), .property = SH_STR("x"), .type = SH_T_F64};
    assert_int_equal(sh_gate_point(f.gate, &self, &other, &t, detail), SH_GATE_DENIED);
    assert_true(strlen(detail) > 10);
    end(&f);
}

static void test_deleted_samples_leave_the_live_picture(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_F64, &t), SH_GATE_OK);
    send(&f, t.point, 1000, 1);
    send(&f, t.point, 2000, 2);
    const struct sh_history_edit e = {
        .kind = SH_EDIT_DELETE, .points = &t.point, .npoints = 1, .from_us = 1500, .to_us = 3000};
    assert_ok(sh_gate_edit(f.gate, &e, on_done, &f));
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 3);
    sh_gate_edited(f.gate, &t.point, 1);
    assert_true(newest(&f, t.point) == 1.0);
    end(&f);
}

enum { KINDS = 10 };

static void put(struct fixture *f, uint32_t id, int64_t at, const char *text, int64_t v)
{
    struct sh_batch_builder b;
    const enum sh_type type = sh_points_get(f->points, id)->type;
    sh_batch_builder_init(&b, f->t.env.alloc, 10, 100);
    if (type == SH_T_TEXT) {
        const struct sh_str s = sh_str_c(text);
        assert_ok(sh_batch_add_bytes(&b, id, at, type, sh_bytes_of(s.p, s.n), 192));
    } else {
        union sh_cell c = {.i64 = v};
        if (type == SH_T_F64) {
            c.f64 = (double)v;
        }
        assert_ok(sh_batch_add(&b, id, at, type, c, 192));
    }
    assert_ok(sh_gate_submit(f->gate, 1, &b.view, NULL, NULL, NULL));
    sh_batch_builder_fini(&b);
    assert_ok(sh_journal_step(f->journal));
}

/* The live picture of all kinds of points, as text. */
static void picture(struct fixture *f, const uint32_t ids[KINDS], char out[1024])
{
    size_t n = 0;
    for (size_t i = 0; i < KINDS; i++) {
        struct sh_latest_value v;
        struct sh_buf text;
        sh_buf_init(&text, f->t.env.alloc, 1000);
        assert_ok(sh_latest_get(f->latest, &ids[i], 1, &v, &text));
        const long long bits = v.type >= SH_T_TEXT ? 0 : (long long)v.value.bits;
        n += (size_t)snprintf(out + n, 1024 - n, "%zu: %d %d %d %lld %llx %.*s\n", i, v.found,
                              v.found ? (int)v.type : 0, v.found ? v.quality : 0,
                              v.found ? (long long)v.time_us : 0, v.found ? bits : 0, (int)text.n,
                              text.n == 0 ? "" : (const char *)text.p);
        sh_buf_fini(&text);
    }
}

static void edit_newest(struct fixture *f, const uint32_t ids[KINDS])
{
    const struct sh_history_edit one = {
        .kind = SH_EDIT_DELETE, .points = &ids[6], .npoints = 1, .from_us = 1500, .to_us = 9000};
    const struct sh_history_edit all = {
        .kind = SH_EDIT_DELETE, .points = &ids[7], .npoints = 1, .from_us = 0, .to_us = 9000};
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, f->t.env.alloc, 10, 10);
    assert_ok(sh_batch_add(&b, ids[8], 2000, SH_T_F64, (union sh_cell){.f64 = 77}, 192));
    const struct sh_history_edit correct = {.kind = SH_EDIT_CORRECT, .rows = &b.view};
    assert_ok(sh_gate_edit(f->gate, &one, NULL, NULL));
    assert_ok(sh_gate_edit(f->gate, &all, NULL, NULL));
    assert_ok(sh_gate_edit(f->gate, &correct, NULL, NULL));
    assert_ok(sh_journal_step(f->journal));
    sh_batch_builder_fini(&b);
    sh_gate_edited(f->gate, ids + 6, 3);
}

/* Newest samples in an old segment, in a younger one, in the journal; texts and other types;
 * corrected and deleted ones: the live picture is the same after the power went. */
static void test_live_picture_is_the_same_after_a_restart(void **state)
{
    static const enum sh_type types[KINDS] = {SH_T_F64,  SH_T_I64, SH_T_BOOL, SH_T_TEXT, SH_T_TEXT,
                                              SH_T_TEXT, SH_T_F64, SH_T_I64,  SH_T_F64,  SH_T_F64};
    static const int64_t day = INT64_C(86400000000);
    SH_UNUSED(state);
    struct fixture f;
    uint32_t ids[KINDS];
    char before[1024];
    char after[1024];
    begin(&f);
    for (size_t i = 0; i < KINDS; i++) {
        struct sh_gate_target t;
        char name[16];
        (void)snprintf(name, sizeof name, "p%zu", i);
        assert_int_equal(point(&f, "pump", name, types[i], &t), SH_GATE_OK);
        ids[i] = t.point;
        put(&f, ids[i], 1000, "old", 1);
    }
    put(&f, ids[9], 5 * day, "", 5); /* comes first, and is the newest by far */
    assert_ok(sh_history_flush(f.history));
    for (size_t i = 0; i < KINDS; i++) {
        if (i != 0 && i != 3) { /* they stay in the old segment */
            put(&f, ids[i], 2000, "younger", 0);
        }
    }
    put(&f, ids[9], 3 * day, "", 3);
    assert_ok(sh_history_flush(f.history));
    put(&f, ids[1], 3000, "", 9);
    put(&f, ids[4], 1500, "late", 0);
    put(&f, ids[5], 3000, "in the journal", 0);
    put(&f, ids[9], 4 * day, "", 4);
    edit_newest(&f, ids);
    picture(&f, ids, before);
    sh_memfs_cut_after(f.fs, 0);
    close_node(&f); /* nothing more reaches the disk */
    sh_memfs_reboot(f.fs);
    open_node(&f);
    picture(&f, ids, after);
    assert_string_equal(before, after);
    assert_ok(sh_history_flush(f.history));
    close_node(&f);
    open_node(&f); /* all in segments */
    picture(&f, ids, after);
    assert_string_equal(before, after);
    end(&f);
}

static void test_full_disk_refuses_and_tells(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_F64, &t), SH_GATE_OK);
    assert_ok(sh_journal_step(f.journal));
    sh_memfs_fail_write(f.fs, 1000);
    send(&f, t.point, 1000, 1);
    const sh_err err = sh_journal_step(f.journal);
    assert_true(err != SH_OK);
    assert_int_equal(f.done, 1);
    assert_true(f.last == SH_E_IO || f.last == SH_E_FULL);
    assert_true(newest(&f, t.point) == -1); /* never acknowledged, never shown */
    struct sh_gate_stats s;
    sh_gate_stats(f.gate, &s);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.samples, 0);
    sh_memfs_fail_write(f.fs, 0);
    end(&f);
}

/* A log that is full now is no reason to refuse a new point for good. */
static void test_point_that_cannot_be_made_now_is_told_so(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    begin(&f);
    char name[16];
    enum sh_gate_refusal r = SH_GATE_OK;
    for (int i = 0; i < 200000 && r == SH_GATE_OK; i++) { /* nothing is committed meanwhile */
        (void)snprintf(name, sizeof name, "p%d", i);
        r = point(&f, "pump", name, SH_T_F64, &t);
    }
    assert_int_equal(r, SH_GATE_NOT_NOW);
    assert_int_equal(t.why, SH_E_LIMIT);
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(point(&f, "pump", name, SH_T_F64, &t), SH_GATE_OK);
    end(&f);
}

static void test_closed_gate_refuses_samples_and_takes_deletions(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    struct sh_gate_stats s;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_F64, &t), SH_GATE_OK);
    send(&f, t.point, 1000, 1);
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 1);
    sh_gate_close(f.gate, true);
    assert_true(sh_gate_closed(f.gate));
    assert_int_equal(sh_gate_admit(f.gate), SH_E_FULL);
    struct sh_batch_builder b;
    sh_batch_builder_init(&b, f.t.env.alloc, 4, 100);
    assert_ok(sh_batch_add(&b, t.point, 2000, SH_T_F64, (union sh_cell){.f64 = 2}, SH_Q_GOOD));
    assert_int_equal(sh_gate_submit(f.gate, 1, &b.view, on_done, &f, NULL), SH_E_FULL);
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 1); /* not taken: never told as done */
    sh_gate_stats(f.gate, &s);
    assert_true(s.refused_full == 2 && s.samples == 1);
    const struct sh_history_edit e = {.kind = SH_EDIT_DELETE,
                                      .points = &t.point,
                                      .npoints = 1,
                                      .from_us = 0,
                                      .to_us = 5000,
                                      .tenant = 1};
    assert_ok(sh_gate_edit(f.gate, &e, on_done, &f));
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 2);
    assert_ok(f.last);
    sh_gate_close(f.gate, false);
    assert_ok(sh_gate_submit(f.gate, 1, &b.view, on_done, &f, NULL));
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 3);
    sh_batch_builder_fini(&b);
    end(&f);
}

/* n samples, a second apart from `at`, value = their number. */
static struct sh_pack *pack_of(struct fixture *f, uint32_t id, int64_t at, uint32_t n)
{
    static uint8_t time[2000 * 8];
    static uint8_t cell[2000 * 8];
    struct sh_pack_builder *b = NULL;
    struct sh_pack *p = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const union sh_cell v = {.f64 = i};
        sh_put_le64(time + (size_t)i * 8, (uint64_t)(at + (int64_t)i * 1000000));
        sh_put_le64(cell + (size_t)i * 8, v.bits);
    }
    const struct sh_pack_run run = {id, SH_T_F64, n, time, cell, NULL};
    assert_ok(sh_pack_builder_new(f->t.env.alloc, f->history, &b));
    assert_ok(sh_pack_add(b, &run));
    assert_ok(sh_pack_take(b, &p));
    sh_pack_builder_free(b);
    return p;
}

static sh_err add_values(void *ctx, const struct sh_history_rows *rows)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        *(double *)ctx += rows->value[i].f64;
    }
    return SH_OK;
}

/* The sum of all values of a point. */
static double sum(struct fixture *f, uint32_t id)
{
    double s = 0;
    struct sh_history_result out;
    const struct sh_history_query q = {
        .points = &id, .npoints = 1, .from_us = 0, .to_us = INT64_C(10000000000)};
    assert_ok(sh_history_query(f->history, &q, add_values, &s, &out));
    return s;
}

static void test_packs_are_seen_by_all_and_survive(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    struct sh_gate_stats s;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_F64, &t), SH_GATE_OK);
    struct sh_pack *p = pack_of(&f, t.point, 0, 1500);
    assert_ok(sh_gate_submit_pack(f.gate, 1, p, on_done, &f, NULL));
    assert_int_equal(f.done, 0); /* not before the commit */
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, 1);
    assert_int_equal(f.last, SH_OK);
    assert_int_equal(f.slabs, 1); /* who wants rows gets them all */
    assert_int_equal(f.rows, 1500);
    assert_int_equal(f.newest_rows, 2); /* of two blocks */
    assert_true(newest(&f, t.point) == 1499);
    sh_gate_stats(f.gate, &s);
    assert_true(s.samples == 1500 && s.encoded == 1500 && s.batches == 1);
    sh_pack_unref(p);
    send(&f, t.point, 5000000, -7); /* a row over it */
    const double all = 1499.0 * 1500 / 2 - 5 - 7;
    assert_ok(sh_journal_step(f.journal));
    close_node(&f); /* nothing was flushed: the journal replays it */
    open_node(&f);
    assert_true(newest(&f, t.point) == 1499);
    assert_true(sum(&f, t.point) == all);
    assert_ok(sh_history_flush(f.history));
    assert_true(sum(&f, t.point) == all);
    close_node(&f);
    open_node(&f);
    assert_true(newest(&f, t.point) == 1499);
    assert_true(sum(&f, t.point) == all);
    end(&f);
}

static void test_pack_that_is_not_taken_is_not_told_as_done(void **state)
{
    SH_UNUSED(state);
    struct fixture f;
    struct sh_gate_target t;
    struct sh_gate_stats s;
    begin(&f);
    assert_int_equal(point(&f, "pump", "temp", SH_T_F64, &t), SH_GATE_OK);
    assert_ok(sh_journal_step(f.journal));
    struct sh_pack *p = pack_of(&f, t.point, 0, 300);
    sh_gate_close(f.gate, true);
    assert_int_equal(sh_gate_submit_pack(f.gate, 1, p, on_done, &f, NULL), SH_E_FULL);
    sh_gate_close(f.gate, false);
    int taken = 0;
    sh_err err = SH_OK;
    while (err == SH_OK) { /* until the journal's queue is full */
        err = sh_gate_submit_pack(f.gate, 1, p, on_done, &f, NULL);
        taken += err == SH_OK;
    }
    assert_int_equal(err, SH_E_LIMIT);
    assert_ok(sh_journal_step(f.journal));
    assert_int_equal(f.done, taken);
    sh_gate_stats(f.gate, &s);
    assert_true(s.refused_full == 1 && s.refused_busy == 1);
    sh_memfs_fail_write(f.fs, 1000);
    assert_ok(sh_gate_submit_pack(f.gate, 1, p, on_done, &f, NULL));
    assert_true(sh_journal_step(f.journal) != SH_OK);
    sh_memfs_fail_write(f.fs, 0);
    assert_int_equal(f.done, taken + 1);
    assert_true(f.last == SH_E_IO || f.last == SH_E_FULL);
    sh_pack_unref(p);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_samples_are_seen_and_survive),
        cmocka_unit_test(test_names_are_refused_with_the_reason),
        cmocka_unit_test(test_deleted_samples_leave_the_live_picture),
        cmocka_unit_test(test_live_picture_is_the_same_after_a_restart),
        cmocka_unit_test(test_full_disk_refuses_and_tells),
        cmocka_unit_test(test_point_that_cannot_be_made_now_is_told_so),
        cmocka_unit_test(test_packs_are_seen_by_all_and_survive),
        cmocka_unit_test(test_pack_that_is_not_taken_is_not_told_as_done),
        cmocka_unit_test(test_closed_gate_refuses_samples_and_takes_deletions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
