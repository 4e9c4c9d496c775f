/* Roll-ups: the code against what the samples say, and queries that they answer against the same
 * queries without them. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <sh/history.h>

#include "../roll_int.h"
#include "../segment.h"

enum { LEAST = 50 }; /* so that a second's data has minutes */

static const int64_t t0 = 1767225600000000; /* 2026-01-01T00:00:00Z */
static const int64_t sec = 1000000;
static const int64_t hour = (int64_t)3600 * 1000000;
static const int64_t day = (int64_t)86400 * 1000000;

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

/* ---- the code ---- */

enum { MOST = 90000 };

struct samples {
    enum sh_type type;
    uint32_t n;
    int64_t time[MOST];
    union sh_cell value[MOST];
    uint8_t quality[MOST];
};

enum shape { EVEN, GAPS, JITTER, FINE, COUNTER, SWITCH, MIXED, EXTREME, SHAPES };

static union sh_cell shape_value(enum shape k, uint32_t i, uint64_t *s, int64_t *walk)
{
    const uint64_t x = next(s);
    union sh_cell v = {.bits = 0};
    *walk += (int64_t)(x % 21) - 10;
    switch (k) {
    case COUNTER:
        v.i64 = INT64_C(5000000000000) + (int64_t)i * 3 + (int64_t)(x % 3);
        break;
    case SWITCH:
        v.bits = x % 50 == 0;
        break;
    case EXTREME:
        v.f64 = x % 2 == 0 ? 1e300 : -1e-300;
        break;
    case FINE:
        v.f64 = sin((double)i / 100) * 1000;
        break;
    case MIXED:
        v.f64 = x % 4000 == 0 ? (x % 8000 == 0 ? NAN : 1.0 / 3) : (double)*walk / 100;
        break;
    case EVEN:
    case GAPS:
    case JITTER:
    case SHAPES:
        v.f64 = (double)*walk / 100;
        break;
    }
    return v;
}

static void samples_make(struct samples *a, enum shape k, uint64_t seed)
{
    uint64_t s = seed * 2654435761U + 99;
    int64_t walk = 2000;
    const int64_t step = (int64_t[]){sec, 10 * sec, sec / 4}[seed % 3];
    int64_t t = t0 - (seed % 2 == 0 ? 0 : 5 * hour) + (int64_t)(next(&s) % 7) * 1000;
    a->type = k == COUNTER ? SH_T_I64 : (k == SWITCH ? SH_T_BOOL : SH_T_F64);
    a->n = 0;
    while (a->n < 8000 + seed % 5 * 10000 && t < t0 + 18 * hour) {
        const uint64_t x = next(&s);
        a->time[a->n] = t + (k == JITTER ? (int64_t)(x % 200000) : 0);
        a->value[a->n] = shape_value(k, a->n, &s, &walk);
        a->quality[a->n] = k == MIXED && x % 3000 == 0 ? (x % 2 == 0 ? 0 : 216) : SH_Q_GOOD;
        a->n++;
        t += step + (k == GAPS && x % 500 == 0 ? (int64_t)(x / 500 % 300) * 37 * sec : 0);
    }
}

static sh_err samples_roll(const struct samples *a, struct sh_buf *out, uint64_t *mean)
{
    struct roll_build b;
    roll_build_init(&b, sh_alloc_heap(), LEAST);
    roll_build_begin(&b, a->type, ROLL_MINUTE);
    sh_err err = SH_OK;
    for (uint32_t i = 0; err == SH_OK && i < a->n; i += 1000) {
        const uint32_t n = a->n - i < 1000 ? a->n - i : 1000;
        err = roll_build_add(&b, n, a->time + i, a->value + i, a->quality + i);
    }
    if (err == SH_OK) {
        err = roll_build_end(&b, out, mean);
    }
    roll_build_fini(&b);
    return err;
}

static double number(enum sh_type t, union sh_cell v)
{
    return t == SH_T_F64 ? v.f64 : (double)v.i64;
}

static void assert_near(double got, double want)
{
    if (fabs(got - want) > 1e-11 * (fabs(got) + fabs(want)) + 1e-9) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

struct walk {
    const struct samples *a;
    const struct roll *roll;
    uint32_t covered; /* samples in rows of the finest level */
    uint32_t clean;
    uint32_t timed;
    uint32_t rows;
};

static uint32_t lower(const struct samples *a, int64_t t)
{
    uint32_t i = 0;
    while (i < a->n && a->time[i] < t) {
        i++;
    }
    return i;
}

/* What the samples [i, n) come to. */
static void row_expect(struct walk *w, const struct roll_row *row, uint32_t i, uint32_t n)
{
    const struct samples *a = w->a;
    const struct summary_set *s = &row->set;
    uint32_t min = i;
    uint32_t max = i;
    double sum = 0;
    double integral = 0;
    for (uint32_t k = i; k < n; k++) {
        const double v = number(a->type, a->value[k]);
        min = v < number(a->type, a->value[min]) ? k : min;
        max = v > number(a->type, a->value[max]) ? k : max;
        sum += v;
        integral += k + 1 < n ? v * (double)(a->time[k + 1] - a->time[k]) : 0;
    }
    double m2 = 0;
    for (uint32_t k = i; k < n; k++) {
        const double d = number(a->type, a->value[k]) - sum / (n - i);
        m2 += d * d;
    }
    assert_int_equal(s->n, n - i);
    assert_true(s->min.bits == a->value[min].bits && s->max.bits == a->value[max].bits);
    assert_true(s->first.bits == a->value[i].bits && s->last.bits == a->value[n - 1].bits);
    assert_near(s->sum, sum);
    w->clean++;
    if (row->timed) {
        w->timed++;
        assert_int_equal(s->t_first, a->time[i]);
        assert_int_equal(s->t_last, a->time[n - 1]);
        assert_near(s->integral, integral);
    } else {
        assert_int_equal(s->t_first, row->start);
        assert_int_equal(s->t_last, row->start + roll_unit_us(row->level) - 1);
    }
    if (row->timed) {
        assert_int_equal(row->t_min, a->time[min]);
        assert_int_equal(row->t_max, a->time[max]);
    }
    if (row->squares) {
        assert_true(fabs(s->m2 - m2) <= 1e-6 * fabs(m2) + 1e-9 || !isfinite(m2));
    }
}

static void group_walk(struct walk *w, const struct roll_row *above)
{
    struct roll_group *g = test_calloc(1, sizeof *g);
    assert_ok(roll_group_read(w->roll, above, g));
    for (uint32_t r = 0; r < g->n; r++) {
        const struct roll_row *row = &g->rows[r];
        const uint32_t i = lower(w->a, row->start);
        const uint32_t n = lower(w->a, row->start + roll_unit_us(row->level));
        bool pure = true;
        for (uint32_t k = i; k < n; k++) {
            pure =
                pure && w->a->quality[k] == SH_Q_GOOD && !isnan(number(w->a->type, w->a->value[k]));
        }
        assert_true(n > i);
        assert_true(above == NULL || (row->start >= above->start &&
                                      row->start < above->start + roll_unit_us(above->level)));
        assert_true(pure || !row->clean);
        if (row->clean) {
            row_expect(w, row, i, n);
        }
        w->rows++;
        if (row->level == w->roll->finest) {
            w->covered += n - i;
        } else {
            group_walk(w, row);
        }
    }
    test_free(g);
}

static void test_every_row_says_what_its_samples_come_to(void **state)
{
    (void)state;
    struct samples *a = test_calloc(1, sizeof *a);
    struct sh_buf out;
    uint32_t timed = 0;
    uint32_t rows = 0;
    sh_buf_init(&out, sh_alloc_heap(), 1 << 20);
    for (int k = 0; k < SHAPES; k++) {
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct roll roll;
            uint64_t mean = 0;
            samples_make(a, (enum shape)k, seed);
            sh_buf_clear(&out);
            assert_ok(samples_roll(a, &out, &mean));
            assert_true(mean >= LEAST);
            assert_ok(roll_open(sh_buf_bytes(&out), a->type, &roll));
            struct walk w = {.a = a, .roll = &roll};
            group_walk(&w, NULL);
            assert_int_equal(w.covered, a->n);
            assert_true(k == MIXED ? w.clean < w.rows : w.clean == w.rows);
            assert_true(k == FINE || k == EXTREME || out.n < (size_t)w.rows * 40); /* small */
            timed += k == EVEN ? w.timed : 0;
            rows += k == EVEN ? w.rows : 0;
        }
    }
    assert_true(timed >
                rows * 3 / 4); /* but for hours and minutes at the ends, that are not whole */
    sh_buf_fini(&out);
    test_free(a);
}

static void test_sparse_series_have_none(void **state)
{
    (void)state;
    struct samples *a = test_calloc(1, sizeof *a);
    struct sh_buf out;
    uint64_t mean = 1;
    sh_buf_init(&out, sh_alloc_heap(), 1 << 20);
    a->type = SH_T_F64;
    for (; a->n < 40; a->n++) {
        a->time[a->n] = t0 + (int64_t)a->n * 1800 * sec;
        a->quality[a->n] = SH_Q_GOOD;
    }
    assert_ok(samples_roll(a, &out, &mean));
    assert_int_equal(mean, 0);
    assert_int_equal(out.n, 0);
    for (; a->n < 100; a->n++) { /* more than a day */
        a->time[a->n] = t0 + (int64_t)a->n * 1800 * sec;
        a->quality[a->n] = SH_Q_GOOD;
    }
    assert_ok(samples_roll(a, &out, &mean));
    assert_int_equal(out.n, 0);
    sh_buf_fini(&out);
    test_free(a);
}

static void groups_read(const struct roll *r, const struct roll_row *above, unsigned *count)
{
    struct roll_group *g = test_calloc(1, sizeof *g);
    if (roll_group_read(r, above, g) == SH_OK) {
        assert_true(g->n <= ROLL_GROUP);
        for (uint32_t i = 0; i < g->n && (*count)++ < 10000; i++) {
            if (g->rows[i].kids.n != 0) {
                groups_read(r, &g->rows[i], count);
            }
        }
    }
    test_free(g);
}

static void test_damaged_sections_are_refused_or_stay_inside(void **state)
{
    (void)state;
    struct samples *a = test_calloc(1, sizeof *a);
    struct sh_buf out;
    struct roll roll;
    uint64_t mean = 0;
    uint64_t s = 7;
    sh_buf_init(&out, sh_alloc_heap(), 1 << 20);
    samples_make(a, MIXED, 2);
    assert_ok(samples_roll(a, &out, &mean));
    for (size_t n = 0; n < 8 + sh_le32(out.p + 4); n++) {
        assert_int_equal(roll_open((struct sh_bytes){out.p, n}, SH_T_F64, &roll), SH_E_CORRUPT);
    }
    for (int i = 0; i < 4000; i++) { /* the crc is right, the rest is not */
        uint8_t *copy = test_malloc(out.n);
        unsigned count = 0;
        memcpy(copy, out.p, out.n);
        const uint32_t head = sh_le32(copy + 4);
        for (uint64_t k = 0; k <= next(&s) % 3; k++) {
            copy[8 + next(&s) % (k == 0 ? head : out.n - 8)] ^= (uint8_t)next(&s);
        }
        const size_t n = i % 5 == 0 ? 8 + next(&s) % (out.n - 8) : out.n;
        sh_put_le32(copy + 4, n - 8 < head ? (uint32_t)(n - 8) : head);
        sh_put_le32(copy, sh_crc32c(0, copy + 8, sh_le32(copy + 4)));
        if (roll_open((struct sh_bytes){copy, n}, SH_T_F64, &roll) == SH_OK) {
            groups_read(&roll, NULL, &count);
        }
        test_free(copy);
    }
    sh_buf_fini(&out);
    test_free(a);
}

/* ---- queries ---- */

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct sh_batch_builder b;
    uint64_t seq;
    uint32_t roll_min;
    int damaged;
};

static void report(void *ctx, const struct sh_history_report *e)
{
    struct rig *r = ctx;
    r->damaged += e->what == SH_HISTORY_SEGMENT_DAMAGED;
}

static void rig_open(struct rig *r)
{
    const struct sh_history_options o = {.dir = "h",
                                         .cold_after_us = INT64_MAX,
                                         .roll_min = r->roll_min,
                                         .report = report,
                                         .ctx = r};
    assert_ok(sh_history_open(&r->t.env, &o, &r->h));
}

static void rig_init(struct rig *r, uint32_t roll_min)
{
    memset(r, 0, sizeof *r);
    r->roll_min = roll_min;
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

static void rig_apply(struct rig *r)
{
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(r->t.env.alloc, &r->b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_clear(&r->b);
}

/* Three days of point 1 each second (1 % bad in one hour) and of point 2 each 10 s. */
static void rig_fill(struct rig *r)
{
    uint64_t s = 3;
    int64_t walk = 5000;
    for (uint32_t i = 0; i < 3 * 86400; i++) {
        walk += (int64_t)(next(&s) % 41) - 20;
        const union sh_cell v = {.f64 = (double)walk / 100};
        const bool bad = i / 3600 == 30 && i % 100 == 0;
        const int64_t t = t0 + (int64_t)i * sec;
        assert_ok(sh_batch_add(&r->b, 1, t, SH_T_F64, v, bad ? 0 : SH_Q_GOOD));
        if (i % 10 == 0) {
            assert_ok(
                sh_batch_add(&r->b, 2, t, SH_T_F64, (union sh_cell){.f64 = -v.f64}, SH_Q_GOOD));
        }
        if (i % 43200 == 43199) {
            rig_apply(r);
            assert_ok(sh_history_flush(r->h));
        }
    }
}

struct taken {
    size_t n;
    size_t cap;
    struct {
        uint32_t series;
        int64_t t;
        double v[8];
    } * row;
};

static sh_err take(void *ctx, const struct sh_history_rows *rows)
{
    struct taken *k = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        if (k->n == k->cap) {
            const size_t cap = k->cap == 0 ? 1024 : k->cap * 2;
            k->row = realloc(k->row, cap * sizeof *k->row);
            assert_non_null(k->row);
            k->cap = cap;
        }
        k->row[k->n].series = rows->series;
        k->row[k->n].t = rows->time_us[i];
        memset(k->row[k->n].v, 0, sizeof k->row[k->n].v);
        if (rows->agg == NULL) {
            k->row[k->n].v[0] = number(rows->type, rows->value[i]);
        }
        for (size_t a = 0; rows->agg != NULL && a < 8; a++) {
            const struct sh_history_col *c = &rows->agg[a];
            const bool null = c->null != NULL && c->null[i] != 0;
            k->row[k->n].v[a] = null ? -1e99 : number(c->type, c->value[i]);
        }
        k->n++;
    }
    return SH_OK;
}

static const char *const words[8] = {"count", "mean",       "min",   "max",
                                     "last",  "count:<9e9", "first", "twa"};

/* Every kind of question of which roll-ups answer a part. */
enum { QUESTIONS = 13 };

static void question(int i, struct sh_history_query *q, struct sh_history_agg *aggs)
{
    static const uint32_t points[2] = {1, 2};
    const int64_t steps[] = {0, 60 * sec, 300 * sec, hour, day, 7 * hour, 105120 * sec, 90 * sec};
    *q = (struct sh_history_query){
        .points = points, .npoints = 2, .from_us = t0, .to_us = t0 + 3 * day};
    for (size_t a = 0; a < 8; a++) {
        assert_ok(sh_history_agg_parse(sh_str_c(words[a]), &aggs[a]));
    }
    if (i < 8) {
        q->aggs = aggs;
        q->naggs = 8;
        q->step_us = steps[i];
        if (i % 2 == 1) {
            q->from_us += 12345678;
            q->to_us -= 7654321;
        }
    } else if (i < 10) {
        q->down = i == 8 ? SH_DOWN_MINMAX : SH_DOWN_LTTB;
        q->down_points = i == 8 ? 10 : 40; /* minmax: spans of hours */
    } else if (i == 10) {
        q->down = SH_DOWN_MINMAX; /* spans of minutes */
        q->down_points = 300;
    } else {
        assert_ok(sh_history_cond_parse(sh_str_c(i == 11 ? ">1000000" : "50..50.02"), &q->where));
    }
}

static uint64_t ask(struct rig *r, int i, struct taken *k)
{
    struct sh_history_query q;
    struct sh_history_agg aggs[8];
    struct sh_history_result out;
    question(i, &q, aggs);
    memset(k, 0, sizeof *k);
    assert_ok(sh_history_query(r->h, &q, take, k, &out));
    return out.scanned;
}

static void answers_same(const struct taken *a, const struct taken *b, int i)
{
    assert_int_equal(a->n, b->n);
    for (size_t k = 0; k < a->n; k++) {
        assert_int_equal(a->row[k].series, b->row[k].series);
        assert_int_equal(a->row[k].t, b->row[k].t);
        for (size_t v = 0; v < 8; v++) {
            if (fabs(a->row[k].v[v] - b->row[k].v[v]) > 1e-9 * (1 + fabs(a->row[k].v[v]))) {
                fail_msg("question %d row %zu value %zu: %.17g and %.17g", i, k, v, a->row[k].v[v],
                         b->row[k].v[v]);
            }
        }
    }
}

/* The same questions, of which `before` has the answers. */
static void ask_again(struct rig *r, const struct taken before[QUESTIONS],
                      uint64_t scanned[QUESTIONS])
{
    for (int i = 0; i < QUESTIONS; i++) {
        struct taken now;
        scanned[i] = ask(r, i, &now);
        answers_same(&before[i], &now, i);
        free(now.row);
    }
}

/* Returns the bytes of the segments. */
static uint64_t answers_with(uint32_t roll_min, uint64_t scanned[QUESTIONS])
{
    struct rig r;
    struct taken before[QUESTIONS];
    struct sh_history_stats st;
    rig_init(&r, roll_min);
    rig_fill(&r);
    for (int i = 0; i < QUESTIONS; i++) {
        (void)ask(&r, i, &before[i]);
        assert_true(i == 11 || before[i].n > 0);
    }
    sh_test_advance(&r.t, 10 * day);
    assert_ok(sh_history_compact(r.h));
    sh_history_stats(r.h, &st);
    assert_int_equal(st.segments, 3);
    ask_again(&r, before, scanned);
    sh_history_close(r.h);
    rig_open(&r);
    ask_again(&r, before, scanned);
    sh_history_close(r.h);
    struct sh_history_check c = {.segments = 0};
    assert_ok(sh_history_check(&r.t.env, "h", &c));
    assert_int_equal(c.problems, 0);
    assert_true(c.summaries > 0);
    rig_open(&r);
    for (int i = 0; i < QUESTIONS; i++) {
        free(before[i].row);
    }
    rig_fini(&r);
    return c.bytes;
}

static void test_queries_answer_the_same_with_roll_ups_and_read_less(void **state)
{
    (void)state;
    uint64_t minutes[QUESTIONS];
    uint64_t hours[QUESTIONS];
    const uint64_t with_minutes = answers_with(LEAST, minutes);
    const uint64_t with_hours = answers_with(0, hours);
    for (int i = 0; i < 2; i++) {
        /* the blocks of the hour with bad samples (no mean without its samples: hours of the first
         * point have squares, those of the second do not), and what straddles */
        const uint64_t *scanned = i == 0 ? minutes : hours;
        assert_true(scanned[0] < 10000);
        assert_true(scanned[11] < 5000);
        assert_true(scanned[8] < 40000);
    }
    assert_true(minutes[2] < 40000 && hours[2] > 200000); /* by five minutes */
    assert_true(with_hours * 100 < with_minutes * 92);
}

/* An hour after its end a day is merged to one segment with roll-ups; not sooner, and not while
 * samples still come. */
static void test_a_day_gets_roll_ups_an_hour_after_its_end(void **state)
{
    (void)state;
    struct rig r;
    struct taken k;
    struct sh_history_stats st;
    bool did = true;
    rig_init(&r, LEAST);
    rig_fill(&r);
    sh_test_advance(&r.t, t0 + 3 * day + hour - sec - sh_wall_us(r.t.env.clock));
    assert_ok(sh_history_compact(r.h)); /* two of three days have ended long enough ago */
    sh_history_stats(r.h, &st);
    assert_int_equal(st.segments, 4);
    sh_test_advance(&r.t, sec);
    for (int i = 0; did && i < 10; i++) { /* as the background thread does */
        assert_ok(sh_history_step(r.h, &did));
    }
    sh_history_stats(r.h, &st);
    assert_int_equal(st.segments, 3);
    assert_true(ask(&r, 4, &k) <
                5000); /* all by day: no samples but those of the hour with bad ones */
    free(k.row);
    rig_fini(&r);
}

static void test_late_samples_and_edits_count_over_roll_ups(void **state)
{
    (void)state;
    struct rig r;
    struct taken k;
    rig_init(&r, LEAST);
    rig_fill(&r);
    sh_test_advance(&r.t, 10 * day);
    assert_ok(sh_history_compact(r.h));
    (void)ask(&r, 3, &k);
    const double mean = k.row[5].v[1];
    assert_true(k.row[5].v[0] == 3600);
    free(k.row);
    const union sh_cell late = {.f64 = 1e6};
    assert_ok(
        sh_batch_add(&r.b, 1, t0 + 5 * hour + 500000, SH_T_F64, late, SH_Q_GOOD)); /* between */
    assert_ok(sh_batch_add(&r.b, 1, t0 + 7 * hour, SH_T_F64, late, SH_Q_GOOD)); /* over another */
    rig_apply(&r);
    for (int flushed = 0; flushed < 3; flushed++) {
        (void)ask(&r, 3, &k);
        assert_true(k.row[4].v[0] == 3600);
        assert_true(k.row[5].v[0] == 3601);
        assert_true(k.row[5].v[3] == 1e6);
        assert_true(fabs(k.row[5].v[1] - (mean * 3600 + 1e6) / 3601) < 1e-6);
        assert_true(k.row[7].v[0] == 3600);
        assert_true(k.row[7].v[3] == 1e6);
        free(k.row);
        if (flushed == 0) {
            assert_ok(sh_history_flush(r.h));
        } else {
            assert_ok(sh_history_compact(r.h));
        }
    }
    rig_fini(&r);
}

/* Any byte of the index: the answer is that of the blocks, and it is told. */
static void test_a_damaged_roll_up_is_told_and_the_blocks_answer(void **state)
{
    (void)state;
    struct rig r;
    struct taken before[QUESTIONS];
    uint64_t scanned[QUESTIONS];
    struct segment *s = NULL;
    char path[SEG_PATH];
    uint64_t id = 0;
    rig_init(&r, LEAST);
    rig_fill(&r);
    sh_test_advance(&r.t, 10 * day);
    assert_ok(sh_history_compact(r.h));
    for (int i = 0; i < QUESTIONS; i++) {
        (void)ask(&r, i, &before[i]);
    }
    sh_history_close(r.h);
    for (id = 1; s == NULL && id < 100; id++) {
        segment_path("h", id, ".shs", path);
        if (segment_open(&r.t.env, path, id, &s) != SH_OK) {
            s = NULL;
        }
    }
    assert_non_null(s);
    const uint64_t metas = sh_le64(s->dir + 16);
    const uint32_t bytes = sh_le32(s->map.p + metas - 4);
    assert_in_range(bytes, 100, 20000);
    segment_unref(s);
    assert_true(sh_memfs_poke(r.mem, path, metas - 4 - bytes / 2, 0x10));
    struct sh_history_check c = {.segments = 0};
    assert_ok(sh_history_check(&r.t.env, "h", &c));
    assert_int_equal(c.problems, 1);
    rig_open(&r);
    ask_again(&r, before, scanned);
    assert_true(r.damaged > 0);
    for (int i = 0; i < QUESTIONS; i++) {
        free(before[i].row);
    }
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_says_what_its_samples_come_to),
        cmocka_unit_test(test_sparse_series_have_none),
        cmocka_unit_test(test_damaged_sections_are_refused_or_stay_inside),
        cmocka_unit_test(test_queries_answer_the_same_with_roll_ups_and_read_less),
        cmocka_unit_test(test_a_day_gets_roll_ups_an_hour_after_its_end),
        cmocka_unit_test(test_late_samples_and_edits_count_over_roll_ups),
        cmocka_unit_test(test_a_damaged_roll_up_is_told_and_the_blocks_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
