/* check.c - all of a folder is read: catalogue, journal (its catalogue entries complete the
 * catalogue), then every segment, whose points must be in the catalogue with their type.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <sh/check.h>

#include "ops_int.h"

struct check {
    const struct sh_env *env;
    struct sh_points *points;
    struct sh_check_counts *out;
    void (*problem)(void *ctx, const struct sh_check_problem *p);
    void *ctx;
};

static void tell(struct check *c, const char *file, uint64_t offset, uint32_t point,
                 const char *what, const char *remedy)
{
    c->out->problems++;
    c->problem(c->ctx, &(struct sh_check_problem){file, offset, point, what, remedy});
}

static void points_report(void *ctx, const char *file, uint64_t offset, const char *what)
{
    tell(ctx, file, offset, 0, what,
         "the server leaves them out; restore the newest backup if points are missing");
}

static void journal_report(void *ctx, const struct sh_journal_report *r)
{
    static const struct {
        const char *what;
        const char *remedy;
    } words[] = {
        [SH_JOURNAL_TORN_TAIL] = {"", ""},
        [SH_JOURNAL_DAMAGED] = {"bytes of the journal are not what was written",
                                "the server reads the rest; what was flushed to history is safe"},
        [SH_JOURNAL_LOST] = {"records of the journal are missing",
                             "restore the newest backup if they are not in history"},
        [SH_JOURNAL_CHECKPOINT] = {"the journal's checkpoint is damaged",
                                   "the server reads the whole journal again; nothing is lost"},
        [SH_JOURNAL_SEALED] = {"a log file was closed by a failed write", "look at the disk"},
    };
    if (r->what != SH_JOURNAL_TORN_TAIL) { /* an unfinished write was never acknowledged */
        tell(ctx, r->file, r->offset, 0, words[(size_t)r->what].what,
             words[(size_t)r->what].remedy);
    }
}

static void history_problem(void *ctx, const struct sh_history_problem *p)
{
    tell(ctx, p->file, p->offset, p->point, p->what,
         "the server serves the rest; restore the newest backup for the lost part");
}

static void series(void *ctx, const char *file, uint32_t point, enum sh_type type)
{
    struct check *c = ctx;
    const struct sh_point *p = sh_points_get(c->points, point);
    c->out->series++;
    if (p == NULL) {
        tell(c, file, 0, point, "the catalogue has no such point: its samples cannot be reached",
             "restore the newest backup: its catalogue is whole");
    } else if (p->type != type) {
        tell(c, file, 0, point, "the catalogue gives this point another type",
             "restore the newest backup");
    }
}

static sh_err check_journal(struct check *c, const char *dir)
{
    char path[OPS_PATH];
    struct sh_journal_found f = {.files = 0};
    const struct sh_journal_owner owner = {
        .id = SH_OWNER_CATALOGUE, .name = "catalogue", .apply = sh_points_apply, .ctx = c->points};
    SH_TRY(ops_join(path, dir, "journal"));
    const struct sh_journal_options o = {
        .dir = path, .owners = &owner, .owner_count = 1, .report = journal_report, .ctx = c};
    SH_TRY(sh_journal_check(c->env, &o, &f));
    c->out->journal_files = f.files;
    c->out->journal_bytes = f.bytes;
    c->out->journal_records = f.records;
    c->out->last_seq = f.last_seq;
    return SH_OK;
}

static sh_err check_all(struct check *c, const char *dir)
{
    char path[OPS_PATH];
    SH_TRY(ops_join(path, dir, "history"));
    const struct sh_points_options po = {.dir = path, .report = points_report, .ctx = c};
    SH_TRY(sh_points_open(c->env, &po, &c->points));
    SH_TRY(check_journal(c, dir));
    c->out->points = sh_points_last_id(c->points);
    struct sh_history_check h = {.problem = history_problem, .series = series, .ctx = c};
    SH_TRY(sh_history_check(c->env, path, &h));
    c->out->segments = h.segments;
    c->out->bytes = h.bytes;
    c->out->blocks = h.blocks;
    c->out->samples = h.samples;
    c->out->summaries = h.summaries;
    c->out->states = h.states;
    return SH_OK;
}

sh_err sh_check_history(const struct sh_env *env, const char *dir,
                        void (*problem)(void *ctx, const struct sh_check_problem *p), void *ctx,
                        struct sh_check_counts *out)
{
    struct check c = {.env = env, .out = out, .problem = problem, .ctx = ctx};
    *out = (struct sh_check_counts){.segments = 0};
    const sh_err err = check_all(&c, dir);
    sh_points_close(c.points);
    return err;
}
