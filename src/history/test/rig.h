/* rig.h - journal and history together, as the program composes them; for the fault tests.
 * Sample i (1, 2, 3 ...): point 1 + i % POINTS, a time and a value that follow from i.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SH_HISTORY_TEST_RIG_H
#define SH_HISTORY_TEST_RIG_H

#include <sh/history.h>
#include <sh/journal.h>
#include <sh/pack.h>
#include <sh/test.h>

enum { RIG_POINTS = 3, RIG_MAX = 1 << 20 };

struct rig {
    const struct sh_env *env;
    const char *dir;
    uint64_t segment_bytes;
    struct sh_history *h;
    struct sh_journal *j;
    int damaged; /* reports of either */
    uint32_t acked;
    void (*on_ack)(void *ctx, uint32_t upto);
    void *ctx;
};

/* Every 50th sample is late by hours, so that flushes touch several partitions; every 1000th batch
 * of them lies in its own, so that one flush touches more than 32. */
static inline int64_t rig_time(uint32_t i)
{
    const int64_t t = 1767225600000000 + (int64_t)i * 1000000;
    return i % 50 == 0 ? t - (int64_t)(i % 2000) * 3600 * 1000000 - 500000 : t;
}
static inline double rig_value(uint32_t i)
{
    return (double)i / 8;
}

static inline sh_err rig_apply(void *ctx, const struct sh_journal_record *rec)
{
    struct rig *r = ctx;
    if (rec->kind == SH_SAMPLES_EDIT) {
        return sh_history_edit_apply(r->h, rec->data, rec->seq);
    }
    if (rec->kind == SH_SAMPLES_BLOCKS) {
        struct sh_pack *pack = NULL;
        SH_TRY(sh_pack_read(r->env->alloc, rec->data, &pack));
        const sh_err taken = sh_history_apply_pack(r->h, pack, rec->seq);
        sh_pack_unref(pack);
        return taken;
    }
    struct sh_slab *slab = NULL;
    SH_TRY(sh_batch_wire_read(r->env->alloc, rec->data, &slab));
    const sh_err err = sh_history_apply(r->h, slab, rec->seq);
    sh_slab_unref(slab);
    return err;
}

static inline void rig_done(void *ctx, sh_err err, uint64_t seq)
{
    /* ctx: the rig; what is acknowledged is told through `acked` by rig_put */
    struct rig *r = ctx;
    SH_UNUSED(seq);
    r->damaged += err == SH_E_INTERNAL;
}

static inline void rig_flushed(void *ctx, uint64_t seq)
{
    struct rig *r = ctx;
    if (r->j != NULL) {
        const sh_err err = sh_journal_checkpoint(r->j, SH_OWNER_SAMPLES, seq);
        SH_UNUSED(err); /* the log stays longer */
    }
}

static inline void rig_report_history(void *ctx, const struct sh_history_report *e)
{
    struct rig *r = ctx;
    r->damaged += e->what == SH_HISTORY_SEGMENT_DAMAGED || e->what == SH_HISTORY_BLOCK_DAMAGED ||
                  e->what == SH_HISTORY_STATE_DAMAGED;
}

static inline void rig_report_journal(void *ctx, const struct sh_journal_report *e)
{
    struct rig *r = ctx;
    r->damaged += e->what == SH_JOURNAL_DAMAGED || e->what == SH_JOURNAL_LOST ||
                  e->what == SH_JOURNAL_CHECKPOINT;
}

static inline sh_err rig_open(struct rig *r)
{
    char history[128];
    char journal[128];
    (void)snprintf(history, sizeof history, "%s/history", r->dir);
    (void)snprintf(journal, sizeof journal, "%s/journal", r->dir);
    const struct sh_history_options ho = {.dir = history,
                                          .shards = 2,
                                          .partition_us = (int64_t)3600 * 1000000,
                                          .head_bytes = 64 << 10,
                                          .report = rig_report_history,
                                          .flushed = rig_flushed,
                                          .ctx = r};
    const struct sh_journal_owner owner = {.id = SH_OWNER_SAMPLES,
                                           .name = "samples",
                                           .apply = rig_apply,
                                           .limit_bytes = 1 << 20,
                                           .ctx = r};
    const struct sh_journal_options jo = {.dir = journal,
                                          .segment_bytes = r->segment_bytes,
                                          .owners = &owner,
                                          .owner_count = 1,
                                          .report = rig_report_journal,
                                          .ctx = r};
    r->j = NULL;
    SH_TRY(sh_history_open(r->env, &ho, &r->h));
    const sh_err err = sh_journal_open(r->env, &jo, &r->j);
    if (err != SH_OK) {
        sh_history_close(r->h);
        r->h = NULL;
    }
    return err;
}

static inline void rig_close(struct rig *r)
{
    struct sh_journal *j = r->j;
    r->j = NULL; /* no checkpoint from the last flush: the journal is closed before it */
    sh_journal_close(j);
    sh_history_close(r->h);
    r->h = NULL;
}

/* Appends samples [from, to) as one record. */
static inline sh_err rig_put(struct rig *r, uint32_t from, uint32_t to, sh_journal_done *done,
                             void *ctx)
{
    struct sh_batch_builder b;
    struct sh_buf wire;
    sh_batch_builder_init(&b, r->env->alloc, 1 << 16, 1 << 10);
    sh_buf_init(&wire, r->env->alloc, 16 << 20);
    sh_err err = SH_OK;
    for (uint32_t i = from; err == SH_OK && i < to; i++) {
        err = sh_batch_add(&b, 1 + i % RIG_POINTS, rig_time(i), SH_T_F64,
                           (union sh_cell){.f64 = rig_value(i)}, SH_Q_GOOD);
    }
    const size_t n = sh_batch_wire_size(&b.view);
    if (err == SH_OK) {
        err = sh_buf_reserve(&wire, n);
    }
    if (err == SH_OK) {
        sh_batch_wire_write(&b.view, wire.p);
        const struct sh_bytes part = {wire.p, n};
        err = sh_journal_append(r->j,
                                &(struct sh_journal_append){.owner = SH_OWNER_SAMPLES,
                                                            .kind = SH_SAMPLES_BATCH,
                                                            .parts = &part,
                                                            .nparts = 1,
                                                            .done = done,
                                                            .ctx = ctx},
                                NULL);
    }
    sh_buf_fini(&wire);
    sh_batch_builder_fini(&b);
    return err;
}

/* Appends a pack; done as in rig_put. */
static inline sh_err rig_put_pack(struct rig *r, const struct sh_pack *p, sh_journal_done *done,
                                  void *ctx)
{
    const struct sh_bytes part = sh_pack_wire(p);
    return sh_journal_append(r->j,
                             &(struct sh_journal_append){.owner = SH_OWNER_SAMPLES,
                                                         .kind = SH_SAMPLES_BLOCKS,
                                                         .parts = &part,
                                                         .nparts = 1,
                                                         .done = done,
                                                         .ctx = ctx},
                             NULL);
}

/* Those of the samples [from, to) that are of one point and not late, into a pack. */
static inline sh_err rig_add_run(struct sh_pack_builder *b, uint32_t point, uint32_t from,
                                 uint32_t to)
{
    static uint8_t time[4096 * 8];
    static uint8_t cell[4096 * 8];
    uint32_t n = 0;
    for (uint32_t i = from; i < to && n < 4096; i++) {
        if (1 + i % RIG_POINTS == point && i % 50 != 0) {
            const union sh_cell v = {.f64 = rig_value(i)};
            sh_put_le64(time + (size_t)n * 8, (uint64_t)rig_time(i));
            sh_put_le64(cell + (size_t)n * 8, v.bits);
            n++;
        }
    }
    const struct sh_pack_run run = {point, SH_T_F64, n, time, cell, NULL};
    return sh_pack_add(b, &run);
}

/* Samples [from, to), about two thousand: the late ones as rows, a record each, then a pack of the
 * others; done is told of that. */
static inline sh_err rig_put_mixed(struct rig *r, uint32_t from, uint32_t to, sh_journal_done *done,
                                   void *ctx)
{
    struct sh_pack_builder *b = NULL;
    struct sh_pack *p = NULL;
    sh_err err = sh_pack_builder_new(r->env->alloc, r->h, &b);
    for (uint32_t point = 1; err == SH_OK && point <= RIG_POINTS; point++) {
        err = rig_add_run(b, point, from, to);
    }
    err = err == SH_OK ? sh_pack_take(b, &p) : err;
    for (uint32_t i = from; err == SH_OK && i < to; i++) {
        if (i % 50 == 0) {
            err = rig_put(r, i, i + 1, NULL, NULL);
        }
    }
    if (err == SH_OK) {
        err = rig_put_pack(r, p, done, ctx);
    }
    sh_pack_unref(p);
    sh_pack_builder_free(b);
    return err;
}

struct rig_seen {
    uint8_t *have; /* by sample */
    uint32_t max;
    uint64_t rows;
    uint64_t wrong;
    int64_t last;
};

static inline sh_err rig_sink(void *ctx, const struct sh_history_rows *rows)
{
    struct rig_seen *s = ctx;
    for (uint32_t i = 0; i < rows->n; i++) {
        const double v = rows->value[i].f64 * 8;
        const uint32_t k = v >= 0 && v < RIG_MAX ? (uint32_t)v : 0;
        if (k == 0 || rig_time(k) != rows->time_us[i] || 1 + k % RIG_POINTS != rows->series + 1 ||
            (i > 0 && rows->time_us[i] <= rows->time_us[i - 1])) {
            s->wrong++;
        } else if (k < s->max) {
            s->have[k] = 1;
        }
        s->rows++;
    }
    return SH_OK;
}

/* Reads everything. have: max bytes, cleared here. */
static inline sh_err rig_read(struct rig *r, uint8_t *have, uint32_t max, struct rig_seen *s)
{
    static const uint32_t points[RIG_POINTS] = {1, 2, 3};
    struct sh_history_result out;
    *s = (struct rig_seen){.have = have, .max = max};
    memset(have, 0, max);
    return sh_history_query(r->h,
                            &(struct sh_history_query){.points = points,
                                                       .npoints = RIG_POINTS,
                                                       .from_us = -((int64_t)1 << 60),
                                                       .to_us = (int64_t)1 << 60},
                            rig_sink, s, &out);
}

#endif /* SH_HISTORY_TEST_RIG_H */
