/* What the fuzz targets share: a sink that checks every batch it is given, and one run twice
 * over the same input (the second time from a warm cache), which must come out the same. */
#ifndef SH_INGEST_FUZZ_SINK_H
#define SH_INGEST_FUZZ_SINK_H

#include <sh/fuzz.h>

#include <sh/ingest.h>

struct fuzz_sink {
    uint64_t rows;
    uint64_t sum; /* of all columns, in order */
};

static enum sh_ingest_code fuzz_resolve(void *ctx, const struct sh_ingest_name *n,
                                        struct sh_ingest_target *out, char detail[160])
{
    (void)ctx;
    (void)detail;
    SH_FUZZ_CHECK(n->device.n > 0 && n->device.n <= SH_INGEST_MAX_NAME);
    SH_FUZZ_CHECK(n->property.n > 0 && n->property.n <= SH_INGEST_MAX_NAME);
    SH_FUZZ_CHECK(sh_utf8_valid(n->device) && sh_utf8_valid(n->property));
    SH_FUZZ_CHECK(n->nlabels <= SH_INGEST_MAX_LABELS);
    for (size_t i = 1; i < n->nlabels; i++) {
        SH_FUZZ_CHECK(sh_str_cmp(n->labels[i - 1].key, n->labels[i].key) < 0);
    }
    const uint64_t h = sh_hash64(n->property.p, n->property.n, 1);
    /* The type hangs on the name alone, so that it is the same however often it is asked for. */
    *out = (struct sh_ingest_target){.point = (uint32_t)(h >> 32) | 1,
                                     .type = (enum sh_type)(h % 5 + 1)};
    return h % 7 == 0 ? SH_INGEST_UNKNOWN_PROPERTY : SH_INGEST_OK;
}

static sh_err fuzz_submit(void *ctx, const struct sh_batch *b)
{
    struct fuzz_sink *s = ctx;
    SH_FUZZ_CHECK(b->len > 0 && b->len <= 5);
    for (uint32_t i = 0; i < b->len; i++) {
        SH_FUZZ_CHECK(b->point[i] != 0 && b->type[i] >= SH_T_BOOL && b->type[i] <= SH_T_BLOB);
        SH_FUZZ_CHECK(b->type[i] != SH_T_BOOL || b->value[i].bits <= 1);
        s->sum = s->sum * 31 + b->point[i] + (uint64_t)b->time_us[i] + b->quality[i];
        if (b->type[i] >= SH_T_TEXT) {
            const uint64_t end = (uint64_t)b->value[i].span.off + b->value[i].span.len;
            SH_FUZZ_CHECK(end <= b->bytes_len);
            const struct sh_bytes v = sh_batch_bytes(b, i);
            SH_FUZZ_CHECK(b->type[i] == SH_T_BLOB || sh_utf8_valid(sh_bytes_str(v)));
            s->sum = s->sum * 31 + sh_hash64(v.p, v.n, 2);
        } else {
            s->sum = s->sum * 31 + b->value[i].bits;
        }
    }
    s->rows += b->len;
    return SH_OK;
}

/* What is offered whole reads as its rows would; every other one is sent back to come as rows. */
static sh_err fuzz_run(void *ctx, const struct sh_ingest_run *r)
{
    struct fuzz_sink *s = ctx;
    SH_FUZZ_CHECK(r->point != 0 && r->n >= 2 && r->type >= SH_T_BOOL && r->type <= SH_T_F64);
    for (uint32_t i = 0; i < r->n; i++) {
        const int64_t t = (int64_t)sh_le64(r->time + (size_t)i * 8);
        SH_FUZZ_CHECK(i == 0 || t > (int64_t)sh_le64(r->time + (size_t)(i - 1) * 8));
        SH_FUZZ_CHECK(r->type != SH_T_BOOL || sh_le64(r->cell + (size_t)i * 8) <= 1);
    }
    if (r->n % 2 == 0) {
        return SH_E_UNSUPPORTED;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        s->sum = s->sum * 31 + r->point + sh_le64(r->time + (size_t)i * 8) +
                 (r->quality == NULL ? SH_Q_GOOD : r->quality[i]);
        s->sum = s->sum * 31 + sh_le64(r->cell + (size_t)i * 8);
    }
    s->rows += r->n;
    return SH_OK;
}

static void fuzz_refuse(void *ctx, const struct sh_ingest_refusal *r)
{
    (void)ctx;
    SH_FUZZ_CHECK(r->code > SH_INGEST_OK && r->code <= SH_INGEST_NOT_NOW);
    SH_FUZZ_CHECK(r->column > 0 && r->detail != NULL && r->detail[0] != '\0');
}

typedef sh_err fuzz_decode(struct sh_ingest *in, const struct sh_ingest_sink *sink,
                           const struct sh_ingest_opts *opts, struct sh_bytes body,
                           struct sh_ingest_result *result);

static inline void fuzz_twice(fuzz_decode *fn, const struct sh_ingest_opts *o, struct sh_bytes body)
{
    struct sh_env env = sh_env_system();
    struct sh_ingest *in = NULL;
    struct fuzz_sink first = {0};
    struct fuzz_sink second = {0};
    struct sh_ingest_result r1;
    struct sh_ingest_result r2;
    struct sh_ingest_sink sink = {.resolve = fuzz_resolve,
                                  .submit = fuzz_submit,
                                  .refuse = fuzz_refuse,
                                  .ctx = &first,
                                  .run = fuzz_run,
                                  .run_min = 2};
    SH_FUZZ_CHECK(sh_ingest_new(&env, 5, 8, &in) == SH_OK);
    SH_FUZZ_CHECK(fn(in, &sink, o, body, &r1) == SH_OK && r1.samples == first.rows);
    sink.ctx = &second;
    SH_FUZZ_CHECK(fn(in, &sink, o, body, &r2) == SH_OK && r2.samples == second.rows);
    SH_FUZZ_CHECK(first.rows == second.rows && first.sum == second.sum);
    SH_FUZZ_CHECK(r1.taken == r2.taken && r1.refused == r2.refused);
    sh_ingest_free(in);
}

#endif /* SH_INGEST_FUZZ_SINK_H */
