/* journal_bench.c - how long a commit takes while log files are being made. One writer appends a
 * record, waits for done(), and begins the next at a steady pace; nothing is checkpointed, so every
 * log file is a new one. Prints one line of JSON.
 *   journal_bench DIR RECORDS RECORD_BYTES GAP_US
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sh/journal.h>

static sh_err take(void *ctx, const struct sh_journal_record *rec)
{
    SH_UNUSED(ctx);
    SH_UNUSED(rec);
    return SH_OK;
}

static int by_lap(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void wait_until(const struct sh_env *env, int64_t when_us)
{
    const int64_t left = when_us - sh_mono_us(env->clock);
    if (left > 0) {
        const struct timespec t = {left / 1000000, left % 1000000 * 1000};
        (void)nanosleep(&t, NULL);
    }
}

static sh_err run(const struct sh_env *env, struct sh_journal *j, struct sh_bytes data, size_t n,
                  int64_t gap_us, int64_t *laps)
{
    int64_t next = sh_mono_us(env->clock);
    for (size_t i = 0; i < n; i++, next += gap_us) {
        wait_until(env, next);
        const int64_t from = sh_mono_us(env->clock);
        SH_TRY(sh_journal_append(
            j, &(struct sh_journal_append){.owner = SH_OWNER_SAMPLES, .parts = &data, .nparts = 1},
            NULL));
        SH_TRY(sh_journal_sync(j));
        laps[i] = sh_mono_us(env->clock) - from;
    }
    return SH_OK;
}

static void print(const struct sh_journal_stats *st, int64_t *laps, size_t n)
{
    qsort(laps, n, sizeof *laps, by_lap);
    (void)printf("{\"records\":%zu,\"files\":%" PRIu64 ",\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64
                 ",\"max_us\":%" PRId64 ",\"made_ahead\":%" PRIu64 ",\"waited\":%" PRIu64
                 ",\"made_inline\":%" PRIu64 "}\n",
                 n, st->files, laps[n / 2], laps[(n - 1) * 99 / 100], laps[n - 1],
                 st->spares_prepared, st->spares_waited, st->spares_made_inline);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "journal_bench DIR RECORDS RECORD_BYTES GAP_US\n");
        return 2;
    }
    const struct sh_env env = sh_env_system();
    const size_t n = (size_t)strtoull(argv[2], NULL, 10);
    const size_t size = (size_t)strtoull(argv[3], NULL, 10);
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_SAMPLES, .name = "samples", .apply = take, .limit_bytes = UINT64_MAX};
    const struct sh_journal_options o = {.dir = argv[1], .owners = &owner, .owner_count = 1};
    int64_t *laps = n == 0 ? NULL : sh_mem_array(env.alloc, n, sizeof *laps);
    uint8_t *data = size == 0 ? NULL : sh_mem_new(env.alloc, size);
    struct sh_journal *j = NULL;
    struct sh_journal_stats st;
    sh_err err = laps == NULL || data == NULL ? SH_E_INVAL : sh_journal_open(&env, &o, &j);
    if (err == SH_OK) {
        err = sh_journal_start(j);
    }
    if (err == SH_OK) {
        err = run(&env, j, sh_bytes_of(data, size), n, strtoll(argv[4], NULL, 10), laps);
    }
    if (err == SH_OK) {
        sh_journal_stats(j, &st);
        print(&st, laps, n);
    } else {
        (void)fprintf(stderr, "journal_bench: %s\n", sh_err_name(err));
    }
    sh_journal_close(j);
    sh_mem_free(env.alloc, data);
    sh_mem_free(env.alloc, laps);
    return err == SH_OK ? 0 : 1;
}
