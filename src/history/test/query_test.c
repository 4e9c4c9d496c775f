/* Queries row by row: fill rules, zones, down-sampling, text, limits, retention, splitting. */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>

#include <sh/history.h>

static const int64_t t0 = 1767225600000000; /* 2026-01-01T00:00:00Z */
static const int64_t sec = 1000000;
static const int64_t hour = (int64_t)3600 * 1000000;
static const int64_t day = (int64_t)86400 * 1000000;

struct rig {
    struct sh_memfs *mem;
    struct sh_test_env t;
    struct sh_history *h;
    struct sh_history_options o;
    struct sh_batch_builder b;
    uint64_t seq;
};

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = sh_memfs_new(1);
    sh_test_env_init(&r->t, sh_memfs_fs(r->mem));
    r->o = (struct sh_history_options){.dir = "h"};
    assert_ok(sh_history_open(&r->t.env, &r->o, &r->h));
    sh_batch_builder_init(&r->b, r->t.env.alloc, 100000, 1 << 24);
}

static void rig_fini(struct rig *r)
{
    sh_batch_builder_fini(&r->b);
    sh_history_close(r->h);
    sh_test_env_fini(&r->t);
    sh_memfs_free(r->mem);
}

static void add(struct rig *r, uint32_t point, int64_t t, double v, uint8_t q)
{
    assert_ok(sh_batch_add(&r->b, point, t, SH_T_F64, (union sh_cell){.f64 = v}, q));
}

static void add_text(struct rig *r, uint32_t point, int64_t t, const char *v)
{
    const struct sh_bytes b = sh_bytes_of(v, strlen(v));
    assert_ok(sh_batch_add_bytes(&r->b, point, t, SH_T_TEXT, b, SH_Q_GOOD));
}

static void send(struct rig *r)
{
    struct sh_slab *slab = NULL;
    assert_ok(sh_slab_new(r->t.env.alloc, &r->b.view, &slab));
    assert_ok(sh_history_apply(r->h, slab, ++r->seq));
    sh_slab_unref(slab);
    sh_batch_builder_clear(&r->b);
}

/* What came out, as text: "time:v,v;..." with - for null. */
struct seen {
    char text[8192];
    size_t n;
    size_t rows;
    int64_t first;
    int64_t last;
};

static void put(struct seen *s, double v, const char *behind)
{
    const int n = snprintf(s->text + s->n, sizeof s->text - s->n, "%g%s", v, behind);
    s->n += n > 0 ? (size_t)n : 0;
}

static void put_c(struct seen *s, const char *text)
{
    const int n = snprintf(s->text + s->n, sizeof s->text - s->n, "%s", text);
    s->n += n > 0 ? (size_t)n : 0;
}

static void put_cell(struct seen *s, enum sh_type t, union sh_cell c, const uint8_t *bytes)
{
    if (t == SH_T_TEXT) {
        const int n = snprintf(s->text + s->n, sizeof s->text - s->n, "%.*s", (int)c.span.len,
                               (const char *)bytes + c.span.off);
        s->n += n > 0 ? (size_t)n : 0;
    } else {
        put(s, t == SH_T_F64 ? c.f64 : (double)c.i64, "");
    }
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct seen *s = ctx;
    for (uint32_t i = 0; i < rows->n && s->n < sizeof s->text - 200; i++) {
        put(s, (double)(rows->time_us[i] - t0) / 1e6, ":");
        if (rows->agg == NULL) {
            put_cell(s, rows->type, rows->value[i], rows->bytes);
        } else if (rows->agg[0].null != NULL && rows->agg[0].null[i] != 0) {
            put_c(s, "-");
        } else {
            put_cell(s, rows->agg[0].type, rows->agg[0].value[i], rows->bytes);
        }
        put_c(s, " ");
    }
    if (s->rows == 0 && rows->n != 0) {
        s->first = rows->time_us[0];
    }
    s->rows += rows->n;
    s->last = rows->n == 0 ? s->last : rows->time_us[rows->n - 1];
    return SH_OK;
}

static void check(struct rig *r, struct sh_history_query q, uint32_t point, const char *agg,
                  const char *want)
{
    struct sh_history_agg a;
    struct seen s = {.n = 0};
    struct sh_history_result out;
    q.points = &point;
    q.npoints = 1;
    if (agg != NULL) {
        assert_ok(sh_history_agg_parse(sh_str_c(agg), &a));
        q.aggs = &a;
        q.naggs = 1;
    }
    assert_ok(sh_history_query(r->h, &q, sink, &s, &out));
    assert_int_equal(out.rows, s.rows);
    assert_string_equal(s.text, want);
}

static void test_fill_rules_row_by_row(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add(&r, 1, t0 + 5 * sec, 10, 192);
    add(&r, 1, t0 + 15 * sec, 20, 192);
    add(&r, 1, t0 + 45 * sec, 50, 192);
    send(&r);
    const struct sh_history_query q = {.from_us = t0, .to_us = t0 + 60 * sec, .step_us = 10 * sec};
    for (int flushed = 0; flushed < 2; flushed++) {
        struct sh_history_query k = q;
        check(&r, k, 1, "mean", "0:10 10:20 40:50 ");
        check(&r, k, 1, "count", "0:1 10:1 40:1 ");
        k.fill = SH_FILL_NULL;
        check(&r, k, 1, "mean", "0:10 10:20 20:- 30:- 40:50 50:- ");
        check(&r, k, 1, "count", "0:1 10:1 20:0 30:0 40:1 50:0 ");
        k.fill = SH_FILL_PREVIOUS;
        check(&r, k, 1, "mean", "0:10 10:20 20:20 30:20 40:50 50:50 ");
        k.fill = SH_FILL_LINEAR;
        check(&r, k, 1, "mean", "0:10 10:20 20:30 30:40 40:50 50:- ");
        k.fill = SH_FILL_NONE;
        /* 10 from 5 to 10; 10 then 20 half and half; 20; 20; 20 and 50; 50 */
        check(&r, k, 1, "twa", "0:10 10:15 20:20 30:20 40:35 50:50 ");
        check(&r, k, 1, "duration:20", "0:0 10:5 20:10 30:10 40:5 50:0 ");
        k.now_us = t0 + 47 * sec; /* nothing is held beyond now */
        check(&r, k, 1, "duration:50", "0:0 10:0 20:0 30:0 40:2 ");
        k.now_us = 0;
        check(&r, k, 1, "rate", "0:- 10:1 40:1 "); /* one sample makes no rate */
        k.step_us = 0;
        check(&r, k, 1, "p50", "0:20 ");
        check(&r, k, 1, "last", "0:50 ");
        assert_ok(sh_history_flush(r.h));
    }
    rig_fini(&r);
}

static void test_rate_counts_a_reset_from_zero(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const double v[] = {100, 110, 130, 5, 15};
    for (size_t i = 0; i < SH_COUNT(v); i++) {
        add(&r, 1, t0 + (int64_t)i * 10 * sec, v[i], 192);
    }
    send(&r);
    /* 10 + 20 + 5 + 10 in 40 s */
    check(&r, (struct sh_history_query){.from_us = t0, .to_us = t0 + 60 * sec}, 1, "rate",
          "0:1.125 ");
    rig_fini(&r);
}

static void test_quality_chooses_what_counts(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add(&r, 1, t0 + 1 * sec, 1, 192);
    add(&r, 1, t0 + 2 * sec, 2, 64);
    add(&r, 1, t0 + 3 * sec, 4, 0);
    add(&r, 1, t0 + 4 * sec, NAN, 192);
    send(&r);
    struct sh_history_query q = {.from_us = t0, .to_us = t0 + 60 * sec};
    for (int flushed = 0; flushed < 2; flushed++) {
        q.quality = SH_QF_DEFAULT;
        check(&r, q, 1, "sum", "0:3 ");
        check(&r, q, 1, NULL, "1:1 2:2 3:4 4:nan ");
        q.quality = SH_QF_GOOD;
        check(&r, q, 1, "sum", "0:1 ");
        check(&r, q, 1, NULL, "1:1 4:nan ");
        q.quality = SH_QF_ALL;
        check(&r, q, 1, "sum", "0:7 ");
        assert_ok(sh_history_flush(r.h));
    }
    rig_fini(&r);
}

static void check_where(struct rig *r, uint32_t point, const char *where, uint64_t limit,
                        const char *want)
{
    struct seen s = {.n = 0};
    struct sh_history_result out;
    struct sh_history_query q = {
        .points = &point, .npoints = 1, .from_us = t0, .to_us = t0 + hour, .limit = limit};
    assert_ok(sh_history_cond_parse(sh_str_c(where), &q.where));
    do {
        assert_ok(sh_history_query(r->h, &q, sink, &s, &out));
        assert_true(limit == 0 || out.rows <= limit);
        q.cursor = out.next;
    } while (out.next.set);
    if (strcmp(s.text, want) != 0) {
        print_error("where %s\n", where);
    }
    assert_string_equal(s.text, want);
}

/* NaN, -0.0, infinities, whole numbers compared with broken ones, bool, text. */
static void add_cond_samples(struct rig *r)
{
    const double f[] = {-INFINITY, -1, -0.0, 0, 0.5, 80, 80.5, INFINITY, NAN};
    for (size_t i = 0; i < SH_COUNT(f); i++) {
        add(r, 1, t0 + (int64_t)i * sec, f[i], 192);
    }
    const int64_t n[] = {INT64_MIN, -1, 0, 80, 81, INT64_MAX};
    static const char *const text[] = {"", "run", "stop", ">1", "1..2"};
    for (size_t i = 0; i < SH_COUNT(n); i++) {
        const int64_t t = t0 + (int64_t)i * sec;
        assert_ok(sh_batch_add(&r->b, 2, t, SH_T_I64, (union sh_cell){.i64 = n[i]}, 192));
        assert_ok(sh_batch_add(&r->b, 3, t, SH_T_BOOL, (union sh_cell){.bits = i & 1}, 192));
    }
    for (size_t i = 0; i < SH_COUNT(text); i++) {
        add_text(r, 4, t0 + (int64_t)i * sec, text[i]);
    }
    send(r);
}

static void test_conditions_choose_rows_by_type(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add_cond_samples(&r);
    static const struct {
        uint32_t point;
        const char *where;
        const char *want;
    } rows[] = {
        {1, ">80", "6:80.5 7:inf "},
        {1, ">=80", "5:80 6:80.5 7:inf "},
        {1, "<0", "0:-inf 1:-1 "},
        {1, "<=0", "0:-inf 1:-1 2:-0 3:0 "},
        {1, ">0", "4:0.5 5:80 6:80.5 7:inf "},
        {1, "=0", "2:-0 3:0 "},
        {1, "0", "2:-0 3:0 "},
        {1, "!=0", "0:-inf 1:-1 4:0.5 5:80 6:80.5 7:inf 8:nan "},
        {1, ">1e999", ""},
        {1, "NaN", ""},
        {1, "0..80", "2:-0 3:0 4:0.5 5:80 "},
        {1, "-1..-0.5", "1:-1 "},
        {1, "80..80", "5:80 "},
        {1, "abc", ""},
        {2, ">80", "4:81 5:9.22337e+18 "},
        {2, ">80.5", "4:81 5:9.22337e+18 "},
        {2, ">=80.5", "4:81 5:9.22337e+18 "},
        {2, "<80.5", "0:-9.22337e+18 1:-1 2:0 3:80 "},
        {2, "=80.5", ""},
        {2, "!=80.5", "0:-9.22337e+18 1:-1 2:0 3:80 4:81 5:9.22337e+18 "},
        {2, ">9223372036854775807", ""},
        {2, ">=9223372036854775807", "5:9.22337e+18 "},
        {2, "<-9223372036854775808", ""},
        {2, "<=-9223372036854775808", "0:-9.22337e+18 "},
        {2, ">1e300", ""},
        {2, "<1e300", "0:-9.22337e+18 1:-1 2:0 3:80 4:81 5:9.22337e+18 "},
        {2, "-0.5..80.9", "2:0 3:80 "},
        {3, "=true", "1:1 3:1 5:1 "},
        {3, "!=1", "0:0 2:0 4:0 "},
        {3, "<true", "0:0 2:0 4:0 "},
        {4, "run", "1:run "},
        {4, "!=run", "0: 2:stop 3:>1 4:1..2 "},
        {4, "=", "0: "},
        {4, "=>1", "3:>1 "},
        {4, "1..2", "4:1..2 "},
        {4, "=1..2", "4:1..2 "},
    };
    for (int flushed = 0; flushed < 2; flushed++) {
        for (size_t i = 0; i < SH_COUNT(rows); i++) {
            check_where(&r, rows[i].point, rows[i].where, 0, rows[i].want);
            check_where(&r, rows[i].point, rows[i].where, 1, rows[i].want);
        }
        assert_ok(sh_history_flush(r.h));
    }
    rig_fini(&r);
}

static void test_conditions_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add_cond_samples(&r);
    static const struct {
        uint32_t point;
        const char *where;
    } rows[] = {{4, ">1"}, {4, "<=1"}, {1, "=on"}, {1, ">true"}, {1, "20..10"}, {2, "!=on"}};
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct seen s = {.n = 0};
        struct sh_history_result out;
        struct sh_history_query q = {
            .points = &rows[i].point, .npoints = 1, .from_us = t0, .to_us = t0 + hour};
        assert_ok(sh_history_cond_parse(sh_str_c(rows[i].where), &q.where));
        assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_UNSUPPORTED);
        struct sh_history_agg a = {.kind = SH_AGG_COUNT_IF, .cond = q.where};
        q.aggs = &a;
        q.naggs = 1;
        assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_INVAL); /* with where */
        q.where.op = SH_OP_NONE;
        assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_UNSUPPORTED);
    }
    rig_fini(&r);
}

static void test_conditions_count_and_time(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const double v[] = {10, 90, 70, 85, 20, 99};
    for (size_t i = 0; i < SH_COUNT(v); i++) {
        add(&r, 1, t0 + (int64_t)i * 10 * sec, v[i], i == 3 ? 64 : 192);
        add_text(&r, 2, t0 + (int64_t)i * 10 * sec, v[i] > 80 ? "high" : "ok");
    }
    send(&r);
    struct sh_history_query q = {.from_us = t0, .to_us = t0 + 60 * sec, .step_us = 30 * sec};
    for (int flushed = 0; flushed < 2; flushed++) {
        check(&r, q, 1, "count:>80", "0:1 30:2 ");
        check(&r, q, 1, "count:10..20", "0:1 30:1 ");
        check(&r, q, 1, "duration:>80", "0:10 30:20 ");
        check(&r, q, 1, "duration:<=70", "0:20 30:10 ");
        check(&r, q, 1, "duration:70..90", "0:20 30:10 ");
        check(&r, q, 2, "count:high", "0:1 30:2 ");
        check(&r, q, 2, "count:!=high", "0:2 30:1 ");
        check(&r, q, 2, "duration:!=high", "0:20 30:10 ");
        q.quality = SH_QF_GOOD; /* 85 is uncertain: 70 is held until 20 comes */
        check(&r, q, 1, "count:>80", "0:1 30:1 ");
        check(&r, q, 1, "duration:>80", "0:10 30:10 ");
        q.quality = SH_QF_DEFAULT;
        assert_ok(sh_history_flush(r.h));
    }
    rig_fini(&r);
}

static void test_text_first_last_count_duration(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add_text(&r, 2, t0 + 1 * sec, "stopped");
    add_text(&r, 2, t0 + 4 * sec, "running");
    add_text(&r, 2, t0 + 15 * sec, "alarm");
    send(&r);
    const struct sh_history_query q = {.from_us = t0, .to_us = t0 + 20 * sec, .step_us = 10 * sec};
    for (int flushed = 0; flushed < 2; flushed++) {
        check(&r, q, 2, "first", "0:stopped 10:alarm ");
        check(&r, q, 2, "last", "0:running 10:alarm ");
        check(&r, q, 2, "count", "0:2 10:1 ");
        check(&r, q, 2, "duration:running", "0:6 10:5 ");
        struct sh_history_query raw = q;
        raw.step_us = 0;
        check(&r, raw, 2, NULL, "1:stopped 4:running 15:alarm ");
        assert_ok(sh_history_flush(r.h));
    }
    struct sh_history_agg a;
    struct sh_history_result out;
    struct seen s = {.n = 0};
    static const uint32_t point = 2;
    assert_ok(sh_history_agg_parse(SH_STR("mean"), &a));
    struct sh_history_query bad = q;
    bad.points = &point;
    bad.npoints = 1;
    bad.aggs = &a;
    bad.naggs = 1;
    assert_int_equal(sh_history_query(r.h, &bad, sink, &s, &out), SH_E_UNSUPPORTED);
    rig_fini(&r);
}

static void test_local_days_follow_the_zone(void **state)
{
    (void)state;
    struct rig r;
    struct sh_tz *tz = NULL;
    rig_init(&r);
    assert_ok(sh_tz_load(&r.t.env, SH_STR("+08:00"), &tz));
    for (int64_t h = 0; h < 48; h++) {
        add(&r, 1, t0 + h * hour, 1, 192);
    }
    send(&r);
    const struct sh_history_query q = {
        .from_us = t0, .to_us = t0 + 48 * hour, .step_us = 24 * hour, .tz = tz};
    /* midnight in +08:00 is 16:00 UTC of the day before */
    check(&r, q, 1, "count", "-28800:16 57600:24 144000:8 ");
    struct sh_history_query h5 = q;
    h5.step_us = 10 * hour; /* counted from each local midnight, the last one of a day is short */
    h5.to_us = t0 + 24 * hour;
    check(&r, h5, 1, "count", "-28800:2 7200:10 43200:4 57600:8 ");
    sh_tz_free(tz);
    rig_fini(&r);
}

static void test_downsampling_keeps_extremes_and_ends(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (int64_t i = 0; i < 20000; i++) {
        add(&r, 1, t0 + i * sec, i == 7777 ? 1000 : sin((double)i / 500), 192);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    static const uint32_t point = 1;
    static const enum sh_history_down how[] = {SH_DOWN_MINMAX, SH_DOWN_LTTB};
    for (size_t k = 0; k < SH_COUNT(how); k++) {
        struct seen s = {.n = 0};
        struct sh_history_result out;
        const struct sh_history_query q = {.points = &point,
                                           .npoints = 1,
                                           .from_us = t0,
                                           .to_us = t0 + 20000 * sec,
                                           .down = how[k],
                                           .down_points = 100};
        assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
        assert_in_range(s.rows, 90, 100);
        assert_non_null(strstr(s.text, "7777:1000 ")); /* the peak is there */
        if (how[k] == SH_DOWN_LTTB) {
            assert_true(s.first == t0 && s.last == t0 + 19999 * sec);
        }
    }
    rig_fini(&r);
}

static void test_cursor_pages_over_series_without_gap_or_repeat(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    static const uint32_t points[] = {3, 1, 2};
    for (uint32_t p = 1; p <= 3; p++) {
        for (int64_t i = 0; i < 1000; i++) {
            add(&r, p, t0 + i * sec, p, 192);
        }
    }
    send(&r);
    struct sh_history_query q = {
        .points = points, .npoints = 3, .from_us = t0, .to_us = t0 + hour, .limit = 77};
    size_t rows = 0;
    struct sh_history_result out;
    do {
        struct seen s = {.n = 0};
        assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
        assert_true(s.rows == 77 || !out.next.set);
        rows += s.rows;
        q.cursor = out.next;
    } while (out.next.set);
    assert_int_equal(rows, 3000);
    rig_fini(&r);
}

static void test_nonsense_and_limits_are_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    add(&r, 1, t0, 1, 192);
    add(&r, 1, t0 + 400 * day, 1, 192);
    send(&r);
    static const uint32_t point = 1;
    struct sh_history_agg a;
    static const char *const bad[] = {
        "",       "means",   "p",        "p101",     "p-1",        "pp",          "duration",
        "counts", "count:>", "count:>=", "count:>x", "count:<=1x", "duration:>on"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_history_agg_parse(sh_str_c(bad[i]), &a), SH_E_INVAL);
    }
    struct seen s = {.n = 0};
    struct sh_history_result out;
    struct sh_history_query q = {
        .points = &point, .npoints = 1, .from_us = t0, .to_us = t0 + 500 * day};
    q.step_us = sec; /* a step without an aggregate */
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_INVAL);
    assert_ok(sh_history_agg_parse(SH_STR("mean"), &a));
    q.aggs = &a;
    q.naggs = 1;
    q.fill = SH_FILL_NULL; /* 43 million buckets */
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_LIMIT);
    q.fill = SH_FILL_NONE;
    assert_ok(sh_history_query(r.h, &q, sink, &s, &out));
    q.mem_bytes = 1000;
    assert_ok(sh_history_flush(r.h));
    q.quality = SH_QF_ALL;
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_LIMIT);
    atomic_bool cancel;
    atomic_init(&cancel, true);
    q.mem_bytes = 0;
    q.cancel = &cancel;
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_CANCELED);
    q.cancel = NULL;
    q.deadline_mono_us = 1;
    assert_int_equal(sh_history_query(r.h, &q, sink, &s, &out), SH_E_TIMEOUT);
    rig_fini(&r);
}

static void test_other_type_is_left_out_and_counted(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_stats st;
    rig_init(&r);
    add(&r, 1, t0, 1, 192);
    add_text(&r, 1, t0 + sec, "x");
    add(&r, 1, INT64_MAX, 1, 192);
    add(&r, 7, t0, 1, 192);
    send(&r);
    sh_history_stats(r.h, &st);
    assert_int_equal(st.type_conflicts, 2);
    assert_int_equal(st.last_point, 7);
    assert_ok(sh_history_flush(r.h));
    sh_history_stats(r.h, &st);
    assert_int_equal(st.last_point, 7);
    check(&r, (struct sh_history_query){.from_us = t0, .to_us = t0 + hour}, 1, NULL, "0:1 ");
    rig_fini(&r);
}

static uint64_t segments(struct rig *r)
{
    struct sh_history_stats st;
    sh_history_stats(r->h, &st);
    return st.segments;
}

static void test_flush_over_many_partitions_is_split_by_compaction(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (int64_t d = 0; d < 50; d++) {
        for (int64_t k = 0; k < 10; k++) {
            add(&r, 1 + (uint32_t)(d % 2), t0 + d * 24 * hour + k * sec, (double)d, 192);
        }
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    assert_int_equal(segments(&r), 1); /* unsplit */
    check(&r, (struct sh_history_query){.from_us = t0, .to_us = t0 + 1000 * day}, 1, "count",
          "0:250 ");
    assert_ok(sh_history_compact(r.h));
    assert_int_equal(segments(&r), 50);
    check(&r, (struct sh_history_query){.from_us = t0, .to_us = t0 + 1000 * day}, 1, "count",
          "0:250 ");
    sh_history_close(r.h);
    assert_ok(sh_history_open(&r.t.env, &r.o, &r.h));
    assert_int_equal(segments(&r), 50);
    rig_fini(&r);
}

static void test_many_flushes_of_one_day_are_merged(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (int64_t f = 0; f < 20; f++) {
        for (int64_t k = 0; k < 100; k++) {
            add(&r, 1, t0 + (f * 100 + k) * sec, (double)k, 192);
        }
        send(&r);
        assert_ok(sh_history_flush(r.h));
    }
    assert_int_equal(segments(&r), 20);
    assert_ok(sh_history_compact(r.h));
    assert_true(segments(&r) < 4);
    struct sh_history_point_stats ps;
    assert_ok(sh_history_point_stats(r.h, 1, &ps));
    assert_int_equal(ps.samples, 2000);
    assert_int_equal(ps.first_us, t0);
    assert_int_equal(ps.last_us, t0 + 1999 * sec);
    rig_fini(&r);
}

static void test_retention_removes_whole_partitions_below_the_floor(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(sh_history_floor(r.h) == INT64_MIN); /* default: keep all */
    for (int64_t d = 0; d < 10; d++) {
        add(&r, 1, t0 - d * 24 * hour, (double)d, 192);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    sh_history_set_retention(r.h, 72 * hour); /* the clock says 2026-01-01 */
    assert_true(sh_history_floor(r.h) == t0 - 72 * hour);
    assert_ok(sh_history_compact(r.h));
    assert_int_equal(segments(&r), 4);
    check(&r, (struct sh_history_query){.from_us = 0, .to_us = t0 + hour}, 1, "count",
          "-1.76723e+09:4 ");
    rig_fini(&r);
}

static void test_drop_oldest_removes_one_partition_and_says_what(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_dropped d;
    rig_init(&r);
    assert_int_equal(sh_history_drop_oldest(r.h, t0, &d), SH_E_NOTFOUND); /* nothing is there */
    for (int64_t i = 0; i < 10; i++) {
        add(&r, 1, t0 - i * day, (double)i, 192);
        add(&r, 2, t0 - i * day + hour, (double)i, 192);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    const uint64_t before = segments(&r);
    assert_int_equal(before, 10);
    /* the oldest day ends at t0 - 8 days: not before that is allowed */
    assert_int_equal(sh_history_drop_oldest(r.h, t0 - 8 * day - 1, &d), SH_E_NOTFOUND);
    assert_int_equal(segments(&r), before);
    assert_true(sh_history_floor(r.h) == INT64_MIN);
    assert_ok(sh_history_drop_oldest(r.h, t0 - 8 * day, &d));
    assert_true(d.from_us == t0 - 9 * day && d.to_us == t0 - 8 * day);
    assert_true(d.segments == 1 && d.samples == 2 && d.bytes > 0);
    assert_int_equal(segments(&r), before - 1);
    /* what was removed is not taken again, and compaction removes nothing more */
    assert_true(sh_history_floor(r.h) == t0 - 8 * day);
    assert_ok(sh_history_compact(r.h));
    assert_int_equal(segments(&r), before - 1);
    check(&r, (struct sh_history_query){.from_us = 0, .to_us = t0 + day}, 1, "count",
          "-1.76723e+09:9 ");
    assert_ok(sh_history_drop_oldest(r.h, t0 - 6 * day, &d));
    assert_ok(sh_history_drop_oldest(r.h, t0 - 6 * day, &d));
    assert_int_equal(sh_history_drop_oldest(r.h, t0 - 6 * day, &d), SH_E_NOTFOUND);
    assert_int_equal(segments(&r), before - 3);
    /* after a restart they are still gone */
    sh_history_close(r.h);
    assert_ok(sh_history_open(&r.t.env, &r.o, &r.h));
    assert_int_equal(segments(&r), before - 3);
    rig_fini(&r);
}

static void test_drop_oldest_leaves_what_reaches_into_later_partitions(void **state)
{
    (void)state;
    struct rig r;
    struct sh_history_dropped d;
    rig_init(&r);
    for (int64_t i = 0; i < 40; i++) { /* over more partitions than a flush splits */
        add(&r, 1, t0 - i * day, (double)i, 192);
    }
    send(&r);
    assert_ok(sh_history_flush(r.h));
    assert_int_equal(segments(&r), 1);
    assert_int_equal(sh_history_drop_oldest(r.h, t0, &d), SH_E_NOTFOUND);
    assert_int_equal(segments(&r), 1);
    assert_ok(sh_history_compact(r.h));
    assert_ok(sh_history_drop_oldest(r.h, t0, &d));
    assert_true(d.samples == 1);
    check(&r, (struct sh_history_query){.from_us = 0, .to_us = t0 + day}, 1, "count",
          "-1.76723e+09:39 ");
    rig_fini(&r);
}

static void test_zone_files_are_read(void **state)
{
    (void)state;
    const struct sh_env env = sh_env_system();
    /* instant, zone, offset: tzdata; after 2037 by the rule in the footer (RFC 8536, 3.3) */
    static const struct {
        const char *zone;
        int64_t at_s;
        int32_t offset;
    } rows[] = {
        {"UTC", 1767225600, 0},
        {"-03:30", 0, -12600},
        {"Asia/Shanghai", 1767225600, 28800},
        {"Asia/Shanghai", 516000000, 32400}, /* summer 1986: daylight saving */
        {"Europe/Berlin", 1767225600, 3600},
        {"Europe/Berlin", 1782864000, 7200},      /* July 2026 */
        {"America/New_York", 1772953199, -18000}, /* a second before 2026-03-08 07:00 UTC */
        {"America/New_York", 1772953200, -14400},
        {"America/New_York", 4086000000, -14400}, /* June 2099 */
        {"America/New_York", 4102444800, -18000}, /* 2100-01-01 */
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_tz *tz = NULL;
        const sh_err err = sh_tz_load(&env, sh_str_c(rows[i].zone), &tz);
        if (err == SH_E_NOTFOUND) {
            continue; /* no tzdata here */
        }
        assert_int_equal(err, SH_OK);
        assert_int_equal(sh_tz_offset(tz, rows[i].at_s * sec), rows[i].offset);
        const int64_t local = (rows[i].at_s + rows[i].offset) * sec;
        assert_int_equal(sh_tz_to_utc(tz, local), rows[i].at_s * sec);
        sh_tz_free(tz);
    }
    struct sh_tz *tz = NULL;
    static const char *const bad[] = {"", "../etc/passwd", "/etc/passwd", "+25:00", "a//b", "x."};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        assert_int_equal(sh_tz_load(&env, sh_str_c(bad[i]), &tz), SH_E_INVAL);
    }
    assert_int_equal(sh_tz_load(&env, SH_STR("No/Where"), &tz), SH_E_NOTFOUND);
}

/* A TZif file (RFC 8536, 3.2) of one offset and a rule in its footer. */
static size_t tzif_make(const char *rule, uint8_t *out)
{
    static const uint8_t magic[] = {'T', 'Z', 'i', 'f', '2'};
    size_t n = 0;
    for (int part = 0; part < 2; part++) {
        memset(out + n, 0, 44);
        memcpy(out + n, magic, sizeof magic);
        sh_put_be32(out + n + 36, 1); /* types */
        sh_put_be32(out + n + 40, 4); /* characters */
        n += 44;
        memset(out + n, 0, 10);
        sh_put_be32(out + n, 3600);
        memcpy(out + n + 6, "XST", 4);
        n += 10;
    }
    out[n++] = '\n';
    for (const char *c = rule; *c != '\0'; c++) {
        out[n++] = (uint8_t)*c;
    }
    out[n++] = '\n';
    return n;
}

static void test_zone_rules_of_every_form(void **state)
{
    (void)state;
    /* POSIX.1-2017, 8.3; 2026 and 2028 (leap) */
    static const struct {
        const char *rule;
        int64_t at_s;
        int32_t offset;
    } rows[] = {
        {"XST-3", 1767225600, 10800},
        {"<+0330>-3:30", 1767225600, 12600},
        {"XST5XDT,M3.2.0,M11.1.0", 1772953199, -18000},
        {"XST5XDT,M3.2.0,M11.1.0", 1772953200, -14400},
        {"XST5XDT4:30,M3.2.0/3:00:00,M11.1.0", 1780000000, -16200},
        {"AST-10ADT,M10.1.0,M4.1.0/3", 1767225600, 39600}, /* south: summer over new year */
        {"XST0XDT,J60,J300", 1835488800, 3600}, /* 2028-03-01 02:00: J60 is 1 March always */
        {"XST0XDT,J60,J300", 1835488799, 0},
        {"XST0XDT,59/0,300/0", 1835395200, 3600}, /* day 59 counted from 0 is 29 February */
        {"XST0XDT,0/0,365/25", 1767225600, 3600}, /* all the year */
    };
    uint8_t file[256];
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_tz *tz = NULL;
        const size_t n = tzif_make(rows[i].rule, file);
        assert_ok(sh_tz_parse(sh_alloc_heap(), sh_bytes_of(file, n), &tz));
        if (sh_tz_offset(tz, rows[i].at_s * sec) != rows[i].offset) {
            fail_msg("%s at %lld: %d", rows[i].rule, (long long)rows[i].at_s,
                     sh_tz_offset(tz, rows[i].at_s * sec));
        }
        sh_tz_free(tz);
    }
    /* A rule that cannot be read: the file's own offset holds. */
    static const char *const bad[] = {"",
                                      "X",
                                      "XST",
                                      "XST5XDT",
                                      "XST5XDT,M13.1.0,M1.1.0",
                                      "XST5XDT,M3.2.0",
                                      "XST5XDT,M3.2.0,M11.1.0x",
                                      "<+03"};
    for (size_t i = 0; i < SH_COUNT(bad); i++) {
        struct sh_tz *tz = NULL;
        const size_t n = tzif_make(bad[i], file);
        assert_ok(sh_tz_parse(sh_alloc_heap(), sh_bytes_of(file, n), &tz));
        assert_int_equal(sh_tz_offset(tz, 0), 3600);
        sh_tz_free(tz);
    }
    const size_t n = tzif_make("XST-3", file);
    for (size_t i = 0; i < n - 7; i++) { /* any shorter file is refused */
        struct sh_tz *tz = NULL;
        assert_int_equal(sh_tz_parse(sh_alloc_heap(), sh_bytes_of(file, i), &tz), SH_E_PROTO);
    }
}

static void test_local_times_that_occur_twice_or_never(void **state)
{
    (void)state;
    uint8_t file[256];
    struct sh_tz *tz = NULL;
    const size_t n = tzif_make("XST5XDT,M3.2.0,M11.1.0", file);
    assert_ok(sh_tz_parse(sh_alloc_heap(), sh_bytes_of(file, n), &tz));
    /* 2026-03-08 02:30 does not exist: the instant of the change, 07:00 UTC */
    assert_int_equal(sh_tz_to_utc(tz, 1772937000 * sec), 1772953200 * sec);
    /* 2026-11-01 01:30 occurs twice: the first, 05:30 UTC */
    assert_int_equal(sh_tz_to_utc(tz, 1793496600 * sec), 1793511000 * sec);
    sh_tz_free(tz);
}

struct listed {
    size_t n;
    uint64_t id[8];
    enum sh_history_edit_kind kind[8];
};

static sh_err list_edit(void *ctx, const struct sh_history_edit_info *e)
{
    struct listed *l = ctx;
    l->id[l->n] = e->id;
    l->kind[l->n++] = e->kind;
    return SH_OK;
}

static void edit(struct rig *r, const struct sh_history_edit *e)
{
    struct sh_buf b;
    sh_buf_init(&b, r->t.env.alloc, 1 << 16);
    assert_ok(sh_history_edit_check(r->h, e));
    assert_ok(sh_history_edit_encode(e, &b));
    assert_ok(sh_history_edit_apply(r->h, sh_buf_bytes(&b), ++r->seq));
    sh_buf_fini(&b);
}

static void test_corrections_outrank_until_withdrawn_and_are_listed(void **state)
{
    (void)state;
    struct rig r;
    static const uint32_t point = 1;
    const struct sh_history_query q = {.from_us = t0, .to_us = t0 + hour};
    rig_init(&r);
    add(&r, 1, t0 + sec, 1, 192);
    add(&r, 1, t0 + 2 * sec, 2, 192);
    send(&r);
    add(&r, 1, t0 + sec, 50, SH_Q_GOOD_OVERRIDE);
    const struct sh_history_edit fix = {.kind = SH_EDIT_CORRECT, .rows = &r.b.view};
    edit(&r, &fix);
    const uint64_t fixed = r.seq;
    sh_batch_builder_clear(&r.b);
    add(&r, 1, t0 + sec, 3, 192); /* a later arrival does not win */
    send(&r);
    check(&r, q, 1, NULL, "1:50 2:2 ");
    edit(&r, &(struct sh_history_edit){.kind = SH_EDIT_DELETE,
                                       .points = &point,
                                       .npoints = 1,
                                       .from_us = t0,
                                       .to_us = t0 + 2 * sec});
    const uint64_t deleted = r.seq;
    check(&r, q, 1, NULL, "2:2 ");
    struct listed l = {.n = 0};
    assert_ok(sh_history_edits(r.h, 1, list_edit, &l));
    assert_int_equal(l.n, 2);
    assert_true(l.id[0] == fixed && l.kind[0] == SH_EDIT_CORRECT);
    assert_true(l.id[1] == deleted && l.kind[1] == SH_EDIT_DELETE);
    struct listed one = {.n = 0};
    assert_ok(sh_history_edit_find(r.h, deleted, list_edit, &one));
    assert_true(one.n == 1 && one.id[0] == deleted && one.kind[0] == SH_EDIT_DELETE);
    assert_int_equal(sh_history_edit_find(r.h, deleted + 100, list_edit, &one), SH_E_NOTFOUND);
    assert_ok(sh_history_flush(r.h));
    sh_history_close(r.h); /* edits outlive a restart */
    assert_ok(sh_history_open(&r.t.env, &r.o, &r.h));
    check(&r, q, 1, NULL, "2:2 ");
    edit(&r, &(struct sh_history_edit){.kind = SH_EDIT_WITHDRAW, .id = deleted});
    check(&r, q, 1, NULL, "1:50 2:2 ");
    assert_int_equal(sh_history_edit_find(r.h, deleted, list_edit, &one), SH_E_NOTFOUND);
    edit(&r, &(struct sh_history_edit){.kind = SH_EDIT_WITHDRAW, .id = fixed});
    check(&r, q, 1, NULL, "1:3 2:2 ");
    const struct sh_history_edit none = {.kind = SH_EDIT_DELETE, .from_us = 2, .to_us = 2};
    assert_int_equal(sh_history_edit_check(r.h, &none), SH_E_INVAL);
    static const uint8_t bad[] = {9, 9, 9};
    assert_int_equal(sh_history_edit_apply(r.h, sh_bytes_of(bad, 3), 1000), SH_E_CORRUPT);
    rig_fini(&r);
}

/* A damaged log may hold corrections of types that the point does not have: their values are not
 * read as something else. */
static void test_corrections_of_another_type_are_no_values(void **state)
{
    (void)state;
    struct rig r;
    const struct sh_history_query q = {.from_us = t0, .to_us = t0 + hour};
    const struct sh_history_edit e = {.kind = SH_EDIT_CORRECT, .rows = &r.b.view};
    rig_init(&r);
    add(&r, 1, t0 + sec, 1, 192);
    add(&r, 1, t0 + 2 * sec, 2, 192);
    send(&r);
    add_text(&r, 1, t0 + sec, "ninety");
    add(&r, 2, t0 + sec, 1e300, 192);
    edit(&r, &e);
    sh_batch_builder_clear(&r.b);
    check(&r, q, 1, NULL, "1:1 2:2 ");
    check(&r, q, 2, NULL, "1:1e+300 ");
    add_text(&r, 2, t0 + 2 * sec, "two"); /* the newest says which type the point has */
    edit(&r, &e);
    check(&r, q, 2, NULL, "2:two ");
    rig_fini(&r);
}

static sh_err oom_body(struct sh_test_env *t)
{
    struct sh_memfs *mem = sh_memfs_new(1);
    t->env.fs = sh_memfs_fs(mem);
    struct sh_history *h = NULL;
    struct sh_batch_builder b;
    struct sh_slab *slab = NULL;
    struct seen s = {.n = 0};
    struct sh_history_result out;
    static const uint32_t point = 1;
    sh_batch_builder_init(&b, t->env.alloc, 1000, 1000);
    sh_err err = sh_history_open(&t->env, &(struct sh_history_options){.dir = "h"}, &h);
    for (int64_t i = 0; err == SH_OK && i < 100; i++) {
        err = sh_batch_add(&b, 1, t0 + i * sec, SH_T_F64, (union sh_cell){.f64 = 1}, 192);
    }
    if (err == SH_OK) {
        err = sh_slab_new(t->env.alloc, &b.view, &slab);
    }
    if (err == SH_OK) {
        err = sh_history_apply(h, slab, 1);
    }
    if (err == SH_OK) {
        err = sh_history_flush(h);
    }
    if (err == SH_OK) {
        err =
            sh_history_query(h,
                             &(struct sh_history_query){
                                 .points = &point, .npoints = 1, .from_us = t0, .to_us = t0 + hour},
                             sink, &s, &out);
        assert_true(err != SH_OK || s.rows == 100);
    }
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
    sh_history_close(h);
    sh_memfs_free(mem);
    return err;
}

static void test_no_memory_at_any_place_is_an_error_and_no_leak(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

/* Many series get room for some rows each before they are flushed, whatever the limit of heads is;
 * few series do not. */
static void test_many_series_are_not_flushed_row_by_row(void **state)
{
    (void)state;
    enum { SERIES = 1000 };
    struct rig r;
    bool did = false;
    struct sh_history_stats st;
    rig_init(&r);
    sh_history_close(r.h);
    r.o.head_bytes = 16 << 10;
    assert_ok(sh_history_open(&r.t.env, &r.o, &r.h));
    for (uint32_t row = 0; row < 12; row++) {
        for (uint32_t p = 1; p <= SERIES; p++) {
            add(&r, p, t0 + row * sec, p, SH_Q_GOOD);
        }
        send(&r);
        assert_ok(sh_history_step(r.h, &did));
        sh_history_stats(r.h, &st);
        assert_true(st.flushes == 0 || row >= 4); /* 4 rows at least */
    }
    assert_int_equal(st.flushes, 1);
    while (did) {
        assert_ok(sh_history_step(r.h, &did));
    }
    assert_ok(sh_history_flush(r.h));
    sh_history_stats(r.h, &st);
    const uint64_t before = st.flushes;
    for (int64_t row = 0; row < 2000; row++) { /* one series: 2000 rows are more than 16 KiB */
        add(&r, 1, t0 + hour + row * sec, 1, SH_Q_GOOD);
    }
    send(&r);
    assert_ok(sh_history_step(r.h, &did));
    sh_history_stats(r.h, &st);
    assert_int_equal(st.flushes, before + 1);
    assert_int_equal(st.samples, 12 * SERIES + 2000);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_series_are_not_flushed_row_by_row),
        cmocka_unit_test(test_fill_rules_row_by_row),
        cmocka_unit_test(test_rate_counts_a_reset_from_zero),
        cmocka_unit_test(test_quality_chooses_what_counts),
        cmocka_unit_test(test_text_first_last_count_duration),
        cmocka_unit_test(test_conditions_choose_rows_by_type),
        cmocka_unit_test(test_conditions_that_do_not_fit_are_refused),
        cmocka_unit_test(test_conditions_count_and_time),
        cmocka_unit_test(test_local_days_follow_the_zone),
        cmocka_unit_test(test_downsampling_keeps_extremes_and_ends),
        cmocka_unit_test(test_cursor_pages_over_series_without_gap_or_repeat),
        cmocka_unit_test(test_nonsense_and_limits_are_refused),
        cmocka_unit_test(test_other_type_is_left_out_and_counted),
        cmocka_unit_test(test_flush_over_many_partitions_is_split_by_compaction),
        cmocka_unit_test(test_many_flushes_of_one_day_are_merged),
        cmocka_unit_test(test_retention_removes_whole_partitions_below_the_floor),
        cmocka_unit_test(test_drop_oldest_removes_one_partition_and_says_what),
        cmocka_unit_test(test_drop_oldest_leaves_what_reaches_into_later_partitions),
        cmocka_unit_test(test_zone_files_are_read),
        cmocka_unit_test(test_zone_rules_of_every_form),
        cmocka_unit_test(test_local_times_that_occur_twice_or_never),
        cmocka_unit_test(test_corrections_outrank_until_withdrawn_and_are_listed),
        cmocka_unit_test(test_corrections_of_another_type_are_no_values),
        cmocka_unit_test(test_no_memory_at_any_place_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
