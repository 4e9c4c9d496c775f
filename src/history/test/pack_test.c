/* Packs: what they take, their record, and how their blocks stand in a head beside rows. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>

#include "../pack_int.h"
#include "../summary.h"

static const int64_t t0 = 1767225600000000; /* 2026-01-01T00:00:00Z */
static const int64_t sec = 1000000;

enum { MAX = 4096 };

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct sh_pack_builder *b;
    uint64_t seq;
    uint8_t time[MAX * 8 + 1]; /* from byte 1 on: at no good address */
    uint8_t cell[MAX * 8 + 1];
    uint8_t quality[MAX];
};

static void rig_open(struct rig *r)
{
    const struct sh_history_options o = {.dir = "h", .head_bytes = 1 << 20};
    assert_ok(sh_history_open(&r->t.env, &o, &r->h));
}

static struct rig *rig_new(void)
{
    struct rig *r = test_calloc(1, sizeof *r);
    r->mem = sh_memfs_new(1);
    sh_test_env_init(&r->t, sh_memfs_fs(r->mem));
    rig_open(r);
    assert_ok(sh_pack_builder_new(r->t.env.alloc, r->h, &r->b));
    return r;
}

static void rig_free(struct rig *r)
{
    sh_pack_builder_free(r->b);
    sh_history_close(r->h);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->mem);
    test_free(r);
}

/* n samples of a point, one a second from t; value: `add` and its number, in quarters. */
static struct sh_pack_run run_of(struct rig *r, uint32_t point, int64_t t, uint32_t n, double add)
{
    for (uint32_t i = 0; i < n; i++) {
        const union sh_cell v = {.f64 = add + (double)i / 4};
        sh_put_le64(r->time + 1 + (size_t)i * 8, (uint64_t)(t + (int64_t)i * sec));
        sh_put_le64(r->cell + 1 + (size_t)i * 8, v.bits);
        r->quality[i] = SH_Q_GOOD;
    }
    return (struct sh_pack_run){.point = point,
                                .type = SH_T_F64,
                                .n = n,
                                .time = r->time + 1,
                                .cell = r->cell + 1,
                                .quality = r->quality};
}

static void send(struct rig *r)
{
    struct sh_pack *p = NULL;
    assert_ok(sh_pack_take(r->b, &p));
    assert_ok(sh_history_apply_pack(r->h, p, ++r->seq));
    sh_pack_unref(p);
}

static void send_run(struct rig *r, uint32_t point, int64_t t, uint32_t n, double add)
{
    const struct sh_pack_run run = run_of(r, point, t, n, add);
    assert_ok(sh_pack_add(r->b, &run));
    send(r);
}

static void send_row(struct rig *r, uint32_t point, int64_t t, double v, uint8_t q)
{
    struct sh_batch_builder b;
    struct sh_slab *slab = NULL;
    sh_batch_builder_init(&b, r->t.env.alloc, 1, 0);
    assert_ok(sh_batch_add(&b, point, t, SH_T_F64, (union sh_cell){.f64 = v}, q));
    assert_ok(sh_slab_new(r->t.env.alloc, &b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
}

struct seen {
    uint32_t n;
    double sum;
    double at; /* the value at `want` */
    int64_t want;
};

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct seen *s = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        s->n++;
        s->sum += rows->value[i].f64;
        s->at = rows->time_us[i] == s->want ? rows->value[i].f64 : s->at;
    }
    return SH_OK;
}

static struct seen read_point(struct rig *r, uint32_t point, int64_t want)
{
    struct seen s = {.want = want};
    struct sh_history_result out;
    const struct sh_history_query q = {
        .points = &point, .npoints = 1, .from_us = 0, .to_us = t0 * 2};
    assert_ok(sh_history_query(r->h, &q, sink, &s, &out));
    return s;
}

static uint32_t waiting(struct rig *r, uint32_t point)
{
    const struct series *s = shard_series(r->h, point, false);
    return s == NULL || s->active == NULL ? 0 : s->active->nblocks;
}

static void test_run_of_the_wrong_kind_is_left_to_rows(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct {
        uint32_t n;
        int64_t spread; /* microseconds between samples */
        enum sh_type type;
        uint32_t again; /* this one has the time of the one before */
        sh_err expect;
    } rows[] = {
        {SH_PACK_MIN_ROWS, sec, SH_T_F64, 0, SH_OK},
        {SH_PACK_MIN_ROWS - 1, sec, SH_T_F64, 0, SH_E_UNSUPPORTED},
        {2000, sec, SH_T_I64, 0, SH_OK},
        {2000, sec, SH_T_TEXT, 0, SH_E_UNSUPPORTED},
        {2000, sec, SH_T_F64, 1500, SH_E_UNSUPPORTED},
        {2000, 600 * sec, SH_T_F64, 0, SH_OK}, /* 144 a day */
        {2000, 800 * sec, SH_T_F64, 0, SH_E_UNSUPPORTED},
        {2000, INT64_C(1) << 51, SH_T_F64, 0, SH_E_UNSUPPORTED}, /* ends beyond all times */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_pack_run run = run_of(r, 1, t0, rows[i].n, 0);
        run.type = rows[i].type;
        for (uint32_t k = 0; k < run.n; k++) {
            const uint32_t at = k != 0 && k == rows[i].again ? k - 1 : k;
            sh_put_le64(r->time + 1 + (size_t)k * 8,
                        (uint64_t)t0 + (uint64_t)at * (uint64_t)rows[i].spread);
        }
        assert_int_equal(sh_pack_add(r->b, &run), rows[i].expect);
        assert_int_equal(sh_pack_builder_rows(r->b), rows[i].expect == SH_OK ? run.n : 0);
        sh_pack_builder_clear(r->b);
    }
    rig_free(r);
}

static void test_full_builder_says_so_and_goes_on_after_the_pack(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct sh_pack_run run = run_of(r, 1, t0, MAX, 0);
    for (uint32_t i = 0; i < SH_PACK_MAX_ROWS / MAX; i++) {
        assert_ok(sh_pack_add(r->b, &run));
    }
    assert_int_equal(sh_pack_add(r->b, &run), SH_E_LIMIT);
    send(r);
    assert_ok(sh_pack_add(r->b, &run));
    assert_int_equal(read_point(r, 1, t0).n, MAX);
    rig_free(r);
}

static void test_record_reads_back_as_the_same_pack(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_pack *p = NULL;
    struct sh_pack *q = NULL;
    struct sh_slab *rows = NULL;
    for (uint32_t point = 7; point > 4; point--) {
        const struct sh_pack_run run = run_of(r, point, t0 - 600 * sec, 1500, point);
        r->quality[700] = SH_Q_BAD_COMM;
        r->quality[701] = SH_Q_UNCERTAIN;
        assert_ok(sh_pack_add(r->b, &run));
    }
    assert_ok(sh_pack_take(r->b, &p));
    assert_ok(sh_pack_read(r->t.env.alloc, sh_pack_wire(p), &q));
    assert_int_equal(sh_pack_rows(q), 4500);
    assert_int_equal(q->wire.n, p->wire.n);
    assert_memory_equal(q->wire.p, p->wire.p, p->wire.n);
    assert_int_equal(p->n, 6); /* cut where the day ends */
    for (uint32_t i = 0; i < p->n; i++) {
        const struct block_ref *a = &p->block[i];
        const struct block_ref *b = &q->block[i];
        assert_true(a->off == b->off && a->size == b->size && a->n == b->n &&
                    a->point == b->point && a->type == b->type && a->t_first == b->t_first &&
                    a->t_last == b->t_last && a->summary.n == b->summary.n);
        assert_memory_equal(a->summary.p, b->summary.p, a->summary.n);
    }
    /* of each point: the day's end, then four runs of quality */
    assert_int_equal(p->newest->batch.len, 3 * 5);
    assert_int_equal(q->newest->batch.len, 3 * 5);
    assert_int_equal(q->newest->batch.quality[3], SH_Q_UNCERTAIN);
    assert_int_equal(q->newest->batch.time_us[3], t0 + 101 * sec);
    assert_ok(sh_pack_slab(q, &rows));
    assert_int_equal(rows->batch.len, 4500);
    assert_int_equal(rows->batch.point[1500], 6);
    assert_true(rows->batch.value[1501].f64 == 6.25);
    sh_slab_unref(rows);
    sh_pack_unref(p);
    sh_pack_unref(q);
    rig_free(r);
}

static void test_changed_record_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_pack *p = NULL;
    struct sh_pack *q = NULL;
    const struct sh_pack_run run = run_of(r, 1, t0, 300, 0);
    assert_ok(sh_pack_add(r->b, &run));
    assert_ok(sh_pack_take(r->b, &p));
    const struct sh_bytes wire = sh_pack_wire(p);
    uint8_t *copy = test_malloc(wire.n + 1);
    for (size_t i = 0; i < wire.n; i++) { /* every byte counts */
        memcpy(copy, wire.p, wire.n);
        copy[i] ^= 0x15;
        assert_int_equal(sh_pack_read(r->t.env.alloc, sh_bytes_of(copy, wire.n), &q), SH_E_CORRUPT);
    }
    for (size_t n = 0; n < wire.n; n++) {
        assert_int_equal(sh_pack_read(r->t.env.alloc, sh_bytes_of(wire.p, n), &q), SH_E_CORRUPT);
    }
    memcpy(copy, wire.p, wire.n);
    copy[wire.n] = 0;
    assert_int_equal(sh_pack_read(r->t.env.alloc, sh_bytes_of(copy, wire.n + 1), &q), SH_E_CORRUPT);
    test_free(copy);
    sh_pack_unref(p);
    rig_free(r);
}

/* Everything of a pack's life, with each allocation failing in turn. */
static sh_err oom_body(struct sh_test_env *t)
{
    static uint8_t time[300 * 8];
    struct sh_history *h = NULL;
    struct sh_pack_builder *b = NULL;
    struct sh_pack *p = NULL;
    struct sh_pack *q = NULL;
    struct sh_slab *rows = NULL;
    for (uint32_t i = 0; i < 300; i++) {
        sh_put_le64(time + (size_t)i * 8, (uint64_t)t0 + (uint64_t)i * 1000000);
    }
    const struct sh_pack_run run = {
        .point = 1, .type = SH_T_I64, .n = 300, .time = time, .cell = time};
    struct sh_memfs *mem = sh_memfs_new(1);
    t->env.fs = sh_memfs_fs(mem);
    sh_err err = sh_history_open(&t->env, &(struct sh_history_options){.dir = "h"}, &h);
    err = err == SH_OK ? sh_pack_builder_new(t->env.alloc, h, &b) : err;
    err = err == SH_OK ? sh_pack_add(b, &run) : err;
    err = err == SH_OK ? sh_pack_take(b, &p) : err;
    err = err == SH_OK ? sh_pack_read(t->env.alloc, sh_pack_wire(p), &q) : err;
    err = err == SH_OK ? sh_pack_slab(q, &rows) : err;
    err = err == SH_OK ? sh_history_apply_pack(h, p, 1) : err;
    err = err == SH_OK ? sh_history_apply_pack(h, q, 2) : err; /* as rows, over the same times */
    if (err == SH_OK) {
        err = sh_history_flush(h);
    }
    sh_slab_unref(rows);
    sh_pack_unref(p);
    sh_pack_unref(q);
    sh_pack_builder_free(b);
    if (h != NULL) {
        sh_history_close(h);
    }
    sh_memfs_free(mem);
    return err;
}

static void test_memory_failures_leave_nothing_behind(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

static void test_blocks_wait_whole_and_are_flushed_as_they_are(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_history_stats st;
    struct sh_history_point_stats ps;
    send_run(r, 1, t0 + 5000 * sec, 1024, 0); /* the later one first */
    send_run(r, 1, t0, 1024, 1);
    send_row(r, 1, t0 + 3000 * sec, 42, SH_Q_GOOD);
    assert_int_equal(waiting(r, 1), 2);
    assert_int_equal(read_point(r, 1, t0).n, 2049);
    assert_ok(sh_history_point_stats(r->h, 1, &ps));
    assert_int_equal(ps.samples, 2049);
    assert_int_equal(ps.first_us, t0);
    assert_int_equal(ps.last_us, t0 + 6023 * sec);
    const struct seen before = read_point(r, 1, t0 + 3000 * sec);
    assert_ok(sh_history_flush(r->h));
    assert_int_equal(waiting(r, 1), 0);
    const struct seen after = read_point(r, 1, t0 + 3000 * sec);
    assert_true(after.n == before.n && after.sum == before.sum && after.at == 42);
    sh_history_stats(r->h, &st);
    assert_int_equal(st.head_samples, 0);
    sh_history_close(r->h);
    rig_open(r);
    assert_int_equal(read_point(r, 1, t0).n, 2049);
    rig_free(r);
}

static void test_same_time_again_the_later_arrival_wins(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    send_run(r, 1, t0, 300, 0);
    send_row(r, 1, t0 + 10 * sec, 42, SH_Q_GOOD);
    send_row(r, 1, t0 + 11 * sec, 43, SH_Q_BAD); /* a worse one does not */
    assert_true(read_point(r, 1, t0 + 10 * sec).at == 42);
    assert_true(read_point(r, 1, t0 + 11 * sec).at == 2.75);
    send_run(r, 1, t0, 300, 100);
    assert_int_equal(waiting(r, 1), 1); /* the second was taken as rows */
    assert_true(read_point(r, 1, t0 + 10 * sec).at == 102.5);
    send_row(r, 1, t0 + 10 * sec, 44, SH_Q_GOOD);
    assert_true(read_point(r, 1, t0 + 10 * sec).at == 44);
    assert_ok(sh_history_flush(r->h));
    assert_true(read_point(r, 1, t0 + 10 * sec).at == 44);
    assert_true(read_point(r, 1, t0 + 20 * sec).at == 105);
    send_run(r, 1, t0, 300, 200); /* over a segment */
    assert_int_equal(waiting(r, 1), 1);
    assert_true(read_point(r, 1, t0 + 10 * sec).at == 202.5);
    assert_int_equal(read_point(r, 1, t0).n, 300);
    rig_free(r);
}

/* However often it is sent: memory and the depth of a merge stay what they are with rows. */
static void test_repeats_are_flushed_however_many(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (uint32_t i = 0; i < 300; i++) {
        send_run(r, 1, t0 + (int64_t)(i % 3) * sec, 256, i);
    }
    assert_ok(sh_history_flush(r->h));
    assert_int_equal(read_point(r, 1, t0).n, 258);
    assert_true(read_point(r, 1, t0).at == 297);
    rig_free(r);
}

static void test_block_of_another_type_is_left_out_and_counted(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_history_stats st;
    struct sh_history_sample last;
    static const uint32_t point = 1;
    send_row(r, 1, t0, 1, SH_Q_GOOD);
    struct sh_pack_run run = run_of(r, 1, t0 + sec, 300, 0);
    run.type = SH_T_I64;
    assert_ok(sh_pack_add(r->b, &run));
    send(r);
    sh_history_stats(r->h, &st);
    assert_int_equal(st.type_conflicts, 300);
    assert_int_equal(read_point(r, 1, t0).n, 1);
    assert_ok(sh_history_last(r->h, &point, 1, &last, NULL));
    assert_true(last.found && last.time_us == t0);
    rig_free(r);
}

static void test_last_value_is_that_of_the_newest_block(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_history_sample s[2];
    static const uint32_t points[] = {1, 2};
    struct sh_pack_run run = run_of(r, 2, t0, 2000, 0);
    assert_ok(sh_pack_add(r->b, &run));
    run = run_of(r, 1, t0, 300, 5);
    assert_ok(sh_pack_add(r->b, &run));
    send(r);
    for (int flushed = 0; flushed < 2; flushed++) {
        assert_ok(sh_history_last(r->h, points, 2, s, NULL));
        assert_true(s[0].time_us == t0 + 299 * sec && s[0].value.f64 == 5 + 299.0 / 4);
        assert_true(s[1].time_us == t0 + 1999 * sec && s[1].value.f64 == 1999.0 / 4);
        assert_ok(sh_history_flush(r->h));
    }
    send_run(r, 1, t0 - 1000 * sec, 300, 0); /* older than what is there */
    assert_ok(sh_history_last(r->h, points, 1, s, NULL));
    assert_true(s[0].time_us == t0 + 299 * sec);
    rig_free(r);
}

static void test_waiting_blocks_count_as_memory_of_heads(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_history_stats st;
    bool did = false;
    int64_t t = t0;
    do {
        const struct sh_pack_run run = run_of(r, 1, t, MAX, 0);
        for (uint32_t i = 0; i < MAX; i++) { /* hard to pack */
            sh_put_le64(r->cell + 1 + (size_t)i * 8, sh_hash64(&i, sizeof i, (uint64_t)t) >> 12);
        }
        assert_ok(sh_pack_add(r->b, &run));
        send(r);
        t += MAX * sec;
        sh_history_stats(r->h, &st);
    } while (st.head_bytes <= 1 << 20);
    assert_true(st.head_samples > 100000 && st.head_samples < 250000);
    assert_ok(sh_history_step(r->h, &did)); /* over head_bytes: a flush is due */
    assert_true(did);
    sh_history_stats(r->h, &st);
    assert_int_equal(st.head_bytes, 0);
    rig_free(r);
}

/* A segment with one block of the pack, whose summary says another sum. */
static uint64_t problems_with_sum(struct rig *r, const struct sh_pack *p, double sum)
{
    struct summary s;
    struct segment_writer w;
    struct sh_buf text;
    struct sh_history_check c = {.segments = 0};
    struct block_ref b = p->block[0];
    struct sh_rd rd = sh_rd_of(b.summary);
    assert_ok(summary_read(&rd, b.type, b.n, b.t_first, b.t_last, &s));
    s.use.sum = sum;
    s.good.sum = sum;
    sh_buf_init(&text, r->t.env.alloc, 1000);
    assert_ok(summary_write(b.type, &s, b.t_first, b.t_last, &text));
    b.summary = sh_buf_bytes(&text);
    assert_ok(sh_fs_mkdirs(r->t.env.fs, "one"));
    const struct segment_info info = {.id = 1, .seq_min = 1, .seq_max = 1};
    assert_ok(segment_writer_open(&w, &r->t.env, "one", &info));
    assert_ok(segment_writer_copy(&w, &b, NULL));
    assert_ok(segment_writer_finish(&w, NULL, 0));
    segment_writer_close(&w);
    assert_ok(sh_history_check(&r->t.env, "one", &c));
    assert_int_equal(c.summaries, 1);
    sh_buf_fini(&text);
    return c.problems;
}

/* Where terms nearly cancel out, a sum hangs on their order; earlier versions had another. */
static void test_check_takes_a_sum_that_was_added_up_in_another_order(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct sh_pack *p = NULL;
    const struct sh_pack_run run = run_of(r, 1, t0, 1024, 0);
    double sum = 0;
    for (uint32_t i = 0; i < 1024; i++) {
        const uint32_t pair = i / 2;
        const double x = sqrt(pair * 7.0 + 2) * 1e12;
        const union sh_cell v = {.f64 = i % 2 == 0 ? x : -x * (1 - 1e-15)};
        sh_put_le64(r->cell + 1 + (size_t)i * 8, v.bits);
        sum += v.f64;
    }
    assert_ok(sh_pack_add(r->b, &run));
    assert_ok(sh_pack_take(r->b, &p));
    assert_int_equal(problems_with_sum(r, p, sum), 0);
    assert_int_equal(problems_with_sum(r, p, sum + 1e9), 1);
    sh_pack_unref(p);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_of_the_wrong_kind_is_left_to_rows),
        cmocka_unit_test(test_full_builder_says_so_and_goes_on_after_the_pack),
        cmocka_unit_test(test_record_reads_back_as_the_same_pack),
        cmocka_unit_test(test_changed_record_is_refused),
        cmocka_unit_test(test_memory_failures_leave_nothing_behind),
        cmocka_unit_test(test_blocks_wait_whole_and_are_flushed_as_they_are),
        cmocka_unit_test(test_same_time_again_the_later_arrival_wins),
        cmocka_unit_test(test_repeats_are_flushed_however_many),
        cmocka_unit_test(test_block_of_another_type_is_left_out_and_counted),
        cmocka_unit_test(test_last_value_is_that_of_the_newest_block),
        cmocka_unit_test(test_check_takes_a_sum_that_was_added_up_in_another_order),
        cmocka_unit_test(test_waiting_blocks_count_as_memory_of_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
