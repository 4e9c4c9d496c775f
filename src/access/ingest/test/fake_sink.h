/* A sink for tests: makes points as they are named and writes down what comes, one line a sample:
 * "device/property=value@time_us", refusals as "line:column code". Tests only. */
#ifndef SH_INGEST_FAKE_SINK_H
#define SH_INGEST_FAKE_SINK_H

#include <sh/test.h>

#include <sh/ingest.h>

enum { FAKE_POINTS = 4096 };

struct fake_point {
    char name[600];
    struct sh_ingest_target target;
};

struct fake {
    struct fake_point points[FAKE_POINTS];
    uint32_t npoints;
    char labels[600]; /* of the last resolve: k=v,k=v */
    struct sh_buf out;
    struct sh_buf refused;
    uint32_t resolves;
    uint32_t submits;
    uint32_t max_batch;
    sh_err submit_answer;
    sh_err run_answer;        /* runs are offered when sink.run is set */
    enum sh_ingest_code deny; /* answer for points that are not there */
    struct sh_ingest_sink sink;
};

static inline struct fake_point *fake_get(struct fake *f, const char *name)
{
    for (uint32_t i = 0; i < f->npoints; i++) {
        if (strcmp(f->points[i].name, name) == 0) {
            return &f->points[i];
        }
    }
    return NULL;
}

static inline struct fake_point *fake_add(struct fake *f, const char *name, enum sh_type type,
                                          const struct sh_scale *scale)
{
    assert_true(f->npoints < FAKE_POINTS);
    struct fake_point *p = &f->points[f->npoints++];
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->target = (struct sh_ingest_target){.point = f->npoints, .type = type, .scale = scale};
    return p;
}

static inline enum sh_ingest_code fake_resolve(void *ctx, const struct sh_ingest_name *n,
                                               struct sh_ingest_target *out, char detail[160])
{
    struct fake *f = ctx;
    char name[600];
    size_t at = 0;
    (void)snprintf(name, sizeof name, "%.*s/%.*s", SH_PRI(n->device), SH_PRI(n->property));
    f->labels[0] = '\0';
    for (size_t i = 0; i < n->nlabels && at < sizeof f->labels; i++) {
        at += (size_t)snprintf(f->labels + at, sizeof f->labels - at, "%s%.*s=%.*s",
                               i == 0 ? "" : ",", SH_PRI(n->labels[i].key),
                               SH_PRI(n->labels[i].value));
    }
    f->resolves++;
    struct fake_point *p = fake_get(f, name);
    if (p == NULL && (f->deny != SH_INGEST_OK || n->type == 0)) {
        (void)snprintf(detail, 160, "no");
        return f->deny == SH_INGEST_OK ? SH_INGEST_UNKNOWN_PROPERTY : f->deny;
    }
    if (p == NULL) {
        p = fake_add(f, name, n->type, NULL);
    }
    *out = p->target;
    return SH_INGEST_OK;
}

static inline void fake_row(struct fake *f, const struct sh_batch *b, uint32_t i)
{
    char text[SH_F64_CHARS + SH_I64_CHARS];
    size_t n = 0;
    const char *name = "?";
    for (uint32_t k = 0; k < f->npoints; k++) {
        if (f->points[k].target.point == b->point[i]) {
            name = f->points[k].name;
        }
    }
    assert_ok(sh_buf_printf(&f->out, "%s=", name));
    switch ((enum sh_type)b->type[i]) {
    case SH_T_F64:
        n = sh_f64_print(b->value[i].f64, text);
        break;
    case SH_T_I64:
        n = sh_i64_print(b->value[i].i64, text);
        text[n++] = 'i';
        break;
    case SH_T_BOOL:
        text[n++] = b->value[i].bits == 1 ? 't' : 'f';
        assert_true(b->value[i].bits <= 1);
        break;
    case SH_T_TEXT:
    case SH_T_BLOB:
        assert_ok(sh_buf_printf(&f->out, "'%.*s'", SH_PRI(sh_bytes_str(sh_batch_bytes(b, i)))));
        break;
    }
    assert_ok(sh_buf_printf(&f->out, "%.*s@%lld", (int)n, text, (long long)b->time_us[i]));
    if (b->quality[i] != SH_Q_GOOD) {
        assert_ok(sh_buf_printf(&f->out, "q%u", b->quality[i]));
    }
    assert_ok(sh_buf_put_c(&f->out, "\n"));
}

static inline sh_err fake_submit(void *ctx, const struct sh_batch *b)
{
    struct fake *f = ctx;
    f->submits++;
    assert_true(b->len > 0);
    f->max_batch = b->len > f->max_batch ? b->len : f->max_batch;
    for (uint32_t i = 0; i < b->len && f->submit_answer == SH_OK; i++) {
        fake_row(f, b, i);
    }
    return f->submit_answer;
}

static inline void fake_refuse(void *ctx, const struct sh_ingest_refusal *r)
{
    struct fake *f = ctx;
    assert_non_null(r->detail);
    assert_true(r->detail[0] != '\0');
    assert_ok(
        sh_buf_printf(&f->refused, "%u:%u %s\n", r->line, r->column, sh_ingest_code_name(r->code)));
}

/* Writes a run in brackets: where it stands among the rows shows. */
static inline sh_err fake_run(void *ctx, const struct sh_ingest_run *r)
{
    struct fake *f = ctx;
    if (f->run_answer != SH_OK) {
        return f->run_answer;
    }
    assert_ok(sh_buf_put_c(&f->out, "[\n"));
    for (uint32_t i = 0; i < r->n; i++) {
        const uint8_t type = (uint8_t)r->type;
        const uint8_t quality = r->quality == NULL ? SH_Q_GOOD : r->quality[i];
        const int64_t time = (int64_t)sh_le64(r->time + (size_t)i * 8);
        const union sh_cell cell = {.bits = sh_le64(r->cell + (size_t)i * 8)};
        const struct sh_batch one = {.len = 1,
                                     .point = &r->point,
                                     .time_us = &time,
                                     .value = &cell,
                                     .quality = &quality,
                                     .type = &type};
        fake_row(f, &one, 0);
    }
    assert_ok(sh_buf_put_c(&f->out, "]\n"));
    return SH_OK;
}

static inline struct fake *fake_new(struct sh_test_env *t)
{
    struct fake *f = sh_mem_new(t->env.alloc, sizeof *f);
    assert_non_null(f);
    sh_buf_init(&f->out, t->env.alloc, 64 << 20);
    sh_buf_init(&f->refused, t->env.alloc, 64 << 20);
    f->sink = (struct sh_ingest_sink){
        .resolve = fake_resolve, .submit = fake_submit, .refuse = fake_refuse, .ctx = f};
    return f;
}

static inline void fake_free(struct sh_test_env *t, struct fake *f)
{
    sh_buf_fini(&f->out);
    sh_buf_fini(&f->refused);
    sh_mem_free(t->env.alloc, f);
}

static inline void fake_clear(struct fake *f)
{
    sh_buf_clear(&f->out);
    sh_buf_clear(&f->refused);
}

static inline void fake_expect(struct fake *f, const char *what, const char *out,
                               const char *refused)
{
    if (!sh_str_eqc(sh_buf_str(&f->out), out)) {
        fail_msg("%s\n got: %.*s\nwant: %s", what, SH_PRI(sh_buf_str(&f->out)), out);
    }
    if (!sh_str_eqc(sh_buf_str(&f->refused), refused)) {
        fail_msg("%s\n refused: %.*s\n    want: %s", what, SH_PRI(sh_buf_str(&f->refused)),
                 refused);
    }
}

#endif /* SH_INGEST_FAKE_SINK_H */
