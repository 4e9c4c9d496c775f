/* How fast the decoders are, alone: bytes in memory to full batches, one core. Prints JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include <sh/ingest.h>

enum { SERIES = 1000, ROUNDS = 200, MESSAGES = 200000 };

struct counter {
    uint32_t points;
    uint64_t rows;
};

static enum sh_ingest_code resolve(void *ctx, const struct sh_ingest_name *n,
                                   struct sh_ingest_target *out, char detail[160])
{
    struct counter *c = ctx;
    (void)detail;
    *out = (struct sh_ingest_target){.point = ++c->points, .type = n->type};
    return SH_INGEST_OK;
}

static sh_err submit(void *ctx, const struct sh_batch *b)
{
    ((struct counter *)ctx)->rows += b->len;
    return SH_OK;
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static sh_err fill(struct sh_buf *b, bool csv)
{
    if (csv) {
        SH_TRY(sh_buf_put_c(b, "time,a,b,c,d\n"));
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int s = 0; s < SERIES; s++) {
            const long long ms = 1700000000000 + (long long)r * 10000;
            if (csv) {
                SH_TRY(sh_buf_printf(b, "%lld,%d.%02d,%d.%03d,%d,%d.5\n", ms + s, s, r % 100, r, s,
                                     s, r));
            } else {
                SH_TRY(sh_buf_printf(b, "pump,line=a%d,unit=%03d value=%d.%02d %lld000000\n",
                                     s % 10, s, 20 + s % 50, r % 100, ms));
            }
        }
    }
    return SH_OK;
}

typedef sh_err decode(struct sh_ingest *, const struct sh_ingest_sink *,
                      const struct sh_ingest_opts *, struct sh_bytes, struct sh_ingest_result *);

static sh_err whole(const char *name, decode *fn, const struct sh_buf *body)
{
    struct sh_env env = sh_env_system();
    struct counter c = {0};
    const struct sh_ingest_sink sink = {resolve, submit, NULL, &c, NULL, 0};
    const struct sh_ingest_opts o = {.now_us = 1, .device = SH_STR("d")};
    struct sh_ingest *in = NULL;
    struct sh_ingest_result r;
    SH_TRY(sh_ingest_new(&env, 8192, 100000, &in));
    sh_err e = fn(in, &sink, &o, sh_buf_bytes(body), &r);
    const double t = seconds();
    const uint64_t before = c.rows;
    for (int i = 0; i < 5 && e == SH_OK; i++) {
        e = fn(in, &sink, &o, sh_buf_bytes(body), &r);
    }
    const double took = seconds() - t;
    const double rows = (double)(c.rows - before);
    printf("{\"bench\":\"decode_%s\",\"samples\":%.0f,\"ns_per_sample\":%.1f,"
           "\"million_per_cpu_s\":%.2f,\"refused\":%llu,\"mb_per_s\":%.0f}\n",
           name, rows, took / rows * 1e9, rows / took * 1e-6, (unsigned long long)r.refused,
           (double)body->n * 5 / took * 1e-6);
    sh_ingest_free(in);
    return e;
}

/* Messages of two values, each decoded by its own call, as MQTT brings them. */
static sh_err messages(void)
{
    static const char *const text[] = {
        "{\"ts\":1700000000123,\"values\":{\"temperature\":21.57,\"pressure\":101.325}}",
        "{\"temperature\":21.57,\"pressure\":101.325,\"running\":true}",
    };
    struct sh_env env = sh_env_system();
    struct counter c = {0};
    const struct sh_ingest_sink sink = {resolve, submit, NULL, &c, NULL, 0};
    const struct sh_ingest_opts o = {.now_us = 1, .device = SH_STR("cnc-12")};
    struct sh_ingest *in = NULL;
    struct sh_ingest_result r;
    sh_err e = sh_ingest_new(&env, 8192, 1000, &in);
    for (int k = 0; k < 2 && e == SH_OK; k++) {
        const struct sh_bytes body = sh_str_bytes(sh_str_c(text[k]));
        const double t = seconds();
        for (int i = 0; i < MESSAGES * 5 && e == SH_OK; i++) {
            e = sh_ingest_json(in, &sink, &o, body, &r);
        }
        const double took = seconds() - t;
        printf("{\"bench\":\"decode_json_message_%d\",\"bytes\":%zu,\"ns_per_message\":%.1f,"
               "\"million_messages_per_cpu_s\":%.2f}\n",
               k, body.n, took / MESSAGES / 5 * 1e9, MESSAGES * 5 / took * 1e-6);
    }
    sh_ingest_free(in);
    return e;
}

int main(void)
{
    struct sh_buf lines;
    struct sh_buf csv;
    sh_buf_init(&lines, sh_alloc_heap(), 64 << 20);
    sh_buf_init(&csv, sh_alloc_heap(), 64 << 20);
    sh_err e = fill(&lines, false);
    e = e == SH_OK ? fill(&csv, true) : e;
    e = e == SH_OK ? whole("lines", sh_ingest_lines, &lines) : e;
    e = e == SH_OK ? whole("csv", sh_ingest_csv, &csv) : e;
    e = e == SH_OK ? messages() : e;
    sh_buf_fini(&lines);
    sh_buf_fini(&csv);
    return e == SH_OK ? 0 : 1;
}
