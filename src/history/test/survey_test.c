/* Surveys: each kind of flaw by itself, the thresholds, and random samples in heads, segments and
 * compacted days against a plain walk over the raw rows. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>

#include <sh/history.h>

static const int64_t t0 = 1767225600000000; /* 2026-01-01T00:00:00Z */
static const int64_t sec = 1000000;
static const int64_t day = (int64_t)86400 * 1000000;

enum { ROWS = 200000, CAP = 10000 };

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct sh_batch_builder b;
    uint64_t seq;
    uint64_t random;
};

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = sh_memfs_new(1);
    r->random = 88172645463325252;
    sh_test_env_init(&r->t, sh_memfs_fs(r->mem));
    const struct sh_history_options o = {.dir = "h"};
    assert_ok(sh_history_open(&r->t.env, &o, &r->h));
    sh_batch_builder_init(&r->b, r->t.env.alloc, 100000, 1 << 24);
}

static void rig_fini(struct rig *r)
{
    sh_batch_builder_fini(&r->b);
    sh_history_close(r->h);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->mem);
}

static uint64_t rnd(struct rig *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random;
}

static void add(struct rig *r, int64_t at, double v, uint8_t q)
{
    assert_ok(sh_batch_add(&r->b, 1, at, SH_T_F64, (union sh_cell){.f64 = v}, q));
}

static void send(struct rig *r)
{
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(r->t.env.alloc, &r->b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_clear(&r->b);
}

static struct sh_history_survey ask(const struct sh_history_survey_point *p, int64_t from,
                                    int64_t to)
{
    return (struct sh_history_survey){.points = p,
                                      .npoints = 1,
                                      .from_us = from,
                                      .to_us = to,
                                      .now_us = t0 + 400 * day,
                                      .gap_factor = 3,
                                      .intervals = CAP};
}

struct seen {
    struct sh_history_surveyed s;
    struct sh_history_flaw_time rows[SH_FLAW_KINDS * CAP];
    uint64_t scanned;
};

static sh_err keep(void *ctx, const struct sh_history_surveyed *s)
{
    struct seen *k = ctx;
    k->s = *s;
    if (s->n > 0) {
        memcpy(k->rows, s->rows, s->n * sizeof *s->rows);
    }
    return SH_OK;
}

/* "gap 10..20 stuck 3..5 | good 90", in seconds after t0. */
static void check(struct rig *r, const struct sh_history_survey *q, const char *want)
{
    static const char *const words[] = {"gap", "stuck", "bad", "uncertain", "range"};
    static struct seen k;
    char text[2000] = "";
    size_t n = 0;
    assert_ok(sh_history_survey(r->h, q, keep, &k, &k.scanned));
    for (size_t i = 0; i < k.s.n && n < sizeof text - 100; i++) {
        const struct sh_history_flaw_time *f = &k.rows[i];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %g..%g ", words[f->kind],
                              (double)(f->from_us - t0) / 1e6, (double)(f->to_us - t0) / 1e6);
    }
    (void)snprintf(text + n, sizeof text - n, "| good %g of %g", (double)k.s.good_us / 1e6,
                   (double)k.s.time_us / 1e6);
    assert_string_equal(text, want);
}

static const struct sh_history_survey_point plain = {.point = 1, .low = NAN, .high = NAN};

static void test_survey_of_each_kind_finds_its_intervals(void **state)
{
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    struct sh_history_survey q = ask(&plain, t0, t0 + 100 * sec);
    check(&r, &q, "gap 0..100 | good 0 of 100"); /* nothing at all */
    for (int i = 0; i < 100; i++) {
        const uint8_t quality = i == 10 ? SH_Q_BAD : (i == 20 || i == 21 ? SH_Q_UNCERTAIN : 192);
        if (i < 50 || i >= 60) {
            const double still = i >= 70 && i < 90 ? 5 : i; /* 71..90 */
            add(&r, t0 + (i + 1) * sec, i == 30 ? NAN : still, quality);
        }
    }
    send(&r);
    check(&r, &q, "gap 0..1 bad 11..12 uncertain 21..23 bad 31..32 gap 50..61 | good 84 of 100");
    q.stuck_us = 19 * sec;
    check(&r, &q,
          "gap 0..1 bad 11..12 uncertain 21..23 bad 31..32 gap 50..61 stuck 71..90 | good 65 of "
          "100");
    q.stuck_us = 20 * sec;
    check(&r, &q, "gap 0..1 bad 11..12 uncertain 21..23 bad 31..32 gap 50..61 | good 84 of 100");
    q.gap_us = 11 * sec; /* longer, not as long */
    check(&r, &q, "gap 0..1 bad 11..12 uncertain 21..23 bad 31..32 | good 95 of 100");
    const struct sh_history_survey_point ranged = {.point = 1, .low = 3, .high = 95};
    q = ask(&ranged, t0, t0 + 100 * sec);
    check(&r, &q,
          "gap 0..1 range 1..4 bad 11..12 uncertain 21..23 bad 31..32 gap 50..61 range 97..100 | "
          "good 78 of 100");
    rig_fini(&r);
}

static void test_survey_of_a_part_finds_the_same(void **state)
{
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    for (int i = 0; i < 1000; i++) {
        if (i < 300 || i >= 400) {
            add(&r, t0 + i * sec, i >= 600 && i < 800 ? 7 : i, SH_Q_GOOD);
        }
    }
    send(&r);
    struct sh_history_survey q = ask(&plain, t0 + 320 * sec, t0 + 380 * sec);
    q.stuck_us = 150 * sec;
    check(&r, &q, "gap 320..380 | good 0 of 60"); /* the period is that of before */
    q.from_us = t0 + 650 * sec;
    q.to_us = t0 + 700 * sec;
    check(&r, &q, "stuck 650..700 | good 0 of 50"); /* seen from before and behind */
    q.from_us = t0 + 100 * sec;
    q.to_us = t0 + 300 * sec;
    check(&r, &q, "gap 299..300 | good 199 of 200");
    q.from_us = t0 + 990 * sec;
    q.to_us = t0 + 2000 * sec;
    q.now_us = t0 + 1001 * sec; /* nothing is missed that is to come */
    check(&r, &q, "| good 11 of 11");
    q.now_us = t0 + 1010 * sec;
    check(&r, &q, "gap 999..1010 | good 9 of 20");
    q.now_us = t0 + 900 * sec;
    check(&r, &q, "| good 0 of 0");
    /* a declared period comes before the samples', a threshold before both */
    const struct sh_history_survey_point slow = {
        .point = 1, .period_us = 60 * sec, .low = NAN, .high = NAN};
    q = ask(&slow, t0, t0 + 600 * sec);
    check(&r, &q, "| good 600 of 600");
    q.gap_us = 5 * sec;
    check(&r, &q, "gap 299..400 | good 499 of 600");
    rig_fini(&r);
}

static void test_survey_with_little_room_merges_and_stays_exact(void **state)
{
    static struct seen k;
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    for (int i = 0; i < 10000; i++) {
        add(&r, t0 + i * sec, i, i % 10 == 3 && i < 9000 ? SH_Q_BAD : SH_Q_GOOD);
    }
    send(&r);
    struct sh_history_survey q = ask(&plain, t0, t0 + 9999 * sec);
    q.intervals = 20;
    assert_ok(sh_history_survey(r.h, &q, keep, &k, &k.scanned));
    assert_int_equal(k.s.total_us[SH_FLAW_BAD], 900 * sec);
    assert_int_equal(k.s.flawed[SH_FLAW_BAD], 900);
    assert_int_equal(k.s.good_us, 9099 * sec);
    assert_true(k.s.n <= 20 && k.s.n >= 1 && k.s.merged_us[SH_FLAW_BAD] >= 9 * sec);
    uint64_t merged = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < k.s.n; i++) {
        merged += k.rows[i].merged;
        sum += k.rows[i].sum_us;
        assert_true(i == 0 || k.rows[i].from_us - k.rows[i - 1].to_us > k.s.merged_us[SH_FLAW_BAD]);
    }
    assert_int_equal(merged, 900);
    assert_int_equal(sum, 900 * sec);
    q.intervals = 1;
    assert_int_equal(sh_history_survey(r.h, &q, keep, &k, &k.scanned), SH_E_INVAL);
    rig_fini(&r);
}

static bool gone(void *ctx)
{
    int *left = ctx;
    return (*left)-- == 0;
}

static void test_survey_that_is_not_wanted_any_more_ends(void **state)
{
    static struct seen k;
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    for (int i = 0; i < 50000; i++) {
        add(&r, t0 + i * sec + (int64_t)(i % 7) * 1000, i, SH_Q_GOOD);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    struct sh_history_survey q = ask(&plain, t0, t0 + 50000 * sec);
    int left = 5;
    q.gone = gone;
    q.ctx = &left;
    q.stuck_us = sec;
    assert_int_equal(sh_history_survey(r.h, &q, keep, &k, &k.scanned), SH_E_CANCELED);
    assert_true(k.scanned < 20000);
    q.gone = NULL;
    q.deadline_mono_us = 1;
    sh_test_advance(&r.t, 10);
    assert_int_equal(sh_history_survey(r.h, &q, keep, &k, &k.scanned), SH_E_TIMEOUT);
    q.deadline_mono_us = 0;
    q.mem_bytes = 1000;
    assert_int_equal(sh_history_survey(r.h, &q, keep, &k, &k.scanned), SH_E_LIMIT);
    rig_fini(&r);
}

/* ---- against a plain walk ---- */

struct rows {
    size_t n;
    int64_t t[ROWS];
    double v[ROWS];
    uint8_t q[ROWS];
};

static sh_err take(void *ctx, const struct sh_history_rows *rows)
{
    struct rows *r = ctx;
    for (uint32_t i = 0; i < rows->n; i++, r->n++) {
        assert_true(r->n < ROWS);
        r->t[r->n] = rows->time_us[i];
        r->v[r->n] = rows->value[i].f64;
        r->q[r->n] = rows->quality[i];
    }
    return SH_OK;
}

/* Second by second: what is wrong in [s, s + 1). All samples stand at whole seconds. */
static void walk(const struct rows *r, const struct sh_history_survey *q, int64_t total[],
                 int64_t *good)
{
    const int64_t gap = q->gap_us;
    size_t i = 0; /* samples at or before the second */
    memset(total, 0, SH_FLAW_KINDS * sizeof *total);
    *good = 0;
    for (int64_t s = q->from_us; s < q->to_us; s += sec) {
        bool has[SH_FLAW_KINDS] = {false};
        while (i < r->n && r->t[i] <= s) {
            i++;
        }
        const int64_t next = i < r->n ? r->t[i] : q->now_us;
        if (i == 0 || next - r->t[i - 1] > gap) {
            has[SH_FLAW_GAP] = true;
        } else {
            const size_t k = i - 1;
            const bool bad = sh_q_class(r->q[k]) == SH_QC_BAD || isnan(r->v[k]);
            has[SH_FLAW_BAD] = bad;
            has[SH_FLAW_UNCERTAIN] = !bad && sh_q_class(r->q[k]) == SH_QC_UNCERTAIN;
            has[SH_FLAW_RANGE] =
                !bad && (r->v[k] < q->points[0].low || r->v[k] > q->points[0].high);
            size_t a = k;
            size_t z = k;
            while (!bad && a > 0 && r->t[a] - r->t[a - 1] <= gap && r->v[a - 1] == r->v[k] &&
                   sh_q_class(r->q[a - 1]) != SH_QC_BAD) {
                a--;
            }
            while (!bad && z + 1 < r->n && r->t[z + 1] - r->t[z] <= gap && r->v[z + 1] == r->v[k] &&
                   sh_q_class(r->q[z + 1]) != SH_QC_BAD) {
                z++;
            }
            has[SH_FLAW_STUCK] = q->stuck_us > 0 && k < z && r->t[z] - r->t[a] >= q->stuck_us;
        }
        bool any = false;
        for (int k = 0; k < SH_FLAW_KINDS; k++) {
            total[k] += has[k] ? sec : 0;
            any = any || has[k];
        }
        *good += any ? 0 : sec;
    }
}

static void compare(struct rig *r, const struct sh_history_survey *q)
{
    static struct rows rows;
    static struct seen k;
    struct sh_history_result res;
    int64_t total[SH_FLAW_KINDS];
    int64_t good = 0;
    const struct sh_history_query raw = {
        .points = &q->points[0].point, .npoints = 1, .from_us = t0 - day, .to_us = t0 + 40 * day};
    rows.n = 0;
    assert_ok(sh_history_query(r->h, &raw, take, &rows, &res));
    walk(&rows, q, total, &good);
    assert_ok(sh_history_survey(r->h, q, keep, &k, &k.scanned));
    assert_int_equal(k.s.good_us, good);
    uint64_t n = 0;
    for (size_t i = 0; i < rows.n; i++) {
        n += rows.t[i] >= q->from_us && rows.t[i] < q->to_us;
    }
    assert_int_equal(k.s.samples, n);
    for (int i = 0; i < SH_FLAW_KINDS; i++) {
        int64_t sum = 0;
        for (size_t j = 0; j < k.s.n; j++) {
            sum += k.rows[j].kind == (enum sh_history_flaw)i ? k.rows[j].sum_us : 0;
        }
        assert_int_equal(k.s.total_us[i], total[i]);
        assert_int_equal(sum, total[i]);
    }
}

static void compare_some(struct rig *r)
{
    for (int i = 0; i < 12; i++) {
        const struct sh_history_survey_point p = {
            .point = 1, .low = i % 3 == 0 ? NAN : 2, .high = i % 3 == 1 ? NAN : 60};
        const int64_t from = t0 + (int64_t)(rnd(r) % 100000) * sec;
        struct sh_history_survey q = ask(&p, from, from + (int64_t)(rnd(r) % 90000 + 1) * sec);
        q.now_us = t0 + 200000 * sec;
        q.gap_us = (int64_t)(1 + rnd(r) % 30) * sec;
        q.stuck_us = i % 2 == 0 ? 0 : (int64_t)(1 + rnd(r) % 40) * sec;
        compare(r, &q);
    }
}

static void test_survey_of_random_samples_is_that_of_a_plain_walk(void **state)
{
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    for (int round = 0; round < 4; round++) {
        int64_t at = (int64_t)round * 20000;
        double v = 0;
        for (int i = 0; i < 20000; i++) {
            const uint64_t x = rnd(&r);
            at += x % 900 == 0 ? (int64_t)(x >> 32) % 60 : (round == 3 && x % 5 == 0 ? 2 : 1);
            v = x % 97 < 30 || (x >> 20) % 2000 < (uint64_t)1900 * (uint64_t)(i / 2000 % 2)
                    ? v
                    : (double)(x >> 40 & 63);
            const uint8_t q = x % 1013 == 0 ? SH_Q_BAD : (x % 1019 == 0 ? SH_Q_UNCERTAIN : 192);
            add(&r, t0 + at * sec, x % 5003 == 0 ? NAN : v, q);
        }
        send(&r);
        compare_some(&r);
        assert_ok(sh_history_flush(r.h));
        compare_some(&r);
    }
    assert_ok(sh_history_compact(r.h));
    compare_some(&r);
    /* late samples over it, and a deletion */
    for (int i = 0; i < 500; i++) {
        add(&r, t0 + (int64_t)(rnd(&r) % 90000) * sec, 9, SH_Q_GOOD);
    }
    send(&r);
    compare_some(&r);
    rig_fini(&r);
}

static void test_survey_of_even_samples_reads_few(void **state)
{
    static struct seen k;
    struct rig r;
    SH_UNUSED(state);
    rig_init(&r);
    for (int i = 0; i < 60000; i++) {
        add(&r, t0 + i * sec, i % 100, SH_Q_GOOD);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    struct sh_history_survey q = ask(&plain, t0, t0 + 59999 * sec);
    assert_ok(sh_history_survey(r.h, &q, keep, &k, &k.scanned));
    assert_int_equal(k.s.samples, 59999);
    assert_int_equal(k.s.good_us, 59999 * sec);
    assert_int_equal(k.s.period_us, sec);
    assert_true(k.scanned <= 4096);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_survey_of_each_kind_finds_its_intervals),
        cmocka_unit_test(test_survey_of_a_part_finds_the_same),
        cmocka_unit_test(test_survey_with_little_room_merges_and_stays_exact),
        cmocka_unit_test(test_survey_that_is_not_wanted_any_more_ends),
        cmocka_unit_test(test_survey_of_random_samples_is_that_of_a_plain_walk),
        cmocka_unit_test(test_survey_of_even_samples_reads_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
