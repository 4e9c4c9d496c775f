/* Years of history: POINTS points, a sample each STEP seconds for YEARS years of a 2-decimal walk,
 * merged day by day as in the program; then charts over all of it. Prints one JSON object. Wall
 * clock of one thread. usage: history_years [FOLDER [STEP [YEARS [POINTS]]]] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sh/history.h>

enum { MOST_POINTS = 100, WIDTH = 1500 };

static const int64_t day = (int64_t)86400 * 1000000;

static double now_s(void)
{
    struct timespec t;
    SH_ASSERT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct years {
    struct sh_env env;
    struct sh_history *h;
    uint32_t points;
    int64_t step; /* us */
    int64_t from;
    int64_t to;
    uint64_t rng;
    int64_t walk[MOST_POINTS];
    uint64_t rows;
};

static uint64_t rnd(struct years *y)
{
    y->rng ^= y->rng << 13;
    y->rng ^= y->rng >> 7;
    y->rng ^= y->rng << 17;
    return y->rng;
}

static void fill(struct years *y)
{
    struct sh_batch_builder b;
    uint64_t seq = 0;
    const uint32_t rows = (uint32_t)(day / y->step) * y->points;
    sh_batch_builder_init(&b, y->env.alloc, rows, 16);
    for (int64_t t = y->from; t < y->to; t += day) {
        struct sh_slab *slab = NULL;
        sh_batch_builder_clear(&b);
        for (int64_t at = t; at < t + day; at += y->step) {
            for (uint32_t p = 0; p < y->points; p++) {
                y->walk[p] += (int64_t)(rnd(y) % 241) - 120;
                const union sh_cell v = {.f64 = (double)y->walk[p] / 100};
                SH_ASSERT(sh_batch_add(&b, p + 1, at, SH_T_F64, v, SH_Q_GOOD) == SH_OK);
            }
        }
        y->rows += rows;
        SH_ASSERT(sh_slab_new(y->env.alloc, &b.view, &slab) == SH_OK);
        SH_ASSERT(sh_history_apply(y->h, slab, ++seq) == SH_OK);
        sh_slab_unref(slab);
        SH_ASSERT(sh_history_flush(y->h) == SH_OK && sh_history_compact(y->h) == SH_OK);
    }
    sh_batch_builder_fini(&b);
}

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    *(uint64_t *)ctx += rows->n;
    return SH_OK;
}

static void ask(const struct years *y, const char *name, struct sh_history_query q)
{
    uint32_t points[MOST_POINTS];
    struct sh_history_result out = {.rows = 0};
    double best = 1e9;
    double first = 0;
    for (uint32_t i = 0; i < y->points; i++) {
        points[i] = i + 1;
    }
    q.points = points;
    q.npoints = y->points;
    q.from_us = y->from;
    q.to_us = y->to;
    q.mem_bytes = (uint64_t)1 << 30;
    for (int i = 0; i < 5; i++) {
        uint64_t rows = 0;
        const double at = now_s();
        SH_ASSERT(sh_history_query(y->h, &q, sink, &rows, &out) == SH_OK);
        const double took = (now_s() - at) * 1e3;
        first = i == 0 ? took : first;
        best = took < best ? took : best;
    }
    printf(",\"%s_ms\":%.1f,\"first_ms\":%.1f,\"rows\":%llu,\"scanned\":%llu", name, best, first,
           (unsigned long long)out.rows, (unsigned long long)out.scanned);
    (void)fflush(stdout);
}

static void charts(const struct years *y)
{
    const struct sh_history_agg two[2] = {{.kind = SH_AGG_MIN}, {.kind = SH_AGG_MAX}};
    const struct sh_history_agg mean = {.kind = SH_AGG_MEAN};
    const struct sh_history_agg sd = {.kind = SH_AGG_STDDEV};
    const int64_t pixel = (y->to - y->from) / WIDTH;
    ask(y, "minmax_1500", (struct sh_history_query){.down = SH_DOWN_MINMAX, .down_points = WIDTH});
    ask(y, "lttb_1500", (struct sh_history_query){.down = SH_DOWN_LTTB, .down_points = WIDTH});
    ask(y, "min_max_by_pixel",
        (struct sh_history_query){.aggs = two, .naggs = 2, .step_us = pixel});
    ask(y, "mean_by_day", (struct sh_history_query){.aggs = &mean, .naggs = 1, .step_us = day});
    ask(y, "mean_by_hour",
        (struct sh_history_query){.aggs = &mean, .naggs = 1, .step_us = day / 24});
    ask(y, "stddev_by_day", (struct sh_history_query){.aggs = &sd, .naggs = 1, .step_us = day});
    ask(y, "mean_of_all", (struct sh_history_query){.aggs = &mean, .naggs = 1});
}

/* Argument i, or what is usual; 0: nonsense. */
static int64_t number(int argc, char **argv, int i, int64_t usual)
{
    int64_t v = usual;
    return argc > i && sh_i64_parse(sh_str_c(argv[i]), &v) != SH_OK ? 0 : v;
}

int main(int argc, char **argv)
{
    char made[64] = "/tmp/history_years.XXXXXX";
    const char *root = argc > 1 ? argv[1] : mkdtemp(made);
    struct years y = {.env = sh_env_system(), .rng = 88172645463325252U};
    struct sh_history_stats st;
    if (root == NULL) {
        return 1;
    }
    y.step = number(argc, argv, 2, 1) * 1000000;
    y.points = (uint32_t)number(argc, argv, 4, 10);
    SH_ASSERT(y.points > 0 && y.points <= MOST_POINTS && y.step > 0);
    y.to = (sh_wall_us(y.env.clock) / day - 10) * day;
    y.from = y.to - number(argc, argv, 3, 5) * 365 * day;
    const struct sh_history_options o = {
        .dir = root, .head_bytes = (uint64_t)1 << 30, .cold_after_us = INT64_MAX};
    SH_ASSERT(sh_history_open(&y.env, &o, &y.h) == SH_OK);
    const double at = now_s();
    fill(&y);
    sh_history_stats(y.h, &st);
    printf("{\"samples\":%llu,\"fill_M_per_s\":%.1f,\"bytes_per_sample\":%.3f,\"segments\":%llu",
           (unsigned long long)y.rows, (double)y.rows / (now_s() - at) / 1e6,
           (double)st.segment_bytes / (double)y.rows, (unsigned long long)st.segments);
    const double open = now_s();
    sh_history_close(y.h);
    SH_ASSERT(sh_history_open(&y.env, &o, &y.h) == SH_OK);
    printf(",\"open_ms\":%.1f", (now_s() - open) * 1e3);
    uint32_t points[MOST_POINTS];
    struct sh_history_sample last[MOST_POINTS];
    for (uint32_t i = 0; i < y.points; i++) {
        points[i] = i + 1;
    }
    const double begin = now_s();
    SH_ASSERT(sh_history_last(y.h, points, y.points, last, NULL) == SH_OK);
    printf(",\"last_ms\":%.3f", (now_s() - begin) * 1e3);
    charts(&y);
    printf("}\n");
    sh_history_close(y.h);
    return 0;
}
