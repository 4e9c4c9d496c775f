/* Queries over many points with helpers: the rows are those of one thread, in the same order;
 * limits, errors, cancelling and samples that arrive meanwhile. Run under TSan too. */
#include <sh/test.h>

#include <stdatomic.h>
#include <stdio.h>

#include <sh/history.h>

enum { POINTS = 60, TEXT_POINT = 61, ROWS = 4000 };

static const int64_t t0 = 1767225600000000;
static const int64_t sec = 1000000;

struct rig {
    char dir[64];
    struct sh_env env;
    struct sh_history *h;
    struct sh_batch_builder b;
    uint64_t seq;
};

static void rig_apply(struct rig *r)
{
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(r->env.alloc, &r->b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_clear(&r->b);
}

static void rig_open(struct rig *r, unsigned threads)
{
    const struct sh_history_options o = {.dir = r->dir, .query_threads = threads};
    assert_ok(sh_history_open(&r->env, &o, &r->h));
}

static void rig_init(struct rig *r, unsigned threads)
{
    memset(r, 0, sizeof *r);
    sh_test_tmpdir(r->dir);
    r->env = sh_env_system();
    sh_batch_builder_init(&r->b, r->env.alloc, (size_t)(POINTS + 1) * ROWS, 1 << 20);
    rig_open(r, threads);
    for (uint32_t i = 0; i < ROWS; i++) {
        const int64_t t = t0 + (int64_t)i * sec;
        for (uint32_t p = 1; p <= POINTS; p++) {
            const union sh_cell v = {.f64 = (double)(i * p % 977) / 10};
            assert_ok(sh_batch_add(&r->b, p, t, SH_T_F64, v, SH_Q_GOOD));
        }
        if (i % 10 == 0) {
            char text[32];
            const int n = snprintf(text, sizeof text, "state %u", i / 100);
            const struct sh_bytes bytes = sh_bytes_of(text, (size_t)n);
            assert_ok(sh_batch_add_bytes(&r->b, TEXT_POINT, t, SH_T_TEXT, bytes, SH_Q_GOOD));
        }
        if (i == ROWS / 2) {
            rig_apply(r);
            assert_ok(sh_history_flush(r->h));
        }
    }
    rig_apply(r);
}

static void rig_fini(struct rig *r)
{
    sh_batch_builder_fini(&r->b);
    sh_history_close(r->h);
    sh_test_rmdir(r->dir);
}

/* Everything that came, in order, as one number; and how much. */
struct seen {
    uint64_t hash;
    uint64_t rows;
    uint32_t series; /* the last */
    uint64_t stop_at;
    atomic_bool *cancel;
    struct rig *rig; /* samples arrive while rows come */
};

static void mix(struct seen *s, const void *p, size_t n)
{
    s->hash = s->hash * 1099511628211U ^ sh_hash64(p, n, 7);
}

static void mix_cells(struct seen *s, enum sh_type type, const union sh_cell *v, uint32_t n,
                      const uint8_t *bytes)
{
    for (uint32_t i = 0; i < n; i++) {
        if (type >= SH_T_TEXT) {
            mix(s, bytes + v[i].span.off, v[i].span.len);
        } else {
            mix(s, &v[i], 8);
        }
    }
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct seen *s = ctx;
    assert_true(rows->series >= s->series);
    s->series = rows->series;
    mix(s, &rows->series, sizeof rows->series);
    mix(s, rows->time_us, (size_t)rows->n * 8);
    if (rows->agg == NULL) {
        mix(s, rows->quality, rows->n);
        mix_cells(s, rows->type, rows->value, rows->n, rows->bytes);
    } else {
        for (int a = 0; a < 2; a++) {
            mix_cells(s, rows->agg[a].type, rows->agg[a].value, rows->n, rows->bytes);
            assert_true(rows->agg[a].null == NULL || rows->agg[a].null[0] <= 1);
        }
    }
    s->rows += rows->n;
    if (s->cancel != NULL && s->rows >= s->stop_at) {
        atomic_store(s->cancel, true);
    }
    if (s->rig != NULL) {
        const union sh_cell v = {.f64 = 1};
        assert_ok(sh_batch_add(&s->rig->b, 1, t0 - sec, SH_T_F64, v, SH_Q_GOOD));
        rig_apply(s->rig);
    }
    return s->cancel == NULL && s->stop_at != 0 && s->rows >= s->stop_at ? SH_E_CLOSED : SH_OK;
}

static uint32_t points[TEXT_POINT * 8];

static struct sh_history_query query(int kind, struct sh_history_agg *aggs)
{
    for (uint32_t i = 0; i < SH_COUNT(points); i++) {
        points[i] = 1 + i % TEXT_POINT;
    }
    struct sh_history_query q = {
        .points = points, .npoints = SH_COUNT(points), .from_us = t0, .to_us = t0 + ROWS * sec};
    aggs[0].kind = SH_AGG_LAST;
    aggs[1].kind = SH_AGG_COUNT;
    if (kind == 1) {
        q.aggs = aggs;
        q.naggs = 2;
        q.step_us = 37 * sec;
        q.fill = SH_FILL_NULL;
    } else if (kind == 3) {
        aggs[0] = (struct sh_history_agg){.kind = SH_AGG_PERCENTILE, .percentile = 50};
        q.aggs = aggs;
        q.naggs = 2;
    } else if (kind == 2) {
        q.down = SH_DOWN_LTTB;
        q.down_points = 100;
    }
    return q;
}

static void test_rows_are_those_of_one_thread(void **state)
{
    (void)state;
    struct rig r;
    struct seen want[3] = {{.hash = 1}, {.hash = 1}, {.hash = 1}};
    struct sh_history_result out[3];
    struct sh_history_agg aggs[2] = {{.kind = 0}};
    rig_init(&r, 0);
    for (int k = 0; k < 3; k++) {
        const struct sh_history_query q = query(k, aggs);
        assert_ok(sh_history_query(r.h, &q, sink, &want[k], &out[k]));
        assert_true(want[k].rows > 40000);
    }
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        sh_history_close(r.h);
        rig_open(&r, threads);
        for (int k = 0; k < 3; k++) {
            struct seen got = {.hash = 1};
            struct sh_history_result o;
            const struct sh_history_query q = query(k, aggs);
            assert_ok(sh_history_query(r.h, &q, sink, &got, &o));
            assert_int_equal(got.rows, want[k].rows);
            assert_true(got.hash == want[k].hash);
            assert_int_equal(o.rows, got.rows);
            assert_false(o.next.set);
        }
    }
    rig_fini(&r);
}

static void test_sink_cancel_and_errors_end_it(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_agg aggs[2] = {{.kind = 0}};
    struct sh_history_result out;
    rig_init(&r, 3);
    for (uint64_t stop = 1; stop < 300000; stop = stop * 5 + 3000) {
        atomic_bool cancel = false;
        struct sh_history_query q = query(0, aggs);
        struct seen s = {.hash = 1, .stop_at = stop};
        assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_CLOSED);
        s = (struct seen){.hash = 1, .stop_at = stop, .cancel = &cancel};
        q.cancel = &cancel;
        assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_CANCELED);
    }
    struct seen s = {.hash = 1};
    struct sh_history_query q = query(3, aggs); /* percentiles are not of a text point: series 60 */
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_UNSUPPORTED);
    assert_int_equal(s.series, TEXT_POINT - 2); /* all before it came */
    s = (struct seen){.hash = 1};
    q = query(0, aggs);
    q.deadline_mono_us = sh_mono_us(r.env.clock) + 2000;
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_TIMEOUT);
    rig_fini(&r);
}

/* What needs more memory than a helper has is done by the caller; too much for it is an error. */
static void test_memory_of_helpers_is_bounded(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_agg aggs[2] = {{.kind = 0}};
    struct sh_history_result out;
    rig_init(&r, 2);
    struct seen s = {.hash = 1};
    struct sh_history_query q = query(3, aggs);
    q.npoints = POINTS;      /* without the text */
    q.mem_bytes = 400 << 10; /* 4000 values and a block: fits once, not in an eighth */
    assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
    assert_int_equal(s.rows, POINTS);
    q.mem_bytes = 20 << 10;
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_LIMIT);
    rig_fini(&r);
}

/* What one series took is given back before the next. */
static void test_memory_is_not_used_up_by_many_points(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_agg aggs[2] = {{.kind = 0}};
    struct sh_history_result out;
    for (unsigned threads = 0; threads < 2; threads++) {
        struct seen s = {.hash = 1};
        rig_init(&r, threads);
        struct sh_history_query q = query(1, aggs);
        q.mem_bytes = 200 << 10;
        assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
        assert_true(s.rows > 40000);
        rig_fini(&r);
    }
}

static void test_samples_arrive_meanwhile(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_agg aggs[2] = {{.kind = 0}};
    struct sh_history_result out;
    rig_init(&r, 3);
    struct seen s = {.hash = 1, .rig = &r};
    const struct sh_history_query q = query(1, aggs);
    assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
    assert_true(s.rows > 40000);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_those_of_one_thread),
        cmocka_unit_test(test_sink_cancel_and_errors_end_it),
        cmocka_unit_test(test_memory_of_helpers_is_bounded),
        cmocka_unit_test(test_memory_is_not_used_up_by_many_points),
        cmocka_unit_test(test_samples_arrive_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
