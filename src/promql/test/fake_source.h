/* A source for tests: series "name{a=x}" with samples as "time:value", "x" for one that is gone.
 * Tests and fuzz targets only. */
#ifndef SH_PROMQL_FAKE_SOURCE_H
#define SH_PROMQL_FAKE_SOURCE_H

#include <sh/promql.h>

enum { FAKE_SAMPLES = 16 };

struct fake_series {
    struct sh_promql_label label[4];
    size_t nlabels;
    int64_t second[FAKE_SAMPLES];
    double value[FAKE_SAMPLES];
    bool gone[FAKE_SAMPLES];
    size_t n;
};

struct fake_source {
    const struct fake_series *series;
    size_t n;
};

static inline sh_err fake_select(void *ctx, struct sh_arena *ar, const struct sh_promql_matcher *m,
                                 size_t n, struct sh_promql_found **out, size_t *nout)
{
    const struct fake_source *f = ctx;
    struct sh_promql_found *found = sh_arena_array(ar, f->n + 1, sizeof *found);
    *nout = 0;
    for (size_t i = 0; i < f->n && found != NULL; i++) {
        const struct sh_promql_labels l = {f->series[i].label, f->series[i].nlabels};
        bool all = true;
        for (size_t k = 0; k < n && all; k++) {
            struct sh_str v = {"", 0};
            for (size_t j = 0; j < l.n; j++) {
                v = sh_str_eq(l.label[j].name, m[k].name) ? l.label[j].value : v;
            }
            all = sh_promql_matches(&m[k], v) == 1;
        }
        if (all) {
            found[(*nout)++] = (struct sh_promql_found){l, i};
        }
    }
    *out = found;
    return found == NULL ? SH_E_NOMEM : SH_OK;
}

static inline sh_err fake_read(void *ctx, const struct sh_promql_found *found, size_t n,
                               int64_t from_us, int64_t to_us, sh_promql_sink *sink, void *sink_ctx)
{
    const struct fake_source *f = ctx;
    for (size_t i = 0; i < n; i++) {
        const struct fake_series *s = &f->series[found[i].id];
        for (size_t k = 0; k < s->n; k++) {
            const int64_t us = s->second[k] * 1000000;
            if (us >= from_us && us <= to_us) {
                const struct sh_promql_samples one = {i, 1, &us, &s->value[k], &s->gone[k]};
                SH_TRY(sink(sink_ctx, &one));
            }
        }
    }
    return SH_OK;
}

static inline struct sh_promql_source fake_source_of(struct fake_source *f)
{
    return (struct sh_promql_source){fake_select, fake_read, f};
}

/* c: a counter that falls at 40 s; g: two gauges; h: two buckets. */
static const struct fake_series fake_plant[] = {
    {.label = {{{"__name__", 8}, {"c", 1}}, {{"a", 1}, {"1", 1}}},
     .nlabels = 2,
     .second = {0, 10, 20, 30, 40, 50, 60},
     .value = {0, 10, 20, 30, 5, 15, 25},
     .n = 7},
    {.label = {{{"__name__", 8}, {"g", 1}}, {{"a", 1}, {"1", 1}}, {{"b", 1}, {"x", 1}}},
     .nlabels = 3,
     .second = {0, 20, 40, 60},
     .value = {1, 2, 3, 4},
     .n = 4},
    {.label = {{{"__name__", 8}, {"g", 1}}, {{"a", 1}, {"2", 1}}, {{"b", 1}, {"x", 1}}},
     .nlabels = 3,
     .second = {0, 20, 40, 50},
     .value = {10, -20, 30, 0},
     .gone = {false, false, false, true},
     .n = 4},
    {.label = {{{"__name__", 8}, {"h", 1}}, {{"le", 2}, {"+Inf", 4}}},
     .nlabels = 2,
     .second = {60},
     .value = {10},
     .n = 1},
    {.label = {{{"__name__", 8}, {"h", 1}}, {{"le", 2}, {"1", 1}}},
     .nlabels = 2,
     .second = {60},
     .value = {4},
     .n = 1},
    {.label = {{{"__name__", 8}, {"h", 1}}, {{"le", 2}, {"2", 1}}},
     .nlabels = 2,
     .second = {60},
     .value = {8},
     .n = 1},
};

#endif /* SH_PROMQL_FAKE_SOURCE_H */
