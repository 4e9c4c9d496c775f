/* Files of every released format version open and say what they said. tests/golden/history/vN were
 * written by this program when vN was current: `history_golden_test write DIR` (v4),
 * `history_golden_test cold DIR` (v4_cold). tests/golden/journal/blocks_vN are records of a pack:
 * `history_golden_test blocks FILE` (v1). */
#include <sh/test.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sh/pack.h>

enum { ROWS = 1500, POINTS_1 = 5, POINTS_3 = 6, POINTS = 7 /* in files of version 1, 3, 4 on */ };

static const int64_t t0 = 1767225600000000;

/* Row i of each point: types, codecs and odd values of every kind. */
static void rows_add(struct sh_batch_builder *b, uint32_t i, uint32_t points)
{
    static const uint64_t odd[] = {0x7ff8000000000001, 0x8000000000000000, 0x7ff0000000000000,
                                   0xfff0000000000000};
    const int64_t t = t0 + (int64_t)i * 10000000 + (i % 7 == 0 ? 1234 : 0);
    const uint8_t q = i % 100 == 3 ? 64 : (i % 100 == 4 ? 0 : 192);
    union sh_cell v = {.f64 = (double)(i * 37 % 1000) / 100};
    if (i % 200 == 10) {
        v.bits = odd[i / 200 % SH_COUNT(odd)];
    }
    assert_ok(sh_batch_add(b, 1, t, SH_T_F64, v, q));
    v.f64 = (double)(i + 1) * 0.7312345678912345; /* a true double */
    assert_ok(sh_batch_add(b, 2, t, SH_T_F64, v, q));
    v.i64 = i % 500 == 1 ? INT64_MIN : (int64_t)i * 3 - 100;
    assert_ok(sh_batch_add(b, 3, t, SH_T_I64, v, q));
    v.bits = i / 13 % 2;
    assert_ok(sh_batch_add(b, 4, t, SH_T_BOOL, v, q));
    char text[64];
    const int n = snprintf(text, sizeof text, "state %u of the pump", i / 50 % 11);
    assert_ok(sh_batch_add_bytes(b, 5, t, SH_T_TEXT, sh_bytes_of(text, (size_t)n), q));
    if (points >= POINTS_3) { /* equal steps of time, steps of five values */
        v.i64 = (int64_t)(i * i * 31 / 7 % 5) + (int64_t)i / 3;
        assert_ok(sh_batch_add(b, 6, t0 + (int64_t)i * 10000000, SH_T_I64, v, q));
    }
    if (points >= POINTS) { /* all good: roll-ups of hours */
        v.f64 = (double)(i * i * 37 % 1000) / 10;
        assert_ok(sh_batch_add(b, 7, t0 + (int64_t)i * 10000000, SH_T_F64, v, SH_Q_GOOD));
    }
}

static void batch_make(struct sh_batch_builder *b, uint32_t points)
{
    sh_batch_builder_init(b, sh_alloc_heap(), ROWS * POINTS, 1 << 20);
    for (uint32_t i = 0; i < ROWS; i++) {
        rows_add(b, i, points);
    }
}

static int write_files(const char *dir, bool cold)
{
    const struct sh_env env = sh_env_system();
    struct sh_history *h = NULL;
    struct sh_batch_builder b;
    struct sh_slab *slab = NULL;
    struct sh_buf wire;
    static const uint32_t point = 3;
    const struct sh_history_options o = {.dir = dir, .cold_after_us = cold ? 1 : 0};
    sh_buf_init(&wire, env.alloc, 1 << 20);
    batch_make(&b, POINTS);
    const struct sh_history_edit e = {.kind = SH_EDIT_DELETE,
                                      .points = &point,
                                      .npoints = 1,
                                      .from_us = t0,
                                      .to_us = t0 + 50000000};
    if (sh_history_open(&env, &o, &h) != SH_OK || sh_slab_new(env.alloc, &b.view, &slab) != SH_OK ||
        sh_history_apply(h, slab, 1) != SH_OK || sh_history_edit_encode(&e, &wire) != SH_OK ||
        sh_history_edit_apply(h, sh_buf_bytes(&wire), 2) != SH_OK || sh_history_flush(h) != SH_OK ||
        sh_history_compact(h) != SH_OK) {
        return 1;
    }
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
    sh_buf_fini(&wire);
    sh_history_close(h);
    return 0;
}

/* The rows of the points that are no text, as a pack has them. */
static struct sh_pack *pack_make(struct sh_history *h)
{
    static uint8_t time[ROWS * 8];
    static uint8_t cell[ROWS * 8];
    static uint8_t quality[ROWS];
    struct sh_batch_builder b;
    struct sh_pack_builder *pb = NULL;
    struct sh_pack *p = NULL;
    batch_make(&b, POINTS_3);
    assert_ok(sh_pack_builder_new(sh_alloc_heap(), h, &pb));
    for (uint32_t k = 0; k < POINTS_3; k++) {
        if (b.view.type[k] == SH_T_TEXT) {
            continue;
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            const uint32_t at = i * POINTS_3 + k;
            sh_put_le64(time + (size_t)i * 8, (uint64_t)b.view.time_us[at]);
            sh_put_le64(cell + (size_t)i * 8, b.view.value[at].bits);
            quality[i] = b.view.quality[at];
        }
        const struct sh_pack_run run = {k + 1,  (enum sh_type)b.view.type[k], ROWS, time, cell,
                                        quality};
        assert_ok(sh_pack_add(pb, &run));
    }
    assert_ok(sh_pack_take(pb, &p));
    sh_pack_builder_free(pb);
    sh_batch_builder_fini(&b);
    return p;
}

static int write_blocks(const char *file)
{
    char dir[64];
    const struct sh_env env = sh_env_system();
    struct sh_history *h = NULL;
    sh_test_tmpdir(dir);
    assert_ok(sh_history_open(&env, &(struct sh_history_options){.dir = dir}, &h));
    struct sh_pack *p = pack_make(h);
    assert_ok(sh_fs_replace(sh_fs_system(), file, sh_pack_wire(p)));
    sh_pack_unref(p);
    sh_history_close(h);
    sh_test_rmdir(dir);
    return 0;
}

static sh_err copy_file(void *ctx, const char *name, bool is_dir)
{
    const char *const *dirs = ctx;
    char from[256];
    char to[256];
    struct sh_str s;
    if (is_dir) {
        return SH_OK;
    }
    (void)snprintf(from, sizeof from, "%s/%s", dirs[0], name);
    (void)snprintf(to, sizeof to, "%s/%s", dirs[1], name);
    SH_TRY(sh_fs_read_all(sh_fs_system(), sh_alloc_heap(), from, 1 << 24, &s));
    const sh_err err = sh_fs_replace(sh_fs_system(), to, sh_str_bytes(s));
    sh_str_free(sh_alloc_heap(), &s);
    return err;
}

struct check {
    const struct sh_batch *b;
    uint32_t points;
    uint32_t next[POINTS + 1]; /* row in b expected next, per point */
    uint32_t rows;
};

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct check *k = ctx;
    const uint32_t p = rows->series + 1;
    for (uint32_t i = 0; i < rows->n; i++) {
        const uint32_t at = k->next[p];
        k->next[p] += k->points;
        assert_int_equal(k->b->point[at], p);
        assert_int_equal(rows->time_us[i], k->b->time_us[at]);
        assert_int_equal(rows->quality[i], k->b->quality[at]);
        if (p == 5) {
            const struct sh_bytes want = sh_batch_bytes(k->b, at);
            assert_int_equal(rows->value[i].span.len, want.n);
            assert_memory_equal(rows->bytes + rows->value[i].span.off, want.p, want.n);
        } else {
            assert_true(rows->value[i].bits == k->b->value[at].bits);
        }
        k->rows++;
    }
    return SH_OK;
}

static void fail_on_report(void *ctx, const struct sh_history_report *r)
{
    SH_UNUSED(ctx);
    fail_msg("%s", r->file);
}

static sh_err hours_sink(void *ctx, const struct sh_history_rows *rows)
{
    uint32_t *hours = ctx;
    for (uint32_t i = 0; i < rows->n; i++, (*hours)++) {
        int64_t sum = 0;
        int64_t n = 0;
        for (uint32_t k = *hours * 360; k < ROWS && k < (*hours + 1) * 360; k++, n++) {
            sum += k * k * 37 % 1000;
        }
        assert_int_equal(rows->time_us[i], t0 + (int64_t)*hours * 3600000000);
        assert_int_equal(rows->agg[0].value[i].i64, n);
        assert_true(fabs(rows->agg[1].value[i].f64 - (double)sum / 10) < 1e-6);
    }
    return SH_OK;
}

/* Point 7 by hour, without a sample read. */
static void hours_read_as_written(struct sh_history *h)
{
    static const uint32_t point = 7;
    const struct sh_history_agg aggs[2] = {{.kind = SH_AGG_COUNT}, {.kind = SH_AGG_SUM}};
    struct sh_history_result out;
    uint32_t hours = 0;
    const struct sh_history_query q = {.points = &point,
                                       .npoints = 1,
                                       .from_us = 0,
                                       .to_us = t0 * 2,
                                       .aggs = aggs,
                                       .naggs = 2,
                                       .step_us = 3600000000};
    assert_ok(sh_history_query(h, &q, hours_sink, &hours, &out));
    assert_int_equal(hours, 5);
    assert_int_equal(out.scanned, 0);
}

static void version_reads_as_written(const char *from, uint32_t npoints)
{
    const struct sh_env env = sh_env_system();
    char dir[64];
    sh_test_tmpdir(dir);
    const char *dirs[2] = {from, dir};
    const struct sh_fs *fs = sh_fs_system();
    assert_ok(fs->list(fs->ctx, dirs[0], copy_file, dirs));
    struct sh_history *h = NULL;
    const struct sh_history_options o = {.dir = dir, .report = fail_on_report};
    assert_ok(sh_history_open(&env, &o, &h));
    struct sh_batch_builder b;
    batch_make(&b, npoints);
    /* point 3: rows 0 to 4 (0 to 40 s and a bit) are deleted; row 5 is at 50 s */
    struct check k = {
        .b = &b.view, .points = npoints, .next = {0, 0, 1, 2 + 5 * npoints, 3, 4, 5, 6}};
    static const uint32_t points[] = {1, 2, 3, 4, 5, 6, 7};
    struct sh_history_result out;
    const struct sh_history_query q = {
        .points = points, .npoints = npoints, .from_us = 0, .to_us = t0 * 2};
    assert_ok(sh_history_query(h, &q, sink, &k, &out));
    assert_int_equal(k.rows, ROWS * npoints - 5);
    if (npoints >= POINTS) {
        hours_read_as_written(h);
    }
    sh_batch_builder_fini(&b);
    sh_history_close(h);
    struct sh_history_check c = {.segments = 0};
    assert_ok(sh_history_check(&env, dir, &c));
    assert_true(c.problems == 0 && c.summaries > 0);
    sh_test_rmdir(dir);
}

static void test_golden_version_1_reads_as_written(void **state)
{
    (void)state;
    version_reads_as_written(SH_GOLDEN_DIR "/history/v1", POINTS_1);
}

static void test_golden_version_2_reads_as_written(void **state)
{
    (void)state;
    version_reads_as_written(SH_GOLDEN_DIR "/history/v2", POINTS_1);
    version_reads_as_written(SH_GOLDEN_DIR "/history/v2_cold", POINTS_1);
}

static void test_golden_version_3_reads_as_written(void **state)
{
    (void)state;
    version_reads_as_written(SH_GOLDEN_DIR "/history/v3", POINTS_3);
    version_reads_as_written(SH_GOLDEN_DIR "/history/v3_cold", POINTS_3);
}

static void test_golden_version_4_reads_as_written(void **state)
{
    (void)state;
    version_reads_as_written(SH_GOLDEN_DIR "/history/v4", POINTS);
    version_reads_as_written(SH_GOLDEN_DIR "/history/v4_cold", POINTS);
}

/* Records of every released version give the samples that they were made of. */
static void test_golden_record_of_blocks_reads_as_written(void **state)
{
    (void)state;
    static const enum sh_type text = SH_T_TEXT;
    struct sh_str wire;
    struct sh_pack *p = NULL;
    struct sh_slab *rows = NULL;
    struct sh_batch_builder b;
    assert_ok(sh_fs_read_all(sh_fs_system(), sh_alloc_heap(), SH_GOLDEN_DIR "/journal/blocks_v1",
                             1 << 20, &wire));
    assert_ok(sh_pack_read(sh_alloc_heap(), sh_str_bytes(wire), &p));
    assert_ok(sh_pack_slab(p, &rows));
    batch_make(&b, POINTS_3);
    uint32_t at = 0;
    for (uint32_t k = 0; k < POINTS_3; k++) {
        for (uint32_t i = k; i < b.view.len && b.view.type[k] != text; i += POINTS_3) {
            assert_int_equal(rows->batch.point[at], k + 1);
            assert_int_equal(rows->batch.type[at], b.view.type[i]);
            assert_int_equal(rows->batch.time_us[at], b.view.time_us[i]);
            assert_int_equal(rows->batch.quality[at], b.view.quality[i]);
            assert_true(rows->batch.value[at].bits == b.view.value[i].bits);
            at++;
        }
    }
    assert_int_equal(rows->batch.len, at);
    assert_int_equal(at, ROWS * (POINTS_3 - 1));
    sh_batch_builder_fini(&b);
    sh_slab_unref(rows);
    sh_pack_unref(p);
    sh_str_free(sh_alloc_heap(), &wire);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "blocks") == 0) {
        return write_blocks(argv[2]);
    }
    if (argc == 3 && (strcmp(argv[1], "write") == 0 || strcmp(argv[1], "cold") == 0)) {
        return write_files(argv[2], argv[1][0] == 'c');
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_version_1_reads_as_written),
        cmocka_unit_test(test_golden_version_2_reads_as_written),
        cmocka_unit_test(test_golden_version_3_reads_as_written),
        cmocka_unit_test(test_golden_version_4_reads_as_written),
        cmocka_unit_test(test_golden_record_of_blocks_reads_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
