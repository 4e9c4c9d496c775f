/* Apply, flush, compaction, edits and queries at once; run under TSan. Each query sees, for each
 * point, a gapless run from the first sample on: nothing is missed while it moves. */
#include <sh/test.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include <sh/pack.h>

enum { POINTS = 8, BATCHES = 400, ROWS = 50, PACKED = 5, READERS = 2 };

struct shared {
    struct sh_history *h;
    const struct sh_env *env;
    atomic_uint applied; /* batches */
    atomic_bool stop;
    atomic_uint wrong;
    atomic_uint queries;
};

static const int64_t t0 = 1767225600000000;

static int64_t time_of(uint32_t k)
{
    return t0 + (int64_t)k * 1000000;
}

/* Samples [from, to) of the points first, first + step, ... as rows. */
static sh_err send_rows(struct shared *s, uint32_t from, uint32_t to, uint32_t first, uint32_t step,
                        uint64_t seq)
{
    struct sh_batch_builder b;
    struct sh_slab *slab = NULL;
    sh_err err = SH_OK;
    sh_batch_builder_init(&b, s->env->alloc, POINTS * PACKED * ROWS, 16);
    for (uint32_t k = from; k < to; k++) {
        for (uint32_t p = first; err == SH_OK && p <= POINTS; p += step) {
            err = sh_batch_add(&b, p, time_of(k), SH_T_I64, (union sh_cell){.i64 = k}, SH_Q_GOOD);
        }
    }
    err = err == SH_OK ? sh_slab_new(s->env->alloc, &b.view, &slab) : err;
    err = err == SH_OK ? sh_history_apply(s->h, slab, seq) : err;
    sh_slab_unref(slab);
    sh_batch_builder_fini(&b);
    return err;
}

/* The same of the odd points as a pack; where its runs end in two partitions they go as rows. */
static sh_err send_pack(struct shared *s, uint32_t from, uint32_t to, uint64_t seq)
{
    static uint8_t time[PACKED * ROWS * 8];
    static uint8_t cell[PACKED * ROWS * 8];
    struct sh_pack_builder *b = NULL;
    struct sh_pack *pack = NULL;
    for (uint32_t k = from; k < to; k++) {
        sh_put_le64(time + (size_t)(k - from) * 8, (uint64_t)time_of(k));
        sh_put_le64(cell + (size_t)(k - from) * 8, k);
    }
    sh_err err = sh_pack_builder_new(s->env->alloc, s->h, &b);
    for (uint32_t p = 1; err == SH_OK && p <= POINTS; p += 2) {
        const struct sh_pack_run run = {p, SH_T_I64, to - from, time, cell, NULL};
        err = sh_pack_add(b, &run);
    }
    err = err == SH_OK ? sh_pack_take(b, &pack) : err;
    err = err == SH_OK ? sh_history_apply_pack(s->h, pack, seq) : err;
    sh_pack_unref(pack);
    sh_pack_builder_free(b);
    return err == SH_E_UNSUPPORTED ? send_rows(s, from, to, 1, 2, seq) : err;
}

/* Every now and then some batches in one, the odd points as blocks. */
static void writer(void *ctx)
{
    struct shared *s = ctx;
    uint64_t seq = 0;
    uint32_t step = 0;
    for (uint32_t n = 0; n < BATCHES; n += step) {
        const bool packed = n % 10 == 3 && n + PACKED <= BATCHES;
        step = packed ? PACKED : 1;
        const uint32_t from = n * ROWS;
        const uint32_t to = from + step * ROWS;
        sh_err err = packed ? send_pack(s, from, to, ++seq) : SH_OK;
        if (err == SH_OK) {
            err = send_rows(s, from, to, packed ? 2 : 1, packed ? 2 : 1, ++seq);
        }
        if (err != SH_OK) {
            atomic_fetch_add(&s->wrong, 1);
        }
        atomic_store(&s->applied, n + step);
        if (n % 50 == 49) { /* so that each run has eight flushes, however fast the writer is */
            struct sh_history_stats st = {0};
            sh_history_want_flush(s->h);
            for (sh_history_stats(s->h, &st); st.flushes < n / 50 + 1;
                 sh_history_stats(s->h, &st)) {
                (void)sched_yield();
            }
        }
    }
    atomic_store(&s->stop, true);
}

struct reading {
    struct shared *s;
    int64_t next;
};

static sh_err sink(void *ctx, const struct sh_history_rows *rows)
{
    struct reading *r = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        if (rows->value[i].i64 != r->next || rows->time_us[i] != t0 + r->next * 1000000) {
            atomic_fetch_add(&r->s->wrong, 1);
            return SH_E_INTERNAL;
        }
        r->next++;
    }
    return SH_OK;
}

static void reader(void *ctx)
{
    struct shared *s = ctx;
    uint32_t point = 1;
    while (!atomic_load(&s->stop)) {
        const int64_t least = (int64_t)atomic_load(&s->applied) * ROWS;
        struct reading r = {.s = s};
        struct sh_history_result out;
        const struct sh_history_query q = {
            .points = &point, .npoints = 1, .from_us = t0, .to_us = t0 * 2};
        if (sh_history_query(s->h, &q, sink, &r, &out) != SH_OK || r.next < least) {
            atomic_fetch_add(&s->wrong, 1);
        }
        struct sh_history_sample last;
        if (sh_history_last(s->h, &point, 1, &last, NULL) != SH_OK ||
            (least != 0 && last.value.i64 < least - 1)) {
            atomic_fetch_add(&s->wrong, 1);
        }
        struct sh_history_stats st;
        sh_history_stats(s->h, &st);
        atomic_fetch_add(&s->queries, 1);
        point = point % POINTS + 1;
    }
}

static void test_queries_during_apply_flush_and_compaction_miss_nothing(void **state)
{
    (void)state;
    char dir[64];
    sh_test_tmpdir(dir);
    const struct sh_env env = sh_env_system();
    struct shared s = {.env = &env};
    const struct sh_history_options o = {
        .dir = dir, .shards = 3, .head_bytes = 100 << 10, .partition_us = (int64_t)3600 * 1000000};
    assert_ok(sh_history_open(&env, &o, &s.h));
    assert_ok(sh_history_start(s.h));
    struct sh_thread w = {0};
    struct sh_thread r[READERS] = {0};
    assert_ok(sh_thread_start(&w, "writer", writer, &s));
    for (int i = 0; i < READERS; i++) {
        assert_ok(sh_thread_start(&r[i], "reader", reader, &s));
    }
    sh_thread_join(&w);
    for (int i = 0; i < READERS; i++) {
        sh_thread_join(&r[i]);
    }
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(atomic_load(&s.queries) > 0);
    struct sh_history_stats st;
    sh_history_stats(s.h, &st);
    assert_true(st.flushes >= BATCHES / 50);
    sh_history_close(s.h);
    sh_test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_during_apply_flush_and_compaction_miss_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
