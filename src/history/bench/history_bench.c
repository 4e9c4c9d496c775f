/* history_bench - measures the engine by itself on generated data (no network, no journal):
 * 1000 series x 10 s x 2 days of a 2-decimal walk and as many of integers. Prints one JSON object.
 * Usage: history_bench [DIR]  (default: a new folder under /tmp; it stays)
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sh/history.h>

#include "../block.h"

enum { SERIES = 1000, TICKS = 17280, ROUND = 60, REPEATS = 15 };

static const int64_t t0 = 1767225600000000;
static const int64_t tick = 10000000;

struct bench {
    struct sh_env env;
    struct sh_history *h;
    struct sh_batch_builder b;
    uint64_t rng;
    int64_t *state; /* walk of each series */
    uint64_t seq;
    bool integers;
};

static uint64_t rnd(struct bench *b)
{
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 7;
    b->rng ^= b->rng << 17;
    return b->rng;
}

/* Processor time of this thread: what else the machine does is not counted, nor is the disk. */
static double now_s(void)
{
    struct timespec t;
    SH_ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Near normal: the sum of four uniforms. */
static int64_t bell(struct bench *b, int64_t width)
{
    int64_t s = 0;
    for (int i = 0; i < 4; i++) {
        s += (int64_t)(rnd(b) % (uint64_t)(2 * width + 1)) - width;
    }
    return s / 2;
}

static union sh_cell step(struct bench *b, uint32_t s)
{
    union sh_cell v = {.bits = 0};
    if (b->integers) {
        b->state[s] += (int64_t)(rnd(b) % 8 == 0) - (int64_t)(rnd(b) % 16 == 0);
        v.i64 = b->state[s];
    } else {
        b->state[s] += bell(b, 120);
        v.f64 = (double)b->state[s] / 100.0;
    }
    return v;
}

/* All rounds: ROUND ticks of all series in one batch, in the order of time. Returns apply seconds.
 */
static double fill(struct bench *b, double *flush_s)
{
    double apply = 0;
    *flush_s = 0;
    for (uint32_t k = 0; k < TICKS; k += ROUND) {
        sh_batch_builder_clear(&b->b);
        for (uint32_t i = 0; i < ROUND; i++) {
            for (uint32_t s = 0; s < SERIES; s++) {
                const sh_err err =
                    sh_batch_add(&b->b, s + 1, t0 + (int64_t)(k + i) * tick,
                                 b->integers ? SH_T_I64 : SH_T_F64, step(b, s), SH_Q_GOOD);
                SH_ASSERT(err == SH_OK);
            }
        }
        struct sh_slab *slab = NULL;
        SH_ASSERT(sh_slab_new(b->env.alloc, &b->b.view, &slab) == SH_OK);
        const double at = now_s();
        SH_ASSERT(sh_history_apply(b->h, slab, ++b->seq) == SH_OK);
        apply += now_s() - at;
        sh_slab_unref(slab);
        if (k % 2400 == 2340) {
            const double f = now_s();
            SH_ASSERT(sh_history_flush(b->h) == SH_OK);
            *flush_s += now_s() - f;
        }
    }
    const double f = now_s();
    SH_ASSERT(sh_history_flush(b->h) == SH_OK);
    *flush_s += now_s() - f;
    return apply;
}

struct total {
    uint64_t rows;
    double sum;
};

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct total *t = ctx;
    t->rows += rows->n;
    if (rows->agg != NULL && rows->n != 0) {
        t->sum += rows->agg[0].value[0].f64;
    }
    return SH_OK;
}

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median milliseconds. */
static double query_ms(struct bench *b, const struct sh_history_query *q,
                       sh_err (*fn)(void *, const struct sh_history_rows *), uint64_t *scanned)
{
    double ms[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        struct total t = {0};
        struct sh_history_result out;
        const double at = now_s();
        SH_ASSERT(sh_history_query(b->h, q, fn, &t, &out) == SH_OK);
        ms[i] = (now_s() - at) * 1e3;
        *scanned = out.scanned;
    }
    qsort(ms, REPEATS, sizeof ms[0], by_double);
    return ms[REPEATS / 2];
}

/* 1.7 million samples: counted over thresholds that a wandering value crosses seldom and often, and
 * the rows themselves. */
static void threshold(struct bench *b, const uint32_t *points, int64_t end)
{
    struct sh_history_agg over = {.kind = SH_AGG_COUNT_IF};
    uint64_t scanned = 0;
    struct sh_history_query q = {
        .points = points, .npoints = 100, .from_us = t0, .to_us = end, .aggs = &over, .naggs = 1};
    static const char *const conds[] = {">1000", ">50", "40..60"};
    for (size_t i = 0; i < sizeof conds / sizeof conds[0]; i++) {
        SH_ASSERT(sh_history_cond_parse(sh_str_c(conds[i]), &over.cond) == SH_OK);
        const double ms = query_ms(b, &q, sink, &scanned);
        printf(",\"count:%s_1.7M_ms\":%.3f,\"decoded\":%llu", conds[i], ms,
               (unsigned long long)scanned);
    }
    q.aggs = NULL;
    q.naggs = 0;
    const double all = query_ms(b, &q, sink, &scanned);
    printf(",\"raw_1.7M_ms\":%.3f,\"scan_G_per_s\":%.3f", all, (double)scanned / all / 1e6);
    q.where = over.cond;
    printf(",\"where_40..60_1.7M_ms\":%.3f", query_ms(b, &q, sink, &scanned));
}

static void queries(struct bench *b, const uint32_t *points)
{
    const int64_t hour = (int64_t)3600 * 1000000;
    const struct sh_history_agg max = {.kind = SH_AGG_MAX};
    const struct sh_history_agg mean = {.kind = SH_AGG_MEAN};
    const int64_t end = t0 + (int64_t)TICKS * tick;
    uint64_t scanned = 0;
    struct sh_history_sample *last = calloc(SERIES, sizeof *last);
    SH_ASSERT(last != NULL);
    double first_ms = now_s();
    SH_ASSERT(sh_history_last(b->h, points, SERIES, last, NULL) == SH_OK);
    first_ms = (now_s() - first_ms) * 1e3;
    const double at = now_s();
    SH_ASSERT(sh_history_last(b->h, points, SERIES, last, NULL) == SH_OK);
    printf(",\"last_1000_cold_ms\":%.3f,\"last_1000_ms\":%.3f", first_ms, (now_s() - at) * 1e3);
    free(last);
    struct sh_history_query q = {
        .points = points + 500, .npoints = 1, .from_us = end - 5 * hour, .to_us = end - 4 * hour};
    printf(",\"raw_1h_ms\":%.3f", query_ms(b, &q, sink, &scanned));
    q.npoints = 8;
    q.aggs = &max;
    q.naggs = 1;
    q.step_us = (int64_t)60 * 1000000;
    printf(",\"max_8_series_1m_1h_ms\":%.3f", query_ms(b, &q, sink, &scanned));
    q = (struct sh_history_query){.points = points,
                                  .npoints = SERIES,
                                  .from_us = end - 14 * hour,
                                  .to_us = end - 2 * hour,
                                  .aggs = &mean,
                                  .naggs = 1,
                                  .step_us = hour};
    const double ms = query_ms(b, &q, sink, &scanned);
    printf(",\"mean_1000_series_1h_12h_ms\":%.3f,\"mean_scanned\":%llu", ms,
           (unsigned long long)scanned);
    threshold(b, points, end);
}

static void decode_rate(struct bench *b, const char *kind, enum block_effort effort)
{
    struct block_scratch *s = malloc(sizeof *s);
    struct block_cols *c = block_cols_new(b->env.alloc);
    static int64_t time[BLOCK_MAX];
    static union sh_cell value[BLOCK_MAX];
    static uint8_t quality[BLOCK_MAX];
    struct sh_buf out;
    SH_ASSERT(s != NULL && c != NULL);
    sh_buf_init(&out, b->env.alloc, 1 << 20);
    int64_t walk = 5000;
    for (int i = 0; i < BLOCK_MAX; i++) {
        walk += bell(b, 120);
        time[i] = t0 + (int64_t)i * tick;
        value[i].f64 = (double)walk / 100.0;
        quality[i] = SH_Q_GOOD;
    }
    const struct block_in in = {.point = 1,
                                .type = SH_T_F64,
                                .n = BLOCK_MAX,
                                .time = time,
                                .value = value,
                                .quality = quality};
    double at = now_s();
    for (int i = 0; i < 2000; i++) {
        sh_buf_clear(&out);
        SH_ASSERT(block_encode(b->env.alloc, s, &in, effort, &out) == SH_OK);
    }
    printf(",\"%sencode_M_per_s\":%.1f", kind, 2000.0 * BLOCK_MAX / (now_s() - at) / 1e6);
    at = now_s();
    for (int i = 0; i < 50000; i++) {
        SH_ASSERT(block_decode(sh_buf_bytes(&out), false, c) == SH_OK);
    }
    printf(",\"%sdecode_G_per_s\":%.3f", kind, 50000.0 * BLOCK_MAX / (now_s() - at) / 1e9);
    sh_buf_fini(&out);
    block_cols_free(b->env.alloc, c);
    free(s);
}

/* The same files once more, as cold ones. */
static void cold(struct bench *b, const struct sh_history_options *hot, const char *k,
                 const uint32_t *points)
{
    struct sh_history_options o = *hot;
    struct sh_history_stats st;
    uint64_t scanned = 0;
    const double rows = (double)SERIES * TICKS;
    sh_history_close(b->h);
    o.cold_after_us = 1;
    SH_ASSERT(sh_history_open(&b->env, &o, &b->h) == SH_OK);
    const double at = now_s();
    SH_ASSERT(sh_history_compact(b->h) == SH_OK);
    const double took = now_s() - at;
    sh_history_stats(b->h, &st);
    const struct sh_history_query q = {
        .points = points, .npoints = 100, .from_us = t0, .to_us = t0 + (int64_t)TICKS * tick};
    const double scan = query_ms(b, &q, sink, &scanned);
    printf(
        ",\"%s_cold_M_per_s\":%.2f,\"%s_cold_bytes_per_sample\":%.4f,\"%s_cold_scan_G_per_s\":%.3f",
        k, rows / took / 1e6, k, (double)st.cold_bytes / rows, k, (double)scanned / scan / 1e6);
}

static void one_kind(const char *root, bool integers, const uint32_t *points)
{
    char dir[512];
    struct bench b = {.env = sh_env_system(), .rng = 88172645463325252U, .integers = integers};
    (void)snprintf(dir, sizeof dir, "%s/%s", root, integers ? "int" : "walk");
    const struct sh_history_options o = {
        .dir = dir, .head_bytes = (uint64_t)1 << 30, .cold_after_us = INT64_MAX};
    b.state = calloc(SERIES, sizeof *b.state);
    SH_ASSERT(b.state != NULL && sh_history_open(&b.env, &o, &b.h) == SH_OK);
    for (int i = 0; i < SERIES; i++) {
        b.state[i] = 5000;
    }
    sh_batch_builder_init(&b.b, b.env.alloc, SERIES * ROUND, 16);
    double flush = 0;
    const double apply = fill(&b, &flush);
    struct sh_history_stats st;
    sh_history_stats(b.h, &st);
    const double rows = (double)SERIES * TICKS;
    const char *k = integers ? "int" : "walk";
    printf("%s\"%s_apply_M_per_s\":%.2f,\"%s_flush_M_per_s\":%.2f,\"%s_flushed_bytes_per_sample\":"
           "%.4f",
           integers ? "," : "", k, rows / apply / 1e6, k, rows / flush / 1e6, k,
           (double)st.segment_bytes / rows);
    const double at = now_s();
    SH_ASSERT(sh_history_compact(b.h) == SH_OK);
    const double compact = now_s() - at;
    sh_history_stats(b.h, &st);
    printf(",\"%s_compact_M_per_s\":%.2f,\"%s_bytes_per_sample\":%.4f,\"%s_segments\":%llu", k,
           rows / compact / 1e6, k, (double)st.segment_bytes / rows, k,
           (unsigned long long)st.segments);
    if (!integers) {
        queries(&b, points);
        decode_rate(&b, "", BLOCK_PACKED);
        decode_rate(&b, "cold_", BLOCK_COLD);
    }
    cold(&b, &o, k, points);
    sh_batch_builder_fini(&b.b);
    sh_history_close(b.h);
    free(b.state);
}

int main(int argc, char **argv)
{
    char made[64] = "/tmp/history_bench.XXXXXX";
    const char *root = argc > 1 ? argv[1] : mkdtemp(made);
    uint32_t points[SERIES];
    if (root == NULL) {
        return 1;
    }
    for (uint32_t i = 0; i < SERIES; i++) {
        points[i] = i + 1;
    }
    const int64_t start = sh_mono_us(sh_clock_system());
    printf("{\"clock\":\"thread cpu\",");
    one_kind(root, false, points);
    one_kind(root, true, points);
    printf(",\"wall_s\":%.1f}\n", (double)(sh_mono_us(sh_clock_system()) - start) / 1e6);
    return 0;
}
