/* The entropy code, and when partitions become cold. */
#include <sh/test.h>

#include <stdio.h>

#include <sh/history.h>

#include "../ans.h"

static const int64_t t0 = 1767225600000000; /* 2026-01-01T00:00:00Z */
static const int64_t sec = 1000000;
static const int64_t day = (int64_t)86400 * 1000000;

/* ---- the code ---- */

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

enum shape { SAME, TWO, NARROW, WIDE, EXTREMES, SHAPES };

static uint64_t shape_value(enum shape k, uint32_t i, uint64_t *s)
{
    const uint64_t x = next(s);
    switch (k) {
    case SAME:
        return 7;
    case TWO:
        return x % 9 == 0 ? 1000001 : 1000000;
    case NARROW:
        return (x % 16 + x / 16 % 16 + x / 256 % 16) - 20;
    case WIDE:
        return x >> (x % 64);
    case EXTREMES:
    case SHAPES:
    default:
        return i % 3 == 0 ? UINT64_MAX / 2 : (i % 3 == 1 ? UINT64_MAX / 2 + 1 : 0);
    }
}

static void test_ans_every_shape_and_length_reads_back(void **state)
{
    (void)state;
    static struct ans_scratch scratch;
    static uint64_t in[ANS_MAX];
    static uint64_t out[ANS_MAX];
    static const uint32_t lens[] = {1, 2, 3, 17, 64, 1023, 1024};
    static const uint64_t centres[] = {0, 1000000, (uint64_t)-3, UINT64_MAX / 2};
    uint64_t s = 1234567;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    for (int k = 0; k < SHAPES; k++) {
        for (size_t l = 0; l < SH_COUNT(lens); l++) {
            for (uint32_t i = 0; i < lens[l]; i++) {
                in[i] = shape_value((enum shape)k, i, &s);
            }
            for (size_t c = 0; c < SH_COUNT(centres); c++) {
                sh_buf_clear(&b);
                assert_ok(ans_encode(&scratch, in, lens[l], centres[c], &b));
                assert_ok(sh_buf_put_u8(&b, 0xee)); /* what follows is not touched */
                struct sh_rd r = sh_rd_of(sh_buf_bytes(&b));
                assert_ok(ans_decode(&r, lens[l], out));
                assert_int_equal(sh_rd_left(&r), 1);
                assert_memory_equal(in, out, lens[l] * sizeof in[0]);
            }
        }
    }
    sh_buf_fini(&b);
}

static void test_ans_clustered_values_take_little_more_than_their_entropy(void **state)
{
    (void)state;
    static struct ans_scratch scratch;
    static uint64_t in[ANS_MAX];
    uint64_t s = 99;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    for (uint32_t i = 0; i < ANS_MAX; i++) { /* 0 in 7 of 8: 0.544 bits a value, 70 bytes */
        in[i] = next(&s) % 8 == 0 ? 1 : 0;
    }
    assert_ok(ans_encode(&scratch, in, ANS_MAX, 0, &b));
    assert_in_range(b.n, 60, 90);
    sh_buf_fini(&b);
}

/* No cut and no changed byte is read as something longer than asked for, or past the end. */
static void test_ans_damaged_code_is_refused_or_stays_inside(void **state)
{
    (void)state;
    static struct ans_scratch scratch;
    static uint64_t in[300];
    static uint64_t out[300];
    uint64_t s = 5;
    struct sh_buf b;
    sh_buf_init(&b, sh_alloc_heap(), 1 << 20);
    for (uint32_t i = 0; i < 300; i++) {
        in[i] = shape_value(NARROW, i, &s);
    }
    assert_ok(ans_encode(&scratch, in, 300, 0, &b));
    for (size_t n = 0; n < b.n; n++) {
        struct sh_rd r = {b.p, b.p + n};
        assert_int_equal(ans_decode(&r, 300, out), SH_E_CORRUPT);
    }
    for (size_t i = 0; i < b.n; i++) {
        b.p[i] ^= (uint8_t)(1U << (next(&s) % 8));
        struct sh_rd r = sh_rd_of(sh_buf_bytes(&b));
        const sh_err err = ans_decode(&r, 300, out);
        assert_true(err == SH_OK || err == SH_E_CORRUPT);
        assert_true(r.p <= r.end);
    }
    sh_buf_fini(&b);
}

/* ---- when ---- */

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct sh_batch_builder b;
    uint64_t seq;
};

static void rig_open(struct rig *r)
{
    const struct sh_history_options o = {.dir = "h"}; /* cold after 7 days */
    assert_ok(sh_history_open(&r->t.env, &o, &r->h));
}

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = sh_memfs_new(1);
    sh_test_env_init(&r->t, sh_memfs_fs(r->mem));
    sh_batch_builder_init(&r->b, r->t.env.alloc, 100000, 16);
    rig_open(r);
}

static void rig_fini(struct rig *r)
{
    sh_batch_builder_fini(&r->b);
    sh_history_close(r->h);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->mem);
}

/* n samples from t on, each second, into a segment. */
static void put(struct rig *r, int64_t t, uint32_t n)
{
    struct sh_slab *slab = NULL;
    sh_batch_builder_clear(&r->b);
    for (uint32_t i = 0; i < n; i++) {
        const union sh_cell v = {.f64 = (double)(i * 37 % 1000) / 100};
        assert_ok(sh_batch_add(&r->b, 1, t + (int64_t)i * sec, SH_T_F64, v, SH_Q_GOOD));
    }
    assert_ok(sh_slab_new(r->t.env.alloc, &r->b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    assert_ok(sh_history_flush(r->h));
}

static struct sh_history_stats compacted(struct rig *r)
{
    struct sh_history_stats st;
    assert_ok(sh_history_compact(r->h));
    sh_history_stats(r->h, &st);
    return st;
}

static void test_partition_becomes_cold_when_old_and_quiet(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    put(&r, t0, 5000);
    put(&r, t0 + 5000 * sec, 5000);
    assert_int_equal(compacted(&r).cold_segments, 0); /* today */
    sh_test_advance(&r.t, 7 * day);
    assert_int_equal(compacted(&r).cold_segments, 0); /* its day ended 6 days ago */
    sh_test_advance(&r.t, day);
    const struct sh_history_stats st = compacted(&r);
    assert_int_equal(st.cold_segments, 1);
    assert_int_equal(st.segments, 1);
    assert_int_equal(st.cold_samples, 10000);
    sh_history_close(r.h);
    rig_open(&r); /* the file says what it is */
    sh_test_advance(&r.t, day);
    const struct sh_history_stats again = compacted(&r);
    assert_int_equal(again.cold_segments, 1);
    assert_int_equal(again.compactions, 0);
    rig_fini(&r);
}

static void test_old_data_that_still_arrives_is_left_until_quiet(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    sh_test_advance(&r.t, 30 * day);
    put(&r, t0, 5000);
    assert_int_equal(compacted(&r).cold_segments, 0);
    sh_test_advance(&r.t, 599 * sec);
    assert_int_equal(compacted(&r).cold_segments, 0);
    sh_test_advance(&r.t, sec);
    assert_int_equal(compacted(&r).cold_segments, 1);
    rig_fini(&r);
}

static void test_a_little_late_data_does_not_rewrite_the_cold_segment(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    sh_test_advance(&r.t, 30 * day);
    put(&r, t0, 20000);
    sh_test_advance(&r.t, day);
    assert_int_equal(compacted(&r).cold_segments, 1);
    put(&r, t0 + 20000 * sec, 10);
    sh_test_advance(&r.t, day);
    struct sh_history_stats st = compacted(&r);
    assert_int_equal(st.segments, 2);
    assert_int_equal(st.cold_segments, 1);
    put(&r, t0 + 30000 * sec, 20000); /* much: one cold segment again */
    sh_test_advance(&r.t, day);
    st = compacted(&r);
    assert_int_equal(st.segments, 1);
    assert_int_equal(st.cold_samples, 40010);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ans_every_shape_and_length_reads_back),
        cmocka_unit_test(test_ans_clustered_values_take_little_more_than_their_entropy),
        cmocka_unit_test(test_ans_damaged_code_is_refused_or_stays_inside),
        cmocka_unit_test(test_partition_becomes_cold_when_old_and_quiet),
        cmocka_unit_test(test_old_data_that_still_arrives_is_left_until_quiet),
        cmocka_unit_test(test_a_little_late_data_does_not_rewrite_the_cold_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
